//! Conservative Q-learning.

use burn::tensor::{Device, Int, Tensor};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::atoms::AtomNetwork;
use super::learner::{Learner, RoundLosses, epsilon_greedy};
use super::log_sum_exp;
use super::qrdqn::{quantile_huber, target_quantiles};
use super::settings::{count, learning_rate, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::Result;
use crate::bits::MaskedRows;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};

/// The settings of [`Cql`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CqlConfig {
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
    /// How many quantiles a distribution has.
    pub quantiles: usize,
    /// The weight of the conservative term.
    pub conservative_weight: f64,
    /// Updates between two copies to the target network.
    pub target_every: usize,
    /// How often a random item is recommended where noise is asked for.
    pub epsilon: f32,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Minibatches per learning round.
    pub updates: usize,
}

impl Default for CqlConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 3,
            quantiles: 20,
            conservative_weight: 10.0,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            updates: 1000,
        }
    }
}

impl CqlConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        weight("conservative_weight", self.conservative_weight)?;
        count("quantiles", self.quantiles)?;
        count("n_step", self.n_step)?;
        count("target_every", self.target_every)?;
        share("gamma", self.gamma)?;
        share("epsilon", self.epsilon)?;
        count("batch_size", self.batch_size)
    }
}

/// Conservative Q-learning for discrete actions (Kumar et al., 2020, CQL(H)) over quantiles: the loss of
/// [`QrDqn`](super::QrDqn) and, weighted, a term that lowers the values of items which the log does not show,
///
/// `log sum_a exp Q(s, a) - Q(s, a_t)`.
#[derive(Debug)]
pub struct Cql {
    config: CqlConfig,
    learner: Learner<AtomNetwork>,
}

impl Cql {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(config: &CqlConfig, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                AtomNetwork::new(inputs, &c.hidden, n_items, c.quantiles, rng, device)
            })?;
        Ok(Self { config: c, learner })
    }
}

/// `log sum_a exp Q(s, a) - Q(s, a_t)` for each row.
///
/// # Shapes
/// - `q`: `[n, n_items]`
/// - `actions`: `[n, 1]`
/// - output: `[n]`
pub fn conservatism(q: Tensor<2>, actions: Tensor<2, Int>) -> Tensor<1> {
    log_sum_exp(q.clone()).sub(q.gather(1, actions)).squeeze_dim(1)
}

impl Policy for Cql {
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
        let scores = self.learner.finite(self.learner.online.mean_q(&self.learner.states(states)))?;
        epsilon_greedy(scores, self.n_items(), masked, acting, self.config.epsilon, rng, actions);
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.learner.finite(self.learner.online.mean_q(&self.learner.states(states)))?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let (c, learner) = (&self.config, &mut self.learner);
        let mut losses = RoundLosses::default();
        for _ in 0..c.updates {
            learner.follow(c.target_every);
            let slots = replay.sample(c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);
            let target = Tensor::from_inner(target_quantiles(learner, &batch));

            let vectors = learner.encode(&batch.states, rng);
            let network = &learner.model.network;
            let quantiles = network.of(vectors.clone(), batch.actions.clone());
            let quantile_loss = quantile_huber(quantiles, target).mean();
            let conservative = conservatism(network.means(vectors), batch.actions).mean();
            let loss = quantile_loss.clone().add(conservative.clone().mul_scalar(c.conservative_weight));
            losses.add([loss.clone(), quantile_loss, conservative]);
            learner.descend(loss);
        }
        losses.finish(&["loss", "loss_quantile", "loss_conservative"], self.learner.updates())
    }

    fn state(&self) -> PolicyState {
        self.learner.state()
    }

    fn restore(&mut self, mut state: PolicyState) -> Result<()> {
        self.learner.restore(&mut state)
    }
}
