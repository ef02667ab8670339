//! Requests, replies and pieces as chat completions write them in JSON: the client writes what the server reads, and the
//! other way round.

use rec_core::json::Object;
use rec_core::{Json, Message, ToolSpec};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::reply::{ChatEvent, ChatReply, FinishReason, Source, TokenLogprob, Usage};
use crate::request::{ChatRequest, ResponseFormat, Sampling, ToolChoice};

/// The member under which role and task travel to an endpoint that wants them.
const EXTENSION: &str = "sextant";

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

/// The body of a request. `with_task` adds the agent's role and task.
pub fn request_body(request: &ChatRequest, model: &str, stream: bool, with_task: bool) -> Object {
    let mut body = Object::new();
    let mut put = |name: &str, value: Json| body.insert(name.to_owned(), value);
    put("model", model.into());
    put("messages", Json::Array(request.messages.iter().map(to_json).collect()));
    if !request.tools.is_empty() {
        // The schema of results is no part of the form; some endpoints refuse what they do not know.
        let tools = request.tools.iter().map(|tool| to_json(&ToolSpec { returns: None, ..tool.clone() }));
        put("tools", Json::Array(tools.collect()));
        match &request.tool_choice {
            ToolChoice::Auto => None,
            ToolChoice::None => put("tool_choice", "none".into()),
            ToolChoice::Required => put("tool_choice", "required".into()),
            ToolChoice::Tool(name) => {
                let function = object([("name", name.as_str().into())]);
                put("tool_choice", object([("type", "function".into()), ("function", function)]))
            }
        };
    }
    let Sampling { temperature, top_p, max_tokens, stop, seed } = &request.sampling;
    temperature.map(|value| put("temperature", value.into()));
    top_p.map(|value| put("top_p", value.into()));
    max_tokens.map(|value| put("max_tokens", i64::from(value).into()));
    if !stop.is_empty() {
        put("stop", stop.clone().into());
    }
    seed.map(|value| put("seed", Json::from(serde_json::Value::from(value))));
    match &request.format {
        ResponseFormat::Text => {}
        ResponseFormat::JsonObject => {
            put("response_format", object([("type", "json_object".into())]));
        }
        ResponseFormat::JsonSchema { name, schema } => {
            let inner =
                object([("name", name.as_str().into()), ("schema", schema.clone()), ("strict", true.into())]);
            put("response_format", object([("type", "json_schema".into()), ("json_schema", inner)]));
        }
    }
    if let Some(top) = request.logprobs {
        put("logprobs", true.into());
        if top > 0 {
            put("top_logprobs", i64::from(top).into());
        }
    }
    if stream {
        put("stream", true.into());
        put("stream_options", object([("include_usage", true.into())]));
    }
    if with_task && (request.agent.is_some() || request.task.is_some()) {
        let agent = request.agent.as_deref().map_or(Json::Null, Json::from);
        put(EXTENSION, object([("agent", agent), ("task", request.task.clone().unwrap_or_default())]));
    }
    body
}

