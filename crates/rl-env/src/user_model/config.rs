//! How user models are trained.

use serde::{Deserialize, Serialize};

use super::{DeepFmConfig, Loss};
use crate::{Error, Result};

/// What squared errors are weighed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorWeights {
    /// One over the variance, which is learned along (Gaussian likelihood).
    #[default]
    Variance,
    /// One over the item's count in the log (inverse propensity, DeepFM-IPS). No variance is learned.
    InversePropensity,
    /// Nothing. No variance is learned.
    Equal,
}

/// How user models are trained; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserModelConfig {
    /// The shape of a member.
    pub model: DeepFmConfig,
    /// How many members there are: 5; 1 for [`ErrorWeights::InversePropensity`].
    pub members: usize,
    /// The loss.
    pub loss: Loss,
    /// What squared errors are weighed by.
    pub error_weights: ErrorWeights,
    /// Negatives of every logged pair: 5; 3 for KuaiRec. Losses without negatives go over the log as many times an epoch.
    pub negatives: usize,
    /// How often a negative is drawn at most.
    pub negative_tries: usize,
    /// The weight of the pairwise term of [`Loss::PairPoint`].
    pub pair_weight: f64,
    /// The decay of embeddings, added to the loss of every batch.
    pub l2_embeddings: f64,
    /// The decay of all parameters, added to the loss of every batch.
    pub l2_weights: f64,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Pairs of a positive and a negative per batch: 2048; 4096 for KuaiRec and KuaiRand.
    pub batch_size: usize,
    /// Passes over all pairs.
    pub epochs: usize,
    /// Whether factors of exposure are learned for every user and item (CIRS). Needs the log's exposures.
    pub learn_sensitivity: bool,
    /// How strongly the factors are drawn to 1.
    pub sensitivity_penalty: f64,
}

impl Default for UserModelConfig {
    fn default() -> Self {
        Self {
            model: DeepFmConfig::default(),
            members: 5,
            loss: Loss::PointNegative,
            error_weights: ErrorWeights::Variance,
            negatives: 5,
            negative_tries: 3,
            pair_weight: 0.5,
            l2_embeddings: 1e-5,
            l2_weights: 0.1,
            learning_rate: 1e-3,
            batch_size: 2048,
            epochs: 5,
            learn_sensitivity: false,
            sensitivity_penalty: 10.0,
        }
    }
}

impl UserModelConfig {
    /// One model weighed by inverse propensity, as in DeepFM-IPS.
    pub fn inverse_propensity() -> Self {
        Self { members: 1, error_weights: ErrorWeights::InversePropensity, ..Self::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        for (key, value) in [
            ("members", self.members),
            ("negatives", self.negatives),
            ("negative_tries", self.negative_tries),
            ("batch_size", self.batch_size),
        ] {
            if value == 0 {
                return Err(Error::config(format!("user_model.{key}"), "is 0; accepts whole numbers from 1"));
            }
        }
        for (key, value) in [
            ("pair_weight", self.pair_weight),
            ("l2_embeddings", self.l2_embeddings),
            ("l2_weights", self.l2_weights),
            ("learning_rate", self.learning_rate),
            ("sensitivity_penalty", self.sensitivity_penalty),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                let what = format!("is {value}; accepts finite numbers from 0");
                return Err(Error::config(format!("user_model.{key}"), what));
            }
        }
        Ok(())
    }
}
