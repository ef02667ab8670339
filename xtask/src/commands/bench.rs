//! `bench`: our hot paths, timed alone or in turn with Python libraries on the same split, one process a measurement.

mod embeddings;
mod environments;
mod language_models;
mod tool_use;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use cf_align::ModelConfig;
use rec_core::split::SplitSpec;
use rec_core::{Dataset, Split, read, write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::{Bench, BenchCase};
use crate::comparison::median;
use crate::error::{Error, Result};
use crate::machine::{Machine, peak_rss_mib, workspace};
use crate::{data, output, table};

/// One measurement of one side: seconds by name, how good what came of it is, and the memory of its process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sample {
    seconds: BTreeMap<String, f64>,
    quality: BTreeMap<String, f64>,
    peak_rss_mib: Option<f64>,
}

/// Something that is timed.
struct Case {
    name: &'static str,
    about: &'static str,
    ours: Ours,
    /// The peer's script and arguments, and for each of its JSON values the one of ours that it is compared with.
    peer: Option<Peer>,
}

/// Our side of a case.
#[derive(Clone, Copy)]
enum Ours {
    /// It reads the data set that the command names.
    OfData(fn(&Input) -> Times),
    /// It makes its own.
    Generated(fn() -> Times),
    /// It makes its own and leaves it in the folder for the peer.
    Written(fn(&Path) -> Times),
}

struct Peer {
    script: &'static str,
    /// An environment variable that the script needs beyond Python packages. Where it is not set, our side runs alone.
    needs: Option<&'static str>,
    /// Whether the script takes the parts of the split and the number of threads.
    takes_split: bool,
    /// `{folder}` and `{threads}` stand for where our side writes and for the number of threads.
    arguments: &'static [&'static str],
    /// (the peer's name for people, a pointer into its JSON, our value).
    values: &'static [(&'static str, &'static str, &'static str)],
    /// (a pointer into its JSON, our metric): what shows that both sides did the same work.
    quality: &'static [(&'static str, &'static str)],
}

/// The data of a case.
struct Input {
    dataset: Dataset,
    split: Split,
}

/// What `torch_causal_lm.py` times, for models of any size.
const LANGUAGE_MODEL: &[(&str, &str, &str)] = &[
    ("PyTorch, SFT step", "/sft/median", "sft"),
    ("PyTorch, DPO step", "/dpo/median", "dpo"),
    ("transformers, 64 tokens greedily", "/greedy_1/median", "greedy_1"),
    ("transformers, 64 tokens, 32 rows", "/greedy_32/median", "greedy_32"),
];

/// NDCG@20 on the validation part.
const NDCG_VALID: &str = "valid ndcg@20";
/// NDCG@20 on the test part.
const NDCG_TEST: &str = "test ndcg@20";

