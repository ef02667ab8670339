//! One layer of a pass by hand over whole sequences: attention and feed-forward, there and back.

use super::arithmetic::{self, Into, View, multiply};
use super::weights::{LayerWeights, Sizes, Weights};

#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) scores: Vec<f32>,
    pub(super) by_scores: Vec<f32>,
    pub(super) inner: Vec<f32>,
    pub(super) hidden: Vec<f32>,
    pub(super) mixed: Vec<f32>,
    pub(super) states: Vec<f32>,
}

/// What a layer leaves for the backward pass, and the gradients that weights need.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) x: Vec<f32>,
    pub(super) x_scales: Vec<f32>,
    pub(super) x_normed: Vec<f32>,
    pub(super) qkv: Vec<f32>,
    pub(super) mixed: Vec<f32>,
    pub(super) mid: Vec<f32>,
    pub(super) mid_scales: Vec<f32>,
    pub(super) mid_normed: Vec<f32>,
    pub(super) gate_up: Vec<f32>,
    pub(super) inner: Vec<f32>,
    pub(super) by_x: Vec<f32>,
    pub(super) by_qkv: Vec<f32>,
    pub(super) by_mid: Vec<f32>,
    pub(super) by_gate_up: Vec<f32>,
}

pub(super) fn room(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    buffer.resize(count, 0.0);
    buffer
}

pub(super) fn zeroed(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    buffer.clear();
    buffer.resize(count, 0.0);
    buffer
}

/// Where queries, keys or values begin in a row, and how many numbers they are.
pub(super) fn part_of(sizes: Sizes, part: usize) -> (usize, usize) {
    let (queries, keys) = (sizes.queries(), sizes.keys());
    [(0, queries), (queries, keys), (queries + keys, keys)][part]
}

impl Trace {
    pub(super) fn forward(
        &mut self,
        next: &mut Vec<f32>,
        layer: &LayerWeights,
        weights: &Weights,
        bounds: &[usize],
        scratch: &mut Scratch,
    ) {
        let sizes = weights.sizes;
        let Sizes { hidden, inner, .. } = sizes;
        let epsilon = weights.config.rms_norm_eps as f32;
        let count = self.x.len() / hidden;
        let normed = room(&mut self.x_normed, count * hidden);
        arithmetic::norm(normed, room(&mut self.x_scales, count), &self.x, &layer.attention_norm, epsilon);
        let qkv = room(&mut self.qkv, count * sizes.qkv());
        let (normed, weight) = (View::new(normed, count, hidden), View::new(&layer.qkv, hidden, sizes.qkv()));
        multiply(qkv, sizes.qkv(), Into::Replace, 1.0, normed, weight);
        if !layer.qkv_bias.is_empty() {
            qkv.chunks_exact_mut(sizes.qkv()).for_each(|row| arithmetic::add(row, &layer.qkv_bias));
        }
        turn(qkv, weights, bounds, false);
        let mixed = room(&mut self.mixed, count * sizes.queries());
        let factor = (sizes.width as f32).sqrt().recip();
        for pair in bounds.windows(2) {
            let (first, length) = (pair[0], pair[1] - pair[0]);
            let scores = room(&mut scratch.scores, length * length);
            for head in 0..sizes.heads {
                let [query, key, value] = head_views(qkv, sizes, head, first, length);
                multiply(scores, length, Into::Replace, factor, query, key.transposed());
                arithmetic::causal_softmax(scores, length);
                let target = &mut mixed[first * sizes.queries() + head * sizes.width..];
                multiply(
                    target,
                    sizes.queries(),
                    Into::Replace,
                    1.0,
                    View::new(scores, length, length),
                    value,
                );
            }
        }
        let mid = room(&mut self.mid, count * hidden);
        mid.copy_from_slice(&self.x);
        let mixed = View::new(mixed, count, sizes.queries());
        multiply(mid, hidden, Into::Add, 1.0, mixed, View::new(&layer.output, sizes.queries(), hidden));
        let normed = room(&mut self.mid_normed, count * hidden);
        arithmetic::norm(normed, room(&mut self.mid_scales, count), mid, &layer.mlp_norm, epsilon);
        let gate_up = room(&mut self.gate_up, count * 2 * inner);
        let (normed, weight) =
            (View::new(normed, count, hidden), View::new(&layer.gate_up, hidden, 2 * inner));
        multiply(gate_up, 2 * inner, Into::Replace, 1.0, normed, weight);
        let own = room(&mut self.inner, count * inner);
        arithmetic::gate(own, gate_up, inner);
        let next = room(next, count * hidden);
        next.copy_from_slice(mid);
        let own = View::new(own, count, inner);
        multiply(next, hidden, Into::Add, 1.0, own, View::new(&layer.down, inner, hidden));
    }

