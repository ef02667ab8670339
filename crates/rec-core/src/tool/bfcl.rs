//! BFCL's single-turn entries: a line of a question file (`{"id", "question", "function"}`) and a line of an answer file
//! (`{"id", "ground_truth": [{name: {parameter: [allowed, …]}}]}`), here joined in one row.
//!
//! An empty string among the allowed values says that a parameter may be left out. The members of a dict have lists of
//! allowed values of their own, one level deep, where the function's document says that the parameter is a dict or a list of
//! dicts.

use super::turns::{self, Builder, within};
use super::{Role, ToolCall, ToolSpec, Trajectory, dialect};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// Joins a question and its answer to the row that [`read`] takes.
///
/// # Errors
/// [`Error::Invalid`] if the ids differ.
pub fn join(question: &Json, answer: &Json) -> Result<Json> {
    if question.get("id") != answer.get("id") {
        return Err(Error::invalid(format!("the answer to {} has another id", turns::id(question))));
    }
    let mut row =
        question.as_object().cloned().ok_or_else(|| Error::invalid("a question that is no object"))?;
    let truth = answer.get("ground_truth").ok_or_else(|| Error::invalid("ground_truth is missing"))?;
    row.insert("ground_truth".to_owned(), truth.clone());
    Ok(row.into())
}

/// Parts a row into the question and the answer, for the two files.
pub fn split(row: &Json) -> (Json, Option<Json>) {
    let Some(members) = row.as_object() else { return (row.clone(), None) };
    let mut question = members.clone();
    let truth = question.shift_remove("ground_truth");
    let id = members.get("id").cloned().unwrap_or_default();
    (question.into(), truth.map(|truth| [("id", id), ("ground_truth", truth)].into_iter().collect()))
}

/// Reads a row: the messages of all turns, then the expected calls, each argument with the first value that is allowed. A
/// row without `ground_truth` has no calls.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type; multi-turn answers, which are lists of texts, among it.
pub fn read(row: &Json) -> Result<Trajectory> {
    let mut tools = turns::tools(row.get("function").unwrap_or(&Json::Array(Vec::new())), "function")?;
    for tool in &mut tools {
        tool.parameters = dialect::to_json_schema(&tool.parameters);
    }
    let mut builder = Builder::default();
    for (at, turn) in turns::list(row, "question")?.iter().enumerate() {
        let place = format!("question/{at}");
        let messages = turn.as_array().ok_or_else(|| Error::invalid(format!("{place} is no array")))?;
        for message in messages {
            let content = turns::text(message, "content").map_err(|error| within(&place, error))?;
            match turns::text(message, "role").map_err(|error| within(&place, error))? {
                "system" => builder.say(Role::System, content),
                "user" => builder.say(Role::User, content),
                "assistant" => builder.say(Role::Assistant, content),
                other => return Err(Error::invalid(format!("{place}: role is {other}"))),
            }
        }
    }
    if let Some(truth) = row.get("ground_truth") {
        let truth = truth.as_array().ok_or_else(|| Error::invalid("ground_truth is no array"))?;
        let call = |(at, expected): (usize, &Json)| {
            read_call(expected, &tools).map_err(|error| within(format_args!("ground_truth/{at}"), error))
        };
        builder.call("", truth.iter().enumerate().map(call).collect::<Result<_>>()?);
    }
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, ..Trajectory::default() })
}

fn read_call(expected: &Json, tools: &[ToolSpec]) -> Result<ToolCall> {
    let members = expected.as_object().filter(|members| members.len() == 1);
    let (name, parameters) = members
        .and_then(|members| members.first())
        .ok_or_else(|| Error::invalid("not an object with one call"))?;
    let parameters = parameters.as_object().ok_or_else(|| Error::invalid("the parameters are no object"))?;
    let mut arguments = Object::new();
    for (parameter, allowed) in parameters {
        let allowed = allowed.as_array().ok_or_else(|| Error::invalid(format!("{parameter} is no list")))?;
        let schema = property(tools, name, parameter);
        // Left out comes first only where it is what was done.
        match allowed.first() {
            None => {}
            Some(first) if first.as_str() == Some("") && !is_required(tools, name, parameter) => {}
            Some(first) => {
                arguments.insert(parameter.clone(), chosen(first, schema));
            }
        }
    }
    Ok(ToolCall::new("", name.as_str(), arguments.into()))
}

fn property<'t>(tools: &'t [ToolSpec], tool: &str, parameter: &str) -> Option<&'t Json> {
    tools.iter().find(|known| known.name == tool)?.parameters.get("properties")?.get(parameter)
}

