//! The losses of [`super::loss`] token by token, with their derivatives, in plain numbers.
//!
//! Where a clamp or the other side of a maximum is in force, the derivative is 0, as automatic differentiation has it.

use super::loss::LARGEST;
use crate::method::PolicyLoss;

const MOST: f32 = LARGEST as f32;

/// A loss and its derivative by the number that it is of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// The loss.
    pub value: f32,
    /// The derivative.
    pub slope: f32,
}

/// The loss of a token's log-probability.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenLoss {
    /// By the log-probability.
    pub loss: Loss,
    /// `p / p_old`.
    pub ratio: f32,
    /// Whether the clipped term counts.
    pub is_clipped: bool,
}

/// See [`PolicyLoss`].
#[inline]
pub fn policy_loss(loss: PolicyLoss, log_prob: f32, old: f32, advantage: f32) -> TokenLoss {
    let difference = log_prob - old;
    let ratio = difference.clamp(-MOST, MOST).exp();
    let plain = |weight: f32| TokenLoss {
        loss: Loss { value: -weight * log_prob, slope: -weight },
        ratio,
        is_clipped: false,
    };
    match loss {
        PolicyLoss::Clip { low, high, dual } => {
            let clipped = ratio.clamp(1.0 - low, 1.0 + high);
            let is_clipped = clipped * advantage < ratio * advantage;
            let mut loss = if is_clipped {
                Loss { value: -clipped * advantage, slope: 0.0 }
            } else {
                let moves = difference.abs() <= MOST;
                let slope = if moves { -ratio * advantage } else { 0.0 };
                Loss { value: -ratio * advantage, slope }
            };
            if let Some(most) = dual.map(|dual| -dual * advantage).filter(|_| advantage < 0.0)
                && loss.value > most
            {
                loss = Loss { value: most, slope: 0.0 };
            }
            TokenLoss { loss, ratio, is_clipped }
        }
        // Advantages are 1 for what is imitated and 0 for the rest.
        PolicyLoss::Reinforce | PolicyLoss::Imitation => plain(advantage),
        PolicyLoss::Weighted { beta, most } => plain((advantage / beta).clamp(-MOST, MOST).exp().min(most)),
    }
}

/// `q/p - 1 - log(q/p)` for a token drawn from `p`, with the derivative by `log p`.
#[inline]
pub fn k3(log_prob: f32, reference: f32) -> Loss {
    let difference = reference - log_prob;
    let held = difference.clamp(-MOST, MOST);
    let slope = if difference.abs() <= MOST { 1.0 - held.exp() } else { 0.0 };
    Loss { value: held.exp() - 1.0 - held, slope }
}

/// The value head's number.
#[inline]
pub fn value(state: &[f32], weight: &[f32], bias: f32) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (states, weights) = (state.as_chunks::<8>(), weight.as_chunks::<8>());
    for (state, weight) in states.0.iter().zip(weights.0) {
        for i in 0..8 {
            lanes[i] += state[i] * weight[i];
        }
    }
    let rest: f32 = states.1.iter().zip(weights.1).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest + bias
}

/// See [`super::loss::value_loss`].
#[inline]
pub fn value_loss(value: f32, old: f32, total: f32, clip: Option<f32>) -> Loss {
    let free = value - total;
    let plain = Loss { value: 0.5 * free * free, slope: free };
    let Some(clip) = clip else { return plain };
    let held = old + (value - old).clamp(-clip, clip) - total;
    // Within the clip both are the same.
    if held * held > free * free && (value - old).abs() > clip {
        Loss { value: 0.5 * held * held, slope: 0.0 }
    } else {
        plain
    }
}
