//! EASE (Steck, WWW 2019): a linear item-item model in closed form.
use serde::{Deserialize, Serialize};
/// Settings of [`Ease`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EaseConfig {
    /// L2 penalty on the weights.
    pub lambda: f64,
}
/// A fitted model.
#[derive(Clone, Debug)]
pub struct Ease {}
