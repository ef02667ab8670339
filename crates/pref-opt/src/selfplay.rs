//! Rounds of training: SPRec's self-play, and everything it is compared with, as settings of one loop.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use causal_lm::CausalLm;
use rand::seq::index::sample;
use rec_core::random::stream;
use rec_core::run::RunFolder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::codec::{Example, ItemCodec};
use crate::data::{PreferenceData, Window};
use crate::loss::Objective;
use crate::negatives::{NegativeMetrics, NegativeSource, negatives};
use crate::train::{
    PairExample, Reference, StageConfig, StageMetrics, train_preferences, train_sft, trainable,
};
use crate::weights;
use crate::{Error, Result};

/// What the reference policy of a round is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReferenceRule {
    /// A frozen copy of the policy at the start of this round's preference training, as in SPRec.
    #[default]
    Current,
    /// The policy that the first round began with.
    Initial,
}

/// How closely the public implementation is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Identical pairs are dropped and counted; rejected items are never items of the history.
    #[default]
    Corrected,
    /// Identical pairs stay (they have no gradient, but count in the averages), and rejected items may be items of the
    /// history.
    AsCoded,
}

/// Preference training of a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferenceStage {
    /// Where rejected items come from: the policy at the start of the round, before its supervised stage.
    pub negatives: NegativeSource,
    /// What is minimised.
    #[serde(default)]
    pub objective: Objective,
    /// The reference.
    #[serde(default)]
    pub reference: ReferenceRule,
    /// The optimisation.
    #[serde(default)]
    pub stage: StageConfig,
}

/// The settings of a run of rounds. SPRec is a supervised stage followed by a preference stage with greedy negatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfPlayConfig {
    /// How many rounds.
    pub rounds: usize,
    /// Rows drawn from the training windows for each round.
    pub rows: usize,
    /// The supervised stage, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sft: Option<StageConfig>,
    /// Supervised rows are weighted by `popularity ^ -reweight` of their target, with mean 1.
    #[serde(default)]
    pub reweight: f64,
    /// The preference stage, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<PreferenceStage>,
    /// How closely the public implementation is followed.
    #[serde(default)]
    pub mode: Mode,
}

impl SelfPlayConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first value out of range.
    pub fn validate(&self) -> Result<()> {
        if self.rows == 0 {
            return Err(Error::config("rows", "is 0; accepted is 1 or more"));
        }
        if let Some(stage) = &self.sft {
            stage.validate("sft")?;
        }
        if let Some(preference) = &self.preference {
            preference.negatives.validate()?;
            preference.objective.validate()?;
            preference.stage.validate("preference.stage")?;
        }
        Ok(())
    }
}

/// What a round did: enough to do it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// The round, from 1.
    pub round: usize,
    /// The seed of the run.
    pub seed: u64,
    /// SHA-256 over the drawn rows' numbers, little endian.
    pub rows_sha256: String,
    /// SHA-256 over the pairs: row, chosen and rejected items.
    pub pairs_sha256: String,
    /// SHA-256 over the parameters after the round.
    pub weights_sha256: String,
    /// Pairs that were trained on.
    pub pairs: usize,
    /// Pairs whose rejected item was the chosen one (`pairs/identical`).
    pub identical: usize,
    /// Rows for which the policy gave no item (`pairs/unparsable`).
    pub unparsable: usize,
    /// What the rejected items look like (`neg/top3_share`, `neg/distinct`).
    pub negatives: NegativeMetrics,
    /// The supervised stage.
    pub sft: StageMetrics,
    /// The preference stage.
    pub preference: StageMetrics,
    /// What was measured after the round.
    pub evaluation: BTreeMap<String, f64>,
    /// How often each item was recommended first, if that was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recommended: Vec<u32>,
}

/// The rows of round `round` (from 1): the same for everything that is compared.
pub fn round_rows(n: usize, rows: usize, seed: u64, round: usize) -> Vec<usize> {
    sample(&mut stream(seed, "round rows", round as u64), n, rows.min(n)).into_vec()
}

/// What the rounds work on.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// Data.
    pub data: &'a PreferenceData,
    /// How items become tokens.
    pub codec: &'a ItemCodec,
    /// The seed.
    pub seed: u64,
}

