//! A decoder for the plain majority of answers: calls with literal arguments.
//!
//! It goes from bytes to values without tokens or a tree. Whatever it is not sure of it leaves to the whole grammar
//! ([`super::decode::decode_python`]); a test holds the two together.

#[cfg(feature = "bfcl-java-js")]
pub(super) mod java;
#[cfg(feature = "bfcl-java-js")]
pub(super) mod javascript;
#[cfg(feature = "bfcl-java-js")]
pub(super) mod source;

use super::decode::call;
use crate::pyexpr::lex::is_keyword;
use crate::value::{Dict, Int, Str, Value};

/// Deeper lists and dictionaries are left to the whole grammar.
const MAX_DEPTH: usize = 40;

/// The calls in a text whose ends were trimmed, or nothing if it holds anything unusual.
pub(super) fn decode(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let inner = text.strip_prefix('[').unwrap_or(text);
    let start = text.len() - inner.len();
    // A text that ends in a bracket gets none added; whether that one closes the list shows at the end.
    let closed = text.ends_with(']');
    if start == 1 && !closed || !bytes.last().is_some_and(|last| matches!(last, b')' | b']')) {
        return None;
    }
    let mut reader = Reader { text, bytes, at: start };
    let mut calls = Vec::new();
    loop {
        reader.skip_blanks();
        if closed && reader.peek() == b']' {
            break;
        }
        calls.push(reader.call()?);
        reader.skip_blanks();
        match reader.peek() {
            b',' => reader.at += 1,
            _ => break,
        }
    }
    if closed {
        if reader.peek() != b']' {
            return None;
        }
        reader.at += 1;
    }
    // An empty list may have come from a lone comma.
    (reader.at == bytes.len() && !calls.is_empty()).then_some(Value::List(calls))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\n') {
            self.at += 1;
        }
    }

    #[inline]
    fn word(&mut self) -> Option<&'a str> {
        let start = self.at;
        if !matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'_') {
            return None;
        }
        while matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_') {
            self.at += 1;
        }
        Some(&self.text[start..self.at])
    }

    #[inline]
    fn name(&mut self) -> Option<&'a str> {
        self.word().filter(|word| !is_keyword(word))
    }

    fn call(&mut self) -> Option<Value> {
        let start = self.at;
        self.name()?;
        while self.peek() == b'.' {
            self.at += 1;
            self.name()?;
        }
        let name = &self.text[start..self.at];
        if self.peek() != b'(' {
            return None;
        }
        self.at += 1;
        let mut arguments = Dict::with_capacity(4);
        loop {
            self.skip_blanks();
            if self.peek() == b')' {
                self.at += 1;
                return Some(call(Value::Str(Str::new(name)), Value::Dict(arguments)));
            }
            let key = self.name()?;
            self.skip_blanks();
            if self.peek() != b'=' {
                return None;
            }
            self.at += 1;
            self.skip_blanks();
            let value = self.value(0)?;
            arguments.insert(Value::Str(Str::new(key)), value);
            match self.peek() {
                b',' => self.at += 1,
                b')' => {}
                _ => return None,
            }
        }
    }

    /// A value and the blanks after it. What comes then must be a comma or a closing bracket (or a colon after a key),
    /// for which the caller looks.
    fn value(&mut self, depth: usize) -> Option<Value> {
        let value = match self.peek() {
            quote @ (b'"' | b'\'') => Value::Str(self.string(quote)?),
            b'0'..=b'9' | b'-' => self.number()?,
            b'[' if depth < MAX_DEPTH => self.list(depth)?,
            b'{' if depth < MAX_DEPTH => self.dictionary(depth)?,
            _ => match self.word()? {
                "True" => Value::Bool(true),
                "False" => Value::Bool(false),
                "None" => Value::None,
                word if is_keyword(word) => return None,
                word => Value::Str(Str::new(word)),
            },
        };
        self.skip_blanks();
        Some(value)
    }

    /// A short string without escapes, quotes of three, or line ends.
    fn string(&mut self, quote: u8) -> Option<Str> {
        let start = self.at + 1;
        let length =
            self.bytes[start..].iter().position(|&byte| byte == quote || byte == b'\\' || byte < 0x20)?;
        let end = start + length;
        if self.bytes[end] != quote {
            return None;
        }
        self.at = end + 1;
        // Two quotes at once may be the beginning of three.
        if length == 0 && self.peek() == quote {
            return None;
        }
        Some(Str::new(&self.text[start..end]))
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let first = self.at;
        let mut whole: i64 = 0;
        while self.peek().is_ascii_digit() {
            whole = whole.wrapping_mul(10).wrapping_add(i64::from(self.peek() - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        if digits == 0 || digits > 18 || digits > 1 && self.bytes[first] == b'0' {
            return None;
        }
        let value = if self.peek() == b'.' {
            self.at += 1;
            let fraction = self.at;
            while self.peek().is_ascii_digit() {
                self.at += 1;
            }
            if self.at == fraction {
                return None;
            }
            Value::Float(self.text[start..self.at].parse().ok()?)
        } else {
            Value::Int(Int::Small(if first > start { -whole } else { whole }))
        };
        matches!(self.peek(), b',' | b')' | b']' | b'}' | b':' | b' ' | b'\n').then_some(value)
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_blanks();
            if self.peek() == b']' {
                self.at += 1;
                return Some(Value::List(items));
            }
            items.push(self.value(depth + 1)?);
            match self.peek() {
                b',' => self.at += 1,
                b']' => {}
                _ => return None,
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut dict = Dict::new();
        loop {
            self.skip_blanks();
            if self.peek() == b'}' {
                self.at += 1;
                return Some(Value::Dict(dict));
            }
            let key = self.value(depth + 1).filter(Value::is_hashable)?;
            if self.peek() != b':' {
                return None;
            }
            self.at += 1;
            self.skip_blanks();
            let value = self.value(depth + 1)?;
            dict.insert(key, value);
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {}
                _ => return None,
            }
        }
    }
}
