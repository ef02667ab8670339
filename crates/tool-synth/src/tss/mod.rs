//! Tool self-evolution synthesis (ToolACE, section 2.1): speciation, adaptation, evolution.
//!
//! [`Tree`] holds what tools could do, [`Pool`] the APIs that are made of its leaves, [`Diversity`] tells how different they
//! are. Pools are made of a grammar's tree: only its leaves have the slots and answers that an API needs. A grammar is embedded, or comes
//! from documents ([`Documents`]).

mod api;
mod diversity;
mod documents;
mod grammar;
pub mod kind;
mod mutate;
mod parameter;
mod phrasing;
mod pool;
mod similarity;
mod sources;
mod tree;
mod words;

pub use api::{Api, Field, Lineage, NameStyle, Said, Shape, capitalised, object_schema};
pub use diversity::{Diversity, clusters};
pub use grammar::{Answer, Documented, Domain, Function, Grammar, Object, Slot, Verb, fill};
pub(crate) use kind::join_and;
pub use kind::{Kind, Wording};
pub use mutate::Operator;
pub use pool::{Pool, PoolConfig, text_of};
pub use similarity::Grams;
pub use sources::{Document, Documents};
pub use tree::{MAX_DEPTH, MAX_FAN_OUT, Node, SIMILAR, Tree};

/// Checks weights that something is drawn by.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) for `name` if one is negative or no finite number, or if all are 0.
pub(crate) fn check_weights(name: &str, weights: &[f64]) -> crate::error::Result<()> {
    let sum: f64 = weights.iter().sum();
    if weights.iter().all(|weight| *weight >= 0.0) && sum > 0.0 && sum.is_finite() {
        return Ok(());
    }
    Err(crate::error::Error::config(name, "weights are finite numbers from 0, and one of them is more"))
}
