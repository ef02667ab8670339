//! The four tasks: what an agent is shown, what an answer is, and what is wrong with one. The truth is not here; it is in
//! [`crate::judge`], which agents have no way to reach.

use std::collections::BTreeMap;

use rec_core::Json;
use serde::{Deserialize, Serialize};

use crate::dialogue::Turn;
use crate::knowledge::{ItemCard, Knowledge};
use crate::protocol::Sample;
use crate::{limits, untrusted};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// How will the user rate the item?
    Rating,
    /// Which of the candidates comes next? All of them, best first.
    Ranking,
    /// Why did the user give the item this rating?
    Explanation,
    /// A dialogue about what to take.
    Conversation,
}

impl TaskKind {
    /// All tasks.
    pub const ALL: [Self; 4] = [Self::Rating, Self::Ranking, Self::Explanation, Self::Conversation];

    /// The name in configurations, with the reference's short name.
    pub const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Rating => ["rating", "rp"],
            Self::Ranking => ["ranking", "sr"],
            Self::Explanation => ["explanation", "gen"],
            Self::Conversation => ["conversation", "chat"],
        }
    }

    /// The task of either name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.names().contains(&name))
    }
}

/// A rated item of a history, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// The item.
    pub item: ItemCard,
    /// Its rating.
    pub rating: f32,
}

/// What an agent is shown of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskInput {
    /// What is asked.
    pub kind: TaskKind,
    /// Names the sample.
    pub sample: String,
    /// The least and the largest rating.
    pub scale: (f32, f32),
    /// The user's outside id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the data set says about the user.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub profile: BTreeMap<String, String>,
    /// The latest ratings, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryLine>,
    /// The item in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemCard>,
    /// The rating to explain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
    /// The items to order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<ItemCard>,
    /// The dialogue so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialogue: Vec<Turn>,
}

impl TaskInput {
    /// The input of `sample` with at most `max_history` lines of history (the reference shows 10, for ranking 5). A rating
    /// task is not told the rating, a ranking task not the item.
    ///
    /// # Panics
    /// For [`TaskKind::Conversation`], which has no sample.
    pub fn of_sample(kind: TaskKind, knowledge: &Knowledge, sample: &Sample, max_history: usize) -> Self {
        assert!(kind != TaskKind::Conversation, "a conversation has no sample");
        let history = knowledge.index.user(sample.user, sample.cut_off);
        let shown = &history[history.len().saturating_sub(max_history)..];
        let profile = knowledge.dataset.user_columns.iter().map(|(name, values)| {
            (name.clone(), untrusted::clip(&untrusted::clean(&values[sample.user.index()]), 100))
        });
        let user = knowledge.dataset.users.token(sample.user.0);
        Self {
            kind,
            sample: format!("user-{user}"),
            scale: knowledge.scale,
            user: Some(user.to_owned()),
            profile: profile.filter(|(_, value)| !value.is_empty()).collect(),
            history: shown
                .iter()
                .map(|rated| HistoryLine { item: knowledge.card(rated.item()), rating: rated.rating })
                .collect(),
            item: (kind != TaskKind::Ranking).then(|| knowledge.card(sample.item)),
            rating: (kind == TaskKind::Explanation).then_some(sample.rating),
            candidates: match kind {
                TaskKind::Ranking => sample.candidates.iter().map(|&item| knowledge.card(item)).collect(),
                _ => Vec::new(),
            },
            dialogue: Vec::new(),
        }
    }

    /// The input of a dialogue, whose last turn is the person's.
    pub fn of_dialogue(session: impl Into<String>, scale: (f32, f32), dialogue: Vec<Turn>) -> Self {
        Self {
            kind: TaskKind::Conversation,
            sample: session.into(),
            scale,
            user: None,
            profile: BTreeMap::new(),
            history: Vec::new(),
            item: None,
            rating: None,
            candidates: Vec::new(),
            dialogue,
        }
    }

    /// Whether `answer` answers the task, judged by nothing but what the agent was shown.
    ///
    /// # Errors
    /// What is wrong with it and what is accepted, as an observation for the agent.
    pub fn check(&self, answer: &Json) -> Result<Answer, String> {
        match self.kind {
            TaskKind::Rating => self.check_rating(answer),
            TaskKind::Ranking => self.check_ranking(answer),
            TaskKind::Explanation | TaskKind::Conversation => check_text(answer),
        }
    }

    fn check_rating(&self, answer: &Json) -> Result<Answer, String> {
        let (low, high) = self.scale;
        let value = match answer {
            Json::String(text) => text.trim().parse().ok(),
            Json::Array(values) if values.len() == 1 => values[0].as_f64(),
            other => other.as_f64(),
        };
        let value = value.filter(|value: &f64| value.is_finite()).ok_or("The answer is not a number.")?;
        if value < f64::from(low) || value > f64::from(high) {
            return Err(format!("{value} is outside the scale: give a number from {low} to {high}."));
        }
        Ok(Answer::Rating(value as f32))
    }

    fn check_ranking(&self, answer: &Json) -> Result<Answer, String> {
        let text = |value: &Json| match value {
            Json::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        let given: Vec<String> = match answer {
            Json::Array(values) => values.iter().map(text).collect(),
            Json::String(text) => {
                let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
                inner.split([',', ';']).map(|id| id.trim().trim_matches('"').to_owned()).collect()
            }
            other => vec![text(other)],
        };
        let n = self.candidates.len();
        let mut order: Vec<String> = Vec::with_capacity(n);
        for id in &given {
            let bare = id.strip_prefix("item_").unwrap_or(id);
            let same = |card: &&ItemCard| {
                card.id == bare || (bare.len() < card.id.len() && card.id.trim_start_matches('0') == bare)
            };
            let whole = self.candidates.iter().find(|card| card.id == *id);
            let Some(card) = whole.or_else(|| self.candidates.iter().find(same)) else {
                return Err(format!("{:?} is not a candidate.", untrusted::clip(id, 60)));
            };
            if order.contains(&card.id) {
                return Err(format!("{:?} comes twice; name each candidate once.", card.id));
            }
            order.push(card.id.clone());
        }
        if order.len() != n {
            return Err(format!("{} of {n} candidates: name all of them, best first.", order.len()));
        }
        Ok(Answer::Ranking(order))
    }
}

fn check_text(answer: &Json) -> Result<Answer, String> {
    let text = match answer {
        Json::String(text) => text.trim().to_owned(),
        other => return Err(format!("The answer is {}; text is expected.", other.kind())),
    };
    if text.is_empty() {
        return Err("The answer is empty.".into());
    }
    let length = text.chars().count();
    if length > limits::ANSWER {
        return Err(format!("The answer has {length} characters; at most {} are accepted.", limits::ANSWER));
    }
    Ok(Answer::Text(text))
}

/// An answer that its task accepts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "value")]
pub enum Answer {
    /// A rating on the data set's scale.
    Rating(f32),
    /// Outside ids, best first: a permutation of the candidates.
    Ranking(Vec<String>),
    /// Text, not empty.
    Text(String),
}
