//! From the text of an answer to calls.

use std::borrow::Cow;

use super::quick::{self, Known};
use super::{Format, structured};
use crate::pyexpr::{self, Constant, Expr};
use crate::value::json;
use crate::value::text::is_space;
use crate::value::{Dict, Str, Value};

/// The calls in an answer, as the official decoder gives them: a list of `{name: {parameter: value}}`, or something
/// else where it gives something else. Nothing if it raises.
///
/// With `tagged`, the calls stand between `<TOOLCALL>` and `</TOOLCALL>`.
pub fn decode(text: &str, format: Format, tagged: bool) -> Option<Value> {
    let text = trimmed(text);
    if format == Format::Python && !tagged {
        // Most answers need no more than this.
        match quick::python::decode(text) {
            Some(Known::Value(calls)) => return Some(calls),
            Some(Known::Failure) => return None,
            None => {}
        }
    }
    let text = bracketed(text);
    let text =
        if tagged { between(&text, "<TOOLCALL>", "</TOOLCALL>")?.trim_matches(is_space) } else { &text };
    match format {
        Format::Python => {
            // Between tags no bracket is added.
            if tagged && text.starts_with('[') && text.ends_with(']') {
                match quick::python::decode(text) {
                    Some(Known::Value(calls)) => return Some(calls),
                    Some(Known::Failure) => return None,
                    None => {}
                }
            }
            decode_python(text)
        }
        Format::Json => structured::decode_json(text),
        Format::VerboseXml => structured::decode_xml(text, true),
        Format::ConciseXml => structured::decode_xml(text, false),
        #[cfg(feature = "bfcl-java-js")]
        Format::Java => super::trees::decode_java(without_ends(text)),
        #[cfg(feature = "bfcl-java-js")]
        Format::JavaScript => super::trees::decode_javascript(without_ends(text)),
        #[cfg(not(feature = "bfcl-java-js"))]
        Format::Java | Format::JavaScript => None,
    }
}

/// Text without the backticks, line ends and blanks at its ends.
pub(super) fn trimmed(text: &str) -> &str {
    let is_kept = |byte: &u8| !matches!(byte, b'`' | b'\n' | b' ');
    let bytes = text.as_bytes();
    match (bytes.iter().position(is_kept), bytes.iter().rposition(is_kept)) {
        (Some(start), Some(end)) => &text[start..=end],
        _ => "",
    }
}

/// Text with the brackets that it lacks at its ends.
pub(super) fn bracketed(text: &str) -> Cow<'_, str> {
    let (open, close) = (text.starts_with('['), text.ends_with(']'));
    if open && close {
        return Cow::Borrowed(text);
    }
    // The closing bracket is looked for after the opening one was added.
    Cow::Owned(format!("{}{text}{}", if open { "" } else { "[" }, if close { "" } else { "]" }))
}

/// What stands between the first opening tag and the first closing one after it.
pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner)
}

/// Text without its first and last character.
#[cfg(feature = "bfcl-java-js")]
fn without_ends(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.next_back();
    characters.as_str()
}

/// The calls of a model that calls natively: names with the JSON text of the arguments. Nothing if a text is no JSON.
pub fn decode_native<'a>(calls: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Value> {
    let one = |(name, arguments): (&str, &str)| Some(call(name.into(), json::parse(arguments).ok()?));
    calls.into_iter().map(one).collect::<Option<Vec<_>>>().map(Value::List)
}

/// Whether a decoded value is a list of dictionaries with one member each, which is a dictionary.
pub fn is_call_list(decoded: &Value) -> bool {
    let is_call = |item: &Value| {
        item.as_dict()
            .is_some_and(|dict| dict.len() == 1 && dict.values().all(|value| value.as_dict().is_some()))
    };
    decoded.as_list().is_some_and(|items| items.iter().all(is_call))
}

/// `{name: arguments}`.
pub(super) fn call(name: Value, arguments: Value) -> Value {
    let mut dict = Dict::with_capacity(1);
    dict.insert(name, arguments);
    Value::Dict(dict)
}

/// Decodes with the whole grammar of Python.
pub(super) fn decode_python(text: &str) -> Option<Value> {
    let text = text.trim_matches(is_space).trim_matches('\'');
    let calls = match pyexpr::parse(text).ok()? {
        Expr::Call { function, keywords, .. } => vec![resolve_call(&function, &keywords)?],
        Expr::List(items) | Expr::Tuple(items) | Expr::Set(items) => items
            .iter()
            .map(|item| match item {
                Expr::Call { function, keywords, .. } => resolve_call(function, keywords),
                _ => None,
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    Some(Value::List(calls))
}

fn resolve_call(function: &Expr, keywords: &[pyexpr::Keyword]) -> Option<Value> {
    let mut parts: Vec<&str> = Vec::new();
    let mut base = function;
    while let Expr::Attribute { value, name } = base {
        parts.push(name);
        base = value;
    }
    if let Expr::Name(name) = base {
        parts.push(name);
    }
    parts.reverse();
    let mut arguments = Dict::with_capacity(keywords.len());
    for keyword in keywords {
        let key = keyword.name.clone().map_or(Value::None, Value::Str);
        arguments.insert(key, resolve(&keyword.value)?);
    }
    Some(call(Value::from(parts.join(".")), Value::Dict(arguments)))
}

/// The value of an argument.
fn resolve(expression: &Expr) -> Option<Value> {
    let all = |items: &[Expr]| items.iter().map(resolve).collect::<Option<Vec<_>>>();
    match expression {
        Expr::Constant(Constant::Ellipsis) => Some(Value::from("...")),
        Expr::Constant(constant) => constant.value(),
        // Whatever the operator, the number changes its sign.
        Expr::Unary { operand, .. } => match &**operand {
            Expr::Constant(Constant::Bool(value)) => Some(Value::from(-i64::from(*value))),
            Expr::Constant(Constant::Int(value)) => Some(Value::Int(value.negate())),
            Expr::Constant(Constant::Float(value)) => Some(Value::Float(-value)),
            Expr::Constant(Constant::Imaginary(value)) => Some(Value::Complex(-0.0, -value)),
            _ => None,
        },
        Expr::List(items) => all(items).map(Value::List),
        Expr::Tuple(items) => all(items).map(Value::Tuple),
        Expr::Dict(members) => {
            let mut dict = Dict::with_capacity(members.len());
            for (key, value) in members {
                let key = resolve(key.as_ref()?).filter(Value::is_hashable)?;
                dict.insert(key, resolve(value)?);
            }
            Some(Value::Dict(dict))
        }
        Expr::Binary { .. } => expression.fold(),
        Expr::Name(name) => Some(Value::Str(name.clone())),
        Expr::Call { keywords, .. } if keywords.is_empty() => expression.unparse().map(Value::from),
        Expr::Call { function, keywords, .. } => resolve_call(function, keywords),
        Expr::Subscript { value, index } => {
            let (value, index) = (value.unparse()?, index.unparse()?);
            Some(Value::Str(Str::from(format!("{value}[{index}]"))))
        }
        _ => None,
    }
}
