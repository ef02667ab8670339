//! Requests, replies and pieces as chat completions write them in JSON: the client writes what the server reads, and the
//! other way round.
//!
//! Requests and whole replies go between text and structures without a tree: with many sessions at once that is most of the work.

mod reply;
mod request;

use rec_core::Json;
use rec_core::json::Object;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::reply::{ChatEvent, FinishReason, Source, TokenLogprob, Usage};

pub use reply::{read_reply, write_reply};
pub use request::{read_request, request_body, write_request};

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    members.into_iter().collect()
}

fn to_json(value: &impl serde::Serialize) -> Json {
    let text = serde_json::to_string(value).expect("the types of this crate have a text");
    text.parse().expect("serde_json writes JSON")
}

fn from_json<T: DeserializeOwned>(value: &Json, place: &str) -> Result<T> {
    serde_json::from_str(&value.to_string()).map_err(|error| Error::decode(format!("{place}: {error}")))
}

fn usage_body(usage: Usage) -> Json {
    let number = |value: u64| Json::from(serde_json::Value::from(value));
    object([
        ("prompt_tokens", number(usage.prompt_tokens)),
        ("completion_tokens", number(usage.completion_tokens)),
        ("total_tokens", number(usage.total())),
    ])
}

fn read_usage(usage: &Json) -> Option<Usage> {
    let tokens =
        |name: &str| usage.get(name).and_then(Json::as_i64).and_then(|count| u64::try_from(count).ok());
    Some(Usage {
        prompt_tokens: tokens("prompt_tokens")?,
        completion_tokens: tokens("completion_tokens").unwrap_or(0),
    })
}

fn logprobs_body(tokens: &[TokenLogprob]) -> Json {
    if tokens.is_empty() {
        Json::Null
    } else {
        object([("content", Json::Array(tokens.iter().map(to_json).collect()))])
    }
}

fn read_logprobs(choice: &Json) -> Result<Vec<TokenLogprob>> {
    match choice.pointer("/logprobs/content") {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(tokens) => from_json(tokens, "logprobs"),
    }
}

/// The error that a body tells of, with the status that it came with (200 inside a stream).
pub fn read_error(body: &Json, status: u16) -> Option<Error> {
    let error = body.get("error").filter(|error| !error.is_null())?;
    let text = |name: &str| error.get(name).and_then(Json::as_str);
    let message = error.as_str().or_else(|| text("message")).map_or_else(|| error.to_string(), str::to_owned);
    let code = text("code").or_else(|| text("type")).unwrap_or_default();
    let status = match (status, error.get("code").and_then(Json::as_i64), code) {
        (200, Some(number @ 400..=599), _) => u16::try_from(number).unwrap_or(500),
        (200, _, "rate_limit_exceeded" | "rate_limit_error") => 429,
        (200, _, "context_length_exceeded" | "invalid_request_error" | "content_filter") => 400,
        (200, _, "invalid_api_key") => 401,
        (200, ..) => 500,
        (status, ..) => status,
    };
    let what = if code.is_empty() { message } else { format!("{message} ({code})") };
    Some(Error::from_status(status, shortened(&what, 500), None))
}

/// The body with which a server tells of an error.
pub fn error_body(error: &Error) -> Json {
    let code = error.status().1;
    object([(
        "error",
        object([("message", error.to_string().into()), ("type", code.into()), ("code", code.into())]),
    )])
}

/// One piece of a reply as the JSON of a streamed event.
pub fn chunk_body(event: &ChatEvent, id: &str, model: &str) -> Json {
    let mut delta = Object::new();
    let mut logprobs = Json::Null;
    let mut finish = Json::Null;
    let mut usage = None;
    match event {
        ChatEvent::Start { .. } => drop(delta.insert("role".to_owned(), "assistant".into())),
        ChatEvent::Text(text) => drop(delta.insert("content".to_owned(), text.as_str().into())),
        ChatEvent::Reasoning(text) => {
            drop(delta.insert("reasoning_content".to_owned(), text.as_str().into()))
        }
        ChatEvent::ToolCall { index, id, name, arguments } => {
            let mut function = Object::new();
            name.as_ref().map(|name| function.insert("name".to_owned(), name.as_str().into()));
            function.insert("arguments".to_owned(), arguments.as_str().into());
            let mut call = Object::new();
            call.insert("index".to_owned(), i64::try_from(*index).unwrap_or(i64::MAX).into());
            id.as_ref().map(|id| call.insert("id".to_owned(), id.as_str().into()));
            call.insert("type".to_owned(), "function".into());
            call.insert("function".to_owned(), function.into());
            delta.insert("tool_calls".to_owned(), Json::Array(vec![call.into()]));
        }
        ChatEvent::Logprobs(tokens) => logprobs = logprobs_body(tokens),
        ChatEvent::Finish(reason) => finish = reason.name().into(),
        ChatEvent::Usage(tokens) => usage = Some(usage_body(*tokens)),
    }
    let choices = match usage {
        Some(_) => Vec::new(),
        None => vec![object([
            ("index", 0.into()),
            ("delta", delta.into()),
            ("logprobs", logprobs),
            ("finish_reason", finish),
        ])],
    };
    object([
        ("id", id.into()),
        ("object", "chat.completion.chunk".into()),
        ("created", 0.into()),
        ("model", model.into()),
        ("choices", Json::Array(choices)),
        ("usage", usage.unwrap_or_default()),
    ])
}

/// The pieces in one streamed event.
///
/// # Errors
/// [`Error::Decode`] naming the member; the endpoint's own error where the event is one.
pub fn read_chunk(body: &Json) -> Result<Vec<ChatEvent>> {
    if let Some(error) = read_error(body, 200) {
        return Err(error);
    }
    let mut events = Vec::new();
    if let Some(choice) = body.pointer("/choices/0") {
        let text = |name: &str| choice.pointer(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        if text("/delta/role").is_some() {
            let model = body.get("model").and_then(Json::as_str).unwrap_or_default().to_owned();
            events.push(ChatEvent::Start { model, source: Source::Live });
        }
        let reasoning = text("/delta/reasoning_content").or_else(|| text("/delta/reasoning"));
        events.extend(reasoning.map(|text| ChatEvent::Reasoning(text.to_owned())));
        events.extend(text("/delta/content").map(|text| ChatEvent::Text(text.to_owned())));
        let calls = choice.pointer("/delta/tool_calls").and_then(Json::as_array).unwrap_or_default();
        for (at, call) in calls.iter().enumerate() {
            let text = |pointer: &str| call.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
            let index = call.get("index").and_then(Json::as_i64).map_or(Ok(at), usize::try_from);
            events.push(ChatEvent::ToolCall {
                index: index.map_err(|_| Error::decode("a tool call with a negative index"))?,
                id: text("/id"),
                name: text("/function/name"),
                arguments: match call.pointer("/function/arguments") {
                    None | Some(Json::Null) => String::new(),
                    Some(Json::String(piece)) => piece.clone(),
                    Some(value) => value.to_string(),
                },
            });
        }
        let logprobs = read_logprobs(choice)?;
        if !logprobs.is_empty() {
            events.push(ChatEvent::Logprobs(logprobs));
        }
        events.extend(text("/finish_reason").map(|name| ChatEvent::Finish(FinishReason::from_name(name))));
    } else if body.get("choices").is_none() {
        return Err(Error::decode(format!("no choices in {}", shortened(&body.to_string(), 200))));
    }
    events.extend(body.get("usage").and_then(read_usage).map(ChatEvent::Usage));
    Ok(events)
}

/// At most `most` characters of `text`.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
