//! A page in the browser: a dialogue, the team at work as a timeline, the evidence behind each recommendation; and samples of
//! the data set, run by any system, with the truth shown only afterwards.
//!
//! One process, loopback by default. Beyond loopback a token is required. Bodies, sessions and their events are bounded, idle
//! sessions end. The page takes nothing from anywhere else and writes text as text.

pub(crate) mod access;
mod api;
mod sessions;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::decider::Decider;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::knowledge::Knowledge;
use crate::protocol::Sample;
use crate::system::SystemConfig;

pub use sessions::Limits;

/// What is served.
pub struct Site {
    knowledge: Arc<Knowledge>,
    samples: Vec<Sample>,
    decider: Arc<dyn Decider>,
    model: String,
    token: Option<String>,
    sessions: sessions::Sessions,
    answering: Arc<tokio::sync::Semaphore>,
}

/// Without the token.
impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("model", &self.model)
            .field("samples", &self.samples.len())
            .finish_non_exhaustive()
    }
}

impl Site {
    /// A site over `knowledge` whose agents use `decider`, called `model` on the page; `samples` can be looked at and run.
    pub fn new(
        knowledge: Arc<Knowledge>,
        samples: Vec<Sample>,
        decider: Arc<dyn Decider>,
        model: impl Into<String>,
        token: Option<String>,
        limits: Limits,
    ) -> Self {
        Self {
            knowledge,
            samples,
            decider,
            model: model.into(),
            token,
            sessions: sessions::Sessions::new(limits),
            answering: Arc::new(tokio::sync::Semaphore::new(limits.answers.max(1))),
        }
    }

    /// Does `work` on a thread of its own, with this runtime's clock and sockets, when it is its turn: teams compute, and what
    /// serves others goes on meanwhile. Nothing if the work panics.
    async fn answer<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce() -> T + Send + 'static,
    {
        let turn = self.answering.clone().acquire_owned().await.ok()?;
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            runtime.block_on(work())
        });
        done.await.ok()
    }

    fn engine(&self, system: &str) -> Result<Engine> {
        let mut engine =
            Engine::with(self.knowledge.clone(), SystemConfig::named(system)?, self.decider.clone())?;
        engine.timed = true;
        Ok(engine)
    }
}

/// The routes of `site`.
pub fn router(site: Arc<Site>) -> Router {
    let text = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/", text("text/html; charset=utf-8", include_str!("web/page.html")))
        .route("/page.css", text("text/css; charset=utf-8", include_str!("web/page.css")))
        .route("/page.js", text("text/javascript; charset=utf-8", include_str!("web/page.js")))
        .route("/api/health", get(api::health))
        .route("/api/systems", get(api::systems))
        .route("/api/samples/{task}/{page}", get(api::samples))
        .route("/api/runs", post(api::run))
        .route("/api/sessions", post(api::begin))
        .route("/api/sessions/{id}", get(api::session).delete(api::end))
        .route("/api/sessions/{id}/messages", post(api::message))
        .route("/api/sessions/{id}/cancel", post(api::cancel))
        .route("/api/sessions/{id}/events", get(api::events))
        .route("/api/sessions/{id}/trace", get(api::trace))
        .layer(DefaultBodyLimit::max(16 * 1024))
        .layer(middleware::from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

/// Who may ask, and what every answer says of itself.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let refused = match &site.token {
        // A browser sends no header for the page itself; what it can do without is nothing.
        Some(token) if path.starts_with("/api/") && path != "/api/health" => !access::shows(&request, token),
        Some(_) => false,
        // Without a token only pages of this machine may ask: another site's page would come under another host's name.
        None => !access::is_local(&request),
    };
    let mut response = if refused {
        (StatusCode::UNAUTHORIZED, "not allowed: a token is needed, or another address").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Serves `site` at `address` until the process ends.
///
/// # Errors
/// [`Error::Config`] for an address beyond loopback without a token; of the network.
pub async fn serve(site: Arc<Site>, address: SocketAddr) -> Result<()> {
    access::check_address(address, site.token.as_deref())?;
    let network = |error| Error::io(address.to_string(), error);
    let listener = tokio::net::TcpListener::bind(address).await.map_err(network)?;
    let sweeper = site.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            sweeper.sessions.sweep();
        }
    });
    axum::serve(listener, router(site)).await.map_err(network)
}
