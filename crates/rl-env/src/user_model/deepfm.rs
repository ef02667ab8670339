//! DeepFM with a second head for the variance.

use burn::module::{Module, Param};
use burn::tensor::activation::{relu, sigmoid, softplus};
use burn::tensor::{Device, Tensor};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::Encoded;
use super::encoded::Rows;
use crate::datasets::Target;
use crate::network::{Linear, Start, normal, param, uniform};
use crate::{Error, Result};

/// The shape of a [`DeepFm`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepFmConfig {
    /// The width of every embedding: 8; 4 for KuaiRand.
    pub dim: usize,
    /// The widths of the deep part.
    pub hidden: Vec<usize>,
    /// What is predicted; yes-or-no feedback goes through a sigmoid.
    pub target: Target,
    /// The standard deviation of first embeddings and deep weights.
    pub deviation: f32,
    /// The same for the linear part.
    pub linear_deviation: f32,
    /// Below this the logarithm of the variance bends off.
    pub least_log_variance: f64,
    /// Above this the logarithm of the variance bends off.
    pub most_log_variance: f64,
}

impl Default for DeepFmConfig {
    fn default() -> Self {
        Self {
            dim: 8,
            hidden: vec![128, 128],
            target: Target::Rating,
            deviation: 1e-3,
            linear_deviation: 1e-4,
            least_log_variance: -10.0,
            most_log_variance: 0.5,
        }
    }
}

impl DeepFmConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if self.dim == 0 {
            return Err(Error::config("user_model.model.dim", "is 0; accepts whole numbers from 1"));
        }
        if self.hidden.is_empty() || self.hidden.contains(&0) {
            let what = format!("is {:?}; accepts one or more whole numbers from 1", self.hidden);
            return Err(Error::config("user_model.model.hidden", what));
        }
        for (key, value) in [("deviation", self.deviation), ("linear_deviation", self.linear_deviation)] {
            if !(value.is_finite() && value >= 0.0) {
                let what = format!("is {value}; accepts finite numbers from 0");
                return Err(Error::config(format!("user_model.model.{key}"), what));
            }
        }
        let (least, most) = (self.least_log_variance, self.most_log_variance);
        if !(least.is_finite() && most.is_finite() && least < most) {
            let what = format!("is {least}; accepts numbers below most_log_variance = {most}");
            return Err(Error::config("user_model.model.least_log_variance", what));
        }
        Ok(())
    }
}

/// The half of a model that reads users, or items.
#[derive(Module, Debug)]
struct Side {
    /// `[vocabulary, dim]`.
    embedding: Param<Tensor<2>>,
    /// `[vocabulary, 1]`.
    linear: Param<Tensor<2>>,
    /// `[n_dense, 1]`.
    linear_dense: Option<Param<Tensor<2>>>,
    /// This side's rows of the first deep layer's weights: `[fields * dim + n_dense, hidden[0]]`.
    first: Param<Tensor<2>>,
}

/// What one side contributes to a prediction.
#[derive(Clone, Debug)]
struct Half {
    /// To the first deep layer before its bias: `[n, hidden[0]]`.
    first: Tensor<2>,
    /// The sum of the embeddings: `[n, dim]`.
    sum: Tensor<2>,
    /// The linear terms and the products of this side's embeddings with each other: `[n, 1]`.
    own: Tensor<2>,
}

impl Side {
    fn new(encoded: &Encoded, config: &DeepFmConfig, rng: &mut Random, device: &Device) -> Self {
        let (vocabulary, n_dense) = (encoded.vocabulary(), encoded.n_dense());
        let (inputs, outputs) = (encoded.fields() * config.dim + n_dense, config.hidden[0]);
        let mut draw = |rows: usize, columns: usize, deviation: f32| {
            param(normal(rows * columns, deviation, rng), [rows, columns], device)
        };
        Self {
            embedding: draw(vocabulary, config.dim, config.deviation),
            linear: draw(vocabulary, 1, config.linear_deviation),
            linear_dense: (n_dense > 0).then(|| draw(n_dense, 1, config.linear_deviation)),
            first: draw(inputs, outputs, config.deviation),
        }
    }

    /// The embeddings side by side, then the numeric features: `[n, fields * dim + n_dense]`; and the embeddings,
    /// `[n, fields, dim]`.
    fn vectors(&self, rows: &Rows) -> (Tensor<2>, Tensor<3>) {
        let [_, dim] = self.embedding.dims();
        let mut embeddings =
            self.embedding.val().select(0, rows.codes.clone()).reshape([rows.n, rows.fields, dim]);
        if let Some(present) = &rows.present {
            embeddings = embeddings.mul(present.clone());
        }
        let flat = embeddings.clone().reshape([rows.n, rows.fields * dim]);
        let vectors = match &rows.dense {
            Some(dense) => Tensor::cat(vec![flat, dense.clone()], 1),
            None => flat,
        };
        (vectors, embeddings)
    }

