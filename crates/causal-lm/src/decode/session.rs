//! A model in the middle of its texts.

use burn::module::Module;

use crate::cache::Cache;
use crate::projection::{Slot, host};
use crate::tokens::Tokens;
use crate::{CausalLm, Result};

/// Texts that a model goes on with, token by token.
#[derive(Debug)]
pub struct Session {
    model: CausalLm,
    slot: Slot,
    cache: Cache,
}

impl Session {
    /// Reads the prompts, which may differ in length, with room for `room` more tokens each. Gives the logits of the
    /// next token, `[prompts, vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Sequence`](crate::Error::Sequence) for an empty prompt, one too long or with an unknown token.
    pub fn start<P: AsRef<[u32]>>(
        model: &CausalLm,
        prompts: &[P],
        room: usize,
        slot: Slot,
    ) -> Result<(Self, Vec<f32>)> {
        let tokens = Tokens::left_padded(prompts, 0)?;
        let config = model.config();
        tokens.check(config.vocab_size, config.max_position_embeddings.saturating_sub(room))?;
        let starts = tokens.spans().iter().map(|span| span.start).collect();
        let model = if model.device().is_autodiff() { model.valid() } else { model.clone() };
        let cache = Cache::new(&model, starts, tokens.length() + room);
        let mut session = Self { model, slot, cache };
        let logits = session.step(tokens.ids())?;
        Ok((session, logits))
    }

    /// Goes on with the same number of tokens for each row. Gives the logits after the last, `[rows, vocabulary]`.
    ///
    /// # Errors
    /// As [`CausalLm::forward_cached`].
    pub fn step(&mut self, ids: &[u32]) -> Result<Vec<f32>> {
        let hidden = self.model.forward_cached(ids, &mut self.cache, &mut self.slot.into())?;
        let [rows, length, width] = hidden.dims();
        let last = hidden.narrow(1, length - 1, 1).reshape([rows, width]);
        Ok(host(self.model.logits(last)))
    }

    /// The rows named by `rows`, in this order.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn reorder(&mut self, rows: &[usize]) {
        self.cache.reorder(rows);
    }

    pub(crate) fn model(&self) -> &CausalLm {
        &self.model
    }

    /// As [`Session::step`] on the cache as it was before, with all states: `[rows, length, hidden]`.
    pub(crate) fn look_ahead(&mut self, ids: &[u32]) -> Result<burn::tensor::Tensor<3>> {
        let filled = self.cache.filled();
        let hidden = self.model.forward_cached(ids, &mut self.cache, &mut self.slot.into())?;
        self.cache.truncate(filled);
        Ok(hidden)
    }

    /// A copy with `count` rows, all like the first.
    pub(crate) fn repeated(&self, count: usize) -> Self {
        let mut copy = Self { model: self.model.clone(), slot: self.slot, cache: self.cache.clone() };
        copy.cache.reorder(&vec![0; count]);
        copy
    }
}

/// `log sum exp` of a row.
pub(crate) fn log_sum_exp(row: &[f32]) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&x| f64::from(x - most).exp()).sum();
    f64::from(most) + sum.ln()
}
