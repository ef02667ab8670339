//! Made-up data sets whose statistics are those of public ones that may not be passed on.
//!
//! [`CoatLike`] has Coat's histogram of ratings and its distances between items, [`KuaiRecLike`] KuaiRec's watch ratios
//! and its tags as a random policy meets them. Both give a log of self-selected, popular items beside the truth, as real
//! logs are, so that user models have something to learn and something to be misled by.

use std::sync::Arc;

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rec_core::random::{self, Random};
use serde::{Deserialize, Serialize};

use crate::datasets::kuairec::normalise;
use crate::datasets::{Log, QuitSettings, Similarity, Source, Target, columns, dominance, popularity, same};
use crate::factorize::normal;
use crate::{Column, DenseColumn, Error, Features, Result, RewardMatrix};

/// A data set like Coat: whole ratings from 1 to 5, users who leave by distance.
///
/// A rating is a user's and an item's offset plus a product of twelve factors of falling weight plus noise, scaled a
/// little differently for each item; the cells are then ranked, and the ranks cut so that each rating has exactly its
/// share. With the default size the shares are Coat's, the percentiles of the items' distances are within 3 % of Coat's
/// (the largest distance within 10 %), and 1.1 % to 2.2 % of the pairs are closer than 6 (Coat: 1.67 %).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoatLike {
    /// How many users there are.
    pub users: usize,
    /// How many items there are.
    pub items: usize,
    /// Self-selected ratings of each user in the log.
    pub log_per_user: usize,
    /// Ratings of random items of each user that are held out.
    pub held_out_per_user: usize,
    /// How much likelier an item is logged for each point of its rating (logarithm).
    pub selection: f64,
    /// Standard deviation of logged ratings around the truth, before they are rounded.
    pub noise: f64,
    /// Seeds everything.
    pub seed: u64,
}

impl Default for CoatLike {
    fn default() -> Self {
        Self {
            users: 290,
            items: 300,
            log_per_user: 24,
            held_out_per_user: 16,
            selection: 1.6,
            noise: 0.6,
            seed: 2023,
        }
    }
}

/// How many of Coat's 87,000 pairs have the ratings 1 to 5.
const COAT_COUNTS: [usize; 5] = [12_006, 47_238, 23_287, 4_353, 116];

// Fitted by random search against Coat's distances.
const USER_WEIGHT: f64 = 2.485;
const USER_SKEW: f64 = 0.305;
const ITEM_WEIGHT: f64 = 1.424;
const ITEM_SCALE: f64 = 0.082;
const FACTORS: usize = 12;
const FACTOR_DECAY: f64 = 0.598;
const CELL_NOISE: f64 = 0.19;

