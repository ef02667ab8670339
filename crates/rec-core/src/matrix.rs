//! The interaction matrix in compressed sparse rows.

use crate::{Interactions, ItemId, UserId};

/// For each user the items touched, ascending and without duplicates (a binary CSR matrix).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserItems {
    offsets: Vec<usize>,
    items: Vec<ItemId>,
    n_items: usize,
}

impl UserItems {
    /// Sorts and de-duplicates `rows`.
    ///
    /// # Panics
    /// If an id is out of range.
    pub fn new(rows: &Interactions, n_users: usize, n_items: usize) -> Self {
        let mut offsets = vec![0usize; n_users + 1];
        for user in &rows.users {
            offsets[user.index() + 1] += 1;
        }
        for user in 0..n_users {
            offsets[user + 1] += offsets[user];
        }
        let mut cursor = offsets.clone();
        let mut items = vec![ItemId(0); rows.len()];
        for (user, item) in rows.pairs() {
            assert!(item.index() < n_items, "item {item} of {n_items}");
            items[cursor[user.index()]] = item;
            cursor[user.index()] += 1;
        }
        // Sort each row, then close the gaps that duplicates leave.
        let mut write = 0;
        let mut start = 0;
        for user in 0..n_users {
            let end = offsets[user + 1];
            items[start..end].sort_unstable();
            let row_start = write;
            for read in start..end {
                if write == row_start || items[write - 1] != items[read] {
                    items[write] = items[read];
                    write += 1;
                }
            }
            start = end;
            offsets[user + 1] = write;
        }
        items.truncate(write);
        Self { offsets, items, n_items }
    }

    /// The number of users (rows).
    pub fn n_users(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The number of items (columns).
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// How many distinct pairs there are.
    pub fn n_pairs(&self) -> usize {
        self.items.len()
    }

    /// The items of `user`, ascending.
    ///
    /// # Panics
    /// If there is no such user.
    #[inline]
    pub fn row(&self, user: UserId) -> &[ItemId] {
        &self.items[self.offsets[user.index()]..self.offsets[user.index() + 1]]
    }

    /// Whether `user` touched `item`.
    #[inline]
    pub fn contains(&self, user: UserId, item: ItemId) -> bool {
        self.row(user).binary_search(&item).is_ok()
    }

    /// All distinct pairs, by user and then by item.
    pub fn pairs(&self) -> impl Iterator<Item = (UserId, ItemId)> + '_ {
        (0..self.n_users()).flat_map(move |user| {
            let user = UserId::from_index(user);
            self.row(user).iter().map(move |&item| (user, item))
        })
    }

    /// Items as rows and users as columns: for each item the users that touched it, ascending.
    ///
    /// Returned as offsets (`n_items + 1` entries) and user ids.
    pub fn transposed(&self) -> (Vec<usize>, Vec<UserId>) {
        let mut offsets = vec![0usize; self.n_items + 1];
        for item in &self.items {
            offsets[item.index() + 1] += 1;
        }
        for item in 0..self.n_items {
            offsets[item + 1] += offsets[item];
        }
        let mut cursor = offsets.clone();
        let mut users = vec![UserId(0); self.items.len()];
        for (user, item) in self.pairs() {
            users[cursor[item.index()]] = user;
            cursor[item.index()] += 1;
        }
        (offsets, users)
    }

    /// For each user the items of `self` and of `other`, merged.
    ///
    /// # Panics
    /// If the two differ in shape.
    pub fn union(&self, other: &Self) -> Self {
        assert_eq!((self.n_users(), self.n_items), (other.n_users(), other.n_items), "shapes differ");
        let mut rows = Interactions::default();
        for (user, item) in self.pairs().chain(other.pairs()) {
            rows.users.push(user);
            rows.items.push(item);
        }
        Self::new(&rows, self.n_users(), self.n_items)
    }

    /// How many users touched each item; `n_items` entries.
    pub fn item_counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.n_items];
        for item in &self.items {
            counts[item.index()] += 1;
        }
        counts
    }
}
