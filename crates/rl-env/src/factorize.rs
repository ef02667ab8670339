//! A dense truth from sparse ratings: matrix factorisation that fills every cell.
//!
//! ```text
//! r_ui ~ mean + b_u + b_i + p_u . q_i                     alternating least squares (the default)
//! r_ui ~ p_u . q_i                                        stochastic gradient descent (the reference's)
//! ```
//!
//! The reference has no biases and no penalty, so users and items with few ratings keep what they were drawn with, and
//! its truth is noisy there. The default shrinks them towards the mean.

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rec_core::random;
use serde::{Deserialize, Serialize};

use crate::features::LogColumns;
use crate::{Error, Result, RewardMatrix};

/// How the factors are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Factorization {
    /// Alternating least squares with biases.
    Als(Als),
    /// What EasyRL4Rec does for MovieLens-1M.
    Sgd(Sgd),
}

impl Default for Factorization {
    fn default() -> Self {
        Self::Als(Als::default())
    }
}

/// Alternating least squares with a mean, biases and a penalty that grows with the number of ratings (Zhou et al., AAIM
/// 2008).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Als {
    /// Length of the factors.
    pub factors: usize,
    /// Sweeps over users and items.
    pub sweeps: usize,
    /// Penalty on the squared factors, for each rating of the row.
    pub regularization: f64,
    /// Penalty on the squared biases, in ratings: a row with this many has half of its mean deviation as bias.
    pub bias_regularization: f64,
    /// Seeds the initial item factors.
    pub seed: u64,
}

impl Default for Als {
    fn default() -> Self {
        Self { factors: 6, sweeps: 15, regularization: 0.15, bias_regularization: 5.0, seed: 42 }
    }
}

/// Minibatch gradient descent on the mean squared error of `p_u . q_i`, without biases and without penalty. The defaults
/// are the reference's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Length of the factors.
    pub factors: usize,
    /// Passes over the ratings.
    pub epochs: usize,
    /// Ratings a step.
    pub batch: usize,
    /// Step size.
    pub learning_rate: f32,
    /// Share of the last step that is added to the next.
    pub momentum: f32,
    /// Standard deviation of the initial factors.
    pub init_std: f32,
    /// Seeds the initial factors and the order of the ratings.
    pub seed: u64,
}

impl Default for Sgd {
    fn default() -> Self {
        Self {
            factors: 6,
            epochs: 80,
            batch: 128,
            learning_rate: 0.1,
            momentum: 0.9,
            init_std: 1.0,
            seed: 42,
        }
    }
}

/// Fitted factors: `r_ui = mean + user_biases[u] + item_biases[i] + users[u] . items[i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    factors: usize,
    mean: f32,
    user_biases: Vec<f32>,
    item_biases: Vec<f32>,
    users: Vec<f32>,
    items: Vec<f32>,
}

impl Factorization {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        let positive = |key: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => Err(Error::config(key, format!("is {value}; accepts finite numbers above 0"))),
        };
        match self {
            Self::Als(als) => {
                positive("factorization.regularization", als.regularization)?;
                positive("factorization.bias_regularization", als.bias_regularization)
            }
            Self::Sgd(sgd) => {
                if sgd.batch == 0 {
                    return Err(Error::config("factorization.batch", "is 0; accepts whole numbers from 1"));
                }
                if !(0.0..1.0).contains(&sgd.momentum) {
                    let what = format!("is {}; accepts 0 to 1, 1 excluded", sgd.momentum);
                    return Err(Error::config("factorization.momentum", what));
                }
                positive("factorization.init_std", sgd.init_std.into())?;
                positive("factorization.learning_rate", sgd.learning_rate.into())
            }
        }
    }

    /// Fits the factors to `log`. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// Settings or a log that do not hold, an empty log, and [`Error::Diverged`].
    pub fn fit(&self, log: LogColumns<'_>, n_users: usize, n_items: usize) -> Result<Factors> {
        self.validate()?;
        log.validate(n_users, n_items)?;
        if log.is_empty() {
            return Err(Error::invalid("there is no rating to factorise"));
        }
        match self {
            Self::Als(als) => Ok(als.fit(log, n_users, n_items)),
            Self::Sgd(sgd) => sgd.fit(log, n_users, n_items),
        }
    }

    /// The whole matrix, every cell clipped to `range`.
    ///
    /// # Errors
    /// As [`Factorization::fit`].
    pub fn fill(
        &self,
        log: LogColumns<'_>,
        n_users: usize,
        n_items: usize,
        range: (f32, f32),
    ) -> Result<RewardMatrix> {
        self.fit(log, n_users, n_items)?.matrix(range)
    }
}

