//! Properties that hold for every data set: splits part the rows and follow their rules, writers and readers are
//! inverse, and no bytes make a reader panic.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use rec_core::filter::{Duplicates, FilterConfig, apply};
use rec_core::read::{self, Builder, Record, adjacency, atomic, delimited, dense, movielens, sequence};
use rec_core::split::{Shares, SplitSpec, ratio_counts};
use rec_core::{Catalogue, Dataset, Interactions, Split, write};

type Row = (u8, u8, Option<(i16, u32)>);

fn dataset(rows: &[Row]) -> Dataset {
    let mut builder = Builder::new("t");
    for &(user, item, numbers) in rows {
        let (user, item) = (format!("u{user}"), format!("i{item}"));
        let rating = numbers.map(|(rating, _)| f32::from(rating) / 4.0);
        let time = numbers.map(|(_, time)| f64::from(time));
        builder.push(Record::Interaction { user: &user, item: &item, rating, time }).unwrap();
    }
    builder.finish().unwrap().0
}

/// Rows with or without numbers; few users, items and times, so that everything repeats.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    any::<bool>().prop_flat_map(|with_numbers| {
        let row = (0u8..12, 0u8..20, any::<i16>(), 0u32..50);
        let row = row
            .prop_map(move |(user, item, rating, time)| (user, item, with_numbers.then_some((rating, time))));
        prop::collection::vec(row, 1..120)
    })
}

/// Every row as text, sorted.
fn sorted(data: &Dataset, parts: &[&Interactions]) -> Vec<String> {
    let mut lines = Vec::new();
    for rows in parts {
        for (row, (user, item)) in rows.pairs().enumerate() {
            let rating = rows.ratings.as_ref().map(|column| column[row]);
            let time = rows.timestamps.as_ref().map(|column| column[row]);
            let (user, item) = (data.users.token(user.0), data.items.token(item.0));
            lines.push(format!("{user} {item} {rating:?} {time:?}"));
        }
    }
    lines.sort_unstable();
    lines
}

fn parts(split: &Split) -> [&Interactions; 4] {
    [&split.train, &split.valid, &split.test, &split.fold_in]
}

const SPLITS: [&str; 13] = [
    "ratio:0.8,0.1,0.1",
    "ratio:0.7,0.1,0.2",
    "ratio:0.5,0.5",
    "ratio-by-time:0.6,0.2,0.2",
    "ratio-rows:0.8,0.1,0.1",
    "ratio-rows-by-time:0.8,0.1,0.1",
    "leave-one-out",
    "leave-one-out:test-only",
    "temporal:0.6,0.8",
    "temporal-by-user:0.6,0.2,0.2",
    "user-holdout:0.6,0.2,0.2",
    "k-fold:3,1",
    "user-k-fold:3,2,fold-in=0.5",
];

