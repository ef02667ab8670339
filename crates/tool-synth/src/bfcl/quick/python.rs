//! A decoder for the plain majority of answers: calls with literal arguments.
//!
//! It goes from bytes to values without tokens or a tree. What it is not sure of it leaves to the whole grammar
//! (`decode_python`); a test holds the two together. It also knows many texts that fail: Python's grammar
//! mends nothing, so that a token which cannot follow decides, whatever comes after it.

use super::Known;
use crate::bfcl::decode::call;
use crate::pyexpr::lex::{is_expression_keyword, is_keyword};
use crate::pyexpr::literal::decode_text;
use crate::value::text::MAX_INT_DIGITS;
use crate::value::{Dict, Int, Str, Value};

/// Deeper lists and dictionaries are left to the whole grammar.
const MAX_DEPTH: u32 = 40;

/// Why reading ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The text is no expression.
    Wrong,
    /// The grammar has to decide.
    Unsure,
}

type Read<T> = Result<T, Stop>;

/// The calls in a text whose ends were trimmed, or that it fails; nothing if it holds anything unusual.
pub(in crate::bfcl) fn decode(text: &str) -> Option<Known<Value>> {
    // A text that does not begin or end with a bracket gets one added, which here is thought and not written.
    let start = usize::from(text.starts_with('['));
    let closed = text.ends_with(']');
    let mut reader = Reader { text, bytes: text.as_bytes(), at: start, depth: 0, fails: false };
    match reader.list(closed) {
        Ok(_) if reader.fails => Some(Known::Failure),
        Ok(calls) => Some(Known::Value(Value::List(calls))),
        Err(Stop::Wrong) => Some(Known::Failure),
        Err(Stop::Unsure) => None,
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// Whether something is an expression but has no value as an argument, so that decoding fails if all else is right.
    fails: bool,
}

/// What was read, with the blanks after it.
enum Node<'a> {
    Value(Value),
    /// A call of a dotted name.
    Call {
        name: &'a str,
        arguments: Dict,
        positional: bool,
    },
    /// Something that has a value, of which only the grammar knows which.
    Other,
}

