//! What rows come to: means over seeds, the tables, the curves, what was tried before.

use std::path::Path;

use serde_json::{Map, Value, json};
use tool_rl::{Episode, read_episodes};

use super::claim::{self, Difference};
use super::experiment::{ToolExperiment, WANTED};
use super::rows::{Kind, Row, Table};
use super::training::{EPISODES, ToolRun};
use crate::comparison::Summary;
use crate::machine::Machine;
use crate::table;

/// How a number is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A share, in percent.
    Percent,
    /// With so many digits.
    Number(usize),
}

/// The columns of the tables: metric, heading, how it is told.
pub const SHOWN: [(&str, &str, Told); 16] = [
    ("pass_t1", "pass T1", Told::Percent),
    ("pass_t2", "T2", Told::Percent),
    ("pass_t3", "T3", Told::Percent),
    ("pass_tu", "TU", Told::Percent),
    ("pass_all", "all", Told::Percent),
    ("sampled_all", "pass T=1", Told::Percent),
    ("tool_success", "tool success", Told::Percent),
    ("recall", "recall", Told::Percent),
    ("redundant", "redundant", Told::Percent),
    ("finish", "finish", Told::Percent),
    ("pass_given_finish", "pass given finish", Told::Percent),
    ("steps", "steps (all)", Told::Number(1)),
    ("steps_solved", "steps (solved)", Told::Number(1)),
    ("train_calls", "env calls", Told::Number(0)),
    ("minutes", "minutes", Told::Number(1)),
    ("auc", "area T3", Told::Percent),
];

impl Told {
    /// A value with its deviation over seeds.
    pub fn write(self, value: Option<&Summary>) -> String {
        let Some(value) = value else { return "–".to_owned() };
        let (factor, digits) = match self {
            Self::Percent => (100.0, 1),
            Self::Number(digits) => (1.0, digits),
        };
        let mean = factor * value.mean;
        if value.runs.len() > 1 {
            format!("{mean:.digits$} ± {:.digits$}", factor * value.std)
        } else {
            format!("{mean:.digits$}")
        }
    }
}

impl ToolRun {
    /// A metric, or what follows from times and the curve.
    pub fn metric(&self, name: &str) -> Option<f64> {
        match name {
            "minutes" => (self.seconds > 0.0).then_some(self.seconds / 60.0),
            "auc" => self.area(),
            name => self.metrics.get(name).copied(),
        }
    }

    /// The mean of the curve over environment calls, between its first point and its last.
    fn area(&self) -> Option<f64> {
        let (first, last) = (self.curve.first()?, self.curve.last()?);
        let range = last.calls - first.calls;
        let trapezoid = |pair: &[super::training::CurvePoint]| {
            (pair[1].calls - pair[0].calls) * (pair[0].pass_t3 + pair[1].pass_t3) / 2.0
        };
        (range > 0.0).then(|| self.curve.windows(2).map(trapezoid).sum::<f64>() / range)
    }
}

/// A row over seeds.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// The row.
    pub row: Row,
    /// Its learning rate, if a method trains.
    pub rate: Option<f64>,
    /// Finished runs.
    pub runs: Vec<ToolRun>,
    /// Seeds that failed, and why.
    pub failures: Vec<(u64, String)>,
}

