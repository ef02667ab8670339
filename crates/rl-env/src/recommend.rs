//! A policy as a recommender: what it would show next, asked of many users at once.

use std::sync::{Mutex, PoisonError};

use rec_core::rank::top_k;
use rec_core::{Query, Rankings, Recommender};

use crate::policy::Policy;
use crate::{Error, RewardScale, States};

/// Queries that the policy scores together.
const BATCH: usize = 256;

/// Ranks items by a policy's scores in the state that a user's history makes: the latest items of the query, each as if
/// it had been recommended and had earned `reward`.
///
/// The user's id is handed on; the policies of this crate look at the history alone, so unknown users are answered too.
///
/// ```
/// use rec_core::{Query, Recommender};
/// use rl_env::policy::{A2c, A2cConfig};
/// use rl_env::tracker::ItemVectors;
/// use rl_env::{PolicyRecommender, RewardScale};
///
/// let items = ItemVectors::random(20, 8, &mut rec_core::random::stream(1, "items", 0));
/// let device = burn::tensor::Device::flex().autodiff();
/// let policy = A2c::new(&A2cConfig::default(), &items, 1, &device)?;
/// let recommender = PolicyRecommender::new(Box::new(policy), RewardScale::Raw, 1.0);
/// let history = [rec_core::ItemId(3), rec_core::ItemId(5)];
/// let query = Query { history: &history, exclude: &history, ..Query::default() };
/// assert_eq!(recommender.recommend(&[query], 4)?.row(0).len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PolicyRecommender {
    /// Models are asked by one thread at a time; they use several themselves.
    policy: Mutex<Box<dyn Policy>>,
    n_items: usize,
    window: usize,
    scale: RewardScale,
    reward: f32,
}

impl std::fmt::Debug for PolicyRecommender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { policy: _, n_items, window, scale, reward } = self;
        f.debug_struct("PolicyRecommender")
            .field("n_items", n_items)
            .field("window", window)
            .field("scale", scale)
            .field("reward", reward)
            .finish_non_exhaustive()
    }
}

impl PolicyRecommender {
    /// Ranks by `policy`, which was trained on rewards that entered its states on `scale`; an item of a history counts as one
    /// that earned `reward`.
    pub fn new(policy: Box<dyn Policy>, scale: RewardScale, reward: f32) -> Self {
        let (n_items, window) = (policy.n_items(), policy.window());
        Self { policy: Mutex::new(policy), n_items, window, scale, reward }
    }

    /// The states of `queries`.
    fn states(&self, queries: &[Query<'_>]) -> rec_core::Result<States> {
        let mut states = States::scaled(self.window, self.scale);
        let (mut trail, mut rewards) = (Vec::new(), Vec::new());
        for query in queries {
            trail.clear();
            rewards.clear();
            let latest = &query.history[query.history.len().saturating_sub(self.window)..];
            if let Some(item) = latest.iter().find(|item| item.index() >= self.n_items) {
                let what =
                    format!("the history has item {item}, which is not below the {} items", self.n_items);
                return Err(rec_core::Error::invalid(what));
            }
            // "None yet" opens an episode that has no item.
            if latest.is_empty() {
                trail.push(self.n_items as u32);
                rewards.push(0.0);
            }
            trail.extend(latest.iter().map(|item| item.0));
            rewards.resize(trail.len(), self.reward);
            states.push(query.user.map_or(0, |user| user.0), &trail, &rewards);
        }
        Ok(states)
    }
}

impl Recommender for PolicyRecommender {
    fn n_items(&self) -> usize {
        self.n_items
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        let mut rankings = Rankings::empty(k, queries.len());
        let mut answers = rankings.rows_mut();
        let mut scores = Vec::new();
        for batch in queries.chunks(BATCH) {
            let states = self.states(batch)?;
            {
                let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
                let failed = |error: Error| rec_core::Error::Model(Box::new(error));
                policy.scores(&states, &mut scores).map_err(failed)?;
            }
            let rows = scores.chunks_exact(self.n_items);
            for ((query, row), (out, length)) in batch.iter().zip(rows).zip(&mut answers) {
                *length = top_k(row, query.exclude, query.candidates, out)?;
            }
        }
        drop(answers);
        Ok(rankings)
    }
}

#[cfg(test)]
mod tests {
    use rec_core::random::{self, Random};
    use rec_core::{ItemId, UserId};

