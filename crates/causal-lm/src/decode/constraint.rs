//! What a text may go on with.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// A set of texts, told token by token.
pub trait Constraint {
    /// Where in the set a text stands.
    type State: Clone + std::fmt::Debug;

    /// At the beginning of the text.
    fn start(&self) -> Self::State;

    /// The tokens that may follow, in ascending order; none means that all may.
    fn allowed(&self, state: &Self::State) -> Option<Vec<u32>>;

    /// After `token`, one of those allowed.
    fn advance(&self, state: &mut Self::State, token: u32);

    /// Whether the text is whole and nothing may follow.
    fn is_complete(&self, state: &Self::State) -> bool;
}

/// No constraint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Free;

impl Constraint for Free {
    type State = ();

    fn start(&self) -> Self::State {}

    fn allowed(&self, (): &Self::State) -> Option<Vec<u32>> {
        None
    }

    fn advance(&self, (): &mut Self::State, _: u32) {}

    fn is_complete(&self, (): &Self::State) -> bool {
        false
    }
}

/// The given texts and no other.
///
/// ```
/// use causal_lm::decode::{Constraint, Trie};
///
/// let trie = Trie::new(&[vec![5, 2], vec![5, 3, 2]])?;
/// let mut state = trie.start();
/// assert_eq!(trie.allowed(&state), Some(vec![5]));
/// trie.advance(&mut state, 5);
/// assert_eq!(trie.allowed(&state), Some(vec![2, 3]));
/// trie.advance(&mut state, 2);
/// assert_eq!(trie.text(state), Some(0));
/// # Ok::<(), causal_lm::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: BTreeMap<u32, usize>,
    text: Option<usize>,
}

impl Trie {
    /// The texts as tokens; each should end in a token that ends it.
    ///
    /// # Errors
    /// [`Error::Sequence`] for an empty text, one given twice, or one that is the beginning of another.
    pub fn new<T: AsRef<[u32]>>(texts: &[T]) -> Result<Self> {
        let mut nodes = vec![Node::default()];
        for (index, text) in texts.iter().map(AsRef::as_ref).enumerate() {
            if text.is_empty() {
                return Err(Error::sequence(index, "has no tokens"));
            }
            let mut at = 0;
            for &token in text {
                if let Some(other) = nodes[at].text {
                    let what = format!("begins with text {other}; end every text with a token of its own");
                    return Err(Error::sequence(index, what));
                }
                let next = nodes.len();
                at = *nodes[at].children.entry(token).or_insert(next);
                if at == next {
                    nodes.push(Node::default());
                }
            }
            if let Some(other) = nodes[at].text {
                return Err(Error::sequence(index, format!("has the same tokens as text {other}")));
            }
            if !nodes[at].children.is_empty() {
                let what = "is the beginning of another; end every text with a token of its own";
                return Err(Error::sequence(index, what));
            }
            nodes[at].text = Some(index);
        }
        Ok(Self { nodes })
    }

    /// The number of the text that ends in this state.
    pub fn text(&self, state: usize) -> Option<usize> {
        self.nodes[state].text
    }

    /// The number of the text with these tokens.
    pub fn find(&self, tokens: &[u32]) -> Option<usize> {
        let mut at = 0;
        for token in tokens {
            at = *self.nodes[at].children.get(token)?;
        }
        self.nodes[at].text
    }
}

impl Constraint for Trie {
    type State = usize;

    fn start(&self) -> usize {
        0
    }

    fn allowed(&self, &state: &usize) -> Option<Vec<u32>> {
        Some(self.nodes[state].children.keys().copied().collect())
    }

    fn advance(&self, state: &mut usize, token: u32) {
        *state = self.nodes[*state].children[&token];
    }

    fn is_complete(&self, &state: &usize) -> bool {
        self.nodes[state].text.is_some()
    }
}
