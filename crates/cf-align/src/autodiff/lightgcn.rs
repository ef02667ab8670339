//! LightGCN: embeddings smoothed over the graph of interactions.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor, TensorData};
use rec_core::{UserId, UserItems};

use super::{MatrixFactorization, MatrixFactorizationConfig};
use crate::config::Init;

/// Added to each degree before the root, as in RecBole and the authors' programs: a user or item without an edge
/// divides by no zero.
const DEGREE_EPSILON: f64 = 1e-7;

/// The bipartite graph of training interactions, one edge for each distinct pair, with its weights.
///
/// The weight of an edge is `((deg_u + 1e-7) (deg_i + 1e-7))^-1/2`.
#[derive(Module, Debug)]
pub struct Graph {
    /// The user of each edge, `[E]`.
    edge_users: Tensor<1, Int>,
    /// The item of each edge, `[E]`.
    edge_items: Tensor<1, Int>,
    /// The weight of each edge, `[E, 1]`.
    weights: Tensor<2>,
}

impl Graph {
    /// The graph of `positives`, in which repeated interactions count once.
    ///
    /// # Panics
    /// If there is no interaction.
    pub fn new(positives: &UserItems, device: &Device) -> Self {
        let n_edges = positives.n_pairs();
        assert!(n_edges > 0, "a graph has at least one edge");
        let mut item_degrees = vec![0_u32; positives.n_items()];
        for user in 0..positives.n_users() {
            for item in positives.row(UserId::from_index(user)) {
                item_degrees[item.index()] += 1;
            }
        }
        let mut users = Vec::with_capacity(n_edges);
        let mut items = Vec::with_capacity(n_edges);
        let mut weights = Vec::with_capacity(n_edges);
        for user in 0..positives.n_users() {
            let row = positives.row(UserId::from_index(user));
            let degree = row.len() as f64 + DEGREE_EPSILON;
            for item in row {
                let item_degree = f64::from(item_degrees[item.index()]) + DEGREE_EPSILON;
                users.push(user as i32);
                items.push(item.index() as i32);
                weights.push((degree * item_degree).sqrt().recip() as f32);
            }
        }
        Self {
            edge_users: Tensor::from_data(TensorData::new(users, [n_edges]), device),
            edge_items: Tensor::from_data(TensorData::new(items, [n_edges]), device),
            weights: Tensor::from_data(TensorData::new(weights, [n_edges, 1]), device),
        }
    }

    /// One propagation: each user becomes the weighted sum of its items, each item of its users (LightGCN, He et al.,
    /// SIGIR 2020, the light graph convolution).
    ///
    /// # Shapes
    /// - `users`: `[n_users, dim]`, `items`: `[n_items, dim]`
    /// - output: the same shapes; rows without an edge are 0
    pub fn propagate(&self, users: Tensor<2>, items: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let to_users = items.clone().select(0, self.edge_items.clone()).mul(self.weights.clone());
        let to_items = users.clone().select(0, self.edge_users.clone()).mul(self.weights.clone());
        let sum = |shape: [usize; 2], index: &Tensor<1, Int>, messages: Tensor<2>| {
            Tensor::<2>::zeros(shape, &messages.device()).select_assign(
                0,
                index.clone(),
                messages,
                IndexingUpdateOp::Add,
            )
        };
        (sum(users.dims(), &self.edge_users, to_users), sum(items.dims(), &self.edge_items, to_items))
    }
}

/// How to make a [`LightGcn`].
#[derive(Config, Debug)]
pub struct LightGcnConfig {
    /// The number of propagations.
    pub layers: usize,
    /// Length of a row.
    #[config(default = 64)]
    pub dim: usize,
    /// How the tables are filled.
    #[config(default = "Init::XavierUniform")]
    pub init: Init,
    /// Seeds the filling.
    #[config(default = 2020)]
    pub seed: u64,
}

impl LightGcnConfig {
    /// An encoder over the graph of `positives` on `device`, with the values every engine starts from for this seed.
    ///
    /// # Panics
    /// If there is no interaction.
    pub fn init(&self, positives: &UserItems, device: &Device) -> LightGcn {
        let tables = MatrixFactorizationConfig::new(positives.n_users(), positives.n_items())
            .with_dim(self.dim)
            .with_init(self.init)
            .with_seed(self.seed)
            .init(device);
        LightGcn { tables, graph: Graph::new(positives, device), layers: self.layers }
    }
}

/// LightGCN (SIGIR 2020): no weights but the tables, no activation, no dropout. Made by [`LightGcnConfig`].
#[derive(Module, Debug)]
pub struct LightGcn {
    /// The tables, hop 0.
    pub tables: MatrixFactorization,
    /// The graph.
    pub graph: Graph,
    /// The number of propagations.
    pub layers: usize,
}

impl LightGcn {
    /// The tables after 0, 1, …, `last` propagations.
    ///
    /// # Shapes
    /// - output: `last + 1` pairs of `[n_users, dim]` and `[n_items, dim]`
    pub fn hops(&self, last: usize) -> Vec<(Tensor<2>, Tensor<2>)> {
        let mut hops = vec![self.tables.forward()];
        for hop in 0..last {
            let (users, items) = hops[hop].clone();
            hops.push(self.graph.propagate(users, items));
        }
        hops
    }

    /// The vectors of all users and all items: the mean of the hops 0 to `layers`.
    ///
    /// # Shapes
    /// - output: `[n_users, dim]` and `[n_items, dim]`
    pub fn forward(&self) -> (Tensor<2>, Tensor<2>) {
        let (users, items) = self
            .hops(self.layers)
            .into_iter()
            .reduce(|(users, items), (more_users, more_items)| (users.add(more_users), items.add(more_items)))
            .expect("the hop 0 is always there");
        let share = 1.0 / (self.layers as f64 + 1.0);
        (users.mul_scalar(share), items.mul_scalar(share))
    }
}
