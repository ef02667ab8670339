//! Hermes' rows: ShareGPT's shape with everything in tags. The tools stand in `<tools>` in the system message, calls in
//! `<tool_call>`, answers in `<tool_response>`; text may stand before the calls.

use super::turns::{self, Builder, Turn, text, within};
use super::{Role, ToolSpec, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// Reads a row. The tools are those of the first `<tools>` tag that holds JSON, or of the member `tools`.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type.
pub fn read(row: &Json) -> Result<Trajectory> {
    let mut tools = Vec::new();
    let mut builder = Builder::default();
    for (at, turn) in turns::list(row, "conversations")?.iter().enumerate() {
        read_turn(turn, &mut tools, &mut builder)
            .map_err(|error| within(format_args!("conversations/{at}"), error))?;
    }
    if tools.is_empty()
        && let Some(Json::String(_) | Json::Array(_)) = row.get("tools")
    {
        tools = turns::tools(&turns::nested(row, "tools")?, "tools")?;
    }
    Ok(Trajectory { id: turns::id(row), tools, messages: builder.messages, ..Trajectory::default() })
}

fn read_turn(turn: &Json, tools: &mut Vec<ToolSpec>, builder: &mut Builder) -> Result<()> {
    let value = text(turn, "value")?;
    match text(turn, "from")? {
        "system" => {
            let (instructions, found) = split_system(value);
            tools.extend(found);
            if !instructions.is_empty() {
                builder.say(Role::System, instructions);
            }
        }
        "human" | "user" => builder.say(Role::User, value),
        "gpt" | "assistant" => {
            let (said, blocks) = blocks(value, "tool_call");
            if blocks.is_empty() {
                builder.say(Role::Assistant, value);
            } else {
                let call = |block: &str| turns::read_bare_call(&block.trim().parse()?);
                builder.call(said, blocks.into_iter().map(call).collect::<Result<_>>()?);
            }
        }
        "tool" => {
            let (_, blocks) = blocks(value, "tool_response");
            if blocks.is_empty() {
                builder.answer(None, value);
            }
            for block in blocks {
                match block.trim().parse::<Json>() {
                    Ok(Json::Object(answer)) if answer.contains_key("content") => {
                        let name = answer.get("name").and_then(Json::as_str);
                        builder.answer(name, turns::result_text(&answer["content"]));
                    }
                    _ => builder.answer(None, block.trim()),
                }
            }
        }
        other => return Err(Error::invalid(format!("from is {other}, not system, human, gpt or tool"))),
    }
    Ok(())
}

/// The text outside of `<tag>…</tag>`, and what stands inside of each.
fn blocks<'t>(text: &'t str, tag: &str) -> (String, Vec<&'t str>) {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let mut outside = String::new();
    let mut inside = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&open) {
        let Some((block, after)) = after.split_once(&close) else { break };
        outside.push_str(before);
        inside.push(block);
        rest = after;
    }
    outside.push_str(rest);
    (outside.trim().to_owned(), inside)
}

/// The instructions without the tools, and the tools. Prompts name the tag before they use it.
fn split_system(system: &str) -> (String, Vec<ToolSpec>) {
    for (start, _) in system.match_indices("<tools>") {
        let inner = &system[start + "<tools>".len()..];
        let Some(end) = inner.find("</tools>") else { break };
        let Some(tools) = read_tools(&inner[..end]) else { continue };
        let (before, after) = (system[..start].trim(), inner[end + "</tools>".len()..].trim());
        let between = if before.is_empty() || after.is_empty() { "" } else { "\n" };
        return (format!("{before}{between}{after}"), tools);
    }
    (system.to_owned(), Vec::new())
}

/// A list, or one object after the other.
fn read_tools(text: &str) -> Option<Vec<ToolSpec>> {
    let mut rest = text.trim();
    let mut tools = Vec::new();
    while !rest.is_empty() {
        let (value, after) = Json::read_prefix(rest).ok()?;
        match &value {
            Json::Array(_) => tools.extend(turns::tools(&value, "tools").ok()?),
            _ => tools.push(turns::tool(&value).ok()?),
        }
        rest = after.trim_start();
    }
    (!tools.is_empty()).then_some(tools)
}

/// Writes a row: one object a line in `<tools>`, after the system message.
///
/// # Errors
/// [`Error::Invalid`] for a second system message.
pub fn write(trajectory: &Trajectory) -> Result<Json> {
    let (system, turns) = turns::turns(trajectory)?;
    let mut conversations = Vec::new();
    let mut push = |from: &str, value: String| {
        conversations.push([("from", from.to_owned()), ("value", value)].into_iter().collect());
    };
    let mut text = system.unwrap_or_default().to_owned();
    if !trajectory.tools.is_empty() {
        text.push_str(if text.is_empty() { "<tools>\n" } else { "\n<tools>\n" });
        for tool in &trajectory.tools {
            let function = [("type", Json::from("function")), ("function", turns::bare_tool(tool))];
            text.push_str(&format!("{}\n", function.into_iter().collect::<Json>()));
        }
        text.push_str("</tools>");
    }
    if !text.is_empty() {
        push("system", text);
    }
    for turn in turns {
        match turn {
            Turn::Text(message) => {
                push(if message.role == Role::User { "human" } else { "gpt" }, message.content.clone());
            }
            Turn::Calls(message) => {
                let calls =
                    message.tool_calls.iter().map(|call| tagged("tool_call", &turns::bare_call(call)));
                let said = (!message.content.is_empty()).then(|| message.content.clone());
                push("gpt", said.into_iter().chain(calls).collect::<Vec<_>>().join("\n"));
            }
            Turn::Answers(answers) => {
                let answers = answers.into_iter().map(|(name, content)| {
                    let answer = [("name", Json::from(name)), ("content", turns::result_value(content))];
                    tagged("tool_response", &answer.into_iter().collect())
                });
                push("tool", answers.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    let mut row = Object::new();
    if !trajectory.id.is_empty() {
        row.insert("id".to_owned(), trajectory.id.as_str().into());
    }
    row.insert("conversations".to_owned(), Json::Array(conversations));
    Ok(row.into())
}

/// JSON between tags; a `<` in its strings is escaped, so that no string can end the tag.
fn tagged(tag: &str, value: &Json) -> String {
    format!("<{tag}>\n{}\n</{tag}>", value.to_string().replace('<', "\\u003c"))
}
