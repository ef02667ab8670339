//! Readers for the rows of benchmarks of tool use. They are read, not written.

use super::turns::{self, Builder, text, within};
use super::{Format, Role, ToolCall, Trajectory};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// An API-Bank dialogue of level 1 or 2: JSON lines of turns by `User`, `AI` and `API`. A call and its result are one turn there
/// and two messages here. Its tools are not in the dialogue.
///
/// # Errors
/// [`Error::Invalid`] naming the line.
pub fn read_api_bank(lines: &str) -> Result<Trajectory> {
    let mut builder = Builder::default();
    for (at, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let read = line.parse().and_then(|turn| read_api_bank_turn(&turn, &mut builder));
        read.map_err(|error| within(format_args!("line {}", at + 1), error))?;
    }
    Ok(Trajectory { messages: builder.messages, ..Trajectory::default() })
}

fn read_api_bank_turn(turn: &Json, builder: &mut Builder) -> Result<()> {
    match text(turn, "role")? {
        "User" => builder.say(Role::User, text(turn, "text")?),
        "AI" => builder.say(Role::Assistant, text(turn, "text")?),
        "API" => {
            let name = text(turn, "api_name")?;
            let arguments = turn.get("param_dict").cloned().unwrap_or_else(|| Json::Object(Object::new()));
            builder.call("", vec![ToolCall::new("", name, arguments)]);
            if let Some(result) = turn.get("result") {
                builder.answer(Some(name), turns::result_text(result));
            }
        }
        other => return Err(Error::invalid(format!("role is {other}, not User, AI or API"))),
    }
    Ok(())
}

/// A NESTFUL task: the question and the calls that answer it, whose ids are their labels; arguments such as `$var1.id$` refer to
/// the results of earlier ones.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type.
pub fn read_nestful(row: &Json) -> Result<Trajectory> {
    let mut builder = Builder::default();
    builder.say(Role::User, text(row, "input")?);
    let mut calls = Vec::new();
    for (at, call) in turns::list(row, "output")?.iter().enumerate() {
        let read = turns::read_bare_call(call).map_err(|error| within(format_args!("output/{at}"), error))?;
        let label = call.get("label").and_then(Json::as_str);
        calls.push(ToolCall { id: label.map_or_else(|| format!("var{}", at + 1), str::to_owned), ..read });
    }
    builder.messages.push(super::Message::calls(calls));
    Ok(Trajectory { messages: builder.messages, ..Trajectory::default() })
}

/// A tau-bench episode: chat completions' messages with the final reward, the task's number and the trial as metadata.
/// Some published episodes give two calls the same id, which [`Trajectory::check`] refuses.
///
/// # Errors
/// [`Error::Invalid`] naming what is missing or of another type.
pub fn read_tau_bench(row: &Json) -> Result<Trajectory> {
    let messages: Json =
        [("messages", Json::Array(turns::list(row, "traj")?.to_vec()))].into_iter().collect();
    let read = Format::OpenAi.read(&messages)?;
    let member = |name: &str| Some((name.to_owned(), row.get(name)?.clone()));
    let metadata = ["task_id", "trial", "reward"].into_iter().filter_map(member).collect();
    Ok(Trajectory { metadata, ..read })
}
