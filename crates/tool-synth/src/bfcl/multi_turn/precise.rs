//! The two arbitrary-precision results of `MathAPI`: a logarithm as mpmath prints it, a square root as `decimal` does.

use num_bigint::{BigInt, BigUint};
use num_traits::{One, Signed, ToPrimitive, Zero};

/// A binary floating-point number `mantissa * 2^exponent`.
#[derive(Clone, Debug)]
pub(super) struct Binary {
    mantissa: BigInt,
    exponent: i64,
}

/// Bits in a decimal digit, as mpmath has it.
const BITS_PER_DIGIT: f64 = 3.321_928_094_887_362_6;

/// Bits kept for this many decimal digits.
pub(super) fn precision_bits(digits: i64) -> u64 {
    (((digits + 1) as f64 * BITS_PER_DIGIT).round_ties_even()).max(1.0) as u64
}

/// Digits that tell numbers of this many bits apart.
fn printed_digits(bits: u64) -> usize {
    let digits = ((bits as f64 / BITS_PER_DIGIT).round_ties_even() - 1.0).max(1.0) as usize;
    if digits == 15 { 17 } else { digits + 3 }
}

/// `n / d` to so many bits, to nearest, ties to even. `d` is positive.
fn quotient(n: &BigInt, d: &BigInt, bits: u64) -> Binary {
    if n.is_zero() {
        return Binary { mantissa: BigInt::zero(), exponent: 0 };
    }
    let shift = (bits as i64 + 2 - (n.bits() as i64 - d.bits() as i64)).max(0);
    let (a, b) = (n.magnitude() << shift as u64, d.magnitude());
    let (q, r) = (&a / b, &a % b);
    let sticky = if r.is_zero() { BigUint::zero() } else { BigUint::one() };
    let exact = (q << 1u8) | sticky;
    let number = rounded(&BigInt::from(exact), -shift - 1, bits);
    if n.is_negative() { Binary { mantissa: -number.mantissa, ..number } } else { number }
}

fn rounded(mantissa: &BigInt, exponent: i64, bits: u64) -> Binary {
    let magnitude = mantissa.magnitude();
    let drop = magnitude.bits().saturating_sub(bits);
    if drop == 0 {
        return Binary { mantissa: mantissa.clone(), exponent };
    }
    let mut kept = magnitude >> drop;
    let rest = magnitude - (&kept << drop);
    let half = BigUint::one() << (drop - 1);
    if rest > half || (rest == half && kept.bit(0)) {
        kept += 1u8;
    }
    Binary { mantissa: BigInt::from_biguint(mantissa.sign(), kept), exponent: exponent + drop as i64 }
}

impl Binary {
    pub(super) fn integer(value: BigInt) -> Self {
        Binary { mantissa: value, exponent: 0 }
    }

    /// A finite float.
    pub(super) fn float(value: f64) -> Self {
        let bits = value.to_bits();
        let biased = (bits >> 52 & 0x7ff) as i64;
        let fraction = bits & ((1 << 52) - 1);
        let (m, e) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
        let mantissa = BigInt::from(m);
        Binary { mantissa: if value < 0.0 { -mantissa } else { mantissa }, exponent: e }
    }

