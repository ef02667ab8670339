//! Running an experiment: for each seed the policy that all arms begin with, then a child process for each arm, beta and
//! seed, several at a time, each in a run folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pref_opt::LoraConfig;
use pref_opt::data::{DataConfig, PreferenceData};
use pref_opt::selfplay::{BaseConfig, RoundRecord, SelfPlayConfig};
use rec_core::run::Start;
use serde::{Deserialize, Serialize};

use super::experiment::{Cell, PreferenceExperiment, Profile};
use super::outcome::{ArmResult, PreferenceComparison};
use crate::children::{self, side_by_side};
use crate::cli::Existing;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::{data, output};

/// The hidden command that children run.
pub const CHILD: &str = "preference-child";

/// What one child does: `config.toml` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferenceJob {
    /// The arm's name; none for the policy that all arms begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Beta, where it changes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<f64>,
    /// The seed.
    pub seed: u64,
    /// The folder of the data set.
    pub data: String,
    /// The interactions that the parent read; the child must come to the same.
    pub data_sha256: String,
    /// The device.
    pub device: String,
    /// How events become windows.
    pub windows: DataConfig,
    /// How items become tokens.
    pub profile: Profile,
    /// Adapters that rounds train instead of all weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraConfig>,
    /// The policy that all arms begin with.
    pub base: BaseConfig,
    /// The rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<SelfPlayConfig>,
}

/// What a child found: `result.json` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreferenceRun {
    /// The seed.
    pub seed: u64,
    /// What was measured before the first round.
    pub start: BTreeMap<String, f64>,
    /// How often each item stood first before the first round.
    pub start_recommended: Vec<u32>,
    /// The rounds.
    pub rounds: Vec<RoundRecord>,
    /// Theory beside what was measured, where negatives do not come from the policy.
    pub theory: BTreeMap<String, f64>,
    /// For groups of items from the least to the most popular: mean `ln(p/q)` and mean `ln(pi/pi_ref)`, both centred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub theory_points: Vec<[f64; 2]>,
    /// Seconds of each phase.
    pub phases: BTreeMap<String, f64>,
    /// Seconds of training and judging.
    pub seconds: f64,
}

impl PreferenceRun {
    /// What was measured at the end.
    pub fn last(&self) -> &BTreeMap<String, f64> {
        self.rounds.last().map_or(&self.start, |round| &round.evaluation)
    }

    /// How often each item stood first at the end.
    pub fn recommended(&self) -> &[u32] {
        self.rounds.last().map_or(&self.start_recommended, |round| &round.recommended)
    }
}

/// Reads and prepares a data set; on a scale beyond 5 the least rating is doubled.
///
/// # Errors
/// What the readers report.
pub fn load(folder: &str, windows: &DataConfig) -> Result<(PreferenceData, String)> {
    let dataset = data::load(folder)?;
    let sha256 = dataset.sha256();
    let most = dataset.interactions.ratings.iter().flatten().copied().fold(0.0, f32::max);
    let scale = if most > 5.0 { 2.0 } else { 1.0 };
    let config = DataConfig { least_rating: windows.least_rating * scale, ..windows.clone() };
    Ok((PreferenceData::new(dataset, &config)?, sha256))
}

/// Where the policy that all arms begin with is, seen from an arm's run folder.
pub fn base_of(folder: &Path, seed: u64) -> PathBuf {
    folder.join("../../base").join(seed.to_string())
}

struct Planned {
    title: String,
    job: PreferenceJob,
    path: PathBuf,
    /// What is finished already.
    done: Option<PreferenceRun>,
}

/// Runs everything under `folder`, `jobs` runs at a time. Runs that fail are part of the result.
///
/// # Errors
/// [`Error::Usage`] for an experiment that does not hold, [`Error::Stale`] if the folder holds other runs, and what data
/// and base policies report.
pub fn execute(
    name: &str,
    experiment: &PreferenceExperiment,
    folder: &Path,
    existing: Existing,
    jobs: usize,
) -> Result<PreferenceComparison> {
    let cells = experiment.cells()?;
    let place = data::locate(&experiment.data)?;
    let place = std::path::absolute(&place).map_err(|error| Error::io(&place, error))?;
    let place = place.display().to_string();
    let (loaded, data_sha256) = load(&place, &experiment.windows)?;
    let job = |cell: Option<&Cell>, seed: u64| PreferenceJob {
        arm: cell.map(|cell| cell.arm.name.to_owned()),
        beta: cell.and_then(|cell| cell.beta),
        seed,
        data: place.clone(),
        data_sha256: data_sha256.clone(),
        device: experiment.device.clone(),
        windows: experiment.windows.clone(),
        profile: experiment.profile,
        lora: experiment.lora.clone(),
        base: experiment.base.clone(),
        rounds: cell.map(|cell| cell.arm.rounds(experiment, cell.beta.unwrap_or(0.1))),
    };
    // All folders are readied before the first child is started: a child that is being started holds, for a moment, the
    // locks of all folders that are open here.
    let plan = |title: String, job: PreferenceJob, path: PathBuf| -> Result<Planned> {
        let done = children::prepare(&path, &job, existing)?.result()?;
        Ok(Planned { title, job, path, done })
    };
    let mut bases = Vec::new();
    for &seed in &experiment.seeds {
        let path = folder.join("base").join(seed.to_string());
        bases.push(plan(format!("base (seed {seed})"), job(None, seed), path)?);
    }
    let mut runs = Vec::new();
    for &seed in &experiment.seeds {
        for cell in &cells {
            let path = folder.join(cell.name()).join(seed.to_string());
            runs.push(plan(format!("{} (seed {seed})", cell.name()), job(Some(cell), seed), path)?);
        }
    }
    let bar = output::progress((bases.len() + runs.len()) as u64);
    let threads = (jobs > 1).then_some(1);
    let run = |planned: &Planned| -> Result<PreferenceRun> {
        bar.set_message(planned.title.clone());
        let result = match &planned.done {
            Some(result) => Ok(result.clone()),
            None => children::run(CHILD, &planned.path, threads, |_| {}).and_then(|()| {
                children::open(&planned.path, &planned.job, Start::Resume)?
                    .result()?
                    .ok_or_else(|| Error::Failed(format!("{}: no result", planned.path.display())))
            }),
        };
        bar.inc(1);
        if let Err(error) = &result {
            bar.suspend(|| output::warn(format!("{} failed: {error}", planned.title)));
        }
        result
    };
    for found in side_by_side(&bases, jobs, |_, planned| run(planned)) {
        found?;
    }
    let outcomes = side_by_side(&runs, jobs, |_, planned| run(planned));
    bar.finish_and_clear();
    let mut arms: Vec<ArmResult> = cells
        .iter()
        .map(|cell| ArmResult {
            name: cell.arm.name.to_owned(),
            about: cell.arm.about.to_owned(),
            beta: cell.beta,
            rounds: cell.arm.rounds(experiment, cell.beta.unwrap_or(0.1)),
            runs: Vec::new(),
            failures: Vec::new(),
        })
        .collect();
    for (index, (planned, outcome)) in runs.iter().zip(outcomes).enumerate() {
        let arm = &mut arms[index % cells.len()];
        match outcome {
            Ok(result) => arm.runs.push(result),
            Err(error) => arm.failures.push((planned.job.seed, error.to_string())),
        }
    }
    Ok(PreferenceComparison {
        name: name.to_owned(),
        experiment: experiment.clone(),
        users: loaded.dataset.n_users(),
        items: loaded.n_items(),
        windows: loaded.windows.len(),
        target_counts: loaded.target_counts,
        arms,
        machine: Machine::this(),
    })
}
