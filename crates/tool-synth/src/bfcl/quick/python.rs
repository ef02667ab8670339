//! A decoder for the plain majority of answers: calls with literal arguments.
//!
//! It goes from bytes to values without tokens or a tree, and takes no memory but an arena's. What it is not sure of it leaves to
//! the whole grammar (`decode_python`); a test holds the two together. It also knows many texts that fail: Python's grammar
//! mends nothing, so that a token which cannot follow decides, whatever comes after it.

use bumpalo::Bump;

use super::Known;
use crate::bfcl::decode::call_in;
use crate::pyexpr::lex::is_keyword;
use crate::value::scan::word_length;
use crate::value::{Members, Node, Stack, concatenate};

mod brackets;
mod calls;
mod literals;
mod skip;

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
/// Blanks, and the mark before a comment.
const BLANK: u8 = 4;
/// What ends a value: a comma, a colon, a closing bracket.
const END: u8 = 8;

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
        if matches!(byte, b' ' | b'\n' | b'\t' | b'#') {
            table[at] |= BLANK;
        }
        if matches!(byte, b',' | b':' | b')' | b']' | b'}') {
            table[at] |= END;
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

    /// Walks over blanks and comments.
    #[inline]
    fn skip_blanks(&mut self) -> Read<()> {
        // Mostly there is one blank or none.
        self.at += usize::from(self.peek() == b' ');
        if is(self.peek(), BLANK) { self.skip_more_blanks() } else { Ok(()) }
    }

    #[inline(never)]
    fn skip_more_blanks(&mut self) -> Read<()> {
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

    /// Whether the next character, one beyond ASCII, may stand in a name.
    fn next_is_letter(&self) -> bool {
        self.text[self.at..].chars().next().is_some_and(unicode_ident::is_xid_continue)
    }

    #[inline]
    fn word_at(&self, start: usize) -> &'a str {
        let rest = &self.text[start..];
        &rest[..word_length(rest.as_bytes())]
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
    fn value(&mut self) -> Read<Node<'a>> {
        match self.peek() {
            b'"' | b'\'' | b'0'..=b'9' => self.constant(),
            _ => {
                let start = self.at;
                let found = self.node()?;
                self.as_value(found, start)
            }
        }
    }

    /// Reads a value as an item of a list. Most are plain, with a mark right behind them, and are written where they will stand, as
    /// copying what was just written in parts costs more than reading it.
    #[inline]
    fn item(&mut self) -> Read<()> {
        if let Some(text) = self.plain_text() {
            self.items.push(Node::Str(text));
        } else if let Some(value) = self.plain_integer() {
            self.items.push(Node::Int(value));
        } else {
            let value = self.value()?;
            self.items.push(value);
        }
        Ok(())
    }

    /// Reads a value as the member of a name, in the same way.
    #[inline]
    fn member(&mut self, name: &'a str) -> Read<()> {
        if let Some(text) = self.plain_text() {
            self.members.push((Node::Str(name), Node::Str(text)));
        } else if let Some(value) = self.plain_integer() {
            self.members.push((Node::Str(name), Node::Int(value)));
        } else {
            let value = self.value()?;
            self.members.push((Node::Str(name), value));
        }
        Ok(())
    }

    /// A number or text, or what is computed with it.
    fn constant(&mut self) -> Read<Node<'a>> {
        let value = if self.peek().is_ascii_digit() { self.number(false) } else { self.strings("") }?;
        self.skip_blanks()?;
        if matches!(self.peek(), b'+' | b'-' | b'*' | b'/' | b'&' | b'|' | b'^') {
            return self.computed(value);
        }
        Ok(value)
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
}

#[cfg(test)]
mod tests;
