//! Tokens, after CPython 3.11's tokenizer.

use unicode_normalization::{UnicodeNormalization, is_nfkc};

use super::{MAX_BRACKETS, ParseError};
use crate::value::Str;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[rustfmt::skip]
pub(super) enum Kind {
    Name, Number, String, Newline, End,
    // Keywords that expressions use, and all others.
    False, None, True, And, Async, Await, Else, For, From, If, In, Is, Lambda, Not, Or, Yield, Reserved,
    // Brackets.
    LeftParenthesis, RightParenthesis, LeftBracket, RightBracket, LeftBrace, RightBrace,
    // Operators that expressions use, and all others.
    Comma, Colon, Dot, Ellipsis, Equal, Walrus, Plus, Minus, Star, DoubleStar, Slash, DoubleSlash, Percent, At,
    Ampersand, Bar, Caret, Tilde, ShiftLeft, ShiftRight, EqualEqual, NotEqual, Less, LessEqual, Greater, GreaterEqual,
    OtherOperator,
}

/// A token of the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Cuts the source into tokens. Line ends must be plain line feeds.
pub(super) fn tokenize(source: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer =
        Lexer { source, bytes: source.as_bytes(), at: 0, brackets: Vec::new(), tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    brackets: Vec<u8>,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, ParseError> {
        Err(ParseError { at: self.at, what })
    }

    /// The byte `ahead` of the present one; zero at the end. The source holds no zero byte.
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) -> Result<(), ParseError> {
        let mut line_start = true;
        loop {
            if line_start && self.brackets.is_empty() && self.skip_indent()? {
                line_start = false;
                continue;
            }
            line_start = false;
            match self.peek(0) {
                b' ' | b'\t' | b'\x0c' => self.at += 1,
                b'#' => self.skip_comment(),
                b'\n' => {
                    let first =
                        self.tokens.is_empty() || self.tokens.last().is_some_and(|t| t.kind == Kind::Newline);
                    if self.brackets.is_empty() && !first {
                        self.push(Kind::Newline, self.at);
                    }
                    self.at += 1;
                    line_start = true;
                }
                b'\\' => self.continue_line()?,
                0 if self.at >= self.bytes.len() => {
                    if !self.brackets.is_empty() {
                        return self.fail("a bracket is not closed");
                    }
                    self.push(Kind::End, self.at);
                    return Ok(());
                }
                0 => return self.fail("a null byte"),
                _ => self.token()?,
            }
        }
    }

    /// Walks over the blanks of a new line. An indented line that is neither blank nor a comment is an error, as an
    /// expression is one statement. Returns whether anything was walked over.
    fn skip_indent(&mut self) -> Result<bool, ParseError> {
        let start = self.at;
        let mut column = 0;
        loop {
            match self.peek(0) {
                b' ' | b'\t' => column += 1,
                b'\x0c' => column = 0,
                _ => break,
            }
            self.at += 1;
        }
        let blank = matches!(self.peek(0), b'#' | b'\n' | 0);
        if column > 0 && !blank {
            return self.fail("an indented line");
        }
        Ok(self.at > start)
    }

    fn skip_comment(&mut self) {
        while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
    }

    fn continue_line(&mut self) -> Result<(), ParseError> {
        if self.peek(1) != b'\n' || self.at + 2 >= self.bytes.len() {
            return self.fail("a stray backslash");
        }
        self.at += 2;
        Ok(())
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, start, end: self.at });
    }

    fn token(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        match self.peek(0) {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            quote @ (b'"' | b'\'') => self.string(start, quote),
            _ => self.operator(),
        }
    }

    fn word(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        while matches!(self.peek(0), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80..) {
            self.at += 1;
        }
        let word = &self.source[start..self.at];
        if let quote @ (b'"' | b'\'') = self.peek(0)
            && is_string_prefix(word)
        {
            return self.string(start, quote);
        }
        if !word.is_ascii() && !is_identifier(word) {
            return self.fail("a character that no name may hold");
        }
        let kind = match word {
            "False" => Kind::False,
            "None" => Kind::None,
            "True" => Kind::True,
            "and" => Kind::And,
            "async" => Kind::Async,
            "await" => Kind::Await,
            "else" => Kind::Else,
            "for" => Kind::For,
            "from" => Kind::From,
            "if" => Kind::If,
            "in" => Kind::In,
            "is" => Kind::Is,
            "lambda" => Kind::Lambda,
            "not" => Kind::Not,
            "or" => Kind::Or,
            "yield" => Kind::Yield,
            _ if is_keyword(word) => Kind::Reserved,
            _ => Kind::Name,
        };
        self.push(kind, start);
        Ok(())
    }

    fn string(&mut self, start: usize, quote: u8) -> Result<(), ParseError> {
        let triple = self.peek(1) == quote && self.peek(2) == quote;
        self.at += if triple { 3 } else { 1 };
        loop {
            match self.peek(0) {
                0 if self.at >= self.bytes.len() => return self.fail("text is not closed"),
                b'\n' if !triple => return self.fail("text is not closed"),
                b'\\' => {
                    if self.at + 1 >= self.bytes.len() {
                        return self.fail("text is not closed");
                    }
                    self.at += 2;
                }
                byte if byte == quote => {
                    if !triple {
                        self.at += 1;
                        break;
                    }
                    if self.peek(1) == quote && self.peek(2) == quote {
                        self.at += 3;
                        break;
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        self.push(Kind::String, start);
        Ok(())
    }

    /// Digits with single underscores between them.
    fn digits(&mut self, is_digit: fn(&u8) -> bool) -> Result<(), ParseError> {
        loop {
            while is_digit(&self.peek(0)) {
                self.at += 1;
            }
            if self.peek(0) != b'_' {
                return Ok(());
            }
            self.at += 1;
            if !is_digit(&self.peek(0)) {
                return self.fail("a number that ends in an underscore");
            }
        }
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        if self.peek(0) == b'0' {
            let is_digit: Option<fn(&u8) -> bool> = match self.peek(1) {
                b'x' | b'X' => Some(u8::is_ascii_hexdigit),
                b'o' | b'O' => Some(|digit| (b'0'..=b'7').contains(digit)),
                b'b' | b'B' => Some(|digit| matches!(digit, b'0' | b'1')),
                _ => None,
            };
            if let Some(is_digit) = is_digit {
                self.at += 2;
                if self.peek(0) == b'_' {
                    self.at += 1;
                }
                if !is_digit(&self.peek(0)) {
                    return self.fail("a number without digits");
                }
                self.digits(is_digit)?;
                if self.peek(0).is_ascii_digit() {
                    return self.fail("a digit that the base does not have");
                }
                self.end_number()?;
                self.push(Kind::Number, start);
                return Ok(());
            }
        }
        let mut integer = true;
        if self.peek(0) != b'.' {
            self.digits(u8::is_ascii_digit)?;
        }
        let whole = &self.source[start..self.at];
        let leading_zero = whole.starts_with('0') && whole.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
        if self.peek(0) == b'.' {
            integer = false;
            self.at += 1;
            if self.peek(0).is_ascii_digit() {
                self.digits(u8::is_ascii_digit)?;
            }
        }
        if matches!(self.peek(0), b'e' | b'E') {
            let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
            if self.peek(1 + sign).is_ascii_digit() {
                integer = false;
                self.at += 1 + sign;
                self.digits(u8::is_ascii_digit)?;
            } else if sign == 1 {
                return self.fail("an exponent without digits");
            }
        }
        if matches!(self.peek(0), b'j' | b'J') {
            integer = false;
            self.at += 1;
        }
        if integer && leading_zero {
            return self.fail("an integer with leading zeros");
        }
        self.end_number()?;
        self.push(Kind::Number, start);
        Ok(())
    }

    /// A number may touch a keyword, and no other word.
    fn end_number(&mut self) -> Result<(), ParseError> {
        let rest = &self.bytes[self.at..];
        let keyword = match self.peek(0) {
            b'a' => rest.starts_with(b"and"),
            b'e' => rest.starts_with(b"else"),
            b'f' => rest.starts_with(b"for"),
            b'i' => matches!(self.peek(1), b'f' | b'n' | b's'),
            b'n' => rest.starts_with(b"not"),
            b'o' => rest.starts_with(b"or"),
            _ => false,
        };
        if !keyword && matches!(self.peek(0), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80..) {
            return self.fail("a number that runs into a word");
        }
        Ok(())
    }

    fn operator(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        let next = self.peek(1);
        let (kind, length) = match self.peek(0) {
            open @ (b'(' | b'[' | b'{') => {
                if self.brackets.len() >= MAX_BRACKETS {
                    return self.fail("too many brackets in each other");
                }
                self.brackets.push(open);
                let kind = match open {
                    b'(' => Kind::LeftParenthesis,
                    b'[' => Kind::LeftBracket,
                    _ => Kind::LeftBrace,
                };
                (kind, 1)
            }
            close @ (b')' | b']' | b'}') => {
                let (kind, open) = match close {
                    b')' => (Kind::RightParenthesis, b'('),
                    b']' => (Kind::RightBracket, b'['),
                    _ => (Kind::RightBrace, b'{'),
                };
                if self.brackets.pop() != Some(open) {
                    return self.fail("a closing bracket without its opening one");
                }
                (kind, 1)
            }
            b',' => (Kind::Comma, 1),
            b':' if next == b'=' => (Kind::Walrus, 2),
            b':' => (Kind::Colon, 1),
            b'.' if next == b'.' && self.peek(2) == b'.' => (Kind::Ellipsis, 3),
            b'.' => (Kind::Dot, 1),
            b'=' if next == b'=' => (Kind::EqualEqual, 2),
            b'=' => (Kind::Equal, 1),
            b'!' if next == b'=' => (Kind::NotEqual, 2),
            b'~' => (Kind::Tilde, 1),
            b'-' if next == b'>' => (Kind::OtherOperator, 2),
            b'<' if next == b'=' => (Kind::LessEqual, 2),
            b'<' if next == b'>' => (Kind::OtherOperator, 2),
            b'<' if next == b'<' => self.maybe_assigned(Kind::ShiftLeft, 2),
            b'<' => (Kind::Less, 1),
            b'>' if next == b'=' => (Kind::GreaterEqual, 2),
            b'>' if next == b'>' => self.maybe_assigned(Kind::ShiftRight, 2),
            b'>' => (Kind::Greater, 1),
            b'*' if next == b'*' => self.maybe_assigned(Kind::DoubleStar, 2),
            b'*' => self.maybe_assigned(Kind::Star, 1),
            b'/' if next == b'/' => self.maybe_assigned(Kind::DoubleSlash, 2),
            b'/' => self.maybe_assigned(Kind::Slash, 1),
            b'+' => self.maybe_assigned(Kind::Plus, 1),
            b'-' => self.maybe_assigned(Kind::Minus, 1),
            b'%' => self.maybe_assigned(Kind::Percent, 1),
            b'@' => self.maybe_assigned(Kind::At, 1),
            b'&' => self.maybe_assigned(Kind::Ampersand, 1),
            b'|' => self.maybe_assigned(Kind::Bar, 1),
            b'^' => self.maybe_assigned(Kind::Caret, 1),
            b';' => (Kind::OtherOperator, 1),
            _ => return self.fail("a character that starts nothing"),
        };
        self.at += length;
        self.push(kind, start);
        Ok(())
    }

    /// An operator, unless `=` makes it an assignment.
    fn maybe_assigned(&self, kind: Kind, length: usize) -> (Kind, usize) {
        if self.peek(length) == b'=' { (Kind::OtherOperator, length + 1) } else { (kind, length) }
    }
}

fn is_string_prefix(word: &str) -> bool {
    matches!(word.len(), 1 | 2)
        && matches!(word.to_ascii_lowercase().as_str(), "b" | "u" | "r" | "f" | "br" | "rb" | "fr" | "rf")
}

fn is_identifier(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next().is_some_and(|first| first == '_' || unicode_ident::is_xid_start(first))
        && characters.all(unicode_ident::is_xid_continue)
}

/// The keywords that expressions use.
const EXPRESSION_KEYWORDS: [&str; 16] = [
    "if", "in", "is", "or", "and", "for", "not", "None", "True", "else", "from", "False", "async", "await",
    "yield", "lambda",
];

/// The other ones.
const RESERVED: [&str; 19] = [
    "as", "def", "del", "try", "elif", "pass", "with", "break", "class", "raise", "while", "assert",
    "except", "global", "import", "return", "finally", "continue", "nonlocal",
];

/// By its first letter the lengths of the keywords, as bits: few other words share both with one.
static KEYWORD_LENGTHS: [u16; 256] = {
    const fn add(mut table: [u16; 256], words: &[&str]) -> [u16; 256] {
        let mut at = 0;
        while at < words.len() {
            table[words[at].as_bytes()[0] as usize] |= 1 << words[at].len();
            at += 1;
        }
        table
    }
    add(add([0; 256], &EXPRESSION_KEYWORDS), &RESERVED)
};

#[inline]
fn may_be_keyword(word: &str) -> bool {
    match word.as_bytes() {
        [first, ..] if word.len() < 16 => KEYWORD_LENGTHS[usize::from(*first)] >> word.len() & 1 > 0,
        _ => false,
    }
}

/// Whether a word is a keyword of Python.
#[inline]
pub(crate) fn is_keyword(word: &str) -> bool {
    may_be_keyword(word) && (EXPRESSION_KEYWORDS.contains(&word) || RESERVED.contains(&word))
}

/// Whether a word is a keyword that expressions use.
pub(crate) fn is_expression_keyword(word: &str) -> bool {
    may_be_keyword(word) && EXPRESSION_KEYWORDS.contains(&word)
}

/// A name in the form in which Python compares it (NFKC).
pub(super) fn normalized(name: &str) -> Str {
    if name.is_ascii() || is_nfkc(name) { name.into() } else { name.nfkc().collect() }
}
