//! Why an answer is wrong, in the words of the official checker, as its score files have them.
//!
//! [`judge`](super::judge) decides; this walks the same way once more over the raw data, slower, and collects texts.

use super::check::Pairing;
use super::convert::{convert_java, convert_javascript};
use super::documented::expected;
use super::normal::normalize;
use super::{Language, decode::call};
use crate::value::{Dict, Kind, Value};

/// The texts and the type of an error. `Err(None)` inside stands for an exception of the official checker.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Texts, and for pairings the errors of every try.
    pub errors: Vec<Value>,
    /// The official type.
    pub kind: &'static str,
}

type Explained = Result<(), Option<Explanation>>;

fn wrong<T>(kind: &'static str, texts: impl IntoIterator<Item = String>) -> Result<T, Option<Explanation>> {
    Err(Some(Explanation { errors: texts.into_iter().map(Value::from).collect(), kind }))
}

/// The error of calls that do not pass; nothing if they pass or the official checker raises.
///
/// `functions` and `answers` are the benchmark's, as in [`Entry::new`](super::Entry::new).
pub fn explain(
    functions: &Value,
    answers: &Value,
    language: Language,
    calls: &[Value],
    pairing: Pairing,
    underscores: bool,
) -> Option<Explanation> {
    let (functions, answers) = (functions.as_list()?, answers.as_list()?);
    let context = Context { language, underscores };
    let result = match pairing {
        Pairing::Parallel => context.parallel(functions, answers, calls),
        Pairing::Multiple => {
            if calls.len() == answers.len() {
                let answer = answers.first()?;
                context.one(find(functions, answer)?, &calls[0], answer)
            } else {
                wrong("multiple_function_checker:wrong_count", ["Wrong number of functions.".into()])
            }
        }
        Pairing::Simple => match (calls, functions.first(), answers.first()) {
            ([call], Some(function), Some(answer)) => context.one(function, call, answer),
            _ => wrong("simple_function_checker:wrong_count", ["Wrong number of functions.".into()]),
        },
    };
    result.err().flatten()
}

/// The documentation of the function that an expected call names.
fn find<'a>(functions: &'a [Value], answer: &Value) -> Option<&'a Value> {
    let name = answer.as_dict()?.keys().next()?;
    functions.iter().find(|function| function.get("name") == Some(name))
}

struct Context {
    language: Language,
    underscores: bool,
}

impl Context {
    fn parallel(&self, functions: &[Value], answers: &[Value], calls: &[Value]) -> Explained {
        if calls.len() != answers.len() {
            return wrong(
                "parallel_function_checker_no_order:wrong_count",
                ["Wrong number of functions.".into()],
            );
        }
        let mut matched = vec![false; calls.len()];
        for (number, answer) in answers.iter().enumerate() {
            let function = find(functions, answer).ok_or(None)?;
            let mut tries = Vec::new();
            let mut found = false;
            for (at, output) in calls.iter().enumerate() {
                if matched[at] {
                    continue;
                }
                let explanation = match self.one(function, output, answer) {
                    Ok(()) => {
                        matched[at] = true;
                        found = true;
                        break;
                    }
                    Err(None) => return Err(None),
                    Err(Some(explanation)) => explanation,
                };
                let details: Dict = [
                    (Value::from("sub_error"), Value::List(explanation.errors)),
                    (Value::from("sub_error_type"), Value::from(explanation.kind)),
                    (Value::from("model_output_item"), output.clone()),
                    (Value::from("possible_answer_item"), answer.clone()),
                ]
                .into_iter()
                .collect();
                tries.push(call(Value::from(format!("Model Result Index {at}")), Value::Dict(details)));
            }
            if !found {
                let left: Vec<Value> =
                    (0..calls.len()).filter(|&at| !matched[at]).map(|at| Value::from(at as i64)).collect();
                let text = format!(
                    "Could not find a matching function among index {} of model output for index {number} of possible answers.",
                    Value::List(left).repr()
                );
                tries.insert(0, Value::from(text));
                let kind = "parallel_function_checker_no_order:cannot_find_match";
                return Err(Some(Explanation { errors: tries, kind }));
            }
        }
        Ok(())
    }

