//! Advantage actor-critic.

use burn::tensor::Device;
use rand::seq::SliceRandom;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::actor_critic::{ActionSpace, ActorCritic, Layout};
use super::settings::{count, learning_rate, max_grad_norm, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule, minibatches};
use crate::Result;
use crate::bits::MaskedRows;
use crate::network::Start;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};

/// The settings of [`A2c`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct A2cConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// What it puts out.
    pub actions: ActionSpace,
    /// The widths of the trunk.
    pub hidden: Vec<usize>,
    /// Where the layers start.
    pub start: Start,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How far advantages look past the critic: 1 takes whole returns, 0 one step.
    pub gae_lambda: f32,
    /// The weight of the critic's loss.
    pub value_weight: f64,
    /// The weight of the entropy bonus.
    pub entropy_weight: f64,
    /// The largest gradient norm of trunk and heads, if any.
    pub max_grad_norm: Option<f64>,
    /// Transitions per minibatch.
    pub batch_size: usize,
}

impl Default for A2cConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            actions: ActionSpace::Items,
            hidden: vec![64, 64],
            start: Start::Uniform,
            learning_rate: 1e-3,
            gamma: 0.9,
            gae_lambda: 1.0,
            value_weight: 0.5,
            entropy_weight: 0.0,
            max_grad_norm: None,
            batch_size: 1024,
        }
    }
}

impl A2cConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        share("gamma", self.gamma)?;
        share("gae_lambda", self.gae_lambda)?;
        weight("value_weight", self.value_weight)?;
        weight("entropy_weight", self.entropy_weight)?;
        max_grad_norm(self.max_grad_norm)?;
        count("batch_size", self.batch_size)
    }
}

/// Advantage actor-critic (Mnih et al., 2016), synchronous: after every round of episodes one pass over them,
///
/// `loss = -mean A_t ln pi(a_t | s_t) + c_v mean (R_t - V(s_t))^2 - c_e mean H(pi(. | s_t))`
///
/// with generalized advantages `A_t` and returns `R_t = A_t + V(s_t)` of the critic before the pass.
#[derive(Debug)]
pub struct A2c {
    config: A2cConfig,
    net: ActorCritic,
}

impl A2c {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(config: &A2cConfig, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let c = config.clone();
        let layout = Layout {
            tracker: &c.tracker,
            hidden: &c.hidden,
            start: c.start,
            head_start: c.start,
            actions: c.actions,
            critic: true,
            learning_rate: c.learning_rate,
            max_grad_norm: c.max_grad_norm,
        };
        let net = ActorCritic::new(&layout, items, seed, device)?;
        Ok(Self { config: c, net })
    }
}

impl Policy for A2c {
    fn n_items(&self) -> usize {
        self.net.n_items()
    }

    fn window(&self) -> usize {
        self.net.window()
    }

    fn action_width(&self) -> usize {
        self.net.action_width()
    }

    fn schedule(&self) -> Schedule {
        Schedule::Episodes
    }

    /// Draws from the policy, to explore and to be judged alike.
    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        self.net.choose(states, masked, false, acting != Acting::Judge, rng, actions)
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.net.scores(states)?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let c = &self.config;
        let slots = replay.ordered();
        let before = self.net.estimates(replay, &slots, c.gamma, c.gae_lambda);

        let mut order: Vec<usize> = (0..slots.len()).collect();
        order.shuffle(rng);
        let (mut sums, mut batches) = ([0.0; 4], 0.0);
        for batch in minibatches(&order, c.batch_size) {
            let pick = |from: &[f32]| self.net.tensor(&batch.iter().map(|&at| from[at]).collect::<Vec<_>>());
            let (advantage, target) = (pick(&before.advantages), pick(&before.returns));
            let of: Vec<u32> = batch.iter().map(|&at| slots[at]).collect();

            let out = self.net.forward(replay, &of, rng);
            let actor = out.log_probs.clone().mul(advantage).mean().neg();
            let value = target.sub(out.values.clone()).square().mean();
            let entropy = out.entropies.clone().mean();
            let mut loss = actor.clone().add(value.clone().mul_scalar(c.value_weight));
            if c.entropy_weight != 0.0 {
                loss = loss.sub(entropy.clone().mul_scalar(c.entropy_weight));
            }

            let terms = self.net.descend(out, [loss, actor, value, entropy])?;
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            batches += 1.0;
        }
        self.net.refresh();
        let means = sums.map(|sum| sum / batches);
        Ok(["loss", "loss_actor", "loss_value", "entropy"].into_iter().zip(means).collect())
    }

    fn state(&self) -> PolicyState {
        self.net.state()
    }

    fn restore(&mut self, state: PolicyState) -> Result<()> {
        self.net.restore(state)
    }
}
