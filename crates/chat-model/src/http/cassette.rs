//! Exchanges with an endpoint on a file, to be played back without it.
//!
//! A cassette is JSON lines, one exchange each: the key of the request, the request, the status, chosen headers, and the body in
//! the chunks in which it came, with the break at the end if there was one. Requests' headers are not on it, and keys that
//! an endpoint repeats in its answers are taken out.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use rec_core::Json;
use rec_core::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::config::Redactor;
use super::network::{Answer, Network};
use crate::error::{Error, Result};
use crate::reply::Source;
use crate::wire::shortened;

/// What a cassette does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CassetteMode {
    /// Nothing: all goes through.
    Off,
    /// Sends everything and records it on a new cassette.
    Record,
    /// Sends nothing: what is not on the cassette is an error.
    Replay,
    /// Plays what is on the cassette, and sends and records the rest.
    ReplayOrRecord,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Exchange {
    key: String,
    request: Json,
    status: u16,
    headers: Vec<(String, String)>,
    chunks: Vec<String>,
    /// The connection broke after the last chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
}

/// Recorded exchanges. The same request made again gets the next of its recorded answers, in their order.
pub struct Cassette {
    mode: CassetteMode,
    tape: Arc<Mutex<Tape>>,
}

impl std::fmt::Debug for Cassette {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tape = self.tape.lock().expect("no panic under the lock");
        f.debug_struct("Cassette")
            .field("mode", &self.mode)
            .field("path", &tape.path)
            .field("exchanges", &tape.exchanges.len())
            .finish_non_exhaustive()
    }
}

struct Tape {
    path: PathBuf,
    exchanges: Vec<Exchange>,
    /// Which exchanges of a key are still to come, last first.
    waiting: HashMap<String, Vec<usize>>,
}

impl Cassette {
    /// Opens the cassette at `path`. Recording starts a new one in its place.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or made, with the line that is no exchange. A last line that was cut off while it was
    /// written is dropped.
    pub fn open(path: impl Into<PathBuf>, mode: CassetteMode) -> Result<Self> {
        let path = path.into();
        let mut exchanges = Vec::new();
        match mode {
            CassetteMode::Off => {}
            CassetteMode::Record => {
                fs::write(&path, "").map_err(|error| Error::file(&path, error))?;
            }
            CassetteMode::ReplayOrRecord if !path.exists() => {}
            CassetteMode::Replay | CassetteMode::ReplayOrRecord => exchanges = read(&path, mode)?,
        }
        let mut waiting: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, exchange) in exchanges.iter().enumerate().rev() {
            waiting.entry(exchange.key.clone()).or_default().push(at);
        }
        Ok(Self { mode, tape: Arc::new(Mutex::new(Tape { path, exchanges, waiting })) })
    }

    pub(super) fn needs_network(&self) -> bool {
        self.mode != CassetteMode::Replay
    }

    pub(super) async fn exchange(
        &self,
        request: &Json,
        network: Option<&Network>,
        redactor: &Redactor,
    ) -> Result<(Answer, Source)> {
        let key = key(request);
        if matches!(self.mode, CassetteMode::Replay | CassetteMode::ReplayOrRecord) {
            let mut tape = self.tape.lock().expect("no panic under the lock");
            if let Some(at) = tape.waiting.get_mut(&key).and_then(Vec::pop) {
                return Ok((play(&tape.exchanges[at]), Source::Cassette));
            }
            if self.mode == CassetteMode::Replay {
                return Err(Error::CassetteMiss { what: tape.explain(request, &key) });
            }
        }
        let network = network.ok_or_else(|| Error::transport("a cassette that records needs a network"))?;
        let answer = network.send(request.to_string()).await?;
        if self.mode == CassetteMode::Off {
            return Ok((answer, Source::Live));
        }
        let redacted = redactor.redact(&request.to_string()).parse().unwrap_or_default();
        let headers =
            answer.headers.iter().map(|(name, value)| (name.clone(), redactor.redact(value))).collect();
        let exchange = Exchange {
            key,
            request: redacted,
            status: answer.status,
            headers,
            chunks: Vec::new(),
            broken: None,
        };
        Ok((self.record(answer, exchange, redactor.clone()), Source::Live))
    }

    /// The answer itself, which is on the cassette once it has come to its end or nobody reads on.
    fn record(&self, answer: Answer, exchange: Exchange, redactor: Redactor) -> Answer {
        let tape = self.tape.clone();
        let Answer { status, headers, chunks } = answer;
        let recorder = Recorder { exchange: Some(exchange), pending: Vec::new(), redactor, tape };
        let chunks = futures_util::stream::unfold((chunks, Some(recorder)), |(mut chunks, recorder)| async {
            let mut recorder = recorder?;
            match chunks.next().await {
                Some(Ok(bytes)) => {
                    recorder.hear(&bytes);
                    Some((Ok(bytes), (chunks, Some(recorder))))
                }
                Some(Err(error)) => {
                    let written = recorder.end(Some(error.to_string()));
                    Some((Err(written.err().unwrap_or(error)), (chunks, None)))
                }
                None => recorder.end(None).err().map(|error| (Err(error), (chunks, None))),
            }
        });
        Answer { status, headers, chunks: chunks.boxed() }
    }
}

