//! Python's operators on objects, with the exceptions and their texts.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive};

use super::error::{Exception, Fallible, Kind};
use super::object::{Dict, Object, compare_integer_float};

/// An ordering operator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Lt,
    Le,
    Gt,
    Ge,
}

impl Order {
    fn holds(self, o: Ordering) -> bool {
        match self {
            Order::Lt => o.is_lt(),
            Order::Le => o.is_le(),
            Order::Gt => o.is_gt(),
            Order::Ge => o.is_ge(),
        }
    }
    fn symbol(self) -> &'static str {
        match self {
            Order::Lt => "<",
            Order::Le => "<=",
            Order::Gt => ">",
            Order::Ge => ">=",
        }
    }
}

fn number_order(a: &Object, b: &Object) -> Option<Option<Ordering>> {
    use Object::*;
    Some(match (a, b) {
        (Int(a), Int(b)) => Some(a.cmp(b)),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (Float(f), x) => compare_integer_float(&x.integer()?, *f).map(Ordering::reverse),
        (x, Float(f)) => compare_integer_float(&x.integer()?, *f),
        _ => Some(a.integer()?.cmp(&b.integer()?)),
    })
}

/// `a < b` and its kin.
pub(crate) fn order(a: &Object, b: &Object, op: Order) -> Fallible<bool> {
    use Object::*;
    if let Some(o) = number_order(a, b) {
        return Ok(o.is_some_and(|o| op.holds(o)));
    }
    match (a, b) {
        (Str(a), Str(b)) => Ok(op.holds((**a).cmp(&**b))),
        (Bytes(a), Bytes(b)) => Ok(op.holds(a.cmp(b))),
        (List(a), List(b)) | (Tuple(a), Tuple(b)) => match a.iter().zip(b.iter()).find(|(x, y)| x != y) {
            Some((x, y)) => order(x, y, op),
            Option::None => Ok(op.holds(a.len().cmp(&b.len()))),
        },
        (Set(a), Set(b)) => {
            let below = a.iter().all(|x| b.contains(x));
            let above = b.iter().all(|x| a.contains(x));
            Ok(match op {
                Order::Lt => below && !above,
                Order::Le => below,
                Order::Gt => above && !below,
                Order::Ge => above,
            })
        }
        _ => Err(Exception::type_error(format!(
            "'{}' not supported between instances of '{}' and '{}'",
            op.symbol(),
            a.type_name(),
            b.type_name()
        ))),
    }
}

pub(crate) fn lt(a: &Object, b: &Object) -> Fallible<bool> {
    order(a, b, Order::Lt)
}
pub(crate) fn gt(a: &Object, b: &Object) -> Fallible<bool> {
    order(a, b, Order::Gt)
}

pub(super) fn unsupported_operands(op: &str, a: &Object, b: &Object) -> Exception {
    Exception::type_error(format!(
        "unsupported operand type(s) for {op}: '{}' and '{}'",
        a.type_name(),
        b.type_name()
    ))
}

fn too_large() -> Exception {
    Exception::new(Kind::Overflow, "int too large to convert to float")
}

pub(super) fn big_to_float(i: &BigInt) -> Fallible<f64> {
    crate::value::Int::from(i.clone()).to_f64().ok_or_else(too_large)
}

/// A real number as a float; nothing if the object is not one.
fn real(x: &Object) -> Option<Fallible<f64>> {
    Some(match x {
        Object::Bool(b) => Ok(*b as u8 as f64),
        Object::Int(i) => Ok(*i as f64),
        Object::Big(i) => big_to_float(i),
        Object::Float(f) => Ok(*f),
        _ => return None,
    })
}

fn complex(x: &Object) -> Option<Fallible<(f64, f64)>> {
    match x {
        Object::Complex(a, b) => Some(Ok((*a, *b))),
        _ => Some(real(x)?.map(|f| (f, 0.0))),
    }
}

pub(super) enum Pair {
    Ints(BigInt, BigInt),
    Floats(f64, f64),
    Complexes((f64, f64), (f64, f64)),
}

