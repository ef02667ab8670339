//! Python objects as the simulated APIs see them: cheap to clone (shared, copied on write), exact in type, equality and printed form.

use std::ops::Deref;
use std::sync::Arc;

use num_bigint::BigInt;
use num_traits::ToPrimitive;

use super::error::{Exception, Fallible};
use crate::value::Str;

/// A string: a literal of the program, a short one, or a shared one.
#[derive(Clone, Debug)]
pub enum Text {
    /// A literal.
    Static(&'static str),
    /// One of up to [`SHORT`] bytes, which are kept in place: names, numbers and dates take no memory of their own.
    Short(Str),
    /// Any other.
    Shared(Arc<str>),
}

/// How many bytes an object has room for.
const SHORT: usize = size_of::<Str>();
// No more than its longest member: a vector of objects is what everything is made of.
const _: () = assert!(size_of::<Object>() == SHORT);

impl From<&str> for Text {
    fn from(s: &str) -> Self {
        if s.len() <= SHORT { Text::Short(Str::new(s)) } else { Text::Shared(s.into()) }
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Text::Static(s) => s,
            Text::Short(s) => s,
            Text::Shared(s) => s,
        }
    }
}

/// A dictionary in insertion order. Keys are compared as Python compares them (1, 1.0 and True are one key).
#[derive(Clone, Debug, Default)]
pub struct Dict(pub(crate) Vec<(Object, Object)>);

impl Dict {
    /// The entries in insertion order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(Object, Object)> + ExactSizeIterator {
        self.0.iter()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, key: &Object) -> Option<usize> {
        match key {
            Object::Str(k) => self.0.iter().position(|(q, _)| matches!(q, Object::Str(q) if **q == **k)),
            _ => self.0.iter().position(|(q, _)| q == key),
        }
    }

    /// The value under `key`.
    pub fn get(&self, key: &Object) -> Option<&Object> {
        self.position(key).map(|i| &self.0[i].1)
    }

    /// The value under the string `key`.
    pub fn get_str(&self, key: &str) -> Option<&Object> {
        self.0.iter().find(|(q, _)| matches!(q, Object::Str(q) if **q == *key)).map(|(_, v)| v)
    }

    /// The value under `key`, to be changed.
    pub fn get_mut(&mut self, key: &Object) -> Option<&mut Object> {
        self.position(key).map(|i| &mut self.0[i].1)
    }

    /// Sets `key` to `value`; an equal key that is there stays as it is.
    pub fn insert(&mut self, key: Object, value: Object) {
        match self.position(&key) {
            Some(i) => self.0[i].1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &Object) -> Option<Object> {
        self.position(key).map(|i| self.0.remove(i).1)
    }
}

/// A Python value.
#[derive(Clone, Debug)]
pub enum Object {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer beyond 64 bits.
    Big(Arc<BigInt>),
    /// A float.
    Float(f64),
    /// A complex number.
    Complex(f64, f64),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A string.
    Str(Text),
    /// A list.
    List(Arc<Vec<Object>>),
    /// A tuple.
    Tuple(Arc<Vec<Object>>),
    /// A dictionary.
    Dict(Arc<Dict>),
    /// A set: distinct, hashable members in no meaningful order.
    Set(Arc<Vec<Object>>),
    /// What only knows how to print itself: a number of mpmath or decimal, an ellipsis.
    Printed(Arc<str>),
}

impl From<&'static str> for Object {
    fn from(s: &'static str) -> Self {
        Object::Str(Text::Static(s))
    }
}
impl From<String> for Object {
    fn from(s: String) -> Self {
        Object::Str(Text::from(s.as_str()))
    }
}
impl From<bool> for Object {
    fn from(b: bool) -> Self {
        Object::Bool(b)
    }
}
impl From<i64> for Object {
    fn from(i: i64) -> Self {
        Object::Int(i)
    }
}
impl From<f64> for Object {
    fn from(f: f64) -> Self {
        Object::Float(f)
    }
}
impl From<BigInt> for Object {
    fn from(i: BigInt) -> Self {
        i.to_i64().map_or_else(|| Object::Big(Arc::new(i)), Object::Int)
    }
}
impl From<Vec<Object>> for Object {
    fn from(v: Vec<Object>) -> Self {
        Object::List(Arc::new(v))
    }
}
impl From<Dict> for Object {
    fn from(d: Dict) -> Self {
        Object::Dict(Arc::new(d))
    }
}

