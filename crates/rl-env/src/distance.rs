//! How far apart two items are in the eyes of all users.

use rayon::prelude::*;

use crate::bits::BitMatrix;
use crate::{Reward, RewardMatrix};

/// Euclidean distances between the columns of a reward matrix, `D[i, j] = |M[:, i] - M[:, j]|`, each pair once.
#[derive(Clone, Debug)]
pub struct ItemDistances {
    items: usize,
    /// Row by row the pairs `(i, j)`, `j < i`.
    squared: Vec<f64>,
}

/// Users whose differences are summed in `f32` before they join the `f64` sum: short enough that whole numbers up to
/// 5 stay exact, and rounding stays near 1e-6 otherwise.
const RUN: usize = 256;

impl ItemDistances {
    /// The distances of the columns of `matrix`, on all threads; `items^2 users / 2` steps and `4 items^2` bytes.
    pub fn of(matrix: &RewardMatrix) -> Self {
        let (users, items) = (matrix.n_users(), matrix.n_items());
        // Columns become rows, so that a pair is a run through two slices.
        let mut columns = vec![0.0_f32; users * items];
        columns.par_chunks_exact_mut(users).enumerate().for_each(|(item, column)| {
            column
                .iter_mut()
                .enumerate()
                .for_each(|(user, cell)| *cell = matrix.get(user as u32, item as u32));
        });
        let column = |item: usize| &columns[item * users..(item + 1) * users];
        let rows: Vec<Vec<f64>> = (0..items)
            .into_par_iter()
            .map(|i| (0..i).map(|j| squared(column(i), column(j))).collect())
            .collect();
        Self { items, squared: rows.concat() }
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.items
    }

    /// The squared distance of two items.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn squared(&self, i: usize, j: usize) -> f64 {
        assert!(i < self.items && j < self.items, "no pair {i}, {j}");
        let (low, high) = (i.min(j), i.max(j));
        if low == high { 0.0 } else { self.squared[high * (high - 1) / 2 + low] }
    }

    /// The distance of two items.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.squared(i, j).sqrt()
    }

    /// For each item the items nearer than `threshold`, itself among them if the threshold is above 0.
    pub fn too_close(&self, threshold: f64) -> BitMatrix {
        let mut close = BitMatrix::new(self.items, self.items);
        for i in 0..self.items {
            for j in 0..=i {
                if self.get(i, j) < threshold {
                    close.insert(i, j);
                    close.insert(j, i);
                }
            }
        }
        close
    }
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.chunks(RUN)
        .zip(b.chunks(RUN))
        .map(|(a, b)| {
            // Several sums, so that the compiler may use wide registers.
            let mut sums = [0.0_f32; 16];
            let (whole_a, rest_a) = a.as_chunks::<16>();
            let (whole_b, rest_b) = b.as_chunks::<16>();
            for (a, b) in whole_a.iter().zip(whole_b) {
                for lane in 0..16 {
                    let difference = a[lane] - b[lane];
                    sums[lane] += difference * difference;
                }
            }
            let rest: f64 = rest_a.iter().zip(rest_b).map(|(a, b)| f64::from((a - b) * (a - b))).sum();
            sums.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_columns() {
        let (users, items) = (700, 7);
        let cells: Vec<f32> =
            (0..users * items).map(|cell| ((cell * 2654435761) % 11) as f32 * 0.5).collect();
        let matrix = RewardMatrix::new(users, items, cells.clone()).unwrap();
        let distances = ItemDistances::of(&matrix);
        for i in 0..items {
            for j in 0..items {
                let exact: f64 = (0..users)
                    .map(|user| f64::from(cells[user * items + i] - cells[user * items + j]).powi(2))
                    .sum();
                assert_eq!(distances.squared(i, j), exact, "{i} {j}");
            }
        }
        let threshold = distances.get(0, 1);
        let close = distances.too_close(threshold);
        assert!(!close.get(0, 1) && close.get(3, 3), "the comparison is strict");
    }
}
