//! Requests: the client writes what the server reads.

use rec_core::json::Object;
use rec_core::{Json, Message, Role, ToolCall, ToolSpec};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::object;
use crate::error::{Error, Result};
use crate::json_text::JsonText;
use crate::request::{ChatRequest, ResponseFormat, Sampling, ToolChoice};
use crate::toolset::{SeenTools, Toolset};

/// A body as it is written: everything is borrowed, tools and task are texts already.
#[derive(Serialize)]
struct Written<'a> {
    model: &'a str,
    messages: Vec<WrittenMessage<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<WrittenFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sextant: Option<WrittenExtension<'a>>,
}

/// What [`Message`] writes of itself, without a copy of its text.
#[derive(Serialize)]
struct WrittenMessage<'a> {
    role: Role,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tool_calls: &'a [ToolCall],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f32>,
}

impl<'a> WrittenMessage<'a> {
    fn of(message: &'a Message) -> Self {
        Self {
            role: message.role,
            // The form asks for null beside calls, and for text everywhere else.
            content: (!message.content.is_empty() || message.tool_calls.is_empty())
                .then_some(message.content.as_str()),
            reasoning_content: message.reasoning.as_deref(),
            tool_calls: &message.tool_calls,
            tool_call_id: message.tool_call_id.as_deref(),
            name: message.name.as_deref(),
            weight: message.weight,
        }
    }
}

#[derive(Serialize)]
struct WrittenFormat<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<WrittenSchema<'a>>,
}

#[derive(Serialize)]
struct WrittenSchema<'a> {
    name: &'a str,
    schema: &'a Json,
    strict: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The member under which role and task travel to an endpoint that wants them.
#[derive(Serialize)]
struct WrittenExtension<'a> {
    agent: Option<&'a str>,
    task: Option<&'a RawValue>,
}

