//! User and item vectors as a recommender: fused full ranking, fold-in, similar items.

use std::sync::OnceLock;

use rayon::prelude::*;
use rec_core::rank::TopK;
use rec_core::{ItemId, Query, Rankings, Recommender, ScoredItem, UserId};

use crate::Scoring;
use crate::fused::rows::padded;
use crate::fused::simd::{Kernel, Simd, dispatch};
use crate::fused::uniformity::{TILE, gram, transpose_tile};

/// Queries that a thread ranks together: their vectors and a panel of items share the first-level cache.
const QUERIES: usize = 32;

/// The outputs of an encoder: one vector a user and one an item.
///
/// ```
/// use cf_align::{Embeddings, Scoring};
/// use rec_core::{ItemId, Query, Recommender, UserId};
/// let model = Embeddings::new(2, vec![1.0, 0.0], vec![0.1, 0.9, 0.8, 0.2, 0.5, 0.5], Scoring::Dot);
/// let query = Query { user: Some(UserId(0)), exclude: &[ItemId(1)], ..Query::default() };
/// let best = model.recommend(&[query], 2)?;
/// assert_eq!(best.row(0).iter().map(|hit| hit.item.0).collect::<Vec<_>>(), [2, 0]);
/// # Ok::<(), rec_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Embeddings {
    pub(crate) dim: usize,
    pub(crate) users: Vec<f32>,
    pub(crate) items: Vec<f32>,
    pub(crate) scoring: Scoring,
    /// The items as scored (normalised for cosine), transposed in panels of 64; made when first asked for.
    panels: OnceLock<Vec<f32>>,
}

impl Clone for Embeddings {
    fn clone(&self) -> Self {
        Self::new(self.dim, self.users.clone(), self.items.clone(), self.scoring)
    }
}

impl PartialEq for Embeddings {
    fn eq(&self, other: &Self) -> bool {
        (self.dim, self.scoring) == (other.dim, other.scoring)
            && self.users == other.users
            && self.items == other.items
    }
}

impl Embeddings {
    /// Row-major tables `[n_users, dim]` and `[n_items, dim]` as a model.
    ///
    /// # Panics
    /// If `dim` is 0 or a table is not a whole number of rows.
    pub fn new(dim: usize, users: Vec<f32>, items: Vec<f32>, scoring: Scoring) -> Self {
        assert!(
            dim > 0 && users.len().is_multiple_of(dim) && items.len().is_multiple_of(dim),
            "tables are not rows of {dim}"
        );
        Self { dim, users, items, scoring, panels: OnceLock::new() }
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How scores are made of the vectors.
    pub fn scoring(&self) -> Scoring {
        self.scoring
    }

    /// Users, row-major `[n_users, dim]`.
    pub fn users(&self) -> &[f32] {
        &self.users
    }

    /// Items, row-major `[n_items, dim]`.
    pub fn items(&self) -> &[f32] {
        &self.items
    }

    /// How many users there are.
    pub fn n_users(&self) -> usize {
        self.users.len() / self.dim
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.items.len() / self.dim
    }

    /// The vector of `user`.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn user(&self, user: UserId) -> &[f32] {
        &self.users[user.index() * self.dim..(user.index() + 1) * self.dim]
    }

    /// The vector of `item`.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn item(&self, item: ItemId) -> &[f32] {
        &self.items[item.index() * self.dim..(item.index() + 1) * self.dim]
    }

    /// A vector for somebody unseen in training, from what they touched: the mean of the items' directions.
    ///
    /// It minimises the alignment loss `sum |x - y_i|^2` over unit vectors `x` in closed form (up to its length,
    /// which scales all scores alike). `None` for an empty history.
    pub fn fold_in(&self, history: &[ItemId]) -> Option<Vec<f32>> {
        if history.is_empty() {
            return None;
        }
        let mut sum = vec![0.0; self.dim];
        for &item in history {
            let vector = self.item(item);
            let scale = 1.0 / (norm(vector) * history.len() as f32);
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += scale * x);
        }
        Some(sum)
    }

    /// The `k` items nearest to `item` by the cosine of their vectors, best first, without `item` itself.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn similar(&self, item: ItemId, k: usize) -> Vec<ScoredItem> {
        let target = self.item(item);
        let target_norm = norm(target);
        let mut scored: Vec<ScoredItem> = (0..self.n_items())
            .map(ItemId::from_index)
            .filter(|&other| other != item)
            .map(|other| {
                let vector = self.item(other);
                let product: f32 = target.iter().zip(vector).map(|(a, b)| a * b).sum();
                ScoredItem { item: other, score: product / (target_norm * norm(vector)) }
            })
            .collect();
        scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        scored.truncate(k);
        scored
    }

    /// The items as scored, transposed in panels `[tiles, width, 64]`, zero beyond the last item.
    fn panels(&self) -> &[f32] {
        self.panels.get_or_init(|| {
            let width = padded(self.dim);
            let mut panels = vec![0.0; self.n_items().div_ceil(TILE) * TILE * width];
            panels.par_chunks_mut(TILE * width).zip(self.items.par_chunks(TILE * self.dim)).for_each(
                |(panel, items)| {
                    let mut rows = vec![0.0; TILE * width];
                    for (row, item) in rows.chunks_exact_mut(width).zip(items.chunks_exact(self.dim)) {
                        row[..self.dim].copy_from_slice(item);
                        if self.scoring == Scoring::Cosine {
                            let scale = 1.0 / norm(item);
                            row.iter_mut().for_each(|x| *x *= scale);
                        }
                    }
                    transpose_tile(&rows, width, panel);
                },
            );
            panels
        })
    }

    /// The vector that answers `query`: the user's own, else the fold-in of the history.
    fn query_vector(&self, query: &Query<'_>, target: &mut [f32]) -> rec_core::Result<()> {
        match query.user {
            Some(user) if user.index() < self.n_users() => target.copy_from_slice(self.user(user)),
            _ => {
                if let Some(item) = query.history.iter().find(|item| item.index() >= self.n_items()) {
                    let what = format!("the history holds item {item}, the model knows {}", self.n_items());
                    return Err(rec_core::Error::invalid(what));
                }
                let vector = self.fold_in(query.history).ok_or_else(|| {
                    rec_core::Error::invalid("the user is unknown and has no history to fold in")
                })?;
                target.copy_from_slice(&vector);
            }
        }
        if self.scoring == Scoring::Cosine {
            let scale = 1.0 / norm(target);
            target.iter_mut().for_each(|x| *x *= scale);
        }
        Ok(())
    }
}

