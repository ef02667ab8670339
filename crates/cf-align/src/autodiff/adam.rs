//! Adam with torch's semantics, written out: the moments can be saved and restored as plain arrays.

use burn::module::Param;
use burn::tensor::Tensor;

/// `torch.optim.Adam`: `beta = (0.9, 0.999)`, `eps = 1e-8`, L2 decay added to the gradient, every row updated at every
/// step.
///
/// burn's own `AdamConfig` does the same arithmetic (with `eps = 1e-5` unless told otherwise), but keeps its moments
/// in a record that is not meant to be taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The learning rate.
    pub learning_rate: f64,
    /// L2 decay, added to the gradient.
    pub weight_decay: f64,
}

/// The running means of a parameter's gradient and of its square.
#[derive(Clone, Debug)]
pub struct Moments<const D: usize> {
    /// Of the gradient.
    pub first: Tensor<D>,
    /// Of its square.
    pub second: Tensor<D>,
}

impl<const D: usize> Moments<D> {
    /// Zeros in the shape of `param`, outside of autodiff.
    pub fn zeros_like(param: &Param<Tensor<D>>) -> Self {
        let zeros = param.val().inner().zeros_like();
        Self { first: zeros.clone(), second: zeros }
    }
}

impl Adam {
    const BETA_1: f64 = 0.9;
    const BETA_2: f64 = 0.999;
    const EPSILON: f64 = 1e-8;

    /// The parameter after the update number `step` (from 1) with `gradient`, which autodiff does not track.
    ///
    /// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
    /// `p -= lr / (1 - b1^step) * m / (sqrt(v) / sqrt(1 - b2^step) + eps)` (Kingma & Ba, ICLR 2015, algorithm 1, in
    /// torch's order of operations).
    pub fn update<const D: usize>(
        &self,
        param: Param<Tensor<D>>,
        gradient: Tensor<D>,
        moments: &mut Moments<D>,
        step: u64,
    ) -> Param<Tensor<D>> {
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let correction_1 = 1.0 - Self::BETA_1.powi(power);
        let correction_2 = 1.0 - Self::BETA_2.powi(power);
        param.map(|value| {
            let value = value.inner();
            let gradient = if self.weight_decay > 0.0 {
                gradient.add(value.clone().mul_scalar(self.weight_decay))
            } else {
                gradient
            };
            let squared = gradient.clone().square().mul_scalar(1.0 - Self::BETA_2);
            moments
                .first
                .inplace(|m| m.mul_scalar(Self::BETA_1).add(gradient.mul_scalar(1.0 - Self::BETA_1)));
            moments.second.inplace(|v| v.mul_scalar(Self::BETA_2).add(squared));
            let root =
                moments.second.clone().sqrt().div_scalar(correction_2.sqrt()).add_scalar(Self::EPSILON);
            let move_by = moments.first.clone().div(root).mul_scalar(self.learning_rate / correction_1);
            Tensor::from_inner(value.sub(move_by)).require_grad()
        })
    }
}
