//! Deep deterministic policy gradient.

use burn::tensor::Device;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::deterministic::{Deterministic, Plan};
use super::learner::RoundLosses;
use super::settings::{count, learning_rate, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::bits::MaskedRows;

use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};
use crate::{Compat, Result};

/// The settings of [`Ddpg`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DdpgConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// The widths of every trunk.
    pub hidden: Vec<usize>,
    /// Adam's learning rate for the tracker.
    pub learning_rate: f64,
    /// Adam's learning rate for the actor.
    pub actor_learning_rate: f64,
    /// Adam's learning rate for the critic.
    pub critic_learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How many rewards a target sums before it bootstraps.
    pub n_step: usize,
    /// The share of the way that the copies move at every update.
    pub tau: f64,
    /// The deviation of the noise on the actor's vectors while exploring.
    pub sigma: f32,
    /// The probability that a whole batch is answered with uniformly random items while exploring.
    pub remap_eps: f64,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Steps between two learning rounds.
    pub steps: usize,
    /// Minibatches per learning round.
    pub updates: usize,
}

impl Default for DdpgConfig {
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
            batch_size: 64,
            steps: 100,
            updates: 12,
        }
    }
}

impl DdpgConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        learning_rate("actor_learning_rate", self.actor_learning_rate)?;
        learning_rate("critic_learning_rate", self.critic_learning_rate)?;
        count("n_step", self.n_step)?;
        share("gamma", self.gamma)?;
        share("tau", self.tau)?;
        share("remap_eps", self.remap_eps)?;
        weight("sigma", self.sigma)?;
        count("steps", self.steps)?;
        count("batch_size", self.batch_size)
    }
}

/// Deep deterministic policy gradient (Lillicrap et al., 2016) in the space of item vectors: the actor gives a vector, the
/// item that it points at most nearly is recommended (`argmax_i v . E_i / |E_i|`), and
///
/// `Q(s_t, v_t) -> sum_{k<n} gamma^k r_{t+k} + gamma^n Q'(s_{t+n}, actor'(s_{t+n}))`,
///
/// where the copies `'` drift after the live networks. The actor climbs `Q(s, actor(s))`.
#[derive(Debug)]
pub struct Ddpg {
    config: DdpgConfig,
    compat: Compat,
    learner: Deterministic,
}

impl Ddpg {
    /// Before learning, over the item vectors `items`. Of `compat`, `multiplicative_mask` matters.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(
        config: &DdpgConfig,
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
            critics: 1,
            learning_rates: [c.learning_rate, c.actor_learning_rate, c.critic_learning_rate],
        };
        let learner = Deterministic::new(&plan, items, seed, device)?;
        Ok(Self { config: c, compat, learner })
    }
}

impl Policy for Ddpg {
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
        let mut losses = RoundLosses::default();

        for _ in 0..c.updates {
            let slots = replay.sample(c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);
            let copy = &learner.target;
            let next = copy.tracker.forward(&batch.next);
            let bootstrap = copy.critics[0].forward(next.clone(), copy.actor.forward(next));
            let target = batch.rewards.clone().add(batch.discounts.clone().mul(bootstrap));

            let critic = learner.improve_critics(replay, &batch, target, rng);
            let actor = learner.improve_actor(&batch, rng);
            learner.drift(c.tau);
            losses.add([critic, actor]);
        }
        learner.refresh();
        losses.finish(&["loss_critic", "loss_actor"], learner.updates())
    }

    fn state(&self) -> PolicyState {
        self.learner.state()
    }

    fn restore(&mut self, state: PolicyState) -> Result<()> {
        self.learner.restore(state)
    }
}
