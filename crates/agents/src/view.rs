//! What an agent knows when it decides, typed: a language model is shown it as a prompt, the rule-based engine reads it as
//! it is. It can be sent over the wire, so that both can sit behind the same endpoint.

use rec_core::Json;
use serde::{Deserialize, Serialize};

use crate::action::{Action, AgentRole, Subject};
use crate::dialogue::DialogueState;
use crate::parser::ParseError;
use crate::system::Mode;
use crate::task::{Answer, TaskInput};

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Names the observation within its attempt, so that claims can refer to it.
    pub id: String,
    /// For a model to read.
    pub text: String,
    /// For programs: a tool's result, or a worker's results by tool.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub value: Json,
    /// Whether the action did what it was meant to.
    pub ok: bool,
}

/// One turn of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Why.
    pub thought: String,
    /// What was done; none if the reply was no action.
    pub action: Option<Action>,
    /// What came of it.
    pub observation: Observation,
}

/// What a worker is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Assignment {
    /// The task itself: the Manager's.
    #[default]
    Task,
    /// Study a user or an item.
    Analyse {
        /// Which.
        subject: Subject,
        /// The outside id.
        id: String,
    },
    /// Find something.
    Search {
        /// What.
        requirement: String,
    },
    /// Say what a text asks for.
    Interpret {
        /// The text.
        content: String,
    },
    /// Judge the attempt whose steps are shown.
    Reflect {
        /// Its answer; none if it halted.
        answer: Option<Answer>,
        /// What the answer claims.
        claims: Vec<Claim>,
    },
}

/// A set of the bus as an agent sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetView {
    /// Its name.
    pub name: String,
    /// How many items it has.
    pub size: usize,
    /// The first five of them by id.
    pub first: Vec<String>,
}

/// A statement of an answer with what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The item it speaks of, if it speaks of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The statement.
    pub text: String,
    /// The observation; `task` for what the task itself shows.
    pub observation: String,
    /// Where in its value (RFC 6901).
    pub pointer: String,
    /// What stands there.
    pub value: Json,
}

/// Everything an agent knows when it decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    /// Who decides.
    pub role: AgentRole,
    /// Names the agent within the sample: attempt, parents, role.
    pub path: String,
    /// The task.
    pub task: TaskInput,
    /// How the Manager works.
    pub mode: Mode,
    /// Who can be asked.
    pub team: Vec<AgentRole>,
    /// What the agent is asked to do.
    pub assignment: Assignment,
    /// What it did so far; for the Reflector what the Manager did.
    pub steps: Vec<Step>,
    /// How many decisions are left, this one included.
    pub remaining: usize,
    /// From 1.
    pub attempt: usize,
    /// Advice from earlier attempts.
    pub reflections: Vec<String>,
    /// The last attempt's steps, where the strategy shows them.
    pub last_trial: Vec<Step>,
    /// The sets of the bus.
    pub sets: Vec<SetView>,
    /// The dialogue so far.
    pub dialogue: DialogueState,
    /// Whether an encyclopedia is connected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encyclopedia: bool,
}

impl AgentView {
    /// The last value that stands at `pointer` of an observation, with that observation's id.
    pub fn find(&self, pointer: &str) -> Option<(&str, &Json)> {
        let found = |step: &&Step| step.observation.ok && step.observation.value.pointer(pointer).is_some();
        let step = self.steps.iter().rev().find(found)?;
        Some((&step.observation.id, step.observation.value.pointer(pointer)?))
    }

    /// Whether an agent of `role` can be asked.
    pub fn has(&self, role: AgentRole) -> bool {
        self.team.contains(&role)
    }
}

impl Claim {
    /// Whether the observation it refers to holds the value where it says, among `steps` or in the task itself.
    pub fn is_supported(&self, task: &TaskInput, steps: &[Step]) -> bool {
        if self.observation == "task" {
            let json = serde_json::to_string(task).ok().and_then(|text| text.parse::<Json>().ok());
            return json.is_some_and(|json| json.pointer(&self.pointer) == Some(&self.value));
        }
        let step = steps.iter().find(|step| step.observation.id == self.observation);
        step.is_some_and(|step| step.observation.value.pointer(&self.pointer) == Some(&self.value))
    }
}

/// The refusal of a reply that is no action, as an observation's text.
pub fn refusal(error: &ParseError) -> String {
    format!("Not an action: {error}")
}
