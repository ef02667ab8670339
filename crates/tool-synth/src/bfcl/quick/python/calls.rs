//! What begins with a word: constants, names, calls and subscripts.

use super::{Found, LETTER, MAX_DEPTH, Read, Reader, Stop, WORD, is};
use crate::pyexpr::lex::is_keyword;
use crate::value::{Members, Node, dictionary};

impl<'a> Reader<'a> {
    /// What begins with a word.
    pub(super) fn named(&mut self) -> Read<Found<'a>> {
        let start = self.at;
        let word = self.word()?;
        if matches!(self.peek(), b'"' | b'\'') {
            let value = match word {
                "r" | "R" | "u" | "U" => self.strings(word)?,
                "b" | "B" => self.byte_string()?,
                // A string with fields is no argument, whatever they are.
                "f" | "F" if self.ignored == 0 && !self.literal => {
                    self.string("r")?;
                    self.skip_blanks()?;
                    if self.at_string() {
                        return Err(Stop::Unsure);
                    }
                    return Ok(self.valueless());
                }
                "f" | "F" => return Err(Stop::Unsure),
                _ if word.len() > 1 => return Err(Stop::Unsure),
                _ => return Err(Stop::Wrong),
            };
            self.skip_blanks()?;
            return Ok(Found::Value(value));
        }
        if is_keyword(word) {
            let value = match word {
                "True" => Node::Bool(true),
                "False" => Node::Bool(false),
                "None" => Node::None,
                "await" | "not" if self.ignored == 0 && !self.literal => {
                    self.skip_blanks()?;
                    // But for `not` before a number, which changes its sign, and in front of something longer.
                    if !is(self.peek(), LETTER) || matches!(self.word_at(self.at), "True" | "False" | "not") {
                        return Err(Stop::Unsure);
                    }
                    return self.operand();
                }
                "lambda" if self.ignored == 0 && !self.literal => {
                    self.skip_rest(true)?;
                    return Ok(self.valueless());
                }
                "lambda" | "not" | "await" | "yield" | "async" => return Err(Stop::Unsure),
                _ => return Err(Stop::Wrong),
            };
            self.skip_blanks()?;
            return Ok(Found::Value(value));
        }
        if self.literal {
            return Err(Stop::Unsure);
        }
        let mut single = true;
        // The usual name has no blanks in it.
        while self.peek() == b'.' {
            single = false;
            self.at += 1;
            if !is(self.peek(), LETTER) {
                let goes_on =
                    matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'\\' | b'#' | 0x80..);
                return Err(if goes_on { Stop::Unsure } else { Stop::Wrong });
            }
            if is_keyword(self.word()?) {
                return Err(Stop::Wrong);
            }
        }
        let name = &self.text[start..self.at];
        self.skip_blanks()?;
        let node = match self.peek() {
            b'(' => {
                if self.depth == MAX_DEPTH {
                    return Err(Stop::Unsure);
                }
                self.depth += 1;
                self.at += 1;
                let (arguments, positional) = self.arguments()?;
                self.depth -= 1;
                let text = if positional && arguments.is_empty() {
                    Some(&self.text[start..self.at]).filter(|text| is_canonical(&text[name.len()..]))
                } else {
                    Some("")
                };
                self.skip_blanks()?;
                Found::Call { name, arguments, text }
            }
            b'[' if let Some(length) = canonical_index(&self.text[self.at..])
                && self.at == start + name.len() =>
            {
                self.at += length;
                let text = &self.text[start..self.at];
                self.skip_blanks()?;
                Found::Value(Node::Str(text))
            }
            b'[' => {
                if self.depth == MAX_DEPTH {
                    return Err(Stop::Unsure);
                }
                self.depth += 1;
                self.at += 1;
                self.skip_blanks()?;
                match self.peek() {
                    b']' => return Err(Stop::Wrong),
                    b':' => return Err(Stop::Unsure),
                    _ => {}
                }
                // What the index is matters only as text.
                let fails = self.fails;
                self.ignored += 1;
                loop {
                    self.node()?;
                    match self.peek() {
                        b']' => break,
                        b',' => {
                            self.at += 1;
                            self.skip_blanks()?;
                            if self.peek() == b']' {
                                return Err(Stop::Unsure);
                            }
                        }
                        b':' => return Err(Stop::Unsure),
                        _ => return self.unexpected(),
                    }
                }
                self.at += 1;
                self.ignored -= 1;
                self.fails = fails;
                self.depth -= 1;
                self.skip_blanks()?;
                Found::Other
            }
            _ if single => Found::Value(Node::Str(name)),
            _ => self.valueless(),
        };
        // What hangs on a call or a subscript, or on a name behind a blank.
        if matches!(self.peek(), b'.' | b'(' | b'[') { Err(Stop::Unsure) } else { Ok(node) }
    }

    /// The keyword arguments up to and with the closing parenthesis, and whether there are others.
    pub(super) fn arguments(&mut self) -> Read<(Members<'a>, bool)> {
        let start = self.members.len();
        let (mut positional, mut unpacked) = (false, false);
        loop {
            self.skip_blanks()?;
            let mut keyword = false;
            match self.peek() {
                b')' => {
                    self.at += 1;
                    let written = self.members.len() - start;
                    let arguments = dictionary(self.arena, &mut self.members, start);
                    self.repeated |= arguments.len() < written;
                    return Ok((arguments, positional));
                }
                b'*' => {
                    // `*name` does not count; `**name` does.
                    let double = self.peek_after(1) == b'*';
                    self.at += 1 + usize::from(double);
                    if !is(self.peek(), LETTER) {
                        return Err(Stop::Unsure);
                    }
                    let name = self.word()?;
                    // It may be the prefix of a text.
                    if is_keyword(name) || matches!(self.peek(), b'"' | b'\'') {
                        return Err(Stop::Unsure);
                    }
                    if !double && unpacked {
                        return Err(Stop::Wrong);
                    }
                    if double {
                        unpacked = true;
                        self.members.push((Node::None, Node::Str(name)));
                    } else {
                        positional = true;
                    }
                    self.skip_blanks()?;
                }
                first => {
                    let before = self.at;
                    if is(first, LETTER) {
                        let key = self.word()?;
                        self.skip_blanks()?;
                        keyword = self.peek() == b'=' && self.peek_after(1) != b'=';
                        if keyword {
                            if is_keyword(key) {
                                return Err(Stop::Wrong);
                            }
                            self.at += 1;
                            self.skip_blanks()?;
                            self.member(key)?;
                        }
                    }
                    if !keyword {
                        self.at = before;
                        if first == b',' {
                            return Err(Stop::Wrong);
                        }
                        // Its value does not count, nor whether it has one.
                        let fails = self.fails;
                        self.ignored += 1;
                        self.node()?;
                        self.ignored -= 1;
                        self.fails = fails;
                        positional = true;
                        // One after a keyword is an error, unless it goes on as something else.
                        if self.members.len() > start {
                            return Err(if matches!(self.peek(), b',' | b')') {
                                Stop::Wrong
                            } else {
                                Stop::Unsure
                            });
                        }
                    }
                }
            }
            match self.peek() {
                b',' => self.at += 1,
                b')' => {}
                _ if !keyword => return self.unexpected(),
                _ => {
                    self.skip_operators()?;
                    self.at += usize::from(self.peek() == b',');
                }
            }
        }
    }
}

