//! The reference's preparation on a small made file, worked out by hand; and on ML-100K where it is at hand.

#![allow(clippy::print_stderr)]

mod common;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use agents::index::{CutOff, TimeIndex};
use agents::protocol::{Negatives, Population, ProtocolConfig, prepare};
use rec_core::{Interactions, ItemId, UserId, read};

fn write(folder: &Path, rows: &[(&str, &str, u32, u32)]) {
    let mut file = std::fs::File::create(folder.join("made.inter")).unwrap();
    writeln!(file, "user_id:token\titem_id:token\trating:float\ttimestamp:float").unwrap();
    for (user, item, rating, time) in rows {
        writeln!(file, "{user}\t{item}\t{rating}\t{time}").unwrap();
    }
}

#[test]
fn a_made_file_is_split_as_worked_out_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made");
    std::fs::create_dir(&folder).unwrap();
    // c has one row and goes; item 9 is then left with one and goes, which leaves a with three rows, b with three.
    write(
        &folder,
        &[
            ("a", "1", 5, 30),
            ("b", "1", 4, 10),
            ("a", "2", 3, 10),
            ("b", "2", 2, 20),
            ("a", "3", 1, 30),
            ("b", "3", 5, 20),
            ("a", "9", 5, 40),
            ("c", "9", 5, 40),
        ],
    );
    let config = ProtocolConfig { core: 2, negatives: 0, ..ProtocolConfig::default() };
    let made = prepare(read::folder(&folder).unwrap(), &config).unwrap();
    let name = |item: ItemId| made.dataset.items.token(item.0).to_owned();
    let user = |user: UserId| made.dataset.users.token(user.0).to_owned();
    let rows: Vec<(String, String)> =
        made.dataset.interactions.pairs().map(|(who, what)| (user(who), name(what))).collect();
    // By time, rows of one time in the order of the file.
    let want = [("b", "1"), ("a", "2"), ("b", "2"), ("b", "3"), ("a", "1"), ("a", "3")];
    assert_eq!(rows, want.map(|(who, what)| (who.to_owned(), what.to_owned())));
    let part = |samples: &[agents::protocol::Sample]| -> Vec<(String, String, f32, u32)> {
        samples.iter().map(|row| (user(row.user), name(row.item), row.rating, row.cut_off.0)).collect()
    };
    assert_eq!(part(&made.dev), [("b".into(), "2".into(), 2.0, 2), ("a".into(), "1".into(), 5.0, 4)]);
    assert_eq!(part(&made.test), [("b".into(), "3".into(), 5.0, 3), ("a".into(), "3".into(), 1.0, 5)]);
    assert_eq!(made.train.len(), 2);
    assert_eq!(made.n_active_items, 3);
    let index = TimeIndex::new(&made.dataset.interactions, 3, 4);
    let history: Vec<String> =
        index.user(made.test[1].user, made.test[1].cut_off).iter().map(|row| name(row.item())).collect();
    assert_eq!(history, ["2", "1"]);
    assert_eq!(index.user(made.test[1].user, CutOff::NONE).len(), 3);
}

#[test]
fn candidates_hold_the_truth_once_and_nothing_the_user_touched() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("made");
    std::fs::create_dir(&folder).unwrap();
    let names: Vec<String> = (1..=30).map(|item| item.to_string()).collect();
    let mut rows = Vec::new();
    for (at, user) in ["1", "2", "3", "4", "5", "6"].into_iter().enumerate() {
        for step in 0..10 {
            rows.push((user, names[(at * 4 + step) % 30].as_str(), 4, step as u32));
        }
    }
    write(&folder, &rows);
    for source in [Negatives::Uniform, Negatives::Popularity, Negatives::Reference] {
        let config = ProtocolConfig { core: 2, negatives: 2, source, ..ProtocolConfig::default() };
        let made = prepare(read::folder(&folder).unwrap(), &config).unwrap();
        let owned = made.dataset.user_items();
        for sample in made.test.iter().chain(&made.dev) {
            assert_eq!(sample.candidates.len(), 3);
            assert_eq!(sample.candidates.iter().filter(|item| **item == sample.item).count(), 1);
            for item in sample.candidates.iter().filter(|item| **item != sample.item) {
                assert!(!owned.contains(sample.user, *item), "{source:?}");
            }
        }
        let again = prepare(read::folder(&folder).unwrap(), &config).unwrap();
        assert_eq!(again.test, made.test);
        let other = prepare(read::folder(&folder).unwrap(), &ProtocolConfig { seed: 1, ..config }).unwrap();
        assert_ne!(other.test, made.test);
    }
    let config = ProtocolConfig { core: 2, negatives: 40, ..ProtocolConfig::default() };
    assert!(
        prepare(read::folder(&folder).unwrap(), &config).unwrap_err().to_string().starts_with("negatives")
    );
    let config = ProtocolConfig { core: 50, ..ProtocolConfig::default() };
    assert!(
        prepare(read::folder(&folder).unwrap(), &config).unwrap_err().to_string().contains("no row is left")
    );
}

#[test]
fn ml_100k_has_the_counts_of_the_reference() {
    let Some(folder) = std::env::var_os("SEXTANT_DATA")
        .map(|root| Path::new(&root).join("ml-100k"))
        .filter(|path| path.exists())
    else {
        eprintln!("skipped: SEXTANT_DATA has no ml-100k");
        return;
    };
    let config = ProtocolConfig { source: Negatives::Reference, ..ProtocolConfig::default() };
    let made = prepare(read::folder(folder).unwrap(), &config).unwrap();
    assert_eq!(made.dataset.interactions.len(), 99_287);
    assert_eq!((made.train.len(), made.dev.len(), made.test.len()), (97_401, 943, 943));
    assert_eq!(made.n_active_items, 1_349);
    assert_eq!(made.test.iter().filter(|sample| sample.rating >= 4.0).count(), 487);
}

