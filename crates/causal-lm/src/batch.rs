//! Prompts with completions, and the log-probabilities of the completions.

use std::ops::Range;

use burn::tensor::activation::log_softmax;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

use crate::cpu::training::Keep;
use crate::projection::Pass;
use crate::tokens::Tokens;
use crate::{CausalLm, Error, Result};

/// A prompt and its completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// All tokens.
    pub tokens: Vec<u32>,
    /// Where the completion begins: at least 1, since the first token has nothing before it to be predicted from.
    pub completion: usize,
}

impl Sequence {
    /// `prompt`, then `completion`.
    pub fn new(prompt: &[u32], completion: &[u32]) -> Self {
        Self { tokens: [prompt, completion].concat(), completion: prompt.len() }
    }
}

/// Sequences side by side, padded on the right, with the places where there is a loss.
#[derive(Clone, Debug)]
pub struct Batch {
    tokens: Tokens,
    /// Of the state that predicts, in `[rows * length]`.
    sources: Vec<i32>,
    targets: Vec<i32>,
    spans: Vec<Range<usize>>,
}

impl Batch {
    /// # Errors
    /// [`Error::Sequence`] for an empty prompt or completion; [`Error::Config`] if there are no sequences.
    pub fn new(sequences: &[Sequence]) -> Result<Self> {
        let mut places = Vec::with_capacity(sequences.len());
        for (row, Sequence { tokens: ids, completion }) in sequences.iter().enumerate() {
            if *completion == 0 {
                return Err(Error::sequence(
                    row,
                    "has an empty prompt; begin with a token that is not predicted",
                ));
            }
            if *completion >= ids.len() {
                return Err(Error::sequence(row, "has an empty completion"));
            }
            places.push(std::iter::once(*completion..ids.len()).collect::<Vec<_>>());
        }
        let rows = sequences.iter().zip(&places);
        Self::of_ranges(&rows.map(|(own, places)| (own.tokens.as_slice(), &places[..])).collect::<Vec<_>>())
    }

    /// Rows of tokens, of which those at the given places are completion: several stretches a row, as in conversations where
    /// others speak in between, or none. Places ascend.
    ///
    /// # Errors
    /// [`Error::Sequence`] for a row without tokens, and for places that do not ascend, are no tokens, or are the first token;
    /// [`Error::Config`] if there are no rows, or no places in any.
    pub fn of_ranges(rows: &[(&[u32], &[Range<usize>])]) -> Result<Self> {
        let all: Vec<&[u32]> = rows.iter().map(|row| row.0).collect();
        let tokens = Tokens::right_padded(&all, 0)?;
        let (mut sources, mut targets, mut spans) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (ids, ranges)) in rows.iter().enumerate() {
            let (first, mut next) = (targets.len(), 1);
            for range in *ranges {
                if range.start < next || range.end > ids.len() || range.end < range.start {
                    let what = format!("has no completion at {range:?} among {} tokens", ids.len());
                    return Err(Error::sequence(row, what));
                }
                next = range.end.max(next);
                sources.extend(range.clone().map(|at| (row * tokens.length() + at - 1) as i32));
                targets.extend(ids[range.clone()].iter().map(|&id| id as i32));
            }
            spans.push(first..targets.len());
        }
        if targets.is_empty() {
            return Err(Error::config("batch", "has no completion in any row"));
        }
        Ok(Self { tokens, sources, targets, spans })
    }

    /// For each row, which of its tokens predict a completion token.
    pub(crate) fn sources(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        let first = row * self.tokens.length();
        self.sources[self.spans[row].clone()].iter().map(move |&source| source as usize - first)
    }

    /// The completion tokens of a row.
    pub(crate) fn targets(&self, row: usize) -> impl Iterator<Item = u32> + '_ {
        self.targets[self.spans[row].clone()].iter().map(|&target| target as u32)
    }

    /// The padded rows.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The number of completion tokens in all.
    pub fn completion_tokens(&self) -> usize {
        self.targets.len()
    }

    /// Where each sequence's completion is in the flat list of all completion tokens.
    pub fn spans(&self) -> &[Range<usize>] {
        &self.spans
    }

    /// Sums what there is for each completion token into one number per sequence.
    ///
    /// # Shapes
    /// - `values`: `[completion tokens]`
    /// - output: `[sequences]`
    pub fn sum_by_sequence(&self, values: Tensor<1>) -> Tensor<1> {
        let device = values.device();
        let owners = self.spans.iter().enumerate();
        let owners: Vec<i32> = owners.flat_map(|(row, span)| span.clone().map(move |_| row as i32)).collect();
        let owners = int(owners, &device);
        Tensor::zeros([self.spans.len()], &device).select_assign(0, owners, values, IndexingUpdateOp::Add)
    }
}

fn int(values: Vec<i32>, device: &burn::tensor::Device) -> Tensor<1, Int> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

impl CausalLm {
    /// `log p(token | what is before it)` of every completion token, in f32. Logits are computed there and nowhere else.
    ///
    /// # Shapes
    /// - output: `[completion tokens]`, sequence by sequence; see [`Batch::spans`]
    ///
    /// # Errors
    /// As [`CausalLm::forward`].
    pub fn token_log_probs(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Tensor<1>> {
        let dropped = pass.dropout.is_some() && self.has_adapter(pass.slot);
        if !self.device().is_autodiff() && !dropped && crate::cpu::fits(self) {
            batch.tokens.check(self.config().vocab_size, self.config().max_position_embeddings)?;
            let mut loan = self.home().lend(self);
            let found = loan.workspace().forward(self, batch, pass.slot, Keep::default());
            return Ok(crate::cpu::weights::flat(found.log_probs, &self.device()));
        }
        let hidden = self.forward(&batch.tokens, pass)?;
        let [rows, length, width] = hidden.dims();
        let device = hidden.device();
        let states = hidden.reshape([rows * length, width]).select(0, int(batch.sources.clone(), &device));
        let count = batch.targets.len();
        let targets = int(batch.targets.clone(), &device).reshape([count, 1]);
        Ok(log_softmax(self.logits(states), 1).gather(1, targets).reshape([count]))
    }

    /// `log p(completion | prompt)` of every sequence: the sum over its tokens, in f32.
    ///
    /// # Shapes
    /// - output: `[sequences]`
    ///
    /// # Errors
    /// As [`CausalLm::forward`].
    pub fn completion_log_probs(&self, batch: &Batch, pass: &mut Pass<'_>) -> Result<Tensor<1>> {
        Ok(batch.sum_by_sequence(self.token_log_probs(batch, pass)?))
    }
}
