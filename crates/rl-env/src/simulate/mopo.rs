//! Pessimism where the user model is unsure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Predicted, not_negative};
use crate::{Error, Result, Reward};

/// Settings of [`Mopo`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MopoConfig {
    /// The weight of the uncertainty.
    pub lambda_variance: f32,
}

impl Default for MopoConfig {
    fn default() -> Self {
        Self { lambda_variance: 0.05 }
    }
}

impl MopoConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        not_negative("mopo.lambda_variance", self.lambda_variance)
    }
}

/// `r(u, a) = R(u, a) - lambda V(u, a) - (min R - lambda max V)` (model-based offline policy optimisation, Yu et al.,
/// NeurIPS 2020).
#[derive(Clone, Debug)]
pub struct Mopo {
    predicted: Arc<Predicted>,
    lambda: f32,
    least: f32,
    most: f32,
}

impl Mopo {
    /// The reward of these predictions.
    ///
    /// # Errors
    /// If a setting does not hold or the predictions have no variance.
    pub fn new(predicted: Arc<Predicted>, config: &MopoConfig) -> Result<Self> {
        config.validate()?;
        let Some(variance) = &predicted.variance else {
            return Err(Error::invalid(
                "MOPO needs the user model's variance, these predictions have none: fit an ensemble",
            ));
        };
        let lambda = config.lambda_variance;
        let ((mean_least, mean_most), (variance_least, variance_most)) =
            (predicted.mean_range(), variance.range());
        let (least, most) = (mean_least - lambda * variance_most, mean_most - lambda * variance_least);
        Ok(Self { predicted, lambda, least, most })
    }
}

impl Reward for Mopo {
    fn n_users(&self) -> usize {
        self.predicted.mean.n_users()
    }

    fn n_items(&self) -> usize {
        self.predicted.mean.n_items()
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, _: &[u32]) -> f32 {
        // `new` refuses predictions without a variance.
        let variance = self.predicted.variance.as_ref().map_or(0.0, |variance| variance.get(user, item));
        self.predicted.mean.get(user, item) - self.lambda * variance - self.least
    }

    /// `[0, (max R - lambda min V) - (min R - lambda max V)]`; neither need be reached.
    fn range(&self) -> (f32, f32) {
        (0.0, self.most - self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_within_range, predicted};
    use super::*;
    use crate::RewardMatrix;

    #[test]
    fn mopo_subtracts_the_variance() {
        let mean = RewardMatrix::new(1, 2, vec![1.0, 3.0]).unwrap();
        let variance = RewardMatrix::new(1, 2, vec![0.2, 0.6]).unwrap();
        let predicted = Arc::new(Predicted::new(mean, Some(variance)).unwrap());
        let reward = Mopo::new(predicted, &MopoConfig { lambda_variance: 0.5 }).unwrap();
        // The least is 1 - 0.5 * 0.6 = 0.7.
        assert!((reward.reward(0, 0, &[]) - (1.0 - 0.1 - 0.7)).abs() < 1e-6);
        assert!((reward.reward(0, 1, &[]) - (3.0 - 0.3 - 0.7)).abs() < 1e-6);
        assert!((reward.range().1 - (3.0 - 0.1 - 0.7)).abs() < 1e-6);
    }

    #[test]
    fn mopo_needs_a_variance_and_stays_within_its_range() {
        let shared = predicted(7, 9, 2);
        assert_within_range(&Mopo::new(shared.clone(), &MopoConfig::default()).unwrap());
        let without = Arc::new(Predicted::new(shared.mean.clone(), None).unwrap());
        assert!(Mopo::new(without, &MopoConfig::default()).unwrap_err().to_string().contains("variance"));
        let config = MopoConfig { lambda_variance: -1.0 };
        assert!(Mopo::new(shared, &config).unwrap_err().to_string().contains("mopo.lambda_variance"));
    }
}
