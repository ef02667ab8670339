//! The settings of EasyRL4Rec's published runs, as its logs record them (`2-model-freeRL`, table 2).
//!
//! Common to all: the Average tracker over the last 3 pairs, a trunk of 64 and 64, discount 0.9, minibatches of 1024,
//! one pass after every round of 100 episodes, 100 epochs of 100,000 steps (Intrinsic: 50,000 on MovieLens, 30,000 on
//! KuaiRec). DORL and Intrinsic are A2C on another reward, whose own settings the functions here do not hold: DORL's
//! `lambda_entropy` is 3 over items on Coat and 5 over features on MovieLens and KuaiRec; Intrinsic's
//! `lambda_diversity` and `lambda_novelty` are 0.1 and 0.05 on Coat, 0.2 and 0.2 on MovieLens, 0.005 and 0.001 on
//! KuaiRec.

use super::{A2cConfig, ActionSpace, PgConfig, PpoConfig, VectorActions};
use crate::network::Start;

/// The environments of the published runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// Coat.
    Coat,
    /// MovieLens-1M.
    MovieLens,
    /// KuaiRec.
    KuaiRec,
}

/// PG.
pub fn pg(_: Published) -> PgConfig {
    PgConfig::default()
}

/// A2C; also what DORL and Intrinsic ran with.
pub fn a2c(on: Published) -> A2cConfig {
    match on {
        Published::Coat => A2cConfig { learning_rate: 5e-3, entropy_weight: 0.01, ..A2cConfig::default() },
        Published::MovieLens | Published::KuaiRec => A2cConfig::default(),
    }
}

/// PPO.
pub fn ppo(on: Published) -> PpoConfig {
    let default = PpoConfig::default();
    match on {
        Published::Coat => PpoConfig { learning_rate: 0.011, clip: 0.3, value_weight: 0.25, ..default },
        Published::MovieLens => default,
        Published::KuaiRec => PpoConfig { value_weight: 0.25, max_grad_norm: Some(0.2), ..default },
    }
}

/// PG(C): bounded vectors, an orthogonal trunk under a uniform head.
pub fn continuous_pg(on: Published) -> PgConfig {
    let bounded = VectorActions { bounded: true, ..VectorActions::default() };
    let default = PgConfig {
        actions: ActionSpace::Vectors(bounded),
        head_start: Start::Uniform,
        ..PgConfig::default()
    };
    match on {
        Published::Coat | Published::MovieLens => default,
        Published::KuaiRec => PgConfig {
            actions: ActionSpace::Vectors(VectorActions { remap_eps: 0.002, ..bounded }),
            learning_rate: 2e-3,
            ..default
        },
    }
}

/// A2C(C).
pub fn continuous_a2c(on: Published) -> A2cConfig {
    let default =
        A2cConfig { actions: ActionSpace::Vectors(VectorActions::default()), ..A2cConfig::default() };
    match on {
        Published::Coat | Published::MovieLens => default,
        Published::KuaiRec => A2cConfig { max_grad_norm: Some(0.5), ..default },
    }
}

/// PPO(C): clipped values and orthogonal layers.
pub fn continuous_ppo(_: Published) -> PpoConfig {
    PpoConfig {
        actions: ActionSpace::Vectors(VectorActions::default()),
        start: Start::Orthogonal,
        value_weight: 0.25,
        value_clip: true,
        ..PpoConfig::default()
    }
}
