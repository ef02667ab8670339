//! How open the log leaves what follows the latest items.

use std::collections::HashMap;

use crate::{Error, LogColumns, Result, TagSlots};

/// What the patterns of an [`EntropyTable`] are made of.
#[derive(Clone, Copy, Debug)]
pub enum EntropyLevel<'a> {
    /// Of items themselves: for catalogues so small that pairs of items recur.
    Items {
        /// How many items there are.
        n_items: usize,
    },
    /// Of items' tags: each combination of one tag per item is a pattern.
    Tags(&'a TagSlots),
}

/// The longest pattern.
const LONGEST: usize = 2;

/// For each pattern of the last one or two items the normalised entropy of what comes next in the log (DORL, Gao et al.,
/// SIGIR 2023, section 4.3).
///
/// A pattern is a multiset: the order of its items does not count. With `p` the shares of its successors in the log,
/// `H = -sum p log2 p / log2(number of distinct successors)`, and 1 for a pattern with fewer than two distinct successors
/// or none in the log. At the level of tags a run of items stands for all patterns of one tag per item, each once, and
/// its entropy is their mean; every tag of the next item counts as one successor.
#[derive(Clone, Debug)]
pub struct EntropyTable {
    windows: Vec<usize>,
    /// Item `i` has the distinct symbols `symbols[starts[i]..starts[i + 1]]`: its tags, or itself.
    starts: Vec<usize>,
    symbols: Vec<u32>,
    entropy: HashMap<u64, f32>,
    /// The sum over the windows of the least entropy.
    least: f32,
}

/// A pattern of one or two symbols, whatever their order.
#[inline]
fn key(symbol: u32, other: Option<u32>) -> u64 {
    let other = other.unwrap_or(u32::MAX);
    u64::from(symbol.min(other)) << 32 | u64::from(symbol.max(other))
}

impl EntropyTable {
    /// Counts what follows what in `log`, whose rows are taken user by user in the order in which they stand.
    ///
    /// `windows` are the lengths of patterns that [`Self::sum`] adds up: 1, 2 or both, as in the paper.
    ///
    /// # Errors
    /// If the log is empty or does not fit the level, or a window is not 1 or 2.
    pub fn from_log(log: LogColumns<'_>, level: EntropyLevel<'_>, windows: &[usize]) -> Result<Self> {
        let mut windows = windows.to_vec();
        windows.sort_unstable();
        windows.dedup();
        if windows.is_empty() || windows.iter().any(|window| !(1..=LONGEST).contains(window)) {
            return Err(Error::config("dorl.windows", format!("is {windows:?}; accepts 1, 2 or both")));
        }
        let (mut starts, mut symbols) = (vec![0], Vec::new());
        match level {
            EntropyLevel::Items { n_items } => {
                symbols.extend(0..n_items as u32);
                starts.extend(1..=n_items);
            }
            EntropyLevel::Tags(tags) => {
                if tags.slots == 0 {
                    return Err(Error::invalid(format!("feature `{}` has no slots", tags.name)));
                }
                for item in 0..tags.values.len() / tags.slots {
                    let mut row: Vec<u32> = tags.row(item).collect();
                    row.sort_unstable();
                    row.dedup();
                    symbols.extend(row);
                    starts.push(symbols.len());
                }
            }
        }
        let n_users = log.users.iter().max().map_or(0, |&user| user as usize + 1);
        log.validate(n_users, starts.len() - 1)?;
        if log.is_empty() {
            return Err(Error::invalid("the log has no rows to count patterns in"));
        }
        let mut table = Self { windows, starts, symbols, entropy: HashMap::new(), least: 0.0 };
        table.count(log);
        Ok(table)
    }

    fn count(&mut self, log: LogColumns<'_>) {
        let mut rows: Vec<usize> = (0..log.len()).collect();
        rows.sort_by_key(|&row| log.users[row]);
        let mut counts: HashMap<(u64, u32), u32> = HashMap::new();
        for (at, &row) in rows.iter().enumerate() {
            let before = |back: usize| {
                let other = *rows.get(at.checked_sub(back)?)?;
                (log.users[other] == log.users[row]).then(|| log.items[other])
            };
            let mut add = |pattern: u64| {
                for &next in self.of(log.items[row]) {
                    *counts.entry((pattern, next)).or_default() += 1;
                }
            };
            for &window in &self.windows {
                match (window, before(1), before(2)) {
                    (1, Some(last), _) => self.of(last).iter().for_each(|&symbol| add(key(symbol, None))),
                    (2, Some(last), Some(before)) => {
                        self.pairs(before, last, |symbol, other| add(key(symbol, Some(other))));
                    }
                    _ => {}
                }
            }
        }
        // Sorted, so that sums of floats do not depend on the order of a hash map.
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        let mut least = [1.0_f32; LONGEST];
        for successors in counts.chunk_by(|a, b| a.0.0 == b.0.0) {
            let pattern = successors[0].0.0;
            let total: f64 = successors.iter().map(|&(_, count)| f64::from(count)).sum();
            let entropy = match successors.len() {
                1 => 1.0,
                distinct => {
                    let bits: f64 = successors
                        .iter()
                        .map(|&(_, count)| {
                            let share = f64::from(count) / total;
                            -share * share.log2()
                        })
                        .sum();
                    (bits / (distinct as f64).log2()).min(1.0) as f32
                }
            };
            let length = if pattern as u32 == u32::MAX { 1 } else { 2 };
            least[length - 1] = least[length - 1].min(entropy);
            self.entropy.insert(pattern, entropy);
        }
        self.least = self.windows.iter().map(|&window| least[window - 1]).sum();
    }

