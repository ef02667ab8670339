//! `bfcl`: the function-calling benchmark, scored, replayed, shown.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cpu_time::ThreadTime;
use serde_json::{Value as Json, json};
use tool_synth::bfcl::multi_turn::{Tasks, today};
use tool_synth::bfcl::package::Package;
use tool_synth::bfcl::prompt::prompts;
use tool_synth::bfcl::replay::{Corpus, GROUPS};
use tool_synth::bfcl::score::{Settings, score};
use tool_synth::value::{Value, json as text};

use crate::cli::{Bfcl, BfclPrompt, BfclReplay, BfclScore};
use crate::error::{Error, Result};
use crate::{output, table};

/// Multi-turn cases, timed as the official evaluation judges them and with the tasks kept.
const TURNS: [&str; 2] = ["multi-turn", "multi-turn, tasks kept"];

/// Runs one of the commands.
///
/// # Errors
/// What the package, the results or the corpus lack; differences of a replay.
pub fn bfcl(command: &Bfcl) -> Result<()> {
    match command {
        Bfcl::Score(arguments) => run_score(arguments),
        Bfcl::Replay(arguments) => run_replay(arguments),
        Bfcl::Prompt(arguments) => run_prompt(arguments),
    }
}

/// Writes a result as JSON where it was asked for; says whether it took the place of the text.
fn written(value: &Json, to: Option<&Path>) -> Result<bool> {
    match to {
        Some(path) if path == Path::new("-") => {
            output::json(value);
            Ok(true)
        }
        Some(path) => table::write(path, &format!("{value:#}")).map(|()| false),
        None => Ok(false),
    }
}

fn run_score(arguments: &BfclScore) -> Result<()> {
    let package = Package::open(&arguments.data)?;
    std::fs::create_dir_all(&arguments.score_dir)
        .map_err(|source| Error::io(&arguments.score_dir, source))?;
    let scores = score(&Settings {
        package: &package,
        results: &arguments.result_dir,
        scores: &arguments.score_dir,
        models: &arguments.model,
        categories: &arguments.test_category,
        partial: arguments.partial_eval,
        today: today(),
    })?;
    let rows: Vec<Json> = scores
        .iter()
        .map(|score| {
            json!({"model": score.model, "category": score.category, "accuracy": score.accuracy(), "correct": score.correct,
                "total": score.total, "file": score.file.display().to_string()})
        })
        .collect();
    if written(&Json::Array(rows), arguments.json.json.as_deref())? {
        return Ok(());
    }
    if scores.is_empty() {
        output::warn("no results of these models and categories");
    }
    for score in &scores {
        let (right, total) = (score.correct, score.total);
        output::line(format!(
            "{:<40} {:<26} {:6.2} % ({right} of {total})",
            score.model,
            score.category,
            100.0 * score.accuracy()
        ));
    }
    output::note(format!("scores and tables are in {}", arguments.score_dir.display()));
    Ok(())
}

fn run_replay(arguments: &BfclReplay) -> Result<()> {
    let corpus = Corpus::open(&arguments.corpus)?;
    let package = arguments.data.as_deref().map(Package::open).transpose()?;
    let replay = corpus.replay_all(package.as_ref(), today())?;
    let mut speeds = Vec::new();
    if arguments.time || arguments.peers.is_some() {
        let tasks = if corpus.turns() > 0 { Some(corpus.tasks(package.as_ref(), today())?) } else { None };
        let peer =
            arguments.peers.as_deref().map(|python| Peer::start(python, &arguments.corpus)).transpose()?;
        speeds = measure(&corpus, tasks.as_ref(), peer, arguments.rounds)?;
    }
    let result = json!({
        "cases": replay.cases,
        "differences": replay.differences,
        "examples": replay.examples,
        "rounds": arguments.rounds,
        "speed": speeds.iter().map(|speed| {
            json!({"cases": speed.group, "count": speed.cases, "per_second": speed.here, "official_per_second": speed.there,
                "times": speed.times})
        }).collect::<Vec<_>>(),
    });
    if !written(&result, arguments.json.json.as_deref())? {
        for example in &replay.examples {
            output::line(example);
        }
        for speed in &speeds {
            let ratio = speed
                .there
                .zip(speed.times)
                .map_or(String::new(), |(there, times)| format!(", official {there:.0}, {times:.1} times"));
            let (group, cases, here) = (&speed.group, speed.cases, speed.here);
            output::line(format!("{group:<22} {cases:6} cases {here:10.0} a second{ratio}"));
        }
        output::line(format!("cases {} differences {}", replay.cases, replay.differences));
    }
    if replay.differences > 0 {
        return Err(Error::Failed(format!("{} of {} cases differ", replay.differences, replay.cases)));
    }
    Ok(())
}

/// How fast the cases of a group are judged.
struct Speed {
    group: String,
    cases: usize,
    /// Cases a second here, the median of the rounds.
    here: f64,
    /// Cases a second of the official package.
    there: Option<f64>,
    /// The median of the rounds' ratios.
    times: Option<f64>,
}

