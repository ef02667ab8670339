//! The hidden command that trains and judges one policy with one seed, as its run folder says.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rec_core::run::{MetricLog, RunFolder, Start, read_metrics};
use rec_core::{Observer, Progress};
use rl_env::policy::Policy;
use rl_env::train::{self, Task, TrainConfig};
use rl_env::{RewardScale, Source};

use crate::children::{self, Beat, Said};
use crate::cli::Child;
use crate::error::{Error, Result};
use crate::policies::by_prediction::{ByBounds, ByPrediction};
use crate::policies::execute::PolicyJob;
use crate::policies::outcome::{Epoch, PolicyRun};
use crate::policies::registry::{self, Algorithm, Fixed, Inputs};
use crate::policies::uniform::Uniform;
use crate::policies::user_model::UserModel;
use crate::policies::{user_model, warm_start, world};
use crate::{machine, output};

/// The metrics of every epoch, in the run folder.
const METRICS: &str = "metrics.jsonl";

/// Writes every epoch to the run's metrics, and a beat to the parent.
struct Watch {
    metrics: MetricLog,
}

impl Observer for Watch {
    fn progress(&mut self, progress: &Progress<'_>) {
        self.metrics.progress(progress);
        // A checkpoint may follow at once, and epochs before it are not trained again.
        if let Err(error) = self.metrics.sync() {
            output::error(error.to_string());
            std::process::exit(1);
        }
        let quality = progress.values.iter().find(|(name, _)| *name == "fb_cumulative_reward");
        children::say(&Said::Beat(Beat {
            epoch: progress.epoch,
            epochs: progress.epochs,
            quality: quality.map(|(_, value)| *value),
        }));
    }
}

/// Trains and judges one policy.
///
/// # Errors
/// [`Error::Data`] if the world is not that of the parent, and everything that policies and worlds report.
pub fn policy_child(arguments: &Child) -> Result<()> {
    let job: PolicyJob = children::read_job(&arguments.folder)?;
    let mut run = RunFolder::open(&arguments.folder, &job, Start::Resume)?;
    let policy = registry::find(&job.policy)?;
    let loaded = world::load(&job.world.name, Path::new(&job.world.data), &job.compat)?;
    if loaded.sha256 != job.world.sha256 {
        let what = format!("{}: the world's data changed since the run began", job.world.data);
        return Err(Error::Data(what));
    }
    let config = serde_json::to_value(&job.config).map_err(|error| Error::Failed(error.to_string()))?;
    let training = policy.training(&config, job.seed, job.epochs, job.compat)?;
    let model = match &job.user_model {
        None => None,
        Some(model) => {
            let folder = arguments.folder.parent().and_then(Path::parent);
            let folder = folder.ok_or_else(|| Error::Usage("a run folder is FOLDER/POLICY/SEED".into()))?;
            Some(user_model::read(&user_model::path(folder, model.kind, job.seed), &model.key)?)
        }
    };
    let (world, tables) = loaded.build(&job.world.quit)?;
    let path = arguments.folder.join(METRICS);
    let mut watch = Watch { metrics: MetricLog::open(&path)? };
    match policy.algorithm {
        Algorithm::Fixed(fixed) => {
            let reward = Arc::clone(&world.truth) as _;
            let task = Task { world, tables, reward, log: None };
            repeat(&*fixed_policy(fixed, &loaded.source, model.as_ref())?, &task, &training, &mut watch)?;
        }
        Algorithm::Learned { build, .. } => {
            let model = model.as_ref().ok_or_else(|| Error::Usage("the job names no user model".into()))?;
            let start = registry::warm_start(&config)?;
            let items = warm_start::item_vectors(start, &loaded.source, &model.items, job.seed)?;
            let inputs = Inputs { items: &items, seed: job.seed, device: &job.device, compat: job.compat };
            let mut learner = build(config["policy"].clone(), &inputs)?;
            let reward =
                policy.reward(&config, &loaded.source, &tables, model, world.max_turn, &job.compat)?;
            let log = policy.log(&*learner, &config, &loaded.source, &world, job.seed, &job.compat)?;
            let task = Task { world, tables, reward, log };
            train::fit(&mut *learner, &task, &training, Some(&mut run), &mut watch)?;
        }
    }
    let epochs: Vec<Epoch> = read_metrics(&path)?.into_iter().map(Epoch::from).collect();
    let result = PolicyRun {
        user_model_mae: model.and_then(|model| model.mae),
        peak_rss_mib: machine::peak_rss_mib(),
        ..PolicyRun::new(&job.policy, job.seed, epochs)
    };
    run.finish(&result)?;
    Ok(())
}

fn fixed_policy(fixed: Fixed, source: &Source, model: Option<&UserModel>) -> Result<Box<dyn Policy>> {
    Ok(match fixed {
        Fixed::Random => Box::new(Uniform { n_items: source.truth_items.len() }),
        Fixed::ByPrediction(choice) => {
            let model = model.ok_or_else(|| Error::Usage("the job names no user model".into()))?;
            Box::new(ByPrediction::new(model.predicted.clone(), choice)?)
        }
        Fixed::LinUcb => {
            let model = model.ok_or_else(|| Error::Usage("the job names no user model".into()))?;
            Box::new(ByBounds::new(source, &model.items)?)
        }
    })
}

/// Judges a policy that does not learn as often as the others, each time with other users.
fn repeat(policy: &dyn Policy, task: &Task, config: &TrainConfig, observer: &mut dyn Observer) -> Result<()> {
    let (least, most) = task.reward.range();
    let scale = match config.compat.zero_rew_prev {
        true => RewardScale::Zero,
        false => RewardScale::Range { least, most },
    };
    for epoch in 1..=config.epochs {
        let start = Instant::now();
        let judged = train::judge(policy, task, config, scale, epoch as u64)?;
        let seconds = start.elapsed().as_secs_f64();
        let mut values = vec![("seconds_judge".to_owned(), seconds)];
        for (mode, metrics) in [("fb", &judged.free), ("nx0", &judged.no_repeat), ("nx", &judged.forced)] {
            values.extend(metrics.named().into_iter().map(|(name, value)| (format!("{mode}_{name}"), value)));
        }
        let values: Vec<(&str, f64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        observer.progress(&Progress { epoch, epochs: config.epochs, values: &values });
    }
    Ok(())
}
