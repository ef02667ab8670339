//! What a turn earns: the truth, or what a user model makes of it.

/// The reward of a turn. The true matrix implements it; so do the simulated rewards that policies learn on.
///
/// Shared by all environments of a batch and all threads; an implementation keeps no state of an episode, since the
/// episode is handed in.
pub trait Reward: Send + Sync {
    /// How many users there are.
    fn n_users(&self) -> usize;

    /// How many items there are.
    fn n_items(&self) -> usize;

    /// What `user` pays for `item` after having taken `taken` in this episode (oldest first, without `item`).
    ///
    /// # Panics
    /// May panic if `user` or `item` does not exist.
    fn reward(&self, user: u32, item: u32, taken: &[u32]) -> f32;

    /// The least and the largest reward that is possible: state trackers scale by it.
    fn range(&self) -> (f32, f32);
}
