//! What all environments share and none of them changes.

use std::sync::Arc;

use crate::{Error, Quit, QuitRule, Result, Reward, RewardMatrix};

/// True rewards, the users' patience and the length of an episode. Environments share one through an `Arc`.
#[derive(Clone, Debug)]
pub struct World {
    /// What every user would pay for every item.
    pub truth: Arc<RewardMatrix>,
    /// When a user leaves.
    pub quit: Quit,
    /// The most turns an episode can have, 1 to 255; 30 in the paper.
    pub max_turn: usize,
    /// Whether an episode starts from a random item that the user has seen before (without a reward), so that first
    /// states differ; otherwise from "none yet", the number of items.
    pub random_start: bool,
}

impl World {
    /// A world of these parts.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn new(truth: Arc<RewardMatrix>, quit: Quit, max_turn: usize, random_start: bool) -> Result<Self> {
        let world = Self { truth, quit, max_turn, random_start };
        world.validate()?;
        Ok(world)
    }

    /// Whether the parts fit together.
    ///
    /// # Errors
    /// [`Error::Config`] naming the part: `max_turn` outside 1 to 255; a quit rule over another number of items; a
    /// window of no items.
    pub fn validate(&self) -> Result<()> {
        if !(1..=255).contains(&self.max_turn) {
            return Err(Error::config("max_turn", format!("{}; accepts 1 to 255", self.max_turn)));
        }
        let (table, rows, columns) = match &self.quit.rule {
            QuitRule::Never => return Ok(()),
            QuitRule::Distance(close) => ("close items", close.rows(), close.columns()),
            QuitRule::Category { tags, .. } => ("tags", tags.len(), tags.len()),
        };
        if rows != self.n_items() || columns != self.n_items() {
            let what = format!("the {table} are of {rows} items, the rewards of {}", self.n_items());
            return Err(Error::config("quit.rule", what));
        }
        if self.quit.window == 0 {
            return Err(Error::config("quit.window", "0; accepts whole numbers from 1"));
        }
        Ok(())
    }

    /// How many users there are.
    pub fn n_users(&self) -> usize {
        self.truth.n_users()
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.truth.n_items()
    }
}
