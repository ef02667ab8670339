//! Beam search.

use super::constraint::Constraint;
use super::generate::{Generated, check};
use super::session::{Decoder, log_sum_exp};
use crate::projection::Slot;
use crate::{Error, Result};

/// How beams are searched.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamConfig {
    /// The number of texts kept, and given.
    pub beams: usize,
    /// The most tokens after the prompt.
    pub max_new_tokens: usize,
    /// Tokens that end a text.
    pub end: Vec<u32>,
    /// Finished texts are compared by `log_prob / length^this`; 0 compares by probability alone.
    pub length_penalty: f64,
    /// The adapter.
    pub slot: Slot,
}

impl Default for BeamConfig {
    fn default() -> Self {
        Self { beams: 10, max_new_tokens: 32, end: Vec::new(), length_penalty: 0.0, slot: Slot::Active }
    }
}

/// The best texts after `prompt`, at most as many as beams, best first.
///
/// Texts that did not end within the limit come after all that did only by their score. With as many beams as a
/// constraint has texts, and no length penalty, the result is exact.
///
/// # Errors
/// As [`Session::start`](super::Session::start); [`Error::Config`] for no beams or a constraint that allows a token that the
/// model does not have; [`Error::Sequence`] where the model's logits are not numbers.
pub fn beam_search<M: Decoder, C: Constraint>(
    model: &M,
    prompt: &[u32],
    config: &BeamConfig,
    constraint: &C,
) -> Result<Vec<Generated>> {
    if config.beams == 0 {
        return Err(Error::config("beams", "is 0, but must be at least 1"));
    }
    let score =
        |text: &Generated| text.log_prob / (text.tokens.len().max(1) as f64).powf(config.length_penalty);
    let mut beams =
        vec![(Generated { tokens: Vec::new(), log_prob: 0.0, finished: false }, constraint.start())];
    let mut finished: Vec<Generated> = Vec::new();
    let (mut session, mut logits) = model.start(&[prompt], config.max_new_tokens, config.slot)?;
    let vocabulary = model.config().vocab_size;
    for left in (0..config.max_new_tokens).rev() {
        let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
        for (at, (text, state)) in beams.iter().enumerate() {
            let logits = &logits[at * vocabulary..][..vocabulary];
            let allowed = constraint.allowed(state);
            check(0, text.tokens.len(), logits, allowed.as_deref())?;
            let total = log_sum_exp(logits);
            let mut add = |token: u32| {
                candidates.push((text.log_prob + f64::from(logits[token as usize]) - total, at, token));
            };
            match allowed {
                Some(allowed) => allowed.into_iter().for_each(&mut add),
                None => (0..vocabulary as u32).for_each(&mut add),
            }
        }
        // Finished texts leave their beam, so as many must be looked at again.
        let order = |a: &(f64, usize, u32), b: &(f64, usize, u32)| {
            b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2))
        };
        let most = config.beams * (1 + config.end.len().max(1));
        if candidates.len() > most {
            candidates.select_nth_unstable_by(most, order);
            candidates.truncate(most);
        }
        candidates.sort_by(order);
        let mut next = Vec::with_capacity(config.beams);
        let (mut parents, mut tokens) = (Vec::new(), Vec::new());
        for (rank, (log_prob, parent, token)) in candidates.into_iter().enumerate() {
            let (text, state) = &beams[parent];
            let mut text = Generated { log_prob, ..text.clone() };
            text.tokens.push(token);
            let mut state = state.clone();
            constraint.advance(&mut state, token);
            text.finished = config.end.contains(&token) || constraint.is_complete(&state);
            if text.finished {
                if rank < config.beams {
                    finished.push(text);
                }
            } else if next.len() < config.beams {
                next.push((text, state));
                parents.push(parent);
                tokens.push(token);
            }
        }
        beams = next;
        finished.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| a.tokens.cmp(&b.tokens)));
        finished.truncate(config.beams);
        // Without a length penalty a text only loses by going on.
        let settled = config.length_penalty == 0.0
            && finished.len() == config.beams
            && beams.first().is_none_or(|(best, _)| best.log_prob <= score(&finished[config.beams - 1]));
        if left == 0 || beams.is_empty() || settled {
            break;
        }
        session.reorder(&parents);
        session.step_into(&tokens, &mut logits)?;
    }
    finished.extend(beams.into_iter().map(|(text, _)| text));
    finished.sort_by(|a, b| score(b).total_cmp(&score(a)).then_with(|| a.tokens.cmp(&b.tokens)));
    finished.truncate(config.beams);
    Ok(finished)
}
