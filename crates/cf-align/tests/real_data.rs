//! The baselines on MovieLens 100K against RecBole 1.2.1 and implicit 0.7.2, judged on the very same split.
//!
//! The data may not be redistributed. The split and the peers' results are looked for in the folder that
//! `SEXTANT_PEERS` names, or in `../shared/peers` beside the workspace; without them the checks are skipped.

#![allow(clippy::print_stderr)]

use std::path::{Path, PathBuf};

use cf_align::{Ease, EaseConfig, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Popularity, Solver, batches};
use rand::seq::SliceRandom;
use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Measure, Metric};
use rec_core::{ItemId, Recommender, Split, UserItems, random, read};
use serde_json::Value;

struct Data {
    folder: PathBuf,
    split: Split,
    train: UserItems,
}

fn data(test: &str) -> Option<Data> {
    let peers = std::env::var_os("SEXTANT_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/peers"), PathBuf::from);
    let folder = peers.join("ml-100k-split");
    if !folder.is_dir() {
        eprintln!("skipping {test}: {} is missing", folder.display());
        return None;
    }
    let dataset = read::folder(&folder).unwrap();
    let split = read::parts(&folder, &dataset).unwrap();
    assert_eq!((dataset.n_users(), dataset.n_items(), split.train.len()), (943, 1682, 80_808));
    let train = UserItems::new(&split.train, 943, 1682);
    Some(Data { folder, split, train })
}

/// Name and value of the accuracy metrics.
fn judge(data: &Data, model: &impl Recommender) -> Vec<(String, f64)> {
    let measures =
        [Measure::Recall, Measure::Mrr, Measure::Ndcg, Measure::Hit, Measure::Precision, Measure::Map];
    let metrics = Metric::grid(&measures, &[10, 20, 50]);
    let evaluator = Evaluator::test(&data.split, 943, 1682).unwrap().with_metrics(&metrics).unwrap();
    let evaluation = evaluator.evaluate(model).unwrap();
    metrics.iter().map(|metric| (metric.to_string(), evaluation.get(&metric.to_string()).unwrap())).collect()
}

#[track_caller]
fn equals_the_peer(data: &Data, model: &impl Recommender, file: &str, tolerance: f64) {
    let text = std::fs::read_to_string(data.folder.join(file)).unwrap();
    let peer: Value = serde_json::from_str(&text).unwrap();
    let ours = judge(data, model);
    assert_eq!(ours.len(), 18);
    for (name, value) in ours {
        let theirs = peer["test"][&name].as_f64().unwrap_or_else(|| panic!("{file} has no {name}"));
        assert!((value - theirs).abs() < tolerance, "{name}: {value}, {file} has {theirs}");
    }
}

#[test]
fn ease_equals_recbole() {
    let Some(data) = data("ease_equals_recbole") else { return };
    let model = Ease::fit(&data.train, &EaseConfig::default()).unwrap();
    equals_the_peer(&data, &model, "result-EASE-s2020.json", 1e-4);
}

/// RecBole cuts neighbours at equal similarity, and ranks equal scores, in no defined order.
#[test]
fn item_knn_equals_recbole() {
    let Some(data) = data("item_knn_equals_recbole") else { return };
    let model = ItemKnn::fit(&data.train, &ItemKnnConfig::default()).unwrap();
    equals_the_peer(&data, &model, "result-ItemKNN-s2020.json", 1e-3);
}

/// RecBole's own numbers (NDCG@20 .1230) are not of popularity, see below. These are of true counts, from a separate
/// evaluator in numpy that orders equal counts by another numbering of the items.
#[test]
fn popularity_of_true_counts() {
    let Some(data) = data("popularity_of_true_counts") else { return };
    let ours = judge(&data, &Popularity::fit(&data.train));
    let expected = [
        ("recall@10", 0.127_804_47),
        ("recall@20", 0.179_193_25),
        ("ndcg@10", 0.141_819_6),
        ("ndcg@20", 0.149_995_47),
    ];
    for (name, value) in expected {
        let ours = ours.iter().find(|(ours, _)| ours == name).unwrap().1;
        assert!((ours - value).abs() < 3e-4, "{name}: {ours}, expected {value}");
    }
}

