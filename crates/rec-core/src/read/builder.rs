//! Collects rows and feature tables into a [`Dataset`].

use super::features::{Features, Roles};
use crate::{Dataset, Error, IdMap, Interactions, ItemId, Result, UserId};

/// One thing an interaction file says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Record<'a> {
    /// `user` touched `item`.
    Interaction {
        /// The user's outside name.
        user: &'a str,
        /// The item's outside name.
        item: &'a str,
        /// The rating; `None` if the file has none or this row's is missing.
        rating: Option<f32>,
        /// The time; `None` if the file has none or this row's is missing.
        time: Option<f64>,
    },
    /// A user that the file names without an item.
    User(&'a str),
    /// A row without a user or an item name; it is counted and dropped.
    Nameless,
}

/// Where a [`Record`] stands: the line, and the fields of its user and item (all from 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The line.
    pub line: u64,
    /// The field of the user.
    pub user_column: usize,
    /// The field of the item.
    pub item_column: usize,
}

/// What a reader calls for every record. An error it returns ends the reading.
pub type Visit<'v> = dyn FnMut(At, Record<'_>) -> Result<()> + 'v;

/// What was repaired while reading; all zero for clean data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows dropped because their user or item was missing.
    pub rows_without_id: usize,
    /// Missing ratings that became the mean of the ratings present.
    pub ratings_filled: usize,
    /// Missing times that became the mean of the times present.
    pub times_filled: usize,
}

impl Report {
    /// Whether nothing was repaired.
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

/// Collects records in order and builds a [`Dataset`]: ids by first appearance, interaction files first, then
/// the rows of item and user files.
#[derive(Debug, Default)]
pub struct Builder {
    name: String,
    users: IdMap,
    items: IdMap,
    row_users: Vec<UserId>,
    row_items: Vec<ItemId>,
    /// NaN where missing.
    ratings: Vec<f32>,
    /// NaN where missing.
    times: Vec<f64>,
    file_start: usize,
    file_has_ratings: bool,
    file_has_times: bool,
    /// Whether some finished file with rows had no ratings (times) at all.
    lacks_ratings: bool,
    lacks_times: bool,
    rows_without_id: usize,
    item_features: Option<(Features, Roles)>,
    user_features: Option<Features>,
}

impl Builder {
    /// An empty data set called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Takes one record.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there would be more ids than 32 bits hold.
    pub fn push(&mut self, record: Record<'_>) -> Result<()> {
        match record {
            Record::Interaction { user, item, rating, time } => {
                let user = UserId(insert(&mut self.users, user)?);
                let item = ItemId(insert(&mut self.items, item)?);
                self.row_users.push(user);
                self.row_items.push(item);
                self.file_has_ratings |= rating.is_some();
                self.file_has_times |= time.is_some();
                self.ratings.push(rating.unwrap_or(f32::NAN));
                self.times.push(time.unwrap_or(f64::NAN));
            }
            Record::User(user) => {
                insert(&mut self.users, user)?;
            }
            Record::Nameless => self.rows_without_id += 1,
        }
        Ok(())
    }

    /// Marks the end of one of several interaction files. A column that one of them lacks altogether is left
    /// out of the result; only single missing values are filled.
    pub fn end_file(&mut self) {
        if self.row_users.len() > self.file_start {
            self.lacks_ratings |= !self.file_has_ratings;
            self.lacks_times |= !self.file_has_times;
        }
        self.file_start = self.row_users.len();
        self.file_has_ratings = false;
        self.file_has_times = false;
    }

    /// Gives an id to every whole number below `n_users` and `n_items`, in order: for matrices, where rows and
    /// columns exist without ratings.
    pub fn number(&mut self, n_users: usize, n_items: usize) -> Result<()> {
        (0..n_users).try_for_each(|id| insert(&mut self.users, &id.to_string()).map(drop))?;
        (0..n_items).try_for_each(|id| insert(&mut self.items, &id.to_string()).map(drop))
    }

    /// The item table; its items get ids after those of the interactions.
    pub fn item_features(&mut self, features: Features, roles: Roles) {
        self.item_features = Some((features, roles));
    }

    /// The user table; its users get ids after those of the interactions.
    pub fn user_features(&mut self, features: Features) {
        self.user_features = Some(features);
    }

