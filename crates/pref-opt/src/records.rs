//! Prompts as text, in the JSON forms of the public implementation: arrays of `instruction`, `input`, `output`, and lines of
//! `prompt`, `chosen`, `rejected`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A row of `train.json`: what to do, the history in words, and the title that came next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRecord {
    /// What is asked for; the same in all rows of a data set.
    pub instruction: String,
    /// The history: titles in double quotes, joined by `, `.
    pub input: String,
    /// The title in double quotes, and a line feed.
    pub output: String,
    /// What a model answered, best first; present after inference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predict: Vec<String>,
}

/// A line of a preference file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPair {
    /// What is given.
    pub prompt: String,
    /// The preferred completion.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
}

/// Words around the titles of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// What is asked for.
    pub instruction: String,
    /// Stands before the titles.
    pub lead: String,
    /// Stands after the titles.
    pub close: String,
}

impl TextRecord {
    /// The record of a history and what came next.
    pub fn new(wording: &Wording, history: &[&str], target: &str) -> Self {
        let quoted: Vec<String> = history.iter().map(|title| format!("\"{title}\"")).collect();
        Self {
            instruction: wording.instruction.clone(),
            input: format!("{}{}{}", wording.lead, quoted.join(", "), wording.close),
            output: format!("\"{target}\"\n"),
            predict: Vec::new(),
        }
    }

    /// The title that came next, without its quotes. A quote inside the title stays.
    pub fn target(&self) -> &str {
        unquote(&self.output)
    }
}

/// The text between the first and the last double quote of an answer's first line; the trimmed line where there are not two.
///
/// The public implementation takes the text up to the second quote, which cuts titles that hold one.
pub fn unquote(answer: &str) -> &str {
    let line = answer.trim_start().lines().next().unwrap_or("").trim();
    match (line.find('"'), line.rfind('"')) {
        (Some(first), Some(last)) if first < last => &line[first + 1..last],
        _ => line,
    }
}

/// How a record becomes a prompt: one template for training, decoding and judging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PromptTemplate {
    /// A preamble, then blocks headed Instruction, Input and Response; the answer starts on a line of its own.
    Alpaca {
        /// The sentence before the blocks.
        preamble: String,
    },
    /// Nothing but the input: for tiny models, which read [`ItemCodec`](crate::codec::ItemCodec)'s tokens.
    Compact,
}

impl PromptTemplate {
    /// The prompt of a record; the answer follows it directly.
    pub fn render(&self, record: &TextRecord) -> String {
        match self {
            Self::Alpaca { preamble } => format!(
                "{preamble}\n\n### Instruction:\n{}\n\n### Input:\n{}\n\n### Response:\n",
                record.instruction, record.input
            ),
            Self::Compact => format!("{}\n", record.input),
        }
    }

    /// The line of a preference file for a record and a rejected title.
    ///
    /// # Errors
    /// [`Error::IdenticalPair`] if the rejected title is the chosen one.
    pub fn pair(&self, record: &TextRecord, rejected: &str, row: usize) -> Result<TextPair> {
        if rejected == record.target() {
            return Err(Error::IdenticalPair { row, text: rejected.to_owned() });
        }
        let rejected = format!("\"{rejected}\"\n");
        Ok(TextPair { prompt: self.render(record), chosen: record.output.clone(), rejected })
    }
}

/// Reads a JSON array of records.
///
/// # Errors
/// [`rec_core::Error::Io`], and [`rec_core::Error::Parse`] with line and column.
pub fn read_records(path: &Path) -> Result<Vec<TextRecord>> {
    let bytes = std::fs::read(path).map_err(|source| rec_core::Error::io(path, source))?;
    Ok(serde_json::from_slice(&bytes).map_err(|error| parse(path, error.line(), error.column(), &error))?)
}

/// Records as a JSON array.
///
/// # Errors
/// [`rec_core::Error::Io`].
pub fn write_records(path: &Path, records: &[TextRecord]) -> Result<()> {
    let text = serde_json::to_string_pretty(records).map_err(|error| Error::invalid(error.to_string()))?;
    Ok(rec_core::run::replace_file(path, text.as_bytes())?)
}

/// Reads one pair a line.
///
/// # Errors
/// As [`read_records`].
pub fn read_pairs(path: &Path) -> Result<Vec<TextPair>> {
    let text = std::fs::read_to_string(path).map_err(|source| rec_core::Error::io(path, source))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let pairs = lines.map(|(at, line)| {
        serde_json::from_str(line).map_err(|error| parse(path, at + 1, error.column(), &error))
    });
    Ok(pairs.collect::<Result<_, rec_core::Error>>()?)
}

/// One pair a line.
///
/// # Errors
/// [`rec_core::Error::Io`].
pub fn write_pairs(path: &Path, pairs: &[TextPair]) -> Result<()> {
    let mut text = String::new();
    for pair in pairs {
        text.push_str(&serde_json::to_string(pair).map_err(|error| Error::invalid(error.to_string()))?);
        text.push('\n');
    }
    Ok(rec_core::run::replace_file(path, text.as_bytes())?)
}

fn parse(path: &Path, line: usize, column: usize, error: &serde_json::Error) -> rec_core::Error {
    let place = rec_core::Place { path: path.to_owned(), line: line as u64, column: column as u32 };
    rec_core::Error::Parse { place, what: error.to_string() }
}
