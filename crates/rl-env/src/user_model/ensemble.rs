//! Several user models that differ in their first weights.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rec_core::metrics::rating::{mae, rmse};
use rec_core::random;
use serde::{Deserialize, Serialize};

use super::{DeepFm, DeepFmConfig, Encoded, Loss, Negatives, Output, loss};
use crate::optimizer::Adam;
use crate::simulate::{Predicted, Sensitivity};
use crate::tracker::ItemVectors;
use crate::{Compat, Error, Features, LogColumns, Result, RewardMatrix};

/// What squared errors are weighed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorWeights {
    /// One over the variance, which is learned along (Gaussian likelihood).
    #[default]
    Variance,
    /// One over the item's count in the log (inverse propensity, DeepFM-IPS). No variance is learned.
    InversePropensity,
    /// Nothing. No variance is learned.
    Equal,
}

/// How user models are trained; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserModelConfig {
    /// The shape of a member.
    pub model: DeepFmConfig,
    /// How many members there are: 5; 1 for [`ErrorWeights::InversePropensity`].
    pub members: usize,
    /// The loss.
    pub loss: Loss,
    /// What squared errors are weighed by.
    pub error_weights: ErrorWeights,
    /// Negatives of every logged pair: 5; 3 for KuaiRec. Losses without negatives go over the log as many times an epoch.
    pub negatives: usize,
    /// How often a negative is drawn at most.
    pub negative_tries: usize,
    /// The weight of the pairwise term of [`Loss::PairPoint`].
    pub pair_weight: f64,
    /// The decay of embeddings, added to the loss of every batch.
    pub l2_embeddings: f64,
    /// The decay of all parameters, added to the loss of every batch.
    pub l2_weights: f64,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Pairs of a positive and a negative per batch: 2048; 4096 for KuaiRec and KuaiRand.
    pub batch_size: usize,
    /// Passes over all pairs.
    pub epochs: usize,
    /// Whether factors of exposure are learned for every user and item (CIRS). Needs the log's exposures.
    pub learn_sensitivity: bool,
    /// How strongly the factors are drawn to 1.
    pub sensitivity_penalty: f64,
}

impl Default for UserModelConfig {
    fn default() -> Self {
        Self {
            model: DeepFmConfig::default(),
            members: 5,
            loss: Loss::PointNegative,
            error_weights: ErrorWeights::Variance,
            negatives: 5,
            negative_tries: 3,
            pair_weight: 0.5,
            l2_embeddings: 1e-5,
            l2_weights: 0.1,
            learning_rate: 1e-3,
            batch_size: 2048,
            epochs: 5,
            learn_sensitivity: false,
            sensitivity_penalty: 10.0,
        }
    }
}

impl UserModelConfig {
    /// One model weighed by inverse propensity, as in DeepFM-IPS.
    pub fn inverse_propensity() -> Self {
        Self { members: 1, error_weights: ErrorWeights::InversePropensity, ..Self::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        self.model.validate()?;
        for (key, value) in [
            ("members", self.members),
            ("negatives", self.negatives),
            ("negative_tries", self.negative_tries),
            ("batch_size", self.batch_size),
        ] {
            if value == 0 {
                return Err(Error::config(format!("user_model.{key}"), "is 0; accepts whole numbers from 1"));
            }
        }
        for (key, value) in [
            ("pair_weight", self.pair_weight),
            ("l2_embeddings", self.l2_embeddings),
            ("l2_weights", self.l2_weights),
            ("learning_rate", self.learning_rate),
            ("sensitivity_penalty", self.sensitivity_penalty),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                let what = format!("is {value}; accepts finite numbers from 0");
                return Err(Error::config(format!("user_model.{key}"), what));
            }
        }
        Ok(())
    }
}

/// What user models are fitted to.
#[derive(Clone, Copy, Debug)]
pub struct UserModelData<'a> {
    /// Who took what and what it earned.
    pub log: LogColumns<'a>,
    /// What is known of the log's users.
    pub users: &'a Features,
    /// What is known of the log's items.
    pub items: &'a Features,
    /// For CIRS how much of the like each row's user had just had before, for each row of the log
    /// ([`simulate::exposure_of_log`](crate::simulate::exposure_of_log)); its feedback is then taken for
    /// `m / (1 + alpha_u beta_i e)`.
    pub exposure: Option<&'a [f32]>,
}

/// Errors of predicted feedback over a log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatingErrors {
    /// The mean absolute error.
    pub mae: f64,
    /// The mean squared error.
    pub mse: f64,
    /// Its root.
    pub rmse: f64,
}

