//! Computing what needs no name: arithmetic on literals, as Python does it.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};

use super::{Binary, Comparison, Constant, Expr, Unary};
use crate::value::{Dict, Int, Value};

/// No integer grows beyond this many bits, and nothing beyond this many members. Python would go on, for hours if need
/// be; text that a model wrote must not decide how long a checker runs.
const MAX_SIZE: u64 = 1 << 22;

impl Constant {
    /// The literal's value; nothing for `...`, which [`Value`] does not have.
    pub fn value(&self) -> Option<Value> {
        Some(match self {
            Self::None => Value::None,
            Self::Bool(value) => Value::Bool(*value),
            Self::Ellipsis => return None,
            Self::Int(value) => Value::Int(value.clone()),
            Self::Float(value) => Value::Float(*value),
            Self::Imaginary(value) => Value::Complex(0.0, *value),
            Self::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Self::Str { value, .. } => Value::Str(value.clone()),
        })
    }
}

impl Expr {
    /// The value of an expression of literals and operators.
    ///
    /// Nothing if Python would raise, if a name, a call or anything else is in it that only running code can tell, or if
    /// the result would be huge (integers of more than four million bits).
    pub fn fold(&self) -> Option<Value> {
        let all = |items: &[Expr]| items.iter().map(Self::fold).collect::<Option<Vec<_>>>();
        match self {
            Self::Constant(constant) => constant.value(),
            Self::List(items) => all(items).map(Value::List),
            Self::Tuple(items) => all(items).map(Value::Tuple),
            Self::Set(items) => {
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
            Self::Dict(members) => {
                let mut dict = Dict::new();
                for (key, value) in members {
                    let key = key.as_ref()?.fold().filter(Value::is_hashable)?;
                    dict.insert(key, value.fold()?);
                }
                Some(Value::Dict(dict))
            }
            Self::Unary { operator, operand } => unary(*operator, operand.fold()?),
            Self::Binary { operator, left, right } => binary(*operator, left.fold()?, right.fold()?),
            Self::And(values) => {
                let mut last = Value::None;
                for value in values {
                    last = value.fold()?;
                    if !last.is_true() {
                        break;
                    }
                }
                Some(last)
            }
            Self::Or(values) => {
                let mut last = Value::None;
                for value in values {
                    last = value.fold()?;
                    if last.is_true() {
                        break;
                    }
                }
                Some(last)
            }
            Self::Conditional { test, body, otherwise } => {
                if test.fold()?.is_true() {
                    body.fold()
                } else {
                    otherwise.fold()
                }
            }
            Self::Compare { left, rest } => {
                let mut left = left.fold()?;
                for (comparison, right) in rest {
                    let right = right.fold()?;
                    if !compare(*comparison, &left, &right)? {
                        return Some(Value::Bool(false));
                    }
                    left = right;
                }
                Some(Value::Bool(true))
            }
            Self::Subscript { value, index } => element(&value.fold()?, &index.fold()?),
            _ => None,
        }
    }
}

fn unary(operator: Unary, operand: Value) -> Option<Value> {
    if operator == Unary::Not {
        return Some(Value::Bool(!operand.is_true()));
    }
    let operand = match operand {
        Value::Bool(value) => Value::from(i64::from(value)),
        other => other,
    };
    Some(match (operator, operand) {
        (Unary::Plus, number @ (Value::Int(_) | Value::Float(_) | Value::Complex(..))) => number,
        (Unary::Minus, Value::Int(value)) => Value::Int(value.negate()),
        (Unary::Minus, Value::Float(value)) => Value::Float(-value),
        (Unary::Minus, Value::Complex(real, imaginary)) => Value::Complex(-real, -imaginary),
        (Unary::Invert, Value::Int(Int::Small(value))) => Value::from(!value),
        (Unary::Invert, Value::Int(Int::Big(value))) => Value::from(!(*value)),
        _ => return None,
    })
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Option<bool> {
    let ordered = |accepts: fn(Ordering) -> bool| order(left, right).map(|order| order.is_some_and(accepts));
    Some(match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => ordered(Ordering::is_lt)?,
        Comparison::LessEqual => ordered(Ordering::is_le)?,
        Comparison::Greater => ordered(Ordering::is_gt)?,
        Comparison::GreaterEqual => ordered(Ordering::is_ge)?,
        // The identity of equal literals is an accident of the interpreter.
        Comparison::Is | Comparison::IsNot => return None,
        Comparison::In => contains(right, left)?,
        Comparison::NotIn => !contains(right, left)?,
    })
}

/// How two values are ordered: outer nothing if Python raises, inner nothing if they have no order (`nan`).
fn order(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            match a.iter().zip(b).find(|(a, b)| a != b) {
                Some((a, b)) => order(a, b)?,
                None => Some(a.len().cmp(&b.len())),
            }
        }
        (Value::Bool(_) | Value::Int(_), Value::Bool(_) | Value::Int(_)) => {
            Some(integer(left)?.cmp(&integer(right)?))
        }
        (
            Value::Bool(_) | Value::Int(_) | Value::Float(_),
            Value::Bool(_) | Value::Int(_) | Value::Float(_),
        ) => match (left, right) {
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            (Value::Float(a), b) => order_with_float(&integer(b)?, *a).map(Ordering::reverse),
            (a, Value::Float(b)) => order_with_float(&integer(a)?, *b),
            _ => None,
        },
        _ => return None,
    })
}

