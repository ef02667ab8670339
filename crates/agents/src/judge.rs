//! The truth, and how far an answer is from it. The engine cannot be given one: its inputs have no place for it.

use rec_core::metrics;
use serde::{Deserialize, Serialize};

use crate::knowledge::Knowledge;
use crate::protocol::Sample;
use crate::task::Answer;

/// The truth of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    /// The true rating.
    pub rating: f32,
    /// The outside id of the true item.
    pub item: String,
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
}

impl Judge {
    /// The truth of `sample`.
    pub fn new(knowledge: &Knowledge, sample: &Sample) -> Self {
        Self { rating: sample.rating, item: knowledge.dataset.items.token(sample.item.0).to_owned() }
    }

    /// Judges `answer`.
    pub fn verdict(&self, answer: &Answer) -> Verdict {
        match answer {
            Answer::Rating(rating) => {
                Verdict { error: Some(f64::from(*rating) - f64::from(self.rating)), rank: None }
            }
            Answer::Ranking(order) => {
                let place = order.iter().position(|id| *id == self.item);
                Verdict { error: None, rank: place.map(|place| place as u32 + 1) }
            }
            Answer::Text(_) => Verdict::default(),
        }
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
