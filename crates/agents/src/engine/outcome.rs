//! What a sample comes to, and why an attempt ends without an answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decider::{DecideError, Usage};
use crate::parser::Rung;
use crate::task::Answer;
use crate::view::Claim;

/// Why an attempt ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "cause", content = "what")]
pub enum Halt {
    /// No step is left.
    Steps,
    /// The prompt does not fit.
    Context(String),
    /// Requests or tokens are spent.
    Budget(String),
    /// The time is over.
    Deadline,
    /// Somebody stopped it.
    Cancelled,
    /// The model failed.
    ModelError(String),
}

impl From<DecideError> for Halt {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Context(what) => Self::Context(what),
            DecideError::Budget(what) => Self::Budget(what),
            DecideError::Model(what) => Self::ModelError(what),
            DecideError::After { error, .. } => (*error).into(),
        }
    }
}

impl Halt {
    /// The name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Context(_) => "context",
            Self::Budget(_) => "budget",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::ModelError(_) => "model_error",
        }
    }
}

/// What a sample came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The sample.
    pub sample: String,
    /// The answer; the fallback if no attempt gave a valid one.
    pub answer: Answer,
    /// Whether an agent gave it and the task accepts it.
    pub valid: bool,
    /// Why the last attempt ended, if without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<Halt>,
    /// The answer of each attempt; none where it halted.
    pub attempts: Vec<Option<Answer>>,
    /// What the Reflector said, in order: kept or not, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reflections: Vec<(bool, String)>,
    /// Decisions of all agents.
    pub decisions: u32,
    /// Replies that were no action, and answers that were refused.
    pub refused: u32,
    /// Calls of tools.
    pub tool_calls: u32,
    /// Calls that failed.
    pub tool_errors: u32,
    /// Workers that halted. The Manager is told and may answer all the same, from what it has.
    pub worker_halts: u32,
    /// How replies were understood.
    pub rungs: BTreeMap<Rung, u32>,
    /// What the deciders cost.
    pub usage: Usage,
    /// Statements of the answer and what they rest on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// How many of them an observation supports.
    pub supported: u32,
    /// The items that an answer of a dialogue shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

impl Outcome {
    /// The number, from 1, of the attempt whose answer [`Outcome::answer`] is: the last that gave one. None for the fallback.
    pub fn answered_in(&self) -> Option<usize> {
        self.attempts.iter().rposition(Option::is_some).map(|at| at + 1)
    }

    /// A valid answer that no agent worked for, as of a baseline.
    pub fn answered(sample: impl Into<String>, answer: Answer) -> Self {
        Self {
            sample: sample.into(),
            attempts: vec![Some(answer.clone())],
            answer,
            valid: true,
            halt: None,
            reflections: Vec::new(),
            decisions: 0,
            refused: 0,
            tool_calls: 0,
            tool_errors: 0,
            worker_halts: 0,
            rungs: BTreeMap::new(),
            usage: Usage::default(),
            claims: Vec::new(),
            supported: 0,
            items: Vec::new(),
        }
    }
}
