//! Epochs and steps of the fused engine.

use rayon::prelude::*;
use rec_core::{Interactions, ItemId, UserId, UserItems, random};

use super::adam::{Schedule, Table, update_all};
use super::graph::Graph;
use super::rows::{RowsMut, padded};
use super::side::Side;
use super::simd::dispatch;
use super::slots::{Dots, Form, SlotGradients, Term, Vectors};
use super::uniformity::{TILE, tile_row};
use crate::train::{EngineState, EpochLosses, StateTensor, TrainingEngine};
use crate::{Embeddings, Encoder, Error, Loss, ModelConfig, Optimizer, Result, batches, init};

/// Temperature of uniformity, `t = 2`, times two.
const TWO_T: f32 = 4.0;
/// Rows in a parallel task over whole tables.
const CHUNK: usize = 256;

/// The fused CPU engine.
///
/// ```
/// use cf_align::{ModelConfig, fused::FusedEngine, train::TrainingEngine};
/// use rec_core::{Interactions, ItemId, UserId};
/// let train = Interactions::from_pairs(vec![UserId(0), UserId(1), UserId(1)], vec![ItemId(0), ItemId(0), ItemId(1)]);
/// let mut engine = FusedEngine::new(&ModelConfig::directau(), &train, 2, 2)?;
/// let first = engine.train_epoch(0)?.loss;
/// for epoch in 1..50 {
///     engine.train_epoch(epoch)?;
/// }
/// assert!(engine.train_epoch(50)?.loss < first);
/// # Ok::<(), cf_align::Error>(())
/// ```
pub struct FusedEngine {
    config: ModelConfig,
    train: Interactions,
    positives: UserItems,
    n_users: usize,
    n_items: usize,
    width: usize,
    /// Users first, then items.
    table: Table,
    schedule: Schedule,
    margins: Option<Margins>,
    graph: Option<Propagation>,
    order: Vec<(UserId, ItemId)>,
    batch: Batch,
}

/// MAWU's learned scalars, one a node, with Adam's moments.
struct Margins {
    values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    gradient: Vec<f32>,
}

/// What the graph encoders need besides the table.
struct Propagation {
    graph: Graph,
    layers: usize,
    /// Hops `1..layers` of the table; the last hop is computed for the batch only.
    levels: Vec<Vec<f32>>,
    /// Gradients of the hops' outputs: one buffer if all hops share it, else one a hop. Zero outside the batch.
    sources: Vec<Vec<f32>>,
    active: Vec<bool>,
    buffers: [Vec<f32>; 2],
}

/// Everything a step works on, allocated once.
struct Batch {
    sides: [Side; 2],
    /// Vectors of each hop that the loss uses, for both sides.
    hops: Vec<[Vectors; 2]>,
    /// Which hops the alignment terms join, and their weights.
    terms: Vec<Term>,
    /// `d loss / d (x . y)` of each pair, for a term of weight 1.
    coefficients: Vec<f32>,
    /// `d loss / d margin` of each pair.
    margin_gradients: Vec<f32>,
    negatives: Vec<ItemId>,
    lanes: [Vec<f32>; 2],
    gradients: [Vec<f32>; 2],
    tile_sums: Vec<f64>,
}

/// What one step gave: the loss and its terms, in the order of [`FusedEngine::term_names`].
#[derive(Clone, Copy, Debug, Default)]
struct StepLosses {
    loss: f64,
    terms: [f64; 3],
}

/// The loss of one batch and its gradients with respect to the tables.
#[derive(Clone, Debug)]
pub struct BatchGradients {
    /// The loss.
    pub loss: f64,
    /// `[n_users, dim]`.
    pub users: Vec<f32>,
    /// `[n_items, dim]`.
    pub items: Vec<f32>,
    /// MAWU's margins: users, then items; empty for other losses.
    pub margins: Vec<f32>,
}

