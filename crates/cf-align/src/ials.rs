//! iALS: implicit-feedback matrix factorisation by alternating least squares (Hu et al., ICDM 2008).
//!
//! ```text
//! objective = sum over all (u, i) of c_ui (p_ui - x_u . y_i)^2 + lambda (sum |x_u|^2 + sum |y_i|^2)
//! ```
//!
//! with `p = 1` and `c = alpha` for observed pairs, `p = 0` and `c = 1` for all others. The sum over all pairs is
//! never formed: `sum_i y_i y_i'` is computed once a half-sweep, and a row only adds what its observed pairs change.

use rand::RngExt;
use rayon::prelude::*;
use rec_core::rank::score_and_rank;
use rec_core::{ItemId, Query, Rankings, Recommender, UserId, UserItems, random};
use serde::{Deserialize, Serialize};

use crate::normal_equations::{Cholesky, gram, with_diagonal};
use crate::vector::{add_four_scaled, add_rows_scaled, add_scaled, dot, vectorised};
use crate::{Embeddings, Error, Result, Scoring, history};

/// Settings of [`Ials`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IalsConfig {
    /// Length of the factors.
    pub dim: usize,
    /// L2 penalty on the factors (`lambda`), the same for every row.
    pub regularization: f64,
    /// Confidence of an observed pair, where an unobserved one has 1. This is the convention of the `implicit`
    /// library; the paper's `1 + alpha r` with its own `alpha` is our `alpha` less 1, so that 1 weighs all pairs
    /// alike.
    pub alpha: f64,
    /// Sweeps over users and items.
    pub iterations: usize,
    /// How a row's normal equations are solved.
    pub solver: Solver,
    /// Seeds the initial factors.
    pub seed: u64,
}

/// How a row's normal equations are solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Solver {
    /// Conjugate gradients from the row's last value (Takács et al., RecSys 2011): `O(dim^2)` a step.
    ConjugateGradient {
        /// Steps in each half-sweep.
        steps: usize,
    },
    /// Exactly, in `f64`: `O(dim^3 + observed pairs * dim^2)` a row.
    Cholesky,
}

impl Default for IalsConfig {
    fn default() -> Self {
        Self {
            dim: 64,
            regularization: 10.0,
            alpha: 1.0,
            iterations: 15,
            solver: Solver::ConjugateGradient { steps: 3 },
            seed: 2020,
        }
    }
}

impl IalsConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if self.dim == 0 {
            return Err(Error::config("ials.dim", "is 0; accepts whole numbers from 1"));
        }
        for (key, value) in [("ials.regularization", self.regularization), ("ials.alpha", self.alpha)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::config(key, format!("is {value}; accepts finite numbers above 0")));
            }
        }
        if self.solver == (Solver::ConjugateGradient { steps: 0 }) {
            let key = "ials.solver.conjugate_gradient.steps";
            return Err(Error::config(key, "is 0; accepts whole numbers from 1"));
        }
        Ok(())
    }
}

/// A fitted model: `score(u, i) = x_u . y_i`.
///
/// A user with a training row is scored from the fitted factor; anybody else is folded in: scored from the factor
/// that minimises the objective for the query's history.
///
/// ```
/// use cf_align::{Ials, IalsConfig};
/// use rec_core::{Interactions, ItemId, Query, Recommender, UserId, UserItems};
///
/// let rows = Interactions::from_pairs(
///     [0, 0, 1, 1, 2, 2, 3, 3].map(UserId).to_vec(),
///     [0, 1, 0, 1, 2, 3, 2, 3].map(ItemId).to_vec(),
/// );
/// let config = IalsConfig { dim: 2, regularization: 0.1, ..IalsConfig::default() };
/// let model = Ials::fit(&UserItems::new(&rows, 4, 4), &config)?;
/// let query = Query { history: &[ItemId(2)], exclude: &[ItemId(2)], ..Query::default() };
/// assert_eq!(model.recommend(&[query], 1)?.row(0)[0].item, ItemId(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ials {
    config: IalsConfig,
    embeddings: Embeddings,
    /// `Y'Y + lambda I`, what a fold-in starts from.
    items_gram: Vec<f32>,
}

