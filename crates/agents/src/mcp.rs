//! The tools over the Model Context Protocol, on any pair of a reader and a writer (standard input and output, a pipe): one
//! JSON-RPC 2.0 message a line; with the feature `web` also over HTTP (`http`). Written by hand: the surface is small, and the crates
//! that offer it change weekly.
//!
//! Tools are those that need nothing of a session. Wrong arguments are a tool's error, for the model to read; wrong messages
//! are the protocol's.

#[cfg(feature = "web")]
pub mod http;

use std::io::{BufRead, Read, Write};

use rec_core::Json;

use crate::index::CutOff;
use crate::knowledge::Knowledge;
use crate::tool::{Tool, ToolContext};

/// The revisions that are spoken, newest first.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// Bytes of a message.
const LINE: u64 = 1 << 20;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;

/// A client's session.
pub struct Server<'a> {
    context: ToolContext<'a>,
}

type Answer = Result<Json, (i64, String)>;

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    members.into_iter().collect()
}

fn text_of(value: &Json) -> String {
    value.to_string()
}

impl<'a> Server<'a> {
    /// A session that sees all of `knowledge`.
    pub fn new(knowledge: &'a Knowledge) -> Self {
        Self { context: ToolContext::new(knowledge, CutOff::NONE) }
    }

    /// Answers until the input ends. Only messages of the protocol are written.
    ///
    /// # Errors
    /// Of the reader and the writer.
    pub fn serve(&mut self, mut input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut input).take(LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            if read as u64 == LINE && !line.ends_with(b"\n") {
                // The rest of an over-long message is not another message.
                let mut rest = Vec::new();
                while (&mut input).take(LINE).read_until(b'\n', &mut rest)? > 0 && !rest.ends_with(b"\n") {
                    rest.clear();
                }
                let refusal = failure(Json::Null, INVALID_REQUEST, "a message of more than 1 MiB");
                writeln!(output, "{refusal}")?;
                output.flush()?;
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            if text.trim().is_empty() {
                continue;
            }
            if let Some(answer) = self.answer(text.trim()) {
                writeln!(output, "{answer}")?;
                output.flush()?;
            }
        }
    }

    /// The answer to one message; none to a notification.
    pub fn answer(&mut self, message: &str) -> Option<Json> {
        let message: Json = match message.parse() {
            Ok(message) => message,
            Err(error) => return Some(failure(Json::Null, PARSE_ERROR, &error.to_string())),
        };
        let id = message.get("id").cloned();
        let Some(method) = message.get("method").and_then(Json::as_str) else {
            // An answer to something that was never asked, or no message at all.
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            return (!is_answer).then(|| failure(id.unwrap_or_default(), INVALID_REQUEST, "no method"));
        };
        let id = id?;
        if !matches!(id, Json::String(_) | Json::Number(_)) {
            return Some(failure(Json::Null, INVALID_REQUEST, "an id is text or a number"));
        }
        let empty = Json::Object(Default::default());
        let parameters = message.get("params").unwrap_or(&empty);
        Some(match self.call(method, parameters) {
            Ok(result) => object([("jsonrpc", "2.0".into()), ("id", id), ("result", result)]),
            Err((code, what)) => failure(id, code, &what),
        })
    }

    fn call(&mut self, method: &str, parameters: &Json) -> Answer {
        let list = |name: &str, items: Vec<Json>| Ok(object([(name, Json::Array(items))]));
        match method {
            "initialize" => {
                let asked = parameters.get("protocolVersion").and_then(Json::as_str);
                let revision =
                    REVISIONS.into_iter().find(|known| Some(*known) == asked).unwrap_or(REVISIONS[0]);
                let nothing = || Json::Object(Default::default());
                Ok(object([
                    ("protocolVersion", revision.into()),
                    ("capabilities", object([("tools", nothing()), ("resources", nothing()), ("prompts", nothing())])),
                    ("serverInfo", object([("name", "sextant-agents".into()), ("version", env!("CARGO_PKG_VERSION").into())])),
                    ("instructions", "Tools over a catalogue of rated items. Ids are the data set's own; use lookup to find one.".into()),
                ]))
            }
            "ping" => Ok(Json::Object(Default::default())),
            "tools/list" => list("tools", tools().map(describe).collect()),
            "tools/call" => self.call_tool(parameters),
            "resources/list" => {
                let card = object([
                    ("uri", "sextant://dataset".into()),
                    ("name", "dataset".into()),
                    ("description", "What the data set holds".into()),
                    ("mimeType", "application/json".into()),
                ]);
                list("resources", vec![card])
            }
            "resources/templates/list" => {
                let template = |kind: &str| {
                    object([
                        ("uriTemplate", format!("sextant://{kind}/{{id}}").into()),
                        ("name", kind.into()),
                        ("description", format!("What is known of one {kind}").into()),
                        ("mimeType", "application/json".into()),
                    ])
                };
                list("resourceTemplates", vec![template("user"), template("item")])
            }
            "resources/read" => self.read(parameters),
            "prompts/list" => list("prompts", PROMPTS.iter().map(Prompt::describe).collect()),
            "prompts/get" => prompt(parameters),
            _ => Err((METHOD_NOT_FOUND, format!("no method {:?}", crate::untrusted::clip(method, 60)))),
        }
    }

