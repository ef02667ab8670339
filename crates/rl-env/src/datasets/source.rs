//! What every loader gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Log;
use crate::distance::{self, ItemDistances};
use crate::metrics::{ItemTables, Likeness, MajorityItems};
use crate::{Error, Features, Quit, QuitRule, Result, Reward, RewardMatrix, WindowMode, World};

/// What makes a user leave, by name; [`QuitRule`](crate::QuitRule) is the rule with its tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuitKind {
    /// Nobody leaves before the turn limit.
    Never,
    /// Two items' columns of the truth are closer than the threshold.
    #[default]
    Distance,
    /// A tag occurred more often than the threshold.
    Category,
}

/// When users leave. The published values differ from set to set; [`Source::quit`] holds them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuitSettings {
    /// What makes a user leave.
    pub kind: QuitKind,
    /// How many of the latest items count (`N`, the reference's `num_leave_compute`).
    pub window: usize,
    /// The distance, or the number of occurrences (`theta`, the reference's `leave_threshold`).
    pub threshold: f64,
    /// How the window is cut at the start of an episode.
    pub mode: WindowMode,
    /// The most turns of an episode.
    pub max_turn: usize,
    /// Whether an episode starts as if a random item had been seen, rather than none.
    pub random_start: bool,
}

impl Default for QuitSettings {
    fn default() -> Self {
        Self {
            kind: QuitKind::Distance,
            window: 7,
            threshold: 6.0,
            mode: WindowMode::Exact,
            max_turn: 30,
            random_start: true,
        }
    }
}

impl QuitSettings {
    /// The distance rule with a window of `window` items and the threshold `threshold`.
    pub fn distance(window: usize, threshold: f64) -> Self {
        Self { kind: QuitKind::Distance, window, threshold, ..Self::default() }
    }

    /// The category rule with a window of `window` items, of which a tag may fill `threshold`.
    pub fn category(window: usize, threshold: u32) -> Self {
        Self { kind: QuitKind::Category, window, threshold: threshold.into(), ..Self::default() }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key, what it is and what it accepts.
    pub fn validate(&self) -> Result<()> {
        if !(1..=255).contains(&self.max_turn) {
            return Err(Error::config("quit.max_turn", format!("is {}; accepts 1 to 255", self.max_turn)));
        }
        let whole = self.threshold.fract() == 0.0 && self.threshold <= f64::from(u32::MAX);
        if !(self.threshold.is_finite() && self.threshold >= 0.0) {
            let what = format!("is {}; accepts finite numbers from 0", self.threshold);
            return Err(Error::config("quit.threshold", what));
        }
        if self.kind == QuitKind::Category && !whole {
            let what = format!("is {}; a count of tags is a whole number", self.threshold);
            return Err(Error::config("quit.threshold", what));
        }
        Ok(())
    }
}

/// What a user model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A number: a rating, a watch ratio.
    Rating,
    /// Yes or no: a click.
    Binary,
}

/// How alike two items are, for diversity and the intrinsic reward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// `1 / (1 + D)`, D the distance of the items' columns of the truth.
    Distance,
    /// Tags in common over tags of either (Jaccard). Items without tags are alike to none but themselves.
    Tags,
}

/// A data set as an environment: the truth, the log, features, and the tables that metrics need.
///
/// The log may know more users and items than the truth (KuaiRec: 7,176 users and 10,728 videos against 1,411 and
/// 3,327; Yahoo: 15,400 users against 5,400). Ids of [`Source::log`], [`Source::users`] and [`Source::items`] are the
/// log's; everything else goes by the truth's rows and columns, which [`Source::truth_users`] and
/// [`Source::truth_items`] map to ids of the log.
#[derive(Clone, Debug)]
pub struct Source {
    /// A short name.
    pub name: String,
    /// What every user pays for every item.
    pub truth: Arc<RewardMatrix>,
    /// The matrix whose columns' distances count; the truth itself, but for Yahoo, where it has more rows.
    pub distance_truth: Arc<RewardMatrix>,
    /// What user models and offline policies learn from.
    pub log: Log,
    /// Interactions that user models are judged on, where the data set has some.
    pub held_out: Option<Log>,
    /// What the log's targets are.
    pub target: Target,
    /// What is known of the users of the log.
    pub users: Features,
    /// What is known of the items of the log.
    pub items: Features,
    /// For each row of the truth its user of the log.
    pub truth_users: Vec<u32>,
    /// For each column of the truth its item of the log.
    pub truth_items: Vec<u32>,
    /// For each item of the truth its tags as bits, if items have tags.
    pub tags: Option<Vec<u64>>,
    /// How items are compared.
    pub similarity: Similarity,
    /// For each item of the truth the share of users for whom it is a positive of the log; 0 for an item without one.
    pub popularity: Vec<f32>,
    /// Which items have a majority category (see [`dominant_prefix`]), for each feature that is looked at; none where
    /// there are no features.
    pub dominant: Vec<MajorityItems>,
    /// The published quit rule.
    pub quit: QuitSettings,
}

