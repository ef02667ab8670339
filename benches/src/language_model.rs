//! Training and greedy decoding of a Llama-style model with random weights, as `benches/peers/torch_causal_lm.py` times them in PyTorch.

use std::time::Instant;

use causal_lm::burn::module::Module as _;
use causal_lm::burn::tensor::activation::log_sigmoid;
use causal_lm::burn::tensor::{DType, Device, Tensor};
use causal_lm::{
    Batch, CausalLm, CausalLmConfig, Free, GenerateConfig, Pass, Sequence, Tape, TrainConfig, Trainer,
    generate,
};
use rand::RngExt as _;
use serde_json::{Value, json};

/// What can go wrong; these are programs, not a library.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Shapes by name.
pub const SHAPES: [&str; 4] = ["1m", "5m", "0.1b", "0.5b"];

/// What is timed.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The model.
    pub config: CausalLmConfig,
    /// Sequences a training step.
    pub rows: usize,
    /// Tokens of each before the completion.
    pub prompt: usize,
    /// Tokens of each with a loss.
    pub completion: usize,
    /// Prompt tokens before decoding.
    pub context: usize,
    /// Tokens decoded a row.
    pub new_tokens: usize,
    /// Rows decoded together.
    pub batches: [usize; 2],
}

impl Workload {
    /// The workload of a shape of [`SHAPES`]: short sequences for the small ones, whose peers run on a processor, and long ones for
    /// those of 100 and 500 million parameters (Qwen2.5-0.5B's shape), which are for a GPU.
    ///
    /// # Errors
    /// A message that names the shapes.
    pub fn of(shape: &str) -> Result<Self, Failure> {
        let small = |config| Self {
            config,
            rows: 16,
            prompt: 52,
            completion: 12,
            context: 16,
            new_tokens: 64,
            batches: [1, 32],
        };
        let large = |config| Self { rows: 8, prompt: 384, completion: 128, ..small(config) };
        Ok(match shape {
            "1m" => small(CausalLmConfig::default()),
            "5m" => small(CausalLmConfig {
                hidden_size: 256,
                intermediate_size: 768,
                num_hidden_layers: 6,
                num_attention_heads: 8,
                num_key_value_heads: 4,
                ..CausalLmConfig::default()
            }),
            "0.1b" => large(CausalLmConfig {
                vocab_size: 49_152,
                hidden_size: 576,
                intermediate_size: 1536,
                num_hidden_layers: 30,
                num_attention_heads: 9,
                num_key_value_heads: 3,
                max_position_embeddings: 2048,
                ..CausalLmConfig::default()
            }),
            "0.5b" => large(CausalLmConfig {
                vocab_size: 151_936,
                hidden_size: 896,
                intermediate_size: 4864,
                num_hidden_layers: 24,
                num_attention_heads: 14,
                num_key_value_heads: 2,
                qkv_bias: true,
                max_position_embeddings: 2048,
                ..CausalLmConfig::default()
            }),
            other => return Err(format!("{other:?} is no shape; there are {}", SHAPES.join(", ")).into()),
        })
    }

    /// Times supervised steps, DPO steps and greedy decoding, and gives each as it is done to `report`, with its name: best and median
    /// seconds, processor seconds of all threads, tokens a second at the best.
    ///
    /// A step is a forward pass, a backward pass, clipping at norm 1 and AdamW. Every measurement ends with a number read back from the
    /// device, so that nothing is still on its way.
    ///
    /// # Errors
    /// What the model reports.
    pub fn measure(
        &self,
        device: &Device,
        dtype: Option<DType>,
        repeats: usize,
        mut report: impl FnMut(&str, Value),
    ) -> Result<(), Failure> {
        let (prompts, single, paired) = self.batches()?;
        let tokens = self.rows * (self.prompt + self.completion);
        let model = self.config.init(7, &device.clone().autodiff())?;
        let model = match dtype {
            Some(dtype) => model.cast(dtype)?,
            None => model,
        };
        let mut training = Training::new(model)?;
        report("sft", timed(repeats, tokens, || training.step(&single, false))?);
        report("dpo", timed(repeats, tokens, || training.step(&paired, true))?);
        let model = training.model.take().ok_or("no model")?;
        for rows in self.batches {
            let prompts: Vec<&[u32]> =
                prompts.iter().cycle().take(rows).map(|row| &row[..self.context]).collect();
            let settings = GenerateConfig { max_new_tokens: self.new_tokens, ..GenerateConfig::default() };
            let found = timed((repeats / 3).max(2), rows * self.new_tokens, || {
                let texts = generate(&model, &prompts, &settings, &Free)?;
                if texts.iter().any(|text| text.tokens.len() != self.new_tokens) {
                    return Err("a text ended early".into());
                }
                Ok(())
            })?;
            report(&format!("greedy_{rows}"), found);
        }
        Ok(())
    }

