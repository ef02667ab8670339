//! Policies: what to recommend next, learned from what was lived through.
//!
//! Each algorithm is one file, readable from top to bottom, over a shared [`Tracker`](crate::tracker::Tracker),
//! [`Replay`] and [collector](crate::collect).

mod a2c;
mod actor_critic;
mod atoms;
pub mod bcq;
pub mod c51;
mod continuous;
pub mod cql;
pub mod crr;
mod ddpg;
mod deterministic;
pub mod dqn;
mod learner;
mod pg;
mod ppo;
pub mod presets;
mod prioritized;
pub mod qrdqn;
mod settings;
mod sqn;
mod td3;

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use rec_core::random::Random;

pub use a2c::{A2c, A2cConfig};
pub use actor_critic::{ActionSpace, ActorCritic, Estimates, Layout, Outputs};
pub use bcq::{Bcq, BcqConfig};
pub use c51::{C51, C51Config};
pub use continuous::VectorActions;
pub use cql::{Cql, CqlConfig};
pub use crr::{Crr, CrrConfig, CrrWeight};
pub use ddpg::{Ddpg, DdpgConfig};
pub use dqn::{Dqn, DqnConfig};
pub use pg::{Pg, PgConfig};
pub use ppo::{Ppo, PpoConfig};
pub use prioritized::Prioritized;
pub use qrdqn::{QrDqn, QrDqnConfig};
pub use sqn::{Sqn, SqnConfig, SqnHead};
pub use td3::{Td3, Td3Config};

use crate::bits::MaskedRows;
use crate::optimizer::Adam;
use crate::replay::Replay;
use crate::states::States;
use crate::{Error, Result};

/// What a batch of states is answered with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actions {
    /// The items.
    pub items: Vec<u32>,
    /// For policies that act in the space of item vectors the vectors behind the items, row-major; otherwise empty.
    pub vectors: Vec<f32>,
}

/// Why a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// To learn from it: exploration is wanted.
    Explore,
    /// To be judged.
    Judge,
    /// To be judged with the exploration noise left on, as the reference does in its free-browsing test.
    JudgeNoisy,
}

/// When a policy learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// After every round of one episode in each environment, from this round only (on-policy).
    Episodes,
    /// After every `steps` steps over all environments, from everything that is kept (off-policy).
    Steps {
        /// Steps between two learning rounds.
        steps: usize,
    },
    /// Without acting: from a replay that was filled from a log (offline).
    Offline,
}

/// Named numbers of a learning round, for logs.
pub type Losses = Vec<(&'static str, f64)>;

/// Everything that learning changed, to be saved and to go on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyState {
    /// Parameters and moments by name.
    pub tensors: BTreeMap<String, Vec<f32>>,
    /// Step counts by name.
    pub counters: BTreeMap<String, u64>,
}

/// What recommends, one item after another.
pub trait Policy: Send {
    /// How many items it chooses from.
    fn n_items(&self) -> usize;

    /// How many of the latest pairs it wants to see.
    fn window(&self) -> usize;

    /// How many numbers an action vector has; 0 for policies that choose items directly.
    fn action_width(&self) -> usize {
        0
    }

    /// When it learns.
    fn schedule(&self) -> Schedule;

    /// Chooses an item for each state, never a masked one, into `actions`.
    ///
    /// # Errors
    /// If the model's output is not finite.
    fn act(
        &self,
        states: &States,
        masked: Option<MaskedRows<'_>>,
        acting: Acting,
        rng: &mut Random,
        actions: &mut Actions,
    ) -> Result<()>;

    /// How good each item is in each state, larger is better: `[n, n_items]` into `scores`. For ranking.
    ///
    /// # Errors
    /// If the model's output is not finite.
    fn scores(&self, states: &States, scores: &mut Vec<f32>) -> Result<()>;

