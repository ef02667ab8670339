//! A benchmark entry, read once and made ready for many checks.

use super::{Language, normalize};
use crate::error::{Error, Result};
use crate::value::{Kind, Str, Value};

/// Functions and expected calls of one entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) language: Language,
    pub(super) functions: Vec<Function>,
    pub(super) answers: Vec<Answer>,
    /// The names of the first function and the first expected call.
    pub(super) slots: Vec<Slot>,
}

/// A name that matters in a call: where the documentation and the expected call have it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub name: Str,
    pub required: bool,
    pub parameter: Option<usize>,
    pub allowed: Option<usize>,
}

fn slots(function: &Function, parameters: &[(Str, Allowed)]) -> Vec<Slot> {
    let required = function.required.as_deref().unwrap_or_default();
    let documented = function.parameters.iter().map(|(name, _)| name);
    let mut slots: Vec<Slot> = Vec::new();
    for name in documented.chain(parameters.iter().map(|(name, _)| name)).chain(required) {
        if slots.iter().all(|slot| slot.name != *name) {
            slots.push(Slot {
                name: name.clone(),
                required: required.contains(name),
                parameter: function.parameters.iter().position(|(other, _)| other == name),
                allowed: parameters.iter().position(|(other, _)| other == name),
            });
        }
    }
    slots
}

/// A function's documentation, as far as the checker looks at it.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub name: Str,
    pub underscored: Str,
    /// Nothing if the list is missing, at which the official checker raises.
    pub required: Option<Vec<Str>>,
    pub parameters: Vec<(Str, Parameter)>,
}

/// A parameter's type.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub kind: Str,
    /// The type of the value; nothing if the official checker raises.
    pub expected: Option<Kind>,
    pub nested: Nested,
}

/// The type of the items of a list.
#[derive(Clone, Debug)]
pub(super) enum Nested {
    None,
    Some {
        name: Str,
        kind: Kind,
    },
    /// Missing or unknown: the official checker raises.
    Raise,
}

/// An expected call.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The first function of that name.
    pub function: Option<usize>,
    pub parameters: Vec<(Str, Allowed)>,
    /// The names of the call and its function.
    pub slots: Vec<Slot>,
}

/// The allowed values of a parameter.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    pub values: Vec<Value>,
    /// The type of the first value that is not empty text.
    pub first: Option<Kind>,
    /// Whether empty text is among them: the parameter may be left out.
    pub optional: bool,
    /// The normalised texts.
    pub texts: Vec<String>,
    /// Whether the values are no list, at which the official checker raises.
    pub raises: bool,
}

impl Entry {
    /// Reads the `function` list of a question and the `ground_truth` of its answer.
    ///
    /// # Errors
    /// If they do not have the benchmark's form: a list of objects with `name` and `parameters.properties`; a list of
    /// objects with one member, whose value is an object.
    pub fn new(functions: &Value, answers: &Value, language: Language) -> Result<Self> {
        let list = |value: &Value, what: &str| match value {
            Value::List(items) => Ok(items.clone()),
            _ => Err(Error::invalid(format!("{what} must be a list"))),
        };
        let functions: Vec<Function> = list(functions, "the functions of an entry")?
            .iter()
            .map(|function| Function::read(function, language))
            .collect::<Result<_>>()?;
        let answers: Vec<Answer> = list(answers, "the ground truth of an entry")?
            .iter()
            .map(|answer| Answer::read(answer, &functions))
            .collect::<Result<_>>()?;
        let slots = match (functions.first(), answers.first()) {
            (Some(function), Some(answer)) => slots(function, &answer.parameters),
            _ => Vec::new(),
        };
        Ok(Self { language, functions, answers, slots })
    }
}

impl Function {
    fn read(value: &Value, language: Language) -> Result<Self> {
        let missing =
            |what: &str| Error::invalid(format!("a function's documentation lacks {what}: {value}"));
        let name = value.get("name").and_then(Value::as_str).ok_or_else(|| missing("its name"))?;
        let parameters = value.get("parameters").ok_or_else(|| missing("its parameters"))?;
        let properties = parameters.get("properties").and_then(Value::as_dict);
        let properties = properties.ok_or_else(|| missing("parameters.properties"))?;
        let texts = |items: &Value| -> Option<Vec<Str>> {
            items.as_list()?.iter().map(|item| item.as_str().map(Str::from)).collect()
        };
        Ok(Self {
            name: name.into(),
            underscored: name.replace('.', "_").into(),
            required: parameters.get("required").and_then(texts),
            parameters: properties
                .iter()
                .filter_map(|(name, property)| {
                    Some((name.as_str()?.into(), Parameter::read(property, language)))
                })
                .collect(),
        })
    }
}

