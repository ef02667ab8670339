//! The loop: states, halting causes, workers, reflection. It knows typed decisions and nothing of models or prompts.
//!
//! ```text
//! Interpret -> Decide -> Execute -> Decide -> … -> Answered | Halted -> Reflect -> accepted | next attempt
//! ```
//!
//! Every way out has an answer: an attempt that halts falls back to the task's own (the user's mean, the order of popularity,
//! a sentence), marked as not valid.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rec_core::{ItemId, Json};
use serde::{Deserialize, Serialize};

use crate::action::{Action, AgentRole, ManagerAction, ReflectorAction};
use crate::decider::{DecideError, Decider, Decision, Usage};
use crate::dialogue::DialogueState;
use crate::error::{Error, Result};
use crate::index::CutOff;
use crate::knowledge::Knowledge;
use crate::parser::Rung;
use crate::system::{Mode, Strategy, SystemConfig};
use crate::task::{Answer, TaskInput, TaskKind};
use crate::tool::{Tool, ToolContext};
use crate::trace::{Event, EventKind, Listener, Recorder};
use crate::view::{AgentView, Assignment, Claim, Observation, SetView, Step, refusal};
use crate::{limits, untrusted};

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

/// Who decides for whom, by the name that a system's agents give.
pub type Deciders = BTreeMap<String, Arc<dyn Decider>>;

/// A system ready to run.
#[derive(Clone)]
pub struct Engine {
    /// What the tools know.
    pub knowledge: Arc<Knowledge>,
    system: Arc<SystemConfig>,
    deciders: Deciders,
    /// Whether events carry times.
    pub timed: bool,
}

/// One question, and what goes with it.
#[derive(Clone)]
pub struct Job {
    /// The task as it is shown.
    pub task: TaskInput,
    /// The moment of the question.
    pub cut_off: CutOff,
    /// The dialogue before its last message.
    pub dialogue: DialogueState,
    /// Set to stop the run.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Hears events.
    pub listener: Option<Listener>,
}

impl Job {
    /// A job without dialogue, cancellation and listener.
    pub fn new(task: TaskInput, cut_off: CutOff) -> Self {
        Self { task, cut_off, dialogue: DialogueState::default(), cancel: None, listener: None }
    }
}

/// What a job came to, with the events that led there.
#[derive(Clone, Debug)]
pub struct Done {
    /// The result.
    pub outcome: Outcome,
    /// How.
    pub events: Vec<Event>,
    /// The dialogue after the answer.
    pub dialogue: DialogueState,
}

impl Engine {
    /// An engine of `system`; agents whose model has no decider of its own get `default`'s.
    ///
    /// # Errors
    /// [`Error::Config`] for a system that does not hold together or an agent without a decider.
    pub fn new(knowledge: Arc<Knowledge>, system: SystemConfig, deciders: Deciders) -> Result<Self> {
        system.validate()?;
        if !deciders.contains_key("default") {
            return Err(Error::config("model", "no decider is called `default`"));
        }
        Ok(Self { knowledge, system: Arc::new(system), deciders, timed: false })
    }

    /// An engine whose agents all use one decider.
    ///
    /// # Errors
    /// [`Error::Config`] for a system that does not hold together.
    pub fn with(knowledge: Arc<Knowledge>, system: SystemConfig, decider: Arc<dyn Decider>) -> Result<Self> {
        Self::new(knowledge, system, Deciders::from([("default".to_owned(), decider)]))
    }

    /// The system.
    pub fn system(&self) -> &SystemConfig {
        &self.system
    }

    fn decider(&self, role: AgentRole) -> &Arc<dyn Decider> {
        let name = self.system.agents.get(&role).map_or("default", |agent| agent.model.as_str());
        self.deciders.get(name).unwrap_or_else(|| &self.deciders["default"])
    }

    /// Runs a job to its end.
    pub async fn run(&self, job: Job) -> Done {
        let mut run = Run {
            engine: self,
            started: Instant::now(),
            job: &job,
            recorder: Recorder::new(job.task.sample.clone(), self.timed, job.listener.clone()),
            tally: Tally::default(),
        };
        run.recorder.record("task", EventKind::Task, &job.task);
        let (attempts, last, dialogue) = run.attempts().await;
        let tally = run.tally;
        let valid = last.answer.is_some();
        let outcome = Outcome {
            sample: job.task.sample.clone(),
            answer: last.answer.unwrap_or_else(|| self.fallback(&job)),
            valid,
            halt: last.halt,
            attempts,
            reflections: last.reflections,
            decisions: tally.decisions,
            refused: tally.refused,
            tool_calls: tally.tool_calls,
            tool_errors: tally.tool_errors,
            worker_halts: tally.worker_halts,
            rungs: tally.rungs,
            usage: tally.usage,
            supported: last.claims.iter().filter(|claim| claim.is_supported(&job.task, &last.steps)).count()
                as u32,
            claims: last.claims,
            items: last.items,
        };
        Done { outcome, events: run.recorder.into_events(), dialogue }
    }

    /// The answer of no agent: the shown mean, the order of popularity, a sentence.
    fn fallback(&self, job: &Job) -> Answer {
        let task = &job.task;
        match task.kind {
            TaskKind::Rating => {
                let n = task.history.len() as f32;
                let sum: f32 = task.history.iter().map(|line| line.rating).sum();
                let mean = if n > 0.0 { sum / n } else { f32::midpoint(task.scale.0, task.scale.1) };
                Answer::Rating(mean.clamp(task.scale.0, task.scale.1))
            }
            TaskKind::Ranking => {
                let count = |id: &String| {
                    self.knowledge.item(id).map_or(0, |item| self.knowledge.count(item, job.cut_off))
                };
                let mut ids: Vec<String> = task.candidates.iter().map(|card| card.id.clone()).collect();
                ids.sort_by_key(|id| std::cmp::Reverse(count(id)));
                Answer::Ranking(ids)
            }
            TaskKind::Explanation => Answer::Text("No explanation was found.".into()),
            TaskKind::Conversation => Answer::Text(
                "I could not work that out. Name a film you like, or a genre, and I will try again.".into(),
            ),
        }
    }
}

