//! The loop that all policies share: collect, learn, judge, checkpoint.

use std::sync::Arc;

use rand::Rng;
use rec_core::random;
use rec_core::run::{Observer, Progress, RunFolder};
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::collect::{Collected, Collector};
use crate::evaluate::play;
use crate::metrics::{EpisodeMetrics, ItemTables};
use crate::policy::{Acting, Actions, Losses, Policy, Schedule};
use crate::replay::Replay;
use crate::states::{RewardScale, States};
use crate::vec_env::{Autoreset, Mode, VecEnv, VecEnvConfig};
use crate::world::World;
use crate::{Compat, Error, Result, Reward};

/// How long and how wide a policy is trained; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// How many epochs there are; the policy is judged after each.
    pub epochs: usize,
    /// Steps per epoch for policies that learn from episodes.
    pub episode_steps_per_epoch: usize,
    /// Steps per epoch for policies that learn from a replay.
    pub replay_steps_per_epoch: usize,
    /// Environments that are stepped together.
    pub envs: usize,
    /// Transitions that are kept, over all environments.
    pub replay: usize,
    /// Episodes per test mode and epoch.
    pub judge_episodes: usize,
    /// The forced length of the NX_X test mode, at most the world's turn limit.
    pub forced_length: u16,
    /// Whether the free-browsing test keeps the exploration noise, as the reference does for off-policy methods.
    pub judge_with_noise: bool,
    /// The free-browsing test does not recommend an item of the last so many turns again; 0 leaves that to the policy.
    pub judge_apart: usize,
    /// A checkpoint is written after every so many epochs.
    pub checkpoint_every: usize,
    /// The seed of everything random.
    pub seed: u64,
    /// Defects of the reference to repeat.
    pub compat: Compat,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            episode_steps_per_epoch: 100_000,
            replay_steps_per_epoch: 10_000,
            envs: 100,
            replay: 100_000,
            judge_episodes: 100,
            forced_length: 10,
            judge_with_noise: false,
            judge_apart: 0,
            checkpoint_every: 5,
            seed: 1,
            compat: Compat::default(),
        }
    }
}

impl TrainConfig {
    /// # Errors
    /// [`Error::Config`] if a number is 0 that must not be.
    pub fn validate(&self) -> Result<()> {
        for (key, value) in [
            ("epochs", self.epochs),
            ("episode_steps_per_epoch", self.episode_steps_per_epoch),
            ("replay_steps_per_epoch", self.replay_steps_per_epoch),
            ("envs", self.envs),
            ("replay", self.replay),
            ("judge_episodes", self.judge_episodes),
            ("forced_length", self.forced_length.into()),
            ("checkpoint_every", self.checkpoint_every),
        ] {
            if value == 0 {
                return Err(Error::config(key, "is 0; accepts 1 or more"));
            }
        }
        Ok(())
    }
}

/// What a policy is trained on and judged by.
#[derive(Clone)]
pub struct Task {
    /// The users as they are: policies are judged here.
    pub world: Arc<World>,
    /// What the judge knows of the items.
    pub tables: Arc<ItemTables>,
    /// What an item earns in training: a user model's idea of it.
    pub reward: Arc<dyn Reward>,
    /// For offline policies the replay that was made from the log.
    pub log: Option<Arc<Replay>>,
}

/// How a policy did in the three test modes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Items may come again; the quit rule ends the episode.
    pub free: EpisodeMetrics,
    /// No item comes again; the quit rule ends the episode.
    pub no_repeat: EpisodeMetrics,
    /// No item comes again; the episode has a fixed length.
    pub forced: EpisodeMetrics,
}

