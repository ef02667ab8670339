//! The sections of a report that teams of agents fill.

use agents::task::TaskKind;

use super::html::{self, Cell, Mark, Section};
use crate::agents::evaluation::{Evaluation, Row};

/// The metric that decides which row is the best of its task, and whether less is better.
fn main_metric(task: TaskKind) -> (&'static str, bool) {
    match task {
        TaskKind::Rating => ("rmse", true),
        TaskKind::Ranking => ("hr@1", false),
        TaskKind::Explanation | TaskKind::Conversation => ("grounded", false),
    }
}

fn value(row: &Row, metric: &str) -> Option<f64> {
    Evaluation::cell(row, metric).map(|(value, _)| value)
}

/// The best system or, for `baseline`, the best baseline.
fn best<'a>(evaluation: &'a Evaluation, metric: &str, less: bool, baseline: bool) -> Option<&'a Row> {
    let sign = if less { 1.0 } else { -1.0 };
    let rows = evaluation.systems.iter().filter(|row| row.baseline == baseline);
    rows.filter_map(|row| value(row, metric).map(|value| (row, sign * value)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(row, _)| row)
}

/// The finding in a sentence or two.
pub fn lead(evaluations: &[Evaluation]) -> String {
    let mut parts = Vec::new();
    for evaluation in evaluations {
        let (metric, less) = main_metric(evaluation.task);
        let found = (best(evaluation, metric, less, false), best(evaluation, metric, less, true));
        let (Some(team), Some(baseline)) = found else { continue };
        let (Some(own), Some(theirs)) = (value(team, metric), value(baseline, metric)) else { continue };
        let verb = if (own < theirs) == less { "is ahead of" } else { "is not ahead of" };
        let name = metric.to_uppercase();
        parts.push(format!(
            "in {} the team {} with {name} {own:.3} {verb} the best model alone ({}, {theirs:.3})",
            evaluation.task.names()[0],
            team.name,
            baseline.name
        ));
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!("Teams of agents, decided by rules: {}.", parts.join("; "))
    }
}

/// The line of facts under the finding.
pub fn facts_line(evaluations: &[Evaluation]) -> String {
    let Some(first) = evaluations.first() else { return String::new() };
    let samples: Vec<String> = evaluations
        .iter()
        .map(|evaluation| format!("{} {}", evaluation.data["samples"], evaluation.task.names()[0]))
        .collect();
    format!("agents: {} samples, decisions by {}", samples.join(" and "), first.model)
}

/// All sections, in order.
pub fn all(evaluations: &[Evaluation]) -> Vec<Section> {
    let mut body = html::paragraph(
        "A Manager asks an Analyst (user, item, what models say), a Searcher and an Interpreter, answers, and a Reflector may \
         send the answer back. Who decides here is a set of rules, no language model: every step is a real tool call, and \
         every claim of an answer names the observation that it rests on. Any OpenAI-compatible endpoint takes its place with \
         --model.",
    );
    for evaluation in evaluations {
        body.push_str(&table(evaluation));
    }
    let trace = evaluations.iter().find_map(|evaluation| evaluation.shown.as_ref());
    if let Some(trace) = trace {
        body.push_str(&html::paragraph(
            "One sample from beginning to end, by the whole team: who thought, did and saw what. The path before each line says \
             whose turn it is: attempt, manager, the manager's step and the worker.",
        ));
        body.push_str(&html::details("The trace of one sample as a timeline", trace));
    }
    vec![Section { id: "agents".into(), title: "A team of agents".into(), body }]
}

fn table(evaluation: &Evaluation) -> String {
    let metrics = evaluation.shown_metrics();
    let (main, less) = main_metric(evaluation.task);
    let winner = best(evaluation, main, less, false).map(|row| row.name.as_str());
    let mut head = vec!["team".to_owned()];
    head.extend(metrics.iter().map(|metric| (*metric).to_owned()));
    head.extend(
        ["valid answers", "tool calls", "ms a sample", "p against the whole team"].map(str::to_owned),
    );
    let rows: Vec<(String, Vec<Cell>)> = evaluation
        .systems
        .iter()
        .map(|row| {
            let mut cells: Vec<Cell> = metrics
                .iter()
                .map(|metric| match Evaluation::cell(row, metric) {
                    None => Cell::plain("–"),
                    Some((value, half)) => Cell {
                        text: format!("{value:.3}"),
                        deviation: Some(format!("{half:.3}")),
                        mark: if *metric == main && winner == Some(row.name.as_str()) {
                            Mark::Best
                        } else {
                            Mark::None
                        },
                    },
                })
                .collect();
            let plain = |value: Option<f64>, digits: usize| {
                Cell::plain(value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}")))
            };
            let (mut valid, mut calls) = (None, None);
            if let Some(report) = row.reports.last().filter(|_| !row.baseline) {
                (valid, calls) = (Some(100.0 * report.valid), Some(report.tool_calls));
            }
            cells.push(Cell::plain(valid.map_or_else(|| "–".to_owned(), |valid| format!("{valid:.1} %"))));
            cells.extend([plain(calls, 1), plain(row.ms_per_sample, 2), plain(row.p_value, 3)]);
            let name = if row.baseline { format!("{} (baseline)", row.name) } else { row.name.clone() };
            (name, cells)
        })
        .collect();
    let caption = format!(
        "{} on {}: {} samples, each user's last row; ± is half a 95% interval over samples.",
        match evaluation.task {
            TaskKind::Rating => "Rating prediction",
            TaskKind::Ranking => "Ranking the liked item among seven others",
            TaskKind::Explanation => "Explanation",
            TaskKind::Conversation => "Conversation",
        },
        evaluation.data["name"].as_str().unwrap_or_default(),
        evaluation.data["samples"],
    );
    html::table(&caption, &head, &rows)
}
