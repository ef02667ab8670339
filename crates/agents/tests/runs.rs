//! Runs: the same files whatever the concurrency, resuming after a cut at any byte, replay byte for byte.

mod common;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use agents::decider::Decider;
use agents::engine::{Engine, Job, Outcome};
use agents::eval::{evaluate, table};
use agents::judge::Judge;
use agents::knowledge::Knowledge;
use agents::protocol::Prepared;
use agents::run::{Concurrency, RunFiles, read_results, run_into};
use agents::system::SystemConfig;
use agents::task::{TaskInput, TaskKind};
use agents::trace::{Header, ReplayDecider, Trace, VERSION};

static PREPARED: LazyLock<Prepared> = LazyLock::new(common::prepared);
static KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| common::knowledge(&PREPARED));

fn jobs(kind: TaskKind, n: usize) -> Vec<Job> {
    let job = |sample| Job::new(TaskInput::of_sample(kind, &KNOWLEDGE, sample, 10), sample.cut_off);
    PREPARED.test.iter().take(n).map(job).collect()
}

fn header(system: &SystemConfig, task: TaskKind) -> Header {
    Header {
        version: VERSION,
        crate_version: env!("CARGO_PKG_VERSION").into(),
        data_sha256: PREPARED.dataset.sha256(),
        task,
        system: system.clone(),
        model: "policy".into(),
        models_sha256: Some(KNOWLEDGE.models_sha256()),
    }
}

fn go(
    folder: &Path,
    name: &str,
    decider: Arc<dyn Decider>,
    jobs: &[Job],
    concurrency: Concurrency,
) -> Vec<Outcome> {
    let system = SystemConfig::named(name).unwrap();
    let engine = Engine::with(KNOWLEDGE.clone(), system.clone(), decider).unwrap();
    let header = header(&system, jobs[0].task.kind);
    run_into(&engine, &header, jobs, &RunFiles::within(folder), concurrency).unwrap()
}

fn bytes(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let files = RunFiles::within(folder);
    (std::fs::read(files.results).unwrap(), std::fs::read(files.trace).unwrap())
}

#[test]
fn files_do_not_depend_on_concurrency() {
    let jobs = jobs(TaskKind::Rating, 30);
    let mut seen = Vec::new();
    for concurrency in [
        Concurrency::ONE,
        Concurrency::Threads { threads: 8, in_flight: 1 },
        Concurrency::Threads { threads: 2, in_flight: 7 },
    ] {
        let folder = tempfile::tempdir().unwrap();
        go(folder.path(), "rewoo", common::policy(&KNOWLEDGE), &jobs, concurrency);
        seen.push(bytes(folder.path()));
    }
    assert!(seen[0] == seen[1] && seen[0] == seen[2]);
}

#[test]
fn a_run_cut_at_any_place_is_resumed_to_the_same_files() {
    let jobs = jobs(TaskKind::Ranking, 8);
    let whole = tempfile::tempdir().unwrap();
    go(whole.path(), "analyse", common::policy(&KNOWLEDGE), &jobs, Concurrency::ONE);
    let (results, trace) = bytes(whole.path());
    for share in [0.0, 0.001, 0.1, 0.37, 0.5, 0.83, 0.999, 1.0] {
        let folder = tempfile::tempdir().unwrap();
        let files = RunFiles::within(folder.path());
        let cut = (results.len() as f64 * share) as usize;
        std::fs::write(&files.results, &results[..cut]).unwrap();
        // The trace runs ahead of the results, by whole samples and a torn line.
        let ahead = (trace.len() as f64 * (share + 0.2).min(1.0)) as usize;
        std::fs::write(&files.trace, &trace[..ahead]).unwrap();
        let outcomes = go(
            folder.path(),
            "analyse",
            common::policy(&KNOWLEDGE),
            &jobs,
            Concurrency::Threads { threads: 2, in_flight: 1 },
        );
        assert_eq!(outcomes.len(), jobs.len());
        assert!(bytes(folder.path()) == (results.clone(), trace.clone()), "cut at {share}");
    }
    assert_eq!(read_results(&RunFiles::within(whole.path()).results).unwrap().len(), jobs.len());
}

