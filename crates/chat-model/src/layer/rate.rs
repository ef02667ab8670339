//! Not faster than the endpoint allows.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::{Capabilities, ChatModel, ChatStream, SharedModel};
use crate::reply::{ChatEvent, ChatReply, Usage};
use crate::request::{ChatRequest, estimate_tokens};

/// What an endpoint allows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a minute.
    pub requests_per_minute: Option<f64>,
    /// Tokens a minute, of requests and replies together.
    pub tokens_per_minute: Option<f64>,
    /// Requests at once. Halved after a 429, raised again by one after as many successes as it is.
    pub concurrency: usize,
    /// Tokens of a reply to reckon with where a request has no limit of its own.
    pub assumed_reply_tokens: u32,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { requests_per_minute: None, tokens_per_minute: None, concurrency: 8, assumed_reply_tokens: 512 }
    }
}

/// Lets requests through at the configured rates, in the order in which they came.
///
/// Tokens are estimated before a request and settled by the usage that comes back.
pub struct RateLimit {
    inner: SharedModel,
    config: RateConfig,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    gate: Gate,
}

impl std::fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimit")
            .field("inner", &self.inner.capabilities().model)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl RateLimit {
    /// Wraps `inner`.
    ///
    /// # Errors
    /// [`Error::Config`] for rates and concurrencies that let nothing through.
    pub fn new(inner: SharedModel, config: RateConfig) -> Result<Self> {
        if config.concurrency == 0 {
            return Err(Error::config("concurrency", "0 lets nothing through; 1 is the least"));
        }
        let bucket = |key: &str, rate: Option<f64>| match rate {
            Some(rate) if !(rate > 0.0 && rate.is_finite()) => {
                Err(Error::config(key, format!("{rate} lets nothing through; a positive number is needed")))
            }
            rate => Ok(rate.map(Bucket::new)),
        };
        Ok(Self {
            inner,
            requests: bucket("requests_per_minute", config.requests_per_minute)?,
            tokens: bucket("tokens_per_minute", config.tokens_per_minute)?,
            gate: Gate::new(config.concurrency),
            config,
        })
    }

    /// How many requests may run at once now.
    pub fn concurrency(&self) -> usize {
        self.gate.state.lock().expect("no panic under the lock").limit
    }

    async fn enter(&self, request: &ChatRequest) -> Pass<'_> {
        let reply = request.sampling.max_tokens.unwrap_or(self.config.assumed_reply_tokens);
        let estimate = request.count_tokens(&estimate_tokens) as f64 + f64::from(reply);
        let place = self.gate.enter().await;
        if let Some(requests) = &self.requests {
            requests.take(1.0).await;
        }
        if let Some(tokens) = &self.tokens {
            tokens.take(estimate).await;
        }
        Pass { limit: self, estimate, usage: None, _place: place }
    }
}

/// A request's leave to run.
struct Pass<'l> {
    limit: &'l RateLimit,
    estimate: f64,
    usage: Option<Usage>,
    _place: Place<'l>,
}

impl Pass<'_> {
    fn settle(self, outcome: Result<(), &Error>) {
        if let (Some(tokens), Some(usage)) = (&self.limit.tokens, self.usage) {
            tokens.give_back(self.estimate - usage.total() as f64);
        }
        match outcome {
            Ok(()) => self.limit.gate.succeeded(),
            Err(Error::RateLimited { .. }) => self.limit.gate.refused(),
            Err(_) => {}
        }
    }
}

impl ChatModel for RateLimit {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            let mut pass = self.enter(request).await;
            let reply = self.inner.complete(request).await;
            if let Ok(reply) = &reply {
                pass.usage = reply.usage;
            }
            pass.settle(reply.as_ref().map(drop));
            reply
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        let entered = async move {
            let pass = self.enter(request).await;
            futures_util::stream::unfold(
                (Some(pass), self.inner.stream(request)),
                |(mut pass, mut stream)| async {
                    let event = stream.next().await;
                    match (&event, &mut pass) {
                        (Some(Ok(ChatEvent::Usage(usage))), Some(pass)) => pass.usage = Some(*usage),
                        (Some(Err(error)), pass) => drop(pass.take().map(|pass| pass.settle(Err(error)))),
                        (None, pass) => drop(pass.take().map(|pass| pass.settle(Ok(())))),
                        _ => {}
                    }
                    event.map(|event| (event, (pass, stream)))
                },
            )
        };
        futures_util::stream::once(entered).flatten().boxed()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }
}

/// A bucket that fills evenly and holds a minute's worth.
struct Bucket {
    per_second: f64,
    capacity: f64,
    /// Locked while somebody waits: who came first goes first.
    level: tokio::sync::Mutex<Level>,
    /// What came back since.
    returned: Mutex<f64>,
}

