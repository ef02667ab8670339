//! Endpoints that speak OpenAI's chat completions: vLLM, llama.cpp's server, Ollama, hosted ones.

mod cassette;
mod client;
mod config;
mod network;

pub use cassette::{Cassette, CassetteMode};
pub use client::OpenAiCompatible;
pub use config::{EndpointConfig, Timeouts};
pub use network::client;
