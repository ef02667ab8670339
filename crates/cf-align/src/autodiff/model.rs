//! A configuration's encoder and loss put together, and the gradients of one batch.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rec_core::{ItemId, UserId, UserItems};

use super::directau::Objective;
use super::{
    Graph, LightGcn, Margins, MatrixFactorization, bpr, directau, directau_weighted, embedding_penalty,
    graphau, mawu,
};
use crate::config::{self, Loss, ModelConfig};
use crate::{Result, init};

/// The values of everything that is learned, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// The user table, row-major `[n_users, dim]`.
    pub users: Vec<f32>,
    /// The item table, row-major `[n_items, dim]`.
    pub items: Vec<f32>,
    /// MAWU's scalar for each user; empty for other losses.
    pub user_margins: Vec<f32>,
    /// MAWU's scalar for each item; empty for other losses.
    pub item_margins: Vec<f32>,
}

impl Parameters {
    /// What training starts from: [`init::tables`], and for MAWU [`init::margins`], some of which are negative until
    /// the first step clamps them.
    pub fn initial(config: &ModelConfig, n_users: usize, n_items: usize) -> Self {
        let (users, items) = init::tables(config, n_users, n_items);
        let [user_margins, item_margins] = match config.loss {
            Loss::Mawu { .. } => init::margins(config, n_users, n_items),
            _ => Default::default(),
        };
        Self { users, items, user_margins, item_margins }
    }
}

/// What turns row numbers into vectors.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a training has one encoder")]
pub enum Encoder {
    /// The tables.
    Mf(MatrixFactorization),
    /// The tables smoothed over the graph.
    LightGcn(LightGcn),
}

impl Encoder {
    /// The tables.
    pub fn tables(&self) -> &MatrixFactorization {
        match self {
            Self::Mf(tables) => tables,
            Self::LightGcn(encoder) => &encoder.tables,
        }
    }

    /// The tables.
    pub(super) fn tables_mut(&mut self) -> &mut MatrixFactorization {
        match self {
            Self::Mf(tables) => tables,
            Self::LightGcn(encoder) => &mut encoder.tables,
        }
    }

    /// The vectors of all users and all items.
    ///
    /// # Shapes
    /// - output: `[n_users, dim]` and `[n_items, dim]`
    pub fn forward(&self) -> (Tensor<2>, Tensor<2>) {
        match self {
            Self::Mf(tables) => tables.forward(),
            Self::LightGcn(encoder) => encoder.forward(),
        }
    }
}

/// An encoder, and what its loss learns besides.
#[derive(Module, Debug)]
pub struct Model {
    /// The encoder.
    pub encoder: Encoder,
    /// MAWU's margins.
    pub margins: Option<Margins>,
}

impl Model {
    /// The model of `config` over the training graph `positives` with the given values.
    pub fn new(config: &ModelConfig, positives: &UserItems, parameters: Parameters, device: &Device) -> Self {
        let dim = config.training.dim;
        let tables = MatrixFactorization::from_tables(parameters.users, parameters.items, dim, device);
        let encoder = match config.encoder {
            config::Encoder::Mf => Encoder::Mf(tables),
            config::Encoder::LightGcn { layers } => {
                Encoder::LightGcn(LightGcn { tables, graph: Graph::new(positives, device), layers })
            }
        };
        let margins = matches!(config.loss, Loss::Mawu { .. })
            .then(|| Margins::from_values(parameters.user_margins, parameters.item_margins, device));
        Self { encoder, margins }
    }