    /// The table for items `0, 1, …` that are the log's `items[0], items[1], …`: for a truth over a part of the log's
    /// items.
    ///
    /// # Errors
    /// If an item is not one of the log's.
    pub fn select(&self, items: &[u32]) -> Result<Self> {
        if let Some(item) = items.iter().find(|&&item| item as usize >= self.n_items()) {
            return Err(Error::invalid(format!("no item {item} among the {} of the log", self.n_items())));
        }
        let (mut starts, mut symbols) = (vec![0], Vec::new());
        for &item in items {
            symbols.extend_from_slice(self.of(item));
            starts.push(symbols.len());
        }
        Ok(Self { starts, symbols, ..self.clone() })
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.starts.len() - 1
    }

    /// The lengths of patterns that count.
    pub fn windows(&self) -> &[usize] {
        &self.windows
    }

    /// The entropies of the last items, `item` being the latest and `taken` those before it, oldest first, summed over
    /// the windows; 1 for a window that is longer than the episode so far or holds an item without tags.
    ///
    /// # Panics
    /// If there is no such item.
    #[inline]
    pub fn sum(&self, item: u32, taken: &[u32]) -> f32 {
        let mut sum = 0.0;
        for &window in &self.windows {
            let (mut entropies, mut patterns) = (0.0, 0_u32);
            let mut add = |pattern: u64| {
                entropies += self.entropy.get(&pattern).copied().unwrap_or(1.0);
                patterns += 1;
            };
            match (window, taken.last()) {
                (1, _) => self.of(item).iter().for_each(|&symbol| add(key(symbol, None))),
                (_, Some(&last)) => self.pairs(last, item, |symbol, other| add(key(symbol, Some(other)))),
                _ => {}
            }
            sum += if patterns == 0 { 1.0 } else { entropies / patterns as f32 };
        }
        sum
    }

    /// The least and the largest value of [`Self::sum`] that the reference allows for: for each window the least entropy
    /// of the log, and 1.
    pub fn range(&self) -> (f32, f32) {
        (self.least, self.windows.len() as f32)
    }

    #[inline]
    fn of(&self, item: u32) -> &[u32] {
        &self.symbols[self.starts[item as usize]..self.starts[item as usize + 1]]
    }

