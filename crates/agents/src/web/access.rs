//! Who may ask a server of this crate.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::http::{Request, header};

use crate::error::{Error, Result};

/// Refuses an address that others can reach without a token that cannot be guessed.
pub(crate) fn check_address(address: SocketAddr, token: Option<&str>) -> Result<()> {
    if token.is_none_or(|token| token.len() < 16) && !address.ip().is_loopback() {
        return Err(Error::config(
            "token",
            format!("{address} can be reached by others; give a token of 16 characters or more"),
        ));
    }
    Ok(())
}

/// Whether the request carries the token as a bearer.
pub(crate) fn bears(request: &Request<Body>, token: &str) -> bool {
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = bearer.and_then(|value| value.strip_prefix("Bearer "));
    given.is_some_and(|given| same(given.as_bytes(), token.as_bytes()))
}

/// As [`bears`], or in the address: a browser's event stream cannot send headers.
pub(crate) fn shows(request: &Request<Body>, token: &str) -> bool {
    let in_address =
        request.uri().query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
    bears(request, token) || in_address.is_some_and(|given| same(given.as_bytes(), token.as_bytes()))
}

/// Compares in a time that does not depend on where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Whether the request was made to this machine's own name, by a page of ours if by a page: another site's page would come
/// under another host's name or with another origin.
pub(crate) fn is_local(request: &Request<Body>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let own = origin.is_none_or(|origin| origin.split_once("://").is_some_and(|(_, from)| from == host));
    ["localhost", "127.0.0.1", "[::1]"].contains(&name) && own
}

/// Names that cannot be guessed: hashed with keys that the process draws for each.
pub(crate) struct Names {
    started: Instant,
    next: AtomicU64,
}

impl Names {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), next: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let half = || RandomState::new().hash_one((number, self.started.elapsed().as_nanos()));
        format!("{:016x}{:016x}", half(), half())
    }
}
