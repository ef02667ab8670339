//! Calls against documentation and allowed values.

use std::borrow::Cow;

use super::convert::{convert_java, convert_javascript};
use super::entry::{Allowed, Answer, Entry, Function, Nested, Parameter};
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

/// Checks decoded calls, each a dictionary with one member.
///
/// Categories with "parallel" in their name pair every expected call, in order, with the first output left that passes;
/// those with "multiple" look the function up by the expected name; all others take the first function.
pub fn check(entry: &Entry, calls: &[Value], category: &str, underscores: bool) -> Outcome {
    let checked = if category.contains("parallel") {
        parallel(entry, calls, underscores)
    } else if category.contains("multiple") {
        multiple(entry, calls, underscores)
    } else if calls.len() == 1 {
        match (entry.functions.first(), entry.answers.first()) {
            (Some(function), Some(answer)) => one(entry.language, function, &calls[0], answer, underscores),
            _ => Err(Failure::Raise),
        }
    } else {
        wrong("simple_function_checker:wrong_count")
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
    one(entry.language, &entry.functions[function], &calls[0], answer, underscores)
}

fn parallel(entry: &Entry, calls: &[Value], underscores: bool) -> Checked {
    if calls.len() != entry.answers.len() {
        return wrong("parallel_function_checker_no_order:wrong_count");
    }
    let mut matched = vec![false; calls.len()];
    for answer in &entry.answers {
        let function = &entry.functions[answer.function.ok_or(Failure::Raise)?];
        let mut found = false;
        for (call, matched) in calls.iter().zip(&mut matched).filter(|(_, matched)| !**matched) {
            match one(entry.language, function, call, answer, underscores) {
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

fn find<'a, T>(members: &'a [(crate::value::Str, T)], name: &str) -> Option<&'a T> {
    members.iter().find(|(other, _)| other == name).map(|(_, value)| value)
}

/// One call against one expected call.
fn one(language: Language, function: &Function, call: &Value, answer: &Answer, underscores: bool) -> Checked {
    let required = function.required.as_ref().ok_or(Failure::Raise)?;
    let name = if underscores { &function.underscored } else { &function.name };
    let Some(Value::Dict(arguments)) = call.get(name) else {
        return wrong("simple_function_checker:wrong_func_name");
    };
    if required.iter().any(|name| !arguments.contains_str(name)) {
        return wrong("simple_function_checker:missing_required");
    }
    for (name, value) in arguments.iter() {
        let known = name
            .as_str()
            .and_then(|name| Some((find(&function.parameters, name)?, find(&answer.parameters, name)?)));
        let Some((parameter, allowed)) = known else {
            return wrong("simple_function_checker:unexpected_param");
        };
        argument(language, parameter, allowed, value)?;
    }
    for (name, allowed) in &answer.parameters {
        if !allowed.optional && !arguments.contains_str(name) {
            return if allowed.raises {
                Err(Failure::Raise)
            } else {
                wrong("simple_function_checker:missing_optional")
            };
        }
    }
    Ok(())
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
                return if allowed.has_text(&normalize(text)) { Ok(()) } else { wrong("value_error:string") };
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

/// Whether two values are equal after both are normalised if they are text.
fn equal_normalized(value: &Value, normalized: &str, other: &Value) -> bool {
    match (value, other) {
        (Value::Str(_), Value::Str(other)) => normalized == normalize(other),
        _ => value == other,
    }
}

fn list(items: &[Value], allowed: &[Value]) -> Checked {
    let texts: Vec<Cow<'_, str>> =
        items.iter().map(|item| item.as_str().map_or("".into(), normalize)).collect();
    let mut passes = false;
    for allowed in allowed {
        passes |= match allowed {
            Value::List(allowed) | Value::Tuple(allowed) => {
                allowed.len() == items.len()
                    && items
                        .iter()
                        .zip(&texts)
                        .zip(allowed)
                        .all(|((item, text), other)| equal_normalized(item, text, other))
            }
            Value::Str(allowed) => {
                let characters = allowed.chars().map(|c| Value::Str(c.to_string().into()));
                allowed.chars().count() == items.len()
                    && items
                        .iter()
                        .zip(&texts)
                        .zip(characters)
                        .all(|((item, text), other)| equal_normalized(item, text, &other))
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
    let normalized = value.as_str().map_or("".into(), normalize);
    match alternatives {
        Value::List(items) | Value::Tuple(items) => {
            Ok(items.iter().any(|other| equal_normalized(value, &normalized, other)))
        }
        Value::Str(text) => {
            let mut characters = text.chars().map(|c| Value::Str(c.to_string().into()));
            Ok(characters.any(|other| equal_normalized(value, &normalized, &other)))
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
