//! The trait that every language model implements, near and far.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::error::Result;
use crate::reply::{ChatEvent, ChatReply, Gather};
use crate::request::ChatRequest;

/// What a model offers. Callers choose by it between a strict schema, a JSON object and plain text.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// The model's name: caches keep replies apart by it, and by [`ChatModel::identity`].
    pub model: String,
    /// Replies that fit a JSON schema.
    pub json_schema: bool,
    /// Replies that are a JSON object.
    pub json_object: bool,
    /// Tools as a part of the request.
    pub tools: bool,
    /// The same reply for the same seed.
    pub seed: bool,
    /// Log-probabilities of tokens.
    pub logprobs: bool,
    /// The most tokens of request and reply together.
    pub context_length: Option<usize>,
    /// The most tokens of a reply.
    pub max_output: Option<usize>,
}

/// The pieces of a reply, as they come. After an error nothing follows.
pub type ChatStream<'a> = BoxStream<'a, Result<ChatEvent>>;

/// A model behind a shared pointer: what layers wrap.
pub type SharedModel = Arc<dyn ChatModel>;

/// A language model that chats.
pub trait ChatModel: Send + Sync {
    /// Asks for a whole reply.
    ///
    /// # Errors
    /// See [`Error`](crate::Error).
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>>;

    /// Asks for a reply in pieces. Nothing is sent before the stream is polled.
    ///
    /// Unless a model says otherwise, the pieces are those of the whole reply.
    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        let whole = stream::once(async move {
            let pieces: Vec<Result<ChatEvent>> = match self.complete(request).await {
                Ok(reply) => reply.into_events().into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(pieces)
        });
        whole.flatten().boxed()
    }

    /// What the model offers.
    fn capabilities(&self) -> Capabilities;

    /// What tells this model from others of its name, if anything does: two endpoints may give one name to different
    /// weights. Caches keep replies apart by it. A layer hands on what its model says. It holds no key.
    fn identity(&self) -> Option<String> {
        None
    }
}

impl<M: ChatModel + ?Sized> ChatModel for Arc<M> {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        (**self).complete(request)
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        (**self).stream(request)
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    fn identity(&self) -> Option<String> {
        (**self).identity()
    }
}

/// Puts a stream together.
///
/// # Errors
/// The stream's own, and those of [`Gather`].
pub async fn gather(mut stream: ChatStream<'_>) -> Result<ChatReply> {
    let mut gather = Gather::default();
    while let Some(event) = stream.next().await {
        gather.push(&event?)?;
    }
    gather.finish()
}
