//! What happened, event by event: written as JSONL, read back, replayed, compared.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::future::BoxFuture;
use rec_core::Json;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::decider::{DecideError, Decider, Decision};
use crate::error::{Error, Result};
use crate::view::AgentView;

/// The version of the form. A reader refuses another.
pub const VERSION: u32 = 1;

/// What kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The task as it was shown.
    Task,
    /// A thought and the action that follows from it.
    Decision,
    /// A tool's name and arguments.
    ToolCall,
    /// A tool's result.
    ToolResult,
    /// What the agent was told.
    Observation,
    /// What the Reflector said.
    Reflection,
    /// An accepted answer.
    Answer,
    /// The end of an attempt without an answer.
    Halt,
    /// A decider failed.
    Error,
}

/// What an event holds, as the text of its JSON: most events are written and never looked into.
#[derive(Clone, Debug)]
pub struct Payload(Box<RawValue>);

impl Payload {
    /// The text of `value`.
    ///
    /// # Panics
    /// If `value` cannot be written as JSON.
    pub fn of<T: Serialize>(value: &T) -> Self {
        Self(serde_json::value::to_raw_value(value).expect("a payload has a text"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value as a tree.
    pub fn json(&self) -> Json {
        self.as_str().parse().unwrap_or_default()
    }

    /// What the text tells of.
    ///
    /// # Errors
    /// Where it is not of this type.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_str())
    }
}

/// Equal if the values are, however they are written.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() || self.json() == other.json()
    }
}

/// What is taken down of a tool's call.
#[derive(Serialize)]
pub(crate) struct CallPayload<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a Json,
}

/// What is taken down of a tool's result.
#[derive(Serialize)]
pub(crate) struct ResultPayload<'a> {
    pub(crate) ok: bool,
    pub(crate) text: &'a str,
    pub(crate) value: &'a Json,
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The sample.
    pub sample: String,
    /// The place within the sample, from 0.
    pub seq: u32,
    /// Who acted: attempt, parents, role.
    pub agent: String,
    /// What kind.
    pub kind: EventKind,
    /// The content.
    pub payload: Payload,
    /// Milliseconds since the sample began; only where timings are asked for, because they differ from run to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub t_ms: Option<u64>,
}

/// Hears events as they happen, numbered as they come. Of workers that run at once the trace has another order: the plan's.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Collects the events of one sample. Workers that run at once have recorders of their own, which are joined in the order
/// of the plan, so that a trace does not depend on who was faster.
#[derive(Clone)]
pub struct Recorder {
    sample: String,
    events: Vec<Event>,
    clock: Option<Instant>,
    listener: Option<Listener>,
    /// How many events the listener has heard, of this recorder and its branches.
    heard: Arc<AtomicU32>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("sample", &self.sample)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder for `sample`; with `timed` every event says when it happened.
    pub fn new(sample: impl Into<String>, timed: bool, listener: Option<Listener>) -> Self {
        Self {
            sample: sample.into(),
            events: Vec::new(),
            clock: timed.then(Instant::now),
            listener,
            heard: Arc::default(),
        }
    }

    /// Takes down an event.
    pub fn record<T: Serialize>(&mut self, agent: &str, kind: EventKind, payload: &T) {
        let place = self.events.len() as u32;
        let mut event = Event {
            sample: self.sample.clone(),
            seq: place,
            agent: agent.to_owned(),
            kind,
            payload: Payload::of(payload),
            t_ms: self.clock.map(|clock| clock.elapsed().as_millis() as u64),
        };
        if let Some(listener) = &self.listener {
            event.seq = self.heard.fetch_add(1, Ordering::Relaxed);
            listener(&event);
            event.seq = place;
        }
        self.events.push(event);
    }

    /// A recorder for what happens at the same time.
    pub fn branch(&self) -> Self {
        Self { events: Vec::new(), ..self.clone() }
    }

    /// Takes the events of a branch.
    pub fn join(&mut self, branch: Self) {
        for mut event in branch.events {
            event.seq = self.events.len() as u32;
            self.events.push(event);
        }
    }

    /// The events.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }
}

