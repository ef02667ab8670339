//! One evaluator for everything that recommends.
//!
//! An [`Evaluator`] is built once from a [`Split`] and a phase, then judges any number of [`Recommender`]s, in blocks
//! of users, so that scores for `users × items` never exist at once. Nothing is rounded and sums run in the order
//! of the users, so the same model gets the same numbers on any number of threads.
//!
//! # What is asked
//! Users with at least one row in the phase are asked about, in ascending order. For each
//! - *positives* are the user's distinct items in the phase (a duplicate row counts once);
//! - *history* is the user's rows of the earlier phases, oldest first: by time where every phase has times, in file
//!   order otherwise; duplicates stay. The fold-in rows of a user that was held out of training are history, too,
//!   and the query of such a user names no user: it can only be answered from the history;
//! - *excluded* items are those of the earlier phases that are not positives ([`SeenMask::UpToPhase`]): validation
//!   leaves out train, test leaves out train and validation. An item both in train and in test (repeated
//!   consumption) stays rankable and counts when it is found.
//!
//! This is full ranking as RecBole does it, with two repairs: lists never hold excluded items (they get shorter
//! instead), and equal scores are ordered by item id instead of by chance.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::metrics::beyond::{Tail, tail_items};
use crate::metrics::fairness::category_shares;
use crate::metrics::{Basis, Measure, Metric};
use crate::{Catalogue, Error, Interactions, ItemId, Query, Recommender, Result, Split, UserId, UserItems};

mod candidates;
mod groups;
mod judge;
mod named;
mod rows;

pub use candidates::Candidates;
pub use groups::{ItemGroup, UserGroup};
pub use named::Named;

use groups::ItemGroups;
use judge::{Judge, Plan, Scratch};
use rows::Rows;

/// Which part of a split is being predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The part that models are selected by.
    Validation,
    /// The part that models are judged by.
    Test,
}

/// Which items a user's list may not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeenMask {
    /// What the user touched in earlier phases, except the positives of this one.
    #[default]
    UpToPhase,
    /// Everything may be recommended (RecBole's `repeatable`).
    Nothing,
}

/// Judges recommenders by one phase of a split. See the [module](self) for what is asked.
#[derive(Clone, Debug)]
pub struct Evaluator {
    phase: Phase,
    n_items: usize,
    metrics: Option<Vec<Metric>>,
    seen: SeenMask,
    candidates: Candidates,
    block: usize,
    /// The users asked about; everything below up to `activity` has one entry for each.
    users: Vec<UserId>,
    /// Whether the user was held out of training, and is known only by what the query tells.
    held_out: Vec<bool>,
    positives: Rows,
    history: Rows,
    exclude: Rows,
    candidate_rows: Option<Rows>,
    /// Training rows of each user asked about.
    activity: Vec<u32>,
    train_counts: Vec<u32>,
    /// Distinct training users of each item, and of all items together.
    item_users: Vec<u32>,
    train_users: usize,
    tail: Vec<bool>,
    item_groups: ItemGroups,
    categories: Option<Categories>,
}

#[derive(Clone, Debug)]
struct Categories {
    of_items: Vec<Vec<u32>>,
    n: usize,
    /// The share of each category in the histories of the users asked about.
    history_shares: Vec<f64>,
}

/// What an [`Evaluator`] found.
///
/// Serialises to JSON; [`Evaluation::summary`] is the small form without one entry for each user and item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The part of the split that was predicted.
    pub phase: Phase,
    /// What was ranked. Anything but [`Candidates::All`] makes every name in this evaluation start with `sampled-`.
    pub candidates: Candidates,
    /// What the lists could not hold.
    pub seen: SeenMask,
    /// How many users were asked about.
    pub n_users: usize,
    /// The metrics in the order asked for. A metric of lists of which no list has a value (the diversity of items
    /// without categories, say) is absent.
    pub values: Named<f64>,
    /// Users by how much they did in training, from the least to the most active third.
    pub user_groups: Vec<UserGroup>,
    /// Items by how much was done to them in training: head, mid, tail.
    pub item_groups: Vec<ItemGroup>,
    /// The length of the lists that [`Evaluation::item_counts`] counts.
    pub counts_k: usize,
    /// How often each item was recommended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub item_counts: Vec<u32>,
    /// The users asked about, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserId>,
    /// The accuracy metrics of each of [`Evaluation::users`], for paired tests.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub per_user: Named<Vec<f64>>,
}

