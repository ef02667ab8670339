//! The parameters of a policy as a file, with a header beside them.

use burn::module::Module;
use causal_lm::parameters;

use crate::Result;

const HEADER: &str = "sextant.preferences";

/// The parameters of `module` with `header` beside them.
///
/// # Errors
/// [`causal_lm::Error::Format`] where the format cannot hold them.
pub fn to_bytes<M: Module>(module: &M, header: &str) -> Result<Vec<u8>> {
    Ok(parameters::write(module, &[], (HEADER, header))?)
}

/// `module` with the parameters of [`to_bytes`], and the header.
///
/// # Errors
/// [`causal_lm::Error::Format`] if the file is damaged or of another shape.
pub fn from_bytes<M: Module>(module: M, bytes: &[u8]) -> Result<(M, String)> {
    let (module, kept) = parameters::read(module, HEADER, bytes)?;
    Ok((module, kept.header))
}
