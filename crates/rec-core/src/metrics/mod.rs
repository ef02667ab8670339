//! Metrics: pure functions, and the names under which they are asked for.
//!
//! - [`accuracy`]: did the list hold what the user went on to touch (hit, precision, recall, MRR, MAP, NDCG, F1);
//! - [`beyond`]: how wide, how even, how unexpected the lists are (coverage, Gini, entropy, novelty, popularity,
//!   tail, diversity);
//! - [`fairness`]: whether categories get the share that the users' histories give them (DivRatio, ORRatio, MGU,
//!   DGU);
//! - [`rating`]: how good predicted values are (RMSE, MAE, log loss, AUC, GAUC).
//!
//! Everything is computed in `f64` and never rounded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

pub mod accuracy;
pub mod beyond;
pub mod fairness;
pub mod rating;

/// What is measured; a [`Metric`] is a measure with a cut-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Measure {
    /// [`accuracy::hit`].
    Hit,
    /// [`accuracy::precision`].
    Precision,
    /// [`accuracy::recall`].
    Recall,
    /// [`accuracy::f1`].
    F1,
    /// [`accuracy::mrr`].
    Mrr,
    /// [`accuracy::map`].
    Map,
    /// [`accuracy::ndcg`].
    Ndcg,
    /// [`beyond::coverage`].
    Coverage,
    /// [`beyond::gini`].
    Gini,
    /// [`beyond::entropy`].
    Entropy,
    /// [`beyond::entropy_per_item`], which RecBole calls ShannonEntropy.
    EntropyPerItem,
    /// [`beyond::novelty`].
    Novelty,
    /// [`beyond::average_popularity`].
    Popularity,
    /// [`beyond::tail_share`].
    Tail,
    /// [`beyond::intra_list_diversity`] over the items' categories.
    Diversity,
    /// [`fairness::div_ratio`].
    DivRatio,
    /// [`fairness::or_ratio`].
    OrRatio,
    /// [`fairness::mgu`] over the items' categories.
    Mgu,
    /// [`fairness::dgu`] over the items' categories.
    Dgu,
    /// [`rating::rmse`].
    Rmse,
    /// [`rating::mae`].
    Mae,
    /// [`rating::log_loss`].
    LogLoss,
    /// [`rating::auc`].
    Auc,
    /// [`rating::gauc`].
    Gauc,
}

/// From what a measure is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// One value for each user from the list and the user's positives; the metric is the mean over users.
    Accuracy,
    /// One value for each non-empty list; the metric is the mean over them.
    List,
    /// One value for all lists together.
    Distribution,
    /// Predicted and true values of single interactions; no list is involved.
    Prediction,
}

/// Which values of a measure are the better ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It depends on what is wanted.
    Neither,
}

impl Measure {
    /// Every measure, in the order in which tables show them.
    pub const ALL: [Self; 24] = [
        Self::Hit,
        Self::Precision,
        Self::Recall,
        Self::F1,
        Self::Mrr,
        Self::Map,
        Self::Ndcg,
        Self::Coverage,
        Self::Gini,
        Self::Entropy,
        Self::EntropyPerItem,
        Self::Novelty,
        Self::Popularity,
        Self::Tail,
        Self::Diversity,
        Self::DivRatio,
        Self::OrRatio,
        Self::Mgu,
        Self::Dgu,
        Self::Rmse,
        Self::Mae,
        Self::LogLoss,
        Self::Auc,
        Self::Gauc,
    ];

