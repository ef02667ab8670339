//! What is to be run: data, arms, betas, seeds, rounds; from a file or the command line.

use std::path::PathBuf;

use pref_opt::LoraConfig;
use pref_opt::data::DataConfig;
use pref_opt::selfplay::BaseConfig;
use serde::{Deserialize, Serialize};

use super::arms::{self, Arm};
use crate::error::{Error, Result};
use crate::experiment::refuse_repeated;

/// How items become tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Profile {
    /// One token an item; the softmax over items is an exact ranking.
    #[default]
    ItemToken,
    /// Titles as byte-level BPE learned from the catalogue; lists are beam searches in the trie of all titles.
    Titles {
        /// Tokens, special ones included.
        vocab_size: usize,
    },
}

impl Profile {
    /// In words.
    pub fn about(self) -> String {
        match self {
            Self::ItemToken => "one token an item".into(),
            Self::Titles { vocab_size } => {
                format!("titles of {vocab_size} BPE tokens, decoded in their trie")
            }
        }
    }
}

/// An experiment as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PreferenceExperiment {
    /// What it is for, in a sentence or two.
    pub about: String,
    /// A name of `data list`, or a folder.
    pub data: String,
    /// How events become windows. The least rating is that of a scale to 5; on a scale to 10 it is doubled.
    pub windows: DataConfig,
    /// How items become tokens.
    pub profile: Profile,
    /// Adapters that rounds train instead of all weights.
    pub lora: Option<LoraConfig>,
    /// The arms, in the order of the table.
    pub arms: Vec<String>,
    /// How strongly the policy is held to its reference.
    pub betas: Vec<f64>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Rounds of every arm.
    pub rounds: usize,
    /// Rows of a round.
    pub rows: usize,
    /// The learning rate of a round's supervised stage.
    pub sft_learning_rate: f64,
    /// The learning rate of a round's preference stage.
    pub preference_learning_rate: f64,
    /// The policy that all arms begin with.
    pub base: BaseConfig,
    /// The device.
    pub device: String,
}

impl Default for PreferenceExperiment {
    fn default() -> Self {
        Self {
            about: String::new(),
            data: "mt-mini".into(),
            windows: DataConfig::default(),
            profile: Profile::default(),
            lora: None,
            arms: ["a", "b", "c", "d", "e", "f", "g", "h"].map(str::to_owned).into(),
            betas: vec![0.1],
            seeds: vec![1, 2, 3],
            rounds: 5,
            rows: 1024,
            sft_learning_rate: 1e-4,
            preference_learning_rate: 1e-5,
            base: BaseConfig::default(),
            device: "flex".into(),
        }
    }
}

/// The folder of the named experiments.
pub fn folder() -> PathBuf {
    crate::experiment::folder().join("preferences")
}

/// An arm at a beta.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The arm.
    pub arm: &'static Arm,
    /// Beta; none where it changes nothing.
    pub beta: Option<f64>,
}

impl Cell {
    /// The name of its folder.
    pub fn name(&self) -> String {
        match self.beta {
            Some(beta) => format!("{}-beta{beta}", self.arm.name),
            None => self.arm.name.to_owned(),
        }
    }
}

impl PreferenceExperiment {
    /// The experiment called `name` (a file in `xtask/experiments/preferences`), or the one in the TOML file `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or the file is not an experiment.
    pub fn open(name: &str) -> Result<(String, Self)> {
        crate::experiment::open(name, &folder())
    }

    /// Checks what is asked and gives the cells of the table.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn cells(&self) -> Result<Vec<Cell>> {
        let wrong = |what: &str| Err(Error::Usage(what.to_owned()));
        if self.arms.is_empty() || self.seeds.is_empty() || self.rounds == 0 {
            return wrong("it takes at least one arm, one seed and one round");
        }
        if self.betas.is_empty() || self.betas.iter().any(|beta| !(*beta > 0.0 && beta.is_finite())) {
            return wrong("betas are numbers above 0, at least one");
        }
        refuse_repeated("arm", &self.arms)?;
        refuse_repeated("seed", &self.seeds)?;
        cf_align::autodiff::device(&self.device)?;
        let mut cells = Vec::new();
        for name in &self.arms {
            let arm = arms::find(name)?;
            match arm.uses_beta {
                true => cells.extend(self.betas.iter().map(|&beta| Cell { arm, beta: Some(beta) })),
                false => cells.push(Cell { arm, beta: None }),
            }
        }
        for cell in &cells {
            cell.arm.rounds(self, cell.beta.unwrap_or(0.1)).validate()?;
        }
        Ok(cells)
    }
}