/// Both operands in the narrowest common kind of number.
pub(super) fn numbers(a: &Object, b: &Object) -> Option<Fallible<Pair>> {
    if let (Some(x), Some(y)) = (a.integer(), b.integer()) {
        return Some(Ok(Pair::Ints(x, y)));
    }
    if let (Some(x), Some(y)) = (real(a), real(b)) {
        return Some(x.and_then(|x| Ok(Pair::Floats(x, y?))));
    }
    let (x, y) = (complex(a)?, complex(b)?);
    Some(x.and_then(|x| Ok(Pair::Complexes(x, y?))))
}

pub(crate) fn add(a: &Object, b: &Object) -> Fallible<Object> {
    use Object::*;
    match (a, b) {
        (Int(x), Int(y)) => {
            if let Some(z) = x.checked_add(*y) {
                return Ok(Int(z));
            }
        }
        (Float(x), Float(y)) => return Ok(Float(x + y)),
        (Str(x), Str(y)) => return Ok(Object::from(format!("{}{}", &**x, &**y))),
        (Str(_), _) => {
            return Err(Exception::type_error(format!(
                "can only concatenate str (not \"{}\") to str",
                b.type_name()
            )));
        }
        (Bytes(x), Bytes(y)) => return Ok(Bytes([&x[..], &y[..]].concat().into())),
        (Bytes(_), _) => {
            return Err(Exception::type_error(format!("can't concat {} to bytes", b.type_name())));
        }
        (List(x), List(y)) => return Ok(Object::from([&x[..], &y[..]].concat())),
        (List(_), _) => {
            return Err(Exception::type_error(format!(
                "can only concatenate list (not \"{}\") to list",
                b.type_name()
            )));
        }
        (Tuple(x), Tuple(y)) => return Ok(Tuple([&x[..], &y[..]].concat().into())),
        (Tuple(_), _) => {
            return Err(Exception::type_error(format!(
                "can only concatenate tuple (not \"{}\") to tuple",
                b.type_name()
            )));
        }
        _ => {}
    }
    known_numbers("+", a, b)?;
    match numbers(a, b).ok_or_else(|| unsupported_operands("+", a, b))?? {
        Pair::Ints(x, y) => Ok(Object::from(x + y)),
        Pair::Floats(x, y) => Ok(Float(x + y)),
        Pair::Complexes(x, y) => Ok(Complex(x.0 + y.0, x.1 + y.1)),
    }
}

/// Arithmetic on another library's numbers is not simulated.
pub(super) fn known_numbers(op: &str, a: &Object, b: &Object) -> Fallible<()> {
    if matches!(a, Object::Printed(_)) || matches!(b, Object::Printed(_)) {
        return Err(Exception::unsupported(format!("{op} on a result of mpmath or decimal")));
    }
    Ok(())
}

pub(crate) fn sub_named(op: &str, a: &Object, b: &Object) -> Fallible<Object> {
    use Object::*;
    match (a, b) {
        (Float(x), Float(y)) => return Ok(Float(x - y)),
        (Int(x), Int(y)) => {
            if let Some(z) = x.checked_sub(*y) {
                return Ok(Int(z));
            }
        }
        (Set(x), Set(y)) => {
            return Ok(Set(x.iter().filter(|e| !y.contains(e)).cloned().collect::<Vec<_>>().into()));
        }
        _ => {}
    }
    known_numbers(op, a, b)?;
    match numbers(a, b).ok_or_else(|| unsupported_operands(op, a, b))?? {
        Pair::Ints(x, y) => Ok(Object::from(x - y)),
        Pair::Floats(x, y) => Ok(Float(x - y)),
        Pair::Complexes(x, y) => Ok(Complex(x.0 - y.0, x.1 - y.1)),
    }
}

pub(crate) fn sub(a: &Object, b: &Object) -> Fallible<Object> {
    sub_named("-", a, b)
}

/// `a += b` on an attribute: as `+` except for the operator's name and that a list takes any iterable.
pub(crate) fn add_in_place(a: &Object, b: &Object) -> Fallible<Object> {
    if let Object::List(x) = a {
        let mut all = (**x).clone();
        all.extend(iterate(b)?);
        return Ok(Object::from(all));
    }
    add(a, b).map_err(|mut e| {
        if e.kind == Kind::Type {
            e.text = e.text.replacen("for +:", "for +=:", 1);
        }
        e
    })
}

const MAX_REPEAT: usize = 1 << 24;

