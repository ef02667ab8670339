//! Log-probabilities of completions: logits exist only where a completion's token is predicted.

use burn::tensor::{Int, Tensor, TensorData};
use causal_lm::{Batch, CausalLm, Decoder, Pass, Sequence, Slot, Tape};

use crate::{Error, Result};

/// The log-probabilities of a batch of completions.
#[derive(Clone, Debug)]
pub struct LogProbs {
    /// Of each token, 0 after a completion's end: `[rows, longest]`.
    pub tokens: Tensor<2>,
    /// Summed over tokens: `[rows]`.
    pub sums: Tensor<1>,
    /// How many tokens each completion has.
    pub lengths: Vec<usize>,
}

impl LogProbs {
    /// Those of a pass that a loss goes back through.
    pub fn of_tape(tape: &Tape<'_>, batch: &Batch) -> Self {
        Self::laid_out(tape.token_log_probs(), batch)
    }

    /// From one row of all completion tokens.
    fn laid_out(each: Tensor<1>, batch: &Batch) -> Self {
        let lengths: Vec<usize> = batch.spans().iter().map(ExactSizeIterator::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest == 1 {
            let tokens = each.clone().unsqueeze_dim(1);
            return Self { tokens, sums: each, lengths };
        }
        // Place n is a zero that stands where a row has no token.
        let n = batch.completion_tokens();
        let place = |start: usize, own: usize| {
            (0..longest).map(move |at| if at < own { (start + at) as i32 } else { n as i32 })
        };
        let layout: Vec<i32> = batch.spans().iter().flat_map(|span| place(span.start, span.len())).collect();
        let (device, rows) = (each.device(), lengths.len());
        let layout = Tensor::<1, Int>::from_data(TensorData::new(layout, [rows * longest]), &device);
        let padded = Tensor::cat(vec![each, Tensor::zeros([1], &device)], 0);
        let tokens = padded.select(0, layout).reshape([rows, longest]);
        let sums = tokens.clone().sum_dim(1).reshape([rows]);
        Self { tokens, sums, lengths }
    }
}

/// Prompts with completions for `model`. Put rows that differ in their last token alone, which predicts nothing, one after
/// the other: on this machine's processor they are read once.
///
/// # Errors
/// [`Error::EmptyCompletion`], [`Error::TooLong`].
pub fn batch<P: AsRef<[u32]>, C: AsRef<[u32]>>(model: &CausalLm, rows: &[(P, C)]) -> Result<Batch> {
    let limit = model.config().max_position_embeddings;
    let sequences = rows.iter().enumerate().map(|(row, (prompt, completion))| {
        let (prompt, completion) = (prompt.as_ref(), completion.as_ref());
        let tokens = prompt.len() + completion.len();
        match completion.is_empty() {
            true => Err(Error::EmptyCompletion { row }),
            false if tokens > limit => Err(Error::TooLong { row, tokens, limit }),
            false => Ok(Sequence::new(prompt, completion)),
        }
    });
    Ok(Batch::new(&sequences.collect::<Result<Vec<_>>>()?)?)
}

/// Log-probabilities of completions after their prompts; what a row gets does not depend on the others. A loss goes back
/// through [`LogProbs::of_tape`] faster than through these.
///
/// # Errors
/// [`Error::EmptyCompletion`], [`Error::TooLong`], and what the model reports.
pub fn completion_log_probs<P: AsRef<[u32]>, C: AsRef<[u32]>>(
    model: &CausalLm,
    rows: &[(P, C)],
    pass: &mut Pass<'_>,
) -> Result<LogProbs> {
    let batch = batch(model, rows)?;
    Ok(LogProbs::laid_out(model.token_log_probs(&batch, pass)?, &batch))
}

/// The log-probabilities of every token after each prompt, row by row: `[prompts, vocabulary]`.
///
/// # Errors
/// What the model reports.
pub fn next_log_probs<M: Decoder, P: AsRef<[u32]>>(model: &M, prompts: &[P], slot: Slot) -> Result<Vec<f32>> {
    let (_, mut logits) = model.start(prompts, 0, slot)?;
    for row in logits.chunks_exact_mut(model.config().vocab_size) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|&logit| f64::from((logit - most).exp())).sum();
        let total = most + sum.ln() as f32;
        row.iter_mut().for_each(|logit| *logit -= total);
    }
    Ok(logits)
}
