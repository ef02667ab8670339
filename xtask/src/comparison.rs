//! What an experiment found: the runs of each model put together, tested against each other, as a table and as JSON.

use std::collections::BTreeMap;

use cf_align::train::EpochRecord;
use rec_core::evaluate::Evaluation;
use rec_core::metrics::{Basis, Metric};
use rec_core::statistics::{holm, mean, paired_t_test, standard_deviation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::machine::Machine;
use crate::table;

/// How long the parts of a run took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// The median epoch's training, without validation; none for a model without epochs.
    pub epoch_median: Option<f64>,
    /// The fit with validation, checkpoints and all; over all sittings if the run was resumed.
    pub fit: f64,
    /// Ranking the catalogue for all test users and computing the metrics.
    pub evaluate: f64,
}

/// What one model with one seed came to: `result.json` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The model.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// What the evaluator found on the test part, without the values of each user.
    pub evaluation: Evaluation,
    /// The primary metric on the validation part, by which settings may be chosen; none if the part is empty.
    pub validation: Option<f64>,
    /// How the recommendations fall on the tenths of the items by training popularity, least popular first.
    pub deciles: [f64; 10],
    /// How long it took.
    pub seconds: Seconds,
    /// The largest resident size of the process, where the system tells it.
    pub peak_rss_mib: Option<f64>,
    /// The epoch whose state was kept.
    pub best_epoch: Option<usize>,
    /// The paper's measures of the kept vectors, and how their lengths go with popularity, if the model has vectors.
    #[serde(default)]
    pub measures: Vec<(String, f64)>,
    /// Every epoch.
    pub history: Vec<EpochRecord>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// The accuracy metrics of each test user: `users.json` of a run folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerUser {
    /// The users, ascending.
    pub users: Vec<u32>,
    /// For each metric one value a user.
    pub values: BTreeMap<String, Vec<f64>>,
}

/// A mean over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation over seeds; 0 for a single run.
    pub std: f64,
    /// One value a seed.
    pub runs: Vec<f64>,
}

impl Summary {
    /// Sums up `runs`.
    pub fn of(runs: Vec<f64>) -> Self {
        let std = if runs.len() > 1 { standard_deviation(&runs) } else { 0.0 };
        let mean = mean(&runs);
        Self { mean, std, runs }
    }
}

/// A model against the best one, paired by test user.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Significance {
    /// The metric.
    pub metric: String,
    /// The best model.
    pub against: String,
    /// The mean difference over users: this model less the best.
    pub difference: f64,
    /// Two-sided, before correction.
    pub p_value: f64,
    /// After Holm's correction over all models compared with the best.
    pub p_holm: f64,
}

impl Significance {
    /// The level below which a difference is called significant.
    pub const LEVEL: f64 = 0.05;

    /// Whether the two differ.
    pub fn significant(&self) -> bool {
        self.p_holm < Self::LEVEL
    }
}

/// One model over all its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    /// The model.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Its settings, without the seed.
    pub config: Value,
    /// Whether every seed gives the same model, so that it ran once.
    pub deterministic: bool,
    /// The finished runs by seed.
    pub runs: Vec<RunResult>,
    /// Each test user's metrics, averaged over the runs.
    pub per_user: PerUser,
    /// Seeds that failed, and why.
    pub failures: Vec<(u64, String)>,
    /// Against the best model; none for the best itself, or if nothing finished.
    pub significance: Option<Significance>,
}

impl ModelResult {
    /// A metric over the runs.
    pub fn metric(&self, name: &str) -> Option<Summary> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| run.evaluation.get(name)).collect();
        values.filter(|values| !values.is_empty()).map(Summary::of)
    }

    /// Times: medians over the runs.
    pub fn seconds(&self) -> Option<Seconds> {
        let over =
            |value: fn(&RunResult) -> Option<f64>| median(self.runs.iter().filter_map(value).collect());
        Some(Seconds {
            epoch_median: over(|run| run.seconds.epoch_median),
            fit: over(|run| Some(run.seconds.fit))?,
            evaluate: over(|run| Some(run.seconds.evaluate))?,
        })
    }

    /// Memory: the most of any run.
    pub fn peak_rss_mib(&self) -> Option<f64> {
        self.runs.iter().filter_map(|run| run.peak_rss_mib).reduce(f64::max)
    }
}

/// The middle value, or the mean of the two middle ones.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// What an experiment found.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The experiment's name.
    pub name: String,
    /// The data: name, counts, source.
    pub data: Map<String, Value>,
    /// The split: rule, seed, counts, hash.
    pub split: Map<String, Value>,
    /// How the training rows fall on the tenths of the items by popularity, least popular first.
    pub train_deciles: [f64; 10],
    /// The seeds asked for.
    pub seeds: Vec<u64>,
    /// Where burn's engine ran.
    pub device: String,
    /// The metric that the report sorts its findings by.
    pub primary: String,
    /// The metrics of the table.
    pub shown: Vec<String>,
    /// In the order asked for.
    pub models: Vec<ModelResult>,
    /// What it ran on.
    pub machine: Machine,
}

