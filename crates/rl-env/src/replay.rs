//! What was lived through: transitions in one ring per environment.

use crate::states::{RewardScale, States};
use crate::{Error, Result};

#[cfg(feature = "burn")]
pub(crate) use self::columns::ReplayColumns;
#[cfg(feature = "burn")]
mod columns;

use rand::RngExt;
use rec_core::random::Random;

/// One step of one environment, as a collector hands it in.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// The item that was recommended.
    pub action: u32,
    /// The vector behind it, for policies that act in the space of item vectors; otherwise empty.
    pub vector: &'a [f32],
    /// What it earned.
    pub reward: f32,
    /// Whether the user left.
    pub terminated: bool,
    /// Whether the episode was cut at the turn limit.
    pub truncated: bool,
}

/// One episode as a log tells it.
#[derive(Clone, Copy, Debug)]
pub struct LoggedSteps<'a> {
    /// The user.
    pub user: u32,
    /// The item that the episode starts from, as the environments' first state does.
    pub start: u32,
    /// What was recommended, in order.
    pub items: &'a [u32],
    /// What each item earned.
    pub rewards: &'a [f32],
    /// Whether the user left after the last one; otherwise the episode was cut there.
    pub terminated: bool,
}

/// Rings of transitions, one per environment, with the states before and after as they were seen when acting.
///
/// A *slot* is the place of a transition: `env * capacity + position`.
#[derive(Clone, Debug)]
pub struct Replay {
    capacity: usize,
    window: usize,
    width: usize,
    scale: RewardScale,
    before: Columns,
    after: Columns,
    users: Vec<u32>,
    actions: Vec<u32>,
    vectors: Vec<f32>,
    rewards: Vec<f32>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    /// How many transitions each environment has written in all.
    written: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Columns {
    items: Vec<u32>,
    rewards: Vec<f32>,
    lengths: Vec<u8>,
}

impl Columns {
    fn new(slots: usize, window: usize) -> Self {
        Self { items: vec![0; slots * window], rewards: vec![0.0; slots * window], lengths: vec![0; slots] }
    }

    fn write(&mut self, slot: usize, states: &States, row: usize) {
        let (w, from) = (states.window, row * states.window);
        self.items[slot * w..][..w].copy_from_slice(&states.items[from..from + w]);
        self.rewards[slot * w..][..w].copy_from_slice(&states.rewards[from..from + w]);
        self.lengths[slot] = states.lengths[row];
    }

    fn read(&self, slots: &[u32], users: &[u32], into: &mut States) {
        let w = into.window;
        for &slot in slots {
            let slot = slot as usize;
            into.items.extend_from_slice(&self.items[slot * w..][..w]);
            into.rewards.extend_from_slice(&self.rewards[slot * w..][..w]);
            into.lengths.push(self.lengths[slot]);
            into.users.push(users[slot]);
        }
    }
}

impl Replay {
    /// Empty rings for `envs` environments, `capacity` transitions each; actions have a vector of `width` numbers (0 for
    /// none).
    ///
    /// # Panics
    /// If a number but `width` is 0.
    pub fn new(envs: usize, capacity: usize, states: &States, width: usize) -> Self {
        let window = states.window;
        assert!(envs > 0 && capacity > 0 && window > 0, "a replay of {envs} x {capacity} x {window}");
        let slots = envs * capacity;
        Self {
            capacity,
            window,
            width,
            scale: states.scale,
            before: Columns::new(slots, window),
            after: Columns::new(slots, window),
            users: vec![0; slots],
            actions: vec![0; slots],
            vectors: vec![0.0; slots * width],
            rewards: vec![0.0; slots],
            terminated: vec![false; slots],
            truncated: vec![false; slots],
            written: vec![0; envs],
        }
    }

