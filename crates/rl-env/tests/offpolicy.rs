//! The off-policy and offline policies on worlds so small that the right answer is known.

use burn::tensor::Device;
use proptest::prelude::*;
use rand::RngExt;
use rec_core::random::{Random, stream};
use rl_env::States;
use rl_env::bits::{BitMatrix, MaskedRows};
use rl_env::policy::{
    Acting, Actions, C51, C51Config, Dqn, DqnConfig, Policy, PolicyState, Prioritized, QrDqn, QrDqnConfig,
};
use rl_env::replay::{Replay, Transition};
use rl_env::tracker::{ItemVectors, RewardInput, TrackerConfig};

/// A policy sees the last item only, as one number per item.
fn sight() -> TrackerConfig {
    TrackerConfig { window: 1, reward_input: RewardInput::Ignore, ..TrackerConfig::default() }
}

fn one_hot(n_items: usize) -> ItemVectors {
    let values = (0..n_items * n_items).map(|cell| f32::from(u8::from(cell / n_items == cell % n_items)));
    ItemVectors { dim: n_items, values: values.collect() }
}

fn state_of(item: u32) -> States {
    let mut states = States::new(1);
    states.push(0, &[item], &[0.0]);
    states
}

/// What a uniformly random policy lived through where taking `item` in the state "`last` was taken" pays
/// `reward(last, item)` and, if `leaves` says so, ends the episode; others are cut after 7 turns.
fn lived(
    n_items: u32,
    steps: usize,
    reward: impl Fn(u32, u32) -> f32,
    leaves: impl Fn(u32, u32) -> bool,
) -> Replay {
    let mut rng = stream(5, "lived", 0);
    let envs = 4;
    let mut replay = Replay::new(envs, steps / envs, &States::new(1), 0);
    for env in 0..envs {
        let (mut last, mut turn) = (rng.random_range(0..n_items), 0);
        for _ in 0..steps / envs {
            let item = rng.random_range(0..n_items);
            turn += 1;
            let terminated = leaves(last, item);
            let transition = Transition {
                action: item,
                vector: &[],
                reward: reward(last, item),
                terminated,
                truncated: !terminated && turn == 7,
            };
            replay.push(env, &transition, &state_of(last), &state_of(item), 0);
            (last, turn) = match terminated || turn == 7 {
                true => (rng.random_range(0..n_items), 0),
                false => (item, turn),
            };
        }
    }
    replay
}

/// Two items; the state is the one taken last. Changing pays 1 and 2, staying pays nothing, nobody leaves.
fn chain() -> Replay {
    lived(2, 1024, |last, item| if last == item { 0.0 } else { 1.0 + last as f32 }, |_, _| false)
}

/// `Q(s, a)` of [`chain`] at discount 1/2: `V(0) = 1 + V(1) / 2`, `V(1) = 2 + V(0) / 2`.
const CHAIN: [f32; 4] = [4.0 / 3.0, 8.0 / 3.0, 10.0 / 3.0, 5.0 / 3.0];

/// As [`chain`], but whoever goes from 1 to 0 leaves.
fn ending_chain() -> Replay {
    lived(
        2,
        1024,
        |last, item| if last == item { 0.0 } else { 1.0 + last as f32 },
        |last, item| last == 1 && item == 0,
    )
}

/// `V(0) = 1 + V(1) / 2`, `V(1) = 2`.
const ENDING_CHAIN: [f32; 4] = [1.0, 2.0, 2.0, 1.0];

fn assert_learns(mut policy: impl Policy, replay: &Replay, rounds: usize, truth: [f32; 4], within: f32) {
    let mut rng = stream(6, "learn", 0);
    for _ in 0..rounds {
        policy.learn(replay, &mut rng).unwrap();
    }
    let mut found = Vec::new();
    for item in 0..2 {
        let mut scores = Vec::new();
        policy.scores(&state_of(item), &mut scores).unwrap();
        found.extend(scores);
    }
    let worst = found.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < within, "{found:?} instead of {truth:?}");
}

fn dqn() -> DqnConfig {
    DqnConfig {
        tracker: sight(),
        hidden: vec![16],
        learning_rate: 5e-3,
        gamma: 0.5,
        n_step: 1,
        target_every: 20,
        updates: 600,
        ..DqnConfig::default()
    }
}

