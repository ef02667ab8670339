//! What an assistant's reply says: calls, a question, or an answer, and the thinking before it.

use rec_core::tool::call_text;
use rec_core::{Json, ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where an argument's value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The parameter, members of objects after a point.
    pub name: String,
    /// Its value.
    pub value: Json,
    /// `user`, `result`, `default` or what a model says.
    pub origin: String,
}

/// The structured thinking before a reply: is a tool needed, which, with which values from where, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decision {
    /// Whether a tool is needed.
    pub need_tool: bool,
    /// The tools.
    pub apis: Vec<String>,
    /// The arguments.
    pub args: Vec<Origin>,
    /// Required parameters without a value.
    pub missing: Vec<String>,
}

/// What the assistant does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Calls tools.
    Calls(Vec<ToolCall>),
    /// Asks the user.
    Ask(String),
    /// Answers the user.
    Answer(String),
}

impl Action {
    /// What two votes must have in common: the calls whatever their order, or the kind.
    pub fn key(&self) -> String {
        match self {
            Self::Calls(calls) => {
                let mut all: Vec<String> = calls.iter().map(ToolCall::canonical).collect();
                all.sort_unstable();
                all.join("\n")
            }
            Self::Ask(_) => "ask".to_owned(),
            Self::Answer(_) => "answer".to_owned(),
        }
    }

    /// Reads a reply: an optional decision between tags, then calls in square brackets or text.
    ///
    /// # Errors
    /// [`Error::Reply`] for an empty reply, or one that begins as calls and does not go on so.
    pub fn parse(reply: &str, tools: &[ToolSpec]) -> Result<(Self, Option<Decision>)> {
        let (decision, body) = match reply.trim().strip_prefix(OPEN).and_then(|rest| rest.split_once(CLOSE)) {
            Some((decision, body)) => (serde_json::from_str(decision).ok(), body.trim()),
            None => (None, reply.trim()),
        };
        if body.is_empty() {
            return Err(Error::Reply { what: "an empty reply".into() });
        }
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        if body.starts_with('[') {
            let calls =
                call_text::read(body, &names).map_err(|error| Error::Reply { what: error.to_string() })?;
            if calls.is_empty() {
                return Err(Error::Reply { what: "no calls between the brackets".into() });
            }
            return Ok((Self::Calls(calls), decision));
        }
        let text = body.to_owned();
        Ok((if body.ends_with('?') { Self::Ask(text) } else { Self::Answer(text) }, decision))
    }
}

const OPEN: &str = "<decision>";
const CLOSE: &str = "</decision>";

/// The reply that [`Action::parse`] reads.
pub fn render(decision: &Decision, body: &str) -> String {
    let decision = serde_json::to_string(decision).expect("a decision has a text");
    format!("{OPEN}{decision}{CLOSE}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read() {
        let tools = [ToolSpec::new("Find It", "", Json::Null)];
        let decision = Decision { need_tool: true, apis: vec!["Find It".into()], ..Decision::default() };
        let reply = render(&decision, "[Find It(a=1), Find It(a=\"x\")]");
        let (action, read) = Action::parse(&reply, &tools).unwrap();
        assert_eq!(read, Some(decision));
        let Action::Calls(calls) = &action else { panic!("{action:?}") };
        assert_eq!(calls[1].canonical(), r#"Find It({"a":"x"})"#);
        let (other, _) = Action::parse("[Find It(a=\"x\"), Find It(a=1)]", &tools).unwrap();
        assert_eq!(action.key(), other.key());
        assert!(matches!(Action::parse("Which one?", &tools), Ok((Action::Ask(_), None))));
        assert!(Action::parse("[Find It(a=", &tools).is_err());
        assert!(Action::parse(" ", &tools).is_err());
    }
}
