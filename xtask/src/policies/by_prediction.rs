//! Policies that follow a model's predictions and plan nothing.

use std::sync::{Arc, Mutex, PoisonError};

use rec_core::random::Random;
use rl_env::baseline::{Choice, LinUcb, LinUcbConfig, StaticRecommender};
use rl_env::bits::MaskedRows;
use rl_env::policy::{Acting, Actions, Policy, Schedule};
use rl_env::simulate::Predicted;
use rl_env::tracker::ItemVectors;
use rl_env::{LogColumns, Result, Reward as _, Source, States};

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
}

/// [`LinUcb`] as a policy: it has learned from the log, over the item vectors of a user model.
pub struct ByBounds(LinUcb);

impl ByBounds {
    /// LinUCB with the settings by default, taught by the rows of the log whose user and item are in the truth.
    ///
    /// # Errors
    /// What [`LinUcb::new`] and [`LinUcb::learn`] report.
    pub fn new(source: &Source, items: &ItemVectors) -> Result<Self> {
        let n_users = source.truth_users.len();
        let mut model = LinUcb::new(&items.values, items.dim, n_users, &LinUcbConfig::default())?;
        let (rows, columns) = (source.user_rows(), source.item_columns());
        let (mut users, mut known, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..source.log.len() {
            let (user, item) = (source.log.users[row] as usize, source.log.items[row] as usize);
            if let (Some(user), Some(item)) = (rows[user], columns[item]) {
                users.push(user);
                known.push(item);
                targets.push(source.log.targets[row]);
            }
        }
        model.learn(LogColumns { users: &users, items: &known, targets: &targets })?;
        Ok(Self(model))
    }
}

impl Policy for ByBounds {
    fn n_items(&self) -> usize {
        self.0.n_items()
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
        _: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        self.0.act(states, masked, &mut actions.items)
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        self.0.bounds(states, scores)
    }
}
