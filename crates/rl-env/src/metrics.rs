//! What a policy's episodes are worth, and to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bits::BitMatrix;
use crate::distance::ItemDistances;
use crate::{Error, Result};

/// How alike two items are, from 0 to 1.
#[derive(Clone, Debug)]
pub enum Likeness {
    /// `1 / (1 + D)` of the distance of their columns.
    Distance(Arc<ItemDistances>),
    /// Tags in common over tags of either (Jaccard), each item's tags as bits. Items without tags are alike to none.
    Tags(Vec<u64>),
    /// Nothing is known: equal or not.
    Identity,
}

impl Likeness {
    /// The likeness of two items.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn of(&self, a: u32, b: u32) -> f64 {
        let (a, b) = (a as usize, b as usize);
        match self {
            Self::Distance(distances) => 1.0 / (1.0 + distances.get(a, b)),
            Self::Tags(tags) => match (tags[a] | tags[b]).count_ones() {
                0 => f64::from(u8::from(a == b)),
                either => f64::from((tags[a] & tags[b]).count_ones()) / f64::from(either),
            },
            Self::Identity => f64::from(u8::from(a == b)),
        }
    }
}

/// Items that have a majority category of one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct MajorityItems {
    /// The feature.
    pub feature: String,
    /// For each item whether it has one of the majority categories.
    pub items: Vec<bool>,
}

/// What is known of the items beyond rewards.
#[derive(Clone, Debug)]
pub struct ItemTables {
    likeness: Likeness,
    popularity: Vec<f32>,
    majority: Vec<MajorityItems>,
}

impl ItemTables {
    /// Tables over the items that `popularity` has an entry for: the share of users who liked each. Zeros are replaced by
    /// the smallest positive share, since novelty takes the logarithm.
    ///
    /// # Errors
    /// If the tables are of different numbers of items, or a share is not a number from 0 to 1 or all are 0.
    pub fn new(likeness: Likeness, mut popularity: Vec<f32>, majority: Vec<MajorityItems>) -> Result<Self> {
        let n = popularity.len();
        let known = match &likeness {
            Likeness::Distance(distances) => distances.n_items(),
            Likeness::Tags(tags) => tags.len(),
            Likeness::Identity => n,
        };
        if let Some(other) = majority.iter().map(|m| m.items.len()).chain([known]).find(|&other| other != n) {
            return Err(Error::invalid(format!("popularity is of {n} items, another table of {other}")));
        }
        if let Some(share) = popularity.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            return Err(Error::invalid(format!("a popularity is {share}; it is a share of users")));
        }
        let least = popularity.iter().copied().filter(|&share| share > 0.0).fold(f32::INFINITY, f32::min);
        if n > 0 && least == f32::INFINITY {
            return Err(Error::invalid("no item has a positive popularity"));
        }
        popularity.iter_mut().filter(|share| **share == 0.0).for_each(|share| *share = least);
        Ok(Self { likeness, popularity, majority })
    }

    /// Nothing is known of `n_items` items: novelty is 0, and items are alike to themselves alone.
    pub fn plain(n_items: usize) -> Self {
        Self { likeness: Likeness::Identity, popularity: vec![1.0; n_items], majority: Vec::new() }
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.popularity.len()
    }

    /// How alike items are.
    pub fn likeness(&self) -> &Likeness {
        &self.likeness
    }

    /// For each item the share of users who liked it, above 0.
    pub fn popularity(&self) -> &[f32] {
        &self.popularity
    }
}

/// Finished episodes, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episodes {
    items: Vec<u32>,
    ends: Vec<usize>,
    rewards: Vec<f64>,
}

impl Episodes {
    /// Appends an episode: its items and the sum of what they earned.
    pub fn push(&mut self, items: &[u32], reward: f64) {
        self.items.extend_from_slice(items);
        self.ends.push(self.items.len());
        self.rewards.push(reward);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Their items, episode by episode.
    pub fn items(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.items[start..end])
    }
}

/// What a set of episodes comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeMetrics {
    /// The mean sum of rewards of an episode (`R_tra`, `R_cumu`).
    pub cumulative_reward: f64,
    /// The mean number of turns (`len_tra`).
    pub length: f64,
    /// The mean reward of a turn (`ctr`, `R_avg`): cumulative reward over length.
    pub average_reward: f64,
    /// The share of all items that were recommended at all (`CV`).
    pub coverage: f64,
    /// Distinct items per turn (`CV_turn`).
    pub coverage_turn: f64,
    /// The mean over episodes of the mean unlikeness of two of their items; 1 for an episode of one.
    pub diversity: f64,
    /// The mean over episodes of the mean `-ln popularity` of their items.
    pub novelty: f64,
    /// For each feature the share of recommendations that have one of its majority categories (`MCD`); lower is
    /// better.
    pub dominance: BTreeMap<String, f64>,
}