    fn call_tool(&mut self, parameters: &Json) -> Answer {
        let name = parameters
            .get("name")
            .and_then(Json::as_str)
            .ok_or((INVALID_PARAMS, "no tool's name".to_owned()))?;
        let Some(tool) = tools().find(|tool| tool.name == name) else {
            return Err((INVALID_PARAMS, format!("no tool {:?}", crate::untrusted::clip(name, 60))));
        };
        let empty = Json::Object(Default::default());
        let arguments = parameters.get("arguments").unwrap_or(&empty);
        let content =
            |text: &str| Json::Array(vec![object([("type", "text".into()), ("text", text.into())])]);
        Ok(match tool.call(&mut self.context, arguments) {
            Ok(output) => object([
                ("content", content(&output.text)),
                ("structuredContent", output.value),
                ("isError", false.into()),
            ]),
            Err(error) => object([("content", content(&error.to_string())), ("isError", true.into())]),
        })
    }

    fn read(&mut self, parameters: &Json) -> Answer {
        let uri =
            parameters.get("uri").and_then(Json::as_str).ok_or((INVALID_PARAMS, "no uri".to_owned()))?;
        let missing = || (RESOURCE_NOT_FOUND, format!("no resource {:?}", crate::untrusted::clip(uri, 100)));
        let path = uri.strip_prefix("sextant://").ok_or_else(missing)?;
        let value = match path.split_once('/') {
            None if path == "dataset" => {
                let data = &self.context.knowledge.dataset;
                object([
                    ("name", data.name.as_str().into()),
                    ("users", Json::from(data.n_users() as i64)),
                    ("items", Json::from(data.n_items() as i64)),
                    ("ratings", Json::from(data.interactions.len() as i64)),
                    ("genres", Json::from(self.context.knowledge.genres().to_vec())),
                    (
                        "scale",
                        Json::from(vec![
                            f64::from(self.context.knowledge.scale.0),
                            f64::from(self.context.knowledge.scale.1),
                        ]),
                    ),
                ])
            }
            Some((kind @ ("user" | "item"), id)) => {
                let tool = Tool::named(if kind == "user" { "user_info" } else { "item_info" })
                    .ok_or_else(missing)?;
                tool.call(&mut self.context, &object([(kind, id.into())])).map_err(|_| missing())?.value
            }
            _ => return Err(missing()),
        };
        let content = object([
            ("uri", uri.into()),
            ("mimeType", "application/json".into()),
            ("text", text_of(&value).into()),
        ]);
        Ok(object([("contents", Json::Array(vec![content]))]))
    }
}

fn failure(id: Json, code: i64, what: &str) -> Json {
    let error = object([("code", Json::from(code)), ("message", what.into())]);
    object([("jsonrpc", "2.0".into()), ("id", id), ("error", error)])
}

fn tools() -> impl Iterator<Item = &'static Tool> {
    Tool::all().iter().filter(|tool| tool.stands_alone)
}

fn describe(tool: &Tool) -> Json {
    let spec = tool.spec();
    object([
        ("name", spec.name.into()),
        ("description", spec.description.into()),
        ("inputSchema", spec.parameters),
        ("outputSchema", tool.value_schema()),
        ("annotations", object([("readOnlyHint", true.into()), ("openWorldHint", false.into())])),
    ])
}

/// A prompt that a client can offer.
struct Prompt {
    name: &'static str,
    about: &'static str,
    arguments: &'static [&'static str],
    text: &'static str,
}

const PROMPTS: &[Prompt] = &[
    Prompt {
        name: "rating",
        about: "Predict how a user will rate an item",
        arguments: &["user", "item"],
        text: "How will user {user} rate item {item}? Look at the user, the item and what the rating models expect, then give one number.",
    },
    Prompt {
        name: "ranking",
        about: "Order items for a user",
        arguments: &["user", "items"],
        text: "Order these items for user {user}, best first: {items}. Look at the user's history and at the evidence for each item.",
    },
    Prompt {
        name: "explanation",
        about: "Explain a rating",
        arguments: &["user", "item"],
        text: "Why might user {user} like or dislike item {item}? Say only what explain_evidence and the histories show.",
    },
    Prompt {
        name: "conversation",
        about: "Recommend in a dialogue",
        arguments: &["wish"],
        text: "Recommend films for this wish: {wish}. Find named titles with lookup, then call recommend with likes, genres and years; give each film with its reason.",
    },
];

impl Prompt {
    fn describe(&self) -> Json {
        let argument = |name: &&str| object([("name", (*name).into()), ("required", true.into())]);
        object([
            ("name", self.name.into()),
            ("description", self.about.into()),
            ("arguments", Json::Array(self.arguments.iter().map(argument).collect())),
        ])
    }
}

fn prompt(parameters: &Json) -> Answer {
    let name = parameters.get("name").and_then(Json::as_str).unwrap_or_default();
    let known = PROMPTS.iter().find(|prompt| prompt.name == name);
    let prompt =
        known.ok_or_else(|| (INVALID_PARAMS, format!("no prompt {:?}", crate::untrusted::clip(name, 60))))?;
    let mut text = prompt.text.to_owned();
    for argument in prompt.arguments {
        let value = parameters.pointer(&format!("/arguments/{argument}")).and_then(Json::as_str);
        let value = value.ok_or_else(|| (INVALID_PARAMS, format!("`{argument}` is missing")))?;
        text = text.replace(
            &format!("{{{argument}}}"),
            &crate::untrusted::fence(&crate::untrusted::clip(value, 500)),
        );
    }
    let content = object([("type", "text".into()), ("text", text.into())]);
    let message = object([("role", "user".into()), ("content", content)]);
    Ok(object([("description", prompt.about.into()), ("messages", Json::Array(vec![message]))]))
}
