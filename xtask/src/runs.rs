//! Running a plan: one child process for each model and seed, each in a run folder of its own, so that a crash
//! stays where it is, memory is the model's own, and what was cut off can go on.

use std::path::Path;

use cf_align::analysis::critical_gamma;
use rec_core::UserItems;
use rec_core::filter::FilterConfig;
use rec_core::run::{RunFolder, Start};
use rec_core::split::Manifest;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::children::{self, Said};
use crate::cli::Existing;
use crate::comparison::{Comparison, ModelResult, PerUser, RunResult, deciles};
use crate::data;
use crate::error::{Error, Result};
use crate::experiment::{Plan, PlannedModel};
use crate::machine::Machine;
use crate::output;

/// What one child does: `config.toml` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The model's name.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// The device.
    pub device: String,
    /// The data set: a name or a folder.
    pub data: String,
    /// The seed of the split.
    pub split_seed: u64,
    /// The metrics to compute.
    pub metrics: Vec<String>,
    /// The metrics whose values are kept for each user.
    pub per_user: Vec<String>,
    /// Which rows of the data set to use.
    pub filter: FilterConfig,
    /// The split that the parent made; the child must come to the same.
    pub manifest: Manifest,
    /// The settings of the model, without the seed.
    pub config: toml::Table,
}

/// The metrics of each test user, in a run folder.
pub const USERS: &str = "users.json";

/// The metrics that every run computes, with `more` beside them.
fn metrics(more: &[String], categories: bool) -> Vec<String> {
    let mut names = Vec::new();
    for measure in ["recall", "ndcg", "hit", "precision", "mrr", "map"] {
        names.extend([10, 20, 50].map(|k| format!("{measure}@{k}")));
    }
    names.extend(
        ["coverage", "gini", "entropy", "novelty", "popularity", "tail"].map(|name| format!("{name}@20")),
    );
    if categories {
        names.push("diversity@20".into());
    }
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Runs `plan` under `folder` and puts the results together. Runs that fail are part of the result.
///
/// # Errors
/// [`Error::Stale`] if the folder holds other runs and `existing` does not say what to do with them, errors of the
/// data and the split, and [`Error::Io`].
pub fn execute(plan: &Plan, folder: &Path, existing: Existing) -> Result<Comparison> {
    let experiment = &plan.experiment;
    let dataset = data::load_filtered(&experiment.data, &experiment.filter)?;
    let split = data::split(&dataset, &plan.split, experiment.split_seed)?;
    let mut asked = experiment.metrics.clone();
    asked.push(experiment.primary.clone());
    let names = metrics(&asked, dataset.catalogue.categories.is_some());
    let mut kept = vec![experiment.primary.clone()];
    kept.extend(
        ["recall@20", "ndcg@20"].map(str::to_owned).into_iter().filter(|name| *name != experiment.primary),
    );
    let mut planned = Vec::new();
    for model in &plan.models {
        for &seed in &model.seeds {
            let job = Job {
                model: model.model.name.to_owned(),
                seed,
                device: experiment.device.clone(),
                data: experiment.data.clone(),
                split_seed: experiment.split_seed,
                filter: experiment.filter.clone(),
                metrics: names.clone(),
                per_user: kept.clone(),
                manifest: split.manifest.clone(),
                config: children::as_toml(&model.config)?,
            };
            let path = folder.join(model.model.name).join(seed.to_string());
            let finished = finished_run(&children::prepare(&path, &job, existing)?)?;
            planned.push((model, job, path, finished));
        }
    }
    let mut facts = data::split_facts(&split);
    if plan.models.iter().any(|model| model.model.has_collapse()) {
        let train = UserItems::new(&split.train, dataset.n_users(), dataset.n_items());
        facts.insert("critical_gamma".into(), json!(data::round(critical_gamma(&train))));
    }
    let bar = output::progress(planned.len() as u64);
    let mut models: Vec<ModelResult> = plan.models.iter().map(empty_result).collect();
    for (model, job, path, finished) in planned {
        let seed = job.seed;
        let place =
            plan.models.iter().position(|own| std::ptr::eq(own, model)).expect("it comes from the plan");
        let title = format!("{} (seed {seed})", model.model.name);
        bar.set_message(title.clone());
        let outcome = match finished {
            Some(finished) => Ok(finished),
            None => run_child(&path, &title, &bar).and_then(|()| {
                finished_run(&children::open(&path, &job, Start::Resume)?)?
                    .ok_or_else(|| Error::Failed(format!("{}: no result", path.display())))
            }),
        };
        match outcome {
            Ok((result, users)) => add(&mut models[place], result, users),
            Err(error) => {
                bar.suspend(|| output::warn(format!("{title} failed: {error}")));
                models[place].failures.push((seed, error.to_string()));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let popularity = split.train.item_counts(dataset.n_items());
    let mut comparison = Comparison {
        name: plan.name.clone(),
        data: data::facts(&dataset, &experiment.data, &experiment.filter),
        split: facts,
        train_deciles: deciles(&popularity, &popularity),
        seeds: experiment.seeds.clone(),
        device: experiment.device.clone(),
        primary: experiment.primary.clone(),
        shown: experiment.metrics.clone(),
        models,
        machine: Machine::this(),
    };
    comparison.test_against_best()?;
    for model in &comparison.models {
        for warning in crate::comparison::warnings(model) {
            output::warn(format!("{}: {warning}", model.name));
        }
    }
    Ok(comparison)
}

fn empty_result(planned: &PlannedModel) -> ModelResult {
    ModelResult {
        name: planned.model.name.to_owned(),
        about: planned.model.about.to_owned(),
        config: planned.config.clone(),
        deterministic: planned.model.deterministic(),
        runs: Vec::new(),
        per_user: PerUser::default(),
        failures: Vec::new(),
        significance: None,
    }
}

/// Adds a run, keeping the mean over runs of each user's values.
fn add(model: &mut ModelResult, result: RunResult, users: PerUser) {
    if model.runs.is_empty() {
        model.per_user = users;
    } else {
        let n = model.runs.len() as f64;
        for (name, values) in &users.values {
            if let Some(means) = model.per_user.values.get_mut(name) {
                for (mean, value) in means.iter_mut().zip(values) {
                    *mean = (*mean * n + value) / (n + 1.0);
                }
            }
        }
    }
    model.runs.push(result);
}

/// The result and the users' values, if the run is finished.
fn finished_run(run: &RunFolder) -> Result<Option<(RunResult, PerUser)>> {
    let Some(result) = run.result()? else { return Ok(None) };
    let path = run.path().join(USERS);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    let users =
        serde_json::from_str(&text).map_err(|error| Error::Failed(format!("{}: {error}", path.display())))?;
    Ok(Some((result, users)))
}

/// Runs the child of one run folder and follows its epochs on `bar`.
fn run_child(folder: &Path, title: &str, bar: &indicatif::ProgressBar) -> Result<()> {
    let mut best = f64::NEG_INFINITY;
    children::run("child", folder, None, |said| match said {
        Said::Beat(beat) => {
            best = best.max(beat.quality.unwrap_or(f64::NEG_INFINITY));
            let quality = if best.is_finite() { format!(", best {best:.4}") } else { String::new() };
            bar.set_message(format!("{title}: epoch {} of at most {}{quality}", beat.epoch, beat.epochs));
        }
        // Before the hours are spent; the end tells it again, beside what else there is to know.
        Said::Warning(text) => bar.suspend(|| output::warn(format!("{title}: {text}"))),
    })
}
