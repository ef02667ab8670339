//! Replaying a differential corpus: inputs together with what the official package said to them.
//!
//! A corpus is gzipped JSON Lines of records: `entry` (functions and expected calls under an id), `case` (an answer with
//! the official decoding and verdict), `conv` (a value converter's input and output), `std` (a text and its
//! normalised form) and `mt` (a multi-turn answer with the results of its calls). `meta` and unknown records are walked over.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;

use super::multi_turn::{self, Tasks};
use super::package::Package;
use super::{
    Entry, Format, Outcome, Pairing, convert_java, convert_javascript, decode, decode_native, judge,
    judge_relevance, language, normalize,
};
use crate::error::{Error, Result};
use crate::value::{Value, json};

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
    entries: Vec<Entry>,
    names: Vec<String>,
    cases: Vec<Case>,
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

#[derive(Debug)]
enum Input {
    Text(String),
    Native(Vec<(String, String)>),
}

impl Input {
    fn to_value(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Native(calls) => Value::from(format!("{calls:?}")),
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
    fn decode(&self) -> Option<Value> {
        match &self.input {
            Input::Text(text) => decode(text, self.format, self.tagged),
            Input::Native(calls) => {
                decode_native(calls.iter().map(|(name, text)| (name.as_str(), text.as_str())))
            }
        }
    }

    fn judge(&self, entries: &[Entry], decoded: Option<&Value>) -> Outcome {
        match self.entry {
            Some(entry) => {
                judge(&entries[entry], decoded, self.pairing, matches!(self.input, Input::Native(_)))
            }
            None => judge_relevance(decoded, &self.category),
        }
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
                    let case = read_case(at + 1, &record, &places);
                    corpus.cases.push(case.ok_or_else(|| wrong("an incomplete case".into()))?);
                }
                Some("mt") => corpus.turns.push((at + 1, record)),
                Some("conv" | "std") => corpus.others.push((at + 1, record)),
                _ => {}
            }
        }
        Ok(corpus)
    }

    fn add_entry(&mut self, record: &Value, places: &mut HashMap<String, usize>) -> Result<()> {
        let missing = || Error::invalid("an incomplete entry");
        let id = record.get("id").and_then(Value::as_str).ok_or_else(missing)?;
        let category = record.get("cat").and_then(Value::as_str).ok_or_else(missing)?;
        let functions = record.get("function").ok_or_else(missing)?;
        let answers = record.get("ground_truth").and_then(Value::decode).ok_or_else(missing)?;
        places.insert(id.to_owned(), self.entries.len());
        self.entries.push(Entry::new(functions, &answers, language(category))?);
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
        let needed = || Error::invalid("a multi-turn corpus is replayed with the official package: --data");
        let mut turns = multi_turn::Replay::new(Tasks::from_package(package.ok_or_else(needed)?, today)?);
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

    /// Replays the single-turn records and compares.
    pub fn replay(&self) -> Replay {
        let mut replay = Replay::default();
        for case in &self.cases {
            let decoded = case.decode();
            let show = |value: Option<&Value>| {
                value.map_or("failure".into(), |value| json::to_string(&value.encode()))
            };
            let same = match (&case.decoded, &decoded) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() == b.is_none(),
            };
            let outcome = verdict(case.judge(&self.entries, decoded.as_ref()));
            let (mut expected, mut found) = (case.verdict.clone(), outcome.to_owned());
            if !same {
                expected = format!("{expected} {}", show(case.decoded.as_ref()));
                found = format!("{found} {}", show(decoded.as_ref()));
                if expected == found {
                    found.push_str(" (in another order)");
                }
            }
            replay.compare(case.line, &case.input.to_value(), &expected, &found);
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

    /// Decodes and checks every case `times` times and returns the processor time of the fastest round, in all and for the
    /// cases of each path and language. Where the system does not tell a thread's processor time, it is the wall's.
    pub fn time(&self, times: usize) -> Vec<(String, usize, Duration)> {
        let group = |case: &Case| match (&case.input, case.format) {
            (Input::Native(_), _) => "native",
            (_, Format::Java) => "java",
            (_, Format::JavaScript) => "javascript",
            (_, Format::Python) => "python",
            _ => "other formats",
        };
        let mut groups: Vec<&str> = vec!["all"];
        groups.extend(["python", "native", "java", "javascript", "other formats"]);
        groups
            .into_iter()
            .map(|name| {
                let cases: Vec<&Case> =
                    self.cases.iter().filter(|case| name == "all" || group(case) == name).collect();
                let round = || {
                    let start = Clock::start();
                    for case in &cases {
                        let decoded = case.decode();
                        std::hint::black_box(case.judge(&self.entries, decoded.as_ref()));
                    }
                    start.elapsed()
                };
                (name.to_owned(), cases.len(), (0..times.max(1)).map(|_| round()).min().unwrap_or_default())
            })
            .collect()
    }
}

/// A thread's processor time, so that a busy machine does not spoil a measurement.
struct Clock {
    wall: Instant,
    processor: Option<Duration>,
}

impl Clock {
    fn start() -> Self {
        Self { processor: processor_time(), wall: Instant::now() }
    }

    fn elapsed(&self) -> Duration {
        match (self.processor, processor_time()) {
            (Some(start), Some(end)) => end.saturating_sub(start),
            _ => self.wall.elapsed(),
        }
    }
}

fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

fn read_case(line: usize, record: &Value, places: &HashMap<String, usize>) -> Option<Case> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let path = text("path")?;
    let category = text("cat")?.to_owned();
    let input = match record.get("raw")? {
        Value::Str(text) => Input::Text(text.to_string()),
        Value::List(calls) => {
            let one = |call: &Value| {
                let [name, arguments] = call.as_list()? else { return None };
                Some((name.as_str()?.to_owned(), arguments.as_str()?.to_owned()))
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
