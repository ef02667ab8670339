//! A language model of item tokens as a model of `compare`: supervised, or aligned by SPRec after that.
//!
//! It learns from the order of each user's training rows (by time, where there are times) and sees the latest items alone.

use pref_opt::burn::module::Module;
use pref_opt::codec::ItemCodec;
use pref_opt::data::{DataConfig, PreferenceData};
use pref_opt::loss::Objective;
use pref_opt::negatives::NegativeSource;
use pref_opt::score::LanguageRecommender;
use pref_opt::selfplay::{
    BaseConfig, Mode, PreferenceStage, ReferenceRule, SelfPlayConfig, Task, fit_base, play,
};
use pref_opt::train::StageConfig;
use rec_core::Split;
use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Measure, Metric};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};

/// Settings of a language model that recommends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageModelConfig {
    /// How many items a history has.
    pub windows: DataConfig,
    /// The decoder and its supervised training.
    pub base: BaseConfig,
    /// The rounds after it; none for the supervised model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<SelfPlayConfig>,
}

/// The settings by default: the supervised model, or with SPRec's rounds.
pub fn defaults(sprec: bool) -> Value {
    let stage =
        |batch_size, learning_rate| StageConfig { batch_size, learning_rate, ..StageConfig::default() };
    let rounds = sprec.then(|| SelfPlayConfig {
        rounds: 5,
        rows: 1024,
        sft: Some(stage(16, 1e-4)),
        reweight: 0.0,
        preference: Some(PreferenceStage {
            negatives: NegativeSource::Greedy,
            objective: Objective::default(),
            reference: ReferenceRule::Current,
            // From 2e-5 on it swings from round to round, to next to nothing (docs/src/preferences.md).
            stage: stage(8, 1e-5),
        }),
        mode: Mode::Corrected,
    });
    let config = LanguageModelConfig { windows: DataConfig::default(), base: BaseConfig::default(), rounds };
    serde_json::to_value(config).expect("settings are plain data")
}

/// The settings in `config`.
///
/// # Errors
/// [`Error::Usage`] naming the key, what it is and what is accepted.
pub fn read(name: &str, config: &Value) -> Result<LanguageModelConfig> {
    let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("settings of {name}: {error}"));
    let config: LanguageModelConfig =
        serde_json::from_value(config.clone()).map_err(|error| wrong(&error))?;
    config.windows.validate().map_err(|error| wrong(&error))?;
    config.base.pretrain.validate("base.pretrain").map_err(|error| wrong(&error))?;
    config.base.sft.validate("base.sft").map_err(|error| wrong(&error))?;
    if let Some(rounds) = &config.rounds {
        rounds.validate().map_err(|error| wrong(&error))?;
    }
    Ok(config)
}

/// Trains on the training rows, stopping by the validation rows, and makes it a recommender.
///
/// # Errors
/// What the parts report.
pub fn fit(
    config: &LanguageModelConfig,
    split: &Split,
    (n_users, n_items): (usize, usize),
    seed: u64,
    device: &str,
) -> Result<LanguageRecommender> {
    let data = PreferenceData::of_split(split, n_users, n_items, &config.windows)?;
    let codec = ItemCodec::one_token(n_items);
    let most_history = config.windows.most_history;
    let recommender = |model: &pref_opt::CausalLm| LanguageRecommender {
        model: model.clone(),
        codec: codec.clone(),
        most_history,
        debias: None,
        decoder: None,
    };
    let validation = match split.valid.is_empty() {
        true => None,
        false => Some(
            Evaluator::validation(split, n_users, n_items)?.with_metrics(&[Metric::at(Measure::Ndcg, 10)])?,
        ),
    };
    let device = cf_align::autodiff::device(device)?;
    let task = Task { data: &data, codec: &codec, seed };
    let mut epoch = 0;
    let mut score = |model: &pref_opt::CausalLm| match &validation {
        Some(validation) => Ok(validation.evaluate(&recommender(model))?.get("ndcg@10").unwrap_or(0.0)),
        // Without validation rows the last epoch is as good as any.
        None => {
            epoch += 1;
            Ok(f64::from(epoch))
        }
    };
    let mut tell = |_: &str, _: usize, _: f64| {};
    let base = fit_base(&task, &config.base, most_history, &device, &mut score, &mut tell)?;
    let policy = match &config.rounds {
        None => base,
        Some(rounds) => play(&base, &task, rounds, None, &mut |_, _| Ok(()))?.0,
    };
    Ok(recommender(&policy.valid()))
}
