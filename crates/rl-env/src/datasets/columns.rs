//! From text and lists to columns of features.

use std::collections::BTreeSet;

use crate::{Column, TagSlots};

/// The column whose values are numbered in the order of their text (of their number, if all are whole numbers).
pub(crate) fn encode(name: &str, texts: &[impl AsRef<str>]) -> Column {
    let numbers: Option<Vec<i64>> = texts.iter().map(|text| text.as_ref().parse().ok()).collect();
    let (vocabulary, values) = match numbers {
        Some(numbers) => ranks(&numbers),
        None => ranks(&texts.iter().map(AsRef::as_ref).collect::<Vec<_>>()),
    };
    Column { name: name.to_owned(), vocabulary, values }
}

/// The column of the tags (each below `vocabulary`) of every row, in as many slots as the longest list needs.
pub(crate) fn slots(name: &str, lists: &[Vec<u32>], vocabulary: usize) -> TagSlots {
    let slots = lists.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let mut values = Vec::with_capacity(lists.len() * slots);
    for list in lists {
        values.extend_from_slice(list);
        values.resize(values.len() + slots - list.len(), TagSlots::EMPTY);
    }
    TagSlots { name: name.to_owned(), vocabulary: vocabulary as u32, slots, values }
}

/// The tags of every row as bits; `None` if there are more than 64 different ones.
pub(crate) fn masks(lists: &[Vec<u32>], vocabulary: usize) -> Option<Vec<u64>> {
    let mask = |list: &Vec<u32>| list.iter().fold(0, |mask, &tag| mask | 1u64 << tag);
    (vocabulary <= 64).then(|| lists.iter().map(mask).collect())
}

/// For each item the mean of its values, which are scaled to [0, 1] over all of them; 0 for an item without any.
pub(crate) fn scaled_means(all: impl Iterator<Item = (u32, f32)> + Clone, n_items: usize) -> Vec<f32> {
    let (low, high) =
        all.clone().fold((f32::MAX, f32::MIN), |(low, high), (_, value)| (low.min(value), high.max(value)));
    let span = if high > low { f64::from(high - low) } else { 1.0 };
    let mut sums = vec![(0.0f64, 0u32); n_items];
    for (item, value) in all {
        let (sum, count) = &mut sums[item as usize];
        *sum += f64::from(value - low) / span;
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| (sum / f64::from(count.max(1))) as f32).collect()
}

/// For every value its place among the distinct values.
fn ranks<T: Ord + Copy>(values: &[T]) -> (u32, Vec<u32>) {
    let distinct: Vec<T> = values.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let place = |value| distinct.partition_point(|&other| other < value) as u32;
    (distinct.len() as u32, values.iter().map(|&value| place(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_and_text_its_own() {
        let column = encode("age", &["10", "9", "10", "-1"]);
        assert_eq!((column.vocabulary, column.values), (3, vec![2, 1, 2, 0]));
        let column = encode("range", &["[10,20)", "0", "[0,10)"]);
        assert_eq!(column.values, [2, 0, 1]);
    }

    #[test]
    fn short_lists_leave_slots_empty() {
        let lists = [vec![2], vec![], vec![0, 1]];
        let column = slots("tags", &lists, 3);
        assert_eq!((column.slots, column.vocabulary), (2, 3));
        assert_eq!(column.values, [2, TagSlots::EMPTY, TagSlots::EMPTY, TagSlots::EMPTY, 0, 1]);
        assert_eq!(masks(&lists, 3), Some(vec![4, 0, 3]));
        assert_eq!(masks(&lists, 65), None);
    }
}