fn repeat(sequence: &Object, count: &Object) -> Fallible<Object> {
    let n = match count.integer() {
        None => {
            return Err(Exception::type_error(format!(
                "can't multiply sequence by non-int of type '{}'",
                count.type_name()
            )));
        }
        Some(n) => match n.to_i64() {
            Some(n) => n.max(0) as usize,
            None => {
                return Err(Exception::new(Kind::Overflow, "cannot fit 'int' into an index-sized integer"));
            }
        },
    };
    let len = len(sequence)?;
    if len.saturating_mul(n) > MAX_REPEAT {
        return Err(Exception::unsupported("a sequence repeated beyond 16 million items"));
    }
    Ok(match sequence {
        Object::Str(s) => Object::from(s.repeat(n)),
        Object::Bytes(b) => Object::Bytes(b.repeat(n).into()),
        Object::List(v) => Object::from(v.repeat_objects(n)),
        Object::Tuple(v) => Object::Tuple(v.repeat_objects(n).into()),
        _ => unreachable!("only sequences come here"),
    })
}

trait Repeat {
    fn repeat_objects(&self, n: usize) -> Vec<Object>;
}
impl Repeat for Vec<Object> {
    fn repeat_objects(&self, n: usize) -> Vec<Object> {
        (0..n).flat_map(|_| self.iter().cloned()).collect()
    }
}

pub(crate) fn mul(a: &Object, b: &Object) -> Fallible<Object> {
    use Object::*;
    match (a, b) {
        (Float(x), Float(y)) => return Ok(Float(x * y)),
        (Str(_) | Bytes(_) | List(_) | Tuple(_), _) => return repeat(a, b),
        (_, Str(_) | Bytes(_) | List(_) | Tuple(_)) => return repeat(b, a),
        _ => {}
    }
    known_numbers("*", a, b)?;
    match numbers(a, b).ok_or_else(|| unsupported_operands("*", a, b))?? {
        Pair::Ints(x, y) => Ok(Object::from(x * y)),
        Pair::Floats(x, y) => Ok(Float(x * y)),
        Pair::Complexes((a, b), (c, d)) => Ok(Complex(a * c - b * d, a * d + b * c)),
    }
}

/// `x in container`.
pub(crate) fn contains(container: &Object, x: &Object) -> Fallible<bool> {
    match container {
        Object::List(v) | Object::Tuple(v) => Ok(v.contains(x)),
        Object::Dict(d) => {
            x.check_hashable()?;
            Ok(d.get(x).is_some())
        }
        Object::Set(v) => {
            x.check_hashable()?;
            Ok(v.contains(x))
        }
        Object::Str(s) => match x {
            Object::Str(x) => Ok(s.contains(&**x)),
            _ => Err(Exception::type_error(format!(
                "'in <string>' requires string as left operand, not {}",
                x.type_name()
            ))),
        },
        Object::Bytes(s) => match x {
            Object::Bytes(x) => Ok(x.is_empty() || s.windows(x.len()).any(|w| *w == **x)),
            Object::Bool(_) | Object::Int(_) | Object::Big(_) => match x.integer().and_then(|i| i.to_u8()) {
                Some(b) => Ok(s.contains(&b)),
                None => Err(Exception::value_error("byte must be in range(0, 256)")),
            },
            _ => Err(Exception::type_error(format!(
                "a bytes-like object is required, not '{}'",
                x.type_name()
            ))),
        },
        _ => Err(Exception::type_error(format!(
            "argument of type '{}' is not iterable",
            container.type_name()
        ))),
    }
}

/// `container[key]`.
pub(crate) fn item(container: &Object, key: &Object) -> Fallible<Object> {
    let index = |what: &str, len: usize| -> Fallible<usize> {
        let i = key.integer().ok_or_else(|| {
            Exception::type_error(match what {
                "string" => format!("string indices must be integers, not '{}'", key.type_name()),
                "byte" => format!("byte indices must be integers or slices, not {}", key.type_name()),
                _ => format!("{what} indices must be integers or slices, not {}", key.type_name()),
            })
        })?;
        let i = i.to_i64().ok_or_else(|| Exception::other("cannot fit 'int' into an index-sized integer"))?;
        let j = if i < 0 { i + len as i64 } else { i };
        if j < 0 || j >= len as i64 {
            Err(Exception::other(if what == "byte" {
                "index out of range".into()
            } else {
                format!("{what} index out of range")
            }))
        } else {
            Ok(j as usize)
        }
    };
    match container {
        Object::Dict(d) => {
            key.check_hashable()?;
            d.get(key).cloned().ok_or_else(|| Exception::key(key))
        }
        Object::List(v) => Ok(v[index("list", v.len())?].clone()),
        Object::Tuple(v) => Ok(v[index("tuple", v.len())?].clone()),
        Object::Str(s) => {
            let i = index("string", s.chars().count())?;
            Ok(Object::from(s.chars().nth(i).map(String::from).unwrap_or_default()))
        }
        Object::Bytes(b) => Ok(Object::Int(b[index("byte", b.len())?] as i64)),
        _ => Err(Exception::type_error(format!("'{}' object is not subscriptable", container.type_name()))),
    }
}