impl Ials {
    /// Alternates between users and items. The result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that do not hold.
    pub fn fit(train: &UserItems, config: &IalsConfig) -> Result<Self> {
        config.validate()?;
        let dim = config.dim;
        // The starting values of the `implicit` library: uniform in [0, 0.01).
        let start = |purpose, rows: usize| -> Vec<f32> {
            let mut rng = random::stream(config.seed, purpose, 0);
            (0..rows * dim).map(|_| rng.random::<f32>() * 0.01).collect()
        };
        let users = start("ials users", train.n_users());
        let items = start("ials items", train.n_items());
        Self::fit_from(train, config, users, items, |_, _, _| {})
    }

    /// Like [`Ials::fit`], but from given factors (row-major `[n_users, dim]` and `[n_items, dim]`), such as those of
    /// an earlier fit on less data, and calling `after` with the number of finished sweeps and the factors of users
    /// and items after each of them.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that do not hold, and for factors of another shape.
    pub fn fit_from(
        train: &UserItems,
        config: &IalsConfig,
        mut users: Vec<f32>,
        mut items: Vec<f32>,
        mut after: impl FnMut(usize, &[f32], &[f32]),
    ) -> Result<Self> {
        config.validate()?;
        let dim = config.dim;
        if (users.len(), items.len()) != (train.n_users() * dim, train.n_items() * dim) {
            let what = format!(
                "is {dim}, but the factors to start from hold {} and {} numbers for {} users and {} items",
                users.len(),
                items.len(),
                train.n_users(),
                train.n_items()
            );
            return Err(Error::config("ials.dim", what));
        }
        let (offsets, item_users) = train.transposed();
        for sweep in 0..config.iterations {
            solve_rows(config, &mut users, &items, |user, out| {
                out.extend(train.row(UserId::from_index(user)).iter().map(|item| item.0));
            })?;
            solve_rows(config, &mut items, &users, |item, out| {
                out.extend(item_users[offsets[item]..offsets[item + 1]].iter().map(|user| user.0));
            })?;
            after(sweep + 1, &users, &items);
        }
        Ok(Self::from_parts(config.clone(), Embeddings::new(dim, users, items, Scoring::Dot)))
    }

    /// A model of factors that were fitted before.
    pub(crate) fn from_parts(config: IalsConfig, embeddings: Embeddings) -> Self {
        let items_gram = with_diagonal(
            gram(embeddings.items(), embeddings.dim()),
            embeddings.dim(),
            config.regularization,
        );
        Self { config, embeddings, items_gram }
    }

    /// The settings it was fitted with.
    pub fn config(&self) -> &IalsConfig {
        &self.config
    }

    /// The factors.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }

    /// The factor of an unseen user: the exact minimiser of the objective for this history.
    ///
    /// # Errors
    /// [`Error::Core`] for an item that is not in the catalogue; [`Error::Config`] where the regularisation is too
    /// small for the equations to be solved.
    pub fn fold_in(&self, items: &[ItemId]) -> Result<Vec<f32>> {
        let mut once = Vec::new();
        history::distinct(self.n_items(), items, &mut once)?;
        let mut factor = vec![0.0; self.config.dim];
        let observed: Vec<u32> = once.iter().map(|item| item.0).collect();
        let mut scratch = Scratch::new(self.config.dim);
        let shared = shared_factor(&self.config, &self.items_gram)?;
        let solved = vectorised(|| {
            let other = self.embeddings.items();
            exactly(
                &self.config,
                &self.items_gram,
                shared.as_ref(),
                other,
                &observed,
                &mut factor,
                &mut scratch,
            )
        });
        if solved { Ok(factor) } else { Err(singular(&self.config)) }
    }

