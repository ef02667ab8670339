//! The training loop that all engines share: epochs, validation, early stopping, checkpoints.

use std::path::Path;

use rec_core::{Observer, Split};

use crate::embeddings::Embeddings;
use crate::{ModelConfig, Result};

/// What one epoch gave.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochLosses {
    /// Mean over the steps of the whole loss.
    pub loss: f64,
    /// Mean over the steps of each named term (alignment, uniformity_user, uniformity_item, bpr, …).
    pub terms: Vec<(String, f64)>,
}

/// One named array of an engine's state.
#[derive(Clone, Debug, PartialEq)]
pub struct StateTensor {
    /// Its name, unique within the engine.
    pub name: String,
    /// Its shape; row-major.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

/// Everything an engine needs to go on as if it had never stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EngineState {
    /// Tables and optimiser moments.
    pub tensors: Vec<StateTensor>,
    /// Finished optimiser steps.
    pub step: u64,
}

impl EngineState {
    /// The tensor called `name`.
    ///
    /// # Errors
    /// If there is none or its shape is not `shape`.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<&StateTensor> {
        let tensor = self.tensors.iter().find(|tensor| tensor.name == name);
        match tensor {
            Some(tensor) if tensor.shape == shape => Ok(tensor),
            Some(tensor) => Err(rec_core::Error::invalid(format!(
                "the checkpoint's {name} has the shape {:?}, the model {shape:?}",
                tensor.shape
            ))
            .into()),
            None => Err(rec_core::Error::invalid(format!("the checkpoint has no tensor {name}")).into()),
        }
    }
}

/// One implementation of the mathematics: the fused CPU kernels or the burn modules.
pub trait TrainingEngine {
    /// One pass over the training pairs, in the order of [`crate::batches::shuffle`] for this epoch.
    ///
    /// # Errors
    /// [`crate::Error::Diverged`] if the loss is not finite.
    fn train_epoch(&mut self, epoch: usize) -> Result<EpochLosses>;

    /// The encoder's outputs as they are now.
    fn embeddings(&mut self) -> Embeddings;

    /// The state after the last finished epoch.
    fn state(&mut self) -> EngineState;

    /// Goes back to a state that [`TrainingEngine::state`] gave.
    ///
    /// # Errors
    /// If a tensor is missing or has another shape.
    fn restore(&mut self, state: &EngineState) -> Result<()>;
}

/// Where training runs, who watches, and where checkpoints go.
pub struct Session<'a> {
    /// Who watches.
    pub observer: &'a mut dyn Observer,
    /// The checkpoint file; training goes on from it if it exists.
    pub checkpoint: Option<&'a Path>,
    /// The device of the burn engine, such as `flex`, `cuda:0`, `wgpu`, `tch`; the fused engine ignores it.
    pub device: &'a str,
}

/// One row of the training history.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Named values: `loss`, its terms, `seconds` (training alone), and on validated epochs `valid_ndcg@20`, …,
    /// `overall_alignment`, `overall_uniformity_user`, `overall_uniformity_item`, `seconds_valid`.
    pub values: Vec<(String, f64)>,
}

/// A trained model and how it came to be.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The encoder's outputs at the best validated epoch.
    pub embeddings: Embeddings,
    /// The best epoch, from 1.
    pub best_epoch: usize,
    /// All epochs, including those before a resume.
    pub history: Vec<EpochRecord>,
    /// Warnings for the user, such as a gamma under the collapse threshold.
    pub warnings: Vec<String>,
}

/// Trains `config` on `split.train`, selecting the epoch on `split.valid` (the last epoch if it is empty).
///
/// # Errors
/// A configuration that does not hold, a broken checkpoint, a diverging loss.
pub fn fit(
    config: &ModelConfig,
    split: &Split,
    n_users: usize,
    n_items: usize,
    session: Session<'_>,
) -> Result<Fitted> {
    let _ = (config, split, n_users, n_items, session);
    unimplemented!()
}
