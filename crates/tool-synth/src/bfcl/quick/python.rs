//! A decoder for the plain majority of answers: calls with literal arguments.
//!
//! It goes from bytes to values without tokens or a tree, and takes no memory but an arena's. What it is not sure of it leaves to
//! the whole grammar (`decode_python`); a test holds the two together. It also knows many texts that fail: Python's grammar
//! mends nothing, so that a token which cannot follow decides, whatever comes after it.

use bumpalo::Bump;

use super::Known;
use crate::bfcl::decode::call_in;
use crate::pyexpr::lex::{is_expression_keyword, is_keyword};
use crate::value::{Members, Node, Stack, concatenate, dictionary};

mod literals;

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

fn known<T>(read: Read<T>, fails: bool) -> Option<Known<T>> {
    match read {
        Ok(_) if fails => Some(Known::Failure),
        Ok(value) => Some(Known::Value(value)),
        Err(Stop::Wrong) => Some(Known::Failure),
        Err(Stop::Unsure) => None,
    }
}

/// The calls in a text whose ends were trimmed, or that it fails; nothing if it holds anything unusual.
pub(in crate::bfcl) fn decode<'a>(arena: &'a Bump, text: &'a str) -> Option<Known<Node<'a>>> {
    let mut reader = Reader::new(arena, text, false);
    // A text that does not begin or end with a bracket gets one added, which here is thought and not written.
    reader.at = usize::from(text.starts_with('['));
    let calls = reader.list(text.ends_with(']'));
    known(calls, reader.fails)
}

/// The value of a list, tuple or dictionary as Python's `ast.literal_eval` gives it, or that it raises; nothing if it holds
/// anything unusual.
pub(in crate::bfcl) fn literal<'a>(arena: &'a Bump, text: &'a str) -> Option<Known<Node<'a>>> {
    if !matches!(text.as_bytes().first(), Some(b'[' | b'{' | b'(')) {
        return None;
    }
    let mut reader = Reader::new(arena, text, true);
    let value = reader.value();
    if value.is_ok() && reader.at < text.len() {
        return None;
    }
    known(value, reader.fails)
}

/// The name and the arguments of a call that has only literals as arguments, each with a name of its own; nothing if it holds
/// anything else.
pub(in crate::bfcl) fn plain_call<'a>(arena: &'a Bump, text: &'a str) -> Option<(&'a str, Members<'a>)> {
    let mut reader = Reader::new(arena, text, true);
    let name = reader.word().ok().filter(|name| !name.is_empty() && !is_keyword(name))?;
    if reader.peek() != b'(' {
        return None;
    }
    reader.at += 1;
    let (arguments, positional) = reader.arguments().ok()?;
    (reader.at == text.len() && !positional && !reader.fails && !reader.repeated).then_some((name, arguments))
}

const WORD: u8 = 1;
const LETTER: u8 = 2;
/// What may stand in text without a second look: all but quotes, the backslash and control characters.
const PLAIN: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let letter = byte.is_ascii_alphabetic() || byte == b'_';
        if letter {
            table[at] |= LETTER;
        }
        if letter || byte.is_ascii_digit() {
            table[at] |= WORD;
        }
        if byte >= 0x20 && !matches!(byte, b'\\' | b'"' | b'\'') {
            table[at] |= PLAIN;
        }
        at += 1;
    }
    table
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

struct Reader<'a> {
    arena: &'a Bump,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// Whether only literals have values, and signs are what they are.
    literal: bool,
    /// Whether something is an expression but has no value as an argument, so that decoding fails if all else is right.
    fails: bool,
    /// Whether a name came twice among the arguments of a call.
    repeated: bool,
    /// How many arguments without a name and subscripts are being read, whose values do not count.
    ignored: u32,
    /// The items of the lists that are being read.
    items: Stack<'a, Node<'a>>,
    /// The members of the dictionaries and calls that are being read.
    members: Stack<'a, (Node<'a>, Node<'a>)>,
}