/// The body of a request as text. `with_task` adds the agent's role and task.
pub fn write_request(request: &ChatRequest, model: &str, stream: bool, with_task: bool) -> String {
    let tool_choice = || match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Tool(name) => {
            let function = object([("name", name.as_str().into())]);
            Some(object([("type", "function".into()), ("function", function)]))
        }
    };
    let Sampling { temperature, top_p, max_tokens, stop, seed } = &request.sampling;
    let written = Written {
        model,
        messages: request.messages.iter().map(WrittenMessage::of).collect(),
        tools: request.tools.wire(),
        tool_choice: (!request.tools.is_empty()).then(tool_choice).flatten(),
        temperature: *temperature,
        top_p: *top_p,
        max_tokens: *max_tokens,
        stop,
        seed: *seed,
        response_format: match &request.format {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(WrittenFormat { r#type: "json_object", json_schema: None }),
            ResponseFormat::JsonSchema { name, schema } => Some(WrittenFormat {
                r#type: "json_schema",
                json_schema: Some(WrittenSchema { name, schema, strict: true }),
            }),
        },
        logprobs: request.logprobs.map(|_| true),
        top_logprobs: request.logprobs.filter(|top| *top > 0),
        stream: stream.then_some(true),
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        sextant: (with_task && (request.agent.is_some() || request.task.is_some())).then(|| {
            WrittenExtension {
                agent: request.agent.as_deref(),
                task: request.task.as_ref().map(JsonText::raw),
            }
        }),
    };
    // Escapes make a text longer by a few parts in a hundred; a body that grows is copied each time.
    let contents: usize = request.messages.iter().map(|message| message.content.len()).sum();
    let beside = written.tools.map_or(0, |tools| tools.get().len())
        + written.sextant.as_ref().and_then(|inner| inner.task).map_or(0, |task| task.get().len());
    let mut text = Vec::with_capacity(contents + contents / 8 + beside + 1024);
    serde_json::to_writer(&mut text, &written).expect("the types of this crate have a text");
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

/// The body of a request as a tree, for what compares or sorts its members.
///
/// # Errors
/// [`Error::BadRequest`] for a body that could not be read from its text either, here or by an endpoint: a schema or task that
/// is nested so deeply that the whole has more than 128 levels.
pub fn request_body(request: &ChatRequest, model: &str, stream: bool, with_task: bool) -> Result<Object> {
    let what = match write_request(request, model, stream, with_task).parse() {
        Ok(Json::Object(members)) => return Ok(members),
        Ok(other) => format!("it is of type {}", other.kind()),
        Err(error) => error.to_string(),
    };
    Err(Error::BadRequest { what: format!("the request's JSON cannot be read back: {what}") })
}

/// A body as it is read: the members one by one, so that what is wrong can be named.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    temperature: Option<&'a RawValue>,
    #[serde(borrow)]
    top_p: Option<&'a RawValue>,
    #[serde(borrow)]
    max_completion_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    max_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    stop: Option<&'a RawValue>,
    #[serde(borrow)]
    seed: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    top_logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    stream: Option<&'a RawValue>,
    #[serde(borrow)]
    sextant: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReadExtension {
    agent: Option<String>,
    task: Option<JsonText>,
}

/// What a server reads of a request's body: the request and whether it is to stream. `seen` remembers the tools of earlier ones.
///
/// # Errors
/// [`Error::BadRequest`] naming the member.
pub fn read_request(body: &str, seen: &SeenTools) -> Result<(ChatRequest, bool)> {
    fn bad(what: impl std::fmt::Display) -> Error {
        Error::BadRequest { what: what.to_string() }
    }
    fn member<T: DeserializeOwned>(value: Option<&RawValue>, name: &str) -> Result<Option<T>> {
        let read = value
            .map(|value| serde_json::from_str(value.get()).map_err(|error| bad(format!("{name}: {error}"))));
        read.transpose()
    }
    let read: Read<'_> = serde_json::from_str(body).map_err(bad)?;
    let messages: Vec<Message> =
        member(read.messages, "messages")?.ok_or_else(|| bad("messages is missing"))?;
    let tools = match read.tools {
        Some(tools) => seen.get(tools.get(), || {
            member::<Vec<ToolSpec>>(Some(tools), "tools").map(|tools| tools.unwrap_or_default().into())
        })?,
        None => Toolset::default(),
    };
    let tool_choice = match member(read.tool_choice, "tool_choice")? {
        None => ToolChoice::Auto,
        Some(Json::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => return Err(bad(format!("tool_choice: {other} is not known"))),
        },
        Some(value) => match value.pointer("/function/name").and_then(Json::as_str) {
            Some(name) => ToolChoice::Tool(name.to_owned()),
            None => return Err(bad("tool_choice: no function is named")),
        },
    };
    let stop = match read.stop {
        Some(text) if text.get().starts_with('"') => member(Some(text), "stop")?.into_iter().collect(),
        other => member(other, "stop")?.unwrap_or_default(),
    };
    let sampling = Sampling {
        temperature: member(read.temperature, "temperature")?,
        top_p: member(read.top_p, "top_p")?,
        max_tokens: member(read.max_completion_tokens, "max_completion_tokens")?
            .or(member(read.max_tokens, "max_tokens")?),
        stop,
        seed: member(read.seed, "seed")?,
    };
    let format = member::<Json>(read.response_format, "response_format")?.unwrap_or_default();
    let format = match format.get("type").and_then(Json::as_str) {
        Some("json_object") => ResponseFormat::JsonObject,
        Some("json_schema") => ResponseFormat::JsonSchema {
            name: format.pointer("/json_schema/name").and_then(Json::as_str).unwrap_or("reply").to_owned(),
            schema: format.pointer("/json_schema/schema").cloned().unwrap_or_default(),
        },
        _ => ResponseFormat::Text,
    };
    let is = |value: Option<&RawValue>| value.is_some_and(|value| value.get() == "true");
    let logprobs =
        is(read.logprobs).then(|| member(read.top_logprobs, "top_logprobs").map(Option::unwrap_or_default));
    // What others put there under this name is theirs.
    let extension = read.sextant.and_then(|inner| serde_json::from_str::<ReadExtension>(inner.get()).ok());
    let ReadExtension { agent, task } = extension.unwrap_or_default();
    let request = ChatRequest {
        messages,
        tools,
        tool_choice,
        sampling,
        format,
        logprobs: logprobs.transpose()?,
        agent,
        task,
        sample: None,
        session: None,
    };
    Ok((request, is(read.stream)))
}
