//! Division, powers and rounding with Python's results to the last bit.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_traits::{One, Signed, ToPrimitive, Zero};

use super::error::{Exception, Fallible, Kind};
use super::object::Object;
use super::operators::{Pair, big_to_float, index, known_numbers, numbers, to_int, unsupported_operands};

/// The correctly rounded quotient of two integers.
fn integer_quotient(a: &BigInt, b: &BigInt) -> Fallible<f64> {
    let exact = 1u64 << 53;
    if let (Some(x), Some(y)) = (a.to_i64(), b.to_i64())
        && x.unsigned_abs() <= exact
        && y.unsigned_abs() <= exact
    {
        return Ok(x as f64 / y as f64);
    }
    let negative = a.is_negative() != b.is_negative();
    if a.is_zero() {
        return Ok(if negative { -0.0 } else { 0.0 });
    }
    let (a, b) = (a.magnitude(), b.magnitude());
    // A quotient of 66 to 67 bits, its last bit sticky; below the normal range fewer bits are kept.
    let mut shift = 66 - (a.bits() as i64 - b.bits() as i64);
    shift = shift.min(1074 + 2);
    let (n, d) = if shift >= 0 { (a << shift as u64, b.clone()) } else { (a.clone(), b << (-shift) as u64) };
    let (mut q, r) = (&n / &d, &n % &d);
    if !r.is_zero() {
        q |= num_bigint::BigUint::one();
    }
    // Round by hand to the bits a float of this size keeps.
    let bits = q.bits() as i64;
    let keep = 53.min(bits - shift + 1074).max(0);
    let drop = bits - keep;
    let (mut m, rest) = if drop > 0 {
        let m = &q >> drop as u64;
        let rest = &q - (&m << drop as u64);
        (m, rest)
    } else {
        (q.clone(), num_bigint::BigUint::zero())
    };
    if drop > 0 {
        let half = num_bigint::BigUint::one() << (drop - 1) as u64;
        if rest > half || (rest == half && m.bit(0)) {
            m += 1u8;
        }
    }
    let f = m.to_f64().unwrap_or(f64::INFINITY);
    let e = drop.max(0) - shift;
    let value = if e < -1000 {
        f * 2f64.powi(-1000) * 2f64.powi((e + 1000) as i32)
    } else if e > 1000 {
        f * 2f64.powi(1000) * 2f64.powi((e - 1000) as i32)
    } else {
        f * 2f64.powi(e as i32)
    };
    if value.is_infinite() {
        return Err(Exception::new(Kind::Overflow, "integer division result too large for a float"));
    }
    Ok(if negative { -value } else { value })
}

fn complex_quotient(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    // The smaller part of the divisor is scaled by the larger one.
    if b.0.abs() >= b.1.abs() {
        if b.0 == 0.0 && b.1 == 0.0 {
            return None;
        }
        let ratio = b.1 / b.0;
        let d = b.0 + b.1 * ratio;
        Some(((a.0 + a.1 * ratio) / d, (a.1 - a.0 * ratio) / d))
    } else if b.1.abs() >= b.0.abs() {
        let ratio = b.0 / b.1;
        let d = b.0 * ratio + b.1;
        Some(((a.0 * ratio + a.1) / d, (a.1 * ratio - a.0) / d))
    } else {
        Some((f64::NAN, f64::NAN))
    }
}

pub(super) fn divide(a: &Object, b: &Object) -> Fallible<Object> {
    let zero = |text| Err(Exception::other(text));
    known_numbers("/", a, b)?;
    match numbers(a, b).ok_or_else(|| unsupported_operands("/", a, b))?? {
        Pair::Ints(_, y) if y.is_zero() => zero("division by zero"),
        Pair::Ints(x, y) => integer_quotient(&x, &y).map(Object::Float),
        Pair::Floats(_, 0.0) => zero("float division by zero"),
        Pair::Floats(x, y) => Ok(Object::Float(x / y)),
        Pair::Complexes(x, y) => match complex_quotient(x, y) {
            Some((re, im)) => Ok(Object::Complex(re, im)),
            None => zero("complex division by zero"),
        },
    }
}

