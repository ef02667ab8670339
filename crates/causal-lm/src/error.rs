//! One error type for the crate.

use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while loading, training, decoding or saving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, a run folder.
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
    /// A model, adapter, tokenizer or checkpoint file is not what it should be.
    #[error("{path}: {what}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        what: String,
    },
    /// A sequence of a batch cannot be used.
    #[error("sequence {index}: {what}")]
    Sequence {
        /// Its place in the batch.
        index: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The tokenizer refuses.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// Training left the finite numbers.
    #[error("the {what} is not finite at step {step}: lower the learning rate")]
    Diverged {
        /// What left them.
        what: &'static str,
        /// The number of steps before.
        step: u64,
    },
}

impl Error {
    pub(crate) fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }

    pub(crate) fn format(path: &Path, what: impl Into<String>) -> Self {
        Self::Format { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn sequence(index: usize, what: impl Into<String>) -> Self {
        Self::Sequence { index, what: what.into() }
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
