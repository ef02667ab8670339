//! `agents`: a team that recommends, in the terminal, in a browser, over MCP, and on samples.

use std::io::BufRead;
use std::sync::Arc;

use agents::decider::Decider;
use agents::engine::{Engine, Job};
use agents::eval::{Report, evaluate, table};
use agents::judge::Judge;
use agents::knowledge::Knowledge;
use agents::llm::{LlmConfig, LlmDecider, OnRuntime};
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{Negatives, Prepared, ProtocolConfig, prepare};
use agents::run::{Concurrency, RunFiles, run_into};
use agents::session::Session;
use agents::system::SystemConfig;
use agents::task::{Answer, TaskInput, TaskKind};
use agents::tool::Tool;
use agents::trace::{Header, ReplayDecider, Trace, VERSION};
use agents::web::{Limits, Site, serve};
use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{FitContext, Retry, RetryConfig};

use crate::cli::agents::{
    Agents, AgentsChat, AgentsCheck, AgentsMcp, AgentsRun, AgentsServe, AgentsTrace, Model, Preparation,
};
use crate::error::{Error, Result};
use crate::{data, output};

/// Does what is asked.
pub fn agents(command: &Agents) -> Result<()> {
    match command {
        Agents::Data(arguments) => describe(&prepared(&arguments.preparation)?),
        Agents::Run(arguments) => run(arguments),
        Agents::Chat(arguments) => chat(arguments),
        Agents::Serve(arguments) => page(arguments),
        Agents::Mcp(arguments) => mcp(arguments),
        Agents::Trace(command) => trace(command),
        Agents::Check(arguments) => check(arguments),
        Agents::Tools => tools(),
    }
}

fn prepared(arguments: &Preparation) -> Result<Prepared> {
    let source = match arguments.negatives.as_str() {
        "uniform" => Negatives::Uniform,
        "popularity" => Negatives::Popularity,
        "reference" => Negatives::Reference,
        other => {
            return Err(Error::Usage(format!("--negatives {other}: accepts uniform, popularity, reference")));
        }
    };
    let config = ProtocolConfig {
        source,
        negatives: arguments.candidates,
        seed: arguments.seed,
        ..ProtocolConfig::default()
    };
    Ok(prepare(data::load(&arguments.data)?, &config)?)
}

fn describe(prepared: &Prepared) -> Result<()> {
    output::json(&serde_json::json!({
        "name": prepared.dataset.name,
        "sha256": prepared.dataset.sha256(),
        "rows": prepared.dataset.interactions.len(),
        "items": prepared.n_active_items,
        "train": prepared.train.len(),
        "dev": prepared.dev.len(),
        "test": prepared.test.len(),
    }));
    Ok(())
}

fn learn(prepared: &Prepared) -> Result<Arc<Knowledge>> {
    output::note("fitting the models");
    Ok(Arc::new(Knowledge::build(prepared, &ModelsConfig::default())?))
}

/// Who decides, what it is called, and the runtime that it needs.
struct Team {
    decider: Arc<dyn Decider>,
    name: String,
    runtime: tokio::runtime::Runtime,
    waits: bool,
}

fn team(model: &Model, knowledge: &Knowledge) -> Result<Team> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::io("the async runtime", error))?;
    let (kind, rest) = model.model.split_once(':').unwrap_or((&model.model, ""));
    match kind {
        "policy" => {
            let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
            Ok(Team { decider, name: "rules (no language model)".into(), runtime, waits: false })
        }
        "replay" => {
            let decider = Arc::new(ReplayDecider::new(&Trace::read(rest.as_ref())?)?);
            Ok(Team { decider, name: format!("replay of {rest}"), runtime, waits: false })
        }
        "http" => {
            let text = std::fs::read_to_string(rest).map_err(|error| Error::io(rest, error))?;
            let endpoint: EndpointConfig =
                serde_json::from_str(&text).map_err(|error| Error::Usage(format!("{rest}: {error}")))?;
            let name = endpoint.model.clone();
            let client = OpenAiCompatible::new(endpoint).map_err(|error| Error::Usage(error.to_string()))?;
            let model = FitContext::new(Arc::new(Retry::new(Arc::new(client), RetryConfig::default())));
            let decider = Arc::new(LlmDecider::new(Arc::new(model), LlmConfig::default()));
            let decider = Arc::new(OnRuntime::new(decider, runtime.handle().clone()));
            Ok(Team { decider, name, runtime, waits: true })
        }
        other => {
            Err(Error::Usage(format!("--model {other}: accepts policy, http:FILE.json, replay:TRACE.jsonl")))
        }
    }
}

