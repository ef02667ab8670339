//! Splitting interactions into train, validation and test.
//!
//! A [`SplitSpec`] is a line of text (`ratio:0.8,0.1,0.1`, `leave-one-out`, `temporal:0.8,0.9`, `given:FOLDER` …)
//! and [`SplitSpec::split`] applies it to a data set. The result carries a [`Manifest`]: what was asked, on what
//! data, what came out, and a digest by which two implementations can tell whether they hold the same split.
//!
//! **Which splits leak the future.** Only `temporal` is free of it: nothing in train is younger than anything in
//! validation, and nothing in validation younger than anything in test. All others let a model learn from
//! events that happen after the ones it is judged by: `ratio`, `ratio-rows`, `k-fold`, `user-holdout` and
//! `user-k-fold` ignore time, and `leave-one-out` and `ratio-by-time` keep the order within each user but not
//! between users, so that what is popular next month is known today. `temporal-by-user` has a clean test part,
//! but its validation part leaks as `ratio-by-time` does. Use `temporal` to claim how a recommender would do in
//! service; use the others to compare with published numbers.
//!
//! **Order.** Where time decides, equal times keep the order of the rows in the data set. Splits by the order of
//! time within users (`leave-one-out`, `ratio-by-time`) take the order of the rows for the order of time where
//! the data set has no times; `temporal` asks for times. In every part rows stand in the order of the data set.

mod rules;
mod spec;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use rules::ratio_counts;
pub use spec::{Group, LeaveOneOut, Order, Shares, SplitSpec};

use crate::digest::hex;
use crate::{Dataset, Error, IdMap, Interactions, Result};

/// Train, validation and test rows over the same id space.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What models learn from.
    pub train: Interactions,
    /// What they are selected by.
    pub valid: Interactions,
    /// What they are judged by.
    pub test: Interactions,
    /// What is known of users that are not in train, when they are judged (`user-holdout` and `user-k-fold`):
    /// their history at validation and test, never to be learnt from. Empty for all other splits.
    pub fold_in: Interactions,
    /// How the split was made.
    pub manifest: Manifest,
}

/// What was asked, on what data, and what came out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The split as text; see [`SplitSpec`].
    pub spec: String,
    /// The seed.
    pub seed: u64,
    /// The data set's name.
    pub dataset: String,
    /// [`Dataset::sha256`] of the data set.
    pub source_sha256: String,
    /// Users of the data set.
    pub users: usize,
    /// Items of the data set.
    pub items: usize,
    /// Rows in train.
    pub train: usize,
    /// Rows in validation.
    pub valid: usize,
    /// Rows in test.
    pub test: usize,
    /// Rows known of held-out users.
    #[serde(default)]
    pub fold_in: usize,
    /// [`pairs_sha256`] of the parts.
    pub split_sha256: String,
}

impl Split {
    /// The split of `dataset` into the given rows (train, validation, test, fold-in).
    ///
    /// # Errors
    /// [`Error::Invalid`] where train or test has no row (validation for `leave-one-out:valid-only`).
    pub(crate) fn from_rows(
        dataset: &Dataset,
        spec: &SplitSpec,
        seed: u64,
        rows: &[Vec<usize>; 4],
    ) -> Result<Self> {
        let judged = if *spec == SplitSpec::LeaveOneOut(LeaveOneOut::ValidOnly) { 1 } else { 2 };
        for (part, name) in [(0, "train"), (judged, if judged == 1 { "valid" } else { "test" })] {
            if rows[part].is_empty() {
                let n = dataset.interactions.len();
                let what =
                    format!("split {spec}: the {name} part of the {n} rows of {} is empty", dataset.name);
                return Err(Error::Invalid { what });
            }
        }
        let [train, valid, test, fold_in] = rows.each_ref().map(|rows| dataset.interactions.select(rows));
        let parts = [("train", &train), ("valid", &valid), ("test", &test), ("fold-in", &fold_in)];
        let parts = if fold_in.is_empty() { &parts[..3] } else { &parts[..] };
        let manifest = Manifest {
            spec: spec.to_string(),
            seed,
            dataset: dataset.name.clone(),
            source_sha256: dataset.sha256(),
            users: dataset.n_users(),
            items: dataset.n_items(),
            train: train.len(),
            valid: valid.len(),
            test: test.len(),
            fold_in: fold_in.len(),
            split_sha256: pairs_sha256(parts, &dataset.users, &dataset.items),
        };
        Ok(Self { train, valid, test, fold_in, manifest })
    }
}

