//! A tokenizer and a tiny model from nothing: byte-level BPE on a text, some hundred steps, and what the model goes on
//! with, free and as JSON.
//!
//! ```text
//! cargo run -p causal-lm --example from_scratch
//! ```
#![allow(clippy::print_stdout)]

use burn::tensor::Device;
use causal_lm::{
    Batch, CausalLmConfig, Free, GenerateConfig, JsonSchema, Pass, Sequence, Tape, Tokenizer, TrainConfig,
    Trainer, generate,
};
use rand::RngExt;
use serde_json::json;

const TEXT: &str = include_str!("../README.md");
const WINDOW: usize = 48;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tokenizer = Tokenizer::train_bpe(TEXT.lines(), 400, &["<start>", "<end>"])?;
    let (Some(start), Some(end)) = (tokenizer.token("<start>"), tokenizer.token("<end>")) else {
        return Err("the special tokens are missing".into());
    };
    let tokens = [vec![start], tokenizer.encode(TEXT)?, vec![end]].concat();
    let config = CausalLmConfig {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: 64,
        intermediate_size: 192,
        num_hidden_layers: 2,
        eos_token_id: vec![end],
        ..CausalLmConfig::default()
    };
    let mut model = config.init(1, &Device::flex().autodiff())?;
    let steps = 300;
    let settings =
        TrainConfig { learning_rate: 4e-3, warmup_steps: 20, total_steps: steps, ..TrainConfig::default() };
    let mut trainer = Trainer::new(settings)?;
    let mut rng = rec_core::random::stream(1, "windows", 0);
    for step in 0..steps {
        let windows: Vec<Sequence> = (0..8)
            .map(|_| {
                let first = rng.random_range(0..tokens.len() - WINDOW);
                Sequence { tokens: tokens[first..first + WINDOW].to_vec(), completion: 1 }
            })
            .collect();
        let batch = Batch::new(&windows)?;
        let tape = Tape::record(&model, &batch, &mut Pass::default())?;
        let loss = tape.cross_entropy();
        let shown = loss.clone().into_scalar::<f32>();
        trainer.accumulate(tape.backward(loss), 1.0);
        (model, _) = trainer.step(model)?;
        if step % 50 == 0 || step + 1 == steps {
            println!("step {step}: {shown:.3} nats a token");
        }
    }
    let prompt = tokenizer.encode("Llama-style language models")?;
    let settings = GenerateConfig { max_new_tokens: 60, end: vec![end], ..GenerateConfig::default() };
    let text = &generate(&model, &[&prompt], &settings, &Free)?[0];
    println!("Llama-style language models{}", tokenizer.decode(&text.tokens)?);

    let schema = json!({
        "type": "object",
        "properties": {"device": {"enum": ["flex", "cuda"]}, "steps": {"type": "integer"}},
        "required": ["device", "steps"],
    });
    let grammar = JsonSchema::new(&schema, tokenizer.vocabulary()?, &[end])?;
    let text = &generate(&model, &[&prompt], &settings, &grammar)?[0];
    println!("{}", tokenizer.decode(&text.tokens)?);
    Ok(())
}