impl RowResult {
    /// A metric over the seeds that have it.
    pub fn metric(&self, name: &str) -> Option<Summary> {
        // No calls of tools are needed by who does not train.
        let trains = self.row.kind.method().is_some();
        if !trains && (name == "train_calls" || (name == "minutes" && self.row.kind != Kind::Supervised)) {
            return None;
        }
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.metric(name)).collect();
        (!values.is_empty()).then(|| Summary::of(values))
    }

    /// Points that all seeds have: mean environment calls, mean and deviation of T3's passes.
    pub fn curve(&self) -> Vec<(f64, f64, f64)> {
        let Some(first) = self.runs.first() else { return Vec::new() };
        let points = first.curve.iter().map(|point| {
            let own = self
                .runs
                .iter()
                .filter_map(|run| run.curve.iter().find(|other| other.iteration == point.iteration).copied());
            let own: Vec<_> = own.collect();
            (own.len() == self.runs.len()).then(|| {
                let calls = Summary::of(own.iter().map(|point| point.calls).collect()).mean;
                let pass = Summary::of(own.iter().map(|point| point.pass_t3).collect());
                (calls, pass.mean, pass.std)
            })
        });
        points.flatten().collect()
    }

    fn json(&self) -> Value {
        let mut names: Vec<&str> = SHOWN.iter().map(|(name, _, _)| *name).collect();
        names.extend(self.runs.iter().flat_map(|run| run.metrics.keys().map(String::as_str)));
        names.sort_unstable();
        names.dedup();
        let metrics: Map<String, Value> =
            names.into_iter().filter_map(|name| Some((name.to_owned(), json!(self.metric(name)?)))).collect();
        json!({
            "name": self.row.name,
            "about": self.row.about,
            "table": format!("{:?}", self.row.table).to_lowercase(),
            "rate": self.rate,
            "seeds": self.runs.iter().map(|run| run.seed).collect::<Vec<_>>(),
            "metrics": metrics,
            "curve": self.curve(),
            "phases": self.runs.iter().map(|run| run.phases).collect::<Vec<_>>(),
            "failures": self.failures,
        })
    }
}

/// A degree of the experts' care that was tried.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// The probabilities of a careful decision on T1, T2, T3, TU.
    pub careful: [f64; 4],
    /// Supervised policies.
    pub runs: Vec<ToolRun>,
}

impl Calibrated {
    fn metric(&self, name: &str) -> Option<Summary> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.metric(name)).collect();
        (!values.is_empty()).then(|| Summary::of(values))
    }

    /// For T1, T2 and T3 whether the sampled policy passes as often as wanted.
    pub fn fits(&self) -> [Option<bool>; 3] {
        let of = |(name, wanted): (&str, [f64; 2])| {
            self.metric(name).map(|value| (wanted[0]..=wanted[1]).contains(&value.mean))
        };
        let names = ["valid_sampled_t1", "valid_sampled_t2", "valid_sampled_t3"];
        let mut fits = names.into_iter().zip(WANTED).map(of);
        std::array::from_fn(|_| fits.next().flatten())
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        let names = ["t1", "t2", "t3", "tu"];
        let of = |prefix: &str| -> Map<String, Value> {
            let found = names
                .iter()
                .filter_map(|name| Some((*name, json!(self.metric(&format!("{prefix}_{name}"))?))));
            found.map(|(name, value)| (name.to_owned(), value)).collect()
        };
        json!({
            "careful": self.careful,
            "sampled": of("valid_sampled"),
            "greedy": of("valid"),
            "demonstrations_passed": self.metric("demonstrations_passed"),
            "fits": self.fits(),
        })
    }
}

/// The table of a calibration.
pub fn calibration_table(tried: &[Calibrated]) -> String {
    let head =
        ["care T1 T2 T3 TU", "experts", "T1 at T=1", "T2", "T3", "TU", "greedy T1", "T2", "T3", "TU", "fits"];
    let row = |own: &Calibrated| {
        let told = |name: &str| Told::Percent.write(own.metric(name).as_ref());
        let mut row =
            vec![own.careful.map(|share| share.to_string()).join(" "), told("demonstrations_passed")];
        for prefix in ["valid_sampled", "valid"] {
            row.extend(["t1", "t2", "t3", "tu"].map(|tier| told(&format!("{prefix}_{tier}"))));
        }
        let fits = own.fits().map(|fits| match fits {
            Some(true) => "yes",
            Some(false) => "no",
            None => "–",
        });
        row.push(fits.join(" "));
        row
    };
    let wanted = WANTED.map(|[low, high]| format!("{:.0} to {:.0} %", 100.0 * low, 100.0 * high));
    format!(
        "supervised policies sampled at temperature 1 on validation tasks; wanted: T1 {}, T2 {}, T3 {}\n\n{}",
        wanted[0],
        wanted[1],
        wanted[2],
        table::plain(&head, tried.iter().map(row))
    )
}

