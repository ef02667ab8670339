//! Beyond accuracy: how much of the catalogue the lists show, how evenly, and how far from the beaten path.
//!
//! `counts` is how often each item of the catalogue was recommended, all lists together, one entry an item
//! (never-recommended ones included). RecBole counts its padding row as an item; there is none here, so its
//! coverage is ours times `n / (n + 1)`.

use crate::ItemId;

/// The share of the catalogue that at least one list holds; 0 for an empty catalogue.
pub fn coverage(counts: &[u32]) -> f64 {
    let shown = counts.iter().filter(|&&count| count > 0).count();
    if counts.is_empty() { 0.0 } else { shown as f64 / counts.len() as f64 }
}

/// The Gini index of the recommendation counts: 0 if all items are shown equally often, towards 1 if few get all.
///
/// `sum_i (2 i - n - 1) c_i / (n T)` over the counts in ascending order, `T` their sum. (RecBole takes
/// `T = users × k`, which is the same as long as every list is full.) 0 if nothing was recommended.
pub fn gini(counts: &[u32]) -> f64 {
    let n = counts.len();
    // Zeros come first in ascending order and add nothing: only the others need sorting.
    let mut shown: Vec<u32> = counts.iter().copied().filter(|&count| count > 0).collect();
    shown.sort_unstable();
    let zeros = n - shown.len();
    let mut weighted = 0.0;
    let mut total = 0.0;
    for (index, &count) in shown.iter().enumerate() {
        let i = (zeros + index + 1) as f64;
        weighted += (2.0 * i - n as f64 - 1.0) * f64::from(count);
        total += f64::from(count);
    }
    if total == 0.0 { 0.0 } else { weighted / (n as f64 * total) }
}

/// The Shannon entropy of the recommendation counts, in nats: `-sum p ln p`, `p` an item's share of all
/// recommendations. 0 if nothing was recommended.
pub fn entropy(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    // + 0.0 turns the -0.0 of a single item into 0.0.
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| {
            let share = f64::from(count) / total;
            -share * share.ln()
        })
        .sum::<f64>()
        + 0.0
}

/// [`entropy`] divided by the number of distinct recommended items: what RecBole's code (not its documentation)
/// calls ShannonEntropy. Hard to interpret; for comparison with published numbers only.
pub fn entropy_per_item(counts: &[u32]) -> f64 {
    let shown = counts.iter().filter(|&&count| count > 0).count();
    if shown == 0 { 0.0 } else { entropy(counts) / shown as f64 }
}

/// The mean number of training interactions of a list's items; `None` for an empty list.
///
/// # Panics
/// If an item has no count.
pub fn average_popularity(list: &[ItemId], train_counts: &[u32]) -> Option<f64> {
    mean(list, |item| f64::from(train_counts[item.index()]))
}

/// How surprising a list is: the mean of `-log2 p(i)`, `p` the share of users in training that touched the item
/// (an item that nobody touched counts as touched by one). `None` for an empty list. In bits.
///
/// `train_users` is the number of users with a training interaction, `item_users` the number of distinct ones of
/// each item.
///
/// # Panics
/// If an item has no count.
pub fn novelty(list: &[ItemId], item_users: &[u32], train_users: usize) -> Option<f64> {
    let all = train_users.max(1) as f64;
    mean(list, |item| (all / f64::from(item_users[item.index()].max(1))).log2())
}

/// The share of a list's items that are in the tail; `None` for an empty list.
///
/// # Panics
/// If `tail` (see [`tail_items`]) lacks an item.
pub fn tail_share(list: &[ItemId], tail: &[bool]) -> Option<f64> {
    mean(list, |item| f64::from(u8::from(tail[item.index()])))
}

fn mean(list: &[ItemId], value: impl Fn(ItemId) -> f64) -> Option<f64> {
    let sum: f64 = list.iter().map(|&item| value(item)).sum();
    (!list.is_empty()).then(|| sum / list.len() as f64)
}

/// Which items are the long tail.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tail {
    /// Of the items with a training interaction, this share with the fewest (ties by lower id), at least one
    /// item. RecBole's default is 0.1.
    Share(f64),
    /// The items with at least one and at most this many training interactions.
    AtMost(u32),
}

impl Default for Tail {
    fn default() -> Self {
        Self::Share(0.1)
    }
}

/// For each item whether it belongs to the tail by its number of training interactions.
///
/// RecBole leaves out items that were never trained; `include_cold` counts them as tail.
pub fn tail_items(train_counts: &[u32], tail: Tail, include_cold: bool) -> Vec<bool> {
    let mut is_tail: Vec<bool> = train_counts.iter().map(|&count| count == 0 && include_cold).collect();
    match tail {
        Tail::AtMost(most) => {
            for (flag, &count) in is_tail.iter_mut().zip(train_counts) {
                *flag |= (1..=most).contains(&count);
            }
        }
        Tail::Share(share) => {
            let mut trained: Vec<usize> =
                (0..train_counts.len()).filter(|&item| train_counts[item] > 0).collect();
            trained.sort_unstable_by_key(|&item| (train_counts[item], item));
            let size = ((share * trained.len() as f64).floor() as usize).max(1);
            for &item in trained.iter().take(size) {
                is_tail[item] = true;
            }
        }
    }
    is_tail
}

