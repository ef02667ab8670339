//! Literals as Python writes them: what stands on the right of `=` in a call of ToolACE's or BFCL's kind.
//!
//! Values only; nothing is evaluated. Tuples are read as lists, and `true`, `false`, `null` as the words they mean, because
//! models write them.

use std::fmt::Write;

use crate::error::{Error, Result};
use crate::json::{Json, Number, Object};

/// As deep as JSON is read.
const DEEPEST: usize = 128;

/// A place in a text that is being read.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Moves on by `bytes`, which must end at a character.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes `word` if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        if found {
            self.at += word.len();
        }
        found
    }

    pub(super) fn error(&self, what: &str) -> Error {
        let character = self.text[..self.at].chars().count() + 1;
        Error::invalid(format!("character {character}: {what}"))
    }

    /// The literal that comes next.
    pub(super) fn value(&mut self) -> Result<Json> {
        self.skip_blanks();
        match self.peek() {
            Some('[') => self.nested(']'),
            Some('(') => self.nested(')'),
            Some('{') => self.dict(),
            Some('"' | '\'') => self.strings(),
            Some('-' | '+' | '.' | '0'..='9') => self.number(),
            Some(first) if first.is_alphabetic() => self.word(),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value should be")),
        }
    }

    fn word(&mut self) -> Result<Json> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let value = match &rest[..end] {
            "None" | "null" => Json::Null,
            "True" | "true" => Json::Bool(true),
            "False" | "false" => Json::Bool(false),
            _ => return Err(self.error("a word that is no literal")),
        };
        self.at += end;
        Ok(value)
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(self.error("nested deeper than 128 levels")) } else { Ok(()) }
    }

    /// A list or a tuple, up to `end`.
    fn nested(&mut self, end: char) -> Result<Json> {
        self.deeper()?;
        self.at += 1;
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.skip_blanks();
            if self.peek() == Some(end) {
                self.at += 1;
                break;
            }
            items.push(self.value()?);
            self.skip_blanks();
            comma = self.take(",");
            if !comma && self.peek() != Some(end) {
                return Err(self.error("expected a comma or the end of the list"));
            }
        }
        self.depth -= 1;
        // One value in parentheses is that value.
        let bare = end == ')' && items.len() == 1 && !comma;
        Ok(if bare { items.remove(0) } else { Json::Array(items) })
    }

    fn dict(&mut self) -> Result<Json> {
        self.deeper()?;
        self.at += 1;
        let mut members = Object::new();
        loop {
            self.skip_blanks();
            if self.take("}") {
                break;
            }
            let key = match self.value()? {
                Json::String(key) => key,
                // As Python's own JSON writer names such keys.
                key @ (Json::Null | Json::Bool(_) | Json::Number(_)) => key.to_string(),
                _ => return Err(self.error("a key that is a list or a dict")),
            };
            self.skip_blanks();
            if !self.take(":") {
                return Err(self.error("expected a colon after the key"));
            }
            let value = self.value()?;
            members.insert(key, value);
            self.skip_blanks();
            if !self.take(",") && self.peek() != Some('}') {
                return Err(self.error("expected a comma or the end of the dict"));
            }
        }
        self.depth -= 1;
        Ok(Json::Object(members))
    }

    /// A string, or several that stand side by side.
    fn strings(&mut self) -> Result<Json> {
        let mut text = String::new();
        while let Some(quote @ ('"' | '\'')) = self.peek() {
            self.string(quote, &mut text)?;
            let end = self.at;
            self.skip_blanks();
            if !matches!(self.peek(), Some('"' | '\'')) {
                self.at = end;
                break;
            }
        }
        Ok(Json::String(text))
    }

    fn string(&mut self, quote: char, out: &mut String) -> Result<()> {
        let triple = if quote == '"' { "\"\"\"" } else { "'''" };
        let end = if self.rest().starts_with(triple) { triple } else { &triple[..1] };
        let start = self.at;
        self.at += end.len();
        loop {
            if self.take(end) {
                return Ok(());
            }
            match self.peek() {
                Some('\\') => {
                    self.at += 1;
                    self.escape(out)?;
                }
                // A line break inside simple quotes is no Python, but models write it.
                Some(other) => {
                    out.push(other);
                    self.at += other.len_utf8();
                }
                None => {
                    self.at = start;
                    return Err(self.error("a string without an end"));
                }
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<()> {
        let Some(kind) = self.peek() else { return Err(self.error("a string without an end")) };
        self.at += kind.len_utf8();
        let simple = match kind {
            '\n' => return Ok(()),
            '\\' | '\'' | '"' => kind,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0'..='7' => {
                self.at -= 1;
                let digits =
                    self.rest().bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
                return self.code(digits, 8, out);
            }
            'x' => return self.code(2, 16, out),
            'u' => return self.code(4, 16, out),
            'U' => return self.code(8, 16, out),
            // Python keeps the backslash of what it does not know.
            other => {
                out.push('\\');
                other
            }
        };
        out.push(simple);
        Ok(())
    }

    fn digits(&mut self, count: usize, radix: u32) -> Result<u32> {
        let digits =
            self.rest().get(..count).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        let value = value.ok_or_else(|| self.error("an escape with too few digits"))?;
        self.at += count;
        Ok(value)
    }

    fn code(&mut self, count: usize, radix: u32, out: &mut String) -> Result<()> {
        let mut code = self.digits(count, radix)?;
        // Two halves, as JSON escapes characters beyond the first plane.
        if (0xd800..0xdc00).contains(&code) && self.take("\\u") {
            let low = self.digits(4, 16)?;
            code = match low {
                0xdc00..0xe000 => 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00),
                _ => code,
            };
        }
        out.push(char::from_u32(code).ok_or_else(|| self.error("an escape that is no character"))?);
        Ok(())
    }

    fn number(&mut self) -> Result<Json> {
        let rest = self.rest();
        let is_part = |at: usize, c: char| {
            c.is_ascii_alphanumeric()
                || c == '.'
                || c == '_'
                || (matches!(c, '+' | '-') && (at == 0 || matches!(rest.as_bytes()[at - 1], b'e' | b'E')))
        };
        let end = rest.char_indices().find(|&(at, c)| !is_part(at, c)).map_or(rest.len(), |(at, _)| at);
        let text = rest[..end].replace('_', "");
        let text = text.strip_prefix('+').unwrap_or(&text);
        let number = match Number::integer(text) {
            Some(number) => Some(number),
            // Rust also reads words such as `inf`.
            None if text.trim_start_matches('-').starts_with(|c: char| c == '.' || c.is_ascii_digit()) => {
                text.parse().ok().and_then(Number::float)
            }
            None => None,
        };
        let number = number.ok_or_else(|| self.error("not a number, or out of range"))?;
        self.at += end;
        Ok(Json::Number(number))
    }
}

/// Writes `value` as Python reads it, with double quotes.
pub(super) fn write(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("None"),
        Json::Bool(true) => out.push_str("True"),
        Json::Bool(false) => out.push_str("False"),
        Json::Number(number) => write!(out, "{number}").expect("a string takes all text"),
        Json::String(text) => write_string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                out.push_str(if at > 0 { ", " } else { "" });
                write_string(name, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                write!(out, "\\x{:02x}", u32::from(c)).expect("a string takes all text");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
