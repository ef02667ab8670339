//! What a model that scores from a history takes as the history, one rule for all of them.

use rec_core::{Error, ItemId, Query, Result, UserItems};

/// The items that `query` is scored from: the *training* row of a user who has one, and `query.history` of anybody
/// else (no user given, a user above those of training, a user held out of training).
///
/// A known user is scored from what the model was fitted on, so that a ranking does not depend on how much of the
/// user's later life the caller passes along; to score a known user from another history, leave `query.user` out.
/// Items that occur several times in a history count once (`once` is scratch space for that).
///
/// # Errors
/// [`Error::Invalid`] for an item of the history that the training data does not know.
pub(crate) fn items<'a>(
    train: &'a UserItems,
    query: &Query<'_>,
    once: &'a mut Vec<ItemId>,
) -> Result<&'a [ItemId]> {
    if let Some(user) = query.user.filter(|user| user.index() < train.n_users()) {
        let row = train.row(user);
        if !row.is_empty() {
            return Ok(row);
        }
    }
    distinct(train.n_items(), query.history, once)?;
    Ok(once)
}

/// The distinct items of a history, ascending.
///
/// # Errors
/// [`Error::Invalid`] for an item that is not below `n_items`.
pub(crate) fn distinct(n_items: usize, history: &[ItemId], once: &mut Vec<ItemId>) -> Result<()> {
    once.clear();
    once.extend_from_slice(history);
    once.sort_unstable();
    once.dedup();
    match once.last() {
        Some(item) if item.index() >= n_items => {
            Err(Error::invalid(format!("item {item} of the history is not below the {n_items} items")))
        }
        _ => Ok(()),
    }
}
