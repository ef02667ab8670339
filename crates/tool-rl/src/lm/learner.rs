//! Updates of a policy from episodes whose credit is given: minibatches, losses, steps of the optimiser.

use burn::tensor::Tensor;
use causal_lm::{AdamW, AdamWConfig, Slot};
use rand::RngExt;
use rec_core::random::stream;
use serde::{Deserialize, Serialize};

use super::factors;
use super::minibatch::Minibatch;
use super::policy::{ActorCritic, Row, ValueHead, batch_of, evaluate};
use crate::credit::Credited;
use crate::episode::Episode;
use crate::method::{Method, PolicyLoss};
use crate::{Error, Result};

/// How steps are taken. Defaults are those that section 12 of the design holds the same for all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearnConfig {
    /// The learning rate; it stays.
    pub learning_rate: f64,
    /// Episodes a step.
    pub minibatch: usize,
    /// Gradients are scaled so that their norm is at most this.
    pub max_grad_norm: Option<f64>,
    /// The weight of the value loss.
    pub value_weight: f32,
    /// How far a value may move from the old one before its loss is clipped.
    pub value_clip: Option<f32>,
    /// A minibatch whose mean ratio is above this is left out.
    pub ratio_threshold: f32,
    /// Passes over a batch stop when the policy has moved this far (mean k3 from the old one).
    pub target_kl: Option<f32>,
    /// The optimiser's.
    pub adamw: AdamWConfig,
}

impl Default for LearnConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            minibatch: 32,
            max_grad_norm: Some(1.0),
            value_weight: 0.1,
            value_clip: Some(0.2),
            ratio_threshold: 10.0,
            target_kl: None,
            adamw: AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() },
        }
    }
}

impl LearnConfig {
    /// # Errors
    /// [`Error::Config`] naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        for (key, fits) in [
            ("learning_rate", self.learning_rate >= 0.0 && self.learning_rate.is_finite()),
            ("minibatch", self.minibatch > 0),
            ("max_grad_norm", self.max_grad_norm.is_none_or(|norm| norm > 0.0)),
            ("value_weight", self.value_weight >= 0.0),
            ("value_clip", self.value_clip.is_none_or(|clip| clip > 0.0)),
            ("ratio_threshold", self.ratio_threshold > 1.0),
            ("target_kl", self.target_kl.is_none_or(|kl| kl > 0.0)),
        ] {
            if !fits {
                return Err(Error::config(format!("learn.{key}"), "is out of range"));
            }
        }
        Ok(())
    }
}

/// What is known of an episode before the policy moves, for each of its action tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Before {
    /// `log p` under the policy as it was.
    pub log_probs: Vec<f32>,
    /// `log p` under the reference; empty if there is none.
    pub reference: Vec<f32>,
    /// The values; empty without a value head.
    pub values: Vec<f32>,
    /// The mean entropy.
    pub entropy: f32,
}

/// What an update learns from.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// Loss, weighing, passes.
    pub method: &'a Method,
    /// The factor of a penalty in the loss.
    pub kl: f64,
    /// The episodes.
    pub episodes: &'a [Episode],
    /// What was known of each.
    pub before: &'a [Before],
    /// The credit of its tokens.
    pub credited: &'a [Credited],
}

/// What an update did, as means over its minibatches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// The loss of the policy.
    pub policy_loss: f64,
    /// The loss of the value head.
    pub value_loss: f64,
    /// The mean k3 from the old policy, at the last minibatch.
    pub moved: f64,
    /// The share of tokens whose clipped term counts.
    pub clip_fraction: f64,
    /// The norm of the gradients before they were scaled.
    pub grad_norm: f64,
    /// Minibatches left out because of their ratio.
    pub skipped: usize,
    /// Steps taken.
    pub steps: usize,
}

/// The optimiser's state.
#[derive(Clone, Debug)]
pub struct Learner {
    pub(crate) optimizer: AdamW,
    config: LearnConfig,
}

fn host(values: Tensor<1>) -> Vec<f32> {
    values.into_data().iter::<f32>().collect()
}

/// The most rows that are looked at together by hand, where more bring nothing.
const TOGETHER: usize = 32;

/// What policy, value head and reference say of episodes as they are, without gradients. Rows are taken together in the order of
/// their length, so that little is padding; results do not depend on it.
///
/// # Errors
/// As [`evaluate`].
pub fn look(
    model: &ActorCritic,
    reference: Option<&ActorCritic>,
    episodes: &[Episode],
    batch: usize,
) -> Result<Vec<Before>> {
    let model = model.frozen();
    let head = model.value.as_ref().map(ValueHead::on_host);
    let mut all = vec![Before::default(); episodes.len()];
    for places in by_length(episodes).chunks(batch.clamp(1, TOGETHER)) {
        let rows: Vec<Row<'_>> = places.iter().map(|&at| Row::of(&episodes[at])).collect();
        let tokens = batch_of(&rows)?;
        let Some(found) = model.lm.readings(&tokens, Slot::Active)? else {
            return look_by_tensors(&model, reference, episodes, batch);
        };
        let values: Vec<f32> = head.as_ref().map_or_else(Vec::new, |(weight, bias)| {
            let states = found.states.chunks_exact(weight.len());
            states.map(|state| factors::value(state, weight, *bias)).collect()
        });
        let reference = match reference {
            None => Vec::new(),
            Some(reference) => match reference.lm.readings(&tokens, Slot::Active)? {
                Some(found) => found.log_probs,
                None => host(evaluate(reference, &rows, Slot::Active)?.log_probs),
            },
        };
        write_down(&mut all, episodes, places, [&found.log_probs, &reference, &values, &found.entropies]);
    }
    Ok(all)
}

