//! What a language model is offered, asks for and is answered with: tools, calls, messages, trajectories.
//!
//! The JSON form is the one of OpenAI's chat completions: `{"type":"function","function":{…}}` for a tool, a `tool_calls` list
//! whose arguments are JSON in a string for a call, `role` and `content` for a message.
//!
//! ```
//! use rec_core::{Message, ToolCall};
//! let call = ToolCall::new("call_1", "find_film", r#"{"title":"Heat","year":1995}"#.parse()?);
//! let message = Message::calls(vec![call]);
//! let text = serde_json::to_string(&message).unwrap();
//! assert!(text.contains(r#""arguments":"{\"title\":\"Heat\",\"year\":1995}""#));
//! assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
//! # Ok::<(), rec_core::Error>(())
//! ```
//!
//! Other forms in which such conversations are published and trained on are read and written by [`Format`]; tools come from
//! [`openapi`] documents and [`mcp`] servers as well.

pub mod benchmarks;
pub mod bfcl;
pub mod call_text;
pub mod dialect;
mod format;
pub mod glaive;
pub mod hermes;
mod import;
mod literal;
pub mod mcp;
pub mod openapi;
pub mod sharegpt;
pub mod toolace;
pub mod toolbench;
mod turns;
mod wire;
pub mod xlam;

pub use format::Format;
pub use import::Imported;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// A tool that may be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "wire::Tool", into = "wire::Tool")]
pub struct ToolSpec {
    /// The name a call uses.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The arguments as a JSON Schema of type `object`.
    pub parameters: Json,
    /// The result as a JSON Schema, where it is known. Not part of OpenAI's form, which ignores it.
    pub returns: Option<Json>,
    /// Whether an endpoint is to hold the arguments strictly to the schema.
    pub strict: Option<bool>,
}

impl ToolSpec {
    /// A tool with a name, a description and the schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Json) -> Self {
        Self { name: name.into(), description: description.into(), parameters, returns: None, strict: None }
    }
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "wire::Call", into = "wire::Call")]
pub struct ToolCall {
    /// What the answer refers to; empty where the format has none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// An object, if the call is well-formed. Text that a model wrote and that is not JSON is kept as a string.
    pub arguments: Json,
}

impl ToolCall {
    /// A call with an id, the name of a tool and arguments.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: Json) -> Self {
        Self { id: id.into(), name: name.into(), arguments }
    }

    /// The name and the arguments with sorted members: equal for calls that ask for the same, whatever their ids.
    pub fn canonical(&self) -> String {
        format!("{}({})", self.name, self.arguments.canonical())
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The instructions of a conversation.
    #[serde(alias = "developer")]
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// A tool that was called.
    Tool,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "wire::Message", into = "wire::Message")]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text; may be empty beside calls.
    pub content: String,
    /// What the assistant thought before it spoke, where a server tells (`reasoning_content`).
    pub reasoning: Option<String>,
    /// The calls of an assistant.
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool answers.
    pub tool_call_id: Option<String>,
    /// The tool that answers, or a participant's name.
    pub name: Option<String>,
    /// The weight in a training loss, as in OpenAI's fine-tuning form: 0 leaves an assistant's message out. 1 if not given.
    pub weight: Option<f32>,
}

impl Message {
    /// A message of text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
            weight: None,
        }
    }

    /// Instructions.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// What the person says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// What the model says.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// The model's calls, without text.
    pub fn calls(tool_calls: Vec<ToolCall>) -> Self {
        Self { tool_calls, ..Self::new(Role::Assistant, "") }
    }

    /// What a tool answers to the call `tool_call_id`.
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self { tool_call_id: Some(tool_call_id.into()), ..Self::new(Role::Tool, content) }
    }
}

/// A conversation with the tools that were at hand: what is synthesised, trained on, executed and judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// Names the trajectory within its collection; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The tools that were offered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolSpec>,
    /// The messages, in order.
    pub messages: Vec<Message>,
    /// Anything else: where it comes from, verdicts, rewards.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub metadata: Object,
}

