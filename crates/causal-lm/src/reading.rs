//! Passes whose results and gradients are slices: for losses that are computed by hand as well.
//!
//! [`Tape`](crate::Tape) gives log-probabilities as tensors and goes back from any loss of them. Where a loss is a few plain loops over
//! tokens, tensors are in the way, and where it also depends on entropies or on the last states (a value head), a tape has nothing of
//! them. [`HostTape`] has, on this machine's processor alone.

use crate::cpu::training::{Keep, ReadingGradients, Readings};
use crate::cpu::{Loan, fits};
use crate::optimizer::ParameterGradients;
use crate::projection::Slot;
use crate::{Batch, CausalLm, Result};

/// A pass by hand over a batch, which a loss of its [`Readings`] can go back through.
#[derive(Debug)]
pub struct HostTape<'a> {
    model: &'a CausalLm,
    loan: Loan,
    found: Readings,
}

impl<'a> HostTape<'a> {
    /// Runs `model` over `batch`, the adapters of `slot` merged. Nothing if the model is not in f32 on this machine's processor, or if
    /// `SEXTANT_LM_FUSED=0`: then a loss takes the way of tensors.
    ///
    /// # Errors
    /// As [`CausalLm::forward`].
    pub fn record(model: &'a CausalLm, batch: &Batch, slot: Slot, entropies: bool) -> Result<Option<Self>> {
        let keep = Keep { traces: true, entropies, states: true };
        let recorded = run(model, batch, slot, keep)?;
        Ok(recorded.map(|(loan, found)| Self { model, loan, found }))
    }

    /// What was found; entropies if they were asked for.
    pub fn readings(&self) -> &Readings {
        &self.found
    }

    /// The gradients of a loss by the model's parameters, from those by the readings.
    ///
    /// # Panics
    /// If there are not as many gradients as readings.
    pub fn backward(mut self, by: ReadingGradients<'_>) -> ParameterGradients {
        let Readings { log_probs, entropies, states } = &self.found;
        assert_eq!(by.log_probs.len(), log_probs.len(), "a gradient for each log-probability");
        assert!(by.entropies.is_empty() || by.entropies.len() == entropies.len(), "or for each entropy");
        assert!(by.states.is_empty() || by.states.len() == states.len(), "or for each state");
        let gradients = self.loan.workspace().backward(self.model, by);
        ParameterGradients::from_values(gradients, &self.model.device())
    }
}

fn run(model: &CausalLm, batch: &Batch, slot: Slot, keep: Keep) -> Result<Option<(Loan, Readings)>> {
    if !fits(model) {
        return Ok(None);
    }
    batch.tokens().check(model.config().vocab_size, model.config().max_position_embeddings)?;
    let mut loan = model.home().lend(model);
    let found = loan.workspace().forward(model, batch, slot, keep);
    Ok(Some((loan, found)))
}

impl CausalLm {
    /// What the model says at a batch's completion tokens, without a way back and in less memory. Nothing where
    /// [`HostTape::record`] gives nothing.
    ///
    /// # Errors
    /// As [`CausalLm::forward`].
    pub fn readings(&self, batch: &Batch, slot: Slot) -> Result<Option<Readings>> {
        let keep = Keep { traces: false, entropies: true, states: true };
        Ok(run(self, batch, slot, keep)?.map(|(_, found)| found))
    }
}