/// A learning rate that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The row.
    pub row: String,
    /// The learning rate.
    pub rate: f64,
    /// Finished runs.
    pub runs: Vec<ToolRun>,
    /// Runs that failed.
    pub failed: usize,
    /// The supervised policies of the grid's seeds.
    pub before: Vec<ToolRun>,
}

impl Tried {
    /// The share of validation tasks passed, over seeds.
    pub fn pass(&self, name: &str) -> Option<Summary> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.metric(name)).collect();
        (!values.is_empty()).then(|| Summary::of(values))
    }

    /// For JSON.
    pub fn json(&self) -> Value {
        json!({
            "row": self.row,
            "rate": self.rate,
            "pass_all": self.pass("pass_all"),
            "pass_t3": self.pass("pass_t3"),
            "failed": self.failed,
        })
    }
}

/// Of each row the rate with the best mean of `pass_all` over the grid's seeds; of equals the smaller.
pub fn chosen(tried: &[Tried]) -> Vec<(String, f64)> {
    let mut best: Vec<(String, f64, f64)> = Vec::new();
    for own in tried {
        let Some(value) = own.pass("pass_all") else { continue };
        // A rate at which runs diverge is no choice.
        if own.failed > 0 {
            continue;
        }
        match best.iter_mut().find(|(row, _, _)| *row == own.row) {
            None => best.push((own.row.clone(), own.rate, value.mean)),
            Some(known) if value.mean > known.2 || (value.mean == known.2 && own.rate < known.1) => {
                *known = (own.row.clone(), own.rate, value.mean);
            }
            Some(_) => {}
        }
    }
    best.into_iter().map(|(row, rate, _)| (row, rate)).collect()
}