impl CoatLike {
    /// Makes the data set.
    ///
    /// # Errors
    /// [`Error::Config`] for sizes that do not go together.
    pub fn generate(&self) -> Result<Source> {
        let (n_users, n_items) = (self.users, self.items);
        check_sizes("coat_like", n_users, n_items, self.log_per_user.max(self.held_out_per_user))?;
        let stream = |purpose| random::stream(self.seed, purpose, 0);
        let mut user_offsets = spread(n_users, &mut stream("coat-like user offsets"));
        user_offsets.iter_mut().for_each(|offset| *offset = (USER_SKEW * *offset).exp());
        standardise(&mut user_offsets);
        let item_offsets = spread(n_items, &mut stream("coat-like item offsets"));
        let scales = spread(n_items, &mut stream("coat-like item scales"));
        let factors = |purpose, n: usize| -> Vec<f64> {
            let mut rng = stream(purpose);
            (0..n * FACTORS).map(|_| normal(&mut rng).into()).collect()
        };
        let (p, q) = (factors("coat-like users", n_users), factors("coat-like items", n_items));
        let mut weights: Vec<f64> = (0..FACTORS).map(|k| FACTOR_DECAY.powi(k as i32)).collect();
        let norm = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
        weights.iter_mut().for_each(|weight| *weight /= norm);
        let mut latent = vec![0.0f64; n_users * n_items];
        latent.par_chunks_mut(n_items).enumerate().for_each(|(user, row)| {
            let mut rng = random::stream(self.seed, "coat-like cells", user as u64);
            for (item, cell) in row.iter_mut().enumerate() {
                let (p, q) = (&p[user * FACTORS..], &q[item * FACTORS..]);
                let product: f64 = (0..FACTORS).map(|k| weights[k] * p[k] * q[k]).sum();
                let own = product + CELL_NOISE * f64::from(normal(&mut rng));
                *cell = USER_WEIGHT * user_offsets[user]
                    + ITEM_WEIGHT * item_offsets[item]
                    + (ITEM_SCALE * scales[item].min(2.35)).exp() * own;
            }
        });
        let truth = Arc::new(RewardMatrix::new(n_users, n_items, cut(&latent))?);

        let appeal = spread(n_items, &mut stream("coat-like appeal"));
        let chosen = choose(self.seed, "coat-like log", n_users, n_items, self.log_per_user, |user, item| {
            self.selection * f64::from(truth.get(user, item)) + 0.55 * appeal[item as usize]
        });
        let drawn =
            choose(self.seed, "coat-like held out", n_users, n_items, self.held_out_per_user, |_, _| 0.0);
        let observed = |pairs: &[(u32, u32)], purpose| {
            let mut rng = stream(purpose);
            let mut log = Log::default();
            for &(user, item) in pairs {
                let rating = f64::from(truth.get(user, item)) + self.noise * f64::from(normal(&mut rng));
                log.push(user, item, rating.round().clamp(1.0, 5.0) as f32);
            }
            log
        };
        let log = observed(&chosen, "coat-like log noise");
        let held_out = observed(&drawn, "coat-like held out noise");

        let random_category = |name: &str, vocabulary: u32, n: usize, purpose| {
            let mut rng = stream(purpose);
            Column {
                name: name.into(),
                vocabulary,
                values: (0..n).map(|_| rng.random_range(0..vocabulary)).collect(),
            }
        };
        let factor =
            |factors: &[f64], k: usize| -> Vec<f64> { factors.chunks(FACTORS).map(|row| row[k]).collect() };
        let users = vec![
            bins("gender", &factor(&p, 1), 2),
            random_category("age", 6, n_users, "coat-like ages"),
            random_category("location", 3, n_users, "coat-like locations"),
            bins("fashion_interest", &user_offsets, 3),
        ];
        let items = vec![
            bins("gender", &factor(&q, 1), 2),
            bins("jacket_type", &factor(&q, 0), 16),
            random_category("color", 13, n_items, "coat-like colors"),
            bins("on_front_page", &appeal, 2),
        ];
        let truth_items = same(n_items);
        let dominant = items.iter().map(|column: &Column| {
            let category = |item: u32| vec![column.values[item as usize]];
            dominance(&column.name, &log, column.vocabulary as usize, &truth_items, category, |_| true)
        });
        let source = Source {
            name: "coat-like".into(),
            distance_truth: Arc::clone(&truth),
            truth,
            popularity: popularity(&log, n_users, n_items, |row| log.targets[row] >= 3.0),
            dominant: dominant.collect(),
            log,
            held_out: Some(held_out),
            target: Target::Rating,
            users: Features { rows: n_users, categorical: users, ..Features::default() },
            items: Features { rows: n_items, categorical: items, ..Features::default() },
            truth_users: same(n_users),
            truth_items,
            tags: None,
            similarity: Similarity::Distance,
            quit: QuitSettings::distance(7, 6.0),
        };
        source.validate()?;
        Ok(source)
    }
}

