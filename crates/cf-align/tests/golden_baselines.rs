//! The closed-form baselines against values of RecBole 1.2.1 and implicit 0.7.2; the scripts beside the values made
//! them.

use cf_align::{Ease, EaseConfig, EaseWeights, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Popularity, Solver};
use rec_core::{Interactions, ItemId, Query, Recommender, UserId, UserItems};
use serde_json::Value;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).expect("a golden file is valid JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn size(value: &Value, key: &str) -> usize {
    number(&value[key]) as usize
}

/// A nested array as one list of rows.
fn flat(rows: &Value) -> Vec<f64> {
    array(rows).iter().flat_map(|row| array(row).iter().map(number)).collect()
}

fn train(data: &Value) -> UserItems {
    let id = |entry: &Value, column: usize| number(&entry[column]) as u32;
    let entries = array(&data["entries"]);
    let rows = Interactions::from_pairs(
        entries.iter().map(|entry| UserId(id(entry, 0))).collect(),
        entries.iter().map(|entry| ItemId(id(entry, 1))).collect(),
    );
    UserItems::new(&rows, size(data, "n_users"), size(data, "n_items"))
}

#[track_caller]
fn close(ours: &[f32], golden: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), golden.len());
    for (place, (&ours, golden)) in ours.iter().zip(golden).enumerate() {
        assert!((f64::from(ours) - golden).abs() < tolerance, "at {place}: {ours} is not {golden}");
    }
}

/// All scores of all users, read back from full rankings.
fn scores(model: &impl Recommender, n_users: usize) -> Vec<f32> {
    let users: Vec<Query<'_>> =
        (0..n_users).map(|user| Query { user: Some(UserId::from_index(user)), ..Query::default() }).collect();
    let rankings = model.recommend(&users, model.n_items()).unwrap();
    let mut scores = vec![f32::NAN; n_users * model.n_items()];
    for (user, ranking) in rankings.rows().enumerate() {
        assert!(ranking.windows(2).all(|pair| pair[0].score >= pair[1].score));
        for scored in ranking {
            scores[user * model.n_items() + scored.item.index()] = scored.score;
        }
    }
    scores
}

#[test]
fn item_knn() {
    let golden = golden(include_str!("golden/baselines.json"));
    let train = train(&golden);
    for case in array(&golden["item_knn"]) {
        let config = ItemKnnConfig { k: size(case, "k"), shrink: number(&case["shrink"]) };
        let model = ItemKnn::fit(&train, &config).unwrap();
        close(&model.weights().to_dense(), &flat(&case["weights"]), 1e-6);
        close(&scores(&model, train.n_users()), &flat(&case["scores"]), 1e-5);
    }
}

#[test]
fn ease() {
    let golden = golden(include_str!("golden/baselines.json"));
    let train = train(&golden);
    for case in array(&golden["ease"]) {
        let config = EaseConfig { lambda: number(&case["lambda"]), ..EaseConfig::default() };
        let model = Ease::fit(&train, &config).unwrap();
        let EaseWeights::Dense(weights) = model.weights() else { panic!("dense weights were asked for") };
        close(weights, &flat(&case["weights"]), 1e-7);
        close(&scores(&model, train.n_users()), &flat(&case["scores"]), 1e-6);
    }
}

#[test]
fn popularity() {
    let golden = golden(include_str!("golden/baselines.json"));
    let model = Popularity::fit(&train(&golden));
    let ids = |key: &str| -> Vec<u32> {
        array(&golden["popularity"][key]).iter().map(|id| number(id) as u32).collect()
    };
    assert_eq!(model.counts(), ids("counts"));
    let rankings = model.recommend(&[Query::default()], model.n_items()).unwrap();
    let ranked: Vec<u32> = rankings.row(0).iter().map(|scored| scored.item.0).collect();
    assert_eq!(ranked, ids("ranking"));
}

/// The weighted case of the file has other confidences than one for all observed pairs, which a binary matrix cannot
/// express.
#[test]
fn als_sweep_by_sweep() {
    let golden = golden(include_str!("golden/als.json"));
    let case = array(&golden["cases"]).iter().find(|case| case["name"] == "binary").expect("the binary case");
    let train = train(case);
    let narrow = |rows: &Value| -> Vec<f32> { flat(rows).into_iter().map(|value| value as f32).collect() };
    let (users, items) = (narrow(&case["user_init"]), narrow(&case["item_init"]));
    let steps = size(case, "cg_steps");
    for (name, solver) in [("exact", Solver::Cholesky), ("cg", Solver::ConjugateGradient { steps })] {
        let config = IalsConfig {
            dim: array(&case["user_init"][0]).len(),
            regularization: number(&case["regularization"]),
            alpha: number(&case["alpha"]),
            iterations: size(case, "iterations"),
            solver,
            seed: 0,
        };
        let rounds = array(&case[name]["rounds"]);
        let mut seen = 0;
        Ials::fit_from(&train, &config, users.clone(), items.clone(), |sweep, users, items| {
            close(users, &flat(&rounds[sweep - 1]["user_factors"]), 2e-5);
            close(items, &flat(&rounds[sweep - 1]["item_factors"]), 2e-5);
            seen = sweep;
        })
        .unwrap();
        assert_eq!(seen, rounds.len());
    }
}
