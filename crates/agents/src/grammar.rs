//! The forms of an action: JSON, text, schema, native tools, grammar, prompt list, documentation; all from
//! [`ActionSpec`].

use std::fmt::Write;

use rec_core::{Json, ToolSpec};

use crate::action::{Action, ActionSpec, AgentRole, ArgumentSpec, Kind};
use crate::request::Request;

impl Action {
    /// The JSON form: an object with `type` and `content`. Content is the argument itself if there is one, a list of
    /// several, and an empty string for none.
    pub fn to_json(&self) -> Json {
        let (index, mut values) = self.parts();
        let content = match values.len() {
            0 => Json::from(""),
            1 => values.remove(0),
            _ => Json::Array(values),
        };
        [("type", Json::from(self.role().specs()[index].name)), ("content", content)].into_iter().collect()
    }

    /// Reads the JSON form: exactly the two members.
    ///
    /// # Errors
    /// What was found and what is accepted.
    pub fn from_json(role: AgentRole, json: &Json) -> Result<Self, String> {
        let members =
            json.as_object().ok_or_else(|| format!("{} where an object is expected", json.kind()))?;
        let (Some(name), Some(content), 2) = (members.get("type"), members.get("content"), members.len())
        else {
            return Err("an action has exactly the members `type` and `content`".into());
        };
        let name = name.as_str().ok_or("`type` is not text")?;
        let (index, spec) = find(role, name)?;
        let values = match (spec.arguments.len(), content) {
            (0, Json::Null) => Vec::new(),
            (0, Json::String(text)) if text.trim().is_empty() => Vec::new(),
            (0, Json::Array(values)) if values.is_empty() => Vec::new(),
            (0, Json::Object(members)) if members.is_empty() => Vec::new(),
            (1, Json::Object(members)) if is_named(spec, members) => named(spec, members)?,
            (1, content) => vec![content.clone()],
            (_, Json::Array(values)) => values.clone(),
            (_, Json::Object(members)) => named(spec, members)?,
            // Several arguments in one string, as the text form has them.
            (_, Json::String(text)) => arguments_from_text(spec, text)?,
            (n, other) => {
                return Err(format!("{}: {} where {n} arguments are expected", spec.name, other.kind()));
            }
        };
        Self::from_parts(role, index, &values).map_err(|what| format!("{}: {what}", spec.name))
    }

    /// The action of a native call: the tool's name is the action's, arguments go by name.
    ///
    /// # Errors
    /// What was found and what is accepted.
    pub fn from_call(role: AgentRole, name: &str, arguments: &Json) -> Result<Self, String> {
        let (index, spec) = find(role, name)?;
        let members = match arguments {
            Json::Object(members) => members,
            other => return Err(format!("{}: the arguments are {}, not an object", spec.name, other.kind())),
        };
        let values = named(spec, members)?;
        Self::from_parts(role, index, &values).map_err(|what| format!("{}: {what}", spec.name))
    }

    /// The text form: `Name[argument, …]`.
    pub fn to_text(&self) -> String {
        let (index, values) = self.parts();
        let spec = &self.role().specs()[index];
        let texts: Vec<String> = spec
            .arguments
            .iter()
            .zip(&values)
            .map(|(argument, value)| argument_text(argument.kind, value))
            .collect();
        format!("{}[{}]", spec.name, texts.join(", "))
    }

    /// Reads the text form; the whole text has to be one action.
    ///
    /// # Errors
    /// What was found and what is accepted.
    pub fn from_text(role: AgentRole, text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, rest) = text.split_once('[').ok_or("no `[` after the name of an action")?;
        let inner = rest.strip_suffix(']').ok_or("no `]` at the end")?;
        let (index, spec) = find(role, name.trim())?;
        let values = arguments_from_text(spec, inner)?;
        Self::from_parts(role, index, &values).map_err(|what| format!("{}: {what}", spec.name))
    }
}

fn find(role: AgentRole, name: &str) -> Result<(usize, &'static ActionSpec), String> {
    let specs = role.specs();
    specs.iter().enumerate().find(|(_, spec)| spec.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        format!(
            "the {role} has no action {:?}; it has {}",
            crate::untrusted::clip(name, 60),
            names.join(", ")
        )
    })
}

fn is_named(spec: &ActionSpec, members: &rec_core::json::Object) -> bool {
    spec.arguments[0].kind != Kind::Request
        || (members.len() == 1 && members.contains_key(spec.arguments[0].name))
}

fn named(spec: &ActionSpec, members: &rec_core::json::Object) -> Result<Vec<Json>, String> {
    if let Some(name) =
        members.keys().find(|name| spec.arguments.iter().all(|argument| argument.name != **name))
    {
        return Err(format!("{}: no argument is called {:?}", spec.name, crate::untrusted::clip(name, 60)));
    }
    let value = |argument: &ArgumentSpec| {
        members
            .get(argument.name)
            .cloned()
            .ok_or_else(|| format!("{}: `{}` is missing", spec.name, argument.name))
    };
    spec.arguments.iter().map(value).collect()
}

