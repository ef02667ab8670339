//! What the assistant says: summaries of results, questions, offers.

use rec_core::{Json, Message, Role, ToolSpec};

use super::lexicon::{MONTHS, words_of};
use crate::schema;
use crate::tss::join_and;

/// What a tool does, as something that one can offer to do: its description's first sentence.
pub fn offer(tool: &ToolSpec) -> String {
    let first = tool.description.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let mut letters = first.chars();
    letters
        .next()
        .map_or_else(String::new, |letter| letter.to_lowercase().collect::<String>() + letters.as_str())
}

/// Asks for what is missing.
pub fn ask(tool: &ToolSpec, title: &str) -> String {
    // One of a few forms, always the same for the same tool.
    match (tool.name.len() + title.len()) % 3 {
        0 => format!("I can do that, but I still need {title}. Could you tell me?"),
        1 => format!("Happy to help. What is {title}?"),
        _ => format!("Before I go ahead, could you give me {title}?"),
    }
}

/// Says what the tools answered since the user spoke last.
pub fn summary(messages: &[Message], tools: &[ToolSpec]) -> String {
    let start = messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
    let calls: Vec<_> = messages[start..].iter().flat_map(|message| &message.tool_calls).collect();
    let mut sentences = Vec::new();
    for message in messages[start..].iter().filter(|message| message.role == Role::Tool) {
        let call = calls.iter().find(|call| Some(&call.id) == message.tool_call_id.as_ref());
        let tool = call.and_then(|call| tools.iter().find(|tool| tool.name == call.name));
        sentences.push(match (message.content.parse::<Json>(), tool) {
            (Ok(result), Some(tool)) => one(&result, tool),
            _ => "The tool gave an answer that I cannot read.".to_owned(),
        });
    }
    if sentences.is_empty() {
        return "There is nothing left to do.".to_owned();
    }
    sentences.join(" ")
}

/// What a tool is about: the words of its name after the verb.
fn noun(tool: &ToolSpec) -> String {
    let own = tool.name.rsplit('.').next().unwrap_or(&tool.name);
    let words = words_of(own);
    let words: Vec<&str> = words
        .iter()
        .skip(1)
        .map(String::as_str)
        .take_while(|word| *word != "by")
        .filter(|word| !(word.starts_with('v') && word.len() == 2))
        .collect();
    if words.is_empty() { "entry".to_owned() } else { words.join(" ") }
}

fn one(result: &Json, tool: &ToolSpec) -> String {
    let noun = noun(tool);
    let list = result.as_object().into_iter().flatten().find_map(|(_, value)| value.as_array());
    if let Some(list) = list.filter(|list| list.iter().all(|item| item.as_object().is_some())) {
        let Some(first) = list.first() else {
            return format!("I found no {noun}.");
        };
        let count = list.len();
        let (name, details) = details(first, 3);
        let which = if name.is_empty() { "the first one".to_owned() } else { name };
        let opening =
            if count == 1 { "I found one match".to_owned() } else { format!("I found {count} {noun}") };
        return if details.is_empty() {
            format!("{opening}, {which} first.")
        } else {
            format!("{opening}. At the top is {which}: {details}.")
        };
    }
    if let Some(state) = result.get("state").and_then(Json::as_str) {
        let (name, details) = details(result, 2);
        let tail = if details.is_empty() { String::new() } else { format!(" It has {details}.") };
        let called = if name.is_empty() { noun } else { format!("{noun} {name}") };
        return match state {
            "confirmed" => format!("Done, the {called} is confirmed.{tail}"),
            _ => format!("The {called} is entered and still pending.{tail}"),
        };
    }
    if let Some(value) = result.get("value").filter(|value| value.as_f64().is_some()) {
        let (_, details) = details(result, 2);
        let tail = if details.is_empty() { String::new() } else { format!(", with {details}") };
        return format!("The {noun} comes to {}{tail}.", plain(value));
    }
    let (name, details) = details(result, 4);
    match (name.is_empty(), details.is_empty()) {
        (true, true) => format!("The {noun} is on record."),
        (false, true) => format!("The {noun} {name} is on record."),
        (true, false) => format!("For the {noun} I see {details}."),
        (false, false) => format!("The {noun} {name} has {details}."),
    }
}

/// The identifier of a record, and its first `most` plain members in words.
fn details(record: &Json, most: usize) -> (String, String) {
    let mut name = String::new();
    let mut parts = Vec::new();
    for (member, value) in record.as_object().into_iter().flatten() {
        let words = words_of(member);
        if words.last().is_some_and(|word| word == "id") {
            match value {
                Json::String(text) => text.clone_into(&mut name),
                Json::Number(_) => name = plain(value),
                _ => {}
            }
            continue;
        }
        if parts.len() >= most || matches!(member.as_str(), "state" | "value" | "total") {
            continue;
        }
        let label = words.join(" ");
        match value {
            Json::String(_) | Json::Number(_) => parts.push(format!("the {label} {}", plain(value))),
            Json::Bool(true) => parts.push(format!("{label} included")),
            Json::Bool(false) => parts.push(format!("no {label}")),
            _ => {}
        }
    }
    (name, join_and(&parts))
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) if schema::has_format(text, "date") => {
            let part =
                |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<usize>().ok());
            match (part(0..4), part(5..7), part(8..10)) {
                (Some(year), Some(month @ 1..=12), Some(day)) => {
                    format!("{day} {} {year}", super::lexicon::titled(MONTHS[month - 1]))
                }
                _ => text.clone(),
            }
        }
        Json::String(text) => text.replace('_', " "),
        Json::Number(number) if number.as_f64() == number.as_f64().trunc() => {
            format!("{:.0}", number.as_f64())
        }
        other => other.to_string(),
    }
}
