//! KuaiRand-Pure (Gao et al., CIKM 2022): 27,285 users, 7,583 videos; a log of the platform's own recommendations and one
//! of random ones.
//!
//! Files: `log_standard_4_08_to_4_21_pure.csv` (the log), `log_random_4_22_to_5_08_pure.csv` (what user models are judged
//! on), `video_features_basic_pure.csv`, and, if asked for, `user_features_pure.csv`. The truth is read from
//! `kuairand_is_click.csv` (in the folder or in `MF_results_GT`), where there is one; otherwise it is a factorisation of
//! both logs.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::columns::{masks, scaled_means, slots};
use super::csv::Csv;
use super::files::{first_of, parse_error};
use super::kuairec::user_features;
use super::source::{dominance, popularity, same};
use super::{Log, QuitSettings, Similarity, Source, Target};
use crate::factorize::Factorization;
use crate::{DenseColumn, Error, Features, Result, RewardMatrix};

/// What is read, and how the truth is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How the truth is made, where no file holds it.
    pub factorization: Factorization,
    /// Whether user features are read. The published user models know users by their number only.
    pub user_features: bool,
}

/// Reads the data set in `folder`.
///
/// The truth is how likely a click is, in [0, 1]; the log's targets are clicks. Users leave when a tag of the video
/// occurs among the last 10. Clicks count for popularity (the reference counts every row) and for the majority tags.
/// Videos have tags, of which "none" is one, and a duration scaled to [0, 1] over all rows.
///
/// # Errors
/// A missing file or column, a row that does not parse, a click that is not 0 or 1, a truth with gaps; with file, line
/// and column.
pub fn load(folder: impl AsRef<Path>, options: &Options) -> Result<Source> {
    let folder = folder.as_ref();
    let log_path = folder.join("log_standard_4_08_to_4_21_pure.csv");
    let standard = Shown::read(&log_path)?;
    let random = Shown::read(&folder.join("log_random_4_22_to_5_08_pure.csv"))?;
    let videos_path = folder.join("video_features_basic_pure.csv");
    let (tags, vocabulary) = video_tags(&videos_path)?;
    let n_items = tags.len();
    for (log, name) in [(&standard.log, "standard"), (&random.log, "random")] {
        if let Some(row) = log.items.iter().position(|&item| item as usize >= n_items) {
            let what =
                format!("row {} of the {name} log has video {}, which is not here", row + 1, log.items[row]);
            return Err(parse_error(&videos_path, 0, 0, what));
        }
    }
    let largest = standard.log.users.iter().chain(&random.log.users).max();
    let n_users = largest.map_or(0, |&id| id as usize + 1);
    let path = first_of(folder, &["kuairand_is_click.csv", "MF_results_GT/kuairand_is_click.csv"]);
    let truth = Arc::new(match path.is_file() {
        true => truth(&path, n_users, n_items)?,
        false => {
            let mut both = standard.log.clone();
            both.users.extend_from_slice(&random.log.users);
            both.items.extend_from_slice(&random.log.items);
            both.targets.extend_from_slice(&random.log.targets);
            options.factorization.fill(both.columns(), n_users, n_items, (0.0, 1.0))?
        }
    });
    let Some(bits) = masks(&tags, vocabulary) else {
        let what = format!("{vocabulary} different tags; the rule knows up to 64");
        return Err(parse_error(&videos_path, 0, 0, what));
    };
    let watched = [&standard, &random].into_iter();
    let watched =
        watched.flat_map(|shown| shown.log.items.iter().copied().zip(shown.durations.iter().copied()));
    let duration = scaled_means(watched, n_items);
    let log = standard.log;
    let truth_items = same(n_items);
    let clicked = |row: usize| log.targets[row] > 0.0;
    let dominant =
        dominance("tags", &log, vocabulary, &truth_items, |item| tags[item as usize].clone(), clicked);
    let items = Features {
        rows: n_items,
        tags: Some(slots("tags", &tags, vocabulary)),
        dense: vec![DenseColumn { name: "duration".into(), values: duration }],
        ..Features::default()
    };
    let users = match options.user_features {
        true => user_features(&folder.join("user_features_pure.csv"), n_users)?,
        false => Features::none(n_users),
    };
    let source = Source {
        name: "kuairand".to_owned(),
        distance_truth: Arc::clone(&truth),
        truth,
        popularity: popularity(&log, n_users, n_items, clicked),
        dominant: vec![dominant],
        log,
        held_out: Some(random.log),
        target: Target::Binary,
        users,
        items,
        truth_users: same(n_users),
        truth_items,
        tags: Some(bits),
        similarity: Similarity::Distance,
        quit: QuitSettings::category(10, 0),
    };
    source.validate()?;
    Ok(source)
}

