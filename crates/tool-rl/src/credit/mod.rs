//! Who gets the credit: from rewards of steps to an advantage for every token of every action. Plain numbers, no tensors.
//!
//! Actions of an episode are taken without the observations between them (a *compressed* row): token `i` of the row is the `i`-th
//! token that the policy wrote. What observations do to advantages in the released code is a mode of its own ([`Credit::Released`]).

mod group;
mod kl;
mod whiten;

pub use group::{AnchorStep, Baseline, anchor_advantages, group_advantages, turn_baseline};
pub use kl::{AdaptiveKl, KlController, KlEstimator};
pub use whiten::{mean_and_variance, whiten};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What is known of an episode when credit is given.
#[derive(Clone, Copy, Debug)]
pub struct Signal<'a> {
    /// Tokens of each step's action; none is empty.
    pub steps: &'a [usize],
    /// Tokens of each step's observation. Only [`Credit::Released`] looks at them.
    pub observations: &'a [usize],
    /// The reward of each step.
    pub rewards: &'a [f32],
    /// A reward of each token, such as a penalty for leaving the reference; none if empty.
    pub token_rewards: &'a [f32],
    /// The value of the state before each token; 0 if empty.
    pub values: &'a [f32],
}

/// What credit gives, for each token of the compressed row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Credited {
    /// How much better than expected.
    pub advantages: Vec<f32>,
    /// What the value head learns.
    pub returns: Vec<f32>,
}

/// How rewards travel back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Credit {
    /// All tokens get the sum of all rewards.
    Trajectory,
    /// Tokens of step `t` get `sum_{k >= t} gamma^{k-t} r_k`, minus the value before the step if there are values.
    ReturnToGo {
        /// The discount per step.
        gamma: f32,
    },
    /// Generalised advantage estimation (Schulman et al., 2016) over tokens, observations skipped: an episode's advantages do
    /// not depend on how long its observations are.
    TokenGae {
        /// The discount at the border between two steps.
        gamma: f32,
        /// The discount between tokens of one action.
        gamma_token: f32,
        /// Between 0, one token ahead, and 1, the whole return.
        lambda: f32,
    },
    /// Generalised advantage estimation over steps: the value before a step's first token stands for the step, all its tokens get
    /// one advantage.
    StepGae {
        /// The discount per step.
        gamma: f32,
        /// Between 0, one step ahead, and 1, the whole return.
        lambda: f32,
    },
    /// Over steps first; then within each action over tokens, with the step's advantage at its last token.
    BiLevelGae {
        /// The discount per step.
        gamma: f32,
        /// Over steps.
        lambda: f32,
        /// The discount per token within an action.
        gamma_token: f32,
        /// Over tokens within an action.
        lambda_token: f32,
    },
    /// As the released code has it, its two quirks apart. With neither it is [`Credit::TokenGae`] with one discount.
    Released {
        /// The discount per position.
        gamma: f32,
        /// Over positions.
        lambda: f32,
        /// Observation tokens are positions too, with value and reward 0: each costs a factor `gamma * lambda`, and nothing
        /// bootstraps over the border of a step.
        over_observations: bool,
        /// The reward of step `t` (from 0) of `T` is multiplied by `T - 1 - t`: the last counts nothing.
        reversed_weights: bool,
    },
}

