//! The step itself, over neighbouring environments, and how a batch is dealt to threads.

use std::sync::Arc;

use rand::RngExt;
use rec_core::random;

use super::{Autoreset, Mode, StepBatch, VecEnvConfig};
use crate::{Reward, World};

/// What all threads read.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) world: Arc<World>,
    pub(super) reward: Arc<dyn Reward>,
    pub(super) config: VecEnvConfig,
    /// Trail slots per environment.
    pub(super) stride: usize,
    /// The turn limit in this mode.
    pub(super) limit: usize,
    pub(super) n_items: usize,
}

/// Neighbouring environments, for one thread.
pub(super) struct Lanes<'a> {
    /// Number of the first environment.
    pub(super) first: usize,
    pub(super) users: &'a mut [u32],
    pub(super) turns: &'a mut [u16],
    pub(super) done: &'a mut [bool],
    pub(super) episodes: &'a mut [u32],
    pub(super) trail: &'a mut [u32],
    pub(super) trail_rewards: &'a mut [f32],
    pub(super) words: usize,
    pub(super) seen: &'a mut [u64],
    pub(super) last_lengths: &'a mut [u16],
    pub(super) last_users: &'a mut [u32],
    pub(super) last_trail: &'a mut [u32],
    pub(super) last_rewards: &'a mut [f32],
}

/// The rows of a [`StepBatch`] for one thread.
pub(super) struct Rows<'a> {
    rewards: &'a mut [f32],
    terminated: &'a mut [bool],
    truncated: &'a mut [bool],
    started: &'a mut [bool],
}

/// Below this many environments a second thread costs more than it brings.
const BLOCK: usize = 1024;

pub(super) fn step_blocks(shared: &Shared, mut lanes: Lanes<'_>, actions: &[u32], mut rows: Rows<'_>) {
    if actions.len() >= 2 * BLOCK && rayon::current_num_threads() > 1 {
        let half = actions.len() / 2;
        let (low, high) = lanes.split(half, shared.stride);
        let (low_rows, high_rows) = rows.split(half);
        let (low_actions, high_actions) = actions.split_at(half);
        rayon::join(
            || step_blocks(shared, low, low_actions, low_rows),
            || step_blocks(shared, high, high_actions, high_rows),
        );
    } else {
        for (lane, &action) in actions.iter().enumerate() {
            lanes.step(shared, lane, action, lane, &mut rows);
        }
    }
}

