//! The differential replay of a corpus that the official executor has judged, and the tasks of a benchmark package.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::check::{Entry, Task, Verdict};
use super::decode::{Call, decode_asked, decode_prompted};
use super::long_context::{LongContext, SOURCE};
use super::world::{Outcome, Settings};
use crate::bfcl::Arena;
use crate::bfcl::package::Package;
use crate::error::{Error, Result};
use crate::value::Value;

/// The multi-turn categories.
pub const CATEGORIES: [&str; 4] =
    ["multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context"];

/// The tasks of a benchmark package, by id.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    by_id: HashMap<String, Arc<Source>>,
}

/// A task and what it was made of.
#[derive(Debug)]
struct Source {
    task: Task,
    question: Value,
    truth: Arc<[Vec<String>]>,
    settings: Settings,
}

impl Tasks {
    /// Reads all multi-turn tasks of the package unpacked at `package` (the folder `bfcl_eval`) and executes their ground truths.
    ///
    /// # Errors
    /// If a file is missing or an entry does not load; the file and line are named.
    pub fn read(package: &Path, today: [i64; 3]) -> Result<Tasks> {
        Self::from_package(&Package::open(package)?, today)
    }

    /// Reads all multi-turn tasks of a copy of the package and executes their ground truths.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_package(package: &Package, today: [i64; 3]) -> Result<Tasks> {
        let constants = LongContext::parse(&package.text(SOURCE)?);
        let long = Arc::new(constants.map_err(|e| Error::format(SOURCE, None, e.text))?);
        let mut by_id = HashMap::new();
        for category in CATEGORIES {
            let settings = Settings {
                long_context: category.contains("long_context").then(|| long.clone()),
                today,
                instance_prefix: String::new(),
            };
            let questions = package.questions(category)?;
            let answers = package.answers(category)?;
            for (n, (question, answer)) in questions.iter().zip(&answers).enumerate() {
                let wrong =
                    |what: String| Error::format(format!("BFCL_v4_{category}.json"), Some(n + 1), what);
                let turns = answer
                    .get("ground_truth")
                    .and_then(Value::as_list)
                    .ok_or_else(|| wrong("no ground_truth".into()))?;
                let texts = |turn: &Value| {
                    turn.as_list()?.iter().map(|c| c.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
                };
                let truth = turns
                    .iter()
                    .map(texts)
                    .collect::<Option<Arc<[_]>>>()
                    .ok_or_else(|| wrong("ground_truth is no list of lists of calls".into()))?;
                let task = Task::new(question, truth.clone(), &settings).map_err(|e| wrong(e.text))?;
                let id = task.id().to_owned();
                let source = Source { task, question: question.clone(), truth, settings: settings.clone() };
                by_id.insert(id, Arc::new(source));
            }
        }
        Ok(Tasks { by_id })
    }

    /// The task of this id.
    pub fn get(&self, id: &str) -> Option<&Task> {
        self.by_id.get(id).map(|source| &source.task)
    }

    /// All tasks.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.by_id.values().map(|source| &source.task)
    }
}

/// Where our result is not the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The record's place among the cases, from 0.
    pub case: usize,
    /// What differs.
    pub what: String,
}

/// Replays records of a multi-turn corpus in their order, which counts: models are named by it.
#[derive(Debug)]
pub struct Replay {
    tasks: Tasks,
    case: usize,
    unsupported: usize,
}

/// One decoded answer: turns, steps, calls.
type Answer = Vec<Vec<Option<Vec<Call>>>>;

fn decode(raw: &Value) -> Option<Answer> {
    let step = |s: &Value| s.as_str().map(decode_prompted);
    raw.as_list()?.iter().map(|turn| turn.as_list()?.iter().map(step).collect::<Option<Vec<_>>>()).collect()
}

