//! Trains a small policy on the back office: supervised on noisy experts, then by the methods named.
//!
//! ```sh
//! cargo run -p tool-rl --example train -- --demonstrations 500 --passes 3 --iterations 10 --methods rft,steptool-gated
//! ```
//!
//! Prints a table of greedy decoding on tasks that no training saw, and an episode before and after. Every number hangs on the seed
//! and the options alone. A run of a minute says that the parts work together, and nothing of which method is better.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use tool_rl::backoffice::{Backoffice, BackofficeCodec, Expert, ExpertConfig, TaskConfig, Tier};
use tool_rl::burn::tensor::Device;
use tool_rl::lm::{Draw, Job, LearnConfig, RolloutConfig, TrainConfig, Trainer, fine_tune, rollout};
use tool_rl::{
    ActionCodec, CausalLm, CausalLmConfig, Episode, Error, Limits, Method, Result, Summary, play, summarise,
};

/// The options, all of the form `--name value`.
struct Options(Vec<String>);

impl Options {
    fn get<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T> {
        let at = self.0.iter().position(|word| *word == format!("--{name}"));
        match at.map(|at| self.0.get(at + 1).and_then(|value| value.parse().ok())) {
            None => Ok(default),
            Some(Some(value)) => Ok(value),
            Some(None) => Err(Error::config(format!("--{name}"), "needs a value of its kind")),
        }
    }
}

const TRAINING: u64 = 1;
const TEST: u64 = 1_000_003;

fn demonstrate(office: &Backoffice, count: u64, seed: u64) -> Result<Vec<Episode>> {
    let tasks = TaskConfig { seed: TRAINING, ..TaskConfig::default() };
    let mut env = office.clone();
    (0..count)
        .map(|index| {
            let task = office.task(&tasks, index)?;
            let mut expert = Expert::new(&task, &ExpertConfig::default(), seed);
            Ok(play(&mut env, &task, index, &BackofficeCodec, &Limits::default(), |_, reply| {
                reply.into_iter().for_each(|reply| expert.observe(reply));
                expert.act()
            }))
        })
        .collect()
}

/// Greedy episodes on test tasks of every tier.
fn judge(policy: &CausalLm, office: &Backoffice, tasks: u64) -> Result<Vec<(Tier, Vec<Episode>)>> {
    let config = TaskConfig { seed: TEST, ..TaskConfig::default() };
    let rollouts = RolloutConfig { draw: Draw::Greedy, ..RolloutConfig::default() };
    let of = |tier: Tier| {
        let job = |number: u64| {
            let task = office.task_of(&config, tier, number)?;
            Ok(Job { task, number, group: number, seed: number, stream: number })
        };
        let jobs = (0..tasks).map(job).collect::<Result<Vec<_>>>()?;
        Ok((tier, rollout(policy, office, &BackofficeCodec, &jobs, &rollouts)?))
    };
    Tier::ALL.into_iter().map(of).collect()
}

fn line(name: &str, judged: &[(Tier, Vec<Episode>)], calls: u64, seconds: f64) {
    let all: Summary = summarise(judged.iter().flat_map(|(_, episodes)| episodes));
    let percent = |rate: f64| format!("{:.1}", 100.0 * rate);
    let maybe = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), percent);
    let tiers: Vec<String> = judged.iter().map(|(_, episodes)| percent(summarise(episodes).pass)).collect();
    println!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {calls} | {seconds:.0} |",
        tiers.join(" | "),
        percent(all.pass),
        maybe(all.tool_success),
        maybe(all.recall),
        maybe(all.redundant),
        percent(all.finish),
        maybe(all.pass_given_finish),
        all.steps,
    );
}

