//! One error type for the crate.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while loading, stepping, training, saving or judging.
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
    /// A matrix, model or checkpoint file is not what it should be.
    #[error("{path}: {what}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        what: String,
    },
    /// Training left the finite numbers.
    #[error("{what} is not finite after {updates} updates: lower the learning rate")]
    Diverged {
        /// What left them: a loss, by name.
        what: String,
        /// The number of updates so far.
        updates: u64,
    },
}

impl Error {
    /// An [`Error::Config`] for `key`.
    pub fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }

    /// An [`rec_core::Error::Invalid`].
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Core(rec_core::Error::invalid(what))
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
