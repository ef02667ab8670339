//! Texts read token by token, each with keys and values of its own.

use std::sync::Arc;

use rayon::prelude::*;

use super::arithmetic::{self, HeadKeys, Into, View, multiply};
use super::weights::{Sizes, Weights};

/// Rows that one thread carries through all layers.
const TEAM: usize = 16;

/// Numbers of a cache line.
const LINE: usize = 16;

/// Rows up to which a product reads the weight where it is.
const FEW: usize = 32;

/// A model in the middle of its texts.
#[derive(Debug)]
pub(crate) struct Reader {
    weights: Arc<Weights>,
    capacity: usize,
    /// From one number of a key to the next.
    stride: usize,
    rows: Vec<Row>,
    /// Rows that have ended, for their buffers.
    spare: Vec<Row>,
    teams: Vec<Team>,
}

/// The keys and values of one text.
#[derive(Debug, Default)]
struct Row {
    /// `[layers, key heads * width, stride]`: of each number of a key a row over positions.
    keys: Vec<f32>,
    /// `[layers, key heads, capacity, width]`.
    values: Vec<f32>,
    filled: usize,
}

impl Row {
    fn copy(&mut self, other: &Self) {
        self.keys.clone_from(&other.keys);
        self.values.clone_from(&other.values);
        self.filled = other.filled;
    }
}

/// The buffers of rows that go together.
#[derive(Debug, Default)]
struct Team {
    /// Of every token: its row in the team, and its position.
    places: Vec<(usize, usize)>,
    x: Vec<f32>,
    scales: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    added: Vec<f32>,
    gate_up: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
    logits: Vec<f32>,
    found: Vec<f32>,
}

/// What is asked of a pass.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'a> {
    /// The logits after the last token of each row.
    Logits,
    /// `log p(target)` after each of these tokens, given as (place in `ids`, target), in ascending order.
    LogProbs(&'a [(usize, u32)]),
}

impl Reader {
    /// Room for `capacity` tokens in each of `rows`.
    pub fn new(weights: Arc<Weights>, rows: usize, capacity: usize) -> Self {
        // Not a power of two, so that the rows of a head do not share few places of the cache.
        let stride = capacity.next_multiple_of(LINE) + LINE;
        let width = weights.layers.len() * weights.sizes.keys();
        let row = || Row { keys: vec![0.0; width * stride], values: vec![0.0; width * capacity], filled: 0 };
        let rows = (0..rows).map(|_| row()).collect();
        Self { weights, capacity, stride, rows, spare: Vec::new(), teams: Vec::new() }
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Of the longest row.
    pub fn filled(&self) -> usize {
        self.rows.iter().map(|row| row.filled).max().unwrap_or(0)
    }

    /// Reads `counts[row]` tokens more of each row, one row's after the other's in `ids`. Those who call have checked
    /// that there is room and that the tokens exist. Writes what is asked for into `answer`.
    pub fn read(&mut self, ids: &[u32], counts: &[usize], ask: Ask<'_>, answer: &mut Vec<f32>) {
        let Self { weights, capacity, stride, rows, teams, .. } = self;
        let count = rows.len().div_ceil(TEAM);
        if teams.len() < count {
            teams.resize_with(count, Team::default);
        }
        let shares = ids_of_teams(ids, counts);
        let tasks =
            rows.par_chunks_mut(TEAM).zip(counts.par_chunks(TEAM)).zip(teams.par_iter_mut()).zip(shares);
        tasks.for_each(|(((rows, counts), team), own)| {
            team.read(weights, [*capacity, *stride], rows, own, counts, ask);
        });
        answer.clear();
        teams[..count].iter().for_each(|team| answer.extend_from_slice(&team.found));
    }

    /// The rows named by `order`, in this order; a row may be named more than once or not at all.
    pub fn reorder(&mut self, order: &[usize]) {
        let mut uses = vec![0usize; self.rows.len()];
        order.iter().for_each(|&row| uses[row] += 1);
        let mut old: Vec<Row> = std::mem::take(&mut self.rows);
        for &row in order {
            uses[row] -= 1;
            if uses[row] == 0 {
                self.rows.push(std::mem::take(&mut old[row]));
            } else {
                let mut copy = self.spare.pop().unwrap_or_default();
                copy.copy(&old[row]);
                self.rows.push(copy);
            }
        }
        self.spare.extend(old.into_iter().filter(|row| !row.keys.is_empty()));
    }

    /// Forgets the last `count` tokens of every row.
    pub fn forget(&mut self, count: usize) {
        self.rows.iter_mut().for_each(|row| row.filled -= count);
    }

    /// A reader with `count` rows, all like the first.
    pub fn repeated(&self, count: usize) -> Self {
        let row = || {
            let mut copy = Row::default();
            copy.copy(&self.rows[0]);
            copy
        };
        let rows = (0..count).map(|_| row()).collect();
        let (weights, capacity, stride) = (self.weights.clone(), self.capacity, self.stride);
        Self { weights, capacity, stride, rows, spare: Vec::new(), teams: Vec::new() }
    }
}

/// Each team's tokens, and where they begin.
fn ids_of_teams<'a>(ids: &'a [u32], counts: &[usize]) -> Vec<(usize, &'a [u32])> {
    let mut first = 0;
    let share = |counts: &[usize]| {
        let own = counts.iter().sum::<usize>();
        first += own;
        (first - own, &ids[first - own..first])
    };
    counts.chunks(TEAM).map(share).collect()
}

