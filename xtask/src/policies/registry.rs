//! The policies by name: how they learn, on which reward, and their settings in each world.

use std::sync::Arc;

use rl_env::baseline::Choice;
use rl_env::datasets::Target;
use rl_env::logs::{LogOrder, logged_episodes};
use rl_env::policy::presets::{self, Published};
use rl_env::policy::{
    A2c, A2cConfig, Bcq, C51, Cql, Crr, Ddpg, Dqn, Pg, PgConfig, Policy, Ppo, PpoConfig, QrDqn, QrDqnConfig,
    Schedule, Sqn, Td3,
};
use rl_env::replay::Replay;
use rl_env::simulate::{
    Base, Cirs, CirsConfig, Dorl, DorlConfig, EntropyLevel, EntropyTable, Intrinsic, IntrinsicConfig, Mopo,
    MopoConfig,
};
use rl_env::tracker::ItemVectors;
use rl_env::train::TrainConfig;
use rl_env::{Compat, ItemTables, Reward, RewardScale, Source, States, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::user_model::{Kind, UserModel};
use super::warm_start;
use super::world::in_order;
use crate::error::{Error, Result};

/// A policy that can be named on the command line.
#[derive(Debug)]
pub struct KnownPolicy {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// How it chooses.
    pub algorithm: Algorithm,
    /// What it learns on.
    reward: RewardKind,
    /// The user model that it needs.
    pub user_model: Option<Kind>,
}

/// How a policy chooses.
#[derive(Clone, Copy, Debug)]
pub enum Algorithm {
    /// It learns.
    Learned {
        /// Its settings in a world.
        defaults: fn(Published) -> Value,
        /// The policy before learning.
        build: fn(Value, &Inputs<'_>) -> Result<Box<dyn Policy>>,
    },
    /// It does not.
    Fixed(Fixed),
}

/// Policies that do not learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fixed {
    /// Any item, all alike.
    Random,
    /// By what the user model expects.
    ByPrediction(Choice),
    /// By upper confidence bounds of a linear model.
    LinUcb,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RewardKind {
    Base,
    Mopo,
    Dorl,
    Cirs,
    Intrinsic,
}

/// What a policy is made from.
pub struct Inputs<'a> {
    /// The item vectors that its tracker starts from.
    pub items: &'a ItemVectors,
    /// Seeds everything random.
    pub seed: u64,
    /// Where it learns.
    pub device: &'a str,
    /// Defects of the reference to repeat.
    pub compat: Compat,
}

impl Inputs<'_> {
    fn a2c(&self, config: Value) -> Result<Box<dyn Policy>> {
        let device = cf_align::autodiff::device(self.device)?;
        Ok(Box::new(A2c::new(&read::<A2cConfig>("policy", config)?, self.items, self.seed, &device)?))
    }

    fn pg(&self, config: Value) -> Result<Box<dyn Policy>> {
        let device = cf_align::autodiff::device(self.device)?;
        Ok(Box::new(Pg::new(&read::<PgConfig>("policy", config)?, self.items, self.seed, &device)?))
    }

    fn ppo(&self, config: Value) -> Result<Box<dyn Policy>> {
        let device = cf_align::autodiff::device(self.device)?;
        Ok(Box::new(Ppo::new(&read::<PpoConfig>("policy", config)?, self.items, self.seed, &device)?))
    }
}

const A2C: Algorithm = Algorithm::Learned {
    defaults: |world| plain(&presets::a2c(world)),
    build: |config, inputs| inputs.a2c(config),
};

