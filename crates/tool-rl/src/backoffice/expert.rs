//! Scripted agents: the careful one, which marks the ceiling, and noisy ones, whose trajectories are training data.
//!
//! A noisy expert is careful or sloppy per decision. A sloppy decision takes the tempting way, which is the same for all
//! sloppy experts; noise that is a different minority each time would be averaged away by greedy decoding after supervised
//! training and would leave nothing to learn.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rec_core::random::{Random, stream};
use rec_core::{Json, ToolCall};
use serde::{Deserialize, Serialize};

use super::Task;
use super::tools::{DECOYS, Domain};
use super::vocabulary::words_of;
use crate::env::{FINISH, Reply, Status};

/// How sloppy an expert is. All numbers are probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpertConfig {
    /// That a decision is careful, on tiers T1, T2, T3 and TU.
    pub careful: [f64; 4],
    /// That a sloppy decision takes the decoy where there is one.
    pub decoy: f64,
    /// That a sloppy decision after a failure ends the episode with a guess or gives up.
    pub surrender: f64,
    /// That a sloppy decision leaves out a token, a conversion, a depot or a fee.
    pub skip: f64,
    /// That a sloppy decision calls what never helps.
    pub useless: f64,
    /// That any decision is a call drawn from all valid ones.
    pub noise: f64,
    /// How often in a row a careful expert tries a tool that fails for a while.
    pub retries: u32,
}

impl Default for ExpertConfig {
    /// Of section 12.4 of the design: experts whose trajectories leave something to learn.
    fn default() -> Self {
        Self {
            careful: [0.5, 0.3, 0.1, 0.3],
            decoy: 0.85,
            surrender: 0.65,
            skip: 0.75,
            useless: 0.08,
            noise: 0.04,
            retries: 5,
        }
    }
}

impl ExpertConfig {
    /// One that makes no mistakes: it does what is needed, tries again when a tool is busy, and gives up where it must.
    pub fn careful() -> Self {
        Self { careful: [1.0; 4], noise: 0.0, ..Self::default() }
    }
}

/// A scripted agent in the middle of a task. It knows the program of the task's family, and beyond that what replies say.
#[derive(Clone, Debug)]
pub struct Expert {
    task: Arc<Task>,
    config: ExpertConfig,
    rng: Random,
    registers: BTreeMap<&'static str, Json>,
    /// The next instruction.
    at: usize,
    /// What the last call was for, if it was the next instruction.
    pending: bool,
    last: Option<Status>,
    failures: u32,
}

impl Expert {
    /// At the beginning of a task.
    pub fn new(task: &Arc<Task>, config: &ExpertConfig, seed: u64) -> Self {
        Self {
            task: Arc::clone(task),
            config: config.clone(),
            rng: stream(seed, "backoffice expert", task.index),
            registers: task.given.clone(),
            at: 0,
            pending: false,
            last: None,
            failures: 0,
        }
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.rng.random::<f64>() < probability
    }

    fn offers(&self, name: &str) -> bool {
        self.task.tools.iter().any(|tool| tool.name == name)
    }

    /// The next call.
    pub fn act(&mut self) -> ToolCall {
        self.pending = false;
        if self.happens(self.config.noise) {
            return random_call(&self.task, &mut self.rng);
        }
        let careful = self.config.careful[self.task.tier as usize];
        if self.happens(careful) { self.careful() } else { self.sloppy() }
    }

    /// Takes the reply to the last call.
    pub fn observe(&mut self, reply: &Reply) {
        self.last = Some(reply.status);
        if !self.pending {
            return;
        }
        if reply.status == Status::Ok {
            let (program, _) = self.task.family.program();
            program[self.at].bind(reply, &mut self.registers);
            self.at += 1;
            self.failures = 0;
        } else {
            self.failures += 1;
        }
    }

    fn careful(&mut self) -> ToolCall {
        let (program, answer) = self.task.family.program();
        let Some(instruction) = program.get(self.at) else { return self.finish(answer) };
        if !self.offers(instruction.tool) {
            return give_up();
        }
        let for_now = [Status::TooManyRequests, Status::Timeout];
        let refused = self.failures > 0 && self.last.is_some_and(|last| !for_now.contains(&last));
        if refused || self.failures > self.config.retries {
            return give_up();
        }
        self.pending = true;
        instruction.fill(&self.registers)
    }

    fn sloppy(&mut self) -> ToolCall {
        let (program, answer) = self.task.family.program();
        if self.failures > 0 && self.happens(self.config.surrender) {
            return if self.happens(0.5) { self.finish(answer) } else { give_up() };
        }
        if self.happens(self.config.useless) && self.offers("search_docs") {
            let words: Vec<&Json> = self.task.given.values().collect();
            let word = words[self.rng.random_range(0..words.len())].clone();
            return ToolCall::new("", "search_docs", [("query", word)].into_iter().collect());
        }
        // What is tempting to leave out, with what then stands in for its result.
        while let Some(instruction) = program.get(self.at) {
            let stand_in = match instruction.tool {
                "request_token" => Some(("token", Json::from("k0"))),
                "convert" => Some(("amount", self.registers.get("price").cloned().unwrap_or_default())),
                "nearest_depot" => Some(("depot", Json::from("d0"))),
                "quote_shipping" => Some(("fee", Json::from(5))),
                _ => None,
            };
            let Some((register, value)) = stand_in else { break };
            if !self.happens(self.config.skip) {
                break;
            }
            self.registers.entry(register).or_insert(value);
            self.at += 1;
            self.failures = 0;
        }
        let Some(instruction) = program.get(self.at) else { return self.finish(answer) };
        let mut call = instruction.fill(&self.registers);
        self.pending = true;
        let decoy = DECOYS.iter().find(|(_, _, real)| *real == instruction.tool);
        if let Some((name, unseen, _)) = decoy
            && let Some(name) = [name, unseen].into_iter().find(|name| self.offers(name))
            && self.happens(self.config.decoy)
        {
            call.name = (*name).to_owned();
            if instruction.tool == "get_stock"
                && let Json::Object(members) = &mut call.arguments
            {
                members.shift_remove("depot");
            }
        } else if !self.offers(instruction.tool) {
            self.pending = false;
            return if self.happens(self.config.surrender) { give_up() } else { self.finish(answer) };
        }
        call
    }

    /// Finishes with the answer, or with a guess where there is none.
    fn finish(&mut self, answer: &str) -> ToolCall {
        let value = match self.registers.get(answer) {
            Some(value) => value.clone(),
            None => Json::from(self.rng.random_range(0..super::NUMBERS)),
        };
        ToolCall::new("", FINISH, [("kind", Json::from("value")), ("value", value)].into_iter().collect())
    }
}

fn give_up() -> ToolCall {
    ToolCall::new("", FINISH, [("kind", "give_up")].into_iter().collect())
}

/// A call drawn evenly from the tools on offer, with arguments of the right kinds.
pub fn random_call(task: &Task, rng: &mut Random) -> ToolCall {
    let tool = &task.tools[rng.random_range(0..task.tools.len())];
    let parameters = tool.parameters.get("properties").and_then(Json::as_object);
    let mut members = rec_core::json::Object::new();
    for name in parameters.into_iter().flat_map(|parameters| parameters.keys()) {
        if tool.name == FINISH && name == "value" && members["kind"].as_str() == Some("give_up") {
            continue;
        }
        let words = words_of(Domain::of(name));
        members.insert(name.clone(), words[rng.random_range(0..words.len())].clone());
    }
    ToolCall::new("", tool.name.clone(), members.into())
}