    pub(super) fn backward(
        &mut self,
        by_next: &[f32],
        layer: &LayerWeights,
        weights: &Weights,
        bounds: &[usize],
        (by_norms, by_bias): (&mut [f32], &mut [f32]),
        scratch: &mut Scratch,
    ) {
        let sizes = weights.sizes;
        let Sizes { hidden, inner, .. } = sizes;
        let count = by_next.len() / hidden;
        let (by_attention_norm, by_mlp_norm) = by_norms.split_at_mut(hidden);

        let by_inner = room(&mut scratch.inner, count * inner);
        let down = View::new(&layer.down, inner, hidden).transposed();
        multiply(by_inner, inner, Into::Replace, 1.0, View::new(by_next, count, hidden), down);
        let by_gate_up = room(&mut self.by_gate_up, count * 2 * inner);
        arithmetic::gate_backward(&self.gate_up, by_inner, by_gate_up, inner);
        let by_normed = room(&mut scratch.hidden, count * hidden);
        let gate_up = View::new(&layer.gate_up, hidden, 2 * inner).transposed();
        multiply(by_normed, hidden, Into::Replace, 1.0, View::new(by_gate_up, count, 2 * inner), gate_up);
        let by_mid = room(&mut self.by_mid, count * hidden);
        by_mid.copy_from_slice(by_next);
        arithmetic::norm_backward(
            by_mid,
            by_mlp_norm,
            by_normed,
            &self.mid,
            &self.mid_scales,
            &layer.mlp_norm,
        );

        let by_mixed = room(&mut scratch.mixed, count * sizes.queries());
        let output = View::new(&layer.output, sizes.queries(), hidden).transposed();
        multiply(by_mixed, sizes.queries(), Into::Replace, 1.0, View::new(by_mid, count, hidden), output);
        let by_qkv = zeroed(&mut self.by_qkv, count * sizes.qkv());
        let factor = (sizes.width as f32).sqrt().recip();
        let group = sizes.heads / sizes.key_heads;
        for pair in bounds.windows(2) {
            let (first, length) = (pair[0], pair[1] - pair[0]);
            let scores = room(&mut scratch.scores, length * length);
            let by_scores = room(&mut scratch.by_scores, length * length);
            for head in 0..sizes.heads {
                let [query, key, value] = head_views(&self.qkv, sizes, head, first, length);
                // The probabilities again, rather than a square of them kept for every head.
                multiply(scores, length, Into::Replace, factor, query, key.transposed());
                arithmetic::causal_softmax(scores, length);
                let step = sizes.queries();
                let by_mixed =
                    View::strided(&by_mixed[first * step + head * sizes.width..], length, sizes.width, step);
                multiply(by_scores, length, Into::Replace, 1.0, by_mixed, value.transposed());
                let start = first * sizes.qkv();
                let at = |part: usize, head: usize| start + part_of(sizes, part).0 + head * sizes.width;
                let (own, shared) = (at(0, head), [at(1, head / group), at(2, head / group)]);
                let probabilities = View::new(scores, length, length).transposed();
                multiply(&mut by_qkv[shared[1]..], sizes.qkv(), Into::Add, 1.0, probabilities, by_mixed);
                arithmetic::softmax_backward(scores, by_scores, length, factor);
                let by_scores = View::new(by_scores, length, length);
                multiply(&mut by_qkv[own..], sizes.qkv(), Into::Replace, 1.0, by_scores, key);
                multiply(
                    &mut by_qkv[shared[0]..],
                    sizes.qkv(),
                    Into::Add,
                    1.0,
                    by_scores.transposed(),
                    query,
                );
            }
        }
        turn(by_qkv, weights, bounds, true);
        if !layer.qkv_bias.is_empty() {
            by_qkv.chunks_exact(sizes.qkv()).for_each(|row| arithmetic::add(by_bias, row));
        }
        let by_normed = room(&mut scratch.hidden, count * hidden);
        let qkv = View::new(&layer.qkv, hidden, sizes.qkv()).transposed();
        multiply(by_normed, hidden, Into::Replace, 1.0, View::new(by_qkv, count, sizes.qkv()), qkv);
        let by_x = room(&mut self.by_x, count * hidden);
        by_x.copy_from_slice(by_mid);
        arithmetic::norm_backward(
            by_x,
            by_attention_norm,
            by_normed,
            &self.x,
            &self.x_scales,
            &layer.attention_norm,
        );
    }
}

/// Queries, keys and values of one head in a sequence.
fn head_views(qkv: &[f32], sizes: Sizes, head: usize, first: usize, length: usize) -> [View<'_>; 3] {
    let shared = head / (sizes.heads / sizes.key_heads);
    [(0, head), (1, shared), (2, shared)].map(|(part, head)| {
        let at = first * sizes.qkv() + part_of(sizes, part).0 + head * sizes.width;
        View::strided(&qkv[at..], length, sizes.width, sizes.qkv())
    })
}

/// Turns queries and keys by their positions.
fn turn(qkv: &mut [f32], weights: &Weights, bounds: &[usize], back: bool) {
    let sizes = weights.sizes;
    for pair in bounds.windows(2) {
        let rows = qkv[pair[0] * sizes.qkv()..pair[1] * sizes.qkv()].chunks_exact_mut(sizes.qkv());
        for (position, row) in rows.enumerate() {
            let (cosine, sine) = weights.angles(position);
            arithmetic::rotate(&mut row[..sizes.queries() + sizes.keys()], cosine, sine, back);
        }
    }
}
