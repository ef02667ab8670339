//! Coat shopping (Schnabel et al., ICML 2016): 290 users, 300 coats, 24 self-selected and 16 random ratings a user.
//!
//! Files: `train.ascii`, `test.ascii`, `user_features.ascii`, `item_features.ascii` of the data set, and RL4Rec's
//! completed ratings `coat_pseudoGT_ratingM.ascii` (beside them or in `RL4Rec_data`), which are the truth.

use std::path::Path;
use std::sync::Arc;

use super::files::{first_of, is_rating, matrix, parse_error, rated};
use super::source::{dominance, popularity, same};
use super::{QuitSettings, Similarity, Source, Target};
use crate::{Column, Features, Result, RewardMatrix};

/// Groups of one-hot columns in `user_features.ascii`.
const USERS: [(&str, usize); 4] = [("gender", 2), ("age", 6), ("location", 3), ("fashion_interest", 3)];
/// Groups of one-hot columns in `item_features.ascii`.
const ITEMS: [(&str, usize); 4] = [("gender", 2), ("jacket_type", 16), ("color", 13), ("on_front_page", 2)];

/// Reads the data set in `folder`.
///
/// The truth holds whole ratings from 1 to 5; users leave when one of the last 7 coats is closer than 6. A rating from 3
/// counts for popularity; the majority categories of each of the four features are those of the logged coats, whatever
/// their rating.
///
/// # Errors
/// A missing file, a matrix of another shape than the others ask for, a rating that is not 1 to 5 (0 = not rated), or a
/// feature group without exactly one 1; with file, line and column.
pub fn load(folder: impl AsRef<Path>) -> Result<Source> {
    let folder = folder.as_ref();
    let name = "coat_pseudoGT_ratingM.ascii";
    let truth_path = first_of(folder, &[name, &format!("RL4Rec_data/{name}")]);
    let whole = |value: f64| (1.0..=5.0).contains(&value) && value.fract() == 0.0;
    let truth = matrix(&truth_path, (None, None), whole, "a rating from 1 to 5")?;
    let (n_users, n_items) = (truth.n_rows, truth.n_columns);
    let ratings = |name: &str| {
        let shape = (Some(n_users), Some(n_items));
        Ok::<_, crate::Error>(rated(&matrix(
            &folder.join(name),
            shape,
            is_rating,
            "a rating from 1 to 5, or 0",
        )?))
    };
    let (log, held_out) = (ratings("train.ascii")?, ratings("test.ascii")?);
    let users = one_hot(&folder.join("user_features.ascii"), n_users, &USERS)?;
    let items = one_hot(&folder.join("item_features.ascii"), n_items, &ITEMS)?;
    let truth_items = same(n_items);
    let dominant = items.categorical.iter().map(|column| {
        let category = |item: u32| vec![column.values[item as usize]];
        dominance(&column.name, &log, column.vocabulary as usize, &truth_items, category, |_| true)
    });
    let cells = truth.values.iter().map(|&value| value as f32).collect();
    let truth = Arc::new(RewardMatrix::new(n_users, n_items, cells)?);
    let source = Source {
        name: "coat".to_owned(),
        distance_truth: Arc::clone(&truth),
        truth,
        popularity: popularity(&log, n_users, n_items, |row| log.targets[row] >= 3.0),
        dominant: dominant.collect(),
        log,
        held_out: Some(held_out),
        target: Target::Rating,
        users,
        items,
        truth_users: same(n_users),
        truth_items,
        tags: None,
        similarity: Similarity::Distance,
        quit: QuitSettings::distance(7, 6.0),
    };
    source.validate()?;
    Ok(source)
}

