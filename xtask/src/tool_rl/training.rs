//! What one run does: the supervised policy of a seed, or one row with one seed, on from its checkpoint if there is one.

use std::path::Path;
use std::time::Instant;

use rec_core::run::{RunFolder, read_metrics};
use serde::{Deserialize, Serialize};
use tool_rl::backoffice::{Backoffice, BackofficeCodec, ExpertConfig, Tier};
use tool_rl::burn::tensor::Device;
use tool_rl::lm::{Draw, IterationReport, Job, LearnConfig, RolloutConfig, Trainer, fine_tune, rollout};
use tool_rl::reward::rule_scores;
use tool_rl::{CausalLm, Episode, Method, summarise, write_episodes};

use super::experiment::Setup;
use super::rows::{self, Kind};
use super::world::{self, Metrics, Tasks};
use crate::children::{self, Beat, Said};
use crate::error::{Error, Result};
use crate::machine::processor_seconds;

/// What a run is judged on at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// Validation tasks, to choose by.
    Validation,
    /// Test tasks, for the tables.
    Test,
}

/// What one child does: `config.toml` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolJob {
    /// The row; `base` for the supervised policy of the seed.
    pub row: String,
    /// The seed.
    pub seed: u64,
    /// The learning rate, if a method trains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The method as JSON, so that a run does not go on after its row's meaning changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What it is judged on.
    pub judged: Judged,
    /// The device.
    pub device: String,
    /// What all runs share.
    pub setup: Setup,
    /// How noisy the experts are.
    pub expert: ExpertConfig,
}

/// The row's name of a seed's supervised policy.
pub const BASE: &str = "base";

/// Iterations, environment calls so far, and the share of T3's validation tasks that are passed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Iterations so far.
    pub iteration: u64,
    /// Calls of tools in training so far.
    pub calls: f64,
    /// The share passed, greedy.
    pub pass_t3: f64,
}

/// What a child found: `result.json` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolRun {
    /// The seed.
    pub seed: u64,
    /// What was measured at the end.
    pub metrics: Metrics,
    /// What was measured on the way.
    pub curve: Vec<CurvePoint>,
    /// Seconds by the clock of rollouts, passes without gradients, and updates.
    pub phases: [f64; 3],
    /// Processor seconds of all that is no judging (seconds by the clock where the system does not tell them): what they are
    /// does not depend on what else runs.
    pub seconds: f64,
}

/// The supervised policy in its run folder.
const POLICY: &str = "policy.safetensors";

/// Greedy episodes for readers, in a run folder.
pub const EPISODES: &str = "episodes.jsonl";

/// Episodes of each tier that are kept for readers.
pub const SHOWN: usize = 3;

/// Where a seed's supervised policy is, seen from a row's run folder.
fn base_of(folder: &Path, seed: u64) -> std::path::PathBuf {
    folder.join("../../../base").join(seed.to_string())
}

fn device(name: &str) -> Result<Device> {
    Ok(cf_align::autodiff::device(name)?.autodiff())
}

/// Greedy passes on T3's validation tasks.
fn curve_pass(policy: &CausalLm, office: &Backoffice, setup: &Setup) -> Result<f64> {
    let jobs = world::jobs(office, Tasks::Validation, &[Tier::T3], setup.curve_tasks)?;
    let judged = world::roll(policy, office, &jobs, Draw::Greedy)?;
    Ok(world::passes("", &judged)["_t3"])
}

/// All metrics of a policy; on test tasks its first episodes are kept for readers.
fn judge(policy: &CausalLm, office: &Backoffice, job: &ToolJob, folder: &Path) -> Result<Metrics> {
    let (tasks, count) = match job.judged {
        Judged::Validation => (Tasks::Validation, job.setup.validation_tasks),
        Judged::Test => (Tasks::Test, job.setup.test_tasks),
    };
    let (metrics, greedy) = world::judge(policy, office, tasks, count, job.seed)?;
    if job.judged == Judged::Test {
        write_episodes(&folder.join(EPISODES), &world::shown(&greedy, SHOWN))?;
    }
    Ok(metrics)
}

/// Does what the run folder says.
///
/// # Errors
/// What training and judging report; [`Error::Stale`] if the row's meaning changed.
pub fn work(run: &mut RunFolder, job: &ToolJob) -> Result<()> {
    let office = Backoffice::new(job.setup.busy)?;
    let result = if job.row == BASE {
        supervise(run, job, &office)?
    } else {
        let row = rows::find(&job.row, job.setup.kl)?;
        match (&row.kind, job.rate) {
            (Kind::Scripted(script), _) => {
                let judged = world::script(&office, *script, &job.expert, job.setup.test_tasks, job.seed)?;
                write_episodes(&run.path().join(EPISODES), &world::shown(&judged, SHOWN))?;
                let metrics = world::measures(&judged);
                ToolRun { seed: job.seed, metrics, curve: Vec::new(), phases: [0.0; 3], seconds: 0.0 }
            }
            (kind, Some(rate)) => train(run, job, &office, kind, rate)?,
            _ => return Err(Error::Usage(format!("{}: it takes a learning rate", job.row))),
        }
    };
    run.finish(&result)?;
    Ok(())
}

