//! Many episodes at once: one decoding step a tick for all that are still going on.
//!
//! A row of the batch either writes (its next token is drawn) or reads (its next token is the next one of an observation). So
//! all rows take one token a tick, however long their observations are, and share one cache. Tokens are kept as they were
//! drawn and read; nothing is decoded and encoded again. Every episode draws from a stream of its own, so what becomes of it
//! does not depend on which others are in the batch.

use std::collections::VecDeque;

use causal_lm::{CausalLm, Session, Slot};
use rand::RngExt;
use rayon::prelude::*;
use rec_core::random::{Random, stream};
use serde::{Deserialize, Serialize};

use crate::codec::ActionCodec;
use crate::env::{End, ToolEnvironment};
use crate::episode::{Episode, Limits, take};
use crate::{Error, Result};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Draw {
    /// The likeliest; of equals the first.
    Greedy,
    /// Drawn after logits were divided by the temperature.
    Sample {
        /// Above 0; 1 draws from the policy itself.
        temperature: f64,
        /// Names the draws: episode `i` draws from stream `i` of this seed.
        seed: u64,
    },
}

/// How episodes are rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutConfig {
    /// How far an episode may go.
    pub limits: Limits,
    /// How tokens are chosen.
    pub draw: Draw,
    /// Whether actions are held to the codec's grammar. Log-probabilities are then those of the narrowed distribution, which the
    /// losses know nothing of: meant for evaluation.
    pub grammar: bool,
    /// The most episodes at once.
    pub batch: usize,
    /// Written into episodes.
    pub policy: String,
}

impl Default for RolloutConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            draw: Draw::Greedy,
            grammar: false,
            batch: 128,
            policy: String::new(),
        }
    }
}

impl RolloutConfig {
    /// # Errors
    /// [`Error::Config`] naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        let Limits { steps, action_tokens, tokens } = self.limits;
        if steps == 0 || action_tokens == 0 || tokens == 0 {
            return Err(Error::config("rollout.limits", "must be at least 1 each"));
        }
        if self.batch == 0 {
            return Err(Error::config("rollout.batch", "is 0, but must be at least 1"));
        }
        match self.draw {
            Draw::Sample { temperature, .. } if !(temperature > 0.0 && temperature.is_finite()) => {
                Err(Error::config("rollout.draw.temperature", format!("is {temperature}, not above 0")))
            }
            _ => Ok(()),
        }
    }
}

/// An episode to be.
#[derive(Clone, Debug)]
pub struct Job<T> {
    /// What is to be done.
    pub task: T,
    /// The task's number.
    pub number: u64,
    /// Episodes of one group are compared with each other.
    pub group: u64,
    /// What the environment is reset with.
    pub seed: u64,
    /// The stream that the episode draws from.
    pub stream: u64,
}

/// An episode on its way.
struct Live<E> {
    env: E,
    episode: Episode,
    rng: Random,
    /// What is being written, with the log-probabilities.
    action: Vec<u32>,
    log_probs: Vec<f32>,
    /// What is still to be read.
    unread: VecDeque<u32>,
    over: bool,
}

impl<E: ToolEnvironment> Live<E> {
    /// Takes the logits of the next token; gives the token to go on with.
    fn advance<C: ActionCodec>(&mut self, logits: &[f32], codec: &C, config: &RolloutConfig) -> u32 {
        if let Some(token) = self.unread.pop_front() {
            return token;
        }
        let limits = &config.limits;
        if self.episode.tokens.len() - self.episode.prompt + self.action.len() >= limits.tokens {
            // An action that cannot be ended was never made.
            self.close(End::TokenLimit);
            return 0;
        }
        let allowed = if config.grammar { codec.allowed(self.env.tools(), &self.action) } else { None };
        let (token, log_prob) = choose(logits, allowed.as_deref(), config.draw, &mut self.rng);
        self.action.push(token);
        self.log_probs.push(log_prob);
        if token == codec.end() || self.action.len() >= limits.action_tokens {
            let (action, log_probs) = (std::mem::take(&mut self.action), std::mem::take(&mut self.log_probs));
            let call = codec.read_action(&action);
            match take(&mut self.episode, &mut self.env, codec, call, &action, log_probs) {
                Some(end) => self.close(end),
                None if self.episode.steps.len() >= limits.steps => self.close(End::StepLimit),
                None => {
                    let last = self.episode.steps.last().map_or(0..0, |step| step.observation.clone());
                    self.unread.extend(&self.episode.tokens[last]);
                    if self.episode.tokens.len() - self.episode.prompt >= limits.tokens {
                        self.close(End::TokenLimit);
                    }
                }
            }
        }
        token
    }

    fn close(&mut self, end: End) {
        self.over = true;
        self.episode.end = Some(end);
        self.episode.outcome = self.env.outcome();
    }
}

