//! Two systems joined: dialogues that `tool-synth` made and verified become tasks that answer from the record, demonstrations for
//! supervised training, and, by replay, tasks to train on further.
//!
//! Of a dialogue the first request is taken: the calls up to the first answer in words. A policy passes if it makes exactly those calls,
//! one at a time and in any order, and then ends; where the dialogue has none (a value is missing, no tool fits), if it ends at
//! once. What it says in the end is not judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rec_core::run::replace_file;
use rec_core::{Json, Message, Role, ToolCall, Trajectory};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tool_rl::env::FINISH;
use tool_rl::env::replay::{Recorded, ReplayEnvironment};
use tool_rl::lm::{Draw, Job, LearnConfig, RolloutConfig, TrainConfig, Trainer, fine_tune, rollout};
use tool_rl::{ActionCodec, CausalLm, CausalLmConfig, Episode, Limits, Method, WordCodec, play, summarise};
use tool_synth::shard::{self, Shard};
use tool_synth::synthesis::Config;

use super::outcome::Told;
use crate::children::prepare;
use crate::cli::{Existing, Json as JsonOut};
use crate::commands::synthesize::Bar;
use crate::comparison::Summary;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::report::tool_sections::{call_line, reply_line};
use crate::{output, table};

/// An experiment on dialogues as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialogueExperiment {
    /// What it is for.
    pub about: String,
    /// Verified dialogues to make.
    pub dialogues: u64,
    /// Tools to make them with.
    pub apis: usize,
    /// The seed of the dialogues.
    pub data_seed: u64,
    /// Every so many-th dialogue is held out.
    pub held_out_every: usize,
    /// Tokens of a prompt at most; longer tasks are left out.
    pub most_prompt: usize,
    /// Words of the vocabulary at most.
    pub most_words: usize,
    /// The policy's width, layers and heads.
    pub shape: [usize; 3],
    /// Passes of supervised training.
    pub passes: u64,
    /// Its learning rate.
    pub sft_rate: f64,
    /// Episodes a step, in both stages.
    pub minibatch: usize,
    /// The method of the second stage.
    pub method: String,
    /// Its iterations.
    pub iterations: u64,
    /// Tasks an iteration.
    pub tasks: usize,
    /// Episodes a task.
    pub group: usize,
    /// Its learning rate.
    pub rate: f64,
    /// The factor of its penalty.
    pub kl: f64,
    /// Iterations between checkpoints.
    pub checkpoint_every: u64,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The device.
    pub device: String,
}

impl Default for DialogueExperiment {
    fn default() -> Self {
        Self {
            about: String::new(),
            dialogues: 1500,
            apis: 40,
            data_seed: 1,
            held_out_every: 5,
            most_prompt: 160,
            most_words: 1500,
            shape: [64, 2, 4],
            passes: 8,
            sft_rate: 2e-3,
            minibatch: 8,
            method: "steptool-gated".into(),
            iterations: 20,
            tasks: 16,
            group: 4,
            rate: 3e-4,
            kl: 0.05,
            checkpoint_every: 5,
            seeds: vec![1],
            device: "flex".into(),
        }
    }
}

/// A task and what was recorded of it.
#[derive(Clone, Debug)]
struct Dialogue {
    task: Arc<Recorded>,
    calls: Vec<ToolCall>,
    /// `single`, `parallel`, `dependent` or `no_tool`, as the plan had it; after the cut at the first answer.
    kind: String,
}

