//! User models: what would this user say to that item? Fitted to the log, they stand in for the users while a policy
//! learns.
//!
//! [`Ensemble::fit`] trains five [`DeepFm`]s that differ in their first weights, [`Ensemble::predict_all`] gives the mean of
//! their means and the largest of their variances for every pair, which the simulated rewards of
//! [`simulate`](crate::simulate) are made of, and [`Ensemble::item_representations`] the vectors that state trackers start
//! from (EasyRL4Rec, Yu et al., 2024).
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::Device;
//! use rl_env::user_model::{Ensemble, UserModelConfig, UserModelData};
//! use rl_env::{Features, LogColumns, Reward};
//!
//! let log = LogColumns { users: &[0, 0, 1, 1], items: &[0, 1, 1, 2], targets: &[5.0, 1.0, 4.0, 2.0] };
//! let config = UserModelConfig { members: 2, ..UserModelConfig::default() };
//! let (users, items) = (Features::none(2), Features::none(3));
//! let data = UserModelData { log, users: &users, items: &items, exposure: None };
//! let model = Ensemble::fit(&data, &config, &Default::default(), 1, &Device::flex())?;
//! let predicted = model.predict_all(&[0, 1], &[0, 1, 2])?;
//! assert_eq!((predicted.mean.n_users(), predicted.mean.n_items()), (2, 3));
//! assert_eq!(model.item_representations(&[0, 1, 2])?.dim, 8);
//! # }
//! # Ok::<(), rl_env::Error>(())
//! ```

mod config;
mod deepfm;
mod encoded;
mod ensemble;
mod loss;
mod negatives;
mod store;
mod training;

pub use config::{ErrorWeights, UserModelConfig};
pub use deepfm::{DeepFm, DeepFmConfig, Output};
pub use encoded::Encoded;
pub use ensemble::{Ensemble, RatingErrors, UserModelData};
pub use loss::{Loss, loss};
pub use negatives::Negatives;
