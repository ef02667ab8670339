//! Weights of tokens and of pairs.

use burn::tensor::{Int, Tensor};

/// Summed log-probabilities in which tokens past the other completion's length count `alpha` (LD-DPO, Liu et al., 2024):
/// `[rows]`.
///
/// # Shapes
/// - `token_log_probs`: `[rows, tokens]`, 0 where a row has no token
/// - `other_tokens`: how many tokens the completion it is compared with has, `[rows]`
pub fn length_desensitized(token_log_probs: Tensor<2>, other_tokens: Tensor<1>, alpha: f64) -> Tensor<1> {
    let [rows, tokens] = token_log_probs.dims();
    let places = Tensor::<1, Int>::arange(0..tokens as i64, &token_log_probs.device()).float();
    let places = places.unsqueeze::<2>().repeat_dim(0, rows);
    let past = places.greater_equal(other_tokens.unsqueeze_dim::<2>(1).repeat_dim(1, tokens));
    let weighted = token_log_probs.clone().mul_scalar(alpha);
    token_log_probs.mask_where(past, weighted).sum_dim(1).squeeze_dim(1)
}

/// How likely the policy is to produce a pair (WPO, Zhou et al., 2024): the product of `exp(mean aligned log-prob)` of both
/// completions, at most 1, without gradient: `[batch]`.
///
/// The aligned log-probability of a token is `log p(y_t) - log sum_v p(v)^2`, which is 0 on average over draws from a
/// uniform distribution however many tokens there are.
///
/// # Shapes
/// - `chosen`, `rejected`: mean aligned log-probability of a token, `[batch]`
pub fn wpo_weights(chosen: Tensor<1>, rejected: Tensor<1>) -> Tensor<1> {
    (chosen + rejected).detach().clamp_max(0.0).exp()
}