    /// The factor of a user who had a training row; those of all others are zero.
    fn fitted(&self, user: UserId) -> Option<&[f32]> {
        let factor = self.embeddings.users().chunks_exact(self.config.dim).nth(user.index())?;
        factor.iter().any(|&value| value != 0.0).then_some(factor)
    }

    /// The value of the objective on `train`.
    ///
    /// # Panics
    /// If `train` has another shape than the data of the fit.
    pub fn objective(&self, train: &UserItems) -> f64 {
        objective(&self.config, self.embeddings.users(), self.embeddings.items(), train)
    }
}

impl Recommender for Ials {
    fn n_items(&self) -> usize {
        self.embeddings.n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        let fitted = |query: &Query<'_>| query.user.and_then(|user| self.fitted(user));
        if queries.iter().all(|query| fitted(query).is_some()) {
            return self.embeddings.recommend(queries, k);
        }
        let dim = self.config.dim;
        score_and_rank(queries, k, self.n_items(), |query, scores| {
            let folded;
            let factor = match fitted(query) {
                Some(factor) => factor,
                None => {
                    folded = self.fold_in(query.history)?;
                    &folded
                }
            };
            vectorised(|| {
                for (score, item) in scores.iter_mut().zip(self.embeddings.items().chunks_exact(dim)) {
                    *score = dot(factor, item);
                }
            });
            Ok(())
        })
    }
}

/// The value of the objective for these factors, in `f64`.
///
/// # Panics
/// If the factors are not those of `train`'s users and items.
pub fn objective(config: &IalsConfig, users: &[f32], items: &[f32], train: &UserItems) -> f64 {
    let dim = config.dim;
    assert_eq!(users.len(), train.n_users() * dim, "users differ");
    assert_eq!(items.len(), train.n_items() * dim, "items differ");
    let wide =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    // sum over all pairs of (x . y)^2 is the inner product of the two Gram matrices.
    let exact_gram = |table: &[f32]| {
        let mut sum = vec![0.0f64; dim * dim];
        for row in table.chunks_exact(dim) {
            for (out, &left) in sum.chunks_exact_mut(dim).zip(row) {
                out.iter_mut().zip(row).for_each(|(out, &right)| *out += f64::from(left) * f64::from(right));
            }
        }
        sum
    };
    let (left, right) = (exact_gram(users), exact_gram(items));
    let mut value: f64 = left.iter().zip(&right).map(|(a, b)| a * b).sum();
    for (user, item) in train.pairs() {
        let x = &users[user.index() * dim..(user.index() + 1) * dim];
        let y = &items[item.index() * dim..(item.index() + 1) * dim];
        let score = wide(x, y);
        value += config.alpha * (1.0 - score) * (1.0 - score) - score * score;
    }
    let norms = wide(users, users) + wide(items, items);
    value + config.regularization * norms
}

/// What one thread works in.
struct Scratch {
    observed: Vec<u32>,
    residual: Vec<f32>,
    direction: Vec<f32>,
    image: Vec<f32>,
    exact: Cholesky,
    right: Vec<f64>,
}

impl Scratch {
    fn new(dim: usize) -> Self {
        let zeros = || vec![0.0; dim];
        Self {
            observed: Vec::new(),
            residual: zeros(),
            direction: zeros(),
            image: zeros(),
            exact: Cholesky::new(dim),
            right: vec![0.0; dim],
        }
    }
}

/// Rows that a thread takes at once.
const BLOCK: usize = 16;

