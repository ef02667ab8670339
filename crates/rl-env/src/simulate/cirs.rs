//! Boredom: what the user has just had of the like.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Predicted, not_negative, same_number};
use crate::metrics::{ItemTables, Likeness};
use crate::{Error, LogColumns, Result, Reward};

/// How exposure lowers the reward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CirsForm {
    /// `r / (1 + e)` (the reference's "v1").
    #[default]
    Divide,
    /// `max(0, r - e)` (the reference's "v2").
    Subtract,
}

/// Settings of [`Cirs`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CirsConfig {
    /// How exposure lowers the reward.
    pub form: CirsForm,
    /// How slowly exposure fades with turns and with distance; 0 switches it off, as in the reference.
    pub tau: f32,
    /// The weight of exposure.
    pub gamma: f32,
}

impl Default for CirsConfig {
    fn default() -> Self {
        Self { form: CirsForm::Divide, tau: 100.0, gamma: 1.0 }
    }
}

impl CirsConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        not_negative("cirs.tau", self.tau)?;
        not_negative("cirs.gamma", self.gamma)
    }
}

/// How much repetition bores each user and wears each item, as a user model learns it (`alpha_u` and `beta_i`).
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// One factor for each user.
    pub users: Vec<f32>,
    /// One factor for each item.
    pub items: Vec<f32>,
}

/// `r(u, a) = (R(u, a) - min R) / (1 + e)` with the exposure `e = gamma alpha_u beta_a sum_{s<t} exp(-(t - s) d(a, a_s) / tau)`
/// (counterfactual interactive recommender, Gao et al., TOIS 2023, equations 5 and 6; factors are 1 unless given).
#[derive(Clone, Debug)]
pub struct Cirs {
    predicted: Arc<Predicted>,
    tables: Arc<ItemTables>,
    sensitivity: Option<Arc<Sensitivity>>,
    config: CirsConfig,
    least: f32,
}

impl Cirs {
    /// The reward of these predictions. Items are as far apart as the tables' likeness tells: their distance, or one over
    /// the Jaccard likeness of their tags, so that items without a tag in common do not tire each other.
    ///
    /// # Errors
    /// If a setting does not hold or the numbers of users or items differ.
    pub fn new(
        predicted: Arc<Predicted>,
        tables: Arc<ItemTables>,
        sensitivity: Option<Arc<Sensitivity>>,
        config: &CirsConfig,
    ) -> Result<Self> {
        config.validate()?;
        let (n_users, n_items) = (predicted.mean.n_users(), predicted.mean.n_items());
        same_number("items with a likeness", tables.n_items(), n_items)?;
        if let Some(sensitivity) = &sensitivity {
            same_number("factors of users", sensitivity.users.len(), n_users)?;
            same_number("factors of items", sensitivity.items.len(), n_items)?;
            for (index, factor) in sensitivity.users.iter().chain(&sensitivity.items).enumerate() {
                if !(factor.is_finite() && *factor >= 0.0) {
                    return Err(Error::invalid(format!(
                        "sensitivity {index} (users first) is {factor}: below 0 it would divide by nothing"
                    )));
                }
            }
        }
        let (least, _) = predicted.mean_range();
        Ok(Self { predicted, tables, sensitivity, config: *config, least })
    }

    /// The exposure of `item` for `user` after `taken`, oldest first.
    #[inline]
    pub fn exposure(&self, user: u32, item: u32, taken: &[u32]) -> f32 {
        if self.config.tau == 0.0 {
            return 0.0;
        }
        let turns = taken.len();
        let mut sum = 0.0;
        for (turn, &other) in taken.iter().enumerate() {
            let distance = distance(self.tables.likeness(), item, other);
            sum += (-((turns - turn) as f32) * distance / self.config.tau).exp();
        }
        if let Some(factors) = &self.sensitivity {
            sum *= factors.users[user as usize] * factors.items[item as usize];
        }
        self.config.gamma * sum
    }
}

/// How far apart two items are: by distance the distance itself, by tags one over the Jaccard likeness, so infinite for
/// items without a tag in common; by identity infinite unless they are the same.
///
/// # Panics
/// If there is no such item.
#[inline]
fn distance(likeness: &Likeness, item: u32, other: u32) -> f32 {
    match likeness {
        Likeness::Distance(distances) => distances.get(item as usize, other as usize) as f32,
        Likeness::Tags(_) => (1.0 / likeness.of(item, other)) as f32,
        Likeness::Identity if item == other => 0.0,
        Likeness::Identity => f32::INFINITY,
    }
}

/// The exposure of each row of `log`: `sum exp(-(t - s) d(i, i_s) / tau)` over the at most `window` (30 in the reference)
/// rows of the same user before it, `t - s` rows apart; rows of a user stand in the order of time. What a user model with
/// exposure is fitted to (Gao et al., TOIS 2023, equation 5).
///
/// # Errors
/// If the log's columns do not fit each other, or `tau` is not above 0.
///
/// # Panics
/// If the likeness does not know an item.
pub fn exposure_of_log(
    log: LogColumns<'_>,
    likeness: &Likeness,
    tau: f32,
    window: usize,
) -> Result<Vec<f32>> {
    if !(tau.is_finite() && tau > 0.0) {
        return Err(Error::config("cirs.tau", format!("is {tau}; accepts finite numbers above 0")));
    }
    log.validate(usize::MAX, usize::MAX)?;
    let mut rows: Vec<usize> = (0..log.len()).collect();
    rows.sort_by_key(|&row| log.users[row]);
    let mut exposures = vec![0.0; log.len()];
    for rows in rows.chunk_by(|&a, &b| log.users[a] == log.users[b]) {
        for (at, &row) in rows.iter().enumerate() {
            let before = &rows[at.saturating_sub(window)..at];
            exposures[row] = before
                .iter()
                .rev()
                .enumerate()
                .map(|(back, &other)| {
                    let distance = distance(likeness, log.items[row], log.items[other]);
                    (-((back + 1) as f32) * distance / tau).exp()
                })
                .sum();
        }
    }
    Ok(exposures)
}

