//! Analyst, Searcher, Interpreter: which tools to call for an assignment, and the report.

use crate::action::{Action, AnalystAction, InterpreterAction, SearcherAction, Subject};
use crate::decider::Decision;
use crate::dialogue::{DialogueState, Intent};
use crate::request::Request;
use crate::task::TaskKind;
use crate::view::{AgentView, Assignment};

/// What the Manager writes before a title to have its entry looked up.
pub(super) const ENTRY: &str = "The entry of ";
/// What the Manager writes before words to have the candidates searched.
pub(super) const AMONG: &str = "Among the candidates: ";
/// What the Manager writes to have the dialogue's request answered.
pub(super) const RECOMMEND: &str = "Recommend for the dialogue";
/// What the Manager writes before an id to know why it fits the dialogue.
pub(super) const WHY: &str = "Why this fits the dialogue: ";

/// The texts of what was observed, one a line, for the report.
fn report(view: &AgentView) -> String {
    let texts: Vec<&str> = view.steps.iter().map(|step| step.observation.text.as_str()).collect();
    texts.join("\n")
}

pub(super) fn analyst(view: &AgentView) -> Decision {
    let act = |thought: &str, action| Decision::typed(thought, Action::Analyst(action));
    let Assignment::Analyse { subject, id } = &view.assignment else {
        return act(
            "There is nothing to study.",
            AnalystAction::Finish { report: "Nothing was asked.".into() },
        );
    };
    let user = view.task.user.clone();
    let item = view.task.item.as_ref().map(|card| card.id.clone());
    let wants_neighbours = view.attempt > 1;
    let mut steps: Vec<(&str, AnalystAction)> = Vec::new();
    match subject {
        Subject::User => {
            steps.push(("Who is it?", AnalystAction::UserInfo { user: id.clone() }));
            steps
                .push(("What did they rate lately?", AnalystAction::UserHistory { user: id.clone(), k: 50 }));
            if view.task.kind == TaskKind::Ranking {
                let action = AnalystAction::RankCandidates { user: id.clone(), set: "candidates".into() };
                steps.push(("How do the models order the candidates?", action));
            }
        }
        Subject::Item => {
            steps.push(("What is it?", AnalystAction::ItemInfo { item: id.clone() }));
            match (view.task.kind, &user) {
                (TaskKind::Rating, Some(user)) => {
                    steps.push((
                        "How was it rated lately?",
                        AnalystAction::ItemHistory { item: id.clone(), k: 50 },
                    ));
                    let action = AnalystAction::PredictRating { user: user.clone(), item: id.clone() };
                    steps.push(("What do the rating models expect?", action));
                    if wants_neighbours && item.as_ref() == Some(id) {
                        let action =
                            AnalystAction::SimilarUsers { user: user.clone(), item: id.clone(), k: 20 };
                        steps.push(("The models disagreed: what did people of like taste give it?", action));
                    }
                }
                (TaskKind::Ranking | TaskKind::Explanation, Some(user)) => {
                    let action = AnalystAction::Evidence { user: user.clone(), item: id.clone() };
                    steps.push(("Which rated items speak for it?", action));
                }
                _ => {}
            }
        }
    }
    match steps.into_iter().nth(view.steps.len()) {
        Some((thought, action)) if view.remaining > 1 => act(thought, action),
        _ => act("That is what there is to know.", AnalystAction::Finish { report: report(view) }),
    }
}

