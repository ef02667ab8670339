//! ShareGPT rows as LLaMA-Factory reads them: `{"conversations": [{"from", "value"}], "tools", "system"}` with the
//! speakers `human`, `gpt`, `function_call`, `observation` and the tools as JSON in a string.
//!
//! A `function_call` is one `{"name", "arguments"}` or a list of them. Only one observation may follow it, so the answers to
//! several calls stand in it as a list in the order of the calls.

use super::turns::{self, Builder, Turn, text, within};
use super::{Role, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// Reads a row.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type.
pub fn read(row: &Json) -> Result<Trajectory> {
    let tools = match row.get("tools") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::String(text)) if text.trim().is_empty() => Vec::new(),
        Some(_) => turns::tools(&turns::nested(row, "tools")?, "tools")?,
    };
    let mut builder = Builder::default();
    if let Some(system) = row.get("system").and_then(Json::as_str).filter(|text| !text.is_empty()) {
        builder.say(Role::System, system);
    }
    for (at, turn) in turns::list(row, "conversations")?.iter().enumerate() {
        read_turn(turn, &mut builder).map_err(|error| within(format_args!("conversations/{at}"), error))?;
    }
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, ..Trajectory::default() })
}

fn read_turn(turn: &Json, builder: &mut Builder) -> Result<()> {
    let value = text(turn, "value")?;
    match text(turn, "from")? {
        "system" => builder.say(Role::System, value),
        "human" | "user" => builder.say(Role::User, value),
        "gpt" | "assistant" => builder.say(Role::Assistant, value),
        "function_call" => {
            let calls = match value.parse::<Json>()? {
                Json::Array(calls) => calls.iter().map(turns::read_bare_call).collect::<Result<_>>()?,
                call => vec![turns::read_bare_call(&call)?],
            };
            builder.call("", calls);
        }
        "observation" | "tool" => match value.parse::<Json>() {
            Ok(Json::Array(results)) if builder.n_waiting() > 1 && results.len() == builder.n_waiting() => {
                results.iter().for_each(|result| builder.answer(None, turns::result_text(result)));
            }
            _ => builder.answer(None, value),
        },
        other => {
            let accepted = "system, human, gpt, function_call or observation";
            return Err(Error::invalid(format!("from is {other}, not {accepted}")));
        }
    }
    Ok(())
}

/// Writes a row.
///
/// # Errors
/// [`Error::Invalid`] for text beside calls, arguments that are no object, a second system message.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let (system, turns) = turns::turns(trajectory)?;
    let mut conversations = Vec::new();
    for turn in turns {
        let (from, value) = match turn {
            Turn::Text(message) => {
                (if message.role == Role::User { "human" } else { "gpt" }, message.content.clone())
            }
            Turn::Calls(message) => {
                if !message.content.is_empty() {
                    return Err(Error::invalid("an assistant's message with both text and calls"));
                }
                if let Some(call) =
                    message.tool_calls.iter().find(|call| call.arguments.as_object().is_none())
                {
                    return Err(Error::invalid(format!("the arguments of {} are no object", call.name)));
                }
                let mut calls: Vec<Json> = message.tool_calls.iter().map(turns::bare_call).collect();
                let calls = if calls.len() == 1 { calls.remove(0) } else { Json::Array(calls) };
                ("function_call", calls.to_string())
            }
            Turn::Answers(answers) => {
                let value = match answers.as_slice() {
                    [(_, content)] => (*content).to_owned(),
                    several => {
                        Json::Array(several.iter().map(|(_, content)| turns::result_value(content)).collect())
                            .to_string()
                    }
                };
                ("observation", value)
            }
        };
        conversations.push([("from", from.to_owned()), ("value", value)].into_iter().collect());
    }
    let mut row = Object::new();
    if !trajectory.id.is_empty() {
        row.insert("id".to_owned(), trajectory.id.as_str().into());
    }
    row.insert("conversations".to_owned(), Json::Array(conversations));
    if let Some(system) = system {
        row.insert("system".to_owned(), system.into());
    }
    let tools: Vec<Json> = trajectory.tools.iter().map(turns::bare_tool).collect();
    row.insert("tools".to_owned(), Json::Array(tools).to_string().into());
    Ok(row.into())
}