fn complex_product(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn complex_power(a: (f64, f64), b: (f64, f64)) -> Fallible<Object> {
    if b.1 == 0.0 && b.0 == b.0.floor() && b.0.abs() <= 100.0 {
        let n = b.0 as i64;
        let (mut mask, mut power, mut result) = (1i64, a, (1.0, 0.0));
        while mask > 0 && n.abs() >= mask {
            if n.abs() & mask != 0 {
                result = complex_product(result, power);
            }
            mask <<= 1;
            power = complex_product(power, power);
        }
        if n <= 0 {
            result = complex_quotient((1.0, 0.0), result)
                .ok_or_else(|| Exception::other("0.0 to a negative or complex power"))?;
        }
        return finite_complex(result);
    }
    if b == (0.0, 0.0) {
        return Ok(Object::Complex(1.0, 0.0));
    }
    if a == (0.0, 0.0) {
        if b.1 != 0.0 || b.0 < 0.0 {
            return Err(Exception::other("0.0 to a negative or complex power"));
        }
        return Ok(Object::Complex(0.0, 0.0));
    }
    let size = a.0.hypot(a.1);
    let mut length = size.powf(b.0);
    let angle = a.1.atan2(a.0);
    let mut phase = angle * b.0;
    if b.1 != 0.0 {
        length /= (angle * b.1).exp();
        phase += b.1 * size.ln();
    }
    finite_complex((length * phase.cos(), length * phase.sin()))
}

fn finite_complex(r: (f64, f64)) -> Fallible<Object> {
    if r.0.is_infinite() || r.1.is_infinite() {
        return Err(Exception::new(Kind::Overflow, "complex exponentiation"));
    }
    Ok(Object::Complex(r.0, r.1))
}

pub(super) fn power(a: &Object, b: &Object) -> Fallible<Object> {
    known_numbers("**", a, b)?;
    match numbers(a, b).ok_or_else(|| unsupported_operands("** or pow()", a, b))?? {
        Pair::Ints(x, y) => {
            if y.is_negative() {
                let (x, y) = (big_to_float(&x)?, big_to_float(&y)?);
                return float_power(x, y);
            }
            if x.magnitude().is_one() || x.is_zero() {
                let odd = y.bit(0);
                return Ok(Object::from(if y.is_zero() {
                    BigInt::one()
                } else if x.sign() == Sign::Minus && !odd {
                    -x
                } else {
                    x
                }));
            }
            match y.to_u32() {
                Some(e) if x.bits().saturating_mul(e as u64) < 1 << 20 => {
                    Ok(Object::from(num_traits::Pow::pow(x, e)))
                }
                _ => Err(Exception::unsupported("an integer power of more than a million bits")),
            }
        }
        Pair::Floats(x, y) => float_power(x, y),
        Pair::Complexes(x, y) => complex_power(x, y),
    }
}

/// `float ** float`.
fn float_power(x: f64, y: f64) -> Fallible<Object> {
    if x == 0.0 && y < 0.0 {
        return Err(Exception::other("0.0 cannot be raised to a negative power"));
    }
    if x < 0.0 && x.is_finite() && y.is_finite() && y.fract() != 0.0 {
        return complex_power((x, 0.0), (y, 0.0));
    }
    let z = x.powf(y);
    if z.is_infinite() && x.is_finite() && y.is_finite() {
        return Err(Exception::new(Kind::Overflow, "(34, 'Numerical result out of range')"));
    }
    Ok(Object::Float(z))
}

fn rounded(text: &str) -> Fallible<Object> {
    let f: f64 = text.parse().unwrap_or(f64::NAN);
    if f.is_infinite() {
        return Err(Exception::new(Kind::Overflow, "rounded value too large to represent"));
    }
    Ok(Object::Float(f))
}

/// `round(number, digits)`; `None` rounds to an integer.
pub(super) fn round(number: &Object, digits: &Object) -> Fallible<Object> {
    if let Object::Float(f) = number {
        let f = *f;
        if matches!(digits, Object::None) {
            return to_int(&Object::Float(f.round_ties_even()));
        }
        let n =
            index(digits)?.to_i64().unwrap_or(if index(digits)?.is_negative() { i64::MIN } else { i64::MAX });
        if !f.is_finite() || n > 323 {
            return Ok(Object::Float(f));
        }
        if n < -308 {
            return Ok(Object::Float(0.0 * f));
        }
        if n >= 0 {
            return rounded(&format!("{f:.*}", n as usize));
        }
        // To the left of the point: the exact integer part decides, with a tie only if there is no fraction.
        let whole: BigInt = num_traits::FromPrimitive::from_f64(f.trunc()).unwrap_or_default();
        let unit: BigInt = num_traits::Pow::pow(BigInt::from(10), (-n) as u32);
        let twice: BigInt = (whole.abs() % &unit) * 2;
        let mut steps: BigInt = whole.abs() / &unit;
        match twice.cmp(&unit) {
            Ordering::Greater => steps += 1,
            Ordering::Equal if f.fract() != 0.0 || steps.bit(0) => steps += 1,
            _ => {}
        }
        return rounded(&format!("{}{}", if f.is_sign_negative() { "-" } else { "" }, steps * unit));
    }
    let Some(i) = number.integer() else {
        return Err(Exception::type_error(format!(
            "type {} doesn't define __round__ method",
            number.type_name()
        )));
    };
    if matches!(digits, Object::None) {
        return Ok(Object::from(i));
    }
    let n = index(digits)?;
    if !n.is_negative() {
        return Ok(Object::from(i));
    }
    let n = (-n)
        .to_u32()
        .filter(|n| *n <= 100_000)
        .ok_or_else(|| Exception::unsupported("rounding to more than 100,000 digits"))?;
    let unit = num_traits::Pow::pow(BigInt::from(10), n);
    let mut steps: BigInt = num_integer_div_floor(&i, &unit);
    let rest: BigInt = (&i - &steps * &unit) * 2;
    match rest.cmp(&unit) {
        Ordering::Greater => steps += 1,
        Ordering::Equal if steps.bit(0) => steps += 1,
        _ => {}
    }
    Ok(Object::from(steps * unit))
}

fn num_integer_div_floor(a: &BigInt, b: &BigInt) -> BigInt {
    let (q, r) = (a / b, a % b);
    if r.is_negative() { q - 1 } else { q }
}
