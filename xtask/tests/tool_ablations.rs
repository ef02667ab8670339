//! Experiments on what synthetic dialogues teach, as a user runs them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const TINY: &str = r#"
about = "As small as it gets"
arms = ["whole", "faults-verified", "easy"]
seeds = [1, 2]
apis = 200
dialogues = 40
held_out = 20
shape = [16, 1, 2]
passes = 1
"#;

fn run(folder: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["run", "tool-synth-tiny.toml", "--out", "runs"]).args(more).current_dir(folder);
    command.output().unwrap()
}

fn rows(folder: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    let mut rows = serde_json::from_str::<Value>(&text).unwrap()["ablation_rows"].take();
    for row in rows.as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("seconds");
    }
    rows
}

#[test]
fn a_table_is_made_run_by_run_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    std::fs::write(place.join("tool-synth-tiny.toml"), TINY).unwrap();
    let sound = |output: Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = sound(run(place, &["--json", "first.json"]));
    assert!(text.contains("whole") && text.contains("faults-verified"), "{text}");
    let first = rows(place, "first.json");
    assert_eq!(first.as_array().unwrap().len(), 3);
    for row in first.as_array().unwrap() {
        let overall = &row["metrics"]["overall"];
        assert_eq!(overall["runs"].as_array().unwrap().len(), 2, "{row}");
        assert!((0.0..=1.0).contains(&overall["mean"].as_f64().unwrap()));
    }

    // Finished runs are kept, one that is not there is made again to the same result.
    assert_eq!(run(place, &[]).status.code(), Some(4));
    std::fs::remove_dir_all(place.join("runs/easy/2")).unwrap();
    sound(run(place, &["--resume", "--json", "second.json"]));
    assert_eq!(rows(place, "second.json"), first);

    // A part of the table needs nothing new.
    sound(run(place, &["--resume", "--models", "easy", "--seeds", "2", "--json", "third.json"]));
    assert_eq!(
        rows(place, "third.json")[0]["metrics"]["overall"]["runs"][0],
        first[2]["metrics"]["overall"]["runs"][1]
    );

    let wrong = run(place, &["--models", "harder"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("clusters-14"));
}
