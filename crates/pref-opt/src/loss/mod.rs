//! Losses over preferences: pure functions of summed log-probabilities.
//!
//! Notation: `w` is the chosen ("won") and `l` a rejected ("lost") completion; log-probabilities are sums over the tokens
//! of a completion, its end included; `dw = log pi(w) - log pi_ref(w)`, `dl` likewise, `z = beta (dw - dl)`, `|y|` counts
//! tokens and `ell(x) = -ln sigma(x)`.
//!
//! Every loss takes one or more rejected completions for each chosen one. Losses of pairs are averaged over them;
//! [`PreferenceLoss::SoftmaxDpo`] and [`PreferenceLoss::Dmpo`] look at them together. [`scalar`] has each loss once more
//! on plain f64 numbers.

pub mod scalar;
mod tensor;
mod weight;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub use tensor::{PreferenceBatch, Rewards, kto, kto_kl};
pub use weight::{length_desensitized, wpo_weights};

/// The largest exponent that is taken in f32.
const EXPONENT_CAP: f64 = 80.0;
/// The least mean negative log-likelihood that ORPO's odds are computed from: a probability of 1 has no odds.
const LEAST_NLL: f64 = 1e-7;

/// A loss over preferences. As a setting: `{ kind = "sigmoid", label_smoothing = 0.1 }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum PreferenceLoss {
    /// DPO (Rafailov et al., 2023): `(1 - e) ell(z) + e ell(-z)`. With a label smoothing `e` above 0 this is conservative
    /// DPO. SPIN (Chen et al., 2024) is this loss with the previous iterate as the reference and as the source of
    /// rejected completions.
    Sigmoid {
        /// The probability that a label is the wrong way round; in `[0, 0.5)`.
        #[serde(default)]
        label_smoothing: f64,
    },
    /// Robust DPO (Chowdhury et al., 2024): `((1 - e) ell(z) - e ell(-z)) / (1 - 2 e)`.
    Robust {
        /// The probability that a label is the wrong way round; in `[0, 0.5)`.
        label_smoothing: f64,
    },
    /// SLiC and RSO (Zhao et al., 2023; Liu et al., 2024): `max(0, 1 - z)`.
    Hinge,
    /// IPO (Azar et al., 2023): `(dw - dl - 1/(2 beta))^2`, with `dw / |w| - dl / |l|` if averaged over tokens.
    Ipo {
        /// Whether log-ratios are averaged over tokens, as TRL does.
        #[serde(default = "yes")]
        token_averaged: bool,
    },
    /// S-DPO (Chen et al., 2024), for several rejected completions: `ln(1 + sum_i exp(beta (dl_i - dw)))`.
    SoftmaxDpo,
    /// DMPO (Bai et al., 2024), for several rejected completions: `ell(beta dw - beta mean_i dl_i)`.
    Dmpo,
    /// SPPO with hard labels (Wu et al., 2024): `(dw - 1/(2 beta))^2 + (dl + 1/(2 beta))^2`.
    SppoHard,
    /// BCO on pairs (Jung et al., 2024) without its moving shift of rewards: `ell(beta dw) + ell(-beta dl)`.
    BcoPair,
    /// NCA on pairs (Chen et al., 2024): `ell(beta dw) + ell(-beta dw) / 2 + ell(-beta dl) / 2`.
    NcaPair,
    /// APO-zero (D'Oosterlinck et al., 2024): `1 - sigma(beta dw) + sigma(beta dl)`.
    ApoZero,
    /// APO-down (D'Oosterlinck et al., 2024): `sigma(beta dw) + 1 - sigma(z)`.
    ApoDown,
    /// EXO on pairs (Ji et al., 2024): the reverse KL between `(sigma(z), sigma(-z))` and `(1 - e, e)`.
    ExoPair {
        /// `e`; in `(0, 0.5)`.
        label_smoothing: f64,
    },
    /// DiscoPOP (Lu et al., 2024): `ell(z) (1 - m) + exp(-z) m` with `m = sigma(z / temperature)`.
    DiscoPop {
        /// The temperature of the mixture; 0.05 in the paper.
        #[serde(default = "discopop_temperature")]
        temperature: f64,
    },
    /// SimPO (Meng et al., 2024), without reference: `ell(beta (log pi(w) / |w| - log pi(l) / |l|) - gamma)`.
    SimPo {
        /// The margin that is asked for.
        gamma: f64,
    },
    /// CPO (Xu et al., 2024), without reference: `ell(beta (log pi(w) - log pi(l))) + alpha NLL(w)`, the latter per token.
    Cpo {
        /// The weight of the likelihood of the chosen completion.
        alpha: f64,
    },
    /// ORPO (Hong et al., 2024), without reference: `NLL(w) + lambda ell(ln odds(w) - ln odds(l))`, both per token.
    Orpo {
        /// The weight of the odds ratio.
        lambda: f64,
    },
    /// The negative log-likelihood of the chosen completion per token: a companion for the others where the
    /// likelihood of chosen completions falls.
    Sft,
}

fn yes() -> bool {
    true
}

fn discopop_temperature() -> f64 {
    0.05
}

impl Default for PreferenceLoss {
    fn default() -> Self {
        Self::Sigmoid { label_smoothing: 0.0 }
    }
}

