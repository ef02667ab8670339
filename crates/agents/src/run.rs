//! Many samples: bounded concurrency, output in the order of the samples, and a run that was cut off goes on where it was.
//!
//! A run has two files. The trace gets a sample's events first, then the result file one line with the length that the trace
//! has reached. On resuming, the trace is cut back to what the last whole result line vouches for, so that a `kill -9`
//! neither loses nor doubles anything.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::{Done, Engine, Job, Outcome};
use crate::error::{Error, Result};
use crate::trace::{Header, write_line};

/// Where samples are worked on, and how many at once.
#[derive(Clone, Debug)]
pub enum Concurrency {
    /// On threads of the run's own.
    Threads {
        /// Threads; what computes needs one a core.
        threads: usize,
        /// Samples in flight on each thread.
        in_flight: usize,
    },
    /// Each sample a task of an asynchronous runtime with several threads. Whoever decides may wait for that runtime's
    /// sockets and clock, and a reply is worked on where it was received: for what waits for a server, many at once.
    #[cfg(feature = "http")]
    Tasks {
        /// The runtime; a run must not be started from within it.
        runtime: tokio::runtime::Handle,
        /// Samples in flight.
        at_once: usize,
    },
}

impl Concurrency {
    /// One sample after the other.
    pub const ONE: Self = Self::Threads { threads: 1, in_flight: 1 };
}

/// Runs `jobs` and hands each result to `take`, in the order of the jobs. `take` may stop the run by an error.
///
/// # Errors
/// What `take` reports.
///
/// # Panics
/// If a sample's work panics.
pub fn run_many<E>(
    engine: &Engine,
    jobs: &[Job],
    concurrency: Concurrency,
    take: impl FnMut(Done) -> Result<(), E>,
) -> Result<(), E> {
    match concurrency {
        Concurrency::Threads { threads, in_flight } => {
            on_threads(engine, jobs, threads.max(1), in_flight.max(1), take)
        }
        #[cfg(feature = "http")]
        Concurrency::Tasks { runtime, at_once } => {
            runtime.block_on(as_tasks(engine, jobs, at_once.max(1), take))
        }
    }
}

/// How many samples may be started before the first one of them that is not done: a bound keeps fast workers from piling up
/// results behind a slow sample.
fn window(at_once: usize) -> usize {
    4 * at_once + 16
}

fn on_threads<E>(
    engine: &Engine,
    jobs: &[Job],
    threads: usize,
    in_flight: usize,
    mut take: impl FnMut(Done) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let window = window(threads * in_flight);
    let written = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel::<(usize, Done)>();
    let sender = Mutex::new(sender);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
            let (next, stop, written) = (&next, &stop, &written);
            scope.spawn(move || {
                let claim = || {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    (index < jobs.len() && !stop.load(Ordering::Relaxed)).then_some(index)
                };
                let work = |index: usize| async move { (index, engine.run(jobs[index].clone()).await) };
                futures_executor::block_on(async {
                    let mut flight = FuturesUnordered::new();
                    loop {
                        while flight.len() < in_flight {
                            let ahead =
                                next.load(Ordering::Relaxed).saturating_sub(written.load(Ordering::Relaxed));
                            if ahead > window && !flight.is_empty() {
                                break;
                            }
                            let Some(index) = claim() else { break };
                            flight.push(work(index));
                        }
                        let Some(done) = flight.next().await else { break };
                        if sender.send(done).is_err() {
                            break;
                        }
                    }
                });
            });
        }
        drop(sender);
        let mut waiting: BTreeMap<usize, Done> = BTreeMap::new();
        let mut expected = 0;
        for (index, done) in receiver {
            waiting.insert(index, done);
            while let Some(done) = waiting.remove(&expected) {
                expected += 1;
                written.store(expected, Ordering::Relaxed);
                if let Err(error) = take(done) {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    })
}

#[cfg(feature = "http")]
async fn as_tasks<E>(
    engine: &Engine,
    jobs: &[Job],
    at_once: usize,
    mut take: impl FnMut(Done) -> Result<(), E>,
) -> Result<(), E> {
    let mut jobs = jobs.iter().enumerate().peekable();
    let mut tasks = tokio::task::JoinSet::new();
    let mut waiting: BTreeMap<usize, Done> = BTreeMap::new();
    let mut expected = 0;
    loop {
        while tasks.len() < at_once
            && let Some((index, job)) = jobs.next_if(|(index, _)| index - expected < window(at_once))
        {
            let (engine, job) = (engine.clone(), job.clone());
            tasks.spawn(async move { (index, engine.run(job).await) });
        }
        let Some(done) = tasks.join_next().await else { return Ok(()) };
        let (index, done) = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        waiting.insert(index, done);
        while let Some(done) = waiting.remove(&expected) {
            expected += 1;
            take(done)?;
        }
    }
}

/// One line of a result file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultLine {
    /// The length of the trace after the sample's events.
    pub trace_end: u64,
    /// The result.
    pub outcome: Outcome,
}

#[derive(Serialize, Deserialize)]
struct ResultHeader {
    run_sha256: String,
}

/// The files of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFiles {
    /// The results, a header and one line a sample.
    pub results: PathBuf,
    /// The trace.
    pub trace: PathBuf,
}