impl Source {
    /// Checks that the parts fit each other.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn validate(&self) -> Result<()> {
        let (n_users, n_items) = (self.truth.n_users(), self.truth.n_items());
        self.users.validate()?;
        self.items.validate()?;
        for log in [Some(&self.log), self.held_out.as_ref()].into_iter().flatten() {
            log.validate(self.users.rows, self.items.rows)?;
        }
        let invalid = |what: String| Err(Error::invalid(format!("{}: {what}", self.name)));
        if self.log.is_empty() {
            return invalid("the log is empty".into());
        }
        for (what, map, n, ids) in [
            ("users", &self.truth_users, n_users, self.users.rows),
            ("items", &self.truth_items, n_items, self.items.rows),
        ] {
            if map.len() != n || map.iter().any(|&id| id as usize >= ids) {
                return invalid(format!("the {what} of the truth are not {n} {what} of the log"));
            }
        }
        if self.distance_truth.n_items() != n_items {
            return invalid("the matrix of distances has other items than the truth".into());
        }
        let columns = [Some(self.popularity.len()), self.tags.as_ref().map(Vec::len)];
        let dominant = self.dominant.iter().map(|dominant| dominant.items.len());
        if columns.into_iter().flatten().chain(dominant).any(|length| length != n_items) {
            return invalid("a table does not have one entry for each item of the truth".into());
        }
        if self.similarity == Similarity::Tags && self.tags.is_none() {
            return invalid("items are compared by tags, but have none".into());
        }
        self.quit.validate()
    }

    /// The distances of the items, by the columns of [`Source::distance_truth`]. Takes a while for many items.
    pub fn distances(&self) -> ItemDistances {
        ItemDistances::of(&self.distance_truth)
    }

    /// The environments' world: the truth and when users leave it.
    ///
    /// # Errors
    /// Settings that do not hold, and the category rule for items without tags.
    pub fn world(&self, settings: &QuitSettings) -> Result<World> {
        settings.validate()?;
        let rule = match (settings.kind, &self.tags) {
            (QuitKind::Never, _) => QuitRule::Never,
            (QuitKind::Distance, _) => {
                QuitRule::Distance(distance::too_close(&self.distance_truth, settings.threshold))
            }
            (QuitKind::Category, Some(tags)) => {
                QuitRule::Category { tags: tags.clone(), threshold: settings.threshold as u32 }
            }
            _ => {
                let what = format!("is `category`, but the items of {} have no tags", self.name);
                return Err(Error::config("quit.kind", what));
            }
        };
        let quit = Quit { rule, window: settings.window, mode: settings.mode };
        World::new(Arc::clone(&self.truth), quit, settings.max_turn, settings.random_start)
    }

    /// What metrics need to know of the items.
    ///
    /// # Errors
    /// If no item has a positive in the log.
    pub fn tables(&self) -> Result<ItemTables> {
        let likeness = match (self.similarity, &self.tags) {
            (Similarity::Distance, _) => Likeness::Distance(Arc::new(self.distances())),
            (Similarity::Tags, Some(tags)) => Likeness::Tags(tags.clone()),
            (Similarity::Tags, None) => Likeness::Identity,
        };
        ItemTables::new(likeness, self.popularity.clone(), self.dominant.clone())
    }

    /// For each user of the log its row of the truth, if it has one.
    pub fn user_rows(&self) -> Vec<Option<u32>> {
        inverse(&self.truth_users, self.users.rows)
    }

    /// For each item of the log its column of the truth, if it has one.
    pub fn item_columns(&self) -> Vec<Option<u32>> {
        inverse(&self.truth_items, self.items.rows)
    }
}

