//! From a model's answer to the calls that are executed.

use super::error::Fallible;
use super::object::Object;
use super::rewrite::may_change;
use super::world::{Outcome, World, find_method, outcome};
use crate::bfcl::{Arena, Format, decode_in};
use crate::value::{Node, Str, Value};

/// Memory that an answer needs, mostly.
pub(super) const ROOM: usize = 1 << 12;

/// A call to execute.
#[derive(Clone, Debug)]
pub enum Call {
    /// Python text.
    Text(String),
    /// A name with arguments whose Python text evaluates to themselves.
    Bound(&'static str, Vec<(Str, Value)>),
}

impl Call {
    /// The text of the call, as the official decoder gives it.
    pub fn text(&self) -> String {
        match self {
            Call::Text(text) => text.clone(),
            Call::Bound(name, arguments) => {
                let arguments: Vec<String> =
                    arguments.iter().map(|(k, v)| format!("{k}={}", v.repr())).collect();
                format!("{name}({})", arguments.join(", "))
            }
        }
    }

    /// Executes the call in a world.
    pub fn execute(&self, world: &mut World) -> Outcome {
        outcome(self.run(world))
    }

    pub(super) fn run(&self, world: &mut World) -> Fallible<Object> {
        match self {
            Call::Text(text) => world.run(text),
            Call::Bound(name, arguments) => world.call(
                name,
                Vec::new(),
                arguments.iter().map(|(k, v)| (k.as_str(), Object::from(v))).collect(),
            ),
        }
    }
}

/// The calls in an answer as text, as the official prompting decoder finds them; nothing if it fails.
pub fn decode_prompted(answer: &str) -> Option<Vec<Call>> {
    let arena = Arena::with_capacity(ROOM);
    let Node::List(calls) = decode_in(&arena, answer, Format::Python, false)? else { return None };
    calls.iter().map(call).collect()
}

/// The calls of a native answer: a list of one-key dictionaries from names to JSON text or to arguments.
pub fn decode_native(answer: &Value) -> Option<Vec<Call>> {
    let items = match answer {
        Value::List(items) => &items[..],
        one @ Value::Dict(_) => std::slice::from_ref(one),
        _ => return None,
    };
    let mut calls = Vec::new();
    for item in items {
        for (name, arguments) in item.as_dict()?.iter() {
            let parsed;
            let arguments = match arguments {
                Value::Str(text) => {
                    parsed = crate::value::json::parse(text).ok()?;
                    parsed.as_dict()?
                }
                other => other.as_dict()?,
            };
            let text: Vec<String> =
                arguments.iter().map(|(k, v)| format!("{}={}", k.to_text(), v.repr())).collect();
            calls.push(Call::Text(format!("{}({})", name.to_text(), text.join(","))));
        }
    }
    Some(calls)
}

/// The call of a decoded `{name: {parameter: value}}`.
fn call(decoded: &Node<'_>) -> Option<Call> {
    let Node::Dict([(Node::Str(name), Node::Dict(arguments))]) = decoded else { return None };
    let is_bound = |(key, value): &(Node<'_>, Node<'_>)| {
        matches!(key, Node::Str(_)) && !matches!(value, Node::Dict(_)) && plain(value)
    };
    if let Some(found) = find_method(name)
        && arguments.iter().all(is_bound)
    {
        let bound = arguments.iter().map(|(key, value)| match key {
            Node::Str(key) => (Str::new(key), value.to_value()),
            _ => (Str::default(), value.to_value()),
        });
        return Some(Call::Bound(found.method.name, bound.collect()));
    }
    let mut text = format!("{name}(");
    for (i, (key, value)) in arguments.iter().enumerate() {
        if i > 0 {
            text.push_str(", ");
        }
        text.push_str(&key.to_value().to_text());
        text.push('=');
        write_argument(&mut text, &value.to_value())?;
    }
    text.push(')');
    Some(Call::Text(text))
}

/// Whether a value is what its Python text evaluates to, also after the executor has rewritten that text.
fn plain(value: &Node<'_>) -> bool {
    match value {
        Node::None | Node::Bool(_) | Node::Int(_) | Node::Big(_) => true,
        Node::Float(f) => f.is_finite(),
        Node::Str(s) => !may_change(s),
        Node::List(items) | Node::Tuple(items) => items.iter().all(plain),
        Node::Dict(d) => d.iter().all(|(k, v)| plain(k) && plain(v)),
        Node::Complex(..) | Node::Bytes(_) | Node::Set(_) => false,
    }
}

/// A dictionary of dictionaries becomes a call again, any other loses the quotes its keys need.
fn write_argument(out: &mut String, value: &Value) -> Option<()> {
    let Value::Dict(dict) = value else {
        crate::value::text::write_repr(out, value);
        return Some(());
    };
    if dict.values().all(|v| matches!(v, Value::Dict(_))) {
        let (name, arguments) = dict.iter().next()?;
        out.push_str(&name.to_text());
        out.push('(');
        for (i, (k, v)) in arguments.as_dict()?.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            out.push_str(&k.to_text());
            out.push('=');
            write_argument(out, v)?;
        }
        out.push(')');
        return Some(());
    }
    out.push('{');
    for (i, (k, v)) in dict.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        out.push('\'');
        out.push_str(&k.to_text());
        out.push_str("': ");
        write_argument(out, v)?;
    }
    out.push('}');
    Some(())
}
