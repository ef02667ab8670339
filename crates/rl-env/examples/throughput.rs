//! Environment steps a second on the shape of KuaiRec: 1411 users, 3327 items, 31 tags (1.18 an item), a window of 9 in
//! which a tag may occur once, random actions. One JSON line.
//!
//! ```text
//! cargo run -p rl-env --example throughput -- [SECONDS PER MEASUREMENT]
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::seq::SliceRandom;
use rec_core::random;
use rl_env::{Autoreset, Quit, QuitRule, RewardMatrix, VecEnv, VecEnvConfig, WindowMode, World};

const USERS: usize = 1411;
const ITEMS: usize = 3327;

/// Tags of KuaiRec's number and spread over items: every item has one, 18 % a second; some tags are far more common.
fn tags(rng: &mut random::Random) -> Vec<u64> {
    let mut names: Vec<u32> = (0..31).collect();
    names.shuffle(rng);
    let mut one = || 1u64 << names[(rng.random::<f64>().powi(2) * 31.0) as usize];
    (0..ITEMS).map(|item| if item % 50 < 9 { one() | one() } else { one() }).collect()
}

/// Steps a second over at least `time`, resets included; and the mean length of an episode.
fn measure(world: &Arc<World>, envs: usize, time: Duration) -> (f64, f64) {
    let config = VecEnvConfig { envs, autoreset: Autoreset::SameStep, ..VecEnvConfig::default() };
    let mut batch = VecEnv::new(world.clone(), world.truth.clone(), config).expect("the world is whole");
    let mut rng = random::stream(1, "actions", 0);
    // Drawn beforehand, as a policy's choice is not the environment's work; long enough not to be learnt by a cache.
    let actions: Vec<u32> = (0..envs.max(1 << 18)).map(|_| rng.random_range(0..ITEMS as u32)).collect();
    let mut chunks = actions.chunks_exact(envs).cycle();
    let (mut steps, mut ends) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < time {
        for _ in 0..(100_000 / envs).max(1) {
            let chunk = chunks.next().expect("a cycle does not end");
            let told = batch.step(chunk).expect("all items exist");
            ends += told.terminated.iter().filter(|&&over| over).count();
            ends += told.truncated.iter().filter(|&&over| over).count();
            steps += envs;
        }
    }
    (steps as f64 / start.elapsed().as_secs_f64(), steps as f64 / ends as f64)
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).map_or(1.0, |text| text.parse().expect("a number of seconds"));
    let mut rng = random::stream(1, "throughput", 0);
    let cells = (0..USERS * ITEMS).map(|_| rng.random_range(0.0..1.75)).collect();
    let truth = Arc::new(RewardMatrix::new(USERS, ITEMS, cells).expect("all cells are finite"));
    let rule = QuitRule::Category { tags: tags(&mut rng), threshold: 1 };
    let quit = Quit { rule, window: 9, mode: WindowMode::Exact };
    let world = Arc::new(World::new(truth, quit, 30, true).expect("the parts fit together"));
    let mut rows = Vec::new();
    for threads in [1, 2] {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        for envs in [1, 100, 1024, 16384] {
            let (steps_per_second, episode_length) =
                pool.install(|| measure(&world, envs, Duration::from_secs_f64(seconds)));
            rows.push(serde_json::json!({
                "envs": envs,
                "threads": threads,
                "steps_per_second": steps_per_second.round(),
                "episode_length": (episode_length * 100.0).round() / 100.0,
            }));
        }
    }
    println!("{}", serde_json::json!({ "shape": "kuairec", "actions": "random", "measured": rows }));
}