fn inverse(map: &[u32], n: usize) -> Vec<Option<u32>> {
    let mut inverse = vec![None; n];
    for (index, &id) in map.iter().enumerate() {
        inverse[id as usize] = Some(index as u32);
    }
    inverse
}

/// `0, 1, ..., n - 1`: a truth whose users (or items) are those of the log.
pub(crate) fn same(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

/// For each of `n_items` the number of rows of `log` that `positive` holds for, over the number of users of the log
/// (those who have a row at all).
pub fn popularity(log: &Log, n_users: usize, n_items: usize, positive: impl Fn(usize) -> bool) -> Vec<f32> {
    let mut seen = vec![false; n_users];
    let mut counts = vec![0u32; n_items];
    for row in 0..log.len() {
        seen[log.users[row] as usize] = true;
        if positive(row) {
            counts[log.items[row] as usize] += 1;
        }
    }
    let users = seen.iter().filter(|seen| **seen).count().max(1) as f32;
    counts.iter().map(|&count| count as f32 / users).collect()
}

/// The most frequent categories: sorted by count (equal counts by number), the longest prefix whose share of the sum is
/// at most 0.8, and at least one.
pub fn dominant_prefix(counts: &[u64]) -> Vec<u32> {
    let total: u64 = counts.iter().sum();
    let mut order: Vec<u32> =
        (0..counts.len() as u32).filter(|&category| counts[category as usize] > 0).collect();
    order.sort_by_key(|&category| (std::cmp::Reverse(counts[category as usize]), category));
    let mut sum = 0;
    let within = order.iter().take_while(|&&category| {
        sum += counts[category as usize];
        // Whole numbers: 0.8 is not a binary fraction.
        sum * 5 <= total * 4
    });
    let length = within.count().max(1);
    order.truncate(length);
    order
}

/// The dominance of one feature: `categories_of` lists an item's (of the log) categories, all below `vocabulary`; every
/// row of the log that `counts` holds for counts each category of its item once.
pub(crate) fn dominance(
    feature: &str,
    log: &Log,
    vocabulary: usize,
    truth_items: &[u32],
    categories_of: impl Fn(u32) -> Vec<u32>,
    counts: impl Fn(usize) -> bool,
) -> MajorityItems {
    let mut of_items = vec![0u64; log.items.iter().max().map_or(0, |&item| item as usize + 1)];
    for row in (0..log.len()).filter(|&row| counts(row)) {
        of_items[log.items[row] as usize] += 1;
    }
    let mut of_categories = vec![0u64; vocabulary];
    for (item, &count) in of_items.iter().enumerate().filter(|(_, count)| **count > 0) {
        for category in categories_of(item as u32) {
            of_categories[category as usize] += count;
        }
    }
    let categories = dominant_prefix(&of_categories);
    let has = |&item: &u32| categories_of(item).iter().any(|category| categories.contains(category));
    let items = truth_items.iter().map(has).collect();
    MajorityItems { feature: feature.to_owned(), items }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dominant_categories_are_the_longest_prefix_within_four_fifths() {
        assert_eq!(dominant_prefix(&[1, 5, 0, 3, 1]), [1, 3]);
        assert_eq!(dominant_prefix(&[1, 9]), [1]);
        assert_eq!(dominant_prefix(&[2, 2, 2, 2, 2]), [0, 1, 2, 3]);
        assert_eq!(dominant_prefix(&[0, 0]), [] as [u32; 0]);
    }

    #[test]
    fn popularity_counts_positives_over_users_with_a_row() {
        let log = Log {
            users: vec![0, 0, 2, 2],
            items: vec![1, 0, 1, 0],
            targets: vec![5.0, 2.0, 3.0, 4.0],
            times: None,
        };
        assert_eq!(popularity(&log, 9, 3, |row| log.targets[row] >= 3.0), [0.5, 1.0, 0.0]);
    }

    #[test]
    fn settings_that_do_not_hold_are_refused() {
        assert!(QuitSettings::category(9, 1).validate().is_ok());
        let half = QuitSettings { threshold: 0.5, ..QuitSettings::category(9, 1) };
        assert!(half.validate().unwrap_err().to_string().starts_with("quit.threshold: is 0.5"));
        assert!(QuitSettings::distance(7, f64::NAN).validate().is_err());
        assert!(QuitSettings { max_turn: 0, ..QuitSettings::default() }.validate().is_err());
    }
}
