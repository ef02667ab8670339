//! One training step by hand: the log-probabilities of a batch's completions, and from the gradient of a loss by them the
//! gradients by all parameters.
//!
//! Sequences stand one after the other without padding, each without its last token, which predicts nothing. They are cut
//! into groups of whole sequences; a group runs forward and backward through all layers on one thread, so threads meet
//! three times in a step. The gradients of weights are then products over all groups, in the order of groups: the
//! result does not depend on the number of threads.

use rayon::prelude::*;

use super::arithmetic::{self, Into, View, multiply};
use super::layer::{Scratch, Trace, part_of, room, zeroed};
use super::weights::{Sizes, Weights};
use crate::projection::{Slot, host};
use crate::{Batch, CausalLm};

/// Tokens of a group, about: enough rows for a matrix product, few enough for the second-level cache.
const GROUP: usize = 128;

/// Numbers of a weight's gradient that one task computes, about.
const GRAIN: usize = 1 << 15;

/// Everything a step writes, kept for the next one.
#[derive(Debug)]
pub(crate) struct Workspace {
    weights: Weights,
    groups: Vec<Group>,
    /// Groups in use: a batch may have fewer than the one before.
    used: usize,
    /// Whose adapters are merged.
    slot: Slot,
}

/// What a pass finds beside log-probabilities, and whether it can be gone back through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keep {
    /// What the backward pass needs. Without, two layers' buffers are used in turn.
    pub traces: bool,
    pub entropies: bool,
    pub states: bool,
}

/// What a model says at the completion tokens of a batch, sequence by sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Readings {
    /// `log p` of each token given what is before it.
    pub log_probs: Vec<f32>,
    /// The entropy (nats) of the distribution that each is from; empty if not asked for.
    pub entropies: Vec<f32>,
    /// The last state, normed, from which each is predicted: `[completion tokens, hidden]`; empty if not asked for.
    pub states: Vec<f32>,
}

/// The gradients of a loss by [`Readings`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadingGradients<'a> {
    /// By each log-probability.
    pub log_probs: &'a [f32],
    /// By each entropy; empty for 0 everywhere.
    pub entropies: &'a [f32],
    /// By the states; empty for 0 everywhere.
    pub states: &'a [f32],
}

/// Whole sequences, and what their pass leaves behind.
#[derive(Debug, Default)]
struct Group {
    ids: Vec<u32>,
    /// Where sequences begin, and where the last one ends.
    bounds: Vec<usize>,
    /// Tokens that predict one of `targets`.
    sources: Vec<usize>,
    targets: Vec<u32>,
    /// One for each layer, and one whose `x` the last layer leaves.
    layers: Vec<Trace>,
    last: Vec<f32>,
    last_scales: Vec<f32>,
    states: Vec<f32>,
    /// After the backward pass, the gradient by them.
    logits: Vec<f32>,
    log_sums: Vec<f32>,
    log_probs: Vec<f32>,
    entropies: Vec<f32>,
    /// Gradients by the norms' weights: two of each layer, the last one's.
    by_norms: Vec<f32>,
    /// Gradients by the biases of queries, keys and values of each layer.
    by_biases: Vec<f32>,
    scratch: Scratch,
}

impl Workspace {
    pub fn new(model: &CausalLm) -> Self {
        Self { weights: Weights::new(model), groups: Vec::new(), used: 0, slot: Slot::Off }
    }

    /// The log-probabilities of all completion tokens, sequence by sequence, and what else is to be kept. The adapters of
    /// `slot` are merged, so nothing of their inputs is dropped.
    pub fn forward(&mut self, model: &CausalLm, batch: &Batch, slot: Slot, keep: Keep) -> Readings {
        self.weights.read(model, slot);
        self.slot = slot;
        self.fill(batch);
        let weights = &self.weights;
        let groups = self.groups[..self.used].par_iter_mut().with_max_len(1);
        groups.for_each(|group| group.forward(weights, keep));
        let mut found = Readings::default();
        for group in &self.groups[..self.used] {
            found.log_probs.extend_from_slice(&group.log_probs);
            found.entropies.extend_from_slice(&group.entropies);
            if keep.states {
                found.states.extend_from_slice(&group.states);
            }
        }
        found
    }

