//! The hot paths on generated data of the shape of known data sets: an epoch of training, full ranking with a seen
//! mask, and the metrics. `cargo bench -p benches --profile dev` runs them with the workspace's one set of optimised
//! dependencies; `cargo xtask bench --peers PYTHON` holds them against the originals on real data.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use cf_align::fused::FusedEngine;
use cf_align::train::TrainingEngine;
use cf_align::{Embeddings, ModelConfig, Scoring};
use rand::RngExt;
use rec_core::evaluate::Evaluator;
use rec_core::{Interactions, ItemId, Query, Recommender, Split, UserId, UserItems, random};

/// Pairs whose users and items are drawn with a skew like that of real data (the square of a uniform number).
fn generated(n_users: usize, n_items: usize, pairs: usize) -> Interactions {
    let mut rng = random::stream(1, "benches", 0);
    let mut skewed = |n: usize| (rng.random::<f64>().powi(2) * n as f64) as u32;
    let mut rows = Interactions::default();
    for _ in 0..pairs {
        rows.users.push(UserId(skewed(n_users)));
        rows.items.push(ItemId(skewed(n_items)));
    }
    rows
}

fn training(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("epoch");
    group.sample_size(10);
    let shapes = [("ml-100k", 943, 1682, 80_808, 1024), ("beauty", 22_363, 12_101, 148_766, 256)];
    for (shape, n_users, n_items, pairs, batch_size) in shapes {
        let train = generated(n_users, n_items, pairs);
        group.throughput(Throughput::Elements(pairs as u64));
        for (name, mut config) in [
            ("directau", ModelConfig::directau()),
            ("bpr", ModelConfig::bpr()),
            ("lightgcn", ModelConfig::lightgcn()),
        ] {
            if name == "directau" {
                config.training.batch_size = batch_size;
            }
            let mut engine =
                FusedEngine::new(&config, &train, n_users, n_items).expect("the data can be trained on");
            let mut epoch = 0;
            group.bench_function(BenchmarkId::new(name, shape), |bencher| {
                bencher.iter(|| {
                    epoch += 1;
                    engine.train_epoch(epoch).expect("training stays finite")
                });
            });
        }
    }
}

fn vectors(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = random::stream(seed, "bench-vectors", 0);
    (0..rows * dim).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

fn ranking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rank-all-users-top-20");
    group.sample_size(10);
    for (shape, n_users, n_items, pairs) in
        [("ml-100k", 943, 1682, 80_808), ("beauty", 22_363, 12_101, 148_766)]
    {
        let model = Embeddings::new(64, vectors(n_users, 64, 1), vectors(n_items, 64, 2), Scoring::Dot);
        let seen = UserItems::new(&generated(n_users, n_items, pairs), n_users, n_items);
        let queries: Vec<Query<'_>> = (0..n_users)
            .map(UserId::from_index)
            .map(|user| Query { user: Some(user), exclude: seen.row(user), ..Query::default() })
            .collect();
        group.throughput(Throughput::Elements(n_users as u64));
        group.bench_function(shape, |bencher| {
            bencher.iter(|| model.recommend(&queries, 20).expect("all users are known"));
        });
    }
}

fn evaluation(criterion: &mut Criterion) {
    let (n_users, n_items) = (943, 1682);
    let model = Embeddings::new(64, vectors(n_users, 64, 1), vectors(n_items, 64, 2), Scoring::Dot);
    let split = Split {
        train: generated(n_users, n_items, 80_808),
        test: generated(n_users, n_items, 9_596),
        ..Split::default()
    };
    let evaluator = Evaluator::test(&split, n_users, n_items).expect("the split can be judged");
    criterion.bench_function("evaluate-ml-100k-shape", |bencher| {
        bencher.iter(|| evaluator.evaluate(&model).expect("the model knows every user"));
    });
}

criterion_group!(benches, training, ranking, evaluation);
criterion_main!(benches);
