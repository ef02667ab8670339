//! The training loop that all engines share: epochs, validation, early stopping, checkpoints.

use std::path::Path;
use std::time::{Duration, Instant};

use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Better, Metric};
use rec_core::{Observer, Progress, Split, UserItems};

use crate::checkpoint::{self, Header};
use crate::fused::FusedEngine;
use crate::{Embeddings, Engine, Error, Loss, Model, ModelConfig, Result, analysis};

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
    /// Write a checkpoint after the first epoch that ends this long after the last one was written (and at the end).
    pub checkpoint_every: Duration,
    /// The device of the burn engine, such as `flex`, `cuda:0`, `wgpu`, `tch`; the fused engine ignores it.
    pub device: &'a str,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { observer: _, checkpoint, checkpoint_every, device } = self;
        f.debug_struct("Session")
            .field("checkpoint", checkpoint)
            .field("checkpoint_every", checkpoint_every)
            .field("device", device)
            .finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// Watched by `observer`, on the CPU, without checkpoints.
    pub fn new(observer: &'a mut dyn Observer) -> Self {
        Self { observer, checkpoint: None, checkpoint_every: Duration::from_secs(10), device: "flex" }
    }
}

/// One row of the training history.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Named values: `loss`, its terms, `seconds` (training alone), and on validated epochs `valid_ndcg@20`, …,
    /// `seconds_valid`, and on measured ones `overall_alignment`, `overall_uniformity_user`,
    /// `overall_uniformity_item`.
    pub values: Vec<(String, f64)>,
}

impl EpochRecord {
    /// The value called `name`, if this epoch has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
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
    /// Warnings for the user: a gamma under the collapse threshold, which the observer heard of before the first epoch, and vectors
    /// that did collapse.
    pub warnings: Vec<String>,
}

impl Fitted {
    /// The embeddings as a model to save, with the settings that they were trained by.
    pub fn into_model(self, config: ModelConfig) -> Model {
        Model::Embeddings(self.embeddings, Some(Box::new(config)))
    }
}