    /// Cuts a batch into groups. A sequence that differs from the one before in its last token alone is not read again.
    fn fill(&mut self, batch: &Batch) {
        let tokens = batch.tokens();
        // What comes after the last token that predicts is seen by none that does.
        let input = |row: usize| {
            let length = batch.sources(row).last().map_or(0, |last| last + 1);
            &tokens.row(row)[..length]
        };
        let rows: Vec<usize> = (0..tokens.rows()).filter(|&row| !input(row).is_empty()).collect();
        let unread = |at: usize| match at > 0 && input(rows[at]) == input(rows[at - 1]) {
            true => 0,
            false => input(rows[at]).len(),
        };
        let lengths: Vec<(usize, usize)> = (0..rows.len()).map(|at| (rows[at], unread(at))).collect();
        let total: usize = lengths.iter().map(|own| own.1).sum();
        // An even number, so that two threads have as much to do.
        let wanted = total.div_ceil(GROUP).next_multiple_of(2).min(lengths.len()).max(1);
        let (mut at, mut left, mut used) = (0, total, 0);
        while at < lengths.len() {
            if self.groups.len() == used {
                self.groups.push(Group::default());
            }
            let group = &mut self.groups[used];
            used += 1;
            let share = left.div_ceil((wanted + 1).saturating_sub(used).max(1));
            group.ids.clear();
            group.sources.clear();
            group.targets.clear();
            group.bounds.clear();
            group.bounds.push(0);
            while at < lengths.len() {
                let (first, (row, length)) = (group.ids.len(), lengths[at]);
                // As near to its share as whole sequences come.
                if first > 0 && length > 0 && first + length / 2 > share {
                    break;
                }
                group.ids.extend_from_slice(&input(row)[..length]);
                if length > 0 {
                    group.bounds.push(first + length);
                }
                let begin = group.ids.len() - input(row).len();
                group.sources.extend(batch.sources(row).map(|source| begin + source));
                group.targets.extend(batch.targets(row));
                left -= length;
                at += 1;
            }
        }
        self.used = used;
    }

    /// From the gradient of a loss by what [`Workspace::forward`] found, traces kept, the gradient by each trained parameter,
    /// in the order in which the model shows them.
    pub fn backward(&mut self, model: &CausalLm, by: ReadingGradients<'_>) -> Vec<Option<Vec<f32>>> {
        let hidden = self.weights.sizes.hidden;
        let mut rest = by;
        let shares: Vec<ReadingGradients<'_>> = self.groups[..self.used]
            .iter()
            .map(|group| {
                let count = group.targets.len();
                ReadingGradients {
                    log_probs: share(&mut rest.log_probs, count),
                    entropies: share(&mut rest.entropies, count),
                    states: share(&mut rest.states, count * hidden),
                }
            })
            .collect();
        let weights = &self.weights;
        let groups = self.groups[..self.used].par_iter_mut().with_max_len(1).zip(shares);
        groups.for_each(|(group, by)| group.backward(weights, by));
        self.parameter_gradients(model)
    }

    fn parameter_gradients(&self, model: &CausalLm) -> Vec<Option<Vec<f32>>> {
        let mut wanted: Vec<Option<Wanted>> = Vec::new();
        crate::weights::visit(model, &mut |path, trained, _| {
            wanted.push(Wanted::named(path, self.slot).filter(|_| trained));
        });
        let weights = &self.weights;
        let mut gradients: Vec<(Parameter, Vec<f32>)> = Vec::new();
        for wanted in wanted.iter().flatten() {
            if gradients.iter().all(|(parameter, _)| *parameter != wanted.of) {
                let (rows, columns) = wanted.of.shape(weights.sizes);
                gradients.push((wanted.of, vec![0.0; rows * columns]));
            }
        }
        let mut tasks = Vec::new();
        for (parameter, gradient) in &mut gradients {
            let (rows, columns) = parameter.shape(weights.sizes);
            let some = (GRAIN / columns).clamp(1, rows);
            let chunks = gradient.chunks_mut(some * columns).enumerate();
            tasks.extend(chunks.map(|(at, chunk)| (*parameter, at * some, chunk)));
        }
        let groups = &self.groups[..self.used];
        tasks.into_par_iter().with_max_len(1).for_each(|(parameter, first, chunk)| {
            for group in groups {
                group.add_gradient(weights, parameter, first, chunk);
            }
        });
        let place = |wanted: &Wanted| gradients.iter().position(|(parameter, _)| *parameter == wanted.of);
        // Adapters first: a weight's own gradient is moved out.
        let mut found: Vec<Option<Vec<f32>>> = wanted
            .iter()
            .map(|wanted| {
                let wanted = wanted.as_ref()?;
                let (_, gradient) = &gradients[place(wanted)?];
                let (name, factor) = wanted.adapter.as_ref()?;
                adapter_gradient(model, self.slot, wanted.of, name, *factor, gradient, weights.sizes)
            })
            .collect();
        for (found, wanted) in found.iter_mut().zip(&wanted) {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.adapter.is_none()) {
                let at = gradients.iter().position(|(parameter, _)| *parameter == wanted.of);
                *found = at.map(|at| std::mem::take(&mut gradients[at].1));
            }
        }
        found
    }
}

