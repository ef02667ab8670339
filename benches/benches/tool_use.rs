//! Tool-using policies: batched decoding, environment steps, advantages, episodes in files.
//! `cargo bench -p benches --profile dev --bench tool_use`.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::RngExt;
use rec_core::random;
use tool_rl::backoffice::{Backoffice, BackofficeCodec, Expert, ExpertConfig, TaskConfig, random_call};
use tool_rl::burn::tensor::Device;
use tool_rl::lm::{Draw, Job, RolloutConfig, rollout};
use tool_rl::{
    ActionCodec, CausalLmConfig, Credit, Episode, Limits, Signal, ToolEnvironment, play, read_episodes,
    write_episodes,
};

fn office() -> Backoffice {
    Backoffice::new(0.12).expect("a rate")
}

/// Rollouts of a policy that has learnt nothing: actions and episodes are as long as they may be, so most of the time goes to decoding.
fn decoding(criterion: &mut Criterion) {
    let office = office();
    let mut group = criterion.benchmark_group("tool-rollout-tokens");
    group.sample_size(10);
    for (width, layers) in [(96, 3), (160, 4)] {
        let config = CausalLmConfig {
            vocab_size: BackofficeCodec.vocabulary(),
            hidden_size: width,
            intermediate_size: 4 * width,
            num_hidden_layers: layers,
            num_attention_heads: width / 32,
            num_key_value_heads: width / 32,
            max_position_embeddings: 256,
            ..CausalLmConfig::default()
        };
        let policy = config.init(1, &Device::flex()).expect("a shape");
        let job = |number: u64| {
            let task = office.task(&TaskConfig::default(), number).expect("a task");
            Job { task, number, group: number, seed: number, stream: number }
        };
        let jobs: Vec<_> = (0..128).map(job).collect();
        let limits = Limits { tokens: 64, ..Limits::default() };
        let draw = Draw::Sample { temperature: 1.0, seed: 1 };
        let config = RolloutConfig { limits, draw, ..RolloutConfig::default() };
        let run = || rollout(&policy, &office, &BackofficeCodec, &jobs, &config).expect("a rollout");
        let tokens: usize = run().iter().map(|episode| episode.tokens.len() - episode.prompt).sum();
        group.throughput(Throughput::Elements(tokens as u64));
        group.bench_function(BenchmarkId::new("128-episodes", format!("{width}x{layers}")), |bencher| {
            bencher.iter(run);
        });
    }
    group.finish();
}

fn stepping(criterion: &mut Criterion) {
    let mut env = office();
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let task = env.task(&TaskConfig::default(), index).expect("a task");
            let mut rng = random::stream(1, "calls", index);
            let plan: Vec<_> = task.plan().cloned().collect();
            let calls: Vec<_> =
                plan.into_iter().flat_map(|call| [call, random_call(&task, &mut rng)]).collect();
            (task, calls)
        })
        .collect();
    let calls: usize = tasks.iter().map(|(_, calls)| calls.len()).sum();
    let mut group = criterion.benchmark_group("backoffice-steps");
    group.throughput(Throughput::Elements(calls as u64));
    group.bench_function("resets-included", |bencher| {
        bencher.iter(|| {
            let mut digest = 0;
            for (task, calls) in &tasks {
                env.reset(task, 1);
                for call in calls {
                    digest ^= env.digest();
                    env.step(call);
                }
            }
            digest
        });
    });
    group.finish();
}

fn advantages(criterion: &mut Criterion) {
    let mut rng = random::stream(1, "signal", 0);
    let steps = vec![10; 100_000];
    let observations = vec![5; steps.len()];
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random::<f32>() - 0.5).collect() };
    let (rewards, token_rewards, values) = (draw(steps.len()), draw(1_000_000), draw(1_000_000));
    let signal = Signal {
        steps: &steps,
        observations: &observations,
        rewards: &rewards,
        token_rewards: &token_rewards,
        values: &values,
    };
    let mut group = criterion.benchmark_group("advantages-of-a-million-tokens");
    group.throughput(Throughput::Elements(1_000_000));
    for (name, credit) in [
        ("token-gae", Credit::TokenGae { gamma: 1.0, gamma_token: 1.0, lambda: 0.95 }),
        ("step-gae", Credit::StepGae { gamma: 1.0, lambda: 0.95 }),
        (
            "released",
            Credit::Released { gamma: 0.99, lambda: 0.95, over_observations: true, reversed_weights: true },
        ),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| credit.assign(&signal)));
    }
    group.finish();
}

fn files(criterion: &mut Criterion) {
    let mut env = office();
    let episodes: Vec<Episode> = (0..500)
        .map(|index| {
            let task = env.task(&TaskConfig::default(), index).expect("a task");
            let mut expert = Expert::new(&task, &ExpertConfig::default(), 1);
            play(&mut env, &task, index, &BackofficeCodec, &Limits::default(), |_, reply| {
                reply.into_iter().for_each(|reply| expert.observe(reply));
                expert.act()
            })
        })
        .collect();
    let path = std::env::temp_dir().join(format!("sextant-bench-episodes-{}.jsonl", std::process::id()));
    write_episodes(&path, &episodes).expect("a file");
    let bytes = std::fs::metadata(&path).expect("a file").len();
    let mut group = criterion.benchmark_group("episode-files");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("write", |bencher| {
        bencher.iter(|| write_episodes(&path, &episodes).expect("a file"));
    });
    group.bench_function("read", |bencher| bencher.iter(|| read_episodes(&path).expect("episodes")));
    group.finish();
    let _ = std::fs::remove_file(&path);
}

criterion_group!(benches, decoding, stepping, advantages, files);
criterion_main!(benches);
