//! Calls against documentation and allowed values.

use std::borrow::Cow;

use bumpalo::Bump;

use super::entry::{Entry, Expected, Nested, Slot};
use super::{Language, Outcome};
use crate::value::{Kind, Members, Node, Str, Value};

/// Why a call does not pass.
enum Failure {
    Error(&'static str),
    Raise,
}

type Checked<T = ()> = Result<T, Failure>;

fn wrong<T>(error: &'static str) -> Checked<T> {
    Err(Failure::Error(error))
}

/// How the calls of an answer are paired with the expected ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// One call against the first function and the first expected call.
    Simple,
    /// As many calls as expected ones; the first is checked, against the function of the expected name.
    Multiple,
    /// Every expected call, in order, takes the first call left that passes.
    Parallel,
}

impl Pairing {
    /// What the benchmark does in a category: by whether "parallel", or else "multiple", is in its name.
    pub fn of(category: &str) -> Self {
        if category.contains("parallel") {
            Self::Parallel
        } else if category.contains("multiple") {
            Self::Multiple
        } else {
            Self::Simple
        }
    }
}

/// Checks decoded calls, each a dictionary with one member. What conversions of values need is taken from the arena.
pub(super) fn check<'a>(
    arena: &'a Bump,
    entry: &Entry,
    calls: &[Node<'a>],
    pairing: Pairing,
    underscores: bool,
) -> Outcome {
    let context = Context { arena, language: entry.language, underscores };
    let checked = match pairing {
        Pairing::Parallel => parallel(context, entry, calls),
        Pairing::Multiple => multiple(context, entry, calls),
        Pairing::Simple if calls.len() == 1 => {
            let first = entry.first.as_deref().or_else(|| entry.answers.first()?.as_ref());
            first.ok_or(Failure::Raise).and_then(|expected| context.one(expected, &calls[0]))
        }
        Pairing::Simple => wrong("simple_function_checker:wrong_count"),
    };
    match checked {
        Ok(()) => Outcome::Valid,
        Err(Failure::Error(error)) => Outcome::Invalid(error),
        Err(Failure::Raise) => Outcome::Raise,
    }
}

fn multiple<'a>(context: Context<'a>, entry: &Entry, calls: &[Node<'a>]) -> Checked {
    if calls.len() != entry.answers.len() {
        return wrong("multiple_function_checker:wrong_count");
    }
    let expected = entry.answers.first().and_then(Option::as_ref).ok_or(Failure::Raise)?;
    context.one(expected, &calls[0])
}

fn parallel<'a>(context: Context<'a>, entry: &Entry, calls: &[Node<'a>]) -> Checked {
    if calls.len() != entry.answers.len() {
        return wrong("parallel_function_checker_no_order:wrong_count");
    }
    let mut few = [false; 8];
    let mut many = Vec::new();
    let matched = if calls.len() <= few.len() {
        &mut few[..calls.len()]
    } else {
        many.resize(calls.len(), false);
        &mut many[..]
    };
    for expected in &entry.answers {
        let expected = expected.as_ref().ok_or(Failure::Raise)?;
        let mut found = false;
        for (call, matched) in calls.iter().zip(&mut *matched).filter(|(_, matched)| !**matched) {
            match context.one(expected, call) {
                Ok(()) => {
                    *matched = true;
                    found = true;
                    break;
                }
                Err(Failure::Error(_)) => {}
                Err(Failure::Raise) => return Err(Failure::Raise),
            }
        }
        if !found {
            return wrong("parallel_function_checker_no_order:cannot_find_match");
        }
    }
    Ok(())
}

/// The place of an argument that is no parameter.
const NOWHERE: u32 = u32::MAX;

/// What is the same for all calls of an answer.
#[derive(Clone, Copy)]
struct Context<'a> {
    arena: &'a Bump,
    language: Language,
    underscores: bool,
}

