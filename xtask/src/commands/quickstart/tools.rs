//! A policy that uses tools, before and after it is trained step by step.

use std::path::Path;

use super::{Outcome, printed};
use crate::cli::{Json, Quickstart};
use crate::commands::tool_rl;
use crate::error::Result;
use crate::output;
use crate::report::tool_sections;
use crate::tool_rl::execute::{Running, execute};
use crate::tool_rl::experiment::ToolExperiment;

/// Trains and judges the rows of `xtask/experiments/tool-rl/quickstart.toml`.
///
/// # Errors
/// See [`execute`].
pub fn run(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let (name, mut experiment) = ToolExperiment::open("quickstart")?;
    if !arguments.seeds.is_empty() {
        experiment.seeds = arguments.seeds.clone();
    }
    let out = out.join("tools");
    output::note(format!(
        "a policy that uses tools, {}; runs in {}",
        experiment.rows.join(" and "),
        out.display()
    ));
    let mut existing = arguments.existing;
    existing.fresh |= !existing.resume;
    // There is one run after the other: each may have all cores.
    let running = Running { existing, jobs: 1, only_look: false };
    let comparison = execute(&name, &experiment, &out, running)?;
    Ok(Outcome {
        lead: tool_sections::lead(&comparison),
        facts: tool_sections::facts_line(&comparison),
        sections: tool_sections::results(&comparison),
        json: comparison.json(),
        told: Box::new(move |json| {
            if printed(json) {
                return tool_rl::failed(&comparison);
            }
            tool_rl::finish(&comparison, &Json::default())
        }),
    })
}
