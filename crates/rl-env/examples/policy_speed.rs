//! How fast the on-policy policies act and learn: on the shapes of Coat (300 items) and KuaiRec (3327 items), states of
//! 40 + 1 numbers, 100 environments of 30 turns, one pass of minibatches of 1024 after each round. One JSON line per
//! shape and policy.
//!
//! ```text
//! cargo run -p rl-env -p xtask --example policy_speed -- [SECONDS PER MEASUREMENT] [POLICY] [ITEMS]
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use rand::RngExt;
use rec_core::random::stream;
use rl_env::collect::Collector;
use rl_env::policy::presets::{self, Published};
use rl_env::policy::{A2c, A2cConfig, Acting, Actions, Pg, Policy, Ppo};
use rl_env::replay::Replay;
use rl_env::states::RewardScale;
use rl_env::tracker::{ItemVectors, TrackerConfig, TrackerKind};
use rl_env::{
    Autoreset, Compat, Quit, QuitRule, RewardMatrix, States, VecEnv, VecEnvConfig, WindowMode, World,
};

const USERS: usize = 300;
const ENVS: usize = 100;
const TURNS: usize = 30;
const DIM: usize = 40;

/// Runs `work` for `seconds`, after one run that does not count; gives the seconds of one run.
fn seconds_of(seconds: f64, mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut runs) = (Instant::now(), 0.0);
    while start.elapsed().as_secs_f64() < seconds {
        work();
        runs += 1.0;
    }
    start.elapsed().as_secs_f64() / runs
}

/// Seconds of processor time that this process has used, over all threads; 0 where the system does not tell.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn measure(name: &str, policy: &mut dyn Policy, seconds: f64) {
    let (n_items, mut rng) = (policy.n_items(), stream(1, "policy speed", 0));
    let cells = (0..USERS * n_items).map(|_| rng.random_range(0.0..1.0)).collect();
    let truth = Arc::new(RewardMatrix::new(USERS, n_items, cells).expect("all cells are finite"));
    let quit = Quit { rule: QuitRule::Never, window: 1, mode: WindowMode::Exact };
    let world = Arc::new(World::new(truth.clone(), quit, TURNS, true).expect("the parts fit together"));
    let config = VecEnvConfig { envs: ENVS, autoreset: Autoreset::Disabled, ..VecEnvConfig::default() };
    let env = VecEnv::new(world, truth, config).expect("the world is whole");
    let scale = RewardScale::Range { least: 0.0, most: 1.0 };
    let mut collector = Collector::new(env, policy.window(), scale, 1, Compat::default());
    let mut replay = Replay::new(ENVS, TURNS, &collector.states(), policy.action_width());

    let (mut rounds, used) = (0.0, processor_seconds());
    let round = seconds_of(seconds, || {
        rounds += 1.0;
        replay.clear();
        collector.episodes(policy, &mut replay).expect("the policy acts");
        policy.learn(&replay, &mut rng).expect("the policy learns");
    });

    let used = (processor_seconds() - used) / rounds;

    let mut states = States::scaled(policy.window(), scale);
    let rows: Vec<u32> = replay.ordered().into_iter().take(ENVS).collect();
    let before = replay.before(&rows);
    (0..ENVS).for_each(|row| states.push_from(&before, row));
    let mut actions = Actions::default();
    let act = seconds_of(seconds / 3.0, || {
        policy.act(&states, None, Acting::Explore, &mut rng, &mut actions).expect("the policy acts");
    });

    // 1024 transitions: the first ones of the round, an environment after the other.
    let mut part = Replay::new(ENVS, TURNS, &states, policy.action_width());
    for (at, slot) in replay.ordered().into_iter().take(1024).enumerate() {
        let transition = rl_env::replay::Transition {
            action: replay.action(slot),
            vector: replay.vector(slot),
            reward: replay.reward(slot),
            terminated: replay.terminated(slot),
            truncated: (at + 1) % TURNS == 0,
        };
        part.push(at / TURNS, &transition, &replay.before(&[slot]), &replay.after(&[slot]), 0);
    }
    let learn = seconds_of(seconds / 3.0, || {
        policy.learn(&part, &mut rng).expect("the policy learns");
    });
    println!(
        "{}",
        serde_json::json!({
            "policy": name,
            "items": n_items,
            "threads": rayon::current_num_threads(),
            "steps_per_second": ((ENVS * TURNS) as f64 / round).round(),
            "steps_per_processor_second": ((ENVS * TURNS) as f64 / used).round(),
            "act_100_ms": (act * 1e5).round() / 100.0,
            "learn_1024_ms": (learn * 1e5).round() / 100.0,
        })
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(3.0, |text| text.parse().expect("a number of seconds"));
    let only = arguments.next();
    let shapes =
        arguments.next().map_or(vec![300, 3327], |text| vec![text.parse().expect("a number of items")]);
    let device = Device::flex();
    for n_items in shapes {
        let items = ItemVectors::random(n_items, DIM, &mut stream(1, "vectors", 0));
        let on = Published::Coat;
        let tracked = |kind| {
            let tracker = TrackerConfig { kind, window: 5, ..TrackerConfig::default() };
            A2cConfig { tracker, ..presets::a2c(on) }
        };
        let a2c = |config: &A2cConfig| A2c::new(config, &items, 1, &device).expect("the settings hold");
        let mut policies: Vec<(&str, Box<dyn Policy>)> = vec![
            ("A2C", Box::new(a2c(&presets::a2c(on)))),
            ("PG", Box::new(Pg::new(&presets::pg(on), &items, 1, &device).expect("the settings hold"))),
            ("PPO", Box::new(Ppo::new(&presets::ppo(on), &items, 1, &device).expect("the settings hold"))),
            ("A2C(C)", Box::new(a2c(&presets::continuous_a2c(on)))),
            ("A2C+GRU", Box::new(a2c(&tracked(TrackerKind::Gru)))),
            ("A2C+Caser", Box::new(a2c(&tracked(TrackerKind::Caser)))),
            ("A2C+SASRec", Box::new(a2c(&tracked(TrackerKind::SasRec)))),
            ("A2C+NextItNet", Box::new(a2c(&tracked(TrackerKind::NextItNet)))),
        ];
        for (name, policy) in &mut policies {
            if only.as_ref().is_none_or(|only| only == name) {
                measure(name, &mut **policy, seconds);
            }
        }
    }
}
