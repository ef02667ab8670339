//! One error type for the crate.

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while reading, judging, rolling out or training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file, JSON, a run folder.
    #[error(transparent)]
    Core(#[from] rec_core::Error),
    /// The language model.
    #[cfg(feature = "lm")]
    #[error(transparent)]
    Model(#[from] causal_lm::Error),
    /// The judge.
    #[cfg(feature = "judge")]
    #[error("judge: {0}")]
    Judge(#[from] chat_model::Error),
    /// A setting has a value that it does not accept.
    #[error("{key}: {what}")]
    Config {
        /// The setting, as written in a configuration file.
        key: String,
        /// What was given and what is accepted.
        what: String,
    },
    /// The schema of a tool asks for what is not checked here.
    #[error("schema of {tool}: {what}")]
    Schema {
        /// The tool.
        tool: String,
        /// The place in the schema and what is there.
        what: String,
    },
    /// A record of a trajectory cannot be used.
    #[error("{place}: {what}")]
    Record {
        /// The query, the row, the step.
        place: String,
        /// What was found and what was expected.
        what: String,
    },
    /// Training left the finite numbers.
    #[error("{what} is not finite after {steps} steps: lower the learning rate")]
    Diverged {
        /// What left them.
        what: String,
        /// The number of optimiser steps before.
        steps: u64,
    },
}

impl Error {
    /// An [`Error::Config`] for `key`.
    pub fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }

    /// An [`Error::Record`] at `place`.
    pub fn record(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Record { place: place.into(), what: what.into() }
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
