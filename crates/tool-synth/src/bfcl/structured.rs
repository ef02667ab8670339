//! Answers in JSON and XML, the return formats of the format-sensitivity category.

use super::decode::{between, call};
use super::xml::{self, Element};
use crate::pyexpr::{self, Binary, Constant, Expr, Unary};
use crate::value::json::{self, JsonError};
use crate::value::text::{is_space, parse_float, parse_int};
use crate::value::{Dict, Value};

/// The first list of objects in brackets: what the pattern `\[\s*\{.*?\}\s*(?:,\s*\{.*?\}\s*)*\]` finds. Whatever stands between, the match
/// ends with the first bracket that follows a brace.
fn objects(text: &str) -> Option<&str> {
    let mut places = text.match_indices('[').map(|(at, _)| at);
    let start = places.find(|at| text[at + 1..].trim_start_matches(is_space).starts_with('{'))?;
    let ends = text[start..].match_indices('}').map(|(at, _)| start + at + 1);
    let close = |end: usize| text[end..].trim_start_matches(is_space).strip_prefix(']');
    let rest = ends.into_iter().find_map(close)?;
    Some(&text[start..text.len() - rest.len()])
}

/// Calls as a JSON list of `{"function": …, "parameters": …}`.
pub(super) fn decode_json(text: &str) -> Option<Value> {
    let text = match text.find('[') {
        Some(open) => match text[open..].rfind(']') {
            Some(close) => &text[open..=open + close],
            None => text,
        },
        None => text,
    };
    let text = objects(text).unwrap_or(text);
    let value = match json::parse(text) {
        Ok(value) => value,
        Err(JsonError::Syntax { .. }) => return Some(Value::List(Vec::new())),
        Err(_) => return None,
    };
    let items = match value {
        Value::List(items) => items,
        // Iterating text or an object gives no dictionaries.
        Value::Str(_) | Value::Dict(_) => return Some(Value::List(Vec::new())),
        _ => return None,
    };
    let mut calls = Vec::new();
    for item in items {
        if let Value::Dict(dict) = item {
            let name = dict
                .get_str("function")
                .filter(|name| name.is_hashable() && dict.contains_str("parameters"))?;
            calls.push(call(name.clone(), dict.get_str("parameters")?.clone()));
        }
    }
    Some(Value::List(calls))
}

/// Calls as XML; `verbose` if values are attributes.
pub(super) fn decode_xml(text: &str, verbose: bool) -> Option<Value> {
    let inner = between(text, "<functions>", "</functions>")?;
    let root = xml::parse(&format!("<functions>{inner}</functions>"))?;
    let mut calls = Vec::new();
    for function in root.children("function") {
        let name = function.attribute("name")?;
        let container =
            if verbose { function.children("params").next().unwrap_or(function) } else { function };
        let mut arguments = Dict::new();
        for parameter in container.children("param") {
            let name = parameter.attribute("name");
            if name.is_none() && !verbose {
                return None;
            }
            let value = if verbose { parameter.attribute("value").unwrap_or("") } else { text_of(parameter) };
            let value = typed(value, parameter.attribute("type").unwrap_or("string"))?;
            arguments.insert(name.map_or(Value::None, Value::from), value);
        }
        calls.push(call(Value::from(name), Value::Dict(arguments)));
    }
    Some(Value::List(calls))
}

fn text_of(element: &Element) -> &str {
    element.text.trim_matches(is_space)
}

fn typed(text: &str, kind: &str) -> Option<Value> {
    Some(match kind {
        "integer" => Value::Int(parse_int(text)?),
        "float" => Value::Float(parse_float(text)?),
        "boolean" => Value::Bool(text.to_lowercase() == "true"),
        "null" => Value::None,
        "array" | "tuple" | "object" | "dict" => {
            literal(&pyexpr::parse(text.trim_start_matches([' ', '\t'])).ok()?)?
        }
        _ => Value::from(text),
    })
}

/// Python's `ast.literal_eval`.
fn literal(expression: &Expr) -> Option<Value> {
    let all = |items: &[Expr]| items.iter().map(literal).collect::<Option<Vec<_>>>();
    match expression {
        Expr::Constant(constant) => constant.value(),
        Expr::List(items) => all(items).map(Value::List),
        Expr::Tuple(items) => all(items).map(Value::Tuple),
        Expr::Set(items) => {
            let mut members: Vec<Value> = Vec::new();
            for item in all(items)? {
                if !item.is_hashable() {
                    return None;
                }
                if !members.contains(&item) {
                    members.push(item);
                }
            }
            Some(Value::Set(members))
        }
        Expr::Call { function, arguments, keywords } if arguments.is_empty() && keywords.is_empty() => {
            (**function == Expr::Name("set".into())).then(|| Value::Set(Vec::new()))
        }
        Expr::Dict(members) => {
            let mut dict = Dict::new();
            for (key, value) in members {
                dict.insert(literal(key.as_ref()?).filter(Value::is_hashable)?, literal(value)?);
            }
            Some(Value::Dict(dict))
        }
        Expr::Unary { .. } => signed(expression),
        Expr::Binary { operator: Binary::Add | Binary::Subtract, left, right } => {
            let real = signed(left).filter(|value| !matches!(value, Value::Complex(..)));
            (real.is_some() && matches!(**right, Expr::Constant(Constant::Imaginary(_))))
                .then(|| expression.fold())?
        }
        _ => None,
    }
}

fn signed(expression: &Expr) -> Option<Value> {
    let is_number = |expression: &Expr| {
        matches!(expression, Expr::Constant(Constant::Int(_) | Constant::Float(_) | Constant::Imaginary(_)))
    };
    match expression {
        Expr::Unary { operator: Unary::Plus | Unary::Minus, operand } if is_number(operand) => {
            expression.fold()
        }
        other if is_number(other) => other.fold(),
        _ => None,
    }
}
