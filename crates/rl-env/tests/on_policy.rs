//! PG, A2C and PPO, over items and over vectors, on an environment of a few lines.
#![allow(missing_docs)]

use burn::tensor::Device;
use rand::RngExt;
use rec_core::random::{Random, stream};
use rl_env::bits::{BitMatrix, MaskedRows};
use rl_env::policy::presets::{self, Published};
use rl_env::policy::{
    A2c, A2cConfig, Acting, ActionSpace, Actions, Pg, PgConfig, Policy, Ppo, PpoConfig, VectorActions,
};
use rl_env::replay::{Replay, Transition};
use rl_env::states::States;
use rl_env::tracker::{ItemVectors, TrackerConfig, TrackerKind};

const ITEMS: usize = 12;
const ENVS: usize = 40;
const TURNS: usize = 6;

fn items() -> ItemVectors {
    let mut vectors = ItemVectors::random(ITEMS, 5, &mut stream(1, "vectors", 0));
    vectors.values.iter_mut().for_each(|value| *value *= 50.0);
    vectors
}

/// Plays one episode in each environment: item `a` pays 1 if it is the one after the last, users may leave early.
/// Gives the mean reward of a turn.
fn play(policy: &dyn Policy, acting: Acting, replay: &mut Replay, rng: &mut Random) -> f32 {
    replay.clear();
    let mut trails: Vec<(Vec<u32>, Vec<f32>)> =
        (0..ENVS).map(|_| (vec![rng.random_range(0..ITEMS as u32)], vec![0.0])).collect();
    let mut alive: Vec<usize> = (0..ENVS).collect();
    let (mut total, mut turns) = (0.0, 0.0);
    let mut actions = Actions::default();
    for turn in 0..TURNS {
        let mut before = States::new(policy.window());
        alive.iter().for_each(|&env| before.push(env as u32, &trails[env].0, &trails[env].1));
        policy.act(&before, None, acting, rng, &mut actions).unwrap();
        let width = policy.action_width();
        let mut steps = Vec::new();
        for (row, &env) in alive.iter().enumerate() {
            let (items, rewards) = &mut trails[env];
            let wanted = (items[items.len() - 1] + 1) % ITEMS as u32;
            let reward = f32::from(u8::from(actions.items[row] == wanted));
            items.push(actions.items[row]);
            rewards.push(reward);
            total += reward;
            turns += 1.0;
            steps.push((reward, rng.random::<f32>() < 0.1, turn + 1 == TURNS));
        }
        let mut after = States::new(policy.window());
        alive.iter().for_each(|&env| after.push(env as u32, &trails[env].0, &trails[env].1));
        for (row, (&env, &(reward, terminated, truncated))) in alive.iter().zip(&steps).enumerate() {
            let transition = Transition {
                action: actions.items[row],
                vector: &actions.vectors[row * width..(row + 1) * width],
                reward,
                terminated,
                truncated,
            };
            replay.push(env, &transition, &before, &after, row);
        }
        let mut left = steps.iter().map(|step| !step.1);
        alive.retain(|_| left.next().unwrap());
        if alive.is_empty() {
            break;
        }
    }
    total / turns
}

fn replay_for(policy: &dyn Policy) -> Replay {
    Replay::new(ENVS, TURNS, &States::new(policy.window()), policy.action_width())
}

type Build = Box<dyn Fn(u64) -> Box<dyn Policy> + Sync>;

fn tracker(kind: TrackerKind) -> TrackerConfig {
    let window = if kind == TrackerKind::Caser { 4 } else { 3 };
    TrackerConfig { kind, window, ..TrackerConfig::default() }
}

/// Every policy, and A2C on every tracker.
fn all() -> Vec<(String, Build)> {
    let device = Device::flex;
    let vectors = ActionSpace::Vectors(VectorActions::default());
    let mut all: Vec<(String, Build)> = Vec::new();
    for actions in [ActionSpace::Items, vectors] {
        let pg = PgConfig { actions, learning_rate: 0.01, ..PgConfig::default() };
        let a2c = A2cConfig {
            actions,
            learning_rate: 0.01,
            entropy_weight: 0.01,
            max_grad_norm: Some(1.0),
            ..A2cConfig::default()
        };
        let ppo = PpoConfig {
            actions,
            learning_rate: 0.01,
            value_clip: true,
            batch_size: 64,
            repeat: 2,
            ..PpoConfig::default()
        };
        let builds: [(&str, Build); 3] = [
            ("PG", Box::new(move |seed| Box::new(Pg::new(&pg, &items(), seed, &device()).unwrap()))),
            ("A2C", Box::new(move |seed| Box::new(A2c::new(&a2c, &items(), seed, &device()).unwrap()))),
            ("PPO", Box::new(move |seed| Box::new(Ppo::new(&ppo, &items(), seed, &device()).unwrap()))),
        ];
        all.extend(builds.into_iter().map(|(name, build)| (format!("{name} over {actions:?}"), build)));
    }
    for kind in [TrackerKind::Gru, TrackerKind::Caser, TrackerKind::SasRec, TrackerKind::NextItNet] {
        let config = A2cConfig { tracker: tracker(kind), learning_rate: 0.01, ..A2cConfig::default() };
        all.push((
            format!("A2C on {kind:?}"),
            Box::new(move |seed| Box::new(A2c::new(&config, &items(), seed, &device()).unwrap())),
        ));
    }
    all
}

/// Learns for some rounds; gives the mean reward when judged.
fn rounds(policy: &mut dyn Policy, rounds: usize, rng: &mut Random) -> f32 {
    let mut replay = replay_for(policy);
    for _ in 0..rounds {
        play(policy, Acting::Explore, &mut replay, rng);
        for (name, loss) in policy.learn(&replay, rng).unwrap() {
            assert!(loss.is_finite(), "{name}");
        }
    }
    (0..5).map(|_| play(policy, Acting::Judge, &mut replay, rng)).sum::<f32>() / 5.0
}

