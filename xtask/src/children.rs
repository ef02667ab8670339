//! Child processes, each with a run folder of its own that says what to do: a crash stays where it is, memory is the
//! child's own, and what was cut off can go on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rec_core::run::{RunFolder, Start};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::Existing;
use crate::error::{Error, Result};
use crate::output;

/// What the child said on standard error, in its run folder.
const LOG: &str = "stderr.txt";

/// What a child says after each epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// Finished epochs.
    pub epoch: usize,
    /// The most there can be.
    pub epochs: usize,
    /// How good the epoch was, if that was measured; higher is better.
    pub quality: Option<f64>,
}

/// One line of a child's standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// An epoch is over.
    Beat(Beat),
    /// Something that the user should know now.
    Warning(String),
}

/// Says it to the parent. A parent that is gone cannot use what would come of this; the checkpoint keeps what there is, and the process ends.
pub fn say(what: &Said) {
    if output::try_line(&json!(what).to_string()).is_err() {
        std::process::exit(1);
    }
}

/// Reads the job of a run folder.
///
/// # Errors
/// [`Error::Io`], and [`Error::Usage`] if the file is not a job.
pub fn read_job<J: DeserializeOwned>(folder: &Path) -> Result<J> {
    let path = folder.join("config.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io(&path, error))?;
    toml::from_str(&text).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))
}

/// Settings as TOML, which has no null: settings that are not given are left out.
///
/// # Errors
/// [`Error::Failed`] for settings that TOML cannot hold.
pub fn as_toml(config: &Value) -> Result<toml::Table> {
    fn without_null(value: &Value) -> Value {
        match value {
            Value::Object(map) => map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_null(value)))
                .collect(),
            other => other.clone(),
        }
    }
    toml::Table::try_from(without_null(config)).map_err(|error| Error::Failed(format!("settings: {error}")))
}

/// Opens the run folder of `job`.
///
/// # Errors
/// [`Error::Stale`] if it holds something else, and what the folder reports.
pub fn open<J: Serialize>(path: &Path, job: &J, start: Start) -> Result<RunFolder> {
    RunFolder::open(path, job, start).map_err(|error| match error {
        // The configuration itself was checked before: what is left is a folder that holds something else.
        rec_core::Error::Config { .. } => Error::Stale(format!("{}: {error}", path.display())),
        busy @ rec_core::Error::Busy { .. } => Error::Stale(busy.to_string()),
        other => Error::Core(other),
    })
}

/// Readies a run folder for `job`, as `existing` says; it may hold the finished run already.
///
/// # Errors
/// As [`open`]; the message says what decides.
pub fn prepare<J: Serialize>(path: &Path, job: &J, existing: Existing) -> Result<RunFolder> {
    let start = match existing {
        Existing { resume: true, .. } => Start::Resume,
        Existing { fresh: true, .. } => Start::Replace,
        _ => Start::New,
    };
    match open(path, job, start) {
        Err(Error::Stale(_)) if existing.resume && existing.fresh => open(path, job, Start::Replace),
        Err(Error::Stale(what)) if existing.resume => {
            Err(Error::Stale(format!("{what}; --fresh beside --resume replaces such runs")))
        }
        Err(Error::Stale(what)) if !existing.fresh => {
            Err(Error::Stale(format!("{what} (--resume, --fresh, or another --out)")))
        }
        other => other,
    }
}

/// Runs the hidden `command` on a run folder, on `threads` threads if told, and hands on what it says.
///
/// # Errors
/// [`Error::Failed`] with the last thing that the child said and how it ended.
pub fn run(command: &str, folder: &Path, threads: Option<usize>, mut hear: impl FnMut(Said)) -> Result<()> {
    let program = std::env::current_exe().map_err(|error| Error::Failed(format!("own program: {error}")))?;
    let log = folder.join(LOG);
    let file = std::fs::File::create(&log).map_err(|error| Error::io(&log, error))?;
    let mut process = Command::new(program);
    process.arg(command).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
    // A training allocates and frees tensors of a few hundred KiB at every step, which glibc by default hands back to
    // the system each time: a third of the time of a small policy. Other allocators ignore these.
    for variable in ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"] {
        if std::env::var_os(variable).is_none() {
            process.env(variable, (1 << 30).to_string());
        }
    }
    if let Some(threads) = threads {
        process.env("RAYON_NUM_THREADS", threads.to_string());
    }
    let mut child =
        process.spawn().map_err(|error| Error::Failed(format!("the child could not be started: {error}")))?;
    let stdout = child.stdout.take().expect("it is piped");
    for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
        if let Ok(said) = serde_json::from_str(&line) {
            hear(said);
        }
    }
    let status = child.wait().map_err(|error| Error::Failed(format!("the child was lost: {error}")))?;
    if !status.success() {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let last = last.strip_prefix("error: ").unwrap_or(last);
        let how = ended(status);
        return Err(Error::Failed(if last.is_empty() { how } else { format!("{last} ({how})") }));
    }
    Ok(())
}

fn ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            let guess = if signal == 9 { ", perhaps for want of memory" } else { "" };
            return format!("killed by signal {signal}{guess}");
        }
    }
    status.code().map_or_else(|| "ended without a code".into(), |code| format!("exit code {code}"))
}

/// Works on all `tasks`, `at_once` at the same time; `work` also gets the place (below `at_once`) that it works at.
/// The answers are in the order of the tasks.
///
/// # Panics
/// If `work` does.
pub fn side_by_side<T: Sync, R: Send>(
    tasks: &[T],
    at_once: usize,
    work: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<R>>> = tasks.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for place in 0..at_once.clamp(1, tasks.len().max(1)) {
            let (next, answers, work) = (&next, &answers, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(at) else { break };
                    *answers[at].lock().expect("nobody panicked with it") = Some(work(place, task));
                }
            });
        }
    });
    let answer = |slot: Mutex<Option<R>>| slot.into_inner().expect("nobody panicked with it");
    answers.into_iter().map(|slot| answer(slot).expect("every task was taken")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_run_side_by_side_and_answer_in_order() {
        let tasks: Vec<u64> = (0..20).collect();
        let most = AtomicUsize::new(0);
        let answers = side_by_side(&tasks, 3, |place, &task| {
            most.fetch_max(place, Ordering::Relaxed);
            std::thread::sleep(std::time::Duration::from_millis(2));
            task * 2
        });
        assert_eq!(answers, (0..20).map(|task| task * 2).collect::<Vec<u64>>());
        assert!(most.into_inner() > 0, "one thread did it all");
        assert!(side_by_side(&[] as &[u8], 2, |_, _| ()).is_empty());
    }

    #[test]
    fn settings_without_a_value_are_left_out() {
        let table = as_toml(&serde_json::json!({"a": null, "b": {"c": null, "d": 1}})).unwrap();
        assert_eq!(toml::to_string(&table).unwrap(), "[b]\nd = 1\n");
    }
}
