//! One text after each prompt: the likeliest token each time, or a drawn one.

use rand::RngExt;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::session::{Decoder, log_sum_exp};
use crate::projection::Slot;
use crate::{Error, Result};

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Logits are divided by this first.
    pub temperature: f64,
    /// Only so many of the likeliest tokens stay.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens stay that together reach this probability.
    pub top_p: Option<f64>,
    /// Row `i` draws from stream `i` of this seed.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None, seed: 0 }
    }
}

/// How texts are generated.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateConfig {
    /// The most tokens after a prompt.
    pub max_new_tokens: usize,
    /// Tokens that end a text.
    pub end: Vec<u32>,
    /// Greedy if not given.
    pub sampling: Option<Sampling>,
    /// The adapter.
    pub slot: Slot,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self { max_new_tokens: 32, end: Vec::new(), sampling: None, slot: Slot::Active }
    }
}

/// A generated text.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// Its tokens, the one that ended it included.
    pub tokens: Vec<u32>,
    /// The sum of their log-probabilities under the model, before temperature and constraint.
    pub log_prob: f64,
    /// Whether it came to its end.
    pub finished: bool,
}

/// A text after each prompt.
///
/// # Errors
/// As [`Session::start`](super::Session::start); [`Error::Config`] for sampling settings out of range, or a constraint that
/// allows nothing or a token that the model does not have; [`Error::Sequence`] where the model's logits are not numbers.
pub fn generate<M: Decoder, P: AsRef<[u32]>, C: Constraint>(
    model: &M,
    prompts: &[P],
    config: &GenerateConfig,
    constraint: &C,
) -> Result<Vec<Generated>> {
    if let Some(sampling) = &config.sampling {
        if !(sampling.temperature.is_finite() && sampling.temperature > 0.0) {
            return Err(Error::config(
                "temperature",
                "must be positive; for the likeliest token leave sampling out",
            ));
        }
        if sampling.top_k == Some(0) || sampling.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err(Error::config("top_k, top_p", "must leave at least one token"));
        }
    }
    let mut texts = vec![Generated { tokens: Vec::new(), log_prob: 0.0, finished: false }; prompts.len()];
    if config.max_new_tokens == 0 || prompts.is_empty() {
        return Ok(texts);
    }
    let mut rngs: Vec<Random> = match config.sampling {
        Some(Sampling { seed, .. }) => {
            (0..prompts.len() as u64).map(|row| rec_core::random::stream(seed, "sample", row)).collect()
        }
        None => Vec::new(),
    };
    let mut states = vec![constraint.start(); prompts.len()];
    // The rows that are still being written, by their place in `texts`.
    let mut rows: Vec<usize> = (0..prompts.len()).collect();
    let (mut session, mut logits) = model.start(prompts, config.max_new_tokens, config.slot)?;
    let vocabulary = model.config().vocab_size;
    for left in (0..config.max_new_tokens).rev() {
        let mut next = Vec::with_capacity(rows.len());
        let mut kept = Vec::with_capacity(rows.len());
        for (at, &row) in rows.iter().enumerate() {
            let logits = &logits[at * vocabulary..][..vocabulary];
            let allowed = constraint.allowed(&states[row]);
            check(row, texts[row].tokens.len(), logits, allowed.as_deref())?;
            let token = match &config.sampling {
                None => likeliest(logits, allowed.as_deref()),
                Some(sampling) => draw(logits, allowed.as_deref(), sampling, &mut rngs[row]),
            };
            let token = token.ok_or_else(|| Error::config("constraint", "allows no token"))?;
            let text = &mut texts[row];
            text.tokens.push(token);
            text.log_prob += f64::from(logits[token as usize]) - log_sum_exp(logits);
            constraint.advance(&mut states[row], token);
            text.finished = config.end.contains(&token) || constraint.is_complete(&states[row]);
            if !text.finished {
                kept.push(at);
                next.push(token);
            }
        }
        if left == 0 || next.is_empty() {
            break;
        }
        if kept.len() < rows.len() {
            session.reorder(&kept);
            rows = kept.iter().map(|&at| rows[at]).collect();
        }
        session.step_into(&next, &mut logits)?;
    }
    Ok(texts)
}

/// Whether a token of row `row` can be chosen by these logits, after `written` tokens of its text.
///
/// # Errors
/// [`Error::Sequence`] if a logit is NaN or infinite from above; [`Error::Config`] if a token is allowed that has none.
pub(super) fn check(row: usize, written: usize, logits: &[f32], allowed: Option<&[u32]>) -> Result<()> {
    // Logits of minus infinity are tokens that cannot come.
    if let Some((token, logit)) =
        logits.iter().enumerate().find(|(_, logit)| logit.is_nan() || **logit == f32::INFINITY)
    {
        let what = format!("the logit of token {token} is {logit} after {written} generated tokens");
        return Err(Error::sequence(row, what));
    }
    match allowed.into_iter().flatten().find(|&&token| token as usize >= logits.len()) {
        Some(token) => {
            let what =
                format!("allows token {token}, but the model has {}: another vocabulary?", logits.len());
            Err(Error::config("constraint", what))
        }
        None => Ok(()),
    }
}

