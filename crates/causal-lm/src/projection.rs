//! Linear layers with room for two adapters.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use rand::RngExt;
use rec_core::random::Random;

/// Which adapter a pass goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Slot {
    /// None: the base model.
    Off,
    /// The frozen copy.
    Reference,
    /// The one that is trained; the base model where a layer has none.
    #[default]
    Active,
}

/// How a pass through the model goes.
#[derive(Debug, Default)]
pub struct Pass<'a> {
    /// The adapter.
    pub slot: Slot,
    /// Where the adapters' dropout draws from; nothing is dropped if there is none.
    pub dropout: Option<&'a mut Random>,
}

impl From<Slot> for Pass<'_> {
    fn from(slot: Slot) -> Self {
        Self { slot, dropout: None }
    }
}

/// A low-rank change of a weight, `scale * A B` (Hu et al., 2021).
#[derive(Module, Debug)]
pub struct Adapter {
    /// `[inputs, rank]`.
    pub a: Param<Tensor<2>>,
    /// `[rank, outputs]`.
    pub b: Param<Tensor<2>>,
    #[module(skip)]
    pub(crate) scale: f64,
    #[module(skip)]
    pub(crate) dropout: f64,
}

impl Adapter {
    /// Added to the output: `scale * (drop(x) A) B`.
    fn forward(&self, x: Tensor<2>, dropout: Option<&mut Random>) -> Tensor<2> {
        let x = drop_out(x, self.dropout, dropout);
        x.matmul(self.a.val()).matmul(self.b.val()).mul_scalar(self.scale)
    }

    /// Added to the weight: `scale * A B`.
    pub(crate) fn delta(&self) -> Tensor<2> {
        self.a.val().matmul(self.b.val()).mul_scalar(self.scale)
    }
}

/// `x W + b`, and the change by an adapter.
#[derive(Module, Debug)]
pub struct Projection {
    /// `[inputs, outputs]`: transposed beside PyTorch's.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// The adapter that is trained.
    pub active: Option<Adapter>,
    /// The adapter that stands still.
    pub reference: Option<Adapter>,
}

impl Projection {
    pub(crate) fn new(
        inputs: usize,
        outputs: usize,
        bias: bool,
        range: f64,
        rng: &mut Random,
        device: &Device,
    ) -> Self {
        Self {
            weight: param(normal(inputs * outputs, range, rng), [inputs, outputs], device),
            bias: bias.then(|| param(vec![0.0; outputs], [outputs], device)),
            active: None,
            reference: None,
        }
    }

    /// The adapter in a slot.
    pub fn adapter(&self, slot: Slot) -> Option<&Adapter> {
        match slot {
            Slot::Off => None,
            Slot::Reference => self.reference.as_ref(),
            Slot::Active => self.active.as_ref(),
        }
    }

    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - output: `[n, outputs]`
    pub fn forward(&self, x: Tensor<2>, pass: &mut Pass<'_>) -> Tensor<2> {
        let base = x.clone().matmul(self.weight.val());
        let base = match &self.bias {
            Some(bias) => base.add(bias.val().unsqueeze()),
            None => base,
        };
        match self.adapter(pass.slot) {
            Some(adapter) => base.add(adapter.forward(x, pass.dropout.as_deref_mut())),
            None => base,
        }
    }

    /// The weight with the adapter of a slot added.
    pub(crate) fn merged(&self, slot: Slot) -> Tensor<2> {
        match self.adapter(slot) {
            Some(adapter) => self.weight.val().add(adapter.delta()),
            None => self.weight.val(),
        }
    }
}

fn drop_out(x: Tensor<2>, rate: f64, rng: Option<&mut Random>) -> Tensor<2> {
    let Some(rng) = rng.filter(|_| rate > 0.0) else { return x };
    let shape: [usize; 2] = x.dims();
    let kept = (1.0 / (1.0 - rate)) as f32;
    let draw = |_| if rng.random::<f64>() < rate { 0.0 } else { kept };
    let mask: Vec<f32> = (0..shape[0] * shape[1]).map(draw).collect();
    let mask = as_type(Tensor::from_data(TensorData::new(mask, shape), &x.device()), x.dtype());
    x.mul(mask)
}

/// A parameter with `values`.
pub(crate) fn param<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}

/// `count` draws of a normal variable with mean 0 and standard deviation `sd`.
pub(crate) fn normal(count: usize, sd: f64, rng: &mut Random) -> Vec<f32> {
    if sd == 0.0 {
        return vec![0.0; count];
    }
    (0..count)
        .map(|_| {
            // Box and Muller; 1 - u is never 0.
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos() * sd) as f32
        })
        .collect()
}

/// The tensor as `dtype`; the same one if it has it.
pub(crate) fn as_type<const D: usize>(x: Tensor<D>, dtype: DType) -> Tensor<D> {
    if x.dtype() == dtype {
        return x;
    }
    match dtype {
        DType::BF16 => x.cast(burn::tensor::FloatDType::BF16),
        DType::F16 => x.cast(burn::tensor::FloatDType::F16),
        DType::F64 => x.cast(burn::tensor::FloatDType::F64),
        _ => x.cast(burn::tensor::FloatDType::F32),
    }
}

/// The values of a tensor on the host, row by row.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().expect("just converted")
}
