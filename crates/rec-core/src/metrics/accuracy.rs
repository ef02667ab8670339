//! Accuracy of one user's list against the set of items the user went on to touch.
//!
//! Each function takes the places of the hits in the list ([`hit_ranks`]), the number of positives, and the
//! cut-off `k`. A list may be shorter than `k`: what is missing counts as wrong. All definitions are those of
//! RecBole 1.2.1 (F1 is not in RecBole). A user without positives has no value: every function panics on
//! `n_positives == 0` in debug builds, evaluators leave such users out.

use std::sync::LazyLock;

use crate::ItemId;

/// The 1-based ranks at which `ranked` holds a member of `positives` (ascending, without duplicates), ascending.
///
/// `ranks` is cleared first; passing it in lets a caller reuse the buffer.
pub fn hit_ranks(ranked: impl IntoIterator<Item = ItemId>, positives: &[ItemId], ranks: &mut Vec<u32>) {
    ranks.clear();
    for (place, item) in ranked.into_iter().enumerate() {
        if positives.binary_search(&item).is_ok() {
            ranks.push(place as u32 + 1);
        }
    }
}

/// How many of the ascending `ranks` are at most `k`.
#[inline]
fn hits_within(ranks: &[u32], k: usize) -> usize {
    ranks.partition_point(|&rank| rank as usize <= k)
}

/// 1 if there is a hit in the first `k` places, else 0 (also called hit rate, HR).
pub fn hit(ranks: &[u32], k: usize) -> f64 {
    f64::from(u8::from(hits_within(ranks, k) > 0))
}

/// Hits in the first `k` places, divided by `k`, even if the list is shorter.
pub fn precision(ranks: &[u32], k: usize) -> f64 {
    hits_within(ranks, k) as f64 / k as f64
}

/// Hits in the first `k` places, divided by the number of positives (not by `min(n, k)`).
pub fn recall(ranks: &[u32], n_positives: usize, k: usize) -> f64 {
    debug_assert!(n_positives > 0);
    hits_within(ranks, k) as f64 / n_positives as f64
}

/// The harmonic mean of [`precision`] and [`recall`]; 0 if both are 0.
pub fn f1(ranks: &[u32], n_positives: usize, k: usize) -> f64 {
    // 2PR / (P + R) with P = h/k and R = h/n is 2h / (k + n).
    debug_assert!(n_positives > 0);
    2.0 * hits_within(ranks, k) as f64 / (k + n_positives) as f64
}

/// One over the rank of the first hit if that is at most `k`, else 0 (mean reciprocal rank, once averaged).
pub fn mrr(ranks: &[u32], k: usize) -> f64 {
    match ranks.first() {
        Some(&rank) if rank as usize <= k => 1.0 / f64::from(rank),
        _ => 0.0,
    }
}

/// The precision at each hit in the first `k` places, summed and divided by `min(n, k)` (mean average precision,
/// once averaged).
pub fn map(ranks: &[u32], n_positives: usize, k: usize) -> f64 {
    debug_assert!(n_positives > 0);
    let hits = &ranks[..hits_within(ranks, k)];
    let precisions = hits.iter().zip(1..).map(|(&rank, found)| f64::from(found) / f64::from(rank));
    // Not `sum`, which is -0.0 for nothing.
    let sum = precisions.fold(0.0, |sum, precision| sum + precision);
    sum / n_positives.min(k) as f64
}

/// Discounted gain of the hits, gain 1 and discount `1 / log2(rank + 1)`, divided by that of a list whose first
/// `min(n, k)` places are hits.
pub fn ndcg(ranks: &[u32], n_positives: usize, k: usize) -> f64 {
    debug_assert!(n_positives > 0);
    let hits = &ranks[..hits_within(ranks, k)];
    let gain = hits.iter().fold(0.0, |gain, &rank| gain + discount(rank as usize));
    gain / ideal_gain(n_positives.min(k))
}

/// Ranks for which discounts and their sums are kept in a table: log2 would cost more than all the rest.
const TABLE: usize = 1024;

/// The discount of each rank (from 1) and the sum of the discounts up to it.
static DISCOUNTS: LazyLock<(Vec<f64>, Vec<f64>)> = LazyLock::new(|| {
    let discounts: Vec<f64> = (1..=TABLE).map(|rank| 1.0 / ((rank + 1) as f64).log2()).collect();
    let mut sum = 0.0;
    let mut sums = vec![0.0];
    sums.extend(discounts.iter().map(|discount| {
        sum += discount;
        sum
    }));
    (discounts, sums)
});

fn discount(rank: usize) -> f64 {
    let (discounts, _) = &*DISCOUNTS;
    discounts.get(rank - 1).copied().unwrap_or_else(|| 1.0 / ((rank + 1) as f64).log2())
}

fn ideal_gain(places: usize) -> f64 {
    let (_, sums) = &*DISCOUNTS;
    match sums.get(places) {
        Some(&sum) => sum,
        None => sums[TABLE] + (TABLE + 1..=places).map(discount).sum::<f64>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(ranked: &[u32], positives: &[u32]) -> Vec<u32> {
        let positives: Vec<ItemId> = positives.iter().map(|&item| ItemId(item)).collect();
        let mut ranks = vec![9];
        hit_ranks(ranked.iter().map(|&item| ItemId(item)), &positives, &mut ranks);
        ranks
    }

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn by_hand() {
        // The list holds the positives at ranks 1 and 4; item 9 is never listed.
        let ranks = ranks(&[5, 0, 1, 2, 3], &[2, 5, 9]);
        assert_eq!(ranks, [1, 4]);
        close(hit(&ranks, 3), 1.0);
        close(precision(&ranks, 3), 1.0 / 3.0);
        close(precision(&ranks, 10), 0.2);
        close(recall(&ranks, 3, 3), 1.0 / 3.0);
        close(recall(&ranks, 3, 4), 2.0 / 3.0);
        close(f1(&ranks, 3, 4), 2.0 * (0.5 * 2.0 / 3.0) / (0.5 + 2.0 / 3.0));
        close(mrr(&ranks, 2), 1.0);
        close(map(&ranks, 3, 4), (1.0 + 2.0 / 4.0) / 3.0);
        close(map(&ranks, 3, 2), 1.0 / 2.0);
        let ideal = 1.0 + 1.0 / 3f64.log2() + 0.5;
        close(ndcg(&ranks, 3, 5), (1.0 + 1.0 / 5f64.log2()) / ideal);
        close(ndcg(&ranks, 3, 2), 1.0 / (1.0 + 1.0 / 3f64.log2()));
    }

    #[test]
    fn no_hit_is_zero() {
        let ranks = ranks(&[0, 1], &[4]);
        for value in [
            hit(&ranks, 2),
            precision(&ranks, 2),
            recall(&ranks, 1, 2),
            f1(&ranks, 1, 2),
            mrr(&ranks, 2),
            map(&ranks, 1, 2),
            ndcg(&ranks, 1, 2),
        ] {
            assert_eq!(value, 0.0);
        }
        close(mrr(&[3], 2), 0.0);
        close(f1(&[], 1, 2), 0.0);
    }

    #[test]
    fn long_lists_leave_the_table() {
        let all: Vec<u32> = (1..=3000).collect();
        close(ndcg(&all, 3000, 3000), 1.0);
        let brute: f64 = (1..=2000).map(|rank| 1.0 / f64::from(rank + 1).log2()).sum();
        assert!((ideal_gain(2000) - brute).abs() < 1e-9);
    }
}