/// `max(|v|, 1e-12)`.
fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12)
}

impl Recommender for Embeddings {
    fn n_items(&self) -> usize {
        Embeddings::n_items(self)
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        let (width, n_items) = (padded(self.dim), Embeddings::n_items(self));
        let panels = self.panels();
        let mut rankings = Rankings::empty(k, queries.len());
        if k == 0 {
            return Ok(rankings);
        }
        let rows: Vec<(&mut [ScoredItem], &mut usize)> = rankings.rows_mut().collect();
        let mut tasks: Vec<_> = queries.chunks(QUERIES).zip(chunked(rows)).collect();
        tasks.par_iter_mut().try_for_each(|(queries, rows)| {
            // Rows of four at a time are multiplied: the number of vectors is rounded up, the rest is zero.
            let mut vectors = vec![0.0; queries.len().next_multiple_of(4) * width];
            for (query, vector) in queries.iter().zip(vectors.chunks_exact_mut(width)) {
                self.query_vector(query, &mut vector[..self.dim])?;
            }
            let mut best: Vec<TopK<'_>> = queries
                .iter()
                .zip(rows.iter_mut())
                .map(|(q, row)| TopK::new(&mut *row.0, q.exclude))
                .collect();
            let whole = queries.iter().all(|query| query.candidates.is_none());
            if whole {
                dispatch(RankTiles { vectors: &vectors, panels, n_items, width, best: &mut best })?;
            } else {
                for ((query, vector), best) in queries.iter().zip(vectors.chunks_exact(width)).zip(&mut best)
                {
                    let items: Box<dyn Iterator<Item = ItemId>> = match query.candidates {
                        Some(candidates) => Box::new(candidates.iter().copied()),
                        None => Box::new((0..n_items).map(ItemId::from_index)),
                    };
                    for item in items {
                        if item.index() >= n_items {
                            let what = format!("candidate {item}, the model knows {n_items} items");
                            return Err(rec_core::Error::invalid(what));
                        }
                        let row = self.item(item);
                        let product: f32 = vector.iter().zip(row).map(|(a, b)| a * b).sum();
                        let scale = if self.scoring == Scoring::Cosine { 1.0 / norm(row) } else { 1.0 };
                        best.offer(item, product * scale)?;
                    }
                }
            }
            let lengths: Vec<usize> = best.into_iter().map(TopK::finish).collect();
            for (row, length) in rows.iter_mut().zip(lengths) {
                *row.1 = length;
            }
            Ok(())
        })?;
        Ok(rankings)
    }
}

/// Cuts a vector into vectors of [`QUERIES`], moving its elements.
fn chunked<T>(values: Vec<T>) -> Vec<Vec<T>> {
    let mut chunks = Vec::with_capacity(values.len().div_ceil(QUERIES));
    let mut values = values.into_iter();
    loop {
        let chunk: Vec<T> = values.by_ref().take(QUERIES).collect();
        if chunk.is_empty() {
            return chunks;
        }
        chunks.push(chunk);
    }
}

/// Scores of a few queries against all items, panel by panel; each row of scores goes to its query's best list
/// while it is in the first-level cache.
struct RankTiles<'a, 'b> {
    vectors: &'a [f32],
    panels: &'a [f32],
    n_items: usize,
    width: usize,
    best: &'a mut [TopK<'b>],
}

impl Kernel for RankTiles<'_, '_> {
    type Output = rec_core::Result<()>;
    #[inline(always)]
    fn run<S: Simd>(self) -> rec_core::Result<()> {
        match S::COLUMNS {
            4 => rank_tiles::<S, 4>(self),
            2 => rank_tiles::<S, 2>(self),
            _ => rank_tiles::<S, 1>(self),
        }
    }
}

