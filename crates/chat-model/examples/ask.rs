//! Asks an endpoint, with retries, rates and a budget between. Without arguments it asks a server that it starts itself.
//!
//! ```text
//! cargo run -p chat-model --features server --example ask
//! cargo run -p chat-model --features server --example ask -- http://127.0.0.1:11434/v1 llama3.2 "Which film is like Heat?"
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{Budget, BudgetConfig, Caps, RateConfig, RateLimit, Retry, RetryConfig};
use chat_model::server::{Server, ServerConfig};
use chat_model::{Capabilities, ChatEvent, ChatModel, ChatReply, ChatRequest, Result, Usage};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use rec_core::Message;

/// Counts words. Any program can stand here.
struct WordCounter;

impl ChatModel for WordCounter {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        let words = request.messages.last().map_or(0, |message| message.content.split_whitespace().count());
        let usage = Some(Usage { prompt_tokens: words as u64, completion_tokens: 4 });
        let reply = ChatReply { usage, ..ChatReply::text(format!("That was {words} words.")) };
        futures_util::future::ready(Ok(reply)).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "word-counter".into(), ..Capabilities::default() }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = Server::start(Arc::new(WordCounter), ServerConfig::default()).await?;
    let base_url = arguments.next().unwrap_or_else(|| server.base_url());
    let name = arguments.next().unwrap_or_else(|| "word-counter".into());
    let question = arguments.next().unwrap_or_else(|| "Which film is like Heat?".into());

    let endpoint = OpenAiCompatible::new(EndpointConfig::new(base_url, name))?;
    let limited = RateLimit::new(Arc::new(endpoint), RateConfig::default())?;
    let run = Caps { tokens: Some(20_000), ..Caps::default() };
    let budget = Arc::new(Budget::new(Arc::new(limited), BudgetConfig { run, ..BudgetConfig::default() })?);
    let model = Retry::new(budget.clone(), RetryConfig::default());

    let request = ChatRequest::new(vec![Message::user(question)]);
    let mut events = model.stream(&request);
    while let Some(event) = events.next().await {
        if let ChatEvent::Text(text) = event? {
            print!("{text}");
        }
    }
    drop(events);
    println!("\n{} tokens in {} calls", budget.spent().tokens, budget.spent().calls);
    Ok(())
}
