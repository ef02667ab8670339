//! One error type for the crate.

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while reading prompts, training, aligning or recommending.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data, evaluation or a run folder.
    #[error(transparent)]
    Core(#[from] rec_core::Error),
    /// The language model.
    #[error(transparent)]
    Model(#[from] causal_lm::Error),
    /// A setting has a value that it does not accept.
    #[error("{key}: {what}")]
    Config {
        /// The setting, as written in a configuration file.
        key: String,
        /// What was given and what is accepted.
        what: String,
    },
    /// A completion has no token to learn from.
    #[error("row {row}: the completion is empty")]
    EmptyCompletion {
        /// The row's place in its batch or file.
        row: usize,
    },
    /// A prompt and its completion do not fit the model.
    #[error("row {row}: {tokens} tokens do not fit the {limit} that the model takes; shorten the history")]
    TooLong {
        /// The row's place in its batch or file.
        row: usize,
        /// How many tokens it has.
        tokens: usize,
        /// How many the model takes.
        limit: usize,
    },
    /// The tokens of a prompt are not the first ones of prompt and completion together.
    #[error(
        "row {row}: the prompt's tokens change when the completion follows; end the prompt at a token boundary"
    )]
    PrefixMismatch {
        /// The row's place in its batch or file.
        row: usize,
    },
    /// Chosen and rejected are the same: the pair has no gradient.
    #[error("row {row}: chosen and rejected are the same ({text:?})")]
    IdenticalPair {
        /// The row's place in its batch or file.
        row: usize,
        /// What both are.
        text: String,
    },
    /// A title that the catalogue does not have.
    #[error("{title:?} is not a title of the catalogue")]
    UnknownTitle {
        /// The title.
        title: String,
    },
    /// Training left the finite numbers.
    #[error("{what} is not finite after {steps} steps: lower the learning rate")]
    Diverged {
        /// What left them: a loss, by name.
        what: String,
        /// The number of steps so far.
        steps: usize,
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
