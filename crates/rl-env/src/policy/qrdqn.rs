//! Deep Q-learning of quantiles.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::atoms::AtomNetwork;
use super::learner::{Learner, Minibatch, Model, RoundLosses, epsilon_greedy};
use super::prioritized::{Draws, Prioritized};
use super::settings::{count, learning_rate, prioritized, share};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::Result;
use crate::bits::MaskedRows;
use crate::network::host;
use crate::replay::Replay;
use crate::softmax::vectorised;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, TrackerConfig};

/// The settings of [`QrDqn`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QrDqnConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// The widths of the trunk.
    pub hidden: Vec<usize>,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// How many rewards a target sums before it bootstraps.
    pub n_step: usize,
    /// How many quantiles a distribution has.
    pub quantiles: usize,
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

impl Default for QrDqnConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 3,
            quantiles: 200,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            steps: 100,
            updates: 10,
            prioritized: None,
        }
    }
}

impl QrDqnConfig {
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
        count("steps", self.steps)?;
        count("quantiles", self.quantiles)
    }
}

/// Deep Q-learning of the quantiles of returns at `(i - 1/2) / N` (Dabney et al., 2018): each is pulled towards the
/// target quantiles of the next state's best item by the quantile Huber loss. The live network picks that item, its copy
/// gives the quantiles.
#[derive(Debug)]
pub struct QrDqn {
    config: QrDqnConfig,
    learner: Learner<AtomNetwork>,
    draws: Draws,
}

impl QrDqn {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(config: &QrDqnConfig, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                AtomNetwork::new(inputs, &c.hidden, n_items, c.quantiles, rng, device)
            })?;
        Ok(Self { draws: Draws::new(c.prioritized), config: c, learner })
    }
}

impl Model<AtomNetwork> {
    /// The Q values of all items, the means of their quantiles, `[n, n_items]`.
    pub fn mean_q(&self, states: &StateTensors) -> Tensor<2> {
        self.network.means(self.tracker.forward(states))
    }
}

/// What the quantiles of a minibatch's items should come to, `[n, quantiles]`, without gradients.
pub fn target_quantiles(learner: &Learner<AtomNetwork>, batch: &Minibatch) -> Tensor<2> {
    let best = learner.online.mean_q(&batch.next).argmax(1);
    let next = learner.target.network.of(learner.target.tracker.forward(&batch.next), best);
    let (rewards, discounts) = (batch.rewards.clone(), batch.discounts.clone());
    next.mul(discounts.unsqueeze_dim(1)).add(rewards.unsqueeze_dim(1))
}

/// The quantile Huber loss (Dabney et al., 2018, eq. 10) of each row: with `u = target_j - theta_i`,
/// `sum_i mean_j |tau_i - 1{u < 0}| H(u)`, where `H` is Huber's loss and `tau_i = (i - 1/2) / N`.
///
/// # Shapes
/// - `quantiles`, `targets`: `[n, N]`
/// - output: `[n]`
pub fn quantile_huber(quantiles: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let ([n, count], device) = (quantiles.dims(), quantiles.device());
    let fixed = quantiles.clone().detach();
    let (theta, targets) = (host(fixed.clone()), host(targets));
    let (mut losses, mut gradients) = (vec![0.0; n], vec![0.0; n * count]);
    let rows = theta.par_chunks_exact(count).zip(targets.par_chunks_exact(count));
    rows.zip(&mut losses).zip(gradients.par_chunks_exact_mut(count)).for_each(
        |(((theta, targets), loss), gradient)| {
            for (i, (&theta, gradient)) in theta.iter().zip(gradient).enumerate() {
                let tau = (i as f32 + 0.5) / count as f32;
                let (one, by) = vectorised(
                    #[inline(always)]
                    || pull(theta, targets, tau),
                );
                *loss += one / count as f32;
                *gradient = by / count as f32;
            }
        },
    );
    // Pairs of quantiles would fill large tensors many times over; a plane that touches the loss here has both its value
    // and its gradient.
    let losses = Tensor::from_data(TensorData::new(losses, [n]), &device);
    let gradients = Tensor::<2>::from_data(TensorData::new(gradients, [n, count]), &device);
    losses.add(quantiles.sub(fixed).mul(gradients).sum_dim(1).squeeze_dim::<1>(1))
}

/// What one quantile pays for its distances to all targets, and the gradient of that by the quantile.
#[inline(always)]
fn pull(theta: f32, targets: &[f32], tau: f32) -> (f32, f32) {
    const LANES: usize = 16;
    let (mut losses, mut gradients) = ([0.0; LANES], [0.0; LANES]);
    let mut add = |lane: usize, target: f32| {
        let apart = target - theta;
        let near = apart.clamp(-1.0, 1.0);
        let weighted = near * if apart < 0.0 { 1.0 - tau } else { tau };
        losses[lane] += weighted * (apart - 0.5 * near);
        gradients[lane] -= weighted;
    };
    let (chunks, rest) = targets.as_chunks::<LANES>();
    for chunk in chunks {
        (0..LANES).for_each(|lane| add(lane, chunk[lane]));
    }
    rest.iter().enumerate().for_each(|(lane, &target)| add(lane, target));
    (losses.iter().sum(), gradients.iter().sum())
}

impl Policy for QrDqn {
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
        self.draws.catch_up(replay);
        let mut losses = RoundLosses::default();
        for _ in 0..c.updates {
            learner.follow(c.target_every);
            let (slots, weights) = self.draws.draw(replay, c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);

            let target = Tensor::from_inner(target_quantiles(learner, &batch));
            let vectors = learner.encode(&batch.states, rng);
            let mut each = quantile_huber(learner.model.network.of(vectors, batch.actions), target);
            self.draws.learned(&batch.slots, || host(each.clone().inner()));
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
