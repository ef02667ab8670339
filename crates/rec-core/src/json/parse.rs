//! The reader: recursive descent over the bytes, with the place of what is wrong.

use super::{Json, Number, Object};
use crate::error::{Error, Result};

/// As deep as `serde_json` goes.
const DEEPEST: usize = 128;

/// The one value that `text` holds.
pub(super) fn document(text: &str) -> Result<Json> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.error("text after the value")) } else { Ok(value) }
}

/// The value that `text` begins with, and the rest.
pub(super) fn prefix(text: &str) -> Result<(Json, &str)> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value()?;
    Ok((value, &text[reader.at..]))
}

struct Reader<'t> {
    text: &'t str,
    /// Of the next byte; always at the start of a character.
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn error(&self, what: &str) -> Error {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) as u64 + 1;
        Error::Json { line, column, what: what.to_owned() }
    }

    fn value(&mut self) -> Result<Json> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("expected a value")),
            None => Err(self.error("the text ends where a value should be")),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Json>) -> Result<Json> {
        // One byte, checked by the caller.
        self.at += 1;
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("nested deeper than 128 levels"));
        }
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("expected a value"))
        }
    }

    fn object(&mut self) -> Result<Json> {
        let mut members = Object::new();
        self.skip_blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.error("expected the name of a member in double quotes"));
            }
            let name = self.string()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.error("expected a colon after the name"));
            }
            self.at += 1;
            let value = self.value()?;
            members.insert(name, value);
            if self.ends_with(b'}', "expected a comma or the end of the object")? {
                return Ok(Json::Object(members));
            }
        }
    }

    fn array(&mut self) -> Result<Json> {
        let mut items = Vec::new();
        self.skip_blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value()?);
            if self.ends_with(b']', "expected a comma or the end of the list")? {
                return Ok(Json::Array(items));
            }
        }
    }

    /// Whether `end` comes next; if not, a comma must.
    fn ends_with(&mut self, end: u8, otherwise: &str) -> Result<bool> {
        self.skip_blanks();
        match self.peek() {
            Some(byte) if byte == end || byte == b',' => {
                self.at += 1;
                Ok(byte == end)
            }
            _ => Err(self.error(otherwise)),
        }
    }

    fn string(&mut self) -> Result<String> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.error("a string without an end")),
            }
        }
        // Escapes, surrogates and forbidden control characters are serde_json's to know.
        let text = serde_json::from_str(&self.text[start..=end])
            .map_err(|_| self.error("a string with a bad escape or a control character"))?;
        self.at = end + 1;
        Ok(text)
    }

    fn number(&mut self) -> Result<Number> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leading_zero && digits > 1 {
            return Err(self.error("a number with a leading zero"));
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        // Negative zero is a float: an integer would lose its sign.
        let number = if integer && text != "-0" {
            Number::integer(text)
        } else {
            text.parse().ok().and_then(Number::float)
        };
        number.ok_or_else(|| self.error("a number out of range"))
    }

    fn digits(&mut self) -> Result<usize> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("expected a digit")) } else { Ok(self.at - start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_line_and_column() {
        for (text, place) in [
            ("{\n  \"é\": tru\n}", "line 2, column 8"),
            ("[1,", "line 1, column 4"),
            ("{\"a\" 1}", "line 1, column 6"),
            ("[01]", "line 1, column 4"),
            ("\"a", "line 1, column 1"),
            ("1 2", "line 1, column 3"),
            ("1e999", "line 1, column 6"),
            ("\"\u{1}\"", "line 1, column 1"),
        ] {
            let message = document(text).unwrap_err().to_string();
            assert!(message.starts_with(place), "{text}: {message}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(document(&nested(DEEPEST)).is_ok());
        assert!(document(&nested(100_000)).unwrap_err().to_string().contains("deeper than 128"));
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        assert_eq!(document(r#"{"a":1,"b":2,"a":3}"#).unwrap().to_string(), r#"{"a":3,"b":2}"#);
    }
}