impl Comparison {
    /// The model with the best mean of `metric`; higher is better.
    pub fn best(&self, metric: &str) -> Option<&ModelResult> {
        self.models
            .iter()
            .filter_map(|model| Some((model, model.metric(metric)?.mean)))
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(model, _)| model)
    }

    /// Tests every model against the best by the primary metric: Student's test, paired by user, p-values corrected
    /// by Holm's method.
    ///
    /// # Errors
    /// If the values of a run cannot be paired.
    pub fn test_against_best(&mut self) -> Result<()> {
        let metric = self.primary.clone();
        let Some(best) = self.best(&metric) else { return Ok(()) };
        let (name, best) = (best.name.clone(), best.per_user.clone());
        let Some(reference) = best.values.get(&metric).filter(|values| values.len() > 1) else {
            return Ok(());
        };
        for model in self.models.iter_mut().filter(|model| model.name != name) {
            // Another set of users would mean another split; runs of one are refused before.
            let own = model.per_user.values.get(&metric).filter(|_| model.per_user.users == best.users);
            if let Some(own) = own {
                let test = paired_t_test(own, reference)?;
                model.significance = Some(Significance {
                    metric: metric.clone(),
                    against: name.clone(),
                    difference: test.mean_difference,
                    p_value: test.p_value,
                    p_holm: test.p_value,
                });
            }
        }
        let mut tests: Vec<&mut Significance> =
            self.models.iter_mut().filter_map(|model| model.significance.as_mut()).collect();
        let p_values: Vec<f64> = tests.iter().map(|test| test.p_value).collect();
        for (test, corrected) in tests.iter_mut().zip(holm(&p_values)) {
            test.p_holm = corrected;
        }
        Ok(())
    }

    /// The fixed JSON form of `compare`.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "data": self.data,
            "split": self.split,
            "seeds": self.seeds,
            "device": self.device,
            "primary": self.primary,
            "models": self.models.iter().map(model_json).collect::<Vec<_>>(),
            "machine": self.machine,
        })
    }

    /// [`Comparison::json`] with what the pictures are made of: the history, groups and tenths of every run.
    pub fn full_json(&self) -> Value {
        let mut value = self.json();
        value["train_deciles"] = json!(self.train_deciles);
        for (model, out) in self.models.iter().zip(value["models"].as_array_mut().into_iter().flatten()) {
            out["runs"] = model
                .runs
                .iter()
                .map(|run| {
                    json!({
                        "seed": run.seed,
                        "best_epoch": run.best_epoch,
                        "history": run.history.iter().map(epoch_json).collect::<Vec<_>>(),
                        "deciles": run.deciles,
                        "user_groups": run.evaluation.user_groups,
                        "item_groups": run.evaluation.item_groups,
                    })
                })
                .collect();
        }
        value
    }

    /// The table for the terminal, with its legend.
    pub fn table(&self) -> String {
        let mut head = vec!["model"];
        head.extend(self.shown.iter().map(String::as_str));
        head.extend(["s/epoch", "fit", "evaluate", "peak MiB", "runs"]);
        let best =
            |metric: &String| self.best(metric).filter(|_| is_accuracy(metric)).map(|m| m.name.as_str());
        let best: Vec<Option<&str>> = self.shown.iter().map(best).collect();
        let text = table::plain(
            &head,
            self.models.iter().map(|model| {
                let mut row = vec![model.name.clone()];
                for (metric, best) in self.shown.iter().zip(&best) {
                    row.push(match model.metric(metric) {
                        None => "-".into(),
                        Some(summary) => {
                            let best = *best == Some(model.name.as_str());
                            let close = *metric == self.primary
                                && model.significance.as_ref().is_some_and(|test| !test.significant());
                            let mark = if best {
                                "*"
                            } else if close {
                                "≈"
                            } else {
                                " "
                            };
                            let deviation = if model.runs.len() > 1 {
                                format!(" ± {:.4}", summary.std)
                            } else {
                                String::new()
                            };
                            format!("{:.4}{deviation} {mark}", summary.mean)
                        }
                    });
                }
                let seconds = model.seconds();
                let time = |value: Option<f64>| value.map_or("-".into(), table::seconds);
                row.push(time(seconds.and_then(|seconds| seconds.epoch_median)));
                row.push(time(seconds.map(|seconds| seconds.fit)));
                row.push(time(seconds.map(|seconds| seconds.evaluate)));
                row.push(model.peak_rss_mib().map_or("-".into(), |mib| format!("{mib:.0}")));
                row.push(match (model.failures.len(), model.deterministic) {
                    (0, true) => "1 (deterministic)".into(),
                    (0, false) => model.runs.len().to_string(),
                    (failed, _) => format!("{} ({failed} failed)", model.runs.len()),
                });
                row
            }),
        );
        let users = self.models.first().map_or(0, |model| model.per_user.users.len());
        format!(
            "{text}\n* best of its column   ≈ {} not significantly below the best (paired over {} test users, Holm, \
             level {})\n± sample deviation over seeds; times are medians, memory is the most of any run",
            self.primary,
            table::grouped(users),
            Significance::LEVEL
        )
    }
}

