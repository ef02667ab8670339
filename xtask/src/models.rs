//! The models by name: what they are, their default settings, how they are fitted.

use std::path::Path;
use std::time::Duration;

use cf_align::train::EpochRecord;
use cf_align::{
    Ease, EaseConfig, Embeddings, Encoder, Ials, IalsConfig, ItemKnn, ItemKnnConfig, Loss, ModelConfig,
    Popularity, Random, Session, analysis,
};
use rec_core::{Dataset, Observer, Recommender, Split, UserItems};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::team_model::TeamModelConfig;
use crate::{policy_model, preference_model, team_model};

/// A model that can be named on the command line.
#[derive(Debug)]
pub struct Model {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Random,
    Popularity,
    ItemKnn,
    Ease,
    Ials,
    Trained(fn() -> ModelConfig),
    /// A policy of `policies`, by its name there.
    Policy(&'static str),
    /// A language model; with SPRec's rounds or without.
    Language {
        sprec: bool,
    },
    Team,
}

/// All models.
pub const MODELS: &[Model] = &[
    Model { name: "random", about: "items in a random order for each user", kind: Kind::Random },
    Model { name: "popularity", about: "the most popular items", kind: Kind::Popularity },
    Model { name: "itemknn", about: "cosine item neighbours", kind: Kind::ItemKnn },
    Model { name: "ease", about: "linear item-item model in closed form", kind: Kind::Ease },
    Model { name: "ials", about: "implicit-feedback alternating least squares", kind: Kind::Ials },
    Model { name: "bpr", about: "pairwise ranking on embeddings", kind: Kind::Trained(ModelConfig::bpr) },
    Model {
        name: "lightgcn",
        about: "pairwise ranking on graph-propagated embeddings",
        kind: Kind::Trained(ModelConfig::lightgcn),
    },
    Model {
        name: "directau",
        about: "alignment and uniformity on embeddings",
        kind: Kind::Trained(ModelConfig::directau),
    },
    Model {
        name: "directau-lightgcn",
        about: "alignment and uniformity on graph-propagated embeddings",
        kind: Kind::Trained(ModelConfig::directau_lightgcn),
    },
    Model {
        name: "mawu",
        about: "margin-aware alignment, uniformity weighted by side",
        kind: Kind::Trained(ModelConfig::mawu),
    },
    Model {
        name: "mawu-lightgcn",
        about: "MAWU on graph-propagated embeddings",
        kind: Kind::Trained(mawu_lightgcn),
    },
    Model {
        name: "graphau",
        about: "alignment at several hops of the graph",
        kind: Kind::Trained(ModelConfig::graphau),
    },
    Model {
        name: "rl-a2c",
        about: "actor-critic, trained in an environment of iALS users",
        kind: Kind::Policy("a2c"),
    },
    Model {
        name: "rl-ppo",
        about: "proximal policy optimisation, in the same environment",
        kind: Kind::Policy("ppo"),
    },
    Model { name: "rl-dqn", about: "deep Q-learning, in the same environment", kind: Kind::Policy("dqn") },
    Model {
        name: "item-lm",
        about: "language model over item tokens, supervised",
        kind: Kind::Language { sprec: false },
    },
    Model {
        name: "sprec",
        about: "the same, aligned by five rounds of self-play",
        kind: Kind::Language { sprec: true },
    },
    Model { name: "team", about: "a team of agents, by rules, orders what EASE proposes", kind: Kind::Team },
];

fn mawu_lightgcn() -> ModelConfig {
    ModelConfig { encoder: Encoder::LightGcn { layers: 2 }, ..ModelConfig::mawu() }
}

/// The model called `name`.
///
/// # Errors
/// [`Error::Usage`] listing the names.
pub fn find(name: &str) -> Result<&'static Model> {
    MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
        let known: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        Error::Usage(format!("no model {name}; there are {}", known.join(", ")))
    })
}

