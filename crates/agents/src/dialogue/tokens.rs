//! A message as words with their places.

use crate::text::words;

/// A word of the message with its place in the text.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Parted from the word before by a full stop, comma, colon or the like.
    pub(super) after_break: bool,
}

/// The words of `text`, in order.
pub(super) fn tokens(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut start = None;
    let mut breaks = true;
    let mut close = |start: usize, end: usize, breaks: &mut bool| {
        if let Some(word) = words(&text[start..end]).into_iter().next() {
            found.push(Word { text: word, start, end, after_break: *breaks });
            *breaks = false;
        }
    };
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric() || matches!(c, '\'' | '’');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                close(from, at, &mut breaks);
                start = None;
                breaks |= matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\n');
            }
            (false, None) => breaks |= matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\n'),
            (true, Some(_)) => {}
        }
    }
    if let Some(from) = start {
        close(from, text.len(), &mut breaks);
    }
    found
}

/// The places of text in quotation marks.
pub(super) fn quotes(message: &str) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut open = None;
    for (at, c) in message.char_indices() {
        match (c, open) {
            ('"' | '“' | '”', None) => open = Some(at + c.len_utf8()),
            ('"' | '“' | '”', Some(start)) => {
                places.push((start, at));
                open = None;
            }
            _ => {}
        }
    }
    places
}
