//! Self-supervised Q-learning.

use burn::tensor::Device;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::bcq::{ImitatedQ, ImitatedQRound, constrain, hide};
use super::learner::{Learner, epsilon_greedy};
use super::settings::{count, learning_rate, require, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::bits::MaskedRows;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};
use crate::{Compat, Result};

/// Which head recommends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SqnHead {
    /// The supervised one: what the log would do.
    #[default]
    Supervised,
    /// The one of Q values.
    Q,
    /// The one of Q values, among the items that the supervised one finds likely.
    Constrained,
}

/// The settings of [`Sqn`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqnConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How many rewards a target sums before it bootstraps.
    pub n_step: usize,
    /// Which head recommends.
    pub head: SqnHead,
    /// For [`SqnHead::Constrained`] the share of the likeliest item's probability below which an item does not count.
    pub threshold: f32,
    /// The weight of the mean squared logit of the supervised head.
    pub logit_penalty: f64,
    /// Updates between two copies to the target network.
    pub target_every: usize,
    /// How often a random item is recommended where noise is asked for.
    pub epsilon: f32,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Minibatches per learning round.
    pub updates: usize,
}

impl Default for SqnConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 3,
            head: SqnHead::Supervised,
            threshold: 0.6,
            logit_penalty: 0.01,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            updates: 1000,
        }
    }
}

impl SqnConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        weight("logit_penalty", self.logit_penalty)?;
        require((0.0..1.0).contains(&self.threshold), "threshold", self.threshold, "0 to below 1")?;
        count("n_step", self.n_step)?;
        count("target_every", self.target_every)?;
        share("gamma", self.gamma)?;
        share("epsilon", self.epsilon)?;
        count("batch_size", self.batch_size)
    }
}

/// Self-supervised Q-learning (Xin et al., 2020): two linear heads on one tracker, of which one predicts the log's next
/// item and the other learns Q values by double Q-learning. The tracker learns from both.
#[derive(Debug)]
pub struct Sqn {
    config: SqnConfig,
    compat: Compat,
    learner: Learner<ImitatedQ>,
}

impl Sqn {
    /// Before learning, over the item vectors `items`. Of `compat`, `multiplicative_mask` matters.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(
        config: &SqnConfig,
        compat: Compat,
        items: &ItemVectors,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                ImitatedQ::new(inputs, &[], n_items, false, rng, device)
            })?;
        Ok(Self { config: c, compat, learner })
    }

    /// The scores that the chosen head ranks by.
    fn ranked(&self, mut q: Vec<f32>, logits: Vec<f32>) -> Vec<f32> {
        match self.config.head {
            SqnHead::Supervised => logits,
            SqnHead::Q => q,
            SqnHead::Constrained => {
                constrain(&mut q, &logits, self.n_items(), self.config.threshold);
                q
            }
        }
    }
}

impl Policy for Sqn {
    fn n_items(&self) -> usize {
        self.learner.n_items()
    }

    fn window(&self) -> usize {
        self.learner.window()
    }

    fn schedule(&self) -> Schedule {
        Schedule::Offline
    }

    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        let states = self.learner.states(states);
        let [mut q, mut logits] = self.learner.finite_pair(self.learner.online.q_and_logits(&states))?;
        let masked = hide([&mut q, &mut logits], self.n_items(), masked, self.compat);
        let scores = self.ranked(q, logits);
        epsilon_greedy(scores, self.n_items(), masked, acting, self.config.epsilon, rng, actions);
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        let states = self.learner.states(states);
        let [q, logits] = self.learner.finite_pair(self.learner.online.q_and_logits(&states))?;
        *scores = self.ranked(q, logits);
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let c = &self.config;
        ImitatedQRound {
            updates: c.updates,
            batch_size: c.batch_size,
            target_every: c.target_every,
            n_step: c.n_step,
            gamma: c.gamma,
            // Everything is likely enough at 0.
            threshold: if c.head == SqnHead::Constrained { c.threshold } else { 0.0 },
            logit_penalty: c.logit_penalty,
        }
        .run(&mut self.learner, replay, rng)
    }

    fn state(&self) -> PolicyState {
        self.learner.state()
    }

    fn restore(&mut self, mut state: PolicyState) -> Result<()> {
        self.learner.restore(&mut state)
    }
}
