//! Systems on samples, beside baselines, over seeds: what is run, what came out, as JSON and as a table.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agents::baseline;
use agents::engine::{Engine, Job, Outcome};
use agents::eval::{Report, evaluate};
use agents::judge::Judge;
use agents::knowledge::Knowledge;
use agents::protocol::{Prepared, Sample};
use agents::run::{Concurrency, RunFiles, run_into};
use agents::system::SystemConfig;
use agents::task::{TaskInput, TaskKind};
use agents::trace::{Header, VERSION};
use rec_core::statistics::{holm, mean, randomisation_test, standard_deviation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::team::{Team, learn, prepared};
use crate::cli::agents::Preparation;
use crate::error::{Error, Result};
use crate::machine::{Machine, processor_seconds};
use crate::{output, table};

/// The system against which the others are tested: all five roles.
const WHOLE_TEAM: &str = "reflect_analyse_search_interpret";
/// Rounds of the randomisation test.
const ROUNDS: usize = 10_000;
/// Lines of history that a ranking task shows, as in the reference's scripts.
const RANKING_HISTORY: usize = 5;

/// Data prepared and models fitted with one seed.
pub struct Learned {
    /// The seed.
    pub(super) seed: u64,
    /// The data.
    pub(super) prepared: Prepared,
    /// The models.
    pub(super) knowledge: Arc<Knowledge>,
}

impl Learned {
    /// Prepares the data and fits the models with `seed`.
    ///
    /// # Errors
    /// Of data and models.
    pub fn new(preparation: &Preparation, seed: u64) -> Result<Self> {
        let prepared = prepared(preparation, seed)?;
        output::note(format!("agents, seed {seed}: fitting the models"));
        let knowledge = learn(&prepared, preparation, seed)?;
        Ok(Self { seed, prepared, knowledge })
    }
}

/// What is run.
pub struct Asked<'a> {
    /// The data.
    pub preparation: &'a Preparation,
    /// The data and models, one for each seed of whatever is drawn: wrong candidates, first factors, models of others.
    pub learned: &'a [Learned],
    /// The task.
    pub task: TaskKind,
    /// The systems, in the order of the table.
    pub systems: Vec<SystemConfig>,
    /// Who decides.
    pub model: &'a str,
    /// Only the first samples.
    pub limit: Option<usize>,
    /// Threads, if not by the model.
    pub threads: Option<usize>,
    /// Samples in flight on each thread, if not by the model.
    pub in_flight: Option<usize>,
    /// Where results and traces go.
    pub out: PathBuf,
    /// Begin anew.
    pub fresh: bool,
    /// What users wrote of items.
    pub reviews: &'a Reviews,
}

/// What users wrote of items, by the outside ids of both.
#[derive(Clone, Debug, Default)]
pub struct Reviews(HashMap<(String, String), String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewLine {
    user: String,
    item: String,
    text: String,
}

impl Reviews {
    /// Reads a JSONL file; of two texts on the same item by the same user the later counts.
    ///
    /// # Errors
    /// [`Error::Data`] with the line, [`Error::Io`] of the file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let line = |(at, line): (usize, &str)| {
            let read: ReviewLine = serde_json::from_str(line)
                .map_err(|error| Error::Data(format!("{}, line {}: {error}", path.display(), at + 1)))?;
            Ok(((read.user, read.item), read.text))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(line).collect::<Result<_>>().map(Self)
    }

    fn judge(&self, knowledge: &Knowledge, sample: &Sample) -> Judge {
        let mut judge = Judge::new(knowledge, sample);
        let user = knowledge.dataset.users.token(sample.user.0).to_owned();
        judge.review = self.0.get(&(user, judge.item.clone())).cloned();
        judge
    }
}

/// One row of the table, over all seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The system's or the baseline's name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Whether no agent works there.
    pub baseline: bool,
    /// Milliseconds of a processor that a sample took with the last seed, its trace written; none if results were there before or the
    /// system does not tell.
    pub ms_per_sample: Option<f64>,
    /// The randomisation test against the whole team, two-sided, corrected after Holm over the systems of the table.
    pub p_value: Option<f64>,
    /// One report a seed; without the values of each sample.
    pub reports: Vec<Report>,
    #[serde(skip)]
    per_sample: Vec<Vec<f64>>,
}