/// One round on `policy`; `initial` is the policy that the first round began with.
///
/// # Errors
/// What the stages report.
pub fn play_round(
    policy: CausalLm,
    initial: &CausalLm,
    task: &Task<'_>,
    config: &SelfPlayConfig,
    round: usize,
) -> Result<(CausalLm, RoundRecord)> {
    let Task { data, codec, seed } = *task;
    let rows = round_rows(data.windows.len(), config.rows, seed, round);
    let windows: Vec<Window> = rows.iter().map(|&row| data.windows[row].clone()).collect();
    let mut record = RoundRecord {
        round,
        seed,
        rows_sha256: digest(rows.iter().map(|&row| row as u64)),
        ..RoundRecord::default()
    };
    // Rejected items are those of the policy that the round began with.
    let mut pairs = Vec::new();
    if let Some(preference) = &config.preference {
        let exclude = config.mode == Mode::Corrected;
        let frozen = policy.valid();
        let source = &preference.negatives;
        let found = negatives(source, &frozen, codec, &windows, &data.target_counts, exclude, (seed, round))?;
        record.negatives = NegativeMetrics::of(found.iter().flatten());
        let mut told = Vec::new();
        for (place, (window, rejected)) in windows.iter().zip(found).enumerate() {
            if rejected.len() < source.k() {
                record.unparsable += 1;
                continue;
            }
            if rejected.contains(&window.target) {
                record.identical += 1;
                // Of several the next best would be needed; the row is left out instead.
                if config.mode == Mode::Corrected {
                    continue;
                }
            }
            told.extend([place as u64, u64::from(window.target.0)]);
            told.extend(rejected.iter().map(|item| u64::from(item.0)));
            pairs.push(PairExample {
                prompt: codec.prompt(&window.history),
                chosen: codec.completion(window.target),
                rejected: rejected.iter().map(|&item| codec.completion(item)).collect(),
            });
        }
        record.pairs = pairs.len();
        record.pairs_sha256 = digest(told.into_iter());
    }
    let mut policy = policy;
    if let Some(stage) = &config.sft {
        let examples: Vec<Example> =
            windows.iter().map(|window| codec.example(&window.history, window.target)).collect();
        let weights = (config.reweight != 0.0)
            .then(|| inverse_popularity(&windows, &data.target_counts, config.reweight));
        let name = format!("round {round} sft");
        (policy, record.sft) = train_sft(policy, &examples, weights.as_deref(), stage, seed, &name)?;
    }
    if let Some(preference) = &config.preference {
        let reference = match preference.reference {
            _ if !preference.objective.needs_reference() => Reference::None,
            ReferenceRule::Current => Reference::Frozen(Box::new(policy.valid())),
            ReferenceRule::Initial => Reference::Frozen(Box::new(initial.valid())),
        };
        let name = format!("round {round} preference");
        let (objective, stage) = (&preference.objective, &preference.stage);
        (policy, record.preference) =
            train_preferences(policy, &pairs, &reference, objective, stage, seed, &name)?;
    }
    Ok((policy, record))
}

fn inverse_popularity(windows: &[Window], counts: &[u32], power: f64) -> Vec<f32> {
    let raw: Vec<f64> =
        windows.iter().map(|window| f64::from(counts[window.target.index()].max(1)).powf(-power)).collect();
    let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
    raw.into_iter().map(|weight| (weight / mean) as f32).collect()
}

fn digest(numbers: impl Iterator<Item = u64>) -> String {
    let mut hasher = Sha256::new();
    numbers.for_each(|number| hasher.update(number.to_le_bytes()));
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All rounds, from `initial`. After each, `judge` measures the policy into the record, and the run folder, if there is
/// one, gets a checkpoint; a run that was killed at any moment goes on with the round it was in and ends in the same
/// bits.
///
/// # Errors
/// What rounds, `judge` and the folder report.
pub fn play(
    initial: &CausalLm,
    task: &Task<'_>,
    config: &SelfPlayConfig,
    mut folder: Option<&mut RunFolder>,
    judge: &mut dyn FnMut(&CausalLm, &mut RoundRecord) -> Result<()>,
) -> Result<(CausalLm, Vec<RoundRecord>)> {
    config.validate()?;
    let mut policy = trainable(initial.clone());
    let mut records: Vec<RoundRecord> = Vec::new();
    if let Some(folder) = &folder
        && let Some(bytes) = folder.read_checkpoint()?
    {
        let (read, header) = weights::from_bytes(policy, &bytes)?;
        policy = trainable(read);
        records = serde_json::from_str(&header).map_err(|error| {
            Error::invalid(format!("not a checkpoint: {error}; delete it to start again"))
        })?;
    }
    for round in records.len() + 1..=config.rounds {
        let (trained, mut record) = play_round(policy, initial, task, config, round)?;
        policy = trained;
        record.weights_sha256 = hex(&Sha256::digest(weights::to_bytes(&policy, "")?));
        judge(&policy.valid(), &mut record)?;
        records.push(record);
        if let Some(folder) = &mut folder {
            let header = serde_json::to_string(&records)
                .map_err(|error| Error::invalid(format!("the records cannot be written: {error}")))?;
            let manifest = serde_json::to_vec_pretty(&records[round - 1])
                .map_err(|error| Error::invalid(format!("the manifest cannot be written: {error}")))?;
            // The manifest first: a round without checkpoint is played again, and writes it again.
            folder.write_file(&format!("round-{round}.json"), &manifest)?;
            folder.write_checkpoint(&weights::to_bytes(&policy, &header)?)?;
        }
    }
    Ok((policy, records))
}

/// How the policy that all arms begin with is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BaseConfig {
    /// The decoder; its vocabulary is set by the data.
    pub model: causal_lm::CausalLmConfig,
    /// Causal training on pieces of whole histories, one token after the other: the "base model".
    pub pretrain: StageConfig,
    /// Supervised training on windows: one epoch of these settings at a time.
    pub sft: StageConfig,
    /// The most epochs of supervised training.
    pub sft_epochs: usize,
    /// Windows drawn anew for each epoch of supervised training; all of them if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sft_rows: Option<usize>,
    /// Supervised training ends after so many epochs without a better validation score.
    pub patience: usize,
}

