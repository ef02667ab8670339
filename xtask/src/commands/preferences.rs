//! `preferences`: a language model that recommends, aligned in several ways, and what that does to what is recommended.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::compare::said;
use super::policies::cores;
use crate::cli::{Existing, Json, Preferences};
use crate::error::{Error, Result};
use crate::preferences::execute::execute;
use crate::preferences::experiment::PreferenceExperiment;
use crate::preferences::outcome::PreferenceComparison;
use crate::report::{html, preference_sections};
use crate::{output, table};

/// Trains and judges the arms.
///
/// # Errors
/// See [`execute`]; [`Error::Failed`] at the end if a run failed.
pub fn preferences(arguments: &Preferences) -> Result<()> {
    let (name, mut experiment) = match &arguments.experiment {
        Some(name) => {
            let (name, experiment) = PreferenceExperiment::open(name)?;
            (Some(name), experiment)
        }
        None => (None, PreferenceExperiment::default()),
    };
    if let Some(data) = &arguments.data {
        experiment.data = data.clone();
    }
    if !arguments.arms.is_empty() {
        experiment.arms = arguments.arms.clone();
    }
    if !arguments.betas.is_empty() {
        experiment.betas = arguments.betas.clone();
    }
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    experiment.rounds = arguments.rounds.unwrap_or(experiment.rounds);
    experiment.rows = arguments.rows.unwrap_or(experiment.rows);
    experiment.preference_learning_rate =
        arguments.learning_rate.unwrap_or(experiment.preference_learning_rate);
    if let Some(device) = &arguments.device {
        experiment.device = device.clone();
    }
    let folder = arguments.out.clone().unwrap_or_else(|| default_folder(&experiment, name.as_deref()));
    // A folder named by the hash of what is run holds nothing else: repeating a command replaces its own runs only.
    let own = arguments.out.is_none() && name.is_none();
    let existing = Existing {
        fresh: arguments.existing.fresh || (own && !arguments.existing.resume),
        ..arguments.existing
    };
    output::note(format!("runs in {}", folder.display()));
    let jobs = arguments.jobs.unwrap_or_else(cores);
    let comparison = execute(name.as_deref().unwrap_or("preferences"), &experiment, &folder, existing, jobs)?;
    if let Some(path) = &arguments.report {
        let page = html::page(
            "Preferences",
            &preference_sections::lead(&comparison),
            &preference_sections::facts_line(&comparison),
            &preference_sections::all(&comparison, &said()),
            &format!("Sextant {} · one file, nothing is loaded from anywhere.", comparison.machine.version),
        );
        table::write(path, &page)?;
        output::note(format!("wrote {}", path.display()));
    }
    finish(&comparison, &arguments.json, arguments.curves)
}

fn default_folder(experiment: &PreferenceExperiment, name: Option<&str>) -> PathBuf {
    let Some(name) = name else {
        let text = serde_json::to_string(experiment).expect("an experiment is plain data");
        let hash: String = Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Path::new("runs").join(format!("preferences-{hash}"));
    };
    Path::new("runs").join(format!("preferences-{name}"))
}

/// Prints the tables or the JSON (with `curves`: every run), and fails if a run failed.
///
/// # Errors
/// [`Error::Io`], and [`Error::Failed`] naming the runs that failed.
pub fn finish(comparison: &PreferenceComparison, json: &Json, curves: bool) -> Result<()> {
    table::show(json, &comparison.json(curves), &comparison.table())?;
    failed(comparison)
}

/// Fails if a run failed.
///
/// # Errors
/// [`Error::Failed`] naming the runs that failed.
pub fn failed(comparison: &PreferenceComparison) -> Result<()> {
    let failed: Vec<String> = comparison
        .arms
        .iter()
        .flat_map(|arm| arm.failures.iter().map(|(seed, _)| format!("{} (seed {seed})", arm.title())))
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("failed: {}", failed.join(", ")))) }
}