/// Trains `config` on `split.train`, selecting the epoch on `split.valid` (the last epoch if it is empty).
///
/// Early stopping is RecBole's, on unrounded values: the better value is the one that [`Measure::better`] says, the
/// lower one for Gini, say. A tie counts as an improvement and the newer epoch wins;
/// training stops when the validations without improvement *exceed* the patience.
///
/// Before the first epoch the observer is warned of a gamma of DirectAU below [`analysis::critical_gamma`].
///
/// [`Measure::better`]: rec_core::metrics::Measure::better
///
/// ```
/// use cf_align::{ModelConfig, Session, fit};
/// use rec_core::{Interactions, ItemId, Split, UserId};
/// let train = Interactions::from_pairs(vec![UserId(0), UserId(1)], vec![ItemId(0), ItemId(1)]);
/// let split = Split { train, ..Split::default() };
/// let mut config = ModelConfig::directau();
/// config.training.epochs = 3;
/// let fitted = fit(&config, &split, 2, 2, Session::new(&mut ()))?;
/// assert_eq!(fitted.history.len(), 3);
/// # Ok::<(), cf_align::Error>(())
/// ```
///
/// # Errors
/// A configuration that does not hold, a metric to select by that has no better end, a checkpoint that is broken or belongs to
/// another configuration or other
/// data, a diverging loss, a device whose backend was not built in.
pub fn fit(
    config: &ModelConfig,
    split: &Split,
    n_users: usize,
    n_items: usize,
    session: Session<'_>,
) -> Result<Fitted> {
    config.validate()?;
    let Session { observer, checkpoint: file, checkpoint_every, device } = session;
    let training = &config.training;
    let select: Metric = training
        .select_by
        .parse()
        .map_err(|error: rec_core::Error| Error::config("training.select_by", error.to_string()))?;
    let better = select.measure().better();
    if better == Better::Neither {
        let what = format!("is {select}, of which neither more nor less is better; no epoch can be selected");
        return Err(Error::config("training.select_by", what));
    }
    let select_name = select.to_string();
    let evaluator = if split.valid.is_empty() {
        None
    } else {
        Some(Evaluator::validation(split, n_users, n_items)?.with_metrics(&[select])?)
    };
    let mut warnings: Vec<String> =
        collapse_warning(config, &UserItems::new(&split.train, n_users, n_items)).into_iter().collect();
    warnings.iter().for_each(|warning| observer.warning(warning));
    let data = checkpoint::fingerprint(&[&split.train, &split.valid]);
    let mut engine = engine(config, split, n_users, n_items, device)?;
    let mut header = Header {
        config: config.clone(),
        data,
        epoch: 0,
        step: 0,
        finished: false,
        best_epoch: 0,
        best_value: None,
        stale: 0,
        history: Vec::new(),
    };
    let mut best = None;
    if let Some(file) = file
        && let Some(found) = checkpoint::read(file)?
    {
        if found.header.config != *config || found.header.data != data {
            let what = "belongs to another configuration or to other data; delete it to start again";
            return Err(Error::Format { path: file.to_owned(), what: what.into() });
        }
        let told = &found.header;
        let sizes = |best: &Embeddings| (best.n_users(), best.n_items());
        if told.epoch > training.epochs
            || told.best_epoch > told.epoch
            || told.stale > told.epoch
            || told.step > (told.epoch as u64).saturating_mul(split.train.len() as u64)
            || found.best.as_ref().is_some_and(|best| sizes(best) != (n_users, n_items))
        {
            let what = "not a checkpoint: its numbers contradict each other; delete it to start again";
            return Err(Error::Format { path: file.to_owned(), what: what.into() });
        }
        engine.restore(&found.state)?;
        header = found.header;
        best = found.best;
    }
    let counts = (split.train.user_counts(n_users), split.train.item_counts(n_items));
    let mut written = Instant::now();
    while !header.finished && header.epoch < training.epochs {
        let epoch = header.epoch;
        let started = Instant::now();
        let losses = engine.train_epoch(epoch)?;
        let seconds = started.elapsed().as_secs_f64();
        let mut values = vec![("loss".to_owned(), losses.loss)];
        values.extend(losses.terms);
        values.push(("seconds".into(), seconds));
        header.epoch += 1;
        let last = header.epoch == training.epochs;
        if header.epoch.is_multiple_of(training.evaluate_every) || last {
            let outputs = engine.embeddings();
            let validations = header.epoch.div_ceil(training.evaluate_every);
            if training.measure_every > 0
                && (validations.is_multiple_of(training.measure_every) || header.epoch == 1 || last)
            {
                let (dim, users, items) = (outputs.dim(), outputs.users(), outputs.items());
                values
                    .push(("overall_alignment".into(), analysis::overall_alignment(&outputs, &split.train)));
                let user = analysis::overall_uniformity(users, dim, &counts.0);
                values.push(("overall_uniformity_user".into(), user));
                let item = analysis::overall_uniformity(items, dim, &counts.1);
                values.push(("overall_uniformity_item".into(), item));
            }
            let value = match &evaluator {
                None => None,
                Some(evaluator) => {
                    let started = Instant::now();
                    let value = evaluator.evaluate(&outputs)?.get(&select_name).ok_or_else(|| {
                        let what = format!("is {select_name}, which the validation has no value of");
                        Error::config("training.select_by", what)
                    })?;
                    values.push((format!("valid_{select_name}"), value));
                    values.push(("seconds_valid".into(), started.elapsed().as_secs_f64()));
                    Some(value)
                }
            };
            let improved = match (value, header.best_value) {
                (Some(value), Some(best)) if better == Better::Lower => value <= best,
                (Some(value), Some(best)) => value >= best,
                // The first validation; and without any the newest epoch is the best one.
                _ => true,
            };
            if improved {
                header.best_value = value;
                header.best_epoch = header.epoch;
                header.stale = 0;
                best = Some(outputs);
            } else {
                header.stale += 1;
            }
        }
        header.finished = last || header.stale > training.patience;
        let told: Vec<(&str, f64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        observer.progress(&Progress { epoch: header.epoch, epochs: training.epochs, values: &told });
        header.history.push(EpochRecord { epoch: header.epoch, values });
        if let Some(file) = file
            && (header.finished || written.elapsed() >= checkpoint_every)
        {
            let state = engine.state();
            header.step = state.step;
            checkpoint::write(file, &header, &state, best.as_ref())?;
            written = Instant::now();
        }
    }
    let embeddings = best.unwrap_or_else(|| engine.embeddings());
    warnings.extend(collapses(config, &header.history));
    Ok(Fitted { embeddings, best_epoch: header.best_epoch, history: header.history, warnings })
}

fn engine<'a>(
    config: &ModelConfig,
    split: &'a Split,
    n_users: usize,
    n_items: usize,
    device: &str,
) -> Result<Box<dyn TrainingEngine + 'a>> {
    match config.training.engine {
        Engine::Fused => Ok(Box::new(FusedEngine::new(config, &split.train, n_users, n_items)?)),
        #[cfg(feature = "burn")]
        Engine::Burn => {
            let device = crate::autodiff::device(device)?;
            Ok(Box::new(crate::autodiff::AutodiffEngine::new(
                config,
                &split.train,
                n_users,
                n_items,
                &device,
            )?))
        }
        #[cfg(not(feature = "burn"))]
        Engine::Burn => {
            let what = format!(
                "is burn (on {device}), but this build has no burn; accepts fused, or build a backend in"
            );
            Err(Error::config("training.engine", what))
        }
    }
}

/// The warning that DirectAU's gamma is under [`analysis::critical_gamma`] of these data, if it is.
fn collapse_warning(config: &ModelConfig, train: &UserItems) -> Option<String> {
    let Loss::DirectAu { gamma, .. } = config.loss else { return None };
    let threshold = analysis::critical_gamma(train);
    (gamma < threshold).then(|| {
        format!(
            "gamma {gamma} is under {threshold:.3}, the threshold below which these data pull all vectors into one point"
        )
    })
}

