//! A tracker with one trunk, a head of logits over all items, and a head of values.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use rec_core::random::{self, Random};

use super::{Actions, PolicyState};
use crate::bits::MaskedRows;
use crate::network::{Linear, Mlp, Start};
use crate::optimizer::{Adam, weights, with_weights};
use crate::replay::Replay;
use crate::returns::{self, generalized_advantages};
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, Tracker, TrackerConfig};
use crate::{Error, Result, sample};

/// States per forward pass where no gradient is needed.
const CHUNK: usize = 4096;

/// The trunk and its two heads.
#[derive(Module, Debug)]
pub struct Heads {
    trunk: Mlp,
    actor: Linear,
    critic: Linear,
}

/// A discrete actor and a critic that share tracker and trunk, and their optimizers.
#[derive(Debug)]
pub struct ActorCritic {
    tracker: Tracker,
    heads: Heads,
    /// The same without gradients, for acting.
    acting: (Tracker, Heads),
    tracker_adam: Adam,
    heads_adam: Adam,
    device: Device,
    n_items: usize,
    updates: u64,
}

/// What a minibatch of states comes to.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// Log-probabilities, `[n, n_items]`.
    pub log_probs: Tensor<2>,
    /// Values, `[n]`.
    pub values: Tensor<1>,
}

