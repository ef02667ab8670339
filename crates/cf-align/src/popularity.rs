//! The baselines that do not personalise: the most popular items, and items at random.

use rand::RngExt;
use rec_core::rank::score_and_rank;
use rec_core::{ItemId, Query, Rankings, Recommender, ScoredItem, UserItems, random};

/// Recommends what most users touched in training; equal counts are ordered by item id.
///
/// RecBole 1.2.1's `Pop` is another model, and a worse one: its in-place increment counts an item once for each
/// *batch* that holds it, drawn negatives included, so that all well-known items tie.
///
/// ```
/// use cf_align::Popularity;
/// use rec_core::{ItemId, Query, Recommender};
///
/// let model = Popularity::from_counts(vec![3, 7, 7, 0]);
/// let query = Query { exclude: &[ItemId(1)], ..Query::default() };
/// let rankings = model.recommend(&[query], 2)?;
/// assert_eq!(rankings.row(0)[0].item, ItemId(2));
/// assert_eq!(rankings.row(0)[1].item, ItemId(0));
/// # Ok::<(), rec_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popularity {
    counts: Vec<u32>,
    /// All items, best first.
    order: Vec<ItemId>,
    /// The place of each item in `order`.
    places: Vec<u32>,
}

impl Popularity {
    /// Counts the users of each item.
    pub fn fit(train: &UserItems) -> Self {
        Self::from_counts(train.item_counts())
    }

    /// A model of counts that are known already, one for each item.
    pub fn from_counts(counts: Vec<u32>) -> Self {
        let mut order: Vec<ItemId> = (0..counts.len()).map(ItemId::from_index).collect();
        order.sort_unstable_by_key(|&item| (std::cmp::Reverse(counts[item.index()]), item));
        let mut places = vec![0; counts.len()];
        for (place, item) in order.iter().enumerate() {
            places[item.index()] = place as u32;
        }
        Self { counts, order, places }
    }

    /// The count of each item, in item order.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    fn scored(&self, item: ItemId) -> ScoredItem {
        ScoredItem { item, score: self.counts[item.index()] as f32 }
    }
}

impl Recommender for Popularity {
    fn n_items(&self) -> usize {
        self.counts.len()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        let mut rankings = Rankings::with_capacity(k, queries.len());
        let mut row = Vec::with_capacity(k);
        let mut places = Vec::new();
        for query in queries {
            row.clear();
            let allowed = |item: &ItemId| query.exclude.binary_search(item).is_err();
            match query.candidates {
                None => {
                    row.extend(
                        self.order.iter().copied().filter(allowed).take(k).map(|item| self.scored(item)),
                    );
                }
                Some(candidates) => {
                    if let Some(item) = candidates.iter().find(|item| item.index() >= self.counts.len()) {
                        return Err(rec_core::Error::invalid(format!(
                            "candidate {item} is not below the {} items",
                            self.counts.len()
                        )));
                    }
                    places.clear();
                    places.extend(
                        candidates.iter().filter(|item| allowed(item)).map(|c| self.places[c.index()]),
                    );
                    places.sort_unstable();
                    row.extend(places.iter().take(k).map(|&place| self.scored(self.order[place as usize])));
                }
            }
            rankings.push(&row);
        }
        Ok(rankings)
    }
}

/// Recommends items in an order drawn uniformly at random, by a stream of its own for each user.
///
/// The same user gets the same order from the same seed, whatever the batch. A query without a user is answered
/// by a stream named after its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    /// How many items there are.
    pub n_items: usize,
    /// Names the streams.
    pub seed: u64,
}

impl Recommender for Random {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        score_and_rank(queries, k, self.n_items, |query, row| {
            let mut rng = match query.user {
                Some(user) => random::stream(self.seed, "random user", u64::from(user.0)),
                None => {
                    let name = query.history.iter().fold(query.history.len() as u64, |name, item| {
                        (name ^ u64::from(item.0)).wrapping_mul(0x0000_0100_0000_01b3)
                    });
                    random::stream(self.seed, "random history", name)
                }
            };
            row.iter_mut().for_each(|score| *score = rng.random());
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use rec_core::{Interactions, UserId};

    use super::*;

    fn items(rankings: &Rankings, row: usize) -> Vec<u32> {
        rankings.row(row).iter().map(|scored| scored.item.0).collect()
    }

    #[test]
    fn counts_users_once_and_breaks_ties_by_id() {
        let pairs = [(0, 2), (0, 2), (0, 1), (1, 1), (1, 3), (2, 3), (2, 0)];
        let rows = Interactions::from_pairs(
            pairs.iter().map(|&(user, _)| UserId(user)).collect(),
            pairs.iter().map(|&(_, item)| ItemId(item)).collect(),
        );
        let model = Popularity::fit(&UserItems::new(&rows, 3, 5));
        assert_eq!(model.counts(), [1, 2, 1, 2, 0]);
        let queries = [
            Query::default(),
            Query { exclude: &[ItemId(1), ItemId(2)], ..Query::default() },
            Query {
                exclude: &[ItemId(3)],
                candidates: Some(&[ItemId(0), ItemId(3), ItemId(4)]),
                ..Query::default()
            },
        ];
        let rankings = model.recommend(&queries, 4).unwrap();
        assert_eq!(items(&rankings, 0), [1, 3, 0, 2]);
        assert_eq!(items(&rankings, 1), [3, 0, 4]);
        assert_eq!(items(&rankings, 2), [0, 4]);
        assert_eq!(rankings.row(0)[0].score, 2.0);
        let outside = Query { candidates: Some(&[ItemId(5)]), ..Query::default() };
        assert!(model.recommend(&[outside], 1).unwrap_err().to_string().contains("candidate 5"));
    }

    #[test]
    fn random_orders_belong_to_users_and_seeds() {
        let model = Random { n_items: 40, seed: 1 };
        let of = |user| Query { user: Some(UserId(user)), ..Query::default() };
        let both = model.recommend(&[of(0), of(1), Query::default()], 40).unwrap();
        let again = model.recommend(&[of(1)], 40).unwrap();
        assert_eq!(items(&both, 1), items(&again, 0));
        assert_ne!(items(&both, 0), items(&both, 1));
        assert_ne!(items(&both, 0), items(&both, 2));
        let mut sorted = items(&both, 0);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..40).collect::<Vec<_>>());
        let other = Random { seed: 2, ..model }.recommend(&[of(1)], 40).unwrap();
        assert_ne!(items(&other, 0), items(&again, 0));
    }
}
