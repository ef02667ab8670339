//! One stage of training: supervised, or on preferences. A stage begins with a fresh optimiser, so that what it ends in
//! follows from weights, rows and seed alone.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use causal_lm::{AdamW, AdamWConfig, CausalLm, ParameterGradients, Pass, Slot, Tape};
use rand::seq::SliceRandom;
use rec_core::random::{Random, stream};
use serde::{Deserialize, Serialize};

use crate::codec::Example;
use crate::log_probs::{LogProbs, batch, completion_log_probs};
use crate::loss::{Objective, PreferenceBatch, length_desensitized};
use crate::{Error, Result};

/// The settings of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageConfig {
    /// The learning rate after warm-up.
    pub learning_rate: f64,
    /// Rows (or pairs) at a time.
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step.
    pub accumulation: usize,
    /// Passes over the rows.
    pub epochs: usize,
    /// Steps over which the learning rate rises from 0.
    pub warmup_steps: usize,
    /// Whether the learning rate then falls to 0 in a line, as the reference's does.
    pub linear_decay: bool,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// The largest gradient norm, over all parameters.
    pub max_grad_norm: Option<f64>,
}

impl Default for StageConfig {
    /// The rounds of the small reproduction: one epoch, batches of 16 at 1e-4.
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            batch_size: 16,
            accumulation: 1,
            epochs: 1,
            warmup_steps: 0,
            linear_decay: false,
            weight_decay: 0.0,
            max_grad_norm: Some(1.0),
        }
    }
}

impl StageConfig {
    /// Checks the settings; `name` stands before the key in messages.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first value out of range.
    pub fn validate(&self, name: &str) -> Result<()> {
        let refuse = |key: &str, what: String| Err(Error::config(format!("{name}.{key}"), what));
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return refuse(
                "learning_rate",
                format!("is {}; accepted is a number above 0", self.learning_rate),
            );
        }
        for (key, value) in
            [("batch_size", self.batch_size), ("accumulation", self.accumulation), ("epochs", self.epochs)]
        {
            if value == 0 {
                return refuse(key, "is 0; accepted is 1 or more".into());
            }
        }
        if self.max_grad_norm.is_some_and(|norm| !(norm > 0.0)) {
            return refuse("max_grad_norm", "must be above 0".into());
        }
        Ok(())
    }

    fn steps(&self, rows: usize) -> usize {
        rows.div_ceil(self.batch_size).div_ceil(self.accumulation) * self.epochs
    }

    /// The learning rate of a step, counted from 0.
    fn rate(&self, step: usize, steps: usize) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / self.warmup_steps as f64;
        }
        if !self.linear_decay {
            return self.learning_rate;
        }
        let left = (steps - step) as f64 / steps.saturating_sub(self.warmup_steps).max(1) as f64;
        self.learning_rate * left.min(1.0)
    }
}

/// What a stage tells: means over its steps by TRL's names (`loss`, `grad_norm`, `logps/chosen`, `rewards/margins` …).
pub type StageMetrics = BTreeMap<String, f64>;

/// A chosen completion with its rejected ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairExample {
    /// What is given.
    pub prompt: Vec<u32>,
    /// What is preferred.
    pub chosen: Vec<u32>,
    /// What is not; one or more, the same number in all examples of a stage.
    pub rejected: Vec<Vec<u32>>,
}

/// Where the reference's log-probabilities come from.
#[derive(Clone, Debug)]
pub enum Reference {
    /// The losses look at none.
    None,
    /// A frozen model; its log-probabilities are computed once for all rows before the first step.
    Frozen(Box<CausalLm>),
    /// An adapter of the model that is trained, which shares its base.
    AdapterSlot(Slot),
    /// Summed log-probabilities of each pair: of the chosen completion and of the rejected ones; with LD-DPO, weighted
    /// as the policy's are.
    Precomputed(Vec<(f32, Vec<f32>)>),
}

