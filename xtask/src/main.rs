//! Sextant's command line: `cargo xtask`.

mod agents;
mod children;
mod cli;
mod commands;
mod comparison;
mod data;
mod error;
mod experiment;
mod fetch;
mod machine;
mod models;
mod output;
mod policies;
mod policy_model;
mod preference_model;
mod preferences;
mod report;
mod runs;
mod settings;
mod table;
mod team_model;
mod tool_ablations;
mod tool_rl;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

/// Texts that live for a moment are most of what checkers, generators and servers allocate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Quickstart(arguments) => commands::quickstart::quickstart(&arguments),
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Compare(arguments) => commands::compare::compare(&arguments),
        Command::Policies(arguments) => commands::policies::policies(&arguments),
        Command::Preferences(arguments) => commands::preferences::preferences(&arguments),
        Command::ToolRl(arguments) => commands::tool_rl::tool_rl(&arguments),
        Command::Synthesize(arguments) => commands::synthesize::synthesize(&arguments),
        Command::Agents(command) => commands::agents::agents(&command),
        Command::Bfcl(command) => commands::bfcl::bfcl(&command),
        Command::Data(command) => commands::data::data(&command),
        Command::Bench(arguments) => commands::bench::bench(&arguments),
        Command::Ci(arguments) => commands::ci::ci(&arguments),
        Command::Package(arguments) => commands::package::package(&arguments),
        Command::BenchCase(arguments) => commands::bench::bench_case(&arguments),
        Command::PolicyChild(arguments) => commands::policy_child::policy_child(&arguments),
        Command::PreferenceChild(arguments) => commands::preference_child::preference_child(&arguments),
        Command::ToolRlChild(arguments) => commands::tool_rl_child::tool_rl_child(&arguments),
        Command::Child(arguments) => commands::child::child(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}
