//! Credit assignment: by hand, by properties, and beside TRL.

use proptest::prelude::*;
use serde_json::Value;
use tool_rl::credit::{
    AdaptiveKl, AnchorStep, Baseline, Credit, KlController, KlEstimator, Signal, anchor_advantages,
    group_advantages, returns_to_go, reversed, turn_baseline, whiten,
};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/advantages_and_losses.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
}

fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (at, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "at {at}: {a}, not {b}");
    }
}

#[test]
fn advantages_are_trls() {
    let golden = &golden()["gae"];
    let (steps, observations) = (sizes(&golden["steps"]), sizes(&golden["observations"]));
    let (rewards, token_rewards) = (floats(&golden["step_rewards"]), floats(&golden["token_rewards"]));
    let values = floats(&golden["values"]);
    let signal = Signal {
        steps: &steps,
        observations: &observations,
        rewards: &rewards,
        token_rewards: &token_rewards,
        values: &values,
    };
    for (over_observations, key) in [(true, "over_observations"), (false, "skipping")] {
        let credit =
            Credit::Released { gamma: 0.99, lambda: 0.95, over_observations, reversed_weights: false };
        let mut credited = credit.assign(&signal);
        close(&credited.returns, &floats(&golden[key]["returns"]), 1e-5);
        whiten(&mut credited.advantages, true);
        close(&credited.advantages, &floats(&golden[key]["whitened_advantages"]), 1e-4);
    }
}

#[test]
fn whitening_and_kl_are_trls() {
    let golden = golden();
    for case in golden["whitening"].as_array().unwrap() {
        for (key, shift) in [("shifted", true), ("kept_mean", false)] {
            let mut values = floats(&case["values"]);
            whiten(&mut values, shift);
            close(&values, &floats(&case[key]), 1e-4);
        }
    }
    let adaptive = AdaptiveKl { target: 6.0, horizon: 10_000.0 };
    let mut controller = KlController { beta: 0.3, adaptive: Some(adaptive) };
    for step in golden["adaptive_kl"]["path"].as_array().unwrap() {
        controller.update(step["kl"].as_f64().unwrap(), 8);
        assert!((controller.beta - step["beta"].as_f64().unwrap()).abs() < 1e-12);
    }
    // With these settings the factor moves by at most 1.6e-4 of itself a batch.
    let before = controller.beta;
    controller.update(1e9, 8);
    assert!((controller.beta / before - 1.0 - 1.6e-4).abs() < 1e-12);
    let estimators = &golden["estimators"];
    let (policy, reference) = (floats(&estimators["policy"]), floats(&estimators["reference"]));
    for (key, estimator) in [
        ("k1", KlEstimator::K1),
        ("k2", KlEstimator::K2),
        ("k3", KlEstimator::K3),
        ("absolute", KlEstimator::Absolute),
    ] {
        let ours: Vec<f32> = policy.iter().zip(&reference).map(|(&p, &q)| estimator.estimate(p, q)).collect();
        close(&ours, &floats(&estimators[key]), 1e-5);
    }
}

#[test]
fn group_baselines_are_their_formulas() {
    let golden = &golden()["groups"];
    let returns = floats(&golden["returns"]);
    let groups: Vec<u64> = sizes(&golden["groups"]).into_iter().map(|group| group as u64).collect();
    for (key, baseline) in
        [("standardised", Baseline::Standardised), ("leave_one_out", Baseline::LeaveOneOut)]
    {
        let (advantages, flat) = group_advantages(baseline, &returns, &groups);
        close(&advantages, &floats(&golden[key]), 1e-5);
        // The second group has one return for all: no direction.
        assert_eq!(flat, 0.5);
        assert!(advantages[4..].iter().all(|&advantage| advantage == 0.0));
    }
}

