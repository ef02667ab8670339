//! The off-policy and offline policies on worlds so small that the right answer is known.

use burn::tensor::Device;
use proptest::prelude::*;
use rand::RngExt;
use rec_core::random::{Random, stream};
use rl_env::Compat;
use rl_env::States;
use rl_env::bits::{BitMatrix, MaskedRows};
use rl_env::policy::{
    Acting, Actions, Bcq, BcqConfig, C51, C51Config, Cql, CqlConfig, Crr, CrrConfig, CrrWeight, Ddpg,
    DdpgConfig, Dqn, DqnConfig, Policy, PolicyState, Prioritized, QrDqn, QrDqnConfig, Sqn, SqnConfig,
    SqnHead, Td3, Td3Config,
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

/// Five items of which each pays a quarter more than the one before, whatever was taken last.
fn bandit() -> Replay {
    lived(5, 2000, |_, item| item as f32 / 4.0, |_, item| item == 3)
}

/// The mean reward in [`bandit`] of what `policy` recommends when judged, over many states.
fn earned(policy: &dyn Policy) -> f32 {
    let items = acts(policy, Acting::Judge, &many_states(5, 500), &mut stream(3, "judge", 0)).items;
    items.iter().map(|&item| item as f32 / 4.0).sum::<f32>() / 500.0
}

fn bcq() -> BcqConfig {
    BcqConfig {
        tracker: sight(),
        hidden: vec![16],
        learning_rate: 5e-3,
        gamma: 0.5,
        n_step: 1,
        threshold: 0.3,
        target_every: 20,
        updates: 400,
        ..BcqConfig::default()
    }
}

fn cql() -> CqlConfig {
    CqlConfig {
        tracker: sight(),
        hidden: vec![16],
        learning_rate: 5e-3,
        gamma: 0.5,
        n_step: 1,
        quantiles: 8,
        conservative_weight: 0.5,
        target_every: 20,
        updates: 400,
        ..CqlConfig::default()
    }
}

fn crr() -> CrrConfig {
    CrrConfig {
        tracker: sight(),
        hidden: vec![16],
        learning_rate: 5e-3,
        gamma: 0.5,
        beta: 0.1,
        conservative_weight: 0.1,
        target_every: 20,
        updates: 400,
        ..CrrConfig::default()
    }
}

fn sqn() -> SqnConfig {
    SqnConfig {
        tracker: sight(),
        learning_rate: 5e-3,
        gamma: 0.5,
        n_step: 1,
        threshold: 0.3,
        target_every: 20,
        updates: 400,
        ..SqnConfig::default()
    }
}

fn make_bcq(config: &BcqConfig, compat: Compat, n_items: usize) -> Bcq {
    Bcq::new(config, compat, &one_hot(n_items), 1, &Device::default()).unwrap()
}

fn make_cql(config: &CqlConfig, n_items: usize) -> Cql {
    Cql::new(config, &one_hot(n_items), 1, &Device::default()).unwrap()
}

fn make_crr(config: &CrrConfig, compat: Compat, n_items: usize) -> Crr {
    Crr::new(config, compat, &one_hot(n_items), 1, &Device::default()).unwrap()
}

fn make_sqn(config: &SqnConfig, n_items: usize) -> Sqn {
    Sqn::new(config, Compat::default(), &one_hot(n_items), 1, &Device::default()).unwrap()
}

#[test]
fn offline_policies_learn_the_best_item_from_what_a_random_policy_did() {
    let replay = bandit();
    // At random 0.5.
    let policies: [(&str, Box<dyn Policy>, f32); 6] = [
        ("bcq", Box::new(make_bcq(&bcq(), Compat::default(), 5)), 0.95),
        ("cql", Box::new(make_cql(&cql(), 5)), 0.95),
        ("sampled crr", Box::new(make_crr(&crr(), Compat::default(), 5)), 0.85),
        ("greedy crr", Box::new(make_crr(&CrrConfig { greedy: true, ..crr() }, Compat::default(), 5)), 0.95),
        ("sqn by Q", Box::new(make_sqn(&SqnConfig { head: SqnHead::Q, ..sqn() }, 5)), 0.95),
        ("constrained sqn", Box::new(make_sqn(&SqnConfig { head: SqnHead::Constrained, ..sqn() }, 5)), 0.95),
    ];
    for (name, mut policy, least) in policies {
        assert!(policy.schedule() == rl_env::policy::Schedule::Offline);
        policy.learn(&replay, &mut stream(6, "learn", 0)).unwrap();
        let earned = earned(&*policy);
        assert!(earned > least, "{name} earns {earned}");
    }
}

/// As [`bandit`], but of the 2000 steps only one in 21 shows item 4.
fn narrow_bandit() -> Replay {
    let rng = std::cell::RefCell::new(stream(7, "narrow", 0));
    let mut replay = Replay::new(1, 2000, &States::new(1), 0);
    for _ in 0..2000 {
        let draw = rng.borrow_mut().random_range(0..21_u32);
        let item = if draw == 20 { 4 } else { draw % 4 };
        let last = rng.borrow_mut().random_range(0..5);
        let transition = Transition {
            action: item,
            vector: &[],
            reward: item as f32 / 4.0,
            terminated: true,
            truncated: false,
        };
        replay.push(0, &transition, &state_of(last), &state_of(item), 0);
    }
    replay
}

#[test]
fn bcq_leaves_out_what_the_log_hardly_shows_and_the_supervised_head_of_sqn_does_as_the_log() {
    let replay = narrow_bandit();
    let mut policy = make_bcq(&BcqConfig { threshold: 0.5, ..bcq() }, Compat::default(), 5);
    policy.learn(&replay, &mut stream(6, "learn", 0)).unwrap();
    assert!((earned(&policy) - 0.75).abs() < 0.01, "{}", earned(&policy));
    let mut scores = Vec::new();
    policy.scores(&state_of(0), &mut scores).unwrap();
    assert!(scores[4] < scores[0], "an unlikely item comes after all likely ones: {scores:?}");

    // Nearly every other step shows item 2.
    let replay = lived(5, 2000, |_, item| item as f32 / 4.0, |_, item| item != 2);
    let mut twos = Replay::new(1, 4000, &States::new(1), 0);
    for slot in replay.ordered() {
        let (before, after) = (replay.before(&[slot]), replay.after(&[slot]));
        for action in [replay.action(slot), 2] {
            let reward = action as f32 / 4.0;
            let transition = Transition { action, vector: &[], reward, terminated: true, truncated: false };
            twos.push(0, &transition, &before, &after, 0);
        }
    }
    let mut policy = make_sqn(&sqn(), 5);
    policy.learn(&twos, &mut stream(6, "learn", 0)).unwrap();
    assert_eq!(earned(&policy), 0.5);
    let mut policy = make_sqn(&SqnConfig { head: SqnHead::Q, ..sqn() }, 5);
    policy.learn(&twos, &mut stream(6, "learn", 0)).unwrap();
    assert_eq!(earned(&policy), 1.0);
}

#[test]
fn an_actor_whose_probabilities_are_taken_for_logits_hardly_beats_chance() {
    let replay = bandit();
    let compat = Compat { softmaxed_logits: true, ..Compat::default() };
    let mut faulty = make_crr(&crr(), compat, 5);
    faulty.learn(&replay, &mut stream(6, "learn", 0)).unwrap();
    // At best one item has e times the weight of the others: 1 * e / (e + 4) + (0 + .25 + .5 + .75) / (e + 4).
    assert!(earned(&faulty) < 0.7, "{}", earned(&faulty));
    let mut scores = Vec::new();
    make_bcq(&bcq(), compat, 5).scores(&state_of(0), &mut scores).unwrap();
    assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-5, "the reference's Q values are probabilities");
}

