//! Convolutions over the pairs.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rec_core::random::Random;

use crate::network::{Linear, dropout, normal, param};

/// The heights of the horizontal filters.
const HEIGHTS: [usize; 3] = [2, 3, 4];
/// Filters of each height.
const FILTERS: usize = 16;

/// Caser (Tang & Wang, 2018) as EasyRL4Rec has it: filters over 2, 3 and 4 consecutive whole pairs, the largest
/// response of each over time, beside one filter over time for each number of a pair.
///
/// Filters also cross the padding, where the pairs are 0: a short episode answers with its biases there.
#[derive(Module, Debug)]
pub struct Caser {
    width: usize,
    dropout: f64,
    horizontal: Vec<Linear>,
    /// `[window, 1]`.
    vertical: Param<Tensor<2>>,
    vertical_bias: Param<Tensor<1>>,
}

impl Caser {
    /// The narrowest window: the highest filter has to fit.
    pub const LEAST_WINDOW: usize = HEIGHTS[HEIGHTS.len() - 1];

    /// Over `window` pairs of `width` numbers.
    pub fn new(window: usize, width: usize, dropout: f64, rng: &mut Random, device: &Device) -> Self {
        // Xavier's normal values and 0.1; a filter's fan-out is what one input reaches.
        let horizontal = HEIGHTS.map(|height| {
            let (fan_in, fan_out) = (height * width, FILTERS * height * width);
            let sd = (2.0 / (fan_in + fan_out) as f32).sqrt();
            Linear {
                weight: param(normal(fan_in * FILTERS, sd, rng), [fan_in, FILTERS], device),
                bias: param(vec![0.1; FILTERS], [FILTERS], device),
            }
        });
        let vertical = normal(window, 1.0 / (window as f32).sqrt(), rng);
        Self {
            width,
            dropout,
            horizontal: horizontal.into(),
            vertical: param(vertical, [window, 1], device),
            vertical_bias: param(vec![0.1], [1], device),
        }
    }

    /// The width of the output: a number per horizontal filter and one per number of a pair.
    pub fn width(&self) -> usize {
        HEIGHTS.len() * FILTERS + self.width
    }

    /// # Shapes
    /// - `pairs`: `[n, window, width]`, 0 where there is padding
    /// - output: `[n, 48 + width]`
    pub fn forward(&self, pairs: Tensor<3>, rng: Option<&mut Random>) -> Tensor<2> {
        let [n, window, width] = pairs.dims();
        let mut parts = Vec::with_capacity(HEIGHTS.len() + 1);
        for (height, filters) in HEIGHTS.into_iter().zip(&self.horizontal) {
            let places = window + 1 - height;
            // [n, places, height, width]: each place beside the next ones.
            let rows: Vec<Tensor<4>> = (0..height)
                .map(|row| pairs.clone().slice([0..n, row..row + places]).unsqueeze_dim(2))
                .collect();
            let unfolded = Tensor::cat(rows, 2).reshape([n * places, height * width]);
            let responses = relu(filters.forward(unfolded)).reshape([n, places, FILTERS]);
            parts.push(responses.max_dim(1).squeeze_dim::<2>(1));
        }
        let vertical = self.vertical.val().unsqueeze::<3>();
        let sum = pairs.mul(vertical).sum_dim(1).squeeze_dim::<2>(1);
        parts.push(relu(sum.add(self.vertical_bias.val().unsqueeze())));
        dropout(Tensor::cat(parts, 1), self.dropout, rng)
    }
}
