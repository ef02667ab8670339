//! Training: collect, reward, give credit, update, over and over; online on new episodes or offline on recorded ones.

use std::time::Instant;

use causal_lm::{CausalLm, Slot};
use serde::{Deserialize, Serialize};

use super::checkpoint;
use super::learner::{Before, LearnConfig, Learned, Learner, Lesson, look};
use super::policy::ActorCritic;
use super::rollout::{Draw, Job, RolloutConfig, rollout};
use crate::codec::ActionCodec;
use crate::credit::{Credit, Credited, KlController, KlEstimator};
use crate::env::ToolEnvironment;
use crate::episode::{Episode, Limits};
use crate::method::{Aggregation, KlPlace, Method, PolicyLoss};
use crate::metrics::{Summary, summarise};
use crate::reward::Shaper;
use crate::{Baseline, Error, Result};

/// How training goes. The same for all methods that are compared, but the learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Iterations in all: how far training has come is counted by them.
    pub iterations: u64,
    /// Tasks an iteration.
    pub tasks: usize,
    /// Episodes a task.
    pub group: usize,
    /// Whether the episodes of a group meet the same failures.
    pub common_random_numbers: bool,
    /// How far episodes may go.
    pub limits: Limits,
    /// At which tokens are drawn.
    pub temperature: f64,
    /// The most episodes at once, in rollouts and in passes without gradients.
    pub batch: usize,
    /// The updates' settings.
    pub learn: LearnConfig,
    /// Of draws, failures and minibatches.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            iterations: 60,
            tasks: 32,
            group: 4,
            common_random_numbers: true,
            limits: Limits::default(),
            temperature: 1.0,
            batch: 128,
            learn: LearnConfig::default(),
            seed: 0,
        }
    }
}

impl TrainConfig {
    /// # Errors
    /// [`Error::Config`] naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.tasks == 0 || self.group == 0 || self.batch == 0 || self.iterations == 0 {
            return Err(Error::config("train", "needs at least one iteration, task, episode and row"));
        }
        self.learn.validate()?;
        self.rollout("").validate()
    }

    fn rollout(&self, policy: &str) -> RolloutConfig {
        RolloutConfig {
            limits: self.limits,
            draw: Draw::Sample { temperature: self.temperature, seed: self.seed },
            grammar: false,
            batch: self.batch,
            policy: policy.to_owned(),
        }
    }
}

/// What an iteration did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IterationReport {
    /// The number of iterations, this one included.
    pub iteration: u64,
    /// What the episodes were.
    pub episodes: Summary,
    /// The mean sum of rewards.
    pub reward: f64,
    /// The mean reward of each term.
    pub parts: Vec<(String, f64)>,
    /// The updates.
    pub learned: Learned,
    /// The factor of the penalty in this iteration.
    pub beta: f64,
    /// The mean k1 from the reference over an episode's tokens, summed; 0 without a reference.
    pub kl: f64,
    /// The mean k3 from the reference, per token.
    pub kl_3: f64,
    /// The mean entropy.
    pub entropy: f64,
    /// `1 - Var(return - value) / Var(return)`; nothing without a value head.
    pub explained_variance: Option<f64>,
    /// The share of groups whose returns were all the same.
    pub flat_groups: f64,
    /// Mean and standard deviation of advantages before they are whitened would say little; these are of what was used, by step.
    pub advantages_by_step: Vec<[f64; 2]>,
    /// Calls of tools since the beginning.
    pub environment_calls: u64,
    /// Tokens written since the beginning.
    pub tokens: u64,
    /// Seconds for rollout, for passes without gradients, and for updates.
    pub seconds: [f64; 3],
}

/// A policy in training.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// The policy as it is.
    pub model: ActorCritic,
    reference: Option<ActorCritic>,
    method: Method,
    config: TrainConfig,
    learner: Learner,
    notes: Notes,
}

/// What a checkpoint keeps beside parameters and moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Notes {
    method: Method,
    config: TrainConfig,
    iteration: u64,
    kl: KlController,
    calls: u64,
    tokens: u64,
    /// SHA-256 over the parameters of the reference; none without one, and in checkpoints from before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference_sha256: Option<String>,
}

