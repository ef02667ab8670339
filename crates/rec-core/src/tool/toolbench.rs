//! ToolBench's files: answers (`answer_generation` with the messages that led to an answer) and instructions (a query with
//! the APIs it needs).
//!
//! Messages are chat completions' older form, with `function_call` and the role `function`. The search tree beside them
//! is not read here.

use super::turns::{self, Builder, Turn, text, within};
use super::{Role, ToolSpec, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// Reads an answer file: the last list of messages, which is the whole path. Metadata keeps `valid_data` and
/// `finish_type`.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type; an answer that was given up has no messages.
pub fn read(row: &Json) -> Result<Trajectory> {
    let answer =
        row.get("answer_generation").ok_or_else(|| Error::invalid("answer_generation is missing"))?;
    let tools = match answer.get("function") {
        Some(functions) => turns::tools(functions, "answer_generation/function")?,
        None => Vec::new(),
    };
    let paths = turns::list(answer, "train_messages")?;
    let path = paths.last().ok_or_else(|| Error::invalid("train_messages is empty"))?;
    let path =
        path.as_array().ok_or_else(|| Error::invalid("train_messages holds something else than lists"))?;
    let mut builder = Builder::default();
    for (at, message) in path.iter().enumerate() {
        read_message(message, &mut builder).map_err(|error| within(format_args!("message {at}"), error))?;
    }
    let kept = ["valid_data", "finish_type"].into_iter();
    let metadata = kept.filter_map(|key| Some((key.to_owned(), answer.get(key)?.clone()))).collect();
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, metadata })
}

fn read_message(message: &Json, builder: &mut Builder) -> Result<()> {
    let content = match message.get("content") {
        None | Some(Json::Null) => "",
        Some(_) => text(message, "content")?,
    };
    match text(message, "role")? {
        "system" => builder.say(Role::System, content),
        "user" => builder.say(Role::User, content),
        "assistant" => match message.get("function_call") {
            None | Some(Json::Null) => builder.say(Role::Assistant, content),
            Some(call) => builder.call(content, vec![turns::read_bare_call(call)?]),
        },
        "function" => builder.answer(message.get("name").and_then(Json::as_str), content),
        other => {
            return Err(Error::invalid(format!("role is {other}, not system, user, assistant or function")));
        }
    }
    Ok(())
}

/// Writes an answer file with one list of messages.
///
/// # Errors
/// [`Error::Invalid`] for several calls in one message or a second system message.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let (system, turns) = turns::turns(trajectory)?;
    let member = |role: &str, content: &str| -> Object {
        [("role".to_owned(), Json::from(role)), ("content".to_owned(), Json::from(content))]
            .into_iter()
            .collect()
    };
    let mut messages: Vec<Json> = system.iter().map(|text| member("system", text).into()).collect();
    for turn in turns {
        match turn {
            Turn::Text(message) => {
                let role = if message.role == Role::User { "user" } else { "assistant" };
                messages.push(member(role, &message.content).into());
            }
            Turn::Calls(message) => {
                let [call] = message.tool_calls.as_slice() else {
                    return Err(Error::invalid("several calls in one message"));
                };
                let arguments = match &call.arguments {
                    Json::String(text) => text.clone(),
                    value => value.to_string(),
                };
                let called = [("name", Json::from(call.name.as_str())), ("arguments", arguments.into())];
                let mut message = member("assistant", &message.content);
                message.insert("function_call".to_owned(), called.into_iter().collect());
                messages.push(message.into());
            }
            Turn::Answers(answers) => messages.extend(answers.into_iter().map(|(name, content)| {
                let mut message = member("function", content);
                message.insert("name".to_owned(), name.into());
                Json::from(message)
            })),
        }
    }
    let query = trajectory.messages.iter().find(|message| message.role == Role::User);
    let mut answer: Object = trajectory.metadata.clone();
    answer.insert("query".to_owned(), query.map_or("", |message| message.content.as_str()).into());
    let functions: Vec<Json> = trajectory.tools.iter().map(turns::bare_tool).collect();
    answer.insert("function".to_owned(), Json::Array(functions));
    answer.insert("train_messages".to_owned(), Json::Array(vec![Json::Array(messages)]));
    let mut row = Object::new();
    if !trajectory.id.is_empty() {
        row.insert("id".to_owned(), trajectory.id.as_str().into());
    }
    row.insert("answer_generation".to_owned(), answer.into());
    Ok(row.into())
}

