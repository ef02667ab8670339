//! Systems as configuration: who is on the team, how the Manager works, how often it may try.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::AgentRole;
use crate::error::{Error, Result};
use crate::limits;
use crate::task::TaskKind;

/// How the Manager works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One step at a time, each after seeing what came of the last (Yao and others, ICLR 2023). The reference's way.
    #[default]
    React,
    /// All steps first, then one after the other, then the answer.
    Plan,
    /// All steps first, all at once, then the answer (Xu and others, 2023).
    Rewoo,
}

/// What an attempt learns from the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Nothing.
    Base,
    /// What was done.
    LastTrial,
    /// What the Reflector said of it.
    #[default]
    Reflection,
    /// Both.
    LastTrialAndReflection,
}

/// One member of the team.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// The decider's name, as given to the engine; `default` if not said.
    pub model: String,
    /// The most decisions in one assignment; the Manager has `max_steps` of the system.
    pub max_turns: usize,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self { model: "default".into(), max_turns: 20 }
    }
}

/// A system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemConfig {
    /// Its name.
    pub name: String,
    /// What it is in a few words.
    #[serde(default)]
    pub about: String,
    /// The tasks it can do.
    pub tasks: Vec<TaskKind>,
    /// The team; the Manager has to be on it.
    pub agents: BTreeMap<AgentRole, AgentConfig>,
    /// How the Manager works.
    #[serde(default)]
    pub mode: Mode,
    /// The Manager's steps in one attempt; a plan counts as one, and so does each of its steps.
    pub max_steps: usize,
    /// Attempts at a sample; more than one needs a Reflector.
    #[serde(default = "one")]
    pub attempts: usize,
    /// What later attempts learn.
    #[serde(default)]
    pub strategy: Strategy,
    /// Lines of history that a task shows.
    #[serde(default = "ten")]
    pub max_history: usize,
    /// Model requests a sample may make. Workers that run at once (ReWOO) get equal shares of what is left.
    #[serde(default = "hundred")]
    pub max_requests: u32,
    /// Tokens a sample may use, shared among workers in the same way.
    #[serde(default = "million")]
    pub max_tokens: u64,
    /// Milliseconds a sample may take; none for no limit. Runs with one are not reproducible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

fn one() -> usize {
    1
}

fn ten() -> usize {
    10
}

fn hundred() -> u32 {
    100
}

fn million() -> u64 {
    1_000_000
}

const BUILT_IN: &str = include_str!("systems.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    system: Vec<SystemConfig>,
}

impl SystemConfig {
    /// The systems that come with the crate: the reference's nine, the two other modes, and each without one agent.
    ///
    /// # Panics
    /// Never: a test reads the file.
    pub fn built_in() -> Vec<Self> {
        toml::from_str::<File>(BUILT_IN).expect("the built-in systems are valid").system
    }

    /// The built-in system of this name.
    ///
    /// # Errors
    /// [`Error::Config`] with the names that exist.
    pub fn named(name: &str) -> Result<Self> {
        let all = Self::built_in();
        let names: Vec<&str> = all.iter().map(|system| system.name.as_str()).collect();
        let accepted = format!("{name:?}; accepts {}", names.join(", "));
        all.iter()
            .find(|system| system.name == name)
            .cloned()
            .ok_or_else(|| Error::config("system", accepted))
    }

    /// A system from TOML: one table.
    ///
    /// # Errors
    /// [`Error::Config`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let system: Self =
            toml::from_str(text).map_err(|error| Error::config("system", error.to_string()))?;
        system.validate()?;
        Ok(system)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if !self.agents.contains_key(&AgentRole::Manager) {
            return Err(Error::config("agents", "has no manager"));
        }
        if self.max_steps == 0 || self.max_steps > 100 {
            return Err(Error::config("max_steps", format!("{}; accepts 1 to 100", self.max_steps)));
        }
        if self.attempts == 0 || self.attempts > limits::REFLECTIONS + 1 {
            return Err(Error::config(
                "attempts",
                format!("{}; accepts 1 to {}", self.attempts, limits::REFLECTIONS + 1),
            ));
        }
        if self.attempts > 1 && !self.agents.contains_key(&AgentRole::Reflector) {
            return Err(Error::config("attempts", "more than one needs a reflector on the team"));
        }
        if let Some((role, _)) = self.agents.iter().find(|(_, agent)| agent.max_turns == 0) {
            return Err(Error::config(format!("agents.{role}.max_turns"), "0; accepts whole numbers from 1"));
        }
        if self.tasks.is_empty() {
            return Err(Error::config("tasks", "is empty"));
        }
        Ok(())
    }

    /// The team and what each may do, as text.
    pub fn describe(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("{}: {}\n", self.name, self.about);
        let tasks: Vec<&str> = self.tasks.iter().map(|task| task.names()[0]).collect();
        let _ = writeln!(
            text,
            "  tasks: {}; mode: {:?}; steps: {}; attempts: {}",
            tasks.join(", "),
            self.mode,
            self.max_steps,
            self.attempts
        );
        for (role, agent) in &self.agents {
            let actions: Vec<String> = role.specs().iter().map(crate::grammar::usage).collect();
            let turns = if *role == AgentRole::Manager { self.max_steps } else { agent.max_turns };
            let _ = writeln!(text, "  {role} ({}, {turns} turns): {}", agent.model, actions.join(", "));
        }
        text
    }
}
