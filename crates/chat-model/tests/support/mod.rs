//! A model to put behind the server, and requests to it.
#![allow(dead_code)] // each test file uses its part

use std::sync::Arc;

use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::server::{Faults, Server, ServerConfig};
use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, Result, Sampling, TokenLogprob, Usage};
use futures_util::future::{BoxFuture, FutureExt};
use rec_core::{Json, Message, ToolCall};

/// Answers with the last message, and calls the first tool if there is one.
pub struct Parrot;

impl ChatModel for Parrot {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        let heard = request.messages.last().map_or("", |message| message.content.as_str());
        let mut reply = ChatReply::text(format!("you said: {heard}"));
        if let Some(tool) = request.tools.first() {
            let arguments = |n: i64| [("q", Json::from(heard)), ("n", n.into())].into_iter().collect();
            let calls = (0..2).map(|n| ToolCall::new(format!("id{n}"), tool.name.as_str(), arguments(n)));
            reply = ChatReply::new(Message {
                tool_calls: calls.collect(),
                ..Message::assistant("I look: é😀")
            });
        }
        if let Some(task) = &request.task {
            reply.message.content = format!("{}: {task}", request.agent.as_deref().unwrap_or("nobody"));
        }
        if request.logprobs.is_some() {
            reply.logprobs = vec![TokenLogprob { token: "you".into(), logprob: -0.25, top: Vec::new() }];
        }
        reply.usage = Some(Usage { prompt_tokens: 10, completion_tokens: 5 });
        futures_util::future::ready(Ok(reply)).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "parrot".into(), ..Capabilities::default() }
    }
}

pub async fn serve(faults: Faults) -> Server {
    Server::start(Arc::new(Parrot), ServerConfig { faults, ..ServerConfig::default() }).await.unwrap()
}

pub fn config(server: &Server) -> EndpointConfig {
    EndpointConfig { send_task: true, ..EndpointConfig::new(server.base_url(), "parrot") }
}

pub fn client(server: &Server) -> Arc<OpenAiCompatible> {
    Arc::new(OpenAiCompatible::new(config(server)).unwrap())
}

pub fn ask(text: &str) -> ChatRequest {
    let sampling = Sampling { temperature: Some(0.0), max_tokens: Some(100), ..Sampling::default() };
    ChatRequest { sampling, ..ChatRequest::new(vec![Message::user(text)]) }
}

/// Lets a paused clock run a hundred times as fast as the real one, in even steps. Left to itself, tokio's paused clock leaps to the
/// next timeout whenever nothing is ready, and on a busy machine bytes on the loopback interface are not ready at once.
pub fn fast_clock() {
    tokio::spawn(async {
        loop {
            // A paused clock does not leap while something blocks.
            tokio::task::spawn_blocking(|| std::thread::sleep(std::time::Duration::from_millis(1)))
                .await
                .unwrap();
            tokio::time::advance(std::time::Duration::from_millis(100)).await;
        }
    });
}
