//! The data preparation of the reference (MACRec, `Preprocess`), as documented in its code: rows sorted by time, users and
//! items with fewer than five rows removed until none is left, each user's last row for test and the one before for
//! validation, and a candidate list of the true item among sampled negatives.
//!
//! Differences, all on purpose: rows of one time keep the order of the file (there the split depends on the sort
//! algorithm); negatives come from the items that are left ([`Negatives::Reference`] repeats the original, which draws ids
//! from `1..=n` although ids are not renumbered); ids stay those of the data set.

use rand::RngExt;
use rec_core::{Dataset, Interactions, ItemId, UserId, random};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::index::{CutOff, time_order};

/// Where the wrong candidates come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Negatives {
    /// Items that are left after the filter, each equally likely.
    #[default]
    Uniform,
    /// As the reference: numbers `1..=n_items_left` taken for ids, so that some items that were filtered out are drawn and
    /// the items of higher ids never are. Needs whole numbers as ids.
    Reference,
    /// Items that are left, each as likely as it is frequent in training.
    Popularity,
    /// The items nearest to the true one: those whose columns of the training matrix have the largest cosine with its column. What is
    /// missing of them is drawn as for [`Negatives::Uniform`].
    Hard,
}

/// Whose last rows are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Population {
    /// Every user's.
    #[default]
    Classic,
    /// Those of a fifth of the users, drawn by the seed, of whose rows only the last five before the test row are left, for
    /// training as well: new users among old ones.
    ColdStart,
    /// Those of the third of the users whose taste moved most: the largest Jensen-Shannon divergence between the categories of the
    /// earlier and of the later half of their training rows, of which they need ten.
    Evolving,
    /// The first rows after one moment, before which nine tenths of all rows lie: models are trained on the rows before it alone, so
    /// that nobody's later rows are known to them. The last row of a user before the moment is for validation.
    Strict,
}

/// Rows that a cold user keeps before the test row.
const COLD_ROWS: usize = 5;
/// One user of so many is made cold.
const COLD_SHARE: u32 = 5;
/// Training rows from which on a taste can be said to have moved.
const EVOLVING_ROWS: usize = 10;

/// How data is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProtocolConfig {
    /// The least number of rows of a user and of an item.
    pub core: usize,
    /// Wrong candidates a row.
    pub negatives: usize,
    /// Where they come from.
    pub source: Negatives,
    /// The seed of the draw.
    pub seed: u64,
    /// A user's events have to be at least this many before the test row for the row to count; 0 takes every user.
    pub min_history: usize,
    /// The most events before the test row, to look at cold users alone.
    pub max_history: Option<usize>,
    /// Whose last rows are asked about.
    pub population: Population,
}

impl Default for ProtocolConfig {
    fn default() -> Self {
        Self {
            core: 5,
            negatives: 7,
            source: Negatives::Uniform,
            seed: 2024,
            min_history: 0,
            max_history: None,
            population: Population::Classic,
        }
    }
}

/// One row to be predicted. The true values are here; what an agent may see is made by [`crate::task`].
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The user.
    pub user: UserId,
    /// The true item.
    pub item: ItemId,
    /// The true rating.
    pub rating: f32,
    /// The first rank that must not be seen: the row's own.
    pub cut_off: CutOff,
    /// The true item among the wrong ones, shuffled.
    pub candidates: Vec<ItemId>,
}

/// A prepared data set.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The data set with the rows that are left, sorted by time. Its id maps and catalogue are whole.
    pub dataset: Dataset,
    /// The rows to train on.
    pub train: Interactions,
    /// Each user's last row but one.
    pub dev: Vec<Sample>,
    /// Each user's last row.
    pub test: Vec<Sample>,
    /// Items with a row left.
    pub n_active_items: usize,
}