    /// One learning round on `replay`. A policy that does not learn leaves this and what follows as it is.
    ///
    /// # Errors
    /// [`Error::Diverged`] if a loss is not finite.
    fn learn(&mut self, replay: &Replay, rng: &mut Random) -> Result<Losses> {
        let _ = (replay, rng);
        Ok(Losses::new())
    }

    /// Everything that learning changed.
    fn state(&self) -> PolicyState {
        PolicyState::default()
    }

    /// Goes on from [`Policy::state`].
    ///
    /// # Errors
    /// If it is the state of another model.
    fn restore(&mut self, state: PolicyState) -> Result<()> {
        let _ = state;
        Ok(())
    }
}

impl PolicyState {
    /// Adds a module's parameters and its optimizer's moments under `name`.
    pub fn put_module(&mut self, name: &str, weights: Vec<Vec<f32>>, adam: &Adam) {
        let (steps, moments) = adam.state();
        self.counters.insert(format!("{name}.steps"), steps);
        self.counters.insert(format!("{name}.moments"), moments.len() as u64);
        self.put_weights(name, weights);
        for (at, [first, second]) in moments.into_iter().enumerate() {
            self.tensors.insert(format!("{name}.{at}.first"), first);
            self.tensors.insert(format!("{name}.{at}.second"), second);
        }
    }

    /// Takes what [`PolicyState::put_module`] added: gives the parameters, restores the optimizer.
    ///
    /// # Errors
    /// If something is missing.
    pub fn take_module(&mut self, name: &str, adam: &mut Adam, device: &Device) -> Result<Vec<Vec<f32>>> {
        let steps = self.counter(&format!("{name}.steps"))?;
        let moments = self.counter(&format!("{name}.moments"))?;
        let moments = (0..moments)
            .map(|at| {
                Ok([self.take(&format!("{name}.{at}.first"))?, self.take(&format!("{name}.{at}.second"))?])
            })
            .collect::<Result<Vec<_>>>()?;
        adam.restore(steps, moments, device);
        self.take_weights(name)
    }

    /// Adds a module's parameters under `name`, without an optimizer.
    pub fn put_weights(&mut self, name: &str, weights: Vec<Vec<f32>>) {
        self.counters.insert(format!("{name}.parameters"), weights.len() as u64);
        for (at, values) in weights.into_iter().enumerate() {
            self.tensors.insert(format!("{name}.{at}"), values);
        }
    }

    /// Takes what [`PolicyState::put_weights`] added.
    ///
    /// # Errors
    /// If something is missing.
    pub fn take_weights(&mut self, name: &str) -> Result<Vec<Vec<f32>>> {
        let parameters = self.counter(&format!("{name}.parameters"))?;
        (0..parameters).map(|at| self.take(&format!("{name}.{at}"))).collect()
    }

    /// A step count.
    ///
    /// # Errors
    /// If it is missing.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let counter = self.counters.get(name).copied();
        counter.ok_or_else(|| Error::invalid(format!("the policy's state has no count `{name}`")))
    }

    /// Takes a tensor out.
    ///
    /// # Errors
    /// If it is missing.
    pub fn take(&mut self, name: &str) -> Result<Vec<f32>> {
        self.tensors
            .remove(name)
            .ok_or_else(|| Error::invalid(format!("the policy's state has no tensor `{name}`")))
    }
}

/// `log sum_j exp x_ij` for each row, `[n, 1]`.
fn log_sum_exp(x: Tensor<2>) -> Tensor<2> {
    let most = x.clone().detach().max_dim(1);
    x.sub(most.clone()).exp().sum_dim(1).log().add(most)
}

/// `order` cut into parts of `size`; what is left over joins the last part, so that none is small.
fn minibatches(order: &[usize], size: usize) -> impl Iterator<Item = &[usize]> {
    let parts = (order.len() / size).max(usize::from(!order.is_empty()));
    (0..parts).map(move |part| {
        let end = if part + 1 == parts { order.len() } else { (part + 1) * size };
        &order[part * size..end]
    })
}
