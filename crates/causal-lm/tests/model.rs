//! What must hold of any model: cache, padding, adapters, decoding, training.

use burn::module::Module;
use burn::tensor::Device;
use causal_lm::{
    Batch, BeamConfig, CausalLm, CausalLmConfig, Free, GenerateConfig, LoraConfig, Pass, Sampling, Sequence,
    Session, Slot, Tape, Tokens, TrainConfig, Trainer, Trie, beam_search, generate, load_model, save_model,
    score_completions,
};

fn tiny(device: &Device) -> CausalLm {
    let config = CausalLmConfig {
        vocab_size: 20,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        initializer_range: 0.4,
        ..CausalLmConfig::default()
    };
    config.init(3, device).unwrap()
}

fn last_logits(model: &CausalLm, text: &[u32]) -> Vec<f32> {
    let hidden = model.forward(&Tokens::right_padded(&[text], 0).unwrap(), &mut Pass::default()).unwrap();
    let [_, length, width] = hidden.dims();
    model.logits(hidden.narrow(1, length - 1, 1).reshape([1, width])).into_data().iter::<f32>().collect()
}

fn near(one: &[f32], other: &[f32], by: f32) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| (a - b).abs() < by)
}

#[test]
fn a_cache_with_left_padding_gives_what_a_whole_pass_gives() {
    let model = tiny(&Device::flex());
    let mut texts = [vec![3, 1, 4, 1, 5], vec![9, 2]];
    let (mut session, mut logits) = Session::start(&model, &texts, 4, Slot::Active).unwrap();
    for next in [[7, 8], [0, 19], [2, 2], [5, 6]] {
        for row in 0..2 {
            assert!(near(&logits[row * 20..][..20], &last_logits(&model, &texts[row]), 1e-4));
            texts[row].push(next[row]);
        }
        logits = session.step(&next).unwrap();
    }
    assert!(session.step(&[1, 1]).is_err(), "the cache is full");
}

