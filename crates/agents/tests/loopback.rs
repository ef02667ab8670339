//! The whole path of a language model, over HTTP: the rule-based engine behind an OpenAI-compatible server on the loopback
//! interface, faults included. Many sessions at once, against the bound that latency sets.
#![cfg(feature = "http")]

mod common;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use agents::decider::Decider;
use agents::engine::{Engine, Job};
use agents::knowledge::Knowledge;
use agents::llm::{LlmConfig, LlmDecider, OnRuntime, PolicyModel};
use agents::policy::PolicyDecider;
use agents::protocol::Prepared;
use agents::run::{Concurrency, run_many};
use agents::system::SystemConfig;
use agents::task::{Answer, TaskInput, TaskKind};
use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{Retry, RetryConfig};
use chat_model::server::{Fault, Faults, Server, ServerConfig};

static PREPARED: LazyLock<Prepared> = LazyLock::new(common::prepared);
static KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| common::knowledge(&PREPARED));

fn jobs(kind: TaskKind, n: usize) -> Vec<Job> {
    let job = |place: usize| {
        let sample = &PREPARED.test[place % PREPARED.test.len()];
        Job::new(TaskInput::of_sample(kind, &KNOWLEDGE, sample, 10), sample.cut_off)
    };
    (0..n).map(job).collect()
}

fn answers(
    system: &str,
    jobs: &[Job],
    decider: Arc<dyn Decider>,
    concurrency: Concurrency,
) -> Vec<(Answer, bool, u32)> {
    let engine = Engine::with(KNOWLEDGE.clone(), SystemConfig::named(system).unwrap(), decider).unwrap();
    let mut found = Vec::new();
    run_many(&engine, jobs, concurrency, |done| {
        found.push((done.outcome.answer, done.outcome.valid, done.outcome.worker_halts));
        Ok::<(), agents::Error>(())
    })
    .unwrap();
    found
}

/// A decider that asks a server with these faults, and the server.
fn over_http(runtime: &tokio::runtime::Runtime, faults: Faults, retry: bool) -> (Arc<dyn Decider>, Server) {
    let model = Arc::new(PolicyModel::new(PolicyDecider::new(KNOWLEDGE.calibration.clone())));
    let config = ServerConfig { faults, ..ServerConfig::default() };
    let server = runtime.block_on(Server::start(model, config)).unwrap();
    let endpoint =
        EndpointConfig { send_task: true, ..EndpointConfig::new(server.base_url(), "sextant-policy") };
    let mut client: chat_model::SharedModel = Arc::new(OpenAiCompatible::new(endpoint).unwrap());
    if retry {
        let config =
            RetryConfig { base_seconds: 0.01, cap_seconds: 0.05, unreadable: true, ..RetryConfig::default() };
        client = Arc::new(Retry::new(client, config));
    }
    let decider = LlmDecider::new(client, LlmConfig { send_view: true, ..LlmConfig::default() });
    (Arc::new(OnRuntime::new(Arc::new(decider), runtime.handle().clone())), server)
}

#[test]
fn answers_over_http_are_those_without() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (decider, server) = over_http(&runtime, Faults::default(), false);
    for (system, kind) in
        [("analyse", TaskKind::Rating), ("rewoo", TaskKind::Ranking), ("search", TaskKind::Explanation)]
    {
        let jobs = jobs(kind, 6);
        let direct = answers(system, &jobs, common::policy(&KNOWLEDGE), Concurrency::ONE);
        let tasks = Concurrency::Tasks { runtime: runtime.handle().clone(), at_once: 4 };
        for concurrency in [Concurrency::Threads { threads: 1, in_flight: 3 }, tasks] {
            let asked = answers(system, &jobs, decider.clone(), concurrency);
            assert_eq!(asked, direct, "{system}");
        }
    }
    assert!(server.stats().answered > 50);
}

#[test]
fn faults_are_retried_or_halt_and_are_never_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let jobs = jobs(TaskKind::Rating, 8);
    let direct = answers("analyse", &jobs, common::policy(&KNOWLEDGE), Concurrency::ONE);
    let shares = vec![
        (Fault::RateLimited { retry_after: None }, 0.1),
        (Fault::Status(503), 0.1),
        (Fault::Cut { after: 20 }, 0.1),
        (Fault::Garbage, 0.1),
        (Fault::Slow { bytes: 64, pause: Duration::from_millis(1) }, 0.1),
    ];
    let storm = || Faults { shares: shares.clone(), seed: 3, ..Faults::default() };
    let (decider, _server) = over_http(&runtime, storm(), true);
    let asked = answers("analyse", &jobs, decider, Concurrency::Threads { threads: 1, in_flight: 8 });
    // Five attempts at each of ten requests: an answer is the right one, is not valid, or says that a worker was missing.
    let honest = |asked: &[(Answer, bool, u32)]| {
        asked.iter().zip(&direct).all(|(asked, direct)| !asked.1 || asked.2 > 0 || asked.0 == direct.0)
    };
    assert!(honest(&asked));
    assert!(asked.iter().zip(&direct).filter(|(asked, direct)| asked == direct).count() >= 5);
    // Without retries nearly every sample meets a fault.
    let (decider, _server) = over_http(&runtime, storm(), false);
    let asked = answers("analyse", &jobs, decider, Concurrency::Threads { threads: 1, in_flight: 8 });
    assert!(honest(&asked));
    assert!(asked.iter().any(|(_, valid, _)| !valid));
}

#[test]
fn sessions_wait_together() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let latency = Duration::from_millis(100);
    let (decider, server) = over_http(&runtime, Faults { latency, ..Faults::default() }, false);
    let jobs = jobs(TaskKind::Rating, 60);
    let started = Instant::now();
    let found = answers("single", &jobs, decider, Concurrency::Threads { threads: 1, in_flight: 60 });
    // One after the other they would take six seconds.
    assert!(
        found.iter().all(|(_, valid, _)| *valid) && started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert!(server.stats().most_at_once > 20);
}