    /// The data set, and what was repaired.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no interaction, or too many ids.
    pub fn finish(mut self) -> Result<(Dataset, Report)> {
        self.end_file();
        if self.row_users.is_empty() {
            return Err(Error::invalid(format!("{}: there is no interaction", self.name)));
        }
        let mut report = Report { rows_without_id: self.rows_without_id, ..Report::default() };
        let ratings = (!self.lacks_ratings).then(|| {
            let sum: f64 = self.ratings.iter().filter(|v| !v.is_nan()).map(|&v| f64::from(v)).sum();
            report.ratings_filled = self.ratings.iter().filter(|v| v.is_nan()).count();
            let mean = (sum / (self.ratings.len() - report.ratings_filled) as f64) as f32;
            let mut column = std::mem::take(&mut self.ratings);
            column.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = mean);
            column
        });
        let timestamps = (!self.lacks_times).then(|| {
            report.times_filled = self.times.iter().filter(|v| v.is_nan()).count();
            let n = (self.times.len() - report.times_filled) as f64;
            // Dividing first keeps the mean of huge values finite.
            let mean: f64 = self.times.iter().filter(|v| !v.is_nan()).map(|&v| v / n).sum();
            let mut column = std::mem::take(&mut self.times);
            column.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = mean);
            column
        });
        if let Some((features, _)) = &self.item_features {
            features.rows().try_for_each(|(token, _)| insert(&mut self.items, token).map(drop))?;
        }
        if let Some(features) = &self.user_features {
            features.rows().try_for_each(|(token, _)| insert(&mut self.users, token).map(drop))?;
        }
        let catalogue = match self.item_features {
            Some((features, roles)) => features.into_catalogue(&self.items, &roles),
            None => Default::default(),
        };
        let (user_columns, listed_users) = match self.user_features {
            Some(features) => {
                let listed = features.listed(&self.users);
                (features.into_columns(&self.users), Some(listed))
            }
            None => Default::default(),
        };
        let interactions = Interactions { users: self.row_users, items: self.row_items, ratings, timestamps };
        let dataset = Dataset {
            name: self.name,
            interactions,
            users: self.users,
            items: self.items,
            catalogue,
            user_columns,
            listed_users,
        };
        Ok((dataset, report))
    }
}

fn insert(map: &mut IdMap, token: &str) -> Result<u32> {
    if map.len() >= u32::MAX as usize && map.get(token).is_none() {
        return Err(Error::invalid("more than 2^32 - 1 distinct ids"));
    }
    Ok(map.insert(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(user: &'static str, rating: Option<f32>, time: Option<f64>) -> Record<'static> {
        Record::Interaction { user, item: "i", rating, time }
    }

    #[test]
    fn missing_numbers_become_the_mean_and_are_reported() {
        let mut builder = Builder::new("x");
        builder.push(row("a", Some(2.0), Some(10.0))).unwrap();
        builder.push(row("b", None, Some(20.0))).unwrap();
        builder.push(row("c", Some(5.0), None)).unwrap();
        builder.push(Record::Nameless).unwrap();
        let (dataset, report) = builder.finish().unwrap();
        assert_eq!(dataset.interactions.ratings, Some(vec![2.0, 3.5, 5.0]));
        assert_eq!(dataset.interactions.timestamps, Some(vec![10.0, 20.0, 15.0]));
        assert_eq!(report, Report { rows_without_id: 1, ratings_filled: 1, times_filled: 1 });
        dataset.validate().unwrap();
    }

    #[test]
    fn a_column_that_one_file_lacks_is_left_out() {
        let mut builder = Builder::new("x");
        builder.push(row("a", Some(2.0), None)).unwrap();
        builder.end_file();
        builder.push(row("b", None, None)).unwrap();
        let (dataset, report) = builder.finish().unwrap();
        assert_eq!((dataset.interactions.ratings, dataset.interactions.timestamps), (None, None));
        assert!(report.is_clean());
    }

    #[test]
    fn users_without_items_keep_their_id_but_make_no_row() {
        let mut builder = Builder::new("x");
        builder.push(Record::User("lonely")).unwrap();
        builder.push(row("a", None, None)).unwrap();
        let (dataset, _) = builder.finish().unwrap();
        assert_eq!((dataset.n_users(), dataset.interactions.len()), (2, 1));
        let mut builder = Builder::new("x");
        builder.push(Record::User("lonely")).unwrap();
        assert!(builder.finish().is_err());
    }
}
