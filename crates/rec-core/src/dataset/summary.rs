//! Numbers that describe a data set.

use serde::{Deserialize, Serialize};

use super::Dataset;

/// Smallest, middle and largest count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min: u32,
    /// The middle one; the mean of the middle two where the number of counts is even.
    pub median: f64,
    /// The largest.
    pub max: u32,
}

impl Spread {
    fn of(mut counts: Vec<u32>) -> Self {
        counts.sort_unstable();
        let (Some(&min), Some(&max)) = (counts.first(), counts.last()) else { return Self::default() };
        let n = counts.len();
        let median = (f64::from(counts[(n - 1) / 2]) + f64::from(counts[n / 2])) / 2.0;
        Self { min, median, max }
    }
}

/// How large, dense and even a data set is. Users and items without interactions count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// How many users there are.
    pub users: usize,
    /// How many items there are.
    pub items: usize,
    /// How many interactions (rows) there are.
    pub interactions: usize,
    /// Distinct pairs as a share of all users times all items.
    pub density: f64,
    /// Rows of each user.
    pub per_user: Spread,
    /// Rows of each item.
    pub per_item: Spread,
    /// The first and the last time, if there are times.
    pub time_range: Option<(f64, f64)>,
    /// The mean rating, if there are ratings.
    pub mean_rating: Option<f64>,
    /// Each rating with its number of rows, ascending; `None` without ratings or with more than
    /// [`Statistics::MAX_RATINGS`] different ones (counts of plays, say).
    pub ratings: Option<Vec<(f32, usize)>>,
}

impl Statistics {
    /// The most different ratings that are listed one by one.
    pub const MAX_RATINGS: usize = 101;

    /// The statistics of `dataset`.
    ///
    /// # Panics
    /// If `dataset` does not hold what it promises (see [`Dataset::validate`]).
    pub fn of(dataset: &Dataset) -> Self {
        let rows = &dataset.interactions;
        let (users, items) = (dataset.n_users(), dataset.n_items());
        let cells = users as f64 * items as f64;
        let pairs = dataset.user_items().n_pairs() as f64;
        let times = rows.timestamps.as_deref().filter(|times| !times.is_empty());
        let time_range = times.map(|times| {
            let first = times.iter().copied().fold(f64::INFINITY, f64::min);
            (first, times.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        });
        let column = rows.ratings.as_deref().filter(|ratings| !ratings.is_empty());
        let mean_rating = column.map(|ratings| {
            ratings.iter().map(|&rating| f64::from(rating)).sum::<f64>() / ratings.len() as f64
        });
        let ratings = column.and_then(|ratings| {
            let mut sorted = ratings.to_vec();
            sorted.sort_unstable_by(f32::total_cmp);
            let runs: Vec<(f32, usize)> =
                sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
            (runs.len() <= Self::MAX_RATINGS).then_some(runs)
        });
        Self {
            users,
            items,
            interactions: rows.len(),
            density: if cells > 0.0 { pairs / cells } else { 0.0 },
            per_user: Spread::of(rows.user_counts(users)),
            per_item: Spread::of(rows.item_counts(items)),
            time_range,
            mean_rating,
            ratings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Builder, Record};

    #[test]
    fn small_numbers_by_hand() {
        let mut builder = Builder::new("t");
        for (user, item, rating, time) in
            [("a", "x", 4.0, 9.0), ("a", "y", 2.0, 3.0), ("b", "x", 4.0, 5.0), ("a", "x", 4.0, 4.0)]
        {
            let (rating, time) = (Some(rating), Some(time));
            builder.push(Record::Interaction { user, item, rating, time }).unwrap();
        }
        builder.push(Record::User("c")).unwrap();
        let found = Statistics::of(&builder.finish().unwrap().0);
        assert_eq!((found.users, found.items, found.interactions), (3, 2, 4));
        assert_eq!(found.density, 0.5);
        assert_eq!(found.per_user, Spread { min: 0, median: 1.0, max: 3 });
        assert_eq!(found.per_item, Spread { min: 1, median: 2.0, max: 3 });
        assert_eq!(found.time_range, Some((3.0, 9.0)));
        assert_eq!(found.mean_rating, Some(3.5));
        assert_eq!(found.ratings, Some(vec![(2.0, 1), (4.0, 3)]));
        assert_eq!(Statistics::of(&Dataset::default()), Statistics::default());
    }
}