impl<'a> Context<'a> {
    /// One call against one expected call.
    fn one(self, expected: &Expected, call: &Node<'a>) -> Checked {
        if expected.raises {
            return Err(Failure::Raise);
        }
        let wanted = if self.underscores { &expected.underscored } else { &expected.name };
        let arguments = match *call {
            Node::Dict([(Node::Str(name), Node::Dict(arguments))]) if name == wanted => *arguments,
            _ => return wrong("simple_function_checker:wrong_func_name"),
        };
        let slots = &*expected.slots;
        // The place of each argument among the slots; most answers name them in the documented order.
        let mut few = [NOWHERE; 16];
        let mut many = Vec::new();
        let places = if arguments.len() <= few.len() {
            &mut few[..arguments.len()]
        } else {
            many.resize(arguments.len(), NOWHERE);
            &mut many[..]
        };
        let mut next = 0;
        let mut given = 0u64;
        for (place, (name, _)) in places.iter_mut().zip(arguments) {
            let Node::Str(name) = name else { continue };
            let is = |slot: &Slot| slot.name == name;
            let found = slots[next..].iter().position(is).map(|at| next + at);
            if let Some(at) = found.or_else(|| slots[..next].iter().position(is)) {
                *place = at as u32;
                given |= 1u64.checked_shl(at as u32).unwrap_or(0);
                next = at + 1;
            }
        }
        // Beyond the bits of the masks there are slots in no entry that exists.
        let lacks = |at: usize| !places.contains(&(at as u32));
        let far = || slots.iter().enumerate().skip(64).filter(|(at, _)| lacks(*at));
        if expected.required & !given != 0 || far().any(|(_, slot)| slot.required) {
            return wrong("simple_function_checker:missing_required");
        }
        for (&place, (_, value)) in places.iter().zip(arguments) {
            match slots.get(place as usize).filter(|slot| slot.known) {
                Some(slot) => self.argument(expected, slot, *value)?,
                None => return wrong("simple_function_checker:unexpected_param"),
            }
        }
        if expected.needed & !given == 0 && !far().any(|(_, slot)| slot.is_needed()) {
            return Ok(());
        }
        let missing = slots.iter().enumerate().filter(|(at, slot)| slot.is_needed() && lacks(*at));
        match missing.min_by_key(|(_, slot)| slot.place) {
            Some((_, first)) if first.raises => Err(Failure::Raise),
            _ => wrong("simple_function_checker:missing_optional"),
        }
    }

    fn argument(self, expected: &Expected, slot: &Slot, value: Node<'a>) -> Checked {
        let kind = slot.kind.ok_or(Failure::Raise)?;
        if self.language != Language::Python && value.kind() != Kind::Str {
            return wrong(if self.language == Language::Java { "type_error:java" } else { "type_error:js" });
        }
        let nested = match slot.nested {
            Nested::None => None,
            Nested::Some(kind) => Some(kind),
            Nested::Raise => return Err(Failure::Raise),
        };
        let value = match (value, slot.conversion) {
            (Node::Str(text), Some(conversion)) => {
                conversion.convert(self.arena, text).map_err(|_| Failure::Raise)?
            }
            (Node::Tuple(items), None) if slot.is_tuple => Node::List(items),
            (Node::Int(int), None) if slot.is_float => Node::Float(int as f64),
            (Node::Big(_), None) if slot.is_float => match value.to_value() {
                Value::Int(int) => Node::Float(int.to_f64().ok_or(Failure::Raise)?),
                _ => value,
            },
            _ => value,
        };
        if slot.raises {
            return Err(Failure::Raise);
        }
        let allowed = expected.values(slot);
        if !has_type(&value, slot, allowed, kind, nested)? {
            match (value, kind, nested) {
                (Node::Dict(dict), Kind::Dict, _) => return dictionary(dict, allowed),
                (Node::List(items), Kind::List, Some(Kind::Dict)) => return dictionaries(items, allowed),
                (Node::Str(text), Kind::Str, _) => {
                    return if expected.texts(slot).iter().any(|allowed| normalizes_to(text, allowed)) {
                        Ok(())
                    } else {
                        wrong("value_error:string")
                    };
                }
                (Node::List(items), Kind::List, _) => return list(items, allowed),
                _ => {}
            }
        }
        if allowed.iter().any(|allowed| value.equals(allowed)) { Ok(()) } else { wrong("value_error:others") }
    }
}

