//! Methods of training, each a choice of reward, credit, baseline, loss and penalty; by name, so that they can be compared.

use serde::{Deserialize, Serialize};

use crate::credit::{
    AdaptiveKl, AnchorStep, Baseline, Credit, Credited, KlController, KlEstimator, Signal, anchor_advantages,
    group_advantages, returns_to_go, turn_baseline, whiten,
};
use crate::episode::Episode;
use crate::reward::Shaper;
use crate::{Error, Result};

/// What a token's advantage does to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PolicyLoss {
    /// PPO's clipped ratio (Schulman et al., 2017): `-min(rho A, clip(rho, 1 - low, 1 + high) A)`.
    Clip {
        /// How far the ratio may fall.
        low: f32,
        /// How far it may rise; above `low` is "clip higher" (DAPO).
        high: f32,
        /// With a negative advantage the loss is at most `-this * A` (Ye et al., 2020).
        dual: Option<f32>,
    },
    /// `-A log p`.
    Reinforce,
    /// `-min(exp(A / beta), most) log p` (AWR; Peng et al., 2019).
    Weighted {
        /// The temperature.
        beta: f32,
        /// The largest weight.
        most: f32,
    },
    /// `-log p` of the tokens of episodes that passed: rejection-sampling fine-tuning.
    Imitation,
}

/// How the losses of tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The mean over all tokens of the batch.
    Token,
    /// The mean over each episode's tokens, then over episodes: GRPO as published.
    Sequence,
    /// The mean over each step's tokens, then over all steps.
    Step,
    /// The sum over tokens divided by episodes times this: no length bias (Dr. GRPO).
    Constant(usize),
}

impl Aggregation {
    /// The weight of each token of a batch, given the token counts of each episode's steps. Every choice but
    /// [`Aggregation::Constant`] sums to 1.
    pub fn weights(self, episodes: &[Vec<usize>]) -> Vec<f32> {
        let tokens: usize = episodes.iter().flatten().sum();
        let steps: usize = episodes.iter().map(Vec::len).sum();
        let mut weights = Vec::with_capacity(tokens);
        let filled = episodes.iter().filter(|steps| !steps.is_empty()).count() as f32;
        for episode in episodes {
            let own: usize = episode.iter().sum();
            for &length in episode {
                let weight = match self {
                    Self::Token => 1.0 / tokens as f32,
                    Self::Sequence => 1.0 / (own as f32 * filled),
                    Self::Step => 1.0 / (length as f32 * steps as f32),
                    Self::Constant(length) => 1.0 / (length.max(1) as f32 * episodes.len() as f32),
                };
                weights.extend(std::iter::repeat_n(weight, length));
            }
        }
        weights
    }
}

/// Where the divergence from the reference is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlPlace {
    /// Nowhere.
    Off,
    /// In each token's reward.
    Reward(KlEstimator),
    /// In the loss, by k3.
    Loss,
}

/// A method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// Its name in tables.
    pub name: String,
    /// What steps earn.
    pub reward: Shaper,
    /// How it travels.
    pub credit: Credit,
    /// What is taken from returns, beside the value head if there is one.
    pub baseline: Baseline,
    /// Adds this times the advantage among steps of the group in the same state.
    pub anchor: Option<f32>,
    /// Whether there is a value head.
    pub critic: bool,
    /// What advantages do.
    pub loss: PolicyLoss,
    /// How tokens are weighed.
    pub aggregation: Aggregation,
    /// Whether advantages are whitened over all action tokens of a batch.
    pub whiten: bool,
    /// Where the divergence is paid for.
    pub kl: KlPlace,
    /// What it costs.
    pub kl_control: KlController,
    /// The weight of the entropy bonus.
    pub entropy: f32,
    /// Passes over a batch.
    pub epochs: usize,
}

impl Method {
    /// The names of [`Method::preset`].
    pub const NAMES: [&'static str; 14] = [
        "rft",
        "ppo-trajectory",
        "ppo-return-to-go",
        "grpo-trajectory",
        "grpo-summed",
        "rloo",
        "reinforce++",
        "a2c",
        "awr",
        "ppo-summed",
        "steptool-released",
        "steptool-paper",
        "steptool-gated",
        "grpo-anchor",
    ];

