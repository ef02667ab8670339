//! Upper confidence bounds of a linear model.

use serde::{Deserialize, Serialize};

use crate::bits::MaskedRows;
use crate::{Error, LogColumns, Result, States, sample};

/// Settings of [`LinUcb`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinUcbConfig {
    /// The weight of the confidence bound.
    pub alpha: f64,
    /// The ridge: how strongly coefficients are drawn to 0.
    pub ridge: f64,
}

impl Default for LinUcbConfig {
    fn default() -> Self {
        Self { alpha: 1.0, ridge: 1.0 }
    }
}

impl LinUcbConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if !(self.alpha.is_finite() && self.alpha >= 0.0) {
            let what = format!("is {}; accepts finite numbers from 0", self.alpha);
            return Err(Error::config("lin_ucb.alpha", what));
        }
        if !(self.ridge.is_finite() && self.ridge > 0.0) {
            let what = format!("is {}; accepts finite numbers above 0", self.ridge);
            return Err(Error::config("lin_ucb.ridge", what));
        }
        Ok(())
    }
}

/// LinUCB (Li et al., WWW 2010, algorithm 1): for each user a ridge regression of feedback on item vectors,
///
/// `score(u, i) = x_i . A_u^-1 b_u + alpha sqrt(x_i . A_u^-1 x_i)`, `A_u = ridge I + sum x x^T`, `b_u = sum r x`.
///
/// The paper keeps one regression for each article over vectors of users; catalogues have more items than turns, so here
/// users are the arms' owners and items the contexts. Item vectors are scaled to length 1 and get a constant 1 behind them,
/// so that a user's mean is not drawn from the vectors.
#[derive(Clone, Debug)]
pub struct LinUcb {
    config: LinUcbConfig,
    /// The length of an item's vector, the constant included.
    dim: usize,
    /// `[n_items, dim]`.
    vectors: Vec<f64>,
    /// Of each user `A_u^-1`, `[n_users, dim, dim]`.
    inverses: Vec<f64>,
    /// Of each user `b_u`, `[n_users, dim]`.
    sums: Vec<f64>,
}

impl LinUcb {
    /// Before any feedback, over item vectors, row-major `[n_items, dim]`.
    ///
    /// # Errors
    /// If a setting does not hold or the vectors are not whole or not finite.
    pub fn new(vectors: &[f32], dim: usize, n_users: usize, config: &LinUcbConfig) -> Result<Self> {
        config.validate()?;
        if dim == 0 || vectors.is_empty() || !vectors.len().is_multiple_of(dim) {
            return Err(Error::invalid(format!("{} numbers are not item vectors of {dim}", vectors.len())));
        }
        if let Some(at) = vectors.iter().position(|x| !x.is_finite()) {
            return Err(Error::invalid(format!("the vector of item {} is not finite", at / dim)));
        }
        let mut scaled = Vec::with_capacity(vectors.len() / dim * (dim + 1));
        for vector in vectors.chunks_exact(dim) {
            let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let length = if length > 0.0 { length } else { 1.0 };
            scaled.extend(vector.iter().map(|&x| f64::from(x) / length));
            scaled.push(1.0);
        }
        let dim = dim + 1;
        let mut inverses = vec![0.0; n_users * dim * dim];
        for inverse in inverses.chunks_exact_mut(dim * dim) {
            inverse.iter_mut().step_by(dim + 1).for_each(|cell| *cell = 1.0 / config.ridge);
        }
        let sums = vec![0.0; n_users * dim];
        Ok(Self { config: *config, dim, vectors: scaled, inverses, sums })
    }

    /// Takes in a log, row by row.
    ///
    /// # Errors
    /// If the log does not hold.
    pub fn learn(&mut self, log: LogColumns<'_>) -> Result<()> {
        log.validate(self.sums.len() / self.dim, self.n_items())?;
        for row in 0..log.len() {
            self.update(log.users[row], log.items[row], log.targets[row]);
        }
        Ok(())
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.vectors.len() / self.dim
    }

