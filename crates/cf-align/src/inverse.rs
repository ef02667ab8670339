//! The inverse of a large symmetric positive definite matrix in the memory of the matrix itself.
//!
//! `faer`'s Cholesky inverse wants the factor, the inverse and scratch of the same size: three matrices where one
//! already decides what fits into memory. The block sweep operator (Goodnight, The American Statistician 1979)
//! needs one and two narrow panels: for each diagonal block `K`, with `P = A_KK^-1`,
//!
//! ```text
//! A_ij <- A_ij - A_iK P A_Kj      A_iK <- A_iK P      A_KK <- -P
//! ```
//!
//! and after all blocks `A` holds `-A^-1`. It takes the `n^3` floating-point operations of a Cholesky inverse,
//! nearly all of them in one symmetric rank-`WIDTH` update a block.

use faer::linalg::matmul::matmul;
use faer::prelude::Solve;
use faer::{Accum, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

/// Columns of a diagonal block, and of the strips that the update is cut into for the threads.
const WIDTH: usize = 256;

/// Replaces the lower triangle (diagonal included) of the column-major `n × n` matrix by that of its negated
/// inverse; what is above the diagonal is overwritten with anything.
///
/// The result does not depend on the number of threads: every strip is computed by one of them.
///
/// Returns `false`, leaving the matrix in disorder, if it is not positive definite to working precision.
pub(crate) fn negated_inverse_in_place(matrix: &mut [f64], n: usize) -> bool {
    assert_eq!(matrix.len(), n * n, "not a square matrix");
    let mut panel = vec![0.0; n * WIDTH.min(n)];
    let mut scaled = vec![0.0; n * WIDTH.min(n)];
    for start in (0..n).step_by(WIDTH.max(1)) {
        let width = WIDTH.min(n - start);
        let block = start..start + width;
        // The block's columns of the whole symmetric matrix, with zeros in the block's own rows.
        let panel = &mut panel[..n * width];
        gather(matrix, n, start, panel);
        let diagonal = MatRef::from_column_major_slice(&matrix[start * n..block.end * n], n, width)
            .subrows(start, width)
            .to_owned();
        let Ok(factor) = diagonal.llt(Side::Lower) else { return false };
        let inverse = factor.solve(faer::Mat::<f64>::identity(width, width));
        if !inverse.col_iter().all(|column| column.iter().all(|value| value.is_finite())) {
            return false;
        }

        let scaled = &mut scaled[..n * width];
        let whole = MatRef::from_column_major_slice(&*panel, n, width);
        scale(whole, inverse.as_ref(), scaled);
        let scaled = MatRef::from_column_major_slice(&*scaled, n, width);
        matrix.par_chunks_mut(n * WIDTH).enumerate().for_each(|(strip, columns)| {
            let first = strip * WIDTH;
            let columns_here = columns.len() / n;
            let below =
                MatMut::from_column_major_slice_mut(columns, n, columns_here).subrows_mut(first, n - first);
            let left = scaled.subrows(first, n - first);
            let right = whole.subrows(first, columns_here).transpose();
            matmul(below, Accum::Add, left, right, -1.0, Par::Seq);
        });

        // A_iK below the block, A_Ki left of it, and the block itself.
        for (offset, column) in block.clone().enumerate() {
            let below = &mut matrix[column * n..(column + 1) * n];
            for row in column..block.end {
                below[row] = -inverse[(row - start, offset)];
            }
            for row in block.end..n {
                below[row] = scaled[(row, offset)];
            }
        }
        matrix[..start * n].par_chunks_mut(n).enumerate().for_each(|(column, values)| {
            for (offset, row) in block.clone().enumerate() {
                values[row] = scaled[(column, offset)];
            }
        });
    }
    true
}

/// Copies the columns `start..` of the symmetric matrix whose lower triangle is in `matrix` to `panel`.
fn gather(matrix: &[f64], n: usize, start: usize, panel: &mut [f64]) {
    let width = panel.len() / n;
    let end = start + width;
    panel.par_chunks_mut(n).enumerate().for_each(|(offset, column)| {
        let row = start + offset;
        for (other, value) in column[..start].iter_mut().enumerate() {
            *value = matrix[other * n + row];
        }
        column[start..end].fill(0.0);
        column[end..].copy_from_slice(&matrix[row * n + end..(row + 1) * n]);
    });
}

/// `scaled = panel · inverse`, in strips of columns.
fn scale(panel: MatRef<'_, f64>, inverse: MatRef<'_, f64>, scaled: &mut [f64]) {
    let n = panel.nrows();
    scaled.par_chunks_mut(n * 64).enumerate().for_each(|(strip, columns)| {
        let width = columns.len() / n;
        let target = MatMut::from_column_major_slice_mut(columns, n, width);
        matmul(target, Accum::Replace, panel, inverse.subcols(strip * 64, width), 1.0, Par::Seq);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A well-conditioned symmetric matrix with every kind of entry.
    fn example(n: usize) -> Vec<f64> {
        let mut matrix = vec![0.0; n * n];
        for column in 0..n {
            for row in column..n {
                let value = (((row * 31 + column * 17) % 13) as f64 - 6.0) / 13.0;
                matrix[column * n + row] = if row == column { n as f64 } else { value };
            }
        }
        matrix
    }

    #[test]
    fn times_the_matrix_is_minus_the_identity() {
        for n in [1, 2, WIDTH - 1, WIDTH, WIDTH + 1, 2 * WIDTH + 77] {
            let matrix = example(n);
            let mut inverse = matrix.clone();
            assert!(negated_inverse_in_place(&mut inverse, n));
            let lower = |m: &[f64], a: usize, b: usize| m[a.min(b) * n + a.max(b)];
            for row in (0..n).step_by(1 + n / 19) {
                for column in (0..n).step_by(1 + n / 23) {
                    let product: f64 =
                        (0..n).map(|k| lower(&matrix, row, k) * lower(&inverse, k, column)).sum();
                    let expected = if row == column { -1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-10, "{n}: ({row}, {column}) is {product}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let n = 2 * WIDTH + 30;
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut matrix = example(n);
            assert!(pool.install(|| negated_inverse_in_place(&mut matrix, n)));
            matrix
        };
        assert!(run(1).iter().zip(&run(3)).all(|(a, b)| a.to_bits() == b.to_bits()));
    }

    #[test]
    fn a_matrix_that_is_not_positive_definite_is_told() {
        assert!(!negated_inverse_in_place(&mut [1.0, 2.0, 2.0, 1.0], 2));
        assert!(!negated_inverse_in_place(&mut [0.0], 1));
        assert!(negated_inverse_in_place(&mut [], 0));
    }
}