impl Default for BaseConfig {
    /// Two layers of width 64 for one token an item.
    fn default() -> Self {
        let stage =
            StageConfig { learning_rate: 1e-3, batch_size: 64, warmup_steps: 20, ..StageConfig::default() };
        Self {
            model: causal_lm::CausalLmConfig {
                hidden_size: 64,
                intermediate_size: 128,
                num_hidden_layers: 2,
                num_attention_heads: 2,
                num_key_value_heads: 1,
                max_position_embeddings: 64,
                ..causal_lm::CausalLmConfig::default()
            },
            pretrain: StageConfig { epochs: 20, batch_size: 32, ..stage.clone() },
            sft: StageConfig { batch_size: 128, ..stage },
            sft_epochs: 4,
            sft_rows: None,
            patience: 1,
        }
    }
}

/// Pieces of whole histories as causal examples: every item is predicted from those before it in its piece.
fn pieces(data: &PreferenceData, codec: &ItemCodec, length: usize) -> Vec<Example> {
    let mut all = Vec::new();
    for history in &data.histories {
        for piece in history.chunks(length) {
            let tokens = codec.prompt(piece);
            // Without the token that asks for a recommendation.
            let (prompt, completion) = (vec![tokens[0]], tokens[1..tokens.len() - 1].to_vec());
            all.push(Example { prompt, completion });
        }
    }
    all
}

/// Makes the policy that all arms begin with. `score` judges by the validation part, higher is better; `tell` hears of
/// each epoch.
///
/// # Errors
/// What the stages and `score` report.
pub fn fit_base(
    task: &Task<'_>,
    config: &BaseConfig,
    most_history: usize,
    device: &Device,
    score: &mut dyn FnMut(&CausalLm) -> Result<f64>,
    tell: &mut dyn FnMut(&str, usize, f64),
) -> Result<CausalLm> {
    let Task { data, codec, seed } = *task;
    let shape = causal_lm::CausalLmConfig { vocab_size: codec.vocab_size(), ..config.model.clone() };
    let mut model = shape.init(seed, &device.clone().autodiff())?;
    let pieces = pieces(data, codec, most_history + 1);
    let (trained, metrics) = train_sft(model, &pieces, None, &config.pretrain, seed, "pretrain")?;
    model = trained;
    tell("pretrain", config.pretrain.epochs, metrics.get("loss").copied().unwrap_or(f64::NAN));
    let (mut best, mut best_score, mut without) = (model.clone(), f64::NEG_INFINITY, 0);
    for epoch in 1..=config.sft_epochs {
        let stage = StageConfig { epochs: 1, ..config.sft.clone() };
        let n = data.windows.len();
        let rows: Vec<usize> = match config.sft_rows {
            Some(rows) => sample(&mut stream(seed, "sft rows", epoch as u64), n, rows.min(n)).into_vec(),
            None => (0..n).collect(),
        };
        let examples: Vec<Example> = rows
            .into_iter()
            .map(|row| codec.example(&data.windows[row].history, data.windows[row].target))
            .collect();
        (model, _) = train_sft(model, &examples, None, &stage, seed, &format!("sft epoch {epoch}"))?;
        let own = score(&model.valid())?;
        tell("sft", epoch, own);
        if own > best_score {
            (best, best_score, without) = (model.clone(), own, 0);
        } else {
            without += 1;
            if without >= config.patience {
                break;
            }
        }
    }
    Ok(best)
}
