//! The public data sets as environments, read from their real files.
//!
//! | module | set | truth | users leave by |
//! |---|---|---|---|
//! | [`coat`] | Coat shopping | completed ratings (RL4Rec) | distance |
//! | [`yahoo`] | Yahoo! R3 | completed ratings (RL4Rec), or a factorisation | distance |
//! | [`movielens`] | MovieLens-1M | a factorisation of the ratings | distance |
//! | [`kuairec`] | KuaiRec | the almost fully observed small matrix | categories |
//! | [`kuairand`] | KuaiRand-Pure | a factorisation of the clicks | categories |
//! | [`mt_mini`] | MovieTweetings, the sample of this repository | a factorisation of the ratings | categories |
//!
//! Every loader gives a [`Source`]: the truth, the log that user models and offline policies learn from, features, and
//! the tables that the metrics need. Nothing is downloaded; a loader takes the folder that holds the files.

pub mod coat;
pub(crate) mod columns;
pub(crate) mod csv;
pub(crate) mod files;
pub mod kuairand;
pub mod kuairec;
mod log;
pub mod movielens;
pub mod mt_mini;
mod source;
pub mod yahoo;

pub use log::Log;
pub use source::{QuitKind, QuitSettings, Similarity, Source, Target, dominant_prefix, popularity};
pub(crate) use source::{dominance, same};
