//! Calls against documentation and allowed values.

use std::borrow::Cow;

use super::convert::{convert_java, convert_javascript};
use super::entry::{Allowed, Answer, Entry, Function, Nested, Parameter, Slot};
use super::{Language, Outcome};
use crate::value::{Dict, Kind, Value};

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

/// Checks decoded calls, each a dictionary with one member.
pub fn check(entry: &Entry, calls: &[Value], pairing: Pairing, underscores: bool) -> Outcome {
    let checked = match pairing {
        Pairing::Parallel => parallel(entry, calls, underscores),
        Pairing::Multiple => multiple(entry, calls, underscores),
        Pairing::Simple if calls.len() == 1 => match (entry.functions.first(), entry.answers.first()) {
            (Some(function), Some(answer)) => {
                let slots = if answer.function == Some(0) { &answer.slots } else { &entry.slots };
                one(entry.language, function, &calls[0], answer, slots, underscores)
            }
            _ => Err(Failure::Raise),
        },
        Pairing::Simple => wrong("simple_function_checker:wrong_count"),
    };
    match checked {
        Ok(()) => Outcome::Valid,
        Err(Failure::Error(error)) => Outcome::Invalid(error),
        Err(Failure::Raise) => Outcome::Raise,
    }
}

fn multiple(entry: &Entry, calls: &[Value], underscores: bool) -> Checked {
    if calls.len() != entry.answers.len() {
        return wrong("multiple_function_checker:wrong_count");
    }
    let answer = entry.answers.first().ok_or(Failure::Raise)?;
    let function = answer.function.ok_or(Failure::Raise)?;
    one(entry.language, &entry.functions[function], &calls[0], answer, &answer.slots, underscores)
}

