//! One sample from its first decision to its last attempt: states, limits, reflection.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rec_core::{ItemId, Json};

use super::outcome::Halt;
use super::{Engine, Job};
use crate::action::{Action, AgentRole, ManagerAction, ReflectorAction};
use crate::decider::{Decision, Usage};
use crate::dialogue::DialogueState;
use crate::knowledge::Knowledge;
use crate::parser::Rung;
use crate::system::{Mode, Strategy};
use crate::task::{Answer, TaskKind};
use crate::tool::ToolContext;
use crate::trace::{EventKind, Recorder};
use crate::view::{AgentView, Assignment, Claim, Observation, SetView, Step, refusal};
use crate::{limits, untrusted};

/// What a sample has used up so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) decisions: u32,
    pub(super) refused: u32,
    pub(super) tool_calls: u32,
    pub(super) tool_errors: u32,
    pub(super) worker_halts: u32,
    pub(super) rungs: BTreeMap<Rung, u32>,
    pub(super) usage: Usage,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.refused += other.refused;
        self.tool_calls += other.tool_calls;
        self.tool_errors += other.tool_errors;
        self.worker_halts += other.worker_halts;
        self.usage.add(&other.usage);
        for (rung, count) in other.rungs {
            *self.rungs.entry(rung).or_default() += count;
        }
    }
}

/// How the last attempt ended.
#[derive(Default)]
pub(super) struct Ending {
    pub(super) answer: Option<Answer>,
    pub(super) halt: Option<Halt>,
    pub(super) claims: Vec<Claim>,
    pub(super) items: Vec<String>,
    pub(super) steps: Vec<Step>,
    pub(super) reflections: Vec<(bool, String)>,
}

/// One job on its way.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) job: &'a Job,
    pub(super) started: Instant,
    pub(super) recorder: Recorder,
    pub(super) tally: Tally,
    pub(super) budget: Budget,
}

/// What a run, or one branch of it, may use up.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) requests: u32,
    pub(super) tokens: u64,
}

impl Budget {
    /// What is left after `usage`, in `shares` that differ by one at most, the larger ones first: share number `at`.
    fn share(self, usage: &Usage, at: usize, shares: usize) -> Self {
        let of = |left: u64| left / shares as u64 + u64::from((at as u64) < left % shares as u64);
        let tokens = usage.input_tokens + usage.output_tokens;
        Self {
            requests: of(self.requests.saturating_sub(usage.requests).into()) as u32,
            tokens: of(self.tokens.saturating_sub(tokens)),
        }
    }
}

/// Where an attempt is.
pub(super) enum State {
    Interpret,
    Decide,
    Execute(Box<Decision>),
    Answered(Answer, Vec<Claim>, Vec<String>),
    Halted(Halt),
}

impl<'a> Run<'a> {
    /// Branch number `at` of `branches` that go on at once. Each gets a share of what is left of the budget, so that together they
    /// hold it, and what one of them comes to does not depend on how fast the others are.
    pub(super) fn branch(&self, at: usize, branches: usize) -> Self {
        Self {
            recorder: self.recorder.branch(),
            tally: Tally::default(),
            budget: self.budget.share(&self.tally.usage, at, branches),
            ..*self
        }
    }

    pub(super) fn join(&mut self, branch: Self) {
        self.recorder.join(branch.recorder);
        self.tally.add(branch.tally);
    }

    pub(super) async fn attempts(&mut self) -> (Vec<Option<Answer>>, Ending, DialogueState) {
        let system = &self.engine.system;
        let mut answers = Vec::new();
        let mut best: Option<(Ending, DialogueState)> = None;
        let mut reflections: Vec<(bool, String)> = Vec::new();
        let mut last_trial: Vec<Step> = Vec::new();
        for attempt in 1..=system.attempts {
            let shown = |wanted: &[Strategy]| wanted.contains(&system.strategy);
            let advice = if shown(&[Strategy::Reflection, Strategy::LastTrialAndReflection]) {
                reflections.iter().map(|(_, reason)| reason.clone()).collect()
            } else {
                Vec::new()
            };
            let trial = if shown(&[Strategy::LastTrial, Strategy::LastTrialAndReflection]) {
                std::mem::take(&mut last_trial)
            } else {
                Vec::new()
            };
            let (ending, context) = self.attempt(attempt, advice, trial).await;
            answers.push(ending.answer.clone());
            let stopped = matches!(ending.halt, Some(Halt::Cancelled | Halt::Deadline | Halt::Budget(_)));
            let more = attempt < system.attempts && !stopped;
            let verdict = if more { self.reflect(attempt, &ending).await } else { None };
            if more && shown(&[Strategy::LastTrial, Strategy::LastTrialAndReflection]) {
                last_trial.clone_from(&ending.steps);
            }
            // A valid answer is not given up for none.
            if best.is_none() || ending.answer.is_some() {
                best = Some((ending, context.dialogue));
            } else if let Some((known, _)) = &mut best {
                known.halt = known.answer.is_none().then_some(ending.halt).flatten();
            }
            match verdict {
                Some((keep, reason)) => {
                    reflections.push((keep, reason));
                    if keep {
                        break;
                    }
                    let surplus = reflections.len().saturating_sub(limits::REFLECTIONS);
                    reflections.drain(..surplus);
                }
                // Without a verdict there is nothing to go by; only a halted attempt is tried again.
                None if answers.last().is_some_and(Option::is_some) || stopped => break,
                None => {}
            }
        }
        let (mut ending, mut dialogue) = best.unwrap_or_default();
        dialogue.show_if_any(&ending.items);
        ending.reflections = reflections;
        (answers, ending, dialogue)
    }

