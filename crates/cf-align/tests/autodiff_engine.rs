//! The burn engine as a training engine: it learns, goes on from a state, and collapses where the theory says so.
#![cfg(feature = "flex")]

use burn::tensor::Device;
use cf_align::autodiff::{AutodiffEngine, Parameters, device};
use cf_align::train::TrainingEngine;
use cf_align::{Encoder, Init, Loss, ModelConfig, Optimizer};
use rec_core::{Interactions, ItemId, UserId, UserItems};

fn flex() -> Device {
    device("flex").unwrap()
}

/// Two communities of users and items with a few pairs across.
fn communities() -> (Interactions, usize, usize) {
    let (n_users, n_items) = (24, 20);
    let mut pairs = Vec::new();
    for user in 0..n_users {
        for k in 0..4 {
            let item = (user * 3 + k * 3) % 10 + if user % 2 == 0 { 0 } else { 10 };
            pairs.push((UserId::from_index(user), ItemId::from_index(item)));
        }
        if user % 6 == 0 {
            pairs.push((UserId::from_index(user), ItemId::from_index(19 - user % 10)));
        }
    }
    let (users, items) = pairs.into_iter().unzip();
    (Interactions::from_pairs(users, items), n_users, n_items)
}

fn every_model() -> Vec<ModelConfig> {
    let lightgcn = |config: ModelConfig| ModelConfig { encoder: Encoder::LightGcn { layers: 2 }, ..config };
    let mut dedup = ModelConfig::directau();
    dedup.loss = Loss::DirectAu { gamma: 1.0, dedup: true };
    let mut models = vec![
        ModelConfig::directau(),
        ModelConfig::directau_lightgcn(),
        dedup,
        ModelConfig::bpr(),
        ModelConfig::lightgcn(),
        ModelConfig::mawu(),
        lightgcn(ModelConfig::mawu()),
        ModelConfig::graphau(),
    ];
    for config in &mut models {
        config.training.dim = 8;
        config.training.batch_size = 20;
        config.training.learning_rate = 0.02;
    }
    models
}

#[test]
fn every_model_learns() {
    let (rows, n_users, n_items) = communities();
    for config in every_model() {
        let mut engine = AutodiffEngine::new(&config, &rows, n_users, n_items, &flex()).unwrap();
        let first = engine.train_epoch(0).unwrap();
        let mut last = first.clone();
        for epoch in 1..60 {
            last = engine.train_epoch(epoch).unwrap();
        }
        assert!(last.loss < first.loss - 0.02, "{:?}: {first:?} then {last:?}", config.loss);
        let embeddings = engine.embeddings();
        assert_eq!(embeddings.users().len(), n_users * 8);
        assert_eq!(embeddings.items().len(), n_items * 8);
        // A user's own items point more in its direction than the others do.
        let cosine = |user: usize, item: usize| -> f32 {
            let (x, y) = (&embeddings.users()[user * 8..][..8], &embeddings.items()[item * 8..][..8]);
            let norm = |v: &[f32]| v.iter().map(|a| a * a).sum::<f32>().sqrt();
            x.iter().zip(y).map(|(a, b)| a * b).sum::<f32>() / (norm(x) * norm(y))
        };
        let positives = UserItems::new(&rows, n_users, n_items);
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for user in 0..n_users {
            for item in 0..n_items {
                let touched = positives.contains(UserId::from_index(user), ItemId::from_index(item));
                if touched { &mut own } else { &mut others }.push(cosine(user, item));
            }
        }
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        let (own, others) = (mean(&own), mean(&others));
        assert!(own > others + 0.3, "{:?}: {own} against {others}", config.loss);
    }
}