/// Judges `policy` on the true rewards, in the three test modes with the same users.
///
/// # Errors
/// If the policy fails.
pub fn judge(
    policy: &dyn Policy,
    task: &Task,
    config: &TrainConfig,
    scale: RewardScale,
    epoch: u64,
) -> Result<Judged> {
    let run = |mode: Mode, purpose: &str| {
        let mut rng = random::stream(config.seed, purpose, epoch);
        let mut actions = Actions::default();
        let acting =
            if config.judge_with_noise && mode == Mode::FreeB { Acting::JudgeNoisy } else { Acting::Judge };
        let states = States::scaled(policy.window(), scale);
        let seed = sub_seed(config.seed, "judge", epoch);
        let episodes = play(
            &task.world,
            mode,
            config.judge_episodes,
            seed,
            config.judge_apart,
            states,
            |states, masked, items| {
                policy.act(states, masked, acting, &mut rng, &mut actions)?;
                std::mem::swap(items, &mut actions.items);
                Ok(())
            },
        )?;
        Ok::<_, Error>(EpisodeMetrics::of(&episodes, &task.tables))
    };
    Ok(Judged {
        free: run(Mode::FreeB, "judge free")?,
        no_repeat: run(Mode::Nx0, "judge no repeat")?,
        forced: run(Mode::NxX(config.forced_length), "judge forced")?,
    })
}

/// Whether the test modes fit the world: a judgement that cannot be made is not found after the first epoch only.
fn check_judging(task: &Task, config: &TrainConfig) -> Result<()> {
    let most = task.world.max_turn;
    if usize::from(config.forced_length) > most {
        let what = format!("is {}; accepts 1 to the world's max_turn, {most}", config.forced_length);
        return Err(Error::config("forced_length", what));
    }
    for mode in [Mode::FreeB, Mode::Nx0, Mode::NxX(config.forced_length)] {
        let one = VecEnvConfig { envs: 1, mode, ..VecEnvConfig::default() };
        VecEnv::new(Arc::clone(&task.world), Arc::clone(&task.world.truth) as _, one)?;
    }
    Ok(())
}

