//! Policies in worlds: what can be named, how runs are planned and executed, and what they come to.

pub mod by_prediction;
pub mod execute;
pub mod experiment;
pub mod outcome;
pub mod published;
pub mod registry;
pub mod uniform;
pub mod user_model;
pub mod warm_start;
pub mod world;
