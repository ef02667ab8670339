//! Arms of preference training: what can be named, how runs are planned and executed, and what they come to.

pub mod arms;
pub mod execute;
pub mod experiment;
pub mod judge;
pub mod outcome;