impl Factors {
    /// The prediction for a pair, unclipped.
    ///
    /// # Panics
    /// If there is no such user or item.
    pub fn predict(&self, user: u32, item: u32) -> f32 {
        let (user, item, n) = (user as usize, item as usize, self.factors);
        let (p, q) = (&self.users[user * n..(user + 1) * n], &self.items[item * n..(item + 1) * n]);
        self.mean + self.user_biases[user] + self.item_biases[item] + dot(p, q)
    }

    /// All predictions, clipped to `range`.
    ///
    /// # Errors
    /// If a prediction is not a number, or there are more than 2^31.
    pub fn matrix(&self, range: (f32, f32)) -> Result<RewardMatrix> {
        let (n_users, n_items) = (self.user_biases.len(), self.item_biases.len());
        // 8 GiB. Beyond, a truth should not be dense.
        let Some(size) = n_users.checked_mul(n_items).filter(|&size| size <= 1 << 31) else {
            return Err(Error::invalid(format!("a truth of {n_users} x {n_items} is too large")));
        };
        let mut cells = vec![0.0f32; size];
        cells.par_chunks_mut(n_items.max(1)).enumerate().for_each(|(user, row)| {
            for (item, cell) in row.iter_mut().enumerate() {
                *cell = self.predict(user as u32, item as u32).clamp(range.0, range.1);
            }
        });
        RewardMatrix::new(n_users, n_items, cells)
    }
}

impl Als {
    fn fit(&self, log: LogColumns<'_>, n_users: usize, n_items: usize) -> Factors {
        let n = self.factors;
        let mean = log.targets.iter().map(|&target| f64::from(target)).sum::<f64>() / log.len() as f64;
        let by_user = Rows::new(log.users, log.items, log.targets, n_users);
        let by_item = Rows::new(log.items, log.users, log.targets, n_items);
        // A row is its factors and its bias.
        let mut users = vec![0.0f64; n_users * (n + 1)];
        let mut items = vec![0.0f64; n_items * (n + 1)];
        let mut rng = random::stream(self.seed, "factorize items", 0);
        for row in items.chunks_mut(n + 1) {
            row[..n].iter_mut().for_each(|value| *value = 0.1 * f64::from(normal(&mut rng)));
        }
        for _ in 0..self.sweeps {
            self.solve(&mut users, &items, &by_user, mean);
            self.solve(&mut items, &users, &by_item, mean);
        }
        let part = |rows: &[f64]| {
            let factors = rows.chunks(n + 1).flat_map(|row| row[..n].iter().map(|&value| value as f32));
            let biases = rows.chunks(n + 1).map(|row| row[n] as f32);
            (factors.collect(), biases.collect())
        };
        let ((users, user_biases), (items, item_biases)) = (part(&users), part(&items));
        Factors { factors: n, mean: mean as f32, user_biases, item_biases, users, items }
    }

