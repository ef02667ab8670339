//! Replaying a differential corpus: inputs together with what the official package said to them.
//!
//! A corpus is gzipped JSON Lines of records: `entry` (functions and expected calls under an id), `case` (an answer with
//! the official decoding and verdict), `conv` (a value converter's input and output), `std` (a text and its
//! normalised form) and `mt` (a multi-turn answer with the results of its calls). `meta` and unknown records are walked over.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::multi_turn::{self, Tasks, Verdict};
use super::package::Package;
use super::{
    Arena, Entry, Format, Language, Outcome, Pairing, convert_java, convert_javascript, decode_in,
    decode_native_in, judge, judge_once, judge_relevance, language, normalize,
};
use crate::error::{Error, Result};
use crate::value::{Node, Value, json};

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Records that were replayed: cases, converter records and normalisation records.
    pub cases: usize,
    /// How many of them came out otherwise than officially.
    pub differences: usize,
    /// The first differences, each with the line, the input, what was expected and what was found.
    pub examples: Vec<String>,
}

impl Replay {
    fn compare(&mut self, line: usize, input: &Value, expected: &str, found: &str) {
        self.cases += 1;
        if expected != found {
            self.differences += 1;
            if self.examples.len() < 50 {
                self.examples
                    .push(format!("line {line}: {input}\n  official {expected}\n  here     {found}"));
            }
        }
    }
}

/// A corpus in memory.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The texts of all answers, one after the other.
    texts: String,
    entries: Vec<Entry>,
    /// What the entries were made of: functions, expected calls, language.
    sources: Vec<(Value, Value, Language)>,
    names: Vec<String>,
    cases: Vec<Case>,
    /// The places of the cases by groups.
    groups: Vec<(&'static str, Vec<usize>)>,
    others: Vec<(usize, Value)>,
    /// Multi-turn records.
    turns: Vec<(usize, Value)>,
}

#[derive(Debug)]
struct Case {
    line: usize,
    input: Input,
    entry: Option<usize>,
    category: String,
    /// By what the pairing of calls and answers is chosen.
    pairing: Pairing,
    format: Format,
    tagged: bool,
    decoded: Option<Value>,
    verdict: String,
}

/// Where an answer stands among the texts.
#[derive(Debug)]
enum Input {
    Text(Range<usize>),
    /// Names and arguments.
    Native(Box<[(Range<usize>, Range<usize>)]>),
}

impl Input {
    fn to_value(&self, texts: &str) -> Value {
        match self {
            Self::Text(text) => Value::from(&texts[text.clone()]),
            Self::Native(calls) => {
                let call = |(name, text): &(Range<usize>, Range<usize>)| {
                    Value::List(vec![Value::from(&texts[name.clone()]), Value::from(&texts[text.clone()])])
                };
                Value::List(calls.iter().map(call).collect())
            }
        }
    }
}

fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Valid => "valid",
        Outcome::Raise => "raise",
        Outcome::Invalid(error) => error,
    }
}

impl Case {
    fn decode<'a>(&self, arena: &'a Arena, texts: &'a str) -> Option<Node<'a>> {
        match &self.input {
            Input::Text(text) => decode_in(arena, &texts[text.clone()], self.format, self.tagged),
            Input::Native(calls) => {
                let calls = calls.iter().map(|(name, text)| (&texts[name.clone()], &texts[text.clone()]));
                decode_native_in(arena, calls)
            }
        }
    }

    fn judge<'a>(&self, arena: &'a Arena, entry: Option<&Entry>, decoded: Option<Node<'a>>) -> Outcome {
        match entry {
            Some(entry) => {
                let underscores = matches!(self.input, Input::Native(_));
                judge(arena, entry, decoded, self.pairing, underscores)
            }
            None => judge_relevance(decoded, &self.category),
        }
    }
}

impl Case {
    fn judge_once<'a>(
        &self,
        arena: &'a Arena,
        (functions, answers, language): &(Value, Value, Language),
        decoded: Option<Node<'a>>,
    ) -> Outcome {
        let underscores = matches!(self.input, Input::Native(_));
        judge_once(arena, (functions, answers, *language), decoded, self.pairing, underscores)
    }
}

