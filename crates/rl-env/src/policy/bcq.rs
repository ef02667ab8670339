//! Batch-constrained Q-learning.

use burn::module::Module;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::dqn::{QNetwork, huber, td_target};
use super::learner::{Learner, Model, RoundLosses, epsilon_greedy};
use super::settings::{count, learning_rate, require, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule};
use crate::bits::MaskedRows;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, TrackerConfig};
use crate::{Compat, Result, sample};

/// The settings of [`Bcq`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BcqConfig {
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
    /// Items less likely in the log than this share of the likeliest item's probability are not recommended.
    pub threshold: f32,
    /// The weight of the mean squared logit of the imitator.
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

impl Default for BcqConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            hidden: vec![64, 64],
            learning_rate: 1e-3,
            gamma: 0.9,
            n_step: 3,
            threshold: 0.6,
            logit_penalty: 0.01,
            target_every: 320,
            epsilon: 0.01,
            batch_size: 64,
            updates: 1000,
        }
    }
}

impl BcqConfig {
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

/// Q values and the logits of an imitator of the log, each by a network of its own.
#[derive(Module, Debug)]
pub struct ImitatedQ {
    q: QNetwork,
    imitator: QNetwork,
    /// Whether both outputs go through a softmax first, as the reference's do.
    softmaxed: bool,
}

impl ImitatedQ {
    /// Over vectors of `inputs` numbers.
    pub fn new(
        inputs: usize,
        hidden: &[usize],
        n_items: usize,
        softmaxed: bool,
        rng: &mut Random,
        device: &Device,
    ) -> Self {
        Self {
            q: QNetwork::new(inputs, hidden, n_items, false, rng, device),
            imitator: QNetwork::new(inputs, hidden, n_items, false, rng, device),
            softmaxed,
        }
    }

    /// The Q values and the imitator's logits.
    ///
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - outputs: `[n, n_items]`
    pub fn forward(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let outputs = [self.q.forward(x.clone()), self.imitator.forward(x)];
        if self.softmaxed { outputs.map(|output| softmax(output, 1)) } else { outputs }
    }
}

impl Model<ImitatedQ> {
    /// The Q values and the imitator's logits of all items, `[n, n_items]` each.
    pub fn q_and_logits(&self, states: &StateTensors) -> [Tensor<2>; 2] {
        self.network.forward(self.tracker.forward(states))
    }
}

/// Discrete batch-constrained Q-learning (Fujimoto et al., 2019): double Q-learning in which only items count, now and
/// in the next state, that an imitator of the log finds likely,
///
/// `argmax_a { Q(s, a) : G(a | s) / max_b G(b | s) >= threshold }`.
///
/// The imitator learns by cross-entropy with a penalty on its logits.
#[derive(Debug)]
pub struct Bcq {
    config: BcqConfig,
    compat: Compat,
    learner: Learner<ImitatedQ>,
}

impl Bcq {
    /// Before learning, over the item vectors `items`. Of `compat`, `softmaxed_logits` and `multiplicative_mask` matter.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(
        config: &BcqConfig,
        compat: Compat,
        items: &ItemVectors,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (c, n_items) = (config.clone(), items.n_items());
        let learner =
            Learner::new(&c.tracker, items, c.learning_rate, seed, device, |inputs, rng, device| {
                ImitatedQ::new(inputs, &c.hidden, n_items, compat.softmaxed_logits, rng, device)
            })?;
        Ok(Self { config: c, compat, learner })
    }
}

/// The item with the largest Q value among those that the imitator finds likely, `[n, 1]`.
///
/// # Shapes
/// - `q`, `logits`: `[n, n_items]`
pub fn constrained_best(q: Tensor<2>, logits: Tensor<2>, threshold: f32) -> Tensor<2, Int> {
    let ratio = logits.clone().sub(logits.max_dim(1));
    q.mask_fill(ratio.lower_elem(threshold.ln()), f32::NEG_INFINITY).argmax(1)
}

/// Puts unlikely items below likely ones: `q` stays for those with `exp(logit - largest) >= threshold`; the others go
/// below all of these, in the order of their logits. An item with the logit minus infinity gets that score.
pub fn constrain(q: &mut [f32], logits: &[f32], n_items: usize, threshold: f32) {
    for (q, logits) in q.chunks_exact_mut(n_items).zip(logits.chunks_exact(n_items)) {
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let below = q.iter().copied().fold(f32::INFINITY, f32::min) - 1.0;
        for (q, logit) in q.iter_mut().zip(logits) {
            if logit - most < threshold.ln() {
                *q = below + (logit - most);
            }
        }
    }
}

