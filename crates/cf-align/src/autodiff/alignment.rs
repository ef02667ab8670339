//! Alignment: the mean squared distance of positive pairs on the unit sphere.

use burn::tensor::Tensor;

/// The smallest norm a row is divided by, as in `torch.nn.functional.normalize`.
const SMALLEST_NORM: f32 = 1e-12;

/// Rows on the unit sphere: `x / max(|x|, 1e-12)`.
///
/// A row of zeros stays zero and gets no gradient through its norm (a plain `x / |x|` gives NaN).
///
/// # Shapes
/// - `x`: `[rows, dim]`
/// - output: `[rows, dim]`
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    // Clamping under the root has the same value as clamping the root, without the root's infinite slope at 0.
    let norms = x.clone().square().sum_dim(1).clamp_min(SMALLEST_NORM * SMALLEST_NORM).sqrt();
    x / norms
}

/// The mean squared distance of the pairs `(users[p], items[p])` after [`normalize`].
///
/// `(1/B) sum_p |x_p - y_p|^2 = 2 - 2 mean_p cos(x_p, y_p)` (Wang & Isola, ICML 2020; DirectAU, KDD 2022, the
/// alignment term). 0 when each pair points in one direction, 2 for unrelated directions, 4 for opposite ones.
///
/// # Shapes
/// - `users`: `[B, dim]`, of any length
/// - `items`: `[B, dim]`, of any length
/// - output: `[1]`
pub fn alignment(users: Tensor<2>, items: Tensor<2>) -> Tensor<1> {
    of_unit_rows(normalize(users), normalize(items))
}

/// [`alignment`] of rows that are normalised already.
pub(super) fn of_unit_rows(users: Tensor<2>, items: Tensor<2>) -> Tensor<1> {
    let rows = users.dims()[0];
    sum_of(users.sub(items).square()).div_scalar(rows as f64)
}

/// The sum of a matrix, row by row first: a fixed order whatever the number of threads.
pub(super) fn sum_of(x: Tensor<2>) -> Tensor<1> {
    x.sum_dim(1).sum()
}
