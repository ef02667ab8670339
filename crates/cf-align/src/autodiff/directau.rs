//! The DirectAU loss.

use burn::tensor::Tensor;

use super::{alignment, normalize, uniformity};

/// The scale of the Gaussian potential, `t = 2` in all published work on recommendation.
pub(super) const T: f64 = 2.0;

/// A loss to minimise and what it is made of.
#[derive(Clone, Debug)]
pub struct Objective {
    /// What is minimised, `[1]`.
    pub loss: Tensor<1>,
    /// Its named terms, each `[1]`: alignment and uniformity before they are weighted, penalties after.
    pub terms: Vec<(&'static str, Tensor<1>)>,
}

/// `alignment + gamma * (uniformity(users) + uniformity(items)) / 2` over a batch of positive pairs (DirectAU, Wang
/// et al., KDD 2022), with `t = 2`. Each occurrence of a user or item counts, as published.
///
/// Terms: `alignment`, `uniformity_user`, `uniformity_item`.
///
/// # Shapes
/// - `users`: `[B, dim]`, the encoder's outputs, of any length
/// - `items`: `[B, dim]`, the positives
/// - output: `[1]` and three terms of `[1]`
pub fn directau(users: Tensor<2>, items: Tensor<2>, gamma: f64) -> Objective {
    combine(users, items, gamma, |z| uniformity::of_unit_rows(z, T), |z| uniformity::of_unit_rows(z, T))
}

/// [`directau`] with a weight for each row in the two uniformity terms (see
/// [`weighted_uniformity`](super::weighted_uniformity)); alignment counts every pair.
///
/// # Shapes
/// As [`directau`]; `user_weights` and `item_weights` hold `B` numbers from 0.
///
/// # Panics
/// If the weights have another length than the batch, or a negative or non-finite entry.
pub fn directau_weighted(
    users: Tensor<2>,
    items: Tensor<2>,
    gamma: f64,
    user_weights: &[f32],
    item_weights: &[f32],
) -> Objective {
    combine(
        users,
        items,
        gamma,
        |z| uniformity::weighted_of_unit_rows(z, user_weights, T),
        |z| uniformity::weighted_of_unit_rows(z, item_weights, T),
    )
}

fn combine(
    users: Tensor<2>,
    items: Tensor<2>,
    gamma: f64,
    of_users: impl FnOnce(Tensor<2>) -> Tensor<1>,
    of_items: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> Objective {
    let (users, items) = (normalize(users), normalize(items));
    let alignment = alignment::of_unit_rows(users.clone(), items.clone());
    let uniformity_user = of_users(users);
    let uniformity_item = of_items(items);
    let spread = uniformity_user.clone().add(uniformity_item.clone()).mul_scalar(gamma / 2.0);
    Objective {
        loss: alignment.clone().add(spread),
        terms: vec![
            ("alignment", alignment),
            ("uniformity_user", uniformity_user),
            ("uniformity_item", uniformity_item),
        ],
    }
}
