//! Judging a run: metrics with bootstrap intervals, and what every run is asked about: valid answers, halts, steps, cost.

use std::collections::BTreeMap;
use std::fmt::Write;

use rec_core::statistics::{Interval, bootstrap_interval, mean};
use serde::{Deserialize, Serialize};

use crate::engine::Outcome;
use crate::error::Result;
use crate::judge::{Judge, Verdict};
use crate::overlap;
use crate::parser::Rung;
use crate::task::{Answer, TaskKind};
use crate::text::words;

/// Rounds of the bootstrap.
const ROUNDS: usize = 2_000;

/// A metric over samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its value.
    pub value: f64,
    /// Its 95% interval over samples.
    pub interval: Interval,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The system.
    pub system: String,
    /// The task.
    pub task: TaskKind,
    /// Samples.
    pub samples: usize,
    /// The share of valid answers.
    pub valid: f64,
    /// Metrics by name, over all samples, fallback answers included.
    pub metrics: BTreeMap<String, Measured>,
    /// Samples that ended without an answer, by the cause of their last attempt.
    pub halts: BTreeMap<String, usize>,
    /// Decisions a sample.
    pub decisions: f64,
    /// Tool calls a sample.
    pub tool_calls: f64,
    /// Tool calls that failed, in all.
    pub tool_errors: u32,
    /// Workers that halted, in all.
    pub worker_halts: u32,
    /// Replies that were no action and answers that were refused, in all.
    pub refused: u32,
    /// Samples with a second attempt.
    pub retried: usize,
    /// How replies were understood, in all.
    pub rungs: BTreeMap<Rung, u32>,
    /// Model requests, in all.
    pub requests: u64,
    /// Tokens read and written, in all.
    pub tokens: (u64, u64),
    /// One value a sample of the task's main metric, for paired tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per_sample: Vec<f64>,
}

/// Judges `outcomes` against `judges`, sample by sample.
///
/// # Errors
/// Without samples.
pub fn evaluate(system: &str, task: TaskKind, outcomes: &[Outcome], judges: &[Judge]) -> Result<Report> {
    let verdicts: Vec<Verdict> =
        outcomes.iter().zip(judges).map(|(outcome, judge)| judge.verdict(&outcome.answer)).collect();
    let mut metrics = BTreeMap::new();
    let mut add = |name: &str, values: &[f64]| -> Result<()> {
        metrics.insert(name.to_owned(), measured(values)?);
        Ok(())
    };
    let mut per_sample = Vec::new();
    match task {
        TaskKind::Rating => {
            let errors: Vec<f64> = verdicts.iter().filter_map(|verdict| verdict.error).collect();
            let squares: Vec<f64> = errors.iter().map(|error| error * error).collect();
            per_sample.clone_from(&squares);
            let share = |within: f64| {
                errors.iter().map(|error| f64::from(u8::from(error.abs() <= within))).collect::<Vec<_>>()
            };
            add("mae", &errors.iter().map(|error| error.abs()).collect::<Vec<_>>())?;
            add("within 0.5", &share(0.5))?;
            add("within 1", &share(1.0))?;
            let square = measured(&squares)?;
            let interval = Interval { low: square.interval.low.sqrt(), high: square.interval.high.sqrt() };
            metrics.insert("rmse".into(), Measured { value: square.value.sqrt(), interval });
        }
        TaskKind::Ranking => {
            per_sample = verdicts.iter().map(|verdict| verdict.hit(1)).collect();
            for k in [1, 3, 5, 10] {
                add(&format!("hr@{k}"), &verdicts.iter().map(|verdict| verdict.hit(k)).collect::<Vec<_>>())?;
                if k > 1 {
                    add(
                        &format!("ndcg@{k}"),
                        &verdicts.iter().map(|verdict| verdict.ndcg(k)).collect::<Vec<_>>(),
                    )?;
                    add(
                        &format!("mrr@{k}"),
                        &verdicts.iter().map(|verdict| verdict.mrr(k)).collect::<Vec<_>>(),
                    )?;
                }
            }
        }
        TaskKind::Explanation | TaskKind::Conversation => {
            per_sample = outcomes.iter().map(grounding).collect();
            add("grounded", &per_sample)?;
            add("claims", &outcomes.iter().map(|outcome| outcome.claims.len() as f64).collect::<Vec<_>>())?;
            let texts: Vec<&str> = outcomes.iter().filter_map(text).collect();
            add(
                "words",
                &texts.iter().map(|text| text.split_whitespace().count() as f64).collect::<Vec<_>>(),
            )?;
            let agreements = verdicts.iter().filter_map(|verdict| verdict.agrees);
            let agreements: Vec<f64> = agreements.map(|agrees| f64::from(u8::from(agrees))).collect();
            if !agreements.is_empty() {
                add("polarity", &agreements)?;
            }
            for n in [1, 2] {
                let value = distinct(&texts, n);
                metrics.insert(
                    format!("distinct-{n}"),
                    Measured { value, interval: Interval { low: value, high: value } },
                );
            }
            metrics.extend(against_reviews(outcomes, judges)?);
        }
    }
    let mut halts = BTreeMap::new();
    for halt in outcomes.iter().filter_map(|outcome| outcome.halt.as_ref()) {
        *halts.entry(halt.name().to_owned()).or_default() += 1;
    }
    let mut rungs = BTreeMap::new();
    for (rung, count) in outcomes.iter().flat_map(|outcome| &outcome.rungs) {
        *rungs.entry(*rung).or_default() += count;
    }
    let average = |of: &dyn Fn(&Outcome) -> f64| mean(&outcomes.iter().map(of).collect::<Vec<_>>());
    Ok(Report {
        system: system.to_owned(),
        task,
        samples: outcomes.len(),
        valid: average(&|outcome| f64::from(u8::from(outcome.valid))),
        metrics,
        halts,
        decisions: average(&|outcome| outcome.decisions.into()),
        tool_calls: average(&|outcome| outcome.tool_calls.into()),
        tool_errors: outcomes.iter().map(|outcome| outcome.tool_errors).sum(),
        worker_halts: outcomes.iter().map(|outcome| outcome.worker_halts).sum(),
        refused: outcomes.iter().map(|outcome| outcome.refused).sum(),
        retried: outcomes.iter().filter(|outcome| outcome.attempts.len() > 1).count(),
        rungs,
        requests: outcomes.iter().map(|outcome| u64::from(outcome.usage.requests)).sum(),
        tokens: outcomes.iter().fold((0, 0), |(input, output), outcome| {
            (input + outcome.usage.input_tokens, output + outcome.usage.output_tokens)
        }),
        per_sample,
    })
}

