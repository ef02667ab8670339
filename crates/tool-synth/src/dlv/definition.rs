//! R1–R8: the tools are described clearly.

use rec_core::{Json, ToolSpec, Trajectory};

use super::Finding;
use crate::schema::{self, properties, violations};

/// What R1–R8 find wrong with one tool.
pub fn faults(tool: &ToolSpec) -> Vec<Finding> {
    let mut found = Vec::new();
    for check in [r1_tool, r2_tool, r3_tool, r4_tool, r5_tool, r6_tool, r7_tool, r8_tool] {
        check(tool, "", &mut found);
    }
    found
}

macro_rules! over_tools {
    ($($name:ident: $tool:ident),*) => {$(
        pub(super) fn $name(sample: &Trajectory, found: &mut Vec<Finding>) {
            for (at, tool) in sample.tools.iter().enumerate() {
                $tool(tool, &format!("/tools/{at}"), found);
            }
        }
    )*};
}

over_tools!(r1: r1_tool, r2: r2_tool, r3: r3_tool, r4: r4_tool, r5: r5_tool, r6: r6_tool, r7: r7_tool, r8: r8_tool);

fn report(found: &mut Vec<Finding>, rule: &'static str, path: &str, message: impl Into<String>) {
    found.push(Finding { rule, path: path.to_owned(), message: message.into() });
}

/// Visits a schema and all schemas in it, with their paths.
fn visit(schema: &Json, path: &str, run: &mut impl FnMut(&Json, &str)) {
    run(schema, path);
    for (name, property) in properties(schema) {
        visit(property, &format!("{path}/properties/{name}"), run);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner @ Json::Object(_)) = schema.get(name) {
            visit(inner, &format!("{path}/{name}"), run);
        }
    }
}

fn in_parameters(tool: &ToolSpec, path: &str, mut run: impl FnMut(&Json, &str)) {
    visit(&tool.parameters, &format!("{path}/parameters"), &mut run);
}

const TYPES: &[&str] = &[
    "string",
    "integer",
    "number",
    "boolean",
    "array",
    "object",
    "null",
    "int",
    "float",
    "double",
    "long",
    "short",
    "byte",
    "bool",
    "list",
    "tuple",
    "dict",
    "any",
    "char",
    "String",
    "Boolean",
    "Array",
    "ArrayList",
    "HashMap",
    "Hashtable",
    "Bigint",
    "Queue",
    "Stack",
    "set",
    "Set",
    "Any",
];

fn r1_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        let Some(members) = schema.as_object() else {
            report(found, "R1", path, "a schema that is no object");
            return;
        };
        for (name, value) in members {
            let right = match name.as_str() {
                "type" => value.as_str().is_some_and(|name| TYPES.contains(&name)),
                "properties" => value.as_object().is_some(),
                "required" => {
                    value.as_array().is_some_and(|names| names.iter().all(|name| name.as_str().is_some()))
                }
                "enum" => value.as_array().is_some_and(|values| !values.is_empty()),
                "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.as_f64().is_some(),
                "multipleOf" => value.as_f64().is_some_and(|step| step > 0.0),
                "minLength" | "maxLength" | "minItems" | "maxItems" => {
                    value.as_i64().is_some_and(|bound| bound >= 0)
                }
                "pattern" | "format" | "description" => value.as_str().is_some(),
                "items" => value.as_object().is_some(),
                "additionalProperties" => matches!(value, Json::Bool(_) | Json::Object(_)),
                "examples" => value.as_array().is_some(),
                _ => true,
            };
            if !right {
                report(
                    found,
                    "R1",
                    &format!("{path}/{name}"),
                    format!("{value} cannot be the value of {name}"),
                );
            }
        }
        let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
        if let (Some(low), Some(high)) = (bound("minimum"), bound("maximum"))
            && low > high
        {
            report(found, "R1", path, format!("the minimum {low} is above the maximum {high}"));
        }
    });
}

