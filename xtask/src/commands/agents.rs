//! `agents`: a team that recommends, in the terminal, in a browser, over MCP, and on samples.

use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use agents::engine::{Engine, Job};
use agents::mcp::http::{HttpLimits, HttpServer};
use agents::run::{Concurrency, RunFiles, read_results, run_many};
use agents::session::Session;
use agents::system::SystemConfig;
use agents::task::{Answer, TaskInput, TaskKind};
use agents::tool::Tool;
use agents::trace::{Event, ReplayDecider, Trace, describe};
use agents::web::{Limits, Site, serve};
use serde_json::json;

use crate::agents::dialogues;
use crate::agents::evaluation::{self, Asked, Learned, Reviews};
use crate::agents::team::{Team, learn, prepared};
use crate::cli::agents::{
    Agents, AgentsChat, AgentsCheck, AgentsData, AgentsMcp, AgentsRun, AgentsServe, AgentsTrace, Preparation,
};
use crate::error::{Error, Result};
use crate::{output, table};

/// Does what is asked.
pub fn agents(command: &Agents) -> Result<()> {
    match command {
        Agents::Data(arguments) => data(arguments),
        Agents::Run(arguments) => run(arguments),
        Agents::Chat(arguments) => chat(arguments),
        Agents::Serve(arguments) => page(arguments),
        Agents::Mcp(arguments) => mcp(arguments),
        Agents::Trace(command) => trace(command),
        Agents::Check(arguments) => check(arguments),
        Agents::Tools => tools(),
    }
}

