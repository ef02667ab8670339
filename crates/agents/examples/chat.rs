//! A dialogue in the terminal, with the rule-based engine: `cargo run -p agents --example chat -- [FOLDER]`. A line that
//! starts with `/why` shows how the last answer came about.
#![allow(clippy::print_stdout)]

use std::io::{BufRead, Write};
use std::sync::Arc;

use agents::engine::Engine;
use agents::knowledge::Knowledge;
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{ProtocolConfig, prepare};
use agents::session::Session;
use agents::system::SystemConfig;
use agents::task::Answer;
use agents::trace::Trace;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "datasets/mt-mini".into());
    let prepared = prepare(rec_core::read::folder(folder)?, &ProtocolConfig::default())?;
    let knowledge = Arc::new(Knowledge::build(&prepared, &ModelsConfig::default())?);
    let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
    let engine = Engine::with(knowledge, SystemConfig::named("chat")?, decider)?;
    let mut session = Session::new("terminal");
    let mut last = Vec::new();
    print!("> ");
    std::io::stdout().flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.starts_with("/why") {
            println!("{}", Trace::show(&last));
        } else {
            let done = futures_executor::block_on(session.say(&engine, &line, None, None));
            if let Answer::Text(text) = &done.outcome.answer {
                println!("{text}\n");
            }
            last = done.events;
        }
        print!("> ");
        std::io::stdout().flush()?;
    }
    Ok(())
}