/// What RecBole's `Pop` counts: `item_cnt[item, :] = item_cnt[item, :] + 1` over a batch adds 1 to each item of the batch,
/// however often it is there. Half of a batch of 2,048 rows are training pairs, each with a negative that is drawn
/// uniformly from what its user did not touch in training; `negatives` says whether those count.
fn counted_by_batches(data: &Data, seed: u64, negatives: bool) -> Vec<u32> {
    let mut order = Vec::new();
    batches::shuffle(&data.split.train, seed, 0, &mut order);
    let mut rng = random::stream(seed, "negatives", 0);
    let mut counts = vec![0; data.train.n_items()];
    for batch in batches::batches(&order, 2048 / 2) {
        let mut items: Vec<ItemId> = batch.iter().map(|pair| pair.1).collect();
        if negatives {
            items.extend(batch.iter().map(|pair| batches::negative(&data.train, pair.0, &mut rng)));
        }
        items.sort_unstable();
        items.dedup();
        items.iter().for_each(|item| counts[item.index()] += 1);
    }
    counts
}

/// A dozen items are in every batch, and `torch.topk` orders them in no defined way: at random here.
fn ties_at_random(counts: Vec<u32>, seed: u64) -> Popularity {
    let mut places: Vec<u32> = (0..counts.len() as u32).collect();
    places.shuffle(&mut random::stream(seed, "ties", 0));
    let n_items = counts.len() as u32;
    Popularity::from_counts(counts.iter().zip(places).map(|(count, place)| count * n_items + place).collect())
}

/// Mean, standard deviation and standard error of the mean.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    (mean, deviation, deviation / n.sqrt())
}

/// RecBole's `Pop` is explained by what it counts: its 20 runs (`golden/recbole_pop.py`) and 20 of the counts above have the
/// same means; without the negatives the means are others, and true counts are far from any run.
#[test]
fn recbole_counts_batches() {
    let Some(data) = data("recbole_counts_batches") else { return };
    let golden: Value = serde_json::from_str(include_str!("golden/recbole_pop.json")).unwrap();
    let text = std::fs::read_to_string(data.folder.join("result-Pop-s2020.json")).unwrap();
    let peer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(golden["split_sha256"], peer["split_sha256"]);
    let runs = golden["runs"].as_array().unwrap();
    let names = ["recall@10", "recall@20", "ndcg@10", "ndcg@20"];
    let of = |name: &str, judged: &[(String, f64)]| judged.iter().find(|(own, _)| own == name).unwrap().1;
    let judged = |negatives| -> Vec<Vec<(String, f64)>> {
        let seeds = 1..=runs.len() as u64;
        seeds
            .map(|seed| judge(&data, &ties_at_random(counted_by_batches(&data, seed, negatives), seed)))
            .collect()
    };
    let (with, without) = (judged(true), judged(false));
    let truth = judge(&data, &Popularity::fit(&data.train));
    for name in names {
        let theirs: Vec<f64> = runs.iter().map(|run| run["test"][name].as_f64().unwrap()).collect();
        let published = peer["test"][name].as_f64().unwrap();
        assert_eq!((runs[0]["seed"].as_u64(), theirs[0]), (Some(2020), published), "{name}");
        let values =
            |judged: &[Vec<(String, f64)>]| judged.iter().map(|run| of(name, run)).collect::<Vec<_>>();
        let (recbole, ours, alone) = (spread(&theirs), spread(&values(&with)), spread(&values(&without)));
        let truth = of(name, &truth);
        let numbers = format!(
            "{name}: RecBole {recbole:.4?}, of seed 2020 {published:.4}; batches with negatives {ours:.4?}, without \
             {alone:.4?}; true counts {truth:.4} (mean, deviation, error of the mean)"
        );
        eprintln!("{numbers}");
        let apart = |other: (f64, f64, f64)| (recbole.0 - other.0).abs() / recbole.2.hypot(other.2);
        assert!(apart(ours) < 3.0, "{numbers}");
        assert!((published - ours.0).abs() < 3.0 * ours.1, "{numbers}");
        assert!(apart(alone) > 3.0, "{numbers}");
        assert!(theirs.iter().all(|run| *run < truth), "{numbers}");
    }
}

#[test]
fn ials_reaches_implicit() {
    let Some(data) = data("ials_reaches_implicit") else { return };
    for solver in [Solver::ConjugateGradient { steps: 3 }, Solver::Cholesky] {
        let ndcg = |seed| {
            let model =
                Ials::fit(&data.train, &IalsConfig { seed, solver, ..IalsConfig::default() }).unwrap();
            judge(&data, &model).into_iter().find(|(name, _)| name == "ndcg@20").unwrap().1
        };
        let mean = (ndcg(1) + ndcg(2) + ndcg(3)) / 3.0;
        assert!((mean / 0.3345 - 1.0).abs() < 0.03, "{solver:?}: mean NDCG@20 {mean}");
    }
}
