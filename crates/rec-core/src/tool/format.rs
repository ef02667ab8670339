//! The forms in which conversations with tools are published and trained on.
//!
//! Every format is a module with `read` (a row to a [`Trajectory`]) and `write` (back). [`Format`] names them all and adds
//! the law: what is written reads back as the same roles, texts, calls, answers and names of tools. A conversation that a
//! format cannot hold is an error, never a row that says something else.

use std::fmt;
use std::str::FromStr;

use super::{Trajectory, bfcl, glaive, hermes, sharegpt, toolace, toolbench, turns, xlam};
use crate::error::{Error, Result};
use crate::json::Json;

/// A form of rows.
///
/// What a form cannot hold, beside ids, reasoning, weights, metadata and blanks at the ends of texts:
///
/// | form | does not hold |
/// |---|---|
/// | OpenAI | arguments that are empty text, or text that is itself JSON |
/// | ToolACE, ShareGPT | text beside calls; arguments that are no object; a system message in the middle |
/// | Hermes | a system message in the middle |
/// | xLAM | more than one question and its calls |
/// | Glaive, ToolBench | several calls in one message |
/// | BFCL | anything after the first calls; an empty string as the value of an optional argument |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `{"messages", "tools"}` with chat completions' messages.
    OpenAi,
    /// `{"system", "conversations"}` with calls as text.
    ToolAce,
    /// `{"conversations", "tools", "system"}` as LLaMA-Factory reads it.
    ShareGpt,
    /// ShareGPT with calls in `<tool_call>` tags.
    Hermes,
    /// `{"query", "tools", "answers"}`, of xLAM and APIGen.
    Xlam,
    /// `{"system", "chat"}`, Glaive's function calling v2.
    Glaive,
    /// ToolBench's answer files.
    ToolBench,
    /// `{"id", "question", "function", "ground_truth"}`: a line of a BFCL question file joined with its answer.
    Bfcl,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::ToolAce,
        Self::ShareGpt,
        Self::Hermes,
        Self::Xlam,
        Self::Glaive,
        Self::ToolBench,
        Self::Bfcl,
    ];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::ToolAce => "toolace",
            Self::ShareGpt => "sharegpt",
            Self::Hermes => "hermes",
            Self::Xlam => "xlam",
            Self::Glaive => "glaive",
            Self::ToolBench => "toolbench",
            Self::Bfcl => "bfcl",
        }
    }

    /// Reads a row. Calls of formats without ids are numbered `call_1`, `call_2`, ….
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the member or message that is not as the format has it.
    pub fn read(self, row: &Json) -> Result<Trajectory> {
        match self {
            Self::OpenAi => {
                let mut row = row.clone();
                // Fine-tuning files have no other place for an id.
                if let Some(members) = row.as_object_mut() {
                    members.entry("messages".to_owned()).or_insert_with(|| Json::Array(Vec::new()));
                }
                serde_json::from_str(&row.to_string()).map_err(|error| Error::invalid(error.to_string()))
            }
            Self::ToolAce => toolace::read(row),
            Self::ShareGpt => sharegpt::read(row),
            Self::Hermes => hermes::read(row),
            Self::Xlam => xlam::read(row),
            Self::Glaive => glaive::read(row),
            Self::ToolBench => toolbench::read(row),
            Self::Bfcl => bfcl::read(row),
        }
    }

    /// Writes a row.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the format cannot hold the conversation, naming the message.
    pub fn write(self, trajectory: &Trajectory) -> Result<Json> {
        let row = match self {
            Self::OpenAi => {
                let text = serde_json::to_string(trajectory);
                text.map_err(|error| Error::invalid(error.to_string())).and_then(|text| text.parse())
            }
            Self::ToolAce => toolace::write(trajectory),
            Self::ShareGpt => sharegpt::write(trajectory),
            Self::Hermes => hermes::write(trajectory),
            Self::Xlam => xlam::write(trajectory),
            Self::Glaive => glaive::write(trajectory),
            Self::ToolBench => toolbench::write(trajectory),
            Self::Bfcl => bfcl::write(trajectory),
        };
        let refused = |error| turns::within(format_args!("the {self} format cannot hold this"), error);
        let row = row.map_err(refused)?;
        let read = self.read(&row).map_err(refused)?;
        turns::same(trajectory, &read).map_err(refused)?;
        Ok(row)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// # Errors
/// [`Error::Config`] listing the names.
impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
            Error::config("format", format!("{text} is not one of {}", names.join(", ")))
        })
    }
}
