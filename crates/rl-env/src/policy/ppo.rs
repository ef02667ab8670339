//! Proximal policy optimisation.

use burn::tensor::Device;
use rand::seq::SliceRandom;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::actor_critic::{ActionSpace, ActorCritic, Layout};
use super::settings::{count, learning_rate, max_grad_norm, require, share, weight};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule, minibatches};
use crate::Result;
use crate::bits::MaskedRows;
use crate::network::Start;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};

/// The settings of [`Ppo`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PpoConfig {
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
    /// How far the ratio of probabilities may leave 1 before it stops to pay.
    pub clip: f32,
    /// Whether values may leave those before the pass by [`PpoConfig::clip`] at most.
    pub value_clip: bool,
    /// Whether the advantages of a minibatch are shifted and scaled to mean 0 and deviation 1.
    pub normalize_advantages: bool,
    /// The weight of the critic's loss.
    pub value_weight: f64,
    /// The weight of the entropy bonus.
    pub entropy_weight: f64,
    /// The largest gradient norm of trunk and heads, if any.
    pub max_grad_norm: Option<f64>,
    /// Transitions per minibatch.
    pub batch_size: usize,
    /// Passes over each round of episodes. With one pass the ratio rarely leaves the clip.
    pub repeat: usize,
    /// Whether an actor over items takes its likeliest item when it is judged, rather than draw.
    pub greedy: bool,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            actions: ActionSpace::Items,
            hidden: vec![64, 64],
            start: Start::Uniform,
            learning_rate: 1e-3,
            gamma: 0.9,
            gae_lambda: 0.95,
            clip: 0.2,
            value_clip: false,
            normalize_advantages: true,
            value_weight: 0.5,
            entropy_weight: 0.0,
            max_grad_norm: Some(0.5),
            batch_size: 1024,
            repeat: 1,
            greedy: true,
        }
    }
}

impl PpoConfig {
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
        require(self.clip > 0.0, "clip", self.clip, "numbers above 0")?;
        count("repeat", self.repeat)?;
        count("batch_size", self.batch_size)
    }
}

/// Proximal policy optimisation with clipped ratios (Schulman et al., 2017, eq. 7 and 9): after every round of episodes
/// some passes over them,
///
/// `loss = -mean min(q_t A_t, clip(q_t, 1 - eps, 1 + eps) A_t) + c_v mean (R_t - V(s_t))^2 - c_e mean H(pi(. | s_t))`
///
/// where `q_t = pi(a_t | s_t) / pi_old(a_t | s_t)`; advantages, returns and `pi_old` are those before the first pass.
#[derive(Debug)]
pub struct Ppo {
    config: PpoConfig,
    net: ActorCritic,
}

impl Ppo {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(config: &PpoConfig, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
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

impl Policy for Ppo {
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

    /// Draws from the policy to explore; see [`PpoConfig::greedy`] for being judged.
    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        let greedy = self.config.greedy && acting != Acting::Explore;
        self.net.choose(states, masked, greedy, acting != Acting::Judge, rng, actions)
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.net.scores(states)?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let c = &self.config;
        let slots = replay.ordered();
        let before = self.net.estimates(replay, &slots, c.gamma, c.gae_lambda);
        let old_log_probs = self.net.log_probs(replay, &slots);

        let mut order: Vec<usize> = (0..slots.len()).collect();
        let (mut sums, mut batches) = ([0.0; 4], 0.0);
        for _ in 0..c.repeat {
            order.shuffle(rng);
            for batch in minibatches(&order, c.batch_size) {
                let pick = |from: &[f32]| batch.iter().map(|&at| from[at]).collect::<Vec<_>>();
                let mut advantage = pick(&before.advantages);
                if c.normalize_advantages {
                    normalize(&mut advantage);
                }
                let advantage = self.net.tensor(&advantage);
                let [old_log_prob, old_value, target] = [&old_log_probs, &before.values, &before.returns]
                    .map(|from| self.net.tensor(&pick(from)));
                let of: Vec<u32> = batch.iter().map(|&at| slots[at]).collect();

                let out = self.net.forward(replay, &of, rng);
                let ratio = out.log_probs.clone().sub(old_log_prob).exp();
                let clipped = ratio.clone().clamp(1.0 - c.clip, 1.0 + c.clip).mul(advantage.clone());
                let actor = ratio.mul(advantage).min_pair(clipped).mean().neg();
                let mut square = target.clone().sub(out.values.clone()).square();
                if c.value_clip {
                    let moved = out.values.clone().sub(old_value.clone()).clamp(-c.clip, c.clip);
                    let near = old_value.add(moved);
                    square = square.max_pair(target.sub(near).square());
                }
                let value = square.mean();
                let entropy = out.entropies.clone().mean();
                let mut loss = actor.clone().add(value.clone().mul_scalar(c.value_weight));
                if c.entropy_weight != 0.0 {
                    loss = loss.sub(entropy.clone().mul_scalar(c.entropy_weight));
                }

                let terms = self.net.descend(out, [loss, actor, value, entropy])?;
                sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
                batches += 1.0;
            }
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

/// Shifts and scales to mean 0 and (unbiased) standard deviation 1.
fn normalize(values: &mut [f32]) {
    let n = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    // A single value has no deviation.
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    values.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) / (deviation + 1e-8)) as f32);
}
