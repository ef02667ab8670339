//! iALS: implicit-feedback matrix factorisation by alternating least squares (Hu et al., ICDM 2008).
use serde::{Deserialize, Serialize};
/// Settings of [`Ials`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IalsConfig {
    /// Length of the factors.
    pub dim: usize,
}
/// A fitted model.
#[derive(Clone, Debug)]
pub struct Ials {}
