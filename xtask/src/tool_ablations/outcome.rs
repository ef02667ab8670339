//! The table, for people and as JSON.

use serde_json::{Value, json};

use super::execute::{AblationRun, ArmResult};
use super::experiment::AblationExperiment;
use crate::comparison::Summary;
use crate::machine::Machine;
use crate::table;
use crate::tool_rl::outcome::Told;

/// Measure and heading.
const COLUMNS: [(&str, &str); 8] = [
    ("overall", "overall"),
    ("single", "one call"),
    ("tool", "its tool"),
    ("arguments", "arguments given tool"),
    ("parallel", "several calls"),
    ("several_tools", "their tools"),
    ("irrelevance", "irrelevance"),
    ("relevance", "relevance"),
];

fn over_seeds(runs: &[AblationRun], of: impl Fn(&AblationRun) -> Option<f64>) -> Option<Summary> {
    let values: Vec<f64> = runs.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| Summary::of(values))
}

fn measure(runs: &[AblationRun], name: &str) -> Option<Summary> {
    over_seeds(runs, |run| run.metrics.get(name).copied())
}

/// The overall share of an arm less that of the baseline, seed by seed.
fn gain(results: &[ArmResult], result: &ArmResult) -> Option<Summary> {
    let whole = results.iter().find(|other| other.arm.name == "whole")?;
    if whole.arm.name == result.arm.name {
        return None;
    }
    over_seeds(&result.runs, |run| {
        let other = whole.runs.iter().find(|other| other.seed == run.seed)?;
        Some(run.metrics.get("overall")? - other.metrics.get("overall")?)
    })
}

/// For people.
pub fn text(experiment: &AblationExperiment, results: &[ArmResult]) -> String {
    let head: Vec<&str> = ["dialogues to learn from"]
        .into_iter()
        .chain(COLUMNS.iter().map(|(_, heading)| *heading))
        .chain(["less whole"])
        .collect();
    let rows = results.iter().map(|result| {
        let own = COLUMNS.iter().map(|(name, _)| Told::Percent.write(measure(&result.runs, name).as_ref()));
        std::iter::once(result.arm.name.to_owned())
            .chain(own)
            .chain([Told::Percent.write(gain(results, result).as_ref())])
            .collect()
    });
    format!(
        "{} dialogues each, {} held out over tools that nobody learns; percent over {} seeds\n\n{}",
        experiment.dialogues,
        experiment.held_out,
        experiment.seeds.len(),
        table::plain(&head, rows)
    )
}

/// For programs.
pub fn json(name: &str, experiment: &AblationExperiment, results: &[ArmResult]) -> Value {
    let row = |result: &ArmResult| {
        let metrics: serde_json::Map<String, Value> = result
            .runs
            .first()
            .into_iter()
            .flat_map(|run| run.metrics.keys())
            .map(|name| (name.clone(), json!(measure(&result.runs, name))))
            .collect();
        let composition: serde_json::Map<String, Value> = result
            .runs
            .first()
            .into_iter()
            .flat_map(|run| run.composition.keys())
            .map(|name| {
                (name.clone(), json!(over_seeds(&result.runs, |run| run.composition.get(name).copied())))
            })
            .collect();
        json!({
            "name": result.arm.name,
            "question": result.arm.question,
            "about": result.arm.about,
            "metrics": metrics,
            "less_whole": gain(results, result),
            "composition": composition,
            "loss": over_seeds(&result.runs, |run| Some(run.loss)),
            "seconds": over_seeds(&result.runs, |run| Some(run.seconds)),
        })
    };
    json!({
        "name": name,
        "experiment": experiment,
        "ablation_rows": results.iter().map(row).collect::<Vec<_>>(),
        "machine": Machine::this(),
    })
}
