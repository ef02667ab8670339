//! Sets of numbers written as intervals.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A union of intervals: `[3,inf)`, `(0,1];[5,5]`. A round bracket leaves the bound out, a square one takes it
/// in; `inf` and `-inf` are numbers; several intervals are joined by `;`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Intervals(Vec<Interval>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Interval {
    low: f64,
    with_low: bool,
    high: f64,
    with_high: bool,
}

impl Intervals {
    /// All numbers from `low` on.
    pub fn at_least(low: f64) -> Self {
        Self(vec![Interval { low, with_low: true, high: f64::INFINITY, with_high: false }])
    }

    /// Whether `value` is in one of the intervals.
    pub fn contains(&self, value: f64) -> bool {
        self.0.iter().any(|interval| {
            let above = value > interval.low || (interval.with_low && value == interval.low);
            let below = value < interval.high || (interval.with_high && value == interval.high);
            above && below
        })
    }

    /// Whether `value` is below every interval.
    pub fn is_above(&self, value: f64) -> bool {
        self.0.iter().all(|interval| value < interval.low || (!interval.with_low && value == interval.low))
    }
}

impl FromStr for Intervals {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed: Option<Vec<Interval>> = text.split(';').map(interval).collect();
        parsed.map(Self).ok_or_else(|| {
            let what = "expected intervals such as [3,inf) or (0,1];[5,5], low before high";
            Error::config("interval", format!("{text:?}: {what}"))
        })
    }
}

fn interval(text: &str) -> Option<Interval> {
    let text = text.trim();
    let with_low = match text.chars().next()? {
        '[' => true,
        '(' => false,
        _ => return None,
    };
    let with_high = match text.chars().last()? {
        ']' => true,
        ')' => false,
        _ => return None,
    };
    let (low, high) = text.get(1..text.len() - 1)?.split_once(',')?;
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| !number.is_nan());
    let (low, high) = (number(low)?, number(high)?);
    let holds_something = low < high || (low == high && with_low && with_high);
    holds_something.then_some(Interval { low, with_low, high, with_high })
}

impl fmt::Display for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, interval) in self.0.iter().enumerate() {
            let separator = if index > 0 { ";" } else { "" };
            let (open, close) =
                (if interval.with_low { '[' } else { '(' }, if interval.with_high { ']' } else { ')' });
            write!(f, "{separator}{open}{},{}{close}", interval.low, interval.high)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Intervals {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Intervals> for String {
    fn from(intervals: Intervals) -> Self {
        intervals.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_unions() {
        let set: Intervals = "[3,5); (7,inf) ;[-1,-1]".parse().unwrap();
        let inside = [3.0, 4.9, 7.1, f64::MAX, -1.0];
        let outside = [2.9, 5.0, 7.0, -1.1, 0.0, f64::INFINITY, f64::NAN];
        assert!(inside.into_iter().all(|value| set.contains(value)));
        assert!(outside.into_iter().all(|value| !set.contains(value)));
        assert_eq!(set.to_string(), "[3,5);(7,inf);[-1,-1]");
        assert_eq!(set.to_string().parse::<Intervals>().unwrap(), set);
        assert!(set.is_above(-2.0) && !set.is_above(0.0));
        assert_eq!(Intervals::at_least(5.0).to_string(), "[5,inf)");
    }

    #[test]
    fn what_is_not_an_interval() {
        for text in [
            "", "3", "[3", "3,4", "[3,4", "[4,3]", "[3,3)", "(3,3)", "[nan,3]", "[1;2]", "[a,b]", "é,é", "[",
            "[1,2];",
        ] {
            assert!(text.parse::<Intervals>().is_err(), "{text}");
        }
    }
}