#[test]
fn a_run_of_something_else_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    go(folder.path(), "analyse", common::policy(&KNOWLEDGE), &jobs(TaskKind::Ranking, 2), Concurrency::ONE);
    let system = SystemConfig::named("single").unwrap();
    let engine = Engine::with(KNOWLEDGE.clone(), system.clone(), common::policy(&KNOWLEDGE)).unwrap();
    let jobs = jobs(TaskKind::Ranking, 2);
    let files = RunFiles::within(folder.path());
    let error =
        run_into(&engine, &header(&system, TaskKind::Ranking), &jobs, &files, Concurrency::ONE).unwrap_err();
    assert!(error.to_string().contains("another system"), "{error}");
}

#[test]
fn a_run_is_gone_on_with_under_its_own_models_only() {
    let mut config = agents::models::ModelsConfig::default();
    config.ease.lambda = 1000.0;
    let other = Arc::new(Knowledge::build(&PREPARED, &config).unwrap());
    assert_ne!(other.models_sha256(), KNOWLEDGE.models_sha256());
    let system = SystemConfig::named("analyse").unwrap();
    let jobs = jobs(TaskKind::Ranking, 2);
    let engine = |knowledge: &Arc<Knowledge>| {
        Engine::with(knowledge.clone(), system.clone(), common::policy(knowledge)).unwrap()
    };
    let own = header(&system, TaskKind::Ranking);
    let others = Header { models_sha256: Some(other.models_sha256()), ..own.clone() };
    for (first, accepted) in [(own.clone(), false), (Header { models_sha256: None, ..own }, true)] {
        let folder = tempfile::tempdir().unwrap();
        let files = RunFiles::within(folder.path());
        run_into(&engine(&KNOWLEDGE), &first, &jobs[..1], &files, Concurrency::ONE).unwrap();
        // The list of jobs is part of a run, too.
        let again = run_into(&engine(&other), &others, &jobs[..1], &files, Concurrency::ONE);
        assert_eq!(again.is_ok(), accepted);
        assert!(again.is_ok() || again.unwrap_err().to_string().contains("fitted otherwise"));
    }
}

#[test]
fn a_trace_that_is_too_short_is_not_filled_up() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = jobs(TaskKind::Rating, 3);
    go(folder.path(), "analyse", common::policy(&KNOWLEDGE), &jobs, Concurrency::ONE);
    let files = RunFiles::within(folder.path());
    let whole = std::fs::read(&files.trace).unwrap();
    std::fs::write(&files.trace, &whole[..whole.len() - 100]).unwrap();
    let system = SystemConfig::named("analyse").unwrap();
    let engine = Engine::with(KNOWLEDGE.clone(), system.clone(), common::policy(&KNOWLEDGE)).unwrap();
    let header = header(&system, TaskKind::Rating);
    let error = run_into(&engine, &header, &jobs, &files, Concurrency::ONE).unwrap_err().to_string();
    assert!(error.contains("trace.jsonl has") && error.contains("vouches for"), "{error}");
    assert_eq!(std::fs::read(&files.trace).unwrap().len(), whole.len() - 100);
}

#[test]
fn a_replayed_trace_comes_out_byte_for_byte() {
    for (name, kind) in [
        ("reflect_analyse_search", TaskKind::Rating),
        ("rewoo", TaskKind::Explanation),
        ("search", TaskKind::Ranking),
    ] {
        let jobs = jobs(kind, 10);
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        go(first.path(), name, common::policy(&KNOWLEDGE), &jobs, Concurrency::ONE);
        let trace = Trace::read(&RunFiles::within(first.path()).trace).unwrap();
        let replay = Arc::new(ReplayDecider::new(&trace).unwrap());
        go(second.path(), name, replay, &jobs, Concurrency::Threads { threads: 3, in_flight: 1 });
        assert!(bytes(first.path()) == bytes(second.path()), "{name}");
    }
}

