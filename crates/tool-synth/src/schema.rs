//! JSON Schema as tools use it: what is wrong with a value, and what is wrong with a schema.
//!
//! The keywords that occur in tools' parameters are judged: `type`, `enum`, `const`, `minimum`, `maximum`,
//! `exclusiveMinimum`, `exclusiveMaximum`, `multipleOf`, `pattern`, `format` (date, time, date-time, email, uri),
//! `minLength`, `maxLength`, `items`, `minItems`, `maxItems`, `properties`, `required`, `additionalProperties`. The dialects'
//! type names (`dict`, `float`, `tuple`, `any`) are understood.

use std::cell::RefCell;
use std::collections::HashMap;

use rec_core::Json;
use rec_core::json::Object;
use rec_core::tool::dialect::json_type;
use regex::Regex;

/// What kind of rule a value breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A required member is missing.
    Missing,
    /// A member that the schema does not know.
    Unknown,
    /// The wrong type.
    Type,
    /// `enum`, a bound, a pattern, a format or a length.
    Constraint,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The kind.
    pub fault: Fault,
    /// Where, as an RFC 6901 pointer into the value.
    pub path: String,
    /// What was found and what is accepted.
    pub message: String,
}

impl Violation {
    /// How many levels below the top the fault lies: 1 for an argument.
    pub fn depth(&self) -> usize {
        self.path.matches('/').count()
    }
}

/// All that is wrong with `value`. An object with `properties` takes no other members unless `additionalProperties` says so.
pub fn violations(value: &Json, schema: &Json) -> Vec<Violation> {
    let mut found = Vec::new();
    check(value, schema, &mut String::new(), &mut found);
    found
}

/// The type that a schema asks for, by its JSON Schema name; nothing for a schema that takes anything.
pub fn type_of(schema: &Json) -> Option<&'static str> {
    let name = schema.get("type")?.as_str()?;
    // The dialects' "any" is translated to a string by BFCL's table; as a schema it takes anything.
    if matches!(name, "any" | "Any") { None } else { Some(json_type(name)) }
}

/// Whether `value` is of the JSON Schema type `name`: an integer is a number, a truth value is neither.
pub fn is_of(value: &Json, name: &str) -> bool {
    match name {
        "number" => matches!(value, Json::Number(_)),
        // 2.0 is an integer in JSON Schema, but not to a Python tool.
        "integer" => matches!(value, Json::Number(number) if number.is_integer()),
        other => value.kind() == other,
    }
}

fn check(value: &Json, schema: &Json, path: &mut String, found: &mut Vec<Violation>) {
    let mut report = |fault: Fault, message: String| {
        found.push(Violation { fault, path: path.clone(), message });
    };
    if let Some(expected) = type_of(schema)
        && !is_of(value, expected)
    {
        report(Fault::Type, format!("{value} is a {}, not a {expected}", value.kind()));
        return;
    }
    if let Some(allowed) = schema.get("enum").and_then(Json::as_array)
        && !allowed.contains(value)
    {
        report(Fault::Constraint, format!("{value} is none of {}", Json::Array(allowed.to_vec())));
    }
    if let Some(only) = schema.get("const")
        && only != value
    {
        report(Fault::Constraint, format!("{value} is not {only}"));
    }
    match value {
        Json::Number(number) => {
            let number = number.as_f64();
            let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
            if bound("minimum").is_some_and(|low| number < low)
                || bound("exclusiveMinimum").is_some_and(|low| number <= low)
            {
                report(Fault::Constraint, format!("{value} is below the minimum"));
            }
            if bound("maximum").is_some_and(|high| number > high)
                || bound("exclusiveMaximum").is_some_and(|high| number >= high)
            {
                report(Fault::Constraint, format!("{value} is above the maximum"));
            }
            if bound("multipleOf").is_some_and(|step| {
                let quotient = number / step;
                step > 0.0 && (quotient - quotient.round()).abs() > 1e-9
            }) {
                report(Fault::Constraint, format!("{value} is no multiple of the step"));
            }
        }
        Json::String(text) => {
            let length = text.chars().count() as f64;
            let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
            if bound("minLength").is_some_and(|low| length < low)
                || bound("maxLength").is_some_and(|high| length > high)
            {
                report(Fault::Constraint, format!("a text of {length} characters has the wrong length"));
            }
            if let Some(pattern) = schema.get("pattern").and_then(Json::as_str)
                && !matches(pattern, text)
            {
                report(Fault::Constraint, format!("{value} does not match {pattern}"));
            }
            if let Some(format) = schema.get("format").and_then(Json::as_str)
                && !has_format(text, format)
            {
                report(Fault::Constraint, format!("{value} is no {format}"));
            }
        }
        Json::Array(items) => {
            let length = items.len() as f64;
            let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
            if bound("minItems").is_some_and(|low| length < low)
                || bound("maxItems").is_some_and(|high| length > high)
            {
                report(Fault::Constraint, format!("{length} items are too few or too many"));
            }
            if let Some(item) = schema.get("items").filter(|item| item.as_object().is_some()) {
                for (at, value) in items.iter().enumerate() {
                    within(&at.to_string(), path, |path| check(value, item, path, found));
                }
            }
        }
        Json::Object(members) => {
            for name in required(schema) {
                if !members.contains_key(name) {
                    within(name, path, |path| {
                        found.push(Violation {
                            fault: Fault::Missing,
                            path: path.clone(),
                            message: format!("{name} is required"),
                        });
                    });
                }
            }
            let properties = schema.get("properties").and_then(Json::as_object);
            let additional = schema.get("additionalProperties");
            for (name, value) in members {
                within(name, path, |path| match properties.and_then(|known| known.get(name)) {
                    Some(property) => check(value, property, path, found),
                    None => match additional {
                        Some(Json::Bool(true)) => {}
                        Some(schema @ Json::Object(_)) => check(value, schema, path, found),
                        None if properties.is_none() => {}
                        _ => found.push(Violation {
                            fault: Fault::Unknown,
                            path: path.clone(),
                            message: format!("there is no {name}"),
                        }),
                    },
                });
            }
        }
        Json::Null | Json::Bool(_) => {}
    }
}