fn c51() -> C51Config {
    let d = dqn();
    C51Config {
        tracker: d.tracker,
        hidden: d.hidden,
        learning_rate: d.learning_rate,
        gamma: d.gamma,
        n_step: 1,
        target_every: 20,
        updates: 600,
        least: 0.0,
        most: 5.0,
        ..C51Config::default()
    }
}

fn qrdqn() -> QrDqnConfig {
    let d = dqn();
    QrDqnConfig {
        tracker: d.tracker,
        hidden: d.hidden,
        learning_rate: d.learning_rate,
        gamma: d.gamma,
        n_step: 1,
        quantiles: 8,
        target_every: 20,
        updates: 600,
        ..QrDqnConfig::default()
    }
}

fn make_dqn(config: &DqnConfig) -> Dqn {
    Dqn::new(config, &one_hot(2), 1, &Device::default()).unwrap()
}

#[test]
fn dqn_finds_the_values_of_a_chain_in_every_variant() {
    let (replay, ending) = (chain(), ending_chain());
    for config in [
        dqn(),
        DqnConfig { double: false, ..dqn() },
        DqnConfig { dueling: true, ..dqn() },
        DqnConfig { huber: true, ..dqn() },
        DqnConfig { prioritized: Some(Prioritized::default()), ..dqn() },
    ] {
        assert_learns(make_dqn(&config), &replay, 1, CHAIN, 0.1);
        assert_learns(make_dqn(&config), &ending, 1, ENDING_CHAIN, 0.1);
    }
}

#[test]
fn c51_finds_the_values_of_a_chain() {
    let make = || C51::new(&c51(), &one_hot(2), 1, &Device::default()).unwrap();
    assert_learns(make(), &chain(), 1, CHAIN, 0.1);
    assert_learns(make(), &ending_chain(), 1, ENDING_CHAIN, 0.1);
}

#[test]
fn qrdqn_finds_the_values_of_a_chain() {
    let make = || QrDqn::new(&qrdqn(), &one_hot(2), 1, &Device::default()).unwrap();
    assert_learns(make(), &chain(), 1, CHAIN, 0.1);
    assert_learns(make(), &ending_chain(), 1, ENDING_CHAIN, 0.1);
}

/// Every policy of this file, as new, for worlds of `n_items`.
fn everyone(n_items: usize) -> Vec<(&'static str, Box<dyn Fn() -> Box<dyn Policy>>)> {
    let items = move || one_hot(n_items);
    let device = Device::default;
    vec![
        (
            "dqn",
            Box::new(move || {
                let config = DqnConfig { updates: 7, target_every: 3, epsilon: 0.5, ..dqn() };
                Box::new(Dqn::new(&config, &items(), 1, &device()).unwrap())
            }),
        ),
        (
            "prioritised dueling dqn",
            Box::new(move || {
                let prioritized = Some(Prioritized::default());
                let config = DqnConfig { updates: 7, dueling: true, prioritized, epsilon: 0.5, ..dqn() };
                Box::new(Dqn::new(&config, &items(), 1, &device()).unwrap())
            }),
        ),
        (
            "c51",
            Box::new(move || {
                let config = C51Config { updates: 7, target_every: 3, epsilon: 0.5, ..c51() };
                Box::new(C51::new(&config, &items(), 1, &device()).unwrap())
            }),
        ),
        (
            "qrdqn",
            Box::new(move || {
                let config = QrDqnConfig { updates: 7, target_every: 3, epsilon: 0.5, ..qrdqn() };
                Box::new(QrDqn::new(&config, &items(), 1, &device()).unwrap())
            }),
        ),
    ]
}

fn many_states(n_items: u32, count: u32) -> States {
    let mut states = States::new(1);
    for at in 0..count {
        states.push_from(&state_of(at % n_items), 0);
    }
    states
}

fn acts(policy: &dyn Policy, acting: Acting, states: &States, rng: &mut Random) -> Actions {
    let mut actions = Actions::default();
    policy.act(states, None, acting, rng, &mut actions).unwrap();
    actions
}

