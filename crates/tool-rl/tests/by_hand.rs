//! The pass by hand against burn's: what is looked up, and the gradients of every loss.
#![cfg(feature = "flex")]

use causal_lm::{Batch, HostTape, ReadingGradients, Slot, Tokens};
use rand::RngExt;
use rec_core::ToolCall;
use tool_rl::burn::module::{Module, ModuleMapper, Param};
use tool_rl::burn::tensor::{Device, Tensor, TensorData};
use tool_rl::credit::Credited;
use tool_rl::env::Reply;
use tool_rl::lm::{
    ActorCritic, Before, Gathered, LearnConfig, Lesson, Minibatch, Row, evaluate, look, look_by_tensors,
};
use tool_rl::{Aggregation, CausalLmConfig, Episode, KlPlace, Method, PolicyLoss, Step};

const WORDS: u32 = 41;

/// Moves every parameter a little, so that none is what it began as.
struct Shake(u64);

impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let mut rng = rec_core::random::stream(self.0, "shake", 0);
        param.map(|value| {
            let shape = value.shape();
            let noise: Vec<f32> =
                (0..shape.num_elements()).map(|_| 0.2 * (rng.random::<f32>() - 0.5)).collect();
            let noise = Tensor::<D>::from_data(TensorData::new(noise, shape), &value.device());
            let trained = value.is_require_grad();
            let moved = value.detach().add(noise).detach();
            if trained { moved.require_grad() } else { moved }
        })
    }
}

fn policy(seed: u64, tied: bool) -> ActorCritic {
    let config = CausalLmConfig {
        vocab_size: WORDS as usize,
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        tie_word_embeddings: tied,
        initializer_range: 0.3,
        max_position_embeddings: 64,
        ..CausalLmConfig::default()
    };
    let lm = config.init(seed, &Device::flex().autodiff()).unwrap();
    ActorCritic::new(lm).with_value_head().map(&mut Shake(seed))
}

/// Actions with observations between them; the last one has none, or is one.
fn episodes(count: u64) -> Vec<Episode> {
    let episode = |index: u64| {
        let mut rng = rec_core::random::stream(index, "episodes", 0);
        let mut draw =
            |count: usize| -> Vec<u32> { (0..count).map(|_| rng.random_range(0..WORDS)).collect() };
        let mut episode = Episode { tokens: draw(2 + index as usize % 3), ..Episode::default() };
        episode.prompt = episode.tokens.len();
        for step in 0..1 + index as usize % 4 {
            let start = episode.tokens.len();
            episode.tokens.extend(draw(1 + (step + index as usize) % 5));
            let middle = episode.tokens.len();
            episode.tokens.extend(draw((step + 2 * index as usize) % 4));
            episode.steps.push(Step {
                thought: String::new(),
                call: ToolCall::new("", "t", "{}".parse().unwrap()),
                reply: Reply::ok(rec_core::Json::Null),
                action: start..middle,
                observation: middle..episode.tokens.len(),
                log_probs: Vec::new(),
                digest: 0,
                facts: None,
                scores: None,
            });
        }
        episode.check().unwrap();
        episode
    };
    (0..count).map(episode).collect()
}

fn floats(values: &Tensor<1>) -> Vec<f32> {
    values.clone().into_data().iter::<f32>().collect()
}

/// The distance of two lists, by the length of the second.
fn away(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        found.iter().zip(expected).map(|(&a, &b)| of(f64::from(a), f64::from(b))).sum()
    };
    let (difference, length) = (sum(&|a, b| (a - b) * (a - b)), sum(&|_, b| b * b));
    if length == 0.0 { difference.sqrt() } else { (difference / length).sqrt() }
}