    /// A method of section 12.8 of the design, by name. `kl` is the factor of the penalty, the same for all that are compared.
    pub fn preset(name: &str, kl: f64) -> Option<Self> {
        let clip = PolicyLoss::Clip { low: 0.2, high: 0.2, dual: None };
        let step_gae = Credit::StepGae { gamma: 1.0, lambda: 0.95 };
        let base = Self {
            name: name.to_owned(),
            reward: Shaper::outcome_only(),
            credit: step_gae,
            baseline: Baseline::Zero,
            anchor: None,
            critic: true,
            loss: clip,
            aggregation: Aggregation::Token,
            whiten: true,
            kl: KlPlace::Reward(KlEstimator::K1),
            kl_control: KlController { beta: kl, adaptive: None },
            entropy: 0.0,
            epochs: 2,
        };
        let group = Self {
            credit: Credit::Trajectory,
            baseline: Baseline::Standardised,
            critic: false,
            whiten: false,
            kl: KlPlace::Loss,
            ..base.clone()
        };
        Some(match name {
            "rft" => Self {
                credit: Credit::Trajectory,
                critic: false,
                loss: PolicyLoss::Imitation,
                whiten: false,
                kl: KlPlace::Off,
                ..base
            },
            // One score at the end, credit by the value head over tokens.
            "ppo-trajectory" => {
                Self { credit: Credit::TokenGae { gamma: 1.0, gamma_token: 1.0, lambda: 0.95 }, ..base }
            }
            // The control for a baseline of states without step rewards.
            "ppo-return-to-go" => base,
            "grpo-trajectory" => group,
            // The control for the reward without the credit.
            "grpo-summed" => Self { reward: Shaper::gated().paid_at_end(), ..group },
            "rloo" => Self {
                baseline: Baseline::LeaveOneOut,
                loss: PolicyLoss::Reinforce,
                kl: KlPlace::Reward(KlEstimator::K1),
                epochs: 1,
                ..group
            },
            "reinforce++" => {
                Self { credit: Credit::ReturnToGo { gamma: 1.0 }, critic: false, whiten: true, ..base }
            }
            "a2c" => Self { reward: Shaper::gated(), loss: PolicyLoss::Reinforce, epochs: 1, ..base },
            "awr" => Self {
                reward: Shaper::gated(),
                loss: PolicyLoss::Weighted { beta: 1.0, most: 20.0 },
                kl: KlPlace::Off,
                ..base
            },
            "ppo-summed" => Self { reward: Shaper::gated().paid_at_end(), ..base },
            "steptool-released" => Self {
                reward: Shaper::steptool_paper(),
                credit: Credit::Released {
                    gamma: 0.99,
                    lambda: 0.95,
                    over_observations: true,
                    reversed_weights: true,
                },
                kl_control: KlController {
                    beta: kl,
                    adaptive: Some(AdaptiveKl { target: 6.0, horizon: 10_000.0 }),
                },
                epochs: 4,
                ..base
            },
            "steptool-paper" => Self { reward: Shaper::steptool_paper(), ..base },
            "steptool-gated" => Self { reward: Shaper::gated(), ..base },
            "grpo-anchor" => Self { reward: Shaper::gated(), anchor: Some(1.0), ..group },
            _ => return None,
        })
    }

