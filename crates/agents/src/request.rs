//! What is wanted of items: the filter language of the tools and the memory of a dialogue.

use serde::{Deserialize, Serialize};

/// A request. An empty one accepts every item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The user whose history counts as liked and is not recommended again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Ids of items that are liked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub liked: Vec<String>,
    /// Ids of items that are disliked; neither they nor the most alike are recommended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disliked: Vec<String>,
    /// Genres, all of which an item must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub genres: Vec<String>,
    /// Genres that an item must not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_genres: Vec<String>,
    /// The first year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_year: Option<u16>,
    /// The last year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_year: Option<u16>,
    /// Ids of items that were shown before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// How many items are wanted; 5 if not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl Request {
    /// The names of the members, for schemas and prompts.
    pub const FIELDS: [(&'static str, &'static str); 9] = [
        ("user", "id of the user whose history counts as liked"),
        ("liked", "ids of liked items"),
        ("disliked", "ids of disliked items"),
        ("genres", "genres that an item must have"),
        ("without_genres", "genres that an item must not have"),
        ("from_year", "first year"),
        ("to_year", "last year"),
        ("exclude", "ids of items not to show"),
        ("count", "how many items"),
    ];

    /// Whether it restricts items by genre or year.
    pub fn has_filters(&self) -> bool {
        !self.genres.is_empty()
            || !self.without_genres.is_empty()
            || self.from_year.is_some()
            || self.to_year.is_some()
    }
}