/// How different a list's items are from each other: 1 minus the cosine of their sets of categories, averaged over
/// all pairs. Items without a category are left out; `None` if fewer than two are left.
///
/// # Panics
/// If an item has no entry in `categories`.
pub fn intra_list_diversity(list: &[ItemId], categories: &[Vec<u32>], n_categories: usize) -> Option<f64> {
    // With unit vectors v, the sum of cosines over pairs is (|sum v|^2 - n) / 2: no loop over pairs.
    let mut sum = vec![0.0_f64; n_categories];
    let mut n = 0.0_f64;
    for item in list {
        let own = &categories[item.index()];
        if own.is_empty() {
            continue;
        }
        let weight = 1.0 / (own.len() as f64).sqrt();
        for &category in own {
            sum[category as usize] += weight;
        }
        n += 1.0;
    }
    if n < 2.0 {
        return None;
    }
    let squared: f64 = sum.iter().map(|x| x * x).sum();
    Some(1.0 - (squared - n) / (n * (n - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    fn items(ids: &[u32]) -> Vec<ItemId> {
        ids.iter().map(|&id| ItemId(id)).collect()
    }

    #[test]
    fn of_counts_by_hand() {
        let counts = [3, 0, 1, 0];
        close(coverage(&counts), 0.5);
        // Ascending 0 0 1 3: (2*3-5)*1 + (2*4-5)*3 = 10, over 4 * 4.
        close(gini(&counts), 10.0 / 16.0);
        close(entropy(&counts), -(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln()));
        close(entropy_per_item(&counts), entropy(&counts) / 2.0);
    }

    #[test]
    fn of_counts_at_the_ends() {
        close(gini(&[2, 2, 2]), 0.0);
        close(gini(&[0, 0, 0, 5]), 0.75);
        close(entropy(&[7, 7, 7, 7]), 4f64.ln());
        for nothing in [&[][..], &[0, 0]] {
            assert_eq!(
                [coverage(nothing), gini(nothing), entropy(nothing), entropy_per_item(nothing)],
                [0.0; 4]
            );
        }
        assert!(entropy(&[5]).is_sign_positive());
    }

    #[test]
    fn popularity_and_novelty_by_hand() {
        let counts = [4, 2, 0, 1];
        close(average_popularity(&items(&[0, 3]), &counts).unwrap(), 2.5);
        // 4 users: item 0 has all (0 bits), item 1 half (1 bit), item 2 none, counted as one (2 bits).
        close(novelty(&items(&[0, 1, 2]), &counts, 4).unwrap(), 1.0);
        assert_eq!(average_popularity(&[], &counts), None);
        assert_eq!(novelty(&[], &counts, 4), None);
    }

    #[test]
    fn tail_by_hand() {
        let counts = [5, 0, 1, 1, 3];
        assert_eq!(tail_items(&counts, Tail::Share(0.1), false), [false, false, true, false, false]);
        assert_eq!(tail_items(&counts, Tail::Share(0.5), false), [false, false, true, true, false]);
        assert_eq!(tail_items(&counts, Tail::Share(0.1), true), [false, true, true, false, false]);
        assert_eq!(tail_items(&counts, Tail::AtMost(3), false), [false, false, true, true, true]);
        let tail = tail_items(&counts, Tail::AtMost(1), true);
        close(tail_share(&items(&[0, 1, 2, 4]), &tail).unwrap(), 0.5);
        assert_eq!(tail_items(&[0, 0], Tail::default(), false), [false, false]);
    }

    #[test]
    fn diversity_equals_the_loop_over_pairs() {
        let categories = vec![vec![0, 1], vec![1], vec![], vec![2, 0, 1], vec![3]];
        let list = items(&[0, 1, 2, 3, 4]);
        let mut sum = 0.0;
        let mut pairs = 0.0;
        for (place, &a) in list.iter().enumerate() {
            for &b in &list[place + 1..] {
                let (a, b) = (&categories[a.index()], &categories[b.index()]);
                if !a.is_empty() && !b.is_empty() {
                    let both = a.iter().filter(|category| b.contains(category)).count() as f64;
                    sum += 1.0 - both / ((a.len() * b.len()) as f64).sqrt();
                    pairs += 1.0;
                }
            }
        }
        close(intra_list_diversity(&list, &categories, 4).unwrap(), sum / pairs);
        assert_eq!(intra_list_diversity(&items(&[2, 4]), &categories, 4), None);
    }
}
