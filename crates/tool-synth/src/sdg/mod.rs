//! Self-guided dialogue generation (ToolACE, section 2.2): plans with hidden goals, spoken by user, assistant and tool.
//!
//! The user knows the goal, the assistant does not; what the assistant does is compared with the goal afterwards. The
//! assistant's replies are voted on, and messages of a divided vote are left out of the training loss (`weight: 0`).

mod dialogue;
mod goal;
mod plan;
pub mod small_talk;
mod surface;

pub use dialogue::{Reject, SYSTEM, Spoken, Stage, Voting, goal_metadata};
pub use goal::{DialogType, Pick, Plan, Style, Turn, Wish, spread, wish, withholdable};
pub use plan::{Mix, Planner, wishes};
pub use surface::{Say, UserTask, utter};
