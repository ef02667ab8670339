//! Low-rank adapters: put in, copied, merged, saved and loaded in PEFT's form.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::folder::{read_json, read_tensors, write_json, write_tensors};
use crate::projection::{Adapter, Slot, host, param};
use crate::weights::Stored;
use crate::{CausalLm, Error, Result};

/// The settings of the adapters of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraConfig {
    /// The rank of the change.
    pub rank: usize,
    /// The change is multiplied by `alpha / rank`.
    pub alpha: f64,
    /// The share of the adapters' inputs that is dropped in training.
    pub dropout: f64,
    /// The last part of the names of the layers that have an adapter, such as `q_proj`.
    pub target_modules: Vec<String>,
}

const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

impl Default for LoraConfig {
    /// SPRec's: rank 16, alpha 32, dropout 0.05, all linear layers.
    fn default() -> Self {
        let target_modules = TARGETS.iter().map(ToString::to_string).collect();
        Self { rank: 16, alpha: 32.0, dropout: 0.05, target_modules }
    }
}

impl LoraConfig {
    /// # Errors
    /// [`Error::Config`] naming the first setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        if self.rank == 0 {
            return Err(Error::config("rank", "is 0, but must be at least 1"));
        }
        if !self.alpha.is_finite() {
            return Err(Error::config("alpha", "is not finite"));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::config("dropout", format!("is {}, but must be in 0..1", self.dropout)));
        }
        let unknown = self.target_modules.iter().find(|name| !TARGETS.contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(Error::config("target_modules", format!("names {name:?}; {TARGETS:?} are accepted")));
        }
        if self.target_modules.is_empty() {
            return Err(Error::config("target_modules", "is empty"));
        }
        Ok(())
    }

    fn targets(&self, name: &str) -> bool {
        self.target_modules.iter().any(|target| name.rsplit('.').next() == Some(target))
    }

    fn adapter(
        &self,
        a: burn::module::Param<burn::tensor::Tensor<2>>,
        b: burn::module::Param<burn::tensor::Tensor<2>>,
    ) -> Adapter {
        Adapter { a, b, scale: self.alpha / self.rank as f64, dropout: self.dropout }
    }
}

