//! Models at work: ratings, rankings, evidence, recommendations.

use rec_core::json::Object;
use rec_core::{ItemId, Json};

use super::{card_json, integer, mean, number, object, read, read_item, read_set, read_user, shown};
use crate::action::Kind;
use crate::calibration::{ranking_scores, standardised};
use crate::index::Rated;
use crate::knowledge::Knowledge;
use crate::limits;
use crate::request::Request;
use crate::tool::{ToolContext, ToolError, ToolOutput};

/// Items of a history that are listed as evidence.
const EVIDENCE: usize = 5;

pub(super) fn predict_rating(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let user = read_user(context, arguments)?;
    let item = read_item(context, arguments)?;
    let knowledge = context.knowledge;
    let history = knowledge.index.user(user, context.cut_off);
    let (low, high) = knowledge.scale;
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for model in &knowledge.models.raters {
        let found = model.predict(history, item);
        let rating = f64::from(found.rating.clamp(low, high));
        lines.push(format!("{}: {rating:.2} (from {} ratings)", model.name(), found.support));
        rows.push(object([
            ("model", model.name().into()),
            ("rating", number(rating)),
            ("support", integer(found.support as usize)),
        ]));
    }
    let value = object([
        ("predictions", Json::Array(rows)),
        ("item_count", integer(knowledge.count(item, context.cut_off))),
    ]);
    Ok(ToolOutput { value, text: lines.join("; ") })
}

pub(super) fn rank_candidates(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let user = read_user(context, arguments)?;
    let Some(items) = read_set(context, arguments)? else {
        return Err(ToolError("The catalogue is too large to be ranked whole; use `recommend`.".into()));
    };
    let items = &items[..items.len().min(limits::LIST)];
    let knowledge = context.knowledge;
    let history = knowledge.index.user(user, context.cut_off);
    let columns = ranking_scores(knowledge, Some(user), history, items, context.cut_off)?;
    let cards: Vec<_> = items.iter().map(|&item| knowledge.card(item)).collect();
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for (name, scores) in &columns {
        let mut order: Vec<usize> = (0..items.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(items[a].cmp(&items[b])));
        let best: Vec<String> = order.iter().map(|&at| cards[at].id.clone()).collect();
        lines.push(format!("{name}: {}", best.join(", ")));
        let scores = scores.iter().map(|&score| number(score.into())).collect();
        rows.push(object([("model", name.as_str().into()), ("scores", Json::Array(scores))]));
    }
    let ids: Vec<&str> = cards.iter().map(|card| card.id.as_str()).collect();
    let value = object([("items", Json::from(ids)), ("models", Json::Array(rows))]);
    Ok(ToolOutput { value, text: format!("Best first. {}", lines.join("; ")) })
}

/// What each item of `history` contributes to the score of `item`, largest first, only what speaks for it.
fn contributions(knowledge: &Knowledge, history: &[Rated], item: ItemId) -> Vec<(Rated, f32)> {
    let mut found: Vec<(Rated, f32)> = history
        .iter()
        .filter(|rated| rated.item() != item)
        .map(|rated| (*rated, knowledge.models.ease.weight(rated.item(), item)))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.other.cmp(&b.0.other)));
    found
}

pub(super) fn explain_evidence(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let user = read_user(context, arguments)?;
    let item = read_item(context, arguments)?;
    let history = context.knowledge.index.user(user, context.cut_off);
    Ok(evidence(context, history, &[], item))
}

