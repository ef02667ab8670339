//! Language models as engines, and the offline engine as a language model.

use std::borrow::Cow;

use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, JsonText, Sampling, SharedModel};
use futures_util::future::{BoxFuture, FutureExt, ready};
use rec_core::tool::call_text;
use rec_core::{Message, ToolCall, ToolSpec, Trajectory};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::{Action, Engine, Reply, Request, RuleEngine, Task, solver};
use crate::dlv::Expert;
use crate::error::{Error, Result};
use crate::sdg::{Say, Style, Turn, UserTask, Wish};
use crate::tss::{Grammar, Pool, Wording};

/// A [`ChatModel`] that plays all agents.
///
/// The pipeline's threads wait for replies, so as many requests are on their way as the pipeline has threads. Limits, retries and
/// a cache are layers of the model. A request is the same whenever it is made, so with a cache on the disk a run that was cut
/// off asks nothing twice.
pub struct ChatEngine {
    model: SharedModel,
    runtime: Handle,
    max_tokens: u32,
}

impl std::fmt::Debug for ChatEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatEngine")
            .field("model", &self.model.capabilities().model)
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

impl ChatEngine {
    /// An engine that asks `model` on `runtime`, for replies of at most `max_tokens`.
    pub fn new(model: SharedModel, runtime: Handle, max_tokens: u32) -> Self {
        Self { model, runtime, max_tokens }
    }
}

impl Engine for ChatEngine {
    /// # Panics
    /// On a thread of an asynchronous runtime: it waits.
    fn complete(&self, request: &Request<'_>) -> Result<Reply> {
        let agent = match request.task {
            Task::User(_) => "user",
            Task::Assistant { .. } => "assistant",
            Task::Tool { .. } => "tool",
            Task::Expert { .. } => "expert",
        };
        let asked = ChatRequest {
            sampling: Sampling {
                temperature: Some(request.temperature),
                max_tokens: Some(self.max_tokens),
                // Endpoints read it as a signed integer, some as a double: 53 bits come through everywhere.
                seed: Some(request.seed >> 11),
                ..Sampling::default()
            },
            agent: Some(agent.to_owned()),
            task: Some(Sent::of(request).text()),
            ..ChatRequest::new(request.messages())
        };
        match self.runtime.block_on(self.model.complete(&asked)) {
            Ok(reply) => Ok(Reply { text: text(&reply.message), log_probs: None }),
            // Asking again would not help, but another dialogue may fit.
            Err(
                error @ (chat_model::Error::ContextTooLong { .. }
                | chat_model::Error::ContentFilter { .. }
                | chat_model::Error::Decode { .. }),
            ) => Err(Error::Reply { what: error.to_string() }),
            Err(error) => Err(error.into()),
        }
    }

    fn name(&self) -> String {
        self.model.capabilities().model
    }
}

/// What a message says; calls that a model makes as calls though it was asked for text are written out.
fn text(message: &Message) -> String {
    if message.tool_calls.is_empty() {
        return message.content.clone();
    }
    call_text::write(&message.tool_calls).unwrap_or_else(|_| message.content.clone())
}

/// The offline engine as a [`ChatModel`], to be put behind an endpoint.
///
/// It is no language model. It reads the typed task that [`ChatEngine`] sends along (`send_task` of the client's configuration); of a
/// request without one it reads messages and tools, and replies as the assistant.
pub struct RuleModel {
    grammar: Cow<'static, Grammar>,
    pool: Pool,
    noise: f64,
}

impl RuleModel {
    /// A model whose users speak of the tools of `pool`; see [`RuleEngine::new`].
    pub fn new(pool: Pool, noise: f64) -> Self {
        Self { grammar: Cow::Borrowed(Grammar::embedded()), pool, noise }
    }

    /// The same over a pool of another grammar.
    pub fn with_grammar(grammar: Cow<'static, Grammar>, pool: Pool, noise: f64) -> Self {
        Self { grammar, pool, noise }
    }

