//! Environments in which tools are called.
//!
//! An environment is deterministic: a task and a seed settle everything that calls can bring about. It holds no clock, no files
//! and no network, can be copied at any time ([`ToolEnvironment::snapshot`]), and tells two states apart by a number
//! ([`ToolEnvironment::digest`]).

#[cfg(feature = "bfcl")]
pub mod bfcl;
pub mod failure;
pub mod replay;
pub mod schema;
pub mod server;

use rec_core::{Json, ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};

/// How a call went, with ToolBench's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// 0: it was done.
    Ok,
    /// 1: there is no such tool, or it is not offered.
    NoSuchTool,
    /// 2: the arguments do not fit, or the world has nothing of that name.
    BadInput,
    /// 3: `Finish` with an answer.
    FinalAnswer,
    /// 4: `Finish` without one.
    GiveUp,
    /// 5: it took longer than the deadline.
    Timeout,
    /// 6: the tool does not work at the moment.
    NotWorking,
    /// 7: a permission is missing.
    Unauthorised,
    /// 8: the tool is not subscribed to.
    Unsubscribed,
    /// 9: too many calls at once.
    TooManyRequests,
    /// 10: too many calls of this tool in the episode.
    RateLimit,
    /// 11: the call itself could not be read.
    MessageError,
    /// 12: any other failure of the request.
    RequestError,
}

impl Status {
    /// ToolBench's number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Of a number as ToolBench writes it.
    pub fn from_code(code: u8) -> Option<Self> {
        use Status::{
            BadInput, FinalAnswer, GiveUp, MessageError, NoSuchTool, NotWorking, Ok, RateLimit, RequestError,
            Timeout, TooManyRequests, Unauthorised, Unsubscribed,
        };
        let all = [
            Ok,
            NoSuchTool,
            BadInput,
            FinalAnswer,
            GiveUp,
            Timeout,
            NotWorking,
            Unauthorised,
            Unsubscribed,
            TooManyRequests,
            RateLimit,
            MessageError,
            RequestError,
        ];
        all.get(usize::from(code)).copied()
    }

    /// Of a number as the released server writes it: there 7 and 8 are the other way round than its own comment says.
    pub fn from_released_code(code: u8) -> Option<Self> {
        Self::from_code(match code {
            7 => 8,
            8 => 7,
            other => other,
        })
    }

    /// Whether the call did what it asked for; ending the episode counts.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::FinalAnswer | Self::GiveUp)
    }
}

/// What a tool answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// How it went.
    pub status: Status,
    /// What was wrong; empty if nothing was.
    pub error: String,
    /// The result; `null` if there is none.
    pub response: Json,
    /// How long it took, in ticks of the world's own time.
    #[serde(default)]
    pub latency: u32,
}

impl Reply {
    /// A result.
    pub fn ok(response: impl Into<Json>) -> Self {
        Self { status: Status::Ok, error: String::new(), response: response.into(), latency: 0 }
    }

    /// A failure.
    pub fn failed(status: Status, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), response: Json::Null, latency: 0 }
    }

    /// ToolBench's form: `{"error": …, "response": …}`, cut after 1024 characters with three dots.
    pub fn text(&self) -> String {
        let members =
            [("error", Json::from(self.error.as_str())), ("response", self.response.clone())].into_iter();
        let text = members.collect::<Json>().to_string();
        match text.char_indices().nth(1024) {
            Some((at, _)) => format!("{}...", &text[..at]),
            None => text,
        }
    }
}

/// Why an episode is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The agent finished with an answer.
    Finished,
    /// The agent finished without one.
    GaveUp,
    /// The agent took as many steps as it may.
    StepLimit,
    /// The agent wrote as much as it may.
    TokenLimit,
    /// The environment cannot go on.
    EnvironmentError,
}

/// What a step brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The tool's answer.
    pub reply: Reply,
    /// Set if the step ended the episode.
    pub end: Option<End>,
}

/// How an episode is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outcome {
    /// 1 solved, 0 not, between where the environment says so (unsure, or right with a flaw).
    pub score: f32,
    /// Whether it counts as passed.
    pub passed: bool,
}

/// What an environment with an oracle knows about the way to the goal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// How many facts the task needs.
    pub needed: u32,
    /// How many of them correct replies have brought so far.
    pub known: u32,
}

/// A world in which tools are called, one call a step.
///
/// Results depend on task, seed and calls alone. `step` takes any call, well-formed or not: what is wrong with it is an answer,
/// never a panic. After the end of an episode, every further call is answered with [`Status::RequestError`] and changes nothing.
pub trait ToolEnvironment: Clone + Send {
    /// What is to be done.
    type Task: Clone + Send + Sync;
    /// A copy of everything that changes in an episode.
    type Snapshot: Clone + Send;

    /// Begins an episode. `seed` settles what fails; the same for all episodes of a group makes them comparable.
    fn reset(&mut self, task: &Self::Task, seed: u64);

    /// The tools on offer, `Finish` included.
    fn tools(&self) -> &[ToolSpec];

    /// What is asked, for a reader.
    fn query(&self) -> &str;

    /// Carries out a call.
    fn step(&mut self, call: &ToolCall) -> Transition;

    /// A copy of the state.
    fn snapshot(&self) -> Self::Snapshot;

    /// Back to a state of the same episode.
    fn restore(&mut self, snapshot: &Self::Snapshot);

    /// The verdict on the state as it is.
    fn outcome(&self) -> Outcome;

    /// A number of the state and of what has been learnt: equal for equal states of a task.
    fn digest(&self) -> u64;

    /// What the oracle knows, where there is one.
    fn facts(&self) -> Option<Facts> {
        None
    }
}

/// The name of the tool that ends an episode.
pub const FINISH: &str = "Finish";

/// ToolBench's `Finish(return_type, final_answer)`.
pub fn finish_tool() -> ToolSpec {
    let schema = r#"{"type":"object","properties":{"return_type":{"type":"string","enum":["give_answer","give_up_and_restart"]},
        "final_answer":{"type":"string"}},"required":["return_type"],"additionalProperties":false}"#;
    let schema = schema.parse().expect("the schema above is JSON");
    ToolSpec::new(FINISH, "Ends the task with an answer, or gives it up.", schema)
}

/// A number of a text that is the same on every machine (FNV-1a, 64 bits, finished by splitmix).
pub(crate) fn hash(seed: u64, text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let mut x = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// [`hash`] as a number in `[0, 1)`.
pub(crate) fn chance(seed: u64, text: &str) -> f64 {
    (hash(seed, text) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_toolbenchs() {
        for code in 0..13 {
            assert_eq!(Status::from_code(code).map(Status::code), Some(code));
        }
        assert_eq!(Status::from_code(13), None);
        assert_eq!(Status::from_code(7), Some(Status::Unauthorised));
        assert_eq!(Status::from_released_code(7), Some(Status::Unsubscribed));
        assert_eq!(Status::from_released_code(8), Some(Status::Unauthorised));
        assert!((0..7).chain(9..20).all(|code| Status::from_released_code(code) == Status::from_code(code)));
    }

    #[test]
    fn replies_are_cut_at_characters() {
        let reply = Reply::ok("ü".repeat(2000));
        assert_eq!(reply.text().chars().count(), 1027);
        assert!(reply.text().ends_with("..."));
        assert_eq!(Reply::failed(Status::BadInput, "no").text(), r#"{"error":"no","response":null}"#);
    }
}
