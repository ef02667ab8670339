//! Readers for the plain majority of answers, which go from bytes to values without tokens or a tree.
//!
//! Each gives what the whole grammar gives, or knows that the grammar fails, or leaves the text to it; property tests hold them to
//! the grammars.

#[cfg(feature = "bfcl-java-js")]
pub(super) mod java;
#[cfg(feature = "bfcl-java-js")]
pub(super) mod javascript;
pub(super) mod python;
#[cfg(feature = "bfcl-java-js")]
mod source;

/// What a quick reader found out; nothing (`Option::None`) where the grammar has to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known<T> {
    /// What the grammar gives too.
    Value(T),
    /// The grammar fails: there is an error in the text, or the official decoder raises.
    Failure,
}
