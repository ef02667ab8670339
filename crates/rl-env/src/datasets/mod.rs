//! The public data sets as environments, read from their real files.
//!
//! | module | set | truth | users leave by |
//! |---|---|---|---|
//! | [`coat`] | Coat shopping | completed ratings (RL4Rec) | distance |
//!
//! Every loader gives a [`Source`]: the truth, the log that user models and offline policies learn from, features, and
//! the tables that the metrics need. Nothing is downloaded; a loader takes the folder that holds the files.

pub mod coat;
mod columns;
mod csv;
mod files;
mod log;
mod source;

pub use log::Log;
pub use source::{
    Dominance, QuitKind, QuitSettings, Similarity, Source, Target, dominant_prefix, popularity,
};
