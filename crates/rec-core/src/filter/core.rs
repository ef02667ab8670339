//! k-core: users and items whose counts stay inside intervals.

use super::Intervals;
use crate::Dataset;

/// One side of the interactions: how many rows each id has, and which.
struct Side<'a> {
    of_row: Vec<u32>,
    counts: Vec<u32>,
    offsets: Vec<usize>,
    rows: Vec<usize>,
    intervals: Option<&'a Intervals>,
    /// Ids whose count changed since they were last looked at, each once.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
}

impl<'a> Side<'a> {
    fn new(of_row: Vec<u32>, n: usize, intervals: Option<&'a Intervals>) -> Self {
        let mut counts = vec![0u32; n];
        of_row.iter().for_each(|&id| counts[id as usize] += 1);
        let mut offsets = vec![0usize; n + 1];
        for id in 0..n {
            offsets[id + 1] = offsets[id] + counts[id] as usize;
        }
        let mut cursor = offsets.clone();
        let mut rows = vec![0; of_row.len()];
        for (row, &id) in of_row.iter().enumerate() {
            rows[cursor[id as usize]] = row;
            cursor[id as usize] += 1;
        }
        let changed = (0..n as u32).collect();
        Self { of_row, counts, offsets, rows, intervals, changed, is_changed: vec![true; n] }
    }

    /// The changed ids whose count is outside the intervals now.
    fn outside(&mut self) -> Vec<u32> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.iter().for_each(|&id| self.is_changed[id as usize] = false);
        changed.retain(|&id| {
            let count = self.counts[id as usize];
            count > 0 && self.intervals.is_some_and(|intervals| !intervals.contains(count.into()))
        });
        changed
    }

    fn rows_of(&self, id: u32) -> &[usize] {
        &self.rows[self.offsets[id as usize]..self.offsets[id as usize + 1]]
    }

    fn drop_row(&mut self, row: usize) {
        let id = self.of_row[row];
        self.counts[id as usize] -= 1;
        if !std::mem::replace(&mut self.is_changed[id as usize], true) {
            self.changed.push(id);
        }
    }
}

/// The part of `kept` (ascending) that is left when users and items outside their intervals go, round by round;
/// each round looks at users and items with the counts that the round before left. Work is linear in the rows,
/// because a round looks only at ids whose count has changed.
pub(super) fn core(
    dataset: &Dataset,
    kept: &[usize],
    of_users: Option<&Intervals>,
    of_items: Option<&Intervals>,
) -> Vec<usize> {
    let rows = &dataset.interactions;
    let column = |of: &dyn Fn(usize) -> u32| kept.iter().map(|&row| of(row)).collect();
    let mut users = Side::new(column(&|row| rows.users[row].0), dataset.n_users(), of_users);
    let mut items = Side::new(column(&|row| rows.items[row].0), dataset.n_items(), of_items);
    let mut alive = vec![true; kept.len()];
    loop {
        // Both sides are judged before either loses a row.
        let (bad_users, bad_items) = (users.outside(), items.outside());
        if bad_users.is_empty() && bad_items.is_empty() {
            break;
        }
        let of_bad_users = bad_users.iter().flat_map(|&user| users.rows_of(user));
        let of_bad_items = bad_items.iter().flat_map(|&item| items.rows_of(item));
        let dropped: Vec<usize> = of_bad_users.chain(of_bad_items).copied().collect();
        for row in dropped {
            if std::mem::replace(&mut alive[row], false) {
                users.drop_row(row);
                items.drop_row(row);
            }
        }
    }
    kept.iter().zip(alive).filter(|(_, alive)| *alive).map(|(&row, _)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdMap, Interactions, ItemId, UserId};

    fn data(pairs: &[(u32, u32)]) -> Dataset {
        let users = pairs.iter().map(|&(user, _)| UserId(user)).collect();
        let items = pairs.iter().map(|&(_, item)| ItemId(item)).collect();
        Dataset {
            interactions: Interactions::from_pairs(users, items),
            users: IdMap::numbered(pairs.iter().map(|pair| pair.0 as usize + 1).max().unwrap_or(0)),
            items: IdMap::numbered(pairs.iter().map(|pair| pair.1 as usize + 1).max().unwrap_or(0)),
            ..Dataset::default()
        }
    }

    /// The rule as it is written, without any cleverness.
    fn plain(data: &Dataset, users: &Intervals, items: &Intervals) -> Vec<usize> {
        let rows = &data.interactions;
        let mut kept: Vec<usize> = (0..rows.len()).collect();
        loop {
            let now = rows.select(&kept);
            let (of_users, of_items) = (now.user_counts(data.n_users()), now.item_counts(data.n_items()));
            let n = kept.len();
            kept.retain(|&row| {
                users.contains(of_users[rows.users[row].index()].into())
                    && items.contains(of_items[rows.items[row].index()].into())
            });
            if kept.len() == n {
                return kept;
            }
        }
    }

    #[test]
    fn a_chain_falls_apart_and_a_square_stays() {
        let two = Intervals::at_least(2.0);
        let n = 50_000;
        let chain: Vec<(u32, u32)> = (0..n).flat_map(|i| [(i, i), (i, i + 1)]).collect();
        let all: Vec<usize> = (0..chain.len()).collect();
        assert!(core(&data(&chain), &all, Some(&two), Some(&two)).is_empty());
        let square = data(&[(0, 0), (0, 1), (2, 1), (1, 0), (1, 1)]);
        assert_eq!(core(&square, &[0, 1, 2, 3, 4], Some(&two), Some(&two)), [0, 1, 3, 4]);
    }

    #[test]
    fn the_same_as_the_rule_written_out() {
        use rand::RngExt;
        let mut random = crate::random::stream(1, "core test", 0);
        for round in 0..200 {
            let n = 1 + round;
            let pairs: Vec<(u32, u32)> =
                (0..n).map(|_| (random.random_range(0..12), random.random_range(0..12))).collect();
            let data = data(&pairs);
            let all: Vec<usize> = (0..pairs.len()).collect();
            for (users, items) in [("[3,inf)", "[4,inf)"), ("[2,9)", "(1,6]"), ("[1,2];[5,9]", "[0,7]")] {
                let (users, items) = (users.parse().unwrap(), items.parse().unwrap());
                assert_eq!(core(&data, &all, Some(&users), Some(&items)), plain(&data, &users, &items));
            }
        }
    }
}
