//! The tools that requests offer.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use rec_core::{Json, ToolSpec};
use serde::Serialize;
use serde_json::value::RawValue;

/// Tools with the text that goes over the wire. An agent offers the same tools with every request; they are written once and
/// shared. Cheap to clone.
#[derive(Clone, Default)]
pub struct Toolset(Option<Arc<Written>>);

struct Written {
    specs: Vec<ToolSpec>,
    /// All of them as a request has them.
    wire: Box<RawValue>,
    /// The schema of each one's arguments.
    parameters: Vec<String>,
}

/// A tool as a request has it. The schema of results is no part of the form; some endpoints refuse what they do not know.
#[derive(Serialize)]
struct Offered<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl Toolset {
    /// The text as it goes over the wire; nothing without tools.
    pub(crate) fn wire(&self) -> Option<&RawValue> {
        self.0.as_ref().map(|written| &*written.wire)
    }

    /// Each tool with the text of the schema of its arguments.
    pub fn with_parameters(&self) -> impl Iterator<Item = (&ToolSpec, &str)> {
        let written = self.0.iter();
        written.flat_map(|written| written.specs.iter().zip(written.parameters.iter().map(String::as_str)))
    }
}

impl From<Vec<ToolSpec>> for Toolset {
    fn from(specs: Vec<ToolSpec>) -> Self {
        if specs.is_empty() {
            return Self(None);
        }
        let offered: Vec<Offered<'_>> = specs
            .iter()
            .map(|tool| Offered {
                r#type: "function",
                function: OfferedFunction {
                    name: &tool.name,
                    description: &tool.description,
                    parameters: &tool.parameters,
                    strict: tool.strict,
                },
            })
            .collect();
        let wire = serde_json::value::to_raw_value(&offered).expect("tools have a text");
        let text = |tool: &ToolSpec| serde_json::to_string(&tool.parameters).expect("a schema has a text");
        let parameters = specs.iter().map(text).collect();
        Self(Some(Arc::new(Written { specs, wire, parameters })))
    }
}

impl FromIterator<ToolSpec> for Toolset {
    fn from_iter<I: IntoIterator<Item = ToolSpec>>(tools: I) -> Self {
        tools.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for Toolset {
    type Target = [ToolSpec];

    fn deref(&self) -> &[ToolSpec] {
        self.0.as_ref().map_or(&[], |written| &written.specs)
    }
}

impl PartialEq for Toolset {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl std::fmt::Debug for Toolset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// How many different lists of tools a server remembers.
const REMEMBERED: usize = 32;

/// Lists of tools that a server has read: the same come again with every request of an agent.
#[derive(Debug, Default)]
pub struct SeenTools(Mutex<VecDeque<(String, Toolset)>>);

impl SeenTools {
    /// The tools of `text`, as read by `read` the first time.
    pub(crate) fn get<E>(&self, text: &str, read: impl FnOnce() -> Result<Toolset, E>) -> Result<Toolset, E> {
        let mut seen = self.0.lock().expect("no panic under the lock");
        if let Some((_, tools)) = seen.iter().find(|(known, _)| known == text) {
            return Ok(tools.clone());
        }
        let tools = read()?;
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back((text.to_owned(), tools.clone()));
        Ok(tools)
    }
}
