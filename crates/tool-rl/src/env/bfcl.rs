//! The multi-turn worlds of the Berkeley Function-Calling Leaderboard as environments, through `tool-synth`'s executor.
//!
//! A task names the classes that it involves, where they start, and the calls of the reference; an episode is passed if the
//! state at the end is the one the reference calls lead to. (The official checker looks at every turn of a dialogue; an
//! environment of single steps has one.)

use std::sync::Arc;

use rec_core::{Json, ToolCall, ToolSpec};
use tool_synth::Value;
use tool_synth::bfcl::multi_turn::{Class, Outcome as Executed, Settings, World};

use super::{End, FINISH, Facts, Outcome, Reply, Status, ToolEnvironment, Transition, hash};
use crate::{Error, Result};

/// A task in BFCL's worlds.
#[derive(Clone, Debug)]
pub struct BfclTask {
    query: String,
    tools: Vec<ToolSpec>,
    world: World,
    goal: World,
}

impl BfclTask {
    /// A task whose worlds begin as `initial` says, in the form of BFCL's `initial_config`, and should end as after the calls
    /// of `reference`, in Python's syntax.
    ///
    /// # Errors
    /// [`Error::Record`] if the worlds cannot be made, or a reference call is none that the executor takes.
    pub fn new(
        query: impl Into<String>,
        tools: Vec<ToolSpec>,
        classes: &[Class],
        initial: &Value,
        reference: &[&str],
    ) -> Result<Arc<Self>> {
        let world = World::new(classes, initial, &Settings::default())
            .map_err(|error| Error::record("initial_config", format!("{error:?}")))?;
        let mut goal = world.clone();
        for call in reference {
            if let Executed::Unsupported(what) = goal.execute(call) {
                return Err(Error::record(format!("reference call {call}"), format!("{what:?}")));
            }
        }
        Ok(Arc::new(Self { query: query.into(), tools, world, goal }))
    }
}

/// The environment.
#[derive(Clone, Debug, Default)]
pub struct BfclEnvironment {
    task: Option<Arc<BfclTask>>,
    state: Option<State>,
}

/// What changes in an episode.
#[derive(Clone, Debug)]
pub struct State {
    world: World,
    end: Option<End>,
}

