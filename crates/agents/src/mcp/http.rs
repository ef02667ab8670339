//! The Model Context Protocol over HTTP ("streamable HTTP", revisions 2025-03-26 to 2025-11-25): one address, a message a POST, each
//! answer as JSON. The server never speaks first, so that there is no stream to listen to (GET is refused, as the protocol
//! allows).
//!
//! Loopback by default; beyond it a token is required. Bodies and sessions are bounded, idle sessions end.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rec_core::Json;

use super::{INVALID_REQUEST, REVISIONS, Server, failure};
use crate::error::{Error, Result};
use crate::knowledge::Knowledge;
use crate::web::access;

/// The header that names a session.
const SESSION: &str = "mcp-session-id";
/// The header that names the revision, after the first message.
const REVISION: &str = "mcp-protocol-version";

/// The bounds of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a message.
    pub body: usize,
    /// Sessions at once.
    pub sessions: usize,
    /// How long a session may be idle.
    pub idle: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { body: 1 << 20, sessions: 500, idle: Duration::from_secs(3600) }
    }
}

/// The tools over HTTP.
pub struct HttpServer {
    knowledge: Arc<Knowledge>,
    token: Option<String>,
    limits: HttpLimits,
    /// When each open session was last heard of.
    sessions: Mutex<HashMap<String, Instant>>,
    names: access::Names,
}

/// Without the token and the sessions' names.
impl std::fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServer").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl HttpServer {
    /// A service over all of `knowledge`; with `token` only for who bears it.
    pub fn new(knowledge: Arc<Knowledge>, token: Option<String>, limits: HttpLimits) -> Self {
        Self { knowledge, token, limits, sessions: Mutex::default(), names: access::Names::new() }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session; none if there are too many.
    fn begin(&self) -> Option<String> {
        let mut open = self.sessions();
        open.retain(|_, heard| heard.elapsed() < self.limits.idle);
        (open.len() < self.limits.sessions).then(|| {
            let name = self.names.next();
            open.insert(name.clone(), Instant::now());
            name
        })
    }

    /// Whether the session is open; marks it as heard of.
    fn hears(&self, name: &str) -> bool {
        let mut open = self.sessions();
        let fresh = open.get_mut(name).filter(|heard| heard.elapsed() < self.limits.idle);
        fresh.is_some_and(|heard| {
            *heard = Instant::now();
            true
        })
    }
}

/// The route `/mcp` of `server`.
pub fn router(server: Arc<HttpServer>) -> Router {
    Router::new()
        .route("/mcp", post(message).delete(end))
        .layer(DefaultBodyLimit::max(server.limits.body))
        .layer(middleware::from_fn_with_state(server.clone(), guard))
        .with_state(server)
}

/// Serves at `address` until the process ends.
///
/// # Errors
/// [`Error::Config`] for an address beyond loopback without a token of 16 characters or more; of the network.
pub async fn serve(server: Arc<HttpServer>, address: SocketAddr) -> Result<()> {
    access::check_address(address, server.token.as_deref())?;
    let network = |error| Error::io(address.to_string(), error);
    let listener = tokio::net::TcpListener::bind(address).await.map_err(network)?;
    axum::serve(listener, router(server)).await.map_err(network)
}

/// Keeps out other sites' pages (which come under another host's name or origin) and who has no token.
async fn guard(State(server): State<Arc<HttpServer>>, request: Request, next: Next) -> Response {
    let allowed = match &server.token {
        Some(token) => access::bears(&request, token),
        None => access::is_local(&request),
    };
    if allowed {
        return next.run(request).await;
    }
    let status = if server.token.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    refuse(status, "not allowed: a token is needed, or another address")
}

fn refuse(status: StatusCode, what: &str) -> Response {
    said(status, &failure(Json::Null, INVALID_REQUEST, what))
}

fn said(status: StatusCode, message: &Json) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], message.to_string()).into_response()
}

async fn message(State(server): State<Arc<HttpServer>>, headers: HeaderMap, body: Bytes) -> Response {
    let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let accepts = named(header::ACCEPT.as_str()).unwrap_or("*/*");
    if !["application/json", "application/*", "*/*"].iter().any(|kind| accepts.contains(kind)) {
        return refuse(StatusCode::NOT_ACCEPTABLE, "answers are application/json");
    }
    if let Some(revision) = named(REVISION).filter(|revision| !REVISIONS.contains(revision)) {
        let what = format!(
            "revision {:?} is not spoken; there are {}",
            crate::untrusted::clip(revision, 20),
            REVISIONS.join(", ")
        );
        return refuse(StatusCode::BAD_REQUEST, &what);
    }
    let Ok(text) = String::from_utf8(body.to_vec()) else {
        return refuse(StatusCode::BAD_REQUEST, "a message is UTF-8");
    };
    let parsed: Option<Json> = text.parse().ok();
    let begins = parsed
        .as_ref()
        .and_then(|message| message.get("method"))
        .and_then(Json::as_str)
        .is_some_and(|method| method == "initialize");
    let session = match (begins, named(SESSION)) {
        (true, _) => match server.begin() {
            Some(name) => name,
            None => return refuse(StatusCode::TOO_MANY_REQUESTS, "too many sessions; try again later"),
        },
        (false, None) => return refuse(StatusCode::BAD_REQUEST, "no session: begin with initialize"),
        (false, Some(name)) if server.hears(name) => name.to_owned(),
        (false, Some(_)) => {
            return refuse(StatusCode::NOT_FOUND, "no such session: begin anew with initialize");
        }
    };
    // Tools compute; what serves others goes on meanwhile.
    let knowledge = server.knowledge.clone();
    let answer = tokio::task::spawn_blocking(move || Server::new(&knowledge).answer(&text)).await;
    let mut response = match answer {
        Ok(Some(answer)) => {
            let status = if parsed.is_none() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            said(status, &answer)
        }
        Ok(None) => StatusCode::ACCEPTED.into_response(),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "the tool failed"),
    };
    if begins && let Ok(name) = session.parse() {
        response.headers_mut().insert(SESSION, name);
    }
    response
}

async fn end(State(server): State<Arc<HttpServer>>, headers: HeaderMap) -> StatusCode {
    let name = headers.get(SESSION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let known = server.sessions().remove(name).is_some();
    if known { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