impl Evaluation {
    /// The value of a metric by its name: `ndcg@20`, or `sampled-ndcg@20` if candidates were sampled, so that the
    /// two cannot be taken for each other.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// The values of an accuracy metric for each of [`Evaluation::users`].
    pub fn per_user(&self, name: &str) -> Option<&[f64]> {
        self.per_user.get(name).map(Vec::as_slice)
    }

    /// The same without the entries for each user and each item.
    pub fn summary(&self) -> Self {
        Self {
            phase: self.phase,
            candidates: self.candidates,
            seen: self.seen,
            n_users: self.n_users,
            values: self.values.clone(),
            user_groups: self.user_groups.clone(),
            item_groups: self.item_groups.clone(),
            counts_k: self.counts_k,
            item_counts: Vec::new(),
            users: Vec::new(),
            per_user: Named::default(),
        }
    }
}

impl Evaluator {
    /// Judges by the validation part: lists may not hold training items.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the part has no row, or an id is not below `n_users` or `n_items`.
    pub fn validation(split: &Split, n_users: usize, n_items: usize) -> Result<Self> {
        Self::new(Phase::Validation, &[&split.train, &split.fold_in], &split.valid, n_users, n_items)
    }

    /// Judges by the test part: lists may hold neither training nor validation items.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the part has no row, or an id is not below `n_users` or `n_items`.
    pub fn test(split: &Split, n_users: usize, n_items: usize) -> Result<Self> {
        Self::new(Phase::Test, &[&split.train, &split.fold_in, &split.valid], &split.test, n_users, n_items)
    }

    /// `earlier` starts with the training rows and the fold-in rows.
    fn new(
        phase: Phase,
        earlier: &[&Interactions],
        target: &Interactions,
        n_users: usize,
        n_items: usize,
    ) -> Result<Self> {
        for rows in earlier.iter().copied().chain([target]) {
            if let Some(user) = rows.users.iter().find(|user| user.index() >= n_users) {
                return Err(Error::invalid(format!(
                    "the split has user {user}, but there are {n_users} users"
                )));
            }
            if let Some(item) = rows.items.iter().find(|item| item.index() >= n_items) {
                return Err(Error::invalid(format!(
                    "the split has item {item}, but there are {n_items} items"
                )));
            }
        }
        if target.is_empty() {
            let name = match phase {
                Phase::Validation => "validation",
                Phase::Test => "test",
            };
            return Err(Error::invalid(format!(
                "the {name} part of the split is empty: there is nobody to judge by"
            )));
        }
        let (train, fold_in) = (earlier[0], earlier[1]);
        let train_matrix = UserItems::new(train, n_users, n_items);
        let target_matrix = UserItems::new(target, n_users, n_items);
        let users: Vec<UserId> = (0..n_users)
            .map(UserId::from_index)
            .filter(|&user| !target_matrix.row(user).is_empty())
            .collect();
        let user_counts = train.user_counts(n_users);
        let train_counts = train.item_counts(n_items);
        let positives = Rows::new(users.iter().map(|&user| target_matrix.row(user).iter().copied()));
        let item_groups = ItemGroups::new(&train_counts, &positives);
        let fold_in_counts = fold_in.user_counts(n_users);
        let mut evaluator = Self {
            phase,
            n_items,
            metrics: None,
            seen: SeenMask::default(),
            candidates: Candidates::All,
            block: 1024,
            held_out: users
                .iter()
                .map(|user| fold_in_counts[user.index()] > 0 && user_counts[user.index()] == 0)
                .collect(),
            history: Rows::histories(earlier, &users, n_users),
            exclude: Rows::default(),
            candidate_rows: None,
            activity: users.iter().map(|user| user_counts[user.index()]).collect(),
            tail: tail_items(&train_counts, Tail::default(), false),
            train_counts,
            item_users: train_matrix.item_counts(),
            train_users: user_counts.iter().filter(|&&count| count > 0).count(),
            item_groups,
            categories: None,
            users,
            positives,
        };
        evaluator.fix_queries();
        Ok(evaluator)
    }