/// Averages of a stage.
#[derive(Debug, Default)]
struct Means {
    sums: BTreeMap<&'static str, (f64, f64)>,
}

impl Means {
    fn add(&mut self, name: &'static str, value: f64) {
        let entry = self.sums.entry(name).or_default();
        entry.0 += value;
        entry.1 += 1.0;
    }

    fn finish(self) -> StageMetrics {
        self.sums.into_iter().map(|(name, (sum, count))| (name.to_owned(), sum / count)).collect()
    }
}

/// The optimiser of a stage.
struct Stepper<'a> {
    config: &'a StageConfig,
    optimizer: AdamW,
    gradients: ParameterGradients,
    pending: usize,
    step: usize,
    steps: usize,
    means: Means,
}

impl<'a> Stepper<'a> {
    fn new(config: &'a StageConfig, rows: usize) -> Self {
        let optimizer =
            AdamW::new(AdamWConfig { weight_decay: config.weight_decay, ..AdamWConfig::default() });
        Self {
            config,
            optimizer,
            gradients: ParameterGradients::default(),
            pending: 0,
            step: 0,
            steps: config.steps(rows),
            means: Means::default(),
        }
    }

    /// Takes the gradients of one batch's loss.
    fn take(&mut self, tape: Tape<'_>, loss: Tensor<1>) -> Result<()> {
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(Error::Diverged { what: "the loss".into(), steps: self.step });
        }
        self.means.add("loss", value);
        self.gradients = std::mem::take(&mut self.gradients).add(tape.backward(loss), 1.0);
        self.pending += 1;
        Ok(())
    }

    /// The model after a step, if one is due; `last` tells that no batch of this epoch follows.
    fn step(&mut self, model: CausalLm, last: bool) -> Result<CausalLm> {
        if self.pending < self.config.accumulation && !last {
            return Ok(model);
        }
        let gradients = std::mem::take(&mut self.gradients);
        let mean = 1.0 / std::mem::take(&mut self.pending) as f64;
        let norm = gradients.norm() * mean;
        if !norm.is_finite() {
            return Err(Error::Diverged { what: "the gradient norm".into(), steps: self.step });
        }
        self.means.add("grad_norm", norm);
        // As torch.nn.utils.clip_grad_norm_.
        let clip = self.config.max_grad_norm.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0));
        let rate = self.config.rate(self.step, self.steps);
        self.means.add("learning_rate", rate);
        self.step += 1;
        Ok(self.optimizer.step(model, gradients, mean * clip, rate))
    }
}

/// What the adapters of a model drop in each batch of a stage.
struct Dropout {
    seed: u64,
    purpose: String,
    batches: u64,
    /// None where nothing is dropped: then the pass by hand can be taken.
    random: Option<Random>,
    drops: bool,
}

impl Dropout {
    fn new(model: &CausalLm, seed: u64, stage: &str) -> Self {
        let drops = model.adapter_dropout(Slot::Active) > 0.0;
        Self { seed, purpose: format!("{stage} dropout"), batches: 0, random: None, drops }
    }

    /// The pass of the next batch, which has a stream of its own.
    fn pass(&mut self) -> Pass<'_> {
        self.random = self.drops.then(|| stream(self.seed, &self.purpose, self.batches));
        self.batches += 1;
        Pass { dropout: self.random.as_mut(), ..Pass::default() }
    }
}

/// The order of rows in one epoch.
fn shuffled(rows: usize, seed: u64, purpose: &str, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(seed, purpose, epoch as u64));
    order
}

