//! How much of a written text stands in what a person wrote: BLEU and ROUGE, over words as [`text::words`](crate::text::words) cuts them.
//!
//! Both count what is worded alike, not what is meant alike. An explanation that is right in other words scores low.

use std::collections::HashMap;
use std::hash::Hash;

use rand::RngExt;
use rec_core::random;
use rec_core::statistics::Interval;
use serde::{Deserialize, Serialize};

/// The longest run of words that BLEU counts.
pub const LONGEST: usize = 4;

/// A text and the one it is held against, as words.
pub type Pair<'a, T> = (&'a [T], &'a [T]);

fn runs<T: Eq + Hash>(words: &[T], n: usize) -> HashMap<&[T], u32> {
    let mut counts = HashMap::new();
    for run in words.windows(n) {
        *counts.entry(run).or_default() += 1;
    }
    counts
}

/// How many runs of `n` words both texts have, each as often as in the text that has it less often.
fn common<T: Eq + Hash>((text, reference): Pair<'_, T>, n: usize) -> u32 {
    let reference = runs(reference, n);
    runs(text, n).into_iter().map(|(run, count)| count.min(reference.get(run).copied().unwrap_or(0))).sum()
}

/// What BLEU needs of a text: counts add up over texts, and the score is of their sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Runs of one to four words that the reference has too.
    matched: [u32; LONGEST],
    /// Runs of one to four words.
    all: [u32; LONGEST],
    words: u32,
    reference_words: u32,
}

impl BleuCounts {
    /// The counts of a text against its reference.
    pub fn of<T: Eq + Hash>(pair: Pair<'_, T>) -> Self {
        let number = |at: usize| at as u32;
        Self {
            matched: std::array::from_fn(|at| common(pair, at + 1)),
            all: std::array::from_fn(|at| number(pair.0.len().saturating_sub(at))),
            words: number(pair.0.len()),
            reference_words: number(pair.1.len()),
        }
    }

    /// BLEU with runs of up to `order` words (Papineni and others, ACL 2002), from 0 to 1: the geometric mean of the shares of
    /// runs that match, less what a text is shorter than its reference. Without smoothing: a length of runs with no match at all
    /// makes it 0.
    ///
    /// # Panics
    /// If `order` is not between 1 and [`LONGEST`].
    pub fn score(&self, order: usize) -> f64 {
        assert!((1..=LONGEST).contains(&order), "an order of 1 to {LONGEST}");
        if self.matched[..order].contains(&0) {
            return 0.0;
        }
        let logarithms = self.matched[..order].iter().zip(&self.all);
        let sum: f64 = logarithms.map(|(&matched, &all)| (f64::from(matched) / f64::from(all)).ln()).sum();
        let short = 1.0 - f64::from(self.reference_words) / f64::from(self.words);
        (sum / order as f64 + short.min(0.0)).exp()
    }
}

impl std::iter::Sum for BleuCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, one| {
            for at in 0..LONGEST {
                sum.matched[at] += one.matched[at];
                sum.all[at] += one.all[at];
            }
            sum.words += one.words;
            sum.reference_words += one.reference_words;
            sum
        })
    }
}

/// BLEU of all texts together, with the interval of 95% over draws of as many texts with replacement.
pub fn corpus_bleu(counts: &[BleuCounts], order: usize, rounds: usize, seed: u64) -> (f64, Interval) {
    let score = counts.iter().copied().sum::<BleuCounts>().score(order);
    if counts.is_empty() || rounds == 0 {
        return (score, Interval { low: score, high: score });
    }
    let mut drawn: Vec<f64> = (0..rounds)
        .map(|round| {
            let mut random = random::stream(seed, "bleu", round as u64);
            let draw = (0..counts.len()).map(|_| counts[random.random_range(0..counts.len())]);
            draw.sum::<BleuCounts>().score(order)
        })
        .collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| drawn[(share * (rounds - 1) as f64).round() as usize];
    (score, Interval { low: at(0.025), high: at(0.975) })
}

/// Precision, recall and their harmonic mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// The share of the text that the reference has.
    pub precision: f64,
    /// The share of the reference that the text has.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Overlap {
    fn new(both: usize, text: usize, reference: usize) -> Self {
        if both == 0 {
            return Self::default();
        }
        let (precision, recall) = (both as f64 / text as f64, both as f64 / reference as f64);
        Self { precision, recall, f1: 2.0 * precision * recall / (precision + recall) }
    }
}

/// ROUGE-N of one text: runs of `n` words (Lin, 2004).
pub fn rouge_n<T: Eq + Hash>(pair: Pair<'_, T>, n: usize) -> Overlap {
    let count = |words: &[T]| (words.len() + 1).saturating_sub(n);
    Overlap::new(common(pair, n) as usize, count(pair.0), count(pair.1))
}

/// ROUGE-L of one text: the longest sequence of words that both have in the same order, others between or not.
pub fn rouge_l<T: Eq>((text, reference): Pair<'_, T>) -> Overlap {
    let mut above = vec![0_usize; reference.len() + 1];
    for word in text {
        let mut corner = 0;
        for (at, other) in reference.iter().enumerate() {
            let longest = if word == other { corner + 1 } else { above[at].max(above[at + 1]) };
            corner = std::mem::replace(&mut above[at + 1], longest);
        }
    }
    Overlap::new(above[reference.len()], text.len(), reference.len())
}
