//! How much each model counts: fitted on the validation rows, never on test rows.
//!
//! Ratings are blended by ridge regression towards equal weights. Rankings are blended by a conditional logit (McFadden
//! 1974): the probability of a candidate is the softmax of a weighted sum of standardised scores.

use std::collections::BTreeMap;

use rec_core::{ItemId, Query, UserId};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::index::{CutOff, Rated};
use crate::knowledge::Knowledge;
use crate::protocol::Sample;

/// Rows of the window in which an item's popularity counts as recent.
const TREND_WINDOW: u32 = 10_000;

/// The weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The mean rating of training.
    pub mean: f64,
    /// What is added to a blended rating.
    pub offset: f64,
    /// The weight of each rating model's distance from the mean.
    pub ratings: BTreeMap<String, f64>,
    /// The weight of each standardised ranking score.
    pub rankings: BTreeMap<String, f64>,
    /// The spread of the rating models' predictions above which a tenth of the validation rows lie.
    pub disagreement: f64,
    /// The difference of the two best blended ranking scores below which a fifth of the validation rows lie.
    pub margin: f64,
}

/// The scores of `items` by model, in the order of `items`; what a model leaves out gets its lowest score. Models that know
/// `user` may answer for them, the others go by `history`.
///
/// # Errors
/// Of the ranking models.
pub fn ranking_scores(
    knowledge: &Knowledge,
    user: Option<UserId>,
    history: &[Rated],
    items: &[ItemId],
    cut_off: CutOff,
) -> Result<Vec<(String, Vec<f32>)>> {
    let past: Vec<ItemId> = history.iter().map(Rated::item).collect();
    let mut sorted = items.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut columns = Vec::new();
    for (name, model) in &knowledge.models.rankers {
        let query = Query { user, history: &past, exclude: &[], candidates: Some(&sorted) };
        let rankings = model.recommend(&[query], sorted.len())?;
        let row = rankings.row(0);
        let lowest = row.last().map_or(0.0, |scored| scored.score);
        let score = |item: &ItemId| {
            row.iter().find(|scored| scored.item == *item).map_or(lowest, |scored| scored.score)
        };
        columns.push((name.clone(), items.iter().map(score).collect()));
    }
    let popularity = |item: &ItemId| (knowledge.count(*item, cut_off) as f32 + 1.0).ln();
    columns.push(("popularity".into(), items.iter().map(popularity).collect()));
    let trend = |item: &ItemId| (knowledge.index.recent(*item, TREND_WINDOW, cut_off) as f32 + 1.0).ln();
    columns.push(("trend".into(), items.iter().map(trend).collect()));
    let rating = |item: &ItemId| knowledge.models.raters[0].predict(history, *item).rating;
    columns.push(("rating".into(), items.iter().map(rating).collect()));
    Ok(columns)
}

/// `values` less their mean, over their standard deviation; zeros where all are equal.
pub fn standardised(values: &[f32]) -> Vec<f64> {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
    let variance = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
    let deviation = variance.sqrt();
    values
        .iter()
        .map(|&value| if deviation > 1e-12 { (f64::from(value) - mean) / deviation } else { 0.0 })
        .collect()
}

impl Calibration {
    /// Fits the weights on `dev`.
    ///
    /// # Errors
    /// Of the ranking models.
    pub fn fit(knowledge: &Knowledge, dev: &[Sample]) -> Result<Self> {
        let mut fitted = Self { mean: f64::from(knowledge.models.bias.mean), ..Self::default() };
        fitted.fit_ratings(knowledge, dev);
        fitted.fit_rankings(knowledge, dev)?;
        Ok(fitted)
    }

    fn fit_ratings(&mut self, knowledge: &Knowledge, dev: &[Sample]) {
        let raters = &knowledge.models.raters;
        let n = raters.len();
        let rows: Vec<(Vec<f64>, f64)> = dev
            .iter()
            .map(|sample| {
                let history = knowledge.index.user(sample.user, sample.cut_off);
                let predict = |at: usize| {
                    let rating = raters[at].predict(history, sample.item).rating;
                    f64::from(rating.clamp(knowledge.scale.0, knowledge.scale.1)) - self.mean
                };
                let mut features: Vec<f64> = (0..n).map(predict).collect();
                features.push(1.0);
                (features, f64::from(sample.rating) - self.mean)
            })
            .collect();
        let mut prior = vec![1.0 / n as f64; n];
        prior.push(0.0);
        let weights = ridge(&rows, &prior, 20.0);
        self.ratings =
            raters.iter().zip(&weights).map(|(model, &weight)| (model.name().to_owned(), weight)).collect();
        self.offset = weights[n];
        let mut spreads: Vec<f64> = rows.iter().map(|(features, _)| spread(&features[..n])).collect();
        spreads.sort_by(f64::total_cmp);
        self.disagreement = spreads.get(spreads.len() * 9 / 10).copied().unwrap_or(f64::INFINITY);
    }