/// Processor seconds so far, or seconds since `start` where the system does not tell them.
fn spent(start: Instant) -> f64 {
    processor_seconds().unwrap_or_else(|| start.elapsed().as_secs_f64())
}

/// Trains the policy that all methods of a seed begin with.
fn supervise(run: &mut RunFolder, job: &ToolJob, office: &Backoffice) -> Result<ToolRun> {
    let (setup, seed, start) = (&job.setup, job.seed, Instant::now());
    let before = spent(start);
    let demonstrations = world::demonstrate(office, &job.expert, seed, 0, setup.demonstrations)?;
    let learn = LearnConfig {
        learning_rate: setup.sft_rate,
        minibatch: setup.sft_minibatch,
        ..LearnConfig::default()
    };
    let fresh = setup.model().init(seed, &device(&job.device)?).map_err(tool_rl::Error::from)?;
    let (policy, losses) = fine_tune(fresh, &demonstrations, &learn, setup.passes, seed)?;
    for (pass, loss) in losses.iter().enumerate() {
        run.metrics().append(pass + 1, &[("loss", *loss)])?;
    }
    let (clock, seconds) = (start.elapsed().as_secs_f64(), spent(start) - before);
    run.write_file(POLICY, &pref_opt::weights::to_bytes(&policy, "")?)?;
    let mut metrics = judge(&policy, office, job, run.path())?;
    // Calibration looks at validation tasks as well, whatever else is judged.
    let jobs = world::jobs(office, Tasks::Validation, &Tier::ALL, setup.validation_tasks)?;
    let drawn = world::roll(&policy, office, &jobs, Draw::Sample { temperature: 1.0, seed })?;
    metrics.extend(world::passes("valid_sampled", &drawn));
    let greedy = world::roll(&policy, office, &jobs, Draw::Greedy)?;
    metrics.extend(world::passes("valid", &greedy));
    let demonstrated: Vec<world::OfTier> = vec![(Tier::T1, demonstrations)];
    metrics.insert("demonstrations_passed".into(), world::passes("", &demonstrated)["_all"]);
    metrics.extend(losses.last().map(|loss| ("loss".to_owned(), *loss)));
    let curve = vec![CurvePoint { iteration: 0, calls: 0.0, pass_t3: curve_pass(&policy, office, setup)? }];
    Ok(ToolRun { seed, metrics, curve, phases: [0.0, 0.0, clock], seconds })
}

/// Where the episodes of an iteration come from, if they are not the policy's own.
enum Given {
    /// Each iteration takes the next of them.
    Fresh,
    /// The supervised policy's, in an order drawn anew for each pass.
    Recorded(Vec<Episode>),
}

impl Given {
    /// The episodes of an iteration, counted from 0.
    fn of(&self, iteration: u64, job: &ToolJob, office: &Backoffice) -> Result<Vec<Episode>> {
        let batch = (job.setup.tasks * job.setup.group) as u64;
        match self {
            Self::Fresh => {
                let from = job.setup.demonstrations + iteration * batch;
                world::demonstrate(office, &job.expert, job.seed, from, batch)
            }
            Self::Recorded(episodes) => {
                let batches = episodes.len() as u64 / batch;
                let order = world::shuffled(episodes.len(), job.seed, iteration / batches);
                let from = (iteration % batches * batch) as usize;
                let chosen = order[from..from + batch as usize].iter();
                Ok(chosen.map(|&at| episodes[at].clone()).collect())
            }
        }
    }
}

/// The episodes that the supervised policy draws on the tasks that online methods train on, with the released rules' word on
/// every step.
fn record(base: &CausalLm, job: &ToolJob, office: &Backoffice) -> Result<Vec<Episode>> {
    let (group, config) = (job.setup.group as u64, Tasks::Trained(job.seed).config());
    let mut jobs = Vec::new();
    for number in 0..job.setup.iterations * job.setup.tasks as u64 {
        let task = office.task(&config, number)?;
        let own = |member: u64| Job {
            task: task.clone(),
            number,
            group: number,
            seed: number,
            stream: number * group + member,
        };
        jobs.extend((0..group).map(own));
    }
    let draw = Draw::Sample { temperature: 1.0, seed: job.seed };
    let rollouts = RolloutConfig { draw, batch: 256, ..RolloutConfig::default() };
    let mut episodes = rollout(base, office, &BackofficeCodec, &jobs, &rollouts)?;
    episodes.iter_mut().for_each(rule_scores);
    Ok(episodes)
}