impl FusedEngine {
    /// An engine on freshly initialised tables.
    ///
    /// # Errors
    /// A configuration that does not hold, no training pairs, or (for BPR) a user who touched every item.
    pub fn new(config: &ModelConfig, train: &Interactions, n_users: usize, n_items: usize) -> Result<Self> {
        config.validate()?;
        if train.is_empty() {
            return Err(rec_core::Error::invalid("there are no training pairs").into());
        }
        let positives = UserItems::new(train, n_users, n_items);
        if matches!(config.loss, Loss::Bpr { .. }) {
            batches::check_sampling(&positives)?;
        }
        let dim = config.training.dim;
        let width = padded(dim);
        let (users, items) = init::tables(config, n_users, n_items);
        let mut values = vec![0.0; (n_users + n_items) * width];
        for (row, source) in
            values.chunks_exact_mut(width).zip(users.chunks_exact(dim).chain(items.chunks_exact(dim)))
        {
            row[..dim].copy_from_slice(source);
        }
        let graph = match config.encoder {
            Encoder::Mf => None,
            Encoder::LightGcn { layers } => {
                let graph = Graph::new(&positives);
                let shared = !matches!(config.loss, Loss::GraphAu { .. });
                let buffer = || vec![0.0; values.len()];
                Some(Propagation {
                    active: vec![false; graph.nodes()],
                    graph,
                    layers,
                    levels: (1..layers).map(|_| buffer()).collect(),
                    sources: (0..if shared { 1 } else { layers + 1 }).map(|_| buffer()).collect(),
                    buffers: [buffer(), buffer()],
                })
            }
        };
        let margins = matches!(config.loss, Loss::Mawu { .. }).then(|| {
            let [users, items] = init::margins(config, n_users, n_items);
            let mut values = users;
            values.extend(items);
            values.resize(values.len().next_multiple_of(16), 0.0);
            let zero = vec![0.0; values.len()];
            Margins { values, first: zero.clone(), second: zero.clone(), gradient: zero }
        });
        let pairs = batches::longest(config.training.batch_size).min(train.len());
        let steps =
            batches::batches(&vec![(UserId(0), ItemId(0)); train.len()], config.training.batch_size).count();
        Ok(Self {
            batch: Batch::new(config, pairs, n_users, n_items, width),
            schedule: Schedule::new(config.training.learning_rate, config.training.weight_decay, steps),
            table: Table::new(values, width),
            config: config.clone(),
            train: Interactions::from_pairs(train.users.clone(), train.items.clone()),
            positives,
            n_users,
            n_items,
            width,
            margins,
            graph,
            order: Vec::with_capacity(train.len()),
        })
    }