/// Whether a metric says how well the test items are found. Those of breadth and bias have no best value: random lists
/// cover the most.
pub fn is_accuracy(metric: &str) -> bool {
    metric.parse::<Metric>().is_ok_and(|metric| metric.measure().basis() == Basis::Accuracy)
}

/// The names of all metrics that some run has, in the evaluator's order.
pub fn metric_names(model: &ModelResult) -> Vec<String> {
    model
        .runs
        .first()
        .map(|run| run.evaluation.values.iter().map(|(name, _)| name.to_owned()).collect())
        .unwrap_or_default()
}

fn model_json(model: &ModelResult) -> Value {
    let metrics: Map<String, Value> = metric_names(model)
        .into_iter()
        .filter_map(|name| {
            let summary = model.metric(&name)?;
            Some((name, json!(summary)))
        })
        .collect();
    let mut value = json!({
        "name": model.name,
        "config": model.config,
        "deterministic": model.deterministic,
        "seeds": model.runs.iter().map(|run| run.seed).collect::<Vec<_>>(),
        "best_epochs": model.runs.iter().map(|run| run.best_epoch).collect::<Vec<_>>(),
        "metrics": metrics,
        "validation": validation(model),
        "measures": measures(model),
        "seconds": model.seconds(),
        "peak_rss_mib": model.peak_rss_mib(),
        "significance": model.significance.as_ref().map(|test| {
            let mut value = json!(test);
            value["significant"] = json!(test.significant());
            value
        }),
        "warnings": warnings(model),
    });
    if !model.failures.is_empty() {
        value["failures"] =
            model.failures.iter().map(|(seed, why)| json!({"seed": seed, "error": why})).collect();
    }
    value
}

fn validation(model: &ModelResult) -> Option<Summary> {
    let values: Option<Vec<f64>> = model.runs.iter().map(|run| run.validation).collect();
    values.filter(|values| !values.is_empty()).map(Summary::of)
}

/// The measures of the kept vectors over the runs.
fn measures(model: &ModelResult) -> BTreeMap<String, Summary> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, value) in model.runs.iter().flat_map(|run| &run.measures) {
        values.entry(name.clone()).or_default().push(*value);
    }
    values.into_iter().map(|(name, values)| (name, Summary::of(values))).collect()
}

/// The warnings of all runs, each once.
pub fn warnings(model: &ModelResult) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for warning in model.runs.iter().flat_map(|run| &run.warnings) {
        if !all.contains(warning) {
            all.push(warning.clone());
        }
    }
    all
}

fn epoch_json(record: &EpochRecord) -> Value {
    let mut map = Map::new();
    map.insert("epoch".into(), json!(record.epoch));
    for (name, value) in &record.values {
        map.insert(name.clone(), json!(value));
    }
    Value::Object(map)
}

/// How `counts` (one an item) fall on the tenths of the items ordered by `popularity` (ties by item), least popular
/// first. Tenths hold equally many items, as nearly as can be.
pub fn deciles(counts: &[u32], popularity: &[u32]) -> [f64; 10] {
    let n = popularity.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&item| popularity[item]);
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let mut shares = [0.0; 10];
    for (decile, share) in shares.iter_mut().enumerate() {
        let members = &order[n * decile / 10..n * (decile + 1) / 10];
        let sum: f64 = members.iter().map(|&item| f64::from(counts[item])).sum();
        *share = if total > 0.0 { sum / total } else { 0.0 };
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let summary = Summary::of(vec![1.0, 2.0, 3.0]);
        assert_eq!((summary.mean, summary.std), (2.0, 1.0));
        assert_eq!(Summary::of(vec![5.0]).std, 0.0);
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn tenths_are_by_popularity_and_sum_to_one() {
        let popularity: Vec<u32> = (0..20).rev().collect();
        let mut counts = vec![0; 20];
        counts[0] = 3; // the most popular item
        counts[19] = 1; // the least popular
        let shares = deciles(&counts, &popularity);
        assert_eq!((shares[9], shares[0]), (0.75, 0.25));
        assert_eq!(shares.iter().sum::<f64>(), 1.0);
        assert_eq!(deciles(&[0; 20], &popularity), [0.0; 10]);
    }
}
