//! The metrics against RecBole 1.2.1, ranx, scikit-learn and scipy, on the case that `golden/metrics.py` makes.

use std::collections::BTreeMap;

use rec_core::evaluate::{Evaluation, Evaluator};
use rec_core::metrics::beyond::Tail;
use rec_core::metrics::{Measure, Metric, rating};
use rec_core::rank::score_and_rank;
use rec_core::statistics::{paired_t_test, standard_deviation, wilcoxon_test};
use rec_core::{Catalogue, Interactions, ItemId, Query, Rankings, Recommender, Result, Split, UserId};
use serde::Deserialize;

const KS: [usize; 5] = [1, 3, 5, 10, 20];

type Values = BTreeMap<String, f64>;

#[derive(Deserialize)]
struct Golden {
    n_users: usize,
    n_items: usize,
    n_categories: usize,
    fully_seen: u32,
    train: Vec<(u32, u32)>,
    valid: Vec<(u32, u32)>,
    test: Vec<(u32, u32)>,
    scores: Vec<Vec<f32>>,
    categories: Vec<Vec<u32>>,
    recbole_accuracy: Values,
    recbole_lists: Values,
    recbole_tail_at_most_3: Values,
    ranx: Values,
    defined: Values,
    ratings: Ratings,
    tests: Tests,
}

#[derive(Deserialize)]
struct Ratings {
    users: Vec<u32>,
    actual: Vec<f32>,
    predicted: Vec<f32>,
    labels: Vec<u8>,
    probabilities: Vec<f32>,
    expected: Values,
}

#[derive(Deserialize)]
struct Tests {
    a: Vec<f64>,
    b: Vec<f64>,
    standard_deviation: f64,
    t: (f64, f64),
    t_of_6_to_10: (f64, f64),
    wilcoxon_p: f64,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/metrics.json")).expect("metrics.json is what metrics.py writes")
}

struct Table(Vec<Vec<f32>>);