fn data(arguments: &AgentsData) -> Result<()> {
    let prepared = prepared(&arguments.preparation, arguments.seed.seed)?;
    output::json(&json!({
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

fn run(arguments: &AgentsRun) -> Result<()> {
    let task = TaskKind::named(&arguments.task).ok_or_else(|| {
        Error::Usage(format!("--task {}: accepts rating, ranking, explanation, conversation", arguments.task))
    })?;
    let systems: Vec<SystemConfig> = if arguments.systems.is_empty() {
        SystemConfig::built_in().into_iter().filter(|system| system.tasks.contains(&task)).collect()
    } else {
        arguments.systems.iter().map(|name| system(name)).collect::<Result<_>>()?
    };
    if let Some(system) = systems.iter().find(|system| !system.tasks.contains(&task)) {
        return Err(Error::Usage(format!("{} cannot do {}", system.name, arguments.task)));
    }
    let learned = arguments
        .seeds
        .iter()
        .map(|&seed| Learned::new(&arguments.preparation, seed))
        .collect::<Result<Vec<_>>>()?;
    if task == TaskKind::Conversation {
        let Some(learned) = learned.first() else {
            return Err(Error::Usage("--seeds: none is named".into()));
        };
        let (model, limit) = (&arguments.model.model, arguments.limit);
        let told = dialogues::run(learned, &systems, model, limit, arguments.in_flight, arguments.turns)?;
        return table::show(&arguments.json, &told.json(), &told.text());
    }
    let reviews = match &arguments.reviews {
        Some(_) if task != TaskKind::Explanation => {
            return Err(Error::Usage("--reviews: only explanations are held against reviews".into()));
        }
        Some(path) => Reviews::read(path)?,
        None => Reviews::default(),
    };
    let evaluation = evaluation::run(&Asked {
        preparation: &arguments.preparation,
        learned: &learned,
        task,
        systems,
        model: &arguments.model.model,
        limit: arguments.limit,
        threads: arguments.threads,
        in_flight: arguments.in_flight,
        out: arguments.out.clone(),
        fresh: arguments.fresh,
        reviews: &reviews,
    })?;
    table::show(&arguments.json, &evaluation.json(), &evaluation.text())
}

/// A built-in system by its name, or one of a TOML file.
fn system(name: &str) -> Result<SystemConfig> {
    let path = Path::new(name);
    if path.extension().is_none_or(|extension| extension != "toml") {
        return Ok(SystemConfig::named(name)?);
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    Ok(SystemConfig::parse(&text)?)
}

fn chat(arguments: &AgentsChat) -> Result<()> {
    let knowledge = known(&arguments.preparation, arguments.seed.seed)?.1;
    let team = Team::new(&arguments.model.model, &knowledge)?;
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

/// The prepared data and what the tools know of it.
fn known(
    preparation: &Preparation,
    seed: u64,
) -> Result<(agents::protocol::Prepared, Arc<agents::knowledge::Knowledge>)> {
    let prepared = prepared(preparation, seed)?;
    output::note("fitting the models");
    let knowledge = learn(&prepared, preparation, seed)?;
    Ok((prepared, knowledge))
}

/// The token that the environment variable `name` holds.
fn token(name: Option<&String>) -> Result<Option<String>> {
    name.map(|name| {
        std::env::var(name).map_err(|_| Error::Usage(format!("--token-variable {name}: it is not set")))
    })
    .transpose()
}

fn page(arguments: &AgentsServe) -> Result<()> {
    let token = token(arguments.token_variable.as_ref())?;
    let (prepared, knowledge) = known(&arguments.preparation, arguments.seed.seed)?;
    let team = Team::new(&arguments.model.model, &knowledge)?;
    let site =
        Arc::new(Site::new(knowledge, prepared.test, team.decider, team.name, token, Limits::default()));
    output::line(format!("http://{}/", arguments.address));
    Ok(team.runtime.block_on(serve(site, arguments.address))?)
}

fn mcp(arguments: &AgentsMcp) -> Result<()> {
    let token = token(arguments.token_variable.as_ref())?;
    let knowledge = known(&arguments.preparation, arguments.seed.seed)?.1;
    let Some(address) = arguments.http else {
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        let served = agents::mcp::Server::new(&knowledge).serve(input, output);
        return served.map_err(|error| Error::io("the client", error));
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::io("the async runtime", error))?;
    let server = Arc::new(HttpServer::new(knowledge, token, HttpLimits::default()));
    output::note(format!("http://{address}/mcp"));
    Ok(runtime.block_on(agents::mcp::http::serve(server, address))?)
}

/// The first sample of a trace, as text for people.
pub fn first_sample(path: &Path) -> Option<String> {
    let trace = Trace::read(path).ok()?;
    trace.samples.first().map(|(name, events)| format!("{name}\n{}", Trace::show(events)))
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
        AgentsTrace::Replay { file, preparation, seed } => return replay(file, preparation, seed.seed),
        AgentsTrace::Export { folder, form, preparation, seed } => {
            return export(folder, form, preparation, seed.seed);
        }
        AgentsTrace::Diff { left, right } => {
            let (left, right) = (Trace::read(left)?, Trace::read(right)?);
            let differences = left.diff(&right);
            for found in &differences {
                output::line(format!("# {}\n- {}\n+ {}", found.sample, told(found.left), told(found.right)));
            }
            output::note(format!("{} of {} samples differ", differences.len(), left.samples.len()));
        }
    }
    Ok(())
}

/// The task as it was shown, from the first event of a sample.
fn task_of(events: &[Event]) -> Option<TaskInput> {
    events.first()?.payload.read().ok()
}

fn told(event: Option<&Event>) -> String {
    event.map_or_else(|| "(nothing)".to_owned(), |event| format!("{} {}", event.agent, describe(event)))
}

/// Feeds the recorded decisions to the engine; tools and models run anew and have to give what they gave.
fn replay(file: &Path, preparation: &Preparation, seed: u64) -> Result<()> {
    let trace = Trace::read(file)?;
    let (prepared, knowledge) = known(preparation, seed)?;
    let found = prepared.dataset.sha256();
    if found != trace.header.data_sha256 {
        return Err(Error::Data(format!(
            "{}: made on rows with SHA-256 {}, {} has {found}",
            file.display(),
            trace.header.data_sha256,
            preparation.data
        )));
    }
    let mut jobs = Vec::new();
    for (name, events) in &trace.samples {
        let wrong = |what: &str| Error::Data(format!("{}: {name}: {what}", file.display()));
        let task = task_of(events).ok_or_else(|| wrong("does not begin with a task"))?;
        let user = name.strip_prefix("user-").and_then(|user| knowledge.user(user));
        let sample = prepared.test.iter().find(|sample| Some(sample.user) == user);
        jobs.push(Job::new(task, sample.ok_or_else(|| wrong("no such sample"))?.cut_off));
    }
    let decider = Arc::new(ReplayDecider::new(&trace)?);
    let engine = Engine::with(knowledge, trace.header.system.clone(), decider)?;
    let mut again = Trace { header: trace.header.clone(), samples: Vec::new() };
    run_many(&engine, &jobs, Concurrency::ONE, |done| {
        again.samples.push((done.outcome.sample, done.events));
        Ok::<(), Error>(())
    })?;
    let differences = trace.diff(&again);
    for found in &differences {
        output::line(format!("# {}\n- {}\n+ {}", found.sample, told(found.left), told(found.right)));
    }
    let said = format!("{} of {} samples differ", differences.len(), trace.samples.len());
    if differences.is_empty() {
        output::note(said);
        return Ok(());
    }
    Err(Error::Failed(said))
}

/// Trajectories or pairs of a run, a line each.
fn export(folder: &Path, form: &str, preparation: &Preparation, seed: u64) -> Result<()> {
    let files = RunFiles::within(folder);
    let trace = Trace::read(&files.trace)?;
    let outcomes = read_results(&files.results)?;
    let events: HashMap<&str, &Vec<Event>> =
        trace.samples.iter().map(|(name, events)| (name.as_str(), events)).collect();
    let lines: Vec<serde_json::Value> = match form {
        "trajectories" => {
            let of = |outcome: &agents::engine::Outcome| {
                let events = events.get(outcome.sample.as_str())?;
                agents::export::trajectory(events, outcome).map(|found| json!(found))
            };
            outcomes.iter().filter_map(of).collect()
        }
        "pairs" => {
            let (prepared, knowledge) = known(preparation, seed)?;
            let of = |outcome: &agents::engine::Outcome| {
                let user = outcome.sample.strip_prefix("user-").and_then(|user| knowledge.user(user));
                let sample = prepared.test.iter().find(|sample| Some(sample.user) == user)?;
                let task = task_of(events.get(outcome.sample.as_str())?)?;
                let judge = agents::judge::Judge::new(&knowledge, sample);
                agents::export::pair(&task, outcome, &judge).map(|found| json!(found))
            };
            outcomes.iter().filter_map(of).collect()
        }
        other => return Err(Error::Usage(format!("--form {other}: accepts trajectories, pairs"))),
    };
    lines.iter().for_each(|line| output::line(line.to_string()));
    output::note(format!("{} of {} samples", lines.len(), outcomes.len()));
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
        .map(|role| {
            (role.name().to_owned(), serde_json::Value::from(agents::grammar::schema(role.specs().iter())))
        })
        .collect();
    let all = serde_json::json!({ "tools": tools, "actions": actions });
    output::json(&all);
    Ok(())
}