/// One half-sweep: sets every row of `table` to the (approximate) minimiser given `other`.
fn solve_rows(
    config: &IalsConfig,
    table: &mut [f32],
    other: &[f32],
    observed_by: impl Fn(usize, &mut Vec<u32>) + Sync,
) -> Result<()> {
    let dim = config.dim;
    let gram = with_diagonal(gram(other, dim), dim, config.regularization);
    let shared = match config.solver {
        Solver::Cholesky => shared_factor(config, &gram)?,
        Solver::ConjugateGradient { .. } => None,
    };
    let solved = table
        .par_chunks_mut(BLOCK * dim)
        .enumerate()
        .map_init(
            || Scratch::new(dim),
            |scratch, (block, rows)| {
                vectorised(|| {
                    rows.chunks_exact_mut(dim).enumerate().all(|(offset, row)| {
                        let mut observed = std::mem::take(&mut scratch.observed);
                        observed.clear();
                        observed_by(block * BLOCK + offset, &mut observed);
                        let solved = match config.solver {
                            Solver::ConjugateGradient { steps } => {
                                conjugate_gradient(config, steps, &gram, other, &observed, row, scratch);
                                true
                            }
                            Solver::Cholesky => {
                                exactly(config, &gram, shared.as_ref(), other, &observed, row, scratch)
                            }
                        };
                        scratch.observed = observed;
                        solved
                    })
                })
            },
        )
        .reduce(|| true, |a, b| a && b);
    if solved { Ok(()) } else { Err(singular(config)) }
}

fn singular(config: &IalsConfig) -> Error {
    let what = format!("is {}: too small for the normal equations to be solved", config.regularization);
    Error::config("ials.regularization", what)
}

/// With `alpha = 1` all rows have the same matrix: it is factorised once.
fn shared_factor(config: &IalsConfig, gram: &[f32]) -> Result<Option<Cholesky>> {
    if config.alpha != 1.0 {
        return Ok(None);
    }
    let mut factor = Cholesky::new(config.dim);
    factor.set(gram);
    if factor.factorize() { Ok(Some(factor)) } else { Err(singular(config)) }
}

/// The row of `table` at `index`.
#[inline(always)]
fn row_of(table: &[f32], index: u32, dim: usize) -> &[f32] {
    &table[index as usize * dim..(index as usize + 1) * dim]
}

/// Some steps of conjugate gradients on `(Y'Y + lambda I + (alpha - 1) Y_o'Y_o) x = alpha Y_o'1` from the last `x`.
#[inline(always)]
fn conjugate_gradient(
    config: &IalsConfig,
    steps: usize,
    gram: &[f32],
    other: &[f32],
    observed: &[u32],
    x: &mut [f32],
    scratch: &mut Scratch,
) {
    /// Squared length of a residual that is not worth a step.
    const CONVERGED: f32 = 1e-20;
    if observed.is_empty() {
        x.fill(0.0);
        return;
    }
    let dim = config.dim;
    let (alpha, extra) = (config.alpha as f32, (config.alpha - 1.0) as f32);
    let Scratch { residual, direction, image, .. } = scratch;
    // The matrix is symmetric, so its rows serve as its columns.
    image.fill(0.0);
    add_rows_scaled(image, x, gram);
    residual.iter_mut().zip(&*image).for_each(|(residual, image)| *residual = -image);
    if extra == 0.0 {
        let (fours, rest) = observed.as_chunks::<4>();
        for &four in fours {
            add_four_scaled(residual, [alpha; 4], four.map(|index| row_of(other, index, dim)));
        }
        for &index in rest {
            add_scaled(residual, alpha, row_of(other, index, dim));
        }
    } else {
        for &index in observed {
            let y = row_of(other, index, dim);
            add_scaled(residual, alpha - extra * dot(y, x), y);
        }
    }
    direction.copy_from_slice(residual);
    let mut before = dot(residual, residual);
    for step in 0..steps {
        if before < CONVERGED {
            break;
        }
        image.fill(0.0);
        add_rows_scaled(image, direction, gram);
        if extra != 0.0 {
            for &index in observed {
                let y = row_of(other, index, dim);
                add_scaled(image, extra * dot(y, direction), y);
            }
        }
        let length = before / dot(direction, image);
        add_scaled(x, length, direction);
        if step + 1 == steps {
            break;
        }
        add_scaled(residual, -length, image);
        let now = dot(residual, residual);
        let keep = now / before;
        direction.iter_mut().zip(&*residual).for_each(|(d, r)| *d = r + keep * *d);
        before = now;
    }
}

