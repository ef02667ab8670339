//! What the Manager has others do: plans, workers, their tool calls.

use futures_util::future::join_all;
use rec_core::Json;

use super::attempt::{Run, State, set_views};
use super::outcome::Halt;
use crate::action::{Action, AgentRole, ManagerAction};
use crate::decider::Decision;
use crate::system::Mode;
use crate::tool::{Tool, ToolContext};
use crate::trace::{CallPayload, EventKind, ResultPayload};
use crate::view::{AgentView, Assignment, refusal};
use crate::{limits, untrusted};

impl<'a> Run<'a> {
    /// Takes the steps of a plan: in order, each seeing the sets of those before, or all at once.
    pub(super) async fn carry_out(
        &mut self,
        view: &mut AgentView,
        context: &mut ToolContext<'a>,
        thought: &str,
        steps: Vec<ManagerAction>,
    ) -> State {
        if steps.len() > view.remaining {
            return State::Halted(Halt::Steps);
        }
        view.remaining -= steps.len();
        let mut found = Vec::with_capacity(steps.len());
        if self.engine.system.mode == Mode::Rewoo {
            let before = context.clone();
            let work = (1..).zip(&steps).map(|(place, step)| {
                let (mut branch, mut own) = (self.branch(place - 1, steps.len()), before.clone());
                let (path, attempt) = (view.path.clone(), view.attempt);
                async move {
                    let result = branch.delegate(&path, attempt, place, step, &mut own).await;
                    (branch, own, result)
                }
            });
            for (branch, own, result) in join_all(work.collect::<Vec<_>>()).await {
                self.join(branch);
                context.merge(own, &before);
                found.push(result);
            }
        } else {
            for (place, step) in (1..).zip(&steps) {
                found.push(self.delegate(&view.path, view.attempt, place, step, context).await);
            }
        }
        for (step, (text, value, ok)) in steps.into_iter().zip(found) {
            let decision = Decision::typed(thought, Action::Manager(step));
            self.observe(view, decision, text, value, ok);
        }
        State::Decide
    }

    /// Has a worker do what the Manager asks; gives its report, its results by tool, and whether it got anywhere.
    pub(super) async fn delegate(
        &mut self,
        parent: &str,
        attempt: usize,
        place: usize,
        action: &ManagerAction,
        context: &mut ToolContext<'a>,
    ) -> (String, Json, bool) {
        let (role, assignment) = match action {
            ManagerAction::Analyse { kind, id } => {
                (AgentRole::Analyst, Assignment::Analyse { subject: *kind, id: id.clone() })
            }
            ManagerAction::Search { requirement } => {
                (AgentRole::Searcher, Assignment::Search { requirement: requirement.clone() })
            }
            ManagerAction::Interpret { content } => {
                (AgentRole::Interpreter, Assignment::Interpret { content: content.clone() })
            }
            ManagerAction::Plan { .. } | ManagerAction::Finish { .. } => {
                return ("Plan and Finish are not delegated.".into(), Json::Null, false);
            }
        };
        let Some(config) = self.engine.system.agents.get(&role) else {
            return (format!("There is no {role} on the team."), Json::Null, false);
        };
        let path = format!("{parent}.{place}/{role}");
        let mut view = self.view(role, path, attempt, assignment, config.max_turns);
        // Nothing of the encyclopedia crosses assignments.
        context.library = Default::default();
        if let ManagerAction::Interpret { content } = action {
            context.text = untrusted::clip(content, limits::MESSAGE);
        }
        while view.remaining > 0 {
            view.sets = set_views(&self.engine.knowledge, context);
            view.dialogue = context.dialogue.clone();
            let decision = match self.decide(&view).await {
                Ok(decision) => decision,
                // What does not pass (a spent budget, a deadline) the Manager meets at its own next decision.
                Err(halt) => {
                    self.tally.worker_halts += 1;
                    return (format!("The {role} stopped: {}.", halt.name()), results(view), false);
                }
            };
            view.remaining -= 1;
            let action = match &decision.action {
                Ok(action) => action.clone(),
                Err(error) => {
                    let text = refusal(error);
                    self.tally.refused += 1;
                    self.observe(&mut view, decision, text, Json::Null, false);
                    continue;
                }
            };
            if let Some(report) = action.finishing_text() {
                let report = untrusted::clip(&report, limits::OBSERVATION);
                return (report, results(view), true);
            }
            let (text, value, ok) = self.call_tool(&view, &action, context).await;
            self.observe(&mut view, decision, text, value, ok);
        }
        (format!("The {role} found no result in its turns."), results(view), false)
    }

    async fn call_tool(
        &mut self,
        view: &AgentView,
        action: &Action,
        context: &mut ToolContext<'_>,
    ) -> (String, Json, bool) {
        let id = format!("{}#{}", view.path, view.steps.len() + 1);
        let Some(call) = action.tool_call(id) else { return ("Nothing to do.".into(), Json::Null, false) };
        let Some(tool) = Tool::named(&call.name).filter(|tool| tool.roles.contains(&view.role)) else {
            return (format!("The {} has no tool {}.", view.role, call.name), Json::Null, false);
        };
        self.tally.tool_calls += 1;
        let told = CallPayload { name: &call.name, arguments: &call.arguments };
        self.recorder.record(&view.path, EventKind::ToolCall, &told);
        #[cfg(feature = "wiki")]
        if let Some(encyclopedia) = &self.engine.knowledge.encyclopedia {
            encyclopedia.prepare(tool.name, &call.arguments, &mut context.library).await;
        }
        let (text, value, ok) = match tool.call(context, &call.arguments) {
            Ok(output) => (output.text, output.value, true),
            Err(error) => {
                self.tally.tool_errors += 1;
                (error.to_string(), Json::Null, false)
            }
        };
        let told = ResultPayload { ok, text: &text, value: &value };
        self.recorder.record(&view.path, EventKind::ToolResult, &told);
        (text, value, ok)
    }
}

/// What a worker's tools found, by tool; of a tool that was called several times the last, at the last place.
fn results(view: AgentView) -> Json {
    let mut found: Vec<(&str, Json)> = Vec::new();
    for step in view.steps.into_iter().filter(|step| step.observation.ok) {
        if let Some(tool) = step.action.as_ref().and_then(|action| action.spec().tool) {
            found.retain(|(known, _)| *known != tool);
            found.push((tool, step.observation.value));
        }
    }
    if found.is_empty() { Json::Null } else { found.into_iter().collect() }
}