impl Trainer {
    /// From a policy on a device with autodiff, which is also the reference.
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range, a device without autodiff or adapters with dropout.
    pub fn new(policy: CausalLm, method: &Method, config: &TrainConfig) -> Result<Self> {
        method.validate()?;
        config.validate()?;
        if !policy.device().is_autodiff() {
            return Err(Error::config(
                "device",
                "has no autodiff; a model for training is made on `device.autodiff()`",
            ));
        }
        refuse_dropout(&policy)?;
        let reference = (method.kl != KlPlace::Off).then(|| ActorCritic::new(policy.clone()).frozen());
        let reference_sha256 =
            reference.as_ref().map(|reference| checkpoint::digest(&reference.lm)).transpose()?;
        let model = ActorCritic::new(policy);
        let model = if method.critic { model.with_value_head() } else { model };
        let notes = Notes {
            method: method.clone(),
            config: config.clone(),
            iteration: 0,
            kl: method.kl_control,
            calls: 0,
            tokens: 0,
            reference_sha256,
        };
        let (method, config, learner) = (method.clone(), config.clone(), Learner::new(&config.learn)?);
        Ok(Self { model, reference, method, config, learner, notes })
    }

    /// The number of iterations so far.
    pub fn iteration(&self) -> u64 {
        self.notes.iteration
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The episodes that the next iteration learns from: `group` for each of its tasks. `task` gives the task of a number;
    /// numbers go on from iteration to iteration.
    ///
    /// # Errors
    /// As [`rollout`].
    pub fn collect<E, C>(
        &self,
        env: &E,
        codec: &C,
        task: &dyn Fn(u64) -> Result<E::Task>,
    ) -> Result<Vec<Episode>>
    where
        E: ToolEnvironment + Sync,
        C: ActionCodec,
    {
        let (tasks, group) = (self.config.tasks as u64, self.config.group as u64);
        let mut jobs = Vec::with_capacity(self.config.tasks * self.config.group);
        for at in 0..tasks {
            let number = self.notes.iteration * tasks + at;
            let own = task(number)?;
            for member in 0..group {
                let stream = number * group + member;
                let seed = if self.config.common_random_numbers { number } else { stream };
                let seed = seed ^ self.config.seed.rotate_left(32);
                jobs.push(Job { task: own.clone(), number, group: number, seed, stream });
            }
        }
        rollout(&self.model.lm, env, codec, &jobs, &self.config.rollout(&self.method.name))
    }

    /// Collects and learns.
    ///
    /// # Errors
    /// As [`Trainer::collect`] and [`Trainer::learn`].
    pub fn iterate<E, C>(
        &mut self,
        env: &E,
        codec: &C,
        task: &dyn Fn(u64) -> Result<E::Task>,
    ) -> Result<IterationReport>
    where
        E: ToolEnvironment + Sync,
        C: ActionCodec,
    {
        let start = Instant::now();
        let episodes = self.collect(env, codec, task)?;
        let seconds = start.elapsed().as_secs_f64();
        let mut report = self.learn(&episodes)?;
        report.seconds[0] = seconds;
        Ok(report)
    }

    /// One iteration on given episodes: its own, or recorded ones (offline). Old log-probabilities are computed from the policy as it is,
    /// as the released code does, so the first pass has ratios of 1; log-probabilities that an episode brings are not looked at.
    ///
    /// # Errors
    /// [`Error::Record`] for episodes without tokens or whose parts do not fit; [`Error::Diverged`].
    pub fn learn(&mut self, episodes: &[Episode]) -> Result<IterationReport> {
        for episode in episodes {
            if episode.tokens.is_empty() && !episode.steps.is_empty() {
                return Err(Error::record(
                    format!("episode {}", episode.id),
                    "has no tokens; see import::retokenise",
                ));
            }
            episode.check()?;
        }
        if episodes.iter().all(|episode| episode.steps.is_empty()) {
            return Err(Error::record("episodes", "have no steps to learn from"));
        }
        let start = Instant::now();
        let progress = self.notes.iteration as f32 / self.config.iterations as f32;
        let before = look(&self.model, self.reference.as_ref(), episodes, self.config.batch)?;
        let looked = start.elapsed().as_secs_f64();

        let beta = self.notes.kl.beta;
        let penalise = |estimator: KlEstimator| {
            let of = |policy: &[f32], reference: &[f32]| -> Vec<f32> {
                let pairs = policy.iter().zip(reference);
                pairs.map(|(&p, &q)| -(beta as f32) * estimator.estimate(p, q)).collect()
            };
            before.iter().map(|before| of(&before.log_probs, &before.reference)).collect::<Vec<_>>()
        };
        let token_rewards = match self.method.kl {
            KlPlace::Reward(estimator) => penalise(estimator),
            KlPlace::Off | KlPlace::Loss => Vec::new(),
        };
        let values: Vec<Vec<f32>> = before.iter().map(|before| before.values.clone()).collect();
        let (credited, flat_groups) = self.method.credit(episodes, &token_rewards, &values, progress);

        let seeds = [self.config.seed, self.notes.iteration];
        let lesson =
            Lesson { method: &self.method, kl: beta, episodes, before: &before, credited: &credited };
        let model = self.model.clone();
        let (model, learned) = self.learner.learn(model, &lesson, seeds)?;
        self.model = model;

        let (mut kl, mut kl_3, mut tokens) = (0.0, 0.0, 0);
        for before in &before {
            for (&p, &q) in before.log_probs.iter().zip(&before.reference) {
                kl += f64::from(KlEstimator::K1.estimate(p, q));
                kl_3 += f64::from(KlEstimator::K3.estimate(p, q));
            }
            tokens += before.log_probs.len();
        }
        kl /= episodes.len() as f64;
        self.notes.kl.update(kl, episodes.len());
        self.notes.iteration += 1;
        let summary = summarise(episodes);
        self.notes.calls += summary.calls as u64;
        self.notes.tokens += summary.action_tokens as u64;
        let count = episodes.len() as f64;
        let total = |rewards: &[f32]| f64::from(rewards.iter().sum::<f32>());
        let mut parts: Vec<(String, f64)> = Vec::new();
        for episode in episodes {
            for (at, (name, rewards)) in self.method.reward.parts(episode, progress).into_iter().enumerate() {
                if parts.len() <= at {
                    parts.push((name, 0.0));
                }
                parts[at].1 += total(&rewards) / count;
            }
        }
        Ok(IterationReport {
            iteration: self.notes.iteration,
            episodes: summary,
            reward: parts.iter().map(|part| part.1).sum(),
            parts,
            learned,
            beta,
            kl,
            kl_3: kl_3 / tokens.max(1) as f64,
            entropy: before.iter().map(|before| f64::from(before.entropy)).sum::<f64>() / count,
            explained_variance: self.method.critic.then(|| explained_variance(&credited, &values)),
            flat_groups,
            advantages_by_step: advantages_by_step(episodes, &credited),
            environment_calls: self.notes.calls,
            tokens: self.notes.tokens,
            seconds: [0.0, looked, start.elapsed().as_secs_f64() - looked],
        })
    }

    /// A file from which [`Trainer::resume`] goes on to the same result: parameters, optimiser, penalty, counters.
    ///
    /// # Errors
    /// [`rec_core::Error::Invalid`] if the settings cannot be written.
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        checkpoint::write(&self.model, &self.learner.optimizer, &self.notes)
    }

