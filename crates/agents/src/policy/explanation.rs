//! Why a user gave an item its rating: evidence first, then sentences, each claim tied to the observation it rests on.

use rand::RngExt;
use rec_core::{Json, random};

use crate::action::{AgentRole, ManagerAction, Subject};
use crate::decider::Decision;
use crate::polarity::Polarity;
use crate::view::{AgentView, Claim};

use super::{analyse, claim, f64_at, listed, manage, name_at, next_of, workers};

pub(super) fn decide(view: &AgentView) -> Decision {
    let (Some(user), Some(item), Some(rating)) = (&view.task.user, &view.task.item, view.task.rating) else {
        let answer = Json::from("Without user, item and rating there is nothing to explain.");
        return manage("Something is missing.", ManagerAction::Finish { answer });
    };
    let mut steps: Vec<(ManagerAction, String)> = Vec::new();
    if view.has(AgentRole::Analyst) {
        steps.push((analyse(Subject::User, user), format!("How does user {user} rate in general?")));
        steps.push((
            analyse(Subject::Item, &item.id),
            format!("What in the history has to do with item {}?", item.id),
        ));
    } else if view.has(AgentRole::Searcher) {
        let requirement = format!("{}{}", workers::ENTRY, item.name());
        steps.push((ManagerAction::Search { requirement }, "How do others rate it?".into()));
    }
    if let Some(decision) = next_of(view, &steps) {
        return decision;
    }
    let (text, claims) = write(view, rating);
    let thought = format!("{} statements, each with its evidence.", claims.len());
    Decision { claims, ..manage(thought, ManagerAction::Finish { answer: text.into() }) }
}

fn write(view: &AgentView, rating: f32) -> (String, Vec<Claim>) {
    let item = view.task.item.as_ref().map(|item| item.name()).unwrap_or_default();
    let shown: Vec<f64> = view.task.history.iter().map(|line| line.rating.into()).collect();
    let shown_mean = (!shown.is_empty()).then(|| shown.iter().sum::<f64>() / shown.len() as f64);
    let mean = view.find("/user_info/mean").and_then(|(_, mean)| mean.as_f64()).or(shown_mean);
    let step = f64::from(view.task.scale.1 - view.task.scale.0) / 8.0;
    let polarity = match mean.map(|mean| f64::from(rating) - mean) {
        Some(above) if above >= step => Polarity::Up,
        Some(below) if below <= -step => Polarity::Down,
        _ => Polarity::Level,
    };
    let mut random = random::stream(0, &view.task.sample, 0);
    let mut sentences = Vec::new();
    let mut claims: Vec<Claim> = Vec::new();
    let opening = match polarity {
        Polarity::Up => ["liked it more than most", "rates it well above their habit"],
        Polarity::Down => ["liked it less than most", "rates it well below their habit"],
        Polarity::Level => {
            ["finds it about as good as most of what they watch", "rates it close to their habit"]
        }
    };
    let opening = opening[random.random_range(0..opening.len())];
    claims.push(Claim {
        item: None,
        text: format!("the rating {rating}"),
        observation: "task".into(),
        pointer: "/rating".into(),
        value: rating_json(view),
    });
    match mean {
        Some(mean) => {
            sentences.push(format!("The user gave {item} {rating} and {opening}: their mean is {mean:.2}."));
            claims.extend(claim(view, None, format!("the user's mean {mean:.2}"), "/user_info/mean"));
        }
        None => sentences.push(format!("The user gave {item} {rating}; nothing else they rated is known.")),
    }
    evidence_sentence(view, polarity, &mut sentences, &mut claims);
    genre_sentence(view, polarity, &mut sentences, &mut claims);
    others_sentence(view, rating, &mut sentences, &mut claims);
    if claims.len() < 2 {
        shown_sentence(view, polarity, &mut sentences, &mut claims);
    }
    (sentences.join(" "), claims)
}

/// The rating as it stands in the task's JSON.
fn rating_json(view: &AgentView) -> Json {
    let text = serde_json::to_string(&view.task).unwrap_or_default();
    text.parse::<Json>().ok().and_then(|task| task.pointer("/rating").cloned()).unwrap_or_default()
}

