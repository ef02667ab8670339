//! A training that is killed in the middle of a step, and goes on from its last checkpoint, ends in the same bits.
#![cfg(all(feature = "flex", unix))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use causal_lm::{Batch, CausalLm, CausalLmConfig, Pass, Sequence, Tape, TrainConfig, Trainer};

const STEPS: u64 = 250;
const FOLDER: &str = "SEXTANT_TEST_INTERRUPTED";

fn batch(step: u64) -> Batch {
    use rand::RngExt;
    let mut rng = rec_core::random::stream(2, "batch", step);
    let mut ids = |count: usize| -> Vec<u32> { (0..count).map(|_| rng.random_range(0..50)).collect() };
    let sequences: Vec<Sequence> = (2..8).map(|length| Sequence::new(&ids(length), &ids(3))).collect();
    Batch::new(&sequences).unwrap()
}

/// Trains to the end, from the checkpoint in `folder` if there is one; writes one after every step.
fn train(folder: &Path, keep: bool) -> CausalLm {
    let config = CausalLmConfig {
        vocab_size: 50,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        ..CausalLmConfig::default()
    };
    let settings =
        TrainConfig { learning_rate: 1e-2, warmup_steps: 5, total_steps: STEPS, ..TrainConfig::default() };
    let model = config.init(9, &Device::flex().autodiff()).unwrap();
    let file = folder.join("checkpoint");
    let (mut trainer, mut model) = match std::fs::read(&file) {
        Ok(bytes) => {
            let (trainer, model, step) = Trainer::resume::<u64>(settings, model, &bytes).unwrap();
            assert_eq!(step, trainer.steps());
            (trainer, model)
        }
        Err(_) => (Trainer::new(settings).unwrap(), model),
    };
    while trainer.steps() < STEPS {
        let batch = batch(trainer.steps());
        let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
        let loss = tape.cross_entropy();
        trainer.accumulate(tape.backward(loss), 1.0);
        (model, _) = trainer.step(model).unwrap();
        if keep {
            let bytes = trainer.checkpoint(&model, &trainer.steps()).unwrap();
            rec_core::run::replace_file(&file, &bytes).unwrap();
        }
    }
    model
}

fn bits(model: &CausalLm) -> Vec<u32> {
    let found = model.token_log_probs(&batch(0), &mut Pass::default()).unwrap();
    found.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// The process that is killed; of no effect by itself.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        train(&PathBuf::from(folder), true);
    }
}

#[test]
fn a_killed_training_goes_on_bit_for_bit() {
    let unbroken = tempfile::tempdir().unwrap();
    let expected = bits(&train(unbroken.path(), false));
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("checkpoint");
    let mut before = None;
    for round in 0..2 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env(FOLDER, place.path())
            .spawn()
            .unwrap();
        let changed = || std::fs::metadata(&file).and_then(|facts| facts.modified()).ok();
        let start = Instant::now();
        while changed() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "no checkpoint came");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(20 + 15 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        before = changed();
    }
    let bytes = std::fs::read(&file).unwrap();
    let settings =
        TrainConfig { learning_rate: 1e-2, warmup_steps: 5, total_steps: STEPS, ..TrainConfig::default() };
    let steps = {
        let config = CausalLmConfig {
            vocab_size: 50,
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 2,
            ..CausalLmConfig::default()
        };
        let model = config.init(9, &Device::flex().autodiff()).unwrap();
        Trainer::resume::<u64>(settings, model, &bytes).unwrap().2
    };
    assert!(
        steps > 0 && steps < STEPS,
        "killed at step {steps}: neither before the first nor after the last"
    );
    assert_eq!(bits(&train(place.path(), true)), expected);
}