/// The first line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the crate that wrote it.
    pub crate_version: String,
    /// SHA-256 of the data set's rows.
    pub data_sha256: String,
    /// The task.
    pub task: crate::task::TaskKind,
    /// The whole system.
    pub system: crate::system::SystemConfig,
    /// Who decides, by name; never a key.
    pub model: String,
    /// [`Knowledge::models_sha256`](crate::knowledge::Knowledge::models_sha256); traces from before this was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_sha256: Option<String>,
}

/// Writes one line.
///
/// # Errors
/// Of the writer.
pub fn write_line<T: Serialize>(out: &mut impl Write, value: &T) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// A trace in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its first line.
    pub header: Header,
    /// The events by sample, in the order of the file.
    pub samples: Vec<(String, Vec<Event>)>,
}

impl Trace {
    /// Reads a trace; a torn last line (of a run that was cut off) is left out.
    ///
    /// # Errors
    /// [`Error::Format`] with the line.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
        let mut header = None;
        let mut samples: Vec<(String, Vec<Event>)> = Vec::new();
        let mut torn: Option<(usize, String)> = None;
        // A line may be torn within a character: bytes until it is whole.
        for (number, line) in (1..).zip(std::io::BufReader::new(file).split(b'\n')) {
            let line = line.map_err(|error| Error::io(path, error))?;
            if let Some((number, what)) = torn.take() {
                return Err(Error::format(path, number, what));
            }
            if number == 1 {
                let found: Header = serde_json::from_slice(&line)
                    .map_err(|error| Error::format(path, number, format!("not a trace: {error}")))?;
                if found.version != VERSION {
                    let what = format!("version {}; this reads {VERSION}", found.version);
                    return Err(Error::format(path, number, what));
                }
                header = Some(found);
                continue;
            }
            match serde_json::from_slice::<Event>(&line) {
                Ok(event) => match samples.last_mut() {
                    Some((sample, events)) if *sample == event.sample => events.push(event),
                    _ => samples.push((event.sample.clone(), vec![event])),
                },
                Err(error) => torn = Some((number, error.to_string())),
            }
        }
        let header = header.ok_or_else(|| Error::format(path, 0, "an empty trace"))?;
        Ok(Self { header, samples })
    }

    /// A sample as text for people: who thought, did and saw what.
    pub fn show(events: &[Event]) -> String {
        let mut text = String::new();
        for event in events {
            let depth = event.agent.matches('/').count();
            let line = describe(event);
            for (at, line) in line.lines().enumerate() {
                let label = if at == 0 { format!("{:>3} {}", event.seq, event.agent) } else { String::new() };
                text += &format!("{label:<28} {}{line}\n", "  ".repeat(depth));
            }
        }
        text
    }

    /// How often each kind of event and each action comes.
    pub fn stats(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in self.samples.iter().flat_map(|(_, events)| events) {
            let kind = format!("{:?}", event.kind).to_lowercase();
            *counts.entry(kind).or_default() += 1;
            let (what, pointer) = match event.kind {
                EventKind::Decision => ("decision", "/action/Ok/type"),
                EventKind::ToolCall => ("tool", "/name"),
                _ => continue,
            };
            if let Some(name) = event.payload.json().pointer(pointer).and_then(Json::as_str) {
                *counts.entry(format!("{what} {name}")).or_default() += 1;
            }
        }
        counts
    }

    /// Where two traces differ first, sample by sample: the sample, and the two events (or none where one ends).
    pub fn diff<'a>(&'a self, other: &'a Self) -> Vec<Difference<'a>> {
        let theirs: HashMap<&str, &Vec<Event>> =
            other.samples.iter().map(|(sample, events)| (sample.as_str(), events)).collect();
        let mut found = Vec::new();
        for (sample, events) in &self.samples {
            let Some(others) = theirs.get(sample.as_str()) else {
                found.push(Difference { sample, left: events.first(), right: None });
                continue;
            };
            let same =
                |a: &Event, b: &Event| a.agent == b.agent && a.kind == b.kind && a.payload == b.payload;
            let place = (0..events.len().max(others.len()))
                .find(|&at| !matches!((events.get(at), others.get(at)), (Some(a), Some(b)) if same(a, b)));
            if let Some(at) = place {
                found.push(Difference { sample, left: events.get(at), right: others.get(at) });
            }
        }
        let ours: Vec<&str> = self.samples.iter().map(|(sample, _)| sample.as_str()).collect();
        for (sample, events) in other.samples.iter().filter(|(sample, _)| !ours.contains(&sample.as_str())) {
            found.push(Difference { sample, left: None, right: events.first() });
        }
        found
    }
}