impl EpisodeMetrics {
    /// The metrics of `episodes`; all 0 if there is none.
    ///
    /// # Panics
    /// If an episode has an item that `tables` do not know.
    pub fn of(episodes: &Episodes, tables: &ItemTables) -> Self {
        if episodes.is_empty() {
            return Self::default();
        }
        let (count, turns) = (episodes.len() as f64, episodes.items.len() as f64);
        let mut seen = BitMatrix::new(1, tables.n_items());
        episodes.items.iter().for_each(|&item| seen.insert(0, item as usize));
        let distinct: u32 = seen.row(0).iter().map(|word| word.count_ones()).sum();
        let (mut diversity, mut novelty) = (0.0, 0.0);
        for items in episodes.items() {
            let n = items.len();
            let mut unlike = 0.0;
            for (at, &a) in items.iter().enumerate() {
                unlike += items[..at].iter().map(|&b| 1.0 - tables.likeness.of(a, b)).sum::<f64>();
            }
            diversity += if n > 1 { unlike / (n * (n - 1) / 2) as f64 } else { 1.0 };
            let surprise = |&item: &u32| -f64::from(tables.popularity[item as usize]).ln();
            novelty += if n > 0 { items.iter().map(surprise).sum::<f64>() / n as f64 } else { 0.0 };
        }
        let share = |m: &MajorityItems| {
            episodes.items.iter().filter(|&&item| m.items[item as usize]).count() as f64 / turns.max(1.0)
        };
        let reward: f64 = episodes.rewards.iter().sum();
        Self {
            cumulative_reward: reward / count,
            length: turns / count,
            average_reward: reward / turns.max(1.0),
            coverage: f64::from(distinct) / tables.n_items() as f64,
            coverage_turn: f64::from(distinct) / turns.max(1.0),
            diversity: diversity / count,
            novelty: novelty / count,
            dominance: tables.majority.iter().map(|m| (m.feature.clone(), share(m))).collect(),
        }
    }

    /// All metrics by name; dominance as `dominance_FEATURE`.
    pub fn named(&self) -> Vec<(String, f64)> {
        let plain = [
            ("cumulative_reward", self.cumulative_reward),
            ("length", self.length),
            ("average_reward", self.average_reward),
            ("coverage", self.coverage),
            ("coverage_turn", self.coverage_turn),
            ("diversity", self.diversity),
            ("novelty", self.novelty),
        ];
        let dominance =
            self.dominance.iter().map(|(feature, share)| (format!("dominance_{feature}"), *share));
        plain.into_iter().map(|(name, value)| (name.to_string(), value)).chain(dominance).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_episodes_by_hand() {
        // Items 0 and 1 share one of two tags, 2 has another one.
        let tags = vec![0b01, 0b11, 0b100];
        let majority = MajorityItems { feature: "tag".to_string(), items: vec![true, true, false] };
        let tables = ItemTables::new(Likeness::Tags(tags), vec![0.5, 0.0, 0.25], vec![majority]).unwrap();
        let mut episodes = Episodes::default();
        episodes.push(&[0, 1, 2], 6.0);
        episodes.push(&[0], 1.0);
        let metrics = EpisodeMetrics::of(&episodes, &tables);
        assert_eq!(metrics.cumulative_reward, 3.5);
        assert_eq!(metrics.length, 2.0);
        assert_eq!(metrics.average_reward, 1.75);
        assert_eq!(metrics.coverage, 1.0);
        assert_eq!(metrics.coverage_turn, 0.75);
        // (0.5 + 1 + 1) / 3 and 1.
        assert!((metrics.diversity - (2.5 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
        let (half, quarter) = (2f64.ln(), 4f64.ln());
        assert!((metrics.novelty - ((half + quarter + quarter) / 3.0 + half) / 2.0).abs() < 1e-7);
        assert_eq!(metrics.dominance["tag"], 0.75);
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        assert!(ItemTables::new(Likeness::Tags(vec![1]), vec![0.5, 0.5], vec![]).is_err());
        assert!(ItemTables::new(Likeness::Identity, vec![0.0, 0.0], vec![]).is_err());
        assert!(ItemTables::new(Likeness::Identity, vec![f32::NAN], vec![]).is_err());
    }
}
