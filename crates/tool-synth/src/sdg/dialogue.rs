//! A dialogue, spoken: user, assistant in several votes, tool; checked against the plan as it goes.

use std::collections::BTreeMap;

use rec_core::json::Object;
use rec_core::{Json, Message, ToolCall, ToolSpec, Trajectory};
use serde::{Deserialize, Serialize};

use super::goal::{Pick, Plan, Turn, Wish};
use super::plan::wishes;
use super::surface::{Say, UserTask};
use crate::dlv::{self, Expert, Opinion};
use crate::engine::{Action, Decision, Engine, Request, Task};
use crate::error::{Error, Result};
use crate::tss::{Grammar, Pool, Said};

/// How replies are agreed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Voting {
    /// How many replies are asked for.
    pub votes: usize,
    /// Whether all must agree. Otherwise two thirds must, and the message of a divided vote is left out of the loss.
    pub unanimous: bool,
    /// The temperature of the votes after the first.
    pub temperature: f64,
}

impl Default for Voting {
    fn default() -> Self {
        Self { votes: 3, unanimous: false, temperature: 1.0 }
    }
}

/// Why an attempt was given up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Reject {
    /// The votes do not agree.
    Disagreement,
    /// A reply could not be read.
    Unreadable,
    /// The assistant did something else than the goal asks for.
    Goal(&'static str),
    /// A rule of the first layer.
    Rule(&'static str),
    /// An expert of the second layer.
    Expert(&'static str),
}

impl Reject {
    /// Its name in reports.
    pub fn name(&self) -> String {
        match self {
            Self::Disagreement => "votes disagree".to_owned(),
            Self::Unreadable => "unreadable reply".to_owned(),
            Self::Goal(what) => format!("goal: {what}"),
            Self::Rule(rule) => format!("rule {rule}"),
            Self::Expert(expert) => format!("expert: {expert}"),
        }
    }
}

/// A dialogue that was spoken to its end.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Tools and messages.
    pub trajectory: Trajectory,
    /// The decision before each of the assistant's messages, where it told one.
    pub decisions: BTreeMap<usize, Decision>,
    /// What the assistant's calls should be, turn by turn.
    pub expected: Vec<Vec<ToolCall>>,
    /// How many messages are left out of the loss.
    pub masked: usize,
    /// Whether the first votes did all that was wanted without a divided vote.
    pub solved: bool,
}

/// The instructions of every sample.
pub const SYSTEM: &str = "You are a helpful assistant with access to tools. Call tools if they serve the request and all \
                          required values are known; ask for what is missing; answer without tools if none fits. A reply is \
                          either calls or text, never both.";

/// The system message of a sample whose tools are `tools`.
pub fn system() -> Message {
    Message::system(SYSTEM)
}

/// Who takes part.
pub struct Stage<'a> {
    /// What plans are made of.
    pub grammar: &'a Grammar,
    /// The APIs.
    pub pool: &'a Pool,
    /// Who plays all agents.
    pub engine: &'a dyn Engine,
    /// How replies are agreed on.
    pub voting: &'a Voting,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("apis", &self.pool.apis.len())
            .field("engine", &self.engine.name())
            .field("voting", &self.voting)
            .finish_non_exhaustive()
    }
}

impl Stage<'_> {
    /// Speaks a plan. The inner error is why it was given up.
    ///
    /// # Errors
    /// What the engine fails with.
    pub fn speak(&self, plan: &Plan, seed: u64) -> Result<std::result::Result<Spoken, Reject>> {
        let tools: Vec<ToolSpec> =
            plan.candidates.iter().map(|id| self.pool.apis[*id].spec.clone()).collect();
        let mut scene = Scene {
            stage: self,
            plan,
            seed,
            drawn: 0,
            calls: 0,
            spoken: Spoken {
                trajectory: Trajectory { tools, messages: vec![system()], ..Trajectory::default() },
                decisions: BTreeMap::new(),
                expected: Vec::new(),
                masked: 0,
                solved: true,
            },
        };
        for turn in &plan.turns {
            if let Err(reject) = scene.turn(turn)? {
                return Ok(Err(reject));
            }
        }
        Ok(Ok(scene.spoken))
    }

    /// The opinions of the three experts on a sample, in order, up to the first that fails it.
    ///
    /// # Errors
    /// What the engine fails with, or an opinion that cannot be read.
    pub fn examine(&self, sample: &Trajectory, seed: u64) -> Result<Vec<(Expert, Opinion)>> {
        dlv::examine(self.engine, sample, seed)
    }
}

