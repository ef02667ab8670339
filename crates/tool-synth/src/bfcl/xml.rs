//! Answers in XML: as much of it as an answer can hold, with expat's strictness.
//!
//! Elements, attributes, text, entities, comments, sections and instructions are read once from left to right; no tree is built.
//! The text begins with its root element, so that declarations and document types cannot occur.

use bumpalo::Bump;

use super::decode::{call_in, find_tag};
use super::structured::literal_in;
use crate::value::scan::{length_until, plain_length, word_length};
use crate::value::text::{is_space, parse_float, parse_int};
use crate::value::{Int, Node, Stack, concatenate, dictionary};

/// Elements may be nested this deep.
const MAX_DEPTH: usize = 500;

/// Calls as XML; `verbose` if values are attributes.
pub(super) fn decode<'a>(arena: &'a Bump, text: &'a str, verbose: bool) -> Option<Node<'a>> {
    const CLOSE: &str = "</functions>";
    let start = find_tag(text, "<functions>")?;
    let length = find_tag(&text[start..], CLOSE)? + CLOSE.len();
    let text = &text[start..start + length];
    let text = if text.as_bytes().contains(&b'\r') {
        arena.alloc_str(&text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        text
    };
    // Without a branch that ends it early the loop works on many bytes at once.
    let plain = text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~' | b'\n'));
    if !plain && !text.chars().all(is_character) {
        return None;
    }
    let mut reader = Reader {
        arena,
        text,
        at: 0,
        verbose,
        attributes: Stack::with_capacity_in(4, arena),
        calls: Stack::with_capacity_in(4, arena),
        parameters: [Stack::with_capacity_in(8, arena), Stack::with_capacity_in(8, arena)],
        container: false,
    };
    reader.element(0, Role::Root)?;
    (reader.at == text.len()).then(|| Node::List(reader.calls.into_bump_slice()))
}

fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// What an element is by where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    /// `function` in the root.
    Function,
    /// The first `params` in a function, where values are attributes.
    Container,
    /// `param` in a function or its container.
    Parameter,
    Other,
}

/// A parameter as it was written.
#[derive(Clone, Copy)]
struct Parameter<'a> {
    name: Option<&'a str>,
    value: &'a str,
    kind: &'a str,
}

