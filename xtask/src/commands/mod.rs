//! One module a command.

pub mod agents;
pub mod bench;
pub mod bfcl;
pub mod child;
pub mod ci;
pub mod compare;
pub mod data;
pub mod package;
pub mod policies;
pub mod policy_child;
pub mod preference_child;
pub mod preferences;
pub mod quickstart;
pub mod run;
pub mod synthesize;
pub mod tool_ablations;
pub mod tool_rl;
pub mod tool_rl_child;
