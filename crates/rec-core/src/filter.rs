//! Filtering before a split: duplicates, values, feedback, listed ids, k-core.
//!
//! [`apply`] works in the order of the fields of [`FilterConfig`]; the defaults change nothing. Afterwards ids
//! are dense again, in their old order, and the catalogue and user columns follow them.

mod core;
mod intervals;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use intervals::Intervals;

use crate::{Catalogue, Dataset, Error, IdMap, ItemId, Result, UserId};

/// What to do with several rows of one user and item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// Keep all.
    #[default]
    All,
    /// Keep the oldest (by time where there are times, else by row; equal times by row).
    First,
    /// Keep the youngest.
    Last,
}

/// Which rows count as positive. Without this, every row does, a rating of one star included: the public
/// toolkits rank "all rated items" unless told otherwise.
///
/// As text: `all`, or `at-least:4`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Feedback {
    /// Every row.
    #[default]
    All,
    /// Rows with at least this rating; the others are dropped.
    AtLeast(f32),
}

impl FromStr for Feedback {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            "all" => Ok(Self::All),
            other => match other.strip_prefix("at-least:").map(str::parse) {
                Some(Ok(rating)) if f32::is_finite(rating) => Ok(Self::AtLeast(rating)),
                _ => {
                    Err(Error::config("feedback", format!("{text:?}: accepted are all and at-least:RATING")))
                }
            },
        }
    }
}

impl fmt::Display for Feedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::AtLeast(rating) => write!(f, "at-least:{rating}"),
        }
    }
}

impl TryFrom<String> for Feedback {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Feedback> for String {
    fn from(feedback: Feedback) -> Self {
        feedback.to_string()
    }
}

/// What to filter, in this order. The defaults change nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Which of several rows of one user and item to keep. The rows that stay keep their order.
    pub duplicates: Duplicates,
    /// Keep rows whose rating is in one of these intervals.
    pub rating: Option<Intervals>,
    /// Keep rows whose time is in one of these intervals.
    pub timestamp: Option<Intervals>,
    /// Keep rows of these users (outside names).
    pub users: Option<Vec<String>>,
    /// Keep rows of these items (outside names).
    pub items: Option<Vec<String>>,
    /// Which rows count as positive.
    pub feedback: Feedback,
    /// Drop rows of users that have no row in the user file.
    pub listed_users_only: bool,
    /// Drop rows of items that have no row in the item file.
    pub listed_items_only: bool,
    /// How many rows a user has to have, `[5,inf)` for instance (k-core together with `item_interactions`:
    /// both are applied to one snapshot of the counts, again and again until nothing changes).
    pub user_interactions: Option<Intervals>,
    /// How many rows an item has to have.
    pub item_interactions: Option<Intervals>,
}