/// SHA-256 over the pairs of every part: its name and a newline, then `user<TAB>item<NEWLINE>` for each row, by
/// outside names, sorted by user and then item. Whole numbers sort by value and stand before other names, which
/// sort by their bytes.
pub fn pairs_sha256(parts: &[(&str, &Interactions)], users: &IdMap, items: &IdMap) -> String {
    let (user_ranks, item_ranks) = (ranks(users), ranks(items));
    let mut hasher = Sha256::new();
    for (name, rows) in parts {
        hasher.update(name.as_bytes());
        hasher.update(b"\n");
        let mut pairs: Vec<(u32, u32)> = rows
            .pairs()
            .map(|(user, item)| (user_ranks.of[user.index()], item_ranks.of[item.index()]))
            .collect();
        pairs.sort_unstable();
        for (user, item) in pairs {
            hasher.update(users.token(user_ranks.ids[user as usize]).as_bytes());
            hasher.update(b"\t");
            hasher.update(items.token(item_ranks.ids[item as usize]).as_bytes());
            hasher.update(b"\n");
        }
    }
    hex(&hasher.finalize())
}

/// The sorted order of a map's tokens, both ways.
struct Ranks {
    /// Ids in order.
    ids: Vec<u32>,
    /// The position of each id in `ids`.
    of: Vec<u32>,
}

fn ranks(map: &IdMap) -> Ranks {
    let mut ids: Vec<u32> = (0..map.len() as u32).collect();
    ids.sort_unstable_by_key(|&id| token_key(map.token(id)));
    let mut of = vec![0; ids.len()];
    for (rank, &id) in (0..).zip(&ids) {
        of[id as usize] = rank;
    }
    Ranks { ids, of }
}

/// Whole numbers by value, then everything else by bytes. Numbers of any length compare by their digits.
fn token_key(token: &str) -> (bool, usize, &str, &str) {
    if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = token.trim_start_matches('0');
        (false, digits.len(), digits, token)
    } else {
        (true, 0, "", token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ItemId, UserId};

    #[test]
    fn tokens_sort_by_value_and_then_by_text() {
        let map: IdMap = ["10", "9", "b", "a", "09", "0"].into_iter().collect();
        let order = ranks(&map);
        let sorted: Vec<&str> = order.ids.iter().map(|&id| map.token(id)).collect();
        assert_eq!(sorted, ["0", "09", "9", "10", "a", "b"]);
        assert_eq!(order.of, [3, 2, 5, 4, 1, 0]);
    }

    #[test]
    fn the_digest_is_of_the_sorted_lines() {
        let users: IdMap = ["10", "9"].into_iter().collect();
        let items: IdMap = ["2", "1"].into_iter().collect();
        let rows = |pairs: &[(u32, u32)]| {
            let (users, items) = pairs.iter().map(|&(user, item)| (UserId(user), ItemId(item))).unzip();
            Interactions::from_pairs(users, items)
        };
        let (train, test) = (rows(&[(0, 0), (0, 1), (1, 0)]), rows(&[(1, 1)]));
        let parts = [("train", &train), ("valid", &rows(&[])), ("test", &test)];
        let text = "train\n9\t2\n10\t1\n10\t2\nvalid\ntest\n9\t1\n";
        assert_eq!(pairs_sha256(&parts, &users, &items), hex(&Sha256::digest(text.as_bytes())));
    }
}
