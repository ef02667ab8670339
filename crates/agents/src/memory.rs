//! What is kept of a person beyond a dialogue, if they want it: facts with where and when they were said, a bounded number,
//! deletable one by one or all at once. Nobody's facts are seen by anybody else: there is no way to ask for more than one
//! person's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dialogue::DialogueState;

/// Facts kept of one person; the oldest go first.
const CAPACITY: usize = 100;

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fact {
    /// An item is liked.
    Likes(String),
    /// An item is disliked.
    Dislikes(String),
    /// A genre is not wanted.
    Avoids(String),
}

/// A fact with its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What it says.
    pub fact: Fact,
    /// The dialogue and turn in which it was said.
    pub origin: String,
    /// When, in the caller's unit.
    pub at: u64,
}

/// Facts by person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProfileStore {
    people: BTreeMap<String, Vec<Remembered>>,
}

impl ProfileStore {
    /// Keeps a fact of `person`; one about the same item or genre is replaced.
    pub fn remember(&mut self, person: &str, fact: Fact, origin: impl Into<String>, at: u64) {
        let facts = self.people.entry(person.to_owned()).or_default();
        let subject = |fact: &Fact| match fact {
            Fact::Likes(item) | Fact::Dislikes(item) => (true, item.clone()),
            Fact::Avoids(genre) => (false, genre.clone()),
        };
        facts.retain(|known| subject(&known.fact) != subject(&fact));
        facts.push(Remembered { fact, origin: origin.into(), at });
        let surplus = facts.len().saturating_sub(CAPACITY);
        facts.drain(..surplus);
    }

    /// What is kept of `person`, oldest first.
    pub fn recall(&self, person: &str) -> &[Remembered] {
        self.people.get(person).map_or(&[], Vec::as_slice)
    }

    /// A dialogue that begins with what is kept of `person`.
    pub fn begin(&self, person: &str) -> DialogueState {
        let mut state = DialogueState::default();
        for known in self.recall(person) {
            match &known.fact {
                Fact::Likes(item) => state.request.liked.push(item.clone()),
                Fact::Dislikes(item) => state.request.disliked.push(item.clone()),
                Fact::Avoids(genre) => state.request.without_genres.push(genre.clone()),
            }
        }
        state
    }

    /// Forgets one fact of `person`, by its place; whether it was there.
    pub fn forget(&mut self, person: &str, place: usize) -> bool {
        let Some(facts) = self.people.get_mut(person) else { return false };
        let known = place < facts.len();
        if known {
            facts.remove(place);
        }
        known
    }

    /// Forgets `person`; whether there was anything.
    pub fn forget_person(&mut self, person: &str) -> bool {
        self.people.remove(person).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_replaced_bounded_deletable_and_nobody_elses() {
        let mut store = ProfileStore::default();
        store.remember("ann", Fact::Likes("7".into()), "d1", 1);
        store.remember("ann", Fact::Dislikes("7".into()), "d2", 2);
        store.remember("bob", Fact::Avoids("Horror".into()), "d3", 3);
        assert_eq!(
            store.recall("ann"),
            [Remembered { fact: Fact::Dislikes("7".into()), origin: "d2".into(), at: 2 }]
        );
        assert_eq!(store.begin("bob").request.without_genres, ["Horror"]);
        assert!(store.begin("ann").request.without_genres.is_empty());
        for item in 0..200 {
            store.remember("ann", Fact::Likes(item.to_string()), "d", 4);
        }
        assert_eq!(store.recall("ann").len(), CAPACITY);
        assert_eq!(store.recall("ann")[0].fact, Fact::Likes("100".into()));
        assert!(store.forget("ann", 0) && !store.forget("ann", 99) && !store.forget("cy", 0));
        assert!(store.forget_person("ann") && store.recall("ann").is_empty());
        assert_eq!(store.recall("bob").len(), 1);
        let text = serde_json::to_string(&store).unwrap();
        assert_eq!(serde_json::from_str::<ProfileStore>(&text).unwrap(), store);
    }
}
