//! MovieLens-1M (GroupLens): a million ratings of 3,952 movie numbers by 6,040 users.
//!
//! Files: `ratings.dat`, `users.dat`, `movies.dat`, fields parted by `::`, ids from 1. Nobody rated everything, so the
//! truth is a factorisation of nine tenths of the ratings; the last tenth is the log. (The reference swaps the names of
//! its files, so that the large part is called "test".)

use std::path::Path;
use std::sync::Arc;

use rand::seq::SliceRandom;
use rec_core::read::{delimited, movielens};
use rec_core::{IdMap, random};
use serde::{Deserialize, Serialize};

use super::columns::{encode, masks, slots};
use super::files::{MAX_ID, open, parse_error, quoted, ratings};
use super::source::{dominance, popularity, same};
use super::{Log, QuitSettings, Similarity, Source, Target};
use crate::factorize::Factorization;
use crate::{Column, Error, Features, Result};

/// Which ratings make the truth, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// The file of ratings.
    pub ratings: String,
    /// The share of the ratings that is the log; the others make the truth.
    pub log_share: f64,
    /// How they make it.
    pub factorization: Factorization,
    /// Seeds the split.
    pub seed: u64,
    /// Move every popularity one item up, as the reference does by mixing ids from 0 and from 1
    /// ([`Compat::ml_pop_shift`](crate::Compat)).
    pub shift_popularity: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ratings: "ratings.dat".into(),
            log_share: 0.1,
            factorization: Factorization::default(),
            seed: 42,
            shift_popularity: false,
        }
    }
}

/// Reads the data set in `folder`.
///
/// Every pair has a truth in [0, 5], movie numbers without a movie included. Users leave when one of the last 7 movies is
/// closer than 75. A rating from 4 counts for popularity and for the majority genres. Users have a gender, an age range
/// (six, the two youngest codes in one) and an occupation; movies up to six genres.
///
/// # Errors
/// A missing file, a rating outside 1 to 5, an id outside the tables; with file, line and column.
pub fn load(folder: impl AsRef<Path>, options: &Options) -> Result<Source> {
    let folder = folder.as_ref();
    if !(options.log_share > 0.0 && options.log_share < 1.0) {
        let what = format!("is {}; accepts shares between 0 and 1", options.log_share);
        return Err(Error::config("movielens.log_share", what));
    }
    let (users, n_users) = users(&folder.join("users.dat"))?;
    let (genres, vocabulary) = genres(&folder.join("movies.dat"))?;
    let n_items = genres.len();
    let path = folder.join(&options.ratings);
    let all = ratings(&path, &delimited::Options::movielens("::"), (1.0, 5.0))?;
    for row in 0..all.len() {
        for (what, id, n) in [("user", all.users[row], n_users), ("movie", all.items[row], n_items)] {
            if id as usize >= n {
                let what = format!("row {}: {what} {}, but the table ends with {n}", row + 1, id + 1);
                return Err(parse_error(&path, 0, 0, what));
            }
        }
    }
    let (log, rest) = split(&all, options.log_share, options.seed);
    let truth = Arc::new(options.factorization.fill(rest.columns(), n_users, n_items, (0.0, 5.0))?);
    let truth_items = same(n_items);
    let positive = |row: usize| log.targets[row] >= 4.0;
    let mut popularity = popularity(&log, n_users, n_items, positive);
    if options.shift_popularity {
        popularity.rotate_right(1);
        popularity[0] = 0.0;
    }
    let categories = |item: u32| genres[item as usize].clone();
    let dominant = dominance("genres", &log, vocabulary, &truth_items, categories, positive);
    let items =
        Features { rows: n_items, tags: Some(slots("genres", &genres, vocabulary)), ..Features::default() };
    let source = Source {
        name: "movielens".to_owned(),
        distance_truth: Arc::clone(&truth),
        truth,
        log,
        held_out: Some(rest),
        target: Target::Rating,
        users,
        items,
        truth_users: same(n_users),
        truth_items,
        tags: masks(&genres, vocabulary),
        similarity: Similarity::Distance,
        popularity,
        dominant: vec![dominant],
        quit: QuitSettings::distance(7, 75.0),
    };
    source.validate()?;
    Ok(source)
}

