//! One error type: what a model or its endpoint refused, and whether it is worth asking again.

use std::time::Duration;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the connection stood.
    Connect,
    /// From the request to the first byte of the answer.
    FirstByte,
    /// Between two bytes.
    Idle,
    /// From the call to the whole reply, repetitions included.
    Total,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::FirstByte => "waiting for the first byte",
            Self::Idle => "waiting for the next byte",
            Self::Total => "waiting for the whole reply",
        })
    }
}

/// Everything that can go wrong in this crate. No text of an error holds a key.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is missing, wrong or not allowed to do this (401, 403).
    #[error("not authorised: {what}")]
    Auth {
        /// What the endpoint said, or which variable is not set.
        what: String,
    },
    /// The endpoint does not understand or accept the request (other 4xx).
    #[error("bad request: {what}")]
    BadRequest {
        /// What the endpoint said.
        what: String,
    },
    /// The messages are longer than the model takes.
    #[error("the context is too long: {what}")]
    ContextTooLong {
        /// What the endpoint said, or the two numbers.
        what: String,
    },
    /// Too many requests (429).
    #[error("rate limited: {what}")]
    RateLimited {
        /// When to come back, if the endpoint said so.
        retry_after: Option<Duration>,
        /// What the endpoint said.
        what: String,
    },
    /// The endpoint cannot answer now (408, 409, 5xx).
    #[error("overloaded (status {status}): {what}")]
    Overloaded {
        /// The status.
        status: u16,
        /// When to come back, if the endpoint said so.
        retry_after: Option<Duration>,
        /// What the endpoint said.
        what: String,
    },
    /// Something took longer than the configuration allows.
    #[error("timed out {0}")]
    Timeout(Phase),
    /// The answer is not what the protocol asks for.
    #[error("unreadable answer: {what}")]
    Decode {
        /// What was expected and what came.
        what: String,
    },
    /// The connection failed or broke.
    #[error("transport: {what}")]
    Transport {
        /// What happened.
        what: String,
    },
    /// The endpoint refuses to answer for what the messages say.
    #[error("refused by the content filter: {what}")]
    ContentFilter {
        /// What the endpoint said.
        what: String,
    },
    /// A cap on calls, tokens or money would be passed.
    #[error("the budget is exhausted: {what}")]
    BudgetExhausted {
        /// Which cap, and how far it is used up.
        what: String,
    },
    /// A cassette in replay holds no answer to this request.
    #[error("not on the cassette: {what}")]
    CassetteMiss {
        /// How the request differs from the nearest recorded one.
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
    /// A file of a cache or cassette could not be read or written.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: String,
        /// What happened.
        what: String,
    },
}

impl Error {
    /// An [`Error::Decode`].
    pub fn decode(what: impl Into<String>) -> Self {
        Self::Decode { what: what.into() }
    }

    /// An [`Error::Transport`].
    pub fn transport(what: impl Into<String>) -> Self {
        Self::Transport { what: what.into() }
    }

    /// An [`Error::Config`] for `key`.
    pub fn config(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Config { key: key.into(), what: what.into() }
    }

    /// An [`Error::File`] at `path`.
    pub fn file(path: &std::path::Path, what: impl std::fmt::Display) -> Self {
        Self::File { path: path.display().to_string(), what: what.to_string() }
    }

    /// Whether the same request may succeed later: rate limits, 408, 409, 5xx, broken connections, and timeouts but the
    /// total one.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Overloaded { .. } | Self::Transport { .. } => true,
            Self::Timeout(phase) => *phase != Phase::Total,
            _ => false,
        }
    }

    /// How long the endpoint asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error of a status and of what the endpoint said with it.
    pub fn from_status(status: u16, what: String, retry_after: Option<Duration>) -> Self {
        let lower = what.to_lowercase();
        match status {
            401 | 403 => Self::Auth { what },
            429 => Self::RateLimited { retry_after, what },
            408 | 409 | 500.. => Self::Overloaded { status, retry_after, what },
            413 => Self::ContextTooLong { what },
            // Servers differ in code and words.
            _ if [
                "context_length",
                "context length",
                "context window",
                "maximum context",
                "too many tokens",
            ]
            .iter()
            .any(|words| lower.contains(words)) =>
            {
                Self::ContextTooLong { what }
            }
            _ if lower.contains("content_filter") || lower.contains("content_policy") => {
                Self::ContentFilter { what }
            }
            _ => Self::BadRequest { what },
        }
    }

    /// The status and the code with which a server tells of this error.
    pub fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Auth { .. } => (401, "invalid_api_key"),
            Self::BadRequest { .. } | Self::Config { .. } => (400, "invalid_request"),
            Self::ContextTooLong { .. } => (400, "context_length_exceeded"),
            Self::RateLimited { .. } => (429, "rate_limit_exceeded"),
            Self::Overloaded { status, .. } => (*status, "server_error"),
            Self::Timeout(_) => (504, "timeout"),
            Self::ContentFilter { .. } => (400, "content_filter"),
            Self::BudgetExhausted { .. } => (402, "budget_exhausted"),
            Self::Decode { .. } | Self::Transport { .. } => (502, "bad_gateway"),
            Self::CassetteMiss { .. } | Self::File { .. } => (500, "server_error"),
        }
    }
}