/// Reads one record of an instruction file: the query as the only message, its APIs as tools under the names that
/// ToolBench gives them (`search_people_for_tvmaze`), the names of the relevant ones as metadata `relevant`.
///
/// # Errors
/// [`Error::Invalid`] naming the API and what it lacks.
pub fn read_instruction(record: &Json) -> Result<Trajectory> {
    let mut builder = Builder::default();
    builder.say(Role::User, text(record, "query")?);
    let apis = turns::list(record, "api_list")?.iter().enumerate();
    let tools =
        apis.map(|(at, api)| read_api(api).map_err(|error| within(format_args!("api_list/{at}"), error)));
    let relevant = record.get("relevant APIs").and_then(Json::as_array).into_iter().flatten();
    let relevant = relevant.filter_map(|pair| match pair.as_array()? {
        [tool, api] => Some(Json::from(function_name(tool.as_str()?, api.as_str()?))),
        _ => None,
    });
    let metadata = [("relevant".to_owned(), Json::Array(relevant.collect()))].into_iter().collect();
    let id = record.get("query_id").map(Json::to_string).unwrap_or_default();
    Ok(Trajectory { id, tools: tools.collect::<Result<_>>()?, messages: builder.messages, metadata })
}

fn read_api(api: &Json) -> Result<ToolSpec> {
    let name = function_name(text(api, "tool_name")?, text(api, "api_name")?);
    let mut properties = Object::new();
    let mut required = Vec::new();
    for list in ["required_parameters", "optional_parameters"] {
        for parameter in api.get(list).and_then(Json::as_array).into_iter().flatten() {
            let name = argument_name(text(parameter, "name")?);
            let kind = match parameter.get("type").and_then(Json::as_str).unwrap_or_default() {
                "NUMBER" => "integer",
                "BOOLEAN" => "boolean",
                "ARRAY" => "array",
                "OBJECT" => "object",
                _ => "string",
            };
            let mut schema = Object::new();
            schema.insert("type".to_owned(), kind.into());
            for key in ["description", "default"] {
                if let Some(value) = parameter.get(key).filter(|value| value.as_str() != Some("")) {
                    schema.insert(key.to_owned(), value.clone());
                }
            }
            if list == "required_parameters" {
                required.push(Json::from(name.as_str()));
            }
            properties.insert(name, schema.into());
        }
    }
    let schema = [
        ("type", Json::from("object")),
        ("properties", properties.into()),
        ("required", Json::Array(required)),
    ];
    let description = api.get("api_description").and_then(Json::as_str).unwrap_or_default().trim();
    Ok(ToolSpec::new(name, description, schema.into_iter().collect()))
}

/// `API_for_TOOL`, the last 64 characters.
fn function_name(tool: &str, api: &str) -> String {
    let name = format!("{}_for_{}", standard(api), standard(tool));
    let skipped = name.chars().count().saturating_sub(64);
    name.chars().skip(skipped).collect()
}

/// Lower case, everything else than letters, digits and Chinese characters one underscore.
fn standard(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '^' || ('\u{4e00}'..='\u{9fa5}').contains(&c);
    let parts = name.split(|c| !kept(c)).filter(|part| !part.is_empty());
    let name = parts.collect::<Vec<_>>().join("_").to_lowercase();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("get_{name}") } else { name }
}

/// Names that Python keeps for itself get another.
fn argument_name(name: &str) -> String {
    let name = standard(name);
    match name.as_str() {
        "from" | "class" | "return" | "false" | "true" | "id" | "and" => format!("is_{name}"),
        _ => name,
    }
}