/// Filters `dataset`.
///
/// A user (item) stays if it has a row left. Without one it stays if it had none before or is listed in the
/// user (item) file, unless `users`, `listed_users_only` or `user_interactions` excludes it: so a catalogue
/// keeps the items that nobody touched until a k-core removes them.
///
/// # Errors
/// [`Error::Config`] for a filter on something that `dataset` does not have (ratings, times, a user or item
/// file); [`Error::Invalid`] if no row is left, or `dataset` does not hold what it promises.
pub fn apply(dataset: Dataset, config: &FilterConfig) -> Result<Dataset> {
    dataset.validate()?;
    if *config == FilterConfig::default() {
        return Ok(dataset);
    }
    let rows = &dataset.interactions;
    let absent = |key: &str, what: &str| Error::config(key, format!("{} has no {what}", dataset.name));
    let ratings = |key| rows.ratings.as_ref().ok_or_else(|| absent(key, "ratings"));
    let mut kept: Vec<usize> = (0..rows.len()).collect();
    if config.duplicates != Duplicates::All {
        kept = without_duplicates(&dataset, config.duplicates);
    }
    if let Some(intervals) = &config.rating {
        let ratings = ratings("rating")?;
        kept.retain(|&row| intervals.contains(ratings[row].into()));
    }
    if let Some(intervals) = &config.timestamp {
        let times = rows.timestamps.as_ref().ok_or_else(|| absent("timestamp", "times"))?;
        kept.retain(|&row| intervals.contains(times[row]));
    }
    let allowed_users = allowed(&dataset.users, config.users.as_deref());
    let allowed_items = allowed(&dataset.items, config.items.as_deref());
    kept.retain(|&row| allowed_users[rows.users[row].index()] && allowed_items[rows.items[row].index()]);
    if let Feedback::AtLeast(least) = config.feedback {
        let ratings = ratings("feedback")?;
        kept.retain(|&row| ratings[row] >= least);
    }
    let listed_users = dataset.listed_users.as_ref();
    let listed_items = dataset.catalogue.listed.as_ref();
    if config.listed_users_only {
        let listed = listed_users.ok_or_else(|| absent("listed_users_only", "user file"))?;
        kept.retain(|&row| listed[rows.users[row].index()]);
    }
    if config.listed_items_only {
        let listed = listed_items.ok_or_else(|| absent("listed_items_only", "item file"))?;
        kept.retain(|&row| listed[rows.items[row].index()]);
    }
    let (of_users, of_items) = (config.user_interactions.as_ref(), config.item_interactions.as_ref());
    if of_users.is_some() || of_items.is_some() {
        kept = self::core::core(&dataset, &kept, of_users, of_items);
    }
    if kept.is_empty() {
        let n = rows.len();
        return Err(Error::invalid(format!("the filter leaves none of the {n} rows of {}", dataset.name)));
    }
    let interactions = rows.select(&kept);
    let users = Survivors::new(
        &rows.user_counts(dataset.n_users()),
        &interactions.user_counts(dataset.n_users()),
        &allowed_users,
        listed_users.map(Vec::as_slice),
        config.listed_users_only,
        of_users,
    );
    let items = Survivors::new(
        &rows.item_counts(dataset.n_items()),
        &interactions.item_counts(dataset.n_items()),
        &allowed_items,
        listed_items.map(Vec::as_slice),
        config.listed_items_only,
        of_items,
    );
    Ok(compact(Dataset { interactions, ..dataset }, &users, &items))
}

/// The rows that stay when each pair keeps its first or last, ascending.
fn without_duplicates(dataset: &Dataset, which: Duplicates) -> Vec<usize> {
    let rows = &dataset.interactions;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let pair = |row: usize| (rows.users[row], rows.items[row]);
    order.sort_unstable_by(|&a, &b| {
        let by_time = || match &rows.timestamps {
            Some(times) => times[a].partial_cmp(&times[b]).unwrap_or(std::cmp::Ordering::Equal),
            None => std::cmp::Ordering::Equal,
        };
        pair(a).cmp(&pair(b)).then_with(by_time).then(a.cmp(&b))
    });
    let runs = order.chunk_by(|&a, &b| pair(a) == pair(b));
    let mut kept: Vec<usize> =
        runs.map(|run| if which == Duplicates::First { run[0] } else { run[run.len() - 1] }).collect();
    kept.sort_unstable();
    kept
}

/// For each id whether its name is in the list; all are where there is no list.
fn allowed(ids: &IdMap, names: Option<&[String]>) -> Vec<bool> {
    match names {
        Some(names) => {
            let names: HashSet<&str> = names.iter().map(String::as_str).collect();
            ids.tokens().map(|token| names.contains(token)).collect()
        }
        None => vec![true; ids.len()],
    }
}

/// Which ids stay, and their new numbers.
struct Survivors {
    /// Old ids in the new order.
    old: Vec<usize>,
    /// New ids of the old ones; unused entries are zero.
    new: Vec<u32>,
}

impl Survivors {
    fn new(
        before: &[u32],
        after: &[u32],
        allowed: &[bool],
        listed: Option<&[bool]>,
        listed_only: bool,
        counts: Option<&Intervals>,
    ) -> Self {
        let zero_stays = counts.is_none_or(|counts| !counts.is_above(0.0));
        let stays = |id: usize| {
            let is_listed = listed.is_some_and(|listed| listed[id]);
            after[id] > 0 || ((is_listed || (before[id] == 0 && !listed_only)) && allowed[id] && zero_stays)
        };
        let old: Vec<usize> = (0..before.len()).filter(|&id| stays(id)).collect();
        let mut new = vec![0; before.len()];
        for (number, &id) in (0..).zip(&old) {
            new[id] = number;
        }
        Self { old, new }
    }

