//! Who plays the agents: one trait for the offline engine and for endpoints, with replies that are text in both cases and go
//! through one parser.
//!
//! A [`Request`] carries the agent's task typed ([`Task`]) and renders it as chat messages on demand. An endpoint reads the
//! messages; the [`RuleEngine`] reads the task. The task of the assistant holds nothing but messages and tools: there is no
//! goal that a solver could look at.

mod action;
#[cfg(feature = "endpoint")]
mod endpoint;
mod prompts;
mod simulator;
pub mod solver;

use rec_core::{Message, ToolCall, ToolSpec, Trajectory};

pub use action::{Action, Decision, Origin, render};
#[cfg(feature = "endpoint")]
pub use endpoint::{ChatEngine, RuleModel};
pub use simulator::simulate;

use crate::dlv::Expert;
use crate::error::Result;
use crate::sdg::{UserTask, utter};
use crate::tss::{Grammar, Pool};

/// What an agent is to do.
#[derive(Clone, Copy, Debug)]
pub enum Task<'a> {
    /// Say the next thing as the user.
    User(&'a UserTask<'a>),
    /// Reply as the assistant.
    Assistant {
        /// The conversation so far.
        messages: &'a [Message],
        /// What is on offer.
        tools: &'a [ToolSpec],
    },
    /// Answer a call as the tool.
    Tool {
        /// The tool.
        tool: &'a ToolSpec,
        /// The call.
        call: &'a ToolCall,
        /// The conversation before it: what a tool has told of a record once, it tells again.
        earlier: &'a [Message],
    },
    /// Judge a sample.
    Expert {
        /// Who judges.
        expert: Expert,
        /// The sample.
        sample: &'a Trajectory,
    },
}

/// One request to an engine.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What is to be done.
    pub task: Task<'a>,
    /// What makes replies differ: the same request with the same seed gets the same reply.
    pub seed: u64,
    /// How freely to sample, as a chat endpoint's temperature.
    pub temperature: f64,
}

impl Request<'_> {
    /// The request as chat messages.
    pub fn messages(&self) -> Vec<Message> {
        prompts::messages(&self.task)
    }
}

/// What an engine replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// Logarithms of the tokens' probabilities, where the engine tells them.
    pub log_probs: Option<Vec<f64>>,
}

/// Who replies to requests.
pub trait Engine: Send + Sync {
    /// The reply.
    ///
    /// # Errors
    /// Whatever keeps the engine from replying.
    fn complete(&self, request: &Request<'_>) -> Result<Reply>;

    /// What the data card calls it.
    fn name(&self) -> String;
}

/// The offline engine: no key, no network, no weights.
#[derive(Clone, Debug)]
pub struct RuleEngine<'a> {
    grammar: &'a Grammar,
    pool: &'a Pool,
    noise: f64,
}

impl<'a> RuleEngine<'a> {
    /// An engine whose users speak of the tools of `pool`. `noise` is the width of the assistant's errors at temperature 1.
    pub fn new(grammar: &'a Grammar, pool: &'a Pool, noise: f64) -> Self {
        Self { grammar, pool, noise }
    }
}

impl Engine for RuleEngine<'_> {
    fn complete(&self, request: &Request<'_>) -> Result<Reply> {
        let text = match request.task {
            Task::User(task) => utter(task, self.grammar, self.pool, request.seed),
            Task::Assistant { messages, tools } => {
                solver::solve(messages, tools, self.noise * request.temperature, request.seed)
            }
            Task::Tool { tool, call, earlier } => simulate(tool, call, earlier, self.grammar).to_string(),
            Task::Expert { expert, sample } => {
                let opinion = crate::dlv::examine_offline(expert, sample);
                serde_json::to_string(&opinion).expect("an opinion has a text")
            }
        };
        Ok(Reply { text, log_probs: None })
    }

    fn name(&self) -> String {
        "offline".to_owned()
    }
}
