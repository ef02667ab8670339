//! The part of JSON Schema that tools of a simulated server use, compiled once and checked before every call.
//!
//! `type` (one of object, array, string, integer, number, boolean), `enum`, `properties`, `required`,
//! `additionalProperties: false`, `items`, `minimum`, `maximum`, `minLength`, `maxLength`, `minItems`, `maxItems`, `description`,
//! `default`, and `pattern` as far as it is a prefix in letters followed by digits (`^e[0-9]+$`), which is what identifiers
//! of worlds look like. Anything else is refused when the schema is read, so that no rule is silently left out.

use rec_core::{Json, ToolSpec};

use crate::{Error, Result};

/// A schema ready for checking.
#[derive(Clone, Debug)]
pub struct Schema {
    kind: Kind,
    allowed: Option<Vec<Json>>,
}

#[derive(Clone, Debug)]
enum Kind {
    Any,
    Boolean,
    Number { integer: bool, least: f64, most: f64 },
    Text { least: usize, most: usize, prefix: Option<String> },
    Array { least: usize, most: usize, items: Option<Box<Schema>> },
    Object { members: Vec<Member>, closed: bool },
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    required: bool,
    schema: Schema,
}

const KNOWN: [&str; 15] = [
    "type",
    "enum",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "description",
    "default",
];

impl Schema {
    /// Of the arguments of a tool.
    ///
    /// # Errors
    /// [`Error::Schema`] naming the place of what is not checked here.
    pub fn of(tool: &ToolSpec) -> Result<Self> {
        Self::read(&tool.parameters, "parameters")
            .map_err(|what| Error::Schema { tool: tool.name.clone(), what })
    }