struct Level {
    content: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_minute: f64) -> Self {
        let level = Level { content: per_minute, at: Instant::now() };
        Self {
            per_second: per_minute / 60.0,
            capacity: per_minute,
            level: tokio::sync::Mutex::new(level),
            returned: Mutex::new(0.0),
        }
    }

    async fn take(&self, amount: f64) {
        // More than the bucket holds would never be there.
        let amount = amount.min(self.capacity);
        let mut level = self.level.lock().await;
        loop {
            let now = Instant::now();
            let filled = (now - level.at).as_secs_f64() * self.per_second;
            let returned = std::mem::take(&mut *self.returned.lock().expect("no panic under the lock"));
            level.content = (level.content + filled + returned).min(self.capacity);
            level.at = now;
            // A billionth short is rounding, not debt.
            if level.content + 1e-9 * self.capacity >= amount {
                level.content -= amount;
                return;
            }
            let missing = (amount - level.content) / self.per_second;
            // What comes back meanwhile is seen at the next look.
            tokio::time::sleep(Duration::from_secs_f64(missing.clamp(0.001, 1.0))).await;
        }
    }

    /// Settles an estimate that was `amount` too high (or, negative, too low).
    fn give_back(&self, amount: f64) {
        *self.returned.lock().expect("no panic under the lock") += amount;
    }
}

/// A semaphore whose size changes.
struct Gate {
    most: usize,
    /// The free places. Who waits the longest gets the next one, before all who come later.
    free: Semaphore,
    state: Mutex<GateState>,
}

struct GateState {
    limit: usize,
    /// Free and taken places: more than the limit after it was halved, until enough of those who run have left.
    places: usize,
    /// Successes since the limit last changed.
    successes: usize,
    /// Requests that started before this were sent at the old pace: their refusals are no news.
    halved_at: Option<Instant>,
}

/// One who runs.
struct Place<'g>(&'g Gate);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().expect("no panic under the lock");
        if state.places > state.limit {
            state.places -= 1;
        } else {
            self.0.free.add_permits(1);
        }
    }
}

/// Refusals within this time after a halving belong to the same crowd.
const SAME_CROWD: Duration = Duration::from_secs(1);

impl Gate {
    fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        let state = GateState { limit: most, places: most, successes: 0, halved_at: None };
        Self { most, free: Semaphore::new(most), state: Mutex::new(state) }
    }

    async fn enter(&self) -> Place<'_> {
        let free = self.free.acquire().await.expect("it is never closed");
        // It comes back when the place is left, if there is still one then.
        free.forget();
        Place(self)
    }

    fn succeeded(&self) {
        let mut state = self.state.lock().expect("no panic under the lock");
        state.successes += 1;
        if state.limit < self.most && state.successes >= state.limit {
            state.limit += 1;
            state.successes = 0;
            if state.places < state.limit {
                state.places += 1;
                self.free.add_permits(1);
            }
        }
    }

    fn refused(&self) {
        let mut state = self.state.lock().expect("no panic under the lock");
        let now = Instant::now();
        if state.halved_at.is_none_or(|at| now - at >= SAME_CROWD) {
            state.limit = (state.limit / 2).max(1);
            state.places -= self.free.forget_permits(state.places.saturating_sub(state.limit));
            state.successes = 0;
            state.halved_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn nobody_overtakes_who_waits() {
        let gate = Gate::new(1);
        let first = gate.enter().await;
        let mut waiting = Box::pin(gate.enter());
        assert!((&mut waiting).now_or_never().is_none());
        drop(first);
        // The place is free, but its taker has not run yet.
        let mut newcomer = Box::pin(gate.enter());
        assert!((&mut newcomer).now_or_never().is_none());
        let second = (&mut waiting).now_or_never().unwrap();
        assert!((&mut newcomer).now_or_never().is_none());
        drop(second);
        // Who goes away while it waits leaves its turn to the next.
        let given_up = Box::pin(gate.enter());
        drop((newcomer, given_up));
        assert!(gate.enter().now_or_never().is_some());
    }

    #[tokio::test]
    async fn places_go_as_those_who_run_leave() {
        let gate = Gate::new(4);
        let mut running = Vec::new();
        for _ in 0..3 {
            running.push(gate.enter().await);
        }
        gate.refused();
        // Three run, two may.
        assert!(gate.enter().now_or_never().is_none());
        running.pop();
        assert!(gate.enter().now_or_never().is_none());
        running.pop();
        running.push(gate.enter().now_or_never().unwrap());
        assert!(gate.enter().now_or_never().is_none());
        // Two successes at two make three.
        gate.succeeded();
        assert!(gate.enter().now_or_never().is_none());
        gate.succeeded();
        running.push(gate.enter().now_or_never().unwrap());
        assert!(gate.enter().now_or_never().is_none());
        drop(running);
        let all: Vec<Place<'_>> = std::iter::from_fn(|| gate.enter().now_or_never()).collect();
        assert_eq!(all.len(), 3);
    }
}
