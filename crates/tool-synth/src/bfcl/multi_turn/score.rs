//! Scores of a model's results in the official layout: turns of steps, each a text or a list of native calls.

use super::check::{ErrorType, Task, Verdict};
use super::decode::{decode_native, decode_prompted};
use super::replay::CATEGORIES;
use crate::value::Value;

/// Judges the `result` of a task: a list of turns, each a list of steps. A step is a text in prompting mode and a list of
/// one-key dictionaries (name to arguments) in native mode; steps that cannot be decoded do not count.
pub fn judge(task: &Task, result: &Value, model: &str) -> Verdict {
    let broken = Verdict::Invalid { error: ErrorType::Inference, turn: 0 };
    let Some(turns) = result.as_list() else { return broken };
    let mut decoded = Vec::with_capacity(turns.len());
    for turn in turns {
        let Some(steps) = turn.as_list() else { return broken };
        let step = |s: &Value| s.as_str().map_or_else(|| decode_native(s), decode_prompted);
        decoded.push(steps.iter().map(step).collect());
    }
    task.check(&decoded, model)
}

/// Counts of right answers by category, in the order of [`CATEGORIES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    right: [usize; 4],
    judged: [usize; 4],
}

impl Scores {
    /// Counts the verdict on the task `id`. Returns whether the id belongs to a multi-turn category.
    pub fn count(&mut self, id: &str, verdict: &Verdict) -> bool {
        let category = id.rsplit_once('_').map_or(id, |(category, _)| category);
        let Some(i) = CATEGORIES.iter().position(|c| *c == category) else { return false };
        self.judged[i] += 1;
        self.right[i] += (*verdict == Verdict::Valid) as usize;
        true
    }

    /// The accuracy in each category; a category without results counts 0, as in the official table.
    pub fn accuracies(&self) -> [f64; 4] {
        std::array::from_fn(|i| {
            if self.judged[i] == 0 { 0.0 } else { self.right[i] as f64 / self.judged[i] as f64 }
        })
    }

    /// The multi-turn score of version 4: the mean of the four accuracies.
    pub fn overall(&self) -> f64 {
        self.accuracies().iter().sum::<f64>() / 4.0
    }
}