struct Scene<'a> {
    stage: &'a Stage<'a>,
    plan: &'a Plan,
    seed: u64,
    drawn: u64,
    calls: usize,
    spoken: Spoken,
}

/// The most steps of an assistant within a turn.
const MAX_STEPS: usize = 6;

type Outcome = Result<std::result::Result<(), Reject>>;

impl Scene<'_> {
    fn seed(&mut self) -> u64 {
        self.drawn += 1;
        self.seed ^ self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn say(&mut self, say: Say<'_>, turn: &Turn) -> Result<()> {
        let pool = self.stage.pool;
        let seed = self.seed();
        let expected = wishes(turn)
            .into_iter()
            .map(|wish| {
                let spec = &pool.apis[wish.api].spec;
                (spec.name.clone(), spec.description.clone(), wish.arguments.clone())
            })
            .collect();
        let task = UserTask {
            say,
            style: self.plan.style,
            wording: self.plan.wording,
            synonyms: self.plan.synonyms,
            expected,
            before: &self.spoken.trajectory.messages,
        };
        let request = Request { task: Task::User(&task), seed, temperature: 1.0 };
        let reply = self.stage.engine.complete(&request)?;
        self.spoken.trajectory.messages.push(Message::user(reply.text.trim()));
        Ok(())
    }

    /// Asks for votes and takes what most agree on. The inner error is why nothing could be taken.
    fn reply(&mut self) -> Result<std::result::Result<Action, Reject>> {
        let voting = self.stage.voting;
        let mut votes: Vec<(String, Action, Option<Decision>)> = Vec::new();
        for vote in 0..voting.votes.max(1) {
            let seed = self.seed();
            let messages = &self.spoken.trajectory.messages;
            let tools = &self.spoken.trajectory.tools;
            let temperature = if vote == 0 { 0.0 } else { voting.temperature };
            let request = Request { task: Task::Assistant { messages, tools }, seed, temperature };
            let reply = self.stage.engine.complete(&request)?;
            match Action::parse(&reply.text, tools) {
                Ok((action, decision)) => votes.push((action.key(), action, decision)),
                Err(Error::Reply { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let agreeing = |key: &str| votes.iter().filter(|(other, ..)| other == key).count();
        // The first of the largest party.
        let best = votes.iter().rev().max_by_key(|(key, ..)| agreeing(key)).map(|(key, ..)| key.clone());
        let Some(key) = best else { return Ok(Err(Reject::Unreadable)) };
        let (all, agree) = (voting.votes.max(1), agreeing(&key));
        let divided = agree < all;
        if divided && (voting.unanimous || agree * 3 < all * 2) {
            return Ok(Err(Reject::Disagreement));
        }
        let Some((_, action, decision)) = votes.into_iter().find(|(other, ..)| *other == key) else {
            return Ok(Err(Reject::Unreadable));
        };
        let at = self.spoken.trajectory.messages.len();
        let mut message = match &action {
            Action::Calls(calls) => {
                let numbered = calls.iter().map(|call| {
                    self.calls += 1;
                    ToolCall { id: format!("call_{}", self.calls), ..call.clone() }
                });
                Message::calls(numbered.collect())
            }
            Action::Ask(text) | Action::Answer(text) => Message::assistant(text.clone()),
        };
        if divided {
            message.weight = Some(0.0);
            self.spoken.masked += 1;
            self.spoken.solved = false;
        }
        self.spoken.trajectory.messages.push(message);
        if let Some(decision) = decision {
            self.spoken.decisions.insert(at, decision);
        }
        Ok(Ok(action))
    }

    fn execute(&mut self) -> Result<()> {
        let calls =
            self.spoken.trajectory.messages.last().map_or_else(Vec::new, |last| last.tool_calls.clone());
        for call in calls {
            let seed = self.seed();
            let content = match self.spoken.trajectory.tool(&call.name) {
                Some(tool) => {
                    let earlier = &self.spoken.trajectory.messages;
                    let task = Task::Tool { tool, call: &call, earlier };
                    let request = Request { task, seed, temperature: 0.0 };
                    self.stage.engine.complete(&request)?.text
                }
                None => r#"{"error":"there is no such tool"}"#.to_owned(),
            };
            let mut answer = Message::tool(call.id.as_str(), content.trim());
            answer.name = Some(call.name.clone());
            self.spoken.trajectory.messages.push(answer);
        }
        Ok(())
    }

    fn turn(&mut self, turn: &Turn) -> Outcome {
        self.say(Say::Turn(turn), turn)?;
        match turn {
            Turn::Chat(_) | Turn::Irrelevant(_) => {
                self.spoken.expected.push(Vec::new());
                match self.reply()? {
                    Ok(Action::Answer(_)) => Ok(Ok(())),
                    Ok(Action::Ask(_)) => Ok(Err(Reject::Goal("asked back without need"))),
                    Ok(Action::Calls(_)) => Ok(Err(Reject::Goal("called a tool without need"))),
                    Err(reject) => Ok(Err(reject)),
                }
            }
            Turn::Missing { .. } => {
                self.spoken.expected.push(Vec::new());
                match self.reply()? {
                    Ok(Action::Ask(_)) => Ok(Ok(())),
                    Ok(Action::Answer(_)) => Ok(Err(Reject::Goal("did not ask for what is missing"))),
                    Ok(Action::Calls(_)) => Ok(Err(Reject::Goal("called without a required value"))),
                    Err(reject) => Ok(Err(reject)),
                }
            }
            Turn::Calls { wishes, withheld } => self.calls_turn(wishes, withheld.as_ref(), turn),
        }
    }

    fn calls_turn(
        &mut self,
        wishes: &[Wish],
        withheld: Option<&(usize, Vec<String>)>,
        turn: &Turn,
    ) -> Outcome {
        let start = self.spoken.trajectory.messages.len();
        let mut told = withheld.is_none();
        for _ in 0..MAX_STEPS {
            match self.reply()? {
                Err(reject) => return Ok(Err(reject)),
                Ok(Action::Calls(_)) => self.execute()?,
                Ok(Action::Ask(_)) => {
                    let Some((at, path)) = withheld.filter(|_| !told) else {
                        return Ok(Err(Reject::Goal("asked for what was said")));
                    };
                    told = true;
                    self.say(Say::Supply(&wishes[*at], path), turn)?;
                }
                Ok(Action::Answer(_)) => {
                    if !told {
                        return Ok(Err(Reject::Goal("did not ask for what is missing")));
                    }
                    return Ok(self.judge(wishes, start));
                }
            }
        }
        Ok(Err(Reject::Goal("did not come to an end")))
    }

    /// Compares the turn's calls with the wishes.
    fn judge(&mut self, wishes: &[Wish], start: usize) -> std::result::Result<(), Reject> {
        let pool = self.stage.pool;
        let messages = &self.spoken.trajectory.messages[start..];
        let made: Vec<&ToolCall> = messages.iter().flat_map(|message| &message.tool_calls).collect();
        let mut expected: Vec<ToolCall> = Vec::new();
        for wish in wishes {
            let mut calls = wish.calls(pool);
            if let Some(pick) = wish.pick {
                let id = self.picked(wish, pick, start).ok_or(Reject::Goal("no result to refer to"))?;
                let name = pool.apis[wish.api].fields.iter().find(|field| field.said == Said::Id);
                for call in &mut calls {
                    if let (Some(members), Some(field)) = (call.arguments.as_object_mut(), name) {
                        members.insert(field.name.clone(), id.clone());
                    }
                }
            }
            expected.extend(calls);
        }
        let verdict = compare(&made, &expected);
        self.spoken.expected.push(expected);
        verdict
    }

    /// The identifier that the user means, out of the first result of the turn that is a list.
    fn picked(&self, wish: &Wish, pick: Pick, start: usize) -> Option<Json> {
        let pool = self.stage.pool;
        let object = pool.apis[wish.api].object;
        let results = self.spoken.trajectory.messages[start..]
            .iter()
            .filter(|message| message.tool_call_id.is_some())
            .filter_map(|message| message.content.parse::<Json>().ok());
        for result in results {
            let Some(list) = result.get("results").and_then(Json::as_array) else { continue };
            let figure = |record: &Json, name: &str| record.get(name).and_then(Json::as_f64);
            let least = |name: &str, sign: f64| {
                list.iter().filter(|record| figure(record, name).is_some()).min_by(|a, b| {
                    (sign * figure(a, name).unwrap_or(0.0))
                        .total_cmp(&(sign * figure(b, name).unwrap_or(0.0)))
                })
            };
            let record = match pick {
                Pick::Place(at) => list.get(at),
                Pick::Cheapest => least("price", 1.0),
                Pick::BestRated => least("rating", -1.0),
            };
            // The identifier stands first in every record. One that is a number is known by its name.
            let (name, id) = record?.as_object()?.first()?;
            let prefix = &self.stage.grammar.objects[object].prefix;
            let own = pool.apis[wish.api].fields.iter().find(|field| field.said == Said::Id);
            let numbered = id.as_i64().is_some() && own.is_some_and(|field| field.name == *name);
            if numbered || id.as_str().is_some_and(|id| id.starts_with(&format!("{prefix}-"))) {
                return Some(id.clone());
            }
        }
        None
    }
}

fn compare(made: &[&ToolCall], expected: &[ToolCall]) -> std::result::Result<(), Reject> {
    let sorted = |calls: Vec<String>| {
        let mut calls = calls;
        calls.sort_unstable();
        calls
    };
    let (a, b) = (
        sorted(made.iter().map(|call| call.canonical()).collect()),
        sorted(expected.iter().map(ToolCall::canonical).collect()),
    );
    if a == b {
        return Ok(());
    }
    if made.is_empty() {
        return Err(Reject::Goal("called nothing"));
    }
    if made.len() != expected.len() {
        return Err(Reject::Goal("another number of calls"));
    }
    let names = |calls: Vec<&str>| sorted(calls.into_iter().map(str::to_owned).collect());
    if names(made.iter().map(|call| call.name.as_str()).collect())
        != names(expected.iter().map(|call| call.name.as_str()).collect())
    {
        return Err(Reject::Goal("another tool"));
    }
    Err(Reject::Goal("other arguments"))
}

/// The goal as the experts read it, for a sample's metadata.
pub fn goal_metadata(spoken: &Spoken, plan: &Plan) -> Json {
    let turns: Vec<Json> = plan
        .turns
        .iter()
        .zip(&spoken.expected)
        .map(|(turn, calls)| {
            let mut entry = Object::new();
            let calls: Vec<Json> = calls
                .iter()
                .map(|call| {
                    [("name", Json::from(call.name.as_str())), ("arguments", call.arguments.clone())]
                        .into_iter()
                        .collect()
                })
                .collect();
            entry.insert("calls".into(), Json::Array(calls));
            match turn {
                Turn::Missing { withheld, .. } => {
                    entry.insert("missing".into(), Json::from(withheld.join(".")));
                }
                Turn::Chat(talk) if !talk.answer.is_empty() => {
                    entry.insert("answer".into(), Json::from(talk.answer.as_str()));
                }
                _ => {}
            }
            Json::Object(entry)
        })
        .collect();
    Json::Array(turns)
}