impl Trajectory {
    /// The tool called `name`.
    pub fn tool(&self, name: &str) -> Option<&ToolSpec> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// All calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.messages.iter().flat_map(|message| &message.tool_calls)
    }

    /// Checks what every reader of a trajectory relies on: only assistants call, call ids are unique where given, and every
    /// tool's answer refers to an earlier call that has not been answered yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the message.
    pub fn check(&self) -> Result<()> {
        let mut open: Vec<&str> = Vec::new();
        let mut known: Vec<&str> = Vec::new();
        for (at, message) in self.messages.iter().enumerate() {
            if message.role != Role::Assistant && !message.tool_calls.is_empty() {
                return Err(Error::invalid(format!("message {at}: only an assistant can call tools")));
            }
            for id in message.tool_calls.iter().map(|call| call.id.as_str()) {
                if id.is_empty() {
                    continue;
                }
                if known.contains(&id) {
                    return Err(Error::invalid(format!("message {at}: a second call with the id {id}")));
                }
                known.push(id);
                open.push(id);
            }
            match (message.role, &message.tool_call_id) {
                (Role::Tool, Some(id)) if !id.is_empty() => match open.iter().position(|known| known == id) {
                    Some(place) => {
                        open.swap_remove(place);
                    }
                    None => {
                        return Err(Error::invalid(format!(
                            "message {at}: answers {id}, which no call waits for"
                        )));
                    }
                },
                (Role::Tool, _) | (_, None) => {}
                (_, Some(_)) => {
                    return Err(Error::invalid(format!("message {at}: only a tool answers a call")));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> T {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_tool_reads_wrapped_and_bare() {
        let wrapped = r#"{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"}}}}}"#;
        let tool: ToolSpec = parse(wrapped);
        assert_eq!(serde_json::to_string(&tool).unwrap(), wrapped);
        assert_eq!(
            parse::<ToolSpec>(r#"{"name":"f"}"#),
            ToolSpec::new("f", "", r#"{"type":"object","properties":{}}"#.parse().unwrap())
        );
    }

    #[test]
    fn arguments_that_are_not_json_are_kept() {
        let call: ToolCall =
            parse(r#"{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1"}}"#);
        assert_eq!(call.arguments, Json::from("{\"a\": 1"));
        assert_eq!(parse::<ToolCall>(&serde_json::to_string(&call).unwrap()), call);
        // A server that sends an object instead of a string.
        let call: ToolCall = parse(r#"{"function":{"name":"f","arguments":{"a":12345678901234567890123}}}"#);
        assert_eq!(call.arguments.to_string(), r#"{"a":12345678901234567890123}"#);
        assert_eq!(
            parse::<ToolCall>(r#"{"function":{"name":"f","arguments":""}}"#).arguments,
            Json::Object(Object::new())
        );
    }

    #[test]
    fn a_message_takes_content_in_parts_and_null() {
        let message: Message =
            parse(r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#);
        assert_eq!(message.content, "ab");
        let message: Message = parse(r#"{"role":"assistant","content":null,"tool_calls":null}"#);
        assert_eq!(message, Message::assistant(""));
        assert!(
            serde_json::from_str::<Message>(r#"{"role":"user","content":[{"type":"image_url"}]}"#).is_err()
        );
    }

    #[test]
    fn calls_and_answers_must_match() {
        let call = |id: &str| Message::calls(vec![ToolCall::new(id, "f", Json::Object(Object::new()))]);
        let check = |messages: Vec<Message>| Trajectory { messages, ..Trajectory::default() }.check();
        assert!(
            check(vec![Message::user("x"), call("1"), Message::tool("1", "y"), Message::assistant("z")])
                .is_ok()
        );
        for wrong in [
            vec![Message::tool("1", "y")],
            vec![call("1"), Message::tool("1", "y"), Message::tool("1", "y")],
            vec![call("1"), call("1")],
            vec![Message { role: Role::User, ..call("1") }],
            vec![Message { tool_call_id: Some("1".into()), ..Message::user("x") }],
        ] {
            assert!(check(wrong).unwrap_err().to_string().starts_with("message "));
        }
    }
}
