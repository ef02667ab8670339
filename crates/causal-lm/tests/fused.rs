//! The decoder by hand against the one of burn: logits, gradients, decoding.
#![cfg(feature = "flex")]

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use causal_lm::{
    Batch, CausalLm, CausalLmConfig, Decoder, Free, GenerateConfig, HostTape, LoraConfig, ParameterGradients,
    Pass, Prepared, ReadingGradients, Sequence, Session, Slot, Snapshot, Tape, Tokens, TrainConfig, Trainer,
    Trie, generate, score_completions,
};
use proptest::prelude::*;

fn shape(heads: usize, key_heads: usize, qkv_bias: bool, tied: bool) -> CausalLmConfig {
    CausalLmConfig {
        vocab_size: 37,
        hidden_size: 24,
        intermediate_size: 20,
        num_hidden_layers: 2,
        num_attention_heads: heads,
        num_key_value_heads: key_heads,
        head_dim: Some(6),
        qkv_bias,
        tie_word_embeddings: tied,
        initializer_range: 0.3,
        ..CausalLmConfig::default()
    }
}

/// A model whose norms and biases are not what they begin as.
fn shaken(config: &CausalLmConfig, device: &Device) -> CausalLm {
    struct Shake(f32);
    impl burn::module::ModuleMapper for Shake {
        fn map_float<const D: usize>(
            &mut self,
            param: burn::module::Param<Tensor<D>>,
        ) -> burn::module::Param<Tensor<D>> {
            if D > 1 {
                return param;
            }
            self.0 += 0.1;
            let by = self.0;
            param.map(|value| {
                let count = value.shape().num_elements();
                let values: Vec<f32> = (0..count).map(|at| 0.1 * (at as f32 + by).sin()).collect();
                let shape = value.shape();
                let moved = Tensor::<1>::from_floats(values.as_slice(), &value.device()).reshape(shape);
                let grows = value.is_require_grad();
                let value = value.detach().add(moved).detach();
                if grows { value.require_grad() } else { value }
            })
        }
    }
    config.init(5, device).unwrap().map(&mut Shake(0.0))
}

fn batch(seed: u64, rows: usize, longest: usize) -> Batch {
    use rand::RngExt;
    let mut rng = rec_core::random::stream(seed, "test", 0);
    let sequences: Vec<Sequence> = (0..rows)
        .map(|_| {
            let mut ids = |least: usize| -> Vec<u32> {
                (0..rng.random_range(least..=longest)).map(|_| rng.random_range(0..37)).collect()
            };
            Sequence::new(&ids(1), &ids(1))
        })
        .collect();
    Batch::new(&sequences).unwrap()
}

fn floats(values: Tensor<1>) -> Vec<f32> {
    values.into_data().iter::<f32>().collect()
}

fn assert_near(one: &[f32], other: &[f32], by: f32, what: &str) {
    assert_eq!(one.len(), other.len(), "{what}");
    for (at, (a, b)) in one.iter().zip(other).enumerate() {
        assert!((a - b).abs() <= by * (1.0 + b.abs()), "{what}: {a} and {b} at {at}");
    }
}

/// A loss that is no sum: every log-probability has a gradient of its own.
fn loss(log_probs: Tensor<1>) -> Tensor<1> {
    log_probs.clone().square().mean().sub(log_probs.mean())
}

#[test]
fn gradients_are_those_of_burns_autodiff() {
    let device = Device::flex().autodiff();
    for (heads, key_heads, bias, tied) in
        [(4, 4, false, true), (4, 2, true, true), (4, 1, false, false), (2, 2, true, false)]
    {
        let model = shaken(&shape(heads, key_heads, bias, tied), &device);
        for (rows, longest) in [(1, 1), (3, 5), (40, 12)] {
            let batch = batch(rows as u64, rows, longest);
            let by_burn = model.token_log_probs(&batch, &mut Pass::default()).unwrap();
            let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
            let by_hand = tape.token_log_probs();
            assert_near(&floats(by_hand.clone()), &floats(by_burn.clone()), 1e-5, "log-probabilities");
            let plain = model.valid().token_log_probs(&batch, &mut Pass::default()).unwrap();
            assert_eq!(floats(plain), floats(by_hand.clone()), "without gradients");
            let expected = ParameterGradients::of(&model, loss(by_burn));
            let found = tape.backward(loss(by_hand));
            assert_eq!(found.parameters().len(), expected.parameters().len());
            for (at, (found, expected)) in found.parameters().iter().zip(expected.parameters()).enumerate() {
                let (found, expected) = (found.clone().unwrap(), expected.clone().unwrap());
                assert_near(
                    &floats(found),
                    &floats(expected),
                    1e-4,
                    &format!("gradient {at} of {heads}/{key_heads}"),
                );
            }
        }
    }
}

