//! Values that own nothing: what an answer says, in memory that is given back all at once.

use bumpalo::Bump;
/// A growing list in an arena.
pub(crate) use bumpalo::collections::Vec as Stack;

use super::{Dict, Int, Kind, Str, Value};

/// From how many members on equal keys are looked for by their hashes.
const MANY: usize = 32;

/// A Python value whose text lies in its source or in an arena, and whose members lie in the arena.
///
/// Copying one copies a few words, dropping one does nothing. Keys of a dictionary are hashable and differ.
#[derive(Clone, Copy, Debug, Default)]
pub enum Node<'a> {
    /// `None`.
    #[default]
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer of more than 64 bits, as its decimal digits with the sign if it is below zero.
    Big(&'a str),
    /// A float.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// A byte string.
    Bytes(&'a [u8]),
    /// Text.
    Str(&'a str),
    /// A list.
    List(&'a [Node<'a>]),
    /// A tuple.
    Tuple(&'a [Node<'a>]),
    /// A dictionary, in the order of insertion.
    Dict(&'a [(Node<'a>, Node<'a>)]),
    /// A set, in the order of insertion.
    Set(&'a [Node<'a>]),
}

impl<'a> Node<'a> {
    /// An integer from decimal digits, with a sign or without.
    pub(crate) fn from_digits(arena: &'a Bump, digits: &str) -> Option<Self> {
        match digits.parse().ok()? {
            Int::Small(value) => Some(Self::Int(value)),
            big => Some(Self::Big(arena.alloc_str(&big.to_string()))),
        }
    }

    /// The integer with the other sign, or the number.
    pub(crate) fn negated(self, arena: &'a Bump) -> Self {
        match self {
            Self::Bool(value) => Self::Int(-i64::from(value)),
            Self::Int(value) => match value.checked_neg() {
                Some(value) => Self::Int(value),
                None => Self::Big("9223372036854775808"),
            },
            Self::Big(digits) => {
                let negated = digits.strip_prefix('-').map_or_else(|| format!("-{digits}"), str::to_owned);
                Self::from_digits(arena, &negated).unwrap_or_default()
            }
            Self::Float(value) => Self::Float(-value),
            Self::Complex(real, imaginary) => Self::Complex(-real, -imaginary),
            other => other,
        }
    }

    /// The value in an arena, its texts with it.
    pub(crate) fn copy_of(value: &Value, arena: &'a Bump) -> Self {
        let items = |items: &[Value]| {
            &*arena.alloc_slice_fill_iter(items.iter().map(|item| Self::copy_of(item, arena)))
        };
        match value {
            Value::None => Self::None,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(Int::Small(value)) => Self::Int(*value),
            Value::Int(big) => Self::Big(arena.alloc_str(&big.to_string())),
            Value::Float(value) => Self::Float(*value),
            Value::Complex(real, imaginary) => Self::Complex(*real, *imaginary),
            Value::Bytes(bytes) => Self::Bytes(arena.alloc_slice_copy(bytes)),
            Value::Str(text) => Self::Str(arena.alloc_str(text)),
            Value::List(list) => Self::List(items(list)),
            Value::Tuple(list) => Self::Tuple(items(list)),
            Value::Set(list) => Self::Set(items(list)),
            Value::Dict(dict) => {
                let members = dict.iter().map(|(k, v)| (Self::copy_of(k, arena), Self::copy_of(v, arena)));
                Self::Dict(arena.alloc_slice_fill_iter(members))
            }
        }
    }

    /// The value as one that owns its members.
    pub fn to_value(&self) -> Value {
        let items = |items: &[Self]| items.iter().map(Self::to_value).collect();
        match *self {
            Self::None => Value::None,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(Int::Small(value)),
            Self::Big(digits) => Value::Int(big(digits)),
            Self::Float(value) => Value::Float(value),
            Self::Complex(real, imaginary) => Value::Complex(real, imaginary),
            Self::Bytes(bytes) => Value::Bytes(bytes.into()),
            Self::Str(text) => Value::Str(Str::new(text)),
            Self::List(list) => Value::List(items(list)),
            Self::Tuple(list) => Value::Tuple(items(list)),
            Self::Set(list) => Value::Set(items(list)),
            Self::Dict(members) => {
                Value::Dict(Dict::from_distinct(members.iter().map(|(k, v)| (k.to_value(), v.to_value()))))
            }
        }
    }

    /// The exact type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Big(_) => Kind::Int,
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

    /// Whether it can be a key of a dictionary.
    pub(crate) fn is_hashable(&self) -> bool {
        match self {
            Self::List(_) | Self::Dict(_) | Self::Set(_) => false,
            Self::Tuple(items) => items.iter().all(Self::is_hashable),
            _ => true,
        }
    }

