//! The burn losses against brute force in f64, finite differences and their limits.
#![cfg(feature = "flex")]

use burn::tensor::{Device, Tensor, TensorData};
use cf_align::autodiff::{
    Parameters, alignment, bpr, device, directau, embedding_penalty, gradients, graphau, margin_alignment,
    normalize, uniformity, weighted_uniformity,
};
use cf_align::{Encoder, Loss, ModelConfig};
use rand::RngExt;
use rec_core::{Interactions, ItemId, UserId, UserItems, random};

fn flex() -> Device {
    device("flex").unwrap()
}

fn tensor(values: &[f32], rows: usize) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows]), &flex())
}

fn draw(rows: usize, dim: usize, purpose: &str) -> Vec<f32> {
    let mut rng = random::stream(7, purpose, 0);
    (0..rows * dim).map(|_| rng.random_range(-1.0_f32..1.0)).collect()
}

fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.into_scalar::<f32>())
}

/// `log mean_{p<q} w_p w_q exp(-t |z_p - z_q|^2)` over normalised rows, pair by pair in f64.
fn brute_uniformity(x: &[f32], rows: usize, weights: &[f32], t: f64) -> f64 {
    let dim = x.len() / rows;
    let z: Vec<Vec<f64>> = x
        .chunks(dim)
        .map(|row| {
            let norm = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12);
            row.iter().map(|v| f64::from(*v) / norm).collect()
        })
        .collect();
    let (mut sum, mut total) = (0.0, 0.0);
    for p in 0..rows {
        for q in p + 1..rows {
            let weight = f64::from(weights[p]) * f64::from(weights[q]);
            let distance: f64 = z[p].iter().zip(&z[q]).map(|(a, b)| (a - b).powi(2)).sum();
            sum += weight * (-t * distance).exp();
            total += weight;
        }
    }
    (sum / total).ln()
}

#[test]
fn uniformity_equals_brute_force_on_a_batch_with_many_repeated_ids() {
    let (rows, ids, dim) = (512, 200, 16);
    let table = draw(ids, dim, "table");
    let mut rng = random::stream(7, "ids", 0);
    let drawn: Vec<usize> = (0..rows).map(|_| rng.random_range(0..ids)).collect();
    let x: Vec<f32> = drawn.iter().flat_map(|id| table[id * dim..][..dim].to_vec()).collect();
    for t in [2.0, 0.5, 60.0] {
        let ours = scalar(uniformity(tensor(&x, rows), t));
        let exact = brute_uniformity(&x, rows, &vec![1.0; rows], t);
        assert!((ours - exact).abs() < 2e-5, "t {t}: {ours} against {exact}");
    }
    // Distinct ids only: by weights over the batch, and over the table of those that were drawn.
    let mut seen = vec![false; ids];
    let first: Vec<f32> =
        drawn.iter().map(|&id| if std::mem::replace(&mut seen[id], true) { 0.0 } else { 1.0 }).collect();
    let ours = scalar(weighted_uniformity(tensor(&x, rows), &first, 2.0));
    let exact = brute_uniformity(&x, rows, &first, 2.0);
    assert!((ours - exact).abs() < 2e-6, "{ours} against {exact}");
    // By frequency.
    let mut counts = vec![0.0_f32; ids];
    drawn.iter().for_each(|&id| counts[id] += 1.0);
    let ours = scalar(weighted_uniformity(tensor(&table, ids), &counts, 2.0));
    let exact = brute_uniformity(&table, ids, &counts, 2.0);
    assert!((ours - exact).abs() < 2e-6, "{ours} against {exact}");
}

#[test]
fn uniformity_does_not_underflow() {
    // Opposite vectors at t = 100: exp(-400) is no f32, its logarithm is.
    let x = tensor(&[1.0, 0.0, -1.0, 0.0], 2);
    assert!((scalar(uniformity(x, 100.0)) + 400.0).abs() < 1e-3);
}

#[test]
fn limits() {
    let x = draw(6, 4, "x");
    let equal = tensor(&x[..4].repeat(5), 5);
    assert!(scalar(uniformity(equal.clone(), 2.0)).abs() < 1e-6);
    assert!(scalar(alignment(equal.clone(), equal.clone().mul_scalar(3.0))).abs() < 1e-6);
    assert!((scalar(alignment(equal.clone(), equal.clone().neg())) - 4.0).abs() < 1e-6);
    // One row has no pair.
    assert_eq!(scalar(uniformity(tensor(&x[..4], 1), 2.0)), 0.0);
    assert_eq!(scalar(weighted_uniformity(tensor(&x, 6), &[0.0, 0.0, 2.0, 0.0, 0.0, 0.0], 2.0)), 0.0);
    // Opposite poles: |z_p - z_q|^2 = 4.
    assert!((scalar(uniformity(tensor(&[0.0, 2.0, 0.0, -3.0], 2), 2.0)) + 8.0).abs() < 1e-6);
    // A ranking that is right by far costs nothing, one that is wrong by far costs the difference.
    let scores = |values: [f32; 2]| Tensor::<1>::from_floats(values, &flex());
    assert!(scalar(bpr(scores([60.0, 80.0]), scores([0.0, 0.0]))) < 1e-20);
    assert!((scalar(bpr(scores([0.0, 0.0]), scores([60.0, 80.0]))) - 70.0).abs() < 1e-5);
    // The widened angle stops at pi: opposite vectors cost 1, not less.
    let margins = Tensor::<1>::zeros([5], &flex());
    assert!(
        (scalar(margin_alignment(equal.clone(), equal.clone().neg(), margins.clone())) - 1.0).abs() < 1e-6
    );
    // A margin sum of 0 widens by 1 - sigmoid(0) = 1/2.
    let aligned = scalar(margin_alignment(equal.clone(), equal.clone(), margins));
    assert!((aligned + 0.5_f64.cos()).abs() < 3e-4, "{aligned}");
    let zeros = Tensor::<2>::zeros([3, 4], &flex());
    assert_eq!(scalar(normalize(zeros.clone()).sum()), 0.0);
    assert!(scalar(embedding_penalty(vec![zeros.clone(), zeros], false)) < 1e-11);
}

