//! From lists to numbers: one row of cells for each user, then sums over them.

use crate::metrics::{Basis, Measure, Metric, accuracy, beyond, fairness};
use crate::{Error, ItemId, Result, ScoredItem};

use super::groups::{N_ITEM_GROUPS, user_groups};
use super::named::Named;
use super::{Evaluation, Evaluator, accuracy_metrics, recall_cutoffs, reported_name};

/// What to compute, and where each user's values stand.
pub(super) struct Plan {
    metrics: Vec<Metric>,
    /// The cut-offs of the metrics of all lists together and of the longest list, ascending.
    count_cutoffs: Vec<usize>,
    recall_cutoffs: Vec<usize>,
}

impl Plan {
    pub(super) fn new(metrics: Vec<Metric>) -> Self {
        let longest = metrics.iter().filter_map(|metric| metric.k()).max().unwrap_or(1);
        let mut count_cutoffs: Vec<usize> = metrics
            .iter()
            .filter(|metric| metric.measure().basis() == Basis::Distribution)
            .filter_map(|metric| metric.k())
            .chain([longest])
            .collect();
        count_cutoffs.sort_unstable();
        count_cutoffs.dedup();
        let recall_cutoffs = recall_cutoffs(&metrics);
        Self { metrics, count_cutoffs, recall_cutoffs }
    }

    /// The longest list that a metric looks at.
    pub(super) fn longest(&self) -> usize {
        self.count_cutoffs[self.count_cutoffs.len() - 1]
    }

    /// Cells of a user: one for each metric, then the hits in each item group at each cut-off of recall.
    pub(super) fn width(&self) -> usize {
        self.metrics.len() + N_ITEM_GROUPS * self.recall_cutoffs.len()
    }

    pub(super) fn counts(&self, n_items: usize) -> Counts<'_> {
        Counts { cutoffs: &self.count_cutoffs, of_items: vec![vec![0; n_items]; self.count_cutoffs.len()] }
    }
}

/// How often each item was recommended, at several cut-offs at once.
pub(super) struct Counts<'a> {
    cutoffs: &'a [usize],
    /// Until finished, the counts of the places between one cut-off and the next.
    of_items: Vec<Vec<u32>>,
}

impl Counts<'_> {
    pub(super) fn add(&mut self, list: &[ScoredItem]) {
        let mut start = 0;
        for (&cutoff, counts) in self.cutoffs.iter().zip(&mut self.of_items) {
            let end = cutoff.min(list.len());
            for scored in &list[start..end] {
                counts[scored.item.index()] += 1;
            }
            start = end;
        }
    }

    pub(super) fn finish(mut self) -> Vec<Vec<u32>> {
        for place in 1..self.of_items.len() {
            let (shorter, longer) = self.of_items.split_at_mut(place);
            for (count, more) in longer[0].iter_mut().zip(&shorter[place - 1]) {
                *count += more;
            }
        }
        self.of_items
    }
}

/// Buffers of one thread.
pub(super) struct Scratch {
    /// The last user (from 1) for whom an item was excluded or listed.
    stamps: Vec<u32>,
    ranks: Vec<u32>,
    list: Vec<ItemId>,
}

impl Scratch {
    pub(super) fn new(n_items: usize) -> Self {
        Self { stamps: vec![0; n_items], ranks: Vec::new(), list: Vec::new() }
    }
}

pub(super) struct Judge<'a> {
    pub(super) evaluator: &'a Evaluator,
    pub(super) plan: &'a Plan,
}

