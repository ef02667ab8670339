//! Propagation as the graph encoders use it: forward for a batch, backward to the table, forward for all.
//!
//! LightGCN's output is the mean of the table and its hops `A table, A A table, …`; GraphAU uses each hop by itself.

use rayon::prelude::*;
use rec_core::UserItems;

use super::adam::Table;
use super::batch::{Batch, side_and_tile, tile_counts};
use super::graph::Graph;
use super::losses::Losses;
use super::rows::RowsMut;
use super::side::Side;
use super::slots::Form;

/// What the graph encoders need besides the table.
pub(crate) struct Propagation {
    graph: Graph,
    layers: usize,
    /// Whether the loss sees the mean of the hops, and so all hops share one gradient.
    mean: bool,
    /// Hops `1..layers` of the table; the last hop is computed for the batch only.
    levels: Vec<Vec<f32>>,
    /// Gradients of the hops' outputs: one buffer if all hops share it, else one a hop. Zero outside the batch.
    sources: Vec<Vec<f32>>,
    active: Vec<bool>,
    buffers: [Vec<f32>; 2],
}

impl Propagation {
    /// Over the training pairs, for tables of `width` columns.
    pub fn new(train: &UserItems, layers: usize, mean: bool, width: usize) -> Self {
        let graph = Graph::new(train);
        let buffer = || vec![0.0; graph.nodes() * width];
        Self {
            active: vec![false; graph.nodes()],
            levels: (1..layers).map(|_| buffer()).collect(),
            sources: (0..if mean { 1 } else { layers + 1 }).map(|_| buffer()).collect(),
            buffers: [buffer(), buffer()],
            graph,
            layers,
            mean,
        }
    }

    /// Fills the vectors of the batch's slots: of the mean of the hops, or of each hop. Only the first are spread.
    pub fn gather(&mut self, table: &Table, batch: &mut Batch, form: Form, n_users: usize) {
        let Self { graph, layers, mean, levels, .. } = self;
        let (width, table) = (table.width, &table.values);
        for level in 0..levels.len() {
            let (before, after) = levels.split_at_mut(level);
            let source = before.last().unwrap_or(table);
            graph.propagate(source, None, None, width, &mut after[0]);
        }
        let (graph, layers, mean, levels) = (&*graph, *layers, *mean, &*levels);
        let last = levels.last().unwrap_or(table);
        let Batch { sides, hops, .. } = batch;
        let tiles = tile_counts(sides);
        for (hop, [users, items]) in hops.iter_mut().enumerate() {
            let vectors = [users.writer(), items.writer()];
            let form = if hop == 0 { form } else { Form::Unit };
            (0..tiles[0] + tiles[1]).into_par_iter().with_max_len(1).for_each(|task| {
                let (side, tile) = side_and_tile(task, tiles);
                let offset = (side * n_users) as u32;
                let fill = |slots: std::ops::Range<usize>, rows: &mut [f32]| {
                    let ids = &sides[side].ids[slots];
                    let copy = |source: &[f32], rows: &mut [f32], add: bool| {
                        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(width)) {
                            let at = (id + offset) as usize * width;
                            let source = &source[at..at + width];
                            if add {
                                row.iter_mut().zip(source).for_each(|(x, y)| *x += y);
                            } else {
                                row.copy_from_slice(source);
                            }
                        }
                    };
                    if mean {
                        copy(table, rows, false);
                        for level in levels {
                            copy(level, rows, true);
                        }
                        graph.propagate_to(ids, offset, last, width, rows);
                        let scale = 1.0 / (layers + 1) as f32;
                        rows.iter_mut().for_each(|x| *x *= scale);
                    } else if hop == 0 {
                        copy(table, rows, false);
                    } else if hop < layers {
                        copy(&levels[hop - 1], rows, false);
                    } else {
                        rows.fill(0.0);
                        graph.propagate_to(ids, offset, last, width, rows);
                    }
                };
                // SAFETY: tiles are disjoint.
                unsafe { vectors[side].fill(tile, &sides[side], form, fill) }
            });
        }
    }

    /// Where the gradients of `hop`'s slots go before [`Propagation::backward`].
    pub fn target(&mut self, hop: usize, width: usize) -> HopGradients<'_> {
        HopGradients {
            scale: if self.mean { 1.0 / (self.layers + 1) as f32 } else { 1.0 },
            source: RowsMut::new(&mut self.sources[hop], width),
            active: RowsMut::new(&mut self.active, 1),
        }
    }

    /// The table's gradient: takes the hops' gradients back by Horner's rule, `g_h = A g_{h+1} + source_h`, adds the
    /// penalty's, and clears the hops for the next batch.
    pub fn backward(&mut self, table: &Table, sides: &[Side; 2], losses: &Losses, n_users: usize) -> &[f32] {
        let width = table.width;
        let Self { graph, layers, sources, active, buffers, .. } = self;
        let source = |hop: usize| &sources[hop.min(sources.len() - 1)];
        let [front, back] = buffers;
        let (mut current, mut next) = (front, back);
        for hop in (0..*layers).rev() {
            let first = hop + 1 == *layers;
            let input = if first { source(*layers) } else { &*current };
            graph.propagate(input, Some(source(hop)), first.then_some(&active[..]), width, next);
            std::mem::swap(&mut current, &mut next);
        }
        for side in 0..2 {
            for (slot, &id) in sides[side].ids.iter().enumerate() {
                let node = id as usize + side * n_users;
                let range = node * width..(node + 1) * width;
                if losses.ego != [0.0; 3] {
                    let factor = losses.ego_factor(side, sides[side].pairs_of(slot));
                    for (g, x) in current[range.clone()].iter_mut().zip(&table.values[range.clone()]) {
                        *g += factor * x;
                    }
                }
                active[node] = false;
                for source in sources.iter_mut() {
                    source[range.clone()].fill(0.0);
                }
            }
        }
        current
    }

    /// The encoder's outputs for all nodes: the mean of the hops, or the table itself where hops are used one by one.
    pub fn outputs(&mut self, table: &Table) -> Vec<f32> {
        let mut sum = table.values.clone();
        if !self.mean {
            return sum;
        }
        let [front, back] = &mut self.buffers;
        front.copy_from_slice(&table.values);
        let (mut current, mut next) = (front, back);
        for _ in 0..self.layers {
            self.graph.propagate(current, None, None, table.width, next);
            sum.iter_mut().zip(&*next).for_each(|(sum, x)| *sum += x);
            std::mem::swap(&mut current, &mut next);
        }
        let scale = 1.0 / (self.layers + 1) as f32;
        sum.iter_mut().for_each(|x| *x *= scale);
        sum
    }
}

/// The gradients of one hop, written in parallel over distinct nodes.
#[derive(Clone, Copy)]
pub(crate) struct HopGradients<'a> {
    /// The hop's weight in the output.
    scale: f32,
    source: RowsMut<'a, f32>,
    active: RowsMut<'a, bool>,
}

impl HopGradients<'_> {
    /// Sets the gradient of `node`.
    ///
    /// # Safety
    /// No other thread may hold the same node.
    #[inline(always)]
    pub unsafe fn set(&self, node: usize, gradient: &[f32]) {
        // SAFETY: the caller keeps nodes apart.
        unsafe {
            for (target, g) in self.source.row(node).iter_mut().zip(gradient) {
                *target = self.scale * g;
            }
            self.active.row(node)[0] = true;
        }
    }
}