/// What `history` says for `item`. Items of it that were only `spoken` of as liked have no rating to tell of.
fn evidence(context: &ToolContext<'_>, history: &[Rated], spoken: &[ItemId], item: ItemId) -> ToolOutput {
    let knowledge = context.knowledge;
    let card = knowledge.card(item);
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for (rated, weight) in contributions(knowledge, history, item).into_iter().take(EVIDENCE) {
        let own = knowledge.card(rated.item());
        let shared: Vec<String> =
            own.genres.iter().filter(|genre| card.genres.contains(genre)).cloned().collect();
        let how = if spoken.contains(&rated.item()) {
            "named as liked".to_owned()
        } else {
            format!("rated {}", rated.rating)
        };
        lines.push(format!("{} {how} (weight {weight:.3}; shared: {})", shown(&own), shared.join(", ")));
        rows.push(object([
            ("item", card_json(&own)),
            ("rating", number(rated.rating.into())),
            ("weight", number(weight.into())),
            ("shared_genres", Json::from(shared)),
        ]));
    }
    // How the person rates what has the item's genres.
    let mut genres = Vec::new();
    for genre in &card.genres {
        let rated = history.iter().filter(|rated| knowledge.card(rated.item()).genres.contains(genre));
        let ratings: Vec<f32> = rated.map(|rated| rated.rating).collect();
        if let Some(average) = mean(ratings.iter().copied()) {
            genres.push(object([
                ("genre", genre.as_str().into()),
                ("count", integer(ratings.len())),
                ("mean", number(average)),
            ]));
        }
    }
    let ratings = knowledge.index.item(item, context.cut_off);
    let value = object([
        ("item", card_json(&card)),
        ("contributions", Json::Array(rows)),
        ("genres", Json::Array(genres)),
        ("user_mean", mean(history.iter().map(|rated| rated.rating)).map_or(Json::Null, number)),
        ("item_mean", mean(ratings.iter().map(|rated| rated.rating)).map_or(Json::Null, number)),
        ("item_count", integer(ratings.len())),
    ]);
    let text = if lines.is_empty() {
        format!("Nothing in the history speaks for {}.", shown(&card))
    } else {
        format!("For {}: {}", shown(&card), lines.join("; "))
    };
    ToolOutput { value, text }
}

/// Scores the catalogue by EASE over likes (and against dislikes) with a little popularity, keeps what meets the request,
/// and chooses a varied list by maximal marginal relevance.
pub(super) fn recommend(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let request: Request = read(arguments, "request", Kind::Request)?;
    let knowledge = context.knowledge;
    let liked = resolve(knowledge, &request.liked)?;
    let disliked = resolve(knowledge, &request.disliked)?;
    let excluded = resolve(knowledge, &request.exclude)?;
    let own = history_of(context, &request)?;
    let unknown = |genre: &&String| knowledge.genres().iter().all(|known| !known.eq_ignore_ascii_case(genre));
    if let Some(genre) = request.genres.iter().chain(&request.without_genres).find(unknown) {
        let genre = crate::untrusted::clip(genre, 60);
        return Err(ToolError(format!(
            "There is no genre {genre:?}; there are {}.",
            knowledge.genres().join(", ")
        )));
    }
    let n = knowledge.dataset.n_items();
    let mut scores = vec![0.0_f32; n];
    for rated in own {
        knowledge.models.ease.add(rated.item(), 1.0, &mut scores);
    }
    // What was just said weighs as much as a whole history.
    let weight = (own.len() as f32 / liked.len().max(1) as f32).max(1.0);
    for &item in &liked {
        knowledge.models.ease.add(item, weight, &mut scores);
    }
    for &item in &disliked {
        knowledge.models.ease.add(item, -weight, &mut scores);
    }
    let seen = |item: ItemId| own.iter().any(|rated| rated.item() == item);
    let pool: Vec<ItemId> = (0..n)
        .map(ItemId::from_index)
        .filter(|&item| {
            knowledge.is_active(item)
                && knowledge.meets(item, &request)
                && !excluded.contains(&item)
                && !liked.contains(&item)
                && !disliked.contains(&item)
                && !seen(item)
        })
        .collect();
    let relevance: Vec<f32> = pool.iter().map(|item| scores[item.index()]).collect();
    let popularity: Vec<f32> =
        pool.iter().map(|&item| (knowledge.count(item, context.cut_off) as f32 + 1.0).ln()).collect();
    let quality: Vec<f32> = pool.iter().map(|&item| knowledge.models.bias.item(item)).collect();
    let known = !liked.is_empty() || !own.is_empty() || !disliked.is_empty();
    let weights = if known { (1.0, 0.15, 0.25) } else { (0.0, 0.6, 1.0) };
    let (a, b, c) = (standardised(&relevance), standardised(&popularity), standardised(&quality));
    let blended: Vec<f64> =
        (0..pool.len()).map(|at| weights.0 * a[at] + weights.1 * b[at] + weights.2 * c[at]).collect();
    let count = request.count.unwrap_or(5).min(20) as usize;
    let chosen = varied(knowledge, &pool, &blended, count);

    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for &at in &chosen {
        let item = pool[at];
        let mut value = said(context, &liked, own, item).value;
        let card = knowledge.card(item);
        lines.push(format!("{} ({}): {:.2}", shown(&card), card.genres.join(", "), blended[at]));
        if let Some(members) = value.as_object_mut() {
            members.insert("score".into(), number(blended[at]));
        }
        rows.push(value);
    }
    context.bus.insert("recommended".into(), chosen.iter().map(|&at| pool[at]).collect());
    let text = if lines.is_empty() { "No item meets the request.".to_owned() } else { lines.join("; ") };
    let value =
        object([("set", "recommended".into()), ("pool", integer(pool.len())), ("items", Json::Array(rows))]);
    Ok(ToolOutput { value, text })
}

