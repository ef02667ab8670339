//! Interactions in columns, the catalogue, and the data set that holds both.

mod summary;

use std::collections::HashSet;

use sha2::{Digest, Sha256};

pub use summary::{Spread, Statistics};

use crate::{Error, IdMap, ItemId, Result, UserId, UserItems};

/// Who touched what: one row an event, stored as columns of equal length.
///
/// Order is meaningful (readers keep the file's order) and duplicates are legal until
/// [`filter`](crate::filter) removes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interactions {
    /// The user of each row.
    pub users: Vec<UserId>,
    /// The item of each row.
    pub items: Vec<ItemId>,
    /// The rating of each row on the data set's own scale, if there are ratings. Never NaN.
    pub ratings: Option<Vec<f32>>,
    /// The time of each row in the data set's own unit (usually Unix seconds), if known. Never NaN.
    pub timestamps: Option<Vec<f64>>,
}

impl Interactions {
    /// Rows without ratings or times.
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn from_pairs(users: Vec<UserId>, items: Vec<ItemId>) -> Self {
        assert_eq!(users.len(), items.len(), "user and item columns differ in length");
        Self { users, items, ratings: None, timestamps: None }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The user and item of every row.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (UserId, ItemId)> + '_ {
        self.users.iter().copied().zip(self.items.iter().copied())
    }

    /// The rows at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            users: indices.iter().map(|&row| self.users[row]).collect(),
            items: indices.iter().map(|&row| self.items[row]).collect(),
            ratings: self.ratings.as_ref().map(|column| indices.iter().map(|&row| column[row]).collect()),
            timestamps: self
                .timestamps
                .as_ref()
                .map(|column| indices.iter().map(|&row| column[row]).collect()),
        }
    }

    /// How many rows each item has; `n_items` entries.
    pub fn item_counts(&self, n_items: usize) -> Vec<u32> {
        let mut counts = vec![0; n_items];
        for item in &self.items {
            counts[item.index()] += 1;
        }
        counts
    }

    /// How many rows each user has; `n_users` entries.
    pub fn user_counts(&self, n_users: usize) -> Vec<u32> {
        let mut counts = vec![0; n_users];
        for user in &self.users {
            counts[user.index()] += 1;
        }
        counts
    }
}

/// What is known of the items: one entry an item in every column that is present.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// Titles, in item order; empty where unknown.
    pub titles: Option<Vec<String>>,
    /// Names of the categories (genres) that [`Catalogue::categories`] indexes.
    pub category_names: Vec<String>,
    /// The categories of each item as indices into [`Catalogue::category_names`]; an item may have none.
    pub categories: Option<Vec<Vec<u32>>>,
    /// Every other column of the item file, by name, as text in item order.
    pub columns: Vec<(String, Vec<String>)>,
    /// Whether each item has a row in the item file; `None` where there is no item file.
    pub listed: Option<Vec<bool>>,
}

impl Catalogue {
    /// The title of `item`, if titles are known and this one is not empty.
    pub fn title(&self, item: ItemId) -> Option<&str> {
        self.titles.as_ref().map(|titles| titles[item.index()].as_str()).filter(|title| !title.is_empty())
    }

    /// The categories of `item`; none where unknown.
    pub fn categories_of(&self, item: ItemId) -> &[u32] {
        self.categories.as_ref().map_or(&[], |categories| &categories[item.index()])
    }
}

/// A data set: interactions, what is known of items and users, and the maps to the outside's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// A short name for tables and file names.
    pub name: String,
    /// The interactions.
    pub interactions: Interactions,
    /// The outside names of the users.
    pub users: IdMap,
    /// The outside names of the items.
    pub items: IdMap,
    /// What is known of the items.
    pub catalogue: Catalogue,
    /// Columns of the user file, by name, as text in user order.
    pub user_columns: Vec<(String, Vec<String>)>,
    /// Whether each user has a row in the user file; `None` where there is no user file.
    pub listed_users: Option<Vec<bool>>,
}

