//! The pass by hand against burn's: what is looked up, and the gradients of every loss.
#![cfg(feature = "flex")]

use rand::RngExt;
use rec_core::ToolCall;
use tool_rl::burn::module::{Module, ModuleMapper, Param};
use tool_rl::burn::tensor::{Device, Tensor, TensorData};
use tool_rl::credit::Credited;
use tool_rl::env::Reply;
use tool_rl::lm::{ActorCritic, Before, Gathered, LearnConfig, Lesson, Minibatch, look, look_by_tensors};
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
