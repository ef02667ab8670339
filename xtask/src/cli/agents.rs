//! What can be said of agents.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The Action API of the English Wikipedia.
const WIKIPEDIA: &str = "https://en.wikipedia.org/w/api.php";

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum Agents {
    /// Prepares a data set by the reference's protocol and says what is left
    Data(AgentsData),
    /// Runs systems on a task, writes results and traces, prints the table
    Run(AgentsRun),
    /// Talks about films in the terminal; `/why` shows how the last answer came about
    Chat(AgentsChat),
    /// Serves the page in the browser
    Serve(AgentsServe),
    /// Offers the tools over the Model Context Protocol, on standard input and output or over HTTP
    Mcp(AgentsMcp),
    /// Shows, counts, compares and replays traces
    #[command(subcommand)]
    Trace(AgentsTrace),
    /// Shows the systems, or checks a system's TOML file
    Check(AgentsCheck),
    /// Prints the tools and every role's actions as JSON Schema
    Tools,
}

/// The data and how it is prepared.
#[derive(Clone, Debug, Args)]
pub struct Preparation {
    /// A name of `data list`, or a folder
    #[arg(long, value_name = "NAME|FOLDER", default_value = "mt-mini")]
    pub data: String,
    /// Where wrong candidates come from: uniform, popularity, reference (as MACRec draws them), hard (those nearest to the true item in
    /// the training matrix)
    #[arg(long, default_value = "uniform")]
    pub negatives: String,
    /// Wrong candidates a sample
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub candidates: usize,
    /// Only users with at least so many events before the test row
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_history: usize,
    /// Only users with at most so many events before the test row, to look at cold users alone
    #[arg(long, value_name = "N")]
    pub max_history: Option<usize>,
    /// Whose last rows are asked about: classic (every user's), cold-start (users cut to their last five rows), evolving (users
    /// whose taste moved most), strict (the first rows after nine tenths of all rows, models trained on those alone)
    #[arg(long, value_name = "SPLIT", default_value = "classic")]
    pub split: String,
    /// Models of `compare` to consult beside the built-in ones (directau, lightgcn, ials, rl-a2c, …), fitted on the training part
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub rankers: Vec<String>,
    /// Change a setting of such a model; see `compare --help`
    #[arg(long = "set", value_name = "MODEL.KEY=VALUE")]
    pub settings: Vec<String>,
    /// Let the Searcher ask an encyclopedia: the address of a MediaWiki's Action API; Wikipedia's if none is given. Only language
    /// models ask it, the rules do not
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = WIKIPEDIA)]
    pub wikipedia: Option<String>,
    /// Where the encyclopedia's answers are kept; in memory alone without
    #[arg(long, value_name = "FOLDER", requires = "wikipedia")]
    pub wikipedia_cache: Option<PathBuf>,
}

/// The seed where one is enough.
#[derive(Clone, Debug, Args)]
pub struct Seed {
    /// The seed of wrong candidates and of models that begin at random
    #[arg(long, value_name = "N", default_value_t = 2024)]
    pub seed: u64,
}

/// Who decides.
#[derive(Clone, Debug, Args)]
pub struct Model {
    /// policy (rules, no language model), http:FILE.json (an endpoint that speaks OpenAI's chat completions; the file
    /// holds `endpoint` with base_url, model and the name of the variable with the key, and if wanted `budget`, `cache`,
    /// `retry`, `asked`), local:FOLDER (a model of causal-lm with its tokenizer; needs the feature local-lm), or
    /// replay:TRACE.jsonl
    #[arg(long, value_name = "MODEL", default_value = "policy")]
    pub model: String,
}

/// Arguments of `agents data`.
#[derive(Debug, Args)]
pub struct AgentsData {
    #[command(flatten)]
    pub preparation: Preparation,
    #[command(flatten)]
    pub seed: Seed,
}