    /// The names of the terms that an epoch reports.
    fn term_names(&self) -> &'static [&'static str] {
        match self.config.loss {
            Loss::Bpr { .. } => &["bpr", "penalty"],
            _ => &["alignment", "uniformity_user", "uniformity_item"],
        }
    }

    /// The loss of one batch at the tables as they are, and its gradients; nothing moves. `negatives` holds one
    /// item for each pair for BPR and is ignored by other losses. Weight decay, which Adam adds, is not included.
    ///
    /// # Panics
    /// If the batch is longer than `batch_size + 1` or longer than the training data.
    pub fn gradients(&mut self, batch: &[(UserId, ItemId)], negatives: &[ItemId]) -> BatchGradients {
        self.flush();
        self.batch.negatives.clear();
        self.batch.negatives.extend_from_slice(negatives);
        let mut captured = vec![0.0; self.table.values.len()];
        let losses = self.forward_backward(batch, Some(&mut captured));
        let dim = self.config.training.dim;
        let rows = |range: std::ops::Range<usize>| -> Vec<f32> {
            range.flat_map(|row| captured[row * self.width..row * self.width + dim].to_vec()).collect()
        };
        BatchGradients {
            loss: losses.loss,
            users: rows(0..self.n_users),
            items: rows(self.n_users..self.n_users + self.n_items),
            margins: self
                .margins
                .as_ref()
                .map_or(Vec::new(), |margins| margins.gradient[..self.n_users + self.n_items].to_vec()),
        }
    }

    /// Multiplications and additions of the uniformity tiles of the last batch, forward and backward: the work that
    /// a GEMM would be charged with.
    pub fn last_batch_flops(&self) -> f64 {
        let spread = !matches!(self.config.loss, Loss::Bpr { .. });
        let side = |side: &Side| 3.0 * (side.len() as f64).powi(2) * self.config.training.dim as f64;
        if spread { self.batch.sides.iter().map(side).sum() } else { 0.0 }
    }

    /// Brings every row up to the last finished step.
    fn flush(&mut self) {
        let until = self.schedule.step;
        let rows = self.table.rows();
        let lazy = self.config.training.optimizer == Optimizer::Lazy;
        let (writer, schedule) = (self.table.writer(), &self.schedule);
        (0..rows.div_ceil(CHUNK)).into_par_iter().for_each(|chunk| {
            for row in chunk * CHUNK..((chunk + 1) * CHUNK).min(rows) {
                // SAFETY: chunks are disjoint.
                unsafe {
                    if lazy {
                        writer.skip(row, until);
                    } else {
                        writer.catch_up(row, schedule, until);
                    }
                }
            }
        });
        self.schedule.rebase(until);
    }

    fn run_epoch(&mut self, epoch: usize) -> Result<EpochLosses> {
        let training = &self.config.training;
        let (batch_size, seed, learning_rate) = (training.batch_size, training.seed, training.learning_rate);
        let mut order = std::mem::take(&mut self.order);
        batches::shuffle(&self.train, seed, epoch, &mut order);
        let mut negatives_rng = random::stream(seed, "negatives", epoch as u64);
        let samples = matches!(self.config.loss, Loss::Bpr { .. });
        let (mut sums, mut steps) = (StepLosses::default(), 0);
        for batch in batches::batches(&order, batch_size) {
            if samples {
                self.batch.negatives.clear();
                for &(user, _) in batch {
                    self.batch.negatives.push(batches::negative(&self.positives, user, &mut negatives_rng));
                }
            }
            self.schedule.advance();
            let losses = self.forward_backward(batch, None);
            if !losses.loss.is_finite() {
                return Err(Error::Diverged { epoch, step: steps, loss: losses.loss, learning_rate });
            }
            sums.loss += losses.loss;
            for (sum, term) in sums.terms.iter_mut().zip(losses.terms) {
                *sum += term;
            }
            steps += 1;
        }
        self.flush();
        self.order = order;
        let steps = steps as f64;
        let terms = self.term_names().iter().zip(sums.terms);
        Ok(EpochLosses {
            loss: sums.loss / steps,
            terms: terms.map(|(name, sum)| ((*name).to_owned(), sum / steps)).collect(),
        })
    }

    /// The three phases of a step (see the module's head). With `capture` gradients are written there instead of
    /// moving the tables.
    fn forward_backward(&mut self, batch: &[(UserId, ItemId)], capture: Option<&mut [f32]>) -> StepLosses {
        let sampled = if matches!(self.config.loss, Loss::Bpr { .. }) { 2 } else { 1 };
        {
            let [users, items] = &mut self.batch.sides;
            let negatives = &self.batch.negatives;
            rayon::join(
                // Pair p of the batch is the pairs 2p (positive) and 2p + 1 (negative) of BPR.
                || users.index(batch.iter().flat_map(|pair| std::iter::repeat_n(pair.0.0, sampled))),
                || {
                    items.index(batch.iter().enumerate().flat_map(|(p, pair)| {
                        std::iter::once(pair.1.0).chain((sampled == 2).then(|| negatives[p].0))
                    }));
                },
            );
        }
        self.gather(capture.is_some());
        let losses = self.losses(batch.len());
        self.apply(&losses, capture);
        losses.total
    }

    /// Phase 1: the vectors of the slots.
    fn gather(&mut self, capturing: bool) {
        let lazy = self.config.training.optimizer == Optimizer::Lazy;
        let until = if capturing { self.schedule.step } else { self.schedule.step - 1 };
        let (width, n_users) = (self.width, self.n_users);
        let Batch { sides, hops, .. } = &mut self.batch;
        for hop in hops.iter_mut() {
            for side in 0..2 {
                hop[side].sphere.n = sides[side].len();
            }
        }
        let tiles = [sides[0].len().div_ceil(TILE), sides[1].len().div_ceil(TILE)];
        let offset = |side: usize| if side == 0 { 0 } else { n_users as u32 };
        let form = match self.config.loss {
            Loss::Bpr { .. } => Form::Raw,
            Loss::DirectAu { dedup, .. } => Form::Spread { dedup },
            Loss::Mawu { .. } | Loss::GraphAu { .. } => Form::Spread { dedup: false },
        };
        let Some(propagation) = &mut self.graph else {
            let (writer, schedule) = (self.table.writer(), &self.schedule);
            let [users, items] = &mut hops[0];
            let vectors = [users.writer(), items.writer()];
            (0..tiles[0] + tiles[1]).into_par_iter().with_max_len(1).for_each(|task| {
                let (side, tile) = if task < tiles[0] { (0, task) } else { (1, task - tiles[0]) };
                let ids = &sides[side].ids;
                // SAFETY: tiles are disjoint, and so are the rows of distinct ids.
                unsafe {
                    vectors[side].fill(tile, &sides[side], form, |slots, rows| {
                        for (&id, row) in ids[slots].iter().zip(rows.chunks_exact_mut(width)) {
                            let index = (id + offset(side)) as usize;
                            row.copy_from_slice(if lazy {
                                writer.skip(index, until)
                            } else {
                                writer.catch_up(index, schedule, until)
                            });
                        }
                    });
                }
            });
            return;
        };
        let Propagation { graph, layers, levels, .. } = propagation;
        let table = &self.table.values;
        for level in 0..levels.len() {
            let (before, after) = levels.split_at_mut(level);
            let source = before.last().unwrap_or(table);
            graph.propagate(source, None, None, width, &mut after[0]);
        }
        let (layers, levels, graph) = (*layers, &*levels, &*graph);
        let last = levels.last().unwrap_or(table);
        let mean = hops.len() == 1;
        for (hop, vectors) in hops.iter_mut().enumerate() {
            let [users, items] = vectors;
            let vectors = [users.writer(), items.writer()];
            let form = if hop == 0 { form } else { Form::Unit };
            (0..tiles[0] + tiles[1]).into_par_iter().with_max_len(1).for_each(|task| {
                let (side, tile) = if task < tiles[0] { (0, task) } else { (1, task - tiles[0]) };
                let fill = |slots: std::ops::Range<usize>, rows: &mut [f32]| {
                    let ids = &sides[side].ids[slots];
                    let copy = |source: &[f32], rows: &mut [f32], add: bool| {
                        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(width)) {
                            let at = (id + offset(side)) as usize * width;
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
                        graph.propagate_to(ids, offset(side), last, width, rows);
                        let scale = 1.0 / (layers + 1) as f32;
                        rows.iter_mut().for_each(|x| *x *= scale);
                    } else if hop == 0 {
                        copy(table, rows, false);
                    } else if hop < layers {
                        copy(&levels[hop - 1], rows, false);
                    } else {
                        rows.fill(0.0);
                        graph.propagate_to(ids, offset(side), last, width, rows);
                    }
                };
                // SAFETY: tiles are disjoint.
                unsafe { vectors[side].fill(tile, &sides[side], form, fill) }
            });
        }
    }

    /// Phase 2: the values of the loss's terms, and the numbers that phase 3 multiplies with.
    fn losses(&mut self, batch_size: usize) -> Losses {
        let Batch { sides, hops, terms, coefficients, margin_gradients, lanes, tile_sums, .. } =
            &mut self.batch;
        let (width, n_users) = (self.width, self.n_users);
        let inverse = 1.0 / batch_size as f64;
        let spread = !matches!(self.config.loss, Loss::Bpr { .. });
        let tiles = [sides[0].len().div_ceil(TILE), sides[1].len().div_ceil(TILE)];
        let lane_counts = if spread { [lane_count(tiles[0]), lane_count(tiles[1])] } else { [0, 0] };
        let lane_lengths = [tiles[0] * TILE * width, tiles[1] * TILE * width];

        // Sums of uniformity for each lane, then of the pair terms for each user tile.
        let [user_lanes, item_lanes] = lanes;
        let lane_slices = [
            RowsMut::new(&mut user_lanes[..lane_counts[0] * lane_lengths[0]], lane_lengths[0].max(1)),
            RowsMut::new(&mut item_lanes[..lane_counts[1] * lane_lengths[1]], lane_lengths[1].max(1)),
        ];
        let uniform_tasks = lane_counts[0] + lane_counts[1];
        let tasks = uniform_tasks + tiles[0];
        tile_sums.clear();
        tile_sums.resize(tasks, 0.0);
        coefficients.resize(sides[0].slots.len(), 0.0);
        margin_gradients.resize(if self.margins.is_some() { sides[0].slots.len() } else { 0 }, 0.0);
        let bpr = !spread;
        if bpr || terms.len() > 1 || self.margins.is_none() {
            coefficients.fill((-2.0 * inverse) as f32);
        }
        {
            let coefficients = RowsMut::new(coefficients, 1);
            let margin_gradients = RowsMut::new(margin_gradients, 1);
            let (sides, hops, terms, margins) = (&*sides, &*hops, &*terms, self.margins.as_ref());
            tile_sums.par_iter_mut().enumerate().with_max_len(1).for_each(|(task, sum)| {
                if task < uniform_tasks {
                    let (side, lane) =
                        if task < lane_counts[0] { (0, task) } else { (1, task - lane_counts[0]) };
                    // SAFETY: each task has a lane of its own.
                    let gradient = unsafe { lane_slices[side].row(lane) };
                    gradient.fill(0.0);
                    // Tile rows shrink towards the end: deal them out there and back.
                    let count = lane_counts[side];
                    for tile in (0..tiles[side]).filter(|tile| {
                        let place = tile % (2 * count);
                        place.min(2 * count - 1 - place) == lane
                    }) {
                        *sum += tile_row(&hops[0][side].sphere, tile, TWO_T, Some(&mut *gradient));
                    }
                    return;
                }
                let tile = task - uniform_tasks;
                let slots = tile * TILE..((tile + 1) * TILE).min(sides[0].len());
                if bpr {
                    *sum = bpr_tile(slots, sides, &hops[0], inverse, coefficients);
                    return;
                }
                for term in terms {
                    let each = |pair: usize, cosine: f32| match margins {
                        None => *sum += term.weight * (2.0 - 2.0 * f64::from(cosine)),
                        Some(margins) => {
                            let user = sides[0].ids[sides[0].slots[pair] as usize] as usize;
                            let item = sides[1].ids[sides[1].slots[pair] as usize] as usize + n_users;
                            let margin = margins.values[user] + margins.values[item];
                            let (value, by_cosine, by_margin) = margin_alignment(cosine, margin);
                            *sum += value;
                            // SAFETY: a pair belongs to one user slot, and so to one task.
                            unsafe {
                                coefficients.row(pair)[0] = (by_cosine * inverse) as f32;
                                margin_gradients.row(pair)[0] = (by_margin * inverse) as f32;
                            }
                        }
                    };
                    dispatch(Dots {
                        slots: slots.clone(),
                        side: &sides[0],
                        own: &hops[term.hops[0]][0],
                        others: &hops[term.hops[1]][1],
                        other_slots: &sides[1].slots,
                        each,
                    });
                }
            });
        }

        let pair_value = tile_sums[uniform_tasks..].iter().sum::<f64>() * inverse;
        if bpr {
            return self.bpr_losses(pair_value, batch_size);
        }
        let (gammas, dedup) = match self.config.loss {
            Loss::DirectAu { gamma, dedup } => ([gamma / 2.0; 2], dedup),
            Loss::GraphAu { gamma, .. } => ([gamma / 2.0; 2], false),
            Loss::Mawu { gamma_user, gamma_item } => ([gamma_user, gamma_item], false),
            Loss::Bpr { .. } => unreachable!("handled above"),
        };
        let mut losses = Losses { lane_counts, lane_lengths, ..Losses::default() };
        losses.total.terms[0] = pair_value;
        losses.total.loss = pair_value;
        let mut start = 0;
        for side in 0..2 {
            let sums = &tile_sums[start..start + lane_counts[side]];
            start += lane_counts[side];
            let rows = if dedup { sides[side].len() } else { batch_size } as f64;
            if rows < 2.0 {
                continue;
            }
            let mut sum: f64 = sums.iter().sum();
            if !dedup {
                // Rows of the same id are at distance 0 from each other.
                let same = |slot| {
                    let count = sides[side].pairs_of(slot).len() as f64;
                    count * (count - 1.0) / 2.0
                };
                sum += (0..sides[side].len()).map(same).sum::<f64>();
            }
            let uniformity = (sum / (rows * (rows - 1.0) / 2.0)).ln();
            losses.total.terms[1 + side] = uniformity;
            losses.total.loss += gammas[side] * uniformity;
            losses.uniformity[side] = (gammas[side] * f64::from(TWO_T) / sum) as f32;
        }
        losses
    }

    /// BPR's penalty on the ego rows, and the loss.
    fn bpr_losses(&self, bpr: f64, batch_size: usize) -> Losses {
        let Loss::Bpr { l2, squared } = self.config.loss else { unreachable!("called for BPR only") };
        let mut losses = Losses::default();
        let mut penalty = 0.0;
        if l2 > 0.0 {
            // Squared Frobenius norms of the users', the positives' and the negatives' rows.
            let mut norms = [0.0f64; 3];
            for side in 0..2 {
                let ids = &self.batch.sides[side].ids;
                for (slot, &id) in ids.iter().enumerate() {
                    let at = (id as usize + side * self.n_users) * self.width;
                    let row = &self.table.values[at..at + self.width];
                    let norm: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
                    let negatives =
                        self.batch.sides[side].pairs_of(slot).iter().filter(|&p| p % 2 == 1).count();
                    let positives = self.batch.sides[side].pairs_of(slot).len() - negatives;
                    norms[side] += positives as f64 * norm;
                    if side == 1 {
                        norms[2] += negatives as f64 * norm;
                    }
                }
            }
            let scale = l2 / batch_size as f64;
            if squared {
                penalty = scale * norms.iter().sum::<f64>() / 2.0;
                losses.ego = [scale as f32; 3];
            } else {
                penalty = scale * norms.iter().map(|norm| norm.sqrt()).sum::<f64>();
                losses.ego = norms.map(|norm| (scale / norm.sqrt().max(1e-12)) as f32);
            }
        }
        losses.total = StepLosses { loss: bpr + penalty, terms: [bpr, penalty, 0.0] };
        losses
    }

    /// Phase 3: gradients of the slots, back to the table.
    fn apply(&mut self, losses: &Losses, capture: Option<&mut [f32]>) {
        let (width, n_users) = (self.width, self.n_users);
        let Batch { sides, hops, terms, coefficients, margin_gradients, lanes, gradients, .. } =
            &mut self.batch;
        let (sides, hops, terms) = (&*sides, &*hops, &*terms);
        let (coefficients, lanes) = (&*coefficients, &*lanes);
        let tiles = [sides[0].len().div_ceil(TILE), sides[1].len().div_ceil(TILE)];
        let normalized = !matches!(self.config.loss, Loss::Bpr { .. });
        let scale = match &self.graph {
            Some(propagation) if propagation.sources.len() == 1 => 1.0 / (propagation.layers + 1) as f32,
            _ => 1.0,
        };
        let move_table = capture.is_none();
        let writer = self.table.writer();
        let schedule = &self.schedule;
        // Where rows of gradients go if they do not move the table at once.
        let mut capture = capture;
        for hop in 0..hops.len() {
            let graph_target = self.graph.as_mut().map(|propagation| {
                let Propagation { sources, active, .. } = propagation;
                (RowsMut::new(&mut sources[hop], width), RowsMut::new(active, 1))
            });
            let captured = match (&graph_target, &mut capture) {
                (None, Some(capture)) => Some(RowsMut::new(capture, width)),
                _ => None,
            };
            let [user_gradients, item_gradients] = &mut *gradients;
            let buffers =
                [RowsMut::new(user_gradients, TILE * width), RowsMut::new(item_gradients, TILE * width)];
            (0..tiles[0] + tiles[1]).into_par_iter().with_max_len(1).for_each(|task| {
                let (side, tile) = if task < tiles[0] { (0, task) } else { (1, task - tiles[0]) };
                let slots = tile * TILE..((tile + 1) * TILE).min(sides[side].len());
                // SAFETY: tiles are disjoint.
                let target = unsafe { buffers[side].row(tile) };
                let lane_length = losses.lane_lengths[side];
                dispatch(SlotGradients {
                    slots: slots.clone(),
                    of: (side, hop),
                    sides,
                    hops,
                    lanes: &lanes[side][..losses.lane_counts[side] * lane_length],
                    lane_length: lane_length.max(1),
                    uniformity: if hop == 0 { losses.uniformity[side] } else { 0.0 },
                    coefficients,
                    terms,
                    normalized,
                    target: &mut target[..slots.len() * width],
                });
                for (slot, gradient) in slots.zip(target.chunks_exact_mut(width)) {
                    let node = sides[side].ids[slot] as usize + side * n_users;
                    // SAFETY: ids of distinct slots are distinct rows.
                    unsafe {
                        if let Some((source, active)) = &graph_target {
                            for (target, g) in source.row(node).iter_mut().zip(&*gradient) {
                                *target = scale * g;
                            }
                            active.row(node)[0] = true;
                            continue;
                        }
                        if losses.ego != [0.0; 3] {
                            // Without a graph the slot's vector is its ego row.
                            let factor = losses.ego_factor(side, sides[side].pairs_of(slot));
                            for (g, x) in gradient.iter_mut().zip(hops[0][side].row(slot)) {
                                *g += factor * x;
                            }
                        }
                        match &captured {
                            Some(captured) => captured.row(node).copy_from_slice(gradient),
                            None => writer.update(node, gradient, schedule),
                        }
                    }
                }
            });
        }
        if let Some(margins) = &mut self.margins {
            for side in 0..2 {
                for (slot, &id) in sides[side].ids.iter().enumerate() {
                    let pairs = sides[side].pairs_of(slot).iter();
                    margins.gradient[id as usize + side * n_users] =
                        pairs.map(|&pair| margin_gradients[pair as usize]).sum();
                }
            }
            if move_table {
                update_all(
                    &mut margins.values,
                    &mut margins.first,
                    &mut margins.second,
                    &margins.gradient,
                    schedule,
                );
                margins.values.iter_mut().for_each(|m| *m = m.clamp(0.0, 1.0));
                margins.gradient.fill(0.0);
            }
        }
        if let Some(propagation) = &mut self.graph {
            propagation.backward(&mut self.table, sides, n_users, losses, schedule, capture);
        }
    }
}

