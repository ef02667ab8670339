//! Experiments on what synthetic dialogues teach, which `run` hands on to here.

use std::path::Path;

use crate::cli::Run;
use crate::error::{Error, Result};
use crate::tool_ablations::experiment::AblationExperiment;
use crate::tool_ablations::{execute, outcome};
use crate::{output, table};

/// The prefix of the experiments' names.
pub const PREFIX: &str = "tool-synth";

/// Runs the experiment `name`, or the one in a TOML file whose name begins with [`PREFIX`]; models are rows of its table.
///
/// # Errors
/// See [`execute::execute`].
pub fn run(name: &str, arguments: &Run) -> Result<()> {
    if arguments.data.is_some() || !arguments.settings.is_empty() {
        return Err(Error::Usage(format!("{name} knows no --data or --set; the TOML file says it")));
    }
    let (name, mut experiment) = AblationExperiment::open(name)?;
    if !arguments.models.is_empty() {
        experiment.arms = arguments.models.clone();
    }
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    if let Some(device) = &arguments.device {
        experiment.device = device.clone();
    }
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    output::note(format!("{}\nruns in {}", experiment.about, folder.display()));
    let results = execute::execute(&experiment, &folder, arguments.existing)?;
    table::show(
        &arguments.json,
        &outcome::json(&name, &experiment, &results),
        &outcome::text(&experiment, &results),
    )
}

/// Whether an experiment is one of these, by its name or the name of its file.
pub fn is_one(name: &str) -> bool {
    Path::new(name).file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| stem.starts_with(PREFIX))
}
