//! A simulated tool server: tools with handlers over a world, checked before and made to fail on order.

use std::collections::BTreeMap;
use std::sync::Arc;

use rec_core::json::Object;
use rec_core::{Json, ToolCall, ToolSpec};

use super::failure::FailureConfig;
use super::schema::Schema;
use super::{Reply, Status, hash};
use crate::{Error, Result};

/// What a handler refuses with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind.
    pub status: Status,
    /// What was wrong.
    pub what: String,
}

impl Refusal {
    /// The world has nothing of that name, or what is asked for cannot be.
    pub fn bad_input(what: impl Into<String>) -> Self {
        Self { status: Status::BadInput, what: what.into() }
    }

    /// A permission is missing.
    pub fn unauthorised(what: impl Into<String>) -> Self {
        Self { status: Status::Unauthorised, what: what.into() }
    }
}

/// Carries out a call whose arguments fit the schema. A pure function of world and arguments.
pub type Handler<W> = fn(&mut W, &Object) -> Result<Json, Refusal>;

/// A tool of a server.
pub struct ServerTool<W> {
    /// What the agent sees.
    pub spec: ToolSpec,
    /// What happens.
    pub handler: Handler<W>,
    /// Whether the handler may change the world; if not, it works on a copy that is thrown away.
    pub mutates: bool,
}

/// The tools of a world, the same for all episodes.
pub struct ToolServer<W> {
    tools: Vec<(ServerTool<W>, Schema)>,
    places: BTreeMap<String, usize>,
    failures: FailureConfig,
}

impl<W> std::fmt::Debug for ToolServer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolServer").field("tools", &self.places.keys()).finish_non_exhaustive()
    }
}

/// What a server remembers of an episode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How often each very call was made.
    attempts: BTreeMap<String, u32>,
    /// How often each tool was called.
    used: BTreeMap<String, u32>,
    /// Ticks of the world's own time that have passed.
    pub ticks: u64,
}

impl Calls {
    /// How often this very call was made.
    pub fn attempts(&self, call: &ToolCall) -> u32 {
        self.attempts.get(&call.canonical()).copied().unwrap_or(0)
    }

    /// A number of what was called how often.
    pub fn digest(&self) -> u64 {
        self.attempts.iter().fold(0, |sum, (call, count)| hash(sum ^ u64::from(*count), call))
    }
}

impl<W: Clone> ToolServer<W> {
    /// # Errors
    /// [`Error::Schema`] for a schema that cannot be checked, [`Error::Config`] for a name given twice or failures out of
    /// range.
    pub fn new(tools: Vec<ServerTool<W>>, failures: FailureConfig) -> Result<Arc<Self>> {
        failures.validate()?;
        let mut places = BTreeMap::new();
        let mut checked = Vec::with_capacity(tools.len());
        for (at, tool) in tools.into_iter().enumerate() {
            if places.insert(tool.spec.name.clone(), at).is_some() {
                return Err(Error::config("tools", format!("has {} twice", tool.spec.name)));
            }
            let schema = Schema::of(&tool.spec)?;
            checked.push((tool, schema));
        }
        Ok(Arc::new(Self { tools: checked, places, failures }))
    }

    /// All tools.
    pub fn tools(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.iter().map(|(tool, _)| &tool.spec)
    }

    /// The tool called `name`.
    pub fn tool(&self, name: &str) -> Option<&ServerTool<W>> {
        self.places.get(name).map(|&at| &self.tools[at].0)
    }

    /// Whether a call names a tool and its arguments fit.
    ///
    /// # Errors
    /// The reply that says what is wrong.
    pub fn check(&self, call: &ToolCall) -> Result<(), Reply> {
        let Some(&at) = self.places.get(&call.name) else {
            return Err(Reply::failed(Status::NoSuchTool, format!("no tool {}", call.name)));
        };
        if !matches!(call.arguments, Json::Object(_)) {
            return Err(Reply::failed(Status::MessageError, "the arguments are no object"));
        }
        self.tools[at].1.check(&call.arguments).map_err(|what| Reply::failed(Status::BadInput, what))
    }

