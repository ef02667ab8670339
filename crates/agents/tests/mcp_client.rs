//! The tools under the official client of the Model Context Protocol, over a pipe and over HTTP. Without a harness, because
//! this program is also the server that the client starts: its standard output is the protocol's.
//!
//! Needs a Python with the packages of `mcp_client/requirements.txt`: the one that `SEXTANT_MCP_PYTHON` names, or `python3`. Without it
//! the test is skipped and says so.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod common;
mod mcp_server;

use std::process::{Command, ExitCode, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mcp_client/client.py");

fn python() -> Option<String> {
    let named = std::env::var("SEXTANT_MCP_PYTHON").unwrap_or_else(|_| "python3".into());
    let has = Command::new(&named)
        .args(["-c", "import mcp, jsonschema; from mcp import Client"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    has.is_ok_and(|status| status.success()).then_some(named)
}

fn visited(python: &str, arguments: &[&str]) -> bool {
    let status = Command::new(python).arg(SCRIPT).args(arguments).status();
    status.is_ok_and(|status| status.success())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    if arguments.first().is_some_and(|argument| argument == "serve") {
        return mcp_server::over_pipe();
    }
    let Some(python) = python() else {
        eprintln!(
            "skipped: no Python with the packages of tests/mcp_client/requirements.txt (name one with SEXTANT_MCP_PYTHON)"
        );
        return ExitCode::SUCCESS;
    };
    let own = std::env::current_exe().expect("a program knows where it is");
    let own = own.to_str().expect("a path of this repository is UTF-8");
    println!("over a pipe:");
    let piped = visited(&python, &["stdio", own, "serve"]);
    println!("over HTTP:");
    let (_runtime, address) = mcp_server::over_http();
    let over_http = visited(&python, &["http", &address]);
    println!(
        "pipe: {}, HTTP: {}",
        if piped { "ok" } else { "FAILED" },
        if over_http { "ok" } else { "FAILED" }
    );
    ExitCode::from(u8::from(!(piped && over_http)))
}
