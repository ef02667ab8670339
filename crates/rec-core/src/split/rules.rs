//! The rules behind each [`SplitSpec`].

use rand::seq::SliceRandom;

use super::{Group, LeaveOneOut, Order, Shares, Split, SplitSpec};
use crate::random::stream;
use crate::{Dataset, Error, Result, UserId, read};

/// How many of `n` rows go to train, validation and test.
///
/// Validation and test get the whole part of their share, train the rest. Then, test first, a part that has a
/// share but no row gets one from train, as long as train has more than one: 5 rows by 0.8/0.1/0.1 are 3/1/1, 2
/// are 1/0/1, 1 is 1/0/0. A share that misses a whole number by rounding noise only (0.1 of 30 computed as
/// 2.9999999999999996) counts as that number.
pub fn ratio_counts(n: usize, shares: Shares) -> [usize; 3] {
    let sum = shares.train + shares.valid + shares.test;
    let whole = |share: f64| {
        let exact = share * n as f64 / sum;
        ((exact + 1e-9 + 1e-12 * exact).floor() as usize).min(n)
    };
    let test = whole(shares.test);
    let valid = whole(shares.valid).min(n - test);
    let mut counts = [n - valid - test, valid, test];
    for (part, share) in [(2, shares.test), (1, shares.valid)] {
        if counts[0] > 1 && counts[part] == 0 && share > 0.0 {
            counts[part] = 1;
            counts[0] -= 1;
        }
    }
    counts
}

/// The rows of each part; `rows[3]` = fold-in.
#[derive(Default)]
struct Parts([Vec<usize>; 4]);

impl Parts {
    /// Deals consecutive slices of `rows` to train, validation and test.
    fn deal(&mut self, rows: &[usize], counts: [usize; 3]) {
        let (train, rest) = rows.split_at(counts[0]);
        let (valid, test) = rest.split_at(counts[1]);
        self.0[0].extend(train);
        self.0[1].extend(valid);
        self.0[2].extend(test);
    }
}

/// The rows of each user, in the order of the data set.
struct ByUser {
    offsets: Vec<usize>,
    rows: Vec<usize>,
}

impl ByUser {
    fn new(dataset: &Dataset) -> Self {
        let users = &dataset.interactions.users;
        let mut offsets = vec![0; dataset.n_users() + 1];
        for user in users {
            offsets[user.index() + 1] += 1;
        }
        for user in 0..dataset.n_users() {
            offsets[user + 1] += offsets[user];
        }
        let mut cursor = offsets.clone();
        let mut rows = vec![0; users.len()];
        for (row, user) in users.iter().enumerate() {
            rows[cursor[user.index()]] = row;
            cursor[user.index()] += 1;
        }
        Self { offsets, rows }
    }

    fn of(&self, user: UserId) -> &[usize] {
        &self.rows[self.offsets[user.index()]..self.offsets[user.index() + 1]]
    }

    /// Users with at least one row.
    fn users(&self) -> impl Iterator<Item = UserId> + '_ {
        (0..self.offsets.len() - 1).map(UserId::from_index).filter(|&user| !self.of(user).is_empty())
    }
}

/// Sorts `rows` by time, equal times by row; leaves them alone where there are no times.
fn sort_by_time(rows: &mut [usize], dataset: &Dataset) {
    rows.sort_unstable();
    if let Some(times) = &dataset.interactions.timestamps {
        // Never NaN: `split` checks before anything is sorted.
        rows.sort_by(|&a, &b| times[a].partial_cmp(&times[b]).unwrap_or(std::cmp::Ordering::Equal));
    }
}

fn ordered(
    rows: &[usize],
    order: Order,
    dataset: &Dataset,
    seed: u64,
    purpose: &str,
    index: u64,
) -> Vec<usize> {
    let mut rows = rows.to_vec();
    match order {
        Order::Random => rows.shuffle(&mut stream(seed, purpose, index)),
        Order::Time => sort_by_time(&mut rows, dataset),
    }
    rows
}

