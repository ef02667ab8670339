//! One argument against its documented type and its allowed values.

use std::borrow::Cow;

use super::Language;
use super::check::{Checked, Context, Failure, wrong};
use super::documented::{Documented, Nested};
use super::normal::equal_texts;
use crate::value::{Kind, Members, Node, Value};

/// Checks an argument. The official checker raises where there is nothing that could be allowed.
pub(super) fn check<'a>(
    context: Context<'a>,
    documented: &Documented,
    allowed: Option<&[Value]>,
    value: Node<'a>,
) -> Checked {
    let language = context.language;
    let kind = documented.kind.ok_or(Failure::Raise)?;
    if language != Language::Python && value.kind() != Kind::Str {
        return wrong(if language == Language::Java { "type_error:java" } else { "type_error:js" });
    }
    let nested = match documented.nested {
        Nested::None => None,
        Nested::Some(kind) => Some(kind),
        Nested::Raise => return Err(Failure::Raise),
    };
    let value = match (value, documented.conversion) {
        (Node::Str(text), Some(conversion)) => {
            conversion.convert(context.arena, text).map_err(|_| Failure::Raise)?
        }
        (Node::Tuple(items), None) if documented.is_tuple => Node::List(items),
        (Node::Int(int), None) if documented.is_float => Node::Float(int as f64),
        (Node::Big(_), None) if documented.is_float => match value.to_value() {
            Value::Int(int) => Node::Float(int.to_f64().ok_or(Failure::Raise)?),
            _ => value,
        },
        _ => value,
    };
    let allowed = allowed.ok_or(Failure::Raise)?;
    if !is_variable(&value, allowed, kind, nested)? {
        match (value, kind, nested) {
            (Node::Dict(dict), Kind::Dict, _) => return dictionary(dict, allowed),
            (Node::List(items), Kind::List, Some(Kind::Dict)) => return dictionaries(items, allowed),
            (Node::Str(text), Kind::Str, _) => {
                let is = |allowed: &Value| allowed.as_str().is_some_and(|allowed| equal_texts(text, allowed));
                return if allowed.iter().any(is) { Ok(()) } else { wrong("value_error:string") };
            }
            (Node::List(items), Kind::List, _) => return list(items, allowed),
            _ => {}
        }
    }
    if allowed.iter().any(|allowed| value.equals(allowed)) { Ok(()) } else { wrong("value_error:others") }
}

/// The allowed values of a parameter; nothing if the official checker raises. Text is walked character by character.
pub(super) fn iterated(allowed: &Value) -> Option<Cow<'_, [Value]>> {
    match allowed {
        Value::List(items) => Some(Cow::Borrowed(items)),
        Value::Str(text) => Some(text.chars().map(|c| Value::from(&*c.encode_utf8(&mut [0; 4]))).collect()),
        _ => None,
    }
}

/// The type of the first allowed value that is not empty text.
fn first_kind(allowed: &[Value]) -> Option<Kind> {
    allowed.iter().find(|value| !is_empty_text(value)).map(Value::kind)
}

/// Whether it is empty text, by which the benchmark marks what may be left out.
pub(super) fn is_empty_text(value: &Value) -> bool {
    value.as_str() == Some("")
}

/// Checks the type, and says whether the value is what the benchmark calls a variable: of the type of the first allowed
/// value, which is not the documented one.
fn is_variable(value: &Node<'_>, allowed: &[Value], expected: Kind, nested: Option<Kind>) -> Checked<bool> {
    let first = first_kind(allowed);
    let is_variable = first.is_some_and(|first| first != expected);
    let mut nested_failed = false;
    if value.kind() == expected {
        let Some(nested) = nested else { return Ok(is_variable) };
        let items = match value {
            Node::List(items) => *items,
            _ => &[],
        };
        let fits = |allowed: &Value| match allowed {
            Value::List(allowed) => {
                let first = first_kind(allowed);
                items.iter().all(|item| item.kind() == nested || first == Some(item.kind()))
            }
            _ => true,
        };
        if allowed.iter().any(fits) {
            return Ok(is_variable);
        }
        nested_failed = true;
    }
    if first == Some(value.kind()) {
        return if nested_failed { wrong("type_error:nested") } else { Ok(true) };
    }
    wrong("type_error:simple")
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
pub(super) fn may_be_missing(alternatives: &Value) -> Checked<bool> {
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