/// The exact minimiser for a row; `false` if the equations cannot be solved.
#[inline(always)]
fn exactly(
    config: &IalsConfig,
    gram: &[f32],
    shared: Option<&Cholesky>,
    other: &[f32],
    observed: &[u32],
    x: &mut [f32],
    scratch: &mut Scratch,
) -> bool {
    if observed.is_empty() {
        x.fill(0.0);
        return true;
    }
    let dim = config.dim;
    let Scratch { exact, right, .. } = scratch;
    right.fill(0.0);
    for &index in observed {
        let y = row_of(other, index, dim);
        right.iter_mut().zip(y).for_each(|(right, &y)| *right += config.alpha * f64::from(y));
    }
    match shared {
        Some(factor) => factor.solve(right),
        None => {
            exact.set(gram);
            for &index in observed {
                exact.add_outer(config.alpha - 1.0, row_of(other, index, dim));
            }
            if !exact.factorize() {
                return false;
            }
            exact.solve(right);
        }
    }
    x.iter_mut().zip(&*right).for_each(|(x, &right)| *x = right as f32);
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item_knn::tests::user_items;

    fn settings() -> impl Strategy<Value = IalsConfig> {
        (1usize..20, 0.05f64..20.0, prop_oneof![Just(1.0), 0.3f64..30.0], 0u64..5).prop_map(
            |(dim, regularization, alpha, seed)| IalsConfig {
                dim,
                regularization,
                alpha,
                iterations: 6,
                solver: Solver::Cholesky,
                seed,
            },
        )
    }

    fn rows() -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0u32..30, 0..12), 1..25)
    }

    /// The objective as it is written.
    fn objective_by_definition(config: &IalsConfig, factors: &Embeddings, train: &UserItems) -> f64 {
        let dim = config.dim;
        let (x, y) = (factors.users(), factors.items());
        let mut value = 0.0;
        for user in 0..train.n_users() {
            for item in 0..train.n_items() {
                let score: f64 =
                    (0..dim).map(|k| f64::from(x[user * dim + k]) * f64::from(y[item * dim + k])).sum();
                let observed = train.contains(UserId::from_index(user), ItemId::from_index(item));
                let (confidence, preference) = if observed { (config.alpha, 1.0) } else { (1.0, 0.0) };
                value += confidence * (preference - score) * (preference - score);
            }
        }
        value + config.regularization * x.iter().chain(y).map(|&v| f64::from(v) * f64::from(v)).sum::<f64>()
    }

    proptest! {
        #[test]
        fn exact_sweeps_never_raise_the_objective(config in settings(), rows in rows()) {
            let train = user_items(&rows, 30);
            let mut values = Vec::new();
            let start = Ials::fit(&train, &IalsConfig { iterations: 0, ..config.clone() }).unwrap().embeddings;
            let (users, items) = (start.users().to_vec(), start.items().to_vec());
            let model = Ials::fit_from(&train, &config, users, items, |_, users, items| {
                values.push(objective(&config, users, items, &train));
            });
            let model = model.unwrap();
            prop_assert_eq!(values.len(), 6);
            let by_definition = objective_by_definition(&config, &model.embeddings, &train);
            prop_assert!((by_definition - values[5]).abs() < 1e-5 * by_definition.abs().max(1.0));
            for pair in values.windows(2) {
                prop_assert!(pair[1] <= pair[0] * (1.0 + 1e-5) + 1e-6, "{:?}", values);
            }
        }

        #[test]
        fn a_factor_is_the_minimiser_for_its_row(config in settings(), rows in rows()) {
            let train = user_items(&rows, 30);
            let model = Ials::fit(&train, &config).unwrap();
            let dim = config.dim;
            let y = |item: usize| &model.embeddings.items()[item * dim..(item + 1) * dim];
            let history: Vec<ItemId> = train.row(UserId(0)).to_vec();
            let x = model.fold_in(&history).unwrap();
            // Half the gradient: sum_i c (x.y - p) y + lambda x.
            let mut gradient: Vec<f64> = x.iter().map(|&x| config.regularization * f64::from(x)).collect();
            for item in 0..30 {
                let score: f64 = x.iter().zip(y(item)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let observed = history.contains(&ItemId::from_index(item));
                let slope = if observed { config.alpha * (score - 1.0) } else { score };
                gradient.iter_mut().zip(y(item)).for_each(|(g, &y)| *g += slope * f64::from(y));
            }
            let scale = config.alpha * 12.0;
            prop_assert!(gradient.iter().all(|g| g.abs() < 1e-4 * scale), "{:?}", gradient);
        }

        #[test]
        fn many_conjugate_steps_reach_the_exact_factors(config in settings(), rows in rows()) {
            let train = user_items(&rows, 30);
            let one = IalsConfig { iterations: 1, ..config };
            let steps = IalsConfig { solver: Solver::ConjugateGradient { steps: 60 }, ..one.clone() };
            let exact = Ials::fit(&train, &one).unwrap();
            let close = Ials::fit(&train, &steps).unwrap();
            let (a, b) = (exact.objective(&train), close.objective(&train));
            prop_assert!((a - b).abs() <= 1e-3 * a.abs().max(1.0), "{} and {}", a, b);
        }
    }

    #[test]
    fn one_factor_by_hand() {
        // With one dimension and y = (a, b), the exact user factor is alpha sum_o y / (sum y^2 + lambda + (alpha-1) sum_o y^2).
        let config = IalsConfig {
            dim: 1,
            regularization: 0.5,
            alpha: 3.0,
            solver: Solver::Cholesky,
            ..IalsConfig::default()
        };
        let embeddings = Embeddings::new(1, vec![0.0], vec![2.0, 1.0], Scoring::Dot);
        let model = Ials::from_parts(config, embeddings);
        let factor = model.fold_in(&[ItemId(0)]).unwrap();
        assert!((f64::from(factor[0]) - 3.0 * 2.0 / (5.0 + 0.5 + 2.0 * 4.0)).abs() < 1e-6);
        assert_eq!(model.fold_in(&[]).unwrap(), [0.0]);
        assert!(model.fold_in(&[ItemId(2)]).unwrap_err().to_string().contains("item 2"));
        // The user's factor is zero: training had no row for it, so the history counts.
        let query = Query { user: Some(UserId(0)), history: &[ItemId(0)], ..Query::default() };
        assert_eq!(model.recommend(&[query], 1).unwrap().row(0)[0].score, factor[0] * 2.0);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let rows: Vec<Vec<u32>> =
            (0..900).map(|u| (0..u % 17).map(|k| (u * 31 + k * k * 7) % 700).collect()).collect();
        let train = user_items(&rows, 700);
        for solver in [Solver::ConjugateGradient { steps: 3 }, Solver::Cholesky] {
            for alpha in [1.0, 4.0] {
                let config = IalsConfig { dim: 12, iterations: 2, alpha, solver, ..IalsConfig::default() };
                let run = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| Ials::fit(&train, &config)).unwrap()
                };
                assert_eq!(run(1), run(3));
            }
        }
    }

    #[test]
    fn settings_that_do_not_hold_are_refused() {
        let refused = |config: IalsConfig, key: &str| {
            let error = Ials::fit(&user_items(&[vec![0]], 1), &config).unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        };
        refused(IalsConfig { dim: 0, ..IalsConfig::default() }, "ials.dim");
        refused(IalsConfig { regularization: 0.0, ..IalsConfig::default() }, "ials.regularization");
        refused(IalsConfig { alpha: f64::INFINITY, ..IalsConfig::default() }, "ials.alpha");
        let solver = Solver::ConjugateGradient { steps: 0 };
        refused(IalsConfig { solver, ..IalsConfig::default() }, "ials.solver.conjugate_gradient.steps");
    }
}
