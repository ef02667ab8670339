//! Conversations with tools through every format and back, public samples where they are at hand, imports.
#![allow(clippy::print_stderr)] // a skipped check says so

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rec_core::json::Number;
use rec_core::tool::{
    Format, benchmarks, bfcl, call_text, glaive, hermes, mcp, openapi, sharegpt, toolace, toolbench, xlam,
};
use rec_core::{Json, Message, Role, ToolCall, ToolSpec, Trajectory};

fn json(text: &str) -> Json {
    text.parse().unwrap()
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "-?[1-9][0-9]{19,40}".prop_map(|digits| Json::Number(Number::integer(&digits).expect("digits"))),
        proptest::num::f64::NORMAL.prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[\"'\\\\\n<>/{}\\[\\](),=a-c ]{0,12}".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn tool() -> impl Strategy<Value = ToolSpec> {
    let names = ["find_film", "math.sqrt", "Market Trends API", "Market Trends API (v2)", "f"];
    let types = prop::sample::select(vec!["string", "integer", "number", "boolean", "array", "object"]);
    let property = ("[a-z][a-z_]{0,6}", types, any::<bool>());
    (prop::sample::select(names.to_vec()), prop::collection::vec(property, 0..4)).prop_map(
        |(name, properties)| {
            let required: Vec<&str> = properties
                .iter()
                .filter(|(_, _, required)| *required)
                .map(|(name, _, _)| name.as_str())
                .collect();
            let described = properties.iter().map(|(name, kind, _)| {
                let schema = [("type", Json::from(*kind)), ("description", "what it is".into())];
                (name.clone(), schema.into_iter().collect::<Json>())
            });
            let schema = [
                ("type", Json::from("object")),
                ("properties", described.collect()),
                ("required", required.into()),
            ];
            ToolSpec::new(name, "does it", schema.into_iter().collect())
        },
    )
}

fn tools() -> impl Strategy<Value = Vec<ToolSpec>> {
    prop::collection::vec(tool(), 1..4).prop_map(|mut tools| {
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        tools.dedup_by(|a, b| a.name == b.name);
        tools
    })
}

/// Text that people write.
fn words() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9 ,.'\"é<>{}\\[\\]\n-]{0,30}[a-z.]"
}

/// Arguments whose names are identifiers.
fn arguments() -> impl Strategy<Value = Json> {
    prop::collection::vec(("[a-z][a-z0-9_]{0,5}", any_json()), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

/// A conversation such as all formats are made for: every call is answered and then told about.
fn ordinary(most_calls: usize) -> impl Strategy<Value = Trajectory> {
    let round = (words(), prop::collection::vec((0usize..9, arguments(), words()), 0..=most_calls), words());
    (tools(), prop::option::of(words()), prop::collection::vec(round, 1..4)).prop_map(
        |(tools, system, rounds)| {
            let mut messages: Vec<Message> = system.map(Message::system).into_iter().collect();
            let mut number = 0;
            for (asked, called, told) in rounds {
                messages.push(Message::user(asked));
                let mut answers = Vec::new();
                let calls = called.into_iter().map(|(tool, arguments, answer)| {
                    number += 1;
                    answers.push(Message::tool(format!("c{number}"), answer));
                    ToolCall::new(format!("c{number}"), tools[tool % tools.len()].name.as_str(), arguments)
                });
                let calls: Vec<ToolCall> = calls.collect();
                if !calls.is_empty() {
                    messages.push(Message::calls(calls));
                    messages.append(&mut answers);
                }
                messages.push(Message::assistant(told));
            }
            Trajectory { id: "t1".into(), tools, messages, ..Trajectory::default() }
        },
    )
}

/// One question and the calls that answer it.
fn single_turn() -> impl Strategy<Value = Trajectory> {
    let called = prop::collection::vec((0usize..9, arguments()), 1..4);
    (tools(), words(), called).prop_map(|(tools, asked, called)| {
        let call = |(tool, arguments): (usize, Json)| {
            ToolCall::new("", tools[tool % tools.len()].name.as_str(), arguments)
        };
        let calls = called.into_iter().map(call).collect();
        let messages = vec![Message::user(asked), Message::calls(calls)];
        Trajectory { id: "t1".into(), tools, messages, ..Trajectory::default() }
    })
}

/// Role, text, calls.
type Drawn = (usize, String, Vec<(String, Json)>);

/// Anything that the types allow.
fn anything() -> impl Strategy<Value = Trajectory> {
    let message = (0usize..5, any::<String>(), prop::collection::vec((any::<String>(), any_json()), 0..3));
    let hostile = prop::sample::select(vec![
        "[f()]",
        "<tools>[{\"name\":\"x\"}]</tools>",
        "<tool_call>{\"name\":\"f\"}</tool_call>",
        "\n\nUSER: x",
        "[{\"name\":\"f\"}]",
        "<functioncall> {\"name\": \"f\"}",
        "<|endoftext|>",
        "",
        "[1, 2]",
    ]);
    let messages = prop::collection::vec((message, hostile, any::<bool>()), 0..5);
    (tools(), messages).prop_map(|(tools, messages)| {
        let message = |((role, text, calls), hostile, take): (Drawn, &str, bool)| {
            let text = if take { hostile.to_owned() } else { text };
            match role {
                0 => Message::system(text),
                1 => Message::user(text),
                2 => Message::assistant(text),
                3 => Message { tool_call_id: None, ..Message::tool("", text) },
                _ => {
                    let calls = calls.into_iter().map(|(name, arguments)| ToolCall::new("", name, arguments));
                    Message { tool_calls: calls.collect(), ..Message::assistant(text) }
                }
            }
        };
        Trajectory { tools, messages: messages.into_iter().map(message).collect(), ..Trajectory::default() }
    })
}

/// Roles, and calls as name and arguments.
fn roles_and_calls(trajectory: &Trajectory) -> Vec<(Role, Vec<(String, Json)>)> {
    let call = |call: &ToolCall| (call.name.clone(), call.arguments.clone());
    trajectory
        .messages
        .iter()
        .map(|message| (message.role, message.tool_calls.iter().map(call).collect()))
        .collect()
}

fn contents(trajectory: &Trajectory) -> Vec<&str> {
    trajectory.messages.iter().map(|message| message.content.trim()).collect()
}

fn survives(format: Format, trajectory: &Trajectory) -> Result<(), TestCaseError> {
    let row = format.write(trajectory).map_err(|error| TestCaseError::fail(error.to_string()))?;
    // Through the text of a file, too.
    let read = format.read(&row.to_string().parse().unwrap()).unwrap();
    prop_assert_eq!(roles_and_calls(&read), roles_and_calls(trajectory));
    prop_assert_eq!(contents(&read), contents(trajectory));
    prop_assert_eq!(&read.id, &trajectory.id);
    prop_assert!(read.check().is_ok());
    let names =
        |trajectory: &Trajectory| trajectory.tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
    prop_assert_eq!(names(&read), names(trajectory));
    if format != Format::Xlam {
        // xLAM's flat parameters say no more than names, types and what is required.
        prop_assert_eq!(&read.tools, &trajectory.tools);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn conversations_survive(trajectory in ordinary(3)) {
        for format in [Format::OpenAi, Format::ToolAce, Format::ShareGpt, Format::Hermes] {
            survives(format, &trajectory)?;
        }
    }

    #[test]
    fn conversations_with_one_call_at_a_time_survive(trajectory in ordinary(1)) {
        for format in [Format::Glaive, Format::ToolBench] {
            survives(format, &trajectory)?;
        }
    }

    #[test]
    fn questions_with_calls_survive(trajectory in single_turn()) {
        for format in Format::ALL {
            let several = trajectory.calls().count() > 1;
            if several && matches!(format, Format::Glaive | Format::ToolBench) {
                prop_assert!(format.write(&trajectory).is_err());
            } else if format == Format::Bfcl {
                // What it cannot hold: an optional argument that is the empty string.
                if let Ok(row) = format.write(&trajectory) {
                    prop_assert_eq!(roles_and_calls(&format.read(&row).unwrap()), roles_and_calls(&trajectory));
                } else {
                    let empty = |value: &Json| value.as_str() == Some("");
                    prop_assert!(trajectory.calls().any(|call| call.arguments.as_object().unwrap().values().any(empty)));
                }
            } else {
                survives(format, &trajectory)?;
            }
        }
    }

    #[test]
    fn what_a_format_cannot_hold_is_refused_and_never_changed(trajectory in anything()) {
        for format in Format::ALL {
            if let Ok(row) = format.write(&trajectory) {
                let read = format.read(&row).unwrap();
                prop_assert_eq!(roles_and_calls(&read), roles_and_calls(&trajectory), "{}", format);
                prop_assert_eq!(contents(&read), contents(&trajectory), "{}", format);
            }
        }
    }

    #[test]
    fn readers_do_not_panic(value in any_json(), text in "[\\[\\](){}'\",=:a-f0-9.\\\\ <>/\n+-]{0,60}") {
        let _ = call_text::read(&text, &["a b", "f"]);
        let _ = openapi::tools(&value);
        let _ = mcp::tools(&value);
        let _ = toolbench::read_instruction(&value);
        for key in ["system", "chat", "query", "tools", "conversations"] {
            let turn = |value: Json| [("from", Json::from("assistant")), ("value", value)].into_iter().collect::<Json>();
            let row: Json = ["system", "chat", "query", "tools", "answers"]
                .into_iter()
                .map(|name| (name, if name == key { value.clone() } else { Json::from(text.as_str()) }))
                .chain([("conversations", vec![turn(text.as_str().into()), turn(value.clone())].into())])
                .collect();
            for format in Format::ALL {
                let _ = format.read(&row);
            }
        }
    }
}

#[test]
fn a_published_toolace_row_reads() {
    // Made up in the shape of the published rows: the tools in the middle of the prompt, a name with blanks.
    let row = json(
        r#"{"system": "Compose calls. The functions:\n[{\"name\": \"Market Trends API\", \"description\": \"Trends.\", \"parameters\": {\"type\": \"dict\", \"properties\": {\"trend_type\": {\"description\": \"Which.\", \"type\": \"string\"}, \"limit\": {\"type\": \"float\"}}, \"required\": [\"trend_type\"]}, \"required\": null}]. \nAnswer in the form [func1(a=b, c=d...), func2(params)]\n", "conversations": [{"from": "user", "value": "What moves?"}, {"from": "assistant", "value": "[Market Trends API(trend_type=\"MARKET_INDEXES\", limit=3), Market Trends API(trend_type='MOST_ACTIVE')]"}, {"from": "tool", "value": "[{\"name\": \"Market Trends API\", \"results\": {\"up\": true}}, {\"name\": \"Market Trends API\", \"results\": \"none\"}]"}, {"from": "assistant", "value": "[None] of it is sure."}]}"#,
    );
    let read = toolace::read(&row).unwrap();
    assert!(read.messages[0].content.ends_with("func2(params)]"));
    assert_eq!(
        read.tools[0].parameters.pointer("/properties/limit/type").and_then(Json::as_str),
        Some("number")
    );
    assert_eq!(read.messages[2].tool_calls[1].arguments.to_string(), r#"{"trend_type":"MOST_ACTIVE"}"#);
    assert_eq!((read.messages[4].role, read.messages[4].content.as_str()), (Role::Tool, "none"));
    assert_eq!(read.messages[4].tool_call_id.as_deref(), Some("call_2"));
    assert_eq!(read.messages[5].role, Role::Assistant);
    read.check().unwrap();
}

#[test]
fn glaive_text_reads_with_unescaped_quotes() {
    let row = json(
        r#"{"system": "SYSTEM: Functions you may use -\n{\n  \"name\": \"convert\",\n  \"description\": \"d\",\n  \"parameters\": {\"type\": \"object\", \"properties\": {}}\n}\n", "chat": "USER: Convert 5 dollars to Bob's money.\n\n\nASSISTANT: <functioncall> {\"name\": \"convert\", \"arguments\": '{\"whose\": \"Bob's\", \"amount\": 5}'} <|endoftext|>\n\n\nFUNCTION RESPONSE: {\"value\": 4.6}\n\n\nASSISTANT: It is 4.6. <|endoftext|>\n\n\n"}"#,
    );
    let read = glaive::read(&row).unwrap();
    assert_eq!(read.messages[0], Message::system("Functions you may use -"));
    assert_eq!(read.calls().next().unwrap().arguments.to_string(), r#"{"whose":"Bob's","amount":5}"#);
    assert_eq!(read.messages[3].tool_call_id.as_deref(), Some("call_1"));
    assert_eq!(read.messages[4].content, "It is 4.6.");
}

#[test]
fn hermes_prompts_name_the_tag_before_they_use_it() {
    let row = json(
        r#"{"conversations": [{"from": "system", "value": "Signatures stand within <tools></tools>: <tools> [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"description\": \"\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}}] </tools> Use them."}, {"from": "human", "value": "x"}, {"from": "gpt", "value": "I call.\n<tool_call>\n{\"arguments\": {\"a\": 1}, \"name\": \"f\"}\n</tool_call>\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"}, {"from": "tool", "value": "<tool_response>\n{\"name\": \"f\", \"content\": {\"b\": 2}}\n</tool_response>"}]}"#,
    );
    let read = hermes::read(&row).unwrap();
    assert_eq!(read.messages[0].content, "Signatures stand within <tools></tools>:\nUse them.");
    assert_eq!(read.messages[2].content, "I call.");
    assert_eq!(read.messages[2].tool_calls.len(), 2);
    assert_eq!(read.messages[3].content, r#"{"b":2}"#);
}

#[test]
fn xlam_parameters_become_a_schema() {
    let row = json(
        r#"{"id": 7, "query": "q", "tools": "[{\"name\": \"f\", \"description\": \"d\", \"parameters\": {\"a\": {\"description\": \"x\", \"type\": \"List[List[int]]\"}, \"b\": {\"type\": \"str, optional\", \"default\": \"z\"}}}]", "answers": "[{\"name\": \"f\", \"arguments\": {\"a\": [[1]]}}]"}"#,
    );
    let read = xlam::read(&row).unwrap();
    assert_eq!(read.id, "7");
    let schema = json(
        r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"array","items":{"type":"integer"}},"description":"x"},"b":{"type":"string","default":"z"}},"required":["a"]}"#,
    );
    assert_eq!(read.tools[0].parameters, schema);
    assert_eq!(xlam::read(&xlam::write(&read).unwrap()).unwrap().tools, read.tools);
}

#[test]
fn bfcl_pairs_read_and_write() {
    let question = json(
        r#"{"id": "simple_0", "question": [[{"role": "user", "content": "q"}]], "function": [{"name": "geo.area", "description": "d", "parameters": {"type": "dict", "properties": {"base": {"type": "float"}, "unit": {"type": "string", "default": "m"}, "box": {"type": "dict"}, "rows": {"type": "array", "items": {"type": "dict"}}}, "required": ["base"]}}]}"#,
    );
    let answer = json(
        r#"{"id": "simple_0", "ground_truth": [{"geo.area": {"base": [10, 10.0], "unit": ["", "m"], "box": [{"w": [1, 2], "h": [3]}], "rows": [[{"a": ["x", "y"]}]]}}]}"#,
    );
    let row = bfcl::join(&question, &answer).unwrap();
    let read = bfcl::read(&row).unwrap();
    assert_eq!(
        read.calls().next().unwrap().arguments.to_string(),
        r#"{"base":10,"box":{"w":1,"h":3},"rows":[{"a":"x"}]}"#
    );
    let (asked, expected) = bfcl::split(&bfcl::write(&read).unwrap());
    assert_eq!(asked, question);
    assert_eq!(
        expected.unwrap().to_string(),
        r#"{"id":"simple_0","ground_truth":[{"geo.area":{"base":[10],"box":[{"w":[1],"h":[3]}],"rows":[[{"a":["x"]}]],"unit":["","m"]}}]}"#
    );
    assert!(bfcl::join(&question, &json(r#"{"id":"other","ground_truth":[]}"#)).is_err());
}

#[test]
fn errors_name_the_place() {
    for (format, row, what) in [
        (Format::ToolAce, r#"{"conversations":[]}"#, "system is missing"),
        (
            Format::ToolAce,
            r#"{"system":"","conversations":[{"from":"cat","value":""}]}"#,
            "conversations/0: from is cat",
        ),
        (
            Format::ShareGpt,
            r#"{"conversations":[{"from":"function_call","value":"{\"name\""}]}"#,
            "conversations/0: line 1, column 8",
        ),
        (Format::ShareGpt, r#"{"conversations":[],"tools":"[{}]"}"#, "tools/0: name is missing"),
        (Format::Xlam, r#"{"query":"q","tools":"[]","answers":"[{}]"}"#, "answers/0: name is missing"),
        (Format::ToolBench, r#"{}"#, "answer_generation is missing"),
        (
            Format::Bfcl,
            r#"{"question":[[{"role":"user","content":""}]],"ground_truth":["f()"]}"#,
            "ground_truth/0: not an object",
        ),
    ] {
        let message = format.read(&json(row)).unwrap_err().to_string();
        assert!(message.contains(what), "{message}");
    }
    let both = Trajectory {
        messages: vec![Message {
            content: "text".into(),
            ..Message::calls(vec![ToolCall::new("", "f", json("{}"))])
        }],
        ..Trajectory::default()
    };
    let message = Format::ToolAce.write(&both).unwrap_err().to_string();
    assert_eq!(
        message,
        "the toolace format cannot hold this: an assistant's message with both text and calls"
    );
    assert!("csv".parse::<Format>().unwrap_err().to_string().contains("openai, toolace"));
}

#[test]
fn an_openapi_document_becomes_tools() {
    let document = json(
        r##"{"openapi":"3.0.3","info":{"title":"t","version":"1"},"paths":{
        "/films/{id}":{"parameters":[{"$ref":"#/components/parameters/Id"}],
          "get":{"operationId":"films.get one","summary":"One film","parameters":[{"name":"lang","in":"query","schema":{"type":"string","nullable":true}}],
            "responses":{"200":{"description":"ok","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Film"}}}}}},
          "put":{"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Film"}}}},"responses":{}}},
        "/films~new":{"post":{"requestBody":{"content":{"application/json":{"schema":{"type":"array","items":{"type":"string"}}}}}}}},
        "components":{"parameters":{"Id":{"name":"id","in":"path","required":true,"description":"which","schema":{"type":"integer"}}},
          "schemas":{"Film":{"type":"object","required":["title"],"properties":{"id":{"type":"integer"},"title":{"type":"string"},"sequel":{"$ref":"#/components/schemas/Film"}}}}}}"##,
    );
    let tools = openapi::tools(&document).unwrap();
    let named: Vec<(&str, &str)> =
        tools.iter().map(|imported| (imported.tool.name.as_str(), imported.origin.as_str())).collect();
    assert_eq!(
        named,
        [
            ("films_get_one", "GET /films/{id}"),
            ("put_films_id", "PUT /films/{id}"),
            ("post_films_new", "POST /films~new")
        ]
    );
    assert_eq!(
        tools[0].tool.parameters.to_string(),
        r#"{"type":"object","properties":{"lang":{"type":["string","null"]},"id":{"type":"integer","description":"which"}},"required":["id"]}"#
    );
    // The film inside the film is cut.
    assert_eq!(
        tools[0].tool.returns.as_ref().unwrap().pointer("/properties/sequel").map(Json::to_string).as_deref(),
        Some("{}")
    );
    assert_eq!(
        tools[1].tool.parameters.to_string(),
        r#"{"type":"object","properties":{"id":{"type":"integer","description":"which"},"body_id":{"type":"integer"},"title":{"type":"string"},"sequel":{}},"required":["id","title"]}"#
    );
    assert_eq!(
        tools[2].tool.parameters.pointer("/properties/body/items/type").and_then(Json::as_str),
        Some("string")
    );
}

#[test]
fn a_bad_openapi_document_says_where() {
    let with = |inner: &str| {
        openapi::tools(&json(&format!(r#"{{"openapi":"3.1.0",{inner}}}"#))).unwrap_err().to_string()
    };
    let message =
        with(r##""paths":{"/a/b":{"get":{"parameters":[{"name":"x","schema":{"$ref":"#/no"}}]}}}"##);
    assert_eq!(message, "/paths/~1a~1b/get/parameters/0/schema: #/no refers to nothing");
    let message = with(r#""paths":{"/a":{"get":{"parameters":[{"in":"query"}]}}}"#);
    assert_eq!(message, "/paths/~1a/get/parameters/0: a parameter without a name");
    assert!(openapi::tools(&json(r#"{"swagger":"2.0"}"#)).unwrap_err().to_string().contains("version 2"));
    // Each level holds the next twice: 2^30 nodes if nobody counted.
    let level = |at: usize| {
        let next = format!(r##"{{"$ref":"#/components/schemas/S{}"}}"##, at + 1);
        format!(r#""S{at}":{{"properties":{{"a":{next},"b":{next}}}}}"#)
    };
    let levels: Vec<String> = (0..30).map(level).collect();
    let message = with(&format!(
        r##""paths":{{"/a":{{"get":{{"parameters":[{{"name":"x","schema":{{"$ref":"#/components/schemas/S0"}}}}]}}}}}},"components":{{"schemas":{{{},"S30":{{}}}}}}"##,
        levels.join(",")
    ));
    assert!(message.contains("unfolds to more than"), "{message}");
    // A chain of references that is longer than the stack would bear.
    let link = |at: usize| format!(r##""S{at}":{{"$ref":"#/components/schemas/S{}"}}"##, at + 1);
    let chain = |length: usize| {
        let links: Vec<String> = (0..length).map(link).collect();
        json(&format!(
            r##"{{"openapi":"3.1.0","paths":{{"/a":{{"get":{{"parameters":[{{"name":"x","schema":{{"$ref":"#/components/schemas/S0"}}}}]}}}}}},"components":{{"schemas":{{{},"S{length}":{{"type":"string"}}}}}}}}"##,
            links.join(",")
        ))
    };
    let message = openapi::tools(&chain(100_000)).unwrap_err().to_string();
    assert_eq!(message, "/paths/~1a/get/parameters/0/schema: the schema is more than 128 levels deep");
    let tools = openapi::tools(&chain(100)).unwrap();
    assert_eq!(tools[0].tool.parameters.pointer("/properties/x/type").and_then(Json::as_str), Some("string"));
}

#[test]
fn an_mcp_answer_becomes_tools() {
    let answer = json(
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"films/find","title":"Find","inputSchema":{"type":"object","properties":{"q":{"type":"string"}}},"outputSchema":{"type":"object"}},{"name":"films_find","description":"d"}]}}"#,
    );
    let tools = mcp::tools(&answer).unwrap();
    assert_eq!((tools[0].tool.name.as_str(), tools[0].origin.as_str()), ("films_find", "films/find"));
    assert_eq!(tools[0].tool.description, "Find");
    assert_eq!((tools[1].tool.name.as_str(), tools[1].origin.as_str()), ("films_find_2", "films_find"));
    let message = mcp::tools(&json(r#"{"tools":[{"name":"a"},{}]}"#)).unwrap_err().to_string();
    assert_eq!(message, "tools/1: name is missing");
}

fn sample(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SEXTANT_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

fn load(path: &Path) -> Json {
    json(&std::fs::read_to_string(path).unwrap())
}

/// Through all formats that can hold it; how many could.
fn through_all(trajectory: &Trajectory) -> usize {
    let holds = |format: &&Format| {
        let Ok(row) = format.write(trajectory) else { return false };
        assert_eq!(roles_and_calls(&format.read(&row).unwrap()), roles_and_calls(trajectory));
        true
    };
    Format::ALL.iter().filter(holds).count()
}

#[test]
fn glaives_sample_reads_whole() {
    let Some(path) = sample("glaive-toolcall-sample/glaive_toolcall_en_demo.json") else { return };
    let rows = load(&path);
    let rows = rows.as_array().unwrap();
    let mut n_calls = 0;
    for row in rows {
        let read = sharegpt::read(row).unwrap();
        read.check().unwrap();
        n_calls += read.calls().count();
        assert!(through_all(&read) >= 6, "{row}");
    }
    assert_eq!((rows.len(), n_calls), (300, 211));
}

#[test]
fn toolbenchs_sample_reads_whole() {
    let Some(folder) = sample("toolbench-sample") else { return };
    let (mut read, mut given_up) = (0, 0);
    for group in ["G1", "G2", "G3"] {
        for file in std::fs::read_dir(folder.join(format!("answer/{group}_answer"))).unwrap() {
            match toolbench::read(&load(&file.unwrap().path())) {
                Ok(trajectory) => {
                    trajectory.check().unwrap();
                    assert!(trajectory.calls().count() > 0 && through_all(&trajectory) >= 2);
                    read += 1;
                }
                Err(error) => {
                    assert!(error.to_string().contains("train_messages"), "{error}");
                    given_up += 1;
                }
            }
        }
        for record in load(&folder.join(format!("instruction/{group}_query.json"))).as_array().unwrap() {
            let query = toolbench::read_instruction(record).unwrap();
            let relevant = query.metadata["relevant"].as_array().unwrap();
            assert!(
                !relevant.is_empty()
                    && relevant.iter().all(|name| query.tool(name.as_str().unwrap()).is_some())
            );
        }
    }
    assert_eq!((read, given_up), (13, 2));
}

#[test]
fn toolalpacas_documents_import() {
    let Some(path) = sample("toolalpaca-eval/eval_simulated.json") else { return };
    for api in load(&path).as_array().unwrap() {
        let text = api.get("Documentation").and_then(Json::as_str).unwrap();
        let tools = openapi::read(text).unwrap();
        let functions = api.get("Function_Projection").and_then(Json::as_object).unwrap();
        assert_eq!(tools.len(), functions.len());
        assert!(functions.keys().all(|name| tools.iter().any(|imported| imported.tool.name == *name)));
    }
}

#[test]
fn benchmarks_read_whole() {
    if let Some(folder) = sample("api-bank/lv1-lv2-samples/level-1-given-desc") {
        let (mut dialogues, mut calls) = (0, 0);
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let read = benchmarks::read_api_bank(&text).unwrap();
            read.check().unwrap();
            dialogues += 1;
            calls += read.calls().count();
            // Each line is one call in the files.
            assert_eq!(read.calls().count(), text.matches("\"role\": \"API\"").count());
        }
        assert!(dialogues >= 214 && calls > dialogues / 2, "{dialogues} {calls}");
    }
    if let Some(folder) = sample("nestful") {
        for (file, tasks) in
            [("executable-data", 85), ("non-executable-glaive-data", 169), ("non-executable-sgd-data", 46)]
        {
            let rows = load(&folder.join(format!("{file}.json")));
            let rows = rows.as_array().unwrap();
            assert_eq!(rows.len(), tasks);
            assert!(rows.iter().all(|row| benchmarks::read_nestful(row).unwrap().calls().count() > 0));
        }
    }
    if let Some(path) = sample("tau-bench/gpt-4o-airline.json") {
        let rows = load(&path);
        let read: Vec<Trajectory> =
            rows.as_array().unwrap().iter().map(|row| benchmarks::read_tau_bench(row).unwrap()).collect();
        let solved = read.iter().filter(|episode| episode.metadata["reward"].as_f64() == Some(1.0)).count();
        assert_eq!((read.len(), solved), (200, 84));
        // Some episodes of the published file give two calls the same id. Nothing else is wrong.
        for error in read.iter().filter_map(|episode| episode.check().err()) {
            assert!(error.to_string().contains("a second call with the id"), "{error}");
        }
    }
}
