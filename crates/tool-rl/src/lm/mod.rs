//! Language models as policies: rollout, losses, updates, training.

pub mod checkpoint;
pub mod factors;
pub mod learner;
pub mod loss;
pub mod minibatch;
pub mod policy;
pub mod rollout;
pub mod search;
pub mod train;

pub use learner::{Before, LearnConfig, Learned, Learner, Lesson, look, look_by_tensors};
pub use minibatch::{Gathered, Minibatch};
pub use policy::{ActorCritic, Evaluated, Row, evaluate};
pub use rollout::{Draw, Job, RolloutConfig, rollout};
pub use train::{IterationReport, TrainConfig, Trainer, fine_tune};