fn argument_text(kind: Kind, value: &Json) -> String {
    match (kind, value) {
        (Kind::Steps, Json::Array(steps)) => {
            let text = |step: &Json| {
                Action::from_json(AgentRole::Manager, step)
                    .map_or_else(|_| step.to_string(), |step| step.to_text())
            };
            steps.iter().map(text).collect::<Vec<_>>().join("; ")
        }
        (Kind::Answer, Json::Array(ids)) => {
            let text = |id: &Json| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            ids.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        (_, Json::String(text)) if is_plain(text) => text.clone(),
        (_, value) => value.to_string(),
    }
}

/// Whether text can stand in the text form without quotes.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.trim() == text
        && !text.chars().any(|c| matches!(c, '"' | ',' | ';' | '[' | ']' | '{' | '}') || c.is_control())
}

fn arguments_from_text(spec: &ActionSpec, text: &str) -> Result<Vec<Json>, String> {
    let mut rest = text.trim();
    let mut values = Vec::with_capacity(spec.arguments.len());
    let n = spec.arguments.len();
    if n == 0 && !rest.is_empty() {
        return Err(format!("{} takes no argument", spec.name));
    }
    for (at, argument) in spec.arguments.iter().enumerate() {
        let last = at + 1 == n;
        let (value, after) = if last { (rest, "") } else { cut(rest, ',') };
        if !last && after.is_empty() && !rest.contains(',') {
            return Err(format!("{}: {} arguments where {n} are expected", spec.name, at + 1));
        }
        values.push(argument_from_text(argument.kind, value.trim())?);
        rest = after.trim_start();
    }
    Ok(values)
}

fn argument_from_text(kind: Kind, text: &str) -> Result<Json, String> {
    if kind == Kind::Steps {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.trim().is_empty() {
            let (step, after) = cut(rest, ';');
            steps.push(Action::from_text(AgentRole::Manager, step)?.to_json());
            rest = after;
        }
        return Ok(Json::Array(steps));
    }
    if kind == Kind::Request {
        return text.parse().map_err(|error| format!("a request is JSON: {error}"));
    }
    if text.starts_with('"')
        && let Ok(quoted @ Json::String(_)) = text.parse::<Json>()
    {
        return Ok(quoted);
    }
    Ok(Json::from(text))
}

/// The text before the first `separator` outside quotes and brackets, and what comes after it.
fn cut(text: &str, separator: char) -> (&str, &str) {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => return (&text[..at], &text[at + c.len_utf8()..]),
            _ => {}
        }
    }
    (text, "")
}

fn object(members: Vec<(&str, Json)>) -> Json {
    members.into_iter().collect()
}

fn typed(kind: &str, about: &str) -> Json {
    object(vec![("type", kind.into()), ("description", about.into())])
}

/// A schema a type. A list of types in one schema says the same, but some clients and models do not read it.
fn types(names: &[&str]) -> Json {
    Json::Array(names.iter().map(|name| object(vec![("type", (*name).into())])).collect())
}

fn any_of(names: &[&str], about: &str) -> Json {
    object(vec![("anyOf", types(names)), ("description", about.into())])
}

/// The JSON Schema of an argument.
pub fn argument_schema(argument: &ArgumentSpec) -> Json {
    match argument.kind {
        Kind::Subject => object(vec![
            ("type", "string".into()),
            ("enum", Json::from(vec!["user", "item"])),
            ("description", argument.about.into()),
        ]),
        Kind::Id => any_of(&["string", "integer"], argument.about),
        Kind::Count => object(vec![
            ("type", "integer".into()),
            ("minimum", Json::from(1_i64)),
            ("description", argument.about.into()),
        ]),
        Kind::Flag => typed("boolean", argument.about),
        Kind::Text => typed("string", argument.about),
        Kind::Answer => {
            let ids = object(vec![
                ("type", "array".into()),
                ("items", object(vec![("anyOf", types(&["string", "integer"]))])),
            ]);
            let mut branches =
                vec![object(vec![("type", "number".into())]), object(vec![("type", "string".into())])];
            branches.push(ids);
            object(vec![("anyOf", Json::Array(branches)), ("description", argument.about.into())])
        }
        Kind::Steps => object(vec![
            ("type", "array".into()),
            ("minItems", Json::from(1_i64)),
            ("maxItems", Json::from(crate::limits::PLAN_STEPS as i64)),
            (
                "items",
                object(vec![
                    ("type", "object".into()),
                    (
                        "properties",
                        object(vec![("type", typed("string", "the action")), ("content", object(vec![]))]),
                    ),
                    ("required", Json::from(vec!["type", "content"])),
                    ("additionalProperties", false.into()),
                ]),
            ),
            ("description", argument.about.into()),
        ]),
        Kind::Request => {
            let property = |(name, about): (&'static str, &'static str)| {
                let schema = match name {
                    "from_year" | "to_year" | "count" => typed("integer", about),
                    "user" => typed("string", about),
                    _ => object(vec![
                        ("type", "array".into()),
                        ("items", object(vec![("type", "string".into())])),
                        ("description", about.into()),
                    ]),
                };
                (name, schema)
            };
            object(vec![
                ("type", "object".into()),
                ("properties", Request::FIELDS.into_iter().map(property).collect()),
                ("additionalProperties", false.into()),
                ("description", argument.about.into()),
            ])
        }
    }
}

