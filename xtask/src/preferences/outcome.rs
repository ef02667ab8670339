//! What arms come to: means over seeds, the table, the curve by round, and what was asked to hold.

use pref_opt::selfplay::{RoundRecord, SelfPlayConfig};
use serde::Serialize;
use serde_json::{Value, json};

use super::execute::PreferenceRun;
use super::experiment::PreferenceExperiment;
use crate::comparison::{Summary, deciles};
use crate::machine::Machine;
use crate::table;

/// The columns of the table: metric, heading, digits.
pub const SHOWN: &[(&str, &str, usize)] = &[
    ("ndcg@5", "NDCG@5", 4),
    ("hit@5", "HR@5", 4),
    ("div-ratio@1", "DivRatio@1", 3),
    ("div-ratio@5", "@5", 3),
    ("or-ratio@1", "ORRatio@1", 3),
    ("or-ratio@5", "@5", 3),
    ("mgu@1", "MGU@1", 4),
    ("mgu@5", "@5", 4),
    ("dgu@1", "DGU@1", 3),
    ("dgu@5", "@5", 3),
    ("popularity@1", "popularity@1", 1),
];

/// What is told by round.
const CURVES: &[&str] = &["or-ratio@1", "mgu@1", "dgu@1", "ndcg@5", "data-distance"];

/// An arm at a beta, over seeds.
#[derive(Clone, Debug)]
pub struct ArmResult {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// Beta, where it changes anything.
    pub beta: Option<f64>,
    /// Its settings.
    pub rounds: SelfPlayConfig,
    /// Finished runs.
    pub runs: Vec<PreferenceRun>,
    /// Seeds that failed, and why.
    pub failures: Vec<(u64, String)>,
}

impl ArmResult {
    /// A metric at the end, over seeds.
    pub fn metric(&self, name: &str) -> Option<Summary> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| run.last().get(name).copied()).collect();
        values.filter(|values| !values.is_empty()).map(Summary::of)
    }

    /// A value of the theory, over seeds.
    pub fn theory(&self, name: &str) -> Option<Summary> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| run.theory.get(name).copied()).collect();
        values.filter(|values| !values.is_empty()).map(Summary::of)
    }

    /// Groups of items from the least to the most popular: mean `ln(p/q)`, mean `ln(pi/pi_ref)`, its deviation over seeds.
    pub fn theory_points(&self) -> Vec<(f64, f64, f64)> {
        let groups = self.runs.iter().map(|run| run.theory_points.len()).min().unwrap_or(0);
        (0..groups)
            .map(|group| {
                let of = |side: usize| {
                    Summary::of(self.runs.iter().map(|run| run.theory_points[group][side]).collect())
                };
                let (x, y) = (of(0), of(1));
                (x.mean, y.mean, y.std)
            })
            .collect()
    }

    /// (round, value over seeds) from before the first round to the last that all seeds have.
    pub fn by_round(
        &self,
        of: impl Fn(Option<&RoundRecord>, &PreferenceRun) -> Option<f64>,
    ) -> Vec<(usize, Summary)> {
        let rounds = self.runs.iter().map(|run| run.rounds.len()).min().unwrap_or(0);
        (0..=rounds)
            .filter_map(|round| {
                let value = |run: &PreferenceRun| of(round.checked_sub(1).map(|at| &run.rounds[at]), run);
                let values: Option<Vec<f64>> = self.runs.iter().map(value).collect();
                values.filter(|values| !values.is_empty()).map(|values| (round, Summary::of(values)))
            })
            .collect()
    }

    /// A metric of the evaluation by round.
    pub fn curve(&self, name: &str) -> Vec<(usize, Summary)> {
        self.by_round(|record, run| record.map_or(&run.start, |record| &record.evaluation).get(name).copied())
    }

    /// The name with beta.
    pub fn title(&self) -> String {
        let letter = self.name.to_uppercase();
        match self.beta {
            Some(beta) => format!("{letter} {} (beta {beta})", self.about),
            None => format!("{letter} {}", self.about),
        }
    }
}

/// Something that was asked to hold before the experiment, and whether it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inequality {
    /// Beta.
    pub beta: f64,
    /// What was asked.
    pub asked: String,
    /// The two sides as measured.
    pub measured: [f64; 2],
    /// Whether it holds.
    pub met: bool,
}

/// All arms on one data set.
#[derive(Clone, Debug)]
pub struct PreferenceComparison {
    /// A name for tables and folders.
    pub name: String,
    /// What was run.
    pub experiment: PreferenceExperiment,
    /// Users.
    pub users: usize,
    /// Items.
    pub items: usize,
    /// Training windows.
    pub windows: usize,
    /// How often each item is the target of a training window.
    pub target_counts: Vec<u32>,
    /// The arms.
    pub arms: Vec<ArmResult>,
    /// What it ran on.
    pub machine: Machine,
}

