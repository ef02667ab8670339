//! Critic-regularised regression.

use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::cql::conservatism;
use super::dqn::QNetwork;
use super::learner::{Learner, Model, RoundLosses, epsilon_greedy};
use super::settings::{count, learning_rate, require, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::bits::MaskedRows;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, TrackerConfig};
use crate::{Compat, Result, sample};

/// How an advantage becomes the weight of imitating the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CrrWeight {
    /// `min(exp(A / beta), most)`.
    #[default]
    Exponential,
    /// 1 where the advantage is positive, otherwise 0.
    Binary,
    /// 1: imitation without a critic.
    One,
}

/// The settings of [`Crr`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrrConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// The widths of each network's trunk.
    pub hidden: Vec<usize>,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How many rewards a target sums before it bootstraps.
    pub n_step: usize,
    /// How an advantage becomes a weight.
    pub weight: CrrWeight,
    /// The advantage that weighs `e` times as much as none.
    pub beta: f32,
    /// The largest weight.
    pub most: f32,
    /// The weight of the conservative term of [`Cql`](super::Cql).
    pub conservative_weight: f64,
    /// Whether the likeliest item is recommended rather than one drawn from the policy.
    pub greedy: bool,
    /// Updates between two copies to the target network.
    pub target_every: usize,
    /// How often a random item is recommended where noise is asked for.
    pub epsilon: f32,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Minibatches per learning round.
    pub updates: usize,
}

impl Default for CrrConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 1,
            weight: CrrWeight::Exponential,
            beta: 1.0,
            most: 20.0,
            conservative_weight: 10.0,
            greedy: false,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            updates: 1000,
        }
    }
}

impl CrrConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        weight("conservative_weight", self.conservative_weight)?;
        require(self.beta > 0.0, "beta", self.beta, "more than 0")?;
        require(self.most > 0.0, "most", self.most, "more than 0")?;
        count("n_step", self.n_step)?;
        count("target_every", self.target_every)?;
        share("gamma", self.gamma)?;
        share("epsilon", self.epsilon)?;
        count("batch_size", self.batch_size)
    }
}

/// An actor's logits and a critic's Q values, each by a network of its own.
#[derive(Module, Debug)]
pub struct ActorAndQ {
    actor: QNetwork,
    critic: QNetwork,
    /// Whether the actor's probabilities are taken for logits, as in the reference.
    softmaxed: bool,
}

impl ActorAndQ {
    /// The actor's logits and the critic's Q values.
    ///
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - outputs: `[n, n_items]`
    pub fn forward(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let logits = self.actor.forward(x.clone());
        let logits = if self.softmaxed { softmax(logits, 1) } else { logits };
        [logits, self.critic.forward(x)]
    }
}

impl Model<ActorAndQ> {
    /// The actor's logits and the critic's Q values of all items, `[n, n_items]` each.
    pub fn logits_and_q(&self, states: &StateTensors) -> [Tensor<2>; 2] {
        self.network.forward(self.tracker.forward(states))
    }
}

/// Critic-regularised regression for discrete actions (Wang et al., 2020): the actor imitates what the log did, the more
/// the better the critic finds it,
///
/// `loss = -mean f(A(s, a)) log pi(a | s) + 1/2 mean (Q(s, a) - target)^2 + c mean (log sum_b exp Q(s, b) - Q(s, a))`
///
/// with `A(s, a) = Q(s, a) - sum_b pi(b | s) Q(s, b)` and the target `r + gamma sum_b pi'(b | s') Q'(s', b)` of copies.
/// No gradient goes through the weight `f(A)` (through the reference's it does).
#[derive(Debug)]
pub struct Crr {
    config: CrrConfig,
    compat: Compat,
    learner: Learner<ActorAndQ>,
}

impl Crr {
    /// Before learning, over the item vectors `items`. Of `compat`, `softmaxed_logits` and `multiplicative_mask` matter.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(
        config: &CrrConfig,
        compat: Compat,
        items: &ItemVectors,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                ActorAndQ {
                    actor: QNetwork::new(inputs, &c.hidden, n_items, false, rng, device),
                    critic: QNetwork::new(inputs, &c.hidden, n_items, false, rng, device),
                    softmaxed: compat.softmaxed_logits,
                }
            })?;
        Ok(Self { config: c, compat, learner })
    }
}

