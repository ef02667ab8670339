//! `run`: an experiment from a file.

use serde_json::json;

use super::compare::{finish, said, write_report};
use super::{tool_ablations, tool_rl};
use crate::cli::{Run, Stage, ToolRl};
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan, named, named_in};
use crate::tool_ablations::experiment::{AblationExperiment, folder as ablations};
use crate::tool_rl::experiment::ToolExperiment;
use crate::{output, runs, table};

/// Runs the experiment and writes `report.html` and `report.json` into its folder; without a name lists what there
/// is.
///
/// # Errors
/// See [`Experiment::open`], [`Plan::new`] and [`runs::execute`].
pub fn run(arguments: &Run) -> Result<()> {
    let Some(name) = &arguments.experiment else { return list(arguments) };
    if name.starts_with(tool_rl::PREFIX) && !name.ends_with(".toml") {
        return with_tools(name, arguments);
    }
    if tool_ablations::is_one(name) {
        return tool_ablations::run(name, arguments);
    }
    let (name, mut experiment) = Experiment::open(name)?;
    if let Some(data) = &arguments.data {
        experiment.data = data.clone();
    }
    if !arguments.models.is_empty() {
        experiment.models = arguments.models.clone();
    }
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    if let Some(device) = &arguments.device {
        experiment.device = device.clone();
    }
    let about = experiment.about.clone();
    let plan = Plan::new(&name, experiment, &arguments.settings)?;
    let folder = arguments.out.clone().unwrap_or_else(|| plan.default_folder());
    output::note(format!("{about}\nruns in {}", folder.display()));
    let comparison = runs::execute(&plan, &folder, arguments.existing)?;
    write_report(&comparison, &folder.join("report.html"), &format!("Experiment {name}"), &said())?;
    table::write(&folder.join("report.json"), &format!("{:#}\n", comparison.full_json()))?;
    finish(&comparison, &arguments.json, false)
}

/// Experiments with policies that use tools have a command of their own; models are rows of their tables.
fn with_tools(name: &str, arguments: &Run) -> Result<()> {
    if arguments.data.is_some() || arguments.device.is_some() || !arguments.settings.is_empty() {
        return Err(Error::Usage(format!("{name} knows no --data, --device or --set; see `tool-rl --help`")));
    }
    tool_rl::tool_rl(&ToolRl {
        experiment: name.to_owned(),
        stage: Stage::Table,
        rows: arguments.models.clone(),
        seeds: arguments.seeds.clone(),
        show: false,
        jobs: None,
        out: arguments.out.clone(),
        report: None,
        existing: arguments.existing,
        json: arguments.json.clone(),
    })
}

fn list(arguments: &Run) -> Result<()> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for name in named()? {
        let (name, experiment) = Experiment::open(&name)?;
        values.push(json!({
            "name": name,
            "about": experiment.about,
            "data": experiment.data,
            "split": experiment.split,
            "models": experiment.models,
            "seeds": experiment.seeds,
        }));
        rows.push(vec![name, experiment.data, experiment.models.len().to_string(), experiment.about]);
    }
    for name in named_in(&crate::tool_rl::experiment::folder())? {
        if !name.starts_with(tool_rl::PREFIX) || name.ends_with("dialogues") {
            continue;
        }
        let (name, experiment) = ToolExperiment::open(&name)?;
        values.push(json!({
            "name": name,
            "about": experiment.about,
            "data": "back office",
            "models": experiment.rows,
            "seeds": experiment.seeds,
        }));
        rows.push(vec![name, "back office".into(), experiment.rows.len().to_string(), experiment.about]);
    }
    for name in named_in(&ablations())? {
        let (name, experiment) = AblationExperiment::open(&name)?;
        values.push(json!({
            "name": name,
            "about": experiment.about,
            "data": "synthetic dialogues",
            "models": experiment.arms,
            "seeds": experiment.seeds,
        }));
        let arms = experiment.arms.len().to_string();
        rows.push(vec![name, "synthetic dialogues".into(), arms, experiment.about]);
    }
    let text = table::text(&["experiment", "data", "models", "about"], rows.into_iter());
    table::show(&arguments.json, &json!(values), &text)
}
