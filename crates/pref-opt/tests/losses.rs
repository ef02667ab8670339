//! Losses against worked values, against TRL, against finite differences and against their own identities.

use burn::tensor::{Device, Int, Tensor, TensorData};
use pref_opt::loss::scalar::{self, Pair};
use pref_opt::loss::{
    Divergence, Objective, PreferenceBatch, PreferenceLoss, kto, kto_kl, length_desensitized, wpo_weights,
};
use proptest::prelude::*;
use serde::Deserialize;

fn device() -> Device {
    Device::flex().autodiff()
}

fn row(values: &[f64], device: &Device) -> Tensor<1> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

fn batch(pair: &Pair<'_>) -> PreferenceBatch {
    let device = device();
    PreferenceBatch {
        chosen: row(&[pair.chosen], &device).require_grad(),
        rejected: row(pair.rejected, &device).unsqueeze::<2>().require_grad(),
        reference_chosen: row(&[pair.reference_chosen], &device),
        reference_rejected: row(pair.reference_rejected, &device).unsqueeze(),
        chosen_tokens: row(&[pair.chosen_tokens], &device),
        rejected_tokens: row(pair.rejected_tokens, &device).unsqueeze(),
        label_smoothing: None,
        weights: None,
    }
}

fn plain() -> Pair<'static> {
    Pair {
        chosen: -3.0,
        rejected: &[-4.0],
        reference_chosen: -3.5,
        reference_rejected: &[-3.8],
        chosen_tokens: 4.0,
        rejected_tokens: &[5.0],
    }
}

/// Log-ratios -0.2, 0.3 and -1.0 of the rejected completions.
fn three() -> Pair<'static> {
    Pair {
        rejected: &[-4.0, -3.5, -4.8],
        reference_rejected: &[-3.8, -3.8, -3.8],
        rejected_tokens: &[5.0, 5.0, 5.0],
        ..plain()
    }
}

fn all() -> Vec<PreferenceLoss> {
    use PreferenceLoss::*;
    vec![
        Sigmoid { label_smoothing: 0.0 },
        Sigmoid { label_smoothing: 0.1 },
        Robust { label_smoothing: 0.1 },
        Hinge,
        Ipo { token_averaged: true },
        Ipo { token_averaged: false },
        SoftmaxDpo,
        Dmpo,
        SppoHard,
        BcoPair,
        NcaPair,
        ApoZero,
        ApoDown,
        ExoPair { label_smoothing: 1e-3 },
        DiscoPop { temperature: 0.05 },
        SimPo { gamma: 1.0 },
        Cpo { alpha: 1.0 },
        Orpo { lambda: 0.1 },
        Sft,
    ]
}

fn tensor(loss: &PreferenceLoss, pair: &Pair<'_>, beta: f64, divergence: Divergence) -> f64 {
    f64::from(loss.each(&batch(pair), beta, divergence).mean().into_scalar::<f32>())
}

#[track_caller]
fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: {a} is not {b}");
}

#[test]
fn worked_values() {
    use PreferenceLoss::*;
    let plain = plain();
    for (loss, beta, expected) in [
        (Sigmoid { label_smoothing: 0.0 }, 0.1, 0.65876),
        (Sigmoid { label_smoothing: 0.1 }, 0.1, 0.66576),
        (Robust { label_smoothing: 0.1 }, 0.1, 0.65001),
        (Hinge, 0.1, 0.93),
        (Ipo { token_averaged: true }, 0.1, 23.3772),
        (Ipo { token_averaged: false }, 0.1, 18.49),
        (SppoHard, 0.1, 43.29),
        (BcoPair, 0.1, 1.35166),
        (NcaPair, 0.1, 1.36929),
        (ApoZero, 0.1, 0.98250),
        (ApoDown, 0.1, 0.99500),
        (ExoPair { label_smoothing: 1e-3 }, 0.1, 2.64102),
        (DiscoPop { temperature: 0.05 }, 0.1, 0.87826),
        (SimPo { gamma: 1.0 }, 2.0, 1.24115),
        (Cpo { alpha: 1.0 }, 0.1, 1.39440),
        (Orpo { lambda: 0.1 }, 0.1, 0.81479),
        (Sft, 0.1, 0.75),
    ] {
        let name = format!("{loss:?}");
        close(loss.scalar(&plain, beta, Divergence::ReverseKl), expected, 1e-5, &name);
        close(tensor(&loss, &plain, beta, Divergence::ReverseKl), expected, 1e-5, &name);
    }
    for (loss, expected) in [(SoftmaxDpo, 1.32795), (Dmpo, 0.65395)] {
        let name = format!("{loss:?}");
        close(loss.scalar(&three(), 0.1, Divergence::ReverseKl), expected, 1e-5, &name);
        close(tensor(&loss, &three(), 0.1, Divergence::ReverseKl), expected, 1e-5, &name);
    }
    close(scalar::kto(0.5, true, 0.05, 0.1, 1.0), 0.48875, 1e-5, "kto, good");
    close(scalar::kto(-0.2, false, 0.05, 0.1, 1.0), 0.49375, 1e-5, "kto, bad");
    let device = device();
    let desirable = Tensor::<1, Int>::from_data(TensorData::new(vec![1_i32, 0], [2]), &device);
    let kl = kto_kl(row(&[0.2, -0.1], &device));
    let each = kto(row(&[0.5, -0.2], &device), desirable, kl, 0.1, (1.0, 2.0));
    let each: Vec<f32> = each.into_data().iter::<f32>().collect();
    close(f64::from(each[0]), 0.48875, 1e-5, "kto, good");
    close(f64::from(each[1]), 2.0 * 0.49375, 1e-5, "kto, bad, weighted");
    assert_eq!(kto_kl(row(&[-1.0, -2.0], &device)).into_scalar::<f32>(), 0.0);
}