/// Writes an answer down as it passes.
struct Recorder {
    /// Taken when it is written.
    exchange: Option<Exchange>,
    /// Bytes at the end of a chunk that are no whole character yet.
    pending: Vec<u8>,
    redactor: Redactor,
    tape: Arc<Mutex<Tape>>,
}

impl Recorder {
    fn hear(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.pending) {
            Ok(_) => self.pending.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            // No text at all: written with replacement characters, and refused when it is played as well.
            Err(_) => self.pending.len(),
        };
        let rest = self.pending.split_off(whole);
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending = rest;
        if let Some(exchange) = self.exchange.as_mut().filter(|_| !text.is_empty()) {
            exchange.chunks.push(text);
        }
    }

    fn end(&mut self, broken: Option<String>) -> Result<()> {
        let Some(mut exchange) = self.exchange.take() else { return Ok(()) };
        if !self.pending.is_empty() {
            exchange.chunks.push(String::from_utf8_lossy(&self.pending).into_owned());
        }
        // A key that lies over two chunks would pass by unseen in each.
        let whole = exchange.chunks.concat();
        let redacted = self.redactor.redact(&whole);
        if redacted != whole {
            exchange.chunks = vec![redacted];
        }
        exchange.broken = broken.map(|what| self.redactor.redact(&what));
        let mut line = serde_json::to_string(&exchange).map_err(|error| Error::decode(error.to_string()))?;
        line.push('\n');
        // Under the lock: lines of exchanges at once must not mix.
        let tape = self.tape.lock().expect("no panic under the lock");
        let file = fs::OpenOptions::new().create(true).append(true).open(&tape.path);
        file.and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(|error| Error::file(&tape.path, error))
    }
}

impl Drop for Recorder {
    /// What was heard of an answer that nobody reads on; played, it ends where its reader left.
    fn drop(&mut self) {
        // Nobody is left to tell of a file that cannot be written.
        let _ = self.end(Some("its reader left".to_owned()));
    }
}

fn key(request: &Json) -> String {
    hex(&Sha256::digest(request.canonical()))
}

fn read(path: &Path, mode: CassetteMode) -> Result<Vec<Exchange>> {
    let text = fs::read_to_string(path).map_err(|error| Error::file(path, error))?;
    // A line that was not finished: nobody saw its end either.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    if whole < text.len() && mode == CassetteMode::ReplayOrRecord {
        fs::write(path, &text[..whole]).map_err(|error| Error::file(path, error))?;
    }
    let line = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| Error::file(path, format!("line {}: {error}", at + 1)))
    };
    text[..whole].lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

fn play(exchange: &Exchange) -> Answer {
    let mut chunks: Vec<Result<Vec<u8>>> =
        exchange.chunks.iter().map(|chunk| Ok(chunk.as_bytes().to_vec())).collect();
    chunks.extend(exchange.broken.as_ref().map(|what| Err(Error::transport(format!("recorded: {what}")))));
    Answer {
        status: exchange.status,
        headers: exchange.headers.clone(),
        chunks: futures_util::stream::iter(chunks).boxed(),
    }
}

impl Tape {
    /// Why a request has no answer: it was played already, or how the nearest recorded one differs.
    fn explain(&self, request: &Json, key: &str) -> String {
        let played = self.exchanges.iter().filter(|exchange| exchange.key == key).count();
        if played > 0 {
            return format!("the request was recorded {played} times, and is made once more");
        }
        let differences = |exchange: &Exchange| {
            let mut found = Vec::new();
            differ("", &exchange.request, request, &mut found);
            found
        };
        let nearest = self.exchanges.iter().map(differences).min_by_key(Vec::len);
        let Some(nearest) = nearest else { return "the cassette is empty".to_owned() };
        let shown: Vec<String> = nearest.iter().take(5).cloned().collect();
        let more = nearest.len().saturating_sub(5);
        let more = if more > 0 { format!("; {more} more") } else { String::new() };
        format!("the nearest recorded request differs at {}{more}", shown.join("; "))
    }
}

/// Where two values differ, as JSON pointers with both values.
fn differ(place: &str, recorded: &Json, made: &Json, found: &mut Vec<String>) {
    let mut note = |place: String, recorded: Option<&Json>, made: Option<&Json>| {
        let text = |value: Option<&Json>| {
            value.map_or("nothing".to_owned(), |value| shortened(&value.to_string(), 80))
        };
        found.push(format!("{place} (recorded {}, now {})", text(recorded), text(made)));
    };
    match (recorded, made) {
        _ if recorded == made => {}
        (Json::Object(old), Json::Object(new)) => {
            for (name, value) in old {
                match new.get(name) {
                    Some(other) => differ(&format!("{place}/{name}"), value, other, found),
                    None => found.push(format!("{place}/{name} (recorded, now nothing)")),
                }
            }
            let added = new.keys().filter(|name| !old.contains_key(*name));
            found.extend(added.map(|name| format!("{place}/{name} (not recorded)")));
        }
        (Json::Array(old), Json::Array(new)) => {
            for at in 0..old.len().max(new.len()) {
                match (old.get(at), new.get(at)) {
                    (Some(a), Some(b)) => differ(&format!("{place}/{at}"), a, b, found),
                    (Some(_), None) => found.push(format!("{place}/{at} (recorded, now nothing)")),
                    (None, _) => found.push(format!("{place}/{at} (not recorded)")),
                }
            }
        }
        _ => note(place.to_owned(), Some(recorded), Some(made)),
    }
}
