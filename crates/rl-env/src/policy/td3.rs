//! Twin delayed deterministic policy gradient.

use burn::tensor::{Device, Tensor, TensorData};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::deterministic::{Deterministic, Plan};
use super::learner::RoundLosses;
use super::settings::{count, learning_rate, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::bits::MaskedRows;
use crate::network::normal;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};
use crate::{Compat, Result};

/// The settings of [`Td3`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Td3Config {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// The widths of every trunk.
    pub hidden: Vec<usize>,
    /// Adam's learning rate for the tracker.
    pub learning_rate: f64,
    /// Adam's learning rate for the actor.
    pub actor_learning_rate: f64,
    /// Adam's learning rate for the critics.
    pub critic_learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How many rewards a target sums before it bootstraps.
    pub n_step: usize,
    /// The share of the way that the copies move at every update of the actor.
    pub tau: f64,
    /// The deviation of the noise on the actor's vectors while exploring.
    pub sigma: f32,
    /// The probability that a whole batch is answered with uniformly random items while exploring.
    pub remap_eps: f64,
    /// The deviation of the noise on the copy's vectors.
    pub policy_noise: f32,
    /// How far that noise may go.
    pub noise_clip: f32,
    /// Updates of the critics for each one of the actor and the copies.
    pub delay: usize,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Steps between two learning rounds.
    pub steps: usize,
    /// Minibatches per learning round.
    pub updates: usize,
}

impl Default for Td3Config {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            actor_learning_rate: 1e-4,
            critic_learning_rate: 1e-3,
            gamma: 0.99,
            n_step: 3,
            tau: 0.005,
            sigma: 0.01,
            remap_eps: 0.01,
            policy_noise: 0.2,
            noise_clip: 0.5,
            delay: 2,
            batch_size: 64,
            steps: 100,
            updates: 12,
        }
    }
}

impl Td3Config {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        learning_rate("actor_learning_rate", self.actor_learning_rate)?;
        learning_rate("critic_learning_rate", self.critic_learning_rate)?;
        weight("policy_noise", self.policy_noise)?;
        weight("noise_clip", self.noise_clip)?;
        count("delay", self.delay)?;
        count("n_step", self.n_step)?;
        share("gamma", self.gamma)?;
        share("tau", self.tau)?;
        share("remap_eps", self.remap_eps)?;
        weight("sigma", self.sigma)?;
        count("steps", self.steps)?;
        count("batch_size", self.batch_size)
    }
}

/// Twin delayed deterministic policy gradient (Fujimoto et al., 2018): [`Ddpg`](super::Ddpg) with two critics, of whose
/// copies the smaller value counts, with clipped noise on the copy's vectors, and with an actor and copies that move at
/// every `delay`-th update only.
#[derive(Debug)]
pub struct Td3 {
    config: Td3Config,
    compat: Compat,
    learner: Deterministic,
}

impl Td3 {
    /// Before learning, over the item vectors `items`. Of `compat`, `multiplicative_mask` matters.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(
        config: &Td3Config,
        compat: Compat,
        items: &ItemVectors,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let c = config.clone();
        let plan = Plan {
            tracker: &c.tracker,
            hidden: &c.hidden,
            critics: 2,
            learning_rates: [c.learning_rate, c.actor_learning_rate, c.critic_learning_rate],
        };
        let learner = Deterministic::new(&plan, items, seed, device)?;
        Ok(Self { config: c, compat, learner })
    }
}

impl Policy for Td3 {
    fn n_items(&self) -> usize {
        self.learner.n_items()
    }

    fn window(&self) -> usize {
        self.learner.window()
    }

    fn action_width(&self) -> usize {
        self.learner.dim()
    }

    fn schedule(&self) -> Schedule {
        Schedule::Steps { steps: self.config.steps }
    }

    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        let noise = (self.config.sigma, self.config.remap_eps);
        self.learner.act(states, masked, acting, noise, self.compat, rng, actions)
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.learner.scores(states)?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let (c, learner) = (&self.config, &mut self.learner);
        let mut actor_losses = RoundLosses::default();
        let mut critic_losses = RoundLosses::default();
        for _ in 0..c.updates {
            let slots = replay.sample(c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);
            let copy = &learner.target;
            let next = copy.tracker.forward(&batch.next);
            let aim = copy.actor.forward(next.clone());
            let noise = normal(c.batch_size * learner.dim(), c.policy_noise, rng);
            let noise = Tensor::<2>::from_data(TensorData::new(noise, aim.dims()), &aim.device());
            let aim = aim.add(noise.clamp(-c.noise_clip, c.noise_clip)).clamp(-1.0, 1.0);
            let values = copy.critics.iter().map(|critic| critic.forward(next.clone(), aim.clone()));
            let bootstrap = values.reduce(Tensor::min_pair).expect("two critics");
            let target = batch.rewards.clone().add(batch.discounts.clone().mul(bootstrap));

            let critic = learner.improve_critics(replay, &batch, target, rng);
            critic_losses.add([critic]);
            if learner.updates().is_multiple_of(c.delay as u64) {
                actor_losses.add([learner.improve_actor(&batch, rng)]);
                learner.drift(c.tau);
            }
        }
        learner.refresh();
        let mut losses = critic_losses.finish(&["loss_critic"], learner.updates())?;
        losses.extend(actor_losses.finish(&["loss_actor"], learner.updates())?);
        Ok(losses)
    }

    fn state(&self) -> PolicyState {
        self.learner.state()
    }

    fn restore(&mut self, state: PolicyState) -> Result<()> {
        self.learner.restore(state)
    }
}
