//! What Java and JavaScript share for a reader that goes straight from bytes to values.

/// Deeper nesting is left to the grammar.
pub(super) const MAX_DEPTH: usize = 40;

/// Longer chains of operators are left to the grammar.
pub(super) const MAX_OPERANDS: usize = 16;

/// A place in source text.
pub(super) struct Source<'a> {
    pub text: &'a str,
    pub bytes: &'a [u8],
    pub at: usize,
    pub depth: usize,
}

impl<'a> Source<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth: 0 }
    }

    /// The next byte; zero at the end, and the text holds no other zero that a caller would accept.
    #[inline]
    pub fn peek(&self) -> u8 {
        self.peek_after(0)
    }

    #[inline]
    pub fn peek_after(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    #[inline]
    pub fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\t') {
            self.at += 1;
        }
    }

    /// Walks over a byte if it is the next one.
    #[inline]
    pub fn accept(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    /// A word of letters, digits, `_` and `$` that does not begin with a digit. Nothing if another character beyond ASCII than a
    /// letter touches it.
    #[inline]
    pub fn word(&mut self) -> Option<&'a str> {
        let start = self.at;
        let mut end = start;
        loop {
            match self.bytes.get(end) {
                Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$') => end += 1,
                Some(b'0'..=b'9') if end > start => end += 1,
                Some(0x80..) => {
                    // Of the letters those that every grammar has for letters.
                    let letter = self.text[end..].chars().next().filter(|letter| {
                        matches!(letter, '\u{c0}'..='\u{24f}' | '\u{4e00}'..='\u{9fff}')
                            && !matches!(letter, '\u{d7}' | '\u{f7}')
                    })?;
                    end += letter.len_utf8();
                }
                _ => break,
            }
        }
        self.at = end;
        (end > start).then(|| &self.text[start..end])
    }

    /// Walks over an opening bracket at the beginning, behind a word, with a mark of exclamation or without, or nothing.
    pub fn opening_bracket(&mut self) -> Option<()> {
        self.skip_blanks();
        self.word();
        self.accept(b'!');
        self.skip_blanks();
        self.accept(b'[').then_some(())
    }

    /// Walks over text between quotes, of one line and with plain escapes only.
    pub fn string(&mut self) -> Option<()> {
        let quote = self.peek();
        let mut end = self.at + 1;
        loop {
            match *self.bytes.get(end)? {
                byte if byte == quote => break,
                b'\\'
                    if matches!(
                        self.bytes.get(end + 1)?,
                        b'\\' | b'\'' | b'"' | b'n' | b'r' | b't' | b'b' | b'f'
                    ) =>
                {
                    end += 2;
                }
                b'\\' if self.bytes[end + 1] == b'u' => {
                    let digits = self.bytes.get(end + 2..end + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    end += 6;
                }
                b'\\' | 0..0x20 | 0x7f => return None,
                _ => end += 1,
            }
        }
        self.at = end + 1;
        Some(())
    }

    /// Walks over decimal digits and says how many there were.
    pub fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    /// Walks over digits, a fraction and an exponent. Nothing for what is none of the plain forms.
    pub fn number(&mut self) -> Option<Shape> {
        let start = self.at;
        let whole = self.digits();
        if self.peek() == b'_'
            && self.peek_after(1).is_ascii_digit()
            && matches!(self.bytes[start], b'1'..=b'9')
        {
            // Single underscores between the digits of a whole number.
            while self.peek() == b'_' && self.peek_after(1).is_ascii_digit() {
                self.at += 1;
                self.digits();
            }
            return (!matches!(self.peek(), b'.' | b'e' | b'E')).then_some(Shape { whole: true });
        }
        if whole > 1 && self.bytes[start] == b'0' {
            return None;
        }
        let mut shape = Shape { whole: true };
        if self.accept(b'.') {
            shape.whole = false;
            if self.digits() + whole == 0 {
                return None;
            }
        } else if whole == 0 {
            return None;
        }
        if matches!(self.peek(), b'e' | b'E') {
            shape.whole = false;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            if self.digits() == 0 {
                return None;
            }
        }
        Some(shape)
    }

    /// Whether a letter, digit or the like comes next, so that a number runs into a word.
    pub fn runs_on(&self) -> bool {
        let next = self.peek();
        next.is_ascii_alphanumeric() || matches!(next, b'_' | b'$' | b'.') || !next.is_ascii()
    }

    /// Runs a rule one level deeper.
    pub fn too_deep(&self) -> bool {
        self.depth >= MAX_DEPTH
    }
}

/// What a number looks like.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Digits alone.
    pub whole: bool,
}
