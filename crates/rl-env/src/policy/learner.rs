//! A tracker and a network that learn from minibatches of a replay, with a target copy that follows behind.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rec_core::random::{self, Random};

use super::{Acting, Actions, Losses, PolicyState};
use crate::bits::MaskedRows;
use crate::network::host;
use crate::optimizer::{Adam, weights, with_weights};
use crate::replay::Replay;
use crate::returns::n_step;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, Tracker, TrackerConfig};
use crate::{Error, Result, sample};

/// A tracker and a network over its output.
#[derive(Module, Debug)]
pub struct Model<N: Module + ModuleDisplay> {
    /// From states to vectors.
    pub tracker: Tracker,
    /// From vectors to whatever the algorithm learns.
    pub network: N,
}

/// A [`Model`], its optimizer, and its copies.
///
/// The target copy holds the tracker too: what it bootstraps from stands still as a whole (Mnih et al., 2015). (The
/// reference's targets see the live tracker through the old network.)
#[derive(Debug)]
pub struct Learner<N: Module + ModuleDisplay> {
    /// What learns.
    pub model: Model<N>,
    /// The same without gradients.
    pub online: Model<N>,
    /// As it was some updates ago.
    pub target: Model<N>,
    adam: Adam,
    device: Device,
    n_items: usize,
    updates: u64,
}

/// Transitions to learn from.
#[derive(Clone, Debug)]
pub struct Minibatch {
    /// Where they are in the replay.
    pub slots: Vec<u32>,
    /// The states, on the learning device.
    pub states: StateTensors,
    /// The items, `[n, 1]`.
    pub actions: Tensor<2, Int>,
    /// What they earned over some steps, `[n]`, without gradients.
    pub rewards: Tensor<1>,
    /// What the value of the state after those steps is worth, `[n]`, without gradients.
    pub discounts: Tensor<1>,
    /// The states after those steps, without gradients.
    pub next: StateTensors,
}

impl Minibatch {
    /// The transitions of `slots` with their `n`-step returns, to learn from on `device`.
    pub fn new(replay: &Replay, slots: Vec<u32>, n: usize, gamma: f32, device: &Device) -> Self {
        let count = slots.len();
        let plain = device.clone().inner();
        let vector = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, [count]), &plain);
        let steps: Vec<_> = slots.iter().map(|&slot| n_step(replay, slot, n, gamma)).collect();
        let last: Vec<u32> = steps.iter().map(|step| step.last).collect();
        let actions: Vec<i32> = slots.iter().map(|&slot| replay.action(slot) as i32).collect();
        Self {
            states: StateTensors::new(&replay.before(&slots), device),
            actions: Tensor::from_data(TensorData::new(actions, [count, 1]), device),
            rewards: vector(steps.iter().map(|step| step.reward).collect()),
            discounts: vector(steps.iter().map(|step| step.discount).collect()),
            next: StateTensors::new(&replay.after(&last), &plain),
            slots,
        }
    }
}

