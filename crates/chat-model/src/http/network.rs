//! Bytes to an endpoint and back, with the times that are waited.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout, timeout_at};

use super::config::{EndpointConfig, Redactor, Secret, Timeouts, seconds};
use crate::error::{Error, Phase, Result};

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `content-type`, `retry-after` and `x-request-id`, where they are.
    pub(super) headers: Vec<(String, String)>,
    /// The bytes as they come; an error ends them.
    pub(super) chunks: BoxStream<'static, Result<Vec<u8>>>,
}

/// Headers that matter.
const CHOSEN: [&str; 3] = ["content-type", "retry-after", "x-request-id"];

/// Headers that must not stand in a configuration.
const SECRET: [&str; 6] =
    ["authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"];

fn header_name(key: &str, name: &str) -> Result<HeaderName> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::config(key, format!("{name} is no name of a header")))
}

/// A client as this crate's own: rustls, the system's roots, no redirects. `secure` says whether TLS is needed.
///
/// # Errors
/// [`Error::Transport`] if the system has no roots, [`Error::Config`] if there can be no client.
pub fn client(secure: bool, connect: std::time::Duration) -> Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(connect)
        // A redirect would carry the request, and perhaps the key, to somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(tls(secure)?)
        .tcp_nodelay(true)
        .build()
        .map_err(|error| Error::config("base_url", describe(error)))
}

/// A pool of connections to one endpoint.
pub(super) struct Network {
    client: reqwest::Client,
    url: reqwest::Url,
    headers: HeaderMap,
    timeouts: Timeouts,
}

impl Network {
    /// Reads the secrets from the environment.
    pub(super) fn new(config: &EndpointConfig) -> Result<(Self, Redactor)> {
        config.timeouts.check()?;
        let url = config.url()?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &config.headers {
            let (name, value) = (header_name("headers", name)?, HeaderValue::from_str(value));
            if SECRET.contains(&name.as_str()) {
                let what =
                    format!("{name} is a secret; name its variable in header_variables or key_variable");
                return Err(Error::config("headers", what));
            }
            let value =
                value.map_err(|_| Error::config("headers", format!("the value of {name} is no header's")))?;
            headers.insert(name, value);
        }
        let mut secrets = Vec::new();
        let mut put = |name: HeaderName, variable: &str, prefix: &str| -> Result<()> {
            let secret = Secret::from_variable(variable)?;
            let value = HeaderValue::from_str(&format!("{prefix}{}", secret.expose()));
            let what = || Error::Auth { what: format!("the value of {variable} cannot stand in a header") };
            let mut value = value.map_err(|_| what())?;
            value.set_sensitive(true);
            headers.insert(name, value);
            secrets.push(secret);
            Ok(())
        };
        if let Some(variable) = &config.key_variable {
            put(AUTHORIZATION, variable, "Bearer ")?;
        }
        for (name, variable) in &config.header_variables {
            put(header_name("header_variables", name)?, variable, "")?;
        }
        let client = client(url.scheme() == "https", seconds(config.timeouts.connect))?;
        Ok((Self { client, url, headers, timeouts: config.timeouts }, Redactor::new(secrets)))
    }

    pub(super) async fn send(&self, body: String) -> Result<Answer> {
        let deadline = Instant::now() + seconds(self.timeouts.total);
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        // The connection is timed apart; whatever of it comes late is late for the first byte too.
        let wait = seconds(self.timeouts.connect + self.timeouts.first_byte);
        let response = match timeout_at(deadline, timeout(wait, request.send())).await {
            Err(_) => return Err(Error::Timeout(Phase::Total)),
            Ok(Err(_)) => return Err(Error::Timeout(Phase::FirstByte)),
            Ok(Ok(Err(error))) if error.is_connect() && error.is_timeout() => {
                return Err(Error::Timeout(Phase::Connect));
            }
            Ok(Ok(response)) => response.map_err(|error| Error::transport(describe(error)))?,
        };
        let text =
            |name: &str| Some((name.to_owned(), response.headers().get(name)?.to_str().ok()?.to_owned()));
        let headers = CHOSEN.into_iter().filter_map(text).collect();
        let status = response.status().as_u16();
        let idle = seconds(self.timeouts.idle);
        let chunks = futures_util::stream::unfold(Some(response), move |response| async move {
            let mut response = response?;
            match timeout_at(deadline, timeout(idle, response.chunk())).await {
                Err(_) => Some((Err(Error::Timeout(Phase::Total)), None)),
                Ok(Err(_)) => Some((Err(Error::Timeout(Phase::Idle)), None)),
                Ok(Ok(Err(error))) => Some((Err(Error::transport(describe(error))), None)),
                Ok(Ok(Ok(None))) => None,
                Ok(Ok(Ok(Some(bytes)))) => Some((Ok(bytes.to_vec()), Some(response))),
            }
        });
        Ok(Answer { status, headers, chunks: chunks.boxed() })
    }
}

/// rustls with `ring` and the roots of the system. Without TLS the roots are not looked for: a bare container has none.
fn tls(needed: bool) -> Result<rustls::ClientConfig> {
    use rustls_platform_verifier::BuilderVerifierExt;
    let failed = |error: rustls::Error| Error::transport(format!("TLS: {error}"));
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(failed)?;
    let builder = if needed {
        builder.with_platform_verifier().map_err(failed)?
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}

/// What went wrong, down to the cause, without the address.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
