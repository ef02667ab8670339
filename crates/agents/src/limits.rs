//! Fixed bounds on what comes from outside. Each is far above what honest use needs.

/// Steps of one plan.
pub const PLAN_STEPS: usize = 16;
/// Items of one result list.
pub const LIST: usize = 200;
/// Characters of an observation; the rest is cut and the cut is marked.
pub const OBSERVATION: usize = 4_000;
/// Characters of a model's reply that the parser looks at.
pub const REPLY: usize = 64_000;
/// Characters of a text answer.
pub const ANSWER: usize = 4_000;
/// Characters of a message of a dialogue.
pub const MESSAGE: usize = 2_000;
/// Turns of a dialogue that are kept.
pub const TURNS: usize = 200;
/// Reflections that are kept for a sample.
pub const REFLECTIONS: usize = 3;
