//! The mean of the latest pairs.

use burn::module::Module;
use burn::tensor::Tensor;

use super::StateTensors;

/// `sum_j x_j / L`.
#[derive(Module, Debug)]
pub struct Average {
    width: usize,
}

impl Average {
    /// Over pairs of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self { width }
    }

    /// The width of the output: that of a pair.
    pub fn width(&self) -> usize {
        self.width
    }

    /// # Shapes
    /// - `pairs`: `[n, window, width]`, 0 where there is padding
    /// - output: `[n, width]`
    pub fn forward(&self, pairs: Tensor<3>, states: &StateTensors) -> Tensor<2> {
        pairs.sum_dim(1).squeeze_dim::<2>(1).div(states.lengths.clone())
    }
}