#[test]
fn traces_tell_where_they_differ() {
    let jobs = jobs(TaskKind::Rating, 4);
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    go(first.path(), "analyse", common::policy(&KNOWLEDGE), &jobs, Concurrency::ONE);
    go(second.path(), "search", common::policy(&KNOWLEDGE), &jobs, Concurrency::ONE);
    let read = |folder: &Path| Trace::read(&RunFiles::within(folder).trace).unwrap();
    let (a, b) = (read(first.path()), read(second.path()));
    assert!(a.diff(&a).is_empty());
    let found = a.diff(&b);
    assert_eq!(found.len(), 4);
    assert_eq!(found[0].left.unwrap().seq, 1, "the first decision differs, the task does not");
    let stats = a.stats();
    assert_eq!((stats["decision Analyse"], stats["tool predict_rating"], stats["answer"]), (8, 4, 4));
    let text = Trace::show(&a.samples[0].1);
    for part in ["1/manager", "does: Analyse[user", "calls", "claim:", "ANSWER"] {
        assert!(text.contains(part), "{text}");
    }
    // A torn last line is left out, a broken one in the middle is not.
    let path = RunFiles::within(first.path()).trace;
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    assert_eq!(Trace::read(&path).unwrap().samples.len(), 4);
    // Also one that is torn within a character.
    let within = [whole.as_bytes(), "{\"sample\":\"⟦".as_bytes().split_last().unwrap().1].concat();
    std::fs::write(&path, within).unwrap();
    assert_eq!(Trace::read(&path).unwrap().samples.len(), 4);
    std::fs::write(&path, whole.replacen("\"seq\":2", "\"seq\":x", 1)).unwrap();
    let error = Trace::read(&path).unwrap_err().to_string();
    assert!(error.contains("trace.jsonl:4"), "{error}");
}

#[test]
fn reports_count_and_measure() {
    let samples: Vec<_> = PREPARED.test.iter().take(40).collect();
    let judges: Vec<Judge> = samples.iter().map(|sample| Judge::new(&KNOWLEDGE, sample)).collect();
    let folder = tempfile::tempdir().unwrap();
    let outcomes = go(
        folder.path(),
        "analyse",
        common::policy(&KNOWLEDGE),
        &jobs(TaskKind::Ranking, 40),
        Concurrency::ONE,
    );
    let report = evaluate("analyse", TaskKind::Ranking, &outcomes, &judges).unwrap();
    assert_eq!((report.samples, report.valid), (40, 1.0));
    let hit = |k: usize| report.metrics[&format!("hr@{k}")].value;
    assert!(hit(1) <= hit(3) && hit(3) <= hit(5) && (hit(10) - 1.0).abs() < 1e-12);
    let by_hand = outcomes.iter().zip(&judges).filter(|(outcome, judge)| {
        matches!(&outcome.answer, agents::task::Answer::Ranking(order) if order[0] == judge.item)
    });
    assert!((hit(1) - by_hand.count() as f64 / 40.0).abs() < 1e-12);
    // Two tastes, one of them each user's: far above chance (1 of 8).
    assert!(hit(1) > 0.2, "{}", hit(1));
    let outcomes = go(
        tempfile::tempdir().unwrap().path(),
        "analyse",
        common::policy(&KNOWLEDGE),
        &jobs(TaskKind::Rating, 40),
        Concurrency::ONE,
    );
    let rating = evaluate("analyse", TaskKind::Rating, &outcomes, &judges).unwrap();
    let rmse = rating.metrics["rmse"];
    assert!(
        rmse.interval.low <= rmse.value && rmse.value <= rmse.interval.high && rmse.value < 1.4,
        "{rmse:?}"
    );
    assert!(table(&[rating]).contains("| analyse |"));
}
