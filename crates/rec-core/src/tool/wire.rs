//! The JSON form of chat completions, and what servers are seen to send in its place.

use serde::{Deserialize, Serialize};

use super::turns::no_parameters;
use super::{Role, ToolCall, ToolSpec};
use crate::json::{Json, Object};

#[derive(Serialize, Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    returns: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// `{"type":"function","function":{…}}`, or the function alone.
#[derive(Serialize, Deserialize)]
pub(super) struct Tool {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    function: Option<Function>,
    #[serde(default, skip_serializing)]
    name: String,
    #[serde(default, skip_serializing)]
    description: Option<String>,
    #[serde(default, skip_serializing)]
    parameters: Option<Json>,
    #[serde(default, skip_serializing)]
    returns: Option<Json>,
    #[serde(default, skip_serializing)]
    strict: Option<bool>,
}

impl From<Tool> for ToolSpec {
    fn from(tool: Tool) -> Self {
        let function = tool.function.unwrap_or(Function {
            name: tool.name,
            description: tool.description,
            parameters: tool.parameters,
            returns: tool.returns,
            strict: tool.strict,
        });
        Self {
            name: function.name,
            description: function.description.unwrap_or_default(),
            parameters: function.parameters.filter(|schema| !schema.is_null()).unwrap_or_else(no_parameters),
            returns: function.returns,
            strict: function.strict,
        }
    }
}

impl From<ToolSpec> for Tool {
    fn from(tool: ToolSpec) -> Self {
        Self {
            kind: Some("function".to_owned()),
            function: Some(Function {
                name: tool.name,
                description: Some(tool.description),
                parameters: Some(tool.parameters),
                returns: tool.returns,
                strict: tool.strict,
            }),
            name: String::new(),
            description: None,
            parameters: None,
            returns: None,
            strict: None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct CalledFunction {
    name: String,
    #[serde(default)]
    arguments: Json,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Call {
    #[serde(default)]
    id: Option<String>,
    #[serde(rename = "type", default = "function_kind")]
    kind: String,
    function: CalledFunction,
}

fn function_kind() -> String {
    "function".to_owned()
}

impl From<Call> for ToolCall {
    fn from(call: Call) -> Self {
        let arguments = match call.function.arguments {
            // Some servers send nothing for a tool without parameters.
            Json::Null => Json::Object(Object::new()),
            Json::String(text) if text.trim().is_empty() => Json::Object(Object::new()),
            Json::String(text) => match text.parse() {
                // A string inside the string would be taken for text that is not JSON when written and read again.
                Ok(Json::String(_)) | Err(_) => Json::String(text),
                Ok(value) => value,
            },
            value => value,
        };
        Self { id: call.id.unwrap_or_default(), name: call.function.name, arguments }
    }
}

impl From<ToolCall> for Call {
    fn from(call: ToolCall) -> Self {
        let arguments = match call.arguments {
            Json::String(text) => text,
            value => value.to_string(),
        };
        Self {
            id: Some(call.id),
            kind: function_kind(),
            function: CalledFunction { name: call.name, arguments: Json::String(arguments) },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// Text is the only kind of part that is understood.
#[derive(Serialize, Deserialize)]
struct Part {
    text: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Message {
    role: Role,
    #[serde(default)]
    content: Option<Content>,
    #[serde(
        rename = "reasoning_content",
        alias = "reasoning",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    reasoning: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<ToolCall>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f32>,
}

impl From<Message> for super::Message {
    fn from(message: Message) -> Self {
        Self {
            role: message.role,
            content: match message.content {
                None => String::new(),
                Some(Content::Text(text)) => text,
                Some(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
            },
            reasoning: message.reasoning,
            tool_calls: message.tool_calls.unwrap_or_default(),
            tool_call_id: message.tool_call_id,
            name: message.name,
            weight: message.weight,
        }
    }
}

impl From<super::Message> for Message {
    fn from(message: super::Message) -> Self {
        // The form asks for null beside calls, and for text everywhere else.
        let null = message.content.is_empty() && !message.tool_calls.is_empty();
        Self {
            role: message.role,
            content: (!null).then_some(Content::Text(message.content)),
            reasoning: message.reasoning,
            tool_calls: (!message.tool_calls.is_empty()).then_some(message.tool_calls),
            tool_call_id: message.tool_call_id,
            name: message.name,
            weight: message.weight,
        }
    }
}
