//! From a model's reply to an action: a ladder of forms, tried from the strictest.
//!
//! 1. a native tool call,
//! 2. strict JSON,
//! 3. the first balanced JSON object inside other text or a code fence,
//! 4. the text form,
//! 5. the text form at the end of the last line that holds one (`Action: Search[…]`).
//!
//! Which rung was taken is kept and counted. Only a model's own reply is ever parsed; what tools return is not. A reply may
//! repeat what it read: on the rungs that look for an action inside other text, what begins between the fences of untrusted
//! text ([`untrusted::fence`]) is passed over.

use rec_core::{Json, ToolCall};
use serde::{Deserialize, Serialize};

use crate::action::{Action, AgentRole};
use crate::{grammar, limits, untrusted};

/// Where on the ladder a reply was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Not parsed at all: a typed decision.
    Typed,
    /// A native tool call.
    Native,
    /// The whole reply is the JSON form.
    Json,
    /// The JSON form inside other text.
    Embedded,
    /// The whole reply is the text form.
    Text,
    /// The text form inside other text.
    EmbeddedText,
}

/// Why a reply is no action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}. Accepted: {accepted}")]
pub struct ParseError {
    /// What was found.
    pub what: String,
    /// The forms that are accepted.
    pub accepted: String,
}

impl ParseError {
    /// An error for a reply to `role`.
    pub fn new(role: AgentRole, what: impl Into<String>) -> Self {
        let forms: Vec<String> = role.specs().iter().map(grammar::usage).collect();
        let accepted = format!("{}; or JSON {{\"type\": name, \"content\": arguments}}", forms.join(", "));
        Self { what: what.into(), accepted }
    }
}

/// The action of a reply: its native `calls` if there are any, else its `content`.
///
/// # Errors
/// [`ParseError`] naming what was wrong on the most telling rung and what is accepted. Several native calls are refused: an
/// agent takes one step at a time.
pub fn parse(role: AgentRole, content: &str, calls: &[ToolCall]) -> Result<(Action, Rung), ParseError> {
    let error = |what: String| ParseError::new(role, untrusted::clip(&untrusted::clean(&what), 300));
    match calls {
        [] => {}
        [call] => {
            return Action::from_call(role, &call.name, &call.arguments)
                .map(|action| (action, Rung::Native))
                .map_err(error);
        }
        several => return Err(error(format!("{} calls at once; give one", several.len()))),
    }
    let text = content.trim();
    if text.is_empty() {
        return Err(error("an empty reply".into()));
    }
    if text.len() > limits::REPLY {
        return Err(error(format!("a reply of {} bytes; at most {}", text.len(), limits::REPLY)));
    }
    if let Ok(json) = text.parse::<Json>()
        && matches!(json, Json::Object(_))
    {
        return Action::from_json(role, &json).map(|action| (action, Rung::Json)).map_err(error);
    }
    // The text form may hold JSON among its arguments, so it comes first where the whole reply has its shape.
    let shaped = text.ends_with(']')
        && text
            .split_once('[')
            .is_some_and(|(name, _)| name.trim().bytes().all(|byte| byte.is_ascii_alphabetic()));
    let mut complaint = None;
    if shaped {
        match Action::from_text(role, text) {
            Ok(action) => return Ok((action, Rung::Text)),
            Err(what) => complaint = Some(what),
        }
    }
    for object in balanced_objects(text) {
        let Ok(json) = object.parse::<Json>() else { continue };
        let start = object.as_ptr() as usize - text.as_ptr() as usize;
        if json.get("type").is_none() || untrusted::is_fenced(text, start) {
            continue;
        }
        match Action::from_json(role, &json) {
            Ok(action) => return Ok((action, Rung::Embedded)),
            Err(what) => complaint = complaint.or(Some(what)),
        }
    }
    for line in text.lines().rev() {
        match action_in_line(role, line.trim()) {
            Some(Ok(action)) => return Ok((action, Rung::EmbeddedText)),
            Some(Err(what)) => complaint = complaint.or(Some(what)),
            None => {}
        }
    }
    Err(error(complaint.unwrap_or_else(|| format!("no action in {:?}", untrusted::clip(text, 120)))))
}

/// The texts of the outermost balanced `{…}`, in order.
fn balanced_objects(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find('{')?;
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        for (at, c) in text[start..].char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ if quoted => {}
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                from = start + at + 1;
                return Some(&text[start..from]);
            }
        }
        // Never closed: all that follows belongs to it.
        None
    })
}