struct Reader<'a> {
    arena: &'a Bump,
    text: &'a str,
    at: usize,
    verbose: bool,
    /// Of the elements that are being begun.
    attributes: Stack<'a, (&'a str, &'a str)>,
    calls: Stack<'a, Node<'a>>,
    /// Of the present function: those right in it, and those in its container.
    parameters: [Stack<'a, Parameter<'a>>; 2],
    /// Whether the present function has a container.
    container: bool,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    #[inline]
    fn accept_byte(&mut self, byte: u8) -> bool {
        let is = self.peek() == byte;
        self.at += usize::from(is);
        is
    }

    fn accept(&mut self, mark: &str) -> bool {
        let is = self.text.as_bytes()[self.at..].starts_with(mark.as_bytes());
        if is {
            self.at += mark.len();
        }
        is
    }

    fn skip_blanks(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.at > start
    }

    /// Everything up to a mark, which is walked over.
    fn until(&mut self, mark: &str) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find(mark)?;
        self.at += end + mark.len();
        Some(&rest[..end])
    }

    fn name(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let end = start + word_length(&bytes[start..]);
        let plain = end > start
            && !bytes[start].is_ascii_digit()
            && !matches!(bytes.get(end), Some(0x80..|b'-'| b'.' | b':'));
        if plain {
            self.at = end;
            return Some(&self.text[start..end]);
        }
        let starts = |c: char| c == '_' || c.is_alphabetic();
        let goes_on =
            |c: char| starts(c) || matches!(c, '-' | '.' | ':' | '\u{b7}') || c.is_numeric() || is_mark(c);
        let rest = self.rest();
        if !rest.starts_with(starts) {
            return None;
        }
        let name = &rest[..rest.find(|c| !goes_on(c)).unwrap_or(rest.len())];
        self.at += name.len();
        // No prefix is bound but this one, and one colon is all that a name may hold.
        (!name.contains(':') || name.starts_with("xml:") && name.matches(':').count() == 1 && name.len() > 4)
            .then_some(name)
    }

    /// The role of an element of a name in one of a role.
    fn role(&mut self, parent: Role, name: &str) -> Role {
        match (parent, name) {
            (Role::Root, "function") => Role::Function,
            (Role::Function, "params") if self.verbose && !self.container => {
                self.container = true;
                Role::Container
            }
            (Role::Function | Role::Container, "param") => Role::Parameter,
            _ => Role::Other,
        }
    }

    /// An element in one of a role.
    fn element(&mut self, depth: usize, parent: Role) -> Option<()> {
        if depth > MAX_DEPTH || !self.accept_byte(b'<') {
            return None;
        }
        let name = self.name()?;
        let first = self.attributes.len();
        let empty = loop {
            let blank = self.skip_blanks();
            match self.peek() {
                b'>' => {
                    self.at += 1;
                    break false;
                }
                b'/' if self.accept("/>") => break true,
                _ if !blank => return None,
                _ => {}
            }
            let attribute = self.name()?;
            self.skip_blanks();
            let twice = self.attributes[first..].iter().any(|(other, _)| *other == attribute);
            if twice || !self.accept_byte(b'=') {
                return None;
            }
            self.skip_blanks();
            let value = self.attribute_value()?;
            self.attributes.push((attribute, value));
        };
        // A default namespace renames the element and those in it.
        let space = self.attribute(first, "xmlns").is_some_and(|space| !space.is_empty());
        let role = if depth == 0 {
            Role::Root
        } else if space {
            Role::Other
        } else {
            self.role(parent, name)
        };
        let written = match role {
            Role::Parameter => Some(Parameter {
                name: self.attribute(first, "name"),
                value: self.attribute(first, "value").unwrap_or(""),
                kind: self.attribute(first, "type").unwrap_or("string"),
            }),
            _ => None,
        };
        let called = if role == Role::Function { Some(self.attribute(first, "name")?) } else { None };
        if role == Role::Function {
            self.container = false;
        }
        self.attributes.truncate(first);
        let text = if empty { "" } else { self.content(depth, role, name)? };
        if let Some(mut parameter) = written {
            if !self.verbose {
                parameter.value = text.trim_matches(is_space);
            }
            self.parameters[usize::from(parent == Role::Container)].push(parameter);
        }
        if let Some(name) = called {
            let call = self.call(name)?;
            self.calls.push(call);
        }
        Some(())
    }

    fn attribute(&self, first: usize, name: &str) -> Option<&'a str> {
        self.attributes[first..].iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    fn attribute_value(&mut self) -> Option<&'a str> {
        let quote = self.peek();
        if !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let start = self.at + 1;
        let rest = &self.text.as_bytes()[start..];
        let mut plain = true;
        let mut length = plain_length(rest, [quote, b'<', b'&']);
        loop {
            match *rest.get(length)? {
                byte if byte == quote => break,
                b'<' => return None,
                b'\t' | b'\n' | b'\r' | b'&' => plain = false,
                _ => {}
            }
            length += 1;
        }
        self.at = start + length + 1;
        let raw = &self.text[start..start + length];
        if plain {
            return Some(raw);
        }
        self.unescape(self.arena.alloc_str(&raw.replace(['\t', '\n', '\r'], " ")))
    }

    /// The content of an element with its end; gives the text before the first element in it.
    fn content(&mut self, depth: usize, role: Role, name: &str) -> Option<&'a str> {
        let mut before = "";
        let mut children = false;
        loop {
            let rest = self.rest();
            let text = &rest[..length_until(rest.as_bytes(), [b'<'])];
            if text.len() == rest.len() {
                return None;
            }
            if text.as_bytes().contains(&b']') && text.contains("]]>") {
                return None;
            }
            self.at += text.len();
            let mut more = self.unescape(text)?;
            match self.text.as_bytes().get(self.at + 1)? {
                b'/' => {
                    self.at += 2;
                    if self.name()? != name {
                        return None;
                    }
                    self.skip_blanks();
                    let text = if children { before } else { self.join(before, more) };
                    return self.accept_byte(b'>').then_some(text);
                }
                b'!' if self.accept("<!--") => {
                    if self.until("--")?.contains("--") || !self.accept(">") {
                        return None;
                    }
                }
                b'!' if self.accept("<![CDATA[") => {
                    let section = self.until("]]>")?;
                    more = self.join(more, section);
                }
                b'?' => {
                    self.at += 2;
                    let target = self.name()?;
                    if target.eq_ignore_ascii_case("xml")
                        || !self.rest().starts_with("?>") && !self.skip_blanks()
                    {
                        return None;
                    }
                    self.until("?>")?;
                }
                _ => {
                    if !children {
                        before = self.join(before, more);
                    }
                    children = true;
                    self.element(depth + 1, role)?;
                    continue;
                }
            }
            if !children {
                before = self.join(before, more);
            }
        }
    }

    fn join(&self, one: &'a str, other: &'a str) -> &'a str {
        match (one, other) {
            ("", text) | (text, "") => text,
            _ => concatenate(self.arena, one, other),
        }
    }

    /// Text with its entities replaced; nothing if one is unknown.
    fn unescape(&self, text: &'a str) -> Option<&'a str> {
        if !text.as_bytes().contains(&b'&') {
            return Some(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((plain, after)) = rest.split_once('&') {
            out.push_str(plain);
            let (entity, after) = after.split_once(';')?;
            let character = match entity {
                "lt" => '<',
                "gt" => '>',
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let digits = entity.strip_prefix('#')?;
                    let (digits, radix) =
                        digits.strip_prefix('x').map_or((digits, 10), |digits| (digits, 16));
                    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
                        return None;
                    }
                    char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|&c| is_character(c))?
                }
            };
            out.push(character);
            rest = after;
        }
        out.push_str(rest);
        Some(self.arena.alloc_str(&out))
    }

    /// The call of the function that ends here.
    fn call(&mut self, name: &'a str) -> Option<Node<'a>> {
        let mut arguments = Stack::new_in(self.arena);
        for parameter in &self.parameters[usize::from(self.container)] {
            if parameter.name.is_none() && !self.verbose {
                return None;
            }
            let value = typed(self.arena, parameter.value, parameter.kind)?;
            arguments.push((parameter.name.map_or(Node::None, Node::Str), value));
        }
        self.parameters.iter_mut().for_each(Stack::clear);
        let arguments = dictionary(self.arena, &mut arguments, 0);
        Some(call_in(self.arena, Node::Str(name), Node::Dict(arguments)))
    }
}

fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

fn typed<'a>(arena: &'a Bump, text: &'a str, kind: &str) -> Option<Node<'a>> {
    Some(match kind {
        "integer" => match parse_int(text)? {
            Int::Small(value) => Node::Int(value),
            big => Node::Big(arena.alloc_str(&big.to_string())),
        },
        "float" => Node::Float(parse_float(text)?),
        "boolean" => Node::Bool(text.to_lowercase() == "true"),
        "null" => Node::None,
        "array" | "tuple" | "object" | "dict" => literal_in(arena, text)?,
        _ => Node::Str(text),
    })
}
