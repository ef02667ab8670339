//! Actions in the space of item vectors: a Gaussian actor, and the item whose vector points most nearly its way.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::settings::share;
use crate::bits::MaskedRows;
use crate::network::host;
use crate::network::{Linear, Start, normal, param};
use crate::{Result, sample};

/// How a vector becomes an item: the one with the largest `v . E_i / |E_i|`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VectorActions {
    /// The probability that a whole batch is answered with uniformly random items while exploring.
    pub remap_eps: f64,
    /// Whether vectors are clipped to `[-1, 1]` and moved to `[0, 1]` before they are compared. Log-probabilities are
    /// those of the vectors before.
    pub bounded: bool,
}

impl Default for VectorActions {
    fn default() -> Self {
        Self { remap_eps: 0.01, bounded: false }
    }
}

impl VectorActions {
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if `remap_eps` is not a probability.
    pub fn validate(&self) -> Result<()> {
        share("actions.remap_eps", self.remap_eps)
    }

    /// The vectors as they are compared.
    pub fn bound(&self, vectors: &mut [f32]) {
        if self.bounded {
            vectors.iter_mut().for_each(|value| *value = (value.clamp(-1.0, 1.0) + 1.0) / 2.0);
        }
    }
}

/// For each row of `scores` the best item that is not masked; or, with the probability `remap`, for all rows uniformly
/// random items that are not masked.
///
/// # Panics
/// If a row is all masked.
pub(super) fn nearest_items(
    scores: &mut [f32],
    n_items: usize,
    masked: Option<MaskedRows<'_>>,
    remap: Option<f64>,
    rng: &mut Random,
    items: &mut Vec<u32>,
) {
    if remap.is_some_and(|remap| rng.random::<f64>() < remap) {
        scores.fill(0.0);
        sample::categorical(scores, n_items, masked, rng, items);
    } else {
        sample::greedy(scores, n_items, masked, items);
    }
}

/// A diagonal Gaussian whose mean depends on the state and whose deviation does not.
#[derive(Module, Debug)]
pub(super) struct Gaussian {
    mean: Linear,
    /// `ln sigma`, `[width]`; starts at 0.
    log_sigma: Param<Tensor<1>>,
}

impl Gaussian {
    pub(super) fn new(inputs: usize, width: usize, start: Start, rng: &mut Random, device: &Device) -> Self {
        let mean = Linear::new(inputs, width, start, rng, device);
        Self { mean, log_sigma: param(vec![0.0; width], [width], device) }
    }

    /// # Shapes
    /// - `hidden`: `[n, inputs]`
    /// - output: `[n, width]`
    pub(super) fn mean(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.mean.forward(hidden)
    }

    /// Vectors drawn from the policy on the host, `[n, width]`.
    pub(super) fn sample(&self, hidden: Tensor<2>, rng: &mut Random) -> Vec<f32> {
        let mean = self.mean(hidden);
        let [n, width] = mean.dims();
        let noise =
            Tensor::<2>::from_data(TensorData::new(normal(n * width, 1.0, rng), [n, width]), &mean.device());
        host(mean.add(noise.mul(self.log_sigma.val().exp().unsqueeze())))
    }

    /// `sum_k -(v_k - mu_k)^2 / (2 sigma_k^2) - ln sigma_k - ln(2 pi) / 2`.
    ///
    /// # Shapes
    /// - `hidden`: `[n, inputs]`
    /// - `vectors`: `[n, width]`
    /// - output: `[n]`
    pub(super) fn log_probs(&self, hidden: Tensor<2>, vectors: Tensor<2>) -> Tensor<1> {
        let log_sigma = self.log_sigma.val().unsqueeze::<2>();
        let width = vectors.dims()[1] as f64;
        let away = vectors.sub(self.mean(hidden)).div(log_sigma.clone().exp());
        away.square()
            .div_scalar(-2.0)
            .sub(log_sigma)
            .sum_dim(1)
            .sub_scalar(width * 0.5 * std::f64::consts::TAU.ln())
            .squeeze_dim(1)
    }

    /// `sum_k 1/2 + ln(2 pi) / 2 + ln sigma_k`, `[1]`.
    pub(super) fn entropy(&self) -> Tensor<1> {
        let width = self.log_sigma.val().dims()[0] as f64;
        self.log_sigma.val().sum().add_scalar(width * 0.5 * (1.0 + std::f64::consts::TAU.ln()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_vectors_lie_in_the_unit_cube_and_others_stay() {
        let mut vectors = [-3.0, -0.5, 0.0, 1.5];
        VectorActions::default().bound(&mut vectors);
        assert_eq!(vectors, [-3.0, -0.5, 0.0, 1.5]);
        VectorActions { bounded: true, ..VectorActions::default() }.bound(&mut vectors);
        assert_eq!(vectors, [0.0, 0.25, 0.5, 1.0]);
    }

    #[test]
    fn a_remapped_batch_is_uniform_over_what_is_not_masked() {
        let mut bits = crate::bits::BitMatrix::new(1, 4);
        bits.insert(0, 2);
        let rows = vec![0; 4000];
        let mut rng = rec_core::random::stream(1, "test", 0);
        let mut items = Vec::new();
        let mut scores = [9.0, 0.0, 50.0, -9.0].repeat(rows.len());
        let masked = Some(MaskedRows { bits: &bits, rows: &rows });
        nearest_items(&mut scores.clone(), 4, masked, None, &mut rng, &mut items);
        assert!(items.iter().all(|&item| item == 0));
        nearest_items(&mut scores, 4, masked, Some(1.0), &mut rng, &mut items);
        let count = |item| items.iter().filter(|&&drawn| drawn == item).count();
        assert_eq!(count(2), 0);
        assert!([0, 1, 3].iter().all(|&item| (1100..1600).contains(&count(item))));
    }
}
