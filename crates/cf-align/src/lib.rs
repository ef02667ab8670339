//! Collaborative filtering by alignment and uniformity, and the baselines it is measured against.
//!
//! DirectAU (Wang et al., KDD 2022) learns one embedding for each user and item by two terms on the unit sphere:
//! *alignment* pulls the two ends of an interaction together, *uniformity* spreads users and items apart.
//!
//! ```text
//! loss = mean |x_u - y_i|^2  +  gamma * (uniform(X) + uniform(Y)) / 2
//! uniform(Z) = log mean_{p<q} exp(-2 |z_p - z_q|^2)
//! ```
#![warn(missing_docs)]

pub mod analysis;
#[cfg(feature = "ann")]
pub mod ann;
pub mod batches;
mod checkpoint;
pub mod config;
pub mod ease;
pub mod embeddings;
pub mod error;
pub mod export;
pub mod fused;
mod history;
pub mod ials;
pub mod init;
mod inverse;
pub mod item_knn;
mod normal_equations;
pub mod popularity;
pub mod serving;
pub mod sparse;
pub mod store;
pub mod train;
mod vector;

#[cfg(feature = "burn")]
pub mod autodiff;

pub use config::{Encoder, Engine, Init, Loss, ModelConfig, Optimizer, Scoring, Training};
pub use ease::{Ease, EaseConfig, EaseWeights};
pub use embeddings::Embeddings;
pub use error::{Error, Result};
pub use ials::{Ials, IalsConfig, Solver};
pub use item_knn::{ItemKnn, ItemKnnConfig};
pub use popularity::{Popularity, Random};
pub use serving::Hit;
pub use store::{Model, Saved};
pub use train::{Fitted, Session, fit};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
