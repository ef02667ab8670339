//! Schemas as nodes.

use serde_json::{Map, Value};

use crate::{Error, Result};

/// What a value may be.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// One of these texts.
    Literals(Vec<Vec<u8>>),
    String,
    Number {
        whole: bool,
    },
    Array {
        item: usize,
        least: usize,
        most: usize,
    },
    /// Keys in their quotes, with their values; bits of those that must be there.
    Object {
        keys: Vec<(Vec<u8>, usize)>,
        required: u64,
    },
    /// Any keys, values of one kind.
    Dictionary {
        value: usize,
    },
    Choice(Vec<usize>),
}

/// A schema.
#[derive(Clone, Debug)]
pub(super) struct Grammar {
    pub nodes: Vec<Node>,
    pub root: usize,
}

/// The place of the node that accepts everything.
const ANY: usize = 0;

/// What says nothing about the value.
const NOTES: [&str; 9] =
    ["title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated", "format"];

fn refused(path: &str, what: impl Into<String>) -> Error {
    Error::config(format!("schema{path}"), what)
}

impl Grammar {
    pub fn new(schema: &Value) -> Result<Self> {
        let constants = ["true", "false", "null"].map(|text| text.as_bytes().to_vec()).to_vec();
        let mut grammar = Self {
            nodes: vec![
                Node::Choice((1..6).collect()),
                Node::Literals(constants),
                Node::String,
                Node::Number { whole: false },
                Node::Array { item: ANY, least: 0, most: usize::MAX },
                Node::Dictionary { value: ANY },
            ],
            root: ANY,
        };
        grammar.root = grammar.compile(schema, "")?;
        Ok(grammar)
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn compile(&mut self, schema: &Value, path: &str) -> Result<usize> {
        let object = match schema {
            Value::Bool(true) => return Ok(ANY),
            Value::Object(object) => object,
            other => return Err(refused(path, format!("is {other}; an object or true is accepted"))),
        };
        let words: Vec<&str> =
            object.keys().map(String::as_str).filter(|word| !NOTES.contains(word)).collect();
        if let Some(choices) = object.get("anyOf") {
            if let Some(word) = words.iter().find(|&&word| word != "anyOf") {
                return Err(refused(path, format!("has {word} beside anyOf; put it into each of them")));
            }
            let choices = choices.as_array().filter(|choices| !choices.is_empty());
            let choices = choices.ok_or_else(|| refused(path, "anyOf is no list of schemas"))?;
            let choices: Result<Vec<usize>> = choices
                .iter()
                .enumerate()
                .map(|(at, choice)| self.compile(choice, &format!("{path}/anyOf/{at}")))
                .collect();
            let choices = choices?;
            return Ok(self.push(Node::Choice(choices)));
        }
        let kinds = kinds(object, path)?;
        if object.contains_key("enum") || object.contains_key("const") {
            return self.literals(object, &words, &kinds, path);
        }
        const ACCEPTED: [&str; 7] =
            ["type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems"];
        if let Some(word) = words.iter().find(|word| !ACCEPTED.contains(word)) {
            return Err(refused(path, format!("has {word}, which is not accepted")));
        }
        if words.is_empty() {
            return Ok(ANY);
        }
        let kinds = if kinds.is_empty() { implied(object, path)? } else { kinds };
        let nodes: Result<Vec<usize>> = kinds.iter().map(|kind| self.kind(kind, object, path)).collect();
        match nodes?.as_slice() {
            [one] => Ok(*one),
            many => Ok(self.push(Node::Choice(many.to_vec()))),
        }
    }

    fn literals(
        &mut self,
        object: &Map<String, Value>,
        words: &[&str],
        kinds: &[String],
        path: &str,
    ) -> Result<usize> {
        if let Some(word) = words.iter().find(|word| !["type", "enum", "const"].contains(word)) {
            return Err(refused(path, format!("has {word} beside enum or const, which is not accepted")));
        }
        let values: Vec<&Value> = match (object.get("enum"), object.get("const")) {
            (None, Some(value)) => vec![value],
            (Some(Value::Array(values)), constant) => {
                values.iter().filter(|value| constant.is_none_or(|constant| constant == *value)).collect()
            }
            _ => return Err(refused(path, "enum is no list")),
        };
        let fits = |value: &&Value| kinds.is_empty() || kinds.iter().any(|kind| is_of(value, kind));
        let texts: Vec<Vec<u8>> =
            values.into_iter().filter(fits).map(|value| value.to_string().into_bytes()).collect();
        if texts.is_empty() {
            return Err(refused(path, "leaves no value"));
        }
        Ok(self.push(Node::Literals(texts)))
    }

    fn kind(&mut self, kind: &str, object: &Map<String, Value>, path: &str) -> Result<usize> {
        Ok(match kind {
            "string" => self.push(Node::String),
            "number" => self.push(Node::Number { whole: false }),
            "integer" => self.push(Node::Number { whole: true }),
            "boolean" => self.push(Node::Literals(vec![b"true".to_vec(), b"false".to_vec()])),
            "null" => self.push(Node::Literals(vec![b"null".to_vec()])),
            "array" => {
                let item = match object.get("items") {
                    None => ANY,
                    Some(items) => self.compile(items, &format!("{path}/items"))?,
                };
                let limit = |word: &str, default: usize| match object.get(word) {
                    None => Ok(default),
                    Some(value) => {
                        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
                        count.ok_or_else(|| refused(path, format!("{word} is no count")))
                    }
                };
                let (least, most) = (limit("minItems", 0)?, limit("maxItems", usize::MAX)?);
                if least > most {
                    return Err(refused(path, format!("minItems, {least}, is above maxItems, {most}")));
                }
                self.push(Node::Array { item, least, most })
            }
            "object" => self.object(object, path)?,
            other => return Err(refused(path, format!("has type {other:?}, which JSON Schema has not"))),
        })
    }

    fn object(&mut self, object: &Map<String, Value>, path: &str) -> Result<usize> {
        let rest = match object.get("additionalProperties") {
            None => Some(ANY),
            Some(Value::Bool(false)) => None,
            Some(schema) => Some(self.compile(schema, &format!("{path}/additionalProperties"))?),
        };
        let mut keys: Vec<(&str, usize)> = Vec::new();
        match object.get("properties") {
            None => {}
            Some(Value::Object(properties)) => {
                for (key, schema) in properties {
                    let value = self.compile(schema, &format!("{path}/properties/{key}"))?;
                    keys.push((key, value));
                }
            }
            Some(_) => return Err(refused(path, "properties is no object")),
        }
        let mut required = 0;
        let names = match object.get("required") {
            None => &[][..],
            Some(Value::Array(names)) => names,
            Some(_) => return Err(refused(path, "required is no list")),
        };
        for name in names {
            let name = name.as_str().ok_or_else(|| refused(path, "required names what is no string"))?;
            let at = match keys.iter().position(|(key, _)| *key == name) {
                Some(at) => at,
                None => {
                    let what = || refused(path, format!("requires {name:?} and forbids it"));
                    keys.push((name, rest.ok_or_else(what)?));
                    keys.len() - 1
                }
            };
            if at < 64 {
                required |= 1 << at;
            }
        }
        if keys.len() > 64 {
            return Err(refused(path, format!("has {} properties; 64 are accepted", keys.len())));
        }
        if keys.is_empty()
            && let Some(value) = rest
        {
            return Ok(self.push(Node::Dictionary { value }));
        }
        let quoted = |key: &str| Value::from(key).to_string().into_bytes();
        let keys = keys.into_iter().map(|(key, value)| (quoted(key), value)).collect();
        Ok(self.push(Node::Object { keys, required }))
    }
}

fn kinds(object: &Map<String, Value>, path: &str) -> Result<Vec<String>> {
    match object.get("type") {
        None => Ok(Vec::new()),
        Some(Value::String(kind)) => Ok(vec![kind.clone()]),
        Some(Value::Array(kinds)) if !kinds.is_empty() => kinds
            .iter()
            .map(|kind| {
                kind.as_str().map(str::to_owned).ok_or_else(|| refused(path, "type names what is no string"))
            })
            .collect(),
        Some(other) => Err(refused(path, format!("has type {other}"))),
    }
}

/// The kind of a schema that says it by its other words alone.
fn implied(object: &Map<String, Value>, path: &str) -> Result<Vec<String>> {
    let has = |words: &[&str]| words.iter().any(|word| object.contains_key(*word));
    match (has(&["properties", "required", "additionalProperties"]), has(&["items", "minItems", "maxItems"]))
    {
        (true, false) => Ok(vec!["object".into()]),
        (false, true) => Ok(vec!["array".into()]),
        _ => Err(refused(path, "has words of objects and of arrays, but no type")),
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
