//! The file a training run goes on from: an engine's state, the best outputs so far, and the history.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::train::{EngineState, EpochRecord, StateTensor};
use crate::{Embeddings, Error, ModelConfig, Result};

/// What a checkpoint tells besides its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub config: ModelConfig,
    /// [`fingerprint`] of the training and validation pairs.
    pub data: u64,
    /// Finished epochs.
    pub epoch: usize,
    pub step: u64,
    pub finished: bool,
    pub best_epoch: usize,
    pub best_value: Option<f64>,
    /// Validations since the best.
    pub stale: usize,
    pub history: Vec<EpochRecord>,
}

/// A whole checkpoint.
pub(crate) struct Checkpoint {
    pub header: Header,
    pub state: EngineState,
    pub best: Option<Embeddings>,
}

const HEADER: &str = "sextant.training";

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn format_error(path: &Path, what: impl Into<String>) -> Error {
    Error::Format { path: path.to_owned(), what: what.into() }
}

/// A number that tells data sets apart: FNV-1a over the ids of the pairs, in order.
pub(crate) fn fingerprint(parts: &[&rec_core::Interactions]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for (user, item) in part.pairs() {
            for number in [user.0, item.0] {
                hash = (hash ^ u64::from(number)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        hash = (hash ^ u64::MAX).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// Writes a checkpoint so that a kill at any moment leaves the old or the new one.
pub(crate) fn write(
    path: &Path,
    header: &Header,
    state: &EngineState,
    best: Option<&Embeddings>,
) -> Result<()> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .tensors
        .iter()
        .map(|tensor| (format!("state.{}", tensor.name), tensor.shape.clone(), bytes(&tensor.values)))
        .collect();
    if let Some(best) = best {
        tensors.push(("best.users".into(), vec![best.n_users(), best.dim()], bytes(best.users())));
        tensors.push(("best.items".into(), vec![best.n_items(), best.dim()], bytes(best.items())));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| format_error(path, error.to_string()))?;
    let text = serde_json::to_string(header).map_err(|error| format_error(path, error.to_string()))?;
    let metadata = HashMap::from([(HEADER.to_owned(), text)]);
    let bytes = serialize(views, Some(metadata)).map_err(|error| format_error(path, error.to_string()))?;
    Ok(rec_core::run::replace_file(path, &bytes)?)
}

/// Reads a checkpoint; `None` if there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Checkpoint>> {
    let data = match std::fs::read(path) {
        Ok(data) => data,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(rec_core::Error::io(path, error).into()),
    };
    let broken =
        |what: String| format_error(path, format!("not a checkpoint: {what}; delete it to start again"));
    let (_, metadata) = SafeTensors::read_metadata(&data).map_err(|error| broken(error.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let text = text.ok_or_else(|| broken(format!("it has no {HEADER} entry")))?;
    let header: Header = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
    let file = SafeTensors::deserialize(&data).map_err(|error| broken(error.to_string()))?;
    let (mut tensors, mut best) = (Vec::new(), HashMap::new());
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(broken(format!("{name} is not made of 32-bit floats")));
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("chunks have four bytes")))
            .collect();
        match name.strip_prefix("state.") {
            Some(name) => {
                tensors.push(StateTensor { name: name.into(), shape: view.shape().to_vec(), values })
            }
            None => {
                best.insert(name.to_owned(), (view.shape().to_vec(), values));
            }
        }
    }
    let dim = header.config.training.dim;
    let mut table = |name: &str| match best.remove(name) {
        Some((shape, values)) if shape.len() == 2 && shape[1] == dim && dim > 0 => Ok(Some(values)),
        Some((shape, _)) => Err(broken(format!("{name} has the shape {shape:?}, not rows of {dim}"))),
        None => Ok(None),
    };
    let best = match (table("best.users")?, table("best.items")?) {
        (Some(users), Some(items)) => Some(Embeddings::new(dim, users, items, header.config.scoring)),
        (None, None) => None,
        _ => return Err(broken("it has one table of the best epoch, not both".into())),
    };
    let state = EngineState { tensors, step: header.step };
    Ok(Some(Checkpoint { header, state, best }))
}
