//! AdamW with torch's semantics for any module, on gradients that can be summed and clipped.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Gradients, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cpu::arithmetic::vectorized;
use crate::projection::{as_type, host};

/// The gradients of a module's parameters, flat, in the order in which it shows them.
#[derive(Clone, Debug, Default)]
pub struct ParameterGradients(Vec<Option<Tensor<1>>>);

impl ParameterGradients {
    /// Goes back from `loss`, a single number.
    pub fn of<M: Module>(module: &M, loss: Tensor<1>) -> Self {
        struct Take {
            gradients: Gradients,
            taken: Vec<Option<Tensor<1>>>,
        }
        impl ModuleVisitor for Take {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let value = param.val();
                let gradient =
                    if value.is_require_grad() { value.grad_remove(&mut self.gradients) } else { None };
                self.taken.push(gradient.map(|gradient| {
                    let count = gradient.shape().num_elements();
                    as_type(gradient.reshape([count]), DType::F32)
                }));
            }
        }
        let mut take = Take { gradients: loss.backward(), taken: Vec::new() };
        module.visit(&mut take);
        Self(take.taken)
    }

    /// Gradients that were computed by hand, parameter by parameter, for parameters on `device`.
    pub fn from_values(values: Vec<Option<Vec<f32>>>, device: &Device) -> Self {
        let device = device.clone().inner();
        let flat = |values| crate::cpu::weights::flat(values, &device);
        Self(values.into_iter().map(|values| values.map(flat)).collect())
    }

    #[cfg(feature = "distributed")]
    pub(crate) fn of_tensors(gradients: Vec<Option<Tensor<1>>>) -> Self {
        Self(gradients)
    }

    /// One entry per parameter; none where the loss does not depend on it or it is frozen.
    pub fn parameters(&self) -> &[Option<Tensor<1>>] {
        &self.0
    }

    /// Those of a module whose first parameters these are of, and `others` of the rest.
    pub fn then(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// `self + weight * other`.
    pub fn add(self, other: Self, weight: f64) -> Self {
        let scaled = |gradient: Tensor<1>| if weight == 1.0 { gradient } else { gradient.mul_scalar(weight) };
        if self.0.is_empty() {
            return Self(other.0.into_iter().map(|gradient| gradient.map(scaled)).collect());
        }
        let pairs = self.0.into_iter().zip(other.0);
        Self(
            pairs
                .map(|pair| match pair {
                    (Some(one), Some(other)) => Some(one.add(scaled(other))),
                    (one, other) => one.or_else(|| other.map(scaled)),
                })
                .collect(),
        )
    }

    /// The Euclidean norm over all parameters.
    pub fn norm(&self) -> f64 {
        let sums = self.0.iter().flatten().map(|gradient| gradient.clone().square().sum());
        sums.reduce(Tensor::add).map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()).sqrt())
    }
}

/// The settings of [`AdamW`]; the defaults are those of `torch.optim.AdamW`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdamWConfig {
    /// The decay of the first moment.
    pub beta_1: f64,
    /// The decay of the second moment.
    pub beta_2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// How fast parameters go to zero, as a fraction of the learning rate.
    pub weight_decay: f64,
    /// Whether norms and biases decay too, as torch does unless told otherwise and transformers' trainer does not.
    pub decay_vectors: bool,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 1e-2, decay_vectors: true }
    }
}

/// Adam with decoupled weight decay (Loshchilov & Hutter, 2019). Moments are in f32.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: u64,
    moments: Vec<Option<[Tensor<1>; 2]>>,
}

impl AdamW {
    /// Before its first step.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, steps: 0, moments: Vec::new() }
    }

    /// The number of steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// `module` after one step on `scale * gradients`; a parameter without gradient stays as it is.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: ParameterGradients,
        scale: f64,
        learning_rate: f64,
    ) -> M {
        self.steps += 1;
        let power = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let AdamWConfig { beta_1, beta_2, .. } = self.config;
        let by = By {
            config: self.config,
            learning_rate,
            rate: learning_rate / (1.0 - beta_1.powi(power)),
            root: (1.0 - beta_2.powi(power)).sqrt(),
            scale,
        };
        let moments = &mut self.moments;
        module.map(&mut Step { by, gradients: gradients.0, moments, at: 0 })
    }

    /// The moments of each parameter; an empty pair where there are none.
    pub fn moments(&self) -> Vec<[Vec<f32>; 2]> {
        let read = |moments: &Option<[Tensor<1>; 2]>| match moments {
            Some([first, second]) => [host(first.clone()), host(second.clone())],
            None => [Vec::new(), Vec::new()],
        };
        self.moments.iter().map(read).collect()
    }

    /// Goes on after `steps` steps with these [`AdamW::moments`], on the device that the parameters are on.
    pub fn restore(&mut self, steps: u64, moments: Vec<[Vec<f32>; 2]>, device: &Device) {
        let device = device.clone().inner();
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::from_data(TensorData::new(values, [length]), &device)
        };
        self.steps = steps;
        let moments = moments.into_iter();
        self.moments = moments
            .map(|[first, second]| (!first.is_empty()).then(|| [tensor(first), tensor(second)]))
            .collect();
    }
}

