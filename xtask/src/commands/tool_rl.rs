//! `tool-rl`: policies that use tools, trained with a reward for every step, beside baselines that get the same.

use std::path::Path;

use serde_json::json;

use super::compare::said;
use super::policies::cores;
use crate::cli::{Json, Stage, ToolRl};
use crate::error::{Error, Result};
use crate::report::{html, tool_sections};
use crate::tool_rl::dialogues;
use crate::tool_rl::execute::{self, Running};
use crate::tool_rl::experiment::ToolExperiment;
use crate::tool_rl::outcome::{self, ToolComparison};
use crate::{output, table};

/// The prefix of experiments that `run` hands on to this command.
pub const PREFIX: &str = "tool-rl";

/// Runs a stage of an experiment.
///
/// # Errors
/// See [`execute`]; [`Error::Failed`] at the end if a run failed.
pub fn tool_rl(arguments: &ToolRl) -> Result<()> {
    if is_on_dialogues(&arguments.experiment) {
        let stem = Path::new(&arguments.experiment).file_stem().unwrap_or_default();
        let folder = arguments.out.clone().unwrap_or_else(|| Path::new("runs").join(stem));
        return dialogues::run(&arguments.experiment, &folder, arguments.existing, &arguments.json);
    }
    let (name, mut experiment) = ToolExperiment::open(&arguments.experiment)?;
    if !arguments.rows.is_empty() {
        experiment.rows = arguments.rows.clone();
        experiment.claim_rows.retain(|row| arguments.rows.contains(row));
    }
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    output::note(format!("{}\nruns in {}", experiment.about, folder.display()));
    let running = Running {
        existing: arguments.existing,
        jobs: arguments.jobs.unwrap_or_else(cores),
        only_look: arguments.show,
    };
    match arguments.stage {
        Stage::Calibrate => {
            let tried = execute::calibrate(&experiment, &folder, running)?;
            let value = json!({
                "name": name,
                "experiment": experiment,
                "calibration": tried.iter().map(outcome::Calibrated::json).collect::<Vec<_>>(),
                "machine": crate::machine::Machine::this(),
            });
            table::show(&arguments.json, &value, &outcome::calibration_table(&tried))
        }
        Stage::Grid => {
            let tried = execute::search(&experiment, &folder, running)?;
            let value = json!({
                "name": name,
                "experiment": experiment,
                "grid": tried.iter().map(outcome::Tried::json).collect::<Vec<_>>(),
                "chosen": outcome::chosen(&tried),
                "machine": crate::machine::Machine::this(),
            });
            table::show(&arguments.json, &value, &outcome::grid_table(&tried))
        }
        Stage::Table => {
            let comparison = execute::execute(&name, &experiment, &folder, running)?;
            let report = arguments.report.clone().unwrap_or_else(|| folder.join("report.html"));
            let page = html::page(
                "Tools, step by step",
                &tool_sections::lead(&comparison),
                &tool_sections::facts_line(&comparison),
                &tool_sections::all(&comparison, &said()),
                &format!(
                    "Sextant {} · one file, nothing is loaded from anywhere.",
                    comparison.machine.version
                ),
            );
            table::write(&report, &page)?;
            finish(&comparison, &arguments.json)?;
            output::note(format!("wrote {}", report.display()));
            Ok(())
        }
    }
}

/// Whether an experiment is one on dialogues of `tool-synth`, by its name.
fn is_on_dialogues(name: &str) -> bool {
    Path::new(name).file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.ends_with("dialogues"))
}

/// Prints the tables or the JSON, and fails if a run failed.
///
/// # Errors
/// [`Error::Io`], and [`Error::Failed`] naming the runs that failed.
pub fn finish(comparison: &ToolComparison, json: &Json) -> Result<()> {
    table::show(json, &comparison.json(), &comparison.table())?;
    failed(comparison)
}

/// Fails if a run failed.
///
/// # Errors
/// [`Error::Failed`] naming the runs that failed.
pub fn failed(comparison: &ToolComparison) -> Result<()> {
    let failed: Vec<String> = comparison
        .rows
        .iter()
        .flat_map(|result| {
            result.failures.iter().map(|(seed, _)| format!("{} (seed {seed})", result.row.name))
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("failed: {}", failed.join(", ")))) }
}
