//! `MathAPI`: arithmetic without a state.

use super::arithmetic::{divide, power, round};
use super::error::{Exception, Fallible, Kind};
use super::failure;
use super::object::{Object, dict};
use super::operators::{abs, add, gt, index, iterate, len, lt, mul, sub, sum, to_int};
use super::precise::{Binary, decimal_square_root, precision_bits};
use super::signature::{Default::*, Method, m};
use super::text::repr;

/// Its public methods.
pub(super) const METHODS: &[Method] = &[
    m!(logarithm(value, base, precision)),
    m!(mean(numbers)),
    m!(standard_deviation(numbers)),
    m!(si_unit_conversion(value, unit_in, unit_out)),
    m!(imperial_si_conversion(value, unit_in, unit_out)),
    m!(add(a, b)),
    m!(subtract(a, b)),
    m!(multiply(a, b)),
    m!(divide(a, b)),
    m!(power(base, exponent)),
    m!(square_root(number, precision)),
    m!(absolute_value(number)),
    m!(round_number(number, decimal_places = Int(0))),
    m!(percentage(part, whole)),
    m!(min_value(numbers)),
    m!(max_value(numbers)),
    m!(sum_values(numbers)),
];

/// Metres in each unit; whole numbers are integers in the arithmetic.
const METRES: [(&str, f64); 6] =
    [("km", 1000.0), ("m", 1.0), ("cm", 0.01), ("mm", 0.001), ("um", 1e-6), ("nm", 1e-9)];

const FACTORS: [(&str, &str, f64); 12] = [
    ("cm", "in", 0.393701),
    ("in", "cm", 2.54),
    ("m", "ft", 3.28084),
    ("ft", "m", 0.3048),
    ("m", "yd", 1.09361),
    ("yd", "m", 0.9144),
    ("km", "miles", 0.621371),
    ("miles", "km", 1.60934),
    ("kg", "lb", 2.20462),
    ("lb", "kg", 0.453592),
    ("celsius", "fahrenheit", 1.8),
    ("fahrenheit", "celsius", 5.0 / 9.0),
];

/// Digits beyond which a precision is not worth simulating.
const MAX_DIGITS: i64 = 20_000;

pub(super) fn call(method: &str, a: &[Object]) -> Fallible<Object> {
    let result = compute(method, a);
    let caught = match method {
        "mean" | "standard_deviation" | "min_value" | "max_value" | "sum_values" => {
            "All elements in the list must be numbers"
        }
        "add" | "subtract" | "multiply" | "divide" | "power" | "percentage" => "Both inputs must be numbers",
        "square_root" => "Input must be a number or computation resulted in an invalid operation",
        "absolute_value" => "Input must be a number",
        "round_number" => "First input must be a number, second input must be an integer",
        "si_unit_conversion" | "imperial_si_conversion" => {
            return match result {
                Err(e) if e.kind == Kind::Overflow => {
                    Ok(failure("Conversion resulted in a value too large to represent"))
                }
                other => other,
            };
        }
        "logarithm" => {
            return match result {
                Err(e) if e.kind != Kind::Unsupported => Ok(failure(e.text)),
                other => other,
            };
        }
        _ => unreachable!("a method of the table"),
    };
    match result {
        Err(e) if e.kind == Kind::Type => Ok(failure(caught)),
        other => other,
    }
}

fn is_number(x: &Object) -> bool {
    matches!(x, Object::Bool(_) | Object::Int(_) | Object::Big(_) | Object::Float(_))
}

fn result(x: Object) -> Fallible<Object> {
    Ok(dict! {"result": x})
}

fn whole_or_float(f: f64) -> Object {
    if f >= 1.0 && f.fract() == 0.0 { Object::Int(f as i64) } else { Object::Float(f) }
}

