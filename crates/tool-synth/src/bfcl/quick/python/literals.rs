//! Texts, byte strings and numbers, and what is computed with two of them.

use super::{END, LETTER, Read, Reader, Stop, is};
use crate::pyexpr::literal::decode_text;
use crate::value::scan::plain_length;
use crate::value::text::MAX_INT_DIGITS;
use crate::value::{Node, concatenate};

impl<'a> Reader<'a> {
    /// Text of plain characters with a mark right behind it; otherwise nothing is walked over.
    #[inline]
    pub(super) fn plain_text(&mut self) -> Option<&'a str> {
        let quote = self.peek();
        if !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let start = self.at + 1;
        let end = start + plain_length(&self.bytes[start..], [quote, b'\\']);
        let &[closing, mark, ..] = &self.bytes[end..] else { return None };
        // What begins with two quotes may have three.
        if closing != quote || end == start || !is(mark, END) {
            return None;
        }
        self.at = end + 1;
        Some(&self.text[start..end])
    }

    /// A short integer with a mark right behind it; otherwise nothing is walked over.
    #[inline]
    pub(super) fn plain_integer(&mut self) -> Option<i64> {
        let mut end = self.at;
        let mut value: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(end) {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            end += 1;
        }
        let zero_first = end - self.at > 1 && self.bytes[self.at] == b'0';
        if !matches!(end - self.at, 1..=18) || zero_first || !is(*self.bytes.get(end)?, END) {
            return None;
        }
        self.at = end;
        Some(value)
    }

    /// Literals of text beside each other; the prefix of the first was read.
    pub(super) fn strings(&mut self, prefix: &str) -> Read<Node<'a>> {
        let mut joined = self.string(prefix)?;
        loop {
            let end = self.at;
            self.skip_blanks()?;
            match self.peek() {
                b'"' | b'\'' => {
                    let next = self.string("")?;
                    joined = concatenate(self.arena, joined, next);
                }
                b'a'..=b'z' | b'A'..=b'Z' if matches!(self.peek_after(1), b'"' | b'\'') => {
                    return Err(Stop::Unsure);
                }
                b'a'..=b'z' | b'A'..=b'Z' if matches!(self.peek_after(2), b'"' | b'\'') => {
                    return Err(Stop::Unsure);
                }
                _ => {
                    self.at = end;
                    return Ok(Node::Str(joined));
                }
            }
        }
    }

    /// Whether text comes next, with a prefix or without.
    pub(super) fn at_string(&self) -> bool {
        let quote = |ahead| matches!(self.peek_after(ahead), b'"' | b'\'');
        quote(0) || is(self.peek(), LETTER) && (quote(1) || quote(2))
    }

    /// A byte string of plain characters; its prefix was read.
    pub(super) fn byte_string(&mut self) -> Read<Node<'a>> {
        let body = self.string("r")?;
        let end = self.at;
        self.skip_blanks()?;
        if self.at_string() || self.literal || !body.is_ascii() || body.contains('\\') {
            return Err(Stop::Unsure);
        }
        self.at = end;
        Ok(Node::Bytes(body.as_bytes()))
    }

    pub(super) fn string(&mut self, prefix: &str) -> Read<&'a str> {
        let quote = self.peek();
        let triple = self.peek_after(1) == quote && self.peek_after(2) == quote;
        let start = self.at + if triple { 3 } else { 1 };
        let (mut end, mut escapes) = (start, false);
        loop {
            end += plain_length(&self.bytes[end..], [quote, b'\\']);
            // Whatever is not closed is an error.
            match *self.bytes.get(end).ok_or(Stop::Wrong)? {
                b'\\' => {
                    escapes = true;
                    match self.bytes.get(end + 1) {
                        Some(b'\r' | 0) | None => return Err(Stop::Unsure),
                        Some(_) => end += 2,
                    }
                }
                b'\t' => end += 1,
                b'\n' if triple => end += 1,
                b'\n' => return Err(Stop::Wrong),
                byte if byte == quote => {
                    if !triple {
                        break;
                    }
                    if self.bytes[end..].starts_with(&[quote; 3]) {
                        break;
                    }
                    end += 1;
                }
                _ => return Err(Stop::Unsure),
            }
        }
        self.at = end + if triple { 3 } else { 1 };
        let body = &self.text[start..end];
        if !escapes || matches!(prefix, "r" | "R") {
            return Ok(body);
        }
        let mut out = String::with_capacity(body.len());
        decode_text(body, false, 0, &mut out).map_err(|_| Stop::Wrong)?;
        Ok(self.arena.alloc_str(&out))
    }

    /// A decimal number, with the other sign if asked for.
    pub(super) fn number(&mut self, negate: bool) -> Read<Node<'a>> {
        let start = self.at;
        let mut whole: i64 = 0;
        while self.peek().is_ascii_digit() {
            whole = whole.wrapping_mul(10).wrapping_add(i64::from(self.peek() - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        let mut float = false;
        if self.peek() == b'.' {
            float = true;
            self.at += 1;
            while self.peek().is_ascii_digit() {
                self.at += 1;
            }
        }
        if matches!(self.peek(), b'e' | b'E') {
            float = true;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            if !self.peek().is_ascii_digit() {
                // It may be `else` that touches the number.
                return Err(if matches!(self.peek(), b',' | b')' | b']' | b'}') {
                    Stop::Wrong
                } else {
                    Stop::Unsure
                });
            }
            while self.peek().is_ascii_digit() {
                self.at += 1;
            }
        }
        let imaginary = matches!(self.peek(), b'j' | b'J');
        let text = &self.text[start..self.at];
        self.at += usize::from(imaginary);
        if self.peek().is_ascii_alphanumeric() || matches!(self.peek(), b'_' | b'.' | 0x80..) {
            return Err(Stop::Unsure);
        }
        if imaginary {
            let value: f64 = text.parse().map_err(|_| Stop::Unsure)?;
            return Ok(if negate { Node::Complex(-0.0, -value) } else { Node::Complex(0.0, value) });
        }
        if float {
            let value: f64 = text.parse().map_err(|_| Stop::Unsure)?;
            return Ok(Node::Float(if negate { -value } else { value }));
        }
        if digits > 1 && self.bytes[start] == b'0' || digits > MAX_INT_DIGITS {
            return Err(Stop::Unsure);
        }
        if digits <= 18 {
            return Ok(Node::Int(if negate { -whole } else { whole }));
        }
        let value = Node::from_digits(self.arena, text).ok_or(Stop::Unsure)?;
        Ok(if negate { value.negated(self.arena) } else { value })
    }

    /// A number or text after which an operator comes, with another one.
    pub(super) fn computed(&mut self, left: Node<'a>) -> Read<Node<'a>> {
        let operator = self.peek();
        if self.literal || self.peek_after(1) == operator || self.peek_after(1) == b'=' {
            return Err(Stop::Unsure);
        }
        self.at += 1;
        self.skip_blanks()?;
        let right = match self.peek() {
            b'0'..=b'9' => self.number(false)?,
            b'"' | b'\'' => self.strings("")?,
            _ => return Err(Stop::Unsure),
        };
        self.skip_blanks()?;
        if !matches!(self.peek(), b',' | b')' | b']' | b'}') {
            return Err(Stop::Unsure);
        }
        let float = |node| match node {
            Node::Int(int) if int < 1 << 53 => Some(int as f64),
            Node::Float(float) => Some(float),
            _ => None,
        };
        let value = match (left, right, operator) {
            (Node::Int(a), Node::Int(b), b'+') => a.checked_add(b).map(Node::Int),
            (Node::Int(a), Node::Int(b), b'-') => Some(Node::Int(a - b)),
            (Node::Int(a), Node::Int(b), b'*') => a.checked_mul(b).map(Node::Int),
            (Node::Int(a), Node::Int(b), b'&') => Some(Node::Int(a & b)),
            (Node::Int(a), Node::Int(b), b'|') => Some(Node::Int(a | b)),
            (Node::Int(a), Node::Int(b), b'^') => Some(Node::Int(a ^ b)),
            (Node::Str(a), Node::Str(b), b'+') => Some(Node::Str(concatenate(self.arena, a, b))),
            (a, b, operator) => float(a)
                .zip(float(b))
                .and_then(|(a, b)| match operator {
                    b'+' => Some(a + b),
                    b'-' => Some(a - b),
                    b'*' => Some(a * b),
                    b'/' if b != 0.0 => Some(a / b),
                    _ => None,
                })
                .map(Node::Float),
        };
        value.ok_or(Stop::Unsure)
    }
}
