//! The burn losses, gradients, propagation and Adam against torch's (`golden/losses.py`).
#![cfg(feature = "flex")]

use burn::tensor::{Device, Tensor, TensorData};
use cf_align::autodiff::{self, Adam, BatchGradients, Graph, Model, Moments, Parameters, gradients};
use cf_align::{Encoder, Loss, ModelConfig};
use rec_core::{Interactions, ItemId, UserId, UserItems};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/losses.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn index(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no index")) as usize
}

fn flat(matrix: &Value) -> Vec<f32> {
    let rows = matrix.as_array().unwrap();
    rows.iter().flat_map(|row| row.as_array().unwrap()).map(|x| number(x) as f32).collect()
}

fn rows(matrix: &Value) -> usize {
    matrix.as_array().unwrap().len()
}

fn pairs(users: &Value, items: &Value) -> Vec<(UserId, ItemId)> {
    let ids = |column: &Value| column.as_array().unwrap().iter().map(index).collect::<Vec<_>>();
    let pair = |(user, item)| (UserId::from_index(user), ItemId::from_index(item));
    ids(users).into_iter().zip(ids(items)).map(pair).collect()
}

fn graph(edges: &[(UserId, ItemId)], case: &Value) -> UserItems {
    let (users, items) = edges.iter().copied().unzip();
    let interactions = Interactions::from_pairs(users, items);
    UserItems::new(&interactions, rows(&case["user_table"]), rows(&case["item_table"]))
}

fn parameters(case: &Value) -> Parameters {
    Parameters {
        users: flat(&case["user_table"]),
        items: flat(&case["item_table"]),
        user_margins: flat(&case["user_margin"]),
        item_margins: flat(&case["item_margin"]),
    }
}

fn config(loss: Loss, encoder: Encoder, case: &Value) -> ModelConfig {
    let mut config = ModelConfig { loss, encoder, ..ModelConfig::directau() };
    config.training.dim = case["user_table"][0].as_array().unwrap().len();
    config
}

/// Runs one batch of `case` over `edges`, or over its own pairs if there are none.
fn run(case: &Value, edges: Option<&Value>, loss: Loss, encoder: Encoder) -> BatchGradients {
    let batch = pairs(&case["users"], &case["items"]);
    let negatives: Vec<ItemId> =
        case["negatives"].as_array().unwrap().iter().map(|item| ItemId::from_index(index(item))).collect();
    let edges = match edges {
        Some(edges) => {
            let edge =
                |edge: &Value| (UserId::from_index(index(&edge[0])), ItemId::from_index(index(&edge[1])));
            edges.as_array().unwrap().iter().map(edge).collect()
        }
        None => batch.clone(),
    };
    let config = config(loss, encoder, case);
    gradients(&config, &graph(&edges, case), &parameters(case), &batch, &negatives, &flex()).unwrap()
}

fn assert_near(what: &str, ours: f64, theirs: &Value) {
    let theirs = number(theirs);
    assert!((ours - theirs).abs() <= 2e-6 * theirs.abs().max(1.0), "{what}: {ours} against {theirs}");
}

/// The largest difference relative to the largest entry.
fn assert_all_near(what: &str, ours: &[f32], theirs: &Value, tolerance: f64) {
    let theirs = flat(theirs);
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1e-3_f64, |scale, x| scale.max(f64::from(x.abs())));
    for (place, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        let error = f64::from(a - b).abs() / scale;
        assert!(error <= tolerance, "{what}[{place}]: {a} against {b} (scale {scale})");
    }
}

fn assert_record(what: &str, ours: &BatchGradients, record: &Value, terms: &[(&str, &str)]) {
    assert_near(what, ours.loss, &record["loss"]);
    assert_eq!(ours.terms.len(), terms.len(), "{what}: {:?}", ours.terms);
    for ((name, value), (ours_name, golden_name)) in ours.terms.iter().zip(terms) {
        assert_eq!(name, ours_name);
        assert_near(&format!("{what}.{name}"), *value, &record[golden_name]);
    }
    assert_all_near(&format!("{what}.users"), &ours.gradients.users, &record["grad_user"], 1e-5);
    assert_all_near(&format!("{what}.items"), &ours.gradients.items, &record["grad_item"], 1e-5);
}

const AU: [(&str, &str); 3] =
    [("alignment", "align"), ("uniformity_user", "uniform_user"), ("uniformity_item", "uniform_item")];