/// Supervised training on completions: the mean negative log-likelihood of their tokens, prompts excluded.
///
/// `weights`, if given, has a factor for each row. `stage` names the stage: it decides, with the seed, the order of rows and what
/// adapters with dropout drop. With dropout a stage takes burn's operations, which are slower than the pass by hand.
///
/// # Errors
/// [`Error::Config`], [`Error::EmptyCompletion`], [`Error::TooLong`], [`Error::Diverged`].
pub fn train_sft(
    mut model: CausalLm,
    rows: &[Example],
    weights: Option<&[f32]>,
    config: &StageConfig,
    seed: u64,
    stage: &str,
) -> Result<(CausalLm, StageMetrics)> {
    config.validate("sft")?;
    let mut stepper = Stepper::new(config, rows.len());
    let mut dropout = Dropout::new(&model, seed, stage);
    let device = model.device();
    for epoch in 0..config.epochs {
        let order = shuffled(rows.len(), seed, stage, epoch);
        let batches = order.len().div_ceil(config.batch_size);
        for (index, chosen) in order.chunks(config.batch_size).enumerate() {
            let own: Vec<_> = chosen.iter().map(|&row| (&rows[row].prompt, &rows[row].completion)).collect();
            let batch = batch(&model, &own)?;
            let tape = Tape::record(&model, &batch, &mut dropout.pass())?;
            let loss = match weights {
                None => tape.cross_entropy(),
                Some(weights) => {
                    let own: Vec<f32> = chosen.iter().map(|&row| weights[row]).collect();
                    let own = Tensor::from_data(TensorData::new(own, [chosen.len()]), &device);
                    let tokens = batch.completion_tokens() as f64;
                    LogProbs::of_tape(&tape, &batch).sums.mul(own).sum().neg().div_scalar(tokens)
                }
            };
            stepper.take(tape, loss)?;
            model = stepper.step(model, index + 1 == batches)?;
        }
    }
    Ok((model, stepper.means.finish()))
}

/// The model as it is, on a device where log-probabilities take the fast way.
fn without_autodiff(model: &CausalLm) -> CausalLm {
    if model.device().is_autodiff() { model.valid() } else { model.clone() }
}

/// Summed log-probabilities of each pair: of the chosen completion and of the rejected ones.
///
/// # Errors
/// As [`train_preferences`].
pub fn pair_log_probs(
    model: &CausalLm,
    pairs: &[PairExample],
    batch_size: usize,
) -> Result<Vec<(f32, Vec<f32>)>> {
    weighted_pair_log_probs(model, pairs, batch_size, 1.0)
}

/// As [`pair_log_probs`], tokens past the other completion weighted by `alpha`.
fn weighted_pair_log_probs(
    model: &CausalLm,
    pairs: &[PairExample],
    batch_size: usize,
    alpha: f64,
) -> Result<Vec<(f32, Vec<f32>)>> {
    let mut all = Vec::with_capacity(pairs.len());
    let model = &without_autodiff(model);
    for batch in pairs.chunks(batch_size.max(1)) {
        let own: Vec<&PairExample> = batch.iter().collect();
        let k = batch[0].rejected.len();
        let found = completion_log_probs(model, &flat(&own), &mut Pass::default())?;
        let sums: Vec<f32> = weighted_sums(&found, k, alpha).into_data().iter::<f32>().collect();
        for own in sums.chunks_exact(1 + k) {
            all.push((own[0], own[1..].to_vec()));
        }
    }
    Ok(all)
}

/// Pair by pair the chosen completion, then the rejected ones: one token an item, they are read together.
fn flat<'a>(pairs: &[&'a PairExample]) -> Vec<(&'a [u32], &'a [u32])> {
    let each = |pair: &'a PairExample| {
        let completions = std::iter::once(&pair.chosen).chain(&pair.rejected);
        completions.map(|tokens| (&pair.prompt[..], &tokens[..]))
    };
    pairs.iter().flat_map(|&pair| each(pair)).collect()
}

