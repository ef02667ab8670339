//! Samples as files that others read: chat messages and ToolACE rows as JSON lines, BFCL questions and answers, Parquet.

use std::path::{Path, PathBuf};

use rec_core::run::replace_file;
use rec_core::tool::{Format, bfcl, call_text};
use rec_core::{Json, Message, Role, ToolCall, Trajectory};

use crate::error::Result;

/// A sample without what only the pipeline needs: the hidden goal and the thinking.
pub fn published(sample: &Trajectory) -> Trajectory {
    let mut sample = sample.clone();
    sample.metadata.shift_remove("goal");
    sample.metadata.shift_remove("decisions");
    sample
}

/// One row a sample in a format.
///
/// # Errors
/// What the format cannot hold.
pub fn rows(samples: &[Trajectory], format: Format) -> Result<String> {
    let mut text = String::new();
    for sample in samples {
        text.push_str(&format.write(&published(sample))?.to_string());
        text.push('\n');
    }
    Ok(text)
}

/// A single-turn sample as a BFCL question and, unless no call is right, its answer. Nothing for samples that BFCL's
/// single-turn categories have no place for: several turns, calls that need results, questions back, names that are no
/// Python.
pub fn bfcl_pair(sample: &Trajectory) -> Option<(Json, Option<Json>)> {
    let users = sample.messages.iter().filter(|message| message.role == Role::User).count();
    let kind = sample.metadata.get("type").and_then(Json::as_str)?;
    if users != 1 || kind == "dependent" || sample.tools.is_empty() {
        return None;
    }
    let is_name = |name: &str| {
        name.split('.').all(|part| {
            let mut letters = part.chars();
            letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
                && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
        })
    };
    if !sample.tools.iter().all(|tool| is_name(&tool.name)) {
        return None;
    }
    let calls: Vec<ToolCall> =
        sample.calls().map(|call| ToolCall { id: String::new(), ..call.clone() }).collect();
    let category = match (kind, calls.len(), sample.tools.len()) {
        ("no_tool", 0, _)
            if sample.metadata.get("no_tool").and_then(Json::as_str) == Some("irrelevant_tools") =>
        {
            "irrelevance"
        }
        ("no_tool", ..) | (_, 0, _) => return None,
        (_, 1, 1) => "simple_python",
        (_, 1, _) => "multiple",
        (_, _, 1) => "parallel",
        _ => "parallel_multiple",
    };
    let number = sample.id.rsplit('_').next().unwrap_or_default().trim_start_matches('0');
    let number = if number.is_empty() { "0" } else { number };
    let mut row = Trajectory {
        id: format!("{category}_{number}"),
        tools: sample.tools.clone(),
        messages: sample.messages.iter().filter(|message| message.role == Role::User).cloned().collect(),
        ..Trajectory::default()
    };
    for tool in &mut row.tools {
        tool.returns = None;
    }
    if !calls.is_empty() {
        row.messages.push(Message::calls(calls));
    }
    bfcl::write(&row).ok().map(|row| bfcl::split(&row))
}

