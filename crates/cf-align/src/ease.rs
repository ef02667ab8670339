//! EASE (Steck, WWW 2019): a linear item-item model in closed form.

use rayon::prelude::*;
use rec_core::rank::score_and_rank;
use rec_core::{ItemId, Query, Rankings, Recommender, UserItems};
use serde::{Deserialize, Serialize};

use crate::inverse::negated_inverse_in_place;
use crate::sparse::{SparseItemItem, keep_largest};
use crate::vector::{add_four_scaled, add_scaled, vectorised};
use crate::{Error, Result, history};

/// Settings of [`Ease`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EaseConfig {
    /// L2 penalty on the weights.
    pub lambda: f64,
    /// Keep only so many weights of largest magnitude for each target item; all of them if not given.
    pub top_k: Option<usize>,
    /// Refuse catalogues whose fit would take more bytes than this (12 for each pair of items, 8 with
    /// [`EaseConfig::top_k`]).
    pub memory_limit: u64,
}

impl Default for EaseConfig {
    fn default() -> Self {
        Self { lambda: 250.0, top_k: None, memory_limit: 8 << 30 }
    }
}

impl EaseConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if !(self.lambda.is_finite() && self.lambda > 0.0) {
            let what = format!("is {}; accepts finite numbers above 0", self.lambda);
            return Err(Error::config("ease.lambda", what));
        }
        if self.top_k == Some(0) {
            return Err(Error::config(
                "ease.top_k",
                "is 0; accepts whole numbers from 1, or nothing for all",
            ));
        }
        Ok(())
    }

    /// The bytes that a fit on so many items takes at its peak: the matrix in `f64`, and the weights in `f32`.
    pub fn memory(&self, n_items: usize) -> u64 {
        let n = n_items as u64;
        let weights = match self.top_k {
            None => 4 * n * n,
            Some(k) => 16 * n * (k as u64).min(n),
        };
        8 * n * n + weights
    }
}

/// A fitted model: `score(u, j) = sum over the items i of u of B_ij`, where `B = -P / diag(P)` column by column with
/// a zero diagonal, and `P = (X'X + lambda I)^-1` for the binary training matrix `X`.
///
/// `B` minimises `|X - XB|^2 + lambda |B|^2` under `diag(B) = 0`. A user with a training row is scored from that
/// row, anybody else from the query's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Ease {
    pub(crate) config: EaseConfig,
    pub(crate) train: UserItems,
    pub(crate) weights: EaseWeights,
}

/// The weights of an [`Ease`] model.
#[derive(Clone, Debug, PartialEq)]
pub enum EaseWeights {
    /// All of them, row-major `[n_items, n_items]`: rows are the items of a history, columns the targets.
    Dense(Vec<f32>),
    /// The largest for each target.
    Sparse(SparseItemItem),
}

impl Ease {
    /// Solves for the weights, in `O(n_items^3)` time and the memory that [`EaseConfig::memory`] tells.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that do not hold, a catalogue above the memory limit, and a `lambda` so small
    /// that the matrix cannot be inverted.
    pub fn fit(train: &UserItems, config: &EaseConfig) -> Result<Self> {
        config.validate()?;
        let n = train.n_items();
        let needed = config.memory(n);
        if needed > config.memory_limit {
            let what = format!(
                "is {} bytes, but a fit on {n} items takes {needed}; raise it, filter rare items{}",
                config.memory_limit,
                if config.top_k.is_none() { ", or set ease.top_k" } else { "" }
            );
            return Err(Error::config("ease.memory_limit", what));
        }
        let mut matrix = gram(train, config.lambda);
        if !negated_inverse_in_place(&mut matrix, n) {
            let what = format!("is {}: too small for X'X + lambda I to be inverted", config.lambda);
            return Err(Error::config("ease.lambda", what));
        }
        let weights = match config.top_k {
            None => EaseWeights::Dense(dense_weights(&matrix, n)),
            Some(k) => EaseWeights::Sparse(sparse_weights(&matrix, n, k)),
        };
        Ok(Self { config: config.clone(), train: train.clone(), weights })
    }

