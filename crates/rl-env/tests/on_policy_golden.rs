//! State trackers, their gradients, and learning rounds of PG, A2C and PPO against torch (`golden/trackers.py`,
//! `golden/policies.py`).
#![cfg(feature = "flex")]
#![allow(missing_docs)]

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use proptest::prelude::*;
use rec_core::random::stream;
use rl_env::optimizer::with_weights;
use rl_env::policy::{A2c, A2cConfig, ActionSpace, Pg, PgConfig, Policy, Ppo, PpoConfig, VectorActions};
use rl_env::replay::{Replay, Transition};
use rl_env::states::States;
use rl_env::tracker::{ItemVectors, RewardInput, StateTensors, Tracker, TrackerConfig, TrackerKind};
use serde_json::Value;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn lists(value: &Value) -> Vec<Vec<f32>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn index(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// Equal up to `1e-5`, relative to the largest number where that is above 1.
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1e-5 * scale, "{what}, {at}: {found} for {expected}");
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn vectors(golden: &Value) -> ItemVectors {
    let (n_items, dim) = (index(&golden["n_items"]), index(&golden["dim"]));
    ItemVectors { dim, values: vec![0.0; n_items * dim] }
}

/// The gradients of all parameters, in their order.
fn gradients<M: Module>(module: &M, gradients: &Gradients) -> Vec<Vec<f32>> {
    struct Read<'a>(&'a Gradients, Vec<Vec<f32>>);
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.0);
            self.1.push(gradient.map_or_else(|| vec![0.0; param.val().shape().num_elements()], values));
        }
    }
    let mut read = Read(gradients, Vec::new());
    module.visit(&mut read);
    read.1
}

#[test]
fn trackers_and_their_gradients_are_torchs() {
    let golden = golden(include_str!("golden/trackers.json"));
    let device = Device::flex().autodiff();
    for case in golden["cases"].as_array().unwrap() {
        let config = TrackerConfig {
            kind: serde_json::from_value(case["kind"].clone()).unwrap(),
            window: index(&case["window"]),
            reward_input: serde_json::from_value(case["reward_input"].clone()).unwrap(),
            heads: index(&case["heads"]),
            ..TrackerConfig::default()
        };
        let name = format!("{:?} over {} pairs", config.kind, config.window);
        let tracker = Tracker::new(&config, &vectors(&golden), &mut stream(1, "test", 0), &device).unwrap();
        let tracker = with_weights(tracker, lists(&case["weights"])).unwrap();
        let states = States {
            window: config.window,
            items: case["items"].as_array().unwrap().iter().map(|item| index(item) as u32).collect(),
            rewards: numbers(&case["rewards"]),
            lengths: case["lengths"].as_array().unwrap().iter().map(|length| index(length) as u8).collect(),
            users: vec![0; case["lengths"].as_array().unwrap().len()],
            ..States::default()
        };
        let output = tracker.forward(&StateTensors::new(&states, &device));
        assert_eq!(output.dims(), [states.len(), tracker.width()], "{name}");
        assert_close(&values(output.clone()), &numbers(&case["output"]), &name);

        let coefficients = TensorData::new(numbers(&case["coefficients"]), output.dims());
        let by = output.mul(Tensor::from_data(coefficients, &device)).sum().backward();
        let found = gradients(&tracker, &by);
        let expected = lists(&case["gradients"]);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_close(found, expected, &format!("{name}, gradient {at}"));
        }
    }
}

/// The policy of a case, before learning.
fn policy(golden: &Value, case: &Value) -> Box<dyn Policy> {
    let (items, device) = (vectors(golden), Device::flex());
    let mut config = case["config"].clone();
    if case["vectors"].as_bool().unwrap() {
        config["actions"] = serde_json::to_value(ActionSpace::Vectors(VectorActions::default())).unwrap();
    }
    let mut policy: Box<dyn Policy> = match case["policy"].as_str().unwrap() {
        "pg" => {
            let config: PgConfig = serde_json::from_value(config).unwrap();
            Box::new(Pg::new(&config, &items, 1, &device).unwrap())
        }
        "a2c" => {
            let config: A2cConfig = serde_json::from_value(config).unwrap();
            Box::new(A2c::new(&config, &items, 1, &device).unwrap())
        }
        _ => {
            let config: PpoConfig = serde_json::from_value(config).unwrap();
            Box::new(Ppo::new(&config, &items, 1, &device).unwrap())
        }
    };
    let mut state = policy.state();
    for part in ["tracker", "heads"] {
        for (at, weights) in lists(&case["weights"][part]).into_iter().enumerate() {
            let old = state.tensors.insert(format!("{part}.{at}"), weights);
            assert!(old.is_some(), "{part}.{at} is no parameter");
        }
    }
    policy.restore(state).unwrap();
    policy
}

fn replay(case: &Value, policy: &dyn Policy) -> Replay {
    let width = policy.action_width();
    let mut replay = Replay::new(3, 9, &States::new(policy.window()), width);
    for (env, steps) in case["envs"].as_array().unwrap().iter().enumerate() {
        for step in steps.as_array().unwrap() {
            let mut items: Vec<u32> =
                step["items"].as_array().unwrap().iter().map(|item| index(item) as u32).collect();
            let mut rewards = numbers(&step["rewards"]);
            let transition = Transition {
                action: index(&step["action"]) as u32,
                vector: &numbers(&step["vector"])[..width],
                reward: step["reward"].as_f64().unwrap() as f32,
                terminated: step["terminated"].as_bool().unwrap(),
                truncated: step["truncated"].as_bool().unwrap(),
            };
            let (mut before, mut after) = (States::new(policy.window()), States::new(policy.window()));
            before.push(0, &items, &rewards);
            items.push(transition.action);
            rewards.push(transition.reward);
            after.push(0, &items, &rewards);
            replay.push(env, &transition, &before, &after, 0);
        }
    }
    replay
}