#[test]
fn every_policy_learns_what_pays() {
    for (name, build) in all() {
        let mut policy = build(3);
        let mut rng = stream(5, "play", 0);
        let before = rounds(&mut *policy, 0, &mut rng);
        let after = rounds(&mut *policy, 150, &mut rng);
        // Chance is 1 in 12.
        assert!(after > 0.3, "{name}: {before} to {after}");
    }
}

#[test]
fn a_restored_policy_acts_and_learns_on_as_the_saved_one() {
    for (name, build) in all() {
        let mut policy = build(3);
        rounds(&mut *policy, 3, &mut stream(5, "play", 0));
        let mut copy = build(4);
        copy.restore(policy.state()).unwrap();
        assert_eq!(copy.state(), policy.state(), "{name}");
        let (mut rng, mut again) = (stream(6, "play", 0), stream(6, "play", 0));
        let expected = rounds(&mut *policy, 3, &mut rng);
        assert_eq!(rounds(&mut *copy, 3, &mut again), expected, "{name}");
        assert_eq!(copy.state(), policy.state(), "{name}");
    }
}

#[test]
fn the_state_of_another_model_is_refused() {
    let all = all();
    let (pg, a2c) = (&all[0].1, &all[1].1);
    assert!(a2c(1).restore(pg(1).state()).is_err());
    let mut state = a2c(1).state();
    state.tensors.get_mut("heads.0").unwrap().pop();
    assert!(a2c(1).restore(state).is_err());
}

#[test]
fn learning_does_not_depend_on_the_number_of_threads() {
    for (name, build) in all() {
        let state = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut policy = build(3);
                rounds(&mut *policy, 3, &mut stream(5, "play", 0));
                policy.state()
            })
        };
        assert_eq!(state(1), state(3), "{name}");
    }
}

#[test]
fn a_masked_item_is_never_recommended_and_scores_rank_all() {
    let mut bits = BitMatrix::new(1, ITEMS);
    (0..ITEMS).filter(|item| item % 4 != 1).for_each(|item| bits.insert(0, item));
    let rows = vec![0; 200];
    for (name, build) in all() {
        let policy = build(3);
        let mut states = States::new(policy.window());
        (0..rows.len()).for_each(|row| states.push(0, &[(row % (ITEMS + 1)) as u32], &[0.0]));
        let mut actions = Actions::default();
        for acting in [Acting::Explore, Acting::Judge, Acting::JudgeNoisy] {
            let masked = Some(MaskedRows { bits: &bits, rows: &rows });
            policy.act(&states, masked, acting, &mut stream(1, "act", 0), &mut actions).unwrap();
            assert!(actions.items.iter().all(|item| item % 4 == 1), "{name}");
            assert_eq!(actions.vectors.len(), rows.len() * policy.action_width());
        }
        let mut scores = Vec::new();
        policy.scores(&states, &mut scores).unwrap();
        assert_eq!(scores.len(), rows.len() * ITEMS);
    }
}

#[test]
fn ppo_is_greedy_when_judged_and_only_then() {
    let policy = Ppo::new(&PpoConfig::default(), &items(), 1, &Device::flex()).unwrap();
    let mut states = States::new(3);
    (0..100).for_each(|_| states.push(0, &[4], &[0.0]));
    let distinct = |acting| {
        let mut actions = Actions::default();
        policy.act(&states, None, acting, &mut stream(1, "act", 0), &mut actions).unwrap();
        actions.items.into_iter().collect::<std::collections::BTreeSet<_>>().len()
    };
    assert_eq!(distinct(Acting::Judge), 1);
    assert!(distinct(Acting::Explore) > 3);
}

#[test]
fn published_settings_make_policies() {
    for on in [Published::Coat, Published::MovieLens, Published::KuaiRec] {
        let device = Device::flex();
        Pg::new(&presets::pg(on), &items(), 1, &device).unwrap();
        A2c::new(&presets::a2c(on), &items(), 1, &device).unwrap();
        Ppo::new(&presets::ppo(on), &items(), 1, &device).unwrap();
        Pg::new(&presets::continuous_pg(on), &items(), 1, &device).unwrap();
        A2c::new(&presets::continuous_a2c(on), &items(), 1, &device).unwrap();
        Ppo::new(&presets::continuous_ppo(on), &items(), 1, &device).unwrap();
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let fault = |config: A2cConfig| A2c::new(&config, &items(), 1, &Device::flex()).unwrap_err().to_string();
    let on = |tracker| fault(A2cConfig { tracker, ..A2cConfig::default() });
    let remap = ActionSpace::Vectors(VectorActions { remap_eps: 1.5, ..VectorActions::default() });
    for (found, key) in [
        (fault(A2cConfig { batch_size: 0, ..A2cConfig::default() }), "batch_size"),
        (fault(A2cConfig { actions: remap, ..A2cConfig::default() }), "actions.remap_eps"),
        (on(TrackerConfig { window: 0, ..TrackerConfig::default() }), "tracker.window"),
        (on(TrackerConfig { kind: TrackerKind::Caser, ..TrackerConfig::default() }), "tracker.window"),
        (
            on(TrackerConfig { kind: TrackerKind::SasRec, heads: 4, ..TrackerConfig::default() }),
            "tracker.heads",
        ),
        (on(TrackerConfig { dropout: 1.0, ..TrackerConfig::default() }), "tracker.dropout"),
    ] {
        assert!(found.starts_with(key), "{found}");
    }
}
