//! Replays multi-turn records judged by the official executor.
//!
//! `multi_turn PACKAGE CORPUS.jsonl.gz` replays a corpus against the tasks of the package unpacked at PACKAGE (`…/bfcl_eval`);
//! `multi_turn --worlds FILE.jsonl` replays call sequences recorded with their scenarios (`tests/golden/multi_turn_worlds.py`).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Instant;

use flate2::read::GzDecoder;
use tool_synth::Value;
use tool_synth::bfcl::multi_turn::{Class, Outcome, Replay, Settings, Tasks, World, today};
use tool_synth::value::json;

const SHOWN: usize = 40;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [flag, file] if flag == "--worlds" => worlds(file),
        [package, corpus] => replay(package, corpus),
        _ => Err("usage: multi_turn PACKAGE CORPUS.jsonl.gz | multi_turn --worlds FILE.jsonl".into()),
    }
}

fn replay(package: &str, corpus: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(corpus)?).read_to_string(&mut text)?;
    let records: Vec<Value> = text.lines().map(json::parse).collect::<Result<_, _>>()?;
    let records: Vec<&Value> =
        records.iter().filter(|r| r.get("kind").and_then(Value::as_str) == Some("mt")).collect();
    let start = Instant::now();
    let tasks = Tasks::read(Path::new(package), today())?;
    eprintln!("tasks read and their ground truths executed in {:.2} s", start.elapsed().as_secs_f64());
    let mut replay = Replay::new(tasks);
    let mut differing = 0;
    for record in &records {
        for difference in replay.record(record) {
            differing += 1;
            if differing <= SHOWN {
                println!("case {}: {}", difference.case, difference.what);
            }
        }
    }
    println!("unsupported {}", replay.unsupported());
    println!("cases {} differences {differing}", replay.cases());
    std::process::exit((differing > 0) as i32);
}

/// CPU time of the process; wall time where the system does not tell.
fn worlds(file: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (mut calls, mut differing, mut unsupported) =
        (0, 0, std::collections::BTreeMap::<String, usize>::new());
    for line in BufReader::new(std::fs::File::open(file)?).lines() {
        let record = json::parse(&line?)?;
        let class =
            record.get("class").and_then(Value::as_str).and_then(Class::from_name).ok_or("no class")?;
        let settings = Settings { today: today(), instance_prefix: "world_w".into(), ..Settings::default() };
        let mut world = World::new(&[class], record.get("scenario").ok_or("no scenario")?, &settings)
            .map_err(|e| e.text)?;
        let list = |key| record.get(key).and_then(Value::as_list).ok_or("no list");
        for (call, result) in list("calls")?.iter().zip(list("results")?) {
            calls += 1;
            let (call, result) = (call.as_str().unwrap_or_default(), result.as_str().unwrap_or_default());
            match world.execute(call) {
                Outcome::Text(text) if text == result => {}
                Outcome::Text(text) => {
                    differing += 1;
                    if differing <= SHOWN {
                        println!("{}\n  ours   {text}\n  theirs {result}", call);
                    }
                    if text.starts_with("Error") != result.starts_with("Error") {
                        break;
                    }
                }
                Outcome::Unsupported(why) => {
                    *unsupported.entry(why).or_default() += 1;
                    break;
                }
            }
        }
    }
    println!("unsupported {unsupported:?}");
    println!("calls {calls} differences {differing}");
    Ok(())
}