/// The first place where two traces of a sample differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference<'a> {
    /// The sample.
    pub sample: &'a str,
    /// The event of the one.
    pub left: Option<&'a Event>,
    /// The event of the other.
    pub right: Option<&'a Event>,
}

/// An event in words.
pub fn describe(event: &Event) -> String {
    let payload = &event.payload.json();
    let text = |pointer: &str| payload.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
    match event.kind {
        EventKind::Task => {
            format!("task {}", payload.get("kind").map(ToString::to_string).unwrap_or_default())
        }
        EventKind::Decision => match event.payload.read::<Decision>() {
            Ok(decision) => {
                let action = match &decision.action {
                    Ok(action) => action.to_text(),
                    Err(error) => format!("(no action: {})", error.what),
                };
                let claims: Vec<String> = decision
                    .claims
                    .iter()
                    .map(|claim| {
                        format!("\n  claim: {} <- {}{}", claim.text, claim.observation, claim.pointer)
                    })
                    .collect();
                format!("thinks: {}\ndoes: {action}{}", decision.thought, claims.concat())
            }
            Err(_) => payload.to_string(),
        },
        EventKind::ToolCall => format!("calls {}", payload),
        EventKind::ToolResult => format!("gets {}", crate::untrusted::clip(&text("/text"), 400)),
        EventKind::Observation => format!("sees: {}", crate::untrusted::clip(&text("/text"), 400)),
        EventKind::Reflection => {
            let keeps = payload.pointer("/0").and_then(Json::as_bool).unwrap_or_default();
            format!("{}: {}", if keeps { "keeps the answer" } else { "sends it back" }, text("/1"))
        }
        EventKind::Answer => {
            let value = payload.get("value").unwrap_or(payload);
            let told = match value {
                Json::String(text) => text.clone(),
                Json::Array(ids) => {
                    ids.iter().map(|id| id.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
                }
                other => other.to_string(),
            };
            format!("ANSWER {told}")
        }
        EventKind::Halt => format!("HALT {payload}"),
        EventKind::Error => format!("ERROR {payload}"),
    }
}

/// Decides what a trace says was decided. Every agent of every sample gets its decisions in their order.
pub struct ReplayDecider {
    decisions: Mutex<HashMap<(String, String), Recorded>>,
}

/// The decisions of one agent of one sample that are still to come.
type Recorded = VecDeque<std::result::Result<Decision, DecideError>>;

impl ReplayDecider {
    /// The decisions of `trace`.
    ///
    /// # Errors
    /// [`Error::Diverged`] for an event that is no decision although it says so.
    pub fn new(trace: &Trace) -> Result<Self> {
        let mut decisions: HashMap<_, Recorded> = HashMap::new();
        for event in trace.samples.iter().flat_map(|(_, events)| events) {
            let unreadable = |error: serde_json::Error| Error::Diverged {
                sample: event.sample.clone(),
                place: format!("event {}", event.seq),
                what: format!("not readable: {error}"),
            };
            let decision = match event.kind {
                EventKind::Decision => Ok(event.payload.read().map_err(unreadable)?),
                EventKind::Error => Err(event.payload.read().map_err(unreadable)?),
                _ => continue,
            };
            decisions.entry((event.sample.clone(), event.agent.clone())).or_default().push_back(decision);
        }
        Ok(Self { decisions: Mutex::new(decisions) })
    }
}

impl Decider for ReplayDecider {
    fn decide<'a>(
        &'a self,
        view: &'a AgentView,
    ) -> BoxFuture<'a, std::result::Result<Decision, DecideError>> {
        let key = (view.task.sample.clone(), view.path.clone());
        let next = self
            .decisions
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .get_mut(&key)
            .and_then(VecDeque::pop_front);
        let missing =
            || Err(DecideError::Model(format!("the trace has no further decision of {}", view.path)));
        let next = next.unwrap_or_else(missing);
        Box::pin(std::future::ready(next))
    }
}