    /// The settings it was fitted with.
    pub fn config(&self) -> &EaseConfig {
        &self.config
    }

    /// The weights.
    pub fn weights(&self) -> &EaseWeights {
        &self.weights
    }
}

impl Recommender for Ease {
    fn n_items(&self) -> usize {
        self.train.n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        score_and_rank(queries, k, self.train.n_items(), |query, scores| {
            let mut once = Vec::new();
            let items = history::items(&self.train, query, &mut once)?;
            match &self.weights {
                EaseWeights::Dense(weights) => vectorised(|| sum_rows(weights, items, scores)),
                EaseWeights::Sparse(weights) => weights.score(items, scores),
            }
            Ok(())
        })
    }
}

/// Overwrites `scores` with the sum of the rows of `items`.
#[inline(always)]
fn sum_rows(weights: &[f32], items: &[ItemId], scores: &mut [f32]) {
    let n = scores.len();
    let row = |item: ItemId| &weights[item.index() * n..(item.index() + 1) * n];
    scores.fill(0.0);
    let (fours, rest) = items.as_chunks::<4>();
    for &four in fours {
        add_four_scaled(scores, [1.0; 4], four.map(row));
    }
    for &item in rest {
        add_scaled(scores, 1.0, row(item));
    }
}

/// The lower triangle of `X'X + lambda I`, column-major; zeros above it.
fn gram(train: &UserItems, lambda: f64) -> Vec<f64> {
    let n = train.n_items();
    let (offsets, users) = train.transposed();
    let mut matrix = vec![0.0; n * n];
    matrix.par_chunks_mut(n.max(1)).enumerate().for_each(|(item, column)| {
        for &user in &users[offsets[item]..offsets[item + 1]] {
            let row = train.row(user);
            let from = row.partition_point(|other| other.index() < item);
            row[from..].iter().for_each(|other| column[other.index()] += 1.0);
        }
        column[item] += lambda;
    });
    matrix
}

/// Side of the tiles in which the triangle is turned into rows: both sides of a tile stay in the first cache.
const TILE: usize = 32;

/// `B_ij = -P_ij / P_jj`, row-major, from the lower triangle of `-P`.
fn dense_weights(matrix: &[f64], n: usize) -> Vec<f32> {
    let scale: Vec<f64> = (0..n).map(|item| -1.0 / matrix[item * n + item]).collect();
    let mut weights = vec![0.0; n * n];
    weights.par_chunks_mut((TILE * n).max(1)).enumerate().for_each(|(strip, rows)| {
        let first = strip * TILE;
        let height = rows.len() / n;
        for left in (0..first + height).step_by(TILE) {
            for column in left..(left + TILE).min(n) {
                for row in first.max(column + 1)..first + height {
                    rows[(row - first) * n + column] = (matrix[column * n + row] * scale[column]) as f32;
                }
            }
        }
        for row in first..first + height {
            let (above, scale) = (&matrix[row * n..(row + 1) * n], &scale);
            for column in row + 1..n {
                rows[(row - first) * n + column] = (above[column] * scale[column]) as f32;
            }
        }
    });
    weights
}