/// Rewards 1, 0, 2 over three steps of 2, 1 and 3 tokens; values 1, 2, ... 6; gamma 0.9, lambda 0.5.
#[test]
fn three_steps_by_hand() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let signal = Signal {
        steps: &[2, 1, 3],
        observations: &[0, 0, 0],
        rewards: &[1.0, 0.0, 2.0],
        token_rewards: &[],
        values: &values,
    };
    // Over steps: V = 1, 3, 4; delta = 1 + 2.7 - 1, 3.6 - 3, 2 - 4.
    let (a2, a1) = (-2.0, 0.6 + 0.45 * -2.0);
    let a0 = 2.7 + 0.45 * a1;
    let credited = Credit::StepGae { gamma: 0.9, lambda: 0.5 }.assign(&signal);
    close(&credited.advantages, &[a0, a0, a1, a2, a2, a2], 1e-6);
    close(&credited.returns, &[a0 + 1.0, a0 + 1.0, a1 + 3.0, a2 + 4.0, a2 + 4.0, a2 + 4.0], 1e-6);
    // Over tokens, no discount within an action.
    let credited = Credit::TokenGae { gamma: 0.9, gamma_token: 1.0, lambda: 0.5 }.assign(&signal);
    let t5 = 2.0 - 6.0;
    let t4 = 6.0 - 5.0 + 0.5 * t5;
    let t3 = 5.0 - 4.0 + 0.5 * t4;
    let t2 = 0.9 * 4.0 - 3.0 + 0.45 * t3;
    let t1 = 1.0 + 0.9 * 3.0 - 2.0 + 0.45 * t2;
    let t0 = 2.0 - 1.0 + 0.5 * t1;
    close(&credited.advantages, &[t0, t1, t2, t3, t4, t5], 1e-6);
    // Two levels: the step's advantage stands at its last token, in terms of that token's value.
    let credited =
        Credit::BiLevelGae { gamma: 0.9, lambda: 0.5, gamma_token: 1.0, lambda_token: 1.0 }.assign(&signal);
    close(&credited.advantages, &[a0, a0 - 1.0, a1, a2, a2 - 1.0, a2 - 2.0], 1e-6);
    // The sum for all; and from each step on.
    let credited = Credit::Trajectory.assign(&signal);
    close(&credited.advantages, &[3.0; 6], 1e-6);
    let credited = Credit::ReturnToGo { gamma: 0.5 }.assign(&Signal { values: &[], ..signal });
    close(&credited.advantages, &[1.5, 1.5, 1.0, 2.0, 2.0, 2.0], 1e-6);
}

#[test]
fn the_released_weights_leave_the_last_step_nothing() {
    assert_eq!(reversed(&[1.0, 1.0, 1.0, 1.0]), [3.0, 2.0, 1.0, 0.0]);
    let signal = Signal {
        steps: &[1, 1],
        observations: &[0, 0],
        rewards: &[0.0, 1.0],
        token_rewards: &[],
        values: &[],
    };
    let credit =
        Credit::Released { gamma: 0.99, lambda: 0.95, over_observations: true, reversed_weights: true };
    assert_eq!(credit.assign(&signal).advantages, [0.0, 0.0]);
}

#[test]
fn anchors_compare_steps_from_the_same_state() {
    let step = |group, state, return_to_go| AnchorStep { group, state, return_to_go };
    let steps = [step(0, 7, 1.0), step(0, 7, 0.0), step(0, 8, 1.0), step(1, 7, 5.0), step(0, 7, 0.5)];
    let advantages = anchor_advantages(&steps, false);
    assert_eq!(advantages, [0.5, -0.5, 0.0, 0.0, 0.0]);
}

#[test]
fn turns_that_are_missing_count_as_zero() {
    let baseline = turn_baseline(&[vec![1.0, 2.0], vec![3.0]], &[0, 0]);
    assert_eq!(baseline, [vec![2.0, 1.0], vec![2.0]]);
}

#[test]
fn few_or_equal_values_whiten_to_nothing() {
    for mut values in [vec![], vec![3.0], vec![2.5; 6]] {
        whiten(&mut values, true);
        assert!(values.iter().all(|value| *value == 0.0));
    }
}

/// Steps with rewards and values for every token.
fn rows() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, Vec<f32>, Vec<f32>)> {
    prop::collection::vec((1_usize..5, 0_usize..6, -1.0_f32..1.0), 1..6).prop_flat_map(|steps| {
        let tokens: usize = steps.iter().map(|step| step.0).sum();
        let (lengths, rest): (Vec<_>, Vec<_>) = steps.into_iter().map(|(a, b, c)| (a, (b, c))).unzip();
        let (observations, rewards): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
        (Just(lengths), Just(observations), Just(rewards), prop::collection::vec(-1.0_f32..1.0, tokens))
    })
}