/// A data set like KuaiRec: watch ratios, 31 tags, users who leave by category.
///
/// A ratio is log-normal in a user's and a video's offset, the user's liking of the video's tags, four factors and
/// noise; over all pairs it has the mean 0.87 and the standard deviation 0.6, and is capped at 5. Videos have 1.18 tags
/// on average. The tags' frequencies are such that a uniformly random policy has episodes of 7.65 turns with a window of
/// 1 and no tag allowed twice, and of 9.8 turns with KuaiRec's published rule (window 9 as a Python slice, threshold 1):
/// both as on the real data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KuaiRecLike {
    /// How many users there are.
    pub users: usize,
    /// How many videos there are.
    pub items: usize,
    /// Self-selected videos of each user in the log.
    pub log_per_user: usize,
    /// Random videos of each user that are held out.
    pub held_out_per_user: usize,
    /// How much likelier a video is logged for each unit of its logarithmic ratio (logarithm).
    pub selection: f64,
    /// Standard deviation of logged ratios around the truth (logarithm).
    pub noise: f64,
    /// Seeds everything.
    pub seed: u64,
}

impl Default for KuaiRecLike {
    fn default() -> Self {
        Self {
            users: 1411,
            items: 3327,
            log_per_user: 200,
            held_out_per_user: 50,
            selection: 1.0,
            noise: 0.2,
            seed: 2023,
        }
    }
}

const TAGS: usize = 31;
/// How many of 1,000 videos have 1 to 4 tags.
const TAGS_PER_ITEM: [usize; 4] = [845, 135, 15, 5];
/// Where tag frequencies fall off, and how steeply; fitted to the two lengths above.
const TAG_BEND: (f64, f64) = (6.35, 6.0);
/// Mean and standard deviation of the watch ratio.
const RATIO: (f64, f64) = (0.8723, 0.6);
/// Shares of the variance of the logarithmic ratio: user, video, tags, factors; the rest is noise.
const SHARES: [f64; 4] = [0.10, 0.32, 0.08, 0.08];

