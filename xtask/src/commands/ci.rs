//! `ci`: every check, in the order in which a mistake shows soonest.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::cli::Ci;
use crate::error::{Error, Result};
use crate::machine::workspace;
use crate::output;

/// A step: its name, the arguments of cargo, and what is added to the environment.
struct Step {
    name: &'static str,
    cargo: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const STEPS: &[Step] = &[
    Step { name: "format", cargo: &["fmt", "--all", "--check"], environment: &[] },
    Step {
        name: "clippy",
        cargo: &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        environment: &[],
    },
    Step { name: "test", cargo: &["test", "--workspace", "--locked"], environment: &[] },
    Step {
        name: "cf-align-alone",
        cargo: &[
            "test",
            "--package",
            "cf-align",
            "--no-default-features",
            "--features",
            "ann,parquet",
            "--lib",
            "--locked",
        ],
        environment: &[],
    },
    Step {
        name: "rl-env-alone",
        cargo: &["check", "--package", "rl-env", "--no-default-features", "--locked"],
        environment: &[],
    },
    Step {
        name: "tool-rl-alone",
        cargo: &["check", "--package", "tool-rl", "--no-default-features", "--locked"],
        environment: &[],
    },
    Step {
        name: "bfcl-alone",
        cargo: &[
            "check",
            "--package",
            "tool-synth",
            "--no-default-features",
            "--features",
            "bfcl",
            "--locked",
        ],
        environment: &[],
    },
    Step {
        name: "polars",
        cargo: &["clippy", "--package", "rec-core", "--features", "polars", "--all-targets", "--locked"],
        environment: &[],
    },
    Step {
        name: "wgpu",
        cargo: &["check", "--package", "cf-align", "--features", "wgpu", "--locked"],
        environment: &[],
    },
    Step {
        name: "docs",
        cargo: &["doc", "--workspace", "--no-deps", "--locked"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Step { name: "quickstart", cargo: &["xtask", "quickstart"], environment: &[] },
    Step { name: "package", cargo: &["xtask", "package", "--allow-dirty"], environment: &[] },
];

/// Runs the steps asked for, all of them even if one fails, and says which failed.
///
/// # Errors
/// [`Error::Usage`] for a step that does not exist, [`Error::Failed`] if one fails.
pub fn ci(arguments: &Ci) -> Result<()> {
    let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    for name in arguments.only.iter().chain(&arguments.skip) {
        if !known.contains(&name.as_str()) {
            return Err(Error::Usage(format!("no step {name}; there are {}", known.join(", "))));
        }
    }
    let chosen = |step: &&Step| {
        let named = |list: &[String]| list.iter().any(|name| name == step.name);
        (arguments.only.is_empty() || named(&arguments.only)) && !named(&arguments.skip)
    };
    let mut results = Vec::new();
    for step in STEPS.iter().filter(chosen) {
        output::note(format!("── {} · cargo {}", step.name, step.cargo.join(" ")));
        let start = Instant::now();
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(step.cargo)
            .envs(step.environment.iter().copied())
            .current_dir(workspace())
            // What the steps say is for reading; standard output belongs to --json.
            .stdout(std::io::stderr())
            .status()
            .map_err(|error| Error::Failed(format!("cargo could not be started: {error}")))?;
        results.push((step.name, status.success(), start.elapsed().as_secs_f64()));
    }
    let table = crate::table::plain(
        &["step", "result", "seconds"],
        results.iter().map(|(name, passed, seconds)| {
            vec![
                (*name).to_owned(),
                if *passed { "passed" } else { "FAILED" }.to_owned(),
                format!("{seconds:.1}"),
            ]
        }),
    );
    let failed: Vec<&str> = results.iter().filter(|result| !result.1).map(|result| result.0).collect();
    let value = json!({
        "passed": failed.is_empty(),
        "steps": results.iter().map(|(name, passed, seconds)| {
            json!({"name": name, "passed": passed, "seconds": seconds})
        }).collect::<Vec<_>>(),
    });
    crate::table::show(&arguments.json, &value, &table)?;
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("failed: {}", failed.join(", ")))) }
}