impl ActorCritic {
    /// Before learning.
    ///
    /// # Errors
    /// If the tracker's configuration does not hold.
    #[expect(clippy::too_many_arguments, reason = "called by three policies with their settings")]
    pub fn new(
        tracker: &TrackerConfig,
        items: &ItemVectors,
        hidden: &[usize],
        start: Start,
        learning_rate: f64,
        max_grad_norm: Option<f64>,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let device = device.clone().autodiff();
        let mut rng = random::stream(seed, "policy weights", 0);
        let tracker = Tracker::new(tracker, items, &mut rng, &device)?;
        let trunk = Mlp::new(tracker.width(), hidden, start, &mut rng, &device);
        let width = hidden.last().copied().unwrap_or(tracker.width());
        let heads = Heads {
            trunk,
            actor: Linear::new(width, items.n_items(), start, &mut rng, &device),
            critic: Linear::new(width, 1, start, &mut rng, &device),
        };
        Ok(Self {
            acting: (tracker.valid(), heads.valid()),
            tracker,
            heads,
            tracker_adam: Adam::new(learning_rate, None),
            heads_adam: Adam::new(learning_rate, max_grad_norm),
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
        self.tracker.window()
    }

    /// The logits of `states`, `[n, n_items]` on the host, without gradients.
    pub fn logits(&self, states: &States) -> Vec<f32> {
        let (tracker, heads) = &self.acting;
        let vectors = tracker.forward(&StateTensors::new(states, &self.device.clone().inner()));
        host(heads.actor.forward(heads.trunk.forward(vectors)))
    }

    /// Items drawn from the policy, or its likeliest ones.
    pub fn choose(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        greedy: bool,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        let mut logits = self.logits(states);
        if logits.iter().any(|logit| logit.is_nan()) {
            return Err(Error::Diverged { what: "a logit".to_string(), updates: self.updates });
        }
        if greedy {
            sample::greedy(&mut logits, self.n_items, masked, &mut actions.items);
        } else {
            sample::categorical(&mut logits, self.n_items, masked, rng, &mut actions.items);
        }
        Ok(())
    }

    /// The values of `states` on the host, without gradients.
    pub fn values(&self, states: &States) -> Vec<f32> {
        let (tracker, heads) = &self.acting;
        let vectors = tracker.forward(&StateTensors::new(states, &self.device.clone().inner()));
        host(heads.critic.forward(heads.trunk.forward(vectors)))
    }

    /// Advantages and returns of the transitions in `slots` ([`Replay::ordered`]), by the critic as it is.
    pub fn advantages(
        &self,
        replay: &Replay,
        slots: &[u32],
        gamma: f32,
        lambda: f32,
    ) -> (Vec<f32>, Vec<f32>) {
        let mut steps = Vec::with_capacity(slots.len());
        for chunk in slots.chunks(CHUNK) {
            let (values, next) = (self.values(&replay.before(chunk)), self.values(&replay.after(chunk)));
            steps.extend(chunk.iter().zip(values.into_iter().zip(next)).map(
                |(&slot, (value, next_value))| {
                    returns::Step {
                        reward: replay.reward(slot),
                        value,
                        next_value,
                        terminated: replay.terminated(slot),
                        // The newest step of an environment has no successor in the replay.
                        ended: replay.ended(slot) || replay.next(slot).is_none(),
                    }
                },
            ));
        }
        let advantages = generalized_advantages(&steps, gamma, lambda);
        let returns = advantages.iter().zip(&steps).map(|(advantage, step)| advantage + step.value).collect();
        (advantages, returns)
    }

    /// The forward pass with gradients.
    ///
    /// # Shapes
    /// See [`Outputs`].
    pub fn forward(&self, states: &States) -> Outputs {
        let hidden = self.heads.trunk.forward(self.tracker.forward(&StateTensors::new(states, &self.device)));
        let logits = self.heads.actor.forward(hidden.clone());
        Outputs {
            log_probs: burn::tensor::activation::log_softmax(logits, 1),
            values: self.heads.critic.forward(hidden).squeeze_dim(1),
        }
    }

    /// A vector on the device of the parameters.
    pub fn tensor(&self, values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &self.device)
    }

    /// The log-probabilities of the recommended items, `[n]`.
    ///
    /// # Shapes
    /// - `log_probs`: `[n, n_items]`
    /// - `slots`: `n`
    pub fn of_actions(&self, log_probs: Tensor<2>, replay: &Replay, slots: &[u32]) -> Tensor<1> {
        let actions: Vec<i32> = slots.iter().map(|&slot| replay.action(slot) as i32).collect();
        let actions = Tensor::from_data(TensorData::new(actions, [slots.len(), 1]), &self.device);
        log_probs.gather(1, actions).squeeze_dim(1)
    }

    /// One step of both optimizers down `loss`; gives the loss.
    ///
    /// # Errors
    /// [`Error::Diverged`] if it is not finite.
    pub fn descend(&mut self, loss: Tensor<1>) -> Result<f64> {
        let value = f64::from(loss.clone().into_scalar::<f32>());
        if !value.is_finite() {
            return Err(Error::Diverged { what: "the loss".to_string(), updates: self.updates });
        }
        let mut gradients = loss.backward();
        self.updates += 1;
        self.heads = self.heads_adam.step(self.heads.clone(), &mut gradients);
        self.tracker = self.tracker_adam.step(self.tracker.clone(), &mut gradients);
        Ok(value)
    }

    /// Lets acting see what was learned. To be called at the end of a learning round.
    pub fn refresh(&mut self) {
        self.acting = (self.tracker.valid(), self.heads.valid());
    }

    /// Everything that learning changed.
    pub fn state(&self) -> PolicyState {
        let mut state = PolicyState::default();
        state.put_module("tracker", weights(&self.tracker), &self.tracker_adam);
        state.put_module("heads", weights(&self.heads), &self.heads_adam);
        state.counters.insert("updates".to_string(), self.updates);
        state
    }

    /// Goes on from [`ActorCritic::state`].
    ///
    /// # Errors
    /// If it is the state of another model.
    pub fn restore(&mut self, mut state: PolicyState) -> Result<()> {
        self.tracker = with_weights(
            self.tracker.clone(),
            state.take_module("tracker", &mut self.tracker_adam, &self.device)?,
        )?;
        self.heads = with_weights(
            self.heads.clone(),
            state.take_module("heads", &mut self.heads_adam, &self.device)?,
        )?;
        self.updates = state.counter("updates")?;
        self.refresh();
        Ok(())
    }
}

/// The values of a matrix on the host, row by row.
pub fn host(tensor: Tensor<2>) -> Vec<f32> {
    let data = tensor.into_data();
    data.iter::<f32>().collect()
}
