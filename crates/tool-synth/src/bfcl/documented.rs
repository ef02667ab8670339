//! The documented type of a parameter, as far as the checker looks at it.

use super::Language;
use super::convert::{Conversion, Java, JavaScript};
use crate::value::{Kind, Value};

/// A parameter's type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Documented {
    /// The type of a value; nothing if the official checker raises.
    pub kind: Option<Kind>,
    pub nested: Nested,
    /// Whether it is `float`, for which an integer will do, or `tuple`.
    pub is_float: bool,
    pub is_tuple: bool,
    /// How text becomes a value, in Java and JavaScript.
    pub conversion: Option<Conversion>,
}

/// The type of the items of a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nested {
    None,
    Some(Kind),
    /// Missing or unknown: the official checker raises.
    Raise,
}

impl Documented {
    /// Reads what the documentation says of a parameter.
    pub fn read(property: &Value, language: Language) -> Self {
        let name = property.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_nested = match language {
            Language::Python => matches!(name, "array" | "tuple"),
            _ => matches!(name, "Array" | "ArrayList" | "array"),
        };
        let item = if is_nested {
            property.get("items").and_then(|items| items.get("type")).and_then(Value::as_str)
        } else {
            None
        };
        let nested = match (is_nested, item.and_then(|item| expected(item, language))) {
            (false, _) => Nested::None,
            (true, Some(kind)) => Nested::Some(kind),
            (true, None) => Nested::Raise,
        };
        Self {
            kind: expected(name, language),
            nested,
            is_float: language == Language::Python && name == "float",
            is_tuple: name == "tuple",
            conversion: match language {
                Language::Python => None,
                Language::Java => Some(Conversion::Java(Java::from_name(name), item.map(Java::from_name))),
                Language::JavaScript => {
                    Some(Conversion::JavaScript(JavaScript::from_name(name), item.map(JavaScript::from_name)))
                }
            },
        }
    }
}

/// The type that a value of a documented type has.
pub(super) fn expected(name: &str, language: Language) -> Option<Kind> {
    Some(match language {
        Language::Python => match name {
            "string" | "any" => Kind::Str,
            "integer" => Kind::Int,
            "float" => Kind::Float,
            "boolean" => Kind::Bool,
            "array" | "tuple" => Kind::List,
            "dict" => Kind::Dict,
            _ => return None,
        },
        Language::Java => match name {
            "byte" | "short" | "integer" | "long" => Kind::Int,
            "float" | "double" => Kind::Float,
            "boolean" => Kind::Bool,
            "char" | "String" | "any" => Kind::Str,
            "Array" | "ArrayList" | "Queue" | "Stack" => Kind::List,
            "HashMap" | "Hashtable" => Kind::Dict,
            "Set" => Kind::Set,
            _ => return None,
        },
        Language::JavaScript => match name {
            "String" | "any" => Kind::Str,
            "integer" | "Bigint" => Kind::Int,
            "float" => Kind::Float,
            "Boolean" => Kind::Bool,
            "array" => Kind::List,
            "dict" => Kind::Dict,
            _ => return None,
        },
    })
}
