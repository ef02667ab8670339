//! JSON as Python's `json` module reads and writes it.
//!
//! It reads `NaN`, `Infinity` and `-Infinity`, keeps integers whole, and of a name that comes twice the last value
//! counts, at the place of the first.

use bumpalo::Bump;

use super::scan::plain_length;
use super::text::{MAX_INT_DIGITS, float_repr};
use super::{Node, Stack, Value, dictionary};

/// How deep lists and objects may be nested; Python gives up near its recursion limit.
pub const MAX_DEPTH: usize = 980;

/// Why text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// It does not follow the grammar (`JSONDecodeError`).
    #[error("not JSON at byte {at}")]
    Syntax {
        /// The place.
        at: usize,
    },
    /// An integer has more digits than Python reads (`ValueError`).
    #[error("an integer with more than {MAX_INT_DIGITS} digits")]
    Digits,
    /// It is nested deeper than [`MAX_DEPTH`] (`RecursionError`).
    #[error("nested deeper than {MAX_DEPTH}")]
    Depth,
}

/// Reads one JSON value. A lone surrogate escape becomes U+FFFD, as text here is UTF-8.
///
/// # Errors
/// If Python's `json.loads` would raise.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    Ok(read(&Bump::new(), text)?.to_value())
}

/// Reads one JSON value into an arena.
///
/// # Errors
/// As [`parse`].
pub(crate) fn read<'a>(arena: &'a Bump, text: &'a str) -> Result<Node<'a>, JsonError> {
    let mut reader = Reader {
        arena,
        text,
        bytes: text.as_bytes(),
        at: 0,
        items: Stack::new_in(arena),
        members: Stack::with_capacity_in(8, arena),
    };
    reader.skip_blanks();
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < reader.bytes.len() { Err(reader.error()) } else { Ok(value) }
}

struct Reader<'a> {
    arena: &'a Bump,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The items of the lists that are being read.
    items: Stack<'a, Node<'a>>,
    /// The members of the objects that are being read.
    members: Stack<'a, (Node<'a>, Node<'a>)>,
}

impl<'a> Reader<'a> {
    fn error(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, value: Node<'a>) -> Result<Node<'a>, JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error())
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth);
        }
        match self.peek() {
            b'"' => self.string().map(Node::Str),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'n' => self.word("null", Node::None),
            b't' => self.word("true", Node::Bool(true)),
            b'f' => self.word("false", Node::Bool(false)),
            b'N' => self.word("NaN", Node::Float(f64::NAN)),
            b'I' => self.word("Infinity", Node::Float(f64::INFINITY)),
            b'-' if self.bytes.get(self.at + 1) == Some(&b'I') => {
                self.word("-Infinity", Node::Float(f64::NEG_INFINITY))
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(self.error()),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Node<'a>, JsonError> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        let length = if self.peek() == b'0' {
            self.at += 1;
            1
        } else {
            self.digits()
        };
        if length == 0 {
            return Err(JsonError::Syntax { at: start });
        }
        let mut float = false;
        // A point or an exponent without digits belongs to what follows, which is then an error there.
        for (marks, signed) in [(&b"."[..], false), (&b"eE"[..], true)] {
            let before = self.at;
            if marks.contains(&self.peek()) && self.at < self.bytes.len() {
                self.at += 1;
                if signed && matches!(self.peek(), b'+' | b'-') {
                    self.at += 1;
                }
                if self.digits() > 0 {
                    float = true;
                    continue;
                }
                self.at = before;
            }
        }
        let text = &self.text[start..self.at];
        if float {
            return text.parse().map(Node::Float).map_err(|_| self.error());
        }
        if length <= 18 {
            return text.parse().map(Node::Int).map_err(|_| self.error());
        }
        if length > MAX_INT_DIGITS {
            return Err(JsonError::Digits);
        }
        Node::from_digits(self.arena, text).ok_or_else(|| self.error())
    }

    /// Walks over what text may hold as it is.
    #[inline]
    fn skip_plain(&mut self) -> &'a str {
        let start = self.at;
        self.at += plain_length(&self.bytes[start..], [b'"', b'\\']);
        &self.text[start..self.at]
    }

    fn string(&mut self) -> Result<&'a str, JsonError> {
        self.at += 1;
        let start = self.at;
        let plain = self.skip_plain();
        if self.at == self.bytes.len() {
            return Err(JsonError::Syntax { at: start });
        }
        if self.peek() == b'"' {
            self.at += 1;
            return Ok(plain);
        }
        let mut out = String::from(plain);
        loop {
            out.push_str(self.skip_plain());
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(self.arena.alloc_str(&out));
                }
                b'\\' => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.error()),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let escaped = self.peek();
        self.at += 1;
        Ok(match escaped {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                let before = self.at;
                if (0xd800..0xdc00).contains(&unit) && self.bytes[self.at..].starts_with(b"\\u") {
                    self.at += 2;
                    // A second escape that is no low surrogate is read by itself; so is its error.
                    match self.hex() {
                        Ok(low) if (0xdc00..0xe000).contains(&low) => {
                            let point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                            return Ok(char::from_u32(point).unwrap_or('\u{fffd}'));
                        }
                        _ => self.at = before,
                    }
                }
                char::from_u32(unit).unwrap_or('\u{fffd}')
            }
            _ => {
                self.at -= 1;
                return Err(self.error());
            }
        })
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or_else(|| self.error())?;
        let mut value = 0;
        for &digit in digits {
            value = value * 16 + char::from(digit).to_digit(16).ok_or_else(|| self.error())?;
        }
        self.at += 4;
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        self.at += 1;
        let start = self.items.len();
        self.skip_blanks();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(Node::List(&[]));
        }
        loop {
            self.skip_blanks();
            let item = self.value(depth + 1)?;
            self.items.push(item);
            self.skip_blanks();
            match self.peek() {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    let items = self.arena.alloc_slice_copy(&self.items[start..]);
                    self.items.truncate(start);
                    return Ok(Node::List(items));
                }
                _ => return Err(self.error()),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        self.at += 1;
        let start = self.members.len();
        self.skip_blanks();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(Node::Dict(&[]));
        }
        loop {
            self.skip_blanks();
            if self.peek() != b'"' {
                return Err(self.error());
            }
            let key = self.string()?;
            self.skip_blanks();
            if self.peek() != b':' {
                return Err(self.error());
            }
            self.at += 1;
            self.skip_blanks();
            let value = self.value(depth + 1)?;
            self.members.push((Node::Str(key), value));
            self.skip_blanks();
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(Node::Dict(dictionary(self.arena, &mut self.members, start)));
                }
                _ => return Err(self.error()),
            }
        }
    }
}