fn measured(values: &[f64]) -> Result<Measured> {
    Ok(Measured { value: mean(values), interval: bootstrap_interval(values, 0.95, ROUNDS, 2024)? })
}

fn text(outcome: &Outcome) -> Option<&str> {
    match &outcome.answer {
        Answer::Text(text) => Some(text),
        _ => None,
    }
}

/// The share of an answer's claims that an observation supports; 0 for an answer without claims.
fn grounding(outcome: &Outcome) -> f64 {
    if outcome.claims.is_empty() { 0.0 } else { f64::from(outcome.supported) / outcome.claims.len() as f64 }
}

/// BLEU and ROUGE against what the users wrote, over the samples where they did; nothing without any.
fn against_reviews(outcomes: &[Outcome], judges: &[Judge]) -> Result<BTreeMap<String, Measured>> {
    let words: Vec<(Vec<String>, Vec<String>)> = outcomes
        .iter()
        .zip(judges)
        .filter_map(|(outcome, judge)| Some((words(text(outcome)?), words(judge.review.as_deref()?))))
        .collect();
    let pairs = || words.iter().map(|(text, review)| (&text[..], &review[..]));
    let mut metrics = BTreeMap::new();
    if words.is_empty() {
        return Ok(metrics);
    }
    let counts: Vec<overlap::BleuCounts> = pairs().map(overlap::BleuCounts::of).collect();
    for order in 1..=overlap::LONGEST {
        let (value, interval) = overlap::corpus_bleu(&counts, order, ROUNDS, 2024);
        metrics.insert(format!("bleu-{order}"), Measured { value, interval });
    }
    for n in [1, 2] {
        let values: Vec<f64> = pairs().map(|pair| overlap::rouge_n(pair, n).f1).collect();
        metrics.insert(format!("rouge-{n}"), measured(&values)?);
    }
    let values: Vec<f64> = pairs().map(|pair| overlap::rouge_l(pair).f1).collect();
    metrics.insert("rouge-l".into(), measured(&values)?);
    Ok(metrics)
}

/// Distinct over all runs of `n` words (Li and others, NAACL 2016).
fn distinct(texts: &[&str], n: usize) -> f64 {
    let mut seen = std::collections::HashSet::new();
    let mut all = 0_usize;
    for text in texts {
        let words = words(text);
        for run in words.windows(n) {
            all += 1;
            seen.insert(run.to_vec());
        }
    }
    if all == 0 { 0.0 } else { seen.len() as f64 / all as f64 }
}

/// A Markdown table of reports of one task, a row a system.
pub fn table(reports: &[Report]) -> String {
    let Some(first) = reports.first() else { return String::new() };
    let names: Vec<&String> = first.metrics.keys().collect();
    let mut out = String::from("| system |");
    for name in &names {
        let _ = write!(out, " {name} |");
    }
    out.push_str(" valid | retried | decisions | tool calls |\n|---|");
    out.push_str(&"---|".repeat(names.len() + 4));
    out.push('\n');
    for report in reports {
        let _ = write!(out, "| {} |", report.system);
        for name in &names {
            match report.metrics.get(*name) {
                Some(measured) => {
                    let half = (measured.interval.high - measured.interval.low) / 2.0;
                    let _ = write!(out, " {:.4} ± {half:.3} |", measured.value);
                }
                None => out.push_str(" - |"),
            }
        }
        let _ = writeln!(
            out,
            " {:.1}% | {} | {:.1} | {:.1} |",
            100.0 * report.valid,
            report.retried,
            report.decisions,
            report.tool_calls
        );
    }
    out
}