#[test]
#[allow(clippy::single_range_in_vec_init, clippy::reversed_empty_ranges)]
fn stretches_of_a_row_are_read_as_they_are_in_the_whole() {
    let model = shaken(&shape(4, 2, true, true), &Device::flex().autodiff());
    let texts: [&[u32]; 4] = [&[3, 1, 4, 1, 5, 9, 2, 6], &[5, 3, 5], &[8, 9, 7, 9, 3, 2], &[2]];
    let ranges: [&[std::ops::Range<usize>]; 4] = [&[1..3, 5..6], &[], &[2..2, 3..4, 4..6], &[]];
    let batch = Batch::of_ranges(&texts.into_iter().zip(ranges).collect::<Vec<_>>()).unwrap();
    assert_eq!(batch.completion_tokens(), 6);
    assert_eq!(batch.spans(), [0..3, 3..3, 3..6, 6..6]);
    let mut expected = Vec::new();
    for (text, ranges) in texts.iter().zip(ranges) {
        for at in ranges.iter().cloned().flatten() {
            let alone = Batch::new(&[Sequence::new(&text[..at], &text[at..=at])]).unwrap();
            expected.extend(floats(model.token_log_probs(&alone, &mut Pass::default()).unwrap()));
        }
    }
    let by_burn = floats(model.token_log_probs(&batch, &mut Pass::default()).unwrap());
    assert_near(&by_burn, &expected, 1e-5, "log-probabilities");
    let tape = HostTape::record(&model, &batch, Slot::Active, true).unwrap().expect("a model that fits");
    assert_near(&tape.readings().log_probs, &expected, 1e-5, "log-probabilities");
    let plain = model.readings(&batch, Slot::Active).unwrap().expect("a model that fits");
    assert_eq!(plain, *tape.readings(), "without traces");
    assert_eq!(plain.states.len(), 6 * 24);
    // The same loss by either tape.
    let recorded = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
    let loss = recorded.token_log_probs().mul_scalar(0.5).sum();
    let expected = recorded.backward(loss);
    let by = ReadingGradients { log_probs: &[0.5; 6], ..ReadingGradients::default() };
    for (found, expected) in tape.backward(by).parameters().iter().zip(expected.parameters()) {
        assert_eq!(found.clone().map(floats), expected.clone().map(floats));
    }
    for wrong in [&[0..2][..], &[3..2], &[2..4, 3..5], &[1..9]] {
        assert!(Batch::of_ranges(&[(texts[0], wrong)]).is_err(), "{wrong:?}");
    }
    assert!(Batch::of_ranges(&[(texts[0], &[]), (texts[1], &[2..2])]).is_err());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let model = shaken(&shape(4, 2, true, true), &Device::flex().autodiff());
    let batch = batch(3, 50, 14);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
            let loss = tape.cross_entropy();
            let gradients = tape.backward(loss);
            gradients.parameters().iter().flatten().flat_map(|g| floats(g.clone())).collect::<Vec<f32>>()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn a_frozen_part_has_no_gradient_and_the_rest_keeps_its_own() {
    let mut model = shaken(&shape(4, 2, false, true), &Device::flex().autodiff());
    let batch = batch(8, 4, 6);
    let gradients = |model: &CausalLm| {
        let tape = Tape::record(model, &batch, &mut Pass::default()).unwrap();
        let loss = tape.cross_entropy();
        tape.backward(loss)
    };
    let all = gradients(&model);
    model.embed_tokens = model.embed_tokens.no_grad();
    let some = gradients(&model);
    assert!(some.parameters()[0].is_none());
    for (one, other) in some.parameters()[1..].iter().zip(&all.parameters()[1..]) {
        assert_eq!(floats(one.clone().unwrap()), floats(other.clone().unwrap()));
    }
}

fn burn_logits(model: &CausalLm, text: &[u32], slot: Slot) -> Vec<f32> {
    let hidden = model.forward(&Tokens::right_padded(&[text], 0).unwrap(), &mut slot.into()).unwrap();
    let [_, length, width] = hidden.dims();
    model.logits(hidden.narrow(1, length - 1, 1).reshape([1, width])).into_data().iter::<f32>().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sessions_give_the_logits_of_whole_passes(
        texts in prop::collection::vec(prop::collection::vec(0u32..37, 1..9), 1..20),
        shape_at in 0usize..4,
        steps in prop::collection::vec(0u32..37, 4),
    ) {
        let (heads, key_heads, bias, tied) =
            [(4, 4, false, true), (4, 2, true, true), (4, 1, false, false), (2, 2, true, false)][shape_at];
        let model = shaken(&shape(heads, key_heads, bias, tied), &Device::flex());
        let mut texts = texts;
        let (mut session, mut logits) = Session::start(&model, &texts, steps.len() + 1, Slot::Active).unwrap();
        for (at, &step) in steps.iter().enumerate() {
            for (text, logits) in texts.iter().zip(logits.chunks_exact(37)) {
                assert_near(logits, &burn_logits(&model, text, Slot::Off), 1e-4, "logits");
            }
            // Reverse, drop or repeat rows between the steps.
            let rows: Vec<usize> = match at {
                0 => (0..texts.len()).rev().collect(),
                1 => (0..texts.len()).filter(|row| row % 3 != 1).collect(),
                _ => (0..texts.len()).flat_map(|row| vec![row; 1 + row % 2]).collect(),
            };
            session.reorder(&rows);
            texts = rows.iter().map(|&row| texts[row].clone()).collect();
            let next: Vec<u32> = (0..texts.len() as u32).map(|row| (step + row) % 37).collect();
            texts.iter_mut().zip(&next).for_each(|(text, &token)| text.push(token));
            logits = session.step(&next).unwrap();
        }
    }
}

#[test]
fn adapters_are_merged_and_have_burns_gradients() {
    let device = Device::flex().autodiff();
    let model = shaken(&shape(4, 2, true, true), &device);
    let mut model = model.add_lora(&LoraConfig { rank: 3, ..LoraConfig::default() }, 2).unwrap();
    let mut trainer = Trainer::new(TrainConfig { learning_rate: 0.05, ..TrainConfig::default() }).unwrap();
    for _ in 0..3 {
        let batch = batch(4, 6, 5);
        let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
        let loss = tape.cross_entropy();
        trainer.accumulate(tape.backward(loss), 1.0);
        (model, _) = trainer.step(model).unwrap();
    }
    let model = model.freeze_reference();
    for slot in [Slot::Active, Slot::Reference, Slot::Off] {
        let batch = batch(6, 9, 7);
        let by_burn = model.token_log_probs(&batch, &mut slot.into()).unwrap();
        let tape = Tape::record(&model, &batch, &mut slot.into()).unwrap();
        let by_hand = tape.token_log_probs();
        assert_near(&floats(by_hand.clone()), &floats(by_burn.clone()), 1e-4, "log-probabilities");
        let found = tape.backward(loss(by_hand));
        let found: Vec<_> = found.parameters().iter().map(|g| g.clone().map(floats)).collect();
        if slot != Slot::Active {
            assert!(found.iter().all(Option::is_none), "all that is trained is the active adapters");
            continue;
        }
        let expected = ParameterGradients::of(&model, loss(by_burn));
        assert_eq!(found.iter().flatten().count(), 2 * 7 * 2);
        for (found, expected) in found.iter().zip(expected.parameters()) {
            match (found, expected) {
                (Some(found), Some(expected)) => {
                    assert_near(found, &floats(expected.clone()), 1e-4, "an adapter's gradient");
                }
                (None, None) => {}
                _ => panic!("a gradient is missing or too many"),
            }
        }
    }
    let text = [3, 1, 4, 1, 5];
    for slot in [Slot::Off, Slot::Active] {
        let snapshot = Snapshot::of(&model, slot);
        let (_, logits) = snapshot.start(&[text], 1, slot).unwrap();
        assert_near(&logits, &burn_logits(&model, &text, slot), 1e-4, "adapter");
    }
    assert!(Snapshot::of(&model, Slot::Active).start(&[text], 1, Slot::Off).is_err());
}

#[test]
fn sequences_that_differ_in_their_last_token_are_read_once_to_the_same_gradients() {
    let model = shaken(&shape(4, 2, true, true), &Device::flex().autodiff());
    let mut sequences = Vec::new();
    for first in 0..30_u32 {
        let prompt: Vec<u32> = (0..1 + first % 9).map(|at| (first + at * at) % 37).collect();
        // Two that share their input, one that has its completion elsewhere, one of its own.
        sequences.push(Sequence::new(&prompt, &[first % 5, 7]));
        sequences.push(Sequence::new(&prompt, &[first % 5, 8]));
        sequences.push(Sequence { completion: 1, ..sequences[sequences.len() - 1].clone() });
        sequences.push(Sequence::new(&prompt, &[36]));
    }
    let batch = Batch::new(&sequences).unwrap();
    let by_burn = model.token_log_probs(&batch, &mut Pass::default()).unwrap();
    let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
    let by_hand = tape.token_log_probs();
    assert_near(&floats(by_hand.clone()), &floats(by_burn.clone()), 1e-5, "log-probabilities");
    let expected = ParameterGradients::of(&model, loss(by_burn));
    let found = tape.backward(loss(by_hand));
    for (found, expected) in found.parameters().iter().zip(expected.parameters()) {
        let (found, expected) = (found.clone().unwrap(), expected.clone().unwrap());
        assert_near(&floats(found), &floats(expected), 1e-4, "a gradient");
    }
}

#[test]
fn a_prepared_model_decodes_as_its_model_did() {
    let model = shaken(&shape(4, 2, true, false), &Device::flex().autodiff());
    let model = model.add_lora(&LoraConfig { rank: 2, ..LoraConfig::default() }, 1).unwrap();
    let settings = GenerateConfig { max_new_tokens: 12, ..GenerateConfig::default() };
    let prompts = [vec![1, 2, 3], vec![4]];
    let prepared = Prepared::of(&model, Slot::Active);
    assert!(matches!(prepared, Prepared::Snapshot(_)));
    let expected = generate(&model, &prompts, &settings, &Free).unwrap();
    assert_eq!(expected, generate(&prepared, &prompts, &settings, &Free).unwrap());
}

#[test]
fn a_snapshot_decodes_as_its_model_did() {
    let model = shaken(&shape(4, 2, true, false), &Device::flex());
    let snapshot = Snapshot::of(&model, Slot::Active);
    let settings = GenerateConfig { max_new_tokens: 12, ..GenerateConfig::default() };
    let prompts = [vec![1, 2, 3], vec![4]];
    assert_eq!(
        generate(&model, &prompts, &settings, &Free).unwrap(),
        generate(&snapshot, &prompts, &settings, &Free).unwrap()
    );
    let items: Vec<Vec<u32>> = (0..23).map(|item| vec![item, (item * 7) % 11, 36]).collect();
    assert!(Trie::new(&items).is_ok());
    let scores = score_completions(&snapshot, &[9, 8], &items, Slot::Active, 7).unwrap();
    for (item, score) in items.iter().zip(scores) {
        let batch = Batch::new(&[Sequence::new(&[9, 8], item)]).unwrap();
        let expected = floats(model.completion_log_probs(&batch, &mut Pass::default()).unwrap())[0];
        assert!((score - f64::from(expected)).abs() < 1e-4, "{score} and {expected}");
    }
}

#[test]
fn a_model_for_training_can_be_cast() {
    let model = shaken(&shape(4, 2, true, true), &Device::flex().autodiff());
    let half = model.clone().cast(burn::tensor::DType::BF16).unwrap();
    let batch = Batch::new(&[Sequence::new(&[3, 1, 4], &[1, 5])]).unwrap();
    let gradients = |model: &CausalLm| {
        let tape = Tape::record(model, &batch, &mut Pass::default()).unwrap();
        let loss = tape.cross_entropy();
        tape.backward(loss).norm()
    };
    let (whole, half) = (gradients(&model), gradients(&half));
    assert!(half > 0.0 && (whole - half).abs() < 0.05 * whole, "{whole} {half}");
}
