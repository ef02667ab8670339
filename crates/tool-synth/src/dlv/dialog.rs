//! R16–R21: the messages are whole and clean.

use std::collections::HashMap;

use rec_core::tool::call_text;
use rec_core::{Message, Role, Trajectory};

use super::Finding;

/// The longest text of an assistant, in characters.
pub const MAX_TEXT: usize = 2_048;
/// The longest text of calls, in characters.
pub const MAX_CALLS: usize = 4_096;

fn over(
    sample: &Trajectory,
    found: &mut Vec<Finding>,
    rule: &'static str,
    roles: &[Role],
    fault: impl Fn(&Message) -> Option<String>,
) {
    for (at, message) in sample.messages.iter().enumerate() {
        if roles.contains(&message.role)
            && let Some(message) = fault(message)
        {
            found.push(Finding { rule, path: format!("/messages/{at}"), message });
        }
    }
}

const ALL: &[Role] = &[Role::System, Role::User, Role::Assistant, Role::Tool];
const SPOKEN: &[Role] = &[Role::User, Role::Assistant];

pub(super) fn r16(sample: &Trajectory, found: &mut Vec<Finding>) {
    if sample.messages.is_empty() {
        found.push(Finding { rule: "R16", path: "/messages".into(), message: "no messages".into() });
    }
    over(sample, found, "R16", ALL, |message| {
        if message.content.trim().is_empty() && message.tool_calls.is_empty() {
            return Some("an empty message".into());
        }
        message
            .tool_calls
            .iter()
            .find(|call| call.name.trim().is_empty() || call.id.is_empty())
            .map(|_| "a call without a name or an id".into())
    });
}

pub(super) fn r17(sample: &Trajectory, found: &mut Vec<Finding>) {
    over(sample, found, "R17", &[Role::Assistant], |message| {
        let length = message.content.chars().count();
        if length > MAX_TEXT {
            return Some(format!("{length} characters of text, at most {MAX_TEXT} are allowed"));
        }
        let calls = call_text::write(&message.tool_calls).map_or(0, |text| text.chars().count());
        (calls > MAX_CALLS).then(|| format!("{calls} characters of calls, at most {MAX_CALLS} are allowed"))
    });
}

/// Marks of chat templates that have no place in a text.
const TEMPLATE: &[&str] = &[
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "</s>",
    "<s>",
    "<unk>",
    "<pad>",
    "<|user|>",
    "<|assistant|>",
    "<tool_call>",
    "</tool_call>",
];

pub(super) fn r18(sample: &Trajectory, found: &mut Vec<Finding>) {
    over(sample, found, "R18", ALL, |message| {
        let calls = call_text::write(&message.tool_calls).unwrap_or_default();
        let text = [message.content.as_str(), calls.as_str()];
        for text in text {
            if let Some(letter) = text.chars().find(|letter| {
                (letter.is_control() && !matches!(letter, '\n' | '\t' | '\r')) || *letter == '\u{fffd}'
            }) {
                return Some(format!("the character {}", letter.escape_unicode()));
            }
            if let Some(token) = TEMPLATE.iter().find(|token| text.contains(**token)) {
                return Some(format!("the template token {token}"));
            }
        }
        (message.content.matches("```").count() % 2 == 1).then(|| "a code fence that is not closed".into())
    });
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Hebrew,
    Arabic,
    Indic,
    Thai,
    EastAsian,
    Hangul,
    Other,
}

fn script(letter: char) -> Script {
    match u32::from(letter) {
        0..=0x24f | 0x1e00..=0x1eff => Script::Latin,
        0x370..=0x3ff | 0x1f00..=0x1fff => Script::Greek,
        0x400..=0x52f => Script::Cyrillic,
        0x590..=0x5ff => Script::Hebrew,
        0x600..=0x77f => Script::Arabic,
        0x900..=0xdff => Script::Indic,
        0xe00..=0xe7f => Script::Thai,
        // Kana and Han are written together.
        0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff => Script::EastAsian,
        0x1100..=0x11ff | 0xac00..=0xd7af => Script::Hangul,
        _ => Script::Other,
    }
}

pub(super) fn r19(sample: &Trajectory, found: &mut Vec<Finding>) {
    over(sample, found, "R19", SPOKEN, |message| {
        let mut counts: HashMap<Script, usize> = HashMap::new();
        for letter in unquoted(&message.content).chars().filter(|letter| letter.is_alphabetic()) {
            *counts.entry(script(letter)).or_default() += 1;
        }
        let total: usize = counts.values().sum();
        let most = counts.values().max().copied().unwrap_or(0);
        (most * 100 < total * 95).then(|| format!("only {most} of {total} letters belong to one script"))
    });
}

/// The text without what stands in quotation marks or backticks.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut open: Option<char> = None;
    for letter in text.chars() {
        match open {
            Some(close) if letter == close => open = None,
            Some(_) => {}
            None => match letter {
                '"' | '`' => open = Some(letter),
                '“' => open = Some('”'),
                '«' => open = Some('»'),
                '「' => open = Some('」'),
                _ => out.push(letter),
            },
        }
    }
    // A mark that is never closed quotes nothing.
    if open.is_some() { text.to_owned() } else { out }
}

pub(super) fn r20(sample: &Trajectory, found: &mut Vec<Finding>) {
    over(sample, found, "R20", SPOKEN, |message| {
        let text = message.content.trim_end();
        let last = text.chars().last()?;
        if !matches!(
            last,
            '.' | '!' | '?' | '…' | ')' | '"' | '”' | '`' | '。' | '！' | '？' | '|' | ':' | ']' | '}'
        ) {
            return Some(format!("ends in {last:?}, in the middle of something"));
        }
        let mut open = Vec::new();
        for letter in unquoted(text).chars() {
            match letter {
                '(' => open.push(')'),
                '[' => open.push(']'),
                '{' => open.push('}'),
                ')' | ']' | '}' if open.pop() != Some(letter) => {
                    return Some(format!("{letter} closes nothing"));
                }
                _ => {}
            }
        }
        open.pop().map(|letter| format!("a bracket is not closed with {letter}"))
    });
}

pub(super) fn r21(sample: &Trajectory, found: &mut Vec<Finding>) {
    over(sample, found, "R21", SPOKEN, |message| {
        let words: Vec<&str> = message.content.split_whitespace().collect();
        let mut counts: HashMap<&[&str], usize> = HashMap::new();
        for gram in words.windows(6) {
            let count = counts.entry(gram).or_default();
            *count += 1;
            if *count > 3 {
                return Some(format!("\"{}\" comes over and over", gram.join(" ")));
            }
        }
        None
    });
}