/// Arguments of `agents run`.
#[derive(Debug, Args)]
pub struct AgentsRun {
    #[command(flatten)]
    pub preparation: Preparation,
    /// Seeds of wrong candidates and of models that begin at random; the table has means
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', default_value = "2024")]
    pub seeds: Vec<u64>,
    #[command(flatten)]
    pub model: Model,
    /// rating, ranking, explanation or conversation (rp, sr, gen, chat); conversations are with simulated people, of the first seed
    #[arg(long, default_value = "rating")]
    pub task: String,
    /// What users wrote of items, one `{"user": …, "item": …, "text": …}` a line: explanations are held against it (BLEU, ROUGE)
    #[arg(long, value_name = "FILE")]
    pub reviews: Option<PathBuf>,
    /// The systems, in the order of the table; all that can do the task if none is named
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub systems: Vec<String>,
    /// The most turns of a conversation
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub turns: usize,
    /// Only the first N samples
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Threads, unless the model is behind an endpoint [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Samples in flight: on each thread, or of an endpoint in all [default: 1, of an endpoint 8]
    #[arg(long, value_name = "N")]
    pub in_flight: Option<usize>,
    /// Where results and traces go
    #[arg(long, value_name = "FOLDER", default_value = "runs/agents")]
    pub out: PathBuf,
    /// Replace results of another configuration; without it the run goes on where it was cut off
    #[arg(long)]
    pub fresh: bool,
    #[command(flatten)]
    pub json: super::Json,
}

/// Arguments of `agents chat`.
#[derive(Debug, Args)]
pub struct AgentsChat {
    #[command(flatten)]
    pub preparation: Preparation,
    #[command(flatten)]
    pub seed: Seed,
    #[command(flatten)]
    pub model: Model,
}

/// Arguments of `agents serve`.
#[derive(Debug, Args)]
pub struct AgentsServe {
    #[command(flatten)]
    pub preparation: Preparation,
    #[command(flatten)]
    pub seed: Seed,
    #[command(flatten)]
    pub model: Model,
    /// Where to listen; beyond loopback a token is required
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub address: SocketAddr,
    /// The environment variable that holds the token
    #[arg(long, value_name = "NAME")]
    pub token_variable: Option<String>,
}

/// Arguments of `agents mcp`.
#[derive(Debug, Args)]
pub struct AgentsMcp {
    #[command(flatten)]
    pub preparation: Preparation,
    #[command(flatten)]
    pub seed: Seed,
    /// Serve over HTTP at this address, path /mcp, instead; beyond loopback a token is required
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,
    /// The environment variable that holds the token
    #[arg(long, value_name = "NAME")]
    pub token_variable: Option<String>,
}

/// What to do with traces.
#[derive(Debug, Subcommand)]
pub enum AgentsTrace {
    /// Shows who thought, did and saw what
    Show {
        /// The trace
        file: PathBuf,
        /// Only this sample
        #[arg(long)]
        sample: Option<String>,
    },
    /// Counts events, actions and tool calls
    Stats {
        /// The trace
        file: PathBuf,
    },
    /// Repeats a run from its trace, and says where what comes out is not what was recorded
    Replay {
        /// The trace; the data has to be the one that it was made on
        file: PathBuf,
        #[command(flatten)]
        preparation: Preparation,
        #[command(flatten)]
        seed: Seed,
    },
    /// Writes what the other systems train on, as JSON lines on standard output
    Export {
        /// The folder of a run: results.jsonl and trace.jsonl
        folder: PathBuf,
        /// trajectories (tool-rl; the messages that tool-synth's readers know) or pairs (pref-opt: two attempts, the better first)
        #[arg(long, default_value = "trajectories")]
        form: String,
        #[command(flatten)]
        preparation: Preparation,
        #[command(flatten)]
        seed: Seed,
    },
    /// Says where two traces differ first, sample by sample
    Diff {
        /// One trace
        left: PathBuf,
        /// The other
        right: PathBuf,
    },
}

/// Arguments of `agents check`.
#[derive(Debug, Args)]
pub struct AgentsCheck {
    /// A system's TOML file
    pub file: Option<PathBuf>,
}
