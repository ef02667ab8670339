//! Adam with torch's semantics for any module, with moments that can be saved.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rayon::prelude::*;

use crate::softmax::vectorised;
use crate::{Error, Result};

/// `torch.optim.Adam` without decay: `beta = (0.9, 0.999)`, `eps = 1e-8` (Kingma & Ba, 2015).
///
/// Moments are kept flat, in the order in which the module shows its parameters.
#[derive(Clone, Debug)]
pub struct Adam {
    /// The learning rate.
    pub learning_rate: f64,
    /// If given, gradients are scaled so that the norm over all parameters of the module is at most this.
    pub max_grad_norm: Option<f64>,
    steps: u64,
    moments: Vec<Option<[Tensor<1>; 2]>>,
}

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl Adam {
    /// Before its first step.
    pub fn new(learning_rate: f64, max_grad_norm: Option<f64>) -> Self {
        Self { learning_rate, max_grad_norm, steps: 0, moments: Vec::new() }
    }

    /// `module` after one step on `gradients`; a parameter that the loss does not depend on stays as it is.
    pub fn step<M: Module>(&mut self, module: M, gradients: &mut Gradients) -> M {
        self.steps += 1;
        let power = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let scale = self.max_grad_norm.map(|most| {
            let mut norm = SquaredNorm { gradients, sum: None };
            module.visit(&mut norm);
            let norm = norm.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>())).sqrt();
            // As torch.nn.utils.clip_grad_norm_.
            (most / (norm + 1e-6)).min(1.0)
        });
        let by = By {
            rate: self.learning_rate / (1.0 - BETA_1.powi(power)),
            root: (1.0 - BETA_2.powi(power)).sqrt(),
            scale: scale.unwrap_or(1.0),
        };
        let mut step = Step { by, gradients, moments: &mut self.moments, at: 0 };
        module.map(&mut step)
    }

    /// The number of steps so far and the moments, flat, an empty pair where there are none yet.
    pub fn state(&self) -> (u64, Vec<[Vec<f32>; 2]>) {
        let values = |tensor: &Tensor<1>| tensor.clone().into_data().iter::<f32>().collect::<Vec<_>>();
        let moments = self.moments.iter().map(|moments| match moments {
            Some([first, second]) => [values(first), values(second)],
            None => [Vec::new(), Vec::new()],
        });
        (self.steps, moments.collect())
    }

    /// Goes on from [`Adam::state`] on `device`.
    pub fn restore(&mut self, steps: u64, moments: Vec<[Vec<f32>; 2]>, device: &Device) {
        let device = device.clone().inner();
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), &device)
        };
        self.steps = steps;
        self.moments = moments
            .into_iter()
            .map(|[first, second]| (!first.is_empty()).then(|| [tensor(first), tensor(second)]))
            .collect();
    }
}

struct SquaredNorm<'a> {
    gradients: &'a Gradients,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            let squared = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum.add(squared),
                None => squared,
            });
        }
    }
}

struct Step<'a> {
    by: By,
    gradients: &'a mut Gradients,
    moments: &'a mut Vec<Option<[Tensor<1>; 2]>>,
    at: usize,
}

impl ModuleMapper for Step<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let at = self.at;
        self.at += 1;
        if self.moments.len() <= at {
            self.moments.push(None);
        }
        let Some(gradient) = param.val().grad_remove(self.gradients) else {
            return param;
        };
        let (shape, count) = (gradient.shape(), gradient.shape().num_elements());
        let gradient = gradient.reshape([count]);
        let [first, second] =
            self.moments[at].take().unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
        let (by, fused) = (self.by, on_host(&gradient.device()));
        param.map(|value| {
            let value = value.inner().reshape([count]);
            let step = if fused { host_step } else { tensor_step };
            let (value, first, second) = step(by, value, gradient, first, second);
            self.moments[at] = Some([first, second]);
            Tensor::from_inner(value.reshape(shape)).require_grad()
        })
    }
}

/// The numbers of a step that do not depend on the parameter.
#[derive(Clone, Copy, Debug)]
struct By {
    /// `learning rate / (1 - beta_1^t)`.
    rate: f64,
    /// `sqrt(1 - beta_2^t)`.
    root: f64,
    /// What gradients are multiplied by.
    scale: f64,
}

/// The new value, first and second moment.
fn tensor_step(
    by: By,
    value: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let gradient = if by.scale == 1.0 { gradient } else { gradient.mul_scalar(by.scale) };
    let squared = gradient.clone().square().mul_scalar(1.0 - BETA_2);
    let first = first.mul_scalar(BETA_1).add(gradient.mul_scalar(1.0 - BETA_1));
    let second = second.mul_scalar(BETA_2).add(squared);
    let below = second.clone().sqrt().div_scalar(by.root).add_scalar(EPSILON);
    (value.sub(first.clone().div(below).mul_scalar(by.rate)), first, second)
}

