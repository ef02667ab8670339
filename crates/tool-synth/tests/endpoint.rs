//! The pipeline over HTTP: what an endpoint does to connections changes nothing in the data, and what it says wrong spoils a
//! dialogue, not the run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{Cache, CacheConfig, Retry, RetryConfig};
use chat_model::server::{Fault, Faults, Server, ServerConfig};
use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, SharedModel};
use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::runtime::Runtime;
use tool_synth::engine::{ChatEngine, RuleModel};
use tool_synth::shard::{self, Shard};
use tool_synth::synthesis::Config;
use tool_synth::tss::{Grammar, Pool, PoolConfig};

const NAME: &str = "sextant-rules";

fn config() -> Config {
    Config {
        engine: NAME.into(),
        count: 40,
        prior: 24,
        pool: PoolConfig { apis: 200, ..PoolConfig::default() },
        ..Config::default()
    }
}

fn rules() -> RuleModel {
    let config = config();
    let pool = Pool::synthesise(Grammar::embedded(), &config.pool, config.seed).unwrap();
    RuleModel::new(pool, config.noise)
}

fn serve(runtime: &Runtime, model: SharedModel, faults: Faults) -> Server {
    runtime.block_on(Server::start(model, ServerConfig { faults, ..ServerConfig::default() })).unwrap()
}

fn engine(runtime: &Runtime, server: &Server, cache: Option<&Path>) -> ChatEngine {
    let mut endpoint = EndpointConfig { send_task: true, ..EndpointConfig::new(server.base_url(), NAME) };
    endpoint.timeouts.idle = 0.5;
    let mut model: SharedModel = Arc::new(OpenAiCompatible::new(endpoint).unwrap());
    let patient =
        RetryConfig { attempts: 12, base_seconds: 0.002, unreadable: true, ..RetryConfig::default() };
    model = Arc::new(Retry::new(model, patient));
    if let Some(folder) = cache {
        let kept = CacheConfig { folder: folder.into(), epoch: String::new(), max_bytes: 1 << 30 };
        model = Arc::new(Cache::new(model, kept).unwrap());
    }
    ChatEngine::new(model, runtime.handle().clone(), 512)
}

fn make(engine: &ChatEngine, out: &Path) -> String {
    let workers = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
    workers.install(|| shard::run_with(engine, &config(), out, Shard::WHOLE, &mut ())).unwrap();
    shard::finish(out).unwrap();
    std::fs::read_to_string(out.join("samples.jsonl")).unwrap()
}

fn offline() -> String {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { engine: "offline".into(), ..config() };
    shard::run_offline(&config, folder.path(), Shard::WHOLE, &mut ()).unwrap();
    shard::finish(folder.path()).unwrap();
    std::fs::read_to_string(folder.path().join("samples.jsonl")).unwrap()
}

#[test]
fn faults_on_the_way_change_nothing() {
    let runtime = Runtime::new().unwrap();
    let faults = Faults {
        shares: vec![
            (Fault::RateLimited { retry_after: None }, 0.05),
            (Fault::RateLimited { retry_after: Some(Duration::ZERO) }, 0.02),
            (Fault::Status(500), 0.03),
            (Fault::Cut { after: 60 }, 0.05),
            (Fault::Slow { bytes: 256, pause: Duration::from_millis(1) }, 0.03),
            (Fault::Garbage, 0.05),
        ],
        seed: 4,
        ..Faults::default()
    };
    let server = serve(&runtime, Arc::new(rules()), faults);
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("replies");
    let got = make(&engine(&runtime, &server, Some(&cache)), &folder.path().join("data"));
    assert_eq!(got.lines().count(), 40);
    assert_eq!(got, offline());
    let first = server.stats();
    assert!(first.requests > first.answered, "no request met a fault: {first:?}");

    // A run that lost its blocks, but not the replies, asks nothing again.
    let again = make(&engine(&runtime, &server, Some(&cache)), &folder.path().join("again"));
    assert_eq!(again, got);
    assert_eq!(server.stats().requests, first.requests);
}

/// Says something else than it should now and then.
struct Unreliable {
    model: RuleModel,
    asked: AtomicU64,
}

impl ChatModel for Unreliable {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, chat_model::Result<ChatReply>> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let wrong =
            ["", "[", "[no.such_tool(a=1)]", "{\"pass\": maybe}", "\u{1}\u{1}", "I would rather not."];
        match number % 23 {
            7 => ready(Ok(ChatReply::text(wrong[(number / 23) as usize % wrong.len()]))).boxed(),
            _ => self.model.complete(request),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.model.capabilities()
    }
}

#[test]
fn replies_that_make_no_sense_spoil_dialogues_only() {
    let runtime = Runtime::new().unwrap();
    let model = Unreliable { model: rules(), asked: AtomicU64::new(0) };
    let server = serve(&runtime, Arc::new(model), Faults::default());
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(&runtime, &server, None);
    let got = make(&engine, folder.path());
    assert_eq!(got.lines().count(), 40);
    for line in got.lines() {
        let sample: rec_core::Trajectory = serde_json::from_str(line).unwrap();
        assert_eq!(tool_synth::dlv::check(&sample), [], "{line}");
    }
    let (_, tally, _) = shard::merge(folder.path()).unwrap();
    assert!(tally.rejects.keys().any(|reason| reason == "unreadable reply"), "{:?}", tally.rejects);
}

#[test]
fn an_engine_of_another_name_is_refused() {
    let runtime = Runtime::new().unwrap();
    let server = serve(&runtime, Arc::new(rules()), Faults::default());
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(&runtime, &server, None);
    let config = Config { engine: "another".into(), ..config() };
    let error = shard::run_with(&engine, &config, folder.path(), Shard::WHOLE, &mut ()).unwrap_err();
    assert_eq!(error.to_string(), "engine: another in the configuration, but sextant-rules is there");
}