/// Fitted user models.
#[derive(Clone, Debug)]
pub struct Ensemble {
    pub(super) config: UserModelConfig,
    pub(super) users: Encoded,
    pub(super) items: Encoded,
    /// Without gradients.
    pub(super) members: Vec<DeepFm>,
    pub(super) device: Device,
    /// For each member and epoch the loss per pair, decay included.
    pub(super) losses: Vec<Vec<f64>>,
}

/// Pairs per forward pass where no gradient is needed.
const CHUNK: usize = 16_384;

impl Ensemble {
    /// Trains the members, side by side.
    ///
    /// They differ in their first weights and in the order of pairs; with [`Compat::shared_ensemble_init`], as in the
    /// reference, in the order alone. All see the same negatives.
    ///
    /// # Errors
    /// If a setting or the data does not hold, or [`Error::Diverged`] if a loss is not finite.
    pub fn fit(
        data: &UserModelData<'_>,
        config: &UserModelConfig,
        compat: &Compat,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let (users, items) = (Encoded::new(data.users)?, Encoded::new(data.items)?);
        data.log.validate(users.rows(), items.rows())?;
        if data.log.is_empty() {
            return Err(Error::invalid("a user model needs a log with rows"));
        }
        if data.log.len().checked_mul(config.negatives).is_none_or(|pairs| u32::try_from(pairs).is_err()) {
            return Err(Error::config("user_model.negatives", "times the rows of the log is more than 2^32"));
        }
        if let Some(exposure) = data.exposure {
            if exposure.len() != data.log.len() {
                let (found, rows) = (exposure.len(), data.log.len());
                return Err(Error::invalid(format!("{found} exposures for {rows} rows of the log")));
            }
            if let Some(row) = exposure.iter().position(|e| !(e.is_finite() && *e >= 0.0)) {
                return Err(Error::invalid(format!("log row {row}: the exposure is {}", exposure[row])));
            }
        } else if config.learn_sensitivity {
            return Err(Error::config(
                "user_model.learn_sensitivity",
                "is true, but the log has no exposures",
            ));
        }
        let binary = config.model.target == crate::datasets::Target::Binary;
        if binary && let Some(row) = data.log.targets.iter().position(|t| !(0.0..=1.0).contains(t)) {
            let target = data.log.targets[row];
            return Err(Error::invalid(format!("log row {row}: the target {target} is not within 0 to 1")));
        }
        let task = Task {
            data,
            config,
            users: &users,
            items: &items,
            negatives: Negatives::new(data.log, config.negative_tries, seed),
            counts: (config.error_weights == ErrorWeights::InversePropensity).then(|| {
                let mut counts = vec![0_u32; items.rows()];
                data.log.items.iter().for_each(|&item| counts[item as usize] += 1);
                counts
            }),
            seed,
            device: device.clone().autodiff(),
        };
        let fitted: Result<Vec<_>> = (0..config.members)
            .into_par_iter()
            .map(|member| task.fit_member(member, if compat.shared_ensemble_init { 0 } else { member }))
            .collect();
        let (members, losses) = fitted?.into_iter().unzip();
        let device = device.clone().inner();
        Ok(Self { config: config.clone(), users, items, members, device, losses })
    }

    /// How the members were trained.
    pub fn config(&self) -> &UserModelConfig {
        &self.config
    }

    /// How many members there are.
    pub fn n_members(&self) -> usize {
        self.members.len()
    }

    /// For each member and epoch the loss per pair, decay included; empty for a loaded model.
    pub fn losses(&self) -> &[Vec<f64>] {
        &self.losses
    }

    /// Whether the members tell variances.
    fn has_variance(&self) -> bool {
        self.config.error_weights == ErrorWeights::Variance
    }

    /// The members' predictions for `users` with `items`, which are ids of the log: the mean of their means and the
    /// largest of their variances.
    ///
    /// # Errors
    /// If a user or item does not exist or there are none, or a prediction is not finite.
    pub fn predict_all(&self, users: &[u32], items: &[u32]) -> Result<Predicted> {
        self.users.check("user", users)?;
        self.items.check("item", items)?;
        if users.is_empty() || items.is_empty() {
            return Err(Error::invalid("predictions for no users or no items"));
        }
        let n = users.len() * items.len();
        let mut means = vec![0.0; n];
        let mut variances = vec![0.0; if self.has_variance() { n } else { 0 }];
        let item_rows = self.items.rows_on(items.iter().copied(), &self.device);
        let block = (CHUNK / items.len()).max(1);
        let blocks: Vec<_> = users
            .par_chunks(block)
            .map(|users| {
                let user_rows = self.users.rows_on(users.iter().copied(), &self.device);
                self.pool(|member| member.forward_all(&user_rows, &item_rows))
            })
            .collect();
        for (index, (mean, variance)) in blocks.into_iter().enumerate() {
            let start = index * block * items.len();
            means[start..start + mean.len()].copy_from_slice(&mean);
            if self.has_variance() {
                variances[start..start + variance.len()].copy_from_slice(&variance);
            }
        }
        let matrix = |cells| RewardMatrix::new(users.len(), items.len(), cells);
        let variance = if self.has_variance() { Some(matrix(variances)?) } else { None };
        Predicted::new(matrix(means)?, variance)
    }

