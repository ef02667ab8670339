//! The command line of `bfcl`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EXIT_CODES, Json};

/// What to do with the function-calling benchmark.
#[derive(Debug, Subcommand)]
pub enum Bfcl {
    /// Scores a folder of model outputs and writes the official score files and tables
    ///
    /// Reads RESULTS/MODEL/…/BFCL_v4_CATEGORY_result.json, as the official `bfcl generate` writes them, judges the single-turn
    /// categories, the multi-turn ones and the prompt variations, and writes SCORES/MODEL/GROUP/BFCL_v4_CATEGORY_score.json and six
    /// data_….csv. Web search and memory are not judged; score files of them that are there count in the tables. Answers are
    /// decoded as the official default does; a model whose official handler has a decoder of its own is not decoded by that.
    #[command(after_help = EXIT_CODES)]
    Score(Score),
    /// Replays a corpus of official verdicts, prints `cases N differences M`, and succeeds only if M is 0
    ///
    /// A corpus is gzipped JSON lines of inputs with what the official package said to them, single-turn, multi-turn or both.
    #[command(after_help = EXIT_CODES)]
    Replay(Replay),
    /// Prints what a prompted model is asked
    #[command(after_help = EXIT_CODES)]
    Prompt(Prompt),
}

/// Arguments of `bfcl score`.
#[derive(Debug, Args)]
pub struct Score {
    /// The official package: its folder `bfcl_eval`, a virtual environment or folder that holds it, or the wheel
    #[arg(long, value_name = "FOLDER|WHEEL")]
    pub data: PathBuf,
    /// The folder with a folder of results for each model
    #[arg(long, value_name = "FOLDER", default_value = "result")]
    pub result_dir: PathBuf,
    /// Where scores go
    #[arg(long, value_name = "FOLDER", default_value = "score")]
    pub score_dir: PathBuf,
    /// Only these models
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub model: Vec<String>,
    /// Only these categories
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub test_category: Vec<String>,
    /// Accept results of a part of a category's entries
    #[arg(long)]
    pub partial_eval: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `bfcl replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// The corpus
    #[arg(value_name = "CORPUS.jsonl.gz")]
    pub corpus: PathBuf,
    /// The official package, which multi-turn corpora need; as in `bfcl score --data`
    #[arg(long, value_name = "FOLDER|WHEEL")]
    pub data: Option<PathBuf>,
    /// Time decoding and checking too, on one thread
    #[arg(long)]
    pub time: bool,
    /// A Python interpreter that has the official package: time it on the same cases, round by round in turn, and print how many
    /// times as fast this is
    #[arg(long, value_name = "PYTHON")]
    pub peers: Option<PathBuf>,
    /// Rounds of a measurement, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub rounds: usize,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `bfcl prompt`.
#[derive(Debug, Args)]
pub struct Prompt {
    /// The category: one of Python's, single-turn or multi-turn
    pub category: String,
    /// The official package; as in `bfcl score --data`
    #[arg(long, value_name = "FOLDER|WHEEL")]
    pub data: PathBuf,
    /// Only these entries
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub id: Vec<String>,
    #[command(flatten)]
    pub json: Json,
}
