//! Layers: each wraps a [`ChatModel`](crate::ChatModel) and is one.
//!
//! From the outside in, an order that makes sense is
//! `Cache(FitContext(Retry(Budget(RateLimit(endpoint)))))`: what the cache holds costs nothing, every repetition is paid for and
//! waits for its turn.

#[cfg(feature = "layers")]
pub mod budget;
#[cfg(feature = "cache")]
pub mod cache;
pub mod context;
#[cfg(feature = "layers")]
pub mod rate;
#[cfg(feature = "layers")]
pub mod retry;
pub mod route;

#[cfg(feature = "layers")]
pub use budget::{Budget, BudgetConfig, Caps, Price, Spent};
#[cfg(feature = "cache")]
pub use cache::{Cache, CacheConfig, CacheStats};
pub use context::{FitContext, fit};
#[cfg(feature = "layers")]
pub use rate::{RateConfig, RateLimit};
#[cfg(feature = "layers")]
pub use retry::{Retry, RetryConfig};
pub use route::Mixed;
