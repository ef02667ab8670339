//! One error type for the crate.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while training, saving, loading or serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data, evaluation or a run folder.
    #[error(transparent)]
    Core(#[from] rec_core::Error),
    /// A setting has a value that it does not accept.
    #[error("{key}: {what}")]
    Config {
        /// The setting, as written in a configuration file.
        key: String,
        /// What was given and what is accepted.
        what: String,
    },
    /// A model or checkpoint file is not what it should be.
    #[error("{path}: {what}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        what: String,
    },
    /// Training left the finite numbers.
    #[error(
        "the loss is {loss} at epoch {epoch}, step {step}: lower the learning rate (now {learning_rate})"
    )]
    Diverged {
        /// The epoch, from 0.
        epoch: usize,
        /// The step within the epoch, from 0.
        step: usize,
        /// The loss there.
        loss: f64,
        /// The learning rate in use.
        learning_rate: f64,
    },
}

impl Error {
    /// An [`Error::Config`] for `key`.
    pub fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }
}

impl From<Error> for rec_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::Model(Box::new(other)),
        }
    }
}
