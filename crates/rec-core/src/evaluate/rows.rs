//! Lists of items of different lengths in one allocation, one for each user asked about.

use crate::{Interactions, ItemId, UserId};

#[derive(Clone, Debug)]
pub(super) struct Rows {
    offsets: Vec<usize>,
    items: Vec<ItemId>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { offsets: vec![0], items: Vec::new() }
    }
}

impl Rows {
    pub(super) fn new<R: IntoIterator<Item = ItemId>>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut all = Self::default();
        for row in rows {
            all.items.extend(row);
            all.offsets.push(all.items.len());
        }
        all
    }

    /// The rows of `users` (ascending) in the given parts, oldest first: by time if every part that has rows has
    /// times, else part by part in file order.
    pub(super) fn histories(parts: &[&Interactions], users: &[UserId], n_users: usize) -> Self {
        let mut place = vec![usize::MAX; n_users];
        for (index, user) in users.iter().enumerate() {
            place[user.index()] = index;
        }
        let mut offsets = vec![0; users.len() + 1];
        for user in parts.iter().flat_map(|part| &part.users) {
            if place[user.index()] != usize::MAX {
                offsets[place[user.index()] + 1] += 1;
            }
        }
        for index in 0..users.len() {
            offsets[index + 1] += offsets[index];
        }
        let timed = parts.iter().all(|part| part.is_empty() || part.timestamps.is_some());
        let mut cursor = offsets.clone();
        let mut events = vec![(0.0_f64, ItemId(0)); offsets[users.len()]];
        for part in parts {
            for (row, (user, item)) in part.pairs().enumerate() {
                let index = place[user.index()];
                if index != usize::MAX {
                    let time = part.timestamps.as_ref().filter(|_| timed).map_or(0.0, |times| times[row]);
                    events[cursor[index]] = (time, item);
                    cursor[index] += 1;
                }
            }
        }
        if timed {
            for bounds in offsets.windows(2) {
                // Stable: rows of the same time keep the file's order.
                events[bounds[0]..bounds[1]].sort_by(|a, b| a.0.total_cmp(&b.0));
            }
        }
        Self { offsets, items: events.into_iter().map(|(_, item)| item).collect() }
    }

    /// Each row ascending, without duplicates and without the items of the same row of `other` (ascending).
    pub(super) fn sorted_without(&self, other: &Self) -> Self {
        let mut row = Vec::new();
        let mut all = Self::default();
        for index in 0..self.len() {
            row.clear();
            row.extend_from_slice(self.row(index));
            row.sort_unstable();
            row.dedup();
            row.retain(|item| other.row(index).binary_search(item).is_err());
            all.items.extend_from_slice(&row);
            all.offsets.push(all.items.len());
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn row(&self, index: usize) -> &[ItemId] {
        &self.items[self.offsets[index]..self.offsets[index + 1]]
    }

    /// The items of all rows, row by row.
    pub(super) fn items(&self) -> &[ItemId] {
        &self.items
    }
}
