//! What a model answers, whole and in pieces.

use rec_core::{Json, Message, ToolCall};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Why a reply ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had said what it wanted.
    #[default]
    Stop,
    /// The most tokens were reached.
    Length,
    /// The model calls tools.
    ToolCalls,
    /// The endpoint cut what it does not want to say.
    ContentFilter,
}

impl FinishReason {
    /// The name in chat completions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }

    /// The reason of a name; what is not known is a stop.
    pub fn from_name(name: &str) -> Self {
        match name {
            "length" | "max_tokens" => Self::Length,
            "tool_calls" | "function_call" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            _ => Self::Stop,
        }
    }
}

/// Tokens read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the request.
    pub prompt_tokens: u64,
    /// Tokens of the reply.
    pub completion_tokens: u64,
}

impl Usage {
    /// Both together.
    pub fn total(&self) -> u64 {
        self.prompt_tokens + self.completion_tokens
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// The log-probability of a token of a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text.
    pub token: String,
    /// Its natural log-probability.
    pub logprob: f64,
    /// The likeliest tokens in its place, if asked for.
    #[serde(default, rename = "top_logprobs", skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TopLogprob>,
}

/// One of the likeliest tokens at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopLogprob {
    /// The token's text.
    pub token: String,
    /// Its natural log-probability.
    pub logprob: f64,
}

/// Where a reply comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The model answered now.
    #[default]
    Live,
    /// It answered once, and the cache kept it.
    Cache,
    /// It answered once, and a cassette kept it.
    Cassette,
}

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatReply {
    /// What the assistant says and calls.
    pub message: Message,
    /// Why it ended.
    pub finish: FinishReason,
    /// What it took; nothing if the endpoint does not tell.
    pub usage: Option<Usage>,
    /// Log-probabilities of the tokens, if asked for and offered.
    pub logprobs: Vec<TokenLogprob>,
    /// The model that answered, as the endpoint names it.
    pub model: String,
    /// Where it comes from.
    pub source: Source,
}

impl ChatReply {
    /// A reply of text.
    pub fn text(content: impl Into<String>) -> Self {
        Self::new(Message::assistant(content))
    }

    /// A reply that is `message`; it ends in calls if there are some.
    pub fn new(message: Message) -> Self {
        let finish = if message.tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        Self {
            message,
            finish,
            usage: None,
            logprobs: Vec::new(),
            model: String::new(),
            source: Source::Live,
        }
    }

    /// The pieces in which this reply could have come: gathered, they are the reply again.
    pub fn into_events(self) -> Vec<ChatEvent> {
        let mut events = vec![ChatEvent::Start { model: self.model, source: self.source }];
        events.extend(self.message.reasoning.map(ChatEvent::Reasoning));
        if !self.message.content.is_empty() {
            events.push(ChatEvent::Text(self.message.content));
        }
        events.extend(self.message.tool_calls.into_iter().enumerate().map(|(index, call)| {
            ChatEvent::ToolCall {
                index,
                id: Some(call.id),
                name: Some(call.name),
                arguments: match call.arguments {
                    Json::String(text) => text,
                    value => value.to_string(),
                },
            }
        }));
        if !self.logprobs.is_empty() {
            events.push(ChatEvent::Logprobs(self.logprobs));
        }
        events.push(ChatEvent::Finish(self.finish));
        events.extend(self.usage.map(ChatEvent::Usage));
        events
    }
}

/// A piece of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatEvent {
    /// The reply begins.
    Start {
        /// The model that answers.
        model: String,
        /// Where the reply comes from.
        source: Source,
    },
    /// More text.
    Text(String),
    /// More of what the model thinks before it speaks.
    Reasoning(String),
    /// More of the call number `index`: id and name come first, arguments in pieces.
    ToolCall {
        /// Which call of the message.
        index: usize,
        /// Its id.
        id: Option<String>,
        /// The tool.
        name: Option<String>,
        /// The next piece of the arguments' text.
        arguments: String,
    },
    /// Log-probabilities of further tokens.
    Logprobs(Vec<TokenLogprob>),
    /// Why the reply ended.
    Finish(FinishReason),
    /// What it took.
    Usage(Usage),
}

/// Puts the pieces of a reply together.
#[derive(Clone, Debug, Default)]
pub struct Gather {
    message: Option<Message>,
    /// Id, name and arguments' text of each call.
    calls: Vec<(String, String, String)>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
    logprobs: Vec<TokenLogprob>,
    model: String,
    source: Source,
}

/// More calls than any reply has: a server that counts wrongly must not fill the memory.
const MOST_CALLS: usize = 1024;

impl Gather {
    /// Adds a piece.
    ///
    /// # Errors
    /// [`Error::Decode`] for a call with an index beyond 1,023.
    pub fn push(&mut self, event: &ChatEvent) -> Result<()> {
        let message = self.message.get_or_insert_with(|| Message::assistant(""));
        match event {
            ChatEvent::Start { model, source } => {
                self.model.clone_from(model);
                self.source = *source;
            }
            ChatEvent::Text(text) => message.content.push_str(text),
            ChatEvent::Reasoning(text) => message.reasoning.get_or_insert_default().push_str(text),
            ChatEvent::ToolCall { index, id, name, arguments } => {
                if *index >= MOST_CALLS {
                    return Err(Error::decode(format!("a tool call with the index {index}")));
                }
                if self.calls.len() <= *index {
                    self.calls.resize_with(index + 1, Default::default);
                }
                let call = &mut self.calls[*index];
                // Some servers send both again with every piece.
                if let Some(id) = id.as_ref().filter(|id| !id.is_empty()) {
                    call.0.clone_from(id);
                }
                if let Some(name) = name.as_ref().filter(|name| !name.is_empty()) {
                    call.1.clone_from(name);
                }
                call.2.push_str(arguments);
            }
            ChatEvent::Logprobs(tokens) => self.logprobs.extend_from_slice(tokens),
            ChatEvent::Finish(reason) => self.finish = Some(*reason),
            ChatEvent::Usage(usage) => self.usage = Some(*usage),
        }
        Ok(())
    }

    /// Whether the reply said why it ended.
    pub fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// The reply.
    ///
    /// # Errors
    /// [`Error::Decode`] for a call without a name.
    pub fn finish(self) -> Result<ChatReply> {
        let mut message = self.message.unwrap_or_else(|| Message::assistant(""));
        for (at, (id, name, arguments)) in self.calls.into_iter().enumerate() {
            if name.is_empty() {
                return Err(Error::decode(format!("tool call {at} has no name")));
            }
            // As for calls that come whole: text that is not JSON is kept.
            let arguments = match arguments.parse() {
                Err(_) if arguments.trim().is_empty() => Json::Object(rec_core::json::Object::new()),
                Err(_) | Ok(Json::String(_)) => Json::String(arguments),
                Ok(value) => value,
            };
            message.tool_calls.push(ToolCall::new(id, name, arguments));
        }
        Ok(ChatReply {
            finish: self.finish.unwrap_or_default(),
            message,
            usage: self.usage,
            logprobs: self.logprobs,
            model: self.model,
            source: self.source,
        })
    }
}
