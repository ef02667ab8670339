//! One member's training: batches of logged pairs with their negatives, and what is minimised on them.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::seq::SliceRandom;
use rec_core::random;

use super::{DeepFm, Encoded, Loss, Negatives, Output, UserModelConfig, UserModelData, loss};
use crate::optimizer::Adam;
use crate::{Error, Result};

/// What the members' training shares.
pub(super) struct Task<'a> {
    pub(super) data: &'a UserModelData<'a>,
    pub(super) config: &'a UserModelConfig,
    pub(super) users: &'a Encoded,
    pub(super) items: &'a Encoded,
    pub(super) negatives: Negatives<'a>,
    /// For inverse propensity how often each item was logged.
    pub(super) counts: Option<Vec<u32>>,
    pub(super) seed: u64,
    pub(super) device: Device,
}

impl Task<'_> {
    /// A trained member, without gradients, and its loss per pair for each epoch.
    pub(super) fn fit_member(&self, member: usize, weights: usize) -> Result<(DeepFm, Vec<f64>)> {
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
        let (log, config) = (self.data.log, self.config);
        let rows: Vec<usize> = pairs.iter().map(|&pair| pair as usize % log.len()).collect();
        let mut batch = Batch {
            users: rows.iter().map(|&row| log.users[row]).collect(),
            items: rows.iter().map(|&row| log.items[row]).collect(),
            targets: rows.iter().map(|&row| log.targets[row]).collect(),
            inverse: self
                .counts
                .as_ref()
                .map(|counts| rows.iter().map(|&row| 1.0 / counts[log.items[row] as usize] as f32).collect()),
            exposure: self.data.exposure.map(|exposure| rows.iter().map(|&row| exposure[row]).collect()),
        };
        if config.loss != Loss::Point {
            for (&pair, &row) in pairs.iter().zip(&rows) {
                let (user, item) = self.negatives.draw(row, pair as usize / log.len());
                batch.users.push(user);
                batch.items.push(item);
            }
        }
        objective(model, config, self.users, self.items, batch, &self.device)
    }
}

/// Logged pairs, followed by one negative of each where the loss needs them.
pub(super) struct Batch {
    pub(super) users: Vec<u32>,
    pub(super) items: Vec<u32>,
    /// The logged feedback of the logged pairs.
    pub(super) targets: Vec<f32>,
    /// One over the count of each logged pair's item.
    pub(super) inverse: Option<Vec<f32>>,
    /// The exposure of each logged pair.
    pub(super) exposure: Option<Vec<f32>>,
}

/// The loss of `batch` and the penalties, `[1]`.
pub(super) fn objective(
    model: &DeepFm,
    config: &UserModelConfig,
    users: &Encoded,
    items: &Encoded,
    batch: Batch,
    device: &Device,
) -> Tensor<1> {
    let n = batch.targets.len();
    let column = |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, [n, 1]), device);
    let both = model.forward(
        &users.rows_on(batch.users.iter().copied(), device),
        &items.rows_on(batch.items.iter().copied(), device),
    );
    let part = |start: usize| Output {
        mean: both.mean.clone().narrow(0, start, n),
        log_variance: both.log_variance.clone().narrow(0, start, n),
    };
    let mut positive = part(0);
    let negative = if batch.users.len() > n { part(n) } else { positive.clone() };

    let mut penalty = model.penalty(config.l2_embeddings, config.l2_weights);
    if let Some(exposure) = batch.exposure {
        let mut exposure = column(exposure);
        let ids = |ids: &[u32]| {
            let ids: Vec<i32> = ids[..n].iter().map(|&id| id as i32).collect();
            Tensor::<1, Int>::from_data(TensorData::new(ids, [n]), device)
        };
        if let Some((alpha, beta)) = model.sensitivities(ids(&batch.users), ids(&batch.items)) {
            let off = |factors: &Tensor<2>| factors.clone().sub_scalar(1.0).square().mean();
            penalty = penalty.add(off(&alpha).add(off(&beta)).mul_scalar(config.sensitivity_penalty));
            exposure = exposure.mul(alpha).mul(beta);
        }
        positive.mean = positive.mean.div(exposure.add_scalar(1.0));
    }
    let (targets, inverse) = (column(batch.targets), batch.inverse.map(column));
    let sum =
        loss(config.loss, config.error_weights, &positive, &negative, targets, inverse, config.pair_weight);
    sum.add(penalty)
}