/// Writes all forms into a folder: `openai.jsonl`, `toolace.jsonl`, `bfcl/BFCL_v4_CATEGORY.json` with
/// `bfcl/possible_answer/` and the calls as text in `bfcl/own_answer/`, and `samples.parquet` with the feature `parquet`.
///
/// # Errors
/// What a format cannot hold, or a file that cannot be written.
pub fn write_all(samples: &[Trajectory], out: &Path) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    let mut write = |path: PathBuf, text: &str| -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| crate::Error::io(folder, source))?;
        }
        replace_file(&path, text.as_bytes())?;
        written.push(path);
        Ok(())
    };
    write(out.join("openai.jsonl"), &rows(samples, Format::OpenAi)?)?;
    write(out.join("toolace.jsonl"), &rows(samples, Format::ToolAce)?)?;
    for category in ["simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance"] {
        let (mut questions, mut answers, mut own) = (String::new(), String::new(), String::new());
        for sample in samples {
            let Some((question, answer)) = bfcl_pair(sample) else { continue };
            let id = question.get("id").and_then(Json::as_str).unwrap_or_default();
            if id.rsplit_once('_').map(|(name, _)| name) != Some(category) {
                continue;
            }
            questions.push_str(&format!("{question}\n"));
            if let Some(answer) = &answer {
                answers.push_str(&format!("{answer}\n"));
            }
            let calls: Vec<ToolCall> = sample.calls().cloned().collect();
            let text = if calls.is_empty() {
                sample.messages.last().map_or_else(String::new, |last| last.content.clone())
            } else {
                call_text::write(&calls)?
            };
            let row: Json = [("id", Json::from(id)), ("result", Json::from(text))].into_iter().collect();
            own.push_str(&format!("{row}\n"));
        }
        let name = format!("BFCL_v4_{category}.json");
        write(out.join("bfcl").join(&name), &questions)?;
        if category != "irrelevance" {
            write(out.join("bfcl/possible_answer").join(&name), &answers)?;
        }
        write(out.join("bfcl/own_answer").join(&name), &own)?;
    }
    #[cfg(feature = "parquet")]
    {
        let path = out.join("samples.parquet");
        parquet(samples, &path)?;
        written.push(path);
    }
    Ok(written)
}

/// Writes a table: `id`, `type`, `tools` and `messages` as JSON texts, `complexity`, `candidates`, `calls`. The file is replaced
/// as a whole, and the same samples give the same bytes.
///
/// # Errors
/// [`crate::Error::Io`] if the file cannot be written.
#[cfg(feature = "parquet")]
pub fn parquet(samples: &[Trajectory], path: &Path) -> Result<()> {
    use std::sync::Arc;

    use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
    use ::parquet::errors::ParquetError;
    use ::parquet::file::properties::WriterProperties;
    use ::parquet::file::writer::SerializedFileWriter;
    use ::parquet::schema::parser::parse_message_type;

    let run = || -> std::result::Result<Vec<u8>, ParquetError> {
        let schema = parse_message_type(
            "message samples {
                required binary id (STRING); required binary type (STRING); required binary tools (STRING);
                required binary messages (STRING); required double complexity; required int32 candidates;
                required int32 calls;
            }",
        )?;
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties)?;
        let json = |text: serde_json::Result<String>| text.expect("samples have texts");
        for samples in samples.chunks(4_096) {
            let mut rows = writer.next_row_group()?;
            let texts: [Vec<ByteArray>; 4] = [
                samples.iter().map(|sample| ByteArray::from(sample.id.as_str())).collect(),
                samples
                    .iter()
                    .map(|sample| {
                        ByteArray::from(
                            sample.metadata.get("type").and_then(Json::as_str).unwrap_or_default(),
                        )
                    })
                    .collect(),
                samples
                    .iter()
                    .map(|sample| ByteArray::from(json(serde_json::to_string(&sample.tools)).into_bytes()))
                    .collect(),
                samples
                    .iter()
                    .map(|sample| ByteArray::from(json(serde_json::to_string(&sample.messages)).into_bytes()))
                    .collect(),
            ];
            for values in &texts {
                if let Some(mut column) = rows.next_column()? {
                    column.typed::<ByteArrayType>().write_batch(values, None, None)?;
                    column.close()?;
                }
            }
            let complexity: Vec<f64> = samples
                .iter()
                .map(|sample| sample.metadata.get("complexity").and_then(Json::as_f64).unwrap_or(f64::NAN))
                .collect();
            if let Some(mut column) = rows.next_column()? {
                column.typed::<DoubleType>().write_batch(&complexity, None, None)?;
                column.close()?;
            }
            let counts: [Vec<i32>; 2] = [
                samples.iter().map(|sample| sample.tools.len() as i32).collect(),
                samples.iter().map(|sample| sample.calls().count() as i32).collect(),
            ];
            for values in &counts {
                if let Some(mut column) = rows.next_column()? {
                    column.typed::<Int32Type>().write_batch(values, None, None)?;
                    column.close()?;
                }
            }
            rows.close()?;
        }
        writer.into_inner()
    };
    let bytes = run().map_err(|error| crate::Error::io(path, std::io::Error::other(error)))?;
    Ok(replace_file(path, &bytes)?)
}