    pub(super) fn view(
        &self,
        role: AgentRole,
        path: String,
        attempt: usize,
        assignment: Assignment,
        turns: usize,
    ) -> AgentView {
        AgentView {
            role,
            path,
            task: self.job.task.clone(),
            mode: self.engine.system.mode,
            team: self.engine.system.agents.keys().copied().collect(),
            assignment,
            steps: Vec::new(),
            remaining: turns,
            attempt,
            reflections: Vec::new(),
            last_trial: Vec::new(),
            sets: Vec::new(),
            dialogue: self.job.dialogue.clone(),
            encyclopedia: self.engine.knowledge.has_encyclopedia(),
        }
    }

    fn stopped(&self) -> Option<Halt> {
        let system = &self.engine.system;
        if self.job.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Some(Halt::Cancelled);
        }
        if system.deadline_ms.is_some_and(|limit| self.started.elapsed() >= Duration::from_millis(limit)) {
            return Some(Halt::Deadline);
        }
        let usage = &self.tally.usage;
        if usage.requests >= self.budget.requests {
            return Some(Halt::Budget(format!("{} requests", usage.requests)));
        }
        let tokens = usage.input_tokens + usage.output_tokens;
        (tokens >= self.budget.tokens).then(|| Halt::Budget(format!("{tokens} tokens")))
    }

    /// Asks the decider of the view's role, and takes down what it says.
    pub(super) async fn decide(&mut self, view: &AgentView) -> Result<Decision, Halt> {
        if let Some(halt) = self.stopped() {
            return Err(halt);
        }
        match self.engine.decider(view.role).decide(view).await {
            Ok(mut decision) => {
                decision.thought = untrusted::clip(&decision.thought, limits::OBSERVATION);
                if let Ok(action) = &mut decision.action {
                    action.settle_ids(&|id| self.engine.knowledge.has_id(id));
                }
                // A decider that answers for another role is wrong, whatever it says.
                if let Ok(action) = &decision.action
                    && action.role() != view.role
                {
                    let what = format!("an action of the {}", action.role());
                    decision.action = Err(crate::parser::ParseError::new(view.role, what));
                }
                self.tally.decisions += 1;
                self.tally.usage.add(&decision.usage);
                *self.tally.rungs.entry(decision.rung).or_default() += 1;
                self.recorder.record(&view.path, EventKind::Decision, &decision);
                Ok(decision)
            }
            Err(error) => {
                self.recorder.record(&view.path, EventKind::Error, &error);
                self.tally.usage.add(&error.usage());
                Err(error.into())
            }
        }
    }

    /// Adds a step and its observation to a view.
    pub(super) fn observe(
        &mut self,
        view: &mut AgentView,
        decision: Decision,
        text: String,
        value: Json,
        ok: bool,
    ) {
        let id = format!("o{}", view.steps.len() + 1);
        let observation = Observation { id, text, value, ok };
        self.recorder.record(&view.path, EventKind::Observation, &observation);
        view.steps.push(Step { thought: decision.thought, action: decision.action.ok(), observation });
    }

    async fn attempt(
        &mut self,
        attempt: usize,
        advice: Vec<String>,
        trial: Vec<Step>,
    ) -> (Ending, ToolContext<'a>) {
        let engine: &'a Engine = self.engine;
        let system = &engine.system;
        let task = &self.job.task;
        let mut context = ToolContext::new(&engine.knowledge, self.job.cut_off);
        context.dialogue = self.job.dialogue.clone();
        context.text = task.dialogue.last().map(|turn| turn.text.clone()).unwrap_or_default();
        let candidates: Vec<ItemId> =
            task.candidates.iter().filter_map(|card| engine.knowledge.item(&card.id)).collect();
        if !candidates.is_empty() {
            context.bus.insert("candidates".into(), candidates);
        }
        let path = format!("{attempt}/manager");
        let mut view = self.view(AgentRole::Manager, path, attempt, Assignment::Task, system.max_steps);
        (view.reflections, view.last_trial) = (advice, trial);
        let interprets =
            task.kind == TaskKind::Conversation && system.agents.contains_key(&AgentRole::Interpreter);
        let mut state = if interprets { State::Interpret } else { State::Decide };
        loop {
            state = match state {
                State::Interpret => {
                    let content = task.dialogue.last().map(|turn| turn.text.clone()).unwrap_or_default();
                    let action = Action::Manager(ManagerAction::Interpret { content });
                    let decision = Decision::typed("First: what is asked for?", action);
                    self.execute(&mut view, &mut context, decision).await
                }
                State::Decide => {
                    view.sets = set_views(&engine.knowledge, &context);
                    view.dialogue = context.dialogue.clone();
                    if view.remaining == 0 {
                        State::Halted(Halt::Steps)
                    } else {
                        match self.decide(&view).await {
                            Ok(decision) => {
                                view.remaining -= 1;
                                State::Execute(Box::new(decision))
                            }
                            Err(halt) => State::Halted(halt),
                        }
                    }
                }
                State::Execute(decision) => self.execute(&mut view, &mut context, *decision).await,
                State::Answered(answer, claims, items) => {
                    self.recorder.record(&view.path, EventKind::Answer, &answer);
                    let ending = Ending {
                        answer: Some(answer),
                        claims,
                        items,
                        steps: view.steps,
                        ..Ending::default()
                    };
                    return (ending, context);
                }
                State::Halted(halt) => {
                    self.recorder.record(&view.path, EventKind::Halt, &halt);
                    let ending = Ending { halt: Some(halt), steps: view.steps, ..Ending::default() };
                    return (ending, context);
                }
            };
        }
    }

    async fn execute(
        &mut self,
        view: &mut AgentView,
        context: &mut ToolContext<'a>,
        decision: Decision,
    ) -> State {
        let action = match &decision.action {
            Ok(Action::Manager(action)) => action.clone(),
            Ok(_) => unreachable!("decisions of other roles are refused"),
            Err(error) => {
                let text = refusal(error);
                self.tally.refused += 1;
                self.observe(view, decision, text, Json::Null, false);
                return State::Decide;
            }
        };
        let planning = self.engine.system.mode != Mode::React
            && view.steps.is_empty()
            && view.task.kind != TaskKind::Conversation;
        match action {
            ManagerAction::Finish { answer } => match view.task.check(&answer) {
                Ok(answer) => State::Answered(answer, decision.claims, decision.items),
                Err(what) => {
                    self.tally.refused += 1;
                    self.observe(view, decision, what, Json::Null, false);
                    State::Decide
                }
            },
            ManagerAction::Plan { steps } if planning => {
                self.carry_out(view, context, &decision.thought, steps).await
            }
            ManagerAction::Plan { .. } => {
                self.tally.refused += 1;
                let text = "A plan is not asked for here: take one step.".to_owned();
                self.observe(view, decision, text, Json::Null, false);
                State::Decide
            }
            _ if planning => {
                self.tally.refused += 1;
                self.observe(
                    view,
                    decision,
                    "Lay down all steps first, with Plan.".into(),
                    Json::Null,
                    false,
                );
                State::Decide
            }
            delegated => {
                let place = view.steps.len() + 1;
                let (text, value, ok) =
                    self.delegate(&view.path, view.attempt, place, &delegated, context).await;
                self.observe(view, decision, text, value, ok);
                State::Decide
            }
        }
    }

    /// What the Reflector says of an attempt; nothing without one, or if it fails or talks nonsense.
    async fn reflect(&mut self, attempt: usize, ending: &Ending) -> Option<(bool, String)> {
        if !self.engine.system.agents.contains_key(&AgentRole::Reflector) {
            return None;
        }
        let assignment = Assignment::Reflect { answer: ending.answer.clone(), claims: ending.claims.clone() };
        let mut view =
            self.view(AgentRole::Reflector, format!("{attempt}/reflector"), attempt, assignment, 1);
        view.steps = ending.steps.clone();
        let decision = self.decide(&view).await.ok()?;
        let Ok(Action::Reflector(ReflectorAction::Verdict { correctness, reason })) = decision.action else {
            self.tally.refused += 1;
            return None;
        };
        let verdict = (correctness, untrusted::clip(&reason, limits::OBSERVATION));
        self.recorder.record(&view.path, EventKind::Reflection, &verdict);
        Some(verdict)
    }
}

pub(super) fn set_views(knowledge: &Knowledge, context: &ToolContext<'_>) -> Vec<SetView> {
    let view = |(name, items): (&String, &Vec<ItemId>)| SetView {
        name: name.clone(),
        size: items.len(),
        first: items.iter().take(5).map(|item| knowledge.dataset.items.token(item.0).to_owned()).collect(),
    };
    context.bus.iter().map(view).collect()
}

impl DialogueState {
    fn show_if_any(&mut self, items: &[String]) {
        if !items.is_empty() {
            self.show(items);
        }
    }
}
