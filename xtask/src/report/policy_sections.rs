//! The sections of a report that a comparison of policies fills.

use super::html::Section;
use crate::policies::outcome::PolicyComparison;

pub fn lead(_: &PolicyComparison) -> String {
    String::new()
}
pub fn facts_line(_: &PolicyComparison) -> String {
    String::new()
}
pub fn all(_: &PolicyComparison, _: &str) -> Vec<Section> {
    Vec::new()
}
