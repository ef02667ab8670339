//! F-strings, after CPython 3.11, where they are strings that are read a second time.

use super::literal::{Literal, decode_text};
use super::parse::parse_field;
use super::{FormatPart, MAX_BRACKETS, ParseError};

/// The parts of adjacent string literals of which at least one is an f-string.
pub(super) fn join(literals: &[Literal<'_>], depth: usize) -> Result<Vec<FormatPart>, ParseError> {
    let mut parts = Parts::default();
    for literal in literals {
        if literal.format {
            let mut reader = Reader { literal, body: literal.body, at: 0, depth: depth + 1 };
            reader.parts(&mut parts, 0)?;
        } else {
            literal.decode_text(&mut parts.text)?;
        }
    }
    Ok(parts.finish())
}

/// Parts under construction: adjacent pieces of text become one.
#[derive(Default)]
struct Parts {
    done: Vec<FormatPart>,
    text: String,
}

impl Parts {
    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.done.push(FormatPart::Text(std::mem::take(&mut self.text).into()));
        }
    }

    fn finish(mut self) -> Vec<FormatPart> {
        self.flush();
        self.done
    }
}

struct Reader<'a> {
    literal: &'a Literal<'a>,
    body: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, ParseError> {
        Err(ParseError { at: self.literal.at + self.at, what })
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.body.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Reads to the end of the string, or to the brace that ends a format specification.
    fn parts(&mut self, parts: &mut Parts, level: usize) -> Result<(), ParseError> {
        loop {
            let start = self.at;
            while self.at < self.body.len() && !matches!(self.peek(0), b'{' | b'}') {
                if self.peek(0) == b'\\' && !self.literal.raw {
                    self.at += 1;
                    if self.peek(0) == b'N' && self.peek(1) == b'{' {
                        while self.at < self.body.len() && self.peek(0) != b'}' {
                            self.at += 1;
                        }
                    } else if matches!(self.peek(0), b'{' | b'}') {
                        continue;
                    }
                }
                self.at = (self.at + 1).min(self.body.len());
            }
            // Steps are bytes; all marks are ASCII, so that every stop is at a character.
            decode_text(
                &self.body[start..self.at],
                self.literal.raw,
                self.literal.at + start,
                &mut parts.text,
            )?;
            let mark = self.peek(0);
            if mark == 0 || level > 0 && mark == b'}' {
                return Ok(());
            }
            if level == 0 && self.peek(1) == mark {
                parts.text.push(char::from(mark));
                self.at += 2;
                continue;
            }
            if mark == b'}' {
                return self.fail("a single closing brace in an f-string");
            }
            self.field(parts, level)?;
        }
    }

    fn field(&mut self, parts: &mut Parts, level: usize) -> Result<(), ParseError> {
        if level >= 2 {
            return self.fail("fields too deep in an f-string");
        }
        self.at += 1;
        let start = self.at;
        self.skip_expression()?;
        let source = &self.body[start..self.at];
        if source.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'\r')) {
            return self.fail("a field without an expression");
        }
        let value = parse_field(source, self.depth)?;
        let explains = self.peek(0) == b'=';
        if explains {
            self.at += 1;
            while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r') {
                self.at += 1;
            }
            parts.text.push_str(&self.body[start..self.at]);
        }
        let mut conversion = None;
        if self.peek(0) == b'!' {
            let letter = self.peek(1);
            if !matches!(letter, b's' | b'r' | b'a') || !matches!(self.peek(2), b':' | b'}') {
                return self.fail("a conversion that is none of s, r and a");
            }
            conversion = Some(char::from(letter));
            self.at += 2;
        }
        let mut spec = None;
        if self.peek(0) == b':' {
            self.at += 1;
            let mut inner = Parts::default();
            self.parts(&mut inner, level + 1)?;
            spec = Some(inner.finish());
        }
        if self.peek(0) != b'}' {
            return self.fail("a field that is not closed");
        }
        self.at += 1;
        if explains && conversion.is_none() && spec.is_none() {
            conversion = Some('r');
        }
        parts.flush();
        parts.done.push(FormatPart::Field { value, conversion, spec });
        Ok(())
    }

    /// Walks over the expression of a field, to the mark that ends it.
    fn skip_expression(&mut self) -> Result<(), ParseError> {
        let mut brackets = Vec::new();
        // The quote of the string that is being walked over, and whether it is a triple one.
        let mut string: Option<(u8, bool)> = None;
        while self.at < self.body.len() {
            let byte = self.peek(0);
            let triple = self.peek(1) == byte && self.peek(2) == byte;
            match (byte, string) {
                (b'\\', _) => return self.fail("a backslash in the expression of a field"),
                (_, Some((quote, long))) if byte == quote && (!long || triple) => {
                    self.at += if long { 2 } else { 0 };
                    string = None;
                }
                (_, Some(_)) => {}
                (b'\'' | b'"', None) => {
                    self.at += if triple { 2 } else { 0 };
                    string = Some((byte, triple));
                }
                (b'(' | b'[' | b'{', None) => {
                    if brackets.len() >= MAX_BRACKETS {
                        return self.fail("too many brackets in each other");
                    }
                    brackets.push(byte);
                }
                (b'#', None) => return self.fail("a comment in the expression of a field"),
                (b'!' | b'=' | b'<' | b'>', None) if brackets.is_empty() && self.peek(1) == b'=' => {
                    self.at += 1
                }
                (b'!' | b':' | b'}' | b'=', None) if brackets.is_empty() => return Ok(()),
                (b')' | b']' | b'}', None) => {
                    let open = match byte {
                        b')' => b'(',
                        b']' => b'[',
                        _ => b'{',
                    };
                    if brackets.pop() != Some(open) {
                        return self.fail("a closing bracket without its opening one");
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.fail("a field that is not closed")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Expr, parse};

    #[test]
    fn fields_are_read_like_cpythons() {
        let Expr::FormatString(parts) = parse("f'a{{{x!r:>{w}}}}b{y=}'").unwrap() else { panic!() };
        assert_eq!(parts.len(), 4);
        for wrong in [
            "f'{'",
            "f'}'",
            "f'{}'",
            "f'{a!x}'",
            "f'{a\\n}'",
            "f'{a#}'",
            "f'{a:{b:{c}}}'",
            "f'{(}'",
            "f'{a b}'",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
