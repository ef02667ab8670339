//! Counts and digests of public data sets, where they are at hand.
//!
//! The folder is `SEXTANT_DATA`, or `../shared/data` beside the workspace; what is missing is skipped with a
//! message. No other test needs these files.
#![allow(clippy::print_stderr)] // a skipped check says so

use std::path::PathBuf;

use rec_core::split::SplitSpec;
use rec_core::{Dataset, ItemId, Split, read};

fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SEXTANT_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

fn dataset(name: &str) -> Option<Dataset> {
    let dataset = read::folder(data(name)?).unwrap();
    dataset.validate().unwrap();
    Some(dataset)
}

/// Users, items and rows.
fn counts(dataset: &Dataset) -> (usize, usize, usize) {
    (dataset.n_users(), dataset.n_items(), dataset.interactions.len())
}

fn given(name: &str, folder: &str) -> Option<(Dataset, Split)> {
    let (dataset, folder) = (dataset(name)?, data(folder)?);
    let split = SplitSpec::Given(folder).split(&dataset, 0).unwrap();
    Some((dataset, split))
}

fn part_counts(split: &Split) -> (usize, usize, usize) {
    (split.train.len(), split.valid.len(), split.test.len())
}

#[test]
fn ml_100k() {
    let Some(data) = dataset("ml-100k") else { return };
    assert_eq!(data.name, "ml-100k");
    assert_eq!(counts(&data), (943, 1682, 100_000));
    let item = ItemId(data.items.get("1").unwrap());
    assert_eq!(data.catalogue.title(item), Some("Toy Story"));
    assert_eq!(data.catalogue.categories_of(item).len(), 3);
    assert_eq!(data.catalogue.columns[0].0, "release_year");
    let columns: Vec<&str> = data.user_columns.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(columns, ["age", "gender", "occupation", "zip_code"]);
    assert_eq!(data.interactions.timestamps.as_ref().unwrap()[0], 881_250_949.0);
}

#[test]
fn ml_100k_given_split_has_the_digest_of_the_peers() {
    let Some((_, split)) = given("ml-100k", "../peers/ml-100k-split") else { return };
    assert_eq!(part_counts(&split), (80_808, 9_596, 9_596));
    let expected = "9cae9c533cd3f2366ff08f7dfcc217cd579bd3a90516eebde3706b7996c28109";
    assert_eq!(split.manifest.split_sha256, expected);
    assert!(split.test.ratings.is_some() && split.test.timestamps.is_some());
}

#[test]
fn beauty_and_its_given_split() {
    let Some(data) = dataset("amazon-beauty-5core") else { return };
    assert_eq!(counts(&data), (22_363, 12_101, 198_502));
    let (_, own) = given("amazon-beauty-5core", "amazon-beauty-5core").unwrap();
    assert_eq!(part_counts(&own), (198_502 - 22_363, 0, 22_363));
    let Some((_, split)) = given("amazon-beauty-5core", "../peers/beauty-split") else { return };
    assert_eq!(part_counts(&split), (148_766, 24_868, 24_868));
    let expected = "c3edb539bf93148fbd71c2e03704e41b228d19b96b4ba8db3aa8303fa8d4eaa5";
    assert_eq!(split.manifest.split_sha256, expected);
}

#[test]
fn the_ratio_rule_gives_the_counts_of_the_peers() {
    let spec: SplitSpec = "ratio:0.8,0.1,0.1".parse().unwrap();
    if let Some(data) = dataset("ml-100k") {
        assert_eq!(part_counts(&spec.split(&data, 1).unwrap()), (80_808, 9_596, 9_596));
    }
    if let Some(data) = dataset("amazon-beauty-5core") {
        assert_eq!(part_counts(&spec.split(&data, 1).unwrap()), (148_766, 24_868, 24_868));
    }
}

#[test]
fn gowalla() {
    let Some((data, split)) = given("gowalla-ngcf", "gowalla-ngcf") else { return };
    assert_eq!(counts(&data), (29_858, 40_981, 1_027_370));
    assert_eq!(data.catalogue.columns[0].0, "org_id");
    assert_eq!(part_counts(&split), (810_128, 0, 217_242));
    let Some(with_valid) = self::data("gowalla-ngcf/with_valid") else { return };
    assert_eq!(read::folder(&with_valid).unwrap().interactions.len(), 810_128);
    let error = read::parts(&with_valid, &data).unwrap_err().to_string();
    assert!(error.ends_with("no test file; a given split has train and test"), "{error}");
}

#[test]
fn lastfm_office_and_coat() {
    if let Some((data, split)) = given("lastfm-lightgcn", "lastfm-lightgcn") {
        assert_eq!(counts(&data), (1_880, 4_489, 52_668));
        assert_eq!(part_counts(&split), (42_135, 0, 10_533));
        assert_eq!(data.interactions.ratings.as_ref().unwrap()[0], 993.0);
    }
    if let Some((data, split)) = given("amazon-office-graphau", "amazon-office-graphau") {
        assert_eq!(counts(&data), (4_905, 2_420, 51_441));
        assert_eq!(part_counts(&split), (30_372, 10_466, 10_603));
    }
    if let Some((data, split)) = given("coat", "coat") {
        assert_eq!(counts(&data), (290, 300, 11_600));
        assert_eq!(part_counts(&split), (6_960, 0, 4_640));
        assert_eq!((data.user_columns.len(), data.catalogue.columns.len()), (14, 33));
        assert!(split.train.ratings.unwrap().iter().all(|rating| (1.0..=5.0).contains(rating)));
    }
}

#[test]
fn ml_1m() {
    if let Some((data, split)) = given("ml-1m/implicit_ge3", "ml-1m/implicit_ge3") {
        assert_eq!(counts(&data), (6_039, 3_628, 836_478));
        assert_eq!(part_counts(&split), (590_733, 80_897, 164_848));
    }
    let Some(sample) = dataset("ml-1m") else { return };
    assert_eq!(sample.name, "ml-1m-sample100k");
    assert_eq!((sample.interactions.len(), sample.n_users()), (100_000, 6_040));
    assert_eq!(sample.catalogue.category_names.len(), 18);
}

#[test]
fn movie_tweetings() {
    if let Some(raw) = dataset("movietweetings/raw") {
        assert_eq!(counts(&raw), (16_554, 10_506, 100_000));
    }
    let mini = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/mt-mini");
    let mini = read::folder(mini).unwrap();
    assert_eq!(counts(&mini), (2_290, 2_146, 53_556));
    assert_eq!(mini.catalogue.category_names.len(), 23);
}

#[test]
fn llmrank_sequences() {
    let Some((data, split)) = given("amazon-games-llmrank", "amazon-games-llmrank") else { return };
    assert_eq!(counts(&data), (50_546, 16_859, 440_264));
    assert_eq!(part_counts(&split), (440_264 - 2 * 50_546, 50_546, 50_546));
    assert!(data.catalogue.titles.is_some());
    // Leaving out the last two items of every user is what the files say.
    let by_rule = "leave-one-out".parse::<SplitSpec>().unwrap().split(&data, 0).unwrap();
    assert_eq!(by_rule.manifest.split_sha256, split.manifest.split_sha256);
}