    /// The mean of the members' means and, where there are any, the largest of their variances.
    fn pool(&self, mut predict: impl FnMut(&DeepFm) -> Output) -> (Vec<f32>, Vec<f32>) {
        let outputs: Vec<Output> = self.members.iter().map(&mut predict).collect();
        let mut mean = host(outputs[0].mean.clone());
        for output in &outputs[1..] {
            mean.iter_mut().zip(host(output.mean.clone())).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= outputs.len() as f32);
        let mut variance = Vec::new();
        if self.has_variance() {
            for output in outputs {
                let one = host(output.log_variance.exp());
                if variance.is_empty() {
                    variance = one;
                } else {
                    variance.iter_mut().zip(one).for_each(|(most, value)| *most = value.max(*most));
                }
            }
        }
        (mean, variance)
    }

    /// The predicted feedback of the pairs `users[i], items[i]`: of one member, or the mean over all.
    ///
    /// # Errors
    /// If the two differ in length or a user, item or member does not exist.
    pub fn predict(&self, users: &[u32], items: &[u32], member: Option<usize>) -> Result<Vec<f32>> {
        self.users.check("user", users)?;
        self.items.check("item", items)?;
        if users.len() != items.len() {
            return Err(Error::invalid(format!("{} users paired with {} items", users.len(), items.len())));
        }
        if let Some(member) = member.filter(|&member| member >= self.members.len()) {
            return Err(Error::invalid(format!("no member {member} among {}", self.members.len())));
        }
        let chunks: Vec<Vec<f32>> = users
            .par_chunks(CHUNK)
            .zip(items.par_chunks(CHUNK))
            .map(|(users, items)| {
                let users = self.users.rows_on(users.iter().copied(), &self.device);
                let items = self.items.rows_on(items.iter().copied(), &self.device);
                match member {
                    Some(member) => host(self.members[member].forward(&users, &items).mean),
                    None => self.pool(|member| member.forward(&users, &items)).0,
                }
            })
            .collect();
        Ok(chunks.concat())
    }

    /// How far predictions are from a held-out log: of one member, or of the mean over all.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn errors(&self, log: LogColumns<'_>, member: Option<usize>) -> Result<RatingErrors> {
        let predicted = self.predict(log.users, log.items, member)?;
        let rmse = rmse(&predicted, log.targets);
        Ok(RatingErrors { mae: mae(&predicted, log.targets), mse: rmse * rmse, rmse })
    }

    /// The vectors of `items`, ids of the log, in the first member: the item's own embedding, its features' embeddings
    /// (zeros for an empty slot), its numeric features. Coat: 40 wide.
    ///
    /// # Errors
    /// If an item does not exist.
    pub fn item_representations(&self, items: &[u32]) -> Result<ItemVectors> {
        self.items.check("item", items)?;
        let dim = self.items.fields() * self.config.model.dim + self.items.n_dense();
        if items.is_empty() {
            return Ok(ItemVectors { dim, values: Vec::new() });
        }
        let rows = self.items.rows_on(items.iter().copied(), &self.device);
        Ok(ItemVectors { dim, values: host(self.members[0].item_vectors(&rows)) })
    }

    /// The factors of exposure of `users` and `items`, ids of the log, as the mean over the members and at least 0; none
    /// if they were not learned.
    ///
    /// # Errors
    /// If a user or item does not exist.
    pub fn sensitivity(&self, users: &[u32], items: &[u32]) -> Result<Option<Sensitivity>> {
        self.users.check("user", users)?;
        self.items.check("item", items)?;
        let factors: Option<Vec<[Vec<f32>; 2]>> =
            self.members.iter().map(DeepFm::all_sensitivities).collect();
        Ok(factors.map(|factors| {
            let mean = |side: usize, ids: &[u32]| {
                let of = |&id: &u32| {
                    let sum: f32 = factors.iter().map(|member| member[side][id as usize]).sum();
                    (sum / factors.len() as f32).max(0.0)
                };
                ids.iter().map(of).collect()
            };
            Sensitivity { users: mean(0, users), items: mean(1, items) }
        }))
    }
}

