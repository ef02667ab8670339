//! Adam with torch's semantics for any module, with moments that can be saved.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

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
        let mut step = Step {
            rate: self.learning_rate / (1.0 - BETA_1.powi(power)),
            root: (1.0 - BETA_2.powi(power)).sqrt(),
            scale: scale.filter(|&scale| scale < 1.0),
            gradients,
            moments: &mut self.moments,
            at: 0,
        };
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
    rate: f64,
    root: f64,
    scale: Option<f64>,
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
        let mut gradient = gradient.reshape([count]);
        if let Some(scale) = self.scale {
            gradient = gradient.mul_scalar(scale);
        }
        let [first, second] =
            self.moments[at].take().unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
        let squared = gradient.clone().square().mul_scalar(1.0 - BETA_2);
        let first = first.mul_scalar(BETA_1).add(gradient.mul_scalar(1.0 - BETA_1));
        let second = second.mul_scalar(BETA_2).add(squared);
        let below = second.clone().sqrt().div_scalar(self.root).add_scalar(EPSILON);
        let by = first.clone().div(below).mul_scalar(self.rate).reshape(shape);
        self.moments[at] = Some([first, second]);
        param.map(|value| Tensor::from_inner(value.inner().sub(by)).require_grad())
    }
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