impl Credit {
    /// # Errors
    /// [`Error::Config`] for a discount or a lambda outside `[0, 1]`.
    pub fn validate(&self) -> Result<()> {
        let numbers: &[(&str, f32)] = match self {
            Self::Trajectory => &[],
            Self::ReturnToGo { gamma } => &[("gamma", *gamma)],
            Self::TokenGae { gamma, gamma_token, lambda } => {
                &[("gamma", *gamma), ("gamma_token", *gamma_token), ("lambda", *lambda)]
            }
            Self::StepGae { gamma, lambda } | Self::Released { gamma, lambda, .. } => {
                &[("gamma", *gamma), ("lambda", *lambda)]
            }
            Self::BiLevelGae { gamma, lambda, gamma_token, lambda_token } => &[
                ("gamma", *gamma),
                ("lambda", *lambda),
                ("gamma_token", *gamma_token),
                ("lambda_token", *lambda_token),
            ],
        };
        match numbers.iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            None => Ok(()),
            Some((key, value)) => {
                Err(Error::config(format!("credit.{key}"), format!("is {value}, not in 0 to 1")))
            }
        }
    }

    /// The advantage of every token.
    ///
    /// # Panics
    /// If the lists of the signal do not fit each other.
    pub fn assign(&self, signal: &Signal<'_>) -> Credited {
        let tokens: usize = signal.steps.iter().sum();
        assert_eq!(signal.rewards.len(), signal.steps.len(), "a reward for each step");
        assert!(signal.values.is_empty() || signal.values.len() == tokens, "a value for each token");
        assert!(
            signal.token_rewards.is_empty() || signal.token_rewards.len() == tokens,
            "a reward for each token"
        );
        assert!(signal.steps.iter().all(|&length| length > 0), "no empty actions");
        match *self {
            Self::Trajectory => {
                let total: f32 = step_rewards(signal).iter().sum();
                Credited { advantages: vec![total; tokens], returns: vec![total; tokens] }
            }
            Self::ReturnToGo { gamma } => {
                let returns = returns_to_go(&step_rewards(signal), gamma);
                spread(signal, &returns, |value, total| total - value)
            }
            Self::TokenGae { gamma, gamma_token, lambda } => token_gae(signal, gamma, gamma_token, lambda),
            Self::StepGae { gamma, lambda } => {
                let values = first_values(signal);
                let advantages = gae(&step_rewards(signal), &values, gamma, lambda);
                let returns: Vec<f32> = advantages.iter().zip(&values).map(|(a, v)| a + v).collect();
                spread(signal, &returns, |value, total| total - value)
            }
            Self::BiLevelGae { gamma, lambda, gamma_token, lambda_token } => {
                bi_level_gae(signal, [gamma, lambda], [gamma_token, lambda_token])
            }
            Self::Released { gamma, lambda, over_observations, reversed_weights } => {
                let weighted: Vec<f32>;
                let mut signal = *signal;
                if reversed_weights {
                    weighted = reversed(signal.rewards);
                    signal.rewards = &weighted;
                }
                if over_observations {
                    gae_over_observations(&signal, gamma, lambda)
                } else {
                    token_gae(&signal, gamma, gamma, lambda)
                }
            }
        }
    }
}

/// Each reward times the number of steps that follow it.
pub fn reversed(rewards: &[f32]) -> Vec<f32> {
    let last = rewards.len().saturating_sub(1);
    rewards.iter().enumerate().map(|(at, reward)| reward * (last - at) as f32).collect()
}

/// `sum_{k >= t} gamma^{k-t} r_k` of every `t`.
pub fn returns_to_go(rewards: &[f32], gamma: f32) -> Vec<f32> {
    let mut returns = rewards.to_vec();
    for at in (0..returns.len().saturating_sub(1)).rev() {
        returns[at] += gamma * returns[at + 1];
    }
    returns
}

/// Generalised advantage estimation over a row that ends in a terminal state: `delta_t = r_t + gamma V_{t+1} - V_t`,
/// `A_t = delta_t + gamma lambda A_{t+1}`.
pub fn gae(rewards: &[f32], values: &[f32], gamma: f32, lambda: f32) -> Vec<f32> {
    let mut advantages = vec![0.0; rewards.len()];
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    for at in (0..rewards.len()).rev() {
        let delta = rewards[at] + gamma * next_value - values[at];
        next_advantage = delta + gamma * lambda * next_advantage;
        next_value = values[at];
        advantages[at] = next_advantage;
    }
    advantages
}

/// Rewards of steps with those of their tokens.
fn step_rewards(signal: &Signal<'_>) -> Vec<f32> {
    let mut rewards = signal.rewards.to_vec();
    if !signal.token_rewards.is_empty() {
        let mut at = 0;
        for (reward, &length) in rewards.iter_mut().zip(signal.steps) {
            *reward += signal.token_rewards[at..at + length].iter().sum::<f32>();
            at += length;
        }
    }
    rewards
}

