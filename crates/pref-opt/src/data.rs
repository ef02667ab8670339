//! From a data set with titles to prompts: histories and the item that came next.

use std::collections::HashMap;

use rec_core::filter::{self, Feedback, FilterConfig};
use rec_core::split::{LeaveOneOut, SplitSpec};
use rec_core::{Dataset, IdMap, Interactions, ItemId, Split};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Which events count, and how they become windows. The defaults are those of the small reproduction of SPRec on
/// MovieLens-100K: ratings of 4 or more, users with 5 of them, histories of 3 to 10 items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// The least rating that counts; everything counts where there are no ratings.
    pub least_rating: f32,
    /// How many events a user needs.
    pub least_events: usize,
    /// The shortest history to learn from.
    pub least_history: usize,
    /// The longest history: older items are left out.
    pub most_history: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { least_rating: 4.0, least_events: 5, least_history: 3, most_history: 10 }
    }
}

impl DataConfig {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn validate(&self) -> Result<()> {
        match self.least_history == 0 || self.most_history < self.least_history {
            true => Err(Error::config(
                "data.most_history",
                "must be at least least_history, which must be at least 1",
            )),
            false => Ok(()),
        }
    }
}

/// What a user touched, oldest first, and what came next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The latest items before the target, oldest first.
    pub history: Vec<ItemId>,
    /// The item that came next.
    pub target: ItemId,
}

/// A data set ready for prompts: one item a title, each user's last event for the test, the one before for validation.
#[derive(Clone, Debug)]
pub struct PreferenceData {
    /// The filtered data set.
    pub dataset: Dataset,
    /// The parts.
    pub split: Split,
    /// Windows of the training part, user by user, oldest first.
    pub windows: Vec<Window>,
    /// How often each item is the target of a window.
    pub target_counts: Vec<u32>,
    /// Whole training histories, one a user, oldest first.
    pub histories: Vec<Vec<ItemId>>,
}

impl PreferenceData {
    /// Prepares `dataset`: positives only, items of the same title and year merged, users with enough events, the
    /// last event of each for the test.
    ///
    /// # Errors
    /// [`Error::Invalid`](rec_core::Error::Invalid) without titles, and what filter and split report.
    pub fn new(dataset: Dataset, config: &DataConfig) -> Result<Self> {
        config.validate()?;
        let rated = dataset.interactions.ratings.is_some();
        let feedback = if rated { Feedback::AtLeast(config.least_rating) } else { Feedback::All };
        let positive = filter::apply(dataset, &FilterConfig { feedback, ..FilterConfig::default() })?;
        let merged = merge_titles(positive)?;
        let least = format!("[{},inf)", config.least_events);
        let enough = FilterConfig {
            duplicates: filter::Duplicates::First,
            user_interactions: Some(least.parse()?),
            // An item that nobody liked cannot be learnt; the k-core of 1 takes it out of the catalogue.
            item_interactions: Some("[1,inf)".parse()?),
            ..FilterConfig::default()
        };
        let dataset = filter::apply(merged, &enough)?;
        let split = SplitSpec::LeaveOneOut(LeaveOneOut::ValidAndTest).split(&dataset, 0)?;
        Self::of_parts(dataset, split, config)
    }

    /// The training part of a split as it is: every row counts, items keep their numbers and need no titles.
    ///
    /// # Errors
    /// [`Error::Invalid`](rec_core::Error::Invalid) if no user has a history to learn from.
    pub fn of_split(split: &Split, n_users: usize, n_items: usize, config: &DataConfig) -> Result<Self> {
        config.validate()?;
        let dataset = Dataset {
            interactions: split.train.clone(),
            users: IdMap::numbered(n_users),
            items: IdMap::numbered(n_items),
            ..Dataset::default()
        };
        Self::of_parts(dataset, split.clone(), config)
    }

