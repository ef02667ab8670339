//! Yahoo! R3 (Webscope): ratings of 1,000 songs, self-selected in the training part, of random songs in the test part.
//!
//! Files: `ydata-ymusic-rating-study-v1_0-train.txt` and `…-test.txt` (user, item and rating, parted by blanks, ids from
//! 1), and RL4Rec's completed ratings `yahoo_pseudoGT_ratingM.ascii` (beside them or in `RL4Rec_data`).

use std::path::Path;
use std::sync::Arc;

use rec_core::read::delimited;
use serde::{Deserialize, Serialize};

use super::files::{first_of, matrix, parse_error, ratings};
use super::source::{popularity, same};
use super::{QuitSettings, Similarity, Source, Target};
use crate::factorize::Factorization;
use crate::{Features, Result, RewardMatrix};

/// How the truth is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How many of the users have a row in the truth, the first ones: those who rated random songs too.
    pub truth_users: usize,
    /// Without RL4Rec's completed ratings (which are hard to come by): make them from the training and test ratings,
    /// rounded to whole numbers. `None` = the file must be there.
    pub factorization: Option<Factorization>,
}

impl Default for Options {
    fn default() -> Self {
        Self { truth_users: 5400, factorization: None }
    }
}

/// Reads the data set in `folder`.
///
/// The truth holds ratings from 1 to 5 of the first users; users leave when one of the last 3 songs is closer than 120,
/// by the ratings of *all* users. A rating from 3 counts for popularity. There are no features.
///
/// # Errors
/// A missing file, ids that are not whole numbers from 1, ratings that are not 1 to 5, matrices that do not fit; with
/// file, line and column.
pub fn load(folder: impl AsRef<Path>, options: &Options) -> Result<Source> {
    let folder = folder.as_ref();
    let layout = delimited::Options {
        separator: " ".into(),
        rating: Some(2),
        ids: delimited::Ids::Numbers,
        ..delimited::Options::default()
    };
    let read = |part: &str| {
        let path = folder.join(format!("ydata-ymusic-rating-study-v1_0-{part}.txt"));
        ratings(&path, &layout, (1.0, 5.0))
    };
    let (log, held_out) = (read("train")?, read("test")?);
    let largest = |of: fn(&super::Log) -> &Vec<u32>| {
        of(&log).iter().chain(of(&held_out)).max().map_or(0, |&id| id as usize + 1)
    };
    let (n_users, n_items) = (largest(|log| &log.users), largest(|log| &log.items));
    let name = "yahoo_pseudoGT_ratingM.ascii";
    let path = first_of(folder, &[name, &format!("RL4Rec_data/{name}")]);
    let (rows, cells) = match &options.factorization {
        Some(factorization) if !path.is_file() => {
            let mut both = log.clone();
            both.users.extend_from_slice(&held_out.users);
            both.items.extend_from_slice(&held_out.items);
            both.targets.extend_from_slice(&held_out.targets);
            let factors = factorization.fit(both.columns(), n_users, n_items)?;
            let pairs =
                (0..n_users as u32).flat_map(|user| (0..n_items as u32).map(move |item| (user, item)));
            let whole = pairs.map(|(user, item)| factors.predict(user, item).round().clamp(1.0, 5.0));
            (n_users, whole.collect())
        }
        _ => {
            let accepts = |value: f64| (1.0..=5.0).contains(&value);
            let truth = matrix(&path, (None, Some(n_items)), accepts, "a rating from 1 to 5")?;
            (truth.n_rows, truth.values.iter().map(|&value| value as f32).collect::<Vec<f32>>())
        }
    };
    if rows > n_users {
        let what = format!("{rows} users, but only {n_users} have ratings");
        return Err(parse_error(&path, 0, 0, what));
    }
    let first = options.truth_users.clamp(1, rows);
    let truth = Arc::new(RewardMatrix::new(first, n_items, cells[..first * n_items].to_vec())?);
    let distance_truth = match first == rows {
        true => Arc::clone(&truth),
        false => Arc::new(RewardMatrix::new(rows, n_items, cells)?),
    };
    let source = Source {
        name: "yahoo".to_owned(),
        truth,
        distance_truth,
        popularity: popularity(&log, n_users, n_items, |row| log.targets[row] >= 3.0),
        log,
        held_out: Some(held_out),
        target: Target::Rating,
        users: Features::none(n_users),
        items: Features::none(n_items),
        truth_users: same(first),
        truth_items: same(n_items),
        tags: None,
        similarity: Similarity::Distance,
        dominant: Vec::new(),
        quit: QuitSettings::distance(3, 120.0),
    };
    source.validate()?;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Reward;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("ydata-ymusic-rating-study-v1_0-train.txt", "1\t2\t5\n1\t1\t1\n3\t3\t3\n2\t2\t3\n");
        write("ydata-ymusic-rating-study-v1_0-test.txt", "1\t3\t2\n2\t1\t4\n");
        write("yahoo_pseudoGT_ratingM.ascii", "1 2 3\n3 4 5\n1 1 5\n");
        folder
    }

    #[test]
    fn a_small_folder_is_read_as_it_is_written() {
        let folder = folder();
        let options = Options { truth_users: 2, ..Options::default() };
        let source = load(folder.path(), &options).unwrap();
        assert_eq!((source.truth.n_users(), source.truth.n_items()), (2, 3));
        assert_eq!(source.distance_truth.n_users(), 3);
        assert_eq!(source.truth.get(1, 2), 5.0);
        assert_eq!(
            (source.log.users.as_slice(), source.log.items.as_slice()),
            (&[0, 0, 2, 1][..], &[1, 0, 2, 1][..])
        );
        assert_eq!(source.held_out.as_ref().unwrap().targets, [2.0, 4.0]);
        assert_eq!(source.popularity, [0.0, 2.0 / 3.0, 1.0 / 3.0]);
        assert_eq!(source.user_rows(), [Some(0), Some(1), None]);
        assert_eq!((source.quit.window, source.quit.threshold), (3, 120.0));
    }

    #[test]
    fn a_missing_truth_can_be_made() {
        let folder = folder();
        fs::remove_file(folder.path().join("yahoo_pseudoGT_ratingM.ascii")).unwrap();
        let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
        assert!(error.contains("yahoo_pseudoGT_ratingM.ascii"), "{error}");
        let options = Options { factorization: Some(Factorization::default()), ..Options::default() };
        let source = load(folder.path(), &options).unwrap();
        assert_eq!(source.truth.n_users(), 3);
        let (low, high) = source.truth.range();
        assert!(low >= 1.0 && high <= 5.0 && source.truth.get(2, 2).fract() == 0.0);
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        let after = |part: &str, text: &str| {
            let folder = folder();
            fs::write(folder.path().join(part), text).unwrap();
            let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        let train = "ydata-ymusic-rating-study-v1_0-train.txt";
        assert_eq!(
            after(train, "1\t2\t5\n0\t1\t1\n"),
            format!("{train}:2:1: \"0\" is not an id (a number from 1)")
        );
        assert_eq!(after(train, "1\t2\t6\n"), format!("{train}:1:3: the rating 6 is not between 1 and 5"));
        assert_eq!(after(train, "1\t2\n"), format!("{train}:1:3: 2 fields, expected 3"));
        assert!(after(train, "a\t2\t3\n").starts_with(&format!("{train}:1:1: \"a\" is not an id")));
        assert!(after(train, "").contains("the file is empty"));
        let truth = "yahoo_pseudoGT_ratingM.ascii";
        assert!(after(truth, "1 2\n").contains("a matrix of 1 x 2, expected 1 x 3"));
        assert!(after(truth, "1 2 3\n1 2 3\n1 2 3\n1 2 3\n").contains("4 users, but only 3 have ratings"));
    }
}
