//! Environment steps a second on generated data of KuaiRec's shape: 1411 users, 3327 items, 31 tags (1.18 an item), a
//! window of 9 in which a tag may occur once (as the reference cuts it), random actions. One JSON line.
//!
//! ```text
//! cargo run -p rl-env --example throughput -- [SECONDS PER MEASUREMENT]
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rec_core::random;
use rl_env::datasets::QuitSettings;
use rl_env::synthetic::KuaiRecLike;
use rl_env::{Autoreset, VecEnv, VecEnvConfig, WindowMode, World};

/// Seconds that the processors have worked for this process, all threads together, where Linux tells (in hundredths).
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name, in parentheses, may hold blanks; user and system time are the 12th and 13th field after it.
    let fields = text.rsplit(')').next()?.split_ascii_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().ok()).sum::<Option<f64>>().map(|ticks| ticks / 100.0)
}

/// What a measurement found.
struct Measured {
    /// Resets included.
    steps_per_second: f64,
    /// On a machine that others use too this is the steadier number.
    steps_per_cpu_second: Option<f64>,
    episode_length: f64,
}

/// Steps for at least `time`.
fn measure(world: &Arc<World>, envs: usize, time: Duration) -> Measured {
    let config = VecEnvConfig { envs, autoreset: Autoreset::SameStep, ..VecEnvConfig::default() };
    let mut batch = VecEnv::new(world.clone(), world.truth.clone(), config).expect("the world is whole");
    let mut rng = random::stream(1, "actions", 0);
    let items = world.n_items() as u32;
    // Drawn beforehand, as a policy's choice is not the environment's work; long enough not to be learnt by a cache.
    let actions: Vec<u32> = (0..envs.max(1 << 18)).map(|_| rng.random_range(0..items)).collect();
    let mut chunks = actions.chunks_exact(envs).cycle();
    let (mut steps, mut ends) = (0, 0);
    let (start, cpu) = (Instant::now(), cpu_seconds());
    while start.elapsed() < time {
        for _ in 0..(100_000 / envs).max(1) {
            let chunk = chunks.next().expect("a cycle does not end");
            let told = batch.step(chunk).expect("all items exist");
            ends += told.terminated.iter().filter(|&&over| over).count();
            ends += told.truncated.iter().filter(|&&over| over).count();
            steps += envs;
        }
    }
    let steps = steps as f64;
    Measured {
        steps_per_second: steps / start.elapsed().as_secs_f64(),
        steps_per_cpu_second: cpu_seconds().zip(cpu).map(|(end, start)| steps / (end - start)),
        episode_length: steps / ends as f64,
    }
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(1.0, |text| text.parse().expect("a number of seconds"));
    let source = KuaiRecLike::default().generate().expect("the shape is KuaiRec's");
    let settings = QuitSettings { mode: WindowMode::PythonSlice, ..source.quit };
    let world = Arc::new(source.world(&settings).expect("the parts fit together"));
    drop(source);
    let mut rows = Vec::new();
    for threads in [1, 2] {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        for envs in [1, 100, 1024, 16384] {
            let measured = pool.install(|| measure(&world, envs, Duration::from_secs_f64(seconds)));
            rows.push(serde_json::json!({
                "envs": envs,
                "threads": threads,
                "steps_per_second": measured.steps_per_second.round(),
                "steps_per_cpu_second": measured.steps_per_cpu_second.map(f64::round),
                "episode_length": (measured.episode_length * 100.0).round() / 100.0,
            }));
        }
    }
    println!("{}", serde_json::json!({ "shape": "kuairec", "actions": "random", "measured": rows }));
}