    /// # Errors
    /// [`Error::Config`] for settings that are out of range or do not go together.
    pub fn validate(&self) -> Result<()> {
        self.credit.validate()?;
        self.reward.validate()?;
        let uses_values = matches!(
            self.credit,
            Credit::TokenGae { .. } | Credit::StepGae { .. } | Credit::BiLevelGae { .. }
        );
        if uses_values && !self.critic {
            return Err(Error::config("method.critic", "is false, but the credit needs values"));
        }
        if self.baseline != Baseline::Zero
            && !matches!(self.credit, Credit::Trajectory | Credit::ReturnToGo { .. })
        {
            return Err(Error::config(
                "method.baseline",
                "compares whole returns, which needs the credit trajectory or return_to_go",
            ));
        }
        if matches!(self.credit, Credit::ReturnToGo { .. })
            && matches!(self.baseline, Baseline::Standardised | Baseline::LeaveOneOut)
        {
            return Err(Error::config(
                "method.baseline",
                "is one of whole returns; with the credit return_to_go, zero and mean (of each turn) are accepted",
            ));
        }
        let bad = match self.loss {
            PolicyLoss::Clip { low, high, dual } => {
                !(low > 0.0 && low < 1.0 && high > 0.0) || dual.is_some_and(|dual| !(dual > 1.0))
            }
            PolicyLoss::Weighted { beta, most } => !(beta > 0.0 && most > 0.0),
            PolicyLoss::Reinforce | PolicyLoss::Imitation => false,
        };
        if bad || self.epochs == 0 {
            return Err(Error::config("method", "has a loss or a number of epochs out of range"));
        }
        for (key, value) in [("entropy", Some(self.entropy)), ("anchor", self.anchor)] {
            if let Some(value) = value.filter(|value| !value.is_finite()) {
                return Err(Error::config(
                    format!("method.{key}"),
                    format!("is {value}, not a finite number"),
                ));
            }
        }
        self.kl_control.validate()?;
        Ok(())
    }

    /// The credit of every action token of a batch, episode by episode, and the share of groups whose returns were all the same.
    ///
    /// `token_rewards` and `values` are per action token, and empty where there are none.
    pub fn credit(
        &self,
        episodes: &[Episode],
        token_rewards: &[Vec<f32>],
        values: &[Vec<f32>],
        progress: f32,
    ) -> (Vec<Credited>, f64) {
        let none: Vec<f32> = Vec::new();
        let of = |lists: &[Vec<f32>], at: usize| lists.get(at).cloned().unwrap_or_default();
        let shapes: Vec<[Vec<usize>; 2]> = episodes
            .iter()
            .map(|episode| {
                let actions = episode.steps.iter().map(|step| step.action.len()).collect();
                let observations = episode.steps.iter().map(|step| step.observation.len()).collect();
                [actions, observations]
            })
            .collect();
        let rewards: Vec<Vec<f32>> =
            episodes.iter().map(|episode| self.reward.rewards(episode, progress)).collect();
        let mut all: Vec<Credited> = (0..episodes.len())
            .map(|at| {
                let values = if self.critic { of(values, at) } else { none.clone() };
                self.credit.assign(&Signal {
                    steps: &shapes[at][0],
                    observations: &shapes[at][1],
                    rewards: &rewards[at],
                    token_rewards: &of(token_rewards, at),
                    values: &values,
                })
            })
            .collect();
        let groups: Vec<u64> = episodes.iter().map(|episode| episode.group).collect();

        // Returns less those of the group.
        let totals: Vec<f32> =
            all.iter().map(|credited| credited.returns.first().copied().unwrap_or(0.0)).collect();
        let (less, flat) = group_advantages(self.baseline, &totals, &groups);
        if self.baseline != Baseline::Zero {
            match self.credit {
                Credit::ReturnToGo { gamma } => {
                    let returns: Vec<Vec<f32>> =
                        rewards.iter().map(|rewards| returns_to_go(rewards, gamma)).collect();
                    let baselines = turn_baseline(&returns, &groups);
                    for (at, credited) in all.iter_mut().enumerate() {
                        for_each_step(&shapes[at][0], |step, tokens| {
                            credited.advantages[tokens].iter_mut().for_each(|a| *a -= baselines[at][step]);
                        });
                    }
                }
                _ => all.iter_mut().zip(&less).for_each(|(credited, &less)| credited.advantages.fill(less)),
            }
        }

        // Steps of the group from the same state.
        if let Some(weight) = self.anchor {
            let steps = episodes.iter().zip(&rewards).flat_map(|(episode, rewards)| {
                let returns = returns_to_go(rewards, 1.0);
                let steps = episode.steps.iter().zip(returns);
                steps.map(|(step, return_to_go)| AnchorStep {
                    group: episode.group,
                    state: step.digest,
                    return_to_go,
                })
            });
            let mut anchored = anchor_advantages(&steps.collect::<Vec<_>>(), true).into_iter();
            for (at, credited) in all.iter_mut().enumerate() {
                for_each_step(&shapes[at][0], |_, tokens| {
                    let more = weight * anchored.next().unwrap_or(0.0);
                    credited.advantages[tokens].iter_mut().for_each(|a| *a += more);
                });
            }
        }

        if matches!(self.loss, PolicyLoss::Imitation) {
            for (credited, episode) in all.iter_mut().zip(episodes) {
                credited.advantages.fill(f32::from(u8::from(episode.outcome.passed)));
            }
        } else if self.whiten {
            let mut flat: Vec<f32> =
                all.iter().flat_map(|credited| credited.advantages.iter().copied()).collect();
            whiten(&mut flat, true);
            let mut flat = flat.into_iter();
            for credited in &mut all {
                credited.advantages.iter_mut().for_each(|a| *a = flat.next().unwrap_or(0.0));
            }
        }
        (all, flat)
    }
}

