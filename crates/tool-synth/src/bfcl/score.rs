//! Scoring a folder of model outputs as the official command does, and writing the same score files.
//!
//! Results lie in `RESULTS/MODEL/…/BFCL_v4_CATEGORY_result.json`, scores go to `SCORES/MODEL/GROUP/BFCL_v4_CATEGORY_score.json`: a line with the
//! accuracy, then a line for every wrong entry with its error, prompt, answer and expectation. The summaries of all models
//! are [`board`]'s. Answers are decoded as the official default does: text of a model that is prompted, or lists of
//! `{name: JSON text}` of one that calls natively. What differs from the official files: the reason after "Failed to decode
//! AST." (there it is CPython's), and the details of a multi-turn error. Web search and memory are not scored.

pub mod board;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::multi_turn::{self, Tasks, Verdict};
use super::package::{Model, Package, add_hint};
use super::{
    Arena, Format, Language, Outcome, Pairing, decode_in, decode_native_in, explain, is_call_list,
    judge_once, judge_relevance, language,
};
use crate::error::{Error, Result};
use crate::value::json::{self, Layout};
use crate::value::{Dict, Node, Value};

/// The single-turn categories, in the benchmark's order.
pub const SINGLE_TURN: [&str; 13] = [
    "simple_python",
    "simple_java",
    "simple_javascript",
    "multiple",
    "parallel",
    "parallel_multiple",
    "irrelevance",
    "live_simple",
    "live_multiple",
    "live_parallel",
    "live_parallel_multiple",
    "live_irrelevance",
    "live_relevance",
];

/// What is scored, and where.
#[derive(Debug)]
pub struct Settings<'a> {
    /// The user's copy of the official package.
    pub package: &'a Package,
    /// The folder with a folder of results for each model.
    pub results: &'a Path,
    /// The folder for the scores.
    pub scores: &'a Path,
    /// Only these models; all if empty.
    pub models: &'a [String],
    /// Only these categories; all if empty.
    pub categories: &'a [String],
    /// Whether results may be of a part of a category's entries.
    pub partial: bool,
    /// Today's date, which one of the simulated APIs tells.
    pub today: [i64; 3],
}

/// The score of a model in a category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// The model, as its folder is named.
    pub model: String,
    /// The category.
    pub category: String,
    /// Right answers.
    pub correct: usize,
    /// Answers.
    pub total: usize,
    /// The file that was written.
    pub file: PathBuf,
}

impl Score {
    /// The share of right answers.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.total as f64
    }
}

/// Scores the results of all models and categories that are asked for and there, and writes the summaries.
///
/// # Errors
/// If a file cannot be read or written, is not of the form, or results do not fit the questions.
pub fn score(settings: &Settings<'_>) -> Result<Vec<Score>> {
    let known = settings.package.models()?;
    let mut scores = Vec::new();
    let mut usage: HashMap<String, board::Usage> = HashMap::new();
    let mut tasks = None;
    for folder in folders(settings.results)? {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !settings.models.is_empty() && !settings.models.iter().any(|model| model.replace('/', "_") == name)
        {
            continue;
        }
        for file in files(&folder, "_result.json")? {
            let Some(category) = category_of(&file) else { continue };
            let wanted = settings.categories.is_empty() || settings.categories.contains(&category);
            let kind = kind_of(&category);
            let (Some(kind), true) = (kind, wanted) else { continue };
            let mut results = read_lines(&file)?;
            results
                .sort_by_key(|result| place_of(result.get("id").and_then(Value::as_str).unwrap_or_default()));
            usage.entry(name.clone()).or_default().add(&results);
            let model = known.get(&name.replace('_', "/")).cloned().unwrap_or_else(|| {
                let native =
                    results.iter().any(|result| matches!(result.get("result"), Some(Value::List(_))));
                let display_name = name.clone();
                Model { display_name, native, underscores: native, ..Model::default() }
            });
            let run = Run { settings, name: &name, model: &model, category: &category, file: &file };
            let (wrong, extra) = match kind {
                Kind::MultiTurn => {
                    if tasks.is_none() {
                        tasks = Some(Tasks::from_package(settings.package, settings.today)?);
                    }
                    (run.multi_turn(&results, tasks.as_ref().expect("they were just read"))?, Vec::new())
                }
                Kind::Relevance => (run.relevance(&results)?, Vec::new()),
                Kind::Calls => (run.calls(&results)?, Vec::new()),
                Kind::FormatSensitivity => run.format_sensitivity(&results)?,
            };
            scores.push(run.write(results.len(), wrong, extra)?);
        }
    }
    board::write(settings, &known, &usage)?;
    Ok(scores)
}

