//! What DDPG and TD3 share: an actor that points at items, critics of where it points, and copies that drift after them.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rec_core::random::{self, Random};

use super::continuous::nearest_items;
use super::learner::Minibatch;
use super::{Acting, Actions, PolicyState};
use crate::bits::MaskedRows;
use crate::network::host;
use crate::network::{Linear, Mlp, Start, normal};
use crate::optimizer::{Adam, weights, with_weights};
use crate::replay::Replay;
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, Tracker, TrackerConfig};
use crate::{Compat, Error, Result, sample};

/// From the tracker's view of a state to a vector within `[-1, 1]`.
#[derive(Module, Debug)]
pub struct VectorActor {
    trunk: Mlp,
    head: Linear,
}

impl VectorActor {
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - output: `[n, dim]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.head.forward(self.trunk.forward(x)).tanh()
    }
}

/// From the tracker's view of a state and a vector to the value of acting by it.
#[derive(Module, Debug)]
pub struct VectorCritic {
    trunk: Mlp,
    head: Linear,
}

impl VectorCritic {
    /// # Shapes
    /// - `x`: `[n, inputs]`
    /// - `vectors`: `[n, dim]`
    /// - output: `[n]`
    pub fn forward(&self, x: Tensor<2>, vectors: Tensor<2>) -> Tensor<1> {
        self.head.forward(self.trunk.forward(Tensor::cat(vec![x, vectors], 1))).squeeze_dim(1)
    }
}

/// Tracker, actor and critics.
#[derive(Module, Debug)]
pub struct Parts {
    /// From states to vectors.
    pub tracker: Tracker,
    /// Points at items.
    pub actor: VectorActor,
    /// One or two.
    pub critics: Vec<VectorCritic>,
}

/// How they are built.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// What the policy sees.
    pub tracker: &'a TrackerConfig,
    /// The widths of every trunk.
    pub hidden: &'a [usize],
    /// How many critics there are.
    pub critics: usize,
    /// The learning rates of tracker, actor and critics.
    pub learning_rates: [f64; 3],
}

/// [`Parts`], their optimizers, and copies.
///
/// The tracker learns from the critics' loss only; the actor takes what it sees as given (in the reference the actor's
/// loss moves the tracker too).
#[derive(Debug)]
pub struct Deterministic {
    parts: Parts,
    /// The same without gradients.
    pub online: Parts,
    /// Drifts after it.
    pub target: Parts,
    /// The items' directions, `[dim, n_items]`.
    directions: Tensor<2>,
    tracker_adam: Adam,
    actor_adam: Adam,
    critic_adam: Adam,
    device: Device,
    n_items: usize,
    dim: usize,
    updates: u64,
}

impl Deterministic {
    /// Before learning.
    ///
    /// # Errors
    /// If the tracker's configuration does not hold.
    pub fn new(plan: &Plan<'_>, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        let device = device.clone().autodiff();
        let mut rng = random::stream(seed, "policy weights", 0);
        let tracker = Tracker::new(plan.tracker, items, &mut rng, &device)?;
        let inputs = tracker.width();
        let mut layers = |inputs, outputs| {
            let trunk = Mlp::new(inputs, plan.hidden, Start::Uniform, &mut rng, &device);
            let width = plan.hidden.last().copied().unwrap_or(inputs);
            (trunk, Linear::new(width, outputs, Start::Uniform, &mut rng, &device))
        };
        let (trunk, head) = layers(inputs, items.dim);
        let actor = VectorActor { trunk, head };
        let critics = (0..plan.critics).map(|_| layers(inputs + items.dim, 1));
        let critics = critics.map(|(trunk, head)| VectorCritic { trunk, head }).collect();
        let parts = Parts { tracker, actor, critics };
        let online = parts.valid();
        let [tracker_rate, actor_rate, critic_rate] = plan.learning_rates;
        Ok(Self {
            directions: online.tracker.directions().swap_dims(0, 1),
            target: online.clone(),
            online,
            parts,
            tracker_adam: Adam::new(tracker_rate, None),
            actor_adam: Adam::new(actor_rate, None),
            critic_adam: Adam::new(critic_rate, None),
            device,
            n_items: items.n_items(),
            dim: items.dim,
            updates: 0,
        })
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// How many numbers a vector has.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many pairs of the past the tracker sees.
    pub fn window(&self) -> usize {
        self.parts.tracker.window()
    }

    /// How many updates of the critics there were.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// How far each item's vector points where the actor does, `[n, n_items]`.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one is not a number.
    pub fn scores(&self, states: &States) -> Result<Vec<f32>> {
        let vectors = self.aim(states)?;
        Ok(self.toward(&vectors))
    }

    /// Points at items: to explore, with normal noise of deviation `sigma` and now and then at random.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the actor's output is not a number.
    #[expect(clippy::too_many_arguments, reason = "called by two policies with their settings")]
    pub fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        (sigma, remap): (f32, f64),
        compat: Compat,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        actions.vectors = self.aim(states)?;
        let explores = acting != Acting::Judge;
        if explores {
            let noise = normal(actions.vectors.len(), sigma, rng);
            actions
                .vectors
                .iter_mut()
                .zip(noise)
                .for_each(|(value, noise)| *value = (*value + noise).clamp(-1.0, 1.0));
        }
        let mut scores = self.toward(&actions.vectors);
        let mut masked = masked;
        if compat.multiplicative_mask {
            sample::mask(&mut scores, self.n_items, masked.take(), 0.0);
        }
        let remap = explores.then_some(remap);
        nearest_items(&mut scores, self.n_items, masked, remap, rng, &mut actions.items);
        Ok(())
    }

    fn aim(&self, states: &States) -> Result<Vec<f32>> {
        let states = StateTensors::new(states, &self.device.clone().inner());
        let vectors = host(self.online.actor.forward(self.online.tracker.forward(&states)));
        match vectors.iter().any(|value| value.is_nan()) {
            true => Err(Error::Diverged { what: "the actor's output".to_string(), updates: self.updates }),
            false => Ok(vectors),
        }
    }

    /// `(v + 1) / 2 . E_i / |E_i|`: vectors are compared within the unit cube.
    fn toward(&self, vectors: &[f32]) -> Vec<f32> {
        let aim: Vec<f32> = vectors.iter().map(|value| (value + 1.0) / 2.0).collect();
        let shape = [aim.len() / self.dim, self.dim];
        let aim = Tensor::<2>::from_data(TensorData::new(aim, shape), &self.device.clone().inner());
        host(aim.matmul(self.directions.clone()))
    }

    /// The transitions of `slots` with their `n`-step returns.
    pub fn minibatch(&self, replay: &Replay, slots: Vec<u32>, n: usize, gamma: f32) -> Minibatch {
        Minibatch::new(replay, slots, n, gamma, &self.device)
    }

    /// One step of critics and tracker towards `target` (`[n]`, without gradients); gives the summed mean squared error.
    pub fn improve_critics(
        &mut self,
        replay: &Replay,
        batch: &Minibatch,
        target: Tensor<1>,
        rng: &mut Random,
    ) -> Tensor<1> {
        let vectors: Vec<f32> = batch.slots.iter().flat_map(|&slot| replay.vector(slot)).copied().collect();
        let shape = [batch.slots.len(), self.dim];
        let vectors = Tensor::<2>::from_data(TensorData::new(vectors, shape), &self.device);
        let target = Tensor::from_inner(target);
        let x = self.parts.tracker.forward_training(&batch.states, rng);
        let errors = self
            .parts
            .critics
            .iter()
            .map(|critic| critic.forward(x.clone(), vectors.clone()).sub(target.clone()).square().mean());
        let loss = errors.reduce(Tensor::add).expect("at least one critic");
        let mut gradients = loss.backward();
        self.updates += 1;
        self.parts.critics = self.critic_adam.step(self.parts.critics.clone(), &mut gradients);
        self.parts.tracker = self.tracker_adam.step(self.parts.tracker.clone(), &mut gradients);
        self.online.critics = self.parts.critics.valid();
        self.online.tracker = self.parts.tracker.valid();
        loss
    }

    /// One step of the actor up the first critic; gives `-mean Q(s, actor(s))`.
    pub fn improve_actor(&mut self, batch: &Minibatch, rng: &mut Random) -> Tensor<1> {
        let x = self.parts.tracker.forward_training(&batch.states, rng).detach();
        let loss = self.parts.critics[0].forward(x.clone(), self.parts.actor.forward(x)).mean().neg();
        let mut gradients = loss.backward();
        self.parts.actor = self.actor_adam.step(self.parts.actor.clone(), &mut gradients);
        self.online.actor = self.parts.actor.valid();
        loss
    }

    /// Moves the copies the share `tau` of the way (Lillicrap et al., 2016, algorithm 1).
    pub fn drift(&mut self, tau: f64) {
        self.target = drifted(self.target.clone(), &self.online, tau);
    }

    /// Lets acting see where the items are now. To be called at the end of a learning round.
    pub fn refresh(&mut self) {
        self.directions = self.online.tracker.directions().swap_dims(0, 1);
    }

    /// Everything that learning changed.
    pub fn state(&self) -> PolicyState {
        let mut state = PolicyState::default();
        state.put_module("tracker", weights(&self.parts.tracker), &self.tracker_adam);
        state.put_module("actor", weights(&self.parts.actor), &self.actor_adam);
        state.put_module("critics", weights(&self.parts.critics), &self.critic_adam);
        state.put_weights("target", weights(&self.target));
        state.counters.insert("updates".to_string(), self.updates);
        state
    }

    /// Goes on from [`Deterministic::state`].
    ///
    /// # Errors
    /// If it is the state of another model.
    pub fn restore(&mut self, mut state: PolicyState) -> Result<()> {
        let (parts, device) = (&mut self.parts, &self.device);
        let tracker = state.take_module("tracker", &mut self.tracker_adam, device)?;
        parts.tracker = with_weights(parts.tracker.clone(), tracker)?;
        let actor = state.take_module("actor", &mut self.actor_adam, device)?;
        parts.actor = with_weights(parts.actor.clone(), actor)?;
        let critics = state.take_module("critics", &mut self.critic_adam, device)?;
        parts.critics = with_weights(parts.critics.clone(), critics)?;
        self.target = with_weights(self.target.clone(), state.take_weights("target")?)?;
        self.updates = state.counter("updates")?;
        self.online = self.parts.valid();
        self.refresh();
        Ok(())
    }
}

/// `(1 - tau) module + tau towards`, parameter by parameter; both without gradients.
fn drifted<M: Module>(module: M, towards: &M, tau: f64) -> M {
    struct Read(Vec<Tensor<1>>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let count = value.shape().num_elements();
            self.0.push(value.reshape([count]));
        }
    }
    struct Move(std::vec::IntoIter<Tensor<1>>, f64);
    impl ModuleMapper for Move {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let towards = self.0.next().expect("two modules of one shape");
            param.map(|value| {
                let shape = value.shape();
                value.mul_scalar(1.0 - self.1).add(towards.mul_scalar(self.1).reshape(shape))
            })
        }
    }
    let mut read = Read(Vec::new());
    towards.visit(&mut read);
    module.map(&mut Move(read.0.into_iter(), tau))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_drifts_the_share_tau_of_the_way() {
        let device = Device::default();
        let mut rng = random::stream(3, "test", 0);
        let [one, other] = [(); 2].map(|()| Linear::new(3, 2, Start::Uniform, &mut rng, &device));
        let (from, to) = (weights(&one).concat(), weights(&other).concat());
        let moved = weights(&drifted(one, &other, 0.25)).concat();
        for ((from, to), moved) in from.iter().zip(to).zip(moved) {
            assert!((0.75 * from + 0.25 * to - moved).abs() < 1e-6);
        }
    }
}
