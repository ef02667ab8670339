//! One environment with Gymnasium's interface.

use std::sync::Arc;

use crate::{Autoreset, Mode, Result, Reward, VecEnv, VecEnvConfig, World};

/// What one turn shows: who is there and what was shown last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The user.
    pub user: u32,
    /// The latest item: the start of the episode at first (the number of items if it starts from none).
    pub item: u32,
}

/// What is known besides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Info {
    /// The finished turns.
    pub turn: usize,
    /// The reward of the episode so far.
    pub cumulative_reward: f64,
}

/// What a step gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the next turn shows.
    pub observation: Observation,
    /// What the action earned.
    pub reward: f32,
    /// Whether the user left.
    pub terminated: bool,
    /// Whether the turn limit cut the episode.
    pub truncated: bool,
    /// What is known besides.
    pub info: Info,
}

/// What an episode starts from; `None` is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetOptions {
    /// The user.
    pub user: Option<u32>,
    /// The start item; the number of items for "none yet".
    pub start: Option<u32>,
}

/// One environment: a [`VecEnv`] of one that does not reset itself.
#[derive(Clone, Debug)]
pub struct Env {
    inner: VecEnv,
}

impl Env {
    /// An environment at the start of its first episode, on seed 0.
    ///
    /// # Errors
    /// As [`VecEnv::new`].
    pub fn new(world: Arc<World>, reward: Arc<dyn Reward>, mode: Mode) -> Result<Self> {
        let autoreset = Autoreset::Disabled;
        let config = VecEnvConfig { envs: 1, seed: 0, autoreset, mode, cap_as_terminated: false };
        Ok(Self { inner: VecEnv::new(world, reward, config)? })
    }

    /// Starts an episode: with a seed the first of that seed's sequence, else the next. What the options give replaces what
    /// is drawn for this episode and changes no other.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) for a user or an item that does not exist.
    pub fn reset(&mut self, seed: Option<u64>, options: ResetOptions) -> Result<(Observation, Info)> {
        let ResetOptions { user, start } = options;
        match seed {
            Some(seed) => self.inner.reseed_with(seed, user, start)?,
            None => self.inner.reset_with(0, user, start)?,
        }
        Ok((self.observation(), self.info()))
    }

    /// Recommends `action`.
    ///
    /// # Errors
    /// [`Error::Action`](crate::Error::Action) for an item that does not exist or is masked, or after the end of the
    /// episode; nothing has changed then.
    pub fn step(&mut self, action: u32) -> Result<Step> {
        let batch = self.inner.step(&[action])?;
        let (reward, terminated, truncated) = (batch.rewards[0], batch.terminated[0], batch.truncated[0]);
        Ok(Step { observation: self.observation(), reward, terminated, truncated, info: self.info() })
    }

    /// For each item whether it may be chosen now.
    pub fn action_mask(&self) -> Vec<bool> {
        let masks = self.inner.config().mode.masks();
        (0..self.inner.world().n_items()).map(|item| !(masks && self.inner.seen().get(0, item))).collect()
    }

    /// What the present turn shows.
    pub fn observation(&self) -> Observation {
        let item = self.inner.trail(0)[self.inner.trail(0).len() - 1];
        Observation { user: self.inner.users()[0], item }
    }

    /// What is known besides.
    pub fn info(&self) -> Info {
        Info { turn: usize::from(self.inner.turns()[0]), cumulative_reward: self.inner.total_reward(0) }
    }

    /// The same as a batch of one: trails, states, snapshots.
    pub fn as_vec(&self) -> &VecEnv {
        &self.inner
    }
}
