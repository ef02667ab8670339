//! An environment that answers from recorded calls: what ToolBench's cached replies are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use rec_core::{Json, Role, ToolCall, ToolSpec, Trajectory};

use super::{End, FINISH, Facts, Outcome, Reply, Status, ToolEnvironment, Transition, finish_tool, hash};
use crate::{Error, Result};

/// A query, its tools, and the replies that were recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What is asked.
    pub query: String,
    /// The tools on offer, `Finish` included.
    pub tools: Vec<ToolSpec>,
    /// The replies to each call, by its canonical text, in the order in which they came. The last is given again and again.
    pub replies: BTreeMap<String, Vec<Reply>>,
    /// The final answers that count as right; any answer does if there are none.
    pub answers: Vec<String>,
    /// If given, an episode passes only if these calls were made, by their canonical texts, and no other call of a tool.
    pub needed: Option<Vec<String>>,
}

impl Recorded {
    /// The calls and answers of trajectories of one query: what the model may call are their tools.
    ///
    /// A tool's message that is JSON with `error` and `response` is read as that; any other is the response.
    ///
    /// # Errors
    /// [`Error::Record`] for a trajectory without a query or with an answer that no call waits for.
    pub fn from_trajectories(trajectories: &[Trajectory]) -> Result<Self> {
        let mut recorded = Self {
            query: String::new(),
            tools: Vec::new(),
            replies: BTreeMap::new(),
            answers: Vec::new(),
            needed: None,
        };
        for trajectory in trajectories {
            let place = || format!("trajectory {}", trajectory.id);
            trajectory.check().map_err(|error| Error::record(place(), error.to_string()))?;
            let query = trajectory.messages.iter().find(|message| message.role == Role::User);
            let query = query.ok_or_else(|| Error::record(place(), "has no user's message"))?;
            recorded.query.clone_from(&query.content);
            for tool in &trajectory.tools {
                if recorded.tools.iter().all(|known| known.name != tool.name) {
                    recorded.tools.push(tool.clone());
                }
            }
            // Answers without an id belong to the calls in their order.
            let mut waiting: Vec<&ToolCall> = Vec::new();
            for message in &trajectory.messages {
                waiting.extend(&message.tool_calls);
                if message.role != Role::Tool {
                    continue;
                }
                let id = message.tool_call_id.as_deref().unwrap_or_default();
                let at = waiting.iter().position(|call| id.is_empty() || call.id == id);
                let at = at.ok_or_else(|| Error::record(place(), "has an answer that no call waits for"))?;
                let call = waiting.remove(at);
                recorded.replies.entry(call.canonical()).or_default().push(read_reply(&message.content));
            }
        }
        if recorded.tools.iter().all(|tool| tool.name != FINISH) {
            recorded.tools.push(finish_tool());
        }
        Ok(recorded)
    }

    /// An episode passes only if all recorded calls were made, and no other.
    pub fn with_needed_calls(mut self) -> Self {
        self.needed = Some(self.replies.keys().cloned().collect());
        self
    }
}

/// A reply from its text: `{"error": …, "response": …}`, or anything, which is then the response.
pub fn read_reply(text: &str) -> Reply {
    let Ok(value) = text.parse::<Json>() else { return Reply::ok(text) };
    match (value.get("error").and_then(Json::as_str), value.get("response")) {
        (Some(""), Some(response)) => Reply::ok(response.clone()),
        (Some(error), response) => Reply {
            response: response.cloned().unwrap_or_default(),
            ..Reply::failed(Status::RequestError, error)
        },
        (None, _) => Reply::ok(value),
    }
}

/// Answers from records. A call that was never recorded fails with [`Status::NotWorking`].
#[derive(Clone, Debug, Default)]
pub struct ReplayEnvironment {
    task: Option<Arc<Recorded>>,
    state: State,
}

/// What changes in an episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    asked: BTreeMap<String, usize>,
    /// Calls that were never recorded.
    others: usize,
    end: Option<End>,
    answer: String,
}

impl ReplayEnvironment {
    fn answer(&mut self, call: &ToolCall) -> Transition {
        let Some(task) = &self.task else {
            return Transition {
                reply: Reply::failed(Status::RequestError, "no task was given"),
                end: Some(End::EnvironmentError),
            };
        };
        if call.name == FINISH {
            let text = |key| call.arguments.get(key).and_then(Json::as_str);
            let (status, end) = match text("return_type") {
                Some("give_answer") if text("final_answer").is_some() => (Status::FinalAnswer, End::Finished),
                Some("give_up_and_restart") => (Status::GiveUp, End::GaveUp),
                _ => {
                    let reply = Reply::failed(Status::BadInput, "give_answer needs final_answer");
                    return Transition { reply, end: None };
                }
            };
            self.state.end = Some(end);
            self.state.answer = text("final_answer").unwrap_or_default().to_owned();
            return Transition { reply: Reply { status, ..Reply::ok(Json::Null) }, end: Some(end) };
        }
        let reply = if task.tools.iter().all(|tool| tool.name != call.name) {
            self.state.others += 1;
            Reply::failed(Status::NoSuchTool, format!("no tool {}", call.name))
        } else if let Some(replies) = task.replies.get(&call.canonical()) {
            let asked = self.state.asked.entry(call.canonical()).or_insert(0);
            let reply = replies[(*asked).min(replies.len() - 1)].clone();
            *asked += 1;
            reply
        } else {
            self.state.others += 1;
            Reply::failed(Status::NotWorking, "this call was not recorded")
        };
        Transition { reply, end: None }
    }
}

