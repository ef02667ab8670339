//! What the other systems train on: tool-using trajectories and dialogues, and pairs of answers.

use rec_core::json::Object;
use rec_core::{Json, Message, ToolCall, Trajectory};
use serde::{Deserialize, Serialize};

use crate::dialogue::Speaker;
use crate::engine::Outcome;
use crate::judge::Judge;
use crate::prompt;
use crate::task::{Answer, TaskInput, TaskKind};
use crate::tool::Tool;
use crate::trace::{Event, EventKind};

/// The sample's tool calls as one conversation: the task (or the dialogue) first, each call with its result, the answer
/// last. Of several attempts the one that gave the answer is taken; the last if none did.
///
/// Nothing if the events hold no task.
pub fn trajectory(events: &[Event], outcome: &Outcome) -> Option<Trajectory> {
    let task = events.iter().find(|event| event.kind == EventKind::Task)?;
    let task: TaskInput = task.payload.read().ok()?;
    let attempt = format!("{}/", outcome.answered_in().unwrap_or(outcome.attempts.len()));
    let mut messages = Vec::new();
    if task.kind == TaskKind::Conversation {
        messages.extend(task.dialogue.iter().map(|turn| match turn.speaker {
            Speaker::User => Message::user(&turn.text),
            Speaker::System => Message::assistant(&turn.text),
        }));
    } else {
        messages.push(Message::user(prompt::task(&task)));
    }
    let mut used: Vec<&'static Tool> = Vec::new();
    let mut calls = 0;
    for event in events.iter().filter(|event| event.agent.starts_with(&attempt)) {
        match event.kind {
            EventKind::ToolCall => {
                let payload = event.payload.json();
                let name = payload.get("name")?.as_str()?;
                calls += 1;
                let arguments = payload.get("arguments")?.clone();
                messages.push(Message::calls(vec![ToolCall::new(format!("call-{calls}"), name, arguments)]));
                let tool = Tool::named(name)?;
                if used.iter().all(|known| known.name != name) {
                    used.push(tool);
                }
            }
            EventKind::ToolResult => {
                let text = event.payload.json().get("text")?.as_str()?.to_owned();
                messages.push(Message::tool(format!("call-{calls}"), text));
            }
            _ => {}
        }
    }
    messages.push(Message::assistant(match &outcome.answer {
        Answer::Text(text) => text.clone(),
        Answer::Rating(rating) => rating.to_string(),
        Answer::Ranking(order) => order.join(", "),
    }));
    let metadata: Object = [
        ("valid".to_owned(), Json::from(outcome.valid)),
        ("supported_claims".to_owned(), Json::from(i64::from(outcome.supported))),
    ]
    .into_iter()
    .collect();
    Some(Trajectory {
        id: outcome.sample.clone(),
        tools: used.into_iter().map(Tool::spec).collect(),
        messages,
        metadata,
    })
}

/// Two attempts at one sample, the better first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The sample.
    pub id: String,
    /// The task as it was shown.
    pub prompt: String,
    /// The better answer.
    pub chosen: String,
    /// The worse answer.
    pub rejected: String,
    /// By how much: squared error for ratings, reciprocal rank for rankings.
    pub margin: f64,
}

/// The pair of an outcome's first two attempts; nothing if there are not two valid ones, or if they are equally good.
pub fn pair(task: &TaskInput, outcome: &Outcome, judge: &Judge) -> Option<Pair> {
    let [Some(first), Some(second), ..] = outcome.attempts.as_slice() else { return None };
    let worth = |answer: &Answer| {
        let verdict = judge.verdict(answer);
        verdict.error.map(|error| -error * error).or_else(|| verdict.rank.map(|rank| 1.0 / f64::from(rank)))
    };
    let margin = worth(second)? - worth(first)?;
    let text = |answer: &Answer| match answer {
        Answer::Rating(rating) => rating.to_string(),
        Answer::Ranking(order) => order.join(", "),
        Answer::Text(text) => text.clone(),
    };
    let (chosen, rejected) = if margin > 0.0 { (second, first) } else { (first, second) };
    (margin.abs() > 1e-9).then(|| Pair {
        id: outcome.sample.clone(),
        prompt: prompt::task(task),
        chosen: text(chosen),
        rejected: text(rejected),
        margin: margin.abs(),
    })
}
