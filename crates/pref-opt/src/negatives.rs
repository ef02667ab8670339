//! Where rejected items come from.

use std::collections::HashMap;

use causal_lm::{CausalLm, Prepared, Slot};
use rand::{Rng, RngExt};
use rec_core::ItemId;
use rec_core::random::stream;
use serde::{Deserialize, Serialize};

use crate::codec::ItemCodec;
use crate::data::Window;
use crate::score::item_log_probs;
use crate::titles::TitleDecoder;
use crate::{Error, Result};

/// Where rejected items come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NegativeSource {
    /// The policy's best item: SPRec.
    Greedy,
    /// A draw from the policy.
    Sample {
        /// Log-probabilities are divided by it.
        #[serde(default = "one")]
        temperature: f64,
    },
    /// The policy's `k` best items, each a rejected one.
    Beam {
        /// How many.
        k: usize,
    },
    /// `k` items, all equally likely.
    RandomItem {
        /// How many.
        #[serde(default = "single")]
        k: usize,
    },
    /// `k` items, as likely as they are frequent among targets.
    Popular {
        /// How many.
        #[serde(default = "single")]
        k: usize,
    },
    /// The same for every row, but for what its history holds.
    Fixed {
        /// The items, none twice.
        items: Vec<ItemId>,
    },
}

fn one() -> f64 {
    1.0
}

fn single() -> usize {
    1
}

impl NegativeSource {
    /// How many rejected items a row gets.
    pub fn k(&self) -> usize {
        match self {
            Self::Greedy | Self::Sample { .. } => 1,
            Self::Beam { k } | Self::RandomItem { k } | Self::Popular { k } => *k,
            Self::Fixed { items } => items.len(),
        }
    }

    /// Whether the policy is asked.
    pub fn asks_policy(&self) -> bool {
        matches!(self, Self::Greedy | Self::Sample { .. } | Self::Beam { .. })
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn validate(&self) -> Result<()> {
        match self {
            _ if self.k() == 0 => Err(Error::config("negatives.k", "is 0; accepted is 1 or more")),
            Self::Sample { temperature } if !(*temperature > 0.0) => Err(Error::config(
                "negatives.temperature",
                format!("is {temperature}; accepted is a number above 0"),
            )),
            Self::Fixed { items } if (1..items.len()).any(|at| items[..at].contains(&items[at])) => {
                Err(Error::config("negatives.items", "has an item twice"))
            }
            _ => Ok(()),
        }
    }
}

/// The rejected items of each window, at most [`NegativeSource::k`] of them and never one twice. Items of the history are
/// left out where `exclude_history`. The target is left out of what is drawn at random; a policy that finds it, or a fixed list that
/// has it, gives an identical pair.
///
/// # Errors
/// [`Error::Config`], also for fixed items that the codec does not have and for popular ones where no item ever was a target; and what
/// the model reports.
pub fn negatives(
    source: &NegativeSource,
    model: &CausalLm,
    codec: &ItemCodec,
    windows: &[Window],
    target_counts: &[u32],
    exclude_history: bool,
    (seed, round): (u64, usize),
) -> Result<Vec<Vec<ItemId>>> {
    source.validate()?;
    let n = codec.n_items();
    match source {
        NegativeSource::Fixed { items } => {
            if let Some(item) = items.iter().find(|item| item.index() >= n) {
                return Err(Error::config(
                    "negatives.items",
                    format!("has item {}, but there are {n}", item.0),
                ));
            }
        }
        NegativeSource::Popular { .. }
            if target_counts.len() != n || target_counts.iter().all(|&count| count == 0) =>
        {
            let what = "is popular, which needs how often each item was a target, and one that was";
            return Err(Error::config("negatives.kind", what));
        }
        _ => {}
    }
    if source.asks_policy() && !codec.is_one_token() {
        return titles(source, model, codec, windows, exclude_history, (seed, round));
    }
    let prepared = source.asks_policy().then(|| Prepared::of(model, Slot::Active));
    let totals: Vec<u64> = target_counts
        .iter()
        .scan(0_u64, |sum, &count| {
            *sum += u64::from(count);
            Some(*sum)
        })
        .collect();
    let mut all = Vec::with_capacity(windows.len());
    for (block, chunk) in windows.chunks(256).enumerate() {
        let scores = match &prepared {
            Some(model) => {
                let prompts: Vec<_> = chunk.iter().map(|window| codec.prompt(&window.history)).collect();
                item_log_probs(model, codec, &prompts, Slot::Active)?
            }
            None => Vec::new(),
        };
        for (row, window) in chunk.iter().enumerate() {
            // One stream a row of a round: what it draws does not depend on the rows before.
            let place = (round as u64) << 32 | (block * 256 + row) as u64;
            let rng = &mut stream(seed, "negatives", place);
            let barred = |item: ItemId| exclude_history && window.history.contains(&item);
            let own = scores.get(row * n..(row + 1) * n).unwrap_or(&[]);
            all.push(match source {
                NegativeSource::Greedy => best(own, 1, barred),
                NegativeSource::Beam { k } => best(own, *k, barred),
                NegativeSource::Sample { temperature } => {
                    draw(own, *temperature, barred, rng).into_iter().collect()
                }
                NegativeSource::RandomItem { k } => {
                    distinct(*k, n, window, barred, || ItemId(rng.random_range(0..n as u32)))
                }
                NegativeSource::Popular { k } => {
                    let sum = totals[n - 1];
                    distinct(*k, n, window, barred, || {
                        let at = rng.random_range(0..sum);
                        ItemId::from_index(totals.partition_point(|&total| total <= at))
                    })
                }
                NegativeSource::Fixed { items } => {
                    items.iter().copied().filter(|&item| !barred(item)).collect()
                }
            });
        }
    }
    Ok(all)
}

/// As [`negatives`], where items have titles of several tokens.
fn titles(
    source: &NegativeSource,
    model: &CausalLm,
    codec: &ItemCodec,
    windows: &[Window],
    exclude_history: bool,
    place: (u64, usize),
) -> Result<Vec<Vec<ItemId>>> {
    let decoder = TitleDecoder::new(codec, BEAMS)?;
    let model = Prepared::of(model, Slot::Active);
    let temperature = match source {
        NegativeSource::Beam { k } => {
            let list = |window: &Window| {
                let barred = |item: ItemId| exclude_history && window.history.contains(&item);
                let found = decoder.top(&model, &codec.prompt(&window.history), *k, barred)?;
                Ok(found.into_iter().map(|scored| scored.item).collect())
            };
            return windows.iter().map(list).collect();
        }
        NegativeSource::Sample { temperature } => Some(*temperature),
        _ => None,
    };
    let found = decoder.one_each(&model, codec, windows, temperature, exclude_history, place)?;
    Ok(found.into_iter().map(|item| item.into_iter().collect()).collect())
}

/// Texts that a search for rejected titles keeps.
const BEAMS: usize = 4;

fn best(scores: &[f32], k: usize, barred: impl Fn(ItemId) -> bool) -> Vec<ItemId> {
    let mut items: Vec<ItemId> = Vec::with_capacity(k + 1);
    for (index, &score) in scores.iter().enumerate() {
        let item = ItemId::from_index(index);
        if items.len() == k && scores[items[k - 1].index()] >= score || barred(item) {
            continue;
        }
        // Equal scores keep the order of ids.
        let place = items.partition_point(|other| scores[other.index()] >= score);
        items.insert(place, item);
        items.truncate(k);
    }
    items
}

fn draw(
    scores: &[f32],
    temperature: f64,
    barred: impl Fn(ItemId) -> bool,
    rng: &mut impl Rng,
) -> Option<ItemId> {
    // Of what may be drawn: next to a barred item that is far more likely everything else would vanish.
    let open = (0..scores.len()).filter(|&index| !barred(ItemId::from_index(index)));
    let most = open.map(|index| scores[index]).fold(f32::NEG_INFINITY, f32::max);
    let weight = |index: usize| match barred(ItemId::from_index(index)) {
        true => 0.0,
        false => (f64::from(scores[index] - most) / temperature).exp(),
    };
    let sum: f64 = (0..scores.len()).map(weight).sum();
    let mut left = rng.random::<f64>() * sum;
    let mut last = None;
    for index in 0..scores.len() {
        let own = weight(index);
        if own > 0.0 {
            last = Some(ItemId::from_index(index));
            left -= own;
            if left <= 0.0 {
                break;
            }
        }
    }
    last
}

/// `k` different items that `next` gives, without the target and what is barred.
fn distinct(
    k: usize,
    n: usize,
    window: &Window,
    barred: impl Fn(ItemId) -> bool,
    mut next: impl FnMut() -> ItemId,
) -> Vec<ItemId> {
    let mut items = Vec::with_capacity(k);
    // A catalogue that is almost all history ends the search.
    for _ in 0..100 * (k + n.min(100)) {
        let item = next();
        if item != window.target && !barred(item) && !items.contains(&item) {
            items.push(item);
            if items.len() == k {
                break;
            }
        }
    }
    items
}

/// What the rejected items of a round look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NegativeMetrics {
    /// The share that the three most frequent have.
    pub top3_share: f64,
    /// How many different ones there are.
    pub distinct: usize,
}

