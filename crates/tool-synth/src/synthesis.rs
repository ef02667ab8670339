//! The whole pipeline for one sample: plan, speak, measure, verify, try again.
//!
//! Sample `i` depends on the seed and `i` alone. So any machine can make any part of a data set, in any order and on any number
//! of threads, and the parts fit together to the same bytes.

use std::collections::BTreeMap;

use rand::RngExt;
use rayon::prelude::*;
use rec_core::json::Object;
use rec_core::random::stream;
use rec_core::{Json, Trajectory};
use serde::{Deserialize, Serialize};

use crate::complexity::{LogProb, Ngram, Range, complexity};
use crate::dlv;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::sdg::{Mix, Plan, Planner, Reject, Stage, Voting, goal_metadata, wishes};
use crate::tss::{Documents, Grammar, Pool, PoolConfig};

/// Seeds of one attempt: its plan's and those of the rewrites.
const PLACES: u64 = 16;

/// Everything that decides what a data set holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who plays all agents, as the engine calls itself.
    pub engine: String,
    /// How many verified dialogues.
    pub count: u64,
    /// The seed of all choices.
    pub seed: u64,
    /// What tools are made of beside or instead of the embedded grammar.
    #[serde(skip_serializing_if = "Documents::is_empty")]
    pub documents: Documents,
    /// The tools.
    pub pool: PoolConfig,
    /// The dialogues.
    pub mix: Mix,
    /// Agreement.
    pub voting: Voting,
    /// The width of the offline assistant's errors at temperature 1.
    pub noise: f64,
    /// The most plans that are tried for one sample.
    pub attempts: u64,
    /// The most rewrites towards the range of complexity; up to 15, since each draws from a place of its own among 16 of the attempt.
    pub rewrites: u64,
    /// Whether a sample that stays out of the range is dropped; otherwise it is kept and marked.
    pub drop_out_of_range: bool,
    /// Dialogues in the prior set from which the range is estimated.
    pub prior: u64,
    /// After how many samples the range is estimated anew.
    pub epoch: u64,
    /// Whether each sample tells the decisions of the assistant.
    pub decisions: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            engine: "offline".to_owned(),
            count: 10_000,
            seed: 1,
            documents: Documents::default(),
            pool: PoolConfig::default(),
            mix: Mix::default(),
            voting: Voting::default(),
            noise: 0.15,
            attempts: 40,
            rewrites: 3,
            drop_out_of_range: false,
            prior: 256,
            epoch: 2_000,
            decisions: false,
        }
    }
}

impl Config {
    /// # Errors
    /// [`Error::Config`] with the setting and what it accepts.
    pub fn validate(&self) -> Result<()> {
        self.pool.validate()?;
        self.mix.validate()?;
        for (name, value) in [
            ("count", self.count),
            ("attempts", self.attempts),
            ("prior", self.prior),
            ("epoch", self.epoch),
            ("voting.votes", self.voting.votes as u64),
        ] {
            if value == 0 {
                return Err(Error::config(name, "0: at least 1"));
            }
        }
        for (name, value) in [("noise", self.noise), ("voting.temperature", self.voting.temperature)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(Error::config(name, format!("{value}: a finite number, 0 or more")));
            }
        }
        if self.rewrites >= PLACES {
            return Err(Error::config("rewrites", format!("{}: at most {}", self.rewrites, PLACES - 1)));
        }
        Ok(())
    }
}

/// What happened to the plans of some samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Plans that were spoken or given up.
    pub attempts: u64,
    /// Dialogues that were spoken to their end as the goal asks.
    pub spoken: u64,
    /// Of those, the ones that pass the rules.
    pub rules: u64,
    /// Of those, the ones that pass the experts.
    pub experts: u64,
    /// Why the others were given up.
    pub rejects: BTreeMap<String, u64>,
    /// Rewrites towards the range of complexity.
    pub rewrites: u64,
    /// Samples that were not made within the allowed attempts.
    pub missing: u64,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.spoken += other.spoken;
        self.rules += other.rules;
        self.experts += other.experts;
        self.rewrites += other.rewrites;
        self.missing += other.missing;
        for (reason, count) in &other.rejects {
            *self.rejects.entry(reason.clone()).or_default() += count;
        }
    }

    fn reject(&mut self, reject: &Reject) {
        *self.rejects.entry(reject.name()).or_default() += 1;
    }
}

/// The pipeline, ready to make samples.
pub struct Synthesizer<'a> {
    grammar: &'a Grammar,
    pool: &'a Pool,
    config: &'a Config,
    engine: &'a dyn Engine,
    planner: Planner<'a>,
    model: Ngram,
    ranges: Vec<Range>,
}

impl std::fmt::Debug for Synthesizer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Synthesizer")
            .field("config", &self.config)
            .field("apis", &self.pool.apis.len())
            .field("ranges", &self.ranges)
            .finish_non_exhaustive()
    }
}

/// A verified dialogue, or nothing where the attempts did not suffice; and what happened on the way.
pub type Made = (Option<Trajectory>, Tally);