/// What was read, with the blanks after it.
#[derive(Clone, Copy)]
enum Found<'a> {
    Value(Node<'a>),
    /// A call of a dotted name. Nothing is its text if that is not how Python would write it.
    Call {
        name: &'a str,
        arguments: Members<'a>,
        text: Option<&'a str>,
    },
    /// Something that has a value, of which only the grammar knows which.
    Other,
}

impl<'a> Reader<'a> {
    fn new(arena: &'a Bump, text: &'a str, literal: bool) -> Self {
        Self {
            arena,
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth: 0,
            literal,
            fails: false,
            repeated: false,
            ignored: 0,
            items: Stack::with_capacity_in(8, arena),
            members: Stack::with_capacity_in(8, arena),
        }
    }

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

    /// Where only some marks can come next, and none of them does: walks to the next comma or closing bracket if what comes is an
    /// operator whose result is no argument. An operator behind an enclosing bracket may still make a value of it, which is then seen
    /// there; where values do not count, the grammar has to decide whether it is an expression at all.
    fn skip_operators(&mut self) -> Read<()> {
        let operator = match self.peek() {
            b'a'..=b'z' => {
                matches!(self.word_at(self.at), "and" | "or" | "if" | "in" | "is" | "not" | "for" | "async")
            }
            mark @ (b'<' | b'>') => self.peek_after(1) != mark && self.peek_after(1) != b'=',
            b'=' | b'!' => self.peek_after(1) == b'=',
            _ => false,
        };
        if !operator || self.literal {
            return self.unexpected();
        }
        if self.ignored > 0 {
            return Err(Stop::Unsure);
        }
        self.skip_rest()
    }

    /// Walks to the next comma or closing bracket, over something that is no argument.
    fn skip_rest(&mut self) -> Read<()> {
        self.fails = true;
        let mut depth = 0;
        loop {
            match self.peek() {
                b',' if depth == 0 => return Ok(()),
                b')' | b']' | b'}' if depth == 0 => return Ok(()),
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                b'"' | b'\'' => {
                    self.string("")?;
                    continue;
                }
                0 if self.at == self.bytes.len() => {
                    return if depth == 0 { Ok(()) } else { Err(Stop::Wrong) };
                }
                b'#' | b'\\' | b'\r' | 0 => return Err(Stop::Unsure),
                _ => {}
            }
            self.at += 1;
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
        let mut end = start;
        while end < self.bytes.len() && is(self.bytes[end], WORD) {
            end += 1;
        }
        &self.text[start..end]
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
    fn list(&mut self, closed: bool) -> Read<Node<'a>> {
        loop {
            self.skip_blanks()?;
            if self.at_end(closed) {
                break;
            }
            if self.peek() == b']' {
                return Err(Stop::Unsure);
            }
            match self.node()? {
                Found::Call { name, arguments, .. } => {
                    let call = call_in(self.arena, Node::Str(name), Node::Dict(arguments));
                    self.items.push(call);
                }
                _ => self.fails = true,
            }
            if self.peek() == b',' {
                self.at += 1;
            } else if !self.at_end(closed) {
                // A comment may hide the bracket that gets added.
                let hidden = self.peek() == b']' && self.bytes[self.at..].contains(&b'#');
                if hidden {
                    return Err(Stop::Unsure);
                }
                // What is computed is no call.
                if matches!(self.peek(), b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'@') {
                    return Err(Stop::Wrong);
                }
                self.skip_operators()?;
                if self.peek() == b',' {
                    self.at += 1;
                }
            }
        }
        if closed {
            self.at += 1;
            // What hangs on the list makes something else of it, and as the text ends with a bracket, no call; unless that one stands
            // in a comment.
            if self.bytes[self.at..].contains(&b'#') {
                return Err(Stop::Unsure);
            }
            self.fails |= self.at < self.bytes.len();
        }
        Ok(Node::List(self.items_from(0)))
    }

    /// The items from a place of the stack on, which are taken off.
    fn items_from(&mut self, start: usize) -> &'a [Node<'a>] {
        let items = self.arena.alloc_slice_copy(&self.items[start..]);
        self.items.truncate(start);
        items
    }

