//! Language models that recommend, aligned with preferences.

use std::path::Path;

use super::{Outcome, printed};
use crate::cli::{Json, Quickstart};
use crate::commands::policies::cores;
use crate::commands::preferences;
use crate::error::Result;
use crate::output;
use crate::preferences::execute::execute;
use crate::preferences::experiment::PreferenceExperiment;
use crate::report::preference_sections;

/// Trains and judges the arms of `xtask/experiments/preferences/quickstart.toml`.
///
/// # Errors
/// See [`execute`].
pub fn run(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let (name, mut experiment) = PreferenceExperiment::open("quickstart")?;
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    let out = out.join("preferences");
    output::note(format!(
        "{} arms of preference training on {}; runs in {}",
        experiment.arms.len(),
        experiment.data,
        out.display()
    ));
    let mut existing = arguments.existing;
    existing.fresh |= !existing.resume;
    let comparison = execute(&name, &experiment, &out, existing, cores())?;
    Ok(Outcome {
        lead: preference_sections::lead(&comparison),
        facts: preference_sections::facts_line(&comparison),
        sections: preference_sections::results(&comparison),
        json: comparison.json(false),
        told: Box::new(move |json| {
            if printed(json) {
                return preferences::failed(&comparison);
            }
            preferences::finish(&comparison, &Json::default(), false)
        }),
    })
}
