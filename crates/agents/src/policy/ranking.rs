//! Sequential recommendation: blend the models' orders; where two candidates are close, look at the evidence for both.

use rec_core::Json;

use crate::action::{AgentRole, ManagerAction, Subject};
use crate::calibration::Calibration;
use crate::decider::Decision;
use crate::knowledge::ItemCard;
use crate::system::Mode;
use crate::view::AgentView;

use super::{analyse, claim, f64_at, manage, next_of, workers};

pub(super) fn decide(view: &AgentView, calibration: &Calibration) -> Decision {
    let Some(user) = &view.task.user else { return finish(view, "Nobody is known.", &by_genres(view)) };
    let mut steps: Vec<(ManagerAction, String)> = Vec::new();
    if view.has(AgentRole::Analyst) {
        steps.push((
            analyse(Subject::User, user),
            format!("Who is user {user}, and how do the models order the candidates?"),
        ));
    } else if view.has(AgentRole::Searcher) {
        let requirement = format!("{}{}", workers::AMONG, liked_words(view));
        steps.push((
            ManagerAction::Search { requirement },
            "Which candidates are like what was liked?".into(),
        ));
    }
    if let Some(decision) = next_of(view, &steps) {
        return decision;
    }
    let Some(mut order) = by_models(view, calibration) else {
        return match by_search(view) {
            Some(scores) => finish(view, "In the order of the search, then of shared genres.", &scores),
            None => finish(
                view,
                "Only the shown history is known: in the order of shared genres.",
                &by_genres(view),
            ),
        };
    };
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let close = order.len() > 1 && order[0].1 - order[1].1 < calibration.margin;
    let both = [order[0].0, order.get(1).map_or(order[0].0, |second| second.0)]
        .map(|at| view.task.candidates[at].id.clone());
    // A planned system looked at nothing that depends on the models' order.
    if close && view.mode == Mode::React && view.has(AgentRole::Analyst) {
        for (at, id) in both.iter().enumerate() {
            let studied = studied(view, id);
            if studied.is_none() && view.remaining > 1 && view.steps.len() < steps.len() + 2 {
                let thought = if at == 0 {
                    format!("{} and {} are close. What speaks for the first?", both[0], both[1])
                } else {
                    "And for the second?".to_owned()
                };
                return manage(thought, analyse(Subject::Item, id));
            }
        }
        if let (Some(first), Some(second)) = (studied(view, &both[0]), studied(view, &both[1])) {
            let (a, b) = (affinity(first), affinity(second));
            // Only clear evidence turns the models' order round.
            if b - a > 0.75 {
                order.swap(0, 1);
                let scores = ranked(&order);
                let thought =
                    format!("The evidence is clearly better for {} ({b:.2} against {a:.2}).", both[1]);
                return finish(view, &thought, &scores);
            }
            let thought = format!("The evidence does not turn the order round ({a:.2} against {b:.2}).");
            return finish(view, &thought, &ranked(&order));
        }
    }
    let margin = order[0].1 - order.get(1).map_or(0.0, |second| second.1);
    finish(
        view,
        &format!("In the order of the blended models; the first leads by {margin:.2}."),
        &ranked(&order),
    )
}

/// Scores that keep an order of places.
fn ranked(order: &[(usize, f64)]) -> Vec<f64> {
    let mut scores = vec![0.0; order.len()];
    for (place, (at, _)) in order.iter().enumerate() {
        scores[*at] = -(place as f64);
    }
    scores
}

