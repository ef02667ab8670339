//! User models: fitted once for each world and seed, and shared by the runs of that seed through a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rec_core::run::replace_file;
use rl_env::simulate::{Predicted, Sensitivity, exposure_of_log};
use rl_env::tracker::ItemVectors;
use rl_env::user_model::{Ensemble, UserModelConfig, UserModelData};
use rl_env::{Compat, ItemTables, LogColumns, Reward, RewardMatrix, Source};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::world::in_order;
use crate::error::{Error, Result};

/// Which user model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Several DeepFMs with their uncertainty.
    Ensemble,
    /// One DeepFM whose errors are weighed by inverse propensity.
    Ips,
    /// Several DeepFMs that know how much of the like a user has just had (CIRS).
    Exposure,
}

impl Kind {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ensemble => "ensemble",
            Self::Ips => "ips",
            Self::Exposure => "exposure",
        }
    }

    /// The published settings for `world`.
    pub fn defaults(self, world: &str, target: rl_env::datasets::Target) -> UserModelConfig {
        let mut config = match self {
            Self::Ensemble => UserModelConfig::default(),
            Self::Ips => UserModelConfig::inverse_propensity(),
            Self::Exposure => UserModelConfig { learn_sensitivity: true, ..UserModelConfig::default() },
        };
        config.model.target = target;
        match world {
            "kuairec" | "synthetic-kuairec" => (config.negatives, config.batch_size) = (3, 4096),
            "kuairand" => (config.model.dim, config.batch_size) = (4, 4096),
            _ => {}
        }
        config
    }
}

/// How slowly exposure fades, and how far back it goes, in the user model of CIRS.
const EXPOSURE: (f32, usize) = (100.0, 30);

/// What a fit came to: all that policies need of a user model.
pub struct UserModel {
    /// Its predictions for every user and item of the truth.
    pub predicted: Arc<Predicted>,
    /// The item vectors that trackers start from.
    pub items: ItemVectors,
    /// The factors of exposure, where they are learned.
    pub sensitivity: Option<Arc<Sensitivity>>,
    /// The mean absolute error on held-out ratings, where the data set has some.
    pub mae: Option<f64>,
}

/// What identifies a fit: settings, seed and everything that was read.
pub fn key(kind: Kind, config: &UserModelConfig, compat: &Compat, seed: u64, world: &str) -> String {
    let all = json!({
        "kind": kind,
        "config": config,
        "shared_ensemble_init": compat.shared_ensemble_init,
        "seed": seed,
        "world": world,
    });
    let mut hasher = Sha256::new();
    hasher.update(all.to_string());
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the model of a seed lies under the folder of a plan.
pub fn path(folder: &Path, kind: Kind, seed: u64) -> PathBuf {
    folder.join("user-models").join(format!("{}-{seed}.safetensors", kind.name()))
}

/// Fits the model.
///
/// # Errors
/// What the model reports.
pub fn fit(
    kind: Kind,
    (source, tables): (&Source, &ItemTables),
    config: &UserModelConfig,
    compat: &Compat,
    seed: u64,
    device: &str,
) -> Result<UserModel> {
    let device = cf_align::autodiff::device(device)?;
    let known;
    let (log, exposure) = match kind {
        Kind::Ensemble | Kind::Ips => (source.log.columns(), None),
        Kind::Exposure => {
            // Only items of the truth have distances.
            let columns = source.item_columns();
            known = in_order(&source.log, |row| columns[source.log.items[row] as usize].is_some());
            let items: Vec<u32> = known.items.iter().filter_map(|&item| columns[item as usize]).collect();
            let of_truth = LogColumns { items: &items, ..known.columns() };
            let exposure = exposure_of_log(of_truth, tables.likeness(), EXPOSURE.0, EXPOSURE.1)?;
            (known.columns(), Some(exposure))
        }
    };
    let data =
        UserModelData { log, users: &source.users, items: &source.items, exposure: exposure.as_deref() };
    let model = Ensemble::fit(&data, config, compat, seed, &device)?;
    let (users, items) = (&source.truth_users, &source.truth_items);
    let held_out = source.held_out.as_ref().filter(|log| !log.is_empty());
    let mae = held_out.map(|log| model.errors(log.columns(), None)).transpose()?.map(|errors| errors.mae);
    Ok(UserModel {
        predicted: Arc::new(model.predict_all(users, items)?),
        items: model.item_representations(items)?,
        sensitivity: model.sensitivity(users, items)?.map(Arc::new),
        mae,
    })
}

const HEADER: &str = "sextant.user-model";

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    n_users: usize,
    n_items: usize,
    dim: usize,
    mae: Option<f64>,
}

/// Whether `path` holds the model that `key` identifies.
pub fn is_there(path: &Path, key: &str) -> bool {
    let header = || {
        let bytes = std::fs::read(path).ok()?;
        header(&bytes)
    };
    header().is_some_and(|header| header.key == key)
}

fn header(bytes: &[u8]) -> Option<Header> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    serde_json::from_str(metadata.metadata().as_ref()?.get(HEADER)?).ok()
}