#[test]
fn losses_on_plain_embeddings_equal_torch() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let gamma = number(&case["gamma"]);
        for (key, dedup) in [("directau", false), ("directau_distinct", true)] {
            let ours = run(case, None, Loss::DirectAu { gamma, dedup }, Encoder::Mf);
            assert_record(&format!("{name}.{key}"), &ours, &case[key], &AU);
        }
        let ours = run(case, None, Loss::Bpr { l2: 0.0, squared: true }, Encoder::Mf);
        let mut record = case["bpr"].clone();
        record["penalty"] = 0.0.into();
        assert_record(&format!("{name}.bpr"), &ours, &record, &[("bpr", "loss"), ("penalty", "penalty")]);

        let loss = Loss::Mawu { gamma_user: number(&case["gamma1"]), gamma_item: number(&case["gamma2"]) };
        let ours = run(case, None, loss, Encoder::Mf);
        let record = &case["mawu"]["pairs"];
        let what = format!("{name}.mawu");
        assert_record(&what, &ours, record, &AU);
        assert_all_near(&what, &ours.gradients.user_margins, &record["grad_user_margin"], 1e-5);
        assert_all_near(&what, &ours.gradients.item_margins, &record["grad_item_margin"], 1e-5);
    }
}

#[test]
fn lightgcn_equals_torch() {
    let golden = golden();
    let case = &golden["cases"][0];
    let record = &golden["lightgcn"];
    let layers = index(&record["n_layers"]);
    let encoder = Encoder::LightGcn { layers };
    let edges = Some(&record["edges"]);

    let loss = Loss::DirectAu { gamma: number(&case["gamma"]), dedup: false };
    assert_record("directau", &run(case, edges, loss.clone(), encoder.clone()), &record["directau"], &AU);
    let l2 = number(&record["reg_weight"]);
    for (key, squared) in [("bpr_norm", false), ("bpr_squared", true)] {
        let ours = run(case, edges, Loss::Bpr { l2, squared }, encoder.clone());
        let mut record = record[key].clone();
        record["penalty"] = (l2 * number(&record["penalty"])).into();
        assert_record(key, &ours, &record, &[("bpr", "bpr"), ("penalty", "penalty")]);
    }

    let edge = |edge: &Value| (UserId::from_index(index(&edge[0])), ItemId::from_index(index(&edge[1])));
    let edges: Vec<_> = record["edges"].as_array().unwrap().iter().map(edge).collect();
    let model = Model::new(&config(loss, encoder, case), &graph(&edges, case), parameters(case), &flex());
    let (users, items) = model.encoder.forward();
    assert_all_near("users", &values(users), &record["propagated_user"], 1e-6);
    assert_all_near("items", &values(items), &record["propagated_item"], 1e-6);
}

#[test]
fn graphau_equals_torch() {
    let golden = golden();
    let record = &golden["graphau"];
    let case = &golden["cases"][0];
    let loss = Loss::GraphAu { gamma: number(&case["gamma"]), base: number(&record["base"]) };
    // The reference counts the hop 0 among its layers.
    let encoder = Encoder::LightGcn { layers: index(&record["n_layers"]) - 1 };
    assert_record("graphau", &run(case, Some(&record["edges"]), loss, encoder), record, &AU);
}

#[test]
fn adam_equals_torch() {
    let golden = golden();
    for record in [&golden["adam"], &golden["adam_sparse"]] {
        assert_adam(&golden["cases"][0], record);
    }
}

