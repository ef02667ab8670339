//! A training in a file: parameters, moments of the optimiser, and a header, as [`parameters`] writes them.

use burn::module::Module;
use burn::tensor::Device;
use causal_lm::{AdamW, parameters};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

const HEADER: &str = "sextant.tool-rl";

#[derive(Serialize, Deserialize)]
struct Header<T> {
    steps: u64,
    notes: T,
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not a checkpoint: {what}; delete it to start again"))
}

/// All parameters of `module`, the state of `optimizer`, and `notes`.
///
/// # Errors
/// [`rec_core::Error::Invalid`] if `notes` cannot be written as JSON; as [`parameters::write`].
pub fn write<M: Module, T: Serialize>(module: &M, optimizer: &AdamW, notes: &T) -> Result<Vec<u8>> {
    let header = serde_json::to_string(&Header { steps: optimizer.steps(), notes }).map_err(broken)?;
    Ok(parameters::write(module, &optimizer.moments(), (HEADER, &header))?)
}

/// SHA-256 over all parameters of `module`.
///
/// # Errors
/// As [`parameters::write`].
pub fn digest<M: Module>(module: &M) -> Result<String> {
    let bytes = parameters::write(module, &[], (HEADER, ""))?;
    Ok(rec_core::digest::hex(&Sha256::digest(bytes)))
}

/// `module` and `optimizer` as they were when [`write()`] made the file, and its notes.
///
/// # Errors
/// [`rec_core::Error::Invalid`] if the notes are others; [`causal_lm::Error::Format`] if the file is damaged or of another shape.
pub fn read<M: Module, T: for<'de> Deserialize<'de>>(
    module: M,
    optimizer: &mut AdamW,
    device: &Device,
    bytes: &[u8],
) -> Result<(M, T)> {
    let (module, kept) = parameters::read(module, HEADER, bytes)?;
    let Header { steps, notes } = serde_json::from_str(&kept.header).map_err(broken)?;
    if steps > 0 {
        optimizer.restore(steps, kept.moments, device);
    }
    Ok((module, notes))
}