/// What a server reads of a request's body: the request and whether it is to stream.
///
/// # Errors
/// [`Error::BadRequest`] naming the member.
pub fn read_request(body: &Json) -> Result<(ChatRequest, bool)> {
    fn member<T: DeserializeOwned>(body: &Json, name: &str) -> Result<Option<T>> {
        let value = body.get(name).filter(|value| !value.is_null());
        let read = value.map(|value| {
            from_json(value, name).map_err(|error| Error::BadRequest { what: error.to_string() })
        });
        read.transpose()
    }
    let messages: Vec<Message> =
        member(body, "messages")?.ok_or_else(|| Error::BadRequest { what: "messages is missing".into() })?;
    let tool_choice = match body.get("tool_choice") {
        None | Some(Json::Null) => ToolChoice::Auto,
        Some(Json::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => return Err(Error::BadRequest { what: format!("tool_choice: {other} is not known") }),
        },
        Some(value) => match value.pointer("/function/name").and_then(Json::as_str) {
            Some(name) => ToolChoice::Tool(name.to_owned()),
            None => return Err(Error::BadRequest { what: "tool_choice: no function is named".into() }),
        },
    };
    let stop = match body.get("stop") {
        Some(Json::String(one)) => vec![one.clone()],
        _ => member(body, "stop")?.unwrap_or_default(),
    };
    let sampling = Sampling {
        temperature: member(body, "temperature")?,
        top_p: member(body, "top_p")?,
        max_tokens: member(body, "max_completion_tokens")?.or(member(body, "max_tokens")?),
        stop,
        seed: member(body, "seed")?,
    };
    let format = match body.pointer("/response_format/type").and_then(Json::as_str) {
        Some("json_object") => ResponseFormat::JsonObject,
        Some("json_schema") => ResponseFormat::JsonSchema {
            name: body
                .pointer("/response_format/json_schema/name")
                .and_then(Json::as_str)
                .unwrap_or("reply")
                .to_owned(),
            schema: body.pointer("/response_format/json_schema/schema").cloned().unwrap_or_default(),
        },
        _ => ResponseFormat::Text,
    };
    let logprobs = (body.get("logprobs").and_then(Json::as_bool) == Some(true))
        .then(|| member(body, "top_logprobs").map(Option::unwrap_or_default));
    let extension = body.get(EXTENSION);
    let request = ChatRequest {
        messages,
        tools: member(body, "tools")?.unwrap_or_default(),
        tool_choice,
        sampling,
        format,
        logprobs: logprobs.transpose()?,
        agent: extension.and_then(|inner| inner.get("agent")).and_then(Json::as_str).map(str::to_owned),
        task: extension.and_then(|inner| inner.get("task")).filter(|task| !task.is_null()).cloned(),
        sample: None,
        session: None,
    };
    Ok((request, body.get("stream").and_then(Json::as_bool) == Some(true)))
}

fn usage_body(usage: Usage) -> Json {
    let number = |value: u64| Json::from(serde_json::Value::from(value));
    object([
        ("prompt_tokens", number(usage.prompt_tokens)),
        ("completion_tokens", number(usage.completion_tokens)),
        ("total_tokens", number(usage.total())),
    ])
}

fn read_usage(body: &Json) -> Option<Usage> {
    let usage = body.get("usage").filter(|usage| !usage.is_null())?;
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

/// The body of a reply.
pub fn reply_body(reply: &ChatReply, id: &str) -> Json {
    let choice = object([
        ("index", 0.into()),
        ("message", to_json(&reply.message)),
        ("logprobs", logprobs_body(&reply.logprobs)),
        ("finish_reason", reply.finish.name().into()),
    ]);
    let mut body = Object::new();
    for (name, value) in [
        ("id", Json::from(id)),
        ("object", "chat.completion".into()),
        ("created", 0.into()),
        ("model", reply.model.as_str().into()),
        ("choices", Json::Array(vec![choice])),
    ] {
        body.insert(name.to_owned(), value);
    }
    reply.usage.map(|usage| body.insert("usage".to_owned(), usage_body(usage)));
    body.into()
}

/// What a client reads of a reply's body.
///
/// # Errors
/// [`Error::Decode`] naming the member; the endpoint's own error where the body is one.
pub fn read_reply(body: &Json) -> Result<ChatReply> {
    if let Some(error) = read_error(body, 200) {
        return Err(error);
    }
    let choice = body
        .pointer("/choices/0")
        .ok_or_else(|| Error::decode(format!("no choices in {}", shortened(&body.to_string(), 200))))?;
    let message = choice.get("message").ok_or_else(|| Error::decode("choices/0/message is missing"))?;
    let message: Message = from_json(message, "choices/0/message")?;
    let reply = ChatReply::new(message);
    let finish = choice.get("finish_reason").and_then(Json::as_str).map(FinishReason::from_name);
    Ok(ChatReply {
        finish: finish.unwrap_or(reply.finish),
        usage: read_usage(body),
        logprobs: read_logprobs(choice)?,
        model: body.get("model").and_then(Json::as_str).unwrap_or_default().to_owned(),
        ..reply
    })
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
    events.extend(read_usage(body).map(ChatEvent::Usage));
    Ok(events)
}

/// A reply as the cache keeps it.
pub fn stored_reply(reply: &ChatReply) -> Json {
    reply_body(reply, "")
}

/// At most `most` characters of `text`.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
