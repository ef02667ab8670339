//! Saving a fitted ensemble and loading it again: one safetensors file, replaced atomically.
//!
//! Tensor `member.M.P` is parameter number `P` of member `M`, in the order in which the module shows them. The metadata
//! holds `format` (`sextant-rl-env-user-model`), `format_version`, `sextant_version`, `config` (the settings as JSON),
//! and `users` and `items`, the fingerprints of the features that the model was fitted to: weights without them mean
//! nothing, so [`Ensemble::load`] wants them again and refuses others.

use std::collections::HashMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use rec_core::random;
use rec_core::run::replace_file;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::{DeepFm, Encoded, Ensemble, UserModelConfig};
use crate::optimizer::{weights, with_weights};
use crate::{Error, Features, Result};

const FORMAT: &str = "sextant-rl-env-user-model";
const VERSION: &str = "1";

impl Ensemble {
    /// Writes the members to the file `path`, whose folder must exist: a reader sees the old or the new file, never a part
    /// of one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = Vec::new();
        for (member, model) in self.members.iter().enumerate() {
            for (at, values) in weights(model).into_iter().enumerate() {
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                tensors.push((format!("member.{member}.{at}"), values.len(), bytes));
            }
        }
        let config = serde_json::to_string(&self.config)
            .map_err(|error| Error::Format { path: path.to_owned(), what: error.to_string() })?;
        let metadata: HashMap<String, String> = [
            ("format", FORMAT.to_owned()),
            ("format_version", VERSION.to_owned()),
            ("sextant_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("config", config),
            ("users", self.users.fingerprint()),
            ("items", self.items.fingerprint()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let views = tensors.iter().map(|(name, length, bytes)| {
            let view = TensorView::new(Dtype::F32, vec![*length], bytes);
            (name.as_str(), view.expect("as many bytes as four times the values"))
        });
        let bytes = safetensors::serialize(views, Some(metadata))
            .map_err(|error| Error::Format { path: path.to_owned(), what: error.to_string() })?;
        Ok(replace_file(path, &bytes)?)
    }

    /// Reads what [`Self::save`] wrote; `users` and `items` are the features it was fitted to.
    ///
    /// # Errors
    /// If the file cannot be read, is cut off, of another program or version, or of other features.
    pub fn load(path: &Path, users: &Features, items: &Features, device: &Device) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| rec_core::Error::io(path, source))?;
        let (users, items) = (Encoded::new(users)?, Encoded::new(items)?);
        parse(&bytes, users, items, device).map_err(|what| Error::Format { path: path.to_owned(), what })
    }
}

fn parse(
    bytes: &[u8],
    users: Encoded,
    items: Encoded,
    device: &Device,
) -> std::result::Result<Ensemble, String> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|error| format!("not a whole safetensors file: {error}"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let value = |key: &str| {
        let value = metadata.get(key).map(String::as_str);
        value.ok_or_else(|| format!("the metadata has no `{key}`: not a saved user model"))
    };
    match (value("format")?, value("format_version")?) {
        (FORMAT, VERSION) => {}
        (FORMAT, version) => return Err(format!("format version {version}; this one reads {VERSION}")),
        (format, _) => return Err(format!("format `{format}`, expected `{FORMAT}`")),
    }
    for (what, features) in [("users", &users), ("items", &items)] {
        if value(what)? != features.fingerprint() {
            return Err(format!("the model was fitted to other features of {what}"));
        }
    }
    let config: UserModelConfig =
        serde_json::from_str(value("config")?).map_err(|error| format!("config: {error}"))?;
    config.validate().map_err(|error| error.to_string())?;

    let device = device.clone().inner();
    let mut read = 0;
    let members = (0..config.members).map(|member| {
        // The values are replaced; the draw only gives the shapes.
        let mut rng = random::stream(0, "user model weights", 0);
        let model = DeepFm::new(&users, &items, &config.model, config.learn_sensitivity, &mut rng, &device);
        let values = (0..weights(&model).len()).map(|at| {
            let name = format!("member.{member}.{at}");
            let tensor = tensors.tensor(&name).map_err(|error| format!("{name}: {error}"))?;
            if tensor.dtype() != Dtype::F32 {
                return Err(format!("{name} holds {:?}, expected F32", tensor.dtype()));
            }
            read += 1;
            let values: Vec<f32> =
                tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            match values.iter().find(|value| !value.is_finite()) {
                Some(value) => Err(format!("{name} holds {value}")),
                None => Ok(values),
            }
        });
        let values: Vec<Vec<f32>> = values.collect::<std::result::Result<_, String>>()?;
        with_weights(model, values)
            .map(|model| model.valid())
            .map_err(|error| format!("member {member}: {error}"))
    });
    let members: Vec<DeepFm> = members.collect::<std::result::Result<_, String>>()?;
    if read != tensors.len() {
        return Err(format!("{} tensors, expected {read}", tensors.len()));
    }
    Ok(Ensemble { config, users, items, members, device, losses: Vec::new() })
}