impl Dataset {
    /// How many users there are.
    pub fn n_users(&self) -> usize {
        self.users.len()
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The interactions as sorted rows without duplicates.
    pub fn user_items(&self) -> UserItems {
        UserItems::new(&self.interactions, self.n_users(), self.n_items())
    }

    /// The outside names of what `user` touched, in order of the rows, each once; nothing for an unknown user. Looks
    /// at every row: for many users ask [`Dataset::user_items`].
    ///
    /// ```
    /// use rec_core::{Dataset, Interactions, ItemId, UserId};
    ///
    /// let who = vec![UserId(0), UserId(1), UserId(0), UserId(0)];
    /// let what = vec![ItemId(1), ItemId(1), ItemId(0), ItemId(1)];
    /// let data = Dataset {
    ///     interactions: Interactions::from_pairs(who, what),
    ///     users: ["ann", "bob"].into_iter().collect(),
    ///     items: ["alien", "brazil"].into_iter().collect(),
    ///     ..Dataset::default()
    /// };
    /// assert_eq!(data.items_of("ann"), ["brazil", "alien"]);
    /// assert!(data.items_of("cy").is_empty());
    /// ```
    pub fn items_of(&self, user: &str) -> Vec<&str> {
        let Some(user) = self.users.get(user) else { return Vec::new() };
        let mut seen = HashSet::new();
        let rows = self.interactions.pairs().filter(|&(other, item)| other.0 == user && seen.insert(item));
        rows.map(|(_, item)| self.items.token(item.0)).collect()
    }

    /// SHA-256 over the interactions in order: the outside names of user and item, rating and time of every row.
    ///
    /// Two data sets with the same rows in the same order have the same digest, whatever file they came from.
    pub fn sha256(&self) -> String {
        let rows = &self.interactions;
        let mut hasher = Sha256::new();
        for (row, (user, item)) in rows.pairs().enumerate() {
            for token in [self.users.token(user.0), self.items.token(item.0)] {
                hasher.update((token.len() as u64).to_le_bytes());
                hasher.update(token.as_bytes());
            }
            // A leading byte tells an absent column from any value.
            match &rows.ratings {
                Some(ratings) => hasher.update([&[1], &ratings[row].to_le_bytes()[..]].concat()),
                None => hasher.update([0]),
            }
            match &rows.timestamps {
                Some(times) => hasher.update([&[1], &times[row].to_le_bytes()[..]].concat()),
                None => hasher.update([0]),
            }
        }
        crate::digest::hex(&hasher.finalize())
    }

    /// Checks what the fields promise: equal column lengths, ids inside the maps, no NaN.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the first thing that does not hold.
    pub fn validate(&self) -> Result<()> {
        let rows = &self.interactions;
        let n = rows.len();
        let invalid = |what: String| Err(Error::Invalid { what });
        if rows.items.len() != n
            || rows.ratings.as_ref().is_some_and(|column| column.len() != n)
            || rows.timestamps.as_ref().is_some_and(|column| column.len() != n)
        {
            return invalid("interaction columns differ in length".into());
        }
        if let Some(row) = rows.users.iter().position(|user| user.index() >= self.n_users()) {
            return invalid(format!("row {row}: user {} of {}", rows.users[row], self.n_users()));
        }
        if let Some(row) = rows.items.iter().position(|item| item.index() >= self.n_items()) {
            return invalid(format!("row {row}: item {} of {}", rows.items[row], self.n_items()));
        }
        if let Some(row) = rows.ratings.iter().flatten().position(|rating| rating.is_nan()) {
            return invalid(format!("row {row}: the rating is NaN"));
        }
        if let Some(row) = rows.timestamps.iter().flatten().position(|time| time.is_nan()) {
            return invalid(format!("row {row}: the timestamp is NaN"));
        }
        let columns = &self.catalogue;
        if columns.titles.as_ref().is_some_and(|titles| titles.len() != self.n_items())
            || columns.categories.as_ref().is_some_and(|categories| categories.len() != self.n_items())
            || columns.columns.iter().any(|(_, values)| values.len() != self.n_items())
            || columns.listed.as_ref().is_some_and(|listed| listed.len() != self.n_items())
        {
            return invalid("a catalogue column does not have one entry for each item".into());
        }
        if columns.categories.iter().flatten().flatten().any(|&c| c as usize >= columns.category_names.len())
        {
            return invalid("a category index has no name".into());
        }
        if self.user_columns.iter().any(|(_, values)| values.len() != self.n_users())
            || self.listed_users.as_ref().is_some_and(|listed| listed.len() != self.n_users())
        {
            return invalid("a user column does not have one entry for each user".into());
        }
        Ok(())
    }
}
