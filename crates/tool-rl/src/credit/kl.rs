//! How far the policy has gone from its reference, and what it pays for that.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// An estimate of `KL(policy || reference)` from one token drawn from the policy (Schulman, 2020).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `log p - log q`: unbiased, of either sign. TRL's "kl".
    #[default]
    K1,
    /// `(log p - log q)^2 / 2`: biased, of low variance. TRL's "mse".
    K2,
    /// `q/p - 1 - log(q/p)`: unbiased and never negative.
    K3,
    /// `|log p - log q|`. TRL's "abs".
    Absolute,
}

impl KlEstimator {
    /// Of a token with these log-probabilities.
    pub fn estimate(self, policy: f32, reference: f32) -> f32 {
        let difference = policy - reference;
        match self {
            Self::K1 => difference,
            Self::K2 => 0.5 * difference * difference,
            Self::K3 => (-difference).exp() - 1.0 + difference,
            Self::Absolute => difference.abs(),
        }
    }
}

/// TRL's adaptive controller: `beta *= 1 + clip(kl / target - 1, -0.2, 0.2) * n / horizon`, `kl` being the sum over an
/// episode's tokens, averaged over episodes (Ziegler et al., 2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveKl {
    /// Where the divergence should be.
    pub target: f64,
    /// Over how many episodes the factor adapts.
    pub horizon: f64,
}

/// The factor of the penalty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KlController {
    /// The factor now.
    pub beta: f64,
    /// How it adapts; it stays if not given.
    pub adaptive: Option<AdaptiveKl>,
}

impl KlController {
    /// # Errors
    /// [`Error::Config`] naming what is out of range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |key: &str, value: f64, accepted: &str| {
            Err(Error::config(format!("kl_control.{key}"), format!("is {value}; accepted is {accepted}")))
        };
        if !(self.beta >= 0.0 && self.beta.is_finite()) {
            return refuse("beta", self.beta, "0 or more");
        }
        let Some(AdaptiveKl { target, horizon }) = self.adaptive else { return Ok(()) };
        for (key, value) in [("adaptive.target", target), ("adaptive.horizon", horizon)] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(key, value, "a number above 0");
            }
        }
        Ok(())
    }

    /// After a batch of `episodes` with this mean divergence.
    pub fn update(&mut self, kl: f64, episodes: usize) {
        if let Some(AdaptiveKl { target, horizon }) = self.adaptive {
            let error = (kl / target - 1.0).clamp(-0.2, 0.2);
            self.beta *= 1.0 + error * episodes as f64 / horizon;
        }
    }
}