    /// The name in configurations and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::Mrr => "mrr",
            Self::Map => "map",
            Self::Ndcg => "ndcg",
            Self::Coverage => "coverage",
            Self::Gini => "gini",
            Self::Entropy => "entropy",
            Self::EntropyPerItem => "entropy-per-item",
            Self::Novelty => "novelty",
            Self::Popularity => "popularity",
            Self::Tail => "tail",
            Self::Diversity => "diversity",
            Self::DivRatio => "div-ratio",
            Self::OrRatio => "or-ratio",
            Self::Mgu => "mgu",
            Self::Dgu => "dgu",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::LogLoss => "log-loss",
            Self::Auc => "auc",
            Self::Gauc => "gauc",
        }
    }

    /// From what the measure is computed.
    pub const fn basis(self) -> Basis {
        match self {
            Self::Hit | Self::Precision | Self::Recall | Self::F1 | Self::Mrr | Self::Map | Self::Ndcg => {
                Basis::Accuracy
            }
            Self::Novelty | Self::Popularity | Self::Tail | Self::Diversity => Basis::List,
            Self::Coverage
            | Self::Gini
            | Self::Entropy
            | Self::EntropyPerItem
            | Self::DivRatio
            | Self::OrRatio
            | Self::Mgu
            | Self::Dgu => Basis::Distribution,
            Self::Rmse | Self::Mae | Self::LogLoss | Self::Auc | Self::Gauc => Basis::Prediction,
        }
    }

    /// Whether the measure is of a list cut at some length.
    pub const fn has_cutoff(self) -> bool {
        !matches!(self.basis(), Basis::Prediction)
    }

    /// Whether the items' categories are needed.
    pub const fn needs_categories(self) -> bool {
        matches!(self, Self::Diversity | Self::Mgu | Self::Dgu)
    }

    /// Which values are the better ones.
    pub const fn better(self) -> Better {
        match self {
            Self::Gini | Self::OrRatio | Self::Mgu | Self::Dgu | Self::Rmse | Self::Mae | Self::LogLoss => {
                Better::Lower
            }
            Self::EntropyPerItem | Self::Novelty | Self::Popularity | Self::Tail => Better::Neither,
            _ => Better::Higher,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A measure and the length of the list it looks at, written `ndcg@20`; `rmse` where there is no list.
///
/// ```
/// use rec_core::metrics::{Measure, Metric};
///
/// let metric: Metric = "NDCG@20".parse()?;
/// assert_eq!(metric, Metric::at(Measure::Ndcg, 20));
/// assert_eq!(metric.to_string(), "ndcg@20");
/// assert!("ndcg".parse::<Metric>().is_err());
/// # Ok::<(), rec_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Metric {
    measure: Measure,
    k: usize,
}

impl Metric {
    /// `measure` of lists of `k` items; for a measure without a list `k` is ignored.
    ///
    /// # Panics
    /// If `k` is zero and the measure has a cut-off.
    pub const fn at(measure: Measure, k: usize) -> Self {
        if !measure.has_cutoff() {
            return Self { measure, k: 0 };
        }
        assert!(k > 0, "a metric of lists without items");
        Self { measure, k }
    }

    /// What is measured.
    pub const fn measure(self) -> Measure {
        self.measure
    }

    /// The length of the list, if the measure looks at lists.
    pub const fn k(self) -> Option<usize> {
        if self.measure.has_cutoff() { Some(self.k) } else { None }
    }

    /// Every one of `measures` at every one of `ks`, measure by measure; those without a cut-off once.
    pub fn grid(measures: &[Measure], ks: &[usize]) -> Vec<Self> {
        let mut metrics = Vec::with_capacity(measures.len() * ks.len());
        for &measure in measures {
            if measure.has_cutoff() {
                metrics.extend(ks.iter().map(|&k| Self::at(measure, k)));
            } else {
                metrics.push(Self::at(measure, 0));
            }
        }
        metrics
    }

    /// What is reported unless something else is asked for: recall and NDCG at 10, 20 and 50; hit, precision,
    /// MRR and MAP at 10; and the width and bias of the lists at 20.
    pub fn default_set() -> Vec<Self> {
        let mut metrics = Self::grid(&[Measure::Recall, Measure::Ndcg], &[10, 20, 50]);
        metrics.extend(Self::grid(&[Measure::Hit, Measure::Precision, Measure::Mrr, Measure::Map], &[10]));
        metrics.extend(Self::grid(
            &[
                Measure::Coverage,
                Measure::Gini,
                Measure::Entropy,
                Measure::Novelty,
                Measure::Popularity,
                Measure::Tail,
            ],
            &[20],
        ));
        metrics
    }

    /// What a catalogue with categories adds to [`Metric::default_set`].
    pub fn category_set() -> Vec<Self> {
        Self::grid(&[Measure::Diversity, Measure::Mgu, Measure::Dgu], &[20])
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.k() {
            Some(k) => write!(f, "{}@{k}", self.measure),
            None => self.measure.fmt(f),
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |what: String| Err(Error::config("metric", what));
        let (name, cutoff) = match text.trim().split_once('@') {
            Some((name, cutoff)) => (name.trim(), Some(cutoff.trim())),
            None => (text.trim(), None),
        };
        let name = name.to_ascii_lowercase().replace('_', "-");
        let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.name() == name) else {
            let known = Measure::ALL.map(Measure::name).join(", ");
            return refuse(format!("{text:?} is not known; there are {known}"));
        };
        match (measure.has_cutoff(), cutoff) {
            (false, None) => Ok(Self::at(measure, 0)),
            (false, Some(_)) => refuse(format!("{text:?}: {measure} has no cut-off, write {measure} alone")),
            (true, None) => refuse(format!("{text:?} lacks its cut-off; write {measure}@10, say")),
            (true, Some(cutoff)) => match cutoff.parse() {
                Ok(k) if k > 0 => Ok(Self::at(measure, k)),
                _ => refuse(format!("{text:?}: the cut-off is a whole number from 1")),
            },
        }
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for metric in Metric::grid(&Measure::ALL, &[1, 20]) {
            assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric);
        }
        assert_eq!("Div_Ratio@5".parse::<Metric>().unwrap(), Metric::at(Measure::DivRatio, 5));
    }

    #[test]
    fn wrong_names_say_what_is_accepted() {
        for (text, part) in [
            ("ndgc@10", "there are hit, precision"),
            ("ndcg", "ndcg@10"),
            ("ndcg@0", "from 1"),
            ("ndcg@x", "from 1"),
            ("rmse@10", "no cut-off"),
        ] {
            let error = text.parse::<Metric>().unwrap_err().to_string();
            assert!(error.starts_with("metric: ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_default_set_has_no_duplicate_and_needs_no_categories() {
        let mut metrics = Metric::default_set();
        assert!(metrics.iter().all(|metric| !metric.measure().needs_categories()));
        let n = metrics.len();
        metrics.sort();
        metrics.dedup();
        assert_eq!(metrics.len(), n);
    }
}
