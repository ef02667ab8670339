//! Whole replies: the server writes what the client reads.

use rec_core::{Json, Message};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{read_error, read_usage, shortened};
use crate::error::{Error, Result};
use crate::reply::{ChatReply, FinishReason, TokenLogprob, Usage};

#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [WrittenChoice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<WrittenUsage>,
}

#[derive(Serialize)]
struct WrittenChoice<'a> {
    index: usize,
    message: &'a Message,
    logprobs: Option<WrittenLogprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
pub(super) struct WrittenLogprobs<'a> {
    content: &'a [TokenLogprob],
}

impl<'a> WrittenLogprobs<'a> {
    pub(super) fn of(content: &'a [TokenLogprob]) -> Option<Self> {
        (!content.is_empty()).then_some(Self { content })
    }
}

#[derive(Serialize)]
pub(super) struct WrittenUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for WrittenUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total(),
        }
    }
}

/// The body of a reply as text.
pub fn write_reply(reply: &ChatReply, id: &str, model: &str) -> String {
    let written = Written {
        id,
        object: "chat.completion",
        created: 0,
        model,
        choices: [WrittenChoice {
            index: 0,
            message: &reply.message,
            logprobs: WrittenLogprobs::of(&reply.logprobs),
            finish_reason: reply.finish.name(),
        }],
        usage: reply.usage.map(WrittenUsage::from),
    };
    serde_json::to_string(&written).expect("the types of this crate have a text")
}

/// A body as it is read: only what is needed, and of that only as much as it takes to go on.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ReadChoice<'a> {
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct ReadLogprobs {
    pub(super) content: Option<Vec<TokenLogprob>>,
}

/// Text, or nothing where something else stands.
fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// What a client reads of a reply's body.
///
/// # Errors
/// [`Error::Decode`] naming the member; the endpoint's own error where the body is one.
pub fn read_reply(body: &str) -> Result<ChatReply> {
    let begins =
        |what: String| Error::decode(format!("{what}, in a body that begins {}", shortened(body, 100)));
    let read: Read<'_> = serde_json::from_str(body).map_err(|error| begins(error.to_string()))?;
    if read.error.is_some() {
        let body: Json = body.parse().map_err(|error: rec_core::Error| begins(error.to_string()))?;
        if let Some(error) = read_error(&body, 200) {
            return Err(error);
        }
    }
    let choices: Option<Vec<&RawValue>> =
        read.choices.and_then(|choices| serde_json::from_str(choices.get()).ok());
    let choice = choices.and_then(|choices| choices.first().copied());
    let choice = choice.ok_or_else(|| Error::decode(format!("no choices in {}", shortened(body, 200))))?;
    let choice: ReadChoice<'_> =
        serde_json::from_str(choice.get()).map_err(|error| Error::decode(format!("choices/0: {error}")))?;
    let message = choice.message.ok_or_else(|| Error::decode("choices/0/message is missing"))?;
    let message: Message = serde_json::from_str(message.get())
        .map_err(|error| Error::decode(format!("choices/0/message: {error}")))?;
    let logprobs = choice.logprobs.map(|value| serde_json::from_str::<ReadLogprobs>(value.get())).transpose();
    let logprobs = logprobs.map_err(|error| Error::decode(format!("logprobs: {error}")))?;
    let reply = ChatReply::new(message);
    let finish = text(choice.finish_reason).map(|name| FinishReason::from_name(&name));
    Ok(ChatReply {
        finish: finish.unwrap_or(reply.finish),
        usage: read.usage.and_then(|usage| read_usage(&usage.get().parse().ok()?)),
        logprobs: logprobs.and_then(|logprobs| logprobs.content).unwrap_or_default(),
        model: text(read.model).unwrap_or_default(),
        ..reply
    })
}