#[test]
fn every_weight_of_crr_learns() {
    let replay = bandit();
    for (weight, range) in [(CrrWeight::Binary, 0.8..=1.0), (CrrWeight::One, 0.4..=0.6)] {
        let mut policy = make_crr(&CrrConfig { weight, ..crr() }, Compat::default(), 5);
        policy.learn(&replay, &mut stream(6, "learn", 0)).unwrap();
        assert!(range.contains(&earned(&policy)), "{weight:?}: {}", earned(&policy));
    }
}

#[test]
fn a_multiplicative_mask_lets_a_masked_item_win_over_negative_scores() {
    let mut bits = BitMatrix::new(1, 2);
    bits.insert(0, 0);
    let masked = Some(MaskedRows { bits: &bits, rows: &[0] });
    let compat = Compat { multiplicative_mask: true, ..Compat::default() };
    // Everything pays less than nothing.
    let replay = lived(2, 400, |_, _| -1.0, |_, _| true);
    let recommended = |compat| {
        let mut policy = make_bcq(&BcqConfig { threshold: 0.0, ..bcq() }, compat, 2);
        policy.learn(&replay, &mut stream(6, "learn", 0)).unwrap();
        let mut actions = Actions::default();
        policy.act(&state_of(0), masked, Acting::Judge, &mut stream(1, "act", 0), &mut actions).unwrap();
        actions.items[0]
    };
    assert_eq!((recommended(compat), recommended(Compat::default())), (0, 1));
}