impl PreferenceComparison {
    /// The arm called `name` at `beta`, or without one.
    pub fn arm(&self, name: &str, beta: f64) -> Option<&ArmResult> {
        self.arms.iter().find(|arm| arm.name == name && arm.beta.is_none_or(|own| own == beta))
    }

    /// The inequalities for every beta whose arms A, C and G are there.
    pub fn inequalities(&self) -> Vec<Inequality> {
        self.experiment.betas.iter().flat_map(|&beta| self.inequalities_at(beta)).collect()
    }

    fn inequalities_at(&self, beta: f64) -> Vec<Inequality> {
        let value = |arm: &str, metric: &str| Some(self.arm(arm, beta)?.metric(metric)?.mean);
        let mut all = Vec::new();
        let mut ask = |asked: &str, left: Option<f64>, right: Option<f64>| {
            if let (Some(left), Some(right)) = (left, right) {
                let met = left <= right;
                all.push(Inequality { beta, asked: asked.to_owned(), measured: [left, right], met });
            }
        };
        let times = |factor: f64, value: Option<f64>| value.map(|value| factor * value);
        let or = |arm| value(arm, "or-ratio@1");
        ask("2 x ORRatio@1(A) <= ORRatio@1(C)", times(2.0, or("a")), or("c"));
        let div = |arm| value(arm, "div-ratio@1");
        ask("DivRatio@1(C) <= 0.6 x DivRatio@1(A)", div("c"), times(0.6, div("a")));
        ask("ORRatio@1(G) <= 0.85 x ORRatio@1(A)", or("g"), times(0.85, or("a")));
        ask("ORRatio@1(G) <= 0.35 x ORRatio@1(C)", or("g"), times(0.35, or("c")));
        for (metric, name) in [("mgu@1", "MGU@1"), ("dgu@1", "DGU@1")] {
            ask(&format!("{name}(G) <= {name}(A)"), value("g", metric), value("a", metric));
            ask(&format!("{name}(A) <= {name}(C)"), value("a", metric), value("c", metric));
        }
        let (a, g, c) = (value("a", "ndcg@5"), value("g", "ndcg@5"), value("c", "ndcg@5"));
        let within = a.zip(value("a", "ndcg@5-se")).map(|(a, error)| a - error);
        ask("NDCG@5(A) - one standard error over users <= NDCG@5(G)", within, g);
        ask("1.2 x NDCG@5(C) <= NDCG@5(G)", times(1.2, c), g);
        all
    }

    /// How the targets fall on the tenths of the catalogue, least popular first.
    pub fn target_deciles(&self) -> [f64; 10] {
        deciles(&self.target_counts, &self.target_counts)
    }

    /// How an arm's first recommendations fall on the tenths of the catalogue, over all seeds.
    pub fn recommended_deciles(&self, arm: &ArmResult) -> [f64; 10] {
        let mut counts = vec![0_u32; self.items];
        for run in &arm.runs {
            counts.iter_mut().zip(run.recommended()).for_each(|(sum, &count)| *sum += count);
        }
        deciles(&counts, &self.target_counts)
    }

    fn arm_json(&self, arm: &ArmResult, curves: bool) -> Value {
        let named = |names: &mut dyn Iterator<Item = &String>, of: &dyn Fn(&str) -> Option<Summary>| {
            let found = names.filter_map(|name| Some((name.clone(), json!(of(name)?))));
            Value::Object(found.collect())
        };
        let first = arm.runs.first();
        let metrics = named(&mut first.iter().flat_map(|run| run.last().keys()), &|name| arm.metric(name));
        let theory = named(&mut first.iter().flat_map(|run| run.theory.keys()), &|name| arm.theory(name));
        let by_round: serde_json::Map<String, Value> = CURVES
            .iter()
            .map(|name| {
                let values = arm.curve(name);
                let values: Vec<_> = values.iter().map(|(_, value)| (value.mean, value.std)).collect();
                ((*name).to_owned(), json!(values))
            })
            .filter(|(_, values)| values.as_array().is_some_and(|values| !values.is_empty()))
            .collect();
        let mut value = json!({
            "name": arm.name,
            "about": arm.about,
            "beta": arm.beta,
            "rounds": arm.rounds,
            "seeds": arm.runs.iter().map(|run| run.seed).collect::<Vec<_>>(),
            "seconds": arm.runs.iter().map(|run| run.seconds).collect::<Vec<_>>(),
            "metrics": metrics,
            "by_round": by_round,
            "theory": theory,
            "theory_points": arm.theory_points(),
            "deciles": self.recommended_deciles(arm),
            "failures": arm.failures,
        });
        if curves {
            value["runs"] = json!(arm.runs);
        }
        value
    }

