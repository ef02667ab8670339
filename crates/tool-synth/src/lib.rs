//! Function-calling data, and a checker whose verdicts are those of the Berkeley Function-Calling Leaderboard.
//!
//! [`value`] has Python's values, [`pyexpr`] its expressions, [`bfcl`] the checker; see there for examples. The three need
//! the feature `bfcl` and depend on nothing else of the crate. Dialogues after ToolACE are made in three parts: tools (`tss`), conversations
//! (`sdg`), verification (`dlv`), cut into shards (`shard`); feature `synthesis`.
#![warn(missing_docs)]

#[cfg(feature = "bfcl")]
pub mod bfcl;
#[cfg(feature = "synthesis")]
pub mod complexity;
#[cfg(feature = "synthesis")]
pub mod dlv;
#[cfg(feature = "synthesis")]
pub mod engine;
pub mod error;
#[cfg(feature = "synthesis")]
pub mod export;
#[cfg(feature = "bfcl")]
pub mod pyexpr;
#[cfg(feature = "synthesis")]
pub mod report;
#[cfg(feature = "synthesis")]
pub mod schema;
#[cfg(feature = "synthesis")]
pub mod sdg;
#[cfg(feature = "synthesis")]
pub mod shard;
#[cfg(feature = "synthesis")]
pub mod synthesis;
#[cfg(feature = "synthesis")]
pub mod tss;
#[cfg(feature = "bfcl")]
pub mod value;

pub use error::{Error, Result};
#[cfg(feature = "bfcl")]
pub use value::Value;

/// Compiles and runs the example of the README.
#[cfg(all(doctest, feature = "bfcl"))]
#[doc = include_str!("../README.md")]
struct Readme;