fn order_with_float(int: &Int, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float.is_infinite() {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let floor = Int::from_f64(float.floor())?;
    Some(int.cmp(&floor).then(if float.fract() == 0.0 { Ordering::Equal } else { Ordering::Less }))
}

fn contains(container: &Value, member: &Value) -> Option<bool> {
    Some(match container {
        Value::List(items) | Value::Tuple(items) => items.contains(member),
        Value::Set(items) if member.is_hashable() => items.contains(member),
        Value::Dict(dict) if member.is_hashable() => dict.contains_key(member),
        Value::Str(text) => text.contains(member.as_str()?),
        _ => return None,
    })
}

fn element(value: &Value, index: &Value) -> Option<Value> {
    if let Value::Dict(dict) = value {
        return if index.is_hashable() { dict.get(index).cloned() } else { None };
    }
    let index = integer(index)?.as_i64()?;
    let place = |length: usize| {
        let index = if index < 0 { index + length as i64 } else { index };
        usize::try_from(index).ok().filter(|&index| index < length)
    };
    match value {
        Value::List(items) | Value::Tuple(items) => place(items.len()).map(|at| items[at].clone()),
        Value::Bytes(bytes) => place(bytes.len()).map(|at| Value::from(i64::from(bytes[at]))),
        Value::Str(text) => {
            let at = place(text.chars().count())?;
            text.chars().nth(at).map(|character| Value::Str(character.to_string().into()))
        }
        _ => None,
    }
}

/// The integer that a Boolean or an integer is.
fn integer(value: &Value) -> Option<Int> {
    match value {
        Value::Bool(value) => Some(Int::from(i64::from(*value))),
        Value::Int(value) => Some(value.clone()),
        _ => None,
    }
}

fn binary(operator: Binary, left: Value, right: Value) -> Option<Value> {
    use Value::*;
    match (&left, &right) {
        (Bool(a), Bool(b)) => match operator {
            Binary::And => return Some(Bool(a & b)),
            Binary::Or => return Some(Bool(a | b)),
            Binary::Xor => return Some(Bool(a ^ b)),
            _ => {}
        },
        (Str(a), Str(b)) if operator == Binary::Add => return Some(Value::from(format!("{a}{b}"))),
        (Bytes(a), Bytes(b)) if operator == Binary::Add => return Some(Bytes([&**a, &**b].concat().into())),
        (List(a), List(b)) if operator == Binary::Add => return Some(List([&a[..], &b[..]].concat())),
        (Tuple(a), Tuple(b)) if operator == Binary::Add => return Some(Tuple([&a[..], &b[..]].concat())),
        (Str(_) | Bytes(_) | List(_) | Tuple(_), Bool(_) | Int(_)) if operator == Binary::Multiply => {
            return repeat(&left, &integer(&right)?);
        }
        (Bool(_) | Int(_), Str(_) | Bytes(_) | List(_) | Tuple(_)) if operator == Binary::Multiply => {
            return repeat(&right, &integer(&left)?);
        }
        (Set(a), Set(b)) => return sets(operator, a, b),
        (Dict(a), Dict(b)) if operator == Binary::Or => {
            return Some(Dict(a.clone().into_iter().chain(b.clone()).collect()));
        }
        _ => {}
    }
    if matches!(left, Complex(..)) || matches!(right, Complex(..)) {
        return complex(operator, as_complex(&left)?, as_complex(&right)?);
    }
    if matches!(left, Float(_)) || matches!(right, Float(_)) {
        return float(operator, as_float(&left)?, as_float(&right)?);
    }
    integers(operator, integer(&left)?, integer(&right)?)
}

fn repeat(value: &Value, times: &Int) -> Option<Value> {
    let times = if times.is_negative() { 0 } else { usize::try_from(times.as_i64()?).ok()? };
    let fits = |length: usize| (length as u64).checked_mul(times as u64).is_some_and(|size| size <= MAX_SIZE);
    match value {
        Value::Str(text) if fits(text.len()) => Some(Value::from(text.repeat(times))),
        Value::Bytes(bytes) if fits(bytes.len()) => Some(Value::Bytes(bytes.repeat(times).into())),
        Value::List(items) if fits(items.len()) => Some(Value::List(cycle(items, times))),
        Value::Tuple(items) if fits(items.len()) => Some(Value::Tuple(cycle(items, times))),
        _ => None,
    }
}

fn cycle(items: &[Value], times: usize) -> Vec<Value> {
    std::iter::repeat_n(items, times).flatten().cloned().collect()
}

fn sets(operator: Binary, left: &[Value], right: &[Value]) -> Option<Value> {
    let without =
        |a: &[Value], b: &[Value]| a.iter().filter(|item| !b.contains(item)).cloned().collect::<Vec<_>>();
    Some(Value::Set(match operator {
        Binary::Or => [left.to_vec(), without(right, left)].concat(),
        Binary::And => left.iter().filter(|item| right.contains(item)).cloned().collect(),
        Binary::Subtract => without(left, right),
        Binary::Xor => [without(left, right), without(right, left)].concat(),
        _ => return None,
    }))
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        other => integer(other)?.to_f64(),
    }
}

