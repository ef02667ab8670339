//! A run that is killed (SIGKILL, a real process) and started again, several times: the files come out as of a run that nobody
//! touched, nothing lost and nothing doubled.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agents::decider::{DecideError, Decider, Decision};
use agents::engine::{Engine, Job};
use agents::policy::PolicyDecider;
use agents::run::{Concurrency, RunFiles, read_results, run_into};
use agents::system::SystemConfig;
use agents::task::{TaskInput, TaskKind};
use agents::trace::{Header, Trace, VERSION};
use agents::view::AgentView;
use futures_util::future::BoxFuture;

/// Where the child writes; whoever has it set is the child.
const FOLDER: &str = "SEXTANT_KILLED_RUN";
const SAMPLES: usize = 50;

/// Takes its time, so that a kill finds it at work.
struct Slow(Arc<PolicyDecider>);

impl Decider for Slow {
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>> {
        std::thread::sleep(Duration::from_millis(3));
        self.0.decide(view)
    }
}

fn go(folder: &Path, slow: bool) {
    let prepared = common::prepared();
    let knowledge = common::knowledge(&prepared);
    let policy = common::policy(&knowledge);
    let decider: Arc<dyn Decider> = if slow { Arc::new(Slow(policy)) } else { policy };
    let system = SystemConfig::named("reflect_analyse_search").unwrap();
    let jobs: Vec<Job> = prepared
        .test
        .iter()
        .take(SAMPLES)
        .map(|sample| {
            Job::new(TaskInput::of_sample(TaskKind::Rating, &knowledge, sample, 10), sample.cut_off)
        })
        .collect();
    let header = Header {
        version: VERSION,
        crate_version: env!("CARGO_PKG_VERSION").into(),
        data_sha256: prepared.dataset.sha256(),
        task: TaskKind::Rating,
        system: system.clone(),
        model: "policy".into(),
        models_sha256: Some(knowledge.models_sha256()),
    };
    let engine = Engine::with(knowledge, system, decider).unwrap();
    let concurrency = Concurrency::Threads { threads: 2, in_flight: 1 };
    run_into(&engine, &header, &jobs, &RunFiles::within(folder), concurrency).unwrap();
}

/// The child's work: nothing unless the variable is set.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        go(&PathBuf::from(folder), true);
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--test-threads", "1"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'\n').count())
}

#[test]
fn killed_again_and_again_it_loses_and_doubles_nothing() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    go(whole.path(), false);
    let files = RunFiles::within(killed.path());
    let mut kills = Vec::new();
    // A header and a line a sample; killed a little further each time.
    for after in [1, 9, 20, 33, usize::MAX] {
        let mut child = spawn(killed.path());
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "the child failed by itself: {status}");
                break;
            }
            if lines(&files.results) >= after {
                child.kill().unwrap();
                child.wait().unwrap();
                kills.push(lines(&files.results));
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "the child does not get on");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(kills.iter().filter(|&&lines| lines <= SAMPLES).count() >= 3, "killed at {kills:?} lines");
    assert!(kills.windows(2).all(|pair| pair[0] <= pair[1]), "{kills:?}");
    let bytes = |folder: &Path| {
        let files = RunFiles::within(folder);
        (std::fs::read(files.results).unwrap(), std::fs::read(files.trace).unwrap())
    };
    assert!(bytes(whole.path()) == bytes(killed.path()), "killed at {kills:?} lines");
    let results = read_results(&files.results).unwrap();
    let mut samples: Vec<&str> = results.iter().map(|outcome| outcome.sample.as_str()).collect();
    samples.sort_unstable();
    samples.dedup();
    assert_eq!((samples.len(), Trace::read(&files.trace).unwrap().samples.len()), (SAMPLES, SAMPLES));
}