/// What phase 2 hands to phase 3.
#[derive(Default)]
struct Losses {
    total: StepLosses,
    lane_counts: [usize; 2],
    lane_lengths: [usize; 2],
    /// What uniformity's `G` is multiplied with on each side.
    uniformity: [f32; 2],
    /// What the ego rows of users, positives and negatives are multiplied with in the penalty's gradient.
    ego: [f32; 3],
}

impl Losses {
    /// The penalty's factor for a slot with these pairs (odd ones are negatives).
    fn ego_factor(&self, side: usize, pairs: &[u32]) -> f32 {
        let negatives = pairs.iter().filter(|&pair| pair % 2 == 1).count();
        let positives = pairs.len() - negatives;
        match side {
            0 => positives as f32 * self.ego[0],
            _ => positives as f32 * self.ego[1] + negatives as f32 * self.ego[2],
        }
    }
}

impl Propagation {
    /// Takes the hops' gradients back to the table by Horner's rule, `g_h = A g_{h+1} + source_h`, and moves it.
    fn backward(
        &mut self,
        table: &mut Table,
        sides: &[Side; 2],
        n_users: usize,
        losses: &Losses,
        schedule: &Schedule,
        capture: Option<&mut [f32]>,
    ) {
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
                if losses.ego != [0.0; 3] {
                    let factor = losses.ego_factor(side, sides[side].pairs_of(slot));
                    let range = node * width..(node + 1) * width;
                    for (g, x) in current[range.clone()].iter_mut().zip(&table.values[range]) {
                        *g += factor * x;
                    }
                }
                active[node] = false;
                for source in sources.iter_mut() {
                    source[node * width..(node + 1) * width].fill(0.0);
                }
            }
        }
        if let Some(capture) = capture {
            capture.copy_from_slice(current);
            return;
        }
        let Table { values, first, second, done, .. } = table;
        let length = CHUNK * width;
        values
            .par_chunks_mut(length)
            .zip(first.par_chunks_mut(length))
            .zip(second.par_chunks_mut(length))
            .zip(current.par_chunks(length))
            .for_each(|(((p, m), v), g)| update_all(p, m, v, g, schedule));
        done.fill(schedule.step);
    }
}

