//! What the page asks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};

use super::Site;
use crate::engine::{Done, Job};
use crate::judge::Judge;
use crate::knowledge::ItemCard;
use crate::system::SystemConfig;
use crate::task::{TaskInput, TaskKind};
use crate::trace::{Event, Listener, describe};
use crate::view::Claim;

/// Samples on a page.
const PAGE: usize = 20;

type Shared = State<Arc<Site>>;

fn refuse(status: StatusCode, what: impl Into<String>) -> Response {
    #[derive(Serialize)]
    struct Refusal {
        error: String,
    }
    (status, Json(Refusal { error: what.into() })).into_response()
}

fn failed() -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "the team failed")
}

#[derive(Serialize)]
pub(super) struct Health {
    model: String,
    data: String,
    users: usize,
    items: usize,
    sessions: usize,
}

pub(super) async fn health(State(site): Shared) -> Json<Health> {
    let data = &site.knowledge.dataset;
    Json(Health {
        model: site.model.clone(),
        data: data.name.clone(),
        users: data.n_users(),
        items: data.n_items(),
        sessions: site.sessions.len(),
    })
}

#[derive(Serialize)]
pub(super) struct SystemLine {
    #[serde(flatten)]
    system: SystemConfig,
    described: String,
}

pub(super) async fn systems() -> Json<Vec<SystemLine>> {
    let line = |system: SystemConfig| SystemLine { described: system.describe(), system };
    Json(SystemConfig::built_in().into_iter().map(line).collect())
}

#[derive(Serialize)]
struct Samples {
    total: usize,
    samples: Vec<TaskInput>,
}

pub(super) async fn samples(State(site): Shared, Path((task, page)): Path<(String, usize)>) -> Response {
    let Some(kind) = TaskKind::named(&task).filter(|kind| *kind != TaskKind::Conversation) else {
        return refuse(StatusCode::NOT_FOUND, "no such task");
    };
    let shown = site.samples.iter().skip(page.saturating_mul(PAGE)).take(PAGE);
    let samples = shown.map(|sample| TaskInput::of_sample(kind, &site.knowledge, sample, 10)).collect();
    Json(Samples { total: site.samples.len(), samples }).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunRequest {
    system: String,
    task: String,
    sample: String,
}

/// An event with its words.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    event: &'a Event,
    text: String,
}

fn told(event: &Event) -> Told<'_> {
    Told { event, text: describe(event) }
}

#[derive(Serialize)]
struct RunReply<'a> {
    outcome: &'a crate::engine::Outcome,
    truth: Judge,
    events: Vec<Told<'a>>,
}

pub(super) async fn run(State(site): Shared, Json(request): Json<RunRequest>) -> Response {
    let engine = match site.engine(&request.system) {
        Ok(engine) => engine,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let Some(kind) = TaskKind::named(&request.task)
        .filter(|kind| engine.system().tasks.contains(kind) && *kind != TaskKind::Conversation)
    else {
        return refuse(StatusCode::BAD_REQUEST, "the system cannot do this task");
    };
    let user = request.sample.strip_prefix("user-").and_then(|user| site.knowledge.user(user));
    let Some(sample) = site.samples.iter().find(|sample| Some(sample.user) == user) else {
        return refuse(StatusCode::NOT_FOUND, "no such sample");
    };
    let task = TaskInput::of_sample(kind, &site.knowledge, sample, engine.system().max_history);
    let job = Job::new(task, sample.cut_off);
    let Some(done) = site.answer(async move || engine.run(job).await).await else { return failed() };
    let truth = Judge::new(&site.knowledge, sample);
    Json(RunReply { outcome: &done.outcome, truth, events: done.events.iter().map(told).collect() })
        .into_response()
}

#[derive(Serialize)]
struct Begun {
    id: String,
}

pub(super) async fn begin(State(site): Shared) -> Response {
    match site.sessions.begin() {
        Some(id) => Json(Begun { id }).into_response(),
        None => refuse(StatusCode::TOO_MANY_REQUESTS, "too many sessions; try again later"),
    }
}

pub(super) async fn session(State(site): Shared, Path(id): Path<String>) -> Response {
    let Some(open) = site.sessions.get(&id) else { return refuse(StatusCode::NOT_FOUND, "no such session") };
    let dialogue = open.dialogue.lock().await;
    #[derive(Serialize)]
    struct Shown<'a> {
        turns: &'a [crate::dialogue::Turn],
        state: &'a crate::dialogue::DialogueState,
    }
    Json(Shown { turns: &dialogue.turns, state: &dialogue.state }).into_response()
}

