//! Losses of tokens. All take and give `[tokens]`; how tokens are weighed is the caller's choice.

use burn::tensor::Tensor;

use crate::method::PolicyLoss;

/// Log-ratios are held between minus and plus this before they are exponentiated.
pub(super) const LARGEST: f64 = 20.0;

/// `exp(log p - log p_old)`.
pub fn ratios(log_probs: Tensor<1>, old: Tensor<1>) -> Tensor<1> {
    log_probs.sub(old).clamp(-LARGEST, LARGEST).exp()
}

/// The loss of each token; see [`PolicyLoss`].
pub fn policy_loss(
    loss: PolicyLoss,
    log_probs: Tensor<1>,
    old: Tensor<1>,
    advantages: Tensor<1>,
) -> Tensor<1> {
    match loss {
        PolicyLoss::Clip { low, high, dual } => {
            let ratios = ratios(log_probs, old);
            let clipped = ratios.clone().clamp(1.0 - f64::from(low), 1.0 + f64::from(high));
            let loss = ratios.mul(advantages.clone()).neg().max_pair(clipped.mul(advantages.clone()).neg());
            match dual {
                None => loss,
                Some(dual) => {
                    let most = advantages.clone().mul_scalar(-dual);
                    let negative = advantages.lower_elem(0.0);
                    let bounded = loss.clone().min_pair(most);
                    loss.mask_where(negative, bounded)
                }
            }
        }
        PolicyLoss::Reinforce => log_probs.mul(advantages).neg(),
        PolicyLoss::Weighted { beta, most } => {
            let weights = advantages.div_scalar(beta).clamp(-LARGEST, LARGEST).exp().clamp_max(most);
            log_probs.mul(weights).neg()
        }
        // Advantages are 1 for what is imitated and 0 for the rest.
        PolicyLoss::Imitation => log_probs.mul(advantages).neg(),
    }
}

/// `max((v - R)^2, (clip(v, v_old - c, v_old + c) - R)^2) / 2`, or without the second where nothing is clipped.
pub fn value_loss(values: Tensor<1>, old: Tensor<1>, returns: Tensor<1>, clip: Option<f32>) -> Tensor<1> {
    let free = values.clone().sub(returns.clone()).square();
    let loss = match clip {
        None => free,
        Some(clip) => {
            let moved = values.sub(old.clone()).clamp(-f64::from(clip), f64::from(clip));
            free.max_pair(old.add(moved).sub(returns).square())
        }
    };
    loss.mul_scalar(0.5)
}

/// `q/p - 1 - log(q/p)` for tokens drawn from `p`: an unbiased estimate of `KL(p || q)` that is never negative.
pub fn k3(log_probs: Tensor<1>, reference: Tensor<1>) -> Tensor<1> {
    let difference = reference.sub(log_probs).clamp(-LARGEST, LARGEST);
    difference.clone().exp().sub_scalar(1.0).sub(difference)
}
