//! A model in the middle of its texts.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use crate::cache::Cache;
use crate::cpu;
use crate::cpu::reader::{Ask, Reader};
use crate::cpu::weights::Weights;
use crate::projection::{Slot, host};
use crate::tokens::Tokens;
use crate::{CausalLm, CausalLmConfig, Error, Result};

/// What texts can be decoded by: a [`CausalLm`], or the [`Snapshot`] of one.
pub trait Decoder {
    /// The shape.
    fn config(&self) -> &CausalLmConfig;

    /// Reads the prompts, as [`Session::start`].
    ///
    /// # Errors
    /// As [`Session::start`].
    fn start<P: AsRef<[u32]>>(&self, prompts: &[P], room: usize, slot: Slot) -> Result<(Session, Vec<f32>)>;
}

/// The weights of a model as they were, in f32 on this machine's processor, an adapter merged.
///
/// [`generate`](super::generate()) and the others take a copy of a [`CausalLm`]'s weights each time they are called. With many short calls
/// on one state of the model, the copy is better made once.
#[derive(Clone, Debug)]
pub struct Snapshot {
    weights: Arc<Weights>,
    /// None if all slots are alike.
    slot: Option<Slot>,
}

impl Snapshot {
    /// The weights of a model with the adapter of `slot`.
    pub fn of(model: &CausalLm, slot: Slot) -> Self {
        let mut weights = Weights::new(model);
        weights.read(model, slot);
        weights.turn_head();
        let adapted = model.has_adapter(Slot::Active) || model.has_adapter(Slot::Reference);
        Self { weights: Arc::new(weights), slot: adapted.then_some(slot) }
    }
}

impl Decoder for Snapshot {
    fn config(&self) -> &CausalLmConfig {
        &self.weights.config
    }

    fn start<P: AsRef<[u32]>>(&self, prompts: &[P], room: usize, slot: Slot) -> Result<(Session, Vec<f32>)> {
        if let Some(own) = self.slot.filter(|own| *own != slot) {
            return Err(Error::config("slot", format!("is {slot:?}, but the snapshot is of {own:?}")));
        }
        let tokens = checked(&self.weights.config, prompts, room)?;
        let reader = Reader::new(self.weights.clone(), prompts.len(), tokens.length() + room);
        let mut session = Session { engine: Engine::Fused(reader) };
        let counts: Vec<usize> = tokens.spans().iter().map(ExactSizeIterator::len).collect();
        let ids: Vec<u32> = (0..tokens.rows()).flat_map(|row| tokens.row(row)).copied().collect();
        let mut logits = Vec::new();
        if let Engine::Fused(reader) = &mut session.engine {
            reader.read(&ids, &counts, Ask::Logits, &mut logits);
        }
        Ok((session, logits))
    }
}

impl Decoder for CausalLm {
    fn config(&self) -> &CausalLmConfig {
        self.config()
    }

    fn start<P: AsRef<[u32]>>(&self, prompts: &[P], room: usize, slot: Slot) -> Result<(Session, Vec<f32>)> {
        Session::start(self, prompts, room, slot)
    }
}

/// A model made ready for many calls: a [`Snapshot`] where decoding goes by one, else the model without autodiff and with
/// the adapter merged.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// On this machine's processor in f32.
    Snapshot(Snapshot),
    /// Anywhere else.
    Model(Box<CausalLm>),
}

impl Prepared {
    /// The model as it is now, with the adapter of `slot`, which stays the only one: calls name the same.
    pub fn of(model: &CausalLm, slot: Slot) -> Self {
        if cpu::fits(model) {
            return Self::Snapshot(Snapshot::of(model, slot));
        }
        let model = if model.device().is_autodiff() { model.valid() } else { model.clone() };
        Self::Model(Box::new(model.merged(slot)))
    }
}

impl Decoder for Prepared {
    fn config(&self) -> &CausalLmConfig {
        match self {
            Self::Snapshot(snapshot) => snapshot.config(),
            Self::Model(model) => model.config(),
        }
    }

    fn start<P: AsRef<[u32]>>(&self, prompts: &[P], room: usize, slot: Slot) -> Result<(Session, Vec<f32>)> {
        match self {
            Self::Snapshot(snapshot) => snapshot.start(prompts, room, slot),
            Self::Model(model) => model.start(prompts, room, slot),
        }
    }
}

/// Prompts that leave room for as many tokens more.
fn checked<P: AsRef<[u32]>>(config: &CausalLmConfig, prompts: &[P], room: usize) -> Result<Tokens> {
    let tokens = Tokens::left_padded(prompts, 0)?;
    tokens.check(config.vocab_size, config.max_position_embeddings.saturating_sub(room))?;
    Ok(tokens)
}

/// Texts that a model goes on with, token by token.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Burn { model: Box<CausalLm>, slot: Slot, cache: Cache },
    Fused(Reader),
}

