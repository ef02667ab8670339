//! The command line: what can be said, and the help that explains it.

pub mod agents;
mod bfcl;
mod tool_rl;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use bfcl::{Bfcl, Prompt as BfclPrompt, Replay as BfclReplay, Score as BfclScore};
pub use tool_rl::{Stage, ToolRl};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something ran and failed: a model, a check, a step of ci
  2  the command line, a setting or an experiment file is not understood
  3  data is missing, or is not what its format or checksum says
  4  a run folder holds other results; --resume, --fresh or another --out decides";

/// Sextant's command line: experiments, comparisons, data, benchmarks, checks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = EXIT_CODES)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows every system on the data set that comes with the repository, and writes a report
    ///
    /// Takes a few minutes on two cores. Writes report.html (one file, no network needed to read it) and
    /// report.json. The settings are those of quickstart.toml in xtask/experiments and in its folders policies,
    /// preferences and tool-rl.
    #[command(after_help = EXIT_CODES)]
    Quickstart(Quickstart),
    /// Runs an experiment: an experiment's name, or a TOML file
    ///
    /// Named experiments lie in xtask/experiments. Every model and seed gets a folder of its own with its
    /// configuration, metrics by epoch, checkpoint and result, so that a run that was cut off goes on with
    /// --resume and ends in the same result. `run tool-synth-ablations` asks what synthetic dialogues teach.
    #[command(after_help = EXIT_CODES)]
    Run(Run),
    /// Compares models on one split: one table, means and deviations over seeds, paired significance
    #[command(after_help = EXIT_CODES)]
    Compare(Compare),
    /// Trains policies in a world of simulated users and judges them on the true rewards, over several seeds
    ///
    /// Every policy and seed gets a folder of its own, as with `run`. The user models that policies learn on are
    /// fitted once for each seed. Named experiments lie in xtask/experiments/policies.
    #[command(after_help = EXIT_CODES)]
    Policies(Policies),
    /// Aligns a recommending language model by SFT, DPO, SPRec and others, and shows what that does to what it recommends
    ///
    /// One token an item, a small decoder trained from scratch. Every arm, beta and seed gets a folder of its own, as
    /// with `run`; the policy that all arms begin with is trained once for each seed. Named experiments lie in
    /// xtask/experiments/preferences.
    #[command(after_help = EXIT_CODES)]
    Preferences(Preferences),
    /// Trains small policies that use tools, with a reward for every step (StepTool) beside baselines that get the same
    ///
    /// A generated office with decoys and side effects, noisy experts, a supervised policy for each seed, and from there every
    /// method with the same episodes, tokens and caps. Three stages: `calibrate` tries how noisy the experts should be,
    /// `grid` tries learning rates on seeds of its own and prints what to freeze, `table` makes the tables. Every run has a folder
    /// of its own, as with `run`. Named experiments lie in xtask/experiments/tool-rl.
    #[command(after_help = EXIT_CODES)]
    ToolRl(ToolRl),
    /// Synthesises dialogues with tools, verified by rules and experts, as training data for function calling
    ///
    /// Offline and reproducible: the same seed gives the same bytes for any number of threads and shards. Writes
    /// samples as JSON lines and Parquet, ToolACE rows and BFCL pairs, a data card and a page to leaf through them.
    #[command(after_help = EXIT_CODES)]
    Synthesize(Synthesize),
    /// A team of agents that recommends: in the terminal, in a browser, over MCP, on samples
    ///
    /// Decides by rules unless --model says otherwise; nothing is sent anywhere by default.
    #[command(subcommand, after_help = EXIT_CODES)]
    Agents(agents::Agents),
    /// Scores function calls as the Berkeley Function-Calling Leaderboard does, and replays its verdicts
    #[command(subcommand, after_help = EXIT_CODES)]
    Bfcl(Bfcl),
    /// Lists, fetches, checks, describes and converts data sets
    #[command(subcommand, after_help = EXIT_CODES)]
    Data(Data),
    /// Times the hot paths, alone or side by side with Python libraries
    #[command(after_help = EXIT_CODES)]
    Bench(Bench),
    /// Runs every check: format, clippy, tests, documentation, quick start, packages
    #[command(after_help = EXIT_CODES)]
    Ci(Ci),
    /// Checks what publication would check, crate by crate: contents, metadata, documentation, README example
    #[command(after_help = EXIT_CODES)]
    Package(Package),
    /// Fits and judges one model with one seed, as described by a run folder (started by the other commands)
    #[command(hide = true)]
    Child(Child),
    /// Trains and judges one policy with one seed, as described by a run folder (started by policies)
    #[command(hide = true)]
    PolicyChild(Child),
    /// Plays the rounds of one arm with one seed, as described by a run folder (started by preferences)
    #[command(hide = true)]
    PreferenceChild(Child),
    /// Trains and judges one row with one seed, as described by a run folder (started by tool-rl)
    #[command(hide = true)]
    ToolRlChild(Child),
    /// Times our side of one case of bench (started by bench)
    #[command(hide = true)]
    BenchCase(BenchCase),
}

