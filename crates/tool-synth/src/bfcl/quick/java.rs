//! Plain calls in Java: one call of a dotted name whose arguments are assignments of ordinary expressions.
//!
//! A text is either read as the grammar reads it, or known to have an error, or left to the grammar. The second rests on how
//! tree-sitter mends errors: it skips tokens, which leaves an error in the tree, or puts in one token that completes a rule and
//! after which the next token fits. Where no token does, there will be an error, whatever follows.

use bumpalo::Bump;
use bumpalo::collections::String;

use super::Known;
use super::source::{MAX_OPERANDS, Source};
use crate::bfcl::decode::call_in;
use crate::value::{Node, Stack, dictionary};

/// The calls in Java source; nothing if the grammar has to decide.
pub(in crate::bfcl) fn decode<'a>(arena: &'a Bump, text: &'a str) -> Option<Known<Node<'a>>> {
    let mut reader =
        Java { arena, source: Source::new(text), ascii: text.is_ascii(), failed: false, raises: false };
    let found = reader.program();
    if reader.failed {
        return Some(Known::Failure);
    }
    // Up to here the text was read, and no token of Java begins with one of these.
    if found.is_none() && matches!(reader.source.peek(), b'`' | b'#' | b'\\') {
        return Some(Known::Failure);
    }
    if let Some(value) = found {
        return Some(if reader.raises { Known::Failure } else { Known::Value(value) });
    }
    let mut reader =
        Java { arena, source: Source::new(text), ascii: text.is_ascii(), failed: false, raises: false };
    reader.unclosed().filter(|()| !reader.failed).map(|()| Known::Failure)
}

/// At the end of the text a missing `;` is put in, which costs 610 by tree-sitter's measure; of a text of up to ten bytes an
/// error is made instead, which costs 600 and one more for every byte.
const SURELY_MENDED: usize = 24;

struct Java<'a> {
    arena: &'a Bump,
    source: Source<'a>,
    ascii: bool,
    /// Whether an error in the tree is certain.
    failed: bool,
    /// Whether rendering raises in the official decoder.
    raises: bool,
}

/// What an expression is, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Class,
    Quoted,
    Other,
}

