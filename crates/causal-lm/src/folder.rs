//! Models in Hugging Face's form: `config.json` and safetensors, in one file or in shards with an index.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use rec_core::run::remove_if_there;
use safetensors::tensor::{SafeTensors, TensorView, serialize};
use serde_json::{Value, json};

use crate::weights::{self, Missing, Stored};
use crate::{CausalLm, CausalLmConfig, Error, Result};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Core(rec_core::Error::io(path, source))
}

pub(crate) fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).map_err(|source| io(path, source))?;
    serde_json::from_slice(&text).map_err(|error| Error::format(path, error.to_string()))
}

pub(crate) fn read_tensors(path: &Path) -> Result<BTreeMap<String, Stored>> {
    let bytes = fs::read(path).map_err(|source| io(path, source))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| Error::format(path, error.to_string()))?;
    Ok(file.iter().map(|(name, view)| (name.to_string(), Stored::of(&view))).collect())
}

pub(crate) fn write_tensors(path: &Path, tensors: &[(String, Stored)]) -> Result<()> {
    let fault = |error: safetensors::SafeTensorError| Error::format(path, error.to_string());
    let views = tensors
        .iter()
        .map(|(name, stored)| {
            Ok((name.as_str(), TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes)?))
        })
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(fault)?;
    let metadata = [("format".to_string(), "pt".to_string())].into();
    let bytes = serialize(views, Some(metadata)).map_err(fault)?;
    Ok(rec_core::run::replace_file(path, &bytes)?)
}

pub(crate) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::format(path, error.to_string()))?;
    Ok(rec_core::run::replace_file(path, format!("{text}\n").as_bytes())?)
}

/// Our path of a parameter under Hugging Face's name.
fn path_of(name: &str) -> &str {
    name.strip_prefix("model.").unwrap_or(name)
}

/// Whether the file holds the transposed parameter.
fn is_transposed(path: &str) -> bool {
    path.ends_with("_proj.weight") || path == "lm_head.weight"
}

/// Reads a model from a folder with `config.json` and `model.safetensors`, or shards with
/// `model.safetensors.index.json`. Weights become f32; [`CausalLm::cast`] makes them smaller.
///
/// # Errors
/// [`Error::Config`] if the model is none that this decoder can be; [`Error::Format`] if a file is damaged, a parameter
/// is missing, too many, or of another shape; [`Error::Core`] if a file cannot be read.
pub fn load_model(folder: impl AsRef<Path>, device: &Device) -> Result<CausalLm> {
    let folder = folder.as_ref();
    let config = CausalLmConfig::from_hugging_face(&read_json(&folder.join(CONFIG))?)?;
    let index = folder.join(INDEX);
    let mut tensors = BTreeMap::new();
    let mut from = folder.join(WEIGHTS);
    if !from.exists() && index.exists() {
        for shard in indexed_shards(&index)? {
            tensors.append(&mut read_tensors(&folder.join(shard))?);
        }
        from = index;
    } else {
        tensors = read_tensors(&from)?;
    }
    let mut parameters = BTreeMap::new();
    for (name, stored) in tensors {
        let path = path_of(&name);
        // Some writers keep the tied head, and old ones the rotary frequencies.
        if (config.tie_word_embeddings && path == "lm_head.weight") || path.ends_with("rotary_emb.inv_freq") {
            continue;
        }
        let stored = if is_transposed(path) { stored.transposed() } else { stored };
        parameters.insert(path.to_string(), stored);
    }
    let model = config.blank(device)?;
    weights::fill(model, parameters, Missing::Adapters).map_err(|what| Error::format(&from, what))
}

/// Writes `config.json` and `model.safetensors`, in the type of the parameters. Adapters are not written; merge them
/// first or save them on their own. The weights of a model that was saved here before go, whichever form they have.
///
/// # Errors
/// [`Error::Core`] if a file cannot be written or removed.
pub fn save_model(model: &CausalLm, folder: impl AsRef<Path>) -> Result<()> {
    save_model_in_shards(model, folder, usize::MAX)
}

/// As [`save_model`], in shards of at most `bytes` each (or one parameter) with their index.
///
/// # Errors
/// As [`save_model`].
pub fn save_model_in_shards(model: &CausalLm, folder: impl AsRef<Path>, bytes: usize) -> Result<()> {
    let folder = folder.as_ref();
    fs::create_dir_all(folder).map_err(|source| io(folder, source))?;
    let mut shards: Vec<Vec<(String, Stored)>> = vec![Vec::new()];
    let (mut size, mut total) = (0, 0);
    weights::visit(model, &mut |path, _, read| {
        if weights::is_adapter(path) {
            return;
        }
        let stored = if is_transposed(path) { read().transposed() } else { read() };
        let name = if path == "lm_head.weight" { path.to_string() } else { format!("model.{path}") };
        if size > 0 && size + stored.bytes.len() > bytes {
            shards.push(Vec::new());
            size = 0;
        }
        size += stored.bytes.len();
        total += stored.bytes.len();
        shards.last_mut().expect("there is one").push((name, stored));
    });
    let mut config = model.config().to_hugging_face();
    if model.dtype() == burn::tensor::DType::BF16 {
        config["torch_dtype"] = json!("bfloat16");
    }
    let (weights, index) = (folder.join(WEIGHTS), folder.join(INDEX));
    // Of an index that cannot be read nobody knows the shards, and without it nobody reads them.
    let mut old_shards = indexed_shards(&index).unwrap_or_default();
    old_shards.retain(|shard| shard.ends_with(".safetensors"));
    write_json(&folder.join(CONFIG), &config)?;
    if let [only] = shards.as_slice() {
        write_tensors(&weights, only)?;
        // The other form would be the model that was here before.
        remove_if_there(&index)?;
        return old_shards.iter().try_for_each(|shard| Ok(remove_if_there(&folder.join(shard))?));
    }
    let mut map = serde_json::Map::new();
    for (at, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", at + 1, shards.len());
        write_tensors(&folder.join(&file), shard)?;
        map.extend(shard.iter().map(|(name, _)| (name.clone(), json!(file))));
    }
    let new_shards: Vec<String> = map.values().filter_map(Value::as_str).map(str::to_owned).collect();
    write_json(&index, &json!({ "metadata": { "total_size": total }, "weight_map": map }))?;
    // What is read first would be the model that was here before.
    remove_if_there(&weights)?;
    let mut left = old_shards.iter().filter(|shard| !new_shards.contains(shard));
    left.try_for_each(|shard| Ok(remove_if_there(&folder.join(shard))?))
}

/// The files that the index of shards at `path` names, each once.
fn indexed_shards(path: &Path) -> Result<Vec<String>> {
    let value = read_json(path)?;
    let map = value.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| Error::format(path, "has no object weight_map"))?;
    let mut shards: Vec<String> = Vec::new();
    for (name, shard) in map {
        let shard = shard.as_str().filter(|shard| !shard.contains(['/', '\\']));
        let shard = shard.ok_or_else(|| Error::format(path, format!("{name} has no file name")))?;
        shards.push(shard.to_owned());
    }
    shards.sort_unstable();
    shards.dedup();
    Ok(shards)
}
