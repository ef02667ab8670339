//! The prediction itself.

use std::sync::Arc;

use super::Predicted;
use crate::Reward;

/// `r(u, a) = R(u, a) - min R`.
#[derive(Clone, Debug)]
pub struct Base {
    predicted: Arc<Predicted>,
    least: f32,
}

impl Base {
    /// The reward of these predictions; their variance is not looked at.
    pub fn new(predicted: Arc<Predicted>) -> Self {
        let (least, _) = predicted.mean_range();
        Self { predicted, least }
    }
}

impl Reward for Base {
    fn n_users(&self) -> usize {
        self.predicted.mean.n_users()
    }

    fn n_items(&self) -> usize {
        self.predicted.mean.n_items()
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, _: &[u32]) -> f32 {
        self.predicted.mean.get(user, item) - self.least
    }

    /// `[0, max R - min R]`; both are reached.
    fn range(&self) -> (f32, f32) {
        (0.0, self.predicted.mean_range().1 - self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_within_range, predicted};
    use super::*;
    use crate::RewardMatrix;

    #[test]
    fn the_base_reward_is_the_prediction_above_the_least() {
        let mean = RewardMatrix::new(2, 2, vec![0.5, 2.0, 1.0, 1.25]).unwrap();
        let reward = Base::new(Arc::new(Predicted::new(mean, None).unwrap()));
        assert_eq!(reward.reward(0, 0, &[]), 0.0);
        assert_eq!(reward.reward(0, 1, &[1, 1]), 1.5);
        assert_eq!(reward.reward(1, 1, &[]), 0.75);
        assert_eq!(reward.range(), (0.0, 1.5));
        assert_within_range(&Base::new(predicted(7, 9, 1)));
    }
}
