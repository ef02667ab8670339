//! Rows of Glaive's function calling v2: `{"system", "chat"}`, both plain text with markers. The system text ends with the
//! tools as JSON objects; in the chat, `USER:`, `ASSISTANT:` and `FUNCTION RESPONSE:` start a turn, a call follows
//! `<functioncall>`, and its arguments are JSON inside single quotes.

use super::turns::{self, Builder, Turn, text, within};
use super::{Role, ToolCall, ToolSpec, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

const CALL: &str = "<functioncall>";
const END: &str = "<|endoftext|>";
const MARKERS: [&str; 3] = ["USER:", "ASSISTANT:", "FUNCTION RESPONSE:"];

/// Reads a row.
///
/// # Errors
/// [`Error::Invalid`] naming the turn whose call cannot be read.
pub fn read(row: &Json) -> Result<Trajectory> {
    let (instructions, tools) = split_system(text(row, "system")?);
    let mut builder = Builder::default();
    if !instructions.is_empty() {
        builder.say(Role::System, instructions);
    }
    for (at, (marker, content)) in split_chat(text(row, "chat")?).into_iter().enumerate() {
        let content = content.replace(END, "");
        let content = content.trim();
        match marker {
            "USER:" => builder.say(Role::User, content),
            "ASSISTANT:" => match content.split_once(CALL) {
                Some((said, call)) => {
                    let call =
                        read_call(call).map_err(|error| within(format_args!("chat, turn {at}"), error))?;
                    builder.call(said.trim(), vec![call]);
                }
                None => builder.say(Role::Assistant, content),
            },
            _ => builder.answer(None, content),
        }
    }
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, ..Trajectory::default() })
}

fn split_system(system: &str) -> (String, Vec<ToolSpec>) {
    let text = system.trim();
    let text = text.strip_prefix("SYSTEM:").unwrap_or(text).trim();
    let mut tools = Vec::new();
    let mut instructions = text;
    let mut from = 0;
    while let Some(found) = text[from..].find('{') {
        let start = from + found;
        from = start + 1;
        // Tools start a line.
        if !text[..start].trim_end_matches([' ', '\t']).is_empty()
            && !text[..start].trim_end_matches([' ', '\t']).ends_with('\n')
        {
            continue;
        }
        let Ok((value, rest)) = Json::read_prefix(&text[start..]) else { continue };
        let Ok(tool) = turns::tool(&value) else { continue };
        if tools.is_empty() {
            instructions = text[..start].trim();
        }
        tools.push(tool);
        from = text.len() - rest.len();
    }
    (instructions.to_owned(), tools)
}

/// Marker and content of each turn. A marker stands at the start or after an empty line.
fn split_chat(chat: &str) -> Vec<(&'static str, &str)> {
    let mut starts: Vec<(usize, &'static str)> = Vec::new();
    for marker in MARKERS {
        for (at, _) in chat.match_indices(marker) {
            let before = chat[..at].trim_end_matches([' ', '\t']);
            if before.trim().is_empty() || before.ends_with("\n\n") {
                starts.push((at, marker));
            }
        }
    }
    starts.sort_unstable();
    let end = |at: usize| starts.get(at + 1).map_or(chat.len(), |next| next.0);
    let turn = |(at, &(start, marker)): (usize, &(usize, &'static str))| {
        (marker, &chat[start + marker.len()..end(at)])
    };
    starts.iter().enumerate().map(turn).collect()
}

/// `{"name": "f", "arguments": '{"a": 1}'}`. Quotes inside the arguments are not escaped, so they end at the last one.
fn read_call(text: &str) -> Result<ToolCall> {
    let text = text.trim();
    if let Ok(value) = text.parse::<Json>() {
        return turns::read_bare_call(&value);
    }
    let after = |key: &str| {
        text.split_once(key).map(|(_, rest)| rest.trim_start().trim_start_matches(':').trim_start())
    };
    let name = after("\"name\"").ok_or_else(|| Error::invalid("a call without a name"))?;
    let (name, _) = Json::read_prefix(name)?;
    let name = name.as_str().ok_or_else(|| Error::invalid("the name of a call is no string"))?;
    let Some(quoted) = after("\"arguments\"") else {
        return Ok(ToolCall::new("", name, Json::Object(Object::new())));
    };
    let inner = quoted.strip_prefix('\'').and_then(|rest| rest.rsplit_once('\'')).map(|(inner, _)| inner);
    let inner = inner.ok_or_else(|| Error::invalid("the arguments of a call are not in single quotes"))?;
    // Inside single quotes only a single quote needs a backslash.
    let arguments = inner.parse().or_else(|_| inner.replace("\\'", "'").parse());
    Ok(ToolCall::new("", name, arguments.map_err(|error| within("arguments", error))?))
}

/// Writes a row.
///
/// # Errors
/// [`Error::Invalid`] for several calls in one message, arguments that are no object, a second system message.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let (system, turns) = turns::turns(trajectory)?;
    let mut text = format!("SYSTEM: {}", system.unwrap_or_default());
    for tool in &trajectory.tools {
        text.push('\n');
        text.push_str(&turns::bare_tool(tool).pretty());
    }
    let mut chat = String::new();
    let mut push = |marker: &str, content: &str, end: &str| {
        chat.push_str(&format!("{marker} {content}{end}\n\n\n"));
    };
    for turn in turns {
        match turn {
            Turn::Text(message) if message.role == Role::User => push("USER:", &message.content, ""),
            Turn::Text(message) => push("ASSISTANT:", &message.content, &format!(" {END}")),
            Turn::Calls(message) => {
                let [call] = message.tool_calls.as_slice() else {
                    return Err(Error::invalid("several calls in one message"));
                };
                if call.arguments.as_object().is_none() {
                    return Err(Error::invalid(format!("the arguments of {} are no object", call.name)));
                }
                let blank = if message.content.is_empty() { "" } else { " " };
                let name = Json::from(call.name.as_str());
                let call = format!("{{\"name\": {name}, \"arguments\": '{}'}}", call.arguments);
                push("ASSISTANT:", &format!("{}{blank}{CALL} {call}", message.content), &format!(" {END}"));
            }
            Turn::Answers(answers) => {
                answers.iter().for_each(|(_, content)| push("FUNCTION RESPONSE:", content, ""));
            }
        }
    }
    let mut row = Object::new();
    if !trajectory.id.is_empty() {
        row.insert("id".to_owned(), trajectory.id.as_str().into());
    }
    row.insert("system".to_owned(), text.into());
    row.insert("chat".to_owned(), chat.into());
    Ok(row.into())
}