/// The first of the likeliest.
fn likeliest(logits: &[f32], allowed: Option<&[u32]>) -> Option<u32> {
    let better = |best: Option<u32>, token: u32| match best {
        Some(best) if logits[best as usize] >= logits[token as usize] => Some(best),
        _ => Some(token),
    };
    match allowed {
        Some(allowed) => allowed.iter().copied().fold(None, better),
        None => (0..logits.len() as u32).fold(None, better),
    }
}

fn draw(logits: &[f32], allowed: Option<&[u32]>, sampling: &Sampling, rng: &mut Random) -> Option<u32> {
    let mut tokens: Vec<u32> = allowed.map_or_else(|| (0..logits.len() as u32).collect(), <[u32]>::to_vec);
    let most = logits[likeliest(logits, Some(&tokens))? as usize];
    if sampling.top_k.is_some() || sampling.top_p.is_some() {
        tokens.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
        tokens.truncate(sampling.top_k.unwrap_or(usize::MAX));
    }
    let weight = |token: u32| (f64::from(logits[token as usize] - most) / sampling.temperature).exp();
    let mut weights: Vec<f64> = tokens.iter().map(|&token| weight(token)).collect();
    if let Some(top_p) = sampling.top_p {
        let wanted = top_p * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let last = weights.iter().position(|weight| {
            sum += weight;
            sum >= wanted
        });
        weights.truncate(last.map_or(weights.len(), |last| last + 1));
    }
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    let drawn = weights.iter().position(|weight| {
        left -= weight;
        left < 0.0
    });
    Some(tokens[drawn.unwrap_or(weights.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distribution that a token is to be drawn from, from the definitions and in another order of steps.
    fn exact(logits: &[f32], allowed: Option<&[u32]>, sampling: &Sampling) -> Vec<f64> {
        let mut kept: Vec<usize> = (0..logits.len())
            .filter(|&at| allowed.is_none_or(|allowed| allowed.contains(&(at as u32))))
            .collect();
        kept.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        kept.truncate(sampling.top_k.unwrap_or(kept.len()));
        let power = |at: usize| (f64::from(logits[at]) / sampling.temperature).exp();
        let all: f64 = kept.iter().map(|&at| power(at)).sum();
        let mut before = 0.0;
        let mut chances = vec![0.0; logits.len()];
        for &at in &kept {
            // A token stays if those before it do not reach the wanted share yet.
            if before < sampling.top_p.unwrap_or(1.0) {
                chances[at] = power(at);
            }
            before += power(at) / all;
        }
        let total: f64 = chances.iter().sum();
        chances.iter().map(|chance| chance / total).collect()
    }

    #[test]
    fn tokens_are_drawn_as_often_as_they_should_be() {
        let logits = [0.3f32, -1.2, 2.0, 1.9, -0.5, 0.0, 1.1];
        let allowed = [0, 2, 4, 5, 6];
        const DRAWS: usize = 60_000;
        for (temperature, top_k, top_p, allowed) in [
            (1.0, None, None, None),
            (0.5, None, None, Some(&allowed[..])),
            (1.7, Some(4), None, None),
            (1.0, None, Some(0.8), None),
            (2.0, Some(5), Some(0.7), None),
            (0.9, Some(3), Some(0.9), Some(&allowed[..])),
        ] {
            let sampling = Sampling { temperature, top_k, top_p, seed: 0 };
            let expected = exact(&logits, allowed, &sampling);
            let mut rng = rec_core::random::stream(1, "test", 0);
            let mut counts = [0usize; 7];
            for _ in 0..DRAWS {
                counts[draw(&logits, allowed, &sampling, &mut rng).unwrap() as usize] += 1;
            }
            for (count, chance) in counts.iter().zip(&expected) {
                let (mean, spread) = (chance * DRAWS as f64, (DRAWS as f64 * chance * (1.0 - chance)).sqrt());
                assert!(
                    (*count as f64 - mean).abs() <= 4.5 * spread,
                    "{sampling:?}: {counts:?} of {expected:?}"
                );
            }
        }
    }

    #[test]
    fn greedy_takes_the_first_of_the_likeliest() {
        assert_eq!(likeliest(&[1.0, 3.0, 3.0], None), Some(1));
        assert_eq!(likeliest(&[1.0, 3.0, 3.0], Some(&[0, 2])), Some(2));
        assert_eq!(likeliest(&[1.0, 3.0, 3.0], Some(&[])), None);
    }
}
