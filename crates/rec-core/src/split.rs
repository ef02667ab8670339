//! Splitting interactions into train, validation and test.

use crate::Interactions;

/// Train, validation and test rows over the same id space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What models learn from.
    pub train: Interactions,
    /// What they are selected by.
    pub valid: Interactions,
    /// What they are judged by.
    pub test: Interactions,
}
