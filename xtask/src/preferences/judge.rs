//! How a policy is judged: accuracy, concentration and fairness of its lists, and what it makes of the catalogue as a
//! whole.

use std::collections::BTreeMap;
use std::sync::Mutex;

use pref_opt::codec::ItemCodec;
use pref_opt::data::{DataConfig, PreferenceData};
use pref_opt::score::{LanguageRecommender, item_log_probs};
use pref_opt::titles::TitleDecoder;
use pref_opt::{CausalLm, Prepared, Slot, theory};
use rec_core::evaluate::Evaluator;
use rec_core::metrics::{Measure, Metric};
use rec_core::statistics::standard_deviation;
use rec_core::{Query, Rankings, Recommender};

use crate::error::Result;

/// Judges policies on one data set.
pub struct Judge {
    test: Evaluator,
    validation: Evaluator,
    codec: ItemCodec,
    most_history: usize,
    /// Searches titles, where items have several tokens.
    decoder: Option<TitleDecoder>,
    /// The shares of the targets of the training windows.
    data: Vec<f64>,
    /// Prompts of the users asked about in the test; of some of them, where every title has to be scored for each.
    prompts: Vec<Vec<u32>>,
}

/// Users whose distribution over all titles is computed.
const SCORED: usize = 48;

/// Texts that a search keeps where lists of five are asked for.
const BEAMS: usize = 10;

/// A recommender, and how often each item stood first in its lists.
struct Counting<'a> {
    inner: &'a LanguageRecommender,
    first: Mutex<Vec<u32>>,
}

impl Recommender for Counting<'_> {
    fn n_items(&self) -> usize {
        self.inner.n_items()
    }

    fn recommend(&self, queries: &[Query<'_>], k: usize) -> rec_core::Result<Rankings> {
        let rankings = self.inner.recommend(queries, k)?;
        let mut first = self.first.lock().expect("nobody panicked with it");
        for scored in (0..queries.len()).filter_map(|query| rankings.row(query).first()) {
            first[scored.item.index()] += 1;
        }
        Ok(rankings)
    }
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
        let validation = Evaluator::validation(&data.split, users, items)?
            .with_metrics(&[Metric::at(Measure::Ndcg, 5)])?;
        let step = if codec.is_one_token() { 1 } else { data.histories.len().div_ceil(SCORED) };
        let prompts = data
            .histories
            .iter()
            .step_by(step)
            .map(|history| codec.prompt(&history[history.len().saturating_sub(windows.most_history)..]))
            .collect();
        let decoder = (!codec.is_one_token()).then(|| TitleDecoder::new(codec, BEAMS)).transpose()?;
        Ok(Self {
            test,
            validation,
            codec: codec.clone(),
            most_history: windows.most_history,
            decoder,
            data: shares(&data.target_counts),
            prompts,
        })
    }

    fn recommender(&self, model: &CausalLm, debias: Option<Vec<f32>>) -> LanguageRecommender {
        LanguageRecommender {
            // Adapters are added to their weights once, not at every token.
            model: model.merged(Slot::Active),
            codec: self.codec.clone(),
            most_history: self.most_history,
            debias,
            decoder: self.decoder.clone(),
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
        let counting = Counting { inner: &recommender, first: Mutex::new(vec![0; self.codec.n_items()]) };
        let found = self.test.evaluate(&counting)?;
        let mut values: BTreeMap<String, f64> =
            found.values.iter().map(|(name, value)| (name.to_owned(), *value)).collect();
        if let Some(each) = found.per_user("ndcg@5") {
            values.insert("ndcg@5-se".into(), standard_deviation(each) / (each.len() as f64).sqrt());
        }
        if self.codec.is_one_token() {
            let distance = theory::total_variation(&self.marginal(model)?, &self.data);
            values.insert("data-distance".into(), distance);
        }
        let first = counting.first.into_inner().expect("nobody panicked with it");
        Ok((values, first))
    }

    /// The slope of `ln pi(y|x)` over `ln pi_ref(y|x)` within users' contexts, weighted by `pi_ref`: 1 where nothing changed;
    /// `1 + 1/beta` at the optimum of DPO with uniform negatives, if `pi_ref` is what positives come from.
    ///
    /// # Errors
    /// What the model reports.
    pub fn sharpening(&self, before: &CausalLm, after: &CausalLm) -> Result<f64> {
        let (mut spread, mut common) = (0.0, 0.0);
        let [before, after] = [before, after].map(|model| Prepared::of(model, Slot::Active));
        for chunk in self.prompts.chunks(256) {
            let [one, other] =
                [&before, &after].map(|model| item_log_probs(model, &self.codec, chunk, Slot::Active));
            let (one, other) = (one?, other?);
            let n = self.codec.n_items();
            for (one, other) in one.chunks_exact(n).zip(other.chunks_exact(n)) {
                let points = || {
                    let pairs = one.iter().zip(other);
                    pairs.map(|(&x, &y)| (f64::from(x).exp(), f64::from(x), f64::from(y)))
                };
                let sum: f64 = points().map(|point| point.0).sum();
                let x = points().map(|point| point.0 * point.1).sum::<f64>() / sum;
                let y = points().map(|point| point.0 * point.2).sum::<f64>() / sum;
                spread += points().map(|point| point.0 * (point.1 - x).powi(2)).sum::<f64>();
                common += points().map(|point| point.0 * (point.1 - x) * (point.2 - y)).sum::<f64>();
            }
        }
        Ok(common / spread)
    }

    /// The mean over users of the distribution over items.
    ///
    /// # Errors
    /// What the model reports.
    pub fn marginal(&self, model: &CausalLm) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; self.codec.n_items()];
        let model = Prepared::of(model, Slot::Active);
        for chunk in self.prompts.chunks(256) {
            let scores = item_log_probs(&model, &self.codec, chunk, Slot::Active)?;
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
