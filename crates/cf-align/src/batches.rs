//! The order in which training pairs are seen, shared by every engine so that they can be held together.

use rand::RngExt;
use rand::seq::SliceRandom;
use rec_core::{Interactions, ItemId, UserId, UserItems, random};

/// The training pairs of one epoch: all rows, duplicates kept, shuffled by `(seed, epoch)` into `order`.
pub fn shuffle(rows: &Interactions, seed: u64, epoch: usize, order: &mut Vec<(UserId, ItemId)>) {
    order.clear();
    order.extend(rows.pairs());
    order.shuffle(&mut random::stream(seed, "shuffle", epoch as u64));
}

/// Cuts an epoch into batches. The short last batch is kept, unless it would hold a single pair (uniformity is
/// not defined on one row): then the pair joins the batch before.
pub fn batches(order: &[(UserId, ItemId)], batch_size: usize) -> impl Iterator<Item = &[(UserId, ItemId)]> {
    let n = order.len();
    let count = match n.div_ceil(batch_size) {
        count if count > 1 && n % batch_size == 1 => count - 1,
        count => count,
    };
    (0..count).map(move |batch| {
        let end = if batch + 1 == count { n } else { (batch + 1) * batch_size };
        &order[batch * batch_size..end]
    })
}

/// The most pairs a batch of [`batches`] can hold.
pub fn longest(batch_size: usize) -> usize {
    batch_size + 1
}

/// Draws an item uniformly among those that `user` has not touched in training.
///
/// # Panics
/// Never returns if the user touched every item; callers check with [`check_sampling`] before training.
pub fn negative(positives: &UserItems, user: UserId, rng: &mut random::Random) -> ItemId {
    let n_items = positives.n_items() as u32;
    loop {
        let item = ItemId(rng.random_range(0..n_items));
        if !positives.contains(user, item) {
            return item;
        }
    }
}

/// Refuses data in which somebody touched every item, for whom no negative exists.
///
/// # Errors
/// [`rec_core::Error::Invalid`] naming the user.
pub fn check_sampling(positives: &UserItems) -> rec_core::Result<()> {
    for user in 0..positives.n_users() {
        let user = UserId::from_index(user);
        if positives.row(user).len() == positives.n_items() {
            return Err(rec_core::Error::invalid(format!(
                "user {user} touched all {} items in training: no negative can be drawn",
                positives.n_items()
            )));
        }
    }
    Ok(())
}