/// A dictionary with string keys, written down.
macro_rules! dict {
    ($($key:literal : $value:expr),* $(,)?) => {
        $crate::bfcl::multi_turn::object::Object::from($crate::bfcl::multi_turn::object::Dict(vec![
            $(($crate::bfcl::multi_turn::object::Object::from($key), $crate::bfcl::multi_turn::object::Object::from($value))),*
        ]))
    };
}
pub(crate) use dict;

impl Object {
    /// A string.
    pub fn str(s: &str) -> Self {
        Object::Str(Text::from(s))
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Object::Str(s) => Some(s),
            _ => None,
        }
    }

    /// Python's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Object::None => "NoneType",
            Object::Bool(_) => "bool",
            Object::Int(_) | Object::Big(_) => "int",
            Object::Float(_) => "float",
            Object::Complex(..) => "complex",
            Object::Bytes(_) => "bytes",
            Object::Str(_) => "str",
            Object::List(_) => "list",
            Object::Tuple(_) => "tuple",
            Object::Dict(_) => "dict",
            Object::Set(_) => "set",
            Object::Printed(s) if **s == *"Ellipsis" => "ellipsis",
            Object::Printed(s) if s.starts_with('D') => "Decimal",
            Object::Printed(s) if s.starts_with("mpc") => "mpc",
            Object::Printed(_) => "mpf",
        }
    }

    /// Python's truth value.
    pub fn truthy(&self) -> bool {
        match self {
            Object::None => false,
            Object::Bool(b) => *b,
            Object::Int(i) => *i != 0,
            Object::Big(_) | Object::Printed(_) => true,
            Object::Float(f) => *f != 0.0,
            Object::Complex(a, b) => *a != 0.0 || *b != 0.0,
            Object::Bytes(b) => !b.is_empty(),
            Object::Str(s) => !s.is_empty(),
            Object::List(v) | Object::Tuple(v) | Object::Set(v) => !v.is_empty(),
            Object::Dict(d) => !d.is_empty(),
        }
    }

    /// Fails as `hash` would.
    pub fn check_hashable(&self) -> Fallible<()> {
        match self {
            Object::List(_) | Object::Dict(_) | Object::Set(_) => {
                Err(Exception::type_error(format!("unhashable type: '{}'", self.type_name())))
            }
            Object::Tuple(v) => v.iter().try_for_each(Object::check_hashable),
            _ => Ok(()),
        }
    }

    /// The exact integer, if it is one (booleans count).
    pub(crate) fn integer(&self) -> Option<BigInt> {
        match self {
            Object::Bool(b) => Some(BigInt::from(*b as u8)),
            Object::Int(i) => Some(BigInt::from(*i)),
            Object::Big(b) => Some((**b).clone()),
            _ => None,
        }
    }

    /// Whether two objects print the same, inside of others; nothing where only printing tells. Printed forms are read
    /// back in one way only, so that the first difference of plain objects decides.
    pub(crate) fn prints_as(&self, other: &Object) -> Option<bool> {
        use Object::*;
        match (self, other) {
            (Str(a), Str(b)) => Some(**a == **b),
            (Bool(a), Bool(b)) => Some(a == b),
            (Int(a), Int(b)) => Some(a == b),
            // The shortest digits that read as the number; all NaNs print the same.
            (Float(a), Float(b)) => Some(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()),
            (List(a), List(b)) | (Tuple(a), Tuple(b)) if Arc::ptr_eq(a, b) => Some(true),
            (List(a), List(b)) | (Tuple(a), Tuple(b)) => {
                all_alike(a.iter().zip(b.iter()).map(|(a, b)| a.prints_as(b)), a.len() == b.len())
            }
            (Dict(a), Dict(b)) if Arc::ptr_eq(a, b) => Some(true),
            (Dict(a), Dict(b)) => {
                let members = a.iter().zip(b.iter()).map(|((k, v), (q, w))| match (k, q) {
                    (Str(k), Str(q)) if **k != **q => Some(false),
                    (Str(_), Str(_)) => v.prints_as(w),
                    // JSON writes numbers as keys like texts.
                    _ if k.prints_as(q) == Some(true) => v.prints_as(w),
                    _ => Option::None,
                });
                all_alike(members, a.len() == b.len())
            }
            (None, None) => Some(true),
            // What is not plain, or is a list in JSON.
            (Big(_) | Complex(..) | Bytes(_) | Tuple(_) | Set(_) | Printed(_), _)
            | (_, Big(_) | Complex(..) | Bytes(_) | Tuple(_) | Set(_) | Printed(_)) => Option::None,
            _ => Some(false),
        }
    }

    /// Whether there is a NaN that was not there `before`, in the same object: such a one does not equal itself in a world that went
    /// the same way, where it is another object.
    pub(crate) fn has_new_nan(&self, before: Option<&Object>) -> bool {
        let any = |now: &[Object], before: &[Object]| {
            now.iter().enumerate().any(|(i, x)| x.has_new_nan(before.get(i)))
        };
        match (self, before) {
            (Object::Str(_), _) => false,
            (Object::Float(f), _) => f.is_nan(),
            (Object::Complex(a, b), _) => a.is_nan() || b.is_nan(),
            (now, Some(before)) if now.is(before) => false,
            (Object::List(now) | Object::Tuple(now), Some(Object::List(before) | Object::Tuple(before))) => {
                any(now, before)
            }
            (Object::List(now) | Object::Tuple(now) | Object::Set(now), _) => any(now, &[]),
            (Object::Dict(now), before) => {
                let before = match before {
                    Some(Object::Dict(before)) => &before.0[..],
                    _ => &[],
                };
                now.iter().enumerate().any(|(i, (key, value))| {
                    let before = before.get(i);
                    key.has_new_nan(before.map(|(key, _)| key))
                        || value.has_new_nan(before.map(|(_, value)| value))
                })
            }
            _ => false,
        }
    }

    /// Whether two objects are one.
    pub(crate) fn is(&self, other: &Object) -> bool {
        match (self, other) {
            (Object::List(a), Object::List(b)) | (Object::Tuple(a), Object::Tuple(b)) => Arc::ptr_eq(a, b),
            (Object::Dict(a), Object::Dict(b)) => Arc::ptr_eq(a, b),
            (Object::Str(Text::Shared(a)), Object::Str(Text::Shared(b))) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Whether what is made of these parts prints the same: the first part that is not known to do so decides.
fn all_alike(mut parts: impl Iterator<Item = Option<bool>>, as_many: bool) -> Option<bool> {
    parts.find(|alike| *alike != Some(true)).unwrap_or(Some(as_many))
}

/// Compares an integer with a float exactly.
pub(crate) fn compare_integer_float(i: &BigInt, f: f64) -> Option<std::cmp::Ordering> {
    use std::cmp::Ordering;
    if f.is_nan() {
        return None;
    }
    if f.is_infinite() {
        return Some(if f > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = num_traits::FromPrimitive::from_f64(f.trunc()).unwrap_or_else(|| BigInt::from(0));
    Some(i.cmp(&whole).then_with(|| 0.0.partial_cmp(&f.fract()).unwrap_or(Ordering::Equal)))
}

fn integer_equals_float(i: i64, f: f64) -> bool {
    // Every float that is a whole number below 2^63 converts exactly.
    f.fract() == 0.0 && (-(2f64.powi(63))..2f64.powi(63)).contains(&f) && f as i64 == i
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        use Object::*;
        match (self, other) {
            (Str(a), Str(b)) => **a == **b,
            (None, None) => true,
            (Bool(a), Bool(b)) => a == b,
            (Int(a), Int(b)) => a == b,
            (Bool(a), Int(b)) | (Int(b), Bool(a)) => *a as i64 == *b,
            (Big(a), Big(b)) => a == b,
            (Float(a), Float(b)) => a == b,
            (Float(a), Int(b)) | (Int(b), Float(a)) => integer_equals_float(*b, *a),
            (Float(a), Bool(b)) | (Bool(b), Float(a)) => *a == *b as u8 as f64,
            (Float(a), Big(b)) | (Big(b), Float(a)) => {
                compare_integer_float(b, *a) == Some(std::cmp::Ordering::Equal)
            }
            (Complex(a, b), Complex(c, d)) => a == c && b == d,
            (Complex(a, b), x) | (x, Complex(a, b)) => {
                *b == 0.0 && matches!(x, Bool(_) | Int(_) | Big(_) | Float(_)) && Float(*a) == *x
            }
            (Bytes(a), Bytes(b)) => a == b,
            (List(a), List(b)) | (Tuple(a), Tuple(b)) => Arc::ptr_eq(a, b) || a == b,
            (Dict(a), Dict(b)) => Arc::ptr_eq(a, b) || **a == **b,
            (Set(a), Set(b)) => a.len() == b.len() && a.iter().all(|x| b.contains(x)),
            (Printed(a), Printed(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Dict {
    fn eq(&self, other: &Dict) -> bool {
        self.len() == other.len()
            && self.0.iter().enumerate().all(|(i, (k, v))| {
                // Most often the order is the same.
                let (q, w) = &other.0[i];
                if k == q { v == w } else { other.get(k).is_some_and(|w| v == w) }
            })
    }
}

impl From<&crate::value::Value> for Object {
    fn from(value: &crate::value::Value) -> Self {
        use crate::value::{Int, Value};
        let all = |items: &[Value]| Arc::new(items.iter().map(Object::from).collect::<Vec<_>>());
        match value {
            Value::None => Object::None,
            Value::Bool(b) => Object::Bool(*b),
            Value::Int(Int::Small(i)) => Object::Int(*i),
            Value::Int(Int::Big(i)) => Object::Big(Arc::new((**i).clone())),
            Value::Float(f) => Object::Float(*f),
            Value::Complex(a, b) => Object::Complex(*a, *b),
            Value::Bytes(b) => Object::Bytes(b[..].into()),
            Value::Str(s) if s.len() <= SHORT => Object::Str(Text::Short(s.clone())),
            Value::Str(s) => Object::str(s),
            Value::List(v) => Object::List(all(v)),
            Value::Tuple(v) => Object::Tuple(all(v)),
            Value::Set(v) => Object::Set(all(v)),
            Value::Dict(d) => {
                Object::from(Dict(d.iter().map(|(k, v)| (Object::from(k), Object::from(v))).collect()))
            }
        }
    }
}

impl From<&crate::value::Node<'_>> for Object {
    fn from(node: &crate::value::Node<'_>) -> Self {
        use crate::value::Node;
        let all = |items: &[Node<'_>]| Arc::new(items.iter().map(Object::from).collect::<Vec<_>>());
        match node {
            Node::None => Object::None,
            Node::Bool(b) => Object::Bool(*b),
            Node::Int(i) => Object::Int(*i),
            Node::Float(f) => Object::Float(*f),
            Node::Str(s) => Object::str(s),
            Node::List(v) => Object::List(all(v)),
            Node::Tuple(v) => Object::Tuple(all(v)),
            Node::Set(v) => Object::Set(all(v)),
            Node::Dict(d) => {
                Object::from(Dict(d.iter().map(|(k, v)| (Object::from(k), Object::from(v))).collect()))
            }
            Node::Big(_) | Node::Complex(..) | Node::Bytes(_) => Object::from(&node.to_value()),
        }
    }
}

impl From<&Object> for crate::value::Value {
    /// A number of another library becomes its printed form.
    fn from(object: &Object) -> Self {
        use crate::value::{Int, Value};
        let all = |items: &[Object]| items.iter().map(Value::from).collect();
        match object {
            Object::None => Value::None,
            Object::Bool(b) => Value::Bool(*b),
            Object::Int(i) => Value::Int(Int::Small(*i)),
            Object::Big(i) => Value::Int(Int::from((**i).clone())),
            Object::Float(f) => Value::Float(*f),
            Object::Complex(a, b) => Value::Complex(*a, *b),
            Object::Bytes(b) => Value::Bytes(b[..].into()),
            Object::Str(s) => Value::Str((&**s).into()),
            Object::List(v) => Value::List(all(v)),
            Object::Tuple(v) => Value::Tuple(all(v)),
            Object::Set(v) => Value::Set(all(v)),
            Object::Dict(d) => {
                let mut dict = crate::value::Dict::with_capacity(d.len());
                for (k, v) in d.iter() {
                    dict.insert(k.into(), v.into());
                }
                Value::Dict(dict)
            }
            Object::Printed(s) => Value::Str((&**s).into()),
        }
    }
}
