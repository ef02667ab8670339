//! JSON as tools and language models exchange it: members keep their order, integers keep all their digits.
//!
//! `serde_json::Value` sorts members and rounds integers beyond 64 bits, unless features are switched on that change it
//! for every crate of a build. [`Json`] is the same tree with both kept, and goes in and out through serde all the same:
//! it can be a field of any structure that `serde_json` reads or writes.
//!
//! ```
//! use rec_core::Json;
//! let text = r#"{"z":1,"a":123456789012345678901234567890}"#;
//! let value: Json = text.parse()?;
//! assert_eq!(value.get("z").and_then(Json::as_i64), Some(1));
//! assert_eq!(value.to_string(), text);
//! # Ok::<(), rec_core::Error>(())
//! ```

mod parse;

use std::fmt;
use std::str::FromStr;

use indexmap::IndexMap;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{self, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The members of an object, in the order in which they were written. Equal whatever the order.
pub type Object = IndexMap<String, Json>;

/// A JSON value. Numbers of different kinds differ: `1` is not `1.0`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// Named members. Of a name that comes twice the last value counts, at the place of the first.
    Object(Object),
}

/// A number as it was written: an integer of any length, or a finite float.
#[derive(Clone, Debug, PartialEq)]
pub enum Number {
    /// An integer of 64 bits.
    Integer(i64),
    /// An integer beyond 64 bits.
    Big(BigInteger),
    /// A number with a fraction or an exponent; finite.
    Float(f64),
}

/// The decimal digits of an integer that does not fit in 64 bits, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BigInteger(Box<str>);

impl BigInteger {
    /// The digits, with a minus sign if negative.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl Number {
    /// The integer that `digits` spell: an optional minus sign and decimal digits, of any length.
    ///
    /// Nothing if `digits` is anything else.
    pub fn integer(digits: &str) -> Option<Self> {
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        if let Ok(small) = digits.parse() {
            return Some(Self::Integer(small));
        }
        let significant = unsigned.trim_start_matches('0');
        let sign = if unsigned.len() < digits.len() { "-" } else { "" };
        let text = format!("{sign}{significant}");
        // Zeros may have been all that made it long.
        Some(text.parse().map_or_else(|_| Self::Big(BigInteger(text.into())), Self::Integer))
    }

    /// The float, or nothing if it is not finite.
    pub fn float(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Float(value))
    }

    /// The nearest float.
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Integer(value) => *value as f64,
            Self::Big(value) => value.0.parse().unwrap_or(f64::NAN),
            Self::Float(value) => *value,
        }
    }

    /// Whether it was written as an integer.
    pub fn is_integer(&self) -> bool {
        !matches!(self, Self::Float(_))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Big(value) => f.write_str(&value.0),
            // Debug keeps the point of a whole number.
            Self::Float(value) => write!(f, "{value:?}"),
        }
    }
}

impl Json {
    /// The member `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name)
    }

    /// What lies at an RFC 6901 pointer, such as `/properties/city/enum/0`; the value itself for an empty one.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |value, part| match value {
            Self::Object(members) => members.get(&part.replace("~1", "/").replace("~0", "~")),
            Self::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a 64-bit integer.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(Number::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    /// The nearest float of any number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    /// The value of a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The members of an object, to change them.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Reads the value that `text` begins with and returns what comes after it: for JSON inside other text.
    ///
    /// ```
    /// # use rec_core::Json;
    /// let (value, rest) = Json::read_prefix("[1, 2] and more")?;
    /// assert_eq!((value.to_string().as_str(), rest), ("[1,2]", " and more"));
    /// # Ok::<(), rec_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`str::parse`].
    pub fn read_prefix(text: &str) -> Result<(Self, &str)> {
        parse::prefix(text)
    }

    /// What kind of value it is, as JSON Schema names it; an integer is an `integer`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(number) if number.is_integer() => "integer",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The compact text with members sorted by name at every level: equal for equal values, fit for hashing.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, true).expect("a string takes all text");
        text
    }

    /// The text over several lines, two blanks a level.
    pub fn pretty(&self) -> String {
        serde_json::to_string_pretty(self).expect("every value has a text")
    }

    fn write(&self, out: &mut impl fmt::Write, sorted: bool) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::String(text) => out.write_str(&quoted(text)),
            Self::Array(items) => {
                out.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.write_char(',')?;
                    }
                    item.write(out, sorted)?;
                }
                out.write_char(']')
            }
            Self::Object(members) => {
                let mut members: Vec<(&String, &Self)> = members.iter().collect();
                if sorted {
                    members.sort_unstable_by_key(|(name, _)| *name);
                }
                out.write_char('{')?;
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        out.write_char(',')?;
                    }
                    out.write_str(&quoted(name))?;
                    out.write_char(':')?;
                    value.write(out, sorted)?;
                }
                out.write_char('}')
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every string has a text")
}

/// The compact text.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

/// Reads one value and nothing after it.
///
/// # Errors
/// [`Error::Json`] with line and column. Nesting beyond 128 levels is refused.
impl FromStr for Json {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse::document(text)
    }
}

