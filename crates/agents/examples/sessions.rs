//! Many sessions at once against a loopback endpoint with latency: `cargo run -p agents --features http --example sessions --
//! [SESSIONS] [LATENCY_MS]`. Prints the time, the bound that latency alone sets, and the memory a session takes.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use agents::engine::{Engine, Job};
use agents::knowledge::Knowledge;
use agents::llm::{LlmConfig, LlmDecider, OnRuntime, PolicyModel};
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{ProtocolConfig, prepare};
use agents::run::{Concurrency, run_many};
use agents::system::SystemConfig;
use agents::task::{TaskInput, TaskKind};
use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::server::{Faults, Server, ServerConfig};

/// The process's memory in KiB, where the system tells.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let number = |at: usize, default: u64| std::env::args().nth(at).map_or(Ok(default), |text| text.parse());
    let (sessions, latency) = (number(1, 1000)? as usize, Duration::from_millis(number(2, 200)?));
    let prepared = prepare(rec_core::read::folder("datasets/mt-mini")?, &ProtocolConfig::default())?;
    let knowledge = Arc::new(Knowledge::build(&prepared, &ModelsConfig::default())?);
    let runtime = tokio::runtime::Runtime::new()?;
    let model = Arc::new(PolicyModel::new(PolicyDecider::new(knowledge.calibration.clone())));
    let faults = Faults { latency, ..Faults::default() };
    let server =
        runtime.block_on(Server::start(model, ServerConfig { faults, ..ServerConfig::default() }))?;
    let endpoint =
        EndpointConfig { send_task: true, ..EndpointConfig::new(server.base_url(), "sextant-policy") };
    let client = Arc::new(OpenAiCompatible::new(endpoint)?);
    let decider = LlmDecider::new(client, LlmConfig { send_view: true, ..LlmConfig::default() });
    let decider = Arc::new(OnRuntime::new(Arc::new(decider), runtime.handle().clone()));
    let engine = Engine::with(knowledge.clone(), SystemConfig::named("analyse")?, decider)?;
    let jobs: Vec<Job> = prepared
        .test
        .iter()
        .take(sessions)
        .map(|sample| {
            Job::new(TaskInput::of_sample(TaskKind::Rating, &knowledge, sample, 10), sample.cut_off)
        })
        .collect();
    let before = memory();
    let (mut valid, mut decisions, mut most) = (0, 0, 0);
    let started = Instant::now();
    run_many(&engine, &jobs, Concurrency { threads: 1, in_flight: sessions }, |done| {
        valid += usize::from(done.outcome.valid);
        decisions += done.outcome.decisions;
        most = most.max(done.outcome.decisions);
        Ok::<(), agents::Error>(())
    })?;
    let taken = started.elapsed();
    println!("{} sessions, {valid} valid, {decisions} decisions, {:.2} s", jobs.len(), taken.as_secs_f64());
    println!("bound by latency: {:.2} s ({most} decisions in a row)", (latency * most).as_secs_f64());
    println!("most requests at once: {}", server.stats().most_at_once);
    if let (Some(before), Some(after)) = (before, memory()) {
        println!("memory a session: {:.1} KiB", (after - before) as f64 / jobs.len() as f64);
    }
    Ok(())
}