/// The first request of a dialogue; nothing if the record has no request or calls without answers.
fn first_request(sample: &Trajectory) -> Result<Option<Dialogue>> {
    let spoken = |message: &&Message| message.role != Role::System;
    let mut messages = Vec::new();
    for message in sample.messages.iter().filter(spoken) {
        if message.role == Role::Assistant && message.tool_calls.is_empty() {
            break;
        }
        // A second request without an answer to the first is another conversation.
        if message.role == Role::User && !messages.is_empty() {
            return Ok(None);
        }
        messages.push(message.clone());
    }
    let calls: Vec<ToolCall> =
        messages.iter().flat_map(|message: &Message| message.tool_calls.clone()).collect();
    let answers = messages.iter().filter(|message| message.role == Role::Tool).count();
    if answers != calls.len() || messages.is_empty() {
        return Ok(None);
    }
    let kind = match (calls.len(), sample.metadata.get("type").and_then(Json::as_str)) {
        (0, _) => "no tool",
        (1, _) => "one call",
        (_, Some("dependent")) => "dependent calls",
        _ => "several calls",
    };
    let cut = Trajectory { messages, ..sample.clone() };
    let task = Arc::new(Recorded::from_trajectories(&[cut])?.with_needed_calls());
    Ok(Some(Dialogue { task, calls, kind: kind.to_owned() }))
}

/// Dialogues to learn from and those held out, and the words of the former.
struct Joined {
    codec: WordCodec,
    training: Vec<Dialogue>,
    held_out: Vec<Dialogue>,
    /// Tasks that were left out: too long, or a held-out request that training has, too.
    left_out: usize,
}

/// Makes the dialogues under `folder`, unless they are there, and joins them.
fn join(experiment: &DialogueExperiment, folder: &Path) -> Result<Joined> {
    let mut config = Config { count: experiment.dialogues, seed: experiment.data_seed, ..Config::default() };
    config.pool.apis = experiment.apis;
    shard::run_offline(&config, folder, Shard::WHOLE, &mut Bar::default())?;
    let (samples, _, _) = shard::merge(folder)?;
    let (mut training, mut held_out) = (Vec::new(), Vec::new());
    for (at, sample) in samples.iter().enumerate() {
        if let Some(dialogue) = first_request(sample)? {
            let side = if at % experiment.held_out_every == 0 { &mut held_out } else { &mut training };
            side.push(dialogue);
        }
    }
    let mut texts = Vec::new();
    for dialogue in &training {
        let spelled = WordCodec::default().prompt(&dialogue.task.query, &dialogue.task.tools);
        texts.push(WordCodec::default().decode(&spelled));
        texts.extend(dialogue.calls.iter().map(|call| format!(" {}{}", call.name, call.arguments)));
        let replies = dialogue.task.replies.values().flatten();
        texts.extend(replies.map(|reply| reply.response.to_string()));
    }
    let codec = WordCodec::learn(texts.iter().map(String::as_str), 3, experiment.most_words);
    let all = training.len() + held_out.len();
    let fits = |dialogue: &Dialogue| {
        let prompt = codec.prompt(&dialogue.task.query, &dialogue.task.tools).len();
        let longest = dialogue.calls.iter().filter_map(|call| codec.action(call)).map(|tokens| tokens.len());
        prompt <= experiment.most_prompt && longest.max().unwrap_or(0) <= limits().action_tokens
    };
    training.retain(fits);
    let known: BTreeSet<&str> = training.iter().map(|dialogue| dialogue.task.query.as_str()).collect();
    held_out.retain(|dialogue| fits(dialogue) && !known.contains(dialogue.task.query.as_str()));
    let left_out = all - training.len() - held_out.len();
    if training.is_empty() || held_out.is_empty() {
        return Err(Error::Usage("no dialogues are left to learn from or to judge on".into()));
    }
    Ok(Joined { codec, training, held_out, left_out })
}

fn limits() -> Limits {
    Limits { steps: 8, action_tokens: 64, tokens: 400 }
}

fn finish() -> ToolCall {
    let members = [("return_type", "give_answer"), ("final_answer", "done")];
    ToolCall::new("", FINISH, members.into_iter().collect())
}

/// What the record did, in tokens.
fn demonstrate(joined: &Joined) -> Vec<Episode> {
    let mut env = ReplayEnvironment::default();
    let demonstration = |dialogue: &Dialogue| {
        let mut calls = dialogue.calls.iter();
        let next = |_: &ReplayEnvironment, _: Option<&_>| calls.next().cloned().unwrap_or_else(finish);
        play(&mut env, &dialogue.task, 0, &joined.codec, &limits(), next)
    };
    joined.training.iter().map(demonstration).collect()
}

