//! Recommenders without a plan: they look at what a user would pay for the next item, not at what comes after.
//!
//! They act on states like policies do, but learn at most while they act. To be run by
//! [`play`](crate::evaluate::play):
//!
//! ```
//! use std::sync::Arc;
//!
//! use rl_env::baseline::{Choice, StaticRecommender};
//! use rl_env::{Predicted, RewardMatrix, States};
//!
//! let mean = RewardMatrix::new(1, 3, vec![0.2, 0.9, 0.4])?;
//! let mut greedy = StaticRecommender::new(Arc::new(Predicted::new(mean, None)?), Choice::Greedy)?;
//! let (mut states, mut items) = (States::new(1), Vec::new());
//! states.push(0, &[3], &[0.0]);
//! greedy.act(&states, None, &mut rec_core::random::stream(1, "baseline", 0), &mut items)?;
//! assert_eq!(items, [1]);
//! # Ok::<(), rl_env::Error>(())
//! ```

mod lin_ucb;
mod static_recommender;

pub use lin_ucb::{LinUcb, LinUcbConfig};
pub use static_recommender::{Choice, StaticRecommender};
