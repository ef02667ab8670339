//! Training and greedy decoding of a small model, timed as `benches/peers/torch_causal_lm.py` is:
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo run -p causal-lm --example lm_throughput -- 1m
//! ```
//!
//! Prints one JSON object: best and median seconds, processor seconds of all threads, and tokens a second, of a step on 16 sequences of 52 + 12 tokens
//! (forward, backward, clipping at norm 1, AdamW), and of 64 greedy tokens after prompts of 16.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use burn::tensor::Device;
use causal_lm::{
    Batch, CausalLm, CausalLmConfig, Free, GenerateConfig, Pass, Sequence, Tape, TrainConfig, Trainer,
    generate,
};
use rand::RngExt;
use serde_json::{Value, json};

const ROWS: usize = 16;
const PROMPT: usize = 52;
const COMPLETION: usize = 12;
const NEW: usize = 64;

type Failure = Box<dyn std::error::Error>;

fn shape(name: &str) -> Result<CausalLmConfig, Failure> {
    match name {
        "1m" => Ok(CausalLmConfig::default()),
        "5m" => Ok(CausalLmConfig {
            hidden_size: 256,
            intermediate_size: 768,
            num_hidden_layers: 6,
            num_attention_heads: 8,
            num_key_value_heads: 4,
            ..CausalLmConfig::default()
        }),
        other => Err(format!("{other:?} is no shape; 1m and 5m are").into()),
    }
}

/// What all threads of this process have had of the processor, to 10 ms; on Linux only.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn timed(
    repeats: usize,
    tokens: usize,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<Value, Failure> {
    work()?;
    let before = cpu_seconds();
    let mut seconds = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(json!({
        "best": seconds[0],
        "median": seconds[repeats / 2],
        "cpu": before.and_then(|before| Some((cpu_seconds()? - before) / repeats as f64)),
        "tokens_per_s": tokens as f64 / seconds[0],
    }))
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let config = shape(&arguments.next().unwrap_or_else(|| "1m".into()))?;
    let repeats: usize = arguments.next().map_or(Ok(10), |count| count.parse())?;
    let mut rng = rec_core::random::stream(0, "throughput", 0);
    let mut row =
        |length| -> Vec<u32> { (0..length).map(|_| rng.random_range(1..config.vocab_size as u32)).collect() };
    let prompts: Vec<Vec<u32>> = (0..ROWS).map(|_| row(PROMPT)).collect();
    let completions: Vec<Vec<u32>> = (0..ROWS).map(|_| row(COMPLETION)).collect();
    let single: Vec<Sequence> = prompts.iter().zip(&completions).map(|(p, c)| Sequence::new(p, c)).collect();
    // A pair shares its prompt.
    let paired: Vec<Sequence> = completions
        .iter()
        .enumerate()
        .map(|(at, completion)| Sequence::new(&prompts[at % (ROWS / 2)], completion))
        .collect();
    let (single, paired) = (Batch::new(&single)?, Batch::new(&paired)?);
    let mut model = Some(config.init(7, &Device::flex().autodiff())?);
    let settings = TrainConfig { learning_rate: 1e-4, ..TrainConfig::default() };
    let mut trainer = Trainer::new(settings)?;
    let mut step = |model: &mut Option<CausalLm>, paired: Option<&Batch>| -> Result<(), Failure> {
        let Some(own) = model.take() else { return Err("no model".into()) };
        let tape = Tape::record(&own, paired.unwrap_or(&single), &mut Pass::default())?;
        let loss = match paired {
            None => tape.cross_entropy(),
            Some(pairs) => {
                let reference = own.completion_log_probs(pairs, &mut Pass::default())?.detach();
                let change = tape.log_probs().sub(reference);
                let half = ROWS / 2;
                let margin = change.clone().narrow(0, 0, half).sub(change.narrow(0, half, half));
                burn::tensor::activation::log_sigmoid(margin.mul_scalar(0.1)).mean().neg()
            }
        };
        trainer.accumulate(tape.backward(loss), 1.0);
        *model = Some(trainer.step(own)?.0);
        Ok(())
    };
    let tokens = ROWS * (PROMPT + COMPLETION);
    let sft = timed(repeats, tokens, || step(&mut model, None))?;
    let dpo = timed(repeats, tokens, || step(&mut model, Some(&paired)))?;
    let Some(model) = model else { return Err("no model".into()) };
    let greedy = |rows: usize| {
        let prompts: Vec<&[u32]> = prompts.iter().cycle().take(rows).map(|row| &row[..16]).collect();
        let settings = GenerateConfig { max_new_tokens: NEW, ..GenerateConfig::default() };
        timed((repeats / 3).max(2), rows * NEW, || {
            let texts = generate(&model, &prompts, &settings, &Free)?;
            assert!(texts.iter().all(|text| text.tokens.len() == NEW));
            Ok(())
        })
    };
    let (one, many) = (greedy(1)?, greedy(32)?);
    let threads = rayon::current_num_threads();
    println!("{}", json!({"sft": sft, "dpo": dpo, "greedy_1": one, "greedy_32": many, "threads": threads}));
    Ok(())
}