#[test]
fn a_look_by_hand_sees_what_tensors_see() {
    let episodes = episodes(23);
    let (model, reference) = (policy(1, true), policy(2, true).frozen());
    let by_hand = look(&model, Some(&reference), &episodes, 128).unwrap();
    let by_tensors = look_by_tensors(&model, Some(&reference), &episodes, 7).unwrap();
    for (found, expected) in by_hand.iter().zip(&by_tensors) {
        assert!(away(&found.log_probs, &expected.log_probs) < 1e-5);
        assert!(away(&found.reference, &expected.reference) < 1e-5);
        assert!(away(&found.values, &expected.values) < 1e-5);
        assert!((found.entropy - expected.entropy).abs() < 1e-5);
        assert!(!found.values.is_empty() && found.entropy > 0.0);
    }
    let alone = look(&ActorCritic::new(model.lm), None, &episodes, 1).unwrap();
    for (found, expected) in alone.iter().zip(&by_tensors) {
        assert!(away(&found.log_probs, &expected.log_probs) < 1e-5);
        assert!(found.reference.is_empty() && found.values.is_empty());
    }
}

/// Both ways' gradients of one minibatch.
fn both(model: &ActorCritic, method: &Method, config: &LearnConfig) -> [Gathered; 2] {
    let episodes = episodes(17);
    let mut rng = rec_core::random::stream(9, "signal", 0);
    // Far enough away that ratios and values are clipped on either side.
    let mut near = |value: &f32, by: f32| value + by * (rng.random::<f32>() - 0.5);
    let before: Vec<Before> = look_by_tensors(model, None, &episodes, 64)
        .unwrap()
        .into_iter()
        .map(|before| Before {
            log_probs: before.log_probs.iter().map(|p| near(p, 1.5)).collect(),
            reference: before.log_probs.iter().map(|p| near(p, 2.0)).collect(),
            values: before.values.iter().map(|v| near(v, 0.6)).collect(),
            entropy: 0.0,
        })
        .collect();
    let credited: Vec<Credited> = before
        .iter()
        .map(|before| Credited {
            advantages: before.log_probs.iter().map(|_| near(&0.0, 4.0)).collect(),
            returns: before.log_probs.iter().map(|_| near(&0.0, 2.0)).collect(),
        })
        .collect();
    let lesson = Lesson { method, kl: 0.3, episodes: &episodes, before: &before, credited: &credited };
    let places: Vec<usize> = (0..episodes.len()).rev().collect();
    let minibatch = Minibatch::new(&lesson, &places);
    let by_hand = minibatch.by_hand(model, config).unwrap().expect("a model on this machine");
    [by_hand, minibatch.by_tensors(model, config).unwrap()]
}

#[test]
fn gradients_by_hand_are_those_of_autodiff_for_every_loss() {
    let gated = Method::preset("steptool-gated", 0.1).unwrap();
    let losses = [
        PolicyLoss::Clip { low: 0.2, high: 0.3, dual: None },
        PolicyLoss::Clip { low: 0.2, high: 0.2, dual: Some(1.5) },
        PolicyLoss::Reinforce,
        PolicyLoss::Weighted { beta: 0.7, most: 3.0 },
        PolicyLoss::Imitation,
    ];
    for tied in [true, false] {
        let model = policy(4, tied);
        for loss in losses {
            for (critic, kl, entropy) in [
                (false, KlPlace::Off, 0.0),
                (true, KlPlace::Off, 0.0),
                (false, KlPlace::Loss, 0.0),
                (false, KlPlace::Off, 0.2),
                (true, KlPlace::Loss, 0.2),
            ] {
                let aggregation = if critic { Aggregation::Step } else { Aggregation::Token };
                let method = Method { loss, critic, kl, entropy, aggregation, ..gated.clone() };
                let model = if critic { model.clone() } else { ActorCritic::new(model.lm.clone()) };
                let value_clip = (!matches!(loss, PolicyLoss::Reinforce)).then_some(0.2);
                let config = LearnConfig { value_clip, ..LearnConfig::default() };
                let what = format!("{loss:?}, critic {critic}, {kl:?}, entropy {entropy}, tied {tied}");
                let [found, expected] = both(&model, &method, &config);
                let (by, to) = (found.gradients.unwrap(), expected.gradients.unwrap());
                assert_eq!(by.parameters().len(), to.parameters().len(), "{what}");
                for (at, (by, to)) in by.parameters().iter().zip(to.parameters()).enumerate() {
                    let (Some(by), Some(to)) = (by, to) else {
                        panic!("{what}: gradient {at} is missing");
                    };
                    let away = away(&floats(by), &floats(to));
                    assert!(away < 1e-4, "{what}: gradient {at} is {away} away");
                }
                for (name, by, to) in [
                    ("moved", found.moved, expected.moved),
                    ("clip fraction", found.clip_fraction, expected.clip_fraction),
                    ("policy loss", found.policy_loss, expected.policy_loss),
                    ("value loss", found.value_loss, expected.value_loss),
                ] {
                    assert!((by - to).abs() < 1e-4 * (1.0 + to.abs()), "{what}: {name} {by}, not {to}");
                }
                if matches!(loss, PolicyLoss::Clip { .. }) {
                    assert!(found.clip_fraction > 0.1, "{what}: nothing is clipped");
                }
            }
        }
    }
}