/// Times every group, round by round in turn with the official package, in processor time of one thread. A round before the first is
/// not counted. Reading the corpus is not in it on either side.
fn measure(
    corpus: &Corpus,
    tasks: Option<&Tasks>,
    mut peer: Option<Peer>,
    rounds: usize,
) -> Result<Vec<Speed>> {
    let mut groups: Vec<(&str, usize)> = GROUPS
        .into_iter()
        .map(|group| (group, corpus.len_of(group)))
        .filter(|(_, cases)| *cases > 0)
        .collect();
    if tasks.is_some() {
        groups.extend(TURNS.map(|group| (group, corpus.turns())));
    }
    // Seconds by round and group, here and there.
    let mut seconds: Vec<(Vec<f64>, Option<Vec<f64>>)> = Vec::new();
    for round in 0..=rounds.max(1) {
        let here = || {
            let one = |&(group, _): &(&str, usize)| {
                let start = ThreadTime::now();
                std::hint::black_box(match tasks.filter(|_| TURNS.contains(&group)) {
                    Some(tasks) => corpus.judge_turns(tasks, group == TURNS[1]),
                    None => corpus.judge_all(group, true),
                });
                start.elapsed().as_secs_f64()
            };
            let mut found: Vec<f64> = groups.iter().map(one).collect();
            let start = ThreadTime::now();
            for group in GROUPS {
                std::hint::black_box(corpus.judge_all(group, false));
            }
            found.push(start.elapsed().as_secs_f64());
            found
        };
        // Neither is always the one that finds the caches as the other left them.
        let first = (round % 2 == 0).then(here);
        let there = peer.as_mut().map(|peer| peer.round(&groups)).transpose()?;
        let here = first.unwrap_or_else(here);
        if round > 0 {
            seconds.push((here, there));
        }
    }
    // The places of a row's seconds here, and those of the official package's that it is compared with.
    let speed = |group: &str, own: &[usize], places: &[usize]| {
        let cases: usize = places.iter().map(|&place| groups[place].1).sum();
        let sum_of = |seconds: &[f64], places: &[usize]| places.iter().map(|&at| seconds[at]).sum::<f64>();
        let (sum, own) = (|seconds: &[f64]| sum_of(seconds, places), |seconds: &[f64]| sum_of(seconds, own));
        let rate = |seconds: f64| cases as f64 / seconds;
        let there: Option<Vec<f64>> = seconds.iter().map(|(_, there)| there.as_deref().map(sum)).collect();
        let times = seconds.iter().filter_map(|(here, there)| Some(sum(there.as_deref()?) / own(here)));
        Speed {
            group: group.to_owned(),
            cases,
            here: rate(median(seconds.iter().map(|(here, _)| own(here)).collect())),
            times: there.as_ref().map(|_| median(times.collect())),
            there: there.map(|seconds| rate(median(seconds))),
        }
    };
    let single: Vec<usize> = (0..groups.len()).filter(|&at| GROUPS.contains(&groups[at].0)).collect();
    let mut speeds = Vec::new();
    if !single.is_empty() {
        speeds.push(speed("all single-turn", &[groups.len()], &single));
        speeds.push(speed("all, entries kept", &single, &single));
    }
    speeds.extend(groups.iter().enumerate().map(|(at, (group, _))| speed(group, &[at], &[at])));
    Ok(speeds)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The official package in a process of its own, which judges the corpus once for each line that it is sent.
struct Peer {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    counts: Json,
}

impl Peer {
    fn start(python: &Path, corpus: &Path) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/bfcl.py");
        let mut child = Command::new(python)
            .arg(&script)
            .arg(corpus)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::io(python, source))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (requests, replies) = pipes.ok_or_else(|| Error::Failed("a process without pipes".into()))?;
        let mut peer = Self { child, requests, replies: BufReader::new(replies), counts: Json::Null };
        peer.counts = peer.reply()?;
        Ok(peer)
    }

    fn reply(&mut self) -> Result<Json> {
        let mut line = String::new();
        let read = self.replies.read_line(&mut line);
        match read {
            Ok(length) if length > 0 => {
                serde_json::from_str(&line).map_err(|error| Error::Failed(error.to_string()))
            }
            _ => Err(Error::Failed("the official package's process ended; what it said is above".into())),
        }
    }

    /// Seconds for each group.
    fn round(&mut self, groups: &[(&str, usize)]) -> Result<Vec<f64>> {
        let sent = self.requests.write_all(b"round\n").and_then(|()| self.requests.flush());
        sent.map_err(|error| Error::Failed(error.to_string()))?;
        let seconds = self.reply()?;
        groups
            .iter()
            .map(|&(group, cases)| {
                let group = if TURNS.contains(&group) { TURNS[0] } else { group };
                let same = self.counts.get(group).and_then(Json::as_u64) == Some(cases as u64);
                seconds.get(group).and_then(Json::as_f64).filter(|_| same).ok_or_else(|| {
                    Error::Failed(format!("the official package has other cases in the group {group}"))
                })
            })
            .collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run_prompt(arguments: &BfclPrompt) -> Result<()> {
    let package = Package::open(&arguments.data)?;
    let mut found = prompts(&package, &arguments.category)?;
    found.retain(|prompt| arguments.id.is_empty() || arguments.id.contains(&prompt.id));
    if found.is_empty() {
        return Err(Error::Usage(format!("{} has no such entry", arguments.category)));
    }
    let turns = |turns: &[Value]| -> Result<Json> {
        let turns = text::to_string(&Value::List(turns.to_vec()));
        serde_json::from_str(&turns).map_err(|error| Error::Failed(error.to_string()))
    };
    let rows: Vec<Json> = found
        .iter()
        .map(|prompt| Ok(json!({"id": prompt.id, "turns": turns(&prompt.turns)?})))
        .collect::<Result<_>>()?;
    if written(&Json::Array(rows), arguments.json.json.as_deref())? {
        return Ok(());
    }
    for prompt in &found {
        for (turn, messages) in prompt.turns.iter().enumerate() {
            for message in messages.as_list().unwrap_or_default() {
                let field = |name| message.get(name).and_then(Value::as_str).unwrap_or_default();
                output::line(format!("── {}, turn {turn}, {}", prompt.id, field("role")));
                output::line(field("content"));
            }
        }
    }
    Ok(())
}