    fn of_parts(dataset: Dataset, split: Split, config: &DataConfig) -> Result<Self> {
        let histories = histories(&split.train, dataset.n_users());
        let windows: Vec<Window> = histories.iter().flat_map(|items| windows(items, config)).collect();
        if windows.is_empty() {
            let what =
                format!("no user of {} has {} events to learn from", dataset.name, config.least_history + 1);
            return Err(Error::invalid(what));
        }
        let mut target_counts = vec![0; dataset.n_items()];
        for window in &windows {
            target_counts[window.target.index()] += 1;
        }
        Ok(Self { dataset, split, windows, target_counts, histories })
    }

    /// The number of items.
    pub fn n_items(&self) -> usize {
        self.dataset.n_items()
    }

    /// The title of an item, with its year where the catalogue has a column of years.
    pub fn titles(&self) -> Vec<String> {
        full_titles(&self.dataset)
    }
}

/// The windows of one user's items.
pub fn windows<'a>(items: &'a [ItemId], config: &'a DataConfig) -> impl Iterator<Item = Window> + 'a {
    (config.least_history..items.len()).map(|at| Window {
        history: items[at.saturating_sub(config.most_history)..at].to_vec(),
        target: items[at],
    })
}

fn histories(rows: &Interactions, n_users: usize) -> Vec<Vec<ItemId>> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    if let Some(times) = &rows.timestamps {
        // Stable: events of the same time keep the file's order.
        order.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
    }
    let mut histories = vec![Vec::new(); n_users];
    for row in order {
        histories[rows.users[row].index()].push(rows.items[row]);
    }
    histories
}

fn full_titles(dataset: &Dataset) -> Vec<String> {
    let years =
        dataset.catalogue.columns.iter().find(|(name, _)| name.contains("year")).map(|(_, years)| years);
    (0..dataset.n_items())
        .map(|index| {
            let title = dataset.catalogue.title(ItemId::from_index(index)).unwrap_or_default();
            match years.map(|years| years[index].as_str()).filter(|year| !year.is_empty()) {
                Some(year) if !title.is_empty() => format!("{title} ({year})"),
                _ => title.to_owned(),
            }
        })
        .collect()
}

/// Items of the same title and year become the first of them: what is recommended by its title has to be told by it.
///
/// # Errors
/// [`Error::Invalid`](rec_core::Error::Invalid) if an item has no title.
pub fn merge_titles(dataset: Dataset) -> Result<Dataset> {
    let titles = full_titles(&dataset);
    if let Some(item) = titles.iter().position(String::is_empty) {
        let name = dataset.items.token(item as u32);
        return Err(Error::invalid(format!("item {name} of {} has no title to be named by", dataset.name)));
    }
    let mut first: HashMap<String, u32> = HashMap::new();
    let mut kept: Vec<usize> = Vec::new();
    let place: Vec<u32> = titles
        .into_iter()
        .enumerate()
        .map(|(item, title)| {
            *first.entry(title).or_insert_with(|| {
                kept.push(item);
                (kept.len() - 1) as u32
            })
        })
        .collect();
    let mut dataset = dataset;
    for item in &mut dataset.interactions.items {
        *item = ItemId(place[item.index()]);
    }
    let names: IdMap = kept.iter().map(|&item| dataset.items.token(item as u32)).collect();
    dataset.items = names;
    let catalogue = &mut dataset.catalogue;
    catalogue.titles = catalogue.titles.take().map(|all| pick(&all, &kept));
    catalogue.categories = catalogue.categories.take().map(|all| pick(&all, &kept));
    catalogue.listed = catalogue.listed.take().map(|all| pick(&all, &kept));
    for (_, values) in &mut catalogue.columns {
        *values = pick(values, &kept);
    }
    Ok(dataset)
}

fn pick<T: Clone>(all: &[T], kept: &[usize]) -> Vec<T> {
    kept.iter().map(|&index| all[index].clone()).collect()
}
