//! How far items are apart: Euclidean distances of the columns of a matrix of rewards.
//!
//! Squares of differences are summed (rather than taken from inner products), so that nothing cancels: sums of `f32`
//! over 256 users, those in `f64`. The relative error of a squared distance stays below 1.6e-5; where all rewards are
//! whole numbers, as ratings are, there is none.

use rayon::prelude::*;

use crate::bits::BitMatrix;
use crate::{Reward, RewardMatrix};

/// The distances of all pairs of items, `D[i, j] = |M[:, i] - M[:, j]|`: half a square of `f32`.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemDistances {
    items: usize,
    /// Row by row the pairs `i < j`; squared, since squares of whole numbers are whole numbers.
    squares: Vec<f32>,
}

/// Place of the pair (i, i + 1).
fn row_start(i: usize, items: usize) -> usize {
    i * (2 * items - i - 1) / 2
}

impl ItemDistances {
    /// The distances of the columns of `matrix`. Runs on rayon's threads; the result does not depend on their number.
    pub fn of(matrix: &RewardMatrix) -> Self {
        let panels = Panels::new(matrix);
        let items = panels.items;
        let mut squares = vec![0.0; items * (items - 1) / 2];
        let mut rest = &mut squares[..];
        let mut blocks = Vec::new();
        for panel in 0..panels.count() {
            let (first, end) = (panel * WIDTH, ((panel + 1) * WIDTH).min(items));
            let (block, after) = rest.split_at_mut(row_start(end, items) - row_start(first, items));
            blocks.push((panel, block));
            rest = after;
        }
        blocks.into_par_iter().with_max_len(1).for_each(|(panel, block)| {
            let offset = row_start(panel * WIDTH, items);
            panels.squares(panel, |i, j, square| {
                block[row_start(i, items) + j - i - 1 - offset] = square as f32
            });
        });
        Self { items, squares }
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.items
    }

    /// The squared distance of two items.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub fn squared(&self, i: usize, j: usize) -> f64 {
        let (low, high) = (i.min(j), i.max(j));
        assert!(high < self.items, "no item {high}");
        if low == high { 0.0 } else { f64::from(self.squares[row_start(low, self.items) + high - low - 1]) }
    }

    /// The distance of two items; 0 of an item and itself.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.squared(i, j).sqrt()
    }

    /// For each item the items that are closer than `threshold` (strictly), itself among them if the threshold is above
    /// 0: the table of [`QuitRule::Distance`](crate::QuitRule). Pairs within rounding of the threshold are decided in
    /// `f64` by `matrix`, the one that the distances are [`of`](Self::of).
    ///
    /// # Panics
    /// If `matrix` has another number of items.
    pub fn too_close(&self, matrix: &RewardMatrix, threshold: f64) -> BitMatrix {
        assert_eq!(matrix.n_items(), self.items, "the matrix of these distances");
        let mut close = BitMatrix::new(self.items, self.items);
        let (low, high) = ((threshold * (1.0 - NEAR)).powi(2), (threshold * (1.0 + NEAR)).powi(2));
        for i in 0..self.items {
            if threshold > 0.0 {
                close.insert(i, i);
            }
            let row = &self.squares[row_start(i, self.items)..][..self.items - i - 1];
            for (j, &square) in (i + 1..).zip(row) {
                let square = f64::from(square);
                let is_close = threshold > 0.0
                    && (square < low || (square <= high && exact_distance(matrix, i, j) < threshold));
                if is_close {
                    close.insert(i, j);
                    close.insert(j, i);
                }
            }
        }
        close
    }
}

/// [`ItemDistances::too_close`] of the distances of `matrix`'s columns.
pub fn too_close(matrix: &RewardMatrix, threshold: f64) -> BitMatrix {
    ItemDistances::of(matrix).too_close(matrix, threshold)
}

/// The distance of two columns in `f64`.
fn exact_distance(matrix: &RewardMatrix, i: usize, j: usize) -> f64 {
    let cell = |user: usize, item: usize| f64::from(matrix.get(user as u32, item as u32));
    (0..matrix.n_users()).map(|user| (cell(user, i) - cell(user, j)).powi(2)).sum::<f64>().sqrt()
}

/// Items of a panel.
const WIDTH: usize = 16;
/// Items of one panel whose sums are held in registers at once, against all of another.
const HEIGHT: usize = 4;
/// Users whose squares are summed in `f32`.
const BLOCK: usize = 256;
/// Relative differences from the threshold that rounding could make up for.
const NEAR: f64 = 1e-5;

/// A matrix cut into panels of 16 columns, each with its users one after the other.
struct Panels {
    items: usize,
    users: usize,
    /// `[panels, users, WIDTH]`; columns beyond the last are 0.
    cells: Vec<f32>,
}

impl Panels {
    fn new(matrix: &RewardMatrix) -> Self {
        let (users, items) = (matrix.n_users(), matrix.n_items());
        let mut cells = vec![0.0; items.div_ceil(WIDTH) * users * WIDTH];
        let mut row = vec![0.0f32; items];
        for user in 0..users {
            matrix.row_into(user as u32, &mut row);
            for (panel, part) in row.chunks(WIDTH).enumerate() {
                cells[(panel * users + user) * WIDTH..][..part.len()].copy_from_slice(part);
            }
        }
        Self { items, users, cells }
    }

