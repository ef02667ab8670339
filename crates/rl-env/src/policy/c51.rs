//! Categorical deep Q-learning.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::atoms::AtomNetwork;
use super::learner::{Learner, Model, RoundLosses, epsilon_greedy};
use super::prioritized::{Draws, Prioritized};
use super::settings::{count, learning_rate, prioritized, require, share};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::bits::MaskedRows;
use crate::network::host;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, TrackerConfig};
use crate::{Error, Result, sample, softmax};

/// The settings of [`C51`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct C51Config {
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
    /// How many atoms a distribution has.
    pub atoms: usize,
    /// The least return that it can tell, the first atom.
    pub least: f32,
    /// The largest, the last atom.
    pub most: f32,
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

impl Default for C51Config {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 3,
            atoms: 51,
            least: -10.0,
            most: 10.0,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            steps: 100,
            updates: 12,
            prioritized: None,
        }
    }
}

impl C51Config {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`] for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        prioritized(self.prioritized)?;
        count("n_step", self.n_step)?;
        count("target_every", self.target_every)?;
        share("gamma", self.gamma)?;
        share("epsilon", self.epsilon)?;
        count("batch_size", self.batch_size)?;
        count("steps", self.steps)?;
        require(self.atoms > 1, "atoms", self.atoms, "2 or more")?;
        require(self.least < self.most, "most", self.most, "more than `least`")
    }
}

/// Deep Q-learning of the distribution of returns over fixed atoms `z_1 … z_N` (Bellemare et al., 2017). The target is
/// the distribution of the next state's best item, shifted and shrunk by the rewards and the discount and projected back
/// onto the atoms; the loss is the cross-entropy. The live network picks that item, its copy gives the distribution.
#[derive(Debug)]
pub struct C51 {
    config: C51Config,
    learner: Learner<AtomNetwork>,
    draws: Draws,
    /// `[atoms]`.
    support: Vec<f32>,
}

impl C51 {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting is out of range.
    pub fn new(config: &C51Config, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                AtomNetwork::new(inputs, &c.hidden, n_items, c.atoms, rng, device)
            })?;
        let support = support(c.least, c.most, c.atoms);
        Ok(Self { draws: Draws::new(c.prioritized), config: c, learner, support })
    }

    /// The expected returns of all items, `[n, n_items]`, by the live network.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one is not a number.
    fn q(&self, states: &States) -> Result<Vec<f32>> {
        let q = self.learner.online.expectations(&self.learner.states(states), &self.support);
        match softmax::any_nan(&q) {
            true => Err(Error::Diverged { what: "a score".to_string(), updates: self.learner.updates() }),
            false => Ok(q),
        }
    }
}

impl Model<AtomNetwork> {
    /// The expected returns of all items.
    fn expectations(&self, states: &StateTensors, support: &[f32]) -> Vec<f32> {
        self.network.expectations(self.tracker.forward(states), support)
    }
}

/// `atoms` returns, evenly from `least` to `most`.
pub fn support(least: f32, most: f32, atoms: usize) -> Vec<f32> {
    let step = (most - least) / (atoms - 1) as f32;
    (0..atoms).map(|atom| least + step * atom as f32).collect()
}

/// The distribution of `r + d Z` over the atoms (Bellemare et al., 2017, eq. 7): each atom's probability goes to the two
/// atoms beside the place where it lands, in proportion to how near they are.
///
/// # Shapes
/// - `rewards`, `discounts`: `[n]`
/// - `logits`: `[n, atoms]`, of `Z`; turned into the output
/// - `support`: `[atoms]`, evenly spaced
pub fn project(rewards: &[f32], discounts: &[f32], logits: &mut [f32], support: &[f32]) {
    let last = support.len() - 1;
    let (least, most) = (support[0], support[last]);
    let per_step = last as f32 / (most - least);
    let mut projected = vec![0.0; support.len()];
    for ((row, reward), discount) in logits.chunks_exact_mut(support.len()).zip(rewards).zip(discounts) {
        let largest = softmax::largest(row);
        let sum = softmax::exponentiate(row, largest);
        projected.fill(0.0);
        for (weight, value) in row.iter().zip(support) {
            let place = ((reward + discount * value).clamp(least, most) - least) * per_step;
            let below = (place as usize).min(last - 1);
            let share = (place - below as f32).min(1.0);
            let probability = weight / sum;
            projected[below] += probability * (1.0 - share);
            projected[below + 1] += probability * share;
        }
        row.copy_from_slice(&projected);
    }
}

/// `-sum_i m_i log softmax(l)_i` for each row.
///
/// # Shapes
/// - `logits`, `target`: `[n, atoms]`
/// - output: `[n]`
pub fn cross_entropy(logits: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    log_softmax(logits, 1).mul(target).sum_dim(1).squeeze_dim::<1>(1).neg()
}

impl Policy for C51 {
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
        let scores = self.q(states)?;
        epsilon_greedy(scores, self.n_items(), masked, acting, self.config.epsilon, rng, actions);
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.q(states)?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let (c, learner) = (&self.config, &mut self.learner);
        self.draws.catch_up(replay);
        let (mut losses, mut best) = (RoundLosses::default(), Vec::new());
        for _ in 0..c.updates {
            learner.follow(c.target_every);
            let (slots, weights) = self.draws.draw(replay, c.batch_size, rng);
            let batch = learner.minibatch(replay, slots, c.n_step, c.gamma);

            let mut q = learner.online.expectations(&batch.next, &self.support);
            sample::greedy(&mut q, learner.n_items(), None, &mut best);
            let best = learner.items(&best);
            let next = learner.target.network.of(learner.target.tracker.forward(&batch.next), best);
            let (shape, device) = (next.dims(), next.device());
            let mut target = host(next);
            project(&host(batch.rewards), &host(batch.discounts), &mut target, &self.support);
            let target = Tensor::from_data(TensorData::new(target, shape), &device);

            let vectors = learner.encode(&batch.states, rng);
            let logits = learner.model.network.of(vectors, batch.actions);
            let mut each = cross_entropy(logits, Tensor::from_inner(target));
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
