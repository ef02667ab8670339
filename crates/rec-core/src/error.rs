//! One error type: what was wrong, where, and what to do.

use std::fmt;
use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a file something was wrong. Lines and columns count from 1; 0 means "the file as a whole".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The field of the line, from 1.
    pub column: u32,
}

impl Place {
    /// The file as a whole.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file's content is not what its format asks for.
    #[error("{place}: {what}")]
    Parse {
        /// File, line and column.
        place: Place,
        /// What was found and what was expected.
        what: String,
    },
    /// A text is not JSON.
    #[error("line {line}, column {column}: {what}")]
    Json {
        /// The line, from 1.
        line: u64,
        /// The character of the line, from 1.
        column: u64,
        /// What was found or expected.
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
    /// Data that is well-formed but cannot be used.
    #[error("{what}")]
    Invalid {
        /// What does not hold.
        what: String,
    },
    /// A run that another process is writing.
    #[error("{path}: another process is writing this run", path = path.display())]
    Busy {
        /// The run's folder.
        path: PathBuf,
    },
    /// A recommender failed.
    #[error("the recommender failed: {0}")]
    Model(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An [`Error::Io`] at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// An [`Error::Config`] for `key`.
    pub fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }
}
