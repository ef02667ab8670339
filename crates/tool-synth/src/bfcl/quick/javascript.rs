//! Plain calls in JavaScript: a call of a dotted name whose arguments are assignments of ordinary expressions.
//!
//! As with [Java](super::java), what is neither plain nor surely an error is left to the grammar.

use bumpalo::Bump;

use super::Known;
use super::source::{MAX_OPERANDS, Source};
use crate::bfcl::decode::call_in;
use crate::value::{Node, Stack, dictionary};

/// The call in JavaScript source, `None` if the statement is not one; nothing if the grammar has to decide.
pub(in crate::bfcl) fn decode<'a>(arena: &'a Bump, text: &'a str) -> Option<Known<Node<'a>>> {
    let mut reader = JavaScript { arena, source: Source::new(text), failed: false };
    let found = reader.program();
    // Up to here the text was read, and no token begins with this.
    let stray = found.is_none() && reader.source.peek() == b'#' && reader.source.peek_after(1) == b' ';
    if reader.failed || stray {
        return Some(Known::Failure);
    }
    found.or_else(|| {
        let mut reader = JavaScript { arena, source: Source::new(text), failed: false };
        reader.unclosed().filter(|()| !reader.failed).map(|()| Known::Failure)
    })
}

/// The text of an argument without the quotes around it.
pub(in crate::bfcl) fn without_quotes(text: &str) -> &str {
    let quoted = |quote: char| text.starts_with(quote) && text.ends_with(quote);
    if quoted('"') || quoted('\'') { text.get(1..text.len().max(2) - 1).unwrap_or("") } else { text }
}

struct JavaScript<'a> {
    arena: &'a Bump,
    source: Source<'a>,
    /// Whether an error in the tree is certain.
    failed: bool,
}

impl<'a> JavaScript<'a> {
    fn fail<T>(&mut self) -> Option<T> {
        self.failed = true;
        None
    }

