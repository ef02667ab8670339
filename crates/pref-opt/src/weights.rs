//! The parameters of a model as safetensors, in the order in which it shows them.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::{Error, Result};

const HEADER: &str = "sextant.preferences";

fn broken(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("not a checkpoint: {what}; delete it to start again"))
}

/// The parameters of `module` with `header` beside them.
///
/// # Errors
/// [`Error::Invalid`](rec_core::Error::Invalid) where the format cannot hold them.
pub fn to_bytes<M: Module>(module: &M, header: &str) -> Result<Vec<u8>> {
    struct Read(Vec<(Vec<usize>, Vec<u8>)>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let bytes = value.clone().into_data().iter::<f32>().flat_map(f32::to_le_bytes).collect();
            self.0.push((value.dims().to_vec(), bytes));
        }
    }
    let mut read = Read(Vec::new());
    module.visit(&mut read);
    let names: Vec<String> = (0..read.0.len()).map(|at| format!("parameter.{at:05}")).collect();
    let views = names
        .iter()
        .zip(&read.0)
        .map(|(name, (shape, bytes))| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(broken)?;
    serialize(views, Some(HashMap::from([(HEADER.to_owned(), header.to_owned())]))).map_err(broken)
}

/// `module` with the parameters of [`to_bytes`], and the header.
///
/// # Errors
/// [`Error::Invalid`](rec_core::Error::Invalid) if the file is damaged or of another shape.
pub fn from_bytes<M: Module>(module: M, bytes: &[u8]) -> Result<(M, String)> {
    struct Write<'a> {
        file: SafeTensors<'a>,
        at: usize,
        fault: Option<String>,
    }
    impl ModuleMapper for Write<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (shape, device) = (param.val().dims(), param.val().device());
            let name = format!("parameter.{:05}", self.at);
            self.at += 1;
            match self.file.tensor(&name) {
                Ok(view) if view.shape() == shape && view.dtype() == Dtype::F32 => {
                    let four = |bytes: &[u8]| bytes.try_into().expect("chunks have four bytes");
                    let values: Vec<f32> =
                        view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(four(bytes))).collect();
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
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER)).cloned();
    let header = header.ok_or_else(|| broken(format!("it has no {HEADER} entry")))?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let count = file.len();
    let mut write = Write { file, at: 0, fault: None };
    let module = module.map(&mut write);
    if write.fault.is_none() && write.at != count {
        write.fault = Some(format!("it has {count} tensors, the model {}", write.at));
    }
    match write.fault {
        None => Ok((module, header)),
        Some(what) => Err(broken(what)),
    }
}