    /// Takes in what `user` paid for `item`.
    ///
    /// # Panics
    /// If there is no such user or item.
    pub fn update(&mut self, user: u32, item: u32, reward: f32) {
        let (dim, user) = (self.dim, user as usize);
        let x = &self.vectors[item as usize * dim..(item as usize + 1) * dim];
        let inverse = &mut self.inverses[user * dim * dim..(user + 1) * dim * dim];
        // Sherman and Morrison: (A + x x^T)^-1 = A^-1 - v v^T / (1 + x . v) with v = A^-1 x.
        let v: Vec<f64> = inverse.chunks_exact(dim).map(|row| dot(row, x)).collect();
        let below = 1.0 + dot(&v, x);
        for (row, &a) in inverse.chunks_exact_mut(dim).zip(&v) {
            row.iter_mut().zip(&v).for_each(|(cell, &b)| *cell -= a * b / below);
        }
        let sum = &mut self.sums[user * dim..(user + 1) * dim];
        sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(reward) * x);
    }

    /// The expected feedback and the half width of its confidence bound (before `alpha`) of every item for `user`, in the
    /// order of items.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn estimates(&self, user: u32) -> impl Iterator<Item = (f64, f64)> + '_ {
        let (dim, user) = (self.dim, user as usize);
        let inverse = &self.inverses[user * dim * dim..(user + 1) * dim * dim];
        let sum = &self.sums[user * dim..(user + 1) * dim];
        let coefficients: Vec<f64> = inverse.chunks_exact(dim).map(|row| dot(row, sum)).collect();
        self.vectors.chunks_exact(dim).map(move |x| {
            let squared: f64 =
                inverse.chunks_exact(dim).zip(x).map(|(row, &x_row)| x_row * dot(row, x)).sum();
            (dot(&coefficients, x), squared.max(0.0).sqrt())
        })
    }

    /// The upper bound of every item for the user of each state, row-major `[n, n_items]`, into `scores`.
    ///
    /// # Errors
    /// If a state's user does not exist.
    pub fn bounds(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        let n_users = self.sums.len() / self.dim;
        if let Some(user) = states.users.iter().find(|&&user| user as usize >= n_users) {
            return Err(Error::invalid(format!("no user {user} among the {n_users} of LinUCB")));
        }
        scores.clear();
        for &user in &states.users {
            scores
                .extend(self.estimates(user).map(|(mean, width)| (mean + self.config.alpha * width) as f32));
        }
        Ok(())
    }

    /// Chooses for each state the item with the highest bound, never a masked one, into `items`. Nothing is learned:
    /// [`Self::update`] does that.
    ///
    /// # Errors
    /// If a state's user does not exist.
    ///
    /// # Panics
    /// If every item is masked.
    pub fn act(&self, states: &States, masked: Option<MaskedRows<'_>>, items: &mut Vec<u32>) -> Result<()> {
        let mut scores = Vec::new();
        self.bounds(states, &mut scores)?;
        sample::greedy(&mut scores, self.n_items(), masked, items);
        Ok(())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `a^-1 b` by elimination; `a` is positive definite.
    fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for pivot in 0..n {
            for row in pivot + 1..n {
                let factor = a[row][pivot] / a[pivot][pivot];
                for column in pivot..n {
                    a[row][column] -= factor * a[pivot][column];
                }
                b[row] -= factor * b[pivot];
            }
        }
        for row in (0..n).rev() {
            let known: f64 = (row + 1..n).map(|column| a[row][column] * b[column]).sum();
            b[row] = (b[row] - known) / a[row][row];
        }
        b
    }

    proptest! {
        #[test]
        fn estimates_are_those_of_the_ridge_regression(
            vectors in prop::collection::vec(-2.0_f32..2.0, 12),
            rows in prop::collection::vec((0_u32..2, 0_u32..4, 0.0_f32..5.0), 0..40),
            ridge in 0.1_f64..3.0,
        ) {
            let config = LinUcbConfig { alpha: 1.0, ridge };
            let mut model = LinUcb::new(&vectors, 3, 2, &config).unwrap();
            let users: Vec<u32> = rows.iter().map(|row| row.0).collect();
            let items: Vec<u32> = rows.iter().map(|row| row.1).collect();
            let targets: Vec<f32> = rows.iter().map(|row| row.2).collect();
            model.learn(LogColumns { users: &users, items: &items, targets: &targets }).unwrap();
            let x: Vec<Vec<f64>> = vectors
                .chunks(3)
                .map(|row| {
                    let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
                    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                    let length = if length > 0.0 { length } else { 1.0 };
                    row.iter().map(|x| x / length).chain([1.0]).collect()
                })
                .collect();
            for user in 0..2 {
                let mut a = vec![vec![0.0; 4]; 4];
                let mut b = vec![0.0; 4];
                (0..4).for_each(|k| a[k][k] = ridge);
                for &(_, item, reward) in rows.iter().filter(|row| row.0 == user) {
                    let x = &x[item as usize];
                    for i in 0..4 {
                        b[i] += f64::from(reward) * x[i];
                        for j in 0..4 {
                            a[i][j] += x[i] * x[j];
                        }
                    }
                }
                let coefficients = solve(a.clone(), b);
                for (x, (mean, width)) in x.iter().zip(model.estimates(user)) {
                    prop_assert!((mean - dot(&coefficients, x)).abs() < 1e-6);
                    prop_assert!((width - dot(&solve(a.clone(), x.clone()), x).sqrt()).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn what_was_not_tried_has_the_wider_bound_and_feedback_wins_in_the_end() {
        let mut model = LinUcb::new(&[1.0, 0.0, 0.0, 1.0], 2, 1, &LinUcbConfig::default()).unwrap();
        let (mut states, mut items) = (States::new(1), Vec::new());
        states.push(0, &[2], &[0.0]);
        model.update(0, 0, 0.1);
        model.act(&states, None, &mut items).unwrap();
        assert_eq!(items, [1]);
        for _ in 0..50 {
            model.update(0, 0, 2.0);
            model.update(0, 1, 0.5);
        }
        model.act(&states, None, &mut items).unwrap();
        assert_eq!(items, [0]);
        states.push(1, &[2], &[0.0]);
        assert!(model.act(&states, None, &mut items).is_err());
    }

    #[test]
    fn strange_vectors_and_settings_are_refused() {
        let config = LinUcbConfig::default();
        assert!(LinUcb::new(&[1.0; 5], 2, 1, &config).is_err());
        assert!(LinUcb::new(&[f32::NAN; 4], 2, 1, &config).unwrap_err().to_string().contains("item 0"));
        assert!(LinUcb::new(&[1.0; 4], 2, 1, &LinUcbConfig { ridge: 0.0, ..config }).is_err());
        let log = LogColumns { users: &[1], items: &[0], targets: &[1.0] };
        assert!(LinUcb::new(&[1.0; 4], 2, 1, &config).unwrap().learn(log).is_err());
    }
}