fn compute(method: &str, a: &[Object]) -> Fallible<Object> {
    let list_of = |purpose: &str| failure(format!("Cannot {purpose} of an empty list"));
    match method {
        "mean" | "standard_deviation" | "sum_values" => {
            if !a[0].truthy() {
                return Ok(list_of(match method {
                    "mean" => "calculate mean",
                    "sum_values" => "calculate sum",
                    _ => "calculate standard deviation",
                }));
            }
            let numbers = iterate(&a[0])?;
            let total = sum(&numbers)?;
            if method == "sum_values" {
                return result(total);
            }
            let count = Object::Int(len(&a[0])? as i64);
            let mean = divide(&total, &count)?;
            if method == "mean" {
                return result(mean);
            }
            let mut squares = Object::Int(0);
            for x in &numbers {
                squares = add(&squares, &power(&sub(x, &mean)?, &Object::Int(2))?)?;
            }
            match divide(&squares, &count)? {
                Object::Float(variance) => result(Object::Float(variance.sqrt())),
                other => {
                    Err(Exception::type_error(format!("must be real number, not {}", other.type_name())))
                }
            }
        }
        "min_value" | "max_value" => {
            let least = method == "min_value";
            if !a[0].truthy() {
                return Ok(failure(format!(
                    "Cannot find {} of an empty list",
                    if least { "minimum" } else { "maximum" }
                )));
            }
            let numbers = iterate(&a[0])?;
            let mut best = &numbers[0];
            for x in &numbers[1..] {
                if if least { lt(x, best)? } else { gt(x, best)? } {
                    best = x;
                }
            }
            result(best.clone())
        }
        "si_unit_conversion" => {
            let (value, from, to) = (&a[0], &a[1], &a[2]);
            if !is_number(value) {
                return Ok(failure("Value must be a number"));
            }
            from.check_hashable()?;
            let metres =
                |unit: &Object| METRES.iter().find(|(u, _)| unit.as_str() == Some(u)).map(|(_, f)| *f);
            let unsupported = failure(format!("Conversion from '{from}' to '{to}' is not supported"));
            let Some(into) = metres(from) else { return Ok(unsupported) };
            to.check_hashable()?;
            let Some(out) = metres(to) else { return Ok(unsupported) };
            result(mul(&mul(value, &whole_or_float(into))?, &Object::Float(1.0 / out))?)
        }
        "imperial_si_conversion" => {
            let (value, from, to) = (&a[0], &a[1], &a[2]);
            if !is_number(value) {
                return Ok(failure("Value must be a number"));
            }
            if from == to {
                return result(value.clone());
            }
            // The key is built from the two texts, so "cm_to_in" may be cut anywhere.
            let key = format!("{from}_to_{to}");
            let Some((x, y, factor)) = FACTORS.iter().find(|(x, y, _)| key == format!("{x}_to_{y}")) else {
                return Ok(failure(format!("Conversion from '{from}' to '{to}' is not supported")));
            };
            let factor = Object::Float(*factor);
            match (*x, *y) {
                ("celsius", "fahrenheit") => result(add(&mul(value, &factor)?, &Object::Int(32))?),
                ("fahrenheit", "celsius") => result(mul(&sub(value, &Object::Int(32))?, &factor)?),
                _ => result(mul(value, &factor)?),
            }
        }
        "add" => result(add(&a[0], &a[1])?),
        "subtract" => result(sub(&a[0], &a[1])?),
        "multiply" => {
            if !is_number(&a[0]) || !is_number(&a[1]) {
                return Ok(failure("Both inputs must be numbers"));
            }
            result(mul(&a[0], &a[1])?)
        }
        "divide" => {
            if a[1] == Object::Int(0) {
                return Ok(failure("Cannot divide by zero"));
            }
            result(divide(&a[0], &a[1])?)
        }
        "power" => result(power(&a[0], &a[1])?),
        "percentage" => {
            if a[1] == Object::Int(0) {
                return Ok(failure("Whole value cannot be zero"));
            }
            result(mul(&divide(&a[0], &a[1])?, &Object::Int(100))?)
        }
        "absolute_value" => result(abs(&a[0])?),
        "round_number" => result(round(&a[0], &a[1])?),
        "square_root" => square_root(&a[0], &a[1]),
        "logarithm" => logarithm(&a[0], &a[1], &a[2]),
        _ => unreachable!("a method of the table"),
    }
}

