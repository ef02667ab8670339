//! Minibatches drawn uniformly, or by how wrong the policy was.

use rand::RngExt;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::PolicyState;
use crate::Result;
use crate::replay::Replay;

/// Prioritised replay: transitions are drawn in proportion to `p^alpha`, where `p` is the size of the error that they
/// had when they were last learned from, and weighted by `(N P)^-beta` over the largest such weight in the minibatch
/// (Schaul et al., 2016, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prioritized {
    /// How much errors count, from 0, which draws uniformly.
    pub alpha: f32,
    /// How much of the bias is corrected, 0 to 1, which is all of it.
    pub beta: f32,
}

impl Default for Prioritized {
    fn default() -> Self {
        Self { alpha: 0.6, beta: 0.4 }
    }
}

/// Added to errors, so that every transition can be drawn.
const LEAST: f32 = 1e-6;

/// Draws minibatches.
#[derive(Clone, Debug)]
pub enum Draws {
    /// All transitions alike.
    Uniform,
    /// By priority.
    Prioritized(Box<Priorities>),
}

/// The priorities of a replay's slots.
#[derive(Clone, Debug)]
pub struct Priorities {
    config: Prioritized,
    /// A heap of sums: node `i` is the sum of `2 i` and `2 i + 1`; the second half are the slots' `p^alpha`. Every inner
    /// node is always the sum of its children, so the leaves alone determine the tree.
    tree: Vec<f64>,
    /// How many transitions of each environment have a priority, those written over included.
    seen: Vec<usize>,
    /// The largest `p^alpha` so far: new transitions get it.
    most: f32,
}

impl Draws {
    /// Before the first draw.
    pub fn new(config: Option<Prioritized>) -> Self {
        config.map_or(Self::Uniform, |config| {
            Self::Prioritized(Box::new(Priorities { config, tree: Vec::new(), seen: Vec::new(), most: 1.0 }))
        })
    }

    /// Takes note of what was written since the last call. To be called at the start of a learning round.
    pub fn catch_up(&mut self, replay: &Replay) {
        if let Self::Prioritized(priorities) = self {
            priorities.catch_up(replay);
        }
    }

    /// `count` slots, with the weights of their losses unless they are all 1.
    ///
    /// # Panics
    /// If there is no transition.
    pub fn draw(&self, replay: &Replay, count: usize, rng: &mut Random) -> (Vec<u32>, Option<Vec<f32>>) {
        match self {
            Self::Uniform => (replay.sample(count, rng), None),
            Self::Prioritized(priorities) => {
                let (slots, weights) = priorities.draw(count, rng);
                (slots, Some(weights))
            }
        }
    }

    /// Notes the errors that the transitions of `slots` had.
    pub fn learned(&mut self, slots: &[u32], errors: impl FnOnce() -> Vec<f32>) {
        if let Self::Prioritized(priorities) = self {
            for (&slot, error) in slots.iter().zip(errors()) {
                let priority = (error.abs() + LEAST).powf(priorities.config.alpha);
                priorities.most = priorities.most.max(priority);
                priorities.set(slot as usize, priority);
            }
        }
    }

    /// Adds the priorities to `state`.
    pub fn save(&self, state: &mut PolicyState) {
        let Self::Prioritized(priorities) = self else { return };
        let leaves = &priorities.tree[priorities.tree.len() / 2..];
        state.tensors.insert("priorities".to_string(), leaves.iter().map(|&leaf| leaf as f32).collect());
        state.tensors.insert("priorities.most".to_string(), vec![priorities.most]);
        state.counters.insert("priorities.environments".to_string(), priorities.seen.len() as u64);
        for (env, &seen) in priorities.seen.iter().enumerate() {
            state.counters.insert(format!("priorities.seen.{env}"), seen as u64);
        }
    }

    /// Takes what [`Draws::save`] added.
    ///
    /// # Errors
    /// If something is missing.
    pub fn load(&mut self, state: &mut PolicyState) -> Result<()> {
        let Self::Prioritized(priorities) = self else { return Ok(()) };
        let leaves = state.take("priorities")?;
        priorities.most = state.take("priorities.most")?.first().copied().unwrap_or(1.0);
        priorities.seen = (0..state.counter("priorities.environments")?)
            .map(|env| state.counter(&format!("priorities.seen.{env}")).map(|seen| seen as usize))
            .collect::<Result<_>>()?;
        priorities.tree = vec![0.0; 2 * leaves.len()];
        for (leaf, priority) in leaves.into_iter().enumerate() {
            priorities.set(leaf, priority);
        }
        Ok(())
    }
}

impl Priorities {
    fn catch_up(&mut self, replay: &Replay) {
        let (envs, capacity) = (replay.envs(), replay.capacity());
        let leaves = (envs * capacity).next_power_of_two();
        if self.seen.len() != envs || self.tree.len() != 2 * leaves {
            self.seen = vec![0; envs];
            self.tree = vec![0.0; 2 * leaves];
        }
        for env in 0..envs {
            let written = replay.written(env);
            if written < self.seen[env] {
                // The replay was cleared.
                (0..capacity).for_each(|at| self.set(env * capacity + at, 0.0));
                self.seen[env] = 0;
            }
            for at in self.seen[env].max(written.saturating_sub(capacity))..written {
                self.set(env * capacity + at % capacity, self.most);
            }
            self.seen[env] = written;
        }
    }

    fn set(&mut self, slot: usize, priority: f32) {
        let mut node = self.tree.len() / 2 + slot;
        self.tree[node] = f64::from(priority);
        while node > 1 {
            node /= 2;
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1];
        }
    }

    fn draw(&self, count: usize, rng: &mut Random) -> (Vec<u32>, Vec<f32>) {
        let leaves = self.tree.len() / 2;
        assert!(leaves > 0 && self.tree[1] > 0.0, "nothing to sample");
        let slots: Vec<u32> = (0..count)
            .map(|_| {
                let mut left = rng.random::<f64>() * self.tree[1];
                let mut node = 1;
                while node < leaves {
                    node *= 2;
                    // Rounding may leave something over at a subtree that is all zero.
                    if left >= self.tree[node] && self.tree[node + 1] > 0.0 {
                        left -= self.tree[node];
                        node += 1;
                    }
                }
                (node - leaves) as u32
            })
            .collect();
        let of = |slot: &u32| self.tree[leaves + *slot as usize];
        let least = slots.iter().map(of).fold(f64::INFINITY, f64::min);
        // (N P)^-beta over its maximum; N and the total cancel.
        let weights =
            slots.iter().map(|slot| (of(slot) / least).powf(f64::from(-self.config.beta)) as f32).collect();
        (slots, weights)
    }
}