impl NegativeMetrics {
    /// Of all rejected items of a round.
    pub fn of<'a>(items: impl IntoIterator<Item = &'a ItemId>) -> Self {
        let mut counts: HashMap<ItemId, usize> = HashMap::new();
        for &item in items {
            *counts.entry(item).or_default() += 1;
        }
        let mut sorted: Vec<usize> = counts.into_values().collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let sum: usize = sorted.iter().sum();
        let top: usize = sorted.iter().take(3).sum();
        Self { top3_share: top as f64 / sum.max(1) as f64, distinct: sorted.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_found_in_order_and_ties_go_to_the_lower_id() {
        let items = best(&[0.1, 0.9, 0.9, 0.5, 2.0], 3, |item| item.0 == 4);
        assert_eq!(items, [ItemId(1), ItemId(2), ItemId(3)]);
    }

    #[test]
    fn draws_follow_the_distribution() {
        let scores = [0.5_f32.ln(), 0.3_f32.ln(), 0.2_f32.ln()];
        let mut counts = [0; 3];
        let rng = &mut stream(1, "test", 0);
        for _ in 0..20_000 {
            counts[draw(&scores, 1.0, |_| false, rng).unwrap().index()] += 1;
        }
        for (count, expected) in counts.into_iter().zip([0.5, 0.3, 0.2]) {
            assert!((f64::from(count) / 20_000.0 - expected).abs() < 0.015, "{counts:?}");
        }
        assert_eq!(draw(&scores, 1.0, |item| item.0 < 2, rng), Some(ItemId(2)));
        assert_eq!(draw(&[0.0, -2000.0, -5000.0], 1.0, |item| item.0 == 0, rng), Some(ItemId(1)));
        assert_eq!(draw(&scores, 1.0, |_| true, rng), None);
    }
}