fn run(arguments: &AgentsRun) -> Result<()> {
    let task = TaskKind::named(&arguments.task).filter(|task| *task != TaskKind::Conversation);
    let task = task.ok_or_else(|| {
        Error::Usage(format!("--task {}: accepts rating, ranking, explanation", arguments.task))
    })?;
    let systems: Vec<SystemConfig> = if arguments.systems.is_empty() {
        SystemConfig::built_in().into_iter().filter(|system| system.tasks.contains(&task)).collect()
    } else {
        arguments.systems.iter().map(|name| SystemConfig::named(name)).collect::<agents::Result<_>>()?
    };
    if let Some(system) = systems.iter().find(|system| !system.tasks.contains(&task)) {
        return Err(Error::Usage(format!("{} cannot do {}", system.name, arguments.task)));
    }
    let prepared = prepared(&arguments.preparation)?;
    let knowledge = learn(&prepared)?;
    let team = team(&arguments.model, &knowledge)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let concurrency = Concurrency {
        threads: arguments.threads.unwrap_or(if team.waits { 1 } else { cores }),
        in_flight: arguments.in_flight.unwrap_or(if team.waits { 8 } else { 1 }),
    };
    let samples: Vec<_> = prepared
        .test
        .iter()
        .filter(|sample| task != TaskKind::Ranking || sample.rating >= knowledge.liked_from())
        .take(arguments.limit.unwrap_or(usize::MAX))
        .collect();
    let judges: Vec<Judge> = samples.iter().map(|sample| Judge::new(&knowledge, sample)).collect();
    let mut reports: Vec<Report> = Vec::new();
    for system in systems {
        let folder = arguments.out.join(task.names()[0]).join(&system.name);
        if arguments.fresh && folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        }
        std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        let shown = if task == TaskKind::Ranking { 5 } else { system.max_history };
        let jobs: Vec<Job> = samples
            .iter()
            .map(|sample| Job::new(TaskInput::of_sample(task, &knowledge, sample, shown), sample.cut_off))
            .collect();
        let header = Header {
            version: VERSION,
            crate_version: env!("CARGO_PKG_VERSION").into(),
            data_sha256: prepared.dataset.sha256(),
            task,
            system: system.clone(),
            model: team.name.clone(),
        };
        let engine = Engine::with(knowledge.clone(), system.clone(), team.decider.clone())?;
        let outcomes = run_into(&engine, &header, &jobs, &RunFiles::within(&folder), concurrency)?;
        reports.push(evaluate(&system.name, task, &outcomes, &judges)?);
        output::note(format!("{}: {} samples, traces in {}", system.name, outcomes.len(), folder.display()));
    }
    let json = serde_json::to_string_pretty(&reports).map_err(|error| Error::Failed(error.to_string()))?;
    match &arguments.json.json {
        Some(path) if path.as_os_str() == "-" => output::line(json),
        Some(path) => {
            std::fs::write(path, json + "\n").map_err(|error| Error::io(path, error))?;
            output::line(table(&reports));
        }
        None => output::line(table(&reports)),
    }
    Ok(())
}

fn chat(arguments: &AgentsChat) -> Result<()> {
    let knowledge = learn(&prepared(&arguments.preparation)?)?;
    let team = team(&arguments.model, &knowledge)?;
    let engine = Engine::with(knowledge, SystemConfig::named("chat")?, team.decider)?;
    output::note(format!(
        "Decisions by: {}. /why shows how the last answer came about; end with /quit.",
        team.name
    ));
    let mut session = Session::new("terminal");
    let mut last = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::io("standard input", error))?;
        match line.trim() {
            "" => {}
            "/quit" => break,
            "/why" => output::line(Trace::show(&last)),
            text => {
                let done = team.runtime.block_on(session.say(&engine, text, None, None));
                if let Answer::Text(text) = &done.outcome.answer {
                    output::line(format!("{text}\n"));
                }
                last = done.events;
            }
        }
    }
    Ok(())
}

fn page(arguments: &AgentsServe) -> Result<()> {
    let token = match &arguments.token_variable {
        Some(name) => Some(
            std::env::var(name)
                .map_err(|_| Error::Usage(format!("--token-variable {name}: it is not set")))?,
        ),
        None => None,
    };
    let prepared = prepared(&arguments.preparation)?;
    let knowledge = learn(&prepared)?;
    let team = team(&arguments.model, &knowledge)?;
    let site =
        Arc::new(Site::new(knowledge, prepared.test, team.decider, team.name, token, Limits::default()));
    output::line(format!("http://{}/", arguments.address));
    Ok(team.runtime.block_on(serve(site, arguments.address))?)
}

fn mcp(arguments: &AgentsMcp) -> Result<()> {
    let knowledge = learn(&prepared(&arguments.preparation)?)?;
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let served = agents::mcp::Server::new(&knowledge).serve(input, output);
    served.map_err(|error| Error::io("the client", error))
}

fn trace(command: &AgentsTrace) -> Result<()> {
    match command {
        AgentsTrace::Show { file, sample } => {
            for (name, events) in &Trace::read(file)?.samples {
                if sample.as_ref().is_none_or(|wanted| wanted == name) {
                    output::line(format!("# {name}\n{}", Trace::show(events)));
                }
            }
        }
        AgentsTrace::Stats { file } => {
            for (name, count) in Trace::read(file)?.stats() {
                output::line(format!("{count:>8} {name}"));
            }
        }
        AgentsTrace::Diff { left, right } => {
            let (left, right) = (Trace::read(left)?, Trace::read(right)?);
            let differences = left.diff(&right);
            for found in &differences {
                let told = |event: Option<&agents::trace::Event>| {
                    event.map_or_else(
                        || "(nothing)".to_owned(),
                        |event| format!("{} {}", event.agent, agents::trace::describe(event)),
                    )
                };
                output::line(format!("# {}\n- {}\n+ {}", found.sample, told(found.left), told(found.right)));
            }
            output::note(format!("{} of {} samples differ", differences.len(), left.samples.len()));
        }
    }
    Ok(())
}

fn check(arguments: &AgentsCheck) -> Result<()> {
    let systems = match &arguments.file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|error| Error::io(file, error))?;
            vec![SystemConfig::parse(&text)?]
        }
        None => SystemConfig::built_in(),
    };
    for system in systems {
        output::line(system.describe());
    }
    Ok(())
}

fn tools() -> Result<()> {
    let tools: Vec<_> = Tool::all().iter().map(Tool::spec).collect();
    let actions: serde_json::Map<_, _> = agents::action::AgentRole::ALL
        .into_iter()
        .map(|role| (role.name().to_owned(), serde_json::Value::from(agents::grammar::schema(role))))
        .collect();
    let all = serde_json::json!({ "tools": tools, "actions": actions });
    output::json(&all);
    Ok(())
}
