//! `quickstart`: the parts that show what the toolkit does on the data that comes with it, in one report.

use std::path::Path;
use std::time::Instant;

use agents::system::SystemConfig;
use agents::task::TaskKind;
use serde_json::{Map, Value};

use super::compare::{finish, said};
use super::policies;
use crate::agents::evaluation::{self, Asked, Evaluation, Learned};
use crate::cli::agents::Preparation;
use crate::cli::{Json, Quickstart};
use crate::comparison::Comparison;
use crate::error::Result;
use crate::experiment::{Experiment, Plan};
use crate::policies::execute::execute;
use crate::policies::experiment::{PolicyExperiment, PolicyPlan};
use crate::policies::outcome::PolicyComparison;
use crate::report::html::{self, Section};
use crate::report::{agent_sections, policy_sections, sections};
use crate::{output, runs, table};

/// What a part gives to the report.
struct Outcome {
    /// The finding in a sentence or two.
    lead: String,
    /// The line of facts under it.
    facts: String,
    sections: Vec<Section>,
    json: Value,
    /// What is printed at the end.
    found: Found,
}

/// What a part compared.
enum Found {
    /// Ranking models.
    Models(Comparison),
    /// Policies.
    Policies(PolicyComparison),
    /// Teams of agents, one evaluation a task.
    Agents(Vec<Evaluation>),
}

/// A part of the quick start: one system, or one thing to see. Its runs go to a folder of its own name, its JSON
/// stands under its name in `report.json`, its sections follow those of the parts before it.
struct Part {
    name: &'static str,
    run: fn(&Quickstart, &Path) -> Result<Outcome>,
}

/// The parts in the order of the report. The first one's finding heads the page.
const PARTS: &[Part] = &[
    Part { name: "ranking", run: ranking },
    Part { name: "policies", run: long_term },
    Part { name: "agents", run: team },
];

/// The teams of the quick start: alone, with each kind of worker, whole, and whole with all steps laid down first.
const TEAMS: [&str; 5] = ["single", "search", "analyse", "reflect_analyse_search_interpret", "rewoo"];

/// Samples of each task; the traces of them all take some 90 MB.
const TEAM_SAMPLES: usize = 500;

/// Runs all parts and writes `report.html` and `report.json`.
///
/// # Errors
/// What the parts report; [`crate::error::Error::Failed`] at the end if a run failed.
pub fn quickstart(arguments: &Quickstart) -> Result<()> {
    let start = Instant::now();
    let mut outcomes = Vec::new();
    // Who names models wants to see these.
    let parts = if arguments.models.is_empty() { PARTS } else { &PARTS[..1] };
    for part in parts {
        outcomes.push((part.name, (part.run)(arguments, &arguments.out)?));
    }
    let lead: Vec<&str> = outcomes.iter().map(|(_, outcome)| outcome.lead.as_str()).collect();
    let facts: Vec<&str> = outcomes.iter().map(|(_, outcome)| outcome.facts.as_str()).collect();
    let all: Vec<Section> = outcomes.iter().flat_map(|(_, outcome)| outcome.sections.clone()).collect();
    let footer = format!(
        "Sextant {} · made in {} · one file, nothing is loaded from anywhere.",
        env!("CARGO_PKG_VERSION"),
        table::seconds(start.elapsed().as_secs_f64())
    );
    let page = html::page("Sextant quick start", &lead.join(" "), &facts.join(" · "), &all, &footer);
    let page_path = arguments.out.join("report.html");
    table::write(&page_path, &page)?;
    let json: Map<String, Value> =
        outcomes.iter().map(|(name, outcome)| ((*name).to_owned(), outcome.json.clone())).collect();
    let json_path = arguments.out.join("report.json");
    table::write(&json_path, &format!("{:#}\n", Value::Object(json.clone())))?;
    // `--json` has the form of `compare`; report.json has all parts by name.
    let printed = arguments.json.json.as_deref() == Some(Path::new("-"));
    let mut result = Ok(());
    for (_, outcome) in &outcomes {
        let finished = match &outcome.found {
            Found::Models(comparison) => finish(comparison, &arguments.json, false),
            Found::Policies(comparison) if printed => policies::failed(comparison),
            Found::Policies(comparison) => policies::finish(comparison, &Json::default(), false),
            Found::Agents(evaluations) => {
                if !printed {
                    evaluations.iter().for_each(|evaluation| output::line(evaluation.text()));
                }
                Ok(())
            }
        };
        result = result.and(finished);
    }
    output::note(format!("wrote {} and {}", page_path.display(), json_path.display()));
    result
}

/// Ranking models side by side.
fn ranking(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
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
        found: Found::Models(comparison),
    })
}

/// Policies in a world of simulated users.
fn long_term(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let (name, mut experiment) = PolicyExperiment::open("quickstart")?;
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    let plan = PolicyPlan::new(&name, experiment, &[])?;
    let out = out.join("policies");
    output::note(format!(
        "{} policies in {}; runs in {}",
        plan.policies.len(),
        plan.experiment.world,
        out.display()
    ));
    let mut existing = arguments.existing;
    existing.fresh |= !existing.resume;
    let comparison = execute(&plan, &out, existing, policies::cores())?;
    Ok(Outcome {
        lead: policy_sections::lead(&comparison),
        facts: policy_sections::facts_line(&comparison),
        sections: policy_sections::results(&comparison),
        json: comparison.full_json(),
        found: Found::Policies(comparison),
    })
}

/// A team of agents on samples, decided by rules.
fn team(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let preparation = Preparation {
        data: "mt-mini".into(),
        negatives: "uniform".into(),
        candidates: 7,
        min_history: 0,
        max_history: None,
        rankers: Vec::new(),
    };
    let seeds = if arguments.seeds.is_empty() { vec![2024] } else { arguments.seeds.clone() };
    let learned = seeds.iter().map(|&seed| Learned::new(&preparation, seed)).collect::<Result<Vec<_>>>()?;
    let systems = TEAMS.iter().map(|name| SystemConfig::named(name)).collect::<agents::Result<Vec<_>>>()?;
    let out = out.join("agents");
    output::note(format!("{} teams of agents, decided by rules; runs in {}", systems.len(), out.display()));
    let evaluations = [TaskKind::Rating, TaskKind::Ranking]
        .into_iter()
        .map(|task| {
            evaluation::run(&Asked {
                preparation: &preparation,
                learned: &learned,
                task,
                systems: systems.clone(),
                model: "policy",
                limit: Some(TEAM_SAMPLES),
                threads: None,
                in_flight: None,
                out: out.clone(),
                fresh: !arguments.existing.resume,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Outcome {
        lead: agent_sections::lead(&evaluations),
        facts: agent_sections::facts_line(&evaluations),
        sections: agent_sections::all(&evaluations),
        json: serde_json::json!(evaluations),
        found: Found::Agents(evaluations),
    })
}
