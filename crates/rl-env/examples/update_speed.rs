//! How fast the off-policy and offline policies learn and act: on the shapes of Coat (300 items) and KuaiRec (3327), states
//! of three pairs of 40 + 1 numbers, published settings. One JSON line per shape and policy.
//!
//! ```text
//! cargo run -p rl-env -p xtask --example update_speed -- [SECONDS PER MEASUREMENT] [POLICY] [ITEMS]
//! ```
#![allow(clippy::print_stdout)]

use std::time::Instant;

use burn::tensor::Device;
use rand::RngExt;
use rec_core::random::stream;
use rl_env::policy::presets::{self, Published};
use rl_env::policy::{
    Acting, Actions, Bcq, C51, Cql, Crr, Ddpg, Dqn, DqnConfig, Policy, Prioritized, QrDqn, QrDqnConfig, Sqn,
    Td3,
};
use rl_env::replay::{Replay, Transition};
use rl_env::tracker::ItemVectors;
use rl_env::{Compat, States};

const DIM: usize = 40;
const ENVS: usize = 100;

type Make = fn(&ItemVectors) -> Box<dyn Policy>;

const POLICIES: [(&str, Make); 11] = [
    ("dqn", |items| {
        Box::new(Dqn::new(&presets::dqn(Published::Coat), items, 1, &Device::default()).unwrap())
    }),
    ("prioritised dqn", |items| {
        let config = DqnConfig { prioritized: Some(Prioritized::default()), ..DqnConfig::default() };
        Box::new(Dqn::new(&config, items, 1, &Device::default()).unwrap())
    }),
    ("c51", |items| {
        Box::new(C51::new(&presets::c51(Published::Coat), items, 1, &Device::default()).unwrap())
    }),
    ("qrdqn", |items| Box::new(QrDqn::new(&QrDqnConfig::default(), items, 1, &Device::default()).unwrap())),
    ("cql", |items| {
        let config = presets::cql(Published::Coat);
        Box::new(
            Cql::new(&rl_env::policy::CqlConfig { updates: 12, ..config }, items, 1, &Device::default())
                .unwrap(),
        )
    }),
    ("bcq", |items| {
        let config = rl_env::policy::BcqConfig { updates: 12, ..presets::bcq(Published::Coat) };
        Box::new(Bcq::new(&config, Compat::default(), items, 1, &Device::default()).unwrap())
    }),
    ("crr", |items| {
        let config = rl_env::policy::CrrConfig { updates: 12, ..presets::crr(Published::Coat) };
        Box::new(Crr::new(&config, Compat::default(), items, 1, &Device::default()).unwrap())
    }),
    ("sqn", |items| {
        let config = rl_env::policy::SqnConfig { updates: 12, ..presets::sqn(Published::Coat) };
        Box::new(Sqn::new(&config, Compat::default(), items, 1, &Device::default()).unwrap())
    }),
    ("ddpg", |items| {
        let config = presets::ddpg(Published::Coat);
        Box::new(Ddpg::new(&config, Compat::default(), items, 1, &Device::default()).unwrap())
    }),
    ("td3", |items| {
        let config = presets::td3(Published::Coat);
        Box::new(Td3::new(&config, Compat::default(), items, 1, &Device::default()).unwrap())
    }),
    ("dueling dqn", |items| {
        let config = DqnConfig { dueling: true, ..DqnConfig::default() };
        Box::new(Dqn::new(&config, items, 1, &Device::default()).unwrap())
    }),
];

/// 100,000 transitions of a random policy, and the states that it was in last.
fn lived(n_items: u32, policy: &dyn Policy) -> (Replay, States) {
    let mut rng = stream(1, "lived", 0);
    let width = policy.action_width();
    let mut replay = Replay::new(ENVS, 1000, &States::new(policy.window()), width);
    let mut last = States::new(policy.window());
    let mut vector = vec![0.0; width];
    for env in 0..ENVS {
        let mut trail = vec![rng.random_range(0..n_items)];
        let mut rewards = vec![0.0];
        for step in 0..1000 {
            let mut states = States::new(policy.window());
            states.push(0, &trail, &rewards);
            let (action, reward) = (rng.random_range(0..n_items), rng.random());
            trail.push(action);
            rewards.push(reward);
            states.push(0, &trail, &rewards);
            vector.iter_mut().for_each(|value| *value = rng.random::<f32>() * 2.0 - 1.0);
            let terminated = step % 10 == 9;
            let transition = Transition { action, vector: &vector, reward, terminated, truncated: false };
            let mut after = States::new(policy.window());
            after.push_from(&states, 1);
            replay.push(env, &transition, &states, &after, 0);
            if terminated {
                (trail, rewards) = (vec![action], vec![0.0]);
            }
        }
        last.push(0, &trail, &rewards);
    }
    (replay, last)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().map_or(2.0, |seconds| seconds.parse().unwrap());
    let (only, items) = (arguments.next(), arguments.next().map(|items| items.parse::<usize>().unwrap()));
    for n_items in [300, 3327].into_iter().filter(|&n| items.is_none_or(|items| items == n)) {
        for (name, make) in
            POLICIES.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name))
        {
            let mut policy = make(&ItemVectors::random(n_items, DIM, &mut stream(1, "items", 0)));
            let (replay, states) = lived(n_items as u32, &*policy);
            let mut rng = stream(1, "learn", 0);
            policy.learn(&replay, &mut rng).unwrap();
            let (started, mut rounds) = (Instant::now(), 0);
            while started.elapsed().as_secs_f64() < seconds {
                policy.learn(&replay, &mut rng).unwrap();
                rounds += 1;
            }
            let learn = started.elapsed().as_secs_f64() / f64::from(rounds);
            let (started, mut acts, mut actions) = (Instant::now(), 0, Actions::default());
            while started.elapsed().as_secs_f64() < seconds / 4.0 {
                policy.act(&states, None, Acting::Explore, &mut rng, &mut actions).unwrap();
                acts += 1;
            }
            let act = started.elapsed().as_secs_f64() / f64::from(acts);
            let updates = if *name == "qrdqn" { 10.0 } else { 12.0 };
            println!(
                "{{\"policy\":\"{name}\",\"items\":{n_items},\"round_ms\":{:.2},\"update_ms\":{:.3},\"act_100_ms\":{:.3}}}",
                learn * 1e3,
                learn * 1e3 / updates,
                act * 1e3
            );
        }
    }
}
