//! Policies that use tools, trained step by step, beside baselines that get the same: what is run, and what comes of it.

pub mod claim;
pub mod dialogues;
pub mod execute;
pub mod experiment;
pub mod outcome;
pub mod rows;
pub mod training;
pub mod world;
