//! From a model's answer to the calls that are executed.

use super::error::Fallible;
use super::object::Object;
use super::rewrite::may_change;
use super::world::{Outcome, World, outcome};
use crate::pyexpr::{self, Constant, Expr};
use crate::value::{Dict, Int, Value};

/// A call to execute.
#[derive(Clone, Debug)]
pub enum Call {
    /// Python text.
    Text(String),
    /// A name with arguments whose Python text evaluates to themselves.
    Bound(String, Vec<(String, Value)>),
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
    let trimmed = answer.trim_matches(['`', '\n', ' ']);
    let mut source = String::with_capacity(trimmed.len() + 2);
    if !trimmed.starts_with('[') {
        source.push('[');
    }
    source.push_str(trimmed);
    if !trimmed.ends_with(']') {
        source.push(']');
    }
    let parsed = pyexpr::parse(source.trim_matches(crate::value::text::is_space).trim_matches('\'')).ok()?;
    match &parsed {
        Expr::Call { .. } => Some(vec![call(&parsed)?]),
        Expr::List(items) | Expr::Tuple(items) | Expr::Set(items) => {
            items.iter().map(|e| if matches!(e, Expr::Call { .. }) { call(e) } else { None }).collect()
        }
        _ => None,
    }
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

/// The dotted name of a call; the base is dropped where it is no name.
fn name_of(function: &Expr) -> String {
    let mut parts = Vec::new();
    let mut at = function;
    while let Expr::Attribute { value, name } = at {
        parts.push(name.as_str());
        at = value;
    }
    if let Expr::Name(name) = at {
        parts.push(name);
    }
    parts.reverse();
    parts.join(".")
}

/// A call's name and its keyword arguments; `**` has no name.
type Named = (String, Vec<(Option<String>, Value)>);

fn arguments(expression: &Expr) -> Option<Named> {
    let Expr::Call { function, keywords, .. } = expression else { return None };
    let mut found: Vec<(Option<String>, Value)> = Vec::with_capacity(keywords.len());
    for keyword in keywords {
        let name = keyword.name.as_ref().map(|n| n.to_string());
        let value = value(&keyword.value)?;
        match found.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => found.push((name, value)),
        }
    }
    Some((name_of(function), found))
}

fn call(expression: &Expr) -> Option<Call> {
    let (name, arguments) = arguments(expression)?;
    let identifier = !name.contains('.') && super::world::find_method(&name).is_some();
    if identifier && arguments.iter().all(|(k, v)| k.is_some() && !matches!(v, Value::Dict(_)) && plain(v)) {
        return Some(Call::Bound(
            name,
            arguments.into_iter().map(|(k, v)| (k.unwrap_or_default(), v)).collect(),
        ));
    }
    let mut text = name + "(";
    for (i, (key, value)) in arguments.iter().enumerate() {
        if i > 0 {
            text.push_str(", ");
        }
        text.push_str(key.as_deref().unwrap_or("None"));
        text.push('=');
        write_argument(&mut text, value)?;
    }
    text.push(')');
    Some(Call::Text(text))
}

/// Whether a value is what its Python text evaluates to, also after the executor has rewritten that text.
fn plain(value: &Value) -> bool {
    match value {
        Value::None | Value::Bool(_) | Value::Int(_) => true,
        Value::Float(f) => f.is_finite(),
        Value::Str(s) => !may_change(s),
        Value::List(items) | Value::Tuple(items) => items.iter().all(plain),
        Value::Dict(d) => d.iter().all(|(k, v)| plain(k) && plain(v)),
        Value::Complex(..) | Value::Bytes(_) | Value::Set(_) => false,
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

/// An argument as the decoder reads it; nothing where it fails.
fn value(expression: &Expr) -> Option<Value> {
    Some(match expression {
        Expr::Constant(Constant::Ellipsis) => Value::from("..."),
        Expr::Constant(c) => c.value()?,
        Expr::Name(name) => Value::Str(name.clone()),
        Expr::List(items) => Value::List(items.iter().map(value).collect::<Option<_>>()?),
        Expr::Tuple(items) => Value::Tuple(items.iter().map(value).collect::<Option<_>>()?),
        Expr::Dict(items) => {
            let mut dict = Dict::with_capacity(items.len());
            for (k, v) in items {
                let k = value(k.as_ref()?)?;
                let v = value(v)?;
                if !k.is_hashable() {
                    return None;
                }
                dict.insert(k, v);
            }
            Value::Dict(dict)
        }
        // Whatever the operator is, the constant is negated.
        Expr::Unary { operand, .. } => match &**operand {
            Expr::Constant(Constant::Int(i)) => Value::Int(i.negate()),
            Expr::Constant(Constant::Bool(b)) => Value::Int(Int::from(-i64::from(*b))),
            Expr::Constant(Constant::Float(f)) => Value::Float(-f),
            Expr::Constant(Constant::Imaginary(i)) => Value::Complex(-0.0, -i),
            _ => return None,
        },
        Expr::Binary { .. } => expression.fold()?,
        Expr::Call { keywords, .. } if keywords.is_empty() => Value::from(expression.unparse()?.as_str()),
        Expr::Call { .. } => {
            let (name, arguments) = arguments(expression)?;
            let mut inner = Dict::with_capacity(arguments.len());
            for (k, v) in arguments {
                inner.insert(k.map_or(Value::None, |k| Value::from(k.as_str())), v);
            }
            let mut outer = Dict::with_capacity(1);
            outer.insert(Value::from(name.as_str()), Value::Dict(inner));
            Value::Dict(outer)
        }
        Expr::Subscript { value, index } => {
            Value::from(format!("{}[{}]", value.unparse()?, index.unparse()?).as_str())
        }
        _ => return None,
    })
}
