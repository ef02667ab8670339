//! Ranking models side by side.

use std::path::Path;

use super::Outcome;
use crate::cli::Quickstart;
use crate::commands::compare::{finish, said};
use crate::error::Result;
use crate::experiment::{Experiment, Plan};
use crate::report::sections;
use crate::{output, runs};

/// Trains and compares the models of `xtask/experiments/quickstart.toml`.
///
/// # Errors
/// See [`runs::execute`].
pub fn run(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let (name, mut experiment) = Experiment::open("quickstart")?;
    if !arguments.models.is_empty() {
        experiment.models = arguments.models.clone();
    }
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    let plan = Plan::new(&name, experiment, &arguments.settings)?;
    output::note(format!(
        "{} models on {}; runs in {}",
        plan.models.len(),
        plan.experiment.data,
        out.display()
    ));
    // The folder is the quick start's own: running it again means running it again.
    let mut existing = arguments.existing;
    existing.fresh |= !existing.resume;
    let comparison = runs::execute(&plan, out, existing)?;
    Ok(Outcome {
        lead: sections::lead(&comparison),
        facts: sections::facts_line(&comparison),
        sections: sections::all(&comparison, &said()),
        json: comparison.full_json(),
        told: Box::new(move |json| finish(&comparison, json, false)),
    })
}
