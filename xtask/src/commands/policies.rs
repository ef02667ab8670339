//! `policies`: policies trained and judged in a world.

use std::path::{Path, PathBuf};

use rl_env::Compat;
use sha2::{Digest, Sha256};

use super::compare::said;
use crate::cli::{CompatPreset, Existing, Json, Policies};
use crate::error::{Error, Result};
use crate::policies::execute::execute;
use crate::policies::experiment::{PolicyExperiment, PolicyPlan};
use crate::policies::outcome::PolicyComparison;
use crate::report::{html, policy_sections};
use crate::{output, table};

/// Trains and judges the policies.
///
/// # Errors
/// See [`PolicyPlan::new`] and [`execute`]; [`Error::Failed`] at the end if a run failed.
pub fn policies(arguments: &Policies) -> Result<()> {
    let (name, mut experiment) = match &arguments.experiment {
        Some(name) => {
            let (name, experiment) = PolicyExperiment::open(name)?;
            (Some(name), experiment)
        }
        None => (None, PolicyExperiment::default()),
    };
    if let Some(world) = &arguments.world {
        experiment.world = world.clone();
    }
    experiment.data = arguments.data.clone().or(experiment.data);
    if !arguments.policies.is_empty() {
        experiment.policies = arguments.policies.clone();
    }
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    experiment.epochs = arguments.epochs.unwrap_or(experiment.epochs);
    experiment.quit = arguments.quit.or(experiment.quit);
    match arguments.compat {
        None => {}
        Some(CompatPreset::None) => experiment.compat = Compat::default(),
        Some(CompatPreset::Easyrl4rec) => experiment.compat = Compat::easyrl4rec(),
    }
    if let Some(device) = &arguments.device {
        experiment.device = device.clone();
    }
    let plan = PolicyPlan::new(name.as_deref().unwrap_or("policies"), experiment, &arguments.settings)?;
    let folder = arguments.out.clone().unwrap_or_else(|| default_folder(&plan, name.as_deref()));
    // A folder named by the hash of what is run holds nothing else: repeating a command replaces its own runs only.
    let own = arguments.out.is_none() && name.is_none();
    let existing = Existing {
        fresh: arguments.existing.fresh || (own && !arguments.existing.resume),
        ..arguments.existing
    };
    output::note(format!("runs in {}", folder.display()));
    let comparison = execute(&plan, &folder, existing, arguments.jobs.unwrap_or_else(cores))?;
    if let Some(path) = &arguments.report {
        write_report(&comparison, path, "Policies", &said())?;
    }
    finish(&comparison, &arguments.json, arguments.curves)
}

/// How many runs fit on this machine at the same time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn default_folder(plan: &PolicyPlan, name: Option<&str>) -> PathBuf {
    let Some(name) = name else {
        let mut hasher = Sha256::new();
        hasher.update(serde_json::to_string(&plan.experiment).expect("an experiment is plain data"));
        for policy in &plan.policies {
            hasher.update(policy.config.to_string());
        }
        let hash: String = hasher.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Path::new("runs").join(format!("policies-{hash}"));
    };
    Path::new("runs").join(format!("policies-{name}"))
}

fn write_report(comparison: &PolicyComparison, path: &Path, title: &str, command: &str) -> Result<()> {
    let page = html::page(
        title,
        &policy_sections::lead(comparison),
        &policy_sections::facts_line(comparison),
        &policy_sections::all(comparison, command),
        &format!("Sextant {} · one file, nothing is loaded from anywhere.", comparison.machine.version),
    );
    table::write(path, &page)?;
    output::note(format!("wrote {}", path.display()));
    Ok(())
}

/// Prints the table or the JSON (`curves`: with every epoch of every run), and fails if a run failed.
///
/// # Errors
/// [`Error::Io`], and [`Error::Failed`] naming the runs that failed.
pub fn finish(comparison: &PolicyComparison, json: &Json, curves: bool) -> Result<()> {
    let value = if curves { comparison.full_json() } else { comparison.json() };
    table::show(json, &value, &comparison.table())?;
    failed(comparison)
}

/// Fails if a run failed.
///
/// # Errors
/// [`Error::Failed`] naming the runs that failed.
pub fn failed(comparison: &PolicyComparison) -> Result<()> {
    let failed: Vec<String> = comparison
        .policies
        .iter()
        .flat_map(|policy| {
            policy.failures.iter().map(move |(seed, _)| format!("{} (seed {seed})", policy.name))
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("failed: {}", failed.join(", ")))) }
}
