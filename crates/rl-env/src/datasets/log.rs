//! Logged interactions in columns.

use crate::{Error, LogColumns, Result};

/// What users did: one row an event, as columns of equal length, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// The user of each row.
    pub users: Vec<u32>,
    /// The item of each row.
    pub items: Vec<u32>,
    /// What the user paid, in the unit that user models predict: a rating, a normalised watch ratio, a click.
    pub targets: Vec<f32>,
    /// When, if it is known, in the data set's own unit.
    pub times: Option<Vec<f64>>,
}

impl Log {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Appends a row without a time.
    pub fn push(&mut self, user: u32, item: u32, target: f32) {
        self.users.push(user);
        self.items.push(item);
        self.targets.push(target);
    }

    /// The least and the largest target; `None` for an empty log.
    pub fn range(&self) -> Option<(f32, f32)> {
        let first = *self.targets.first()?;
        Some(self.targets.iter().fold((first, first), |(low, high), &r| (low.min(r), high.max(r))))
    }

    /// The rows of every user in the order of time (of the file, where times are equal or unknown): user `u` has the
    /// rows `order[offsets[u]..offsets[u + 1]]`.
    ///
    /// # Panics
    /// If a user is not below `n_users`.
    pub fn by_user(&self, n_users: usize) -> (Vec<usize>, Vec<u32>) {
        let mut offsets = vec![0usize; n_users + 1];
        for &user in &self.users {
            offsets[user as usize + 1] += 1;
        }
        for user in 0..n_users {
            offsets[user + 1] += offsets[user];
        }
        let mut next = offsets.clone();
        let mut order = vec![0u32; self.len()];
        for (row, &user) in self.users.iter().enumerate() {
            order[next[user as usize]] = row as u32;
            next[user as usize] += 1;
        }
        if let Some(times) = &self.times {
            for user in 0..n_users {
                order[offsets[user]..offsets[user + 1]]
                    .sort_by(|&a, &b| times[a as usize].total_cmp(&times[b as usize]));
            }
        }
        (offsets, order)
    }

    /// The columns, without the times.
    pub fn columns(&self) -> LogColumns<'_> {
        LogColumns { users: &self.users, items: &self.items, targets: &self.targets }
    }

    /// Checks what the fields promise: equal lengths, ids that exist, finite targets and times.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn validate(&self, n_users: usize, n_items: usize) -> Result<()> {
        self.columns().validate(n_users, n_items)?;
        let n = self.len();
        if n > u32::MAX as usize {
            return Err(Error::invalid(format!("the log has {n} rows, more than 2^32 - 1")));
        }
        if let Some(times) = &self.times {
            if times.len() != n {
                return Err(Error::invalid(format!("the log has {n} rows, but {} times", times.len())));
            }
            if let Some(row) = times.iter().position(|time| !time.is_finite()) {
                return Err(Error::invalid(format!("log row {row}: the time is {}", times[row])));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_rows_come_in_the_order_of_time() {
        let log = Log {
            users: vec![1, 0, 1, 1],
            items: vec![5, 6, 7, 8],
            targets: vec![0.0; 4],
            times: Some(vec![3.0, 0.0, 1.0, 3.0]),
        };
        assert_eq!(log.by_user(3), (vec![0, 1, 4, 4], vec![1, 2, 0, 3]));
        let untimed = Log { times: None, ..log };
        assert_eq!(untimed.by_user(2), (vec![0, 1, 4], vec![1, 0, 2, 3]));
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        let log =
            Log { users: vec![0, 1], items: vec![0, 2], targets: vec![1.0, 2.0], times: Some(vec![1.0]) };
        assert!(log.validate(2, 2).unwrap_err().to_string().contains("row 1"));
        assert!(log.validate(2, 3).unwrap_err().to_string().contains("2 rows, but 1 times"));
        let log = Log { times: Some(vec![1.0, f64::NAN]), ..log };
        assert!(log.validate(2, 3).unwrap_err().to_string().contains("row 1: the time is NaN"));
        assert_eq!(log.range(), Some((1.0, 2.0)));
    }
}