/// How many buffers one side's uniformity gradient is accumulated in: depends on the batch alone.
fn lane_count(tiles: usize) -> usize {
    (tiles / 3).clamp(1, 8).min(tiles)
}

/// The BPR loss of the pairs of a user tile, summed; writes the pairs' coefficients.
fn bpr_tile(
    slots: std::ops::Range<usize>,
    sides: &[Side; 2],
    vectors: &[Vectors; 2],
    inverse: f64,
    coefficients: RowsMut<'_, f32>,
) -> f64 {
    // First all inner products go where the coefficients will be.
    dispatch(Dots {
        slots: slots.clone(),
        side: &sides[0],
        own: &vectors[0],
        others: &vectors[1],
        other_slots: &sides[1].slots,
        // SAFETY: a pair belongs to one user slot, and so to one task.
        each: |pair: usize, score: f32| unsafe { coefficients.row(pair)[0] = score },
    });
    let mut sum = 0.0;
    for slot in slots {
        for &pair in sides[0].pairs_of(slot).iter().filter(|&pair| pair % 2 == 0) {
            // SAFETY: as above; a pair and its negative belong to the same user.
            let (positive, negative) =
                unsafe { (coefficients.row(pair as usize), coefficients.row(pair as usize + 1)) };
            let difference = f64::from(positive[0]) - f64::from(negative[0]);
            // softplus(-d), stable on both sides; its derivative is -sigmoid(-d).
            let tail = (-difference.abs()).exp();
            sum += tail.ln_1p() + (-difference).max(0.0);
            let sigmoid = if difference > 0.0 { tail } else { 1.0 } / (1.0 + tail);
            positive[0] = (-sigmoid * inverse) as f32;
            negative[0] = (sigmoid * inverse) as f32;
        }
    }
    sum
}

