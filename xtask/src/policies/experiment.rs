//! What is to be run: world, policies, seeds, epochs, settings; from a file or the command line, resolved into one
//! configuration for each policy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rl_env::Compat;
use rl_env::datasets::Target;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::registry::{self, KnownPolicy};
use super::user_model::{self, Kind};
use super::world::{self, QuitChange};
use crate::error::{Error, Result};
use crate::experiment::{flatten, is_all, refuse_repeated};
use crate::settings::{Setting, apply};

/// The name under which `--set` changes user models.
pub const USER_MODEL: &str = "user-model";

/// An experiment as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyExperiment {
    /// What it is for, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// The world.
    #[serde(default = "default_world")]
    pub world: String,
    /// The folder of its files, where they do not lie among the data sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The policies, in the order of the table.
    #[serde(default = "default_policies")]
    pub policies: Vec<String>,
    /// The seeds.
    #[serde(default = "default_seeds")]
    pub seeds: Vec<u64>,
    /// Epochs of every policy.
    #[serde(default = "default_epochs")]
    pub epochs: usize,
    /// What differs from the published quit rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quit: Option<QuitChange>,
    /// Which defects of the reference to repeat.
    #[serde(default)]
    pub compat: Compat,
    /// The device.
    #[serde(default = "default_device")]
    pub device: String,
    /// Settings by policy (or `all`, or `user-model`), as `--set` takes them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, toml::Table>,
}

fn default_world() -> String {
    "mt-mini".into()
}

fn default_policies() -> Vec<String> {
    ["random", "a2c", "dqn", "dorl"].map(str::to_owned).into()
}

fn default_seeds() -> Vec<u64> {
    vec![1, 2, 3, 4, 5]
}

fn default_epochs() -> usize {
    20
}

fn default_device() -> String {
    "flex".into()
}

impl Default for PolicyExperiment {
    fn default() -> Self {
        toml::from_str("").expect("every key has a default")
    }
}

/// The folder of the named experiments.
pub fn folder() -> PathBuf {
    crate::experiment::folder().join("policies")
}

impl PolicyExperiment {
    /// The experiment called `name` (a file in `xtask/experiments/policies`), or the one in the TOML file `name`.
    /// Returns its name too: that of the file.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or the file is not an experiment.
    pub fn open(name: &str) -> Result<(String, Self)> {
        crate::experiment::open(name, &folder())
    }
}

/// One policy with its configuration.
#[derive(Clone, Debug)]
pub struct PlannedPolicy {
    /// The policy.
    pub policy: &'static KnownPolicy,
    /// Its settings, without seed, epochs and switches.
    pub config: Value,
}

/// An experiment checked and resolved.
#[derive(Clone, Debug)]
pub struct PolicyPlan {
    /// A name for tables and folders.
    pub name: String,
    /// The experiment.
    pub experiment: PolicyExperiment,
    /// The policies.
    pub policies: Vec<PlannedPolicy>,
    /// What differs from the default in user models.
    user_models: Vec<Setting>,
}

impl PolicyPlan {
    /// Resolves `experiment`: first its settings for all policies, then those by policy, then `overrides`, in order.
    ///
    /// # Errors
    /// [`Error::Usage`] for names, settings or values that do not exist or do not hold.
    pub fn new(name: &str, experiment: PolicyExperiment, overrides: &[String]) -> Result<Self> {
        if experiment.policies.is_empty() || experiment.seeds.is_empty() || experiment.epochs == 0 {
            return Err(Error::Usage("it takes at least one policy, one seed and one epoch".into()));
        }
        refuse_repeated("policy", &experiment.policies)?;
        refuse_repeated("seed", &experiment.seeds)?;
        let known = world::find(&experiment.world)?;
        cf_align::autodiff::device(&experiment.device)?;
        let named = |policy: &String| *policy == USER_MODEL || experiment.policies.contains(policy);
        let mut settings = Vec::new();
        let all = experiment.settings.iter().filter(|(policy, _)| is_all(policy));
        for (policy, table) in all.chain(experiment.settings.iter().filter(|(policy, _)| !is_all(policy))) {
            // A file may have settings for policies that this run leaves out.
            if is_all(policy) || named(policy) {
                flatten(policy, "", table, &mut settings)?;
            } else {
                registry::find(policy)?;
            }
        }
        let from_file = settings.len();
        for text in overrides {
            let setting = Setting::parse(text)?;
            if let Some(policy) = setting.model.as_ref().filter(|policy| !named(policy)) {
                return Err(Error::Usage(format!("--set {text}: {policy} is not among the policies")));
            }
            settings.push(setting);
        }
        let mut used = vec![false; settings.len()];
        let mut policies = Vec::new();
        for name in &experiment.policies {
            let policy = registry::find(name)?;
            let mut config = policy.default_config(known.name);
            apply(name, &mut config, &settings, &mut used)?;
            policy.check(&config, &experiment.device)?;
            policies.push(PlannedPolicy { policy, config });
        }
        let is_user_model = |setting: &Setting| setting.model.as_deref() == Some(USER_MODEL);
        let user_models: Vec<Setting> =
            settings.iter().filter(|setting| is_user_model(setting)).cloned().collect();
        for (setting, used) in settings.iter().zip(&mut used) {
            *used |= is_user_model(setting);
        }
        // A setting in a file for all policies may fit none of those that this run keeps.
        if let Some(unused) = used[from_file..].iter().position(|used| !used) {
            let text = &overrides[unused];
            return Err(Error::Usage(format!("--set {text}: none of the policies has such a setting")));
        }
        let plan = Self { name: name.to_owned(), experiment, policies, user_models };
        for kind in plan.kinds() {
            plan.user_model(kind, Target::Rating)?;
        }
        Ok(plan)
    }