fn jobs(dialogues: &[Dialogue]) -> Vec<Job<Arc<Recorded>>> {
    let job = |(at, dialogue): (usize, &Dialogue)| {
        let number = at as u64;
        Job { task: Arc::clone(&dialogue.task), number, group: number, seed: 0, stream: number }
    };
    dialogues.iter().enumerate().map(job).collect()
}

/// Shares passed: `all`, by kind, and by whether training knows all tools that are called.
type Passes = BTreeMap<String, f64>;

fn judge(policy: &CausalLm, joined: &Joined, dialogues: &[Dialogue]) -> Result<(Passes, Vec<Episode>)> {
    let rollouts =
        RolloutConfig { limits: limits(), draw: Draw::Greedy, batch: 64, ..RolloutConfig::default() };
    let env = ReplayEnvironment::default();
    let episodes = rollout(policy, &env, &joined.codec, &jobs(dialogues), &rollouts)?;
    let known: BTreeSet<&str> =
        joined.training.iter().flat_map(|own| &own.calls).map(|call| call.name.as_str()).collect();
    let mut groups: BTreeMap<String, Vec<&Episode>> = BTreeMap::new();
    for (dialogue, episode) in dialogues.iter().zip(&episodes) {
        let mut put = |group: &str| groups.entry(group.to_owned()).or_default().push(episode);
        put("all");
        put(&dialogue.kind);
        if !dialogue.calls.is_empty() {
            let knows = dialogue.calls.iter().all(|call| known.contains(call.name.as_str()));
            put(if knows { "tools seen" } else { "tools unseen" });
        }
    }
    let passes =
        groups.into_iter().map(|(group, episodes)| (group, summarise(episodes.iter().copied()).pass));
    Ok((passes.collect(), episodes))
}

/// What a seed's run keeps as its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DialogueJob {
    seed: u64,
    experiment: DialogueExperiment,
    method: String,
}

/// What a seed comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DialogueRun {
    seed: u64,
    /// Held-out requests: before any training, after supervised training, after the second stage.
    passes: [Passes; 3],
    /// The first training requests, as many as are held out, after each stage.
    training: [Passes; 3],
    loss: Option<f64>,
    calls: u64,
    seconds: [f64; 2],
    /// A held-out request that the second stage changed, or the first: before and after it.
    shown: Option<[Vec<String>; 2]>,
}

