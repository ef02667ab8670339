//! The parameters of any module as safetensors, in the order in which it shows them, with what an optimizer keeps and a
//! header beside them: the file of trainings that have more to remember than [`Trainer`](crate::Trainer) does.
//!
//! Tensors are named `parameter.00000` …, moments `first.00000` and `second.00000`, all in f32 (moments are flat).

use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::weights::Stored;
use crate::{Error, Result};

/// What a file held besides parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// The text of the header.
    pub header: String,
    /// First and second moments of each parameter, empty where there were none; as
    /// [`AdamW::restore`](crate::AdamW::restore) takes them.
    pub moments: Vec<[Vec<f32>; 2]>,
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::format(Path::new("checkpoint"), format!("{what}; delete it to start again"))
}

/// The parameters of `module`, `moments` as [`AdamW::moments`](crate::AdamW::moments) gives them (or none), and the text
/// `header` under the name `key`.
///
/// # Errors
/// [`Error::Format`] where the format cannot hold them.
pub fn write<M: Module>(
    module: &M,
    moments: &[[Vec<f32>; 2]],
    (key, header): (&str, &str),
) -> Result<Vec<u8>> {
    struct Read(Vec<(String, Stored)>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let shape = value.dims().to_vec();
            let values: Vec<f32> = value.into_data().iter::<f32>().collect();
            self.0.push((format!("parameter.{:05}", self.0.len()), Stored::f32(shape, &values)));
        }
    }
    let mut read = Read(Vec::new());
    module.visit(&mut read);
    let mut tensors = read.0;
    for (at, moments) in moments.iter().enumerate() {
        for (name, values) in ["first", "second"].iter().zip(moments) {
            if !values.is_empty() {
                tensors.push((format!("{name}.{at:05}"), Stored::f32(vec![values.len()], values)));
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
    serialize(views, Some(HashMap::from([(key.to_owned(), header.to_owned())]))).map_err(broken)
}

/// `module` with the parameters of a file that [`write()`] made under the same `key`, and what else it held. What was
/// trained stays so.
///
/// # Errors
/// [`Error::Format`] if the file is damaged or of another shape.
pub fn read<M: Module>(module: M, key: &str, bytes: &[u8]) -> Result<(M, Kept)> {
    struct Fill<'a> {
        file: &'a SafeTensors<'a>,
        sizes: Vec<usize>,
        fault: Option<String>,
    }
    impl ModuleMapper for Fill<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (shape, device) = (param.val().dims(), param.val().device());
            let name = format!("parameter.{:05}", self.sizes.len());
            self.sizes.push(shape.iter().product());
            match self.file.tensor(&name) {
                Ok(view) if view.shape() == shape && view.dtype() == Dtype::F32 => {
                    let values = Stored::of(&view).values();
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
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get(key)).cloned();
    let header = header.ok_or_else(|| broken(format!("it has no {key} entry")))?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut fill = Fill { file: &file, sizes: Vec::new(), fault: None };
    let module = module.map(&mut fill);
    let count = fill.sizes.len();
    if let Some(what) = fill.fault {
        return Err(broken(what));
    }
    let mut moments: Vec<[Vec<f32>; 2]> = Vec::new();
    for (name, view) in file.iter() {
        let strange = || broken(format!("it has a tensor {name}, which the model has not"));
        let (which, at) = name.split_once('.').ok_or_else(strange)?;
        let at: usize = at.parse().map_err(|_| strange())?;
        let place = match which {
            "parameter" if at < count => continue,
            "first" if at < count => 0,
            "second" if at < count => 1,
            _ => return Err(strange()),
        };
        if view.dtype() != Dtype::F32 || view.shape() != [fill.sizes[at]] {
            return Err(broken(format!("{name} is {:?} of {:?}", view.shape(), view.dtype())));
        }
        moments.resize_with(count, Default::default);
        moments[at][place] = Stored::of(&view).values();
    }
    Ok((module, Kept { header, moments }))
}