/// `r + d sum_b pi(b | s') Q(s', b)`.
///
/// # Shapes
/// - `rewards`, `discounts`: `[n]`
/// - `q`, `logits`: `[n, n_items]`
/// - output: `[n]`
pub fn expected_target(
    rewards: Tensor<1>,
    discounts: Tensor<1>,
    q: Tensor<2>,
    logits: Tensor<2>,
) -> Tensor<1> {
    rewards.add(discounts.mul(softmax(logits, 1).mul(q).sum_dim(1).squeeze_dim::<1>(1)))
}

/// The terms of the loss of [`Crr`], actor, critic and conservative, each averaged over the minibatch.
///
/// # Shapes
/// - `logits`, `q`: `[n, n_items]`
/// - `actions`: `[n, 1]`
/// - `target`: `[n]`
pub fn crr_losses(
    logits: Tensor<2>,
    q: Tensor<2>,
    actions: Tensor<2, Int>,
    target: Tensor<1>,
    config: &CrrConfig,
) -> [Tensor<1>; 3] {
    let log_probs = log_softmax(logits, 1);
    let taken = q.clone().gather(1, actions.clone());
    let expected = log_probs.clone().exp().mul(q.clone()).sum_dim(1);
    let advantage = taken.clone().sub(expected).detach();
    let weight = match config.weight {
        CrrWeight::Exponential => advantage.div_scalar(config.beta).exp().clamp_max(config.most),
        CrrWeight::Binary => advantage.greater_elem(0.0).float(),
        CrrWeight::One => advantage.ones_like(),
    };
    let actor = log_probs.gather(1, actions.clone()).mul(weight).mean().neg();
    let critic = taken.squeeze_dim::<1>(1).sub(target).square().mean().mul_scalar(0.5);
    [actor, critic, conservatism(q, actions).mean()]
}

impl Policy for Crr {
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
        let [logits, _] = self.learner.online.logits_and_q(&self.learner.states(states));
        let mut logits = self.learner.finite(logits)?;
        let (n_items, mut masked) = (self.n_items(), masked);
        if self.compat.multiplicative_mask {
            sample::mask(&mut logits, n_items, masked.take(), 0.0);
        }
        if self.config.greedy {
            epsilon_greedy(logits, n_items, masked, acting, self.config.epsilon, rng, actions);
            return Ok(());
        }
        sample::categorical(&mut logits, n_items, masked, rng, &mut actions.items);
        actions.vectors.clear();
        if acting != Acting::Judge {
            sample::explore(&mut actions.items, self.config.epsilon, n_items, masked, rng);
        }
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        let [logits, _] = self.learner.online.logits_and_q(&self.learner.states(states));
        *scores = self.learner.finite(logits)?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let (c, learner) = (&self.config, &mut self.learner);
        let mut losses = RoundLosses::default();
        for _ in 0..c.updates {
            learner.follow(c.target_every);
            let slots = replay.sample(c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);

            let [logits, q] = learner.target.logits_and_q(&batch.next);
            let target = Tensor::from_inner(expected_target(batch.rewards, batch.discounts, q, logits));

            let [logits, q] = learner.model.network.forward(learner.encode(&batch.states, rng));
            let [actor, critic, conservative] = crr_losses(logits, q, batch.actions, target, c);
            let weighted = conservative.clone().mul_scalar(c.conservative_weight);
            let loss = actor.clone().add(critic.clone()).add(weighted);
            losses.add([loss.clone(), actor, critic, conservative]);
            learner.descend(loss);
        }
        losses.finish(&["loss", "loss_actor", "loss_critic", "loss_conservative"], self.learner.updates())
    }

    fn state(&self) -> PolicyState {
        self.learner.state()
    }

    fn restore(&mut self, mut state: PolicyState) -> Result<()> {
        self.learner.restore(&mut state)
    }
}
