//! Any [`ChatModel`](crate::ChatModel) behind an OpenAI-compatible endpoint on the loopback interface, with faults to order.
//!
//! `POST /v1/chat/completions` (whole and streamed), `GET /v1/models`, `GET /health`. It makes an offline engine usable by every
//! program that speaks to such endpoints, and is what this project tests its own clients against.

mod faults;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use rec_core::Json;
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::model::SharedModel;
use crate::reply::ChatEvent;
use crate::toolset::SeenTools;
use crate::wire;

pub use faults::{Fault, Faults};

/// How a model is served.
#[derive(Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// The token that requests must bear; none lets everybody in.
    pub token: Option<String>,
    /// What goes wrong.
    pub faults: Faults,
}

/// Without the token.
impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, max_body, token, faults } = self;
        f.debug_struct("ServerConfig")
            .field("address", address)
            .field("max_body", max_body)
            .field("token", &token.as_ref().map(|_| "[secret]"))
            .field("faults", faults)
            .finish()
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { address, max_body: 16 << 20, token: None, faults: Faults::default() }
    }
}

/// What a server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Requests for completions that came.
    pub requests: u64,
    /// Requests that the model was asked about and answered in full.
    pub answered: u64,
    /// The most requests at once.
    pub most_at_once: u64,
}

