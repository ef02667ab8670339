//! What policies came to: the runs of each put together over seeds, as a table and as JSON.

use std::collections::BTreeMap;

use rec_core::run::Record;
use rec_core::statistics::{mean, standard_deviation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::published::{self, Published};
use crate::comparison::median;
use crate::machine::Machine;
use crate::table;

/// The epochs at the end whose mean counts, as a share of all: the published convention.
pub const TAIL: f64 = 0.25;

/// The values of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Which, from 1.
    pub epoch: usize,
    /// What was measured, by name; what is not a finite number is left out.
    pub values: BTreeMap<String, f64>,
}

impl From<Record> for Epoch {
    fn from(record: Record) -> Self {
        let values = record.values.into_iter().filter(|(_, value)| value.is_finite()).collect();
        Self { epoch: record.epoch, values }
    }
}

/// What one policy with one seed came to: `result.json` of its run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRun {
    /// The policy.
    pub policy: String,
    /// The seed.
    pub seed: u64,
    /// For each metric the mean over the last quarter of the epochs.
    pub tail: BTreeMap<String, f64>,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// The user model's mean absolute error on held-out ratings, if there are some.
    pub user_model_mae: Option<f64>,
    /// The largest resident size of the process, where the system tells it.
    pub peak_rss_mib: Option<f64>,
}

impl PolicyRun {
    /// A run of these epochs.
    pub fn new(policy: &str, seed: u64, epochs: Vec<Epoch>) -> Self {
        let count = ((epochs.len() as f64 * TAIL).ceil() as usize).min(epochs.len());
        let last = &epochs[epochs.len() - count..];
        let names = last.first().map(|epoch| epoch.values.keys().cloned().collect()).unwrap_or_default();
        let names: Vec<String> = names;
        let tail = names.into_iter().filter_map(|name| {
            let values: Option<Vec<f64>> =
                last.iter().map(|epoch| epoch.values.get(&name).copied()).collect();
            Some((name, mean(&values?)))
        });
        Self {
            policy: policy.to_owned(),
            seed,
            tail: tail.collect(),
            epochs,
            user_model_mae: None,
            peak_rss_mib: None,
        }
    }

    /// Steps of training per second of training; none for a policy that does not learn by acting.
    pub fn steps_per_second(&self) -> Option<f64> {
        let steps = self.epochs.last()?.values.get("steps").copied().filter(|&steps| steps > 0.0)?;
        Some(steps / self.total("seconds")?).filter(|rate| rate.is_finite())
    }

    /// The sum of a value over all epochs.
    pub fn total(&self, name: &str) -> Option<f64> {
        self.epochs.iter().map(|epoch| epoch.values.get(name)).sum::<Option<f64>>()
    }
}

/// A mean over seeds with its uncertainty.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation over seeds; 0 for a single run.
    pub std: f64,
    /// Half the width of the 95 % confidence interval of the mean (Student's t); none for a single run.
    pub ci95: Option<f64>,
    /// One value a seed.
    pub runs: Vec<f64>,
}

impl Estimate {
    /// Sums up `runs`.
    pub fn of(runs: Vec<f64>) -> Self {
        let several = runs.len() > 1;
        let std = if several { standard_deviation(&runs) } else { 0.0 };
        let ci95 = several.then(|| student_95(runs.len() - 1) * std / (runs.len() as f64).sqrt());
        Self { mean: mean(&runs), std, ci95, runs }
    }
}

/// The point that Student's distribution with `freedom` degrees of freedom stays within, on both sides, with probability
/// 0.95.
pub fn student_95(freedom: usize) -> f64 {
    const FIRST: [f64; 10] =
        [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281];
    match freedom {
        0 => f64::INFINITY,
        freedom if freedom <= FIRST.len() => FIRST[freedom - 1],
        // Cornish and Fisher's expansion about the normal point; wrong by less than 2e-4 from here on.
        freedom => {
            let (z, n) = (1.959_964_f64, freedom as f64);
            let power = |exponent| z.powi(exponent);
            z + (power(3) + z) / (4.0 * n)
                + (5.0 * power(5) + 16.0 * power(3) + 3.0 * z) / (96.0 * n.powi(2))
                + (3.0 * power(7) + 19.0 * power(5) + 17.0 * power(3) - 15.0 * z) / (384.0 * n.powi(3))
        }
    }
}