#[test]
fn a_minibatch_too_far_away_is_left_out_by_both() {
    let config = LearnConfig { ratio_threshold: 1.01, ..LearnConfig::default() };
    let method = Method::preset("steptool-gated", 0.1).unwrap();
    let [found, expected] = both(&policy(4, true), &method, &config);
    assert!(found.gradients.is_none() && expected.gradients.is_none());
    assert!((found.moved - expected.moved).abs() < 1e-5);
}

/// Every parameter moved along a direction of its own that hangs on its place alone.
struct Nudge {
    at: u64,
    by: f32,
}

fn direction(at: u64, count: usize) -> Vec<f32> {
    let mut rng = rec_core::random::stream(at, "direction", 0);
    (0..count).map(|_| rng.random::<f32>() - 0.5).collect()
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.at += 1;
        let (at, by) = (self.at, self.by);
        param.map(|value| {
            let shape = value.shape();
            let noise = direction(at, shape.num_elements());
            let noise = Tensor::<D>::from_data(TensorData::new(noise, shape), &value.device());
            value.detach().add(noise.mul_scalar(by)).detach()
        })
    }
}

#[test]
fn observations_have_no_gradient_and_actions_have_that_of_differences() {
    let model = ActorCritic::new(policy(6, true).lm);
    let episodes = episodes(9);
    let advantage = |at: usize| (at as f32 * 1.7).sin();
    let rows: Vec<Row<'_>> = episodes.iter().map(Row::of).collect();
    // The gradients of the sum of -A log p over action tokens...
    let actions: Vec<(&[u32], &[std::ops::Range<usize>])> =
        rows.iter().map(|row| (row.tokens, row.actions.as_slice())).collect();
    let batch = Batch::of_ranges(&actions).unwrap();
    let tape = HostTape::record(&model.lm, &batch, Slot::Active, false).unwrap().unwrap();
    let factors: Vec<f32> = (0..batch.completion_tokens()).map(|at| -advantage(at)).collect();
    let by = ReadingGradients { log_probs: &factors, ..ReadingGradients::default() };
    let gradients = tape.backward(by);
    // ... are those over all tokens with nothing at observations and in the prompt,
    let everything: Vec<std::ops::Range<usize>> = rows.iter().map(|row| 1..row.tokens.len()).collect();
    let everything: Vec<(&[u32], &[std::ops::Range<usize>])> =
        rows.iter().zip(&everything).map(|(row, all)| (row.tokens, std::slice::from_ref(all))).collect();
    let whole = Batch::of_ranges(&everything).unwrap();
    let tape = HostTape::record(&model.lm, &whole, Slot::Active, false).unwrap().unwrap();
    let mut given = factors.iter();
    let spread: Vec<f32> = episodes
        .iter()
        .flat_map(|episode| episode.loss_mask().into_iter().skip(1))
        .map(|is_action| if is_action { *given.next().unwrap() } else { 0.0 })
        .collect();
    let by = ReadingGradients { log_probs: &spread, ..ReadingGradients::default() };
    for (found, expected) in tape.backward(by).parameters().iter().zip(gradients.parameters()) {
        assert!(away(&floats(found.as_ref().unwrap()), &floats(expected.as_ref().unwrap())) < 1e-5);
    }
    // and along any direction they are what differences of the loss say.
    let loss = |by: f32| -> f64 {
        let moved = model.clone().map(&mut Nudge { at: 0, by });
        let found = floats(&evaluate(&moved, &rows, Slot::Active).unwrap().log_probs);
        found.iter().zip(&factors).map(|(p, factor)| f64::from(p * factor)).sum()
    };
    let step = 1e-3;
    let differences = (loss(step) - loss(-step)) / f64::from(2.0 * step);
    let along: f64 = gradients
        .parameters()
        .iter()
        .enumerate()
        .map(|(at, gradient)| {
            let gradient = floats(gradient.as_ref().unwrap());
            let direction = direction(at as u64 + 1, gradient.len());
            gradient.iter().zip(&direction).map(|(a, b)| f64::from(a * b)).sum::<f64>()
        })
        .sum();
    assert!((along - differences).abs() < 0.02 * along.abs().max(1.0), "{along} and {differences}");
}