    fn read(schema: &Json, at: &str) -> Result<Self, String> {
        let members = schema.as_object().ok_or_else(|| format!("{at} is not an object"))?;
        if let Some(key) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(format!("{at} has the keyword {key}, which is not supported"));
        }
        let number = |key: &str, without: f64| match schema.get(key) {
            None => Ok(without),
            Some(value) => value.as_f64().ok_or_else(|| format!("{at}/{key} is not a number")),
        };
        let size = |key: &str, without: usize| match schema.get(key) {
            None => Ok(without),
            Some(value) => value
                .as_i64()
                .and_then(|size| usize::try_from(size).ok())
                .ok_or_else(|| format!("{at}/{key} is not a size")),
        };
        let kind = match schema.get("type") {
            None => Kind::Any,
            Some(kind) => match kind.as_str().unwrap_or_default() {
                "boolean" => Kind::Boolean,
                kind @ ("integer" | "number") => Kind::Number {
                    integer: kind == "integer",
                    least: number("minimum", f64::NEG_INFINITY)?,
                    most: number("maximum", f64::INFINITY)?,
                },
                "string" => {
                    let prefix = match schema.get("pattern") {
                        None => None,
                        Some(pattern) => {
                            let pattern = pattern.as_str().unwrap_or_default();
                            let prefix = pattern.strip_prefix('^').and_then(|p| p.strip_suffix("[0-9]+$"));
                            let prefix =
                                prefix.filter(|prefix| prefix.chars().all(|c| c.is_ascii_alphabetic()));
                            Some(
                                prefix.map(str::to_owned).ok_or_else(|| {
                                    format!("{at}/pattern is {pattern:?}, not ^letters[0-9]+$")
                                })?,
                            )
                        }
                    };
                    Kind::Text { least: size("minLength", 0)?, most: size("maxLength", usize::MAX)?, prefix }
                }
                "array" => Kind::Array {
                    least: size("minItems", 0)?,
                    most: size("maxItems", usize::MAX)?,
                    items: match schema.get("items") {
                        None => None,
                        Some(items) => Some(Box::new(Self::read(items, &format!("{at}/items"))?)),
                    },
                },
                "object" => {
                    let required = schema.get("required").and_then(Json::as_array).unwrap_or_default();
                    let required: Vec<&str> = required.iter().filter_map(Json::as_str).collect();
                    let mut members = Vec::new();
                    for (name, schema) in
                        schema.get("properties").and_then(Json::as_object).into_iter().flatten()
                    {
                        let schema = Self::read(schema, &format!("{at}/properties/{name}"))?;
                        members.push(Member {
                            name: name.clone(),
                            required: required.contains(&name.as_str()),
                            schema,
                        });
                    }
                    if let Some(name) = required.iter().find(|name| members.iter().all(|m| m.name != **name))
                    {
                        return Err(format!("{at}/required names {name}, which is no property"));
                    }
                    let closed = match schema.get("additionalProperties") {
                        None | Some(Json::Bool(true)) => false,
                        Some(Json::Bool(false)) => true,
                        Some(_) => return Err(format!("{at}/additionalProperties is not a boolean")),
                    };
                    Kind::Object { members, closed }
                }
                other => return Err(format!("{at}/type is {other:?}, which is not supported")),
            },
        };
        let allowed = schema.get("enum").map(|values| {
            values.as_array().map(<[Json]>::to_vec).ok_or_else(|| format!("{at}/enum is not a list"))
        });
        Ok(Self { kind, allowed: allowed.transpose()? })
    }

    /// Whether a value fits.
    ///
    /// # Errors
    /// The place in the value and what is wrong there.
    pub fn check(&self, value: &Json) -> Result<(), String> {
        self.check_at(value, "")
    }

    fn check_at(&self, value: &Json, at: &str) -> Result<(), String> {
        let place = || if at.is_empty() { "the arguments".to_owned() } else { at.to_owned() };
        let wrong = |what: String| Err(format!("{} {what}", place()));
        if let Some(allowed) = &self.allowed
            && !allowed.contains(value)
        {
            return wrong("has a value that is not among those allowed".to_owned());
        }
        match (&self.kind, value) {
            (Kind::Any, _) | (Kind::Boolean, Json::Bool(_)) => Ok(()),
            (Kind::Number { integer, least, most }, Json::Number(number)) => {
                if *integer && !number.is_integer() {
                    return wrong("must be an integer".to_owned());
                }
                let number = number.as_f64();
                if number < *least || number > *most {
                    return wrong(format!("is {number}, out of range"));
                }
                Ok(())
            }
            (Kind::Text { least, most, prefix }, Json::String(text)) => {
                let length = text.chars().count();
                if length < *least || length > *most {
                    return wrong(format!("has {length} characters"));
                }
                if let Some(prefix) = prefix {
                    let digits = text.strip_prefix(prefix.as_str()).unwrap_or_default();
                    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        return wrong(format!("must be {prefix} and a number"));
                    }
                }
                Ok(())
            }
            (Kind::Array { least, most, items }, Json::Array(values)) => {
                if values.len() < *least || values.len() > *most {
                    return wrong(format!("has {} items", values.len()));
                }
                if let Some(schema) = items {
                    for (index, value) in values.iter().enumerate() {
                        schema.check_at(value, &format!("{at}/{index}"))?;
                    }
                }
                Ok(())
            }
            (Kind::Object { members, closed }, Json::Object(values)) => {
                for Member { name, required, schema } in members {
                    match values.get(name) {
                        Some(value) => schema.check_at(value, &format!("{at}/{name}"))?,
                        None if *required => return wrong(format!("lacks {name}")),
                        None => {}
                    }
                }
                if *closed
                    && let Some(name) = values.keys().find(|name| members.iter().all(|m| m.name != **name))
                {
                    return wrong(format!("has {name}, which is not a parameter"));
                }
                Ok(())
            }
            (_, value) => wrong(format!("is of type {}", value.kind())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schema(text: &str) -> Schema {
        Schema::of(&ToolSpec::new("t", "", text.parse().unwrap())).unwrap()
    }

    #[test]
    fn each_rule_refuses_what_it_should() {
        let schema = schema(
            r#"{"type":"object","required":["emp"],"additionalProperties":false,"properties":{
            "emp":{"type":"string","pattern":"^e[0-9]+$"},"n":{"type":"integer","minimum":0,"maximum":9},
            "x":{"type":"number"},"c":{"type":"string","enum":["a","b"]},"l":{"type":"array","items":{"type":"boolean"},"maxItems":2}}}"#,
        );
        let check = |text: &str| schema.check(&text.parse().unwrap());
        assert_eq!(check(r#"{"emp":"e12","n":9,"x":1.5,"c":"a","l":[true]}"#), Ok(()));
        for (text, said) in [
            (r#"{}"#, "the arguments lacks emp"),
            (r#"[]"#, "the arguments is of type array"),
            (r#"{"emp":"x1"}"#, "/emp must be e and a number"),
            (r#"{"emp":"e"}"#, "/emp must be e and a number"),
            (r#"{"emp":3}"#, "/emp is of type integer"),
            (r#"{"emp":"e1","n":1.0}"#, "/n must be an integer"),
            (r#"{"emp":"e1","n":10}"#, "/n is 10, out of range"),
            (r#"{"emp":"e1","c":"z"}"#, "/c has a value that is not among those allowed"),
            (r#"{"emp":"e1","l":[true,1]}"#, "/l/1 is of type integer"),
            (r#"{"emp":"e1","l":[true,true,true]}"#, "/l has 3 items"),
            (r#"{"emp":"e1","q":1}"#, "the arguments has q, which is not a parameter"),
        ] {
            assert_eq!(check(text), Err(said.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_checked_is_refused() {
        for (text, said) in [
            (r#"{"type":"object","oneOf":[]}"#, "oneOf"),
            (r#"{"type":"object","properties":{"a":{"type":"null"}}}"#, "parameters/properties/a/type"),
            (r#"{"type":"object","properties":{"a":{"type":"string","pattern":"a|b"}}}"#, "pattern"),
            (r#"{"type":"object","required":["a"]}"#, "no property"),
        ] {
            let error = Schema::of(&ToolSpec::new("t", "", text.parse().unwrap())).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
                prop::collection::vec(("[a-z]{1,3}|emp|type|enum|items|properties", inner), 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_value_and_no_schema_panics(value in any_json(), other in any_json()) {
            let known = schema(r#"{"type":"object","properties":{"emp":{"type":"string","pattern":"^e[0-9]+$"}}}"#);
            let _ = known.check(&value);
            if let Ok(read) = Schema::of(&ToolSpec::new("t", "", other)) {
                let _ = read.check(&value);
            }
        }
    }
}