/// Through the text of the value, so that no digit is lost: from `serde_json`'s readers and values, not from other formats.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer)?.get().parse().map_err(de::Error::custom)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(Number::Integer(value)) => serializer.serialize_i64(*value),
            Self::Number(Number::Big(value)) => {
                RawValue::from_string(value.0.to_string()).map_err(ser::Error::custom)?.serialize(serializer)
            }
            Self::Number(Number::Float(value)) => serializer.serialize_f64(*value),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(members) => serializer.collect_map(members),
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(Number::Integer(value))
    }
}

/// `null` for what is not finite, as JSON has no text for it.
impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Number::float(value).map_or(Self::Null, Self::Number)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}

impl From<Object> for Json {
    fn from(members: Object) -> Self {
        Self::Object(members)
    }
}

/// An object of the members, in their order.
impl<K: Into<String>, V: Into<Self>> FromIterator<(K, V)> for Json {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// As `serde_json` holds it: its numbers have 64 bits already.
impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => {
                let integer = (number.is_i64() || number.is_u64())
                    .then(|| Number::integer(&number.to_string()))
                    .flatten();
                integer.or_else(|| number.as_f64().and_then(Number::float)).map_or(Self::Null, Self::Number)
            }
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Value::Object(members) => members.into_iter().collect(),
        }
    }
}

/// As `serde_json` can hold it: an integer beyond 64 bits becomes the nearest float.
impl From<Json> for serde_json::Value {
    fn from(value: Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(Number::Integer(value)) => value.into(),
            Json::Number(Number::Big(value)) => value
                .0
                .parse::<u64>()
                .map_or_else(|_| value.0.parse::<f64>().map_or(Self::Null, Self::from), Self::from),
            Json::Number(Number::Float(value)) => value.into(),
            Json::String(text) => Self::String(text),
            Json::Array(items) => Self::Array(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => {
                Self::Object(members.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            "-?[1-9][0-9]{19,60}".prop_map(|digits| Json::Number(Number::integer(&digits).expect("digits"))),
            proptest::num::f64::NORMAL.prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn text_and_serde_give_the_value_back(value in any_json()) {
            prop_assert_eq!(&value.to_string().parse::<Json>().unwrap(), &value);
            prop_assert_eq!(&value.pretty().parse::<Json>().unwrap(), &value);
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Json>(&text).unwrap(), &value);
            // Members in the same order, not only the same members.
            prop_assert_eq!(text.parse::<Json>().unwrap().to_string(), value.to_string());
        }

        #[test]
        fn canonical_text_does_not_depend_on_the_order_of_members(value in any_json()) {
            let Json::Object(members) = &value else { return Ok(()) };
            let reversed: Json = members.clone().into_iter().rev().collect();
            prop_assert_eq!(&reversed, &value);
            prop_assert_eq!(reversed.canonical(), value.canonical());
        }

        #[test]
        fn parses_what_serde_json_parses_and_nothing_else(text in "[\\[\\]{},:\"0-9eE+. \\-a-n\\\\tu]{0,24}") {
            let ours = text.parse::<Json>();
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(theirs) => prop_assert_eq!(serde_json::Value::from(ours.unwrap()), theirs),
                Err(_) => prop_assert!(ours.is_err()),
            }
        }
    }

    #[test]
    fn numbers_keep_their_kind_and_digits() {
        for text in ["1", "1.0", "-0.5", "18446744073709551616", "-170141183460469231731687303715884105729"] {
            assert_eq!(text.parse::<Json>().unwrap().to_string(), text);
        }
        assert_ne!("1".parse::<Json>().unwrap(), "1.0".parse::<Json>().unwrap());
        assert_eq!(Number::integer("-000"), Some(Number::Integer(0)));
        assert_eq!(Number::integer("0000000000000000000000001"), Some(Number::Integer(1)));
        assert_eq!(Number::integer("1.0"), None);
        assert_eq!(Number::integer("-"), None);
        assert_eq!(
            serde_json::Value::from(Json::Number(Number::integer("18446744073709551615").unwrap())),
            u64::MAX
        );
    }

    #[test]
    fn goes_through_a_field_of_a_structure() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Holder {
            inner: Json,
        }
        let text = r#"{"inner":{"b":99999999999999999999,"a":[1.0]}}"#;
        let holder: Holder = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&holder).unwrap(), text);
        let value = serde_json::to_value(&Holder { inner: "[1,2]".parse().unwrap() }).unwrap();
        assert_eq!(serde_json::from_value::<Holder>(value).unwrap().inner.to_string(), "[1,2]");
    }

    #[test]
    fn a_pointer_finds_what_is_nested() {
        let value: Json = r#"{"a/b":[{"c~d":7}]}"#.parse().unwrap();
        assert_eq!(value.pointer("/a~1b/0/c~0d").and_then(Json::as_i64), Some(7));
        assert_eq!(value.pointer("/a~1b/1"), None);
        assert_eq!(value.pointer(""), Some(&value));
    }
}
