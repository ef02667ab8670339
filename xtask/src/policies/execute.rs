//! Running a plan: the user models of each seed first, then a child process for each policy and seed, several at a
//! time, each in a run folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rec_core::run::{RunFolder, Start};
use rl_env::Compat;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::experiment::{PlannedPolicy, PolicyPlan};
use super::outcome::{PolicyComparison, PolicyResult, PolicyRun};
use super::published;
use super::user_model::{self, Kind};
use super::world::{self, WorldSpec};
use crate::children::{self, Said, side_by_side};
use crate::cli::Existing;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::output;

/// What one child does: `config.toml` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyJob {
    /// The policy's name.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// Epochs.
    pub epochs: usize,
    /// The device.
    pub device: String,
    /// The world that the parent read; the child must come to the same.
    pub world: WorldSpec,
    /// Which defects of the reference are repeated.
    pub compat: Compat,
    /// The user model that the parent fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_model: Option<UserModelJob>,
    /// The settings of the policy, without what stands above.
    pub config: toml::Table,
}

/// Which user model a run needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserModelJob {
    /// The kind.
    pub kind: Kind,
    /// What identifies the fit.
    pub key: String,
    /// Its settings, which the key was made from.
    pub config: toml::Table,
}

/// The hidden command that children run.
pub const CHILD: &str = "policy-child";

struct Planned<'a> {
    policy: &'a PlannedPolicy,
    job: PolicyJob,
    path: PathBuf,
    finished: Option<PolicyRun>,
}

/// Runs `plan` under `folder`, `jobs` runs at a time, and puts the results together. Runs that fail are part of the
/// result.
///
/// # Errors
/// [`Error::Stale`] if the folder holds other runs and `existing` does not say what to do with them, errors of the
/// world and the user models, and [`Error::Io`].
pub fn execute(
    plan: &PolicyPlan,
    folder: &Path,
    existing: Existing,
    jobs: usize,
) -> Result<PolicyComparison> {
    let experiment = &plan.experiment;
    let known = world::find(&experiment.world)?;
    let data = world::folder(known, experiment.data.as_deref())?;
    let loaded = world::load(known.name, &data, &experiment.compat)?;
    let source = &loaded.source;
    let quit = loaded.quit(experiment.quit, &experiment.compat);
    quit.validate()?;
    let absolute = std::path::absolute(&data).map_err(|error| Error::io(&data, error))?;
    let spec = WorldSpec {
        name: known.name.to_owned(),
        data: if data.as_os_str().is_empty() { String::new() } else { absolute.display().to_string() },
        sha256: loaded.sha256.clone(),
        quit,
    };

    let mut planned = Vec::new();
    for policy in &plan.policies {
        for &seed in &experiment.seeds {
            let kind = policy.policy.user_model;
            let user_model = kind.map(|kind| user_model_job(plan, kind, seed, source, &spec)).transpose()?;
            let job = PolicyJob {
                policy: policy.policy.name.to_owned(),
                seed,
                epochs: experiment.epochs,
                device: experiment.device.clone(),
                world: spec.clone(),
                compat: experiment.compat,
                user_model,
                config: children::as_toml(&policy.config)?,
            };
            let path = folder.join(policy.policy.name).join(seed.to_string());
            let finished = finished_run(&children::prepare(&path, &job, existing)?)?;
            planned.push(Planned { policy, job, path, finished });
        }
    }

    fit_user_models(plan, folder, &planned, &loaded, jobs)?;
    let facts = facts(&loaded, &spec);
    // Children read it for themselves.
    drop(loaded);

    let bar = output::progress((planned.len() * experiment.epochs) as u64);
    let done = planned.iter().filter(|run| run.finished.is_some()).count();
    bar.inc((done * experiment.epochs) as u64);
    let now: Mutex<Vec<String>> = Mutex::new(vec![String::new(); jobs.max(1)]);
    let threads = (jobs > 1).then_some(1);
    let outcomes = side_by_side(&planned, jobs, |place, run| {
        if let Some(finished) = &run.finished {
            return Ok(finished.clone());
        }
        let title = format!("{} (seed {})", run.job.policy, run.job.seed);
        let tell = |text: String| {
            let mut now = now.lock().expect("nobody panicked with it");
            now[place] = text;
            let busy: Vec<&str> = now.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
            bar.set_message(busy.join(", "));
        };
        tell(title.clone());
        let mut told = 0;
        let outcome = children::run(CHILD, &run.path, threads, |said| {
            let Said::Beat(beat) = said else { return };
            // A run that goes on from a checkpoint starts in the middle.
            bar.inc(beat.epoch.saturating_sub(told) as u64);
            told = told.max(beat.epoch);
            let quality = beat.quality.map(|reward| format!(", reward {reward:.2}")).unwrap_or_default();
            tell(format!("{title}: epoch {} of {}{quality}", beat.epoch, beat.epochs));
        });
        bar.inc(experiment.epochs.saturating_sub(told) as u64);
        tell(String::new());
        let outcome = outcome.and_then(|()| {
            finished_run(&children::open(&run.path, &run.job, Start::Resume)?)?
                .ok_or_else(|| Error::Failed(format!("{}: no result", run.path.display())))
        });
        if let Err(error) = &outcome {
            bar.suspend(|| output::warn(format!("{title} failed: {error}")));
        }
        outcome
    });
    bar.finish_and_clear();

    let mut published = published::of(known.name);
    let mut policies: Vec<PolicyResult> = plan
        .policies
        .iter()
        .map(|planned| PolicyResult {
            name: planned.policy.name.to_owned(),
            about: planned.policy.about.to_owned(),
            config: planned.config.clone(),
            runs: Vec::new(),
            failures: Vec::new(),
            published: published.remove(planned.policy.name),
        })
        .collect();
    for (run, outcome) in planned.iter().zip(outcomes) {
        let place = plan.policies.iter().position(|own| std::ptr::eq(own, run.policy));
        let policy = &mut policies[place.expect("it comes from the plan")];
        match outcome {
            Ok(result) => policy.runs.push(result),
            Err(error) => policy.failures.push((run.job.seed, error.to_string())),
        }
    }
    let user_models = planned.iter().filter_map(|run| run.job.user_model.as_ref());
    let forced_length = plan.policies[0].config["training"]["forced_length"].as_u64().unwrap_or(10);
    Ok(PolicyComparison {
        name: plan.name.clone(),
        world: facts,
        compat: json!(experiment.compat),
        user_models: user_models.map(|model| (model.kind.name().to_owned(), json!(model.config))).collect(),
        seeds: experiment.seeds.clone(),
        epochs: experiment.epochs,
        device: experiment.device.clone(),
        jobs,
        forced_length,
        policies,
        machine: Machine::this(),
    })
}

