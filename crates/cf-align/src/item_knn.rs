//! Item-based nearest neighbours: the cosine of binary item columns (Sarwar et al., WWW 2001; Aiolli, RecSys 2013).

use rayon::prelude::*;
use rec_core::rank::score_and_rank;
use rec_core::{ItemId, Query, Rankings, Recommender, UserItems};
use serde::{Deserialize, Serialize};

use crate::sparse::{SparseItemItem, keep_largest};
use crate::{Error, Result, history};

/// Settings of [`ItemKnn`]; the defaults are RecBole's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemKnnConfig {
    /// Neighbours kept for each target item.
    pub k: usize,
    /// Added to the product of the norms: above 0 it lowers similarities that few users support.
    pub shrink: f64,
}

impl Default for ItemKnnConfig {
    fn default() -> Self {
        Self { k: 100, shrink: 0.0 }
    }
}

impl ItemKnnConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::config("item_knn.k", "is 0; accepts whole numbers from 1"));
        }
        if !(self.shrink.is_finite() && self.shrink >= 0.0) {
            let what = format!("is {}; accepts finite numbers from 0", self.shrink);
            return Err(Error::config("item_knn.shrink", what));
        }
        Ok(())
    }
}

/// A fitted model: `score(u, j) = sum over the items i of u of w(i, j)`, where
/// `w(i, j) = |users of i and j| / (sqrt(|users of i| |users of j|) + shrink + 1e-6)` for the `k` items `i ≠ j` most
/// similar to the target `j` (equally similar ones by id) and 0 for all others, as in RecBole 1.2.1.
///
/// A user with a training row is scored from that row, anybody else from the query's history.
///
/// ```
/// use cf_align::{ItemKnn, ItemKnnConfig};
/// use rec_core::{Interactions, ItemId, Query, Recommender, UserId, UserItems};
///
/// let rows = Interactions::from_pairs(
///     vec![UserId(0), UserId(0), UserId(1), UserId(1), UserId(1)],
///     vec![ItemId(0), ItemId(1), ItemId(0), ItemId(1), ItemId(2)],
/// );
/// let model = ItemKnn::fit(&UserItems::new(&rows, 2, 3), &ItemKnnConfig::default())?;
/// let query = Query { history: &[ItemId(0)], exclude: &[ItemId(0)], ..Query::default() };
/// assert_eq!(model.recommend(&[query], 1)?.row(0)[0].item, ItemId(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ItemKnn {
    pub(crate) config: ItemKnnConfig,
    pub(crate) train: UserItems,
    pub(crate) weights: SparseItemItem,
}

impl ItemKnn {
    /// Counts co-occurrences and keeps the neighbours.
    ///
    /// Takes `O(sum over users of |items|^2)` time; beside the result, memory holds one counter an item for each
    /// thread.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that do not hold.
    pub fn fit(train: &UserItems, config: &ItemKnnConfig) -> Result<Self> {
        config.validate()?;
        let n_items = train.n_items();
        let (offsets, users) = train.transposed();
        let degree = |item: usize| (offsets[item + 1] - offsets[item]) as f64;
        let neighbours: Vec<Vec<(ItemId, f32)>> = (0..n_items)
            .into_par_iter()
            .map_init(
                || (vec![0u32; n_items], Vec::<ItemId>::new(), Vec::<(ItemId, f32)>::new()),
                |(counts, touched, similar), target| {
                    for &user in &users[offsets[target]..offsets[target + 1]] {
                        for &item in train.row(user) {
                            let count = &mut counts[item.index()];
                            if *count == 0 {
                                touched.push(item);
                            }
                            *count += 1;
                        }
                    }
                    similar.clear();
                    let norm = degree(target).sqrt();
                    for item in touched.drain(..) {
                        let count = std::mem::take(&mut counts[item.index()]);
                        if item.index() != target {
                            let denominator = norm * degree(item.index()).sqrt() + config.shrink + 1e-6;
                            similar.push((item, (f64::from(count) / denominator) as f32));
                        }
                    }
                    keep_largest(similar, config.k);
                    similar.clone()
                },
            )
            .collect();
        let weights = SparseItemItem::from_targets(&neighbours);
        Ok(Self { config: config.clone(), train: train.clone(), weights })
    }

    /// The settings it was fitted with.
    pub fn config(&self) -> &ItemKnnConfig {
        &self.config
    }

    /// The similarities: rows are the items of a history, columns the targets they vote for.
    pub fn weights(&self) -> &SparseItemItem {
        &self.weights
    }
}