const CASES: &[Case] = &[
    Case {
        name: "directau-epoch-1024",
        about: "one epoch of DirectAU on plain embeddings, 64 dimensions, batches of 1024",
        ours: Ours::OfData(|input| embeddings::epoch(input, ModelConfig::directau(), 1024)),
        peer: Some(Peer {
            script: "recbole_directau.py",
            needs: None,
            takes_split: true,
            arguments: &["train", "--epochs", "3", "--batch", "1024", "--repeats", "1"],
            values: &[("RecBole", "/seconds_epoch/median", "epoch")],
            quality: &[],
        }),
    },
    Case {
        name: "directau-epoch-256",
        about: "the same with batches of 256",
        ours: Ours::OfData(|input| embeddings::epoch(input, ModelConfig::directau(), 256)),
        peer: Some(Peer {
            script: "recbole_directau.py",
            needs: None,
            takes_split: true,
            arguments: &["train", "--epochs", "3", "--batch", "256", "--repeats", "1"],
            values: &[("RecBole", "/seconds_epoch/median", "epoch")],
            quality: &[],
        }),
    },
    Case {
        name: "directau-validated",
        about: "DirectAU in batches of 1024, gamma 0.4, learning rate 1e-2: forty epochs, each validated, the best kept",
        ours: Ours::OfData(embeddings::validated),
        peer: Some(Peer {
            script: "recbole_directau.py",
            needs: None,
            takes_split: true,
            arguments: &[
                "train",
                "--gamma",
                "0.4",
                "--lr",
                "0.01",
                "--batch",
                "1024",
                "--epochs",
                "40",
                "--patience",
                "40",
                "--metrics",
                "--repeats",
                "1",
            ],
            values: &[("RecBole", "/seconds_fit", "fit")],
            quality: &[("/valid/ndcg@20", NDCG_VALID), ("/test/ndcg@20", NDCG_TEST)],
        }),
    },
    Case {
        name: "lightgcn-epoch",
        about: "one epoch of LightGCN with BPR, two layers, batches of 2048",
        ours: Ours::OfData(|input| embeddings::epoch(input, ModelConfig::lightgcn(), 2048)),
        peer: Some(Peer {
            script: "recbole_directau.py",
            needs: None,
            takes_split: true,
            arguments: &[
                "train",
                "--model",
                "LightGCN",
                "--epochs",
                "3",
                "--batch",
                "2048",
                "--repeats",
                "1",
            ],
            values: &[("RecBole", "/seconds_epoch/median", "epoch")],
            quality: &[],
        }),
    },
    Case {
        name: "evaluate",
        about: "full ranking of all validation users, top 20, with 64-dimensional embeddings",
        ours: Ours::OfData(embeddings::evaluate),
        peer: Some(Peer {
            script: "recbole_directau.py",
            needs: None,
            takes_split: true,
            arguments: &["evaluate", "--repeats", "3"],
            values: &[
                ("RecBole, default batch", "/seconds_recbole/median", "evaluate"),
                ("RecBole, large batch", "/seconds_recbole_large/median", "evaluate"),
                ("PyTorch matmul, mask, topk", "/seconds_torch/median", "rank"),
            ],
            quality: &[],
        }),
    },
    Case {
        name: "ials",
        about: "iALS with 64 factors, fit and top 20 for all users",
        ours: Ours::OfData(embeddings::ials),
        peer: Some(Peer {
            script: "implicit_als.py",
            needs: None,
            takes_split: true,
            arguments: &["--what", "als", "--iterations", "15"],
            values: &[
                ("implicit, fit", "/als/seconds_fit", "fit"),
                ("implicit, recommend", "/als/seconds_recommend/median", "recommend"),
            ],
            quality: &[("/als/test/ndcg@20", NDCG_TEST)],
        }),
    },
    Case {
        name: "itemknn",
        about: "cosine item neighbours (100), fit and top 20 for all users",
        ours: Ours::OfData(embeddings::item_knn),
        peer: Some(Peer {
            script: "implicit_als.py",
            needs: None,
            takes_split: true,
            arguments: &["--what", "cosine", "--neighbours", "100", "--no-metrics"],
            values: &[
                ("implicit, fit", "/cosine/seconds_fit", "fit"),
                ("implicit, recommend", "/cosine/seconds_recommend/median", "recommend"),
            ],
            quality: &[],
        }),
    },
    Case { name: "ease", about: "EASE in closed form", ours: Ours::OfData(embeddings::ease), peer: None },
    Case {
        name: "gemm-share",
        about: "a DirectAU step (batches of 1024) beside one matrix product with the same number of operations",
        ours: Ours::OfData(|input| embeddings::gemm_share(input, 1024)),
        peer: None,
    },
    Case {
        name: "gemm-share-256",
        about: "the same with batches of 256",
        ours: Ours::OfData(|input| embeddings::gemm_share(input, 256)),
        peer: None,
    },
    Case {
        name: "environment",
        about: "environment steps with random actions on KuaiRec's shape",
        ours: Ours::Generated(environments::steps),
        peer: Some(Peer {
            script: "easyrl_env.py",
            needs: Some("EASYRL4REC"),
            takes_split: false,
            arguments: &["--repeats", "1"],
            values: &[
                (
                    "EasyRL4Rec, true rewards, 100 envs",
                    "/true/vector/seconds_per_million/median",
                    "million steps, 100 envs, 1 thread",
                ),
                (
                    "EasyRL4Rec, simulated rewards, 100 envs",
                    "/simulated/vector/seconds_per_million/median",
                    "million steps, 100 envs, 1 thread",
                ),
            ],
            quality: &[],
        }),
    },
    Case {
        name: "a2c-training",
        about: "collecting and learning with A2C in 100 environments of KuaiRec's shape",
        ours: Ours::Generated(environments::a2c),
        peer: None,
    },
    Case {
        name: "causal-lm-1m",
        about: "SFT and DPO steps on 16 sequences of 52 + 12 tokens and greedy decoding, a million parameters",
        ours: Ours::Generated(language_models::one_million),
        peer: Some(Peer {
            script: "torch_causal_lm.py",
            needs: None,
            takes_split: false,
            arguments: &["1m", "--repeats", "5"],
            values: LANGUAGE_MODEL,
            quality: &[],
        }),
    },
    Case {
        name: "causal-lm-5m",
        about: "SFT and DPO steps on 16 sequences of 52 + 12 tokens and greedy decoding, five million parameters",
        ours: Ours::Generated(language_models::five_million),
        peer: Some(Peer {
            script: "torch_causal_lm.py",
            needs: None,
            takes_split: false,
            arguments: &["5m", "--repeats", "5"],
            values: LANGUAGE_MODEL,
            quality: &[],
        }),
    },
    Case {
        name: "tool-rl",
        about: "an iteration of PPO on 128 episodes of the back office, 1.7M parameters, two passes in minibatches of 32",
        ours: Ours::Written(tool_use::training),
        peer: Some(Peer {
            script: "torch_ppo.py",
            needs: Some("TORCH_PPO"),
            takes_split: false,
            arguments: &["{folder}/tool-rl.json", "--threads", "{threads}", "--repeats", "2"],
            values: &[
                ("transformers, generate", "/rollout_of_1000", "rollout, 1000 tokens"),
                ("PyTorch, look", "/look/median", "look"),
                ("PyTorch, update", "/update/median", "update"),
                ("PyTorch, look and update", "/learn", "look and update"),
                ("TRL 0.10.1, step", "/trl_step/median", "look and update"),
            ],
            quality: &[],
        }),
    },
];

