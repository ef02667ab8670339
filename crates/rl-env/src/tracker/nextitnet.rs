//! Dilated causal convolutions over the pairs.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use rec_core::random::Random;

use super::StateTensors;
use crate::network::{LayerNorm, Linear, Start};

/// The dilation of each block's first convolution; the second has twice as much.
const DILATIONS: [usize; 6] = [1, 2, 1, 2, 1, 2];
/// Pairs under a filter.
const KERNEL: usize = 3;

/// NextItNet (Yuan et al., 2019) as EasyRL4Rec has it: six residual blocks
/// `x + relu(LN(conv_2d(relu(LN(conv_d(x))))))` of causal convolutions over three pairs, and the output at the last
/// pair.
#[derive(Module, Debug)]
pub struct NextItNet {
    width: usize,
    blocks: Vec<Block>,
}

#[derive(Module, Debug)]
struct Block {
    first: Linear,
    norm_first: LayerNorm,
    second: Linear,
    norm_second: LayerNorm,
}

impl NextItNet {
    /// Over pairs of `width` numbers.
    pub fn new(width: usize, rng: &mut Random, device: &Device) -> Self {
        let blocks = DILATIONS.map(|_| {
            let mut filters = || Linear::new(KERNEL * width, width, Start::Uniform, rng, device);
            Block {
                first: filters(),
                second: filters(),
                norm_first: LayerNorm::new(width, device),
                norm_second: LayerNorm::new(width, device),
            }
        });
        Self { width, blocks: blocks.into() }
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
        let mut x = pairs;
        for (block, dilation) in self.blocks.iter().zip(DILATIONS) {
            let inner = relu(block.norm_first.forward(convolve(&x, dilation, &block.first)));
            let inner = convolve(&inner.reshape([n, window, width]), 2 * dilation, &block.second);
            let inner = relu(block.norm_second.forward(inner));
            // What a block puts where there is padding comes after the last pair, which never sees it.
            x = x.add(inner.reshape([n, window, width]));
        }
        states.last(x)
    }
}

/// Filters over each pair and the ones `dilation` and `2 dilation` before it, 0 before the first.
///
/// # Shapes
/// - `x`: `[n, window, width]`
/// - `filters`: from `3 width`, the earliest pair first, to `width`
/// - output: `[n * window, width]`
fn convolve(x: &Tensor<3>, dilation: usize, filters: &Linear) -> Tensor<2> {
    let [n, window, width] = x.dims();
    // A short window leaves nothing but zeros under a filter's early part: that part is not computed.
    let reach = (KERNEL - 1).min((window - 1) / dilation);
    let mut pairs: Vec<Tensor<3>> = (1..=reach)
        .rev()
        .map(|step| {
            let by = step * dilation;
            let zeros = Tensor::zeros([n, by, width], &x.device());
            Tensor::cat(vec![zeros, x.clone().slice([0..n, 0..window - by])], 1)
        })
        .collect();
    pairs.push(x.clone());
    let unfolded = Tensor::cat(pairs, 2).reshape([n * window, (reach + 1) * width]);
    let weight = filters.weight.val().slice([(KERNEL - 1 - reach) * width..KERNEL * width, 0..width]);
    unfolded.matmul(weight).add(filters.bias.val().unsqueeze())
}
