//! Matrix products, norms, gates and softmax on slices.
//!
//! Loops are plain; [`vectorized`] compiles them once more for processors with AVX2 and FMA.

use gemm::Parallelism;

/// Runs `work`, which must be `#[inline(always)]` with all that it calls, compiled for the vectors of this processor.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn wide<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { wide(work) };
        }
    }
    work()
}

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a> View<'a> {
    /// Rows one after the other, without gaps.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::strided(data, rows, columns, columns)
    }

    /// Rows that begin `row_step` numbers after each other.
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, row_step: usize) -> Self {
        assert!(rows == 0 || columns == 0 || (rows - 1) * row_step + columns <= data.len(), "a short slice");
        Self { data, rows, columns, row_step, column_step: 1 }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }
}

/// What a product does to its target.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Into {
    Replace,
    Add,
}

/// `target (+)= factor * left * right`; `target` has rows that begin `row_step` numbers after each other.
///
/// # Panics
/// If the shapes do not fit.
pub(crate) fn multiply(
    target: &mut [f32],
    row_step: usize,
    into: Into,
    factor: f32,
    left: View<'_>,
    right: View<'_>,
) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    assert_eq!(k, right.rows, "inner sizes");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * row_step + n <= target.len() && n <= row_step.max(n), "a short target");
    assert!(m == 1 || n <= row_step, "rows that overlap");
    // SAFETY: `View` keeps within its slice by construction, the target is checked above and is not shared.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.as_mut_ptr(),
            1,
            row_step as isize,
            into == Into::Add,
            left.data.as_ptr(),
            left.column_step as isize,
            left.row_step as isize,
            right.data.as_ptr(),
            right.column_step as isize,
            right.row_step as isize,
            1.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `target = x W` for one row `x`; `weight` is `[inputs, outputs]`, row by row.
pub(crate) fn multiply_row(target: &mut [f32], x: &[f32], weight: &[f32]) {
    let outputs = target.len();
    assert_eq!(x.len() * outputs, weight.len(), "a weight of another shape");
    vectorized(
        #[inline(always)]
        || {
            target.fill(0.0);
            let (eights, rest) = x.as_chunks::<8>();
            for (x, rows) in eights.iter().zip(weight.chunks_exact(8 * outputs)) {
                let mut rows = rows.chunks_exact(outputs);
                add_eight(target, x, std::array::from_fn(|_| rows.next().unwrap_or_default()));
            }
            let done = 8 * eights.len();
            for (x, row) in rest.iter().zip(weight[done * outputs..].chunks_exact(outputs)) {
                add_one(target, *x, row);
            }
        },
    );
}

/// `target = X W` for a few rows of `x`: the weight is read where it is, while a general product would arrange it anew
/// for every call.
pub(crate) fn multiply_few(target: &mut [f32], x: &[f32], weight: &[f32], inputs: usize, outputs: usize) {
    let rows = x.len() / inputs;
    assert!(x.len() == rows * inputs && weight.len() == inputs * outputs, "other shapes");
    assert_eq!(target.len(), rows * outputs, "a target of another shape");
    let mut fours = target.chunks_exact_mut(4 * outputs);
    let mut x_fours = x.chunks_exact(4 * inputs);
    for (target, x) in fours.by_ref().zip(x_fours.by_ref()) {
        multiply_four(target, x, weight, inputs, outputs);
    }
    let rest = fours.into_remainder().chunks_exact_mut(outputs);
    for (target, x) in rest.zip(x_fours.remainder().chunks_exact(inputs)) {
        multiply_row(target, x, weight);
    }
}

