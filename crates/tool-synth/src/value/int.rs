//! Integers without a bound, small ones in a machine word.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt;
use num_traits::{FromPrimitive, ToPrimitive, Zero};

/// An integer. [`Big`](Self::Big) holds only what does not fit in [`Small`](Self::Small): build it with `From`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Int {
    /// 64 bits.
    Small(i64),
    /// More than 64 bits.
    Big(Box<BigInt>),
}

impl Int {
    /// The machine word, if it fits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Small(value) = self { Some(*value) } else { None }
    }

    /// The nearest float, ties to even; nothing if it overflows, as Python's `float()` raises then.
    pub fn to_f64(&self) -> Option<f64> {
        match self {
            Self::Small(value) => Some(*value as f64),
            // The decimal reader rounds correctly; BigInt's own conversion truncates in some versions.
            Self::Big(value) => {
                if value.bits() > 1100 {
                    return None;
                }
                value.to_string().parse().ok().filter(|value: &f64| value.is_finite())
            }
        }
    }

    /// As a big integer.
    pub fn to_big(&self) -> BigInt {
        match self {
            Self::Small(value) => BigInt::from(*value),
            Self::Big(value) => (**value).clone(),
        }
    }

    /// The integer that a finite float holds after cutting its fraction.
    pub fn from_f64(value: f64) -> Option<Self> {
        if value.abs() < 9e18 {
            return Some(Self::Small(value as i64));
        }
        BigInt::from_f64(value).map(Self::from)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::Small(0)
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        match self {
            Self::Small(value) => *value < 0,
            Self::Big(value) => value.sign() == num_bigint::Sign::Minus,
        }
    }

    /// The number with the other sign.
    pub fn negate(&self) -> Self {
        match self {
            Self::Small(value) => {
                value.checked_neg().map_or_else(|| Self::from(-BigInt::from(*value)), Self::Small)
            }
            Self::Big(value) => Self::from(-(**value).clone()),
        }
    }

    /// Whether the float has exactly this value.
    pub fn equals_float(&self, float: f64) -> bool {
        if !float.is_finite() || float.fract() != 0.0 {
            return false;
        }
        match self {
            // Up to 2^53 the conversion is exact.
            Self::Small(value) if value.unsigned_abs() <= 1 << 53 => *value as f64 == float,
            _ => Self::from_f64(float).is_some_and(|other| other == *self),
        }
    }
}

impl From<i64> for Int {
    fn from(value: i64) -> Self {
        Self::Small(value)
    }
}

impl From<BigInt> for Int {
    fn from(value: BigInt) -> Self {
        if value.is_zero() {
            return Self::Small(0);
        }
        value.to_i64().map_or_else(|| Self::Big(Box::new(value)), Self::Small)
    }
}

impl FromStr for Int {
    type Err = num_bigint::ParseBigIntError;

    /// Decimal digits with an optional sign.
    fn from_str(digits: &str) -> Result<Self, Self::Err> {
        digits.parse().map(Self::Small).or_else(|_| digits.parse::<BigInt>().map(Self::from))
    }
}

impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Int {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Small(a), Self::Small(b)) => a.cmp(b),
            _ => self.to_big().cmp(&other.to_big()),
        }
    }
}

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small(value) => write!(f, "{value}"),
            Self::Big(value) => write!(f, "{value}"),
        }
    }
}
