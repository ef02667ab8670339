//! What a user model makes of every pair.

use crate::{Error, Result, Reward, RewardMatrix};

/// A user model's predictions for every user and item, shared by all simulated rewards.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// The predicted feedback: for an ensemble the mean of its members' means.
    pub mean: RewardMatrix,
    /// The uncertainty: for an ensemble the largest of its members' variances. None for models that do not tell.
    pub variance: Option<RewardMatrix>,
}

impl Predicted {
    /// Predictions with their uncertainty.
    ///
    /// # Errors
    /// If the two matrices differ in shape.
    pub fn new(mean: RewardMatrix, variance: Option<RewardMatrix>) -> Result<Self> {
        if let Some(variance) = &variance {
            let (found, expected) =
                ((variance.n_users(), variance.n_items()), (mean.n_users(), mean.n_items()));
            if found != expected {
                return Err(Error::invalid(format!(
                    "variances of {} x {} pairs for means of {} x {}",
                    found.0, found.1, expected.0, expected.1
                )));
            }
        }
        Ok(Self { mean, variance })
    }

    /// The least and the largest mean.
    pub(super) fn mean_range(&self) -> (f32, f32) {
        self.mean.range()
    }
}