/// The first `count` of `all`, which keeps the others; nothing of nothing.
fn share<'a>(all: &mut &'a [f32], count: usize) -> &'a [f32] {
    let (own, others) = all.split_at(count.min(all.len()));
    *all = others;
    own
}

/// A gradient that is asked for.
struct Wanted {
    /// The parameter, or the weight that an adapter changes.
    of: Parameter,
    /// The layer's name within its own (`mlp.up_proj`), and which factor of the change it is.
    adapter: Option<(String, Factor)>,
}

/// A factor of `scale * A B`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Factor {
    A,
    B,
}

impl Wanted {
    fn named(path: &str, slot: Slot) -> Option<Self> {
        if let Some(of) = Parameter::named(path) {
            return Some(Self { of, adapter: None });
        }
        let (place, factor) = [(".a", Factor::A), (".b", Factor::B)]
            .iter()
            .find_map(|(ending, factor)| Some((path.strip_suffix(ending)?, *factor)))?;
        let slot = match slot {
            Slot::Off => return None,
            Slot::Reference => ".reference",
            Slot::Active => ".active",
        };
        let place = place.strip_suffix(slot)?;
        let of = Parameter::named(&format!("{place}.weight"))?;
        let (_, name) = place.strip_prefix("layers.")?.split_once('.')?;
        Some(Self { of, adapter: Some((name.to_owned(), factor)) })
    }
}

/// From the gradient by the merged weight, the one by a factor of an adapter: `scale * G B'` or `scale * A' G`.
fn adapter_gradient(
    model: &CausalLm,
    slot: Slot,
    of: Parameter,
    name: &str,
    factor: Factor,
    gradient: &[f32],
    sizes: Sizes,
) -> Option<Vec<f32>> {
    let layer = model.layers.get(of.layer()?)?;
    let (_, projection) = layer.projections().into_iter().find(|(own, _)| *own == name)?;
    let adapter = projection.adapter(slot)?;
    let rank = adapter.a.val().dims()[1];
    let scale = adapter.scale as f32;
    let (inputs, outputs) = of.shape(sizes);
    let gradient = View::new(gradient, inputs, outputs);
    if factor == Factor::A {
        let b = host(adapter.b.val());
        let mut found = vec![0.0; inputs * rank];
        let b = View::new(&b, rank, outputs).transposed();
        multiply(&mut found, rank, Into::Replace, scale, gradient, b);
        Some(found)
    } else {
        let a = host(adapter.a.val());
        let mut found = vec![0.0; rank * outputs];
        let a = View::new(&a, inputs, rank).transposed();
        multiply(&mut found, outputs, Into::Replace, scale, a, gradient);
        Some(found)
    }
}

/// A parameter that has a gradient here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parameter {
    Embedding,
    Head,
    Norm,
    AttentionNorm(usize),
    MlpNorm(usize),
    /// Queries, keys or values.
    Projection(usize, usize),
    Bias(usize, usize),
    Output(usize),
    Gate(usize),
    Up(usize),
    Down(usize),
}

impl Parameter {
    fn named(path: &str) -> Option<Self> {
        match path {
            "embed_tokens.weight" => return Some(Self::Embedding),
            "lm_head.weight" => return Some(Self::Head),
            "norm.weight" => return Some(Self::Norm),
            _ => {}
        }
        let (layer, name) = path.strip_prefix("layers.")?.split_once('.')?;
        let layer = layer.parse().ok()?;
        Some(match name {
            "input_layernorm.weight" => Self::AttentionNorm(layer),
            "post_attention_layernorm.weight" => Self::MlpNorm(layer),
            "self_attn.q_proj.weight" => Self::Projection(layer, 0),
            "self_attn.k_proj.weight" => Self::Projection(layer, 1),
            "self_attn.v_proj.weight" => Self::Projection(layer, 2),
            "self_attn.q_proj.bias" => Self::Bias(layer, 0),
            "self_attn.k_proj.bias" => Self::Bias(layer, 1),
            "self_attn.v_proj.bias" => Self::Bias(layer, 2),
            "self_attn.o_proj.weight" => Self::Output(layer),
            "mlp.gate_proj.weight" => Self::Gate(layer),
            "mlp.up_proj.weight" => Self::Up(layer),
            "mlp.down_proj.weight" => Self::Down(layer),
            _ => return None,
        })
    }

