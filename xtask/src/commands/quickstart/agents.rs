//! A team of agents on samples, decided by rules.

use std::path::Path;

use agents::system::SystemConfig;
use agents::task::TaskKind;

use super::{Outcome, printed};
use crate::agents::evaluation::{self, Asked, Learned, Reviews};
use crate::cli::Quickstart;
use crate::cli::agents::Preparation;
use crate::error::Result;
use crate::output;
use crate::report::agent_sections;

/// The teams of the quick start: alone, with each kind of worker, whole, and whole with all steps laid down first.
const TEAMS: [&str; 5] = ["single", "search", "analyse", "reflect_analyse_search_interpret", "rewoo"];

/// Samples of each task; the traces of them all take some 90 MB.
const SAMPLES: usize = 500;

/// Asks the teams for ratings and rankings of films of the embedded catalogue.
///
/// # Errors
/// See [`evaluation::run`].
pub fn run(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let preparation = Preparation {
        data: "mt-mini".into(),
        negatives: "uniform".into(),
        candidates: 7,
        min_history: 0,
        max_history: None,
        split: "classic".into(),
        rankers: Vec::new(),
        settings: Vec::new(),
        wikipedia: None,
        wikipedia_cache: None,
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
                limit: Some(SAMPLES),
                threads: None,
                in_flight: None,
                out: out.clone(),
                fresh: !arguments.existing.resume,
                reviews: &Reviews::default(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Outcome {
        lead: agent_sections::lead(&evaluations),
        facts: agent_sections::facts_line(&evaluations),
        sections: agent_sections::all(&evaluations),
        json: serde_json::json!(evaluations),
        told: Box::new(move |json| {
            if !printed(json) {
                evaluations.iter().for_each(|evaluation| output::line(evaluation.text()));
            }
            Ok(())
        }),
    })
}
