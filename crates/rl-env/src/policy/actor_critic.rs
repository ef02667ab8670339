//! A tracker, a trunk, a head of actions and a head of values, and how on-policy losses reach their parameters.

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use rec_core::random::{self, Random};
use serde::{Deserialize, Serialize};

use super::continuous::{Gaussian, VectorActions, nearest_items};
use super::{Actions, PolicyState};
use crate::bits::MaskedRows;
use crate::network::{Linear, Mlp, Start, host};
use crate::optimizer::{Adam, weights, with_weights};
use crate::replay::Replay;
use crate::returns::{self, generalized_advantages};
use crate::states::States;
use crate::tracker::{ItemVectors, StateTensors, Tracker, TrackerConfig};
use crate::{Error, Result, sample, softmax};

/// States per forward pass where no gradient is needed.
const CHUNK: usize = 4096;

/// What an on-policy policy puts out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionSpace {
    /// A probability for each item.
    #[default]
    Items,
    /// A vector with Gaussian noise, answered with the item whose vector points most nearly the same way.
    Vectors(VectorActions),
}

/// What an [`ActorCritic`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// What the policy sees.
    pub tracker: &'a TrackerConfig,
    /// The widths of the trunk.
    pub hidden: &'a [usize],
    /// Where the trunk starts.
    pub start: Start,
    /// Where the heads start.
    pub head_start: Start,
    /// What the policy puts out.
    pub actions: ActionSpace,
    /// Whether there is a head of values. It shares the trunk of an actor over items and has its own beside one over
    /// vectors.
    pub critic: bool,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// The largest gradient norm of trunk and heads, if any.
    pub max_grad_norm: Option<f64>,
}

#[derive(Module, Debug)]
struct Heads {
    trunk: Mlp,
    actor: Actor,
    critic: Option<Critic>,
}

#[derive(Module, Debug)]
enum Actor {
    Items(Linear),
    Vectors(Gaussian),
}

#[derive(Module, Debug)]
struct Critic {
    own_trunk: Option<Mlp>,
    value: Linear,
}

impl Heads {
    /// # Shapes
    /// - `x`: `[n, tracker width]`, and `hidden` what the trunk makes of it
    /// - output: `[n]`; 0 without a critic
    fn values(&self, x: Tensor<2>, hidden: Tensor<2>) -> Tensor<1> {
        match &self.critic {
            None => Tensor::zeros([x.dims()[0]], &x.device()),
            Some(Critic { own_trunk, value }) => {
                let hidden = match own_trunk {
                    Some(trunk) => trunk.forward(x),
                    None => hidden,
                };
                value.forward(hidden).squeeze_dim(1)
            }
        }
    }
}

/// What acting needs: parameters without gradients.
#[derive(Debug)]
struct Frozen {
    tracker: Tracker,
    heads: Heads,
    /// The item vectors at length 1, `[dim, n_items]`, where actions are vectors.
    directions: Option<Tensor<2>>,
}

impl Frozen {
    fn new(tracker: &Tracker, heads: &Heads) -> Self {
        let (tracker, heads) = (tracker.valid(), heads.valid());
        let directions = matches!(heads.actor, Actor::Vectors(_)).then(|| tracker.directions().transpose());
        Self { tracker, heads, directions }
    }
}

/// An actor and a critic over one tracker, and their optimizers.
#[derive(Debug)]
pub struct ActorCritic {
    tracker: Tracker,
    heads: Heads,
    acting: Frozen,
    actions: ActionSpace,
    tracker_adam: Adam,
    heads_adam: Adam,
    device: Device,
    n_items: usize,
    dim: usize,
    updates: u64,
}

/// What the critic makes of transitions before a learning round, one number per transition.
#[derive(Clone, Debug)]
pub struct Estimates {
    /// Generalized advantages `A_t`.
    pub advantages: Vec<f32>,
    /// Returns `A_t + V(s_t)`.
    pub returns: Vec<f32>,
    /// Values `V(s_t)`.
    pub values: Vec<f32>,
}

/// What a minibatch of transitions comes to, for the formula of a loss.
///
/// The three vectors are where the loss starts from; [`ActorCritic::descend`] takes its gradients by them and carries
/// them on to the parameters.
#[derive(Debug)]
pub struct Outputs {
    /// `ln pi(a | s)` of the actions taken, `[n]`.
    pub log_probs: Tensor<1>,
    /// The entropy of `pi(. | s)`, `[n]`.
    pub entropies: Tensor<1>,
    /// `V(s)`, `[n]`; 0 without a critic.
    pub values: Tensor<1>,
    graph_values: Tensor<1>,
    actor: ActorGraph,
}