/// Training on preferences. Adapters with dropout drop as in [`train_sft`], in the policy alone: references are whole.
///
/// Metrics have TRL's names: `loss`, `grad_norm`, `learning_rate`, `logps/chosen`, `logps/rejected`, `rewards/chosen`,
/// `rewards/rejected`, `rewards/margins`, `rewards/accuracies`.
///
/// # Errors
/// [`Error::Config`] (also for pairs with different numbers of rejected completions, or a reference of another number
/// of rows), [`Error::IdenticalPair`] never (identical pairs are the caller's to drop: they are harmless),
/// [`Error::EmptyCompletion`], [`Error::TooLong`], [`Error::Diverged`].
pub fn train_preferences(
    mut model: CausalLm,
    pairs: &[PairExample],
    reference: &Reference,
    objective: &Objective,
    config: &StageConfig,
    seed: u64,
    stage: &str,
) -> Result<(CausalLm, StageMetrics)> {
    config.validate("preference")?;
    objective.validate()?;
    let Some(first) = pairs.first() else { return Ok((model, StageMetrics::new())) };
    let k = first.rejected.len();
    if k == 0 || pairs.iter().any(|pair| pair.rejected.len() != k) {
        return Err(Error::config("pairs", "need the same number of rejected completions, at least one"));
    }
    if objective.wpo {
        return Err(Error::config(
            "objective.wpo",
            "needs token distributions, which this trainer does not keep; use loss::wpo_weights",
        ));
    }
    let precomputed = match reference {
        Reference::Precomputed(values) => Some(values.clone()),
        Reference::Frozen(frozen) => {
            Some(weighted_pair_log_probs(frozen, pairs, 256, objective.length_alpha)?)
        }
        Reference::AdapterSlot(_) => None,
        Reference::None if objective.needs_reference() => {
            return Err(Error::config("reference", "is none, but a loss needs one"));
        }
        Reference::None => Some(vec![(0.0, vec![0.0; k]); pairs.len()]),
    };
    if precomputed.as_ref().is_some_and(|values| values.len() != pairs.len()) {
        return Err(Error::config("reference", "has not one row for each pair"));
    }
    let mut stepper = Stepper::new(config, pairs.len());
    let mut dropout = Dropout::new(&model, seed, stage);
    let device = model.device();
    for epoch in 0..config.epochs {
        let order = shuffled(pairs.len(), seed, stage, epoch);
        let batches = order.len().div_ceil(config.batch_size);
        for (index, rows) in order.chunks(config.batch_size).enumerate() {
            let own: Vec<&PairExample> = rows.iter().map(|&row| &pairs[row]).collect();
            let (n, flat) = (own.len(), flat(&own));
            let tokens = batch(&model, &flat)?;
            let tape = Tape::record(&model, &tokens, &mut dropout.pass())?;
            let policy = LogProbs::of_tape(&tape, &tokens);
            let vector = |values: Vec<f32>| {
                let count = values.len();
                Tensor::<1>::from_data(TensorData::new(values, [count]), &device)
            };
            let reference_sums = match (&precomputed, reference) {
                (Some(values), _) => {
                    let each = |&row: &usize| std::iter::once(values[row].0).chain(values[row].1.clone());
                    vector(rows.iter().flat_map(each).collect())
                }
                (None, Reference::AdapterSlot(slot)) => {
                    let found = completion_log_probs(&without_autodiff(&model), &flat, &mut (*slot).into())?;
                    let sums = weighted_sums(&found, k, objective.length_alpha);
                    vector(sums.into_data().iter::<f32>().collect())
                }
                (None, _) => unreachable!("everything else is computed before"),
            };
            let sums = weighted_sums(&policy, k, objective.length_alpha);
            let lengths = vector(policy.lengths.iter().map(|&length| length as f32).collect());
            let of_pairs = |values: &Tensor<1>| values.clone().reshape([n, k + 1]);
            let chosen = |values: &Tensor<1>| of_pairs(values).narrow(1, 0, 1).reshape([n]);
            let rejected = |values: &Tensor<1>| of_pairs(values).narrow(1, 1, k);
            let batch = PreferenceBatch {
                chosen: chosen(&sums),
                rejected: rejected(&sums),
                reference_chosen: chosen(&reference_sums),
                reference_rejected: rejected(&reference_sums),
                chosen_tokens: chosen(&lengths),
                rejected_tokens: rejected(&lengths),
                label_smoothing: None,
                weights: None,
            };
            note(&mut stepper.means, objective, &batch);
            let loss = objective.loss(&batch);
            stepper.take(tape, loss)?;
            model = stepper.step(model, index + 1 == batches)?;
        }
    }
    Ok((model, stepper.means.finish()))
}

