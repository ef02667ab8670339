//! Reinforcement-learning policies as models of `compare`: trained in an environment that is made of the training rows alone,
//! judged like every other recommender.
//!
//! iALS, fitted on the training rows, plays the users: it pays an item with its score, cut to 0..1. A user leaves on the first item
//! that comes again, so that a policy earns most by thirty different items that one user likes. Policies see the latest items
//! and what they paid, not the user's id; a history of the test protocol is read as items that paid 1.

use std::sync::Arc;

use cf_align::{Ials, IalsConfig};
use rec_core::{Observer, Recommender as _, UserItems, random};
use rl_env::bits::BitMatrix;
use rl_env::simulate::{Base, Predicted};
use rl_env::tracker::ItemVectors;
use rl_env::train::{self, Task, TrainConfig};
use rl_env::{
    Compat, ItemTables, PolicyRecommender, Quit, QuitRule, RewardMatrix, RewardScale, WindowMode, World,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::policies::registry::{self, Algorithm, Inputs, KnownPolicy};

/// The most turns of an episode.
const TURNS: usize = 30;
/// The most cells that the matrix of rewards may have: one GiB.
const MOST_CELLS: usize = 1 << 28;
/// The world whose published settings are the defaults.
const PUBLISHED: &str = "mt-mini";

/// Settings of a policy that recommends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyModelConfig {
    /// The model that plays the users.
    pub users: IalsConfig,
    /// What the tracker's item vectors start from.
    pub warm_start: WarmStart,
    /// The policy's own settings.
    pub policy: Value,
    /// How long and how wide it is trained.
    pub training: TrainConfig,
}

/// What the tracker's item vectors start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarmStart {
    /// The item factors of the model that plays the users.
    Users,
    /// Small random numbers.
    Random,
}

/// The settings of `policy` by default; the seed comes from the experiment.
pub fn defaults(policy: &str) -> Value {
    let known = registry::find(policy).expect("the registry has the policies that models name");
    let config = PolicyModelConfig {
        users: IalsConfig::default(),
        warm_start: WarmStart::Users,
        policy: known.default_config(PUBLISHED)["policy"].clone(),
        training: TrainConfig {
            epochs: 10,
            episode_steps_per_epoch: 50_000,
            replay_steps_per_epoch: 10_000,
            ..TrainConfig::default()
        },
    };
    let mut config = serde_json::to_value(config).expect("settings are plain data");
    for (part, shared) in [("users", "seed"), ("training", "seed"), ("training", "compat")] {
        config[part].as_object_mut().expect("settings are a table").remove(shared);
    }
    config
}

/// The settings in `config`, with the seed.
///
/// # Errors
/// A message naming the key, what it is and what is accepted.
pub fn read(policy: &str, config: &Value, seed: u64) -> Result<PolicyModelConfig> {
    let mut config = config.clone();
    for part in ["users", "training"] {
        if config[part].is_object() {
            config[part]["seed"] = json!(seed);
        }
    }
    let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("settings of rl-{policy}: {error}"));
    let config: PolicyModelConfig = serde_json::from_value(config).map_err(|error| wrong(&error))?;
    config.users.validate().map_err(|error| wrong(&error))?;
    config.training.validate().map_err(|error| wrong(&error))?;
    // The policy's own settings are checked by making it over a few items.
    let few = ItemVectors { dim: 8, values: vec![0.5; 16] };
    let inputs = Inputs { items: &few, seed, device: "flex", compat: Compat::default() };
    build(registry::find(policy)?, &config, &inputs).map_err(|error| wrong(&error))?;
    Ok(config)
}

