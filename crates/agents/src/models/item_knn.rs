//! Neighbours among items: cosine over who took them for ranking and likeness, correlation of what is left after the
//! biases for ratings.

use std::sync::Arc;

use rec_core::rank::score_and_rank;
use rec_core::{Interactions, ItemId, Query, Rankings, Recommender, ScoredItem, UserId};
use serde::{Deserialize, Serialize};

use super::{Bias, Prediction, RatingModel};
use crate::error::{Error, Result};
use crate::index::{CutOff, Rated, TimeIndex};

/// Settings of [`ItemKnn`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemKnnConfig {
    /// Neighbours that have a say in a rating.
    pub neighbours: usize,
    /// Common users that a correlation is shrunk by.
    pub shrink: f32,
}

impl Default for ItemKnnConfig {
    fn default() -> Self {
        Self { neighbours: 30, shrink: 50.0 }
    }
}

/// Dense tables of two likenesses; memory grows with the square of the number of items.
#[derive(Clone, Debug)]
pub struct ItemKnn {
    n_items: usize,
    neighbours: usize,
    cosine: Vec<f32>,
    correlation: Vec<f32>,
    bias: Arc<Bias>,
}

impl ItemKnn {
    /// Counts common users and correlates residuals.
    ///
    /// # Errors
    /// [`Error::Config`] without neighbours or for a negative shrinkage.
    pub fn fit(
        train: &Interactions,
        n_users: usize,
        n_items: usize,
        bias: &Arc<Bias>,
        config: &ItemKnnConfig,
    ) -> Result<Self> {
        if config.neighbours == 0 {
            return Err(Error::config("item_knn.neighbours", "0; accepts whole numbers from 1"));
        }
        if config.shrink.is_nan() || config.shrink < 0.0 {
            return Err(Error::config(
                "item_knn.shrink",
                format!("{}; accepts numbers from 0", config.shrink),
            ));
        }
        let index = TimeIndex::new(train, n_users, n_items);
        let n = n_items;
        let (mut common, mut dot, mut own) =
            (vec![0.0_f32; n * n], vec![0.0_f32; n * n], vec![0.0_f32; n * n]);
        let mut rest = Vec::new();
        for user in 0..n_users {
            let history = index.user(UserId::from_index(user), CutOff::NONE);
            rest.clear();
            rest.extend(history.iter().map(|rated| {
                let expected = bias.mean + bias.item(rated.item()) + bias.users[user];
                (rated.other as usize, rated.rating - expected)
            }));
            for &(a, left) in &rest {
                for &(b, right) in &rest {
                    common[a * n + b] += 1.0;
                    dot[a * n + b] += left * right;
                    own[a * n + b] += left * left;
                }
            }
        }
        let counts: Vec<f32> = (0..n).map(|item| common[item * n + item]).collect();
        let mut cosine = common;
        let mut correlation = dot;
        for a in 0..n {
            for b in 0..n {
                let at = a * n + b;
                let together = cosine[at];
                let norm = (own[at] * own[b * n + a]).sqrt();
                let shrunk = together / (together + config.shrink).max(f32::MIN_POSITIVE);
                correlation[at] = if a == b || norm <= 0.0 { 0.0 } else { correlation[at] / norm * shrunk };
                let norm = (counts[a] * counts[b]).sqrt();
                cosine[at] = if a == b || norm <= 0.0 { 0.0 } else { together / norm };
            }
        }
        Ok(Self { n_items, neighbours: config.neighbours, cosine, correlation, bias: bias.clone() })
    }

    /// How alike two items are by who took them, 0 to 1.
    pub fn likeness(&self, a: ItemId, b: ItemId) -> f32 {
        self.cosine[a.index() * self.n_items + b.index()]
    }

    /// The `k` most alike items, best first; only those that share a user.
    pub fn neighbours(&self, item: ItemId, k: usize) -> Vec<ScoredItem> {
        let row = &self.cosine[item.index() * self.n_items..(item.index() + 1) * self.n_items];
        let mut all: Vec<ScoredItem> = (0..)
            .zip(row)
            .filter(|(_, score)| **score > 0.0)
            .map(|(other, &score)| ScoredItem { item: ItemId(other), score })
            .collect();
        all.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        all.truncate(k);
        all
    }
}

impl RatingModel for ItemKnn {
    fn name(&self) -> &'static str {
        "item-knn"
    }

    fn predict(&self, history: &[Rated], item: ItemId) -> Prediction {
        let user = self.bias.of_history(history);
        let base = self.bias.mean + self.bias.item(item) + user;
        let row = &self.correlation[item.index() * self.n_items..(item.index() + 1) * self.n_items];
        let mut votes: Vec<(f32, f32)> = history
            .iter()
            .filter(|rated| rated.item() != item && row[rated.other as usize] > 0.0)
            .map(|rated| {
                let expected = self.bias.mean + self.bias.item(rated.item()) + user;
                (row[rated.other as usize], rated.rating - expected)
            })
            .collect();
        votes.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.total_cmp(&b.1)));
        votes.truncate(self.neighbours);
        let weight: f32 = votes.iter().map(|(weight, _)| weight).sum();
        let sum: f32 = votes.iter().map(|(weight, rest)| weight * rest).sum();
        // A tenth of doubt keeps a single weak neighbour from deciding.
        Prediction { rating: base + sum / (weight + 0.1), support: votes.len() as u32 }
    }
}

impl Recommender for ItemKnn {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        score_and_rank(queries, k, self.n_items, |query, row| {
            row.fill(0.0);
            for item in query.history {
                let likeness = &self.cosine[item.index() * self.n_items..(item.index() + 1) * self.n_items];
                row.iter_mut().zip(likeness).for_each(|(score, value)| *score += value);
            }
            Ok(())
        })
    }
}