    /// Means over seeds as JSON; `curves` adds every run with all it recorded.
    pub fn json(&self, curves: bool) -> Value {
        let arms: Vec<Value> = self.arms.iter().map(|arm| self.arm_json(arm, curves)).collect();
        json!({
            "name": self.name,
            "experiment": self.experiment,
            "data": {
                "name": self.experiment.data,
                "users": self.users,
                "items": self.items,
                "windows": self.windows,
                "deciles": self.target_deciles(),
            },
            "arms": arms,
            "inequalities": self.inequalities(),
            "machine": self.machine,
        })
    }

    /// Tables for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{}: {} users, {} items, {} windows; {} (no invalid titles); {} rounds of {} rows; mean ± deviation over {} seeds\n\n",
            self.experiment.data,
            self.users,
            self.items,
            table::grouped(self.windows),
            self.experiment.profile.about(),
            self.experiment.rounds,
            self.experiment.rows,
            self.experiment.seeds.len()
        );
        let mut head = vec!["arm"];
        head.extend(SHOWN.iter().map(|(_, heading, _)| *heading));
        text.push_str(&table::plain(
            &head,
            self.arms.iter().map(|arm| {
                let mut row = vec![arm.title()];
                row.extend(SHOWN.iter().map(|(metric, _, digits)| show(arm.metric(metric), *digits)));
                row
            }),
        ));
        text.push_str("\n\nby round\n");
        let head = ["arm", "t", "ORRatio@1", "MGU@1", "NDCG@5", "margin", "neg top-3", "identical"];
        text.push_str(&table::plain(
            &head,
            self.arms.iter().filter(|arm| arm.rounds.rounds > 0).flat_map(rounds),
        ));
        text.push_str("\n\nnegatives that do not come from the policy: theory and measurement\n");
        let head = ["arm", "slope", "1/beta", "realised", "top-3 at start", "predicted", "measured"];
        text.push_str(&table::plain(
            &head,
            self.arms.iter().filter_map(|arm| {
                let slope = arm.theory("slope")?;
                let beta = arm.beta?;
                let of = |name: &str| show(arm.theory(name), 3);
                let realised = format!("{:.2}", slope.mean * beta);
                let row = vec![
                    arm.title(),
                    show(Some(slope), 2),
                    format!("{:.1}", 1.0 / beta),
                    realised,
                    of("top3_start"),
                    of("top3_predicted"),
                    of("top3_measured"),
                ];
                Some(row)
            }),
        ));
        text.push_str("\n\nasked beforehand\n");
        text.push_str(&table::text(
            &["beta", "", "left", "right", ""],
            self.inequalities().into_iter().map(|asked| {
                let [left, right] = asked.measured.map(|value| format!("{value:.4}"));
                let met = if asked.met { "met" } else { "NOT met" };
                vec![asked.beta.to_string(), asked.asked, left, right, met.to_owned()]
            }),
        ));
        text
    }
}

fn rounds(arm: &ArmResult) -> Vec<Vec<String>> {
    let by = |of: &dyn Fn(&RoundRecord) -> Option<f64>| arm.by_round(|record, _| of(record?));
    let margins = by(&|record| record.preference.get("rewards/margins").copied());
    let shares = by(&|record| (record.pairs > 0).then_some(record.negatives.top3_share));
    let identical = by(&|record| Some(record.identical as f64));
    let (or, mgu, ndcg) = (arm.curve("or-ratio@1"), arm.curve("mgu@1"), arm.curve("ndcg@5"));
    or.iter()
        .map(|(round, value)| {
            let at = |curve: &[(usize, Summary)], digits: usize| {
                let found = curve.iter().find(|(own, _)| own == round).map(|(_, value)| value.clone());
                show(found, digits)
            };
            let name = if *round == 0 { arm.title() } else { String::new() };
            let mut row = vec![name, round.to_string(), show(Some(value.clone()), 3)];
            row.extend([at(&mgu, 4), at(&ndcg, 4), at(&margins, 3), at(&shares, 3), at(&identical, 0)]);
            row
        })
        .collect()
}

fn show(value: Option<Summary>, digits: usize) -> String {
    match value {
        None => "–".into(),
        Some(value) if value.runs.len() > 1 => format!("{:.digits$} ± {:.digits$}", value.mean, value.std),
        Some(value) => format!("{:.digits$}", value.mean),
    }
}