fn multiply_four(target: &mut [f32], x: &[f32], weight: &[f32], inputs: usize, outputs: usize) {
    vectorized(
        #[inline(always)]
        || {
            target.fill(0.0);
            let mut rows = target.chunks_exact_mut(outputs);
            let mut row = || rows.next().unwrap_or_default();
            let (a, b, c, d) = (row(), row(), row(), row());
            let (a, b, c, d) = (&mut a[..outputs], &mut b[..outputs], &mut c[..outputs], &mut d[..outputs]);
            let factor = |row: usize, k: usize| x[row * inputs + k];
            let mut k = 0;
            while k + 4 <= inputs {
                let f: [[f32; 4]; 4] =
                    std::array::from_fn(|row| std::array::from_fn(|at| factor(row, k + at)));
                let w = &weight[k * outputs..][..4 * outputs];
                let (w0, w) = w.split_at(outputs);
                let (w1, w) = w.split_at(outputs);
                let (w2, w3) = w.split_at(outputs);
                let (w2, w3) = (&w2[..outputs], &w3[..outputs]);
                for j in 0..outputs {
                    let (p, q, r, s) = (w0[j], w1[j], w2[j], w3[j]);
                    a[j] =
                        f[0][3].mul_add(s, f[0][2].mul_add(r, f[0][1].mul_add(q, f[0][0].mul_add(p, a[j]))));
                    b[j] =
                        f[1][3].mul_add(s, f[1][2].mul_add(r, f[1][1].mul_add(q, f[1][0].mul_add(p, b[j]))));
                    c[j] =
                        f[2][3].mul_add(s, f[2][2].mul_add(r, f[2][1].mul_add(q, f[2][0].mul_add(p, c[j]))));
                    d[j] =
                        f[3][3].mul_add(s, f[3][2].mul_add(r, f[3][1].mul_add(q, f[3][0].mul_add(p, d[j]))));
                }
                k += 4;
            }
            while k < inputs {
                let w = &weight[k * outputs..][..outputs];
                for j in 0..outputs {
                    a[j] = factor(0, k).mul_add(w[j], a[j]);
                    b[j] = factor(1, k).mul_add(w[j], b[j]);
                    c[j] = factor(2, k).mul_add(w[j], c[j]);
                    d[j] = factor(3, k).mul_add(w[j], d[j]);
                }
                k += 1;
            }
        },
    );
}

const LANES: usize = 16;

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            lanes[i] = a[i].mul_add(b[i], lanes[i]);
        }
    }
    let mut half = 8;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    a_rest.iter().zip(b_rest).fold(lanes[0], |sum, (a, b)| a.mul_add(*b, sum))
}

#[inline(always)]
fn total(a: &[f32]) -> f32 {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] += chunk[i];
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[inline(always)]
fn largest(a: &[f32]) -> f32 {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// `e^x` within a few units of the last place: `x = n ln 2 + r`, a polynomial in `r`. Below -87 it stays at `e^-87`.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this rounds to whole numbers, which then stand in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    // ln 2 in two parts, the first short enough that n times it is exact.
    let r = n.mul_add(-0.693_359_4, x);
    let r = n.mul_add(2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p.mul_add(r, c);
    }
    let p = p.mul_add(r * r, r + 1.0);
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(power)
}

/// `1 / sqrt(mean(x^2) + eps)` of each row into `scales`, and the row times that and `weight` into `target`.
pub(crate) fn norm(target: &mut [f32], scales: &mut [f32], x: &[f32], weight: &[f32], epsilon: f32) {
    let width = weight.len();
    vectorized(
        #[inline(always)]
        || {
            for ((target, x), scale) in
                target.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(scales.iter_mut())
            {
                *scale = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                for ((target, x), weight) in target.iter_mut().zip(x).zip(weight) {
                    *target = x * *scale * weight;
                }
            }
        },
    );
}

/// Adds the gradient by `x` of [`norm`] to `target` and the one by `weight` to `weight_gradient`.
pub(crate) fn norm_backward(
    target: &mut [f32],
    weight_gradient: &mut [f32],
    gradient: &[f32],
    x: &[f32],
    scales: &[f32],
    weight: &[f32],
) {
    let width = weight.len();
    vectorized(
        #[inline(always)]
        || {
            let rows = target.chunks_exact_mut(width).zip(gradient.chunks_exact(width));
            for (((target, gradient), x), &scale) in rows.zip(x.chunks_exact(width)).zip(scales) {
                let mut lanes = [0.0f32; LANES];
                for (at, ((gradient, x), weight)) in gradient.iter().zip(x).zip(weight).enumerate() {
                    lanes[at % LANES] = (gradient * weight).mul_add(*x, lanes[at % LANES]);
                }
                let along = total(&lanes) * scale * scale / width as f32;
                for i in 0..width {
                    weight_gradient[i] = (gradient[i] * x[i]).mul_add(scale, weight_gradient[i]);
                    target[i] += scale * gradient[i].mul_add(weight[i], -(x[i] * along));
                }
            }
        },
    );
}

