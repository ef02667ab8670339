//! Items: what is known of them, who rated them, what is like them, how they are found.

use rec_core::json::Object;
use rec_core::{ItemId, Json};

use super::{card_json, integer, mean, number, object, read, read_count, read_item, read_set, shown};
use crate::action::Kind;
use crate::tool::{ToolContext, ToolError, ToolOutput};
use crate::{limits, untrusted};

/// Card, number and mean of the ratings before the cut-off.
fn entry(context: &ToolContext<'_>, item: ItemId) -> (Json, String) {
    let knowledge = context.knowledge;
    let card = knowledge.card(item);
    let ratings = knowledge.index.item(item, context.cut_off);
    let average = mean(ratings.iter().map(|rated| rated.rating));
    let mut text = format!("Item {}", shown(&card));
    if !card.genres.is_empty() {
        text += &format!("; genres: {}", card.genres.join(", "));
    }
    text += &format!("; {} ratings", ratings.len());
    if let Some(average) = average {
        text += &format!(", mean {average:.2}");
    }
    let mut members = vec![
        ("item".to_owned(), card_json(&card)),
        ("count".to_owned(), integer(ratings.len())),
        ("mean".to_owned(), average.map_or(Json::Null, number)),
        ("catalogue_mean".to_owned(), number(knowledge.models.bias.mean.into())),
    ];
    for (name, values) in &knowledge.dataset.catalogue.columns {
        let shown_already = ["release_year", "year"].contains(&name.as_str());
        let value = untrusted::clip(&untrusted::clean(&values[item.index()]), 300);
        if !shown_already && !value.is_empty() {
            text += &format!("; {name}: {}", untrusted::fence(&value));
            members.push((name.clone(), value.into()));
        }
    }
    (members.into_iter().collect(), text + ".")
}

pub(super) fn item_info(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let item = read_item(context, arguments)?;
    let (value, text) = entry(context, item);
    Ok(ToolOutput { value, text })
}

pub(super) fn lookup(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let title: String = read(arguments, "title", Kind::Text)?;
    let found = context.knowledge.titles.find(&untrusted::clip(&title, 200), 4);
    let Some(best) = found.first() else {
        return Err(ToolError(format!("No title is like {:?}.", untrusted::clip(&title, 60))));
    };
    let (value, mut text) = entry(context, best.item);
    let others: Vec<Json> =
        found[1..].iter().map(|other| card_json(&context.knowledge.card(other.item))).collect();
    if best.likeness < 1.0 {
        text = format!("The nearest title (likeness {:.2}). {text}", best.likeness);
    }
    let mut value = value;
    if let Some(members) = value.as_object_mut() {
        members.insert("likeness".into(), number(best.likeness.into()));
        members.insert("others".into(), Json::Array(others));
    }
    Ok(ToolOutput { value, text })
}

pub(super) fn item_history(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let item = read_item(context, arguments)?;
    let k = read_count(arguments)?;
    let ratings = context.knowledge.index.item(item, context.cut_off);
    let latest = &ratings[ratings.len().saturating_sub(k)..];
    let users = &context.knowledge.dataset.users;
    let lines: Vec<String> =
        latest.iter().map(|rated| format!("user {}: {}", users.token(rated.other), rated.rating)).collect();
    let rows = latest.iter().map(|rated| {
        object([("user", users.token(rated.other).into()), ("rating", number(rated.rating.into()))])
    });
    let value = object([
        ("total", integer(ratings.len())),
        ("mean", mean(latest.iter().map(|rated| rated.rating)).map_or(Json::Null, number)),
        ("ratings", Json::Array(rows.collect())),
    ]);
    let text = if lines.is_empty() { "No ratings yet.".to_owned() } else { lines.join("; ") };
    Ok(ToolOutput { value, text })
}

pub(super) fn similar_items(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let item = read_item(context, arguments)?;
    let k = read_count(arguments)?;
    let found = context.knowledge.models.item_knn.neighbours(item, k);
    context.bus.insert("similar".into(), found.iter().map(|scored| scored.item).collect());
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for scored in &found {
        let card = context.knowledge.card(scored.item);
        lines.push(format!("{} ({}): {:.2}", shown(&card), card.genres.join(", "), scored.score));
        rows.push(object([("item", card_json(&card)), ("likeness", number(scored.score.into()))]));
    }
    let text =
        if lines.is_empty() { "Nobody who took it took anything else.".to_owned() } else { lines.join("; ") };
    Ok(ToolOutput { value: object([("set", "similar".into()), ("items", Json::Array(rows))]), text })
}

pub(super) fn search(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let query: String = read(arguments, "query", Kind::Text)?;
    let set = read_set(context, arguments)?;
    let knowledge = context.knowledge;
    let accepts =
        |item: ItemId| set.as_ref().map_or(knowledge.is_active(item), |items| items.contains(&item));
    let found = knowledge.texts.search(&untrusted::clip(&query, 500), accepts, 20.min(limits::LIST));
    context.bus.insert("found".into(), found.iter().map(|scored| scored.item).collect());
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for scored in &found {
        let card = knowledge.card(scored.item);
        lines.push(format!("{} ({}): {:.2}", shown(&card), card.genres.join(", "), scored.score));
        rows.push(object([("item", card_json(&card)), ("score", number(scored.score.into()))]));
    }
    let text = if lines.is_empty() { "Nothing was found.".to_owned() } else { lines.join("; ") };
    Ok(ToolOutput { value: object([("set", "found".into()), ("items", Json::Array(rows))]), text })
}