/// Whether the text of arguments in parentheses is as Python writes them: numbers, names and plain text, with a comma and a blank
/// between them.
fn is_canonical(arguments: &str) -> bool {
    let Some(inner) = arguments.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return false;
    };
    inner.split(", ").all(|argument| {
        let bytes = argument.as_bytes();
        match bytes {
            [b'0'] => true,
            [b'1'..=b'9', digits @ ..] => digits.len() < 18 && digits.iter().all(u8::is_ascii_digit),
            [b'\'', text @ .., b'\''] => {
                text.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\'))
            }
            [first, ..] => {
                is(*first, LETTER)
                    && bytes.iter().all(|&byte| is(byte, WORD))
                    && (matches!(argument, "True" | "False" | "None") || !is_keyword(argument))
            }
            [] => false,
        }
    })
}

/// The length of a subscript that is as Python writes it: a number, a slice of numbers, plain text, or three dots.
fn canonical_index(text: &str) -> Option<usize> {
    let end = text.bytes().take(24).position(|byte| byte == b']')?;
    let index = &text.as_bytes()[1..end];
    let number = |digits: &[u8]| {
        digits.len() < 18 && digits.iter().all(u8::is_ascii_digit) && !(digits.len() > 1 && digits[0] == b'0')
    };
    let canonical = match index {
        b"..." => true,
        [b'-', digits @ ..] => !digits.is_empty() && number(digits),
        [b'\'', text @ .., b'\''] => {
            text.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'-' | b'.'))
        }
        _ if index.contains(&b':') => {
            let mut parts = index.split(|&byte| byte == b':');
            // A second colon with nothing behind it is not written.
            parts.clone().count() <= 2 + usize::from(index.last() != Some(&b':')) && parts.all(number)
        }
        digits => !digits.is_empty() && number(digits),
    };
    canonical.then_some(end + 1)
}