fn run_seed(
    experiment: &DialogueExperiment,
    joined: &Joined,
    folder: &Path,
    existing: Existing,
    seed: u64,
) -> Result<DialogueRun> {
    let method = Method::preset(&experiment.method, experiment.kl)
        .ok_or_else(|| Error::Usage(format!("no method {}", experiment.method)))?;
    let job = DialogueJob { seed, experiment: experiment.clone(), method: super::training::as_text(&method) };
    let path = folder.join(seed.to_string());
    let mut run = prepare(&path, &job, existing)?;
    if let Some(done) = run.result()? {
        return Ok(done);
    }
    let [width, layers, heads] = experiment.shape;
    let shape = CausalLmConfig {
        vocab_size: joined.codec.vocabulary(),
        hidden_size: width,
        intermediate_size: 4 * width,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: heads,
        max_position_embeddings: experiment.most_prompt + limits().tokens,
        ..CausalLmConfig::default()
    };
    let device = cf_align::autodiff::device(&experiment.device)?.autodiff();
    let fresh = shape.init(seed, &device).map_err(tool_rl::Error::from)?;
    let learn = LearnConfig {
        learning_rate: experiment.sft_rate,
        minibatch: experiment.minibatch,
        ..LearnConfig::default()
    };
    let few = &joined.training[..joined.training.len().min(joined.held_out.len())];
    let (mut passes, mut training) = (vec![judge(&fresh, joined, &joined.held_out)?.0], Vec::new());
    training.push(judge(&fresh, joined, few)?.0);

    let (clock, file) = (Instant::now(), path.join("sft.safetensors"));
    let mut loss = None;
    let base = match std::fs::read(&file) {
        Ok(bytes) if run.read_checkpoint()?.is_some() => pref_opt::weights::from_bytes(fresh, &bytes)?.0,
        _ => {
            let (policy, losses) = fine_tune(fresh, &demonstrate(joined), &learn, experiment.passes, seed)?;
            replace_file(&file, &pref_opt::weights::to_bytes(&policy, "")?)?;
            loss = losses.last().copied();
            policy
        }
    };
    let supervised = clock.elapsed().as_secs_f64();
    let (own, before) = judge(&base, joined, &joined.held_out)?;
    passes.push(own);
    training.push(judge(&base, joined, few)?.0);
    output::note(format!(
        "seed {seed}: {:.1} % of held-out requests pass after supervised training",
        100.0 * passes[1]["all"]
    ));

    let config = TrainConfig {
        iterations: experiment.iterations,
        tasks: experiment.tasks,
        group: experiment.group,
        limits: limits(),
        learn: LearnConfig { learning_rate: experiment.rate, ..learn },
        seed,
        ..TrainConfig::default()
    };
    let clock = Instant::now();
    let mut trainer = match run.read_checkpoint()? {
        Some(bytes) => Trainer::resume(base, &method, &config, &bytes)?,
        None => Trainer::new(base, &method, &config)?,
    };
    let env = ReplayEnvironment::default();
    let task = |number: u64| {
        // Every request once before any comes again.
        let count = joined.training.len() as u64;
        let order = super::world::shuffled(count as usize, seed, number / count);
        Ok(Arc::clone(&joined.training[order[(number % count) as usize]].task))
    };
    let mut calls = 0;
    while trainer.iteration() < config.iterations {
        let report = trainer.iterate(&env, &joined.codec, &task)?;
        calls = report.environment_calls;
        let values = [("pass", report.episodes.pass), ("calls", calls as f64), ("kl", report.kl)];
        run.metrics().append(report.iteration as usize, &values)?;
        if report.iteration.is_multiple_of(experiment.checkpoint_every) {
            run.write_checkpoint(&trainer.checkpoint()?)?;
        }
    }
    let seconds = [supervised, clock.elapsed().as_secs_f64()];
    let (own, after) = judge(&trainer.model.lm, joined, &joined.held_out)?;
    passes.push(own);
    training.push(judge(&trainer.model.lm, joined, few)?.0);
    let pairs = || before.iter().zip(&after);
    let changed = pairs().find(|(a, b)| !a.outcome.passed && b.outcome.passed);
    let longest = || pairs().max_by_key(|(a, _)| a.steps.len());
    let shown = changed.or_else(longest).map(|(a, b)| [lines(a), lines(b)]);
    let three = |list: Vec<Passes>| -> [Passes; 3] { list.try_into().expect("there are three stages") };
    let done =
        DialogueRun { seed, passes: three(passes), training: three(training), loss, calls, seconds, shown };
    run.finish(&done)?;
    Ok(done)
}

fn lines(episode: &Episode) -> Vec<String> {
    let verdict = if episode.outcome.passed { "passed" } else { "failed" };
    let steps = episode.steps.iter().map(|step| format!("{} {}", call_line(step), reply_line(step)));
    [format!("{} ({verdict})", episode.query)].into_iter().chain(steps).collect()
}

/// Runs the experiment `name` and prints its table.
///
/// # Errors
/// [`Error::Usage`] for an experiment that does not hold; what synthesis, training and judging report.
pub fn run(name: &str, folder: &Path, existing: Existing, json: &JsonOut) -> Result<()> {
    let (name, experiment): (_, DialogueExperiment) =
        crate::experiment::open(name, &super::experiment::folder())?;
    if experiment.held_out_every < 2 || experiment.seeds.is_empty() || experiment.checkpoint_every == 0 {
        return Err(Error::Usage("it takes seeds, checkpoints, and at most half held out".into()));
    }
    output::note(format!("{}\nruns in {}", experiment.about, folder.display()));
    let data = folder.join("dialogues");
    if existing.fresh && data.exists() {
        std::fs::remove_dir_all(&data).map_err(|error| Error::io(&data, error))?;
    }
    let joined = join(&experiment, &data)?;
    output::note(format!(
        "{} requests to learn from, {} held out, {} left out; {} tokens",
        joined.training.len(),
        joined.held_out.len(),
        joined.left_out,
        joined.codec.vocabulary()
    ));
    let runs = experiment
        .seeds
        .iter()
        .map(|&seed| run_seed(&experiment, &joined, folder, existing, seed))
        .collect::<Result<Vec<_>>>()?;
    let value = told(&name, &experiment, &joined, &runs);
    table::show(json, &value, &text(&experiment, &joined, &runs))
}