/// A model that has been fitted, and how it came to be.
pub struct FittedModel {
    /// What recommends.
    pub recommender: Box<dyn Recommender>,
    /// One entry an epoch; empty for a model without epochs.
    pub history: Vec<EpochRecord>,
    /// The epoch whose state was kept.
    pub best_epoch: Option<usize>,
    /// The paper's measures of the kept vectors, and how their lengths go with popularity; empty for a model without vectors, or if its
    /// `measure_every` is 0.
    pub measures: Vec<(String, f64)>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl FittedModel {
    fn at_once(recommender: impl Recommender + 'static) -> Self {
        Self {
            recommender: Box::new(recommender),
            history: Vec::new(),
            best_epoch: None,
            measures: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Alignment and uniformity over all training pairs, and the rank correlation of the items' lengths with their popularity.
fn measures(model: &Embeddings, split: &Split, n_users: usize, n_items: usize) -> Vec<(String, f64)> {
    let (users, items) = (split.train.user_counts(n_users), split.train.item_counts(n_items));
    let dim = model.dim();
    [
        ("overall_alignment", analysis::overall_alignment(model, &split.train)),
        ("overall_uniformity_user", analysis::overall_uniformity(model.users(), dim, &users)),
        ("overall_uniformity_item", analysis::overall_uniformity(model.items(), dim, &items)),
        ("item_length_popularity", analysis::length_popularity(model.items(), dim, &items)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What a fit is given.
pub struct Fit<'a> {
    /// Seeds every random choice of the model.
    pub seed: u64,
    /// Where the burn engine runs.
    pub device: &'a str,
    /// Train, validation and test rows; the test rows are not looked at.
    pub split: &'a Split,
    /// What the rows are of: names, titles, categories. Its rows include the test rows, which are not looked at.
    pub dataset: &'a Dataset,
    /// Users in all.
    pub n_users: usize,
    /// Items in all.
    pub n_items: usize,
    /// Who watches.
    pub observer: &'a mut dyn Observer,
    /// Where a trained model keeps its state from time to time.
    pub checkpoint: &'a Path,
    /// How long after the last checkpoint the next is due.
    pub checkpoint_every: Duration,
}

impl Model {
    /// Whether every seed gives the same model.
    pub fn deterministic(&self) -> bool {
        matches!(self.kind, Kind::Popularity | Kind::ItemKnn | Kind::Ease)
    }

    /// The settings by default, without seeds: those come from the experiment. On a device other than the CPU the
    /// engine is burn.
    pub fn default_config(&self, device: &str) -> Value {
        let mut config = match self.kind {
            Kind::Random | Kind::Popularity => json!({}),
            Kind::ItemKnn => plain(&ItemKnnConfig::default()),
            Kind::Ease => plain(&EaseConfig::default()),
            Kind::Ials => plain(&IalsConfig::default()),
            Kind::Policy(policy) => policy_model::defaults(policy),
            Kind::Language { sprec } => preference_model::defaults(sprec),
            Kind::Team => {
                let mut config = plain(&TeamModelConfig::default());
                // The experiment's.
                config["models"]["factors"].as_object_mut().map(|factors| factors.remove("seed"));
                config
            }
            Kind::Trained(default) => {
                let mut config = plain(&default());
                if device != "flex" {
                    config["training"]["engine"] = json!("burn");
                }
                config
            }
        };
        if let Some(map) = config.as_object_mut() {
            map.remove("seed");
        }
        if let Some(training) = config.get_mut("training").and_then(Value::as_object_mut) {
            training.remove("seed");
        }
        config
    }

    /// Whether `config` is one of this model's.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the key, what it is and what is accepted.
    pub fn check(&self, config: &Value) -> Result<()> {
        match self.kind {
            Kind::Random | Kind::Popularity => {
                if config.as_object().is_some_and(|map| !map.is_empty()) {
                    return Err(Error::Usage(format!("{} has no settings", self.name)));
                }
            }
            Kind::ItemKnn => self.read::<ItemKnnConfig>(config, 0)?.validate().map_err(|e| self.wrong(e))?,
            Kind::Ease => self.read::<EaseConfig>(config, 0)?.validate().map_err(|e| self.wrong(e))?,
            Kind::Ials => self.read::<IalsConfig>(config, 0)?.validate().map_err(|e| self.wrong(e))?,
            Kind::Trained(_) => self.read::<ModelConfig>(config, 0)?.validate().map_err(|e| self.wrong(e))?,
            Kind::Policy(policy) => drop(policy_model::read(policy, config, 0)?),
            Kind::Language { .. } => drop(preference_model::read(self.name, config)?),
            Kind::Team => drop(team_model::read(self.name, config)?),
        }
        Ok(())
    }

    /// Fits the model.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that do not hold, and what the model itself reports.
    pub fn fit(&self, config: &Value, fit: Fit<'_>) -> Result<FittedModel> {
        let train = || UserItems::new(&fit.split.train, fit.n_users, fit.n_items);
        Ok(match self.kind {
            Kind::Random => FittedModel::at_once(Random { n_items: fit.n_items, seed: fit.seed }),
            Kind::Popularity => FittedModel::at_once(Popularity::fit(&train())),
            Kind::ItemKnn => FittedModel::at_once(ItemKnn::fit(&train(), &self.read(config, fit.seed)?)?),
            Kind::Ease => FittedModel::at_once(Ease::fit(&train(), &self.read(config, fit.seed)?)?),
            Kind::Ials => FittedModel::at_once(Ials::fit(&train(), &self.read(config, fit.seed)?)?),
            Kind::Policy(policy) => {
                let config = policy_model::read(policy, config, fit.seed)?;
                FittedModel::at_once(policy_model::fit(policy, &config, &train(), fit.device, fit.observer)?)
            }
            Kind::Language { .. } => {
                let config = preference_model::read(self.name, config)?;
                let size = (fit.n_users, fit.n_items);
                let model = preference_model::fit(&config, fit.split, size, fit.seed, fit.device)?;
                FittedModel::at_once(model)
            }
            Kind::Team => {
                let config = team_model::read(self.name, config)?;
                FittedModel::at_once(team_model::fit(&config, fit.dataset, fit.split, fit.seed)?)
            }
            Kind::Trained(_) => {
                let config: ModelConfig = self.read(config, fit.seed)?;
                let session = Session {
                    checkpoint: Some(fit.checkpoint),
                    checkpoint_every: fit.checkpoint_every,
                    device: fit.device,
                    ..Session::new(fit.observer)
                };
                let fitted = cf_align::fit(&config, fit.split, fit.n_users, fit.n_items, session)?;
                let measures = match config.training.measure_every {
                    0 => Vec::new(),
                    _ => measures(&fitted.embeddings, fit.split, fit.n_users, fit.n_items),
                };
                FittedModel {
                    measures,
                    recommender: Box::new(fitted.embeddings),
                    history: fitted.history,
                    best_epoch: Some(fitted.best_epoch),
                    warnings: fitted.warnings,
                }
            }
        })
    }

    /// The embeddings of this model with its settings by default, fitted on `split`.
    ///
    /// # Errors
    /// [`Error::Usage`] if it has none, and what the model itself reports.
    pub fn embeddings(&self, split: &Split, n_users: usize, n_items: usize, seed: u64) -> Result<Embeddings> {
        let config = self.default_config("flex");
        match self.kind {
            Kind::Ials => {
                let train = UserItems::new(&split.train, n_users, n_items);
                Ok(Ials::fit(&train, &self.read(&config, seed)?)?.embeddings().clone())
            }
            Kind::Trained(_) => {
                let config = self.read(&config, seed)?;
                Ok(cf_align::fit(&config, split, n_users, n_items, Session::new(&mut ()))?.embeddings)
            }
            _ => Err(Error::Usage(format!("{} has no embeddings", self.name))),
        }
    }

    /// Whether it is trained by DirectAU's loss, which has a weight below which all vectors fall into one point.
    pub fn has_collapse(&self) -> bool {
        matches!(self.kind, Kind::Trained(default) if matches!(default().loss, Loss::DirectAu { .. }))
    }

    /// Whether [`Model::embeddings`] gives some.
    pub fn has_embeddings(&self) -> bool {
        matches!(self.kind, Kind::Ials | Kind::Trained(_))
    }

    fn read<C: DeserializeOwned>(&self, config: &Value, seed: u64) -> Result<C> {
        let mut config = config.clone();
        match self.kind {
            Kind::Trained(_) if config["training"].is_object() => config["training"]["seed"] = json!(seed),
            Kind::Ials => config["seed"] = json!(seed),
            _ => {}
        }
        serde_json::from_value(config).map_err(|error| self.wrong(error))
    }

    fn wrong(&self, error: impl std::fmt::Display) -> Error {
        Error::Usage(format!("settings of {}: {error}", self.name))
    }
}

fn plain(config: &impl Serialize) -> Value {
    serde_json::to_value(config).expect("settings are plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_every_model_hold() {
        for model in MODELS {
            let config = model.default_config("flex");
            model.check(&config).unwrap();
            let text = config.to_string();
            assert!(!text.contains("\"seed\""), "{text}");
        }
    }

    #[test]
    fn another_device_means_the_burn_engine() {
        let config = find("directau").unwrap().default_config("cuda:0");
        assert_eq!(config["training"]["engine"], "burn");
        assert_eq!(
            find("ease").unwrap().default_config("cuda:0"),
            find("ease").unwrap().default_config("flex")
        );
    }

    #[test]
    fn settings_that_do_not_hold_are_refused() {
        let model = find("directau").unwrap();
        let mut config = model.default_config("flex");
        config["training"]["dim"] = json!(0);
        assert_eq!(model.check(&config).unwrap_err().exit_code(), 2);
        config["training"]["dim"] = json!("wide");
        assert_eq!(model.check(&config).unwrap_err().exit_code(), 2);
        assert_eq!(find("popularity").unwrap().check(&json!({"k": 1})).unwrap_err().exit_code(), 2);
        assert!(find("bprr").unwrap_err().to_string().contains("directau-lightgcn"));
    }
}
