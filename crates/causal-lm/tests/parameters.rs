//! Parameters with moments and a header in one file: what is read is what was written, and damage is told.
#![cfg(feature = "flex")]

use burn::tensor::Device;
use causal_lm::parameters::{read, write};
use causal_lm::{
    AdamW, AdamWConfig, Batch, CausalLm, CausalLmConfig, LoraConfig, Pass, Sequence, Slot, Tape,
};

fn model(hidden_size: usize, seed: u64) -> CausalLm {
    let shape = CausalLmConfig {
        vocab_size: 20,
        hidden_size,
        intermediate_size: 24,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        ..CausalLmConfig::default()
    };
    shape.init(seed, &Device::flex().autodiff()).unwrap()
}

fn step(model: CausalLm, optimizer: &mut AdamW) -> CausalLm {
    let batch = Batch::new(&[Sequence::new(&[1, 2, 3], &[4, 5])]).unwrap();
    let tape = Tape::record(&model, &batch, &mut Pass::default()).unwrap();
    let loss = tape.cross_entropy();
    let gradients = tape.backward(loss);
    optimizer.step(model, gradients, 1.0, 1e-2)
}

#[test]
fn a_training_goes_on_in_the_same_bits_from_what_was_read() {
    let lora = LoraConfig { rank: 2, dropout: 0.0, ..LoraConfig::default() };
    for adapters in [false, true] {
        let with = |model: CausalLm| if adapters { model.add_lora(&lora, 1).unwrap() } else { model };
        let mut optimizer = AdamW::new(AdamWConfig::default());
        let trained = step(with(model(16, 1)), &mut optimizer);
        let bytes = write(&trained, &optimizer.moments(), ("test", "{\"round\": 3}")).unwrap();
        let (again, kept) = read(with(model(16, 2)), "test", &bytes).unwrap();
        assert_eq!(kept.header, "{\"round\": 3}");
        let mut restored = AdamW::new(AdamWConfig::default());
        restored.restore(optimizer.steps(), kept.moments, &again.device());
        let (one, other) = (step(trained, &mut optimizer), step(again, &mut restored));
        let bytes_of =
            |model: &CausalLm, optimizer: &AdamW| write(model, &optimizer.moments(), ("test", "")).unwrap();
        assert_eq!(bytes_of(&one, &optimizer), bytes_of(&other, &restored));
        assert_eq!(one.has_adapter(Slot::Active), adapters);
    }
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let bytes = write(&model(16, 1), &[], ("test", "x")).unwrap();
    let (_, kept) = read(model(16, 2), "test", &bytes).unwrap();
    assert!(kept.moments.is_empty());
    for (model, key, bytes) in [
        (model(16, 1), "other", &bytes[..]),
        (model(32, 1), "test", &bytes[..]),
        (model(16, 1).add_lora(&LoraConfig::default(), 1).unwrap(), "test", &bytes[..]),
        (model(16, 1), "test", &bytes[..bytes.len() - 4]),
        (model(16, 1), "test", &[][..]),
    ] {
        let told = read(model, key, bytes).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("delete it to start again"), "{told:?}");
    }
    // A parameter or a moment too many.
    let lora = model(16, 1).add_lora(&LoraConfig::default(), 1).unwrap();
    assert!(read(model(16, 1), "test", &write(&lora, &[], ("test", "")).unwrap()).is_err());
    let moments = [[vec![0.0; 3], vec![0.0; 3]]];
    assert!(read(model(16, 1), "test", &write(&model(16, 1), &moments, ("test", "")).unwrap()).is_err());
}
