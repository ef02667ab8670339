//! A model in Hugging Face's form goes on with a text:
//!
//! ```text
//! cargo run -p causal-lm --example continue_text -- FOLDER "Once upon a time" 64 [schema.json]
//! ```
//!
//! `FOLDER` has `config.json`, `tokenizer.json` and safetensors of a Llama, Qwen2, SmolLM2 or TinyLlama model. With a
//! schema, what follows is JSON of it.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use causal_lm::{Free, GenerateConfig, JsonSchema, Tokenizer, generate, load_model};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, text, rest @ ..] = arguments.as_slice() else {
        return Err("say a folder, a text, and if you like a number of tokens and a schema's file".into());
    };
    let count = rest.first().map_or(Ok(64), |count| count.parse())?;
    let model = load_model(folder, &Device::flex())?;
    let tokenizer = Tokenizer::load(Path::new(folder).join("tokenizer.json"))?;
    let bos = model.config().bos_token_id;
    let prompt: Vec<u32> = bos.into_iter().chain(tokenizer.encode(text)?).collect();
    let end = model.config().eos_token_id.clone();
    let settings = GenerateConfig { max_new_tokens: count, end: end.clone(), ..GenerateConfig::default() };
    let start = Instant::now();
    let texts = match rest.get(1) {
        None => generate(&model, &[&prompt], &settings, &Free)?,
        Some(file) => {
            let schema = serde_json::from_str(&std::fs::read_to_string(file)?)?;
            generate(
                &model,
                &[&prompt],
                &settings,
                &JsonSchema::new(&schema, tokenizer.vocabulary()?, &end)?,
            )?
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    println!("{text}{}", tokenizer.decode(&texts[0].tokens)?);
    println!("{} tokens after {} in {seconds:.2} s", texts[0].tokens.len(), prompt.len());
    Ok(())
}
