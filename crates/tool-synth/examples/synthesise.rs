//! Makes verified dialogues offline, with all exports, the data card and a page to leaf through them.
//!
//! `cargo run -p tool-synth --example synthesise -- runs/dialogues 500 2/4` makes the third of four shards of 500; without a
//! shard it makes all and finishes.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use tool_synth::shard::{self, Shard};
use tool_synth::synthesis::Config;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = PathBuf::from(arguments.first().map_or("runs/dialogues", String::as_str));
    let count = arguments.get(1).map_or(Ok(500), |text| text.parse())?;
    let part: Shard = arguments.get(2).map_or(Ok(Shard::WHOLE), |text| text.parse())?;
    let config = Config { count, ..Config::default() };
    shard::run_offline(&config, &out, part, &mut ())?;
    if part == Shard::WHOLE {
        println!("{}", serde_json::to_string_pretty(&shard::finish(&out)?)?);
    }
    Ok(())
}