fn room(buffer: &mut Vec<f32>, count: usize) -> &mut [f32] {
    buffer.resize(count, 0.0);
    buffer
}

/// `target = x W`, by the way that is best for the number of rows.
fn product(target: &mut [f32], x: &[f32], weight: &[f32], inputs: usize, outputs: usize) {
    match x.len() / inputs {
        1 => arithmetic::multiply_row(target, x, weight),
        ..=FEW => arithmetic::multiply_few(target, x, weight, inputs, outputs),
        rows => {
            let (x, weight) = (View::new(x, rows, inputs), View::new(weight, inputs, outputs));
            multiply(target, outputs, Into::Replace, 1.0, x, weight);
        }
    }
}

impl Team {
    fn read(
        &mut self,
        weights: &Weights,
        [capacity, stride]: [usize; 2],
        rows: &mut [Row],
        (first, ids): (usize, &[u32]),
        counts: &[usize],
        ask: Ask<'_>,
    ) {
        let sizes = weights.sizes;
        let Sizes { hidden, inner, .. } = sizes;
        let (queries, keys) = (sizes.queries(), sizes.keys());
        let epsilon = weights.config.rms_norm_eps as f32;
        let factor = (sizes.width as f32).sqrt().recip();
        self.places.clear();
        for (row, &count) in counts.iter().enumerate() {
            let filled = rows[row].filled;
            self.places.extend((filled..filled + count).map(|position| (row, position)));
        }
        let x = room(&mut self.x, ids.len() * hidden);
        for (x, &id) in x.chunks_exact_mut(hidden).zip(ids) {
            x.copy_from_slice(&weights.embedding[id as usize * hidden..][..hidden]);
        }
        for (at, layer) in weights.layers.iter().enumerate() {
            let mut count = self.places.len();
            let x = &mut self.x[..count * hidden];
            let normed = room(&mut self.normed, count * hidden);
            arithmetic::norm(normed, room(&mut self.scales, count), x, &layer.attention_norm, epsilon);
            let qkv = room(&mut self.qkv, count * sizes.qkv());
            product(qkv, normed, &layer.qkv, hidden, sizes.qkv());
            for (qkv, &(row, position)) in qkv.chunks_exact_mut(sizes.qkv()).zip(&self.places) {
                if !layer.qkv_bias.is_empty() {
                    arithmetic::add(qkv, &layer.qkv_bias);
                }
                let (cosine, sine) = weights.angles(position);
                arithmetic::rotate(&mut qkv[..queries + keys], cosine, sine, false);
                let places = rows[row].keys[at * keys * stride..].iter_mut().skip(position).step_by(stride);
                places.zip(&qkv[queries..][..keys]).for_each(|(place, key)| *place = *key);
                let values =
                    rows[row].values[at * keys * capacity..].chunks_exact_mut(capacity * sizes.width);
                for (values, own) in values.zip(qkv[queries + keys..].chunks_exact(sizes.width)) {
                    values[position * sizes.width..][..sizes.width].copy_from_slice(own);
                }
            }
            if at + 1 == weights.layers.len() {
                // Nothing looks at the last layer's other tokens.
                count = self.keep_wanted(sizes, counts, first, ask);
            }
            let mixed = room(&mut self.mixed, count * queries);
            for (token, mixed) in mixed.chunks_exact_mut(queries).enumerate() {
                let (row, position) = self.places[token];
                let query = &self.qkv[token * sizes.qkv()..][..queries];
                let scores = room(&mut self.scores, position + 1);
                for head in 0..sizes.heads {
                    let shared = head / (sizes.heads / sizes.key_heads) * sizes.width;
                    let own = head * sizes.width..(head + 1) * sizes.width;
                    let seen = &rows[row].keys[(at * keys + shared) * stride..];
                    let values = &rows[row].values[(at * keys + shared) * capacity..];
                    arithmetic::attend(
                        &mut mixed[own.clone()],
                        &query[own],
                        HeadKeys { data: seen, stride },
                        values,
                        scores,
                        factor,
                    );
                }
            }
            let x = &mut self.x[..count * hidden];
            let added = room(&mut self.added, count * hidden);
            product(added, &self.mixed, &layer.output, queries, hidden);
            arithmetic::add(x, added);
            let normed = room(&mut self.normed, count * hidden);
            arithmetic::norm(normed, room(&mut self.scales, count), x, &layer.mlp_norm, epsilon);
            let gate_up = room(&mut self.gate_up, count * 2 * inner);
            product(gate_up, normed, &layer.gate_up, hidden, 2 * inner);
            let own = room(&mut self.inner, count * inner);
            arithmetic::gate(own, gate_up, inner);
            product(added, own, &layer.down, inner, hidden);
            arithmetic::add(x, added);
        }
        for (row, count) in rows.iter_mut().zip(counts) {
            row.filled += count;
        }
        self.answer(weights, first, ask);
    }

