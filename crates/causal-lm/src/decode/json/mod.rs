//! Texts that are JSON of a given schema.
//!
//! A schema is compiled into nodes; a text so far is a set of stacks over them, fed byte by
//! byte; a token may follow if its bytes keep a stack alive. Tokens stand in a trie of bytes, so that what they begin
//! with alike is tried once.

mod automaton;
mod schema;

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;

use super::constraint::Constraint;
use crate::{Error, Result};
use automaton::Stack;
use schema::Grammar;

/// What tokens stand for: the bytes of each, none where a token must not occur in JSON, such as a special one.
///
/// `Tokenizer::vocabulary` gives it for byte-level and byte-fallback BPE.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    nodes: Vec<ByteNode>,
    size: usize,
}

#[derive(Clone, Debug, Default)]
struct ByteNode {
    children: Vec<(u8, usize)>,
    tokens: Vec<u32>,
}

impl Vocabulary {
    /// The bytes of the tokens 0, 1, 2 …
    pub fn new<B: AsRef<[u8]>>(tokens: impl IntoIterator<Item = Option<B>>) -> Self {
        let mut nodes = vec![ByteNode::default()];
        let mut size = 0;
        for (token, bytes) in tokens.into_iter().enumerate() {
            size = token + 1;
            let Some(bytes) = bytes.as_ref().map(AsRef::as_ref).filter(|bytes| !bytes.is_empty()) else {
                continue;
            };
            let mut at = 0;
            for &byte in bytes {
                at = match nodes[at].children.binary_search_by_key(&byte, |child| child.0) {
                    Ok(place) => nodes[at].children[place].1,
                    Err(place) => {
                        let new = nodes.len();
                        nodes[at].children.insert(place, (byte, new));
                        nodes.push(ByteNode::default());
                        new
                    }
                };
            }
            nodes[at].tokens.push(token as u32);
        }
        Self { nodes, size }
    }

    /// The number of tokens.
    pub fn len(&self) -> usize {
        self.size
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }
}

/// JSON texts that a schema accepts.
///
/// Accepted of JSON Schema: `type` (one or several), `properties`, `required`, `additionalProperties`, `items`,
/// `minItems`, `maxItems`, `enum`, `const`, `anyOf`, and `true` or `{}` for any value; notes such as `description` are
/// passed over, and everything else is refused rather than ignored. What comes out is a part of what the schema
/// accepts: of an object with `properties` only those, each at most once and in any order; numbers of at most 15 digits
/// before and after the point and 2 in the exponent; no `\u` escapes in the range that holds the surrogates; white space
/// only as one blank after `,` and `:`.
///
/// ```
/// use causal_lm::decode::{Constraint, JsonSchema, Vocabulary};
///
/// let vocabulary = Vocabulary::new([Some("{\""), Some("\":"), Some("a"), Some("b"), Some("7}"), Some("}"), None]);
/// let schema = serde_json::json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]});
/// let json = JsonSchema::new(&schema, vocabulary, &[6])?;
/// let mut state = json.start();
/// assert_eq!(json.allowed(&state), Some(vec![0]));
/// for token in [0, 2, 1, 4] {
///     json.advance(&mut state, token);
/// }
/// // The text is whole: only the end may follow.
/// assert_eq!(json.allowed(&state), Some(vec![6]));
/// # Ok::<(), causal_lm::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonSchema {
    grammar: Grammar,
    vocabulary: Vocabulary,
    bytes: Vec<Vec<u8>>,
    end: Vec<u32>,
    /// The answers of [`Constraint::allowed`] so far: a string asks the same question at every token.
    known: Mutex<HashMap<Vec<Stack>, Vec<u32>>>,
}

/// Answers that are kept.
const KNOWN: usize = 4096;

/// Where a text stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonState {
    stacks: Vec<Stack>,
    ended: bool,
}

impl JsonState {
    /// Whether the text so far is whole, though perhaps more may follow, as after a digit.
    pub fn is_json(&self) -> bool {
        self.ended || self.stacks.iter().any(|stack| stack.is_whole())
    }
}

