//! Approximate top-k for large catalogues: maximum inner product search through a nearest-neighbour graph (HNSW).
//!
//! A graph of neighbours needs a distance, and the inner product is none. With `M` the greatest norm of an item, the
//! items `(y, sqrt(M^2 - |y|^2))` and the query `(x, 0)` satisfy `|x' - y'|^2 = |x|^2 + M^2 - 2 x . y`, so that the
//! nearest item is the one of greatest inner product (Bachrach et al., RecSys 2014).

use instant_distance::{Builder, Hnsw, Point, Search};
use rec_core::{Error, ItemId, Result, ScoredItem};

use crate::{Embeddings, Scoring};

/// An index over the items of a model.
pub struct Index {
    graph: Hnsw<Augmented>,
    /// The item of each point of the graph.
    items: Vec<ItemId>,
    dim: usize,
    scoring: Scoring,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { graph: _, items, dim, scoring } = self;
        f.debug_struct("Index")
            .field("items", &items.len())
            .field("dim", dim)
            .field("scoring", scoring)
            .finish_non_exhaustive()
    }
}

/// A vector and what lifts it to the common norm.
#[derive(Clone, Debug)]
struct Augmented {
    vector: Box<[f32]>,
    lift: f32,
}

impl Point for Augmented {
    fn distance(&self, other: &Self) -> f32 {
        let lift = self.lift - other.lift;
        let squares = self.vector.iter().zip(&other.vector).map(|(a, b)| (a - b) * (a - b));
        squares.fold(lift * lift, |sum, square| sum + square).sqrt()
    }
}

impl Index {
    /// Builds the index on one thread, since the order of insertions shapes the graph: the same model and seed give
    /// the same index. `breadth` is how many candidates a search keeps, and so the most items that come back; 100 is a
    /// good start. More is slower and finds more of the true top items.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no thread can be started.
    pub fn build(model: &Embeddings, breadth: usize, seed: u64) -> Result<Self> {
        let (dim, scoring) = (model.dim(), model.scoring());
        let vectors = model.items().chunks_exact(dim).map(|item| scaled(item, scoring));
        let vectors: Vec<Box<[f32]>> = vectors.collect();
        let greatest = vectors.iter().map(|vector| square(vector)).fold(0.0, f32::max);
        let points: Vec<Augmented> = vectors
            .into_iter()
            .map(|vector| Augmented { lift: (greatest - square(&vector)).max(0.0).sqrt(), vector })
            .collect();
        let builder = Builder::default().ef_search(breadth).ef_construction(breadth).seed(seed);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(|error| Error::invalid(format!("the index needs a thread: {error}")))?;
        let (graph, places) = pool.install(|| builder.build_hnsw(points));
        let mut items = vec![ItemId(0); places.len()];
        for (item, place) in places.into_iter().enumerate() {
            items[place.into_inner() as usize] = ItemId::from_index(item);
        }
        Ok(Self { graph, items, dim, scoring })
    }

    /// At most `k` items of high score for `vector`, best first, without those in `exclude` (ascending). Fewer come
    /// back where the search kept fewer that are not excluded.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a vector of another length than the model's.
    pub fn top_k(&self, vector: &[f32], exclude: &[ItemId], k: usize) -> Result<Vec<ScoredItem>> {
        if vector.len() != self.dim {
            let what = format!("a vector of {} numbers, the index has {}", vector.len(), self.dim);
            return Err(Error::invalid(what));
        }
        let query = Augmented { vector: scaled(vector, self.scoring), lift: 0.0 };
        let mut search = Search::default();
        let mut found: Vec<ScoredItem> = self
            .graph
            .search(&query, &mut search)
            .map(|near| {
                let score = near.point.vector.iter().zip(&query.vector).map(|(a, b)| a * b).sum();
                ScoredItem { item: self.items[near.pid.into_inner() as usize], score }
            })
            .filter(|scored| exclude.binary_search(&scored.item).is_err())
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        found.truncate(k);
        Ok(found)
    }
}

fn square(vector: &[f32]) -> f32 {
    vector.iter().map(|x| x * x).sum()
}

/// The vector as it is scored.
fn scaled(vector: &[f32], scoring: Scoring) -> Box<[f32]> {
    let scale = match scoring {
        Scoring::Dot => 1.0,
        Scoring::Cosine => 1.0 / square(vector).sqrt().max(1e-12),
    };
    vector.iter().map(|x| x * scale).collect()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rec_core::{Query, Recommender, UserId, random};

    use super::*;

    #[test]
    fn finds_nearly_all_of_the_exact_top_items() {
        let mut rng = random::stream(3, "ann test", 0);
        let (dim, n_users, n_items, k) = (16, 60, 1200, 20);
        let mut table = |rows: usize| -> Vec<f32> {
            // Norms that differ by a factor of four are what the augmentation is for.
            let row = |rng: &mut random::Random| {
                let norm = 0.5 + 1.5 * rng.random::<f32>();
                (0..dim).map(|_| norm * (rng.random::<f32>() - 0.5)).collect::<Vec<f32>>()
            };
            (0..rows).flat_map(|_| row(&mut rng)).collect()
        };
        let (users, items) = (table(n_users), table(n_items));
        for scoring in [Scoring::Dot, Scoring::Cosine] {
            let model = Embeddings::new(dim, users.clone(), items.clone(), scoring);
            let index = Index::build(&model, 100, 1).unwrap();
            let again = Index::build(&model, 100, 1).unwrap();
            let mut hits = 0;
            for user in 0..n_users {
                let user = UserId::from_index(user);
                let query = Query { user: Some(user), exclude: &[ItemId(7)], ..Query::default() };
                let exact = model.recommend(&[query], k).unwrap();
                let found = index.top_k(model.user(user), query.exclude, k).unwrap();
                assert_eq!(found, again.top_k(model.user(user), query.exclude, k).unwrap());
                assert!(found.iter().all(|scored| scored.item != ItemId(7)));
                for scored in &found {
                    if let Some(same) = exact.row(0).iter().find(|other| other.item == scored.item) {
                        assert!((same.score - scored.score).abs() < 1e-5);
                        hits += 1;
                    }
                }
            }
            let recall = f64::from(hits) / (n_users * k) as f64;
            assert!(recall > 0.95, "{scoring:?}: recall {recall}");
        }
        let model = Embeddings::new(dim, users, items, Scoring::Dot);
        assert!(Index::build(&model, 20, 1).unwrap().top_k(&[1.0], &[], 1).is_err());
    }
}
