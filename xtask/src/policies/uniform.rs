//! The policy that knows nothing: the baseline of every comparison.

use rec_core::random::Random;
use rl_env::bits::MaskedRows;
use rl_env::policy::{Acting, Actions, Policy, Schedule};
use rl_env::{Result, States, sample};

/// Any item, all alike.
pub struct Uniform {
    /// How many items there are.
    pub n_items: usize,
}

impl Policy for Uniform {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn window(&self) -> usize {
        1
    }

    fn schedule(&self) -> Schedule {
        Schedule::Offline
    }

    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        _: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        let mut logits = vec![0.0; states.len() * self.n_items];
        sample::categorical(&mut logits, self.n_items, masked, rng, &mut actions.items);
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        scores.clear();
        scores.resize(states.len() * self.n_items, 0.0);
        Ok(())
    }
}
