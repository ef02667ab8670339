//! A network that gives several numbers per item: the atoms of a distribution of returns, or its quantiles.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};
use rec_core::random::Random;

use crate::network::{Mlp, Start, host, param, uniform};
use crate::softmax;

/// A trunk and a linear head of `n_items * atoms` numbers. What belongs to one item lies together, so that single items
/// are cheap to pick.
#[derive(Module, Debug)]
pub struct AtomNetwork {
    trunk: Mlp,
    /// `[n_items, atoms * width]`.
    weight: Param<Tensor<2>>,
    /// `[n_items, atoms]`.
    bias: Param<Tensor<2>>,
}

impl AtomNetwork {
    /// Over vectors of `inputs` numbers.
    pub fn new(
        inputs: usize,
        hidden: &[usize],
        n_items: usize,
        atoms: usize,
        rng: &mut Random,
        device: &Device,
    ) -> Self {
        let trunk = Mlp::new(inputs, hidden, Start::Uniform, rng, device);
        let width = hidden.last().copied().unwrap_or(inputs);
        let bound = 1.0 / (width.max(1) as f32).sqrt();
        let weight = uniform(n_items * atoms * width, bound, rng);
        let bias = uniform(n_items * atoms, bound, rng);
        Self {
            trunk,
            weight: param(weight, [n_items, atoms * width], device),
            bias: param(bias, [n_items, atoms], device),
        }
    }

    /// For each item the mean of `values` by the softmax of its numbers, worked out on the host in one pass over the many
    /// numbers, `[n, n_items]` in row order.
    ///
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - `values`: `[atoms]`
    pub fn expectations(&self, x: Tensor<2>, values: &[f32]) -> Vec<f32> {
        let hidden = self.trunk.forward(x);
        let (width, [n_items, atoms]) = (hidden.dims()[1], self.bias.val().dims());
        let weight = self.weight.val().reshape([n_items * atoms, width]).swap_dims(0, 1);
        softmax::means(&host(hidden.matmul(weight)), &host(self.bias.val()), values)
    }

    /// The numbers of one item per row, without working out the others.
    ///
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - `items`: `[n, 1]`
    /// - output: `[n, atoms]`
    pub fn of(&self, x: Tensor<2>, items: Tensor<2, Int>) -> Tensor<2> {
        let hidden = self.trunk.forward(x);
        let ([n, width], atoms, items) =
            (hidden.dims(), self.bias.val().dims()[1], items.squeeze_dim::<1>(1));
        let weight = self.weight.val().select(0, items.clone()).reshape([n, atoms, width]);
        let bias = self.bias.val().select(0, items);
        weight.matmul(hidden.unsqueeze_dim::<3>(2)).squeeze_dim::<2>(2).add(bias)
    }

    /// The mean of every item's numbers; since the head is linear, the head's mean does.
    ///
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - output: `[n, n_items]`
    pub fn means(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = self.trunk.forward(x);
        let (width, [n_items, atoms]) = (hidden.dims()[1], self.bias.val().dims());
        let weight = self.weight.val().reshape([n_items, atoms, width]).mean_dim(1).squeeze_dim::<2>(1);
        hidden.matmul(weight.swap_dims(0, 1)).add(self.bias.val().mean_dim(1).swap_dims(0, 1))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    impl AtomNetwork {
        /// All items' numbers, `[n, n_items, atoms]`.
        fn all(&self, x: Tensor<2>) -> Tensor<3> {
            let hidden = self.trunk.forward(x);
            let ([n, width], [n_items, atoms]) = (hidden.dims(), self.bias.val().dims());
            let weight = self.weight.val().reshape([n_items * atoms, width]).swap_dims(0, 1);
            let bias = self.bias.val().reshape([1, n_items * atoms]);
            hidden.matmul(weight).add(bias).reshape([n, n_items, atoms])
        }
    }

    #[test]
    fn one_item_and_the_means_agree_with_all_atoms() {
        let device = Device::default();
        let mut rng = rec_core::random::stream(3, "test", 0);
        let network = AtomNetwork::new(5, &[7], 4, 3, &mut rng, &device);
        let x = Tensor::<2>::from_data(
            TensorData::new(crate::network::normal(10, 1.0, &mut rng), [2, 5]),
            &device,
        );
        let items = Tensor::<2, Int>::from_data(TensorData::new(vec![3_i32, 1], [2, 1]), &device);
        let all = host(network.all(x.clone()));
        let (of, means) = (host(network.of(x.clone(), items)), host(network.means(x.clone())));
        for (row, item) in [(0, 3), (1, 1)] {
            for atom in 0..3 {
                assert!((of[row * 3 + atom] - all[(row * 4 + item) * 3 + atom]).abs() < 1e-6);
            }
        }
        let values = [-1.0, 0.5, 4.0];
        let expected = network.expectations(x, &values);
        for (cell, mean) in means.iter().enumerate() {
            let weights: Vec<f32> = all[cell * 3..][..3].iter().map(|logit| logit.exp()).collect();
            let mean_of_values =
                weights.iter().zip(&values).map(|(weight, value)| weight * value).sum::<f32>()
                    / weights.iter().sum::<f32>();
            assert!((expected[cell] - mean_of_values).abs() < 1e-5);
            assert!((mean - all[cell * 3..][..3].iter().sum::<f32>() / 3.0).abs() < 1e-6);
        }
    }
}
