//! The loop: states, halting causes, workers, reflection. It knows typed decisions and nothing of models or prompts.
//!
//! ```text
//! Interpret -> Decide -> Execute -> Decide -> … -> Answered | Halted -> Reflect -> accepted | next attempt
//! ```
//!
//! Every way out has an answer: an attempt that halts falls back to the task's own (the user's mean, the order of popularity,
//! a sentence), marked as not valid.

mod attempt;
mod delegation;
mod outcome;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::action::AgentRole;
use crate::decider::Decider;
use crate::dialogue::DialogueState;
use crate::error::{Error, Result};
use crate::index::CutOff;
use crate::knowledge::Knowledge;
use crate::system::SystemConfig;
use crate::task::{Answer, TaskInput, TaskKind};
use crate::trace::{Event, EventKind, Listener, Recorder};

pub use outcome::{Halt, Outcome};

use attempt::{Budget, Run, Tally};

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

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("system", &self.system)
            .field("deciders", &self.deciders.keys())
            .field("timed", &self.timed)
            .finish_non_exhaustive()
    }
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
            budget: Budget { requests: self.system.max_requests, tokens: self.system.max_tokens },
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
