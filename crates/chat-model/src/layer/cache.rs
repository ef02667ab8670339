//! Replies kept on the disk.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rec_core::Json;
use rec_core::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::{Capabilities, ChatModel, ChatStream, SharedModel};
use crate::reply::{ChatReply, Gather, Source};
use crate::request::ChatRequest;
use crate::wire;

/// Where and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// The folder; made if it is not there. Several processes may share it.
    pub folder: PathBuf,
    /// A part of every key: another value forgets everything.
    #[serde(default)]
    pub epoch: String,
    /// The most bytes; the replies that were not asked for the longest go first.
    #[serde(default = "one_gigabyte")]
    pub max_bytes: u64,
}

fn one_gigabyte() -> u64 {
    1 << 30
}

/// What the cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Replies that it had.
    pub hits: u64,
    /// Requests that it let through.
    pub misses: u64,
    /// Replies that it forgot for want of room.
    pub evicted: u64,
    /// Bytes that it holds.
    pub bytes: u64,
    /// Replies that could not be written, or after which no room could be made: a full disk, say. They were given all the same.
    #[serde(default)]
    pub failed_writes: u64,
}

/// Answers a request that was answered before from the disk.
///
/// Only requests that are meant to get the same reply again ([`Sampling::is_deterministic`](crate::Sampling::is_deterministic)) are
/// kept: votes drawn at a temperature must differ. The same request made several times at once is sent once. Files are named by
/// the SHA-256 of the request, the model, its [identity](ChatModel::identity) and the epoch, and appear whole or not at all; one
/// that cannot be read counts as not there, and a reply that cannot be written is given and counted. Whole replies only: a
/// stream that breaks off is not kept.
pub struct Cache {
    inner: SharedModel,
    config: CacheConfig,
    /// Requests on their way.
    flights: Mutex<HashMap<String, Turn>>,
    stats: Mutex<CacheStats>,
    /// Names files that are being written.
    written: AtomicU64,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("inner", &self.inner.capabilities().model)
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Held by who asks for a request's reply.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// One who waits for a request, or asks for it.
struct Flight<'c> {
    cache: &'c Cache,
    key: &'c str,
    /// There until it is dropped.
    turn: Option<Turn>,
}

/// Forgets the request once nobody waits for it, however the waiting ends.
impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = self.cache.flights.lock().expect("no panic under the lock");
        // Under the lock: the last one of several is told by the count.
        self.turn.take();
        if flights.get(self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            flights.remove(self.key);
        }
    }
}

impl Cache {
    /// Wraps `inner`.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be made or read.
    pub fn new(inner: SharedModel, config: CacheConfig) -> Result<Self> {
        fs::create_dir_all(&config.folder).map_err(|error| Error::file(&config.folder, error))?;
        let bytes = entries(&config.folder)?.iter().map(|entry| entry.bytes).sum();
        let stats = Mutex::new(CacheStats { bytes, ..CacheStats::default() });
        Ok(Self { inner, config, flights: Mutex::default(), stats, written: AtomicU64::new(0) })
    }

    /// What the cache did so far.
    pub fn stats(&self) -> CacheStats {
        *self.stats.lock().expect("no panic under the lock")
    }

    /// # Errors
    /// As [`wire::request_body`].
    fn key(&self, request: &ChatRequest) -> Result<String> {
        let model = self.inner.capabilities().model;
        let mut body = wire::request_body(request, &model, false, true)?;
        body.insert("epoch".to_owned(), self.config.epoch.as_str().into());
        if let Some(identity) = self.inner.identity() {
            body.insert("identity".to_owned(), identity.into());
        }
        Ok(hex(&Sha256::digest(Json::Object(body).canonical())))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.config.folder.join(&key[..2]).join(format!("{key}.json"))
    }

    fn read(&self, key: &str) -> Option<ChatReply> {
        let path = self.path(key);
        let text = fs::read_to_string(&path).ok()?;
        let reply = wire::read_reply(&text).ok()?;
        // The time of the last use; without it the oldest reply goes first, which is no harm.
        if let Ok(file) = fs::File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        self.stats.lock().expect("no panic under the lock").hits += 1;
        Some(ChatReply { source: Source::Cache, ..reply })
    }

    /// Keeps a reply. It was paid for: what goes wrong here is counted and does not take it from its caller.
    fn keep(&self, key: &str, reply: &ChatReply) {
        if self.write(key, reply).is_err() {
            self.stats.lock().expect("no panic under the lock").failed_writes += 1;
        }
    }