impl Reward for Cirs {
    fn n_users(&self) -> usize {
        self.predicted.mean.n_users()
    }

    fn n_items(&self) -> usize {
        self.predicted.mean.n_items()
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, taken: &[u32]) -> f32 {
        let reward = self.predicted.mean.get(user, item) - self.least;
        let exposure = self.exposure(user, item, taken);
        match self.config.form {
            CirsForm::Divide => reward / (1.0 + exposure),
            CirsForm::Subtract => (reward - exposure).max(0.0),
        }
    }

    /// `[0, max R - min R]`: exposure only lowers rewards, and not below 0.
    fn range(&self) -> (f32, f32) {
        (0.0, self.predicted.mean_range().1 - self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_within_range, predicted};
    use super::*;
    use crate::RewardMatrix;

    /// Three items on a line, at 0, 2 and 5.
    fn tables() -> Arc<ItemTables> {
        let columns = RewardMatrix::new(1, 3, vec![0.0, 2.0, 5.0]).unwrap();
        let likeness = Likeness::Distance(Arc::new(crate::ItemDistances::of(&columns)));
        Arc::new(ItemTables::new(likeness, vec![1.0; 3], Vec::new()).unwrap())
    }

    #[test]
    fn exposure_is_the_sum_worked_out_by_hand() {
        let mean = RewardMatrix::new(1, 3, vec![1.0, 2.0, 5.0]).unwrap();
        let predicted = Arc::new(Predicted::new(mean, None).unwrap());
        let config = CirsConfig { tau: 2.0, gamma: 0.5, ..CirsConfig::default() };
        let reward = Cirs::new(predicted.clone(), tables(), None, &config).unwrap();
        // Item 2 after 0 (two turns ago, distance 5) and 1 (one turn ago, distance 3).
        let sum = (-2.0 * 5.0 / 2.0_f32).exp() + (-3.0 / 2.0_f32).exp();
        assert!((reward.exposure(0, 2, &[0, 1]) - 0.5 * sum).abs() < 1e-6);
        assert!((reward.reward(0, 2, &[0, 1]) - 4.0 / (1.0 + 0.5 * sum)).abs() < 1e-6);
        assert_eq!(reward.reward(0, 2, &[]), 4.0);

        let factors = Sensitivity { users: vec![2.0], items: vec![1.0, 1.0, 3.0] };
        let config = CirsConfig { form: CirsForm::Subtract, ..config };
        let reward = Cirs::new(predicted, tables(), Some(Arc::new(factors)), &config).unwrap();
        // gamma alpha beta = 0.5 * 2 * 3.
        assert!((reward.reward(0, 2, &[0, 1]) - (4.0 - 3.0 * sum)).abs() < 1e-5);
        assert_eq!(reward.reward(0, 0, &[0, 0, 0]), 0.0);
    }

    #[test]
    fn items_without_common_tags_do_not_tire_each_other() {
        let likeness = Likeness::Tags(vec![0b01, 0b10, 0b11]);
        let tables = Arc::new(ItemTables::new(likeness, vec![1.0; 3], Vec::new()).unwrap());
        let reward = Cirs::new(predicted(2, 3, 4), tables, None, &CirsConfig::default()).unwrap();
        assert_eq!(reward.exposure(0, 0, &[1, 1]), 0.0);
        assert!(reward.exposure(0, 0, &[2]) > 0.9);
        assert_within_range(&reward);
    }

    #[test]
    fn exposure_of_a_log_goes_back_over_the_users_rows() {
        let log = LogColumns { users: &[1, 0, 1, 1], items: &[0, 1, 1, 2], targets: &[0.0; 4] };
        let found = exposure_of_log(log, tables().likeness(), 2.0, 30).unwrap();
        let third = (-3.0_f32 / 2.0).exp() + (-2.0 * 5.0 / 2.0_f32).exp();
        for (found, expected) in found.iter().zip([0.0, 0.0, (-2.0_f32 / 2.0).exp(), third]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        let short = exposure_of_log(log, tables().likeness(), 2.0, 1).unwrap();
        assert!((short[3] - (-3.0_f32 / 2.0).exp()).abs() < 1e-6);
        assert!(exposure_of_log(log, tables().likeness(), 0.0, 30).is_err());
    }

    #[test]
    fn cirs_refuses_tables_that_do_not_fit() {
        let config = CirsConfig::default();
        assert!(Cirs::new(predicted(2, 4, 4), tables(), None, &config).is_err());
        let factors = |users: Vec<f32>| Some(Arc::new(Sensitivity { users, items: vec![1.0; 3] }));
        assert!(Cirs::new(predicted(2, 3, 4), tables(), factors(vec![1.0]), &config).is_err());
        assert!(Cirs::new(predicted(2, 3, 4), tables(), factors(vec![1.0, -1.0]), &config).is_err());
        let config = CirsConfig { tau: f32::NAN, ..config };
        assert!(Cirs::new(predicted(2, 3, 4), tables(), None, &config).is_err());
    }
}
