//! A benchmark entry, read once and made ready for many checks.

use smallvec::SmallVec;

use super::Language;
use super::check::normal;
use super::convert::{Conversion, Java, JavaScript};
use crate::error::{Error, Result};
use crate::value::{Dict, Kind, Str, Value};

/// Functions and expected calls of one entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) language: Language,
    /// The expected calls, each with the function of its name; nothing where there is none.
    // Nearly always there is one, which then needs no place of its own in memory.
    pub(super) answers: SmallVec<[Option<Expected>; 1]>,
    /// The first expected call with the first function, where that has another name.
    pub(super) first: Option<Box<Expected>>,
}

/// An expected call and the documentation of a function, as far as the checker looks at them: all that a check needs lies
/// side by side.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub name: Str,
    /// The name with underscores for dots.
    pub underscored: Str,
    /// Whether the official checker raises, as the list of required parameters is missing.
    pub raises: bool,
    /// Which of the first 64 slots are required by the documentation, and which by the expected call.
    pub required: u64,
    pub needed: u64,
    /// The parameters, documented ones first.
    pub slots: Box<[Slot]>,
    /// The allowed values of all parameters.
    pub values: Box<[Value]>,
    /// The allowed texts of all parameters, normalised.
    pub texts: Box<[Str]>,
}

/// A parameter: what the documentation and the expected call have to say about it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub name: Str,
    pub required: bool,
    /// Whether it is documented and the expected call has it. Only then the rest counts.
    pub known: bool,
    /// Its place in the expected call, if that has it.
    pub place: Option<u16>,
    /// Whether it may be left out: empty text is among the allowed values.
    pub optional: bool,
    /// Whether the allowed values are no list, at which the official checker raises.
    pub raises: bool,
    /// Whether the documented type is `float`, for which an integer will do, or `tuple`.
    pub is_float: bool,
    pub is_tuple: bool,
    /// The documented type; nothing if the official checker raises.
    pub kind: Option<Kind>,
    pub nested: Nested,
    /// The type of the first allowed value that is not empty text.
    pub first: Option<Kind>,
    pub conversion: Option<Conversion>,
    values: (u32, u32),
    texts: (u32, u32),
}

impl Expected {
    /// The allowed values of a parameter.
    pub fn values(&self, slot: &Slot) -> &[Value] {
        &self.values[slot.values.0 as usize..slot.values.1 as usize]
    }

    /// The allowed texts of a parameter, normalised.
    pub fn texts(&self, slot: &Slot) -> &[Str] {
        &self.texts[slot.texts.0 as usize..slot.texts.1 as usize]
    }
}

impl Slot {
    /// Whether an answer without it is wrong.
    pub fn is_needed(&self) -> bool {
        self.place.is_some() && !self.optional
    }
}

/// The type of the items of a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nested {
    None,
    Some(Kind),
    /// Missing or unknown: the official checker raises.
    Raise,
}

/// A function's documentation.
struct Function<'a> {
    name: &'a str,
    /// Nothing if it is missing or no list of texts.
    required: Option<&'a [Value]>,
    properties: &'a Dict,
}

/// A parameter's type.
#[derive(Clone, Copy)]
struct Parameter {
    kind: Option<Kind>,
    nested: Nested,
    is_float: bool,
    is_tuple: bool,
    conversion: Option<Conversion>,
}

/// An expected call.
struct Answer<'a> {
    name: &'a str,
    parameters: &'a Dict,
}