/// Where `--json` writes.
#[derive(Clone, Debug, Default, Args)]
pub struct Json {
    /// Write the result as JSON to FILE; to standard output, instead of the table, if no FILE is given
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub json: Option<PathBuf>,
}

/// What to do with a run folder that exists.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Existing {
    /// Keep finished runs and go on from the checkpoints of unfinished ones
    #[arg(long)]
    pub resume: bool,
    /// Replace the runs that exist; with --resume only those of another configuration
    #[arg(long)]
    pub fresh: bool,
}

/// Arguments of `quickstart`.
#[derive(Debug, Args)]
pub struct Quickstart {
    /// Only these models, and none of the other parts
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Other seeds than the experiment's
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Where the runs and the report go
    #[arg(long, value_name = "FOLDER", default_value = "runs/quickstart")]
    pub out: PathBuf,
    /// See `compare --help`
    #[arg(long = "set", value_name = "MODEL.KEY=VALUE")]
    pub settings: Vec<String>,
    #[command(flatten)]
    pub existing: Existing,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `synthesize`.
#[derive(Debug, Args)]
pub struct Synthesize {
    /// What to do with shards that are made
    #[command(subcommand)]
    pub action: Option<SynthesizeAction>,
    /// How many verified dialogues, over all shards
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub count: u64,
    /// How many tools to make; of documents alone there is one an operation, and no more
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub apis: usize,
    /// Documents whose operations become tools, as they are: OpenAPI 3 or lists of tools (OpenAI's form, or MCP's tools/list), in JSON
    #[arg(long, value_name = "FILE,…", value_delimiter = ',', global = true)]
    pub documents: Vec<PathBuf>,
    /// No tools but those of --documents
    #[arg(long, global = true)]
    pub documents_only: bool,
    /// The seed of all choices
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Which part of the blocks to make, from 0
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    pub shard: String,
    /// Threads; 0 takes all cores
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Who plays user, assistant, tool and experts: `offline`, or the base address of an OpenAI-compatible endpoint, such as
    /// http://127.0.0.1:8000/v1. Its replies are kept in --out/replies, so that --resume asks nothing twice
    #[arg(long, value_name = "offline|URL", default_value = "offline")]
    pub engine: String,
    /// The model at the endpoint
    #[arg(long, value_name = "NAME", default_value = "sextant-rules")]
    pub model: String,
    /// The environment variable that holds the endpoint's key
    #[arg(long, value_name = "VARIABLE")]
    pub key_variable: Option<String>,
    /// Requests at once to the endpoint
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub concurrency: usize,
    /// Requests a minute to the endpoint, at most
    #[arg(long, value_name = "N")]
    pub per_minute: Option<f64>,
    /// The most tokens of a reply
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub max_tokens: u32,
    /// Where the data go
    #[arg(long, value_name = "FOLDER", default_value = "runs/dialogues", global = true)]
    pub out: PathBuf,
    /// Go on where an earlier call was cut off
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub json: Json,
}

/// What to do with shards that are made.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum SynthesizeAction {
    /// Merges the shards in --out, and writes exports, data card and pages
    Merge,
    /// Puts the offline engine behind an OpenAI-compatible endpoint on the loopback interface, until it is killed
    ///
    /// It is no language model: it answers the typed tasks that `synthesize --engine` sends along, and other requests as an
    /// assistant with the tools of the request. --apis, --seed and --documents must be those of the client. The first line on standard
    /// output is its base address.
    Serve {
        /// The port; 0 takes a free one
        #[arg(long, value_name = "N", default_value_t = 0)]
        port: u16,
        /// The pool's tools
        #[arg(long, value_name = "N", default_value_t = 2000)]
        apis: usize,
        /// The pool's seed
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// The time before every answer, in milliseconds
        #[arg(long, value_name = "N", default_value_t = 0)]
        latency: u64,
    },
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The name of an experiment, or a TOML file; without it the named experiments are listed
    #[arg(value_name = "NAME|FILE.toml")]
    pub experiment: Option<String>,
    /// The folder of the data set, where it is not the one that the experiment names
    #[arg(long, value_name = "NAME|FOLDER")]
    pub data: Option<String>,
    /// Only these models
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub models: Vec<String>,
    /// Other seeds than the experiment's
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Another device than the experiment's
    #[arg(long)]
    pub device: Option<String>,
    /// See `compare --help`
    #[arg(long = "set", value_name = "MODEL.KEY=VALUE")]
    pub settings: Vec<String>,
    /// Where the runs and the report go [default: runs/NAME]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub existing: Existing,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The data set: a name of `data list`, or a folder
    #[arg(long, value_name = "NAME|FOLDER", default_value = "mt-mini")]
    pub data: String,
    /// How rows are split into train, validation and test, such as
    ///   ratio:0.8,0.1,0.1           each user's rows, shuffled
    ///   ratio-by-time:0.8,0.1,0.1   each user's rows, oldest first
    ///   leave-one-out               each user's last row is test, the one before validation
    ///   temporal:0.8,0.9            two points in time for all users, as quantiles
    ///   given:FOLDER                files as they are
    /// A wrong one gets the whole list.
    #[arg(long, default_value = "ratio:0.8,0.1,0.1", verbatim_doc_comment)]
    pub split: String,
    /// Which rows count: all, or at-least:RATING
    #[arg(long, default_value = "all")]
    pub feedback: String,
    /// Keep users and items with at least N rows each (k-core), after --feedback
    #[arg(long, value_name = "N")]
    pub core: Option<u32>,
    /// The seed of the split, which all models and seeds share
    #[arg(long, value_name = "N", default_value_t = 2020)]
    pub split_seed: u64,
    /// The models, in the order of the table
    #[arg(
        long,
        value_name = "A,B,…",
        value_delimiter = ',',
        default_value = "popularity,itemknn,ease,ials,bpr,lightgcn,directau"
    )]
    pub models: Vec<String>,
    /// The seeds; a model without randomness runs once
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2,3")]
    pub seeds: Vec<u64>,
    /// flex (CPU), cuda:0, wgpu, tch; anything but flex trains with the burn engine
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Change a setting: MODEL.KEY=VALUE, where KEY is the name of a setting or the end of its dotted path, and
    /// MODEL is a model or `all`. May be given several times
    #[arg(long = "set", value_name = "MODEL.KEY=VALUE")]
    pub settings: Vec<String>,
    /// The metrics of the table, by default recall@20,ndcg@20,hit@20,mrr@20,coverage@20; JSON has them all
    #[arg(long, value_name = "M@K,…", value_delimiter = ',')]
    pub metrics: Vec<String>,
    /// Where the runs go [default: runs/compare-HASH, by what is compared]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Write the HTML report to FILE as well
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub existing: Existing,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `policies`.
#[derive(Debug, Args)]
pub struct Policies {
    /// An experiment's name, or a TOML file; what is said beside it replaces what it says
    #[arg(value_name = "NAME|FILE.toml")]
    pub experiment: Option<String>,
    /// The world: mt-mini, coat, movielens, yahoo, kuairec, kuairand, synthetic-coat, synthetic-kuairec
    /// [default: mt-mini]
    #[arg(long)]
    pub world: Option<String>,
    /// The folder of the world's files, where they do not lie among the data sets
    #[arg(long, value_name = "NAME|FOLDER")]
    pub data: Option<String>,
    /// The policies, in the order of the table [default: random,a2c,dqn,dorl]; a wrong one gets the whole list
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub policies: Vec<String>,
    /// The seeds [default: 1,2,3,4,5]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Epochs of every policy [default: 20]
    #[arg(long, value_name = "N")]
    pub epochs: Option<usize>,
    /// Window and threshold of the quit rule, where they are not to be the published ones
    #[arg(long, value_name = "N/THETA")]
    pub quit: Option<crate::policies::world::QuitChange>,
    /// Which defects of the reference to repeat: none or easyrl4rec [default: none]
    #[arg(long, value_enum)]
    pub compat: Option<CompatPreset>,
    /// flex (CPU), cuda:0, wgpu, tch [default: flex]
    #[arg(long)]
    pub device: Option<String>,
    /// Change a setting: POLICY.KEY=VALUE, where KEY is the name of a setting or the end of its dotted path, and
    /// POLICY is a policy, `user-model` or `all`. May be given several times
    #[arg(long = "set", value_name = "POLICY.KEY=VALUE")]
    pub settings: Vec<String>,
    /// Runs at the same time, each on one thread if there are several [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Where the runs go [default: runs/policies-NAME for an experiment, runs/policies-HASH otherwise]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Write the HTML report to FILE as well
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub existing: Existing,
    /// Put every epoch of every run into the JSON, not the means alone
    #[arg(long)]
    pub curves: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `preferences`.
#[derive(Debug, Args)]
pub struct Preferences {
    /// An experiment's name, or a TOML file; what is said beside it replaces what it says
    #[arg(value_name = "NAME|FILE.toml")]
    pub experiment: Option<String>,
    /// A name of `data list`, or a folder; it needs titles [default: mt-mini]
    #[arg(long, value_name = "NAME|FOLDER")]
    pub data: Option<String>,
    /// The arms, in the order of the table [default: a,b,c,d,e,f,g,h]; a wrong one gets the whole list
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub arms: Vec<String>,
    /// How strongly policies are held to their reference [default: 0.1]
    #[arg(long, value_name = "X,…", value_delimiter = ',')]
    pub betas: Vec<f64>,
    /// The seeds [default: 1,2,3]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// Rounds of every arm [default: 5]
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Training rows of a round [default: 1024]
    #[arg(long, value_name = "N")]
    pub rows: Option<usize>,
    /// The learning rate of preference stages [default: 1e-5]
    #[arg(long, value_name = "X")]
    pub learning_rate: Option<f64>,
    /// flex (CPU), cuda:0, wgpu, tch [default: flex]
    #[arg(long)]
    pub device: Option<String>,
    /// Runs at the same time, each on one thread if there are several [default: the number of cores]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Where the runs go [default: runs/preferences-NAME for an experiment, runs/preferences-HASH otherwise]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Write the HTML report to FILE as well
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub existing: Existing,
    /// Put every run with all it recorded into the JSON, not the means alone
    #[arg(long)]
    pub curves: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Which defects of the reference to repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CompatPreset {
    /// None: what the papers say
    None,
    /// All that EasyRL4Rec's published numbers depend on
    Easyrl4rec,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// A Python interpreter that has the peers installed; their scripts (benches/peers) then run in turn with ours
    #[arg(long, value_name = "PYTHON")]
    pub peers: Option<PathBuf>,
    /// The data set: a name of `data list`, or a folder; with --split given:FOLDER the split is read as it is
    #[arg(long, value_name = "NAME|FOLDER", default_value = "mt-mini")]
    pub data: String,
    /// How rows are split; see `compare --help`
    #[arg(long, default_value = "ratio:0.8,0.1,0.1")]
    pub split: String,
    /// Only the cases whose name contains this
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    pub cases: Vec<String>,
    /// How often each side of a case runs; medians are reported
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeats: usize,
    /// Threads of both sides
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub threads: usize,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `ci`.
#[derive(Debug, Args)]
pub struct Ci {
    /// Only these steps: format, clippy, test, docs, quickstart, package
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Not these steps
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    pub skip: Vec<String>,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `package`.
#[derive(Debug, Args)]
pub struct Package {
    /// Only these crates
    #[arg(value_name = "CRATE")]
    pub crates: Vec<String>,
    /// Allow files that are not committed
    #[arg(long)]
    pub allow_dirty: bool,
    /// Do not compile the packaged crate from its packaged files
    #[arg(long)]
    pub no_verify: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of the hidden command that fits one model.
#[derive(Debug, Args)]
pub struct Child {
    /// The run folder; its config.toml says what to do
    pub folder: PathBuf,
}

/// Arguments of the hidden command that times one case.
#[derive(Debug, Args)]
pub struct BenchCase {
    /// The case
    pub name: String,
    /// The folder of the split
    pub folder: PathBuf,
}

/// What to do with data sets.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Lists the known data sets: source, licence, whether they are here
    List(DataList),
    /// Fetches a data set into the cache: shows its terms, downloads with curl, checks size and checksum
    Fetch(DataFetch),
    /// Compares the files of data sets with their checksums
    Check(DataCheck),
    /// Describes a data set: counts, density, concentration, time span
    Stats(DataStats),
    /// Writes a data set in another format
    Convert(DataConvert),
}

/// Arguments of `data list`.
#[derive(Debug, Args)]
pub struct DataList {
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `data fetch`.
#[derive(Debug, Args)]
pub struct DataFetch {
    /// The data set's name
    pub name: String,
    /// Import from a local file or folder instead of the network
    #[arg(long, value_name = "FILE|FOLDER")]
    pub from: Option<PathBuf>,
    /// Accept the data set's terms without being asked
    #[arg(long)]
    pub accept_terms: bool,
    /// Fetch again what is in the cache already
    #[arg(long)]
    pub fresh: bool,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `data check`.
#[derive(Debug, Args)]
pub struct DataCheck {
    /// The data sets; all that are here if none is named
    pub names: Vec<String>,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `data stats`.
#[derive(Debug, Args)]
pub struct DataStats {
    /// A name of `data list`, or a folder
    #[arg(value_name = "NAME|FOLDER", default_value = "mt-mini")]
    pub data: String,
    #[command(flatten)]
    pub json: Json,
}

/// Arguments of `data convert`.
#[derive(Debug, Args)]
pub struct DataConvert {
    /// A name of `data list`, or a folder
    #[arg(value_name = "NAME|FOLDER")]
    pub data: String,
    /// The folder to write
    #[arg(value_name = "FOLDER")]
    pub out: PathBuf,
    /// The format
    #[arg(long, value_enum, default_value = "atomic")]
    pub to: Format,
    #[command(flatten)]
    pub json: Json,
}

/// A format that `data convert` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// RecBole's atomic files: tab-separated, typed header
    Atomic,
    /// One tab-separated file with a plain header
    Tsv,
    /// One comma-separated file with a plain header
    Csv,
    /// One Parquet file (needs a build with the feature `polars`)
    Parquet,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_documented_surface_is_understood() {
        let line = "xtask compare --data mt-mini --split leave-one-out --models bpr,ease --seeds 1,2 --device flex \
                    --set bpr.dim=8 --set all.epochs=2 --json out.json";
        let Command::Compare(compare) = Cli::parse_from(line.split_whitespace()).command else {
            panic!("not compare");
        };
        assert_eq!(compare.models, ["bpr", "ease"]);
        assert_eq!(compare.seeds, [1, 2]);
        assert_eq!(compare.split_seed, 2020);
        assert_eq!(compare.settings, ["bpr.dim=8", "all.epochs=2"]);
        assert_eq!(compare.json.json, Some(PathBuf::from("out.json")));
    }

    #[test]
    fn json_without_a_file_means_standard_output() {
        let Command::Data(Data::Stats(stats)) =
            Cli::parse_from(["xtask", "data", "stats", "mt-mini", "--json"]).command
        else {
            panic!("not data stats");
        };
        assert_eq!(stats.json.json, Some(PathBuf::from("-")));
    }

    #[test]
    fn every_command_explains_itself_and_names_the_exit_codes() {
        for command in Cli::command().get_subcommands_mut().filter(|command| !command.is_hide_set()) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Exit codes"), "{help}");
            assert!(command.get_about().is_some());
        }
    }
}
