//! Uniformity: the logarithm of the mean Gaussian potential between the rows of a batch.

use burn::tensor::{Bool, Tensor, TensorData};

use super::alignment::{normalize, sum_of};

/// An exponent that vanishes beside any other: it takes a pair out of a sum without an infinity, which WGSL does
/// not define.
const ABSENT: f32 = -1e9;

/// How far the rows of `x` are spread over the sphere:
/// `log( 2/(B(B-1)) * sum_{p<q} exp(-t |z_p - z_q|^2) )` with `z` = [`normalize`]`(x)` (Wang & Isola, ICML 2020;
/// DirectAU uses `t = 2`).
///
/// 0 when all rows point in one direction, lower when they are spread. Rows of the same id are pairs like any
/// others, as in the published code: each adds `exp(0)`, a constant, so few distinct ids bias the value upwards.
///
/// On the sphere `|z_p - z_q|^2 = 2 - 2 cos`, so the value is the log-sum-exp of one Gram matrix. There is no square
/// root, whose slope at distance 0 is infinite, and nothing underflows for large `t`. Memory is `O(B^2)`.
///
/// # Shapes
/// - `x`: `[B, dim]`, of any length
/// - output: `[1]`; 0 for `B < 2`, which has no pair
pub fn uniformity(x: Tensor<2>, t: f64) -> Tensor<1> {
    of_unit_rows(normalize(x), t)
}

/// [`uniformity`] of rows that are normalised already.
pub(super) fn of_unit_rows(z: Tensor<2>, t: f64) -> Tensor<1> {
    let rows = z.dims()[0];
    if rows < 2 {
        return zero(z);
    }
    let pairs = (rows * (rows - 1)) as f64;
    log_sum_exp(exponents(z, t)).sub_scalar(2.0 * t + pairs.ln())
}

/// [`uniformity`] with a weight for each row: `log( sum_{p<q} w_p w_q exp(-t |z_p - z_q|^2) / sum_{p<q} w_p w_q )`.
///
/// With weight 1 for the first row of each id and 0 for its repetitions it is the uniformity of the distinct ids;
/// with frequencies on distinct rows it is the measure of DirectAU's appendix.
///
/// # Shapes
/// - `x`: `[B, dim]`, of any length
/// - `weights`: `B` numbers from 0
/// - output: `[1]`; 0 if fewer than two weights are positive
///
/// # Panics
/// If `weights` has another length than `x` has rows, or a negative or non-finite entry.
pub fn weighted_uniformity(x: Tensor<2>, weights: &[f32], t: f64) -> Tensor<1> {
    weighted_of_unit_rows(normalize(x), weights, t)
}

/// [`weighted_uniformity`] of rows that are normalised already.
pub(super) fn weighted_of_unit_rows(z: Tensor<2>, weights: &[f32], t: f64) -> Tensor<1> {
    let rows = z.dims()[0];
    assert_eq!(weights.len(), rows, "one weight for each row");
    assert!(weights.iter().all(|w| w.is_finite() && *w >= 0.0), "weights are finite and not negative");
    if weights.iter().filter(|w| **w > 0.0).count() < 2 {
        return zero(z);
    }
    let sum: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let squares: f64 = weights.iter().map(|w| f64::from(*w).powi(2)).sum();
    let logarithms: Vec<f32> = weights.iter().map(|w| if *w > 0.0 { w.ln() } else { ABSENT }).collect();
    let logarithms = Tensor::<2>::from_data(TensorData::new(logarithms, [rows, 1]), &z.device());
    let exponents = exponents(z, t) + logarithms.clone() + logarithms.transpose();
    log_sum_exp(exponents).sub_scalar(2.0 * t + (sum * sum - squares).ln())
}

/// `2 t cos(z_p, z_q)` for each ordered pair; the diagonal is absent. `[B, B]`.
fn exponents(z: Tensor<2>, t: f64) -> Tensor<2> {
    let rows = z.dims()[0];
    let diagonal = Tensor::<2, Bool>::diag_mask([rows, rows], 0, &z.device()).bool_not();
    z.clone().matmul(z.transpose()).mul_scalar(2.0 * t).mask_fill(diagonal, ABSENT)
}

/// `log sum exp` of all entries. The maximum that is taken out is a constant to autodiff: its gradient cancels.
fn log_sum_exp(exponents: Tensor<2>) -> Tensor<1> {
    let largest = exponents.clone().detach().max();
    let scaled = exponents.sub(largest.clone().reshape([1, 1])).exp();
    sum_of(scaled).log().add(largest)
}

/// A zero that autodiff can still start from.
fn zero(z: Tensor<2>) -> Tensor<1> {
    sum_of(z).mul_scalar(0.0)
}