/// Runs the cases, ours and theirs in turn, and reports medians and their ratios.
///
/// # Errors
/// [`Error::Usage`] if no case has such a name, errors of the data, [`Error::Failed`] if a side fails.
pub fn bench(arguments: &Bench) -> Result<()> {
    let wanted = |case: &&Case| {
        arguments.cases.is_empty() || arguments.cases.iter().any(|text| case.name.contains(text.as_str()))
    };
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    if cases.is_empty() || arguments.repeats == 0 {
        let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        return Err(Error::Usage(format!("nothing to run; there are {}", known.join(", "))));
    }
    let folder = std::env::temp_dir().join(format!("sextant-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
    let (mut data_facts, mut split_facts) = (Value::Null, Value::Null);
    if cases.iter().any(|case| matches!(case.ours, Ours::OfData(_))) {
        let dataset = data::load(&arguments.data)?;
        let spec: SplitSpec = arguments.split.parse()?;
        let split = data::split(&dataset, &spec, 2020)?;
        write::split(&split, &dataset, &folder)?;
        data_facts = json!(data::facts(&dataset, &arguments.data, &Default::default()));
        split_facts = json!(data::split_facts(&split));
    }
    let result = measure(arguments, &cases, &folder);
    // The folder is ours alone; a failure to remove it must not hide what happened.
    let removed = std::fs::remove_dir_all(&folder);
    let measured = result?;
    removed.map_err(|error| Error::io(&folder, error))?;
    let mut rows = Vec::new();
    for (case, value) in &measured {
        for own in value["ours"]["seconds"].as_object().into_iter().flatten() {
            rows.push(vec![
                case.name.into(),
                own.0.clone(),
                "ours".into(),
                table::seconds(own.1["median"].as_f64().unwrap_or(f64::NAN)),
                String::new(),
            ]);
            for peer in
                value["peers"].as_array().into_iter().flatten().filter(|p| p["ours"] == own.0.as_str())
            {
                rows.push(vec![
                    String::new(),
                    String::new(),
                    peer["name"].as_str().unwrap_or_default().into(),
                    table::seconds(peer["median"].as_f64().unwrap_or(f64::NAN)),
                    format!("{:.2}", peer["ratio"].as_f64().unwrap_or(f64::NAN)),
                ]);
            }
        }
        for (name, value) in value["quality"].as_object().into_iter().flatten() {
            for (side, title) in [("ours", "ours"), ("theirs", "peer")] {
                if let Some(quality) = value[side].as_f64() {
                    let (quality, what) =
                        (format!("{quality:.4}"), if side == "ours" { name.as_str() } else { "" });
                    rows.push(vec![String::new(), what.into(), title.into(), quality, String::new()]);
                }
            }
        }
        let memory = |side: &str| value[side].as_f64().map(|mib| format!("{mib:.0} MiB"));
        rows.extend(
            memory("peak_rss_mib")
                .map(|own| vec![String::new(), "peak memory".into(), "ours".into(), own, String::new()]),
        );
        if let (Some(own), Some(theirs)) =
            (value["peak_rss_mib"].as_f64(), value["peer_peak_rss_mib"].as_f64())
        {
            let text = format!("{theirs:.0} MiB");
            rows.push(vec![
                String::new(),
                String::new(),
                "peer".into(),
                text,
                format!("{:.2}", theirs / own),
            ]);
        }
    }
    let text = table::text(&["case", "what", "side", "median", "theirs / ours"], rows.into_iter());
    let value = json!({
        "data": data_facts,
        "split": split_facts,
        "threads": arguments.threads,
        "repeats": arguments.repeats,
        "machine": Machine::this(),
        "cases": measured.iter().map(|(_, value)| value).collect::<Vec<_>>(),
    });
    table::show(&arguments.json, &value, &text)
}

fn measure<'a>(arguments: &Bench, cases: &[&'a Case], folder: &Path) -> Result<Vec<(&'a Case, Value)>> {
    let bar = output::progress((cases.len() * arguments.repeats) as u64);
    let mut measured = Vec::new();
    for &case in cases {
        let mut ours = Vec::new();
        if let (Some(_), Some(peer), None) = (&arguments.peers, &case.peer, reachable(case)) {
            let name = peer.needs.unwrap_or_default();
            output::note(format!("{}: no peer, {name} is not set (benches/peers/README.md)", case.name));
        }
        let mut theirs = Vec::new();
        for _ in 0..arguments.repeats {
            bar.set_message(case.name);
            ours.push(our_side(case, folder, arguments.threads)?);
            if let (Some(python), Some(peer)) = (&arguments.peers, reachable(case)) {
                theirs.push(their_side(python, peer, folder, arguments.threads)?);
            }
            bar.inc(1);
        }
        measured.push((case, summary(case, &ours, &theirs)));
    }
    bar.finish_and_clear();
    Ok(measured)
}