    fn one(&self, function: &Value, output: &Value, answer: &Value) -> Explained {
        let allowed = answer
            .as_dict()
            .and_then(|answer| answer.values().next())
            .and_then(Value::as_dict)
            .ok_or(None)?;
        let name = function.get("name").and_then(Value::as_str).ok_or(None)?;
        let parameters = function.get("parameters").ok_or(None)?;
        let documented = parameters.get("properties").and_then(Value::as_dict).ok_or(None)?;
        let required = parameters.get("required").and_then(Value::as_list).ok_or(None)?;
        let name = Value::from(if self.underscores { name.replace('.', "_") } else { name.to_owned() });
        let Some(Value::Dict(arguments)) = output.as_dict().and_then(|output| output.get(&name)) else {
            let text = format!("Function name {} not found in model output.", name.repr());
            return wrong("simple_function_checker:wrong_func_name", [text]);
        };
        if let Some(missing) = required.iter().find(|name| !arguments.contains_key(name)) {
            let text = format!("Missing required parameter: {}.", missing.repr());
            return wrong("simple_function_checker:missing_required", [text]);
        }
        for (name, value) in arguments.iter() {
            let (Some(parameter), Some(allowed)) = (documented.get(name), allowed.get(name)) else {
                let text = format!("Unexpected parameter: {}.", name.repr());
                return wrong("simple_function_checker:unexpected_param", [text]);
            };
            self.argument(name, parameter, iterated(allowed).ok_or(None)?.as_slice(), value)?;
        }
        for (name, allowed) in allowed.iter() {
            if !arguments.contains_key(name) && !holds_empty_text(allowed).ok_or(None)? {
                let text =
                    format!("Optional parameter {} not provided and not marked as optional.", name.repr());
                return wrong("simple_function_checker:missing_optional", [text]);
            }
        }
        Ok(())
    }

    fn argument(&self, name: &Value, parameter: &Value, allowed: &[Value], value: &Value) -> Explained {
        let documented = parameter.get("type").and_then(Value::as_str).ok_or(None)?;
        let kind = expected(documented, self.language).ok_or(None)?;
        if self.language != Language::Python && value.kind() != Kind::Str {
            let text = incorrect_type(name, "String", value);
            return wrong(
                if self.language == Language::Java { "type_error:java" } else { "type_error:js" },
                [text],
            );
        }
        let is_nested = match self.language {
            Language::Python => matches!(documented, "array" | "tuple"),
            _ => matches!(documented, "Array" | "ArrayList" | "array"),
        };
        let item = if is_nested {
            let item = parameter
                .get("items")
                .and_then(|items| items.get("type"))
                .and_then(Value::as_str)
                .ok_or(None)?;
            Some((item, expected(item, self.language).ok_or(None)?))
        } else {
            None
        };
        let text = value.as_str().unwrap_or_default();
        let item_name = item.map(|(name, _)| name);
        let value = match (self.language, value) {
            (Language::Java, _) => convert_java(text, documented, item_name).map_err(|_| None)?,
            (Language::JavaScript, _) => convert_javascript(text, documented, item_name).map_err(|_| None)?,
            (Language::Python, Value::Tuple(items)) if documented == "tuple" => Value::List(items.clone()),
            (Language::Python, Value::Int(int)) if documented == "float" => {
                Value::Float(int.to_f64().ok_or(None)?)
            }
            (Language::Python, value) => value.clone(),
        };
        let item = item.map(|(_, kind)| kind);
        if !type_of(name, &value, allowed, documented, kind, item)? {
            match (&value, kind, item) {
                (Value::Dict(dict), Kind::Dict, _) => return dictionary(dict, allowed),
                (Value::List(items), Kind::List, Some(Kind::Dict)) => return dictionaries(items, allowed),
                (Value::Str(text), Kind::Str, _) => {
                    let text = normalize(text);
                    if allowed.iter().filter_map(Value::as_str).any(|other| normalize(other) == text) {
                        return Ok(());
                    }
                    let text = format!("{} Case insensitive.", invalid_value(name, &value, allowed));
                    return wrong("value_error:string", [text]);
                }
                (Value::List(items), Kind::List, _) => {
                    let items = Value::List(items.iter().map(normal).collect());
                    for allowed in allowed {
                        let other = iterated(allowed).ok_or(None)?;
                        if Value::List(other.iter().map(normal).collect()) == items {
                            return Ok(());
                        }
                    }
                    return wrong("value_error:list/tuple", [invalid_value(name, &value, allowed)]);
                }
                _ => {}
            }
        }
        if allowed.contains(&value) {
            return Ok(());
        }
        wrong("value_error:others", [invalid_value(name, &value, allowed)])
    }
}