/// Trains `policy` for the epochs of `config` and judges it after each; with a `folder` it writes checkpoints and goes on
/// from the last one, to the same result to the bit as without the break.
///
/// The observer gets the mean losses (`loss…`), what training earned (`train_reward` per episode, `train_length`), the
/// steps so far (`steps`), seconds (`seconds`, `seconds_judge`), and for each test mode (`fb_`, `nx0_`, `nx_`) the
/// metrics by name.
///
/// Gives what the last epoch's judgement was.
///
/// # Errors
/// If a setting or a checkpoint does not hold, a test mode does not fit the world ([`Error::Config`], before anything is
/// learned), the policy diverges, or an offline policy has no log.
pub fn fit(
    policy: &mut dyn Policy,
    task: &Task,
    config: &TrainConfig,
    mut folder: Option<&mut RunFolder>,
    observer: &mut dyn Observer,
) -> Result<Judged> {
    config.validate()?;
    check_judging(task, config)?;
    let scale_of = |(least, most): (f32, f32)| match config.compat.zero_rew_prev {
        true => RewardScale::Zero,
        false => RewardScale::Range { least, most },
    };
    let judging = scale_of(task.world.truth.range());
    let training = scale_of(task.reward.range());
    let schedule = policy.schedule();
    let env = VecEnv::new(
        Arc::clone(&task.world),
        Arc::clone(&task.reward),
        VecEnvConfig {
            envs: config.envs,
            seed: sub_seed(config.seed, "train", 0),
            autoreset: Autoreset::Disabled,
            mode: Mode::FreeB,
            cap_as_terminated: config.compat.cap_as_terminated,
        },
    )?;
    let mut collector = Collector::new(env, policy.window(), training, config.seed, config.compat);
    let per_env = match schedule {
        Schedule::Episodes => task.world.max_turn,
        Schedule::Steps { .. } => config.replay.div_ceil(config.envs),
        // Never written.
        Schedule::Offline => 1,
    };
    let mut own = Replay::new(config.envs, per_env, &collector.states(), policy.action_width());
    let log = match (schedule, &task.log) {
        (Schedule::Offline, None) => {
            return Err(Error::invalid("an offline policy needs a log to learn from"));
        }
        (Schedule::Offline, Some(log)) => Some(Arc::clone(log)),
        _ => None,
    };

    let mut progress = Trained::default();
    if let Some(bytes) = folder.as_ref().map(|folder| folder.read_checkpoint()).transpose()?.flatten() {
        progress = Checkpoint::read(&bytes)?.restore(policy, &mut collector, &mut own)?;
    }
    let mut judged = None;
    while progress.epoch < config.epochs {
        let started = std::time::Instant::now();
        let mut sums: Vec<(&'static str, f64)> = Vec::new();
        let mut rounds = 0.0;
        let mut lived = Collected::default();
        let least = match schedule {
            Schedule::Episodes => config.episode_steps_per_epoch,
            Schedule::Steps { .. } => config.replay_steps_per_epoch,
            Schedule::Offline => 0,
        };
        loop {
            let replay = match schedule {
                Schedule::Offline => log.as_deref().expect("checked above"),
                Schedule::Episodes => {
                    own.clear();
                    lived += collector.episodes(policy, &mut own)?;
                    &own
                }
                Schedule::Steps { steps } => {
                    lived += collector.steps(policy, steps, &mut own)?;
                    &own
                }
            };
            let mut rng = random::stream(config.seed, "learn", progress.rounds);
            progress.rounds += 1;
            add(&mut sums, policy.learn(replay, &mut rng)?);
            rounds += 1.0;
            if lived.steps >= least {
                break;
            }
        }
        progress.epoch += 1;
        progress.steps += lived.steps as u64;
        let seconds = started.elapsed().as_secs_f64();
        let now = judge(policy, task, config, judging, progress.epoch as u64)?;
        let seconds_judge = started.elapsed().as_secs_f64() - seconds;

        let mut values: Vec<(String, f64)> =
            sums.into_iter().map(|(name, sum)| (name.to_string(), sum / rounds)).collect();
        values.push(("steps".to_string(), progress.steps as f64));
        if lived.episodes > 0 {
            let episodes = lived.episodes as f64;
            values.push(("train_reward".to_string(), lived.reward / episodes));
            values.push(("train_length".to_string(), lived.steps as f64 / episodes));
        }
        values.extend([("seconds".to_string(), seconds), ("seconds_judge".to_string(), seconds_judge)]);
        for (mode, metrics) in [("fb", &now.free), ("nx0", &now.no_repeat), ("nx", &now.forced)] {
            values.extend(metrics.named().into_iter().map(|(name, value)| (format!("{mode}_{name}"), value)));
        }
        let values: Vec<(&str, f64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        observer.progress(&Progress { epoch: progress.epoch, epochs: config.epochs, values: &values });
        let due = progress.epoch % config.checkpoint_every == 0 || progress.epoch == config.epochs;
        if let Some(folder) = folder.as_deref_mut().filter(|_| due) {
            // On-policy rounds start from nothing: their transitions need not be kept.
            let kept = matches!(schedule, Schedule::Steps { .. }).then_some(&own);
            folder.write_checkpoint(&Checkpoint::of(policy, &collector, kept, progress).bytes()?)?;
        }
        judged = Some(now);
    }
    match judged {
        Some(judged) => Ok(judged),
        // The checkpoint was of the last epoch.
        None => judge(policy, task, config, judging, progress.epoch as u64),
    }
}

/// How far a training is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trained {
    /// Finished epochs.
    pub epoch: usize,
    /// Learning rounds.
    pub rounds: u64,
    /// Environment steps.
    pub steps: u64,
}

fn add(sums: &mut Losses, losses: Losses) {
    for (name, value) in losses {
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += value,
            None => sums.push((name, value)),
        }
    }
}

/// A seed for a part of a run.
fn sub_seed(seed: u64, purpose: &str, index: u64) -> u64 {
    random::stream(seed, purpose, index).next_u64()
}