fn ddpg() -> DdpgConfig {
    DdpgConfig {
        tracker: TrackerConfig { freeze_items: true, ..sight() },
        hidden: vec![32],
        actor_learning_rate: 3e-3,
        critic_learning_rate: 1e-2,
        gamma: 0.5,
        n_step: 1,
        tau: 0.05,
        sigma: 0.5,
        updates: 600,
        ..DdpgConfig::default()
    }
}

fn td3() -> Td3Config {
    let d = ddpg();
    Td3Config {
        tracker: d.tracker,
        hidden: d.hidden,
        actor_learning_rate: d.actor_learning_rate,
        critic_learning_rate: d.critic_learning_rate,
        gamma: d.gamma,
        n_step: 1,
        tau: d.tau,
        sigma: d.sigma,
        updates: 600,
        ..Td3Config::default()
    }
}

fn make_ddpg(config: &DdpgConfig, n_items: usize) -> Ddpg {
    Ddpg::new(config, Compat::default(), &one_hot(n_items), 1, &Device::default()).unwrap()
}

fn make_td3(config: &Td3Config, n_items: usize) -> Td3 {
    Td3::new(config, Compat::default(), &one_hot(n_items), 1, &Device::default()).unwrap()
}

/// As [`bandit`], by random vectors: with one-hot items the largest number decides. Users leave at once.
fn vector_bandit() -> Replay {
    let mut rng = stream(11, "vectors", 0);
    let mut replay = Replay::new(1, 2000, &States::new(1), 5);
    for _ in 0..2000 {
        let vector: Vec<f32> = (0..5).map(|_| rng.random::<f32>() * 2.0 - 1.0).collect();
        let action = (0..5).max_by(|&a, &b| vector[a].total_cmp(&vector[b])).unwrap() as u32;
        let reward = action as f32 / 4.0;
        let last = rng.random_range(0..5);
        let transition = Transition { action, vector: &vector, reward, terminated: true, truncated: false };
        replay.push(0, &transition, &state_of(last), &state_of(action), 0);
    }
    replay
}

#[test]
fn actors_over_vectors_learn_to_point_at_the_best_item() {
    let replay = vector_bandit();
    let policies: [(&str, Box<dyn Policy>); 2] =
        [("ddpg", Box::new(make_ddpg(&ddpg(), 5))), ("td3", Box::new(make_td3(&td3(), 5)))];
    for (name, mut policy) in policies {
        policy.learn(&replay, &mut stream(6, "learn", 0)).unwrap();
        let earned = earned(&*policy);
        assert!(earned > 0.9, "{name} earns {earned}");
        let actions = acts(&*policy, Acting::Explore, &many_states(5, 100), &mut stream(3, "act", 0));
        assert!(actions.vectors.iter().all(|value| (-1.0..=1.0).contains(value)), "{name}");
    }
}

/// Makes a policy that has learned nothing yet.
type Make = Box<dyn Fn() -> Box<dyn Policy>>;

/// Every policy of this file, as new, for worlds of `n_items`.
fn everyone(n_items: usize) -> Vec<(&'static str, Make)> {
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
        (
            "bcq",
            Box::new(move || {
                let config = BcqConfig { updates: 7, target_every: 3, epsilon: 0.5, ..bcq() };
                Box::new(make_bcq(&config, Compat::default(), n_items))
            }),
        ),
        (
            "cql",
            Box::new(move || {
                let config = CqlConfig { updates: 7, target_every: 3, epsilon: 0.5, ..cql() };
                Box::new(make_cql(&config, n_items))
            }),
        ),
        (
            "sampled crr",
            Box::new(move || {
                let config = CrrConfig { updates: 7, target_every: 3, epsilon: 0.5, ..crr() };
                Box::new(make_crr(&config, Compat::default(), n_items))
            }),
        ),
        (
            "greedy crr",
            Box::new(move || {
                let config = CrrConfig { updates: 7, greedy: true, epsilon: 0.5, ..crr() };
                Box::new(make_crr(&config, Compat::default(), n_items))
            }),
        ),
        (
            "sqn",
            Box::new(move || {
                let config = SqnConfig { updates: 7, target_every: 3, epsilon: 0.5, ..sqn() };
                Box::new(make_sqn(&config, n_items))
            }),
        ),
        ("ddpg", Box::new(move || Box::new(make_ddpg(&DdpgConfig { updates: 7, ..ddpg() }, n_items)))),
        ("td3", Box::new(move || Box::new(make_td3(&Td3Config { updates: 7, ..td3() }, n_items)))),
        (
            "constrained sqn",
            Box::new(move || {
                let config = SqnConfig { updates: 7, head: SqnHead::Constrained, epsilon: 0.5, ..sqn() };
                Box::new(make_sqn(&config, n_items))
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
