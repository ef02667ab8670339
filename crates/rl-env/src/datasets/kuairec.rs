//! KuaiRec (Gao et al., CIKM 2022): a small matrix of 1,411 users and 3,327 videos that is observed almost whole, and a
//! big one with the rest of what these and other users watched.
//!
//! Files: `big_matrix.csv` (the log), `small_matrix.csv` (the truth, and what user models are judged on),
//! `item_categories.csv`, and, if asked for, `user_features.csv`.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::columns::{encode, masks, scaled_means, slots};
use super::csv::Csv;
use super::files::parse_error;
use super::source::{dominance, popularity};
use super::{Log, QuitSettings, Similarity, Source, Target};
use crate::{Column, DenseColumn, Error, Features, Result, RewardMatrix};

/// The columns of `user_features.csv` that the reference knows, beside `onehot_feat0` to `onehot_feat17`.
pub(crate) const USER_COLUMNS: [&str; 7] = [
    "user_active_degree",
    "is_live_streamer",
    "is_video_author",
    "follow_user_num_range",
    "fans_user_num_range",
    "friend_user_num_range",
    "register_days_range",
];

/// What a pair of the small matrix that was not observed (0.4 %) is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// The mean of the video's observed ratios: nobody knows, so the pair is neither better nor worse than the video.
    #[default]
    ItemMean,
    /// 0, as in the reference, whose replacement never takes effect: the video counts as skipped at once.
    Zero,
}

/// What is read, and how gaps are filled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What a missing pair of the truth is worth.
    pub missing: Missing,
    /// Whether user features are read. The published user models know users by their number only.
    pub user_features: bool,
}

/// The largest watch ratio of the truth.
const CAP: f32 = 5.0;

/// Reads the data set in `folder`.
///
/// The truth is the raw watch ratio of the small matrix, capped at 5; the log's targets are the ratios scaled to [0, 1]
/// for each video over both matrices (0 where they are all equal). Users leave when a tag of the video occurs more than
/// once among the last 9. A raw ratio from 1 counts for popularity, a scaled one from 0.6 for the majority tags. Videos
/// have up to four of 31 tags and a duration, scaled to [0, 1] over all rows.
///
/// # Errors
/// A missing file or column, a row that does not parse, a negative ratio; with file, line and column.
pub fn load(folder: impl AsRef<Path>, options: &Options) -> Result<Source> {
    let folder = folder.as_ref();
    let (big_path, small_path) = (folder.join("big_matrix.csv"), folder.join("small_matrix.csv"));
    let mut big = Watches::read(&big_path)?;
    let mut small = Watches::read(&small_path)?;
    let categories_path = folder.join("item_categories.csv");
    let mut categories = item_categories(&categories_path)?;
    let vocabulary = categories.iter().flatten().max().map_or(0, |&tag| tag as usize + 1);
    let rows_of = |of: fn(&Log) -> &Vec<u32>| {
        of(&big.log).iter().chain(of(&small.log)).max().map_or(0, |&id| id as usize + 1)
    };
    let (n_users, n_items) = (rows_of(|log| &log.users), rows_of(|log| &log.items).max(categories.len()));
    categories.resize(n_items, Vec::new());
    let Some(all_masks) = masks(&categories, vocabulary) else {
        let what = format!("tags up to {}; the rule knows tags from 0 to 63", vocabulary - 1);
        return Err(parse_error(&categories_path, 0, 2, what));
    };

    let watched = [&big, &small].into_iter();
    let watched =
        watched.flat_map(|matrix| matrix.log.items.iter().copied().zip(matrix.durations.iter().copied()));
    let duration = scaled_means(watched, n_items);
    let (truth_users, truth_items, truth) = truth(&small.log, options.missing)?;
    let truth = Arc::new(truth);
    let raw = big.log.targets.clone();
    normalise(&mut big.log, &mut small.log, n_items);
    let log = big.log;
    let of_items = popularity(&log, n_users, n_items, |row| raw[row] >= 1.0);
    drop(raw);
    let categories_of = |item: u32| categories[item as usize].clone();
    let positive = |row: usize| log.targets[row] >= 0.6;
    let dominant = dominance("tags", &log, vocabulary, &truth_items, categories_of, positive);
    let items = Features {
        rows: n_items,
        tags: Some(slots("tags", &categories, vocabulary)),
        dense: vec![DenseColumn { name: "duration".into(), values: duration }],
        ..Features::default()
    };
    let users = match options.user_features {
        true => user_features(&folder.join("user_features.csv"), n_users)?,
        false => Features::none(n_users),
    };
    let source = Source {
        name: "kuairec".to_owned(),
        distance_truth: Arc::clone(&truth),
        truth,
        popularity: truth_items.iter().map(|&item| of_items[item as usize]).collect(),
        tags: Some(truth_items.iter().map(|&item| all_masks[item as usize]).collect()),
        dominant: vec![dominant],
        log,
        held_out: Some(small.log),
        target: Target::Rating,
        users,
        items,
        truth_users,
        truth_items,
        similarity: Similarity::Tags,
        quit: QuitSettings::category(9, 1),
    };
    source.validate()?;
    Ok(source)
}

