//! What is to be run: rows of the tables, seeds, sizes, the experts' noise, learning rates; from a file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tool_rl::CausalLmConfig;
use tool_rl::backoffice::{BackofficeCodec, ExpertConfig};
use tool_rl::lm::{LearnConfig, TrainConfig};
use tool_rl::{ActionCodec, Limits};

use super::rows::{self, Kind, Row};
use crate::error::{Error, Result};
use crate::experiment::refuse_repeated;

/// What every run of an experiment shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    /// The width of the policy.
    pub width: usize,
    /// Its layers.
    pub layers: usize,
    /// Its attention heads.
    pub heads: usize,
    /// The probability that a call finds its tool busy.
    pub busy: f64,
    /// Episodes of noisy experts that supervised training sees.
    pub demonstrations: u64,
    /// Passes over them.
    pub passes: u64,
    /// The learning rate of supervised training.
    pub sft_rate: f64,
    /// Its episodes a step.
    pub sft_minibatch: usize,
    /// Iterations of every method.
    pub iterations: u64,
    /// Tasks an iteration.
    pub tasks: usize,
    /// Episodes a task.
    pub group: usize,
    /// Episodes a step of the optimiser.
    pub minibatch: usize,
    /// The factor of the penalty for leaving the supervised policy, the same for all methods.
    pub kl: f64,
    /// Passes over the recorded episodes of offline rows, which are as many as an online row collects.
    pub offline_passes: u64,
    /// Iterations between two looks at the validation tasks of T3; 0 for none but at the end.
    pub curve_every: u64,
    /// Iterations between two checkpoints.
    pub checkpoint_every: u64,
    /// Test tasks of each tier.
    pub test_tasks: u64,
    /// Validation tasks of each tier, which learning rates are chosen on.
    pub validation_tasks: u64,
    /// Validation tasks of T3 that curves are drawn from.
    pub curve_tasks: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            width: 64,
            layers: 2,
            heads: 4,
            busy: 0.12,
            demonstrations: 1500,
            passes: 8,
            sft_rate: 2e-3,
            sft_minibatch: 8,
            iterations: 30,
            tasks: 16,
            group: 4,
            minibatch: 32,
            kl: 0.05,
            offline_passes: 3,
            curve_every: 5,
            checkpoint_every: 5,
            test_tasks: 200,
            validation_tasks: 100,
            curve_tasks: 100,
        }
    }
}

impl Setup {
    /// The policy's shape.
    pub fn model(&self) -> CausalLmConfig {
        CausalLmConfig {
            vocab_size: BackofficeCodec.vocabulary(),
            hidden_size: self.width,
            intermediate_size: 4 * self.width,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.heads,
            max_position_embeddings: 256,
            ..CausalLmConfig::default()
        }
    }

    /// How a method trains with this learning rate and seed.
    pub fn training(&self, rate: f64, seed: u64) -> TrainConfig {
        TrainConfig {
            iterations: self.iterations,
            tasks: self.tasks,
            group: self.group,
            limits: Limits::default(),
            learn: LearnConfig { learning_rate: rate, minibatch: self.minibatch, ..LearnConfig::default() },
            seed,
            ..TrainConfig::default()
        }
    }
}

/// Learning rates that are tried for every method, on seeds that the tables do not use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grid {
    /// The rates.
    pub rates: Vec<f64>,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// Degrees of the experts' care that are tried before any method is run, on seeds that nothing else uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Calibration {
    /// Probabilities that a decision is careful, on T1, T2, T3 and TU.
    pub careful: Vec<[f64; 4]>,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// Where supervised policies sampled at temperature 1 should pass, by tier: T1, T2, T3.
pub const WANTED: [[f64; 2]; 3] = [[0.4, 0.6], [0.1, 0.2], [0.01, 0.03]];

