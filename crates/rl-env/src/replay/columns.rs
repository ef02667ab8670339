//! A replay as named columns, for checkpoints.

use std::collections::BTreeMap;

use super::Replay;
use crate::{Error, Result};

/// The content of a [`Replay`] as named columns, for a file.
pub(crate) struct ReplayColumns {
    pub floats: BTreeMap<&'static str, Vec<f32>>,
    pub words: BTreeMap<&'static str, Vec<u32>>,
    pub small: BTreeMap<&'static str, Vec<u8>>,
    pub written: Vec<usize>,
}

const COLUMNS: [&str; 11] = [
    "before.items",
    "before.rewards",
    "before.lengths",
    "after.items",
    "after.rewards",
    "after.lengths",
    "users",
    "actions",
    "vectors",
    "rewards",
    "ended",
];

impl ReplayColumns {
    /// The column called `name`, if there is one.
    pub fn name(name: &str) -> Option<&'static str> {
        COLUMNS.into_iter().find(|known| *known == name)
    }
}

impl Replay {
    /// Everything in it.
    pub(crate) fn columns(&self) -> ReplayColumns {
        let ended = self.terminated.iter().zip(&self.truncated);
        ReplayColumns {
            floats: BTreeMap::from([
                ("before.rewards", self.before.rewards.clone()),
                ("after.rewards", self.after.rewards.clone()),
                ("vectors", self.vectors.clone()),
                ("rewards", self.rewards.clone()),
            ]),
            words: BTreeMap::from([
                ("before.items", self.before.items.clone()),
                ("after.items", self.after.items.clone()),
                ("users", self.users.clone()),
                ("actions", self.actions.clone()),
            ]),
            small: BTreeMap::from([
                ("before.lengths", self.before.lengths.clone()),
                ("after.lengths", self.after.lengths.clone()),
                ("ended", ended.map(|(&t, &c)| u8::from(t) | u8::from(c) << 1).collect()),
            ]),
            written: self.written.clone(),
        }
    }

    /// Puts back what [`Replay::columns`] gave.
    pub(crate) fn restore(&mut self, mut columns: ReplayColumns) -> Result<()> {
        fn put<T>(into: &mut Vec<T>, name: &str, from: Option<Vec<T>>) -> Result<()> {
            let from =
                from.ok_or_else(|| Error::invalid(format!("the saved replay has no column {name}")))?;
            if from.len() != into.len() {
                let what =
                    format!("the saved replay's {name} has {} entries, not {}", from.len(), into.len());
                return Err(Error::invalid(what));
            }
            *into = from;
            Ok(())
        }
        let (floats, words, small) = (&mut columns.floats, &mut columns.words, &mut columns.small);
        put(&mut self.before.items, "before.items", words.remove("before.items"))?;
        put(&mut self.before.rewards, "before.rewards", floats.remove("before.rewards"))?;
        put(&mut self.before.lengths, "before.lengths", small.remove("before.lengths"))?;
        put(&mut self.after.items, "after.items", words.remove("after.items"))?;
        put(&mut self.after.rewards, "after.rewards", floats.remove("after.rewards"))?;
        put(&mut self.after.lengths, "after.lengths", small.remove("after.lengths"))?;
        put(&mut self.users, "users", words.remove("users"))?;
        put(&mut self.actions, "actions", words.remove("actions"))?;
        put(&mut self.vectors, "vectors", floats.remove("vectors"))?;
        put(&mut self.rewards, "rewards", floats.remove("rewards"))?;
        let mut ended = vec![0; self.terminated.len()];
        put(&mut ended, "ended", small.remove("ended"))?;
        self.terminated = ended.iter().map(|bits| bits & 1 != 0).collect();
        self.truncated = ended.iter().map(|bits| bits & 2 != 0).collect();
        put(&mut self.written, "written", Some(columns.written))
    }
}
