//! A back office: a generated world with twenty tools, decoys among them, and tasks of two to eight needed calls.
//!
//! Everything follows from seeds: [`TaskConfig::seed`] and a number give a task with a world of its own, and the seed of
//! [`ToolEnvironment::reset`] settles which calls find a tool busy. A task is passed if the value is right (or, where there is
//! none, if it was given up) *and* the office is as it should be: stock, orders and refunds like after the needed calls, and
//! nothing else.
//!
//! ```
//! use tool_rl::ToolEnvironment;
//! use tool_rl::backoffice::{Backoffice, Expert, ExpertConfig, TaskConfig};
//! let office = Backoffice::new(0.12)?;
//! let task = office.task(&TaskConfig::default(), 7)?;
//! let mut env = office.clone();
//! env.reset(&task, 1);
//! let mut expert = Expert::new(&task, &ExpertConfig::careful(), 1);
//! while !env.is_over() {
//!     let call = expert.act();
//!     expert.observe(&env.step(&call).reply);
//! }
//! assert!(env.outcome().passed);
//! # Ok::<(), tool_rl::Error>(())
//! ```

mod expert;
mod task;
mod tools;
mod vocabulary;
mod world;

pub use expert::{Expert, ExpertConfig, random_call};
pub use task::{Family, Task, TaskConfig, Tier};
pub use vocabulary::BackofficeCodec;
pub use world::{CITIES, CURRENCIES, LABELS, NAMES, NUMBERS, SCOPES, World};

use std::collections::BTreeSet;
use std::sync::Arc;

use rec_core::{Json, ToolCall, ToolSpec};

use crate::Result;
use crate::env::failure::FailureConfig;
use crate::env::schema::Schema;
use crate::env::server::{Calls, ToolServer};
use crate::env::{End, FINISH, Facts, Outcome, Reply, Status, ToolEnvironment, Transition, hash};
use tools::DECOYS;

/// The environment.
#[derive(Clone, Debug)]
pub struct Backoffice {
    server: Arc<ToolServer<World>>,
    finish: Arc<Schema>,
    task: Option<Arc<Task>>,
    seed: u64,
    state: Option<State>,
}

/// What changes in an episode.
#[derive(Clone, Debug)]
pub struct State {
    world: World,
    calls: Calls,
    /// Which calls of the plan have been answered as they should.
    known: Vec<bool>,
    /// The calls that were answered with a result.
    learnt: BTreeSet<String>,
    /// Whether a needed call turned out not to work at all.
    hopeless: bool,
    end: Option<End>,
    answer: Option<Json>,
}

impl Backoffice {
    /// An office whose tools are busy with probability `busy` a call.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if `busy` is no probability.
    pub fn new(busy: f64) -> Result<Self> {
        Self::with_failures(FailureConfig { transient: busy, ..FailureConfig::default() })
    }

    /// An office with failures of any kind.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if they are out of range.
    pub fn with_failures(failures: FailureConfig) -> Result<Self> {
        let finish = Arc::new(Schema::of(&tools::finish())?);
        Ok(Self { server: tools::server(failures)?, finish, task: None, seed: 0, state: None })
    }

    /// The task number `index` of a set.
    ///
    /// # Errors
    /// As [`TaskConfig::validate`].
    pub fn task(&self, config: &TaskConfig, index: u64) -> Result<Arc<Task>> {
        config.validate()?;
        Ok(Arc::new(config.draw(&self.server, index)))
    }

    /// The task number `index` of a tier.
    ///
    /// # Errors
    /// As [`TaskConfig::validate`].
    pub fn task_of(&self, config: &TaskConfig, tier: Tier, index: u64) -> Result<Arc<Task>> {
        let mut tiers = [0.0; 4];
        tiers[tier as usize] = 1.0;
        let config = TaskConfig { tiers, ..config.clone() };
        config.validate()?;
        Ok(Arc::new(config.draw_from(&self.server, tier, index)))
    }

    /// Whether the episode has ended, or none has begun.
    pub fn is_over(&self) -> bool {
        self.state.as_ref().is_none_or(|state| state.end.is_some())
    }

    /// Whether the value given is the right one.
    fn value_is_right(task: &Task, state: &State) -> bool {
        match state.end {
            Some(End::Finished) => task.answer.is_some() && state.answer == task.answer,
            Some(End::GaveUp) => task.answer.is_none(),
            _ => false,
        }
    }
}

/// Whether a tool reads old tables. Its failures are no excuse for giving up.
fn is_decoy(name: &str) -> bool {
    DECOYS.iter().any(|(decoy, unseen, _)| *decoy == name || *unseen == name)
}