/// Reads groups of one-hot columns: the value of a group is the place of its 1.
fn one_hot(path: &Path, rows: usize, groups: &[(&str, usize)]) -> Result<Features> {
    let width = groups.iter().map(|(_, width)| width).sum();
    let matrix = matrix(path, (Some(rows), Some(width)), |value| value == 0.0 || value == 1.0, "0 or 1")?;
    let mut categorical = Vec::new();
    let mut start = 0;
    for &(name, width) in groups {
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let group = &matrix.row(row)[start..start + width];
            let ones = group.iter().filter(|value| **value == 1.0).count();
            match group.iter().position(|&value| value == 1.0) {
                Some(place) if ones == 1 => values.push(place as u32),
                _ => {
                    let what = format!("{ones} of the {width} columns of {name} are 1, expected one");
                    return Err(parse_error(path, row as u64 + 1, start + 1, what));
                }
            }
        }
        categorical.push(Column { name: name.to_owned(), vocabulary: width as u32, values });
        start += width;
    }
    Ok(Features { rows, categorical, ..Features::default() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn place(vocabulary: usize, at: usize) -> String {
        (0..vocabulary).map(|column| if column == at { "1 " } else { "0 " }).collect()
    }

    /// Two users, three coats.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("coat_pseudoGT_ratingM.ascii", "1 2 3\n5 4 2\n");
        write("train.ascii", "0 2 4\n3 0 0\n");
        write("test.ascii", "1 0 0\n0 0 5\n");
        let user = |a, b, c, d| format!("{}{}{}{}\n", place(2, a), place(6, b), place(3, c), place(3, d));
        write("user_features.ascii", &(user(0, 5, 2, 0) + &user(1, 0, 0, 2)));
        let item = |a, b, c, d| format!("{}{}{}{}\n", place(2, a), place(16, b), place(13, c), place(2, d));
        write("item_features.ascii", &(item(0, 15, 12, 1) + &item(1, 0, 3, 0) + &item(0, 15, 3, 0)));
        folder
    }

    #[test]
    fn a_small_folder_is_read_as_it_is_written() {
        let folder = folder();
        let source = load(folder.path()).unwrap();
        assert_eq!((source.truth.get(0, 2), source.truth.get(1, 0)), (3.0, 5.0));
        assert_eq!(source.log.users, [0, 0, 1]);
        assert_eq!(source.log.items, [1, 2, 0]);
        assert_eq!(source.log.targets, [2.0, 4.0, 3.0]);
        assert_eq!(source.held_out.as_ref().unwrap().targets, [1.0, 5.0]);
        let values: Vec<_> = source.users.categorical.iter().map(|column| column.values.clone()).collect();
        assert_eq!(values, [[0, 1], [5, 0], [2, 0], [0, 2]]);
        let values: Vec<_> = source.items.categorical.iter().map(|column| column.values.clone()).collect();
        assert_eq!(values, [[0, 1, 0], [15, 0, 15], [12, 3, 3], [1, 0, 0]]);
        assert_eq!(source.popularity, [0.5, 0.0, 0.5]);
        // Logged coats have the genders 1, 0, 0: the share of 0 is 2/3, both together are more than 0.8.
        assert_eq!(source.dominant[0].items, [true, false, true]);
        assert_eq!(source.dominant[2].items, [false, true, true]);
        let (world, tables) = (source.world(&source.quit).unwrap(), source.tables().unwrap());
        assert_eq!((world.n_users(), world.n_items(), tables.n_items()), (2, 3, 3));
        // The distances of the columns are at most 5, so any second coat makes a user leave.
        assert!(world.quit.quits(1, &[0]));
        let far = source.world(&QuitSettings { threshold: 2.0, ..source.quit }).unwrap();
        assert!(far.quit.quits(1, &[0]) && !far.quit.quits(2, &[0]) && far.quit.quits(2, &[0, 2]));
        assert!(
            source.world(&QuitSettings::category(3, 1)).unwrap_err().to_string().contains("have no tags")
        );
        assert_eq!((source.quit.window, source.quit.threshold), (7, 6.0));
    }

    #[test]
    fn the_truth_may_lie_in_its_own_folder() {
        let folder = folder();
        fs::create_dir(folder.path().join("RL4Rec_data")).unwrap();
        let name = "coat_pseudoGT_ratingM.ascii";
        fs::rename(folder.path().join(name), folder.path().join("RL4Rec_data").join(name)).unwrap();
        assert!(load(folder.path()).is_ok());
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        let after = |name: &str, text: Option<&str>| {
            let folder = folder();
            match text {
                Some(text) => fs::write(folder.path().join(name), text).unwrap(),
                None => fs::remove_file(folder.path().join(name)).unwrap(),
            }
            let error = load(folder.path()).unwrap_err().to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        let truth = "coat_pseudoGT_ratingM.ascii";
        assert!(after(truth, None).starts_with(truth));
        assert_eq!(after(truth, Some("")), format!("{truth}: the file is empty"));
        assert_eq!(
            after(truth, Some("1 2 3\n1 0 2\n")),
            format!("{truth}:2:2: 0, expected a rating from 1 to 5")
        );
        assert_eq!(after(truth, Some("1 2.5\n")), format!("{truth}:1:2: 2.5, expected a rating from 1 to 5"));
        assert_eq!(
            after("train.ascii", Some("0 1\n2 0\n")),
            "train.ascii: a matrix of 2 x 2, expected 2 x 3"
        );
        assert_eq!(
            after("test.ascii", Some("0 1 6\n2 0 0\n")),
            "test.ascii:1:3: 6, expected a rating from 1 to 5, or 0"
        );
        assert!(
            after("train.ascii", Some("0 1 x\n2 0 0\n"))
                .starts_with("train.ascii:1:3: \"x\" is not a finite")
        );
        assert!(after("train.ascii", Some("0 0 0\n0 0 0\n")).contains("the log is empty"));
        let two = format!("{}1 1 0 0 0 0 {}{}\n", place(2, 0), place(3, 0), place(3, 0));
        assert_eq!(
            after("user_features.ascii", Some(&(two.clone() + &two))),
            "user_features.ascii:1:3: 2 of the 6 columns of age are 1, expected one"
        );
        assert!(after("user_features.ascii", Some("1 0\n")).contains("a matrix of 1 x 2, expected 2 x 14"));
    }
}