impl<N: Module + ModuleDisplay> Learner<N> {
    /// Before learning; `network` makes the network from the width of the tracker's output.
    ///
    /// # Errors
    /// If the tracker's configuration does not hold.
    pub fn new(
        tracker: &TrackerConfig,
        items: &ItemVectors,
        learning_rate: f64,
        seed: u64,
        device: &Device,
        network: impl FnOnce(usize, &mut Random, &Device) -> N,
    ) -> Result<Self> {
        let device = device.clone().autodiff();
        let mut rng = random::stream(seed, "policy weights", 0);
        let tracker = Tracker::new(tracker, items, &mut rng, &device)?;
        let network = network(tracker.width(), &mut rng, &device);
        let model = Model { tracker, network };
        Ok(Self {
            online: model.valid(),
            target: model.valid(),
            model,
            adam: Adam::new(learning_rate, None),
            device,
            n_items: items.n_items(),
            updates: 0,
        })
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// How many pairs of the past the tracker sees.
    pub fn window(&self) -> usize {
        self.model.tracker.window()
    }

    /// How many updates there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The device without gradients.
    pub fn plain_device(&self) -> Device {
        self.device.clone().inner()
    }

    /// `states` without gradients.
    pub fn states(&self, states: &States) -> StateTensors {
        StateTensors::new(states, &self.plain_device())
    }

    /// The transitions of `slots` with their `n`-step returns.
    pub fn minibatch(&self, replay: &Replay, slots: Vec<u32>, n: usize, gamma: f32) -> Minibatch {
        Minibatch::new(replay, slots, n, gamma, &self.device)
    }

    /// `states` as vectors, to learn from.
    pub fn encode(&self, states: &StateTensors, rng: &mut Random) -> Tensor<2> {
        self.model.tracker.forward_training(states, rng)
    }

    /// A vector without gradients.
    pub fn plain(&self, values: Vec<f32>) -> Tensor<1> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count]), &self.plain_device())
    }

    /// Items as indices into rows without gradients, `[n, 1]`.
    pub fn items(&self, items: &[u32]) -> Tensor<2, Int> {
        let items: Vec<i32> = items.iter().map(|&item| item as i32).collect();
        let shape = [items.len(), 1];
        Tensor::from_data(TensorData::new(items, shape), &self.plain_device())
    }

    /// Lets the target catch up if `every` updates have passed. To be called before an update.
    pub fn follow(&mut self, every: usize) {
        if self.updates.is_multiple_of(every.max(1) as u64) {
            self.target = self.online.clone();
        }
    }

    /// One step down `loss`.
    pub fn descend(&mut self, loss: Tensor<1>) {
        let mut gradients = loss.backward();
        self.updates += 1;
        // The step writes in place where nobody else holds the numbers, and copies them all where the copy without
        // gradients still does: let go of it first.
        self.online = self.target.clone();
        let model = std::mem::replace(&mut self.model, self.target.clone());
        self.model = self.adam.step(model, &mut gradients);
        self.online = self.model.valid();
    }

    /// Everything that learning changed.
    pub fn state(&self) -> PolicyState {
        let mut state = PolicyState::default();
        state.put_module("model", weights(&self.model), &self.adam);
        state.put_weights("target", weights(&self.target));
        state.counters.insert("updates".to_string(), self.updates);
        state
    }

    /// Takes what [`Learner::state`] put there.
    ///
    /// # Errors
    /// If it is the state of another model.
    pub fn restore(&mut self, state: &mut PolicyState) -> Result<()> {
        let model = state.take_module("model", &mut self.adam, &self.device)?;
        self.model = with_weights(self.model.clone(), model)?;
        self.target = with_weights(self.target.clone(), state.take_weights("target")?)?;
        self.online = self.model.valid();
        self.updates = state.counter("updates")?;
        Ok(())
    }

    /// A matrix of scores on the host.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one is not a number.
    pub fn finite(&self, scores: Tensor<2>) -> Result<Vec<f32>> {
        let scores = host(scores);
        match scores.iter().any(|score| score.is_nan()) {
            true => Err(Error::Diverged { what: "a score".to_string(), updates: self.updates }),
            false => Ok(scores),
        }
    }

    /// Two matrices of scores on the host.
    ///
    /// # Errors
    /// As [`Learner::finite`].
    pub fn finite_pair(&self, [one, other]: [Tensor<2>; 2]) -> Result<[Vec<f32>; 2]> {
        Ok([self.finite(one)?, self.finite(other)?])
    }
}

/// The best item of each state by `scores` (`[n, n_items]`); to explore, a random one with probability `epsilon`.
pub fn epsilon_greedy(
    mut scores: Vec<f32>,
    n_items: usize,
    masked: Option<MaskedRows<'_>>,
    acting: Acting,
    epsilon: f32,
    rng: &mut Random,
    actions: &mut Actions,
) {
    sample::greedy(&mut scores, n_items, masked, &mut actions.items);
    actions.vectors.clear();
    if acting != Acting::Judge {
        sample::explore(&mut actions.items, epsilon, n_items, masked, rng);
    }
}

/// The losses of a learning round, summed where they are and read once, at its end.
#[derive(Debug, Default)]
pub struct RoundLosses {
    sums: Vec<Tensor<1>>,
    updates: usize,
}

impl RoundLosses {
    /// Adds those of one update. Always as many, in the same order.
    pub fn add<const K: usize>(&mut self, losses: [Tensor<1>; K]) {
        let losses = losses.map(|loss| loss.detach().inner());
        self.sums = match self.sums.is_empty() {
            true => losses.into(),
            false => self.sums.drain(..).zip(losses).map(|(sum, loss)| sum.add(loss)).collect(),
        };
        self.updates += 1;
    }

    /// Their means under `names`.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one is not finite.
    pub fn finish(self, names: &[&'static str], updates: u64) -> Result<Losses> {
        if self.sums.is_empty() {
            return Ok(Losses::new());
        }
        let sums = Tensor::cat(self.sums, 0).into_data();
        names
            .iter()
            .zip(sums.iter::<f32>())
            .map(|(&name, sum)| match sum.is_finite() {
                true => Ok((name, f64::from(sum) / self.updates as f64)),
                false => Err(Error::Diverged { what: name.to_string(), updates }),
            })
            .collect()
    }
}