    /// Python's equality with a value.
    pub(crate) fn equals(&self, value: &Value) -> bool {
        let lists = |a: &[Self], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b));
        match (self, value) {
            (Self::Str(a), Value::Str(b)) => a == b,
            (Self::Int(a), Value::Int(Int::Small(b))) => a == b,
            (Self::Float(a), Value::Float(b)) => a == b,
            (Self::None, Value::None) => true,
            (Self::Bytes(a), Value::Bytes(b)) => **a == **b,
            (Self::List(a), Value::List(b)) | (Self::Tuple(a), Value::Tuple(b)) => lists(a, b),
            (Self::Dict(a), Value::Dict(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(key, value)| key.member_of(b).is_some_and(|other| value.equals(other)))
            }
            (Self::Set(a), Value::Set(b)) => {
                a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| a.equals(b)))
            }
            (
                Self::Bool(_) | Self::Int(_) | Self::Big(_) | Self::Float(_) | Self::Complex(..),
                Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Complex(..),
            ) => self.to_value() == *value,
            _ => false,
        }
    }

    /// The value that a dictionary has under this key.
    pub(crate) fn member_of<'d>(&self, dict: &'d Dict) -> Option<&'d Value> {
        match self {
            Self::Str(key) => dict.get_str(key),
            key => dict.get(&key.to_value()),
        }
    }

    /// Python's equality of two keys.
    fn is_key(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Str(_), _) | (_, Self::Str(_)) => false,
            (a, b) => a.equals(&b.to_value()),
        }
    }
}

fn big(digits: &str) -> Int {
    digits.parse().unwrap_or(Int::Small(0))
}

/// Two texts as one.
pub(crate) fn concatenate<'a>(arena: &'a Bump, one: &str, other: &str) -> &'a str {
    let mut text = bumpalo::collections::String::with_capacity_in(one.len() + other.len(), arena);
    text.push_str(one);
    text.push_str(other);
    text.into_bump_str()
}

/// The members of a dictionary.
pub(crate) type Members<'a> = &'a [(Node<'a>, Node<'a>)];

/// Puts the members from `start` on into a dictionary and takes them off the stack. Of equal keys the first stays, at its place,
/// with the last value.
pub(crate) fn dictionary<'a>(
    arena: &'a Bump,
    stack: &mut Stack<'a, (Node<'a>, Node<'a>)>,
    start: usize,
) -> Members<'a> {
    let members = &stack[start..];
    let distinct = if members.len() > MANY {
        let dict: Dict = members.iter().map(|(key, _)| (key.to_value(), Value::None)).collect();
        dict.len() == members.len()
    } else {
        members
            .iter()
            .enumerate()
            .all(|(at, (key, _))| !members[..at].iter().any(|(other, _)| key.is_key(other)))
    };
    if !distinct {
        let mut places = Dict::new();
        let mut end = start;
        for at in start..stack.len() {
            let (key, value) = stack[at];
            let owned = key.to_value();
            if let Some(place) = places.get(&owned).and_then(Value::as_int).and_then(Int::as_i64) {
                stack[place as usize].1 = value;
            } else {
                places.insert(owned, Value::from(end as i64));
                stack[end] = (key, value);
                end += 1;
            }
        }
        stack.truncate(end);
    }
    let members = arena.alloc_slice_copy(&stack[start..]);
    stack.truncate(start);
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_the_first_stays_with_the_last_value() {
        let arena = Bump::new();
        for filler in [0, 100] {
            let mut stack = Stack::new_in(&arena);
            stack.push((Node::None, Node::None));
            for i in 0..filler {
                stack.push((Node::Str(arena.alloc_str(&format!("k{i}"))), Node::None));
            }
            for (key, value) in
                [(Node::Int(1), "a"), (Node::Str("1"), "b"), (Node::Bool(true), "c"), (Node::Float(1.0), "d")]
            {
                stack.push((key, Node::Str(value)));
            }
            let dict = dictionary(&arena, &mut stack, 1);
            assert_eq!((stack.len(), dict.len()), (1, filler + 2));
            let value = Node::Dict(dict).to_value();
            assert_eq!(value.as_dict().unwrap().get(&Value::from(1)), Some(&Value::from("d")));
            assert!(value.as_dict().unwrap().keys().any(|key| key.same(&Value::from(1))));
        }
    }

    #[test]
    fn nodes_equal_values_as_values_do() {
        let arena = Bump::new();
        let big = Value::Int("9223372036854775808".parse().unwrap());
        let values = [
            Value::None,
            Value::from(true),
            Value::from(1),
            Value::from(1.0),
            Value::Complex(1.0, 0.0),
            big.clone(),
            Value::from(9_223_372_036_854_775_808.0),
            Value::from("1"),
            Value::Bytes((*b"1").into()),
            Value::List(vec![Value::from(1), Value::from("a")]),
            Value::Tuple(vec![Value::from(1.0), Value::from("a")]),
            Value::Set(vec![Value::from(1), Value::from(2)]),
            Value::Set(vec![Value::from(2.0), Value::from(true)]),
            Value::Dict(
                [(Value::from("a"), Value::from(1)), (Value::from(1), Value::None)].into_iter().collect(),
            ),
            Value::Dict(
                [(Value::from(true), Value::None), (Value::from("a"), Value::from(1.0))]
                    .into_iter()
                    .collect(),
            ),
        ];
        for a in &values {
            let node = Node::copy_of(a, &arena);
            assert!(node.to_value().same(a) && node.kind() == a.kind());
            for b in &values {
                assert_eq!(node.equals(b), a == b, "{a:?} {b:?}");
            }
        }
        let min = Node::Int(i64::MIN).negated(&arena);
        assert!(min.equals(&big) && matches!(min.negated(&arena), Node::Int(i64::MIN)));
    }
}