    /// The layer it belongs to.
    fn layer(self) -> Option<usize> {
        match self {
            Self::Embedding | Self::Head | Self::Norm => None,
            Self::AttentionNorm(layer)
            | Self::MlpNorm(layer)
            | Self::Projection(layer, _)
            | Self::Bias(layer, _)
            | Self::Output(layer)
            | Self::Gate(layer)
            | Self::Up(layer)
            | Self::Down(layer) => Some(layer),
        }
    }

    /// Rows and columns.
    fn shape(self, sizes: Sizes) -> (usize, usize) {
        let Sizes { hidden, inner, vocabulary, .. } = sizes;
        match self {
            Self::Embedding => (vocabulary, hidden),
            Self::Head => (hidden, vocabulary),
            Self::Norm | Self::AttentionNorm(_) | Self::MlpNorm(_) => (1, hidden),
            Self::Projection(_, part) => (hidden, part_of(sizes, part).1),
            Self::Bias(_, part) => (1, part_of(sizes, part).1),
            Self::Output(_) => (sizes.queries(), hidden),
            Self::Gate(_) | Self::Up(_) => (hidden, inner),
            Self::Down(_) => (inner, hidden),
        }
    }
}

impl Group {
    fn forward(&mut self, weights: &Weights, keep: Keep) {
        let Sizes { hidden, vocabulary, .. } = weights.sizes;
        let epsilon = weights.config.rms_norm_eps as f32;
        let count = self.ids.len();
        let depth = weights.layers.len();
        self.layers.resize_with(depth + 1, Trace::default);
        let x = room(&mut self.layers[0].x, count * hidden);
        for (x, &id) in x.chunks_exact_mut(hidden).zip(&self.ids) {
            x.copy_from_slice(&weights.embedding[id as usize * hidden..][..hidden]);
        }
        // In which buffers a layer's pass is left.
        let place = |at: usize| if keep.traces { at } else { at % 2 };
        for (at, layer) in weights.layers.iter().enumerate() {
            let (before, after) = (place(at), place(at + 1));
            let [trace, next] = self.layers.get_disjoint_mut([before, after]).expect("one more than layers");
            trace.forward(&mut next.x, layer, weights, &self.bounds, &mut self.scratch);
        }
        let top = &self.layers[place(depth)].x;
        let wanted = self.sources.len();
        let last = room(&mut self.last, wanted * hidden);
        for (last, &source) in last.chunks_exact_mut(hidden).zip(&self.sources) {
            last.copy_from_slice(&top[source * hidden..][..hidden]);
        }
        let states = room(&mut self.states, wanted * hidden);
        arithmetic::norm(states, room(&mut self.last_scales, wanted), last, &weights.norm, epsilon);
        let logits = room(&mut self.logits, wanted * vocabulary);
        let states = View::new(states, wanted, hidden);
        multiply(logits, vocabulary, Into::Replace, 1.0, states, weights.head());
        let sums = room(&mut self.log_sums, wanted);
        self.entropies.clear();
        if keep.entropies {
            arithmetic::log_sums_and_entropies(sums, room(&mut self.entropies, wanted), logits, vocabulary);
        } else {
            arithmetic::log_sums(sums, logits, vocabulary);
        }
        self.log_probs.clear();
        let rows = logits.chunks_exact(vocabulary).zip(&self.log_sums).zip(&self.targets);
        self.log_probs.extend(rows.map(|((row, sum), &target)| row[target as usize] - sum));
    }

