//! Decoding: greedy, sampled and by beams, free, along a trie of texts or by a JSON schema, and exact scores of given completions.

pub mod beam;
pub mod constraint;
pub mod generate;
pub mod json;
pub mod score;
pub mod session;

pub use beam::{BeamConfig, beam_search};
pub use constraint::{Constraint, Free, Trie};
pub use generate::{GenerateConfig, Generated, Sampling, generate};
pub use json::{JsonSchema, JsonState, Vocabulary};
pub use score::score_completions;
pub use session::{Decoder, Prepared, Session, Snapshot};