impl KuaiRecLike {
    /// Makes the data set.
    ///
    /// # Errors
    /// [`Error::Config`] for sizes that do not go together.
    pub fn generate(&self) -> Result<Source> {
        let (n_users, n_items) = (self.users, self.items);
        check_sizes("kuairec_like", n_users, n_items, self.log_per_user.max(self.held_out_per_user))?;
        let stream = |purpose| random::stream(self.seed, purpose, 0);
        let tags = tags(n_items, &mut stream("kuairec-like tags"));
        let variance = (1.0 + (RATIO.1 / RATIO.0).powi(2)).ln();
        let mean = RATIO.0.ln() - variance / 2.0;
        let [user_sd, item_sd, tag_sd, factor_sd] = SHARES.map(|share| (variance * share).sqrt());
        let noise_sd = (variance * (1.0 - SHARES.iter().sum::<f64>())).sqrt();
        let user_offsets = spread(n_users, &mut stream("kuairec-like user offsets"));
        let item_offsets = spread(n_items, &mut stream("kuairec-like item offsets"));
        let normals = |purpose, n: usize| -> Vec<f64> {
            let mut rng = stream(purpose);
            (0..n).map(|_| normal(&mut rng).into()).collect()
        };
        let likings = normals("kuairec-like likings", n_users * TAGS);
        let (p, q) = (normals("kuairec-like users", n_users * 4), normals("kuairec-like items", n_items * 4));
        let mut cells = vec![0.0f32; n_users * n_items];
        cells.par_chunks_mut(n_items).enumerate().for_each(|(user, row)| {
            let mut rng = random::stream(self.seed, "kuairec-like cells", user as u64);
            for (item, cell) in row.iter_mut().enumerate() {
                let own = &tags[item];
                let liking: f64 = own.iter().map(|&tag| likings[user * TAGS + tag as usize]).sum();
                let product: f64 = (0..4).map(|k| p[user * 4 + k] * q[item * 4 + k]).sum();
                let logarithm = mean
                    + user_sd * user_offsets[user]
                    + item_sd * item_offsets[item]
                    + tag_sd * liking / (own.len() as f64).sqrt()
                    + factor_sd * product / 2.0
                    + noise_sd * f64::from(normal(&mut rng));
                *cell = logarithm.exp().min(5.0) as f32;
            }
        });
        let truth = Arc::new(RewardMatrix::new(n_users, n_items, cells)?);

        let appeal = spread(n_items, &mut stream("kuairec-like appeal"));
        let chosen =
            choose(self.seed, "kuairec-like log", n_users, n_items, self.log_per_user, |user, item| {
                self.selection * f64::from(truth.get(user, item)).ln() + appeal[item as usize]
            });
        let drawn =
            choose(self.seed, "kuairec-like held out", n_users, n_items, self.held_out_per_user, |_, _| 0.0);
        let mut log = Log::default();
        let mut rng = stream("kuairec-like log noise");
        for (user, item) in chosen {
            let factor = (self.noise * f64::from(normal(&mut rng))).exp();
            log.push(user, item, (f64::from(truth.get(user, item)) * factor) as f32);
        }
        let raw = log.targets.clone();
        let mut held_out = Log::default();
        drawn.into_iter().for_each(|(user, item)| held_out.push(user, item, truth.get(user, item)));
        normalise(&mut log, &mut held_out, n_items);

        let mut rng = stream("kuairec-like durations");
        let durations: Vec<f64> = (0..n_items).map(|_| (0.8 * f64::from(normal(&mut rng))).exp()).collect();
        let longest = durations.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let truth_items = same(n_items);
        let positive = |row: usize| log.targets[row] >= 0.6;
        let dominant =
            dominance("tags", &log, TAGS, &truth_items, |item| tags[item as usize].clone(), positive);
        let source = Source {
            name: "kuairec-like".into(),
            distance_truth: Arc::clone(&truth),
            truth,
            popularity: popularity(&log, n_users, n_items, |row| raw[row] >= 1.0),
            dominant: vec![dominant],
            log,
            held_out: Some(held_out),
            target: Target::Rating,
            users: Features::none(n_users),
            items: Features {
                rows: n_items,
                tags: Some(columns::slots("tags", &tags, TAGS)),
                dense: vec![DenseColumn {
                    name: "duration".into(),
                    values: durations.iter().map(|duration| (duration / longest) as f32).collect(),
                }],
                ..Features::default()
            },
            truth_users: same(n_users),
            truth_items,
            tags: columns::masks(&tags, TAGS),
            similarity: Similarity::Tags,
            quit: QuitSettings::category(9, 1),
        };
        source.validate()?;
        Ok(source)
    }
}

fn check_sizes(key: &str, n_users: usize, n_items: usize, per_user: usize) -> Result<()> {
    for (name, n) in [("users", n_users), ("items", n_items)] {
        if !(2..=1 << 20).contains(&n) {
            return Err(Error::config(format!("{key}.{name}"), format!("is {n}; accepts 2 to 2^20")));
        }
    }
    if n_users.checked_mul(n_items).is_none_or(|cells| cells > 1 << 31) {
        return Err(Error::config(
            format!("{key}.items"),
            format!("is {n_items}: too many for {n_users} users"),
        ));
    }
    match per_user {
        1.. if per_user <= n_items => Ok(()),
        _ => {
            let what = format!("is {per_user}; accepts 1 to the number of items");
            Err(Error::config(format!("{key}.log_per_user"), what))
        }
    }
}

/// `n` standard normal values in random order: the quantiles, so that every draw has the same distribution.
fn spread(n: usize, rng: &mut Random) -> Vec<f64> {
    let mut values: Vec<f64> = (0..n).map(|k| normal_quantile((k as f64 + 0.5) / n as f64)).collect();
    values.shuffle(rng);
    values
}