/// `silu(gate) * up` of rows `[gate, up]` of `2 * width`.
pub(crate) fn gate(target: &mut [f32], gate_up: &[f32], width: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (target, row) in target.chunks_exact_mut(width).zip(gate_up.chunks_exact(2 * width)) {
                let (gate, up) = row.split_at(width);
                for ((target, gate), up) in target.iter_mut().zip(gate).zip(up) {
                    *target = gate / (1.0 + exp(-gate)) * up;
                }
            }
        },
    );
}

/// The gradient by `gate_up` of [`gate`], in its place.
pub(crate) fn gate_backward(gate_up: &[f32], gradient: &[f32], target: &mut [f32], width: usize) {
    vectorized(
        #[inline(always)]
        || {
            let rows = gate_up.chunks_exact(2 * width).zip(gradient.chunks_exact(width));
            for ((row, gradient), target) in rows.zip(target.chunks_exact_mut(2 * width)) {
                let (gate, up) = row.split_at(width);
                let (by_gate, by_up) = target.split_at_mut(width);
                for i in 0..width {
                    let sigmoid = 1.0 / (1.0 + exp(-gate[i]));
                    let silu = gate[i] * sigmoid;
                    by_up[i] = gradient[i] * silu;
                    by_gate[i] = gradient[i] * up[i] * (1.0 - sigmoid).mul_add(silu, sigmoid);
                }
            }
        },
    );
}

/// Softmax of each row of a square, of which row `i` has `i + 1` entries; the rest becomes 0.
pub(crate) fn causal_softmax(scores: &mut [f32], length: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (at, row) in scores.chunks_exact_mut(length).enumerate() {
                let (seen, rest) = row.split_at_mut(at + 1);
                softmax_row(seen);
                rest.fill(0.0);
            }
        },
    );
}

#[inline(always)]
fn softmax_row(row: &mut [f32]) {
    let most = largest(row);
    row.iter_mut().for_each(|x| *x = exp(*x - most));
    let share = 1.0 / total(row);
    row.iter_mut().for_each(|x| *x *= share);
}

/// From probabilities and the gradient by them, the gradient by the scores, in place of the latter, times `factor`.
pub(crate) fn softmax_backward(probabilities: &[f32], gradient: &mut [f32], length: usize, factor: f32) {
    vectorized(
        #[inline(always)]
        || {
            let rows = probabilities.chunks_exact(length).zip(gradient.chunks_exact_mut(length));
            for (probabilities, gradient) in rows {
                let mean = dot(probabilities, gradient);
                for (gradient, probability) in gradient.iter_mut().zip(probabilities) {
                    *gradient = factor * probability * (*gradient - mean);
                }
            }
        },
    );
}

/// `log sum exp` of each row.
pub(crate) fn log_sums(target: &mut [f32], logits: &[f32], width: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (target, row) in target.iter_mut().zip(logits.chunks_exact(width)) {
                let most = largest(row);
                let mut lanes = [0.0f32; LANES];
                let (chunks, rest) = row.as_chunks::<LANES>();
                for chunk in chunks {
                    for i in 0..LANES {
                        lanes[i] += exp(chunk[i] - most);
                    }
                }
                let sum = lanes.iter().sum::<f32>() + rest.iter().map(|x| exp(x - most)).sum::<f32>();
                *target = most + sum.ln();
            }
        },
    );
}

