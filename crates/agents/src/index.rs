//! Interactions by user and by item in the order of time, so that a question can be answered as of a moment.
//!
//! Every row has a rank: its place when all rows are sorted by time, rows of one time in the order of the file. A query
//! carries a [`CutOff`] and sees the rows before it, found by binary search.

use rec_core::{Interactions, ItemId, UserId};
use serde::{Deserialize, Serialize};

/// The first rank that must not be seen; everything before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CutOff(pub u32);

impl CutOff {
    /// Nothing is hidden.
    pub const NONE: Self = Self(u32::MAX);
}

/// One rating, seen from a user or from an item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rated {
    /// The item of a user's row, the user of an item's row.
    pub other: u32,
    /// The rating; 1 where the data has none.
    pub rating: f32,
    /// The row's rank in time.
    pub rank: u32,
}

impl Rated {
    /// The item, in a user's history.
    pub fn item(&self) -> ItemId {
        ItemId(self.other)
    }

    /// The user, in an item's history.
    pub fn user(&self) -> UserId {
        UserId(self.other)
    }
}

/// Compressed rows in both directions.
#[derive(Clone, Debug, Default)]
pub struct TimeIndex {
    users: Rows,
    items: Rows,
    len: usize,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    starts: Vec<usize>,
    rows: Vec<Rated>,
}

impl Rows {
    fn new(n: usize, events: &[(u32, Rated)]) -> Self {
        let mut starts = vec![0; n + 1];
        for (own, _) in events {
            starts[*own as usize + 1] += 1;
        }
        for at in 0..n {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut rows = vec![Rated { other: 0, rating: 0.0, rank: 0 }; events.len()];
        for (own, rated) in events {
            rows[next[*own as usize]] = *rated;
            next[*own as usize] += 1;
        }
        Self { starts, rows }
    }

    fn before(&self, own: usize, cut_off: CutOff) -> &[Rated] {
        let Some(&end) = self.starts.get(own + 1) else { return &[] };
        let rows = &self.rows[self.starts[own]..end];
        &rows[..rows.partition_point(|rated| rated.rank < cut_off.0)]
    }
}

/// The rows of `interactions` sorted by time, equal times in the order of the file; without times the file's order.
pub fn time_order(interactions: &Interactions) -> Vec<usize> {
    let mut order: Vec<usize> = (0..interactions.len()).collect();
    if let Some(times) = &interactions.timestamps {
        order.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
    }
    order
}

impl TimeIndex {
    /// Indexes `interactions`.
    pub fn new(interactions: &Interactions, n_users: usize, n_items: usize) -> Self {
        let order = time_order(interactions);
        let rating = |row: usize| interactions.ratings.as_ref().map_or(1.0, |ratings| ratings[row]);
        let events = |own: &dyn Fn(usize) -> u32, other: &dyn Fn(usize) -> u32| -> Vec<(u32, Rated)> {
            let event = |(rank, &row): (u32, &usize)| {
                (own(row), Rated { other: other(row), rating: rating(row), rank })
            };
            (0..).zip(&order).map(event).collect()
        };
        let user = |row: usize| interactions.users[row].0;
        let item = |row: usize| interactions.items[row].0;
        Self {
            users: Rows::new(n_users, &events(&user, &item)),
            items: Rows::new(n_items, &events(&item, &user)),
            len: order.len(),
        }
    }

    /// What `user` rated before the cut-off, oldest first; nothing for an unknown user.
    pub fn user(&self, user: UserId, cut_off: CutOff) -> &[Rated] {
        self.users.before(user.index(), cut_off)
    }

    /// Who rated `item` before the cut-off, oldest first; nothing for an unknown item.
    pub fn item(&self, item: ItemId, cut_off: CutOff) -> &[Rated] {
        self.items.before(item.index(), cut_off)
    }

    /// How often `item` was rated among the `window` rows before the cut-off.
    pub fn recent(&self, item: ItemId, window: u32, cut_off: CutOff) -> usize {
        let end = cut_off.0.min(self.len as u32);
        let rows = self.item(item, cut_off);
        rows.len() - rows.partition_point(|rated| rated.rank < end.saturating_sub(window))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
