//! Where an endpoint is and how it is spoken to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rec_core::json::Object;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Capabilities;

/// An endpoint. It holds the *name* of the variable that the key is in, never a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// Everything before `/chat/completions`, such as `http://127.0.0.1:8000/v1`.
    pub base_url: String,
    /// The model's name.
    pub model: String,
    /// The environment variable that holds the key; none where no key is asked for.
    #[serde(default)]
    pub key_variable: Option<String>,
    /// Further headers of each request that are no secret.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further headers that are: name, and the environment variable that holds the value.
    #[serde(default)]
    pub header_variables: BTreeMap<String, String>,
    /// What is waited for.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What the endpoint offers; its `model` is this configuration's.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Members that are added to each request's body, or replace its own.
    #[serde(default)]
    pub extra_body: Object,
    /// Whether the role and task of a request go along, for an endpoint that reads them (this crate's server).
    #[serde(default)]
    pub send_task: bool,
}

impl EndpointConfig {
    /// An endpoint without a key that offers tools, JSON objects and seeds.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        let capabilities =
            Capabilities { tools: true, json_object: true, seed: true, ..Capabilities::default() };
        Self {
            base_url: base_url.into(),
            model: model.into(),
            key_variable: None,
            headers: BTreeMap::new(),
            header_variables: BTreeMap::new(),
            timeouts: Timeouts::default(),
            capabilities,
            extra_body: Object::new(),
            send_task: false,
        }
    }

    /// The address that requests go to.
    ///
    /// # Errors
    /// [`Error::Config`] for anything but an `http` or `https` address without a password.
    pub(super) fn url(&self) -> Result<reqwest::Url> {
        let url = format!("{}/chat/completions", self.base_url.trim_end_matches('/'));
        let url = reqwest::Url::parse(&url).map_err(|error| Error::config("base_url", error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::config("base_url", format!("{} is not http or https", url.scheme())));
        }
        if url.password().is_some() || !url.username().is_empty() {
            // It would be written to every trace.
            return Err(Error::config(
                "base_url",
                "an address must not hold a user or a password; use key_variable",
            ));
        }
        Ok(url)
    }
}

/// How long is waited for what, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: f64,
    /// From the request to the first byte of the answer; without streaming the model writes the whole reply before it.
    pub first_byte: f64,
    /// Between two bytes.
    pub idle: f64,
    /// From the request to the end of the answer.
    pub total: f64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: 10.0, first_byte: 120.0, idle: 60.0, total: 300.0 }
    }
}

impl Timeouts {
    /// # Errors
    /// [`Error::Config`] naming a time that is not positive.
    pub(super) fn check(&self) -> Result<()> {
        for (key, value) in [
            ("timeouts.connect", self.connect),
            ("timeouts.first_byte", self.first_byte),
            ("timeouts.idle", self.idle),
            ("timeouts.total", self.total),
        ] {
            if !(value > 0.0 && value < 1e9) {
                return Err(Error::config(key, format!("{value} is no time to wait; give seconds")));
            }
        }
        Ok(())
    }
}

/// Seconds of a checked configuration.
pub(super) fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

/// Something that must not be told. Nothing prints it.
#[derive(Clone)]
pub(super) struct Secret(String);

impl Secret {
    /// The value of an environment variable.
    ///
    /// # Errors
    /// [`Error::Auth`] naming the variable if it is not set, empty, or no text of a header.
    pub(super) fn from_variable(name: &str) -> Result<Self> {
        match std::env::var(name) {
            Ok(value) if !value.trim().is_empty() => Ok(Self(value.trim().to_owned())),
            _ => Err(Error::Auth { what: format!("the environment variable {name} is not set") }),
        }
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Removes secrets from text that came from outside: endpoints repeat keys in their errors.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor(Vec<Secret>);

impl Redactor {
    pub(super) fn new(secrets: Vec<Secret>) -> Self {
        Self(secrets)
    }

    pub(super) fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), "[secret]"))
    }
}