impl Session {
    /// Reads the prompts, which may differ in length, with room for `room` more tokens each. Gives the logits of the
    /// next token, `[prompts, vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Sequence`] for an empty prompt, one too long or with an unknown token.
    pub fn start<P: AsRef<[u32]>>(
        model: &CausalLm,
        prompts: &[P],
        room: usize,
        slot: Slot,
    ) -> Result<(Self, Vec<f32>)> {
        if cpu::fits(model) {
            return Snapshot::of(model, slot).start(prompts, room, slot);
        }
        let tokens = checked(model.config(), prompts, room)?;
        let starts = tokens.spans().iter().map(|span| span.start).collect();
        let model = if model.device().is_autodiff() { model.valid() } else { model.clone() };
        let cache = Cache::new(&model, starts, tokens.length() + room);
        let mut session = Self { engine: Engine::Burn { model: Box::new(model), slot, cache } };
        let logits = session.step(tokens.ids())?;
        Ok((session, logits))
    }

    /// Goes on with the same number of tokens for each row. Gives the logits after the last, `[rows, vocabulary]`.
    ///
    /// # Errors
    /// As [`CausalLm::forward_cached`].
    pub fn step(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let mut logits = Vec::new();
        self.step_into(ids, &mut logits)?;
        Ok(logits)
    }

    /// [`Session::step`] into a buffer that can be used again.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub fn step_into(&mut self, ids: &[u32], logits: &mut Vec<f32>) -> Result<()> {
        match &mut self.engine {
            Engine::Burn { model, slot, cache } => {
                let hidden = model.forward_cached(ids, cache, &mut (*slot).into())?;
                let [rows, length, width] = hidden.dims();
                let last = hidden.narrow(1, length - 1, 1).reshape([rows, width]);
                *logits = host(model.logits(last));
            }
            Engine::Fused(reader) => {
                let counts = shares(reader, ids)?;
                reader.read(ids, &counts, Ask::Logits, logits);
            }
        }
        Ok(())
    }

    /// The rows named by `rows`, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn reorder(&mut self, rows: &[usize]) {
        match &mut self.engine {
            Engine::Burn { cache, .. } => cache.reorder(rows),
            Engine::Fused(reader) => reader.reorder(rows),
        }
    }

    /// The log-probabilities of `targets` if the texts went on with `ids`, as many tokens for each row: of every
    /// (place in `ids`, token after it), in ascending order. The texts stay as they are.
    pub(crate) fn look_ahead(&mut self, ids: &[u32], targets: &[(usize, u32)]) -> Result<Vec<f32>> {
        match &mut self.engine {
            Engine::Burn { model, slot, cache } => {
                let filled = cache.filled();
                let hidden = model.forward_cached(ids, cache, &mut (*slot).into())?;
                cache.truncate(filled);
                let [rows, length, width] = hidden.dims();
                let device = hidden.device();
                let int = |values: Vec<i32>| {
                    let count = values.len();
                    Tensor::<1, Int>::from_data(TensorData::new(values, [count]), &device)
                };
                let sources = int(targets.iter().map(|target| target.0 as i32).collect());
                let tokens = int(targets.iter().map(|target| target.1 as i32).collect());
                let states = hidden.reshape([rows * length, width]).select(0, sources);
                let log_probs = log_softmax(model.logits(states), 1);
                Ok(host(log_probs.gather(1, tokens.reshape([targets.len(), 1]))))
            }
            Engine::Fused(reader) => {
                let counts = shares(reader, ids)?;
                let mut found = Vec::with_capacity(targets.len());
                reader.read(ids, &counts, Ask::LogProbs(targets), &mut found);
                reader.forget(ids.len() / reader.rows());
                Ok(found)
            }
        }
    }

    /// A copy with `count` rows, all like the first.
    pub(crate) fn repeated(&self, count: usize) -> Self {
        let engine = match &self.engine {
            Engine::Burn { model, slot, cache } => {
                let mut cache = cache.clone();
                cache.reorder(&vec![0; count]);
                Engine::Burn { model: model.clone(), slot: *slot, cache }
            }
            Engine::Fused(reader) => Engine::Fused(reader.repeated(count)),
        };
        Self { engine }
    }
}

/// How many tokens each row gets, with the checks of [`CausalLm::forward_cached`].
fn shares(reader: &Reader, ids: &[u32]) -> Result<Vec<usize>> {
    let rows = reader.rows();
    let length = ids.len() / rows.max(1);
    if length == 0 || length * rows != ids.len() {
        return Err(Error::config("tokens", format!("are {}, which {rows} rows do not share", ids.len())));
    }
    let (filled, capacity) = (reader.filled(), reader.capacity());
    if filled + length > capacity {
        let what =
            format!("is full: {filled} of {capacity} positions are taken and {length} more are asked for");
        return Err(Error::config("cache", what));
    }
    let vocabulary = reader.weights().sizes.vocabulary;
    if let Some(at) = ids.iter().position(|&id| id as usize >= vocabulary) {
        let what = format!("has token {}, but there are {vocabulary}", ids[at]);
        return Err(Error::sequence(at / length, what));
    }
    Ok(vec![length; rows])
}

/// `log sum exp` of a row.
pub(crate) fn log_sum_exp(row: &[f32]) -> f64 {
    let mut sum = [0.0];
    cpu::arithmetic::log_sums(&mut sum, row, row.len());
    f64::from(sum[0])
}
