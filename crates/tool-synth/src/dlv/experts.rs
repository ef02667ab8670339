//! The second layer: three experts with one question each.
//!
//! Behind an endpoint a model answers; offline the questions are answered by what can be decided: can every value be traced,
//! is every wish met, does every result fit its tool and its call.

use std::collections::HashMap;

use rec_core::{Json, Role, ToolCall, Trajectory};
use serde::{Deserialize, Serialize};

use super::traceable::{is_traceable, normal};
use crate::engine::solver::words_of;
use crate::engine::{Engine, Request, Task};
use crate::error::{Error, Result};
use crate::schema::{self, violations};

/// An expert of the model layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expert {
    /// Are there argument values that nobody said?
    Hallucination,
    /// Is what was asked for done, as instructed?
    Consistency,
    /// Do the results fit the tools and the calls?
    ToolResponse,
}

impl Expert {
    /// All of them, in the order of their questions.
    pub const ALL: [Self; 3] = [Self::Hallucination, Self::Consistency, Self::ToolResponse];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hallucination => "hallucination",
            Self::Consistency => "consistency",
            Self::ToolResponse => "tool response",
        }
    }

    /// Its question to a model.
    pub fn question(self) -> &'static str {
        match self {
            Self::Hallucination => {
                "You examine conversations between a person, an assistant and tools. Look at every value in the assistant's \
                 calls: is each one said by the person or the system message, returned by a tool before, or the parameter's \
                 declared default? If one is made up, the conversation fails."
            }
            Self::Consistency => {
                "You examine conversations between a person, an assistant and tools. Does the assistant do all that the person \
                 asks for and nothing else, does it ask when a required value is missing, and does it obey the system message? \
                 Text that repeats itself or means nothing fails too."
            }
            Self::ToolResponse => {
                "You examine conversations between a person, an assistant and tools. Does each tool's result fit the \
                 description of the tool and the arguments of the call, with the identifiers that were asked for?"
            }
        }
    }
}

/// What an expert thinks of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Whether it passes.
    pub pass: bool,
    /// The span that shows it.
    #[serde(default)]
    pub evidence: String,
    /// How sure the expert is, 0 to 1.
    #[serde(default)]
    pub confidence: f64,
}

impl Opinion {
    fn pass() -> Self {
        Self { pass: true, evidence: String::new(), confidence: 1.0 }
    }

    fn fail(evidence: impl Into<String>) -> Self {
        Self { pass: false, evidence: evidence.into(), confidence: 1.0 }
    }
}

/// Reads an opinion: the first JSON object in the reply.
///
/// # Errors
/// [`Error::Reply`] if there is none.
pub fn parse_opinion(reply: &str) -> Result<Opinion> {
    let start = reply.find('{').ok_or_else(|| Error::Reply { what: "no opinion in the reply".into() })?;
    let (value, _) =
        Json::read_prefix(&reply[start..]).map_err(|error| Error::Reply { what: error.to_string() })?;
    serde_json::from_str(&value.to_string()).map_err(|error| Error::Reply { what: error.to_string() })
}

/// Asks the experts in turn, up to the first that fails the sample.
///
/// # Errors
/// What the engine fails with, or an opinion that cannot be read.
pub fn examine(engine: &dyn Engine, sample: &Trajectory, seed: u64) -> Result<Vec<(Expert, Opinion)>> {
    let mut opinions = Vec::new();
    for expert in Expert::ALL {
        let request = Request { task: Task::Expert { expert, sample }, seed, temperature: 0.0 };
        let opinion = parse_opinion(&engine.complete(&request)?.text)?;
        let pass = opinion.pass;
        opinions.push((expert, opinion));
        if !pass {
            break;
        }
    }
    Ok(opinions)
}