    /// The least squares solution of every row of `own`, the other side being fixed.
    fn solve(&self, own: &mut [f64], other: &[f64], rows: &Rows, mean: f64) {
        let width = self.factors + 1;
        own.par_chunks_mut(width).enumerate().for_each(|(row, own)| {
            let (others, targets) = rows.row(row);
            if others.is_empty() {
                return;
            }
            let mut a = vec![0.0; width * width];
            let mut b = vec![0.0; width];
            let mut x = vec![1.0; width];
            for (&id, &target) in others.iter().zip(targets) {
                let other = &other[id as usize * width..(id as usize + 1) * width];
                x[..width - 1].copy_from_slice(&other[..width - 1]);
                let residual = f64::from(target) - mean - other[width - 1];
                for i in 0..width {
                    for j in 0..=i {
                        a[i * width + j] += x[i] * x[j];
                    }
                    b[i] += x[i] * residual;
                }
            }
            for i in 0..width - 1 {
                a[i * width + i] += self.regularization * others.len() as f64;
            }
            a[width * width - 1] += self.bias_regularization;
            cholesky_solve(&mut a, &mut b);
            own.copy_from_slice(&b);
        });
    }
}

/// Solves `A x = b` for a positive definite `A`, of which the lower triangle is read; `x` replaces `b`.
pub(crate) fn cholesky_solve(a: &mut [f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = a[i * n + j] - (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum::<f64>();
            a[i * n + j] = if i == j { sum.max(f64::MIN_POSITIVE).sqrt() } else { sum / a[j * n + j] };
        }
    }
    for i in 0..n {
        b[i] = (b[i] - (0..i).map(|k| a[i * n + k] * b[k]).sum::<f64>()) / a[i * n + i];
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - (i + 1..n).map(|k| a[k * n + i] * b[k]).sum::<f64>()) / a[i * n + i];
    }
}

/// The ratings of every row (user or item).
struct Rows {
    offsets: Vec<usize>,
    others: Vec<u32>,
    targets: Vec<f32>,
}

impl Rows {
    fn new(own: &[u32], other: &[u32], targets: &[f32], n: usize) -> Self {
        let mut offsets = vec![0usize; n + 1];
        own.iter().for_each(|&id| offsets[id as usize + 1] += 1);
        (0..n).for_each(|id| offsets[id + 1] += offsets[id]);
        let mut next = offsets.clone();
        let (mut others, mut sorted) = (vec![0; own.len()], vec![0.0; own.len()]);
        for ((&id, &other), &target) in own.iter().zip(other).zip(targets) {
            others[next[id as usize]] = other;
            sorted[next[id as usize]] = target;
            next[id as usize] += 1;
        }
        Self { offsets, others, targets: sorted }
    }

    fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let rows = self.offsets[row]..self.offsets[row + 1];
        (&self.others[rows.clone()], &self.targets[rows])
    }
}

/// Factors with momentum. A row that a step does not touch would still coast on its momentum; it is brought up to date
/// when it is next needed, by the closed form of that coasting.
struct Momentum {
    factors: usize,
    values: Vec<f32>,
    velocity: Vec<f32>,
    steps: Vec<u32>,
}

impl Momentum {
    fn new(rows: usize, sgd: &Sgd, purpose: &str) -> Self {
        let mut rng = random::stream(sgd.seed, purpose, 0);
        let cells = rows * sgd.factors;
        let values = (0..cells).map(|_| sgd.init_std * normal(&mut rng)).collect();
        Self { factors: sgd.factors, values, velocity: vec![0.0; cells], steps: vec![0; rows] }
    }

    /// Row `row` as it is after `step` steps.
    fn catch_up(&mut self, row: usize, step: u32, sgd: &Sgd) {
        let missed = (step - self.steps[row]) as i32;
        self.steps[row] = step;
        if missed == 0 || sgd.momentum == 0.0 {
            return;
        }
        let decay = sgd.momentum.powi(missed);
        let coast = sgd.learning_rate * sgd.momentum * (1.0 - decay) / (1.0 - sgd.momentum);
        let cells = row * self.factors..(row + 1) * self.factors;
        for (value, velocity) in self.values[cells.clone()].iter_mut().zip(&mut self.velocity[cells]) {
            *value -= coast * *velocity;
            *velocity *= decay;
        }
    }

