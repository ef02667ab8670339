//! The sections of a report that a comparison of aligned language models fills.

use super::charts::{self, Band};
use super::html::{self, Cell, Mark, Section};
use super::sections::made_by;
use crate::preferences::arms::ARMS;
use crate::preferences::outcome::{ArmResult, PreferenceComparison, SHOWN};

/// The arms that are drawn by round.
const DRAWN: &[&str] = &["b", "c", "f", "g", "h"];

/// The finding in a sentence or two.
pub fn lead(comparison: &PreferenceComparison) -> String {
    let beta = comparison.experiment.betas[0];
    let share = |arm: &str| comparison.arm(arm, beta)?.metric("or-ratio@1").map(|value| 100.0 * value.mean);
    match (share("a"), share("c"), share("g")) {
        (Some(a), Some(c), Some(g)) => format!(
            "The three items that a language model recommends most get {a:.0} % of its first recommendations after \
             supervised training, {c:.0} % after DPO with random negatives, {g:.0} % after SPRec."
        ),
        _ => "Language models aligned with preferences.".into(),
    }
}

/// The line of facts under the finding.
pub fn facts_line(comparison: &PreferenceComparison) -> String {
    let experiment = &comparison.experiment;
    let seeds: Vec<String> = experiment.seeds.iter().map(u64::to_string).collect();
    format!(
        "{}: {} users, {} items, {} · {} rounds of {} rows · seeds {}",
        experiment.data,
        comparison.users,
        comparison.items,
        experiment.profile.about(),
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
    let mut sections = vec![bias(comparison), histogram(comparison)];
    sections.extend(theory(comparison));
    sections
}

fn section(id: &str, title: &str, body: String) -> Section {
    Section { id: id.into(), title: title.into(), body }
}

/// The arms at the first beta that have finished runs, each with the colour of its letter.
fn finished(comparison: &PreferenceComparison) -> impl Iterator<Item = (usize, &ArmResult)> {
    let beta = comparison.experiment.betas[0];
    comparison
        .arms
        .iter()
        .filter(move |arm| !arm.runs.is_empty() && arm.beta.is_none_or(|own| own == beta))
        .map(|arm| (ARMS.iter().position(|known| known.name == arm.name).unwrap_or(0), arm))
}

/// A name for pictures, where there is little room: without a beta that all share.
fn label(comparison: &PreferenceComparison, arm: &ArmResult) -> String {
    match comparison.experiment.betas.len() {
        1 => format!("{} {}", arm.name.to_uppercase(), arm.about),
        _ => arm.title(),
    }
}

fn by_round(comparison: &PreferenceComparison, metric: &str) -> Vec<Band> {
    finished(comparison)
        .filter(|(_, arm)| arm.rounds.rounds > 0 && DRAWN.contains(&arm.name.as_str()))
        .map(|(colour, arm)| Band {
            name: label(comparison, arm),
            colour,
            points: arm
                .curve(metric)
                .into_iter()
                .map(|(round, value)| (round as f64, value.mean, value.std))
                .collect(),
        })
        .filter(|band| !band.points.is_empty())
        .collect()
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
            "How far the genres' shares of first recommendations are from the histories'",
        ),
        ("ndcg@5", "preference-accuracy", "NDCG@5", "How well the held-out items are ranked"),
    ] {
        let bands = by_round(comparison, metric);
        if !bands.is_empty() {
            let caption =
                format!("{caption}, by round: mean over seeds, one sample deviation to either side shaded.");
            body.push_str(&html::figure(&charts::bands(&bands, id, "round", title), &caption));
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
    let mut rows = vec![("data (targets)".to_owned(), comparison.target_deciles())];
    rows.extend(
        finished(comparison).map(|(_, arm)| (label(comparison, arm), comparison.recommended_deciles(arm))),
    );
    let caption = "First recommendations by tenths of the catalogue, from the least to the most popular items, beside the \
                   shares of the data.";
    section(
        "preference-histogram",
        "What is recommended, beside the data",
        html::figure(&charts::deciles(&rows, "preference-deciles"), caption),
    )
}

/// What theory says beside what was measured, if any arm has negatives that do not come from the policy.
fn theory(comparison: &PreferenceComparison) -> Option<Section> {
    let mut body = String::new();
    let mut bands: Vec<Band> = Vec::new();
    let mut colour = 0;
    for arm in &comparison.arms {
        let points = arm.theory_points();
        let (Some(first), Some(last), Some(beta)) = (points.first(), points.last(), arm.beta) else {
            continue;
        };
        if arm.name != "c" {
            continue;
        }
        let line = [first.0, last.0].map(|x| (x, x / beta, 0.0));
        bands.push(Band { name: format!("optimum, beta {beta}"), colour, points: line.to_vec() });
        bands.push(Band { name: format!("measured, beta {beta}"), colour: colour + 1, points });
        colour += 2;
    }
    if !bands.is_empty() {
        body.push_str(&html::paragraph(
            "With positives from p and negatives from q, DPO ends at pi_ref (p/q)^(1/beta), if it ends: over ln(p/q) the change \
             ln(pi/pi_ref) is a line of slope 1/beta. Items are put together by popularity; for each group the mean change \
             is shown. What is short of the line is what so many steps do not reach.",
        ));
        let title = "ln(pi/pi_ref)";
        body.push_str(&html::figure(
            &charts::bands(&bands, "preference-theory", "ln(p/q)", title),
            "DPO with random negatives: the optimum of the population loss and what was measured after the last round.",
        ));
    }
    let distances = by_round(comparison, "data-distance");
    if !distances.is_empty() {
        body.push_str(&html::figure(
            &charts::bands(&distances, "preference-distance", "round", "distance to the data"),
            "Total variation between the policy's mean distribution over items and the targets' of the training rows: \
             the data is the fixed point of self-play, and none of DPO with random negatives.",
        ));
    }
    (!body.is_empty()).then(|| section("preference-theory-section", "Theory and measurement", body))
}