impl Judge<'_> {
    /// Checks the list of one user and writes the user's cells. A cell without a value is NaN.
    pub(super) fn list(
        &self,
        index: usize,
        list: &[ScoredItem],
        scratch: &mut Scratch,
        cells: &mut [f64],
    ) -> Result<()> {
        let evaluator = self.evaluator;
        let positives = evaluator.positives.row(index);
        self.check(index, list, &mut scratch.stamps)?;
        scratch.list.clear();
        scratch.list.extend(list.iter().map(|scored| scored.item));
        accuracy::hit_ranks(scratch.list.iter().copied(), positives, &mut scratch.ranks);
        let (ranks, n) = (scratch.ranks.as_slice(), positives.len());
        let (values, found) = cells.split_at_mut(self.plan.metrics.len());
        for (cell, metric) in values.iter_mut().zip(&self.plan.metrics) {
            let k = metric.k().unwrap_or(0);
            let cut = &scratch.list[..k.min(list.len())];
            *cell = match metric.measure() {
                Measure::Hit => accuracy::hit(ranks, k),
                Measure::Precision => accuracy::precision(ranks, k),
                Measure::Recall => accuracy::recall(ranks, n, k),
                Measure::F1 => accuracy::f1(ranks, n, k),
                Measure::Mrr => accuracy::mrr(ranks, k),
                Measure::Map => accuracy::map(ranks, n, k),
                Measure::Ndcg => accuracy::ndcg(ranks, n, k),
                Measure::Novelty => {
                    beyond::novelty(cut, &evaluator.item_users, evaluator.train_users).unwrap_or(f64::NAN)
                }
                Measure::Popularity => {
                    beyond::average_popularity(cut, &evaluator.train_counts).unwrap_or(f64::NAN)
                }
                Measure::Tail => beyond::tail_share(cut, &evaluator.tail).unwrap_or(f64::NAN),
                Measure::Diversity => evaluator
                    .categories
                    .as_ref()
                    .and_then(|own| beyond::intra_list_diversity(cut, &own.of_items, own.n))
                    .unwrap_or(f64::NAN),
                _ => f64::NAN,
            };
        }
        found.fill(0.0);
        for &rank in ranks {
            let item = scratch.list[rank as usize - 1];
            let group = usize::from(evaluator.item_groups.of_items[item.index()]);
            for (place, &cutoff) in self.plan.recall_cutoffs.iter().enumerate() {
                if rank as usize <= cutoff {
                    found[group * self.plan.recall_cutoffs.len() + place] += 1.0;
                }
            }
        }
        Ok(())
    }

    fn check(&self, index: usize, list: &[ScoredItem], stamps: &mut [u32]) -> Result<()> {
        let evaluator = self.evaluator;
        let user = evaluator.users[index];
        let stamp = index as u32 + 1;
        let exclude = evaluator.exclude.row(index);
        for item in exclude {
            stamps[item.index()] = stamp;
        }
        let broken = |what: String| Err(Error::invalid(format!("the list for user {user} {what}")));
        for &ScoredItem { item, score } in list {
            match stamps.get_mut(item.index()) {
                None => return broken(format!("holds item {item} of {}", evaluator.n_items)),
                Some(last) if *last == stamp => {
                    let how = if exclude.binary_search(&item).is_ok() { "excluded" } else { "repeated" };
                    return broken(format!("holds the {how} item {item}"));
                }
                Some(last) => *last = stamp,
            }
            if score.is_nan() {
                return broken(format!("gives item {item} a NaN score"));
            }
            if let Some(rows) = &evaluator.candidate_rows
                && rows.row(index).binary_search(&item).is_err()
            {
                return broken(format!("holds item {item}, which is no candidate"));
            }
        }
        Ok(())
    }

    /// Sums the cells of all users, in their order.
    pub(super) fn evaluation(&self, cells: &[f64], counts: Vec<Vec<u32>>) -> Evaluation {
        let (evaluator, plan) = (self.evaluator, self.plan);
        let width = plan.width();
        let n_users = evaluator.users.len();
        let name = |metric: Metric| reported_name(metric, evaluator.candidates);
        let mut sums = vec![0.0; width];
        let mut lists = vec![0_usize; width];
        for row in cells.chunks_exact(width) {
            for (column, &cell) in row.iter().enumerate() {
                if !cell.is_nan() {
                    sums[column] += cell;
                    lists[column] += 1;
                }
            }
        }
        let mut values = Vec::with_capacity(plan.metrics.len());
        for (column, &metric) in plan.metrics.iter().enumerate() {
            let value = match metric.measure().basis() {
                Basis::Accuracy | Basis::List => {
                    (lists[column] > 0).then(|| sums[column] / lists[column] as f64)
                }
                Basis::Distribution => metric
                    .k()
                    .and_then(|k| plan.count_cutoffs.binary_search(&k).ok())
                    .and_then(|place| self.of_counts(metric.measure(), &counts[place])),
                Basis::Prediction => None,
            };
            values.extend(value.map(|value| (name(metric), value)));
        }
        let accuracy: Vec<(usize, String)> =
            accuracy_metrics(&plan.metrics).map(|(column, metric)| (column, name(metric))).collect();
        let names: Vec<String> = accuracy.iter().map(|(_, name)| name.clone()).collect();
        let recall_names: Vec<String> =
            plan.recall_cutoffs.iter().map(|&k| name(Metric::at(Measure::Recall, k))).collect();
        let hits = std::array::from_fn(|group| {
            let start = plan.metrics.len() + group * recall_names.len();
            sums[start..start + recall_names.len()].to_vec()
        });
        let item_counts = counts.into_iter().next_back().unwrap_or_default();
        Evaluation {
            phase: evaluator.phase,
            candidates: evaluator.candidates,
            seen: evaluator.seen,
            n_users,
            values: values.into_iter().collect(),
            user_groups: user_groups(&evaluator.activity, &names, |place, index| {
                cells[index * width + accuracy[place].0]
            }),
            item_groups: evaluator.item_groups.report(&recall_names, &hits, &item_counts),
            counts_k: plan.longest(),
            item_counts,
            users: evaluator.users.clone(),
            per_user: accuracy
                .iter()
                .map(|(column, name)| {
                    let own = (0..n_users).map(|index| cells[index * width + column]).collect();
                    (name.clone(), own)
                })
                .collect::<Named<Vec<f64>>>(),
        }
    }

    fn of_counts(&self, measure: Measure, counts: &[u32]) -> Option<f64> {
        let categories = self.evaluator.categories.as_ref();
        let against_histories = |compare: fn(&[f64], &[f64]) -> f64| {
            categories.map(|own| {
                let bag = counts.iter().enumerate().filter(|(_, count)| **count > 0);
                let bag = bag.map(|(item, &count)| (ItemId::from_index(item), count));
                let recommended = fairness::category_shares(bag, &own.of_items, own.n);
                compare(&recommended, &own.history_shares)
            })
        };
        match measure {
            Measure::Coverage => Some(beyond::coverage(counts)),
            Measure::Gini => Some(beyond::gini(counts)),
            Measure::Entropy => Some(beyond::entropy(counts)),
            Measure::EntropyPerItem => Some(beyond::entropy_per_item(counts)),
            Measure::DivRatio => Some(fairness::div_ratio(counts)),
            Measure::OrRatio => Some(fairness::or_ratio(counts)),
            Measure::Mgu => against_histories(fairness::mgu),
            Measure::Dgu => against_histories(fairness::dgu),
            _ => None,
        }
    }
}
