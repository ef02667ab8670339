//! The sections of a report that a comparison of policies fills.

use rec_core::statistics::{mean, standard_deviation};

use super::charts::{self, Band, Place, Span};
use super::html::{self, Cell, Mark, Section};
use super::sections::{made_by, plain_value};
use crate::policies::outcome::{PolicyComparison, PolicyResult, SHOWN, TAIL, value_of};
use crate::policies::published;
use crate::settings::leaves;
use crate::table;

/// What policies are compared by first.
const REWARD: &str = "fb_cumulative_reward";

/// The finding in a sentence or two.
pub fn lead(comparison: &PolicyComparison) -> String {
    let Some(best) = comparison.best(REWARD) else { return "No policy finished.".into() };
    let value = |name: &str| best.tail(name).map_or(0.0, |estimate| estimate.mean);
    let mut text = format!(
        "Of {} policies in the world {}, {} earns the most from an episode: {:.2} in {:.1} turns.",
        comparison.policies.iter().filter(|policy| !policy.runs.is_empty()).count(),
        world(comparison, "name"),
        best.name,
        value(REWARD),
        value("fb_length")
    );
    let random = comparison.policies.iter().find(|policy| policy.name == "random");
    if let Some(random) = random.filter(|random| random.name != best.name).and_then(|r| r.tail(REWARD)) {
        text.push_str(&format!(" Random items earn {:.2}.", random.mean));
    }
    text
}

fn world(comparison: &PolicyComparison, key: &str) -> String {
    comparison.world.get(key).map_or_else(String::new, |value| plain_value(key, value))
}

/// The line of facts under the finding.
pub fn facts_line(comparison: &PolicyComparison) -> String {
    let seeds: Vec<String> = comparison.seeds.iter().map(u64::to_string).collect();
    format!(
        "world {}: {} users, {} items, quit rule {} with window {} and threshold {} · {} epochs · seeds {}",
        world(comparison, "name"),
        world(comparison, "users"),
        world(comparison, "items"),
        world(comparison, "quit_rule"),
        world(comparison, "quit_window"),
        world(comparison, "quit_threshold"),
        comparison.epochs,
        seeds.join(", ")
    )
}

/// All sections of a page of its own, in order.
pub fn all(comparison: &PolicyComparison, command: &str) -> Vec<Section> {
    let mut sections = results(comparison);
    let body = made_by(&comparison.machine, &comparison.device, command);
    sections.push(section("policy-origin", "How this was made", body));
    sections
}

/// The sections that tell what was found, in order.
pub fn results(comparison: &PolicyComparison) -> Vec<Section> {
    vec![long_term(comparison), trade(comparison), settings(comparison)]
}

fn section(id: &str, title: &str, body: String) -> Section {
    Section { id: id.into(), title: title.into(), body }
}

/// The finished policies with their places in the palette.
fn finished(comparison: &PolicyComparison) -> impl Iterator<Item = (usize, &PolicyResult)> {
    comparison.policies.iter().enumerate().filter(|(_, policy)| !policy.runs.is_empty())
}

fn long_term(comparison: &PolicyComparison) -> Section {
    let mut body = html::paragraph(
        "Here a recommendation is a turn of an episode: a simulated user pays a reward for each item and leaves when \
         the latest ones resemble each other too much. A policy learns on what a user model predicts from the log, and \
         is judged on the true rewards, which it never sees.",
    );
    let bands: Vec<Band> = finished(comparison)
        .map(|(colour, policy)| Band { name: policy.name.clone(), colour, points: by_epoch(policy) })
        .filter(|band| !band.points.is_empty())
        .collect();
    if bands.is_empty() {
        body.push_str(&html::paragraph("No run finished."));
    } else {
        let caption = "Cumulative reward of an episode on the true rewards after each epoch, items may come again: mean \
                       over seeds, one sample deviation to either side shaded.";
        body.push_str(&html::figure(
            &charts::bands(&bands, "policy-curves", "epoch", "cumulative reward"),
            caption,
        ));
        body.push_str(&results_table(comparison));
    }
    for policy in &comparison.policies {
        for (seed, why) in &policy.failures {
            body.push_str(&html::alert(&format!("{} with seed {seed} failed: {why}", policy.name)));
        }
    }
    section("policies", "Policies over whole episodes", body)
}

/// For each epoch that all runs have (epoch, mean, deviation) of the cumulative reward.
fn by_epoch(policy: &PolicyResult) -> Vec<(f64, f64, f64)> {
    let epochs = policy.runs.iter().map(|run| run.epochs.len()).min().unwrap_or(0);
    (0..epochs)
        .filter_map(|at| {
            let of = |run: &crate::policies::outcome::PolicyRun| run.epochs[at].values.get(REWARD).copied();
            let values: Vec<f64> = policy.runs.iter().map(of).collect::<Option<_>>()?;
            let std = if values.len() > 1 { standard_deviation(&values) } else { 0.0 };
            Some((policy.runs[0].epochs[at].epoch as f64, mean(&values), std))
        })
        .collect()
}

