//! StepTool: step-grained rewards and optimisation for language models that use tools, beside honest baselines.
//!
//! A task with tools is a decision process: the state is the question with all calls and replies so far, an action is one call
//! with all its tokens, the environment carries it out. StepTool (arXiv 2410.07745) gives every step a reward and trains all steps of a
//! trajectory at once by policy gradient:
//!
//! ```text
//! grad = E sum_t A(s_t, a_t) sum_i grad log pi(a_t^i | s_t, a_t^{<i})
//! ```
//!
//! The parts are apart from each other, so that each can be exchanged alone and a method is a choice of parts ([`Method`]):
//!
//! - worlds: [`env`](mod@env) with simulated tool servers, failures on order, replays of recorded calls; [`backoffice`], a generated office with
//!   decoys and side effects;
//! - rewards as data: [`reward`], with bounds and an audit for rewards that pay for idling; [`judge`] for what only a model can say;
//! - credit: [`credit`], from rewards of steps to advantages of tokens; plain numbers;
//! - the policy: `lm` (feature `lm`) with batched rollout, losses, trainer;
//! - others' data: [`import`].
//!
//! What the released code does otherwise than the paper is a named mode here (`Credit::Released`, [`compat`]), never a default.
#![warn(missing_docs)]

pub mod backoffice;
pub mod codec;
pub mod compat;
pub mod credit;
pub mod env;
pub mod episode;
pub mod error;
pub mod import;
#[cfg(feature = "judge")]
pub mod judge;
#[cfg(feature = "lm")]
pub mod lm;
pub mod method;
pub mod metrics;
pub mod reward;
pub mod search;
pub mod words;

#[cfg(feature = "lm")]
pub use burn;
#[cfg(feature = "lm")]
pub use causal_lm::{CausalLm, CausalLmConfig};
pub use codec::{ActionCodec, ByteCodec};
pub use credit::{Baseline, Credit, Credited, Signal};
pub use env::{End, Facts, Outcome, Reply, Status, ToolEnvironment, Transition};
pub use episode::{Episode, Limits, Scores, Step, play, read_episodes, write_episodes};
pub use error::{Error, Result};
pub use method::{Aggregation, KlPlace, Method, PolicyLoss};
pub use metrics::{Summary, summarise};
pub use reward::Shaper;
pub use search::{Found, SearchConfig, search};
pub use words::WordCodec;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
