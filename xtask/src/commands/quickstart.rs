//! `quickstart`: the parts that show what the toolkit does on the data that comes with it, in one report.

mod agents;
mod dialogues;
mod policies;
mod preferences;
mod ranking;
mod tools;

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::cli::{Json, Quickstart};
use crate::error::Result;
use crate::report::html::{self, Section};
use crate::{output, table};

/// What a part gives to the report.
struct Outcome {
    /// The finding in a sentence or two.
    lead: String,
    /// The line of facts under it.
    facts: String,
    sections: Vec<Section>,
    json: Value,
    /// Prints what was found, unless `--json` takes standard output, and fails if a run did.
    told: Box<dyn FnOnce(&Json) -> Result<()>>,
}

/// Whether `--json` takes standard output, so that no table belongs there.
fn printed(json: &Json) -> bool {
    json.json.as_deref() == Some(Path::new("-"))
}

/// A part of the quick start: one system, or one thing to see. Its runs go to a folder of its own name, its JSON
/// stands under its name in `report.json`, its sections follow those of the parts before it.
struct Part {
    name: &'static str,
    run: fn(&Quickstart, &Path) -> Result<Outcome>,
}

/// The parts in the order of the report. The first one's finding heads the page.
const PARTS: &[Part] = &[
    Part { name: "ranking", run: ranking::run },
    Part { name: "policies", run: policies::run },
    Part { name: "preferences", run: preferences::run },
    Part { name: "dialogues", run: dialogues::run },
    Part { name: "agents", run: agents::run },
    Part { name: "tools", run: tools::run },
];

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
    table::write(&json_path, &format!("{:#}\n", Value::Object(json)))?;
    // `--json` has the form of `compare`; report.json has all parts by name.
    let mut result = Ok(());
    for (_, outcome) in outcomes {
        result = result.and((outcome.told)(&arguments.json));
    }
    output::note(format!("wrote {} and {}", page_path.display(), json_path.display()));
    result
}
