//! Semantic types of values: what they look like in a schema, how they are drawn, and how people say them.

use std::collections::HashMap;

use rand::RngExt;
use rec_core::Json;
use rec_core::json::Object;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::words;

/// A semantic type.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A city's name.
    City,
    /// A country's name.
    Country,
    /// A person's full name.
    Person,
    /// An e-mail address.
    Email,
    /// A phone number with country code.
    Phone,
    /// A web address.
    Url,
    /// A calendar day, `2026-03-14`.
    Date,
    /// A time of day, `14:30`.
    Time,
    /// An ISO 4217 code.
    Currency,
    /// An identifier such as `FL-48213`.
    Identifier(String),
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A number within bounds, in tenths.
    Number(f64, f64),
    /// One of a few named values.
    Choice(Vec<String>),
    /// Yes or no.
    Flag,
    /// A word or name out of an open list.
    Word(Vec<String>),
    /// A title, which people put in quotation marks.
    Title(Vec<String>),
    /// Names with quantities: a list of objects.
    Items(Vec<String>),
    /// Names with ages: a list of objects.
    People,
    /// Points: a list of pairs of numbers.
    Route,
    /// Rows of numbers: a list of lists.
    Grid,
    /// Opening and closing time by day: an object of objects.
    Week,
}

/// How values are written out in a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// How dates look: 0 `14 March 2026`, 1 `March 14, 2026`, 2 `2026-03-14`.
    pub date: u8,
    /// Small numbers as words.
    pub number_words: bool,
    /// Currencies by name instead of code.
    pub currency_names: bool,
    /// Times as `2:30 pm`.
    pub twelve_hours: bool,
}

