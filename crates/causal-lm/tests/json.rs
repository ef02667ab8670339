//! Whatever is sampled under a JSON schema parses and validates.

use causal_lm::decode::Constraint;
use causal_lm::{Error, JsonSchema, Vocabulary};
use proptest::prelude::*;
use rand::RngExt;
use serde_json::{Value, json};

/// The part of JSON Schema that is accepted, checked from the definition and without the code under test.
fn validates(schema: &Value, value: &Value) -> bool {
    let Value::Object(words) = schema else { return schema == &Value::Bool(true) };
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => panic!("{kind}"),
    };
    words.iter().all(|(word, own)| match word.as_str() {
        "anyOf" => own.as_array().unwrap().iter().any(|schema| validates(schema, value)),
        "type" => match own {
            Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap())),
            kind => is(kind.as_str().unwrap()),
        },
        "enum" => own.as_array().unwrap().contains(value),
        "const" => own == value,
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| validates(own, item))),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= own.as_u64().unwrap()),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= own.as_u64().unwrap()),
        "required" => value.as_object().is_none_or(|object| {
            own.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|object| {
            own.as_object()
                .unwrap()
                .iter()
                .all(|(key, schema)| object.get(key).is_none_or(|value| validates(schema, value)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let known = words.get("properties").and_then(Value::as_object);
            object.iter().all(|(key, value)| {
                known.is_some_and(|known| known.contains_key(key)) || validates(own, value)
            })
        }),
        "description" => true,
        other => panic!("{other}"),
    })
}

/// Every byte, some strings of several, and an end.
fn vocabulary() -> (Vocabulary, Vec<Vec<u8>>, u32) {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let longer = [
        "{\"",
        "\":",
        "\", \"",
        "\"}",
        "}",
        "]",
        "[]",
        "{}",
        ", ",
        "tr",
        "ue",
        "12",
        ".5",
        "é",
        "日本",
        "\\n",
        "name",
        "a\": ",
        "nul",
        "l",
        "[[",
        "\",\"b\":",
        "-1",
        "e5",
        "\"a\"",
    ];
    tokens.extend(longer.iter().map(|text| text.as_bytes().to_vec()));
    let end = tokens.len() as u32;
    let shown = tokens.iter().map(|bytes| Some(bytes.clone())).chain([None]);
    (Vocabulary::new(shown), tokens.clone(), end)
}

/// Draws tokens; what closes something more often than the rest, so that texts end.
fn sample(json: &JsonSchema, tokens: &[Vec<u8>], end: u32, seed: u64) -> Option<Vec<u8>> {
    let mut rng = rec_core::random::stream(seed, "json", 0);
    let (mut state, mut text) = (json.start(), Vec::new());
    for _ in 0..3000 {
        let allowed = json.allowed(&state).unwrap();
        assert!(!allowed.is_empty(), "no way on after {:?}", String::from_utf8_lossy(&text));
        assert!(allowed.is_sorted());
        let closing: Vec<u32> = allowed
            .iter()
            .copied()
            .filter(|&token| {
                token == end
                    || matches!(tokens[token as usize].as_slice(), b"\"" | b"}" | b"]" | b"0" | b"\"}")
            })
            .collect();
        let from = if !closing.is_empty() && rng.random::<f64>() < 0.4 { &closing } else { &allowed };
        let token = from[rng.random_range(0..from.len())];
        json.advance(&mut state, token);
        if token == end {
            assert!(json.is_complete(&state));
            return Some(text);
        }
        text.extend_from_slice(&tokens[token as usize]);
    }
    None
}

fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string"})),
        Just(json!({"type": "number", "description": "any"})),
        Just(json!({"type": "integer"})),
        Just(json!({"type": ["boolean", "null"]})),
        Just(json!({"enum": ["red", "re", "green", 7, null, {"a": [1]}]})),
        Just(json!({"type": "string", "enum": ["é", "\"quoted\"", 3]})),
        Just(json!({"const": {"deep": ["x", 1.5]}})),
        Just(json!({"type": "object"})),
        Just(json!(true)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let named = prop::collection::btree_map("[ab]{1,2}|name|\\PC", inner.clone(), 1..4);
        prop_oneof![
            (inner.clone(), 0usize..3).prop_map(
                |(item, least)| json!({"type": "array", "items": item, "minItems": least, "maxItems": 4})
            ),
            inner.clone().prop_map(|value| json!({"type": "object", "additionalProperties": value})),
            prop::collection::vec(inner, 1..3).prop_map(|choices| json!({"anyOf": choices})),
            (named, any::<u8>(), any::<bool>()).prop_map(|(named, bits, closed)| {
                let required: Vec<&String> = named
                    .keys()
                    .enumerate()
                    .filter(|(at, _)| bits >> at & 1 == 1)
                    .map(|(_, key)| key)
                    .collect();
                let mut schema = json!({"type": "object", "properties": &named, "required": required});
                if closed {
                    schema["additionalProperties"] = json!(false);
                }
                schema
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sampled_parses_and_validates(schema in schemas(), seed: u64) {
        let (vocabulary, tokens, end) = vocabulary();
        let json = JsonSchema::new(&schema, vocabulary, &[end]).unwrap();
        if let Some(text) = sample(&json, &tokens, end, seed) {
            let value: Value = serde_json::from_slice(&text)
                .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&text)));
            prop_assert!(validates(&schema, &value), "{value} under {schema}");
        }
    }
}

#[test]
fn samples_end_and_differ() {
    let (vocabulary, tokens, end) = vocabulary();
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "n": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}},
    }, "required": ["name"], "additionalProperties": false});
    let json = JsonSchema::new(&schema, vocabulary, &[end]).unwrap();
    let texts: Vec<Vec<u8>> = (0..50).filter_map(|seed| sample(&json, &tokens, end, seed)).collect();
    assert!(texts.len() > 45, "{} of 50 ended", texts.len());
    let mut distinct = texts.clone();
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() > 40);
    // Keys come in any order, and those that need not come are sometimes left out.
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
    assert!(texts.iter().any(|own| !text(own).contains("\"n\"")));
    assert!(texts.iter().any(|own| text(own).starts_with("{\"tags\"") || text(own).starts_with("{\"n\"")));
}

#[test]
fn values_of_the_schema_are_followed_byte_by_byte_and_others_are_not() {
    let (vocabulary, _, end) = vocabulary();
    let schema = json!({"anyOf": [
        {"type": "object", "properties": {
            "name": {"const": "add"},
            "arguments": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
        }, "required": ["name", "arguments"], "additionalProperties": false},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1},
    ]});
    let json = JsonSchema::new(&schema, vocabulary, &[end]).unwrap();
    let whole = |text: &str| {
        let mut state = json.start();
        json.feed(&mut state, text.as_bytes()).is_ok() && state.is_json()
    };
    for text in [
        r#"{"name": "add", "arguments": {"x": -1.5e3}}"#,
        r#"{"arguments":{"x":0},"name":"add"}"#,
        "[1]",
        "[-7, 0,12]",
    ] {
        assert!(whole(text), "{text}");
    }
    for text in [
        r#"{"name": "sub", "arguments": {"x": 1}}"#,
        r#"{"name": "add"}"#,
        r#"{"name": "add", "name": "add"}"#,
        r#"{"name": "add", "arguments": {"x": 1}, "more": 1}"#,
        "[]",
        "[01]",
        "[1.5]",
        "[1",
        "null",
    ] {
        assert!(!whole(text), "{text}");
    }
}

#[test]
fn what_is_not_accepted_is_named() {
    let (vocabulary, ..) = vocabulary();
    for (schema, place) in [
        (json!({"type": "string", "pattern": "a+"}), "pattern"),
        (json!({"type": "object", "properties": {"a": {"type": "text"}}}), "schema/properties/a"),
        (json!({"anyOf": []}), "anyOf"),
        (json!({"type": "array", "items": {"$ref": "#"}}), "schema/items"),
        (json!({"type": "object", "required": ["a"], "additionalProperties": false}), "\"a\""),
        (json!({"type": "string", "enum": [1]}), "no value"),
        (json!(false), "false"),
    ] {
        let error = JsonSchema::new(&schema, vocabulary.clone(), &[]).unwrap_err();
        assert!(matches!(error, Error::Config { .. }) && error.to_string().contains(place), "{error}");
    }
}