    fn reply(&self, request: &ChatRequest) -> chat_model::Result<ChatReply> {
        let Some(task) = &request.task else {
            let temperature = request.sampling.temperature.unwrap_or(0.0);
            let seed = request.sampling.seed.unwrap_or(0);
            let said = solver::solve(&request.messages, &request.tools, self.noise * temperature, seed);
            return Ok(match Action::parse(&said, &request.tools) {
                Ok((Action::Calls(calls), _)) => ChatReply::new(numbered(calls)),
                Ok((Action::Ask(text) | Action::Answer(text), _)) => ChatReply::text(text),
                Err(_) => ChatReply::text(said),
            });
        };
        let refused = |what: String| chat_model::Error::BadRequest { what };
        let sent: Sent<'_> = task.read().map_err(|error| refused(format!("task: {error}")))?;
        let engine = RuleEngine::new(&self.grammar, &self.pool, self.noise);
        let reply = sent.with(|request| engine.complete(request));
        reply.map(|reply| ChatReply::text(reply.text)).map_err(|error| refused(error.to_string()))
    }
}

fn numbered(calls: Vec<ToolCall>) -> Message {
    let number = |(at, call): (usize, ToolCall)| ToolCall { id: format!("call_{}", at + 1), ..call };
    Message::calls(calls.into_iter().enumerate().map(number).collect())
}

impl ChatModel for RuleModel {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, chat_model::Result<ChatReply>> {
        ready(self.reply(request)).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "sextant-rules".into(), tools: true, seed: true, ..Capabilities::default() }
    }
}

/// A request as it travels beside its messages.
#[derive(Serialize, Deserialize)]
struct Sent<'a> {
    seed: u64,
    temperature: f64,
    task: SentTask<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SentTask<'a> {
    User { say: SentSay<'a>, style: Style, wording: Wording, synonyms: bool },
    Assistant { messages: Cow<'a, [Message]>, tools: Cow<'a, [ToolSpec]> },
    Tool { tool: Cow<'a, ToolSpec>, call: Cow<'a, ToolCall>, earlier: Cow<'a, [Message]> },
    Expert { expert: Expert, sample: Cow<'a, Trajectory> },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SentSay<'a> {
    Turn(Cow<'a, Turn>),
    Supply(Cow<'a, Wish>, Cow<'a, [String]>),
}

impl<'a> Sent<'a> {
    fn of(request: &Request<'a>) -> Self {
        let task = match request.task {
            Task::User(task) => SentTask::User {
                say: match task.say {
                    Say::Turn(turn) => SentSay::Turn(Cow::Borrowed(turn)),
                    Say::Supply(wish, path) => SentSay::Supply(Cow::Borrowed(wish), path.into()),
                },
                style: task.style,
                wording: task.wording,
                synonyms: task.synonyms,
            },
            Task::Assistant { messages, tools } => {
                SentTask::Assistant { messages: messages.into(), tools: tools.into() }
            }
            Task::Tool { tool, call, earlier } => SentTask::Tool {
                tool: Cow::Borrowed(tool),
                call: Cow::Borrowed(call),
                earlier: earlier.into(),
            },
            Task::Expert { expert, sample } => SentTask::Expert { expert, sample: Cow::Borrowed(sample) },
        };
        Self { seed: request.seed, temperature: request.temperature, task }
    }

    fn text(&self) -> JsonText {
        JsonText::of(self).expect("a request has a text")
    }

    /// Hands the request back in its own form.
    fn with<T>(&self, answer: impl FnOnce(&Request<'_>) -> T) -> T {
        let request = |task| Request { task, seed: self.seed, temperature: self.temperature };
        match &self.task {
            SentTask::User { say, style, wording, synonyms } => {
                let say = match say {
                    SentSay::Turn(turn) => Say::Turn(turn),
                    SentSay::Supply(wish, path) => Say::Supply(wish, path),
                };
                // The offline user reads neither the wishes in words nor what was said before.
                let (expected, before) = (Vec::new(), &[][..]);
                let task =
                    UserTask { say, style: *style, wording: *wording, synonyms: *synonyms, expected, before };
                answer(&request(Task::User(&task)))
            }
            SentTask::Assistant { messages, tools } => answer(&request(Task::Assistant { messages, tools })),
            SentTask::Tool { tool, call, earlier } => answer(&request(Task::Tool { tool, call, earlier })),
            SentTask::Expert { expert, sample } => answer(&request(Task::Expert { expert: *expert, sample })),
        }
    }
}
