//! `bfcl` as a user runs it, on a package, outputs and score files of our own making.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/tool-synth/tests/data").join(name)
}

fn bfcl(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).arg("bfcl").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn score_writes_the_files_of_the_official_command() {
    let out = tempfile::tempdir().unwrap();
    let (package, results) = (data("score"), data("score/result"));
    let paths = [package.to_str().unwrap(), results.to_str().unwrap(), out.path().to_str().unwrap()];
    let base = ["score", "--data", paths[0], "--result-dir", paths[1], "--score-dir", paths[2]];
    let run = bfcl(&base);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let lines = text(&run.stdout);
    assert!(lines.contains("simple_java") && lines.contains("100.00 % (2 of 2)"), "{lines}");
    let table = "data_non_live.csv";
    let [ours, theirs] = [out.path().join(table), data("score/score").join(table)]
        .map(|path| std::fs::read_to_string(path).unwrap().trim_end().to_owned());
    assert_eq!(ours, theirs);

    let run = bfcl(&[&base[..], &["--test-category", "irrelevance", "--json", "-"]].concat());
    let rows: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["accuracy"], 0.5);

    let nothing = bfcl(&["score", "--data", paths[2], "--result-dir", paths[1], "--score-dir", paths[2]]);
    assert!(!nothing.status.success());
    assert!(text(&nothing.stderr).contains("no copy of bfcl_eval"), "{}", text(&nothing.stderr));
}

#[test]
fn replay_counts_differences_last_and_times_what_it_judges() {
    let corpus = data("bfcl-synthetic.jsonl.gz");
    let run = bfcl(&["replay", corpus.to_str().unwrap(), "--time", "--rounds", "1"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let lines = text(&run.stdout);
    assert!(lines.trim_end().lines().last().unwrap().ends_with("differences 0"), "{lines}");
    assert!(lines.contains("python") && lines.contains("a second"), "{lines}");
}