/// `container["key"]`.
pub(crate) fn field(container: &Object, key: &'static str) -> Fallible<Object> {
    match container {
        Object::Dict(d) => d.get_str(key).cloned().ok_or_else(|| Exception::key(&Object::from(key))),
        _ => item(container, &Object::from(key)),
    }
}

/// `container[key] = value` on a dictionary.
pub(crate) fn set_item(container: &mut Object, key: Object, value: Object) -> Fallible<()> {
    match container {
        Object::Dict(d) => {
            key.check_hashable()?;
            std::sync::Arc::make_mut(d).insert(key, value);
            Ok(())
        }
        Object::List(_) => Err(Exception::type_error(format!(
            "list indices must be integers or slices, not {}",
            key.type_name()
        ))),
        _ => Err(Exception::type_error(format!(
            "'{}' object does not support item assignment",
            container.type_name()
        ))),
    }
}

/// `list.append(value)`.
pub(crate) fn append(list: &mut Object, value: Object) -> Fallible<()> {
    match list {
        Object::List(v) => {
            std::sync::Arc::make_mut(v).push(value);
            Ok(())
        }
        _ => Err(Exception::attribute(list, "append")),
    }
}

/// The dictionary behind an object on which the method `name` is called.
pub(crate) fn as_dict<'a>(object: &'a Object, name: &str) -> Fallible<&'a Dict> {
    match object {
        Object::Dict(d) => Ok(d),
        _ => Err(Exception::attribute(object, name)),
    }
}

/// `len(object)`.
pub(crate) fn len(object: &Object) -> Fallible<usize> {
    match object {
        Object::Str(s) => Ok(if s.is_ascii() { s.len() } else { s.chars().count() }),
        Object::Bytes(b) => Ok(b.len()),
        Object::List(v) | Object::Tuple(v) | Object::Set(v) => Ok(v.len()),
        Object::Dict(d) => Ok(d.len()),
        _ => Err(Exception::type_error(format!("object of type '{}' has no len()", object.type_name()))),
    }
}

/// What `for x in object` visits.
pub(crate) fn iterate(object: &Object) -> Fallible<Vec<Object>> {
    match object {
        Object::List(v) | Object::Tuple(v) => Ok((**v).clone()),
        Object::Set(v) if v.len() > 1 => Err(Exception::unsupported("the order of a set's members")),
        Object::Set(v) => Ok((**v).clone()),
        Object::Str(s) => Ok(s.chars().map(|c| Object::str(c.encode_utf8(&mut [0; 4]))).collect()),
        Object::Bytes(b) => Ok(b.iter().map(|b| Object::Int(*b as i64)).collect()),
        Object::Dict(d) => Ok(d.iter().map(|(k, _)| k.clone()).collect()),
        _ => Err(Exception::type_error(format!("'{}' object is not iterable", object.type_name()))),
    }
}

/// The text that may hold a number; of bytes, whose digits are ASCII alone.
fn digits(object: &Object) -> Option<&str> {
    match object {
        Object::Str(s) => Some(&**s),
        Object::Bytes(b) => std::str::from_utf8(b).ok().filter(|s| s.is_ascii()),
        _ => None,
    }
}

/// `float(object)`.
pub(crate) fn to_float(object: &Object) -> Fallible<f64> {
    match object {
        Object::Str(_) | Object::Bytes(_) => {
            digits(object).and_then(crate::value::text::parse_float).ok_or_else(|| {
                Exception::value_error(format!(
                    "could not convert string to float: {}",
                    super::text::repr(object)
                ))
            })
        }
        Object::Printed(_) => Err(Exception::unsupported("float() of an mpmath or decimal result")),
        _ => real(object).unwrap_or_else(|| {
            Err(Exception::type_error(format!(
                "float() argument must be a string or a real number, not '{}'",
                object.type_name()
            )))
        }),
    }
}