fn main() -> Result<()> {
    let options = Options(std::env::args().skip(1).collect());
    let seed: u64 = options.get("seed", 1)?;
    let office = Backoffice::new(0.12)?;
    let config = CausalLmConfig {
        vocab_size: BackofficeCodec.vocabulary(),
        hidden_size: options.get("width", 96)?,
        intermediate_size: 4 * options.get("width", 96)?,
        num_hidden_layers: options.get("layers", 3)?,
        num_attention_heads: 4,
        num_key_value_heads: 4,
        max_position_embeddings: 256,
        ..CausalLmConfig::default()
    };
    let device = Device::flex().autodiff();
    let start = Instant::now();
    let demonstrations = demonstrate(&office, options.get("demonstrations", 500)?, seed)?;
    let learn = LearnConfig { learning_rate: options.get("sft-rate", 2e-3)?, ..LearnConfig::default() };
    let (policy, losses) =
        fine_tune(config.init(seed, &device)?, &demonstrations, &learn, options.get("passes", 4)?, seed)?;
    println!("supervised: loss by pass {losses:.3?}, {:.0} s\n", start.elapsed().as_secs_f64());
    println!(
        "| method | T1 | T2 | T3 | TU | all | tool success | recall | redundant | finish | pass given finish | steps | env calls | s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let tasks = options.get("test-tasks", 50)?;
    let before = judge(&policy, &office, tasks)?;
    line("experts", &experts(&office, tasks, seed)?, 0, 0.0);
    line("sft", &before, 0, start.elapsed().as_secs_f64());

    let methods: String = options.get("methods", "steptool-gated".to_owned())?;
    let mut after = None;
    for name in methods.split(',') {
        let method = Method::preset(name, options.get("kl", 0.05)?)
            .ok_or_else(|| Error::config("--methods", format!("{name}; known are {:?}", Method::NAMES)))?;
        let config = TrainConfig {
            iterations: options.get("iterations", 10)?,
            tasks: options.get("tasks", 16)?,
            learn: LearnConfig { learning_rate: options.get("rate", 5e-4)?, ..LearnConfig::default() },
            seed,
            ..TrainConfig::default()
        };
        let start = Instant::now();
        let mut trainer = Trainer::new(policy.clone(), &method, &config)?;
        let tasks_of = TaskConfig { seed: TRAINING + 1, ..TaskConfig::default() };
        let (mut calls, mut phases) = (0, [0.0; 3]);
        for _ in 0..config.iterations {
            let report =
                trainer.iterate(&office, &BackofficeCodec, &|index| office.task(&tasks_of, index))?;
            calls = report.environment_calls;
            phases.iter_mut().zip(report.seconds).for_each(|(sum, own)| *sum += own);
        }
        let judged = judge(&trainer.model.lm, &office, tasks)?;
        line(name, &judged, calls, start.elapsed().as_secs_f64());
        println!("<!-- {name}: rollout, look, learn {phases:.1?} s -->");
        after = Some(judged);
    }
    if let Some(after) = after {
        let changed = before.iter().zip(&after).flat_map(|((_, a), (_, b))| a.iter().zip(b));
        let found = changed.clone().find(|(a, b)| !a.outcome.passed && b.outcome.passed);
        if let Some((before, after)) = found.or_else(|| changed.clone().next()) {
            for (when, episode) in [("before", before), ("after", after)] {
                println!("\n{when}: {} (score {})", episode.query, episode.outcome.score);
                for step in &episode.steps {
                    println!("  {}{} -> {}", step.call.name, step.call.arguments, step.reply.text());
                }
            }
        }
    }
    Ok(())
}

/// What the noisy experts themselves do on the test tasks.
fn experts(office: &Backoffice, tasks: u64, seed: u64) -> Result<Vec<(Tier, Vec<Episode>)>> {
    let config = TaskConfig { seed: TEST, ..TaskConfig::default() };
    let mut env = office.clone();
    let mut of = |tier: Tier| {
        let episodes = (0..tasks).map(|number| {
            let task = office.task_of(&config, tier, number)?;
            let mut expert = Expert::new(&task, &ExpertConfig::default(), seed);
            Ok(play(&mut env, &task, number, &BackofficeCodec, &Limits::default(), |_, reply| {
                reply.into_iter().for_each(|reply| expert.observe(reply));
                expert.act()
            }))
        });
        Ok((tier, episodes.collect::<Result<Vec<_>>>()?))
    };
    Tier::ALL.into_iter().map(&mut of).collect()
}