/// [`look`] by tensors, on any device: what it does where `causal-lm` has no pass by hand, and is held to where it has.
///
/// # Errors
/// As [`evaluate`].
pub fn look_by_tensors(
    model: &ActorCritic,
    reference: Option<&ActorCritic>,
    episodes: &[Episode],
    batch: usize,
) -> Result<Vec<Before>> {
    let model = model.frozen();
    let mut all = vec![Before::default(); episodes.len()];
    for places in by_length(episodes).chunks(batch.max(1)) {
        let rows: Vec<Row<'_>> = places.iter().map(|&at| Row::of(&episodes[at])).collect();
        let found = evaluate(&model, &rows, Slot::Active)?;
        let [log_probs, entropies] = [found.log_probs, found.entropies].map(host);
        let values = found.values.map_or_else(Vec::new, host);
        let reference = match reference {
            None => Vec::new(),
            Some(reference) => host(evaluate(reference, &rows, Slot::Active)?.log_probs),
        };
        write_down(&mut all, episodes, places, [&log_probs, &reference, &values, &entropies]);
    }
    Ok(all)
}

/// The episodes with actions, shortest first.
fn by_length(episodes: &[Episode]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..episodes.len()).filter(|&at| episodes[at].action_tokens() > 0).collect();
    order.sort_by_key(|&at| (episodes[at].tokens.len(), at));
    order
}

/// Gives each of the episodes at `places` its share of log-probabilities, the reference's, values and entropies; lists may be empty.
fn write_down(all: &mut [Before], episodes: &[Episode], places: &[usize], lists: [&[f32]; 4]) {
    let mut first = 0;
    for &at in places {
        let count = episodes[at].action_tokens();
        let [log_probs, reference, values, entropies] =
            lists.map(|list| list.get(first..first + count).unwrap_or_default());
        all[at] = Before {
            log_probs: log_probs.to_vec(),
            reference: reference.to_vec(),
            values: values.to_vec(),
            entropy: entropies.iter().sum::<f32>() / count as f32,
        };
        first += count;
    }
}

impl Learner {
    /// Before the first step.
    ///
    /// # Errors
    /// As [`LearnConfig::validate`].
    pub fn new(config: &LearnConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { optimizer: AdamW::new(config.adamw), config: config.clone() })
    }

    /// The number of steps so far.
    pub fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Goes `method.epochs` times over the episodes, in an order drawn from `seed` and `iteration`.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a gradient is not finite; as [`evaluate`].
    pub fn learn(
        &mut self,
        mut model: ActorCritic,
        lesson: &Lesson<'_>,
        [seed, iteration]: [u64; 2],
    ) -> Result<(ActorCritic, Learned)> {
        let Lesson { method, episodes, credited, .. } = *lesson;
        let mut learned = Learned::default();
        // What has no advantage at all teaches an imitator nothing.
        let imitates = matches!(method.loss, PolicyLoss::Imitation);
        let is_used = |at: usize| {
            episodes[at].action_tokens() > 0
                && !(imitates && credited[at].advantages.iter().all(|a| *a == 0.0))
        };
        let used: Vec<usize> = (0..episodes.len()).filter(|&at| is_used(at)).collect();
        'passes: for epoch in 0..method.epochs {
            let mut order = used.clone();
            let mut rng = stream(seed, &format!("minibatches {epoch}"), iteration);
            for at in (1..order.len()).rev() {
                order.swap(at, rng.random_range(0..=at));
            }
            for places in order.chunks(self.config.minibatch) {
                let moved;
                (model, moved) = self.step(model, lesson, places, &mut learned)?;
                if self.config.target_kl.is_some_and(|most| moved > f64::from(most)) {
                    break 'passes;
                }
            }
        }
        let steps = learned.steps.max(1) as f64;
        for mean in [
            &mut learned.policy_loss,
            &mut learned.value_loss,
            &mut learned.clip_fraction,
            &mut learned.grad_norm,
        ] {
            *mean /= steps;
        }
        Ok((model, learned))
    }

    /// One minibatch. Gives the policy, and how far it had moved from the old one.
    fn step(
        &mut self,
        model: ActorCritic,
        lesson: &Lesson<'_>,
        places: &[usize],
        learned: &mut Learned,
    ) -> Result<(ActorCritic, f64)> {
        let found = Minibatch::new(lesson, places).gradients(&model, &self.config)?;
        let moved = found.moved;
        let Some(gradients) = found.gradients else {
            learned.skipped += 1;
            return Ok((model, moved));
        };
        let norm = gradients.norm();
        if !norm.is_finite() {
            return Err(Error::Diverged { what: "gradient".to_owned(), steps: self.optimizer.steps() });
        }
        learned.policy_loss += found.policy_loss;
        learned.value_loss += found.value_loss;
        learned.clip_fraction += found.clip_fraction;
        learned.grad_norm += norm;
        learned.steps += 1;
        learned.moved = moved;
        let scale = self.config.max_grad_norm.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0));
        let model = self.optimizer.step(model, gradients, scale, self.config.learning_rate);
        Ok((model, moved))
    }
}
