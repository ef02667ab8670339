//! From the text of an answer to calls.

use std::borrow::Cow;

use bumpalo::Bump;

use super::quick::{self, Known};
use super::{Format, structured, xml};
use crate::pyexpr::{self, Constant, Expr};
use crate::value::json;
use crate::value::scan::length_until;
use crate::value::text::is_space;
use crate::value::{Dict, Node, Stack, Str, Value};

/// The calls in an answer, as the official decoder gives them: a list of `{name: {parameter: value}}`, or something
/// else where it gives something else. Nothing if it raises.
///
/// With `tagged`, the calls stand between `<TOOLCALL>` and `</TOOLCALL>`.
pub fn decode(text: &str, format: Format, tagged: bool) -> Option<Value> {
    decode_in(&Bump::new(), text, format, tagged).map(|decoded| decoded.to_value())
}

/// [`decode`] into an arena.
pub fn decode_in<'a>(arena: &'a Bump, text: &'a str, format: Format, tagged: bool) -> Option<Node<'a>> {
    let text = trimmed(text);
    // Brackets are added at the ends where they lack, but not within the tags.
    let text = if tagged { between(text, "<TOOLCALL>", "</TOOLCALL>")?.trim_matches(is_space) } else { text };
    match format {
        Format::Python if !tagged || text.starts_with('[') && text.ends_with(']') => {
            match quick::python::decode(arena, text) {
                // Most answers need no more than this.
                Some(Known::Value(calls)) => Some(calls),
                Some(Known::Failure) => None,
                None => Some(Node::copy_of(&decode_python(&bracketed(text))?, arena)),
            }
        }
        Format::Python => Some(Node::copy_of(&decode_python(text)?, arena)),
        Format::Json if tagged => structured::decode_json(arena, text),
        Format::Json => match bracketed(text) {
            Cow::Borrowed(text) => structured::decode_json(arena, text),
            Cow::Owned(text) => structured::decode_json(arena, arena.alloc_str(&text)),
        },
        Format::VerboseXml => xml::decode(arena, text, true),
        Format::ConciseXml => xml::decode(arena, text, false),
        #[cfg(feature = "bfcl-java-js")]
        Format::Java => super::trees::decode_java(arena, without_ends(text, tagged)),
        #[cfg(feature = "bfcl-java-js")]
        Format::JavaScript => super::trees::decode_javascript(arena, without_ends(text, tagged)),
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
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let rest = &text[find_tag(text, open)? + open.len()..];
    Some(&rest[..find_tag(rest, close)?])
}

/// Where a tag first stands. Preparing a search as the standard library does costs more than these texts are long.
pub(super) fn find_tag(text: &str, tag: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += length_until(&bytes[at..], [b'<']);
        if bytes[at..].starts_with(tag.as_bytes()) {
            return Some(at);
        }
        at += 1;
        if at > bytes.len() {
            return None;
        }
    }
}

/// Text without its first and last character, which are brackets where they were added.
#[cfg(feature = "bfcl-java-js")]
fn without_ends(text: &str, tagged: bool) -> &str {
    if tagged {
        let mut characters = text.chars();
        characters.next();
        characters.next_back();
        return characters.as_str();
    }
    let text = text.strip_prefix('[').unwrap_or(text);
    text.strip_suffix(']').unwrap_or(text)
}

/// The calls of a model that calls natively: names with the JSON text of the arguments. Nothing if a text is no JSON.
pub fn decode_native<'a>(calls: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Value> {
    decode_native_in(&Bump::new(), calls).map(|decoded| decoded.to_value())
}

/// [`decode_native`] into an arena.
pub fn decode_native_in<'a, 't: 'a>(
    arena: &'a Bump,
    calls: impl IntoIterator<Item = (&'t str, &'t str)>,
) -> Option<Node<'a>> {
    let mut list = Stack::with_capacity_in(4, arena);
    for (name, arguments) in calls {
        list.push(call_in(arena, Node::Str(name), json::read(arena, arguments).ok()?));
    }
    Some(Node::List(list.into_bump_slice()))
}

/// Whether a decoded value is a list of dictionaries with one member each, which is a dictionary.
pub fn is_call_list(decoded: &Node<'_>) -> bool {
    let Node::List(items) = decoded else { return false };
    items.iter().all(|item| matches!(item, Node::Dict([(_, Node::Dict(_))])))
}

/// `{name: arguments}` in an arena.
pub(super) fn call_in<'a>(arena: &'a Bump, name: Node<'a>, arguments: Node<'a>) -> Node<'a> {
    Node::Dict(std::slice::from_ref(arena.alloc((name, arguments))))
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
