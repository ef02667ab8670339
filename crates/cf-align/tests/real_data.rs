//! The baselines on MovieLens 100K against RecBole 1.2.1 and implicit 0.7.2, judged on the very same split.
//!
//! The data may not be redistributed. The split and the peers' results are looked for in the folder that
//! `SEXTANT_PEERS` names, or in `../shared/peers` beside the workspace; without them the checks are skipped.

#![allow(clippy::print_stderr)]

use std::path::{Path, PathBuf};

use cf_align::{Ease, EaseConfig, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Popularity, Solver};
use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Measure, Metric};
use rec_core::{Recommender, Split, UserItems, read};

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
    let peer: serde_json::Value = serde_json::from_str(&text).unwrap();
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

/// RecBole's own numbers (NDCG@20 .1230) are not of popularity: its `Pop` counts the batches that hold an item, drawn
/// negatives included. These are of true counts, from a separate evaluator in numpy that orders equal counts by another
/// numbering of the items.
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
