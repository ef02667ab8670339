//! Policies that follow a user model's predictions and plan nothing.

use std::sync::{Arc, Mutex, PoisonError};

use rec_core::random::Random;
use rl_env::baseline::{Choice, StaticRecommender};
use rl_env::bits::MaskedRows;
use rl_env::policy::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use rl_env::replay::Replay;
use rl_env::simulate::Predicted;
use rl_env::{Result, Reward as _, States};

/// A [`StaticRecommender`] as a policy, so that it is judged like those that learn.
pub struct ByPrediction {
    /// Choosing counts what was recommended, and a policy chooses by shared reference.
    recommender: Mutex<StaticRecommender>,
    predicted: Arc<Predicted>,
}

impl ByPrediction {
    /// A policy that has recommended nothing yet.
    ///
    /// # Errors
    /// What [`StaticRecommender::new`] reports.
    pub fn new(predicted: Arc<Predicted>, choice: Choice) -> Result<Self> {
        let recommender = Mutex::new(StaticRecommender::new(predicted.clone(), choice)?);
        Ok(Self { recommender, predicted })
    }
}

impl Policy for ByPrediction {
    fn n_items(&self) -> usize {
        self.predicted.mean.n_items()
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
        let mut recommender = self.recommender.lock().unwrap_or_else(PoisonError::into_inner);
        recommender.act(states, masked, rng, &mut actions.items)
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        scores.clear();
        let mean = &self.predicted.mean;
        for &user in &states.users {
            scores.extend((0..mean.n_items() as u32).map(|item| mean.get(user, item)));
        }
        Ok(())
    }

    fn learn(&mut self, _: &Replay, _: &mut Random) -> Result<Losses> {
        Ok(Losses::new())
    }

    fn state(&self) -> PolicyState {
        PolicyState::default()
    }

    fn restore(&mut self, _: PolicyState) -> Result<()> {
        Ok(())
    }
}