/// Random transitions over `n_items` items with vectors of the policy's width.
fn replay_for(policy: &dyn Policy, n_items: u32) -> Replay {
    let mut rng = stream(8, "replay", 0);
    let width = policy.action_width();
    let mut replay = Replay::new(3, 40, &States::new(1), width);
    for env in 0..3 {
        for step in 0..30 {
            let (last, action) = (rng.random_range(0..n_items), rng.random_range(0..n_items));
            let vector: Vec<f32> = (0..width).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect();
            let transition = Transition {
                action,
                vector: &vector,
                reward: rng.random(),
                terminated: step % 5 == 4,
                truncated: step % 7 == 6,
            };
            replay.push(env, &transition, &state_of(last), &state_of(action), 0);
        }
    }
    replay
}

#[test]
fn a_restored_policy_acts_and_learns_on_bit_for_bit() {
    for (name, make) in everyone(4) {
        let replay = replay_for(&*make(), 4);
        let mut policy = make();
        let mut rng = stream(9, "learn", 0);
        policy.learn(&replay, &mut rng).unwrap();
        policy.learn(&replay, &mut rng).unwrap();

        let mut again = make();
        again.restore(policy.state()).unwrap();
        assert_eq!(again.state(), policy.state(), "{name}");
        let states = many_states(4, 50);
        let (mut one, mut other) = (stream(1, "act", 0), stream(1, "act", 0));
        assert_eq!(
            acts(&*policy, Acting::Explore, &states, &mut one),
            acts(&*again, Acting::Explore, &states, &mut other),
            "{name}"
        );
        let (mut one, mut other) = (stream(1, "learn", 0), stream(1, "learn", 0));
        let losses = policy.learn(&replay, &mut one).unwrap();
        assert_eq!(losses, again.learn(&replay, &mut other).unwrap(), "{name}");
        assert_eq!(policy.state(), again.state(), "{name}");
    }
}

#[test]
fn a_policy_refuses_the_state_of_another_model() {
    for (name, make) in everyone(4) {
        assert!(make().restore(PolicyState::default()).is_err(), "{name}");
    }
    for ((name, make), (_, other)) in everyone(4).into_iter().zip(everyone(5)) {
        assert!(make().restore(other().state()).is_err(), "{name}");
    }
}

#[test]
fn only_exploration_is_noisy() {
    for (name, make) in everyone(4) {
        let policy = make();
        let states = many_states(4, 200);
        let judged = acts(&*policy, Acting::Judge, &states, &mut stream(1, "act", 0)).items;
        let judged_again = acts(&*policy, Acting::Judge, &states, &mut stream(2, "act", 0)).items;
        // States repeat with period 4: without noise so do actions.
        let calm = judged == judged_again && judged.iter().zip(&judged[4..]).all(|(a, b)| a == b);
        assert_eq!(calm, !name.starts_with("sampled"), "{name}");
        for acting in [Acting::Explore, Acting::JudgeNoisy] {
            let noisy = acts(&*policy, acting, &states, &mut stream(1, "act", 0)).items;
            assert!(noisy.iter().zip(&noisy[4..]).any(|(a, b)| a != b), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_policy_ever_recommends_a_masked_item(seed in 0_u64..1000, sets in prop::collection::vec(0_u8..31, 1..20)) {
        let n_items = 5;
        // At least one of the five items is free.
        let mut bits = BitMatrix::new(sets.len(), n_items);
        for (row, set) in sets.iter().enumerate() {
            (0..n_items).filter(|item| set >> item & 1 == 1).for_each(|item| bits.insert(row, item));
        }
        let rows: Vec<usize> = (0..sets.len()).collect();
        let states = many_states(n_items as u32, sets.len() as u32);
        for (name, make) in everyone(n_items) {
            let policy = make();
            for acting in [Acting::Explore, Acting::Judge, Acting::JudgeNoisy] {
                let mut actions = Actions::default();
                let masked = Some(MaskedRows { bits: &bits, rows: &rows });
                policy.act(&states, masked, acting, &mut stream(seed, "act", 0), &mut actions).unwrap();
                prop_assert_eq!(actions.items.len(), sets.len());
                prop_assert_eq!(actions.vectors.len(), sets.len() * policy.action_width());
                for (row, &item) in actions.items.iter().enumerate() {
                    prop_assert!(!bits.get(row, item as usize), "{name} recommends masked item {item}");
                }
            }
        }
    }
}