    fn forward(&self, rows: &Rows) -> Half {
        let (vectors, embeddings) = self.vectors(rows);
        let mut linear = self.linear.val().select(0, rows.codes.clone()).reshape([rows.n, rows.fields]);
        if let Some(present) = &rows.present {
            linear = linear.mul(present.clone().reshape([rows.n, rows.fields]));
        }
        let mut own = linear.sum_dim(1);
        if let (Some(weights), Some(dense)) = (&self.linear_dense, &rows.dense) {
            own = own.add(dense.clone().matmul(weights.val()));
        }
        let sum = embeddings.clone().sum_dim(1).squeeze_dim::<2>(1);
        let squares = embeddings.square().sum_dim(1).squeeze_dim::<2>(1);
        let products = sum.clone().square().sub(squares).sum_dim(1).mul_scalar(0.5);
        Half { first: vectors.matmul(self.first.val()), sum, own: own.add(products) }
    }
}

/// What a [`DeepFm`] makes of `n` pairs.
#[derive(Clone, Debug)]
pub struct Output {
    /// The predicted feedback, `[n, 1]`.
    pub mean: Tensor<2>,
    /// The logarithm of its variance, `[n, 1]`.
    pub log_variance: Tensor<2>,
}

/// Factorization machine and deep network over shared embeddings (Guo et al., IJCAI 2017), with a head for the logarithm
/// of the variance:
///
/// `mean = b + sum_f w_f + sum_{f<g} <e_f, e_g> + v . MLP([e; dense])`, through a sigmoid for yes-or-no feedback, and
/// `s = clamp(v' . MLP([e; dense]))` between two softplus bends.
///
/// Users and items meet only in the first deep layer's sum and in one inner product, so each is read once where all
/// pairs are predicted: `sum_{f<g} <e_f, e_g>` over all fields is the same over the user's, the same over the item's, and
/// `<sum of the user's, sum of the item's>`.
#[derive(Module, Debug)]
pub struct DeepFm {
    users: Side,
    items: Side,
    first_bias: Param<Tensor<1>>,
    hidden: Vec<Linear>,
    mean: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    log_variance: Param<Tensor<2>>,
    /// How much repetition bores each user, `[n_users, 1]`, and wears each item; only where they are learned.
    user_sensitivity: Option<Param<Tensor<2>>>,
    item_sensitivity: Option<Param<Tensor<2>>>,
    #[module(skip)]
    binary: bool,
    #[module(skip)]
    least_log_variance: f64,
    #[module(skip)]
    most_log_variance: f64,
}

impl DeepFm {
    /// A model with first weights from `rng`: normal embeddings and deep weights, heads and biases as
    /// `torch.nn.Linear`'s; with `sensitivity` factors of exposure about 1 for every user and item.
    pub fn new(
        users: &Encoded,
        items: &Encoded,
        config: &DeepFmConfig,
        sensitivity: bool,
        rng: &mut Random,
        device: &Device,
    ) -> Self {
        let (user_side, item_side) =
            (Side::new(users, config, rng, device), Side::new(items, config, rng, device));
        let width = |encoded: &Encoded| encoded.fields() * config.dim + encoded.n_dense();
        let bound = |inputs: usize| 1.0 / (inputs.max(1) as f32).sqrt();
        let first_bias = uniform(config.hidden[0], bound(width(users) + width(items)), rng);
        let hidden = config.hidden.windows(2).map(|pair| {
            let mut layer = Linear::new(pair[0], pair[1], Start::Uniform, rng, device);
            layer.weight =
                param(normal(pair[0] * pair[1], config.deviation, rng), [pair[0], pair[1]], device);
            layer
        });
        let hidden: Vec<Linear> = hidden.collect();
        let last = config.hidden[config.hidden.len() - 1];
        let mut head = || param(uniform(last, bound(last), rng), [last, 1], device);
        let (mean, log_variance) = (head(), head());
        let mut factors = |rows: usize| {
            sensitivity.then(|| {
                let values = normal(rows, config.deviation, rng).into_iter().map(|x| 1.0 + x).collect();
                param(values, [rows, 1], device)
            })
        };
        Self {
            users: user_side,
            items: item_side,
            first_bias: param(first_bias, [config.hidden[0]], device),
            hidden,
            mean,
            bias: param(vec![0.0], [1], device),
            log_variance,
            user_sensitivity: factors(users.rows()),
            item_sensitivity: factors(items.rows()),
            binary: config.target == Target::Binary,
            least_log_variance: config.least_log_variance,
            most_log_variance: config.most_log_variance,
        }
    }