/// [`log_sums`], and the entropy of each row's softmax: with `e = exp(x - most)`, `log sum e - sum e (x - most) / sum e`.
pub(crate) fn log_sums_and_entropies(sums: &mut [f32], entropies: &mut [f32], logits: &[f32], width: usize) {
    vectorized(
        #[inline(always)]
        || {
            for ((target, entropy), row) in sums.iter_mut().zip(entropies).zip(logits.chunks_exact(width)) {
                let most = largest(row);
                let (mut lanes, mut weighted) = ([0.0f32; LANES], [0.0f32; LANES]);
                let (chunks, rest) = row.as_chunks::<LANES>();
                for chunk in chunks {
                    for i in 0..LANES {
                        let e = exp(chunk[i] - most);
                        lanes[i] += e;
                        weighted[i] = e.mul_add(chunk[i] - most, weighted[i]);
                    }
                }
                // As `log_sums` adds, so that both give the same bits.
                let sum = lanes.iter().sum::<f32>() + rest.iter().map(|x| exp(x - most)).sum::<f32>();
                let mean = weighted.iter().sum::<f32>()
                    + rest.iter().map(|x| exp(x - most) * (x - most)).sum::<f32>();
                *target = most + sum.ln();
                *entropy = sum.ln() - mean / sum;
            }
        },
    );
}

/// In place of logits, the gradient by them of `sum of factor * log softmax[target]`.
pub(crate) fn log_softmax_backward(
    logits: &mut [f32],
    log_sums: &[f32],
    targets: &[u32],
    factors: &[f32],
    width: usize,
) {
    vectorized(
        #[inline(always)]
        || {
            let rows = logits.chunks_exact_mut(width).zip(log_sums).zip(targets).zip(factors);
            for (((row, log_sum), &target), &factor) in rows {
                row.iter_mut().for_each(|x| *x = -factor * exp(*x - log_sum));
                row[target as usize] += factor;
            }
        },
    );
}

/// What [`log_softmax_and_entropy_backward`] knows of each row.
#[derive(Clone, Copy)]
pub(crate) struct BySoftmax<'a> {
    pub sums: &'a [f32],
    pub targets: &'a [u32],
    pub by_log_probs: &'a [f32],
}

/// [`log_softmax_backward`] with a loss that has a gradient by each row's entropy as well; given are entropies with their
/// gradients. The entropy's gradient by logit `j` is `-p_j (log p_j + H)`.
pub(crate) fn log_softmax_and_entropy_backward(
    logits: &mut [f32],
    rows: BySoftmax<'_>,
    entropies: impl Iterator<Item = (f32, f32)>,
    width: usize,
) {
    let BySoftmax { sums, targets, by_log_probs } = rows;
    let rows = logits.chunks_exact_mut(width).zip(sums).zip(targets).zip(by_log_probs).zip(entropies);
    for ((((row, &sum), &target), &factor), (entropy, by_entropy)) in rows {
        vectorized(
            #[inline(always)]
            || {
                let constant = by_entropy.mul_add(entropy, factor);
                for x in row.iter_mut() {
                    let log_p = *x - sum;
                    *x = -exp(log_p) * by_entropy.mul_add(log_p, constant);
                }
            },
        );
        row[target as usize] += factor;
    }
}

/// Turns the two halves of every head of a row by the angles of its position; back if `back`.
pub(crate) fn rotate(heads: &mut [f32], cosine: &[f32], sine: &[f32], back: bool) {
    let half = cosine.len();
    let sign = if back { -1.0 } else { 1.0 };
    vectorized(
        #[inline(always)]
        || {
            for head in heads.chunks_exact_mut(2 * half) {
                let (first, second) = head.split_at_mut(half);
                for i in 0..half {
                    let (a, b, s) = (first[i], second[i], sign * sine[i]);
                    first[i] = a * cosine[i] - b * s;
                    second[i] = b * cosine[i] + a * s;
                }
            }
        },
    );
}

/// The keys of one head: of each of its numbers a row over positions, `stride` apart, so that scores are sums of whole rows.
#[derive(Clone, Copy)]
pub(crate) struct HeadKeys<'a> {
    pub data: &'a [f32],
    pub stride: usize,
}

