//! What is to be run: data, split, models, seeds, settings; read from a file or put together on the command line,
//! and resolved into one configuration for each model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rec_core::filter::FilterConfig;
use rec_core::split::SplitSpec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::machine::workspace;
use crate::models::{Model, find};
use crate::settings::{Setting, apply};

/// An experiment as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// What it is for, in a sentence or two.
    #[serde(default)]
    pub about: String,
    /// The data set: a name or a folder.
    pub data: String,
    /// Which rows of it to use.
    #[serde(default, skip_serializing_if = "is_default")]
    pub filter: FilterConfig,
    /// The split as text.
    #[serde(default = "default_split")]
    pub split: String,
    /// The seed of the split, which all models and seeds share.
    #[serde(default = "default_split_seed")]
    pub split_seed: u64,
    /// The models, in the order of the table.
    pub models: Vec<String>,
    /// The seeds.
    #[serde(default = "default_seeds")]
    pub seeds: Vec<u64>,
    /// The device.
    #[serde(default = "default_device")]
    pub device: String,
    /// The metric that models are tested against the best by.
    #[serde(default = "default_primary")]
    pub primary: String,
    /// The metrics of the table.
    #[serde(default = "default_metrics")]
    pub metrics: Vec<String>,
    /// Settings by model (or `all`), as `--set` takes them: names or ends of dotted paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, toml::Table>,
}

fn is_default(filter: &FilterConfig) -> bool {
    *filter == FilterConfig::default()
}

fn default_split() -> String {
    "ratio:0.8,0.1,0.1".into()
}

fn default_split_seed() -> u64 {
    2020
}

fn default_seeds() -> Vec<u64> {
    vec![1, 2, 3]
}

fn default_device() -> String {
    "flex".into()
}

fn default_primary() -> String {
    "ndcg@20".into()
}

/// The metrics of a table unless others are asked for.
pub fn default_metrics() -> Vec<String> {
    ["recall@20", "ndcg@20", "hit@20", "mrr@20", "coverage@20"].map(str::to_owned).into()
}

impl Experiment {
    /// The experiment called `name` (a file in `xtask/experiments`), or the one in the TOML file `name`. Returns its
    /// name too: that of the file.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or the file is not an experiment.
    pub fn open(name: &str) -> Result<(String, Self)> {
        open(name, &folder())
    }
}

/// The experiment called `name` (a file in `folder`), or the one in the TOML file `name`, and its name: the file's.
///
/// # Errors
/// [`Error::Usage`] if there is none, or the file is not an experiment.
pub fn open<E: DeserializeOwned>(name: &str, folder: &Path) -> Result<(String, E)> {
    let path =
        if name.ends_with(".toml") { PathBuf::from(name) } else { folder.join(format!("{name}.toml")) };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        if name.ends_with(".toml") {
            Error::Usage(format!("{}: {error}", path.display()))
        } else {
            let known = named_in(folder).unwrap_or_default().join(", ");
            Error::Usage(format!("no experiment {name}; there are {known} (or give a .toml file)"))
        }
    })?;
    let experiment =
        toml::from_str(&text).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok((stem.unwrap_or_else(|| "experiment".into()), experiment))
}

/// The folder of the named experiments.
pub fn folder() -> PathBuf {
    workspace().join("xtask/experiments")
}

/// The names of the named experiments.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub fn named() -> Result<Vec<String>> {
    named_in(&folder())
}

/// The names of the experiments in `folder`.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be read.
pub fn named_in(folder: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map_err(|error| Error::io(folder, error))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// One model with its configuration and the seeds to run.
#[derive(Clone, Debug)]
pub struct PlannedModel {
    /// The model.
    pub model: &'static Model,
    /// Its settings, without the seed.
    pub config: Value,
    /// The first seed alone for a deterministic model.
    pub seeds: Vec<u64>,
}

/// An experiment checked and resolved.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A name for tables and folders.
    pub name: String,
    /// The experiment.
    pub experiment: Experiment,
    /// The split.
    pub split: SplitSpec,
    /// The models.
    pub models: Vec<PlannedModel>,
}