/// The offline expert's opinion. The consistency of calls is judged by `metadata.goal` if the sample has one: a list of turns
/// with `calls`, `missing`, `answer`.
pub fn examine_offline(expert: Expert, sample: &Trajectory) -> Opinion {
    match expert {
        Expert::Hallucination => hallucination(sample),
        Expert::Consistency => consistency(sample),
        Expert::ToolResponse => tool_response(sample),
    }
}

fn hallucination(sample: &Trajectory) -> Opinion {
    let mut said = String::new();
    let mut returned = String::new();
    for message in &sample.messages {
        match message.role {
            Role::System | Role::User => {
                said.push_str(&message.content);
                said.push('\n');
            }
            Role::Tool => {
                returned.push_str(&message.content);
                returned.push('\n');
            }
            Role::Assistant => {
                if message.tool_calls.is_empty() {
                    continue;
                }
                let (heard, seen) = (normal(&said), normal(&returned));
                for call in &message.tool_calls {
                    if let Some(evidence) = made_up(call, sample, &heard, &seen) {
                        return Opinion::fail(evidence);
                    }
                }
            }
        }
    }
    Opinion::pass()
}

fn made_up(call: &ToolCall, sample: &Trajectory, heard: &str, seen: &str) -> Option<String> {
    let tool = sample.tool(&call.name)?;
    for (name, value) in call.arguments.as_object().into_iter().flatten() {
        let schema = tool.parameters.get("properties").and_then(|known| known.get(name));
        if let Some(found) = untraced(name, value, schema, heard, seen) {
            return Some(format!("{}: {name} = {found}", call.name));
        }
    }
    None
}

fn untraced(name: &str, value: &Json, schema: Option<&Json>, heard: &str, seen: &str) -> Option<String> {
    if schema.and_then(|schema| schema.get("default")) == Some(value) {
        return None;
    }
    // Named members have schemas, and defaults, of their own.
    if let (Json::Object(members), Some(properties)) =
        (value, schema.and_then(|schema| schema.get("properties")))
    {
        return members
            .iter()
            .find_map(|(member, value)| untraced(member, value, properties.get(member), heard, seen));
    }
    let identifier = matches!(value, Json::String(text) if text.bytes().any(|byte| byte.is_ascii_digit()))
        || (value.as_i64().is_some() && words_of(name).last().is_some_and(|word| word == "id"));
    let known = is_traceable(name, value, heard) || (identifier && is_traceable(name, value, seen));
    (!known).then(|| value.to_string())
}

fn consistency(sample: &Trajectory) -> Opinion {
    if let Some(text) = sample
        .messages
        .iter()
        .filter(|message| matches!(message.role, Role::User | Role::Assistant))
        .find_map(|message| meaningless(&message.content))
    {
        return Opinion::fail(text);
    }
    let Some(goal) = sample.metadata.get("goal").and_then(Json::as_array) else {
        let answered = sample
            .messages
            .last()
            .is_some_and(|last| last.role == Role::Assistant && !last.content.is_empty());
        return if answered { Opinion::pass() } else { Opinion::fail("nothing is said at the end") };
    };
    let turns = turns(sample);
    let mut at = 0;
    for (index, turn) in goal.iter().enumerate() {
        let Some((calls, last)) = turns.get(at) else {
            return Opinion::fail(format!("turn {index} was never spoken"));
        };
        let mut calls = calls.clone();
        let mut last = *last;
        at += 1;
        let expected = turn.get("calls").and_then(Json::as_array).unwrap_or_default();
        // A question in between belongs to the turn.
        while !expected.is_empty() && last.trim_end().ends_with('?') && at < turns.len() {
            calls.extend(turns[at].0.iter().copied());
            last = turns[at].1;
            at += 1;
        }
        let mut open: HashMap<String, i64> = HashMap::new();
        for call in expected {
            let name = call.get("name").and_then(Json::as_str).unwrap_or_default();
            let arguments = call.get("arguments").cloned().unwrap_or_default();
            *open.entry(ToolCall::new("", name, arguments).canonical()).or_default() += 1;
        }
        for call in &calls {
            *open.entry(call.canonical()).or_default() -= 1;
        }
        if let Some((call, count)) = open.iter().filter(|(_, count)| **count != 0).min() {
            let what = if *count > 0 { "not done" } else { "not asked for" };
            return Opinion::fail(format!("{what}: {call}"));
        }
        if let Some(missing) = turn.get("missing").and_then(Json::as_str)
            && !asks_for(sample, last, missing)
        {
            return Opinion::fail(format!("does not ask for {missing}: {last}"));
        }
        if let Some(answer) = turn.get("answer").and_then(Json::as_str)
            && !normal(last).contains(&*format!(" {} ", normal(answer).trim()))
        {
            return Opinion::fail(format!("does not answer {answer}: {last}"));
        }
    }
    if at < turns.len() { Opinion::fail("a turn that nobody wanted") } else { Opinion::pass() }
}

