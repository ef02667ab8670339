//! The case of `bench` that trains a tool-using policy: an iteration of PPO at the sizes of the back office, phase by phase. The episodes
//! that it learns from are written down for the peer.

use std::path::Path;
use std::time::Instant;

use rec_core::random;
use serde_json::{Value, json};
use tool_rl::backoffice::{Backoffice, BackofficeCodec, Expert, ExpertConfig, TaskConfig, random_call};
use tool_rl::lm::{LearnConfig, TrainConfig, Trainer, fine_tune};
use tool_rl::{ActionCodec, CausalLmConfig, Episode, Limits, Method, ToolEnvironment, play};

use super::{Times, median, times};
use crate::error::{Error, Result};

/// The file that the peer reads.
pub const FILE: &str = "tool-rl.json";

/// Timed iterations; one more warms up.
const ROUNDS: usize = 3;

fn shape() -> CausalLmConfig {
    CausalLmConfig {
        vocab_size: BackofficeCodec.vocabulary(),
        hidden_size: 160,
        intermediate_size: 640,
        num_hidden_layers: 4,
        num_attention_heads: 5,
        num_key_value_heads: 5,
        max_position_embeddings: 256,
        ..CausalLmConfig::default()
    }
}

fn demonstrations(office: &Backoffice, tasks: &TaskConfig, count: u64) -> Result<Vec<Episode>> {
    let mut env = office.clone();
    (0..count)
        .map(|index| {
            let task = office.task(tasks, index)?;
            let mut expert = Expert::new(&task, &ExpertConfig::default(), 1);
            Ok(play(&mut env, &task, index, &BackofficeCodec, &Limits::default(), |_, reply| {
                reply.into_iter().for_each(|reply| expert.observe(reply));
                expert.act()
            }))
        })
        .collect()
}

/// Seconds of rollouts (a thousand tokens after prompts, environment included), of the passes without gradients and of the updates on
/// 128 episodes, and of a thousand environment steps.
pub fn training(folder: &Path) -> Times {
    let office = Backoffice::new(0.12)?;
    let tasks = TaskConfig { seed: 1, ..TaskConfig::default() };
    // Enough that calls are calls: an untrained policy writes actions up to their longest.
    let learn = LearnConfig { learning_rate: 2e-3, minibatch: 8, ..LearnConfig::default() };
    let device = cf_align::autodiff::device("flex")?.autodiff();
    let policy = shape().init(1, &device).map_err(tool_rl::Error::from)?;
    let (policy, _) = fine_tune(policy, &demonstrations(&office, &tasks, 160)?, &learn, 3, 1)?;
    let method = Method::preset("steptool-gated", 0.05).ok_or_else(|| Error::Failed("no preset".into()))?;
    // So low a rate that rounds stay alike.
    let learn = LearnConfig { learning_rate: 1e-6, ..LearnConfig::default() };
    let config = TrainConfig { learn, ..TrainConfig::default() };
    let mut trainer = Trainer::new(policy, &method, &config)?;
    let collect =
        |trainer: &Trainer| trainer.collect(&office, &BackofficeCodec, &|index| office.task(&tasks, index));
    let episodes = collect(&trainer)?;
    write(&folder.join(FILE), &episodes, &method, &config)?;
    trainer.learn(&episodes)?;
    let (mut rollouts, mut looks, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let own = collect(&trainer)?;
        let tokens: usize = own.iter().map(|episode| episode.tokens.len() - episode.prompt).sum();
        rollouts.push(start.elapsed().as_secs_f64() * 1e3 / tokens as f64);
        let [_, look, update] = trainer.learn(&episodes)?.seconds;
        looks.push(look);
        updates.push(update);
    }
    let middle = |values: Vec<f64>| median(values).unwrap_or(f64::NAN);
    let (look, update) = (middle(looks), middle(updates));
    times(&[
        ("rollout, 1000 tokens", middle(rollouts)),
        ("look", look),
        ("update", update),
        ("look and update", look + update),
        ("1000 environment steps", steps(&office, &tasks)?),
    ])
}

/// Seconds of a thousand calls, half of them planned and half at random, with what a rollout writes down of each: digest and facts.
fn steps(office: &Backoffice, tasks: &TaskConfig) -> Result<f64> {
    let prepared = (0..200)
        .map(|index| {
            let task = office.task(tasks, index)?;
            let mut rng = random::stream(1, "bench calls", index);
            let plan: Vec<_> = task.plan().cloned().collect();
            let calls: Vec<_> =
                plan.into_iter().flat_map(|call| [call, random_call(&task, &mut rng)]).collect();
            Ok((task, calls))
        })
        .collect::<Result<Vec<_>>>()?;
    let (mut env, mut count, mut sum) = (office.clone(), 0usize, 0u64);
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < 0.5 {
        for (seed, (task, calls)) in prepared.iter().enumerate() {
            env.reset(task, seed as u64);
            for call in calls {
                sum = sum.wrapping_add(env.digest()).wrapping_add(u64::from(env.facts().is_some()));
                env.step(call);
                count += 1;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    std::hint::black_box(sum);
    Ok(seconds * 1e3 / count as f64)
}

fn write(path: &Path, episodes: &[Episode], method: &Method, config: &TrainConfig) -> Result<()> {
    let shape = shape();
    let episode = |own: &Episode| -> Value {
        let actions: Vec<[usize; 2]> =
            own.steps.iter().map(|step| [step.action.start, step.action.end]).collect();
        json!({
            "tokens": own.tokens, "prompt": own.prompt, "actions": actions,
            "rewards": method.reward.rewards(own, 0.0),
        })
    };
    let value = json!({
        "shape": {
            "vocab_size": shape.vocab_size,
            "hidden_size": shape.hidden_size,
            "intermediate_size": shape.intermediate_size,
            "num_hidden_layers": shape.num_hidden_layers,
            "num_attention_heads": shape.num_attention_heads,
            "num_key_value_heads": shape.num_key_value_heads,
            "max_position_embeddings": shape.max_position_embeddings,
        },
        "minibatch": config.learn.minibatch,
        "epochs": method.epochs,
        "episodes": episodes.iter().map(episode).collect::<Vec<_>>(),
    });
    std::fs::write(path, value.to_string()).map_err(|error| Error::io(path, error))
}