/// How [`write()`] lays JSON out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// Whether characters beyond ASCII are written as they are (`ensure_ascii=False`).
    pub unicode: bool,
    /// Blanks for each level of nesting; `None` writes everything on one line.
    pub indent: Option<usize>,
}

/// The value as Python's `json.dumps` writes it by default: one line, ASCII. What JSON does not have is written as its
/// nearest: a tuple or set as a list, bytes and complex numbers as their `repr` in text.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, Layout::default());
    out
}

/// Writes the value as Python's `json.dumps` does.
pub fn write(out: &mut String, value: &Value, layout: Layout) {
    write_at(out, value, layout, 0);
}

fn write_at(out: &mut String, value: &Value, layout: Layout, level: usize) {
    let separate = |out: &mut String, first: bool, level: usize| {
        if !first {
            out.push(',');
        }
        if let Some(indent) = layout.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * level));
        } else if !first {
            out.push(' ');
        }
    };
    match value {
        Value::None => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&float_json(*value)),
        Value::Complex(..) | Value::Bytes(_) => write_string(out, &value.repr(), layout.unicode),
        Value::Str(text) => write_string(out, text, layout.unicode),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                separate(out, at == 0, level + 1);
                write_at(out, item, layout, level + 1);
            }
            if !items.is_empty() && layout.indent.is_some() {
                separate(out, true, level);
            }
            out.push(']');
        }
        Value::Dict(dict) => {
            out.push('{');
            for (at, (key, value)) in dict.iter().enumerate() {
                separate(out, at == 0, level + 1);
                let key = match key {
                    Value::Str(text) => text.clone(),
                    Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) => to_string(key).into(),
                    other => other.repr().into(),
                };
                write_string(out, &key, layout.unicode);
                out.push_str(": ");
                write_at(out, value, layout, level + 1);
            }
            if !dict.is_empty() && layout.indent.is_some() {
                separate(out, true, level);
            }
            out.push('}');
        }
    }
}

fn float_json(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        float_repr(value)
    }
}

fn write_string(out: &mut String, text: &str, unicode: bool) {
    use std::fmt::Write as _;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            ' '..='~' => out.push(character),
            '\x7f'.. if unicode => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_python_reads() {
        let value = parse(" {\"a\": [1, -2.5e3, NaN, 123456789012345678901], \"b\": \"\\u00e9\\ud83d\\ude00\", \"a\": null}").unwrap();
        assert_eq!(value.repr(), "{'a': None, 'b': 'é😀'}");
        for wrong in [
            "",
            "[1,]",
            "{'a': 1}",
            "01",
            "1.",
            "+1",
            "\"a\nb\"",
            "[1",
            "nul",
            "-",
            "{\"a\" 1}",
            "1 2",
            "\"\\x\"",
            "\u{feff}1",
        ] {
            assert!(matches!(parse(wrong), Err(JsonError::Syntax { .. })), "{wrong}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), Err(JsonError::Depth));
        assert_eq!(parse(&"1".repeat(5000)), Err(JsonError::Digits));
    }

    #[test]
    fn it_writes_what_python_writes() {
        let text = r#"{"a": [1, 2.0, "\u00e9\u007f\ud83d\ude00\n", NaN, null], "b": {}, "c": []}"#;
        let value = parse(text).unwrap();
        assert_eq!(to_string(&value), text);
        let mut out = String::new();
        write(&mut out, &value, Layout { unicode: true, indent: Some(2) });
        assert!(out.starts_with("{\n  \"a\": [\n    1,\n    2.0,\n    \"é"));
        assert!(out.ends_with("  \"b\": {},\n  \"c\": []\n}"));
    }

    #[test]
    fn the_lossless_form_reads_back() {
        let value = Value::Tuple(vec![
            Value::None,
            Value::from(1),
            Value::from(-0.0),
            Value::Complex(0.0, 1.0),
            Value::Bytes((*b"ab").into()),
            Value::Set(vec![Value::from(2), Value::from("x")]),
            Value::Dict([(Value::from(1.5), Value::from(true))].into_iter().collect()),
        ]);
        let encoded = to_string(&value.encode());
        assert_eq!(
            encoded,
            r#"{"t": [null, {"i": "1"}, {"f": "-0.0"}, {"c": ["0.0", "1.0"]}, {"b": "6162"}, {"s": ["\"x\"", "{\"i\": \"2\"}"]}, {"d": [[{"f": "1.5"}, true]]}]}"#
        );
        assert!(Value::decode(&parse(&encoded).unwrap()).unwrap().same(&value));
        assert!(Value::decode(&parse("{\"i\": \"x\"}").unwrap()).is_none());
    }
}