fn resolve(knowledge: &Knowledge, ids: &[String]) -> Result<Vec<ItemId>, ToolError> {
    let item = |id: &String| {
        let unknown = || ToolError(format!("There is no item {:?}.", crate::untrusted::clip(id, 60)));
        knowledge.item(id).ok_or_else(unknown)
    };
    ids.iter().take(limits::LIST).map(item).collect()
}

fn history_of<'a>(context: &ToolContext<'a>, request: &Request) -> Result<&'a [Rated], ToolError> {
    let Some(id) = &request.user else { return Ok(&[]) };
    let unknown = || ToolError(format!("There is no user {:?}.", crate::untrusted::clip(id, 60)));
    let user = context.knowledge.user(id).ok_or_else(unknown)?;
    Ok(context.knowledge.index.user(user, context.cut_off))
}

/// Evidence from what was said and from a known history. What was only said has no rating to tell of.
fn said(context: &ToolContext<'_>, liked: &[ItemId], own: &[Rated], item: ItemId) -> ToolOutput {
    let spoken = liked.iter().map(|item| Rated { other: item.0, rating: context.knowledge.scale.1, rank: 0 });
    let base: Vec<Rated> = spoken.chain(own.iter().copied()).collect();
    let mut found = evidence(context, &base, liked, item);
    if let Some(members) = found.value.as_object_mut() {
        if own.is_empty() {
            members.shift_remove("user_mean");
            members.shift_remove("genres");
        }
        if let Some(Json::Array(rows)) = members.get_mut("contributions") {
            for row in rows {
                let id =
                    row.pointer("/item/id").and_then(Json::as_str).and_then(|id| context.knowledge.item(id));
                if let (Some(id), Some(members)) = (id, row.as_object_mut())
                    && liked.contains(&id)
                {
                    members.shift_remove("rating");
                    members.insert("said".into(), true.into());
                }
            }
        }
    }
    found
}

pub(super) fn explain_request(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let item = read_item(context, arguments)?;
    let request: Request = read(arguments, "request", Kind::Request)?;
    let liked = resolve(context.knowledge, &request.liked)?;
    let own = history_of(context, &request)?;
    Ok(said(context, &liked, own, item))
}

/// The places of `count` items: the best first, then what is good and unlike what was chosen (Carbonell and Goldstein,
/// SIGIR 1998; likeness by shared genres and by common users).
fn varied(knowledge: &Knowledge, pool: &[ItemId], scores: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pool.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(pool[a].cmp(&pool[b])));
    order.truncate(count.max(1) * 6);
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    while chosen.len() < count && !order.is_empty() {
        let value = |&at: &usize| {
            let alike = chosen.iter().map(|&other| {
                let cosine = knowledge.models.item_knn.likeness(pool[at], pool[other]);
                f64::from(0.5 * knowledge.genre_overlap(pool[at], pool[other]) + 0.5 * cosine)
            });
            scores[at] - 0.8 * alike.fold(0.0, f64::max)
        };
        let best =
            (0..order.len()).max_by(|&a, &b| value(&order[a]).total_cmp(&value(&order[b])).then(b.cmp(&a)));
        let Some(best) = best else { break };
        chosen.push(order.remove(best));
    }
    chosen
}

pub(super) fn filter_candidates(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let request: Request = read(arguments, "request", Kind::Request)?;
    let items = read_set(context, arguments)?;
    let knowledge = context.knowledge;
    let all = || {
        (0..knowledge.dataset.n_items())
            .map(ItemId::from_index)
            .filter(|&item| knowledge.is_active(item))
            .collect()
    };
    let items: Vec<ItemId> = items.unwrap_or_else(all);
    let before = items.len();
    let kept: Vec<ItemId> = items.into_iter().filter(|&item| knowledge.meets(item, &request)).collect();
    let cards: Vec<_> = kept.iter().take(5).map(|&item| knowledge.card(item)).collect();
    let text = format!(
        "{} of {before} items meet it; the first: {}",
        kept.len(),
        cards.iter().map(shown).collect::<Vec<_>>().join("; ")
    );
    let value = object([
        ("set", "filtered".into()),
        ("size", integer(kept.len())),
        ("first", Json::Array(cards.iter().map(card_json).collect())),
    ]);
    context.bus.insert("filtered".into(), kept);
    Ok(ToolOutput { value, text })
}
