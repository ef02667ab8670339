//! The Model Context Protocol over HTTP: sessions, refusals, bounds, who may ask.
#![cfg(feature = "web")]

mod common;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use agents::knowledge::Knowledge;
use agents::mcp::http::{HttpLimits, HttpServer, router};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use rec_core::Json;
use tower::ServiceExt;

static KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| common::knowledge(&common::prepared()));

const BEGIN: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"0"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

fn service(token: Option<&str>, limits: HttpLimits) -> Router {
    router(Arc::new(HttpServer::new(KNOWLEDGE.clone(), token.map(Into::into), limits)))
}

/// The status, the session and the body of an answer.
async fn send(
    site: &Router,
    method: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, Option<String>, Json) {
    let mut request =
        Request::builder().method(method).uri("/mcp").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = site.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let session = response.headers().get("mcp-session-id").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 22).await.unwrap();
    (status, session, String::from_utf8(bytes.to_vec()).unwrap().parse().unwrap_or_default())
}

#[tokio::test]
async fn a_session_begins_works_and_ends() {
    let site = service(None, HttpLimits::default());
    let (status, session, answer) =
        send(&site, "POST", BEGIN, &[("accept", "application/json, text/event-stream")]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer.pointer("/result/protocolVersion").and_then(Json::as_str), Some("2025-06-18"));
    let session = session.unwrap();
    let own = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-06-18")];
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(send(&site, "POST", told, &own).await.0, StatusCode::ACCEPTED);
    let (status, again, answer) = send(&site, "POST", LIST, &own).await;
    assert_eq!((status, again), (StatusCode::OK, None));
    assert!(answer.pointer("/result/tools").and_then(Json::as_array).unwrap().len() >= 10);
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"user_info","arguments":{"user":"3"}}}"#;
    let (_, _, answer) = send(&site, "POST", call, &own).await;
    assert_eq!(answer.pointer("/result/isError").and_then(Json::as_bool), Some(false));
    // There is no stream to listen to, and after the end there is no session.
    assert_eq!(send(&site, "GET", "", &own).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(send(&site, "DELETE", "", &own).await.0, StatusCode::NO_CONTENT);
    assert_eq!(send(&site, "POST", LIST, &own).await.0, StatusCode::NOT_FOUND);
    assert_eq!(send(&site, "DELETE", "", &own).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_status() {
    let site = service(None, HttpLimits { body: 4096, ..HttpLimits::default() });
    let session = send(&site, "POST", BEGIN, &[]).await.1.unwrap();
    let own = ("mcp-session-id", session.as_str());
    for (body, headers, status) in [
        (LIST, vec![], StatusCode::BAD_REQUEST),
        (LIST, vec![("mcp-session-id", "guessed")], StatusCode::NOT_FOUND),
        (LIST, vec![own, ("mcp-protocol-version", "1999-01-01")], StatusCode::BAD_REQUEST),
        (LIST, vec![own, ("accept", "text/html")], StatusCode::NOT_ACCEPTABLE),
        ("{nonsense", vec![own], StatusCode::BAD_REQUEST),
        (LIST, vec![own, ("host", "evil.example")], StatusCode::FORBIDDEN),
        (LIST, vec![own, ("host", "localhost:80"), ("origin", "http://evil.example")], StatusCode::FORBIDDEN),
        (LIST, vec![own, ("host", "localhost:80"), ("origin", "http://localhost:80")], StatusCode::OK),
    ] {
        let (found, _, answer) = send(&site, "POST", body, &headers).await;
        assert_eq!(found, status, "{body} {headers:?}: {answer}");
        assert!(found == StatusCode::OK || answer.get("error").is_some(), "{headers:?}");
    }
    let long = format!("{LIST}{}", " ".repeat(5000));
    assert_eq!(send(&site, "POST", &long, &[own]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn sessions_are_bounded_and_end_when_idle() {
    let limits = HttpLimits { sessions: 2, idle: Duration::from_millis(50), ..HttpLimits::default() };
    let site = service(None, limits);
    let first = send(&site, "POST", BEGIN, &[]).await.1.unwrap();
    let second = send(&site, "POST", BEGIN, &[]).await.1.unwrap();
    assert_ne!(first, second);
    assert_eq!(send(&site, "POST", BEGIN, &[]).await.0, StatusCode::TOO_MANY_REQUESTS);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(send(&site, "POST", LIST, &[("mcp-session-id", &first)]).await.0, StatusCode::NOT_FOUND);
    assert_eq!(send(&site, "POST", BEGIN, &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn with_a_token_only_who_bears_it_is_answered() {
    let site = service(Some("a-token-of-16-characters"), HttpLimits::default());
    assert_eq!(send(&site, "POST", BEGIN, &[]).await.0, StatusCode::UNAUTHORIZED);
    for (token, status) in
        [("Bearer wrong", StatusCode::UNAUTHORIZED), ("Bearer a-token-of-16-characters", StatusCode::OK)]
    {
        assert_eq!(send(&site, "POST", BEGIN, &[("authorization", token)]).await.0, status);
    }
    let server = Arc::new(HttpServer::new(KNOWLEDGE.clone(), None, HttpLimits::default()));
    let open = agents::mcp::http::serve(server, "0.0.0.0:0".parse().unwrap()).await;
    assert!(open.unwrap_err().to_string().contains("token"));
}
