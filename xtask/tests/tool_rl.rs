//! `tool-rl` as a user runs it: stages, tables, killed and gone on with.

mod page;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use page::page_is_sound;
use serde_json::Value;

const TINY: &str = r#"
about = "As small as it gets"
rows = ["random-valid", "sft", "more-sft", "rft", "ppo-trajectory", "steptool-gated", "offline-released"]
claim_rows = ["sft", "steptool-gated"]
seeds = [1, 2]
few_seeds = 1

[setup]
width = 16
layers = 1
heads = 2
demonstrations = 24
passes = 1
iterations = 8
tasks = 2
group = 2
offline_passes = 1
curve_every = 2
checkpoint_every = 1
test_tasks = 2
validation_tasks = 2
curve_tasks = 2

[rates]
more-sft = 1e-3
rft = 1e-3
ppo-trajectory = 1e-3
steptool-gated = 1e-3
steptool-released = 1e-3

[grid]
rates = [1e-4, 1e-3]
seeds = [7]

[calibration]
careful = [[0.5, 0.3, 0.1, 0.3], [0.9, 0.9, 0.9, 0.9]]
seeds = [8]
"#;

fn xtask(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    let output = xtask(arguments, folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    folder
}

/// What hangs on the seed alone.
fn without_times(path: &Path) -> Value {
    let mut value = json(path);
    for row in value["method_rows"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("phases");
        row["metrics"].as_object_mut().unwrap().remove("minutes");
    }
    value["method_rows"].clone()
}

#[test]
fn tables_that_were_killed_end_in_the_same_result() {
    let place = place();
    let folder = place.path();
    run(&["tool-rl", "tiny.toml", "--out", "whole", "--json", "whole.json"], folder);
    let value = json(&folder.join("whole.json"));
    let rows = value["method_rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(row("steptool-gated")["seeds"].as_array().unwrap().len(), 2);
    assert_eq!(row("rft")["seeds"].as_array().unwrap().len(), 1);
    assert_eq!(row("steptool-gated")["curve"].as_array().unwrap().len(), 5);
    assert!(row("steptool-gated")["metrics"]["train_calls"]["mean"].as_f64().unwrap() > 0.0);
    assert!(row("random-valid")["metrics"]["pass_all"]["mean"].as_f64().unwrap() < 0.2);
    assert_eq!(value["claim"], "No claim: rows that it needs are not there.");
    let page = std::fs::read_to_string(folder.join("whole/report.html")).unwrap();
    page_is_sound(&page);
    assert!(page.contains("class=\"side\""));

    let mut parent = xtask(&["tool-rl", "tiny.toml", "--out", "cut", "--jobs", "1"], folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let cut = folder.join("cut/table/steptool-gated/1");
    let started = Instant::now();
    while !cut.join("checkpoint.safetensors").exists() {
        assert!(started.elapsed() < Duration::from_secs(120), "no checkpoint came");
        std::thread::sleep(Duration::from_millis(1));
    }
    parent.kill().unwrap(); // SIGKILL: nothing can be tidied up
    parent.wait().unwrap();
    assert!(!cut.join("result.json").exists(), "the run was finished before it was killed");
    // A look at what is there runs nothing; the orphan may still be writing, but no result.
    let shown = run(&["tool-rl", "tiny.toml", "--out", "cut", "--show"], folder);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("sft"));
    assert!(!cut.join("result.json").exists());
    // The orphaned child holds its run until it notices, after its next iteration, that nobody listens.
    let resume = ["tool-rl", "tiny.toml", "--out", "cut", "--resume", "--json", "cut.json"];
    loop {
        let output = xtask(&resume, folder).output().unwrap();
        if output.status.success() {
            break;
        }
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("another process is writing this run"), "{said}");
        assert!(started.elapsed() < Duration::from_secs(300), "the orphan does not end");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(without_times(&folder.join("cut.json")), without_times(&folder.join("whole.json")));
}

#[test]
fn choices_are_made_on_seeds_and_tasks_of_their_own() {
    let place = place();
    let folder = place.path();
    let rows = "sft,rft,steptool-gated";
    run(
        &["tool-rl", "tiny.toml", "--stage", "grid", "--rows", rows, "--out", "a", "--json", "grid.json"],
        folder,
    );
    let grid = json(&folder.join("grid.json"));
    assert_eq!(grid["grid"].as_array().unwrap().len(), 4);
    assert_eq!(grid["chosen"].as_array().unwrap().len(), 2);
    let stage = ["tool-rl", "tiny.toml", "--stage", "calibrate", "--out", "b", "--json", "care.json"];
    run(&stage, folder);
    let care = json(&folder.join("care.json"));
    assert_eq!(care["calibration"].as_array().unwrap().len(), 2);
    let passed = |at: usize| care["calibration"][at]["demonstrations_passed"]["mean"].as_f64().unwrap();
    assert!(passed(1) > passed(0));

    let both = TINY.replace("seeds = [7]", "seeds = [2]");
    std::fs::write(folder.join("both.toml"), both).unwrap();
    let output = xtask(&["tool-rl", "both.toml", "--stage", "grid"], folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("seed 2 serves a choice and the tables both"));
    let unfrozen = TINY.replace("rft = 1e-3", "");
    std::fs::write(folder.join("unfrozen.toml"), unfrozen).unwrap();
    let output = xtask(&["tool-rl", "unfrozen.toml"], folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no learning rate of rft is frozen"));
}

#[test]
fn dialogues_of_the_other_system_train_a_policy() {
    let folder = tempfile::tempdir().unwrap();
    let text = "dialogues = 60\napis = 30\nshape = [16, 1, 2]\npasses = 1\niterations = 2\ntasks = 2\ngroup = 2\nmost_prompt = 400\n";
    std::fs::write(folder.path().join("small-dialogues.toml"), text).unwrap();
    run(&["tool-rl", "small-dialogues.toml", "--out", "out", "--json", "out.json"], folder.path());
    let value = json(&folder.path().join("out.json"));
    assert!(value["training"].as_u64().unwrap() > 20);
    let groups: Vec<&str> =
        value["dialogue_rows"].as_array().unwrap().iter().map(|row| row["group"].as_str().unwrap()).collect();
    assert!(groups.contains(&"all") && groups.contains(&"no tool"), "{groups:?}");
}
