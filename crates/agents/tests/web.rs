//! The routes as a browser and as a stranger use them.
#![cfg(feature = "web")]

mod common;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use agents::decider::{DecideError, Decider, Decision};
use agents::knowledge::Knowledge;
use agents::protocol::Prepared;
use agents::view::AgentView;
use agents::web::{Limits, Site, router};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rec_core::Json;
use tower::ServiceExt;

static PREPARED: LazyLock<Prepared> = LazyLock::new(common::prepared);
static KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| common::knowledge(&PREPARED));

fn site(token: Option<&str>, limits: Limits) -> Router {
    site_of(common::policy(&KNOWLEDGE), token, limits)
}

fn site_of(decider: Arc<dyn Decider>, token: Option<&str>, limits: Limits) -> Router {
    router(Arc::new(Site::new(
        KNOWLEDGE.clone(),
        PREPARED.test.clone(),
        decider,
        "rules",
        token.map(Into::into),
        limits,
    )))
}

async fn send(
    site: &Router,
    method: &str,
    path: &str,
    body: Option<&str>,
    headers: &[(&str, &str)],
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
    site.clone().oneshot(request.body(body).unwrap()).await.unwrap()
}

async fn json(response: Response<Body>) -> Json {
    let bytes = to_bytes(response.into_body(), 1 << 22).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap().parse().unwrap()
}

async fn begin(site: &Router) -> String {
    let begun = json(send(site, "POST", "/api/sessions", Some("{}"), &[]).await).await;
    begun.get("id").and_then(Json::as_str).unwrap().to_owned()
}

