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
    /// An environment does not accept an action. Nothing has changed.
    #[error("environment {env}: item {item} {refusal}")]
    Action {
        /// The environment's place in its batch.
        env: usize,
        /// The item.
        item: u32,
        /// Why not.
        refusal: Refusal,
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

/// Why an environment does not accept an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The catalogue has no such item.
    #[error("does not exist")]
    UnknownItem,
    /// The item was taken before in this episode, and the mode forbids to take it again.
    #[error("was taken before in this episode; choose among the items that are not masked")]
    AlreadyTaken,
    /// The episode is over and nothing resets it by itself.
    #[error("comes after the end of the episode; reset the environment first")]
    EpisodeOver,
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