fn is_required(tools: &[ToolSpec], tool: &str, parameter: &str) -> bool {
    let known = tools.iter().find(|known| known.name == tool);
    let required = known.and_then(|tool| tool.parameters.get("required")).and_then(Json::as_array);
    required.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(parameter)))
}

/// How deep lists of allowed values go.
fn shape(schema: Option<&Json>) -> (bool, bool) {
    let kind = |schema: Option<&Json>| {
        schema.and_then(|schema| schema.get("type")).and_then(Json::as_str) == Some("object")
    };
    (kind(schema), kind(schema.and_then(|schema| schema.get("items"))))
}

/// The value itself: each member of a dict is the first of its allowed values.
fn chosen(allowed: &Json, schema: Option<&Json>) -> Json {
    let first = |members: &Object| -> Json {
        let pick = |(name, value): (&String, &Json)| match value.as_array() {
            Some([]) => None,
            Some([first, ..]) => Some((name.clone(), first.clone())),
            None => Some((name.clone(), value.clone())),
        };
        members.iter().filter_map(pick).collect()
    };
    match (allowed, shape(schema)) {
        (Json::Object(members), (true, _)) => first(members),
        (Json::Array(items), (_, true)) => Json::Array(
            items.iter().map(|item| item.as_object().map_or_else(|| item.clone(), first)).collect(),
        ),
        _ => allowed.clone(),
    }
}

/// The only allowed value, in the shape that [`chosen`] reads.
fn allowed(value: &Json, schema: Option<&Json>) -> Json {
    let each = |members: &Object| -> Json {
        members.iter().map(|(name, value)| (name.clone(), Json::Array(vec![value.clone()]))).collect()
    };
    match (value, shape(schema)) {
        (Json::Object(members), (true, _)) => each(members),
        (Json::Array(items), (_, true)) => Json::Array(
            items.iter().map(|item| item.as_object().map_or_else(|| item.clone(), each)).collect(),
        ),
        _ => value.clone(),
    }
}

/// Writes a row: one turn of system and user messages, then the calls of the assistant. An optional argument whose value
/// is the default may be left out, and one that was left out may have the default.
///
/// # Errors
/// [`Error::Invalid`] for anything after the calls, or text of the assistant's before them.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let (calls, before) = match trajectory.messages.split_last() {
        Some((last, before)) if last.role == Role::Assistant && last.content.is_empty() => {
            (Some(last), before)
        }
        _ => (None, trajectory.messages.as_slice()),
    };
    let message = |message: &super::Message| match message.role {
        Role::System => {
            Ok([("role", "system"), ("content", message.content.as_str())].into_iter().collect::<Json>())
        }
        Role::User => Ok([("role", "user"), ("content", message.content.as_str())].into_iter().collect()),
        _ => Err(Error::invalid("an assistant or a tool speaks before the expected calls")),
    };
    let question = before.iter().map(message).collect::<Result<Vec<Json>>>()?;
    let functions = trajectory.tools.iter().map(|tool| {
        let native = dialect::from_json_schema(&tool.parameters, dialect::Dialect::Python);
        turns::bare_tool(&ToolSpec { parameters: native, ..tool.clone() })
    });
    let mut row = Object::new();
    row.insert("id".to_owned(), trajectory.id.as_str().into());
    row.insert("question".to_owned(), Json::Array(vec![Json::Array(question)]));
    row.insert("function".to_owned(), Json::Array(functions.collect()));
    if let Some(message) = calls {
        let truth: Result<Vec<Json>> =
            message.tool_calls.iter().map(|call| write_call(call, &trajectory.tools)).collect();
        row.insert("ground_truth".to_owned(), Json::Array(truth?));
    }
    Ok(row.into())
}

fn write_call(call: &ToolCall, tools: &[ToolSpec]) -> Result<Json> {
    let arguments = call
        .arguments
        .as_object()
        .ok_or_else(|| Error::invalid(format!("the arguments of {} are no object", call.name)))?;
    let mut parameters = Object::new();
    for (name, value) in arguments {
        let schema = property(tools, &call.name, name);
        let mut values = vec![allowed(value, schema)];
        let default = schema.and_then(|schema| schema.get("default"));
        if default == Some(value) && !is_required(tools, &call.name, name) {
            values.push("".into());
        }
        parameters.insert(name.clone(), Json::Array(values));
    }
    let known = tools.iter().find(|tool| tool.name == call.name);
    let properties = known.and_then(|tool| tool.parameters.get("properties")).and_then(Json::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        if let Some(default) = schema.get("default")
            && !arguments.contains_key(name)
            && !is_required(tools, &call.name, name)
        {
            parameters.insert(name.clone(), Json::Array(vec!["".into(), allowed(default, Some(schema))]));
        }
    }
    Ok([(call.name.clone(), Json::from(parameters))].into_iter().collect())
}
