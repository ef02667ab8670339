//! What is to be run, from a file.

use std::path::PathBuf;

use causal_lm::{CausalLmConfig, Schedule, TrainConfig};
use serde::{Deserialize, Serialize};

use super::arms::{self, Arm};
use crate::error::{Error, Result};
use crate::experiment::refuse_repeated;

/// An experiment as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AblationExperiment {
    /// What it is for.
    pub about: String,
    /// The training sets, in the order of the table; the baseline `whole` is one of them.
    pub arms: Vec<String>,
    /// The seeds: of training dialogues, faults and weights.
    pub seeds: Vec<u64>,
    /// Tools to make.
    pub apis: usize,
    /// The seed of the tools and of the held-out dialogues, which all runs share.
    pub data_seed: u64,
    /// Every so many-th tool is held out.
    pub held_out_every: usize,
    /// Dialogues to learn from, the same number for every arm.
    pub dialogues: usize,
    /// Held-out dialogues.
    pub held_out: usize,
    /// Tools on offer at most.
    pub candidates: usize,
    /// The share of dialogues with calls that get a fault.
    pub faults: f64,
    /// Width, layers and heads of the decoder.
    pub shape: [usize; 3],
    /// The standard deviation of its initial weights.
    pub initial: f64,
    /// Passes over the dialogues.
    pub passes: usize,
    /// The highest learning rate; it rises over the first twentieth of the steps and falls in a line.
    pub rate: f64,
    /// Dialogues a step.
    pub minibatch: usize,
    /// The device.
    pub device: String,
}

impl Default for AblationExperiment {
    fn default() -> Self {
        Self {
            about: String::new(),
            arms: arms::ARMS.iter().map(|arm| arm.name.to_owned()).collect(),
            seeds: vec![1, 2, 3],
            apis: 1500,
            data_seed: 100,
            held_out_every: 5,
            dialogues: 3000,
            held_out: 1000,
            candidates: 4,
            faults: 0.5,
            shape: [48, 2, 4],
            initial: 0.08,
            passes: 6,
            rate: 3e-3,
            minibatch: 8,
            device: "flex".into(),
        }
    }
}

/// The folder of the named experiments.
pub fn folder() -> PathBuf {
    crate::experiment::folder().join("tool-synth")
}

/// Tokens of a sequence at most; what is longer is cut by nobody and refused by the model.
const LONGEST: usize = 512;

impl AblationExperiment {
    /// The experiment called `name` (a file in `xtask/experiments/tool-synth`), or the one in the TOML file `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or the file is not an experiment.
    pub fn open(name: &str) -> Result<(String, Self)> {
        crate::experiment::open(name, &folder())
    }

    /// Checks what is asked and gives the arms.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn arms(&self) -> Result<Vec<&'static Arm>> {
        let wrong = |what: &str| Err(Error::Usage(what.to_owned()));
        refuse_repeated("arm", &self.arms)?;
        refuse_repeated("seed", &self.seeds)?;
        if self.arms.is_empty() || self.seeds.is_empty() {
            return wrong("it takes at least one arm and one seed");
        }
        if [self.dialogues, self.held_out, self.passes, self.minibatch].contains(&0)
            || self.held_out_every < 2
        {
            return wrong("dialogues, held_out, passes and minibatch are above 0, held_out_every above 1");
        }
        if !(0.0..=1.0).contains(&self.faults) {
            return wrong("faults is a share, 0 to 1");
        }
        if self.seeds.contains(&self.data_seed) {
            return wrong("data_seed is that of the held-out dialogues, and none of the seeds");
        }
        self.model(1000).validate().map_err(|error| Error::Usage(error.to_string()))?;
        self.training(1).validate().map_err(|error| Error::Usage(error.to_string()))?;
        cf_align::autodiff::device(&self.device)?;
        self.arms.iter().map(|name| arms::find(name)).collect()
    }

    /// The decoder's shape.
    pub fn model(&self, vocabulary: usize) -> CausalLmConfig {
        let [width, layers, heads] = self.shape;
        CausalLmConfig {
            vocab_size: vocabulary,
            hidden_size: width,
            intermediate_size: 2 * width,
            num_hidden_layers: layers,
            num_attention_heads: heads,
            num_key_value_heads: heads,
            max_position_embeddings: LONGEST,
            initializer_range: self.initial,
            tie_word_embeddings: true,
            ..CausalLmConfig::default()
        }
    }

    /// How it learns from so many dialogues.
    pub fn training(&self, dialogues: usize) -> TrainConfig {
        let steps = (self.passes * dialogues.div_ceil(self.minibatch)) as u64;
        TrainConfig {
            learning_rate: self.rate,
            schedule: Schedule::Linear,
            warmup_steps: steps / 20,
            total_steps: steps,
            ..TrainConfig::default()
        }
    }
}
