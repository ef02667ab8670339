//! The training engine on burn.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rec_core::{Interactions, ItemId, UserId, UserItems, random};

use super::model::values;
use super::{Adam, Model, Moments, Parameters};
use crate::batches;
use crate::config::{Loss, ModelConfig, Optimizer};
use crate::embeddings::Embeddings;
use crate::train::{EngineState, EpochLosses, StateTensor, TrainingEngine};
use crate::{Error, Result};

/// Losses wait on the device for this many steps before they are read: each reading waits for the device.
const STEPS_BETWEEN_READINGS: usize = 64;

/// Every loss on every encoder, by autodiff, on any device of burn.
///
/// It starts from the same tables, sees the same batches and draws the same negatives as the fused engine, and updates
/// every row at every step. On `flex` the same seed gives the same tables whatever the number of threads; on a GPU
/// rows that occur several times in a batch may be summed in another order from run to run.
pub struct AutodiffEngine<'a> {
    config: ModelConfig,
    rows: &'a Interactions,
    positives: UserItems,
    device: Device,
    model: Model,
    tables: [Moments<2>; 2],
    margins: Option<[Moments<1>; 2]>,
    adam: Adam,
    step: u64,
    order: Vec<(UserId, ItemId)>,
}

impl std::fmt::Debug for AutodiffEngine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AutodiffEngine")
            .field("config", &self.config)
            .field("device", &self.device)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl<'a> AutodiffEngine<'a> {
    /// An engine before its first epoch, on `device` (see [`device()`](super::device())).
    ///
    /// # Errors
    /// [`Error::Config`] if `config` does not hold, asks for [`Optimizer::Lazy`] (burn's gradients are dense);
    /// [`Error::Core`] if there is no interaction, or BPR meets a user who touched every item.
    ///
    /// # Panics
    /// If `rows` name a user or item that does not exist.
    pub fn new(
        config: &ModelConfig,
        rows: &'a Interactions,
        n_users: usize,
        n_items: usize,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        if config.training.optimizer == Optimizer::Lazy {
            return Err(Error::config(
                "training.optimizer",
                "is lazy; the burn engine accepts dense (use the fused engine for lazy)",
            ));
        }
        if rows.is_empty() {
            return Err(rec_core::Error::invalid("there is no interaction to train on").into());
        }
        let positives = UserItems::new(rows, n_users, n_items);
        if matches!(config.loss, Loss::Bpr { .. }) {
            batches::check_sampling(&positives)?;
        }
        let device = device.clone().autodiff();
        let model = Model::new(config, &positives, Parameters::initial(config, n_users, n_items), &device);
        let tables = model.encoder.tables();
        Ok(Self {
            config: config.clone(),
            rows,
            tables: [Moments::zeros_like(&tables.users), Moments::zeros_like(&tables.items)],
            margins: model
                .margins
                .as_ref()
                .map(|margins| [Moments::zeros_like(&margins.users), Moments::zeros_like(&margins.items)]),
            adam: Adam {
                learning_rate: config.training.learning_rate,
                weight_decay: config.training.weight_decay,
            },
            positives,
            device,
            model,
            step: 0,
            order: Vec::new(),
        })
    }

    /// One step on one batch: the loss and its terms, one after the other, still on the device.
    fn train_step(
        &mut self,
        batch: &[(UserId, ItemId)],
        negatives: &[ItemId],
    ) -> (Tensor<1>, Vec<&'static str>) {
        let objective = self.model.objective(&self.config.loss, batch, negatives);
        let mut gradients = objective.loss.backward();
        self.step += 1;
        let (adam, step) = (self.adam, self.step);
        let tables = self.model.encoder.tables_mut();
        for (param, moments) in [&mut tables.users, &mut tables.items].into_iter().zip(&mut self.tables) {
            let gradient = param.val().grad_remove(&mut gradients).expect("each loss depends on both tables");
            replace(param, |param| adam.update(param, gradient, moments, step));
        }
        if let (Some(margins), Some(moments)) = (&mut self.model.margins, &mut self.margins) {
            for (param, moments) in [&mut margins.users, &mut margins.items].into_iter().zip(moments) {
                let gradient = param.val().grad_remove(&mut gradients).expect("MAWU depends on its margins");
                replace(param, |param| adam.update(param, gradient, moments, step));
            }
            self.model.margins = self.model.margins.take().map(super::Margins::clamped);
        }
        let mut names = Vec::with_capacity(objective.terms.len());
        let mut numbers = vec![objective.loss.inner()];
        for (name, term) in objective.terms {
            names.push(name);
            numbers.push(term.inner());
        }
        (Tensor::cat(numbers, 0), names)
    }
}