    fn backward(&mut self, weights: &Weights, by: ReadingGradients<'_>) {
        let sizes = weights.sizes;
        let Sizes { hidden, vocabulary, .. } = sizes;
        let (count, wanted, depth) = (self.ids.len(), self.sources.len(), weights.layers.len());
        let by_norms = zeroed(&mut self.by_norms, (2 * depth + 1) * hidden);
        let by_biases = zeroed(&mut self.by_biases, depth * sizes.qkv());
        let (logits, sums) = (&mut self.logits, &self.log_sums);
        if by.entropies.is_empty() {
            arithmetic::log_softmax_backward(logits, sums, &self.targets, by.log_probs, vocabulary);
        } else {
            let entropies = self.entropies.iter().copied().zip(by.entropies.iter().copied());
            let rows = arithmetic::BySoftmax { sums, targets: &self.targets, by_log_probs: by.log_probs };
            arithmetic::log_softmax_and_entropy_backward(logits, rows, entropies, vocabulary);
        }
        let by_states = room(&mut self.scratch.states, wanted * hidden);
        let logits = View::new(&self.logits, wanted, vocabulary);
        multiply(by_states, hidden, Into::Replace, 1.0, logits, weights.head().transposed());
        if !by.states.is_empty() {
            arithmetic::add(by_states, by.states);
        }
        let by_last = zeroed(&mut self.scratch.hidden, wanted * hidden);
        let by_norm = &mut by_norms[2 * depth * hidden..];
        arithmetic::norm_backward(by_last, by_norm, by_states, &self.last, &self.last_scales, &weights.norm);
        let by_top = zeroed(&mut self.layers[depth].by_x, count * hidden);
        for (by_last, &source) in by_last.chunks_exact(hidden).zip(&self.sources) {
            arithmetic::add(&mut by_top[source * hidden..][..hidden], by_last);
        }
        for at in (0..depth).rev() {
            let [trace, next] = &mut self.layers[at..at + 2] else { unreachable!("one more than layers") };
            let by_norms = &mut by_norms[2 * at * hidden..][..2 * hidden];
            let by_biases = &mut by_biases[at * sizes.qkv()..][..sizes.qkv()];
            let layer = &weights.layers[at];
            trace.backward(
                &next.by_x,
                layer,
                weights,
                &self.bounds,
                (by_norms, by_biases),
                &mut self.scratch,
            );
        }
    }

    /// Adds this group's share to rows of a parameter's gradient, from `first` on.
    fn add_gradient(&self, weights: &Weights, parameter: Parameter, first: usize, target: &mut [f32]) {
        let sizes = weights.sizes;
        let Sizes { hidden, inner, vocabulary, .. } = sizes;
        let (count, wanted, depth) = (self.ids.len(), self.sources.len(), weights.layers.len());
        let (_, columns) = parameter.shape(sizes);
        let rows = target.len() / columns;
        // Inputs and gradients by outputs: rows of `step` numbers of which some columns count.
        let mut product = |tokens: usize, input: (&[f32], usize), output: (&[f32], usize, usize)| {
            let input = View::strided(&input.0[first..], tokens, rows, input.1).transposed();
            let output = View::strided(&output.0[output.2..], tokens, columns, output.1);
            multiply(target, columns, Into::Add, 1.0, input, output);
        };
        match parameter {
            Parameter::Projection(layer, part) => {
                let trace = &self.layers[layer];
                let (from, _) = part_of(sizes, part);
                product(count, (&trace.x_normed, hidden), (&trace.by_qkv, sizes.qkv(), from));
            }
            Parameter::Output(layer) => {
                let trace = &self.layers[layer];
                product(count, (&trace.mixed, sizes.queries()), (&trace.by_mid, hidden, 0));
            }
            Parameter::Gate(layer) | Parameter::Up(layer) => {
                let trace = &self.layers[layer];
                let from = if parameter == Parameter::Gate(layer) { 0 } else { inner };
                product(count, (&trace.mid_normed, hidden), (&trace.by_gate_up, 2 * inner, from));
            }
            Parameter::Down(layer) => {
                product(count, (&self.layers[layer].inner, inner), (&self.layers[layer + 1].by_x, hidden, 0));
            }
            Parameter::Head => product(wanted, (&self.states, hidden), (&self.logits, vocabulary, 0)),
            Parameter::Embedding => {
                if weights.head.is_empty() {
                    product(wanted, (&self.logits, vocabulary), (&self.states, hidden, 0));
                }
                for (by_x, &id) in self.layers[0].by_x.chunks_exact(hidden).zip(&self.ids) {
                    let id = id as usize;
                    if (first..first + rows).contains(&id) {
                        arithmetic::add(&mut target[(id - first) * hidden..][..hidden], by_x);
                    }
                }
            }
            Parameter::Norm => arithmetic::add(target, &self.by_norms[2 * depth * hidden..]),
            Parameter::AttentionNorm(layer) => {
                arithmetic::add(target, &self.by_norms[2 * layer * hidden..][..hidden]);
            }
            Parameter::MlpNorm(layer) => {
                arithmetic::add(target, &self.by_norms[(2 * layer + 1) * hidden..][..hidden]);
            }
            Parameter::Bias(layer, part) => {
                let (from, count) = part_of(sizes, part);
                arithmetic::add(target, &self.by_biases[layer * sizes.qkv() + from..][..count]);
            }
        }
    }
}
