//! Sessions of the page: a dialogue each, its events kept for whoever joins late, bounded in number, size and age.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::session::Session;
use crate::trace::Event;

/// The bounds of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once.
    pub sessions: usize,
    /// Events kept of a session; the oldest go first.
    pub events: usize,
    /// How long a session may be idle.
    pub idle: Duration,
    /// Answers that are worked on at once; whoever comes later waits.
    pub answers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 500, events: 5_000, idle: Duration::from_secs(3600), answers: 16 }
    }
}

/// The events of a session: a number, from 1, and the event.
pub(super) struct Log {
    events: Mutex<Vec<(u64, Arc<Event>)>>,
    /// Whether the session has ended; every event is told by it too.
    ended: watch::Sender<bool>,
    limit: usize,
}

impl Log {
    fn new(limit: usize) -> Self {
        Self { events: Mutex::default(), ended: watch::Sender::new(false), limit }
    }

    pub(super) fn push(&self, event: Event) {
        let mut events = lock(&self.events);
        let number = events.last().map_or(1, |(number, _)| number + 1);
        events.push((number, Arc::new(event)));
        if events.len() > self.limit {
            events.remove(0);
        }
        drop(events);
        self.ended.send_modify(|_| {});
    }

    /// Whoever follows hears what is there and then that no more comes, and lets go of the log.
    fn close(&self) {
        self.ended.send_replace(true);
    }

    /// The first event after number `after`.
    pub(super) fn after(&self, after: u64) -> Option<(u64, Arc<Event>)> {
        let events = lock(&self.events);
        events.get(events.partition_point(|(number, _)| *number <= after)).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Event>> {
        lock(&self.events).iter().map(|(_, event)| event.clone()).collect()
    }

    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }
}

/// One session.
pub(super) struct Open {
    pub(super) dialogue: Arc<tokio::sync::Mutex<Session>>,
    pub(super) log: Arc<Log>,
    pub(super) cancel: Mutex<Arc<AtomicBool>>,
    touched: Mutex<Instant>,
}

impl Open {
    /// Stops what is running.
    pub(super) fn stop(&self) {
        lock(&self.cancel).store(true, Ordering::Relaxed);
    }

    fn end(&self) {
        self.stop();
        self.log.close();
    }

    /// A fresh switch for what starts now.
    pub(super) fn arm(&self) -> Arc<AtomicBool> {
        let switch = Arc::new(AtomicBool::new(false));
        *lock(&self.cancel) = switch.clone();
        switch
    }
}

pub(super) struct Sessions {
    open: Mutex<HashMap<String, Arc<Open>>>,
    names: super::access::Names,
    pub(super) limits: Limits,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sessions {
    pub(super) fn new(limits: Limits) -> Self {
        Self { open: Mutex::default(), names: super::access::Names::new(), limits }
    }

    /// A new session's name; none if there are too many.
    pub(super) fn begin(&self) -> Option<String> {
        self.sweep();
        let mut open = lock(&self.open);
        if open.len() >= self.limits.sessions {
            return None;
        }
        let id = self.names.next();
        let session = Open {
            dialogue: Arc::new(tokio::sync::Mutex::new(Session::new(id.clone()))),
            log: Arc::new(Log::new(self.limits.events)),
            cancel: Mutex::default(),
            touched: Mutex::new(Instant::now()),
        };
        open.insert(id.clone(), Arc::new(session));
        Some(id)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Open>> {
        let found = lock(&self.open).get(id).cloned()?;
        *lock(&found.touched) = Instant::now();
        Some(found)
    }

    pub(super) fn end(&self, id: &str) -> bool {
        let found = lock(&self.open).remove(id);
        if let Some(session) = &found {
            session.end();
        }
        found.is_some()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.open).len()
    }

    /// Ends what was idle for too long.
    pub(super) fn sweep(&self) {
        let idle = self.limits.idle;
        lock(&self.open).retain(|_, session| {
            let keeps = lock(&session.touched).elapsed() < idle;
            if !keeps {
                session.end();
            }
            keeps
        });
    }
}
