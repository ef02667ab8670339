//! `bfcl`: the function-calling benchmark, scored, replayed, shown.

use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};
use tool_synth::bfcl::multi_turn::today;
use tool_synth::bfcl::package::Package;
use tool_synth::bfcl::prompt::prompts;
use tool_synth::bfcl::replay::Corpus;
use tool_synth::bfcl::score::{Settings, score};
use tool_synth::value::{Value, json as text};

use crate::cli::{Bfcl, BfclPrompt, BfclReplay, BfclScore};
use crate::error::{Error, Result};
use crate::{output, table};

/// Rounds of a measurement; the fastest counts.
const ROUNDS: usize = 5;

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
    if (arguments.time || arguments.peers.is_some()) && !corpus.is_empty() {
        let official = arguments
            .peers
            .as_deref()
            .map(|python| official_speeds(python, &arguments.corpus))
            .transpose()?;
        for (group, cases, time) in corpus.time(ROUNDS) {
            let here = cases as f64 / time.as_secs_f64();
            let there = official.as_ref().and_then(|speeds| speeds.get(&group)).and_then(Json::as_f64);
            speeds.push((group, cases, here, there));
        }
    }
    let result = json!({
        "cases": replay.cases,
        "differences": replay.differences,
        "examples": replay.examples,
        "speed": speeds.iter().map(|(group, cases, here, there)| {
            json!({"cases": group, "count": cases, "per_second": here, "official_per_second": there})
        }).collect::<Vec<_>>(),
    });
    if !written(&result, arguments.json.json.as_deref())? {
        for example in &replay.examples {
            output::line(example);
        }
        for (group, cases, here, there) in &speeds {
            let ratio = there
                .map_or(String::new(), |there| format!(", official {there:.0}, {:.1} times", here / there));
            output::line(format!("{group:<14} {cases:6} cases {here:10.0} a second{ratio}"));
        }
        output::line(format!("cases {} differences {}", replay.cases, replay.differences));
    }
    if replay.differences > 0 {
        return Err(Error::Failed(format!("{} of {} cases differ", replay.differences, replay.cases)));
    }
    Ok(())
}

/// Cases a second of the official package, by group.
fn official_speeds(python: &Path, corpus: &Path) -> Result<Json> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/peers/bfcl.py");
    let output = Command::new(python)
        .arg(&script)
        .arg(corpus)
        .arg(ROUNDS.to_string())
        .output()
        .map_err(|source| Error::io(python, source))?;
    if !output.status.success() {
        return Err(Error::Failed(format!(
            "{}: {}",
            script.display(),
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Failed(format!("{}: {error}", script.display())))
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