/// The verdict on a record's answer alone, for timing: decoding and checking, no comparison. Unless the tasks are kept, its task is
/// loaded and its ground truth executed anew, as far as the verdict needs it.
pub(crate) fn judge_record(
    arena: &Arena,
    tasks: &Tasks,
    record: &Value,
    case: usize,
    kept: bool,
) -> Option<Verdict> {
    let source = tasks.by_id.get(record.get("id")?.as_str()?)?;
    let turns = record.get("raw")?.as_list()?;
    let asked = |turn: usize, asked: &mut Vec<_>| {
        for step in turns[turn].as_list().unwrap_or_default() {
            // What cannot be decoded asks nothing.
            let _ = decode_asked(arena, step.as_str().unwrap_or_default(), asked);
        }
    };
    let model = format!("m{case}");
    if kept {
        return Some(source.task.check_asked(arena, (turns.len(), asked), &model));
    }
    let entry = Entry::new(&source.question, source.truth.clone(), &source.settings).ok()?;
    Some(entry.check_once(arena, (turns.len(), asked), &model))
}

/// The text as the corpus keeps it: long ones as the start of their digest.
fn digest(text: &str) -> String {
    if text.len() <= 160 || text.chars().count() <= 160 {
        return text.into();
    }
    let hash = Sha256::digest(text.as_bytes());
    let hex: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

impl Replay {
    /// Replays against these tasks.
    pub fn new(tasks: Tasks) -> Self {
        Replay { tasks, case: 0, unsupported: 0 }
    }

    /// Cases seen.
    pub fn cases(&self) -> usize {
        self.case
    }

    /// Cases without a verdict of ours; each is also a difference.
    pub fn unsupported(&self) -> usize {
        self.unsupported
    }

    /// Compares verdict, error type and the result of every call with a record of kind `mt`. Records of other kinds are passed over.
    pub fn record(&mut self, record: &Value) -> Vec<Difference> {
        if record.get("kind").and_then(Value::as_str) != Some("mt") {
            return Vec::new();
        }
        let case = self.case;
        self.case += 1;
        let mut differences = Vec::new();
        let mut differ = |what: String| differences.push(Difference { case, what });
        let field = |key| record.get(key).and_then(Value::as_str);
        let id = field("id").unwrap_or_default();
        let Some(task) = self.tasks.get(id) else {
            differ(format!("no task {id}"));
            return differences;
        };
        let Some(answer) = record.get("raw").and_then(decode) else {
            differ(format!("{id}: raw is no list of turns of steps"));
            return differences;
        };
        let verdict = task.check(&answer, &format!("m{case}"));
        // An answer that comes alone has to get the same verdict.
        let once = judge_record(&Arena::new(), &self.tasks, record, case, false);
        if once.as_ref() != Some(&verdict) {
            differ(format!("{id}: {verdict:?}, but {once:?} without keeping the task"));
        }
        let ours = match &verdict {
            Verdict::Valid => ("valid", None),
            Verdict::Invalid { error, .. } => ("invalid", Some(error.name())),
            Verdict::Raise(kind) => ("raise", Some(*kind)),
            Verdict::Unsupported(why) => {
                self.unsupported += 1;
                ("unsupported", Some(why.as_str()))
            }
        };
        let theirs = (field("out").unwrap_or_default(), field("err").or(field("exc")));
        if ours != theirs {
            differ(format!("{id}: ours {ours:?}, theirs {theirs:?}"));
        }
        let Some(executed) = record.get("exec").and_then(Value::as_list) else { return differences };
        let mut world = task.world(&format!("xm{case}"));
        for (step, expected) in answer.iter().flatten().zip(executed) {
            let (calls, expected) = match (step, expected.as_list()) {
                (None, None) => continue,
                (Some(calls), Some(expected)) if calls.len() == expected.len() => (calls, expected),
                _ => {
                    differ(format!(
                        "{id}: decoding of a step: ours {:?}, theirs {}",
                        step.as_ref().map(Vec::len),
                        expected.repr()
                    ));
                    continue;
                }
            };
            for (call, expected) in calls.iter().zip(expected) {
                let ours = match call.execute(&mut world) {
                    Outcome::Text(text) => digest(&text),
                    Outcome::Unsupported(why) => format!("unsupported: {why}"),
                };
                let same =
                    |order: &&str| expected.as_str() == Some(&ours.replace(super::CLASS_SETS[0], order));
                if expected.as_str() != Some(&ours)
                    && !(ours.contains(super::CLASS_SETS[0]) && super::CLASS_SETS.iter().any(same))
                {
                    differ(format!("{id}: {call:?}: ours {ours}, theirs {}", expected.to_text()));
                }
            }
        }
        differences
    }
}
