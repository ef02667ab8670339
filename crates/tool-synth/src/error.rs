//! One error type for the crate.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong while reading, checking or scoring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}{line}: {what}", path = path.display(), line = line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Format {
        /// The file.
        path: PathBuf,
        /// The line, counted from one, where there are lines.
        line: Option<usize>,
        /// What was found and what was expected.
        what: String,
    },
    /// A setting has a value that it does not accept.
    #[error("{key}: {what}")]
    Config {
        /// The setting.
        key: String,
        /// What was given and what is accepted.
        what: String,
    },
    /// A grammar is not well-formed.
    #[error("grammar, line {line}: {what}")]
    Grammar {
        /// The line, from 1; 0 for the grammar as a whole.
        line: usize,
        /// What is not understood.
        what: String,
    },
    /// A model's reply cannot be read.
    #[error("a reply that cannot be read: {what}")]
    Reply {
        /// What is wrong with it.
        what: String,
    },
    /// Tools, trajectories, run folders.
    #[cfg(feature = "synthesis")]
    #[error(transparent)]
    Core(#[from] rec_core::Error),
    /// An endpoint.
    #[cfg(feature = "endpoint")]
    #[error(transparent)]
    Chat(#[from] chat_model::Error),
    /// Something that was asked for does not fit what there is.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// An [`Error::Io`] at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// An [`Error::Format`] at `path`.
    pub fn format(path: impl Into<PathBuf>, line: Option<usize>, what: impl Into<String>) -> Self {
        Self::Format { path: path.into(), line, what: what.into() }
    }

    /// An [`Error::Config`] for `key`.
    pub fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }
}
