//! The same few training steps on another device of burn and on flex.
//!
//! `SEXTANT_TEST_DEVICE=wgpu cargo test -p cf-align --features wgpu --test backends -- --nocapture`
#![cfg(feature = "flex")]
#![allow(clippy::print_stdout, reason = "says which device was compared, or that the test was skipped")]

use cf_align::ModelConfig;
use cf_align::autodiff::{self, AutodiffEngine, available};
use cf_align::train::{EngineState, EpochLosses, TrainingEngine};
use rec_core::{Interactions, ItemId, UserId};

fn three_steps(config: &ModelConfig, device: &str) -> (EpochLosses, EngineState) {
    let (n_users, n_items) = (40, 30);
    let (users, items) = (0..120)
        .map(|row| (UserId::from_index(row % n_users), ItemId::from_index((row * 7 + row / 40) % n_items)))
        .unzip();
    let rows = Interactions::from_pairs(users, items);
    let mut engine =
        AutodiffEngine::new(config, &rows, n_users, n_items, &autodiff::device(device).unwrap()).unwrap();
    let losses = engine.train_epoch(0).unwrap();
    (losses, engine.state())
}

#[test]
fn three_steps_on_the_device_under_test_equal_flex() {
    let Ok(device) = std::env::var("SEXTANT_TEST_DEVICE") else {
        println!("skipped: SEXTANT_TEST_DEVICE names no device; this build has {:?}", available());
        return;
    };
    let models = [
        ("DirectAU", ModelConfig::directau()),
        ("DirectAU on LightGCN", ModelConfig::directau_lightgcn()),
        ("BPR", ModelConfig::bpr()),
        ("LightGCN", ModelConfig::lightgcn()),
        ("MAWU", ModelConfig::mawu()),
        ("GraphAU", ModelConfig::graphau()),
    ];
    for (name, mut config) in models {
        config.training.dim = 16;
        config.training.batch_size = 40;
        config.training.learning_rate = 0.01;
        let (losses, state) = three_steps(&config, &device);
        let (expected, expected_state) = three_steps(&config, "flex");
        println!("{name} on {device}: loss {} (flex: {})", losses.loss, expected.loss);
        assert_eq!((state.step, expected_state.step), (3, 3));
        assert!((losses.loss - expected.loss).abs() < 1e-4, "{name}: {losses:?} against {expected:?}");
        for ((term, ours), (_, theirs)) in losses.terms.iter().zip(&expected.terms) {
            assert!((ours - theirs).abs() < 1e-4, "{name}, {term}: {ours} against {theirs}");
        }
        // Adam divides a gradient by its own size, so a rounding error in a gradient near 0 can move a value by a
        // whole step: the tables are compared by their distance, not value by value.
        for (ours, theirs) in state.tensors.iter().zip(&expected_state.tensors) {
            assert_eq!((&ours.name, &ours.shape), (&theirs.name, &theirs.shape));
            let squares =
                |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
            let apart = squares(&mut ours.values.iter().zip(&theirs.values).map(|(a, b)| a - b));
            let size = squares(&mut theirs.values.iter().copied());
            assert!((apart / size).sqrt() < 1e-3, "{name}, {}: {} apart", ours.name, (apart / size).sqrt());
        }
    }
}
