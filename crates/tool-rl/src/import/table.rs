//! StepTool's training tables: rows of Python lists, separated by tabs.

use rec_core::Json;

use super::python::{read_literal, write_list};
use crate::{Error, Result};

/// One trajectory of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// What stands before each response: the conversation's beginning, then what tools answered.
    pub prompts: Vec<String>,
    /// What the model wrote, with the chat format's marks.
    pub responses: Vec<String>,
    /// The reward of each step.
    pub rewards: Vec<f32>,
}

impl TableRow {
    /// What the released script of the PPO baseline makes of a row: the lists themselves as text, the brackets, quotes and escapes of Python's
    /// notation included, as one prompt and one response, and the last reward. A degenerate baseline, for comparison with the claim that
    /// was made beside it.
    pub fn as_literals(&self) -> (String, String, f32) {
        (write_list(&self.prompts), write_list(&self.responses), self.rewards.last().copied().unwrap_or(0.0))
    }
}

/// Reads a table with the columns `prompt`, `response` and `reward` (any order, others ignored). Cells may be quoted as CSV does, with
/// line ends inside.
///
/// # Errors
/// [`Error::Record`] naming the row for a missing column, a cell that is no list, or lists of different lengths.
pub fn read_table(text: &str) -> Result<Vec<TableRow>> {
    let mut records = records(text).into_iter();
    let header = records.next().ok_or_else(|| Error::record("table", "is empty"))?;
    let column = |name: &str| {
        let at = header.iter().position(|cell| cell.trim() == name);
        at.ok_or_else(|| Error::record("table", format!("has no column {name}")))
    };
    let (prompt, response, reward) = (column("prompt")?, column("response")?, column("reward")?);
    records
        .enumerate()
        .map(|(at, record)| {
            let wrong = |what: String| Error::record(format!("row {}", at + 1), what);
            let list = |column: usize, name: &str| {
                let cell = record.get(column).map_or("", String::as_str);
                match read_literal(cell) {
                    Ok(Json::Array(items)) => Ok(items),
                    Ok(_) => Err(wrong(format!("{name} is no list"))),
                    Err(what) => Err(wrong(format!("{name}: {what}"))),
                }
            };
            let texts = |items: Vec<Json>, name: &str| {
                let text = |item: Json| match item {
                    Json::String(text) => Ok(text),
                    other => Err(wrong(format!("{name} holds a {}", other.kind()))),
                };
                items.into_iter().map(text).collect::<Result<Vec<String>>>()
            };
            let prompts = texts(list(prompt, "prompt")?, "prompt")?;
            let responses = texts(list(response, "response")?, "response")?;
            let rewards = list(reward, "reward")?.iter().map(Json::as_f64).collect::<Option<Vec<f64>>>();
            let rewards = rewards.ok_or_else(|| wrong("reward holds something else than numbers".into()))?;
            if prompts.len() != responses.len() || responses.len() != rewards.len() {
                let (a, b, c) = (prompts.len(), responses.len(), rewards.len());
                return Err(wrong(format!("has {a} prompts, {b} responses and {c} rewards")));
            }
            Ok(TableRow { prompts, responses, rewards: rewards.into_iter().map(|r| r as f32).collect() })
        })
        .collect()
}

/// Cells between tabs, with CSV's quotes.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut begun) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => {
                quoted = true;
                begun = true;
            }
            '\t' if !quoted => {
                record.push(std::mem::take(&mut cell));
                begun = true;
            }
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if begun || !cell.is_empty() {
                    record.push(std::mem::take(&mut cell));
                    records.push(std::mem::take(&mut record));
                }
                begun = false;
            }
            other => {
                cell.push(other);
                begun = true;
            }
        }
    }
    if begun || !cell.is_empty() {
        record.push(cell);
        records.push(record);
    }
    records
}