impl<'a> Synthesizer<'a> {
    /// Fits the complexity model on a prior set and estimates the range of each epoch.
    ///
    /// The ranges of later epochs come from fresh draws of the same size, not from the samples accepted so far: a shard must
    /// not need the others' samples.
    ///
    /// # Errors
    /// Settings out of range, or what the engine fails with.
    pub fn new(
        grammar: &'a Grammar,
        pool: &'a Pool,
        config: &'a Config,
        engine: &'a dyn Engine,
    ) -> Result<Self> {
        config.validate()?;
        let planner = Planner::new(grammar, pool, &config.mix);
        let mut synthesizer =
            Self { grammar, pool, config, engine, planner, model: Ngram::default(), ranges: Vec::new() };
        // Before and after tuning: a model of the first quarter, and one of three quarters, judged on the last.
        let prior = synthesizer.prior(0)?;
        let quarter = (prior.len() / 4).max(1).min(prior.len());
        let before = Ngram::fit(prior[..quarter].iter().map(|(sample, _)| sample));
        let fitted = (quarter * 3).min(prior.len());
        synthesizer.model = Ngram::fit(prior[..fitted].iter().map(|(sample, _)| sample));
        let epochs = config.count.div_ceil(config.epoch);
        for epoch in 0..epochs {
            let fresh;
            let held: &[(Trajectory, bool)] = if epoch == 0 {
                &prior[fitted..]
            } else {
                fresh = synthesizer.prior(epoch)?;
                &fresh
            };
            let losses = |model: &Ngram, solved: bool| -> Result<Vec<f64>> {
                let chosen = held.iter().filter(|(_, known)| *known || !solved);
                chosen.map(|(sample, _)| complexity(model, sample)).collect()
            };
            let tuned = &synthesizer.model;
            let range =
                Range::estimate(&losses(&before, true)?, &losses(tuned, true)?, &losses(tuned, false)?);
            synthesizer.ranges.push(range);
        }
        Ok(synthesizer)
    }

    /// Dialogues for estimates, with whether the solver did each without doubt.
    fn prior(&self, epoch: u64) -> Result<Vec<(Trajectory, bool)>> {
        let seed = self.config.seed ^ 0x5052_494f_5200_0000 ^ (epoch << 8);
        let size = if epoch == 0 { self.config.prior } else { self.config.prior.div_ceil(2) };
        let all: Vec<Result<Option<(Trajectory, bool)>>> = (0..size)
            .into_par_iter()
            .map(|index| {
                let plan = self.planner.plan(seed, index, 0);
                let spoken =
                    readable(self.stage().speak(&plan, mix(seed, index, 0)))?.and_then(|spoken| spoken);
                Ok(spoken.ok().map(|spoken| (spoken.trajectory, spoken.solved)))
            })
            .collect();
        all.into_iter().filter_map(Result::transpose).collect()
    }