/// Sums over tokens, those past the other completion weighted by `alpha` (LD-DPO). A chosen completion is held against
/// its first rejected one.
fn weighted_sums(found: &LogProbs, k: usize, alpha: f64) -> Tensor<1> {
    if alpha == 1.0 || found.lengths.iter().all(|&length| length == 1) {
        return found.sums.clone();
    }
    let other =
        |at: usize| found.lengths[if at.is_multiple_of(k + 1) { at + 1 } else { at - at % (k + 1) }] as f32;
    let others: Vec<f32> = (0..found.lengths.len()).map(other).collect();
    let count = others.len();
    let others = Tensor::from_data(TensorData::new(others, [count]), &found.sums.device());
    length_desensitized(found.tokens.clone(), others, alpha)
}

fn note(means: &mut Means, objective: &Objective, batch: &PreferenceBatch) {
    let rewards = objective.rewards(batch);
    let host = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let chosen = host(rewards.chosen.into_data().iter::<f32>().collect());
    let rejected = host(rewards.rejected.into_data().iter::<f32>().collect());
    let k = rejected.len() / chosen.len();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let wins = rejected.iter().enumerate().filter(|&(at, &value)| chosen[at / k] > value).count();
    means.add("rewards/chosen", mean(&chosen));
    means.add("rewards/rejected", mean(&rejected));
    means.add("rewards/margins", mean(&chosen) - mean(&rejected));
    means.add("rewards/accuracies", wins as f64 / rejected.len() as f64);
    let scalar = |values: Tensor<1>| f64::from(values.into_scalar::<f32>());
    means.add("logps/chosen", scalar(batch.chosen.clone().detach().mean()));
    means.add("logps/rejected", scalar(batch.rejected.clone().detach().mean()));
}

/// `model` with every parameter marked as one that is trained: needed after parameters were read from a file on a device
/// with autodiff. A model with an active adapter is given back as it is: there the adapters alone are trained.
pub fn trainable(model: CausalLm) -> CausalLm {
    if model.has_adapter(Slot::Active) {
        return model;
    }
    struct Mark;
    impl ModuleMapper for Mark {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| if value.is_require_grad() { value } else { value.require_grad() })
        }
    }
    model.map(&mut Mark)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use causal_lm::CausalLmConfig;

    use super::*;

    #[test]
    fn gradients_that_are_no_numbers_end_the_stage() {
        let shape = CausalLmConfig {
            vocab_size: 8,
            hidden_size: 8,
            intermediate_size: 8,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            num_key_value_heads: 1,
            max_position_embeddings: 8,
            ..CausalLmConfig::default()
        };
        let model = shape.init(1, &Device::flex().autodiff()).unwrap();
        let rows = batch(&model, &[(vec![1_u32, 2], vec![3_u32])]).unwrap();
        for max_grad_norm in [None, Some(1.0)] {
            let config = StageConfig { max_grad_norm, ..StageConfig::default() };
            let mut stepper = Stepper::new(&config, 1);
            let tape = Tape::record(&model, &rows, &mut Pass::default()).unwrap();
            // 0 is a number; the slope of its root is not.
            let loss = tape.cross_entropy();
            let loss = loss.clone() + (loss.clone() - loss).sqrt();
            stepper.take(tape, loss).unwrap();
            let error = stepper.step(model.clone(), true).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the gradient norm is not finite after 0 steps: lower the learning rate"
            );
        }
    }
}
