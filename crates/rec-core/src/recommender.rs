//! What recommends, and what it is asked.

use crate::{ItemId, Result, UserId};

/// An item and the score a recommender gave it (higher is better; scales differ between recommenders).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoredItem {
    /// The item.
    pub item: ItemId,
    /// Its score; never NaN.
    pub score: f32,
}

/// One question: what to recommend to this user now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The user, if known in training. A recommender that needs only the history ignores it.
    pub user: Option<UserId>,
    /// What the user touched so far, oldest first.
    pub history: &'a [ItemId],
    /// Items that must not be recommended, ascending and without duplicates.
    pub exclude: &'a [ItemId],
    /// If given, rank only these items (ascending, without duplicates); otherwise the whole catalogue.
    pub candidates: Option<&'a [ItemId]>,
}

/// The answers to a batch of queries: for each an ordered list of at most `k` items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rankings {
    k: usize,
    items: Vec<ScoredItem>,
    lengths: Vec<usize>,
}

impl Rankings {
    /// No answers yet; each will have at most `k` items.
    pub fn with_capacity(k: usize, queries: usize) -> Self {
        Self { k, items: Vec::with_capacity(k * queries), lengths: Vec::with_capacity(queries) }
    }

    /// `queries` empty answers of at most `k` items, to be filled through [`Rankings::rows_mut`].
    pub fn empty(k: usize, queries: usize) -> Self {
        Self { k, items: vec![ScoredItem::default(); k * queries], lengths: vec![0; queries] }
    }

    /// Appends an answer: best first, at most `k` items (more are cut).
    pub fn push(&mut self, ranking: &[ScoredItem]) {
        let length = ranking.len().min(self.k);
        self.items.extend_from_slice(&ranking[..length]);
        self.items.resize((self.lengths.len() + 1) * self.k, ScoredItem::default());
        self.lengths.push(length);
    }

    /// The longest an answer can be.
    pub fn k(&self) -> usize {
        self.k
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no answer.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The answer to query `index`, best first.
    ///
    /// # Panics
    /// If there is no such query.
    pub fn row(&self, index: usize) -> &[ScoredItem] {
        &self.items[index * self.k..index * self.k + self.lengths[index]]
    }

    /// The answers in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[ScoredItem]> {
        (0..self.len()).map(|index| self.row(index))
    }

    /// For each query its buffer of `k` entries and the place of its length; write both. Disjoint, so that
    /// threads can fill them.
    pub fn rows_mut(&mut self) -> impl ExactSizeIterator<Item = (&mut [ScoredItem], &mut usize)> {
        // `chunks_exact_mut(0)` is not allowed, and with k = 0 there is nothing to write.
        self.items.chunks_exact_mut(self.k.max(1)).zip(self.lengths.iter_mut())
    }
}

/// The ability to recommend: the spine that popularity counts, trained embeddings, language models, policies and
/// teams of agents share, so that one evaluator judges them all.
///
/// Implementations parallelise inside [`recommend`](Recommender::recommend) as suits them; callers pass batches
/// of a few hundred to a few thousand queries and do not parallelise over calls.
pub trait Recommender: Send + Sync {
    /// How many items the catalogue has; answers hold ids below it.
    fn n_items(&self) -> usize;

    /// For each query the `k` best items, best first; equal scores are ordered by ascending item id. Excluded
    /// items never appear, so a list is shorter than `k` where too few items are left.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) where the model itself fails, [`Error::Invalid`](crate::Error::Invalid)
    /// for queries it cannot answer (an unknown user without history, say) and for NaN scores.
    fn recommend(&self, queries: &[Query<'_>], k: usize) -> Result<Rankings>;
}