/// Prepares `dataset` for the tasks.
///
/// # Errors
/// [`Error::Core`] if nothing is left, [`Error::Config`] for settings that do not fit the data.
pub fn prepare(mut dataset: Dataset, config: &ProtocolConfig) -> Result<Prepared> {
    dataset.validate()?;
    if dataset.interactions.ratings.is_none() {
        return Err(Error::invalid(format!("{} has no ratings; the tasks need them", dataset.name)));
    }
    let (n_users, n_items) = (dataset.n_users(), dataset.n_items());
    let kept = core(&dataset.interactions, config.core, n_users, n_items);
    let kept = dataset.interactions.select(&kept);
    dataset.interactions = kept.select(&time_order(&kept));
    let cold = |user: UserId| {
        config.population == Population::ColdStart
            && random::stream(config.seed, "cold users", user.0.into()).random_range(0..COLD_SHARE) == 0
    };
    if config.population == Population::ColdStart {
        let kept = without_old_rows(&dataset.interactions, n_users, cold);
        dataset.interactions = dataset.interactions.select(&kept);
    }
    let rows = &dataset.interactions;
    if rows.is_empty() {
        return Err(Error::invalid(format!(
            "{}: no row is left after the {}-core",
            dataset.name, config.core
        )));
    }
    let item_counts = rows.item_counts(n_items);
    let active: Vec<ItemId> =
        (0..n_items).filter(|&item| item_counts[item] > 0).map(ItemId::from_index).collect();

    let mut of_user: Vec<Vec<usize>> = vec![Vec::new(); n_users];
    for (row, user) in rows.users.iter().enumerate() {
        of_user[user.index()].push(row);
    }
    let mut train_rows: Vec<usize> = Vec::with_capacity(rows.len());
    let (mut dev_rows, mut test_rows) = (Vec::new(), Vec::new());
    // Rows are in the order of time.
    let moment = rows.len() / 10 * 9;
    for own in &of_user {
        if config.population == Population::Strict {
            let before = own.partition_point(|&row| row < moment);
            // The first row is always for training.
            let validated = usize::from(before >= 2);
            train_rows.extend(&own[..before - validated]);
            dev_rows.extend(&own[before - validated..before]);
            let fits =
                before >= config.min_history.max(2) && config.max_history.is_none_or(|most| before <= most);
            test_rows.extend(own.get(before).filter(|_| fits));
            continue;
        }
        // The first row is always for training.
        let (mut end, outside) = (own.len(), own.len().saturating_sub(1).min(2));
        if outside >= 1 {
            end -= 1;
            if own.len() > config.min_history && config.max_history.is_none_or(|most| end <= most) {
                test_rows.push(own[end]);
            }
        }
        if outside == 2 {
            end -= 1;
            dev_rows.push(own[end]);
        }
        train_rows.extend(&own[..end]);
    }
    match config.population {
        Population::Classic | Population::Strict => {}
        Population::ColdStart => test_rows.retain(|&row| cold(rows.users[row])),
        Population::Evolving => {
            let moved = moved_most(&dataset, &of_user)?;
            test_rows.retain(|&row| moved[rows.users[row].index()]);
        }
    }
    train_rows.sort_unstable();
    dev_rows.sort_unstable();
    test_rows.sort_unstable();
    let train = rows.select(&train_rows);

    let urn = Urn::new(config, &dataset, &active, &train)?;
    let sample = |row: usize| -> Result<Sample> {
        let user = rows.users[row];
        let item = rows.items[row];
        let mut own: Vec<ItemId> = of_user[user.index()].iter().map(|&row| rows.items[row]).collect();
        own.sort_unstable();
        Ok(Sample {
            user,
            item,
            rating: rows.ratings.as_ref().map_or(1.0, |ratings| ratings[row]),
            cut_off: CutOff(row as u32),
            candidates: urn.candidates(item, &own, config, row)?,
        })
    };
    let dev = dev_rows.into_iter().map(sample).collect::<Result<_>>()?;
    let test = test_rows.into_iter().map(sample).collect::<Result<_>>()?;
    Ok(Prepared { train, dev, test, n_active_items: active.len(), dataset })
}

