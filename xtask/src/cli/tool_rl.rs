//! The command line of `tool-rl`.

use std::path::PathBuf;

use clap::Args;

use super::{Existing, Json};

/// Arguments of `tool-rl`.
#[derive(Debug, Args)]
pub struct ToolRl {
    /// An experiment's name, or a TOML file
    #[arg(value_name = "NAME|FILE.toml", default_value = "tool-rl-quick")]
    pub experiment: String,
    /// What to run
    #[arg(long, value_enum, default_value = "table")]
    pub stage: Stage,
    /// Only these rows of the tables; a wrong one gets the whole list
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub rows: Vec<String>,
    /// Other seeds than the experiment's, for the rows that the claim rests on
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Run nothing: tell what is finished so far
    #[arg(long)]
    pub show: bool,
    /// Runs at the same time, each on one thread if there are several [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Where the runs go [default: runs/NAME]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Where the HTML report goes [default: report.html among the runs]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub existing: Existing,
    #[command(flatten)]
    pub json: Json,
}

/// A part of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// Supervised policies for each degree of the experts' care, before any method is run
    Calibrate,
    /// Learning rates for every method, on the grid's seeds and the validation world
    Grid,
    /// The tables, with the frozen learning rates
    Table,
}
