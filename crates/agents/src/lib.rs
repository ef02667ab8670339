//! A team of agents that recommends with real tools (MACRec): rule-based offline by default, on any language model by a flag.
//!
//! The parts, from the bottom up:
//!
//! - [`protocol`] prepares a data set, [`index`] answers as of a moment, [`models`] and [`calibration`] predict and rank,
//!   [`text`] and [`dialogue`] understand words; together they are what the team knows ([`knowledge`]).
//! - [`mod@tool`] is the registry of tools over that knowledge.
//! - [`action`] declares what each role may do, once; [`grammar`] and [`parser`] make every form of it and read every form.
//! - [`task`] says what is asked and what an answer is; [`judge`] alone knows the truth.
//! - [`engine`] runs a [`system`]: it hands an [`AgentView`](view::AgentView) to a [`Decider`](decider::Decider) and carries out what
//!   it decides. [`policy`] decides by rules, `llm` by asking a language model, [`trace`] by repeating what was decided once.
//! - [`session`] is a dialogue, [`run`](mod@run) many samples, [`eval`] the report, [`baseline`] what a team has to beat, [`export`] what the other systems train on, [`mcp`] the tools
//!   for others' agents.
//!
//! ```
//! use agents::action::{Action, AgentRole, ManagerAction, Subject};
//! use agents::parser::{Rung, parse};
//!
//! let (action, rung) = parse(AgentRole::Manager, "Thought: who is it?\nAction: Analyse[user, 7]", &[]).unwrap();
//! assert_eq!(action, Action::Manager(ManagerAction::Analyse { kind: Subject::User, id: "7".into() }));
//! assert_eq!(rung, Rung::EmbeddedText);
//! assert_eq!(action.to_json().to_string(), r#"{"type":"Analyse","content":["user","7"]}"#);
//! ```
#![warn(missing_docs)]

pub mod action;
pub mod baseline;
pub mod calibration;
pub mod decider;
pub mod dialogue;
pub mod encyclopedia;
pub mod engine;
pub mod error;
pub mod eval;
pub mod export;
pub mod grammar;
pub mod index;
pub mod judge;
pub mod knowledge;
pub mod limits;
#[cfg(feature = "llm")]
pub mod llm;
pub mod mcp;
pub mod memory;
pub mod models;
pub mod overlap;
pub mod parser;
pub mod polarity;
pub mod policy;
pub mod prompt;
pub mod protocol;
pub mod request;
pub mod reward;
pub mod run;
#[cfg(feature = "http")]
mod runtime;
pub mod session;
pub mod simulation;
pub mod system;
pub mod task;
pub mod text;
pub mod tool;
mod tools;
pub mod trace;
pub mod untrusted;
pub mod view;
#[cfg(feature = "web")]
pub mod web;
pub use error::{Error, Result};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