fn parallel(entry: &Entry, calls: &[Value], underscores: bool) -> Checked {
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
    for answer in &entry.answers {
        let function = &entry.functions[answer.function.ok_or(Failure::Raise)?];
        let mut found = false;
        for (call, matched) in calls.iter().zip(&mut *matched).filter(|(_, matched)| !**matched) {
            match one(entry.language, function, call, answer, &answer.slots, underscores) {
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

/// One call against one expected call.
fn one(
    language: Language,
    function: &Function,
    call: &Value,
    answer: &Answer,
    slots: &[Slot],
    underscores: bool,
) -> Checked {
    if function.required.is_none() {
        return Err(Failure::Raise);
    }
    let name = if underscores { &function.underscored } else { &function.name };
    let Some(Value::Dict(arguments)) = call.get(name) else {
        return wrong("simple_function_checker:wrong_func_name");
    };
    // The place of each argument among the slots; most answers name them in the documented order.
    let mut few = [usize::MAX; 16];
    let mut many = Vec::new();
    let places = if arguments.len() <= few.len() {
        &mut few[..arguments.len()]
    } else {
        many.resize(arguments.len(), usize::MAX);
        &mut many[..]
    };
    let mut next = 0;
    for (place, name) in places.iter_mut().zip(arguments.keys()) {
        let Some(name) = name.as_str() else { continue };
        let is = |slot: &Slot| slot.name == name;
        let found = slots[next..].iter().position(is).map(|at| next + at);
        if let Some(at) = found.or_else(|| slots[..next].iter().position(is)) {
            *place = at;
            next = at + 1;
        }
    }
    if slots.iter().enumerate().any(|(at, slot)| slot.required && !places.contains(&at)) {
        return wrong("simple_function_checker:missing_required");
    }
    for (&place, value) in places.iter().zip(arguments.values()) {
        let known = slots.get(place).and_then(|slot| {
            Some((&function.parameters[slot.parameter?].1, &answer.parameters[slot.allowed?].1))
        });
        let Some((parameter, allowed)) = known else {
            return wrong("simple_function_checker:unexpected_param");
        };
        argument(language, parameter, allowed, value)?;
    }
    let missing = |(at, slot): (usize, &Slot)| {
        let allowed = slot.allowed?;
        (!answer.parameters[allowed].1.optional && !places.contains(&at)).then_some(allowed)
    };
    match slots.iter().enumerate().filter_map(missing).min() {
        None => Ok(()),
        Some(first) if answer.parameters[first].1.raises => Err(Failure::Raise),
        Some(_) => wrong("simple_function_checker:missing_optional"),
    }
}

fn argument(language: Language, parameter: &Parameter, allowed: &Allowed, value: &Value) -> Checked {
    let expected = parameter.expected.ok_or(Failure::Raise)?;
    if language != Language::Python && value.kind() != Kind::Str {
        return wrong(if language == Language::Java { "type_error:java" } else { "type_error:js" });
    }
    let (item, nested) = match &parameter.nested {
        Nested::None => (None, None),
        Nested::Some { name, kind } => (Some(name.as_str()), Some(*kind)),
        Nested::Raise => return Err(Failure::Raise),
    };
    let mut value = Cow::Borrowed(value);
    if language != Language::Python {
        let text = value.as_str().unwrap_or_default();
        let converted = match language {
            Language::Java => convert_java(text, &parameter.kind, item),
            _ => convert_javascript(text, &parameter.kind, item),
        };
        value = Cow::Owned(converted.map_err(|_| Failure::Raise)?);
    }
    if parameter.kind == "tuple"
        && let Value::Tuple(items) = &*value
    {
        value = Cow::Owned(Value::List(items.clone()));
    }
    if language == Language::Python
        && parameter.kind == "float"
        && let Value::Int(int) = &*value
    {
        value = Cow::Owned(Value::Float(int.to_f64().ok_or(Failure::Raise)?));
    }
    if allowed.raises {
        return Err(Failure::Raise);
    }
    if !has_type(&value, allowed, expected, nested)? {
        match (&*value, expected, nested) {
            (Value::Dict(dict), Kind::Dict, _) => return dictionary(dict, &allowed.values),
            (Value::List(items), Kind::List, Some(Kind::Dict)) => {
                return dictionaries(items, &allowed.values);
            }
            (Value::Str(text), Kind::Str, _) => {
                return if normalized(text, |text| allowed.has_text(text)) {
                    Ok(())
                } else {
                    wrong("value_error:string")
                };
            }
            (Value::List(items), Kind::List, _) => return list(items, &allowed.values),
            _ => {}
        }
    }
    if allowed.values.contains(&value) { Ok(()) } else { wrong("value_error:others") }
}

/// Checks the type, and says whether the value is what the benchmark calls a variable: of the type of the first allowed
/// value, which is not the documented one.
fn has_type(value: &Value, allowed: &Allowed, expected: Kind, nested: Option<Kind>) -> Checked<bool> {
    let is_variable = allowed.first.is_some_and(|first| first != expected);
    let mut nested_failed = false;
    if value.kind() == expected {
        let Some(nested) = nested else { return Ok(is_variable) };
        let items = match value {
            Value::List(items) => items.as_slice(),
            _ => &[],
        };
        let fits = |allowed: &Value| match allowed {
            Value::List(allowed) => {
                let first = allowed.iter().find(|value| value.as_str() != Some("")).map(Value::kind);
                items.iter().all(|item| item.kind() == nested || first == Some(item.kind()))
            }
            _ => true,
        };
        if allowed.values.iter().any(fits) {
            return Ok(is_variable);
        }
        nested_failed = true;
    }
    if allowed.first == Some(value.kind()) {
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

/// Gives the bytes of the normalised text to a function; most texts need no memory for it.
fn normalized<T>(text: &str, use_it: impl FnOnce(&[u8]) -> T) -> T {
    let mut buffer = [0; 96];
    if text.len() > buffer.len() {
        return use_it(normalize(text).as_bytes());
    }
    let mut length = 0;
    for &byte in text.as_bytes() {
        let Some(&normal) = NORMAL.get(usize::from(byte)) else { return use_it(normalize(text).as_bytes()) };
        buffer[length] = normal;
        length += usize::from(normal != DROPPED);
    }
    use_it(&buffer[..length])
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
fn equal_normalized(value: &Value, other: &Value) -> bool {
    match (value, other) {
        (Value::Str(value), Value::Str(other)) => equal_texts(value, other),
        _ => value == other,
    }
}

fn list(items: &[Value], allowed: &[Value]) -> Checked {
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

fn dictionary(dict: &Dict, allowed: &[Value]) -> Checked {
    let mut error = "dict_checker:unclear";
    for allowed in allowed {
        let Value::Dict(allowed) = allowed else {
            if allowed.as_str() == Some("") {
                continue;
            }
            return Err(Failure::Raise);
        };
        let mut found = None;
        for (key, value) in dict.iter() {
            let Some(alternatives) = allowed.get(key) else {
                found = Some("value_error:dict_key");
                break;
            };
            if !is_alternative(value, alternatives)? {
                found = Some("value_error:dict_value");
                break;
            }
        }
        for (key, alternatives) in allowed.iter() {
            if !dict.contains_key(key) && !may_be_missing(alternatives)? {
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

fn is_alternative(value: &Value, alternatives: &Value) -> Checked<bool> {
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

fn dictionaries(items: &[Value], allowed: &[Value]) -> Checked {
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
                Value::Dict(dict) => dictionary(dict, std::slice::from_ref(allowed)),
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
