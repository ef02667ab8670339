//! How near a thousand requests at once come to the latency of their endpoint.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{RateConfig, RateLimit, Retry, RetryConfig};
use chat_model::server::{Faults, Server, ServerConfig};
use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest, Result};
use futures_util::future::{BoxFuture, FutureExt, join_all};
use rec_core::Message;

/// Answers at once; the server waits.
struct Yes;

impl ChatModel for Yes {
    fn complete<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        futures_util::future::ready(Ok(ChatReply::text("yes"))).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

const AT_ONCE: usize = 1000;
const EACH: usize = 20;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let latency = Duration::from_millis(200);
    let faults = Faults { latency, ..Faults::default() };
    let server = Server::start(Arc::new(Yes), ServerConfig { faults, ..ServerConfig::default() }).await?;
    let endpoint = OpenAiCompatible::new(EndpointConfig::new(server.base_url(), "yes"))?;
    let limit =
        RateLimit::new(Arc::new(endpoint), RateConfig { concurrency: AT_ONCE, ..RateConfig::default() })?;
    let model = Retry::new(Arc::new(limit), RetryConfig::default());
    let request = ChatRequest::new(vec![Message::user("Heat?")]);
    // Opens the connections.
    join_all((0..AT_ONCE).map(|_| model.complete(&request))).await;
    let start = Instant::now();
    let rounds = (0..AT_ONCE).map(|_| async {
        for _ in 0..EACH {
            model.complete(&request).await?;
        }
        Ok::<_, chat_model::Error>(())
    });
    for round in join_all(rounds).await {
        round?;
    }
    let (took, bound) = (start.elapsed().as_secs_f64(), latency.as_secs_f64() * EACH as f64);
    let per_second = (AT_ONCE * EACH) as f64 / took;
    println!(
        "{took:.3} s for {AT_ONCE} x {EACH} requests, {per_second:.0} a second; the latency alone takes {bound:.3} s"
    );
    println!("{:.1} % over the bound", (took / bound - 1.0) * 100.0);
    Ok(())
}
