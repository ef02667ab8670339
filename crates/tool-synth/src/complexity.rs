//! How hard a sample is for the model to be trained: H(x, y) = −(1/n) Σ log p(tᵢ | x, t<ᵢ) (ToolACE, section 2.2.2).
//!
//! x is what the model reads (tools and what users and tools say), y what it has to write (calls and answers). The probabilities
//! come from a [`LogProb`]: the default is [`Ngram`], an interpolated n-gram model with a copy cache, fitted in a second on
//! dialogues; an endpoint that tells log-probabilities, or a language model of one's own, are others. The tokens of [`Ngram`]
//! are pieces of words and identifiers, not a trained vocabulary.

use std::collections::HashMap;

use rec_core::tool::call_text;
use rec_core::{Role, Trajectory};
use serde::Serialize;

use crate::error::Result;
use crate::tss::text_of;

/// Who knows how probable a continuation is.
pub trait LogProb {
    /// The logarithms of the probabilities of `target`'s tokens after `context`; empty for an empty target.
    ///
    /// # Errors
    /// What keeps the source from telling.
    fn log_probs(&self, context: &str, target: &str) -> Result<Vec<f64>>;
}

/// What the model reads and what it writes.
pub fn context_and_target(sample: &Trajectory) -> (String, String) {
    let mut context = String::new();
    let mut target = String::new();
    for tool in &sample.tools {
        context.push_str(&text_of(tool));
        context.push('\n');
    }
    for message in &sample.messages {
        match message.role {
            Role::System => {}
            Role::User | Role::Tool => {
                context.push_str(&message.content);
                context.push('\n');
            }
            Role::Assistant if message.tool_calls.is_empty() => {}
            Role::Assistant => {
                target.push_str(&call_text::write(&message.tool_calls).unwrap_or_default());
                target.push('\n');
            }
        }
    }
    if target.is_empty() {
        // A dialogue without calls is as hard as its answers.
        for message in sample.messages.iter().filter(|message| message.role == Role::Assistant) {
            target.push_str(&message.content);
            target.push('\n');
        }
    }
    (context, target)
}

/// The mean negative log-probability of a sample's target.
///
/// # Errors
/// What the source fails with.
pub fn complexity(source: &dyn LogProb, sample: &Trajectory) -> Result<f64> {
    let (context, target) = context_and_target(sample);
    let log_probs = source.log_probs(&context, &target)?;
    Ok(if log_probs.is_empty() { 0.0 } else { -log_probs.iter().sum::<f64>() / log_probs.len() as f64 })
}

/// Pieces of words: letters, digits and each mark by itself; a capital begins a new piece.
pub fn pieces(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in text.chars() {
        let joins = (letter.is_alphabetic()
            && before.is_alphabetic()
            && !(letter.is_uppercase() && before.is_lowercase()))
            || (letter.is_ascii_digit() && before.is_ascii_digit());
        if letter.is_whitespace() {
        } else if joins && let Some(last) = out.last_mut() {
            last.extend(letter.to_lowercase());
        } else {
            out.push(letter.to_lowercase().collect());
        }
        before = letter;
    }
    out
}

/// How often each token followed a pair of tokens.
type Followers<'a> = HashMap<(&'a str, &'a str), HashMap<&'a str, f64>>;

/// An interpolated trigram model with a copy cache over the context.
#[derive(Clone, Debug, Default)]
pub struct Ngram {
    unigrams: HashMap<String, f64>,
    total: f64,
    bigrams: HashMap<String, HashMap<String, f64>>,
    trigrams: HashMap<(String, String), HashMap<String, f64>>,
}

/// Weights of copying after two, one and no tokens in common, and of the model's three orders; the rest is spelling.
const COPY: [f64; 3] = [0.25, 0.2, 0.1];
const ORDERS: [f64; 3] = [0.2, 0.15, 0.08];
const SPELL: f64 = 0.02;
/// The probability of one letter when a token is spelt.
const LETTER: f64 = 1.0 / 40.0;

impl Ngram {
    /// A model of the targets of `samples`.
    pub fn fit<'a>(samples: impl IntoIterator<Item = &'a Trajectory>) -> Self {
        let mut model = Self::default();
        for sample in samples {
            model.add(&context_and_target(sample).1);
        }
        model
    }

    /// Learns one more text.
    pub fn add(&mut self, target: &str) {
        let mut before = (String::new(), String::new());
        for piece in pieces(target) {
            *self.unigrams.entry(piece.clone()).or_default() += 1.0;
            self.total += 1.0;
            *self.bigrams.entry(before.1.clone()).or_default().entry(piece.clone()).or_default() += 1.0;
            let key = (before.0, before.1.clone());
            *self.trigrams.entry(key).or_default().entry(piece.clone()).or_default() += 1.0;
            before = (before.1, piece);
        }
    }
}

