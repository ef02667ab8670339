//! Answers in JSON, and Python literals in XML: the return formats of the format-sensitivity category.

use bumpalo::Bump;

use super::decode::call_in;
use super::quick::{self, Known};
use crate::pyexpr::{self, Binary, Constant, Expr, Unary};
use crate::value::json::{self, JsonError};
use crate::value::text::is_space;
use crate::value::{Dict, Node, Stack, Value};

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
pub(super) fn decode_json<'a>(arena: &'a Bump, text: &'a str) -> Option<Node<'a>> {
    let text = match text.find('[') {
        Some(open) => match text[open..].rfind(']') {
            Some(close) => &text[open..=open + close],
            None => text,
        },
        None => text,
    };
    let text = objects(text).unwrap_or(text);
    let items = match json::read(arena, text) {
        Ok(Node::List(items)) => items,
        // Iterating text or an object gives no dictionaries.
        Ok(Node::Str(_) | Node::Dict(_)) | Err(JsonError::Syntax { .. }) => return Some(Node::List(&[])),
        Ok(_) | Err(_) => return None,
    };
    let mut calls = Stack::new_in(arena);
    for item in items {
        if let Node::Dict(members) = item {
            let member = |name: &str| {
                let is = |(key, _): &&(Node<'a>, Node<'a>)| matches!(key, Node::Str(key) if *key == name);
                members.iter().find(is).map(|(_, value)| *value)
            };
            let name = member("function").filter(Node::is_hashable)?;
            calls.push(call_in(arena, name, member("parameters")?));
        }
    }
    Some(Node::List(calls.into_bump_slice()))
}

/// The value of a Python literal; nothing if it is none.
pub(super) fn literal_in<'a>(arena: &'a Bump, text: &'a str) -> Option<Node<'a>> {
    let text = text.trim_start_matches([' ', '\t']);
    match quick::python::literal(arena, text) {
        Some(Known::Value(value)) => Some(value),
        Some(Known::Failure) => None,
        None => Some(Node::copy_of(&literal_by_grammar(text)?, arena)),
    }
}

/// [`literal_in`] by the whole grammar.
pub(super) fn literal_by_grammar(text: &str) -> Option<Value> {
    literal(&pyexpr::parse(text.trim_start_matches([' ', '\t'])).ok()?)
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