    /// Moves the tokens that are asked for to the front; gives their number.
    fn keep_wanted(&mut self, sizes: Sizes, counts: &[usize], first: usize, ask: Ask<'_>) -> usize {
        let total = self.places.len();
        let mut kept = 0;
        let mut keep = |token: usize| {
            self.places[kept] = self.places[token];
            self.x.copy_within(token * sizes.hidden..(token + 1) * sizes.hidden, kept * sizes.hidden);
            let queries = token * sizes.qkv()..token * sizes.qkv() + sizes.queries();
            self.qkv.copy_within(queries, kept * sizes.qkv());
            kept += 1;
        };
        match ask {
            Ask::Logits => {
                let mut last = 0;
                for count in counts {
                    last += count;
                    keep(last - 1);
                }
            }
            Ask::LogProbs(wanted) => own_targets(wanted, first, total).iter().for_each(|t| keep(t.0 - first)),
        }
        self.places.truncate(kept);
        kept
    }

    fn answer(&mut self, weights: &Weights, first: usize, ask: Ask<'_>) {
        let Sizes { hidden, vocabulary, .. } = weights.sizes;
        let epsilon = weights.config.rms_norm_eps as f32;
        let count = self.places.len();
        let x = &self.x[..count * hidden];
        let states = room(&mut self.normed, count * hidden);
        arithmetic::norm(states, room(&mut self.scales, count), x, &weights.norm, epsilon);
        let logits = if matches!(ask, Ask::Logits) { &mut self.found } else { &mut self.logits };
        let logits = room(logits, count * vocabulary);
        product(logits, states, &weights.head, hidden, vocabulary);
        if let Ask::LogProbs(wanted) = ask {
            // As many as were kept.
            let from = wanted.partition_point(|(token, _)| *token < first);
            let wanted = &wanted[from..from + count];
            let sums = room(&mut self.scales, count);
            arithmetic::log_sums(sums, &self.logits, vocabulary);
            self.found.clear();
            let rows = self.logits.chunks_exact(vocabulary).zip(sums).zip(wanted);
            self.found.extend(rows.map(|((row, sum), &(_, target))| row[target as usize] - *sum));
        }
    }
}

/// Those of `wanted` whose tokens are among `count` from `first` on.
fn own_targets(wanted: &[(usize, u32)], first: usize, count: usize) -> &[(usize, u32)] {
    let from = wanted.partition_point(|(token, _)| *token < first);
    let to = wanted.partition_point(|(token, _)| *token < first + count);
    &wanted[from..to]
}
