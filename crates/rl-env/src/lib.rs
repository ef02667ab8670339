//! Reinforcement learning for recommenders, whole: environments from public logs, policies, honest evaluation.
//!
//! A user is a row of a dense matrix of rewards. An episode draws a user; at each turn the policy recommends one item,
//! the user pays its reward and leaves when the latest items resemble each other too much (a [`QuitRule`]) or after 30
//! turns. Policies never see the true matrix: they learn on a *simulated* reward (a user model fitted to the log) or
//! straight from the log, and are judged on the true one (EasyRL4Rec, Yu et al., 2024).
#![warn(missing_docs)]

pub mod baseline;
pub mod bits;
pub mod compat;
pub mod datasets;
pub mod distance;
pub mod env;
pub mod error;
pub mod evaluate;
pub mod factorize;
pub mod features;
pub mod logs;
pub mod matrix;
pub mod metrics;
pub mod off_policy;
pub mod quit;
pub mod replay;
pub mod returns;
pub mod reward;
pub mod sample;
pub mod simulate;
pub mod softmax;
pub mod states;
pub mod synthetic;
pub mod vec_env;
pub mod world;

#[cfg(feature = "burn")]
mod checkpoint;
#[cfg(feature = "burn")]
pub mod collect;
#[cfg(feature = "burn")]
pub mod network;
#[cfg(feature = "burn")]
pub mod optimizer;
#[cfg(feature = "burn")]
pub mod policy;
#[cfg(feature = "burn")]
mod recommend;
#[cfg(feature = "burn")]
pub mod tracker;
#[cfg(feature = "burn")]
pub mod train;
#[cfg(feature = "burn")]
pub mod user_model;

pub use compat::Compat;
pub use datasets::Source;
pub use distance::ItemDistances;
pub use env::Env;
pub use error::{Error, Result};
pub use factorize::Factorization;
pub use features::{Column, DenseColumn, Features, LogColumns, TagSlots};
pub use matrix::RewardMatrix;
pub use metrics::{EpisodeMetrics, ItemTables, Likeness};
pub use quit::{Quit, QuitRule, WindowMode};
#[cfg(feature = "burn")]
pub use recommend::PolicyRecommender;
pub use reward::Reward;
pub use simulate::{
    Base, Cirs, CirsConfig, CirsForm, Dorl, DorlConfig, EntropyLevel, EntropyTable, Intrinsic,
    IntrinsicConfig, Mopo, MopoConfig, Predicted, Sensitivity,
};
pub use states::{RewardScale, States};
pub use vec_env::{Autoreset, Mode, StepBatch, VecEnv, VecEnvConfig, VecEnvState};
pub use world::World;

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
