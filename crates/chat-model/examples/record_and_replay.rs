//! Records an exchange on a cassette, closes the endpoint, and plays it again: what a test that needs an endpoint does.
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use chat_model::http::{Cassette, CassetteMode, EndpointConfig, OpenAiCompatible};
use chat_model::server::{Server, ServerConfig};
use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, Result};
use futures_util::future::{BoxFuture, FutureExt};
use rec_core::Message;

/// Recommends one film to everybody.
struct OneFilm;

impl ChatModel for OneFilm {
    fn complete<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        futures_util::future::ready(Ok(ChatReply::text("Watch Ronin."))).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: "one-film".into(), ..Capabilities::default() }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let tape = std::env::temp_dir().join(format!("chat-model-{}.jsonl", std::process::id()));
    let server = Server::start(Arc::new(OneFilm), ServerConfig::default()).await?;
    let config = EndpointConfig::new(server.base_url(), "one-film");
    let request = ChatRequest::new(vec![Message::user("Something like Heat?")]);

    let recording = Cassette::open(&tape, CassetteMode::Record)?;
    let reply = OpenAiCompatible::with_cassette(config.clone(), recording)?.complete(&request).await?;
    println!("{:?}: {}", reply.source, reply.message.content);
    drop(server);

    let playing = OpenAiCompatible::with_cassette(config, Cassette::open(&tape, CassetteMode::Replay)?)?;
    let reply = playing.complete(&request).await?;
    println!("{:?}: {}", reply.source, reply.message.content);
    let other = ChatRequest::new(vec![Message::user("Something like Alien?")]);
    if let Err(error) = playing.complete(&other).await {
        println!("{error}");
    }
    // Left behind, it would do no harm.
    let _ = std::fs::remove_file(tape);
    Ok(())
}
