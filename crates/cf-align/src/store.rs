//! Saving models and loading them again: one safetensors file that holds everything needed to serve.
//!
//! `model.safetensors` holds the weights as tensors, the outside names of users and items as two byte tensors
//! (`names.users`, `names.items`: JSON lists), and in its metadata what the model is:
//!
//! | key | value |
//! |---|---|
//! | `format` | `sextant-cf-align` |
//! | `format_version` | `1` |
//! | `sextant_version` | of the crate that wrote it |
//! | `model` | `embeddings`, `ease`, `ials`, `item_knn` or `popularity` |
//! | `config` | the settings as JSON; `null` for embeddings that came from elsewhere |
//! | `scoring` | `dot` or `cosine` (embeddings only) |
//!
//! One file, so that weights and names can never be of two different runs. It is replaced atomically.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rec_core::run::replace_file;
use rec_core::{IdMap, Interactions, ItemId, Query, Rankings, Recommender, UserId, UserItems};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sparse::SparseItemItem;
use crate::{Ease, EaseWeights, Embeddings, Error, Ials, ItemKnn, ModelConfig, Popularity, Result, Scoring};

const FORMAT: &str = "sextant-cf-align";
const VERSION: &str = "1";

/// Any model of this crate.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Vectors trained by [`fit`](crate::fit), with its settings, or from elsewhere, without.
    Embeddings(Embeddings, Option<Box<ModelConfig>>),
    /// EASE.
    Ease(Ease),
    /// iALS.
    Ials(Ials),
    /// Item neighbours.
    ItemKnn(ItemKnn),
    /// Popularity.
    Popularity(Popularity),
}

impl Model {
    /// The name of the kind of model, as in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Embeddings(..) => "embeddings",
            Self::Ease(_) => "ease",
            Self::Ials(_) => "ials",
            Self::ItemKnn(_) => "item_knn",
            Self::Popularity(_) => "popularity",
        }
    }

    /// The vectors, for the kinds that have them.
    pub fn embeddings(&self) -> Option<&Embeddings> {
        match self {
            Self::Embeddings(embeddings, _) => Some(embeddings),
            Self::Ials(model) => Some(model.embeddings()),
            Self::Ease(_) | Self::ItemKnn(_) | Self::Popularity(_) => None,
        }
    }

    /// The number of users in training, for the kinds that know them.
    fn n_users(&self) -> Option<usize> {
        match self {
            Self::Ease(model) => Some(model.train.n_users()),
            Self::ItemKnn(model) => Some(model.train.n_users()),
            Self::Embeddings(..) | Self::Ials(_) => self.embeddings().map(Embeddings::n_users),
            Self::Popularity(_) => None,
        }
    }

    fn recommender(&self) -> &dyn Recommender {
        match self {
            Self::Embeddings(model, _) => model,
            Self::Ease(model) => model,
            Self::Ials(model) => model,
            Self::ItemKnn(model) => model,
            Self::Popularity(model) => model,
        }
    }
}

impl Recommender for Model {
    fn n_items(&self) -> usize {
        self.recommender().n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        self.recommender().recommend(queries, k)
    }
}

/// A model with the names of its users and items.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The model.
    pub model: Model,
    /// The outside names of the users.
    pub users: IdMap,
    /// The outside names of the items.
    pub items: IdMap,
}

/// The file that [`save`] writes in a folder.
pub fn model_path(folder: &Path) -> PathBuf {
    folder.join("model.safetensors")
}

