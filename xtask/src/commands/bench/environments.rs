//! The cases of `bench` that need no data set: environments of simulated users, and training in them, on generated
//! data of KuaiRec's shape (1,411 users, 3,327 items).

use std::sync::Arc;
use std::time::Instant;

use rand::RngExt as _;
use rec_core::random;
use rl_env::collect::Collector;
use rl_env::datasets::QuitSettings;
use rl_env::policy::presets::{self, Published};
use rl_env::policy::{A2c, Policy as _};
use rl_env::replay::Replay;
use rl_env::states::RewardScale;
use rl_env::synthetic::KuaiRecLike;
use rl_env::tracker::ItemVectors;
use rl_env::{Autoreset, Compat, VecEnv, VecEnvConfig, WindowMode, World};

use super::{Times, median, times};
use crate::error::{Error, Result};

/// How long a measurement lasts at least.
const SECONDS: f64 = 1.0;
/// As in the published experiments: environments at once, and the most turns of an episode.
const ENVS: usize = 100;
const TURNS: usize = 30;

/// The world of KuaiRec's shape with the published quit rule, its window cut as the reference cuts it, so that both sides
/// play episodes of the same length.
fn world() -> Result<Arc<World>> {
    let source = KuaiRecLike::default().generate()?;
    let settings = QuitSettings { mode: WindowMode::PythonSlice, ..source.quit };
    Ok(Arc::new(source.world(&settings)?))
}

/// Runs `work` with `threads` threads.
fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Failed(format!("{threads} threads: {error}")))?
        .install(work)
}

/// Seconds of a million environment steps with random actions, resets included: the vector of the published experiments
/// on one thread, and a vector large enough to be shared, on one thread and on all.
pub fn steps() -> Times {
    let world = world()?;
    let all = rayon::current_num_threads();
    let million = |envs, threads| with_threads(threads, || seconds_of_a_million(&world, envs));
    times(&[
        ("million steps, 100 envs, 1 thread", million(ENVS, 1)?),
        ("million steps, 16384 envs, 1 thread", million(16384, 1)?),
        ("million steps, 16384 envs, all threads", million(16384, all)?),
    ])
}

fn seconds_of_a_million(world: &Arc<World>, envs: usize) -> Result<f64> {
    let config = VecEnvConfig { envs, autoreset: Autoreset::SameStep, ..VecEnvConfig::default() };
    let mut batch = VecEnv::new(world.clone(), world.truth.clone(), config)?;
    let items = world.n_items() as u32;
    // Drawn beforehand, as a choice is not the environment's work; long enough not to be learnt by a cache.
    let mut rng = random::stream(1, "actions", 0);
    let actions: Vec<u32> = (0..envs.max(1 << 18)).map(|_| rng.random_range(0..items)).collect();
    let mut steps = 0usize;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < SECONDS {
        for chunk in actions.chunks_exact(envs) {
            batch.step(chunk)?;
            steps += envs;
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / steps as f64)
}

/// Seconds of a thousand environment steps of A2C training: collecting 100 episodes with the policy, then one pass of
/// minibatches over them, with the published settings and states of 40 numbers.
pub fn a2c() -> Times {
    let world = world()?;
    let items = ItemVectors::random(world.n_items(), 40, &mut random::stream(1, "vectors", 0));
    let device = cf_align::autodiff::device("flex")?;
    let mut policy = A2c::new(&presets::a2c(Published::KuaiRec), &items, 1, &device)?;
    let config = VecEnvConfig { envs: ENVS, autoreset: Autoreset::Disabled, ..VecEnvConfig::default() };
    let env = VecEnv::new(world.clone(), world.truth.clone(), config)?;
    let scale = RewardScale::Range { least: 0.0, most: 5.0 };
    let mut collector = Collector::new(env, policy.window(), scale, 1, Compat::default());
    let mut replay = Replay::new(ENVS, TURNS, &collector.states(), policy.action_width());
    let mut rng = random::stream(1, "learning", 0);
    let mut seconds = Vec::new();
    let began = Instant::now();
    while seconds.len() < 3 || began.elapsed().as_secs_f64() < 3.0 * SECONDS {
        let start = Instant::now();
        replay.clear();
        collector.episodes(&policy, &mut replay)?;
        policy.learn(&replay, &mut rng)?;
        seconds.push(start.elapsed().as_secs_f64() * 1e3 / replay.len() as f64);
    }
    // The first round warms up.
    let middle = median(seconds[1..].to_vec()).ok_or_else(|| Error::Failed("no round was timed".into()))?;
    times(&[("thousand training steps", middle)])
}
