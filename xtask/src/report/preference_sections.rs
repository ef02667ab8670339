//! The sections of a report that a comparison of aligned language models fills.

use super::charts::{self, Band};
use super::html::{self, Cell, Mark, Section};
use super::sections::made_by;
use crate::comparison::deciles;
use crate::preferences::outcome::{ArmResult, PreferenceComparison, SHOWN};

/// The finding in a sentence or two.
pub fn lead(comparison: &PreferenceComparison) -> String {
    let beta = comparison.experiment.betas[0];
    let share = |arm: &str| comparison.arm(arm, beta)?.metric("or-ratio@1").map(|value| 100.0 * value.mean);
    match (share("a"), share("c"), share("g")) {
        (Some(a), Some(c), Some(g)) => format!(
            "The three items that a language model recommends most get {a:.0} % of its recommendations after supervised \
             training, {c:.0} % after DPO with random negatives, {g:.0} % after SPRec."
        ),
        _ => "Language models aligned with preferences.".into(),
    }
}

/// The line of facts under the finding.
pub fn facts_line(comparison: &PreferenceComparison) -> String {
    let experiment = &comparison.experiment;
    let seeds: Vec<String> = experiment.seeds.iter().map(u64::to_string).collect();
    format!(
        "{}: {} users, {} items, one token an item · {} rounds of {} rows · seeds {}",
        experiment.data,
        comparison.users,
        comparison.items,
        experiment.rounds,
        experiment.rows,
        seeds.join(", ")
    )
}

/// All sections of a page of its own, in order.
pub fn all(comparison: &PreferenceComparison, command: &str) -> Vec<Section> {
    let mut sections = results(comparison);
    let body = made_by(&comparison.machine, &comparison.experiment.device, command);
    sections.push(section("preference-origin", "How this was made", body));
    sections
}

/// The sections that tell what was found, in order.
pub fn results(comparison: &PreferenceComparison) -> Vec<Section> {
    vec![bias(comparison), histogram(comparison)]
}

fn section(id: &str, title: &str, body: String) -> Section {
    Section { id: id.into(), title: title.into(), body }
}

fn finished(comparison: &PreferenceComparison) -> impl Iterator<Item = (usize, &ArmResult)> {
    comparison.arms.iter().enumerate().filter(|(_, arm)| !arm.runs.is_empty())
}

fn bias(comparison: &PreferenceComparison) -> Section {
    let mut body = html::paragraph(
        "DPO with negatives that do not come from the model keeps pushing every item that is above average, although \
         supervised training had its share right; SPRec takes the model's own recommendations as negatives, and what it \
         recommends too often is pushed down. A round of SPRec is supervised training followed by DPO.",
    );
    for (metric, id, title, caption) in [
        (
            "or-ratio@1",
            "preference-over",
            "ORRatio@1",
            "The share of all first recommendations that three items get",
        ),
        (
            "mgu@1",
            "preference-unfair",
            "MGU@1",
            "How far the genres' shares of recommendations are from the histories'",
        ),
    ] {
        let bands: Vec<Band> = finished(comparison)
            .filter(|(_, arm)| {
                arm.rounds.rounds > 0 && ["b", "c", "f", "g", "h"].contains(&arm.name.as_str())
            })
            .map(|(colour, arm)| Band {
                name: arm.title(),
                colour,
                points: arm
                    .curve(metric)
                    .into_iter()
                    .map(|(round, value)| (round as f64, value.mean, value.std))
                    .collect(),
            })
            .filter(|band| !band.points.is_empty())
            .collect();
        if !bands.is_empty() {
            let caption =
                format!("{caption}, by round: mean over seeds, one sample deviation to either side shaded.");
            body.push_str(&html::figure(&charts::bands(&bands, id, title), &caption));
        }
    }
    let mut head = vec!["arm".to_owned()];
    head.extend(SHOWN.iter().map(|(_, heading, _)| (*heading).to_owned()));
    let rows: Vec<(String, Vec<Cell>)> = comparison
        .arms
        .iter()
        .map(|arm| {
            let cells = SHOWN.iter().map(|(metric, _, digits)| match arm.metric(metric) {
                None => Cell::plain("–"),
                Some(value) => Cell {
                    text: format!("{:.*}", *digits, value.mean),
                    deviation: (value.runs.len() > 1).then(|| format!("{:.*}", *digits, value.std)),
                    mark: Mark::None,
                },
            });
            (arm.title(), cells.collect())
        })
        .collect();
    body.push_str(&html::table("After the last round: means over seeds, ± sample deviation", &head, &rows));
    let asked: Vec<(String, String)> = comparison
        .inequalities()
        .into_iter()
        .map(|asked| {
            let [left, right] = asked.measured;
            let met = if asked.met { "met" } else { "not met" };
            (format!("beta {}: {}", asked.beta, asked.asked), format!("{left:.4} and {right:.4}: {met}"))
        })
        .collect();
    body.push_str(&html::facts("What was asked beforehand", &asked));
    for arm in &comparison.arms {
        for (seed, why) in &arm.failures {
            body.push_str(&html::alert(&format!("{} with seed {seed} failed: {why}", arm.title())));
        }
    }
    section("preferences", "Preferences and popularity", body)
}

fn histogram(comparison: &PreferenceComparison) -> Section {
    let mut rows =
        vec![("data (targets)".to_owned(), deciles(&comparison.target_counts, &comparison.target_counts))];
    for (_, arm) in finished(comparison) {
        let mut counts = vec![0_u32; comparison.items];
        for run in &arm.runs {
            counts.iter_mut().zip(run.recommended()).for_each(|(sum, &count)| *sum += count);
        }
        rows.push((arm.title(), deciles(&counts, &comparison.target_counts)));
    }
    let caption = "First recommendations by tenths of the catalogue, from the least to the most popular items, beside the \
                   shares of the data.";
    section(
        "preference-histogram",
        "What is recommended, beside the data",
        html::figure(&charts::deciles(&rows), caption),
    )
}
