//! Rating prediction: study user and item, blend what the models expect.

use rec_core::Json;

use crate::action::AgentRole;
use crate::action::{ManagerAction, Subject};
use crate::calibration::Calibration;
use crate::decider::Decision;
use crate::view::{AgentView, Claim};

use super::{analyse, claim, f64_at, manage, next_of, workers};

/// Ratings of an item below which its models are trusted by halves.
const THIN: f64 = 5.0;

pub(super) fn decide(view: &AgentView, calibration: &Calibration) -> Decision {
    let (Some(user), Some(item)) = (&view.task.user, &view.task.item) else {
        return finish("Without user and item there is only the scale.", midpoint(view), Vec::new());
    };
    let mut steps: Vec<(ManagerAction, String)> = Vec::new();
    if view.has(AgentRole::Analyst) {
        steps.push((analyse(Subject::User, user), format!("How does user {user} rate?")));
        steps.push((
            analyse(Subject::Item, &item.id),
            format!("What do models and others say of item {}?", item.id),
        ));
    } else if view.has(AgentRole::Searcher) {
        let requirement = format!("{}{}", workers::ENTRY, item.name());
        steps.push((ManagerAction::Search { requirement }, "How do others rate it?".into()));
    }
    if let Some(decision) = next_of(view, &steps) {
        return decision;
    }
    let (low, high) = (f64::from(view.task.scale.0), f64::from(view.task.scale.1));
    let (thought, rating, claims) = answer(view, calibration);
    finish(thought, rating.clamp(low, high), claims)
}

fn finish(thought: impl Into<String>, rating: f64, claims: Vec<Claim>) -> Decision {
    let answer = Json::from((rating * 1e4).round() / 1e4);
    Decision { claims, ..manage(thought, ManagerAction::Finish { answer }) }
}

fn midpoint(view: &AgentView) -> f64 {
    f64::from(f32::midpoint(view.task.scale.0, view.task.scale.1))
}

/// The mean of the shown history, shrunk towards all ratings' mean; items that share genres with the target count more.
fn shown_mean(view: &AgentView, calibration: &Calibration) -> f64 {
    let genres = view.task.item.as_ref().map(|item| item.genres.as_slice()).unwrap_or_default();
    let (mut sum, mut weight) = (3.0 * calibration.mean, 3.0);
    for line in &view.task.history {
        let both = line.item.genres.iter().filter(|genre| genres.contains(genre)).count();
        let all = line.item.genres.len() + genres.len() - both;
        let own = 1.0 + 2.0 * both as f64 / all.max(1) as f64;
        sum += own * f64::from(line.rating);
        weight += own;
    }
    sum / weight
}

fn answer(view: &AgentView, calibration: &Calibration) -> (String, f64, Vec<Claim>) {
    let own = shown_mean(view, calibration);
    let predictions = view.find("/predict_rating/predictions").and_then(|(_, value)| value.as_array());
    if let Some(predictions) = predictions {
        let named =
            predictions.iter().filter_map(|row| Some((row.get("model")?.as_str()?, f64_at(row, "/rating")?)));
        let blended = calibration.blend_rating(named);
        let count =
            view.find("/predict_rating/item_count").and_then(|(_, count)| count.as_f64()).unwrap_or(0.0);
        let mut rating = blended;
        let mut thought = format!("The models' blend is {blended:.2}");
        let user_mean = view.find("/user_info/mean").and_then(|(_, mean)| mean.as_f64());
        if let Some(mean) = user_mean.filter(|_| count < THIN) {
            let trust = (count + THIN) / (2.0 * THIN);
            rating = trust * blended + (1.0 - trust) * mean;
            thought +=
                &format!("; the item has only {count} ratings, so the user's mean {mean:.2} counts as well");
        }
        if let Some(taste) = like_minded(view) {
            rating = 0.85 * rating + 0.15 * taste;
            thought += &format!("; people of like taste gave {taste:.2}");
        }
        let claims = [
            claim(view, None, "what the models expect", "/predict_rating/predictions"),
            claim(view, None, "the user's mean", "/user_info/mean"),
            claim(view, None, "ratings of the item", "/predict_rating/item_count"),
        ];
        return (thought + ".", rating, claims.into_iter().flatten().collect());
    }
    let entry = view.find("/lookup").filter(|(_, entry)| {
        entry.pointer("/item/id").and_then(Json::as_str)
            == view.task.item.as_ref().map(|item| item.id.as_str())
    });
    if let Some((_, entry)) = entry
        && let (Some(mean), Some(count)) = (f64_at(entry, "/mean"), f64_at(entry, "/count"))
    {
        let offset = (mean - calibration.mean) * count / (count + 10.0);
        let thought =
            format!("The shown history says {own:.2}, others put the item {offset:+.2} from the mean.");
        let claims = claim(view, None, "the item's mean", "/lookup/mean").into_iter().collect();
        return (thought, own + offset, claims);
    }
    (format!("Only the shown history is known; its mean is {own:.2}."), own, Vec::new())
}

/// The mean rating of the users most like this one, weighed by likeness; nothing from fewer than three.
fn like_minded(view: &AgentView) -> Option<f64> {
    let (_, users) = view.find("/similar_users/users")?;
    let rows: Vec<(f64, f64)> = users
        .as_array()?
        .iter()
        .filter_map(|row| Some((f64_at(row, "/likeness")?, f64_at(row, "/rating")?)))
        .filter(|(likeness, _)| *likeness > 0.0)
        .collect();
    let weight: f64 = rows.iter().map(|(likeness, _)| likeness).sum();
    (rows.len() >= 3 && weight > 0.0)
        .then(|| rows.iter().map(|(likeness, rating)| likeness * rating).sum::<f64>() / weight)
}