/// One policy over all its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyResult {
    /// The policy.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Its settings, without what runs share.
    pub config: Value,
    /// The finished runs by seed.
    pub runs: Vec<PolicyRun>,
    /// Seeds that failed, and why.
    pub failures: Vec<(u64, String)>,
    /// What the reference published for this policy in this world.
    pub published: Option<Published>,
}

impl PolicyResult {
    /// A metric over the runs: means over the last quarter of the epochs.
    pub fn tail(&self, name: &str) -> Option<Estimate> {
        self.over(|run| run.tail.get(name).copied())
    }

    /// A metric over the runs: the last epoch.
    pub fn last(&self, name: &str) -> Option<Estimate> {
        self.over(|run| run.epochs.last()?.values.get(name).copied())
    }

    fn over(&self, value: impl Fn(&PolicyRun) -> Option<f64>) -> Option<Estimate> {
        let values: Option<Vec<f64>> = self.runs.iter().map(value).collect();
        values.filter(|values| !values.is_empty()).map(Estimate::of)
    }

    /// The median over the runs.
    pub fn steps_per_second(&self) -> Option<f64> {
        median(self.runs.iter().filter_map(PolicyRun::steps_per_second).collect())
    }

    /// The median over the runs: training and judging.
    pub fn seconds(&self) -> Option<f64> {
        let of = |run: &PolicyRun| Some(run.total("seconds").unwrap_or(0.0) + run.total("seconds_judge")?);
        median(self.runs.iter().filter_map(of).collect())
    }

    /// The names of all metrics of the test modes.
    pub fn metric_names(&self) -> Vec<String> {
        let judged = |name: &&String| ["fb_", "nx0_", "nx_"].iter().any(|mode| name.starts_with(mode));
        self.runs.first().map(|run| run.tail.keys().filter(judged).cloned().collect()).unwrap_or_default()
    }
}

/// What an experiment with policies found.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyComparison {
    /// The experiment's name.
    pub name: String,
    /// The world: name, counts, hash, quit rule.
    pub world: Map<String, Value>,
    /// Switches for the reference's defects.
    pub compat: Value,
    /// How user models were fitted, by kind.
    pub user_models: Map<String, Value>,
    /// The seeds asked for.
    pub seeds: Vec<u64>,
    /// Epochs of each run.
    pub epochs: usize,
    /// Where policies learned.
    pub device: String,
    /// Runs at the same time.
    pub jobs: usize,
    /// The forced length of the last test mode.
    pub forced_length: u64,
    /// In the order asked for.
    pub policies: Vec<PolicyResult>,
    /// What it ran on.
    pub machine: Machine,
}

/// The metrics of the table: key and heading, and the decimals shown.
pub const SHOWN: [(&str, &str, usize); 10] = [
    ("fb_cumulative_reward", "reward", 2),
    ("fb_length", "length", 2),
    ("fb_average_reward", "per turn", 3),
    ("nx0_cumulative_reward", "NX0 reward", 2),
    ("nx0_length", "NX0 length", 2),
    ("nx_cumulative_reward", "NX10 reward", 2),
    ("fb_coverage", "coverage", 3),
    ("fb_diversity", "diversity", 3),
    ("fb_novelty", "novelty", 2),
    ("fb_dominance", "dominance", 3),
];

