//! The truth, and how far an answer is from it. The engine cannot be given one: its inputs have no place for it.

use rec_core::metrics;
use serde::{Deserialize, Serialize};

use crate::knowledge::Knowledge;
use crate::polarity::{self, Polarity};
use crate::protocol::Sample;
use crate::task::Answer;

/// The truth of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    /// The true rating.
    pub rating: f32,
    /// The outside id of the true item.
    pub item: String,
    /// The mean of what the user rated before; none without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usual: Option<f32>,
    /// The least and the largest rating.
    pub scale: (f32, f32),
    /// What the user wrote of the item, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<String>,
}

/// One answer against the truth; what does not apply to the task is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Predicted minus true rating.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// The place of the true item, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Whether a text points the way the rating does; absent where the rating points nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agrees: Option<bool>,
}

impl Judge {
    /// The truth of `sample`.
    pub fn new(knowledge: &Knowledge, sample: &Sample) -> Self {
        let before = knowledge.index.user(sample.user, sample.cut_off);
        let sum: f32 = before.iter().map(|rated| rated.rating).sum();
        Self {
            rating: sample.rating,
            item: knowledge.dataset.items.token(sample.item.0).to_owned(),
            usual: (!before.is_empty()).then(|| sum / before.len() as f32),
            scale: knowledge.scale,
            review: None,
        }
    }

    /// Judges `answer`.
    pub fn verdict(&self, answer: &Answer) -> Verdict {
        match answer {
            Answer::Rating(rating) => {
                Verdict { error: Some(f64::from(*rating) - f64::from(self.rating)), ..Verdict::default() }
            }
            Answer::Ranking(order) => {
                let place = order.iter().position(|id| *id == self.item);
                Verdict { rank: place.map(|place| place as u32 + 1), ..Verdict::default() }
            }
            Answer::Text(text) => Verdict { agrees: self.agrees(text), ..Verdict::default() },
        }
    }
}

impl Judge {
    /// Whether `text` speaks for the item where the rating is clearly above the user's mean, and against it where it is below.
    fn agrees(&self, text: &str) -> Option<bool> {
        let truth = polarity::of_rating(self.rating, self.usual?, self.scale);
        (truth != Polarity::Level).then(|| polarity::of_text(text) == truth)
    }
}

impl Verdict {
    /// 1 if the true item is among the first `k`.
    pub fn hit(&self, k: usize) -> f64 {
        metrics::accuracy::hit(self.rank.as_slice(), k)
    }

    /// The discounted gain of the true item's place.
    pub fn ndcg(&self, k: usize) -> f64 {
        metrics::accuracy::ndcg(self.rank.as_slice(), 1, k)
    }

    /// One over the true item's place.
    pub fn mrr(&self, k: usize) -> f64 {
        metrics::accuracy::mrr(self.rank.as_slice(), k)
    }
}
