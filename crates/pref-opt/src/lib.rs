//! Preference optimisation for language models that recommend: supervised training, DPO and its relatives, and SPRec's
//! self-play against the popularity bias that DPO adds.
//!
//! A recommendation is a completion: the title (or the token) of an item after a prompt that tells the history. Preference
//! training raises the likelihood of what a user chose over that of a rejected item. Where rejected items are drawn from
//! `q`, its optimum is `pi_ref (p/q)^(1/beta)` ([`theory`]): uniform negatives concentrate recommendations on what is
//! popular. SPRec (Gao et al., WWW 2025) rejects what the policy itself recommends, so that over-recommended items are
//! pushed down ([`selfplay`]).
#![warn(missing_docs)]

pub mod codec;
pub mod data;
pub mod error;
pub mod ground;
pub mod log_probs;
pub mod loss;
pub mod negatives;
pub mod records;
pub mod score;
pub mod selfplay;
pub mod states;
pub mod theory;
pub mod titles;
pub mod train;
pub mod weights;

pub use burn;
pub use causal_lm::{CausalLm, CausalLmConfig, LoraConfig, Pass, Prepared, Slot};
pub use error::{Error, Result};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
