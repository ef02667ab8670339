//! R22–R26: the parts of a sample fit together.

use rec_core::tool::call_text;
use rec_core::{Json, Message, Role, ToolCall, Trajectory};

use super::Finding;
use crate::schema::violations;

fn report(found: &mut Vec<Finding>, rule: &'static str, at: usize, message: impl Into<String>) {
    found.push(Finding { rule, path: format!("/messages/{at}"), message: message.into() });
}

/// The tools' messages directly after message `at`.
fn answers(sample: &Trajectory, at: usize) -> &[Message] {
    let after = &sample.messages[at + 1..];
    let count = after.iter().take_while(|message| message.role == Role::Tool).count();
    &after[..count]
}

pub(super) fn r22(sample: &Trajectory, found: &mut Vec<Finding>) {
    for (at, message) in sample.messages.iter().enumerate() {
        if message.tool_calls.is_empty() {
            continue;
        }
        let answers = answers(sample, at);
        if answers.len() != message.tool_calls.len() {
            let (calls, answers) = (message.tool_calls.len(), answers.len());
            report(found, "R22", at, format!("{calls} calls but {answers} results"));
            continue;
        }
        for (index, (call, answer)) in message.tool_calls.iter().zip(answers).enumerate() {
            let at = at + 1 + index;
            if answer.tool_call_id.as_ref().is_some_and(|id| *id != call.id) {
                report(found, "R22", at, "answers another call than the one in its place");
            }
            if answer.name.as_ref().is_some_and(|name| *name != call.name) {
                report(found, "R22", at, format!("comes from another tool than {}", call.name));
            }
        }
    }
}

/// What the system message says if a reply is either calls or text.
pub const EITHER: &str = "never both";
/// What the system message says if only calls are wanted.
pub const CALLS_ONLY: &str = "reply with calls only";
/// What the system message says if only text is wanted.
pub const TEXT_ONLY: &str = "reply with text only";

pub(super) fn r23(sample: &Trajectory, found: &mut Vec<Finding>) {
    let names: Vec<&str> = sample.tools.iter().map(|tool| tool.name.as_str()).collect();
    let system: String = sample
        .messages
        .iter()
        .filter(|message| message.role == Role::System)
        .map(|message| message.content.to_lowercase())
        .collect();
    for (at, message) in sample.messages.iter().enumerate() {
        if message.role != Role::Assistant {
            continue;
        }
        let (text, calls) = (!message.content.trim().is_empty(), !message.tool_calls.is_empty());
        if text && calls && system.contains(EITHER) {
            report(found, "R23", at, "text beside calls");
        }
        if text && system.contains(CALLS_ONLY) {
            report(found, "R23", at, "text where only calls are wanted");
        }
        if calls && system.contains(TEXT_ONLY) {
            report(found, "R23", at, "calls where only text is wanted");
        }
        if message.content.trim_start().starts_with('[')
            && call_text::read(&message.content, &names)
                .is_ok_and(|calls| calls.iter().any(|call| names.contains(&call.name.as_str())))
        {
            report(found, "R23", at, "calls that are written as text");
        }
    }
}

pub(super) fn r24(sample: &Trajectory, found: &mut Vec<Finding>) {
    let mut before: Option<&Message> = None;
    for (at, message) in sample.messages.iter().enumerate() {
        let wrong = match (before.map(|before| before.role), message.role) {
            (None | Some(Role::System), Role::System) if at == 0 => None,
            (_, Role::System) => Some("a system message that is not the first"),
            (None | Some(Role::System), Role::User) => None,
            (None | Some(Role::System), _) => Some("the user does not begin"),
            (Some(Role::User), Role::User) => Some("two messages of the user in a row"),
            (Some(Role::User), Role::Tool) => Some("a tool answers the user"),
            (Some(Role::Assistant), Role::Assistant) => Some("two messages of the assistant in a row"),
            (Some(Role::Tool), Role::User) => {
                Some("the user speaks before the assistant has read the result")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            report(found, "R24", at, wrong);
        }
        before = Some(message);
    }
    if let Some(last) = before
        && last.role != Role::Assistant
    {
        report(found, "R24", sample.messages.len() - 1, "the assistant does not have the last word");
    }
}

pub(super) fn r25(sample: &Trajectory, found: &mut Vec<Finding>) {
    let mut called = false;
    for (at, message) in sample.messages.iter().enumerate() {
        match message.role {
            Role::Tool if !called => report(found, "R25", at, "a tool speaks without a call before it"),
            Role::Tool => {}
            _ => called = !message.tool_calls.is_empty(),
        }
    }
}

pub(super) fn r26(sample: &Trajectory, found: &mut Vec<Finding>) {
    let calls: Vec<&ToolCall> = sample.calls().collect();
    for (at, message) in sample.messages.iter().enumerate() {
        if message.role != Role::Tool {
            continue;
        }
        let by_id = message.tool_call_id.as_ref().and_then(|id| calls.iter().find(|call| call.id == *id));
        let name = by_id.map(|call| call.name.as_str()).or(message.name.as_deref()).unwrap_or_default();
        let Some(schema) = sample.tool(name).and_then(|tool| tool.returns.as_ref()) else { continue };
        match message.content.parse::<Json>() {
            Ok(value) => {
                for violation in violations(&value, schema) {
                    report(found, "R26", at, format!("{}: {}", violation.path, violation.message));
                }
            }
            Err(error) => report(found, "R26", at, format!("the result is no JSON: {error}")),
        }
    }
}