impl Recommender for Table {
    fn n_items(&self) -> usize {
        self.0[0].len()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> Result<Rankings> {
        score_and_rank(queries, k, self.n_items(), |query, row| {
            row.copy_from_slice(&self.0[query.user.expect("all users are known").index()]);
            Ok(())
        })
    }
}

fn rows(pairs: &[(u32, u32)]) -> Interactions {
    let (users, items) = pairs.iter().map(|&(user, item)| (UserId(user), ItemId(item))).unzip();
    Interactions::from_pairs(users, items)
}

/// Judges every measure of lists, with or without the user whose list is short.
fn judge(golden: &Golden, with_fully_seen: bool, tail: Tail) -> Evaluation {
    let mut test = golden.test.clone();
    test.retain(|&(user, _)| with_fully_seen || user != golden.fully_seen);
    let split = Split {
        train: rows(&golden.train),
        valid: rows(&golden.valid),
        test: rows(&test),
        ..Split::default()
    };
    let catalogue = Catalogue {
        category_names: (0..golden.n_categories).map(|category| category.to_string()).collect(),
        categories: Some(golden.categories.clone()),
        ..Catalogue::default()
    };
    let listed: Vec<Measure> = Measure::ALL.into_iter().filter(|measure| measure.has_cutoff()).collect();
    Evaluator::test(&split, golden.n_users, golden.n_items)
        .and_then(|evaluator| evaluator.with_catalogue(&catalogue))
        .and_then(|evaluator| evaluator.with_metrics(&Metric::grid(&listed, &KS)))
        .map(|evaluator| evaluator.with_tail(tail, false))
        .and_then(|evaluator| evaluator.evaluate(&Table(golden.scores.clone())))
        .expect("the golden case can be judged")
}

#[track_caller]
fn close(name: &str, value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{name}: {value} is not {expected}");
}

fn get(found: &Evaluation, name: &str) -> f64 {
    found.get(name).unwrap_or_else(|| panic!("{name} was not computed"))
}

#[test]
fn accuracy_is_that_of_recbole_and_ranx() {
    let golden = golden();
    let found = judge(&golden, true, Tail::default());
    assert_eq!(golden.recbole_accuracy.len(), 6 * KS.len());
    for (name, &expected) in &golden.recbole_accuracy {
        close(name, get(&found, name), expected);
    }
    assert_eq!(golden.ranx.len(), 6 * KS.len());
    for (name, &expected) in &golden.ranx {
        let name = name.replace("hit_rate", "hit");
        close(&name, get(&found, &name), expected);
    }
}

#[test]
fn measures_of_lists_are_those_of_recbole_without_its_padding_row() {
    let golden = golden();
    let n = golden.n_items as f64;
    let found = judge(&golden, false, Tail::default());
    assert_eq!(golden.recbole_lists.len(), 5 * KS.len());
    for (name, &expected) in &golden.recbole_lists {
        let (measure, k) = name.split_once('@').expect("a cut-off");
        let (ours, expected) = match measure {
            "itemcoverage" => ("coverage", expected * (n + 1.0) / n),
            // The padding row is one more item without a count: every rank moves up by one.
            "giniindex" => ("gini", (expected * (n + 1.0) - 1.0) / n),
            "shannonentropy" => ("entropy-per-item", expected),
            "averagepopularity" => ("popularity", expected),
            "tailpercentage" => ("tail", expected),
            other => panic!("unknown measure {other}"),
        };
        close(name, get(&found, &format!("{ours}@{k}")), expected);
    }
    let found = judge(&golden, false, Tail::AtMost(3));
    for (name, &expected) in &golden.recbole_tail_at_most_3 {
        close(name, get(&found, &name.replace("tailpercentage", "tail")), expected);
    }
}

#[test]
fn measures_without_a_library_are_as_defined() {
    let golden = golden();
    let found = judge(&golden, false, Tail::default());
    // Seven measures; lists of one item have no diversity.
    assert_eq!(golden.defined.len(), 7 * KS.len() - 1);
    assert_eq!(found.get("diversity@1"), None);
    for (name, &expected) in &golden.defined {
        close(name, get(&found, name), expected);
    }
}

#[test]
fn predictions_are_judged_as_scikit_learn_does() {
    let Ratings { users, actual, predicted, labels, probabilities, expected } = golden().ratings;
    let labels: Vec<bool> = labels.into_iter().map(|label| label == 1).collect();
    let mut by_user: BTreeMap<u32, (Vec<f32>, Vec<bool>)> = BTreeMap::new();
    for (row, user) in users.into_iter().enumerate() {
        let own = by_user.entry(user).or_default();
        own.0.push(probabilities[row]);
        own.1.push(labels[row]);
    }
    let gauc = rating::gauc(by_user.values().map(|(scores, labels)| (scores.as_slice(), labels.as_slice())));
    close("rmse", rating::rmse(&predicted, &actual), expected["rmse"]);
    close("mae", rating::mae(&predicted, &actual), expected["mae"]);
    close("log-loss", rating::log_loss(&probabilities, &labels), expected["log-loss"]);
    close("auc", rating::auc(&probabilities, &labels).expect("both labels occur"), expected["auc"]);
    close("gauc", gauc.expect("some user has both labels"), expected["gauc"]);
}

#[test]
fn tests_are_those_of_scipy() {
    let Tests { a, b, standard_deviation: deviation, t, t_of_6_to_10, wilcoxon_p } = golden().tests;
    close("standard deviation", standard_deviation(&a), deviation);
    for (found, (statistic, p)) in
        [(paired_t_test(&a, &b), t), (paired_t_test(&a[6..10], &b[6..10]), t_of_6_to_10)]
    {
        let found = found.expect("the columns can be paired");
        close("t", found.statistic, statistic);
        close("p of t", found.p_value, p);
    }
    close("wilcoxon", wilcoxon_test(&a, &b).expect("the columns can be paired").p_value, wilcoxon_p);
}
