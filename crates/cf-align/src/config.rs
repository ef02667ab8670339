//! What to train and how: plain serde structs with the published defaults, validated once.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A model trained by gradient descent on embeddings: an encoder, a loss, and how to optimise it.
///
/// ```
/// let config = cf_align::ModelConfig::directau();
/// assert_eq!(config.training.dim, 64);
/// config.validate().unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// What is minimised.
    pub loss: Loss,
    /// How a user's and an item's vector come from the tables.
    pub encoder: Encoder,
    /// How scores are made of the vectors.
    pub scoring: Scoring,
    /// Sizes, optimiser, stopping rule.
    pub training: Training,
}

/// What is minimised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Loss {
    /// `alignment + gamma * (uniformity(users) + uniformity(items)) / 2` (DirectAU, KDD 2022).
    DirectAu {
        /// Weight of uniformity.
        gamma: f64,
        /// Whether a user or item that occurs several times in a batch counts once in uniformity. The published
        /// code counts every occurrence (`false`).
        dedup: bool,
    },
    /// `softplus(-(s+ - s-))` with one uniformly drawn negative (Rendle et al., UAI 2009).
    Bpr {
        /// Weight of the embedding penalty on the batch's ego rows.
        l2: f64,
        /// The penalty is the sum of squared norms / 2 over the batch size (the LightGCN paper) if `true`, of
        /// unsquared Frobenius norms over the batch size (RecBole's default) if `false`.
        squared: bool,
    },
    /// Margin-aware alignment and weighted uniformity (MAWU, CIKM 2023).
    Mawu {
        /// Weight of the users' uniformity.
        gamma_user: f64,
        /// Weight of the items' uniformity.
        gamma_item: f64,
    },
    /// Alignment at several hops of the graph, uniformity of the tables themselves (GraphAU, CIKM 2023). The hops
    /// are those of a [`Encoder::LightGcn`].
    GraphAu {
        /// Weight of uniformity.
        gamma: f64,
        /// The weight of hop `l` is `base^l`.
        base: f64,
    },
}

/// How a user's and an item's vector come from the tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Encoder {
    /// The row of the table.
    Mf,
    /// The mean of `layers + 1` propagations over the normalised bipartite graph (LightGCN, SIGIR 2020).
    LightGcn {
        /// The number of propagations.
        layers: usize,
    },
}

/// How scores are made of user and item vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scoring {
    /// The raw inner product (published for DirectAU too, although its training sees only directions).
    Dot,
    /// The inner product of normalised vectors.
    Cosine,
}

/// How the tables are filled at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Normal with standard deviation `sqrt(2 / (rows + dim))`, for each table.
    XavierNormal,
    /// Uniform in `±sqrt(6 / (rows + dim))`, for each table.
    XavierUniform,
    /// Normal with standard deviation 0.1 whatever the size of the table, as LightGCN's authors start. In large tables Xavier's rows
    /// are ten times shorter, so that Adam's first steps, which are as long as the learning rate whatever the gradient, drown them.
    Normal,
}

/// Which rows Adam updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Every row at every step, as `torch.optim.Adam` does: absent rows still move by momentum and weight decay.
    Dense,
    /// Only the rows of the batch, as `torch.optim.SparseAdam` does: less work, different results. For
    /// [`Encoder::Mf`] and the fused engine.
    Lazy,
}

/// Which implementation of the same mathematics runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Hand-written kernels and gradients on the CPU.
    Fused,
    /// burn modules and autodiff on any device.
    Burn,
}

/// Sizes, optimiser, stopping rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Length of the vectors.
    pub dim: usize,
    /// The most epochs.
    pub epochs: usize,
    /// Positive pairs in a step.
    pub batch_size: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// L2 decay, added to the gradient (not AdamW).
    pub weight_decay: f64,
    /// Which rows Adam updates.
    pub optimizer: Optimizer,
    /// How the tables are filled.
    pub init: Init,
    /// Validate after every so many epochs.
    pub evaluate_every: usize,
    /// Stop when more than this many validations in a row did not improve.
    pub patience: usize,
    /// The validation metric that selects the epoch, with its cut-off: the highest value, or the lowest where less is
    /// better.
    pub select_by: String,
    /// Measure alignment and uniformity over all training pairs at every so many validations; 0 is never. Costs
    /// `O((n_users^2 + n_items^2) dim)` each time.
    pub measure_every: usize,
    /// Which implementation runs.
    pub engine: Engine,
    /// Seeds initialisation, shuffling and sampling.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            dim: 64,
            epochs: 300,
            batch_size: 1024,
            learning_rate: 1e-3,
            weight_decay: 0.0,
            optimizer: Optimizer::Dense,
            init: Init::XavierNormal,
            evaluate_every: 1,
            patience: 10,
            select_by: "ndcg@20".into(),
            measure_every: 1,
            engine: Engine::Fused,
            seed: 2020,
        }
    }
}

