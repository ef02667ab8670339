//! What the released code does beside the paper, one quirk at a time, each under a name and none of it a default.
//!
//! Two more concern credit and are switches of [`Credit::Released`](crate::Credit). Those here concern what is fed and what is called:
//!
//! | quirk | here |
//! |---|---|
//! | the baseline's script encodes the table's cells, Python list and all, as one prompt and one response, and pays the last reward alone | [`TableRow::as_literals`](crate::import::TableRow::as_literals) |
//! | fragments are encoded one by one, a BOS before each, which counts as an action's token | [`retokenise_fragments`] |
//! | a function is looked up by the end of its name, so that an empty name runs the first tool | [`SuffixLookup`] |
//! | the codes 7 and 8 stand for each other's meaning | [`Status::from_released_code`](crate::env::Status::from_released_code) |

use rec_core::{ToolCall, ToolSpec};

use crate::codec::ActionCodec;
use crate::env::{Facts, Outcome, ToolEnvironment, Transition};
use crate::episode::Episode;

/// An environment whose calls run the first tool whose name ends with the name that is called, as the release looks functions up. A name that is
/// exactly a tool's may thus run another one before it in the list.
#[derive(Clone, Debug, Default)]
pub struct SuffixLookup<E>(pub E);

impl<E: ToolEnvironment> ToolEnvironment for SuffixLookup<E> {
    type Task = E::Task;
    type Snapshot = E::Snapshot;

    fn reset(&mut self, task: &E::Task, seed: u64) {
        self.0.reset(task, seed);
    }

    fn tools(&self) -> &[ToolSpec] {
        self.0.tools()
    }

    fn query(&self) -> &str {
        self.0.query()
    }

    fn step(&mut self, call: &ToolCall) -> Transition {
        let found = self.0.tools().iter().find(|tool| tool.name.ends_with(&call.name));
        match found.map(|tool| tool.name.clone()) {
            Some(name) if name != call.name => self.0.step(&ToolCall { name, ..call.clone() }),
            _ => self.0.step(call),
        }
    }

    fn snapshot(&self) -> E::Snapshot {
        self.0.snapshot()
    }

    fn restore(&mut self, snapshot: &E::Snapshot) {
        self.0.restore(snapshot);
    }

    fn outcome(&self) -> Outcome {
        self.0.outcome()
    }

    fn digest(&self) -> u64 {
        self.0.digest()
    }

    fn facts(&self) -> Option<Facts> {
        self.0.facts()
    }
}

/// [`retokenise`](crate::import::retokenise) as the release does it with LLaMA tokenizers: prompt, actions and observations are encoded each for
/// itself, so that `bos` stands before each, and the one before an action is trained as the action's first token.
pub fn retokenise_fragments<C: ActionCodec>(
    episode: &Episode,
    codec: &C,
    tools: &[ToolSpec],
    bos: u32,
    most: usize,
) -> Option<Episode> {
    let plain = crate::import::retokenise(episode, codec, tools, usize::MAX)?;
    let mut written = plain.clone();
    written.tokens = vec![bos];
    written.tokens.extend_from_slice(&plain.tokens[..plain.prompt]);
    written.prompt = written.tokens.len();
    for (step, own) in written.steps.iter_mut().zip(&plain.steps) {
        let start = written.tokens.len();
        written.tokens.push(bos);
        written.tokens.extend_from_slice(&plain.tokens[own.action.clone()]);
        step.action = start..written.tokens.len();
        if !own.observation.is_empty() {
            written.tokens.push(bos);
            written.tokens.extend_from_slice(&plain.tokens[own.observation.clone()]);
        }
        step.observation = step.action.end..written.tokens.len();
    }
    (written.tokens.len() <= most).then_some(written)
}