    /// The user models that the policies need.
    pub fn kinds(&self) -> BTreeSet<Kind> {
        self.policies.iter().filter_map(|planned| planned.policy.user_model).collect()
    }

    /// The settings of a user model.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that do not exist or do not hold.
    pub fn user_model(&self, kind: Kind, target: Target) -> Result<rl_env::user_model::UserModelConfig> {
        let mut config = registry::user_model_defaults(kind, &self.experiment.world, target);
        apply(USER_MODEL, &mut config, &self.user_models, &mut vec![false; self.user_models.len()])?;
        user_model::config(&config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        world = "mt-mini"
        policies = ["random", "a2c"]
        epochs = 3
        quit = { window = 4, threshold = 2 }
        [settings.all]
        envs = 20
        [settings.a2c]
        learning_rate = 0.01
        [settings.user-model]
        members = 2
        [settings.dqn]
        epsilon = 0.2
    "#;

    fn plan(text: &str, overrides: &[&str]) -> Result<PolicyPlan> {
        let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
        PolicyPlan::new("x", toml::from_str(text).unwrap(), &overrides)
    }

    #[test]
    fn settings_come_in_order() {
        let plan =
            plan(TWO, &["a2c.learning_rate=0.02", "user-model.epochs=1", "a2c.tracker.window=5"]).unwrap();
        let config = &plan.policies[1].config;
        assert_eq!(config["policy"]["learning_rate"], 0.02);
        assert_eq!(config["training"]["envs"], 20);
        assert_eq!(config["policy"]["tracker"]["window"], 5);
        let model = plan.user_model(Kind::Ensemble, Target::Rating).unwrap();
        assert_eq!((model.members, model.epochs), (2, 1));
        assert_eq!(plan.kinds().len(), 1);
        assert_eq!(plan.experiment.quit, Some(QuitChange { window: 4, threshold: 2.0 }));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let code = |text: &str, overrides: &[&str]| plan(text, overrides).unwrap_err().exit_code();
        assert_eq!(code(TWO, &["a2c.learning_rat=1"]), 2);
        assert_eq!(code(TWO, &["dqn.epsilon=1"]), 2);
        assert_eq!(code(TWO, &["all.lambda=1"]), 2);
        assert_eq!(code(TWO, &["user-model.member=1"]), 2);
        assert_eq!(code(TWO, &["user-model.members=0"]), 2);
        assert_eq!(code(&TWO.replace("mt-mini", "moon"), &[]), 2);
        assert_eq!(code(&TWO.replace("settings.dqn", "settings.dqm"), &[]), 2);
        assert_eq!(code(&TWO.replace("epochs = 3", "epochs = 0"), &[]), 2);
        assert_eq!(code(&TWO.replace("epochs = 3", "device = \"abacus\""), &[]), 2);
    }

    #[test]
    fn every_named_experiment_holds() {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder()).unwrap() {
            let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
            let (name, experiment) = PolicyExperiment::open(&name).unwrap();
            assert!(!experiment.about.is_empty(), "{name} does not say what it is for");
            PolicyPlan::new(&name, experiment, &[]).unwrap();
            names.push(name);
        }
        assert!(names.iter().any(|name| name == "quickstart"), "{names:?}");
        assert!(names.iter().any(|name| name == "coat"), "{names:?}");
    }
}
