//! When a user has enough: the latest items resemble each other too much.

use crate::bits::BitMatrix;

/// Which part of an episode's history a quit rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowMode {
    /// The last N items, or all if there are fewer.
    #[default]
    Exact,
    /// What Python's `history[t - N : t]` gives over the list of the `t` items so far, whose negative start counts from
    /// its end: `history[2 t - N..]` while `t < N` (see [`Compat::window_slice`](crate::Compat)).
    PythonSlice,
}

/// The part of `taken` that a rule with a window of `n` looks at.
///
/// `taken` holds the items of this episode so far, so its length is the turn `t`.
#[inline]
pub fn window(taken: &[u32], n: usize, mode: WindowMode) -> &[u32] {
    let t = taken.len();
    let start = match mode {
        WindowMode::Exact => t.saturating_sub(n),
        // A negative start counts from the end of the list, which has t items.
        WindowMode::PythonSlice if t < n => (2 * t).saturating_sub(n),
        WindowMode::PythonSlice => t - n,
    };
    &taken[start..]
}

/// What makes a user leave.
#[derive(Clone, Debug)]
pub enum QuitRule {
    /// Nobody leaves before the turn limit.
    Never,
    /// Some item of the window is too close to the new one: `rows` are items, a bit is set where
    /// `|M[:, i] - M[:, j]| < threshold`. An item is too close to itself.
    Distance(BitMatrix),
    /// Some tag of the new item occurs more than `threshold` times among the tags of the window's items.
    Category {
        /// For each item its tags as bits: tag `c` is bit `c`.
        tags: Vec<u64>,
        /// How often a tag may occur.
        threshold: u32,
    },
}

/// A rule and the window it looks at.
#[derive(Clone, Debug)]
pub struct Quit {
    /// What makes a user leave.
    pub rule: QuitRule,
    /// How many of the latest items count.
    pub window: usize,
    /// How the window is cut at the start of an episode.
    pub mode: WindowMode,
}

impl Quit {
    /// Whether the user leaves on `item` after `taken` (this episode's items before it, oldest first). Nobody leaves on
    /// the first turn.
    #[inline]
    pub fn quits(&self, item: u32, taken: &[u32]) -> bool {
        let window = window(taken, self.window, self.mode);
        match &self.rule {
            QuitRule::Never => false,
            QuitRule::Distance(close) => window.iter().any(|&other| close.get(item as usize, other as usize)),
            QuitRule::Category { tags, threshold } => {
                let mut left = tags[item as usize];
                while left != 0 {
                    let tag = left & left.wrapping_neg();
                    let count = window.iter().filter(|&&other| tags[other as usize] & tag != 0).count();
                    if count > *threshold as usize {
                        return true;
                    }
                    left ^= tag;
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrapped_window_has_the_lengths_that_were_measured_on_the_reference() {
        let taken: Vec<u32> = (0..30).collect();
        let lengths =
            |n: usize, mode| -> Vec<usize> { (1..=10).map(|t| window(&taken[..t], n, mode).len()).collect() };
        assert_eq!(lengths(7, WindowMode::PythonSlice), [1, 2, 3, 3, 2, 1, 7, 7, 7, 7]);
        assert_eq!(lengths(9, WindowMode::PythonSlice), [1, 2, 3, 4, 4, 3, 2, 1, 9, 9]);
        assert_eq!(lengths(9, WindowMode::Exact), [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
    }
}
