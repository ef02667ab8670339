//! Training: gradients of any loss on completions, accumulated, clipped, stepped, and saved so as to go on.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::checkpoint;
use crate::cpu::training::{Keep, ReadingGradients};
use crate::cpu::{self, Loan};
use crate::optimizer::{AdamW, AdamWConfig, ParameterGradients};
use crate::projection::{Pass, host};
use crate::{CausalLm, Error, Result};

/// How the learning rate goes after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// In a line to zero at the last step.
    #[default]
    Linear,
    /// Along half a cosine to zero at the last step.
    Cosine,
}

/// The settings of [`Trainer`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How it goes.
    pub schedule: Schedule,
    /// Steps in which it rises in a line from zero.
    pub warmup_steps: u64,
    /// Steps in all; of no effect on a constant schedule.
    pub total_steps: u64,
    /// Gradients are scaled so that the norm over all parameters is at most this.
    pub max_grad_norm: Option<f64>,
    /// The optimizer's.
    pub adamw: AdamWConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            schedule: Schedule::Linear,
            warmup_steps: 0,
            total_steps: 1000,
            max_grad_norm: Some(1.0),
            adamw: AdamWConfig::default(),
        }
    }
}

impl TrainConfig {
    /// The learning rate of a step, counted from 0, as transformers' schedulers give it.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * step as f64 / self.warmup_steps as f64;
        }
        let rest = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let done = ((step - self.warmup_steps) as f64 / rest as f64).min(1.0);
        self.learning_rate
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Linear => 1.0 - done,
                Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
            }
    }

    /// # Errors
    /// [`Error::Config`] naming the first setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        let AdamWConfig { beta_1, beta_2, epsilon, weight_decay, .. } = self.adamw;
        for (key, value, fits) in [
            ("learning_rate", self.learning_rate, self.learning_rate >= 0.0),
            (
                "max_grad_norm",
                self.max_grad_norm.unwrap_or(1.0),
                self.max_grad_norm.is_none_or(|norm| norm > 0.0),
            ),
            ("adamw.beta_1", beta_1, (0.0..1.0).contains(&beta_1)),
            ("adamw.beta_2", beta_2, (0.0..1.0).contains(&beta_2)),
            ("adamw.epsilon", epsilon, epsilon > 0.0),
            ("adamw.weight_decay", weight_decay, weight_decay >= 0.0),
        ] {
            if !(value.is_finite() && fits) {
                return Err(Error::config(key, format!("is {value}, which is out of range")));
            }
        }
        Ok(())
    }
}

/// One pass over a batch that a loss can go back through.
///
/// The loss may be any function of the log-probabilities: record, compute the loss, take the gradients.
#[derive(Debug)]
pub struct Tape<'a> {
    model: &'a CausalLm,
    batch: &'a Batch,
    log_probs: Tensor<1>,
    /// The pass by hand, if it was one: then the log-probabilities are leaves of the loss.
    fused: Option<Loan>,
}

impl<'a> Tape<'a> {
    /// Runs `model`, which must be on a device with autodiff, over `batch`.
    ///
    /// # Errors
    /// As [`CausalLm::forward`]; [`Error::Config`] if the device has no autodiff.
    pub fn record(model: &'a CausalLm, batch: &'a Batch, pass: &mut Pass<'_>) -> Result<Self> {
        if !model.device().is_autodiff() {
            return Err(Error::config(
                "device",
                "has no autodiff; a model for training is made on `device.autodiff()`",
            ));
        }
        let dropped = pass.dropout.is_some() && model.has_adapter(pass.slot);
        if dropped || !cpu::fits(model) {
            return Ok(Self { model, batch, log_probs: model.token_log_probs(batch, pass)?, fused: None });
        }
        batch.tokens().check(model.config().vocab_size, model.config().max_position_embeddings)?;
        let mut loan = model.home().lend(model);
        let keep = Keep { traces: true, ..Keep::default() };
        let found = loan.workspace().forward(model, batch, pass.slot, keep);
        let log_probs = cpu::weights::flat(found.log_probs, &model.device()).require_grad();
        Ok(Self { model, batch, log_probs, fused: Some(loan) })
    }

    /// Of every completion token: `[completion tokens]`, f32.
    pub fn token_log_probs(&self) -> Tensor<1> {
        self.log_probs.clone()
    }

    /// Of every completion: `[sequences]`, f32.
    pub fn log_probs(&self) -> Tensor<1> {
        self.batch.sum_by_sequence(self.log_probs.clone())
    }