    fn program(&mut self) -> Option<Known<Node<'a>>> {
        self.source.skip_blanks();
        // In parentheses it is not the statement's call.
        let parenthesized = self.source.accept(b'(');
        if parenthesized {
            self.source.skip_blanks();
        }
        let found = self.call()?;
        self.source.skip_blanks();
        if parenthesized {
            if !self.source.accept(b')') {
                return None;
            }
            self.source.skip_blanks();
        } else if matches!(self.source.peek(), b']' | b')') {
            // No token that ends the statement, or goes on with it, lets one of these follow.
            return self.fail();
        }
        let mut alone = !parenthesized;
        while self.source.accept(b',') {
            // Calls with commas between them are one expression, and no call.
            alone = false;
            self.source.skip_blanks();
            self.call()?;
            self.source.skip_blanks();
        }
        self.source.accept(b';');
        self.source.skip_blanks();
        if self.source.at < self.source.bytes.len() {
            return None;
        }
        Some(match found {
            _ if !alone => Known::Value(Node::None),
            Some(found) => Known::Value(Node::List(std::slice::from_ref(self.arena.alloc(found)))),
            None => Known::Failure,
        })
    }

    /// Calls behind an opening bracket, which nothing closes. That is an error: of the tokens that complete a rule none can be put
    /// in at the end of the text, as the grammar wants the end of a statement there.
    fn unclosed(&mut self) -> Option<()> {
        self.source.opening_bracket()?;
        loop {
            self.source.skip_blanks();
            self.call()?;
            self.source.skip_blanks();
            if !self.source.accept(b',') {
                return (self.source.at == self.source.bytes.len()).then_some(());
            }
        }
    }

    /// A call at the top; nothing inside if two arguments have one name.
    fn call(&mut self) -> Option<Option<Node<'a>>> {
        let start = self.source.at;
        self.source.word().filter(|word| is_name(word))?;
        while self.source.accept(b'.') {
            self.source.word()?;
        }
        let name = &self.source.text[start..self.source.at];
        if !self.source.accept(b'(') {
            return None;
        }
        let mut arguments = Stack::new_in(self.arena);
        self.source.skip_blanks();
        if !self.source.accept(b')') {
            loop {
                self.source.skip_blanks();
                if let Some((name, value)) = self.argument()? {
                    arguments.push((name.map_or(Node::None, Node::Str), Node::Str(value)));
                }
                if self.source.accept(b')') {
                    break;
                }
                if !self.source.accept(b',') {
                    return None;
                }
                self.source.skip_blanks();
                if self.source.accept(b')') {
                    break;
                }
            }
        }
        let count = arguments.len();
        let arguments = dictionary(self.arena, &mut arguments, 0);
        let distinct = arguments.len() == count;
        Some(distinct.then(|| call_in(self.arena, Node::Str(name), Node::Dict(arguments))))
    }

    /// An argument with the blanks after it: its name and value. Nothing inside if it does not count.
    fn argument(&mut self) -> Option<Option<(Option<&'a str>, &'a str)>> {
        let start = self.source.at;
        let word = self.source.word();
        if let Some(word) = word {
            self.source.skip_blanks();
            // One token more makes no argument of a name with a colon behind it.
            if word == "class" && self.source.peek() == b'=' || self.source.peek() == b':' {
                return self.fail();
            }
            if self.source.peek() == b'='
                && !matches!(self.source.peek_after(1), b'=' | b'>')
                && is_name(word)
            {
                self.source.at += 1;
                self.source.skip_blanks();
                return Some(Some((Some(word), without_quotes(self.expression()?))));
            }
            self.source.at = start;
        }
        let text = self.expression()?;
        let counts = word == Some(text) && (text == "true" || is_name(text));
        Some(counts.then_some((None, text)))
    }

    /// The text of an expression; the blanks after it are walked over too.
    fn expression(&mut self) -> Option<&'a str> {
        if self.source.too_deep() {
            return None;
        }
        self.source.depth += 1;
        let start = self.source.at;
        self.operand()?;
        for _ in 0..MAX_OPERANDS {
            let end = self.source.at;
            self.source.skip_blanks();
            let operator = self.source.peek();
            if !matches!(operator, b'+' | b'-' | b'*') {
                self.source.depth -= 1;
                return Some(&self.source.text[start..end]);
            }
            let next = self.source.peek_after(1);
            if next == operator || matches!(next, b'=' | b'>') {
                return None;
            }
            self.source.at += 1;
            self.source.skip_blanks();
            self.operand()?;
        }
        None
    }

    fn operand(&mut self) -> Option<()> {
        match self.source.peek() {
            b'"' | b'\'' => self.source.string(),
            b'0'..=b'9' | b'.' => self.number(),
            b'-' | b'+' | b'!' => {
                self.source.at += 1;
                if matches!(self.source.peek(), b'-' | b'+' | b'!' | b'(' | b'=' | b' ' | b'\n' | b'\t') {
                    return None;
                }
                self.operand()
            }
            b'[' => {
                self.source.at += 1;
                self.list(b']')
            }
            b'{' => self.object(),
            b'(' => self.parenthesized(),
            b'`' => self.template(),
            b'/' => self.pattern(),
            _ => self.named(),
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.source.bytes[self.source.at..].starts_with(b"0x") {
            let start = self.source.at + 2;
            let digits =
                self.source.bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            self.source.at = start + digits;
            return (digits > 0 && !self.source.runs_on()).then_some(());
        }
        let first = self.source.peek();
        let shape = self.source.number()?;
        match self.source.peek() {
            b'n' if shape.whole => self.source.at += 1,
            // As in Java: a name after a number, and no token completes anything so that a name could follow.
            b'f' | b'F' | b'l' | b'L' | b'd' | b'D' | b'j' | b'J' if first != b'0' => {
                self.source.at += 1;
                return if self.source.runs_on() { None } else { self.fail() };
            }
            _ => {}
        }
        (!self.source.runs_on()).then_some(())
    }

    /// Expressions with commas between them, up to and with the closing mark.
    fn list(&mut self, close: u8) -> Option<()> {
        self.source.skip_blanks();
        if self.source.accept(close) {
            return Some(());
        }
        loop {
            self.source.skip_blanks();
            self.expression()?;
            if self.source.accept(close) {
                return Some(());
            }
            if !self.source.accept(b',') {
                return None;
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.source.at += 1;
        self.source.skip_blanks();
        if self.source.accept(b'}') {
            return Some(());
        }
        loop {
            self.source.skip_blanks();
            match self.source.peek() {
                b'"' | b'\'' => self.source.string()?,
                b'0'..=b'9' => {
                    let shape = self.source.number()?;
                    if !shape.whole || self.source.runs_on() {
                        return None;
                    }
                }
                _ => {
                    self.source.word().filter(|word| is_name(word))?;
                }
            }
            self.source.skip_blanks();
            if !self.source.accept(b':') {
                return None;
            }
            self.source.skip_blanks();
            self.expression()?;
            if self.source.accept(b'}') {
                return Some(());
            }
            if !self.source.accept(b',') {
                return None;
            }
        }
    }

    /// An expression in parentheses, or an arrow function without parameters.
    fn parenthesized(&mut self) -> Option<()> {
        self.source.at += 1;
        self.source.skip_blanks();
        if self.source.accept(b')') {
            return self.arrow();
        }
        self.expression()?;
        if !self.source.accept(b')') {
            return None;
        }
        let end = self.source.at;
        self.source.skip_blanks();
        match self.source.peek() {
            b',' | b')' | b']' | b'}' => {
                self.source.at = end;
                Some(())
            }
            // A cast of Java: two expressions side by side.
            b'0'..=b'9' => self.fail(),
            _ => None,
        }
    }

    fn arrow(&mut self) -> Option<()> {
        while self.source.peek() == b' ' {
            self.source.at += 1;
        }
        if !(self.source.accept(b'=') && self.source.accept(b'>')) {
            return None;
        }
        self.source.skip_blanks();
        if self.source.peek() == b'{' {
            return None;
        }
        let start = self.source.at;
        let length = self.expression()?.len();
        self.source.at = start + length;
        Some(())
    }

    /// A template without fields.
    fn template(&mut self) -> Option<()> {
        let start = self.source.at + 1;
        let length = self.source.bytes[start..]
            .iter()
            .position(|byte| matches!(byte, b'`' | b'\\' | b'$' | 0..0x20 | 0x7f..))?;
        if self.source.bytes[start + length] != b'`' {
            return None;
        }
        self.source.at = start + length + 1;
        Some(())
    }

    /// A regular expression of letters and digits.
    fn pattern(&mut self) -> Option<()> {
        let start = self.source.at + 1;
        let length =
            self.source.bytes[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if length == 0 || self.source.bytes.get(start + length) != Some(&b'/') {
            return None;
        }
        self.source.at = start + length + 1;
        while self.source.peek().is_ascii_lowercase() {
            self.source.at += 1;
        }
        (!self.source.runs_on()).then_some(())
    }

    /// What begins with a word.
    fn named(&mut self) -> Option<()> {
        let word = self.source.word()?;
        match word {
            "true" | "false" | "null" | "undefined" => return Some(()),
            "this" => {
                let end = self.source.at;
                self.source.skip_blanks();
                let alone = matches!(self.source.peek(), b',' | b')');
                self.source.at = end;
                return alone.then_some(());
            }
            "new" => return self.creation(),
            "function" => return self.function(),
            _ if is_name(word) => {}
            _ => return None,
        }
        let end = self.source.at;
        while self.source.peek() == b' ' {
            self.source.at += 1;
        }
        if self.source.peek() == b'=' && self.source.peek_after(1) == b'>' {
            return self.arrow();
        }
        self.source.at = end;
        loop {
            match self.source.peek() {
                b'.' => {
                    self.source.at += 1;
                    self.source.word()?;
                }
                b'(' => {
                    self.source.at += 1;
                    self.list(b')')?;
                }
                b'[' => {
                    self.source.at += 1;
                    self.source.skip_blanks();
                    self.expression()?;
                    if !self.source.accept(b']') {
                        return None;
                    }
                }
                b'`' | b'?' => return None,
                _ => return Some(()),
            }
        }
    }

    /// What follows `new`.
    fn creation(&mut self) -> Option<()> {
        if !self.source.accept(b' ') {
            return None;
        }
        self.source.skip_blanks();
        self.source.word().filter(|word| is_name(word))?;
        while self.source.accept(b'.') {
            self.source.word().filter(|word| is_name(word))?;
        }
        match self.source.peek() {
            b'(' => {
                self.source.at += 1;
                self.list(b')')?;
            }
            b'[' => {
                self.source.at += 1;
                self.source.skip_blanks();
                if self.source.accept(b']') {
                    // An array of Java: no token completes anything after the bracket so that a brace could follow.
                    self.source.skip_blanks();
                    return if self.source.peek() == b'{' { self.fail() } else { None };
                }
                self.expression()?;
                if !self.source.accept(b']') {
                    return None;
                }
            }
            b'<' => return self.type_arguments(),
            _ => {}
        }
        self.ends()
    }

    /// The type arguments of something that Java makes with `new`: here they are comparisons.
    fn type_arguments(&mut self) -> Option<()> {
        self.source.at += 1;
        if self.source.peek() == b'>' {
            return self.fail();
        }
        self.source.word().filter(|word| is_name(word))?;
        if self.source.accept(b',') {
            self.source.skip_blanks();
            self.source.word().filter(|word| is_name(word))?;
            let empty = self.source.bytes[self.source.at..].starts_with(b">()");
            return if empty { self.fail() } else { None };
        }
        if !(self.source.accept(b'>') && self.source.accept(b'(')) {
            return None;
        }
        self.source.skip_blanks();
        if self.source.peek() == b')' {
            return self.fail();
        }
        self.expression()?;
        if !self.source.accept(b')') {
            return None;
        }
        self.ends()
    }

    /// Whether an expression ends here, as far as can be said without knowing what else could go on.
    fn ends(&mut self) -> Option<()> {
        let end = self.source.at;
        self.source.skip_blanks();
        let ends = matches!(self.source.peek(), b',' | b')' | b']' | b'}');
        self.source.at = end;
        ends.then_some(())
    }

    /// A function without name and parameters that does nothing but return.
    fn function(&mut self) -> Option<()> {
        let blanks = |source: &mut Source<'a>| {
            while source.peek() == b' ' {
                source.at += 1;
            }
        };
        if !(self.source.accept(b'(') && self.source.accept(b')')) {
            return None;
        }
        blanks(&mut self.source);
        if !self.source.accept(b'{') {
            return None;
        }
        blanks(&mut self.source);
        if self.source.peek() != b'}' {
            if self.source.word() != Some("return") || !self.source.accept(b' ') {
                return None;
            }
            blanks(&mut self.source);
            self.expression()?;
            if !self.source.accept(b';') {
                return None;
            }
            blanks(&mut self.source);
        }
        if !self.source.accept(b'}') {
            return None;
        }
        self.ends()
    }
}

/// Whether a word is a name and means nothing else anywhere in the grammar.
fn is_name(word: &str) -> bool {
    const OTHERS: [&str; 59] = [
        "accessor",
        "arguments",
        "as",
        "assert",
        "async",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "enum",
        "eval",
        "export",
        "extends",
        "false",
        "finally",
        "for",
        "from",
        "function",
        "get",
        "if",
        "implements",
        "import",
        "in",
        "instanceof",
        "interface",
        "let",
        "meta",
        "new",
        "null",
        "of",
        "package",
        "private",
        "protected",
        "public",
        "return",
        "set",
        "static",
        "super",
        "switch",
        "target",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "undefined",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ];
    !(word.len() <= 10 && word.as_bytes()[0].is_ascii_lowercase() && OTHERS.binary_search(&word).is_ok())
}