    /// The loss of a batch of positive pairs. BPR takes one negative for each pair; other losses ignore `negatives`.
    ///
    /// Terms: `alignment`, `uniformity_user` and `uniformity_item`; for BPR `bpr` and the weighted `penalty`.
    ///
    /// # Panics
    /// If the batch is empty, names a row that does not exist, or BPR does not get one negative for each pair.
    pub fn objective(&self, loss: &Loss, batch: &[(UserId, ItemId)], negatives: &[ItemId]) -> Objective {
        assert!(!batch.is_empty(), "a batch holds at least one pair");
        let device = self.encoder.tables().users.val().device();
        let rows = |rows: Vec<i32>| {
            let n = rows.len();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &device)
        };
        let users = rows(batch.iter().map(|(user, _)| user.index() as i32).collect());
        let items = rows(batch.iter().map(|(_, item)| item.index() as i32).collect());
        if let (&Loss::GraphAu { gamma, base }, Encoder::LightGcn(encoder)) = (loss, &self.encoder) {
            let hops = encoder.hops(encoder.layers);
            let (user_hops, item_hops) = hops
                .into_iter()
                .map(|(all_users, all_items)| {
                    (all_users.select(0, users.clone()), all_items.select(0, items.clone()))
                })
                .unzip();
            return graphau(user_hops, item_hops, gamma, base);
        }
        let (all_users, all_items) = self.encoder.forward();
        let x = all_users.select(0, users.clone());
        let y = all_items.clone().select(0, items.clone());
        match *loss {
            Loss::DirectAu { gamma, dedup: false } => directau(x, y, gamma),
            Loss::DirectAu { gamma, dedup: true } => {
                let user_weights = first_occurrences(batch.iter().map(|(user, _)| user.0));
                let item_weights = first_occurrences(batch.iter().map(|(_, item)| item.0));
                directau_weighted(x, y, gamma, &user_weights, &item_weights)
            }
            Loss::Mawu { gamma_user, gamma_item } => {
                let margins = self.margins.as_ref().expect("a model of MAWU has margins");
                mawu(x, y, margins.forward(users, items), gamma_user, gamma_item)
            }
            // On plain embeddings only the hop 0 exists; `ModelConfig::validate` refuses the combination.
            Loss::GraphAu { gamma, base } => graphau(vec![x], vec![y], gamma, base),
            Loss::Bpr { l2, squared } => {
                assert_eq!(negatives.len(), batch.len(), "BPR takes one negative for each pair");
                let negatives = rows(negatives.iter().map(|item| item.index() as i32).collect());
                let z = all_items.select(0, negatives.clone());
                let score = |items: Tensor<2>| x.clone().mul(items).sum_dim(1).squeeze_dim::<1>(1);
                let ranking = bpr(score(y), score(z));
                let (user_table, item_table) = self.encoder.tables().forward();
                let blocks = vec![
                    user_table.select(0, users),
                    item_table.clone().select(0, items),
                    item_table.select(0, negatives),
                ];
                let penalty = embedding_penalty(blocks, squared).mul_scalar(l2);
                Objective {
                    loss: ranking.clone().add(penalty.clone()),
                    terms: vec![("bpr", ranking), ("penalty", penalty)],
                }
            }
        }
    }
}

/// Weight 1 for the first occurrence of each id, 0 for its repetitions.
fn first_occurrences(ids: impl Iterator<Item = u32>) -> Vec<f32> {
    let mut seen = std::collections::HashSet::new();
    ids.map(|id| if seen.insert(id) { 1.0 } else { 0.0 }).collect()
}

/// The loss of one batch and its gradient with respect to everything that is learned, before weight decay.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchGradients {
    /// The loss.
    pub loss: f64,
    /// Its named terms, as [`Model::objective`] gives them.
    pub terms: Vec<(String, f64)>,
    /// With respect to each value of [`Parameters`].
    pub gradients: Parameters,
}

/// The loss of `batch` and its gradients with respect to the raw tables (and MAWU's margins), by autodiff on
/// `device`: what the fused engine's analytic gradients are held against.
///
/// `positives` is the training graph, used by LightGCN; `negatives` holds one item for each pair of the batch for BPR
/// and is ignored otherwise.
///
/// # Errors
/// If `config` does not hold.
///
/// # Panics
/// As [`Model::objective`], and if `parameters` do not fit `config` and `positives`.
pub fn gradients(
    config: &ModelConfig,
    positives: &UserItems,
    parameters: &Parameters,
    batch: &[(UserId, ItemId)],
    negatives: &[ItemId],
    device: &Device,
) -> Result<BatchGradients> {
    config.validate()?;
    let device = device.clone().autodiff();
    let model = Model::new(config, positives, parameters.clone(), &device);
    let objective = model.objective(&config.loss, batch, negatives);
    let mut gradients = objective.loss.backward();
    let tables = model.encoder.tables();
    let mut table = |param: &burn::module::Param<Tensor<2>>| {
        let param = param.val();
        values(param.grad_remove(&mut gradients).unwrap_or_else(|| param.inner().zeros_like()))
    };
    let (users, items) = (table(&tables.users), table(&tables.items));
    let (mut user_margins, mut item_margins) = (Vec::new(), Vec::new());
    if let Some(margins) = &model.margins {
        let mut column = |param: &burn::module::Param<Tensor<1>>| {
            let param = param.val();
            values(param.grad_remove(&mut gradients).unwrap_or_else(|| param.inner().zeros_like()))
        };
        (user_margins, item_margins) = (column(&margins.users), column(&margins.items));
    }
    Ok(BatchGradients {
        loss: scalar(objective.loss),
        terms: objective.terms.into_iter().map(|(name, term)| (name.to_string(), scalar(term))).collect(),
        gradients: Parameters { users, items, user_margins, item_margins },
    })
}

/// The values of a tensor, row-major.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("a float tensor reads as f32")
}

/// The value of a tensor of one.
pub(super) fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}
