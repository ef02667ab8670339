//! Asking again when it may help.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::{Error, Phase, Result};
use crate::model::{Capabilities, ChatModel, ChatStream, SharedModel};
use crate::reply::ChatReply;
use crate::request::ChatRequest;

/// How often and how patiently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// The most attempts, the first included.
    pub attempts: u32,
    /// The longest wait before the second attempt, in seconds; it doubles with each. The wait itself is drawn evenly
    /// between zero and that ("full jitter"), so that many clients do not come back at once.
    pub base_seconds: f64,
    /// No wait is longer, in seconds, unless the endpoint asks for it.
    pub cap_seconds: f64,
    /// From the call to the reply, repetitions and waits included, in seconds.
    pub total_seconds: f64,
    /// Whether to ask again when an answer cannot be read: a proxy's error page, half a body.
    pub unreadable: bool,
    /// Waits are drawn from it.
    pub seed: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        let (base_seconds, cap_seconds, total_seconds) = (0.5, 30.0, 600.0);
        Self { attempts: 5, base_seconds, cap_seconds, total_seconds, unreadable: false, seed: 0 }
    }
}

impl RetryConfig {
    /// The wait after the attempt number `attempt` (from 1), drawn as number `number` of all waits.
    fn jittered(&self, attempt: u32, number: u64) -> Duration {
        let most = self.base_seconds * f64::from(attempt - 1).exp2();
        let jitter = rec_core::random::stream(self.seed, "retry", number).random::<f64>();
        seconds(most.min(self.cap_seconds) * jitter)
    }
}

/// Repeats requests that failed for reasons that pass ([`Error::is_retryable`]), and bounds the time of all attempts together.
///
/// A stream is repeated only while it has given nothing: nobody gets the start of a reply twice.
pub struct Retry {
    inner: SharedModel,
    config: RetryConfig,
    /// Numbers the waits.
    drawn: AtomicU64,
}

impl std::fmt::Debug for Retry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner.capabilities().model)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Retry {
    /// Wraps `inner`.
    pub fn new(inner: SharedModel, config: RetryConfig) -> Self {
        Self { inner, config, drawn: AtomicU64::new(0) }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + seconds(self.config.total_seconds)
    }

    /// How long to wait after the attempt number `attempt` (from 1), or the error where there is no other.
    fn wait(&self, attempt: u32, error: Error, deadline: Instant) -> Result<Duration> {
        let again = error.is_retryable() || (self.config.unreadable && matches!(error, Error::Decode { .. }));
        if !again || attempt >= self.config.attempts {
            return Err(error);
        }
        let jittered = self.config.jittered(attempt, self.drawn.fetch_add(1, Ordering::Relaxed));
        // Everybody is told the same time to come back; the jitter spreads them.
        let wait =
            error.retry_after().map_or(jittered, |asked| asked.saturating_add(jittered.min(asked / 4)));
        // Nobody waits for what comes too late.
        let left = deadline.saturating_duration_since(Instant::now());
        if wait >= left { Err(error) } else { Ok(wait) }
    }
}

/// A duration that a configuration gives; negative ones and those beyond a century are cut.
fn seconds(value: f64) -> Duration {
    // More added to now would leave the clock.
    const MOST: Duration = Duration::from_secs(1 << 32);
    Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(MOST).min(MOST)
}

impl ChatModel for Retry {
    fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, Result<ChatReply>> {
        Box::pin(async move {
            let deadline = self.deadline();
            let mut attempt = 1;
            loop {
                let reply = tokio::time::timeout_at(deadline, self.inner.complete(request)).await;
                let error = match reply.unwrap_or(Err(Error::Timeout(Phase::Total))) {
                    Ok(reply) => return Ok(reply),
                    Err(error) => error,
                };
                tokio::time::sleep(self.wait(attempt, error, deadline)?).await;
                attempt += 1;
            }
        })
    }

    fn stream<'a>(&'a self, request: &'a ChatRequest) -> ChatStream<'a> {
        struct State<'a> {
            stream: ChatStream<'a>,
            attempt: u32,
            /// Something was given to the caller.
            begun: bool,
            over: bool,
        }
        let deadline = self.deadline();
        let state = State { stream: self.inner.stream(request), attempt: 1, begun: false, over: false };
        let next = move |mut state: State<'a>| async move {
            loop {
                if state.over {
                    return None;
                }
                let next = tokio::time::timeout_at(deadline, state.stream.next()).await;
                let error = match next.unwrap_or(Some(Err(Error::Timeout(Phase::Total)))) {
                    Some(Ok(event)) => {
                        // The bare start of a reply is nothing that could not be said again.
                        state.begun |= !matches!(event, crate::ChatEvent::Start { .. });
                        return Some((Ok(event), state));
                    }
                    None => return None,
                    Some(Err(error)) => error,
                };
                let wait = if state.begun { Err(error) } else { self.wait(state.attempt, error, deadline) };
                match wait {
                    Ok(wait) => {
                        tokio::time::sleep(wait).await;
                        state.attempt += 1;
                        state.stream = self.inner.stream(request);
                    }
                    Err(error) => {
                        state.over = true;
                        return Some((Err(error), state));
                    }
                }
            }
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
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_are_drawn_evenly_by_the_seed() {
        let config = RetryConfig { base_seconds: 1.0, cap_seconds: 5.0, seed: 3, ..RetryConfig::default() };
        for (attempt, most) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (40, 5.0)] {
            let waits: Vec<f64> =
                (0..2000).map(|number| config.jittered(attempt, number).as_secs_f64()).collect();
            assert!(waits.iter().all(|wait| (0.0..most).contains(wait)));
            let mean = waits.iter().sum::<f64>() / 2000.0;
            // Six standard errors of an even distribution.
            assert!((mean - most / 2.0).abs() < 6.0 * most / (12.0_f64 * 2000.0).sqrt(), "{attempt}: {mean}");
        }
        assert_eq!(config.jittered(3, 7), config.clone().jittered(3, 7));
        assert_ne!(config.jittered(3, 7), RetryConfig { seed: 4, ..config }.jittered(3, 7));
        for long in [1e10, 1e19, 1e300, f64::INFINITY] {
            assert_eq!(seconds(long), Duration::from_secs(1 << 32));
        }
    }
}