proptest! {
    #[test]
    fn observations_change_nothing_unless_they_are_let((steps, observations, rewards, values) in rows()) {
        let signal = |observations| Signal { steps: &steps, observations, rewards: &rewards, token_rewards: &[], values: &values };
        let none = vec![0; steps.len()];
        for credit in [
            Credit::TokenGae { gamma: 0.99, gamma_token: 0.99, lambda: 0.95 },
            Credit::StepGae { gamma: 0.99, lambda: 0.95 },
            Credit::ReturnToGo { gamma: 0.9 },
        ] {
            prop_assert_eq!(credit.assign(&signal(&observations)), credit.assign(&signal(&none)));
        }
    }

    /// Between two steps with `n` observation tokens a reward loses `(gamma lambda)^n` in the compat mode.
    #[test]
    fn observations_decay_credit_in_the_compat_mode(n in 0_usize..40, gamma in 0.9_f32..1.0, lambda in 0.8_f32..1.0) {
        let observations = [n, 0];
        let signal = Signal { steps: &[1, 1], observations: &observations, rewards: &[0.0, 1.0], token_rewards: &[], values: &[] };
        let credit = Credit::Released { gamma, lambda, over_observations: true, reversed_weights: false };
        let first = credit.assign(&signal).advantages[0];
        let expected = (gamma * lambda).powi(n as i32 + 1);
        prop_assert!((first - expected).abs() < 1e-5, "{} {}", first, expected);
    }

    #[test]
    fn without_values_a_lambda_of_one_is_the_return((steps, observations, rewards, _) in rows(), gamma in 0.5_f32..1.0) {
        let signal = Signal { steps: &steps, observations: &observations, rewards: &rewards, token_rewards: &[], values: &[] };
        let gae = Credit::StepGae { gamma, lambda: 1.0 }.assign(&signal);
        let returns = Credit::ReturnToGo { gamma }.assign(&signal);
        for (a, b) in gae.advantages.iter().zip(&returns.advantages) {
            prop_assert!((a - b).abs() < 1e-5);
        }
        prop_assert!((returns.advantages[0] - returns_to_go(&rewards, gamma)[0]).abs() < 1e-6);
    }

    #[test]
    fn baselines_have_no_mean_and_no_order(
        returns in prop::collection::vec(-2.0_f32..2.0, 2..24), size in 2_usize..5, turn in 0_usize..24,
    ) {
        let groups: Vec<u64> = (0..returns.len()).map(|at| (at / size) as u64).collect();
        for baseline in [Baseline::Mean, Baseline::Standardised, Baseline::LeaveOneOut] {
            let (advantages, _) = group_advantages(baseline, &returns, &groups);
            for group in 0..=groups[groups.len() - 1] {
                let sum: f32 = advantages.iter().zip(&groups).filter(|(_, own)| **own == group).map(|(a, _)| a).sum();
                prop_assert!(sum.abs() < 1e-2, "{baseline:?}: {sum}");
            }
            let (mut turned, mut turned_groups) = (returns.clone(), groups.clone());
            turned.rotate_left(turn % returns.len());
            turned_groups.rotate_left(turn % returns.len());
            let (mut other, _) = group_advantages(baseline, &turned, &turned_groups);
            other.rotate_right(turn % returns.len());
            for (a, b) in advantages.iter().zip(&other) {
                prop_assert!((a - b).abs() < 1e-3);
            }
        }
        // G / (G - 1) times the distance from the mean.
        let whole: Vec<u64> = vec![0; returns.len()];
        let (centred, _) = group_advantages(Baseline::Mean, &returns, &whole);
        let (left_out, _) = group_advantages(Baseline::LeaveOneOut, &returns, &whole);
        let factor = returns.len() as f32 / (returns.len() as f32 - 1.0);
        for (a, b) in centred.iter().zip(&left_out) {
            prop_assert!((a * factor - b).abs() < 1e-4);
        }
    }
}
