//! How alike two items are.

use std::sync::Arc;

use rayon::prelude::*;

use crate::datasets::Similarity;
use crate::{Error, Result, Reward, RewardMatrix, Source};

/// How alike items are, and how far apart, for every pair. Cheap to clone.
#[derive(Clone, Debug)]
pub enum ItemSimilarity {
    /// By the distance `D` of two items: similarity `1 / (1 + D)`.
    Distances {
        /// How many items there are.
        n_items: usize,
        /// Row-major `[n_items, n_items]`, symmetric, zeros on the diagonal.
        cells: Arc<[f32]>,
    },
    /// By tags, as bits: similarity is tags in common over tags of either (Jaccard), distance one over that. An item
    /// without tags is like none but itself.
    Tags(Arc<[u64]>),
}

impl ItemSimilarity {
    /// By the Euclidean distances of `matrix`'s columns.
    ///
    /// Takes `O(users items^2)` time, on all threads.
    pub fn from_columns(matrix: &RewardMatrix) -> Self {
        let (n_users, n_items) = (matrix.n_users(), matrix.n_items());
        let mut columns = vec![0.0; n_users * n_items];
        columns.par_chunks_mut(n_users.max(1)).enumerate().for_each(|(item, column)| {
            for (user, cell) in column.iter_mut().enumerate() {
                *cell = matrix.get(user as u32, item as u32);
            }
        });
        let mut cells = vec![0.0; n_items * n_items];
        cells.par_chunks_mut(n_items).enumerate().for_each(|(item, row)| {
            let column = &columns[item * n_users..(item + 1) * n_users];
            for (other, cell) in row.iter_mut().enumerate().skip(item + 1) {
                *cell = squared_distance(column, &columns[other * n_users..(other + 1) * n_users]).sqrt();
            }
        });
        for item in 0..n_items {
            for other in 0..item {
                cells[item * n_items + other] = cells[other * n_items + item];
            }
        }
        Self::Distances { n_items, cells: cells.into() }
    }

    /// By distances from elsewhere, row-major `[n_items, n_items]`.
    ///
    /// # Errors
    /// If the number of cells is not `n_items^2` or one is negative or not a number.
    pub fn from_distances(n_items: usize, cells: Vec<f32>) -> Result<Self> {
        if n_items.checked_mul(n_items) != Some(cells.len()) {
            return Err(Error::invalid(format!(
                "{} distances do not make {n_items} x {n_items}",
                cells.len()
            )));
        }
        match cells.iter().position(|cell| !(*cell >= 0.0)) {
            Some(at) => Err(Error::invalid(format!(
                "the distance of items {} and {} is {}",
                at / n_items,
                at % n_items,
                cells[at]
            ))),
            None => Ok(Self::Distances { n_items, cells: cells.into() }),
        }
    }

    /// As a data set compares its items.
    pub fn of(source: &Source) -> Self {
        match (source.similarity, &source.tags) {
            (Similarity::Tags, Some(tags)) => Self::Tags(tags.as_slice().into()),
            _ => Self::from_columns(&source.distance_truth),
        }
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        match self {
            Self::Distances { n_items, .. } => *n_items,
            Self::Tags(tags) => tags.len(),
        }
    }

    /// How alike two items are: 0 to 1, 1 for an item and itself.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub fn similarity(&self, item: u32, other: u32) -> f32 {
        match self {
            Self::Distances { .. } => 1.0 / (1.0 + self.distance(item, other)),
            Self::Tags(tags) => {
                let (a, b) = (tags[item as usize], tags[other as usize]);
                if item == other {
                    return 1.0;
                }
                (a & b).count_ones() as f32 / (a | b).count_ones().max(1) as f32
            }
        }
    }

    /// How far apart two items are: 0 or more; infinite for items without a tag in common.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub fn distance(&self, item: u32, other: u32) -> f32 {
        match self {
            Self::Distances { n_items, cells } => {
                assert!((other as usize) < *n_items, "no item {other}");
                cells[item as usize * n_items + other as usize]
            }
            Self::Tags(_) => 1.0 / self.similarity(item, other),
        }
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side: vectorises, and the rounding does not grow with the number of users.
    let mut sums = [0.0_f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in left.zip(right) {
        for lane in 0..8 {
            let difference = x[lane] - y[lane];
            sums[lane] += difference * difference;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_columns() {
        let cells: Vec<f32> = (0..11 * 3).map(|cell| ((cell * 7) % 5) as f32).collect();
        let matrix = RewardMatrix::new(11, 3, cells).unwrap();
        let similarity = ItemSimilarity::from_columns(&matrix);
        for a in 0..3 {
            for b in 0..3 {
                let squared: f32 =
                    (0..11).map(|user| (matrix.get(user, a) - matrix.get(user, b)).powi(2)).sum();
                assert!((similarity.distance(a, b) - squared.sqrt()).abs() < 1e-5);
                assert!((similarity.similarity(a, b) - 1.0 / (1.0 + squared.sqrt())).abs() < 1e-6);
            }
        }
        assert!(ItemSimilarity::from_distances(2, vec![0.0; 3]).is_err());
        assert!(ItemSimilarity::from_distances(1, vec![f32::NAN]).is_err());
    }

    #[test]
    fn tags_are_compared_by_jaccard() {
        let similarity = ItemSimilarity::Tags([0b0111, 0b0011, 0b1000, 0].into());
        assert!((similarity.similarity(0, 1) - 2.0 / 3.0).abs() < 1e-6);
        assert!((similarity.distance(0, 1) - 1.5).abs() < 1e-6);
        assert_eq!(similarity.similarity(0, 2), 0.0);
        assert_eq!(similarity.distance(0, 2), f32::INFINITY);
        assert_eq!([similarity.similarity(3, 3), similarity.similarity(3, 0)], [1.0, 0.0]);
        assert_eq!(similarity.distance(3, 3), 1.0);
    }
}
