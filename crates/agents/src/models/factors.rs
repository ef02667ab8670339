//! Matrix factors over the biases, by alternating least squares; a history is folded in by one small solve.

use std::sync::Arc;

use rand::RngExt;
use rec_core::{Interactions, ItemId, UserId, random};
use serde::{Deserialize, Serialize};

use super::{Bias, Prediction, RatingModel};
use crate::error::{Error, Result};
use crate::index::{CutOff, Rated, TimeIndex};

/// The largest rank; the solver works on the stack.
const MAX_RANK: usize = 32;

/// Settings of [`Factors`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FactorsConfig {
    /// The number of factors, 1 to 32.
    pub rank: usize,
    /// The L2 penalty on each row, times its number of ratings to the half.
    pub lambda: f64,
    /// Rounds over users and items.
    pub rounds: usize,
    /// Of the first factors.
    pub seed: u64,
}

impl Default for FactorsConfig {
    fn default() -> Self {
        Self { rank: 8, lambda: 3.0, rounds: 12, seed: 2024 }
    }
}

/// `r_ui = m + b_i + b_u + p_u · q_i`.
#[derive(Clone, Debug)]
pub struct Factors {
    rank: usize,
    lambda: f64,
    items: Vec<f64>,
    bias: Arc<Bias>,
}

impl Factors {
    /// Fits the factors of the items.
    ///
    /// # Errors
    /// [`Error::Config`] for a rank, penalty or number of rounds out of range.
    pub fn fit(
        train: &Interactions,
        n_users: usize,
        n_items: usize,
        bias: &Arc<Bias>,
        config: &FactorsConfig,
    ) -> Result<Self> {
        let rank = config.rank;
        if !(1..=MAX_RANK).contains(&rank) {
            return Err(Error::config("factors.rank", format!("{rank}; accepts 1 to {MAX_RANK}")));
        }
        if !(config.lambda > 0.0 && config.lambda.is_finite()) {
            return Err(Error::config(
                "factors.lambda",
                format!("{}; accepts positive numbers", config.lambda),
            ));
        }
        if config.rounds == 0 {
            return Err(Error::config("factors.rounds", "0; accepts whole numbers from 1"));
        }
        let index = TimeIndex::new(train, n_users, n_items);
        let mut random = random::stream(config.seed, "factors", 0);
        let mut items: Vec<f64> = (0..n_items * rank).map(|_| random.random_range(-0.1..0.1)).collect();
        let mut users = vec![0.0; n_users * rank];
        let rest = |user: usize, item: usize, rating: f32| {
            f64::from(rating - bias.mean - bias.items[item] - bias.users[user])
        };
        for _ in 0..config.rounds {
            for user in 0..n_users {
                let rows = index.user(UserId::from_index(user), CutOff::NONE).iter();
                let rows =
                    rows.map(|rated| (rated.other as usize, rest(user, rated.other as usize, rated.rating)));
                solve(rank, config.lambda, &items, rows, &mut users[user * rank..(user + 1) * rank]);
            }
            for item in 0..n_items {
                let rows = index.item(ItemId::from_index(item), CutOff::NONE).iter();
                let rows =
                    rows.map(|rated| (rated.other as usize, rest(rated.other as usize, item, rated.rating)));
                solve(rank, config.lambda, &users, rows, &mut items[item * rank..(item + 1) * rank]);
            }
        }
        Ok(Self { rank, lambda: config.lambda, items, bias: bias.clone() })
    }
}

/// The ridge solution of `rows` (the number of a row of `factors`, and its target), by Cholesky on the stack.
fn solve(
    rank: usize,
    lambda: f64,
    factors: &[f64],
    rows: impl Iterator<Item = (usize, f64)>,
    out: &mut [f64],
) {
    let mut matrix = [[0.0_f64; MAX_RANK]; MAX_RANK];
    let mut right = [0.0_f64; MAX_RANK];
    for (row, target) in rows {
        let factor = &factors[row * rank..(row + 1) * rank];
        for a in 0..rank {
            right[a] += factor[a] * target;
            for b in 0..=a {
                matrix[a][b] += factor[a] * factor[b];
            }
        }
    }
    for a in 0..rank {
        matrix[a][a] += lambda;
        for b in 0..=a {
            let sum: f64 = (0..b).map(|c| matrix[a][c] * matrix[b][c]).sum();
            let value = matrix[a][b] - sum;
            // Positive: the penalty is.
            matrix[a][b] = if a == b { value.max(f64::MIN_POSITIVE).sqrt() } else { value / matrix[b][b] };
        }
    }
    for a in 0..rank {
        let sum: f64 = (0..a).map(|b| matrix[a][b] * right[b]).sum();
        right[a] = (right[a] - sum) / matrix[a][a];
    }
    for a in (0..rank).rev() {
        let sum: f64 = (a + 1..rank).map(|b| matrix[b][a] * right[b]).sum();
        right[a] = (right[a] - sum) / matrix[a][a];
    }
    out.copy_from_slice(&right[..rank]);
}

impl RatingModel for Factors {
    fn name(&self) -> &'static str {
        "factors"
    }

    fn predict(&self, history: &[Rated], item: ItemId) -> Prediction {
        let user = self.bias.of_history(history);
        let mut own = [0.0; MAX_RANK];
        let rows = history.iter().map(|rated| {
            let expected = self.bias.mean + self.bias.item(rated.item()) + user;
            (rated.other as usize, f64::from(rated.rating - expected))
        });
        solve(self.rank, self.lambda, &self.items, rows, &mut own[..self.rank]);
        let factor = &self.items[item.index() * self.rank..(item.index() + 1) * self.rank];
        let product: f64 = own.iter().zip(factor).map(|(a, b)| a * b).sum();
        let rating = self.bias.mean + self.bias.item(item) + user + product as f32;
        Prediction { rating, support: history.len() as u32 }
    }
}
