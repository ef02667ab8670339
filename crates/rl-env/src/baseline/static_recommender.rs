//! By a user model's predictions.

use std::sync::Arc;

use rand::RngExt;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::bits::MaskedRows;
use crate::simulate::Predicted;
use crate::{Error, Result, Reward, States, sample};

/// How an item is chosen by its predicted feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Choice {
    /// The best.
    #[default]
    Greedy,
    /// Drawn with the probabilities of a softmax over the predictions.
    Softmax,
    /// The best, but with this probability (0.3 in the reference) any.
    EpsilonGreedy(f32),
    /// The best by `prediction + sqrt(2 ln n / n_i)` (UCB1, Auer et al., 2002), where `n_i` counts from 1 how often item
    /// `i` was recommended and `n` is their sum. The reference calls it LinUCB; [`LinUcb`](super::LinUcb) is that.
    Ucb,
}

/// Recommends by a user model's predictions, which stay as they are.
#[derive(Clone, Debug)]
pub struct StaticRecommender {
    predicted: Arc<Predicted>,
    choice: Choice,
    /// For [`Choice::Ucb`] how often each item was recommended, from 1.
    counts: Vec<u32>,
    scores: Vec<f32>,
}

impl StaticRecommender {
    /// A recommender that has recommended nothing yet.
    ///
    /// # Errors
    /// If the probability of a random item is not within 0 to 1.
    pub fn new(predicted: Arc<Predicted>, choice: Choice) -> Result<Self> {
        if let Choice::EpsilonGreedy(epsilon) = choice
            && !(0.0..=1.0).contains(&epsilon)
        {
            return Err(Error::config("epsilon-greedy", format!("is {epsilon}; accepts 0 to 1")));
        }
        let counts = vec![1; predicted.mean.n_items()];
        Ok(Self { predicted, choice, counts, scores: Vec::new() })
    }

    /// Chooses an item for each state, never a masked one, into `items`.
    ///
    /// # Errors
    /// If a state's user has no predictions.
    ///
    /// # Panics
    /// If every item is masked.
    pub fn act(
        &mut self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        rng: &mut Random,
        items: &mut Vec<u32>,
    ) -> Result<()> {
        let (mean, n) = (&self.predicted.mean, self.counts.len());
        if let Some(user) = states.users.iter().find(|&&user| user as usize >= mean.n_users()) {
            return Err(Error::invalid(format!("no predictions for user {user}")));
        }
        self.scores.clear();
        for &user in &states.users {
            self.scores.extend((0..n as u32).map(|item| mean.get(user, item)));
        }
        match self.choice {
            Choice::Greedy => sample::greedy(&mut self.scores, n, masked, items),
            Choice::Softmax => sample::categorical(&mut self.scores, n, masked, rng, items),
            Choice::EpsilonGreedy(epsilon) => {
                for row in self.scores.chunks_exact_mut(n) {
                    if rng.random::<f32>() < epsilon {
                        // The largest of independent uniform draws is any item; masked ones fall out below.
                        row.fill_with(|| rng.random());
                    }
                }
                sample::greedy(&mut self.scores, n, masked, items);
            }
            Choice::Ucb => {
                sample::mask(&mut self.scores, n, masked, f32::NEG_INFINITY);
                items.clear();
                for row in self.scores.chunks_exact(n) {
                    let total: u64 = self.counts.iter().map(|&count| u64::from(count)).sum();
                    let double_log = 2.0 * (total as f32).ln();
                    let mut best = (f32::NEG_INFINITY, None);
                    for (item, (&score, &count)) in row.iter().zip(&self.counts).enumerate() {
                        let bound = score + (double_log / count as f32).sqrt();
                        if bound > best.0 {
                            best = (bound, Some(item));
                        }
                    }
                    let item = best.1.expect("some item is not masked");
                    self.counts[item] += 1;
                    items.push(item as u32);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RewardMatrix;
    use crate::bits::BitMatrix;

    fn predicted() -> Arc<Predicted> {
        let cells = vec![0.1, 0.5, 0.3, 0.9, 0.8, 0.0];
        Arc::new(Predicted::new(RewardMatrix::new(2, 3, cells).unwrap(), None).unwrap())
    }

    fn states(users: &[u32]) -> States {
        let mut states = States::new(1);
        users.iter().for_each(|&user| states.push(user, &[3], &[0.0]));
        states
    }

    fn acted(choice: Choice, users: &[u32], masked: Option<MaskedRows<'_>>) -> Vec<u32> {
        let mut recommender = StaticRecommender::new(predicted(), choice).unwrap();
        let mut rng = rec_core::random::stream(1, "test", 0);
        let mut items = Vec::new();
        recommender.act(&states(users), masked, &mut rng, &mut items).unwrap();
        items
    }

    #[test]
    fn the_greedy_recommender_takes_the_best_that_is_not_masked() {
        assert_eq!(acted(Choice::Greedy, &[1, 0], None), [0, 1]);
        let mut bits = BitMatrix::new(2, 3);
        bits.insert(0, 0);
        bits.insert(1, 1);
        let masked = Some(MaskedRows { bits: &bits, rows: &[0, 1] });
        assert_eq!(acted(Choice::Greedy, &[1, 0], masked), [1, 2]);
        assert_eq!(acted(Choice::Ucb, &[1, 0], masked), [1, 2]);
        for choice in [Choice::Softmax, Choice::EpsilonGreedy(1.0)] {
            let rows = vec![0; 300];
            let masked = Some(MaskedRows { bits: &bits, rows: &rows });
            let items = acted(choice, &[1; 300], masked);
            assert!(!items.contains(&0) && items.contains(&1) && items.contains(&2), "{choice:?}");
        }
    }

    #[test]
    fn epsilon_is_the_share_of_random_items() {
        let items = acted(Choice::EpsilonGreedy(0.3), &[1; 9000], None);
        let share = |item: u32| items.iter().filter(|&&found| found == item).count() as f64 / 9000.0;
        for (item, expected) in [(0, 0.8), (1, 0.1), (2, 0.1)] {
            assert!((share(item) - expected).abs() < 0.02, "{item}: {}", share(item));
        }
        assert!(StaticRecommender::new(predicted(), Choice::EpsilonGreedy(1.5)).is_err());
    }

    #[test]
    fn upper_bounds_fall_with_every_recommendation() {
        // User 1, counts 1, 1, 1: bound sqrt(2 ln 3) for all, so item 0 (0.9). Then item 0 has sqrt(2 ln 4 / 2) = 1.177
        // against sqrt(2 ln 4) = 1.665 of the others: item 1 (0.8). Then 0: 0.9 + sqrt(ln 5) = 2.169, 1: 2.069,
        // 2: sqrt(2 ln 5) = 1.794.
        assert_eq!(acted(Choice::Ucb, &[1, 1, 1], None), [0, 1, 0]);
    }

    #[test]
    fn a_user_without_predictions_is_refused() {
        let mut recommender = StaticRecommender::new(predicted(), Choice::Greedy).unwrap();
        let mut rng = rec_core::random::stream(1, "test", 0);
        assert!(recommender.act(&states(&[2]), None, &mut rng, &mut Vec::new()).is_err());
    }
}