fn assert_adam(case: &Value, record: &Value) {
    let adam = Adam { learning_rate: number(&record["lr"]), weight_decay: number(&record["weight_decay"]) };
    let loss = Loss::DirectAu { gamma: number(&record["gamma"]), dedup: false };
    let no_graph = graph(&pairs(&case["users"], &case["items"]), case);
    let config = config(loss.clone(), Encoder::Mf, case);
    for run in record["runs"].as_array().unwrap() {
        let mut model = Model::new(&config, &no_graph, parameters(case), &flex().autodiff());
        let autodiff::Encoder::Mf(tables) = &mut model.encoder else { unreachable!("the encoder is plain") };
        let mut moments = [Moments::zeros_like(&tables.users), Moments::zeros_like(&tables.items)];
        for (step, batch) in record["batches"].as_array().unwrap().iter().enumerate() {
            let objective = model.objective(&loss, &pairs(&batch["users"], &batch["items"]), &[]);
            let mut gradients = objective.loss.backward();
            assert_near("loss", f64::from(objective.loss.into_scalar::<f32>()), &run["losses"][step]);
            let autodiff::Encoder::Mf(tables) = &mut model.encoder else {
                unreachable!("the encoder is plain")
            };
            for (param, moments) in [&mut tables.users, &mut tables.items].into_iter().zip(&mut moments) {
                let gradient = param.val().grad_remove(&mut gradients).unwrap();
                *param = adam.update(param.clone(), gradient, moments, step as u64 + 1);
            }
            for after in run["after"].as_array().unwrap() {
                if index(&after["steps"]) == step + 1 {
                    let (users, items) = model.encoder.forward();
                    // A gradient near 0 is amplified to a full step by the division by its own root.
                    assert_all_near("users", &values(users.inner()), &after["user_table"], 2e-5);
                    assert_all_near("items", &values(items.inner()), &after["item_table"], 2e-5);
                }
            }
        }
    }
}

#[test]
fn measures_over_all_pairs_equal_the_reference() {
    let golden = golden();
    let device = flex();
    for (case, record) in [(0, 0), (1, 1)].map(|(c, r)| (&golden["cases"][c], &golden["measures"][r])) {
        let edges = record["edges"].as_array().unwrap();
        for (side, table, key) in [(0, "user_table", "uniform_user"), (1, "item_table", "uniform_item")] {
            let table = &case[table];
            let mut counts = vec![0.0_f32; rows(table)];
            edges.iter().for_each(|edge| counts[index(&edge[side])] += 1.0);
            let values = TensorData::new(flat(table), [rows(table), table[0].as_array().unwrap().len()]);
            let x = Tensor::<2>::from_data(values, &device);
            let ours = autodiff::weighted_uniformity(x, &counts, 2.0).into_scalar::<f32>();
            assert_near(key, f64::from(ours), &record[key]);
        }
    }
}

#[test]
fn propagation_equals_a_dense_matrix_product() {
    // Deliberately with a duplicate edge, an isolated user and an isolated item.
    let edges = [(0, 0), (0, 1), (0, 1), (1, 1), (2, 3), (2, 0), (4, 1)];
    let (n_users, n_items, dim) = (5, 5, 3);
    let (users, items): (Vec<_>, Vec<_>) =
        edges.iter().map(|&(u, i)| (UserId::from_index(u), ItemId::from_index(i))).unzip();
    let positives = UserItems::new(&Interactions::from_pairs(users, items), n_users, n_items);
    let table = |rows: usize, seed: usize| -> Vec<f32> {
        (0..rows * dim).map(|i| ((i * 37 + seed * 11) % 29) as f32 / 29.0 - 0.5).collect()
    };
    let (x, y) = (table(n_users, 1), table(n_items, 2));

    let mut r = vec![vec![0.0_f64; n_items]; n_users];
    edges.iter().for_each(|&(u, i)| r[u][i] = 1.0);
    let user_degree = |u: usize| r[u].iter().sum::<f64>() + 1e-7;
    let item_degree = |i: usize| r.iter().map(|row| row[i]).sum::<f64>() + 1e-7;
    let weight = |u: usize, i: usize| r[u][i] / (user_degree(u) * item_degree(i)).sqrt();

    let device = flex();
    let tensor = |values: &[f32], rows: usize| {
        Tensor::<2>::from_data(TensorData::new(values.to_vec(), [rows, dim]), &device)
    };
    let (to_users, to_items) =
        Graph::new(&positives, &device).propagate(tensor(&x, n_users), tensor(&y, n_items));
    for (k, ours) in values(to_users).into_iter().enumerate() {
        let (u, column) = (k / dim, k % dim);
        let dense: f64 = (0..n_items).map(|i| weight(u, i) * f64::from(y[i * dim + column])).sum();
        assert!((f64::from(ours) - dense).abs() < 1e-6, "user {u}: {ours} against {dense}");
    }
    for (k, ours) in values(to_items).into_iter().enumerate() {
        let (i, column) = (k / dim, k % dim);
        let dense: f64 = (0..n_users).map(|u| weight(u, i) * f64::from(x[u * dim + column])).sum();
        assert!((f64::from(ours) - dense).abs() < 1e-6, "item {i}: {ours} against {dense}");
    }
}

fn flex() -> Device {
    autodiff::device("flex").unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}