/// A value as Python writes it.
fn python(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(_) | Json::String(_) => value.to_string(),
        Json::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Json::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Json::from(name.as_str()), python(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A call as Python writes it; nothing if a name is no identifier.
fn python_call(call: &ToolCall) -> Option<String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let members = call.arguments.as_object()?;
    if !is_name(&call.name) || !members.keys().all(|name| is_name(name)) {
        return None;
    }
    let arguments = members.iter().map(|(name, value)| format!("{name}={}", python(value)));
    Some(format!("{}({})", call.name, arguments.collect::<Vec<_>>().join(", ")))
}

impl ToolEnvironment for BfclEnvironment {
    type Task = Arc<BfclTask>;
    type Snapshot = Option<State>;

    fn reset(&mut self, task: &Arc<BfclTask>, _: u64) {
        self.task = Some(Arc::clone(task));
        self.state = Some(State { world: task.world.clone(), end: None });
    }

    fn tools(&self) -> &[ToolSpec] {
        self.task.as_ref().map_or(&[], |task| &task.tools)
    }

    fn query(&self) -> &str {
        self.task.as_ref().map_or("", |task| &task.query)
    }

    fn step(&mut self, call: &ToolCall) -> Transition {
        let (Some(task), Some(state)) = (&self.task, &mut self.state) else {
            let reply = Reply::failed(Status::RequestError, "no task was given");
            return Transition { reply, end: Some(End::EnvironmentError) };
        };
        let failed = |status, what: String| Transition { reply: Reply::failed(status, what), end: None };
        if state.end.is_some() {
            return Transition {
                end: state.end,
                ..failed(Status::RequestError, "the episode is over".into())
            };
        }
        if call.name == FINISH {
            let gave_up =
                call.arguments.get("return_type").and_then(Json::as_str) == Some("give_up_and_restart");
            let (status, end) =
                if gave_up { (Status::GiveUp, End::GaveUp) } else { (Status::FinalAnswer, End::Finished) };
            state.end = Some(end);
            return Transition { reply: Reply { status, ..Reply::ok(Json::Null) }, end: state.end };
        }
        if task.tools.iter().all(|tool| tool.name != call.name) {
            return failed(Status::NoSuchTool, format!("no tool {}", call.name));
        }
        let Some(text) = python_call(call) else {
            return failed(Status::MessageError, "the arguments are no object of named values".to_owned());
        };
        // Some methods change the world before they refuse, so a refused call is taken back.
        let before = state.world.clone();
        let reply = match state.world.execute(&text) {
            Executed::Text(text) => match text.parse::<Json>() {
                Ok(value) if value.get("error").is_some() => {
                    state.world = before;
                    Reply { response: value, ..Reply::failed(Status::RequestError, "refused") }
                }
                Ok(value) => Reply::ok(value),
                Err(_) if text.starts_with("Error during execution") => {
                    state.world = before;
                    Reply::failed(Status::BadInput, text)
                }
                Err(_) => Reply::ok(text),
            },
            Executed::Unsupported(what) => {
                state.world = before;
                Reply::failed(Status::RequestError, format!("{what:?}"))
            }
        };
        Transition { reply, end: None }
    }

    fn snapshot(&self) -> Option<State> {
        self.state.clone()
    }

    fn restore(&mut self, snapshot: &Option<State>) {
        self.state.clone_from(snapshot);
    }

    fn outcome(&self) -> Outcome {
        let (Some(task), Some(state)) = (&self.task, &self.state) else { return Outcome::default() };
        let same = matches!(state.world.difference(&task.goal), Ok(None));
        let passed = state.end == Some(End::Finished) && same;
        Outcome { score: f32::from(u8::from(passed)), passed }
    }

    fn digest(&self) -> u64 {
        let Some(state) = &self.state else { return 0 };
        hash(0, &format!("{:?} {:?}", state.world.state(), state.end))
    }

    fn facts(&self) -> Option<Facts> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::finish_tool;

    #[test]
    fn worlds_are_stepped_compared_and_taken_back() {
        let tool =
            |name: &str| ToolSpec::new(name, "", r#"{"type":"object","properties":{}}"#.parse().unwrap());
        let tools = vec![tool("touch"), tool("ls"), tool("mkdir"), finish_tool()];
        let task =
            BfclTask::new("make a file", tools, &[Class::FileSystem], &Value::None, &["touch('notes.txt')"])
                .unwrap();
        let mut env = BfclEnvironment::default();
        env.reset(&task, 0);
        let call = |name: &str, arguments: &str| ToolCall::new("", name, arguments.parse().unwrap());
        let saved = env.snapshot();
        let start = env.digest();
        assert_eq!(env.step(&call("rm", "{}")).reply.status, Status::NoSuchTool);
        assert!(!env.step(&call("touch", r#"{"name":"x"}"#)).reply.status.is_success());
        assert_eq!(env.step(&call("touch", "3")).reply.status, Status::MessageError);
        assert_eq!(env.digest(), start);
        let touched = env.step(&call("touch", r#"{"file_name":"notes.txt"}"#));
        assert_eq!(touched.reply.status, Status::Ok, "{touched:?}");
        assert_ne!(env.digest(), start);
        let finish = call(FINISH, r#"{"return_type":"give_answer","final_answer":"done"}"#);
        assert_eq!(env.step(&finish).end, Some(End::Finished));
        assert!(env.outcome().passed);
        env.restore(&saved);
        assert_eq!(env.digest(), start);
        env.step(&finish);
        assert!(!env.outcome().passed);
    }
}
