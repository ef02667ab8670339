//! One trait for language models that chat, and what stands between a program and an endpoint.
//!
//! [`ChatModel`] takes a [`ChatRequest`] and gives a [`ChatReply`], whole or in pieces ([`ChatEvent`]). Behind it may be an endpoint
//! that speaks OpenAI's chat completions ([`http`]), or a program that computes its replies: a request carries a typed task
//! beside its messages for those.
//!
//! Everything else is a layer around a `ChatModel` that is a `ChatModel` again, and small ([`layer`]): retries, rates, budgets, a
//! cache on the disk, fitting into a context, routes by the role of the agent that asks.
//!
//! `server` puts any `ChatModel` behind an endpoint on the loopback interface, with faults to order: what talks to endpoints is
//! tested over real HTTP.
//!
//! ```
//! use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, Result};
//! use futures_util::future::{BoxFuture, FutureExt};
//! use rec_core::Message;
//!
//! /// Says what it hears.
//! struct Echo;
//!
//! impl ChatModel for Echo {
//!     fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
//!         let heard = request.messages.last().map_or("", |message| message.content.as_str());
//!         futures_util::future::ready(Ok(ChatReply::text(heard))).boxed()
//!     }
//!
//!     fn capabilities(&self) -> Capabilities {
//!         Capabilities { model: "echo".into(), ..Capabilities::default() }
//!     }
//! }
//!
//! let request = ChatRequest::new(vec![Message::user("Heat")]);
//! let reply = Echo.complete(&request).now_or_never().unwrap()?;
//! assert_eq!(reply.message.content, "Heat");
//! # Ok::<(), chat_model::Error>(())
//! ```
#![warn(missing_docs)]

pub mod error;
#[cfg(feature = "http")]
pub mod http;
mod json_text;
pub mod layer;
pub mod model;
pub mod reply;
pub mod request;
#[cfg(feature = "server")]
pub mod server;
pub mod sse;
mod toolset;
pub mod wire;

pub use error::{Error, Phase, Result};
pub use json_text::JsonText;
pub use model::{Capabilities, ChatModel, ChatStream, SharedModel, gather};
pub use reply::{ChatEvent, ChatReply, FinishReason, Gather, Source, TokenLogprob, TopLogprob, Usage};
pub use request::{ChatRequest, ResponseFormat, Sampling, ToolChoice, estimate_tokens};
pub use toolset::{SeenTools, Toolset};

/// Compiles and runs the example of the README.
#[cfg(all(doctest, feature = "http", feature = "layers", feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
