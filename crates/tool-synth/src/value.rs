//! Python's values: what a call's arguments are after decoding, and when two of them are equal.
//!
//! A benchmark whose checker is written in Python depends on Python's notion of a value: `True == 1 == 1.0`, integers
//! have no bound and compare exactly with floats, a list is no tuple, `nan` differs from itself, and `1`, `1.0` and
//! `True` are one key of a dictionary. [`Value`] keeps all of that; `==` is Python's `==`.
//!
//! ```
//! use tool_synth::Value;
//! assert_eq!(Value::from(true), Value::from(1.0));
//! assert_ne!(Value::from(9_007_199_254_740_993i64), Value::from(9_007_199_254_740_992.0));
//! assert!(!Value::from(true).same(&Value::from(1.0)));
//! assert_eq!(Value::from("it's").repr(), "\"it's\"");
//! ```

mod dict;
mod encode;
mod int;
pub mod json;
mod node;
pub(crate) mod scan;
mod tables;
pub mod text;

use std::fmt;

pub use dict::Dict;
pub use int::Int;
pub use node::Node;
pub(crate) use node::{Members, Stack, concatenate, dictionary};

/// Text. Up to 24 bytes live in the value itself.
pub type Str = compact_str::CompactString;

/// A Python value. `==` is Python's equality; see [`same`](Self::same) for the exact one.
#[derive(Clone, Default)]
pub enum Value {
    /// `None`.
    #[default]
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of any length.
    Int(Int),
    /// A float.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// A byte string.
    Bytes(Box<[u8]>),
    /// Text.
    Str(Str),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dictionary.
    Dict(Dict),
    /// A set, in the order of insertion.
    Set(Vec<Value>),
}

/// The type of a [`Value`], exactly: a Boolean is no integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    None,
    Bool,
    Int,
    Float,
    Complex,
    Bytes,
    Str,
    List,
    Tuple,
    Dict,
    Set,
}

impl Kind {
    /// The type's name in Python.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Complex => "complex",
            Self::Bytes => "bytes",
            Self::Str => "str",
            Self::List => "list",
            Self::Tuple => "tuple",
            Self::Dict => "dict",
            Self::Set => "set",
        }
    }
}

impl Value {
    /// The exact type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Float(_) => Kind::Float,
            Self::Complex(..) => Kind::Complex,
            Self::Bytes(_) => Kind::Bytes,
            Self::Str(_) => Kind::Str,
            Self::List(_) => Kind::List,
            Self::Tuple(_) => Kind::Tuple,
            Self::Dict(_) => Kind::Dict,
            Self::Set(_) => Kind::Set,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// The integer, if it is one (and no Boolean).
    pub fn as_int(&self) -> Option<&Int> {
        if let Self::Int(int) = self { Some(int) } else { None }
    }

    /// The members of a list; nothing for a tuple.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The dictionary, if it is one.
    pub fn as_dict(&self) -> Option<&Dict> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }

    /// The member of a dictionary under a text key; nothing if there is none or if this is no dictionary.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_dict()?.get_str(key)
    }

    /// Whether it can be a key of a dictionary.
    pub fn is_hashable(&self) -> bool {
        match self {
            Self::List(_) | Self::Dict(_) | Self::Set(_) => false,
            Self::Tuple(items) => items.iter().all(Self::is_hashable),
            _ => true,
        }
    }

    /// Python's truth: false for `None`, zero and what is empty.
    pub fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(value) => *value,
            Self::Int(value) => !value.is_zero(),
            Self::Float(value) => *value != 0.0,
            Self::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Self::Bytes(bytes) => !bytes.is_empty(),
            Self::Str(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::Set(items) => !items.is_empty(),
            Self::Dict(dict) => !dict.is_empty(),
        }
    }

    /// Whether both are one value of one type: members in the same order, floats by their bits (any two `nan` are one).
    pub fn same(&self, other: &Self) -> bool {
        let floats = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let lists = |a: &[Self], b: &[Self]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b));
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => floats(*a, *b),
            (Self::Complex(a, b), Self::Complex(c, d)) => floats(*a, *c) && floats(*b, *d),
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => lists(a, b),
            (Self::Set(a), Self::Set(b)) => {
                a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| a.same(b)))
            }
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|((k, v), (l, w))| k.same(l) && v.same(w))
            }
            _ => false,
        }
    }

    /// Python's `repr`.
    pub fn repr(&self) -> String {
        let mut out = String::new();
        text::write_repr(&mut out, self);
        out
    }

    /// Python's `str`: text as it is, everything else as [`repr`](Self::repr).
    pub fn to_text(&self) -> String {
        if let Self::Str(text) = self { text.to_string() } else { self.repr() }
    }
}