    fn count(&self) -> usize {
        self.items.div_ceil(WIDTH)
    }

    fn panel(&self, panel: usize) -> &[f32] {
        &self.cells[panel * self.users * WIDTH..(panel + 1) * self.users * WIDTH]
    }

    /// Gives `visit` every pair `i < j`, `i` in `panel`, with its squared distance.
    fn squares(&self, panel: usize, mut visit: impl FnMut(usize, usize, f64)) {
        let kernel = kernel();
        let (first, left) = (panel * WIDTH, self.panel(panel));
        for other in panel..self.count() {
            let right = self.panel(other);
            let mut totals = [[0.0; WIDTH]; WIDTH];
            for (left, right) in left.chunks(BLOCK * WIDTH).zip(right.chunks(BLOCK * WIDTH)) {
                for top in (0..WIDTH).step_by(HEIGHT) {
                    let mut sums = [[0.0f32; WIDTH]; HEIGHT];
                    kernel(left, right, top, &mut sums);
                    for (totals, sums) in totals[top..].iter_mut().zip(&sums) {
                        for (total, sum) in totals.iter_mut().zip(sums) {
                            *total += f64::from(*sum);
                        }
                    }
                }
            }
            for (i, totals) in (first..self.items).zip(&totals) {
                for (j, &total) in (other * WIDTH..self.items).zip(totals) {
                    if i < j {
                        visit(i, j, total);
                    }
                }
            }
        }
    }
}

/// Adds the squared differences of columns `top..top + HEIGHT` of `left` and all columns of `right`.
type Kernel = fn(&[f32], &[f32], usize, &mut [[f32; WIDTH]; HEIGHT]);

/// The fastest kernel that this processor runs. All give the same sums: they do the same operations on each pair in the
/// same order, and none is fused.
fn kernel() -> Kernel {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return |left, right, top, sums| {
            // SAFETY: the processor has AVX2.
            unsafe { sum_squares_avx2(left, right, top, sums) }
        };
    }
    sum_squares
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_squares_avx2(left: &[f32], right: &[f32], top: usize, sums: &mut [[f32; WIDTH]; HEIGHT]) {
    sum_squares(left, right, top, sums);
}

#[inline(always)]
fn sum_squares(left: &[f32], right: &[f32], top: usize, sums: &mut [[f32; WIDTH]; HEIGHT]) {
    let mut held = *sums;
    for (left, right) in left.chunks_exact(WIDTH).zip(right.chunks_exact(WIDTH)) {
        for (row, &a) in held.iter_mut().zip(&left[top..top + HEIGHT]) {
            for (sum, &b) in row.iter_mut().zip(right) {
                let difference = a - b;
                *sum += difference * difference;
            }
        }
    }
    *sums = held;
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rec_core::random;

    use super::*;

    fn matrix(users: usize, items: usize, whole: bool) -> RewardMatrix {
        let mut rng = random::stream(3, "distances", 0);
        let mut cell = || if whole { rng.random_range(1..6) as f32 } else { rng.random_range(0.0..5.0) };
        RewardMatrix::new(users, items, (0..users * items).map(|_| cell()).collect()).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        for (users, items, whole) in [(600, 37, true), (600, 37, false), (1, 1, true), (3, 16, false)] {
            let matrix = matrix(users, items, whole);
            let distances = ItemDistances::of(&matrix);
            for i in 0..items {
                for j in 0..items {
                    let (found, expected) = (distances.get(i, j), exact_distance(&matrix, i, j));
                    assert!((found - expected).abs() <= 1e-5 * expected, "{found} is not {expected}");
                    assert!(!whole || found == expected);
                }
            }
        }
    }

    #[test]
    fn too_close_is_strict_and_exact_at_the_threshold() {
        for whole in [true, false] {
            let matrix = matrix(600, 37, whole);
            let distances = ItemDistances::of(&matrix);
            // Thresholds that are the distance of some pair, the next number below and above.
            for (a, b) in [(0, 1), (5, 30), (17, 16), (36, 2)] {
                let distance = exact_distance(&matrix, a, b);
                for threshold in [distance.next_down(), distance, distance.next_up()] {
                    let close = distances.too_close(&matrix, threshold);
                    for i in 0..37 {
                        for j in 0..37 {
                            let expected = exact_distance(&matrix, i, j) < threshold;
                            assert_eq!(close.get(i, j), expected, "{i} {j} {threshold}");
                        }
                    }
                }
            }
            assert_eq!(distances.too_close(&matrix, 0.0).count(3), 0);
            assert_eq!(distances.too_close(&matrix, f64::INFINITY).count(3), 37);
        }
    }

    #[test]
    fn the_number_of_threads_and_the_kernel_change_no_bit() {
        let matrix = matrix(700, 50, false);
        let all = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ItemDistances::of(&matrix))
        };
        assert_eq!(all(1), all(2));
        let panels = Panels::new(&matrix);
        let mut sums = [[[0.0; WIDTH]; HEIGHT]; 2];
        sum_squares(panels.panel(0), panels.panel(2), 4, &mut sums[0]);
        kernel()(panels.panel(0), panels.panel(2), 4, &mut sums[1]);
        assert_eq!(sums[0], sums[1]);
    }
}