impl RunFiles {
    /// `results.jsonl` and `trace.jsonl` in `folder`.
    pub fn within(folder: &Path) -> Self {
        Self { results: folder.join("results.jsonl"), trace: folder.join("trace.jsonl") }
    }
}

/// Runs `jobs` into `files`, or goes on with them where they were cut off; gives the outcomes of all jobs in order.
///
/// # Errors
/// [`Error::Config`] if the files are of another run (system, model, data, jobs or the tools' models differ), or if the trace is
/// shorter than the results say; of the file system.
pub fn run_into(
    engine: &Engine,
    header: &Header,
    jobs: &[Job],
    files: &RunFiles,
    concurrency: Concurrency,
) -> Result<Vec<Outcome>> {
    let run_sha256 = digest(header, jobs);
    let mut outcomes = Vec::new();
    let mut results_end = 0;
    let mut trace_end = None;
    if files.results.exists() {
        let found = read_lines(&files.results)?;
        match found.header {
            // Runs from before headers told of the models are gone on with unchecked.
            Some(sha)
                if sha != run_sha256
                    && sha != digest(&Header { models_sha256: None, ..header.clone() }, jobs) =>
            {
                let what = format!(
                    "{} holds a run of another system, model, data set, job list or of tools' models that were fitted otherwise",
                    files.results.display()
                );
                return Err(Error::config("resume", what));
            }
            Some(_) => {
                results_end = found.end;
                trace_end = found.lines.last().map(|line| line.trace_end);
                outcomes = found.lines.into_iter().map(|line| line.outcome).collect();
            }
            None => {}
        }
    }
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| Error::io(path, error))
    };
    let (results, trace) = (open(&files.results)?, open(&files.trace)?);
    let length = trace.metadata().map_err(|error| Error::io(&files.trace, error))?.len();
    if let Some(end) = trace_end.filter(|&end| end > length) {
        let what = format!(
            "{} has {length} bytes, but {} vouches for {end}: the trace was cut or is of another run",
            files.trace.display(),
            files.results.display()
        );
        return Err(Error::config("resume", what));
    }
    let mut results = Counted::cut(results, results_end).map_err(|error| Error::io(&files.results, error))?;
    let mut trace =
        Counted::cut(trace, trace_end.unwrap_or(0)).map_err(|error| Error::io(&files.trace, error))?;
    if results_end == 0 {
        write_line(&mut results, &ResultHeader { run_sha256 })
            .map_err(|error| Error::io(&files.results, error))?;
        results.flush().map_err(|error| Error::io(&files.results, error))?;
    }
    if trace_end.is_none() {
        write_line(&mut trace, header).map_err(|error| Error::io(&files.trace, error))?;
    }
    let rest = jobs.get(outcomes.len()..).unwrap_or_default();
    run_many(engine, rest, concurrency, |done| {
        for event in &done.events {
            write_line(&mut trace, event).map_err(|error| Error::io(&files.trace, error))?;
        }
        trace.flush().map_err(|error| Error::io(&files.trace, error))?;
        let line = ResultLine { trace_end: trace.length, outcome: done.outcome };
        write_line(&mut results, &line).map_err(|error| Error::io(&files.results, error))?;
        results.flush().map_err(|error| Error::io(&files.results, error))?;
        outcomes.push(line.outcome);
        Ok::<(), Error>(())
    })?;
    Ok(outcomes)
}

/// The results of a file; a torn last line is left out.
///
/// # Errors
/// [`Error::Format`] for a line before the last that is not a result.
pub fn read_results(path: &Path) -> Result<Vec<Outcome>> {
    Ok(read_lines(path)?.lines.into_iter().map(|line| line.outcome).collect())
}

struct Lines {
    header: Option<String>,
    lines: Vec<ResultLine>,
    end: u64,
}

fn read_lines(path: &Path) -> Result<Lines> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let mut reader = BufReader::new(file);
    let mut found = Lines { header: None, lines: Vec::new(), end: 0 };
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        let length = reader.read_line(&mut line).map_err(|error| Error::io(path, error))?;
        if length == 0 || !line.ends_with('\n') {
            break;
        }
        if number == 1 {
            let header: ResultHeader =
                serde_json::from_str(&line).map_err(|error| Error::format(path, 1, error.to_string()))?;
            found.header = Some(header.run_sha256);
        } else {
            let result = serde_json::from_str(&line)
                .map_err(|error| Error::format(path, number, error.to_string()))?;
            found.lines.push(result);
        }
        found.end += length as u64;
    }
    Ok(found)
}

fn digest(header: &Header, jobs: &[Job]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_vec(header).unwrap_or_default());
    for job in jobs {
        hasher.update(serde_json::to_vec(&job.task).unwrap_or_default());
        hasher.update(job.cut_off.0.to_le_bytes());
    }
    rec_core::digest::hex(&hasher.finalize())
}

/// A file that knows its length, writing from `end` on.
struct Counted {
    file: BufWriter<File>,
    length: u64,
}

impl Counted {
    fn cut(mut file: File, end: u64) -> std::io::Result<Self> {
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Self { file: BufWriter::new(file), length: end })
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}