    /// A plain decimal literal, rounded to so many bits; nothing if the text is no such.
    pub(super) fn text(text: &str, bits: u64) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let n: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let d = num_traits::Pow::pow(BigInt::from(10), fraction.len());
        Some(quotient(&if negative { -n } else { n }, &d, bits))
    }

    pub(super) fn is_zero(&self) -> bool {
        self.mantissa.is_zero()
    }
    pub(super) fn is_negative(&self) -> bool {
        self.mantissa.is_negative()
    }
    pub(super) fn magnitude(&self) -> Self {
        Binary { mantissa: self.mantissa.abs(), exponent: self.exponent }
    }

    /// `self / other` to so many bits; `other` is not zero.
    pub(super) fn divide(&self, other: &Binary, bits: u64) -> Binary {
        let sign = if other.is_negative() { -BigInt::one() } else { BigInt::one() };
        let q = quotient(&(&self.mantissa * sign), &other.mantissa.abs(), bits);
        Binary { mantissa: q.mantissa, exponent: q.exponent + self.exponent - other.exponent }
    }

    /// The natural logarithm of a positive number to so many bits.
    pub(super) fn ln(&self, bits: u64) -> Binary {
        // self = y * 2^k with y in [1/2, 1); shifted to [3/4, 3/2) so that y near 1 does not cancel.
        let size = self.mantissa.bits() as i64;
        let mut work = bits as i64 + 80;
        loop {
            let one = BigInt::one() << work as u64;
            let shift = work - size;
            let mut y =
                if shift >= 0 { &self.mantissa << shift as u64 } else { &self.mantissa >> (-shift) as u64 };
            let mut k = self.exponent + size;
            if (&y << 2u8) < &one * 3 {
                y <<= 1u8;
                k -= 1;
            }
            // Below the working precision nothing may get lost where y is close to 1.
            let z = ((&y - &one) << work as u64) / (&y + &one);
            let mut sum = inverse_hyperbolic_tangent(z, work) << 1u8;
            if k != 0 {
                let third = &one / 3;
                sum += (inverse_hyperbolic_tangent(third, work) << 1u8) * k;
            }
            let exact_one = k == 0 && y == one && (shift >= 0 || (&y << (-shift) as u64) == self.mantissa);
            if exact_one {
                return Binary { mantissa: BigInt::zero(), exponent: 0 };
            }
            if sum.bits() as i64 >= bits as i64 + 40 {
                return rounded(&sum, -work, bits);
            }
            work += (bits as i64 + 48) - sum.bits() as i64 + 64;
        }
    }

    /// Pi to so many bits.
    pub(super) fn pi(bits: u64) -> Binary {
        let work = bits as i64 + 64;
        let one = BigInt::one() << work as u64;
        let arctangent = |n: i64| {
            let (mut term, mut sum, mut i) = (&one / n, &one / n, 1i64);
            while !term.is_zero() {
                term = -term / (n * n);
                i += 2;
                sum += &term / i;
            }
            sum
        };
        let pi = (arctangent(5) * 4 - arctangent(239)) * 4;
        rounded(&pi, -work, bits)
    }

    /// The text that mpmath prints for numbers of so many bits.
    pub(super) fn print(&self, bits: u64) -> String {
        if self.is_zero() {
            return "0.0".into();
        }
        let digits = printed_digits(bits);
        let m = self.mantissa.magnitude();
        // Scale to at least ten digits more than are shown; what lies beyond is cut, as the original does.
        let approximate = ((m.bits() as i64 + self.exponent) as f64 / BITS_PER_DIGIT).floor() as i64;
        let scale = digits as i64 + 12 - approximate;
        let ten = |n: i64| num_traits::Pow::pow(BigUint::from(10u8), n as u64);
        let (mut n, mut d) = (m.clone(), BigUint::one());
        if scale >= 0 {
            n *= ten(scale)
        } else {
            d *= ten(-scale)
        }
        if self.exponent >= 0 {
            n <<= self.exponent as u64
        } else {
            d <<= (-self.exponent) as u64
        }
        let text = (n / d).to_string();
        let mut exponent = text.len() as i64 - 1 - scale;
        let up = text.as_bytes()[digits] >= b'5';
        let mut shown: BigUint = text[..digits].parse().unwrap_or_default();
        if up {
            shown += 1u8;
        }
        let mut shown = shown.to_string();
        if shown.len() > digits {
            shown.truncate(digits);
            exponent += 1;
        }
        let low = (-(digits as i64 / 3)).min(-5);
        let mut split = 1;
        let fixed = low < exponent && exponent < digits as i64;
        if fixed {
            if exponent < 0 {
                shown = "0".repeat((-exponent) as usize) + &shown;
            } else {
                split = exponent as usize + 1;
            }
        }
        let mut out = format!("{}.{}", &shown[..split], &shown[split..]);
        out.truncate(out.trim_end_matches('0').len());
        if out.ends_with('.') {
            out.push('0');
        }
        if !fixed && exponent != 0 {
            out.push_str(&format!("e{exponent:+}"));
        }
        if self.is_negative() { format!("-{out}") } else { out }
    }
}