/// `int(object)`.
pub(crate) fn to_int(object: &Object) -> Fallible<Object> {
    match object {
        Object::Float(f) if f.is_nan() => Err(Exception::value_error("cannot convert float NaN to integer")),
        Object::Float(f) if f.is_infinite() => {
            Err(Exception::new(Kind::Overflow, "cannot convert float infinity to integer"))
        }
        Object::Float(f) => Ok(num_traits::FromPrimitive::from_f64(f.trunc())
            .map_or(Object::Int(0), |b: BigInt| Object::from(b))),
        Object::Str(_) | Object::Bytes(_) => match digits(object).and_then(crate::value::text::parse_int) {
            Some(i) => Ok(Object::from(&crate::value::Value::Int(i))),
            None => Err(Exception::value_error(format!(
                "invalid literal for int() with base 10: {}",
                super::text::repr(object)
            ))),
        },
        Object::Printed(_) => Err(Exception::unsupported("int() of an mpmath or decimal result")),
        _ => object.integer().map(Object::from).ok_or_else(|| {
            Exception::type_error(format!(
                "int() argument must be a string, a bytes-like object or a real number, not '{}'",
                object.type_name()
            ))
        }),
    }
}

/// `abs(object)`.
pub(crate) fn abs(object: &Object) -> Fallible<Object> {
    match object {
        Object::Float(f) => Ok(Object::Float(f.abs())),
        Object::Complex(a, b) => {
            let size = a.hypot(*b);
            if size.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(Exception::new(Kind::Overflow, "absolute value too large"));
            }
            Ok(Object::Float(size))
        }
        _ => object.integer().map(|i| Object::from(i.abs())).ok_or_else(|| {
            Exception::type_error(format!("bad operand type for abs(): '{}'", object.type_name()))
        }),
    }
}

/// `sum(items)`.
pub(crate) fn sum(items: &[Object]) -> Fallible<Object> {
    items.iter().try_fold(Object::Int(0), |total, x| add(&total, x))
}

/// `format(object, ".2f")`.
pub(crate) fn two_decimals(object: &Object) -> Fallible<String> {
    let unknown = || {
        Err(Exception::type_error(format!(
            "unsupported format string passed to {}.__format__",
            object.type_name()
        )))
    };
    match object {
        Object::Str(_) => Err(Exception::value_error("Unknown format code 'f' for object of type 'str'")),
        Object::Complex(a, b) => {
            Ok(format!("{a:.2}{}{:.2}j", if b.is_sign_negative() { '-' } else { '+' }, b.abs()))
        }
        _ => match real(object) {
            None => unknown(),
            Some(f) => {
                let f = f?;
                Ok(if f.is_nan() {
                    "nan".into()
                } else if f.is_infinite() {
                    if f > 0.0 { "inf".into() } else { "-inf".into() }
                } else {
                    format!("{f:.2}")
                })
            }
        },
    }
}

/// `object.lower()` of something expected to be a string.
pub(crate) fn lower(object: &Object) -> Fallible<Object> {
    match object {
        Object::Str(s) if s.is_ascii() => Ok(Object::from(s.to_ascii_lowercase())),
        Object::Str(s) => Ok(Object::from(s.to_lowercase())),
        Object::Bytes(b) => Ok(Object::Bytes(b.to_ascii_lowercase().into())),
        _ => Err(Exception::attribute(object, "lower")),
    }
}

/// `separator.join(items)`.
pub(crate) fn join(separator: &str, items: &[Object]) -> Fallible<String> {
    let mut out = String::new();
    for (i, x) in items.iter().enumerate() {
        let Object::Str(s) = x else {
            return Err(Exception::type_error(format!(
                "sequence item {i}: expected str instance, {} found",
                x.type_name()
            )));
        };
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(s);
    }
    Ok(out)
}

/// `operator.index(object)`.
pub(crate) fn index(object: &Object) -> Fallible<BigInt> {
    object.integer().ok_or_else(|| {
        Exception::type_error(format!("'{}' object cannot be interpreted as an integer", object.type_name()))
    })
}
