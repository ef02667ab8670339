//! Policies in a world of simulated users.

use std::path::Path;

use super::{Outcome, printed};
use crate::cli::{Json, Quickstart};
use crate::commands::policies;
use crate::error::Result;
use crate::output;
use crate::policies::execute::execute;
use crate::policies::experiment::{PolicyExperiment, PolicyPlan};
use crate::report::policy_sections;

/// Trains and judges the policies of `xtask/experiments/policies/quickstart.toml`.
///
/// # Errors
/// See [`execute`].
pub fn run(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
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
        told: Box::new(move |json| {
            if printed(json) {
                return policies::failed(&comparison);
            }
            policies::finish(&comparison, &Json::default(), false)
        }),
    })
}