/// The JSON Schema of named arguments: an object with all of them and no other.
pub fn arguments_schema(arguments: &[ArgumentSpec]) -> Json {
    let names: Vec<&str> = arguments.iter().map(|argument| argument.name).collect();
    object(vec![
        ("type", "object".into()),
        ("properties", arguments.iter().map(|argument| (argument.name, argument_schema(argument))).collect()),
        ("required", names.into()),
        ("additionalProperties", false.into()),
    ])
}

/// The JSON Schema of actions in the JSON form.
pub fn schema(specs: impl Iterator<Item = &'static ActionSpec>) -> Json {
    let one = |spec: &ActionSpec| {
        let content = match spec.arguments {
            [] => object(vec![("type", "string".into()), ("maxLength", Json::from(0_i64))]),
            [argument] => argument_schema(argument),
            several => object(vec![
                ("type", "array".into()),
                ("prefixItems", Json::Array(several.iter().map(argument_schema).collect())),
                ("minItems", Json::from(several.len() as i64)),
                ("maxItems", Json::from(several.len() as i64)),
            ]),
        };
        object(vec![
            ("type", "object".into()),
            ("description", spec.about.into()),
            (
                "properties",
                object(vec![("type", object(vec![("const", spec.name.into())])), ("content", content)]),
            ),
            ("required", Json::from(vec!["type", "content"])),
            ("additionalProperties", false.into()),
        ])
    };
    object(vec![("anyOf", Json::Array(specs.map(one).collect()))])
}

/// Actions as native tools.
pub fn native_tools(specs: impl Iterator<Item = &'static ActionSpec>) -> Vec<ToolSpec> {
    let tool = |spec: &ActionSpec| ToolSpec::new(spec.name, spec.about, arguments_schema(spec.arguments));
    specs.map(tool).collect()
}

/// The text form of an action with the names of the arguments in their places.
pub fn usage(spec: &ActionSpec) -> String {
    let names: Vec<&str> = spec.arguments.iter().map(|argument| argument.name).collect();
    format!("{}[{}]", spec.name, names.join(", "))
}

/// Actions as a list for a prompt: usage, what it does, what the arguments are.
pub fn prompt_list(specs: impl Iterator<Item = &'static ActionSpec>) -> String {
    let mut text = String::new();
    for spec in specs {
        let _ = writeln!(text, "- {}: {}.", usage(spec), spec.about);
        for argument in spec.arguments {
            let _ = writeln!(text, "    {}: {}", argument.name, argument.about);
        }
    }
    text
}

/// A role's actions as a Markdown table.
pub fn markdown(role: AgentRole) -> String {
    let mut text = String::from("| action | tool | what it does |\n|---|---|---|\n");
    for spec in role.specs() {
        let tool = spec.tool.map_or_else(|| "-".to_owned(), |tool| format!("`{tool}`"));
        let _ = writeln!(text, "| `{}` | {tool} | {} |", usage(spec), spec.about);
    }
    text
}

/// A role's text form as a grammar in llama.cpp's GBNF, for servers that decode under one.
pub fn gbnf(role: AgentRole) -> String {
    let mut text = String::new();
    let names: Vec<String> = role.specs().iter().map(|spec| spec.name.to_ascii_lowercase()).collect();
    let _ = writeln!(text, "root ::= {}", names.join(" | "));
    for (spec, name) in role.specs().iter().zip(&names) {
        let rule = |argument: &ArgumentSpec| match argument.kind {
            Kind::Subject => "(\"user\" | \"item\")",
            Kind::Id => "id",
            Kind::Count => "count",
            Kind::Flag => "(\"true\" | \"false\")",
            Kind::Text | Kind::Answer => "text",
            Kind::Steps => "steps",
            Kind::Request => "request",
        };
        let arguments: Vec<&str> = spec.arguments.iter().map(rule).collect();
        let _ = writeln!(text, "{name} ::= \"{}[\" {} \"]\"", spec.name, arguments.join(" \", \" "));
    }
    text.push_str("id ::= [A-Za-z0-9_.:-]+\ncount ::= [1-9] [0-9]*\ntext ::= [^\\]\\n\",;]+\n");
    text.push_str("step ::= [A-Z] [a-z]* \"[\" [^\\]\\n]* \"]\"\nsteps ::= step (\"; \" step)*\n");
    text.push_str("request ::= \"{\" [^}\\n]* \"}\"\n");
    text
}
