//! REINFORCE.

use burn::tensor::Device;
use rand::seq::SliceRandom;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::actor_critic::{ActionSpace, ActorCritic, Layout};
use super::settings::{count, learning_rate, share};
use super::{Acting, Actions, Losses, Policy, PolicyState, Schedule, minibatches};
use crate::Result;
use crate::bits::MaskedRows;
use crate::network::Start;
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, TrackerConfig};

/// The settings of [`Pg`]; the defaults are EasyRL4Rec's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PgConfig {
    /// What the policy sees.
    pub tracker: TrackerConfig,
    /// What it puts out.
    pub actions: ActionSpace,
    /// The widths of the trunk.
    pub hidden: Vec<usize>,
    /// Where the trunk starts.
    pub start: Start,
    /// Where the head starts.
    pub head_start: Start,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The discount of later rewards.
    pub gamma: f32,
    /// Transitions per minibatch.
    pub batch_size: usize,
}

impl Default for PgConfig {
    fn default() -> Self {
        Self {
            tracker: TrackerConfig::default(),
            actions: ActionSpace::Items,
            hidden: vec![64, 64],
            start: Start::OrthogonalRelu,
            head_start: Start::OrthogonalRelu,
            learning_rate: 1e-3,
            gamma: 0.9,
            batch_size: 1024,
        }
    }
}

impl PgConfig {
    /// Whether everything is in range.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for the first setting that is not.
    pub fn validate(&self) -> Result<()> {
        learning_rate("learning_rate", self.learning_rate)?;
        share("gamma", self.gamma)?;
        count("batch_size", self.batch_size)
    }
}

/// REINFORCE (Williams, 1992) without a baseline: after every round of episodes one pass over them,
///
/// `loss = -mean R_t ln pi(a_t | s_t)`, `R_t = sum_k gamma^k r_{t+k}` to the end of the episode.
#[derive(Debug)]
pub struct Pg {
    config: PgConfig,
    net: ActorCritic,
}

impl Pg {
    /// Before learning, over the item vectors `items`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if a setting is out of range.
    pub fn new(config: &PgConfig, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        config.validate()?;
        let c = config.clone();
        let layout = Layout {
            tracker: &c.tracker,
            hidden: &c.hidden,
            start: c.start,
            head_start: c.head_start,
            actions: c.actions,
            critic: false,
            learning_rate: c.learning_rate,
            max_grad_norm: None,
        };
        let net = ActorCritic::new(&layout, items, seed, device)?;
        Ok(Self { config: c, net })
    }
}

impl Policy for Pg {
    fn n_items(&self) -> usize {
        self.net.n_items()
    }

    fn window(&self) -> usize {
        self.net.window()
    }

    fn action_width(&self) -> usize {
        self.net.action_width()
    }

    fn schedule(&self) -> Schedule {
        Schedule::Episodes
    }

    /// Draws from the policy, to explore and to be judged alike.
    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        self.net.choose(states, masked, false, acting != Acting::Judge, rng, actions)
    }

    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()> {
        *scores = self.net.scores(states)?;
        Ok(())
    }

    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let c = &self.config;
        let slots = replay.ordered();
        // Without a critic all values are 0, and whole-episode advantages are the discounted returns.
        let returns = self.net.estimates(replay, &slots, c.gamma, 1.0).returns;

        let mut order: Vec<usize> = (0..slots.len()).collect();
        order.shuffle(rng);
        let (mut sums, mut batches) = ([0.0; 2], 0.0);
        for batch in minibatches(&order, c.batch_size) {
            let target = self.net.tensor(&batch.iter().map(|&at| returns[at]).collect::<Vec<_>>());
            let of: Vec<u32> = batch.iter().map(|&at| slots[at]).collect();

            let out = self.net.forward(replay, &of, rng);
            let loss = out.log_probs.clone().mul(target).mean().neg();
            let entropy = out.entropies.clone().mean();

            let terms = self.net.descend(out, [loss, entropy])?;
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            batches += 1.0;
        }
        self.net.refresh();
        Ok(["loss", "entropy"].into_iter().zip(sums.map(|sum| sum / batches)).collect())
    }

    fn state(&self) -> PolicyState {
        self.net.state()
    }

    fn restore(&mut self, state: PolicyState) -> Result<()> {
        self.net.restore(state)
    }
}
