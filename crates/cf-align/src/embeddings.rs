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