/// MAWU's `-cos(min(pi, theta + 1 - sigmoid(m)))` and its derivatives by `cos theta` and by `m`.
fn margin_alignment(cosine: f32, margin: f32) -> (f64, f64, f64) {
    let cosine = f64::from(cosine).clamp(-1.0 + 1e-7, 1.0 - 1e-7);
    let sigmoid = 1.0 / (1.0 + (-f64::from(margin)).exp());
    let theta = cosine.acos();
    let widened = theta + 1.0 - sigmoid;
    if widened >= std::f64::consts::PI {
        return (1.0, 0.0, 0.0);
    }
    let (sine, cosine) = widened.sin_cos();
    (-cosine, -sine / theta.sin(), -sine * sigmoid * (1.0 - sigmoid))
}

impl Batch {
    fn new(config: &ModelConfig, pairs: usize, n_users: usize, n_items: usize, width: usize) -> Self {
        let samples = if matches!(config.loss, Loss::Bpr { .. }) { 2 } else { 1 };
        let slots = [pairs.min(n_users), (samples * pairs).min(n_items)];
        let terms = match (&config.loss, &config.encoder) {
            (Loss::GraphAu { base, .. }, Encoder::LightGcn { layers }) => {
                let hops = (layers + 1) as f64;
                let mut terms = vec![Term { hops: [0, 0], weight: 1.0 / hops }];
                for hop in 1..=*layers {
                    let weight = base.powi(hop as i32) / hops / 2.0;
                    terms.push(Term { hops: [0, hop], weight });
                    terms.push(Term { hops: [hop, 0], weight });
                }
                terms
            }
            _ => vec![Term { hops: [0, 0], weight: 1.0 }],
        };
        let n_hops = 1 + terms.iter().map(|term| term.hops[0]).max().unwrap_or(0);
        let vectors = || [Vectors::with_capacity(slots[0], width), Vectors::with_capacity(slots[1], width)];
        let tiles = slots.map(|slots| slots.div_ceil(TILE));
        let spread = samples == 1;
        let lanes = tiles.map(|tiles| {
            vec![
                0.0;
                if spread {
                    (1..=tiles).map(|n| lane_count(n) * n).max().unwrap_or(0) * TILE * width
                } else {
                    0
                }
            ]
        });
        Self {
            sides: [
                Side::with_capacity(n_users, samples * pairs),
                Side::with_capacity(n_items, samples * pairs),
            ],
            hops: (0..n_hops).map(|_| vectors()).collect(),
            terms,
            coefficients: Vec::with_capacity(samples * pairs),
            margin_gradients: Vec::with_capacity(pairs),
            negatives: Vec::with_capacity(pairs),
            lanes,
            gradients: tiles.map(|tiles| vec![0.0; tiles * TILE * width]),
            tile_sums: Vec::with_capacity(2 * 8 + tiles[0]),
        }
    }
}