/// The value before each step's first token.
fn first_values(signal: &Signal<'_>) -> Vec<f32> {
    let mut at = 0;
    let firsts = signal.steps.iter().map(|&length| {
        let value = signal.values.get(at).copied().unwrap_or(0.0);
        at += length;
        value
    });
    firsts.collect()
}

/// Gives all tokens of a step its return, and its advantage over the value before its first token.
fn spread(signal: &Signal<'_>, returns: &[f32], advantage: impl Fn(f32, f32) -> f32) -> Credited {
    let mut credited = Credited::default();
    for ((&length, &total), value) in signal.steps.iter().zip(returns).zip(first_values(signal)) {
        credited.advantages.extend(std::iter::repeat_n(advantage(value, total), length));
        credited.returns.extend(std::iter::repeat_n(total, length));
    }
    credited
}

fn token_gae(signal: &Signal<'_>, gamma: f32, gamma_token: f32, lambda: f32) -> Credited {
    let tokens: usize = signal.steps.iter().sum();
    let mut credited = Credited { advantages: vec![0.0; tokens], returns: vec![0.0; tokens] };
    let (mut next_value, mut next_advantage) = (0.0, 0.0);
    let mut at = tokens;
    for (&length, &reward) in signal.steps.iter().zip(signal.rewards).rev() {
        for place in (0..length).rev() {
            at -= 1;
            let is_last = place + 1 == length;
            let (discount, reward) = if is_last { (gamma, reward) } else { (gamma_token, 0.0) };
            let reward = reward + signal.token_rewards.get(at).copied().unwrap_or(0.0);
            let value = signal.values.get(at).copied().unwrap_or(0.0);
            next_advantage = reward + discount * next_value - value + discount * lambda * next_advantage;
            next_value = value;
            credited.advantages[at] = next_advantage;
            credited.returns[at] = next_advantage + value;
        }
    }
    credited
}

fn bi_level_gae(
    signal: &Signal<'_>,
    [gamma, lambda]: [f32; 2],
    [gamma_token, lambda_token]: [f32; 2],
) -> Credited {
    // Token rewards are left to the lower level; a step's own reward counts once, in the upper one.
    let over_steps = gae(signal.rewards, &first_values(signal), gamma, lambda);
    let tokens: usize = signal.steps.iter().sum();
    let mut credited = Credited { advantages: vec![0.0; tokens], returns: vec![0.0; tokens] };
    let value = |at: usize| signal.values.get(at).copied().unwrap_or(0.0);
    let mut end = tokens;
    for (&length, &step) in signal.steps.iter().zip(&over_steps).rev() {
        let start = end - length;
        let mut next = 0.0;
        for at in (start..end).rev() {
            let reward = signal.token_rewards.get(at).copied().unwrap_or(0.0);
            next = if at + 1 == end {
                reward + step + value(start) - value(at)
            } else {
                reward + gamma_token * value(at + 1) - value(at) + gamma_token * lambda_token * next
            };
            credited.advantages[at] = next;
            credited.returns[at] = next + value(at);
        }
        end = start;
    }
    credited
}

/// Over actions and observations alike, values and rewards of observations 0.
fn gae_over_observations(signal: &Signal<'_>, gamma: f32, lambda: f32) -> Credited {
    assert_eq!(signal.observations.len(), signal.steps.len(), "an observation for each step");
    let tokens: usize = signal.steps.iter().sum();
    let positions = tokens + signal.observations.iter().sum::<usize>();
    let (mut rewards, mut values) = (vec![0.0; positions], vec![0.0; positions]);
    let mut places = Vec::with_capacity(tokens);
    let mut position = 0;
    for (at, (&length, &observation)) in signal.steps.iter().zip(signal.observations).enumerate() {
        for _ in 0..length {
            let token = places.len();
            values[position] = signal.values.get(token).copied().unwrap_or(0.0);
            rewards[position] = signal.token_rewards.get(token).copied().unwrap_or(0.0);
            places.push(position);
            position += 1;
        }
        rewards[position - 1] += signal.rewards[at];
        position += observation;
    }
    let advantages = gae(&rewards, &values, gamma, lambda);
    Credited {
        advantages: places.iter().map(|&position| advantages[position]).collect(),
        returns: places.iter().map(|&position| advantages[position] + values[position]).collect(),
    }
}
