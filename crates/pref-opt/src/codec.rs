//! How histories and items become tokens.

use rec_core::ItemId;

use crate::{Error, Result};

/// A prompt and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What is given.
    pub prompt: Vec<u32>,
    /// What is to be learnt, its end included.
    pub completion: Vec<u32>,
}

/// Tokens for histories and items in the compact form: `BOS h1 SEP h2 … REC item EOS`, no words around.
///
/// With one token an item there is neither SEP nor EOS: an item is complete by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemCodec {
    /// The tokens of each item's title.
    items: Vec<Vec<u32>>,
    vocab_size: usize,
    one_token: bool,
}

impl ItemCodec {
    /// Fills rows up.
    pub const PAD: u32 = 0;
    /// Begins a prompt.
    pub const BOS: u32 = 1;
    /// Ends a prompt: what follows is the recommendation.
    pub const REC: u32 = 2;
    /// Stands between the items of a history.
    pub const SEP: u32 = 3;
    /// Ends a title.
    pub const EOS: u32 = 4;
    /// The first token that is free for titles.
    pub const FIRST: u32 = 5;

    /// One token for each of `n_items` items.
    pub fn one_token(n_items: usize) -> Self {
        let items = (0..n_items as u32).map(|item| vec![Self::FIRST + item]).collect();
        Self { items, vocab_size: n_items + Self::FIRST as usize, one_token: true }
    }

    /// The title of each item as tokens from [`ItemCodec::FIRST`] on and below `vocab_size`.
    ///
    /// # Errors
    /// [`Error::EmptyCompletion`] for a title without tokens, and [`Error::Config`] for a token out of range.
    pub fn titles(items: Vec<Vec<u32>>, vocab_size: usize) -> Result<Self> {
        if let Some(row) = items.iter().position(Vec::is_empty) {
            return Err(Error::EmptyCompletion { row });
        }
        let legal = Self::FIRST..vocab_size as u32;
        if let Some(token) = items.iter().flatten().find(|token| !legal.contains(token)) {
            return Err(Error::config("titles", format!("has token {token}, but {legal:?} are for titles")));
        }
        Ok(Self { items, vocab_size, one_token: false })
    }

    /// The number of items.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// The number of tokens.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Whether every item is one token.
    pub fn is_one_token(&self) -> bool {
        self.one_token
    }

    /// The prompt for a history, oldest first.
    ///
    /// # Panics
    /// If an item has no title.
    pub fn prompt(&self, history: &[ItemId]) -> Vec<u32> {
        let mut tokens = vec![Self::BOS];
        for (place, item) in history.iter().enumerate() {
            if place > 0 && !self.one_token {
                tokens.push(Self::SEP);
            }
            tokens.extend_from_slice(&self.items[item.index()]);
        }
        tokens.push(Self::REC);
        tokens
    }

    /// What recommends an item.
    ///
    /// # Panics
    /// If there is no such item.
    pub fn completion(&self, item: ItemId) -> Vec<u32> {
        let mut tokens = self.items[item.index()].clone();
        if !self.one_token {
            tokens.push(Self::EOS);
        }
        tokens
    }

    /// Prompt and completion.
    pub fn example(&self, history: &[ItemId], target: ItemId) -> Example {
        Example { prompt: self.prompt(history), completion: self.completion(target) }
    }
}