/// A number as Python compares it.
enum Number<'a> {
    Int(&'a Int),
    Float(f64),
    Complex(f64, f64),
}

const ZERO: Int = Int::Small(0);
const ONE: Int = Int::Small(1);

fn number(value: &Value) -> Option<Number<'_>> {
    Some(match value {
        Value::Bool(false) => Number::Int(&ZERO),
        Value::Bool(true) => Number::Int(&ONE),
        Value::Int(int) => Number::Int(int),
        Value::Float(float) => Number::Float(*float),
        Value::Complex(real, imaginary) => Number::Complex(*real, *imaginary),
        _ => return None,
    })
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::None, Self::None) => true,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => a == b,
            (Self::Set(a), Self::Set(b)) => a.len() == b.len() && a.iter().all(|a| b.contains(a)),
            _ => match (number(self), number(other)) {
                (Some(Number::Int(a)), Some(Number::Int(b))) => a == b,
                (Some(Number::Float(a)), Some(Number::Float(b))) => a == b,
                (Some(Number::Int(a)), Some(Number::Float(b)))
                | (Some(Number::Float(b)), Some(Number::Int(a))) => a.equals_float(b),
                (Some(Number::Complex(a, b)), Some(Number::Complex(c, d))) => a == c && b == d,
                (Some(Number::Complex(a, b)), Some(Number::Float(c)))
                | (Some(Number::Float(c)), Some(Number::Complex(a, b))) => a == c && b == 0.0,
                (Some(Number::Complex(a, b)), Some(Number::Int(c)))
                | (Some(Number::Int(c)), Some(Number::Complex(a, b))) => c.equals_float(a) && b == 0.0,
                _ => false,
            },
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr())
    }
}

/// Python's `str`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => f.write_str(text),
            _ => f.write_str(&self.repr()),
        }
    }
}

macro_rules! from {
    ($($source:ty => $name:ident => $make:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($name: $source) -> Self {
                $make
            }
        }
    )*};
}

from! {
    bool => value => Self::Bool(value);
    i64 => value => Self::Int(value.into());
    i32 => value => Self::Int(i64::from(value).into());
    f64 => value => Self::Float(value);
    num_bigint::BigInt => value => Self::Int(value.into());
    Int => value => Self::Int(value);
    &str => value => Self::Str(value.into());
    String => value => Self::Str(value.into());
    Str => value => Self::Str(value);
    Vec<Value> => value => Self::List(value);
    Dict => value => Self::Dict(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(digits: &str) -> Value {
        Value::Int(digits.parse().unwrap())
    }

    #[test]
    fn numbers_compare_by_their_exact_values() {
        assert_eq!(Value::from(true), Value::from(1));
        assert_eq!(Value::from(0), Value::from(-0.0));
        assert_ne!(Value::from(i64::MAX), Value::from(i64::MAX as f64));
        assert_eq!(big("9223372036854775808"), Value::from(9_223_372_036_854_775_808.0));
        assert_ne!(big("9223372036854775809"), Value::from(9_223_372_036_854_775_808.0));
        assert_ne!(Value::from(f64::NAN), Value::from(f64::NAN));
        assert_eq!(Value::Complex(1.0, 0.0), Value::from(true));
        assert_ne!(Value::from(1), Value::from("1"));
        assert_ne!(Value::from(f64::INFINITY), big(&"9".repeat(400)));
    }

    #[test]
    fn lists_are_no_tuples_and_dictionaries_have_no_order() {
        let items = vec![Value::from(1), Value::from("a")];
        assert_ne!(Value::List(items.clone()), Value::Tuple(items));
        let pairs = |order: [usize; 2]| {
            let pairs = [("a", 1), ("b", 2)];
            Value::Dict(
                order.map(|i| (Value::from(pairs[i].0), Value::from(pairs[i].1))).into_iter().collect(),
            )
        };
        assert_eq!(pairs([0, 1]), pairs([1, 0]));
        assert!(!pairs([0, 1]).same(&pairs([1, 0])));
    }
}
