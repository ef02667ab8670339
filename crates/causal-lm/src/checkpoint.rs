//! The file a training goes on from.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::optimizer::AdamW;
use crate::train::TrainConfig;
use crate::weights::{self, Stored};
use crate::{CausalLm, Error, Result};

const HEADER: &str = "sextant.training";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<T> {
    steps: u64,
    config: TrainConfig,
    notes: T,
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::format(Path::new("checkpoint"), format!("{what}; delete it to start again"))
}

pub(crate) fn write<T: Serialize>(
    model: &CausalLm,
    config: &TrainConfig,
    optimizer: &AdamW,
    notes: &T,
) -> Result<Vec<u8>> {
    let mut tensors: Vec<(String, Stored)> = Vec::new();
    weights::visit(model, &mut |path, trained, stored| {
        if trained || weights::is_adapter(path) {
            tensors.push((format!("model.{path}"), stored()));
        }
    });
    for (at, moments) in optimizer.moments().into_iter().enumerate() {
        for (name, values) in ["first", "second"].iter().zip(moments) {
            if !values.is_empty() {
                tensors.push((format!("{name}.{at}"), Stored::f32(vec![values.len()], &values)));
            }
        }
    }
    let views = tensors
        .iter()
        .map(|(name, stored)| {
            Ok((name.as_str(), TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes)?))
        })
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(broken)?;
    let header = Header { steps: optimizer.steps(), config: *config, notes };
    let text = serde_json::to_string(&header).map_err(broken)?;
    serialize(views, Some(HashMap::from([(HEADER.to_string(), text)]))).map_err(broken)
}

pub(crate) fn read<T: for<'de> Deserialize<'de>>(
    model: CausalLm,
    config: &TrainConfig,
    optimizer: &mut AdamW,
    bytes: &[u8],
) -> Result<(CausalLm, T)> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let text = text.ok_or_else(|| broken(format!("it has no {HEADER} entry")))?;
    let header: Header<T> = serde_json::from_str(text).map_err(broken)?;
    if header.config != *config {
        let what = format!("are {config:?}, but the run was started with {:?}", header.config);
        return Err(Error::config("training settings", what));
    }
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut parameters = BTreeMap::new();
    let mut moments: Vec<[Vec<f32>; 2]> = Vec::new();
    for (name, view) in file.iter() {
        if let Some(path) = name.strip_prefix("model.") {
            parameters.insert(path.to_string(), Stored::of(&view));
            continue;
        }
        let (which, at) = name.split_once('.').ok_or_else(|| broken(format!("it has a tensor {name}")))?;
        let at: usize = at.parse().map_err(|_| broken(format!("it has a tensor {name}")))?;
        if at > 1 << 20 || view.dtype() != Dtype::F32 {
            return Err(broken(format!("it has a tensor {name}")));
        }
        if moments.len() <= at {
            moments.resize_with(at + 1, Default::default);
        }
        moments[at][usize::from(which == "second")] = Stored::of(&view).values();
    }
    let device = model.device();
    let mut count = 0;
    weights::visit(&model, &mut |_, _, _| count += 1);
    let model = weights::fill(model, parameters, weights::Missing::Frozen).map_err(broken)?;
    if moments.len() > count {
        return Err(broken("it has moments of more parameters than the model has"));
    }
    optimizer.restore(header.steps, moments, &device);
    Ok((model, header.notes))
}
