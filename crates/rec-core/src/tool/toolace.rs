//! ToolACE's rows: `{"system", "conversations": [{"from": "user" | "assistant" | "tool", "value"}]}`.
//!
//! `system` holds instructions and the tools as a JSON list, in the Python dialect; calls are text (see [`call_text`]);
//! a tool's value is a list of `{"name", "results"}` in the order of the calls.

use super::turns::{self, Builder, Turn, text, within};
use super::{Role, ToolCall, ToolSpec, Trajectory, call_text, dialect};
use crate::error::{Error, Result};
use crate::json::Json;

/// Reads a row. The tools are the longest JSON list of named objects in `system`; the text around it stays the system
/// message. An assistant's text that reads as calls is calls, everything else is text.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type.
pub fn read(row: &Json) -> Result<Trajectory> {
    let (instructions, tools) = split_system(text(row, "system")?)?;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    let mut builder = Builder::default();
    if !instructions.is_empty() {
        builder.say(Role::System, instructions);
    }
    for (at, turn) in turns::list(row, "conversations")?.iter().enumerate() {
        read_turn(turn, &names, &mut builder)
            .map_err(|error| within(format_args!("conversations/{at}"), error))?;
    }
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, ..Trajectory::default() })
}

fn read_turn(turn: &Json, names: &[&str], builder: &mut Builder) -> Result<()> {
    let value = text(turn, "value")?;
    match text(turn, "from")? {
        "system" => builder.say(Role::System, value),
        "user" => builder.say(Role::User, value),
        "assistant" => match read_calls(value, names) {
            Some(calls) => builder.call("", calls),
            None => builder.say(Role::Assistant, value),
        },
        "tool" => match value.parse::<Json>() {
            Ok(Json::Array(results))
                if !results.is_empty() && results.iter().all(|result| result.get("name").is_some()) =>
            {
                for result in &results {
                    let content = result.get("results").map(turns::result_text).unwrap_or_default();
                    let name = result.get("name").and_then(Json::as_str).filter(|name| !name.is_empty());
                    builder.answer(name, content);
                }
            }
            _ => builder.answer(None, value),
        },
        other => return Err(Error::invalid(format!("from is {other}, not user, assistant or tool"))),
    }
    Ok(())
}

/// Only a list in brackets is meant as calls; an empty one is not.
fn read_calls(value: &str, names: &[&str]) -> Option<Vec<ToolCall>> {
    let calls = value.trim_start().starts_with('[').then(|| call_text::read(value, names).ok())??;
    (!calls.is_empty()).then_some(calls)
}

fn split_system(system: &str) -> Result<(String, Vec<ToolSpec>)> {
    let mut best: Option<(usize, usize, Json)> = None;
    let mut from = 0;
    while let Some(found) = system[from..].find('[') {
        let start = from + found;
        from = start + 1;
        if !system[from..].trim_start().starts_with('{') {
            continue;
        }
        let Ok((value, rest)) = Json::read_prefix(&system[start..]) else { continue };
        let end = system.len() - rest.len();
        let is_list = |items: &[Json]| items.iter().all(|item| turns::tool(item).is_ok());
        if value.as_array().is_some_and(is_list)
            && best.as_ref().is_none_or(|(first, last, _)| end - start >= last - first)
        {
            best = Some((start, end, value));
        }
        // Nothing inside a value is longer than the value.
        from = end;
    }
    let Some((start, end, value)) = best else { return Ok((system.trim().to_owned(), Vec::new())) };
    let mut tools = turns::tools(&value, "system")?;
    for tool in &mut tools {
        tool.parameters = dialect::to_json_schema(&tool.parameters);
    }
    let (before, after) = (system[..start].trim(), system[end..].trim());
    let between = if before.is_empty() || after.is_empty() { "" } else { "\n" };
    Ok((format!("{before}{between}{after}"), tools))
}

/// Writes a row: the system message, then the tools.
///
/// # Errors
/// [`Error::Invalid`] for text beside calls, arguments that are no object, a second system message.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let (system, turns) = turns::turns(trajectory)?;
    let tools: Vec<Json> = trajectory.tools.iter().map(write_tool).collect();
    let mut text = system.unwrap_or_default().to_owned();
    if !tools.is_empty() {
        text.push_str(if text.is_empty() { "" } else { "\n" });
        text.push_str(&Json::Array(tools).to_string());
    }
    let mut conversations = Vec::new();
    for turn in turns {
        let (from, value) = match turn {
            Turn::Text(message) => {
                let from = if message.role == Role::User { "user" } else { "assistant" };
                (from, message.content.clone())
            }
            Turn::Calls(message) if !message.content.is_empty() => {
                return Err(Error::invalid("an assistant's message with both text and calls"));
            }
            Turn::Calls(message) => ("assistant", call_text::write(&message.tool_calls)?),
            Turn::Answers(answers) => {
                let results = answers.into_iter().map(|(name, content)| {
                    [("name", Json::from(name)), ("results", turns::result_value(content))]
                        .into_iter()
                        .collect()
                });
                ("tool", Json::Array(results.collect()).to_string())
            }
        };
        conversations.push([("from", from.to_owned()), ("value", value)].into_iter().collect());
    }
    let mut row = crate::json::Object::new();
    if !trajectory.id.is_empty() {
        row.insert("id".to_owned(), trajectory.id.as_str().into());
    }
    row.insert("system".to_owned(), text.into());
    row.insert("conversations".to_owned(), Json::Array(conversations));
    Ok(row.into())
}

fn write_tool(tool: &ToolSpec) -> Json {
    [
        ("name", Json::from(tool.name.as_str())),
        ("description", Json::from(tool.description.as_str())),
        ("parameters", dialect::from_json_schema(&tool.parameters, dialect::Dialect::Python)),
        ("required", Json::Null),
    ]
    .into_iter()
    .collect()
}
