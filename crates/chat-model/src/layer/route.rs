//! Different models for different agents.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use crate::error::Result;
use crate::model::{Capabilities, ChatModel, ChatStream, SharedModel};
use crate::reply::ChatReply;
use crate::request::ChatRequest;

/// Sends each request to the model of the agent that asks.
pub struct Mixed {
    default: SharedModel,
    routes: BTreeMap<String, SharedModel>,
}

impl std::fmt::Debug for Mixed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |model: &SharedModel| model.capabilities().model;
        let routes: BTreeMap<_, _> = self.routes.iter().map(|(agent, model)| (agent, name(model))).collect();
        f.debug_struct("Mixed").field("default", &name(&self.default)).field("routes", &routes).finish()
    }
}

impl Mixed {
    /// Everything goes to `default`.
    pub fn new(default: SharedModel) -> Self {
        Self { default, routes: BTreeMap::new() }
    }

    /// Requests of `agent` go to `model`.
    #[must_use]
    pub fn route(mut self, agent: impl Into<String>, model: SharedModel) -> Self {
        self.routes.insert(agent.into(), model);
        self
    }

    /// The model that answers `agent`.
    pub fn model(&self, agent: Option<&str>) -> &SharedModel {
        agent.and_then(|agent| self.routes.get(agent)).unwrap_or(&self.default)
    }
}

impl ChatModel for Mixed {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        self.model(request.agent.as_deref()).complete(request)
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        self.model(request.agent.as_deref()).stream(request)
    }

    /// That of the only model, or those of all with their names and agents.
    fn identity(&self) -> Option<String> {
        if self.routes.is_empty() {
            return self.default.identity();
        }
        let one = |model: &SharedModel| {
            format!("{} {}", model.capabilities().model, model.identity().unwrap_or_default())
        };
        let routes = self.routes.iter().map(|(agent, model)| format!("\n{agent}: {}", one(model)));
        Some(one(&self.default) + &routes.collect::<String>())
    }

    /// What all of them offer: the name is the default's, a limit the smallest.
    fn capabilities(&self) -> Capabilities {
        let smaller = |a: Option<usize>, b: Option<usize>| a.into_iter().chain(b).min();
        self.routes.values().map(|model| model.capabilities()).fold(
            self.default.capabilities(),
            |all, one| Capabilities {
                json_schema: all.json_schema && one.json_schema,
                json_object: all.json_object && one.json_object,
                tools: all.tools && one.tools,
                seed: all.seed && one.seed,
                logprobs: all.logprobs && one.logprobs,
                context_length: smaller(all.context_length, one.context_length),
                max_output: smaller(all.max_output, one.max_output),
                model: all.model,
            },
        )
    }
}