    use super::*;
    use crate::Result;
    use crate::bits::MaskedRows;
    use crate::policy::{A2c, A2cConfig, Acting, Actions, Schedule};
    use crate::tracker::ItemVectors;

    /// Scores an item by what it earned, or by 1 / (1 + id) if it is not in the state.
    struct Echo;

    impl Policy for Echo {
        fn n_items(&self) -> usize {
            6
        }

        fn window(&self) -> usize {
            2
        }

        fn schedule(&self) -> Schedule {
            Schedule::Offline
        }

        fn act(
            &self,
            _: &States,
            _: Option<MaskedRows<'_>>,
            _: Acting,
            _: &mut Random,
            _: &mut Actions,
        ) -> Result<()> {
            unreachable!("a recommender asks for scores")
        }

        fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
            scores.clear();
            for state in 0..states.len() {
                let cells = state * 2..state * 2 + usize::from(states.lengths[state]);
                let pairs = states.items[cells.clone()].iter().zip(&states.rewards[cells]);
                let mut row: Vec<f32> = (0..6).map(|item| 1.0 / (1.0 + item as f32)).collect();
                for (&item, &reward) in pairs {
                    if let Some(score) = row.get_mut(item as usize) {
                        *score = 10.0 + reward + item as f32;
                    }
                }
                scores.extend(row);
            }
            Ok(())
        }
    }

    fn items(rankings: &Rankings, row: usize) -> Vec<u32> {
        rankings.row(row).iter().map(|scored| scored.item.0).collect()
    }

    #[test]
    fn the_latest_items_make_the_state_and_what_is_excluded_stays_out() {
        let recommender = PolicyRecommender::new(Box::new(Echo), RewardScale::Raw, 1.0);
        let history = [ItemId(4), ItemId(1), ItemId(5)];
        let queries = [
            Query { user: Some(UserId(9)), history: &history, ..Query::default() },
            Query { history: &history, exclude: &[ItemId(1), ItemId(4), ItemId(5)], ..Query::default() },
            Query::default(),
            Query { candidates: Some(&[ItemId(2), ItemId(5)]), ..Query::default() },
        ];
        let rankings = recommender.recommend(&queries, 3).unwrap();
        // Item 4 is older than the window.
        assert_eq!(items(&rankings, 0), [5, 1, 0]);
        assert_eq!(items(&rankings, 1), [0, 2, 3]);
        assert_eq!(items(&rankings, 2), [0, 1, 2]);
        assert_eq!(items(&rankings, 3), [2, 5]);
        assert_eq!(rankings.row(0)[0].score, 16.0);
        let unknown = Query { history: &[ItemId(6)], ..Query::default() };
        assert!(recommender.recommend(&[unknown], 1).unwrap_err().to_string().contains("6 items"));
    }

    #[test]
    fn batches_do_not_change_the_answer() {
        let vectors = ItemVectors::random(30, 8, &mut random::stream(3, "items", 0));
        let device = burn::tensor::Device::flex().autodiff();
        let policy = A2c::new(&A2cConfig::default(), &vectors, 3, &device).unwrap();
        let recommender = PolicyRecommender::new(Box::new(policy), RewardScale::Raw, 1.0);
        let histories: Vec<Vec<ItemId>> = (0..BATCH as u32 + 40)
            .map(|user| (0..user % 7).map(|at| ItemId((user * 5 + at * 3) % 30)).collect())
            .collect();
        let queries: Vec<Query<'_>> =
            histories.iter().map(|history| Query { history, ..Query::default() }).collect();
        let together = recommender.recommend(&queries, 5).unwrap();
        for place in [0, 1, BATCH - 1, BATCH, BATCH + 39] {
            let alone = recommender.recommend(&queries[place..=place], 5).unwrap();
            assert_eq!(items(&alone, 0), items(&together, place));
        }
    }
}
