//! Which items are ranked: all of them, or a sample.

use std::collections::HashSet;

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::{self, Random};
use crate::{ItemId, UserId};

use super::rows::Rows;

/// The items that are ranked for each user.
///
/// Sampled rankings are cheap for slow recommenders, but they are other metrics than those of full rankings, can
/// even order models differently (Krichene and Rendle, KDD 2020), and are therefore reported under other names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Candidates {
    /// The whole catalogue: full ranking.
    #[default]
    All,
    /// The positives and, for each of them, this many other unseen items, each equally likely (RecBole's `uniN`).
    Uniform {
        /// How many for each positive; all that are left if those are fewer.
        negatives: usize,
        /// Of the draw.
        seed: u64,
    },
    /// The same, each as likely as it is frequent in training (RecBole's `popN`, whose sampler however looks at
    /// the test part as well). Items that were never trained are not drawn.
    Popular {
        /// How many for each positive; all that are left if those are fewer.
        negatives: usize,
        /// Of the draw.
        seed: u64,
    },
}

impl Candidates {
    /// For each user the positives and the sampled negatives, ascending: distinct items, none of them excluded.
    pub(super) fn draw(
        self,
        users: &[UserId],
        positives: &Rows,
        exclude: &Rows,
        train_counts: &[u32],
    ) -> Option<Rows> {
        let (negatives, seed, weights) = match self {
            Self::All => return None,
            Self::Uniform { negatives, seed } => (negatives, seed, vec![1; train_counts.len()]),
            Self::Popular { negatives, seed } => (negatives, seed, train_counts.to_vec()),
        };
        let urn = Urn::new(weights);
        let rows: Vec<Vec<ItemId>> = users
            .par_iter()
            .enumerate()
            .map(|(index, user)| {
                let (own, excluded) = (positives.row(index), exclude.row(index));
                let mut random = random::stream(seed, "sampled candidates", u64::from(user.0));
                let barred = |item| own.binary_search(&item).is_ok() || excluded.binary_search(&item).is_ok();
                let mut row = urn.draw(negatives.saturating_mul(own.len()), barred, &mut random);
                row.extend_from_slice(own);
                row.sort_unstable();
                row
            })
            .collect();
        Some(Rows::new(rows))
    }
}

/// Items with weights, to be drawn from without putting back.
struct Urn {
    weights: Vec<u32>,
    /// Sums of the weights up to and including each item.
    sums: Vec<u64>,
}

impl Urn {
    fn new(weights: Vec<u32>) -> Self {
        let sums = weights
            .iter()
            .scan(0_u64, |sum, &weight| {
                *sum += u64::from(weight);
                Some(*sum)
            })
            .collect();
        Self { weights, sums }
    }

    /// `n` distinct items of positive weight that are not barred, or all of them if those are fewer.
    fn draw(&self, n: usize, barred: impl Fn(ItemId) -> bool, random: &mut Random) -> Vec<ItemId> {
        let total = self.sums.last().copied().unwrap_or(0);
        let mut drawn = Vec::new();
        let mut taken = HashSet::new();
        // Draw and reject while that is likely to be quick …
        let mut attempts = if total == 0 || n >= self.weights.len() / 2 { 0 } else { 10 * n + 100 };
        while drawn.len() < n && attempts > 0 {
            attempts -= 1;
            let mark = random.random_range(0..total);
            let item = ItemId::from_index(self.sums.partition_point(|&sum| sum <= mark));
            if !barred(item) && taken.insert(item) {
                drawn.push(item);
            }
        }
        if drawn.len() == n {
            return drawn;
        }
        // … and otherwise look at every item that is left: the n smallest of exponential variables with the
        // weights as rates are such a draw (Efraimidis and Spirakis, 2006).
        let mut keyed: Vec<(f64, ItemId)> = (0..self.weights.len())
            .map(ItemId::from_index)
            .filter(|item| self.weights[item.index()] > 0 && !barred(*item) && !taken.contains(item))
            .map(|item| {
                let uniform: f64 = random.random();
                (-(1.0 - uniform).ln() / f64::from(self.weights[item.index()]), item)
            })
            .collect();
        keyed.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let missing = n - drawn.len();
        drawn.extend(keyed.into_iter().take(missing).map(|(_, item)| item));
        drawn
    }
}