#[test]
fn a_vocabulary_of_another_model_and_logits_that_are_no_numbers_are_refused() {
    let model = tiny(&Device::flex());
    // The second token is one too many.
    let trie = Trie::new(&[vec![4, 20], vec![4, 2]]).unwrap();
    let config = GenerateConfig { max_new_tokens: 4, ..GenerateConfig::default() };
    let sampled = GenerateConfig { sampling: Some(Sampling::default()), ..config.clone() };
    let expected = "constraint: allows token 20, but the model has 20: another vocabulary?";
    for config in [&config, &sampled] {
        let error = generate(&model, &[[1, 3], [2, 5]], config, &trie).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let error = beam_search(&model, &[1, 3], &BeamConfig::default(), &trie).unwrap_err();
    assert_eq!(error.to_string(), expected);

    let place = tempfile::tempdir().unwrap();
    save_model(&model, place.path()).unwrap();
    let path = place.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let broken = load_model(place.path(), &Device::flex()).unwrap();
    let trie = Trie::new(&[vec![4, 3], vec![4, 2]]).unwrap();
    for config in [&config, &sampled] {
        let error = generate(&broken, &[[1, 3], [2, 5]], config, &trie).unwrap_err().to_string();
        assert!(error.starts_with("sequence 0: the logit of token 0 is NaN after 0"), "{error}");
        assert!(generate(&broken, &[[1, 3]], config, &Free).is_err());
    }
    assert!(beam_search(&broken, &[1, 3], &BeamConfig::default(), &trie).is_err());
}

#[test]
fn tries_scores_and_beams_agree() {
    let model = tiny(&Device::flex());
    let items: Vec<Vec<u32>> = [&[4, 2][..], &[4, 5, 2], &[4, 6, 7, 2], &[8, 2], &[9, 9, 2], &[10, 4, 2]]
        .map(<[u32]>::to_vec)
        .to_vec();
    let trie = Trie::new(&items).unwrap();
    let prompt = [1, 13, 14];
    let scores = score_completions(&model, &prompt, &items, Slot::Active, 2).unwrap();
    let sequences: Vec<Sequence> = items.iter().map(|item| Sequence::new(&prompt, item)).collect();
    let batch = Batch::new(&sequences).unwrap();
    let whole: Vec<f32> =
        model.completion_log_probs(&batch, &mut Pass::default()).unwrap().into_data().iter::<f32>().collect();
    assert!(scores.iter().zip(whole).all(|(a, b)| (a - f64::from(b)).abs() < 1e-4));
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let config = BeamConfig { beams: items.len(), max_new_tokens: 4, ..BeamConfig::default() };
    let beams = beam_search(&model, &prompt, &config, &trie).unwrap();
    let found: Vec<usize> = beams.iter().map(|text| trie.find(&text.tokens).unwrap()).collect();
    assert_eq!(found, order);
    assert!(beams.iter().zip(&order).all(|(text, &item)| (text.log_prob - scores[item]).abs() < 1e-4));
    let settings = GenerateConfig { max_new_tokens: 4, ..GenerateConfig::default() };
    for text in generate(&model, &[&prompt[..], &[3]], &settings, &trie).unwrap() {
        assert!(text.finished && trie.find(&text.tokens).is_some());
    }
}

fn batch() -> Batch {
    Batch::new(&[Sequence::new(&[1, 2], &[3, 4, 5]), Sequence::new(&[1, 6, 7], &[8, 2])]).unwrap()
}

fn log_probs(model: &CausalLm, slot: Slot) -> Vec<f32> {
    model.completion_log_probs(&batch(), &mut slot.into()).unwrap().into_data().iter::<f32>().collect()
}

#[test]
fn adapters_start_at_nothing_train_alone_and_merge() {
    let model = tiny(&Device::flex().autodiff());
    let before = log_probs(&model, Slot::Off);
    let mut model = model.add_lora(&LoraConfig { rank: 4, ..LoraConfig::default() }, 1).unwrap();
    assert_eq!(log_probs(&model, Slot::Active), before);
    let mut trainer = Trainer::new(TrainConfig { learning_rate: 1e-2, ..TrainConfig::default() }).unwrap();
    for round in 0..6 {
        if round == 3 {
            model = model.freeze_reference();
        }
        let batch = batch();
        let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
        let loss = tape.cross_entropy();
        let gradients = tape.backward(loss);
        assert_eq!(gradients.parameters().iter().flatten().count(), 2 * 7 * 2);
        trainer = if round == 3 { Trainer::new(*trainer.config()).unwrap() } else { trainer };
        trainer.accumulate(gradients, 1.0);
        (model, _) = trainer.step(model).unwrap();
    }
    assert_eq!(log_probs(&model, Slot::Off), before);
    let (reference, active) = (log_probs(&model, Slot::Reference), log_probs(&model, Slot::Active));
    assert!(active.iter().sum::<f32>() > reference.iter().sum::<f32>());
    assert!(reference.iter().sum::<f32>() > before.iter().sum::<f32>());
    assert!(near(&log_probs(&model.merged(Slot::Active), Slot::Off), &active, 1e-5 * 30.0));
}

#[test]
fn a_resumed_training_ends_in_the_same_bits() {
    let config =
        TrainConfig { total_steps: 6, warmup_steps: 2, learning_rate: 1e-2, ..TrainConfig::default() };
    let steps = |trainer: &mut Trainer, mut model: CausalLm, count: usize| {
        for _ in 0..count {
            let batch = batch();
            let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
            let loss = tape.cross_entropy();
            trainer.accumulate(tape.backward(loss), 1.0);
            (model, _) = trainer.step(model).unwrap();
        }
        model
    };
    let device = Device::flex().autodiff();
    let mut trainer = Trainer::new(config).unwrap();
    let model = steps(&mut trainer, tiny(&device), 3);
    let bytes = trainer.checkpoint(&model, &"row 3").unwrap();
    let unbroken = log_probs(&steps(&mut trainer, model, 3), Slot::Off);
    let (mut trainer, model, notes) = Trainer::resume::<String>(config, tiny(&device), &bytes).unwrap();
    assert_eq!(notes, "row 3");
    assert_eq!(log_probs(&steps(&mut trainer, model, 3), Slot::Off), unbroken);
    assert!(Trainer::resume::<String>(config, tiny(&device), &bytes[..bytes.len() / 2]).is_err());
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let model = tiny(&Device::flex().autodiff());
    let batch = batch();
    let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
    let loss = tape.log_probs().sum();
    let gradients = tape.backward(loss);
    // The final norm is the last parameter shown: every weight of it moves every logit.
    let gradient: Vec<f32> =
        gradients.parameters().last().unwrap().clone().unwrap().into_data().iter::<f32>().collect();
    for at in [0, 5, 15] {
        let moved = |by: f32| {
            let mut model = model.valid();
            model.norm.weight = model.norm.weight.map(|weight| {
                let mut values: Vec<f32> = weight.to_data().iter::<f32>().collect();
                values[at] += by;
                burn::tensor::Tensor::from_floats(values.as_slice(), &weight.device())
            });
            log_probs(&model, Slot::Off).iter().sum::<f32>()
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert!(
            (slope - gradient[at]).abs() < 2e-2 * (1.0 + slope.abs()),
            "{at}: {slope} and {}",
            gradient[at]
        );
    }
}