impl Entry {
    /// Reads the `function` list of a question and the `ground_truth` of its answer.
    ///
    /// # Errors
    /// If they do not have the benchmark's form: a list of objects with `name` and `parameters.properties`; a list of
    /// objects with one member, whose value is an object.
    pub fn new(functions: &Value, answers: &Value, language: Language) -> Result<Self> {
        let no_list = |what: &str| Error::invalid(format!("{what} must be a list"));
        let functions = functions.as_list().ok_or_else(|| no_list("the functions of an entry"))?;
        let answers = answers.as_list().ok_or_else(|| no_list("the ground truth of an entry"))?;
        let functions: SmallVec<[Function<'_>; 4]> =
            functions.iter().map(Function::read).collect::<Result<_>>()?;
        let answers: SmallVec<[Answer<'_>; 4]> = answers.iter().map(Answer::read).collect::<Result<_>>()?;
        let named = |name: &str| functions.iter().position(|function| function.name == name);
        let first = match (functions.first(), answers.first()) {
            (Some(function), Some(answer)) if named(answer.name) != Some(0) => {
                Some(Box::new(Expected::new(function, answer, language)))
            }
            _ => None,
        };
        let answers = answers
            .iter()
            .map(|answer| {
                named(answer.name).map(|function| Expected::new(&functions[function], answer, language))
            })
            .collect();
        Ok(Self { language, answers, first })
    }
}

impl Expected {
    fn new(function: &Function<'_>, answer: &Answer<'_>, language: Language) -> Self {
        let required = function.required.unwrap_or_default();
        let mut slots: Vec<Slot> = Vec::with_capacity(function.properties.len().max(answer.parameters.len()));
        let mut values = Vec::with_capacity(2 * answer.parameters.len());
        let mut texts: Vec<Str> = Vec::with_capacity(2 * answer.parameters.len());
        let named = function.properties.keys().chain(answer.parameters.keys()).chain(required);
        for name in named.filter_map(Value::as_str) {
            if slots.iter().any(|slot| slot.name == name) {
                continue;
            }
            let place = answer.parameters.keys().position(|other| other.as_str() == Some(name));
            let property = function.properties.get_str(name);
            // Of a parameter that no answer may have, the type does not matter.
            let parameter =
                property.filter(|_| place.is_some()).map(|property| Parameter::read(property, language));
            let starts = (values.len(), texts.len());
            let raises = place.is_some_and(|place| {
                match answer.parameters.values().nth(place) {
                    Some(Value::List(allowed)) => values.extend(allowed.iter().cloned()),
                    // Text is walked character by character.
                    Some(Value::Str(text)) => {
                        values.extend(text.chars().map(|c| Value::from(&*c.encode_utf8(&mut [0; 4]))))
                    }
                    _ => return true,
                }
                false
            });
            let allowed = &values[starts.0..];
            let is_empty_text = |value: &Value| value.as_str() == Some("");
            texts.extend(allowed.iter().filter_map(Value::as_str).map(normal));
            slots.push(Slot {
                name: name.into(),
                required: required.iter().any(|other| other.as_str() == Some(name)),
                known: parameter.is_some() && place.is_some(),
                place: place.map(|place| u16::try_from(place).unwrap_or(u16::MAX)),
                optional: allowed.iter().any(is_empty_text),
                raises,
                is_float: parameter.is_some_and(|parameter| parameter.is_float),
                is_tuple: parameter.is_some_and(|parameter| parameter.is_tuple),
                kind: parameter.and_then(|parameter| parameter.kind),
                nested: parameter.map_or(Nested::None, |parameter| parameter.nested),
                first: allowed.iter().find(|value| !is_empty_text(value)).map(Value::kind),
                conversion: parameter.and_then(|parameter| parameter.conversion),
                values: (starts.0 as u32, values.len() as u32),
                texts: (starts.1 as u32, texts.len() as u32),
            });
        }
        let mask = |is: fn(&Slot) -> bool| {
            slots.iter().take(64).enumerate().fold(0, |mask, (at, slot)| mask | u64::from(is(slot)) << at)
        };
        Self {
            required: mask(|slot| slot.required),
            needed: mask(Slot::is_needed),
            underscored: function.name.replace('.', "_").into(),
            name: function.name.into(),
            raises: function.required.is_none(),
            slots: slots.into(),
            values: values.into(),
            texts: texts.into(),
        }
    }
}

impl<'a> Function<'a> {
    fn read(value: &'a Value) -> Result<Self> {
        let missing =
            |what: &str| Error::invalid(format!("a function's documentation lacks {what}: {value}"));
        let parameters = value.get("parameters").ok_or_else(|| missing("its parameters"))?;
        let properties = parameters.get("properties").and_then(Value::as_dict);
        let required = parameters.get("required").and_then(Value::as_list);
        Ok(Self {
            name: value.get("name").and_then(Value::as_str).ok_or_else(|| missing("its name"))?,
            required: required.filter(|items| items.iter().all(|item| item.as_str().is_some())),
            properties: properties.ok_or_else(|| missing("parameters.properties"))?,
        })
    }
}

impl Parameter {
    fn read(property: &Value, language: Language) -> Self {
        let name = property.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_nested = match language {
            Language::Python => matches!(name, "array" | "tuple"),
            _ => matches!(name, "Array" | "ArrayList" | "array"),
        };
        let item = property.get("items").and_then(|items| items.get("type")).and_then(Value::as_str);
        let item = item.filter(|_| is_nested);
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

impl<'a> Answer<'a> {
    fn read(value: &'a Value) -> Result<Self> {
        let wrong =
            || Error::invalid(format!("an expected call must be {{name: {{parameter: […]}}}}: {value}"));
        let (name, parameters) = value.as_dict().and_then(|dict| dict.iter().next()).ok_or_else(wrong)?;
        Ok(Self {
            name: name.as_str().ok_or_else(wrong)?,
            parameters: parameters.as_dict().ok_or_else(wrong)?,
        })
    }
}
