//! The tools under the command line of the MCP inspector, over a pipe and over HTTP. Without a harness, because this program is
//! also the server that the inspector starts: its standard output is the protocol's.
//!
//! Needs node and the packages of `mcp_inspector/package.json` (`npm install --prefix crates/agents/tests/mcp_inspector`). Without
//! them the test is skipped and says so.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod common;
mod mcp_server;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use rec_core::Json;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp_inspector/node_modules");

/// node and the inspector's command line; the node that is installed beside it before any other.
fn inspector() -> Option<(PathBuf, PathBuf)> {
    let folder =
        std::env::var_os("SEXTANT_MCP_INSPECTOR").map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    let cli = folder.join(".bin/mcp-inspector").canonicalize().ok()?;
    let own = folder.join(".bin/node");
    let node = if own.exists() { own } else { PathBuf::from("node") };
    let runs = Command::new(&node).arg("--version").output().is_ok_and(|output| output.status.success());
    runs.then_some((node, cli))
}

/// One way to reach a server.
struct Way<'a> {
    name: &'a str,
    server: Vec<String>,
    tools: &'a (PathBuf, PathBuf),
    folder: &'a Path,
}

impl Way<'_> {
    fn ask(&self, arguments: &[&str]) -> Output {
        let (node, cli) = self.tools;
        let mut command = Command::new(node);
        command.arg(cli).arg("--cli").args(&self.server).args(arguments);
        // Nothing of it is kept in the home folder.
        command.env("MCP_CATALOG_PATH", self.folder.join("catalogue.json"));
        command.output().expect("node runs")
    }

    /// What the inspector prints, which has to be JSON; with an error of a tool it ends with the code 5.
    fn told(&self, arguments: &[&str]) -> Result<Json, String> {
        let output = self.ask(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        match text.trim().parse() {
            Ok(json) if matches!(output.status.code(), Some(0 | 5)) => Ok(json),
            _ => Err(format!("{} {text} {}", output.status, String::from_utf8_lossy(&output.stderr))),
        }
    }

    fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        // Its own check of the schemas: what other clients may not understand.
        let strict = self.ask(&["--method", "tools/list", "--strict"]);
        let said = String::from_utf8_lossy(&strict.stderr);
        if !strict.status.success() || said.contains("Warning") || said.contains("Error") {
            wrong.push(format!("{}: tools/list --strict: {said}", self.name));
        }
        let mut expect = |arguments: &[&str], holds: &dyn Fn(&Json) -> bool| match self.told(arguments) {
            Ok(told) if holds(&told) => println!("  {}: {}: ok", self.name, arguments.join(" ")),
            Ok(told) => wrong.push(format!("{}: {}: {told}", self.name, arguments.join(" "))),
            Err(what) => wrong.push(format!("{}: {}: {what}", self.name, arguments.join(" "))),
        };
        let text = |json: &Json, pointer: &str| {
            json.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned()
        };
        let length = |json: &Json, pointer: &str| {
            json.pointer(pointer).and_then(Json::as_array).map_or(0, <[Json]>::len)
        };
        let wanted = agents::tool::Tool::all().iter().filter(|tool| tool.stands_alone).count();
        expect(&["--method", "tools/list"], &|told| {
            length(told, "/tools") == wanted && text(told, "/tools/0/inputSchema/type") == "object"
        });
        // The inspector holds the value against the tool's schema of results.
        expect(&["--method", "tools/call", "--tool-name", "user_info", "--tool-arg", "user=7"], &|told| {
            told.get("isError").and_then(Json::as_bool) != Some(true)
                && text(told, "/structuredContent/user") == "7"
                && text(told, "/content/0/text").starts_with("User 7:")
        });
        let predict = ["--method", "tools/call", "--tool-name", "predict_rating"];
        expect(&[&predict[..], &["--tool-arg", "user=7", "item=005"]].concat(), &|told| {
            length(told, "/structuredContent/predictions") >= 3
        });
        expect(
            &[
                "--method",
                "tools/call",
                "--tool-name",
                "recommend",
                "--tool-arg",
                r#"request={"genres":["Comedy"],"count":3}"#,
            ],
            &|told| length(told, "/structuredContent/items") == 3,
        );
        // What is wrong with arguments is told to the model.
        expect(
            &["--method", "tools/call", "--tool-name", "user_info", "--tool-arg", "user=nobody"],
            &|told| {
                told.get("isError").and_then(Json::as_bool) == Some(true)
                    && text(told, "/content/0/text").contains("There is no user")
            },
        );
        expect(&["--method", "resources/list"], &|told| {
            text(told, "/resources/0/uri") == "sextant://dataset"
        });
        expect(&["--method", "resources/templates/list"], &|told| length(told, "/resourceTemplates") == 2);
        expect(&["--method", "resources/read", "--uri", "sextant://item/005"], &|told| {
            text(told, "/contents/0/text").contains("Film Number 4")
        });
        expect(&["--method", "prompts/list"], &|told| length(told, "/prompts") == 4);
        expect(
            &["--method", "prompts/get", "--prompt-name", "rating", "--prompt-args", "user=7", "item=005"],
            &|told| text(told, "/messages/0/content/text").contains('7'),
        );
        for refused in [
            ["--method", "resources/read", "--uri", "sextant://item/none"],
            ["--method", "prompts/get", "--prompt-name", "none"],
        ] {
            if let Ok(told) = self.told(&refused) {
                wrong.push(format!("{}: {}: {told}", self.name, refused.join(" ")));
            }
        }
        wrong
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if arguments.first().is_some_and(|argument| argument == "serve") {
        return mcp_server::over_pipe();
    }
    let Some(tools) = inspector() else {
        eprintln!(
            "skipped: no MCP inspector (npm install --prefix {}, or name its node_modules with SEXTANT_MCP_INSPECTOR)",
            Path::new(FOLDER).parent().unwrap_or(Path::new(FOLDER)).display()
        );
        return ExitCode::SUCCESS;
    };
    let own = std::env::current_exe().expect("a program knows where it is");
    let own = own.to_str().expect("a path of this repository is UTF-8").to_owned();
    let (_runtime, address) = mcp_server::over_http();
    let http = vec![address, "--transport".to_owned(), "http".to_owned()];
    let ways = [("pipe", vec![own, "serve".to_owned()]), ("HTTP", http)];
    let folder = tempfile::tempdir().expect("a folder for what the inspector keeps");
    let check = |(name, server)| Way { name, server, tools: &tools, folder: folder.path() }.check();
    let wrong: Vec<String> = ways.into_iter().flat_map(check).collect();
    wrong.iter().for_each(|what| eprintln!("FAILED {what}"));
    println!("inspector: {}", if wrong.is_empty() { "ok" } else { "FAILED" });
    ExitCode::from(u8::from(!wrong.is_empty()))
}
