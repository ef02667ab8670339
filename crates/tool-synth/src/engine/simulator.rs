//! The offline tool: a result that fits the declared schema, always the same for the same call.
//!
//! Members that bear an argument's name repeat the argument, so that a record of a search for Lisbon lies in Lisbon, and
//! identifiers look as their patterns say, so that a later call can use them.

use rand::RngExt;
use rec_core::json::Object;
use rec_core::random::{Random, stream};
use rec_core::{Json, Message, Role, ToolCall, ToolSpec};

use super::solver::words_of;
use crate::schema;
use crate::tss::{Grammar, Kind, kind};

/// The result of a call, as a tool would send it. A record that an earlier result holds keeps its members.
pub fn simulate(tool: &ToolSpec, call: &ToolCall, earlier: &[Message], grammar: &Grammar) -> Json {
    let Some(schema) = &tool.returns else {
        return [("status", "ok")].into_iter().collect();
    };
    // The stream is named by the call: equal calls give equal results.
    let mut random = stream(0, &call.canonical(), 0);
    let mut arguments: Vec<(Vec<String>, &Json)> = Vec::new();
    flatten(&call.arguments, &mut arguments);
    let known = known_record(call, earlier);
    if let Some(known) = &known {
        flatten(known, &mut arguments);
    }
    let mut result = value("", schema, &arguments, grammar, &mut random);
    let count = result.get("results").and_then(Json::as_array).map(<[Json]>::len);
    if let (Some(count), Some(members)) = (count, result.as_object_mut())
        && members.contains_key("total")
    {
        members.insert("total".into(), Json::from(count as i64));
    }
    result
}

/// The record of an earlier result that has the identifier this call asks for.
fn known_record(call: &ToolCall, earlier: &[Message]) -> Option<Json> {
    let (name, id) = call
        .arguments
        .as_object()?
        .iter()
        .find(|(name, _)| words_of(name).last().is_some_and(|word| word == "id"))?;
    let words = words_of(name);
    let is_it = |record: &Json| {
        record
            .as_object()
            .into_iter()
            .flatten()
            .any(|(member, value)| value == id && words_of(member) == words)
    };
    earlier.iter().rev().filter(|message| message.role == Role::Tool).find_map(|message| {
        let result: Json = message.content.parse().ok()?;
        if is_it(&result) {
            return Some(result);
        }
        let mut lists = result.as_object()?.values().filter_map(Json::as_array).flatten();
        lists.find(|record| is_it(record)).cloned()
    })
}

/// Periods end after they begin.
fn order(members: &mut Object) {
    let part = |side: &str, members: &Object| {
        members.iter().find_map(|(name, value)| {
            let words = words_of(name);
            let at = words.iter().position(|word| word == side)?;
            let unit = words.get(at + 1).filter(|word| matches!(word.as_str(), "date" | "time"))?.clone();
            Some((name.clone(), value.clone(), unit))
        })
    };
    if let (Some((start, from, unit)), Some((end, to, same))) = (part("start", members), part("end", members))
        && unit == same
        && from.as_str() > to.as_str()
    {
        members.insert(start, to);
        members.insert(end, from);
    }
}

fn flatten<'a>(value: &'a Json, out: &mut Vec<(Vec<String>, &'a Json)>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if value.as_object().is_some() {
            flatten(value, out);
        }
        out.push((words_of(name), value));
    }
}

fn value(
    name: &str,
    schema: &Json,
    arguments: &[(Vec<String>, &Json)],
    grammar: &Grammar,
    random: &mut Random,
) -> Json {
    let words = words_of(name);
    if let Some((_, argument)) = arguments.iter().find(|(known, argument)| {
        *known == words && !words.is_empty() && schema::violations(argument, schema).is_empty()
    }) {
        return (*argument).clone();
    }
    if let Some(values) = schema.get("enum").and_then(Json::as_array)
        && !values.is_empty()
    {
        return kind::pick(values, random).clone();
    }
    // The name of a slot of the grammar says what the values mean.
    let description = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    if let Some(slot) = grammar.slot_described(&words.join("_"), description) {
        let entry = &grammar.slots[slot];
        let drawn = if entry.many {
            Json::Array(vec![entry.kind.sample(random), entry.kind.sample(random)])
        } else {
            entry.kind.sample(random)
        };
        if schema::violations(&drawn, schema).is_empty() {
            return drawn;
        }
    }
    let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
    match schema::type_of(schema) {
        Some("object") => {
            let members = schema::properties(schema)
                .map(|(name, property)| (name.to_owned(), value(name, property, arguments, grammar, random)));
            let mut members = members.collect::<Object>();
            order(&mut members);
            Json::Object(members)
        }
        Some("array") => {
            let item = schema.get("items").cloned().unwrap_or_default();
            let count = random.random_range(2..=4);
            Json::Array((0..count).map(|_| value("", &item, arguments, grammar, random)).collect())
        }
        Some("integer") => {
            let (low, high) = (bound("minimum").unwrap_or(1.0), bound("maximum").unwrap_or(60.0));
            Kind::Integer(low.ceil() as i64, (high.floor() as i64).max(low.ceil() as i64)).sample(random)
        }
        Some("number") => {
            let (low, high) = (bound("minimum").unwrap_or(5.0), bound("maximum").unwrap_or(900.0));
            Kind::Number(low, high.max(low + 1.0)).sample(random)
        }
        Some("boolean") => Json::from(random.random_bool(0.5)),
        Some("null") => Json::Null,
        _ => text(schema, random),
    }
}

fn text(schema: &Json, random: &mut Random) -> Json {
    match schema.get("format").and_then(Json::as_str) {
        Some("date") => return Kind::Date.sample(random),
        Some("time") => return Kind::Time.sample(random),
        Some("email") => return Kind::Email.sample(random),
        Some("uri" | "url") => return Kind::Url.sample(random),
        _ => {}
    }
    if let Some(pattern) = schema.get("pattern").and_then(Json::as_str) {
        // "^FL-[0-9]{5}$", the identifiers of the grammar.
        if let Some(prefix) = pattern.strip_prefix('^').and_then(|rest| rest.strip_suffix("-[0-9]{5}$")) {
            return Kind::Identifier(prefix.to_owned()).sample(random);
        }
        for kind in [Kind::Time, Kind::Currency, Kind::Phone, Kind::City, Kind::Person] {
            let drawn = kind.sample(random);
            if drawn.as_str().is_some_and(|text| schema::matches(pattern, text)) {
                return drawn;
            }
        }
        if let Some(example) = schema.get("examples").and_then(Json::as_array).and_then(<[Json]>::first) {
            return example.clone();
        }
    }
    Kind::City.sample(random)
}