/// Rolls out all jobs and gives their episodes in the jobs' order. Environments are copies of `env`; they are stepped on rayon's
/// threads.
///
/// # Errors
/// [`Error::Config`] for settings out of range, or a model whose vocabulary is not the codec's; as [`Session::start`] if the model has
/// fewer positions than the longest prompt and [`Limits::tokens`] ask for.
pub fn rollout<E, C>(
    model: &CausalLm,
    env: &E,
    codec: &C,
    jobs: &[Job<E::Task>],
    config: &RolloutConfig,
) -> Result<Vec<Episode>>
where
    E: ToolEnvironment + Sync,
    C: ActionCodec,
{
    config.validate()?;
    if model.config().vocab_size != codec.vocabulary() {
        let (model, codec) = (model.config().vocab_size, codec.vocabulary());
        return Err(Error::config("vocab_size", format!("is {model}, but the codec has {codec} tokens")));
    }
    let mut episodes = Vec::with_capacity(jobs.len());
    for jobs in jobs.chunks(config.batch) {
        episodes.extend(roll_batch(model, env, codec, jobs, config)?);
    }
    Ok(episodes)
}

fn roll_batch<E, C>(
    model: &CausalLm,
    env: &E,
    codec: &C,
    jobs: &[Job<E::Task>],
    config: &RolloutConfig,
) -> Result<Vec<Episode>>
where
    E: ToolEnvironment + Sync,
    C: ActionCodec,
{
    let seed = match config.draw {
        Draw::Sample { seed, .. } => seed,
        Draw::Greedy => 0,
    };
    let begin = |job: &Job<E::Task>| {
        let mut env = env.clone();
        env.reset(&job.task, job.seed);
        let tokens = codec.prompt(env.query(), env.tools());
        let episode = Episode {
            id: format!("{}-{}", job.number, job.stream),
            task: job.number,
            group: job.group,
            seed: job.seed,
            policy: config.policy.clone(),
            query: env.query().to_owned(),
            prompt: tokens.len(),
            tokens,
            ..Episode::default()
        };
        let rng = stream(seed, "rollout", job.stream);
        let (action, log_probs, unread) = (Vec::new(), Vec::new(), VecDeque::new());
        Live { env, episode, rng, action, log_probs, unread, over: false }
    };
    let mut all: Vec<Live<E>> = jobs.iter().map(begin).collect();
    let prompts: Vec<&[u32]> = all.iter().map(|live| live.episode.tokens.as_slice()).collect();
    let (mut session, mut logits) = Session::start(model, &prompts, config.limits.tokens, Slot::Active)?;
    let vocabulary = codec.vocabulary();
    // Which episode each row of the session belongs to.
    let mut rows: Vec<usize> = (0..all.len()).collect();
    let (mut row_of, mut next) = (vec![None; all.len()], Vec::with_capacity(all.len()));
    loop {
        row_of.fill(None);
        rows.iter().enumerate().for_each(|(row, &at)| row_of[at] = Some(row));
        let advance = |(live, row): (&mut Live<E>, &Option<usize>)| {
            let row = row.filter(|_| !live.over)?;
            let token = live.advance(&logits[row * vocabulary..][..vocabulary], codec, config);
            Some(token).filter(|_| !live.over)
        };
        all.par_iter_mut().zip(&row_of).map(advance).collect_into_vec(&mut next);
        let living = next.iter().flatten().count();
        if living == 0 {
            break;
        }
        // Rows that are over are carried along until an eighth of the batch is: on some devices, leaving them out copies the cache.
        if living * 8 <= rows.len() * 7 {
            let kept: Vec<usize> = (0..rows.len()).filter(|&row| next[rows[row]].is_some()).collect();
            session.reorder(&kept);
            rows = kept.iter().map(|&row| rows[row]).collect();
        }
        let ids: Vec<u32> = rows.iter().map(|&at| next[at].unwrap_or(0)).collect();
        session.step_into(&ids, &mut logits)?;
    }
    Ok(all.into_iter().map(|live| live.episode).collect())
}

/// A token, and its log-probability under the distribution that it was chosen from (before the temperature, if it is the likeliest).
pub(crate) fn choose(logits: &[f32], allowed: Option<&[u32]>, draw: Draw, rng: &mut Random) -> (u32, f32) {
    // A grammar that allows nothing leaves the choice free; what is then written is refused by the environment.
    match allowed.filter(|allowed| !allowed.is_empty()) {
        Some(allowed) => choose_among(logits, allowed.iter().copied(), draw, rng),
        None => choose_among(logits, 0..logits.len() as u32, draw, rng),
    }
}

fn choose_among(
    logits: &[f32],
    candidates: impl Iterator<Item = u32> + Clone,
    draw: Draw,
    rng: &mut Random,
) -> (u32, f32) {
    let temperature = match draw {
        Draw::Greedy => 1.0,
        Draw::Sample { temperature, .. } => temperature,
    };
    let mut best = (0, f32::NEG_INFINITY);
    for token in candidates.clone() {
        let logit = logits[token as usize];
        if logit > best.1 || best.1 == f32::NEG_INFINITY {
            best = (token, logit);
        }
    }
    let weight = |token: u32| (f64::from(logits[token as usize] - best.1) / temperature).exp();
    let total: f64 = candidates.clone().map(weight).sum();
    let mut chosen = best.0;
    if matches!(draw, Draw::Sample { .. }) {
        let mut left = rng.random::<f64>() * total;
        for token in candidates {
            chosen = token;
            left -= weight(token);
            if left < 0.0 {
                break;
            }
        }
    }
    let log_prob = f64::from(logits[chosen as usize] - best.1) / temperature - total.ln();
    (chosen, log_prob as f32)
}
