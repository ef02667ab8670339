//! Rows of token numbers, padded to one length.

use std::ops::Range;

use crate::{Error, Result};

/// Rows of tokens, padded on the left or on the right to one length.
///
/// What a row's own tokens see of each other does not depend on the padding: positions count from the row's first
/// token, and no token sees the padding before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    ids: Vec<u32>,
    length: usize,
    spans: Vec<Range<usize>>,
}

impl Tokens {
    /// Rows that begin together and are filled up at the end.
    ///
    /// # Errors
    /// [`Error::Sequence`] for a row without tokens; [`Error::Config`] if there are no rows.
    pub fn right_padded<R: AsRef<[u32]>>(rows: &[R], padding: u32) -> Result<Self> {
        Self::padded(rows, padding, false)
    }

    /// Rows that end together and are filled up at the beginning, as for decoding.
    ///
    /// # Errors
    /// [`Error::Sequence`] for a row without tokens; [`Error::Config`] if there are no rows.
    pub fn left_padded<R: AsRef<[u32]>>(rows: &[R], padding: u32) -> Result<Self> {
        Self::padded(rows, padding, true)
    }

    fn padded<R: AsRef<[u32]>>(rows: &[R], padding: u32, left: bool) -> Result<Self> {
        let length = rows.iter().map(|row| row.as_ref().len()).max();
        let length = length.ok_or_else(|| Error::config("tokens", "has no rows"))?;
        let mut ids = Vec::with_capacity(rows.len() * length);
        let mut spans = Vec::with_capacity(rows.len());
        for (index, row) in rows.iter().map(AsRef::as_ref).enumerate() {
            if row.is_empty() {
                return Err(Error::sequence(index, "has no tokens"));
            }
            let fill = length - row.len();
            let before = if left { fill } else { 0 };
            ids.extend(std::iter::repeat_n(padding, before));
            ids.extend_from_slice(row);
            ids.extend(std::iter::repeat_n(padding, fill - before));
            spans.push(before..before + row.len());
        }
        Ok(Self { ids, length, spans })
    }

    /// All token numbers, row by row, padding included.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.spans.len()
    }

    /// The length of every row, padding included.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where each row's own tokens are.
    pub fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }

    /// A row without its padding.
    pub fn row(&self, row: usize) -> &[u32] {
        let span = self.spans[row].clone();
        &self.ids[row * self.length..][span]
    }

    pub(crate) fn check(&self, vocab_size: usize, positions: usize) -> Result<()> {
        for (index, span) in self.spans.iter().enumerate() {
            if span.len() > positions {
                let what = format!("has {} tokens, but the model has {positions} positions", span.len());
                return Err(Error::sequence(index, what));
            }
        }
        match self.ids.iter().position(|&id| id as usize >= vocab_size) {
            None => Ok(()),
            Some(at) => {
                let what = format!("has token {}, but there are {vocab_size}", self.ids[at]);
                Err(Error::sequence(at / self.length, what))
            }
        }
    }
}
