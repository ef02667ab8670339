//! A `ChatModel` behind an endpoint.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rec_core::Json;

use super::cassette::Cassette;
use super::config::{EndpointConfig, Redactor};
use super::network::{Answer, Network};
use crate::error::{Error, Result};
use crate::model::{Capabilities, ChatModel, ChatStream};
use crate::reply::{ChatEvent, ChatReply, Source};
use crate::request::ChatRequest;
use crate::sse::SseParser;
use crate::wire;

/// More than any reply: an endpoint that never ends must not fill the memory.
const LONGEST_BODY: usize = 64 << 20;

/// How long the end of an answer is waited for after its reply.
const AFTER_DONE: Duration = Duration::from_millis(100);

/// An endpoint that speaks OpenAI's chat completions. One request is one exchange: repetitions, rates and budgets are
/// [layers](crate::layer).
pub struct OpenAiCompatible {
    config: EndpointConfig,
    network: Option<Network>,
    redactor: Redactor,
    cassette: Option<Cassette>,
}

impl std::fmt::Debug for OpenAiCompatible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAiCompatible").field("config", &self.config).finish_non_exhaustive()
    }
}

impl OpenAiCompatible {
    /// Opens an endpoint; keys are read from the environment now. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::Config`] for an address or time that cannot be used, [`Error::Auth`] for a variable that is not set.
    pub fn new(config: EndpointConfig) -> Result<Self> {
        let (network, redactor) = Network::new(&config)?;
        Ok(Self { config, network: Some(network), redactor, cassette: None })
    }

    /// Opens an endpoint with a cassette between. In replay no key is needed, and nothing is sent.
    ///
    /// # Errors
    /// As [`OpenAiCompatible::new`], unless the cassette only replays.
    pub fn with_cassette(config: EndpointConfig, cassette: Cassette) -> Result<Self> {
        if cassette.needs_network() {
            return Ok(Self { cassette: Some(cassette), ..Self::new(config)? });
        }
        Ok(Self { config, network: None, redactor: Redactor::default(), cassette: Some(cassette) })
    }

    async fn exchange(&self, request: &ChatRequest, stream: bool) -> Result<(Answer, Source)> {
        let (model, with_task) = (self.config.model.as_str(), self.config.send_task);
        let body = || {
            let mut body = wire::request_body(request, model, stream, with_task)?;
            body.extend(self.config.extra_body.clone());
            Ok::<_, Error>(Json::Object(body))
        };
        let sent = match &self.cassette {
            Some(cassette) => cassette.exchange(&body()?, self.network.as_ref(), &self.redactor).await,
            None => {
                let network =
                    self.network.as_ref().ok_or_else(|| Error::transport("no network and no cassette"))?;
                let text = if self.config.extra_body.is_empty() {
                    wire::write_request(request, model, stream, with_task)
                } else {
                    body()?.to_string()
                };
                network.send(text).await.map(|answer| (answer, Source::Live))
            }
        };
        let (answer, source) = sent?;
        if (200..300).contains(&answer.status) {
            return Ok((answer, source));
        }
        let status = answer.status;
        let retry_after = retry_after(&answer);
        // The status says enough if the text of the error does not come.
        let text = collect(answer)
            .await
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let text = self.redactor.redact(&text);
        let told = text.parse::<Json>().ok().and_then(|body| wire::read_error(&body, status));
        let error = told.unwrap_or_else(|| {
            let text =
                if text.trim().is_empty() { format!("status {status}") } else { wire::shortened(&text, 300) };
            Error::from_status(status, text, None)
        });
        Err(match error {
            Error::RateLimited { what, .. } => Error::RateLimited { retry_after, what },
            Error::Overloaded { status, what, .. } => Error::Overloaded { status, retry_after, what },
            other => other,
        })
    }

    fn redacted(&self, error: Error) -> Error {
        let clean = |what: String| self.redactor.redact(&what);
        // Without a pattern for all others: a new kind of error has to be thought of here.
        match error {
            Error::Auth { what } => Error::Auth { what: clean(what) },
            Error::BadRequest { what } => Error::BadRequest { what: clean(what) },
            Error::ContextTooLong { what } => Error::ContextTooLong { what: clean(what) },
            Error::RateLimited { retry_after, what } => Error::RateLimited { retry_after, what: clean(what) },
            Error::Overloaded { status, retry_after, what } => {
                Error::Overloaded { status, retry_after, what: clean(what) }
            }
            Error::Timeout(phase) => Error::Timeout(phase),
            Error::Decode { what } => Error::Decode { what: clean(what) },
            Error::Transport { what } => Error::Transport { what: clean(what) },
            Error::ContentFilter { what } => Error::ContentFilter { what: clean(what) },
            Error::BudgetExhausted { what } => Error::BudgetExhausted { what: clean(what) },
            Error::CassetteMiss { what } => Error::CassetteMiss { what: clean(what) },
            Error::Config { key, what } => Error::Config { key, what: clean(what) },
            Error::File { path, what } => Error::File { path, what: clean(what) },
        }
    }

    fn read_whole(&self, bytes: &[u8], source: Source, n_messages: usize) -> Result<ChatReply> {
        let text = std::str::from_utf8(bytes).map_err(|_| Error::decode("a body that is not UTF-8"))?;
        let mut reply = wire::read_reply(text)?;
        for (index, call) in reply.message.tool_calls.iter_mut().enumerate() {
            if call.id.is_empty() {
                call.id = call_id(n_messages, index);
            }
        }
        Ok(ChatReply { source, ..reply })
    }
}

/// The id of a call that an endpoint gave none: answers have to refer to it, and no other of the conversation may have it.
fn call_id(n_messages: usize, index: usize) -> String {
    format!("call_{n_messages}_{index}")
}

