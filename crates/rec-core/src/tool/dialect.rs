//! Schemas that name types as Python, Java or JavaScript do, and JSON Schema.
//!
//! ToolACE and BFCL write `dict`, `float`, `HashMap`, `Bigint` where JSON Schema has `object`, `number`, `integer`. The
//! dictionary is that of `bfcl-eval` 2026.3.23; what it does not know becomes `string`, as there.

use crate::json::{Json, Object};

/// Whose names for types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `dict`, `float`, …
    Python,
    /// `HashMap`, `ArrayList`, …
    Java,
    /// `Boolean`, `dict`, …
    JavaScript,
}

/// JSON Schema's name for a type of any dialect.
///
/// ```
/// use rec_core::tool::dialect::json_type;
/// assert_eq!(json_type("HashMap"), "object");
/// assert_eq!(json_type("no such type"), "string");
/// ```
pub fn json_type(name: &str) -> &'static str {
    match name {
        "integer" | "int" | "byte" | "short" | "long" | "Bigint" => "integer",
        "number" | "float" | "double" => "number",
        "boolean" | "bool" | "Boolean" => "boolean",
        "array" | "list" | "tuple" | "Array" | "ArrayList" | "Queue" | "Stack" | "set" | "Set" => "array",
        "object" | "dict" | "HashMap" | "Hashtable" => "object",
        "null" | "None" => "null",
        _ => "string",
    }
}

fn native_type(name: &str, dialect: Dialect) -> &str {
    match (name, dialect) {
        ("object", Dialect::Python | Dialect::JavaScript) => "dict",
        ("object", Dialect::Java) => "HashMap",
        ("number", Dialect::Python | Dialect::JavaScript) => "float",
        ("number", Dialect::Java) => "double",
        ("array", Dialect::Java) => "ArrayList",
        ("string", Dialect::Java | Dialect::JavaScript) => "String",
        ("boolean", Dialect::JavaScript) => "Boolean",
        _ => name,
    }
}

/// The schema with all types under JSON Schema's names, at every level. Nothing else changes.
pub fn to_json_schema(schema: &Json) -> Json {
    rename(schema, &|name| json_type(name).to_owned())
}

/// The schema with all types under a dialect's names. [`to_json_schema`] turns them back.
pub fn from_json_schema(schema: &Json, dialect: Dialect) -> Json {
    rename(schema, &|name| native_type(name, dialect).to_owned())
}

/// Renames the types of a schema and of the schemas in it. A *property* called `type`, an example, an enum is no type.
fn rename(schema: &Json, name: &impl Fn(&str) -> String) -> Json {
    let Json::Object(members) = schema else { return schema.clone() };
    let named = |members: &Object| -> Json {
        members.iter().map(|(key, value)| (key.clone(), rename(value, name))).collect()
    };
    let listed = |items: &[Json]| Json::Array(items.iter().map(|item| rename(item, name)).collect());
    let renamed = members.iter().map(|(key, value)| {
        let value = match (key.as_str(), value) {
            ("type", Json::String(text)) => Json::from(name(text)),
            ("type", Json::Array(types)) => Json::Array(
                types.iter().map(|one| one.as_str().map_or(one.clone(), |text| name(text).into())).collect(),
            ),
            (
                "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                Json::Object(inner),
            ) => named(inner),
            ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Json::Array(items)) => listed(items),
            (
                "items"
                | "additionalProperties"
                | "not"
                | "contains"
                | "propertyNames"
                | "if"
                | "then"
                | "else",
                inner,
            ) => rename(inner, name),
            _ => value.clone(),
        };
        (key.clone(), value)
    });
    renamed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_change_at_every_level_and_nothing_else_does() {
        let python: Json = r#"{"type":"dict","properties":{"type":{"type":"float","enum":["dict"]},"b":{"type":"tuple","items":{"type":"dict","properties":{}}},"c":{"type":"any"}},"required":["type"]}"#.parse().unwrap();
        let schema = to_json_schema(&python);
        assert_eq!(
            schema.to_string(),
            r#"{"type":"object","properties":{"type":{"type":"number","enum":["dict"]},"b":{"type":"array","items":{"type":"object","properties":{}}},"c":{"type":"string"}},"required":["type"]}"#
        );
        for dialect in [Dialect::Python, Dialect::Java, Dialect::JavaScript] {
            assert_eq!(to_json_schema(&from_json_schema(&schema, dialect)), schema);
        }
        let java = from_json_schema(&schema, Dialect::Java);
        assert_eq!(java.pointer("/properties/type/type").and_then(Json::as_str), Some("double"));
    }
}
