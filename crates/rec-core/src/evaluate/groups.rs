//! Breakdowns: who is served well, and which items are found.

use serde::{Deserialize, Serialize};

use super::named::Named;
use super::rows::Rows;

/// A third of the users, by their number of training interactions (ties by user id).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserGroup {
    /// `low`, `medium` or `high` activity.
    pub name: String,
    /// How many users.
    pub users: usize,
    /// The fewest training interactions of one of them.
    pub least: u32,
    /// The most.
    pub most: u32,
    /// The accuracy metrics, averaged over the group.
    pub values: Named<f64>,
}

/// Items that together have a third of the training interactions, from the most popular to the least (ties by item
/// id): few in the head, many in the tail, which also holds what was never trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemGroup {
    /// `head`, `mid` or `tail`.
    pub name: String,
    /// How many items.
    pub items: usize,
    /// Their share of the training interactions.
    pub train_share: f64,
    /// Their share of the recommendations in [`Evaluation::item_counts`](super::Evaluation::item_counts).
    pub recommended_share: f64,
    /// How many of the users' positives are among them.
    pub positives: usize,
    /// The share of those positives that is found, at each cut-off at which recall was asked for, all users
    /// together. Empty if there are no positives.
    pub recall: Named<f64>,
}

pub(super) const N_ITEM_GROUPS: usize = 3;
const ITEM_GROUP_NAMES: [&str; N_ITEM_GROUPS] = ["head", "mid", "tail"];
const USER_GROUP_NAMES: [&str; 3] = ["low", "medium", "high"];

/// The group of each item and what is known of the groups before any list is seen.
#[derive(Clone, Debug)]
pub(super) struct ItemGroups {
    pub(super) of_items: Vec<u8>,
    items: [usize; N_ITEM_GROUPS],
    train_share: [f64; N_ITEM_GROUPS],
    positives: [usize; N_ITEM_GROUPS],
}

impl ItemGroups {
    pub(super) fn new(train_counts: &[u32], positives: &Rows) -> Self {
        let mut order: Vec<usize> = (0..train_counts.len()).collect();
        order.sort_unstable_by_key(|&item| (std::cmp::Reverse(train_counts[item]), item));
        let total: u64 = train_counts.iter().map(|&count| u64::from(count)).sum();
        let mut groups = Self {
            of_items: vec![0; train_counts.len()],
            items: [0; N_ITEM_GROUPS],
            train_share: [0.0; N_ITEM_GROUPS],
            positives: [0; N_ITEM_GROUPS],
        };
        let mut before = 0_u64;
        for item in order {
            // An item belongs where the mass of those before it ends; without training all are tail.
            let group = (3 * before).checked_div(total).map_or(2, |third| third.min(2) as usize);
            groups.of_items[item] = group as u8;
            groups.items[group] += 1;
            groups.train_share[group] += f64::from(train_counts[item]);
            before += u64::from(train_counts[item]);
        }
        if total > 0 {
            groups.train_share.iter_mut().for_each(|share| *share /= total as f64);
        }
        for item in positives.items() {
            groups.positives[usize::from(groups.of_items[item.index()])] += 1;
        }
        groups
    }

    /// `hits[group][place]` are the positives found at `cutoffs[place]`.
    pub(super) fn report(
        &self,
        names: &[String],
        hits: &[Vec<f64>; N_ITEM_GROUPS],
        item_counts: &[u32],
    ) -> Vec<ItemGroup> {
        let mut recommended = [0_u64; N_ITEM_GROUPS];
        for (item, &count) in item_counts.iter().enumerate() {
            recommended[usize::from(self.of_items[item])] += u64::from(count);
        }
        let all = recommended.iter().sum::<u64>().max(1) as f64;
        (0..N_ITEM_GROUPS)
            .map(|group| ItemGroup {
                name: ITEM_GROUP_NAMES[group].into(),
                items: self.items[group],
                train_share: self.train_share[group],
                recommended_share: recommended[group] as f64 / all,
                positives: self.positives[group],
                recall: names
                    .iter()
                    .zip(&hits[group])
                    .filter(|_| self.positives[group] > 0)
                    .map(|(name, &found)| (name.clone(), found / self.positives[group] as f64))
                    .collect(),
            })
            .collect()
    }
}

/// Thirds of the users by `activity`; `value(column, index)` is an accuracy metric of one user.
pub(super) fn user_groups(
    activity: &[u32],
    names: &[String],
    value: impl Fn(usize, usize) -> f64,
) -> Vec<UserGroup> {
    let n = activity.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&index| activity[index]);
    (0..3)
        .map(|third| (third, &order[n * third / 3..n * (third + 1) / 3]))
        .filter(|(_, members)| !members.is_empty())
        .map(|(third, members)| UserGroup {
            name: USER_GROUP_NAMES[third].into(),
            users: members.len(),
            least: activity[members[0]],
            most: activity[members[members.len() - 1]],
            values: names
                .iter()
                .enumerate()
                .map(|(column, name)| {
                    let sum: f64 = members.iter().map(|&index| value(column, index)).sum();
                    (name.clone(), sum / members.len() as f64)
                })
                .collect(),
        })
        .collect()
}
