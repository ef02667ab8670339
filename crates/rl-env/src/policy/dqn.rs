//! Deep Q-learning.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::learner::{Learner, Model, RoundLosses, epsilon_greedy};
use super::prioritized::{Draws, Prioritized};
use super::settings::{count, learning_rate, prioritized, share};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::Result;
use crate::bits::MaskedRows;
use crate::network::host;
use crate::network::{Linear, Mlp, Start};
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, TrackerConfig};

/// The settings of [`Dqn`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DqnConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// The widths of the trunk.
    pub hidden: Vec<usize>,
    /// Whether values and advantages have heads of their own.
    pub dueling: bool,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How many rewards a target sums before it bootstraps.
    pub n_step: usize,
    /// Whether the live network picks the item whose target value counts.
    pub double: bool,
    /// Whether errors beyond 1 count linearly rather than squared.
    pub huber: bool,
    /// Updates between two copies to the target network.
    pub target_every: usize,
    /// How often a random item is tried.
    pub epsilon: f32,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Steps between two learning rounds.
    pub steps: usize,
    /// Minibatches per learning round.
    pub updates: usize,
    /// Draws by priority rather than uniformly.
    pub prioritized: Option<Prioritized>,
}

impl Default for DqnConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            dueling: false,
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 3,
            double: true,
            huber: false,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            steps: 100,
            updates: 12,
            prioritized: None,
        }
    }
}

impl DqnConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        prioritized(self.prioritized)?;
        count("n_step", self.n_step)?;
        count("target_every", self.target_every)?;
        share("gamma", self.gamma)?;
        share("epsilon", self.epsilon)?;
        count("batch_size", self.batch_size)?;
        count("steps", self.steps)
    }
}

/// `Q(s, a)` for all items: a linear head, or `V(s) + A(s, a) - mean_b A(s, b)` (Wang et al., 2016, eq. 9).
#[derive(Module, Debug)]
pub struct QNetwork {
    trunk: Mlp,
    advantages: Linear,
    value: Option<Linear>,
}

impl QNetwork {
    /// Over vectors of `inputs` numbers.
    pub fn new(
        inputs: usize,
        hidden: &[usize],
        n_items: usize,
        dueling: bool,
        rng: &mut Random,
        device: &Device,
    ) -> Self {
        let width = hidden.last().copied().unwrap_or(inputs);
        Self {
            trunk: Mlp::new(inputs, hidden, Start::Uniform, rng, device),
            advantages: Linear::new(width, n_items, Start::Uniform, rng, device),
            value: dueling.then(|| Linear::new(width, 1, Start::Uniform, rng, device)),
        }
    }

    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - output: `[n, n_items]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.trunk.forward(x);
        let advantages = self.advantages.forward(hidden.clone());
        match &self.value {
            None => advantages,
            Some(value) => {
                let mean = advantages.clone().mean_dim(1);
                advantages.sub(mean).add(value.forward(hidden))
            }
        }
    }
}

impl Model<QNetwork> {
    /// The Q values of all items, `[n, n_items]`.
    pub fn q(&self, states: &StateTensors) -> Tensor<2> {
        self.network.forward(self.tracker.forward(states))
    }
}

/// Deep Q-learning (Mnih et al., 2015), double (van Hasselt et al., 2016) unless told otherwise: the live network learns
///
/// `Q(s_t, a_t) -> sum_{k<n} gamma^k r_{t+k} + gamma^n Q'(s_{t+n}, argmax_a Q(s_{t+n}, a))`
///
/// where `Q'` is a copy of some updates ago.
#[derive(Debug)]
pub struct Dqn {
    config: DqnConfig,
    learner: Learner<QNetwork>,
    draws: Draws,
}

impl Dqn {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(config: &DqnConfig, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                QNetwork::new(inputs, &c.hidden, n_items, c.dueling, rng, device)
            })?;
        Ok(Self { draws: Draws::new(c.prioritized), config: c, learner })
    }
}

impl Policy for Dqn {
    fn n_items(&self) -> usize {
        self.learner.n_items()
    }

    fn window(&self) -> usize {
        self.learner.window()
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
        let scores = self.learner.finite(self.learner.online.q(&self.learner.states(states)))?;
        epsilon_greedy(scores, self.n_items(), masked, acting, self.config.epsilon, rng, actions);
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.learner.finite(self.learner.online.q(&self.learner.states(states)))?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let (c, learner) = (&self.config, &mut self.learner);
        self.draws.catch_up(replay);
        let mut losses = RoundLosses::default();
        for _ in 0..c.updates {
            learner.follow(c.target_every);
            let (slots, weights) = self.draws.draw(replay, c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);

            let next = learner.target.q(&batch.next);
            let best = if c.double { learner.online.q(&batch.next) } else { next.clone() }.argmax(1);
            let target = Tensor::from_inner(td_target(batch.rewards, batch.discounts, next, best));

            let error = learner
                .model
                .network
                .forward(learner.encode(&batch.states, rng))
                .gather(1, batch.actions)
                .squeeze_dim::<1>(1)
                .sub(target);
            self.draws.learned(&batch.slots, || host(error.clone().inner()));
            let mut each = if c.huber { huber(error) } else { error.square() };
            if let Some(weights) = weights {
                each = each.mul(Tensor::from_inner(learner.plain(weights)));
            }
            let loss = each.mean();
            losses.add([loss.clone()]);
            learner.descend(loss);
        }
        losses.finish(&["loss"], self.learner.updates())
    }

    fn state(&self) -> PolicyState {
        let mut state = self.learner.state();
        self.draws.save(&mut state);
        state
    }

    fn restore(&mut self, mut state: PolicyState) -> Result<()> {
        self.learner.restore(&mut state)?;
        self.draws.load(&mut state)
    }
}

/// `r + d Q'(s', b)` for the items `best`.
///
/// # Shapes
/// - `rewards`, `discounts`: `[n]`
/// - `next`: `[n, n_items]`
/// - `best`: `[n, 1]`
/// - output: `[n]`
pub fn td_target(
    rewards: Tensor<1>,
    discounts: Tensor<1>,
    next: Tensor<2>,
    best: Tensor<2, Int>,
) -> Tensor<1> {
    rewards.add(discounts.mul(next.gather(1, best).squeeze_dim::<1>(1)))
}

/// `x^2 / 2` within 1 of zero, `|x| - 1/2` beyond (Huber, 1964).
pub fn huber<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    // With m = min(|x|, 1): m (|x| - m / 2).
    let size = x.abs();
    let near = size.clone().clamp_max(1.0);
    size.sub(near.clone().mul_scalar(0.5)).mul(near)
}
