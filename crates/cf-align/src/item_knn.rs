//! Item-based nearest neighbours.
use serde::{Deserialize, Serialize};
/// Settings of [`ItemKnn`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemKnnConfig {
    /// Neighbours kept for each target item.
    pub k: usize,
}
/// A fitted model.
#[derive(Clone, Debug)]
pub struct ItemKnn {}
