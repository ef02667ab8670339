//! Drawing items from scores.

use rand::RngExt;
use rayon::prelude::*;
use rec_core::random::Random;

use crate::bits::MaskedRows;
use crate::softmax::{exponentiate, largest, rows_per_task, vectorised};

/// The most blocks of a row whose weights are summed together; a draw first finds its block.
const BLOCKS: usize = 256;

/// For each row of `logits` (`[n, n_items]`) an item drawn with the probabilities `softmax(row)`, masked items left out.
/// The logits are overwritten.
///
/// One number is drawn from `rng` per row, in order, so that the draws do not depend on the number of threads.
///
/// # Panics
/// If a row is all masked, or `logits` is not a multiple of `n_items` long.
pub fn categorical(
    logits: &mut [f32],
    n_items: usize,
    masked: Option<MaskedRows<'_>>,
    rng: &mut Random,
    items: &mut Vec<u32>,
) {
    mask(logits, n_items, masked, f32::NEG_INFINITY);
    let draws: Vec<f32> = logits.chunks_exact(n_items).map(|_| rng.random()).collect();
    items.clear();
    items.resize(draws.len(), 0);
    let tasks = logits.par_chunks_exact_mut(n_items).zip(&draws).zip(items);
    tasks.with_min_len(rows_per_task(n_items)).for_each(|((row, &draw), item)| {
        *item = vectorised(
            #[inline(always)]
            || drawn(row, draw),
        ) as u32;
    });
}

/// The item at which the running sum of the softmax passes `draw`.
#[inline(always)]
fn drawn(row: &mut [f32], draw: f32) -> usize {
    let most = largest(row);
    assert!(most > f32::NEG_INFINITY, "every item is masked");
    let width = row.len().div_ceil(BLOCKS).max(64);
    let mut sums = [0.0; BLOCKS];
    for (block, sum) in row.chunks_mut(width).zip(&mut sums) {
        *sum = exponentiate(block, most);
    }
    let target = draw * sums.iter().sum::<f32>();
    let mut before = 0.0;
    for (number, block) in row.chunks(width).enumerate() {
        if before + sums[number] > target {
            let mut running = before;
            for (at, &weight) in block.iter().enumerate() {
                running += weight;
                if weight > 0.0 && running > target {
                    return number * width + at;
                }
            }
        }
        before += sums[number];
    }
    // Rounding may leave the target beyond the last sum: then the last possible item.
    row.iter().rposition(|&weight| weight > 0.0).expect("the largest weight is 1")
}

/// For each row of `scores` the item with the largest score, the smallest id among equals, masked items left out.
///
/// # Panics
/// As [`categorical`].
pub fn greedy(scores: &mut [f32], n_items: usize, masked: Option<MaskedRows<'_>>, items: &mut Vec<u32>) {
    mask(scores, n_items, masked, f32::NEG_INFINITY);
    items.clear();
    items.extend(scores.chunks_exact(n_items).map(|row| {
        let most = vectorised(
            #[inline(always)]
            || largest(row),
        );
        assert!(most > f32::NEG_INFINITY, "every item is masked");
        row.iter().position(|&score| score == most).expect("the largest is one of them") as u32
    }));
}

/// Replaces each of `items` with probability `epsilon` by a uniformly drawn item that is not masked.
///
/// Two numbers are drawn from `rng` per state, in order.
///
/// # Panics
/// If a drawn state has every item masked.
pub fn explore(
    items: &mut [u32],
    epsilon: f32,
    n_items: usize,
    masked: Option<MaskedRows<'_>>,
    rng: &mut Random,
) {
    for (row, item) in items.iter_mut().enumerate() {
        let (whether, which) = (rng.random::<f32>(), rng.random::<f64>());
        if whether >= epsilon {
            continue;
        }
        let words = masked.map(|masked| masked.row(row));
        let free =
            n_items - words.map_or(0, |words| words.iter().map(|word| word.count_ones() as usize).sum());
        assert!(free > 0, "every item is masked");
        let at = ((which * free as f64) as usize).min(free - 1);
        *item = match words {
            None => at as u32,
            Some(words) => (0..n_items as u32)
                .filter(|&item| words[item as usize / 64] >> (item % 64) & 1 == 0)
                .nth(at)
                .expect("as many as are free"),
        };
    }
}

/// Writes `value` over the masked items' scores.
pub fn mask(scores: &mut [f32], n_items: usize, masked: Option<MaskedRows<'_>>, value: f32) {
    let Some(masked) = masked else { return };
    for (row, scores) in scores.chunks_exact_mut(n_items).enumerate() {
        for (word, &bits) in masked.row(row).iter().enumerate() {
            let mut left = bits;
            while left != 0 {
                scores[word * 64 + left.trailing_zeros() as usize] = value;
                left &= left - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitMatrix;

    #[test]
    fn draws_follow_the_softmax_and_never_take_a_masked_item() {
        let mut rng = rec_core::random::stream(7, "test", 0);
        for n_items in [3, 70, 1000] {
            let scores: Vec<f32> = (0..n_items).map(|item| (item % 5) as f32 * 0.7).collect();
            let mut bits = BitMatrix::new(1, n_items);
            (0..n_items).step_by(3).for_each(|item| bits.insert(0, item));
            let rows = vec![0; 20_000];
            let (mut items, mut counts) = (Vec::new(), vec![0.0; n_items]);
            for _ in 0..5 {
                let mut logits = scores.repeat(rows.len());
                let masked = MaskedRows { bits: &bits, rows: &rows };
                categorical(&mut logits, n_items, Some(masked), &mut rng, &mut items);
                items.iter().for_each(|&item| counts[item as usize] += 1.0);
            }
            let weight = |item: usize| if bits.get(0, item) { 0.0 } else { f64::from(scores[item]).exp() };
            let sum: f64 = (0..n_items).map(weight).sum();
            let (mut chi, mut possible) = (0.0, 0.0);
            for item in 0..n_items {
                let expected = weight(item) / sum * 1e5;
                if expected == 0.0 {
                    assert_eq!(counts[item], 0.0, "item {item} is masked");
                } else {
                    chi += (counts[item] - expected) * (counts[item] - expected) / expected;
                    possible += 1.0;
                }
            }
            // Five standard deviations of a chi-squared variable.
            let free: f64 = possible - 1.0;
            assert!(chi < free + 5.0 * (2.0 * free).sqrt(), "{n_items} items: {chi} for {free}");
        }
    }

    #[test]
    fn the_greedy_item_is_the_first_of_the_largest_that_is_not_masked() {
        let mut bits = BitMatrix::new(2, 3);
        bits.insert(1, 1);
        let mut scores = vec![-1.0, 5.0, 5.0, -1.0, 5.0, -2.0];
        let mut items = Vec::new();
        greedy(&mut scores, 3, Some(MaskedRows { bits: &bits, rows: &[0, 1] }), &mut items);
        assert_eq!(items, [1, 0]);
    }
}
