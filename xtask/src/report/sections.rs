//! The sections of a report that a comparison fills.

use serde_json::Value;

use super::charts::{self, Curve, Dots, State, Trajectory};
use super::html::{self, Cell, Mark, Section};
use crate::comparison::{
    Comparison, ModelResult, RunResult, Significance, is_accuracy, metric_names, warnings,
};
use crate::machine::Machine;
use crate::settings::leaves;
use crate::table;

/// How far up the printed decimals go.
const DECIMALS: usize = 4;

/// The finding in a sentence or two.
pub fn lead(comparison: &Comparison) -> String {
    let metric = &comparison.primary;
    let Some(best) = comparison.best(metric) else { return "No model finished.".into() };
    let mean = best.metric(metric).map_or(0.0, |summary| summary.mean);
    let close: Vec<&str> = comparison
        .models
        .iter()
        .filter(|model| model.significance.as_ref().is_some_and(|test| !test.significant()))
        .map(|model| model.name.as_str())
        .collect();
    let finished = comparison.models.iter().filter(|model| !model.runs.is_empty()).count();
    let rest = match close.len() {
        0 if finished > 1 => "Every other model is significantly below it.".to_owned(),
        0 => String::new(),
        _ => format!("Not significantly below it: {}.", close.join(", ")),
    };
    format!("Of {finished} models, {} ranks best by test {}: {mean:.4}. {rest}", best.name, pretty(metric))
}

/// The line of facts under the finding.
pub fn facts_line(comparison: &Comparison) -> String {
    let text = |map: &serde_json::Map<String, Value>, key: &str| {
        map.get(key).map_or_else(String::new, |value| plain_value(key, value))
    };
    let seeds: Vec<String> = comparison.seeds.iter().map(u64::to_string).collect();
    format!(
        "{} · {} users, {} items, {} interactions · split {} (seed {}) · seeds {}",
        text(&comparison.data, "name"),
        text(&comparison.data, "users"),
        text(&comparison.data, "items"),
        text(&comparison.data, "interactions"),
        text(&comparison.split, "rule"),
        text(&comparison.split, "seed"),
        seeds.join(", ")
    )
}

/// All sections, in order.
pub fn all(comparison: &Comparison, command: &str) -> Vec<Section> {
    vec![
        results(comparison),
        learning(comparison),
        geometry(comparison),
        popularity(comparison),
        details(comparison),
        origin(comparison, command),
    ]
}

fn section(id: &str, title: &str, body: String) -> Section {
    Section { id: id.into(), title: title.into(), body }
}

fn results(comparison: &Comparison) -> Section {
    let metric = &comparison.primary;
    let best = comparison.best(metric).map(|model| model.name.as_str());
    let rows: Vec<Dots> = comparison
        .models
        .iter()
        .filter_map(|model| {
            let summary = model.metric(metric)?;
            Some(Dots {
                name: model.name.clone(),
                runs: summary.runs,
                mean: summary.mean,
                best: best == Some(model.name.as_str()),
            })
        })
        .collect();
    let mut body = html::figure(
        &charts::dots(&rows, &format!("test {}", pretty(metric))),
        &format!(
            "Test {} of each model. A dot is one seed, the line ends at the mean. A deterministic model runs once.",
            pretty(metric)
        ),
    );
    body.push_str(&metrics_table(
        comparison,
        &comparison.shown,
        "Test metrics: mean ± sample deviation over seeds; the best mean of each column is in bold",
    ));
    body.push_str(&significance(comparison));
    body.push_str(&cost(comparison));
    for model in &comparison.models {
        for (seed, why) in &model.failures {
            body.push_str(&html::alert(&format!("{} with seed {seed} failed: {why}", model.name)));
        }
    }
    section("results", "Results", body)
}

