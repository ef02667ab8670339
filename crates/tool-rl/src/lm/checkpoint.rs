//! A training in a file: parameters, moments of the optimiser, and a header, as safetensors.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use causal_lm::AdamW;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

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

fn bytes_of(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

/// All parameters of `module`, the state of `optimizer`, and `notes`.
///
/// # Errors
/// [`rec_core::Error::Invalid`] if `notes` cannot be written as JSON.
pub fn write<M: Module, T: Serialize>(module: &M, optimizer: &AdamW, notes: &T) -> Result<Vec<u8>> {
    struct Read(Vec<(Vec<usize>, Vec<u8>)>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let shape = value.dims().to_vec();
            self.0.push((shape, bytes_of(value.into_data().iter::<f32>())));
        }
    }
    let mut read = Read(Vec::new());
    module.visit(&mut read);
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (at, (shape, bytes)) in read.0.into_iter().enumerate() {
        tensors.push((format!("parameter.{at:05}"), shape, bytes));
    }
    for (at, moments) in optimizer.moments().into_iter().enumerate() {
        for (name, values) in ["first", "second"].iter().zip(moments) {
            if !values.is_empty() {
                tensors.push((format!("{name}.{at:05}"), vec![values.len()], bytes_of(values.into_iter())));
            }
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(broken)?;
    let header = serde_json::to_string(&Header { steps: optimizer.steps(), notes }).map_err(broken)?;
    serialize(views, Some(HashMap::from([(HEADER.to_owned(), header)]))).map_err(broken)
}

/// `module` and `optimizer` as they were when [`write()`] made the file, and its notes.
///
/// # Errors
/// [`rec_core::Error::Invalid`] if the file is damaged or of another shape.
pub fn read<M: Module, T: for<'de> Deserialize<'de>>(
    module: M,
    optimizer: &mut AdamW,
    device: &Device,
    bytes: &[u8],
) -> Result<(M, T)> {
    struct Fill<'a> {
        file: &'a SafeTensors<'a>,
        at: usize,
        fault: Option<String>,
    }
    impl ModuleMapper for Fill<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (shape, device) = (param.val().dims(), param.val().device());
            let name = format!("parameter.{:05}", self.at);
            self.at += 1;
            match self.file.tensor(&name) {
                Ok(view) if view.shape() == shape && view.dtype() == Dtype::F32 => {
                    let values = floats(view.data());
                    param.map(|value| {
                        let new = Tensor::<D>::from_data(TensorData::new(values, shape), &device);
                        if value.is_require_grad() { new.require_grad() } else { new }
                    })
                }
                Ok(view) => {
                    self.fault.get_or_insert(format!("{name} is {:?}, not {shape:?}", view.shape()));
                    param
                }
                Err(error) => {
                    self.fault.get_or_insert(error.to_string());
                    param
                }
            }
        }
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let header = header.ok_or_else(|| broken(format!("it has no {HEADER} entry")))?;
    let Header { steps, notes } = serde_json::from_str(header).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut fill = Fill { file: &file, at: 0, fault: None };
    let module = module.map(&mut fill);
    let count = fill.at;
    if let Some(what) = fill.fault {
        return Err(broken(what));
    }
    let mut moments: Vec<[Vec<f32>; 2]> = vec![Default::default(); count];
    for (name, view) in file.iter() {
        let Some((which, at)) = name.split_once('.') else { return Err(broken(format!("it has {name}"))) };
        let at: usize = at.parse().map_err(|_| broken(format!("it has {name}")))?;
        let place = match which {
            "parameter" if at < count => continue,
            "first" => 0,
            "second" => 1,
            _ => return Err(broken(format!("it has {name}"))),
        };
        let own = moments.get_mut(at).ok_or_else(|| broken(format!("it has {name}")))?;
        own[place] = floats(view.data());
    }
    if steps > 0 {
        optimizer.restore(steps, moments, device);
    }
    Ok((module, notes))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}