/// An experiment as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolExperiment {
    /// What it is for, in a sentence or two.
    pub about: String,
    /// The rows of the tables, in their order.
    pub rows: Vec<String>,
    /// The seeds of the rows that the claim rests on.
    pub seeds: Vec<u64>,
    /// Those rows.
    pub claim_rows: Vec<String>,
    /// Of those seeds so many, from the first, for the other rows.
    pub few_seeds: usize,
    /// The device.
    pub device: String,
    /// What all runs share.
    pub setup: Setup,
    /// How noisy the experts are.
    pub expert: ExpertConfig,
    /// Learning rates, frozen before the tables are made: by row, or by the row that a row borrows from.
    pub rates: BTreeMap<String, f64>,
    /// Where they come from.
    pub grid: Grid,
    /// Where the experts' noise comes from.
    pub calibration: Calibration,
}

impl Default for ToolExperiment {
    fn default() -> Self {
        Self {
            about: String::new(),
            rows: Vec::new(),
            seeds: vec![1],
            claim_rows: Vec::new(),
            few_seeds: 3,
            device: "flex".into(),
            setup: Setup::default(),
            expert: ExpertConfig::default(),
            rates: BTreeMap::new(),
            grid: Grid::default(),
            calibration: Calibration::default(),
        }
    }
}

/// The folder of the named experiments.
pub fn folder() -> PathBuf {
    crate::experiment::folder().join("tool-rl")
}

impl ToolExperiment {
    /// The experiment called `name` (a file in `xtask/experiments/tool-rl`), or the one in the TOML file `name`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or the file is not an experiment.
    pub fn open(name: &str) -> Result<(String, Self)> {
        crate::experiment::open(name, &folder())
    }

    /// Checks what is asked and gives the rows.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn rows(&self) -> Result<Vec<Row>> {
        let wrong = |what: &str| Err(Error::Usage(what.to_owned()));
        if self.rows.is_empty() || self.seeds.is_empty() {
            return wrong("it takes at least one row and one seed");
        }
        refuse_repeated("row", &self.rows)?;
        refuse_repeated("seed", &self.seeds)?;
        if let Some(name) = self.claim_rows.iter().find(|name| !self.rows.contains(name)) {
            return Err(Error::Usage(format!("claim_rows names {name}, which is none of the rows")));
        }
        let others = self.grid.seeds.iter().chain(&self.calibration.seeds);
        if let Some(seed) = others.clone().find(|seed| self.seeds.contains(seed)) {
            return Err(Error::Usage(format!("seed {seed} serves a choice and the tables both")));
        }
        let setup = &self.setup;
        if [setup.iterations, setup.checkpoint_every, setup.test_tasks, setup.validation_tasks].contains(&0)
            || setup.demonstrations == 0
            || setup.curve_tasks == 0
            || setup.offline_passes == 0
        {
            return wrong("setup: iterations, tasks, demonstrations and passes are numbers above 0");
        }
        self.setup.training(1e-3, 0).validate()?;
        setup.model().validate().map_err(|error| Error::Usage(error.to_string()))?;
        cf_align::autodiff::device(&self.device)?;
        self.rows.iter().map(|name| rows::find(name, setup.kl)).collect()
    }

    /// The seeds of a row.
    pub fn seeds_of(&self, row: &str) -> &[u64] {
        let few = self.few_seeds.clamp(1, self.seeds.len());
        if self.claim_rows.iter().any(|name| name == row) { &self.seeds } else { &self.seeds[..few] }
    }

    /// The frozen learning rate of a row that trains; none of one that does not.
    ///
    /// # Errors
    /// [`Error::Usage`] if none is frozen.
    pub fn rate_of(&self, row: &Row) -> Result<Option<f64>> {
        if matches!(row.kind, Kind::Scripted(_) | Kind::Supervised) {
            return Ok(None);
        }
        let rate = self.rates.get(row.name).or_else(|| self.rates.get(row.rate_from));
        rate.copied().map(Some).ok_or_else(|| {
            Error::Usage(format!(
                "no learning rate of {} is frozen; `--stage grid` finds it, [rates] keeps it",
                row.rate_from
            ))
        })
    }
}
