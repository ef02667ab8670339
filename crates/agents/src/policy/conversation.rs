//! The dialogue: understand, find, answer with reasons. Everything said of an item comes from a tool's result.

use rec_core::Json;

use crate::action::{AgentRole, ManagerAction};
use crate::decider::Decision;
use crate::dialogue::Intent;
use crate::request::Request;
use crate::view::{AgentView, Claim};

use super::{claim, f64_at, listed, manage, name_at, str_at, workers};

pub(super) fn decide(view: &AgentView) -> Decision {
    let dialogue = &view.dialogue;
    let understood = view.find("/understand").is_some();
    let searched = view.steps.len() > usize::from(understood);
    if !view.has(AgentRole::Interpreter) || !view.has(AgentRole::Searcher) {
        return say(
            "The team lacks whom the dialogue needs.",
            "I need an Interpreter and a Searcher to talk about films.".into(),
        );
    }
    match dialogue.intent {
        Intent::Greet => say("A greeting.", greeting()),
        Intent::Help => say("They want to know what can be asked.", help()),
        Intent::Thanks => say("A thank-you.", "You are welcome. Enjoy!".into()),
        Intent::Reset => say("They start over.", format!("All forgotten. {}", question())),
        Intent::Other => other(view),
        Intent::Info => info(view, searched),
        Intent::Explain => explain(view, searched),
        Intent::Recommend
        | Intent::Similar
        | Intent::Filter
        | Intent::Feedback
        | Intent::Reject
        | Intent::More => recommend(view, searched),
    }
}

fn say(thought: &str, text: String) -> Decision {
    manage(thought, ManagerAction::Finish { answer: text.into() })
}

fn answer(thought: String, text: String, claims: Vec<Claim>, items: Vec<String>) -> Decision {
    Decision { claims, items, ..manage(thought, ManagerAction::Finish { answer: text.into() }) }
}

fn search(thought: &str, requirement: String) -> Decision {
    manage(thought, ManagerAction::Search { requirement })
}

fn question() -> String {
    "Name one or two films you like, or say a genre or a decade.".into()
}

fn greeting() -> String {
    format!("Hello! I recommend films. {}", question())
}

fn help() -> String {
    "You can name films you like or dislike (\"I loved Alien but hated Titanic\"), ask for genres and years (\"a comedy from \
     the 90s, no romance\"), for films like one you know (\"something like Heat\"), for more, for what a film is (\"tell me \
     about Heat\"), or why I chose one (\"why the second one?\"). \"Start over\" forgets everything."
        .into()
}

fn other(view: &AgentView) -> Decision {
    let text = match view.dialogue.unknown.first() {
        Some(title) => format!("I do not know {title:?}. {}", question()),
        None => format!("I did not catch a film, a genre or a year in that. {}", question()),
    };
    say("Nothing in it is about films as far as the rules can tell.", text)
}

/// What was taken for another spelling, and what is not known.
fn remarks(view: &AgentView) -> Vec<String> {
    let mut remarks = Vec::new();
    for (written, title) in &view.dialogue.corrected {
        remarks.push(format!("I take {written:?} for {title}."));
    }
    if !view.dialogue.unknown.is_empty() {
        let titles: Vec<String> = view.dialogue.unknown.iter().map(|title| format!("{title:?}")).collect();
        remarks.push(format!("I do not know {}.", listed(&titles)));
    }
    remarks
}

fn info(view: &AgentView, searched: bool) -> Decision {
    let Some(id) = view.dialogue.focus.first() else { return other(view) };
    if !searched {
        return search("They ask about a film.", format!("{}{}", workers::ENTRY, title_of(view, id)));
    }
    let Some((_, entry)) = view.find("/lookup") else {
        return say("The catalogue has no entry.", "I could not find that film in the catalogue.".into());
    };
    let id = str_at(entry, "/item/id").unwrap_or_default().to_owned();
    let name = name_at(entry, "/item").unwrap_or_default();
    let mut parts = Vec::new();
    let mut claims: Vec<Claim> = claim(view, Some(&id), name.clone(), "/lookup/item").into_iter().collect();
    let genres = strings(entry, "/item/genres");
    parts.push(if genres.is_empty() { format!("{name}.") } else { format!("{name}: {}.", listed(&genres)) });
    if let (Some(mean), Some(count)) = (f64_at(entry, "/mean"), f64_at(entry, "/count")) {
        let against = f64_at(entry, "/catalogue_mean").map(|all| {
            let apart = mean - all;
            let how = if apart > 0.15 {
                "above"
            } else if apart < -0.15 {
                "below"
            } else {
                "about"
            };
            format!(", {how} the average of {all:.1}")
        });
        parts.push(format!("Rated {mean:.1} by {count} people{}.", against.unwrap_or_default()));
        claims.extend(claim(view, Some(&id), format!("mean {mean:.1}"), "/lookup/mean"));
        claims.extend(claim(view, Some(&id), format!("{count} ratings"), "/lookup/count"));
    }
    parts.push("Ask for something like it, or tell me whether you liked it.".into());
    let text = remarks(view).into_iter().chain(parts).collect::<Vec<_>>().join(" ");
    let mut decision = answer("The entry says what there is to say.".into(), text, claims, Vec::new());
    decision.items = vec![id];
    decision
}

