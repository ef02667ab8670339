//! The report: one self-contained HTML file, built from what an experiment found.

pub mod agent_sections;
pub mod charts;
pub mod html;
pub mod policy_sections;
pub mod preference_sections;
pub mod sections;
pub mod svg;
pub mod tool_sections;
