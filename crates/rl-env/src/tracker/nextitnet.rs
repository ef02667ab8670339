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
            let inner = relu(block.norm_first.forward(block.first.forward(unfolded(&x, dilation))));
            let inner = unfolded(&inner.reshape([n, window, width]), 2 * dilation);
            let inner = relu(block.norm_second.forward(block.second.forward(inner)));
            // What a block puts where there is padding comes after the last pair, which never sees it.
            x = x.add(inner.reshape([n, window, width]));
        }
        states.last(x)
    }
}

/// For each pair the ones `2 dilation` and `dilation` before it and itself, 0 before the first.
///
/// # Shapes
/// - `x`: `[n, window, width]`
/// - output: `[n * window, 3 width]`
fn unfolded(x: &Tensor<3>, dilation: usize) -> Tensor<2> {
    let [n, window, width] = x.dims();
    let earlier = |by: usize| {
        if by >= window {
            return Tensor::zeros([n, window, width], &x.device());
        }
        let zeros = Tensor::zeros([n, by, width], &x.device());
        Tensor::cat(vec![zeros, x.clone().slice([0..n, 0..window - by])], 1)
    };
    Tensor::cat(vec![earlier(2 * dilation), earlier(dilation), x.clone()], 2)
        .reshape([n * window, KERNEL * width])
}