    /// Carries out a call on `world`, whose state at the beginning of the episode was `initial`.
    pub fn call(&self, world: &mut W, initial: &W, seed: u64, calls: &mut Calls, call: &ToolCall) -> Reply {
        let text = call.canonical();
        let attempt = *calls.attempts.entry(text.clone()).and_modify(|n| *n += 1).or_insert(1) - 1;
        if let Err(reply) = self.check(call) {
            calls.ticks += 1;
            return reply;
        }
        let used = *calls.used.entry(call.name.clone()).and_modify(|n| *n += 1).or_insert(1) - 1;
        let (stopped, latency) = self.failures.before(seed, &text, attempt, used);
        calls.ticks += u64::from(latency);
        if let Some(reply) = stopped {
            return reply;
        }
        let (Some(&at), Json::Object(arguments)) = (self.places.get(&call.name), &call.arguments) else {
            return Reply::failed(Status::MessageError, "the arguments are no object");
        };
        let tool = &self.tools[at].0;
        let result = if tool.mutates {
            // A refused call changes nothing, whatever the handler did before it refused.
            let mut changed = world.clone();
            let result = (tool.handler)(&mut changed, arguments);
            if result.is_ok() {
                *world = changed;
            }
            result
        } else if self.failures.is_stale(seed, &text) {
            (tool.handler)(&mut initial.clone(), arguments)
        } else {
            (tool.handler)(&mut world.clone(), arguments)
        };
        let reply = match result {
            Ok(response) => Reply { latency, ..Reply::ok(response) },
            Err(Refusal { status, what }) => Reply { latency, ..Reply::failed(status, what) },
        };
        self.failures.after(seed, &text, attempt, reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(failures: FailureConfig) -> Arc<ToolServer<i64>> {
        let by = r#"{"type":"object","properties":{"by":{"type":"integer","minimum":1}},"required":["by"],
            "additionalProperties":false}"#;
        let none = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
        let tool = |name: &str, schema: &str, handler: Handler<i64>, mutates| ServerTool {
            spec: ToolSpec::new(name, "", schema.parse().unwrap()),
            handler,
            mutates,
        };
        ToolServer::new(
            vec![
                tool(
                    "add",
                    by,
                    |world, arguments| {
                        *world += arguments["by"].as_i64().unwrap_or(0);
                        if *world > 9 { Err(Refusal::bad_input("too much")) } else { Ok((*world).into()) }
                    },
                    true,
                ),
                tool(
                    "read",
                    none,
                    |world, _| {
                        *world += 100;
                        Ok((*world - 100).into())
                    },
                    false,
                ),
            ],
            failures,
        )
        .unwrap()
    }

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall::new("", name, arguments.parse().unwrap())
    }

    #[test]
    fn handlers_change_what_they_may_and_nothing_when_they_refuse() {
        let server = counter(FailureConfig::default());
        let (mut world, mut calls) = (0, Calls::default());
        let mut run = |name, arguments| server.call(&mut world, &0, 7, &mut calls, &call(name, arguments));
        assert_eq!(run("add", r#"{"by":4}"#), Reply { latency: 1, ..Reply::ok(4) });
        assert_eq!(run("add", r#"{"by":6}"#).status, Status::BadInput);
        assert_eq!(run("read", "{}").response, Json::from(4));
        assert_eq!(run("read", "{}").response, Json::from(4));
        assert_eq!(run("add", r#"{"by":0}"#).status, Status::BadInput);
        assert_eq!(run("add", r#"{"by":1,"c":2}"#).status, Status::BadInput);
        assert_eq!(run("add", "\"x\"").status, Status::MessageError);
        assert_eq!(run("ad", "{}").status, Status::NoSuchTool);
        assert_eq!(run("", "{}").status, Status::NoSuchTool);
        assert_eq!(calls.attempts(&call("read", "{}")), 2);
    }

    #[test]
    fn stale_reads_come_from_the_beginning() {
        let server = counter(FailureConfig { stale: 1.0, ..FailureConfig::default() });
        let (mut world, mut calls) = (2, Calls::default());
        server.call(&mut world, &2, 7, &mut calls, &call("add", r#"{"by":4}"#));
        assert_eq!(world, 6);
        assert_eq!(server.call(&mut world, &2, 7, &mut calls, &call("read", "{}")).response, Json::from(2));
    }
}
