//! Who decides: the seam between the engine, which only knows typed decisions, and whatever makes them.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::parser::{ParseError, Rung};
use crate::view::{AgentView, Claim};

/// Where a decision came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The rule-based engine.
    #[default]
    Policy,
    /// A language model.
    Model,
    /// A language model's answer from a cache.
    Cache,
    /// A recorded trace.
    Replay,
}

/// What a decision cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Requests to a model.
    pub requests: u32,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Turns spent on repairing replies that were no action.
    pub repairs: u32,
}

impl Usage {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.repairs += other.repairs;
    }
}

/// What an agent decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Why.
    pub thought: String,
    /// What to do, or why the reply is no action.
    pub action: Result<Action, ParseError>,
    /// With an answer: its statements and what they rest on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// With an answer of a dialogue: the items that it shows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    /// How the reply was understood.
    pub rung: Rung,
    /// What it cost.
    #[serde(default)]
    pub usage: Usage,
    /// Where it came from.
    #[serde(default)]
    pub source: Source,
}

impl Decision {
    /// A typed decision at no cost.
    pub fn typed(thought: impl Into<String>, action: Action) -> Self {
        Self {
            thought: thought.into(),
            action: Ok(action),
            claims: Vec::new(),
            items: Vec::new(),
            rung: Rung::Typed,
            usage: Usage::default(),
            source: Source::Policy,
        }
    }
}

/// Why there is no decision. It halts the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind", content = "what")]
pub enum DecideError {
    /// The prompt does not fit, even shortened.
    #[error("the prompt does not fit: {0}")]
    Context(String),
    /// The budget of the run or sample is spent.
    #[error("the budget is spent: {0}")]
    Budget(String),
    /// The model failed, after all retries.
    #[error("the model failed: {0}")]
    Model(String),
    /// One of the others, after requests that were answered: the turns of repair.
    #[error("{error}")]
    After {
        /// What these requests cost.
        usage: Usage,
        /// What then went wrong.
        error: Box<DecideError>,
    },
}

impl DecideError {
    /// What was used up before.
    pub fn usage(&self) -> Usage {
        match self {
            Self::After { usage, .. } => *usage,
            _ => Usage::default(),
        }
    }
}

/// The ability to decide. Deciders are shared between samples and hold no state of one.
pub trait Decider: Send + Sync {
    /// Decides on the next step of the agent that `view` shows.
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>>;
}
