//! Decoding: greedy, sampled and by beams, free or under a constraint, and exact scores of given completions.

pub mod beam;
pub mod constraint;
pub mod generate;
pub mod score;
pub mod session;

pub use beam::{BeamConfig, beam_search};
pub use constraint::{Constraint, Free, Trie};
pub use generate::{GenerateConfig, Generated, Sampling, generate};
pub use score::score_completions;
pub use session::Session;