    /// The transitions of logged episodes, one episode after the other in one ring, with states of the kind of `states`.
    ///
    /// # Errors
    /// If there is no step, or an episode has another number of rewards than of items.
    pub fn from_episodes<'a>(
        episodes: impl IntoIterator<Item = LoggedSteps<'a>>,
        states: &States,
    ) -> Result<Self> {
        let episodes: Vec<_> = episodes.into_iter().collect();
        if let Some(at) = episodes.iter().position(|episode| episode.items.len() != episode.rewards.len()) {
            let (items, rewards) = (episodes[at].items.len(), episodes[at].rewards.len());
            return Err(Error::invalid(format!("episode {at} has {items} items, but {rewards} rewards")));
        }
        let steps = episodes.iter().map(|episode| episode.items.len()).sum();
        if steps == 0 {
            return Err(Error::invalid("there is no step to learn from"));
        }
        let mut replay = Self::new(1, steps, states, 0);
        let mut seen = States::scaled(states.window, states.scale);
        for episode in episodes {
            let trail: Vec<u32> = [episode.start].iter().chain(episode.items).copied().collect();
            let earned: Vec<f32> = [0.0].iter().chain(episode.rewards).copied().collect();
            seen.clear();
            (1..=trail.len()).for_each(|end| seen.push(episode.user, &trail[..end], &earned[..end]));
            for (step, (&action, &reward)) in episode.items.iter().zip(episode.rewards).enumerate() {
                let last = step + 1 == episode.items.len();
                let transition = Transition {
                    action,
                    vector: &[],
                    reward,
                    terminated: last && episode.terminated,
                    truncated: last && !episode.terminated,
                };
                replay.push_between(0, &transition, (&seen, step), (&seen, step + 1));
            }
        }
        Ok(replay)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.written.fill(0);
    }

