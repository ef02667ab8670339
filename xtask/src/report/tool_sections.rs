//! The sections of a report on policies that use tools: tables, curves, and episodes side by side.

use std::fmt::Write;

use rec_core::Json;
use tool_rl::env::{FINISH, Status};
use tool_rl::{Episode, Shaper, Step};

use super::charts::{self, Band};
use super::html::{self, Cell, Mark, Section};
use super::sections::made_by;
use super::svg::escape;
use crate::tool_rl::claim::{self, COMPARED, Difference};
use crate::tool_rl::outcome::{RowResult, SHOWN, ShownEpisodes, Told, ToolComparison};
use crate::tool_rl::rows::{Kind, Table};

/// The finding in a sentence or two.
pub fn lead(comparison: &ToolComparison) -> String {
    let pass = |row: &str, metric: &str| comparison.row(row)?.metric(metric).map(|value| 100.0 * value.mean);
    let both = |row: &str| Some((pass(row, "pass_all")?, pass(row, "pass_t3")?));
    match (both("sft"), both("steptool-gated")) {
        (Some(before), Some(after)) => {
            let best = claim::best_trajectory_level(comparison, "pass_t3").map(|row| row.row.name);
            let best = best.and_then(|name| {
                let (all, t3) = both(name)?;
                Some(format!(" {name}, with one number an episode: {all:.0} % and {t3:.0} %."))
            });
            format!(
                "A small policy passes {:.0} % of the office's tasks after supervised training and {:.0} % of the hardest; after \
                 training with a reward for every step {:.0} % and {:.0} %.{}",
                before.0,
                before.1,
                after.0,
                after.1,
                best.unwrap_or_default()
            )
        }
        _ => "Policies that use tools, trained step by step.".into(),
    }
}

/// The line of facts under the finding.
pub fn facts_line(comparison: &ToolComparison) -> String {
    let experiment = &comparison.experiment;
    let seeds: Vec<String> = experiment.seeds.iter().map(u64::to_string).collect();
    format!("{} · seeds {}", comparison.setup_line(), seeds.join(", "))
}

/// All sections, with how to make the report again.
pub fn all(comparison: &ToolComparison, command: &str) -> Vec<Section> {
    let mut sections = results(comparison);
    sections.push(Section {
        id: "tool-setup".into(),
        title: "How this was made".into(),
        body: made_by(&comparison.machine, &comparison.experiment.device, command),
    });
    sections
}

/// Tables, curves, episodes.
pub fn results(comparison: &ToolComparison) -> Vec<Section> {
    [Some(tables(comparison)), curves(comparison), episodes(comparison)].into_iter().flatten().collect()
}

fn section(id: &str, title: &str, body: String) -> Section {
    Section { id: id.into(), title: title.into(), body }
}

fn cell(result: &RowResult, metric: &str, told: Told, best: f64) -> Cell {
    let Some(value) = result.metric(metric) else { return Cell::plain("–") };
    let (factor, digits) = match told {
        Told::Percent => (100.0, 1),
        Told::Number(digits) => (1.0, digits),
    };
    Cell {
        text: format!("{:.digits$}", factor * value.mean),
        deviation: (value.runs.len() > 1).then(|| format!("{:.digits$}", factor * value.std)),
        mark: if value.mean == best { Mark::Best } else { Mark::None },
    }
}

/// Columns in which the best trained row stands out.
const MARKED: [&str; 7] =
    ["pass_t1", "pass_t2", "pass_t3", "pass_tu", "pass_all", "sampled_all", "pass_given_finish"];

fn rows(comparison: &ToolComparison, table: Table) -> Vec<(String, Vec<Cell>)> {
    let rows = comparison.rows_of(table);
    let best = |metric: &str| {
        let trained = rows.iter().filter(|result| !matches!(result.row.kind, Kind::Scripted(_)));
        let values = trained.filter_map(|result| result.metric(metric));
        let most = values.map(|value| value.mean).fold(f64::NEG_INFINITY, f64::max);
        if MARKED.contains(&metric) && most > 0.0 { most } else { f64::NAN }
    };
    let best: Vec<f64> = SHOWN.iter().map(|(metric, _, _)| best(metric)).collect();
    let row = |result: &&RowResult| {
        let rate = result.rate.map_or_else(|| "–".into(), |rate| format!("{rate:e}"));
        let mut cells = vec![Cell::plain(rate)];
        let scripted = matches!(result.row.kind, Kind::Scripted(_));
        cells.extend(SHOWN.iter().zip(&best).map(|((metric, _, told), &best)| {
            cell(result, metric, *told, if scripted { f64::NAN } else { best })
        }));
        cells.push(Cell::plain(result.runs.len().to_string()));
        (result.row.name.to_owned(), cells)
    };
    rows.iter().map(row).collect()
}