impl Corpus {
    /// Reads a corpus, gzipped or not.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is not of the form.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let reader: Box<dyn Read> = if bytes.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(&bytes[..]))
        } else {
            Box::new(&bytes[..])
        };
        let mut corpus = Self::default();
        let mut places = HashMap::new();
        for (at, line) in BufReader::new(reader).lines().enumerate() {
            let line = line.map_err(|source| Error::io(path, source))?;
            let wrong = |what: String| Error::format(path, Some(at + 1), what);
            let record = json::parse(&line).map_err(|error| wrong(error.to_string()))?;
            match record.get("kind").and_then(Value::as_str) {
                Some("entry") => {
                    corpus.add_entry(&record, &mut places).map_err(|error| wrong(error.to_string()))?
                }
                Some("case") => {
                    let case = read_case(at + 1, &record, &places, &mut corpus.texts);
                    corpus.cases.push(case.ok_or_else(|| wrong("an incomplete case".into()))?);
                }
                Some("mt") => corpus.turns.push((at + 1, record)),
                Some("conv" | "std") => corpus.others.push((at + 1, record)),
                _ => {}
            }
        }
        // After all else was read, so that entries lie beside each other in memory.
        for ((functions, answers, language), id) in corpus.sources.iter().zip(&corpus.names) {
            let wrong = |error: Error| Error::format(path, None, format!("entry {id}: {error}"));
            corpus.entries.push(Entry::new(functions, answers, *language).map_err(wrong)?);
        }
        // What they were made of too; before them, they would come to lie in the gaps that this leaves.
        corpus.sources = corpus.sources.clone();
        corpus.groups = GROUPS
            .map(|name| {
                let cases = corpus.cases.iter().enumerate().filter(|(_, case)| group(case) == name);
                (name, cases.map(|(at, _)| at).collect())
            })
            .into();
        Ok(corpus)
    }

    fn add_entry(&mut self, record: &Value, places: &mut HashMap<String, usize>) -> Result<()> {
        let missing = || Error::invalid("an incomplete entry");
        let id = record.get("id").and_then(Value::as_str).ok_or_else(missing)?;
        let category = record.get("cat").and_then(Value::as_str).ok_or_else(missing)?;
        let functions = record.get("function").ok_or_else(missing)?.clone();
        let answers = record.get("ground_truth").and_then(Value::decode).ok_or_else(missing)?;
        places.insert(id.to_owned(), self.sources.len());
        self.sources.push((functions, answers, language(category)));
        self.names.push(id.to_owned());
        Ok(())
    }

    /// The number of single-turn cases.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there is no case.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Replays everything, multi-turn records too, and compares. Multi-turn records need the tasks of a copy of the official package.
    ///
    /// # Errors
    /// If there are multi-turn records and no package, or its tasks cannot be read.
    pub fn replay_all(&self, package: Option<&Package>, today: [i64; 3]) -> Result<Replay> {
        let mut replay = self.replay();
        if self.turns.is_empty() {
            return Ok(replay);
        }
        let mut turns = multi_turn::Replay::new(self.tasks(package, today)?);
        for (line, record) in &self.turns {
            let differences = turns.record(record);
            replay.cases += 1;
            replay.differences += usize::from(!differences.is_empty());
            let left = 50usize.saturating_sub(replay.examples.len());
            let told =
                differences.iter().take(left).map(|difference| format!("line {line}: {}", difference.what));
            replay.examples.extend(told);
        }
        Ok(replay)
    }

    /// The tasks of a package, which multi-turn cases need.
    ///
    /// # Errors
    /// If there is no package, or its tasks cannot be read.
    pub fn tasks(&self, package: Option<&Package>, today: [i64; 3]) -> Result<Tasks> {
        let needed = || Error::invalid("a multi-turn corpus is replayed with the official package: --data");
        Tasks::from_package(package.ok_or_else(needed)?, today)
    }

    /// Replays the single-turn records and compares.
    pub fn replay(&self) -> Replay {
        let mut replay = Replay::default();
        let mut arena = Arena::new();
        for case in &self.cases {
            arena.reset();
            let node = case.decode(&arena, &self.texts);
            let decoded = node.map(|node| node.to_value());
            let show = |value: Option<&Value>| {
                value.map_or("failure".into(), |value| json::to_string(&value.encode()))
            };
            let same = match (&case.decoded, &decoded) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() == b.is_none(),
            };
            let entry = case.entry.map(|entry| &self.entries[entry]);
            let mut outcome = verdict(case.judge(&arena, entry, node));
            // An answer that comes alone has to get the same verdict.
            let once = case.entry.map(|entry| verdict(case.judge_once(&arena, &self.sources[entry], node)));
            if once.is_some_and(|once| once != outcome) {
                outcome = "not the same with and without preparing";
            }
            let (mut expected, mut found) = (case.verdict.clone(), outcome.to_owned());
            if !same {
                expected = format!("{expected} {}", show(case.decoded.as_ref()));
                found = format!("{found} {}", show(decoded.as_ref()));
                if expected == found {
                    found.push_str(" (in another order)");
                }
            }
            replay.compare(case.line, &case.input.to_value(&self.texts), &expected, &found);
        }
        for (line, record) in &self.others {
            let text = record.get("in").and_then(Value::as_str).unwrap_or_default();
            if record.get("kind").and_then(Value::as_str) == Some("std") {
                let expected = record.get("o").and_then(Value::as_str).unwrap_or_default();
                replay.compare(*line, &Value::from(text), expected, &normalize(text));
                continue;
            }
            let kind = record.get("type").and_then(Value::as_str).unwrap_or_default();
            let item = record.get("nested").and_then(Value::as_str);
            let converted = match record.get("lang").and_then(Value::as_str) {
                Some("java") => convert_java(text, kind, item),
                _ => convert_javascript(text, kind, item),
            };
            let found = converted.map_or("raise".into(), |value| json::to_string(&value.encode()));
            let expected = record.get("o").and_then(|output| output.get("v"));
            let expected = expected.map_or("raise".into(), json::to_string);
            let input = format!("{text} as {kind} of {item:?}");
            replay.compare(*line, &Value::from(input), &expected, &found);
        }
        replay
    }

    /// The single-turn cases of a group of [`GROUPS`].
    pub fn len_of(&self, group: &str) -> usize {
        self.groups.iter().find(|(name, _)| *name == group).map_or(0, |(_, cases)| cases.len())
    }

    /// Decodes and checks the cases of a group, once and on this thread, and says how many are right. To be timed: nothing is
    /// compared, and nothing of one case helps another. With `kept` entries are prepared beforehand, as where many models are judged;
    /// without it this is done again for each case, as if each answer came alone.
    pub fn judge_all(&self, group: &str, kept: bool) -> usize {
        let mut arena = Arena::new();
        let mut right = 0;
        let cases = self.groups.iter().filter(|(name, _)| *name == group).flat_map(|(_, cases)| cases);
        for &at in cases {
            let case = &self.cases[at];
            arena.reset();
            let decoded = case.decode(&arena, &self.texts);
            let outcome = match case.entry.filter(|_| !kept) {
                Some(entry) => case.judge_once(&arena, &self.sources[entry], decoded),
                None => case.judge(&arena, case.entry.map(|entry| &self.entries[entry]), decoded),
            };
            right += usize::from(outcome == Outcome::Valid);
        }
        right
    }

    /// The number of multi-turn cases.
    pub fn turns(&self) -> usize {
        self.turns.len()
    }

    /// Decodes and judges the multi-turn cases, once and on this thread, and says how many are right. To be timed. With `kept`
    /// the tasks are loaded and their ground truths executed beforehand, as where many models are judged; without it this is done
    /// again for each case, as far as its verdict needs it and as in the official evaluation.
    pub fn judge_turns(&self, tasks: &Tasks, kept: bool) -> usize {
        let mut arena = Arena::new();
        let judge = |(case, (_, record)): &(usize, &(usize, Value))| {
            arena.reset();
            multi_turn::judge_record(&arena, tasks, record, *case, kept) == Some(Verdict::Valid)
        };
        self.turns.iter().enumerate().filter(judge).count()
    }
}

