//! The server that the tests with other people's MCP clients are, and start.

use std::process::ExitCode;
use std::sync::Arc;

use agents::mcp::Server;
use agents::mcp::http::{HttpLimits, HttpServer, router};

use super::common;

/// Serves the protocol over this program's standard input and output until they end.
pub fn over_pipe() -> ExitCode {
    let knowledge = common::knowledge(&common::prepared());
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    ExitCode::from(u8::from(Server::new(&knowledge).serve(input, output).is_err()))
}

/// Serves the protocol over HTTP on a free port for as long as the runtime lives; with its address.
pub fn over_http() -> (tokio::runtime::Runtime, String) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let knowledge = common::knowledge(&common::prepared());
    let server = Arc::new(HttpServer::new(knowledge, None, HttpLimits::default()));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    runtime.spawn(async move { axum::serve(listener, router(server)).await });
    (runtime, address)
}