    fn pick<T: Clone>(&self, values: &[T]) -> Vec<T> {
        self.old.iter().map(|&id| values[id].clone()).collect()
    }

    fn names(&self, ids: &IdMap) -> IdMap {
        self.old.iter().map(|&id| ids.token(id as u32)).collect()
    }

    fn columns(&self, columns: &[(String, Vec<String>)]) -> Vec<(String, Vec<String>)> {
        columns.iter().map(|(name, values)| (name.clone(), self.pick(values))).collect()
    }
}

fn compact(dataset: Dataset, users: &Survivors, items: &Survivors) -> Dataset {
    let mut interactions = dataset.interactions;
    interactions.users.iter_mut().for_each(|user| *user = UserId(users.new[user.index()]));
    interactions.items.iter_mut().for_each(|item| *item = ItemId(items.new[item.index()]));
    let catalogue = Catalogue {
        titles: dataset.catalogue.titles.as_deref().map(|titles| items.pick(titles)),
        categories: dataset.catalogue.categories.as_deref().map(|categories| items.pick(categories)),
        category_names: dataset.catalogue.category_names,
        columns: items.columns(&dataset.catalogue.columns),
        listed: dataset.catalogue.listed.as_deref().map(|listed| items.pick(listed)),
    };
    Dataset {
        name: dataset.name,
        interactions,
        users: users.names(&dataset.users),
        items: items.names(&dataset.items),
        catalogue,
        user_columns: users.columns(&dataset.user_columns),
        listed_users: dataset.listed_users.as_deref().map(|listed| users.pick(listed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Builder;

    /// Rows as (user, item, rating, time).
    fn data(rows: &[(&str, &str, f32, f64)]) -> Dataset {
        let mut builder = Builder::new("t");
        for &(user, item, rating, time) in rows {
            let (rating, time) = (Some(rating), Some(time));
            builder.push(crate::read::Record::Interaction { user, item, rating, time }).unwrap();
        }
        builder.finish().unwrap().0
    }

    fn pairs(data: &Dataset) -> Vec<(&str, &str)> {
        data.interactions.pairs().map(|(u, i)| (data.users.token(u.0), data.items.token(i.0))).collect()
    }

    fn intervals(text: &str) -> Option<Intervals> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_defaults_change_nothing() {
        let before = data(&[("a", "x", 1.0, 2.0), ("a", "x", 1.0, 2.0)]);
        assert_eq!(apply(before.clone(), &FilterConfig::default()).unwrap(), before);
    }

    #[test]
    fn duplicates_by_time_and_then_by_row() {
        let rows = [
            ("a", "x", 1.0, 9.0),
            ("b", "x", 2.0, 5.0),
            ("a", "x", 3.0, 4.0),
            ("a", "x", 4.0, 4.0),
            ("a", "x", 5.0, 9.0),
        ];
        let kept = |duplicates, data| {
            let config = FilterConfig { duplicates, ..FilterConfig::default() };
            apply(data, &config).unwrap().interactions.ratings.unwrap()
        };
        assert_eq!(kept(Duplicates::First, data(&rows)), [2.0, 3.0]);
        assert_eq!(kept(Duplicates::Last, data(&rows)), [2.0, 5.0]);
        let mut bare = data(&rows);
        bare.interactions.timestamps = None;
        assert_eq!(kept(Duplicates::First, bare.clone()), [1.0, 2.0]);
        assert_eq!(kept(Duplicates::Last, bare), [2.0, 5.0]);
    }

    #[test]
    fn values_names_and_feedback() {
        let before =
            data(&[("a", "x", 1.0, 1.0), ("a", "y", 3.0, 2.0), ("b", "x", 5.0, 3.0), ("c", "z", 4.0, 4.0)]);
        let after = |config| apply(before.clone(), &config).unwrap();
        let default = FilterConfig::default;
        let got = after(FilterConfig { rating: intervals("[1,3);(4,5]"), ..default() });
        assert_eq!(pairs(&got), [("a", "x"), ("b", "x")]);
        assert_eq!((got.n_users(), got.n_items()), (2, 1));
        let got = after(FilterConfig { timestamp: intervals("(1,4)"), ..default() });
        assert_eq!(pairs(&got), [("a", "y"), ("b", "x")]);
        let got = after(FilterConfig { feedback: Feedback::AtLeast(4.0), ..default() });
        assert_eq!(pairs(&got), [("b", "x"), ("c", "z")]);
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        let got =
            after(FilterConfig { users: names(&["a", "c"]), items: names(&["y", "z", "q"]), ..default() });
        assert_eq!(pairs(&got), [("a", "y"), ("c", "z")]);
        let none = FilterConfig { rating: intervals("[9,inf)"), ..default() };
        assert!(apply(before.clone(), &none).unwrap_err().to_string().contains("none of the 4 rows of t"));
        let mut bare = before.clone();
        bare.interactions.ratings = None;
        let error = apply(bare, &none).unwrap_err().to_string();
        assert_eq!(error, "rating: t has no ratings");
        let config = FilterConfig { listed_items_only: true, ..default() };
        assert_eq!(apply(before, &config).unwrap_err().to_string(), "listed_items_only: t has no item file");
    }

    #[test]
    fn listed_ids_stay_until_a_core_removes_them() {
        let mut before = data(&[("a", "x", 1.0, 1.0), ("b", "y", 5.0, 1.0), ("b", "z", 5.0, 1.0)]);
        before.items.insert("untouched");
        before.catalogue.titles = Some(["X", "Y", "Z", "U"].map(str::to_owned).to_vec());
        before.catalogue.categories = Some(vec![vec![0], vec![], vec![1], vec![0, 1]]);
        before.catalogue.category_names = vec!["k".into(), "l".into()];
        before.catalogue.listed = Some(vec![true, false, true, true]);
        before.user_columns = vec![("age".into(), vec!["1".into(), "2".into()])];
        let default = FilterConfig::default;
        let got =
            apply(before.clone(), &FilterConfig { feedback: Feedback::AtLeast(5.0), ..default() }).unwrap();
        got.validate().unwrap();
        assert_eq!(got.items.tokens().collect::<Vec<_>>(), ["x", "y", "z", "untouched"]);
        assert_eq!(got.users.tokens().collect::<Vec<_>>(), ["b"]);
        assert_eq!(got.user_columns[0].1, ["2"]);
        let listed = apply(before.clone(), &FilterConfig { listed_items_only: true, ..default() }).unwrap();
        assert_eq!(listed.items.tokens().collect::<Vec<_>>(), ["x", "z", "untouched"]);
        let core = FilterConfig {
            item_interactions: intervals("[1,inf)"),
            feedback: Feedback::AtLeast(5.0),
            ..default()
        };
        let got = apply(before, &core).unwrap();
        assert_eq!(got.items.tokens().collect::<Vec<_>>(), ["y", "z"]);
        assert_eq!(got.catalogue.titles.unwrap(), ["Y", "Z"]);
        assert_eq!(got.catalogue.categories.unwrap(), [vec![], vec![1]]);
    }

    #[test]
    fn configuration_as_text() {
        let text = "duplicates = \"last\"\nrating = \"[3,inf)\"\nfeedback = \"at-least:4\"\nuser_interactions = \"[5,inf)\"\n";
        let config: FilterConfig = toml::from_str(text).unwrap();
        assert_eq!(config.feedback, Feedback::AtLeast(4.0));
        assert_eq!(toml::from_str::<FilterConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert!(toml::from_str::<FilterConfig>("k_core = 5").is_err());
        assert!("at-least:nan".parse::<Feedback>().is_err());
        assert!("most".parse::<Feedback>().unwrap_err().to_string().contains("accepted are all"));
    }
}