impl<'a> Java<'a> {
    /// The text of a node, by the official slice: byte offsets counted as characters.
    fn text(&self, start: usize, end: usize) -> &'a str {
        if self.ascii {
            return &self.source.text[start..end];
        }
        let characters = self.source.text.chars().skip(start).take(end - start);
        String::from_iter_in(characters, self.arena).into_bump_str()
    }

    fn fail<T>(&mut self) -> Option<T> {
        self.failed = true;
        None
    }

    /// Renders a mark of the source. Beyond ASCII the official slices shift, and it would be another one.
    fn mark(&self, out: &mut String<'a>, mark: &str) -> Option<()> {
        out.push_str(mark);
        self.ascii.then_some(())
    }

    fn program(&mut self) -> Option<Node<'a>> {
        self.source.skip_blanks();
        let parenthesized = self.source.accept(b'(');
        if parenthesized {
            self.source.skip_blanks();
        }
        let start = self.source.at;
        let (call, assigned) = self.call()?;
        self.source.skip_blanks();
        if parenthesized {
            if !self.source.accept(b')') {
                return None;
            }
            self.source.skip_blanks();
        } else if assigned && matches!(self.source.peek(), b',' | b']' | b')') {
            // After a call that is a statement, nothing completes a rule but `;`, `++` and `--`, and none of these follows those.
            return self.fail();
        }
        if !assigned {
            // It may be the head of a method.
            return None;
        }
        if !self.source.accept(b';') && self.source.at - start < SURELY_MENDED {
            return None;
        }
        self.source.skip_blanks();
        (self.source.at == self.source.bytes.len())
            .then(|| Node::List(std::slice::from_ref(self.arena.alloc(call))))
    }

    /// Calls behind an opening bracket, which nothing closes. That is an error: at the end of the text no token is put in but the `;`
    /// that ends a statement.
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

    /// A call, and whether something is assigned in it.
    fn call(&mut self) -> Option<(Node<'a>, bool)> {
        let start = self.source.at;
        self.dotted_name()?;
        let name = self.call_name(start, self.source.at);
        if !self.source.accept(b'(') {
            return None;
        }
        let mut arguments = Stack::new_in(self.arena);
        let mut assigned = false;
        self.source.skip_blanks();
        if !self.source.accept(b')') {
            loop {
                self.source.skip_blanks();
                if let Some((name, value)) = self.argument()? {
                    assigned |= !matches!(name, Node::None);
                    arguments.push((name, Node::Str(value)));
                }
                if self.source.accept(b')') {
                    break;
                }
                if !self.source.accept(b',') {
                    return None;
                }
            }
        }
        let count = arguments.len();
        let arguments = dictionary(self.arena, &mut arguments, 0);
        self.raises |= arguments.len() < count;
        Some((call_in(self.arena, Node::Str(name), Node::Dict(arguments)), assigned))
    }

    /// The name of a call: the official decoder slices the object and the method apart, and puts a dot between them.
    fn call_name(&self, start: usize, end: usize) -> &'a str {
        let dot = self.source.text[start..end].rfind('.').map(|dot| start + dot);
        match dot {
            Some(dot) if !self.ascii => {
                let mut name = String::from_str_in(self.text(start, dot), self.arena);
                name.push('.');
                name.push_str(self.text(dot + 1, end));
                name.into_bump_str()
            }
            _ => self.text(start, end),
        }
    }

    /// A name with dots in it. Returns whether it is one without.
    fn dotted_name(&mut self) -> Option<bool> {
        let mut single = true;
        self.source.word().filter(|word| is_name(word))?;
        while self.source.peek() == b'.' {
            single = false;
            self.source.at += 1;
            self.source.word().filter(|word| is_name(word))?;
        }
        Some(single)
    }

    /// An argument with the blanks after it; nothing inside if it does not count.
    fn argument(&mut self) -> Option<Option<(Node<'a>, &'a str)>> {
        let start = self.source.at;
        if let Some(word) = self.source.word() {
            let end = self.source.at;
            self.source.skip_blanks();
            // The lexer takes a keyword for a name where it cannot stand, and no argument begins with this one.
            let is_parameter = is_name(word) || word == "class";
            if self.source.peek() == b':' && self.source.peek_after(1) != b':' && is_parameter {
                // One token more makes no argument of a name with a colon behind it.
                return self.fail();
            }
            if self.source.peek() == b'=' && self.source.peek_after(1) != b'=' && is_parameter {
                self.source.at += 1;
                self.source.skip_blanks();
                let name = Node::Str(self.text(start, end));
                return Some(Some((name, self.assigned()?)));
            }
            self.source.at = start;
        }
        let mut out = String::new_in(self.arena);
        let raises = self.raises;
        let kind = self.expression(&mut out)?;
        if !matches!(kind, Kind::Name | Kind::Class) {
            self.raises = raises;
            return Some(None);
        }
        Some(Some((Node::None, out.into_bump_str())))
    }

    /// The right side of an assignment, rendered.
    fn assigned(&mut self) -> Option<&'a str> {
        match self.source.peek() {
            // No token completes anything after `=` so that a brace could follow.
            b'{' => return self.fail(),
            b'[' => return self.list_in_brackets(),
            b'/' if !matches!(self.source.peek_after(1), b'/' | b'*') => return self.fail(),
            _ => {}
        }
        let start = self.source.at;
        if self.source.peek() == b'"' && self.source.peek_after(1) != b'"' || self.source.peek() == b'\'' {
            // Most values are text, and need no buffer.
            self.quoted()?;
            let text = self.text(start, self.source.at);
            self.source.skip_blanks();
            if matches!(self.source.peek(), b',' | b')') {
                return Some(without_ends(text));
            }
            self.source.at = start;
        }
        let mut out = String::new_in(self.arena);
        let kind = self.expression(&mut out)?;
        let out = out.into_bump_str();
        Some(if kind == Kind::Quoted { without_ends(out) } else { out })
    }

    /// A list as Python or JavaScript writes it, which is an error if it has two members: what stands before the bracket
    /// is put in as a missing name and makes it a subscript; the comma closes that, and then nothing is left that the closing
    /// bracket could close.
    fn list_in_brackets<T>(&mut self) -> Option<T> {
        let mut out = String::new_in(self.arena);
        self.source.at += 1;
        self.source.skip_blanks();
        if self.source.peek() == b']' {
            return self.fail();
        }
        let nested = self.source.accept(b'[');
        self.source.skip_blanks();
        self.expression(&mut out)?;
        if self.source.peek() != b',' {
            return None;
        }
        if nested {
            return self.fail();
        }
        while self.source.accept(b',') {
            self.source.skip_blanks();
            self.expression(&mut out)?;
        }
        if self.source.peek() == b']' { self.fail() } else { None }
    }

    /// An expression with the blanks after it, rendered as the child of another.
    fn expression(&mut self, out: &mut String<'a>) -> Option<Kind> {
        if self.source.too_deep() {
            return None;
        }
        self.source.depth += 1;
        let mut kind = self.operand(out)?;
        self.source.skip_blanks();
        for _ in 0..MAX_OPERANDS {
            let operator = self.source.peek();
            if !matches!(operator, b'+' | b'-' | b'*') {
                self.source.depth -= 1;
                return Some(kind);
            }
            let next = self.source.peek_after(1);
            if next == operator || matches!(next, b'=' | b'>') {
                return None;
            }
            kind = Kind::Other;
            self.source.at += 1;
            self.source.skip_blanks();
            self.mark(out, char::from(operator).encode_utf8(&mut [0]))?;
            self.operand(out)?;
            self.source.skip_blanks();
        }
        None
    }

    fn operand(&mut self, out: &mut String<'a>) -> Option<Kind> {
        match self.source.peek() {
            b'"' | b'\'' => {
                let start = self.source.at;
                self.quoted()?;
                out.push_str(self.text(start, self.source.at));
                Some(Kind::Quoted)
            }
            b'0'..=b'9' | b'.' => {
                let start = self.source.at;
                self.number()?;
                out.push_str(self.text(start, self.source.at));
                Some(Kind::Other)
            }
            sign @ (b'-' | b'+' | b'!') => {
                self.source.at += 1;
                self.mark(out, char::from(sign).encode_utf8(&mut [0]))?;
                if matches!(self.source.peek(), b'-' | b'+' | b'!' | b'(' | b'=' | b' ' | b'\n' | b'\t') {
                    return None;
                }
                self.operand(out)?;
                Some(Kind::Other)
            }
            b'(' => self.parenthesized(out),
            _ => self.named(out),
        }
    }

    fn quoted(&mut self) -> Option<()> {
        // Two quotes at once may be the beginning of a block of text; a character's literal is not empty.
        let quote = self.source.peek();
        if self.source.peek_after(1) == quote && (quote == b'\'' || self.source.peek_after(2) == quote) {
            return None;
        }
        self.source.string()
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
            b'l' | b'L' if shape.whole => self.source.at += 1,
            b'f' | b'F' | b'd' | b'D' => self.source.at += 1,
            // A name after a number, and no token completes anything so that a name could follow.
            b'n' | b'j' | b'J' if first != b'0' => {
                self.source.at += 1;
                return if self.source.runs_on() { None } else { self.fail() };
            }
            _ => {}
        }
        (!self.source.runs_on()).then_some(())
    }

    /// A cast to a primitive type, an expression in parentheses, or a lambda without parameters.
    fn parenthesized(&mut self, out: &mut String<'a>) -> Option<Kind> {
        self.source.at += 1;
        self.source.skip_blanks();
        if self.source.accept(b')') {
            self.source.skip_blanks();
            if self.source.peek() == b'=' && self.source.peek_after(1) == b'>' {
                return self.fail();
            }
            return self.arrow(out, "()");
        }
        let start = self.source.at;
        if let Some(word) = self.source.word().filter(|word| is_primitive(word)) {
            self.source.skip_blanks();
            if !self.source.accept(b')') {
                return None;
            }
            self.source.skip_blanks();
            self.mark(out, "(")?;
            out.push_str(self.text(start, start + word.len()));
            self.mark(out, ")")?;
            if !matches!(self.source.peek(), b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_') {
                return None;
            }
            self.operand(out)?;
            return Some(Kind::Other);
        }
        self.source.at = start;
        self.mark(out, "(")?;
        self.expression(out)?;
        if !self.source.accept(b')') {
            return None;
        }
        self.mark(out, ")")?;
        self.source.skip_blanks();
        // What else may follow could make it a cast or the parameters of a lambda.
        matches!(self.source.peek(), b',' | b')' | b']' | b'}' | b';').then_some(Kind::Other)
    }

    fn arrow(&mut self, out: &mut String<'a>, parameters: &str) -> Option<Kind> {
        if !(self.source.accept(b'-') && self.source.accept(b'>')) {
            return None;
        }
        self.source.skip_blanks();
        if self.source.peek() == b'{' {
            return None;
        }
        out.push_str(parameters);
        self.mark(out, "->")?;
        self.expression(out)?;
        Some(Kind::Other)
    }

    /// What begins with a word: a constant, a name with what hangs on it, something made with `new`.
    fn named(&mut self, out: &mut String<'a>) -> Option<Kind> {
        let start = self.source.at;
        let rendered = out.len();
        let word = self.source.word()?;
        if matches!(word, "true" | "false" | "null") {
            out.push_str(self.text(start, self.source.at));
            return Some(Kind::Other);
        }
        if word == "new" {
            return self.creation(out);
        }
        if word == "this" {
            out.push_str(self.text(start, self.source.at));
            self.source.skip_blanks();
            return matches!(self.source.peek(), b',' | b')').then_some(Kind::Other);
        }
        if !is_name(word) {
            return None;
        }
        out.push_str(self.text(start, self.source.at));
        let mut kind = Kind::Name;
        let mut names_only = true;
        loop {
            match self.source.peek() {
                b'.' => {
                    let dot = self.source.at;
                    self.source.at += 1;
                    let member = self.source.word()?;
                    kind = Kind::Other;
                    if member == "class" && names_only {
                        out.push_str(self.text(dot, self.source.at));
                        return Some(Kind::Class);
                    }
                    if !is_name(member) {
                        return None;
                    }
                    out.push_str(self.text(dot, self.source.at));
                }
                b'(' => {
                    // Only a name can be called, which follows from where a parenthesis can stand.
                    if matches!(self.source.bytes[self.source.at - 1], b')' | b']') {
                        return None;
                    }
                    let raises = self.raises;
                    self.source.at += 1;
                    self.arguments(out)?;
                    self.raises = raises;
                    out.truncate(rendered);
                    out.push_str(self.text(start, self.source.at));
                    kind = Kind::Other;
                    names_only = false;
                    if word == "function" && self.source.peek() == b' ' && self.source.peek_after(1) == b'{' {
                        return self.fail();
                    }
                }
                b'[' => {
                    self.source.at += 1;
                    self.source.skip_blanks();
                    self.mark(out, "[")?;
                    self.expression(out)?;
                    if !self.source.accept(b']') {
                        return None;
                    }
                    self.mark(out, "]")?;
                    kind = Kind::Other;
                    names_only = false;
                }
                b':' if self.source.peek_after(1) == b':' && names_only => {
                    let colons = self.source.at;
                    self.source.at += 2;
                    self.source.word().filter(|word| is_name(word))?;
                    out.push_str(self.text(colons, self.source.at));
                    return Some(Kind::Other);
                }
                _ => break,
            }
        }
        if kind == Kind::Name {
            let end = self.source.at;
            self.source.skip_blanks();
            if self.source.peek() == b'-' && self.source.peek_after(1) == b'>' {
                out.truncate(rendered);
                return self.arrow(out, self.text(start, end));
            }
        }
        Some(kind)
    }

    /// Expressions with commas between them, up to and with the closing parenthesis.
    fn arguments(&mut self, out: &mut String<'a>) -> Option<()> {
        self.source.skip_blanks();
        if self.source.accept(b')') {
            return Some(());
        }
        loop {
            self.source.skip_blanks();
            self.expression(out)?;
            if self.source.accept(b')') {
                return Some(());
            }
            if !self.source.accept(b',') {
                return None;
            }
            out.push_str(", ");
        }
    }

    /// What follows `new`.
    fn creation(&mut self, out: &mut String<'a>) -> Option<Kind> {
        if !self.source.accept(b' ') {
            return None;
        }
        self.source.skip_blanks();
        out.push_str("new ");
        let start = self.source.at;
        let primitive = self.source.word().is_some_and(is_primitive);
        if !primitive {
            self.source.at = start;
            self.dotted_name()?;
        }
        out.push_str(self.text(start, self.source.at));
        if self.source.peek() == b'[' {
            return self.array(out);
        }
        if primitive {
            return None;
        }
        if self.source.peek() == b'<' {
            self.type_arguments(out)?;
            if self.source.peek() == b'[' {
                return None;
            }
        }
        if !self.source.accept(b'(') {
            return None;
        }
        self.mark(out, "(")?;
        self.arguments(out)?;
        self.mark(out, ")")?;
        let end = self.source.at;
        self.source.skip_blanks();
        if self.source.peek() != b'{' {
            self.source.at = end;
            return Some(Kind::Other);
        }
        // The body of an anonymous class gets lost.
        let (rendered, raises) = (out.len(), self.raises);
        self.source.at += 1;
        self.initializer(out)?;
        out.truncate(rendered);
        self.raises = raises;
        Some(Kind::Other)
    }

    fn array(&mut self, out: &mut String<'a>) -> Option<Kind> {
        self.source.at += 1;
        self.source.skip_blanks();
        if !self.source.accept(b']') {
            // An array without values has nothing to be rendered.
            let rendered = out.len();
            self.expression(out)?;
            out.truncate(rendered);
            self.raises = true;
            return self.source.accept(b']').then_some(Kind::Other).filter(|_| self.source.peek() != b'[');
        }
        self.source.skip_blanks();
        if !self.source.accept(b'{') {
            return None;
        }
        self.mark(out, "[]{")?;
        self.source.skip_blanks();
        if !self.source.accept(b'}') {
            loop {
                self.source.skip_blanks();
                self.expression(out)?;
                if self.source.accept(b'}') {
                    break;
                }
                if !self.source.accept(b',') {
                    return None;
                }
                self.mark(out, ",")?;
            }
        }
        self.mark(out, "}")?;
        Some(Kind::Other)
    }

    fn type_arguments(&mut self, out: &mut String<'a>) -> Option<()> {
        if self.source.too_deep() {
            return None;
        }
        self.source.depth += 1;
        self.source.at += 1;
        self.mark(out, "<")?;
        self.source.skip_blanks();
        if !self.source.accept(b'>') {
            loop {
                self.source.skip_blanks();
                let start = self.source.at;
                self.dotted_name()?;
                out.push_str(self.text(start, self.source.at));
                if self.source.peek() == b'<' {
                    self.type_arguments(out)?;
                }
                self.source.skip_blanks();
                if self.source.accept(b'>') {
                    break;
                }
                if !self.source.accept(b',') {
                    return None;
                }
                self.mark(out, ",")?;
            }
        }
        self.mark(out, ">")?;
        self.source.depth -= 1;
        Some(())
    }

    /// The calls in double braces, after the first of them.
    fn initializer(&mut self, out: &mut String<'a>) -> Option<()> {
        self.source.skip_blanks();
        if !self.source.accept(b'{') {
            return None;
        }
        loop {
            self.source.skip_blanks();
            if self.source.accept(b'}') {
                break;
            }
            self.source.word().filter(|word| is_name(word))?;
            if !self.source.accept(b'(') {
                return None;
            }
            self.arguments(out)?;
            self.source.skip_blanks();
            if !self.source.accept(b';') {
                return None;
            }
        }
        self.source.skip_blanks();
        self.source.accept(b'}').then_some(())
    }
}

/// Text without its first and last character.
fn without_ends(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.next_back();
    characters.as_str()
}

fn is_primitive(word: &str) -> bool {
    matches!(word, "byte" | "short" | "int" | "long" | "char" | "float" | "double" | "boolean")
}

/// Whether a word is a name and means nothing else anywhere in the grammar.
fn is_name(word: &str) -> bool {
    #[rustfmt::skip]
    const OTHERS: [&str; 68] = [
        "_", "abstract", "assert", "boolean", "break", "byte", "case", "catch", "char", "class", "const",
        "continue", "default", "do", "double", "else", "enum", "exports", "extends", "false", "final",
        "finally", "float", "for", "goto", "if", "implements", "import", "instanceof", "int", "interface",
        "long", "module", "native", "new", "non", "null", "open", "opens", "package", "permits", "private",
        "protected", "provides", "public", "record", "requires", "return", "sealed", "short", "static",
        "strictfp", "super", "switch", "synchronized", "this", "throw", "throws", "transient", "transitive",
        "true", "try", "void", "volatile", "when", "while", "with", "yield",
    ];
    !(word.len() <= 12 && word.as_bytes()[0].is_ascii_lowercase() && OTHERS.binary_search(&word).is_ok()
        || word == "_")
}
