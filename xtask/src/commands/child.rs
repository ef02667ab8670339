//! The hidden command that fits and judges one model with one seed, as its run folder says.

use std::time::{Duration, Instant};

use rec_core::evaluate::Evaluator;
use rec_core::metrics::Metric;
use rec_core::run::{MetricLog, RunFolder, Start};
use rec_core::split::SplitSpec;
use rec_core::{Observer, Progress};
use serde_json::json;

use crate::children::{self, Beat, Said};
use crate::cli::Child;
use crate::comparison::{PerUser, RunResult, Seconds, deciles, median};
use crate::error::{Error, Result};
use crate::models::{Fit, find};
use crate::runs::{Job, USERS};
use crate::{data, machine};

/// Writes every epoch to the run's metrics, and a beat to the parent.
struct Watch<'a> {
    metrics: &'a mut MetricLog,
    epochs: usize,
}

impl Observer for Watch<'_> {
    fn progress(&mut self, progress: &Progress<'_>) {
        self.epochs += 1;
        self.metrics.progress(progress);
        let valid =
            progress.values.iter().find(|(name, _)| name.starts_with("valid_")).map(|(_, value)| *value);
        children::say(&Said::Beat(Beat { epoch: progress.epoch, epochs: progress.epochs, quality: valid }));
    }

    fn warning(&mut self, text: &str) {
        children::say(&Said::Warning(text.to_owned()));
    }
}

/// Seconds between checkpoints, if not the library's default: a kill costs at most so much work.
const CHECKPOINT_SECONDS: &str = "SEXTANT_CHECKPOINT_SECONDS";

fn checkpoint_every() -> Result<Duration> {
    let Ok(text) = std::env::var(CHECKPOINT_SECONDS) else { return Ok(Duration::from_secs(10)) };
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| Error::Usage(format!("{CHECKPOINT_SECONDS} is {text:?}; accepts seconds from 0")))
}

/// Fits and judges one model.
///
/// # Errors
/// [`Error::Data`] if the data are not those of the parent, and everything that the model and the evaluator report.
pub fn child(arguments: &Child) -> Result<()> {
    let job: Job = children::read_job(&arguments.folder)?;
    let mut run = RunFolder::open(&arguments.folder, &job, Start::Resume)?;
    let model = find(&job.model)?;
    let dataset = data::load_filtered(&job.data, &job.filter)?;
    let spec: SplitSpec = job.manifest.spec.parse()?;
    let split = data::split(&dataset, &spec, job.split_seed)?;
    if split.manifest != job.manifest {
        return Err(Error::Data(format!("{}: the data or the split changed since the run began", job.data)));
    }
    let config = serde_json::to_value(&job.config).map_err(|error| Error::Failed(error.to_string()))?;
    let checkpoint = run.checkpoint_path();
    let mut watch = Watch { metrics: run.metrics(), epochs: 0 };
    let start = Instant::now();
    let fitted = model.fit(
        &config,
        Fit {
            seed: job.seed,
            device: &job.device,
            split: &split,
            dataset: &dataset,
            n_users: dataset.n_users(),
            n_items: dataset.n_items(),
            observer: &mut watch,
            checkpoint: &checkpoint,
            checkpoint_every: checkpoint_every()?,
        },
    )?;
    let fit = start.elapsed().as_secs_f64();
    let seconds_of = |epochs: &[cf_align::train::EpochRecord], keys: &[&str]| -> Vec<f64> {
        let sum = |epoch: &cf_align::train::EpochRecord| -> f64 {
            epoch
                .values
                .iter()
                .filter(|(name, _)| keys.contains(&name.as_str()))
                .map(|(_, value)| value)
                .sum()
        };
        epochs.iter().map(sum).collect()
    };
    let sitting = watch.epochs;
    let before = fitted.history.len().saturating_sub(sitting);
    let earlier: f64 = seconds_of(&fitted.history[..before], &["seconds", "seconds_valid"]).iter().sum();

    let metrics: Vec<Metric> =
        job.metrics.iter().map(|name| name.parse()).collect::<rec_core::Result<_>>()?;
    let evaluator = Evaluator::test(&split, dataset.n_users(), dataset.n_items())?
        .with_catalogue(&dataset.catalogue)?
        .with_metrics(&metrics)?;
    let start = Instant::now();
    let evaluation = evaluator.evaluate(fitted.recommender.as_ref())?;
    let evaluate = start.elapsed().as_secs_f64();

    // The first of the metrics kept for each user is the primary one.
    let primary: Option<Metric> = job.per_user.first().map(|name| name.parse()).transpose()?;
    let validation = match primary.filter(|_| !split.valid.is_empty()) {
        Some(metric) => Evaluator::validation(&split, dataset.n_users(), dataset.n_items())?
            .with_metrics(&[metric])?
            .evaluate(fitted.recommender.as_ref())?
            .get(&metric.to_string()),
        None => None,
    };

    let users = PerUser {
        users: evaluation.users.iter().map(|user| user.0).collect(),
        values: job
            .per_user
            .iter()
            .filter_map(|name| Some((name.clone(), evaluation.per_user(name)?.to_vec())))
            .collect(),
    };
    let popularity = split.train.item_counts(dataset.n_items());
    let result = RunResult {
        model: job.model.clone(),
        seed: job.seed,
        evaluation: evaluation.summary(),
        validation,
        deciles: deciles(&evaluation.item_counts, &popularity),
        seconds: Seconds {
            epoch_median: median(seconds_of(&fitted.history, &["seconds"])),
            fit: fit + earlier,
            evaluate,
        },
        peak_rss_mib: machine::peak_rss_mib(),
        best_epoch: fitted.best_epoch,
        measures: fitted.measures,
        history: fitted.history,
        warnings: fitted.warnings,
    };
    // The result last: it is what says that the run is finished.
    run.write_file(USERS, json!(users).to_string().as_bytes())?;
    run.finish(&result)?;
    Ok(())
}
