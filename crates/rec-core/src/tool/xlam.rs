//! Rows of xLAM and APIGen: `{"id", "query", "tools", "answers"}`, tools and answers as JSON in strings. One question, the
//! calls that answer it, no results.
//!
//! Parameters are a flat object: name to `{"description", "type", "default"}`, the type in Python's words (`List[int]`),
//! followed by `, optional` where it is.

use super::turns::{self, Builder, text};
use super::{Role, ToolSpec, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// Reads a row.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type.
pub fn read(row: &Json) -> Result<Trajectory> {
    let tools = turns::nested(row, "tools")?;
    let tools = tools.as_array().ok_or_else(|| Error::invalid("tools is no array"))?;
    let tools = tools
        .iter()
        .enumerate()
        .map(|(at, tool)| read_tool(tool).map_err(|error| turns::within(format_args!("tools/{at}"), error)));
    let tools = tools.collect::<Result<_>>()?;
    let answers = turns::nested(row, "answers")?;
    let answers = answers.as_array().ok_or_else(|| Error::invalid("answers is no array"))?;
    let calls = answers.iter().enumerate().map(|(at, call)| {
        turns::read_bare_call(call).map_err(|error| turns::within(format_args!("answers/{at}"), error))
    });
    let mut builder = Builder::default();
    builder.say(Role::User, text(row, "query")?);
    builder.call("", calls.collect::<Result<_>>()?);
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, ..Trajectory::default() })
}

fn read_tool(tool: &Json) -> Result<ToolSpec> {
    let parameters = tool.get("parameters").and_then(Json::as_object);
    // Some copies already hold JSON Schema.
    if parameters
        .is_none_or(|schema| schema.get("properties").is_some_and(|inner| inner.as_object().is_some()))
    {
        return turns::tool(tool);
    }
    let mut properties = Object::new();
    let mut required = Vec::new();
    for (name, parameter) in parameters.into_iter().flatten() {
        let members =
            parameter.as_object().ok_or_else(|| Error::invalid(format!("parameters/{name} is no object")))?;
        let written = members.get("type").and_then(Json::as_str).unwrap_or("str");
        let (python, optional) = match written.split_once(',') {
            Some((python, rest)) if rest.trim() == "optional" => (python, true),
            _ => (written, written.starts_with("Optional[")),
        };
        let mut schema = read_type(python.trim(), 0);
        let members = members.iter().filter(|(key, _)| *key != "type");
        schema.extend(members.map(|(key, value)| (key.clone(), value.clone())));
        if !optional {
            required.push(Json::from(name.as_str()));
        }
        properties.insert(name.clone(), schema.into());
    }
    let mut schema = Object::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), Json::Array(required));
    }
    let description = tool.get("description").and_then(Json::as_str).unwrap_or_default();
    Ok(ToolSpec::new(text(tool, "name")?, description, schema.into()))
}

/// A type in Python's words. What is not known is a string.
fn read_type(python: &str, depth: usize) -> Object {
    let (outer, inner) = match python.split_once('[') {
        Some((outer, inner)) if depth < 8 => (outer, inner.strip_suffix(']').unwrap_or(inner)),
        _ => (python, ""),
    };
    let mut schema = Object::new();
    let name = match outer.trim().to_ascii_lowercase().as_str() {
        "optional" if !inner.is_empty() => return read_type(inner, depth + 1),
        "int" | "integer" => "integer",
        "float" | "number" => "number",
        "bool" | "boolean" => "boolean",
        "list" | "tuple" | "set" | "array" => "array",
        "dict" | "object" => "object",
        _ => "string",
    };
    schema.insert("type".to_owned(), name.into());
    if name == "array" && !inner.is_empty() {
        // Of a tuple only the first type counts; a comma inside brackets parts nothing here.
        let first = match inner.split_once(',') {
            Some((first, _)) if first.matches('[').count() == first.matches(']').count() => first,
            _ => inner,
        };
        schema.insert("items".to_owned(), read_type(first, depth + 1).into());
    }
    schema
}

/// Writes a row.
///
/// # Errors
/// [`Error::Invalid`] for anything but one question and the calls that answer it.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let [question, answer] = trajectory.messages.as_slice() else {
        return Err(Error::invalid("not one question and its calls"));
    };
    if question.role != Role::User || answer.role != Role::Assistant || !answer.content.is_empty() {
        return Err(Error::invalid("not one question and its calls"));
    }
    let tools: Vec<Json> = trajectory.tools.iter().map(write_tool).collect();
    let answers: Vec<Json> = answer.tool_calls.iter().map(turns::bare_call).collect();
    let mut row = Object::new();
    if !trajectory.id.is_empty() {
        row.insert("id".to_owned(), trajectory.id.as_str().into());
    }
    row.insert("query".to_owned(), question.content.as_str().into());
    row.insert("tools".to_owned(), Json::Array(tools).to_string().into());
    row.insert("answers".to_owned(), Json::Array(answers).to_string().into());
    Ok(row.into())
}

fn write_tool(tool: &ToolSpec) -> Json {
    let schema = &tool.parameters;
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let properties = schema.get("properties").and_then(Json::as_object);
    let parameters = properties.into_iter().flatten().map(|(name, property)| {
        let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
        let (python, whole) = write_type(property, 0);
        let mut members = Object::new();
        members.insert("type".to_owned(), format!("{python}{optional}").into());
        for (key, value) in property.as_object().into_iter().flatten() {
            // Items that the type tells already.
            if key != "type" && !(key == "items" && whole) {
                members.insert(key.clone(), value.clone());
            }
        }
        (name.clone(), Json::Object(members))
    });
    [
        ("name", Json::from(tool.name.as_str())),
        ("description", Json::from(tool.description.as_str())),
        ("parameters", parameters.collect()),
    ]
    .into_iter()
    .collect()
}

/// The type in Python's words, and whether they tell all about the items of a list.
fn write_type(schema: &Json, depth: usize) -> (String, bool) {
    let python = match schema.get("type").and_then(Json::as_str).unwrap_or("string") {
        "integer" => "int",
        "number" => "float",
        "boolean" => "bool",
        "object" => "dict",
        "array" => match schema.get("items") {
            Some(items) if depth < 7 => {
                let (inner, whole) = write_type(items, depth + 1);
                let simple = items.as_object().is_some_and(|members| {
                    members.keys().all(|key| key == "type" || (key == "items" && whole))
                        && members.contains_key("type")
                });
                return (format!("List[{inner}]"), simple && whole);
            }
            _ => "list",
        },
        _ => "str",
    };
    (python.to_owned(), true)
}
