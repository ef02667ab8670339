//! What user models minimise.

use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use serde::{Deserialize, Serialize};

use super::{ErrorWeights, Output};

/// Which loss; `y` is the logged feedback of the pair, `m` and `s` the predicted mean and logarithm of the variance,
/// `m'` and `s'` those of a negative pair. All are sums over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// `sum (y - m)^2 e^-s + m'^2 e^-s' + s + s'`: negatives have the target 0.
    #[default]
    PointNegative,
    /// `sum (y - m)^2 e^-s + s`.
    Point,
    /// `sum -ln sigmoid(m - m') e^-(s + s') + s + s'` (BPR).
    Pair,
    /// `sum (y - m)^2 e^-s + s - w ln sigmoid(m - m')`.
    PairPoint,
}

/// The loss of a batch, `[1]`.
///
/// # Shapes
/// - `positive`, `negative`: predictions for the logged pairs, already lowered by exposure, and for their negatives
/// - `targets`: `[n, 1]`, the logged feedback
/// - `weights`: `[n, 1]`, one over the item's count, for [`ErrorWeights::InversePropensity`]; the term of the logged
///   pair is multiplied by it
pub fn loss(
    kind: Loss,
    errors: ErrorWeights,
    positive: &Output,
    negative: &Output,
    targets: Tensor<2>,
    weights: Option<Tensor<2>>,
    pair_weight: f64,
) -> Tensor<1> {
    let gaussian = errors == ErrorWeights::Variance;
    let weigh = |terms: Tensor<2>, output: &Output| {
        if gaussian { terms.mul(output.log_variance.clone().neg().exp()) } else { terms }
    };
    let inverse = |terms: Tensor<2>| match &weights {
        Some(weights) if errors == ErrorWeights::InversePropensity => terms.mul(weights.clone()),
        _ => terms,
    };
    let error = || inverse(weigh(positive.mean.clone().sub(targets.clone()).square(), positive));
    let pair = || inverse(log_sigmoid(positive.mean.clone().sub(negative.mean.clone())).neg());
    let (terms, both) = match kind {
        Loss::PointNegative => (error().add(weigh(negative.mean.clone().square(), negative)), true),
        Loss::Point => (error(), false),
        Loss::Pair => (weigh(weigh(pair(), positive), negative), true),
        Loss::PairPoint => (error().add(pair().mul_scalar(pair_weight)), false),
    };
    let mut sum = terms.sum();
    if gaussian {
        sum = sum.add(positive.log_variance.clone().sum());
        if both {
            sum = sum.add(negative.log_variance.clone().sum());
        }
    }
    sum
}
