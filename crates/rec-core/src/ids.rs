//! Dense identifiers and the maps between them and the strings of the outside world.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! dense_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[repr(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The identifier as an index into a table with one row for each id.
            #[inline]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The identifier of row `index`.
            ///
            /// # Panics
            /// If `index` does not fit 32 bits; the readers refuse data sets of that size long before.
            #[inline]
            pub fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("more than 2^32 ids"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

dense_id! {
    /// A user: a dense index in `0..n_users`.
    UserId
}
dense_id! {
    /// An item: a dense index in `0..n_items`.
    ItemId
}

/// A two-way map between outside strings ("tokens") and dense ids, in order of first appearance.
///
/// ```
/// let mut map = rec_core::IdMap::default();
/// assert_eq!(map.insert("tt0111161"), 0);
/// assert_eq!(map.insert("tt0068646"), 1);
/// assert_eq!(map.insert("tt0111161"), 0);
/// assert_eq!(map.get("tt0068646"), Some(1));
/// assert_eq!(map.token(0), "tt0111161");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    tokens: Vec<Box<str>>,
    index: HashMap<Box<str>, u32>,
}

impl IdMap {
    /// The map whose tokens are `0, 1, …, n - 1`, for data whose ids are dense already.
    pub fn numbered(n: usize) -> Self {
        (0..n).map(|id| id.to_string()).collect()
    }

    /// The id of `token`, given a new one if it has none.
    ///
    /// # Panics
    /// If there are 2^32 tokens already.
    pub fn insert(&mut self, token: &str) -> u32 {
        if let Some(&id) = self.index.get(token) {
            return id;
        }
        let id = u32::try_from(self.tokens.len()).expect("more than 2^32 tokens");
        self.tokens.push(token.into());
        self.index.insert(token.into(), id);
        id
    }

    /// The id of `token`, if it has one.
    pub fn get(&self, token: &str) -> Option<u32> {
        self.index.get(token).copied()
    }

    /// The token of `id`.
    ///
    /// # Panics
    /// If no token has this id.
    pub fn token(&self, id: u32) -> &str {
        &self.tokens[id as usize]
    }

    /// All tokens, in the order of their ids.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = &str> {
        self.tokens.iter().map(|token| &**token)
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

impl<S: AsRef<str>> FromIterator<S> for IdMap {
    fn from_iter<I: IntoIterator<Item = S>>(tokens: I) -> Self {
        let mut map = Self::default();
        for token in tokens {
            map.insert(token.as_ref());
        }
        map
    }
}

impl Serialize for IdMap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tokens.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for IdMap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tokens = Vec::<String>::deserialize(deserializer)?;
        let n = tokens.len();
        let map: Self = tokens.into_iter().collect();
        if map.len() != n {
            return Err(serde::de::Error::custom("a token appears twice in the id map"));
        }
        Ok(map)
    }
}