    fn at_end(&self, closed: bool) -> bool {
        if closed { self.peek() == b']' } else { self.at == self.bytes.len() }
    }

    /// An expression as an argument's value.
    #[inline]
    fn value(&mut self) -> Read<Node<'a>> {
        let value = match self.peek() {
            b'"' | b'\'' => self.strings("")?,
            b'0'..=b'9' => self.number(false)?,
            _ => return self.other_value(),
        };
        self.skip_blanks()?;
        if matches!(self.peek(), b'+' | b'-' | b'*' | b'/' | b'&' | b'|' | b'^') {
            return self.computed(value);
        }
        Ok(value)
    }

    fn other_value(&mut self) -> Read<Node<'a>> {
        let start = self.at;
        let found = self.node()?;
        self.as_value(found, start)
    }

    /// What was read from `start` on as an argument's value.
    fn as_value(&self, found: Found<'a>, start: usize) -> Read<Node<'a>> {
        let value = match found {
            Found::Value(value) => value,
            Found::Call { name, arguments: [], text } => {
                let text = text.ok_or(Stop::Unsure)?;
                Node::Str(if text.is_empty() { concatenate(self.arena, name, "()") } else { text })
            }
            Found::Call { name, arguments, .. } => {
                call_in(self.arena, Node::Str(name), Node::Dict(arguments))
            }
            Found::Other => return Err(Stop::Unsure),
        };
        // Nothing is computed with names and calls, whatever comes after the operator.
        if matches!(self.peek(), b'+' | b'-' | b'*' | b'/' | b'%' | b'&' | b'|' | b'^' | b'@') {
            let word = self.word_at(start);
            let prefix = matches!(self.bytes.get(start + word.len()), Some(b'"' | b'\''));
            if !word.is_empty() && !prefix && !is_keyword(word) && self.ignored == 0 {
                return Err(Stop::Wrong);
            }
        }
        Ok(value)
    }

    /// A number or text after which an operator comes, with another one.
    fn computed(&mut self, left: Node<'a>) -> Read<Node<'a>> {
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

    /// The operand of an operator whose result has no value as an argument.
    fn operand(&mut self) -> Read<Found<'a>> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::Unsure);
        }
        self.depth += 1;
        self.node()?;
        self.depth -= 1;
        Ok(self.valueless())
    }

    /// What has no value as an argument.
    fn valueless(&mut self) -> Found<'a> {
        self.fails = true;
        Found::Value(Node::None)
    }

    /// An expression and the blanks after it. What comes then must be a comma, a closing bracket, a colon after a key, for
    /// which the caller looks.
    fn node(&mut self) -> Read<Found<'a>> {
        let value = match self.peek() {
            b'"' | b'\'' => self.strings("")?,
            b'0'..=b'9' => self.number(false)?,
            b'.' if self.peek_after(1).is_ascii_digit() => self.number(false)?,
            // Whatever the operator, the number changes its sign.
            sign @ (b'-' | b'+' | b'~') if self.peek_after(1).is_ascii_digit() => {
                if self.literal && sign == b'~' {
                    return Err(Stop::Unsure);
                }
                self.at += 1;
                let value = self.number(!self.literal || sign == b'-')?;
                self.skip_blanks()?;
                // A power binds closer than the sign.
                return Ok(Found::Value(value));
            }
            // Nothing else has a value with a sign, but for `True` and `False`; parentheses may hold a number.
            b'-' | b'+' | b'~'
                if !self.literal
                    && (matches!(self.peek_after(1), b'"' | b'\'' | b'[' | b'{' | b'-' | b'+' | b'~')
                        || is(self.peek_after(1), LETTER)
                            && !matches!(self.word_at(self.at + 1), "True" | "False" | "await")) =>
            {
                self.at += 1;
                return self.operand();
            }
            b'.' if !self.literal && self.peek_after(1) == b'.' && self.peek_after(2) == b'.' => {
                self.at += 3;
                Node::Str("...")
            }
            b'[' | b'{' | b'(' => {
                if self.depth == MAX_DEPTH {
                    return Err(Stop::Unsure);
                }
                self.depth += 1;
                let node = match self.peek() {
                    b'[' => self.sequence(b']').map(|items| Found::Value(Node::List(items))),
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
        Ok(Found::Value(value))
    }

    /// What begins with a word.
    fn named(&mut self) -> Read<Found<'a>> {
        let start = self.at;
        let word = self.word()?;
        if matches!(self.peek(), b'"' | b'\'') {
            let value = match word {
                "r" | "R" | "u" | "U" => self.strings(word)?,
                "b" | "B" => self.byte_string()?,
                // A string with fields is no argument, whatever they are.
                "f" | "F" if self.ignored == 0 && !self.literal => {
                    self.string("r")?;
                    self.skip_blanks()?;
                    if self.at_string() {
                        return Err(Stop::Unsure);
                    }
                    return Ok(self.valueless());
                }
                "f" | "F" => return Err(Stop::Unsure),
                _ if word.len() > 1 => return Err(Stop::Unsure),
                _ => return Err(Stop::Wrong),
            };
            self.skip_blanks()?;
            return Ok(Found::Value(value));
        }
        if is_keyword(word) {
            let value = match word {
                "True" => Node::Bool(true),
                "False" => Node::Bool(false),
                "None" => Node::None,
                "await" | "not" if self.ignored == 0 && !self.literal => {
                    self.skip_blanks()?;
                    // But for `not` before a number, which changes its sign, and in front of something longer.
                    if !is(self.peek(), LETTER) || matches!(self.word_at(self.at), "True" | "False" | "not") {
                        return Err(Stop::Unsure);
                    }
                    return self.operand();
                }
                "lambda" if self.ignored == 0 && !self.literal => {
                    self.skip_rest()?;
                    return Ok(self.valueless());
                }
                "lambda" | "not" | "await" | "yield" | "async" => return Err(Stop::Unsure),
                _ => return Err(Stop::Wrong),
            };
            self.skip_blanks()?;
            return Ok(Found::Value(value));
        }
        if self.literal {
            return Err(Stop::Unsure);
        }
        let mut single = true;
        // The usual name has no blanks in it.
        while self.peek() == b'.' {
            single = false;
            self.at += 1;
            if !is(self.peek(), LETTER) {
                let goes_on =
                    matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'\\' | b'#' | 0x80..);
                return Err(if goes_on { Stop::Unsure } else { Stop::Wrong });
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
                let text = if positional && arguments.is_empty() {
                    Some(&self.text[start..self.at]).filter(|text| is_canonical(&text[name.len()..]))
                } else {
                    Some("")
                };
                self.skip_blanks()?;
                Found::Call { name, arguments, text }
            }
            b'[' if let Some(length) = canonical_index(&self.text[self.at..])
                && self.at == start + name.len() =>
            {
                self.at += length;
                let text = &self.text[start..self.at];
                self.skip_blanks()?;
                Found::Value(Node::Str(text))
            }
            b'[' => {
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
                self.ignored += 1;
                loop {
                    self.node()?;
                    match self.peek() {
                        b']' => break,
                        b',' => {
                            self.at += 1;
                            self.skip_blanks()?;
                            if self.peek() == b']' {
                                return Err(Stop::Unsure);
                            }
                        }
                        b':' => return Err(Stop::Unsure),
                        _ => return self.unexpected(),
                    }
                }
                self.at += 1;
                self.ignored -= 1;
                self.fails = fails;
                self.depth -= 1;
                self.skip_blanks()?;
                Found::Other
            }
            _ if single => Found::Value(Node::Str(name)),
            _ => self.valueless(),
        };
        // What hangs on a call or a subscript, or on a name behind a blank.
        if matches!(self.peek(), b'.' | b'(' | b'[') { Err(Stop::Unsure) } else { Ok(node) }
    }

    /// The keyword arguments up to and with the closing parenthesis, and whether there are others.
    fn arguments(&mut self) -> Read<(Members<'a>, bool)> {
        let start = self.members.len();
        let (mut positional, mut unpacked) = (false, false);
        loop {
            self.skip_blanks()?;
            let mut keyword = false;
            match self.peek() {
                b')' => {
                    self.at += 1;
                    let written = self.members.len() - start;
                    let arguments = dictionary(self.arena, &mut self.members, start);
                    self.repeated |= arguments.len() < written;
                    return Ok((arguments, positional));
                }
                b'*' => {
                    // `*name` does not count; `**name` does.
                    let double = self.peek_after(1) == b'*';
                    self.at += 1 + usize::from(double);
                    if !is(self.peek(), LETTER) {
                        return Err(Stop::Unsure);
                    }
                    let name = self.word()?;
                    if is_keyword(name) {
                        return Err(Stop::Unsure);
                    }
                    if !double && unpacked {
                        return Err(Stop::Wrong);
                    }
                    if double {
                        unpacked = true;
                        self.members.push((Node::None, Node::Str(name)));
                    } else {
                        positional = true;
                    }
                    self.skip_blanks()?;
                }
                first => {
                    let before = self.at;
                    if is(first, LETTER) {
                        let key = self.word()?;
                        self.skip_blanks()?;
                        keyword = self.peek() == b'=' && self.peek_after(1) != b'=';
                        if keyword {
                            if is_keyword(key) {
                                return Err(Stop::Wrong);
                            }
                            self.at += 1;
                            self.skip_blanks()?;
                            let value = self.value()?;
                            self.members.push((Node::Str(key), value));
                        }
                    }
                    if !keyword {
                        self.at = before;
                        if first == b',' {
                            return Err(Stop::Wrong);
                        }
                        // Its value does not count, nor whether it has one.
                        let fails = self.fails;
                        self.ignored += 1;
                        self.node()?;
                        self.ignored -= 1;
                        self.fails = fails;
                        positional = true;
                        // One after a keyword is an error, unless it goes on as something else.
                        if self.members.len() > start {
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
                _ if !keyword => return self.unexpected(),
                _ => {
                    self.skip_operators()?;
                    self.at += usize::from(self.peek() == b',');
                }
            }
        }
    }

    /// Values with commas between them, from the opening bracket up to and with the closing one.
    fn sequence(&mut self, close: u8) -> Read<&'a [Node<'a>]> {
        self.at += 1;
        self.items_until(close, self.items.len())
    }

    /// The items of the stack from `start` on, with those that come up to and with the closing bracket.
    fn items_until(&mut self, close: u8, start: usize) -> Read<&'a [Node<'a>]> {
        loop {
            self.skip_blanks()?;
            if self.peek() == close {
                self.at += 1;
                return Ok(self.items_from(start));
            }
            let item = self.value()?;
            self.items.push(item);
            match self.peek() {
                b',' => self.at += 1,
                byte if byte == close => {}
                _ => {
                    self.skip_operators()?;
                    self.at += usize::from(self.peek() == b',');
                }
            }
        }
    }

    /// A tuple, or an expression in parentheses. Neither is read twice, or the time would double with every level.
    fn parentheses(&mut self) -> Read<Found<'a>> {
        self.at += 1;
        self.skip_blanks()?;
        if self.peek() == b')' {
            self.at += 1;
            return Ok(Found::Value(Node::Tuple(&[])));
        }
        let start = self.at;
        let computes = matches!(self.peek(), b'"' | b'\'' | b'0'..=b'9');
        let found = self.node()?;
        let item = self.as_value(found, start);
        let operates = !matches!(self.peek(), b')' | b',');
        if operates {
            self.skip_operators()?;
        }
        if self.peek() == b')' {
            self.at += 1;
            self.skip_blanks()?;
            // It may be called or the like.
            return if matches!(self.peek(), b'.' | b'(' | b'[') { Err(Stop::Unsure) } else { Ok(found) };
        }
        if self.peek() != b',' {
            return self.unexpected();
        }
        if computes && operates {
            // A number or text that is computed with, of which only what it began with is kept here.
            return Err(Stop::Unsure);
        }
        self.at += 1;
        let first = self.items.len();
        self.items.push(item?);
        self.items_until(b')', first).map(|items| Found::Value(Node::Tuple(items)))
    }

    /// A dictionary or a set.
    fn braces(&mut self) -> Read<Found<'a>> {
        self.at += 1;
        let start = self.members.len();
        let mut set = false;
        loop {
            self.skip_blanks()?;
            if self.peek() == b'}' {
                self.at += 1;
                let members = dictionary(self.arena, &mut self.members, start);
                return Ok(if set { self.valueless() } else { Found::Value(Node::Dict(members)) });
            }
            let key = self.value()?;
            if set || self.members.len() == start && matches!(self.peek(), b',' | b'}') {
                if self.literal {
                    return Err(Stop::Unsure);
                }
                set = true;
            } else {
                if self.peek() != b':' || self.peek_after(1) == b'=' {
                    self.skip_operators()?;
                    return Err(Stop::Unsure);
                }
                self.at += 1;
                self.skip_blanks()?;
                let value = self.value()?;
                let hashable = key.is_hashable();
                self.fails |= !hashable;
                self.members.push((if hashable { key } else { Node::None }, value));
            }
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {}
                _ => {
                    self.skip_operators()?;
                    self.at += usize::from(self.peek() == b',');
                }
            }
        }
    }
}