fn within(part: &str, path: &mut String, run: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&part.replace('~', "~0").replace('/', "~1"));
    run(path);
    path.truncate(length);
}

/// The names that a schema requires.
pub fn required(schema: &Json) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Json::as_array).unwrap_or_default().iter().filter_map(Json::as_str)
}

/// Puts an argument at the end of a path of names; objects on the way are made.
pub fn put(arguments: &mut Object, path: &[String], value: Json) {
    let [head, tail @ ..] = path else { return };
    if tail.is_empty() {
        arguments.insert(head.clone(), value);
        return;
    }
    let inner = arguments.entry(head.clone()).or_insert_with(|| Json::Object(Object::new()));
    if let Some(inner) = inner.as_object_mut() {
        put(inner, tail, value);
    }
}

/// The named properties of a schema.
pub fn properties(schema: &Json) -> impl Iterator<Item = (&str, &Json)> {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
        .map(|(name, property)| (name.as_str(), property))
}

/// Whether `pattern` finds something in `text`; a pattern that does not compile finds nothing.
pub fn matches(pattern: &str, text: &str) -> bool {
    with_regex(pattern, |regex| regex.is_some_and(|regex| regex.is_match(text)))
}

/// Runs `use_it` with the compiled pattern, or nothing if it does not compile. Compiled once a thread.
pub(crate) fn with_regex<T>(pattern: &str, use_it: impl FnOnce(Option<&Regex>) -> T) -> T {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Option<Regex>>> = RefCell::new(HashMap::new());
    }
    COMPILED.with_borrow_mut(|compiled| {
        // Patterns come from tools: a pool has hundreds, an adversary as many as it likes.
        if compiled.len() > 4_096 {
            compiled.clear();
        }
        if !compiled.contains_key(pattern) {
            compiled.insert(pattern.to_owned(), Regex::new(pattern).ok());
        }
        use_it(compiled[pattern].as_ref())
    })
}

/// Whether `text` is of a format. Formats that are not known hold for every text.
pub fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date" => is_date(text),
        "time" => is_time(text),
        "date-time" => text.split_once(['T', 't', ' ']).is_some_and(|(date, time)| {
            let time = time.trim_end_matches(['Z', 'z']);
            let time = time.rfind(['+', '-']).map_or(time, |zone| &time[..zone]);
            is_date(date) && is_time(time.split('.').next().unwrap_or(time))
        }),
        "email" => text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && host.contains('.')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !host.contains('@')
                && !text.contains(char::is_whitespace)
        }),
        "uri" | "url" => text.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && !rest.is_empty() && !text.contains(char::is_whitespace)
        }),
        _ => true,
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    (2..=3).contains(&parts.len())
        && parts
            .iter()
            .zip([24, 60, 61])
            .all(|(part, limit)| part.len() == 2 && part.parse::<u32>().is_ok_and(|value| value < limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(value: &str, schema: &str) -> Vec<(Fault, String)> {
        violations(&value.parse().unwrap(), &schema.parse().unwrap())
            .into_iter()
            .map(|violation| (violation.fault, violation.path))
            .collect()
    }

    #[test]
    fn types_are_python_strict() {
        assert_eq!(faults("1", r#"{"type":"number"}"#), []);
        assert_eq!(faults("1", r#"{"type":"float"}"#), []);
        assert_eq!(faults("true", r#"{"type":"integer"}"#).len(), 1);
        assert_eq!(faults("2.0", r#"{"type":"integer"}"#).len(), 1);
        assert_eq!(faults("\"x\"", r#"{"type":"any"}"#), []);
        assert_eq!(faults("{}", r#"{"type":"dict"}"#), []);
    }

    #[test]
    fn members_are_judged_where_they_are() {
        let schema = r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":
            {"n":{"type":"integer","maximum":3}},"required":["n"]}}},"required":["a","b"]}"#;
        assert_eq!(
            faults(r#"{"a":[{"n":4},{"m":1}],"c":0}"#, schema),
            [
                (Fault::Missing, "/b".into()),
                (Fault::Constraint, "/a/0/n".into()),
                (Fault::Missing, "/a/1/n".into()),
                (Fault::Unknown, "/a/1/m".into()),
                (Fault::Unknown, "/c".into()),
            ]
        );
    }

    #[test]
    fn formats() {
        assert!(has_format("2024-02-29", "date") && !has_format("2023-02-29", "date"));
        assert!(!has_format("2024-13-01", "date") && !has_format("24-01-01", "date"));
        assert!(has_format("09:30", "time") && !has_format("24:00", "time"));
        assert!(has_format("2024-02-29T10:00:00Z", "date-time"));
        assert!(has_format("a.b@c.example", "email") && !has_format("a@b", "email"));
        assert!(has_format("https://x.example", "uri") && !has_format("x.example", "uri"));
    }

    #[test]
    fn patterns_that_do_not_compile_match_nothing() {
        assert!(!matches("(", "("));
        assert!(matches("^A-[0-9]{2}$", "A-12") && !matches("^A-[0-9]{2}$", "A-123"));
    }
}
