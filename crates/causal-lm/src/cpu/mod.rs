//! The same decoder by hand on slices, for models in f32 on this machine's processor.
//!
//! burn runs a model operation by operation: each allocates its result, and a token decoded alone is a hundred small
//! operations. Here a training step is three parallel phases and a token is one pass over the weights, in buffers that are
//! kept. [`crate::Tape`], [`crate::Session`] and [`CausalLm::token_log_probs`] take this path by themselves where it gives
//! what burn gives; `SEXTANT_LM_FUSED=0` keeps them off it, for comparison.

pub(crate) mod arithmetic;
mod layer;
pub(crate) mod reader;
pub(crate) mod training;
pub(crate) mod weights;

use std::sync::{Arc, Mutex, OnceLock};

use burn::tensor::DType;

use crate::CausalLm;
use crate::optimizer::on_host;
use training::Workspace;

/// Whether a model can be run here.
pub(crate) fn fits(model: &CausalLm) -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    let wanted =
        *WANTED.get_or_init(|| std::env::var_os("SEXTANT_LM_FUSED").is_none_or(|value| value != "0"));
    wanted && model.dtype() == DType::F32 && on_host(&model.device())
}

/// Where a model keeps the buffers of its training steps. Copies of the model share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Home(Arc<Mutex<Option<Workspace>>>);

impl Home {
    /// The buffers, or new ones if another step has them.
    pub fn lend(&self, model: &CausalLm) -> Loan {
        let kept = self.0.lock().ok().and_then(|mut kept| kept.take());
        Loan { workspace: Some(kept.unwrap_or_else(|| Workspace::new(model))), home: self.clone() }
    }
}

/// Buffers that go back when dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    workspace: Option<Workspace>,
    home: Home,
}

impl Loan {
    pub fn workspace(&mut self) -> &mut Workspace {
        self.workspace.as_mut().expect("taken only when dropped")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Ok(mut kept) = self.home.0.lock() {
            *kept = self.workspace.take();
        }
    }
}