#[tokio::test]
async fn a_dialogue_is_held_followed_and_downloaded() {
    let site = site(None, Limits::default());
    let id = begin(&site).await;
    let path = format!("/api/sessions/{id}/messages");
    let reply = json(send(&site, "POST", &path, Some(r#"{"text":"I like Film Number 8"}"#), &[]).await).await;
    assert_eq!(reply.get("valid").and_then(Json::as_bool), Some(true));
    let cards = reply.get("cards").and_then(Json::as_array).unwrap();
    assert!(!cards.is_empty());
    for card in cards {
        assert!(!card.get("claims").and_then(Json::as_array).unwrap().is_empty(), "{card}");
    }
    // Events, from the beginning and from a place.
    let read = |last: &'static str| {
        let site = site.clone();
        let path = format!("/api/sessions/{id}/events");
        async move {
            let response = send(&site, "GET", &path, None, &[("last-event-id", last)]).await;
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            let mut stream = response.into_body().into_data_stream();
            String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
        }
    };
    assert!(read("0").await.contains("id: 1\n"));
    assert!(read("3").await.contains("id: 4\n"));
    let trace = send(&site, "GET", &format!("/api/sessions/{id}/trace"), None, &[]).await;
    let text = String::from_utf8(to_bytes(trace.into_body(), 1 << 22).await.unwrap().to_vec()).unwrap();
    assert!(text.lines().count() > 5 && text.lines().all(|line| line.parse::<Json>().is_ok()));
    let known = json(send(&site, "GET", &format!("/api/sessions/{id}"), None, &[]).await).await;
    assert_eq!(known.get("turns").and_then(Json::as_array).unwrap().len(), 2);
    assert_eq!(
        send(&site, "POST", &format!("/api/sessions/{id}/cancel"), Some("{}"), &[]).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        send(&site, "DELETE", &format!("/api/sessions/{id}"), None, &[]).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        send(&site, "POST", &path, Some(r#"{"text":"x"}"#), &[]).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn samples_hide_their_truth_until_they_are_run() {
    let site = site(None, Limits::default());
    let page = json(send(&site, "GET", "/api/samples/rating/0", None, &[]).await).await;
    let first = page.pointer("/samples/0").unwrap();
    assert!(first.get("rating").is_none() && first.get("history").is_some());
    let name = first.get("sample").and_then(Json::as_str).unwrap();
    let body = format!(r#"{{"system":"analyse","task":"rating","sample":"{name}"}}"#);
    let done = json(send(&site, "POST", "/api/runs", Some(&body), &[]).await).await;
    assert!(done.pointer("/truth/rating").is_some() && done.pointer("/events/3/text").is_some());
    for (body, status) in [
        (r#"{"system":"nobody","task":"rating","sample":"user-1"}"#, StatusCode::BAD_REQUEST),
        (r#"{"system":"chat","task":"rating","sample":"user-1"}"#, StatusCode::BAD_REQUEST),
        (r#"{"system":"analyse","task":"rating","sample":"user-99999"}"#, StatusCode::NOT_FOUND),
        (r#"{"system":"analyse"}"#, StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(send(&site, "POST", "/api/runs", Some(body), &[]).await.status(), status, "{body}");
    }
    assert_eq!(
        send(&site, "GET", "/api/samples/conversation/0", None, &[]).await.status(),
        StatusCode::NOT_FOUND
    );
    let far = json(send(&site, "GET", "/api/samples/rating/18446744073709551615", None, &[]).await).await;
    assert!(far.get("samples").and_then(Json::as_array).unwrap().is_empty());
}

#[tokio::test]
async fn strangers_big_bodies_and_crowds_are_refused() {
    let open =
        site(None, Limits { sessions: 2, idle: Duration::from_secs(60), events: 3, ..Limits::default() });
    for (headers, status) in [
        (&[("host", "localhost:8080")][..], StatusCode::OK),
        (&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")], StatusCode::OK),
        // A page of another site that has its name point here, or that simply asks.
        (&[("host", "evil.example:8080")], StatusCode::UNAUTHORIZED),
        (&[("host", "localhost:8080"), ("origin", "http://evil.example")], StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(send(&open, "GET", "/api/health", None, headers).await.status(), status, "{headers:?}");
    }
    let id = begin(&open).await;
    begin(&open).await;
    assert_eq!(
        send(&open, "POST", "/api/sessions", Some("{}"), &[]).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
    let big = format!(r#"{{"text":"{}"}}"#, "x".repeat(20_000));
    let path = format!("/api/sessions/{id}/messages");
    assert_eq!(send(&open, "POST", &path, Some(&big), &[]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    send(&open, "POST", &path, Some(r#"{"text":"hello"}"#), &[]).await;
    let trace = send(&open, "GET", &format!("/api/sessions/{id}/trace"), None, &[]).await;
    let bytes = to_bytes(trace.into_body(), 1 << 20).await.unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 3);

    let closed = site(Some("a-token-of-some-length"), Limits::default());
    let bearer = |token: &'static str| [("authorization", token)];
    for (path, headers, status) in [
        ("/", &[][..], StatusCode::OK),
        ("/api/systems", &[], StatusCode::UNAUTHORIZED),
        ("/api/systems", &bearer("Bearer a-token-of-some-lengtH"), StatusCode::UNAUTHORIZED),
        ("/api/systems", &bearer("Bearer a-token-of-some-length"), StatusCode::OK),
        ("/api/systems?token=a-token-of-some-length", &[], StatusCode::OK),
    ] {
        let response = send(&closed, "GET", path, None, headers).await;
        assert_eq!(response.status(), status, "{path} {headers:?}");
        assert!(
            response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
    }
}

#[tokio::test]
async fn who_follows_a_session_hears_its_end() {
    let open = site(None, Limits { idle: Duration::from_millis(20), ..Limits::default() });
    for swept in [false, true] {
        let id = begin(&open).await;
        let response = send(&open, "GET", &format!("/api/sessions/{id}/events"), None, &[]).await;
        if swept {
            // A new session sweeps those that were idle.
            tokio::time::sleep(Duration::from_millis(50)).await;
            begin(&open).await;
        } else {
            send(&open, "DELETE", &format!("/api/sessions/{id}"), None, &[]).await;
        }
        let rest =
            tokio::time::timeout(Duration::from_secs(5), to_bytes(response.into_body(), 1 << 20)).await;
        assert!(rest.is_ok(), "the stream goes on after the session (swept: {swept})");
    }
}

/// Thinks, on the processor, until it may go on.
struct Busy {
    may_go_on: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
    policy: Arc<dyn Decider>,
}

impl Decider for Busy {
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>> {
        let told = self.may_go_on.lock().unwrap().recv_timeout(Duration::from_secs(2));
        if told == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            return Box::pin(std::future::ready(Err(DecideError::Model(
                "nobody was served meanwhile".into(),
            ))));
        }
        self.policy.decide(view)
    }
}

#[tokio::test]
async fn a_team_that_computes_keeps_nobody_waiting() {
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let busy = Busy { may_go_on: may_go_on.into(), policy: common::policy(&KNOWLEDGE) };
    let open = site_of(Arc::new(busy), None, Limits { answers: 1, ..Limits::default() });
    let page = json(send(&open, "GET", "/api/samples/rating/0", None, &[]).await).await;
    let name = page.pointer("/samples/0/sample").and_then(Json::as_str).unwrap();
    let body = format!(r#"{{"system":"analyse","task":"rating","sample":"{name}"}}"#);
    let run = async { json(send(&open, "POST", "/api/runs", Some(&body), &[]).await).await };
    let ask = async {
        assert_eq!(send(&open, "GET", "/api/health", None, &[]).await.status(), StatusCode::OK);
        drop(go_on);
    };
    let (done, ()) = tokio::join!(run, ask);
    assert_eq!(done.pointer("/outcome/valid").and_then(Json::as_bool), Some(true), "{done}");
}
