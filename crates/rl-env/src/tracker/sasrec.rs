//! Self-attention over the pairs.

use burn::module::{Module, Param};
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor};
use rec_core::random::Random;

use super::StateTensors;
use crate::network::{LayerNorm, Linear, Start, dropout, normal, param};

/// SASRec (Kang & McAuley, 2018) with one block, as EasyRL4Rec has it: `z = sqrt(h) x + P`; queries from
/// `q = LN_1(z)`, keys and values from `z`, scores over `sqrt(h)`, residual `+ q`; then
/// `f = LN(FFN(y) + y)` of `y = LN_2(attention)`, and `LN_3(f)` at the last pair.
///
/// Only the last pair's output is used, and it sees every pair before it: so only its query is computed, and the causal
/// mask is the mask of the padding.
#[derive(Module, Debug)]
pub struct SasRec {
    width: usize,
    heads: usize,
    dropout: f64,
    /// `P`, `[window, width]`.
    positions: Param<Tensor<2>>,
    query: Linear,
    key: Linear,
    value: Linear,
    inner: Linear,
    outer: Linear,
    norm_query: LayerNorm,
    norm_attention: LayerNorm,
    norm_inner: LayerNorm,
    norm_output: LayerNorm,
}

impl SasRec {
    /// Over `window` pairs of `width` numbers, split among `heads`, which divide the width.
    pub fn new(
        window: usize,
        width: usize,
        heads: usize,
        dropout: f64,
        rng: &mut Random,
        device: &Device,
    ) -> Self {
        let positions = param(normal(window * width, 0.01, rng), [window, width], device);
        let mut linear = || Linear::new(width, width, Start::Uniform, rng, device);
        let norm = || LayerNorm::new(width, device);
        Self {
            width,
            heads,
            dropout,
            positions,
            query: linear(),
            key: linear(),
            value: linear(),
            inner: linear(),
            outer: linear(),
            norm_query: norm(),
            norm_attention: norm(),
            norm_inner: norm(),
            norm_output: norm(),
        }
    }

    /// The width of the output: that of a pair.
    pub fn width(&self) -> usize {
        self.width
    }

    /// # Shapes
    /// - `pairs`: `[n, window, width]`, 0 where there is padding
    /// - output: `[n, width]`
    pub fn forward(
        &self,
        pairs: Tensor<3>,
        states: &StateTensors,
        mut rng: Option<&mut Random>,
    ) -> Tensor<2> {
        let [n, window, width] = pairs.dims();
        let (heads, part) = (self.heads, width / self.heads);
        let root = (width as f64).sqrt();

        let z = pairs.mul_scalar(root).add(self.positions.val().unsqueeze::<3>());
        let z = dropout(z, self.dropout, rng.as_deref_mut());
        let q = self.norm_query.forward(states.last(z.clone()));

        let rows = z.reshape([n * window, width]);
        // [n, heads, window, part]
        let split = |x: Tensor<2>| x.reshape([n, window, heads, part]).swap_dims(1, 2);
        let (keys, values) = (split(self.key.forward(rows.clone())), split(self.value.forward(rows)));
        let query = self.query.forward(q.clone()).reshape([n, heads, 1, part]);
        let padding = states.mask.clone().neg().add_scalar(1.0).mul_scalar(-1e9).reshape([n, 1, 1, window]);
        let scores = query.matmul(keys.swap_dims(2, 3)).div_scalar(root).add(padding);
        let attention = dropout(softmax(scores, 3), self.dropout, rng.as_deref_mut());
        let attended = attention.matmul(values).reshape([n, width]).add(q);

        let y = self.norm_attention.forward(attended);
        let inner = self.outer.forward(relu(self.inner.forward(y.clone())));
        let f = self.norm_inner.forward(dropout(inner, self.dropout, rng).add(y));
        self.norm_output.forward(f)
    }
}