fn as_complex(value: &Value) -> Option<(f64, f64)> {
    match value {
        Value::Complex(real, imaginary) => Some((*real, *imaginary)),
        other => Some((as_float(other)?, 0.0)),
    }
}

fn integers(operator: Binary, left: Int, right: Int) -> Option<Value> {
    if let (Int::Small(a), Int::Small(b)) = (&left, &right) {
        let quick = match operator {
            Binary::Add => a.checked_add(*b),
            Binary::Subtract => a.checked_sub(*b),
            Binary::Multiply => a.checked_mul(*b),
            Binary::And => Some(a & b),
            Binary::Or => Some(a | b),
            Binary::Xor => Some(a ^ b),
            _ => None,
        };
        if let Some(value) = quick {
            return Some(Value::from(value));
        }
    }
    let (a, b) = (left.to_big(), right.to_big());
    let result = match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply if a.bits() + b.bits() <= MAX_SIZE => a * b,
        Binary::And => a & b,
        Binary::Or => a | b,
        Binary::Xor => a ^ b,
        Binary::Divide => return divide(&a, &b).map(Value::Float),
        Binary::FloorDivide => divide_floor(&a, &b)?.0,
        Binary::Modulo => divide_floor(&a, &b)?.1,
        Binary::Power if b.sign() == Sign::Minus => {
            if a.is_zero() {
                return None;
            }
            return float(Binary::Power, left.to_f64()?, right.to_f64()?);
        }
        Binary::Power => {
            let exponent = match b.to_u64() {
                Some(exponent) => exponent,
                None if a.magnitude().bits() <= 1 => u64::from(b.bit(0)) + 2,
                None => return None,
            };
            if a.bits() > 1 && a.bits().checked_mul(exponent).is_none_or(|bits| bits > MAX_SIZE) {
                return None;
            }
            let exponent = if a.bits() <= 1 { exponent.min(2 + exponent % 2) } else { exponent };
            a.pow(u32::try_from(exponent).ok()?)
        }
        Binary::ShiftLeft => {
            let shift = b.to_u64()?;
            if a.bits().checked_add(shift).is_none_or(|bits| bits > MAX_SIZE) && !a.is_zero() {
                return None;
            }
            if a.is_zero() { a } else { a << shift }
        }
        Binary::ShiftRight if b.sign() == Sign::Minus => return None,
        Binary::ShiftRight => match b.to_u64() {
            Some(shift) if shift <= MAX_SIZE => a >> shift,
            _ if a.is_negative() => BigInt::from(-1),
            _ => BigInt::zero(),
        },
        _ => return None,
    };
    Some(Value::from(result))
}

/// The quotient rounded down, and the remainder with the sign of the divisor.
fn divide_floor(a: &BigInt, b: &BigInt) -> Option<(BigInt, BigInt)> {
    if b.is_zero() {
        return None;
    }
    let (quotient, remainder) = (a / b, a % b);
    if !remainder.is_zero() && remainder.is_negative() != b.is_negative() {
        return Some((quotient - 1, remainder + b));
    }
    Some((quotient, remainder))
}

/// The float nearest to the quotient of two integers.
fn divide(a: &BigInt, b: &BigInt) -> Option<f64> {
    if b.is_zero() {
        return None;
    }
    if a.bits() <= 53 && b.bits() <= 53 {
        return Some(a.to_f64()? / b.to_f64()?);
    }
    // A quotient of 66 bits or more whose last bit says whether anything is left rounds as the true one does.
    let shift = 66 + b.bits() as i64 - a.bits() as i64;
    let (n, d) = (a.abs(), b.abs());
    let (n, d) = if shift >= 0 { (n << shift as u64, d) } else { (n, d << shift.unsigned_abs()) };
    let mut quotient = &n / &d;
    if !(n % d).is_zero() {
        quotient |= BigInt::from(1);
    }
    // Below the normal floats the rounding is another; Python has the same bits only through its own scaling.
    let magnitude = scale(&quotient, -shift)?;
    Some(if a.is_negative() == b.is_negative() { magnitude } else { -magnitude })
}

