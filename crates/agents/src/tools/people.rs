//! Users: what is known of them, what they rated, who rates like them.

use rec_core::json::Object;
use rec_core::{Json, UserId};

use super::{
    card_json, favourite_genres, integer, mean, number, object, read_count, read_item, read_user, shown,
};
use crate::tool::{ToolContext, ToolError, ToolOutput};
use crate::untrusted;

pub(super) fn user_info(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let user = read_user(context, arguments)?;
    let knowledge = context.knowledge;
    let history = knowledge.index.user(user, context.cut_off);
    let profile: Json = knowledge
        .dataset
        .user_columns
        .iter()
        .map(|(name, values)| {
            (name.clone(), Json::from(untrusted::clip(&untrusted::clean(&values[user.index()]), 100)))
        })
        .collect();
    let genres = favourite_genres(knowledge, history);
    let average = mean(history.iter().map(|rated| rated.rating));
    let id = knowledge.dataset.users.token(user.0);
    let mut text = format!("User {id}: {} ratings", history.len());
    if let Some(average) = average {
        text += &format!(", mean {average:.2}");
    }
    for (name, value) in profile.as_object().into_iter().flatten() {
        text += &format!("; {name}: {}", untrusted::fence(value.as_str().unwrap_or_default()));
    }
    let top: Vec<String> = genres
        .iter()
        .take(5)
        .map(|(name, count, mean)| format!("{name} ({count}, mean {mean:.2})"))
        .collect();
    if !top.is_empty() {
        text += &format!("; most rated genres: {}", top.join(", "));
    }
    let genres = genres.into_iter().take(8).map(|(name, count, mean)| {
        object([("genre", name.into()), ("count", integer(count)), ("mean", number(mean))])
    });
    let value = object([
        ("user", id.into()),
        ("profile", profile),
        ("count", integer(history.len())),
        ("mean", average.map_or(Json::Null, number)),
        ("genres", Json::Array(genres.collect())),
    ]);
    Ok(ToolOutput { value, text: text + "." })
}

pub(super) fn user_history(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let user = read_user(context, arguments)?;
    let k = read_count(arguments)?;
    let history = context.knowledge.index.user(user, context.cut_off);
    let latest = &history[history.len().saturating_sub(k)..];
    let mut lines = Vec::with_capacity(latest.len());
    let mut rows = Vec::with_capacity(latest.len());
    for rated in latest {
        let card = context.knowledge.card(rated.item());
        lines.push(format!("{} ({}): {}", shown(&card), card.genres.join(", "), rated.rating));
        rows.push(object([("item", card_json(&card)), ("rating", number(rated.rating.into()))]));
    }
    let text = if lines.is_empty() { "No ratings yet.".to_owned() } else { lines.join("; ") };
    let value = object([
        ("total", integer(history.len())),
        ("mean", mean(latest.iter().map(|rated| rated.rating)).map_or(Json::Null, number)),
        ("ratings", Json::Array(rows)),
    ]);
    Ok(ToolOutput { value, text })
}

/// Cosine of the ratings less each user's mean, over common items, shrunk by ten of them.
pub(super) fn similar_users(
    context: &mut ToolContext<'_>,
    arguments: &Object,
) -> Result<ToolOutput, ToolError> {
    let user = read_user(context, arguments)?;
    let item = read_item(context, arguments)?;
    let k = read_count(arguments)?;
    let index = &context.knowledge.index;
    let own = index.user(user, context.cut_off);
    let center = mean(own.iter().map(|rated| rated.rating)).unwrap_or(0.0) as f32;
    let mut of_item = std::collections::HashMap::new();
    for rated in own {
        of_item.insert(rated.other, rated.rating - center);
    }
    let mut found: Vec<(f32, usize, UserId, f32)> = Vec::new();
    for row in index.item(item, context.cut_off).iter().filter(|row| row.user() != user) {
        let theirs = index.user(row.user(), context.cut_off);
        let their_center = mean(theirs.iter().map(|rated| rated.rating)).unwrap_or(0.0) as f32;
        let (mut both, mut dot, mut a, mut b) = (0, 0.0_f32, 0.0_f32, 0.0_f32);
        for rated in theirs {
            if let Some(mine) = of_item.get(&rated.other) {
                let other = rated.rating - their_center;
                both += 1;
                dot += mine * other;
                a += mine * mine;
                b += other * other;
            }
        }
        let norm = (a * b).sqrt();
        if both > 0 && norm > 0.0 {
            found.push((dot / norm * both as f32 / (both as f32 + 10.0), both, row.user(), row.rating));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
    found.truncate(k);
    let users = &context.knowledge.dataset.users;
    let line = |(likeness, both, user, rating): &(f32, usize, UserId, f32)| {
        format!("user {} (likeness {likeness:.2}, {both} common items): {rating}", users.token(user.0))
    };
    let text = if found.is_empty() {
        "Nobody who rated the item has an item in common with the user.".to_owned()
    } else {
        found.iter().map(line).collect::<Vec<_>>().join("; ")
    };
    let row = |(likeness, both, user, rating): &(f32, usize, UserId, f32)| {
        object([
            ("user", users.token(user.0).into()),
            ("likeness", number((*likeness).into())),
            ("common", integer(*both)),
            ("rating", number((*rating).into())),
        ])
    };
    let value = object([("users", Json::Array(found.iter().map(row).collect()))]);
    Ok(ToolOutput { value, text })
}
