//! The two engines hold each other: losses, gradients, whole epochs, checkpoints.
#![cfg(feature = "flex")]

use cf_align::autodiff::{self, AutodiffEngine, Parameters};
use cf_align::fused::FusedEngine;
use cf_align::train::TrainingEngine;
use cf_align::{Encoder, Init, Loss, ModelConfig};
use rand::RngExt;
use rec_core::{Interactions, ItemId, UserId, UserItems, random};

const N_USERS: usize = 150;
const N_ITEMS: usize = 120;

/// Pairs in which some repeat, some users have one item, and popular items are frequent.
fn interactions() -> Interactions {
    let mut rng = random::stream(3, "pairs", 0);
    let pairs = (0..N_USERS).flat_map(|user| {
        let draws: Vec<f64> = (0..user % 9 + 1).map(|_| rng.random_range(0.0..1.0)).collect();
        draws.into_iter().map(move |draw: f64| {
            (UserId::from_index(user), ItemId::from_index((draw * draw * N_ITEMS as f64) as usize))
        })
    });
    let (users, items) = pairs.unzip();
    Interactions::from_pairs(users, items)
}

fn every_model() -> Vec<ModelConfig> {
    let losses = [
        Loss::DirectAu { gamma: 0.8, dedup: false },
        Loss::DirectAu { gamma: 0.8, dedup: true },
        Loss::Bpr { l2: 0.0, squared: true },
        Loss::Bpr { l2: 0.01, squared: true },
        Loss::Bpr { l2: 0.01, squared: false },
        Loss::Mawu { gamma_user: 1.0, gamma_item: 0.3 },
        Loss::GraphAu { gamma: 0.5, base: 1.4 },
    ];
    let mut models = Vec::new();
    for loss in losses {
        for encoder in [Encoder::Mf, Encoder::LightGcn { layers: 3 }] {
            let mut config = ModelConfig { loss: loss.clone(), encoder, ..ModelConfig::directau() };
            config.training.dim = 20;
            config.training.batch_size = 200;
            config.training.learning_rate = 0.01;
            config.training.weight_decay = 1e-4;
            config.training.init =
                if config.encoder == Encoder::Mf { Init::XavierNormal } else { Init::XavierUniform };
            if config.validate().is_ok() {
                models.push(config);
            }
        }
    }
    assert_eq!(models.len(), 13);
    models
}

/// The length of the difference over the length of the reference.
fn relative_error(ours: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(ours.len(), reference.len());
    let length =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let apart = length(&mut ours.iter().zip(reference).map(|(a, b)| a - b));
    apart / length(&mut reference.iter().copied()).max(1e-12)
}

#[test]
fn gradients_of_one_batch_agree() {
    let rows = interactions();
    let positives = UserItems::new(&rows, N_USERS, N_ITEMS);
    let device = autodiff::device("flex").unwrap();
    let batch: Vec<_> = rows.pairs().step_by(3).take(190).collect();
    let mut rng = random::stream(3, "negatives", 0);
    let negatives: Vec<_> =
        batch.iter().map(|(user, _)| cf_align::batches::negative(&positives, *user, &mut rng)).collect();
    for config in every_model() {
        let what = format!("{:?} on {:?}", config.loss, config.encoder);
        let parameters = Parameters::initial(&config, N_USERS, N_ITEMS);
        let reference =
            autodiff::gradients(&config, &positives, &parameters, &batch, &negatives, &device).unwrap();
        let mut engine = FusedEngine::new(&config, &rows, N_USERS, N_ITEMS).unwrap();
        let ours = engine.gradients(&batch, &negatives);
        assert!(
            (ours.loss - reference.loss).abs() < 1e-5,
            "{what}: {} against {}",
            ours.loss,
            reference.loss
        );
        let margins = [reference.gradients.user_margins, reference.gradients.item_margins].concat();
        for (name, ours, reference) in [
            ("users", &ours.users, &reference.gradients.users),
            ("items", &ours.items, &reference.gradients.items),
            ("margins", &ours.margins, &margins),
        ] {
            let error = relative_error(ours, reference);
            assert!(error < 1e-4, "{what}, {name}: {error}");
        }
    }
}

#[test]
fn epochs_agree_and_a_checkpoint_of_one_engine_goes_on_in_the_other() {
    let rows = interactions();
    let device = autodiff::device("flex").unwrap();
    for config in every_model() {
        let what = format!("{:?} on {:?}", config.loss, config.encoder);
        let mut fused = FusedEngine::new(&config, &rows, N_USERS, N_ITEMS).unwrap();
        let mut burn = AutodiffEngine::new(&config, &rows, N_USERS, N_ITEMS, &device).unwrap();
        for epoch in 0..3 {
            // From the second epoch on each engine starts from what the other left.
            if epoch > 0 {
                let state = fused.state();
                fused.restore(&burn.state()).unwrap();
                burn.restore(&state).unwrap();
            }
            let (ours, reference) = (fused.train_epoch(epoch).unwrap(), burn.train_epoch(epoch).unwrap());
            assert!((ours.loss - reference.loss).abs() < 2e-5, "{what}: {ours:?} against {reference:?}");
            for ((name, ours), (reference_name, reference)) in ours.terms.iter().zip(&reference.terms) {
                assert_eq!(name, reference_name);
                assert!((ours - reference).abs() < 2e-5, "{what}, {name}: {ours} against {reference}");
            }
            assert_eq!(ours.terms.len(), reference.terms.len());
        }
        let (ours, reference) = (fused.embeddings(), burn.embeddings());
        for (ours, reference) in [(ours.users(), reference.users()), (ours.items(), reference.items())] {
            let error = relative_error(ours, reference);
            assert!(error < 1e-3, "{what}: {error}");
        }
    }
}