    /// Prompts, sequences of their own each, and pairs that share their prompts.
    fn batches(&self) -> Result<(Vec<Vec<u32>>, Batch, Batch), Failure> {
        let mut rng = rec_core::random::stream(0, "throughput", 0);
        let vocabulary = self.config.vocab_size as u32;
        let mut row = |length| -> Vec<u32> { (0..length).map(|_| rng.random_range(1..vocabulary)).collect() };
        let prompts: Vec<Vec<u32>> = (0..self.rows).map(|_| row(self.prompt)).collect();
        let completions: Vec<Vec<u32>> = (0..self.rows).map(|_| row(self.completion)).collect();
        let single: Vec<Sequence> =
            prompts.iter().zip(&completions).map(|(p, c)| Sequence::new(p, c)).collect();
        let half = self.rows / 2;
        let paired: Vec<Sequence> = completions
            .iter()
            .enumerate()
            .map(|(at, completion)| Sequence::new(&prompts[at % half], completion))
            .collect();
        Ok((prompts, Batch::new(&single)?, Batch::new(&paired)?))
    }

    /// The largest difference of log-probabilities, and of gradients relative to the largest gradient, between `device` and the one of
    /// `flex` in f32: whether what was timed is also right.
    ///
    /// # Errors
    /// What the model reports.
    #[cfg(feature = "flex")]
    pub fn differences(&self, device: &Device, dtype: Option<DType>) -> Result<Value, Failure> {
        let (_, single, _) = self.batches()?;
        let run = |device: &Device, dtype: Option<DType>| -> Result<(Vec<f32>, Vec<f32>), Failure> {
            let model = self.config.init(7, &device.clone().autodiff())?;
            let model = match dtype {
                Some(dtype) => model.cast(dtype)?,
                None => model,
            };
            let tape = Tape::record(&model, &single, &mut Pass::default())?;
            let log_probs = tape.token_log_probs().detach().into_data().iter::<f32>().collect();
            let loss = tape.cross_entropy();
            let mut gradients = Vec::new();
            for gradient in tape.backward(loss).parameters().iter().flatten() {
                gradients.extend(gradient.clone().into_data().iter::<f32>());
            }
            Ok((log_probs, gradients))
        };
        let (one, other) = (run(&Device::flex(), None)?, run(device, dtype)?);
        let most =
            |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        let largest = one.1.iter().fold(0.0_f32, |most, g| most.max(g.abs()));
        Ok(json!({
            "log_probs": most(&one.0, &other.0),
            "gradients": most(&one.1, &other.1) / largest,
            "tokens": one.0.len(),
        }))
    }
}

/// A model and what trains it.
struct Training {
    model: Option<CausalLm>,
    trainer: Trainer,
}

impl Training {
    fn new(model: CausalLm) -> Result<Self, Failure> {
        let settings = TrainConfig { learning_rate: 1e-4, ..TrainConfig::default() };
        Ok(Self { model: Some(model), trainer: Trainer::new(settings)? })
    }

    /// One step; the trainer reads the gradient's norm back.
    fn step(&mut self, batch: &Batch, is_pairs: bool) -> Result<(), Failure> {
        let own = self.model.take().ok_or("no model")?;
        // As `pref-opt` asks a reference: a model without autodiff.
        let reference = match is_pairs {
            true => Some(Tensor::from_inner(own.valid().completion_log_probs(batch, &mut Pass::default())?)),
            false => None,
        };
        let tape = Tape::record(&own, batch, &mut Pass::default())?;
        let loss = match reference {
            None => tape.cross_entropy(),
            Some(reference) => {
                let change = tape.log_probs().sub(reference);
                let half = batch.spans().len() / 2;
                let margin = change.clone().narrow(0, 0, half).sub(change.narrow(0, half, half));
                log_sigmoid(margin.mul_scalar(0.1)).mean().neg()
            }
        };
        self.trainer.accumulate(tape.backward(loss), 1.0);
        self.model = Some(self.trainer.step(own)?.0);
        Ok(())
    }
}

/// What all threads of this process have had of the processor, to 10 ms; on Linux only.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Times `work` after a first run that is not counted (it compiles kernels and fills buffers, and is told apart).
fn timed(
    repeats: usize,
    tokens: usize,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<Value, Failure> {
    let start = Instant::now();
    work()?;
    let first = start.elapsed().as_secs_f64();
    let before = cpu_seconds();
    let mut seconds = Vec::with_capacity(repeats);
    for _ in 0..repeats {
        let start = Instant::now();
        work()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(json!({
        "first": first,
        "best": seconds[0],
        "median": seconds[repeats / 2],
        "cpu": before.and_then(|before| Some((cpu_seconds()? - before) / repeats as f64)),
        "tokens_per_s": tokens as f64 / seconds[0],
    }))
}
