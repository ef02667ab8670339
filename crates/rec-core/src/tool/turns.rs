//! What the formats share: fields of rows, calls and answers that belong together by their order, and the law that a
//! written row reads back as what was written.

use std::collections::VecDeque;

use super::{Message, Role, ToolCall, ToolSpec, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// The member `name` of a row, as text.
pub(super) fn text<'r>(row: &'r Json, name: &str) -> Result<&'r str> {
    let value = row.get(name).ok_or_else(|| Error::invalid(format!("{name} is missing")))?;
    value.as_str().ok_or_else(|| Error::invalid(format!("{name} is of type {}, not string", value.kind())))
}

/// The member `name` of a row, as a list.
pub(super) fn list<'r>(row: &'r Json, name: &str) -> Result<&'r [Json]> {
    let value = row.get(name).ok_or_else(|| Error::invalid(format!("{name} is missing")))?;
    value.as_array().ok_or_else(|| Error::invalid(format!("{name} is of type {}, not array", value.kind())))
}

/// The member `name`, which may be JSON or JSON in a string.
pub(super) fn nested(row: &Json, name: &str) -> Result<Json> {
    match row.get(name) {
        None | Some(Json::Null) => Err(Error::invalid(format!("{name} is missing"))),
        Some(Json::String(text)) => text.parse().map_err(|error| within(name, error)),
        Some(value) => Ok(value.clone()),
    }
}

/// Names what `error` lies in.
pub(super) fn within(place: impl std::fmt::Display, error: Error) -> Error {
    Error::invalid(format!("{place}: {error}"))
}

/// An id of a row: text or a number; empty if there is none.
pub(super) fn id(row: &Json) -> String {
    match row.get("id") {
        Some(Json::String(text)) => text.clone(),
        Some(number @ Json::Number(_)) => number.to_string(),
        _ => String::new(),
    }
}

/// A tool as `{"name", "description", "parameters"}`, or the same inside `{"type": "function", "function"}`.
pub(super) fn tool(value: &Json) -> Result<ToolSpec> {
    let function = value.get("function").unwrap_or(value);
    let name = text(function, "name")?;
    let description = function.get("description").and_then(Json::as_str).unwrap_or_default();
    let parameters = match function.get("parameters") {
        Some(schema @ Json::Object(_)) => schema.clone(),
        None | Some(Json::Null) => no_parameters(),
        Some(other) => {
            return Err(Error::invalid(format!("parameters is of type {}, not object", other.kind())));
        }
    };
    Ok(ToolSpec::new(name, description, parameters))
}

/// A list of tools; `place` names it in errors.
pub(super) fn tools(value: &Json, place: &str) -> Result<Vec<ToolSpec>> {
    let items = value
        .as_array()
        .ok_or_else(|| Error::invalid(format!("{place} is of type {}, not array", value.kind())))?;
    let each = |(at, item)| tool(item).map_err(|error| within(format_args!("{place}/{at}"), error));
    items.iter().enumerate().map(each).collect()
}

/// The schema of a tool without arguments.
pub(super) fn no_parameters() -> Json {
    [("type", Json::from("object")), ("properties", Json::Object(Object::new()))].into_iter().collect()
}

/// A tool as `{"name", "description", "parameters"}`.
pub(super) fn bare_tool(tool: &ToolSpec) -> Json {
    [
        ("name", Json::from(tool.name.as_str())),
        ("description", Json::from(tool.description.as_str())),
        ("parameters", tool.parameters.clone()),
    ]
    .into_iter()
    .collect()
}

/// A call as `{"name", "arguments"}`.
pub(super) fn bare_call(call: &ToolCall) -> Json {
    [("name", Json::from(call.name.as_str())), ("arguments", call.arguments.clone())].into_iter().collect()
}

/// A call from `{"name", "arguments"}`, the arguments as they are or in a string. It has no id yet.
pub(super) fn read_bare_call(value: &Json) -> Result<ToolCall> {
    let name = text(value, "name")?;
    let arguments = match value.get("arguments") {
        None | Some(Json::Null) => Json::Object(Object::new()),
        Some(Json::String(text)) => text.parse().unwrap_or_else(|_| Json::from(text.as_str())),
        Some(other) => other.clone(),
    };
    Ok(ToolCall::new("", name, arguments))
}

/// What a tool answered, as JSON where that gives back the same text, and as a string otherwise.
pub(super) fn result_value(content: &str) -> Json {
    match content.parse::<Json>() {
        Ok(value) if !matches!(value, Json::String(_)) && value.to_string() == content => value,
        _ => Json::from(content),
    }
}

/// The text of a [`result_value`].
pub(super) fn result_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// Builds messages from a format without call ids: calls are numbered, answers belong to the calls before them, by name
/// if they have one and by order otherwise.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) messages: Vec<Message>,
    /// Id and name of the calls that wait for an answer.
    waiting: VecDeque<(String, String)>,
    n_calls: usize,
}

