//! Parameters by name, to and from safetensors.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};

use crate::CausalLm;
use crate::projection::{as_type, host};

/// A tensor as it stands in a file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

impl Stored {
    pub fn f32(shape: Vec<usize>, values: &[f32]) -> Self {
        Self { dtype: Dtype::F32, shape, bytes: values.iter().flat_map(|x| x.to_le_bytes()).collect() }
    }

    pub fn bf16(shape: Vec<usize>, values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        Self { dtype: Dtype::BF16, shape, bytes }
    }

    pub fn of(view: &TensorView<'_>) -> Self {
        Self { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() }
    }

    pub fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F32 | Dtype::BF16 | Dtype::F16)
    }

    /// # Panics
    /// If it is none of [`Stored::is_float`].
    pub fn values(&self) -> Vec<f32> {
        let pairs = || self.bytes.chunks_exact(2).map(|b| [b[0], b[1]]);
        match self.dtype {
            Dtype::F32 => {
                self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            }
            Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            Dtype::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            // Every reader of a file asks for floats first, and says where there are none.
            other => unreachable!("{other:?} was let through as a float"),
        }
    }

    /// Rows for columns.
    pub fn transposed(&self) -> Self {
        let &[rows, columns] = self.shape.as_slice() else { return self.clone() };
        let size = self.bytes.len() / (rows * columns).max(1);
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for column in 0..columns {
            for row in 0..rows {
                bytes.extend_from_slice(&self.bytes[(row * columns + column) * size..][..size]);
            }
        }
        Self { dtype: self.dtype, shape: vec![columns, rows], bytes }
    }
}

/// Whether a parameter belongs to an adapter.
pub(crate) fn is_adapter(path: &str) -> bool {
    path.contains(".active.") || path.contains(".reference.")
}

type Show<'a> = dyn FnMut(&str, bool, &dyn Fn() -> Stored) + 'a;

/// Shows each parameter's path, whether it is trained, and a function that reads it.
pub(crate) fn visit(model: &CausalLm, show: &mut Show<'_>) {
    struct Visit<'a, 'b> {
        path: Vec<String>,
        show: &'a mut Show<'b>,
    }
    impl ModuleVisitor for Visit<'_, '_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let read = || {
                let shape = value.dims().to_vec();
                match value.dtype() {
                    DType::BF16 => Stored::bf16(shape, &host(value.clone())),
                    _ => Stored::f32(shape, &host(value.clone())),
                }
            };
            (self.show)(&self.path.join("."), value.is_require_grad(), &read);
        }
    }
    model.visit(&mut Visit { path: Vec::new(), show });
}

/// What to do about parameters that are not among those given.
#[derive(Clone, Copy)]
pub(crate) enum Missing {
    /// Keep those that are frozen and no adapter's.
    Frozen,
    /// Keep all adapters' and no other.
    Adapters,
}

/// `model` with the parameters given by path; in the types that the model has.
pub(crate) fn fill(
    model: CausalLm,
    parameters: BTreeMap<String, Stored>,
    missing: Missing,
) -> Result<CausalLm, String> {
    struct Fill {
        path: Vec<String>,
        parameters: BTreeMap<String, Stored>,
        missing: Missing,
        fault: Option<String>,
    }
    impl ModuleMapper for Fill {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let path = self.path.join(".");
            let value = param.val();
            let shape: [usize; D] = value.dims();
            let trained = value.is_require_grad();
            let Some(stored) = self.parameters.remove(&path) else {
                let kept = match self.missing {
                    Missing::Frozen => !trained && !is_adapter(&path),
                    Missing::Adapters => is_adapter(&path),
                };
                if !kept {
                    self.fault.get_or_insert(format!("{path} is missing"));
                }
                return param;
            };
            if stored.shape != shape || !stored.is_float() {
                let Stored { shape: found, dtype, .. } = stored;
                self.fault.get_or_insert(format!(
                    "{path} has shape {found:?} of {dtype:?}, but floats of shape {shape:?} are expected"
                ));
                return param;
            }
            let (device, dtype) = (value.device(), value.dtype());
            param.map(|_| {
                let new = Tensor::<D>::from_data(TensorData::new(stored.values(), shape), &device);
                let new = as_type(new, dtype);
                if trained { new.detach().require_grad() } else { new }
            })
        }
    }
    let mut fill = Fill { path: Vec::new(), parameters, missing, fault: None };
    let model = model.map(&mut fill);
    if let (None, Some(path)) = (&fill.fault, fill.parameters.keys().next()) {
        fill.fault = Some(format!("{path} is not a parameter of the model"));
    }
    match fill.fault {
        None => Ok(model),
        Some(what) => Err(what),
    }
}