impl TrainingEngine for FusedEngine {
    fn train_epoch(&mut self, epoch: usize) -> Result<EpochLosses> {
        // From within the pool, so that no step has to wake a thread to get there.
        rayon::scope(|_| self.run_epoch(epoch))
    }

    fn embeddings(&mut self) -> Embeddings {
        self.flush();
        let (width, dim, n_users) = (self.width, self.config.training.dim, self.n_users);
        let outputs = match &mut self.graph {
            Some(propagation) if propagation.sources.len() == 1 => {
                let Propagation { graph, layers, buffers, .. } = propagation;
                let [front, back] = buffers;
                let mut sum = self.table.values.clone();
                front.copy_from_slice(&self.table.values);
                let (mut current, mut next) = (front, back);
                for _ in 0..*layers {
                    graph.propagate(current, None, None, width, next);
                    sum.iter_mut().zip(&*next).for_each(|(sum, x)| *sum += x);
                    std::mem::swap(&mut current, &mut next);
                }
                let scale = 1.0 / (*layers + 1) as f32;
                sum.iter_mut().for_each(|x| *x *= scale);
                sum
            }
            _ => self.table.values.clone(),
        };
        let (users, items) = outputs.split_at(n_users * width);
        let unpadded = |rows: &[f32]| -> Vec<f32> {
            rows.chunks_exact(width).flat_map(|row| row[..dim].to_vec()).collect()
        };
        Embeddings::new(dim, unpadded(users), unpadded(items), self.config.scoring)
    }

