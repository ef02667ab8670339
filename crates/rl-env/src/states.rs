//! What a policy sees: the latest items of an episode and what they earned.

use serde::{Deserialize, Serialize};

/// How a reward becomes an input of a state tracker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RewardScale {
    /// As it is.
    #[default]
    Raw,
    /// `(r - least) / (most - least)`, at most 1, and 0 where `r <= 0`.
    Range {
        /// The least reward.
        least: f32,
        /// The largest reward.
        most: f32,
    },
    /// Always 0: what the reference's collector makes of it (see [`Compat::zero_rew_prev`](crate::Compat)).
    Zero,
}

impl RewardScale {
    /// `reward` on this scale.
    #[inline]
    pub fn apply(self, reward: f32) -> f32 {
        match self {
            Self::Raw => reward,
            Self::Range { least, most } if reward > 0.0 && most > least => {
                ((reward - least) / (most - least)).min(1.0)
            }
            Self::Range { .. } | Self::Zero => 0.0,
        }
    }
}

/// The states of a batch: for each the last `window` (item, reward) pairs of its episode, oldest first, padded on the
/// right.
///
/// The first pair of an episode is its start: a random item, or the number of items ("none yet"), with reward 0.
/// Acting and learning read the same columns, so that they cannot see different states.
///
/// # Shapes
/// Row-major `[n, window]` for `items` and `rewards`, `[n]` for `lengths` and `users`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct States {
    /// Pairs per state.
    pub window: usize,
    /// How rewards are scaled when they enter.
    pub scale: RewardScale,
    /// Items; 0 where there is padding.
    pub items: Vec<u32>,
    /// What the items earned, scaled; 0 where there is padding.
    pub rewards: Vec<f32>,
    /// How many pairs are real: 1 to `window`.
    pub lengths: Vec<u8>,
    /// The user. Trackers do not look at it; user models do.
    pub users: Vec<u32>,
}

impl States {
    /// No state yet; rewards will enter as they are.
    pub fn new(window: usize) -> Self {
        Self { window, ..Self::default() }
    }

    /// No state yet; rewards will enter on `scale`.
    pub fn scaled(window: usize, scale: RewardScale) -> Self {
        Self { window, scale, ..Self::default() }
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Forgets all states, keeps the memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.rewards.clear();
        self.lengths.clear();
        self.users.clear();
    }

    /// Appends the state of a user whose episode so far is `trail` (start included) with `rewards`.
    ///
    /// # Panics
    /// If `trail` is empty or `rewards` has another length.
    pub fn push(&mut self, user: u32, trail: &[u32], rewards: &[f32]) {
        assert!(!trail.is_empty() && trail.len() == rewards.len(), "a trail of pairs");
        let start = trail.len().saturating_sub(self.window);
        let length = trail.len() - start;
        self.items.extend_from_slice(&trail[start..]);
        self.rewards.extend(rewards[start..].iter().map(|&reward| self.scale.apply(reward)));
        self.items.resize(self.items.len() + self.window - length, 0);
        self.rewards.resize(self.rewards.len() + self.window - length, 0.0);
        self.lengths.push(length as u8);
        self.users.push(user);
    }

    /// Appends state `index` of `other`.
    ///
    /// # Panics
    /// If the windows differ or there is no such state.
    pub fn push_from(&mut self, other: &Self, index: usize) {
        assert_eq!(self.window, other.window, "states of one window");
        let cells = index * self.window..(index + 1) * self.window;
        self.items.extend_from_slice(&other.items[cells.clone()]);
        self.rewards.extend_from_slice(&other.rewards[cells]);
        self.lengths.push(other.lengths[index]);
        self.users.push(other.users[index]);
    }
}
