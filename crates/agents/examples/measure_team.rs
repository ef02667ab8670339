//! Prepares a data set by the reference's protocol, runs systems on its test rows with the rule-based engine, and prints the
//! tables: `cargo run -p agents --example measure_team -- FOLDER [reference|uniform|popularity] [SEED] [SYSTEM,…]`.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use agents::engine::{Engine, Job};
use agents::eval::{evaluate, table};
use agents::judge::Judge;
use agents::knowledge::Knowledge;
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{Negatives, ProtocolConfig, prepare};
use agents::run::{Concurrency, run_many};
use agents::system::SystemConfig;
use agents::task::{TaskInput, TaskKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().map_or("datasets/mt-mini", String::as_str);
    let source = match arguments.get(1).map(String::as_str) {
        Some("reference") => Negatives::Reference,
        Some("popularity") => Negatives::Popularity,
        _ => Negatives::Uniform,
    };
    let seed = arguments.get(2).map_or(Ok(2024), |seed| seed.parse())?;
    let only: Vec<&str> = arguments.get(3).map(|names| names.split(',').collect()).unwrap_or_default();

    let started = Instant::now();
    let config = ProtocolConfig { source, seed, ..ProtocolConfig::default() };
    let prepared = prepare(rec_core::read::folder(folder)?, &config)?;
    println!(
        "{} rows, {} users, {} items; train {}, dev {}, test {}",
        prepared.dataset.interactions.len(),
        prepared.dataset.n_users(),
        prepared.n_active_items,
        prepared.train.len(),
        prepared.dev.len(),
        prepared.test.len()
    );
    let knowledge = Arc::new(Knowledge::build(&prepared, &ModelsConfig::default())?);
    println!("models fitted in {:.1} s; {:?}", started.elapsed().as_secs_f64(), knowledge.calibration);
    let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
    for task in [TaskKind::Rating, TaskKind::Ranking, TaskKind::Explanation] {
        let samples: Vec<_> = prepared
            .test
            .iter()
            .filter(|sample| task != TaskKind::Ranking || sample.rating >= knowledge.liked_from())
            .collect();
        let mut reports = Vec::new();
        for system in SystemConfig::built_in() {
            if !system.tasks.contains(&task) || (!only.is_empty() && !only.contains(&system.name.as_str())) {
                continue;
            }
            let shown = if task == TaskKind::Ranking { 5 } else { system.max_history };
            let jobs: Vec<Job> = samples
                .iter()
                .map(|sample| Job::new(TaskInput::of_sample(task, &knowledge, sample, shown), sample.cut_off))
                .collect();
            let judges: Vec<Judge> = samples.iter().map(|sample| Judge::new(&knowledge, sample)).collect();
            let engine = Engine::with(knowledge.clone(), system.clone(), decider.clone())?;
            let mut outcomes = Vec::new();
            let started = Instant::now();
            run_many(&engine, &jobs, Concurrency::ONE, |done| {
                outcomes.push(done.outcome);
                Ok::<(), agents::Error>(())
            })?;
            let each = started.elapsed().as_secs_f64() * 1e3 / jobs.len() as f64;
            let report = evaluate(&system.name, task, &outcomes, &judges)?;
            println!("{task:?} {}: {each:.2} ms a sample", system.name);
            reports.push(report);
        }
        println!("\n{task:?}, {} samples\n{}", samples.len(), table(&reports));
    }
    Ok(())
}