/// What single-turn cases are timed by: text of calls in a language, native calls, and the other return formats.
pub const GROUPS: [&str; 5] = ["python", "native", "java", "javascript", "other formats"];

fn group(case: &Case) -> &'static str {
    match (&case.input, case.format) {
        (Input::Native(_), _) => "native",
        (_, Format::Java) => "java",
        (_, Format::JavaScript) => "javascript",
        (_, Format::Python) => "python",
        _ => "other formats",
    }
}

fn read_case(
    line: usize,
    record: &Value,
    places: &HashMap<String, usize>,
    texts: &mut String,
) -> Option<Case> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let path = text("path")?;
    let category = text("cat")?.to_owned();
    let mut keep = |text: &str| {
        texts.push_str(text);
        texts.len() - text.len()..texts.len()
    };
    let input = match record.get("raw")? {
        Value::Str(text) => Input::Text(keep(text)),
        Value::List(calls) => {
            let one = |call: &Value| {
                let [name, arguments] = call.as_list()? else { return None };
                Some((keep(name.as_str()?), keep(arguments.as_str()?)))
            };
            Input::Native(calls.iter().map(one).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    let entry = match text("entry") {
        Some(entry) if path != "rel" => Some(*places.get(entry)?),
        _ => None,
    };
    let decoded = record.get("dec")?.get("v");
    Some(Case {
        line,
        input,
        entry,
        pairing: Pairing::of(if path == "fmt" { text("entry")? } else { &category }),
        category,
        format: Format::from_name(text("ret").unwrap_or("python"))?,
        tagged: record.get("tag").is_some_and(Value::is_true),
        decoded: match decoded {
            Some(value) => Some(Value::decode(value)?),
            None => None,
        },
        verdict: match text("out")? {
            "invalid" => text("err")?.to_owned(),
            other => other.to_owned(),
        },
    })
}
