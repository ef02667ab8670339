//! Sums over `f32` vectors in a fixed order, written so that the compiler turns them into whatever SIMD
//! instructions the machine has.
//!
//! All functions are inlined into a caller that runs inside [`vectorised`], which picks the instruction set once
//! for a whole block of work. The order of additions is in the source, not in the width of a register, and products
//! are rounded before they are added, so every machine gives the same bits.

/// Partial sums of a dot product.
const LANES: usize = 32;

/// Runs `work` compiled for the widest instruction set that this machine has.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The inner product.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let mut sums = [0.0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (lane, (a, b)) in a_rest.iter().zip(b_rest).enumerate() {
        sums[lane] += a * b;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// `target += factor * vector`.
#[inline(always)]
pub(crate) fn add_scaled(target: &mut [f32], factor: f32, vector: &[f32]) {
    for (target, value) in target.iter_mut().zip(vector) {
        *target += factor * value;
    }
}

/// `target += sum of factors[i] * vectors[i]` for four vectors in one pass over the target.
#[inline(always)]
pub(crate) fn add_four_scaled(target: &mut [f32], factors: [f32; 4], vectors: [&[f32]; 4]) {
    let n = target.len();
    let [a, b, c, d] = vectors.map(|vector| &vector[..n]);
    for i in 0..n {
        let left = factors[0] * a[i] + factors[1] * b[i];
        let right = factors[2] * c[i] + factors[3] * d[i];
        target[i] += left + right;
    }
}

/// `target += matrix' * factors` for a row-major matrix whose rows are as long as `target`.
#[inline(always)]
pub(crate) fn add_rows_scaled(target: &mut [f32], factors: &[f32], matrix: &[f32]) {
    let dim = target.len();
    if dim == 0 {
        return;
    }
    let (fours, rest) = factors.as_chunks::<4>();
    let mut blocks = matrix.chunks_exact(4 * dim);
    for (factors, block) in fours.iter().zip(&mut blocks) {
        let (left, right) = block.split_at(2 * dim);
        let (a, b) = left.split_at(dim);
        let (c, d) = right.split_at(dim);
        add_four_scaled(target, *factors, [a, b, c, d]);
    }
    for (&factor, row) in rest.iter().zip(blocks.remainder().chunks_exact(dim)) {
        add_scaled(target, factor, row);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_those_of_the_definition(dim in 0usize..100, seed in 0u32..1000) {
            let value = |i: usize| (((i as u32 + 1).wrapping_mul(seed * 2 + 7919) % 201) as f32 - 100.0) / 16.0;
            let a: Vec<f32> = (0..dim).map(value).collect();
            let b: Vec<f32> = (0..dim).map(|i| value(i + 500)).collect();
            let exact: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            prop_assert!((f64::from(vectorised(|| dot(&a, &b))) - exact).abs() < 1e-2);

            let rows = 1 + seed as usize % 9;
            let factors: Vec<f32> = (0..rows).map(|i| value(i + 900)).collect();
            let matrix: Vec<f32> = (0..rows * dim).map(|i| value(i + 40)).collect();
            let mut sum = a.clone();
            vectorised(|| add_rows_scaled(&mut sum, &factors, &matrix));
            for i in 0..dim {
                let exact: f64 = f64::from(a[i])
                    + (0..rows).map(|r| f64::from(factors[r]) * f64::from(matrix[r * dim + i])).sum::<f64>();
                prop_assert!((f64::from(sum[i]) - exact).abs() < 1e-3);
            }
        }
    }
}
