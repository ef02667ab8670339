//! Replays a differential corpus: `replay CORPUS.jsonl.gz`. With `--time` it also says how many cases a second of wall time are judged;
//! `cargo xtask bfcl replay --peers` measures properly.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use tool_synth::bfcl::replay::{Corpus, GROUPS};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = arguments.first() else {
        eprintln!("usage: replay CORPUS.jsonl.gz [--time]");
        return ExitCode::from(2);
    };
    let corpus = match Corpus::open(Path::new(path)) {
        Ok(corpus) => corpus,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if arguments.iter().any(|argument| argument == "--time") {
        for group in GROUPS {
            let (cases, start) = (corpus.len_of(group), Instant::now());
            std::hint::black_box(corpus.judge_all(group, true));
            println!(
                "{group:14} {cases:6} cases {:12.0} cases/s",
                cases as f64 / start.elapsed().as_secs_f64()
            );
        }
    }
    let replay = corpus.replay();
    for example in &replay.examples {
        println!("{example}");
    }
    println!("cases {} differences {}", replay.cases, replay.differences);
    ExitCode::from(u8::from(replay.differences > 0))
}