impl PolicyComparison {
    /// The policy with the largest mean of `metric`.
    pub fn best(&self, metric: &str) -> Option<&PolicyResult> {
        self.policies
            .iter()
            .filter_map(|policy| Some((policy, policy.tail(metric)?.mean)))
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(policy, _)| policy)
    }

    /// The heading of a metric of [`SHOWN`].
    pub fn heading(&self, heading: &str) -> String {
        heading.replace("NX10", &format!("NX{}", self.forced_length))
    }

    /// [`PolicyComparison::json`] with every epoch of every run, of which the pictures are made.
    pub fn full_json(&self) -> Value {
        let mut value = self.json();
        for (policy, out) in self.policies.iter().zip(value["policies"].as_array_mut().into_iter().flatten())
        {
            let run = |run: &PolicyRun| json!({"seed": run.seed, "epochs": run.epochs});
            out["runs"] = policy.runs.iter().map(run).collect();
        }
        value
    }

    /// The fixed JSON form of `policies`.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "world": self.world,
            "compat": self.compat,
            "user_models": self.user_models,
            "seeds": self.seeds,
            "epochs": self.epochs,
            "tail": TAIL,
            "device": self.device,
            "jobs": self.jobs,
            "policies": self.policies.iter().map(policy_json).collect::<Vec<_>>(),
            "published_source": self.policies.iter().any(|p| p.published.is_some()).then(published::source),
            "machine": self.machine,
        })
    }

    /// The table for the terminal, with its legend.
    pub fn table(&self) -> String {
        let published = self.policies.iter().any(|policy| policy.published.is_some());
        let shown: Vec<_> = SHOWN
            .iter()
            .filter(|(key, ..)| self.policies.iter().any(|p| value_of(p, key).is_some()))
            .collect();
        let mut head = vec!["policy".to_owned()];
        head.extend(shown.iter().map(|(_, heading, _)| self.heading(heading)));
        head.extend(["steps/s", "time", "runs"].map(str::to_owned));
        if published {
            head.push("published".into());
        }
        let rows = self.policies.iter().map(|policy| {
            let mut row = vec![policy.name.clone()];
            for (at, (key, _, digits)) in shown.iter().enumerate() {
                row.push(match value_of(policy, key) {
                    None => "-".into(),
                    Some(value) => match value.ci95 {
                        // The first column has the interval too; the others keep the table narrow.
                        Some(ci95) if at == 0 => {
                            let digits = *digits;
                            format!("{:.digits$} ± {:.digits$} ({ci95:.digits$})", value.mean, value.std)
                        }
                        Some(_) if at < 3 => format!("{:.*} ± {:.*}", digits, value.mean, digits, value.std),
                        _ => format!("{:.*}", digits, value.mean),
                    },
                });
            }
            row.push(policy.steps_per_second().map_or("-".into(), |rate| table::grouped(rate as usize)));
            row.push(policy.seconds().map_or("-".into(), table::seconds));
            row.push(match policy.failures.len() {
                0 => policy.runs.len().to_string(),
                failed => format!("{} ({failed} failed)", policy.runs.len()),
            });
            if published {
                row.push(policy.published.as_ref().map_or("-".into(), |value| {
                    let [reward, length, average] = value.fb;
                    format!("{reward:.2} / {length:.2} / {average:.3}")
                }));
            }
            row
        });
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        let text = table::plain(&head, rows);
        let window = (self.epochs as f64 * TAIL).ceil() as usize;
        let mut legend = format!(
            "{text}\nmeans over the last {window} of {} epochs, then over seeds: mean ± sample deviation (half the 95 % \
             interval, Student)\nitems may come again, but for NX; steps/s of training, median over seeds",
            self.epochs
        );
        if published {
            legend.push_str(&format!(
                "\npublished: reward / length / per turn of one run; {}",
                published::source()
            ));
        }
        legend
    }
}

/// A metric of [`SHOWN`]; dominance is the mean over the features that it was measured for.
pub fn value_of(policy: &PolicyResult, key: &str) -> Option<Estimate> {
    if key != "fb_dominance" {
        return policy.tail(key);
    }
    policy.over(|run| {
        let shares = run.tail.iter().filter(|(name, _)| name.starts_with("fb_dominance_"));
        let shares: Vec<f64> = shares.map(|(_, value)| *value).collect();
        (!shares.is_empty()).then(|| mean(&shares))
    })
}