impl Recommender for ItemKnn {
    fn n_items(&self) -> usize {
        self.train.n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        score_and_rank(queries, k, self.train.n_items(), |query, scores| {
            let mut once = Vec::new();
            self.weights.score(history::items(&self.train, query, &mut once)?, scores);
            Ok(())
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use rec_core::{Interactions, UserId};

    use super::*;

    pub(crate) fn user_items(rows: &[Vec<u32>], n_items: usize) -> UserItems {
        let mut pairs = Interactions::default();
        for (user, items) in rows.iter().enumerate() {
            for &item in items {
                pairs.users.push(UserId::from_index(user));
                pairs.items.push(ItemId(item));
            }
        }
        UserItems::new(&pairs, rows.len(), n_items)
    }

    /// The definition on dense columns.
    fn dense_weights(rows: &[Vec<u32>], n_items: usize, k: usize, shrink: f64) -> Vec<f32> {
        let has = |user: usize, item: usize| rows[user].contains(&(item as u32));
        let mut weights = vec![0.0; n_items * n_items];
        for target in 0..n_items {
            let mut all: Vec<(usize, f32)> = (0..n_items)
                .filter(|&item| item != target)
                .map(|item| {
                    let both = (0..rows.len()).filter(|&user| has(user, item) && has(user, target)).count();
                    let size = |item| (0..rows.len()).filter(|&user| has(user, item)).count() as f64;
                    let denominator = size(item).sqrt() * size(target).sqrt() + shrink + 1e-6;
                    (item, (both as f64 / denominator) as f32)
                })
                .filter(|&(_, weight)| weight > 0.0)
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (item, weight) in all.into_iter().take(k) {
                weights[item * n_items + target] = weight;
            }
        }
        weights
    }

    #[test]
    fn hand_computed_cosines() {
        // Columns: item 0 = {u0, u1}, item 1 = {u0, u1, u2}, item 2 = {u2}.
        let model =
            ItemKnn::fit(&user_items(&[vec![0, 1], vec![0, 1], vec![1, 2]], 3), &ItemKnnConfig::default());
        let dense = model.unwrap().weights.to_dense();
        let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 1e-6;
        assert!(close(dense[1], 2.0 / (6f64.sqrt() + 1e-6)));
        assert!(close(dense[3 + 2], 1.0 / (3f64.sqrt() + 1e-6)));
        assert_eq!((dense[2], dense[0], dense[4], dense[8]), (0.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn a_known_user_is_scored_from_training_and_an_unknown_one_from_the_history() {
        let train = user_items(&[vec![0, 1], vec![0, 1, 2], vec![2, 3], vec![3], vec![]], 4);
        let model = ItemKnn::fit(&train, &ItemKnnConfig::default()).unwrap();
        let history = [ItemId(3), ItemId(3)];
        let known = Query { user: Some(UserId(0)), history: &history, ..Query::default() };
        let same = Query { history: &[ItemId(1), ItemId(0)], ..Query::default() };
        let other = Query { history: &history, ..Query::default() };
        let once = Query { history: &[ItemId(3)], ..Query::default() };
        let rankings = model.recommend(&[known, same, other, once], 4).unwrap();
        assert_eq!(rankings.row(0), rankings.row(1));
        assert_ne!(rankings.row(0), rankings.row(2));
        assert_eq!(rankings.row(2), rankings.row(3));
        // A user without a training row, and one that training never heard of, are scored from the history.
        let held_out = Query { user: Some(UserId(4)), ..other };
        let nobody = Query { user: Some(UserId(99)), ..other };
        let rankings = model.recommend(&[other, held_out, nobody], 4).unwrap();
        assert_eq!(rankings.row(1), rankings.row(0));
        assert_eq!(rankings.row(2), rankings.row(0));
        let nothing = Query { history: &[ItemId(4)], ..Query::default() };
        assert!(model.recommend(&[nothing], 1).unwrap_err().to_string().contains("item 4"));
    }

    #[test]
    fn settings_that_do_not_hold_are_refused() {
        let train = user_items(&[vec![0]], 1);
        let error = ItemKnn::fit(&train, &ItemKnnConfig { k: 0, shrink: 0.0 }).unwrap_err();
        assert!(error.to_string().starts_with("item_knn.k"));
        let error = ItemKnn::fit(&train, &ItemKnnConfig { k: 1, shrink: f64::NAN }).unwrap_err();
        assert!(error.to_string().starts_with("item_knn.shrink"));
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            rows in prop::collection::vec(prop::collection::vec(0u32..9, 0..7), 1..12),
            k in 1usize..10,
            shrink in prop_oneof![Just(0.0), 0.0..20.0f64],
        ) {
            let model = ItemKnn::fit(&user_items(&rows, 9), &ItemKnnConfig { k, shrink }).unwrap();
            prop_assert_eq!(model.weights.to_dense(), dense_weights(&rows, 9, k, shrink));
        }
    }
}