/// The three terms of the loss: `H(Q(s, a) - target)`, `-log G(a | s)` and the mean squared logit, each averaged over
/// the minibatch.
///
/// # Shapes
/// - `q`, `logits`: `[n, n_items]`
/// - `actions`: `[n, 1]`
/// - `target`: `[n]`
pub fn imitated_q_losses(
    q: Tensor<2>,
    logits: Tensor<2>,
    actions: Tensor<2, Int>,
    target: Tensor<1>,
) -> [Tensor<1>; 3] {
    let error = q.gather(1, actions.clone()).squeeze_dim::<1>(1).sub(target);
    let imitation = log_softmax(logits.clone(), 1).gather(1, actions).mean().neg();
    [huber(error).mean(), imitation, logits.square().mean()]
}

/// What [`Bcq`] and [`Sqn`](super::Sqn) learn alike.
#[derive(Clone, Copy, Debug)]
pub struct ImitatedQRound {
    /// Minibatches.
    pub updates: usize,
    /// Transitions in each.
    pub batch_size: usize,
    /// Updates between two copies to the target network.
    pub target_every: usize,
    /// How many rewards a target sums.
    pub n_step: usize,
    /// The discount of later rewards.
    pub gamma: f32,
    /// The share of the likeliest item's probability below which an item is not bootstrapped from.
    pub threshold: f32,
    /// The weight of the mean squared logit.
    pub logit_penalty: f64,
}

impl ImitatedQRound {
    /// One learning round.
    ///
    /// # Errors
    /// [`Error::Diverged`](crate::Error::Diverged) if a loss is not finite.
    pub fn run(self, learner: &mut Learner<ImitatedQ>, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let mut losses = RoundLosses::default();
        for _ in 0..self.updates {
            learner.follow(self.target_every);
            let slots = replay.sample(self.batch_size, rng);
            let batch = learner.minibatch(replay, slots, self.n_step, self.gamma);

            let [q, logits] = learner.online.q_and_logits(&batch.next);
            let best = constrained_best(q, logits, self.threshold);
            let [next, _] = learner.target.q_and_logits(&batch.next);
            let target = Tensor::from_inner(td_target(batch.rewards, batch.discounts, next, best));

            let [q, logits] = learner.model.network.forward(learner.encode(&batch.states, rng));
            let [error, imitation, size] = imitated_q_losses(q, logits, batch.actions, target);
            let loss = error.clone().add(imitation.clone()).add(size.clone().mul_scalar(self.logit_penalty));
            losses.add([loss.clone(), error, imitation, size]);
            learner.descend(loss);
        }
        losses.finish(&["loss", "loss_q", "loss_imitation", "loss_logits"], learner.updates())
    }
}

impl Policy for Bcq {
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
        let n_items = self.n_items();
        let masked = hide([&mut q, &mut logits], n_items, masked, self.compat);
        constrain(&mut q, &logits, n_items, self.config.threshold);
        epsilon_greedy(q, n_items, masked, acting, self.config.epsilon, rng, actions);
        Ok(())
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        let states = self.learner.states(states);
        let [mut q, logits] = self.learner.finite_pair(self.learner.online.q_and_logits(&states))?;
        constrain(&mut q, &logits, self.n_items(), self.config.threshold);
        *scores = q;
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
            threshold: c.threshold,
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

/// Takes masked items out of both kinds of scores. Gives the mask that is still to be heeded: none where the reference's
/// product with the mask is wanted, after which a masked item may win.
pub fn hide<'a>(
    scores: [&mut Vec<f32>; 2],
    n_items: usize,
    masked: Option<MaskedRows<'a>>,
    compat: Compat,
) -> Option<MaskedRows<'a>> {
    let [q, logits] = scores;
    if compat.multiplicative_mask {
        sample::mask(q, n_items, masked, 0.0);
        sample::mask(logits, n_items, masked, 0.0);
        return None;
    }
    sample::mask(logits, n_items, masked, f32::NEG_INFINITY);
    masked
}