/// The standard normal quantile, by bisection of a series for the distribution function (error below 1e-9).
fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-9.0, 9.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if normal_probability(middle) < probability { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The standard normal distribution function (Marsaglia 2004).
fn normal_probability(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    (0.5 + sum * (-0.5 * x * x - 0.918_938_533_204_672_7).exp()).clamp(0.0, 1.0)
}

fn standardise(values: &mut [f64]) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    values.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
}

/// Ratings 1 to 5 by rank, in Coat's shares.
fn cut(latent: &[f64]) -> Vec<f32> {
    let mut order: Vec<u32> = (0..latent.len() as u32).collect();
    order.par_sort_unstable_by(|&a, &b| latent[a as usize].total_cmp(&latent[b as usize]).then(a.cmp(&b)));
    let total: usize = COAT_COUNTS.iter().sum();
    let mut cells = vec![5.0; latent.len()];
    let (mut start, mut sum) = (0, 0);
    for (rating, count) in (1..).zip(COAT_COUNTS) {
        sum += count;
        let end = (latent.len() as u128 * sum as u128 / total as u128) as usize;
        order[start..end].iter().for_each(|&cell| cells[cell as usize] = rating as f32);
        start = end;
    }
    cells
}

/// A column of `vocabulary` equally full bins of `values`.
fn bins(name: &str, values: &[f64], vocabulary: u32) -> Column {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut column = vec![0; values.len()];
    for (rank, item) in order.into_iter().enumerate() {
        column[item] = (rank * vocabulary as usize / values.len()) as u32;
    }
    Column { name: name.into(), vocabulary, values: column }
}

