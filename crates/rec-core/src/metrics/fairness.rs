//! Whether recommendations give items and categories the share they have in the users' histories.
//!
//! The measures are those of SPRec (Gao et al., 2024); MGU and DGU come from IFairLRS (Jiang et al., WWW 2024).

use crate::ItemId;

/// DivRatio: distinct recommended items, divided by the number of recommendations (`users × k` when every list is
/// full). 1 if no item is recommended twice; 0 if nothing was recommended.
pub fn div_ratio(counts: &[u32]) -> f64 {
    let shown = counts.iter().filter(|&&count| count > 0).count();
    ratio(shown as f64, total(counts))
}

/// ORRatio ("over-recommendation"): the share of all recommendations that the three most recommended items get.
/// 0 if nothing was recommended.
pub fn or_ratio(counts: &[u32]) -> f64 {
    let mut most = [0_u32; 3];
    for &count in counts {
        if count > most[2] {
            most[2] = count;
            most.sort_unstable_by(|a, b| b.cmp(a));
        }
    }
    ratio(total(&most), total(counts))
}

fn total(counts: &[u32]) -> f64 {
    counts.iter().map(|&count| f64::from(count)).sum()
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// The share of each category in a bag of items: an item with `m` categories gives `1/m` to each of them, items
/// without one are ignored, and the result sums to 1 (to 0 if there is nothing to share).
///
/// The bag is given as items with how often they occur.
///
/// # Panics
/// If an item has no entry in `categories` or a category is not below `n_categories`.
pub fn category_shares(
    bag: impl IntoIterator<Item = (ItemId, u32)>,
    categories: &[Vec<u32>],
    n_categories: usize,
) -> Vec<f64> {
    let mut shares = vec![0.0; n_categories];
    for (item, count) in bag {
        let own = &categories[item.index()];
        for &category in own {
            shares[category as usize] += f64::from(count) / own.len() as f64;
        }
    }
    let sum: f64 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

/// MGU: the mean over categories of how far their share of the recommendations is from that of the histories.
/// 0 without categories.
///
/// # Panics
/// If the two differ in length.
pub fn mgu(recommended: &[f64], histories: &[f64]) -> f64 {
    let sum: f64 = differences(recommended, histories).map(f64::abs).sum();
    ratio(sum, recommended.len() as f64)
}

/// DGU: the share of the most over-served category minus that of the most under-served one, each against its share
/// of the histories. 0 without categories.
///
/// # Panics
/// If the two differ in length.
pub fn dgu(recommended: &[f64], histories: &[f64]) -> f64 {
    let (low, high) = differences(recommended, histories)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), difference| {
            (low.min(difference), high.max(difference))
        });
    if recommended.is_empty() { 0.0 } else { high - low }
}

fn differences<'a>(recommended: &'a [f64], histories: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
    assert_eq!(recommended.len(), histories.len(), "different categories");
    recommended.iter().zip(histories).map(|(p, h)| p - h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn ratios_by_hand() {
        let counts = [1, 4, 0, 2, 3];
        close(div_ratio(&counts), 0.4);
        close(or_ratio(&counts), 0.9);
        close(or_ratio(&[2, 2]), 1.0);
        assert_eq!((div_ratio(&[0]), or_ratio(&[])), (0.0, 0.0));
    }

    #[test]
    fn groups_by_hand() {
        let categories = vec![vec![0], vec![0, 1], vec![], vec![2]];
        // Masses 2 + .5, .5, 1 of 4; item 2 has no category and gives nothing.
        let recommended =
            category_shares([(ItemId(0), 2), (ItemId(1), 1), (ItemId(2), 5), (ItemId(3), 1)], &categories, 3);
        for (share, expected) in recommended.iter().zip([2.5 / 4.0, 0.5 / 4.0, 1.0 / 4.0]) {
            close(*share, expected);
        }
        let histories = category_shares([(ItemId(1), 1), (ItemId(3), 1)], &categories, 3);
        for (share, expected) in histories.iter().zip([0.25, 0.25, 0.5]) {
            close(*share, expected);
        }
        close(mgu(&recommended, &histories), (0.375 + 0.125 + 0.25) / 3.0);
        close(dgu(&recommended, &histories), 0.375 + 0.25);
        assert_eq!(category_shares([], &categories, 3), [0.0; 3]);
        assert_eq!((mgu(&[], &[]), dgu(&[], &[])), (0.0, 0.0));
    }
}