#[test]
fn hard_negatives_are_the_nearest_that_the_user_does_not_know() {
    let nearest = |seed| {
        let config = ProtocolConfig { source: Negatives::Hard, seed, ..ProtocolConfig::default() };
        prepare(common::dataset(), &config).unwrap()
    };
    let (prepared, again) = (nearest(1), nearest(2));
    let users_of = |item| {
        let rows = prepared.train.users.iter().zip(&prepared.train.items);
        rows.filter(|(_, other)| **other == item).map(|(user, _)| *user).collect::<HashSet<_>>()
    };
    for (sample, other_seed) in prepared.test.iter().zip(&again.test) {
        let rows = prepared.dataset.interactions.users.iter().zip(&prepared.dataset.interactions.items);
        let own: HashSet<_> = rows.filter(|(user, _)| **user == sample.user).map(|(_, item)| *item).collect();
        let cosine = |item| {
            let (a, b) = (users_of(sample.item), users_of(item));
            a.intersection(&b).count() as f64 / ((a.len() * b.len()) as f64).sqrt().max(1e-9)
        };
        let wrong: HashSet<_> =
            sample.candidates.iter().copied().filter(|item| *item != sample.item).collect();
        assert_eq!(wrong.len(), 7);
        assert!(wrong.is_disjoint(&own));
        let least = wrong.iter().map(|item| cosine(*item)).fold(f64::INFINITY, f64::min);
        let items = (0..common::ITEMS).map(ItemId::from_index);
        let left_out = items.filter(|item| !own.contains(item) && !wrong.contains(item)).map(cosine);
        assert!(left_out.fold(0.0, f64::max) <= least + 1e-12);
        // The seed only shuffles.
        assert_eq!(
            wrong,
            other_seed.candidates.iter().copied().filter(|item| *item != sample.item).collect()
        );
    }
}

#[test]
fn cold_users_keep_their_last_rows_and_only_they_are_asked_about() {
    let classic = prepare(common::dataset(), &ProtocolConfig::default()).unwrap();
    let config = ProtocolConfig { population: Population::ColdStart, ..ProtocolConfig::default() };
    let prepared = prepare(common::dataset(), &config).unwrap();
    assert!(!prepared.test.is_empty() && prepared.test.len() < classic.test.len() / 2);
    let rows_of = |prepared: &agents::protocol::Prepared, user| {
        prepared.dataset.interactions.users.iter().filter(|other| **other == user).count()
    };
    let asked: HashSet<_> = prepared.test.iter().map(|sample| sample.user).collect();
    for sample in &prepared.test {
        assert_eq!(rows_of(&prepared, sample.user), 6);
        // The row that is asked about is the same.
        let before = classic.test.iter().find(|other| other.user == sample.user).unwrap();
        assert_eq!((sample.item, sample.rating), (before.item, before.rating));
    }
    let others = classic.test.iter().map(|sample| sample.user).filter(|user| !asked.contains(user));
    others.for_each(|user| assert_eq!(rows_of(&prepared, user), rows_of(&classic, user)));
}

#[test]
fn evolving_users_are_those_whose_categories_changed() {
    // Half of the people change sides half-way through.
    let mut dataset = common::dataset();
    let n = 40;
    let (mut users, mut items, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for user in 0..n {
        for turn in 0..16 {
            let side = usize::from(user % 2 == 0 && turn >= 7);
            users.push(UserId::from_index(user));
            items.push(ItemId::from_index((2 * (turn + user) + side) % common::ITEMS));
            times.push(turn as f64);
        }
    }
    dataset.interactions =
        Interactions { ratings: Some(vec![4.0; users.len()]), timestamps: Some(times), users, items };
    let config = ProtocolConfig { population: Population::Evolving, core: 1, ..ProtocolConfig::default() };
    let prepared = prepare(dataset.clone(), &config).unwrap();
    assert_eq!(prepared.test.len(), n.div_ceil(3));
    assert!(prepared.test.iter().all(|sample| sample.user.index() % 2 == 0));
    dataset.catalogue.category_names.clear();
    dataset.catalogue.categories = None;
    let error = prepare(dataset, &config).unwrap_err().to_string();
    assert!(error.contains("no categories"), "{error}");
}

#[test]
fn a_strict_split_trains_on_nothing_of_the_future() {
    let config = ProtocolConfig { population: Population::Strict, ..ProtocolConfig::default() };
    let prepared = prepare(common::dataset(), &config).unwrap();
    let rows = &prepared.dataset.interactions;
    let moment = rows.len() / 10 * 9;
    assert!(!prepared.test.is_empty());
    assert_eq!(prepared.train.len() + prepared.dev.len(), moment);
    for sample in &prepared.test {
        let row = sample.cut_off.0 as usize;
        assert!(row >= moment && (rows.users[row], rows.items[row]) == (sample.user, sample.item));
        // The user's first one after the moment.
        assert!((moment..row).all(|earlier| rows.users[earlier] != sample.user));
    }
    for sample in &prepared.dev {
        let row = sample.cut_off.0 as usize;
        assert!(row < moment && (row + 1..moment).all(|later| rows.users[later] != sample.user));
    }
}