/// What a sample has used up so far.
#[derive(Default)]
struct Tally {
    decisions: u32,
    refused: u32,
    tool_calls: u32,
    tool_errors: u32,
    worker_halts: u32,
    rungs: BTreeMap<Rung, u32>,
    usage: Usage,
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
struct Ending {
    answer: Option<Answer>,
    halt: Option<Halt>,
    claims: Vec<Claim>,
    items: Vec<String>,
    steps: Vec<Step>,
    reflections: Vec<(bool, String)>,
}

struct Run<'a> {
    engine: &'a Engine,
    job: &'a Job,
    started: Instant,
    recorder: Recorder,
    tally: Tally,
}

/// Where an attempt is.
enum State {
    Interpret,
    Decide,
    Execute(Box<Decision>),
    Answered(Answer, Vec<Claim>, Vec<String>),
    Halted(Halt),
}

impl<'a> Run<'a> {
    fn branch(&self) -> Self {
        Self { recorder: self.recorder.branch(), tally: Tally::default(), ..*self }
    }

    fn join(&mut self, branch: Self) {
        self.recorder.join(branch.recorder);
        self.tally.add(branch.tally);
    }

    async fn attempts(&mut self) -> (Vec<Option<Answer>>, Ending, DialogueState) {
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
            last_trial = ending.steps.clone();
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

    fn view(
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
        if usage.requests >= system.max_requests {
            return Some(Halt::Budget(format!("{} requests", usage.requests)));
        }
        let tokens = usage.input_tokens + usage.output_tokens;
        (tokens >= system.max_tokens).then(|| Halt::Budget(format!("{tokens} tokens")))
    }

    /// Asks the decider of the view's role, and takes down what it says.
    async fn decide(&mut self, view: &AgentView) -> Result<Decision, Halt> {
        if let Some(halt) = self.stopped() {
            return Err(halt);
        }
        match self.engine.decider(view.role).decide(view).await {
            Ok(mut decision) => {
                decision.thought = untrusted::clip(&decision.thought, limits::OBSERVATION);
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
                Err(match error {
                    DecideError::Context(what) => Halt::Context(what),
                    DecideError::Budget(what) => Halt::Budget(what),
                    DecideError::Model(what) => Halt::ModelError(what),
                })
            }
        }
    }

    /// Adds a step and its observation to a view.
    fn observe(&mut self, view: &mut AgentView, decision: Decision, text: String, value: Json, ok: bool) {
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

    /// Takes the steps of a plan: in order, each seeing the sets of those before, or all at once.
    async fn carry_out(
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
            let work = (1..).zip(&steps).map(|(place, step)| {
                let (mut branch, mut own) = (self.branch(), context.clone());
                let (path, attempt) = (view.path.clone(), view.attempt);
                async move {
                    let result = branch.delegate(&path, attempt, place, step, &mut own).await;
                    (branch, own, result)
                }
            });
            for (branch, own, result) in join_all(work.collect::<Vec<_>>()).await {
                self.join(branch);
                context.merge(own);
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
    async fn delegate(
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
        if let ManagerAction::Interpret { content } = action {
            context.text = untrusted::clip(content, limits::MESSAGE);
        }
        let mut results: Vec<(String, Json)> = Vec::new();
        while view.remaining > 0 {
            view.sets = set_views(&self.engine.knowledge, context);
            view.dialogue = context.dialogue.clone();
            let decision = match self.decide(&view).await {
                Ok(decision) => decision,
                // What does not pass (a spent budget, a deadline) the Manager meets at its own next decision.
                Err(halt) => {
                    self.tally.worker_halts += 1;
                    return (format!("The {role} stopped: {}.", halt.name()), values(results), false);
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
                return (report, values(results), true);
            }
            let (text, value, ok) = self.call_tool(&view, &action, context);
            if ok && let Some(tool) = action.spec().tool {
                results.retain(|(known, _)| known != tool);
                results.push((tool.to_owned(), value.clone()));
            }
            self.observe(&mut view, decision, text, value, ok);
        }
        (format!("The {role} found no result in its turns."), values(results), false)
    }

    fn call_tool(
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
        let told: Json = [("name", Json::from(call.name.as_str())), ("arguments", call.arguments.clone())]
            .into_iter()
            .collect();
        self.recorder.record(&view.path, EventKind::ToolCall, &told);
        let (text, value, ok) = match tool.call(context, &call.arguments) {
            Ok(output) => (output.text, output.value, true),
            Err(error) => {
                self.tally.tool_errors += 1;
                (error.to_string(), Json::Null, false)
            }
        };
        let told: Json = [("ok", Json::from(ok)), ("text", text.as_str().into()), ("value", value.clone())]
            .into_iter()
            .collect();
        self.recorder.record(&view.path, EventKind::ToolResult, &told);
        (text, value, ok)
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

fn values(results: Vec<(String, Json)>) -> Json {
    if results.is_empty() { Json::Null } else { results.into_iter().collect() }
}

fn set_views(knowledge: &Knowledge, context: &ToolContext<'_>) -> Vec<SetView> {
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
