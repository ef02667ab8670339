//! What each tool does.

mod encyclopedia;
mod items;
mod people;
mod recommending;
pub(crate) mod values;
mod wording;

use rec_core::json::Object;
use rec_core::{ItemId, Json, UserId};

use crate::action::{AgentRole, Argument, ArgumentSpec, Kind, bare_id};
use crate::knowledge::{ItemCard, Knowledge};
use crate::limits;
use crate::tool::{Tool, ToolContext, ToolError};

const USER: ArgumentSpec = ArgumentSpec { name: "user", kind: Kind::Id, about: "the user's id" };
const ITEM: ArgumentSpec = ArgumentSpec { name: "item", kind: Kind::Id, about: "the item's id" };
const COUNT: ArgumentSpec = ArgumentSpec { name: "k", kind: Kind::Count, about: "how many" };
const SET: ArgumentSpec = ArgumentSpec {
    name: "set",
    kind: Kind::Text,
    about: "the name of a set, such as candidates; catalogue for everything",
};
const REQUEST: ArgumentSpec = ArgumentSpec { name: "request", kind: Kind::Request, about: "what is wanted" };

pub(crate) const ALL: &[Tool] = &[
    Tool {
        name: "user_info",
        about: "What is known of a user: profile, number and mean of the ratings, favourite genres",
        arguments: &[USER],
        value: values::USER,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: people::user_info,
    },
    Tool {
        name: "user_history",
        about: "The latest ratings of a user, oldest first",
        arguments: &[USER, COUNT],
        value: values::USER_RATINGS,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: people::user_history,
    },
    Tool {
        name: "similar_users",
        about: "The users who rated the same items most alike, with their ratings of one item",
        arguments: &[USER, ITEM, COUNT],
        value: values::NEIGHBOURS,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: people::similar_users,
    },
    Tool {
        name: "item_info",
        about: "What is known of an item: title, year, genres, number and mean of the ratings",
        arguments: &[ITEM],
        value: values::ITEM,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: items::item_info,
    },
    Tool {
        name: "item_history",
        about: "The latest ratings of an item, oldest first",
        arguments: &[ITEM, COUNT],
        value: values::ITEM_RATINGS,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: items::item_history,
    },
    Tool {
        name: "similar_items",
        about: "The items that the same people took",
        arguments: &[ITEM, COUNT],
        value: values::LIKE_ITEMS,
        roles: &[AgentRole::Analyst, AgentRole::Searcher],
        stands_alone: true,
        run: items::similar_items,
    },
    Tool {
        name: "lookup",
        about: "The entry of a title; misspellings are forgiven, the year in brackets helps",
        arguments: &[ArgumentSpec { name: "title", kind: Kind::Text, about: "the title" }],
        value: values::TITLE,
        roles: &[AgentRole::Searcher],
        stands_alone: true,
        run: items::lookup,
    },
    Tool {
        name: "search",
        about: "Full-text search over titles, genres and years (BM25)",
        arguments: &[SET, ArgumentSpec { name: "query", kind: Kind::Text, about: "words to look for" }],
        value: values::FOUND,
        roles: &[AgentRole::Searcher],
        stands_alone: true,
        run: items::search,
    },
    Tool {
        name: "predict_rating",
        about: "What each rating model expects the user to give the item",
        arguments: &[USER, ITEM],
        value: values::PREDICTIONS,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: recommending::predict_rating,
    },
    Tool {
        name: "rank_candidates",
        about: "How each ranking model scores a set of items for the user",
        arguments: &[USER, SET],
        value: values::SCORES,
        roles: &[AgentRole::Analyst],
        stands_alone: false,
        run: recommending::rank_candidates,
    },
    Tool {
        name: "explain_evidence",
        about: "Which items of the user's history speak for an item, and what they share with it",
        arguments: &[USER, ITEM],
        value: values::EVIDENCE,
        roles: &[AgentRole::Analyst],
        stands_alone: true,
        run: recommending::explain_evidence,
    },
    Tool {
        name: "recommend",
        about: "The best items for a request of likes, dislikes, genres and years; they become the set `recommended`",
        arguments: &[REQUEST],
        value: values::RECOMMENDED,
        roles: &[AgentRole::Searcher],
        stands_alone: true,
        run: recommending::recommend,
    },
    Tool {
        name: "explain_request",
        about: "Which of a request's likes speak for an item, and what is known of it",
        arguments: &[ITEM, REQUEST],
        value: values::EVIDENCE,
        roles: &[AgentRole::Searcher],
        stands_alone: true,
        run: recommending::explain_request,
    },
    Tool {
        name: "filter_candidates",
        about: "Keeps what meets a request, out of a named set; the rest becomes the set `filtered`",
        arguments: &[SET, REQUEST],
        value: values::FILTERED,
        roles: &[AgentRole::Searcher],
        stands_alone: false,
        run: recommending::filter_candidates,
    },
    Tool {
        name: "encyclopedia",
        about: "Articles of an encyclopedia, by words: their titles and how they begin",
        arguments: &[ArgumentSpec { name: "query", kind: Kind::Text, about: "words to look for" }],
        value: values::ARTICLES,
        roles: &[AgentRole::Searcher],
        stands_alone: false,
        run: encyclopedia::search,
    },
    Tool {
        name: "passage",
        about: "The next passage that holds a term, in an article that was found",
        arguments: &[
            ArgumentSpec { name: "title", kind: Kind::Text, about: "the article's title" },
            ArgumentSpec { name: "term", kind: Kind::Text, about: "what the passage has to speak of" },
        ],
        value: values::PASSAGE,
        roles: &[AgentRole::Searcher],
        stands_alone: false,
        run: encyclopedia::passage,
    },
    Tool {
        name: "summarize",
        about: "The most telling sentences of the text at hand",
        arguments: &[ArgumentSpec { name: "sentences", kind: Kind::Count, about: "how many" }],
        value: values::SUMMARY,
        roles: &[AgentRole::Interpreter],
        stands_alone: false,
        run: wording::summarize,
    },
    Tool {
        name: "understand",
        about: "Intent, titles, genres, years and numbers of the last message, over what was said before",
        arguments: &[],
        value: values::UNDERSTOOD,
        roles: &[AgentRole::Interpreter],
        stands_alone: false,
        run: wording::understand,
    },
];