impl<'a> Reader<'a> {
    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn peek_after(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    #[inline]
    fn skip_blanks(&mut self) -> Read<()> {
        loop {
            match self.peek() {
                b' ' | b'\n' | b'\t' => self.at += 1,
                b'#' => {
                    let rest = &self.bytes[self.at..];
                    let end =
                        rest.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0)).ok_or(Stop::Unsure)?;
                    if rest[end] != b'\n' {
                        return Err(Stop::Unsure);
                    }
                    self.at += end + 1;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Where only some marks can come next, and none of them does: whether that surely is an error.
    fn unexpected<T>(&self) -> Read<T> {
        let wrong = match self.peek() {
            // At the end brackets are open.
            0 => self.at == self.bytes.len(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let word = self.word_at(self.at);
                let touches = self.bytes.get(self.at + word.len()).is_some_and(|byte| !byte.is_ascii());
                !touches && !is_expression_keyword(word)
            }
            b'0'..=b'9' | b'"' | b'\'' | b'{' | b';' | b'$' | b'?' | b'`' => true,
            b'!' => self.peek_after(1) != b'=',
            b'=' => self.peek_after(1) != b'=',
            b')' | b']' | b'}' | b',' => true,
            b':' => self.peek_after(1) != b'=',
            0x80.. => !self.next_is_letter(),
            _ => false,
        };
        Err(if wrong { Stop::Wrong } else { Stop::Unsure })
    }

    /// Whether the next character, one beyond ASCII, may stand in a name.
    fn next_is_letter(&self) -> bool {
        self.text[self.at..].chars().next().is_some_and(unicode_ident::is_xid_continue)
    }

    #[inline]
    fn word_at(&self, start: usize) -> &'a str {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = self.bytes[start..].iter().position(|byte| !is_word(byte));
        &self.text[start..length.map_or(self.bytes.len(), |length| start + length)]
    }

    /// A word that is known to begin here. Names beyond ASCII are left to the grammar.
    #[inline]
    fn word(&mut self) -> Read<&'a str> {
        let word = self.word_at(self.at);
        self.at += word.len();
        if self.peek() >= 0x80 {
            return Err(if self.next_is_letter() { Stop::Unsure } else { Stop::Wrong });
        }
        Ok(word)
    }

    /// The calls of the outermost list, whose opening bracket was passed.
    fn list(&mut self, closed: bool) -> Read<Vec<Value>> {
        let mut calls = Vec::with_capacity(1);
        loop {
            self.skip_blanks()?;
            if self.at_end(closed) {
                break;
            }
            if self.peek() == b']' {
                return Err(Stop::Unsure);
            }
            match self.node()? {
                Node::Call { name, arguments, .. } => {
                    calls.push(call(Value::Str(Str::new(name)), Value::Dict(arguments)));
                }
                _ => self.fails = true,
            }
            if self.peek() == b',' {
                self.at += 1;
            } else if !self.at_end(closed) {
                // A comment may hide the bracket that gets added.
                let hidden = self.peek() == b']' && self.bytes[self.at..].contains(&b'#');
                return if hidden { Err(Stop::Unsure) } else { self.unexpected() };
            }
        }
        if closed {
            self.at += 1;
            if self.at < self.bytes.len() {
                // Something hangs on the list.
                return Err(Stop::Unsure);
            }
        }
        Ok(calls)
    }

    fn at_end(&self, closed: bool) -> bool {
        if closed { self.peek() == b']' } else { self.at == self.bytes.len() }
    }

    /// An expression as an argument's value.
    #[inline]
    fn value(&mut self) -> Read<Value> {
        match self.node()? {
            Node::Value(value) => Ok(value),
            Node::Call { name, arguments, positional } => {
                if !arguments.is_empty() {
                    return Ok(call(Value::Str(Str::new(name)), Value::Dict(arguments)));
                }
                if positional {
                    return Err(Stop::Unsure);
                }
                let mut text = Str::new(name);
                text.push_str("()");
                Ok(Value::Str(text))
            }
            Node::Other => Err(Stop::Unsure),
        }
    }

    /// What has no value as an argument.
    fn valueless<'b>(&mut self) -> Node<'b> {
        self.fails = true;
        Node::Value(Value::None)
    }

    /// An expression and the blanks after it. What comes then must be a comma, a closing bracket, a colon after a key, for
    /// which the caller looks.
    fn node(&mut self) -> Read<Node<'a>> {
        let value = match self.peek() {
            b'"' | b'\'' => self.strings("")?,
            b'0'..=b'9' => self.number(false)?,
            b'.' if self.peek_after(1).is_ascii_digit() => self.number(false)?,
            // Whatever the operator, the number changes its sign.
            b'-' | b'+' | b'~' if self.peek_after(1).is_ascii_digit() => {
                self.at += 1;
                let value = self.number(true)?;
                self.skip_blanks()?;
                // A power binds closer than the sign.
                return Ok(Node::Value(value));
            }
            b'[' | b'{' | b'(' => {
                if self.depth == MAX_DEPTH {
                    return Err(Stop::Unsure);
                }
                self.depth += 1;
                let node = match self.peek() {
                    b'[' => self.items(b']').map(|items| Node::Value(Value::List(items))),
                    b'{' => self.braces(),
                    _ => self.parentheses(),
                }?;
                self.depth -= 1;
                self.skip_blanks()?;
                return Ok(node);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => return self.named(),
            // No expression begins with an operator of two operands.
            b'<' | b'>' | b'%' | b'&' | b'|' | b'^' | b'/' | b'@' | b'!' | b'=' => return Err(Stop::Wrong),
            _ => return self.unexpected(),
        };
        self.skip_blanks()?;
        Ok(Node::Value(value))
    }

    /// What begins with a word.
    fn named(&mut self) -> Read<Node<'a>> {
        let start = self.at;
        let word = self.word()?;
        if matches!(self.peek(), b'"' | b'\'') {
            let value = match word {
                "r" | "R" | "u" | "U" => self.strings(word)?,
                "f" | "F" | "b" | "B" => return Err(Stop::Unsure),
                _ if word.len() > 1 => return Err(Stop::Unsure),
                _ => return Err(Stop::Wrong),
            };
            self.skip_blanks()?;
            return Ok(Node::Value(value));
        }
        if is_keyword(word) {
            let value = match word {
                "True" => Value::Bool(true),
                "False" => Value::Bool(false),
                "None" => Value::None,
                "lambda" | "not" | "await" | "yield" | "async" => return Err(Stop::Unsure),
                _ => return Err(Stop::Wrong),
            };
            self.skip_blanks()?;
            return Ok(Node::Value(value));
        }
        let mut single = true;
        // The usual name has no blanks in it.
        while self.peek() == b'.' {
            single = false;
            self.at += 1;
            if !matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'_') {
                return Err(Stop::Unsure);
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
                self.skip_blanks()?;
                Node::Call { name, arguments, positional }
            }
            b'[' => {
                let open = self.at;
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
                self.node()?;
                self.fails = fails;
                match self.peek() {
                    b']' => self.at += 1,
                    b',' | b':' => return Err(Stop::Unsure),
                    _ => return self.unexpected(),
                }
                self.depth -= 1;
                let index = &self.text[open + 1..self.at - 1];
                let plain = index == "0"
                    || !index.starts_with('0') && index.bytes().all(|byte| byte.is_ascii_digit());
                let touches = open == start + name.len();
                let node = if plain && touches {
                    Node::Value(Value::Str(Str::new(&self.text[start..self.at])))
                } else {
                    Node::Other
                };
                self.skip_blanks()?;
                node
            }
            _ if single => Node::Value(Value::Str(Str::new(name))),
            _ => self.valueless(),
        };
        // What hangs on a call or a subscript, or on a name behind a blank.
        if matches!(self.peek(), b'.' | b'(' | b'[') { Err(Stop::Unsure) } else { Ok(node) }
    }

    /// The keyword arguments up to and with the closing parenthesis, and whether there are others.
    fn arguments(&mut self) -> Read<(Dict, bool)> {
        let mut arguments = Dict::with_capacity(3);
        let mut positional = false;
        loop {
            self.skip_blanks()?;
            match self.peek() {
                b')' => {
                    self.at += 1;
                    return Ok((arguments, positional));
                }
                b'*' => {
                    // `*name` does not count; `**name` does.
                    let double = self.peek_after(1) == b'*';
                    self.at += 1 + usize::from(double);
                    if !matches!(self.peek(), b'a'..=b'z' | b'A'..=b'Z' | b'_') {
                        return Err(Stop::Unsure);
                    }
                    let name = self.word()?;
                    if is_keyword(name) {
                        return Err(Stop::Unsure);
                    }
                    if !double && arguments.contains_key(&Value::None) {
                        return Err(Stop::Wrong);
                    }
                    if double {
                        arguments.insert(Value::None, Value::Str(Str::new(name)));
                    } else {
                        positional = true;
                    }
                    self.skip_blanks()?;
                }
                first => {
                    let keyword = matches!(first, b'a'..=b'z' | b'A'..=b'Z' | b'_') && self.keyword_here()?;
                    if keyword {
                        let key = self.word_at(self.at);
                        self.at += key.len();
                        self.skip_blanks()?;
                        self.at += 1;
                        self.skip_blanks()?;
                        let value = self.value()?;
                        arguments.insert(Value::Str(Str::new(key)), value);
                    } else {
                        if first == b',' {
                            return Err(Stop::Wrong);
                        }
                        // Its value does not count, nor whether it has one.
                        let fails = self.fails;
                        self.node()?;
                        self.fails = fails;
                        positional = true;
                        // One after a keyword is an error, unless it goes on as something else.
                        if !arguments.is_empty() {
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
                _ => return self.unexpected(),
            }
        }
    }

    /// Whether a keyword and its `=` come next.
    #[inline]
    fn keyword_here(&mut self) -> Read<bool> {
        let start = self.at;
        let word = self.word()?;
        self.skip_blanks()?;
        let is = self.peek() == b'=' && self.peek_after(1) != b'=';
        self.at = start;
        if is && is_keyword(word) { Err(Stop::Wrong) } else { Ok(is) }
    }

    /// Literals of text beside each other; the prefix of the first was read.
    fn strings(&mut self, prefix: &str) -> Read<Value> {
        let first = self.string(prefix)?;
        let mut joined = first;
        loop {
            let end = self.at;
            self.skip_blanks()?;
            match self.peek() {
                b'"' | b'\'' => joined.push_str(&self.string("")?),
                b'a'..=b'z' | b'A'..=b'Z' if matches!(self.peek_after(1), b'"' | b'\'') => {
                    return Err(Stop::Unsure);
                }
                b'a'..=b'z' | b'A'..=b'Z' if matches!(self.peek_after(2), b'"' | b'\'') => {
                    return Err(Stop::Unsure);
                }
                _ => {
                    self.at = end;
                    return Ok(Value::Str(joined));
                }
            }
        }
    }

    fn string(&mut self, prefix: &str) -> Read<Str> {
        let quote = self.peek();
        let triple = self.peek_after(1) == quote && self.peek_after(2) == quote;
        let start = self.at + if triple { 3 } else { 1 };
        let (mut end, mut escapes) = (start, false);
        loop {
            // In most texts nothing but the quote stops this.
            let rest = &self.bytes[end..];
            // Whatever is not closed is an error.
            let stop = rest
                .iter()
                .position(|&byte| byte == quote || byte == b'\\' || byte < 0x20)
                .ok_or(Stop::Wrong)?;
            end += stop;
            match self.bytes[end] {
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
            return Ok(Str::new(body));
        }
        let mut out = String::with_capacity(body.len());
        decode_text(body, false, 0, &mut out).map_err(|_| Stop::Wrong)?;
        Ok(Str::from(out))
    }

    /// A decimal number, with the other sign if asked for.
    fn number(&mut self, negate: bool) -> Read<Value> {
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
                return Err(Stop::Unsure);
            }
            while self.peek().is_ascii_digit() {
                self.at += 1;
            }
        }
        if self.peek().is_ascii_alphanumeric() || matches!(self.peek(), b'_' | b'.' | 0x80..) {
            return Err(Stop::Unsure);
        }
        let text = &self.text[start..self.at];
        if float {
            let value: f64 = text.parse().map_err(|_| Stop::Unsure)?;
            return Ok(Value::Float(if negate { -value } else { value }));
        }
        if digits > 1 && self.bytes[start] == b'0' || digits > MAX_INT_DIGITS {
            return Err(Stop::Unsure);
        }
        let value = if digits <= 18 { Int::Small(whole) } else { text.parse().map_err(|_| Stop::Unsure)? };
        Ok(Value::Int(if negate { value.negate() } else { value }))
    }

    /// Values with commas between them, from the opening bracket up to and with the closing one.
    fn items(&mut self, close: u8) -> Read<Vec<Value>> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_blanks()?;
            if self.peek() == close {
                self.at += 1;
                return Ok(items);
            }
            items.push(self.value()?);
            match self.peek() {
                b',' => self.at += 1,
                byte if byte == close => {}
                _ => return self.unexpected(),
            }
        }
    }

    /// A tuple, or an expression in parentheses.
    fn parentheses(&mut self) -> Read<Node<'a>> {
        let open = self.at;
        self.at += 1;
        self.skip_blanks()?;
        if self.peek() == b')' {
            self.at += 1;
            return Ok(Node::Value(Value::Tuple(Vec::new())));
        }
        let node = self.node()?;
        if self.peek() == b')' {
            self.at += 1;
            self.skip_blanks()?;
            // It may be called or the like.
            return if matches!(self.peek(), b'.' | b'(' | b'[') { Err(Stop::Unsure) } else { Ok(node) };
        }
        if self.peek() != b',' {
            return self.unexpected();
        }
        self.at = open;
        self.items(b')').map(|items| Node::Value(Value::Tuple(items)))
    }

    /// A dictionary or a set.
    fn braces(&mut self) -> Read<Node<'a>> {
        self.at += 1;
        let mut dict = Dict::new();
        let mut set = false;
        loop {
            self.skip_blanks()?;
            if self.peek() == b'}' {
                self.at += 1;
                return Ok(if set { self.valueless() } else { Node::Value(Value::Dict(dict)) });
            }
            let key = self.value()?;
            if set || dict.is_empty() && matches!(self.peek(), b',' | b'}') {
                set = true;
            } else {
                if self.peek() != b':' || self.peek_after(1) == b'=' {
                    return self.unexpected();
                }
                self.at += 1;
                self.skip_blanks()?;
                let value = self.value()?;
                if key.is_hashable() {
                    dict.insert(key, value);
                } else {
                    self.fails = true;
                    dict.insert(Value::None, value);
                }
            }
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {}
                _ => return self.unexpected(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::bfcl::decode::{bracketed, decode_python};

    /// Pieces of answers: marks, and from [`VALUES`] on mostly values.
    const PIECES: &[&str] = &[
        "f(",
        "a.b(",
        "g()",
        "x=",
        "y = ",
        "key=",
        "class=",
        "True=",
        "(",
        ")",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ", ",
        ", ",
        ",",
        ",\n",
        " ",
        "\n",
        "\t",
        "\r",
        ":",
        ": ",
        "=",
        "==",
        ":=",
        ";",
        ".",
        "!",
        "$",
        "`",
        "'",
        "\"",
        "#",
        "# c\n",
        "\\",
        "\\\n",
        "*",
        "**",
        "*args",
        "**kw",
        "-",
        "+",
        "~",
        "not ",
        " and ",
        " if ",
        " else ",
        " for ",
        " in ",
        "lambda: ",
        "await ",
        "...",
        "<",
        "@",
        "1",
        "-5",
        "+7",
        "3.14",
        "5.",
        ".5",
        "1e3",
        "1e",
        "007",
        "0",
        "0x1F",
        "1_0",
        "2j",
        "1e400",
        "12345678901234567890",
        "'a'",
        "\"it's\"",
        "'it\\'s'",
        "'\\u00e9\\n'",
        "'\\x4'",
        "'\\q'",
        "r'\\d'",
        "u'x'",
        "b'x'",
        "f'{x}'",
        "rb'x'",
        "'a' 'b'",
        "'''t\n'u'''",
        "\"\"\"\"\"\"",
        "'a\nb'",
        "None",
        "True",
        "true",
        "name",
        "x.y",
        "a[0]",
        "a['k']",
        "é",
        "\u{2019}",
        "\u{a0}",
    ];
    const VALUES: usize = 56;

    fn cases() -> u32 {
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8192)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        #[test]
        fn the_quick_reader_agrees_with_the_grammar(
            pieces in vec(0..PIECES.len(), 0..14),
            wrapped in any::<bool>(),
            values in vec(VALUES..PIECES.len(), 0..6),
            edits in vec(any::<(u16, u16)>(), 0..2),
        ) {
            let mut text: String = pieces.iter().map(|&piece| PIECES[piece]).collect();
            if wrapped {
                // Mostly well-formed.
                let values: Vec<String> =
                    values.iter().enumerate().map(|(at, &value)| format!("k{at}={}", PIECES[value])).collect();
                text = format!("[f({}), g(x={text})]", values.join(", "));
            }
            let mut characters: Vec<char> = text.chars().collect();
            for (at, what) in edits {
                let at = usize::from(at) % (characters.len() + 1);
                if what % 2 == 0 && at < characters.len() {
                    characters.remove(at);
                } else {
                    characters.splice(at..at, PIECES[usize::from(what) / 2 % PIECES.len()].chars());
                }
            }
            let text: String = characters.into_iter().collect();
            let text = text.trim_matches(['`', '\n', ' ']);
            let expected = match decode(text) {
                None => return Ok(()),
                Some(Known::Failure) => None,
                Some(Known::Value(value)) => Some(value),
            };
            let found = decode_python(&bracketed(text));
            let same = match (&expected, &found) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() == b.is_none(),
            };
            prop_assert!(same, "{text:?}\n  quick   {expected:?}\n  grammar {found:?}");
        }
    }

    /// A test that never compares anything would pass.
    #[test]
    fn the_quick_reader_takes_the_usual_answers() {
        for text in [
            "f(x=1)",
            "[a.b(x='é', y=[1, -2.5, {'k': (1, \"b\")}]), g()]",
            "f(x='a\\n', y=z, w=h(a=1), v=h())",
            "f(1, *a, x=a[0])",
        ] {
            assert!(matches!(decode(text), Some(Known::Value(_))), "{text}");
        }
        for text in [
            "I am sorry.",
            "f(x=1",
            "Sure! f(x=1)",
            "[f(x=1)], done",
            "42",
            "f(x=a.b)",
            "f(x={1, 2})",
            "python\n[f(x=1)]",
            "f(x=1 2)",
        ] {
            assert_eq!(decode(text), Some(Known::Failure), "{text}");
        }
    }
}
