//! Log-probabilities of completions: logits exist only where a completion's token is predicted.

use std::collections::HashMap;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use causal_lm::{CausalLm, Pass, Tokens};

use crate::codec::ItemCodec;
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

/// Log-probabilities of completions after their prompts.
///
/// Rows are padded on the right, where a causal model does not look; what a row gets does not depend on the others. Rows
/// that differ in their last token alone, which predicts nothing, are read once: with one token an item a prompt is read
/// once for its chosen and all its rejected items.
///
/// # Errors
/// [`Error::EmptyCompletion`], [`Error::TooLong`], and what the model reports.
pub fn completion_log_probs<P: AsRef<[u32]>, C: AsRef<[u32]>>(
    model: &CausalLm,
    rows: &[(P, C)],
    pass: &mut Pass<'_>,
) -> Result<LogProbs> {
    let limit = model.config().max_position_embeddings;
    let mut inputs: Vec<Vec<u32>> = Vec::with_capacity(rows.len());
    let mut known: HashMap<Vec<u32>, usize> = HashMap::with_capacity(rows.len());
    // Of each row, where its tokens stand among those that are read.
    let mut readers = Vec::with_capacity(rows.len());
    for (row, (prompt, completion)) in rows.iter().enumerate() {
        let (prompt, completion) = (prompt.as_ref(), completion.as_ref());
        if completion.is_empty() {
            return Err(Error::EmptyCompletion { row });
        }
        let tokens = prompt.len() + completion.len() - 1;
        if tokens > limit {
            return Err(Error::TooLong { row, tokens, limit });
        }
        let input = [prompt, &completion[..completion.len() - 1]].concat();
        readers.push(*known.entry(input).or_insert_with_key(|input| {
            inputs.push(input.clone());
            inputs.len() - 1
        }));
    }
    let tokens = Tokens::right_padded(&inputs, ItemCodec::PAD)?;
    let hidden = model.forward(&tokens, pass)?;
    let [count, length, width] = hidden.dims();
    let (mut places, mut targets, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(rows.len()));
    for (row, (prompt, completion)) in rows.iter().enumerate() {
        let first = readers[row] * length + prompt.as_ref().len() - 1;
        for (at, &target) in completion.as_ref().iter().enumerate() {
            places.push((first + at) as i32);
            targets.push(target as i32);
        }
        lengths.push(completion.as_ref().len());
    }
    let device = hidden.device();
    let ints = |values: Vec<i32>| {
        let length = values.len();
        Tensor::<1, Int>::from_data(TensorData::new(values, [length]), &device)
    };
    let n = places.len();
    let states = hidden.reshape([count * length, width]).select(0, ints(places));
    let log_probs = log_softmax(model.logits(states), 1);
    let each = log_probs.gather(1, ints(targets).reshape([n, 1])).reshape([n]);
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if longest == 1 {
        let tokens = each.clone().unsqueeze_dim(1);
        return Ok(LogProbs { tokens, sums: each, lengths });
    }
    // Place n is a zero that stands where a row has no token.
    let mut place = 0;
    let mut layout = Vec::with_capacity(rows.len() * longest);
    for &own in &lengths {
        layout.extend((0..longest).map(|at| if at < own { (place + at) as i32 } else { n as i32 }));
        place += own;
    }
    let padded = Tensor::cat(vec![each, Tensor::zeros([1], &device)], 0);
    let tokens = padded.select(0, ints(layout)).reshape([rows.len(), longest]);
    let sums = tokens.clone().sum_dim(1).reshape([rows.len()]);
    Ok(LogProbs { tokens, sums, lengths })
}

/// The log-probabilities of every token after each prompt, row by row: `[prompts, vocabulary]` on the host.
///
/// # Errors
/// What the model reports.
pub fn next_log_probs<P: AsRef<[u32]>>(
    model: &CausalLm,
    prompts: &[P],
    pass: &mut Pass<'_>,
) -> Result<Vec<f32>> {
    let tokens = Tokens::right_padded(prompts, ItemCodec::PAD)?;
    let hidden = model.forward(&tokens, pass)?;
    let [rows, length, width] = hidden.dims();
    let places: Vec<i32> = prompts
        .iter()
        .enumerate()
        .map(|(row, prompt)| (row * length + prompt.as_ref().len() - 1) as i32)
        .collect();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [rows]), &hidden.device());
    let states = hidden.reshape([rows * length, width]).select(0, places);
    let data = log_softmax(model.logits(states), 1).into_data().convert::<f32>();
    data.try_into_vec().map_err(|error| Error::invalid(format!("log-probabilities: {error:?}")))
}