/// A call as the plan has it: decoys count as what they resemble if their reply is right, sums in either order.
fn as_planned(call: &ToolCall) -> String {
    let resembled = DECOYS.iter().find(|(name, unseen, _)| *name == call.name || *unseen == call.name);
    let name = resembled.map_or(call.name.as_str(), |(_, _, real)| real);
    let mut call = ToolCall::new("", name, call.arguments.clone());
    if name == "add"
        && let Json::Object(members) = &mut call.arguments
        && members.get("a").and_then(Json::as_i64) > members.get("b").and_then(Json::as_i64)
        && let (Some(a), Some(b)) = (members.get_index_of("a"), members.get_index_of("b"))
    {
        let larger = members[a].clone();
        members[a] = std::mem::replace(&mut members[b], larger);
    }
    call.canonical()
}

impl ToolEnvironment for Backoffice {
    type Task = Arc<Task>;
    type Snapshot = State;

    fn reset(&mut self, task: &Arc<Task>, seed: u64) {
        self.task = Some(Arc::clone(task));
        self.seed = hash(seed, "backoffice failures");
        self.state = Some(State {
            world: task.world.clone(),
            calls: Calls::default(),
            known: vec![false; task.plan.len()],
            learnt: BTreeSet::new(),
            hopeless: false,
            end: None,
            answer: None,
        });
    }

    fn tools(&self) -> &[ToolSpec] {
        self.task.as_ref().map_or(&[], |task| &task.tools)
    }

    fn query(&self) -> &str {
        self.task.as_ref().map_or("", |task| &task.query)
    }

    fn step(&mut self, call: &ToolCall) -> Transition {
        let (Some(task), Some(state)) = (&self.task, &mut self.state) else {
            let reply = Reply::failed(Status::RequestError, "no task was given");
            return Transition { reply, end: Some(End::EnvironmentError) };
        };
        if state.end.is_some() {
            let reply = Reply::failed(Status::RequestError, "the episode is over");
            return Transition { reply, end: state.end };
        }
        let failed = |status, what: String| Transition { reply: Reply::failed(status, what), end: None };
        if !matches!(call.arguments, Json::Object(_)) {
            return failed(Status::MessageError, "the arguments are no object".to_owned());
        }
        if task.tools.iter().all(|tool| tool.name != call.name) {
            return failed(Status::NoSuchTool, format!("no tool {}", call.name));
        }
        if call.name == FINISH {
            if let Err(what) = self.finish.check(&call.arguments) {
                return failed(Status::BadInput, what);
            }
            let gave_up = call.arguments.get("kind").and_then(Json::as_str) == Some("give_up");
            state.answer = call.arguments.get("value").cloned();
            if !gave_up && state.answer.is_none() {
                return failed(Status::BadInput, "the arguments lacks value".to_owned());
            }
            let (status, end) =
                if gave_up { (Status::GiveUp, End::GaveUp) } else { (Status::FinalAnswer, End::Finished) };
            state.end = Some(end);
            return Transition { reply: Reply { status, ..Reply::ok(Json::Null) }, end: state.end };
        }
        let reply = self.server.call(&mut state.world, &task.world, self.seed, &mut state.calls, call);
        let text = as_planned(call);
        let planned = task.plan.iter().position(|(planned, _)| as_planned(planned) == text);
        match reply.status {
            Status::Ok => {
                state.learnt.insert(call.canonical());
                if let Some(at) = planned {
                    state.known[at] |= task.plan[at].1.response == reply.response;
                }
            }
            Status::NotWorking => state.hopeless |= planned.is_some() && !is_decoy(&call.name),
            _ => {}
        }
        Transition { reply, end: None }
    }

    fn snapshot(&self) -> State {
        self.state.clone().unwrap_or_else(|| State {
            world: World::generate(0),
            calls: Calls::default(),
            known: Vec::new(),
            learnt: BTreeSet::new(),
            hopeless: false,
            end: Some(End::EnvironmentError),
            answer: None,
        })
    }

    fn restore(&mut self, snapshot: &State) {
        self.state = Some(snapshot.clone());
    }

    /// 1 for a pass; 0.5 for the right value in an office that is not as it should be, and for giving up a solvable task
    /// after a needed tool turned out not to work.
    fn outcome(&self) -> Outcome {
        let (Some(task), Some(state)) = (&self.task, &self.state) else { return Outcome::default() };
        let value = Self::value_is_right(task, state);
        if value && state.world.digest() == task.goal {
            return Outcome { score: 1.0, passed: true };
        }
        let honest = state.end == Some(End::GaveUp) && state.hopeless;
        Outcome { score: if value || honest { 0.5 } else { 0.0 }, passed: false }
    }

    /// Of the office, the tokens granted, and the calls that were answered with a result, in whatever order.
    fn digest(&self) -> u64 {
        let Some(state) = &self.state else { return 0 };
        let world = state.world.digest() ^ hash(1, &format!("{:?} {:?}", state.world.granted, state.end));
        state.learnt.iter().fold(world, |sum, call| hash(sum, call))
    }

    fn facts(&self) -> Option<Facts> {
        let state = self.state.as_ref()?;
        let known = state.known.iter().filter(|known| **known).count();
        Some(Facts { needed: state.known.len() as u32, known: known as u32 })
    }
}