impl CausalLm {
    /// The model with fresh adapters in the active slot and everything else frozen. As in PEFT, `A` is uniform within
    /// `1 / sqrt(inputs)` and `B` is zero, so nothing changes before the first step.
    ///
    /// # Errors
    /// As [`LoraConfig::validate`].
    pub fn add_lora(self, config: &LoraConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let device = self.device();
        let rng = &mut rec_core::random::stream(seed, "lora init", 0);
        let mut model = self.no_grad();
        for layer in &mut model.layers {
            for (name, projection) in layer.projections_mut() {
                projection.active = config.targets(name).then(|| {
                    let [inputs, outputs] = projection.weight.val().dims();
                    let bound = 1.0 / (inputs as f32).sqrt();
                    let a = (0..inputs * config.rank)
                        .map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound)
                        .collect();
                    let b = vec![0.0; config.rank * outputs];
                    config.adapter(
                        param(a, [inputs, config.rank], &device),
                        param(b, [config.rank, outputs], &device),
                    )
                });
            }
        }
        Ok(model)
    }

    /// The model with a frozen copy of the active adapters in the reference slot.
    pub fn freeze_reference(mut self) -> Self {
        for layer in &mut self.layers {
            for (_, projection) in layer.projections_mut() {
                projection.reference = projection.active.clone().map(Module::no_grad);
            }
        }
        self
    }

    /// The largest share of their inputs that the adapters in the slot drop in training; 0 without adapters. Nothing is dropped
    /// unless the [`Pass`](crate::Pass) has where to draw from.
    pub fn adapter_dropout(&self, slot: Slot) -> f64 {
        let projections = self.layers.iter().flat_map(|layer| layer.projections());
        projections
            .filter_map(|(_, projection)| projection.adapter(slot))
            .map(|own| own.dropout)
            .fold(0.0, f64::max)
    }

    /// Whether any layer has an adapter in the slot.
    pub fn has_adapter(&self, slot: Slot) -> bool {
        let mut projections = self.layers.iter().flat_map(|layer| layer.projections());
        projections.any(|(_, projection)| projection.adapter(slot).is_some())
    }

    /// A model without adapters whose weights include those of the slot. This one stays as it is, so there is nothing
    /// to undo.
    pub fn merged(&self, slot: Slot) -> Self {
        let mut model = self.clone();
        for layer in &mut model.layers {
            for (_, projection) in layer.projections_mut() {
                if projection.adapter(slot).is_some() {
                    let weight = projection.merged(slot).detach();
                    projection.weight = projection.weight.clone().map(|_| weight);
                }
                projection.active = None;
                projection.reference = None;
            }
        }
        model
    }

    /// Writes the adapters of a slot as PEFT does: `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Config`] if the slot is empty; [`Error::Core`] if a file cannot be written.
    pub fn save_adapter(&self, slot: Slot, base: &str, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(|source| Error::Core(rec_core::Error::io(folder, source)))?;
        let mut tensors = Vec::new();
        let mut targets: Vec<&str> = Vec::new();
        let mut settings = None;
        for (at, layer) in self.layers.iter().enumerate() {
            for (name, projection) in layer.projections() {
                let Some(adapter) = projection.adapter(slot) else { continue };
                let target = name.rsplit('.').next().unwrap_or(name);
                if !targets.contains(&target) {
                    targets.push(target);
                }
                for (part, matrix) in [("lora_A", &adapter.a), ("lora_B", &adapter.b)] {
                    let matrix = matrix.val();
                    let stored = Stored::f32(matrix.dims().to_vec(), &host(matrix)).transposed();
                    tensors
                        .push((format!("base_model.model.model.layers.{at}.{name}.{part}.weight"), stored));
                }
                let rank = adapter.a.val().dims()[1];
                settings = Some((rank, adapter.scale * rank as f64, adapter.dropout));
            }
        }
        let (rank, alpha, dropout) =
            settings.ok_or_else(|| Error::config("slot", format!("{slot:?} has no adapter to save")))?;
        let alpha = if alpha.fract() == 0.0 { json!(alpha as i64) } else { json!(alpha) };
        let config = json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base,
            "r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "target_modules": targets,
            "bias": "none", "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
            "use_rslora": false, "use_dora": false, "modules_to_save": null,
        });
        write_tensors(&folder.join("adapter_model.safetensors"), &tensors)?;
        write_json(&folder.join("adapter_config.json"), &config)
    }

    /// The model with the adapters of a PEFT folder in the active slot and everything else frozen.
    ///
    /// # Errors
    /// [`Error::Format`] if the adapter is none of plain LoRA or does not fit the model; [`Error::Core`] if a file
    /// cannot be read.
    pub fn load_adapter(self, folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let (settings, file) = (folder.join("adapter_config.json"), folder.join("adapter_model.safetensors"));
        let value = read_json(&settings)?;
        let mut tensors: BTreeMap<String, Stored> = read_tensors(&file)?;
        let number = |key: &str| {
            let number = value.get(key).and_then(Value::as_f64);
            number.ok_or_else(|| Error::format(&settings, format!("{key} is not a number")))
        };
        for (key, plain) in [("peft_type", json!("LORA")), ("bias", json!("none"))] {
            if value.get(key).is_some_and(|found| *found != plain) {
                return Err(Error::format(
                    &settings,
                    format!("{key} is {}; {plain} is accepted", value[key]),
                ));
            }
        }
        for key in ["use_dora", "use_rslora", "fan_in_fan_out"] {
            if value.get(key).and_then(Value::as_bool) == Some(true) {
                return Err(Error::format(&settings, format!("{key} is true, which is not accepted")));
            }
        }
        for key in ["rank_pattern", "alpha_pattern"] {
            if value.get(key).and_then(Value::as_object).is_some_and(|map| !map.is_empty()) {
                return Err(Error::format(
                    &settings,
                    format!("{key} is given; one rank for all layers is accepted"),
                ));
            }
        }
        let config = LoraConfig {
            rank: number("r")? as usize,
            alpha: number("lora_alpha")?,
            dropout: number("lora_dropout").unwrap_or(0.0),
            ..LoraConfig::default()
        };
        config.validate()?;
        let device = self.device();
        let mut model = self.no_grad();
        for (at, layer) in model.layers.iter_mut().enumerate() {
            for (name, projection) in layer.projections_mut() {
                let [inputs, outputs] = projection.weight.val().dims();
                let mut take = |part: &str, shape: [usize; 2]| {
                    let name = format!("base_model.model.model.layers.{at}.{name}.{part}.weight");
                    let Some(stored) = tensors.remove(&name) else { return Ok(None) };
                    if !stored.is_float() || stored.shape != [shape[1], shape[0]] {
                        let what = format!(
                            "{name} has shape {:?} of {:?}, but floats of shape {:?} are expected",
                            stored.shape,
                            stored.dtype,
                            [shape[1], shape[0]]
                        );
                        return Err(Error::format(&file, what));
                    }
                    Ok(Some(param(stored.transposed().values(), shape, &device)))
                };
                projection.active =
                    match (take("lora_A", [inputs, config.rank])?, take("lora_B", [config.rank, outputs])?) {
                        (Some(a), Some(b)) => Some(config.adapter(a, b)),
                        (None, None) => None,
                        _ => {
                            return Err(Error::format(
                                &file,
                                format!("layer {at} has half an adapter of {name}"),
                            ));
                        }
                    };
            }
        }
        match tensors.keys().next() {
            None => Ok(model),
            Some(name) => Err(Error::format(&file, format!("{name} belongs to no layer of the model"))),
        }
    }
}