fn over_seeds(runs: &[DialogueRun], of: impl Fn(&DialogueRun) -> &Passes, group: &str) -> Option<Summary> {
    let values: Vec<f64> = runs.iter().filter_map(|run| of(run).get(group).copied()).collect();
    (!values.is_empty()).then(|| Summary::of(values))
}

fn groups(runs: &[DialogueRun]) -> Vec<String> {
    runs.first().map_or_else(Vec::new, |run| run.passes[0].keys().cloned().collect())
}

/// How many held-out requests a group has.
fn count(joined: &Joined, group: &str) -> usize {
    let known: BTreeSet<&str> =
        joined.training.iter().flat_map(|own| &own.calls).map(|call| call.name.as_str()).collect();
    let belongs = |dialogue: &&Dialogue| {
        let knows = dialogue.calls.iter().all(|call| known.contains(call.name.as_str()));
        match group {
            "all" => true,
            "tools seen" => !dialogue.calls.is_empty() && knows,
            "tools unseen" => !knows,
            kind => dialogue.kind == kind,
        }
    };
    joined.held_out.iter().filter(belongs).count()
}

fn text(experiment: &DialogueExperiment, joined: &Joined, runs: &[DialogueRun]) -> String {
    let head = ["requests", "held out", "untrained", "supervised", "then by replay", "on training requests"];
    let row = |group: &String| {
        let mut row = vec![group.clone(), count(joined, group).to_string()];
        for stage in 0..3 {
            let found = over_seeds(runs, |run| &run.passes[stage], group);
            row.push(Told::Percent.write(found.as_ref()));
        }
        let own = [1, 2]
            .map(|stage| Told::Percent.write(over_seeds(runs, |run| &run.training[stage], group).as_ref()));
        row.push(own.join(" → "));
        row
    };
    let mut text = format!(
        "{} dialogues over {} tools: {} requests to learn from; pass = the recorded calls and no other, percent over {} seeds, greedy\n\n{}",
        experiment.dialogues,
        experiment.apis,
        joined.training.len(),
        runs.len(),
        table::plain(&head, groups(runs).iter().map(row))
    );
    if let Some([before, after]) = runs.iter().find_map(|run| run.shown.as_ref()) {
        for (when, lines) in [("supervised", before), ("then by replay", after)] {
            text.push_str(&format!("\n\n{when}: {}", lines.join("\n  ")));
        }
    }
    text
}

fn told(name: &str, experiment: &DialogueExperiment, joined: &Joined, runs: &[DialogueRun]) -> Value {
    let rows: Vec<Value> = groups(runs)
        .iter()
        .map(|group| {
            let stage = |at: usize| over_seeds(runs, |run| &run.passes[at], group);
            let own = |at: usize| over_seeds(runs, |run| &run.training[at], group);
            json!({
                "group": group,
                "held_out": count(joined, group),
                "untrained": stage(0),
                "supervised": stage(1),
                "replay": stage(2),
                "training_supervised": own(1),
                "training_replay": own(2),
            })
        })
        .collect();
    json!({
        "name": name,
        "experiment": experiment,
        "dialogue_rows": rows,
        "training": joined.training.len(),
        "held_out": joined.held_out.len(),
        "left_out": joined.left_out,
        "tokens": joined.codec.vocabulary(),
        "runs": runs,
        "machine": Machine::this(),
    })
}