#[test]
fn in_the_first_pass_the_clipped_loss_has_the_policys_gradient() {
    let episodes = episodes(11);
    let model = ActorCritic::new(policy(7, true).lm);
    let before = look(&model, None, &episodes, 64).unwrap();
    let credited: Vec<Credited> = before
        .iter()
        .map(|before| {
            let advantages: Vec<f32> = (0..before.log_probs.len()).map(|at| (at as f32).cos()).collect();
            Credited { returns: advantages.clone(), advantages }
        })
        .collect();
    let places: Vec<usize> = (0..episodes.len()).collect();
    let gradients = |loss: PolicyLoss| {
        let base = Method::preset("steptool-gated", 0.0).unwrap();
        let method = Method { loss, critic: false, kl: KlPlace::Off, ..base };
        let lesson =
            Lesson { method: &method, kl: 0.0, episodes: &episodes, before: &before, credited: &credited };
        let found = Minibatch::new(&lesson, &places).gradients(&model, &LearnConfig::default()).unwrap();
        assert!(found.moved.abs() < 1e-6 && found.clip_fraction == 0.0);
        found.gradients.unwrap()
    };
    let clipped = gradients(PolicyLoss::Clip { low: 0.2, high: 0.2, dual: Some(3.0) });
    let plain = gradients(PolicyLoss::Reinforce);
    for (a, b) in clipped.parameters().iter().zip(plain.parameters()) {
        assert!(away(&floats(a.as_ref().unwrap()), &floats(b.as_ref().unwrap())) < 1e-4);
    }
}

/// Also if the padding is a token that ends actions.
#[test]
fn padding_on_either_side_changes_nothing() {
    let model = policy(8, true).lm;
    let texts: [&[u32]; 3] = [&[3, 1, 4, 1, 5, 9], &[2, 6], &[5, 3, 5, 40]];
    let last = |tokens: &Tokens| -> Vec<Vec<f32>> {
        let hidden = model.forward(tokens, &mut Slot::Active.into()).unwrap();
        let [rows, length, width] = hidden.dims();
        let hidden = hidden.reshape([rows * length, width]);
        let end = |row: usize| row * length + tokens.spans()[row].end - 1;
        (0..rows)
            .map(|row| {
                let state = hidden.clone().slice([end(row)..end(row) + 1, 0..width]);
                model.logits(state).into_data().iter::<f32>().collect()
            })
            .collect()
    };
    let alone: Vec<Vec<f32>> =
        texts.iter().flat_map(|text| last(&Tokens::right_padded(&[text], 0).unwrap())).collect();
    for padding in [0, 5, 40] {
        for tokens in
            [Tokens::right_padded(&texts, padding).unwrap(), Tokens::left_padded(&texts, padding).unwrap()]
        {
            for (found, expected) in last(&tokens).iter().zip(&alone) {
                assert!(away(found, expected) < 1e-5, "padding {padding}");
            }
        }
    }
}
