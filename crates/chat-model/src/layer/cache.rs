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
}

/// Answers a request that was answered before from the disk.
///
/// Only requests that are meant to get the same reply again ([`Sampling::is_deterministic`](crate::Sampling::is_deterministic)) are
/// kept: votes drawn at a temperature must differ. The same request made several times at once is sent once. Files are named by
/// the SHA-256 of the request, the model and the epoch, and appear whole or not at all; one that cannot be read counts as not
/// there. Whole replies only: a stream that breaks off is not kept.
pub struct Cache {
    inner: SharedModel,
    config: CacheConfig,
    /// Requests on their way.
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    stats: Mutex<CacheStats>,
    /// Names files that are being written.
    written: AtomicU64,
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

    fn key(&self, request: &ChatRequest) -> String {
        let model = self.inner.capabilities().model;
        let mut body = wire::request_body(request, &model, false, true);
        body.insert("epoch".to_owned(), self.config.epoch.as_str().into());
        hex(&Sha256::digest(Json::Object(body).canonical()))
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

    fn flight(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.flights.lock().expect("no panic under the lock");
        flights.entry(key.to_owned()).or_default().clone()
    }

    /// Forgets a request on its way once nobody waits for it.
    fn land(&self, key: &str) {
        let mut flights = self.flights.lock().expect("no panic under the lock");
        // One in the map, one with the caller.
        if flights.get(key).is_some_and(|flight| Arc::strong_count(flight) <= 2) {
            flights.remove(key);
        }
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

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ChatModel for Cache {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            if !request.sampling.is_deterministic() {
                return self.inner.complete(request).await;
            }
            let key = self.key(request);
            let flight = self.flight(&key);
            let reply = {
                let _turn = flight.lock().await;
                match self.read(&key) {
                    Some(reply) => Ok(reply),
                    None => {
                        self.missed();
                        let reply = self.inner.complete(request).await;
                        reply.and_then(|reply| self.write(&key, &reply).map(|()| reply))
                    }
                }
            };
            self.land(&key);
            reply
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        if !request.sampling.is_deterministic() {
            return self.inner.stream(request);
        }
        let key = self.key(request);
        if let Some(reply) = self.read(&key) {
            return futures_util::stream::iter(reply.into_events().into_iter().map(Ok)).boxed();
        }
        self.missed();
        let state = (self.inner.stream(request), Gather::default(), Some(key));
        let next = move |(mut stream, mut gather, mut key): (ChatStream<'a>, Gather, Option<String>)| async move {
            let Some(event) = stream.next().await else {
                // The whole reply is there: what nobody waits for any more can fail without a word.
                if let (Some(key), true) = (key.take(), gather.is_finished())
                    && let Ok(reply) = gather.finish()
                {
                    let _ = self.write(&key, &reply);
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
}