#[test]
fn no_gradient_is_nan_at_zero_vectors_and_identical_vectors() {
    let device = flex().autodiff();
    for values in [[0.0_f32; 8], [0.5; 8]] {
        let leaf =
            || Tensor::<2>::from_data(TensorData::new(values.to_vec(), [4, 2]), &device).require_grad();
        let (users, items) = (leaf(), leaf());
        let margins = Tensor::<1>::zeros([4], &device);
        let loss = directau(users.clone(), items.clone(), 1.0).loss
            + margin_alignment(users.clone(), items.clone(), margins)
            + embedding_penalty(vec![users.clone(), items.clone()], false)
            + graphau(vec![users.clone(); 2], vec![items.clone(); 2], 1.0, 1.4).loss;
        let gradients = loss.backward();
        for leaf in [users, items] {
            let gradient = leaf.grad(&gradients).unwrap();
            assert!(!gradient.contains_nan().into_scalar::<bool>(), "{values:?}");
        }
    }
}

/// A small graph with repeated pairs, and a model on it.
fn small(loss: Loss, encoder: Encoder) -> (ModelConfig, UserItems, Parameters) {
    let (n_users, n_items) = (6, 7);
    let (users, items) = (0..6_usize)
        .flat_map(|user| {
            (0..3).map(move |k| (UserId::from_index(user), ItemId::from_index((user * 2 + k * k) % 7)))
        })
        .unzip();
    let positives = UserItems::new(&Interactions::from_pairs(users, items), n_users, n_items);
    let mut config = ModelConfig { loss, encoder, ..ModelConfig::directau() };
    config.training.dim = 5;
    let parameters = Parameters {
        users: draw(n_users, 5, "users"),
        items: draw(n_items, 5, "items"),
        user_margins: draw(n_users, 1, "user margins").iter().map(|m| m.abs()).collect(),
        item_margins: draw(n_items, 1, "item margins").iter().map(|m| m.abs()).collect(),
    };
    (config, positives, parameters)
}

fn batch() -> (Vec<(UserId, ItemId)>, Vec<ItemId>) {
    let pairs = [(0, 0), (1, 2), (1, 3), (2, 4), (3, 6), (3, 6), (5, 3), (0, 1)];
    let batch = pairs.iter().map(|&(u, i)| (UserId::from_index(u), ItemId::from_index(i))).collect();
    (batch, [4, 0, 6, 1, 1, 2, 5, 5].iter().map(|&i| ItemId::from_index(i)).collect())
}

#[test]
fn gradients_equal_finite_differences_for_every_loss_and_encoder() {
    let (batch, negatives) = batch();
    let losses = [
        Loss::DirectAu { gamma: 0.7, dedup: false },
        Loss::DirectAu { gamma: 0.7, dedup: true },
        Loss::Bpr { l2: 0.0, squared: true },
        Loss::Bpr { l2: 0.3, squared: true },
        Loss::Bpr { l2: 0.3, squared: false },
        Loss::Mawu { gamma_user: 1.0, gamma_item: 0.3 },
        Loss::GraphAu { gamma: 0.4, base: 1.4 },
    ];
    for loss in losses {
        for encoder in [Encoder::Mf, Encoder::LightGcn { layers: 3 }] {
            if matches!((&loss, &encoder), (Loss::GraphAu { .. }, Encoder::Mf)) {
                continue;
            }
            let (config, positives, parameters) = small(loss.clone(), encoder);
            let at = |parameters: &Parameters| {
                gradients(&config, &positives, parameters, &batch, &negatives, &flex()).unwrap()
            };
            let exact = at(&parameters).gradients;
            type Field = fn(&mut Parameters) -> &mut Vec<f32>;
            let fields: [(&str, Field); 4] = [
                ("users", |p| &mut p.users),
                ("items", |p| &mut p.items),
                ("user margins", |p| &mut p.user_margins),
                ("item margins", |p| &mut p.item_margins),
            ];
            for (name, field) in fields {
                let mut exact = exact.clone();
                let exact = field(&mut exact);
                for (place, &exact) in exact.iter().enumerate() {
                    // Central differences with Richardson's step, to get past f32 rounding with a large step.
                    let difference = |h: f32| {
                        let moved = |by: f32| {
                            let mut parameters = parameters.clone();
                            field(&mut parameters)[place] += by;
                            at(&parameters).loss
                        };
                        (moved(h) - moved(-h)) / (2.0 * f64::from(h))
                    };
                    let (wide, narrow) = (difference(0.04), difference(0.02));
                    let numeric = (4.0 * narrow - wide) / 3.0;
                    let error = (numeric - f64::from(exact)).abs();
                    assert!(
                        error < 2e-4,
                        "{:?} {:?} {name}[{place}]: {exact} against {numeric}",
                        config.loss,
                        config.encoder,
                    );
                }
            }
        }
    }
}
