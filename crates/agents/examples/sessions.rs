//! Many sessions at once against an endpoint on the loopback interface that takes its time: `cargo run -p agents --features http
//! --example sessions -- [SESSIONS] [LATENCY_MS] [SYSTEM] [ENDPOINT] [AT_ONCE]`. Prints JSON: the time, the bound that latency alone sets, the
//! processor's time for each request on either side, and the memory a session takes.
//!
//! The endpoint is the rule-based engine in a process of its own: it reads the view that goes along. `same` for ENDPOINT takes in its place a
//! model that gives the same answer to every request, which leaves the cost of the client, the engine and HTTP.
#![allow(clippy::print_stdout)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agents::engine::{Engine, Job};
use agents::knowledge::Knowledge;
use agents::llm::{LlmConfig, LlmDecider, PolicyModel};
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{ProtocolConfig, prepare};
use agents::run::{Concurrency, run_many};
use agents::system::SystemConfig;
use agents::task::{TaskInput, TaskKind};
use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::server::{Faults, Server, ServerConfig};
use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, SharedModel};
use futures_util::future::BoxFuture;
use rec_core::{Message, ToolCall};

/// A session is many small pieces of text that live for a moment: a fifth of the time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Always asks for the same study first; then the steps run out.
struct Same;

impl ChatModel for Same {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, chat_model::Result<ChatReply>> {
        let (name, arguments) = match request.agent.as_deref() {
            Some("analyst") => ("Finish", r#"{"report": "nothing new"}"#),
            _ => ("Analyse", r#"{"kind": "user", "id": "1"}"#),
        };
        let arguments = arguments.parse().unwrap_or_default();
        let call = ToolCall::new("call-1", name, arguments);
        Box::pin(std::future::ready(Ok(ChatReply::new(Message::calls(vec![call])))))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "same".into(), tools: true, ..Capabilities::default() }
    }
}

/// A number of KiB from a process's status, where the system tells.
fn memory(process: &str, key: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Seconds of processor time that a process has used, of a clock of 100 ticks a second.
fn processor(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let rest = stat.rsplit_once(')')?.1;
    let ticks: Vec<f64> =
        rest.split_whitespace().skip(11).take(2).filter_map(|tick| tick.parse().ok()).collect();
    Some(ticks.iter().sum::<f64>() / 100.0)
}

/// The endpoint: tells its address, and what it did once its input ends.
fn serve(knowledge: &Knowledge, latency: Duration, same: bool) -> Result<(), Box<dyn std::error::Error>> {
    let model: SharedModel = if same {
        Arc::new(Same)
    } else {
        Arc::new(PolicyModel::new(PolicyDecider::new(knowledge.calibration.clone())))
    };
    let faults = Faults { latency, ..Faults::default() };
    let runtime = tokio::runtime::Runtime::new()?;
    let server =
        runtime.block_on(Server::start(model, ServerConfig { faults, ..ServerConfig::default() }))?;
    println!("{}", server.base_url());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    println!("{}", server.stats().most_at_once);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |at: usize| std::env::args().nth(at);
    let number = |at: usize, default: u64| argument(at).map_or(Ok(default), |text| text.parse());
    let (sessions, latency) = (number(1, 1000)? as usize, Duration::from_millis(number(2, 200)?));
    let system = argument(3).unwrap_or_else(|| "analyse".into());
    let same = argument(4).is_some_and(|endpoint| endpoint == "same");
    let at_once = number(5, sessions as u64)?.max(1) as usize;
    let prepared = prepare(rec_core::read::folder("datasets/mt-mini")?, &ProtocolConfig::default())?;
    let knowledge = Arc::new(Knowledge::build(&prepared, &ModelsConfig::default())?);
    if std::env::var_os("SESSIONS_SERVE").is_some() {
        return serve(&knowledge, latency, same);
    }
    let mut server = Command::new(std::env::current_exe()?)
        .args(std::env::args().skip(1))
        .env("SESSIONS_SERVE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut told = BufReader::new(server.stdout.take().ok_or("no output")?).lines();
    let address = told.next().ok_or("the server told no address")??;
    let runtime = tokio::runtime::Runtime::new()?;
    let endpoint = EndpointConfig { send_task: true, ..EndpointConfig::new(address, "sextant-policy") };
    let client = Arc::new(OpenAiCompatible::new(endpoint)?);
    let decider = LlmDecider::new(client, LlmConfig { send_view: !same, ..LlmConfig::default() });
    let engine = Engine::with(knowledge.clone(), SystemConfig::named(&system)?, Arc::new(decider))?;
    let jobs: Vec<Job> = prepared
        .test
        .iter()
        .cycle()
        .take(sessions)
        .map(|sample| {
            Job::new(TaskInput::of_sample(TaskKind::Rating, &knowledge, sample, 10), sample.cut_off)
        })
        .collect();
    let sides = ["self".to_owned(), server.id().to_string()];
    let busy = || sides.each_ref().map(|process| processor(process).unwrap_or(f64::NAN));
    let resting = sides.each_ref().map(|process| memory(process, "VmRSS:"));
    let busy_before = busy();
    let (mut valid, mut decisions, mut most) = (0, 0, 0);
    let threads = std::thread::available_parallelism()?.get();
    let started = Instant::now();
    let tasks = Concurrency::Tasks { runtime: runtime.handle().clone(), at_once };
    run_many(&engine, &jobs, tasks, |done| {
        valid += usize::from(done.outcome.valid);
        decisions += done.outcome.decisions;
        most = most.max(done.outcome.decisions);
        Ok::<(), agents::Error>(())
    })?;
    let taken = started.elapsed().as_secs_f64();
    // As many sessions as run at once take as long as their requests in a row; then come the next.
    let bound = latency.as_secs_f64() * f64::from(most) * (sessions as f64 / at_once as f64).max(1.0);
    let after = busy();
    let per_request = |side: usize| 1e3 * (after[side] - busy_before[side]) / f64::from(decisions.max(1));
    let kib_per_session = |side: usize| {
        let most = memory(&sides[side], "VmHWM:");
        let grown = resting[side].zip(most).map(|(before, most)| most.saturating_sub(before));
        grown.map(|kib| kib as f64 / at_once as f64)
    };
    let memory = [kib_per_session(0), kib_per_session(1)];
    drop(server.stdin.take());
    let most_at_once: u64 = told.next().ok_or("the server did not say what it did")??.parse()?;
    server.wait()?;
    let result = serde_json::json!({
        "sessions": sessions,
        "at_once": at_once,
        "system": system,
        "endpoint": if same { "the same answer always" } else { "rule-based engine" },
        "latency_ms": latency.as_millis() as u64,
        "valid": valid,
        "requests": decisions,
        "requests_in_a_row": most,
        "most_at_once": most_at_once,
        "threads": threads,
        "seconds": taken,
        "latency_bound_seconds": bound,
        "over_the_bound": taken / bound - 1.0,
        "requests_per_second": f64::from(decisions) / taken,
        "processor_ms_per_request_client": per_request(0),
        "processor_ms_per_request_server": per_request(1),
        "kib_per_session_client": memory[0],
        "kib_per_session_server": memory[1],
    });
    println!("{result:#}");
    Ok(())
}