/// How a category is judged.
enum Kind {
    Calls,
    Relevance,
    MultiTurn,
    FormatSensitivity,
}

fn kind_of(category: &str) -> Option<Kind> {
    if multi_turn::CATEGORIES.contains(&category) {
        Some(Kind::MultiTurn)
    } else if category == "format_sensitivity" {
        Some(Kind::FormatSensitivity)
    } else if !SINGLE_TURN.contains(&category) {
        None
    } else if category.contains("relevance") {
        Some(Kind::Relevance)
    } else {
        Some(Kind::Calls)
    }
}

/// The folder of a category's score file.
fn group(category: &str) -> &'static str {
    if category == "format_sensitivity" {
        "format_sensitivity"
    } else if category.contains("live") {
        "live"
    } else if category.contains("multi_turn") {
        "multi_turn"
    } else {
        "non_live"
    }
}

fn folders(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).map_err(|source| Error::io(path, source))?;
    let mut folders: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// All files under a folder whose names begin as the benchmark's do and end as given.
fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path, end)?);
        } else if path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("BFCL_v4_") && name.ends_with(end))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn category_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?.strip_prefix("BFCL_v4_")?.strip_suffix(".json")?;
    Some(name.strip_suffix("_result").or_else(|| name.strip_suffix("_score"))?.to_owned())
}

fn read_lines(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    let parse =
        |(at, line)| json::parse(line).map_err(|error| Error::format(path, Some(at + 1), error.to_string()));
    text.lines().enumerate().map(parse).collect()
}

/// By what results are ordered: category, then number.
fn place_of(id: &str) -> (String, u64) {
    let id = id.split(':').next().unwrap_or_default();
    let (category, index) = id.rsplit_once('_').unwrap_or((id, "0"));
    let index = index.split('-').next().unwrap_or_default();
    (category.to_owned(), index.parse().unwrap_or(0))
}

/// The entries of the prompt variations: every listed entry with every configuration.
pub(super) fn format_configurations() -> Vec<String> {
    let mut all = Vec::new();
    for format in ["python", "json", "verbose_xml", "concise_xml"] {
        for tag in ["True", "False"] {
            for documents in ["python", "xml", "json"] {
                all.push(format!(
                    "ret_fmt={format}&tool_call_tag={tag}&func_doc_fmt={documents}&prompt_fmt=plaintext&style=classic"
                ));
            }
        }
    }
    let plain = "ret_fmt=python&tool_call_tag=False&func_doc_fmt=json";
    all.push(format!("{plain}&prompt_fmt=markdown&style=classic"));
    all.push(format!("{plain}&prompt_fmt=plaintext&style=experimental"));
    all
}

/// A dictionary of named members.
fn object<const N: usize>(members: [(&str, Value); N]) -> Dict {
    members.into_iter().map(|(name, value)| (Value::from(name), value)).collect()
}

/// One file of results.
struct Run<'a> {
    settings: &'a Settings<'a>,
    name: &'a str,
    model: &'a Model,
    category: &'a str,
    file: &'a Path,
}

