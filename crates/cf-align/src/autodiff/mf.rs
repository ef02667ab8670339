//! Plain embeddings: one table for users, one for items.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{Init, ModelConfig};
use crate::init;

/// How to make a [`MatrixFactorization`].
#[derive(Config, Debug)]
pub struct MatrixFactorizationConfig {
    /// Rows of the user table.
    pub n_users: usize,
    /// Rows of the item table.
    pub n_items: usize,
    /// Length of a row.
    #[config(default = 64)]
    pub dim: usize,
    /// How the tables are filled.
    #[config(default = "Init::XavierNormal")]
    pub init: Init,
    /// Seeds the filling.
    #[config(default = 2020)]
    pub seed: u64,
}

impl MatrixFactorizationConfig {
    /// Tables on `device`, with the values every engine starts from for this seed.
    pub fn init(&self, device: &Device) -> MatrixFactorization {
        let mut config = ModelConfig::directau();
        config.training.dim = self.dim;
        config.training.init = self.init;
        config.training.seed = self.seed;
        let (users, items) = init::tables(&config, self.n_users, self.n_items);
        MatrixFactorization::from_tables(users, items, self.dim, device)
    }
}

/// Plain embeddings. Made by [`MatrixFactorizationConfig`].
#[derive(Module, Debug)]
pub struct MatrixFactorization {
    /// The users, `[n_users, dim]`.
    pub users: Param<Tensor<2>>,
    /// The items, `[n_items, dim]`.
    pub items: Param<Tensor<2>>,
}

impl MatrixFactorization {
    /// Tables with the given values, row-major.
    ///
    /// # Panics
    /// If a table does not hold whole rows.
    pub fn from_tables(users: Vec<f32>, items: Vec<f32>, dim: usize, device: &Device) -> Self {
        let param = |values: Vec<f32>| {
            assert_eq!(values.len() % dim, 0, "a table holds whole rows of {dim}");
            let rows = values.len() / dim;
            Param::from_data(TensorData::new(values, [rows, dim]), device)
        };
        Self { users: param(users), items: param(items) }
    }

    /// The vectors of all users and all items: the tables themselves.
    ///
    /// # Shapes
    /// - output: `[n_users, dim]` and `[n_items, dim]`
    pub fn forward(&self) -> (Tensor<2>, Tensor<2>) {
        (self.users.val(), self.items.val())
    }
}