/// A server that runs until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    model: SharedModel,
    config: ServerConfig,
    seen_tools: SeenTools,
    requests: AtomicU64,
    answered: AtomicU64,
    running: AtomicU64,
    most_at_once: AtomicU64,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("model", &self.shared.model.capabilities().model)
            .field("config", &self.shared.config)
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts to serve `model` on the current tokio runtime.
    ///
    /// # Errors
    /// [`Error::Config`] if the address cannot be listened on, or is not a loopback address while there is no token.
    pub async fn start(model: SharedModel, config: ServerConfig) -> Result<Self> {
        if !config.address.ip().is_loopback() && config.token.is_none() {
            return Err(Error::config(
                "address",
                format!("{} is open to others and needs a token", config.address),
            ));
        }
        let listening = async {
            let listener = tokio::net::TcpListener::bind(config.address).await?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) =
            listening.await.map_err(|error: std::io::Error| Error::config("address", error.to_string()))?;
        let max_body = config.max_body;
        let shared = Arc::new(Shared {
            model,
            config,
            seen_tools: SeenTools::default(),
            requests: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            running: AtomicU64::new(0),
            most_at_once: AtomicU64::new(0),
        });
        let router = axum::Router::new()
            .route("/v1/chat/completions", post(completions))
            .route("/v1/models", get(models))
            .route("/health", get(|| async { "ok" }))
            .layer(DefaultBodyLimit::max(max_body))
            .with_state(shared.clone());
        let task = tokio::spawn(async move {
            // Accepting goes on after errors; there is nobody to tell of the end.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients take as base address.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What it did so far.
    pub fn stats(&self) -> ServerStats {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        ServerStats {
            requests: read(&self.shared.requests),
            answered: read(&self.shared.answered),
            most_at_once: read(&self.shared.most_at_once),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts a request while it runs.
struct Running(Arc<Shared>);

impl Running {
    fn new(shared: &Arc<Shared>) -> Self {
        let now = shared.running.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_at_once.fetch_max(now, Ordering::SeqCst);
        Self(shared.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn respond(status: u16, kind: &str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

fn refuse(error: &Error) -> Response {
    let mut response =
        respond(error.status().0, "application/json", Body::from(wire::error_body(error).to_string()));
    let seconds = error.retry_after().map(|wait| format!("{}", wait.as_secs_f64()));
    if let Some(seconds) = seconds.and_then(|text| text.parse().ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn let_in(shared: &Shared, headers: &HeaderMap) -> Result<()> {
    let Some(token) = &shared.config.token else { return Ok(()) };
    let borne = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let borne = borne.strip_prefix("Bearer ").unwrap_or_default().as_bytes();
    // As long for every wrong token of the right length.
    let differs = borne.iter().zip(token.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    if borne.len() == token.len() && differs == 0 {
        return Ok(());
    }
    // As hosted endpoints do, it repeats what it was given: clients have to take it out.
    Err(Error::Auth { what: format!("the token {} is not known", String::from_utf8_lossy(borne)) })
}

async fn models(State(shared): State<Arc<Shared>>) -> Response {
    let model = [("id", Json::from(shared.model.capabilities().model)), ("object", "model".into())];
    let list = [("object", Json::from("list")), ("data", Json::Array(vec![model.into_iter().collect()]))];
    respond(200, "application/json", Body::from(list.into_iter().collect::<Json>().to_string()))
}

async fn completions(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let running = Running::new(&shared);
    let number = shared.requests.fetch_add(1, Ordering::SeqCst);
    if let Err(error) = let_in(&shared, &headers) {
        return refuse(&error);
    }
    let read = std::str::from_utf8(&body).map_err(|error| Error::BadRequest { what: error.to_string() });
    let read = read.and_then(|text| wire::read_request(text, &shared.seen_tools));
    // A request may wait for long; its bytes need not.
    drop(body);
    let (request, stream) = match read {
        Ok(read) => read,
        Err(error) => return refuse(&error),
    };
    let fault = shared.config.faults.of(number);
    tokio::time::sleep(shared.config.faults.latency).await;
    match &fault {
        Some(Fault::RateLimited { retry_after }) => {
            let what = "slow down".to_owned();
            return refuse(&Error::RateLimited { retry_after: *retry_after, what });
        }
        Some(Fault::Status(status)) => {
            return refuse(&Error::Overloaded {
                status: *status,
                retry_after: None,
                what: "no answer now".to_owned(),
            });
        }
        Some(Fault::Garbage) => {
            let kind = if stream { "text/event-stream" } else { "application/json" };
            return respond(200, kind, Body::from("data: <html>upstream says {\n\n"));
        }
        _ => {}
    }
    let id = format!("chatcmpl-{number}");
    let model = shared.model.capabilities().model;
    let (kind, pieces) = if stream {
        let (sender, receiver) = mpsc::channel::<Bytes>(16);
        tokio::spawn(stream_reply(shared, request, id, model, sender, running));
        let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|bytes| (bytes, receiver))
        });
        ("text/event-stream", pieces.boxed())
    } else {
        match shared.model.complete(&request).await {
            Ok(reply) => {
                shared.answered.fetch_add(1, Ordering::SeqCst);
                let model = if reply.model.is_empty() { &model } else { &reply.model };
                let body = Bytes::from(wire::write_reply(&reply, &id, model));
                if fault.is_none() {
                    return respond(200, "application/json", Body::from(body));
                }
                ("application/json", futures_util::stream::iter([body]).boxed())
            }
            Err(error) => return refuse(&error),
        }
    };
    respond(200, kind, broken(pieces, fault))
}

/// Sends the pieces of a reply as events. An error in the middle is an event, for the status is already told.
async fn stream_reply(
    shared: Arc<Shared>,
    request: crate::ChatRequest,
    id: String,
    model: String,
    sender: mpsc::Sender<Bytes>,
    _running: Running,
) {
    let mut events = shared.model.stream(&request);
    let mut whole = true;
    let mut started = false;
    while let Some(event) = events.next().await {
        let body = match event {
            Ok(event) => {
                // The role comes first even if the model does not say so.
                if !std::mem::replace(&mut started, true) && !matches!(event, ChatEvent::Start { .. }) {
                    let start = ChatEvent::Start { model: model.clone(), source: crate::Source::Live };
                    let text = format!("data: {}\n\n", wire::chunk_body(&start, &id, &model));
                    if sender.send(text.into()).await.is_err() {
                        return;
                    }
                }
                wire::chunk_body(&event, &id, &model)
            }
            Err(error) => {
                whole = false;
                wire::error_body(&error)
            }
        };
        // Nobody listens any more.
        if sender.send(format!("data: {body}\n\n").into()).await.is_err() {
            return;
        }
    }
    if whole && sender.send("data: [DONE]\n\n".into()).await.is_ok() {
        shared.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// The body, cut or slowed as the fault says.
fn broken(pieces: BoxStream<'static, Bytes>, fault: Option<Fault>) -> Body {
    match fault {
        Some(Fault::Cut { after }) => {
            let cut = futures_util::stream::unfold((pieces, Some(after)), |(mut pieces, left)| async move {
                let left = left?;
                let broken = || {
                    Some((Err(std::io::Error::other("cut")), (futures_util::stream::empty().boxed(), None)))
                };
                if left == 0 {
                    // What was sent is to arrive before the connection breaks.
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                    return broken();
                }
                match pieces.next().await {
                    Some(bytes) => {
                        let taken = bytes.slice(..bytes.len().min(left));
                        let left = left - taken.len();
                        Some((Ok(taken), (pieces, Some(left))))
                    }
                    // Shorter than where it was to be cut: cut before the end all the same.
                    None => broken(),
                }
            });
            Body::from_stream(cut)
        }
        Some(Fault::Slow { bytes, pause }) => {
            let slow = pieces.flat_map(move |piece| {
                let parts: Vec<Bytes> = piece.chunks(bytes.max(1)).map(Bytes::copy_from_slice).collect();
                futures_util::stream::iter(parts)
            });
            Body::from_stream(slow.then(move |part| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, Infallible>(part)
            }))
        }
        _ => Body::from_stream(pieces.map(Ok::<_, Infallible>)),
    }
}