impl ModelConfig {
    /// DirectAU on plain embeddings, with the published defaults (gamma 1, weight decay 1e-6, batch 256).
    pub fn directau() -> Self {
        Self {
            loss: Loss::DirectAu { gamma: 1.0, dedup: false },
            encoder: Encoder::Mf,
            scoring: Scoring::Dot,
            training: Training { batch_size: 256, weight_decay: 1e-6, ..Training::default() },
        }
    }

    /// DirectAU on a LightGCN encoder of two layers.
    pub fn directau_lightgcn() -> Self {
        Self { encoder: Encoder::LightGcn { layers: 2 }, ..Self::directau() }
    }

    /// BPR on plain embeddings, with RecBole's defaults (batch 2048, no weight decay).
    pub fn bpr() -> Self {
        Self {
            loss: Loss::Bpr { l2: 0.0, squared: true },
            encoder: Encoder::Mf,
            scoring: Scoring::Dot,
            training: Training { batch_size: 2048, ..Training::default() },
        }
    }

    /// LightGCN trained by BPR, with RecBole's defaults (two layers, Xavier uniform, unsquared penalty of 1e-5).
    pub fn lightgcn() -> Self {
        Self {
            loss: Loss::Bpr { l2: 1e-5, squared: false },
            encoder: Encoder::LightGcn { layers: 2 },
            scoring: Scoring::Dot,
            training: Training { batch_size: 2048, init: Init::XavierUniform, ..Training::default() },
        }
    }

    /// MAWU on plain embeddings, with its authors' weights for Beauty.
    pub fn mawu() -> Self {
        Self { loss: Loss::Mawu { gamma_user: 1.0, gamma_item: 0.1 }, ..Self::directau() }
    }

    /// GraphAU: alignment over four hops, 0 to 3, with weights 1.4^l (its authors count hop 0 as a layer).
    pub fn graphau() -> Self {
        Self {
            loss: Loss::GraphAu { gamma: 1.0, base: 1.4 },
            encoder: Encoder::LightGcn { layers: 3 },
            ..Self::directau()
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        let training = &self.training;
        let at_least_one = |key: &str, value: usize| {
            if value == 0 {
                return Err(Error::config(key, "is 0; accepts whole numbers from 1"));
            }
            Ok(())
        };
        at_least_one("training.dim", training.dim)?;
        at_least_one("training.epochs", training.epochs)?;
        at_least_one("training.batch_size", training.batch_size)?;
        at_least_one("training.evaluate_every", training.evaluate_every)?;
        let number = |key: &str, value: f64, positive: bool| {
            let inside = value.is_finite() && if positive { value > 0.0 } else { value >= 0.0 };
            if !inside {
                let range = if positive { "above 0" } else { "from 0" };
                return Err(Error::config(key, format!("is {value}; accepts finite numbers {range}")));
            }
            Ok(())
        };
        number("training.learning_rate", training.learning_rate, true)?;
        number("training.weight_decay", training.weight_decay, false)?;
        match self.loss {
            Loss::DirectAu { gamma, .. } => number("loss.directau.gamma", gamma, false)?,
            Loss::Bpr { l2, .. } => number("loss.bpr.l2", l2, false)?,
            Loss::Mawu { gamma_user, gamma_item } => {
                number("loss.mawu.gamma_user", gamma_user, false)?;
                number("loss.mawu.gamma_item", gamma_item, false)?;
            }
            Loss::GraphAu { gamma, base } => {
                number("loss.graphau.gamma", gamma, false)?;
                number("loss.graphau.base", base, true)?;
                if !matches!(self.encoder, Encoder::LightGcn { .. }) {
                    return Err(Error::config("encoder", "is mf; graphau aligns hops and needs lightgcn"));
                }
            }
        }
        if let Encoder::LightGcn { layers } = self.encoder {
            at_least_one("encoder.lightgcn.layers", layers)?;
            if training.optimizer == Optimizer::Lazy {
                let what = "is lazy, but every row has a gradient through lightgcn; accepts dense";
                return Err(Error::config("training.optimizer", what));
            }
        }
        Ok(())
    }
}