/// Whether a question names a parameter by its own words or those of its description.
fn asks_for(sample: &Trajectory, question: &str, parameter: &str) -> bool {
    let leaf = parameter.rsplit('.').next().unwrap_or(parameter);
    let text = normal(question);
    let described =
        sample.tools.iter().flat_map(|tool| schema::properties(&tool.parameters)).any(|(name, property)| {
            let description = property.get("description").and_then(Json::as_str).unwrap_or_default();
            name == leaf && !description.is_empty() && text.contains(normal(description).trim())
        });
    question.trim_end().ends_with('?')
        && (described || words_of(leaf).iter().any(|word| text.contains(&format!(" {word}"))))
}

/// The calls after each message of the user, and the assistant's last words.
fn turns(sample: &Trajectory) -> Vec<(Vec<&ToolCall>, &str)> {
    let mut all: Vec<(Vec<&ToolCall>, &str)> = Vec::new();
    for message in &sample.messages {
        match message.role {
            Role::User => all.push((Vec::new(), "")),
            Role::Assistant => {
                if let Some((calls, last)) = all.last_mut() {
                    calls.extend(&message.tool_calls);
                    *last = &message.content;
                }
            }
            _ => {}
        }
    }
    all
}

/// A text that hardly says anything: few different words, or no words at all.
fn meaningless(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut different: Vec<&str> = words.clone();
    different.sort_unstable();
    different.dedup();
    let repeated = words.len() >= 12 && different.len() * 3 < words.len();
    let twice = words.windows(3).any(|three| three[0] == three[1] && three[1] == three[2]);
    let letters = text.chars().filter(|letter| letter.is_alphanumeric()).count();
    let noise = !text.trim().is_empty() && letters * 3 < text.chars().count();
    (repeated || twice || noise)
        .then(|| format!("says nothing: {}", text.chars().take(80).collect::<String>()))
}

fn tool_response(sample: &Trajectory) -> Opinion {
    let calls: HashMap<&str, &ToolCall> = sample.calls().map(|call| (call.id.as_str(), call)).collect();
    for message in sample.messages.iter().filter(|message| message.role == Role::Tool) {
        let Some(call) = message.tool_call_id.as_deref().and_then(|id| calls.get(id)) else { continue };
        let Some(schema) = sample.tool(&call.name).and_then(|tool| tool.returns.as_ref()) else { continue };
        let Ok(result) = message.content.parse::<Json>() else {
            return Opinion::fail(format!("no JSON: {}", message.content));
        };
        if let Some(violation) = violations(&result, schema).into_iter().next() {
            return Opinion::fail(format!("{}: {}", violation.path, violation.message));
        }
        // What was asked for by its identifier is what comes back.
        for (name, value) in call.arguments.as_object().into_iter().flatten() {
            let words = words_of(name);
            if words.last().is_none_or(|word| word != "id") {
                continue;
            }
            for (member, echoed) in result.as_object().into_iter().flatten() {
                if words_of(member) == words && echoed != value {
                    return Opinion::fail(format!("{member} is {echoed}, asked for was {value}"));
                }
            }
        }
    }
    Opinion::pass()
}