/// Writes `model.safetensors` in `folder`, which is made if it is missing. The file is put together in memory and
/// replaced atomically: a reader sees the old or the new model, never a part of one.
///
/// # Errors
/// [`Error::Core`] if the numbers of names and of rows differ, or the file cannot be written.
pub fn save(model: &Model, users: &IdMap, items: &IdMap, folder: &Path) -> Result<()> {
    check_names(model, users, items).map_err(rec_core::Error::invalid)?;
    let mut tensors = Tensors::default();
    let config = match model {
        Model::Embeddings(embeddings, config) => {
            tensors.embeddings(embeddings);
            json(config)
        }
        Model::Ials(model) => {
            tensors.embeddings(model.embeddings());
            json(model.config())
        }
        Model::Ease(model) => {
            tensors.train(&model.train);
            match &model.weights {
                EaseWeights::Dense(weights) => {
                    tensors.push("weights", Dtype::F32, &[items.len(), items.len()], floats(weights));
                }
                EaseWeights::Sparse(weights) => tensors.sparse(weights),
            }
            json(&model.config)
        }
        Model::ItemKnn(model) => {
            tensors.train(&model.train);
            tensors.sparse(&model.weights);
            json(&model.config)
        }
        Model::Popularity(model) => {
            let counts = model.counts();
            tensors.push("counts", Dtype::U32, &[counts.len()], words(counts.iter().copied()));
            "null".to_owned()
        }
    };
    for (name, map) in [("names.users", users), ("names.items", items)] {
        let text = json(map).into_bytes();
        tensors.push(name, Dtype::U8, &[text.len()], text);
    }
    let mut metadata = HashMap::from([
        ("format", FORMAT.to_owned()),
        ("format_version", VERSION.to_owned()),
        ("sextant_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("model", model.kind().to_owned()),
        ("config", config),
    ]);
    if let Model::Embeddings(embeddings, _) = model {
        metadata.insert("scoring", json(&embeddings.scoring()).trim_matches('"').to_owned());
    }
    let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();

    let views = tensors.0.iter().map(|(name, dtype, shape, bytes)| {
        (*name, TensorView::new(*dtype, shape.clone(), bytes).expect("the shape is that of the bytes"))
    });
    let path = model_path(folder);
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|error| Error::Format { path: path.clone(), what: error.to_string() })?;
    drop(tensors);
    std::fs::create_dir_all(folder).map_err(|source| rec_core::Error::io(folder, source))?;
    Ok(replace_file(&path, &bytes)?)
}

/// Reads what [`save`] wrote.
///
/// # Errors
/// [`Error::Core`] if the file cannot be read; [`Error::Format`] if it is cut off, of another program or version, or
/// its tensors contradict each other.
pub fn load(folder: &Path) -> Result<Saved> {
    let path = model_path(folder);
    let bytes = std::fs::read(&path).map_err(|source| rec_core::Error::io(&path, source))?;
    parse(&bytes).map_err(|what| Error::Format { path, what })
}

type Parsed<T> = std::result::Result<T, String>;

fn parse(bytes: &[u8]) -> Parsed<Saved> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|error| format!("not a whole safetensors file: {error}"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let value = |key: &str| {
        metadata
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| format!("the metadata has no `{key}`: not a saved model"))
    };
    match (value("format")?, value("format_version")?) {
        (FORMAT, VERSION) => {}
        (FORMAT, version) => {
            let writer = metadata.get("sextant_version").map_or("an unknown version", String::as_str);
            return Err(format!(
                "format version {version}, written by sextant {writer}; this one reads {VERSION}"
            ));
        }
        (format, _) => return Err(format!("format `{format}`, expected `{FORMAT}`")),
    }
    let read = Reader(&tensors);
    let users: IdMap = from_json("names.users", read.text("names.users")?)?;
    let items: IdMap = from_json("names.items", read.text("names.items")?)?;
    let config = value("config")?;
    let model = match value("model")? {
        "embeddings" => {
            let scoring: Scoring = from_json("scoring", &format!("\"{}\"", value("scoring")?))?;
            let config: Option<Box<ModelConfig>> = from_json("config", config)?;
            Model::Embeddings(read.embeddings(scoring)?, config)
        }
        "ials" => {
            let config: crate::IalsConfig = from_json("config", config)?;
            config.validate().map_err(|error| error.to_string())?;
            let embeddings = read.embeddings(Scoring::Dot)?;
            if embeddings.dim() != config.dim {
                return Err(format!(
                    "factors of length {}, the settings say {}",
                    embeddings.dim(),
                    config.dim
                ));
            }
            Model::Ials(Ials::from_parts(config, embeddings))
        }
        "ease" => {
            let config: crate::EaseConfig = from_json("config", config)?;
            let train = read.train(users.len(), items.len())?;
            let weights = match config.top_k {
                None => EaseWeights::Dense(read.matrix("weights", Some(items.len()), items.len())?),
                Some(_) => EaseWeights::Sparse(read.sparse(items.len())?),
            };
            Model::Ease(Ease { config, train, weights })
        }
        "item_knn" => {
            let config = from_json("config", config)?;
            let train = read.train(users.len(), items.len())?;
            Model::ItemKnn(ItemKnn { config, train, weights: read.sparse(items.len())? })
        }
        "popularity" => Model::Popularity(Popularity::from_counts(read.words("counts")?)),
        other => return Err(format!("model `{other}` is not known to this version")),
    };
    check_names(&model, &users, &items)?;
    Ok(Saved { model, users, items })
}