    /// The mean negative log-probability of the completion tokens: the loss of supervised fine-tuning.
    pub fn cross_entropy(&self) -> Tensor<1> {
        self.log_probs.clone().mean().neg()
    }

    /// The gradients of a loss made of this tape's log-probabilities, and of nothing else that depends on the model.
    pub fn backward(self, loss: Tensor<1>) -> ParameterGradients {
        let Some(mut loan) = self.fused else { return ParameterGradients::of(self.model, loss) };
        let mut gradients = loss.backward();
        let factors = match self.log_probs.grad_remove(&mut gradients) {
            Some(gradient) => host(gradient),
            None => vec![0.0; self.batch.completion_tokens()],
        };
        let by = ReadingGradients { log_probs: &factors, ..ReadingGradients::default() };
        let gradients = loan.workspace().backward(self.model, by);
        ParameterGradients::from_values(gradients, &self.model.device())
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The number of steps, this one included.
    pub step: u64,
    /// The learning rate it went by.
    pub learning_rate: f64,
    /// The norm of the gradients before clipping.
    pub grad_norm: f64,
}

/// Accumulates gradients and steps.
#[derive(Clone, Debug)]
pub struct Trainer {
    config: TrainConfig,
    optimizer: AdamW,
    gathered: ParameterGradients,
    weight: f64,
}

impl Trainer {
    /// Before the first step.
    ///
    /// # Errors
    /// As [`TrainConfig::validate`].
    pub fn new(config: TrainConfig) -> Result<Self> {
        config.validate()?;
        let optimizer = AdamW::new(config.adamw);
        Ok(Self { config, optimizer, gathered: ParameterGradients::default(), weight: 0.0 })
    }

    /// The settings.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The number of steps so far.
    pub fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    /// Takes the gradients of a micro-batch. The step goes by the mean of what was taken, weighted: by 1 each, or by
    /// the number of tokens if each loss is a mean over tokens and the step's should be too.
    pub fn accumulate(&mut self, gradients: ParameterGradients, weight: f64) {
        self.gathered = std::mem::take(&mut self.gathered).add(gradients, weight);
        self.weight += weight;
    }

    /// The model after a step on what was accumulated.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a gradient is not finite; [`Error::Config`] if nothing was accumulated.
    pub fn step(&mut self, model: CausalLm) -> Result<(CausalLm, StepReport)> {
        if self.weight <= 0.0 {
            return Err(Error::config("step", "has no gradients to go by"));
        }
        let gradients = std::mem::take(&mut self.gathered);
        let mean = 1.0 / std::mem::take(&mut self.weight);
        let grad_norm = gradients.norm() * mean;
        if !grad_norm.is_finite() {
            return Err(Error::Diverged { what: "gradient", step: self.steps() });
        }
        // As torch.nn.utils.clip_grad_norm_.
        let clip = self.config.max_grad_norm.map_or(1.0, |most| (most / (grad_norm + 1e-6)).min(1.0));
        let learning_rate = self.config.learning_rate_at(self.steps());
        let model = self.optimizer.step(model, gradients, mean * clip, learning_rate);
        Ok((model, StepReport { step: self.steps(), learning_rate, grad_norm }))
    }

    /// A file (safetensors) from which [`Trainer::resume`] goes on bit for bit: the trained parameters, all adapters,
    /// the optimizer and whatever the caller needs in `notes`. Frozen base weights are not in it.
    ///
    /// # Errors
    /// [`Error::Config`] between [`Trainer::accumulate`] and [`Trainer::step`]; [`Error::Format`] if `notes` cannot be
    /// written.
    pub fn checkpoint<T: Serialize>(&self, model: &CausalLm, notes: &T) -> Result<Vec<u8>> {
        if self.weight > 0.0 {
            return Err(Error::config("checkpoint", "would lose accumulated gradients; step first"));
        }
        checkpoint::write(model, &self.config, &self.optimizer, notes)
    }

    /// Goes on from a checkpoint with a model of the same shape and adapters, whose base weights, if frozen, are those
    /// of then.
    ///
    /// # Errors
    /// [`Error::Format`] if the file is damaged or does not fit the model; [`Error::Config`] if it was written under
    /// other settings.
    pub fn resume<T: for<'de> Deserialize<'de>>(
        config: TrainConfig,
        model: CausalLm,
        bytes: &[u8],
    ) -> Result<(Self, CausalLm, T)> {
        let mut trainer = Self::new(config)?;
        let (model, notes) = checkpoint::read(model, &config, &mut trainer.optimizer, bytes)?;
        Ok((trainer, model, notes))
    }
}