    /// Computes these metrics, in this order, instead of [`Metric::default_set`].
    ///
    /// # Errors
    /// [`Error::Config`] if there is none, or one is of predicted values (`rmse` …) and has no lists to look at.
    pub fn with_metrics(mut self, metrics: &[Metric]) -> Result<Self> {
        if metrics.is_empty() {
            return Err(Error::config("metrics", "empty; name at least one, such as ndcg@10"));
        }
        if let Some(metric) = metrics.iter().find(|metric| metric.measure().basis() == Basis::Prediction) {
            return Err(Error::config(
                "metrics",
                format!("{metric} is of predicted values, not of ranked lists"),
            ));
        }
        let mut distinct = Vec::with_capacity(metrics.len());
        for &metric in metrics {
            if !distinct.contains(&metric) {
                distinct.push(metric);
            }
        }
        self.metrics = Some(distinct);
        Ok(self)
    }

    /// Leaves out these items; [`SeenMask::UpToPhase`] unless told.
    pub fn with_seen(mut self, seen: SeenMask) -> Self {
        self.seen = seen;
        self.fix_queries();
        self
    }

    /// Ranks these candidates; [`Candidates::All`] unless told.
    ///
    /// # Errors
    /// [`Error::Config`] for zero negatives.
    pub fn with_candidates(mut self, candidates: Candidates) -> Result<Self> {
        if matches!(
            candidates,
            Candidates::Uniform { negatives: 0, .. } | Candidates::Popular { negatives: 0, .. }
        ) {
            return Err(Error::config(
                "negatives",
                "0; a ranking needs at least 1 negative for each positive",
            ));
        }
        self.candidates = candidates;
        self.fix_queries();
        Ok(self)
    }

    /// Counts these items as the tail; [`Tail::default`] without cold items unless told.
    pub fn with_tail(mut self, tail: Tail, include_cold: bool) -> Self {
        self.tail = tail_items(&self.train_counts, tail, include_cold);
        self
    }

    /// Knows the items' categories: needed for `diversity`, `mgu` and `dgu`, and adds [`Metric::category_set`] to
    /// the metrics unless those were chosen. A catalogue without categories changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the catalogue is of another number of items or a category has no name.
    pub fn with_catalogue(mut self, catalogue: &Catalogue) -> Result<Self> {
        let Some(of_items) = &catalogue.categories else { return Ok(self) };
        let n = catalogue.category_names.len();
        if of_items.len() != self.n_items {
            return Err(Error::invalid(format!(
                "the catalogue has {} items, the split {}",
                of_items.len(),
                self.n_items
            )));
        }
        if let Some(category) = of_items.iter().flatten().find(|&&category| category as usize >= n) {
            return Err(Error::invalid(format!("category {category} has no name; there are {n} names")));
        }
        let bag = self.history.items().iter().map(|&item| (item, 1));
        let history_shares = category_shares(bag, of_items, n);
        self.categories = Some(Categories { of_items: of_items.clone(), n, history_shares });
        Ok(self)
    }

    /// Asks about this many users at a time; 1024 unless told. More costs memory (users × the longest list), less
    /// gives the recommender less to do at once. Results are the same.
    ///
    /// # Panics
    /// If `users` is zero.
    pub fn with_block(mut self, users: usize) -> Self {
        assert!(users > 0, "blocks without users");
        self.block = users;
        self
    }

    /// What follows from the mask and the kind of candidates.
    fn fix_queries(&mut self) {
        self.exclude = match self.seen {
            SeenMask::UpToPhase => self.history.sorted_without(&self.positives),
            SeenMask::Nothing => Rows::new(self.users.iter().map(|_| std::iter::empty())),
        };
        self.candidate_rows =
            self.candidates.draw(&self.users, &self.positives, &self.exclude, &self.train_counts);
    }

    /// The part of the split that is predicted.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The users asked about, ascending.
    pub fn users(&self) -> &[UserId] {
        &self.users
    }

