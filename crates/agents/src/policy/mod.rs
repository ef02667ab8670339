//! The rule-based engine: every decision of every role, computed from what the agent is shown. It is not a language model. It
//! makes the same tool calls that a model would have to make, and answers with what the tools found.

mod conversation;
mod explanation;
mod ranking;
mod rating;
mod reflection;
mod workers;

use futures_util::future::BoxFuture;
use rec_core::Json;

use crate::action::{Action, AgentRole, ManagerAction, Subject};
use crate::calibration::Calibration;
use crate::decider::{DecideError, Decider, Decision};
use crate::system::Mode;
use crate::task::TaskKind;
use crate::view::{AgentView, Claim};

/// Decides by rules, for all roles and tasks.
#[derive(Clone, Debug, Default)]
pub struct PolicyDecider {
    calibration: Calibration,
}

impl PolicyDecider {
    /// A decider that weighs models by `calibration`.
    pub fn new(calibration: Calibration) -> Self {
        Self { calibration }
    }

    /// The decision on `view`.
    pub fn decide_now(&self, view: &AgentView) -> Decision {
        match view.role {
            AgentRole::Manager => match view.task.kind {
                TaskKind::Rating => rating::decide(view, &self.calibration),
                TaskKind::Ranking => ranking::decide(view, &self.calibration),
                TaskKind::Explanation => explanation::decide(view),
                TaskKind::Conversation => conversation::decide(view),
            },
            AgentRole::Analyst => workers::analyst(view),
            AgentRole::Searcher => workers::searcher(view),
            AgentRole::Interpreter => workers::interpreter(view),
            AgentRole::Reflector => reflection::decide(view, &self.calibration),
        }
    }
}

impl Decider for PolicyDecider {
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>> {
        Box::pin(std::future::ready(Ok(self.decide_now(view))))
    }
}

fn manage(thought: impl Into<String>, action: ManagerAction) -> Decision {
    Decision::typed(thought, Action::Manager(action))
}

fn analyse(subject: Subject, id: &str) -> ManagerAction {
    ManagerAction::Analyse { kind: subject, id: id.to_owned() }
}

/// The next step of a fixed list of delegations, as a plan where the system plans; nothing once all were taken.
fn next_of(view: &AgentView, steps: &[(ManagerAction, String)]) -> Option<Decision> {
    let taken = view.steps.len();
    // The last decision has to be the answer.
    if taken >= steps.len() || view.remaining < 2 {
        return None;
    }
    if view.mode != Mode::React && taken == 0 && view.remaining > steps.len() {
        let thoughts: Vec<&str> = steps.iter().map(|(_, thought)| thought.as_str()).collect();
        let plan = steps.iter().map(|(step, _)| step.clone()).collect();
        return Some(manage(thoughts.join(" "), ManagerAction::Plan { steps: plan }));
    }
    if view.mode != Mode::React && taken == 0 {
        return None;
    }
    let (step, thought) = &steps[taken];
    Some(manage(thought.clone(), step.clone()))
}

fn f64_at(value: &Json, pointer: &str) -> Option<f64> {
    value.pointer(pointer).and_then(Json::as_f64)
}

fn str_at<'a>(value: &'a Json, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Json::as_str)
}

/// Title and year of an item in a tool's result.
fn name_at(value: &Json, pointer: &str) -> Option<String> {
    let card = value.pointer(pointer)?;
    let title = str_at(card, "/title")?;
    Some(match card.get("year").and_then(Json::as_i64) {
        Some(year) => format!("{title} ({year})"),
        None => title.to_owned(),
    })
}

/// A claim that rests on what stands at `pointer` in the latest observation that has it.
fn claim(view: &AgentView, item: Option<&str>, text: impl Into<String>, pointer: &str) -> Option<Claim> {
    let (observation, value) = view.find(pointer)?;
    Some(Claim {
        item: item.map(str::to_owned),
        text: text.into(),
        observation: observation.to_owned(),
        pointer: pointer.to_owned(),
        value: value.clone(),
    })
}

/// `a`, `a and b`, `a, b and c`.
fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
