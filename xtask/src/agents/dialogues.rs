//! Conversations with simulated people, beside popularity.

use std::time::Duration;

use agents::engine::Engine;
use agents::simulation::{Dialogue, Person, by_popularity, converse_all, measures};
use agents::system::SystemConfig;
use rec_core::statistics::{bootstrap_interval, mean};
use serde::Serialize;
use serde_json::{Value, json};

use super::evaluation::Learned;
use super::team::Team;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::{output, table};

/// Rounds of the bootstrap.
const ROUNDS: usize = 2_000;

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
struct Row {
    name: String,
    /// Each measure with its mean and half of its 95% interval over dialogues.
    measures: Vec<(&'static str, f64, f64)>,
    /// Milliseconds an answer, by the clock; none for the baseline.
    ms_per_answer: Option<f64>,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Conversations {
    data: String,
    model: String,
    seed: u64,
    people: usize,
    turns: usize,
    rows: Vec<Row>,
    machine: Machine,
}

/// Has every person of the test part talk to each of `systems` for at most `turns` turns.
///
/// # Errors
/// [`Error::Usage`] if nobody is left; of systems and models.
pub fn run(
    learned: &Learned,
    systems: &[SystemConfig],
    model: &str,
    limit: Option<usize>,
    in_flight: Option<usize>,
    turns: usize,
) -> Result<Conversations> {
    let knowledge = &learned.knowledge;
    let people: Vec<Person> = learned
        .prepared
        .test
        .iter()
        .filter_map(|sample| Person::of_sample(knowledge, sample))
        .take(limit.unwrap_or(usize::MAX))
        .collect();
    if people.is_empty() {
        return Err(Error::Usage("nobody of the test part liked two titles before and the last one".into()));
    }
    let baseline: Vec<Dialogue> =
        people.iter().map(|person| by_popularity(knowledge, person, turns)).collect();
    let mut rows = vec![row("popularity", &baseline, turns, false)?];
    let team = Team::new(model, knowledge)?;
    let in_flight = in_flight.unwrap_or(if team.waits { 8 } else { 1 });
    for system in systems {
        let engine = Engine::with(knowledge.clone(), system.clone(), team.decider.clone())?;
        let dialogues = team.runtime.block_on(converse_all(&engine, &people, turns, in_flight));
        rows.push(row(&system.name, &dialogues, turns, true)?);
        output::note(format!("{}: {} dialogues", system.name, dialogues.len()));
    }
    Ok(Conversations {
        data: learned.prepared.dataset.name.clone(),
        model: team.name,
        seed: learned.seed,
        people: people.len(),
        turns,
        rows,
        machine: Machine::this(),
    })
}

fn row(name: &str, dialogues: &[Dialogue], turns: usize, timed: bool) -> Result<Row> {
    let mut found = Vec::new();
    for (measure, values) in measures(dialogues, turns) {
        // Of an answer that names nothing there is nothing to say.
        if !values.is_empty() {
            let interval = bootstrap_interval(&values, 0.95, ROUNDS, 2024)?;
            found.push((measure, mean(&values), (interval.high - interval.low) / 2.0));
        }
    }
    let answers: usize = dialogues.iter().map(|dialogue| dialogue.turns.len()).sum();
    let taken: Duration = dialogues.iter().map(|dialogue| dialogue.taken).sum();
    let ms = 1e3 * taken.as_secs_f64() / answers.max(1) as f64;
    Ok(Row { name: name.into(), measures: found, ms_per_answer: timed.then_some(ms) })
}

impl Conversations {
    /// The table for a terminal.
    pub fn text(&self) -> String {
        let names = ["found", "found at once", "turns", "met", "unknown titles", "nothing shown", "valid"];
        let mut head = vec!["system"];
        head.extend(names);
        head.push("ms");
        let rows = self.rows.iter().map(|row| {
            let mut cells = vec![row.name.clone()];
            cells.extend(names.map(|name| {
                let cell = row.measures.iter().find(|(measure, ..)| *measure == name);
                cell.map_or_else(|| "-".into(), |(_, value, half)| format!("{value:.3} ± {half:.3}"))
            }));
            cells.push(row.ms_per_answer.map_or_else(|| "-".into(), |ms| format!("{ms:.2}")));
            cells
        });
        format!(
            "{}\n{} simulated people of {}, at most {} turns, five items a turn; decisions by {}, seed {}; ± is half a 95% interval \
             over dialogues.",
            table::text(&head, rows),
            self.people,
            self.data,
            self.turns,
            self.model,
            self.seed
        )
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({ "conversations": self })
    }
}
