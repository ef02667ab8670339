//! Alignment at several hops of the graph.

use burn::tensor::Tensor;

use super::directau::{Objective, T};
use super::{alignment, normalize, uniformity};

/// `mean_l base^l a_l + gamma * (uniformity(users_0) + uniformity(items_0)) / 2` with
/// `a_0 = alignment(users_0, items_0)` and
/// `a_l = (alignment(users_0, items_l) + alignment(users_l, items_0)) / 2` (GraphAU, Yang et al., CIKM 2023).
///
/// The authors' program counts the hop 0 among its layers: its `layers = 4` are the hops 0 to 3.
///
/// Terms: `alignment` (the weighted mean), `uniformity_user`, `uniformity_item`.
///
/// # Shapes
/// - `users`, `items`: for each hop, from 0, the rows of the batch after so many propagations, `[B, dim]`
/// - output: `[1]` and three terms of `[1]`
///
/// # Panics
/// If there is no hop, or users and items have different numbers of them.
pub fn graphau(users: Vec<Tensor<2>>, items: Vec<Tensor<2>>, gamma: f64, base: f64) -> Objective {
    assert_eq!(users.len(), items.len(), "users and items have the same hops");
    let hops = users.len() as f64;
    let mut pairs = users.into_iter().map(normalize).zip(items.into_iter().map(normalize));
    let (users, items) = pairs.next().expect("at least the hop 0");
    let mut aligned = alignment::of_unit_rows(users.clone(), items.clone());
    let mut weight = 1.0;
    for (users_l, items_l) in pairs {
        weight *= base;
        let there = alignment::of_unit_rows(users.clone(), items_l);
        let back = alignment::of_unit_rows(users_l, items.clone());
        aligned = aligned.add(there.add(back).mul_scalar(weight / 2.0));
    }
    let aligned = aligned.div_scalar(hops);
    let uniformity_user = uniformity::of_unit_rows(users, T);
    let uniformity_item = uniformity::of_unit_rows(items, T);
    let spread = uniformity_user.clone().add(uniformity_item.clone()).mul_scalar(gamma / 2.0);
    Objective {
        loss: aligned.clone().add(spread),
        terms: vec![
            ("alignment", aligned),
            ("uniformity_user", uniformity_user),
            ("uniformity_item", uniformity_item),
        ],
    }
}