/// Calls with each step and the place of its tokens.
fn for_each_step(lengths: &[usize], mut with: impl FnMut(usize, std::ops::Range<usize>)) {
    let mut at = 0;
    for (step, &length) in lengths.iter().enumerate() {
        with(step, at..at + length);
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for name in Method::NAMES {
            let method = Method::preset(name, 0.05).unwrap();
            method.validate().unwrap();
            assert_eq!(method.name, name);
            let text = serde_json::to_string(&method).unwrap();
            assert_eq!(serde_json::from_str::<Method>(&text).unwrap(), method);
        }
        assert!(Method::preset("unknown", 0.0).is_none());
        let without = Method { critic: false, ..Method::preset("steptool-gated", 0.0).unwrap() };
        assert!(without.validate().unwrap_err().to_string().starts_with("method.critic"));
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        let refused = |change: fn(&mut Method)| {
            let mut method = Method::preset("reinforce++", 0.1).unwrap();
            change(&mut method);
            method.validate().unwrap_err().to_string()
        };
        let cases: [(&str, fn(&mut Method)); 8] = [
            ("method.baseline", |method| method.baseline = Baseline::Standardised),
            ("method.baseline", |method| method.baseline = Baseline::LeaveOneOut),
            ("method.entropy", |method| method.entropy = f32::NAN),
            ("method.anchor", |method| method.anchor = Some(f32::INFINITY)),
            ("kl_control.beta", |method| method.kl_control.beta = f64::INFINITY),
            ("kl_control.adaptive.target", |method| {
                method.kl_control.adaptive = Some(AdaptiveKl { target: 0.0, horizon: 10.0 });
            }),
            ("kl_control.adaptive.horizon", |method| {
                method.kl_control.adaptive = Some(AdaptiveKl { target: 6.0, horizon: 0.0 });
            }),
            ("reward.clip", |method| {
                let clip = Shaper::Clip(1.0, -1.0, Box::new(Shaper::Outcome));
                method.reward = Shaper::Sum(vec![Shaper::Success, clip.at_end()]);
            }),
        ];
        for (key, change) in cases {
            let said = refused(change);
            assert!(said.starts_with(key), "{said}");
        }
        let mean = Method { baseline: Baseline::Mean, ..Method::preset("reinforce++", 0.1).unwrap() };
        mean.validate().unwrap();
    }

    #[test]
    fn weights_are_what_they_say() {
        let episodes = [vec![1, 3], vec![4]];
        for aggregation in [Aggregation::Token, Aggregation::Sequence, Aggregation::Step] {
            let weights = aggregation.weights(&episodes);
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{aggregation:?}");
        }
        assert_eq!(Aggregation::Sequence.weights(&[vec![1], vec![4]]), [0.5, 0.125, 0.125, 0.125, 0.125]);
        let step = Aggregation::Step.weights(&episodes);
        assert!((step[0] - 1.0 / 3.0).abs() < 1e-6 && (step[1] - 1.0 / 9.0).abs() < 1e-6);
        assert_eq!(Aggregation::Constant(10).weights(&[vec![2], vec![]]), [0.05, 0.05]);
    }
}
