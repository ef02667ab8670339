//! The settings of EasyRL4Rec's published runs, as its logs record them (`1-batchRL`, table 1; `2-model-freeRL`, table 2).
//!
//! Common to the policies that learn from episodes: the Average tracker over the last 3 pairs, a trunk of 64 and 64,
//! discount 0.9, minibatches of 1024, one pass after every round of 100 episodes, 100 epochs of 100,000 steps (Intrinsic: 50,000 on MovieLens, 30,000 on
//! KuaiRec). DORL and Intrinsic are A2C on another reward, whose own settings the functions here do not hold: DORL's
//! `lambda_entropy` is 3 over items on Coat and 5 over features on MovieLens and KuaiRec; Intrinsic's
//! `lambda_diversity` and `lambda_novelty` are 0.1 and 0.05 on Coat, 0.2 and 0.2 on MovieLens, 0.005 and 0.001 on
//! KuaiRec.
//!
//! Common to the others: the same tracker and trunk, discount 0.9 (DDPG and TD3 0.99), targets over 3 steps, minibatches
//! of 64. Those that collect keep 100,000 transitions and make 12 updates after every 100 steps, for 100 epochs of 10,000
//! steps (on MovieLens DQN 3,000, C51 1,000); those that learn from a log make 1,000 updates in each of 100 epochs.
//! QR-DQN was not published. CRR's published rows are those of a random policy, since its actor's probabilities were
//! taken for logits; so were both outputs of BCQ ([`Compat::softmaxed_logits`](crate::Compat)).

use super::{
    A2cConfig, ActionSpace, BcqConfig, C51Config, CqlConfig, CrrConfig, DdpgConfig, DqnConfig, PgConfig,
    PpoConfig, SqnConfig, SqnHead, Td3Config, VectorActions,
};
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

/// DQN.
pub fn dqn(on: Published) -> DqnConfig {
    match on {
        Published::Coat | Published::MovieLens => DqnConfig::default(),
        Published::KuaiRec => DqnConfig { target_every: 80, epsilon: 0.001, ..DqnConfig::default() },
    }
}

/// C51.
pub fn c51(on: Published) -> C51Config {
    match on {
        Published::Coat | Published::MovieLens => C51Config::default(),
        Published::KuaiRec => C51Config { least: 0.0, most: 1.0, epsilon: 0.005, ..C51Config::default() },
    }
}

/// BCQ.
pub fn bcq(on: Published) -> BcqConfig {
    let (threshold, epsilon) = match on {
        Published::Coat => (0.5, 0.01),
        Published::MovieLens => (0.6, 0.3),
        Published::KuaiRec => (0.2, 0.4),
    };
    BcqConfig { threshold, epsilon, ..BcqConfig::default() }
}

/// CQL.
pub fn cql(on: Published) -> CqlConfig {
    let (conservative_weight, epsilon) = match on {
        Published::Coat => (10.0, 0.01),
        Published::MovieLens => (10.0, 0.3),
        Published::KuaiRec => (0.3, 0.4),
    };
    CqlConfig { conservative_weight, epsilon, ..CqlConfig::default() }
}

/// CRR.
pub fn crr(on: Published) -> CrrConfig {
    let epsilon = if on == Published::MovieLens { 0.3 } else { 0.01 };
    CrrConfig { epsilon, ..CrrConfig::default() }
}

/// SQN.
pub fn sqn(on: Published) -> SqnConfig {
    let default = SqnConfig::default();
    match on {
        Published::Coat => default,
        Published::MovieLens => SqnConfig { head: SqnHead::Q, updates: 10_000, ..default },
        Published::KuaiRec => SqnConfig { epsilon: 0.4, ..default },
    }
}

/// DDPG.
pub fn ddpg(on: Published) -> DdpgConfig {
    let (sigma, remap_eps) = match on {
        Published::Coat => (1.5, 0.001),
        Published::MovieLens => (0.3, 0.5),
        Published::KuaiRec => (1.2, 0.001),
    };
    DdpgConfig { sigma, remap_eps, ..DdpgConfig::default() }
}

/// TD3.
pub fn td3(on: Published) -> Td3Config {
    let (sigma, remap_eps, policy_noise) = match on {
        Published::Coat => (1.3, 0.001, 0.25),
        Published::MovieLens => (0.9, 0.9, 0.2),
        Published::KuaiRec => (1.5, 0.001, 0.2),
    };
    Td3Config { sigma, remap_eps, policy_noise, ..Td3Config::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_settings_are_in_range() {
        for on in [Published::Coat, Published::MovieLens, Published::KuaiRec] {
            pg(on).validate().unwrap();
            continuous_pg(on).validate().unwrap();
            a2c(on).validate().unwrap();
            continuous_a2c(on).validate().unwrap();
            ppo(on).validate().unwrap();
            dqn(on).validate().unwrap();
            c51(on).validate().unwrap();
            bcq(on).validate().unwrap();
            cql(on).validate().unwrap();
            crr(on).validate().unwrap();
            sqn(on).validate().unwrap();
            ddpg(on).validate().unwrap();
            td3(on).validate().unwrap();
        }
    }

    #[test]
    fn settings_out_of_range_name_their_key() {
        use super::super::{Prioritized, QrDqnConfig};
        let drawn = |alpha, beta| Some(Prioritized { alpha, beta });
        for (refused, message) in [
            (PgConfig { gamma: 1.5, ..PgConfig::default() }.validate(), "gamma: is 1.5; accepts 0 to 1"),
            (
                PgConfig { learning_rate: f64::NAN, ..PgConfig::default() }.validate(),
                "learning_rate: is NaN; accepts finite numbers above 0",
            ),
            (
                A2cConfig { max_grad_norm: Some(-0.5), ..A2cConfig::default() }.validate(),
                "max_grad_norm: is -0.5; accepts numbers above 0, or none",
            ),
            (A2cConfig { gae_lambda: -0.1, ..A2cConfig::default() }.validate(), "gae_lambda: is -0.1;"),
            (PpoConfig { value_weight: -1.0, ..PpoConfig::default() }.validate(), "value_weight: is -1;"),
            (PpoConfig { clip: f32::NAN, ..PpoConfig::default() }.validate(), "clip: is NaN;"),
            (
                DqnConfig { learning_rate: -1e-3, ..DqnConfig::default() }.validate(),
                "learning_rate: is -0.001;",
            ),
            (
                DqnConfig { prioritized: drawn(-0.6, 0.4), ..DqnConfig::default() }.validate(),
                "prioritized.alpha: is -0.6; accepts finite numbers from 0",
            ),
            (
                QrDqnConfig { prioritized: drawn(0.6, 1.4), ..QrDqnConfig::default() }.validate(),
                "prioritized.beta: is 1.4; accepts 0 to 1",
            ),
            (
                Td3Config { actor_learning_rate: 0.0, ..Td3Config::default() }.validate(),
                "actor_learning_rate: is 0;",
            ),
        ] {
            let error = refused.unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