    /// The predictions for row `i` of `users` with row `i` of `items`.
    pub(super) fn forward(&self, users: &Rows, items: &Rows) -> Output {
        let (user, item) = (self.users.forward(users), self.items.forward(items));
        let cross = user.sum.mul(item.sum).sum_dim(1);
        self.combine(user.first.add(item.first), user.own.add(item.own).add(cross))
    }

    /// The predictions for every row of `users` with every row of `items`, `[n_users * n_items, 1]`, users first.
    pub(super) fn forward_all(&self, users: &Rows, items: &Rows) -> Output {
        let (user, item) = (self.users.forward(users), self.items.forward(items));
        let (n, width) = (users.n * items.n, user.first.dims()[1]);
        let first = user.first.unsqueeze_dim::<3>(1).add(item.first.unsqueeze_dim(0)).reshape([n, width]);
        let own = user.own.add(item.own.transpose());
        self.combine(first, own.add(user.sum.matmul(item.sum.transpose())).reshape([n, 1]))
    }

    /// - `first`: `[n, hidden[0]]`, the first layer before its bias
    /// - `wide`: `[n, 1]`, everything that does not go through the deep part
    fn combine(&self, first: Tensor<2>, wide: Tensor<2>) -> Output {
        let first = relu(first.add(self.first_bias.val().unsqueeze()));
        let deep = self.hidden.iter().fold(first, |x, layer| relu(layer.forward(x)));
        let mean = wide.add(deep.clone().matmul(self.mean.val())).add(self.bias.val().unsqueeze());
        let (least, most) = (self.least_log_variance, self.most_log_variance);
        let s = deep.matmul(self.log_variance.val());
        let s = softplus(s.neg().add_scalar(most), 1.0).neg().add_scalar(most);
        let s = softplus(s.sub_scalar(least), 1.0).add_scalar(least);
        Output { mean: if self.binary { sigmoid(mean) } else { mean }, log_variance: s }
    }

    /// The item vectors of `rows`: `[n, fields * dim + n_dense]`.
    pub(super) fn item_vectors(&self, rows: &Rows) -> Tensor<2> {
        self.items.vectors(rows).0
    }

    /// The factors of exposure of these users and items, each `[n, 1]`, where they are learned. `users` and `items` hold
    /// their numbers.
    pub(super) fn sensitivities(
        &self,
        users: burn::tensor::Tensor<1, burn::tensor::Int>,
        items: burn::tensor::Tensor<1, burn::tensor::Int>,
    ) -> Option<(Tensor<2>, Tensor<2>)> {
        let (alpha, beta) = (self.user_sensitivity.as_ref()?, self.item_sensitivity.as_ref()?);
        Some((alpha.val().select(0, users), beta.val().select(0, items)))
    }

    /// All factors of exposure on the host: of users and of items.
    pub(super) fn all_sensitivities(&self) -> Option<[Vec<f32>; 2]> {
        let host = |factors: &Param<Tensor<2>>| factors.val().into_data().iter::<f32>().collect();
        Some([host(self.user_sensitivity.as_ref()?), host(self.item_sensitivity.as_ref()?)])
    }

    /// `l2_embeddings sum |e|^2 + l2_weights sum |w|^2`, `[1]`: the first over the embeddings, the second over all
    /// parameters, embeddings and biases included, as in the reference, but not over factors of exposure, which are drawn
    /// to 1.
    pub fn penalty(&self, l2_embeddings: f64, l2_weights: f64) -> Tensor<1> {
        fn squared<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<1> {
            param.val().square().sum()
        }
        let mut embeddings = squared(&self.users.embedding).add(squared(&self.items.embedding));
        let mut weights = embeddings.clone();
        for side in [&self.users, &self.items] {
            weights = weights.add(squared(&side.linear)).add(squared(&side.first));
            if let Some(dense) = &side.linear_dense {
                weights = weights.add(squared(dense));
            }
        }
        for layer in &self.hidden {
            weights = weights.add(squared(&layer.weight)).add(squared(&layer.bias));
        }
        weights = weights.add(squared(&self.first_bias)).add(squared(&self.bias));
        weights = weights.add(squared(&self.mean)).add(squared(&self.log_variance));
        embeddings = embeddings.mul_scalar(l2_embeddings);
        embeddings.add(weights.mul_scalar(l2_weights))
    }
}
