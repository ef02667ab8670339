//! R9–R15: the calls can be executed.

use rec_core::tool::call_text;
use rec_core::{ToolCall, ToolSpec, Trajectory};

use super::Finding;
use crate::schema::{Fault, Violation, violations};

/// Runs over the calls with their places and tools.
fn calls(sample: &Trajectory) -> impl Iterator<Item = (String, &ToolCall, Option<&ToolSpec>)> {
    sample.messages.iter().enumerate().flat_map(move |(at, message)| {
        message.tool_calls.iter().enumerate().map(move |(index, call)| {
            (format!("/messages/{at}/tool_calls/{index}"), call, sample.tool(&call.name))
        })
    })
}

fn judge(
    sample: &Trajectory,
    found: &mut Vec<Finding>,
    rule: &'static str,
    counts: impl Fn(&Violation) -> bool,
) {
    for (path, call, tool) in calls(sample) {
        let Some(tool) = tool else { continue };
        for violation in violations(&call.arguments, &tool.parameters) {
            if counts(&violation) {
                let path = format!("{path}/arguments{}", violation.path);
                found.push(Finding { rule, path, message: violation.message });
            }
        }
    }
}

pub(super) fn r9(sample: &Trajectory, found: &mut Vec<Finding>) {
    for (path, call, tool) in calls(sample) {
        if tool.is_none() {
            found.push(Finding { rule: "R9", path, message: format!("there is no tool {}", call.name) });
        }
    }
}

pub(super) fn r10(sample: &Trajectory, found: &mut Vec<Finding>) {
    judge(sample, found, "R10", |fault| fault.fault == Fault::Missing && fault.depth() == 1);
}

pub(super) fn r11(sample: &Trajectory, found: &mut Vec<Finding>) {
    judge(sample, found, "R11", |fault| fault.fault == Fault::Unknown && fault.depth() == 1);
}

pub(super) fn r12(sample: &Trajectory, found: &mut Vec<Finding>) {
    judge(sample, found, "R12", |fault| fault.fault == Fault::Type && fault.depth() <= 1);
}

pub(super) fn r13(sample: &Trajectory, found: &mut Vec<Finding>) {
    judge(sample, found, "R13", |fault| fault.fault == Fault::Constraint && fault.depth() <= 1);
}

pub(super) fn r14(sample: &Trajectory, found: &mut Vec<Finding>) {
    judge(sample, found, "R14", |fault| fault.depth() > 1);
}

pub(super) fn r15(sample: &Trajectory, found: &mut Vec<Finding>) {
    let names: Vec<&str> = sample.tools.iter().map(|tool| tool.name.as_str()).collect();
    for (path, call, _) in calls(sample) {
        let again =
            call_text::write(std::slice::from_ref(call)).and_then(|text| call_text::read(&text, &names));
        let message = match again {
            Ok(calls) => match &calls[..] {
                [one] if one.name == call.name && one.arguments == call.arguments => continue,
                _ => "the call reads differently once it is printed".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        found.push(Finding { rule: "R15", path, message });
    }
}