fn policy_json(policy: &PolicyResult) -> Value {
    let names = policy.metric_names();
    let over = |of: &dyn Fn(&str) -> Option<Estimate>| -> Map<String, Value> {
        names.iter().filter_map(|name| Some((name.clone(), json!(of(name)?)))).collect()
    };
    let mut value = json!({
        "name": policy.name,
        "config": policy.config,
        "seeds": policy.runs.iter().map(|run| run.seed).collect::<Vec<_>>(),
        "metrics": over(&|name| policy.tail(name)),
        "last_epoch": over(&|name| policy.last(name)),
        "steps_per_second": policy.steps_per_second(),
        "seconds": policy.seconds(),
        "peak_rss_mib": policy.runs.iter().filter_map(|run| run.peak_rss_mib).reduce(f64::max),
        "user_model_mae": policy.over(|run| run.user_model_mae),
        "published": policy.published.as_ref().map(|published| {
            json!({"fb": published.fb, "nx0": published.nx0, "nx10": published.nx10})
        }),
    });
    if !policy.failures.is_empty() {
        value["failures"] =
            policy.failures.iter().map(|(seed, why)| json!({"seed": seed, "error": why})).collect();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, values: &[f64]) -> PolicyRun {
        let epochs = values.iter().enumerate().map(|(at, &value)| Epoch {
            epoch: at + 1,
            values: BTreeMap::from([
                ("fb_cumulative_reward".to_owned(), value),
                ("seconds".to_owned(), 0.5),
                ("steps".to_owned(), 100.0 * (at + 1) as f64),
            ]),
        });
        PolicyRun::new("a2c", seed, epochs.collect())
    }

    #[test]
    fn the_last_quarter_counts() {
        assert_eq!(run(1, &[9.0, 9.0, 9.0, 1.0]).tail["fb_cumulative_reward"], 1.0);
        assert_eq!(run(1, &[9.0, 9.0, 9.0, 1.0, 3.0]).tail["fb_cumulative_reward"], 2.0);
        assert_eq!(run(1, &[4.0]).tail["fb_cumulative_reward"], 4.0);
        assert!(run(1, &[]).tail.is_empty());
        assert_eq!(run(1, &[1.0, 2.0]).steps_per_second(), Some(200.0));
    }

    #[test]
    fn the_interval_is_students() {
        // 3 runs with deviation 1: 4.3027 / sqrt(3).
        let estimate = Estimate::of(vec![1.0, 2.0, 3.0]);
        assert_eq!((estimate.mean, estimate.std), (2.0, 1.0));
        assert!((estimate.ci95.unwrap() - 2.4842).abs() < 1e-4);
        assert_eq!(Estimate::of(vec![1.0]).ci95, None);
        // Values of a printed table.
        for (freedom, expected) in [(11, 2.2010), (20, 2.0860), (30, 2.0423), (120, 1.9799)] {
            assert!((student_95(freedom) - expected).abs() < 2e-4, "{freedom}: {}", student_95(freedom));
        }
    }

    #[test]
    fn tables_and_json_hold_what_was_found() {
        let policy = PolicyResult {
            name: "a2c".into(),
            about: String::new(),
            config: json!({}),
            runs: vec![run(1, &[1.0, 2.0]), run(2, &[3.0, 4.0])],
            failures: vec![(3, "broke".into())],
            published: published::of("coat").remove("a2c"),
        };
        let comparison = PolicyComparison {
            name: "x".into(),
            world: Map::new(),
            compat: json!({}),
            user_models: Map::new(),
            seeds: vec![1, 2, 3],
            epochs: 2,
            device: "flex".into(),
            jobs: 1,
            forced_length: 10,
            policies: vec![policy],
            machine: Machine::default(),
        };
        let table = comparison.table();
        assert!(table.contains("3.00 ± 1.41 (12.71)") && table.contains("81.80 / 29.92 / 2.734"), "{table}");
        assert!(table.contains("2 (1 failed)"), "{table}");
        assert!(comparison.json()["policies"][0].get("runs").is_none());
        let value = comparison.full_json();
        let policy = &value["policies"][0];
        assert_eq!(policy["metrics"]["fb_cumulative_reward"]["runs"], json!([2.0, 4.0]));
        assert_eq!(policy["runs"][1]["epochs"][0]["values"]["fb_cumulative_reward"], 3.0);
        assert_eq!(policy["failures"][0]["seed"], 3);
        assert_eq!(comparison.best("fb_cumulative_reward").unwrap().name, "a2c");
    }
}
