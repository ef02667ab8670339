//! The burn engine: the same models as burn modules and losses as functions on burn tensors, with gradients by
//! autodiff, on any device.
//!
//! The fused engine is faster on a CPU; this one runs on a GPU, is the reference the fused gradients are held
//! against, and is the place to try another loss or encoder: [`alignment`], [`uniformity`] and the rest take plain
//! `[rows, dim]` tensors and know nothing of tables, graphs or batches.
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::Tensor;
//! use cf_align::autodiff;
//!
//! let device = autodiff::device("flex").unwrap().autodiff();
//! let users = Tensor::<2>::from_floats([[3.0, 4.0], [1.0, 0.0]], &device).require_grad();
//! let items = Tensor::<2>::from_floats([[0.6, 0.8], [0.0, 2.0]], &device);
//! let objective = autodiff::directau(users.clone(), items, 1.0);
//! let gradients = objective.loss.backward();
//! assert_eq!(users.grad(&gradients).unwrap().dims(), [2, 2]);
//! # }
//! ```
//!
//! No call is made to a global default device: a [`Device`](burn::tensor::Device) is named by a string at run time
//! ([`device()`]) and passed on, whatever backends other crates of the build have switched on.

mod adam;
mod alignment;
mod bpr;
mod device;
mod directau;
mod engine;
mod graphau;
mod lightgcn;
mod mawu;
mod mf;
mod model;
mod uniformity;

pub use adam::{Adam, Moments};
pub use alignment::{alignment, normalize};
pub use bpr::{bpr, embedding_penalty};
pub use device::{available, device};
pub use directau::{Objective, directau, directau_weighted};
pub use engine::AutodiffEngine;
pub use graphau::graphau;
pub use lightgcn::{Graph, LightGcn, LightGcnConfig};
pub use mawu::{Margins, margin_alignment, mawu};
pub use mf::{MatrixFactorization, MatrixFactorizationConfig};
pub use model::{BatchGradients, Encoder, Model, Parameters, gradients};
pub use uniformity::{uniformity, weighted_uniformity};
