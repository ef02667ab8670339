//! What synthetic dialogues teach: a small decoder learns to call tools from each of several training sets of the same size and
//! is judged on tools that none of them knows.
//!
//! The questions are those of ToolACE's ablations (verification, complexity, diversity, types of dialogues); at this size only the
//! directions can be looked for.

pub mod arms;
pub mod data;
pub mod execute;
pub mod experiment;
pub mod learner;
pub mod outcome;
pub mod requests;