fn host(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// What the members' training shares.
struct Task<'a> {
    data: &'a UserModelData<'a>,
    config: &'a UserModelConfig,
    users: &'a Encoded,
    items: &'a Encoded,
    negatives: Negatives<'a>,
    /// For inverse propensity how often each item was logged.
    counts: Option<Vec<u32>>,
    seed: u64,
    device: Device,
}

impl Task<'_> {
    /// A trained member, without gradients, and its loss per pair for each epoch.
    fn fit_member(&self, member: usize, weights: usize) -> Result<(DeepFm, Vec<f64>)> {
        let config = self.config;
        let mut rng = random::stream(self.seed, "user model weights", weights as u64);
        let sensitivity = config.learn_sensitivity;
        let mut model =
            DeepFm::new(self.users, self.items, &config.model, sensitivity, &mut rng, &self.device);
        let mut adam = Adam::new(config.learning_rate, None);
        let mut order: Vec<u32> = (0..(self.data.log.len() * config.negatives) as u32).collect();
        let (mut losses, mut updates) = (Vec::new(), 0);
        for epoch in 0..config.epochs {
            order.shuffle(&mut random::stream(
                self.seed,
                "user model order",
                (member * config.epochs + epoch) as u64,
            ));
            let mut sum = 0.0;
            for batch in order.chunks(config.batch_size) {
                let loss = self.loss(&model, batch);
                let value = f64::from(loss.clone().into_scalar::<f32>());
                if !value.is_finite() {
                    return Err(Error::Diverged { what: "the user model's loss".to_owned(), updates });
                }
                sum += value;
                let mut gradients = loss.backward();
                model = adam.step(model, &mut gradients);
                updates += 1;
            }
            losses.push(sum / order.len() as f64);
        }
        Ok((model.valid(), losses))
    }

    /// The loss of a batch of pairs, pair `p` being row `p % n` of the log with its negative number `p / n`.
    fn loss(&self, model: &DeepFm, pairs: &[u32]) -> Tensor<1> {
        let (log, config, n) = (self.data.log, self.config, pairs.len());
        let rows: Vec<usize> = pairs.iter().map(|&pair| pair as usize % log.len()).collect();
        let mut users: Vec<u32> = rows.iter().map(|&row| log.users[row]).collect();
        let mut items: Vec<u32> = rows.iter().map(|&row| log.items[row]).collect();
        let needs_negatives = config.loss != Loss::Point;
        if needs_negatives {
            for (&pair, &row) in pairs.iter().zip(&rows) {
                let (user, item) = self.negatives.draw(row, pair as usize / log.len());
                users.push(user);
                items.push(item);
            }
        }
        let column = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [n, 1]), &self.device);
        let targets = column(rows.iter().map(|&row| log.targets[row]).collect());
        let inverse = self.counts.as_ref().map(|counts| {
            column(rows.iter().map(|&row| 1.0 / counts[log.items[row] as usize] as f32).collect())
        });

        let both = model.forward(
            &self.users.rows_on(users.iter().copied(), &self.device),
            &self.items.rows_on(items.iter().copied(), &self.device),
        );
        let part = |start: usize| Output {
            mean: both.mean.clone().narrow(0, start, n),
            log_variance: both.log_variance.clone().narrow(0, start, n),
        };
        let mut positive = part(0);
        let negative = if needs_negatives { part(n) } else { positive.clone() };

        let mut penalty = model.penalty(config.l2_embeddings, config.l2_weights);
        if let Some(exposure) = self.data.exposure {
            let mut exposure = column(rows.iter().map(|&row| exposure[row]).collect());
            let ids = |ids: &[u32]| {
                let ids: Vec<i32> = ids[..n].iter().map(|&id| id as i32).collect();
                Tensor::<1, Int>::from_data(TensorData::new(ids, [n]), &self.device)
            };
            if let Some((alpha, beta)) = model.sensitivities(ids(&users), ids(&items)) {
                let off = |factors: &Tensor<2>| factors.clone().sub_scalar(1.0).square().mean();
                let drawn = off(&alpha).add(off(&beta)).mul_scalar(config.sensitivity_penalty);
                penalty = penalty.add(drawn);
                exposure = exposure.mul(alpha).mul(beta);
            }
            positive.mean = positive.mean.div(exposure.add_scalar(1.0));
        }
        let weights = config.error_weights;
        loss(config.loss, weights, &positive, &negative, targets, inverse, config.pair_weight).add(penalty)
    }
}
