//! Switches for the defects of the reference implementation.

use serde::{Deserialize, Serialize};

/// What EasyRL4Rec does by accident and its published numbers depend on. All off by default: the library does what the
/// papers say. [`Compat::easyrl4rec`] turns all on. Every experiment records the value it ran with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compat {
    /// The quit rule looks at `history[t - N .. t]` as a Python slice, whose negative start wraps round while `t < N`:
    /// with N = 7 the turns 1, 2, … see 1, 2, 3, 3, 2, 1, 7, 7 … items.
    pub window_slice: bool,
    /// The state of acting and learning never holds a reward: the collector forgets to write it.
    pub zero_rew_prev: bool,
    /// The turn limit is told as `terminated` rather than `truncated`, so that values do not bootstrap over it.
    pub cap_as_terminated: bool,
    /// Masked items get the score 0 (a product with the mask) rather than minus infinity. Of BCQ, SQN, DDPG and TD3; on-policy
    /// policies always use minus infinity, which for probabilities is the same.
    pub multiplicative_mask: bool,
    /// Actors of BCQ and CRR put out probabilities where logits are expected.
    pub softmaxed_logits: bool,
    /// All members of a user-model ensemble start from the same weights.
    pub shared_ensemble_init: bool,
    /// Off-policy collection: a new episode's first observation is the old episode's last.
    pub reset_obs_bug: bool,
    /// The Intrinsic reward averages over a fixed array of the longest episode, whose unused slots count as item 0,
    /// and counts the current item.
    pub intrinsic_padding: bool,
    /// MovieLens popularity is shifted by one item.
    pub ml_pop_shift: bool,
}

impl Compat {
    /// Everything as the reference does it.
    pub fn easyrl4rec() -> Self {
        Self {
            window_slice: true,
            zero_rew_prev: true,
            cap_as_terminated: true,
            multiplicative_mask: true,
            softmaxed_logits: true,
            shared_ensemble_init: true,
            reset_obs_bug: true,
            intrinsic_padding: true,
            ml_pop_shift: true,
        }
    }
}