/// `atanh(z)` in fixed point.
fn inverse_hyperbolic_tangent(z: BigInt, work: i64) -> BigInt {
    let square = (&z * &z) >> work as u64;
    let (mut power, mut sum, mut i) = (z.clone(), z, 1i64);
    while !power.is_zero() {
        power = if power.is_negative() {
            -((-power * &square) >> work as u64)
        } else {
            (power * &square) >> work as u64
        };
        i += 2;
        sum += &power / i;
    }
    sum
}

/// The square root of a non-negative number to `digits` significant digits, ties to even, printed as `decimal` prints it.
pub(super) fn decimal_square_root(value: &Binary, negative_zero: bool, digits: u64) -> String {
    if value.is_zero() {
        return if negative_zero { "-0".into() } else { "0".into() };
    }
    // As an exact decimal n * 10^e.
    let mut n = value.mantissa.magnitude().clone();
    let mut e = 0i64;
    if value.exponent >= 0 {
        n <<= value.exponent as u64;
    } else {
        let mut k = (-value.exponent) as u64;
        let twos = n.trailing_zeros().unwrap_or(0).min(k);
        n >>= twos;
        k -= twos;
        n *= num_traits::Pow::pow(BigUint::from(5u8), k);
        e = -(k as i64);
    }
    let ideal = e.div_euclid(2);
    if e % 2 != 0 {
        n *= 10u8;
        e -= 1;
    }
    let ten = |n: u64| num_traits::Pow::pow(BigUint::from(10u8), n);
    // One digit more than wanted decides the rounding; the rest only whether it is exact.
    let have = (n.to_string().len() as i64 + 1) / 2;
    let more = digits as i64 + 1 - have;
    let (root, exact) = if more >= 0 {
        let scaled = &n * ten(2 * more as u64);
        let root = scaled.sqrt();
        let exact = &root * &root == scaled;
        (root, exact)
    } else {
        let unit = ten(2 * (-more) as u64);
        let scaled = &n / &unit;
        let root = scaled.sqrt();
        let exact = &root * &root * unit == n;
        (root, exact)
    };
    let mut exponent = e / 2 - more;
    let (mut kept, last) = (&root / 10u8, (&root % 10u8).to_u8().unwrap_or(0));
    exponent += 1;
    let tie = last == 5 && exact;
    if last > 5 || (last == 5 && !exact) || (tie && kept.bit(0)) {
        kept += 1u8;
    }
    if exact && last == 0 {
        // An exact result takes the ideal exponent as far as its digits allow.
        while exponent < ideal && (&kept % 10u8).is_zero() {
            kept /= 10u8;
            exponent += 1;
        }
        while exponent > ideal && (kept.to_string().len() as u64) < digits {
            kept *= 10u8;
            exponent -= 1;
        }
    } else if kept.to_string().len() as u64 > digits {
        kept /= 10u8;
        exponent += 1;
    }
    print_decimal(&kept.to_string(), exponent)
}

/// `decimal`'s scientific string.
fn print_decimal(digits: &str, exponent: i64) -> String {
    let adjusted = exponent + digits.len() as i64 - 1;
    if exponent <= 0 && adjusted >= -6 {
        let point = digits.len() as i64 + exponent;
        return if exponent == 0 {
            digits.into()
        } else if point > 0 {
            format!("{}.{}", &digits[..point as usize], &digits[point as usize..])
        } else {
            format!("0.{}{digits}", "0".repeat((-point) as usize))
        };
    }
    let fraction = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
    format!("{}{fraction}E{adjusted:+}", &digits[..1])
}
