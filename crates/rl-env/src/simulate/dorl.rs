//! A bonus for what the log shows to lead in many directions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{EntropyTable, Predicted, not_negative, same_number};
use crate::{Result, Reward};

/// Settings of [`Dorl`]; the windows are the [`EntropyTable`]'s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DorlConfig {
    /// The weight of the entropies: 5; 3 in the published runs on Coat.
    pub lambda_entropy: f32,
}

impl Default for DorlConfig {
    fn default() -> Self {
        Self { lambda_entropy: 5.0 }
    }
}

impl DorlConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        not_negative("dorl.lambda_entropy", self.lambda_entropy)
    }
}

/// `r(u, a) = R(u, a) + lambda sum_k H_k - (min R + lambda sum_k min H_k)`, where `H_k` is the entropy of the last `k`
/// items, `a` included (Gao et al., "Alleviating Matthew effect of offline reinforcement learning in interactive
/// recommendation", SIGIR 2023).
#[derive(Clone, Debug)]
pub struct Dorl {
    predicted: Arc<Predicted>,
    entropy: Arc<EntropyTable>,
    lambda: f32,
    least: f32,
    most: f32,
}

impl Dorl {
    /// The reward of these predictions.
    ///
    /// # Errors
    /// If a setting does not hold or the table is of another number of items.
    pub fn new(predicted: Arc<Predicted>, entropy: Arc<EntropyTable>, config: &DorlConfig) -> Result<Self> {
        config.validate()?;
        same_number("items in the table of entropies", entropy.n_items(), predicted.mean.n_items())?;
        let lambda = config.lambda_entropy;
        let ((mean_least, mean_most), (entropy_least, entropy_most)) =
            (predicted.mean_range(), entropy.range());
        let (least, most) = (mean_least + lambda * entropy_least, mean_most + lambda * entropy_most);
        Ok(Self { predicted, entropy, lambda, least, most })
    }
}

impl Reward for Dorl {
    fn n_users(&self) -> usize {
        self.predicted.mean.n_users()
    }

    fn n_items(&self) -> usize {
        self.predicted.mean.n_items()
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, taken: &[u32]) -> f32 {
        self.predicted.mean.get(user, item) + self.lambda * self.entropy.sum(item, taken) - self.least
    }

    /// `[0, (max R + lambda |K|) - (min R + lambda sum_k min H_k)]`; neither need be reached.
    fn range(&self) -> (f32, f32) {
        (0.0, self.most - self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_within_range, predicted};
    use super::super::{Base, EntropyLevel};
    use super::*;
    use crate::LogColumns;

    fn table(n_items: usize) -> Arc<EntropyTable> {
        let log = LogColumns { users: &[0; 5], items: &[0, 1, 0, 2, 0], targets: &[1.0; 5] };
        Arc::new(EntropyTable::from_log(log, EntropyLevel::Items { n_items }, &[1, 2]).unwrap())
    }

    #[test]
    fn dorl_adds_entropies_to_the_base_reward() {
        let predicted = predicted(4, 5, 3);
        let (base, entropy) = (Base::new(predicted.clone()), table(5));
        let reward = Dorl::new(predicted, entropy.clone(), &DorlConfig { lambda_entropy: 2.0 }).unwrap();
        for taken in [&[][..], &[0], &[1, 3]] {
            let bonus = 2.0 * (entropy.sum(1, taken) - entropy.range().0);
            assert!((reward.reward(2, 1, taken) - base.reward(2, 1, taken) - bonus).abs() < 1e-5);
        }
        assert_within_range(&reward);
    }

    #[test]
    fn dorl_refuses_a_table_of_other_items() {
        let error = Dorl::new(predicted(4, 5, 3), table(6), &DorlConfig::default()).unwrap_err();
        assert!(error.to_string().contains("6 items"), "{error}");
    }
}
