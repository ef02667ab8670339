//! The mean, and how far items and users are from it.

use rec_core::{Interactions, ItemId};

use super::{Prediction, RatingModel};
use crate::index::Rated;

/// Rows that a bias is shrunk by: a user of one rating keeps a tenth of what it says.
const SHRINK: f32 = 10.0;

/// `r_ui = m + b_i + b_u`, both shrunk towards zero; the user's from whatever history is at hand.
#[derive(Clone, Debug)]
pub struct Bias {
    /// The mean of all ratings.
    pub mean: f32,
    /// How far each item is from it.
    pub items: Vec<f32>,
    /// How far each user of training is from what the items say.
    pub users: Vec<f32>,
}

impl Bias {
    /// Fits items first, then users on what is left.
    pub fn fit(train: &Interactions, n_users: usize, n_items: usize) -> Self {
        let rating = |row: usize| train.ratings.as_ref().map_or(1.0, |ratings| ratings[row]);
        let n = train.len().max(1) as f64;
        let mean = ((0..train.len()).map(|row| f64::from(rating(row))).sum::<f64>() / n) as f32;
        let shrunk = |size: usize, of: &dyn Fn(usize) -> usize, rest: &dyn Fn(usize) -> f32| -> Vec<f32> {
            let mut sums = vec![(0.0_f32, SHRINK); size];
            for row in 0..train.len() {
                let entry = &mut sums[of(row)];
                *entry = (entry.0 + rest(row), entry.1 + 1.0);
            }
            sums.into_iter().map(|(sum, count)| sum / count).collect()
        };
        let items = shrunk(n_items, &|row| train.items[row].index(), &|row| rating(row) - mean);
        let users = shrunk(n_users, &|row| train.users[row].index(), &|row| {
            rating(row) - mean - items[train.items[row].index()]
        });
        Self { mean, items, users }
    }

    /// How far the owner of `history` is from what the items say.
    pub fn of_history(&self, history: &[Rated]) -> f32 {
        let rest: f32 = history.iter().map(|rated| rated.rating - self.mean - self.item(rated.item())).sum();
        rest / (history.len() as f32 + SHRINK)
    }

    /// How far `item` is from the mean; 0 for an unknown one.
    pub fn item(&self, item: ItemId) -> f32 {
        self.items.get(item.index()).copied().unwrap_or(0.0)
    }
}

impl RatingModel for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn predict(&self, history: &[Rated], item: ItemId) -> Prediction {
        let rating = self.mean + self.item(item) + self.of_history(history);
        Prediction { rating, support: history.len() as u32 }
    }
}

/// The bias of the user's latest ratings alone: moods change, and a person rates in sittings.
#[derive(Clone, Debug)]
pub struct RecentBias {
    /// The biases of the items.
    pub bias: std::sync::Arc<Bias>,
    /// How many ratings count.
    pub window: usize,
}

impl RatingModel for RecentBias {
    fn name(&self) -> &'static str {
        "recent-bias"
    }

    fn predict(&self, history: &[Rated], item: ItemId) -> Prediction {
        self.bias.predict(&history[history.len().saturating_sub(self.window)..], item)
    }
}
