//! What a tool wants to be told: the leaves of its schema, with what values look like and which words announce them.

use std::collections::HashSet;

use rec_core::{Json, ToolSpec};

use super::lexicon::{is_stop, stem, words_of};
use crate::schema;

/// What values of a parameter look like in a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// One of these.
    Enum(Vec<String>),
    /// Said or not.
    Flag,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// An ISO 4217 code or a currency's name.
    Currency,
    /// A token that matches a pattern or format.
    Code,
    /// A language.
    Language,
    /// A country.
    Country,
    /// A city.
    City,
    /// A person.
    Person,
    /// Any words.
    Text,
    /// Names with numbers; the members of an item that take them.
    Pairs(String, String),
    /// Rows of numbers.
    Rows,
    /// Opening hours by day; the members of a day.
    Week(String, String),
    /// Something that no text can be read as.
    Opaque,
}

/// A leaf of a tool's parameters.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// The names from the top to it.
    pub path: Vec<String>,
    /// Its schema.
    pub schema: Json,
    /// What its values look like, those of an item for a list.
    pub expected: Expected,
    /// Whether it takes a list of such values.
    pub many: bool,
    /// Whether it and all around it are required.
    pub required: bool,
    /// Stems of its name.
    pub name: Vec<String>,
    /// Stems of its description that its name lacks.
    pub about: HashSet<String>,
}

impl Parameter {
    /// The schema of one value.
    pub fn item(&self) -> &Json {
        if self.many { self.schema.get("items").unwrap_or(&self.schema) } else { &self.schema }
    }

    /// What a person calls it: the words of its description, or of its name.
    pub fn title(&self) -> String {
        let description = self.schema.get("description").and_then(Json::as_str).unwrap_or_default();
        let first = description.split([',', ';', '.']).next().unwrap_or_default().trim();
        if first.is_empty() {
            return words_of(self.path.last().map_or("", String::as_str)).join(" ");
        }
        let mut letters = first.chars();
        letters
            .next()
            .map_or_else(String::new, |letter| letter.to_lowercase().collect::<String>() + letters.as_str())
    }
}

/// The leaves of a tool's parameters, in order. Objects with named members are entered.
pub fn parameters(tool: &ToolSpec) -> Vec<Parameter> {
    let mut out = Vec::new();
    walk(&tool.parameters, &[], true, &mut out);
    out
}

fn walk(object: &Json, path: &[String], required: bool, out: &mut Vec<Parameter>) {
    let names: HashSet<&str> = schema::required(object).collect();
    for (name, property) in schema::properties(object) {
        let mut path = path.to_vec();
        path.push(name.to_owned());
        let required = required && names.contains(name);
        let kind = schema::type_of(property);
        if kind == Some("object") && property.get("properties").is_some() {
            walk(property, &path, required, out);
            continue;
        }
        let description = property.get("description").and_then(Json::as_str).unwrap_or_default();
        let words = words_of(name);
        let stems: Vec<String> = words.iter().map(|word| stem(word)).collect();
        let about: HashSet<String> = words_of(description)
            .iter()
            .filter(|word| !is_stop(word))
            .map(|word| stem(word))
            .filter(|word| !stems.contains(word))
            .collect();
        let nested = (kind == Some("array")).then(|| property.get("items")).flatten();
        let simple = nested.filter(|item| !matches!(schema::type_of(item), Some("array" | "object")));
        let expected =
            simple.map_or_else(|| expected(property, &stems, &about), |item| expected(item, &stems, &about));
        out.push(Parameter {
            path,
            schema: property.clone(),
            expected,
            many: simple.is_some(),
            required,
            name: stems,
            about,
        });
    }
}

fn expected(schema: &Json, name: &[String], about: &HashSet<String>) -> Expected {
    let says = |words: &[&str]| {
        words.iter().any(|word| {
            let stem = stem(word);
            name.contains(&stem) || about.contains(&stem)
        })
    };
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        return Expected::Enum(values.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    }
    match schema::type_of(schema) {
        Some("boolean") => Expected::Flag,
        Some("integer") => Expected::Integer,
        Some("number") => Expected::Number,
        Some("array") => {
            let item = schema.get("items");
            match item.and_then(schema::type_of) {
                Some("array") => Expected::Rows,
                Some("object") => {
                    let of = |kind: &str| {
                        item.into_iter()
                            .flat_map(schema::properties)
                            .find(|(_, property)| schema::type_of(property) == Some(kind))
                            .map(|(name, _)| name.to_owned())
                    };
                    match (of("string"), of("integer")) {
                        (Some(name), Some(count)) => Expected::Pairs(name, count),
                        _ => Expected::Opaque,
                    }
                }
                _ => Expected::Opaque,
            }
        }
        Some("object") => {
            let mut members = schema.get("additionalProperties").into_iter().flat_map(schema::properties);
            match (members.next(), members.next()) {
                (Some((open, _)), Some((close, _))) => Expected::Week(open.to_owned(), close.to_owned()),
                _ => Expected::Opaque,
            }
        }
        _ => match schema.get("format").and_then(Json::as_str) {
            Some("date") => Expected::Date,
            Some("time") => Expected::Time,
            Some("email" | "uri" | "url") => Expected::Code,
            _ => match schema.get("pattern").and_then(Json::as_str) {
                Some(pattern) if schema::matches(pattern, "14:30") && !schema::matches(pattern, "Oslo") => {
                    Expected::Time
                }
                Some(pattern) if schema::matches(pattern, "EUR") && says(&["currency"]) => Expected::Currency,
                // A pattern that takes common words tells nothing of a value's look.
                Some(pattern)
                    if !schema::matches(pattern, "Lisbon") && !schema::matches(pattern, "lemon") =>
                {
                    Expected::Code
                }
                _ if says(&["language"]) => Expected::Language,
                _ if says(&["city", "cities"]) => Expected::City,
                _ if says(&["country"]) => Expected::Country,
                _ if says(&["person", "contact", "author", "doctor"]) => Expected::Person,
                _ => Expected::Text,
            },
        },
    }
}