/// The warnings that DirectAU's vectors did end in one point, as far as the history tells.
fn collapses(config: &ModelConfig, history: &[EpochRecord]) -> Vec<String> {
    if !matches!(config.loss, Loss::DirectAu { .. }) {
        return Vec::new();
    }
    let last = |name: &str| history.iter().rev().find_map(|record| record.get(name));
    ["uniformity_user", "uniformity_item"]
        .into_iter()
        .filter_map(|name| Some((name, last(name).filter(|value| *value > -0.1)?)))
        .map(|(name, value)| format!("the vectors have collapsed: {name} ended at {value:.3}; raise gamma"))
        .collect()
}

#[cfg(test)]
mod tests {
    use rec_core::{Interactions, ItemId, UserId};

    use super::*;

    fn split() -> Split {
        let rows = |pairs: &[(u32, u32)]| {
            let (users, items) = pairs.iter().map(|&(user, item)| (UserId(user), ItemId(item))).unzip();
            Interactions::from_pairs(users, items)
        };
        let train: Vec<(u32, u32)> =
            (0..30).flat_map(|user| (0..5).map(move |step| (user, (user * 7 + step * step) % 20))).collect();
        let valid: Vec<(u32, u32)> = (0..30).map(|user| (user, (user * 7 + 5) % 20)).collect();
        Split { train: rows(&train), valid: rows(&valid), ..Split::default() }
    }

    fn fitted(select_by: &str) -> Result<Fitted> {
        let mut config = ModelConfig::directau();
        config.training.dim = 8;
        config.training.epochs = 12;
        config.training.batch_size = 64;
        config.training.learning_rate = 0.05;
        config.training.select_by = select_by.into();
        fit(&config, &split(), 30, 20, Session::new(&mut ()))
    }

    #[test]
    fn a_gamma_under_the_threshold_is_told_before_the_first_epoch() {
        #[derive(Default)]
        struct Heard(Vec<String>);
        impl Observer for Heard {
            fn progress(&mut self, progress: &Progress<'_>) {
                self.0.push(format!("epoch {}", progress.epoch));
            }
            fn warning(&mut self, text: &str) {
                self.0.push(text.to_owned());
            }
        }
        let split = split();
        let threshold = analysis::critical_gamma(&UserItems::new(&split.train, 30, 20));
        assert!(threshold > 0.01);
        let heard = |gamma: f64| {
            let mut config = ModelConfig::directau();
            config.loss = Loss::DirectAu { gamma, dedup: false };
            config.training.dim = 8;
            config.training.epochs = 1;
            let mut heard = Heard::default();
            let fitted = fit(&config, &split, 30, 20, Session::new(&mut heard)).unwrap();
            (heard.0, fitted.warnings)
        };
        let (told, warnings) = heard(threshold * 0.9);
        assert!(told[0].contains(&format!("under {threshold:.3}")), "{told:?}");
        assert_eq!(told[1], "epoch 1");
        assert_eq!(warnings[0], told[0]);
        assert_eq!(heard(threshold * 1.1).0, ["epoch 1"]);
    }

    /// The validations by epoch, and the best of them: the newest one that no other beats.
    fn best(fitted: &Fitted, name: &str, better: impl Fn(f64, f64) -> bool) -> usize {
        let values: Vec<f64> = fitted.history.iter().map(|record| record.get(name).unwrap()).collect();
        let mut best = 0;
        for (epoch, value) in values.iter().enumerate() {
            if !better(values[best], *value) {
                best = epoch;
            }
        }
        assert!(values.iter().any(|value| *value != values[best]), "{values:?}");
        best + 1
    }

    #[test]
    fn the_best_epoch_is_the_best_by_the_metric_however_it_is_written() {
        let plain = fitted("ndcg@5").unwrap();
        assert_eq!(plain.best_epoch, best(&plain, "valid_ndcg@5", |a, b| a > b));
        let loud = fitted(" NDCG@5 ").unwrap();
        assert_eq!(loud.best_epoch, plain.best_epoch);
        assert_eq!(loud.embeddings.items(), plain.embeddings.items());
        let last = |fitted: &Fitted| fitted.history.last().unwrap().get("valid_ndcg@5");
        assert_eq!(last(&loud), last(&plain));
    }

    #[test]
    fn less_is_better_where_the_metric_says_so() {
        let fitted = fitted("Gini@5").unwrap();
        assert_eq!(fitted.best_epoch, best(&fitted, "valid_gini@5", |a, b| a < b));
    }

    #[test]
    fn a_metric_without_a_better_end_selects_nothing() {
        let error = fitted("novelty@5").unwrap_err().to_string();
        assert!(error.starts_with("training.select_by: is novelty@5, of which neither"), "{error}");
    }
}