/// The case's peer, if what it needs is there.
fn reachable(case: &Case) -> Option<&Peer> {
    case.peer.as_ref().filter(|peer| peer.needs.is_none_or(|name| std::env::var_os(name).is_some()))
}

fn summary(case: &Case, ours: &[Sample], theirs: &[Value]) -> Value {
    let mut seconds = serde_json::Map::new();
    for name in ours.iter().flat_map(|sample| sample.seconds.keys()) {
        let runs: Vec<f64> = ours.iter().filter_map(|sample| sample.seconds.get(name).copied()).collect();
        seconds.insert(name.clone(), json!({"median": median(runs.clone()), "runs": runs}));
    }
    let mut peers = Vec::new();
    for (name, pointer, own) in case.peer.iter().flat_map(|peer| peer.values) {
        let runs: Vec<f64> = theirs.iter().filter_map(|value| value.pointer(pointer)?.as_f64()).collect();
        if let (Some(theirs), Some(ours)) = (median(runs.clone()), seconds[*own]["median"].as_f64()) {
            let ratio = theirs / ours;
            peers.push(json!({"name": name, "ours": own, "median": theirs, "runs": runs, "ratio": ratio}));
        }
    }
    // A matrix product at the machine's best speed is the limit of a step made of matrix products.
    if let (Some(gemm), Some(step)) = (
        seconds.get("gemm").and_then(|v| v["median"].as_f64()),
        seconds.get("step").and_then(|v| v["median"].as_f64()),
    ) {
        peers.push(json!({
            "name": "GEMM of the same work", "ours": "step", "median": gemm, "runs": seconds["gemm"]["runs"],
            "ratio": gemm / step,
        }));
    }
    let mut quality = serde_json::Map::new();
    for name in ours.iter().flat_map(|sample| sample.quality.keys()) {
        let runs: Vec<f64> = ours.iter().filter_map(|sample| sample.quality.get(name).copied()).collect();
        let pointer = case.peer.iter().flat_map(|peer| peer.quality).find(|(_, own)| own == name);
        let others: Vec<f64> = theirs
            .iter()
            .filter_map(|value| value.pointer(pointer.map_or("", |(pointer, _)| pointer))?.as_f64())
            .collect();
        quality.insert(name.clone(), json!({"ours": median(runs), "theirs": median(others)}));
    }
    let most = |values: Vec<f64>| values.into_iter().reduce(f64::max);
    json!({
        "name": case.name,
        "about": case.about,
        "generated": !matches!(case.ours, Ours::OfData(_)),
        "ours": {"seconds": seconds},
        "peers": peers,
        "quality": quality,
        "peak_rss_mib": most(ours.iter().filter_map(|sample| sample.peak_rss_mib).collect()),
        "peer_peak_rss_mib": most(theirs.iter().filter_map(|value| value["peak_rss_mib"].as_f64()).collect()),
    })
}

