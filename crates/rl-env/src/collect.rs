//! Living through episodes: a policy acts in many environments at once, a replay keeps what happened.

use std::ops::AddAssign;

use rec_core::random;
use serde::{Deserialize, Serialize};

use crate::policy::{Acting, Actions, Policy};
use crate::replay::{Replay, Transition};
use crate::states::{RewardScale, States};
use crate::vec_env::{VecEnv, VecEnvState};
use crate::{Compat, Result};

/// Environments that a policy acts in, and the memory that this takes.
#[derive(Debug)]
pub struct Collector {
    env: VecEnv,
    seed: u64,
    /// How many rounds were collected; each has its own stream of random numbers.
    round: u64,
    compat: Compat,
    before: States,
    after: States,
    actions: Actions,
    active: Vec<usize>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Collected {
    /// Steps over all environments.
    pub steps: usize,
    /// Episodes that ended.
    pub episodes: usize,
    /// What the steps earned in all.
    pub reward: f64,
}

impl AddAssign for Collected {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.episodes += other.episodes;
        self.reward += other.reward;
    }
}

/// Where a collector is, for a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectorState {
    env: VecEnvState,
    round: u64,
    before: States,
}

impl Collector {
    /// A collector over `env` (which must not reset itself), for states of `window` pairs whose rewards are on `scale`.
    pub fn new(env: VecEnv, window: usize, scale: RewardScale, seed: u64, compat: Compat) -> Self {
        let scale = if compat.zero_rew_prev { RewardScale::Zero } else { scale };
        let states = States::scaled(window, scale);
        Self {
            env,
            seed,
            round: 0,
            compat,
            before: states.clone(),
            after: states,
            actions: Actions::default(),
            active: Vec::new(),
        }
    }

    /// The environments.
    pub fn env(&self) -> &VecEnv {
        &self.env
    }

    /// Empty states of the kind that it collects: what a [`Replay`] for it is made from.
    pub fn states(&self) -> States {
        States::scaled(self.before.window, self.before.scale)
    }

    /// Where it is.
    pub fn state(&self) -> CollectorState {
        CollectorState { env: self.env.snapshot(), round: self.round, before: self.before.clone() }
    }

    /// Goes on from [`Collector::state`].
    ///
    /// # Errors
    /// If it is the state of other environments.
    pub fn restore(&mut self, state: CollectorState) -> Result<()> {
        self.env.restore(&state.env)?;
        (self.round, self.before) = (state.round, state.before);
        Ok(())
    }

    /// How many rounds were collected.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// One new episode in every environment, from reset to end.
    ///
    /// # Errors
    /// If the policy fails.
    pub fn episodes(&mut self, policy: &dyn Policy, replay: &mut Replay) -> Result<Collected> {
        let mut rng = random::stream(self.seed, "act", self.round);
        self.round += 1;
        let envs = self.env.len();
        (0..envs).for_each(|env| self.env.reset_env(env));
        self.active.clear();
        self.active.extend(0..envs);
        self.before.clear();
        self.env.states_into(&self.active, &mut self.before);
        let mut collected = Collected::default();
        while !self.active.is_empty() {
            self.advance(policy, &mut rng, replay, &mut collected)?;
            let env = &self.env;
            self.active.retain(|&at| !env.is_done(at));
            self.before.clear();
            self.env.states_into(&self.active, &mut self.before);
        }
        Ok(collected)
    }

    /// At least `steps` steps over all environments, each going on from where it is; finished ones start anew.
    ///
    /// # Errors
    /// If the policy fails.
    pub fn steps(&mut self, policy: &dyn Policy, steps: usize, replay: &mut Replay) -> Result<Collected> {
        let mut rng = random::stream(self.seed, "act", self.round);
        let fresh = self.round == 0;
        self.round += 1;
        self.active.clear();
        self.active.extend(0..self.env.len());
        let mut collected = Collected::default();
        if fresh {
            (0..self.env.len()).for_each(|env| self.env.reset_env(env));
        }
        if self.before.len() != self.env.len() {
            self.before.clear();
            self.env.states_into(&self.active, &mut self.before);
        }
        while collected.steps < steps {
            self.advance(policy, &mut rng, replay, &mut collected)?;
            self.before.clear();
            for at in 0..self.active.len() {
                let done = self.env.is_done(at);
                if done {
                    self.env.reset_env(at);
                }
                // The reference shows a new episode's first step the old episode's last state.
                if done && self.compat.reset_obs_bug {
                    self.before.push_from(&self.after, at);
                } else {
                    self.env.states_into(&[at], &mut self.before);
                }
            }
        }
        Ok(collected)
    }

    /// One step in every active environment, from `before`, which holds their states, to `after`.
    fn advance(
        &mut self,
        policy: &dyn Policy,
        rng: &mut random::Random,
        replay: &mut Replay,
        collected: &mut Collected,
    ) -> Result<()> {
        policy.act(&self.before, None, Acting::Explore, rng, &mut self.actions)?;
        self.env.step_at(&self.active, &self.actions.items)?;
        self.after.clear();
        self.env.states_into(&self.active, &mut self.after);
        let width = policy.action_width();
        let stepped = self.env.batch();
        for (row, &env) in self.active.iter().enumerate() {
            let transition = Transition {
                action: self.actions.items[row],
                vector: &self.actions.vectors[row * width..(row + 1) * width],
                reward: stepped.rewards[row],
                terminated: stepped.terminated[row],
                truncated: stepped.truncated[row],
            };
            collected.steps += 1;
            collected.reward += f64::from(transition.reward);
            collected.episodes += usize::from(transition.terminated || transition.truncated);
            replay.push(env, &transition, &self.before, &self.after, row);
        }
        Ok(())
    }
}
