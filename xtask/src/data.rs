//! From a name or a folder to a data set and its split, and what tables and reports say of both.

use std::path::{Path, PathBuf};

use rec_core::filter::{self, FilterConfig};
use rec_core::read::registry::Registry;
use rec_core::split::SplitSpec;
use rec_core::{Dataset, Split, read};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::machine::workspace;

/// Where fetched data sets lie: `$SEXTANT_DATA`, or the user's cache folder.
pub fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("SEXTANT_DATA")
        .or_else(|| from("XDG_CACHE_HOME").map(|cache| cache.join("sextant/data")))
        .or_else(|| from("HOME").map(|home| home.join(".cache/sextant/data")))
        .unwrap_or_else(|| PathBuf::from("data"))
}

/// The folder (or file) that `data` means: a path that exists, a data set that comes with the repository, or a
/// fetched one.
///
/// # Errors
/// [`Error::Data`] saying where it was looked for.
pub fn locate(data: &str) -> Result<PathBuf> {
    let path = Path::new(data);
    let plain_name = path.components().count() == 1 && !data.contains('.');
    let places = [workspace().join("datasets").join(data), cache().join(data)];
    if plain_name && let Some(found) = places.iter().find(|place| place.is_dir()) {
        return Ok(found.clone());
    }
    if path.exists() {
        return Ok(path.to_owned());
    }
    Err(Error::Data(if plain_name {
        let [ours, fetched] = places;
        format!(
            "no data set {data}: neither {} nor {} exists; `cargo xtask data list` names the known ones",
            ours.display(),
            fetched.display()
        )
    } else {
        format!("{data}: no such file or folder")
    }))
}

/// The registry of known data sets.
///
/// # Errors
/// [`Error::Data`] if it cannot be read.
pub fn registry() -> Result<Registry> {
    Ok(Registry::load(&workspace().join("datasets/datasets.toml"))?)
}

/// Reads the data set that `data` means.
///
/// # Errors
/// [`Error::Data`] if there is none, and what the reader reports.
pub fn load(data: &str) -> Result<Dataset> {
    Ok(read::folder(locate(data)?)?)
}

/// Reads the data set that `data` means and keeps what `filter` keeps.
///
/// # Errors
/// As [`load`], and what the filter reports.
pub fn load_filtered(data: &str, config: &FilterConfig) -> Result<Dataset> {
    let dataset = load(data)?;
    if *config == FilterConfig::default() { Ok(dataset) } else { Ok(filter::apply(dataset, config)?) }
}

/// Splits `dataset`.
///
/// # Errors
/// What the split reports.
pub fn split(dataset: &Dataset, spec: &SplitSpec, seed: u64) -> Result<Split> {
    Ok(spec.split(dataset, seed)?)
}

/// What reports say of a data set.
pub fn facts(dataset: &Dataset, asked: &str, config: &FilterConfig) -> Map<String, Value> {
    let (users, items, rows) = (dataset.n_users(), dataset.n_items(), dataset.interactions.len());
    let mut facts = Map::new();
    let mut put = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    put("name", json!(dataset.name));
    put("asked_for", json!(asked));
    put("users", json!(users));
    put("items", json!(items));
    put("interactions", json!(rows));
    put("density", json!(round(rows as f64 / (users.max(1) as f64 * items.max(1) as f64))));
    put("interactions_per_user", json!(round(rows as f64 / users.max(1) as f64)));
    put("interactions_per_item", json!(round(rows as f64 / items.max(1) as f64)));
    put("ratings", json!(dataset.interactions.ratings.is_some()));
    put("timestamps", json!(dataset.interactions.timestamps.is_some()));
    if *config != FilterConfig::default()
        && let Value::Object(kept) = json!(config)
    {
        let plain = json!(FilterConfig::default());
        let changed: Map<String, Value> =
            kept.into_iter().filter(|(key, value)| plain[key] != *value).collect();
        facts.insert("filter".into(), Value::Object(changed));
    }
    facts
}

/// Six digits after the point, which is enough to read.
pub fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// What reports say of a split.
pub fn split_facts(split: &Split) -> Map<String, Value> {
    let manifest = &split.manifest;
    let mut facts = Map::new();
    let mut put = |key: &str, value: Value| facts.insert(key.to_owned(), value);
    put("rule", json!(manifest.spec));
    put("seed", json!(manifest.seed));
    put("train", json!(manifest.train));
    put("valid", json!(manifest.valid));
    put("test", json!(manifest.test));
    if manifest.fold_in > 0 {
        put("fold_in", json!(manifest.fold_in));
    }
    put("split_sha256", json!(manifest.split_sha256));
    put("source_sha256", json!(manifest.source_sha256));
    facts
}
