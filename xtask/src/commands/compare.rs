//! `compare`: several models on one split, put together on the command line.

use std::path::{Path, PathBuf};

use rec_core::filter::{FilterConfig, Intervals};
use sha2::{Digest, Sha256};

use crate::cli::{Compare, Existing, Json};
use crate::comparison::Comparison;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan, default_metrics};
use crate::report::{html, sections};
use crate::{output, runs, table};

/// Runs the comparison.
///
/// # Errors
/// See [`Plan::new`] and [`runs::execute`]; [`Error::Failed`] at the end if a run failed.
pub fn compare(arguments: &Compare) -> Result<()> {
    let experiment = Experiment {
        about: String::new(),
        data: arguments.data.clone(),
        filter: FilterConfig {
            feedback: arguments.feedback.parse()?,
            user_interactions: arguments.core.map(|n| Intervals::at_least(f64::from(n))),
            item_interactions: arguments.core.map(|n| Intervals::at_least(f64::from(n))),
            ..FilterConfig::default()
        },
        split: arguments.split.clone(),
        split_seed: arguments.split_seed,
        models: arguments.models.clone(),
        seeds: arguments.seeds.clone(),
        device: arguments.device.clone(),
        primary: "ndcg@20".into(),
        metrics: if arguments.metrics.is_empty() { default_metrics() } else { arguments.metrics.clone() },
        settings: Default::default(),
    };
    let plan = Plan::new("compare", experiment, &arguments.settings)?;
    let folder = arguments.out.clone().unwrap_or_else(|| default_folder(&plan));
    // The folder's name says what is compared, so that repeating a command replaces its own runs only.
    let existing = if arguments.out.is_none() && !arguments.existing.resume {
        Existing { fresh: true, ..arguments.existing }
    } else {
        arguments.existing
    };
    output::note(format!("runs in {}", folder.display()));
    let comparison = runs::execute(&plan, &folder, existing)?;
    if let Some(path) = &arguments.report {
        write_report(&comparison, path, "Comparison", &said())?;
    }
    finish(&comparison, &arguments.json, false)
}

fn default_folder(plan: &Plan) -> PathBuf {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_string(&plan.experiment).expect("an experiment is plain data"));
    for model in &plan.models {
        hasher.update(model.config.to_string());
    }
    let hash: String = hasher.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Path::new("runs").join(format!("compare-{hash}"))
}

/// The command line as it was given.
pub fn said() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/@".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    ["cargo".to_owned(), "xtask".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Writes the HTML report of one comparison.
///
/// # Errors
/// [`Error::Io`].
pub fn write_report(comparison: &Comparison, path: &Path, title: &str, command: &str) -> Result<()> {
    let page = html::page(
        title,
        &sections::lead(comparison),
        &sections::facts_line(comparison),
        &sections::all(comparison, command),
        &format!("Sextant {} · one file, nothing is loaded from anywhere.", comparison.machine.version),
    );
    table::write(path, &page)?;
    output::note(format!("wrote {}", path.display()));
    Ok(())
}

/// Prints the table or the JSON (`full`: with the history of every run), and fails if a run failed.
///
/// # Errors
/// [`Error::Io`], and [`Error::Failed`] naming the runs that failed.
pub fn finish(comparison: &Comparison, json: &Json, full: bool) -> Result<()> {
    let value = if full { comparison.full_json() } else { comparison.json() };
    table::show(json, &value, &comparison.table())?;
    let failed: Vec<String> = comparison
        .models
        .iter()
        .flat_map(|model| model.failures.iter().map(move |(seed, _)| format!("{} (seed {seed})", model.name)))
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("failed: {}", failed.join(", ")))) }
}