proptest! {
    // A failure prints its seed; no file is kept beside the tests.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_split_parts_the_rows(rows in rows(), seed: u64) {
        let data = dataset(&rows);
        for (at, text) in SPLITS.iter().enumerate() {
            let spec: SplitSpec = text.parse().unwrap();
            let Ok(split) = spec.split(&data, seed) else { continue }; // train or test would be empty
            // Disjoint and complete: the rows with all their columns, counted.
            prop_assert_eq!(sorted(&data, &parts(&split)), sorted(&data, &[&data.interactions]), "{}", text);
            let manifest = &split.manifest;
            let counts = [manifest.train, manifest.valid, manifest.test, manifest.fold_in];
            prop_assert_eq!(counts, parts(&split).map(Interactions::len));
            // The same seed, the same manifest; through JSON too.
            let again = spec.split(&data, seed).unwrap();
            prop_assert_eq!(&again, &split);
            let json = serde_json::to_string(manifest).unwrap();
            prop_assert_eq!(&serde_json::from_str::<rec_core::split::Manifest>(&json).unwrap(), manifest);
            // What is written is read back, row for row. A disk takes its time for files that are to last: one split a case.
            if at != seed as usize % SPLITS.len() {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            write::split(&split, &data, folder.path()).unwrap();
            let given = SplitSpec::Given(folder.path().to_owned()).split(&data, 0).unwrap();
            prop_assert_eq!(&given.manifest.split_sha256, &manifest.split_sha256);
        }
    }

    #[test]
    fn counts_follow_the_rules(rows in rows(), seed: u64) {
        let data = dataset(&rows);
        let n = data.interactions.user_counts(data.n_users());
        let of = |rows: &Interactions| rows.user_counts(data.n_users());
        if let Ok(split) = "ratio:0.8,0.1,0.1".parse::<SplitSpec>().unwrap().split(&data, seed) {
            let (train, valid, test) = (of(&split.train), of(&split.valid), of(&split.test));
            for user in 0..data.n_users() {
                let expected = ratio_counts(n[user] as usize, Shares { train: 0.8, valid: 0.1, test: 0.1 });
                prop_assert_eq!([train[user], valid[user], test[user]].map(|count| count as usize), expected);
            }
        }
        if let Ok(split) = "leave-one-out".parse::<SplitSpec>().unwrap().split(&data, seed) {
            let (train, valid, test) = (of(&split.train), of(&split.valid), of(&split.test));
            for user in 0..data.n_users() {
                let away = [0, 1, 2][(n[user] as usize).saturating_sub(1).min(2)];
                prop_assert_eq!(n[user] - train[user], away);
                prop_assert_eq!((valid[user], test[user]), (u32::from(n[user] > 2), u32::from(n[user] > 1)));
            }
        }
        if let Ok(split) = "temporal:0.5,0.8".parse::<SplitSpec>().unwrap().split(&data, seed) {
            let times = |rows: &Interactions| rows.timestamps.clone().unwrap();
            let last = |times: &[f64]| times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let first = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
            let (train, valid, test) = (times(&split.train), times(&split.valid), times(&split.test));
            prop_assert!(last(&train) < first(&test));
            prop_assert!(last(&train) < first(&valid) && last(&valid) < first(&test));
        }
        if let Ok(split) = "user-holdout:0.5,0.25,0.25".parse::<SplitSpec>().unwrap().split(&data, seed) {
            let train = of(&split.train);
            for part in [&split.valid, &split.test, &split.fold_in] {
                prop_assert!(part.users.iter().all(|user| train[user.index()] == 0));
            }
        }
    }

    #[test]
    fn ratio_counts_add_up(n in 0usize..5_000, train in 1u32..100, valid in 0u32..100, test in 1u32..100) {
        let shares = Shares { train: f64::from(train) / 7.0, valid: f64::from(valid) / 7.0, test: f64::from(test) / 7.0 };
        let counts = ratio_counts(n, shares);
        prop_assert_eq!(counts.iter().sum::<usize>(), n);
        prop_assert!(n == 0 || counts[0] > 0 || train < valid + test);
        // Against whole-number arithmetic.
        let sum = u64::from(train + valid + test);
        for (part, share) in [(1, valid), (2, test)] {
            let exact = (n as u64 * u64::from(share) / sum) as usize;
            prop_assert!(counts[part] == exact || (exact == 0 && counts[part] == 1), "{counts:?} of {n}");
        }
    }

    #[test]
    fn atomic_files_round_trip(rows in rows(), titles in prop::collection::vec("[^\t\r\n]{0,8}", 20)) {
        let mut data = dataset(&rows);
        data.items.insert("untouched");
        let n = data.n_items();
        let titles: Vec<String> = titles.into_iter().cycle().take(n).collect();
        data.catalogue = Catalogue {
            titles: Some(titles.clone()),
            category_names: vec!["Drama".into(), "Sci-Fi".into()],
            categories: Some((0..n).map(|item| if item % 2 == 0 { vec![] } else { vec![0, 1] }).collect()),
            columns: vec![("year".into(), titles)],
            listed: Some(vec![true; n]),
        };
        data.user_columns = vec![("age:years".into(), vec!["7".into(); data.n_users()])];
        data.listed_users = Some(vec![true; data.n_users()]);
        let folder = tempfile::tempdir().unwrap();
        let files = write::atomic(&data, folder.path(), "t").unwrap();
        prop_assert_eq!(files.len(), 3);
        let mut read = read::folder(folder.path()).unwrap();
        read.name = data.name.clone();
        read.validate().unwrap();
        if n == 2 {
            // One item and the untouched one: the second has both categories, so the names are known.
            prop_assert_eq!(&read.catalogue.category_names, &data.catalogue.category_names);
        }
        prop_assert_eq!(read, data);
    }

    #[test]
    fn delimited_files_round_trip(rows in rows(), separator in prop::sample::select(vec!["\t", ",", "::", ";"])) {
        let data = dataset(&rows);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.txt");
        write::delimited(&data, &path, separator).unwrap();
        let read = read::folder(&path).unwrap();
        prop_assert_eq!(read, data);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        every_reader(&bytes);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "(user_id:token\titem_id:token\trating:float\n|item_id_list:token_seq\t|[0-9]{1,3}|[ :,;|\t\n]|::|-|nan|é){0,60}") {
        every_reader(text.as_bytes());
        let _ = text.parse::<SplitSpec>();
        let _ = text.parse::<rec_core::filter::Intervals>();
        let _ = text.parse::<rec_core::filter::Feedback>();
        let _ = rec_core::read::registry::Registry::parse(&text, Path::new("f"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("train.txt"), &text).unwrap();
        std::fs::write(folder.path().join("test.txt"), &text).unwrap();
        if let Ok((data, report)) = read::folder_with(folder.path(), &atomic::Options::default()) {
            data.validate().unwrap();
            let parts = read::parts(folder.path(), &data);
            // A split may not have rows without ids; a data set drops and counts them.
            prop_assert_eq!(parts.is_ok(), report.rows_without_id == 0);
        }
    }

    #[test]
    fn one_row_a_pair_is_left(rows in rows(), last: bool) {
        let data = dataset(&rows);
        let duplicates = if last { Duplicates::Last } else { Duplicates::First };
        let filtered = apply(data.clone(), &FilterConfig { duplicates, ..FilterConfig::default() }).unwrap();
        filtered.validate().unwrap();
        // The rule written out: the best row of each pair, a later one winning ties only for `last`.
        let mut best: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let time = |row: usize| data.interactions.timestamps.as_ref().map_or(0.0, |times| times[row]);
        for (row, (user, item)) in data.interactions.pairs().enumerate() {
            let kept = best.entry((user.0, item.0)).or_insert(row);
            let wins = if last { time(row) >= time(*kept) } else { time(row) < time(*kept) };
            if wins {
                *kept = row;
            }
        }
        let mut kept: Vec<usize> = best.into_values().collect();
        kept.sort_unstable();
        prop_assert_eq!(filtered.interactions, data.interactions.select(&kept));
    }
}

fn every_reader(bytes: &[u8]) {
    let path = Path::new("f");
    let options = atomic::Options::default();
    let _ = atomic::records(bytes, path, &options, &mut |_, _| Ok(()));
    let _ = atomic::features(bytes, path, &options, "item_id");
    let _ = sequence::records(bytes, path, &options, sequence::Take::All, &mut |_, _| Ok(()));
    for separator in ["\t", "::", ",", " "] {
        let options =
            delimited::Options { separator: separator.into(), rating: Some(2), ..Default::default() };
        let _ = delimited::records(bytes, path, &options, &mut |_, _| Ok(()));
    }
    for style in [adjacency::Style::Blank, adjacency::Style::Colon] {
        let _ = adjacency::records(bytes, path, style, &mut |_, _| Ok(()));
    }
    let _ = dense::records(bytes, path, &mut |_, _| Ok(()));
    let _ = dense::matrix(bytes, path);
    let _ = dense::features(bytes, path, bytes, path);
    let _ = movielens::movies(bytes, path);
    let _ = movielens::users(bytes, path);
    let _ = movielens::genre_names(bytes, path);
    let _ = movielens::items_100k(bytes, path, &["a".to_owned()]);
    let _ = movielens::users_100k(bytes, path);
}