/// Whether the text of arguments in parentheses is as Python writes them: numbers, names and plain text, with a comma and a blank
/// between them.
fn is_canonical(arguments: &str) -> bool {
    let Some(inner) = arguments.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return false;
    };
    inner.split(", ").all(|argument| {
        let bytes = argument.as_bytes();
        match bytes {
            [b'0'] => true,
            [b'1'..=b'9', digits @ ..] => digits.len() < 18 && digits.iter().all(u8::is_ascii_digit),
            [b'\'', text @ .., b'\''] => {
                text.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\'))
            }
            [first, ..] => {
                is(*first, LETTER)
                    && bytes.iter().all(|&byte| is(byte, WORD))
                    && (matches!(argument, "True" | "False" | "None") || !is_keyword(argument))
            }
            [] => false,
        }
    })
}

/// The length of a subscript that is as Python writes it: a number, a slice of numbers, plain text, or three dots.
fn canonical_index(text: &str) -> Option<usize> {
    let end = text.bytes().take(24).position(|byte| byte == b']')?;
    let index = &text.as_bytes()[1..end];
    let number = |digits: &[u8]| {
        digits.len() < 18 && digits.iter().all(u8::is_ascii_digit) && !(digits.len() > 1 && digits[0] == b'0')
    };
    let canonical = match index {
        b"..." => true,
        [b'-', digits @ ..] => !digits.is_empty() && number(digits),
        [b'\'', text @ .., b'\''] => {
            text.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'-' | b'.'))
        }
        _ if index.contains(&b':') => {
            let mut parts = index.split(|&byte| byte == b':');
            // A second colon with nothing behind it is not written.
            parts.clone().count() <= 2 + usize::from(index.last() != Some(&b':')) && parts.all(number)
        }
        digits => !digits.is_empty() && number(digits),
    };
    canonical.then_some(end + 1)
}

#[cfg(test)]
mod tests;