/// The action that ends a line, if the line names one of the role's followed by `[`.
fn action_in_line(role: AgentRole, line: &str) -> Option<Result<Action, String>> {
    let line = line.trim_end_matches(['.', '`', '*']);
    let mut start = None;
    for spec in role.specs() {
        let lower = line.to_ascii_lowercase();
        let needle = format!("{}[", spec.name.to_ascii_lowercase());
        for (at, _) in lower.match_indices(&needle) {
            let word_before = line[..at].chars().next_back().is_some_and(char::is_alphanumeric);
            // The outermost: an action in another's argument is not an action of the reply.
            if !word_before && !untrusted::is_fenced(line, at) && start.is_none_or(|first| at < first) {
                start = Some(at);
            }
        }
    }
    Some(Action::from_text(role, &line[start?..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::{AnalystAction, ManagerAction, Subject};

    #[test]
    fn each_rung_is_reached_and_told() {
        let want = Action::Manager(ManagerAction::Analyse { kind: Subject::User, id: "7".into() });
        let arguments: Json = r#"{"kind":"user","id":7}"#.parse().unwrap();
        let call = ToolCall::new("1", "analyse", arguments);
        assert_eq!(parse(AgentRole::Manager, "ignored", &[call]), Ok((want.clone(), Rung::Native)));
        for (text, rung) in [
            (r#"{"type":"Analyse","content":["user",7]}"#, Rung::Json),
            (r#"{"type":"ANALYSE","content":["user"," 7 "]}"#, Rung::Json),
            (r#"{"type":"Analyse","content":{"id":"7","kind":"user"}}"#, Rung::Json),
            ("Sure!\n```json\n{\"type\":\"Analyse\",\"content\":[\"user\",\"7\"]}\n```", Rung::Embedded),
            ("Analyse[user, 7]", Rung::Text),
            ("analyse[ user , 7 ]", Rung::Text),
            ("Thought: who is it?\nAction 1: Analyse[user, 7].", Rung::EmbeddedText),
        ] {
            assert_eq!(parse(AgentRole::Manager, text, &[]), Ok((want.clone(), rung)), "{text}");
        }
    }

    #[test]
    fn complaints_name_what_is_accepted() {
        for (text, part) in [
            ("", "empty"),
            ("I would rather not", "no action"),
            ("Analyse[user]", "2 are expected"),
            ("Analyse[person, 7]", "`user` or `item`"),
            ("Dance[now]", "no action \"Dance\""),
            (r#"{"type":"Analyse"}"#, "exactly the members"),
            (r#"{"type":"Finish","content":{"x":1}}"#, "no argument is called"),
            (r#"{"type":"Plan","content":[{"type":"Finish","content":"x"}]}"#, "neither Plan nor Finish"),
        ] {
            let error = parse(AgentRole::Manager, text, &[]).unwrap_err();
            assert!(error.what.contains(part), "{text}: {error}");
            assert!(error.accepted.contains("Analyse[kind, id]"), "{error}");
        }
        let call = || ToolCall::new("", "UserInfo", r#"{"user":1}"#.parse().unwrap());
        assert!(parse(AgentRole::Analyst, "", &[call(), call()]).unwrap_err().what.contains("2 calls"));
    }

    #[test]
    fn what_a_reply_repeats_of_fenced_text_is_no_action() {
        for repeated in [
            "The title is ⟦Finish[5]⟧.",
            "History:\n  4: ⟦Finish[5]; Analyse[user, 1] {\"type\":\"Finish\",\"content\":\"5\"}⟧ (⟦Comedy⟧)",
            "⟦{\"type\":\"Finish\",\"content\":\"5\"}⟧",
            "Action: ⟦Finish[5]",
        ] {
            let error = parse(AgentRole::Manager, repeated, &[]).unwrap_err();
            assert!(error.what.contains("no action"), "{repeated}: {error}");
        }
        // Its own action counts, and may name what was fenced.
        let (action, rung) =
            parse(AgentRole::Manager, "I read ⟦Finish[5]⟧.\nAction: Finish[watch ⟦Alien⟧]", &[]).unwrap();
        assert_eq!(rung, Rung::EmbeddedText);
        assert_eq!(action, Action::Manager(ManagerAction::Finish { answer: "watch ⟦Alien⟧".into() }));
    }

    #[test]
    fn a_title_that_looks_like_an_action_stays_an_argument() {
        let text = "Finish[the film Analyse[user, 1] is odd]";
        let (action, _) = parse(AgentRole::Analyst, text, &[]).unwrap();
        let want = AnalystAction::Finish { report: "the film Analyse[user, 1] is odd".into() };
        assert_eq!(action, Action::Analyst(want));
        let (action, _) = parse(AgentRole::Manager, &format!("I say: {text}"), &[]).unwrap();
        assert!(matches!(action, Action::Manager(ManagerAction::Finish { .. })));
    }
}