    /// Calls `each` once for every unordered pair of a symbol of `item` and one of `other`.
    #[inline]
    fn pairs(&self, item: u32, other: u32, mut each: impl FnMut(u32, u32)) {
        let (left, right) = (self.of(item), self.of(other));
        for &a in left {
            for &b in right {
                // Where both items have both symbols, the same pair comes twice: once in either order.
                if a > b && right.contains(&a) && left.contains(&b) {
                    continue;
                }
                each(a, b);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn log<'a>(users: &'a [u32], items: &'a [u32], targets: &'a [f32]) -> LogColumns<'a> {
        LogColumns { users, items, targets }
    }

    #[test]
    fn entropies_of_a_small_log_are_those_worked_out_by_hand() {
        // After item 0: 1, 1, 2, so H = -(2/3 log2 2/3 + 1/3 log2 1/3) = 0.9183. After 1: only 0. After {0, 1}: 2 and 1.
        let (users, items) = ([0, 0, 0, 0, 1, 1, 1], [0, 1, 0, 2, 1, 0, 1]);
        let table = EntropyTable::from_log(
            log(&users, &items, &[0.0; 7]),
            EntropyLevel::Items { n_items: 3 },
            &[1, 2],
        )
        .unwrap();
        assert!((table.sum(0, &[]) - (0.918_295_8 + 1.0)).abs() < 1e-6, "{}", table.sum(0, &[]));
        // {0, 1} is followed by 0, 2 (user 0) and 1 (user 1): three different items.
        assert!((table.sum(1, &[0]) - (1.0 + 1.0)).abs() < 1e-6);
        assert!((table.sum(0, &[2, 1]) - (0.918_295_8 + 1.0)).abs() < 1e-6);
        assert_eq!(table.sum(2, &[2]), 2.0);
        let (least, most) = table.range();
        assert!((least - (0.918_295_8 + 1.0)).abs() < 1e-6 && most == 2.0);
    }

    #[test]
    fn windows_and_logs_that_do_not_fit_are_refused() {
        let level = EntropyLevel::Items { n_items: 2 };
        let fit = |items: &[u32], windows: &[usize]| {
            EntropyTable::from_log(log(&[0; 2], items, &[0.0; 2]), level, windows)
        };
        assert!(fit(&[0, 1], &[3]).unwrap_err().to_string().contains("dorl.windows"));
        assert!(fit(&[0, 1], &[]).is_err());
        assert!(fit(&[0, 2], &[1]).unwrap_err().to_string().contains("no item 2"));
        assert!(fit(&[0, 1], &[1]).unwrap().select(&[2]).is_err());
    }

    /// Patterns as sets of sorted lists, straight from the definition.
    fn patterns(run: &[u32], tags: &[Vec<u32>]) -> BTreeSet<Vec<u32>> {
        run.iter().fold(BTreeSet::from([Vec::new()]), |patterns, &item| {
            let longer = patterns.iter().flat_map(|pattern| {
                tags[item as usize].iter().map(|&tag| {
                    let mut longer = pattern.clone();
                    longer.push(tag);
                    longer.sort_unstable();
                    longer
                })
            });
            longer.collect()
        })
    }

    proptest! {
        #[test]
        fn the_table_is_the_naive_count(
            tags in prop::collection::vec(prop::collection::btree_set(0_u32..5, 0..=3), 6),
            rows in prop::collection::vec((0_u32..4, 0_u32..6), 1..80),
            episode in prop::collection::vec(0_u32..6, 1..5),
        ) {
            let tags: Vec<Vec<u32>> = tags.into_iter().map(|set| set.into_iter().collect()).collect();
            let slots = TagSlots {
                name: "tags".into(),
                vocabulary: 5,
                slots: 3,
                values: tags
                    .iter()
                    .flat_map(|row| (0..3).map(|slot| row.get(slot).copied().unwrap_or(TagSlots::EMPTY)))
                    .collect(),
            };
            let (users, items): (Vec<u32>, Vec<u32>) = rows.iter().copied().unzip();
            let targets = vec![0.0; rows.len()];
            let table =
                EntropyTable::from_log(log(&users, &items, &targets), EntropyLevel::Tags(&slots), &[1, 2]).unwrap();

            let mut counts: BTreeMap<Vec<u32>, BTreeMap<u32, u32>> = BTreeMap::new();
            for user in 0..4 {
                let seen: Vec<u32> = rows.iter().filter(|row| row.0 == user).map(|row| row.1).collect();
                for at in 0..seen.len() {
                    for window in 1..=at.min(2) {
                        for pattern in patterns(&seen[at - window..at], &tags) {
                            for &tag in &tags[seen[at] as usize] {
                                *counts.entry(pattern.clone()).or_default().entry(tag).or_default() += 1;
                            }
                        }
                    }
                }
            }
            let entropy = |pattern: &Vec<u32>| match counts.get(pattern) {
                Some(next) if next.len() > 1 => {
                    let total: u32 = next.values().sum();
                    let bits: f64 = next.values().map(|&n| f64::from(n) / f64::from(total)).map(|p| -p * p.log2()).sum();
                    bits / (next.len() as f64).log2()
                }
                _ => 1.0,
            };
            let (&item, taken) = episode.split_last().unwrap();
            let expected: f64 = (1..=2_usize)
                .map(|window| {
                    if episode.len() < window {
                        return 1.0;
                    }
                    let patterns = patterns(&episode[episode.len() - window..], &tags);
                    if patterns.is_empty() {
                        return 1.0;
                    }
                    patterns.iter().map(&entropy).sum::<f64>() / patterns.len() as f64
                })
                .sum();
            let found = table.sum(item, taken);
            prop_assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
            let (least, most) = table.range();
            prop_assert!((least - 1e-5..=most + 1e-5).contains(&found));
            // The same items in another order of numbers.
            let reversed: Vec<u32> = (0..6).rev().collect();
            let turned: Vec<u32> = taken.iter().map(|&item| 5 - item).collect();
            prop_assert_eq!(table.select(&reversed).unwrap().sum(5 - item, &turned), found);
        }
    }
}