/// Checks the type, and says whether the value is what the benchmark calls a variable: of the type of the first allowed
/// value, which is not the documented one.
fn has_type(
    value: &Node<'_>,
    slot: &Slot,
    allowed: &[Value],
    expected: Kind,
    nested: Option<Kind>,
) -> Checked<bool> {
    let is_variable = slot.first.is_some_and(|first| first != expected);
    let mut nested_failed = false;
    if value.kind() == expected {
        let Some(nested) = nested else { return Ok(is_variable) };
        let items = match value {
            Node::List(items) => *items,
            _ => &[],
        };
        let fits = |allowed: &Value| match allowed {
            Value::List(allowed) => {
                let first = allowed.iter().find(|value| value.as_str() != Some("")).map(Value::kind);
                items.iter().all(|item| item.kind() == nested || first == Some(item.kind()))
            }
            _ => true,
        };
        if allowed.iter().any(fits) {
            return Ok(is_variable);
        }
        nested_failed = true;
    }
    if slot.first == Some(value.kind()) {
        return if nested_failed { wrong("type_error:nested") } else { Ok(true) };
    }
    wrong("type_error:simple")
}

/// Text as the checker compares it: without blanks and `,./-_*^`, in lower case, single quotes as double ones.
pub fn normalize(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let is_dropped = |c: char| matches!(c, ' ' | ',' | '.' | '/' | '-' | '_' | '*' | '^');
    if text.is_ascii() {
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes().filter(|&byte| !is_dropped(char::from(byte))) {
            out.push(if byte == b'\'' { '"' } else { char::from(byte.to_ascii_lowercase()) });
        }
        return Cow::Owned(out);
    }
    let kept: String = text.chars().filter(|&c| !is_dropped(c)).collect();
    Cow::Owned(kept.to_lowercase().replace('\'', "\""))
}

/// [`normalize`] for keeping.
pub(super) fn normal(text: &str) -> Str {
    let mut buffer = [0; 64];
    if text.len() > buffer.len() || !text.is_ascii() {
        return Str::from(normalize(text));
    }
    let mut length = 0;
    for byte in text.bytes().map(|byte| NORMAL[usize::from(byte)]) {
        buffer[length] = byte;
        length += usize::from(byte != DROPPED);
    }
    Str::from(std::str::from_utf8(&buffer[..length]).unwrap_or_default())
}

/// What becomes of an ASCII character in normalised text; [`DROPPED`] if nothing.
static NORMAL: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            b' ' | b',' | b'.' | b'/' | b'-' | b'_' | b'*' | b'^' => DROPPED,
            b'\'' => b'"',
            other => other.to_ascii_lowercase(),
        };
        byte += 1;
    }
    table
};

const DROPPED: u8 = 0xff;

/// Whether a text is another one when normalised.
fn normalizes_to(text: &str, normal: &str) -> bool {
    let mut rest = normal.as_bytes().iter();
    for &byte in text.as_bytes() {
        match NORMAL.get(usize::from(byte)) {
            Some(&DROPPED) => {}
            Some(byte) if rest.next() == Some(byte) => {}
            Some(_) => return !text.is_ascii() && normalize(text) == normal,
            None => return normalize(text) == normal,
        }
    }
    rest.next().is_none()
}

/// Whether two texts are equal when normalised.
fn equal_texts(one: &str, other: &str) -> bool {
    if !one.is_ascii() || !other.is_ascii() {
        return normalize(one) == normalize(other);
    }
    fn kept(text: &str) -> impl Iterator<Item = u8> {
        text.bytes().map(|byte| NORMAL[usize::from(byte)]).filter(|&byte| byte != DROPPED)
    }
    kept(one).eq(kept(other))
}

/// Whether two values are equal after both are normalised if they are text.
fn equal_normalized(value: &Node<'_>, other: &Value) -> bool {
    match (value, other) {
        (Node::Str(value), Value::Str(other)) => equal_texts(value, other),
        _ => value.equals(other),
    }
}