fn square_root(number: &Object, precision: &Object) -> Fallible<Object> {
    if lt(number, &Object::Int(0))? {
        return Ok(failure("Cannot calculate square root of a negative number"));
    }
    let digits = index(precision)?;
    let digits: i64 = num_traits::ToPrimitive::to_i64(&digits)
        .ok_or_else(|| Exception::new(Kind::Overflow, "Python int too large to convert to C ssize_t"))?;
    if !(1..=999_999_999_999_999_999).contains(&digits) {
        return Err(Exception::value_error("valid range for prec is [1, MAX_PREC]"));
    }
    if digits > MAX_DIGITS {
        return Err(Exception::unsupported(format!("a square root of more than {MAX_DIGITS} digits")));
    }
    let text = match number {
        Object::Float(f) if f.is_nan() => "NaN".into(),
        Object::Float(f) if f.is_infinite() => "Infinity".into(),
        Object::Float(f) => decimal_square_root(&Binary::float(*f), f.is_sign_negative(), digits as u64),
        other => decimal_square_root(&Binary::integer(index(other)?), false, digits as u64),
    };
    result(Object::Printed(format!("Decimal('{text}')").into()))
}

/// A number as mpmath takes it over.
enum Real {
    Finite(Binary),
    Infinite(bool),
    Nan,
}

fn real(x: &Object, bits: u64) -> Fallible<Real> {
    Ok(match x {
        Object::Float(f) if f.is_nan() => Real::Nan,
        Object::Float(f) if f.is_infinite() => Real::Infinite(*f > 0.0),
        Object::Float(f) => Real::Finite(Binary::float(*f)),
        Object::Str(s) if s.trim().is_empty() => {
            return Err(Exception::type_error("'NoneType' object has no attribute 'rstrip'"));
        }
        Object::Str(s) => match Binary::text(s, bits) {
            Some(b) => Real::Finite(b),
            Option::None
                if s.chars().any(|c| c.is_ascii_digit())
                    || matches!(s.to_lowercase().trim(), "inf" | "-inf" | "+inf" | "nan") =>
            {
                return Err(Exception::unsupported("a number written as text other than plain decimals"));
            }
            Option::None => return Err(Exception::type_error(format!("cannot create mpf from {}", repr(x)))),
        },
        Object::Complex(..) | Object::Printed(_) => {
            return Err(Exception::unsupported("the logarithm of a complex number"));
        }
        _ => match x.integer() {
            Some(i) => Real::Finite(Binary::integer(i)),
            Option::None => return Err(Exception::type_error(format!("cannot create mpf from {}", repr(x)))),
        },
    })
}

fn logarithm(value: &Object, base: &Object, precision: &Object) -> Fallible<Object> {
    let digits = num_traits::ToPrimitive::to_i64(&index(&to_int(precision)?)?).filter(|d| *d <= MAX_DIGITS);
    let Some(digits) = digits else {
        return Err(Exception::unsupported(format!("a logarithm of more than {MAX_DIGITS} digits")));
    };
    let bits = precision_bits(digits.max(-1));
    let (value, base) = (real(value, bits)?, real(base, bits)?);
    let printed = |text: String| result(Object::Printed(text.into()));
    let mpf = |text: &str| printed(format!("mpf('{text}')"));
    let (value, base) = match (value, base) {
        (Real::Nan, Real::Finite(b)) if !b.is_zero() && !b.is_negative() && !b.ln(bits).is_zero() => {
            return mpf("nan");
        }
        (Real::Infinite(true), Real::Finite(b))
            if !b.is_zero() && !b.is_negative() && !b.ln(bits).is_zero() =>
        {
            return mpf(if b.ln(bits).is_negative() { "-inf" } else { "inf" });
        }
        (Real::Finite(v), Real::Infinite(true)) if !v.is_zero() && !v.is_negative() => return mpf("0.0"),
        (Real::Finite(v), Real::Finite(b)) => (v, b),
        _ => return Err(Exception::unsupported("logarithms of infinities and NaN in this combination")),
    };
    if base.is_zero() {
        return if value.is_zero() {
            mpf("nan")
        } else if value.is_negative() {
            Err(Exception::unsupported("a complex logarithm to base 0"))
        } else {
            mpf("0.0")
        };
    }
    if base.is_negative() {
        return Err(Exception::unsupported("a logarithm to a negative base"));
    }
    let scale = base.ln(bits);
    if scale.is_zero() {
        return Err(Exception::other(""));
    }
    if value.is_zero() {
        return mpf(if scale.is_negative() { "+inf" } else { "-inf" }.trim_start_matches('+'));
    }
    let real = value.magnitude().ln(bits).divide(&scale, bits).print(bits);
    if !value.is_negative() {
        return mpf(&real);
    }
    let imaginary = Binary::pi(bits).divide(&scale, bits).print(bits);
    printed(format!("mpc(real='{real}', imag='{imaginary}')"))
}
