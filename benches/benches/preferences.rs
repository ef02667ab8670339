//! Preference losses, log-probabilities of completions and a step of training, on a decoder of the size of the small
//! reproduction of SPRec. `cargo bench -p benches --profile dev --bench preferences` runs them.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use pref_opt::burn::module::Module;
use pref_opt::burn::tensor::{Device, Distribution, Tensor};
use pref_opt::codec::{Example, ItemCodec};
use pref_opt::log_probs::completion_log_probs;
use pref_opt::loss::{Divergence, Objective, PreferenceBatch, PreferenceLoss};
use pref_opt::train::{PairExample, Reference, StageConfig, train_preferences, train_sft};
use pref_opt::{CausalLm, CausalLmConfig, Pass};
use rand::RngExt;
use rec_core::{ItemId, random};

const ITEMS: usize = 1434;

fn batch(pairs: usize, negatives: usize, device: &Device) -> PreferenceBatch {
    let one = || Tensor::<1>::random([pairs], Distribution::Uniform(-9.0, -1.0), device);
    let many = || Tensor::<2>::random([pairs, negatives], Distribution::Uniform(-9.0, -1.0), device);
    PreferenceBatch {
        chosen: one().require_grad(),
        rejected: many().require_grad(),
        reference_chosen: one(),
        reference_rejected: many(),
        chosen_tokens: Tensor::ones([pairs], device).mul_scalar(5.0),
        rejected_tokens: Tensor::ones([pairs, negatives], device).mul_scalar(6.0),
        label_smoothing: None,
        weights: None,
    }
}

fn losses(criterion: &mut Criterion) {
    let device = Device::flex().autodiff();
    let mut group = criterion.benchmark_group("loss and gradient");
    let pairs = 4096;
    group.throughput(Throughput::Elements(pairs as u64));
    for (name, loss, negatives) in [
        ("dpo", PreferenceLoss::default(), 1),
        ("softmax dpo, 3", PreferenceLoss::SoftmaxDpo, 3),
        ("dmpo, 3", PreferenceLoss::Dmpo, 3),
        ("simpo", PreferenceLoss::SimPo { gamma: 0.5 }, 1),
    ] {
        let batch = batch(pairs, negatives, &device);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| loss.each(&batch, 0.1, Divergence::ReverseKl).mean().backward());
        });
    }
}

fn model(codec: &ItemCodec) -> CausalLm {
    let shape = CausalLmConfig {
        vocab_size: codec.vocab_size(),
        hidden_size: 64,
        intermediate_size: 128,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        max_position_embeddings: 64,
        ..CausalLmConfig::default()
    };
    shape.init(1, &Device::flex().autodiff()).expect("the shape holds")
}

fn training(criterion: &mut Criterion) {
    let codec = ItemCodec::one_token(ITEMS);
    let mut rng = random::stream(1, "benches", 0);
    let mut item = || ItemId(rng.random_range(0..ITEMS as u32));
    let rows: Vec<(Vec<u32>, ItemId, ItemId)> =
        (0..256).map(|_| (codec.prompt(&[(); 10].map(|()| item())), item(), item())).collect();
    let examples: Vec<Example> = rows
        .iter()
        .map(|(prompt, chosen, _)| Example { prompt: prompt.clone(), completion: codec.completion(*chosen) })
        .collect();
    let pairs: Vec<PairExample> = rows
        .iter()
        .map(|(prompt, chosen, rejected)| PairExample {
            prompt: prompt.clone(),
            chosen: codec.completion(*chosen),
            rejected: vec![codec.completion(*rejected)],
        })
        .collect();
    let model = model(&codec);
    let frozen = model.valid();
    let mut group = criterion.benchmark_group("256 rows");
    group.sample_size(10).throughput(Throughput::Elements(256));
    group.bench_function("log-probabilities", |bencher| {
        let rows: Vec<_> = examples.iter().map(|row| (&row.prompt, &row.completion)).collect();
        bencher.iter(|| {
            let found = completion_log_probs(&frozen, &rows, &mut Pass::default());
            found.expect("the rows fit").sums.into_data()
        });
    });
    for batch_size in [16, 128] {
        let stage = StageConfig { batch_size, ..StageConfig::default() };
        group.bench_function(BenchmarkId::new("supervised, batches of", batch_size), |bencher| {
            bencher
                .iter(|| train_sft(model.clone(), &examples, None, &stage, 1, "bench").expect("it trains"));
        });
    }
    let objective = Objective::default();
    for batch_size in [8, 64] {
        let stage = StageConfig { batch_size, ..StageConfig::default() };
        let reference = Reference::Frozen(Box::new(frozen.clone()));
        group.bench_function(BenchmarkId::new("preferences, batches of", batch_size), |bencher| {
            bencher.iter(|| {
                train_preferences(model.clone(), &pairs, &reference, &objective, &stage, 1, "bench")
                    .expect("it trains")
            });
        });
    }
}

criterion_group!(preferences, losses, training);
criterion_main!(preferences);
