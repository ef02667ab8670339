//! The losses on plain numbers in f64: what the tensor versions are held to, and what theory is computed with.

use super::{Divergence, PreferenceLoss};

/// The log-probabilities of one chosen completion and its rejected ones, summed over tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair<'a> {
    /// log pi(w).
    pub chosen: f64,
    /// log pi(l) of each rejected completion.
    pub rejected: &'a [f64],
    /// log pi_ref(w).
    pub reference_chosen: f64,
    /// log pi_ref(l) of each rejected completion.
    pub reference_rejected: &'a [f64],
    /// Tokens of the chosen completion.
    pub chosen_tokens: f64,
    /// Tokens of each rejected completion.
    pub rejected_tokens: &'a [f64],
}

/// `-ln sigma(x) = ln(1 + exp(-x))`, without overflow.
pub fn negative_log_sigmoid(x: f64) -> f64 {
    (-x).max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `1 / (1 + exp(-x))`.
pub fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// `ln(1 - exp(x))` for `x < 0` (Mächler, 2012: two branches that meet at `-ln 2`).
pub fn log1mexp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() }
}

impl Divergence {
    /// What takes the place of the log-ratio `delta`.
    pub fn apply_scalar(self, delta: f64) -> f64 {
        match self {
            Self::ReverseKl => delta,
            Self::ForwardKl => -(-delta).min(super::EXPONENT_CAP).exp(),
            Self::JensenShannon => -negative_log_sigmoid(delta),
            Self::Alpha { alpha } => ((alpha - 1.0) * delta).min(super::EXPONENT_CAP).exp() / (alpha - 1.0),
        }
    }
}

impl PreferenceLoss {
    /// The loss of one chosen completion against its rejected ones: the mean over them where the loss is of pairs.
    ///
    /// # Panics
    /// If there is no rejected completion, or their numbers differ.
    pub fn scalar(&self, pair: &Pair<'_>, beta: f64, divergence: Divergence) -> f64 {
        let k = pair.rejected.len();
        assert!(k > 0 && pair.reference_rejected.len() == k && pair.rejected_tokens.len() == k);
        let w = divergence.apply_scalar(pair.chosen - pair.reference_chosen);
        let l: Vec<f64> = pair
            .rejected
            .iter()
            .zip(pair.reference_rejected)
            .map(|(policy, reference)| divergence.apply_scalar(policy - reference))
            .collect();
        match *self {
            Self::SoftmaxDpo => {
                // The largest exponent is taken out; the 1 is an exponent of 0.
                let most = l.iter().map(|l| beta * (l - w)).fold(0.0, f64::max);
                let sum: f64 = l.iter().map(|l| (beta * (l - w) - most).exp()).sum();
                most + ((-most).exp() + sum).ln()
            }
            Self::Dmpo => negative_log_sigmoid(beta * (w - l.iter().sum::<f64>() / k as f64)),
            Self::Sft => -pair.chosen / pair.chosen_tokens,
            _ => {
                let of = |at: usize| self.of_pair(pair, at, w, l[at], beta);
                (0..k).map(of).sum::<f64>() / k as f64
            }
        }
    }

    fn of_pair(&self, pair: &Pair<'_>, at: usize, w: f64, l: f64, beta: f64) -> f64 {
        let z = beta * (w - l);
        let nls = negative_log_sigmoid;
        let (chosen, rejected) = (pair.chosen, pair.rejected[at]);
        let (own, other) = (pair.chosen_tokens, pair.rejected_tokens[at]);
        match *self {
            Self::Sigmoid { label_smoothing: e } => (1.0 - e) * nls(z) + e * nls(-z),
            Self::Robust { label_smoothing: e } => ((1.0 - e) * nls(z) - e * nls(-z)) / (1.0 - 2.0 * e),
            Self::Hinge => (1.0 - z).max(0.0),
            Self::Ipo { token_averaged } => {
                let gap = if token_averaged { w / own - l / other } else { w - l };
                (gap - 0.5 / beta).powi(2)
            }
            Self::SppoHard => (w - 0.5 / beta).powi(2) + (l + 0.5 / beta).powi(2),
            Self::BcoPair => nls(beta * w) + nls(-beta * l),
            Self::NcaPair => nls(beta * w) + 0.5 * nls(-beta * w) + 0.5 * nls(-beta * l),
            Self::ApoZero => 1.0 - sigmoid(beta * w) + sigmoid(beta * l),
            Self::ApoDown => sigmoid(beta * w) + 1.0 - sigmoid(z),
            Self::ExoPair { label_smoothing: e } => {
                sigmoid(z) * (-nls(z) - (1.0 - e).ln()) + sigmoid(-z) * (-nls(-z) - e.ln())
            }
            Self::DiscoPop { temperature } => {
                let mix = sigmoid(z / temperature);
                nls(z) * (1.0 - mix) + (-z).min(super::EXPONENT_CAP).exp() * mix
            }
            Self::SimPo { gamma } => nls(beta * (chosen / own - rejected / other) - gamma),
            Self::Cpo { alpha } => nls(beta * (chosen - rejected)) - alpha * chosen / own,
            Self::Orpo { lambda } => {
                let odds = |mean: f64| mean - log1mexp(mean.min(-super::LEAST_NLL));
                let (own, other) = (chosen / own, rejected / other);
                -own + lambda * nls(odds(own) - odds(other))
            }
            Self::SoftmaxDpo | Self::Dmpo | Self::Sft => unreachable!("not a loss of pairs"),
        }
    }
}

/// KTO (Ethayarajh et al., 2024) of one completion with log-ratio `delta`: `weight (1 - sigma(beta (delta - kl)))` for a
/// desirable one, `weight (1 - sigma(beta (kl - delta)))` for another.
pub fn kto(delta: f64, desirable: bool, kl: f64, beta: f64, weight: f64) -> f64 {
    let sign = if desirable { 1.0 } else { -1.0 };
    weight * (1.0 - sigmoid(sign * beta * (delta - kl)))
}