/// A random part of `share` of the rows, and the others; both keep their order.
fn split(all: &Log, share: f64, seed: u64) -> (Log, Log) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.shuffle(&mut random::stream(seed, "movielens split", 0));
    let in_log = (all.len() as f64 * share).round() as usize;
    let part = |rows: &mut [usize]| {
        rows.sort_unstable();
        Log {
            users: rows.iter().map(|&row| all.users[row]).collect(),
            items: rows.iter().map(|&row| all.items[row]).collect(),
            targets: rows.iter().map(|&row| all.targets[row]).collect(),
            times: all.times.as_ref().map(|times| rows.iter().map(|&row| times[row]).collect()),
        }
    };
    let (first, second) = order.split_at_mut(in_log);
    (part(first), part(second))
}

/// The place of a row (from 0) of a table whose ids count from 1.
fn place(path: &Path, row: usize, id: &str) -> Result<usize> {
    match id.parse::<u32>() {
        Ok(id) if id > 0 && id < MAX_ID => Ok(id as usize - 1),
        _ => {
            let what = format!("row {}: {} is not an id (a number from 1)", row + 1, quoted(id));
            Err(parse_error(path, 0, 0, what))
        }
    }
}

fn users(path: &Path) -> Result<(Features, usize)> {
    let table = movielens::users(open(path)?, path)?;
    let mut rows = Vec::with_capacity(table.len());
    for (row, (id, values)) in table.rows().enumerate() {
        let code = values[1].parse::<u32>();
        let code = code.map_err(|_| {
            parse_error(path, 0, 0, format!("row {}: {} is not an age", row + 1, quoted(&values[1])))
        })?;
        // Bins (0, 18], (18, 25], ... (50, 56]: the codes 1 and 18 share one.
        let age = [18, 25, 35, 45, 50].iter().filter(|&&end| code > end).count() as u32;
        rows.push((place(path, row, id)?, age, values));
    }
    let n = rows.iter().map(|(at, ..)| at + 1).max().unwrap_or(0);
    let mut ages = vec![0; n];
    let mut texts = [vec![""; n], vec![""; n]];
    for (at, age, values) in rows {
        ages[at] = age;
        texts[0][at] = &values[0];
        texts[1][at] = &values[2];
    }
    let age = Column { name: "age_range".into(), vocabulary: 6, values: ages };
    let categorical = vec![encode("gender", &texts[0]), age, encode("occupation", &texts[1])];
    Ok((Features { rows: n, categorical, ..Features::default() }, n))
}