impl JsonSchema {
    /// `end` are the tokens that may end a whole text, and end it. Without any, a text is complete as soon as nothing
    /// can follow, which never happens to a bare number.
    ///
    /// # Errors
    /// [`Error::Config`] naming the place of the schema that is not accepted, or a token of `end` that the vocabulary
    /// has not. That every byte has a token is the caller's to see to: without, a text may find no way to go on, which
    /// [`generate`](crate::generate()) then reports.
    pub fn new(schema: &Value, vocabulary: Vocabulary, end: &[u32]) -> Result<Self> {
        let grammar = Grammar::new(schema)?;
        if let Some(token) = end.iter().find(|&&token| token as usize >= vocabulary.size) {
            return Err(Error::config("end", format!("names token {token} of {}", vocabulary.size)));
        }
        let mut end = end.to_vec();
        end.sort_unstable();
        let bytes = spelled(&vocabulary);
        Ok(Self { grammar, vocabulary, bytes, end, known: Mutex::default() })
    }

    /// Goes on by bytes rather than tokens: for a text that begins with something given.
    ///
    /// # Errors
    /// [`Error::Config`] if the bytes cannot follow.
    pub fn feed(&self, state: &mut JsonState, bytes: &[u8]) -> Result<()> {
        for &byte in bytes {
            state.stacks = self.grammar.step(&state.stacks, byte);
        }
        if state.stacks.is_empty() {
            let text = String::from_utf8_lossy(bytes);
            return Err(Error::config("text", format!("{text:?} cannot follow under the schema")));
        }
        Ok(())
    }

    fn gather(&self, at: usize, stacks: &[Stack], allowed: &mut Vec<u32>) {
        let node = &self.vocabulary.nodes[at];
        allowed.extend_from_slice(&node.tokens);
        for &(byte, child) in &node.children {
            let next = self.grammar.step(stacks, byte);
            if !next.is_empty() {
                self.gather(child, &next, allowed);
            }
        }
    }
}

/// The bytes of each token, by going through the trie.
fn spelled(vocabulary: &Vocabulary) -> Vec<Vec<u8>> {
    let mut bytes = vec![Vec::new(); vocabulary.size];
    let mut open = vec![(0, Vec::new())];
    while let Some((at, prefix)) = open.pop() {
        let node = &vocabulary.nodes[at];
        for &token in &node.tokens {
            bytes[token as usize].clone_from(&prefix);
        }
        for &(byte, child) in &node.children {
            let mut longer = prefix.clone();
            longer.push(byte);
            open.push((child, longer));
        }
    }
    bytes
}

impl Constraint for JsonSchema {
    type State = JsonState;

    fn start(&self) -> JsonState {
        JsonState { stacks: vec![self.grammar.start()], ended: false }
    }

    fn allowed(&self, state: &JsonState) -> Option<Vec<u32>> {
        if state.ended {
            return Some(Vec::new());
        }
        if let Ok(known) = self.known.lock()
            && let Some(found) = known.get(&state.stacks)
        {
            return Some(found.clone());
        }
        let mut allowed = Vec::new();
        self.gather(0, &state.stacks, &mut allowed);
        if state.is_json() {
            allowed.extend_from_slice(&self.end);
        }
        allowed.sort_unstable();
        allowed.dedup();
        if let Ok(mut known) = self.known.lock()
            && known.len() < KNOWN
        {
            known.insert(state.stacks.clone(), allowed.clone());
        }
        Some(allowed)
    }

    fn advance(&self, state: &mut JsonState, token: u32) {
        if state.is_json() && self.end.binary_search(&token).is_ok() {
            state.ended = true;
            return;
        }
        for &byte in &self.bytes[token as usize] {
            state.stacks = self.grammar.step(&state.stacks, byte);
        }
    }

    fn is_complete(&self, state: &JsonState) -> bool {
        let closed = || !state.stacks.is_empty() && state.stacks.iter().all(|stack| stack.is_empty());
        state.ended || (self.end.is_empty() && closed())
    }
}