fn read<T: Argument>(arguments: &Object, name: &'static str, kind: Kind) -> Result<T, ToolError> {
    let value = arguments.get(name).ok_or_else(|| ToolError(format!("`{name}` is missing")))?;
    T::read(kind, value).map_err(|what| ToolError(format!("`{name}`: {what}")))
}

fn read_user(context: &ToolContext<'_>, arguments: &Object) -> Result<UserId, ToolError> {
    let id: String = read(arguments, "user", Kind::Id)?;
    context
        .knowledge
        .user(&id)
        .or_else(|| context.knowledge.user(bare_id(&id)))
        .ok_or_else(|| ToolError(format!("There is no user {:?}.", crate::untrusted::clip(&id, 60))))
}

fn read_item(context: &ToolContext<'_>, arguments: &Object) -> Result<ItemId, ToolError> {
    let id: String = read(arguments, "item", Kind::Id)?;
    context
        .knowledge
        .item(&id)
        .or_else(|| context.knowledge.item(bare_id(&id)))
        .ok_or_else(|| ToolError(format!("There is no item {:?}.", crate::untrusted::clip(&id, 60))))
}

fn read_count(arguments: &Object) -> Result<usize, ToolError> {
    Ok((read::<u32>(arguments, "k", Kind::Count)? as usize).min(limits::LIST))
}

/// The items of a named set; the catalogue is every item with a row.
fn read_set(context: &ToolContext<'_>, arguments: &Object) -> Result<Option<Vec<ItemId>>, ToolError> {
    let name: String = read(arguments, "set", Kind::Text)?;
    if name.trim().eq_ignore_ascii_case("catalogue") {
        return Ok(None);
    }
    match context.bus.get(name.trim()) {
        Some(items) => Ok(Some(items.clone())),
        None => {
            let known: Vec<&str> = context.bus.keys().map(String::as_str).chain(["catalogue"]).collect();
            let name = crate::untrusted::clip(&name, 60);
            Err(ToolError(format!("There is no set {name:?}; there are {}.", known.join(", "))))
        }
    }
}

fn card_json(card: &ItemCard) -> Json {
    serde_json::to_string(card).expect("a card has a text").parse().expect("a card is JSON")
}

/// `name` fenced, because titles come from outside.
fn shown(card: &ItemCard) -> String {
    format!("{} {}", card.id, crate::untrusted::fence(&card.name()))
}

fn number(value: f64) -> Json {
    // Four digits are more than any reader needs, and make equal runs equal in print.
    Json::from((value * 1e4).round() / 1e4)
}

fn integer(value: usize) -> Json {
    Json::from(value as i64)
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    members.into_iter().collect()
}

fn mean(values: impl Iterator<Item = f32>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + f64::from(value), n + 1));
    (n > 0).then(|| sum / n as f64)
}

/// The genres of a history, most frequent first, with count and mean rating.
fn favourite_genres(knowledge: &Knowledge, history: &[crate::index::Rated]) -> Vec<(String, usize, f64)> {
    let mut sums: Vec<(usize, f64)> = vec![(0, 0.0); knowledge.genres().len()];
    for rated in history {
        for &genre in knowledge.dataset.catalogue.categories_of(rated.item()) {
            sums[genre as usize].0 += 1;
            sums[genre as usize].1 += f64::from(rated.rating);
        }
    }
    let mut genres: Vec<(String, usize, f64)> = sums
        .into_iter()
        .zip(knowledge.genres())
        .filter(|((count, _), _)| *count > 0)
        .map(|((count, sum), name)| (name.clone(), count, sum / count as f64))
        .collect();
    genres.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    genres
}
