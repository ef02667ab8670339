//! Many environments stepped at once, as a structure of arrays.
//!
//! The conventions are Gymnasium's for vector environments: `terminated` (the user left) and `truncated` (the turn limit)
//! are told apart, and what happens to a finished episode is an explicit [`Autoreset`]. Users and start items come from
//! one stream of random numbers for each (seed, environment, episode), so that trajectories depend neither on the number
//! of threads nor on which environments are stepped together.

mod lanes;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::lanes::{Lanes, Shared, step_blocks};
use crate::bits::{BitMatrix, MaskedRows};
use crate::error::Refusal;
use crate::{Error, Result, Reward, States, World};

/// What happens after the end of an episode (Gymnasium's `AutoresetMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Autoreset {
    /// The next step of that environment ignores its action and starts a new episode; that row of the batch is no
    /// transition ([`StepBatch::started`]).
    #[default]
    NextStep,
    /// The step that ends an episode starts the next one; the final state is what
    /// [`next_states_into`](VecEnv::next_states_into) gives.
    SameStep,
    /// Nothing: stepping a finished environment is an error until it is reset.
    Disabled,
}

/// How an episode goes on and ends (the test modes of EasyRL4Rec). Written `FB`, `NX_0` and `NX_10` (for any number).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Mode {
    /// Items may repeat; the quit rule or the turn limit ends the episode.
    #[default]
    FreeB,
    /// No item twice; the quit rule or the turn limit ends the episode.
    Nx0,
    /// No item twice; exactly this many turns, whatever the user thinks of it.
    NxX(u16),
}

impl Mode {
    /// Whether items that were taken before are masked.
    pub fn masks(self) -> bool {
        self != Self::FreeB
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FreeB => f.write_str("FB"),
            Self::Nx0 => f.write_str("NX_0"),
            Self::NxX(turns) => write!(f, "NX_{turns}"),
        }
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.strip_prefix("NX_").and_then(|turns| turns.parse().ok())) {
            ("FB", _) => Ok(Self::FreeB),
            (_, Some(0)) => Ok(Self::Nx0),
            (_, Some(turns)) => Ok(Self::NxX(turns)),
            _ => {
                Err(Error::config("mode", format!("{text:?}; accepts FB, NX_0 or NX_ and a number of turns")))
            }
        }
    }
}

impl TryFrom<String> for Mode {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

/// Settings of a [`VecEnv`]; the defaults are those of EasyRL4Rec's training, but for the turn limit being told as
/// truncation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VecEnvConfig {
    /// How many environments.
    pub envs: usize,
    /// Where users and start items come from.
    pub seed: u64,
    /// What happens after the end of an episode.
    pub autoreset: Autoreset,
    /// How an episode goes on and ends.
    pub mode: Mode,
    /// Whether the turn limit is told as `terminated` (see [`Compat`](crate::Compat)).
    pub cap_as_terminated: bool,
}

impl Default for VecEnvConfig {
    fn default() -> Self {
        Self {
            envs: 100,
            seed: 2023,
            autoreset: Autoreset::NextStep,
            mode: Mode::FreeB,
            cap_as_terminated: false,
        }
    }
}

/// What a step gave, one row for each stepped environment in the order of the actions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepBatch {
    /// What the actions earned; the turn on which a user leaves earns its reward, too.
    pub rewards: Vec<f32>,
    /// Whether the user left (or the turn limit was met, with
    /// [`cap_as_terminated`](VecEnvConfig::cap_as_terminated)).
    pub terminated: Vec<bool>,
    /// Whether the episode was cut by the turn limit.
    pub truncated: Vec<bool>,
    /// Whether the row only started a new episode ([`Autoreset::NextStep`]): the action was ignored, reward 0.
    pub started: Vec<bool>,
}

impl StepBatch {
    fn resize(&mut self, rows: usize) {
        self.rewards.resize(rows, 0.0);
        self.terminated.resize(rows, false);
        self.truncated.resize(rows, false);
        self.started.resize(rows, false);
    }

    /// Whether row `row` ended its episode.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn ended(&self, row: usize) -> bool {
        self.terminated[row] || self.truncated[row]
    }
}