pub(super) fn searcher(view: &AgentView) -> Decision {
    let act = |thought: String, action| Decision::typed(thought, Action::Searcher(action));
    let finish = |thought: &str| act(thought.to_owned(), SearcherAction::Finish { result: report(view) });
    let Assignment::Search { requirement } = &view.assignment else {
        return finish("Nothing is looked for.");
    };
    if view.remaining < 2 {
        return finish("This is the last turn.");
    }
    if let Some(title) = requirement.strip_prefix(ENTRY) {
        return match view.steps.len() {
            0 => act("Look the title up.".into(), SearcherAction::Lookup { title: title.to_owned() }),
            _ => finish("That is its entry."),
        };
    }
    if let Some(words) = requirement.strip_prefix(AMONG) {
        let action = SearcherAction::Search { set: "candidates".into(), query: words.to_owned() };
        return match view.steps.len() {
            0 => act("Search the candidates for these words.".into(), action),
            _ => finish("That is their order."),
        };
    }
    if let Some(item) = requirement.strip_prefix(WHY) {
        let action = SearcherAction::Why { item: item.to_owned(), request: view.dialogue.request.clone() };
        return match view.steps.len() {
            0 => act("What speaks for it?".into(), action),
            _ => finish("That speaks for it."),
        };
    }
    if requirement.starts_with(RECOMMEND) {
        let relaxed = relaxations(&wanted(&view.dialogue));
        let tried = view.steps.len();
        let found =
            view.steps.last().is_some_and(|step| step.observation.value.pointer("/items/0").is_some());
        return match relaxed.into_iter().nth(tried) {
            Some((what, request)) if !found => act(what, SearcherAction::Recommend { request }),
            _ => finish(if found {
                "These meet the request."
            } else {
                "Nothing is left, whatever is given up."
            }),
        };
    }
    match view.steps.len() {
        0 => act(
            "Search the catalogue for it.".into(),
            SearcherAction::Search { set: "catalogue".into(), query: requirement.clone() },
        ),
        _ => finish("That was found."),
    }
}

/// What the last message wants: for likeness, the items it spoke of count and nothing that was said before.
pub(super) fn wanted(dialogue: &DialogueState) -> Request {
    let mut request = dialogue.request.clone();
    if dialogue.intent == Intent::Similar && !dialogue.focus.is_empty() {
        request.liked = dialogue.focus.clone();
        request.disliked.retain(|id| !dialogue.focus.contains(id));
        request.user = None;
    }
    request
}

/// A request and what is given up, step by step, when nothing meets it: years first, then genres from the last.
fn relaxations(request: &Request) -> Vec<(String, Request)> {
    let mut steps = vec![("What meets the request?".to_owned(), request.clone())];
    let mut relaxed = request.clone();
    if relaxed.from_year.is_some() || relaxed.to_year.is_some() {
        (relaxed.from_year, relaxed.to_year) = (None, None);
        steps.push(("Nothing does; give up the years.".into(), relaxed.clone()));
    }
    while relaxed.genres.len() > 1 {
        let genre = relaxed.genres.pop().unwrap_or_default();
        steps.push((format!("Nothing does; give up {genre}."), relaxed.clone()));
    }
    if !relaxed.without_genres.is_empty() || !relaxed.genres.is_empty() {
        relaxed.genres.clear();
        steps.push(("Nothing does; give up the genres.".into(), relaxed));
    }
    steps.truncate(5);
    steps
}

pub(super) fn interpreter(view: &AgentView) -> Decision {
    let act = |thought: &str, action| Decision::typed(thought, Action::Interpreter(action));
    let conversation = view.task.kind == TaskKind::Conversation;
    match view.steps.len() {
        0 if conversation => act("What does the message say?", InterpreterAction::Understand {}),
        0 => act("What is the text about?", InterpreterAction::Summarize { sentences: 2 }),
        _ => {
            let prompt = if conversation {
                in_plain_terms(&view.dialogue)
            } else {
                view.steps[0]
                    .observation
                    .value
                    .pointer("/sentences/0")
                    .map_or_else(String::new, ToString::to_string)
            };
            act("That is what is asked for.", InterpreterAction::Finish { prompt })
        }
    }
}

/// The state in words.
fn in_plain_terms(dialogue: &DialogueState) -> String {
    let request = &dialogue.request;
    let mut parts = vec![format!("intent: {}", format!("{:?}", dialogue.intent).to_lowercase())];
    for (name, values) in [
        ("speaks of", &dialogue.focus),
        ("likes", &request.liked),
        ("dislikes", &request.disliked),
        ("genres", &request.genres),
        ("not", &request.without_genres),
        ("unknown titles", &dialogue.unknown),
    ] {
        if !values.is_empty() {
            parts.push(format!("{name}: {}", values.join(", ")));
        }
    }
    if request.from_year.is_some() || request.to_year.is_some() {
        let year = |year: Option<u16>| year.map_or_else(|| "…".to_owned(), |year| year.to_string());
        parts.push(format!("years: {} to {}", year(request.from_year), year(request.to_year)));
    }
    parts.join("; ")
}