/// The numbers of a step that do not depend on the parameter.
#[derive(Clone, Copy, Debug)]
struct By {
    config: AdamWConfig,
    learning_rate: f64,
    /// `learning rate / (1 - beta_1^t)`.
    rate: f64,
    /// `sqrt(1 - beta_2^t)`.
    root: f64,
    /// What gradients are multiplied by.
    scale: f64,
}

struct Step<'a> {
    by: By,
    gradients: Vec<Option<Tensor<1>>>,
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
        let Some(gradient) = self.gradients.get_mut(at).and_then(Option::take) else { return param };
        let moments = self.moments[at].take();
        let [first, second] = moments.unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
        let by = self.by;
        let decays = D > 1 || by.config.decay_vectors;
        let decay = if decays { 1.0 - by.learning_rate * by.config.weight_decay } else { 1.0 };
        param.map(|value| {
            let (shape, dtype) = (value.shape(), value.dtype());
            let value = as_type(value.inner().reshape([gradient.shape().num_elements()]), DType::F32);
            let step = if on_host(&gradient.device()) { host_step } else { tensor_step };
            let (value, first, second) = step(by, decay, value, gradient, first, second);
            self.moments[at] = Some([first, second]);
            Tensor::from_inner(as_type(value.reshape(shape), dtype)).require_grad()
        })
    }
}

/// The new value, first and second moment.
fn tensor_step(
    by: By,
    decay: f64,
    value: Tensor<1>,
    gradient: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
) -> (Tensor<1>, Tensor<1>, Tensor<1>) {
    let AdamWConfig { beta_1, beta_2, epsilon, .. } = by.config;
    let gradient = gradient.mul_scalar(by.scale);
    let squared = gradient.clone().square().mul_scalar(1.0 - beta_2);
    let first = first.mul_scalar(beta_1).add(gradient.mul_scalar(1.0 - beta_1));
    let second = second.mul_scalar(beta_2).add(squared);
    let below = second.clone().sqrt().div_scalar(by.root).add_scalar(epsilon);
    let value = value.mul_scalar(decay).sub(first.clone().div(below).mul_scalar(by.rate));
    (value, first, second)
}

/// Numbers of a parameter below which a thread of its own does not pay.
const GRAIN: usize = 1 << 15;

/// [`tensor_step`] in one pass over memory that the tensors share with the host.
fn host_step(
    by: By,
    decay: f64,
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
    let AdamWConfig { beta_1, beta_2, epsilon, .. } = by.config;
    let (rate, root, scale) = (by.rate as f32, 1.0 / by.root as f32, by.scale as f32);
    let (rest_1, rest_2) = ((1.0 - beta_1) as f32, (1.0 - beta_2) as f32);
    let (beta_1, beta_2, epsilon, decay) = (beta_1 as f32, beta_2 as f32, epsilon as f32, decay as f32);
    tasks.for_each(|(((value, gradient), first), second)| {
        vectorized(
            #[inline(always)]
            || {
                for (((value, gradient), first), second) in
                    value.iter_mut().zip(gradient).zip(first).zip(second)
                {
                    let gradient = gradient * scale;
                    *first = *first * beta_1 + gradient * rest_1;
                    *second = *second * beta_2 + gradient * gradient * rest_2;
                    *value = *value * decay - *first / (second.sqrt() * root + epsilon) * rate;
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
pub(crate) fn on_host(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    let host = device.clone().inner() == Device::flex();
    #[cfg(not(feature = "flex"))]
    let host = {
        let _ = device;
        false
    };
    host
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::projection::normal;

    #[test]
    fn the_step_in_one_pass_agrees_with_the_one_of_tensors() {
        let device = Device::flex();
        let mut rng = rec_core::random::stream(5, "test", 0);
        let mut draw = |sd| {
            let values = normal(2 * GRAIN + 77, sd, &mut rng);
            let count = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [count]), &device)
        };
        let config = AdamWConfig::default();
        let by = By { config, learning_rate: 3e-3, rate: 3e-3, root: 0.7, scale: 0.4 };
        let (value, gradient, first, second) = (draw(1.0), draw(2.0), draw(0.5), draw(0.5).square());
        let host = host_step(by, 0.9, value.clone(), gradient.clone(), first.clone(), second.clone());
        let tensor = tensor_step(by, 0.9, value, gradient, first, second);
        for (one, other) in [(host.0, tensor.0), (host.1, tensor.1), (host.2, tensor.2)] {
            let away = one.sub(other).abs().max().into_scalar::<f32>();
            assert!(away < 1e-6, "{away}");
        }
    }
}