/// The rows that are left when those of `cold` users are cut to the last few.
fn without_old_rows(rows: &Interactions, n_users: usize, cold: impl Fn(UserId) -> bool) -> Vec<usize> {
    let mut later = vec![0_usize; n_users];
    let mut kept: Vec<usize> = (0..rows.len())
        .rev()
        .filter(|&row| {
            let user = rows.users[row];
            later[user.index()] += 1;
            // The test row besides.
            later[user.index()] <= COLD_ROWS + 1 || !cold(user)
        })
        .collect();
    kept.reverse();
    kept
}

/// Which users are of the third whose taste moved most. `of_user` has the rows of each, by time.
fn moved_most(dataset: &Dataset, of_user: &[Vec<usize>]) -> Result<Vec<bool>> {
    let n_categories = dataset.catalogue.category_names.len();
    if n_categories == 0 {
        return Err(Error::config("population", format!("evolving: {} has no categories", dataset.name)));
    }
    let shares = |rows: &[usize]| {
        let mut counts = vec![0.0_f64; n_categories];
        for &row in rows {
            for &category in dataset.catalogue.categories_of(dataset.interactions.items[row]) {
                counts[category as usize] += 1.0;
            }
        }
        let sum: f64 = counts.iter().sum();
        counts.iter_mut().for_each(|count| *count /= sum.max(1.0));
        counts
    };
    let divergence = |(user, own): (usize, &Vec<usize>)| {
        // Without the rows for test and validation.
        let train = &own[..own.len().saturating_sub(2)];
        let (early, late) = train.split_at(train.len() / 2);
        (train.len() >= EVOLVING_ROWS).then(|| (jensen_shannon(&shares(early), &shares(late)), user))
    };
    let mut found: Vec<(f64, usize)> = of_user.iter().enumerate().filter_map(divergence).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut moved = vec![false; of_user.len()];
    for (_, user) in found.iter().take(found.len().div_ceil(3)) {
        moved[*user] = true;
    }
    Ok(moved)
}

/// The Jensen-Shannon divergence of two distributions, in nats.
fn jensen_shannon(a: &[f64], b: &[f64]) -> f64 {
    let towards_middle = |a: &[f64], b: &[f64]| -> f64 {
        let parts = a.iter().zip(b).filter(|(a, _)| **a > 0.0);
        parts.map(|(a, b)| a * (2.0 * a / (a + b)).ln()).sum()
    };
    f64::midpoint(towards_middle(a, b), towards_middle(b, a))
}

/// The rows of users and items that have at least `least` of them, again and again until none falls short.
fn core(rows: &Interactions, least: usize, n_users: usize, n_items: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..rows.len()).collect();
    loop {
        let (mut users, mut items) = (vec![0; n_users], vec![0; n_items]);
        for &row in &kept {
            users[rows.users[row].index()] += 1;
            items[rows.items[row].index()] += 1;
        }
        let before = kept.len();
        kept.retain(|&row| {
            users[rows.users[row].index()] >= least && items[rows.items[row].index()] >= least
        });
        if kept.len() == before {
            return kept;
        }
    }
}

/// What negatives are drawn from: items, with cumulative weights where they are not equally likely.
struct Urn {
    items: Vec<ItemId>,
    cumulative: Option<Vec<u64>>,
    nearest: Option<Nearest>,
}

/// The training matrix, to find items whose columns are alike.
struct Nearest {
    items_of: Vec<Vec<ItemId>>,
    users_of: Vec<Vec<UserId>>,
}

impl Nearest {
    fn new(train: &Interactions, n_users: usize, n_items: usize) -> Self {
        let (mut items_of, mut users_of) = (vec![Vec::new(); n_users], vec![Vec::new(); n_items]);
        for (&user, &item) in train.users.iter().zip(&train.items) {
            items_of[user.index()].push(item);
            users_of[item.index()].push(user);
        }
        Self { items_of, users_of }
    }

