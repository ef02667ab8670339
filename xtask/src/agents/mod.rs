//! The team of `agents` wired to the rest: data, recommenders of the other systems, who decides; and what it comes to on samples.

pub mod dialogues;
pub mod evaluation;
#[cfg(feature = "local-lm")]
pub mod local;
pub mod team;