/// `tests/golden/preference_losses.py` made these with TRL's own functions.
#[derive(Deserialize)]
struct Golden {
    beta: f64,
    loss: PreferenceLoss,
    divergence: Divergence,
    pairs: Vec<[f64; 4]>,
    tokens: Vec<[f64; 2]>,
    losses: Vec<f64>,
}

#[test]
fn trl_computes_the_same() {
    let golden: Vec<Golden> = serde_json::from_str(include_str!("golden/trl.json")).unwrap();
    assert!(golden.len() >= 15, "{}", golden.len());
    for case in &golden {
        for ((pair, tokens), expected) in case.pairs.iter().zip(&case.tokens).zip(&case.losses) {
            let pair = Pair {
                chosen: pair[0],
                rejected: &pair[1..2],
                reference_chosen: pair[2],
                reference_rejected: &pair[3..4],
                chosen_tokens: tokens[0],
                rejected_tokens: &tokens[1..2],
            };
            let name = format!("{:?} {:?} {pair:?}", case.loss, case.divergence);
            close(case.loss.scalar(&pair, case.beta, case.divergence), *expected, 1e-5, &name);
            close(tensor(&case.loss, &pair, case.beta, case.divergence), *expected, 1e-4, &name);
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let step = 1e-5;
    for divergence in [
        Divergence::ReverseKl,
        Divergence::ForwardKl,
        Divergence::JensenShannon,
        Divergence::Alpha { alpha: 0.5 },
    ] {
        for loss in all() {
            // The second pair is where training starts: the policy is its own reference.
            let start = Pair { reference_chosen: -3.0, reference_rejected: &[-4.0], ..plain() };
            for pair in [plain(), three(), start] {
                let batch = batch(&pair);
                let gradients = loss.each(&batch, 0.1, divergence).mean().backward();
                let got = batch.chosen.grad(&gradients).map_or(0.0, |g| f64::from(g.into_scalar::<f32>()));
                let at = |chosen| loss.scalar(&Pair { chosen, ..pair.clone() }, 0.1, divergence);
                let expected = (at(pair.chosen + step) - at(pair.chosen - step)) / (2.0 * step);
                close(got, expected, 2e-4, &format!("{loss:?} {divergence:?} chosen"));
                let got: Vec<f32> = batch
                    .rejected
                    .grad(&gradients)
                    .map_or(vec![0.0; pair.rejected.len()], |g| g.into_data().iter::<f32>().collect());
                for (index, got) in got.into_iter().enumerate() {
                    let at = |by: f64| {
                        let mut rejected = pair.rejected.to_vec();
                        rejected[index] += by;
                        loss.scalar(&Pair { rejected: &rejected, ..pair.clone() }, 0.1, divergence)
                    };
                    let expected = (at(step) - at(-step)) / (2.0 * step);
                    close(f64::from(got), expected, 2e-4, &format!("{loss:?} {divergence:?} rejected"));
                }
            }
        }
    }
    let gradients = PreferenceLoss::default().each(&batch(&plain()), 0.1, Divergence::ReverseKl);
    let batch = batch(&plain());
    drop(gradients);
    let gradients = PreferenceLoss::default().each(&batch, 0.1, Divergence::ReverseKl).mean().backward();
    let own = batch.chosen.grad(&gradients).unwrap().into_scalar::<f32>();
    close(f64::from(own), -0.048251, 1e-5, "d DPO / d log pi(w)");
}

#[test]
fn weighted_terms_add_up_and_settings_are_checked() {
    let mut objective = Objective::default();
    objective.terms.push(pref_opt::loss::Term { loss: PreferenceLoss::Sft, weight: 0.5 });
    let loss = f64::from(objective.loss(&batch(&plain())).into_scalar::<f32>());
    close(loss, 0.658763 + 0.5 * 0.75, 1e-5, "sigmoid + sft / 2");
    let rewards = objective.rewards(&batch(&plain()));
    close(f64::from(rewards.chosen.into_scalar::<f32>()), 0.05, 1e-5, "reward");
    let mut weighted = batch(&plain());
    weighted.weights = Some(row(&[0.25], &device()));
    close(f64::from(objective.loss(&weighted).into_scalar::<f32>()), 0.25 * loss, 1e-5, "weights");

    let text = serde_json::to_string(&PreferenceLoss::DiscoPop { temperature: 0.05 }).unwrap();
    assert_eq!(text, r#"{"kind":"disco-pop","temperature":0.05}"#);
    let refused = |objective: Objective| objective.validate().unwrap_err().to_string();
    assert_eq!(
        refused(Objective::of(PreferenceLoss::Robust { label_smoothing: 0.5 }, 0.1)),
        "loss.label_smoothing: is 0.5; accepted is 0 up to below 0.5"
    );
    assert!(refused(Objective::of(PreferenceLoss::Hinge, 0.0)).starts_with("objective.beta"));
    // Sums of weighted tokens, and means over all of them: not both.
    assert!(objective.validate().is_ok());
    objective.length_alpha = 0.5;
    assert!(refused(objective.clone()).starts_with("objective.length_alpha"));
    objective.terms.pop();
    assert!(objective.validate().is_ok());
}

#[test]
fn an_oracle_sets_the_smoothing_of_each_pair() {
    let mut told = batch(&plain());
    told.label_smoothing = Some(row(&[0.1], &device()));
    let each = PreferenceLoss::default().each(&told, 0.1, Divergence::ReverseKl).into_scalar::<f32>();
    close(f64::from(each), 0.66576, 1e-5, "RosePO");
}

#[test]
fn tokens_past_the_shorter_completion_count_less() {
    let device = device();
    let tokens = Tensor::<2>::from_data([[-1.0, -2.0, -4.0], [-1.0, 0.0, 0.0]], &device);
    let sums = length_desensitized(tokens, row(&[1.0, 3.0], &device), 0.5);
    assert_eq!(sums.into_data().iter::<f32>().collect::<Vec<_>>(), [-4.0, -1.0]);
    let weights = wpo_weights(row(&[-0.5, 1.0], &device), row(&[-0.5, 0.5], &device));
    let weights: Vec<f32> = weights.into_data().iter::<f32>().collect();
    close(f64::from(weights[0]), (-1.0_f64).exp(), 1e-6, "wpo");
    assert_eq!(weights[1], 1.0);
}

proptest! {
    #[test]
    fn identities(w in -30.0..0.0_f64, l in -30.0..0.0_f64, rw in -30.0..0.0_f64, rl in -30.0..0.0_f64, beta in 0.05..2.0_f64) {
        let (rejected, reference_rejected) = ([l], [rl]);
        let pair = Pair {
            chosen: w, rejected: &rejected, reference_chosen: rw, reference_rejected: &reference_rejected,
            chosen_tokens: 3.0, rejected_tokens: &[2.0],
        };
        let of = |loss: PreferenceLoss, pair: &Pair<'_>| loss.scalar(pair, beta, Divergence::ReverseKl);
        let dpo = of(PreferenceLoss::default(), &pair);
        // One rejected completion: S-DPO and DMPO are DPO.
        prop_assert!((of(PreferenceLoss::SoftmaxDpo, &pair) - dpo).abs() < 1e-9);
        prop_assert!((of(PreferenceLoss::Dmpo, &pair) - dpo).abs() < 1e-9);
        // Swapped labels: ell(-z) = ell(z) + z.
        let (chosen, reference) = ([w], [rw]);
        let swapped = Pair {
            chosen: l, rejected: &chosen, reference_chosen: rl, reference_rejected: &reference,
            chosen_tokens: 2.0, rejected_tokens: &[3.0],
        };
        let z = beta * ((w - rw) - (l - rl));
        prop_assert!((of(PreferenceLoss::default(), &swapped) - dpo - z).abs() < 1e-9);
        // A policy that is its own reference.
        let own = Pair { reference_chosen: w, reference_rejected: &rejected, ..pair.clone() };
        prop_assert!((of(PreferenceLoss::default(), &own) - std::f64::consts::LN_2).abs() < 1e-12);
        // No overflow: exponents far out.
        let far = Pair { chosen: w * 1e4, ..pair };
        prop_assert!(of(PreferenceLoss::SoftmaxDpo, &far).is_finite());
    }
}