fn r2_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    if tool.name.trim().is_empty() {
        report(found, "R2", &format!("{path}/name"), "no name");
    }
    if tool.description.trim().is_empty() {
        report(found, "R2", &format!("{path}/description"), "no description");
    }
    let path = format!("{path}/parameters");
    if schema::type_of(&tool.parameters) != Some("object") {
        report(found, "R2", &path, "parameters are not of type object");
    }
    for name in ["properties", "required"] {
        if tool.parameters.get(name).is_none() {
            report(found, "R2", &path, format!("{name} is missing"));
        }
    }
    for name in tool.parameters.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !["type", "properties", "required", "additionalProperties", "description", "$schema"]
            .contains(&name.as_str())
        {
            report(found, "R2", &format!("{path}/{name}"), format!("unknown member {name}"));
        }
    }
}

fn r3_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        for (name, property) in properties(schema) {
            let path = format!("{path}/properties/{name}");
            if property.get("type").is_none() {
                report(found, "R3", &path, format!("{name} has no type"));
            }
            let description = property.get("description").and_then(Json::as_str).unwrap_or_default();
            if description.trim().is_empty() {
                report(found, "R3", &path, format!("{name} has no description"));
            }
        }
    });
}

fn r4_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        let mut known: Vec<&str> = Vec::new();
        for name in schema::required(schema) {
            if known.contains(&name) {
                report(found, "R4", &format!("{path}/required"), format!("{name} is required twice"));
            }
            if schema.get("properties").and_then(|properties| properties.get(name)).is_none() {
                report(found, "R4", &format!("{path}/required"), format!("{name} is required but unknown"));
            }
            known.push(name);
        }
    });
}

fn r5_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        let has = |name: &str| schema.get(name).is_some();
        let message = match schema::type_of(schema) {
            Some("array") if !has("items") => "an array without items",
            Some("array") if has("properties") => "an array with properties",
            Some("object") if !has("properties") && !has("additionalProperties") => {
                "an object without properties"
            }
            Some("object") if has("items") => "an object with items",
            Some("array" | "object") | None => return,
            Some(_) if has("items") || has("properties") => "a scalar with items or properties",
            Some(_) => return,
        };
        report(found, "R5", path, message);
    });
}

fn r6_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        if let (Some(values), Some(kind)) =
            (schema.get("enum").and_then(Json::as_array), schema::type_of(schema))
        {
            for value in values.iter().filter(|value| !schema::is_of(value, kind)) {
                report(found, "R6", &format!("{path}/enum"), format!("{value} is no {kind}"));
            }
        }
        if let Some(default) = schema.get("default") {
            for violation in violations(default, schema) {
                report(found, "R6", &format!("{path}/default{}", violation.path), violation.message);
            }
        }
    });
}

/// Python's reserved words.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

fn r7_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        for (name, _) in properties(schema) {
            let mut letters = name.chars();
            let first = letters.next().is_some_and(|letter| letter == '_' || letter.is_alphabetic());
            if !first || !letters.all(|letter| letter == '_' || letter.is_alphanumeric()) {
                report(
                    found,
                    "R7",
                    &format!("{path}/properties/{name}"),
                    format!("{name:?} is no identifier"),
                );
            } else if KEYWORDS.contains(&name) {
                report(
                    found,
                    "R7",
                    &format!("{path}/properties/{name}"),
                    format!("{name} is a keyword of Python"),
                );
            }
        }
    });
}

fn r8_tool(tool: &ToolSpec, path: &str, found: &mut Vec<Finding>) {
    in_parameters(tool, path, |schema, path| {
        let Some(pattern) = schema.get("pattern").and_then(Json::as_str) else { return };
        let path = format!("{path}/pattern");
        if !schema::with_regex(pattern, |regex| regex.is_some()) {
            report(found, "R8", &path, format!("{pattern} does not compile"));
            return;
        }
        let listed = schema.get("examples").and_then(Json::as_array).unwrap_or_default();
        let single = ["example", "default"].into_iter().filter_map(|name| schema.get(name));
        let mut examples = listed.iter().chain(single).filter_map(Json::as_str).peekable();
        if examples.peek().is_none() {
            report(found, "R8", &path, "a pattern without an example");
        } else if let Some(wrong) = examples.find(|example| !schema::matches(pattern, example)) {
            report(found, "R8", &path, format!("the example {wrong} does not match {pattern}"));
        }
    });
}