fn finish(view: &AgentView, thought: &str, scores: &[f64]) -> Decision {
    let mut order: Vec<usize> = (0..view.task.candidates.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let ids: Vec<&str> = order.iter().map(|&at| view.task.candidates[at].id.as_str()).collect();
    let claims = claim(view, ids.first().copied(), "the models' scores", "/rank_candidates/models")
        .into_iter()
        .collect();
    Decision { claims, ..manage(thought, ManagerAction::Finish { answer: Json::from(ids) }) }
}

/// The blended score of each candidate, by its place in the task.
fn by_models(view: &AgentView, calibration: &Calibration) -> Option<Vec<(usize, f64)>> {
    let (_, found) = view.find("/rank_candidates")?;
    let items = found.get("items")?.as_array()?;
    let columns: Vec<(&str, Vec<f32>)> = found
        .get("models")?
        .as_array()?
        .iter()
        .filter_map(|row| {
            let scores = row.get("scores")?.as_array()?;
            Some((
                row.get("model")?.as_str()?,
                scores.iter().map(|score| score.as_f64().unwrap_or(0.0) as f32).collect(),
            ))
        })
        .collect();
    let blended = calibration.blend_ranking(columns.iter().map(|(name, scores)| (*name, scores.as_slice())));
    let place =
        |id: &Json| view.task.candidates.iter().position(|card| Some(card.id.as_str()) == id.as_str());
    let scored: Vec<(usize, f64)> =
        items.iter().zip(blended).filter_map(|(id, score)| Some((place(id)?, score))).collect();
    (scored.len() == view.task.candidates.len()).then_some(scored)
}

/// The search's score of each candidate, with shared genres where it says nothing.
fn by_search(view: &AgentView) -> Option<Vec<f64>> {
    let (_, found) = view.find("/search/items")?;
    let rows = found.as_array()?;
    let genres = by_genres(view);
    let score = |(card, shared): (&ItemCard, f64)| {
        let own = rows.iter().find(|row| row.pointer("/item/id").and_then(Json::as_str) == Some(&card.id));
        own.and_then(|row| f64_at(row, "/score")).unwrap_or(0.0) + shared
    };
    Some(view.task.candidates.iter().zip(genres).map(score).collect())
}

/// How well the genres of each candidate fit those of the shown history, weighed by its ratings.
fn by_genres(view: &AgentView) -> Vec<f64> {
    let middle = f64::from(f32::midpoint(view.task.scale.0, view.task.scale.1));
    let score = |card: &ItemCard| {
        let line = |line: &crate::task::HistoryLine| {
            let both = line.item.genres.iter().filter(|genre| card.genres.contains(genre)).count();
            let all = line.item.genres.len() + card.genres.len() - both;
            // Taking an item at all says something for it.
            (f64::from(line.rating) - middle + 1.0) * both as f64 / all.max(1) as f64
        };
        view.task.history.iter().map(line).sum()
    };
    view.task.candidates.iter().map(score).collect()
}

/// Genres and decades of what was liked in the shown history, as words.
fn liked_words(view: &AgentView) -> String {
    let middle = f32::midpoint(view.task.scale.0, view.task.scale.1);
    let mut words: Vec<String> = Vec::new();
    for line in view.task.history.iter().filter(|line| line.rating > middle) {
        words.extend(line.item.genres.iter().cloned());
        words.extend(line.item.year.map(|year| format!("{}s", year / 10 * 10)));
    }
    if words.is_empty() {
        words.extend(view.task.history.iter().flat_map(|line| line.item.genres.iter().cloned()));
    }
    words.join(" ")
}

/// The evidence for `id`, if it was gathered.
fn studied<'a>(view: &'a AgentView, id: &str) -> Option<&'a Json> {
    view.steps
        .iter()
        .filter_map(|step| step.observation.value.get("explain_evidence"))
        .find(|found| found.pointer("/item/id").and_then(Json::as_str) == Some(id))
}

/// How much better than usual the user rates the item's genres, and how much of the history speaks for it.
fn affinity(evidence: &Json) -> f64 {
    let mean = f64_at(evidence, "/user_mean").unwrap_or(0.0);
    let genres = evidence.get("genres").and_then(Json::as_array).unwrap_or_default();
    let lifts: Vec<f64> = genres
        .iter()
        .filter_map(|row| {
            let count = f64_at(row, "/count")?;
            Some((f64_at(row, "/mean")? - mean) * count / (count + 5.0))
        })
        .collect();
    let lift = if lifts.is_empty() { 0.0 } else { lifts.iter().sum::<f64>() / lifts.len() as f64 };
    let rows = evidence.get("contributions").and_then(Json::as_array).unwrap_or_default();
    let weight: f64 = rows.iter().filter_map(|row| f64_at(row, "/weight")).sum();
    lift + weight
}