async fn collect(mut answer: Answer) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunks.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > LONGEST_BODY {
            return Err(Error::decode("a body of more than 64 MiB"));
        }
    }
    // The connection goes back to the pool in a task of its own. Whoever asks again at once, before that task has run, finds
    // none there: where many ask, all of them would work out their next request first, and wait for a connection then.
    tokio::task::yield_now().await;
    Ok(bytes)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Seconds only: the form with a date needs a clock that agrees with the server's.
fn retry_after(answer: &Answer) -> Option<Duration> {
    Duration::try_from_secs_f64(header(answer, "retry-after")?.trim().parse().ok()?).ok()
}

impl ChatModel for OpenAiCompatible {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            let reply = async {
                let (answer, source) = self.exchange(request, false).await?;
                self.read_whole(&collect(answer).await?, source, request.messages.len())
            };
            reply.await.map_err(|error| self.redacted(error))
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        let opened = async move {
            match self.exchange(request, true).await {
                Ok((answer, source)) => self.read_stream(answer, source, request.messages.len()),
                Err(error) => futures_util::stream::iter([Err(self.redacted(error))]).boxed(),
            }
        };
        futures_util::stream::once(opened).flatten().boxed()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { model: self.config.model.clone(), ..self.config.capabilities.clone() }
    }

    /// The address, and what every request has besides.
    fn identity(&self) -> Option<String> {
        let address = self.config.base_url.trim_end_matches('/');
        Some(format!("{address} {}", Json::Object(self.config.extra_body.clone()).canonical()))
    }
}

/// How far a stream has come.
struct Reading {
    answer: Answer,
    parser: SseParser,
    /// Pieces that are read and not yet given.
    ready: VecDeque<ChatEvent>,
    /// Indices of the calls that have begun.
    called: Vec<usize>,
    /// Messages of the request.
    n_messages: usize,
    started: bool,
    /// The reply said why it ended.
    finished: bool,
    /// `[DONE]` has come.
    done: bool,
    /// The bytes have come to their end.
    ended: bool,
    over: bool,
}

impl Reading {
    fn take(&mut self, data: &str, source: Source) -> Result<()> {
        if self.done {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let body: Json = data.parse().map_err(|error: rec_core::Error| {
            Error::decode(format!("{error}, in an event that begins {}", wire::shortened(data, 100)))
        })?;
        for mut event in wire::read_chunk(&body)? {
            match &mut event {
                // Some servers send the role with every piece.
                ChatEvent::Start { model, .. } => {
                    if !std::mem::replace(&mut self.started, true) {
                        self.ready.push_back(ChatEvent::Start { model: model.clone(), source });
                    }
                    continue;
                }
                ChatEvent::ToolCall { index, id, .. } if !self.called.contains(index) => {
                    self.called.push(*index);
                    if id.as_ref().is_none_or(String::is_empty) {
                        *id = Some(call_id(self.n_messages, *index));
                    }
                }
                ChatEvent::Finish(_) => self.finished = true,
                _ => {}
            }
            self.ready.push_back(event);
        }
        Ok(())
    }

    /// Reads what comes after the reply, which is nothing: a connection whose answer was read to its end is used again, and
    /// a cassette is written at the end. A server that keeps the connection open is not waited for.
    async fn drain(&mut self) -> Result<()> {
        let rest = async {
            loop {
                match self.answer.chunks.next().await {
                    Some(Err(error @ Error::File { .. })) => return Err(error),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Ok(()),
                }
            }
        };
        tokio::time::timeout(AFTER_DONE, rest).await.unwrap_or(Ok(()))
    }

    /// The next piece, or nothing at the end.
    async fn next(&mut self, source: Source) -> Result<Option<ChatEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.done {
                return if self.ended { Ok(None) } else { self.drain().await.map(|()| None) };
            }
            match self.answer.chunks.next().await {
                Some(chunk) => {
                    for data in self.parser.push(&chunk?)? {
                        self.take(&data, source)?;
                    }
                }
                None => {
                    self.ended = true;
                    if let Some(data) = std::mem::take(&mut self.parser).finish()? {
                        self.take(&data, source)?;
                    }
                    // Without `[DONE]` the reason is what tells an end from a cut.
                    if !self.done && !self.finished {
                        return Err(Error::transport("the stream ended before the reply did"));
                    }
                    self.done = true;
                }
            }
        }
    }
}

impl OpenAiCompatible {
    fn read_stream(&self, answer: Answer, source: Source, n_messages: usize) -> ChatStream<'_> {
        // Servers that cannot stream answer with the whole reply.
        if header(&answer, "content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            let whole = async move {
                let reply = match collect(answer).await {
                    Ok(bytes) => self.read_whole(&bytes, source, n_messages),
                    Err(error) => Err(error),
                };
                let events: Vec<Result<ChatEvent>> = match reply {
                    Ok(reply) => reply.into_events().into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(self.redacted(error))],
                };
                futures_util::stream::iter(events)
            };
            return futures_util::stream::once(whole).flatten().boxed();
        }
        let reading = Reading {
            answer,
            parser: SseParser::default(),
            ready: VecDeque::new(),
            called: Vec::new(),
            n_messages,
            started: false,
            finished: false,
            done: false,
            ended: false,
            over: false,
        };
        let next = move |mut reading: Reading| async move {
            if reading.over {
                return None;
            }
            let event = reading.next(source).await.transpose()?;
            reading.over = event.is_err();
            Some((event.map_err(|error| self.redacted(error)), reading))
        };
        futures_util::stream::unfold(reading, next).boxed()
    }
}