fn metrics_table(comparison: &Comparison, metrics: &[String], caption: &str) -> String {
    let mut head = vec!["model".to_owned()];
    head.extend(metrics.iter().map(|metric| pretty(metric)));
    let best: Vec<Option<&str>> = metrics
        .iter()
        .map(|metric| {
            comparison.best(metric).filter(|_| is_accuracy(metric)).map(|model| model.name.as_str())
        })
        .collect();
    let rows: Vec<(String, Vec<Cell>)> = comparison
        .models
        .iter()
        .map(|model| {
            let cells = metrics
                .iter()
                .zip(&best)
                .map(|(metric, best)| {
                    let Some(summary) = model.metric(metric) else { return Cell::plain("–") };
                    let close = *metric == comparison.primary
                        && model.significance.as_ref().is_some_and(|test| !test.significant());
                    let digits = decimals(summary.mean);
                    Cell {
                        text: format!("{:.digits$}", summary.mean),
                        deviation: (model.runs.len() > 1).then(|| format!("{:.digits$}", summary.std)),
                        mark: match *best == Some(model.name.as_str()) {
                            true => Mark::Best,
                            false if close => Mark::Close,
                            false => Mark::None,
                        },
                    }
                })
                .collect();
            (model.name.clone(), cells)
        })
        .collect();
    html::table(caption, &head, &rows)
}