/// Up to three rated items that speak for the item, those whose rating points the same way first.
fn evidence_sentence(
    view: &AgentView,
    polarity: Polarity,
    sentences: &mut Vec<String>,
    claims: &mut Vec<Claim>,
) {
    let Some((_, rows)) = view.find("/explain_evidence/contributions") else { return };
    let mean = view.find("/explain_evidence/user_mean").and_then(|(_, mean)| mean.as_f64()).unwrap_or(0.0);
    let fits = |row: &Json| {
        let rating = f64_at(row, "/rating").unwrap_or(mean);
        match polarity {
            Polarity::Up => rating >= mean,
            Polarity::Down => rating <= mean,
            Polarity::Level => true,
        }
    };
    let rows = rows.as_array().unwrap_or_default();
    let chosen: Vec<usize> = (0..rows.len()).filter(|&at| fits(&rows[at])).take(3).collect();
    let mut names = Vec::new();
    for at in chosen {
        let (Some(name), Some(rating)) = (name_at(&rows[at], "/item"), f64_at(&rows[at], "/rating")) else {
            continue;
        };
        let text = format!("{name} was rated {rating}");
        names.push(format!("{name} ({rating})"));
        claims.extend(claim(view, None, text, &format!("/explain_evidence/contributions/{at}")));
    }
    if !names.is_empty() {
        let link = match polarity {
            Polarity::Up => "It goes with what they took to before:",
            Polarity::Down => "What is nearest to it in their history did not do well either:",
            Polarity::Level => "People who take it also take these, which they rated:",
        };
        sentences.push(format!("{link} {}.", listed(&names)));
    }
}

/// The genre of the item whose mean with this user is furthest in the direction of the rating.
fn genre_sentence(
    view: &AgentView,
    polarity: Polarity,
    sentences: &mut Vec<String>,
    claims: &mut Vec<Claim>,
) {
    let Some((_, rows)) = view.find("/explain_evidence/genres") else { return };
    let mean = view.find("/explain_evidence/user_mean").and_then(|(_, mean)| mean.as_f64()).unwrap_or(0.0);
    let lift = |row: &Json| {
        let count = f64_at(row, "/count").unwrap_or(0.0);
        let sign = if polarity == Polarity::Down { -1.0 } else { 1.0 };
        sign * (f64_at(row, "/mean").unwrap_or(mean) - mean) * count / (count + 5.0)
    };
    let rows = rows.as_array().unwrap_or_default();
    let best = (0..rows.len()).max_by(|&a, &b| lift(&rows[a]).total_cmp(&lift(&rows[b])).then(b.cmp(&a)));
    let Some(at) = best.filter(|&at| polarity != Polarity::Level && lift(&rows[at]) > 0.05) else { return };
    let (Some(genre), Some(own)) = (rows[at].get("genre").and_then(Json::as_str), f64_at(&rows[at], "/mean"))
    else {
        return;
    };
    let how = if polarity == Polarity::Up { "more" } else { "less" };
    sentences.push(format!("{genre} is a genre they rate {how} kindly than others (mean {own:.2})."));
    claims.extend(claim(
        view,
        None,
        format!("{genre}: mean {own:.2}"),
        &format!("/explain_evidence/genres/{at}"),
    ));
}

/// Whether others agree.
fn others_sentence(view: &AgentView, rating: f32, sentences: &mut Vec<String>, claims: &mut Vec<Claim>) {
    for tool in ["explain_evidence/item_mean", "lookup/mean"] {
        let pointer = format!("/{tool}");
        let Some(mean) = view.find(&pointer).and_then(|(_, mean)| mean.as_f64()) else { continue };
        let apart = (f64::from(rating) - mean).abs();
        let agrees = apart <= f64::from(view.task.scale.1 - view.task.scale.0) / 5.0;
        let verb = if agrees { "Others agree" } else { "Others see it differently" };
        sentences.push(format!("{verb}: its mean is {mean:.2}."));
        claims.extend(claim(view, None, format!("the item's mean {mean:.2}"), &pointer));
        return;
    }
}

/// Without any report: the item of the shown history that shares most genres.
fn shown_sentence(
    view: &AgentView,
    polarity: Polarity,
    sentences: &mut Vec<String>,
    claims: &mut Vec<Claim>,
) {
    let Some(item) = &view.task.item else { return };
    let shared = |at: usize| {
        view.task.history[at].item.genres.iter().filter(|genre| item.genres.contains(genre)).count()
    };
    let best = (0..view.task.history.len()).max_by_key(|&at| (shared(at), at));
    let Some(at) = best.filter(|&at| shared(at) > 0) else { return };
    let line = &view.task.history[at];
    let genres: Vec<String> =
        line.item.genres.iter().filter(|genre| item.genres.contains(genre)).cloned().collect();
    let how = if polarity == Polarity::Down { "shares" } else { "also has" };
    sentences.push(format!("{} {how} {} and was rated {}.", line.item.name(), listed(&genres), line.rating));
    let text = serde_json::to_string(&view.task).unwrap_or_default();
    let pointer = format!("/history/{at}");
    if let Some(value) = text.parse::<Json>().ok().and_then(|task| task.pointer(&pointer).cloned()) {
        let text = format!("{} was rated {}", line.item.name(), line.rating);
        claims.push(Claim { item: None, text, observation: "task".into(), pointer, value });
    }
}
