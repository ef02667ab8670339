//! Literals as Python's `repr` writes them. Nothing is evaluated.

use rec_core::Json;
use rec_core::json::{Number, Object};

const DEEPEST: usize = 64;

/// The value of a literal: lists, tuples (as lists), dictionaries with names as keys, texts, numbers, `True`, `False`, `None`.
///
/// # Errors
/// The character where it is none, and what was expected.
pub fn read_literal(text: &str) -> Result<Json, String> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.at == reader.chars.len() { Ok(value) } else { reader.fail("the end was expected") }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn fail<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("character {}: {what}", self.at + 1))
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEEPEST {
            return self.fail("nested too deep");
        }
        self.blanks();
        match self.peek() {
            Some('[') => self.list(']', depth).map(Json::Array),
            Some('(') => self.list(')', depth).map(Json::Array),
            Some('{') => self.dictionary(depth),
            Some('\'' | '"') => {
                let mut text = self.text()?;
                // Texts that stand side by side are one.
                loop {
                    self.blanks();
                    match self.peek() {
                        Some('\'' | '"') => text += &self.text()?,
                        _ => return Ok(text.into()),
                    }
                }
            }
            Some(_) => self.word(),
            None => self.fail("a value was expected"),
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Result<Vec<Json>, String> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value(depth + 1)?);
            if !self.take(',') {
                if self.take(close) {
                    break;
                }
                return self.fail("a comma was expected");
            }
        }
        Ok(items)
    }

    fn dictionary(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut members = Object::new();
        while !self.take('}') {
            let key = match self.value(depth + 1)? {
                Json::String(key) => key,
                other => other.to_string(),
            };
            if !self.take(':') {
                return self.fail("a colon was expected");
            }
            members.insert(key, self.value(depth + 1)?);
            if !self.take(',') {
                if self.take('}') {
                    break;
                }
                return self.fail("a comma was expected");
            }
        }
        Ok(members.into())
    }

    fn text(&mut self) -> Result<String, String> {
        let quote = self.peek();
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(next) = self.peek() else { return self.fail("the text does not end") };
            self.at += 1;
            if Some(next) == quote {
                return Ok(text);
            }
            if next != '\\' {
                text.push(next);
                continue;
            }
            let Some(escaped) = self.peek() else { return self.fail("the text does not end") };
            self.at += 1;
            match escaped {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '0' => text.push('\0'),
                'x' => self.code(2, &mut text)?,
                'u' => self.code(4, &mut text)?,
                'U' => self.code(8, &mut text)?,
                '\\' | '\'' | '"' => text.push(escaped),
                // Python keeps a backslash that escapes nothing.
                other => text.extend(['\\', other]),
            }
        }
    }

    fn code(&mut self, digits: usize, text: &mut String) -> Result<(), String> {
        let end = self.at + digits;
        let code = self.chars.get(self.at..end).map(|digits| digits.iter().collect::<String>());
        let code = code.and_then(|code| u32::from_str_radix(&code, 16).ok());
        let Some(code) = code else { return self.fail("hexadecimal digits were expected") };
        self.at = end;
        // Half of a surrogate pair is no character.
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        Ok(())
    }

    fn word(&mut self) -> Result<Json, String> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || "+-._".contains(c)) {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        match word.as_str() {
            "True" => return Ok(true.into()),
            "False" => return Ok(false.into()),
            "None" => return Ok(Json::Null),
            _ => {}
        }
        if let Some(number) = Number::integer(&word) {
            return Ok(Json::Number(number));
        }
        match word.parse::<f64>() {
            Ok(value)
                if value.is_finite()
                    && word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) =>
            {
                Ok(value.into())
            }
            _ => {
                self.at = start;
                self.fail("a value was expected")
            }
        }
    }
}

/// A list of texts as Python prints it: single quotes, or double ones around a text with a single quote and no double one.
pub(super) fn write_list(texts: &[String]) -> String {
    let items: Vec<String> = texts.iter().map(|text| write_text(text)).collect();
    format!("[{}]", items.join(", "))
}

fn write_text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut written = String::from(quote);
    for next in text.chars() {
        match next {
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            own if own == quote => {
                written.push('\\');
                written.push(own);
            }
            own if (own as u32) < 0x20 || own as u32 == 0x7f => {
                written.push_str(&format!("\\x{:02x}", own as u32));
            }
            own => written.push(own),
        }
    }
    written.push(quote);
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_by_hand() {
        for (python, json) in [
            (
                r#"{'name': 'f', 'n': 1, 'x': -2.5, "it's": [True, False, None]}"#,
                r#"{"name":"f","n":1,"x":-2.5,"it's":[true,false,null]}"#,
            ),
            (r"['a\nb', 'q\\n', '\'', '\xe9\u00e9', 'a\d']", r#"["a\nb","q\\n","'","éé","a\\d"]"#),
            ("('a' \"b\", (1,), [],)", r#"["ab",[1],[]]"#),
            ("{1: 2}", r#"{"1":2}"#),
        ] {
            assert_eq!(read_literal(python).unwrap(), json.parse().unwrap(), "{python}");
        }
        for wrong in ["", "[1", "{'a' 1}", "'a", "f(x)", "[1] 2", "nan", "__import__('os')"] {
            assert!(read_literal(wrong).unwrap_err().starts_with("character "), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\](){}:,'\"\\\\xuU0-9a-fTN .-]{0,40}") {
            let _ = read_literal(&text);
        }
    }
}