fn significance(comparison: &Comparison) -> String {
    let metric = pretty(&comparison.primary);
    let Some(best) = comparison.best(&comparison.primary) else { return String::new() };
    let rows: Vec<(String, Vec<Cell>)> = comparison
        .models
        .iter()
        .filter_map(|model| {
            let test = model.significance.as_ref()?;
            let verdict = if test.significant() { "below the best" } else { "no difference shown" };
            Some((
                model.name.clone(),
                vec![
                    Cell::plain(format!("{:+.4}", test.difference)),
                    Cell::plain(p_value(test.p_value)),
                    Cell::plain(p_value(test.p_holm)),
                    Cell::plain(verdict),
                ],
            ))
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["model", "difference", "p", "p (Holm)", "verdict"].map(str::to_owned);
    let users = table::grouped(best.per_user.users.len());
    let mut out = html::table(
        &format!("{metric} of each model less that of {}, paired over {users} test users", best.name),
        &head,
        &rows,
    );
    out.push_str(&format!(
        "<p class=\"note\">Each user's value is averaged over the seeds first, so the test speaks for other users \
         like these, not for other splits. Student’s paired test, two-sided; ≈ in the table above marks models for which no \
         difference from the best is shown at level {} after Holm’s correction.</p>",
        Significance::LEVEL
    ));
    out
}

fn cost(comparison: &Comparison) -> String {
    let head =
        ["model", "epoch", "fit", "evaluation", "peak memory", "epochs run", "best epoch"].map(str::to_owned);
    let list = |values: Vec<String>| if values.is_empty() { "–".to_owned() } else { values.join(", ") };
    let rows: Vec<(String, Vec<Cell>)> = comparison
        .models
        .iter()
        .map(|model| {
            let seconds = model.seconds();
            let time = |value: Option<f64>| Cell::plain(value.map_or("–".into(), table::seconds));
            let epochs = model.runs.iter().filter(|run| !run.history.is_empty());
            let cells = vec![
                time(seconds.and_then(|seconds| seconds.epoch_median)),
                time(seconds.map(|seconds| seconds.fit)),
                time(seconds.map(|seconds| seconds.evaluate)),
                Cell::plain(model.peak_rss_mib().map_or("–".into(), |mib| format!("{mib:.0} MiB"))),
                Cell::plain(list(epochs.clone().map(|run| run.history.len().to_string()).collect())),
                Cell::plain(list(epochs.filter_map(|run| Some(run.best_epoch?.to_string())).collect())),
            ];
            (model.name.clone(), cells)
        })
        .collect();
    let caption = format!(
        "Cost on {} threads: medians over seeds; the most memory of any run; epochs by seed. Each run had a process \
         of its own",
        comparison.machine.threads
    );
    html::table(&caption, &head, &rows)
}

/// The trained models with their places in the palette.
fn trained(comparison: &Comparison) -> impl Iterator<Item = (usize, &ModelResult)> {
    let has_epochs = |model: &&ModelResult| model.runs.iter().any(|run| !run.history.is_empty());
    comparison.models.iter().filter(has_epochs).enumerate()
}

fn names(models: impl Iterator<Item = String>) -> String {
    models.collect::<Vec<_>>().join(", ")
}

fn untrained_note(comparison: &Comparison, what: &str) -> String {
    let untrained = names(
        comparison
            .models
            .iter()
            .filter(|m| m.runs.iter().all(|r| r.history.is_empty()))
            .map(|m| m.name.clone()),
    );
    if untrained.is_empty() { String::new() } else { format!(" Without {what}: {untrained}.") }
}

/// The run whose best validation is the middle one.
fn middle_run(model: &ModelResult, key: &str) -> usize {
    let best = |run: &RunResult| {
        run.history.iter().filter_map(|epoch| epoch.get(key)).fold(f64::NEG_INFINITY, f64::max)
    };
    let mut order: Vec<usize> = (0..model.runs.len()).collect();
    order.sort_by(|&a, &b| best(&model.runs[a]).total_cmp(&best(&model.runs[b])));
    order.get(order.len() / 2).copied().unwrap_or(0)
}

/// The validation metric that the epochs were selected by.
fn validation_key(comparison: &Comparison) -> Option<&str> {
    let epochs = comparison.models.iter().flat_map(|model| &model.runs).flat_map(|run| &run.history);
    epochs
        .flat_map(|epoch| &epoch.values)
        .map(|(name, _)| name.as_str())
        .find(|name| name.starts_with("valid_"))
}

fn learning(comparison: &Comparison) -> Section {
    let key = validation_key(comparison).unwrap_or_default();
    let metric = pretty(key.trim_start_matches("valid_"));
    let curves: Vec<Curve> = trained(comparison)
        .map(|(colour, model)| {
            let points = |run: &RunResult| {
                run.history.iter().filter_map(|e| Some((e.epoch as f64, e.get(key)?))).collect::<Vec<_>>()
            };
            let middle = middle_run(model, key);
            Curve {
                name: model.name.clone(),
                colour,
                runs: model.runs.iter().map(points).collect(),
                middle,
                kept: model.runs.get(middle).and_then(|run| run.best_epoch).map(|epoch| epoch as f64),
            }
        })
        .filter(|curve| curve.runs.iter().any(|run| !run.is_empty()))
        .collect();
    if curves.is_empty() {
        return section(
            "learning",
            "Learning",
            html::paragraph("No model of this comparison trains in epochs."),
        );
    }
    let caption = format!(
        "Validation {} after each epoch. The strong line is the seed in the middle, the faint ones are the others; \
         the ring marks the epoch whose state was kept.{}",
        metric,
        untrained_note(comparison, "epochs")
    );
    let title = format!("validation {metric}");
    section("learning", "Learning", html::figure(&charts::learning_curves(&curves, &title), &caption))
}

fn geometry(comparison: &Comparison) -> Section {
    let key = validation_key(comparison).unwrap_or_default();
    let metric = pretty(key.trim_start_matches("valid_"));
    let paths: Vec<Trajectory> = trained(comparison)
        .map(|(colour, model)| {
            let run = model.runs.get(middle_run(model, key));
            let states = run.into_iter().flat_map(|run| &run.history).filter_map(|epoch| {
                let users = epoch.get("overall_uniformity_user")?;
                let items = epoch.get("overall_uniformity_item")?;
                Some(State {
                    epoch: epoch.epoch as f64,
                    alignment: epoch.get("overall_alignment")?,
                    uniformity: (users + items) / 2.0,
                    quality: epoch.get(key).unwrap_or(f64::NAN),
                })
            });
            Trajectory { name: model.name.clone(), colour, states: states.collect() }
        })
        .filter(|path| !path.states.is_empty())
        .collect();
    let title = "Alignment and uniformity";
    if paths.is_empty() {
        let text = "No run of this comparison measured alignment and uniformity.";
        return section("geometry", title, html::paragraph(text));
    }
    let mut body = html::paragraph(
        "Both terms are measured on normalised vectors over all training pairs: alignment is the mean squared \
         distance between a user and an item that interacted, uniformity the logarithm of the mean Gaussian \
         potential between users, and between items (the mean of the two is drawn). Lower is better for each, and \
         each can be had at the cost of the other; good rankings need both.",
    );
    let caption = format!(
        "The path of each model from its first epoch to its last (the seed in the middle), coloured by validation \
         {}.{}",
        metric,
        untrained_note(comparison, "vectors that are trained step by step, and so without a path")
    );
    body.push_str(&html::figure(&charts::trajectories(&paths, &metric), &caption));
    section("geometry", title, body)
}

fn popularity(comparison: &Comparison) -> Section {
    let mut rows = vec![("training data".to_owned(), comparison.train_deciles)];
    for model in comparison.models.iter().filter(|model| !model.runs.is_empty()) {
        let n = model.runs.len() as f64;
        let mut mean = [0.0; 10];
        for run in &model.runs {
            for (sum, share) in mean.iter_mut().zip(run.deciles) {
                *sum += share / n;
            }
        }
        rows.push((model.name.clone(), mean));
    }
    let k = comparison.models.iter().flat_map(|model| &model.runs).map(|run| run.evaluation.counts_k).next();
    let caption = format!(
        "Where the recommendations (top {} of each test user, all seeds) fall when the items are ordered by training \
         popularity and cut into tenths, beside the training interactions themselves.",
        k.unwrap_or(0)
    );
    let mut body = html::figure(&charts::deciles(&rows, "deciles"), &caption);
    let beyond: Vec<String> = comparison
        .models
        .iter()
        .map(metric_names)
        .find(|names| !names.is_empty())
        .unwrap_or_default()
        .into_iter()
        .filter(|name| !is_accuracy(name))
        .collect();
    if !beyond.is_empty() {
        let caption = "Breadth and bias of the lists: mean ± sample deviation over seeds";
        body.push_str(&metrics_table(comparison, &beyond, caption));
    }
    section("popularity", "What is recommended", body)
}

fn details(comparison: &Comparison) -> Section {
    let mut body = String::new();
    let accuracy: Vec<String> = comparison
        .models
        .iter()
        .map(metric_names)
        .find(|names| !names.is_empty())
        .unwrap_or_default()
        .into_iter()
        .filter(|name| is_accuracy(name))
        .collect();
    body.push_str(&metrics_table(comparison, &accuracy, "All accuracy metrics on the test part"));
    let rows = |map: &serde_json::Map<String, Value>| -> Vec<(String, String)> {
        map.iter().map(|(key, value)| (key.replace('_', " "), plain_value(key, value))).collect()
    };
    body.push_str(&html::facts("Data", &rows(&comparison.data)));
    body.push_str(&html::facts("Split", &rows(&comparison.split)));
    body.push_str("<h3>Settings as used</h3>");
    for model in &comparison.models {
        let mut lines: Vec<String> =
            leaves(&model.config).iter().map(|(path, value)| format!("{path} = {value}")).collect();
        if lines.is_empty() {
            lines.push("(no settings)".into());
        }
        lines.extend(warnings(model).iter().map(|warning| format!("warning: {warning}")));
        body.push_str(&html::details(&format!("{}: {}", model.name, model.about), &lines.join("\n")));
    }
    section("details", "Details", body)
}

fn origin(comparison: &Comparison, command: &str) -> Section {
    section("origin", "How this was made", made_by(&comparison.machine, &comparison.device, command))
}

/// The machine, the build and the command, as HTML.
pub fn made_by(machine: &Machine, device: &str, command: &str) -> String {
    let mut rows = vec![
        ("processor".to_owned(), machine.cpu.clone()),
        ("threads".to_owned(), machine.threads.to_string()),
    ];
    rows.extend(machine.memory_gib.map(|gib| ("memory".to_owned(), format!("{gib:.1} GiB"))));
    rows.push(("system".to_owned(), machine.system.clone()));
    rows.push(("device".to_owned(), device.to_owned()));
    rows.push(("version".to_owned(), machine.version.clone()));
    rows.extend(machine.commit.clone().map(|commit| ("commit".to_owned(), commit)));
    let mut body = html::facts("Machine and build", &rows);
    body.push_str(&format!(
        "<p>To make this report again: <code>{}</code>. The same seeds give the same numbers on any number of \
         threads; times and memory differ.</p>",
        super::svg::escape(command)
    ));
    body
}

/// `ndcg@20` as it is read: NDCG@20.
fn pretty(metric: &str) -> String {
    let (measure, k) = metric.split_once('@').map_or((metric, None), |(measure, k)| (measure, Some(k)));
    let measure = match measure {
        "ndcg" | "mrr" | "map" | "f1" | "mgu" | "dgu" => measure.to_uppercase(),
        other => other.replace(['_', '-'], " "),
    };
    k.map_or(measure.clone(), |k| format!("{measure}@{k}"))
}

/// How many decimals a value of this size is shown with; its deviation has as many.
fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => DECIMALS,
    }
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "< 0.0001".into() } else { format!("{p:.4}") }
}

/// A value of the data or the split as text; counts are grouped, seeds are not.
pub fn plain_value(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Number(number) => match number.as_u64() {
            Some(whole) if !key.contains("seed") => table::grouped(whole as usize),
            _ => number.to_string(),
        },
        Value::Array(values) => {
            values.iter().map(|value| plain_value(key, value)).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