    fn state(&mut self) -> EngineState {
        self.flush();
        let dim = self.config.training.dim;
        let mut tensors = Vec::new();
        for (name, values) in [
            ("table", &self.table.values),
            ("first_moment", &self.table.first),
            ("second_moment", &self.table.second),
        ] {
            tensors.push(StateTensor {
                name: name.to_owned(),
                shape: vec![self.n_users + self.n_items, dim],
                values: values.chunks_exact(self.width).flat_map(|row| row[..dim].to_vec()).collect(),
            });
        }
        if let Some(margins) = &self.margins {
            for (name, values) in [
                ("margins", &margins.values),
                ("margins_first_moment", &margins.first),
                ("margins_second_moment", &margins.second),
            ] {
                let values = values[..self.n_users + self.n_items].to_vec();
                tensors.push(StateTensor { name: name.to_owned(), shape: vec![values.len()], values });
            }
        }
        EngineState { tensors, step: self.schedule.step }
    }

    fn restore(&mut self, state: &EngineState) -> Result<()> {
        let (nodes, dim, width) = (self.n_users + self.n_items, self.config.training.dim, self.width);
        let rows = |name: &str, target: &mut [f32]| -> Result<()> {
            let tensor = state.tensor(name, &[nodes, dim])?;
            for (row, source) in target.chunks_exact_mut(width).zip(tensor.values.chunks_exact(dim)) {
                row[..dim].copy_from_slice(source);
            }
            Ok(())
        };
        rows("table", &mut self.table.values)?;
        rows("first_moment", &mut self.table.first)?;
        rows("second_moment", &mut self.table.second)?;
        if let Some(margins) = &mut self.margins {
            for (name, target) in [
                ("margins", &mut margins.values),
                ("margins_first_moment", &mut margins.first),
                ("margins_second_moment", &mut margins.second),
            ] {
                target[..nodes].copy_from_slice(&state.tensor(name, &[nodes])?.values);
            }
        }
        self.table.done.fill(state.step);
        self.schedule.rebase(state.step);
        Ok(())
    }
}