fn results_table(comparison: &PolicyComparison) -> String {
    let has_published = comparison.policies.iter().any(|policy| policy.published.is_some());
    let shown: Vec<_> = SHOWN
        .iter()
        .filter(|(key, ..)| comparison.policies.iter().any(|policy| value_of(policy, key).is_some()))
        .collect();
    let mut head = vec!["policy".to_owned()];
    head.extend(shown.iter().map(|(_, heading, _)| comparison.heading(heading)));
    head.insert(2, "95 % interval".into());
    if has_published {
        head.push("published reward / length / per turn".into());
    }
    head.extend(["steps per second", "time"].map(str::to_owned));
    let best = comparison.best(REWARD).map(|policy| policy.name.as_str());
    let rows: Vec<(String, Vec<Cell>)> = comparison
        .policies
        .iter()
        .map(|policy| {
            let mut cells: Vec<Cell> = shown
                .iter()
                .map(|(key, _, digits)| {
                    let Some(value) = value_of(policy, key) else { return Cell::plain("–") };
                    let is_best = *key == REWARD && best == Some(policy.name.as_str());
                    Cell {
                        text: format!("{:.*}", *digits, value.mean),
                        deviation: (policy.runs.len() > 1).then(|| format!("{:.*}", *digits, value.std)),
                        mark: if is_best { Mark::Best } else { Mark::None },
                    }
                })
                .collect();
            let interval = policy.tail(REWARD).and_then(|value| Some((value.mean, value.ci95?)));
            let interval = interval
                .map_or("–".into(), |(mean, half)| format!("{:.2} to {:.2}", mean - half, mean + half));
            cells.insert(1, Cell::plain(interval));
            if has_published {
                cells.push(Cell::plain(policy.published.as_ref().map_or("–".into(), |value| {
                    format!("{:.2} / {:.2} / {:.3}", value.fb[0], value.fb[1], value.fb[2])
                })));
            }
            let rate = policy.steps_per_second().map_or("–".into(), |rate| table::grouped(rate as usize));
            cells.push(Cell::plain(rate));
            cells.push(Cell::plain(policy.seconds().map_or("–".into(), table::seconds)));
            (policy.name.clone(), cells)
        })
        .collect();
    let window = (comparison.epochs as f64 * TAIL).ceil() as usize;
    let caption = format!(
        "Means over the last {window} of {} epochs, then over seeds, ± sample deviation. NX0: no item comes again; NX{}: \
         nor does the user leave, for {} turns",
        comparison.epochs, comparison.forced_length, comparison.forced_length
    );
    let mut out = html::table(&caption, &head, &rows);
    let mut note = "The interval is of the mean over seeds (Student). Dominance is the share of recommendations from the \
                    majority categories; lower spreads wider. Steps per second are of training with one run per core."
        .to_owned();
    if has_published {
        note.push_str(&format!(" Published: one run each. {}.", published::source()));
    }
    out.push_str(&format!("<p class=\"note\">{}</p>", super::svg::escape(&note)));
    out
}

fn trade(comparison: &PolicyComparison) -> Section {
    let mut body = html::paragraph(
        "A user who stays longer pays more often, and stays longer for variety; but what is various is not always what is \
         liked best. The two pictures show which policies buy reward with length, and at what diversity.",
    );
    let mut drawn = false;
    let most_turns = comparison.world.get("most_turns").and_then(serde_json::Value::as_f64);
    for (key, id, title, possible) in [
        (
            "fb_length",
            "policy-trade-length",
            "turns of an episode",
            (1.0, most_turns.unwrap_or(f64::INFINITY)),
        ),
        ("fb_diversity", "policy-trade-diversity", "diversity within an episode", (0.0, 1.0)),
    ] {
        let places: Vec<Place> = finished(comparison)
            .filter_map(|(colour, policy)| {
                let (x, y) = (policy.tail(key)?, policy.tail(REWARD)?);
                Some(Place {
                    name: policy.name.clone(),
                    colour,
                    x: Span::within(x.mean, x.ci95.unwrap_or(0.0), possible),
                    y: Span::within(y.mean, y.ci95.unwrap_or(0.0), (f64::NEG_INFINITY, f64::INFINITY)),
                })
            })
            .collect();
        if places.is_empty() {
            continue;
        }
        drawn = true;
        let caption = format!(
            "Cumulative reward against {title}; the bars are 95 % intervals of the mean over seeds, within what can be."
        );
        body.push_str(&html::figure(&charts::scatter(&places, id, title, "cumulative reward"), &caption));
    }
    if !drawn {
        body = html::paragraph("No run finished.");
    }
    section("policy-trade", "Reward against length and diversity", body)
}

fn settings(comparison: &PolicyComparison) -> Section {
    let rows: Vec<(String, String)> = comparison
        .world
        .iter()
        .map(|(key, value)| (key.replace('_', " "), plain_value(key, value)))
        .collect();
    let mut body = html::facts("World", &rows);
    let defects: Vec<String> = leaves(&comparison.compat)
        .into_iter()
        .filter(|(_, on)| on.as_bool() == Some(true))
        .map(|(name, _)| name)
        .collect();
    body.push_str(&html::paragraph(&match defects.is_empty() {
        true => "None of the reference implementation's defects is repeated.".to_owned(),
        false => {
            format!("Defects of the reference implementation that are repeated: {}.", defects.join(", "))
        }
    }));
    body.push_str("<h3>Settings as used</h3>");
    let lines = |config: &serde_json::Value| {
        let lines: Vec<String> =
            leaves(config).iter().map(|(path, value)| format!("{path} = {value}")).collect();
        lines.join("\n")
    };
    for policy in &comparison.policies {
        body.push_str(&html::details(&format!("{}: {}", policy.name, policy.about), &lines(&policy.config)));
    }
    for (kind, config) in &comparison.user_models {
        body.push_str(&html::details(&format!("user model: {kind}"), &lines(config)));
    }
    section("policy-settings", "World and settings", body)
}
