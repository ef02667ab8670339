//! The environments against one written as plainly as possible, and the promises that hold for any input.

use std::sync::Arc;

use proptest::prelude::*;
use rand::RngExt;
use rec_core::random;
use rl_env::bits::BitMatrix;
use rl_env::env::ResetOptions;
use rl_env::error::Refusal;
use rl_env::{
    Autoreset, Env, Error, Mode, Quit, QuitRule, RewardMatrix, States, VecEnv, VecEnvConfig, WindowMode,
    World,
};

/// One environment in the words of the specification; users and starts are told to it.
struct Naive {
    matrix: Vec<Vec<f32>>,
    rule: NaiveRule,
    window: usize,
    slice: bool,
    max_turn: usize,
    mode: Mode,
    history: Vec<usize>,
}

#[derive(Clone, Debug)]
enum NaiveRule {
    Never,
    Distance { distances: Vec<Vec<f32>>, threshold: f32 },
    Category { tags: Vec<Vec<u32>>, threshold: usize },
}

impl Naive {
    fn window_items(&self) -> Vec<usize> {
        // What Python gives for `history[t - N:t]` of a list of t items.
        let t = self.history.len() as isize;
        let mut start = t - self.window as isize;
        if start < 0 && self.slice {
            start += t;
        }
        self.history[start.max(0) as usize..].to_vec()
    }

    fn quits(&self, action: usize) -> bool {
        let items = self.window_items();
        match &self.rule {
            NaiveRule::Never => false,
            NaiveRule::Distance { distances, threshold } => {
                items.iter().any(|&item| distances[action][item] < *threshold)
            }
            NaiveRule::Category { tags, threshold } => {
                let all: Vec<u32> = items.iter().flat_map(|&item| tags[item].clone()).collect();
                tags[action].iter().any(|tag| all.iter().filter(|other| *other == tag).count() > *threshold)
            }
        }
    }

    /// Reward, whether the user leaves, whether the episode is at its last turn.
    fn step(&mut self, user: usize, action: usize) -> (f32, bool, bool) {
        let t = self.history.len();
        let (quits, last) = match self.mode {
            Mode::NxX(turns) => (false, t + 1 == usize::from(turns)),
            Mode::FreeB | Mode::Nx0 => (t > 0 && self.quits(action), t + 1 == self.max_turn),
        };
        self.history.push(action);
        (self.matrix[user][action], quits, last)
    }
}

#[derive(Clone, Debug)]
struct Case {
    matrix: Vec<Vec<f32>>,
    rule: NaiveRule,
    window: usize,
    slice: bool,
    max_turn: usize,
    random_start: bool,
    config: VecEnvConfig,
}

impl Case {
    fn world(&self) -> Arc<World> {
        let (users, items) = (self.matrix.len(), self.matrix[0].len());
        let truth = Arc::new(RewardMatrix::new(users, items, self.matrix.concat()).unwrap());
        let rule = match &self.rule {
            NaiveRule::Never => QuitRule::Never,
            NaiveRule::Distance { distances, threshold } => {
                let mut close = BitMatrix::new(items, items);
                for (i, row) in distances.iter().enumerate() {
                    for (j, distance) in row.iter().enumerate() {
                        if distance < threshold {
                            close.insert(i, j);
                        }
                    }
                }
                QuitRule::Distance(close)
            }
            NaiveRule::Category { tags, threshold } => QuitRule::Category {
                tags: tags.iter().map(|tags| tags.iter().fold(0, |bits, tag| bits | 1 << tag)).collect(),
                threshold: *threshold as u32,
            },
        };
        let mode = if self.slice { WindowMode::PythonSlice } else { WindowMode::Exact };
        let quit = Quit { rule, window: self.window, mode };
        Arc::new(World::new(truth, quit, self.max_turn, self.random_start).unwrap())
    }

    fn build(&self) -> VecEnv {
        let world = self.world();
        VecEnv::new(world.clone(), world.truth.clone(), self.config).unwrap()
    }

