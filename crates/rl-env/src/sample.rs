//! Drawing items from scores.

use rand::RngExt;
use rayon::prelude::*;
use rec_core::random::Random;

use crate::bits::MaskedRows;

/// For each row of `logits` (`[n, n_items]`) an item drawn with the probabilities `softmax(row)`, masked items left out.
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
    logits.par_chunks_exact_mut(n_items).zip(&draws).zip(items).with_min_len(8).for_each(
        |((row, &draw), item)| {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert!(most > f32::NEG_INFINITY, "every item is masked");
            let mut sum = 0.0;
            for score in row.iter_mut() {
                *score = (*score - most).exp();
                sum += *score;
            }
            let target = draw * sum;
            let mut running = 0.0;
            // Rounding may leave the target beyond the last sum: then the last possible item.
            *item = row
                .iter()
                .position(|&weight| {
                    running += weight;
                    weight > 0.0 && running > target
                })
                .unwrap_or_else(|| {
                    row.iter().rposition(|&weight| weight > 0.0).expect("the largest weight is 1")
                }) as u32;
        },
    );
}

/// For each row of `scores` the item with the largest score, the smallest id among equals, masked items left out.
///
/// # Panics
/// As [`categorical`].
pub fn greedy(scores: &mut [f32], n_items: usize, masked: Option<MaskedRows<'_>>, items: &mut Vec<u32>) {
    mask(scores, n_items, masked, f32::NEG_INFINITY);
    items.clear();
    items.extend(scores.chunks_exact(n_items).map(|row| {
        let mut best = 0;
        for (item, &score) in row.iter().enumerate() {
            if score > row[best] {
                best = item;
            }
        }
        assert!(row[best] > f32::NEG_INFINITY, "every item is masked");
        best as u32
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
