//! Data types, file readers, splits, metrics and one evaluator for recommender systems.
//!
//! The crate is the ground the rest of Sextant stands on, and is useful alone: read a public data set
//! ([`read`]), filter it ([`filter`]), split it ([`split`]), hand it to anything that implements
//! [`Recommender`], and judge the result ([`evaluate`], [`metrics`]). It knows no tensor library and no network.
//!
//! It also holds what the tool-using systems share: tools, calls, messages and trajectories ([`tool`]) over a JSON tree that
//! keeps order and digits ([`json`]).
//!
//! Users and items are dense newtypes ([`UserId`], [`ItemId`]) counted from zero; there is no padding row. The
//! strings of the outside world are kept in an [`IdMap`] on each side.
#![warn(missing_docs)]

pub mod dataset;
pub mod digest;
pub mod error;
pub mod evaluate;
pub mod filter;
pub mod ids;
pub mod json;
pub mod matrix;
pub mod metrics;
pub mod random;
pub mod rank;
pub mod read;
pub mod recommender;
pub mod run;
pub mod split;
pub mod statistics;
pub mod tool;
pub mod write;

pub use dataset::{Catalogue, Dataset, Interactions};
pub use error::{Error, Place, Result};
pub use ids::{IdMap, ItemId, UserId};
pub use json::Json;
pub use matrix::UserItems;
pub use recommender::{Query, Rankings, Recommender, ScoredItem};
pub use run::{Observer, Progress};
pub use split::Split;
pub use tool::{Message, Role, ToolCall, ToolSpec, Trajectory};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