#[test]
fn a_restored_engine_goes_on_as_if_it_had_never_stopped() {
    let (rows, n_users, n_items) = communities();
    for config in every_model() {
        let mut unbroken = AutodiffEngine::new(&config, &rows, n_users, n_items, &flex()).unwrap();
        unbroken.train_epoch(0).unwrap();
        unbroken.train_epoch(1).unwrap();
        let state = unbroken.state();
        assert_eq!(state.step, 2 * rows.len().div_ceil(20) as u64);
        let expected = unbroken.train_epoch(2).unwrap();

        let mut resumed = AutodiffEngine::new(&config, &rows, n_users, n_items, &flex()).unwrap();
        resumed.restore(&state).unwrap();
        assert_eq!(resumed.state(), state);
        assert_eq!(resumed.train_epoch(2).unwrap(), expected, "{:?}", config.loss);
        assert_eq!(resumed.state(), unbroken.state(), "{:?}", config.loss);
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_and_changes_nothing() {
    let (rows, n_users, n_items) = communities();
    let config = &every_model()[5];
    let mut engine = AutodiffEngine::new(config, &rows, n_users, n_items, &flex()).unwrap();
    let before = engine.state();
    let names: Vec<_> = before.tensors.iter().map(|tensor| tensor.name.clone()).collect();
    assert_eq!(names.len(), 6);
    for name in names {
        let mut lacking = before.clone();
        lacking.step = 9;
        lacking.tensors.iter_mut().for_each(|tensor| tensor.values.iter_mut().for_each(|v| *v += 1.0));
        let mut misshapen = lacking.clone();
        lacking.tensors.retain(|tensor| tensor.name != name);
        let message = engine.restore(&lacking).unwrap_err().to_string();
        assert!(message.ends_with(&format!("has no tensor {name}")), "{message}");
        let tensor = misshapen.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap();
        tensor.shape[0] += 1;
        let message = engine.restore(&misshapen).unwrap_err().to_string();
        assert!(message.contains(&format!("{name} has the shape")), "{message}");
        assert_eq!(engine.state(), before);
    }
}

#[test]
fn margins_stay_between_0_and_1() {
    let (rows, n_users, n_items) = communities();
    let mut config = ModelConfig::mawu();
    config.training.batch_size = 20;
    config.training.learning_rate = 0.3;
    let initial = Parameters::initial(&config, n_users, n_items);
    assert_eq!((initial.user_margins.len(), initial.item_margins.len()), (n_users, n_items));
    let mut engine = AutodiffEngine::new(&config, &rows, n_users, n_items, &flex()).unwrap();
    for epoch in 0..4 {
        engine.train_epoch(epoch).unwrap();
        let state = engine.state();
        let margins = &state.tensors.iter().find(|tensor| tensor.name == "margins").unwrap().values;
        assert!(margins.iter().all(|m| (0.0..=1.0).contains(m)), "{margins:?}");
        for (side, start) in
            [(&margins[..n_users], &initial.user_margins), (&margins[n_users..], &initial.item_margins)]
        {
            let learned = side.iter().zip(start).filter(|(m, start)| **m != start.clamp(0.0, 1.0)).count();
            assert!(learned > start.len() / 2, "{side:?}");
        }
    }
}

/// On a complete bipartite graph the second singular value is 0, so DirectAU collapses for gamma < 1/2.
#[test]
fn a_low_gamma_collapses_on_a_complete_graph_and_a_high_one_does_not() {
    let pairs = (0..12)
        .flat_map(|user| (0..12).map(move |item| (UserId::from_index(user), ItemId::from_index(item))));
    let (users, items) = pairs.unzip();
    let rows = Interactions::from_pairs(users, items);
    let spread_after = |gamma: f64| {
        let mut config = ModelConfig::directau();
        config.loss = Loss::DirectAu { gamma, dedup: false };
        config.training.dim = 8;
        config.training.batch_size = 144;
        config.training.learning_rate = 0.03;
        config.training.weight_decay = 0.0;
        let mut engine = AutodiffEngine::new(&config, &rows, 12, 12, &flex()).unwrap();
        let mut last = engine.train_epoch(0).unwrap();
        for epoch in 1..150 {
            last = engine.train_epoch(epoch).unwrap();
        }
        let term = |name: &str| last.terms.iter().find(|(known, _)| known == name).unwrap().1;
        (term("uniformity_user"), term("uniformity_item"))
    };
    let (users, items) = spread_after(0.2);
    assert!(users > -0.02 && items > -0.02, "gamma 0.2: {users}, {items}");
    let (users, items) = spread_after(0.8);
    assert!(users < -0.5 && items < -0.5, "gamma 0.8: {users}, {items}");
}

#[test]
fn the_same_seed_gives_the_same_tables_with_any_number_of_threads() {
    let (rows, n_users, n_items) = communities();
    let config = ModelConfig {
        encoder: Encoder::LightGcn { layers: 2 },
        training: cf_align::Training { init: Init::XavierUniform, batch_size: 50, ..Default::default() },
        ..ModelConfig::directau()
    };
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut engine = AutodiffEngine::new(&config, &rows, n_users, n_items, &flex()).unwrap();
            engine.train_epoch(0).unwrap();
            engine.train_epoch(1).unwrap();
            engine.state()
        })
    };
    assert_eq!(train(1), train(4));
}

#[test]
fn what_the_engine_cannot_do_is_refused() {
    let (rows, n_users, n_items) = communities();
    let refused = |config: &ModelConfig, rows: &Interactions| {
        AutodiffEngine::new(config, rows, n_users, n_items, &flex()).err().unwrap().to_string()
    };
    let mut lazy = ModelConfig::directau();
    lazy.training.optimizer = Optimizer::Lazy;
    assert!(refused(&lazy, &rows).starts_with("training.optimizer: is lazy"));
    let directau = ModelConfig::directau();
    assert!(refused(&directau, &Interactions::default()).contains("no interaction"));
    let (users, items) = (0..n_items).map(|item| (UserId(3), ItemId::from_index(item))).unzip();
    let glutton = Interactions::from_pairs(users, items);
    assert!(refused(&ModelConfig::bpr(), &glutton).contains("user 3 touched all 20 items"));
}

#[test]
fn a_loss_that_leaves_the_numbers_is_reported_with_its_place() {
    let (rows, n_users, n_items) = communities();
    let mut config = ModelConfig::bpr();
    config.training.batch_size = 20;
    config.training.learning_rate = 1e30;
    let mut engine = AutodiffEngine::new(&config, &rows, n_users, n_items, &flex()).unwrap();
    match engine.train_epoch(0) {
        Err(cf_align::Error::Diverged { epoch: 0, step, learning_rate, .. }) => {
            assert!(step > 0 && step < 5, "{step}");
            assert_eq!(learning_rate, 1e30);
        }
        other => panic!("{other:?}"),
    }
}