impl LogProb for Ngram {
    fn log_probs(&self, context: &str, target: &str) -> Result<Vec<f64>> {
        let mut seen = pieces(context);
        let start = seen.len();
        seen.extend(pieces(target));
        // What followed each token and each pair so far.
        let mut copy: [Followers<'_>; 2] = Default::default();
        let mut counts: HashMap<&str, f64> = HashMap::new();
        let mut out = Vec::with_capacity(seen.len() - start);
        let at = |index: usize, back: usize| index.checked_sub(back).map_or("", |index| seen[index].as_str());
        let share = |followers: Option<&HashMap<&str, f64>>, token: &str| {
            followers.map(|followers| {
                followers.get(token).copied().unwrap_or(0.0) / followers.values().sum::<f64>()
            })
        };
        for (index, token) in seen.iter().enumerate() {
            let token = token.as_str();
            let (one, two) = (at(index, 1), at(index, 2));
            if index >= start {
                let mut weight = 0.0;
                let mut mass = 0.0;
                let mut mix = |part: f64, probability: Option<f64>| {
                    if let Some(probability) = probability {
                        weight += part;
                        mass += part * probability;
                    }
                };
                mix(COPY[0], share(copy[1].get(&(two, one)), token));
                mix(COPY[1], share(copy[0].get(&("", one)), token));
                mix(COPY[2], (index > 0).then(|| counts.get(token).copied().unwrap_or(0.0) / index as f64));
                let learnt = |followers: Option<&HashMap<String, f64>>| {
                    followers.map(|followers| {
                        followers.get(token).copied().unwrap_or(0.0) / followers.values().sum::<f64>()
                    })
                };
                mix(ORDERS[0], learnt(self.trigrams.get(&(two.to_owned(), one.to_owned()))));
                mix(ORDERS[1], learnt(self.bigrams.get(one)));
                mix(
                    ORDERS[2],
                    (self.total > 0.0).then(|| self.unigrams.get(token).copied().unwrap_or(0.0) / self.total),
                );
                mix(SPELL, Some(LETTER.powi(token.chars().count().min(24) as i32)));
                out.push((mass / weight).ln());
            }
            *counts.entry(token).or_default() += 1.0;
            *copy[0].entry(("", one)).or_default().entry(token).or_default() += 1.0;
            *copy[1].entry((two, one)).or_default().entry(token).or_default() += 1.0;
        }
        Ok(out)
    }
}

/// The range of complexity that suits the model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Range {
    /// Below it a sample teaches nothing.
    pub lower: f64,
    /// Above it the model learns nothing.
    pub upper: f64,
}

impl Range {
    /// The range from losses on a prior set: the median of those that the model solves already, and the 90th percentile of those
    /// that are solved after tuning. Where the first is not below the second, the 20th and 80th percentiles of all.
    pub fn estimate(solved: &[f64], tuned: &[f64], all: &[f64]) -> Self {
        let (lower, upper) = (quantile(solved, 0.5), quantile(tuned, 0.9));
        match (lower, upper) {
            (Some(lower), Some(upper)) if lower < upper => Self { lower, upper },
            _ => Self {
                lower: quantile(all, 0.2).unwrap_or(0.0),
                upper: quantile(all, 0.8).unwrap_or(f64::INFINITY),
            },
        }
    }
}

/// The `share` quantile, between the two nearest values.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = share.clamp(0.0, 1.0) * (sorted.len().checked_sub(1)?) as f64;
    let low = sorted[at.floor() as usize];
    let high = sorted[at.ceil() as usize];
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one() {
        let mut model = Ngram::default();
        model.add("find_flights(city=\"Oslo\")");
        // Over tokens that occur anywhere, and the spelt rest.
        let context = "find flights to Oslo";
        let tokens = ["find", "flights", "to", "oslo", "_", "(", "city", "=", "\"", ")"];
        let sum: f64 = tokens.iter().map(|token| model.log_probs(context, token).unwrap()[0].exp()).sum();
        assert!((0.95..=1.0).contains(&sum), "{sum}");
    }

    #[test]
    fn copying_is_easier_than_inventing() {
        let model = Ngram::default();
        let mean = |target: &str| {
            let all = model.log_probs("Book a table in Lisbon for Ana Silva", target).unwrap();
            all.iter().sum::<f64>() / all.len() as f64
        };
        assert!(mean("Ana Silva") > mean("Jon Smith"));
    }

    #[test]
    fn quantiles_and_ranges() {
        assert_eq!(quantile(&[1.0, 3.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(Range::estimate(&[1.0], &[2.0], &[]), Range { lower: 1.0, upper: 2.0 });
        assert_eq!(Range::estimate(&[3.0], &[2.0], &[0.0, 10.0]), Range { lower: 2.0, upper: 8.0 });
    }

    #[test]
    fn identifiers_come_in_pieces() {
        assert_eq!(pieces("findFlights(a_b=12)"), ["find", "flights", "(", "a", "_", "b", "=", "12", ")"]);
    }
}
