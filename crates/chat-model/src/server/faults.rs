//! What goes wrong at an endpoint, on order.

use std::time::Duration;

use rand::RngExt;

/// What happens to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Status 429.
    RateLimited {
        /// The header `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Another status, such as 500.
    Status(u16),
    /// The connection breaks.
    Cut {
        /// After so many bytes of the body.
        after: usize,
    },
    /// The body comes in small pieces.
    Slow {
        /// Bytes of a piece.
        bytes: usize,
        /// The time before each.
        pause: Duration,
    },
    /// Status 200 and a body that is neither JSON nor a stream of it.
    Garbage,
}

/// Which requests meet which fault: first those of the script, in the order in which requests come, then by chance.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Before every answer.
    pub latency: Duration,
    /// The fault of the first request, the second, …; none lets it through.
    pub script: Vec<Option<Fault>>,
    /// Faults of the requests after those, each with its share of all of them.
    pub shares: Vec<(Fault, f64)>,
    /// Decides which of them meets whom.
    pub seed: u64,
}

impl Faults {
    /// The fault that the request number `number` (from 0) meets.
    pub fn of(&self, number: u64) -> Option<Fault> {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(scripted) = self.script.get(place) {
            return scripted.clone();
        }
        let mut drawn: f64 = rec_core::random::stream(self.seed, "fault", number).random();
        for (fault, share) in &self.shares {
            if drawn < *share {
                return Some(fault.clone());
            }
            drawn -= share;
        }
        None
    }
}
