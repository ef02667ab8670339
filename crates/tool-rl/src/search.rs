//! Depth-first search over calls, as ToolBench decodes (DFSDT): from every state several calls are tried, one after the other, until
//! one path ends in an answer.

use rec_core::ToolCall;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::env::{End, Reply, ToolEnvironment};

/// How far the search goes. Defaults are ToolBench's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchConfig {
    /// The most calls tried from one state.
    pub width: usize,
    /// The most calls of a path.
    pub depth: usize,
    /// The most calls proposed in all.
    pub budget: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { width: 2, depth: 12, budget: 200 }
    }
}

/// A path that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The calls of the path and their replies: those that led to an answer, or those of the last path that was tried.
    pub path: Vec<(ToolCall, Reply)>,
    /// How it ended; nothing if the search was exhausted before it could end.
    pub end: Option<End>,
    /// Calls proposed in all.
    pub queries: usize,
    /// Paths given up or cut at the depth.
    pub pruned: usize,
}

/// Searches from the state that `env` is in, and leaves it in the last state of the path that is given.
///
/// `propose` sees the path and the calls that were tried from its end before, and gives another one, or nothing if it knows none. A path
/// that gives up is pruned; if no path ends in an answer, the last one stands.
///
/// # Errors
/// Those of `propose`.
pub fn search<E: ToolEnvironment>(
    env: &mut E,
    config: &SearchConfig,
    mut propose: impl FnMut(&E, &[(ToolCall, Reply)], &[ToolCall]) -> Result<Option<ToolCall>>,
) -> Result<Found> {
    /// A state on the path, and the calls tried from it.
    struct Node<S> {
        state: S,
        tried: Vec<ToolCall>,
    }
    let mut stack = vec![Node { state: env.snapshot(), tried: Vec::new() }];
    let mut path: Vec<(ToolCall, Reply)> = Vec::new();
    let mut last = Found { path: Vec::new(), end: None, queries: 0, pruned: 0 };
    let mut last_state = env.snapshot();
    let (mut queries, mut pruned) = (0, 0);
    while let Some(node) = stack.last_mut() {
        let open = node.tried.len() < config.width && queries < config.budget && path.len() < config.depth;
        let call = if open {
            env.restore(&node.state);
            propose(env, &path, &node.tried)?
        } else {
            None
        };
        let Some(call) = call else {
            // Nothing more from here: back to the state before.
            if node.tried.is_empty() {
                pruned += usize::from(path.len() >= config.depth);
                last = Found { path: path.clone(), end: None, queries, pruned };
                last_state = node.state.clone();
            }
            stack.pop();
            path.pop();
            continue;
        };
        queries += 1;
        node.tried.push(call.clone());
        let transition = env.step(&call);
        path.push((call, transition.reply));
        match transition.end {
            Some(End::Finished) => return Ok(Found { path, end: Some(End::Finished), queries, pruned }),
            Some(end) => {
                pruned += 1;
                last = Found { path: path.clone(), end: Some(end), queries, pruned };
                last_state = env.snapshot();
                path.pop();
            }
            None => stack.push(Node { state: env.snapshot(), tried: Vec::new() }),
        }
    }
    env.restore(&last_state);
    Ok(Found { queries, pruned, ..last })
}