    fn stage(&self) -> Stage<'_> {
        Stage { grammar: self.grammar, pool: self.pool, engine: self.engine, voting: &self.config.voting }
    }

    /// The range of complexity of sample `index`.
    pub fn range(&self, index: u64) -> Range {
        let last = self.ranges.len() - 1;
        self.ranges[usize::try_from(index / self.config.epoch).map_or(last, |epoch| epoch.min(last))]
    }

    /// What plans and tools are made of.
    pub fn grammar(&self) -> &Grammar {
        self.grammar
    }

    /// The source of log-probabilities.
    pub fn log_prob(&self) -> &dyn LogProb {
        &self.model
    }

    /// Makes sample `index`.
    ///
    /// # Errors
    /// What the engine fails with.
    pub fn sample(&self, index: u64) -> Result<Made> {
        let config = self.config;
        let range = self.range(index);
        let mut tally = Tally::default();
        for attempt in 0..config.attempts {
            let mut plan = self.planner.plan(config.seed, index, attempt);
            let mut rewrites = 0;
            let mut kept: Option<Trajectory> = None;
            loop {
                let seed = mix(config.seed, index, attempt * PLACES + rewrites);
                let Some(sample) = self.attempt(&plan, index, attempt, seed, &mut tally)? else { break };
                let h = complexity(&self.model, &sample)?;
                let easy = h < range.lower;
                let within = !easy && h <= range.upper;
                let mut sample = sample;
                note(&mut sample, h, within, easy);
                kept = Some(sample);
                if within || rewrites == config.rewrites {
                    break;
                }
                rewrites += 1;
                let mut random = stream(seed, "rewrite", rewrites);
                let before = plan.clone();
                if easy {
                    self.planner.complicate(&mut plan, &mut random);
                } else {
                    self.planner.simplify(&mut plan, &mut random);
                }
                if plan == before {
                    break;
                }
                tally.rewrites += 1;
            }
            if let Some(sample) = kept {
                let within = sample.metadata.get("complexity_range").and_then(Json::as_str) == Some("within");
                if within || !config.drop_out_of_range {
                    return Ok((Some(sample), tally));
                }
                *tally.rejects.entry("complexity out of range".to_owned()).or_default() += 1;
            }
        }
        tally.missing += 1;
        Ok((None, tally))
    }

    /// Speaks and verifies one plan.
    fn attempt(
        &self,
        plan: &Plan,
        index: u64,
        attempt: u64,
        seed: u64,
        tally: &mut Tally,
    ) -> Result<Option<Trajectory>> {
        tally.attempts += 1;
        let spoken = match readable(self.stage().speak(plan, seed))?.and_then(|spoken| spoken) {
            Ok(spoken) => spoken,
            Err(reject) => {
                tally.reject(&reject);
                return Ok(None);
            }
        };
        tally.spoken += 1;
        let mut sample = spoken.trajectory.clone();
        sample.id = format!("sample_{index:06}");
        let mut metadata = Object::new();
        metadata.insert("type".into(), Json::from(plan.kind.name()));
        if let Some(turn) = plan.turns.last() {
            metadata.insert("no_tool".into(), no_tool(turn));
        }
        metadata.retain(|_, value| !value.is_null());
        metadata.insert("style".into(), Json::from(plan.style.name()));
        let mut domains: Vec<&str> = plan
            .turns
            .iter()
            .flat_map(wishes)
            .map(|wish| self.grammar.domains[self.pool.apis[wish.api].domain(self.grammar)].name.as_str())
            .collect();
        domains.sort_unstable();
        domains.dedup();
        metadata.insert("domains".into(), Json::from(domains));
        metadata.insert("attempt".into(), Json::from(attempt as i64));
        metadata.insert("masked".into(), Json::from(spoken.masked as i64));
        metadata.insert("dissimilarity".into(), Json::from(dissimilarity(&sample)));
        metadata.insert("goal".into(), goal_metadata(&spoken, plan));
        if self.config.decisions {
            let decisions: Json = spoken
                .decisions
                .iter()
                .map(|(at, decision)| {
                    let text = serde_json::to_string(decision).expect("a decision has a text");
                    (at.to_string(), text.parse::<Json>().unwrap_or_default())
                })
                .collect();
            metadata.insert("decisions".into(), decisions);
        }
        sample.metadata = metadata;
        if let Some(finding) = dlv::first_finding(&sample) {
            tally.reject(&Reject::Rule(finding.rule));
            return Ok(None);
        }
        tally.rules += 1;
        let opinions = match readable(self.stage().examine(&sample, seed))? {
            Ok(opinions) => opinions,
            Err(reject) => {
                tally.reject(&reject);
                return Ok(None);
            }
        };
        if let Some((expert, _)) = opinions.iter().find(|(_, opinion)| !opinion.pass) {
            tally.reject(&Reject::Expert(expert.name()));
            return Ok(None);
        }
        tally.experts += 1;
        Ok(Some(sample))
    }
}

/// A reply that cannot be read spoils the dialogue, not the run.
fn readable<T>(result: Result<T>) -> Result<std::result::Result<T, Reject>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Reply { .. }) => Ok(Err(Reject::Unreadable)),
        Err(error) => Err(error),
    }
}

fn mix(seed: u64, index: u64, attempt: u64) -> u64 {
    stream(seed, &format!("speak {attempt}"), index).random_range(0..u64::MAX)
}

fn note(sample: &mut Trajectory, h: f64, within: bool, easy: bool) {
    let rounded = (h * 10_000.0).round() / 10_000.0;
    let place = if within {
        "within"
    } else if easy {
        "below"
    } else {
        "above"
    };
    sample.metadata.insert("complexity".into(), Json::from(rounded));
    sample.metadata.insert("complexity_range".into(), Json::from(place));
}

fn no_tool(turn: &crate::sdg::Turn) -> Json {
    use crate::sdg::Turn;
    match turn {
        Turn::Calls { .. } => Json::Null,
        Turn::Missing { .. } => Json::from("missing_parameter"),
        Turn::Irrelevant(_) => Json::from("irrelevant_tools"),
        Turn::Chat(_) => Json::from("chat"),
    }
}

/// One minus the share of the called tools' words (name and description) that the user says; 0 without a call.
pub fn dissimilarity(sample: &Trajectory) -> f64 {
    use crate::engine::solver::words_of;
    let said: Vec<String> = sample
        .messages
        .iter()
        .filter(|message| message.role == rec_core::Role::User)
        .flat_map(|message| words_of(&message.content))
        .collect();
    let mut shares = Vec::new();
    for spec in sample.calls().filter_map(|call| sample.tool(&call.name)) {
        let mut words = words_of(&spec.name);
        words.extend(words_of(&spec.description));
        words.sort_unstable();
        words.dedup();
        let known = words.iter().filter(|word| said.contains(word)).count();
        shares.push(known as f64 / words.len().max(1) as f64);
    }
    if shares.is_empty() {
        return 0.0;
    }
    let mean = 1.0 - shares.iter().sum::<f64>() / shares.len() as f64;
    (mean * 10_000.0).round() / 10_000.0
}