impl PreferenceLoss {
    /// Whether the loss looks at a reference policy.
    pub fn needs_reference(&self) -> bool {
        !matches!(self, Self::SimPo { .. } | Self::Cpo { .. } | Self::Orpo { .. } | Self::Sft)
    }

    /// Whether the loss divides log-probabilities by the number of tokens.
    pub fn is_per_token(&self) -> bool {
        matches!(
            self,
            Self::Ipo { token_averaged: true }
                | Self::SimPo { .. }
                | Self::Cpo { .. }
                | Self::Orpo { .. }
                | Self::Sft
        )
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first value out of range.
    pub fn validate(&self) -> Result<()> {
        let refuse = |key: &str, value: f64, accepted: &str| {
            Err(Error::config(format!("loss.{key}"), format!("is {value}; accepted is {accepted}")))
        };
        match *self {
            Self::Sigmoid { label_smoothing: e } | Self::Robust { label_smoothing: e }
                if !(0.0..0.5).contains(&e) =>
            {
                refuse("label_smoothing", e, "0 up to below 0.5")
            }
            Self::ExoPair { label_smoothing: e } if !(e > 0.0 && e < 0.5) => {
                refuse("label_smoothing", e, "above 0 and below 0.5")
            }
            Self::DiscoPop { temperature } if !(temperature > 0.0 && temperature.is_finite()) => {
                refuse("temperature", temperature, "a number above 0")
            }
            Self::SimPo { gamma: value } if !value.is_finite() => refuse("gamma", value, "a finite number"),
            Self::Cpo { alpha: value } if !(value >= 0.0 && value.is_finite()) => {
                refuse("alpha", value, "0 or more")
            }
            Self::Orpo { lambda: value } if !(value >= 0.0 && value.is_finite()) => {
                refuse("lambda", value, "0 or more")
            }
            _ => Ok(()),
        }
    }
}

/// The f-divergence between policy and reference that a loss assumes (Wang et al., 2024): what takes the place of a
/// log-ratio `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Divergence {
    /// `d`: plain DPO.
    #[default]
    ReverseKl,
    /// `-exp(-d)`.
    ForwardKl,
    /// `ln sigma(d)`.
    JensenShannon,
    /// `exp((alpha - 1) d) / (alpha - 1)`, the exponent capped at 80.
    Alpha {
        /// Neither 0 nor 1, where the two Kullback-Leibler divergences are.
        alpha: f64,
    },
}

/// A loss with its weight in an [`Objective`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The loss.
    pub loss: PreferenceLoss,
    /// Its weight.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// What preference training minimises: a weighted sum of losses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Objective {
    /// The losses.
    pub terms: Vec<Term>,
    /// How strongly the policy is held to the reference.
    pub beta: f64,
    /// The divergence it is held by.
    pub divergence: Divergence,
    /// Whether pairs are weighted by how likely the policy is to produce them (WPO, Zhou et al., 2024).
    pub wpo: bool,
    /// The weight of tokens past the length of the shorter completion (LD-DPO, Liu et al., 2024); 1 is plain DPO. Less than 1 goes with
    /// losses of sums only: one that divides by the number of tokens would divide a weighted sum by all of them.
    pub length_alpha: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self::of(PreferenceLoss::default(), 0.1)
    }
}

impl Objective {
    /// One loss.
    pub fn of(loss: PreferenceLoss, beta: f64) -> Self {
        Self {
            terms: vec![Term { loss, weight: 1.0 }],
            beta,
            divergence: Divergence::ReverseKl,
            wpo: false,
            length_alpha: 1.0,
        }
    }

    /// Whether a loss looks at a reference policy.
    pub fn needs_reference(&self) -> bool {
        self.terms.iter().any(|term| term.loss.needs_reference())
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first value out of range.
    pub fn validate(&self) -> Result<()> {
        if self.terms.is_empty() {
            return Err(Error::config("objective.terms", "is empty; name at least one loss"));
        }
        if !(self.beta > 0.0 && self.beta.is_finite()) {
            let what = format!("is {}; accepted is a number above 0", self.beta);
            return Err(Error::config("objective.beta", what));
        }
        if !(0.0..=1.0).contains(&self.length_alpha) {
            let what = format!("is {}; accepted is 0 to 1", self.length_alpha);
            return Err(Error::config("objective.length_alpha", what));
        }
        if let Divergence::Alpha { alpha } = self.divergence
            && (!alpha.is_finite() || alpha == 1.0 || alpha == 0.0)
        {
            let what = format!("is {alpha}; at 0 and 1 use forward-kl and reverse-kl");
            return Err(Error::config("objective.divergence.alpha", what));
        }
        for term in &self.terms {
            term.loss.validate()?;
            if self.length_alpha != 1.0 && term.loss.is_per_token() {
                let what = format!(
                    "is {}, which does not go with {:?}: that divides by the number of tokens",
                    self.length_alpha, term.loss
                );
                return Err(Error::config("objective.length_alpha", what));
            }
            if !term.weight.is_finite() {
                return Err(Error::config("objective.terms.weight", format!("is {}", term.weight)));
            }
        }
        Ok(())
    }
}
