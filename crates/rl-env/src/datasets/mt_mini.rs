//! MovieTweetings, the sample of this repository (`datasets/mt-mini`): 53,556 ratings of 2,146 movies by 2,290 users. The
//! environment that works out of the box.
//!
//! Files: `mt-mini.inter` and `mt-mini.item` (RecBole's atomic form). Any data set that
//! [`rec_core::read::folder`] reads can be used, as long as it has ratings and its items categories.

use std::path::Path;
use std::sync::Arc;

use rec_core::{Dataset, read};
use serde::{Deserialize, Serialize};

use super::columns::{encode, masks, slots};
use super::source::{dominance, popularity, same};
use super::{Log, QuitSettings, Similarity, Source, Target};
use crate::factorize::Factorization;
use crate::{Error, Features, Result};

/// How ratings become a truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The least and the largest rating of the data set; they become 1 and 5.
    pub rating_range: (f32, f32),
    /// How the truth is made of the ratings.
    pub factorization: Factorization,
}

impl Default for Options {
    fn default() -> Self {
        Self { rating_range: (0.0, 10.0), factorization: Factorization::default() }
    }
}

/// Reads the data set in `folder`.
///
/// Ratings are brought to 1 to 5; the truth is their factorisation, clipped to that range. Users leave when a genre of
/// the movie occurs more than thrice among the last 8: a uniformly random policy then lasts about nine turns. A rating
/// from 4 counts for popularity and for the majority genres. Movies have genres and, where it is known, a decade.
///
/// # Errors
/// What [`rec_core::read::folder`] refuses, and what [`from_dataset`] does.
pub fn load(folder: impl AsRef<Path>, options: &Options) -> Result<Source> {
    from_dataset(&read::folder(folder)?, options)
}

/// [`load`] for a data set that was read before.
///
/// # Errors
/// A data set without ratings or without categories, more than 64 categories, a rating outside
/// [`Options::rating_range`].
pub fn from_dataset(data: &Dataset, options: &Options) -> Result<Source> {
    let (low, high) = options.rating_range;
    if !(low.is_finite() && high.is_finite() && low < high) {
        let what = format!("is {low} to {high}; accepts two finite numbers, the smaller one first");
        return Err(Error::config("mt_mini.rating_range", what));
    }
    let invalid = |what: String| Error::invalid(format!("{}: {what}", data.name));
    let rows = &data.interactions;
    let ratings = rows.ratings.as_ref().ok_or_else(|| invalid("there are no ratings".into()))?;
    if let Some(row) = ratings.iter().position(|rating| !(low..=high).contains(rating)) {
        let (user, item) = (data.users.token(rows.users[row].0), data.items.token(rows.items[row].0));
        let what = format!("user {user} rates {item} with {}, not between {low} and {high}", ratings[row]);
        return Err(invalid(what));
    }
    let log = Log {
        users: rows.users.iter().map(|user| user.0).collect(),
        items: rows.items.iter().map(|item| item.0).collect(),
        targets: ratings.iter().map(|rating| 1.0 + 4.0 * (rating - low) / (high - low)).collect(),
        times: rows.timestamps.clone(),
    };
    let (n_users, n_items) = (data.n_users(), data.n_items());
    let genres =
        data.catalogue.categories.as_ref().ok_or_else(|| invalid("items have no categories".into()))?;
    let vocabulary = data.catalogue.category_names.len();
    let bits = masks(genres, vocabulary);
    let bits = bits.ok_or_else(|| invalid(format!("{vocabulary} categories; the rule knows up to 64")))?;
    let years = data.catalogue.columns.iter().find(|(name, _)| name == "release_year");
    let decade = |year: &String| year.parse::<u32>().map_or(0, |year| year / 10).to_string();
    let decades = years.map(|(_, years)| encode("decade", &years.iter().map(decade).collect::<Vec<_>>()));
    let truth = Arc::new(options.factorization.fill(log.columns(), n_users, n_items, (1.0, 5.0))?);
    let truth_items = same(n_items);
    let positive = |row: usize| log.targets[row] >= 4.0;
    let dominant =
        dominance("genres", &log, vocabulary, &truth_items, |item| genres[item as usize].clone(), positive);
    let source = Source {
        name: data.name.clone(),
        distance_truth: Arc::clone(&truth),
        truth,
        popularity: popularity(&log, n_users, n_items, positive),
        dominant: vec![dominant],
        log,
        held_out: None,
        target: Target::Rating,
        users: Features::none(n_users),
        items: Features {
            rows: n_items,
            categorical: decades.into_iter().collect(),
            tags: Some(slots("genres", genres, vocabulary)),
            ..Features::default()
        },
        truth_users: same(n_users),
        truth_items,
        tags: Some(bits),
        similarity: Similarity::Tags,
        quit: QuitSettings::category(8, 3),
    };
    source.validate()?;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let inter = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t0074958\t10\t7\n1\t0251736\t0\t5\n\
                     2\t0251736\t7.5\t6\n";
        fs::write(folder.path().join("mt.inter"), inter).unwrap();
        let item = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n\
                    0074958\tNetwork\t1976\tDrama\n0251736\tHouse\t\tHorror Drama\n";
        fs::write(folder.path().join("mt.item"), item).unwrap();
        folder
    }

    #[test]
    fn a_small_folder_is_read_as_it_is_written() {
        let source = load(folder().path(), &Options::default()).unwrap();
        assert_eq!(source.log.targets, [5.0, 1.0, 4.0]);
        assert_eq!(source.log.by_user(2).1, [1, 0, 2]);
        assert_eq!(source.tags.as_deref(), Some(&[1, 3][..]));
        assert_eq!(source.popularity, [0.5, 0.5]);
        assert_eq!(source.items.categorical[0].values, [1, 0]);
        assert_eq!(source.dominant[0].items, [true, true]);
        assert!(source.world(&source.quit).is_ok() && source.tables().is_ok());
    }

    #[test]
    fn data_that_does_not_suit_is_refused() {
        let folder = folder();
        let options = Options { rating_range: (1.0, 10.0), ..Options::default() };
        let error = load(folder.path(), &options).unwrap_err().to_string();
        assert!(error.contains("user 1 rates 0251736 with 0, not between 1 and 10"), "{error}");
        let options = Options { rating_range: (1.0, 1.0), ..Options::default() };
        assert!(load(folder.path(), &options).unwrap_err().to_string().starts_with("mt_mini.rating_range"));
        fs::remove_file(folder.path().join("mt.item")).unwrap();
        let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains("items have no categories"), "{error}");
    }
}
