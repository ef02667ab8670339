//! Pairs that the user did not like as much.

use rand::RngExt;
use rec_core::random;

use crate::LogColumns;

/// Draws negatives for a log: a user and an item that both occur in it, drawn anew, a few times at most, until the pair
/// was not logged or its logged feedback is lower than the positive's (a pair that was not logged counts as 0).
///
/// The draw depends on the seed, the row and the copy alone.
#[derive(Clone, Debug)]
pub struct Negatives<'a> {
    log: LogColumns<'a>,
    users: Vec<u32>,
    items: Vec<u32>,
    /// User `u` has the cells `starts[u]..starts[u + 1]`, sorted by item.
    starts: Vec<usize>,
    cells: Vec<(u32, f32)>,
    tries: usize,
    seed: u64,
}

impl<'a> Negatives<'a> {
    /// Of a log that holds ([`LogColumns::validate`]) and is not empty.
    pub fn new(log: LogColumns<'a>, tries: usize, seed: u64) -> Self {
        let distinct = |ids: &[u32]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (users, items) = (distinct(log.users), distinct(log.items));
        let n_users = users.last().map_or(0, |&user| user as usize + 1);
        let mut starts = vec![0; n_users + 1];
        for &user in log.users {
            starts[user as usize + 1] += 1;
        }
        for user in 0..n_users {
            starts[user + 1] += starts[user];
        }
        let mut next = starts.clone();
        let mut cells = vec![(0, 0.0); log.len()];
        for row in 0..log.len() {
            let at = &mut next[log.users[row] as usize];
            cells[*at] = (log.items[row], log.targets[row]);
            *at += 1;
        }
        for user in 0..n_users {
            // Stable: of several rows of one pair the latest counts.
            cells[starts[user]..starts[user + 1]].sort_by_key(|cell| cell.0);
        }
        Self { log, users, items, starts, cells, tries, seed }
    }

    /// The latest logged feedback of a pair; 0 if there is none.
    fn value(&self, user: u32, item: u32) -> f32 {
        let cells = &self.cells[self.starts[user as usize]..self.starts[user as usize + 1]];
        match cells[..cells.partition_point(|cell| cell.0 <= item)].last() {
            Some(&(found, value)) if found == item => value,
            _ => 0.0,
        }
    }

    /// The negative number `copy` of `row`: a user and an item.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn draw(&self, row: usize, copy: usize) -> (u32, u32) {
        let mut rng = random::stream(self.seed, "negative", (copy * self.log.len() + row) as u64);
        let target = self.log.targets[row];
        let mut tried = 0;
        loop {
            let user = self.users[rng.random_range(0..self.users.len())];
            let item = self.items[rng.random_range(0..self.items.len())];
            tried += 1;
            if tried >= self.tries || self.value(user, item) < target {
                return (user, item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negatives_are_lower_unless_the_tries_run_out() {
        let log = LogColumns {
            users: &[0, 0, 2, 2, 2],
            items: &[1, 3, 1, 3, 3],
            targets: &[5.0, 1.0, 2.0, 4.0, 3.0],
        };
        let negatives = Negatives::new(log, 1000, 7);
        assert_eq!(
            [(0, 1), (0, 3), (2, 3), (2, 1)].map(|(u, i)| negatives.value(u, i)),
            [5.0, 1.0, 3.0, 2.0]
        );
        for copy in 0..50 {
            // 5 is the highest: anything but the pair itself.
            assert_ne!(negatives.draw(0, copy), (0, 1));
            // Below 2 lies only the pair of feedback 1.
            assert_eq!(negatives.draw(2, copy), (0, 3));
            assert_eq!(negatives.draw(0, copy), negatives.draw(0, copy));
        }
        let drawn: std::collections::BTreeSet<_> = (0..50).map(|copy| negatives.draw(0, copy)).collect();
        assert_eq!(drawn.len(), 3);
        // Nothing is below 1 here: a single try takes whatever comes.
        assert!((0..50).any(|copy| Negatives::new(log, 1, 7).draw(1, copy) == (0, 1)));
    }
}