impl Row {
    fn new(name: &str, about: &str, baseline: bool) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            baseline,
            ms_per_sample: None,
            p_value: None,
            reports: Vec::new(),
            per_sample: Vec::new(),
        }
    }

    fn add(&mut self, mut report: Report) {
        self.per_sample.push(std::mem::take(&mut report.per_sample));
        self.reports.push(report);
    }

    /// The metric's values, one a seed.
    pub fn values(&self, metric: &str) -> Vec<f64> {
        self.reports.iter().filter_map(|report| report.metrics.get(metric)).map(|found| found.value).collect()
    }

    /// Half of the widest 95% interval over samples, of any seed.
    pub fn half(&self, metric: &str) -> f64 {
        let found = self.reports.iter().filter_map(|report| report.metrics.get(metric));
        found.map(|found| (found.interval.high - found.interval.low) / 2.0).fold(0.0, f64::max)
    }

    /// The value of each sample, the mean over seeds.
    fn means(&self) -> Vec<f64> {
        let n = self.per_sample.iter().map(Vec::len).min().unwrap_or(0);
        (0..n).map(|at| mean(&self.per_sample.iter().map(|own| own[at]).collect::<Vec<_>>())).collect()
    }

    fn average(&self, of: impl Fn(&Report) -> f64) -> f64 {
        mean(&self.reports.iter().map(of).collect::<Vec<_>>())
    }
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The task.
    pub task: TaskKind,
    /// The data after preparation.
    pub data: BTreeMap<&'static str, Value>,
    /// Who decides.
    pub model: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// How the rating of the test rows is spread: mean and standard deviation, which is the error of the best constant.
    pub truth: BTreeMap<&'static str, f64>,
    /// Baselines, then systems.
    pub systems: Vec<Row>,
    /// Where it ran.
    pub machine: Machine,
    /// One sample of the last system that answers by a whole team, as text for people.
    #[serde(skip)]
    pub shown: Option<String>,
}

/// Runs what is asked.
///
/// # Errors
/// Of data, models, files; [`Error::Core`] without samples.
pub fn run(asked: &Asked<'_>) -> Result<Evaluation> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows: Vec<Row> = Vec::new();
    let mut facts = BTreeMap::new();
    let mut truth = BTreeMap::new();
    let mut model = String::new();
    let mut shown = None;
    for Learned { seed, prepared, knowledge } in asked.learned {
        let seed = *seed;
        let team = Team::new(asked.model, knowledge)?;
        let concurrency = || match team.waits {
            // Threads of its own would only wait.
            true => Concurrency::Tasks {
                runtime: team.runtime.handle().clone(),
                at_once: asked.in_flight.unwrap_or(8),
            },
            false => Concurrency::Threads {
                threads: asked.threads.unwrap_or(cores),
                in_flight: asked.in_flight.unwrap_or(1),
            },
        };
        let samples: Vec<_> = prepared
            .test
            .iter()
            .filter(|sample| asked.task != TaskKind::Ranking || sample.rating >= knowledge.liked_from())
            .take(asked.limit.unwrap_or(usize::MAX))
            .collect();
        let judges: Vec<Judge> =
            samples.iter().map(|sample| asked.reviews.judge(knowledge, sample)).collect();
        let ratings: Vec<f64> = samples.iter().map(|sample| f64::from(sample.rating)).collect();
        truth = BTreeMap::from([("mean", mean(&ratings)), ("deviation", standard_deviation(&ratings))]);
        facts = data_facts(prepared, asked, samples.len());
        model.clone_from(&team.name);
        for (name, outcomes) in baseline::outcomes(asked.task, knowledge, &samples, seed)? {
            let report = evaluate(&name, asked.task, &outcomes, &judges)?;
            row(&mut rows, &name, "baseline, no agents", true).add(report);
        }
        for system in &asked.systems {
            let folder = asked.out.join(asked.task.names()[0]).join(seed.to_string()).join(&system.name);
            if asked.fresh && folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
            }
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
            let files = RunFiles::within(&folder);
            let anew = !files.results.exists();
            let history = if asked.task == TaskKind::Ranking { RANKING_HISTORY } else { system.max_history };
            let input = |sample: &&Sample| {
                let task = TaskInput::of_sample(asked.task, knowledge, sample, history);
                Job::new(task, sample.cut_off)
            };
            let jobs: Vec<Job> = samples.iter().map(input).collect();
            let header = Header {
                version: VERSION,
                crate_version: env!("CARGO_PKG_VERSION").into(),
                data_sha256: prepared.dataset.sha256(),
                task: asked.task,
                system: system.clone(),
                model: team.name.clone(),
                models_sha256: Some(knowledge.models_sha256()),
            };
            let engine = Engine::with(knowledge.clone(), system.clone(), team.decider.clone())?;
            let before = processor_seconds();
            let outcomes: Vec<Outcome> = run_into(&engine, &header, &jobs, &files, concurrency())?;
            let seconds = before.zip(processor_seconds()).map(|(before, after)| after - before);
            let report = evaluate(&system.name, asked.task, &outcomes, &judges)?;
            let own = row(&mut rows, &system.name, &system.about, false);
            own.ms_per_sample =
                seconds.filter(|_| anew).map(|seconds| 1e3 * seconds / outcomes.len().max(1) as f64);
            own.add(report);
            if system.name == WHOLE_TEAM {
                shown = Some(files.trace.clone());
            }
            output::note(format!(
                "seed {seed}, {}: {} samples, traces in {}",
                system.name,
                outcomes.len(),
                folder.display()
            ));
        }
    }
    test_against_whole_team(&mut rows)?;
    let shown = shown.and_then(|path| crate::commands::agents::first_sample(&path));
    Ok(Evaluation {
        task: asked.task,
        data: facts,
        model,
        seeds: asked.learned.iter().map(|learned| learned.seed).collect(),
        truth,
        systems: rows,
        machine: Machine::this(),
        shown,
    })
}