/// One of the two logs.
struct Shown {
    log: Log,
    durations: Vec<f32>,
}

impl Shown {
    fn read(path: &Path) -> Result<Self> {
        let mut csv = Csv::open(path)?;
        let columns =
            ["user_id", "video_id", "is_click", "time_ms", "duration_ms"].map(|name| csv.column(name));
        let [user, item, click, time, duration] = columns;
        let (user, item, click, time, duration) = (user?, item?, click?, time?, duration?);
        let (mut log, mut durations, mut times) = (Log::default(), Vec::new(), Vec::new());
        while let Some(row) = csv.next_row()? {
            let clicked = row.number(click)?;
            if clicked != 0.0 && clicked != 1.0 {
                return Err(row.error(click, format!("{clicked}, expected 0 or 1")));
            }
            log.push(row.id(user)?, row.id(item)?, clicked as f32);
            times.push(row.number(time)?);
            durations.push(row.number(duration)? as f32);
        }
        if log.is_empty() {
            return Err(parse_error(path, 0, 0, "there is no row below the header"));
        }
        log.times = Some(times);
        Ok(Self { log, durations })
    }
}

/// The tags of every video, numbered by their number in the file, and how many there are; "no tag" is the first, if a
/// video has none.
fn video_tags(path: &Path) -> Result<(Vec<Vec<u32>>, usize)> {
    let mut csv = Csv::open(path)?;
    let (item, tag) = (csv.column("video_id")?, csv.column("tag")?);
    let mut lists: Vec<Option<Vec<u32>>> = Vec::new();
    while let Some(row) = csv.next_row()? {
        let id = row.id(item)? as usize;
        if lists.len() <= id {
            lists.resize(id + 1, None);
        }
        if lists[id].replace(row.id_list(tag)?).is_some() {
            return Err(row.error(item, format!("video {id} has a row already")));
        }
    }
    if lists.is_empty() {
        return Err(parse_error(path, 0, 0, "there is no row below the header"));
    }
    // `None` sorts before any number.
    let tags_of = |list: &Option<Vec<u32>>| match list {
        Some(list) if !list.is_empty() => list.iter().map(|&tag| Some(tag)).collect(),
        _ => vec![None],
    };
    let mut names: Vec<Option<u32>> = lists.iter().flat_map(tags_of).collect();
    names.sort_unstable();
    names.dedup();
    let place = |tag: Option<u32>| names.partition_point(|&other| other < tag) as u32;
    let numbered = lists.iter().map(|list| tags_of(list).into_iter().map(place).collect());
    Ok((numbered.collect(), names.len()))
}