impl TrainingEngine for AutodiffEngine<'_> {
    fn train_epoch(&mut self, epoch: usize) -> Result<EpochLosses> {
        let (batch_size, learning_rate, seed) =
            (self.config.training.batch_size, self.config.training.learning_rate, self.config.training.seed);
        let mut order = std::mem::take(&mut self.order);
        batches::shuffle(self.rows, seed, epoch, &mut order);
        let sampled = matches!(self.config.loss, Loss::Bpr { .. });
        let mut rng = random::stream(seed, "negatives", epoch as u64);
        let mut negatives = Vec::new();
        let mut sums = Vec::new();
        let mut names = Vec::new();
        let mut waiting = Vec::new();
        let mut steps = 0;
        let mut parts = batches::batches(&order, batch_size).peekable();
        while let Some(batch) = parts.next() {
            if sampled {
                negatives.clear();
                negatives.extend(
                    batch.iter().map(|(user, _)| batches::negative(&self.positives, *user, &mut rng)),
                );
            }
            let (numbers, term_names) = self.train_step(batch, &negatives);
            names = term_names;
            waiting.push(numbers);
            if waiting.len() == STEPS_BETWEEN_READINGS || parts.peek().is_none() {
                let width = names.len() + 1;
                sums.resize(width, 0.0);
                for numbers in values(Tensor::cat(std::mem::take(&mut waiting), 0)).chunks(width) {
                    if !numbers[0].is_finite() {
                        return Err(Error::Diverged {
                            epoch,
                            step: steps,
                            loss: f64::from(numbers[0]),
                            learning_rate,
                        });
                    }
                    sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += f64::from(*number));
                    steps += 1;
                }
            }
        }
        drop(parts);
        self.order = order;
        let mut means = sums.into_iter().map(|sum| sum / steps as f64);
        let loss = means.next().expect("an epoch has at least one batch");
        Ok(EpochLosses { loss, terms: names.into_iter().map(String::from).zip(means).collect() })
    }

    fn embeddings(&mut self) -> Embeddings {
        let model = self.model.valid();
        // GraphAU propagates in its loss alone: its authors score by the tables.
        let (users, items) = match self.config.loss {
            Loss::GraphAu { .. } => model.encoder.tables().forward(),
            _ => model.encoder.forward(),
        };
        Embeddings::new(self.config.training.dim, values(users), values(items), self.config.scoring)
    }

    fn state(&mut self) -> EngineState {
        let tables = self.model.encoder.tables();
        let mut tensors = Vec::new();
        save(&mut tensors, TABLE_NAMES, [&tables.users, &tables.items], &self.tables);
        if let (Some(margins), Some(moments)) = (&self.model.margins, &self.margins) {
            save(&mut tensors, MARGIN_NAMES, [&margins.users, &margins.items], moments);
        }
        EngineState { tensors, step: self.step }
    }

    fn restore(&mut self, state: &EngineState) -> Result<()> {
        // All is read before anything is replaced: a broken state leaves the engine as it was.
        let tables = self.model.encoder.tables();
        let saved = load(state, TABLE_NAMES, [&tables.users, &tables.items], &self.device)?;
        let saved_margins = match &self.model.margins {
            None => None,
            Some(margins) => Some(load(state, MARGIN_NAMES, [&margins.users, &margins.items], &self.device)?),
        };
        let tables = self.model.encoder.tables_mut();
        ([tables.users, tables.items], self.tables) = saved;
        if let (Some(saved), Some(margins), Some(moments)) =
            (saved_margins, &mut self.model.margins, &mut self.margins)
        {
            ([margins.users, margins.items], *moments) = saved;
        }
        self.step = state.step;
        Ok(())
    }
}

/// Puts `change` of a parameter in its place.
fn replace<const D: usize>(
    param: &mut Param<Tensor<D>>,
    change: impl FnOnce(Param<Tensor<D>>) -> Param<Tensor<D>>,
) {
    // A clone of a parameter is a handle on the same storage.
    let changed = change(param.clone());
    *param = changed;
}

/// The names of saved arrays: values, first moments, second moments. Each holds the users' rows, then the items', as
/// the fused engine saves them, so a checkpoint of one engine goes on in the other.
const TABLE_NAMES: [&str; 3] = ["table", "first_moment", "second_moment"];
const MARGIN_NAMES: [&str; 3] = ["margins", "margins_first_moment", "margins_second_moment"];

/// Appends the values and moments of users and items.
fn save<const D: usize>(
    tensors: &mut Vec<StateTensor>,
    names: [&str; 3],
    params: [&Param<Tensor<D>>; 2],
    moments: &[Moments<D>; 2],
) {
    let [users, items] = moments;
    let sides = [
        params.map(|param| param.val().inner()),
        [users.first.clone(), items.first.clone()],
        [users.second.clone(), items.second.clone()],
    ];
    for (name, sides) in names.into_iter().zip(sides) {
        let both = Tensor::cat(sides.into(), 0);
        tensors.push(StateTensor {
            name: name.to_string(),
            shape: both.dims().to_vec(),
            values: values(both),
        });
    }
}

/// What [`save`] saved, cut at the rows of `params`.
fn load<const D: usize>(
    state: &EngineState,
    names: [&str; 3],
    params: [&Param<Tensor<D>>; 2],
    device: &Device,
) -> Result<([Param<Tensor<D>>; 2], [Moments<D>; 2])> {
    let shapes = params.map(|param| param.val().dims());
    let mut shape = shapes[0];
    shape[0] += shapes[1][0];
    let inner = device.clone().inner();
    let read = |name: &str| -> Result<[Tensor<D>; 2]> {
        let values = &state.tensor(name, &shape)?.values;
        let (users, items) = values.split_at(shapes[0].iter().product());
        let tensor =
            |values: &[f32], shape| Tensor::from_data(TensorData::new(values.to_vec(), shape), &inner);
        Ok([tensor(users, shapes[0]), tensor(items, shapes[1])])
    };
    let [values, first, second] = names;
    let values = read(values)?.map(|values| Param::from_tensor(Tensor::from_inner(values)));
    let ([user_first, item_first], [user_second, item_second]) = (read(first)?, read(second)?);
    let moments = [
        Moments { first: user_first, second: user_second },
        Moments { first: item_first, second: item_second },
    ];
    Ok((values, moments))
}