/// Numbers of a parameter below which a thread of its own does not pay.
const GRAIN: usize = 1 << 15;

/// [`tensor_step`] in one pass over memory that the tensors share with the host.
fn host_step(
    by: By,
    value: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let device = value.device();
    let [mut value, mut first, mut second] = [value, first, second].map(Tensor::into_data);
    let gradient = gradient.into_data();
    let tasks = floats(&mut value)
        .par_chunks_mut(GRAIN)
        .zip(gradient.as_slice::<f32>().expect("a gradient of f32").par_chunks(GRAIN))
        .zip(floats(&mut first).par_chunks_mut(GRAIN))
        .zip(floats(&mut second).par_chunks_mut(GRAIN));
    let (rate, root, scale) = (by.rate as f32, 1.0 / by.root as f32, by.scale as f32);
    let (beta_1, beta_2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
    let (rest_1, rest_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
    tasks.for_each(|(((value, gradient), first), second)| {
        vectorised(
            #[inline(always)]
            || {
                for (((value, gradient), first), second) in
                    value.iter_mut().zip(gradient).zip(first).zip(second)
                {
                    let gradient = gradient * scale;
                    *first = *first * beta_1 + gradient * rest_1;
                    *second = *second * beta_2 + gradient * gradient * rest_2;
                    *value -= *first / (second.sqrt() * root + epsilon) * rate;
                }
            },
        );
    });
    let [value, first, second] = [value, first, second].map(|data| Tensor::from_data(data, &device));
    (value, first, second)
}

fn floats(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("a tensor of f32")
}

/// Whether the host reads and writes the device's tensors where they are.
fn on_host(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    let host = device.clone().inner() == Device::flex();
    #[cfg(not(feature = "flex"))]
    let host = {
        let _ = device;
        false
    };
    host
}

/// The float parameters of a module, flat, in the order in which it shows them.
pub fn weights<M: Module>(module: &M) -> Vec<Vec<f32>> {
    struct Read(Vec<Vec<f32>>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_data().iter::<f32>().collect());
        }
    }
    let mut read = Read(Vec::new());
    module.visit(&mut read);
    read.0
}

/// `module` with the parameters that [`weights`] gave.
///
/// # Errors
/// If their number or a length is another.
pub fn with_weights<M: Module>(module: M, weights: Vec<Vec<f32>>) -> Result<M> {
    struct Write {
        weights: std::vec::IntoIter<Vec<f32>>,
        fault: Option<String>,
    }
    impl ModuleMapper for Write {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (shape, device) = (param.val().shape(), param.val().device());
            match self.weights.next() {
                Some(values) if values.len() == shape.num_elements() => {
                    let shape: [usize; D] = shape.dims();
                    param.map(|value| {
                        let new = Tensor::<D>::from_data(TensorData::new(values, shape), &device);
                        // A detached module (made by `valid`) has no gradients to follow.
                        if value.is_require_grad() { new.require_grad() } else { new }
                    })
                }
                other => {
                    let found = other
                        .map_or_else(|| "nothing".to_string(), |values| format!("{} values", values.len()));
                    self.fault.get_or_insert(format!("a parameter of shape {shape:?} has {found}"));
                    param
                }
            }
        }
    }
    let mut write = Write { weights: weights.into_iter(), fault: None };
    let module = module.map(&mut write);
    if write.fault.is_none() && write.weights.next().is_some() {
        write.fault = Some("there are more parameters than the model has".to_string());
    }
    match write.fault {
        None => Ok(module),
        Some(what) => Err(Error::invalid(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::normal;

    #[test]
    fn the_step_in_one_pass_agrees_with_the_one_of_tensors() {
        let device = Device::default();
        let mut rng = rec_core::random::stream(5, "test", 0);
        let mut draw = |sd| {
            let values = normal(2 * GRAIN + 77, sd, &mut rng);
            let count = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [count]), &device)
        };
        let by = By { rate: 3e-3, root: 0.7, scale: 0.4 };
        let (value, gradient, first, second) = (draw(1.0), draw(2.0), draw(0.5), draw(0.5).square());
        let host = host_step(by, value.clone(), gradient.clone(), first.clone(), second.clone());
        let tensor = tensor_step(by, value, gradient, first, second);
        for (one, other) in [(host.0, tensor.0), (host.1, tensor.1), (host.2, tensor.2)] {
            let away = one.sub(other).abs().max().into_scalar::<f32>();
            assert!(away < 1e-6, "{away}");
        }
    }
}