/// Whether the value is a variable, or the error of its type.
fn type_of(
    name: &Value,
    value: &Value,
    allowed: &[Value],
    documented: &str,
    kind: Kind,
    item: Option<Kind>,
) -> Result<bool, Option<Explanation>> {
    let first_kind =
        |allowed: &[Value]| allowed.iter().find(|value| value.as_str() != Some("")).map(Value::kind);
    let first = first_kind(allowed);
    let mut texts = Vec::new();
    if value.kind() == kind {
        let is_variable = first.is_some_and(|first| first != kind);
        let Some(item) = item else { return Ok(is_variable) };
        let items = value.as_list().unwrap_or_default();
        let fits = |other: &Value| match other {
            Value::List(other) => {
                let first = first_kind(other);
                items.iter().all(|value| value.kind() == item || first == Some(value.kind()))
            }
            _ => true,
        };
        if allowed.iter().any(fits) {
            return Ok(is_variable);
        }
        texts.push(format!(
            "Nested type checking failed for parameter {}. Expected outer type {documented} with inner type <class '{}'>. Parameter value: {}.",
            name.repr(),
            item.name(),
            value.repr()
        ));
    }
    if first == Some(value.kind()) {
        return if texts.is_empty() { Ok(true) } else { wrong("type_error:nested", texts) };
    }
    texts.push(incorrect_type(name, documented, value));
    wrong("type_error:simple", texts)
}

fn incorrect_type(name: &Value, kind: &str, value: &Value) -> String {
    format!(
        "Incorrect type for parameter {}. Expected type {kind}, got {}. Parameter value: {}.",
        name.repr(),
        value.kind().name(),
        value.repr()
    )
}

fn invalid_value(name: &Value, value: &Value, allowed: &[Value]) -> String {
    let allowed = Value::List(allowed.to_vec());
    format!(
        "Invalid value for parameter {}: {}. Expected one of {}.",
        name.repr(),
        value.repr(),
        allowed.repr()
    )
}

/// Text normalised, everything else as it is.
fn normal(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| Value::from(&*normalize(text)))
}

/// The members by index, of a list or of text.
fn iterated(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::List(items) | Value::Tuple(items) => Some(items.clone()),
        Value::Str(text) => Some(text.chars().map(|c| Value::from(c.to_string())).collect()),
        Value::Dict(dict) if dict.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

fn holds_empty_text(value: &Value) -> Option<bool> {
    match value {
        Value::Str(_) => Some(true),
        Value::Dict(dict) => Some(dict.contains_str("")),
        other => Some(iterated(other)?.iter().any(|value| value.as_str() == Some(""))),
    }
}

fn dictionary(dict: &Dict, allowed: &[Value]) -> Explained {
    let mut last = Explanation { errors: Vec::new(), kind: "dict_checker:unclear" };
    for allowed in allowed.iter().filter(|allowed| allowed.as_str() != Some("")) {
        let allowed = allowed.as_dict().ok_or(None)?;
        let (mut texts, mut kind) = (Vec::new(), "dict_checker:unclear");
        for (key, value) in dict.iter() {
            let Some(alternatives) = allowed.get(key) else {
                texts.push(format!("Unexpected dict key parameter: '{key}'."));
                kind = "value_error:dict_key";
                break;
            };
            let alternatives: Vec<Value> = iterated(alternatives).ok_or(None)?.iter().map(normal).collect();
            if !alternatives.contains(&normal(value)) {
                texts.push(invalid_value(key, value, &alternatives));
                kind = "value_error:dict_value";
                break;
            }
        }
        for (key, alternatives) in allowed.iter() {
            if !dict.contains_key(key) && !holds_empty_text(alternatives).ok_or(None)? {
                texts.push(format!("Missing dict key parameter: '{key}'."));
                kind = "value_error:dict_key";
                break;
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        last = Explanation { errors: texts.into_iter().map(Value::from).collect(), kind };
    }
    Err(Some(last))
}

fn dictionaries(items: &[Value], allowed: &[Value]) -> Explained {
    let mut last = Explanation { errors: Vec::new(), kind: "list_dict_checker:unclear" };
    for allowed in allowed {
        let allowed = iterated(allowed).ok_or(None)?;
        if allowed.len() != items.len() {
            last = Explanation {
                errors: vec![Value::from("Wrong number of dictionaries in the list.")],
                kind: "value_error:list_dict_count",
            };
            continue;
        }
        let mut passes = true;
        for (item, allowed) in items.iter().zip(&allowed) {
            let explained = match item {
                Value::Dict(dict) => dictionary(dict, std::slice::from_ref(allowed)),
                _ if allowed.as_str() == Some("") => wrong("dict_checker:unclear", []),
                _ => Err(None),
            };
            if let Err(explanation) = explained {
                last = explanation.ok_or(None)?;
                passes = false;
                break;
            }
        }
        if passes {
            return Ok(());
        }
    }
    Err(Some(last))
}
