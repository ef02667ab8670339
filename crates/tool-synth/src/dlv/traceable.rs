//! Whether a value can have come out of a text.
//!
//! From the value to the text: how could somebody have said it? The solver goes the other way, so that the two do not share
//! their mistakes.

use rec_core::Json;

use crate::engine::solver::MONTHS;

/// `text` must be normalised by [`normal`].
fn says(text: &str, phrase: &str) -> bool {
    let phrase = normal(phrase);
    if phrase.trim().is_empty() {
        return true;
    }
    // Whole words: 2 is not said by 12.
    text.contains(&format!(" {} ", phrase.trim()))
}

/// Lower case; everything but letters, digits and the marks inside of values becomes one blank.
pub fn normal(text: &str) -> String {
    let mut out = String::from(" ");
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let inner = |other: Option<&char>| other.is_some_and(|letter| letter.is_alphanumeric());
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let keeps = letter.is_alphanumeric()
            || matches!(letter, '+' | '@' | '&')
            || (matches!(letter, '.' | ':' | '/' | '\'') && inner(before) && inner(letters.get(at + 1)))
            || (*letter == '-'
                && inner(letters.get(at + 1))
                && !before.is_some_and(|before| before.is_alphanumeric()));
        if keeps {
            out.extend(letter.to_lowercase());
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}

const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

const CURRENCIES: &[(&str, &[&str])] = &[
    ("EUR", &["euro", "euros"]),
    ("USD", &["dollar", "dollars", "us dollars"]),
    ("GBP", &["pound", "pounds"]),
    ("JPY", &["yen"]),
    ("CHF", &["franc", "francs"]),
    ("CAD", &["canadian dollars"]),
    ("AUD", &["australian dollars"]),
    ("SEK", &["swedish kronor", "swedish krona"]),
    ("NOK", &["norwegian kroner", "norwegian krone"]),
    ("PLN", &["zloty", "polish zloty"]),
    ("INR", &["rupees", "indian rupees"]),
    ("MXN", &["mexican pesos", "pesos"]),
];

/// Whether the value of the parameter `name` can have come out of `text` (as [`normal`] gives it): said as it is, as a number
/// word, as a date or time in another form, as the name of a currency; a truth value by the parameter's words.
pub fn is_traceable(name: &str, value: &Json, text: &str) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(_) => crate::engine::solver::words_of(name)
            .iter()
            .filter(|word| !matches!(word.as_str(), "is" | "has" | "only" | "include" | "with" | "allow"))
            .any(|word| {
                let stem: String = word.chars().take(word.len().saturating_sub(2).max(3)).collect();
                text.contains(&format!(" {stem}"))
            }),
        Json::Number(number) => {
            let value = number.as_f64();
            let mut forms = vec![number.to_string()];
            if value == value.trunc() && value.abs() < 1e15 {
                forms.push(format!("{value:.0}"));
                if let Some(word) = usize::try_from(value as i64).ok().and_then(|at| NUMBERS.get(at)) {
                    forms.push((*word).to_owned());
                }
            }
            forms.iter().any(|form| says(text, form))
        }
        Json::String(value) => {
            if says(text, value) || says(text, &value.replace(['_', '-'], " ")) {
                return true;
            }
            if let Some(forms) = dates(value) {
                return forms.iter().any(|form| says(text, form));
            }
            if let Some((bare, halves)) = times(value) {
                // "2:30" before noon is not said by "2:30 pm".
                let afternoon = text.contains(&format!(" {bare} pm "));
                let morning = !value.starts_with('1') && !value.starts_with('2');
                return halves.iter().any(|form| says(text, form))
                    || (says(text, &bare) && !(afternoon && morning));
            }
            CURRENCIES.iter().any(|(code, names)| code == value && names.iter().any(|name| says(text, name)))
        }
        Json::Array(items) => items.iter().all(|item| is_traceable(name, item, text)),
        Json::Object(members) => members.iter().all(|(member, value)| {
            // The days of opening hours are keys.
            let day = !member.ends_with("day") || says(text, member);
            day && is_traceable(member, value, text)
        }),
    }
}

fn dates(value: &str) -> Option<Vec<String>> {
    if !crate::schema::has_format(value, "date") {
        return None;
    }
    let part = |from: usize, to: usize| value.get(from..to)?.parse::<usize>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let name = MONTHS.get(month.checked_sub(1)?)?;
    let short = &name[..3];
    Some(vec![
        format!("{day} {name} {year}"),
        format!("{name} {day} {year}"),
        format!("{day} {short} {year}"),
        format!("{short} {day} {year}"),
        format!("{day} {month} {year}"),
    ])
}

/// The time as 24 hours without a leading zero, and its forms of twelve hours.
fn times(value: &str) -> Option<(String, Vec<String>)> {
    if !crate::schema::has_format(value, "time") {
        return None;
    }
    let (hour, minute) = value.split_once(':')?;
    let hour: u32 = hour.parse().ok()?;
    let half = if hour < 12 { "am" } else { "pm" };
    let short = match hour % 12 {
        0 => 12,
        hour => hour,
    };
    let halves = vec![
        format!("{short}:{minute} {half}"),
        format!("{short}:{minute}{half}"),
        format!("{short} {half}"),
    ];
    Some((format!("{hour}:{minute}"), halves))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_as_people_say_them() {
        let text = normal(
            "Fly from New York on March 4, 2026 at 2:30 pm, two seats, paid in US dollars, with breakfast: 12.5 kg",
        );
        for (name, value) in [
            ("origin", r#""New York""#),
            ("date", r#""2026-03-04""#),
            ("time", r#""14:30""#),
            ("seats", "2"),
            ("seats", "2.0"),
            ("currency", r#""USD""#),
            ("breakfast", "true"),
            ("weight", "12.5"),
        ] {
            assert!(is_traceable(name, &value.parse().unwrap(), &text), "{value}");
        }
        for (name, value) in [
            ("origin", r#""York Town""#),
            ("date", r#""2026-03-05""#),
            ("time", r#""02:30""#),
            ("seats", "12"),
            ("seats", "5"),
            ("currency", r#""EUR""#),
            ("parking", "true"),
        ] {
            assert!(!is_traceable(name, &value.parse().unwrap(), &text), "{value}");
        }
    }
}