fn our_side(case: &Case, folder: &Path, threads: usize) -> Result<Sample> {
    let program = std::env::current_exe().map_err(|error| Error::Failed(format!("own program: {error}")))?;
    let mut command = Command::new(program);
    command.arg("bench-case").arg(case.name).arg(folder).env("RAYON_NUM_THREADS", threads.to_string());
    parse(run(command, case.name)?, case.name)
}

fn their_side(python: &Path, peer: &Peer, folder: &Path, threads: usize) -> Result<Value> {
    let script: PathBuf = workspace().join("benches/peers").join(peer.script);
    let mut command = Command::new(python);
    let fill = |text: &&str| {
        text.replace("{folder}", &folder.to_string_lossy()).replace("{threads}", &threads.to_string())
    };
    command.arg(&script).args(peer.arguments.iter().map(fill));
    if peer.takes_split {
        command.args(["--threads", &threads.to_string()]);
        for part in ["train", "valid", "test"] {
            command.arg(format!("--{part}")).arg(folder.join(format!("{part}.tsv")));
        }
    }
    parse(run(command, peer.script)?, peer.script)
}

/// The last line of a process's standard output.
fn run(mut command: Command, name: &str) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Failed(format!("{name} could not be started: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        return Err(Error::Failed(format!("{name}: {last} ({})", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
}

fn parse<T: serde::de::DeserializeOwned>(line: String, name: &str) -> Result<T> {
    serde_json::from_str(&line).map_err(|error| Error::Failed(format!("{name} did not print JSON: {error}")))
}

/// The hidden command: times one case once, in this process, and prints a line of JSON.
///
/// # Errors
/// What the case reports.
pub fn bench_case(arguments: &BenchCase) -> Result<()> {
    let case = CASES
        .iter()
        .find(|case| case.name == arguments.name)
        .ok_or_else(|| Error::Usage(format!("no case {}", arguments.name)))?;
    let sample = match case.ours {
        Ours::Generated(times) => times()?,
        Ours::Written(times) => times(&arguments.folder)?,
        Ours::OfData(times) => {
            let dataset = read::folder(&arguments.folder)?;
            let split = read::parts(&arguments.folder, &dataset)?;
            times(&Input { dataset, split })?
        }
    };
    output::line(json!(sample).to_string());
    Ok(())
}

type Times = Result<Sample>;

/// The sample of these seconds, and of the memory so far.
fn times(entries: &[(impl AsRef<str>, f64)]) -> Times {
    Ok(Sample { seconds: named(entries), quality: BTreeMap::new(), peak_rss_mib: peak_rss_mib() })
}

fn named(entries: &[(impl AsRef<str>, f64)]) -> BTreeMap<String, f64> {
    entries.iter().map(|(name, value)| (name.as_ref().to_owned(), *value)).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios_stand_side_by_side() {
        let case = CASES.iter().find(|case| case.name == "ials").unwrap();
        let ours: Vec<Sample> = [1.0, 3.0, 2.0]
            .iter()
            .map(|&seconds| Sample {
                seconds: named(&[("fit", seconds), ("recommend", 0.5)]),
                quality: named(&[(NDCG_TEST, seconds / 10.0)]),
                peak_rss_mib: Some(10.0 * seconds),
            })
            .collect();
        let theirs: Vec<Value> = [4.0, 8.0, 6.0]
            .iter()
            .map(|seconds| json!({"als": {"seconds_fit": seconds, "test": {"ndcg@20": 0.3}}, "peak_rss_mib": 300.0}))
            .collect();
        let value = summary(case, &ours, &theirs);
        assert_eq!(value["ours"]["seconds"]["fit"]["median"], 2.0);
        assert_eq!(value["peers"][0]["median"], 6.0);
        assert_eq!(value["peers"][0]["ratio"], 3.0);
        assert_eq!(value["peers"].as_array().unwrap().len(), 1, "what the peer did not measure is left out");
        assert_eq!((&value["peak_rss_mib"], &value["peer_peak_rss_mib"]), (&json!(30.0), &json!(300.0)));
        assert_eq!(value["quality"][NDCG_TEST], json!({"ours": 0.2, "theirs": 0.3}));
        assert_eq!(summary(case, &ours, &[])["quality"][NDCG_TEST], json!({"ours": 0.2, "theirs": null}));
        assert!(summary(case, &ours, &[])["peers"].as_array().unwrap().is_empty());
    }

    #[test]
    fn every_peer_script_is_there() {
        for peer in CASES.iter().filter_map(|case| case.peer.as_ref()) {
            assert!(workspace().join("benches/peers").join(peer.script).is_file(), "{}", peer.script);
        }
    }
}