    /// One step of `row` with `gradient`.
    fn step(&mut self, row: usize, gradient: &[f32], sgd: &Sgd) {
        let cells = row * self.factors..(row + 1) * self.factors;
        let velocity = &mut self.velocity[cells.clone()];
        for ((value, velocity), gradient) in self.values[cells].iter_mut().zip(velocity).zip(gradient) {
            *velocity = sgd.momentum * *velocity + gradient;
            *value -= sgd.learning_rate * *velocity;
        }
        self.steps[row] += 1;
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.factors..(row + 1) * self.factors]
    }
}

impl Sgd {
    fn fit(&self, log: LogColumns<'_>, n_users: usize, n_items: usize) -> Result<Factors> {
        let n = self.factors;
        let mut users = Momentum::new(n_users, self, "factorize users");
        let mut items = Momentum::new(n_items, self, "factorize items");
        let mut gradients = (vec![0.0f32; n_users * n], vec![0.0f32; n_items * n]);
        let mut order: Vec<u32> = (0..log.len() as u32).collect();
        let (mut step, mut touched) = (0u32, (Vec::new(), Vec::new()));
        for epoch in 0..self.epochs {
            order.shuffle(&mut random::stream(self.seed, "factorize order", epoch as u64));
            let mut loss = 0.0f64;
            for batch in order.chunks(self.batch) {
                let scale = 2.0 / batch.len() as f32;
                for &row in batch {
                    let (user, item) = (log.users[row as usize] as usize, log.items[row as usize] as usize);
                    users.catch_up(user, step, self);
                    items.catch_up(item, step, self);
                    let (p, q) = (users.row(user), items.row(item));
                    let error = dot(p, q) - log.targets[row as usize];
                    loss += f64::from(error * error);
                    let into = gradients.0[user * n..(user + 1) * n].iter_mut();
                    into.zip(q).for_each(|(gradient, value)| *gradient += scale * error * value);
                    let into = gradients.1[item * n..(item + 1) * n].iter_mut();
                    into.zip(p).for_each(|(gradient, value)| *gradient += scale * error * value);
                    touched.0.push(user);
                    touched.1.push(item);
                }
                for (side, touched, gradients) in [
                    (&mut users, &mut touched.0, &mut gradients.0),
                    (&mut items, &mut touched.1, &mut gradients.1),
                ] {
                    touched.sort_unstable();
                    touched.dedup();
                    for row in touched.drain(..) {
                        let gradient = &mut gradients[row * n..(row + 1) * n];
                        side.step(row, gradient, self);
                        gradient.fill(0.0);
                    }
                }
                step += 1;
            }
            if !loss.is_finite() {
                return Err(Error::Diverged {
                    what: "the loss of the factorisation".into(),
                    updates: step.into(),
                });
            }
        }
        (0..n_users).for_each(|row| users.catch_up(row, step, self));
        (0..n_items).for_each(|row| items.catch_up(row, step, self));
        Ok(Factors {
            factors: n,
            mean: 0.0,
            user_biases: vec![0.0; n_users],
            item_biases: vec![0.0; n_items],
            users: users.values,
            items: items.values,
        })
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// A draw from the standard normal distribution (Box and Muller).
pub(crate) fn normal(rng: &mut random::Random) -> f32 {
    let (a, b): (f64, f64) = (rng.random(), rng.random());
    ((-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ratings of a rank-2 matrix with biases, of which a share is seen.
    fn ratings(share: f64, biased: bool) -> (Vec<u32>, Vec<u32>, Vec<f32>, Vec<f32>) {
        let mut rng = random::stream(1, "test", 0);
        let mut side = |n: usize| -> Vec<[f32; 3]> {
            (0..n).map(|_| [normal(&mut rng), normal(&mut rng), normal(&mut rng)]).collect()
        };
        let (p, q) = (side(60), side(40));
        let mut rng = random::stream(1, "seen", 0);
        let (mut users, mut items, mut targets, mut all) = (vec![], vec![], vec![], vec![]);
        for (u, p) in p.iter().enumerate() {
            for (i, q) in q.iter().enumerate() {
                let bias = if biased { 3.0 + p[2] + q[2] } else { 0.0 };
                let rating = bias + p[0] * q[0] + p[1] * q[1];
                all.push(rating);
                if rng.random_bool(share) {
                    users.push(u as u32);
                    items.push(i as u32);
                    targets.push(rating);
                }
            }
        }
        (users, items, targets, all)
    }

    fn error(method: &Factorization, share: f64, biased: bool) -> f64 {
        let (users, items, targets, all) = ratings(share, biased);
        let log = LogColumns { users: &users, items: &items, targets: &targets };
        let factors = method.fit(log, 60, 40).unwrap();
        let squares = all.iter().enumerate().map(|(at, &rating)| {
            let error = f64::from(factors.predict(at as u32 / 40, at as u32 % 40) - rating);
            error * error
        });
        (squares.sum::<f64>() / all.len() as f64).sqrt()
    }

    #[test]
    fn least_squares_fills_in_what_was_not_seen() {
        let als = Als { factors: 2, regularization: 1e-3, bias_regularization: 1e-3, sweeps: 60, seed: 1 };
        let error = error(&Factorization::Als(als), 0.5, true);
        assert!(error < 0.1, "{error}");
    }

    #[test]
    fn gradient_descent_fills_in_what_was_not_seen() {
        let sgd = Sgd { factors: 2, epochs: 300, batch: 16, learning_rate: 0.05, ..Sgd::default() };
        let error = error(&Factorization::Sgd(sgd), 0.6, false);
        assert!(error < 0.1, "{error}");
    }

    #[test]
    fn coasting_in_one_go_is_coasting_step_by_step() {
        let sgd = Sgd { factors: 2, ..Sgd::default() };
        let mut lazy = Momentum::new(3, &sgd, "x");
        let mut eager = Momentum::new(3, &sgd, "x");
        let gradient = [0.3, -2.0];
        for (step, row) in [0usize, 1, 0, 0, 2, 1, 2, 2, 2, 0].into_iter().enumerate() {
            lazy.catch_up(row, step as u32, &sgd);
            lazy.step(row, &gradient, &sgd);
            (0..3)
                .for_each(|other| eager.step(other, if other == row { &gradient } else { &[0.0; 2] }, &sgd));
        }
        (0..3).for_each(|row| lazy.catch_up(row, 10, &sgd));
        for (a, b) in lazy.values.iter().zip(&eager.values) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }

    #[test]
    fn rows_without_ratings_get_the_mean_and_cells_are_clipped() {
        let log = LogColumns { users: &[0, 0, 1], items: &[0, 1, 0], targets: &[5.0, 1.0, 3.0] };
        let matrix = Factorization::default().fill(log, 3, 3, (2.5, 3.5)).unwrap();
        assert_eq!(matrix.get(2, 2), 3.0);
        let one = matrix.get(0, 0);
        assert!((2.5..=3.5).contains(&one) && matrix.get(0, 1) < one, "{one}");
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let (users, items, targets, _) = ratings(0.5, true);
        let log = LogColumns { users: &users, items: &items, targets: &targets };
        let fit = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Factorization::default().fit(log, 60, 40).unwrap())
        };
        assert_eq!(fit(1), fit(3));
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let log = LogColumns { users: &[], items: &[], targets: &[] };
        assert!(Factorization::default().fit(log, 1, 1).is_err());
        let sgd = Sgd { momentum: 1.0, ..Sgd::default() };
        let error = Factorization::Sgd(sgd).validate().unwrap_err().to_string();
        assert!(error.starts_with("factorization.momentum: is 1"), "{error}");
        let log = LogColumns { users: &[0; 8], items: &[0; 8], targets: &[1e30; 8] };
        let sgd = Sgd { learning_rate: 10.0, ..Sgd::default() };
        assert!(matches!(Factorization::Sgd(sgd).fit(log, 1, 1), Err(Error::Diverged { .. })));
        let config: Factorization = serde_json::from_str(r#"{"method": "sgd", "epochs": 3}"#).unwrap();
        assert!(matches!(config, Factorization::Sgd(Sgd { epochs: 3, batch: 128, .. })));
        assert!(serde_json::from_str::<Factorization>(r#"{"method": "als", "epochs": 3}"#).is_err());
    }
}
