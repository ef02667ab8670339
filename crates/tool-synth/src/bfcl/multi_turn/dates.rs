//! The little of Python's `datetime` that the simulated APIs use, without a clock or a time zone.

use super::error::{Exception, Fallible};
use super::object::Object;
use super::text::repr;

/// Year, month, day, hour, minute, second.
pub(super) type Moment = [i64; 6];

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Reads a decimal number as one alternative of the field's pattern: the longest that the pattern takes.
fn number(text: &[char], at: &mut usize, field: char) -> Option<i64> {
    let digit = |i: usize| text.get(i).and_then(|c| crate::value::text::digit_value(*c)).map(i64::from);
    // The patterns' fixed leading digits are ASCII only.
    let plain = |i: usize| text.get(i).filter(|c| c.is_ascii_digit()).map(|c| *c as i64 - 48);
    let i = *at;
    if field == 'Y' {
        let mut year = 0;
        for k in 0..4 {
            year = year * 10 + digit(i + k)?;
        }
        *at += 4;
        return Some(year);
    }
    let (first, second) = (plain(i), digit(i + 1));
    let pair = match (field, first, second) {
        ('m', Some(1), Some(d)) if d <= 2 && plain(i + 1).is_some() => Some(10 + d),
        ('m', Some(0), Some(d)) if d >= 1 && plain(i + 1).is_some() => Some(d),
        ('d', Some(3), Some(d)) if d <= 1 && plain(i + 1).is_some() => Some(30 + d),
        ('d', Some(f @ 1..=2), Some(d)) => Some(f * 10 + d),
        ('d', Some(0), Some(d)) if d >= 1 && plain(i + 1).is_some() => Some(d),
        ('H', Some(2), Some(d)) if d <= 3 && plain(i + 1).is_some() => Some(20 + d),
        ('H', Some(f @ 0..=1), Some(d)) => Some(f * 10 + d),
        ('M', Some(f @ 0..=5), Some(d)) => Some(f * 10 + d),
        ('S', Some(6), Some(d)) if d <= 1 && plain(i + 1).is_some() => Some(60 + d),
        ('S', Some(f @ 0..=5), Some(d)) => Some(f * 10 + d),
        _ => None,
    };
    if let Some(n) = pair {
        *at += 2;
        return Some(n);
    }
    if field == 'd' && text.get(i) == Some(&' ') {
        let n = plain(i + 1).filter(|d| *d >= 1)?;
        *at += 2;
        return Some(n);
    }
    let n = if matches!(field, 'm' | 'd') { first.filter(|d| *d >= 1) } else { digit(i) }?;
    *at += 1;
    Some(n)
}

/// `datetime.strptime(text, format)` for formats of `%Y %m %d %H %M %S` and literal characters.
pub(super) fn parse(text: &Object, format: &str) -> Fallible<Moment> {
    let Object::Str(s) = text else {
        return Err(Exception::type_error(format!(
            "strptime() argument 1 must be str, not {}",
            if matches!(text, Object::None) { "None" } else { text.type_name() }
        )));
    };
    let chars: Vec<char> = s.chars().collect();
    let mut moment: Moment = [1900, 1, 1, 0, 0, 0];
    let mut at = 0;
    let mut directives = format.chars();
    let mismatch =
        || Exception::value_error(format!("time data {} does not match format '{format}'", repr(text)));
    while let Some(c) = directives.next() {
        match c {
            '%' => {
                let field = directives.next().expect("a directive");
                let slot = "YmdHMS".find(field).expect("one of the supported directives");
                moment[slot] = number(&chars, &mut at, field).ok_or_else(mismatch)?;
            }
            ' ' => {
                let from = at;
                while chars.get(at).is_some_and(|c| crate::value::text::is_space(*c)) {
                    at += 1;
                }
                if at == from {
                    return Err(mismatch());
                }
            }
            c => {
                if chars.get(at) != Some(&c) {
                    return Err(mismatch());
                }
                at += 1;
            }
        }
    }
    if at < chars.len() {
        return Err(Exception::value_error(format!(
            "unconverted data remains: {}",
            chars[at..].iter().collect::<String>()
        )));
    }
    if moment[0] < 1 {
        return Err(Exception::value_error("year 0 is out of range"));
    }
    if moment[2] > days_in_month(moment[0], moment[1]) {
        return Err(Exception::value_error("day is out of range for month"));
    }
    if moment[5] > 59 {
        return Err(Exception::value_error("second must be in 0..59"));
    }
    Ok(moment)
}

/// Today's date in UTC: year, month, day.
pub fn today() -> [i64; 3] {
    // Days since 1970 to a date of the Gregorian calendar, counted from 1 March 0000 in cycles of 400 years.
    let seconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let days = (seconds / 86_400) as i64 + 719_468;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    [days / 146_097 * 400 + year_of_era + carry, month, day]
}
