//! The protocol over a pipe: what a client asks and gets, and what comes of nonsense.

mod common;

use std::sync::{Arc, LazyLock};

use agents::knowledge::Knowledge;
use agents::mcp::Server;
use rec_core::Json;

static KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| common::knowledge(&common::prepared()));

fn talk(lines: &str) -> Vec<Json> {
    let mut output = Vec::new();
    Server::new(&KNOWLEDGE).serve(lines.as_bytes(), &mut output).unwrap();
    String::from_utf8(output).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

fn ask(method: &str, parameters: &str) -> Json {
    talk(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{parameters}}}"#)).remove(0)
}

#[test]
fn a_client_initialises_lists_and_calls() {
    let answers = talk(concat!(
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#,
        "\n\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"item_info","arguments":{"item":5}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"recommend","arguments":{"request":{"liked":["001"],"genres":["Comedy"],"count":2}}}}"#,
    ));
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[0].pointer("/result/protocolVersion").and_then(Json::as_str), Some("2025-03-26"));
    assert_eq!(answers[1].get("id").and_then(Json::as_str), Some("a"));
    let tools = answers[1].pointer("/result/tools").and_then(Json::as_array).unwrap();
    assert!(tools.len() >= 10);
    for tool in tools {
        assert_eq!(tool.pointer("/inputSchema/type").and_then(Json::as_str), Some("object"));
        assert_eq!(tool.pointer("/annotations/readOnlyHint").and_then(Json::as_bool), Some(true));
    }
    assert_eq!(answers[2].pointer("/result/structuredContent/item/id").and_then(Json::as_str), Some("005"));
    assert_eq!(
        answers[3].pointer("/result/structuredContent/items").and_then(Json::as_array).unwrap().len(),
        2
    );
}

#[test]
fn wrong_arguments_are_the_tools_error_and_wrong_messages_the_protocols() {
    let code = |answer: &Json| answer.pointer("/error/code").and_then(Json::as_i64);
    let wrong = ask("tools/call", r#"{"name":"item_info","arguments":{"item":"zz"}}"#);
    assert_eq!(wrong.pointer("/result/isError").and_then(Json::as_bool), Some(true));
    assert_eq!(code(&ask("tools/call", r#"{"name":"rm","arguments":{}}"#)), Some(-32602));
    assert_eq!(code(&ask("tools/dance", "{}")), Some(-32601));
    assert_eq!(code(&ask("resources/read", r#"{"uri":"file:///etc/passwd"}"#)), Some(-32002));
    assert_eq!(code(&ask("prompts/get", r#"{"name":"rating","arguments":{"user":"1"}}"#)), Some(-32602));
    assert_eq!(code(&talk("{nonsense")[0]), Some(-32700));
    assert_eq!(code(&talk("[]")[0]), Some(-32600));
    assert_eq!(code(&talk(r#"{"id":null,"method":"ping"}"#)[0]), Some(-32600));
    assert!(talk(r#"{"jsonrpc":"2.0","id":9,"result":{}}"#).is_empty());
    let long = format!("{}\n{}", "x".repeat(3 << 20), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let answers = talk(&long);
    assert_eq!((answers.len(), code(&answers[0])), (2, Some(-32600)));
}

#[test]
fn resources_and_prompts_are_served() {
    let text =
        |answer: Json| answer.pointer("/result/contents/0/text").and_then(Json::as_str).unwrap().to_owned();
    assert!(text(ask("resources/read", r#"{"uri":"sextant://dataset"}"#)).contains("\"Comedy\""));
    assert!(text(ask("resources/read", r#"{"uri":"sextant://user/1"}"#)).contains("\"mean\""));
    for name in ["rating", "ranking", "explanation", "conversation"] {
        let arguments = r#"{"user":"1","item":"2","items":"1, 2","wish":"a comedy"}"#;
        let answer = ask("prompts/get", &format!(r#"{{"name":"{name}","arguments":{arguments}}}"#));
        let text = answer.pointer("/result/messages/0/content/text").and_then(Json::as_str).unwrap();
        assert!(!text.contains('{') && text.contains('⟦'), "{text}");
    }
}
