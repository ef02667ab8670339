//! The policy with a value head, and what a pass over episodes gives for every action token.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use causal_lm::{Batch, CausalLm, Pass, Slot, Tokens};

use crate::episode::Episode;
use crate::{Error, Result};

/// One number from a state.
#[derive(Module, Debug)]
pub struct ValueHead {
    /// `[hidden, 1]`.
    pub weight: Param<Tensor<2>>,
    /// `[1]`.
    pub bias: Param<Tensor<1>>,
}

impl ValueHead {
    /// The width of states.
    pub fn width(&self) -> usize {
        self.weight.val().dims()[0]
    }

    /// Weight and bias as numbers.
    pub(crate) fn on_host(&self) -> (Vec<f32>, f32) {
        let weight = self.weight.val().into_data().iter::<f32>().collect();
        (weight, self.bias.val().into_scalar::<f32>())
    }
}

/// A language model, and a value head on its last states if there is one.
#[derive(Module, Debug)]
pub struct ActorCritic {
    /// The policy.
    pub lm: CausalLm,
    /// The value of a state. It begins at 0 everywhere.
    pub value: Option<ValueHead>,
}

impl ActorCritic {
    /// A policy without a value head.
    pub fn new(lm: CausalLm) -> Self {
        Self { lm, value: None }
    }

    /// With a value head that says 0.
    pub fn with_value_head(self) -> Self {
        let device = self.lm.device();
        let hidden = self.lm.config().hidden_size;
        let weight = Param::from_tensor(Tensor::zeros([hidden, 1], &device).require_grad());
        let bias = Param::from_tensor(Tensor::zeros([1], &device).require_grad());
        Self { value: Some(ValueHead { weight, bias }), ..self }
    }

    /// The same without gradients.
    pub fn frozen(&self) -> Self {
        if self.lm.device().is_autodiff() { self.valid() } else { self.clone() }
    }
}

/// Tokens, and which of them are actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// All tokens.
    pub tokens: &'a [u32],
    /// Where actions are; the first token of all cannot be one.
    pub actions: Vec<Range<usize>>,
}

impl<'a> Row<'a> {
    /// Of an episode.
    pub fn of(episode: &'a Episode) -> Self {
        let actions = episode.steps.iter().map(|step| step.action.clone()).collect();
        Self { tokens: &episode.tokens, actions }
    }
}

/// The rows with losses at their actions.
///
/// # Errors
/// [`Error::Record`] for an action that begins at the first token, or for no actions at all.
pub(crate) fn batch_of(rows: &[Row<'_>]) -> Result<Batch> {
    check(rows)?;
    let rows: Vec<_> = rows.iter().map(|row| (row.tokens, row.actions.as_slice())).collect();
    Ok(Batch::of_ranges(&rows)?)
}

fn check(rows: &[Row<'_>]) -> Result<()> {
    for (at, row) in rows.iter().enumerate() {
        let wrong = row.actions.iter().find(|own| own.start == 0 || own.end > row.tokens.len());
        if let Some(own) = wrong {
            return Err(Error::record(format!("row {at}"), format!("has an action at tokens {own:?}")));
        }
    }
    if rows.iter().all(|row| row.actions.iter().all(Range::is_empty)) {
        return Err(Error::record("batch", "has no actions"));
    }
    Ok(())
}

/// What the policy says of the action tokens of a batch, row by row.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// `log p` of each action token: `[action tokens]`.
    pub log_probs: Tensor<1>,
    /// The entropy of the distribution that each was drawn from: `[action tokens]`.
    pub entropies: Tensor<1>,
    /// The value before each: `[action tokens]`; none without a head.
    pub values: Option<Tensor<1>>,
}

fn int(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Runs the policy over rows. Logits are computed at action tokens and nowhere else, and what stands for padding is seen by
/// none of them: rows are padded on the right, where causal attention does not look.
///
/// # Errors
/// As [`CausalLm::forward`]; [`Error::Record`] for an action that begins at the first token, or for no actions at all.
pub fn evaluate(model: &ActorCritic, rows: &[Row<'_>], slot: Slot) -> Result<Evaluated> {
    check(rows)?;
    let all: Vec<&[u32]> = rows.iter().map(|row| row.tokens).collect();
    let tokens = Tokens::right_padded(&all, 0)?;
    let length = tokens.length();
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for (at, row) in rows.iter().enumerate() {
        for place in row.actions.iter().cloned().flatten() {
            sources.push((at * length + place - 1) as i32);
            targets.push(row.tokens[place] as i32);
        }
    }
    let count = targets.len();
    let mut pass: Pass<'_> = slot.into();
    let hidden = model.lm.forward(&tokens, &mut pass)?;
    let [batch, length, width] = hidden.dims();
    let device = hidden.device();
    let states = hidden.reshape([batch * length, width]).select(0, int(sources, &device));
    let logits = model.lm.logits(states.clone());
    let log_all = log_softmax(logits.clone(), 1);
    let entropies = softmax(logits, 1).mul(log_all.clone()).sum_dim(1).neg().reshape([count]);
    let targets = int(targets, &device).reshape([count, 1]);
    let log_probs = log_all.gather(1, targets).reshape([count]);
    let values = model.value.as_ref().map(|head| {
        let values: Tensor<2> = states.matmul(head.weight.val());
        values.reshape([count]).add(head.bias.val())
    });
    Ok(Evaluated { log_probs, entropies, values })
}
