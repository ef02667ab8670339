//! The exact log-probabilities of given completions.

use super::session::{Decoder, Session, log_sum_exp};
use crate::projection::Slot;
use crate::{Error, Result};

/// `log p(completion | prompt)` of each completion. The prompt is read once, and completions of one token cost nothing
/// more; the others are read `rows` at a time.
///
/// # Errors
/// As [`Session::start`](super::Session::start); [`Error::Sequence`] for an empty completion.
pub fn score_completions<M: Decoder, T: AsRef<[u32]>>(
    model: &M,
    prompt: &[u32],
    completions: &[T],
    slot: Slot,
    rows: usize,
) -> Result<Vec<f64>> {
    let vocabulary = model.config().vocab_size;
    for (index, completion) in completions.iter().map(AsRef::as_ref).enumerate() {
        if completion.is_empty() {
            return Err(Error::sequence(index, "has an empty completion"));
        }
        if let Some(token) = completion.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(Error::sequence(index, format!("has token {token}, but there are {vocabulary}")));
        }
    }
    let Some(room) = completions.iter().map(|completion| completion.as_ref().len()).max() else {
        return Ok(Vec::new());
    };
    let (session, logits) = model.start(&[prompt], room, slot)?;
    let total = log_sum_exp(&logits);
    let first = |completion: &T| f64::from(logits[completion.as_ref()[0] as usize]) - total;
    let mut scores: Vec<f64> = completions.iter().map(first).collect();
    // Those of like length together, so that little is padded.
    let mut longer: Vec<usize> =
        (0..completions.len()).filter(|&at| completions[at].as_ref().len() > 1).collect();
    longer.sort_by_key(|&at| completions[at].as_ref().len());
    let mut copies: Option<(usize, Session)> = None;
    for chunk in longer.chunks(rows.max(1)) {
        let length = chunk.iter().map(|&at| completions[at].as_ref().len() - 1).max().unwrap_or(0);
        let mut ids = vec![0; chunk.len() * length];
        let mut targets = Vec::new();
        for (row, &at) in chunk.iter().enumerate() {
            let completion = completions[at].as_ref();
            ids[row * length..][..completion.len() - 1].copy_from_slice(&completion[..completion.len() - 1]);
            targets.extend(
                completion[1..].iter().enumerate().map(|(column, &token)| (row * length + column, token)),
            );
        }
        let fits = copies.as_ref().is_some_and(|(count, _)| *count == chunk.len());
        if !fits {
            copies = Some((chunk.len(), session.repeated(chunk.len())));
        }
        let Some((_, copies)) = &mut copies else { continue };
        let log_probs = copies.look_ahead(&ids, &targets)?;
        let mut log_probs = log_probs.into_iter();
        for &at in chunk {
            let steps = completions[at].as_ref().len() - 1;
            scores[at] += log_probs.by_ref().take(steps).map(f64::from).sum::<f64>();
        }
    }
    Ok(scores)
}