pub(super) async fn end(State(site): Shared, Path(id): Path<String>) -> StatusCode {
    if site.sessions.end(&id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    text: String,
    /// One of the systems for conversation.
    #[serde(default = "chat")]
    system: String,
}

fn chat() -> String {
    "chat".into()
}

/// An item of an answer with the claims about it.
#[derive(Serialize)]
struct EvidenceCard {
    item: ItemCard,
    claims: Vec<Claim>,
}

#[derive(Serialize)]
struct Reply<'a> {
    answer: &'a crate::task::Answer,
    valid: bool,
    halt: Option<&'a crate::engine::Halt>,
    cards: Vec<EvidenceCard>,
    state: &'a crate::dialogue::DialogueState,
}

pub(super) async fn message(
    State(site): Shared,
    Path(id): Path<String>,
    Json(message): Json<Message>,
) -> Response {
    let Some(open) = site.sessions.get(&id) else { return refuse(StatusCode::NOT_FOUND, "no such session") };
    let engine = match site.engine(&message.system) {
        Ok(engine) if engine.system().tasks.contains(&TaskKind::Conversation) => engine,
        Ok(_) => return refuse(StatusCode::BAD_REQUEST, "the system holds no dialogues"),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let Ok(mut dialogue) = open.dialogue.clone().try_lock_owned() else {
        return refuse(StatusCode::CONFLICT, "an answer is on its way; wait for it or cancel it");
    };
    let log = open.log.clone();
    let listener: Listener = Arc::new(move |event: &Event| log.push(event.clone()));
    let cancel = Some(open.arm());
    let work = async move || {
        let done: Done = dialogue.say(&engine, &message.text, cancel, Some(listener)).await;
        (done.outcome, dialogue.state.clone())
    };
    let Some((outcome, state)) = site.answer(work).await else { return failed() };
    let card = |id: &String| {
        let item = site.knowledge.item(id).map(|item| site.knowledge.card(item))?;
        let claims = outcome.claims.iter().filter(|claim| claim.item.as_ref() == Some(id)).cloned().collect();
        Some(EvidenceCard { item, claims })
    };
    let cards = outcome.items.iter().filter_map(card).collect();
    Json(Reply {
        answer: &outcome.answer,
        valid: outcome.valid,
        halt: outcome.halt.as_ref(),
        cards,
        state: &state,
    })
    .into_response()
}

pub(super) async fn cancel(State(site): Shared, Path(id): Path<String>) -> StatusCode {
    match site.sessions.get(&id) {
        Some(open) => {
            open.stop();
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

pub(super) async fn events(State(site): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(open) = site.sessions.get(&id) else { return refuse(StatusCode::NOT_FOUND, "no such session") };
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(follow(open.log.clone(), last.unwrap_or(0))).keep_alive(alive).into_response()
}

/// The events after number `last`, those that are there and those that come until the session ends.
fn follow(log: Arc<super::sessions::Log>, last: u64) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let watch = log.watch();
    stream::unfold((log, watch, last), |(log, mut watch, last)| async move {
        loop {
            // Looked at before the events, so that none goes by unseen.
            let ended = *watch.borrow_and_update();
            if let Some((number, event)) = log.after(last) {
                let data = serde_json::to_string(&told(&event)).unwrap_or_default();
                let event = sse::Event::default().id(number.to_string()).event("trace").data(data);
                return Some((Ok(event), (log, watch, number)));
            }
            if ended {
                return None;
            }
            watch.changed().await.ok()?;
        }
    })
}

pub(super) async fn trace(State(site): Shared, Path(id): Path<String>) -> Response {
    let Some(open) = site.sessions.get(&id) else { return refuse(StatusCode::NOT_FOUND, "no such session") };
    let lines: Vec<String> =
        open.log.all().iter().filter_map(|event| serde_json::to_string(&**event).ok()).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"trace.jsonl\""),
    ];
    (headers, lines.join("\n") + "\n").into_response()
}
