//! The small dense systems of least squares: Gram matrices of tall tables, and Cholesky factors of one row's system.

use rayon::prelude::*;

use crate::vector::{add_four_scaled, add_scaled, vectorised};

/// The most partial sums that [`gram`] keeps.
const PARTS: usize = 64;

/// `T'T` of a row-major table `[rows, dim]`, in `f32` within parts of the table and in `f64` over the parts.
///
/// How the table is cut depends on its size alone, so the sum does not depend on the number of threads.
pub(crate) fn gram(table: &[f32], dim: usize) -> Vec<f64> {
    let rows = table.len() / dim.max(1);
    let part = rows.div_ceil(PARTS).max(256);
    let parts: Vec<Vec<f32>> =
        table.par_chunks((part * dim).max(1)).map(|rows| vectorised(|| gram_of_part(rows, dim))).collect();
    let mut sum = vec![0.0f64; dim * dim];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += f64::from(value));
    }
    sum
}

#[inline(always)]
fn gram_of_part(rows: &[f32], dim: usize) -> Vec<f32> {
    let mut sum = vec![0.0f32; dim * dim];
    let mut blocks = rows.chunks_exact(4 * dim);
    for block in &mut blocks {
        let (left, right) = block.split_at(2 * dim);
        let ((a, b), (c, d)) = (left.split_at(dim), right.split_at(dim));
        for (column, target) in sum.chunks_exact_mut(dim).enumerate() {
            add_four_scaled(target, [a[column], b[column], c[column], d[column]], [a, b, c, d]);
        }
    }
    for row in blocks.remainder().chunks_exact(dim) {
        for (target, &value) in sum.chunks_exact_mut(dim).zip(row) {
            add_scaled(target, value, row);
        }
    }
    sum
}

/// Adds `value` to the diagonal and rounds to `f32`.
pub(crate) fn with_diagonal(mut matrix: Vec<f64>, dim: usize, value: f64) -> Vec<f32> {
    for index in 0..dim {
        matrix[index * dim + index] += value;
    }
    matrix.into_iter().map(|value| value as f32).collect()
}

/// A symmetric matrix and, after [`Cholesky::factorize`], its lower Cholesky factor in the same memory (row-major).
pub(crate) struct Cholesky {
    dim: usize,
    values: Vec<f64>,
}

impl Cholesky {
    pub(crate) fn new(dim: usize) -> Self {
        Self { dim, values: vec![0.0; dim * dim] }
    }

    /// Copies a symmetric matrix.
    pub(crate) fn set(&mut self, matrix: &[f32]) {
        self.values.iter_mut().zip(matrix).for_each(|(value, &given)| *value = f64::from(given));
    }

    /// Adds `factor * v v'` to the lower triangle.
    #[inline(always)]
    pub(crate) fn add_outer(&mut self, factor: f64, v: &[f32]) {
        for (row, values) in self.values.chunks_exact_mut(self.dim).enumerate() {
            let scaled = factor * f64::from(v[row]);
            values[..=row].iter_mut().zip(v).for_each(|(value, &v)| *value += scaled * f64::from(v));
        }
    }

    /// Replaces the lower triangle by its factor; `false` if the matrix is not positive definite.
    #[inline(always)]
    pub(crate) fn factorize(&mut self) -> bool {
        let dim = self.dim;
        for row in 0..dim {
            let (above, rest) = self.values.split_at_mut(row * dim);
            let current = &mut rest[..dim];
            for column in 0..row {
                let other = &above[column * dim..column * dim + column + 1];
                let rest = current[column] - dot(&current[..column], &other[..column]);
                current[column] = rest / other[column];
            }
            let pivot = current[row] - dot(&current[..row], &current[..row]);
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            current[row] = pivot.sqrt();
        }
        true
    }

    /// Replaces `right` by the solution.
    #[inline(always)]
    pub(crate) fn solve(&self, right: &mut [f64]) {
        let dim = self.dim;
        for row in 0..dim {
            let factor = &self.values[row * dim..row * dim + row + 1];
            right[row] = (right[row] - dot(&factor[..row], &right[..row])) / factor[row];
        }
        for row in (0..dim).rev() {
            let factor = &self.values[row * dim..row * dim + row + 1];
            right[row] /= factor[row];
            let value = right[row];
            right[..row].iter_mut().zip(factor).for_each(|(right, factor)| *right -= value * factor);
        }
    }
}

#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gram_of_a_table() {
        for (rows, dim) in [(0, 3), (1, 1), (3, 5), (1000, 7), (20_001, 4)] {
            let table: Vec<f32> = (0..rows * dim).map(|i| ((i * 37) % 11) as f32 - 5.0).collect();
            let sum = gram(&table, dim);
            for a in 0..dim {
                for b in 0..dim {
                    let exact: f64 =
                        table.chunks_exact(dim).map(|row| f64::from(row[a]) * f64::from(row[b])).sum();
                    assert_eq!(sum[a * dim + b], exact);
                }
            }
        }
    }

    #[test]
    fn solves_what_it_factorised() {
        let dim = 19;
        let rows: Vec<f32> = (0..40 * dim).map(|i| ((i * 29) % 17) as f32 / 8.0 - 1.0).collect();
        let matrix = with_diagonal(gram(&rows, dim), dim, 0.5);
        let mut factor = Cholesky::new(dim);
        factor.set(&matrix);
        let v: Vec<f32> = (0..dim).map(|i| i as f32 / 7.0).collect();
        factor.add_outer(2.0, &v);
        assert!(factor.factorize());
        let mut x: Vec<f64> = (0..dim).map(|i| (i as f64).sin()).collect();
        factor.solve(&mut x);
        for row in 0..dim {
            let image: f64 = (0..dim)
                .map(|k| {
                    (f64::from(matrix[row * dim + k]) + 2.0 * f64::from(v[row]) * f64::from(v[k])) * x[k]
                })
                .sum();
            assert!((image - (row as f64).sin()).abs() < 1e-9);
        }
        factor.set(&vec![0.0; dim * dim]);
        assert!(!factor.factorize());
    }
}
