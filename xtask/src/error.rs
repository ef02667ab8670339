//! One error type for the command line, and the exit code that each kind of error ends in.

use std::path::PathBuf;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong; the kind decides the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something ran and failed: a model, a check, a step of `ci`.
    #[error("{0}")]
    Failed(String),
    /// The command line, a setting or an experiment file asks for something that does not exist.
    #[error("{0}")]
    Usage(String),
    /// Data is missing, or is not what its format or checksum says.
    #[error("{0}")]
    Data(String),
    /// A run folder holds results of another configuration, or results that would be overwritten.
    #[error("{0}")]
    Stale(String),
    /// A file of our own (a run folder, a report) could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// From the library; settings end in the code for usage, files and data in the code for data.
    #[error(transparent)]
    Core(rec_core::Error),
}

impl Error {
    /// An [`Error::Io`] at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// The code that the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Io { .. } => 1,
            Self::Usage(_) => 2,
            Self::Data(_) => 3,
            Self::Stale(_) => 4,
            Self::Core(error) => match error {
                rec_core::Error::Config { .. } => 2,
                rec_core::Error::Io { .. }
                | rec_core::Error::Parse { .. }
                | rec_core::Error::Invalid { .. } => 3,
                _ => 1,
            },
        }
    }
}

impl From<rec_core::Error> for Error {
    fn from(error: rec_core::Error) -> Self {
        Self::Core(error)
    }
}

impl From<cf_align::Error> for Error {
    fn from(error: cf_align::Error) -> Self {
        match error {
            cf_align::Error::Core(error) => Self::Core(error),
            cf_align::Error::Config { .. } => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<pref_opt::Error> for Error {
    fn from(error: pref_opt::Error) -> Self {
        match error {
            pref_opt::Error::Core(error) => Self::Core(error),
            pref_opt::Error::Config { .. } => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<rl_env::Error> for Error {
    fn from(error: rl_env::Error) -> Self {
        match error {
            rl_env::Error::Core(error) => Self::Core(error),
            rl_env::Error::Config { .. } => Self::Usage(error.to_string()),
            rl_env::Error::Format { .. } => Self::Data(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<chat_model::Error> for Error {
    fn from(error: chat_model::Error) -> Self {
        match error {
            chat_model::Error::Config { .. } => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<tool_synth::Error> for Error {
    fn from(error: tool_synth::Error) -> Self {
        match error {
            tool_synth::Error::Chat(error) => error.into(),
            tool_synth::Error::Core(error) => Self::Core(error),
            tool_synth::Error::Config { .. } => Self::Usage(error.to_string()),
            tool_synth::Error::Format { .. } | tool_synth::Error::Invalid(_) => Self::Data(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<agents::Error> for Error {
    fn from(error: agents::Error) -> Self {
        match error {
            agents::Error::Core(error) => Self::Core(error),
            agents::Error::Config { .. } => Self::Usage(error.to_string()),
            agents::Error::Format { .. } => Self::Data(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<tool_rl::Error> for Error {
    fn from(error: tool_rl::Error) -> Self {
        match error {
            tool_rl::Error::Core(error) => Self::Core(error),
            tool_rl::Error::Config { .. } => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_end_in_the_documented_codes() {
        let core = |error: rec_core::Error| Error::from(error).exit_code();
        assert_eq!(Error::Failed(String::new()).exit_code(), 1);
        assert_eq!(Error::Usage(String::new()).exit_code(), 2);
        assert_eq!(Error::Data(String::new()).exit_code(), 3);
        assert_eq!(Error::Stale(String::new()).exit_code(), 4);
        assert_eq!(core(rec_core::Error::config("split", "is bad")), 2);
        assert_eq!(core(rec_core::Error::io("x", std::io::ErrorKind::NotFound.into())), 3);
        assert_eq!(Error::from(cf_align::Error::config("training.dim", "is 0")).exit_code(), 2);
        assert_eq!(Error::from(rl_env::Error::config("quit.window", "is 0")).exit_code(), 2);
        assert_eq!(Error::from(rl_env::Error::invalid("an empty log")).exit_code(), 3);
    }
}
