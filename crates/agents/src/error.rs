//! One error type for the crate.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while preparing data, fitting models, running a system or reading a trace. That a model answers
/// nonsense is no error: it is an observation, a halt, and a line of the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data, evaluation or a file.
    #[error(transparent)]
    Core(#[from] rec_core::Error),
    /// A setting of a system or a run has a value that it does not accept.
    #[error("{key}: {what}")]
    Config {
        /// The setting, as written in a configuration file.
        key: String,
        /// What was given and what is accepted.
        what: String,
    },
    /// A trace, result or prompt file is not what it should be.
    #[error("{path}:{line}: {what}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
        /// What was found and what was expected.
        what: String,
    },
    /// A replayed run took another way than the recorded one.
    #[error("sample {sample}, {place}: {what}")]
    Diverged {
        /// The sample.
        sample: String,
        /// The event, by attempt and agent.
        place: String,
        /// What was recorded and what came now.
        what: String,
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

    /// An [`rec_core::Error::Io`] at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Core(rec_core::Error::io(path, source))
    }

    /// An [`Error::Format`] at `line` of `path`.
    pub fn format(path: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Self {
        Self::Format { path: path.into(), line, what: what.into() }
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