impl SplitSpec {
    /// Splits `dataset`. The same data set, split and seed give the same result.
    ///
    /// # Errors
    /// [`Error::Config`] for a split whose values are out of range; [`Error::Invalid`] where train or test
    /// would be empty, or `temporal` meets a data set without times; for `given` the errors of
    /// [`read::parts`].
    pub fn split(&self, dataset: &Dataset, seed: u64) -> Result<Split> {
        self.validate()?;
        dataset.validate()?;
        let Parts(mut rows) = match self {
            Self::Ratio { shares, order, group } => ratio(dataset, *shares, *order, *group, seed),
            Self::LeaveOneOut(which) => leave_one_out(dataset, *which),
            Self::TemporalQuantiles(valid, test) => {
                let times = times_of(dataset, self)?;
                let test = quantile(times, *test);
                cut(times, valid.map_or(test, |valid| quantile(times, valid)), test)
            }
            Self::TemporalTimes(valid, test) => cut(times_of(dataset, self)?, valid.unwrap_or(*test), *test),
            Self::TemporalByUser(shares) => temporal_by_user(dataset, times_of(dataset, self)?, *shares),
            Self::UserHoldout { shares, fold_in } => {
                let users = shuffled_users(dataset, seed);
                let [train, valid, _] = ratio_counts(users.len(), *shares);
                hold_out(dataset, &users, *fold_in, seed, |position| {
                    if position < train { 0 } else { 1 + usize::from(position >= train + valid) }
                })
            }
            Self::KFold { folds, fold } => k_fold(dataset, *folds, *fold, seed),
            Self::UserKFold { folds, fold, fold_in } => {
                let users = shuffled_users(dataset, seed);
                hold_out(dataset, &users, *fold_in, seed, |position| part_of_fold(position, *folds, *fold))
            }
            Self::Given(folder) => {
                Parts(read::part_rows(folder, &read::atomic::Options::default(), dataset)?)
            }
        };
        rows.iter_mut().for_each(|rows| rows.sort_unstable());
        Split::from_rows(dataset, self, seed, &rows)
    }
}

fn ratio(dataset: &Dataset, shares: Shares, order: Order, group: Group, seed: u64) -> Parts {
    let mut parts = Parts::default();
    match group {
        Group::User => {
            let by_user = ByUser::new(dataset);
            for user in by_user.users() {
                let rows = ordered(by_user.of(user), order, dataset, seed, "split", user.0.into());
                parts.deal(&rows, ratio_counts(rows.len(), shares));
            }
        }
        Group::Rows => {
            let all: Vec<usize> = (0..dataset.interactions.len()).collect();
            let rows = ordered(&all, order, dataset, seed, "split rows", 0);
            parts.deal(&rows, ratio_counts(rows.len(), shares));
        }
    }
    parts
}

fn leave_one_out(dataset: &Dataset, which: LeaveOneOut) -> Parts {
    let by_user = ByUser::new(dataset);
    let mut parts = Parts::default();
    for user in by_user.users() {
        let mut rows = by_user.of(user).to_vec();
        sort_by_time(&mut rows, dataset);
        let n = rows.len();
        let counts = match (which, n) {
            (_, 1) => [1, 0, 0],
            (LeaveOneOut::ValidAndTest, 2) | (LeaveOneOut::TestOnly, _) => [n - 1, 0, 1],
            (LeaveOneOut::ValidAndTest, _) => [n - 2, 1, 1],
            (LeaveOneOut::ValidOnly, _) => [n - 1, 1, 0],
        };
        parts.deal(&rows, counts);
    }
    parts
}

fn times_of<'a>(dataset: &'a Dataset, spec: &SplitSpec) -> Result<&'a [f64]> {
    dataset.interactions.timestamps.as_deref().ok_or_else(|| {
        let what = format!("split {spec}: {} has no times; use ratio or leave-one-out", dataset.name);
        Error::Invalid { what }
    })
}

/// The time of the first row at or after the share `q` of all rows by time; infinite for no rows.
fn quantile(times: &[f64], q: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let position = (q * sorted.len() as f64 + 1e-9).floor() as usize;
    sorted.get(position.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::INFINITY)
}