/// Reads `user_id,item_id,value`, one row for every pair.
fn truth(path: &Path, n_users: usize, n_items: usize) -> Result<RewardMatrix> {
    let mut csv = Csv::open(path)?;
    let (user, item, value) = (csv.column("user_id")?, csv.column("item_id")?, csv.column("value")?);
    let Some(size) = n_users.checked_mul(n_items).filter(|&size| size <= 1 << 31) else {
        return Err(Error::invalid(format!("a truth of {n_users} x {n_items} is too large")));
    };
    let mut cells = vec![f32::NAN; size];
    while let Some(row) = csv.next_row()? {
        let (user_id, item_id) = (row.id(user)? as usize, row.id(item)? as usize);
        if user_id >= n_users {
            return Err(row.error(user, format!("user {user_id}, but the logs end with {}", n_users - 1)));
        }
        if item_id >= n_items {
            return Err(row.error(item, format!("video {item_id}, but the videos end with {}", n_items - 1)));
        }
        let cell = &mut cells[user_id * n_items + item_id];
        if !cell.is_nan() {
            return Err(row.error(user, format!("user {user_id} and video {item_id} have a row already")));
        }
        *cell = row.number(value)? as f32;
    }
    match cells.iter().position(|cell| cell.is_nan()) {
        Some(at) => {
            let what = format!("no row for user {} and video {}", at / n_items, at % n_items);
            Err(parse_error(path, 0, 0, what))
        }
        None => RewardMatrix::new(n_users, n_items, cells),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Reward;

    const HEADER: &str = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,\
                          is_hate,long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,\
                          is_profile_enter,is_rand,tab\n";

    fn row(user: u32, video: u32, time: u32, click: u32, duration: u32) -> String {
        format!("{user},{video},20220408,1400,{time},{click},0,0,0,0,0,0,0,{duration},0,0,0,0,1\n")
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let standard = row(1, 0, 30, 1, 4000) + &row(0, 2, 20, 0, 2000) + &row(1, 2, 10, 1, 2000);
        write("log_standard_4_08_to_4_21_pure.csv", &format!("{HEADER}{standard}"));
        write("log_random_4_22_to_5_08_pure.csv", &format!("{HEADER}{}", row(2, 1, 50, 0, 3000)));
        let header = "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,\
                      server_height,music_id,music_type,tag\n";
        let video = |id: u32, tag: &str| format!("{id},0,NORMAL,2022-01-01,Long,1,5,1,1,1,9,{tag}\n");
        let videos = video(0, "\"39,12\"") + &video(1, "") + &video(2, "12");
        write("video_features_basic_pure.csv", &format!("{header}{videos}"));
        folder
    }

    #[test]
    fn a_small_folder_is_read_as_it_is_written() {
        let folder = folder();
        let source = load(folder.path(), &Options::default()).unwrap();
        assert_eq!((source.truth.n_users(), source.truth.n_items()), (3, 3));
        assert_eq!(source.target, Target::Binary);
        assert_eq!(source.log.targets, [1.0, 0.0, 1.0]);
        assert_eq!(source.log.by_user(3).1, [1, 2, 0]);
        // Two users have rows in the log; unlike in the reference only clicks count.
        assert_eq!(source.popularity, [0.5, 0.0, 0.5]);
        // No tag 0, tag "12" 1, tag "39" 2.
        assert_eq!(source.tags.as_deref(), Some(&[6, 1, 2][..]));
        assert_eq!(source.items.tags.as_ref().unwrap().values[..3], [2, 1, 0]);
        assert_eq!(source.items.dense[0].values, [1.0, 0.5, 0.0]);
        assert_eq!(source.dominant[0].items, [true, false, true]);
        assert_eq!((source.quit.window, source.quit.threshold), (10, 0.0));
        let (low, high) = source.truth.range();
        assert!(low >= 0.0 && high <= 1.0);
    }

    #[test]
    fn a_given_truth_is_taken() {
        let folder = folder();
        let mut text = String::from("user_id,item_id,value\n");
        for pair in 0..9 {
            text += &format!("{},{},{}\n", pair / 3, pair % 3, f64::from(pair) / 10.0);
        }
        let path = folder.path().join("kuairand_is_click.csv");
        fs::write(&path, &text).unwrap();
        assert_eq!(load(folder.path(), &Options::default()).unwrap().truth.get(2, 1), 0.7);
        let error = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        let gap = text.replace("2,1,0.7\n", "");
        assert_eq!(error(&gap), "kuairand_is_click.csv: no row for user 2 and video 1");
        assert_eq!(
            error(&text.replace("2,1,0.7", "2,3,0.7")),
            "kuairand_is_click.csv:9:2: video 3, but the videos end with 2"
        );
        assert!(
            error(&text.replace("2,1,0.7", "2,0,0.7")).contains("9:1: user 2 and video 0 have a row already")
        );
    }

    #[test]
    fn wrong_files_are_refused_with_their_place() {
        let after = |part: &str, text: &str| {
            let folder = folder();
            fs::write(folder.path().join(part), text).unwrap();
            let error = load(folder.path(), &Options::default()).unwrap_err().to_string();
            error.replace(&format!("{}/", folder.path().display()), "")
        };
        let name = "log_standard_4_08_to_4_21_pure.csv";
        assert_eq!(
            after(name, &format!("{HEADER}{}", row(0, 0, 1, 2, 1))),
            format!("{name}:2:6: 2, expected 0 or 1")
        );
        assert_eq!(
            after(name, &format!("{HEADER}{}", row(0, 3, 1, 1, 1))),
            "video_features_basic_pure.csv: row 1 of the standard log has video 3, which is not here"
        );
        assert!(after(name, HEADER).contains("no row below the header"));
        assert!(after(name, "user_id,video_id\n").contains("no column \"is_click\""));
        let videos = "video_features_basic_pure.csv";
        assert_eq!(
            after(videos, "video_id,tag\n0,1;2\n"),
            format!("{videos}:2:2: \"1;2\" is not a list of ids")
        );
        assert_eq!(
            after(videos, "video_id,tag\n0,1\n0,2\n"),
            format!("{videos}:3:1: video 0 has a row already")
        );
        let many: String = (0..65).map(|tag| format!("{tag},{tag}\n")).collect();
        assert_eq!(
            after(videos, &format!("video_id,tag\n{many}")),
            format!("{videos}: 65 different tags; the rule knows up to 64")
        );
    }
}