/// Attention of one query vector: softmax of `factor * K q`, then the mean by it of the values, which have as many numbers as the query;
/// `scores` has one place for each position that is seen.
pub(crate) fn attend(
    target: &mut [f32],
    query: &[f32],
    keys: HeadKeys<'_>,
    values: &[f32],
    scores: &mut [f32],
    factor: f32,
) {
    let (width, count) = (query.len(), scores.len());
    vectorized(
        #[inline(always)]
        || {
            let row = |at: usize| &keys.data[at * keys.stride..][..count];
            scores.fill(0.0);
            let (eights, rest) = query.as_chunks::<8>();
            for (block, q) in eights.iter().enumerate() {
                add_eight(scores, q, std::array::from_fn(|at| row(8 * block + at)));
            }
            for (at, q) in rest.iter().enumerate() {
                add_one(scores, *q, row(8 * eights.len() + at));
            }
            scores.iter_mut().for_each(|score| *score *= factor);
            softmax_row(scores);
            let row = |at: usize| &values[at * width..][..width];
            target.fill(0.0);
            let (eights, rest) = scores.as_chunks::<8>();
            for (block, share) in eights.iter().enumerate() {
                add_eight(target, share, std::array::from_fn(|at| row(8 * block + at)));
            }
            for (at, share) in rest.iter().enumerate() {
                add_one(target, *share, row(8 * eights.len() + at));
            }
        },
    );
}

/// Adds eight rows, each times its factor, in two sums that do not wait for each other.
#[inline(always)]
fn add_eight(target: &mut [f32], factors: &[f32; 8], rows: [&[f32]; 8]) {
    let [a, b, c, d, e, f, g, h] = rows.map(|row| &row[..target.len()]);
    let x = factors;
    for (j, target) in target.iter_mut().enumerate() {
        let one = x[0].mul_add(a[j], x[1].mul_add(b[j], x[2].mul_add(c[j], x[3] * d[j])));
        let two = x[4].mul_add(e[j], x[5].mul_add(f[j], x[6].mul_add(g[j], x[7] * h[j])));
        *target += one + two;
    }
}

#[inline(always)]
fn add_one(target: &mut [f32], factor: f32, row: &[f32]) {
    for (target, x) in target.iter_mut().zip(row) {
        *target = factor.mul_add(*x, *target);
    }
}

/// `target += other`.
pub(crate) fn add(target: &mut [f32], other: &[f32]) {
    target.iter_mut().zip(other).for_each(|(target, other)| *target += other);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_a_few_units_of_the_last_place() {
        for step in -8600..=8700 {
            let x = step as f32 * 0.01 + 0.003;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(((found - expected) / expected).abs() < 4e-7, "{x}: {found} and {expected}");
        }
        assert!(exp(-1e30) < 1e-37 && exp(f32::NEG_INFINITY) < 1e-37);
    }

    #[test]
    fn one_row_and_many_give_the_same_product() {
        let mut rng = rec_core::random::stream(1, "test", 0);
        for (inputs, outputs) in [(1, 1), (8, 5), (19, 33), (64, 48)] {
            let x = crate::projection::normal(6 * inputs, 1.0, &mut rng);
            let weight = crate::projection::normal(inputs * outputs, 1.0, &mut rng);
            let mut many = vec![0.0; 6 * outputs];
            let (left, right) = (View::new(&x, 6, inputs), View::new(&weight, inputs, outputs));
            multiply(&mut many, outputs, Into::Replace, 1.0, left, right);
            for row in 0..6 {
                let (all, x) = (x.clone(), &x[row * inputs..][..inputs]);
                let mut one = vec![0.0; outputs];
                multiply_row(&mut one, x, &weight);
                let mut few = vec![0.0; 6 * outputs];
                multiply_few(&mut few, &all, &weight, inputs, outputs);
                assert!(few.iter().zip(&many).all(|(a, b)| (a - b).abs() < 1e-4));
                let plain = |j: usize| -> f32 { (0..inputs).map(|i| x[i] * weight[i * outputs + j]).sum() };
                for j in 0..outputs {
                    assert!(
                        (one[j] - plain(j)).abs() < 1e-4 && (many[row * outputs + j] - plain(j)).abs() < 1e-4
                    );
                }
            }
        }
    }
}