fn data_facts(prepared: &Prepared, asked: &Asked<'_>, samples: usize) -> BTreeMap<&'static str, Value> {
    let preparation = asked.preparation;
    BTreeMap::from([
        ("name", json!(prepared.dataset.name)),
        ("asked_for", json!(preparation.data)),
        ("rows", json!(prepared.dataset.interactions.len())),
        ("items", json!(prepared.n_active_items)),
        ("train", json!(prepared.train.len())),
        ("test", json!(prepared.test.len())),
        ("samples", json!(samples)),
        ("negatives", json!(preparation.negatives)),
        ("candidates", json!(preparation.candidates + 1)),
        ("split", json!(preparation.split)),
        ("rankers", json!(preparation.rankers)),
    ])
}

fn row<'a>(rows: &'a mut Vec<Row>, name: &str, about: &str, baseline: bool) -> &'a mut Row {
    let at = rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
        rows.push(Row::new(name, about, baseline));
        rows.len() - 1
    });
    &mut rows[at]
}

fn test_against_whole_team(rows: &mut [Row]) -> Result<()> {
    let Some(whole) = rows.iter().find(|row| row.name == WHOLE_TEAM).map(Row::means) else { return Ok(()) };
    let mut tested = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.name != WHOLE_TEAM) {
        let own = row.means();
        if own.len() == whole.len() && !own.is_empty() {
            let p = if own == whole { 1.0 } else { randomisation_test(&own, &whole, ROUNDS, 2024)?.p_value };
            tested.push((at, p));
        }
    }
    let corrected = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    for ((at, _), p) in tested.into_iter().zip(corrected) {
        rows[at].p_value = Some(p);
    }
    Ok(())
}

impl Evaluation {
    /// The metrics that tables show, in their order.
    pub fn shown_metrics(&self) -> &'static [&'static str] {
        match self.task {
            TaskKind::Rating => &["rmse", "mae", "within 0.5", "within 1"],
            TaskKind::Ranking => &["hr@1", "hr@3", "ndcg@3", "ndcg@5", "mrr@10"],
            TaskKind::Explanation | TaskKind::Conversation => &[
                "grounded",
                "polarity",
                "claims",
                "words",
                "distinct-1",
                "distinct-2",
                "bleu-1",
                "bleu-2",
                "bleu-3",
                "bleu-4",
                "rouge-1",
                "rouge-2",
                "rouge-l",
            ],
        }
    }

    /// One metric of one row: the mean over seeds, and the larger of the spread over seeds and the interval over samples.
    pub fn cell(row: &Row, metric: &str) -> Option<(f64, f64)> {
        let values = row.values(metric);
        (!values.is_empty()).then(|| (mean(&values), row.half(metric)))
    }

    /// The table for a terminal.
    pub fn text(&self) -> String {
        let known = |metric: &&str| self.systems.iter().any(|row| !row.values(metric).is_empty());
        let metrics: Vec<&str> = self.shown_metrics().iter().copied().filter(known).collect();
        let mut head = vec!["system"];
        head.extend(&metrics);
        head.extend(["valid", "retried", "tool calls", "ms", "p"]);
        let rows = self.systems.iter().map(|row| {
            let mut cells = vec![row.name.clone()];
            cells.extend(metrics.iter().map(|metric| match Self::cell(row, metric) {
                Some((value, half)) => format!("{value:.4} ± {half:.3}"),
                None => "-".into(),
            }));
            let optional = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
            };
            if row.baseline {
                cells.extend(["-", "-", "-", "-"].map(str::to_owned));
            } else {
                cells.push(format!("{:.1}%", 100.0 * row.average(|report| report.valid)));
                cells.push(format!("{:.0}", row.average(|report| report.retried as f64)));
                cells.push(format!("{:.1}", row.average(|report| report.tool_calls)));
                cells.push(optional(row.ms_per_sample, 2));
            }
            cells.push(optional(row.p_value, 3));
            cells
        });
        let said = format!(
            "{} samples of {}, decisions by {}, seeds {}; ± is half a 95% interval over samples, p against the whole team.",
            self.data["samples"],
            self.data["name"].as_str().unwrap_or_default(),
            self.model,
            self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
        );
        format!("{}\n{said}", table::text(&head, rows))
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({ "agents": self })
    }
}