    fn write(&self, key: &str, reply: &ChatReply) -> Result<()> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.config.folder);
        fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let partial = folder.join(format!("{key}.{}.{number}.partial", std::process::id()));
        let text = wire::write_reply(reply, "", &reply.model);
        let written = fs::write(&partial, &text).and_then(|()| fs::rename(&partial, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(Error::file(&path, error));
        }
        let over = {
            let mut stats = self.stats.lock().expect("no panic under the lock");
            stats.bytes += text.len() as u64;
            stats.bytes > self.config.max_bytes
        };
        if over { self.evict() } else { Ok(()) }
    }

    /// Down to nine tenths, so that not every reply has to look for room.
    fn evict(&self) -> Result<()> {
        let mut entries = entries(&self.config.folder)?;
        entries.sort_by_key(|entry| entry.used);
        let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
        let mut evicted = 0;
        for entry in entries {
            if bytes <= self.config.max_bytes / 10 * 9 {
                break;
            }
            // Another process may have been faster.
            if fs::remove_file(&entry.path).is_ok() {
                evicted += 1;
            }
            bytes -= entry.bytes;
        }
        let mut stats = self.stats.lock().expect("no panic under the lock");
        stats.bytes = bytes;
        stats.evicted += evicted;
        Ok(())
    }

    fn flight<'c>(&'c self, key: &'c str) -> Flight<'c> {
        let mut flights = self.flights.lock().expect("no panic under the lock");
        let turn = flights.entry(key.to_owned()).or_default().clone();
        Flight { cache: self, key, turn: Some(turn) }
    }

    fn missed(&self) {
        self.stats.lock().expect("no panic under the lock").misses += 1;
    }
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let folders = fs::read_dir(folder).map_err(|error| Error::file(folder, error))?;
    for inner in folders.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        // A folder that goes away meanwhile holds nothing.
        let Ok(files) = fs::read_dir(&inner) else { continue };
        for file in files.filter_map(std::result::Result::ok) {
            let path = file.path();
            if let (Some("json"), Ok(meta)) = (path.extension().and_then(|end| end.to_str()), file.metadata())
            {
                let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push(Entry { path, bytes: meta.len(), used });
            }
        }
    }
    Ok(found)
}

impl ChatModel for Cache {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            if !request.sampling.is_deterministic() {
                return self.inner.complete(request).await;
            }
            let key = self.key(request)?;
            let flight = self.flight(&key);
            let _turn = flight.turn.as_ref().expect("it was not dropped").lock().await;
            if let Some(reply) = self.read(&key) {
                return Ok(reply);
            }
            self.missed();
            let reply = self.inner.complete(request).await?;
            self.keep(&key, &reply);
            Ok(reply)
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        if !request.sampling.is_deterministic() {
            return self.inner.stream(request);
        }
        let key = match self.key(request) {
            Ok(key) => key,
            Err(error) => return futures_util::stream::iter([Err(error)]).boxed(),
        };
        if let Some(reply) = self.read(&key) {
            return futures_util::stream::iter(reply.into_events().into_iter().map(Ok)).boxed();
        }
        self.missed();
        let state = (self.inner.stream(request), Gather::default(), Some(key));
        let next = move |(mut stream, mut gather, mut key): (ChatStream<'a>, Gather, Option<String>)| async move {
            let Some(event) = stream.next().await else {
                if let (Some(key), true) = (key.take(), gather.is_finished())
                    && let Ok(reply) = gather.finish()
                {
                    self.keep(&key, &reply);
                }
                return None;
            };
            if !event.as_ref().is_ok_and(|event| gather.push(event).is_ok()) {
                key = None;
            }
            Some((event, (stream, gather, key)))
        };
        futures_util::stream::unfold(state, next).boxed()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use rec_core::Message;

    use super::*;
    use crate::request::Sampling;

    /// Never answers.
    struct Silent;

    impl ChatModel for Silent {
        fn complete<'a>(&'a self, _: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
            futures_util::future::pending().boxed()
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let config = CacheConfig { folder: folder.path().to_owned(), epoch: String::new(), max_bytes: 1000 };
        let cache = Cache::new(Arc::new(Silent), config).unwrap();
        let sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
        let request = ChatRequest { sampling, ..ChatRequest::new(vec![Message::user("x")]) };
        let mut asks: Vec<_> = (0..3).map(|_| cache.complete(&request)).collect();
        asks.iter_mut().for_each(|ask| assert!(ask.now_or_never().is_none()));
        let waiting = || cache.flights.lock().unwrap().len();
        // The one who asks goes, then one who waits; the last takes the entry along.
        drop(asks.remove(0));
        assert!((&mut asks[0]).now_or_never().is_none());
        assert_eq!((waiting(), cache.stats().misses), (1, 2));
        asks.pop();
        assert_eq!(waiting(), 1);
        asks.pop();
        assert_eq!(waiting(), 0);
    }
}