/// One of the two matrices; the targets are raw watch ratios.
struct Watches {
    log: Log,
    durations: Vec<f32>,
}

impl Watches {
    fn read(path: &Path) -> Result<Self> {
        let mut csv = Csv::open(path)?;
        let [user, item, ratio, duration] =
            ["user_id", "video_id", "watch_ratio", "video_duration"].map(|name| csv.column(name));
        let (user, item, ratio, duration) = (user?, item?, ratio?, duration?);
        let time = csv.find("timestamp");
        let (mut log, mut durations, mut times) = (Log::default(), Vec::new(), Vec::new());
        while let Some(row) = csv.next_row()? {
            let watched = row.number(ratio)?;
            if watched < 0.0 {
                return Err(row.error(ratio, format!("the watch ratio {watched} is below 0")));
            }
            log.push(row.id(user)?, row.id(item)?, watched as f32);
            durations.push(row.number(duration)? as f32);
            // The small matrix lacks some times.
            if let Some(time) = time.map(|time| row.optional_number(time)).transpose()?.flatten() {
                times.push(time);
            }
        }
        if log.is_empty() {
            return Err(parse_error(path, 0, 0, "there is no row below the header"));
        }
        log.times = (times.len() == log.len()).then_some(times);
        Ok(Self { log, durations })
    }
}

/// The tags of every video; a video without a row has none.
fn item_categories(path: &Path) -> Result<Vec<Vec<u32>>> {
    let mut csv = Csv::open(path)?;
    let (item, tags) = (csv.column("video_id")?, csv.column("feat")?);
    let mut categories: Vec<Option<Vec<u32>>> = Vec::new();
    while let Some(row) = csv.next_row()? {
        let id = row.id(item)? as usize;
        if categories.len() <= id {
            categories.resize(id + 1, None);
        }
        let list = row.id_list(tags)?;
        if let Some(&tag) = list.iter().find(|&&tag| tag >= 1 << 16) {
            return Err(row.error(tags, format!("{tag} is not a tag (tags are numbered from 0)")));
        }
        if categories[id].replace(list).is_some() {
            return Err(row.error(item, format!("video {id} has a row already")));
        }
    }
    Ok(categories.into_iter().map(Option::unwrap_or_default).collect())
}

/// Scales the targets of both logs to [0, 1] for each item.
pub(crate) fn normalise(one: &mut Log, two: &mut Log, n_items: usize) {
    let mut ranges = vec![(f32::MAX, f32::MIN); n_items];
    for log in [&*one, &*two] {
        for (&item, &target) in log.items.iter().zip(&log.targets) {
            let (low, high) = &mut ranges[item as usize];
            (*low, *high) = (low.min(target), high.max(target));
        }
    }
    for log in [one, two] {
        for (&item, target) in log.items.iter().zip(&mut log.targets) {
            let (low, high) = ranges[item as usize];
            *target = if high > low { (*target - low) / (high - low) } else { 0.0 };
        }
    }
}

/// The capped ratios of `log` as a matrix of its users and items, and who they are; the mean of a pair's ratios where it
/// was watched more than once.
fn truth(log: &Log, missing: Missing) -> Result<(Vec<u32>, Vec<u32>, RewardMatrix)> {
    let sorted = |ids: &[u32]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let (users, items) = (sorted(&log.users), sorted(&log.items));
    let place = |ids: &[u32], id: u32| ids.partition_point(|&other| other < id);
    let n = items.len();
    let Some(size) = users.len().checked_mul(n).filter(|&size| size <= 1 << 31) else {
        return Err(Error::invalid(format!("a truth of {} x {n} is too large", users.len())));
    };
    let (mut cells, mut counts) = (vec![0.0f32; size], vec![0u8; size]);
    for row in 0..log.len() {
        let at = place(&users, log.users[row]) * n + place(&items, log.items[row]);
        let count = counts[at].saturating_add(1);
        counts[at] = count;
        cells[at] += (log.targets[row].min(CAP) - cells[at]) / f32::from(count);
    }
    if missing == Missing::ItemMean {
        for item in 0..n {
            let seen = || (item..size).step_by(n).filter(|&at| counts[at] > 0);
            let mean = seen().map(|at| f64::from(cells[at])).sum::<f64>() / seen().count().max(1) as f64;
            for at in (item..size).step_by(n) {
                if counts[at] == 0 {
                    cells[at] = mean as f32;
                }
            }
        }
    }
    let matrix = RewardMatrix::new(users.len(), n, cells)?;
    Ok((users, items, matrix))
}