    /// Goes on from a checkpoint. `policy` is what [`Trainer::new`] was given: it is the reference. An older
    /// checkpoint that does not say which that was is taken on trust.
    ///
    /// # Errors
    /// [`causal_lm::Error::Format`] if the file is damaged; [`Error::Config`] if it was written under other settings or with another
    /// reference.
    pub fn resume(policy: CausalLm, method: &Method, config: &TrainConfig, bytes: &[u8]) -> Result<Self> {
        let mut trainer = Self::new(policy, method, config)?;
        let device = trainer.model.lm.device();
        let model = trainer.model.clone();
        let (model, notes): (ActorCritic, Notes) =
            checkpoint::read(model, &mut trainer.learner.optimizer, &device, bytes)?;
        if notes.method != *method || notes.config != *config {
            return Err(Error::config(
                "checkpoint",
                "was written under other settings; delete it to start again",
            ));
        }
        if notes.reference_sha256.is_some() && notes.reference_sha256 != trainer.notes.reference_sha256 {
            return Err(Error::config(
                "policy",
                "is not the one that this training began with, which is its reference",
            ));
        }
        trainer.model = model;
        trainer.notes = notes;
        Ok(trainer)
    }
}

fn explained_variance(credited: &[Credited], values: &[Vec<f32>]) -> f64 {
    let returns: Vec<f32> = credited.iter().flat_map(|credited| credited.returns.iter().copied()).collect();
    let pairs = returns.iter().zip(values.iter().flatten());
    let rest: Vec<f32> = pairs.map(|(total, value)| total - value).collect();
    let (_, all) = crate::credit::mean_and_variance(&returns);
    let (_, left) = crate::credit::mean_and_variance(&rest);
    if all > 0.0 { 1.0 - left / all } else { 0.0 }
}