/// The `k` weights of largest magnitude of each column.
fn sparse_weights(matrix: &[f64], n: usize, k: usize) -> SparseItemItem {
    let columns: Vec<Vec<(ItemId, f32)>> = (0..n)
        .into_par_iter()
        .map_init(Vec::new, |entries: &mut Vec<(ItemId, f32)>, target| {
            let scale = -1.0 / matrix[target * n + target];
            entries.clear();
            entries.extend((0..n).filter(|&item| item != target).map(|item| {
                let value = matrix[item.min(target) * n + item.max(target)];
                (ItemId::from_index(item), (value * scale) as f32)
            }));
            keep_largest(entries, k);
            entries.retain(|&(_, weight)| weight != 0.0);
            entries.clone()
        })
        .collect();
    SparseItemItem::from_targets(&columns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item_knn::tests::user_items;

    fn dense(model: &Ease) -> Vec<f64> {
        match model.weights() {
            EaseWeights::Dense(weights) => weights.iter().map(|&weight| f64::from(weight)).collect(),
            EaseWeights::Sparse(weights) => weights.to_dense().into_iter().map(f64::from).collect(),
        }
    }

    #[test]
    fn two_items_by_hand() {
        // X'X + I = [[3, 1], [1, 2]]: each weight is the off-diagonal over the other item's diagonal.
        let train = user_items(&[vec![0, 1], vec![0]], 2);
        let model = Ease::fit(&train, &EaseConfig { lambda: 1.0, ..EaseConfig::default() }).unwrap();
        let weights = dense(&model);
        for (weight, expected) in weights.iter().zip([0.0, 1.0 / 3.0, 1.0 / 2.0, 0.0]) {
            assert!((weight - expected).abs() < 1e-7, "{weights:?}");
        }
        let history = [ItemId(0), ItemId(1)];
        let rankings = model.recommend(&[Query { history: &history, ..Query::default() }], 2).unwrap();
        assert_eq!(rankings.row(0)[0].item, ItemId(0));
        assert!((rankings.row(0)[0].score - 0.5).abs() < 1e-7);
    }

    #[test]
    fn too_large_a_catalogue_and_bad_settings_are_refused() {
        let train = user_items(&[vec![0, 1]], 100);
        let error =
            Ease::fit(&train, &EaseConfig { memory_limit: 119_999, ..EaseConfig::default() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ease.memory_limit: is 119999 bytes, but a fit on 100 items takes 120000; raise it, filter rare items, \
             or set ease.top_k"
        );
        assert!(Ease::fit(&train, &EaseConfig { memory_limit: 120_000, ..EaseConfig::default() }).is_ok());
        let error = Ease::fit(&train, &EaseConfig { lambda: 0.0, ..EaseConfig::default() }).unwrap_err();
        assert!(error.to_string().starts_with("ease.lambda"));
        let error = Ease::fit(&train, &EaseConfig { top_k: Some(0), ..EaseConfig::default() }).unwrap_err();
        assert!(error.to_string().starts_with("ease.top_k"));
    }

    proptest! {
        /// The gradient of the Lagrangian: off the diagonal `(G + lambda I) B = G`, for every column.
        #[test]
        fn satisfies_the_optimality_conditions(
            rows in prop::collection::vec(prop::collection::vec(0u32..40, 0..20), 1..30),
            lambda in 0.5f64..300.0,
        ) {
            let n = 40;
            let train = user_items(&rows, n);
            let model = Ease::fit(&train, &EaseConfig { lambda, ..EaseConfig::default() }).unwrap();
            let weights = dense(&model);
            let lower = gram(&train, 0.0);
            let gram = |a: usize, b: usize| lower[a.min(b) * n + a.max(b)];
            for row in 0..n {
                for column in 0..n {
                    if row == column {
                        prop_assert_eq!(weights[row * n + row], 0.0);
                        continue;
                    }
                    let fitted: f64 = (0..n).map(|k| gram(row, k) * weights[k * n + column]).sum::<f64>()
                        + lambda * weights[row * n + column];
                    prop_assert!((fitted - gram(row, column)).abs() < 1e-4, "({}, {})", row, column);
                }
            }
        }

        #[test]
        fn sparse_weights_are_the_largest_of_each_column(
            rows in prop::collection::vec(prop::collection::vec(0u32..40, 0..20), 1..30),
            k in 1usize..45,
        ) {
            let train = user_items(&rows, 40);
            let all = dense(&Ease::fit(&train, &EaseConfig::default()).unwrap());
            let config = EaseConfig { top_k: Some(k), ..EaseConfig::default() };
            let model = Ease::fit(&train, &config).unwrap();
            let kept = dense(&model);
            for column in 0..40 {
                let mut order: Vec<usize> = (0..40).collect();
                order.sort_by(|&a, &b| all[b * 40 + column].abs().total_cmp(&all[a * 40 + column].abs()).then(a.cmp(&b)));
                for (place, row) in order.into_iter().enumerate() {
                    let expected = if place < k { all[row * 40 + column] } else { 0.0 };
                    prop_assert_eq!(kept[row * 40 + column], expected);
                }
            }
        }
    }
}