    fn fit_rankings(&mut self, knowledge: &Knowledge, dev: &[Sample]) -> Result<()> {
        let liked = knowledge.liked_from();
        let mut names: Vec<String> = Vec::new();
        // One row a candidate: its standardised scores; and the place of the true one.
        let mut choices: Vec<(Vec<Vec<f64>>, usize)> = Vec::new();
        for sample in dev.iter().filter(|sample| sample.rating >= liked) {
            let history = knowledge.index.user(sample.user, sample.cut_off);
            let columns =
                ranking_scores(knowledge, Some(sample.user), history, &sample.candidates, sample.cut_off)?;
            names = columns.iter().map(|(name, _)| name.clone()).collect();
            let standard: Vec<Vec<f64>> = columns.iter().map(|(_, values)| standardised(values)).collect();
            let row = |at: usize| standard.iter().map(|column| column[at]).collect();
            let Some(truth) = sample.candidates.iter().position(|item| *item == sample.item) else {
                continue;
            };
            choices.push(((0..sample.candidates.len()).map(row).collect(), truth));
        }
        let mut weights = vec![1.0 / names.len().max(1) as f64; names.len()];
        // Plain gradient ascent on a concave function of a few weights, with a small penalty.
        for _ in 0..300 {
            let mut gradient: Vec<f64> = weights.iter().map(|weight| -2.0 * weight).collect();
            for (rows, truth) in &choices {
                let scores: Vec<f64> = rows.iter().map(|row| dot(row, &weights)).collect();
                let shares = softmax(&scores);
                for (at, row) in rows.iter().enumerate() {
                    let rest = f64::from(u8::from(at == *truth)) - shares[at];
                    gradient.iter_mut().zip(row).for_each(|(sum, value)| *sum += rest * value);
                }
            }
            let step = 1.0 / choices.len().max(1) as f64;
            weights.iter_mut().zip(&gradient).for_each(|(weight, slope)| *weight += step * slope);
        }
        let mut margins: Vec<f64> = choices
            .iter()
            .map(|(rows, _)| {
                let mut scores: Vec<f64> = rows.iter().map(|row| dot(row, &weights)).collect();
                scores.sort_by(|a, b| b.total_cmp(a));
                scores.first().unwrap_or(&0.0) - scores.get(1).unwrap_or(&0.0)
            })
            .collect();
        margins.sort_by(f64::total_cmp);
        self.margin = margins.get(margins.len() / 5).copied().unwrap_or(0.0);
        self.rankings = names.into_iter().zip(weights).collect();
        Ok(())
    }

    /// The blend of the rating models' predictions; models without a weight do not count.
    pub fn blend_rating<'a>(&self, predictions: impl IntoIterator<Item = (&'a str, f64)>) -> f64 {
        let weighted = predictions
            .into_iter()
            .filter_map(|(name, rating)| self.ratings.get(name).map(|weight| weight * (rating - self.mean)));
        self.mean + self.offset + weighted.sum::<f64>()
    }

    /// The blended score of each item, from the columns of [`ranking_scores`].
    pub fn blend_ranking<'a>(&self, columns: impl IntoIterator<Item = (&'a str, &'a [f32])>) -> Vec<f64> {
        let mut scores = Vec::new();
        for (name, values) in columns {
            scores.resize(values.len(), 0.0);
            let Some(weight) = self.rankings.get(name) else { continue };
            scores.iter_mut().zip(standardised(values)).for_each(|(score, value)| *score += weight * value);
        }
        scores
    }
}

/// The largest less the smallest value.
pub fn spread(values: &[f64]) -> f64 {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    if values.is_empty() { 0.0 } else { high - low }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The weights that minimise squared error plus `penalty` times the squared distance from `prior`.
fn ridge(rows: &[(Vec<f64>, f64)], prior: &[f64], penalty: f64) -> Vec<f64> {
    let n = prior.len();
    let mut matrix = vec![vec![0.0; n + 1]; n];
    for (features, target) in rows {
        let rest = target - dot(features, prior);
        for a in 0..n {
            for b in 0..n {
                matrix[a][b] += features[a] * features[b];
            }
            matrix[a][n] += features[a] * rest;
        }
    }
    for a in 0..n {
        matrix[a][a] += penalty;
    }
    // Elimination without pivots: the matrix is positive definite.
    for a in 0..n {
        for b in a + 1..n {
            let share = matrix[b][a] / matrix[a][a];
            for c in a..=n {
                matrix[b][c] -= share * matrix[a][c];
            }
        }
    }
    let mut change = vec![0.0; n];
    for a in (0..n).rev() {
        let known: f64 = (a + 1..n).map(|b| matrix[a][b] * change[b]).sum();
        change[a] = (matrix[a][n] - known) / matrix[a][a];
    }
    prior.iter().zip(change).map(|(prior, change)| prior + change).collect()
}