    fn naive(&self) -> Naive {
        Naive {
            matrix: self.matrix.clone(),
            rule: self.rule.clone(),
            window: self.window,
            slice: self.slice,
            max_turn: self.max_turn,
            mode: self.config.mode,
            history: Vec::new(),
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (1usize..5, 8usize..70, 1usize..8);
    (shape, any::<u64>(), 0..3, 0..3, 0..3usize, any::<(bool, bool, bool)>(), 1usize..9).prop_map(
        |((users, items, envs), seed, rule, mode, autoreset, (slice, random_start, cap), max_turn)| {
            let mut rng = random::stream(seed, "cases", 0);
            let matrix: Vec<Vec<f32>> =
                (0..users).map(|_| (0..items).map(|_| rng.random_range(-1.0..5.0)).collect()).collect();
            let rule = match rule {
                0 => NaiveRule::Never,
                1 => {
                    let places: Vec<f32> = (0..items).map(|_| rng.random_range(0.0..10.0)).collect();
                    let distances = (places.iter())
                        .map(|a| places.iter().map(|b: &f32| (a - b).abs()).collect())
                        .collect();
                    NaiveRule::Distance { distances, threshold: rng.random_range(0.01..4.0) }
                }
                _ => {
                    let tags = (0..items)
                        .map(|_| (0..64u32).filter(|tag| rng.random_range(0..(tag * 2 + 3)) == 0).collect())
                        .collect();
                    NaiveRule::Category { tags, threshold: rng.random_range(0..3) }
                }
            };
            let mode = match mode {
                0 => Mode::FreeB,
                1 => Mode::Nx0,
                _ => Mode::NxX(rng.random_range(1..=max_turn as u16)),
            };
            let autoreset = [Autoreset::NextStep, Autoreset::SameStep, Autoreset::Disabled][autoreset];
            let window = rng.random_range(1..=max_turn);
            let config = VecEnvConfig { envs, seed, autoreset, mode, cap_as_terminated: cap };
            Case { matrix, rule, window, slice, max_turn, random_start, config }
        },
    )
}

/// Any item that the mode allows.
fn choose(envs: &VecEnv, env: usize, rng: &mut random::Random) -> u32 {
    loop {
        let item = rng.random_range(0..envs.world().n_items() as u32);
        if envs.is_done(env) || !envs.config().mode.masks() || !envs.seen().get(env, item as usize) {
            return item;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn does_what_the_plain_environment_does(case in cases()) {
        let mut envs = case.build();
        let n = case.config.envs;
        let mut naive: Vec<Naive> = (0..n).map(|_| case.naive()).collect();
        let mut over = vec![false; n];
        let mut starts: Vec<u32> = (0..n).map(|env| envs.trail(env)[0]).collect();
        let mut users = envs.users().to_vec();
        let mut rng = random::stream(case.config.seed, "actions", 0);
        for _ in 0..40 {
            // A finished environment is reset by hand, now and then only, where nothing else does it.
            if case.config.autoreset == Autoreset::Disabled {
                for env in 0..n {
                    if over[env] && rng.random() {
                        envs.reset_env(env);
                        (over[env], naive[env], users[env], starts[env]) =
                            (false, case.naive(), envs.users()[env], envs.trail(env)[0]);
                    }
                }
            }
            let chosen: Vec<usize> = (0..n)
                .filter(|&env| !(over[env] && case.config.autoreset == Autoreset::Disabled))
                .filter(|_| rng.random_range(0..4) > 0)
                .collect();
            let actions: Vec<u32> = chosen.iter().map(|&env| choose(&envs, env, &mut rng)).collect();
            let batch = if chosen.len() == n {
                envs.step(&actions).unwrap().clone()
            } else {
                envs.step_at(&chosen, &actions).unwrap().clone()
            };
            for (row, (&env, &action)) in chosen.iter().zip(&actions).enumerate() {
                if over[env] {
                    prop_assert_eq!(
                        (batch.rewards[row], batch.terminated[row], batch.truncated[row], batch.started[row]),
                        (0.0, false, false, true)
                    );
                    (over[env], naive[env], users[env], starts[env]) =
                        (false, case.naive(), envs.users()[env], envs.trail(env)[0]);
                    continue;
                }
                let (reward, quits, last) = naive[env].step(users[env] as usize, action as usize);
                let terminated = quits || (last && case.config.cap_as_terminated);
                prop_assert_eq!(batch.rewards[row], reward);
                prop_assert_eq!(batch.terminated[row], terminated);
                prop_assert_eq!(batch.truncated[row], last && !terminated);
                prop_assert!(!batch.started[row]);
                let mut expected = vec![starts[env]];
                expected.extend(naive[env].history.iter().map(|&item| item as u32));
                let (user, items, rewards) = envs.stepped_trail(env);
                prop_assert_eq!((user, items), (users[env], &expected[..]));
                let paid = |item: &u32| case.matrix[user as usize][*item as usize];
                prop_assert_eq!(rewards[0], 0.0);
                prop_assert_eq!(&rewards[1..], expected[1..].iter().map(paid).collect::<Vec<_>>());
                if quits || last {
                    if case.config.autoreset == Autoreset::SameStep {
                        (naive[env], users[env], starts[env]) =
                            (case.naive(), envs.users()[env], envs.trail(env)[0]);
                    } else {
                        over[env] = true;
                    }
                }
            }
            for env in 0..n {
                prop_assert_eq!(envs.is_done(env), over[env]);
                let mut expected = vec![starts[env]];
                expected.extend(naive[env].history.iter().map(|&item| item as u32));
                prop_assert_eq!(envs.trail(env), &expected[..]);
                prop_assert_eq!(usize::from(envs.turns()[env]), naive[env].history.len());
                let mut taken = expected[1..].to_vec();
                taken.sort_unstable();
                taken.dedup();
                prop_assert_eq!(envs.seen().count(env), taken.len());
                prop_assert!(taken.iter().all(|&item| envs.seen().get(env, item as usize)));
                prop_assert!((envs.users()[env] as usize) < case.matrix.len());
                prop_assert!((starts[env] as usize) <= case.matrix[0].len());
                prop_assert_eq!(starts[env] as usize == case.matrix[0].len(), !case.random_start);
            }
        }
    }

    #[test]
    fn goes_on_from_a_snapshot_as_if_unbroken(case in cases()) {
        let play = |envs: &mut VecEnv, steps: std::ops::Range<u64>| {
            let mut told = Vec::new();
            for step in steps {
                let mut rng = random::stream(case.config.seed, "actions", step);
                let going: Vec<usize> = (0..envs.len()).filter(|&env| !envs.is_done(env)).collect();
                let all: Vec<usize> = (0..envs.len()).collect();
                let disabled = case.config.autoreset == Autoreset::Disabled;
                let chosen = if disabled { &going } else { &all };
                let actions: Vec<u32> = chosen.iter().map(|&env| choose(envs, env, &mut rng)).collect();
                told.push(envs.step_at(chosen, &actions).unwrap().clone());
                if disabled && going.is_empty() {
                    envs.reset(None);
                }
            }
            (told, envs.snapshot())
        };
        let mut unbroken = case.build();
        play(&mut unbroken, 0..15);
        let kept = serde_json::to_string(&unbroken.snapshot()).unwrap();
        let (rest, end) = play(&mut unbroken, 15..30);
        let world = case.world();
        let config = VecEnvConfig { seed: case.config.seed ^ 1, ..case.config };
        let mut other = VecEnv::new(world.clone(), world.truth.clone(), config).unwrap();
        play(&mut other, 0..7);
        other.restore(&serde_json::from_str(&kept).unwrap()).unwrap();
        prop_assert_eq!(serde_json::to_string(&other.snapshot()).unwrap(), kept);
        prop_assert_eq!(play(&mut other, 15..30), (rest, end));
        let mut states = [States::new(3), States::new(3)];
        let all: Vec<usize> = (0..other.len()).collect();
        unbroken.states_into(&all, &mut states[0]);
        other.states_into(&all, &mut states[1]);
        prop_assert_eq!(&states[0], &states[1]);
    }

    #[test]
    fn episodes_do_not_depend_on_what_is_stepped_together(case in cases()) {
        let config = VecEnvConfig { autoreset: Autoreset::Disabled, ..case.config };
        let case = Case { config, ..case };
        let episodes = |together: bool| {
            let mut envs = case.build();
            let mut told: Vec<Vec<(u32, Vec<u32>)>> = vec![Vec::new(); envs.len()];
            let mut rngs: Vec<_> =
                (0..envs.len()).map(|env| random::stream(case.config.seed, "actions", env as u64)).collect();
            let groups: Vec<Vec<usize>> = if together {
                vec![(0..envs.len()).collect()]
            } else {
                (0..envs.len()).rev().map(|env| vec![env]).collect()
            };
            for group in groups {
                while group.iter().any(|&env| told[env].len() < 3) {
                    let active: Vec<usize> =
                        group.iter().copied().filter(|&env| told[env].len() < 3).collect();
                    let actions: Vec<u32> =
                        active.iter().map(|&env| choose(&envs, env, &mut rngs[env])).collect();
                    envs.step_at(&active, &actions).unwrap();
                    for &env in &active {
                        if envs.is_done(env) {
                            told[env].push((envs.users()[env], envs.trail(env).to_vec()));
                            envs.reset_env(env);
                        }
                    }
                }
            }
            told
        };
        prop_assert_eq!(episodes(true), episodes(false));
    }

    #[test]
    fn masked_modes_never_repeat_and_nx_x_has_x_turns(case in cases()) {
        let turns = case.max_turn as u16;
        for mode in [Mode::Nx0, Mode::NxX(turns.min(5))] {
            let config = VecEnvConfig { mode, autoreset: Autoreset::Disabled, ..case.config };
            let mut envs = Case { config, ..case.clone() }.build();
            let mut rng = random::stream(case.config.seed, "actions", 1);
            while let going @ [_, ..] =
                &(0..envs.len()).filter(|&env| !envs.is_done(env)).collect::<Vec<_>>()[..]
            {
                let actions: Vec<u32> = going.iter().map(|&env| choose(&envs, env, &mut rng)).collect();
                envs.step_at(going, &actions).unwrap();
            }
            for env in 0..envs.len() {
                let mut items = envs.trail(env)[1..].to_vec();
                if let Mode::NxX(turns) = mode {
                    prop_assert_eq!(items.len(), usize::from(turns));
                }
                let length = items.len();
                items.sort_unstable();
                items.dedup();
                prop_assert_eq!(items.len(), length);
            }
        }
    }
}

/// 40 users, 50 items with tags; users leave after some turns.
fn tagged(config: VecEnvConfig) -> VecEnv {
    let mut rng = random::stream(7, "tagged", 0);
    let cells = (0..40 * 50).map(|_| rng.random_range(0.0..5.0)).collect();
    let truth = Arc::new(RewardMatrix::new(40, 50, cells).unwrap());
    let tags = (0..50).map(|_| 1 << rng.random_range(0..10)).collect();
    let rule = QuitRule::Category { tags, threshold: 1 };
    let quit = Quit { rule, window: 5, mode: WindowMode::Exact };
    let world = Arc::new(World::new(truth.clone(), quit, 30, true).unwrap());
    VecEnv::new(world, truth, config).unwrap()
}

#[test]
fn one_thread_and_two_give_the_same_trajectories() {
    let play = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            [Autoreset::NextStep, Autoreset::SameStep].map(|autoreset| {
                let mut envs = tagged(VecEnvConfig { envs: 5000, autoreset, ..VecEnvConfig::default() });
                let mut rng = random::stream(3, "actions", 0);
                let mut batches = Vec::new();
                let mut states = States::new(3);
                for _ in 0..40 {
                    let actions: Vec<u32> = (0..5000).map(|_| rng.random_range(0..50)).collect();
                    batches.push(envs.step(&actions).unwrap().clone());
                    envs.next_states_into(&[0, 2499, 2500, 4999], &mut states);
                }
                (batches, states, envs.snapshot())
            })
        })
    };
    let one = play(1);
    assert!(one == play(2));
    assert!(one == play(3));
    // Users differ between environments.
    let envs = tagged(VecEnvConfig { envs: 5000, ..VecEnvConfig::default() });
    let mut counts = [0; 40];
    envs.users().iter().for_each(|&user| counts[user as usize] += 1);
    assert!(counts.iter().all(|&count| (70..180).contains(&count)), "{counts:?}");
}

#[test]
fn a_seed_names_a_sequence_of_episodes() {
    let mut envs = tagged(VecEnvConfig { envs: 20, ..VecEnvConfig::default() });
    let first = envs.snapshot();
    envs.step(&[3; 20]).unwrap();
    envs.reset(None);
    let second = envs.snapshot();
    assert_ne!(first, second);
    assert_eq!(envs.episodes(), [1; 20]);
    envs.reset(Some(2023));
    assert_eq!(envs.snapshot(), first);
    envs.reset(None);
    assert_eq!(envs.snapshot(), second);
    envs.reset(Some(2024));
    assert_ne!(envs.users(), tagged(VecEnvConfig { envs: 20, ..VecEnvConfig::default() }).users());
}

#[test]
fn fixed_users_leave_everything_else_as_drawn() {
    let mut drawn = tagged(VecEnvConfig { envs: 3, ..VecEnvConfig::default() });
    let mut fixed = drawn.clone();
    drawn.reset_env(1);
    fixed.reset_with(1, Some(17), None).unwrap();
    assert_eq!((fixed.users()[1], fixed.trail(1)), (17, drawn.trail(1)));
    fixed.reset_with(1, None, Some(50)).unwrap();
    drawn.reset_env(1);
    assert_eq!((fixed.users()[1], fixed.trail(1)), (drawn.users()[1], &[50][..]));
    let before = fixed.snapshot();
    assert!(fixed.reset_with(1, Some(40), None).is_err());
    assert!(fixed.reset_with(1, None, Some(51)).is_err());
    assert_eq!(fixed.snapshot(), before);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let config =
        VecEnvConfig { envs: 3, mode: Mode::Nx0, autoreset: Autoreset::Disabled, ..VecEnvConfig::default() };
    let mut envs = tagged(config);
    envs.step(&[1, 2, 3]).unwrap();
    let before = envs.snapshot();
    let refusal = |error: Error| match error {
        Error::Action { env, item, refusal } => (env, item, refusal),
        other => panic!("{other}"),
    };
    let error = envs.step(&[4, 2, 3]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment 1: item 2 was taken before in this episode; choose among the items that are not masked"
    );
    assert_eq!(refusal(error), (1, 2, Refusal::AlreadyTaken));
    assert_eq!(refusal(envs.step(&[4, 5, 50]).unwrap_err()), (2, 50, Refusal::UnknownItem));
    assert_eq!(refusal(envs.step_at(&[2], &[u32::MAX]).unwrap_err()).2, Refusal::UnknownItem);
    assert!(envs.step(&[4, 5]).is_err());
    assert!(envs.step_at(&[1, 0], &[4, 5]).is_err());
    assert!(envs.step_at(&[1, 1], &[4, 5]).is_err());
    assert!(envs.step_at(&[3], &[4]).is_err());
    assert!(envs.step_at(&[0], &[4, 5]).is_err());
    assert_eq!(envs.snapshot(), before);

    let mut one = tagged(VecEnvConfig { envs: 1, mode: Mode::NxX(1), ..config });
    assert!(one.step(&[1]).unwrap().truncated[0]);
    assert_eq!(refusal(one.step(&[2]).unwrap_err()), (0, 2, Refusal::EpisodeOver));
    one.reset_env(0);
    one.step(&[1]).unwrap();

    let world = one.world().clone();
    for mode in [Mode::NxX(0), Mode::NxX(31)] {
        assert!(VecEnv::new(world.clone(), world.truth.clone(), VecEnvConfig { mode, ..config }).is_err());
    }
    let none = VecEnvConfig { envs: 0, ..config };
    assert!(VecEnv::new(world.clone(), world.truth.clone(), none).is_err());
    let small = Arc::new(RewardMatrix::new(1, 50, vec![0.0; 50]).unwrap());
    assert!(VecEnv::new(world, small, config).is_err());
}

#[test]
fn a_foreign_state_is_refused() {
    let mut envs = tagged(VecEnvConfig { envs: 2, ..VecEnvConfig::default() });
    envs.step(&[1, 2]).unwrap();
    let good = serde_json::to_value(envs.snapshot()).unwrap();
    for (key, value) in [
        ("users", serde_json::json!([0, 40])),
        ("users", serde_json::json!([0])),
        ("turns", serde_json::json!([1, 2])),
        ("items", serde_json::json!([0, 50, 0, 0])),
        ("items", serde_json::json!([51, 0, 0, 0])),
        ("rewards", serde_json::json!([0, 0, 0])),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert!(envs.restore(&serde_json::from_value(bad).unwrap()).is_err(), "{key}");
        assert_eq!(serde_json::to_value(envs.snapshot()).unwrap(), good);
    }
}

#[test]
fn parts_that_do_not_fit_make_no_world() {
    let truth = Arc::new(RewardMatrix::new(1, 3, vec![0.0; 3]).unwrap());
    let build = |rule, window, mode, max_turn| {
        let error = World::new(truth.clone(), Quit { rule, window, mode }, max_turn, true).err();
        error.map(|error| error.to_string().split(':').next().unwrap().to_owned())
    };
    let tags = |n| QuitRule::Category { tags: vec![1; n], threshold: 0 };
    let error = Some("quit.rule".to_owned());
    assert_eq!(build(tags(2), 1, WindowMode::Exact, 30), error);
    assert_eq!(build(QuitRule::Distance(BitMatrix::new(3, 4)), 1, WindowMode::Exact, 30), error);
    assert_eq!(build(QuitRule::Distance(BitMatrix::new(2, 3)), 1, WindowMode::Exact, 30), error);
    assert_eq!(build(tags(3), 0, WindowMode::Exact, 30), Some("quit.window".into()));
    assert_eq!(build(tags(3), 31, WindowMode::Exact, 30), None);
    for max_turn in [0, 256] {
        assert_eq!(build(tags(3), 1, WindowMode::Exact, max_turn), Some("max_turn".into()));
    }
}

#[test]
fn modes_and_settings_are_written_as_in_the_tables() {
    for (mode, text) in [(Mode::FreeB, "FB"), (Mode::Nx0, "NX_0"), (Mode::NxX(10), "NX_10")] {
        assert_eq!(mode.to_string(), text);
        assert_eq!(text.parse::<Mode>().unwrap(), mode);
    }
    assert!("NX_".parse::<Mode>().is_err() && "free".parse::<Mode>().is_err());
    let config: VecEnvConfig =
        serde_json::from_str(r#"{"envs": 7, "mode": "NX_10", "autoreset": "same-step"}"#).unwrap();
    let expected = VecEnvConfig {
        envs: 7,
        mode: Mode::NxX(10),
        autoreset: Autoreset::SameStep,
        ..VecEnvConfig::default()
    };
    assert_eq!(config, expected);
}

#[test]
fn the_scalar_environment_follows_gymnasium() {
    let world = tagged(VecEnvConfig::default()).world().clone();
    let mut env = Env::new(world.clone(), world.truth.clone(), Mode::Nx0).unwrap();
    let (first, info) = env.reset(Some(5), ResetOptions::default()).unwrap();
    assert_eq!((info.turn, info.cumulative_reward), (0, 0.0));
    let step = env.step(9).unwrap();
    assert_eq!(step.reward, world.truth.get(first.user, 9));
    assert_eq!((step.observation.item, step.info.turn), (9, 1));
    assert!((step.info.cumulative_reward - f64::from(step.reward)).abs() < 1e-9);
    let mask = env.action_mask();
    assert_eq!(mask.iter().filter(|&&allowed| !allowed).count(), 1);
    assert!(!mask[9]);
    assert!(matches!(env.step(9), Err(Error::Action { refusal: Refusal::AlreadyTaken, .. })));
    // The same seed, the same start; a user can be fixed; without a seed the sequence goes on.
    let fixed = ResetOptions { user: Some(3), start: None };
    let (again, _) = env.reset(Some(5), fixed).unwrap();
    assert_eq!((again.user, again.item), (3, first.item));
    assert_eq!(env.reset(Some(5), ResetOptions::default()).unwrap().0, first);
    let second = env.reset(None, ResetOptions::default()).unwrap().0;
    assert_ne!(second, first);
    let at = env.observation();
    assert!(env.reset(Some(5), ResetOptions { user: Some(40), start: None }).is_err());
    assert_eq!(env.observation(), at);
    // A fixed first episode is the first all the same: the second follows it.
    let both = ResetOptions { user: Some(3), start: Some(0) };
    for options in [fixed, both, ResetOptions { user: None, start: Some(1) }] {
        env.reset(Some(5), options).unwrap();
        assert_eq!(env.reset(None, ResetOptions::default()).unwrap().0, second);
    }
    // The turn limit is no termination.
    let mut env = Env::new(world.clone(), world.truth.clone(), Mode::NxX(2)).unwrap();
    env.step(1).unwrap();
    let step = env.step(2).unwrap();
    assert_eq!((step.terminated, step.truncated), (false, true));
    assert!(matches!(env.step(3), Err(Error::Action { refusal: Refusal::EpisodeOver, .. })));
}
