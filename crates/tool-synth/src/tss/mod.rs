//! Tool self-evolution synthesis (ToolACE, section 2.1): speciation, adaptation, evolution.
//!
//! [`Tree`] holds what tools could do, [`Pool`] the APIs that are made of its leaves, [`Diversity`] tells how different they
//! are.

mod api;
mod diversity;
mod grammar;
pub mod kind;
mod mutate;
mod pool;
mod similarity;
mod tree;
mod words;

pub use api::{Api, Field, Lineage, NameStyle, Said, Shape, capitalised, object_schema};
pub use diversity::{Diversity, clusters};
pub use grammar::{Answer, Domain, Function, Grammar, Object, Slot, Verb, fill};
pub use kind::{Kind, Wording};
pub use mutate::Operator;
pub use pool::{Pool, PoolConfig, text_of};
pub use similarity::Grams;
pub use tree::{MAX_DEPTH, MAX_FAN_OUT, Node, SIMILAR, Tree};