/// Trains a row from its seed's supervised policy.
fn train(run: &mut RunFolder, job: &ToolJob, office: &Backoffice, kind: &Kind, rate: f64) -> Result<ToolRun> {
    let (setup, seed) = (&job.setup, job.seed);
    let method = kind.method().ok_or_else(|| Error::Usage(format!("{} trains nothing", job.row)))?;
    if job.method.as_deref() != Some(&as_text(method)) {
        let what = "the method has changed since the run was planned; --fresh replaces it";
        return Err(Error::Stale(format!("{}: {what}", job.row)));
    }
    let path = base_of(run.path(), seed).join(POLICY);
    let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
    let fresh = setup.model().init(seed, &device(&job.device)?).map_err(tool_rl::Error::from)?;
    let (base, _) = pref_opt::weights::from_bytes(fresh, &bytes)?;

    let mut config = setup.training(rate, seed);
    let start = Instant::now();
    let before = spent(start);
    let given = match kind {
        Kind::MoreSupervised(_) => Some(Given::Fresh),
        Kind::Offline(_) => {
            config.iterations *= setup.offline_passes;
            Some(Given::Recorded(record(&base, job, office)?))
        }
        _ => None,
    };
    let recording = spent(start) - before;
    let mut trainer = match run.read_checkpoint()? {
        Some(bytes) => Trainer::resume(base.clone(), method, &config, &bytes)?,
        None => Trainer::new(base.clone(), method, &config)?,
    };
    let tasks = Tasks::Trained(seed).config();
    if trainer.iteration() == 0 {
        run.metrics().append(0, &[("calls", 0.0), ("valid_t3", curve_pass(&base, office, setup)?)])?;
    }
    while trainer.iteration() < config.iterations {
        let before = spent(start);
        let report = match &given {
            None => trainer.iterate(office, &BackofficeCodec, &|index| office.task(&tasks, index))?,
            Some(given) => trainer.learn(&given.of(trainer.iteration(), job, office)?)?,
        };
        let done = report.iteration;
        let mut values = told(&report);
        values.push(("seconds", spent(start) - before));
        let looks = setup.curve_every > 0 && done.is_multiple_of(setup.curve_every);
        if looks || done == config.iterations {
            values.push(("valid_t3", curve_pass(&trainer.model.lm, office, setup)?));
        }
        run.metrics().append(done as usize, &values)?;
        if done.is_multiple_of(setup.checkpoint_every) && done < config.iterations {
            run.write_checkpoint(&trainer.checkpoint()?)?;
        }
        children::say(&Said::Beat(Beat {
            epoch: done as usize,
            epochs: config.iterations as usize,
            quality: Some(report.episodes.pass),
        }));
    }
    let mut metrics = judge(&trainer.model.lm, office, job, run.path())?;
    run.write_file(POLICY, &pref_opt::weights::to_bytes(&trainer.model.lm, "")?)?;
    let records = read_metrics(&run.path().join("metrics.jsonl"))?;
    let (mut curve, mut phases) = (Vec::new(), [0.0; 3]);
    for record in &records {
        if let (Some(calls), Some(pass_t3)) = (record.get("calls"), record.get("valid_t3")) {
            curve.push(CurvePoint { iteration: record.epoch as u64, calls, pass_t3 });
        }
        for (sum, name) in phases.iter_mut().zip(PHASES) {
            *sum += record.get(name).unwrap_or(0.0);
        }
    }
    if let Some(last) = records.last() {
        for name in ["calls", "kl", "entropy", "reward", "explained_variance", "tokens"] {
            metrics.extend(last.get(name).map(|value| (format!("train_{name}"), value)));
        }
    }
    if let Some(Given::Recorded(episodes)) = &given {
        // They were played once, however often they are learnt from.
        metrics.insert("train_calls".into(), summarise(episodes).calls as f64);
    }
    let seconds = recording + records.iter().filter_map(|record| record.get("seconds")).sum::<f64>();
    Ok(ToolRun { seed, metrics, curve, phases, seconds })
}

/// A method as its job keeps it.
pub fn as_text(method: &Method) -> String {
    serde_json::to_string(method).expect("a method is plain data")
}

const PHASES: [&str; 3] = ["rollout_seconds", "look_seconds", "learn_seconds"];

/// An iteration for the log.
fn told(report: &IterationReport) -> Vec<(&'static str, f64)> {
    let mut values = vec![
        ("calls", report.environment_calls as f64),
        ("tokens", report.tokens as f64),
        ("pass", report.episodes.pass),
        ("finish", report.episodes.finish),
        ("steps", report.episodes.steps),
        ("reward", report.reward),
        ("kl", report.kl),
        ("beta", report.beta),
        ("entropy", report.entropy),
        ("flat_groups", report.flat_groups),
        ("clip_fraction", report.learned.clip_fraction),
        ("grad_norm", report.learned.grad_norm),
        ("skipped", report.learned.skipped as f64),
    ];
    values.extend(report.explained_variance.map(|value| ("explained_variance", value)));
    values.extend(PHASES.into_iter().zip(report.seconds));
    values.retain(|(_, value)| value.is_finite());
    values
}