impl Lanes<'_> {
    fn split(self, at: usize, stride: usize) -> (Self, Self) {
        let (users, users_high) = self.users.split_at_mut(at);
        let (turns, turns_high) = self.turns.split_at_mut(at);
        let (done, done_high) = self.done.split_at_mut(at);
        let (episodes, episodes_high) = self.episodes.split_at_mut(at);
        let (trail, trail_high) = self.trail.split_at_mut(at * stride);
        let (trail_rewards, trail_rewards_high) = self.trail_rewards.split_at_mut(at * stride);
        let (seen, seen_high) = self.seen.split_at_mut(at * self.words);
        let last = at.min(self.last_lengths.len());
        let (last_lengths, last_lengths_high) = self.last_lengths.split_at_mut(last);
        let (last_users, last_users_high) = self.last_users.split_at_mut(last);
        let (last_trail, last_trail_high) = self.last_trail.split_at_mut(last * stride);
        let (last_rewards, last_rewards_high) = self.last_rewards.split_at_mut(last * stride);
        let low = Lanes {
            first: self.first,
            users,
            turns,
            done,
            episodes,
            trail,
            trail_rewards,
            words: self.words,
            seen,
            last_lengths,
            last_users,
            last_trail,
            last_rewards,
        };
        let high = Lanes {
            first: self.first + at,
            users: users_high,
            turns: turns_high,
            done: done_high,
            episodes: episodes_high,
            trail: trail_high,
            trail_rewards: trail_rewards_high,
            words: self.words,
            seen: seen_high,
            last_lengths: last_lengths_high,
            last_users: last_users_high,
            last_trail: last_trail_high,
            last_rewards: last_rewards_high,
        };
        (low, high)
    }

    /// Starts episode `episode` of a lane.
    pub(super) fn start(
        &mut self,
        shared: &Shared,
        lane: usize,
        episode: u32,
        user: Option<u32>,
        start: Option<u32>,
    ) {
        let turns = usize::from(self.turns[lane]);
        let trail = &mut self.trail[lane * shared.stride..][..turns + 1];
        let seen = &mut self.seen[lane * self.words..][..self.words];
        // Only these words can have bits.
        for &item in &trail[1..] {
            seen[item as usize / 64] = 0;
        }
        // Both numbers are drawn in any case, so that a given user changes nothing else.
        let number = ((self.first + lane) as u64) << 32 | u64::from(episode);
        let mut rng = random::stream(shared.config.seed, "episode", number);
        let drawn_user = rng.random_range(0..shared.world.n_users() as u32);
        let drawn_start = if shared.world.random_start {
            rng.random_range(0..shared.n_items as u32)
        } else {
            shared.n_items as u32
        };
        self.episodes[lane] = episode;
        self.users[lane] = user.unwrap_or(drawn_user);
        self.turns[lane] = 0;
        self.done[lane] = false;
        trail[0] = start.unwrap_or(drawn_start);
        self.trail_rewards[lane * shared.stride] = 0.0;
    }

    pub(super) fn forget_last(&mut self, lane: usize) {
        if let Some(length) = self.last_lengths.get_mut(lane) {
            *length = 0;
        }
    }

    /// One turn of a lane; the action was checked.
    #[inline]
    pub(super) fn step(
        &mut self,
        shared: &Shared,
        lane: usize,
        action: u32,
        row: usize,
        rows: &mut Rows<'_>,
    ) {
        self.forget_last(lane);
        if self.done[lane] {
            let episode = self.episodes[lane].wrapping_add(1);
            self.start(shared, lane, episode, None, None);
            rows.set(row, 0.0, false, false, true);
            return;
        }
        let world = &*shared.world;
        let turn = usize::from(self.turns[lane]);
        let trail = &mut self.trail[lane * shared.stride..][..shared.stride];
        let taken = &trail[1..=turn];
        let reward = shared.reward.reward(self.users[lane], action, taken);
        let patient = matches!(shared.config.mode, Mode::NxX(_));
        let quits = !patient && turn > 0 && world.quit.quits(action, taken);
        let capped = turn + 1 >= shared.limit;
        let terminated = quits || (capped && shared.config.cap_as_terminated);
        let truncated = capped && !terminated;

        trail[turn + 1] = action;
        self.trail_rewards[lane * shared.stride + turn + 1] = reward;
        self.seen[lane * self.words + action as usize / 64] |= 1 << (action % 64);
        self.turns[lane] = turn as u16 + 1;
        rows.set(row, reward, terminated, truncated, false);
        if terminated || truncated {
            if shared.config.autoreset == Autoreset::SameStep {
                let span = lane * shared.stride..lane * shared.stride + turn + 2;
                self.last_trail[span.clone()].copy_from_slice(&trail[..turn + 2]);
                self.last_rewards[span.clone()].copy_from_slice(&self.trail_rewards[span]);
                self.last_users[lane] = self.users[lane];
                self.last_lengths[lane] = turn as u16 + 2;
                let episode = self.episodes[lane].wrapping_add(1);
                self.start(shared, lane, episode, None, None);
            } else {
                self.done[lane] = true;
            }
        }
    }
}

impl StepBatch {
    pub(super) fn rows(&mut self) -> Rows<'_> {
        Rows {
            rewards: &mut self.rewards,
            terminated: &mut self.terminated,
            truncated: &mut self.truncated,
            started: &mut self.started,
        }
    }
}

impl Rows<'_> {
    fn split(self, at: usize) -> (Self, Self) {
        let (rewards, rewards_high) = self.rewards.split_at_mut(at);
        let (terminated, terminated_high) = self.terminated.split_at_mut(at);
        let (truncated, truncated_high) = self.truncated.split_at_mut(at);
        let (started, started_high) = self.started.split_at_mut(at);
        let high = Rows {
            rewards: rewards_high,
            terminated: terminated_high,
            truncated: truncated_high,
            started: started_high,
        };
        (Rows { rewards, terminated, truncated, started }, high)
    }

    #[inline]
    fn set(&mut self, row: usize, reward: f32, terminated: bool, truncated: bool, started: bool) {
        self.rewards[row] = reward;
        self.terminated[row] = terminated;
        self.truncated[row] = truncated;
        self.started[row] = started;
    }
}
