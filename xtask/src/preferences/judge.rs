//! How a policy is judged: accuracy, concentration and fairness of its lists, and what it makes of the catalogue as a
//! whole.

use std::collections::BTreeMap;

use pref_opt::codec::ItemCodec;
use pref_opt::data::{DataConfig, PreferenceData};
use pref_opt::score::{LanguageRecommender, item_log_probs};
use pref_opt::{CausalLm, Pass};
use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Measure, Metric};
use rec_core::statistics::standard_deviation;

use crate::error::Result;

/// Judges policies on one data set.
pub struct Judge {
    test: Evaluator,
    first: Evaluator,
    validation: Evaluator,
    codec: ItemCodec,
    most_history: usize,
    /// Prompts of the users asked about in the test.
    prompts: Vec<Vec<u32>>,
}

impl Judge {
    /// For `data`.
    ///
    /// # Errors
    /// What the evaluators report.
    pub fn new(data: &PreferenceData, codec: &ItemCodec, windows: &DataConfig) -> Result<Self> {
        let (users, items) = (data.dataset.n_users(), data.n_items());
        let mut metrics = Metric::grid(&[Measure::Ndcg, Measure::Hit], &[5]);
        let mut measures =
            vec![Measure::DivRatio, Measure::OrRatio, Measure::Popularity, Measure::Gini, Measure::Entropy];
        if data.dataset.catalogue.categories.is_some() {
            measures.extend([Measure::Mgu, Measure::Dgu]);
        }
        metrics.extend(Metric::grid(&measures, &[1, 5]));
        let catalogue = &data.dataset.catalogue;
        let test =
            Evaluator::test(&data.split, users, items)?.with_catalogue(catalogue)?.with_metrics(&metrics)?;
        let one = [Metric::at(Measure::OrRatio, 1)];
        let first = Evaluator::test(&data.split, users, items)?.with_metrics(&one)?;
        let validation = Evaluator::validation(&data.split, users, items)?
            .with_metrics(&[Metric::at(Measure::Ndcg, 5)])?;
        let prompts = data
            .histories
            .iter()
            .map(|history| codec.prompt(&history[history.len().saturating_sub(windows.most_history)..]))
            .collect();
        Ok(Self {
            test,
            first,
            validation,
            codec: codec.clone(),
            most_history: windows.most_history,
            prompts,
        })
    }

    fn recommender(&self, model: &CausalLm, debias: Option<Vec<f32>>) -> LanguageRecommender {
        LanguageRecommender {
            model: model.clone(),
            codec: self.codec.clone(),
            most_history: self.most_history,
            debias,
        }
    }

    /// NDCG@5 on the validation part.
    ///
    /// # Errors
    /// What the evaluator reports.
    pub fn validate(&self, model: &CausalLm) -> Result<f64> {
        let found = self.validation.evaluate(&self.recommender(model, None))?;
        Ok(found.get("ndcg@5").unwrap_or(0.0))
    }

    /// The metrics of the test part and how often each item stands first.
    ///
    /// # Errors
    /// What the evaluator reports.
    pub fn judge(
        &self,
        model: &CausalLm,
        debias: Option<Vec<f32>>,
    ) -> Result<(BTreeMap<String, f64>, Vec<u32>)> {
        let recommender = self.recommender(model, debias);
        let found = self.test.evaluate(&recommender)?;
        let mut values: BTreeMap<String, f64> =
            found.values.iter().map(|(name, value)| (name.to_owned(), *value)).collect();
        if let Some(each) = found.per_user("ndcg@5") {
            values.insert("ndcg@5-se".into(), standard_deviation(each) / (each.len() as f64).sqrt());
        }
        let first = self.first.evaluate(&recommender)?;
        Ok((values, first.item_counts))
    }

    /// The mean over users of the distribution over items.
    ///
    /// # Errors
    /// What the model reports.
    pub fn marginal(&self, model: &CausalLm) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; self.codec.n_items()];
        for chunk in self.prompts.chunks(256) {
            let scores = item_log_probs(model, &self.codec, chunk, &mut Pass::default())?;
            for row in scores.chunks_exact(sums.len()) {
                sums.iter_mut().zip(row).for_each(|(sum, &score)| *sum += f64::from(score).exp());
            }
        }
        let total: f64 = sums.iter().sum();
        Ok(sums.into_iter().map(|sum| sum / total).collect())
    }
}

/// The distribution that counts stand for.
pub fn shares(counts: &[u32]) -> Vec<f64> {
    let total: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    counts.iter().map(|&count| f64::from(count) / total.max(1.0)).collect()
}

/// The share of the three largest.
pub fn top3(shares: &[f64]) -> f64 {
    let mut sorted = shares.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    sorted.iter().take(3).sum()
}
