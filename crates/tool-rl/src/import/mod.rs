//! Annotated trajectories of others, as episodes: StepTool's annotations and tables, ToolBench's answers.
//!
//! Nothing of those files is in this repository; they are read from the user's copy. Episodes that come from them have no tokens
//! yet: [`retokenise`] writes them.

mod annotation;
mod python;
mod table;
mod toolbench;

pub use annotation::read_annotations;
pub use python::read_literal;
pub use table::{TableRow, read_table};
pub use toolbench::{read_answer, read_tree};

use rec_core::ToolSpec;

use crate::codec::ActionCodec;
use crate::episode::Episode;

/// Writes an episode that came without tokens: prompt, actions, observations. Gives nothing if the codec has no words for a call,
/// or if more than `most` tokens would be needed; whole old steps are never cut.
pub fn retokenise<C: ActionCodec>(
    episode: &Episode,
    codec: &C,
    tools: &[ToolSpec],
    most: usize,
) -> Option<Episode> {
    let mut written = episode.clone();
    written.tokens = codec.prompt(&episode.query, tools);
    written.prompt = written.tokens.len();
    let count = written.steps.len();
    for (at, step) in written.steps.iter_mut().enumerate() {
        let start = written.tokens.len();
        written.tokens.extend(codec.action(&step.call)?);
        let middle = written.tokens.len();
        if at + 1 < count || episode.end.is_none() {
            written.tokens.extend(codec.reply(&step.reply));
        }
        step.action = start..middle;
        step.observation = middle..written.tokens.len();
        step.log_probs.clear();
    }
    (written.tokens.len() <= most).then_some(written)
}