/// What the actor's outputs were made from.
#[derive(Debug)]
enum ActorGraph {
    /// Softmax over items, whose gradient is written out: see [`softmax::into_gradient`].
    Items {
        /// The trunk's output, `[n, width]`.
        hidden: Tensor<2>,
        /// `[n, n_items]`.
        logits: TensorData,
        actions: Vec<u32>,
        choices: Vec<softmax::Choice>,
    },
    Vectors {
        log_probs: Tensor<1>,
        entropies: Tensor<1>,
    },
}

impl ActorCritic {
    /// Before learning.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting is out of range.
    pub fn new(layout: &Layout<'_>, items: &ItemVectors, seed: u64, device: &Device) -> Result<Self> {
        let device = device.clone().autodiff();
        let mut rng = random::stream(seed, "policy weights", 0);
        let tracker = Tracker::new(layout.tracker, items, &mut rng, &device)?;
        let inputs = tracker.width();
        let trunk = Mlp::new(inputs, layout.hidden, layout.start, &mut rng, &device);
        let width = layout.hidden.last().copied().unwrap_or(inputs);
        let actor = match layout.actions {
            ActionSpace::Items => {
                Actor::Items(Linear::new(width, items.n_items(), layout.head_start, &mut rng, &device))
            }
            ActionSpace::Vectors(vectors) => {
                vectors.validate()?;
                Actor::Vectors(Gaussian::new(width, items.dim, layout.head_start, &mut rng, &device))
            }
        };
        let own_trunk = matches!(layout.actions, ActionSpace::Vectors(_));
        let critic = layout.critic.then(|| Critic {
            own_trunk: own_trunk.then(|| Mlp::new(inputs, layout.hidden, layout.start, &mut rng, &device)),
            value: Linear::new(width, 1, layout.head_start, &mut rng, &device),
        });
        let heads = Heads { trunk, actor, critic };
        Ok(Self {
            acting: Frozen::new(&tracker, &heads),
            tracker,
            heads,
            actions: layout.actions,
            tracker_adam: Adam::new(layout.learning_rate, None),
            heads_adam: Adam::new(layout.learning_rate, layout.max_grad_norm),
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

    /// How many pairs of the past the tracker sees.
    pub fn window(&self) -> usize {
        self.tracker.window()
    }

    /// How many numbers an action vector has; 0 if actions are items.
    pub fn action_width(&self) -> usize {
        match self.actions {
            ActionSpace::Items => 0,
            ActionSpace::Vectors(_) => self.dim,
        }
    }

    /// The tracker's view of `states`, without gradients.
    fn view(&self, states: &States) -> Tensor<2> {
        self.acting.tracker.forward(&StateTensors::new(states, &self.device.clone().inner()))
    }

    /// How good each item is in each of `states`, `[n, n_items]` on the host: its logit, or how far the actor's mean
    /// points its way.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one is not a number.
    pub fn scores(&self, states: &States) -> Result<Vec<f32>> {
        Ok(numbers(&mut self.score_data(states)?).to_vec())
    }

    fn score_data(&self, states: &States) -> Result<TensorData> {
        let hidden = self.acting.heads.trunk.forward(self.view(states));
        let mut scores = on_host(match &self.acting.heads.actor {
            Actor::Items(linear) => linear.forward(hidden),
            Actor::Vectors(gaussian) => self.toward(gaussian.mean(hidden)),
        });
        self.check(numbers(&mut scores))?;
        Ok(scores)
    }

    /// Items drawn from the policy, or the likeliest ones of an actor over items if `greedy`. An actor over vectors
    /// answers now and then at random if `exploring`.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the actor's output is not a number.
    pub fn choose(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        greedy: bool,
        exploring: bool,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()> {
        match (&self.acting.heads.actor, self.actions) {
            (Actor::Vectors(gaussian), ActionSpace::Vectors(vectors)) => {
                let hidden = self.acting.heads.trunk.forward(self.view(states));
                actions.vectors = gaussian.sample(hidden, rng);
                self.check(&actions.vectors)?;
                let mut aim = actions.vectors.clone();
                vectors.bound(&mut aim);
                let aim = Tensor::from_data(
                    TensorData::new(aim, [states.len(), self.dim]),
                    &self.device.clone().inner(),
                );
                let mut scores = on_host(self.toward(aim));
                let remap = exploring.then_some(vectors.remap_eps);
                nearest_items(numbers(&mut scores), self.n_items, masked, remap, rng, &mut actions.items);
            }
            _ => {
                let mut logits = self.score_data(states)?;
                let logits = numbers(&mut logits);
                if greedy {
                    sample::greedy(logits, self.n_items, masked, &mut actions.items);
                } else {
                    sample::categorical(logits, self.n_items, masked, rng, &mut actions.items);
                }
            }
        }
        Ok(())
    }

    /// `v . E_i / |E_i|`, `[n, n_items]`.
    fn toward(&self, vectors: Tensor<2>) -> Tensor<2> {
        vectors.matmul(self.acting.directions.clone().expect("an actor over vectors keeps directions"))
    }

    fn check(&self, values: &[f32]) -> Result<()> {
        if softmax::any_nan(values) {
            return Err(Error::Diverged { what: "the actor's output".to_string(), updates: self.updates });
        }
        Ok(())
    }

    /// The values of `states` on the host, without gradients; 0 without a critic.
    pub fn values(&self, states: &States) -> Vec<f32> {
        let x = self.view(states);
        let hidden = self.acting.heads.trunk.forward(x.clone());
        host(self.acting.heads.values(x, hidden))
    }

    /// `ln pi(a | s)` of the transitions in `slots`, by the actor as it acted.
    pub fn log_probs(&self, replay: &Replay, slots: &[u32]) -> Vec<f32> {
        let mut log_probs = Vec::with_capacity(slots.len());
        for chunk in slots.chunks(CHUNK) {
            let hidden = self.acting.heads.trunk.forward(self.view(&replay.before(chunk)));
            match &self.acting.heads.actor {
                Actor::Items(linear) => {
                    let choices = softmax::choices(
                        numbers(&mut on_host(linear.forward(hidden))),
                        self.n_items,
                        &chunk.iter().map(|&slot| replay.action(slot)).collect::<Vec<_>>(),
                    );
                    log_probs.extend(choices.iter().map(|choice| choice.log_prob));
                }
                Actor::Vectors(gaussian) => {
                    let vectors = self.vectors(replay, chunk, &self.device.clone().inner());
                    log_probs.extend(host(gaussian.log_probs(hidden, vectors)));
                }
            }
        }
        log_probs
    }

    fn vectors(&self, replay: &Replay, slots: &[u32], device: &Device) -> Tensor<2> {
        let vectors: Vec<f32> = slots.iter().flat_map(|&slot| replay.vector(slot)).copied().collect();
        Tensor::from_data(TensorData::new(vectors, [slots.len(), self.dim]), device)
    }

    /// Advantages and returns of the transitions in `slots` ([`Replay::ordered`]), by the critic as it acted.
    pub fn estimates(&self, replay: &Replay, slots: &[u32], gamma: f32, lambda: f32) -> Estimates {
        let mut steps = Vec::with_capacity(slots.len());
        for chunk in slots.chunks(CHUNK) {
            let (before, after) = (replay.before(chunk), replay.after(chunk));
            let values = self.values(&before);
            // Within an episode the state after a step is the state before the next one, whose value is there.
            let known = |at: usize| {
                at + 1 < chunk.len()
                    && replay.next(chunk[at]) == Some(chunk[at + 1])
                    && same((&after, at), (&before, at + 1))
            };
            let mut wanted = States::scaled(after.window, after.scale);
            let unknown: Vec<usize> =
                (0..chunk.len()).filter(|&at| !replay.terminated(chunk[at]) && !known(at)).collect();
            unknown.iter().for_each(|&at| wanted.push_from(&after, at));
            let mut next: Vec<f32> = values[1..].iter().copied().chain([0.0]).collect();
            if !unknown.is_empty() {
                unknown.iter().zip(self.values(&wanted)).for_each(|(&at, value)| next[at] = value);
            }
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
        Estimates {
            returns: advantages.iter().zip(&steps).map(|(advantage, step)| advantage + step.value).collect(),
            values: steps.iter().map(|step| step.value).collect(),
            advantages,
        }
    }

    /// The forward pass with gradients over the transitions in `slots`, with dropout drawn from `rng`.
    pub fn forward(&self, replay: &Replay, slots: &[u32], rng: &mut Random) -> Outputs {
        let states = StateTensors::new(&replay.before(slots), &self.device);
        let x = self.tracker.forward_training(&states, rng);
        let hidden = self.heads.trunk.forward(x.clone());
        let graph_values = self.heads.values(x, hidden.clone());
        let (log_probs, entropies, actor) = match &self.heads.actor {
            Actor::Items(linear) => {
                let actions: Vec<u32> = slots.iter().map(|&slot| replay.action(slot)).collect();
                let mut logits = on_host(linear.valid().forward(hidden.clone().inner()));
                let choices = softmax::choices(numbers(&mut logits), self.n_items, &actions);
                let column = |of: fn(&softmax::Choice) -> f32| {
                    self.tensor(&choices.iter().map(of).collect::<Vec<_>>())
                };
                let (log_probs, entropies) = (column(|c| c.log_prob), column(|c| c.entropy));
                (log_probs, entropies, ActorGraph::Items { hidden, logits, actions, choices })
            }
            Actor::Vectors(gaussian) => {
                let vectors = self.vectors(replay, slots, &self.device);
                let log_probs = gaussian.log_probs(hidden, vectors);
                let entropies = gaussian.entropy().expand([slots.len()]);
                (log_probs.clone(), entropies.clone(), ActorGraph::Vectors { log_probs, entropies })
            }
        };
        Outputs {
            log_probs: log_probs.detach().require_grad(),
            entropies: entropies.detach().require_grad(),
            values: graph_values.clone().detach().require_grad(),
            graph_values,
            actor,
        }
    }

    /// A vector on the device of the parameters.
    pub fn tensor(&self, values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &self.device)
    }

    /// One step of both optimizers down the first of `terms`, the loss, a function of `outputs`. Gives the values of
    /// all terms.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss is not finite.
    pub fn descend<const N: usize>(&mut self, outputs: Outputs, terms: [Tensor<1>; N]) -> Result<[f64; N]> {
        let mut gradients = terms[0].backward();
        // One read for all: on a GPU each waits for the queue.
        let values: Vec<f32> = host(Tensor::cat(terms.map(Tensor::inner).to_vec(), 0));
        if !values[0].is_finite() {
            return Err(Error::Diverged { what: "the loss".to_string(), updates: self.updates });
        }

        let mut gradients = self.carry(outputs, &mut gradients);
        self.updates += 1;
        self.heads = self.heads_adam.step(self.heads.clone(), &mut gradients);
        self.tracker = self.tracker_adam.step(self.tracker.clone(), &mut gradients);
        Ok(std::array::from_fn(|term| f64::from(values[term])))
    }

    /// Carries the gradients of a loss by `outputs` on to the parameters.
    fn carry(&self, outputs: Outputs, by: &mut Gradients) -> Gradients {
        // d/dw sum_i c_i y_i(w) with c = dL/dy is dL/dw.
        let along = |graph: Tensor<1>, leaf: &Tensor<1>, by: &mut Gradients| {
            leaf.grad_remove(by).map(|gradient| graph.mul(Tensor::from_inner(gradient)).sum())
        };
        let value = along(outputs.graph_values, &outputs.values, by);
        match (outputs.actor, &self.heads.actor) {
            (ActorGraph::Items { hidden, mut logits, actions, choices }, Actor::Items(linear)) => {
                let column = |leaf: &Tensor<1>, by: &mut Gradients| {
                    leaf.grad_remove(by).map_or_else(|| vec![0.0; actions.len()], host)
                };
                let by_log_prob = column(&outputs.log_probs, by);
                let by_entropy = column(&outputs.entropies, by);
                softmax::into_gradient(
                    numbers(&mut logits),
                    self.n_items,
                    &actions,
                    &choices,
                    &by_log_prob,
                    &by_entropy,
                );
                // From here the last layer by hand, so that no [n, n_items] tensor enters the graph.
                let by_logits = Tensor::<2>::from_data(logits, &self.device.clone().inner());
                let by_hidden = by_logits.clone().matmul(linear.weight.val().inner().transpose());
                let by_weight = hidden.clone().inner().transpose().matmul(by_logits.clone());
                let below = hidden.mul(Tensor::from_inner(by_hidden)).sum();
                let mut gradients = sum_of([Some(below), value]).expect("there is one").backward();
                linear.weight.val().grad_replace(&mut gradients, by_weight);
                linear.bias.val().grad_replace(&mut gradients, by_logits.sum_dim(0).squeeze_dim(0));
                gradients
            }
            (ActorGraph::Vectors { log_probs, entropies }, _) => {
                let log_prob = along(log_probs, &outputs.log_probs, by);
                let entropy = along(entropies, &outputs.entropies, by);
                sum_of([log_prob, entropy, value]).expect("a loss depends on something").backward()
            }
            (ActorGraph::Items { .. }, Actor::Vectors(_)) => unreachable!("outputs of another network"),
        }
    }

    /// Lets acting see what was learned. To be called at the end of a learning round.
    pub fn refresh(&mut self) {
        self.acting = Frozen::new(&self.tracker, &self.heads);
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

/// Whether two states hold the same pairs.
fn same((a, at): (&States, usize), (b, other): (&States, usize)) -> bool {
    let cells = |at: usize| at * a.window..(at + 1) * a.window;
    a.lengths[at] == b.lengths[other]
        && a.items[cells(at)] == b.items[cells(other)]
        && a.rewards[cells(at)] == b.rewards[cells(other)]
}

fn sum_of<const N: usize>(terms: [Option<Tensor<1>>; N]) -> Option<Tensor<1>> {
    terms.into_iter().flatten().reduce(Tensor::add)
}

/// A tensor on the host, to be read and overwritten in place: tens of megabytes are not copied for nothing.
fn on_host(tensor: Tensor<2>) -> TensorData {
    tensor.into_data().convert::<f32>()
}

/// The numbers of what [`on_host`] gave, row by row.
fn numbers(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice().expect("single precision on the host")
}