fn tables(comparison: &ToolComparison) -> Section {
    let mut body = String::new();
    let differences = comparison.differences();
    if !differences.is_empty() {
        body.push_str(&html::paragraph(&claim::claim(&differences)));
    }
    let mut head = vec!["method".to_owned(), "lr".to_owned()];
    head.extend(SHOWN.iter().map(|(_, heading, _)| (*heading).to_owned()));
    head.push("seeds".to_owned());
    for table in Table::ALL {
        let rows = rows(comparison, table);
        if !rows.is_empty() {
            let caption = format!(
                "{}: percent, means over seeds ± sample deviation; greedy unless T=1 is said",
                table.title()
            );
            body.push_str(&html::table(&caption, &head, &rows));
        }
    }
    if !differences.is_empty() {
        let head: Vec<String> = ["steptool-gated less", "tasks", "points", "95 %", "seeds", "claim needs it"]
            .map(str::to_owned)
            .into();
        let row = |difference: &Difference| {
            let tasks = COMPARED.iter().find(|(metric, _)| *metric == difference.metric);
            let cells = [
                tasks.map_or("", |pair| pair.1).to_owned(),
                format!("{:+.1}", 100.0 * difference.values.mean),
                match difference.half.is_finite() {
                    true => format!("± {:.1}", 100.0 * difference.half),
                    false => "–".to_owned(),
                },
                difference.values.runs.len().to_string(),
                if difference.needed { "yes".to_owned() } else { String::new() },
            ];
            (format!("{} ({})", difference.minus, difference.role), cells.map(Cell::plain).into())
        };
        let rows: Vec<(String, Vec<Cell>)> = differences.iter().map(row).collect();
        body.push_str(&html::table("Differences paired by seed, with Student's intervals", &head, &rows));
    }
    let about: Vec<(String, String)> = comparison
        .rows
        .iter()
        .filter(|result| !result.runs.is_empty())
        .map(|result| (result.row.name.to_owned(), result.row.about.to_owned()))
        .collect();
    let _ = write!(
        body,
        "<details><summary>What the rows are</summary>{}</details>",
        html::facts("Rows and what they are", &about)
    );
    for result in &comparison.rows {
        for (seed, why) in &result.failures {
            body.push_str(&html::alert(&format!("{} with seed {seed} failed: {why}", result.row.name)));
        }
    }
    section("tools", "Tools, step by step", body)
}

/// The methods that are drawn, if they are there.
const DRAWN: [&str; 8] = [
    "rft",
    "ppo-trajectory",
    "grpo-trajectory",
    "ppo-return-to-go",
    "ppo-summed",
    "grpo-summed",
    "steptool-paper",
    "steptool-gated",
];

fn curves(comparison: &ToolComparison) -> Option<Section> {
    let drawn = DRAWN.iter().enumerate().filter_map(|(colour, name)| {
        let points = comparison.row(name)?.curve();
        (points.len() > 1).then(|| Band { name: (*name).to_owned(), colour, points })
    });
    let bands: Vec<Band> = drawn.collect();
    if bands.is_empty() {
        return None;
    }
    let caption = format!(
        "The share of T3's validation tasks passed ({} of them, greedy) over the calls of tools that training has made: mean over \
         seeds, one sample deviation to either side shaded. A policy that needs fewer calls an episode comes less far to the right.",
        comparison.experiment.setup.curve_tasks
    );
    let picture = charts::bands(&bands, "tool-curves", "environment calls", "pass T3");
    Some(section("tool-curves-section", "Passing the hardest tasks", html::figure(&picture, &caption)))
}

/// Rows whose episodes are shown beside the supervised policy's, as far as they are there.
const BESIDE: [&str; 9] = [
    "steptool-gated",
    "ppo-trajectory",
    "grpo-trajectory",
    "rft",
    "ppo-return-to-go",
    "grpo-summed",
    "steptool-paper",
    "steptool-released",
    "grpo-anchor",
];

