//! User and item vectors as a recommender: fused full ranking, fold-in, similar items.

use crate::Scoring;

/// The outputs of an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// Length of a vector.
    pub dim: usize,
    /// Users, row-major `[n_users, dim]`.
    pub users: Vec<f32>,
    /// Items, row-major `[n_items, dim]`.
    pub items: Vec<f32>,
    /// How scores are made of them.
    pub scoring: Scoring,
}

impl Embeddings {
    /// Row-major tables as a model.
    ///
    /// # Panics
    /// If a table is not a whole number of rows.
    pub fn new(dim: usize, users: Vec<f32>, items: Vec<f32>, scoring: Scoring) -> Self {
        assert!(dim > 0 && users.len() % dim == 0 && items.len() % dim == 0, "tables are not rows of {dim}");
        Self { dim, users, items, scoring }
    }
}
