//! Environments on generated data of KuaiRec's shape with random actions: a step of 1 to 16,384 of them in each mode, a
//! reset, and the table of the distance rule. `cargo bench -p benches --profile dev --bench environments`.
#![allow(missing_docs)]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt;
use rec_core::random;
use rl_env::synthetic::KuaiRecLike;
use rl_env::{Autoreset, ItemDistances, Mode, VecEnv, VecEnvConfig, World};

fn world() -> Arc<World> {
    let source = KuaiRecLike::default().generate().expect("the shape is KuaiRec's");
    Arc::new(source.world(&source.quit).expect("the parts fit together"))
}

fn environments(world: &Arc<World>, envs: usize, mode: Mode) -> VecEnv {
    let config = VecEnvConfig { envs, mode, autoreset: Autoreset::SameStep, ..VecEnvConfig::default() };
    VecEnv::new(world.clone(), world.truth.clone(), config).expect("the world is whole")
}

fn stepping(criterion: &mut Criterion) {
    let world = world();
    let mut group = criterion.benchmark_group("environment-steps-kuairec-shape");
    for mode in [Mode::FreeB, Mode::Nx0, Mode::NxX(10)] {
        for envs in [1, 100, 1024, 16_384] {
            let mut batch = environments(&world, envs, mode);
            let mut rng = random::stream(1, "actions", 0);
            let mut actions = vec![0; envs];
            group.throughput(Throughput::Elements(envs as u64));
            group.bench_function(BenchmarkId::new(mode.to_string(), envs), |bencher| {
                bencher.iter(|| {
                    for (env, action) in actions.iter_mut().enumerate() {
                        *action = rng.random_range(0..world.n_items() as u32);
                        while mode.masks() && batch.seen().get(env, *action as usize) {
                            *action = rng.random_range(0..world.n_items() as u32);
                        }
                    }
                    batch.step(&actions).expect("no action is masked").rewards[0]
                });
            });
        }
    }
    group.finish();
    let mut batch = environments(&world, 100, Mode::FreeB);
    let mut group = criterion.benchmark_group("environment-resets-kuairec-shape");
    group.throughput(Throughput::Elements(100));
    group.bench_function("100", |bencher| bencher.iter(|| batch.reset(None)));
}

fn distances(criterion: &mut Criterion) {
    let truth = world().truth.clone();
    let mut group = criterion.benchmark_group("item-distances");
    group.sample_size(10);
    group.bench_function("1411x3327", |bencher| {
        bencher.iter(|| ItemDistances::of(&truth));
    });
}

criterion_group!(benches, stepping, distances);
criterion_main!(benches);