#[test]
fn losses_and_gradients_of_a_learning_round_are_torchs() {
    let golden = golden(include_str!("golden/policies.json"));
    for (number, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let name = format!("case {number}, {}", case["policy"]);
        let mut policy = policy(&golden, case);
        let replay = replay(case, &*policy);
        let losses = policy.learn(&replay, &mut stream(1, "learn", 0)).unwrap();
        assert_eq!(losses.len(), case["losses"].as_object().unwrap().len(), "{name}");
        for (key, loss) in losses {
            let expected = case["losses"][key].as_f64().unwrap();
            assert!(
                (loss - expected).abs() < 1e-5 * expected.abs().max(1.0),
                "{name}, {key}: {loss} for {expected}"
            );
        }
        let state = policy.state();
        for part in ["tracker", "heads"] {
            for moment in ["first", "second"] {
                for (at, expected) in lists(&case[moment][part]).iter().enumerate() {
                    let key = format!("{part}.{at}.{moment}");
                    // A moment is a hundredth or so of a gradient: so much closer must it be.
                    let scale = if moment == "first" { 10.0 } else { 1000.0 };
                    let scaled = |values: &[f32]| values.iter().map(|x| x * scale).collect::<Vec<_>>();
                    assert_close(&scaled(&state.tensors[&key]), &scaled(expected), &format!("{name}, {key}"));
                }
            }
        }
    }
}

const KINDS: [TrackerKind; 5] =
    [TrackerKind::Average, TrackerKind::Gru, TrackerKind::Caser, TrackerKind::SasRec, TrackerKind::NextItNet];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Neither what stands where there is padding nor the other states of the batch reach a state's output.
    #[test]
    fn padding_and_neighbours_never_change_a_state(
        lengths in prop::collection::vec(1u8..=5, 1..6),
        seed in 0u64..1000,
        junk_item in 0u32..8,
        junk_reward in -1e3f32..1e3,
    ) {
        let (window, device) = (5, Device::flex());
        let items = ItemVectors::random(7, 4, &mut stream(seed, "vectors", 0));
        for kind in KINDS {
            let config = TrackerConfig { kind, window, ..TrackerConfig::default() };
            let tracker = Tracker::new(&config, &items, &mut stream(seed, "weights", 0), &device).unwrap();
            let mut states = States::new(window);
            for (row, &length) in lengths.iter().enumerate() {
                let trail: Vec<u32> = (0..u32::from(length)).map(|at| (at * 3 + row as u32) % 8).collect();
                let rewards: Vec<f32> = trail.iter().map(|&item| item as f32 / 4.0).collect();
                states.push(0, &trail, &rewards);
            }
            let output = values(tracker.forward(&StateTensors::new(&states, &device)));
            let mut filled = states.clone();
            for (row, &length) in lengths.iter().enumerate() {
                for at in usize::from(length)..window {
                    filled.items[row * window + at] = junk_item;
                    filled.rewards[row * window + at] = junk_reward;
                }
            }
            let again = values(tracker.forward(&StateTensors::new(&filled, &device)));
            prop_assert_eq!(&output, &again, "{:?}", kind);

            let mut alone = States::new(window);
            alone.push_from(&filled, lengths.len() - 1);
            let alone = values(tracker.forward(&StateTensors::new(&alone, &device)));
            let expected = &output[output.len() - tracker.width()..];
            for (found, expected) in alone.iter().zip(expected) {
                prop_assert!((found - expected).abs() < 1e-5, "{:?}: {} for {}", kind, found, expected);
            }
        }
    }
}

#[test]
fn dropout_works_only_while_learning_and_comes_from_the_generator() {
    let device = Device::flex();
    let items = ItemVectors::random(7, 4, &mut stream(1, "vectors", 0));
    let mut states = States::new(4);
    states.push(0, &[1, 2, 3], &[0.0, 1.0, 0.5]);
    let states = StateTensors::new(&states, &device);
    for kind in KINDS {
        let config = TrackerConfig { kind, window: 4, dropout: 0.5, ..TrackerConfig::default() };
        let tracker = Tracker::new(&config, &items, &mut stream(1, "weights", 0), &device).unwrap();
        let judged = values(tracker.forward(&states));
        let learned = |seed| values(tracker.forward_training(&states, &mut stream(seed, "dropout", 0)));
        assert_eq!(learned(1), learned(1), "{kind:?}");
        let drops = matches!(kind, TrackerKind::Caser | TrackerKind::SasRec);
        assert_eq!(learned(1) != learned(2), drops, "{kind:?}");
        assert_eq!(learned(1) != judged, drops, "{kind:?}");
    }
}

#[test]
fn a_configuration_names_trackers_and_rewards_as_the_documentation_does() {
    for (text, kind) in ["average", "gru", "caser", "sasrec", "nextitnet"].into_iter().zip(KINDS) {
        let json = format!(r#"{{"kind": "{text}", "reward_input": "ignore"}}"#);
        let config: TrackerConfig = serde_json::from_str(&json).unwrap();
        assert_eq!((config.kind, config.reward_input), (kind, RewardInput::Ignore));
    }
    assert!(serde_json::from_str::<TrackerConfig>(r#"{"windows": 3}"#).is_err());
}