/// The title of an item, from what the Interpreter understood; its id where that says nothing.
fn title_of(view: &AgentView, id: &str) -> String {
    let names = view.find("/understand/names").and_then(|(_, names)| names.get(id)).and_then(Json::as_str);
    names.unwrap_or(id).to_owned()
}

fn explain(view: &AgentView, searched: bool) -> Decision {
    let Some(id) = view.dialogue.focus.first().or_else(|| view.dialogue.shown.first()) else {
        return other(view);
    };
    if !searched {
        return search("They ask why. What speaks for it?", format!("{}{id}", workers::WHY));
    }
    let Some((_, found)) = view.find("/explain_request") else {
        return say("There is no evidence.", "I cannot say why: I have nothing on that film.".into());
    };
    let name = name_at(found, "/item").unwrap_or_default();
    let (reasons, claims) = reasons(view, found, "/explain_request", id, &view.dialogue.request);
    let text = if reasons.is_empty() {
        format!("{name}: nothing you told me speaks for it in particular.")
    } else {
        format!("{name}: {}.", reasons.join("; "))
    };
    answer("The evidence answers it.".into(), text, claims, vec![id.clone()])
}

/// Why an item, from the evidence at `pointer`, and the claims that say so.
fn reasons(
    view: &AgentView,
    found: &Json,
    pointer: &str,
    id: &str,
    request: &Request,
) -> (Vec<String>, Vec<Claim>) {
    let mut reasons = Vec::new();
    let mut claims = Vec::new();
    let rows = found.get("contributions").and_then(Json::as_array).unwrap_or_default();
    let mean = f64_at(found, "/user_mean");
    let mut because = Vec::new();
    let mut shared = None;
    for (at, row) in rows.iter().enumerate() {
        let Some(name) = name_at(row, "/item") else { continue };
        let rating = f64_at(row, "/rating");
        // What a person rated low is no reason, whatever others do.
        if because.len() == 2 || rating.zip(mean).is_some_and(|(rating, mean)| rating < mean) {
            continue;
        }
        let (verb, text) = match rating {
            Some(rating) => (format!("{name} (you gave {rating})"), format!("{name} was rated {rating}")),
            None => (name.clone(), format!("{name} was named as liked")),
        };
        because.push(verb);
        let genres = strings(row, "/shared_genres");
        if shared.is_none() && !genres.is_empty() {
            shared = Some(format!("like {name} it is {}", listed(&genres)));
        }
        claims.extend(claim(view, Some(id), text, &format!("{pointer}/contributions/{at}")));
    }
    reasons.extend(shared);
    if !because.is_empty() {
        reasons.push(format!("people who took {} took it too", listed(&because)));
    }
    let wanted: Vec<String> =
        strings(found, "/item/genres").into_iter().filter(|genre| request.genres.contains(genre)).collect();
    if !wanted.is_empty() {
        reasons.push(format!("it is {}, as you asked", listed(&wanted)));
        claims.extend(claim(
            view,
            Some(id),
            format!("genres: {}", wanted.join(", ")),
            &format!("{pointer}/item/genres"),
        ));
    }
    if let (Some(mean), Some(count)) = (f64_at(found, "/item_mean"), f64_at(found, "/item_count")) {
        reasons.push(format!("rated {mean:.1} by {count} people"));
        claims.extend(claim(view, Some(id), format!("mean {mean:.1}"), &format!("{pointer}/item_mean")));
        claims.extend(claim(view, Some(id), format!("{count} ratings"), &format!("{pointer}/item_count")));
    }
    (reasons, claims)
}