    /// How many transitions there are.
    pub fn len(&self) -> usize {
        self.written.iter().map(|&written| written.min(self.capacity)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.written.iter().all(|&written| written == 0)
    }

    /// How many environments there are.
    pub fn envs(&self) -> usize {
        self.written.len()
    }

    /// How many transitions of an environment are kept.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many numbers the vector of an action has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many transitions environment `env` has written in all, those written over included.
    pub fn written(&self, env: usize) -> usize {
        self.written[env]
    }

    /// Appends a transition to the ring of `env`, over its oldest one if it is full: from row `row` of `before` to the
    /// same row of `after`.
    ///
    /// # Panics
    /// If `env` or the row does not exist, or a width is another.
    pub fn push(
        &mut self,
        env: usize,
        transition: &Transition<'_>,
        before: &States,
        after: &States,
        row: usize,
    ) {
        self.push_between(env, transition, (before, row), (after, row));
    }

    fn push_between(
        &mut self,
        env: usize,
        transition: &Transition<'_>,
        (before, row): (&States, usize),
        (after, after_row): (&States, usize),
    ) {
        assert!(
            transition.vector.len() == self.width && before.window == self.window,
            "a transition of these widths"
        );
        let slot = env * self.capacity + self.written[env] % self.capacity;
        self.written[env] += 1;
        self.before.write(slot, before, row);
        self.after.write(slot, after, after_row);
        self.users[slot] = before.users[row];
        self.actions[slot] = transition.action;
        self.vectors[slot * self.width..][..self.width].copy_from_slice(transition.vector);
        self.rewards[slot] = transition.reward;
        self.terminated[slot] = transition.terminated;
        self.truncated[slot] = transition.truncated;
    }

    /// All slots, environment by environment, oldest first.
    pub fn ordered(&self) -> Vec<u32> {
        let mut slots = Vec::with_capacity(self.len());
        for (env, &written) in self.written.iter().enumerate() {
            let first = written.saturating_sub(self.capacity);
            slots.extend((first..written).map(|at| (env * self.capacity + at % self.capacity) as u32));
        }
        slots
    }

    /// `count` slots, each drawn uniformly from all.
    ///
    /// # Panics
    /// If there is no transition.
    pub fn sample(&self, count: usize, rng: &mut Random) -> Vec<u32> {
        let total = self.len();
        assert!(total > 0, "nothing to sample");
        (0..count)
            .map(|_| {
                let mut at = rng.random_range(0..total);
                let mut env = 0;
                while at >= self.written[env].min(self.capacity) {
                    at -= self.written[env].min(self.capacity);
                    env += 1;
                }
                let first = self.written[env].saturating_sub(self.capacity);
                (env * self.capacity + (first + at) % self.capacity) as u32
            })
            .collect()
    }

    /// The slot after `slot` in its environment; `None` if `slot` is the newest.
    pub fn next(&self, slot: u32) -> Option<u32> {
        let (env, at) = (slot as usize / self.capacity, slot as usize % self.capacity);
        let newest = (self.written[env] + self.capacity - 1) % self.capacity;
        (at != newest).then(|| (env * self.capacity + (at + 1) % self.capacity) as u32)
    }

    /// The states before the transitions, as they were seen when acting.
    pub fn before(&self, slots: &[u32]) -> States {
        let mut states = States::scaled(self.window, self.scale);
        self.before.read(slots, &self.users, &mut states);
        states
    }

    /// The states after them.
    pub fn after(&self, slots: &[u32]) -> States {
        let mut states = States::scaled(self.window, self.scale);
        self.after.read(slots, &self.users, &mut states);
        states
    }

    /// The recommended item.
    pub fn action(&self, slot: u32) -> u32 {
        self.actions[slot as usize]
    }

    /// The vector behind it.
    pub fn vector(&self, slot: u32) -> &[f32] {
        &self.vectors[slot as usize * self.width..][..self.width]
    }

    /// What it earned.
    pub fn reward(&self, slot: u32) -> f32 {
        self.rewards[slot as usize]
    }

    /// Whether the user left there.
    pub fn terminated(&self, slot: u32) -> bool {
        self.terminated[slot as usize]
    }

    /// Whether the episode ended there, in either way.
    pub fn ended(&self, slot: u32) -> bool {
        self.terminated[slot as usize] || self.truncated[slot as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logged_episodes_become_the_transitions_that_living_them_would_have_given() {
        let states = States::scaled(2, RewardScale::Range { least: 0.0, most: 4.0 });
        let one =
            LoggedSteps { user: 7, start: 9, items: &[1, 2, 3], rewards: &[4.0, 2.0, 1.0], terminated: true };
        let other = LoggedSteps { user: 8, start: 5, items: &[6], rewards: &[3.0], terminated: false };
        let replay = Replay::from_episodes([one, other], &states).unwrap();
        let slots = replay.ordered();
        assert_eq!(slots.iter().map(|&slot| replay.action(slot)).collect::<Vec<_>>(), [1, 2, 3, 6]);
        assert_eq!(slots.iter().map(|&slot| replay.reward(slot)).collect::<Vec<_>>(), [4.0, 2.0, 1.0, 3.0]);
        let ends = |slot| (replay.terminated(slot), replay.ended(slot));
        assert_eq!(
            slots.iter().map(|&slot| ends(slot)).collect::<Vec<_>>(),
            [(false, false), (false, false), (true, true), (false, true)]
        );
        let (before, after) = (replay.before(&slots), replay.after(&slots));
        assert_eq!(before.items, [9, 0, 9, 1, 1, 2, 5, 0]);
        assert_eq!(before.lengths, [1, 2, 2, 1]);
        assert_eq!(after.items, [9, 1, 1, 2, 2, 3, 5, 6]);
        assert_eq!(after.rewards, [0.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.0, 0.75]);
        assert_eq!(after.users, [7, 7, 7, 8]);
    }

    #[test]
    fn a_log_without_steps_or_with_missing_rewards_is_refused() {
        let states = States::new(2);
        assert!(Replay::from_episodes([], &states).is_err());
        let odd = LoggedSteps { user: 0, start: 0, items: &[1], rewards: &[], terminated: false };
        let error = Replay::from_episodes([odd], &states).unwrap_err();
        assert!(error.to_string().contains("episode 0 has 1 items"), "{error}");
    }
}