impl Plan {
    /// Resolves `experiment`: first its settings for all models, then those by model, then `overrides`, in order.
    ///
    /// # Errors
    /// [`Error::Usage`] for names, settings, metrics or values that do not exist or do not hold.
    pub fn new(name: &str, experiment: Experiment, overrides: &[String]) -> Result<Self> {
        let split: SplitSpec = experiment.split.parse().map_err(Error::Core)?;
        if experiment.models.is_empty() || experiment.seeds.is_empty() {
            return Err(Error::Usage("an experiment needs at least one model and one seed".into()));
        }
        refuse_repeated("model", &experiment.models)?;
        refuse_repeated("seed", &experiment.seeds)?;
        for metric in experiment.metrics.iter().chain([&experiment.primary]) {
            metric.parse::<rec_core::metrics::Metric>().map_err(Error::Core)?;
        }
        let mut settings = Vec::new();
        let all = experiment.settings.iter().filter(|(model, _)| is_all(model));
        for (model, table) in all.chain(experiment.settings.iter().filter(|(model, _)| !is_all(model))) {
            // A file may have settings for models that this run leaves out.
            if is_all(model) || experiment.models.contains(model) {
                flatten(model, "", table, &mut settings)?;
            } else {
                find(model)?;
            }
        }
        let from_file = settings.len();
        for text in overrides {
            let setting = Setting::parse(text)?;
            if let Some(model) = setting.model.as_ref().filter(|model| !experiment.models.contains(model)) {
                return Err(Error::Usage(format!("--set {text}: {model} is not among the models")));
            }
            settings.push(setting);
        }
        let mut used = vec![false; settings.len()];
        let mut models = Vec::new();
        for name in &experiment.models {
            let model = find(name)?;
            let mut config = model.default_config(&experiment.device);
            apply(name, &mut config, &settings, &mut used)?;
            model.check(&config)?;
            let seeds =
                if model.deterministic() { vec![experiment.seeds[0]] } else { experiment.seeds.clone() };
            models.push(PlannedModel { model, config, seeds });
        }
        // A setting in a file for all models may fit none of those that this run keeps.
        if let Some(unused) = used[from_file..].iter().position(|used| !used) {
            let text = &overrides[unused];
            return Err(Error::Usage(format!("--set {text}: none of the models has such a setting")));
        }
        Ok(Self { name: name.to_owned(), experiment, split, models })
    }

    /// Where runs go unless told: the experiment's name under `runs`.
    pub fn default_folder(&self) -> PathBuf {
        Path::new("runs").join(&self.name)
    }
}

/// Whether settings are for all models.
pub fn is_all(model: &str) -> bool {
    matches!(model, "all" | "*")
}

/// Refuses a list that names something twice.
///
/// # Errors
/// [`Error::Usage`].
pub fn refuse_repeated<T: PartialEq + std::fmt::Display>(what: &str, values: &[T]) -> Result<()> {
    match values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)) {
        Some((_, value)) => Err(Error::Usage(format!("{what} {value} is named twice"))),
        None => Ok(()),
    }
}

/// The leaves of `table` as settings of `model`.
///
/// # Errors
/// [`Error::Usage`] for a value that JSON cannot hold.
pub fn flatten(model: &str, prefix: &str, table: &toml::Table, out: &mut Vec<Setting>) -> Result<()> {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(model, &path, inner, out)?,
            value => {
                let value = serde_json::to_value(value)
                    .map_err(|error| Error::Usage(format!("settings.{model}.{path}: {error}")))?;
                out.push(Setting { model: (!is_all(model)).then(|| model.to_owned()), key: path, value });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment(text: &str) -> Experiment {
        toml::from_str(text).unwrap()
    }

    const TWO: &str = r#"
        data = "mt-mini"
        models = ["popularity", "directau"]
        [settings.all]
        dim = 16
        [settings.directau]
        gamma = 0.3
        training.epochs = 5
        [settings.bpr]
        epochs = 7
    "#;

    #[test]
    fn settings_come_in_order_and_deterministic_models_run_once() {
        let plan =
            Plan::new("x", experiment(TWO), &["directau.gamma=0.2".into(), "all.epochs=3".into()]).unwrap();
        assert_eq!(plan.models[0].seeds, [1]);
        assert_eq!(plan.models[1].seeds, [1, 2, 3]);
        let config = &plan.models[1].config;
        assert_eq!(config["loss"]["directau"]["gamma"], 0.2);
        assert_eq!((&config["training"]["dim"], &config["training"]["epochs"]), (&16.into(), &3.into()));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let code = |text: &str, overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
            Plan::new("x", experiment(text), &overrides).unwrap_err().exit_code()
        };
        assert_eq!(code(TWO, &["directau.gama=1"]), 2);
        assert_eq!(code(TWO, &["bpr.dim=1"]), 2);
        assert_eq!(code(TWO, &["all.lambda=1"]), 2);
        assert_eq!(code(TWO, &["directau.seed=1"]), 2);
        assert_eq!(code(&TWO.replace("mt-mini\"", "mt-mini\"\nsplit = \"half\""), &[]), 2);
        assert_eq!(code(&TWO.replace("mt-mini\"", "mt-mini\"\nmetrics = [\"ndgc@20\"]"), &[]), 2);
        assert_eq!(code(&TWO.replace("mt-mini\"", "mt-mini\"\nseeds = [1, 1]"), &[]), 2);
        assert_eq!(code(&TWO.replace("settings.bpr", "settings.bprr"), &[]), 2);
    }

    #[test]
    fn every_named_experiment_holds() {
        let names = named().unwrap();
        assert!(names.iter().any(|name| name == "quickstart"));
        for name in names {
            let (name, experiment) = Experiment::open(&name).unwrap();
            assert!(!experiment.about.is_empty(), "{name} does not say what it is for");
            Plan::new(&name, experiment, &[]).unwrap();
        }
        assert_eq!(Experiment::open("nothing-of-the-kind").unwrap_err().exit_code(), 2);
    }
}