/// All policies.
pub const POLICIES: &[KnownPolicy] = &[
    KnownPolicy {
        name: "random",
        about: "any item, all alike",
        algorithm: Algorithm::Fixed(Fixed::Random),
        reward: RewardKind::Base,
        user_model: None,
    },
    fixed("greedy", "the item that the user model expects most of", Choice::Greedy),
    fixed("softmax", "items drawn by a softmax of what the user model expects", Choice::Softmax),
    fixed("epsilon-greedy", "greedy, but any item with probability 0.3", Choice::EpsilonGreedy(0.3)),
    fixed("ucb", "greedy, with a bonus for items recommended rarely (UCB1)", Choice::Ucb),
    KnownPolicy {
        name: "lin-ucb",
        about: "upper confidence bounds of a linear model that has learned from the log",
        algorithm: Algorithm::Fixed(Fixed::LinUcb),
        reward: RewardKind::Base,
        user_model: Some(Kind::Ensemble),
    },
    learned("a2c", "advantage actor-critic", A2C),
    learned(
        "pg",
        "policy gradient (REINFORCE)",
        Algorithm::Learned {
            defaults: |world| plain(&presets::pg(world)),
            build: |config, inputs| inputs.pg(config),
        },
    ),
    learned(
        "ppo",
        "proximal policy optimisation",
        Algorithm::Learned {
            defaults: |world| plain(&presets::ppo(world)),
            build: |config, inputs| inputs.ppo(config),
        },
    ),
    learned(
        "dqn",
        "deep Q-learning, double",
        Algorithm::Learned {
            defaults: |world| plain(&presets::dqn(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                Ok(Box::new(Dqn::new(&read("policy", config)?, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "c51",
        "Q-learning of return distributions over fixed atoms",
        Algorithm::Learned {
            defaults: |world| plain(&presets::c51(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                Ok(Box::new(C51::new(&read("policy", config)?, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "qrdqn",
        "Q-learning of quantiles of the return",
        Algorithm::Learned {
            defaults: |_| plain(&QrDqnConfig::default()),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                let config = read::<QrDqnConfig>("policy", config)?;
                Ok(Box::new(QrDqn::new(&config, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "pg-c",
        "policy gradient over item vectors",
        Algorithm::Learned {
            defaults: |world| plain(&presets::continuous_pg(world)),
            build: |config, inputs| inputs.pg(config),
        },
    ),
    learned(
        "a2c-c",
        "advantage actor-critic over item vectors",
        Algorithm::Learned {
            defaults: |world| plain(&presets::continuous_a2c(world)),
            build: |config, inputs| inputs.a2c(config),
        },
    ),
    learned(
        "ppo-c",
        "proximal policy optimisation over item vectors",
        Algorithm::Learned {
            defaults: |world| plain(&presets::continuous_ppo(world)),
            build: |config, inputs| inputs.ppo(config),
        },
    ),
    learned(
        "ddpg",
        "deterministic policy gradient over item vectors",
        Algorithm::Learned {
            defaults: |world| plain(&presets::ddpg(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                let config = read("policy", config)?;
                Ok(Box::new(Ddpg::new(&config, inputs.compat, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "td3",
        "DDPG with two critics and delayed steps",
        Algorithm::Learned {
            defaults: |world| plain(&presets::td3(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                let config = read("policy", config)?;
                Ok(Box::new(Td3::new(&config, inputs.compat, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "bcq",
        "offline: Q-learning among what the log would do",
        Algorithm::Learned {
            defaults: |world| plain(&presets::bcq(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                let config = read("policy", config)?;
                Ok(Box::new(Bcq::new(&config, inputs.compat, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "cql",
        "offline: Q-learning that distrusts what the log does not show",
        Algorithm::Learned {
            defaults: |world| plain(&presets::cql(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                Ok(Box::new(Cql::new(&read("policy", config)?, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "crr",
        "offline: the log's actions, weighed by a critic",
        Algorithm::Learned {
            defaults: |world| plain(&presets::crr(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                let config = read("policy", config)?;
                Ok(Box::new(Crr::new(&config, inputs.compat, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    learned(
        "sqn",
        "offline: a head that imitates beside one of Q-learning",
        Algorithm::Learned {
            defaults: |world| plain(&presets::sqn(world)),
            build: |config, inputs| {
                let device = cf_align::autodiff::device(inputs.device)?;
                let config = read("policy", config)?;
                Ok(Box::new(Sqn::new(&config, inputs.compat, inputs.items, inputs.seed, &device)?))
            },
        },
    ),
    on_reward("mopo", "A2C, pessimistic where the user model is unsure", RewardKind::Mopo, Kind::Ensemble),
    on_reward("dorl", "A2C with a bonus for open continuations", RewardKind::Dorl, Kind::Ensemble),
    on_reward("cirs", "A2C on rewards that repetition wears out", RewardKind::Cirs, Kind::Exposure),
    on_reward(
        "intrinsic",
        "A2C with a bonus for diversity and novelty",
        RewardKind::Intrinsic,
        Kind::Ensemble,
    ),
    on_reward("a2c-ips", "A2C on a user model fitted with propensities", RewardKind::Base, Kind::Ips),
];

const fn fixed(name: &'static str, about: &'static str, choice: Choice) -> KnownPolicy {
    KnownPolicy {
        name,
        about,
        algorithm: Algorithm::Fixed(Fixed::ByPrediction(choice)),
        reward: RewardKind::Base,
        user_model: Some(Kind::Ensemble),
    }
}

const fn learned(name: &'static str, about: &'static str, algorithm: Algorithm) -> KnownPolicy {
    KnownPolicy { name, about, algorithm, reward: RewardKind::Base, user_model: Some(Kind::Ensemble) }
}

const fn on_reward(
    name: &'static str,
    about: &'static str,
    reward: RewardKind,
    user_model: Kind,
) -> KnownPolicy {
    KnownPolicy { name, about, algorithm: A2C, reward, user_model: Some(user_model) }
}

/// The policy called `name`.
///
/// # Errors
/// [`Error::Usage`] listing the names.
pub fn find(name: &str) -> Result<&'static KnownPolicy> {
    POLICIES.iter().find(|policy| policy.name == name).ok_or_else(|| {
        let known: Vec<&str> = POLICIES.iter().map(|policy| policy.name).collect();
        Error::Usage(format!("no policy {name}; there are {}", known.join(", ")))
    })
}

/// How the log becomes episodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogSettings {
    order: LogOrder,
}

/// Policies that learn from the log.
const OFFLINE: [&str; 4] = ["bcq", "cql", "crr", "sqn"];

/// The settings of DORL's reward: its own, and what its table of entropies is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DorlSettings {
    lambda_entropy: f32,
    windows: Vec<usize>,
    level: Level,
}

/// What patterns are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    /// Of tags where items have tags, of items otherwise.
    Auto,
    Items,
    Tags,
}

/// The published settings nearest to `world`.
fn published(world: &str) -> Published {
    match world {
        "coat" | "synthetic-coat" => Published::Coat,
        "kuairec" | "synthetic-kuairec" => Published::KuaiRec,
        _ => Published::MovieLens,
    }
}

impl KnownPolicy {
    /// The settings by default in `world`, without what runs share: seed, epochs, switches for defects.
    pub fn default_config(&self, world: &str) -> Value {
        let mut training = plain(&TrainConfig::default());
        let entries = training.as_object_mut().expect("settings are a table");
        for shared in ["seed", "epochs", "compat"] {
            entries.remove(shared);
        }
        match self.algorithm {
            Algorithm::Fixed(_) => {
                entries.retain(|key, _| {
                    matches!(key.as_str(), "judge_episodes" | "forced_length" | "judge_apart")
                });
                json!({"training": training})
            }
            Algorithm::Learned { defaults, .. } => {
                let mut config = json!({
                    "training": training,
                    "policy": defaults(published(world)),
                    "warm_start": warm_start::USER_MODEL,
                });
                let reward = self.default_reward(world);
                if reward != json!({}) {
                    config["reward"] = reward;
                }
                if OFFLINE.contains(&self.name) {
                    config["log"] = plain(&LogSettings::default());
                }
                config
            }
        }
    }

    fn default_reward(&self, world: &str) -> Value {
        match self.reward {
            RewardKind::Base => json!({}),
            RewardKind::Mopo => plain(&MopoConfig::default()),
            RewardKind::Dorl => {
                let coat = published(world) == Published::Coat;
                plain(&DorlSettings {
                    lambda_entropy: if coat { 3.0 } else { DorlConfig::default().lambda_entropy },
                    windows: vec![1, 2],
                    level: Level::Auto,
                })
            }
            RewardKind::Cirs => plain(&CirsConfig::default()),
            RewardKind::Intrinsic => {
                let (lambda_diversity, lambda_novelty) = match published(world) {
                    Published::Coat => (0.1, 0.05),
                    Published::MovieLens => (0.2, 0.2),
                    Published::KuaiRec => (0.005, 0.001),
                };
                plain(&IntrinsicConfig { lambda_diversity, lambda_novelty, ..IntrinsicConfig::default() })
            }
        }
    }

    /// The training settings of `config`, with what runs share.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the key, what it is and what is accepted.
    pub fn training(&self, config: &Value, seed: u64, epochs: usize, compat: Compat) -> Result<TrainConfig> {
        let mut training = config["training"].clone();
        training["seed"] = json!(seed);
        training["epochs"] = json!(epochs);
        training["compat"] = plain(&compat);
        let training: TrainConfig = read("training", training).map_err(|error| self.wrong(error))?;
        training.validate().map_err(|error| self.wrong(error))?;
        Ok(training)
    }

    /// Whether `config` is one of this policy's, as far as that can be said without data: by making the policy over a
    /// few items.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the key, what it is and what is accepted.
    pub fn check(&self, config: &Value, device: &str) -> Result<()> {
        self.training(config, 0, 1, Compat::default())?;
        if let Algorithm::Learned { build, .. } = self.algorithm {
            warm_start(config).and_then(warm_start::check).map_err(|error| self.wrong(error))?;
            let items = ItemVectors { dim: 8, values: vec![0.5; 16] };
            let inputs = Inputs { items: &items, seed: 0, device, compat: Compat::default() };
            build(config["policy"].clone(), &inputs).map_err(|error| self.wrong(error))?;
            let reward = || -> Result<()> {
                let value = config.get("reward").cloned().unwrap_or_else(|| json!({}));
                match self.reward {
                    RewardKind::Base => {}
                    RewardKind::Mopo => read::<MopoConfig>("reward", value)?.validate()?,
                    RewardKind::Dorl => drop(read::<DorlSettings>("reward", value)?),
                    RewardKind::Cirs => read::<CirsConfig>("reward", value)?.validate()?,
                    RewardKind::Intrinsic => read::<IntrinsicConfig>("reward", value)?.validate()?,
                }
                Ok(())
            };
            reward().map_err(|error| self.wrong(error))?;
        }
        Ok(())
    }

    /// The reward that the policy learns on.
    ///
    /// # Errors
    /// If a setting does not hold or the world lacks what the reward asks for.
    pub fn reward(
        &self,
        config: &Value,
        source: &Source,
        tables: &Arc<ItemTables>,
        model: &UserModel,
        max_turn: usize,
        compat: &Compat,
    ) -> Result<Arc<dyn Reward>> {
        let value = config.get("reward").cloned().unwrap_or_else(|| json!({}));
        let predicted = Arc::clone(&model.predicted);
        Ok(match self.reward {
            RewardKind::Base => Arc::new(Base::new(predicted)),
            RewardKind::Mopo => Arc::new(Mopo::new(predicted, &read("reward", value)?)?),
            RewardKind::Dorl => {
                let settings: DorlSettings = read("reward", value)?;
                let level = match (settings.level, &source.items.tags) {
                    (Level::Tags | Level::Auto, Some(tags)) => EntropyLevel::Tags(tags),
                    (Level::Items | Level::Auto, _) => EntropyLevel::Items { n_items: source.items.rows },
                    (Level::Tags, None) => {
                        return Err(Error::Usage("reward.level is tags, but the items have none".into()));
                    }
                };
                let log = in_order(&source.log, |_| true);
                let table = EntropyTable::from_log(log.columns(), level, &settings.windows)?;
                let config = DorlConfig { lambda_entropy: settings.lambda_entropy };
                Arc::new(Dorl::new(predicted, Arc::new(table.select(&source.truth_items)?), &config)?)
            }
            RewardKind::Cirs => {
                let config = read("reward", value)?;
                Arc::new(Cirs::new(predicted, Arc::clone(tables), model.sensitivity.clone(), &config)?)
            }
            RewardKind::Intrinsic => {
                let config = IntrinsicConfig { max_turn, ..read("reward", value)? };
                Arc::new(Intrinsic::new(predicted, Arc::clone(tables), &config, compat)?)
            }
        })
    }

    /// For a policy that learns from the log what it learns from.
    ///
    /// # Errors
    /// If a setting does not hold, or the log has nothing of the world.
    pub fn log(
        &self,
        policy: &dyn Policy,
        config: &Value,
        source: &Source,
        world: &World,
        seed: u64,
        compat: &Compat,
    ) -> Result<Option<Arc<Replay>>> {
        if policy.schedule() != Schedule::Offline {
            return Ok(None);
        }
        let settings: LogSettings = read("log", config.get("log").cloned().unwrap_or_else(|| json!({})))?;
        let episodes = logged_episodes(source, world, settings.order, seed)?;
        // Logged rewards are scaled to 0 to 1.
        let scale = match compat.zero_rew_prev {
            true => RewardScale::Zero,
            false => RewardScale::Range { least: 0.0, most: 1.0 },
        };
        let states = States::scaled(policy.window(), scale);
        Ok(Some(Arc::new(Replay::from_episodes(episodes.iter().map(|episode| episode.steps()), &states)?)))
    }

    fn wrong(&self, error: impl std::fmt::Display) -> Error {
        Error::Usage(format!("settings of {}: {error}", self.name))
    }
}

/// What the settings say that item vectors start from.
///
/// # Errors
/// [`Error::Usage`] if that is not a name.
pub fn warm_start(config: &Value) -> Result<&str> {
    match &config["warm_start"] {
        Value::Null => Ok(warm_start::USER_MODEL),
        Value::String(name) => Ok(name),
        other => Err(Error::Usage(format!("warm_start is {other}; accepts a name"))),
    }
}

fn read<C: DeserializeOwned>(part: &str, value: Value) -> Result<C> {
    serde_json::from_value(value).map_err(|error| Error::Usage(format!("{part}: {error}")))
}

fn plain(config: &impl Serialize) -> Value {
    serde_json::to_value(config).expect("settings are plain data")
}

/// The settings that a user model of `kind` has in `world`.
pub fn user_model_defaults(kind: Kind, world: &str, target: Target) -> Value {
    plain(&kind.defaults(world, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::world::WORLDS;

    #[test]
    fn the_defaults_of_every_policy_hold_in_every_world() {
        for policy in POLICIES {
            for world in WORLDS {
                let config = policy.default_config(world.name);
                policy.check(&config, "flex").unwrap();
                for shared in ["\"seed\"", "\"compat\"", "\"epochs\""] {
                    assert!(!config.to_string().contains(shared), "{} {config}", policy.name);
                }
            }
        }
    }

    #[test]
    fn settings_that_do_not_hold_are_refused() {
        let code = |name: &str, pointer: &str, value: Value| {
            let policy = find(name).unwrap();
            let mut config = policy.default_config("coat");
            *config.pointer_mut(pointer).unwrap() = value;
            policy.check(&config, "flex").unwrap_err().exit_code()
        };
        assert_eq!(code("a2c", "/policy/batch_size", json!(0)), 2);
        assert_eq!(code("a2c", "/training/envs", json!(0)), 2);
        assert_eq!(code("mopo", "/reward/lambda_variance", json!(-1)), 2);
        assert_eq!(code("dorl", "/reward/level", json!("letters")), 2);
        assert_eq!(code("ppo", "/policy/clip", json!("wide")), 2);
        assert_eq!(code("pg", "/warm_start", json!("ease")), 2);
        assert!(find("a2d").unwrap_err().to_string().contains("intrinsic"));
    }

    #[test]
    fn published_settings_differ_by_world() {
        let of = |name: &str, world: &str| find(name).unwrap().default_config(world);
        assert_eq!(of("a2c", "coat")["policy"]["learning_rate"], 5e-3);
        assert_eq!(of("a2c", "mt-mini")["policy"]["learning_rate"], 1e-3);
        assert_eq!(of("dorl", "coat")["reward"]["lambda_entropy"], 3.0);
        assert_eq!(of("dqn", "kuairec")["policy"]["target_every"], 80);
    }
}
