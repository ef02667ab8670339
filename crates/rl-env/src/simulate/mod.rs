//! Simulated rewards: what a user model predicts, bent so that a policy which learns on it does well on the truth.
//!
//! | reward | formula, up to a constant that makes the least value 0 | paper |
//! |---|---|---|
//! | [`Base`] | `R` | – |
//! | [`Mopo`] | `R - lambda V` | Yu et al., NeurIPS 2020 |
//! | [`Dorl`] | `R + lambda sum_k H_k` | Gao et al., SIGIR 2023 |
//! | [`Cirs`] | `R / (1 + e)` or `R - e` | Gao et al., TOIS 2023 |
//! | [`Intrinsic`] | `R + lambda_d diversity + lambda_n novelty` | Yu et al., 2024 |
//!
//! `R` is the predicted mean, `V` its uncertainty, `H_k` how open the log leaves what follows the last `k` items, `e` how
//! much of the like the user has just had. All share one [`Predicted`] through an `Arc` and allocate nothing per turn.

mod base;
mod cirs;
mod dorl;
mod entropy;
mod intrinsic;
mod mopo;
mod predicted;

pub use base::Base;
pub use cirs::{Cirs, CirsConfig, CirsForm, Sensitivity, exposure_of_log};
pub use dorl::{Dorl, DorlConfig};
pub use entropy::{EntropyLevel, EntropyTable};
pub use intrinsic::{Intrinsic, IntrinsicConfig};
pub use mopo::{Mopo, MopoConfig};
pub use predicted::Predicted;

use crate::{Error, Result};

/// Refuses `value` of the setting `key` unless it is finite and at least 0.
fn not_negative(key: &str, value: f32) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::config(key, format!("is {value}; accepts finite numbers from 0")))
}

/// Refuses a table of `what` that does not have one entry for each of the `expected` users or items.
fn same_number(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("{found} {what} for predictions of {expected}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Reward, RewardMatrix};

    /// Predictions for `users x items` between -1 and 3 with variances between 0.1 and 0.9.
    pub(super) fn predicted(users: usize, items: usize, seed: u64) -> Arc<Predicted> {
        use rand::RngExt;
        let mut rng = rec_core::random::stream(seed, "test", 0);
        let mut cells = |low: f32, high: f32| {
            (0..users * items).map(|_| low + (high - low) * rng.random::<f32>()).collect::<Vec<_>>()
        };
        let (mean, variance) = (cells(-1.0, 3.0), cells(0.1, 0.9));
        let matrix = |cells| RewardMatrix::new(users, items, cells).unwrap();
        Arc::new(Predicted::new(matrix(mean), Some(matrix(variance))).unwrap())
    }

    /// Whether `reward` stays within its range over random episodes.
    pub(super) fn assert_within_range(reward: &dyn Reward) {
        use rand::RngExt;
        let mut rng = rec_core::random::stream(5, "test", 1);
        let (low, high) = reward.range();
        assert!(low.is_finite() && high.is_finite() && low <= high);
        for _ in 0..200 {
            let user = rng.random_range(0..reward.n_users() as u32);
            let mut taken = Vec::new();
            for _ in 0..30 {
                let item = rng.random_range(0..reward.n_items() as u32);
                let value = reward.reward(user, item, &taken);
                assert!((low - 1e-5..=high + 1e-5).contains(&value), "{value} is not in {low} to {high}");
                taken.push(item);
            }
        }
    }
}