/// The days of a week, as keys of opening hours.
pub const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Kind {
    /// Reads a kind as the grammar writes it: `city`, `int:1:9`, `one:a,b`, `word:LIST`.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str, lists: &HashMap<String, Vec<String>>) -> std::result::Result<Self, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let list =
            || lists.get(rest).filter(|list| !list.is_empty()).cloned().ok_or(format!("unknown list {rest}"));
        let bounds = || -> std::result::Result<(f64, f64), String> {
            let (low, high) = rest.split_once(':').ok_or("a number needs two bounds")?;
            let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
            let (low, high): (f64, f64) = (number(low)?, number(high)?);
            if low < high { Ok((low, high)) } else { Err(format!("{low} is not below {high}")) }
        };
        Ok(match name {
            "city" => Self::City,
            "country" => Self::Country,
            "person" => Self::Person,
            "email" => Self::Email,
            "phone" => Self::Phone,
            "url" => Self::Url,
            "date" => Self::Date,
            "time" => Self::Time,
            "currency" => Self::Currency,
            "flag" => Self::Flag,
            "people" => Self::People,
            "route" => Self::Route,
            "grid" => Self::Grid,
            "week" => Self::Week,
            "int" => {
                let (low, high) = bounds()?;
                Self::Integer(low as i64, high as i64)
            }
            "num" => {
                let (low, high) = bounds()?;
                Self::Number(low, high)
            }
            "one" => Self::Choice(rest.split(',').map(|word| word.trim().to_owned()).collect()),
            "word" => Self::Word(list()?),
            "title" => Self::Title(list()?),
            "items" => Self::Items(list()?),
            other => return Err(format!("unknown kind {other}")),
        })
    }

    /// Whether a value is a list or an object.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::Items(_) | Self::People | Self::Route | Self::Grid | Self::Week)
    }

    /// The JSON Schema of a value, without a description.
    pub fn schema(&self) -> Object {
        let mut schema = Object::new();
        let mut set = |name: &str, value: Json| {
            schema.insert(name.to_owned(), value);
        };
        let of = |kind: &str| Json::from(kind);
        match self {
            Self::City | Self::Country | Self::Person | Self::Word(_) | Self::Title(_) => {
                set("type", of("string"));
            }
            Self::Email => {
                set("type", of("string"));
                set("format", of("email"));
            }
            Self::Url => {
                set("type", of("string"));
                set("format", of("uri"));
            }
            Self::Date => {
                set("type", of("string"));
                set("format", of("date"));
            }
            Self::Phone => pattern(&mut set, r"^\+[0-9]{8,14}$", "+4915223344556"),
            Self::Time => pattern(&mut set, "^[0-2][0-9]:[0-5][0-9]$", "14:30"),
            Self::Currency => pattern(&mut set, "^[A-Z]{3}$", "EUR"),
            Self::Identifier(prefix) => {
                pattern(&mut set, &format!("^{prefix}-[0-9]{{5}}$"), &format!("{prefix}-10482"));
            }
            Self::Integer(low, high) => {
                set("type", of("integer"));
                set("minimum", Json::from(*low));
                set("maximum", Json::from(*high));
            }
            Self::Number(low, high) => {
                set("type", of("number"));
                set("minimum", Json::from(*low));
                set("maximum", Json::from(*high));
            }
            Self::Choice(values) => {
                set("type", of("string"));
                set("enum", Json::from(values.clone()));
            }
            Self::Flag => set("type", of("boolean")),
            Self::Items(_) => {
                set("type", of("array"));
                set(
                    "items",
                    record(&[("name", "string", "Name of the article"), ("quantity", "integer", "How many")]),
                );
            }
            Self::People => {
                set("type", of("array"));
                set("items", record(&[("name", "string", "Full name"), ("age", "integer", "Age in years")]));
            }
            Self::Route | Self::Grid => {
                let number: Json = [("type", of("number"))].into_iter().collect();
                let row: Json = [("type", of("array")), ("items", number)].into_iter().collect();
                set("type", of("array"));
                set("items", row);
            }
            Self::Week => {
                set("type", of("object"));
                let hours = record(&[
                    ("open", "string", "Opening time, 24 hours"),
                    ("close", "string", "Closing time, 24 hours"),
                ]);
                set("additionalProperties", hours);
            }
        }
        schema
    }

    /// A value.
    pub fn sample(&self, random: &mut Random) -> Json {
        match self {
            Self::City => Json::from(*pick(words::CITIES, random)),
            Self::Country => Json::from(*pick(words::COUNTRIES, random)),
            Self::Person => Json::from(person(random)),
            Self::Email => {
                let name = person(random).to_lowercase().replace(' ', ".");
                Json::from(format!("{name}@{}", pick(words::MAIL_HOSTS, random)))
            }
            Self::Phone => {
                let country = pick(words::PHONE_CODES, random);
                Json::from(format!("+{country}{}", random.random_range(100_000_000_u64..999_999_999)))
            }
            Self::Url => {
                let (a, b) = (pick(words::SITE_WORDS, random), pick(words::SITE_WORDS, random));
                Json::from(format!("https://www.{a}-{b}.example"))
            }
            Self::Date => {
                let day = random.random_range(0..300_u16);
                Json::from(date_after(day))
            }
            Self::Time => {
                let hour: u8 = random.random_range(7..21);
                Json::from(format!("{hour:02}:{:02}", pick(&[0_u8, 15, 30, 45], random)))
            }
            Self::Currency => Json::from(pick(words::CURRENCIES, random).0),
            Self::Identifier(prefix) => {
                Json::from(format!("{prefix}-{:05}", random.random_range(10_000..99_999)))
            }
            Self::Integer(low, high) => {
                let value: i64 = random.random_range(*low..=*high);
                // People name round figures.
                let step = if *high > 1_000 {
                    500
                } else if *high > 100 {
                    10
                } else {
                    1
                };
                Json::from((value / step * step).max(*low))
            }
            Self::Number(low, high) => {
                let value: f64 = random.random_range(*low..=*high);
                let step = if *high > 1_000.0 {
                    25.0
                } else if *high > 150.0 {
                    5.0
                } else {
                    0.5
                };
                Json::from(((value / step).round() * step).clamp(*low, *high))
            }
            Self::Choice(values) | Self::Word(values) | Self::Title(values) => {
                Json::from(pick(values, random).as_str())
            }
            Self::Flag => Json::from(random.random_bool(0.75)),
            Self::Items(list) => {
                let count = random.random_range(1..=3.min(list.len()));
                let names = distinct(list, count, random);
                let item = |name: &String, random: &mut Random| -> Json {
                    [
                        ("name", Json::from(name.as_str())),
                        ("quantity", Json::from(random.random_range(2..13_i64))),
                    ]
                    .into_iter()
                    .collect()
                };
                Json::Array(names.into_iter().map(|name| item(name, random)).collect())
            }
            Self::People => {
                let count = random.random_range(1..=3);
                let mut names: Vec<String> = Vec::new();
                while names.len() < count {
                    let name = person(random);
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                let someone = |name: String, random: &mut Random| -> Json {
                    [("name", Json::from(name)), ("age", Json::from(random.random_range(4..80_i64)))]
                        .into_iter()
                        .collect()
                };
                Json::Array(names.into_iter().map(|name| someone(name, random)).collect())
            }
            Self::Route => {
                let (lat, lon) = (random.random_range(38.0..58.0), random.random_range(-8.0..24.0));
                let count = random.random_range(2..=4);
                let point = |random: &mut Random| {
                    let near = |at: f64, random: &mut Random| {
                        let moved: f64 = at + random.random_range(-1.0..1.0);
                        Json::from((moved * 100.0).round() / 100.0)
                    };
                    Json::Array(vec![near(lat, random), near(lon, random)])
                };
                Json::Array((0..count).map(|_| point(random)).collect())
            }
            Self::Grid => {
                let (rows, columns) = (random.random_range(2..=3), random.random_range(2..=4));
                let cell = |random: &mut Random| {
                    let value: f64 = random.random_range(1.0..40.0);
                    Json::from((value * 10.0).round() / 10.0)
                };
                Json::Array(
                    (0..rows).map(|_| Json::Array((0..columns).map(|_| cell(random)).collect())).collect(),
                )
            }
            Self::Week => {
                let first = random.random_range(0..5_usize);
                let count = random.random_range(1..=2);
                DAYS[first..first + count]
                    .iter()
                    .map(|day| {
                        let open: u8 = random.random_range(7..11);
                        let close: u8 = random.random_range(15..21);
                        let hours: Json = [
                            ("open", Json::from(format!("{open:02}:00"))),
                            ("close", Json::from(format!("{close:02}:00"))),
                        ]
                        .into_iter()
                        .collect();
                        (*day, hours)
                    })
                    .collect()
            }
        }
    }

    /// How a person says `value`.
    pub fn say(&self, value: &Json, wording: Wording) -> String {
        let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match self {
            Self::Date => say_date(&text(), wording.date),
            Self::Time if wording.twelve_hours => twelve_hours(&text()),
            Self::Currency if wording.currency_names => {
                let code = text();
                words::CURRENCIES
                    .iter()
                    .find(|(known, _)| *known == code)
                    .map_or(code, |(_, name)| (*name).to_owned())
            }
            Self::Integer(..) if wording.number_words => value
                .as_i64()
                .and_then(|number| words::NUMBERS.get(usize::try_from(number).ok()?))
                .map_or_else(text, |word| (*word).to_owned()),
            Self::Number(..) => plain_number(value),
            Self::Choice(_) => text().replace('_', "-"),
            Self::Title(_) => format!("\"{}\"", text()),
            Self::Items(_) => {
                say_all(value, |item| format!("{} {}", member(item, "quantity"), member(item, "name")))
            }
            Self::People => {
                say_all(value, |item| format!("{} ({})", member(item, "name"), member(item, "age")))
            }
            Self::Route | Self::Grid => say_all(value, |row| {
                let cells: Vec<String> =
                    row.as_array().unwrap_or_default().iter().map(plain_number).collect();
                format!("({})", cells.join(", "))
            }),
            Self::Week => {
                let days: Vec<String> = value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(day, hours)| {
                        format!("{day} {} to {}", member(hours, "open"), member(hours, "close"))
                    })
                    .collect();
                join_and(&days)
            }
            _ => text(),
        }
    }
}

