//! Epochs and steps of the fused engine.

use rec_core::{Interactions, ItemId, UserId, UserItems, random};

use super::adam::{Schedule, Table};
use super::batch::{Batch, side_and_tile, tile_counts};
use super::losses::{Losses, StepLosses, term_names};
use super::margins::Margins;
use super::propagation::Propagation;
use super::rows::{RowsMut, padded};
use super::side::Side;
use super::simd::dispatch;
use super::slots::{Form, SlotGradients};
use super::team::{self, Team};
use super::uniformity::TILE;
use crate::train::{EngineState, EpochLosses, StateTensor, TrainingEngine};
use crate::{Embeddings, Encoder, Error, Loss, ModelConfig, Optimizer, Result, batches, init};

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
    /// See [`FusedEngine::last_epoch_flops`].
    tile_flops: f64,
}

impl std::fmt::Debug for FusedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FusedEngine")
            .field("config", &self.config)
            .field("n_users", &self.n_users)
            .field("n_items", &self.n_items)
            .finish_non_exhaustive()
    }
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
                let mean = !matches!(config.loss, Loss::GraphAu { .. });
                Some(Propagation::new(&positives, layers, mean, width))
            }
        };
        let margins =
            matches!(config.loss, Loss::Mawu { .. }).then(|| Margins::new(config, n_users, n_items));
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
            tile_flops: 0.0,
        })
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
        let losses = self.forward_backward(batch, Some(&mut captured), Team::Pool);
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

    /// Multiplications and additions of the uniformity tiles of the last epoch, forward and backward: the work that
    /// a GEMM would be charged with.
    pub fn last_epoch_flops(&self) -> f64 {
        self.tile_flops
    }

    /// The same of one batch.
    fn batch_flops(&self) -> f64 {
        let spread = !matches!(self.config.loss, Loss::Bpr { .. });
        let side = |side: &Side| 3.0 * (side.len() as f64).powi(2) * self.config.training.dim as f64;
        if spread { self.batch.sides.iter().map(side).sum() } else { 0.0 }
    }

    /// Brings every row up to the last finished step.
    fn flush(&mut self) {
        self.table.flush(&self.schedule, self.config.training.optimizer == Optimizer::Lazy);
        self.schedule.rebase(self.schedule.step);
    }

    fn run_epoch(&mut self, epoch: usize, team: Team<'_>) -> Result<EpochLosses> {
        let training = &self.config.training;
        let (batch_size, seed, learning_rate) = (training.batch_size, training.seed, training.learning_rate);
        let mut order = std::mem::take(&mut self.order);
        batches::shuffle(&self.train, seed, epoch, &mut order);
        let mut negatives_rng = random::stream(seed, "negatives", epoch as u64);
        let samples = matches!(self.config.loss, Loss::Bpr { .. });
        let (mut sums, mut steps) = (StepLosses::default(), 0);
        self.tile_flops = 0.0;
        for batch in batches::batches(&order, batch_size) {
            if samples {
                self.batch.negatives.clear();
                for &(user, _) in batch {
                    self.batch.negatives.push(batches::negative(&self.positives, user, &mut negatives_rng));
                }
            }
            self.schedule.advance();
            let losses = self.forward_backward(batch, None, team);
            if !losses.loss.is_finite() {
                return Err(Error::Diverged { epoch, step: steps, loss: losses.loss, learning_rate });
            }
            self.tile_flops += self.batch_flops();
            sums.loss += losses.loss;
            for (sum, term) in sums.terms.iter_mut().zip(losses.terms) {
                *sum += term;
            }
            steps += 1;
        }
        self.order = order;
        let steps = steps as f64;
        let terms = term_names(&self.config.loss).iter().zip(sums.terms);
        Ok(EpochLosses {
            loss: sums.loss / steps,
            terms: terms.map(|(name, sum)| ((*name).to_owned(), sum / steps)).collect(),
        })
    }

    /// The three phases of a step (see the module's head). With `capture` gradients are written there instead of
    /// moving the tables.
    fn forward_backward(
        &mut self,
        batch: &[(UserId, ItemId)],
        capture: Option<&mut [f32]>,
        team: Team<'_>,
    ) -> StepLosses {
        self.batch.index(batch, team);
        self.gather(capture.is_some(), team);
        let losses = Losses::of(
            &mut self.batch,
            batch.len(),
            &self.config.loss,
            &self.table,
            self.margins.as_ref(),
            self.n_users,
            team,
        );
        self.apply(&losses, capture, team);
        losses.total
    }

    /// Phase 1: the vectors of the slots.
    fn gather(&mut self, capturing: bool, team: Team<'_>) {
        let form = match self.config.loss {
            Loss::Bpr { .. } => Form::Raw,
            Loss::DirectAu { dedup, .. } => Form::Spread { dedup },
            Loss::Mawu { .. } | Loss::GraphAu { .. } => Form::Spread { dedup: false },
        };
        let n_users = self.n_users;
        if let Some(propagation) = &mut self.graph {
            propagation.gather(&self.table, &mut self.batch, form, n_users);
            return;
        }
        let lazy = self.config.training.optimizer == Optimizer::Lazy;
        let until = if capturing { self.schedule.step } else { self.schedule.step - 1 };
        let (width, writer, schedule) = (self.width, self.table.writer(), &self.schedule);
        let Batch { sides, hops, .. } = &mut self.batch;
        let tiles = tile_counts(sides);
        let [users, items] = &mut hops[0];
        let vectors = [users.writer(), items.writer()];
        team.each(tiles[0] + tiles[1], |task| {
            let (side, tile) = side_and_tile(task, tiles);
            // SAFETY: tiles are disjoint, and so are the rows of distinct ids.
            unsafe {
                vectors[side].fill(tile, &sides[side], form, |slots, rows| {
                    for (&id, row) in sides[side].ids[slots].iter().zip(rows.chunks_exact_mut(width)) {
                        let index = id as usize + side * n_users;
                        row.copy_from_slice(if lazy {
                            writer.skip(index, until)
                        } else {
                            writer.catch_up(index, schedule, until)
                        });
                    }
                });
            }
        });
    }

    /// Phase 3: gradients of the slots, back to the table.
    fn apply(&mut self, losses: &Losses, mut capture: Option<&mut [f32]>, team: Team<'_>) {
        let (width, n_users) = (self.width, self.n_users);
        let Batch { sides, hops, terms, coefficients, lanes, gradients, .. } = &mut self.batch;
        let (sides, hops, terms) = (&*sides, &*hops, &*terms);
        let (coefficients, lanes) = (&*coefficients, &*lanes);
        let tiles = tile_counts(sides);
        let normalized = !matches!(self.config.loss, Loss::Bpr { .. });
        let writer = self.table.writer();
        let schedule = &self.schedule;
        for hop in 0..hops.len() {
            // Where rows of gradients go if they do not move the table at once.
            let graph_target = self.graph.as_mut().map(|propagation| propagation.target(hop, width));
            let captured = match (&graph_target, &mut capture) {
                (None, Some(capture)) => Some(RowsMut::new(capture, width)),
                _ => None,
            };
            let [user_gradients, item_gradients] = &mut *gradients;
            let buffers =
                [RowsMut::new(user_gradients, TILE * width), RowsMut::new(item_gradients, TILE * width)];
            team.each(tiles[0] + tiles[1], |task| {
                let (side, tile) = side_and_tile(task, tiles);
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
                        if let Some(graph_target) = &graph_target {
                            graph_target.set(node, gradient);
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
            margins.gather(&self.batch, n_users);
            if capture.is_none() {
                margins.update(schedule);
            }
        }
        if let Some(propagation) = &mut self.graph {
            let gradient = propagation.backward(&self.table, &self.batch.sides, losses, n_users);
            match capture {
                Some(capture) => capture.copy_from_slice(gradient),
                None => self.table.update(gradient, schedule),
            }
        }
    }
}

impl TrainingEngine for FusedEngine {
    fn train_epoch(&mut self, epoch: usize) -> Result<EpochLosses> {
        // From within the pool, so that no step has to wake a thread to get there. Propagation over a graph is the pool's.
        let losses = match self.graph {
            None => team::awake(|team| self.run_epoch(epoch, team)),
            Some(_) => rayon::scope(|_| self.run_epoch(epoch, Team::Pool)),
        }?;
        self.flush();
        Ok(losses)
    }

    fn embeddings(&mut self) -> Embeddings {
        self.flush();
        let (width, dim, n_users) = (self.width, self.config.training.dim, self.n_users);
        let outputs = match &mut self.graph {
            Some(propagation) => propagation.outputs(&self.table),
            None => self.table.values.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_owe_nothing_to_the_batch_before() {
        let pairs: Vec<_> = (0..4).map(|id| (UserId(id), ItemId(id))).collect();
        let (users, items) = pairs.iter().copied().unzip();
        let train = Interactions::from_pairs(users, items);
        let (before, batch) = pairs.split_at(2);
        for config in [ModelConfig::mawu(), ModelConfig::graphau(), ModelConfig::directau_lightgcn()] {
            let engine = || FusedEngine::new(&config, &train, 4, 4).unwrap();
            let mut used = engine();
            used.gradients(before, &[]);
            let (second, alone) = (used.gradients(batch, &[]), engine().gradients(batch, &[]));
            assert_eq!(second.users, alone.users);
            assert_eq!(second.items, alone.items);
            assert_eq!(second.margins, alone.margins);
        }
    }
}