/// Where every environment stands between two steps: what a checkpoint keeps.
///
/// It speaks of the episodes only; world, reward and settings are given again when it is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VecEnvState {
    seed: u64,
    users: Vec<u32>,
    episodes: Vec<u32>,
    done: Vec<bool>,
    turns: Vec<u16>,
    /// The used parts of all trails, one after the other.
    items: Vec<u32>,
    /// The bits of their rewards: text forms of numbers need not come back exactly.
    rewards: Vec<u32>,
}

/// Environments over one [`World`], stepped at once.
///
/// ```
/// use std::sync::Arc;
/// use rl_env::{Quit, QuitRule, RewardMatrix, VecEnv, VecEnvConfig, WindowMode, World};
///
/// let truth = Arc::new(RewardMatrix::new(1, 2, vec![3.0, 5.0])?);
/// let rule = QuitRule::Category { tags: vec![0b1, 0b10], threshold: 0 };
/// let quit = Quit { rule, window: 1, mode: WindowMode::Exact };
/// let world = Arc::new(World::new(truth.clone(), quit, 30, true)?);
/// let mut envs = VecEnv::new(world, truth, VecEnvConfig { envs: 2, ..VecEnvConfig::default() })?;
///
/// assert_eq!(envs.step(&[0, 1])?.rewards, [3.0, 5.0]);
/// // The first user is offered the same again and leaves.
/// assert_eq!(envs.step(&[0, 0])?.terminated, [true, false]);
/// assert_eq!(envs.trail(1)[1..], [1, 0]);
/// # Ok::<(), rl_env::Error>(())
/// ```
#[derive(Clone)]
pub struct VecEnv {
    shared: Shared,
    users: Vec<u32>,
    turns: Vec<u16>,
    done: Vec<bool>,
    /// Number of the current episode of each environment since the last seeding.
    episodes: Vec<u32>,
    /// `[envs, max_turn + 1]`: the start, then the items.
    trail: Vec<u32>,
    trail_rewards: Vec<f32>,
    seen: BitMatrix,
    last: LastEpisodes,
    batch: StepBatch,
}

/// What [`Autoreset::SameStep`] keeps of the episodes that the last step ended; empty in other modes.
#[derive(Clone, Default)]
struct LastEpisodes {
    /// Pairs in the trail; 0 if the last step of this environment ended none.
    lengths: Vec<u16>,
    users: Vec<u32>,
    trail: Vec<u32>,
    trail_rewards: Vec<f32>,
}

impl VecEnv {
    /// Environments at the start of their first episodes. `reward` is what a step earns: the world's own truth, or a
    /// simulated reward; the quit rule is the world's in either case.
    ///
    /// # Errors
    /// [`Error::Config`] for no environments or more than 2^32, a world whose parts do not fit together, or a mode that
    /// needs more turns than the world has or more items than there are; [`Error::Core`] for rewards of another number
    /// of users or items.
    pub fn new(world: Arc<World>, reward: Arc<dyn Reward>, config: VecEnvConfig) -> Result<Self> {
        world.validate()?;
        let envs = config.envs;
        if envs == 0 || u32::try_from(envs).is_err() {
            return Err(Error::config("envs", format!("{envs}; accepts 1 to {}", u32::MAX)));
        }
        let n_items = world.n_items();
        if (reward.n_users(), reward.n_items()) != (world.n_users(), n_items) {
            return Err(Error::invalid(format!(
                "rewards of {} users and {} items do not fit a world of {} and {n_items}",
                reward.n_users(),
                reward.n_items(),
                world.n_users(),
            )));
        }
        let limit = match config.mode {
            Mode::NxX(turns) => usize::from(turns),
            Mode::FreeB | Mode::Nx0 => world.max_turn,
        };
        if limit == 0 || limit > world.max_turn {
            let what = format!("{limit} turns; accepts 1 to max_turn = {}", world.max_turn);
            return Err(Error::config("mode", what));
        }
        if config.mode.masks() && n_items < limit {
            let what = format!("{} needs {limit} different items; there are {n_items}", config.mode);
            return Err(Error::config("mode", what));
        }
        let stride = world.max_turn + 1;
        let kept = if config.autoreset == Autoreset::SameStep { envs } else { 0 };
        let mut this = Self {
            users: vec![0; envs],
            turns: vec![0; envs],
            done: vec![false; envs],
            episodes: vec![0; envs],
            trail: vec![0; envs * stride],
            trail_rewards: vec![0.0; envs * stride],
            seen: BitMatrix::new(envs, n_items),
            last: LastEpisodes {
                lengths: vec![0; kept],
                users: vec![0; kept],
                trail: vec![0; kept * stride],
                trail_rewards: vec![0.0; kept * stride],
            },
            batch: StepBatch::default(),
            shared: Shared { world, reward, config, stride, limit, n_items },
        };
        this.batch.resize(envs);
        this.reset(Some(config.seed));
        Ok(this)
    }

