//! What is known of users and items, and the log of who took what, as plain columns.

use crate::{Error, Result};

/// A feedback log in columns of one length, in the order of time where there is one.
#[derive(Clone, Copy, Debug)]
pub struct LogColumns<'a> {
    /// The users, dense from 0.
    pub users: &'a [u32],
    /// The items, dense from 0.
    pub items: &'a [u32],
    /// What a user model learns: a rating, a watch ratio, a click.
    pub targets: &'a [f32],
}

impl LogColumns<'_> {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Checks the columns against the numbers of users and items.
    ///
    /// # Errors
    /// If the columns differ in length, a number is out of range, or a target is not finite.
    pub fn validate(&self, n_users: usize, n_items: usize) -> Result<()> {
        if self.items.len() != self.users.len() || self.targets.len() != self.users.len() {
            return Err(Error::invalid(format!(
                "a log of {} users, {} items and {} targets: the columns must be equally long",
                self.users.len(),
                self.items.len(),
                self.targets.len()
            )));
        }
        for (what, column, n) in [("user", self.users, n_users), ("item", self.items, n_items)] {
            if let Some(row) = column.iter().position(|&id| id as usize >= n) {
                return Err(Error::invalid(format!(
                    "log row {row}: no {what} {}, there are {n}",
                    column[row]
                )));
            }
        }
        match self.targets.iter().position(|target| !target.is_finite()) {
            Some(row) => Err(Error::invalid(format!("log row {row}: the target is {}", self.targets[row]))),
            None => Ok(()),
        }
    }
}

/// One categorical feature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How many categories there are.
    pub vocabulary: u32,
    /// The category of each row, below `vocabulary`.
    pub values: Vec<u32>,
}

/// A feature with several categories a row, such as genres: each row has the same number of slots, some of them empty.
/// All slots share one vocabulary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TagSlots {
    /// Its name.
    pub name: String,
    /// How many tags there are.
    pub vocabulary: u32,
    /// Slots per row, at least 1.
    pub slots: usize,
    /// Row-major `[rows, slots]`: a tag below `vocabulary`, or [`TagSlots::EMPTY`].
    pub values: Vec<u32>,
}

impl TagSlots {
    /// A slot without a tag.
    pub const EMPTY: u32 = u32::MAX;

    /// The tags of `row`, without empty slots.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> impl Iterator<Item = u32> + '_ {
        let cells = &self.values[row * self.slots..(row + 1) * self.slots];
        cells.iter().copied().filter(|&tag| tag != Self::EMPTY)
    }
}

/// One numeric feature.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DenseColumn {
    /// Its name.
    pub name: String,
    /// The value of each row, finite; best scaled to about [0, 1].
    pub values: Vec<f32>,
}

/// What is known of each user, or of each item, beside its number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// How many users (or items) there are.
    pub rows: usize,
    /// Categorical features. The number of the user (or item) itself is not among them.
    pub categorical: Vec<Column>,
    /// A feature with several categories a row.
    pub tags: Option<TagSlots>,
    /// Numeric features.
    pub dense: Vec<DenseColumn>,
}

impl Features {
    /// `rows` users (or items) of which nothing is known.
    pub fn none(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Checks the columns against each other.
    ///
    /// # Errors
    /// If a column does not have `rows` rows, a category is not below its vocabulary, or a number is not finite; the
    /// message names the feature and the row.
    pub fn validate(&self) -> Result<()> {
        let length = |name: &str, cells: usize, expected: usize| {
            if cells == expected {
                return Ok(());
            }
            Err(Error::invalid(format!("feature `{name}` has {cells} cells, expected {expected}")))
        };
        for Column { name, vocabulary, values } in &self.categorical {
            length(name, values.len(), self.rows)?;
            if let Some(row) = values.iter().position(|value| value >= vocabulary) {
                return Err(Error::invalid(format!(
                    "feature `{name}`, row {row}: category {} of {vocabulary}",
                    values[row]
                )));
            }
        }
        if let Some(TagSlots { name, vocabulary, slots, values }) = &self.tags {
            if *slots == 0 {
                return Err(Error::invalid(format!(
                    "feature `{name}` has no slot a row; it needs at least 1"
                )));
            }
            length(name, values.len(), self.rows * slots)?;
            let strange = |&value: &u32| value >= *vocabulary && value != TagSlots::EMPTY;
            if let Some(cell) = values.iter().position(strange) {
                return Err(Error::invalid(format!(
                    "feature `{name}`, row {}: tag {} of {vocabulary}",
                    cell / slots,
                    values[cell]
                )));
            }
        }
        for DenseColumn { name, values } in &self.dense {
            length(name, values.len(), self.rows)?;
            if let Some(row) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::invalid(format!("feature `{name}`, row {row}: {}", values[row])));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_contradict_each_other_are_refused_with_name_and_row() {
        let mut features = Features::none(2);
        assert!(features.validate().is_ok());
        features.categorical = vec![Column { name: "gender".to_owned(), vocabulary: 2, values: vec![1, 2] }];
        assert!(features.validate().unwrap_err().to_string().contains("`gender`, row 1"));
        features.categorical[0].values[1] = 0;
        let tags = TagSlots {
            name: "genre".to_owned(),
            vocabulary: 3,
            slots: 2,
            values: vec![0, TagSlots::EMPTY, 3, 1],
        };
        features.tags = Some(tags);
        assert!(features.validate().unwrap_err().to_string().contains("`genre`, row 1: tag 3"));
        features.tags.as_mut().unwrap().values[2] = 2;
        features.dense = vec![DenseColumn { name: "length".to_owned(), values: vec![0.5] }];
        assert!(features.validate().unwrap_err().to_string().contains("`length` has 1 cells, expected 2"));
        features.dense[0].values.push(f32::NAN);
        assert!(features.validate().unwrap_err().to_string().contains("`length`, row 1"));
        features.dense[0].values[1] = 1.0;
        assert!(features.validate().is_ok());
        assert_eq!(features.tags.unwrap().row(0).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_log_with_strange_rows_is_refused() {
        let log = LogColumns { users: &[0, 1], items: &[2, 0], targets: &[1.0, f32::NAN] };
        assert!(log.validate(2, 2).unwrap_err().to_string().contains("row 0: no item 2"));
        assert!(log.validate(2, 3).unwrap_err().to_string().contains("row 1: the target"));
        let log = LogColumns { users: &[0], ..log };
        assert!(log.validate(2, 3).unwrap_err().to_string().contains("equally long"));
    }
}