#[inline(always)]
fn rank_tiles<S: Simd, const C: usize>(work: RankTiles<'_, '_>) -> rec_core::Result<()> {
    let RankTiles { vectors, panels, n_items, width, best } = work;
    let queries = best.len();
    assert!(vectors.len() >= queries.next_multiple_of(4) * width);
    let mut scores = [0.0f32; 4 * TILE];
    for (tile, panel) in panels.chunks_exact(TILE * width).enumerate() {
        let first = tile * TILE;
        let items = TILE.min(n_items - first);
        for row in (0..queries).step_by(4) {
            for column in (0..TILE).step_by(C * S::LANES) {
                // SAFETY: four rows lie within `vectors` (its length is checked above), the panel is whole.
                let products = unsafe {
                    gram::<S, C>(vectors.as_ptr().add(row * width), width, panel.as_ptr().add(column), width)
                };
                for (r, products) in products.iter().enumerate() {
                    for (c, product) in products.iter().enumerate() {
                        // SAFETY: `column + C * LANES <= 64`, and there are four rows of 64.
                        unsafe {
                            S::store(scores.as_mut_ptr().add(r * TILE + column + c * S::LANES), *product);
                        }
                    }
                }
            }
            for (best, scores) in best[row..].iter_mut().zip(scores.chunks_exact(TILE)) {
                best.offer_chunk(ItemId::from_index(first), &scores[..items])?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fused::simd::Level;
    use proptest::prelude::*;

    fn naive(model: &Embeddings, query: &Query<'_>, k: usize) -> Vec<(u32, f64)> {
        let vector: Vec<f32> = match query.user {
            Some(user) => model.user(user).to_vec(),
            None => model.fold_in(query.history).unwrap(),
        };
        let mut all: Vec<(u32, f64)> = (0..model.n_items() as u32)
            .filter(|&i| !query.exclude.contains(&ItemId(i)))
            .filter(|&i| query.candidates.is_none_or(|c| c.contains(&ItemId(i))))
            .map(|i| {
                let item = model.item(ItemId(i));
                let product: f64 = vector.iter().zip(item).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let scale = match model.scoring() {
                    Scoring::Dot => 1.0,
                    Scoring::Cosine => f64::from(norm(item)) * f64::from(norm(&vector)),
                };
                (i, product / scale)
            })
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(k);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn ranking_equals_a_full_sort(
            n_items in 1usize..200, n_users in 1usize..40, dim in 1usize..40, k in 0usize..30, seed in 0u64..1000, cosine: bool,
        ) {
            let mut rng = rec_core::random::stream(seed, "embeddings-test", 0);
            let mut users = vec![0.0; n_users * dim];
            let mut items = vec![0.0; n_items * dim];
            crate::init::fill_normal(&mut users, 1.0, &mut rng);
            crate::init::fill_normal(&mut items, 1.0, &mut rng);
            let scoring = if cosine { Scoring::Cosine } else { Scoring::Dot };
            let model = Embeddings::new(dim, users, items, scoring);
            let exclude: Vec<ItemId> = (0..n_items as u32).filter(|i| i % 5 == 2).map(ItemId).collect();
            let candidates: Vec<ItemId> = (0..n_items as u32).filter(|i| i % 3 != 1).map(ItemId).collect();
            let history = [ItemId(0)];
            let queries: Vec<Query<'_>> = (0..n_users).map(|u| Query {
                user: (u % 7 != 3).then(|| UserId::from_index(u)),
                history: &history,
                exclude: if u % 2 == 0 { &exclude } else { &[] },
                candidates: (seed % 2 == 0 && u % 4 == 1).then_some(&candidates[..]),
            }).collect();
            let rankings = model.recommend(&queries, k).unwrap();
            for (query, row) in queries.iter().zip(rankings.rows()) {
                let expected = naive(&model, query, k);
                prop_assert_eq!(row.len(), expected.len());
                for (got, expected) in row.iter().zip(&expected) {
                    // Ids may differ where two scores agree to the last bits of f32.
                    prop_assert!((f64::from(got.score) - expected.1).abs() < 1e-4 * (1.0 + expected.1.abs()));
                }
            }
        }
    }

    #[test]
    fn equal_scores_go_by_id() {
        let model = Embeddings::new(1, vec![1.0], vec![1.0; 200], Scoring::Dot);
        let query = Query { user: Some(UserId(0)), exclude: &[ItemId(1)], ..Query::default() };
        let best = model.recommend(&[query], 4).unwrap();
        assert_eq!(best.row(0).iter().map(|hit| hit.item.0).collect::<Vec<_>>(), [0, 2, 3, 4]);
        assert!(crate::fused::simd::level() >= Level::Portable);
    }

    #[test]
    fn unknown_users_without_history_are_refused() {
        let model = Embeddings::new(1, vec![1.0], vec![1.0; 3], Scoring::Dot);
        let error = model.recommend(&[Query::default()], 1).unwrap_err();
        assert!(error.to_string().contains("no history"), "{error}");
    }
}
