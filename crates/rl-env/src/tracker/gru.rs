//! A gated recurrent unit over the pairs.

use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use rec_core::random::Random;

use super::StateTensors;
use crate::network::{param, uniform};

/// The state after the last pair of a gated recurrent unit (Cho et al., 2014) as wide as a pair, in torch's form:
///
/// `r = sigma(W_r x + U_r h)`, `z = sigma(W_z x + U_z h)`, `n = tanh(W_n x + b + r * (U_n h + c))`,
/// `h' = (1 - z) * n + z * h` (biases of `r` and `z` left out here).
#[derive(Module, Debug)]
pub struct Gru {
    width: usize,
    /// `[width, 3 width]`: reset, update, new.
    input: Param<Tensor<2>>,
    input_bias: Param<Tensor<1>>,
    hidden: Param<Tensor<2>>,
    hidden_bias: Param<Tensor<1>>,
}

impl Gru {
    /// Over pairs of `width` numbers.
    pub fn new(width: usize, rng: &mut Random, device: &Device) -> Self {
        let bound = 1.0 / (width as f32).sqrt();
        let mut matrix = || param(uniform(width * 3 * width, bound, rng), [width, 3 * width], device);
        let (input, hidden) = (matrix(), matrix());
        let mut bias = || param(uniform(3 * width, bound, rng), [3 * width], device);
        Self { width, input, input_bias: bias(), hidden, hidden_bias: bias() }
    }

    /// The width of the output: that of a pair.
    pub fn width(&self) -> usize {
        self.width
    }

    /// # Shapes
    /// - `pairs`: `[n, window, width]`, 0 where there is padding
    /// - output: `[n, width]`
    pub fn forward(&self, pairs: Tensor<3>, states: &StateTensors) -> Tensor<2> {
        let [n, window, width] = pairs.dims();
        let inputs = pairs
            .reshape([n * window, width])
            .matmul(self.input.val())
            .add(self.input_bias.val().unsqueeze())
            .reshape([n, window, 3 * width]);
        let mut h = Tensor::<2>::zeros([n, width], &inputs.device());
        for turn in 0..window {
            let x = inputs.clone().slice([0..n, turn..turn + 1]).reshape([n, 3 * width]);
            let u = h.clone().matmul(self.hidden.val()).add(self.hidden_bias.val().unsqueeze());
            let part = |of: &Tensor<2>, at: usize| of.clone().slice([0..n, at * width..(at + 1) * width]);
            let reset = sigmoid(part(&x, 0).add(part(&u, 0)));
            let update = sigmoid(part(&x, 1).add(part(&u, 1)));
            let new = part(&x, 2).add(reset.mul(part(&u, 2))).tanh();
            // h + (1 - z)(n - h), and h as it is after the last pair.
            let real = states.mask.clone().slice([0..n, turn..turn + 1]);
            let step = update.neg().add_scalar(1.0).mul(new.sub(h.clone()));
            h = h.add(step.mul(real));
        }
        h
    }
}
