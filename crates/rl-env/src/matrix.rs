//! The ground truth: what every user would pay for every item.

use crate::Reward;
use crate::{Error, Result};

/// A dense matrix of rewards, users by items, row-major. Environments share one through an `Arc`.
#[derive(Clone, Debug)]
pub struct RewardMatrix {
    users: usize,
    items: usize,
    cells: Vec<f32>,
    range: (f32, f32),
}

impl RewardMatrix {
    /// The matrix whose row-major cells are `cells`.
    ///
    /// # Errors
    /// If there are no cells, their number is not `users * items`, or one is not finite.
    pub fn new(users: usize, items: usize, cells: Vec<f32>) -> Result<Self> {
        if cells.is_empty() || users.checked_mul(items) != Some(cells.len()) {
            return Err(Error::invalid(format!("{} rewards do not make {users} x {items}", cells.len())));
        }
        if let Some(at) = cells.iter().position(|cell| !cell.is_finite()) {
            return Err(Error::invalid(format!(
                "the reward of user {}, item {} is {}",
                at / items,
                at % items,
                cells[at]
            )));
        }
        let range =
            cells.iter().fold((f32::MAX, f32::MIN), |(low, high), &cell| (low.min(cell), high.max(cell)));
        Ok(Self { users, items, cells, range })
    }

    /// The reward of `item` for `user`.
    ///
    /// # Panics
    /// If there is no such cell.
    #[inline]
    pub fn get(&self, user: u32, item: u32) -> f32 {
        assert!((item as usize) < self.items, "no item {item}");
        self.cells[user as usize * self.items + item as usize]
    }
}

impl Reward for RewardMatrix {
    fn n_users(&self) -> usize {
        self.users
    }

    fn n_items(&self) -> usize {
        self.items
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, _: &[u32]) -> f32 {
        self.get(user, item)
    }

    fn range(&self) -> (f32, f32) {
        self.range
    }
}
