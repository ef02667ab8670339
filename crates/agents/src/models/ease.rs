//! EASE (Steck, WWW 2019): a linear item-item model in closed form, for catalogues of a few thousand items.

use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};
use rec_core::rank::score_and_rank;
use rec_core::{Interactions, ItemId, Query, Rankings, Recommender, UserItems};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Settings of [`Ease`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EaseConfig {
    /// The L2 penalty.
    pub lambda: f64,
}

impl Default for EaseConfig {
    fn default() -> Self {
        Self { lambda: 200.0 }
    }
}

/// `B = I - P diag(P)^-1` with `P = (X'X + lambda I)^-1`; the score of an item is the sum of `B` over the history.
#[derive(Clone, Debug)]
pub struct Ease {
    n_items: usize,
    /// Row by row: what an item of the history says about each item.
    weights: Vec<f32>,
}

impl Ease {
    /// Solves for the weights; time grows with the cube, memory with the square of the number of items.
    ///
    /// # Errors
    /// [`Error::Config`] unless `lambda` is positive.
    pub fn fit(train: &Interactions, n_users: usize, n_items: usize, config: &EaseConfig) -> Result<Self> {
        if !(config.lambda > 0.0 && config.lambda.is_finite()) {
            return Err(Error::config("ease.lambda", format!("{}; accepts positive numbers", config.lambda)));
        }
        let rows = UserItems::new(train, n_users, n_items);
        let mut gram = Mat::<f64>::zeros(n_items, n_items);
        for user in 0..n_users {
            let items = rows.row(rec_core::UserId::from_index(user));
            for a in items {
                for b in items {
                    gram[(a.index(), b.index())] += 1.0;
                }
            }
        }
        for item in 0..n_items {
            gram[(item, item)] += config.lambda;
        }
        let factor = gram.llt(Side::Lower).map_err(|_| {
            Error::config("ease.lambda", "the matrix is not positive definite; give a larger penalty")
        })?;
        let inverse = factor.inverse();
        let mut weights = vec![0.0_f32; n_items * n_items];
        for item in 0..n_items {
            let own = -inverse[(item, item)];
            for (from, value) in inverse.col_as_slice(item).iter().enumerate() {
                weights[from * n_items + item] = if from == item { 0.0 } else { (value / own) as f32 };
            }
        }
        Ok(Self { n_items, weights })
    }

    /// What `from` in a history says about `item`.
    pub fn weight(&self, from: ItemId, item: ItemId) -> f32 {
        self.weights[from.index() * self.n_items + item.index()]
    }

    /// Adds `weight` times what `from` says about each item to `scores`, one entry an item.
    pub fn add(&self, from: ItemId, weight: f32, scores: &mut [f32]) {
        let row = &self.weights[from.index() * self.n_items..(from.index() + 1) * self.n_items];
        scores.iter_mut().zip(row).for_each(|(score, value)| *score += weight * value);
    }
}

impl Recommender for Ease {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        score_and_rank(queries, k, self.n_items, |query, row| {
            row.fill(0.0);
            for &item in query.history {
                self.add(item, 1.0, row);
            }
            Ok(())
        })
    }
}
