//! What a model is asked.

use rec_core::{Json, Message};
use serde::{Deserialize, Serialize};

use crate::json_text::JsonText;
use crate::toolset::Toolset;

/// Whether and what the model has to call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
    /// A call of this tool.
    Tool(String),
}

/// What form the text of a reply has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Any text.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema's name, of letters, digits, `_` and `-`.
        name: String,
        /// The schema.
        schema: Json,
    },
}

/// How tokens are drawn. What is not given is the endpoint's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// 0 takes the likeliest token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The share of probability that tokens are drawn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The most tokens of a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Texts before which the reply ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The same seed asks for the same reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Sampling {
    /// Whether the same request is meant to get the same reply: temperature 0 or a seed.
    pub fn is_deterministic(&self) -> bool {
        self.temperature == Some(0.0) || self.seed.is_some()
    }
}

/// A request: messages, tools, how to answer; and beside them what offline engines read and what budgets are kept by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatRequest {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// What may be called.
    pub tools: Toolset,
    /// Whether it has to be called.
    pub tool_choice: ToolChoice,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The form of the text.
    pub format: ResponseFormat,
    /// Log-probabilities of the reply's tokens, with so many alternatives each.
    pub logprobs: Option<u8>,
    /// The role of the agent that asks: routes go by it, offline engines read it.
    pub agent: Option<String>,
    /// What is asked, typed: an offline engine reads it in place of the messages. Endpoints get it only if configured so.
    pub task: Option<JsonText>,
    /// The sample that this request belongs to, for budgets.
    pub sample: Option<String>,
    /// The session that this request belongs to, for budgets.
    pub session: Option<String>,
}

impl ChatRequest {
    /// A request with messages and nothing else.
    pub fn new(messages: Vec<Message>) -> Self {
        Self { messages, ..Self::default() }
    }

    /// About how many tokens the messages and tools are, as `count` counts a text: contents, calls, and four for the frame of
    /// each message.
    pub fn count_tokens(&self, count: &(dyn Fn(&str) -> usize + Send + Sync)) -> usize {
        let message = |message: &Message| {
            let calls = message
                .tool_calls
                .iter()
                .map(|call| count(&call.name) + count(&call.arguments.to_string()) + 4);
            count(&message.content) + message.reasoning.as_deref().map_or(0, count) + calls.sum::<usize>() + 4
        };
        let tools = self.tools.with_parameters();
        let tools = tools.map(|(tool, schema)| count(&tool.name) + count(&tool.description) + count(schema));
        self.messages.iter().map(message).sum::<usize>() + tools.sum::<usize>()
    }
}

/// A guess at the number of tokens: three bytes a token in ASCII, one token a character beyond. Byte-pair vocabularies need
/// fewer for English (about one for four bytes), so the guess errs on the safe side.
///
/// ```
/// assert_eq!(chat_model::estimate_tokens("recommend a film"), 6);
/// ```
pub fn estimate_tokens(text: &str) -> usize {
    if text.is_ascii() {
        return text.len().div_ceil(3);
    }
    let (mut ascii, mut others) = (0, 0);
    // Pieces that a byte can count: loops over them become vector instructions.
    for piece in text.as_bytes().chunks(255) {
        ascii += usize::from(piece.iter().map(|byte| u8::from(byte.is_ascii())).sum::<u8>());
        // The first byte of a longer character; those that go on with one begin with the bits 10.
        others += usize::from(piece.iter().map(|byte| u8::from(*byte >= 0b1100_0000)).sum::<u8>());
    }
    ascii.div_ceil(3) + others
}