fn pattern(set: &mut impl FnMut(&str, Json), regex: &str, example: &str) {
    set("type", Json::from("string"));
    set("pattern", Json::from(regex));
    set("examples", Json::Array(vec![Json::from(example)]));
}

fn record(members: &[(&str, &str, &str)]) -> Json {
    let property = |kind: &str, description: &str| -> Json {
        [("type", Json::from(kind)), ("description", Json::from(description))].into_iter().collect()
    };
    let properties: Json =
        members.iter().map(|(name, kind, description)| (*name, property(kind, description))).collect();
    let required: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
    [("type", Json::from("object")), ("properties", properties), ("required", Json::from(required))]
        .into_iter()
        .collect()
}

fn member(value: &Json, name: &str) -> String {
    value.get(name).map_or_else(String::new, |value| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    })
}

fn say_all(value: &Json, say: impl Fn(&Json) -> String) -> String {
    join_and(&value.as_array().unwrap_or_default().iter().map(say).collect::<Vec<_>>())
}

/// `a, b and c`.
pub fn join_and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// One of `list`.
pub fn pick<'a, T>(list: &'a [T], random: &mut Random) -> &'a T {
    &list[random.random_range(0..list.len())]
}

/// `count` different ones of `list`, in random order.
pub fn distinct<'a, T>(list: &'a [T], count: usize, random: &mut Random) -> Vec<&'a T> {
    let mut order: Vec<&T> = list.iter().collect();
    let count = count.min(order.len());
    for at in 0..count {
        let other = random.random_range(at..order.len());
        order.swap(at, other);
    }
    order.truncate(count);
    order
}

