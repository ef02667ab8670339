//! What is known in a dialogue: turns, and the state that they add up to.

mod feedback;
mod intent;
mod lexicon;
mod slots;
mod titles;
mod tokens;
mod understand;
mod vocabulary;

use serde::{Deserialize, Serialize};

pub use lexicon::genres_of_word;
pub use understand::understand;

use crate::request::Request;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The person.
    User,
    /// The system.
    System,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    pub speaker: Speaker,
    /// What is said.
    pub text: String,
}

/// What a message is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// To be recommended something.
    Recommend,
    /// To be shown what is like an item.
    Similar,
    /// To change what is wanted.
    Filter,
    /// To know about an item.
    Info,
    /// To know why something was recommended.
    Explain,
    /// To say what is liked or disliked.
    Feedback,
    /// To turn down what was shown.
    Reject,
    /// To see more of the same.
    More,
    /// To greet.
    Greet,
    /// To thank or leave.
    Thanks,
    /// To learn what can be asked.
    Help,
    /// To start over.
    Reset,
    /// Anything else.
    #[default]
    Other,
}

/// What the dialogue adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialogueState {
    /// What is wanted so far: likes, dislikes, genres, years, shown items.
    pub request: Request,
    /// The intent of the last message.
    pub intent: Intent,
    /// The items that the last message spoke of.
    pub focus: Vec<String>,
    /// The items that were shown last, in order.
    pub shown: Vec<String>,
    /// Words of the last message that were meant as a title and match none.
    pub unknown: Vec<String>,
    /// Titles that were taken for another spelling: as written, as found.
    pub corrected: Vec<(String, String)>,
    /// Messages of the person so far.
    pub turn: u32,
}

impl DialogueState {
    /// Takes note of the items that an answer shows.
    pub fn show(&mut self, items: &[String]) {
        self.shown = items.to_vec();
        for item in items {
            if !self.request.exclude.contains(item) {
                self.request.exclude.push(item.clone());
            }
        }
    }
}
