//! A sparse item-item matrix, the form in which neighbourhood and linear models keep their weights.

use rec_core::ItemId;

/// Weights from the items of a history (rows) to the items they speak for (columns), in compressed sparse rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseItemItem {
    /// Row `i` is `offsets[i]..offsets[i + 1]`; `n_items + 1` entries.
    pub(crate) offsets: Vec<u64>,
    /// The columns of each row, ascending.
    pub(crate) targets: Vec<u32>,
    /// The weights beside [`SparseItemItem::targets`].
    pub(crate) values: Vec<f32>,
}

impl SparseItemItem {
    /// From the columns: for each target item the items that speak for it, in any order.
    ///
    /// # Panics
    /// If an item is not below the number of targets.
    pub fn from_targets(columns: &[Vec<(ItemId, f32)>]) -> Self {
        let n_items = columns.len();
        let mut offsets = vec![0u64; n_items + 1];
        for (source, _) in columns.iter().flatten() {
            offsets[source.index() + 1] += 1;
        }
        for item in 0..n_items {
            offsets[item + 1] += offsets[item];
        }
        let total = offsets[n_items] as usize;
        let mut cursor = offsets.clone();
        let mut targets = vec![0; total];
        let mut values = vec![0.0; total];
        for (target, column) in columns.iter().enumerate() {
            for &(source, weight) in column {
                let place = &mut cursor[source.index()];
                targets[*place as usize] = target as u32;
                values[*place as usize] = weight;
                *place += 1;
            }
        }
        Self { offsets, targets, values }
    }

    /// The number of items (rows and columns).
    pub fn n_items(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// How many weights are kept.
    pub fn n_weights(&self) -> usize {
        self.values.len()
    }

    /// The items that `source` speaks for, ascending, and with which weights.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn row(&self, source: ItemId) -> impl ExactSizeIterator<Item = (ItemId, f32)> + '_ {
        let range = self.offsets[source.index()] as usize..self.offsets[source.index() + 1] as usize;
        let (targets, values) = (&self.targets[range.clone()], &self.values[range]);
        targets.iter().zip(values).map(|(&target, &weight)| (ItemId(target), weight))
    }

    /// Overwrites `scores` with the sum of the rows of `items`.
    pub(crate) fn score(&self, items: &[ItemId], scores: &mut [f32]) {
        scores.fill(0.0);
        for &item in items {
            for (target, weight) in self.row(item) {
                scores[target.index()] += weight;
            }
        }
    }

    /// All weights, row-major `[n_items, n_items]`.
    pub fn to_dense(&self) -> Vec<f32> {
        let n_items = self.n_items();
        let mut dense = vec![0.0; n_items * n_items];
        for source in 0..n_items {
            for (target, weight) in self.row(ItemId::from_index(source)) {
                dense[source * n_items + target.index()] = weight;
            }
        }
        dense
    }
}

/// Cuts a list to the `k` entries whose weights are largest in magnitude (equal ones by id), in no particular order.
pub(crate) fn keep_largest(entries: &mut Vec<(ItemId, f32)>, k: usize) {
    if entries.len() > k {
        entries.select_nth_unstable_by(k - 1, |a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        entries.truncate(k);
    }
}