/// The columns of a user table, each with a category 0 for users without a row and for empty or unknown fields.
pub(crate) fn user_features(path: &Path, n_users: usize) -> Result<Features> {
    let mut csv = Csv::open(path)?;
    let user = csv.column("user_id")?;
    let names = USER_COLUMNS.iter().map(|&name| name.to_owned());
    let names: Vec<String> = names.chain((0..18).map(|n| format!("onehot_feat{n}"))).collect();
    let columns = names.iter().map(|name| csv.column(name)).collect::<Result<Vec<_>>>()?;
    let mut texts = vec![vec![String::new(); n_users]; names.len()];
    let mut listed = vec![false; n_users];
    while let Some(row) = csv.next_row()? {
        let id = row.id(user)? as usize;
        // A user without a row in a log has no part in anything.
        if id >= n_users {
            continue;
        }
        if std::mem::replace(&mut listed[id], true) {
            return Err(row.error(user, format!("user {id} has a row already")));
        }
        for (texts, &column) in texts.iter_mut().zip(&columns) {
            let text = row.text(column).trim();
            if text != "UNKNOWN" && text != "-124" {
                texts[id] = text.strip_suffix(".0").unwrap_or(text).to_owned();
            }
        }
    }
    let categorical = names.iter().zip(&texts).map(|(name, texts)| {
        let known: Vec<&String> = texts.iter().filter(|text| !text.is_empty()).collect();
        let encoded = encode(name, &known);
        let mut next = encoded.values.into_iter();
        let of = |text: &String| if text.is_empty() { None } else { next.next() };
        let values = texts.iter().map(of).map(|value| value.map_or(0, |value| value + 1)).collect();
        Column { name: name.clone(), vocabulary: encoded.vocabulary + 1, values }
    });
    Ok(Features { rows: n_users, categorical: categorical.collect(), ..Features::default() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{Reward, TagSlots};

    const HEADER: &str = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n";

    /// The small matrix has users 1 and 3, videos 0, 2 and 4; (3, 2) is missing.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let row = |user: u32, video: u32, duration: u32, time: &str, ratio: f64| {
            format!("{user},{video},1,{duration},2020-07-05 00:08:23.438,20200705,{time},{ratio}\n")
        };
        let big = row(0, 0, 1000, "3.5", 1.0)
            + &row(0, 1, 3000, "1.0", 2.0)
            + &row(1, 0, 1000, "2.0", 0.5)
            + &row(3, 2, 2000, "2.0", 0.9);
        write("big_matrix.csv", &format!("{HEADER}{big}"));
        let small = row(3, 4, 5000, "", 7.5)
            + &row(1, 0, 1000, "", 2.0)
            + &row(1, 2, 2000, "1.0", 0.4)
            + &row(3, 0, 1000, "", 0.0)
            + &row(1, 4, 5000, "", 1.0);
        write("small_matrix.csv", &format!("{HEADER}{small}"));
        write("item_categories.csv", "video_id,feat\n0,[8]\n1,\"[27, 9]\"\n2,\"[9, 8]\"\n3,[]\n4,[30]\n");
        folder
    }

    #[test]
    fn a_small_folder_is_read_as_it_is_written() {
        let folder = folder();
        let source = load(folder.path(), &Options::default()).unwrap();
        assert_eq!((source.users.rows, source.items.rows), (4, 5));
        assert_eq!((&source.truth_users[..], &source.truth_items[..]), (&[1, 3][..], &[0, 2, 4][..]));
        let row = |user: u32| [0, 1, 2].map(|item| source.truth.get(user, item));
        // The missing pair has the mean of its video; 7.5 is capped.
        assert_eq!((row(0), row(1)), ([2.0, 0.4, 1.0], [0.0, 0.4, 5.0]));
        // Video 0 has ratios 1, 0.5, 2 and 0; video 1 only one; video 2 has 0.9 and 0.4.
        assert_eq!(source.log.targets, [0.5, 0.0, 0.25, 1.0]);
        assert_eq!(source.log.times.as_deref(), Some(&[3.5, 1.0, 2.0, 2.0][..]));
        assert_eq!(source.held_out.as_ref().unwrap().times, None);
        assert_eq!(source.popularity, [1.0 / 3.0, 0.0, 0.0]);
        assert_eq!(source.tags.as_deref(), Some(&[1 << 8, 1 << 9 | 1 << 8, 1 << 30][..]));
        let tags = source.items.tags.as_ref().unwrap();
        assert_eq!((tags.slots, tags.vocabulary), (2, 31));
        assert_eq!(tags.values[2..6], [27, 9, 9, 8]);
        assert_eq!(tags.values[6], TagSlots::EMPTY);
        assert_eq!(source.items.dense[0].values, [0.0, 0.5, 0.25, 0.0, 1.0]);
        // Only (3, 2) is a positive for the majority: tags 8 and 9 have half each.
        assert_eq!(source.dominant[0].items, [true, true, false]);
        assert_eq!((source.quit.window, source.quit.threshold), (9, 1.0));
        let zero = Options { missing: Missing::Zero, ..Options::default() };
        assert_eq!(load(folder.path(), &zero).unwrap().truth.get(1, 1), 0.0);
        assert_eq!(source.truth.range(), (0.0, 5.0));
    }

    #[test]
    fn user_features_have_a_category_for_the_unknown() {
        let folder = folder();
        let hot: String = (0..18).map(|n| format!(",onehot_feat{n}")).collect();
        let header = format!("user_id,{}{hot}\n", USER_COLUMNS.join(","));
        let row = |user: u32, degree: &str, hot: &str| {
            format!("{user},{degree},0,1,\"(10,50]\",0,0,30+{}\n", format!(",{hot}").repeat(18))
        };
        let text =
            header + &row(3, "high_active", "10.0") + &row(0, "UNKNOWN", "") + &row(1, "full_active", "9.0");
        fs::write(folder.path().join("user_features.csv"), &text).unwrap();
        let options = Options { user_features: true, ..Options::default() };
        let users = load(folder.path(), &options).unwrap().users;
        let column =
            |name: &str| users.categorical.iter().find(|column| column.name == name).unwrap().clone();
        assert_eq!(column("user_active_degree").values, [0, 1, 0, 2]);
        assert_eq!(column("onehot_feat4").values, [0, 1, 0, 2]);
        assert_eq!(
            (column("is_live_streamer").vocabulary, column("is_live_streamer").values),
            (2, vec![1, 1, 0, 1])
        );
        fs::write(folder.path().join("user_features.csv"), text + &row(3, "x", "1")).unwrap();
        let error = load(folder.path(), &options).unwrap_err().to_string();
        assert!(error.ends_with("user_features.csv:5:1: user 3 has a row already"), "{error}");
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        let after = |part: &str, text: &str| {
            let folder = folder();
            fs::write(folder.path().join(part), text).unwrap();
            let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        let big = |row: &str| after("big_matrix.csv", &format!("{HEADER}{row}\n"));
        assert_eq!(big("x,0,1,1,t,d,1,1"), "big_matrix.csv:2:1: \"x\" is not an id (a whole number from 0)");
        assert_eq!(big("0,0,1,1,t,d,1,nan"), "big_matrix.csv:2:8: \"nan\" is not a finite number");
        assert_eq!(big("0,0,1,1,t,d,1,-0.5"), "big_matrix.csv:2:8: the watch ratio -0.5 is below 0");
        assert_eq!(big("0,0,1,1,t,d,1"), "big_matrix.csv:2:8: 7 fields, but the header has 8");
        assert!(big("4294967295,0,1,1,t,d,1,1").contains("2:1: \"4294967295\" is not an id"));
        assert_eq!(after("small_matrix.csv", HEADER), "small_matrix.csv: there is no row below the header");
        assert!(after("small_matrix.csv", "user_id,video_id\n").contains("1: no column \"watch_ratio\""));
        let categories = |row: &str| after("item_categories.csv", &format!("video_id,feat\n{row}\n"));
        assert_eq!(categories("0,[8"), "item_categories.csv:2:2: \"[8\" is not a list of ids");
        assert_eq!(categories("0,\"[8, x]\""), "item_categories.csv:2:2: \"[8, x]\" is not a list of ids");
        assert_eq!(categories("0,[8]\n0,[9]"), "item_categories.csv:3:1: video 0 has a row already");
        assert!(categories("0,[64]").contains("tags up to 64"));
        assert!(categories("0,[4000000000]").contains("is not a tag"));
    }
}