/// train < `valid` <= validation < `test` <= test.
fn cut(times: &[f64], valid: f64, test: f64) -> Parts {
    let mut parts = Parts::default();
    for (row, &time) in times.iter().enumerate() {
        let part = if time >= test { 2 } else { usize::from(time >= valid) };
        parts.0[part].push(row);
    }
    parts
}

/// RecBole's `TS` split, with the boundary applied to the rows it was computed from.
fn temporal_by_user(dataset: &Dataset, times: &[f64], shares: Shares) -> Parts {
    let sum = shares.train + shares.valid + shares.test;
    let boundary = quantile(times, 1.0 - shares.test / sum);
    let before = Shares { test: 0.0, ..shares };
    let by_user = ByUser::new(dataset);
    let mut parts = Parts::default();
    for user in by_user.users() {
        let (mut earlier, later): (Vec<usize>, Vec<usize>) =
            by_user.of(user).iter().partition(|&&row| times[row] < boundary);
        sort_by_time(&mut earlier, dataset);
        parts.deal(&earlier, ratio_counts(earlier.len(), before));
        parts.0[2].extend(later);
    }
    parts
}

fn shuffled_users(dataset: &Dataset, seed: u64) -> Vec<UserId> {
    let mut users: Vec<UserId> = ByUser::new(dataset).users().collect();
    users.shuffle(&mut stream(seed, "split users", 0));
    users
}

/// `part(position)` gives the part (0, 1, 2) of the user at that position; users of parts 1 and 2 are held out.
fn hold_out(
    dataset: &Dataset,
    users: &[UserId],
    fold_in: f64,
    seed: u64,
    part: impl Fn(usize) -> usize,
) -> Parts {
    let by_user = ByUser::new(dataset);
    let known = Shares { train: fold_in, valid: 0.0, test: 1.0 - fold_in };
    let mut parts = Parts::default();
    for (position, &user) in users.iter().enumerate() {
        let part = part(position);
        if part == 0 {
            parts.0[0].extend(by_user.of(user));
            continue;
        }
        let rows = ordered(by_user.of(user), Order::Random, dataset, seed, "split", user.0.into());
        let [n_known, ..] = ratio_counts(rows.len(), known);
        parts.0[3].extend(&rows[..n_known]);
        parts.0[part].extend(&rows[n_known..]);
    }
    parts
}

/// The fold itself is test, the next one validation.
fn part_of_fold(position: usize, folds: usize, fold: usize) -> usize {
    match (position % folds + folds - fold) % folds {
        0 => 2,
        1 => 1,
        _ => 0,
    }
}