impl Parameter {
    fn read(property: &Value, language: Language) -> Self {
        let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_nested = match language {
            Language::Python => matches!(kind, "array" | "tuple"),
            _ => matches!(kind, "Array" | "ArrayList" | "array"),
        };
        let nested = if is_nested {
            let name = property.get("items").and_then(|items| items.get("type")).and_then(Value::as_str);
            match name.and_then(|name| Some((name, expected(name, language)?))) {
                Some((name, kind)) => Nested::Some { name: name.into(), kind },
                None => Nested::Raise,
            }
        } else {
            Nested::None
        };
        Self { kind: kind.into(), expected: expected(kind, language), nested }
    }
}

/// The type that a value of a documented type has.
pub(super) fn expected(name: &str, language: Language) -> Option<Kind> {
    Some(match (language, name) {
        (Language::Python, "string" | "any") => Kind::Str,
        (Language::Python, "integer") => Kind::Int,
        (Language::Python, "float") => Kind::Float,
        (Language::Python, "boolean") => Kind::Bool,
        (Language::Python, "array" | "tuple") => Kind::List,
        (Language::Python, "dict") => Kind::Dict,
        (Language::Java, "byte" | "short" | "integer" | "long") => Kind::Int,
        (Language::Java, "float" | "double") => Kind::Float,
        (Language::Java, "boolean") => Kind::Bool,
        (Language::Java, "char" | "String" | "any") => Kind::Str,
        (Language::Java, "Array" | "ArrayList" | "Queue" | "Stack") => Kind::List,
        (Language::Java, "HashMap" | "Hashtable") => Kind::Dict,
        (Language::Java, "Set") => Kind::Set,
        (Language::JavaScript, "String" | "any") => Kind::Str,
        (Language::JavaScript, "integer" | "Bigint") => Kind::Int,
        (Language::JavaScript, "float") => Kind::Float,
        (Language::JavaScript, "Boolean") => Kind::Bool,
        (Language::JavaScript, "array") => Kind::List,
        (Language::JavaScript, "dict") => Kind::Dict,
        _ => return None,
    })
}

impl Answer {
    fn read(value: &Value, functions: &[Function]) -> Result<Self> {
        let wrong =
            || Error::invalid(format!("an expected call must be {{name: {{parameter: […]}}}}: {value}"));
        let (name, parameters) = value.as_dict().and_then(|dict| dict.iter().next()).ok_or_else(wrong)?;
        let name = name.as_str().ok_or_else(wrong)?;
        let parameters = parameters.as_dict().ok_or_else(wrong)?;
        let function = functions.iter().position(|function| function.name == name);
        let parameters: Vec<(Str, Allowed)> = parameters
            .iter()
            .filter_map(|(name, allowed)| Some((name.as_str()?.into(), Allowed::read(allowed))))
            .collect();
        let slots = function.map_or(Vec::new(), |function| slots(&functions[function], &parameters));
        Ok(Self { function, parameters, slots })
    }
}

impl Allowed {
    fn read(value: &Value) -> Self {
        let (values, raises) = match value {
            Value::List(values) => (values.clone(), false),
            // Text is walked character by character.
            Value::Str(text) => (text.chars().map(|c| Value::Str(c.to_string().into())).collect(), false),
            _ => (Vec::new(), true),
        };
        let is_empty_text = |value: &Value| value.as_str() == Some("");
        let texts = values.iter().filter_map(Value::as_str).map(|text| normalize(text).into_owned());
        Self {
            first: values.iter().find(|value| !is_empty_text(value)).map(Value::kind),
            optional: values.iter().any(is_empty_text),
            texts: texts.collect(),
            values,
            raises,
        }
    }

    /// Whether the normalised text is among the allowed ones.
    pub fn has_text(&self, text: &[u8]) -> bool {
        self.texts.iter().any(|allowed| allowed.as_bytes() == text)
    }
}