/// The genres of every movie number, numbered by name, and how many there are.
fn genres(path: &Path) -> Result<(Vec<Vec<u32>>, usize)> {
    let table = movielens::movies(open(path)?, path)?;
    let mut names: Vec<&str> =
        table.rows().flat_map(|(_, values)| values[2].split('|')).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let names: IdMap = names.into_iter().collect();
    let mut genres: Vec<Vec<u32>> = Vec::new();
    for (row, (id, values)) in table.rows().enumerate() {
        let at = place(path, row, id)?;
        if genres.len() <= at {
            genres.resize(at + 1, Vec::new());
        }
        for genre in values[2].split('|').filter_map(|name| names.get(name)) {
            if !genres[at].contains(&genre) {
                genres[at].push(genre);
            }
        }
    }
    Ok((genres, names.len()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::factorize::Sgd;
    use crate::{Reward, TagSlots};

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let users = "1::F::1::10::48067\n2::M::56::16::70072\n4::M::18::9::02460-1234\n3::M::25::10::1\n";
        fs::write(folder.path().join("users.dat"), users).unwrap();
        let movies = b"1::Toy Story (1995)::Animation|Comedy\n2::Caf\xe9 (1999)::Drama\n4::Heat (1995)::Action|Drama\n";
        fs::write(folder.path().join("movies.dat"), movies).unwrap();
        let ratings: String =
            (0..16).map(|n| format!("{}::{}::{}::{}\n", n / 4 + 1, n % 4 + 1, n % 5 + 1, 100 - n)).collect();
        fs::write(folder.path().join("ratings.dat"), ratings).unwrap();
        folder
    }

    #[test]
    fn a_small_folder_is_read_as_it_is_written() {
        let folder = folder();
        let options = Options { log_share: 0.25, ..Options::default() };
        let source = load(folder.path(), &options).unwrap();
        assert_eq!((source.truth.n_users(), source.truth.n_items()), (4, 4));
        assert_eq!((source.log.len(), source.held_out.as_ref().unwrap().len()), (4, 12));
        for row in 0..4 {
            let number = source.log.users[row] * 4 + source.log.items[row];
            assert_eq!(source.log.targets[row], (number % 5 + 1) as f32);
            assert_eq!(source.log.times.as_ref().unwrap()[row], f64::from(100 - number));
        }
        let values: Vec<_> = source.users.categorical.iter().map(|column| column.values.clone()).collect();
        assert_eq!(values, [[0, 1, 1, 1], [0, 5, 1, 0], [1, 2, 1, 0]]);
        // Action 0, Animation 1, Comedy 2, Drama 3; number 3 has no movie.
        let tags = source.items.tags.as_ref().unwrap();
        let empty = TagSlots::EMPTY;
        assert_eq!((tags.slots, tags.values.as_slice()), (2, &[1, 2, 3, empty, empty, empty, 0, 3][..]));
        assert_eq!(source.tags.as_deref(), Some(&[6, 8, 0, 9][..]));
        let (low, high) = source.truth.range();
        assert!(low >= 0.0 && high <= 5.0);
        let again = load(folder.path(), &options).unwrap();
        assert_eq!(again.log, source.log);
        let other = load(folder.path(), &Options { seed: 1, ..options }).unwrap();
        assert_ne!(other.log, source.log);
    }

    #[test]
    fn the_references_popularity_is_one_item_off() {
        let folder = folder();
        let options = Options { log_share: 0.5, ..Options::default() };
        let right = load(folder.path(), &options).unwrap().popularity;
        let shifted = load(folder.path(), &Options { shift_popularity: true, ..options }).unwrap().popularity;
        assert_eq!((shifted[0], &shifted[1..]), (0.0, &right[..3]));
        assert!(right.iter().any(|&share| share > 0.0));
    }

    #[test]
    fn the_reference_can_be_asked_for() {
        let folder = folder();
        let factorization = Factorization::Sgd(Sgd { epochs: 5, learning_rate: 0.01, ..Sgd::default() });
        let source = load(folder.path(), &Options { factorization, ..Options::default() }).unwrap();
        assert!(source.truth.range().1 <= 5.0);
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        let after = |part: &str, text: &str| {
            let folder = folder();
            fs::write(folder.path().join(part), text).unwrap();
            let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        assert_eq!(
            after("ratings.dat", "1::2::6::1\n"),
            "ratings.dat:1:3: the rating 6 is not between 1 and 5"
        );
        assert_eq!(after("ratings.dat", "1::2::6\n"), "ratings.dat:1:4: 3 fields, expected 4");
        assert_eq!(
            after("ratings.dat", "9::2::5::1\n"),
            "ratings.dat: row 1: user 9, but the table ends with 4"
        );
        assert_eq!(
            after("ratings.dat", "1::5::5::1\n"),
            "ratings.dat: row 1: movie 5, but the table ends with 4"
        );
        assert_eq!(after("users.dat", "1::F::x::10::48067\n"), "users.dat: row 1: \"x\" is not an age");
        assert!(after("users.dat", "0::F::1::10::48067\n").contains("row 1: \"0\" is not an id"));
        assert!(
            after("movies.dat", "1::a::b\n1::a::b\n").contains("movies.dat:2:1: \"1\" has a row already")
        );
        assert!(after("movies.dat", "4294967295::a::b\n").contains("is not an id"));
        assert!(load(folder().path(), &Options { log_share: 1.0, ..Options::default() }).is_err());
    }
}