fn recommend(view: &AgentView, searched: bool) -> Decision {
    if !searched {
        return search("What fits all that was said?", workers::RECOMMEND.to_owned());
    }
    let request = workers::wanted(&view.dialogue);
    let Some((_, rows)) = view.find("/recommend/items") else {
        return say(
            "The search failed.",
            "Something went wrong with the search; please say it in other words.".into(),
        );
    };
    let rows = rows.as_array().unwrap_or_default();
    if rows.is_empty() {
        let text = format!(
            "Nothing is left that meets all that ({}). Give up a genre or the years, or start over.",
            in_words(&request)
        );
        return say("Nothing is left.", text);
    }
    let mut claims = Vec::new();
    let mut items = Vec::new();
    let mut lines = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let pointer = format!("/recommend/items/{at}");
        let Some(id) = str_at(row, "/item/id") else { continue };
        let name = name_at(row, "/item").unwrap_or_default();
        let genres = strings(row, "/item/genres").join(", ");
        let (reasons, own) = reasons(view, row, &pointer, id, &request);
        claims.extend(own);
        let reasons = reasons.join("; ");
        lines.push(format!("{}. {name} — {genres}. {}.", at + 1, capitalised(&reasons)));
        items.push(id.to_owned());
    }
    let mut parts = remarks(view);
    let (given_up, met) = relaxed(&request, rows);
    parts.extend(given_up);
    parts.push(opening(view, &met, lines.len()));
    let text = format!("{}\n{}\n{}", parts.join(" "), lines.join("\n"), closing(view, &request));
    answer(format!("{} films meet it, each with its reasons.", lines.len()), text, claims, items)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn opening(view: &AgentView, request: &Request, count: usize) -> String {
    let (these, what) = if count == 1 { ("this one", "film") } else { ("these", "films") };
    match view.dialogue.intent {
        Intent::Similar => {
            let names: Vec<String> = view.dialogue.focus.iter().map(|id| title_of(view, id)).collect();
            format!("People who take {} also take {these}:", listed(&names))
        }
        Intent::More => format!("More {what}:"),
        Intent::Reject => format!("Noted. Then {these}:"),
        Intent::Feedback => format!("Noted. Going by that, {these}:"),
        _ if request.liked.is_empty() && request.user.is_none() && !request.has_filters() => {
            format!(
                "I know nothing of your taste yet, so here {} well liked by most:",
                if count == 1 { "is a film" } else { "are films" }
            )
        }
        _ => format!("For you ({}), {these}:", in_words(request)),
    }
}

fn closing(view: &AgentView, request: &Request) -> String {
    if request.liked.is_empty() && request.user.is_none() {
        return "Which film did you like lately? Then I can do better.".into();
    }
    match view.dialogue.turn % 3 {
        1 => "Say which you have seen, ask \"why the first one?\", or for more.".into(),
        2 => "Narrow it with a genre or years, or ask for more.".into(),
        _ => "Tell me what you think of them.".into(),
    }
}

/// What was given up because nothing met it, as seen in the results: stated, never silent; and what is left of the request.
fn relaxed(request: &Request, rows: &[Json]) -> (Option<String>, Request) {
    let mut met = request.clone();
    let in_years = |row: &Json| {
        let year = row.pointer("/item/year").and_then(Json::as_i64);
        request.from_year.is_none_or(|from| year.is_some_and(|year| year >= from.into()))
            && request.to_year.is_none_or(|to| year.is_some_and(|year| year <= to.into()))
    };
    let mut given = Vec::new();
    if !rows.iter().all(in_years) {
        given.push("the years".to_owned());
        (met.from_year, met.to_year) = (None, None);
    }
    met.genres.retain(|genre| rows.iter().all(|row| strings(row, "/item/genres").contains(genre)));
    let missing: Vec<String> =
        request.genres.iter().filter(|genre| !met.genres.contains(genre)).cloned().collect();
    if !missing.is_empty() {
        given.push(listed(&missing));
    }
    let text =
        (!given.is_empty()).then(|| format!("Nothing met all of it, so I gave up {}.", listed(&given)));
    (text, met)
}

/// Genres and years of a request in words.
fn in_words(request: &Request) -> String {
    let mut parts = Vec::new();
    if !request.genres.is_empty() {
        parts.push(request.genres.join(" and "));
    }
    if !request.without_genres.is_empty() {
        parts.push(format!("no {}", request.without_genres.join(", no ")));
    }
    match (request.from_year, request.to_year) {
        (Some(from), Some(to)) if from == to => parts.push(format!("{from}")),
        (Some(from), Some(to)) => parts.push(format!("{from} to {to}")),
        (Some(from), None) => parts.push(format!("from {from} on")),
        (None, Some(to)) => parts.push(format!("up to {to}")),
        (None, None) => {}
    }
    if let Some(user) = &request.user {
        parts.push(format!("the ratings of user {user}"));
    }
    if !request.liked.is_empty() {
        parts.push(if request.liked.len() == 1 {
            "the film you like".into()
        } else {
            format!("the {} films you like", request.liked.len())
        });
    }
    if parts.is_empty() { "no wishes".into() } else { parts.join(", ") }
}

fn strings(value: &Json, pointer: &str) -> Vec<String> {
    let items = value.pointer(pointer).and_then(Json::as_array).unwrap_or_default();
    items.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}