fn k_fold(dataset: &Dataset, folds: usize, fold: usize, seed: u64) -> Parts {
    let by_user = ByUser::new(dataset);
    let mut parts = Parts::default();
    // Dealing goes on from user to user, so that the folds differ by one row at most.
    let mut position = 0;
    for user in by_user.users() {
        for row in ordered(by_user.of(user), Order::Random, dataset, seed, "split", user.0.into()) {
            parts.0[part_of_fold(position, folds, fold)].push(row);
            position += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdMap, Interactions, ItemId};

    /// One user a list; item = row number; times as given.
    fn data(times: &[&[f64]]) -> Dataset {
        let mut rows = Interactions { timestamps: Some(Vec::new()), ..Interactions::default() };
        for (user, times) in times.iter().enumerate() {
            for &time in *times {
                rows.items.push(ItemId::from_index(rows.users.len()));
                rows.users.push(UserId::from_index(user));
                rows.timestamps.as_mut().unwrap().push(time);
            }
        }
        let (users, items) = (IdMap::numbered(times.len()), IdMap::numbered(rows.len()));
        Dataset { name: "t".into(), interactions: rows, users, items, ..Dataset::default() }
    }

    fn items(rows: &Interactions) -> Vec<u32> {
        rows.items.iter().map(|item| item.0).collect()
    }

    fn split(text: &str, data: &Dataset, seed: u64) -> Split {
        text.parse::<SplitSpec>().unwrap().split(data, seed).unwrap()
    }

    const EIGHTY: Shares = Shares { train: 0.8, valid: 0.1, test: 0.1 };

    #[test]
    fn ratio_rule() {
        let cases = [
            (0, [0, 0, 0]),
            (1, [1, 0, 0]),
            (2, [1, 0, 1]),
            (3, [1, 1, 1]),
            (5, [3, 1, 1]),
            (9, [7, 1, 1]),
            (10, [8, 1, 1]),
            (19, [17, 1, 1]),
            (30, [24, 3, 3]),
        ];
        for (n, expected) in cases {
            assert_eq!(ratio_counts(n, EIGHTY), expected, "{n}");
        }
        assert_eq!(ratio_counts(7, Shares { train: 0.8, valid: 0.0, test: 0.2 }), [6, 0, 1]);
        assert_eq!(ratio_counts(10, Shares { train: 8.0, valid: 1.0, test: 1.0 }), [8, 1, 1]);
    }

    #[test]
    fn ratio_rule_is_exact_despite_floats() {
        // Tenths of n against integer arithmetic, for every split into three tenths.
        for (a, b, c) in (1..9).flat_map(|b| (1..10 - b).map(move |c| (10 - b - c, b, c))) {
            let shares = Shares { train: a as f64 / 10.0, valid: b as f64 / 10.0, test: c as f64 / 10.0 };
            for n in (10..2_000).chain([99_990, 1_000_000, 12_345_670]) {
                let expected = [n - n * b / 10 - n * c / 10, n * b / 10, n * c / 10];
                assert_eq!(ratio_counts(n, shares), expected, "{n} by {shares}");
            }
        }
    }

    #[test]
    fn ratio_by_time_takes_the_oldest_first_and_ties_by_row() {
        let data = data(&[&[5.0, 1.0, 5.0, 5.0, 9.0], &[2.0]]);
        let split = split("ratio-by-time:0.6,0.2,0.2", &data, 1);
        assert_eq!(items(&split.train), [0, 1, 2, 5]);
        assert_eq!(items(&split.valid), [3]);
        assert_eq!(items(&split.test), [4]);
    }

    #[test]
    fn leave_one_out_variants() {
        let mut data = data(&[&[3.0, 1.0, 2.0], &[1.0, 0.0], &[7.0]]);
        let all = split("leave-one-out", &data, 1);
        assert_eq!(
            (items(&all.train), items(&all.valid), items(&all.test)),
            (vec![1, 4, 5], vec![2], vec![0, 3])
        );
        let test = split("leave-one-out:test-only", &data, 1);
        assert_eq!((items(&test.train), items(&test.test)), (vec![1, 2, 4, 5], vec![0, 3]));
        assert!(test.valid.is_empty());
        let valid = split("leave-one-out:valid-only", &data, 1);
        assert_eq!((items(&valid.valid), valid.test.len()), (vec![0, 3], 0));
        data.interactions.timestamps = None;
        let by_row = split("leave-one-out", &data, 1);
        assert_eq!((items(&by_row.valid), items(&by_row.test)), (vec![1], vec![2, 4]));
    }

    #[test]
    fn temporal_cuts() {
        let data = data(&[&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 9.0]]);
        let quantiles = split("temporal:0.5,0.8", &data, 1);
        assert_eq!(items(&quantiles.train), [0, 1, 2, 3, 4]);
        assert_eq!(items(&quantiles.valid), [5, 6, 7]);
        assert_eq!(items(&quantiles.test), [8, 9]);
        // Rows with the time of the cut-off are all on its later side.
        let tied = split("temporal:0.9", &data, 1);
        assert_eq!((tied.valid.len(), items(&tied.test)), (0, vec![8, 9]));
        let times = split("temporal-at:2.5,9", &data, 1);
        assert_eq!((items(&times.train), items(&times.test)), (vec![0, 1], vec![8, 9]));
        let by_user = split("temporal-by-user:0.4,0.4,0.2", &data, 1);
        assert_eq!(items(&by_user.train), [0, 1, 2, 5, 6]);
        assert_eq!(items(&by_user.valid), [3, 4, 7]);
        assert_eq!(items(&by_user.test), [8, 9]);
        let error = "temporal-at:100,200".parse::<SplitSpec>().unwrap().split(&data, 1).unwrap_err();
        assert!(error.to_string().contains("the test part of the 10 rows of t is empty"), "{error}");
        let bare = Dataset {
            interactions: Interactions { timestamps: None, ..data.interactions.clone() },
            ..data.clone()
        };
        let error = "temporal:0.8,0.9".parse::<SplitSpec>().unwrap().split(&bare, 1).unwrap_err();
        assert!(error.to_string().contains("has no times"), "{error}");
    }

    #[test]
    fn held_out_users_are_not_in_train() {
        let data = data(&[&[0.0; 10][..]; 20]);
        let split = split("user-holdout:0.6,0.2,0.2", &data, 3);
        let users = |rows: &Interactions| {
            let mut users: Vec<u32> = rows.users.iter().map(|user| user.0).collect();
            users.dedup();
            users
        };
        let (train, valid, test) = (users(&split.train), users(&split.valid), users(&split.test));
        assert_eq!((train.len(), valid.len(), test.len()), (12, 4, 4));
        assert_eq!((split.valid.len(), split.test.len(), split.fold_in.len()), (8, 8, 64));
        assert!(valid.iter().chain(&test).all(|user| !train.contains(user)));
        let mut held: Vec<u32> = valid.iter().chain(&test).copied().collect();
        held.sort_unstable();
        assert_eq!(users(&split.fold_in), held);
        assert_eq!(split.manifest.fold_in, 64);
    }

    #[test]
    fn folds_cover_every_row_once() {
        let data = data(&[&[0.0; 7], &[0.0; 4], &[0.0; 6]]);
        let mut tested = Vec::new();
        for fold in 0..4 {
            let this = split(&format!("k-fold:4,{fold}"), &data, 9);
            assert!((4..=5).contains(&this.test.len()));
            assert_eq!(this.train.len() + this.valid.len() + this.test.len(), 17);
            let next = split(&format!("k-fold:4,{}", (fold + 1) % 4), &data, 9);
            assert_eq!(this.valid, next.test);
            tested.extend(items(&this.test));
        }
        tested.sort_unstable();
        assert_eq!(tested, (0..17).collect::<Vec<_>>());
        let folded = split("user-k-fold:3,1,fold-in=0.5", &data, 9);
        assert_eq!(folded.train.len() + folded.valid.len() + folded.test.len() + folded.fold_in.len(), 17);
    }

    #[test]
    fn one_seed_one_split() {
        let data = data(&[&[0.0; 40], &[0.0; 40]]);
        let first = split("ratio:0.8,0.1,0.1", &data, 7);
        assert_eq!(first, split("ratio:0.8,0.1,0.1", &data, 7));
        let other = split("ratio:0.8,0.1,0.1", &data, 8);
        assert_ne!(first.manifest.split_sha256, other.manifest.split_sha256);
        assert_eq!(first.manifest.source_sha256, other.manifest.source_sha256);
        assert_eq!((first.manifest.train, first.manifest.valid, first.manifest.test), (64, 8, 8));
        // Users are shuffled apart from each other.
        let of = |user: u32| -> Vec<u32> {
            first.test.pairs().filter(|(u, _)| u.0 == user).map(|(_, item)| item.0 % 40).collect()
        };
        assert_ne!(of(0), of(1));
    }

    #[test]
    fn empty_parts_are_errors() {
        let data = data(&[&[1.0], &[1.0]]);
        for text in ["ratio:0.8,0.1,0.1", "leave-one-out", "leave-one-out:valid-only", "temporal:0.8,0.9"] {
            let error = text.parse::<SplitSpec>().unwrap().split(&data, 1).unwrap_err();
            assert!(error.to_string().contains("is empty"), "{text}: {error}");
        }
    }
}
