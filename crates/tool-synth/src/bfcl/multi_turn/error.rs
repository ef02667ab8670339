//! What a call may end in beside a result: a Python exception, or something this executor does not do.

use super::object::Object;

/// The classes of Python exceptions that the simulated APIs tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `TypeError`.
    Type,
    /// `ValueError`.
    Value,
    /// `OverflowError`.
    Overflow,
    /// Any other class; nothing catches it but the executor.
    Other,
    /// `RecursionError`.
    Recursion,
    /// Not a Python exception: outside what is simulated here.
    Unsupported,
}

/// A Python exception with the text that `str` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its class.
    pub kind: Kind,
    /// Its text.
    pub text: String,
}

/// A result or a Python exception.
pub type Fallible<T> = Result<T, Exception>;

impl Exception {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Exception { kind, text: text.into() }
    }
    pub(crate) fn type_error(text: impl Into<String>) -> Self {
        Self::new(Kind::Type, text)
    }
    pub(crate) fn value_error(text: impl Into<String>) -> Self {
        Self::new(Kind::Value, text)
    }
    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self::new(Kind::Other, text)
    }
    pub(crate) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, text)
    }
    /// A `KeyError` prints the key's canonical text.
    pub(crate) fn key(key: &Object) -> Self {
        Self::other(super::text::repr(key))
    }
    pub(crate) fn attribute(object: &Object, name: &str) -> Self {
        Self::other(format!("'{}' object has no attribute '{name}'", object.type_name()))
    }
}