fn person(random: &mut Random) -> String {
    format!("{} {}", pick(words::FIRST_NAMES, random), pick(words::LAST_NAMES, random))
}

/// A float as people write it: without a fraction that is zero.
fn plain_number(value: &Json) -> String {
    match value.as_f64() {
        Some(number) if number == number.trunc() && number.abs() < 1e15 => format!("{number:.0}"),
        _ => value.to_string(),
    }
}

const MONTH_DAYS: [u16; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The day `days` after 1 February 2026, within that year.
pub fn date_after(days: u16) -> String {
    let mut day = days + 31;
    let mut month = 0;
    while day >= MONTH_DAYS[month % 12] {
        day -= MONTH_DAYS[month % 12];
        month += 1;
    }
    format!("{}-{:02}-{:02}", 2026 + month / 12, month % 12 + 1, day + 1)
}

/// A date in one of three forms.
pub fn say_date(iso: &str, form: u8) -> String {
    let mut parts = iso.split('-').map(str::parse::<usize>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) = (parts.next(), parts.next(), parts.next()) else {
        return iso.to_owned();
    };
    match (form, words::MONTHS.get(month.wrapping_sub(1))) {
        (0, Some(name)) => format!("{day} {name} {year}"),
        (1, Some(name)) => format!("{name} {day}, {year}"),
        _ => iso.to_owned(),
    }
}

fn twelve_hours(time: &str) -> String {
    let Some((hour, minute)) = time.split_once(':') else { return time.to_owned() };
    match hour.parse::<u8>() {
        Ok(0) => format!("12:{minute} am"),
        Ok(hour @ 1..=11) => format!("{hour}:{minute} am"),
        Ok(12) => format!("12:{minute} pm"),
        Ok(hour @ 13..=23) => format!("{}:{minute} pm", hour - 12),
        _ => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_of_the_calendar() {
        assert_eq!(date_after(0), "2026-02-01");
        assert_eq!(date_after(28), "2026-03-01");
        assert_eq!(date_after(333), "2026-12-31");
        assert_eq!(date_after(334), "2027-01-01");
        assert_eq!(say_date("2026-03-04", 0), "4 March 2026");
        assert_eq!(say_date("2026-03-04", 1), "March 4, 2026");
    }

    #[test]
    fn values_fit_their_own_schema() {
        let list = vec!["a".to_owned(), "b c".to_owned()];
        let kinds = [
            Kind::City,
            Kind::Country,
            Kind::Person,
            Kind::Email,
            Kind::Phone,
            Kind::Url,
            Kind::Date,
            Kind::Time,
            Kind::Currency,
            Kind::Identifier("FL".into()),
            Kind::Integer(2, 6),
            Kind::Number(0.5, 60.0),
            Kind::Choice(list.clone()),
            Kind::Flag,
            Kind::Word(list.clone()),
            Kind::Title(list.clone()),
            Kind::Items(list),
            Kind::People,
            Kind::Route,
            Kind::Grid,
            Kind::Week,
        ];
        for kind in kinds {
            let schema = Json::Object(kind.schema());
            for index in 0..200 {
                let value = kind.sample(&mut rec_core::random::stream(1, "kind", index));
                assert_eq!(crate::schema::violations(&value, &schema), [], "{kind:?} {value}");
                assert!(!kind.say(&value, Wording::default()).is_empty());
            }
        }
    }
}