/// The grid with what was chosen, and the choice as TOML.
pub fn grid_table(tried: &[Tried]) -> String {
    let chosen = chosen(tried);
    let mut rates: Vec<f64> = tried.iter().map(|own| own.rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.dedup();
    let mut rows: Vec<&str> = tried.iter().map(|own| own.row.as_str()).collect();
    rows.dedup();
    let head: Vec<String> = std::iter::once("validation, all (T3)".to_owned())
        .chain(rates.iter().map(|rate| format!("{rate:e}")))
        .chain(["chosen".to_owned(), "on the edge".to_owned()])
        .collect();
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let row = |name: &&str| {
        let mut row = vec![(*name).to_owned()];
        for &rate in &rates {
            let own = tried.iter().find(|own| own.row == **name && own.rate == rate);
            let told = own.map_or_else(String::new, |own| {
                let (all, t3) = (own.pass("pass_all"), own.pass("pass_t3"));
                let t3 = t3.map_or_else(String::new, |value| format!(" ({:.1})", 100.0 * value.mean));
                let failed = if own.failed > 0 { format!(", {} failed", own.failed) } else { String::new() };
                format!("{}{t3}{failed}", Told::Percent.write(all.as_ref()))
            });
            row.push(told);
        }
        let rate = chosen.iter().find(|(own, _)| own == *name).map(|(_, rate)| *rate);
        row.push(rate.map_or_else(|| "–".into(), |rate| format!("{rate:e}")));
        let edge = rate.is_some_and(|rate| Some(&rate) == rates.first() || Some(&rate) == rates.last());
        row.push(if edge { "yes".into() } else { String::new() });
        row
    };
    let before = tried.first().map_or(&[][..], |own| &own.before);
    let of = |name: &str| {
        let values: Vec<f64> = before.iter().filter_map(|run| run.metric(name)).collect();
        (!values.is_empty()).then(|| Summary::of(values))
    };
    let mut text = table::plain(&head, rows.iter().map(row));
    text.push_str(&format!(
        "\nsft on the same tasks: {} ({}); {} settings tried\n\n[rates]\n",
        Told::Percent.write(of("valid_all").as_ref()),
        Told::Percent.write(of("valid_t3").as_ref()),
        tried.len()
    ));
    for (row, rate) in chosen {
        text.push_str(&format!("\"{row}\" = {rate:e}\n"));
    }
    text
}

/// Episodes of a row on the first test tasks.
#[derive(Clone, Debug)]
pub struct ShownEpisodes {
    /// The row.
    pub row: String,
    /// The seed.
    pub seed: u64,
    /// The episodes, task by task.
    pub episodes: Vec<Episode>,
}

/// All rows.
#[derive(Clone, Debug)]
pub struct ToolComparison {
    /// A name for tables and folders.
    pub name: String,
    /// What was run.
    pub experiment: ToolExperiment,
    /// The share of demonstrations that passed, by seed.
    pub demonstrations_passed: Vec<f64>,
    /// The rows.
    pub rows: Vec<RowResult>,
    /// Episodes for readers, of each row's first seed.
    pub episodes: Vec<ShownEpisodes>,
    /// What it ran on.
    pub machine: Machine,
}

impl ToolComparison {
    /// A row that has runs.
    pub fn row(&self, name: &str) -> Option<&RowResult> {
        self.rows.iter().find(|result| result.row.name == name && !result.runs.is_empty())
    }

    /// The rows of a table that have runs, the row it is compared with first.
    pub fn rows_of(&self, table: Table) -> Vec<&RowResult> {
        let own = self.rows.iter().filter(|result| result.row.table == table && !result.runs.is_empty());
        let own: Vec<&RowResult> = own.collect();
        if own.is_empty() {
            return own;
        }
        let mut all: Vec<&RowResult> =
            table.reference().and_then(|name| self.row(name)).into_iter().collect();
        // Two parts of the methods' table answer questions of the others.
        let more: &[&str] = match table {
            Table::Ablations => &["ppo-return-to-go"],
            Table::Quirks => &["steptool-released", "steptool-gated"],
            _ => &[],
        };
        all.extend(own);
        all.extend(more.iter().filter_map(|name| self.row(name)));
        all
    }

    /// Reads the kept episodes of each row's first seed; those that are not there are left out.
    pub fn with_episodes(mut self, folder: &Path) -> Self {
        for result in &self.rows {
            let Some(run) = result.runs.first() else { continue };
            let seed = run.seed.to_string();
            let place = match result.row.kind {
                Kind::Supervised => folder.join("base").join(seed),
                _ => folder.join("table").join(result.row.name).join(seed),
            };
            if let Ok(episodes) = read_episodes(&place.join(EPISODES)) {
                let row = result.row.name.to_owned();
                self.episodes.push(ShownEpisodes { row, seed: run.seed, episodes });
            }
        }
        self
    }

    /// What was to be shown, and what was found.
    pub fn differences(&self) -> Vec<Difference> {
        claim::differences(self)
    }

    /// For files.
    pub fn json(&self) -> Value {
        let differences = self.differences();
        json!({
            "name": self.name,
            "experiment": self.experiment,
            "method_rows": self.rows.iter().map(RowResult::json).collect::<Vec<_>>(),
            "demonstrations_passed": self.demonstrations_passed,
            "claim": claim::claim(&differences),
            "differences": differences,
            "machine": self.machine,
        })
    }

    /// A line on what was run.
    pub fn setup_line(&self) -> String {
        let setup = &self.experiment.setup;
        let passed = &self.demonstrations_passed;
        let passed = match passed.is_empty() {
            true => String::new(),
            false => format!(" ({} pass)", Told::Percent.write(Some(&Summary::of(passed.clone()))) + " %"),
        };
        format!(
            "{} layers of width {}; {} demonstrations{passed} x {} passes; {} iterations of {} x {} episodes; {} test tasks a tier",
            setup.layers,
            setup.width,
            table::grouped(setup.demonstrations as usize),
            setup.passes,
            setup.iterations,
            setup.tasks,
            setup.group,
            setup.test_tasks
        )
    }

    /// Tables for people.
    pub fn table(&self) -> String {
        let mut text =
            format!("{}\nmean ± deviation over seeds, greedy unless T=1 is said\n", self.setup_line());
        let mut head = vec!["method", "lr"];
        head.extend(SHOWN.iter().map(|(_, heading, _)| *heading));
        head.push("seeds");
        for table in Table::ALL {
            let rows = self.rows_of(table);
            if rows.is_empty() {
                continue;
            }
            text.push_str(&format!("\n{}\n", table.title()));
            let row = |result: &&RowResult| {
                let mut row = vec![result.row.name.to_owned()];
                row.push(result.rate.map_or_else(|| "–".into(), |rate| format!("{rate:e}")));
                row.extend(SHOWN.iter().map(|(metric, _, told)| told.write(result.metric(metric).as_ref())));
                row.push(result.runs.len().to_string());
                row
            };
            text.push_str(&table::plain(&head, rows.iter().map(row)));
            text.push('\n');
        }
        let differences = self.differences();
        if !differences.is_empty() {
            text.push_str("\nsteptool-gated less another, paired by seed, in points\n");
            let head = ["minus", "tasks", "difference", "95 %", "seeds", "needed", "what it is"];
            let row = |difference: &Difference| {
                let tasks = claim::COMPARED.iter().find(|(metric, _)| *metric == difference.metric);
                vec![
                    difference.minus.clone(),
                    tasks.map_or("", |pair| pair.1).to_owned(),
                    format!("{:+.1}", 100.0 * difference.values.mean),
                    match difference.half.is_finite() {
                        true => format!("± {:.1}", 100.0 * difference.half),
                        false => "–".to_owned(),
                    },
                    difference.values.runs.len().to_string(),
                    if difference.needed { "yes".into() } else { String::new() },
                    difference.role.to_owned(),
                ]
            };
            text.push_str(&table::text(&head, differences.iter().map(row)));
            text.push_str(&format!("\n\n{}", claim::claim(&differences)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool_rl::training::CurvePoint;

    fn run(seed: u64, all: f64) -> ToolRun {
        let point = |iteration, calls, pass_t3| CurvePoint { iteration, calls, pass_t3 };
        ToolRun {
            seed,
            metrics: [("pass_all".to_owned(), all)].into(),
            curve: vec![point(0, 0.0, 0.0), point(5, 100.0, 0.2), point(10, 400.0, 0.4)],
            phases: [1.0; 3],
            seconds: 60.0,
        }
    }

    #[test]
    fn the_area_is_the_mean_over_calls() {
        let run = run(1, 0.5);
        assert!((run.metric("auc").unwrap() - (100.0 * 0.1 + 300.0 * 0.3) / 400.0).abs() < 1e-12);
        assert_eq!(run.metric("minutes"), Some(1.0));
    }

    #[test]
    fn the_grid_chooses_by_mean_and_the_smaller_of_equals() {
        let tried = |rate: f64, passes: &[f64], failed| Tried {
            row: "rft".into(),
            rate,
            runs: passes.iter().map(|&pass| run(1, pass)).collect(),
            failed,
            before: Vec::new(),
        };
        let own = [tried(1e-3, &[0.4, 0.6], 0), tried(3e-4, &[0.5, 0.5], 0), tried(3e-3, &[0.9], 1)];
        assert_eq!(chosen(&own), [("rft".to_owned(), 3e-4)]);
        assert!(grid_table(&own).contains("\"rft\" = 3e-4"));
    }
}