impl Builder {
    pub(super) fn say(&mut self, role: Role, content: impl Into<String>) {
        self.messages.push(Message::new(role, content));
    }

    pub(super) fn call(&mut self, content: impl Into<String>, mut calls: Vec<ToolCall>) {
        self.waiting.clear();
        for call in &mut calls {
            self.n_calls += 1;
            call.id = format!("call_{}", self.n_calls);
            self.waiting.push_back((call.id.clone(), call.name.clone()));
        }
        self.messages.push(Message { tool_calls: calls, ..Message::assistant(content) });
    }

    /// How many calls wait for an answer.
    pub(super) fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn answer(&mut self, name: Option<&str>, content: impl Into<String>) {
        let place = name.and_then(|name| self.waiting.iter().position(|(_, called)| called == name));
        let answered = self.waiting.remove(place.unwrap_or(0));
        let mut message = Message::new(Role::Tool, content);
        message.name = name.map(str::to_owned).or_else(|| answered.as_ref().map(|(_, name)| name.clone()));
        message.tool_call_id = answered.map(|(id, _)| id);
        self.messages.push(message);
    }
}

/// A part of a conversation as the formats cut it.
pub(super) enum Turn<'t> {
    /// Somebody's text.
    Text(&'t Message),
    /// An assistant's calls, perhaps with text.
    Calls(&'t Message),
    /// What the tools answered to the calls just before, with the names of the tools.
    Answers(Vec<(&'t str, &'t str)>),
}

/// The system message at the start, and the turns after it. Answers come in the order of the calls.
///
/// # Errors
/// [`Error::Invalid`] for a system message in any other place: only OpenAI's form holds it.
pub(super) fn turns(trajectory: &Trajectory) -> Result<(Option<&str>, Vec<Turn<'_>>)> {
    let (system, messages) = match trajectory.messages.split_first() {
        Some((first, rest)) if first.role == Role::System => (Some(first.content.as_str()), rest),
        _ => (None, trajectory.messages.as_slice()),
    };
    let mut turns = Vec::new();
    let mut calls: &[ToolCall] = &[];
    let mut at = 0;
    while let Some(message) = messages.get(at) {
        match message.role {
            Role::System => return Err(Error::invalid("a system message that is not the first message")),
            Role::Tool => {
                let run = messages[at..].iter().take_while(|message| message.role == Role::Tool).count();
                let place = |answer: &Message| {
                    let id = answer.tool_call_id.as_deref().filter(|id| !id.is_empty())?;
                    calls.iter().position(|call| call.id == id)
                };
                let mut answers: Vec<&Message> = messages[at..at + run].iter().collect();
                if answers.iter().all(|answer| place(answer).is_some()) {
                    answers.sort_by_key(|answer| place(answer));
                }
                let named = answers.into_iter().enumerate().map(|(order, answer)| {
                    let call = place(answer).or((order < calls.len()).then_some(order)).map(|at| &calls[at]);
                    let name = answer.name.as_deref().or(call.map(|call| call.name.as_str()));
                    (name.unwrap_or_default(), answer.content.as_str())
                });
                turns.push(Turn::Answers(named.collect()));
                at += run - 1;
            }
            _ if message.tool_calls.is_empty() => turns.push(Turn::Text(message)),
            _ => {
                calls = &message.tool_calls;
                turns.push(Turn::Calls(message));
            }
        }
        at += 1;
    }
    Ok((system, turns))
}

/// What a conversation is once ids, blanks at the ends of texts and the order of answers are left aside.
fn essence(trajectory: &Trajectory) -> Result<Vec<String>> {
    let (system, turns) = turns(trajectory)?;
    let mut parts: Vec<String> = system.iter().map(|text| format!("system: {}", text.trim())).collect();
    for turn in turns {
        match turn {
            Turn::Text(message) => parts.push(format!("{:?}: {}", message.role, message.content.trim())),
            Turn::Calls(message) => {
                let calls: Vec<String> = message.tool_calls.iter().map(ToolCall::canonical).collect();
                parts.push(format!("calls: {} {calls:?}", message.content.trim()));
            }
            Turn::Answers(answers) => {
                parts.extend(answers.iter().map(|(_, content)| format!("answer: {}", content.trim())));
            }
        }
    }
    Ok(parts)
}

/// Fails unless `read` says the same as `written`, message by message.
///
/// # Errors
/// [`Error::Invalid`] naming the first message that differs.
pub(super) fn same(written: &Trajectory, read: &Trajectory) -> Result<()> {
    let (ours, theirs) = (essence(written)?, essence(read)?);
    if let Some(at) = (0..ours.len().max(theirs.len())).find(|&at| ours.get(at) != theirs.get(at)) {
        return Err(Error::invalid(format!("message {at} would be read back as something else")));
    }
    let names = |trajectory: &Trajectory| -> Vec<String> {
        trajectory.tools.iter().map(|tool| tool.name.clone()).collect()
    };
    if names(written) != names(read) {
        Err(Error::invalid("the tools would be read back as others"))
    } else {
        Ok(())
    }
}