fn check_names(model: &Model, users: &IdMap, items: &IdMap) -> Parsed<()> {
    if model.n_items() != items.len() {
        return Err(format!("{} names for the {} items of the model", items.len(), model.n_items()));
    }
    match model.n_users() {
        Some(n_users) if n_users != users.len() => {
            Err(format!("{} names for the {n_users} users of the model", users.len()))
        }
        _ => Ok(()),
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain structs with string keys")
}

fn from_json<T: DeserializeOwned>(key: &str, text: &str) -> Parsed<T> {
    serde_json::from_str(text).map_err(|error| format!("`{key}`: {error}"))
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn words(values: impl Iterator<Item = u32>) -> Vec<u8> {
    values.flat_map(u32::to_le_bytes).collect()
}

fn long_words(values: impl Iterator<Item = u64>) -> Vec<u8> {
    values.flat_map(u64::to_le_bytes).collect()
}

/// Name, type, shape and bytes of what goes into the file.
#[derive(Default)]
struct Tensors(Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)>);

impl Tensors {
    fn push(&mut self, name: &'static str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
        self.0.push((name, dtype, shape.to_vec(), bytes));
    }

    fn embeddings(&mut self, model: &Embeddings) {
        self.push("users", Dtype::F32, &[model.n_users(), model.dim()], floats(model.users()));
        self.push("items", Dtype::F32, &[model.n_items(), model.dim()], floats(model.items()));
    }

    fn train(&mut self, train: &UserItems) {
        let rows = || (0..train.n_users()).map(|user| train.row(UserId::from_index(user)));
        let lengths = words(rows().map(|row| row.len() as u32));
        self.push("train.lengths", Dtype::U32, &[train.n_users()], lengths);
        let items = words(rows().flatten().map(|item| item.0));
        self.push("train.items", Dtype::U32, &[train.n_pairs()], items);
    }

    fn sparse(&mut self, weights: &SparseItemItem) {
        let offsets = long_words(weights.offsets.iter().copied());
        self.push("weights.offsets", Dtype::U64, &[weights.offsets.len()], offsets);
        let targets = words(weights.targets.iter().copied());
        self.push("weights.targets", Dtype::U32, &[weights.targets.len()], targets);
        self.push("weights.values", Dtype::F32, &[weights.values.len()], floats(&weights.values));
    }
}

/// Typed access to the tensors of a file.
struct Reader<'a>(&'a SafeTensors<'a>);

impl<'a> Reader<'a> {
    fn tensor(&self, name: &str, dtype: Dtype, dimensions: usize) -> Parsed<TensorView<'a>> {
        let tensor = self.0.tensor(name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if tensor.dtype() != dtype || tensor.shape().len() != dimensions {
            let (found, shape) = (tensor.dtype(), tensor.shape());
            return Err(format!(
                "tensor `{name}` is {found:?} {shape:?}, expected {dtype:?} of {dimensions} dimensions"
            ));
        }
        Ok(tensor)
    }

    fn text(&self, name: &str) -> Parsed<&'a str> {
        std::str::from_utf8(self.tensor(name, Dtype::U8, 1)?.data())
            .map_err(|error| format!("`{name}`: {error}"))
    }

    fn words(&self, name: &str) -> Parsed<Vec<u32>> {
        let tensor = self.tensor(name, Dtype::U32, 1)?;
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    fn floats(name: &str, tensor: &TensorView<'_>) -> Parsed<Vec<f32>> {
        let values: Vec<f32> =
            tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(place) => Err(format!("tensor `{name}` holds {} at {place}", values[place])),
            None => Ok(values),
        }
    }

    fn matrix(&self, name: &str, rows: Option<usize>, columns: usize) -> Parsed<Vec<f32>> {
        let tensor = self.tensor(name, Dtype::F32, 2)?;
        let shape = tensor.shape();
        if rows.is_some_and(|rows| shape[0] != rows) || shape[1] != columns {
            return Err(format!("tensor `{name}` is {shape:?}, expected {columns} columns for each row"));
        }
        Self::floats(name, &tensor)
    }

    fn embeddings(&self, scoring: Scoring) -> Parsed<Embeddings> {
        let tensor = self.tensor("items", Dtype::F32, 2)?;
        let shape = tensor.shape();
        // Without a row nothing bounds the length of one.
        if shape.contains(&0) {
            return Err(format!("tensor `items` is {shape:?}: there are no vectors"));
        }
        let dim = shape[1];
        let (users, items) = (self.matrix("users", None, dim)?, self.matrix("items", None, dim)?);
        Ok(Embeddings::new(dim, users, items, scoring))
    }

    fn train(&self, n_users: usize, n_items: usize) -> Parsed<UserItems> {
        let (lengths, items) = (self.words("train.lengths")?, self.words("train.items")?);
        let total: u64 = lengths.iter().map(|&length| u64::from(length)).sum();
        if lengths.len() != n_users || total != items.len() as u64 {
            return Err(format!(
                "`train.lengths` speaks of {} users and {total} items, expected {n_users} and {}",
                lengths.len(),
                items.len()
            ));
        }
        if let Some(item) = items.iter().find(|&&item| item as usize >= n_items) {
            return Err(format!("`train.items` has item {item} of {n_items}"));
        }
        let users = lengths.iter().enumerate();
        let users = users.flat_map(|(user, &n)| std::iter::repeat_n(UserId::from_index(user), n as usize));
        let rows = Interactions::from_pairs(users.collect(), items.into_iter().map(ItemId).collect());
        Ok(UserItems::new(&rows, n_users, n_items))
    }

    fn sparse(&self, n_items: usize) -> Parsed<SparseItemItem> {
        let offsets = self.tensor("weights.offsets", Dtype::U64, 1)?;
        let offsets: Vec<u64> =
            offsets.data().as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let targets = self.words("weights.targets")?;
        let values = Self::floats("weights.values", &self.tensor("weights.values", Dtype::F32, 1)?)?;
        let in_order = offsets.len() == n_items + 1
            && offsets[0] == 0
            && offsets.windows(2).all(|pair| pair[0] <= pair[1])
            && offsets[n_items] == targets.len() as u64
            && targets.len() == values.len();
        if !in_order {
            return Err(format!("`weights` is not a sparse matrix of {n_items} items"));
        }
        if let Some(item) = targets.iter().find(|&&item| item as usize >= n_items) {
            return Err(format!("`weights.targets` has item {item} of {n_items}"));
        }
        Ok(SparseItemItem { offsets, targets, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item_knn::tests::user_items;
    use crate::{EaseConfig, IalsConfig, ItemKnnConfig};

    fn models() -> Vec<Model> {
        let train = user_items(&[vec![0, 1, 3], vec![1, 2], vec![], vec![0, 3]], 5);
        let sparse = EaseConfig { top_k: Some(2), ..EaseConfig::default() };
        let table = |rows: usize| (0..rows * 3).map(|i| i as f32 - 4.5).collect::<Vec<f32>>();
        let embeddings = |scoring| Embeddings::new(3, table(4), table(5), scoring);
        let ials = IalsConfig { dim: 3, alpha: 4.0, ..IalsConfig::default() };
        vec![
            Model::Embeddings(embeddings(Scoring::Dot), None),
            Model::Embeddings(embeddings(Scoring::Cosine), Some(Box::new(ModelConfig::directau()))),
            Model::Ease(Ease::fit(&train, &EaseConfig::default()).unwrap()),
            Model::Ease(Ease::fit(&train, &sparse).unwrap()),
            Model::Ials(Ials::fit(&train, &ials).unwrap()),
            Model::ItemKnn(ItemKnn::fit(&train, &ItemKnnConfig::default()).unwrap()),
            Model::Popularity(Popularity::fit(&train)),
        ]
    }

    fn names() -> (IdMap, IdMap) {
        (["ann", "bob", "zoë", "d\"d"].into_iter().collect(), IdMap::numbered(5))
    }

    #[test]
    fn every_model_comes_back_as_it_was() {
        let (users, items) = names();
        let folder = tempfile::tempdir().unwrap();
        for model in models() {
            save(&model, &users, &items, folder.path()).unwrap();
            let saved = load(folder.path()).unwrap();
            assert_eq!(saved, Saved { model, users: users.clone(), items: items.clone() });
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused() {
        let (users, items) = names();
        let folder = tempfile::tempdir().unwrap();
        save(&models()[5], &users, &items, folder.path()).unwrap();
        let path = model_path(folder.path());
        let bytes = std::fs::read(&path).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = load(folder.path()).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn files_of_others_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let write = |tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)], metadata: &[(&str, &str)]| {
            let views = tensors.iter().map(|(n, d, s, b)| (*n, TensorView::new(*d, s.clone(), b).unwrap()));
            let metadata = metadata.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            std::fs::write(model_path(folder.path()), safetensors::serialize(views, Some(metadata)).unwrap())
                .unwrap();
            load(folder.path()).unwrap_err().to_string()
        };
        #[track_caller]
        fn refused(error: String, reason: &str) {
            assert!(error.contains(reason), "{error}, not: {reason}");
        }
        let names = |n: usize| {
            let text = json(&IdMap::numbered(n)).into_bytes();
            (Dtype::U8, vec![text.len()], text)
        };
        let with_names = |users: usize, items: usize, more: &[(&'static str, Dtype, Vec<usize>, Vec<u8>)]| {
            let ((a, b, c), (d, e, f)) = (names(users), names(items));
            let mut all = vec![("names.users", a, b, c), ("names.items", d, e, f)];
            all.extend_from_slice(more);
            all
        };
        let ours = |model: &'static str| {
            [
                ("format", FORMAT),
                ("format_version", VERSION),
                ("model", model),
                ("config", "null"),
                ("scoring", "dot"),
            ]
        };
        refused(write(&[], &[("by", "another")]), "no `format`");
        refused(write(&[], &[("format", "pt"), ("format_version", "1")]), "expected `sextant-cf-align`");
        let newer = [("format", FORMAT), ("format_version", "2"), ("sextant_version", "9.1.0")];
        refused(write(&[], &newer), "format version 2, written by sextant 9.1.0");
        refused(write(&[], &ours("popularity")), "`names.users` is missing");
        let counts = ("counts", Dtype::U32, vec![2], words([1, 2].into_iter()));
        refused(
            write(&with_names(1, 3, std::slice::from_ref(&counts)), &ours("popularity")),
            "3 names for the 2 items",
        );
        refused(write(&with_names(1, 2, &[counts]), &ours("oracle")), "model `oracle`");
        let counts = ("counts", Dtype::F32, vec![2], floats(&[1.0, 2.0]));
        refused(write(&with_names(1, 2, &[counts]), &ours("popularity")), "expected U32");
        let table =
            |name, rows: usize, value: f32| (name, Dtype::F32, vec![rows, 2], floats(&vec![value; rows * 2]));
        let wrong = with_names(1, 2, &[table("users", 1, 1.0), table("items", 2, f32::NAN)]);
        refused(write(&wrong, &ours("embeddings")), "`items` holds NaN at 0");
        let wrong = with_names(2, 2, &[table("users", 1, 1.0), table("items", 2, 1.0)]);
        refused(write(&wrong, &ours("embeddings")), "2 names for the 1 users");
    }

    #[test]
    fn names_that_do_not_fit_are_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (users, items) = names();
        let error = save(&models()[4], &items, &users, folder.path()).unwrap_err();
        assert!(error.to_string().contains("4 names for the 5 items"), "{error}");
        assert!(!model_path(folder.path()).exists());
        assert!(matches!(load(folder.path()).unwrap_err(), Error::Core(rec_core::Error::Io { .. })));
    }
}