fn user_model_job(
    plan: &PolicyPlan,
    kind: Kind,
    seed: u64,
    source: &rl_env::Source,
    spec: &WorldSpec,
) -> Result<UserModelJob> {
    let config = plan.user_model(kind, source.target)?;
    Ok(UserModelJob {
        kind,
        key: user_model::key(kind, &config, &plan.experiment.compat, seed, &spec.sha256),
        config: children::as_toml(&json!(config))?,
    })
}

/// Fits the user models that unfinished runs need and that are not there yet, each once.
fn fit_user_models(
    plan: &PolicyPlan,
    folder: &Path,
    planned: &[Planned<'_>],
    loaded: &world::Loaded,
    jobs: usize,
) -> Result<()> {
    let source = &loaded.source;
    let mut missing: Vec<(Kind, u64, String)> = planned
        .iter()
        .filter(|run| run.finished.is_none())
        .filter_map(|run| {
            let model = run.job.user_model.as_ref()?;
            Some((model.kind, run.job.seed, model.key.clone()))
        })
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|(kind, seed, key)| !user_model::is_there(&user_model::path(folder, *kind, *seed), key));
    if missing.is_empty() {
        return Ok(());
    }
    let tables = source.tables()?;
    let bar = output::progress(missing.len() as u64);
    bar.set_message("fitting user models");
    let experiment = &plan.experiment;
    let fitted = side_by_side(&missing, jobs, |_, (kind, seed, key)| {
        let config = plan.user_model(*kind, source.target)?;
        let data = (source, &tables);
        let model = user_model::fit(*kind, data, &config, &experiment.compat, *seed, &experiment.device)?;
        user_model::write(&user_model::path(folder, *kind, *seed), key, &model)?;
        bar.inc(1);
        Ok(())
    });
    bar.finish_and_clear();
    fitted.into_iter().collect()
}

/// The result, if the run is finished.
fn finished_run(run: &RunFolder) -> Result<Option<PolicyRun>> {
    Ok(run.result()?)
}

/// What reports say of a world.
fn facts(loaded: &world::Loaded, spec: &WorldSpec) -> Map<String, Value> {
    let source = &loaded.source;
    let mut facts = Map::new();
    let mut put = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    put("name", json!(spec.name));
    put("about", json!(world::find(&spec.name).map(|known| known.about).unwrap_or_default()));
    put("users", json!(source.truth_users.len()));
    put("items", json!(source.truth_items.len()));
    put("logged_interactions", json!(source.log.len()));
    put("quit_rule", json!(spec.quit.kind));
    put("quit_window", json!(spec.quit.window));
    put("quit_threshold", json!(spec.quit.threshold));
    put("quit_window_mode", json!(spec.quit.mode));
    put("most_turns", json!(spec.quit.max_turn));
    put("random_start", json!(spec.quit.random_start));
    put("sha256", json!(spec.sha256));
    facts
}
