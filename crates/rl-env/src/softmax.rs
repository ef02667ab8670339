//! Softmax over long rows on the host, in as few passes as it takes.
//!
//! A policy over thousands of items spends its time here. Sums have a fixed order that does not depend on the width of
//! the machine's registers, so that every machine gives the same bits.

use rayon::prelude::*;

/// Partial sums of a row.
const LANES: usize = 16;
/// Numbers below which a thread of its own does not pay.
const GRAIN: usize = 1 << 14;

/// Runs `work`, a closure that is always inlined, compiled for the widest instruction set that this machine has.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// How many rows of `columns` numbers a task should have at least.
pub(crate) fn rows_per_task(columns: usize) -> usize {
    GRAIN / columns.max(1) + 1
}

/// `e^x` for `x <= 0`, to about one unit in the last place; 0 below -87, where single precision has no more normal
/// numbers. Without branches, so that loops over it become vector instructions.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // x = k ln 2 + r, |r| <= ln 2 / 2; adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let k = shifted - ROUND;
    let r = (clamped - k * LN_2_HIGH) - k * LN_2_LOW;
    // The minimax polynomial of Cephes' expf (Moshier).
    let mut tail = 1.987_569_1e-4;
    tail = tail * r + 1.398_2e-3;
    tail = tail * r + 8.333_452e-3;
    tail = tail * r + 4.166_579_6e-2;
    tail = tail * r + 1.666_666_6e-1;
    tail = tail * r + 0.5;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    let value = (tail * (r * r) + r + 1.0) * power;
    if x > -87.0 { value } else { 0.0 }
}

/// The largest number; minus infinity if there is none.
#[inline(always)]
pub(crate) fn largest(row: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    most.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Turns scores into weights `e^(score - most)` and gives their sum.
#[inline(always)]
pub(crate) fn exponentiate(row: &mut [f32], most: f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - most);
            sums[lane] += chunk[lane];
        }
    }
    for (lane, score) in rest.iter_mut().enumerate() {
        *score = exp(*score - most);
        sums[lane] += *score;
    }
    total(sums)
}

#[cfg(feature = "burn")]
/// The mean of `values` by the probabilities `softmax(logits + bias)`, for each group of as many logits as there are
/// values. `bias` is as long as a row of several groups, and is added to each row.
pub(crate) fn means(logits: &[f32], bias: &[f32], values: &[f32]) -> Vec<f32> {
    let width = values.len();
    let mut means = vec![0.0; logits.len() / width];
    let groups = bias.len() / width;
    let tasks = logits.par_chunks_exact(bias.len()).zip(means.par_chunks_exact_mut(groups));
    tasks.with_min_len(rows_per_task(bias.len())).for_each(|(row, means)| {
        vectorised(
            #[inline(always)]
            || {
                for (at, mean) in means.iter_mut().enumerate() {
                    let group = at * width..(at + 1) * width;
                    *mean = mean_of(&row[group.clone()], &bias[group], values);
                }
            },
        );
    });
    means
}

#[cfg(feature = "burn")]
#[inline(always)]
fn mean_of(row: &[f32], bias: &[f32], values: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let (bias_chunks, bias_rest) = bias.as_chunks::<LANES>();
    let (value_chunks, value_rest) = values.as_chunks::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    for (chunk, bias) in chunks.iter().zip(bias_chunks) {
        for lane in 0..LANES {
            let logit = chunk[lane] + bias[lane];
            largest[lane] = if logit > largest[lane] { logit } else { largest[lane] };
        }
    }
    let rest_logits = || rest.iter().zip(bias_rest).map(|(logit, bias)| logit + bias);
    let most = largest.iter().copied().chain(rest_logits()).fold(f32::NEG_INFINITY, f32::max);
    let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
    for ((chunk, bias), values) in chunks.iter().zip(bias_chunks).zip(value_chunks) {
        for lane in 0..LANES {
            let weight = exp(chunk[lane] + bias[lane] - most);
            sums[lane] += weight;
            products[lane] += weight * values[lane];
        }
    }
    for (lane, (logit, value)) in rest_logits().zip(value_rest).enumerate() {
        let weight = exp(logit - most);
        sums[lane] += weight;
        products[lane] += weight * value;
    }
    total(products) / total(sums)
}

#[cfg(feature = "burn")]
/// Whether one of the numbers is not a number.
pub(crate) fn any_nan(values: &[f32]) -> bool {
    vectorised(
        #[inline(always)]
        || values.iter().fold(false, |any, value| any | value.is_nan()),
    )
}

#[inline(always)]
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            sums[lane] += sums[lane + width];
        }
        width /= 2;
    }
    sums[0]
}

/// What one row comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Choice {
    /// `ln p(action)`.
    pub log_prob: f32,
    /// `H = -sum_j p_j ln p_j`.
    pub entropy: f32,
    /// `ln sum_j e^x_j`.
    pub log_sum: f32,
}

/// For each row of `logits` (`[n, n_items]`) the log-probability of its action and the entropy of the row.
///
/// # Panics
/// If there is not one action below `n_items` per row.
pub fn choices(logits: &[f32], n_items: usize, actions: &[u32]) -> Vec<Choice> {
    assert_eq!(logits.len(), n_items * actions.len(), "one action per row");
    let mut choices = vec![Choice::default(); actions.len()];
    let tasks = logits.par_chunks_exact(n_items).zip(actions).zip(&mut choices);
    tasks.with_min_len(rows_per_task(n_items)).for_each(|((row, &action), choice)| {
        *choice = vectorised(
            #[inline(always)]
            || choice_of(row, action),
        );
    });
    choices
}