    /// The shared world.
    pub fn world(&self) -> &Arc<World> {
        &self.shared.world
    }

    /// The reward of a step.
    pub fn reward(&self) -> &Arc<dyn Reward> {
        &self.shared.reward
    }

    /// The settings; the seed is the one of the last [`reset`](Self::reset).
    pub fn config(&self) -> &VecEnvConfig {
        &self.shared.config
    }

    /// How many environments there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Never: a batch has at least one environment.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Starts a new episode everywhere: with a seed the first of its sequence of episodes, else the next.
    pub fn reset(&mut self, seed: Option<u64>) {
        if let Some(seed) = seed {
            self.shared.config.seed = seed;
        }
        let (shared, mut lanes) = self.lanes();
        for lane in 0..lanes.users.len() {
            let episode = if seed.is_some() { 0 } else { lanes.episodes[lane].wrapping_add(1) };
            lanes.start(shared, lane, episode, None, None);
            lanes.forget_last(lane);
        }
    }

    /// Starts the next episode of environment `env`.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn reset_env(&mut self, env: usize) {
        let (shared, mut lanes) = self.lanes();
        let episode = lanes.episodes[env].wrapping_add(1);
        lanes.start(shared, env, episode, None, None);
        lanes.forget_last(env);
    }

    /// Starts the next episode of environment `env` with this user and this start item (the number of items: "none
    /// yet"); what is `None` is drawn as usual.
    ///
    /// # Errors
    /// [`Error::Core`] for a user or an item that does not exist; nothing has changed then.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn reset_with(&mut self, env: usize, user: Option<u32>, start: Option<u32>) -> Result<()> {
        self.check_start(user, start)?;
        let (shared, mut lanes) = self.lanes();
        let episode = lanes.episodes[env].wrapping_add(1);
        lanes.start(shared, env, episode, user, start);
        lanes.forget_last(env);
        Ok(())
    }

    /// Starts the first episode of `seed`'s sequence everywhere, with this user and this start item where they are given.
    ///
    /// # Errors
    /// As [`reset_with`](Self::reset_with).
    pub(crate) fn reseed_with(&mut self, seed: u64, user: Option<u32>, start: Option<u32>) -> Result<()> {
        self.check_start(user, start)?;
        self.shared.config.seed = seed;
        let (shared, mut lanes) = self.lanes();
        for lane in 0..lanes.users.len() {
            lanes.start(shared, lane, 0, user, start);
            lanes.forget_last(lane);
        }
        Ok(())
    }

    fn check_start(&self, user: Option<u32>, start: Option<u32>) -> Result<()> {
        let (n_users, n_items) = (self.shared.world.n_users(), self.shared.n_items);
        if let Some(user) = user.filter(|&user| user as usize >= n_users) {
            return Err(Error::invalid(format!("user {user} does not exist; there are {n_users}")));
        }
        if let Some(start) = start.filter(|&start| start as usize > n_items) {
            return Err(Error::invalid(format!("start item {start} does not exist; there are {n_items}")));
        }
        Ok(())
    }

    /// Recommends `actions[e]` to the user of each environment `e`. From 2048 environments on blocks of at least 1024
    /// run on rayon's threads.
    ///
    /// # Errors
    /// [`Error::Action`] for an item that does not exist or is masked, or for a finished episode with
    /// [`Autoreset::Disabled`]; [`Error::Core`] for another number of actions. Nothing has changed then.
    pub fn step(&mut self, actions: &[u32]) -> Result<&StepBatch> {
        if actions.len() != self.len() {
            return Err(Error::invalid(format!("{} actions for {} environments", actions.len(), self.len())));
        }
        for (env, &item) in actions.iter().enumerate() {
            self.check(env, item)?;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.resize(actions.len());
        let (shared, lanes) = self.lanes();
        step_blocks(shared, lanes, actions, batch.rows());
        self.batch = batch;
        Ok(&self.batch)
    }

    /// Recommends `actions[i]` to the user of environment `envs[i]`; the others stand still. Row `i` of the batch
    /// belongs to `envs[i]`.
    ///
    /// # Errors
    /// As [`step`](Self::step), and [`Error::Core`] if `envs` does not ascend or names an environment that does not
    /// exist.
    pub fn step_at(&mut self, envs: &[usize], actions: &[u32]) -> Result<&StepBatch> {
        if actions.len() != envs.len() {
            return Err(Error::invalid(format!("{} actions for {} environments", actions.len(), envs.len())));
        }
        let ascending = envs.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || envs.last().is_some_and(|&env| env >= self.len()) {
            let what = format!("the stepped environments must ascend and be below {}", self.len());
            return Err(Error::invalid(what));
        }
        for (&env, &item) in envs.iter().zip(actions) {
            self.check(env, item)?;
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.resize(envs.len());
        let (shared, mut lanes) = self.lanes();
        let mut rows = batch.rows();
        for (row, (&env, &action)) in envs.iter().zip(actions).enumerate() {
            lanes.step(shared, env, action, row, &mut rows);
        }
        self.batch = batch;
        Ok(&self.batch)
    }

    #[inline]
    fn check(&self, env: usize, item: u32) -> Result<()> {
        let refuse = |refusal| Err(Error::Action { env, item, refusal });
        if self.done[env] {
            // NextStep ignores the action; SameStep leaves nothing finished.
            return match self.shared.config.autoreset {
                Autoreset::Disabled => refuse(Refusal::EpisodeOver),
                Autoreset::NextStep | Autoreset::SameStep => Ok(()),
            };
        }
        if item as usize >= self.shared.n_items {
            return refuse(Refusal::UnknownItem);
        }
        if self.shared.config.mode.masks() && self.seen.get(env, item as usize) {
            return refuse(Refusal::AlreadyTaken);
        }
        Ok(())
    }

    /// What the last step gave.
    pub fn batch(&self) -> &StepBatch {
        &self.batch
    }

    /// The user of each environment.
    pub fn users(&self) -> &[u32] {
        &self.users
    }

    /// The finished turns of each episode.
    pub fn turns(&self) -> &[u16] {
        &self.turns
    }

    /// The number of each environment's current episode, from 0 since the last seeding.
    pub fn episodes(&self) -> &[u32] {
        &self.episodes
    }

    /// Whether the episode of `env` is over (it never is with [`Autoreset::SameStep`]).
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn is_done(&self, env: usize) -> bool {
        self.done[env]
    }

    /// The start of the episode (a random item, or the number of items), then the items taken.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn trail(&self, env: usize) -> &[u32] {
        &self.trail[self.span(env, usize::from(self.turns[env]) + 1)]
    }

    /// What the items of the trail earned; 0 for the start.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn trail_rewards(&self, env: usize) -> &[f32] {
        &self.trail_rewards[self.span(env, usize::from(self.turns[env]) + 1)]
    }

    /// The reward of the episode so far.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn total_reward(&self, env: usize) -> f64 {
        self.trail_rewards(env).iter().copied().map(f64::from).sum()
    }

    /// The items taken in each current episode (not the start). One row for each environment.
    pub fn seen(&self) -> &BitMatrix {
        &self.seen
    }

    /// What a policy must not choose in these environments; `None` if the mode masks nothing.
    pub fn masked<'a>(&'a self, envs: &'a [usize]) -> Option<MaskedRows<'a>> {
        self.shared.config.mode.masks().then_some(MaskedRows { bits: &self.seen, rows: envs })
    }

    /// Appends the present states of these environments: what a policy acts on.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn states_into(&self, envs: &[usize], states: &mut States) {
        for &env in envs {
            states.push(self.users[env], self.trail(env), self.trail_rewards(env));
        }
    }

    /// User, items and rewards of the episode that the last step of `env` belongs to: the finished one, where that step
    /// ended it and [`Autoreset::SameStep`] has started the next; else the present one.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn stepped_trail(&self, env: usize) -> (u32, &[u32], &[f32]) {
        match self.last.lengths.get(env) {
            Some(&length) if length > 0 => {
                let span = self.span(env, usize::from(length));
                (self.last.users[env], &self.last.trail[span.clone()], &self.last.trail_rewards[span])
            }
            _ => (self.users[env], self.trail(env), self.trail_rewards(env)),
        }
    }

    /// Appends the states that the last step led to: the final one where it ended an episode, whatever the autoreset.
    /// A value bootstraps from these.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn next_states_into(&self, envs: &[usize], states: &mut States) {
        for &env in envs {
            let (user, items, rewards) = self.stepped_trail(env);
            states.push(user, items, rewards);
        }
    }

    /// What a checkpoint keeps. The last [`batch`](Self::batch) and the final states of
    /// [`SameStep`](Autoreset::SameStep) are not part of it: take it after they were used.
    pub fn snapshot(&self) -> VecEnvState {
        let envs = 0..self.len();
        VecEnvState {
            seed: self.shared.config.seed,
            users: self.users.clone(),
            episodes: self.episodes.clone(),
            done: self.done.clone(),
            turns: self.turns.clone(),
            items: envs.clone().flat_map(|env| self.trail(env)).copied().collect(),
            rewards: envs.flat_map(|env| self.trail_rewards(env)).map(|reward| reward.to_bits()).collect(),
        }
    }

    /// Goes back to where [`snapshot`](Self::snapshot) was taken, in environments of the same world, reward and
    /// settings.
    ///
    /// # Errors
    /// [`Error::Core`] for a state of another number of environments, or one that could not have come about here;
    /// nothing has changed then.
    pub fn restore(&mut self, state: &VecEnvState) -> Result<()> {
        let envs = self.len();
        let refuse = |what: &str| Err(Error::invalid(format!("the state of the environments: {what}")));
        if [state.users.len(), state.episodes.len(), state.done.len(), state.turns.len()] != [envs; 4] {
            return refuse("another number of environments");
        }
        let slots: usize = state.turns.iter().map(|&turns| usize::from(turns) + 1).sum();
        if state.items.len() != slots || state.rewards.len() != slots {
            return refuse("trails and turns do not fit together");
        }
        if state.turns.iter().any(|&turns| usize::from(turns) > self.shared.limit) {
            return refuse("more turns than an episode can have");
        }
        if state.users.iter().any(|&user| user as usize >= self.shared.world.n_users()) {
            return refuse("a user that does not exist");
        }
        let mut at = 0;
        for &turns in &state.turns {
            let row = &state.items[at..at + usize::from(turns) + 1];
            at += row.len();
            let most = |item: &u32| *item as usize >= self.shared.n_items;
            if row[0] as usize > self.shared.n_items || row[1..].iter().any(most) {
                return refuse("an item that does not exist");
            }
        }
        self.shared.config.seed = state.seed;
        self.users.copy_from_slice(&state.users);
        self.episodes.copy_from_slice(&state.episodes);
        self.done.copy_from_slice(&state.done);
        self.turns.copy_from_slice(&state.turns);
        self.last.lengths.fill(0);
        let mut at = 0;
        for env in 0..envs {
            let span = self.span(env, usize::from(state.turns[env]) + 1);
            let from = at..at + span.len();
            at = from.end;
            self.trail[span.clone()].copy_from_slice(&state.items[from.clone()]);
            for (reward, bits) in self.trail_rewards[span].iter_mut().zip(&state.rewards[from.clone()]) {
                *reward = f32::from_bits(*bits);
            }
            self.seen.clear(env);
            for &item in &state.items[from][1..] {
                self.seen.insert(env, item as usize);
            }
        }
        Ok(())
    }

    fn span(&self, env: usize, length: usize) -> std::ops::Range<usize> {
        env * self.shared.stride..env * self.shared.stride + length
    }

    fn lanes(&mut self) -> (&Shared, Lanes<'_>) {
        let (words, seen) = self.seen.words_mut();
        let lanes = Lanes {
            first: 0,
            users: &mut self.users,
            turns: &mut self.turns,
            done: &mut self.done,
            episodes: &mut self.episodes,
            trail: &mut self.trail,
            trail_rewards: &mut self.trail_rewards,
            words,
            seen,
            last_lengths: &mut self.last.lengths,
            last_users: &mut self.last.users,
            last_trail: &mut self.last.trail,
            last_rewards: &mut self.last.trail_rewards,
        };
        (&self.shared, lanes)
    }
}

impl fmt::Debug for VecEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VecEnv").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
