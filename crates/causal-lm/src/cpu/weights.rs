//! A model's parameters as slices, those used together side by side.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::arithmetic::View;
use crate::projection::{Projection, Slot, host};
use crate::{CausalLm, CausalLmConfig};

/// The sizes that loops run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub hidden: usize,
    pub heads: usize,
    pub key_heads: usize,
    /// Of a head.
    pub width: usize,
    pub inner: usize,
    pub vocabulary: usize,
}

impl Sizes {
    pub fn of(config: &CausalLmConfig) -> Self {
        Self {
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            key_heads: config.num_key_value_heads,
            width: config.head_width(),
            inner: config.intermediate_size,
            vocabulary: config.vocab_size,
        }
    }

    /// Of all queries of a token.
    pub fn queries(self) -> usize {
        self.heads * self.width
    }

    /// Of all keys of a token.
    pub fn keys(self) -> usize {
        self.key_heads * self.width
    }

    /// Of queries, keys and values.
    pub fn qkv(self) -> usize {
        self.queries() + 2 * self.keys()
    }
}

/// The parameters of a layer; matrices are `[inputs, outputs]`, row by row.
#[derive(Debug, Default)]
pub(crate) struct LayerWeights {
    pub attention_norm: Vec<f32>,
    /// Queries, keys and values side by side.
    pub qkv: Vec<f32>,
    /// Empty if there is none.
    pub qkv_bias: Vec<f32>,
    pub output: Vec<f32>,
    pub mlp_norm: Vec<f32>,
    /// Gate and up side by side.
    pub gate_up: Vec<f32>,
    pub down: Vec<f32>,
}

/// All parameters.
#[derive(Debug)]
pub(crate) struct Weights {
    pub config: Arc<CausalLmConfig>,
    pub sizes: Sizes,
    /// `[vocabulary, hidden]`.
    pub embedding: Vec<f32>,
    pub layers: Vec<LayerWeights>,
    pub norm: Vec<f32>,
    /// `[hidden, vocabulary]`; empty if it is the embedding, until [`Weights::turn_head`].
    pub head: Vec<f32>,
    /// Of each position, `width / 2` angles.
    pub cosine: Vec<f32>,
    pub sine: Vec<f32>,
}

impl Weights {
    /// Room for a model's parameters.
    pub fn new(model: &CausalLm) -> Self {
        let config = model.shared_config();
        let (mut cosine, mut sine) = (Vec::new(), Vec::new());
        for position in 0..config.max_position_embeddings {
            for &frequency in model.frequencies() {
                let (s, c) = (position as f32 * frequency).sin_cos();
                cosine.push(c);
                sine.push(s);
            }
        }
        Self {
            sizes: Sizes::of(&config),
            embedding: Vec::new(),
            layers: (0..config.num_hidden_layers).map(|_| LayerWeights::default()).collect(),
            norm: Vec::new(),
            head: Vec::new(),
            cosine,
            sine,
            config,
        }
    }

    /// Takes the values of a model, its adapters of a slot merged.
    pub fn read(&mut self, model: &CausalLm, slot: Slot) {
        let values = |projection: &Projection| host(projection.merged(slot));
        self.embedding = host(model.embed_tokens.weight.val());
        self.norm = host(model.norm.weight.val());
        self.head = model.lm_head.as_ref().map_or_else(Vec::new, |head| host(head.weight.val()));
        let hidden = self.sizes.hidden;
        for (own, layer) in self.layers.iter_mut().zip(&model.layers) {
            let (attention, mlp) = (&layer.self_attn, &layer.mlp);
            own.attention_norm = host(layer.input_layernorm.weight.val());
            own.mlp_norm = host(layer.post_attention_layernorm.weight.val());
            let qkv = [&attention.q_proj, &attention.k_proj, &attention.v_proj];
            side_by_side(&mut own.qkv, hidden, &qkv.map(values));
            let bias = |projection: &Projection| -> Vec<f32> {
                projection.bias.as_ref().map_or_else(Vec::new, |bias| host::<1>(bias.val()))
            };
            own.qkv_bias = qkv.map(bias).concat();
            own.output = values(&attention.o_proj);
            side_by_side(&mut own.gate_up, hidden, &[&mlp.gate_proj, &mlp.up_proj].map(values));
            own.down = values(&mlp.down_proj);
        }
    }

    /// Keeps a tied output projection as `[hidden, vocabulary]` too: a few rows at a time are multiplied by it in
    /// place, while a turned matrix would be arranged anew for every token.
    pub fn turn_head(&mut self) {
        if !self.head.is_empty() {
            return;
        }
        let Sizes { hidden, vocabulary, .. } = self.sizes;
        self.head = vec![0.0; hidden * vocabulary];
        // In squares, so that what is read and what is written stays in the cache.
        const SIDE: usize = 32;
        for first in (0..vocabulary).step_by(SIDE) {
            for row in (0..hidden).step_by(SIDE) {
                for token in first..(first + SIDE).min(vocabulary) {
                    for at in row..(row + SIDE).min(hidden) {
                        self.head[at * vocabulary + token] = self.embedding[token * hidden + at];
                    }
                }
            }
        }
    }

    /// The output projection, `[hidden, vocabulary]`.
    pub fn head(&self) -> View<'_> {
        let Sizes { hidden, vocabulary, .. } = self.sizes;
        if self.head.is_empty() {
            View::new(&self.embedding, vocabulary, hidden).transposed()
        } else {
            View::new(&self.head, hidden, vocabulary)
        }
    }

    /// Cosines and sines of a position.
    pub fn angles(&self, position: usize) -> (&[f32], &[f32]) {
        let half = self.sizes.width / 2;
        (&self.cosine[position * half..][..half], &self.sine[position * half..][..half])
    }
}

fn side_by_side(target: &mut Vec<f32>, rows: usize, matrices: &[Vec<f32>]) {
    target.clear();
    for row in 0..rows {
        for matrix in matrices {
            let width = matrix.len() / rows;
            target.extend_from_slice(&matrix[row * width..][..width]);
        }
    }
}

/// A flat tensor of `values`.
pub(crate) fn flat(values: Vec<f32>, device: &burn::tensor::Device) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(burn::tensor::TensorData::new(values, [count]), device)
}
