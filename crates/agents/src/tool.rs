//! The tools: real functions over the data set and the models, as of a moment, with checked arguments and bounded results.

use std::collections::BTreeMap;

use rec_core::json::Object;
use rec_core::{ItemId, Json, ToolSpec};

use crate::action::{AgentRole, ArgumentSpec};
use crate::dialogue::DialogueState;
use crate::encyclopedia::Library;
use crate::grammar::arguments_schema;
use crate::index::CutOff;
use crate::knowledge::Knowledge;
use crate::tools::values::{self, Member};
use crate::{limits, tools, untrusted};

/// Named sets of items, kept outside of what a model reads: it sees their size, their first items and their names.
pub type Bus = BTreeMap<String, Vec<ItemId>>;

/// What a tool may look at and change.
#[derive(Clone)]
pub struct ToolContext<'a> {
    /// What there is to know.
    pub knowledge: &'a Knowledge,
    /// The moment of the question.
    pub cut_off: CutOff,
    /// Named sets of items; `candidates` is the task's own.
    pub bus: Bus,
    /// The dialogue so far.
    pub dialogue: DialogueState,
    /// The text at hand: the last message of a dialogue.
    pub text: String,
    /// What the encyclopedia said in this assignment.
    pub library: Library,
}

impl<'a> ToolContext<'a> {
    /// A context without sets, dialogue or text.
    pub fn new(knowledge: &'a Knowledge, cut_off: CutOff) -> Self {
        Self {
            knowledge,
            cut_off,
            bus: Bus::new(),
            dialogue: DialogueState::default(),
            text: String::new(),
            library: Library::default(),
        }
    }

    /// Takes over what tools changed in `other`, a copy of `before`: sets, and the dialogue. What is as it was leaves alone what
    /// another copy brought.
    pub fn merge(&mut self, other: Self, before: &Self) {
        self.bus.extend(other.bus.into_iter().filter(|(name, items)| before.bus.get(name) != Some(items)));
        if other.dialogue != before.dialogue {
            self.dialogue = other.dialogue;
        }
    }
}

/// What a tool found.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolOutput {
    /// For programs.
    pub value: Json,
    /// For a model to read.
    pub text: String,
}

/// Why a tool did not answer. It is told to the agent and ends nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

impl From<crate::Error> for ToolError {
    fn from(error: crate::Error) -> Self {
        Self(error.to_string())
    }
}

/// One tool. All of them read only: what changes is the context of the session.
#[derive(Clone, Copy)]
pub struct Tool {
    /// The name in calls.
    pub name: &'static str,
    /// What it does, for a model.
    pub about: &'static str,
    /// Its arguments.
    pub arguments: &'static [ArgumentSpec],
    /// What its value holds.
    pub(crate) value: &'static [Member],
    /// Who may call it; besides, every tool is offered over MCP.
    pub roles: &'static [AgentRole],
    /// Whether it needs nothing but its arguments and the data: not the text or the sets of a session.
    pub stands_alone: bool,
    pub(crate) run: fn(&mut ToolContext<'_>, &Object) -> Result<ToolOutput, ToolError>,
}

impl Tool {
    /// All tools, in the order of every list.
    pub fn all() -> &'static [Self] {
        tools::ALL
    }

    /// The tool called `name`.
    pub fn named(name: &str) -> Option<&'static Self> {
        tools::ALL.iter().find(|tool| tool.name == name)
    }

    /// As a model or a client is told of it.
    pub fn spec(&self) -> ToolSpec {
        ToolSpec::new(self.name, self.about, arguments_schema(self.arguments))
    }

    /// The JSON Schema of its value.
    pub fn value_schema(&self) -> Json {
        values::schema(self.value)
    }

    /// Checks the arguments against the schema, runs the tool, bounds the text.
    ///
    /// # Errors
    /// [`ToolError`] naming the argument and what is accepted.
    pub fn call(&self, context: &mut ToolContext<'_>, arguments: &Json) -> Result<ToolOutput, ToolError> {
        let members = arguments.as_object().ok_or_else(|| {
            ToolError(format!("{}: the arguments are {}, not an object", self.name, arguments.kind()))
        })?;
        for argument in self.arguments {
            if !members.contains_key(argument.name) {
                return Err(ToolError(format!("{}: `{}` is missing", self.name, argument.name)));
            }
        }
        if let Some(name) =
            members.keys().find(|name| self.arguments.iter().all(|known| known.name != **name))
        {
            return Err(ToolError(format!(
                "{}: no argument is called {:?}",
                self.name,
                untrusted::clip(name, 60)
            )));
        }
        let mut output = (self.run)(context, members)?;
        output.text = untrusted::clip(&output.text, limits::OBSERVATION);
        Ok(output)
    }
}
