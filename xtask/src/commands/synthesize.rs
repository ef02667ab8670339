//! `synthesize`: dialogues with tools, verified, in shards; and what is made of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chat_model::SharedModel;
use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{Cache, CacheConfig, RateConfig, RateLimit, Retry, RetryConfig};
use chat_model::server::{Faults, Server, ServerConfig};
use rec_core::{Observer, Progress};
use tokio::runtime::Runtime;
use tool_synth::engine::{ChatEngine, Engine, RuleModel};
use tool_synth::shard::{self, Shard, Summary};
use tool_synth::synthesis::Config;
use tool_synth::tss::{Documents, Pool, PoolConfig};

use crate::cli::{Synthesize, SynthesizeAction};
use crate::error::{Error, Result};
use crate::{output, table};

/// Shows how many blocks are made.
#[derive(Default)]
pub struct Bar(Option<indicatif::ProgressBar>);

impl Observer for Bar {
    fn progress(&mut self, progress: &Progress<'_>) {
        let bar = self.0.get_or_insert_with(|| output::progress(progress.epochs as u64));
        bar.set_position(progress.epoch as u64);
    }
}

/// Makes a shard, and all that follows from the shards if it is the only one; or merges the shards that are there; or serves.
///
/// # Errors
/// Settings that are not accepted, a folder begun with others, blocks that are missing, an endpoint that does not answer.
pub fn synthesize(arguments: &Synthesize) -> Result<()> {
    match arguments.action {
        Some(SynthesizeAction::Merge) => return told(&shard::finish(&arguments.out)?, arguments),
        Some(SynthesizeAction::Serve { port, apis, seed, latency }) => {
            return serve(port, apis, seed, latency, &documents(arguments)?);
        }
        None => {}
    }
    let part: Shard = arguments.shard.parse()?;
    let mut config = Config { count: arguments.count, seed: arguments.seed, ..Config::default() };
    config.pool.apis = arguments.apis;
    config.documents = documents(arguments)?;
    tell(&config)?;
    if arguments.out.join("config.json").exists() && !arguments.resume && part == Shard::WHOLE {
        return Err(Error::Stale(format!(
            "{} exists: --resume goes on, another --out begins anew",
            arguments.out.display()
        )));
    }
    if arguments.engine == "offline" {
        let make = || shard::run_offline(&config, &arguments.out, part, &mut Bar::default());
        workers(arguments.threads)?.install(make)?;
    } else {
        let runtime = runtime()?;
        let model = endpoint(arguments, &runtime)?;
        let engine = ChatEngine::new(model, runtime.handle().clone(), arguments.max_tokens);
        config.engine = engine.name();
        // The threads wait for replies: as many as there may be requests on their way.
        let make = || shard::run_with(&engine, &config, &arguments.out, part, &mut Bar::default());
        workers(arguments.concurrency)?.install(make)?;
    }
    if part == Shard::WHOLE {
        return told(&shard::finish(&arguments.out)?, arguments);
    }
    output::note(format!(
        "shard {} is made; once all are, `synthesize merge --out {}`",
        arguments.shard,
        arguments.out.display()
    ));
    Ok(())
}

/// The documents, and a clear no where the embedded grammar is left out for nothing.
fn documents(arguments: &Synthesize) -> Result<Documents> {
    if arguments.documents_only && arguments.documents.is_empty() {
        return Err(Error::Usage("--documents-only needs --documents".into()));
    }
    Ok(Documents::read(&arguments.documents, arguments.documents_only)?)
}

/// Tells what the documents give: how many tools, and what is left out of them.
fn tell(config: &Config) -> Result<()> {
    if config.documents.is_empty() {
        return Ok(());
    }
    let grammar = config.documents.grammar()?;
    let pool = Pool::synthesise(&grammar, &config.pool, config.seed)?;
    let own = pool.apis.iter().filter(|api| {
        let object = &grammar.objects[api.object];
        api.functions.iter().any(|at| object.functions[*at].documented.is_some())
    });
    output::note(format!("{} of {} tools are the documents'", own.count(), pool.apis.len()));
    if pool.apis.len() < config.pool.apis {
        output::note(format!("--apis {}: documents alone give one tool an operation", config.pool.apis));
    }
    grammar.left_out.iter().for_each(output::note);
    Ok(())
}

fn workers(threads: usize) -> Result<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Error::Failed(error.to_string()))
}

fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| Error::Failed(error.to_string()))
}

/// The endpoint, behind a cache, retries and its rate.
fn endpoint(arguments: &Synthesize, runtime: &Runtime) -> Result<SharedModel> {
    // Layers with clocks are made where there is a runtime.
    let _entered = runtime.enter();
    let endpoint = EndpointConfig {
        key_variable: arguments.key_variable.clone(),
        send_task: arguments.model == SERVED,
        ..EndpointConfig::new(&arguments.engine, &arguments.model)
    };
    let model: SharedModel = Arc::new(OpenAiCompatible::new(endpoint)?);
    let rate = RateConfig {
        concurrency: arguments.concurrency.max(1),
        requests_per_minute: arguments.per_minute,
        ..RateConfig::default()
    };
    let model: SharedModel = Arc::new(RateLimit::new(model, rate)?);
    let retries = RetryConfig { attempts: 10, unreadable: true, ..RetryConfig::default() };
    let model: SharedModel = Arc::new(Retry::new(model, retries));
    let folder = arguments.out.join("replies");
    Ok(Arc::new(Cache::new(model, CacheConfig { folder, epoch: String::new(), max_bytes: u64::MAX })?))
}

/// The name of the offline engine behind an endpoint; only it reads typed tasks.
const SERVED: &str = "sextant-rules";

fn serve(port: u16, apis: usize, seed: u64, latency: u64, documents: &Documents) -> Result<()> {
    let grammar = documents.grammar()?;
    let pool = Pool::synthesise(&grammar, &PoolConfig { apis, ..PoolConfig::default() }, seed)?;
    let model = RuleModel::with_grammar(grammar, pool, Config::default().noise);
    let runtime = runtime()?;
    let config = ServerConfig {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        faults: Faults { latency: Duration::from_millis(latency), ..Faults::default() },
        ..ServerConfig::default()
    };
    let server = runtime.block_on(Server::start(Arc::new(model), config))?;
    output::line(server.base_url());
    runtime.block_on(std::future::pending())
}

fn told(summary: &Summary, arguments: &Synthesize) -> Result<()> {
    let text = serde_json::to_string_pretty(summary).map_err(|error| Error::Failed(error.to_string()))?;
    match arguments.json.json.as_deref() {
        Some(path) if path == std::path::Path::new("-") => {
            output::line(text);
            return Ok(());
        }
        Some(path) => table::write(path, &text)?,
        None => {}
    }
    lines(summary).into_iter().for_each(output::line);
    for path in &summary.files {
        output::note(format!("wrote {}", path.display()));
    }
    Ok(())
}

/// The summary for people.
pub fn lines(summary: &Summary) -> Vec<String> {
    let tally = &summary.tally;
    let head = format!("{} verified dialogues over {} APIs", summary.samples, summary.apis);
    let kinds = summary.types.iter().map(|(kind, count)| format!("  {kind:<12} {count}"));
    let funnel = format!(
        "{} plans, {} spoken as the goal asks, {} pass the rules, {} the experts",
        tally.attempts, tally.spoken, tally.rules, tally.experts
    );
    std::iter::once(head).chain(kinds).chain([funnel]).collect()
}
