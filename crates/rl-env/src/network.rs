//! Layers with seeded initial values.
//!
//! burn's own layers draw from the device's generator, which all threads of a process share; these draw from the run's.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rec_core::random::Random;

/// Where a layer's values start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Weights and bias uniform within `1 / sqrt(inputs)`, as `torch.nn.Linear`.
    #[default]
    Uniform,
    /// Orthogonal weights (Saxe et al., 2014) and no bias.
    Orthogonal,
    /// The same, times the square root of 2: what a rectifier halves stays as large as it was.
    OrthogonalRelu,
}

/// A parameter of `shape` with `values`.
///
/// # Panics
/// If the shape does not hold as many values.
pub fn param<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}

/// The values of a tensor on the host, row by row.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_into_vec().expect("just converted")
}

/// `count` draws, uniform within `bound` of zero.
pub fn uniform(count: usize, bound: f32, rng: &mut Random) -> Vec<f32> {
    (0..count).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound).collect()
}

/// `count` draws of a normal variable with mean 0 and standard deviation `sd`.
pub fn normal(count: usize, sd: f32, rng: &mut Random) -> Vec<f32> {
    (0..count)
        .map(|_| {
            // Box and Muller; 1 - u is never 0.
            let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
            radius * (std::f32::consts::TAU * rng.random::<f32>()).cos() * sd
        })
        .collect()
}

/// A matrix `[rows, columns]` with orthonormal rows or columns, whichever are fewer.
fn orthogonal(rows: usize, columns: usize, rng: &mut Random) -> Vec<f32> {
    let (long, short) = (rows.max(columns), rows.min(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(short);
    while vectors.len() < short {
        let mut vector: Vec<f64> = normal(long, 1.0, rng).into_iter().map(f64::from).collect();
        // Twice, since once loses orthogonality where the draw lies close to the span of the others.
        for _ in 0..2 {
            for other in &vectors {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let length = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        if length > 1e-6 {
            vectors.push(vector.into_iter().map(|a| a / length).collect());
        }
    }
    (0..rows * columns)
        .map(|cell| {
            let (row, column) = (cell / columns, cell % columns);
            (if rows <= columns { vectors[row][column] } else { vectors[column][row] }) as f32
        })
        .collect()
}

/// `x W + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Linear {
    /// A layer with `inputs` and `outputs`.
    pub fn new(inputs: usize, outputs: usize, start: Start, rng: &mut Random, device: &Device) -> Self {
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        let (weight, bias) = match start {
            Start::Uniform => (uniform(inputs * outputs, bound, rng), uniform(outputs, bound, rng)),
            Start::Orthogonal => (orthogonal(inputs, outputs, rng), vec![0.0; outputs]),
            Start::OrthogonalRelu => {
                let mut weight = orthogonal(inputs, outputs, rng);
                weight.iter_mut().for_each(|value| *value *= std::f32::consts::SQRT_2);
                (weight, vec![0.0; outputs])
            }
        };
        Self { weight: param(weight, [inputs, outputs], device), bias: param(bias, [outputs], device) }
    }

    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - output: `[n, outputs]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()).add(self.bias.val().unsqueeze())
    }
}

/// Layers with a rectifier after each.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// From `inputs` through the `hidden` widths.
    pub fn new(inputs: usize, hidden: &[usize], start: Start, rng: &mut Random, device: &Device) -> Self {
        let mut width = inputs;
        let layers = hidden.iter().map(|&next| {
            let layer = Linear::new(width, next, start, rng, device);
            width = next;
            layer
        });
        Self { layers: layers.collect() }
    }

    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - output: `[n, last hidden width]`, from 0
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| relu(layer.forward(x)))
    }
}

/// `(x - mean) / sqrt(variance + 1e-5) * gamma + beta` over the last axis (Ba et al., 2016).
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`; starts at 1.
    pub gamma: Param<Tensor<1>>,
    /// `[width]`; starts at 0.
    pub beta: Param<Tensor<1>>,
}

impl LayerNorm {
    /// Over rows of `width` numbers.
    pub fn new(width: usize, device: &Device) -> Self {
        Self {
            gamma: param(vec![1.0; width], [width], device),
            beta: param(vec![0.0; width], [width], device),
        }
    }

    /// # Shapes
    /// - `x` and output: `[n, width]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = x.clone().sub(x.mean_dim(1));
        let variance = x.clone().square().mean_dim(1);
        x.div(variance.add_scalar(1e-5).sqrt())
            .mul(self.gamma.val().unsqueeze())
            .add(self.beta.val().unsqueeze())
    }
}

/// Sets each number to 0 with the probability `rate` and scales the others by `1 / (1 - rate)`, if there is a generator
/// to draw from; none means that nothing is being learned.
pub fn dropout<const D: usize>(x: Tensor<D>, rate: f64, rng: Option<&mut Random>) -> Tensor<D> {
    let Some(rng) = rng.filter(|_| rate > 0.0) else { return x };
    let shape: [usize; D] = x.dims();
    let kept = (1.0 / (1.0 - rate)) as f32;
    let draw = |_| if rng.random::<f64>() < rate { 0.0 } else { kept };
    let mask: Vec<f32> = (0..shape.iter().product::<usize>()).map(draw).collect();
    let mask = Tensor::<D>::from_data(TensorData::new(mask, shape), &x.device());
    x.mul(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropout_keeps_the_mean_and_does_nothing_without_a_generator() {
        let x = Tensor::<1>::ones([20_000], &Device::flex());
        let same = dropout(x.clone(), 0.1, None);
        assert!(same.equal(x.clone()).all().into_scalar::<bool>());
        let mut rng = rec_core::random::stream(1, "test", 0);
        let values: Vec<f32> = dropout(x, 0.1, Some(&mut rng)).into_data().iter::<f32>().collect();
        let zeros = values.iter().filter(|&&value| value == 0.0).count();
        assert!((1800..2200).contains(&zeros), "{zeros}");
        assert!(values.iter().all(|&value| value == 0.0 || (value - 1.0 / 0.9).abs() < 1e-6));
    }

    #[test]
    fn orthogonal_matrices_have_orthonormal_rows_or_columns() {
        let mut rng = rec_core::random::stream(1, "test", 0);
        for (rows, columns) in [(3, 7), (7, 3), (5, 5)] {
            let m = orthogonal(rows, columns, &mut rng);
            let short = rows.min(columns);
            for a in 0..short {
                for b in 0..short {
                    let dot: f32 = (0..rows.max(columns))
                        .map(|k| {
                            if rows <= columns {
                                m[a * columns + k] * m[b * columns + k]
                            } else {
                                m[k * columns + a] * m[k * columns + b]
                            }
                        })
                        .sum();
                    assert!(
                        (dot - if a == b { 1.0 } else { 0.0 }).abs() < 1e-5,
                        "{rows} x {columns}: {a} {b} {dot}"
                    );
                }
            }
        }
    }
}