impl ToolEnvironment for ReplayEnvironment {
    type Task = Arc<Recorded>;
    type Snapshot = State;

    fn reset(&mut self, task: &Self::Task, _: u64) {
        self.task = Some(Arc::clone(task));
        self.state = State::default();
    }

    fn tools(&self) -> &[ToolSpec] {
        self.task.as_ref().map_or(&[], |task| &task.tools)
    }

    fn query(&self) -> &str {
        self.task.as_ref().map_or("", |task| &task.query)
    }

    fn step(&mut self, call: &ToolCall) -> Transition {
        if self.state.end.is_some() {
            return Transition {
                reply: Reply::failed(Status::RequestError, "the episode is over"),
                end: self.state.end,
            };
        }
        self.answer(call)
    }

    fn snapshot(&self) -> State {
        self.state.clone()
    }

    fn restore(&mut self, snapshot: &State) {
        self.state.clone_from(snapshot);
    }

    fn facts(&self) -> Option<Facts> {
        let needed = self.task.as_deref()?.needed.as_deref()?;
        let known = needed.iter().filter(|call| self.state.asked.contains_key(*call)).count();
        Some(Facts { needed: needed.len() as u32, known: known as u32 })
    }

    fn outcome(&self) -> Outcome {
        let right = |task: &Recorded| task.answers.is_empty() || task.answers.contains(&self.state.answer);
        let passed = self.state.end == Some(End::Finished)
            && !self.state.answer.is_empty()
            && self.task.as_deref().is_some_and(right)
            && self.facts().is_none_or(|facts| facts.known == facts.needed && self.state.others == 0);
        Outcome { score: f32::from(u8::from(passed)), passed }
    }

    fn digest(&self) -> u64 {
        let end = hash(0, &format!("{:?} {}", self.state.end, self.state.answer));
        let end = end ^ self.state.others as u64;
        self.state.asked.iter().fold(end, |sum, (call, count)| hash(sum ^ *count as u64, call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rec_core::Message;

    #[test]
    fn recorded_calls_are_answered_again() {
        let call = |id: &str| ToolCall::new(id, "f", r#"{"a":1}"#.parse().unwrap());
        let trajectory = Trajectory {
            tools: vec![ToolSpec::new("f", "", r#"{"type":"object","properties":{}}"#.parse().unwrap())],
            messages: vec![
                Message::user("what?"),
                Message::calls(vec![call("1")]),
                Message::tool("1", r#"{"error":"busy","response":""}"#),
                Message::calls(vec![call("2")]),
                Message::tool("2", r#"{"error":"","response":{"x":5}}"#),
            ],
            ..Trajectory::default()
        };
        let task = Arc::new(Recorded::from_trajectories(&[trajectory]).unwrap());
        let mut env = ReplayEnvironment::default();
        env.reset(&task, 0);
        assert_eq!(env.query(), "what?");
        assert_eq!(env.step(&call("")).reply.error, "busy");
        let saved = env.snapshot();
        assert_eq!(env.step(&call("")).reply.response, r#"{"x":5}"#.parse().unwrap());
        assert_eq!(env.step(&call("")).reply.status, Status::Ok);
        let unknown = ToolCall::new("", "f", r#"{"a":2}"#.parse().unwrap());
        assert_eq!(env.step(&unknown).reply.status, Status::NotWorking);
        assert_eq!(env.step(&ToolCall::new("", "g", Json::Null)).reply.status, Status::NoSuchTool);
        let finish =
            ToolCall::new("", FINISH, r#"{"return_type":"give_answer","final_answer":"5"}"#.parse().unwrap());
        assert_eq!(env.step(&finish).end, Some(End::Finished));
        assert!(env.outcome().passed);
        assert_eq!(env.step(&call("")).reply.status, Status::RequestError);
        assert_eq!(env.facts(), None);
        env.restore(&saved);
        assert!(!env.outcome().passed);

        let task = Arc::new(Recorded::clone(&task).with_needed_calls());
        let facts = |known| Some(Facts { needed: 1, known });
        for (calls, passes) in [(vec![call("")], true), (vec![], false), (vec![call(""), unknown], false)] {
            env.reset(&task, 0);
            assert_eq!(env.facts(), facts(0));
            calls.iter().for_each(|call| drop(env.step(call)));
            assert_eq!(env.facts(), facts(u32::from(!calls.is_empty())));
            env.step(&finish);
            assert_eq!(env.outcome().passed, passes, "{calls:?}");
        }
        env.reset(&task, 0);
        env.restore(&saved);
        assert_eq!(env.step(&call("")).reply.response, r#"{"x":5}"#.parse().unwrap());
    }
}