#[inline(always)]
fn choice_of(row: &[f32], action: u32) -> Choice {
    let most = largest(row);
    let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            let x = chunk[lane] - most;
            let weight = exp(x);
            sums[lane] += weight;
            products[lane] += weight * x;
        }
    }
    for (lane, score) in rest.iter().enumerate() {
        let weight = exp(score - most);
        sums[lane] += weight;
        products[lane] += weight * (score - most);
    }
    let sum = total(sums);
    let log = sum.ln();
    Choice {
        log_prob: row[action as usize] - most - log,
        entropy: log - total(products) / sum,
        log_sum: most + log,
    }
}

/// Turns logits into the gradient of a loss by them, given its gradients by [`Choice::log_prob`] and
/// [`Choice::entropy`] of each row:
///
/// `dL/dx_j = dL/dl (1[j = a] - p_j) - dL/dH p_j (ln p_j + H)`.
///
/// # Panics
/// If a length does not fit.
pub fn into_gradient(
    logits: &mut [f32],
    n_items: usize,
    actions: &[u32],
    choices: &[Choice],
    by_log_prob: &[f32],
    by_entropy: &[f32],
) {
    assert_eq!(logits.len(), n_items * actions.len(), "one action per row");
    assert!(
        [choices.len(), by_log_prob.len(), by_entropy.len()] == [actions.len(); 3],
        "one gradient of each kind per row"
    );
    let tasks =
        logits.par_chunks_exact_mut(n_items).zip(actions).zip(choices).zip(by_log_prob).zip(by_entropy);
    tasks.with_min_len(rows_per_task(n_items)).for_each(
        |((((row, &action), choice), &by_log_prob), &by_entropy)| {
            vectorised(
                #[inline(always)]
                || {
                    for x in row.iter_mut() {
                        let log = *x - choice.log_sum;
                        *x = -exp(log) * (by_log_prob + by_entropy * (log + choice.entropy));
                    }
                },
            );
            row[action as usize] += by_log_prob;
        },
    );
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rec_core::random::Random;

    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place_and_zero_at_minus_infinity() {
        let mut worst: f64 = 0.0;
        for at in 0..870_000 {
            let x = -(at as f32) * 1e-4;
            worst = worst.max((f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs());
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!((exp(0.0), exp(f32::NEG_INFINITY), exp(-100.0)), (1.0, 0.0, 0.0));
    }

    /// The same in double precision, without tricks.
    fn naive(row: &[f32], action: u32) -> (f64, f64, Vec<f64>) {
        let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
        let p: Vec<f64> = row.iter().map(|&x| f64::from(x).exp() / sum).collect();
        let entropy = -p.iter().map(|p| p * p.ln()).sum::<f64>();
        (p[action as usize].ln(), entropy, p)
    }

    fn normal(count: usize, sd: f32, rng: &mut Random) -> Vec<f32> {
        // Near enough: the sum of twelve uniform draws.
        (0..count).map(|_| ((0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0) * sd).collect()
    }

    #[test]
    fn means_agree_with_the_formula_at_any_width() {
        let mut rng = rec_core::random::stream(4, "test", 0);
        for width in [1, 2, 15, 16, 17, 51] {
            let (logits, values) = (normal(700 * width, 3.0, &mut rng), normal(width, 5.0, &mut rng));
            // Rows of seven groups.
            let bias = normal(7 * width, 1.0, &mut rng);
            for (group, (row, mean)) in logits.chunks(width).zip(means(&logits, &bias, &values)).enumerate() {
                let bias = &bias[group % 7 * width..][..width];
                let row: Vec<f32> = row.iter().zip(bias).map(|(logit, bias)| logit + bias).collect();
                let (_, _, p) = naive(&row, 0);
                let expected: f64 = p.iter().zip(&values).map(|(p, &value)| p * f64::from(value)).sum();
                assert!((f64::from(mean) - expected).abs() < 1e-5, "{mean} instead of {expected}");
            }
        }
    }

    #[test]
    fn choices_and_gradients_agree_with_the_formulas_at_any_width() {
        let mut rng = rec_core::random::stream(3, "test", 0);
        for n_items in [1, 2, 15, 16, 17, 300] {
            let n = 9;
            let mut logits = normal(n * n_items, 3.0, &mut rng);
            let actions: Vec<u32> = (0..n).map(|row| (row * 7 % n_items) as u32).collect();
            let (by_log_prob, by_entropy) = (normal(n, 1.0, &mut rng), normal(n, 1.0, &mut rng));
            let original = logits.clone();
            let found = choices(&logits, n_items, &actions);
            into_gradient(&mut logits, n_items, &actions, &found, &by_log_prob, &by_entropy);
            for row in 0..n {
                let (log_prob, entropy, p) = naive(&original[row * n_items..][..n_items], actions[row]);
                assert!((f64::from(found[row].log_prob) - log_prob).abs() < 1e-5);
                assert!((f64::from(found[row].entropy) - entropy).abs() < 1e-5);
                for item in 0..n_items {
                    let hit = f64::from(u8::from(item as u32 == actions[row]));
                    let expected = f64::from(by_log_prob[row]) * (hit - p[item])
                        - f64::from(by_entropy[row]) * p[item] * (p[item].ln() + entropy);
                    assert!(
                        (f64::from(logits[row * n_items + item]) - expected).abs() < 1e-5,
                        "{n_items} items, row {row}, item {item}"
                    );
                }
            }
        }
    }
}
