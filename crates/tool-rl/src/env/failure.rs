//! Failures that are ordered beforehand.
//!
//! Whether a call fails is a function of the episode's seed, the tool, the arguments and how often that very call was made
//! before: never of the order in which episodes are stepped. Two policies under the same seed meet the same failures wherever
//! they make the same calls (common random numbers).

use serde::{Deserialize, Serialize};

use super::{Reply, Status, chance, hash};
use crate::{Error, Result};

/// What fails, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FailureConfig {
    /// The probability that an attempt finds the tool busy; the next attempt is drawn anew.
    pub transient: f64,
    /// The probability that a call never works in this episode.
    pub persistent: f64,
    /// The probability that a call that only reads is answered from the world as it was at the beginning.
    pub stale: f64,
    /// The probability that a reply is lost half way: its text is cut in two.
    pub truncated: f64,
    /// The most calls of one tool in an episode.
    pub rate_limit: Option<u32>,
    /// The most ticks that a call takes; the time is drawn evenly from 1 to this.
    pub latency: u32,
    /// Calls that take longer than so many ticks are given up by the server, without effect.
    pub deadline: Option<u32>,
}

impl Default for FailureConfig {
    /// Nothing fails.
    fn default() -> Self {
        Self {
            transient: 0.0,
            persistent: 0.0,
            stale: 0.0,
            truncated: 0.0,
            rate_limit: None,
            latency: 1,
            deadline: None,
        }
    }
}

impl FailureConfig {
    /// # Errors
    /// [`Error::Config`] for a probability outside `[0, 1]`.
    pub fn validate(&self) -> Result<()> {
        for (key, value) in [
            ("failures.transient", self.transient),
            ("failures.persistent", self.persistent),
            ("failures.stale", self.stale),
            ("failures.truncated", self.truncated),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::config(key, format!("is {value}, not a probability")));
            }
        }
        Ok(())
    }

    /// What stops a call before it reaches its handler, and the ticks that it takes.
    ///
    /// `call` is the call's canonical text, `attempt` how often it was made before, `used` how often the tool was.
    pub fn before(&self, seed: u64, call: &str, attempt: u32, used: u32) -> (Option<Reply>, u32) {
        let latency =
            1 + (hash(seed, &format!("latency {attempt} {call}")) % u64::from(self.latency.max(1))) as u32;
        let failed = |status, what: &str| Some(Reply { latency, ..Reply::failed(status, what) });
        let stopped = if self.rate_limit.is_some_and(|most| used >= most) {
            failed(Status::RateLimit, "too many calls of this tool")
        } else if self.persistent > 0.0 && chance(seed, &format!("persistent {call}")) < self.persistent {
            failed(Status::NotWorking, "the tool does not work for this")
        } else if self.deadline.is_some_and(|deadline| latency > deadline) {
            failed(Status::Timeout, "no answer in time")
        } else if self.transient > 0.0
            && chance(seed, &format!("transient {attempt} {call}")) < self.transient
        {
            failed(Status::TooManyRequests, "busy")
        } else {
            None
        };
        (stopped, latency)
    }

    /// Whether a call that only reads is to be answered from the world as it was at the beginning.
    pub fn is_stale(&self, seed: u64, call: &str) -> bool {
        self.stale > 0.0 && chance(seed, &format!("stale {call}")) < self.stale
    }

    /// Cuts a reply in two, or leaves it.
    pub fn after(&self, seed: u64, call: &str, attempt: u32, reply: Reply) -> Reply {
        if reply.status != Status::Ok
            || self.truncated <= 0.0
            || chance(seed, &format!("truncated {attempt} {call}")) >= self.truncated
        {
            return reply;
        }
        let text = reply.response.to_string();
        let half = text.chars().count() / 2;
        let cut: String = text.chars().take(half).collect();
        Reply { response: format!("{cut}...").into(), ..reply }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four standard errors around the rate.
    fn within(rate: f64, failed: usize, n: usize) -> bool {
        let (failed, n) = (failed as f64, n as f64);
        (failed / n - rate).abs() < 4.0 * (rate * (1.0 - rate) / n).sqrt()
    }

    #[test]
    fn rates_are_what_was_ordered() {
        let config = FailureConfig { transient: 0.12, ..FailureConfig::default() };
        let n = 20_000;
        let stops = |seed: u64, attempt: u32| config.before(seed, "f({})", attempt, 0).0.is_some();
        assert!(within(0.12, (0..n).filter(|&seed| stops(seed as u64, 0)).count(), n));
        // Attempts are drawn apart.
        let both = (0..n).filter(|&seed| stops(seed as u64, 0) && stops(seed as u64, 1)).count();
        assert!(within(0.12 * 0.12, both, n));
        let config = FailureConfig { persistent: 0.3, ..FailureConfig::default() };
        let fails = |seed: u64, attempt| config.before(seed, "f({})", attempt, 0).0.is_some();
        assert!(within(0.3, (0..n).filter(|&seed| fails(seed as u64, 0)).count(), n));
        assert!((0..1000).all(|seed| fails(seed, 0) == fails(seed, 5)));
    }

    #[test]
    fn limits_deadlines_and_cuts() {
        let config =
            FailureConfig { rate_limit: Some(2), latency: 10, deadline: Some(4), ..FailureConfig::default() };
        assert_eq!(config.before(1, "f", 0, 2).0.unwrap().status, Status::RateLimit);
        let late = (0..1000).filter(|&seed| {
            let (stopped, latency) = config.before(seed, "f", 0, 0);
            assert_eq!(stopped.is_some_and(|reply| reply.status == Status::Timeout), latency > 4);
            assert!((1..=10).contains(&latency));
            latency > 4
        });
        assert!(within(0.6, late.count(), 1000));
        let config = FailureConfig { truncated: 1.0, ..FailureConfig::default() };
        let cut = config.after(0, "f", 0, Reply::ok("abcdef"));
        assert_eq!(cut.response, Json::from("\"abc..."));
    }

    use rec_core::Json;
}