    /// The `n` items nearest to `item` that are not in `own` (sorted), nearest first.
    fn of(&self, item: ItemId, own: &[ItemId], n: usize) -> Vec<ItemId> {
        let mut both = vec![0_u32; self.users_of.len()];
        for user in &self.users_of[item.index()] {
            for other in &self.items_of[user.index()] {
                both[other.index()] += 1;
            }
        }
        let size = |item: usize| self.users_of[item].len() as f64;
        let mut found: Vec<(f64, ItemId)> = (0..both.len())
            .filter(|&other| both[other] > 0 && other != item.index())
            .map(|other| {
                (
                    f64::from(both[other]) / (size(other) * size(item.index())).sqrt(),
                    ItemId::from_index(other),
                )
            })
            .filter(|(_, other)| own.binary_search(other).is_err())
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        found.into_iter().take(n).map(|(_, other)| other).collect()
    }
}

impl Urn {
    fn new(
        config: &ProtocolConfig,
        dataset: &Dataset,
        active: &[ItemId],
        train: &Interactions,
    ) -> Result<Self> {
        match config.source {
            Negatives::Uniform => Ok(Self { items: active.to_vec(), cumulative: None, nearest: None }),
            Negatives::Hard => {
                let nearest = Nearest::new(train, dataset.n_users(), dataset.n_items());
                Ok(Self { items: active.to_vec(), cumulative: None, nearest: Some(nearest) })
            }
            Negatives::Popularity => {
                let counts = train.item_counts(dataset.n_items());
                let cumulative = active.iter().scan(0_u64, |sum, item| {
                    *sum += u64::from(counts[item.index()]);
                    Some(*sum)
                });
                Ok(Self { cumulative: Some(cumulative.collect()), items: active.to_vec(), nearest: None })
            }
            Negatives::Reference => {
                let id = |number: usize| {
                    dataset.items.get(&number.to_string()).map(ItemId).ok_or_else(|| {
                        Error::config(
                            "source",
                            format!("reference: there is no item {number}; its ids are not 1, 2, 3, …"),
                        )
                    })
                };
                Ok(Self {
                    items: (1..=active.len()).map(id).collect::<Result<_>>()?,
                    cumulative: None,
                    nearest: None,
                })
            }
        }
    }

    fn candidates(
        &self,
        item: ItemId,
        own: &[ItemId],
        config: &ProtocolConfig,
        row: usize,
    ) -> Result<Vec<ItemId>> {
        let mut random = random::stream(config.seed, "negatives", row as u64);
        let free = self.items.iter().filter(|item| own.binary_search(item).is_err()).count();
        if free < config.negatives {
            return Err(Error::config(
                "negatives",
                format!("{}; only {free} items are new to a user", config.negatives),
            ));
        }
        let mut chosen = vec![item];
        chosen.extend(self.nearest.iter().flat_map(|nearest| nearest.of(item, own, config.negatives)));
        let mut draws = 0_usize;
        while chosen.len() <= config.negatives {
            draws += 1;
            if draws > 1_000_000 {
                return Err(Error::config("negatives", "too many for the items that training knows"));
            }
            let place = match &self.cumulative {
                None => random.random_range(0..self.items.len()),
                Some(sums) => {
                    let mark = random.random_range(0..*sums.last().unwrap_or(&1).max(&1));
                    sums.partition_point(|&sum| sum <= mark)
                }
            };
            let candidate = self.items[place];
            if own.binary_search(&candidate).is_err() && !chosen.contains(&candidate) {
                chosen.push(candidate);
            }
        }
        for at in (1..chosen.len()).rev() {
            chosen.swap(at, random.random_range(0..=at));
        }
        Ok(chosen)
    }
}

/// The least rating of a row that counts as liked: three quarters up the scale (4 of 1..5, 7.5 of 0..10).
pub fn liked_from(scale: (f32, f32)) -> f32 {
    scale.0 + 0.75 * (scale.1 - scale.0)
}