fn list(items: &[Node<'_>], allowed: &[Value]) -> Checked {
    let mut passes = false;
    for allowed in allowed {
        passes |= match allowed {
            Value::List(allowed) | Value::Tuple(allowed) => {
                allowed.len() == items.len()
                    && items.iter().zip(allowed).all(|(item, other)| equal_normalized(item, other))
            }
            Value::Str(allowed) => {
                let characters = allowed.chars().map(|c| Value::Str(c.to_string().into()));
                allowed.chars().count() == items.len()
                    && items.iter().zip(characters).all(|(item, other)| equal_normalized(item, &other))
            }
            Value::Dict(dict) if dict.is_empty() => items.is_empty(),
            _ => return Err(Failure::Raise),
        };
    }
    if passes { Ok(()) } else { wrong("value_error:list/tuple") }
}

fn dictionary(dict: Members<'_>, allowed: &[Value]) -> Checked {
    let mut error = "dict_checker:unclear";
    for allowed in allowed {
        let Value::Dict(allowed) = allowed else {
            if allowed.as_str() == Some("") {
                continue;
            }
            return Err(Failure::Raise);
        };
        let mut found = None;
        for (key, value) in dict {
            let Some(alternatives) = key.member_of(allowed) else {
                found = Some("value_error:dict_key");
                break;
            };
            if !is_alternative(value, alternatives)? {
                found = Some("value_error:dict_value");
                break;
            }
        }
        for (key, alternatives) in allowed.iter() {
            if !dict.iter().any(|(other, _)| other.equals(key)) && !may_be_missing(alternatives)? {
                found = Some("value_error:dict_key");
                break;
            }
        }
        match found {
            None => return Ok(()),
            Some(found) => error = found,
        }
    }
    wrong(error)
}

fn is_alternative(value: &Node<'_>, alternatives: &Value) -> Checked<bool> {
    match alternatives {
        Value::List(items) | Value::Tuple(items) => {
            Ok(items.iter().any(|other| equal_normalized(value, other)))
        }
        Value::Str(text) => {
            let mut characters = text.chars().map(|c| Value::Str(c.to_string().into()));
            Ok(characters.any(|other| equal_normalized(value, &other)))
        }
        Value::Dict(dict) if dict.is_empty() => Ok(false),
        _ => Err(Failure::Raise),
    }
}

/// Whether empty text is in what stands for the alternatives, by Python's `in`.
fn may_be_missing(alternatives: &Value) -> Checked<bool> {
    let is_empty_text = |value: &Value| value.as_str() == Some("");
    match alternatives {
        Value::List(items) | Value::Tuple(items) => Ok(items.iter().any(is_empty_text)),
        Value::Str(_) => Ok(true),
        Value::Dict(dict) => Ok(dict.contains_str("")),
        _ => Err(Failure::Raise),
    }
}

fn dictionaries(items: &[Node<'_>], allowed: &[Value]) -> Checked {
    let mut error = "list_dict_checker:unclear";
    for allowed in allowed {
        let length = match allowed {
            Value::List(allowed) | Value::Tuple(allowed) => allowed.len(),
            Value::Str(text) => text.chars().count(),
            Value::Dict(dict) => dict.len(),
            _ => return Err(Failure::Raise),
        };
        if length != items.len() {
            error = "value_error:list_dict_count";
            continue;
        }
        let allowed = match allowed {
            Value::List(allowed) | Value::Tuple(allowed) => allowed.as_slice(),
            _ if items.is_empty() => &[],
            _ => return Err(Failure::Raise),
        };
        let mut passes = true;
        for (item, allowed) in items.iter().zip(allowed) {
            let checked = match item {
                Node::Dict(dict) => dictionary(dict, std::slice::from_ref(allowed)),
                _ if allowed.as_str() == Some("") => wrong("dict_checker:unclear"),
                _ => Err(Failure::Raise),
            };
            match checked {
                Ok(()) => {}
                Err(Failure::Error(found)) => {
                    error = found;
                    passes = false;
                    break;
                }
                Err(Failure::Raise) => return Err(Failure::Raise),
            }
        }
        if passes {
            return Ok(());
        }
    }
    wrong(error)
}