impl Run<'_> {
    fn wrong_form(&self, what: impl Into<String>) -> Error {
        Error::format(self.file, None, what)
    }

    /// The members that every wrong entry begins with.
    fn head(&self, id: &str, valid: Value) -> Dict {
        object([
            ("id", Value::from(id)),
            ("model_name", Value::from(self.name)),
            ("test_category", Value::from(self.category)),
            ("valid", valid),
        ])
    }

    /// Questions and answers of the entries that there are results of, in the order of the questions.
    fn entries(
        &self,
        results: &[Value],
        questions: Vec<Value>,
        answers: Option<Vec<Value>>,
    ) -> Result<Vec<(Value, Value)>> {
        if !self.settings.partial && results.len() != questions.len() {
            return Err(self.wrong_form(format!(
                "{} results for {} entries; a part of them is accepted only if asked for",
                results.len(),
                questions.len()
            )));
        }
        let ids: std::collections::HashSet<&str> =
            results.iter().filter_map(|result| result.get("id").and_then(Value::as_str)).collect();
        let truths = answers.map_or_else(
            || vec![Value::None; questions.len()],
            |answers| {
                answers.iter().map(|answer| answer.get("ground_truth").cloned().unwrap_or_default()).collect()
            },
        );
        if truths.len() != questions.len() {
            return Err(self.wrong_form("the package has another number of answers than of questions"));
        }
        let is_there =
            |question: &Value| question.get("id").and_then(Value::as_str).is_some_and(|id| ids.contains(id));
        let pairs: Vec<_> =
            questions.into_iter().zip(truths).filter(|(question, _)| is_there(question)).collect();
        if pairs.len() != results.len() {
            return Err(self.wrong_form(format!(
                "{} results, of which {} have an entry",
                results.len(),
                pairs.len()
            )));
        }
        Ok(pairs)
    }

    /// What an answer says: calls, or nothing if decoding fails.
    fn decoded<'a>(
        &self,
        arena: &'a Arena,
        answer: &'a Value,
        format: Format,
        tagged: bool,
    ) -> Option<Node<'a>> {
        if !self.model.native {
            return decode_in(arena, answer.as_str()?, format, tagged);
        }
        let calls = match answer {
            Value::List(calls) => calls.as_slice(),
            Value::Str(text) if text.is_empty() => &[],
            _ => return None,
        };
        let one = |call: &'a Value| -> Option<(&'a str, &'a str)> {
            let (name, arguments) = call.as_dict()?.iter().next()?;
            Some((name.as_str()?, arguments.as_str()?))
        };
        decode_native_in(arena, calls.iter().map(one).collect::<Option<Vec<_>>>()?)
    }

    fn calls(&self, results: &[Value]) -> Result<Vec<Dict>> {
        let package = self.settings.package;
        let entries =
            self.entries(results, package.questions(self.category)?, Some(package.answers(self.category)?))?;
        let language = language(self.category);
        let format = match language {
            Language::Python => Format::Python,
            Language::Java => Format::Java,
            Language::JavaScript => Format::JavaScript,
        };
        let mut wrong = Vec::new();
        for (result, (question, truth)) in results.iter().zip(&entries) {
            wrong.extend(self.one(
                result,
                question,
                truth,
                language,
                format,
                false,
                Pairing::of(self.category),
            )?);
        }
        Ok(wrong)
    }

    /// What is to be written of a wrong answer; nothing of a right one.
    #[allow(clippy::too_many_arguments)]
    fn one(
        &self,
        result: &Value,
        question: &Value,
        truth: &Value,
        language: Language,
        format: Format,
        tagged: bool,
        pairing: Pairing,
    ) -> Result<Option<Dict>> {
        let id =
            result.get("id").and_then(Value::as_str).ok_or_else(|| self.wrong_form("a result without id"))?;
        let answer = result.get("result").ok_or_else(|| self.wrong_form(format!("{id}: no result")))?;
        let functions = question.get("function").unwrap_or(&Value::None);
        let arena = Arena::new();
        let node = self.decoded(&arena, answer, format, tagged);
        let mut record = self.head(id, Value::from(false));
        let mut add = |name: &str, value: Value| {
            record.insert(Value::from(name), value);
        };
        let outcome = judge_once(&arena, (functions, truth, language), node, pairing, self.model.underscores);
        let decoded = if outcome == Outcome::Valid { None } else { node.map(|node| node.to_value()) };
        match outcome {
            Outcome::Valid => return Ok(None),
            Outcome::Raise => {
                return Err(self
                    .wrong_form(format!("{id}: the official checker raises at this entry of the package")));
            }
            Outcome::Invalid(kind) => match &decoded {
                Some(Value::List(calls)) if node.as_ref().is_some_and(is_call_list) => {
                    let explained =
                        explain(functions, truth, language, calls, pairing, self.model.underscores);
                    let errors = explained
                        .filter(|explained| explained.kind == kind)
                        .map(|explained| explained.errors);
                    let errors =
                        errors.ok_or_else(|| self.wrong_form(format!("{id}: {kind} has no explanation")))?;
                    add("error", Value::List(errors));
                    add("error_type", Value::from(kind));
                    add("prompt", question.clone());
                    add("model_result_raw", answer.clone());
                    add("model_result_decoded", decoded.clone().unwrap_or_default());
                }
                Some(decoded) => {
                    let text = "Did not output in the specified format. Note: the model_result is wrapped in a string to ensure json serializability.";
                    add("error", Value::List(vec![Value::from(text)]));
                    add("error_type", Value::from(kind));
                    add("prompt", question.clone());
                    add("model_result_raw", Value::from(answer.to_text()));
                    add("model_result_decoded", Value::from(decoded.to_text()));
                }
                None => {
                    let text = "Invalid syntax. Failed to decode AST. The text is not as the format asks.";
                    add("error", Value::List(vec![Value::from(text)]));
                    add("error_type", Value::from(kind));
                    add("prompt", question.clone());
                    add("model_result_raw", answer.clone());
                }
            },
        }
        add("possible_answer", truth.clone());
        Ok(Some(record))
    }

    fn relevance(&self, results: &[Value]) -> Result<Vec<Dict>> {
        let entries = self.entries(results, self.settings.package.questions(self.category)?, None)?;
        let mut wrong = Vec::new();
        for (result, (question, _)) in results.iter().zip(entries) {
            let id = result
                .get("id")
                .and_then(Value::as_str)
                .ok_or_else(|| self.wrong_form("a result without id"))?;
            let answer = result.get("result").ok_or_else(|| self.wrong_form(format!("{id}: no result")))?;
            let arena = Arena::new();
            let decoded = self.decoded(&arena, answer, Format::Python, false);
            let Outcome::Invalid(kind) = judge_relevance(decoded, self.category) else { continue };
            let text = if self.category.contains("irrelevance") {
                "Valid syntax. Successfully decode AST when it should not."
            } else if decoded.is_some() {
                "Invalid syntax. Failed to decode AST when it should have. None"
            } else {
                "Invalid syntax. Failed to decode AST when it should have. The text is not as the format asks."
            };
            let mut record = self.head(id, Value::from(false));
            record.insert("prompt".into(), question);
            record.insert("model_result".into(), answer.clone());
            record.insert("decoded_result".into(), decoded.unwrap_or_default().to_value());
            record.insert("error".into(), Value::List(vec![Value::from(text)]));
            record.insert("error_type".into(), Value::from(kind));
            wrong.push(record);
        }
        Ok(wrong)
    }

    fn format_sensitivity(&self, results: &[Value]) -> Result<(Vec<Dict>, Vec<(String, Value)>)> {
        let package = self.settings.package;
        let listed = package.lines("data/BFCL_v4_format_sensitivity.json").or_else(|_| {
            // The list is one value over several lines.
            let text = package.text("data/BFCL_v4_format_sensitivity.json")?;
            json::parse(&text).map(|value| vec![value]).map_err(|error| self.wrong_form(error.to_string()))
        })?;
        let (mut questions, mut truths) = (Vec::new(), Vec::new());
        let configurations = format_configurations();
        let hint = package.python_hint()?;
        for (category, ids) in listed.first().and_then(Value::as_dict).into_iter().flat_map(Dict::iter) {
            let category = category.as_str().unwrap_or_default();
            let ids = ids.as_list().unwrap_or_default();
            if ids.is_empty() {
                continue;
            }
            for (question, answer) in package.questions(category)?.into_iter().zip(package.answers(category)?)
            {
                let id = question.get("id").cloned().unwrap_or_default();
                if !ids.contains(&id) {
                    continue;
                }
                let mut question = question;
                add_hint(&mut question, &hint);
                for configuration in &configurations {
                    let mut question = question.clone();
                    if let Value::Dict(question) = &mut question {
                        let id = format!("format_sensitivity_{}:{configuration}:{id}", questions.len());
                        question.insert("id".into(), Value::from(id));
                    }
                    questions.push(question);
                    truths.push(answer.clone());
                }
            }
        }
        let entries = self.entries(results, questions, Some(truths))?;
        let mut counts: Vec<(String, usize, usize)> = Vec::new();
        let mut wrong = Vec::new();
        for (result, (question, truth)) in results.iter().zip(&entries) {
            let id = result.get("id").and_then(Value::as_str).unwrap_or_default();
            let [_, configuration, original] = id.split(':').collect::<Vec<_>>()[..] else {
                return Err(self.wrong_form(format!("{id} is no id of a prompt variation")));
            };
            let setting = |name: &str| {
                configuration.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            };
            let format = setting("ret_fmt").and_then(Format::from_name);
            let format = format.ok_or_else(|| self.wrong_form(format!("{id}: no return format")))?;
            let tagged = setting("tool_call_tag") == Some("True");
            let found =
                self.one(result, question, truth, Language::Python, format, tagged, Pairing::of(original))?;
            let at = counts.iter().position(|(other, ..)| other == configuration).unwrap_or_else(|| {
                counts.push((configuration.to_owned(), 0, 0));
                counts.len() - 1
            });
            counts[at].1 += usize::from(found.is_none());
            counts[at].2 += 1;
            wrong.extend(found);
        }
        let accuracies: Vec<f64> =
            counts.iter().map(|(_, correct, total)| *correct as f64 / *total as f64).collect();
        let mean = accuracies.iter().sum::<f64>() / accuracies.len().max(1) as f64;
        let variance = if accuracies.len() > 1 {
            accuracies.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (accuracies.len() - 1) as f64
        } else {
            0.0
        };
        let most = accuracies.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = accuracies.iter().copied().fold(f64::INFINITY, f64::min);
        let delta = if accuracies.len() > 1 { most - least } else { 0.0 };
        let mut extra = vec![
            ("accuracy_max_delta".to_owned(), Value::from(rounded(delta * 100.0))),
            ("accuracy_variance".to_owned(), Value::from(rounded(variance * 1e4))),
            ("accuracy_std".to_owned(), Value::from(rounded(variance.sqrt() * 100.0))),
        ];
        for ((configuration, correct, total), accuracy) in counts.into_iter().zip(accuracies) {
            let members = object([
                ("accuracy", Value::from(accuracy)),
                ("correct_count", Value::from(correct as i64)),
                ("total_count", Value::from(total as i64)),
            ]);
            extra.push((configuration, Value::Dict(members)));
        }
        Ok((wrong, extra))
    }

    fn multi_turn(&self, results: &[Value], tasks: &Tasks) -> Result<Vec<Dict>> {
        let package = self.settings.package;
        let entries = self.entries(
            results,
            package.multi_turn_questions(self.category)?,
            Some(package.answers(self.category)?),
        )?;
        let mut wrong = Vec::new();
        for (result, (question, truth)) in results.iter().zip(entries) {
            let id = result
                .get("id")
                .and_then(Value::as_str)
                .ok_or_else(|| self.wrong_form("a result without id"))?;
            let answer = result.get("result").ok_or_else(|| self.wrong_form(format!("{id}: no result")))?;
            let task = tasks
                .get(id)
                .ok_or_else(|| self.wrong_form(format!("{id}: the package has no such task")))?;
            let verdict = multi_turn::judge(task, answer, self.name);
            let (kind, turn) = match verdict {
                Verdict::Valid => continue,
                Verdict::Invalid { error, turn } => (error, turn),
                Verdict::Raise(what) => {
                    return Err(self.wrong_form(format!("{id}: the official checker raises {what}")));
                }
                Verdict::Unsupported(what) => {
                    return Err(self.wrong_form(format!("{id}: not simulated: {what}")));
                }
            };
            let mut record = self.head(id, Value::from(false));
            let explained = multi_turn::explain(task, answer, self.name, kind, turn);
            record.insert("error".into(), explained.error);
            let mut question = question;
            if let Value::Dict(question) = &mut question {
                question.remove(&Value::from("function"));
            }
            record.insert("prompt".into(), question);
            match explained.decoded {
                None => {
                    record.insert("model_result".into(), answer.clone());
                }
                Some(decoded) => {
                    record.insert("model_result_raw".into(), answer.clone());
                    record.insert("model_result_decoded".into(), decoded);
                }
            }
            record.insert("possible_answer".into(), truth);
            record.insert(
                "inference_log".into(),
                result.get("inference_log").cloned().unwrap_or_else(|| Value::from("")),
            );
            wrong.push(record);
        }
        Ok(wrong)
    }

    fn write(&self, total: usize, wrong: Vec<Dict>, extra: Vec<(String, Value)>) -> Result<Score> {
        let folder = self.settings.scores.join(self.name).join(group(self.category));
        let file = folder.join(format!("BFCL_v4_{}_score.json", self.category));
        let score = Score {
            model: self.name.to_owned(),
            category: self.category.to_owned(),
            correct: total - wrong.len(),
            total,
            file: file.clone(),
        };
        let mut head = object([
            ("accuracy", Value::from(score.accuracy())),
            ("correct_count", Value::from(score.correct as i64)),
            ("total_count", Value::from(total as i64)),
        ]);
        for (name, value) in extra {
            head.insert(Value::from(name), value);
        }
        let mut text = String::new();
        for record in std::iter::once(head).chain(wrong) {
            json::write(&mut text, &writable(&Value::Dict(record)), Layout { unicode: true, indent: None });
            text.push('\n');
        }
        write_file(&file, &text)?;
        Ok(score)
    }
}

/// A value as the official command makes it fit for JSON: what JSON cannot hold becomes its text, in a tuple the tuple as a whole.
fn writable(value: &Value) -> Value {
    fn fits(value: &Value) -> bool {
        match value {
            Value::Complex(..) | Value::Bytes(_) | Value::Set(_) => false,
            Value::List(items) | Value::Tuple(items) => items.iter().all(fits),
            Value::Dict(dict) => dict.iter().all(|(key, value)| fits(key) && fits(value)),
            _ => true,
        }
    }
    match value {
        Value::List(items) => Value::List(items.iter().map(writable).collect()),
        Value::Dict(dict) => {
            Value::Dict(dict.iter().map(|(key, value)| (key.clone(), writable(value))).collect())
        }
        other if fits(other) => other.clone(),
        other => Value::from(other.repr()),
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
    }
    std::fs::write(path, text).map_err(|source| Error::io(path, source))
}

/// A number with two decimal places.
fn rounded(value: f64) -> f64 {
    format!("{value:.2}").parse().unwrap_or(value)
}