    /// How many items the catalogue has.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// What is asked about the user `users()[index]`.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn query(&self, index: usize) -> Query<'_> {
        Query {
            user: Some(self.users[index]).filter(|_| !self.held_out[index]),
            history: self.history.row(index),
            exclude: self.exclude.row(index),
            candidates: self.candidate_rows.as_ref().map(|rows| rows.row(index)),
        }
    }

    /// The items that the lists of the user `users()[index]` should hold, ascending.
    ///
    /// # Panics
    /// If there is no such user.
    pub fn positives(&self, index: usize) -> &[ItemId] {
        self.positives.row(index)
    }

    /// The metrics that will be computed.
    pub fn metrics(&self) -> Vec<Metric> {
        self.metrics.clone().unwrap_or_else(|| {
            let mut metrics = Metric::default_set();
            if self.categories.is_some() {
                metrics.extend(Metric::category_set());
            }
            metrics
        })
    }

    /// Asks `model` for every user's list and judges the lists.
    ///
    /// # Errors
    /// What the model reports; [`Error::Config`] if a metric needs categories and there are none; and
    /// [`Error::Invalid`] if the model is of another number of items or breaks its promises (the number of lists,
    /// unknown, repeated or excluded items, NaN scores), because wrong lists give wrong numbers quietly.
    pub fn evaluate(&self, model: &dyn Recommender) -> Result<Evaluation> {
        if model.n_items() != self.n_items {
            return Err(Error::invalid(format!(
                "the recommender knows {} items, the split has {}",
                model.n_items(),
                self.n_items
            )));
        }
        let metrics = self.metrics();
        if self.categories.is_none()
            && let Some(metric) = metrics.iter().find(|metric| metric.measure().needs_categories())
        {
            return Err(Error::config("metrics", format!("{metric} needs the categories of the items")));
        }
        let plan = Plan::new(metrics);
        let judge = Judge { evaluator: self, plan: &plan };
        let k = plan.longest().min(self.n_items);
        let mut cells = vec![0.0; self.users.len() * plan.width()];
        let mut counts = plan.counts(self.n_items);
        for start in (0..self.users.len()).step_by(self.block) {
            let end = (start + self.block).min(self.users.len());
            let queries: Vec<Query<'_>> = (start..end).map(|index| self.query(index)).collect();
            let rankings = model.recommend(&queries, k)?;
            if rankings.len() != queries.len() {
                return Err(Error::invalid(format!(
                    "the recommender answered {} of {} queries",
                    rankings.len(),
                    queries.len()
                )));
            }
            let failure = cells[start * plan.width()..end * plan.width()]
                .par_chunks_mut(plan.width())
                .with_min_len(32)
                .enumerate()
                .map_init(
                    || Scratch::new(self.n_items),
                    |scratch, (place, cells)| {
                        let answer = judge.list(start + place, rankings.row(place), scratch, cells);
                        answer.err().map(|error| (place, error))
                    },
                )
                .flatten()
                .min_by_key(|(place, _)| *place);
            if let Some((_, error)) = failure {
                return Err(error);
            }
            for list in rankings.rows() {
                counts.add(list);
            }
        }
        Ok(judge.evaluation(&cells, counts.finish()))
    }
}

/// The name under which `metric` is reported.
fn reported_name(metric: Metric, candidates: Candidates) -> String {
    match candidates {
        Candidates::All => metric.to_string(),
        Candidates::Uniform { .. } | Candidates::Popular { .. } => format!("sampled-{metric}"),
    }
}

/// The metrics that one user's list and positives give.
fn accuracy_metrics(metrics: &[Metric]) -> impl Iterator<Item = (usize, Metric)> + '_ {
    metrics.iter().copied().enumerate().filter(|(_, metric)| metric.measure().basis() == Basis::Accuracy)
}

/// The cut-offs at which recall was asked for.
fn recall_cutoffs(metrics: &[Metric]) -> Vec<usize> {
    metrics
        .iter()
        .filter(|metric| metric.measure() == Measure::Recall)
        .filter_map(|metric| metric.k())
        .collect()
}