fn episodes(comparison: &ToolComparison) -> Option<Section> {
    let of = |name: &str| comparison.episodes.iter().find(|shown| shown.row == name);
    let before = of("sft")?;
    let columns: Vec<&ShownEpisodes> =
        std::iter::once(before).chain(BESIDE.iter().filter_map(|name| of(name))).collect();
    let mut body = html::paragraph(&format!(
        "The first test tasks of each tier, greedy, before training (sft, seed {}) and after it by method. Beside every call is \
         what the method's own reward pays for it; for sft, what the gated reward would pay.",
        before.seed
    ));
    body.push_str(
        "<ul class=\"legend\"><li><span class=\"swatch c2\"></span>brought a needed fact, or ended well</li>\
         <li><span class=\"swatch c8\"></span>went well, brought nothing needed</li>\
         <li><span class=\"swatch c6\"></span>failed, or ended badly</li></ul>",
    );
    for (at, episode) in before.episodes.iter().enumerate() {
        let row: Vec<(&ShownEpisodes, &Episode)> =
            columns.iter().filter_map(|column| Some((*column, column.episodes.get(at)?))).collect();
        let passed = row.iter().filter(|(_, episode)| episode.outcome.passed).count();
        let open = if passed > 0 && !episode.outcome.passed && !body.contains("<details open>") {
            "<details open>"
        } else {
            "<details>"
        };
        let _ = write!(
            body,
            "{open}<summary>{} — {passed} of {} pass</summary>{}</details>",
            escape(&episode.query),
            row.len(),
            side_by_side(&episode.query, &row, comparison)
        );
    }
    Some(section("tool-episodes", "Episodes before and after", body))
}

/// One task: a column for each policy.
fn side_by_side(query: &str, columns: &[(&ShownEpisodes, &Episode)], comparison: &ToolComparison) -> String {
    let label = format!("Episodes of: {query}");
    let mut out =
        format!("<div class=\"side\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">", escape(&label));
    for (column, episode) in columns {
        let method = comparison.row(&column.row).and_then(|result| result.row.kind.method());
        let reward = method.map_or_else(Shaper::gated, |method| method.reward.clone());
        let (class, verdict) =
            if episode.outcome.passed { ("passed", "passed") } else { ("failed", "failed") };
        let _ =
            write!(out, "<div><h4>{} <span class=\"{class}\">{verdict}</span></h4><ol>", escape(&column.row));
        for (step, earned) in episode.steps.iter().zip(reward.rewards(episode, 1.0)) {
            let _ = write!(
                out,
                "<li class=\"{}\"><span class=\"earned\">{}</span><code>{}</code><span class=\"reply\">{}</span></li>",
                colour(step, episode),
                if earned == 0.0 { "0".to_owned() } else { format!("{earned:+.2}") },
                escape(&call_line(step)),
                escape(&reply_line(step))
            );
        }
        let _ = write!(out, "</ol><p class=\"note\">{}</p></div>", escape(&ending(episode)));
    }
    out.push_str("</div>");
    out
}

fn colour(step: &Step, episode: &Episode) -> &'static str {
    if step.call.name == FINISH {
        return if episode.outcome.passed { "c2" } else { "c6" };
    }
    let gained = step.facts.is_some_and(|[before, after]| after.known > before.known);
    match (step.reply.status == Status::Ok, gained) {
        (false, _) => "c6",
        (true, true) => "c2",
        (true, false) => "c8",
    }
}

fn told(value: &Json) -> String {
    match value {
        Json::Object(members) => members
            .iter()
            .map(|(name, value)| format!("{name}={}", told(value)))
            .collect::<Vec<_>>()
            .join(", "),
        value => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

/// A call as one writes it.
pub fn call_line(step: &Step) -> String {
    let name = if step.call.name.is_empty() { "(unreadable)" } else { step.call.name.as_str() };
    format!("{name}({})", told(&step.call.arguments))
}

/// A reply in a few words.
pub fn reply_line(step: &Step) -> String {
    match step.reply.status {
        Status::Ok => format!("→ {}", told(&step.reply.response)),
        Status::FinalAnswer => "→ answered".to_owned(),
        Status::GiveUp => "→ gave up".to_owned(),
        _ => format!("→ {}", step.reply.error),
    }
}

fn ending(episode: &Episode) -> String {
    let facts = episode.steps.last().and_then(|step| step.facts).map(|[_, after]| after);
    let facts = facts.filter(|facts| facts.needed > 0);
    let known = facts.map_or_else(String::new, |facts| {
        format!(", {} of {} needed facts found", facts.known, facts.needed)
    });
    format!("{} steps, score {}{known}", episode.steps.len(), episode.outcome.score)
}
