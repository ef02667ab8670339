//! What settings accept that most policies have.

use std::fmt::Display;

use super::Prioritized;
use crate::{Error, Result};

/// An error for `key` unless `holds`.
pub fn require(holds: bool, key: &str, found: impl Display, accepts: &str) -> Result<()> {
    match holds {
        true => Ok(()),
        false => Err(Error::config(key, format!("is {found}; accepts {accepts}"))),
    }
}

/// How many of something.
pub fn count(key: &str, value: usize) -> Result<()> {
    require(value > 0, key, value, "1 or more")
}

/// A discount, a probability, a share.
pub fn share(key: &str, value: impl Into<f64> + Display + Copy) -> Result<()> {
    require((0.0..=1.0).contains(&value.into()), key, value, "0 to 1")
}

/// Adam's step.
pub fn learning_rate(key: &str, value: f64) -> Result<()> {
    require(value > 0.0 && value.is_finite(), key, value, "finite numbers above 0")
}

/// A weight in a loss, the size of noise.
pub fn weight(key: &str, value: impl Into<f64> + Display + Copy) -> Result<()> {
    let number = value.into();
    require(number >= 0.0 && number.is_finite(), key, value, "finite numbers from 0")
}

/// The largest norm of a gradient.
pub fn max_grad_norm(value: Option<f64>) -> Result<()> {
    value.map_or(Ok(()), |norm| require(norm > 0.0, "max_grad_norm", norm, "numbers above 0, or none"))
}

/// The exponents of prioritised replay.
pub fn prioritized(value: Option<Prioritized>) -> Result<()> {
    let Some(Prioritized { alpha, beta }) = value else { return Ok(()) };
    weight("prioritized.alpha", alpha)?;
    share("prioritized.beta", beta)
}