/// `per_user` different items of every user, drawn one after the other with a chance proportional to the exponential of
/// `score` (Efraimidis and Spirakis 2006: the largest of independent exponential races).
fn choose(
    seed: u64,
    purpose: &str,
    n_users: usize,
    n_items: usize,
    per_user: usize,
    score: impl Fn(u32, u32) -> f64 + Sync,
) -> Vec<(u32, u32)> {
    let rows = (0..n_users as u32).into_par_iter().map(|user| {
        let mut rng = random::stream(seed, purpose, user.into());
        let mut races: Vec<(f64, u32)> = (0..n_items as u32)
            .map(|item| {
                let arrival: f64 = -(1.0 - rng.random::<f64>()).ln();
                (arrival.ln() - score(user, item), item)
            })
            .collect();
        races.select_nth_unstable_by(per_user - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        races.truncate(per_user);
        races.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        races.into_iter().map(move |(_, item)| (user, item)).collect::<Vec<_>>()
    });
    rows.collect::<Vec<_>>().concat()
}

/// The tags of every video.
fn tags(n_items: usize, rng: &mut Random) -> Vec<Vec<u32>> {
    let weights: Vec<f64> =
        (0..TAGS).map(|tag| 0.01 + 1.0 / (1.0 + (tag as f64 / TAG_BEND.0).powf(TAG_BEND.1))).collect();
    let total: f64 = weights.iter().sum();
    let draw = |rng: &mut Random| {
        let mut left = rng.random::<f64>() * total;
        let found = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        found.unwrap_or(TAGS - 1) as u32
    };
    // First tags in exact shares, so that a small catalogue has the frequencies too.
    let mut first: Vec<u32> = Vec::with_capacity(n_items);
    let mut sum = 0.0;
    for (tag, weight) in (0..).zip(&weights) {
        sum += weight;
        let end = (sum / total * n_items as f64).round() as usize;
        first.resize(end.max(first.len()).min(n_items), tag);
    }
    first.resize(n_items, 0);
    first.shuffle(rng);
    let mut lengths: Vec<usize> = Vec::with_capacity(n_items);
    let mut sum = 0;
    for (length, share) in (1..).zip(TAGS_PER_ITEM) {
        sum += share;
        lengths.resize((n_items * sum).div_ceil(1000).min(n_items), length);
    }
    lengths.shuffle(rng);
    let more = |(first, length): (u32, usize)| {
        let mut own = vec![first];
        while own.len() < length {
            let tag = draw(rng);
            if !own.contains(&tag) {
                own.push(tag);
            }
        }
        own
    };
    first.into_iter().zip(lengths).map(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::ItemDistances;
    use crate::evaluate::play;
    use crate::vec_env::Mode;
    use crate::{Reward, States, WindowMode};

    /// Mean length of episodes in which items are drawn uniformly.
    fn random_length(source: &Source, settings: &QuitSettings, episodes: usize) -> f64 {
        let world = Arc::new(source.world(settings).unwrap());
        let n_items = world.n_items() as u32;
        let mut rng = random::stream(3, "random policy", 0);
        let played = play(&world, Mode::FreeB, episodes, 11, 0, States::new(1), |states, _, items| {
            items.clear();
            items.extend((0..states.len()).map(|_| rng.random_range(0..n_items)));
            Ok(())
        })
        .unwrap();
        let taken: Vec<&[u32]> = played.items().collect();
        let turns: usize = taken.iter().map(|items| items.len()).sum();
        turns as f64 / taken.len() as f64
    }

    #[test]
    fn quantiles_are_those_of_the_normal_distribution() {
        for (probability, quantile) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.001, -3.090_232_306)] {
            assert!((normal_quantile(probability) - quantile).abs() < 1e-8, "{probability}");
        }
    }

    #[test]
    fn the_coat_like_set_has_coats_histogram_and_distances() {
        for seed in [1, 2, 2023] {
            let source = CoatLike { seed, ..CoatLike::default() }.generate().unwrap();
            let mut counts = [0; 5];
            for user in 0..290 {
                (0..300).for_each(|item| counts[source.truth.get(user, item) as usize - 1] += 1);
            }
            assert_eq!(counts, COAT_COUNTS);
            let distances = ItemDistances::of(&source.truth);
            let mut all: Vec<f64> = (0..300)
                .flat_map(|i| (0..300).map(move |j| (i, j)))
                .map(|(i, j)| distances.get(i, j))
                .collect();
            let near = all.iter().filter(|distance| **distance < 6.0).count() as f64 - 300.0;
            let share = near / (300.0 * 299.0);
            assert!((0.011..0.022).contains(&share), "{share}");
            all.sort_by(f64::total_cmp);
            let anchors =
                [(0.1, 7.48331), (0.25, 8.83177), (0.5, 10.67708), (0.75, 13.11488), (0.9, 16.12452)];
            for (at, anchor) in anchors {
                let found = all[(at * (all.len() - 1) as f64) as usize];
                assert!((found / anchor - 1.0).abs() < 0.03, "{at}: {found} for {anchor}");
            }
            let largest = all[all.len() - 1];
            assert!((largest / 30.88689 - 1.0).abs() < 0.1, "{largest}");
        }
    }

    #[test]
    fn a_random_policy_lasts_as_long_as_on_coat() {
        let source = CoatLike::default().generate().unwrap();
        let wrapped = QuitSettings { mode: WindowMode::PythonSlice, ..source.quit };
        // Coat: 12.67 with the wrapped window, 11.63 with the exact one.
        let length = random_length(&source, &wrapped, 4000);
        assert!((length / 12.67 - 1.0).abs() < 0.06, "{length}");
        let length = random_length(&source, &source.quit, 4000);
        assert!((length / 11.63 - 1.0).abs() < 0.06, "{length}");
    }

    #[test]
    fn the_coat_like_log_is_self_selected() {
        let source = CoatLike::default().generate().unwrap();
        let held_out = source.held_out.as_ref().unwrap();
        assert_eq!((source.log.len(), held_out.len()), (290 * 24, 290 * 16));
        let mean = |log: &Log| log.targets.iter().sum::<f32>() / log.len() as f32;
        // Coat: 2.61 for self-selected ratings, 2.23 for random ones.
        assert!((mean(&source.log) - 2.61).abs() < 0.15, "{}", mean(&source.log));
        assert!((mean(held_out) - 2.23).abs() < 0.1, "{}", mean(held_out));
        let mut pairs: Vec<_> = source.log.users.iter().zip(&source.log.items).collect();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), source.log.len());
    }

    #[test]
    fn the_kuairec_like_set_has_kuairecs_ratios_and_tags() {
        let source = KuaiRecLike::default().generate().unwrap();
        let cells: Vec<f64> = (0..1411u32)
            .flat_map(|user| (0..3327u32).map(move |item| (user, item)))
            .map(|(user, item)| source.truth.get(user, item).into())
            .collect();
        let mean = cells.iter().sum::<f64>() / cells.len() as f64;
        let variance = cells.iter().map(|cell| (cell - mean).powi(2)).sum::<f64>() / cells.len() as f64;
        assert!((mean / 0.8723 - 1.0).abs() < 0.02, "{mean}");
        assert!((variance.sqrt() / 0.6 - 1.0).abs() < 0.05, "{}", variance.sqrt());
        assert!(source.truth.range().1 <= 5.0 && source.truth.range().0 > 0.0);
        let tags = source.tags.as_ref().unwrap();
        let per_item = tags.iter().map(|tags| tags.count_ones()).sum::<u32>() as f64 / 3327.0;
        assert!((per_item / 1.18 - 1.0).abs() < 0.01, "{per_item}");
        assert_eq!(tags.iter().fold(0, |all, tags| all | tags).count_ones(), 31);
    }

    #[test]
    fn a_random_policy_lasts_as_long_as_on_kuairec() {
        // The frequencies of the tags decide alone; few users make it quick.
        for seed in [1, 2] {
            let like = KuaiRecLike { users: 20, log_per_user: 50, seed, ..KuaiRecLike::default() };
            let source = like.generate().unwrap();
            let length = random_length(&source, &QuitSettings::category(1, 0), 10_000);
            assert!((length / 7.65 - 1.0).abs() < 0.04, "{length}");
            let published = QuitSettings { mode: WindowMode::PythonSlice, ..QuitSettings::category(9, 1) };
            let length = random_length(&source, &published, 10_000);
            assert!((length / 9.8 - 1.0).abs() < 0.04, "{length}");
        }
    }

    #[test]
    fn the_kuairec_like_log_prefers_what_is_watched_long() {
        let like = KuaiRecLike { users: 60, items: 400, ..KuaiRecLike::default() };
        let source = like.generate().unwrap();
        assert_eq!(source.log.len(), 60 * 200);
        let mean = |log: &Log| {
            let sum: f32 = (0..log.len()).map(|row| source.truth.get(log.users[row], log.items[row])).sum();
            sum / log.len() as f32
        };
        assert!(mean(&source.log) > 1.05 * mean(source.held_out.as_ref().unwrap()));
        assert_eq!(source.log.range(), Some((0.0, 1.0)));
    }

    #[test]
    fn the_seed_decides_and_the_number_of_threads_does_not() {
        let make = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let like = CoatLike { users: 30, items: 40, seed, ..CoatLike::default() };
            let source = pool.install(|| like.generate().unwrap());
            let cells: Vec<f32> = (0..1200).map(|at| source.truth.get(at / 40, at % 40)).collect();
            (cells, source.log)
        };
        assert_eq!(make(1, 5), make(3, 5));
        assert_ne!(make(1, 5).0, make(1, 6).0);
    }

    #[test]
    fn sizes_that_do_not_go_together_are_refused() {
        let error = CoatLike { items: 20, ..CoatLike::default() }.generate().unwrap_err().to_string();
        assert!(error.starts_with("coat_like.log_per_user: is 24"), "{error}");
        assert!(KuaiRecLike { users: 0, ..KuaiRecLike::default() }.generate().is_err());
        assert!(
            CoatLike { log_per_user: 0, held_out_per_user: 0, ..CoatLike::default() }.generate().is_err()
        );
    }
}
