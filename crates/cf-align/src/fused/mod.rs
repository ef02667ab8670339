//! The fused CPU engine: hand-written gradients, kernels that never hold a batch x batch matrix, and Adam that
//! touches memory only where the batch does.
//!
//! A step (`engine`) runs in three parallel phases over tiles of 64 *slots* (distinct ids of the batch):
//! 1. rows are brought up to date by the steps they missed (`adam`) or propagated over the graph (`propagation`),
//!    normalised, and transposed (`slots`);
//! 2. uniformity runs over symmetric tiles (`uniformity`), pairs give their inner products (`losses`);
//! 3. gradients are gathered for each slot, taken back through the normalisation, and applied.
//!
//! The threads stay awake between the phases of an epoch without a graph (`team`).
//!
//! How work is cut depends on the batch alone and sums are added in a fixed order, so that the result does not
//! depend on the number of threads. Nothing is allocated in a step.

pub(crate) mod adam;
mod batch;
mod engine;
pub(crate) mod graph;
mod losses;
mod margins;
mod propagation;
pub(crate) mod rows;
pub(crate) mod side;
pub mod simd;
pub(crate) mod slots;
mod team;
pub(crate) mod uniformity;

pub use engine::{BatchGradients, FusedEngine};