/// Writes the model so that a reader sees all of it or nothing.
///
/// # Errors
/// [`Error::Io`].
pub fn write(path: &Path, key: &str, model: &UserModel) -> Result<()> {
    let cells = |matrix: &RewardMatrix| {
        let (users, items) = (matrix.n_users() as u32, matrix.n_items() as u32);
        (0..users).flat_map(|user| (0..items).map(move |item| matrix.get(user, item))).collect::<Vec<f32>>()
    };
    let mean = &model.predicted.mean;
    let mut tensors = vec![("mean", cells(mean)), ("items", model.items.values.clone())];
    if let Some(variance) = &model.predicted.variance {
        tensors.push(("variance", cells(variance)));
    }
    if let Some(factors) = &model.sensitivity {
        tensors.push(("sensitivity_users", factors.users.clone()));
        tensors.push(("sensitivity_items", factors.items.clone()));
    }
    let bytes: Vec<(&str, usize, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, values)| {
            (name, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let failed = |error: safetensors::SafeTensorError| Error::Failed(format!("{}: {error}", path.display()));
    let mut views = Vec::new();
    for (name, length, bytes) in &bytes {
        views.push((*name, TensorView::new(Dtype::F32, vec![*length], bytes).map_err(failed)?));
    }
    let header = Header {
        key: key.to_owned(),
        n_users: mean.n_users(),
        n_items: mean.n_items(),
        dim: model.items.dim,
        mae: model.mae,
    };
    let text = serde_json::to_string(&header).expect("a header is plain data");
    let file = serialize(views, Some(HashMap::from([(HEADER.to_owned(), text)]))).map_err(failed)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    }
    Ok(replace_file(path, &file)?)
}

/// Reads the model that `key` identifies.
///
/// # Errors
/// [`Error::Io`]; [`Error::Stale`] if the file holds another model, or none.
pub fn read(path: &Path, key: &str) -> Result<UserModel> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    let stale = |what: &str| Error::Stale(format!("{}: {what}", path.display()));
    let header = header(&bytes).ok_or_else(|| stale("is not a user model"))?;
    if header.key != key {
        return Err(stale("holds a user model of other settings or data"));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|error| stale(&error.to_string()))?;
    let floats = |name: &str| {
        let four = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().expect("chunks have four bytes"));
        file.tensor(name).ok().map(|view| view.data().chunks_exact(4).map(four).collect::<Vec<f32>>())
    };
    let needed = |name: &str| floats(name).ok_or_else(|| stale(&format!("has no tensor {name}")));
    let matrix = |cells| RewardMatrix::new(header.n_users, header.n_items, cells);
    let variance = floats("variance").map(matrix).transpose()?;
    let sensitivity = match (floats("sensitivity_users"), floats("sensitivity_items")) {
        (Some(users), Some(items)) => Some(Arc::new(Sensitivity { users, items })),
        _ => None,
    };
    Ok(UserModel {
        predicted: Arc::new(Predicted::new(matrix(needed("mean")?)?, variance)?),
        items: ItemVectors { dim: header.dim, values: needed("items")? },
        sensitivity,
        mae: header.mae,
    })
}

/// The settings of a user model from JSON.
///
/// # Errors
/// [`Error::Usage`] naming the key, what it is and what is accepted.
pub fn config(value: &Value) -> Result<UserModelConfig> {
    let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("settings of user-model: {error}"));
    let config: UserModelConfig = serde_json::from_value(value.clone()).map_err(|error| wrong(&error))?;
    config.validate().map_err(|error| wrong(&error))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_comes_back_from_its_file_and_another_key_is_refused() {
        let matrix = |start: f32| {
            RewardMatrix::new(2, 3, (0..6).map(|cell| start + cell as f32 / 7.0).collect()).unwrap()
        };
        let model = UserModel {
            predicted: Arc::new(Predicted::new(matrix(1.0), Some(matrix(0.5))).unwrap()),
            items: ItemVectors { dim: 2, values: vec![0.25; 6] },
            sensitivity: Some(Arc::new(Sensitivity { users: vec![1.0, 2.0], items: vec![0.5; 3] })),
            mae: Some(0.7),
        };
        let place = tempfile::tempdir().unwrap();
        let path = path(place.path(), Kind::Exposure, 3);
        assert!(!is_there(&path, "a"));
        write(&path, "a", &model).unwrap();
        assert!(is_there(&path, "a") && !is_there(&path, "b"));
        let back = read(&path, "a").unwrap();
        assert_eq!((back.items, back.mae), (model.items, model.mae));
        assert_eq!(back.sensitivity, model.sensitivity);
        for (user, item) in [(0, 0), (1, 2)] {
            assert_eq!(back.predicted.mean.get(user, item), model.predicted.mean.get(user, item));
        }
        assert_eq!(read(&path, "b").err().unwrap().exit_code(), 4);
        std::fs::write(&path, "broken").unwrap();
        assert_eq!(read(&path, "a").err().unwrap().exit_code(), 4);
    }

    #[test]
    fn the_key_knows_settings_seed_and_world() {
        let target = rl_env::datasets::Target::Rating;
        let config = Kind::Ensemble.defaults("coat", target);
        let of = |seed, world: &str, config: &UserModelConfig| {
            key(Kind::Ensemble, config, &Compat::default(), seed, world)
        };
        let one = of(1, "a", &config);
        assert_eq!(one, of(1, "a", &config));
        assert_ne!(one, of(2, "a", &config));
        assert_ne!(one, of(1, "b", &config));
        assert_ne!(one, of(1, "a", &UserModelConfig { epochs: 9, ..config.clone() }));
        assert_eq!(Kind::Ensemble.defaults("kuairand", target).model.dim, 4);
    }
}