/// `quotient * 2^exponent` rounded to the nearest float, ties to even; nothing if it overflows.
fn scale(quotient: &BigInt, exponent: i64) -> Option<f64> {
    if quotient.is_zero() {
        return Some(0.0);
    }
    let bits = quotient.bits() as i64;
    // The exponent of the last bit that a float of this size holds.
    let last = (bits + exponent - 53).max(-1074);
    let drop = last - exponent;
    let mantissa = if drop <= 0 {
        quotient << drop.unsigned_abs()
    } else {
        let kept: BigInt = quotient >> drop as u64;
        let rest = quotient - (&kept << drop as u64);
        let half = BigInt::from(1) << (drop - 1) as u64;
        match rest.cmp(&half) {
            Ordering::Greater => kept + 1,
            Ordering::Equal if kept.bit(0) => kept + 1,
            _ => kept,
        }
    };
    let value = mantissa.to_u64()? as f64;
    // In two steps, as 2^-1074 times 2^53 is exact while 2^last alone may be no float.
    let half = last / 2;
    let value = value * 2f64.powi(half as i32) * 2f64.powi((last - half) as i32);
    value.is_finite().then_some(value)
}

fn float(operator: Binary, a: f64, b: f64) -> Option<Value> {
    Some(Value::Float(match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide if b != 0.0 => a / b,
        Binary::Modulo if b != 0.0 => modulo(a, b),
        Binary::FloorDivide if b != 0.0 => {
            let remainder = a % b;
            let mut quotient = (a - remainder) / b;
            if remainder != 0.0 && (b < 0.0) != (remainder < 0.0) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                0f64.copysign(a / b)
            } else {
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
        }
        Binary::Power => {
            if a == 0.0 && b < 0.0 {
                return None;
            }
            if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 {
                return complex(Binary::Power, (a, 0.0), (b, 0.0));
            }
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() {
                return None;
            }
            power
        }
        _ => return None,
    }))
}

fn modulo(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    if remainder == 0.0 {
        0f64.copysign(b)
    } else if (b < 0.0) != (remainder < 0.0) {
        remainder + b
    } else {
        remainder
    }
}

fn complex(operator: Binary, (a, b): (f64, f64), (c, d): (f64, f64)) -> Option<Value> {
    let multiply = |(a, b): (f64, f64), (c, d): (f64, f64)| (a * c - b * d, a * d + b * c);
    let (real, imaginary) = match operator {
        Binary::Add => (a + c, b + d),
        Binary::Subtract => (a - c, b - d),
        Binary::Multiply => multiply((a, b), (c, d)),
        Binary::Divide => quotient((a, b), (c, d))?,
        Binary::Power => {
            let small = d == 0.0 && c.fract() == 0.0 && c.abs() <= 100.0;
            if c == 0.0 && d == 0.0 {
                (1.0, 0.0)
            } else if a == 0.0 && b == 0.0 {
                if c < 0.0 || d != 0.0 {
                    return None;
                }
                (0.0, 0.0)
            } else if small {
                let times = c.abs() as u32;
                let (mut result, mut power, mut bit) = ((1.0, 0.0), (a, b), 1);
                while bit <= times {
                    if times & bit != 0 {
                        result = multiply(result, power);
                    }
                    bit <<= 1;
                    power = multiply(power, power);
                }
                if c < 0.0 { quotient((1.0, 0.0), result)? } else { result }
            } else {
                let length = a.hypot(b);
                let angle = b.atan2(a);
                let (mut length_power, mut phase) = (length.powf(c), angle * c);
                if d != 0.0 {
                    length_power /= (angle * d).exp();
                    phase += d * length.ln();
                }
                (length_power * phase.cos(), length_power * phase.sin())
            }
        }
        _ => return None,
    };
    Some(Value::Complex(real, imaginary))
}

fn quotient((a, b): (f64, f64), (c, d): (f64, f64)) -> Option<(f64, f64)> {
    if c.abs() >= d.abs() {
        if c == 0.0 {
            return None;
        }
        let ratio = d / c;
        let divisor = c + d * ratio;
        Some(((a + b * ratio) / divisor, (b - a * ratio) / divisor))
    } else {
        let ratio = c / d;
        let divisor = c * ratio + d;
        Some(((a * ratio + b) / divisor, (b * ratio - a) / divisor))
    }
}