fn build(
    policy: &KnownPolicy,
    config: &PolicyModelConfig,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn rl_env::policy::Policy>> {
    match policy.algorithm {
        Algorithm::Learned { build, .. } => build(config.policy.clone(), inputs),
        Algorithm::Fixed(_) => Err(Error::Usage(format!("{} does not learn", policy.name))),
    }
}

/// Trains `policy` on the training rows and makes it a recommender.
///
/// # Errors
/// [`Error::Usage`] if users times items are too many for a matrix of rewards, and what the parts report.
pub fn fit(
    policy: &str,
    config: &PolicyModelConfig,
    train: &UserItems,
    device: &str,
    observer: &mut dyn Observer,
) -> Result<PolicyRecommender> {
    let (n_users, n_items) = (train.n_users(), train.n_items());
    if n_users.saturating_mul(n_items) > MOST_CELLS {
        let gib = (n_users as f64) * (n_items as f64) * 4.0 / f64::from(1 << 30);
        return Err(Error::Usage(format!(
            "rl-{policy}: rewards of {n_users} users for {n_items} items take {gib:.1} GiB; the most is 1 (see --core)"
        )));
    }
    // An episode without repetition cannot be longer than the catalogue.
    let turns = TURNS.min(n_items);
    let users = Ials::fit(train, &config.users)?;
    debug_assert_eq!(users.n_items(), n_items);
    let predicted = Arc::new(Predicted::new(rewards(&users, n_users, n_items)?, None)?);
    let world = Arc::new(World::new(
        Arc::new(predicted.mean.clone()),
        Quit { rule: QuitRule::Distance(itself(n_items)), window: turns, mode: WindowMode::Exact },
        turns,
        true,
    )?);
    let factors = users.embeddings();
    let items = match config.warm_start {
        WarmStart::Users => ItemVectors { dim: factors.dim(), values: factors.items().to_vec() },
        WarmStart::Random => {
            let mut rng = random::stream(config.training.seed, "item vectors", 0);
            ItemVectors::random(n_items, factors.dim(), &mut rng)
        }
    };
    let inputs = Inputs { items: &items, seed: config.training.seed, device, compat: Compat::default() };
    let mut learner = build(registry::find(policy)?, config, &inputs)?;
    let task = Task {
        world,
        tables: Arc::new(ItemTables::plain(n_items)),
        reward: Arc::new(Base::new(Arc::clone(&predicted))),
        log: None,
    };
    let training = TrainConfig {
        forced_length: config.training.forced_length.min(turns as u16),
        ..config.training.clone()
    };
    train::fit(&mut *learner, &task, &training, None, observer)?;
    let (least, most) = task.reward.range();
    Ok(PolicyRecommender::new(learner, RewardScale::Range { least, most }, 1.0))
}

/// The scores of every user and item, cut to 0..1.
fn rewards(model: &Ials, n_users: usize, n_items: usize) -> Result<RewardMatrix> {
    let (embeddings, dim) = (model.embeddings(), model.embeddings().dim());
    let mut cells = Vec::with_capacity(n_users * n_items);
    for user in embeddings.users().chunks_exact(dim) {
        cells.extend(embeddings.items().chunks_exact(dim).map(|item| {
            let score: f32 = user.iter().zip(item).map(|(u, i)| u * i).sum();
            score.clamp(0.0, 1.0)
        }));
    }
    Ok(RewardMatrix::new(n_users, n_items, cells)?)
}

/// Every item is too close to itself, and to no other.
fn itself(n_items: usize) -> BitMatrix {
    let mut close = BitMatrix::new(n_items, n_items);
    (0..n_items).for_each(|item| close.insert(item, item));
    close
}

#[cfg(test)]
mod tests {
    use rec_core::{Interactions, ItemId, Query, UserId};

    use super::*;

    /// Two tastes: even users like even items, odd ones odd items.
    fn tastes() -> UserItems {
        let (mut users, mut items) = (Vec::new(), Vec::new());
        for user in 0..80 {
            for item in (0..40).filter(|item| item % 2 == user % 2 && (item / 2 + user) % 5 != 0) {
                users.push(UserId(user));
                items.push(ItemId(item));
            }
        }
        UserItems::new(&Interactions::from_pairs(users, items), 80, 40)
    }

    #[test]
    fn a_policy_recommends_what_the_taste_of_a_history_suggests() {
        let mut config = read("a2c", &defaults("a2c"), 1).unwrap();
        config.users.dim = 8;
        config.training.epochs = 30;
        config.training.episode_steps_per_epoch = 40_000;
        config.training.judge_episodes = 4;
        let trained = fit("a2c", &config, &tastes(), "flex", &mut ()).unwrap();
        let mut right = 0;
        for taste in 0..2 {
            let history = [ItemId(taste), ItemId(taste + 4), ItemId(taste + 8)];
            let query = Query { history: &history, exclude: &history, ..Query::default() };
            let rankings = trained.recommend(&[query], 5).unwrap();
            right += rankings.row(0).iter().filter(|scored| scored.item.0 % 2 == taste).count();
        }
        assert!(right >= 8, "{right} of 10 are of the user's taste");
    }

    #[test]
    fn settings_that_do_not_hold_are_refused_and_so_is_what_does_not_fit() {
        let with = |pointer: &str, value: Value| {
            let mut config = defaults("dqn");
            *config.pointer_mut(pointer).unwrap() = value;
            read("dqn", &config, 1).unwrap_err().exit_code()
        };
        assert_eq!(with("/training/envs", json!(0)), 2);
        assert_eq!(with("/policy/batch_size", json!("many")), 2);
        assert_eq!(with("/warm_start", json!("hot")), 2);
        let empty = UserItems::new(&Interactions::from_pairs(Vec::new(), Vec::new()), 1 << 15, 1 << 14);
        let config = read("a2c", &defaults("a2c"), 1).unwrap();
        let error = fit("a2c", &config, &empty, "flex", &mut ()).err().unwrap();
        assert!(error.to_string().contains("2.0 GiB"), "{error}");
    }
}