/// Mean and standard deviation of the advantage at each step's first token, by the step's number.
fn advantages_by_step(episodes: &[Episode], credited: &[Credited]) -> Vec<[f64; 2]> {
    let mut by_step: Vec<Vec<f32>> = Vec::new();
    for (episode, credited) in episodes.iter().zip(credited) {
        let mut at = 0;
        for (number, step) in episode.steps.iter().enumerate() {
            if by_step.len() <= number {
                by_step.push(Vec::new());
            }
            by_step[number].push(credited.advantages[at]);
            at += step.action.len();
        }
    }
    let of = |own: &Vec<f32>| {
        let (mean, variance) = crate::credit::mean_and_variance(own);
        [mean, variance.sqrt()]
    };
    by_step.iter().map(of).collect()
}

/// Supervised training on the actions of episodes, whatever their outcome: the beginning of every method. Gives the policy and the mean
/// loss of each pass.
///
/// # Errors
/// As [`Trainer::learn`].
pub fn fine_tune(
    policy: CausalLm,
    episodes: &[Episode],
    learn: &LearnConfig,
    passes: u64,
    seed: u64,
) -> Result<(CausalLm, Vec<f64>)> {
    refuse_dropout(&policy)?;
    let method = imitation();
    let ones = |episode: &Episode| {
        let ones = vec![1.0; episode.action_tokens()];
        Credited { advantages: ones.clone(), returns: ones }
    };
    let credited: Vec<Credited> = episodes.iter().map(ones).collect();
    let before: Vec<_> = episodes
        .iter()
        .map(|episode| Before { log_probs: vec![0.0; episode.action_tokens()], ..Before::default() })
        .collect();
    for episode in episodes {
        episode.check()?;
    }
    let (mut model, mut losses) = (ActorCritic::new(policy), Vec::new());
    let mut learner = Learner::new(learn)?;
    let lesson = Lesson { method: &method, kl: 0.0, episodes, before: &before, credited: &credited };
    for pass in 0..passes {
        let (next, learned) = learner.learn(model, &lesson, [seed, pass])?;
        model = next;
        losses.push(learned.policy_loss);
    }
    Ok((model.lm, losses))
}

/// Ratios to what the policy said when it acted would hold one draw against another.
fn refuse_dropout(policy: &CausalLm) -> Result<()> {
    match policy.adapter_dropout(Slot::Active) {
        0.0 => Ok(()),
        share => {
            let what =
                format!("has adapters with dropout {share}, which is not carried out here; accepted is 0");
            Err(Error::config("policy", what))
        }
    }
}

fn imitation() -> Method {
    Method {
        name: "sft".to_owned(),
        reward: Shaper::outcome_only(),
        credit: Credit::Trajectory,
        baseline: Baseline::Zero,
        anchor: None,
        critic: false,
        loss: PolicyLoss::Imitation,
        aggregation: Aggregation::Token,
        whiten: false,
        kl: KlPlace::Off,
        kl_control: KlController { beta: 0.0, adaptive: None },
        entropy: 0.0,
        epochs: 1,
    }
}
