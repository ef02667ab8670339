//! From a model's answer to the calls that are executed.

use super::error::Fallible;
use super::object::Object;
use super::rewrite::may_change;
use super::world::{Found, Outcome, World, bind_members, find_method, outcome};
use crate::bfcl::{Arena, Format, decode_in};
use crate::value::{Members, Node, Str, Value};

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
            Call::Bound(name, arguments) => {
                let named = arguments.iter().map(|(k, v)| (k.as_str(), Object::from(v)));
                world.call(name, Vec::new(), named)
            }
        }
    }

    pub(super) fn asked<'a>(&'a self, arena: &'a Arena) -> Asked<'a> {
        match self {
            Call::Text(text) => Asked::Text(text),
            Call::Bound(name, arguments) => match find_method(name) {
                Some(found) => {
                    let member =
                        |(name, value): &'a (Str, Value)| (Node::Str(name), Node::copy_of(value, arena));
                    Asked::Bound(found, arena.alloc_slice_fill_iter(arguments.iter().map(member)))
                }
                None => Asked::Text(arena.alloc_str(&self.text())),
            },
        }
    }
}

/// A [`Call`] in an arena.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// Python text.
    Text(&'a str),
    /// A method with arguments whose Python text evaluates to themselves.
    Bound(Found, Members<'a>),
}

impl Asked<'_> {
    pub(super) fn run(&self, world: &mut World) -> Fallible<Object> {
        match *self {
            Asked::Text(text) => world.run(text),
            Asked::Bound(found, arguments) => {
                world.require(found)?;
                world.apply(found, &bind_members(found, arguments)?)
            }
        }
    }

    fn to_call(self) -> Call {
        match self {
            Asked::Text(text) => Call::Text(text.to_owned()),
            Asked::Bound(found, arguments) => {
                let bound = arguments.iter().filter_map(|(key, value)| match key {
                    Node::Str(key) => Some((Str::new(key), value.to_value())),
                    _ => None,
                });
                Call::Bound(found.method.name, bound.collect())
            }
        }
    }
}

/// The calls in an answer as text, as the official prompting decoder finds them; nothing if it fails.
pub fn decode_prompted(answer: &str) -> Option<Vec<Call>> {
    let (arena, mut calls) = (Arena::with_capacity(ROOM), Vec::new());
    decode_asked(&arena, answer, &mut calls)?;
    Some(calls.into_iter().map(Asked::to_call).collect())
}

/// [`decode_prompted`] into an arena. The calls are added to `asked`, none of them where decoding fails.
pub(super) fn decode_asked<'a>(arena: &'a Arena, answer: &'a str, asked: &mut Vec<Asked<'a>>) -> Option<()> {
    let Node::List(calls) = decode_in(arena, answer, Format::Python, false)? else { return None };
    let before = asked.len();
    for decoded in calls {
        match call(arena, decoded) {
            Some(call) => asked.push(call),
            None => {
                asked.truncate(before);
                return None;
            }
        }
    }
    Some(())
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
fn call<'a>(arena: &'a Arena, decoded: &Node<'a>) -> Option<Asked<'a>> {
    let Node::Dict([(Node::Str(name), Node::Dict(arguments))]) = *decoded else { return None };
    let is_bound = |(key, value): &(Node<'_>, Node<'_>)| {
        matches!(key, Node::Str(_)) && !matches!(value, Node::Dict(_)) && plain(value)
    };
    if let Some(found) = find_method(name)
        && arguments.iter().all(is_bound)
    {
        return Some(Asked::Bound(found, arguments));
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
    Some(Asked::Text(arena.alloc_str(&text)))
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
